//! Reads the state of a log back from its files: at opening, and when it is taken up again after an error.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::time::UnixTime;

use super::read;
use super::state::{Published, Shared, lock};
use super::writer::{Appending, slot_erase};
use crate::bodies::{self, BODIES_FOLDER, BODIES_PER_SEGMENT, BodiesFile, Slot, SlotState};
use crate::checkpoint::Checkpoint;
use crate::disk::{TEMPORARY, open_existing};
use crate::entry::LeafOutline;
use crate::error::LogError;
use crate::folder::{CHECKPOINT_FILE, IDENTITY_FILE, IDENTITY_LIMIT, identity_parse};
use crate::journal::{
    JOURNAL_FOLDER, SEGMENT_LIMIT, segment_first, segment_head, segment_parse, segment_path,
};
use crate::merkle::leaf_hash;
use crate::note::{NOTE_LIMIT, UnverifiedNote};
use crate::tile::{LEVEL_LIMIT, TILE_WIDTH, TileKind, TilePath, hashes_parse};
use crate::tree::TileEdge;

/// What the writer needs to go on.
pub(super) struct Recovered {
    pub(super) next: u64,
    pub(super) last_time: UnixTime,
    pub(super) journal: Option<Appending>,
    pub(super) bodies: Option<Appending>,
}

/// What the journal holds.
struct Journal {
    /// The segments, in order, from the one on from which none is missing.
    segments: Vec<Segment>,
    /// First entry of each segment before those: their entries stand in full tiles, and their removal failed or was undone.
    obsolete: Vec<u64>,
    /// A last segment in which no group is whole.
    empty: Option<EmptySegment>,
    /// The entries from the first of the segments on.
    first: u64,
    leaves: Vec<Arc<[u8]>>,
}

/// A segment of the journal.
struct Segment {
    /// Its first entry.
    first: u64,
    /// Its length without an incomplete last group.
    length: u64,
    /// Whether it may be appended to.
    current: bool,
}

/// A last segment in which no group is whole: a crash came before its first one was durable.
struct EmptySegment {
    first: u64,
    /// Its length as found, in bytes.
    length: usize,
}

/// Reads the log in `shared.folder`, checks its tail against the last checkpoint, repairs what a crash or a failed
/// write left incomplete, and puts the result into `shared`. Entries that were acknowledged are never given up: where
/// one is missing this refuses. The tree comes with it, for the publication that must follow before any other; a log that
/// had stopped stays so until then.
pub(super) fn recover(shared: &Shared) -> Result<(Recovered, MutexGuard<'_, TileEdge>), LogError> {
    let mut edge = lock(&shared.edge);
    let identity_path = shared.folder.join(IDENTITY_FILE);
    if identity_parse(&file_read(&identity_path, IDENTITY_LIMIT)?)? != shared.origin {
        return Err(LogError::contradiction(
            &identity_path,
            format!("the folder holds another log than {}", shared.origin),
        ));
    }
    temporary_remove(shared)?;
    let (checkpoint, note) = checkpoint_read(shared)?;
    let base = checkpoint.size - checkpoint.size % TILE_WIDTH;
    let journal = journal_read(shared, base)?;
    let next = journal.first + journal.leaves.len() as u64;
    let journal_folder = shared.folder.join(JOURNAL_FOLDER);
    // Nothing when the log is opened: this process has acknowledged none yet.
    let acknowledged = lock(&shared.state).durable;
    if next < acknowledged {
        return Err(LogError::contradiction(
            &journal_folder,
            format!("it ends before entry {next}, and {acknowledged} entries were acknowledged"),
        ));
    }
    if journal.first > base || next < checkpoint.size {
        return Err(LogError::contradiction(
            &journal_folder,
            format!(
                "it holds the entries {} to {next}, and the checkpoint covers {} entries, of which those from {base} on must be there",
                journal.first, checkpoint.size
            ),
        ));
    }
    let skip = usize::try_from(base - journal.first).unwrap_or(usize::MAX);
    let tail: Vec<Arc<[u8]>> = journal.leaves.iter().skip(skip).cloned().collect();

    let base_edge = edge_read(shared, &checkpoint, base)?;
    let mut published_edge = base_edge.clone();
    let covered = usize::try_from(checkpoint.size - base).unwrap_or(usize::MAX);
    tail.iter().take(covered).for_each(|leaf| published_edge.push(leaf_hash(leaf), |_, _| {}));
    if published_edge.root() != checkpoint.root {
        return Err(LogError::contradiction(
            &journal_folder,
            format!(
                "its entries from {base} on, with the tiles before, lead to another root than the checkpoint of {} entries",
                checkpoint.size
            ),
        ));
    }

    erasures_redo(shared, &journal)?;
    let bodies = bodies_recover(shared, base, &tail)?;
    let opened = journal_recover(shared, &journal, base)?;
    let last_time = match journal.leaves.last() {
        Some(leaf) => LeafOutline::decode(leaf)?.time,
        None if next == 0 => UnixTime(i64::MIN),
        None => LeafOutline::decode(&read::bundle_entry_read(shared, next - 1)?)?.time,
    };

    *edge = base_edge;
    lock(&shared.bundles).clear();
    let mut state = lock(&shared.state);
    state.durable = next;
    state.tail_start = base;
    state.tail_bytes = tail.iter().map(|leaf| leaf.len()).sum();
    state.tail = tail.into();
    state.published = Published { size: checkpoint.size, note, edge: published_edge };
    let segments = journal.segments.iter().map(|segment| segment.first);
    // One without a group is there only where it is the last.
    let begun = opened.as_ref().map(|open| open.first).filter(|_| journal.segments.is_empty());
    state.segments = journal.obsolete.iter().copied().chain(segments).chain(begun).collect();
    drop(state);
    Ok((Recovered { next, last_time, journal: opened, bodies }, edge))
}

/// A publication that was interrupted left this; nothing refers to it.
fn temporary_remove(shared: &Shared) -> Result<(), LogError> {
    let path = shared.folder.join(TEMPORARY);
    match shared.disk.remove(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(LogError::storage("remove", &path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn checkpoint_read(shared: &Shared) -> Result<(Checkpoint, String), LogError> {
    let path = shared.folder.join(CHECKPOINT_FILE);
    let bytes = file_read(&path, NOTE_LIMIT as u64)?;
    let checkpoint = UnverifiedNote::parse(&bytes)
        .and_then(|note| Checkpoint::verify(&note, &shared.verifiers))
        .map_err(|error| LogError::contradiction(&path, error.to_string()))?;
    if checkpoint.origin != shared.origin {
        return Err(LogError::contradiction(&path, "it is the checkpoint of another log"));
    }
    let note = String::from_utf8(bytes).map_err(|_| LogError::contradiction(&path, "it is not UTF-8"))?;
    Ok((checkpoint, note))
}

/// Reads the journal. Entries below `base` stand in full tiles: segments that hold nothing else need not be complete.
fn journal_read(shared: &Shared, base: u64) -> Result<Journal, LogError> {
    let firsts = names_read(&shared.folder.join(JOURNAL_FOLDER), segment_first)?;
    let mut journal = Journal {
        segments: Vec::new(),
        obsolete: Vec::new(),
        empty: None,
        first: firsts.first().copied().unwrap_or(0),
        leaves: Vec::new(),
    };
    for (place, &first) in firsts.iter().enumerate() {
        let path = segment_path(&shared.folder, first);
        let bytes = file_read(&path, SEGMENT_LIMIT)?;
        let next = journal.first + journal.leaves.len() as u64;
        let segment = segment_parse(&bytes, first).map_err(|(offset, reason)| {
            LogError::contradiction(&path, format!("offset {offset}: {reason}"))
        })?;
        let last = place + 1 == firsts.len();
        if first > next && first <= base {
            journal.obsolete.extend(journal.segments.drain(..).map(|segment| segment.first));
            journal.leaves.clear();
            journal.first = first;
        } else if first != next {
            return Err(LogError::contradiction(&path, format!("entry {next} should follow")));
        }
        if segment.torn && !last {
            let next = first + segment.groups.iter().map(|(_, group)| group.leaves.len() as u64).sum::<u64>();
            return Err(LogError::contradiction(&path, format!("entry {next} should follow")));
        }
        if segment.groups.is_empty() {
            // Dealt with once the rest is known to be sound.
            journal.empty = Some(EmptySegment { first, length: bytes.len() });
            continue;
        }
        journal
            .leaves
            .extend(segment.groups.iter().flat_map(|(_, group)| &group.leaves).map(|leaf| Arc::from(*leaf)));
        journal.segments.push(Segment { first, length: segment.end, current: segment.current });
    }
    Ok(journal)
}

/// The edge of the tree of `base` entries from the partial tiles of the checkpoint: above level 0 they are the same.
fn edge_read(shared: &Shared, checkpoint: &Checkpoint, base: u64) -> Result<TileEdge, LogError> {
    let mut levels = vec![Vec::new()];
    for level in 1..=LEVEL_LIMIT {
        levels.push(match TilePath::partial(TileKind::Hashes(level), checkpoint.size) {
            None => Vec::new(),
            Some(tile) => {
                let path = shared.folder.join(tile.to_string());
                let bytes = file_read(&path, TILE_WIDTH * 32)?;
                hashes_parse(&bytes, tile.count())
                    .map_err(|error| LogError::contradiction(&path, error.to_string()))?
            }
        });
    }
    TileEdge::from_levels(base, levels)
}

/// Carries out erasures whose entries are durable: a crash may have come before, or in the middle.
fn erasures_redo(shared: &Shared, journal: &Journal) -> Result<(), LogError> {
    for leaf in &journal.leaves {
        if let Some(index) = LeafOutline::decode(leaf)?.erases() {
            let slot = BodiesFile::open(&shared.folder, bodies::segment_first(index.0))?.find(index.0)?;
            slot_erase(shared, index.0, slot.offset, slot.head.length)?;
        }
    }
    Ok(())
}

/// Checks that the body of every entry of the tail is there, writes it once more, and cuts off bodies that no entry
/// names.
fn bodies_recover(shared: &Shared, base: u64, tail: &[Arc<[u8]>]) -> Result<Option<Appending>, LogError> {
    let next = base + tail.len() as u64;
    let mut open = None;
    // From the file that holds the last entry before the tail, if it is not full: there the writer goes on.
    let mut first = bodies::segment_first(base);
    while first < next {
        let mut file = BodiesFile::open(&shared.folder, first)?;
        let writing = open_existing(&file.path)?;
        let end = next.min(first + BODIES_PER_SEGMENT);
        for index in first..end {
            let slot = file.find(index)?;
            if let Some(leaf) =
                index.checked_sub(base).and_then(|place| tail.get(usize::try_from(place).ok()?))
            {
                slot_recover(shared, &file, &slot, leaf, &writing)?;
            }
        }
        let (_, length) = file.position();
        let found = writing.metadata().map_err(LogError::storage("examine", &file.path))?.len();
        if let cut @ 1.. = found.saturating_sub(length) {
            tracing::warn!(path = %file.path.display(), bytes = cut, entry = end, "bodies that no entry names are cut off");
        }
        shared.disk.cut(&writing, length).map_err(LogError::storage("cut", &file.path))?;
        shared.disk.sync(&writing).map_err(LogError::storage("sync", &file.path))?;
        open = Some(Appending { file: writing, first, length });
        first = end.max(first + 1);
    }
    let folder = shared.folder.join(BODIES_FOLDER);
    let name_first = |name: &str| name.strip_suffix(".bodies").and_then(|digits| digits.parse::<u64>().ok());
    for first in names_read(&folder, name_first)?.into_iter().filter(|&first| first >= next) {
        let path = shared.folder.join(bodies::segment_name(first));
        tracing::warn!(path = %path.display(), "a file of bodies that no entry names is removed");
        shared.disk.remove(&path).map_err(LogError::storage("remove", &path))?;
    }
    shared.disk.sync_folder(&folder).map_err(LogError::storage("sync the folder", &folder))?;
    // A full file is not gone on with.
    Ok(open.filter(|open| open.first + BODIES_PER_SEGMENT > next))
}

fn slot_recover(
    shared: &Shared,
    file: &BodiesFile,
    slot: &Slot,
    leaf: &[u8],
    writing: &std::fs::File,
) -> Result<(), LogError> {
    let reference = LeafOutline::decode(leaf)?.body;
    let content = file.content(slot)?;
    let whole = match slot.head.state {
        SlotState::Sealed => Sha256::of(&content) == reference.sealed,
        SlotState::Erased => content.iter().all(|byte| *byte == 0),
    };
    if !whole || slot.head.length != reference.length {
        return Err(LogError::contradiction(
            &file.path,
            format!("the body of entry {} at offset {} is damaged", slot.head.index, slot.offset),
        ));
    }
    let bytes = [slot.head.encode().as_slice(), &content].concat();
    shared.disk.write(writing, &bytes, slot.offset).map_err(LogError::storage("write", &file.path))
}

/// Writes the segments that hold entries of the tail once more, and cuts off an incomplete last group. Leaves at least one
/// segment where there was one: without any, the next opening could not tell that entries are missing.
fn journal_recover(shared: &Shared, journal: &Journal, base: u64) -> Result<Option<Appending>, LogError> {
    let mut open = None;
    for (place, &Segment { first, length, current }) in journal.segments.iter().enumerate() {
        if journal.segments.get(place + 1).is_some_and(|next| next.first <= base) {
            continue;
        }
        let path = segment_path(&shared.folder, first);
        let mut bytes = file_read(&path, SEGMENT_LIMIT)?;
        if let cut @ 1.. = (bytes.len() as u64).saturating_sub(length) {
            let entry = journal.first + journal.leaves.len() as u64;
            tracing::warn!(path = %path.display(), bytes = cut, entry, "an incomplete group is cut off the journal");
        }
        // Zeros that the last group lacks are added.
        bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        let file = open_existing(&path)?;
        shared.disk.write(&file, &bytes, 0).map_err(LogError::storage("write", &path))?;
        shared.disk.cut(&file, length).map_err(LogError::storage("cut", &path))?;
        shared.disk.sync(&file).map_err(LogError::storage("sync", &path))?;
        open = current.then_some(Appending { file, first, length });
    }
    if let Some(EmptySegment { first, length }) = journal.empty {
        let path = segment_path(&shared.folder, first);
        if journal.segments.is_empty() {
            // It alone says where the journal goes on: the segments before it were superfluous and may be gone.
            open = Some(segment_begin_again(shared, &path, first)?);
        } else {
            tracing::warn!(path = %path.display(), bytes = length, entry = first, "a journal segment without a whole group is removed");
            shared.disk.remove(&path).map_err(LogError::storage("remove", &path))?;
        }
    }
    let folder = shared.folder.join(JOURNAL_FOLDER);
    shared.disk.sync_folder(&folder).map_err(LogError::storage("sync the folder", &folder))?;
    Ok(open)
}

/// Leaves nothing but the head in a segment without a whole group.
fn segment_begin_again(shared: &Shared, path: &Path, first: u64) -> Result<Appending, LogError> {
    let head = segment_head(first);
    let length = head.len() as u64;
    let file = open_existing(path)?;
    shared.disk.write(&file, &head, 0).map_err(LogError::storage("write", path))?;
    shared.disk.cut(&file, length).map_err(LogError::storage("cut", path))?;
    shared.disk.sync(&file).map_err(LogError::storage("sync", path))?;
    Ok(Appending { file, first, length })
}

/// Reads a whole file of at most `limit` bytes.
pub(super) fn file_read(path: &Path, limit: u64) -> Result<Vec<u8>, LogError> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(LogError::storage("open", path))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(LogError::storage("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(LogError::contradiction(path, format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}

/// The numbers in the names of a folder's files, in order; a name that `parse` does not know is refused, because
/// nobody but the log writes there.
fn names_read(folder: &Path, parse: impl Fn(&str) -> Option<u64>) -> Result<Vec<u64>, LogError> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(LogError::storage("list", folder))? {
        let path: PathBuf = entry.map_err(LogError::storage("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(&parse);
        numbers
            .push(name.ok_or_else(|| LogError::contradiction(&path, "a file that the log did not write"))?);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
