//! Moving what lives out of files of values that are half dead, so that the files go.
//!
//! A step copies frames that a key still points to into the last file and turns their places in sled, as a commit of
//! its own: values written and synced, then sled applied, flushed and synced. Nothing changes for readers, so nothing
//! enters the overlay; a reader that holds an old place finds the old file, or its absence, and reads the place anew.
//! A crash between steps leaves each value at one place or the other. Where the scan stands is not kept: opening
//! begins it again, and frames that moved are found dead.
//!
//! A file goes only when every byte of it was counted as dead, by the commits that replaced its values or moved them.
//! The scan alone does not decide: a frame whose key cannot be read would pass for dead, and its value be lost. What
//! cannot be read, or does not add up at the end, makes the file one that is kept as it is, which is said in the
//! running log and, where it is damage, in [`crate::Statistics`]; the store goes on. Only a failed write or sync stops it.
//!
//! Steps run when nobody waits, and a small one after each group, so that a store that is never idle gets on too.

use crate::error::StoreError;

use super::committer::Committer;
use super::encoding::{self, Place, StoredValue};
use super::engine::engine_error;
use super::value_log::Frame;

/// Bytes of frames looked at in a step while nobody waits.
pub(crate) const IDLE_STEP_BYTES: u32 = 1024 * 1024;
/// Bytes of frames looked at after a group: enough to outrun any group of small changes.
pub(crate) const BUSY_STEP_BYTES: u32 = 64 * 1024;
/// Frames looked at in a step, which bounds the operations handed to sled.
const STEP_FRAMES: usize = 1_024;

/// A file being emptied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compaction {
    file: u32,
    /// Frames before it have been dealt with.
    offset: u32,
}

impl Committer {
    /// Does one step if a file is half dead. Says whether there was something to do. Errors are those of writing.
    pub(crate) fn compaction_step(&mut self, most_bytes: u32) -> Result<bool, StoreError> {
        let Some(mut compaction) = self.compaction.take().or_else(|| self.compaction_begin()) else {
            return Ok(false);
        };
        let first = compaction.offset;
        let mut batch = sled::Batch::default();
        let mut moved = false;
        let mut unreadable = None;
        let mut at_end = false;
        for _ in 0..STEP_FRAMES {
            let (frame, place) = match self.frame_examine(compaction) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    at_end = true;
                    break;
                }
                Err(error) => {
                    unreadable = Some(error);
                    break;
                }
            };
            compaction.offset = frame.head.next;
            if let Some(place) = place {
                let new = self.values.append(&frame.head.key, &frame.value)?;
                self.values.forget(frame.head.key.len(), place);
                batch.insert(encoding::caller_key(&frame.head.key), encoding::place_encode(new));
                moved = true;
            }
            if compaction.offset - first >= most_bytes {
                break;
            }
        }
        if at_end && !self.values.is_dead(compaction.file) {
            unreadable = Some(StoreError::Damaged {
                detail: "the values of a file and its count of dead bytes do not add up to its length",
            });
        }
        // What could be read and lives has been copied, and its old place counted.
        self.moved_commit(batch, moved)?;
        if let Some(error) = unreadable {
            self.file_keep(compaction.file, &error);
        } else if !at_end {
            self.compaction = Some(compaction);
        }
        Ok(true)
    }

    fn compaction_begin(&self) -> Option<Compaction> {
        let file = self.values.half_dead()?;
        Some(Compaction { file, offset: self.values.frames_begin(file) })
    }

    /// The frame where the scan stands, with its place if a key points to it; `None` at the end of the file.
    fn frame_examine(&self, compaction: Compaction) -> Result<Option<(Frame, Option<Place>)>, StoreError> {
        let Some(frame) = self.values.frame_read(compaction.file, compaction.offset)? else {
            return Ok(None);
        };
        let place = self
            .place_of(&frame.head.key)?
            .filter(|place| place.file == compaction.file && place.offset == frame.head.value_offset);
        if let Some(place) = place
            && (place.length != frame.head.value_length || crc32fast::hash(&frame.value) != place.checksum)
        {
            return Err(StoreError::Damaged { detail: "a value does not match its checksum" });
        }
        Ok(Some((frame, place)))
    }

    /// Leaves a file as it is: for good if it is damaged, else until the next opening.
    fn file_keep(&mut self, file: u32, error: &StoreError) {
        if !matches!(error, StoreError::Damaged { .. }) {
            tracing::error!(
                file,
                error = error as &dyn std::error::Error,
                "a file of values could not be looked through: it is not emptied until the store is opened again"
            );
            self.values.postpone(file);
            return;
        }
        tracing::error!(
            file,
            error = error as &dyn std::error::Error,
            "a file of values is damaged: it is kept as it is and not emptied; restore the values that cannot be read from a backup"
        );
        self.values.keep(file);
        self.kept_count();
    }

    /// Removes files in which nothing lives, once the commit that made it so is durable.
    pub(crate) fn dead_files_remove(&mut self) -> Result<(), StoreError> {
        self.values.dead_remove()?;
        self.kept_count();
        Ok(())
    }

    fn kept_count(&self) {
        let kept = self.values.kept();
        self.engine.count(|counters| counters.value_files_damaged = kept);
    }

    fn moved_commit(&mut self, mut batch: sled::Batch, moved: bool) -> Result<(), StoreError> {
        if moved {
            self.values_write(&mut batch)?;
            self.engine_commit(batch)?;
        }
        self.dead_files_remove()
    }

    fn place_of(&self, key: &[u8]) -> Result<Option<Place>, StoreError> {
        let stored =
            self.engine.db.get(encoding::caller_key(key)).map_err(engine_error("reading a place"))?;
        match stored.map(|stored| encoding::value_decode(&stored)).transpose()? {
            Some(StoredValue::Elsewhere(place)) => Ok(Some(place)),
            Some(StoredValue::Inline(_)) | None => Ok(None),
        }
    }
}
