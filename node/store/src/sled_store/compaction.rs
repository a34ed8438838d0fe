//! Moving what lives out of files of values that are half dead, so that the files go.
//!
//! A step copies frames that a key still points to into the last file and turns their places in sled, as a commit of
//! its own: values written and synced, then sled applied, flushed and synced. Nothing changes for readers, so nothing
//! enters the overlay; a reader that holds an old place finds the old file, or its absence, and reads the place anew.
//! A crash between steps leaves each value at one place or the other. Where the scan stands is not kept: opening
//! begins it again, and frames that moved are found dead.
//!
//! Steps run when nobody waits, and a small one after each group, so that a store that is never idle gets on too.

use crate::error::StoreError;

use super::committer::Committer;
use super::encoding::{self, Place, StoredValue};
use super::engine::engine_error;

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
    /// Does one step if a file is half dead. Says whether there was something to do.
    pub(crate) fn compaction_step(&mut self, most_bytes: u32) -> Result<bool, StoreError> {
        let Some(mut compaction) = self
            .compaction
            .take()
            .or_else(|| self.values.half_dead().map(|file| Compaction { file, offset: 0 }))
        else {
            return Ok(false);
        };
        let first = compaction.offset;
        let mut batch = sled::Batch::default();
        let mut moved = false;
        for _ in 0..STEP_FRAMES {
            let Some(frame) = self.values.frame_read(compaction.file, compaction.offset)? else {
                // The end: whatever lived has been moved, so the file goes.
                self.values.file_dead(compaction.file);
                self.moved_commit(batch, moved)?;
                return Ok(true);
            };
            compaction.offset = frame.next;
            if let Some(place) = self.place_of(&frame.key)?
                && place.file == compaction.file
                && place.offset == frame.offset
            {
                if crc32fast::hash(&frame.value) != place.checksum {
                    return Err(StoreError::Damaged { detail: "a value does not match its checksum" });
                }
                let new = self.values.append(&frame.key, &frame.value)?;
                self.values.forget(frame.key.len(), place);
                batch.insert(encoding::caller_key(&frame.key), encoding::place_encode(new));
                moved = true;
            }
            if compaction.offset - first >= most_bytes {
                break;
            }
        }
        self.moved_commit(batch, moved)?;
        self.compaction = Some(compaction);
        Ok(true)
    }

    fn moved_commit(&mut self, mut batch: sled::Batch, moved: bool) -> Result<(), StoreError> {
        if moved {
            self.values.group_write(self.barrier.as_mut(), &mut batch)?;
            self.engine_commit(batch)?;
        }
        self.values.dead_remove()
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
