//! The embedded engine: sled, with the durability, snapshots and limits it lacks.
//!
//! One sled tree holds every key ([`encoding`]), files beside it the long values ([`value_log`]), one thread
//! writes ([`committer`]), readers see one durable state through the overlay ([`engine`]).

mod acknowledged;
mod committer;
mod compaction;
mod encoding;
mod engine;
mod engine_log;
mod folder;
mod format;
mod frame;
mod value_log;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

#[cfg(feature = "conformance")]
pub use committer::Barrier;
#[cfg(not(feature = "conformance"))]
use committer::Barrier;

use crate::batch::Batch;
use crate::error::StoreError;
use crate::limits;
use crate::range::KeyRange;
use crate::store::{CommitStamp, Snapshot, Statistics, Store, StoreFuture};

use acknowledged::Acknowledged;
use committer::{Committer, LogBarrier, Request};
use encoding::{COMMIT_KEY, SEQUENCE_KEY};
use engine::{Engine, engine_error};
use folder::{LOCK_ATTEMPTS, LOCK_PAUSE, LockedFolder};
use value_log::ValueWriter;

/// Log segment of a new store (8 MiB). Pages must stay below a quarter of it, see [`encoding`]; smaller
/// segments would lower the limits of keys.
///
/// Large on purpose. sled reuses a segment as soon as what replaced its pages is written, which is before our sync makes
/// the replacements durable; a power cut in between loses both. It frees a segment only after the one that holds the
/// replacements is full, so reuse within one sync interval takes more than a whole segment of writes. A commit group
/// ([`limits::GROUP_ENGINE_BYTES`]) with everything sled rewrites along with it stays below that, and the background
/// thread that would rewrite pages between two syncs is switched off. One single batch larger than a group keeps only
/// its shortest values in sled. What is not solved: sled rewrites a page after some ten changes to it, all of its values
/// with it. A single batch of thousands of keys scattered over as many pages of values of about 1 KB, say 17 KB each,
/// makes it rewrite 1.7 KB for each key on average: beyond about 4,900 such keys, more than a segment. Keys side by side
/// share pages and do not. A limit below that would forbid batches that must be one commit.
pub(crate) const DEFAULT_SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// Smallest segment in which pages of short keys still fit.
pub(crate) const MINIMUM_SEGMENT_BYTES: usize = 64 * 1024;
const MAXIMUM_SEGMENT_BYTES: usize = 16 * 1024 * 1024;

/// Scans of at most so many entries are done on the caller's thread, larger ones beside it.
const SCAN_INLINE_ENTRIES: usize = 16;

/// How often a page is begun anew when its snapshot expires. Each time takes that more than `overlay_bytes` were replaced
/// while one page was read.
const SCAN_ATTEMPTS: usize = 64;

/// Unit of the queue's byte budget, since a semaphore counts in 32 bits.
const ROOM_UNIT_BYTES: usize = 1024;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// Whether to create the store if the folder holds none. Off by default: a node that starts while its
    /// data disk is not mounted must not begin anew.
    pub create: bool,
    /// Bytes of pages that sled is asked to keep in memory. Default 4 MiB: with long values beside sled, a million records are
    /// read as fast as with 16, and importing them takes no more memory at the end than at the beginning.
    ///
    /// sled needs more than this: its page table from the moment it opens, and up to 64 recently used pages in each of
    /// 256 lists before it drops any.
    pub cache_bytes: u64,
    /// Length from which a file of values is closed and the next begun. Default 128 MiB: a store of 10,000,000 records
    /// has some 300 files open, and emptying one that is half dead copies at most 64 MiB. From 64 KiB to 1 GiB.
    pub value_file_bytes: u32,
    /// Bytes of replaced values kept for living snapshots before the oldest expires. Default 64 MiB.
    pub overlay_bytes: usize,
    /// Bytes of one log segment: a power of two from 64 KiB to 16 MiB. Fixed when the store is created;
    /// below 1 MiB keys must be shorter than [`limits::MAX_KEY_BYTES`]. Small segments
    /// suit tests and golden files.
    pub segment_bytes: usize,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self {
            create: false,
            cache_bytes: 4 * 1024 * 1024,
            value_file_bytes: 128 * 1024 * 1024,
            overlay_bytes: 64 * 1024 * 1024,
            segment_bytes: DEFAULT_SEGMENT_BYTES,
        }
    }
}

impl SledOptions {
    /// The defaults, creating the store if the folder holds none.
    pub fn creating() -> Self {
        Self { create: true, ..Self::default() }
    }

    fn check(&self) -> Result<(), StoreError> {
        let in_range = (MINIMUM_SEGMENT_BYTES..=MAXIMUM_SEGMENT_BYTES).contains(&self.segment_bytes);
        if !in_range || !self.segment_bytes.is_power_of_two() {
            return Err(StoreError::Option {
                name: "segment_bytes",
                fix: "give a power of two from 65536 to 16777216",
            });
        }
        if !(64 * 1024..=1024 * 1024 * 1024).contains(&self.value_file_bytes) {
            return Err(StoreError::Option {
                name: "value_file_bytes",
                fix: "give a number from 65536 to 1073741824",
            });
        }
        Ok(())
    }
}

/// A store in a folder of this machine.
///
/// Dropping it commits what is queued, ends the commit thread and closes the files; snapshots that are
/// still alive keep the folder locked until they are dropped too.
pub struct SledStore {
    engine: Arc<Engine>,
    /// Taken on drop, which ends the commit thread once the queue is empty.
    requests: Option<mpsc::Sender<Request>>,
    /// Bounds the bytes in the queue, in units of [`ROOM_UNIT_BYTES`].
    room: Arc<Semaphore>,
    /// Joined on drop.
    commit_thread: Option<JoinHandle<()>>,
}

impl SledStore {
    /// Opens the store in `folder`, for this process alone.
    ///
    /// Blocks while the log that was written since the opening before is read: once to look whether all of it is readable,
    /// and once by sled. When this returns, the store and its folder are durable. After a failed write it
    /// first writes sled's files once more, so that this holds then too; that takes as long as copying them.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::InUse`], [`StoreError::NewerFormat`],
    /// [`StoreError::Damaged`], [`StoreError::Behind`], [`StoreError::Option`], or what the files and sled report. sled panics on
    /// some damaged logs; that becomes [`StoreError::Damaged`] too, unless the program is built to abort
    /// on panic.
    pub fn open(folder: impl AsRef<Path>, options: SledOptions) -> Result<Self, StoreError> {
        Self::open_inner(folder.as_ref(), &options, |log| log)
    }

    /// Like [`SledStore::open`], with the real barrier wrapped by `wrap`. For tests that make a sync fail
    /// or leave it out; a store opened like this promises only what the wrapper does.
    #[cfg(feature = "conformance")]
    pub fn open_with_barrier(
        folder: impl AsRef<Path>,
        options: SledOptions,
        wrap: impl FnOnce(Box<dyn Barrier>) -> Box<dyn Barrier>,
    ) -> Result<Self, StoreError> {
        Self::open_inner(folder.as_ref(), &options, wrap)
    }

    fn open_inner(
        folder: &Path,
        options: &SledOptions,
        wrap: impl FnOnce(Box<dyn Barrier>) -> Box<dyn Barrier>,
    ) -> Result<Self, StoreError> {
        options.check()?;
        let locked = LockedFolder::lock(folder, options.create)?;
        if locked.is_stopped()? {
            locked.engine_files_rewrite()?;
        }
        // Before sled changes its log: it overwrites what it cannot read.
        if let Some(commit) = engine_log::end_find(&locked.engine_folder(), options.segment_bytes)? {
            acknowledged_check(locked.path(), commit)?;
        }
        locked.engine_snapshots_clean()?;
        let db = engine_open(&locked, options)?;
        // Before the first write that it must report on.
        let log = locked.engine_log()?;
        let commit = number_read(&db, COMMIT_KEY)?;
        // Once more, where the log did not say: before anything of ours is written or removed, and before an empty log is
        // taken for no store.
        acknowledged_check(locked.path(), commit)?;
        format::format_open(&db, folder, options.create)?;
        let sequence = number_read(&db, SEQUENCE_KEY)?;
        db.flush().map_err(engine_error("flushing the opened store"))?;
        log.sync_data().map_err(StoreError::io("syncing the opened store"))?;
        locked.sync_engine_files()?;

        // After the sync above: what sled opened with is durable before files are cut or removed by it.
        let values = ValueWriter::open(&db, &locked.values_folder()?, options.value_file_bytes, commit)?;
        let acknowledged = Acknowledged::open(locked.path(), commit)?;
        locked.stopped_remove()?;

        let engine = Arc::new(Engine::new(
            db,
            values.files(),
            locked,
            sequence,
            options.overlay_bytes,
            options.segment_bytes,
        ));
        engine.count(|counters| counters.value_files_damaged = values.kept());
        let (sender, requests) = mpsc::channel(limits::MAX_QUEUED_BATCHES);
        let committer = Committer {
            engine: Arc::clone(&engine),
            barrier: wrap(Box::new(LogBarrier(log))),
            requests,
            sequence,
            commit,
            acknowledged,
            values,
            compaction: None,
        };
        let commit_thread = std::thread::Builder::new()
            .name("store-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(StoreError::io("starting the commit thread"))?;
        Ok(Self {
            engine,
            requests: Some(sender),
            room: Arc::new(Semaphore::new(limits::MAX_QUEUED_BYTES / ROOM_UNIT_BYTES)),
            commit_thread: Some(commit_thread),
        })
    }

    async fn batch_commit(&self, batch: Batch) -> Result<CommitStamp, StoreError> {
        self.engine.poison_check()?;
        batch.check_limits(self.engine.max_key_bytes)?;
        if batch.is_empty() {
            return Ok(CommitStamp(self.engine.overlay()?.durable()));
        }
        let Some(requests) = &self.requests else { return Err(StoreError::Closed) };
        // At most MAX_BATCH_BYTES / ROOM_UNIT_BYTES + 1, far below what the semaphore holds.
        let units = u32::try_from(batch.bytes() / ROOM_UNIT_BYTES + 1).map_err(|_| StoreError::Closed)?;
        let room = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { batch, reply, _room: room };
        let sent = requests.send(request).await;
        match (sent, answer.await) {
            (Ok(()), Ok(outcome)) => outcome,
            // The commit thread is gone: by a panic, which poisons, or because the store is closing.
            (Err(_), _) | (_, Err(_)) => self.engine.poison_check().and(Err(StoreError::Closed)),
        }
    }

    fn snapshot_take(&self) -> Result<SledSnapshot, StoreError> {
        self.engine.poison_check()?;
        let sequence = self.engine.overlay_mut()?.snapshot_open();
        Ok(SledSnapshot(Arc::new(SnapshotGuard { engine: Arc::clone(&self.engine), sequence })))
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.commit_thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the commit thread had panicked");
        }
    }
}

impl Store for SledStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(self.snapshot_take()?))
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            if !self.engine.is_applying() {
                return here(|| self.engine.read_durable(key));
            }
            let (engine, key) = (Arc::clone(&self.engine), key.to_vec());
            beside(move || engine.read_durable(&key)).await
        })
    }

    fn scan<'a>(&'a self, range: KeyRange, limit: usize) -> StoreFuture<'a, Vec<(Bytes, Bytes)>> {
        Box::pin(async move {
            // Each page has a state of its own, so one that expires under way is nothing to the caller.
            for _ in 0..SCAN_ATTEMPTS {
                match self.snapshot_take()?.page(range.clone(), limit).await {
                    Err(StoreError::SnapshotExpired) => {}
                    done => return done,
                }
            }
            Err(StoreError::SnapshotExpired)
        })
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, CommitStamp> {
        Box::pin(self.batch_commit(batch))
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        let engine = Arc::clone(&self.engine);
        Box::pin(beside(move || engine.statistics()))
    }
}

/// A durable state of a [`SledStore`].
struct SledSnapshot(Arc<SnapshotGuard>);

/// Keeps the state readable while the snapshot or one of its reads lives.
struct SnapshotGuard {
    engine: Arc<Engine>,
    sequence: u64,
}

impl Drop for SnapshotGuard {
    fn drop(&mut self) {
        // Without the lock the store is stopped for good, and what is kept goes with it.
        if let Ok(mut overlay) = self.engine.overlay_mut() {
            overlay.snapshot_close(self.sequence);
        }
    }
}

impl SledSnapshot {
    async fn page(&self, range: KeyRange, limit: usize) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if limit <= SCAN_INLINE_ENTRIES && !self.0.engine.is_applying() {
            return here(|| self.0.engine.read_page(&range, limit, self.0.sequence));
        }
        let guard = Arc::clone(&self.0);
        beside(move || guard.engine.read_page(&range, limit, guard.sequence)).await
    }
}

impl Snapshot for SledSnapshot {
    fn stamp(&self) -> CommitStamp {
        CommitStamp(self.0.sequence)
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            if !self.0.engine.is_applying() {
                return here(|| self.0.engine.read_snapshot(key, self.0.sequence));
            }
            let (guard, key) = (Arc::clone(&self.0), key.to_vec());
            beside(move || guard.engine.read_snapshot(&key, guard.sequence)).await
        })
    }

    fn scan<'a>(&'a self, range: KeyRange, limit: usize) -> StoreFuture<'a, Vec<(Bytes, Bytes)>> {
        Box::pin(self.page(range, limit))
    }
}

/// Runs a read that may wait on the runtime's threads for blocking work; without a runtime, right here.
async fn beside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(|| here(read)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Closed),
        },
        Err(_) => here(read),
    }
}

/// Runs a read on this thread. sled panics over some damaged pages; it holds no lock of ours meanwhile.
fn here<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or(Err(StoreError::Damaged { detail: "the engine panicked over a page" }))
}

fn engine_open(locked: &LockedFolder, options: &SledOptions) -> Result<sled::Db, StoreError> {
    for _ in 0..LOCK_ATTEMPTS {
        let config = sled::Config::new()
            .path(locked.engine_folder())
            .cache_capacity(options.cache_bytes)
            .segment_size(options.segment_bytes)
            // No background thread: it would rewrite and reuse segments between two of our syncs.
            .flush_every_ms(None)
            .mode(sled::Mode::LowSpace);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Ok(Err(sled::Error::Corruption { .. })) => {
                return Err(StoreError::Damaged { detail: "the engine's log is corrupt" });
            }
            Ok(Err(error)) => return Err(engine_error("opening the storage engine")(error)),
            Err(_) => return Err(StoreError::Damaged { detail: "the engine panicked over its log" }),
        }
    }
    Err(StoreError::InUse { folder: locked.path().to_owned() })
}

/// One of the store's own numbers; 0 before it was first written.
fn number_read(db: &sled::Db, key: &[u8]) -> Result<u64, StoreError> {
    match db.get(key).map_err(engine_error("reading the number of the last batch or commit"))? {
        None => Ok(0),
        Some(stored) => stored.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| StoreError::Damaged {
            detail: "the number of the last batch or commit has the wrong length",
        }),
    }
}

/// Refuses a log that ends before what was acknowledged.
fn acknowledged_check(folder: &Path, commit: u64) -> Result<(), StoreError> {
    match Acknowledged::read(folder)? {
        Some(acknowledged) if acknowledged > commit => {
            Err(StoreError::Behind { found: commit, acknowledged })
        }
        // The file is made, durably, before the first commit.
        None if commit > 0 => {
            Err(StoreError::Damaged { detail: "the number of the last commit is missing beside the log" })
        }
        Some(_) | None => Ok(()),
    }
}
