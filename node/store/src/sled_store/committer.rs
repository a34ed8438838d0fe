//! The one thread that writes: it gathers waiting batches into a group and makes the group durable.
//!
//! # Commit point and crash story
//!
//! ```text
//! 1. check preconditions and read old values   nothing has changed
//! 2. long values: write and sync               no key points to them yet (see `value_log`)
//! 3. overlay: enter old values                 readers go on seeing the state before the group
//! 4. sled: apply the group as one batch        in memory, perhaps partly in the log
//! 5. sled: flush                               in the log as the operating system sees it
//! 6. barrier: sync_data on the log             THE COMMIT POINT
//! 7. number of the commit beside sled          a log that loses this commit is recognised (see `acknowledged`)
//! 8. overlay: group durable                    readers see the group
//! 9. acknowledge each waiter
//! ```
//!
//! - **Process killed, or power cut, before 6 has returned:** when sled opens it takes the group whole or
//!   not at all (the log holds a manifest in front of a batch that says where it ends). No waiter has been
//!   told, no reader has seen it, so both outcomes are right.
//! - **After 6:** the group is there. Waiters that had not been told may find it; `Store::commit` says so.
//! - **2, 4, 5, 6 or 7 fails:** the store is poisoned. Memory and disk may differ, and a second sync may report
//!   success although the data is lost. All waiters of this and later groups are refused, readers too, until the
//!   store is opened again. Opening reads what the operating system shows, which after a failed write need not be on
//!   the disk, in a new process no more than in this one. So a note is left in the folder, and an opening that finds
//!   it writes sled's files once more and syncs them before sled reads them. What is not solved: a disk that takes
//!   not even the note; then a restart of the machine makes the memory go. The running log says so.
//!
//! Step 6 is there because sled 0.34 ends a flush with `sync_file_range`, which neither writes the file's
//! size and block list nor empties the disk's cache. What this does *not* give: a disk that lies about its
//! own sync, and more than the last acknowledged state (a reader of the folder must still trust the disk).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::batch::{Batch, Operation, Precondition, within};
use crate::error::{LimitedPart, StoreError};
use crate::limits;
use crate::overlay::Past;
use crate::store::CommitStamp;

use super::acknowledged::Acknowledged;
use super::compaction::{BUSY_STEP_BYTES, Compaction, IDLE_STEP_BYTES};
use super::encoding::{self, COMMIT_KEY, Place, SEQUENCE_KEY};
use super::engine::{Engine, EngineValue, FILE_MISSING, engine_error};
use super::value_log::ValueWriter;

/// Makes everything durable that sled has flushed; the last step before an acknowledgement.
#[cfg_attr(not(feature = "conformance"), allow(unreachable_pub, reason = "only fault tests name it outside"))]
pub trait Barrier: Send + 'static {
    /// Returns once all bytes written to the log before the call would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;

    /// The same for the values in `file`.
    fn sync_values(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// The real barrier: our own handle of sled's log.
pub(crate) struct LogBarrier(pub(crate) File);

impl Barrier for LogBarrier {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

type Reply = oneshot::Sender<Result<CommitStamp, StoreError>>;

/// A batch on its way to the commit thread.
pub(crate) struct Request {
    pub(crate) batch: Batch,
    pub(crate) reply: Reply,
    /// Room taken in the queue, given back when the batch is done.
    pub(crate) _room: OwnedSemaphorePermit,
}

/// State of the commit thread.
pub(crate) struct Committer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) barrier: Box<dyn Barrier>,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// Number of the last batch that was given one.
    pub(crate) sequence: u64,
    /// Number of the last commit to sled.
    pub(crate) commit: u64,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) values: ValueWriter,
    /// The file being emptied, if there is one.
    pub(crate) compaction: Option<Compaction>,
}

/// Batches that become durable together.
#[derive(Default)]
struct Group {
    /// Final value of each changed key, with what it was before.
    changes: BTreeMap<Bytes, Change>,
    accepted: Vec<(Reply, CommitStamp)>,
    conflicted: Vec<(Reply, usize)>,
    operations: usize,
    /// Bytes of all keys and values.
    bytes: usize,
    /// Those of them that sled will hold.
    engine_bytes: usize,
    replaced_bytes: usize,
    /// Given back with the group.
    rooms: Vec<OwnedSemaphorePermit>,
}

/// One key in a group.
struct Change {
    old: Past,
    /// Where the old value lies, if not beside its key.
    old_place: Option<Place>,
    new: Option<Bytes>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.operations >= limits::GROUP_OPERATIONS
            || self.bytes >= limits::GROUP_BYTES
            || self.engine_bytes >= limits::GROUP_ENGINE_BYTES
            || self.replaced_bytes >= limits::MAX_BATCH_REPLACED_BYTES
    }

    fn has_room_for(&self, batch: &Batch, inline_bytes: usize) -> bool {
        self.operations + batch.len() <= limits::GROUP_OPERATIONS
            && self.bytes + batch.bytes() <= limits::GROUP_BYTES
            && self.engine_bytes + engine_bytes(batch, inline_bytes) <= limits::GROUP_ENGINE_BYTES
    }
}

/// Bytes of a batch that sled will hold if values up to `inline_bytes` stay beside their keys.
fn engine_bytes(batch: &Batch, inline_bytes: usize) -> usize {
    let bytes = |operation: &Operation| {
        let beside = operation.value().map_or(0, |value| value.len().min(inline_bytes));
        operation.key().len() + beside
    };
    batch.operations().iter().map(bytes).sum()
}

/// Poisons the store if the commit thread ends by a panic, so that no waiter hangs and no reader goes on.
struct PanicGuard(Arc<Engine>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison("the commit thread panicked".to_owned());
        }
    }
}

impl Committer {
    /// Runs until every sender of requests is gone and the queue is empty.
    pub(crate) fn run(mut self) {
        let _guard = PanicGuard(Arc::clone(&self.engine));
        let mut postponed = None;
        while let Some(first) = postponed.take().or_else(|| self.request_wait()) {
            let mut group = Group::default();
            self.batch_admit(&mut group, first);
            while !group.is_full() {
                let Ok(next) = self.requests.try_recv() else { break };
                if !group.has_room_for(&next.batch, self.engine.inline_bytes) {
                    postponed = Some(next);
                    break;
                }
                self.batch_admit(&mut group, next);
            }
            self.group_finish(group);
            self.compact(BUSY_STEP_BYTES);
        }
        if self.engine.poison_check().is_ok()
            && let Err(error) = self.acknowledged.sync()
        {
            // Every commit is durable; only the number that would tell of their loss may be behind.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store was closed without its last number"
            );
        }
    }

    /// The next request; while none waits, files that are half dead are emptied.
    fn request_wait(&mut self) -> Option<Request> {
        loop {
            match self.requests.try_recv() {
                Ok(request) => return Some(request),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if !self.compact(IDLE_STEP_BYTES) {
                return self.requests.blocking_recv();
            }
        }
    }

    /// Says whether there is more to do.
    fn compact(&mut self, most_bytes: u32) -> bool {
        if self.engine.poison_check().is_err() {
            return false;
        }
        match self.compaction_step(most_bytes) {
            Ok(more) => more,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "values could not be moved");
                self.engine.poison(error_text(&error));
                false
            }
        }
    }

    /// Adds the batch to the group if its preconditions hold after the batches before it.
    fn batch_admit(&mut self, group: &mut Group, request: Request) {
        let Request { batch, reply, _room: room } = request;
        match self.batch_check(group, &batch) {
            Ok(Admission::Conflict(position)) => group.conflicted.push((reply, position)),
            Ok(Admission::Accepted(changes)) => {
                self.sequence += 1; // 2^64 batches are out of reach.
                group.operations += batch.len();
                group.bytes += batch.bytes();
                group.engine_bytes += engine_bytes(&batch, self.engine.inline_bytes);
                for (key, change) in changes {
                    group.replaced_bytes += change.old.bytes();
                    group.changes.insert(key, change);
                }
                for operation in batch.operations() {
                    if let Some(change) = group.changes.get_mut(operation.key()) {
                        change.new = operation.value().cloned();
                    }
                }
                group.accepted.push((reply, CommitStamp(self.sequence)));
            }
            // The batch alone is refused; a waiter that has gone away does not matter.
            Err(error) => drop(reply.send(Err(error))),
        }
        group.rooms.push(room);
    }

    /// Whether the batch can join, and the old values of the keys that the group does not hold yet.
    fn batch_check(&self, group: &Group, batch: &Batch) -> Result<Admission, StoreError> {
        self.engine.poison_check()?;
        for (position, precondition) in batch.preconditions().iter().enumerate() {
            if !self.precondition_holds(group, precondition)? {
                return Ok(Admission::Conflict(position));
            }
        }
        let mut changes = BTreeMap::new();
        let mut replaced_bytes = 0;
        for operation in batch.operations() {
            let key = operation.key();
            if !group.changes.contains_key(key) && !changes.contains_key(key) {
                let (old, old_place) = self.value_read(key)?;
                // Whoever replaces or deletes a value need not be able to read it: else damage could not be made good.
                let old = match old {
                    None => Past::Absent,
                    Some(EngineValue::Whole(value)) => Past::Value(value),
                    Some(EngineValue::Unreadable(_) | EngineValue::Gone) => Past::Unreadable,
                };
                replaced_bytes += old.bytes();
                within(LimitedPart::BatchReplacedBytes, replaced_bytes, limits::MAX_BATCH_REPLACED_BYTES)?;
                changes.insert(key.clone(), Change { old, old_place, new: None });
            }
        }
        Ok(Admission::Accepted(changes))
    }

    fn precondition_holds(&self, group: &Group, precondition: &Precondition) -> Result<bool, StoreError> {
        let expected = precondition.value();
        match group.changes.get(precondition.key()) {
            Some(change) => Ok(change.new.as_ref() == expected),
            None => match self.value_read(precondition.key())?.0 {
                None => Ok(expected.is_none()),
                Some(EngineValue::Whole(value)) => Ok(expected == Some(&value)),
                Some(EngineValue::Unreadable(error)) => Err(error),
                Some(EngineValue::Gone) => Err(FILE_MISSING),
            },
        }
    }

    /// The value as it is now, which between groups is the durable value, as nobody else writes.
    fn value_read(&self, key: &[u8]) -> Result<(Option<EngineValue>, Option<Place>), StoreError> {
        let stored =
            self.engine.db.get(encoding::caller_key(key)).map_err(engine_error("reading a value"))?;
        let Some(stored) = stored else { return Ok((None, None)) };
        let (value, place) = self.engine.value_load(&stored);
        Ok((Some(value), place))
    }

    /// Makes the group durable and tells every waiter. Conflicts are told last too: what they conflict
    /// with may be in this very group.
    fn group_finish(&mut self, group: Group) {
        let Group { changes, accepted, conflicted, operations, engine_bytes, rooms, .. } = group;
        let outcome = if accepted.is_empty() { Ok(()) } else { self.group_commit(changes, engine_bytes) };
        if let Err(error) = &outcome {
            tracing::error!(error = error as &dyn std::error::Error, "a commit group did not become durable");
            self.engine.poison(error_text(error));
        } else {
            self.engine.count(|counters| {
                counters.batches_conflicted += conflicted.len() as u64;
                if !accepted.is_empty() {
                    counters.groups_committed += 1;
                    counters.batches_committed += accepted.len() as u64;
                    counters.operations_committed += operations as u64;
                    let size = (accepted.len().ilog2() as usize).min(counters.group_sizes.len() - 1);
                    counters.group_sizes[size] += 1;
                }
            });
        }
        drop(rooms);
        for (reply, stamp) in accepted {
            drop(reply.send(self.engine.poison_check().map(|()| stamp)));
        }
        for (reply, position) in conflicted {
            let answer = self.engine.poison_check().and(Err(StoreError::Conflict { position }));
            drop(reply.send(answer));
        }
    }

    /// Steps 2 to 8 of the module's table.
    fn group_commit(
        &mut self,
        changes: BTreeMap<Bytes, Change>,
        engine_bytes: usize,
    ) -> Result<(), StoreError> {
        let sequence = self.sequence;
        // One batch alone can be larger than a group may grow. Then only the shortest values stay beside their keys, so
        // that what sled gets still fits a segment.
        let inline_bytes = if engine_bytes > limits::GROUP_ENGINE_BYTES {
            limits::INLINE_BYTES_OF_LARGE_BATCHES
        } else {
            self.engine.inline_bytes
        };
        let mut sled_batch = sled::Batch::default();
        let mut old_values = Vec::with_capacity(changes.len());
        for (key, change) in changes {
            if let Some(place) = change.old_place {
                self.values.forget(key.len(), place);
            }
            match change.new {
                None => sled_batch.remove(encoding::caller_key(&key)),
                Some(value) if value.len() <= inline_bytes => {
                    sled_batch.insert(encoding::caller_key(&key), encoding::inline_encode(&value));
                }
                Some(value) => {
                    let place = self.values.append(&key, &value)?;
                    sled_batch.insert(encoding::caller_key(&key), encoding::place_encode(place));
                }
            }
            old_values.push((key, change.old));
        }
        sled_batch.insert(SEQUENCE_KEY, &sequence.to_be_bytes());
        self.values_write(&mut sled_batch)?;
        self.engine.overlay_mut()?.group_begin(sequence, old_values);
        self.engine_commit(sled_batch)?;
        self.engine.overlay_mut()?.group_durable(sequence);
        self.dead_files_remove()
    }

    /// Makes the values durable that were appended for the commit to come.
    pub(crate) fn values_write(&mut self, batch: &mut sled::Batch) -> Result<(), StoreError> {
        self.values.group_write(self.barrier.as_mut(), batch)
    }

    /// Hands a batch to sled and makes it durable, under the next number.
    pub(crate) fn engine_commit(&mut self, mut batch: sled::Batch) -> Result<(), StoreError> {
        self.commit += 1; // 2^64 commits are out of reach.
        batch.insert(COMMIT_KEY, &self.commit.to_be_bytes());
        self.engine.applying.store(true, Ordering::Release);
        let applied = self.engine.db.apply_batch(batch);
        self.engine.applying.store(false, Ordering::Release);
        applied.map_err(engine_error("applying a commit group"))?;
        self.engine.db.flush().map_err(engine_error("flushing a commit group"))?;
        self.barrier.sync().map_err(StoreError::io("syncing a commit group"))?;
        self.values.committed(self.commit);
        self.acknowledged.note(self.commit)
    }
}

/// What became of a batch that asked to join a group.
enum Admission {
    Conflict(usize),
    Accepted(BTreeMap<Bytes, Change>),
}

/// The error and its causes in one line, for the waiters who each get a copy.
fn error_text(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
