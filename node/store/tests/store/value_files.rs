//! Long values in their files: begun, emptied, removed, cut off, and what damage looks like.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chengxin_store::conformance::entry_put;
use chengxin_store::{Barrier, Batch, KeyRange, SledOptions, SledStore, Store, StoreError, limits};

fn options() -> SledOptions {
    SledOptions { value_file_bytes: 64 * 1024, ..SledOptions::creating() }
}

fn key(number: u32) -> Vec<u8> {
    format!("record {number:05}").into_bytes()
}

/// 2 KB that no other number and version has.
fn value(number: u32, version: u8) -> Vec<u8> {
    let mut value = number.to_be_bytes().repeat(500);
    value[0] = version;
    value
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder.join("values")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn bytes(folder: &Path) -> u64 {
    // A file can go between being listed and being looked at.
    files(folder).iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
}

async fn put(store: &SledStore, numbers: impl Iterator<Item = u32>, version: u8) {
    let mut batch = Batch::new();
    for number in numbers {
        batch.put(key(number), value(number, version));
        if batch.len() == 10 {
            store.commit(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    store.commit(batch).await.unwrap();
}

/// Waits until the commit thread, which empties files while nobody waits, has come so far.
async fn settled(folder: &Path, so: impl Fn(&[PathBuf], u64) -> bool) {
    let wait = async {
        while !so(&files(folder), bytes(folder)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::writer::PATIENCE, wait).await.expect("the files do not shrink");
}

#[tokio::test]
async fn half_dead_files_are_emptied_and_everything_alive_stays() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open(&folder, options()).unwrap();
    put(&store, 0..1_000, 1).await;
    let full = bytes(&folder);
    assert!(full > 2_000_000, "{full}");
    let snapshot = store.snapshot().unwrap();
    // Two of three are replaced, again and again: every file keeps something alive.
    for version in 2..6 {
        put(&store, (0..1_000).filter(|number| number % 3 != 0), version).await;
    }
    // Nothing but what lives, and the file that is written to.
    settled(&folder, |files, bytes| !files[0].ends_with("0000000001") && bytes < full + full / 4).await;
    for number in 0..1_000 {
        let newest = if number % 3 == 0 { 1 } else { 5 };
        assert_eq!(store.get(&key(number)).await.unwrap().unwrap(), value(number, newest), "{number}");
        assert_eq!(snapshot.get(&key(number)).await.unwrap().unwrap(), value(number, 1), "{number}");
    }
    drop((snapshot, store));
    let store = SledStore::open(&folder, options()).unwrap();
    for number in 0..1_000 {
        let newest = if number % 3 == 0 { 1 } else { 5 };
        assert_eq!(store.get(&key(number)).await.unwrap().unwrap(), value(number, newest), "{number}");
    }
    // With the last values the files go, but for the one that is written to.
    for start in (0..1_000).step_by(100) {
        let mut batch = Batch::new();
        for number in start..start + 100 {
            batch.delete(key(number));
        }
        store.commit(batch).await.unwrap();
    }
    settled(&folder, |files, bytes| files.len() == 1 && bytes < 128 * 1024).await;
    put(&store, 0..1_000, 9).await;
    assert_eq!(store.get(&key(999)).await.unwrap().unwrap(), value(999, 9));
}

#[tokio::test]
async fn readers_find_values_while_their_files_go() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = std::sync::Arc::new(SledStore::open(&folder, options()).unwrap());
    put(&store, 0..300, 1).await;
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut readers = Vec::new();
    for reader in 0..2 {
        let (store, done) = (store.clone(), done.clone());
        let read = async move {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                for number in (0..300).filter(|number| number % 3 == 0) {
                    assert_eq!(store.get(&key(number)).await.unwrap().unwrap(), value(number, 1));
                }
                let page = store.scan(KeyRange::all(), 1_000).await.unwrap();
                assert_eq!(page.len(), 300);
                rounds += 1;
            }
            assert!(rounds > 0, "reader {reader} read nothing");
        };
        readers.push(std::thread::spawn(move || crate::writer::runtime().block_on(read)));
    }
    for version in 2..40 {
        put(&store, (0..300).filter(|number| number % 3 != 0), version).await;
    }
    done.store(true, std::sync::atomic::Ordering::Release);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert!(files(&folder).iter().all(|path| !path.ends_with("0000000001")));
}

#[tokio::test]
async fn what_was_never_committed_is_cut_off() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open(&folder, options()).unwrap();
    put(&store, 0..5, 1).await;
    drop(store);
    let before = bytes(&folder);
    fs::File::options().append(true).open(&files(&folder)[0]).unwrap().write_all(&[7; 5_000]).unwrap();
    fs::write(folder.join("values/0000000002"), [7; 100]).unwrap();
    let store = SledStore::open(&folder, options()).unwrap();
    assert_eq!(bytes(&folder), before);
    put(&store, 5..80, 1).await;
    drop(store);
    let store = SledStore::open(&folder, options()).unwrap();
    for number in 0..80 {
        assert_eq!(store.get(&key(number)).await.unwrap().unwrap(), value(number, 1));
    }
}

#[tokio::test]
async fn damage_is_said_and_nothing_wrong_is_returned() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 5] = [
        ("does not match its checksum", |folder| {
            let mut bytes = fs::read(&files(folder)[0]).unwrap();
            bytes[1_000] ^= 1;
            fs::write(&files(folder)[0], bytes).unwrap();
        }),
        ("a file of values is too short", |folder| {
            fs::File::options().write(true).open(&files(folder)[0]).unwrap().set_len(900).unwrap();
        }),
        ("a file of values is missing", |folder| fs::remove_file(&files(folder)[0]).unwrap()),
        ("the last file of values is missing", |folder| {
            fs::remove_file(files(folder).last().unwrap()).unwrap();
        }),
        ("a foreign file", |folder| fs::write(folder.join("values/notes.txt"), "x").unwrap()),
    ];
    for (expected, damage) in cases {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        let store = SledStore::open(&folder, options()).unwrap();
        put(&store, 0..100, 1).await;
        drop(store);
        damage(&folder);
        let error = match SledStore::open(&folder, options()) {
            Err(error) => error,
            Ok(store) => store.get(&key(0)).await.unwrap_err(),
        };
        assert!(matches!(error, StoreError::Damaged { .. }), "{expected}: {error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

/// Syncs the log, and says no to the values.
struct ValuesFail(Box<dyn Barrier>);

impl Barrier for ValuesFail {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn sync_values(&mut self, _: &fs::File) -> io::Result<()> {
        Err(io::Error::other("the disk said no"))
    }
}

#[tokio::test]
async fn values_that_do_not_sync_stop_the_store_and_leave_no_trace() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open_with_barrier(&folder, options(), |real| Box::new(ValuesFail(real))).unwrap();
    entry_put(&store, b"short", b"1").await;
    let mut batch = Batch::new();
    batch.put("long", value(1, 1)).put("short", "2");
    let error = store.commit(batch).await.unwrap_err();
    assert!(matches!(&error, StoreError::Poisoned { reason } if reason.contains("said no")), "{error}");
    drop(store);
    let store = SledStore::open(&folder, options()).unwrap();
    assert_eq!(store.get(b"short").await.unwrap().unwrap(), "1");
    assert_eq!(store.get(b"long").await.unwrap(), None);
    assert_eq!(bytes(&folder), 0);
}

/// A batch larger than a group keeps only its shortest values in sled's log.
#[tokio::test]
async fn the_largest_batch_is_one_commit() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open(&folder, SledOptions::creating()).unwrap();
    let mut batch = Batch::new();
    for number in 0..u32::try_from(limits::MAX_BATCH_OPERATIONS).unwrap() {
        batch.put(key(number), vec![1; 1_000]);
    }
    store.commit(batch).await.unwrap();
    assert!(bytes(&folder) > 8_000_000, "{}", bytes(&folder));
    assert_eq!(store.get(&key(8_191)).await.unwrap().unwrap(), vec![1; 1_000]);
    drop(store);
    let store = SledStore::open(&folder, SledOptions::default()).unwrap();
    assert_eq!(store.get(&key(8_191)).await.unwrap().unwrap(), vec![1; 1_000]);
}

/// Damage in a frame that lives, in the first file: of its key, or of its value. The file is left alone, everything else
/// goes on, and goes on after each start.
#[tokio::test]
async fn a_damaged_file_is_kept_and_does_not_stop_the_store() {
    for (damage, value_is_lost) in [(0_usize, false), (100, true)] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        let store = SledStore::open(&folder, options()).unwrap();
        put(&store, 0..100, 1).await;
        drop(store);
        let first = files(&folder)[0].clone();
        let mut bytes = fs::read(&first).unwrap();
        let place = bytes.windows(12).position(|window| window == key(9)).unwrap();
        bytes[place + damage] ^= 1;
        fs::write(&first, &bytes).unwrap();
        for start in 0..2 {
            let store = SledStore::open(&folder, options()).unwrap();
            for version in 2..6 {
                put(&store, (0..100).filter(|number| number % 3 != 0), version).await;
            }
            let wait = async {
                while store.statistics().await.unwrap().value_files_damaged == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(crate::writer::PATIENCE, wait).await.expect("the damage is not met");
            put(&store, 100..110, 1).await;
            for number in (0..100).step_by(3) {
                let read = store.get(&key(number)).await;
                if number == 9 && value_is_lost {
                    assert!(matches!(read, Err(StoreError::Damaged { .. })));
                } else {
                    assert_eq!(read.unwrap().unwrap(), value(number, 1), "{number}, start {start}");
                }
            }
            assert!(first.exists());
        }
        // It goes with the last of its values.
        let store = SledStore::open(&folder, options()).unwrap();
        let mut batch = Batch::new();
        for number in 0..100 {
            batch.delete(key(number));
        }
        store.commit(batch).await.unwrap();
        settled(&folder, |files, _| !files.contains(&first)).await;
        // Told once the file is gone, by the same thread.
        entry_put(&store, b"short", b"1").await;
        assert_eq!(store.statistics().await.unwrap().value_files_damaged, 0);
    }
}

/// The keys of a range, first those that can be read, then those that cannot.
async fn keys_read(store: &SledStore, range: KeyRange) -> (Vec<Bytes>, Vec<Bytes>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    let mut parts = vec![range];
    while let Some(rest) = parts.pop() {
        match store.scan(rest.clone(), 7).await {
            Ok(page) => {
                if let Some((last, _)) = page.last() {
                    parts.push(rest.after(last));
                }
                readable.extend(page.into_iter().map(|(key, _)| key));
            }
            Err(StoreError::Unreadable { key, .. }) => {
                parts.push(rest.after(key.bytes()));
                parts.push(rest.before(key.bytes()));
                unreadable.push(key.bytes().clone());
            }
            Err(error) => panic!("{error}"),
        }
    }
    (readable, unreadable)
}

/// Two values are damaged, in the last file: they can be replaced and deleted, also beside others in one batch, and
/// everything else is read, page by page.
#[tokio::test]
async fn a_value_that_cannot_be_read_can_be_replaced_and_deleted() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = SledStore::open(&folder, options()).unwrap();
    put(&store, 0..20, 1).await;
    drop(store);
    let first = files(&folder)[0].clone();
    let mut bytes = fs::read(&first).unwrap();
    for number in [5, 9] {
        let place = bytes.windows(12).position(|window| window == key(number)).unwrap();
        bytes[place + 100] ^= 1;
    }
    fs::write(&first, &bytes).unwrap();
    let store = SledStore::open(&folder, options()).unwrap();
    for range in [KeyRange::all(), KeyRange::all().descending()] {
        let (readable, unreadable) = keys_read(&store, range.clone()).await;
        assert_eq!((readable.len(), unreadable.len()), (18, 2), "{range:?}");
        assert!([5, 9].iter().all(|number| unreadable.contains(&key(*number).into())));
    }
    let error = store.scan(KeyRange::all(), 100).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("does not match its checksum"), "{cause}");
    assert!(!format!("{error} {error:?}").contains("record"), "{error:?}");
    // What it held is not known, so nothing can be made to depend on it.
    let mut batch = Batch::new();
    batch.expect(key(5), Some(value(5, 1))).put(key(5), value(5, 2));
    assert!(matches!(store.commit(batch).await, Err(StoreError::Damaged { .. })));
    let snapshot = store.snapshot().unwrap();
    let mut batch = Batch::new();
    batch.put(key(4), value(4, 2)).put(key(5), value(5, 2)).delete(key(9));
    store.commit(batch).await.unwrap();
    assert_eq!(store.get(&key(5)).await.unwrap().unwrap(), value(5, 2));
    assert_eq!(store.get(&key(9)).await.unwrap(), None);
    assert_eq!(store.scan(KeyRange::all(), 100).await.unwrap().len(), 19);
    // A state from before knows no more than was known then.
    assert!(matches!(snapshot.get(&key(5)).await, Err(StoreError::Damaged { .. })));
    assert!(matches!(snapshot.get(&key(9)).await, Err(StoreError::Damaged { .. })));
    assert!(matches!(snapshot.scan(KeyRange::all(), 100).await, Err(StoreError::Unreadable { .. })));
    assert_eq!(snapshot.get(&key(4)).await.unwrap().unwrap(), value(4, 1));
    drop((snapshot, store));
    let store = SledStore::open(&folder, options()).unwrap();
    assert_eq!(store.get(&key(5)).await.unwrap().unwrap(), value(5, 2));
    assert_eq!(store.get(&key(9)).await.unwrap(), None);
}
