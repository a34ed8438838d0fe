//! The number of the last acknowledged commit, kept beside sled, so that a log that lost its end is recognised.
//!
//! sled reads the last segments of its log up to the first message that it cannot read and takes that for the end: one bad
//! bit there would give the store up to it, without a word. (What is not readable further below is refused by
//! [`super::engine_log`].) So every commit carries a number, in sled, and the number is written
//! here once the commit is durable. A store whose sled is behind this number does not open.
//!
//! ```text
//! <folder>/acknowledged   two slots, 4,096 bytes apart, written in turn: a torn write leaves the other
//! slot                    `CXACK/1\n`, number of the commit (u64), CRC-32 of both; big-endian
//! ```
//!
//! The number is written after the sync that made its commit durable, never before, so it cannot be ahead. It is not
//! synced at each commit, which would cost half as much again; only each [`SYNC_EVERY`] commits and when the store is
//! closed. What is not solved: a power cut can take the number back by as many commits, and a log that is damaged in just
//! those is then not recognised by it. Long values carry the number too, in files that are synced (see
//! [`super::value_log`]). sled overwrites the end that it could not read with zeros while it opens, so the number is compared
//! before, with the last one that the log tells; where it tells none, only afterwards.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::error::StoreError;

use super::folder::folder_sync;

const FILE: &str = "acknowledged";
/// The file while it is made.
const FILE_NEW: &str = "acknowledged.new";
const MAGIC: &[u8; 8] = b"CXACK/1\n";
/// Distance of the slots: no device writes both at once.
const SLOT_DISTANCE: u64 = 4_096;
const SLOT_BYTES: usize = 8 + 8 + 4;
/// Commits between two syncs of the file: three in a hundred more syncs for commits of short values.
const SYNC_EVERY: u32 = 32;

/// The open file.
pub(crate) struct Acknowledged {
    file: File,
    unsynced: u32,
}

impl Acknowledged {
    /// The number in the file; `None` if there is no file.
    pub(crate) fn read(folder: &Path) -> Result<Option<u64>, StoreError> {
        let file = match File::open(folder.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("opening the number of the last commit")(error)),
        };
        let mut newest = None;
        for place in [0, SLOT_DISTANCE] {
            let mut slot = [0; SLOT_BYTES];
            match file.read_exact_at(&mut slot, place) {
                Ok(()) => newest = newest.max(slot_decode(&slot)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(StoreError::io("reading the number of the last commit")(error)),
            }
        }
        newest
            .map(Some)
            .ok_or(StoreError::Damaged { detail: "the number of the last commit is not readable" })
    }

    /// Opens the file for writing with `commit` in it, and makes it durable; makes it first if it is not there.
    pub(crate) fn open(folder: &Path, commit: u64) -> Result<Self, StoreError> {
        let open = || -> io::Result<File> {
            let path = folder.join(FILE);
            if !path.exists() {
                let new = folder.join(FILE_NEW);
                let file =
                    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
                for place in [0, SLOT_DISTANCE] {
                    file.write_all_at(&slot_encode(commit), place)?;
                }
                file.sync_all()?;
                fs::rename(&new, &path)?;
                folder_sync(folder)?;
            }
            let file = OpenOptions::new().write(true).open(&path)?;
            file.write_all_at(&slot_encode(commit), slot_place(commit))?;
            file.sync_data()?;
            Ok(file)
        };
        let file = open().map_err(StoreError::io("writing the number of the last commit"))?;
        Ok(Self { file, unsynced: 0 })
    }

    /// Notes that `commit` is durable.
    pub(crate) fn note(&mut self, commit: u64) -> Result<(), StoreError> {
        self.file
            .write_all_at(&slot_encode(commit), slot_place(commit))
            .map_err(StoreError::io("writing the number of the last commit"))?;
        self.unsynced += 1;
        if self.unsynced >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Makes what was noted durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.unsynced = 0;
        self.file.sync_data().map_err(StoreError::io("syncing the number of the last commit"))
    }
}

fn slot_place(commit: u64) -> u64 {
    (commit % 2) * SLOT_DISTANCE
}

fn slot_encode(commit: u64) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(MAGIC);
    slot[8..16].copy_from_slice(&commit.to_be_bytes());
    let checksum = crc32fast::hash(&slot[..16]);
    slot[16..].copy_from_slice(&checksum.to_be_bytes());
    slot
}

fn slot_decode(slot: &[u8; SLOT_BYTES]) -> Option<u64> {
    let (head, rest) = slot.split_first_chunk::<8>()?;
    let (commit, _) = rest.split_first_chunk::<8>()?;
    let commit = u64::from_be_bytes(*commit);
    (head == MAGIC && slot_encode(commit) == *slot).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_in_one_slot_leaves_the_other_and_flips_in_both_are_said() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path();
        assert_eq!(Acknowledged::read(folder).unwrap(), None);
        let mut acknowledged = Acknowledged::open(folder, 0).unwrap();
        for commit in 1..=100 {
            acknowledged.note(commit).unwrap();
            assert_eq!(Acknowledged::read(folder).unwrap(), Some(commit));
        }
        drop(acknowledged);
        let path = folder.join(FILE);
        let whole = fs::read(&path).unwrap();
        for bit in 0..SLOT_BYTES * 8 {
            let mut broken = whole.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &broken).unwrap();
            assert_eq!(Acknowledged::read(folder).unwrap(), Some(99), "bit {bit}");
            broken[SLOT_DISTANCE as usize + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &broken).unwrap();
            assert!(Acknowledged::read(folder).is_err(), "bit {bit}");
        }
        fs::write(&path, "").unwrap();
        assert!(Acknowledged::read(folder).is_err());
    }
}
