//! A store that asks a test before each scan and each commit, to wait, to count, or to fail.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chengxin_store::{
    Batch, CommitStamp, KeyRange, SledStore, Snapshot, Statistics, Store, StoreError, StoreFuture,
};
use futures::future::BoxFuture;

/// What the store is about to do.
pub(crate) enum Call<'a> {
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
        self.inner.get(key)
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
            Call::Scan => false,
        };
        Box::pin(async move { !refused })
    })
}
