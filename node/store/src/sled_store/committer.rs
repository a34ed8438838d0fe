//! The one thread that writes: it gathers waiting batches into a group and makes the group durable.
//!
//! # Commit point and crash story
//!
//! ```text
//! 1. check preconditions and read old values   nothing has changed
//! 2. overlay: enter old values                 readers go on seeing the state before the group
//! 3. sled: apply the group as one batch        in memory, perhaps partly in the log
//! 4. sled: flush                               in the log as the operating system sees it
//! 5. barrier: sync_data on the log             THE COMMIT POINT
//! 6. overlay: group durable                    readers see the group
//! 7. acknowledge each waiter
//! ```
//!
//! - **Process killed, or power cut, before 5 has returned:** when sled opens it takes the group whole or
//!   not at all (the log holds a manifest in front of a batch that says where it ends). No waiter has been
//!   told, no reader has seen it, so both outcomes are right.
//! - **After 5:** the group is there. Waiters that had not been told may find it; `Store::commit` says so.
//! - **3, 4 or 5 fails:** the store is poisoned. Memory and disk may differ, and a second sync may report
//!   success although the data is lost. All waiters of this and later groups are refused, readers too,
//!   until the store is opened again, which reads the disk and nothing else.
//!
//! Step 5 is there because sled 0.34 ends a flush with `sync_file_range`, which neither writes the file's
//! size and block list nor empties the disk's cache. What this does *not* give: a disk that lies about its
//! own sync, and more than the last acknowledged state (a reader of the folder must still trust the disk).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::batch::{Batch, Precondition, within};
use crate::error::{LimitedPart, StoreError};
use crate::limits;
use crate::store::CommitStamp;

use super::encoding::{self, Pieces, SEQUENCE_KEY, StoredValue};
use super::engine::{Engine, EngineValue, engine_error};

/// Makes everything durable that sled has flushed; the last step before an acknowledgement.
#[cfg_attr(not(feature = "conformance"), allow(unreachable_pub, reason = "only fault tests name it outside"))]
pub trait Barrier: Send + 'static {
    /// Returns once all bytes written to the log before the call would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
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
}

/// Batches that become durable together.
#[derive(Default)]
struct Group {
    /// Final value of each changed key, with what it was before.
    changes: BTreeMap<Bytes, Change>,
    accepted: Vec<(Reply, CommitStamp)>,
    conflicted: Vec<(Reply, usize)>,
    operations: usize,
    bytes: usize,
    replaced_bytes: usize,
    /// Given back with the group.
    rooms: Vec<OwnedSemaphorePermit>,
}

/// One key in a group.
struct Change {
    old: Option<Bytes>,
    /// Pieces of the old value, to be removed with it.
    old_pieces: Option<Pieces>,
    new: Option<Bytes>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.operations >= limits::GROUP_OPERATIONS
            || self.bytes >= limits::GROUP_BYTES
            || self.replaced_bytes >= limits::MAX_BATCH_REPLACED_BYTES
    }

    fn has_room_for(&self, batch: &Batch) -> bool {
        self.operations + batch.len() <= limits::GROUP_OPERATIONS
            && self.bytes + batch.bytes() <= limits::GROUP_BYTES
    }
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
        while let Some(first) = postponed.take().or_else(|| self.requests.blocking_recv()) {
            let mut group = Group::default();
            self.batch_admit(&mut group, first);
            while !group.is_full() {
                let Ok(next) = self.requests.try_recv() else { break };
                if !group.has_room_for(&next.batch) {
                    postponed = Some(next);
                    break;
                }
                self.batch_admit(&mut group, next);
            }
            self.group_finish(group);
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
                for (key, change) in changes {
                    group.replaced_bytes += change.old.as_ref().map_or(0, Bytes::len);
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
                let (old, old_pieces) = self.value_read(key)?;
                replaced_bytes += old.as_ref().map_or(0, Bytes::len);
                within(LimitedPart::BatchReplacedBytes, replaced_bytes, limits::MAX_BATCH_REPLACED_BYTES)?;
                changes.insert(key.clone(), Change { old, old_pieces, new: None });
            }
        }
        Ok(Admission::Accepted(changes))
    }

    fn precondition_holds(&self, group: &Group, precondition: &Precondition) -> Result<bool, StoreError> {
        let expected = precondition.value();
        match group.changes.get(precondition.key()) {
            Some(change) => Ok(change.new.as_ref() == expected),
            None => Ok(self.value_read(precondition.key())?.0.as_ref() == expected),
        }
    }

    /// The value in sled, which between groups is the durable value, as nobody else writes.
    fn value_read(&self, key: &[u8]) -> Result<(Option<Bytes>, Option<Pieces>), StoreError> {
        let stored =
            self.engine.db.get(encoding::caller_key(key)).map_err(engine_error("reading a value"))?;
        let Some(stored) = stored else { return Ok((None, None)) };
        let stored = encoding::value_decode(&stored)?;
        let pieces = match &stored {
            StoredValue::Pieces(pieces) => Some(*pieces),
            StoredValue::Inline(_) => None,
        };
        match self.engine.value_load(stored)? {
            EngineValue::Whole(value) => Ok((Some(value), pieces)),
            EngineValue::Torn => Err(StoreError::Damaged { detail: "pieces of a large value are missing" }),
        }
    }

    /// Makes the group durable and tells every waiter. Conflicts are told last too: what they conflict
    /// with may be in this very group.
    fn group_finish(&mut self, group: Group) {
        let Group { changes, accepted, conflicted, operations, rooms, .. } = group;
        let outcome = if accepted.is_empty() { Ok(()) } else { self.group_commit(changes) };
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

    /// Steps 2 to 6 of the module's table.
    fn group_commit(&mut self, changes: BTreeMap<Bytes, Change>) -> Result<(), StoreError> {
        let sequence = self.sequence;
        let mut sled_batch = sled::Batch::default();
        let mut old_values = Vec::with_capacity(changes.len());
        let mut large_values = 0;
        for (key, change) in changes {
            if let Some(pieces) = change.old_pieces {
                pieces.keys().for_each(|piece_key| sled_batch.remove(&piece_key));
            }
            match change.new {
                None => sled_batch.remove(encoding::caller_key(&key)),
                Some(value) if value.len() <= self.engine.inline_bytes => {
                    sled_batch.insert(encoding::caller_key(&key), encoding::inline_encode(&value));
                }
                Some(value) => {
                    let pieces = Pieces {
                        total: u32::try_from(value.len())
                            .map_err(|_| StoreError::Damaged { detail: "a value passed its limit" })?,
                        piece: u32::try_from(self.engine.inline_bytes)
                            .map_err(|_| StoreError::Damaged { detail: "a piece passed its limit" })?,
                        sequence,
                        place: large_values,
                    };
                    large_values += 1;
                    for (piece_key, piece) in pieces.keys().zip(value.chunks(self.engine.inline_bytes)) {
                        sled_batch.insert(&piece_key, piece);
                    }
                    sled_batch.insert(encoding::caller_key(&key), encoding::pieces_encode(pieces));
                }
            }
            old_values.push((key, change.old));
        }
        sled_batch.insert(SEQUENCE_KEY, &sequence.to_be_bytes());

        self.engine.overlay_mut()?.group_begin(sequence, old_values);
        self.engine.applying.store(true, Ordering::Release);
        let applied = self.engine.db.apply_batch(sled_batch);
        self.engine.applying.store(false, Ordering::Release);
        applied.map_err(engine_error("applying a commit group"))?;
        self.engine.db.flush().map_err(engine_error("flushing a commit group"))?;
        self.barrier.sync().map_err(StoreError::io("syncing a commit group"))?;
        self.engine.overlay_mut()?.group_durable(sequence);
        Ok(())
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
