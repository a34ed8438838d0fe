//! The offline verifier: recomputes a whole log from its entries, with nothing but public keys.
//!
//! What is checked: the checkpoint's signature; every entry bundle and every hash tile that the checkpoint needs, and
//! partial tiles still lying about; every group of the journal against the bundles; every body slot against the
//! digest in its entry; every erased body against the entry that says so. With body keys at hand, also that every
//! body opens and is the one committed to.
//!
//! What is not checked: signature lines of unknown keys, which the format tells us to ignore; tiles beyond the
//! checkpoint (a publication was interrupted; the next opening writes them again); an incomplete last group of the
//! journal, which is reported; files that do not belong to a log, which are reported by name.
//!
//! A copy made while the log goes on verifies if its checkpoint was copied first and its bodies last: what came after the
//! checkpoint may stand in the place of what it covers, never less.

mod bodies_walk;
mod source;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use chengxin_schemas::digest::Sha256;

use crate::bodies::BodyKeys;
use crate::checkpoint::Checkpoint;
use crate::disk::TEMPORARY;
use crate::entry::LeafOutline;
use crate::error::LogError;
use crate::folder::{CHECKPOINT_FILE, IDENTITY_FILE, IDENTITY_LIMIT, LOCK_FILE, identity_parse};
use crate::journal::{JOURNAL_FOLDER, SEGMENT_LIMIT, segment_first, segment_parse};
use crate::merkle::{leaf_hash, root_of};
use crate::note::{KeyName, NOTE_LIMIT, NoteVerifier, UnverifiedNote};
use crate::tile::{ENTRY_LIMIT, TILE_WIDTH, TileKind, TilePath, bundle_parse, hashes_parse, hashes_write};
use crate::tree::TileEdge;
use bodies_walk::BodiesWalk;
use source::PinnedSource;
pub use source::{FolderSource, Source};

/// Most foreign file names that a report lists.
const FOREIGN_LIMIT: usize = 100;
/// Longest bundle file, in bytes.
const BUNDLE_LIMIT: u64 = TILE_WIDTH * (ENTRY_LIMIT as u64 + 2);

/// What a verification found to be sound. There is no report of a log that is not: that is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyReport {
    /// Which log.
    pub origin: KeyName,
    /// Entries that the checkpoint covers, all verified.
    pub size: u64,
    /// Root of their tree.
    pub root: Sha256,
    /// The keys that signed the checkpoint, as vkeys.
    pub signed_by: Vec<String>,
    /// Entries in the journal that no checkpoint covers yet: durable, but nobody has signed for them.
    pub uncovered: u64,
    /// Bodies whose ciphertext is the one that its entry names.
    pub bodies_intact: u64,
    /// Bodies that were opened and are the ones committed to; nothing if no key was given.
    pub bodies_opened: Option<u64>,
    /// Bodies that were erased, each with an entry that says so.
    pub bodies_erased: u64,
    /// Bodies that an entry says were erased and that are still there: a crash came between; opening the log
    /// finishes it.
    pub erasures_unfinished: u64,
    /// Whether the copy has no bodies at all, as an export without them.
    pub bodies_absent: bool,
    /// File and offset where the journal or the bodies end in something incomplete: a crash, or an append going on.
    pub incomplete: Option<(String, u64)>,
    /// Files that do not belong to a log; at most 100.
    pub foreign: Vec<String>,
}

/// Verifies the log in `folder`, or an exported copy of its tiles. One of `keys` must have signed the checkpoint. With
/// `body_keys` the bodies are opened too. Damage is [`LogError::Damaged`] with the first bad file and offset.
///
/// Memory does not grow with the log, but for eight bytes per erased body.
pub fn verify_folder(
    folder: &Path,
    keys: &[NoteVerifier],
    body_keys: Option<&BodyKeys>,
) -> Result<VerifyReport, LogError> {
    verify(&FolderSource::new(folder), keys, body_keys)
}

/// Verifies a log wherever its files come from.
pub fn verify(
    source: &dyn Source,
    keys: &[NoteVerifier],
    body_keys: Option<&BodyKeys>,
) -> Result<VerifyReport, LogError> {
    verify_as(source, keys, body_keys, State::Still)
}

/// Verifies the log in `folder` while this process appends to it, up to the checkpoint in `note`. Nothing that stood in
/// the folder when that checkpoint was published may be removed meanwhile. What came later is not looked at, but for
/// what it says of erasures.
pub(crate) fn verify_running(
    folder: &Path,
    note: String,
    keys: &[NoteVerifier],
    body_keys: &BodyKeys,
) -> Result<VerifyReport, LogError> {
    let source = PinnedSource::new(folder, note);
    verify_as(&source, keys, Some(body_keys), State::Running)
}

/// Whether somebody writes while the files are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Still,
    Running,
}

fn verify_as(
    source: &dyn Source,
    keys: &[NoteVerifier],
    body_keys: Option<&BodyKeys>,
    state: State,
) -> Result<VerifyReport, LogError> {
    let note = read(source, CHECKPOINT_FILE, NOTE_LIMIT as u64)?;
    let damaged = |error: LogError| LogError::damaged(CHECKPOINT_FILE, 0, error.to_string());
    let note = UnverifiedNote::parse(&note).map_err(damaged)?;
    let checkpoint = Checkpoint::verify(&note, keys).map_err(damaged)?;
    let signed_by = note.verify(keys)?.into_iter().map(ToString::to_string).collect();
    let whole = identity_verify(source, &checkpoint)?;
    let mut walk = Walk {
        source,
        checkpoint: &checkpoint,
        edge: TileEdge::default(),
        bodies: BodiesWalk::new(source, &checkpoint.origin, body_keys, whole, state)?,
        state,
        bundle: None,
        surplus: Vec::new(),
    };
    for number in 0..checkpoint.size.div_ceil(TILE_WIDTH) {
        walk.bundle_verify(number)?;
    }
    walk.edge_verify()?;
    let (uncovered, incomplete) = walk.journal_verify(whole)?;
    let bodies = walk.bodies.finish()?;
    Ok(VerifyReport {
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        root: checkpoint.root,
        signed_by,
        uncovered,
        bodies_intact: bodies.intact,
        bodies_opened: bodies.opened,
        bodies_erased: bodies.erased,
        erasures_unfinished: bodies.unfinished,
        bodies_absent: bodies.absent,
        // While the log runs, the ends of the files are always somewhere in an append.
        incomplete: incomplete.or(bodies.incomplete).filter(|_| state == State::Still),
        foreign: foreign_files(source)?,
    })
}

/// Checks the small files, and gives whether this is a log's own folder: then journal and bodies must be there.
fn identity_verify(source: &dyn Source, checkpoint: &Checkpoint) -> Result<bool, LogError> {
    if source.read(LOCK_FILE, 1)?.is_some_and(|bytes| !bytes.is_empty()) {
        return Err(LogError::damaged(LOCK_FILE, 0, "the lock file should be empty"));
    }
    let Some(identity) = source.read(IDENTITY_FILE, IDENTITY_LIMIT)? else { return Ok(false) };
    let origin =
        identity_parse(&identity).map_err(|error| LogError::damaged(IDENTITY_FILE, 0, error.to_string()))?;
    if origin != checkpoint.origin {
        return Err(LogError::damaged(IDENTITY_FILE, 0, "it names another log than the checkpoint"));
    }
    Ok(true)
}

fn foreign_files(source: &dyn Source) -> Result<Vec<String>, LogError> {
    let known = [
        CHECKPOINT_FILE,
        IDENTITY_FILE,
        LOCK_FILE,
        // A publication that was interrupted, or is going on.
        TEMPORARY,
        JOURNAL_FOLDER,
        crate::bodies::BODIES_FOLDER,
        "tile",
    ];
    let mut foreign = source.list("")?;
    foreign.retain(|name| !known.contains(&name.as_str()));
    foreign.truncate(FOREIGN_LIMIT);
    Ok(foreign)
}

/// Reads a file that must be there.
fn read(source: &dyn Source, path: &str, limit: u64) -> Result<Vec<u8>, LogError> {
    source.read(path, limit)?.ok_or_else(|| LogError::damaged(path, 0, "the file is missing"))
}

/// A verification under way.
struct Walk<'a> {
    source: &'a dyn Source,
    checkpoint: &'a Checkpoint,
    edge: TileEdge,
    bodies: BodiesWalk<'a>,
    state: State,
    /// The bundle read last by [`Walk::bundle_entries`].
    bundle: Option<(u64, Vec<Arc<[u8]>>)>,
    /// Entries beyond the checkpoint that stand in the full bundle read in the place of a partial one.
    surplus: Vec<Arc<[u8]>>,
}

impl Walk<'_> {
    /// The bundle's path at the checkpoint's size, full or partial.
    fn path(&self, kind: TileKind, number: u64) -> TilePath {
        match TilePath::partial(kind, self.checkpoint.size) {
            Some(partial) if partial.index == number => partial,
            Some(_) | None => TilePath::full(kind, number),
        }
    }

    /// Reads a tile of the checkpoint, with the path it stands under. Where a partial one is gone the full one is read,
    /// which begins with it: the copy was made while the log went on, and its checkpoint is the older.
    fn tile_read(&self, path: TilePath, limit: u64) -> Result<(TilePath, Vec<u8>), LogError> {
        if let Some(bytes) = self.source.read(&path.to_string(), limit)? {
            return Ok((path, bytes));
        }
        if path.width.is_some() {
            let full = TilePath::full(path.kind, path.index);
            if let Some(bytes) = self.source.read(&full.to_string(), limit)? {
                return Ok((full, bytes));
            }
        }
        Err(LogError::damaged(path, 0, "the file is missing"))
    }

    /// Verifies one bundle, its hash tile, what of the upper tiles it fills, and the bodies of its entries.
    fn bundle_verify(&mut self, number: u64) -> Result<(), LogError> {
        let path = self.path(TileKind::Entries, number);
        let (file, bytes) = self.tile_read(path, BUNDLE_LIMIT)?;
        let mut entries = bundle_parse(&bytes, file.count())
            .map_err(|error| LogError::damaged(file, 0, error.to_string()))?;
        let surplus =
            entries.split_off(usize::try_from(path.count()).unwrap_or(usize::MAX).min(entries.len()));
        self.surplus = surplus.into_iter().map(Arc::from).collect();
        let hashes: Vec<Sha256> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        self.hashes_verify(number, file, &entries, &hashes)?;
        self.partials_verify(path, &bytes, |bytes, count| bundle_parse(bytes, count).is_ok())?;

        let mut full = Vec::new();
        for hash in &hashes {
            self.edge.push(*hash, |path, hashes| full.push((path, hashes_write(hashes))));
        }
        for (path, expected) in full {
            if path.kind != TileKind::Hashes(0) {
                self.tile_verify(path, &expected)?;
            }
            self.partials_verify(path, &expected, |bytes, count| bytes.len() as u64 == count * 32)?;
        }
        let mut offset = 0;
        for (entry, index) in entries.iter().zip(number * TILE_WIDTH..) {
            let outline = LeafOutline::decode(entry)
                .map_err(|error| LogError::damaged(file, offset, format!("entry {index}: {error}")))?;
            self.bodies.entry(index, &outline)?;
            offset += entry.len() as u64 + 2;
        }
        Ok(())
    }

    /// Compares entries with their hash tile. If they differ, the level above decides which of the two is wrong.
    fn hashes_verify(
        &self,
        number: u64,
        bundle: TilePath,
        entries: &[&[u8]],
        computed: &[Sha256],
    ) -> Result<(), LogError> {
        let tile = self.path(TileKind::Hashes(0), number);
        let (tile, bytes) = self.tile_read(tile, TILE_WIDTH * 32)?;
        let stored = hashes_parse(&bytes, tile.count())
            .map_err(|error| LogError::damaged(tile, 0, error.to_string()))?;
        let Some(place) = stored.iter().zip(computed).position(|(stored, computed)| stored != computed)
        else {
            return Ok(());
        };
        if self.is_confirmed(number, computed)? {
            return Err(LogError::damaged(tile, place as u64 * 32, "a hash is not that of its entry"));
        }
        let offset = entries.iter().take(place).map(|entry| entry.len() as u64 + 2).sum();
        let index = number * TILE_WIDTH + place as u64;
        Err(LogError::damaged(
            bundle,
            offset,
            format!("entry {index} does not have the hash that the tree has for it"),
        ))
    }

    /// Whether the level above, or for the last tile the checkpoint, has the root of these leaf hashes.
    fn is_confirmed(&self, number: u64, computed: &[Sha256]) -> Result<bool, LogError> {
        if computed.len() as u64 == TILE_WIDTH {
            let parent = self.path(TileKind::Hashes(1), number / TILE_WIDTH);
            let offset = usize::try_from(number % TILE_WIDTH * 32).unwrap_or(0);
            let bytes = match self.tile_read(parent, TILE_WIDTH * 32) {
                Ok((_, bytes)) => bytes,
                Err(LogError::Damaged { .. }) => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(bytes.get(offset..offset + 32) == Some(&root_of(computed).0))
        } else {
            let mut edge = self.edge.clone();
            computed.iter().for_each(|hash| edge.push(*hash, |_, _| {}));
            Ok(edge.root() == self.checkpoint.root)
        }
    }

    fn tile_verify(&self, path: TilePath, expected: &[u8]) -> Result<(), LogError> {
        let (file, bytes) = self.tile_read(path, TILE_WIDTH * 32)?;
        if bytes == expected || (file != path && bytes.starts_with(expected)) {
            return Ok(());
        }
        let same = bytes.iter().zip(expected).take_while(|(stored, expected)| stored == expected).count();
        Err(LogError::damaged(file, same as u64, "a hash is not the root of the tile below"))
    }

    /// Partial tiles of earlier checkpoints must be the beginning of what is there now. Wider ones belong to a
    /// publication that was interrupted.
    fn partials_verify(
        &self,
        path: TilePath,
        content: &[u8],
        is_whole: impl Fn(&[u8], u64) -> bool,
    ) -> Result<(), LogError> {
        let folder = path.partial_folder();
        for name in self.source.list(&folder)? {
            let partial = format!("{folder}/{name}");
            let tile = partial
                .parse::<TilePath>()
                .map_err(|_| LogError::damaged(&partial, 0, "a file that the log did not write"))?;
            if tile.count() > path.count() || tile == path {
                continue;
            }
            let bytes = read(self.source, &partial, BUNDLE_LIMIT)?;
            let same = bytes.iter().zip(content).take_while(|(stored, expected)| stored == expected).count();
            if same < bytes.len() || !is_whole(&bytes, tile.count()) {
                return Err(LogError::damaged(
                    &partial,
                    same as u64,
                    "a partial tile is not the beginning of the tile",
                ));
            }
        }
        Ok(())
    }

    /// The partial tiles above level 0, and the root.
    fn edge_verify(&self) -> Result<(), LogError> {
        for (path, expected) in self.edge.partial_tiles() {
            if path.kind != TileKind::Hashes(0) {
                self.tile_verify(path, &expected)?;
            }
            self.partials_verify(path, &expected, |bytes, count| bytes.len() as u64 == count * 32)?;
        }
        if self.edge.root() == self.checkpoint.root {
            return Ok(());
        }
        Err(LogError::damaged(
            CHECKPOINT_FILE,
            0,
            "entries and tiles agree with each other, but not with the root that was signed: the log was rewritten",
        ))
    }

    /// The entries of one bundle, for comparison with the journal.
    fn bundle_entries(&mut self, number: u64) -> Result<&[Arc<[u8]>], LogError> {
        if self.bundle.as_ref().is_none_or(|(cached, _)| *cached != number) {
            let path = self.path(TileKind::Entries, number);
            let (path, bytes) = self.tile_read(path, BUNDLE_LIMIT)?;
            let entries = bundle_parse(&bytes, path.count())
                .map_err(|error| LogError::damaged(path, 0, error.to_string()))?;
            self.bundle = Some((number, entries.into_iter().map(Arc::from).collect()));
        }
        Ok(self.bundle.as_ref().map_or(&[], |(_, entries)| entries.as_slice()))
    }

    /// Compares the journal with the bundles, and hands entries beyond the checkpoint to the bodies. Gives their
    /// number, and where an incomplete group begins.
    fn journal_verify(&mut self, whole: bool) -> Result<(u64, Option<(String, u64)>), LogError> {
        let size = self.checkpoint.size;
        let base = size - size % TILE_WIDTH;
        let mut firsts = Vec::new();
        for name in self.source.list(JOURNAL_FOLDER)? {
            let path = format!("{JOURNAL_FOLDER}/{name}");
            let first = segment_first(&name);
            firsts
                .push(first.ok_or_else(|| LogError::damaged(&path, 0, "a file that the log did not write"))?);
        }
        firsts.sort_unstable();
        // The journal need not hold what stands in full tiles: below `base`, or below the end of the last bundle where
        // that has become full since the checkpoint.
        let surplus = std::mem::take(&mut self.surplus);
        let floor = if surplus.is_empty() { base } else { base + TILE_WIDTH };
        let before_journal = firsts.first().map_or(0, |first| first.saturating_sub(size));
        let before_journal = usize::try_from(before_journal).unwrap_or(usize::MAX).min(surplus.len());
        for (leaf, index) in surplus.iter().take(before_journal).zip(size..) {
            let outline = LeafOutline::decode(leaf)
                .map_err(|error| LogError::damaged("tile", 0, format!("entry {index}: {error}")))?;
            self.bodies.entry(index, &outline)?;
        }
        // A log that holds entries always has a segment: the last one is never removed.
        if whole && firsts.first().map_or(size > 0, |first| *first > floor) {
            return Err(LogError::damaged(
                JOURNAL_FOLDER,
                0,
                format!("the entries from {base} on are missing"),
            ));
        }
        let mut next = firsts.first().copied().unwrap_or(size);
        let mut incomplete = None;
        for (place, &first) in firsts.iter().enumerate() {
            let path = format!("{JOURNAL_FOLDER}/{first:020}.journal");
            let bytes = read(self.source, &path, SEGMENT_LIMIT)?;
            let segment = segment_parse(&bytes, first)
                .map_err(|(offset, reason)| LogError::damaged(&path, offset, reason))?;
            // A segment below may have been removed and an earlier one not.
            if first > next && first <= floor {
                next = first;
            }
            if first != next || (segment.torn && place + 1 < firsts.len()) {
                return Err(LogError::damaged(&path, segment.end, format!("entry {next} should follow")));
            }
            if segment.torn {
                incomplete = Some((path.clone(), segment.end));
            }
            for (offset, group) in &segment.groups {
                for leaf in &group.leaves {
                    self.journal_entry_verify(&path, *offset, next, leaf)?;
                    next += 1;
                }
            }
        }
        if whole && next < size {
            let (path, offset) = incomplete.unwrap_or((JOURNAL_FOLDER.to_owned(), 0));
            return Err(LogError::damaged(
                path,
                offset,
                format!("entry {next} should follow; the checkpoint covers it"),
            ));
        }
        Ok((next.saturating_sub(size), incomplete))
    }

    fn journal_entry_verify(
        &mut self,
        path: &str,
        offset: u64,
        index: u64,
        leaf: &[u8],
    ) -> Result<(), LogError> {
        if index >= self.checkpoint.size {
            let outline = LeafOutline::decode(leaf)
                .map_err(|error| LogError::damaged(path, offset, format!("entry {index}: {error}")))?;
            if self.state == State::Running {
                self.bodies.erasure_note(index, &outline);
                return Ok(());
            }
            return self.bodies.entry(index, &outline);
        }
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(0);
        let entries = self.bundle_entries(index / TILE_WIDTH)?;
        if entries.get(place).is_some_and(|entry| **entry == *leaf) {
            Ok(())
        } else {
            Err(LogError::damaged(path, offset, format!("entry {index} differs from the one in the tiles")))
        }
    }
}
