//! A sync that fails stops the store, whether or not the bytes had reached the disk.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use chengxin_store::conformance::entry_put;
use chengxin_store::{Barrier, Batch, KeyRange, SledOptions, SledStore, Store, StoreError};

/// Fails when told to, after or instead of the real sync.
struct FailingBarrier {
    real: Box<dyn Barrier>,
    fail: Arc<AtomicBool>,
    sync_first: bool,
}

impl Barrier for FailingBarrier {
    fn sync(&mut self) -> io::Result<()> {
        let fail = self.fail.load(Ordering::SeqCst);
        if !fail || self.sync_first {
            self.real.sync()?;
        }
        if fail { Err(io::Error::other("the disk said no")) } else { Ok(()) }
    }
}

fn failing_store(folder: &Path, sync_first: bool) -> (SledStore, Arc<AtomicBool>) {
    let fail = Arc::new(AtomicBool::new(false));
    let store = SledStore::open_with_barrier(folder, SledOptions::creating(), |real| {
        Box::new(FailingBarrier { real, fail: Arc::clone(&fail), sync_first })
    });
    (store.unwrap(), fail)
}

fn poisoned<T>(outcome: Result<T, StoreError>) {
    match outcome {
        Err(StoreError::Poisoned { reason }) => assert!(reason.contains("the disk said no"), "{reason}"),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the store went on after a failed sync"),
    }
}

async fn check(sync_first: bool) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let (store, fail) = failing_store(&folder, sync_first);
    entry_put(&store, b"before", b"1").await;
    let snapshot = store.snapshot().unwrap();

    fail.store(true, Ordering::SeqCst);
    let mut batch = Batch::new();
    batch.put("during", "1").delete("before");
    poisoned(store.commit(batch.clone()).await);
    // The disk is well again, but nobody knows what it holds.
    fail.store(false, Ordering::SeqCst);
    poisoned(store.commit(batch).await);
    poisoned(store.get(b"before").await);
    poisoned(store.scan(KeyRange::all(), 1).await);
    poisoned(store.snapshot());
    poisoned(snapshot.get(b"before").await);
    drop((snapshot, store));

    // The note makes the next opening write sled's files once more, whatever the page cache holds of them.
    assert!(folder.join("stopped").exists());
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let configuration = folder.join("sled/conf");
    let dated = |path: &Path| File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    let modified = || configuration.metadata().unwrap().modified().unwrap();
    dated(&configuration);
    let store = SledStore::open(&folder, SledOptions::default()).unwrap();
    assert!(!folder.join("stopped").exists());
    assert_ne!(modified(), long_ago, "sled's files were not written again");
    let before = store.get(b"before").await.unwrap();
    let during = store.get(b"during").await.unwrap();
    assert!(before.is_some() != during.is_some(), "half of the batch: {before:?} {during:?}");
    if sync_first {
        assert!(during.is_some(), "what reached the disk is found");
    }
    entry_put(&store, b"after", b"1").await;
    drop(store);
    dated(&configuration);
    drop(SledStore::open(&folder, SledOptions::default()).unwrap());
    assert_eq!(modified(), long_ago, "without a note they are left alone");
}

#[tokio::test]
async fn a_sync_that_failed_stops_the_store() {
    check(false).await;
}

#[tokio::test]
async fn a_sync_that_worked_but_reported_failure_stops_the_store() {
    check(true).await;
}

/// Holds every sync until it is let go.
struct HeldBarrier {
    real: Box<dyn Barrier>,
    arrived: std::sync::mpsc::SyncSender<()>,
    go: std::sync::mpsc::Receiver<()>,
}

impl Barrier for HeldBarrier {
    fn sync(&mut self) -> io::Result<()> {
        self.arrived.send(()).map_err(io::Error::other)?;
        self.go.recv().map_err(io::Error::other)?;
        self.real.sync()
    }
}

#[tokio::test]
async fn nothing_is_read_before_it_is_durable() {
    let parent = tempfile::tempdir().unwrap();
    let (arrived, arrivals) = std::sync::mpsc::sync_channel(1);
    let (let_go, go) = std::sync::mpsc::channel();
    let store = SledStore::open_with_barrier(parent.path().join("store"), SledOptions::creating(), |real| {
        Box::new(HeldBarrier { real, arrived, go })
    });
    let store = Arc::new(store.unwrap());
    let put = |value: &'static str| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut batch = Batch::new();
            batch.put("k", value).put(value, vec![1; 100_000]);
            store.commit(batch).await
        })
    };
    let arrivals = Arc::new(std::sync::Mutex::new(arrivals));
    let wait_for_sync = || {
        let arrivals = Arc::clone(&arrivals);
        tokio::task::spawn_blocking(move || arrivals.lock().unwrap().recv().unwrap())
    };

    let first = put("old");
    wait_for_sync().await.unwrap();
    assert_eq!(store.get(b"k").await.unwrap(), None, "applied, not durable: not visible");
    assert!(store.scan(KeyRange::all(), 10).await.unwrap().is_empty());
    assert_eq!(store.snapshot().unwrap().get(b"old").await.unwrap(), None);
    let_go.send(()).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(store.get(b"k").await.unwrap().unwrap(), "old");

    let second = put("new");
    wait_for_sync().await.unwrap();
    assert_eq!(store.get(b"k").await.unwrap().unwrap(), "old");
    assert_eq!(store.scan(KeyRange::all(), 10).await.unwrap().len(), 2);
    assert!(!second.is_finished());
    let_go.send(()).unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(store.get(b"k").await.unwrap().unwrap(), "new");
}

#[tokio::test]
async fn waiting_batches_share_a_sync() {
    let parent = tempfile::tempdir().unwrap();
    let (arrived, arrivals) = std::sync::mpsc::sync_channel(1_000);
    let (let_go, go) = std::sync::mpsc::channel();
    let store = SledStore::open_with_barrier(parent.path().join("store"), SledOptions::creating(), |real| {
        Box::new(HeldBarrier { real, arrived, go })
    });
    let store = Arc::new(store.unwrap());
    let mut waiters = tokio::task::JoinSet::new();
    for number in 0..100_u8 {
        let store = Arc::clone(&store);
        waiters.spawn(async move { entry_put(&*store, &[number], b"v").await });
        if number == 0 {
            // The others come while the first waits for its sync.
            tokio::task::yield_now().await;
            arrivals.recv().unwrap();
        }
    }
    // There is one thread and no waiter blocks it: after so many turns each has queued its batch.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        let_go.send(()).unwrap();
    }
    waiters.join_all().await;
    let statistics = store.statistics().await.unwrap();
    assert_eq!((statistics.batches_committed, statistics.groups_committed), (100, 2));
    assert_eq!(statistics.group_sizes[0], 1);
    assert_eq!(statistics.group_sizes[6], 1, "99 batches in one group");
}
