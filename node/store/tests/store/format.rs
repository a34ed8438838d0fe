//! The folder of a store: its format version, its lock, old folders, and what must never appear in it.

use std::fs;
use std::path::Path;

use chengxin_store::conformance::{entries_read, entry_put};
use chengxin_store::{Batch, KeyRange, SledOptions, SledStore, Store, StoreError, limits};

/// The marker as the store writes it, read and changed here on sled itself.
const FORMAT_KEY: &[u8] = b"\0format";

fn small_options() -> SledOptions {
    SledOptions { segment_bytes: 64 * 1024, ..SledOptions::default() }
}

fn error_of(outcome: Result<SledStore, StoreError>) -> StoreError {
    outcome.err().expect("the store must not open")
}

fn engine_open(folder: &Path) -> sled::Db {
    sled::Config::new().path(folder.join("sled")).segment_size(64 * 1024).open().unwrap()
}

#[tokio::test]
async fn a_second_opening_is_refused_and_names_the_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open(&folder, SledOptions::creating()).unwrap();
    let error = error_of(SledStore::open(&folder, SledOptions::default()));
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains(folder.to_str().unwrap()));
    drop(store);
    SledStore::open(&folder, SledOptions::default()).unwrap();
}

#[test]
fn a_missing_store_is_not_made_by_accident() {
    let parent = tempfile::tempdir().unwrap();
    let error = error_of(SledStore::open(parent.path(), SledOptions::default()));
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_creation_is_no_store_and_can_be_repeated() {
    let parent = tempfile::tempdir().unwrap();
    fs::create_dir(parent.path().join("sled")).unwrap();
    drop(engine_open(parent.path()));
    let error = error_of(SledStore::open(parent.path(), small_options()));
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    SledStore::open(parent.path(), SledOptions { create: true, ..small_options() }).unwrap();
    SledStore::open(parent.path(), small_options()).unwrap();
}

#[test]
fn newer_and_damaged_formats_are_refused() {
    for (marker, expected) in [
        (Some(b"chengxin-store\0\0\0\x02".as_slice()), "has store format 2, this program reads up to 1"),
        (Some(b"chengxin-store\0\0\0\0"), "version 0"),
        (Some(b"chengxin-store\0\0\x01"), "not one"),
        (Some(b"another-thing!\0\0\0\x01"), "not one"),
        (None, "no format marker"),
    ] {
        let parent = tempfile::tempdir().unwrap();
        drop(SledStore::open(parent.path(), SledOptions { create: true, ..small_options() }).unwrap());
        let engine = engine_open(parent.path());
        match marker {
            Some(marker) => engine.insert(FORMAT_KEY, marker).unwrap(),
            None => engine.insert("\x01key", "").and_then(|_| engine.remove(FORMAT_KEY)).unwrap(),
        };
        drop(engine);
        let error = error_of(SledStore::open(parent.path(), small_options())).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unusable_options_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    for segment_bytes in [0, 1_000, 100_000, 32 * 1024, 32 * 1024 * 1024] {
        let options = SledOptions { segment_bytes, ..SledOptions::creating() };
        let error = error_of(SledStore::open(parent.path().join("store"), options));
        assert!(matches!(error, StoreError::Option { name: "segment_bytes", .. }), "{error}");
    }
}

#[tokio::test]
async fn a_store_opened_with_another_segment_size_says_so() {
    let parent = tempfile::tempdir().unwrap();
    drop(SledStore::open(parent.path(), SledOptions { create: true, ..small_options() }).unwrap());
    let error = error_of(SledStore::open(parent.path(), SledOptions::default()));
    assert!(matches!(error, StoreError::Engine { .. }), "{error}");
}

/// sled writes pages above its threshold to files that it never syncs; keys and values of every shape must
/// stay below it (see `sled_store::encoding`).
#[tokio::test]
async fn no_page_ever_leaves_the_log() {
    let parent = tempfile::tempdir().unwrap();
    let store = SledStore::open(parent.path(), SledOptions::creating()).unwrap();
    let blobs = || fs::read_dir(parent.path().join("sled/blobs")).unwrap().count();
    // Long keys without a common prefix fill index pages; values around the inline length fill leaves.
    for round in 0..24_u32 {
        let mut batch = Batch::new();
        for number in 0..250_u32 {
            let mut key = vec![0; limits::MAX_KEY_BYTES];
            let mixed = (round * 250 + number).wrapping_mul(0x9e37_79b1);
            for (place, byte) in key.iter_mut().enumerate() {
                *byte = (mixed.rotate_left(place as u32 % 32) as u8).wrapping_add(place as u8);
            }
            key[..4].copy_from_slice(&mixed.to_be_bytes());
            batch.put(key, vec![1; [11_000, 12_600, 100, 20_000][number as usize % 4]]);
        }
        store.commit(batch).await.unwrap();
        assert_eq!(blobs(), 0, "round {round}");
    }
    // Deleting most of them merges pages.
    let all = entries_read(&*store.snapshot().unwrap(), KeyRange::all(), 1_000).await;
    assert_eq!(all.len(), 6_000);
    for part in all.chunks(500) {
        let mut batch = Batch::new();
        for (place, (key, _)) in part.iter().enumerate() {
            if place % 6 != 0 {
                batch.delete(key.clone());
            }
        }
        store.commit(batch).await.unwrap();
        assert_eq!(blobs(), 0);
    }
}

/// Writes the folder that `a_folder_of_format_1_opens` reads. Run once per format, then committed:
/// `CHENGXIN_STORE_WRITE_GOLDEN=<folder> cargo test -p chengxin-store write_golden_folder`.
#[tokio::test]
async fn write_golden_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = match std::env::var("CHENGXIN_STORE_WRITE_GOLDEN") {
        Ok(folder) => folder.into(),
        Err(_) => parent.path().join("v1"),
    };
    let store = SledStore::open(&folder, SledOptions { create: true, ..small_options() }).unwrap();
    let mut batch = Batch::new();
    for number in 0..40_u8 {
        batch.put(format!("record/{number:02}"), vec![number; usize::from(number)]);
    }
    batch.put("large", vec![0xab; 3_000]).put("deleted", "soon").put("empty", "");
    store.commit(batch).await.unwrap();
    let mut batch = Batch::new();
    batch.delete("deleted").put("record/07", "replaced");
    store.commit(batch).await.unwrap();
    golden_check(&store).await;
}

async fn golden_check(store: &dyn Store) {
    let snapshot = store.snapshot().unwrap();
    assert_eq!(snapshot.stamp().number(), 2);
    let entries = entries_read(&*snapshot, KeyRange::all(), 10).await;
    assert_eq!(entries.len(), 42);
    assert_eq!(entries[0], ("empty".into(), "".into()));
    assert_eq!(entries[1], ("large".into(), vec![0xab; 3_000].into()));
    for (number, (key, value)) in (0_u8..).zip(&entries[2..]) {
        assert_eq!(*key, format!("record/{number:02}"));
        match number {
            7 => assert_eq!(value, "replaced"),
            _ => assert_eq!(*value, vec![number; usize::from(number)]),
        }
    }
}

#[tokio::test]
async fn a_folder_of_format_1_opens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    folder_copy(&golden, &folder);
    let store = SledStore::open(&folder, small_options()).unwrap();
    golden_check(&store).await;
    entry_put(&store, b"record/40", b"new").await;
    drop(store);
    let store = SledStore::open(&folder, small_options()).unwrap();
    assert_eq!(store.get(b"record/40").await.unwrap().unwrap(), "new");
}

fn folder_copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    // Git keeps no empty folder; sled wants this one.
    fs::create_dir_all(to.join("sled/blobs")).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            folder_copy_inner(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn folder_copy_inner(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
