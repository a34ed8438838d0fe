//! The one thread that appends: gathers what waits, writes it as a group, and answers when it is durable.

use std::fs::File;
use std::sync::{Arc, PoisonError};

use chengxin_schemas::time::UnixTime;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::recovery::{self, Recovered};
use super::state::{PanicGuard, Shared, TAIL_BYTES, TAIL_BYTES_URGENT, THREAD_LOST, lock};
use super::{publisher, read};
use crate::bodies::{self, BodiesFile, Random, SLOT_HEAD, SlotHead, SlotState};
use crate::disk::open_existing;
use crate::entry::{Entry, EntryIndex, Leaf, LeafOutline};
use crate::error::LogError;
use crate::journal::{self, GROUP_BYTES, GROUP_ENTRIES};

type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// What the writer is asked to do.
pub(super) enum Command {
    Append { entry: Entry, body: Zeroizing<Vec<u8>>, reply: Reply<EntryIndex> },
    Erase { index: EntryIndex, entry: Entry, body: Zeroizing<Vec<u8>>, reply: Reply<EntryIndex> },
    Reopen { reply: Reply<()> },
}

/// A file that is appended to.
pub(super) struct Appending {
    pub(super) file: File,
    /// The first entry in it.
    pub(super) first: u64,
    /// Its length.
    pub(super) length: u64,
}

/// An append within a group.
struct Pending {
    entry: Entry,
    body: Zeroizing<Vec<u8>>,
    refers_to: Option<EntryIndex>,
    reply: Option<Reply<EntryIndex>>,
}

/// A group ready to be written.
#[derive(Default)]
struct Staged {
    leaves: Vec<Arc<[u8]>>,
    /// Slots, one after the other, with the entry each belongs to.
    slots: Vec<(u64, Vec<u8>)>,
    replies: Vec<Option<Reply<EntryIndex>>>,
    last_time: UnixTime,
}

/// The thread's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    random: Random,
    /// Number of the next entry; equals the shared `durable` between groups.
    next: u64,
    last_time: UnixTime,
    journal: Option<Appending>,
    bodies: Option<Appending>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, random: Random, recovered: Recovered) -> Self {
        let Recovered { next, last_time, journal, bodies } = recovered;
        Self { shared, random, next, last_time, journal, bodies }
    }

    /// Runs until nobody can send any more.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let _guard = PanicGuard { shared: Arc::clone(&self.shared), closes: true };
        let mut waiting = None;
        while let Some(command) = waiting.take().or_else(|| queue.blocking_recv()) {
            match command {
                Command::Append { entry, body, reply } => {
                    let mut bytes = body.len();
                    let mut group = vec![Pending { entry, body, refers_to: None, reply: Some(reply) }];
                    while group.len() < GROUP_ENTRIES && bytes < GROUP_BYTES {
                        match queue.try_recv() {
                            Ok(Command::Append { entry, body, reply }) => {
                                bytes += body.len();
                                group.push(Pending { entry, body, refers_to: None, reply: Some(reply) });
                            }
                            Ok(other) => {
                                waiting = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.append(group);
                }
                Command::Erase { index, entry, body, reply } => {
                    let _ = reply.send(self.erase(index, entry, body));
                }
                Command::Reopen { reply } => {
                    let _ = reply.send(self.reopen());
                }
            }
        }
        self.shared.close();
    }

    /// Appends a group and answers everyone in it.
    fn append(&mut self, group: Vec<Pending>) {
        if let Err(reason) = self.room_wait() {
            group.into_iter().filter_map(|pending| pending.reply).for_each(|reply| {
                let _ = reply.send(Err(LogError::Stopped { reason: Arc::clone(&reason) }));
            });
            return;
        }
        let staged = self.stage(group);
        if staged.leaves.is_empty() {
            return;
        }
        let first = self.next;
        match self.commit(&staged) {
            Ok(()) => {
                for (index, reply) in (first..).zip(staged.replies) {
                    if let Some(reply) = reply {
                        let _ = reply.send(Ok(EntryIndex(index)));
                    }
                }
            }
            Err(error) => {
                self.shared.stop(&error);
                let reason = lock(&self.shared.state).stopped.clone().unwrap_or_default();
                for reply in staged.replies.into_iter().flatten() {
                    let _ = reply.send(Err(LogError::Stopped { reason: Arc::clone(&reason) }));
                }
            }
        }
    }

    /// Waits until the publisher has caught up so far that memory is bounded.
    fn room_wait(&self) -> Result<(), Arc<str>> {
        let state = lock(&self.shared.state);
        let state = self
            .shared
            .tail_shorter
            .wait_while(state, |state| state.stopped.is_none() && state.tail_bytes > TAIL_BYTES)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopped.clone().map_or(Ok(()), Err)
    }

    /// Seals bodies and encodes leaves. An entry that cannot be encoded is answered here and left out.
    fn stage(&mut self, group: Vec<Pending>) -> Staged {
        let mut staged = Staged { last_time: self.last_time, ..Staged::default() };
        for Pending { entry, body, refers_to, reply } in group {
            let index = self.next + staged.leaves.len() as u64;
            let time = entry.time.max(staged.last_time);
            let encoded =
                self.shared.body_keys.seal(&self.shared.origin, index, &body, &mut self.random).and_then(
                    |sealed| {
                        let leaf = Leaf::new(entry, time, refers_to, sealed.reference).encode()?;
                        Ok((leaf, sealed))
                    },
                );
            match encoded {
                Ok((leaf, sealed)) => {
                    let head = SlotHead { state: SlotState::Sealed, index, length: sealed.reference.length }
                        .encode();
                    staged.slots.push((index, [head.as_slice(), &sealed.content].concat()));
                    staged.leaves.push(leaf.into());
                    staged.replies.push(reply);
                    staged.last_time = time;
                }
                Err(error) => {
                    if let Some(reply) = reply {
                        let _ = reply.send(Err(error));
                    }
                }
            }
        }
        staged
    }

    /// Makes a group durable: bodies, then journal. The return of the journal's sync is the commit point.
    fn commit(&mut self, staged: &Staged) -> Result<(), LogError> {
        self.bodies_write(&staged.slots)?;
        self.journal_write(&staged.leaves)?;
        self.next += staged.leaves.len() as u64;
        self.last_time = staged.last_time;
        let mut state = lock(&self.shared.state);
        state.durable = self.next;
        state.tail_bytes += staged.leaves.iter().map(|leaf| leaf.len()).sum::<usize>();
        state.tail.extend(staged.leaves.iter().cloned());
        if state.tail_bytes > TAIL_BYTES_URGENT {
            state.checkpoint_wanted = true;
        }
        drop(state);
        self.shared.publisher_wake.notify_all();
        Ok(())
    }

    fn bodies_write(&mut self, slots: &[(u64, Vec<u8>)]) -> Result<(), LogError> {
        let disk = Arc::clone(&self.shared.disk);
        for slots in slots
            .chunk_by(|(left, _), (right, _)| bodies::segment_first(*left) == bodies::segment_first(*right))
        {
            let Some((index, _)) = slots.first() else { continue };
            let first = bodies::segment_first(*index);
            let path = self.shared.folder.join(bodies::segment_name(first));
            let fits = |open: &Appending| open.first == first;
            if !self.bodies.as_ref().is_some_and(fits) {
                self.bodies = Some(self.begin(&path, first, &bodies::segment_head(first))?);
            }
            let Some(open) = &mut self.bodies else { continue };
            let bytes: Vec<u8> = slots.iter().flat_map(|(_, slot)| slot.iter().copied()).collect();
            disk.write(&open.file, &bytes, open.length).map_err(LogError::storage("write", &path))?;
            disk.sync(&open.file).map_err(LogError::storage("sync", &path))?;
            open.length += bytes.len() as u64;
        }
        Ok(())
    }

    fn journal_write(&mut self, leaves: &[Arc<[u8]>]) -> Result<(), LogError> {
        let disk = Arc::clone(&self.shared.disk);
        if self.journal.as_ref().is_none_or(|open| open.length >= self.shared.segment_bytes) {
            let path = journal::segment_path(&self.shared.folder, self.next);
            self.journal = Some(self.begin(&path, self.next, &journal::segment_head(self.next))?);
            lock(&self.shared.state).segments.push_back(self.next);
        }
        let Some(open) = &mut self.journal else { return Ok(()) };
        let group = journal::group_encode(self.next, leaves, open.length)?;
        let path = journal::segment_path(&self.shared.folder, open.first);
        disk.write(&open.file, &group, open.length).map_err(LogError::storage("write", &path))?;
        disk.sync(&open.file).map_err(LogError::storage("sync", &path))?;
        open.length += group.len() as u64;
        Ok(())
    }

    /// Begins a file with its head and makes its name durable; the head becomes durable with the first group.
    fn begin(&self, path: &std::path::Path, first: u64, head: &[u8]) -> Result<Appending, LogError> {
        let disk = &self.shared.disk;
        let file = disk.create(path).map_err(LogError::storage("create", path))?;
        disk.write(&file, head, 0).map_err(LogError::storage("write", path))?;
        if let Some(parent) = path.parent() {
            disk.sync_folder(parent).map_err(LogError::storage("sync the folder", parent))?;
        }
        Ok(Appending { file, first, length: head.len() as u64 })
    }

    /// Writes the entry that says so, then overwrites the body.
    fn erase(
        &mut self,
        index: EntryIndex,
        entry: Entry,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<EntryIndex, LogError> {
        self.room_wait().map_err(|reason| LogError::Stopped { reason })?;
        if index.0 >= self.next {
            return Err(LogError::NotFound { index: index.0, size: self.next });
        }
        let reference = LeafOutline::decode(&read::leaf_read(&self.shared, index.0)?)?.body;
        let mut file = BodiesFile::open(&self.shared.folder, bodies::segment_first(index.0))?;
        let slot = file.find(index.0)?;
        if slot.head.state == SlotState::Erased {
            return Err(LogError::Erased { index: index.0 });
        }
        if slot.head.length != reference.length {
            return Err(LogError::contradiction(
                &file.path,
                format!("the body of entry {index} has another length than its entry says"),
            ));
        }
        let staged = self.stage(vec![Pending { entry, body, refers_to: Some(index), reply: None }]);
        let written = EntryIndex(self.next);
        if staged.leaves.is_empty() {
            return Err(LogError::malformed("audit entry", "the entry of the erasure does not encode"));
        }
        let result = self
            .commit(&staged)
            .and_then(|()| slot_erase(&self.shared, index.0, slot.offset, reference.length));
        if let Err(error) = &result {
            self.shared.stop(error);
        }
        result.map(|()| written)
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        if lock(&self.shared.state).thread_lost {
            return Err(LogError::Stopped { reason: THREAD_LOST.into() });
        }
        // Files of the failed attempt are closed first; nothing more goes through them.
        self.journal = None;
        self.bodies = None;
        let result = recovery::recover(&self.shared).and_then(|(recovered, edge)| {
            let Recovered { next, last_time, journal, bodies } = recovered;
            (self.next, self.last_time, self.journal, self.bodies) = (next, last_time, journal, bodies);
            publisher::publish_recovered(&self.shared, edge)
        });
        if let Err(error) = &result {
            self.shared.stop(error);
        }
        self.shared.announce();
        result
    }
}

/// Overwrites a slot with zeros under the same number and length, and makes that durable. Doing it again does no
/// harm.
pub(super) fn slot_erase(shared: &Shared, index: u64, offset: u64, length: u32) -> Result<(), LogError> {
    let path = shared.folder.join(bodies::segment_name(bodies::segment_first(index)));
    let file = open_existing(&path)?;
    let mut erased = vec![0; SLOT_HEAD + length as usize];
    erased[..SLOT_HEAD].copy_from_slice(&SlotHead { state: SlotState::Erased, index, length }.encode());
    shared.disk.write(&file, &erased, offset).map_err(LogError::storage("write", &path))?;
    shared.disk.sync(&file).map_err(LogError::storage("sync", &path))
}
