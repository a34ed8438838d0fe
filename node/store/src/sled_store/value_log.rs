//! Long values, in append-only files beside sled: sled keeps where they lie.
//!
//! ```text
//! <folder>/values/<number>   a head and frames, see `frame`; 10 digits, from 1; only the highest is appended to
//! ```
//!
//! Why beside sled: sled 0.34 writes values twice and more while it consolidates pages, keeps pages in memory by
//! number and not by size, and reuses a segment of its log before our sync (see [`super::DEFAULT_SEGMENT_BYTES`]);
//! keys with a place of 17 bytes keep its pages, its log and its memory small. The design is that of WiscKey (Lu et
//! al., FAST 2016).
//!
//! # Crash story
//!
//! A commit's values are written and synced before sled is given the commit, and the place where the last file ends is
//! one of the commit's own fields. So whatever state sled opens with, its values are there, and what follows the end
//! in the last file, or in one file after it, belongs to the one commit that never was: opening cuts it off. More than
//! that cannot be the rest of one commit. Then sled has lost its end, and opening refuses and removes nothing.
//!
//! A file is removed when every byte of it is dead and it is not the last, after the commit that made it so is durable;
//! the removal is synced before its count of dead bytes is dropped. [`super::compaction`] moves what lives out of files that are half dead.
//! Until then the bytes of deleted values stay on the disk, as they do in sled's own log.
//!
//! # Damage
//!
//! Every value has a CRC-32 beside its key in sled, and every frame one over its key and lengths. A file in which either
//! does not hold is *kept*: it is read from, but never emptied, and goes only when each of its bytes has been counted as
//! dead by the commit that made it so. A value that cannot be read is replaced and deleted like any other. Where a file of format 1 has no checksum, that count alone decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::error::StoreError;
use crate::limits;

use super::committer::Barrier;
use super::encoding::{self, Place};
use super::folder::folder_sync;
use super::frame::{self, Form, FrameHead};

/// Most bytes that one commit writes: one batch, or a step of a compaction, with what frames have beside keys and values.
const COMMIT_BYTES: u64 = (limits::MAX_BATCH_BYTES + limits::MAX_BATCH_OPERATIONS * 64) as u64;
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
    pub(crate) head: FrameHead,
    pub(crate) value: Bytes,
}

/// A file that is not appended to any more.
struct Closed {
    length: u32,
    form: Form,
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
    /// Number of the last commit.
    commit: u64,
    /// Each file but the last, and the last if it is to be appended to no more.
    closed: BTreeMap<u32, Closed>,
    /// Files in which damage was met.
    kept: BTreeSet<u32>,
    /// Files that could not be looked through to their end, for a reason that is not in them; the next opening tries anew.
    postponed: BTreeSet<u32>,
    /// Bytes of frames in each file that no key points to any more.
    dead: BTreeMap<u32, u32>,
    /// Files whose count changed in this group.
    recount: BTreeSet<u32>,
    /// Frames of this group.
    buffer: Vec<u8>,
}

impl ValueWriter {
    /// Opens the files as sled's state says they are, which is that of `commit`, and cuts off what belongs to no commit.
    pub(crate) fn open(
        db: &sled::Db,
        folder: &Path,
        file_bytes: u32,
        commit: u64,
    ) -> Result<Self, StoreError> {
        let (last, end) = encoding::values_end_read(db)?;
        let dead = encoding::values_dead_read(db)?;
        let files = Arc::new(ValueFiles { folder: folder.to_owned(), files: RwLock::default() });
        let mut writer = Self {
            files,
            file_bytes,
            last,
            end,
            commit,
            closed: BTreeMap::new(),
            kept: BTreeSet::new(),
            postponed: BTreeSet::new(),
            dead,
            recount: BTreeSet::new(),
            buffer: Vec::new(),
        };
        // Everything is looked at before anything is cut.
        let mut uncommitted = None;
        for number in numbers_read(folder)? {
            if let Some(begun) = writer.file_open(number)? {
                uncommitted = Some(begun);
            }
        }
        if last > 0 && writer.files.get(last).is_none() {
            return Err(StoreError::Damaged { detail: "the last file of values is missing" });
        }
        writer.uncommitted_cut(uncommitted)?;
        // The count of a file that was removed is dropped with the next group.
        let gone = writer.dead.keys().copied().filter(|number| writer.files.get(*number).is_none());
        writer.recount = gone.collect();
        writer.dead_remove()?;
        Ok(writer)
    }

    /// Takes a file in. Gives it back if it was begun by a commit that never was.
    fn file_open(&mut self, number: u32) -> Result<Option<File>, StoreError> {
        let opening = "opening a file of values";
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(number))
            .map_err(StoreError::io(opening))?;
        let length = file.metadata().map_err(StoreError::io(opening))?.len();
        let form = Form::of(&file, number).map_err(StoreError::io(opening))?;
        if number > self.last {
            if number - self.last > 1 {
                return Err(StoreError::Damaged {
                    detail: "files of values follow that the log does not know",
                });
            }
            self.uncommitted_check(&file, form, form.map_or(0, Form::head_bytes), length)?;
            return Ok(Some(file));
        }
        if form.is_none() {
            tracing::error!(
                file = number,
                "the head of a file of values is damaged: the file is kept as it is"
            );
            self.kept.insert(number);
        }
        let appended = number == self.last && form == Some(Form::V2);
        if number == self.last {
            if length < u64::from(self.end) {
                return Err(StoreError::Damaged { detail: "the last file of values is too short" });
            }
            self.uncommitted_check(&file, form, self.end, length)?;
        }
        if !appended {
            let length = if number == self.last { u64::from(self.end) } else { length };
            let length = u32::try_from(length)
                .map_err(|_| StoreError::Damaged { detail: "a file of values is too long" })?;
            self.closed.insert(number, Closed { length, form: form.unwrap_or(Form::V2) });
        }
        self.files.insert(number, Arc::new(file));
        Ok(None)
    }

    /// Refuses what follows `from` in a file if it is more than the rest of the one commit after the last.
    fn uncommitted_check(
        &self,
        file: &File,
        form: Option<Form>,
        from: u32,
        length: u64,
    ) -> Result<(), StoreError> {
        if length.saturating_sub(u64::from(from)) > COMMIT_BYTES {
            return Err(StoreError::Damaged {
                detail: "more follows the end of the values than one unfinished commit can leave",
            });
        }
        if form != Some(Form::V2) {
            return Ok(());
        }
        // The end is within u32, and one commit more nearly so; what is beyond is no frame.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let mut offset = from;
        while let Some(found) = frame::frame_read(file, Form::V2, offset, length)
            .map_err(StoreError::io("looking behind the end of the values"))?
        {
            match found.commit.checked_sub(self.commit) {
                Some(1) => offset = found.next,
                // A commit is written once the one before is durable.
                Some(2..) => {
                    let acknowledged = found.commit - 1;
                    return Err(StoreError::Behind { found: self.commit, acknowledged });
                }
                Some(0) | None => {
                    return Err(StoreError::Damaged {
                        detail: "a committed value lies behind the end of the values",
                    });
                }
            }
        }
        Ok(())
    }

    /// Cuts off what follows the end, and removes the file that was begun after it.
    fn uncommitted_cut(&self, begun: Option<File>) -> Result<(), StoreError> {
        let cutting = "cutting off what was never committed";
        if let Some(file) = begun {
            let bytes = file.metadata().map_err(StoreError::io(cutting))?.len();
            tracing::warn!(file = self.last + 1, bytes, "values of an unfinished commit are removed");
            fs::remove_file(self.path(self.last + 1)).map_err(StoreError::io(cutting))?;
        }
        if let Some(file) = self.files.get(self.last) {
            let length = file.metadata().map_err(StoreError::io(cutting))?.len();
            if let bytes @ 1.. = length.saturating_sub(u64::from(self.end)) {
                tracing::warn!(file = self.last, bytes, "values of an unfinished commit are cut off");
            }
            file.set_len(u64::from(self.end))
                .and_then(|()| file.sync_all())
                .map_err(StoreError::io(cutting))?;
        }
        folder_sync(&self.files.folder).map_err(StoreError::io("syncing the folder of values"))
    }

    pub(crate) fn files(&self) -> Arc<ValueFiles> {
        Arc::clone(&self.files)
    }

    /// Notes that what was written is committed, under this number.
    pub(crate) fn committed(&mut self, commit: u64) {
        self.commit = commit;
    }

    /// Takes a value into the group and says where it will lie.
    pub(crate) fn append(&mut self, key: &[u8], value: &[u8]) -> Result<Place, StoreError> {
        let full = self.end >= self.file_bytes || self.closed.contains_key(&self.last);
        if self.buffer.is_empty() && (self.last == 0 || full) {
            self.file_begin()?;
        }
        let checksum = frame::frame_begin(&mut self.buffer, self.commit + 1, key, value)?;
        let too_long = || StoreError::Damaged { detail: "a key or value passed its limit" };
        let offset = u32::try_from(self.buffer.len())
            .ok()
            .and_then(|place| self.end.checked_add(place))
            .ok_or_else(too_long)?;
        self.buffer.extend_from_slice(value);
        let length = u32::try_from(value.len()).map_err(|_| too_long())?;
        Ok(Place { file: self.last, offset, length, checksum })
    }

    /// Notes that no key points to this value any more once the group has happened.
    pub(crate) fn forget(&mut self, key_length: usize, place: Place) {
        let form = self.closed.get(&place.file).map_or(Form::V2, |closed| closed.form);
        let dead = self.dead.entry(place.file).or_default();
        // A frame is counted once, when its key changes, so the sum stays within the file's length.
        *dead = dead.saturating_add(form.frame_bytes(key_length, place));
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
    ///
    /// The last file stays even if it is appended to no more: the durable end of the values names it until the commit that
    /// begins the next file.
    pub(crate) fn dead_remove(&mut self) -> Result<(), StoreError> {
        let is_gone = |number: &u32| *number != self.last && self.is_dead(*number);
        let gone: Vec<u32> = self.closed.keys().copied().filter(is_gone).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let removing = "removing a file of dead values";
        for number in gone {
            self.files.remove(number);
            self.closed.remove(&number);
            self.kept.remove(&number);
            fs::remove_file(self.path(number)).map_err(StoreError::io(removing))?;
            self.recount.insert(number);
        }
        // Before the counts go: a file that came back without its count would never be removed again.
        folder_sync(&self.files.folder).map_err(StoreError::io(removing))
    }

    /// Whether every frame of a closed file has been counted as dead, or the file is gone.
    pub(crate) fn is_dead(&self, number: u32) -> bool {
        self.closed.get(&number).is_none_or(|closed| {
            let dead = self.dead.get(&number).copied().unwrap_or(0);
            // A file without a frame is never closed: a group that writes nothing begins none.
            dead > 0 && closed.length.checked_sub(closed.form.head_bytes()) == Some(dead)
        })
    }

    /// Has a file kept as it is until each of its values is replaced or deleted.
    pub(crate) fn keep(&mut self, number: u32) {
        self.kept.insert(number);
    }

    /// Does not empty a file until the store is opened again.
    pub(crate) fn postpone(&mut self, number: u32) {
        self.postponed.insert(number);
    }

    /// Number of files in which damage was met and that are still there.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.len() as u64
    }

    /// The closed file with the largest dead share, if it is half dead and sound.
    pub(crate) fn half_dead(&self) -> Option<u32> {
        self.closed
            .iter()
            .filter(|(number, _)| !self.kept.contains(*number) && !self.postponed.contains(*number))
            // Dead and not removed: the last file, in which there is nothing to do.
            .filter(|(number, _)| !self.is_dead(**number))
            .filter_map(|(number, Closed { length, .. })| {
                let dead = self.dead.get(number).copied().unwrap_or(0);
                (dead >= *length / 2)
                    .then_some((u64::from(dead) * 1_000 / u64::from((*length).max(1)), *number))
            })
            .max()
            .map(|(_, number)| number)
    }

    /// Where the first frame of a closed file begins.
    pub(crate) fn frames_begin(&self, number: u32) -> u32 {
        self.closed.get(&number).map_or(0, |closed| closed.form.head_bytes())
    }

    /// The frame that begins at `offset` of a closed file; `None` at its end, or if the file is gone.
    pub(crate) fn frame_read(&self, number: u32, offset: u32) -> Result<Option<Frame>, StoreError> {
        let (Some(closed), Some(file)) = (self.closed.get(&number), self.files.get(number)) else {
            return Ok(None);
        };
        if offset >= closed.length {
            return Ok(None);
        }
        let reading = "reading a frame of values";
        let head = frame::frame_read(&file, closed.form, offset, closed.length)
            .map_err(StoreError::io(reading))?
            .ok_or(StoreError::Damaged {
                detail: "a frame of values does not match its checksum or its file",
            })?;
        let mut value = vec![0; head.value_length as usize];
        file.read_exact_at(&mut value, u64::from(head.value_offset)).map_err(StoreError::io(reading))?;
        Ok(Some(Frame { head, value: value.into() }))
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
            self.closed.entry(self.last).or_insert(Closed { length: self.end, form: Form::V2 });
        }
        self.files.insert(number, Arc::new(file));
        (self.last, self.end) = (number, 0);
        self.buffer.extend_from_slice(&frame::head_encode(number));
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.files.folder.join(format!("{number:010}"))
    }
}

/// The numbers of the files, in order.
fn numbers_read(folder: &Path) -> Result<Vec<u32>, StoreError> {
    let listing = "listing the files of values";
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io(listing))? {
        let entry = entry.map_err(StoreError::io(listing))?;
        let number = number_of(&entry.file_name())
            .ok_or(StoreError::Damaged { detail: "there is a foreign file among the files of values" })?;
        numbers.push(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
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
