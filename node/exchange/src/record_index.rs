//! Packed indexes over the records: by identifier and by subject.
//!
//! An index is a sorted sequence of entries of one length, kept in blocks. A block is one value of the store: a version
//! byte, then up to [`BLOCK_ENTRIES`] entries in ascending order. Its key is the letter of the index and a lower bound,
//! and it holds every entry from its bound up to the bound of the next block. The first block has the empty bound, so
//! that every key has a block; a block without entries is not stored, and an index of nothing is no key at all.
//!
//! | index | entry |
//! |---|---|
//! | by identifier | record identifier (16 bytes), number (8, big-endian), keyed hash of the content (16) |
//! | by subject | first half of the subject's keyed hash (16 bytes), number (8, big-endian); one for each of its identifiers, both codes of an organisation under one, and one for its name if it may be known by that alone |
//!
//! One entry of its own in the store for each of the two would cost more than the record: entries come in random order,
//! so each rewrites another page of the engine. In blocks, one merge of many sorted entries rewrites each block once.
//!
//! Commit points and crash story: a merge commits whole blocks, several at a time, and a block that is split is replaced
//! by its pieces in one commit. A crash leaves blocks of before and of after, all of them whole. Applying the same
//! changes again finishes the merge, because a change that was made already changes nothing; who merges therefore keeps
//! what the changes are derived from until the merge is done (`import.rs`, `import_rollback.rs`).
//!
//! One writer at a time, which [`ImportWriter`] stands for: a merge computes new blocks from what it read.

use std::collections::BTreeSet;

use bytes::Bytes;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::subject::SubjectKey;
use chengxin_store::{Batch, KeyRange, Store};

use crate::error::{ExchangeError, Result};
use crate::import_lock::ImportWriter;
use crate::keyspace;

/// Layout of blocks written by this program.
const BLOCK_VERSION: u8 = 1;
/// Most entries of a block: 5 KiB at most, so that a look-up reads little and a merge of few entries rewrites little.
const BLOCK_ENTRIES: usize = 128;
/// Most entries of each piece when a block is split: room for more before the next split.
const PIECE_ENTRIES: usize = 96;
/// Blocks read at once; short pages are read without changing threads.
const PAGE_BLOCKS: usize = 16;
/// Bytes of new blocks from which a merge commits; small beside what a commit group of the store takes.
const COMMIT_BYTES: usize = 256 * 1024;
/// Most changes that one block takes in one commit. The first import of a body puts everything into one block; without
/// this limit its pieces would be one commit of megabytes.
const PORTION_CHANGES: usize = 4_096;

/// An index whose entries have `LENGTH` bytes, of which the first `KEY` tell them apart and sort them.
pub(crate) struct RecordIndex<const KEY: usize, const LENGTH: usize> {
    name: &'static str,
    letter: u8,
}

/// From an identifier to number and content.
pub(crate) const BY_ID: RecordIndex<16, 40> =
    RecordIndex { name: "index of record identifiers", letter: keyspace::RECORD_BY_ID };
/// From a subject to the numbers of its records.
pub(crate) const BY_SUBJECT: RecordIndex<24, 24> =
    RecordIndex { name: "index of subjects", letter: keyspace::RECORD_BY_SUBJECT };

/// What an identifier maps to: the record's number and the keyed hash of its content, by which an identical row is
/// told from a different one with the same duplicate key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordPointer {
    pub(crate) number: u64,
    pub(crate) content: [u8; 16],
}

/// Most keys that one record is found by: two codes and a person's number.
const SUBJECT_KEYS: usize = 3;

/// The entries of one record: one by identifier, one for each key that its subject is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordEntries {
    pub(crate) number: u64,
    by_id: [u8; 40],
    by_subject: [Option<[u8; 24]>; SUBJECT_KEYS],
}

/// One change of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexChange<const LENGTH: usize> {
    /// Puts the entry in the place of one with the same key, if there is one.
    Insert([u8; LENGTH]),
    /// Takes the entry out, if exactly this one is there: what another record put in its place stays.
    Remove([u8; LENGTH]),
}

/// A block as it was read, its form checked.
struct Block<const KEY: usize, const LENGTH: usize> {
    /// Empty, or the bytes of a key.
    bound: Bytes,
    value: Bytes,
}

/// A block and where the next one begins; `None` at the end of the index.
type BoundedBlock<const KEY: usize, const LENGTH: usize> = (Block<KEY, LENGTH>, Option<Bytes>);

impl RecordEntries {
    /// The entries of the record `number`. `subjects` are the keys that its subject is found by, [`SUBJECT_KEYS`] at most,
    /// `content` the keyed hash of its content.
    pub(crate) fn new(
        id: &RecordId,
        number: u64,
        content: &[u8; 16],
        subjects: impl IntoIterator<Item = SubjectKey>,
    ) -> Self {
        let mut by_id = [0; 40];
        by_id[..16].copy_from_slice(&id.0);
        by_id[16..24].copy_from_slice(&number.to_be_bytes());
        by_id[24..].copy_from_slice(content);
        let mut by_subject = [None; SUBJECT_KEYS];
        for (place, subject) in by_subject.iter_mut().zip(subjects) {
            *place = Some(subject_entry(&subject, number));
        }
        Self { number, by_id, by_subject }
    }

    fn by_subject(&self) -> impl Iterator<Item = [u8; 24]> {
        self.by_subject.into_iter().flatten()
    }
}

/// The number in an entry of either index.
fn entry_number(entry: &[u8]) -> u64 {
    entry.get(16..24).and_then(|bytes| bytes.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes)
}

fn subject_entry(subject: &SubjectKey, number: u64) -> [u8; 24] {
    let mut entry = [0; 24];
    entry[..16].copy_from_slice(keyspace::subject_half(subject));
    entry[16..].copy_from_slice(&number.to_be_bytes());
    entry
}

/// Enters records into both indexes. Repeating it changes nothing.
pub(crate) async fn entries_insert(
    store: &dyn Store,
    writer: &ImportWriter,
    records: &[RecordEntries],
) -> Result<()> {
    let by_id = records.iter().map(|record| IndexChange::Insert(record.by_id)).collect();
    BY_ID.changes_apply(store, writer, by_id).await?;
    let by_subject = records.iter().flat_map(RecordEntries::by_subject).map(IndexChange::Insert).collect();
    BY_SUBJECT.changes_apply(store, writer, by_subject).await
}

/// Takes records out of both indexes. Repeating it changes nothing.
pub(crate) async fn entries_remove(
    store: &dyn Store,
    writer: &ImportWriter,
    records: &[RecordEntries],
) -> Result<()> {
    let by_id = records.iter().map(|record| IndexChange::Remove(record.by_id)).collect();
    BY_ID.changes_apply(store, writer, by_id).await?;
    let by_subject = records.iter().flat_map(RecordEntries::by_subject).map(IndexChange::Remove).collect();
    BY_SUBJECT.changes_apply(store, writer, by_subject).await
}

/// Takes entries out of the index of subjects under which a former version of this program entered records. Repeating it
/// changes nothing.
pub(crate) async fn former_remove(
    store: &dyn Store,
    writer: &ImportWriter,
    former: &[(SubjectKey, u64)],
) -> Result<()> {
    let remove = |(subject, number): &(SubjectKey, u64)| IndexChange::Remove(subject_entry(subject, *number));
    BY_SUBJECT.changes_apply(store, writer, former.iter().map(remove).collect()).await
}

/// Takes records out of both indexes of which nothing but their numbers can be told any more, by reading all of both.
/// Repeating it changes nothing.
pub(crate) async fn numbers_remove(
    store: &dyn Store,
    writer: &ImportWriter,
    numbers: &BTreeSet<u64>,
) -> Result<()> {
    BY_ID.numbers_remove(store, writer, numbers).await?;
    BY_SUBJECT.numbers_remove(store, writer, numbers).await
}

/// What `id` maps to, whether its record is visible or not.
pub(crate) async fn pointer_find(store: &dyn Store, id: &RecordId) -> Result<Option<RecordPointer>> {
    let Some(block) = BY_ID.block_of(store, &id.0).await? else { return Ok(None) };
    let Some((rest, content)) = block.entry(&id.0).and_then(|entry| entry.split_last_chunk::<16>()) else {
        return Ok(None);
    };
    let number = rest.last_chunk().copied().map(u64::from_be_bytes);
    Ok(number.map(|number| RecordPointer { number, content: *content }))
}

/// The numbers of a subject's records for which `wanted` holds, newest first, at most `limit`.
///
/// One read unless the subject's entries lie in several blocks. Each further block is read in a later state of the
/// store than the one before it; nothing is missed nevertheless. A merge moves an entry only when it splits the block
/// of that entry, and then only to a block whose bound lies within the old block's stretch. The reader goes downwards
/// and always asks for the last block below the bound it has reached, so of a block that it has not read yet it meets
/// every piece. A block that was emptied and removed leaves its stretch to the block before it; what may have been
/// entered there above the reached bound since then is left out, as it would be had the block stayed.
pub(crate) async fn numbers_of(
    store: &dyn Store,
    subject: &SubjectKey,
    limit: usize,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<u64>> {
    let (first, last) = (subject_entry(subject, 0), subject_entry(subject, u64::MAX));
    let mut range = KeyRange::between(&BY_SUBJECT.key(&[]), &BY_SUBJECT.key_after(&last)).descending();
    let mut numbers = Vec::new();
    // Nearly every subject has few records, and they lie in the first block read.
    let mut page_length = 1;
    let mut reached: Option<Bytes> = None;
    while numbers.len() < limit {
        let page = store.scan(range.clone(), page_length).await?;
        let Some((end, _)) = page.last() else { break };
        range = range.after(end);
        page_length = PAGE_BLOCKS;
        for (key, value) in page {
            let block = BY_SUBJECT.block_decode(&key, value)?;
            let entries = block.entries();
            let from = entries.partition_point(|entry| *entry < first);
            let through = entries.partition_point(|entry| {
                *entry <= last && reached.as_ref().is_none_or(|reached| entry[..] < reached[..])
            });
            let found = entries.get(from..through).unwrap_or_default().iter().rev();
            numbers.extend(
                found
                    .filter_map(|entry| entry.last_chunk().copied().map(u64::from_be_bytes))
                    .filter(|number| wanted(*number)),
            );
            if block.bound[..] <= first[..] {
                numbers.truncate(limit);
                return Ok(numbers);
            }
            reached = Some(block.bound);
        }
    }
    numbers.truncate(limit);
    Ok(numbers)
}

impl<const KEY: usize, const LENGTH: usize> RecordIndex<KEY, LENGTH> {
    fn key(&self, bound: &[u8]) -> Vec<u8> {
        keyspace::record_index_block(self.letter, bound)
    }

    /// The end of a range whose last key is `bound`'s.
    fn key_after(&self, bound: &[u8]) -> Vec<u8> {
        let mut key = self.key(bound);
        key.push(0);
        key
    }

    /// The block that holds `target` if any does; `None` if it was never stored.
    async fn block_of(&self, store: &dyn Store, target: &[u8; KEY]) -> Result<Option<Block<KEY, LENGTH>>> {
        let range = KeyRange::between(&self.key(&[]), &self.key_after(target)).descending();
        let found = store.scan(range, 1).await?.into_iter().next();
        found.map(|(key, value)| self.block_decode(&key, value)).transpose()
    }

    fn block_decode(&self, key: &[u8], value: Bytes) -> Result<Block<KEY, LENGTH>> {
        let stored = |reason: &str| ExchangeError::Stored { what: self.name, reason: reason.to_owned() };
        let bound = match key.split_first() {
            Some((letter, bound)) if *letter == self.letter && (bound.is_empty() || bound.len() == KEY) => {
                bound
            }
            Some(_) | None => return Err(stored("a block has no bound")),
        };
        match value.first() {
            Some(&BLOCK_VERSION) => {}
            Some(version) => {
                return Err(stored(&format!(
                    "version {version}, this program reads up to {BLOCK_VERSION}: upgrade the program"
                )));
            }
            None => return Err(stored("a block is empty")),
        }
        let (entries, rest) = value[1..].as_chunks::<LENGTH>();
        if !rest.is_empty() || entries.len() > BLOCK_ENTRIES {
            return Err(stored("a block has a wrong length"));
        }
        let ascending = entries.is_sorted_by(|one, two| one[..KEY] < two[..KEY]);
        if !ascending || entries.first().is_some_and(|first| first[..KEY] < *bound) {
            return Err(stored("a block is not in order"));
        }
        Ok(Block { bound: Bytes::copy_from_slice(bound), value })
    }

    /// Makes the changes, in any order, the last of several to one key counting. Commit points: see the module's head.
    pub(crate) async fn changes_apply(
        &self,
        store: &dyn Store,
        _: &ImportWriter,
        mut changes: Vec<IndexChange<LENGTH>>,
    ) -> Result<()> {
        changes.sort_by(|one, two| one.entry()[..KEY].cmp(&two.entry()[..KEY]));
        let mut rest = changes.as_slice();
        let mut write = Batch::new();
        while let Some(next) = rest.first() {
            // What is gathered and not yet committed concerns blocks below the one that is looked for here.
            let page = self.page_at(store, next).await?;
            for (block, end) in page {
                let here = rest
                    .partition_point(|change| end.as_ref().is_none_or(|end| change.entry()[..KEY] < end[..]));
                let (now, later) = rest.split_at(here.min(PORTION_CHANGES));
                rest = later;
                self.block_rewrite(&block, now, &mut write);
                let unfinished = here > PORTION_CHANGES;
                if unfinished || write.bytes() >= COMMIT_BYTES {
                    store.commit(std::mem::take(&mut write)).await?;
                }
                // The rest of the changes belongs to the block's last pieces, which are read from the store.
                if unfinished || rest.is_empty() {
                    break;
                }
            }
        }
        if !write.is_empty() {
            store.commit(write).await?;
        }
        Ok(())
    }

    /// The block of a change and those that follow it, each with its end. The last block of a page serves as the end of
    /// the one before it only, unless the index ends there. At least one block, the first one empty if it is not stored.
    async fn page_at(
        &self,
        store: &dyn Store,
        change: &IndexChange<LENGTH>,
    ) -> Result<Vec<BoundedBlock<KEY, LENGTH>>> {
        let target = change.entry().first_chunk::<KEY>().unwrap_or(&[0; KEY]);
        let covering = self.block_of(store, target).await?;
        let mut blocks = Vec::with_capacity(PAGE_BLOCKS);
        blocks.push(
            covering.unwrap_or(Block { bound: Bytes::new(), value: Bytes::from_static(&[BLOCK_VERSION]) }),
        );
        let mut range = KeyRange::prefix(&self.key(&[])).after(&self.key(&blocks[0].bound));
        while blocks.len() < PAGE_BLOCKS {
            let page = store.scan(range.clone(), PAGE_BLOCKS.saturating_sub(blocks.len())).await?;
            let Some((last, _)) = page.last() else {
                return Ok(blocks_bound(blocks, true));
            };
            range = range.after(last);
            for (key, value) in page {
                blocks.push(self.block_decode(&key, value)?);
            }
        }
        Ok(blocks_bound(blocks, false))
    }

    /// Takes out every entry of the records with these numbers, a page of blocks at a time. Taking out moves no entry to
    /// another block.
    async fn numbers_remove(
        &self,
        store: &dyn Store,
        writer: &ImportWriter,
        numbers: &BTreeSet<u64>,
    ) -> Result<()> {
        let mut range = KeyRange::prefix(&self.key(&[]));
        loop {
            let page = store.scan(range.clone(), PAGE_BLOCKS).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = range.after(last);
            let mut changes = Vec::new();
            for (key, value) in page {
                let block = self.block_decode(&key, value)?;
                let concerned =
                    block.entries().iter().filter(|entry| numbers.contains(&entry_number(*entry)));
                changes.extend(concerned.map(|entry| IndexChange::Remove(*entry)));
            }
            self.changes_apply(store, writer, changes).await?;
        }
    }

    /// Adds to `write` what makes of `block` what the changes make of it: nothing if they change nothing. A block keeps
    /// its bound even if its first entry goes: the bound says where the block begins, not what it begins with.
    fn block_rewrite(&self, block: &Block<KEY, LENGTH>, changes: &[IndexChange<LENGTH>], write: &mut Batch) {
        let merged = entries_merge::<KEY, LENGTH>(block.entries(), changes);
        if merged == block.entries() {
            return;
        }
        if merged.is_empty() {
            write.delete(self.key(&block.bound));
            return;
        }
        let mut bound = Some(&block.bound[..]);
        for piece in pieces(&merged) {
            let mut value = Vec::with_capacity(piece.len().saturating_mul(LENGTH).saturating_add(1));
            value.push(BLOCK_VERSION);
            value.extend_from_slice(piece.as_flattened());
            let first = piece.first().map_or(&[][..], |first| &first[..KEY]);
            write.put(self.key(bound.take().unwrap_or(first)), value);
        }
    }
}

impl<const LENGTH: usize> IndexChange<LENGTH> {
    fn entry(&self) -> &[u8; LENGTH] {
        match self {
            Self::Insert(entry) | Self::Remove(entry) => entry,
        }
    }
}

impl<const KEY: usize, const LENGTH: usize> Block<KEY, LENGTH> {
    fn entries(&self) -> &[[u8; LENGTH]] {
        self.value.get(1..).unwrap_or_default().as_chunks().0
    }

    fn entry(&self, key: &[u8; KEY]) -> Option<&[u8; LENGTH]> {
        let entries = self.entries();
        let place = entries.binary_search_by(|entry| entry[..KEY].cmp(&key[..])).ok()?;
        entries.get(place)
    }
}

/// Tells each block where the next begins. The last one ends the index, or is known only as an end and left out.
fn blocks_bound<const KEY: usize, const LENGTH: usize>(
    blocks: Vec<Block<KEY, LENGTH>>,
    complete: bool,
) -> Vec<BoundedBlock<KEY, LENGTH>> {
    let ends: Vec<_> = blocks.iter().skip(1).map(|block| Some(block.bound.clone())).collect();
    let last = complete.then_some(None);
    blocks.into_iter().zip(ends.into_iter().chain(last)).collect()
}

/// The entries after the changes; both arguments and the result ascend.
fn entries_merge<const KEY: usize, const LENGTH: usize>(
    entries: &[[u8; LENGTH]],
    changes: &[IndexChange<LENGTH>],
) -> Vec<[u8; LENGTH]> {
    let mut merged: Vec<[u8; LENGTH]> = Vec::with_capacity(entries.len().saturating_add(changes.len()));
    let mut entries = entries.iter().copied().peekable();
    for change in changes {
        let key = &change.entry()[..KEY];
        while let Some(before) = entries.next_if(|entry| entry[..KEY] < *key) {
            merged.push(before);
        }
        // Of several changes to one key, the earlier ones have left their entry at the end of what is merged.
        let held = entries
            .next_if(|entry| entry[..KEY] == *key)
            .or_else(|| merged.pop_if(|last| last[..KEY] == *key));
        match change {
            IndexChange::Insert(entry) => merged.push(*entry),
            IndexChange::Remove(entry) => merged.extend(held.filter(|held| held != entry)),
        }
    }
    merged.extend(entries);
    merged
}

/// The blocks that hold the entries: one if they fit, else as few as may be, of equal length but for one entry.
fn pieces<T>(entries: &[T]) -> impl Iterator<Item = &[T]> {
    let count = if entries.len() <= BLOCK_ENTRIES { 1 } else { entries.len().div_ceil(PIECE_ENTRIES) };
    let (length, longer) = (entries.len() / count, entries.len() % count);
    let mut rest = entries;
    (0..count).map(move |piece| {
        let (now, later) = rest.split_at(length.saturating_add(usize::from(piece < longer)));
        rest = later;
        now
    })
}

#[cfg(test)]
mod tests;
