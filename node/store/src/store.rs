//! What the use cases may assume of a store, whichever engine is behind it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::range::KeyRange;

/// What an operation of the store returns; boxed, so that the traits are object safe.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An ordered key-value store with atomic, durable batches.
pub trait Store: Send + Sync + 'static {
    /// A view of the newest durable state that later commits do not change.
    ///
    /// Cheap to take. While it lives, the store keeps in memory what later commits replace, up to a
    /// limit; beyond it the oldest snapshot expires. Drop it when done.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// The newest **durable** value of `key`: a value that was put by a commit which is already safe
    /// from a power cut, acknowledged or about to be. A batch that has been applied but not yet synced
    /// is not visible; whoever reads may disclose what was read.
    ///
    /// After a commit has been acknowledged, every `get` that begins later sees it.
    fn get<'a>(&'a self, key: &'a [u8]) -> StoreFuture<'a, Option<Bytes>>;

    /// One page of a range, as of one durable state (each page has its own; use a snapshot to read
    /// several pages of the same state).
    ///
    /// At most `limit` entries. A page can be shorter than `limit` although more entries follow, since
    /// it is bounded in bytes too: **only an empty page is the end**. Continue with
    /// [`KeyRange::after`] and the last key of the page. A `limit` of 0 gives an empty page.
    ///
    /// A value that cannot be read fails the page with [`StoreError::Unreadable`], which names its key. Who wants the
    /// others scans [`KeyRange::before`] that key, and goes on [`KeyRange::after`] it.
    fn scan<'a>(&'a self, range: KeyRange, limit: usize) -> StoreFuture<'a, Vec<(Bytes, Bytes)>>;

    /// Applies the batch, all or nothing, and resolves when it is durable.
    ///
    /// Commit point: the return of the engine's sync. An error of kind [`StoreError::Poisoned`] or
    /// [`StoreError::Closed`] leaves open whether the batch survives; open the store again and look.
    /// Every other error means that nothing was written.
    ///
    /// A value that cannot be read can be replaced and deleted; only a precondition on it is refused.
    ///
    /// Not safe to cancel: dropping the future does not take back a batch that is already queued.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, CommitStamp>;

    /// What the store has done since it was opened and how much room it takes.
    fn statistics(&self) -> StoreFuture<'_, Statistics>;
}

/// Repeatable reads of one committed, durable state.
pub trait Snapshot: Send + Sync {
    /// Stamp of the last commit that the snapshot shows.
    fn stamp(&self) -> CommitStamp;

    /// The value of `key` in this state.
    fn get<'a>(&'a self, key: &'a [u8]) -> StoreFuture<'a, Option<Bytes>>;

    /// One page of a range in this state; see [`Store::scan`] for its length and end.
    fn scan<'a>(&'a self, range: KeyRange, limit: usize) -> StoreFuture<'a, Vec<(Bytes, Bytes)>>;
}

/// Place of a commit in the order of commits of one store, rising by one or more, kept over restarts.
///
/// A number and no time: it orders commits of one store and means nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitStamp(pub(crate) u64);

impl CommitStamp {
    /// The number; 0 is the state before the first commit.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Counters since the store was opened, and sizes as of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes the store's files take.
    pub bytes_on_disk: u64,
    /// Batches made durable.
    pub batches_committed: u64,
    /// Puts and deletes made durable.
    pub operations_committed: u64,
    /// Batches refused because a precondition did not hold.
    pub batches_conflicted: u64,
    /// Syncs that made batches durable; `batches_committed / groups_committed` is the mean group size.
    pub groups_committed: u64,
    /// Groups by the number of their batches: 1, 2–3, 4–7, … ; the last place counts all larger ones.
    pub group_sizes: [u64; 12],
    /// Snapshots now alive.
    pub snapshots_alive: u64,
    /// Snapshots that expired because too much was changed during their life.
    pub snapshots_expired: u64,
    /// Files of long values now there in which damage was met when the store was opened or the file was to be emptied. Such a
    /// file is kept until each of its values is replaced or deleted; what can be read in it is read.
    pub value_files_damaged: u64,
    /// Bytes of replaced values kept in memory for snapshots and unfinished commits.
    pub overlay_bytes: u64,
}
