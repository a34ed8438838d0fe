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
        (Some(b"chengxin-store\0\0\0\x03".as_slice()), "has store format 3, this program reads up to 2"),
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

/// A key of `length` bytes that shares no beginning with those of other numbers.
fn scattered_key(number: u32, length: usize) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9e37_79b1);
    let mut key: Vec<u8> = (0..length)
        .map(|place| (mixed.rotate_left(place as u32 % 32) as u8).wrapping_add(place as u8))
        .collect();
    key[..4].copy_from_slice(&mixed.to_be_bytes());
    key
}

fn blobs(folder: &Path) -> usize {
    fs::read_dir(folder.join("sled/blobs")).unwrap().count()
}

/// Longest key, and longest value that stays beside its key, as [`SledOptions::segment_bytes`] allows them: found from
/// outside, by what is refused and by what reaches a file of values.
async fn longest(options: &SledOptions) -> (usize, usize) {
    let parent = tempfile::tempdir().unwrap();
    let store = SledStore::open(parent.path(), options.clone()).unwrap();
    let mut key_bytes = 0;
    while key_bytes < limits::MAX_KEY_BYTES {
        let mut batch = Batch::new();
        batch.put(vec![1; key_bytes + 1], "");
        if store.commit(batch).await.is_err() {
            break;
        }
        key_bytes += 1;
    }
    let values = parent.path().join("values/0000000001");
    let mut value_bytes = 0;
    while !values.exists() {
        value_bytes += 1;
        entry_put(&store, b"value", &vec![1; value_bytes]).await;
    }
    (key_bytes, value_bytes - 1)
}

/// sled writes pages above its threshold to files that it never syncs; keys and values of every shape must
/// stay below it (see `sled_store::encoding`).
#[tokio::test]
async fn no_page_ever_leaves_the_log() {
    let small = SledOptions { create: true, ..small_options() };
    for options in [small, SledOptions::creating()] {
        let (key_bytes, value_bytes) = longest(&options).await;
        let parent = tempfile::tempdir().unwrap();
        let store = SledStore::open(parent.path(), options).unwrap();
        // The longest keys without a common prefix fill index pages; the longest values beside them fill leaves.
        for round in 0..24_u32 {
            let mut batch = Batch::new();
            for number in 0..250_u32 {
                let long = !number.is_multiple_of(4);
                batch.put(
                    scattered_key(round * 250 + number, key_bytes),
                    vec![1; if long { value_bytes } else { 20_000 }],
                );
            }
            store.commit(batch).await.unwrap();
            assert_eq!(blobs(parent.path()), 0, "round {round}");
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
            assert_eq!(blobs(parent.path()), 0);
        }
    }
}

/// The test above can fail: sled alone, with entries four times as long as the store lets them be, leaves its log.
#[tokio::test]
async fn longer_entries_than_the_store_lets_through_leave_the_log() {
    let (key_bytes, value_bytes) = longest(&SledOptions { create: true, ..small_options() }).await;
    let parent = tempfile::tempdir().unwrap();
    let engine = engine_open(parent.path());
    for number in 0..500 {
        let value = vec![1; (key_bytes + value_bytes) * 4];
        engine.insert(scattered_key(number, key_bytes + 1), value).unwrap();
    }
    engine.flush().unwrap();
    assert!(blobs(parent.path()) > 0);
}

/// Writes a folder that `folders_of_every_format_open` reads. Run once per format, then committed:
/// `CHENGXIN_STORE_WRITE_GOLDEN=<folder> cargo test -p chengxin-store write_golden_folder`.
#[tokio::test]
async fn write_golden_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = match std::env::var("CHENGXIN_STORE_WRITE_GOLDEN") {
        Ok(folder) => folder.into(),
        Err(_) => parent.path().join("v2"),
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
async fn folders_of_every_format_open() {
    for version in ["v1", "v2"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version);
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        folder_copy(&golden, &folder);
        let store = SledStore::open(&folder, small_options()).unwrap();
        golden_check(&store).await;
        entry_put(&store, b"record/40", b"new").await;
        drop(store);
        // It is of the current format from then on.
        let engine = engine_open(&folder);
        assert_eq!(engine.get(FORMAT_KEY).unwrap().unwrap(), b"chengxin-store\0\0\0\x02");
        drop(engine);
        let store = SledStore::open(&folder, small_options()).unwrap();
        assert_eq!(store.get(b"record/40").await.unwrap().unwrap(), "new");
        // A file of an earlier format is appended to no more, and goes when nothing in it lives.
        entry_put(&store, b"long", &[1; 4_000]).await;
        assert_eq!(store.get(b"large").await.unwrap().unwrap(), vec![0xab; 3_000]);
        let first = folder.join("values/0000000001");
        assert_eq!(first.metadata().unwrap().len() == 3_011, version == "v1");
        let mut batch = Batch::new();
        batch.delete("large");
        store.commit(batch).await.unwrap();
        drop(store);
        assert_eq!(first.exists(), version != "v1");
        let store = SledStore::open(&folder, small_options()).unwrap();
        assert_eq!(store.get(b"long").await.unwrap().unwrap(), vec![1; 4_000]);
        assert_eq!(store.statistics().await.unwrap().value_files_damaged, 0);
    }
}

/// The process ended while sled wrote a snapshot at opening.
#[tokio::test]
async fn a_snapshot_of_the_engine_that_was_cut_short_does_not_stop_the_store() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    for round in 0..3_u8 {
        let store = SledStore::open(&folder, SledOptions { create: true, ..small_options() }).unwrap();
        entry_put(&store, &[round], b"1").await;
        drop(store);
        fs::write(folder.join("sled/snap.7000000000000000.generating"), [7; 9]).unwrap();
    }
    let store = SledStore::open(&folder, small_options()).unwrap();
    assert_eq!(store.scan(KeyRange::all(), 9).await.unwrap().len(), 3);
}

/// A file that is appended to no more, of format 1 or with a damaged head, is named by sled as the last until the next is
/// begun: it stays until then, dead or not.
#[tokio::test]
async fn a_last_file_in_which_nothing_lives_goes_with_the_next() {
    for (version, damaged) in [("v1", false), ("v2", true)] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version);
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        folder_copy(&golden, &folder);
        let first = folder.join("values/0000000001");
        if damaged {
            let mut bytes = fs::read(&first).unwrap();
            bytes[1] ^= 1;
            fs::write(&first, bytes).unwrap();
        }
        let store = SledStore::open(&folder, small_options()).unwrap();
        let mut batch = Batch::new();
        batch.delete("large");
        store.commit(batch).await.unwrap();
        drop(store);
        for start in 0..3 {
            assert!(first.exists(), "{version}, start {start}");
            let store = SledStore::open(&folder, small_options()).unwrap();
            assert_eq!(store.get(b"large").await.unwrap(), None);
            entry_put(&store, b"short", b"1").await;
        }
        let store = SledStore::open(&folder, small_options()).unwrap();
        entry_put(&store, b"long", &[1; 4_000]).await;
        drop(store);
        assert!(!first.exists(), "{version}");
        let store = SledStore::open(&folder, small_options()).unwrap();
        assert_eq!(store.get(b"long").await.unwrap().unwrap(), vec![1; 4_000]);
        assert_eq!(store.get(b"short").await.unwrap().unwrap(), "1");
        assert_eq!(store.statistics().await.unwrap().value_files_damaged, 0);
    }
}

pub(crate) fn folder_copy(from: &Path, to: &Path) {
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
