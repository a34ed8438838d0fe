//! Long values, in append-only files beside sled: sled keeps where they lie.
//!
//! ```text
//! <folder>/values/<number>   frames, one after the other; 10 digits, from 1; only the highest is appended to
//! frame                      length of the key (u16), length of the value (u32), key, value; big-endian
//! ```
//!
//! Why beside sled: sled 0.34 writes values twice and more while it consolidates pages, keeps pages in memory by
//! number and not by size, and reuses a segment of its log before our sync (see [`super::DEFAULT_SEGMENT_BYTES`]);
//! keys with a place of 17 bytes keep its pages, its log and its memory small. The design is that of WiscKey (Lu et
//! al., FAST 2016).
//!
//! # Crash story
//!
//! A group's values are written and synced before sled is given the group, and the place where the last file ends is
//! one of the group's own fields. So whatever state sled opens with, its values are there, and what follows the end
//! in the last file, or a file of a higher number, belongs to a group that never was: opening cuts it off.
//!
//! A file is removed when every byte of it is dead, after the group that made it so is durable; the removal is synced
//! before its count of dead bytes is dropped. [`super::compaction`] moves what lives out of files that are half dead.
//! Until then the bytes of deleted values stay on the disk, as they do in sled's own log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::error::StoreError;

use super::committer::Barrier;
use super::encoding::{self, Place};
use super::folder::folder_sync;

/// Bytes of a frame before its key.
const FRAME_HEADER_BYTES: usize = 2 + 4;
/// A buffer that grew beyond this for one group is given back.
const BUFFER_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The files, as readers share them.
pub(crate) struct ValueFiles {
    folder: PathBuf,
    files: RwLock<BTreeMap<u32, Arc<File>>>,
}

impl ValueFiles {
    /// The value at a place; `None` if its file is gone, because it was moved or deleted after the place was read.
    pub(crate) fn read(&self, place: Place) -> Result<Option<Bytes>, StoreError> {
        let file = self.files.read().unwrap_or_else(PoisonError::into_inner).get(&place.file).cloned();
        let Some(file) = file else { return Ok(None) };
        let mut value = vec![0; place.length as usize];
        file.read_exact_at(&mut value, u64::from(place.offset)).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StoreError::Damaged { detail: "a file of values is too short" },
            _ => StoreError::Io { action: "reading a value", source: error },
        })?;
        if crc32fast::hash(&value) != place.checksum {
            return Err(StoreError::Damaged { detail: "a value does not match its checksum" });
        }
        Ok(Some(value.into()))
    }

    fn insert(&self, number: u32, file: Arc<File>) {
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(number, file);
    }

    fn remove(&self, number: u32) {
        self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn get(&self, number: u32) -> Option<Arc<File>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }
}

/// A frame as compaction finds it in a file.
pub(crate) struct Frame {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Bytes,
    /// Where the value begins.
    pub(crate) offset: u32,
    /// Where the next frame begins.
    pub(crate) next: u32,
}

/// What the commit thread knows of the files.
pub(crate) struct ValueWriter {
    files: Arc<ValueFiles>,
    /// A file that has reached this length is closed.
    file_bytes: u32,
    /// Number of the last file; 0 before the first.
    last: u32,
    /// Where the last file ends, this group's values included.
    end: u32,
    /// Length of each file but the last.
    closed: BTreeMap<u32, u32>,
    /// Bytes of frames in each file that no key points to any more.
    dead: BTreeMap<u32, u32>,
    /// Files whose count changed in this group.
    recount: BTreeSet<u32>,
    /// Frames of this group.
    buffer: Vec<u8>,
}

impl ValueWriter {
    /// Opens the files as sled's state says they are, and cuts off what belongs to no commit.
    pub(crate) fn open(db: &sled::Db, folder: &Path, file_bytes: u32) -> Result<Self, StoreError> {
        let (last, end) = encoding::values_end_read(db)?;
        let dead = encoding::values_dead_read(db)?;
        let files = Arc::new(ValueFiles { folder: folder.to_owned(), files: RwLock::default() });
        let mut closed = BTreeMap::new();
        let opening = "opening a file of values";
        for entry in fs::read_dir(folder).map_err(StoreError::io("listing the files of values"))? {
            let entry = entry.map_err(StoreError::io("listing the files of values"))?;
            let Some(number) = number_of(&entry.file_name()) else {
                return Err(StoreError::Damaged {
                    detail: "there is a foreign file among the files of values",
                });
            };
            let path = entry.path();
            if number > last {
                fs::remove_file(&path).map_err(StoreError::io("removing a file that was never committed"))?;
                continue;
            }
            let file =
                OpenOptions::new().read(true).write(true).open(&path).map_err(StoreError::io(opening))?;
            let length = file.metadata().map_err(StoreError::io(opening))?.len();
            if number == last {
                if length < u64::from(end) {
                    return Err(StoreError::Damaged { detail: "the last file of values is too short" });
                }
                file.set_len(u64::from(end))
                    .and_then(|()| file.sync_all())
                    .map_err(StoreError::io("cutting off what was never committed"))?;
            } else {
                let length = u32::try_from(length)
                    .map_err(|_| StoreError::Damaged { detail: "a file of values is too long" })?;
                closed.insert(number, length);
            }
            files.insert(number, Arc::new(file));
        }
        folder_sync(folder).map_err(StoreError::io("syncing the folder of values"))?;
        if last > 0 && files.get(last).is_none() {
            return Err(StoreError::Damaged { detail: "the last file of values is missing" });
        }
        // The count of a file that was removed is dropped with the next group.
        let recount = dead.keys().copied().filter(|number| files.get(*number).is_none()).collect();
        let mut writer = Self { files, file_bytes, last, end, closed, dead, recount, buffer: Vec::new() };
        writer.dead_remove()?;
        Ok(writer)
    }

    pub(crate) fn files(&self) -> Arc<ValueFiles> {
        Arc::clone(&self.files)
    }

    /// Takes a value into the group and says where it will lie.
    pub(crate) fn append(&mut self, key: &[u8], value: &[u8]) -> Result<Place, StoreError> {
        if self.buffer.is_empty() && (self.last == 0 || self.end >= self.file_bytes) {
            self.file_begin()?;
        }
        let too_long = || StoreError::Damaged { detail: "a key or value passed its limit" };
        let key_length = u16::try_from(key.len()).map_err(|_| too_long())?;
        let length = u32::try_from(value.len()).map_err(|_| too_long())?;
        self.buffer.extend_from_slice(&key_length.to_be_bytes());
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(key);
        let offset = u32::try_from(self.buffer.len())
            .ok()
            .and_then(|place| self.end.checked_add(place))
            .ok_or_else(too_long)?;
        self.buffer.extend_from_slice(value);
        Ok(Place { file: self.last, offset, length, checksum: crc32fast::hash(value) })
    }

    /// Notes that no key points to this value any more once the group has happened.
    pub(crate) fn forget(&mut self, key_length: usize, place: Place) {
        let dead = self.dead.entry(place.file).or_default();
        // A frame is counted once, when its key changes, so the sum stays within the file's length.
        *dead = dead.saturating_add(frame_bytes(key_length, place));
        self.recount.insert(place.file);
    }

    /// Writes the group's values and makes them durable, then enters into `batch` where the files stand.
    pub(crate) fn group_write(
        &mut self,
        barrier: &mut dyn Barrier,
        batch: &mut sled::Batch,
    ) -> Result<(), StoreError> {
        if !self.buffer.is_empty() {
            let file = self
                .files
                .get(self.last)
                .ok_or(StoreError::Damaged { detail: "the last file of values is missing" })?;
            file.write_all_at(&self.buffer, u64::from(self.end)).map_err(StoreError::io("writing values"))?;
            barrier.sync_values(&file).map_err(StoreError::io("syncing values"))?;
            // `append` has checked the sum.
            self.end = self.end.saturating_add(u32::try_from(self.buffer.len()).unwrap_or(u32::MAX));
            self.buffer.clear();
            self.buffer.shrink_to(BUFFER_KEPT_BYTES);
            encoding::values_end_put(batch, self.last, self.end);
        }
        for number in std::mem::take(&mut self.recount) {
            if self.files.get(number).is_some() {
                encoding::values_dead_put(batch, number, self.dead.get(&number).copied());
            } else {
                self.dead.remove(&number);
                encoding::values_dead_put(batch, number, None);
            }
        }
        Ok(())
    }

    /// Removes the files in which nothing lives. To be called when the group that said so is durable.
    pub(crate) fn dead_remove(&mut self) -> Result<(), StoreError> {
        let gone: Vec<u32> = self
            .dead
            .iter()
            .filter(|(number, dead)| self.closed.get(number) == Some(*dead))
            .map(|(number, _)| *number)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let removing = "removing a file of dead values";
        for number in gone {
            self.files.remove(number);
            self.closed.remove(&number);
            fs::remove_file(self.path(number)).map_err(StoreError::io(removing))?;
            self.recount.insert(number);
        }
        // Before the counts go: a file that came back without its count would never be removed again.
        folder_sync(&self.files.folder).map_err(StoreError::io(removing))
    }

    /// Says that nothing in a closed file lives any more.
    pub(crate) fn file_dead(&mut self, number: u32) {
        if let Some(length) = self.closed.get(&number).copied() {
            self.dead.insert(number, length);
            self.recount.insert(number);
        }
    }

    /// The closed file with the largest dead share, if it is half dead.
    pub(crate) fn half_dead(&self) -> Option<u32> {
        self.closed
            .iter()
            .filter_map(|(number, length)| {
                let dead = self.dead.get(number).copied().unwrap_or(0);
                (dead >= *length / 2)
                    .then_some((u64::from(dead) * 1_000 / u64::from((*length).max(1)), *number))
            })
            .max()
            .map(|(_, number)| number)
    }

    /// The frame that begins at `offset` of a closed file; `None` at its end, or if the file is gone.
    pub(crate) fn frame_read(&self, number: u32, offset: u32) -> Result<Option<Frame>, StoreError> {
        let (Some(length), Some(file)) = (self.closed.get(&number).copied(), self.files.get(number)) else {
            return Ok(None);
        };
        if offset >= length {
            return Ok(None);
        }
        let reading = "reading a frame of values";
        let damaged = StoreError::Damaged { detail: "a frame of values does not fit its file" };
        let mut header = [0; FRAME_HEADER_BYTES];
        file.read_exact_at(&mut header, u64::from(offset)).map_err(StoreError::io(reading))?;
        let key_length = u32::from(u16::from_be_bytes([header[0], header[1]]));
        let value_length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
        let start = offset.saturating_add(FRAME_HEADER_BYTES as u32).saturating_add(key_length);
        let next = start.saturating_add(value_length);
        if next > length {
            return Err(damaged);
        }
        let mut bytes = vec![0; (next - offset) as usize - FRAME_HEADER_BYTES];
        file.read_exact_at(&mut bytes, u64::from(offset) + FRAME_HEADER_BYTES as u64)
            .map_err(StoreError::io(reading))?;
        let value = Bytes::from(bytes.split_off(key_length as usize));
        Ok(Some(Frame { key: bytes, value, offset: start, next }))
    }

    /// Closes the last file and begins the next.
    fn file_begin(&mut self) -> Result<(), StoreError> {
        let beginning = "beginning a file of values";
        let number = self
            .last
            .checked_add(1)
            .ok_or(StoreError::Damaged { detail: "the numbers of files of values are used up" })?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(number))
            .map_err(StoreError::io(beginning))?;
        folder_sync(&self.files.folder).map_err(StoreError::io(beginning))?;
        if self.last > 0 {
            self.closed.insert(self.last, self.end);
        }
        self.files.insert(number, Arc::new(file));
        (self.last, self.end) = (number, 0);
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.files.folder.join(format!("{number:010}"))
    }
}

/// Bytes that a value takes in its file.
fn frame_bytes(key_length: usize, place: Place) -> u32 {
    // Keys have at most 512 bytes.
    let beside = u32::try_from(FRAME_HEADER_BYTES + key_length).unwrap_or(u32::MAX);
    place.length.saturating_add(beside)
}

fn number_of(name: &std::ffi::OsStr) -> Option<u32> {
    let name = name.to_str()?;
    (name.len() == 10 && name.bytes().all(|digit| digit.is_ascii_digit())).then(|| name.parse().ok())?
}

/// Only where the files lie; nothing of what they hold.
impl std::fmt::Debug for ValueFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ValueFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}
