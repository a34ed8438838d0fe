//! A store that asks a test before each read, scan and commit, to wait, to count, or to fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chengxin_store::{
    Batch, CommitStamp, KeyRange, SledStore, Snapshot, Statistics, Store, StoreError, StoreFuture,
};
use futures::future::BoxFuture;

/// What the store is about to do.
pub(crate) enum Call<'a> {
    Get(&'a [u8]),
    Scan,
    Commit(&'a Batch),
}

/// Resolves when the call may go on; to `false` if it is to fail.
pub(crate) type Hook = Arc<dyn Fn(Call<'_>) -> BoxFuture<'static, bool> + Send + Sync>;

/// Where a test leaves its hook; shared with every store of a node, one after the other.
pub(crate) type HookPlace = Arc<Mutex<Option<Hook>>>;

pub(crate) struct HookedStore {
    pub(crate) inner: SledStore,
    pub(crate) hook: HookPlace,
}

impl HookedStore {
    async fn ask(&self, call: Call<'_>) -> Result<(), StoreError> {
        let answer = self.hook.lock().unwrap().as_ref().map(|hook| hook(call));
        let Some(answer) = answer else { return Ok(()) };
        if answer.await { Ok(()) } else { Err(StoreError::Closed) }
    }
}

impl Store for HookedStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.inner.snapshot()
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            self.ask(Call::Get(key)).await?;
            self.inner.get(key).await
        })
    }

    fn scan<'a>(&'a self, range: KeyRange, limit: usize) -> StoreFuture<'a, Vec<(Bytes, Bytes)>> {
        Box::pin(async move {
            self.ask(Call::Scan).await?;
            self.inner.scan(range, limit).await
        })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, CommitStamp> {
        Box::pin(async move {
            self.ask(Call::Commit(&batch)).await?;
            self.inner.commit(batch).await
        })
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        self.inner.statistics()
    }
}

/// Fails every commit that changes a key with this first byte.
pub(crate) fn commits_refuse(letter: u8) -> Hook {
    Arc::new(move |call| {
        let refused = match call {
            Call::Commit(batch) => {
                batch.operations().iter().any(|operation| operation.key().first() == Some(&letter))
            }
            Call::Get(_) | Call::Scan => false,
        };
        Box::pin(async move { !refused })
    })
}

/// Counts the reads of keys with each of these first bytes.
pub(crate) fn reads_count(letters: [u8; 2]) -> (Hook, Arc<[AtomicUsize; 2]>) {
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let counted = counts.clone();
    let hook: Hook = Arc::new(move |call| {
        if let Call::Get(key) = call {
            for (letter, count) in letters.iter().zip(counted.iter()) {
                count.fetch_add(usize::from(key.first() == Some(letter)), Ordering::Relaxed);
            }
        }
        Box::pin(async { true })
    });
    (hook, counts)
}
