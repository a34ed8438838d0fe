//! Reading one durable state out of sled and the overlay; shared by readers and the commit thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use crate::error::{StoreError, UnreadableKey};
use crate::limits::{MAX_SCAN_BYTES, MAX_SCAN_ENTRIES};
use crate::overlay::{Overlay, Past};
use crate::range::{Direction, KeyRange, key_successor};
use crate::store::Statistics;

use super::encoding::{self, Place, StoredValue};
use super::folder::{LockedFolder, folder_bytes};
use super::value_log::ValueFiles;

/// How often a read starts over when a commit or a compaction removed the file of a value under it. Each further time
/// needs the same key to change or move, and its file to go, within one read.
const READ_ATTEMPTS: usize = 64;

/// A key points to a file that is not there.
pub(crate) const FILE_MISSING: StoreError = StoreError::Damaged { detail: "a file of values is missing" };

/// What readers and the commit thread have in common.
///
/// Field order is drop order: sled closes its files before the folder is unlocked.
pub(crate) struct Engine {
    pub(crate) db: sled::Db,
    overlay: RwLock<Overlay>,
    /// Set once, by the first failed write; from then on nothing is read or written.
    poison: OnceLock<String>,
    /// Whether a group is being applied, during which sled makes every reader wait.
    pub(crate) applying: AtomicBool,
    counters: Mutex<Statistics>,
    pub(crate) max_key_bytes: usize,
    pub(crate) inline_bytes: usize,
    pub(crate) values: Arc<ValueFiles>,
    folder: LockedFolder,
}

/// A value read from sled alone.
pub(crate) enum EngineValue {
    Whole(Bytes),
    /// It is damaged, or the disk does not give it back.
    Unreadable(StoreError),
    /// The file of the value is gone: the key was changed, or its value moved, while it was being read.
    Gone,
}

impl Engine {
    pub(crate) fn new(
        db: sled::Db,
        values: Arc<ValueFiles>,
        folder: LockedFolder,
        sequence: u64,
        overlay_bytes: usize,
        segment_bytes: usize,
    ) -> Self {
        Self {
            db,
            overlay: RwLock::new(Overlay::new(sequence, overlay_bytes)),
            poison: OnceLock::new(),
            applying: AtomicBool::new(false),
            counters: Mutex::new(Statistics::default()),
            max_key_bytes: encoding::key_bytes(segment_bytes),
            inline_bytes: encoding::inline_bytes(segment_bytes),
            values,
            folder,
        }
    }

    /// Refuses if an earlier write failed.
    pub(crate) fn poison_check(&self) -> Result<(), StoreError> {
        self.poison.get().map_or(Ok(()), |reason| Err(StoreError::poisoned(reason)))
    }

    /// Stops the store for good. The first reason stays. Leaves a note in the folder, so that the next opening, which
    /// may be in another process, trusts nothing that only the operating system's memory holds.
    pub(crate) fn poison(&self, reason: String) {
        if self.poison.set(reason).is_ok() {
            tracing::error!(folder = %self.folder.path().display(), "the store stopped after a failed write");
            if let Err(error) = self.folder.stopped_note() {
                tracing::error!(
                    folder = %self.folder.path().display(),
                    %error,
                    "the note of it could not be left; restart the machine before the store is opened again"
                );
            }
        }
    }

    pub(crate) fn overlay(&self) -> Result<RwLockReadGuard<'_, Overlay>, StoreError> {
        self.overlay.read().map_err(|_| StoreError::poisoned("a thread of the store panicked"))
    }

    pub(crate) fn overlay_mut(&self) -> Result<RwLockWriteGuard<'_, Overlay>, StoreError> {
        self.overlay.write().map_err(|_| StoreError::poisoned("a thread of the store panicked"))
    }

    /// The newest durable value of a key.
    pub(crate) fn read_durable(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.read(key, |overlay| Ok(overlay.read_durable(key)))
    }

    /// The value of a key in the state of a registered snapshot.
    pub(crate) fn read_snapshot(&self, key: &[u8], sequence: u64) -> Result<Option<Bytes>, StoreError> {
        self.read(key, |overlay| overlay.read_snapshot(key, sequence))
    }

    /// sled first, overlay second; see the overlay for why in this order.
    fn read(
        &self,
        key: &[u8],
        ask_overlay: impl Fn(&Overlay) -> Result<Option<Past>, StoreError>,
    ) -> Result<Option<Bytes>, StoreError> {
        self.poison_check()?;
        if key.is_empty() || key.len() > self.max_key_bytes {
            return Ok(None);
        }
        let encoded_key = encoding::caller_key(key);
        for _ in 0..READ_ATTEMPTS {
            let stored = self.db.get(&encoded_key).map_err(engine_error("reading a value"))?;
            let value = stored.map(|stored| self.value_load(&stored).0);
            if let Some(past) = ask_overlay(&*self.overlay()?)? {
                return past.into_value();
            }
            match value {
                None => return Ok(None),
                Some(EngineValue::Whole(value)) => return Ok(Some(value)),
                Some(EngineValue::Unreadable(error)) => return Err(error),
                Some(EngineValue::Gone) => {}
            }
        }
        Err(FILE_MISSING)
    }

    /// One page of a range in the state of a registered snapshot.
    pub(crate) fn read_page(
        &self,
        range: &KeyRange,
        limit: usize,
        sequence: u64,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.poison_check()?;
        let limit = limit.min(MAX_SCAN_ENTRIES);
        let mut page = Vec::new();
        let mut page_bytes = 0;
        let mut rest = range.clone();
        while page.len() < limit && page_bytes < MAX_SCAN_BYTES && !rest.is_empty() {
            let stretch =
                self.read_stretch(&rest, limit - page.len(), MAX_SCAN_BYTES - page_bytes, sequence)?;
            for (key, value) in stretch.entries {
                if page.len() == limit || page_bytes >= MAX_SCAN_BYTES {
                    return Ok(page);
                }
                // The page is not cut off before it: who takes one page for all there is must learn that it is not.
                let value = match value {
                    Ok(value) => value,
                    Err(source) => {
                        let key = UnreadableKey(key);
                        return Err(StoreError::Unreadable { key, source: Box::new(source) });
                    }
                };
                page_bytes += key.len() + value.len();
                page.push((key, value));
            }
            match stretch.continue_after {
                Some(last_key) => rest = rest.after(&last_key),
                None => break,
            }
        }
        Ok(page)
    }

    /// The entries of the first stretch of a range: sled's next entries, corrected by the overlay.
    fn read_stretch(
        &self,
        range: &KeyRange,
        most: usize,
        most_bytes: usize,
        sequence: u64,
    ) -> Result<Stretch, StoreError> {
        let (found, more_in_engine) = self.engine_entries(range, most, most_bytes)?;
        let mut last_key = if more_in_engine { found.last().map(|(key, _)| key.clone()) } else { None };
        let covered = range_through(range, last_key.as_deref());
        let most_changes = most.saturating_add(1);
        let changes = self.overlay()?.read_snapshot_range(&covered, sequence, most_changes)?;
        if changes.len() == most_changes {
            last_key = changes.last().map(|(key, _)| key.clone());
        }
        let covered = range_through(range, last_key.as_deref());

        let mut merged = std::collections::BTreeMap::new();
        for (key, value) in found {
            if covered.contains(&key) {
                merged.insert(key, Some(value));
            }
        }
        for (key, old) in changes {
            merged.insert(
                key,
                match old.into_value() {
                    Ok(old) => old.map(EngineValue::Whole),
                    Err(error) => Some(EngineValue::Unreadable(error)),
                },
            );
        }
        let mut entries = Vec::with_capacity(merged.len());
        for (key, value) in merged {
            match value {
                Some(EngineValue::Whole(value)) => entries.push((key, Ok(value))),
                Some(EngineValue::Unreadable(error)) => entries.push((key, Err(error))),
                // Moved since: its new place is read, in the same state.
                Some(EngineValue::Gone) => match self.read_snapshot(&key, sequence) {
                    Ok(Some(value)) => entries.push((key, Ok(value))),
                    Ok(None) => {}
                    Err(error @ (StoreError::Damaged { .. } | StoreError::Io { .. })) => {
                        entries.push((key, Err(error)));
                    }
                    Err(error) => return Err(error),
                },
                None => {}
            }
        }
        if range.direction() == Direction::Descending {
            entries.reverse();
        }
        Ok(Stretch { entries, continue_after: last_key })
    }

    /// The next entries of a range as sled has them now, and whether there are more.
    fn engine_entries(
        &self,
        range: &KeyRange,
        most: usize,
        most_bytes: usize,
    ) -> Result<(Vec<(Bytes, EngineValue)>, bool), StoreError> {
        let (start, end) = encoding::caller_bounds(range.start(), range.end());
        let mut iterator = self.db.range(start..end);
        let mut entries = Vec::with_capacity(most.min(64));
        let mut bytes = 0;
        while entries.len() < most && bytes < most_bytes {
            let next = match range.direction() {
                Direction::Ascending => iterator.next(),
                Direction::Descending => iterator.next_back(),
            };
            let Some(entry) = next else { return Ok((entries, false)) };
            let (encoded_key, stored) = entry.map_err(engine_error("scanning a range"))?;
            let key = encoding::caller_key_decode(&encoded_key);
            let (value, _) = self.value_load(&stored);
            bytes += key.len();
            if let EngineValue::Whole(value) = &value {
                bytes += value.len();
            }
            entries.push((key, value));
        }
        Ok((entries, true))
    }

    /// Reads a value from where it lies, and says where that is if not beside its key.
    pub(crate) fn value_load(&self, stored: &[u8]) -> (EngineValue, Option<Place>) {
        match encoding::value_decode(stored) {
            Ok(StoredValue::Inline(value)) => (EngineValue::Whole(value), None),
            Ok(StoredValue::Elsewhere(place)) => {
                let value = match self.values.read(place) {
                    Ok(value) => value.map_or(EngineValue::Gone, EngineValue::Whole),
                    Err(error) => EngineValue::Unreadable(error),
                };
                (value, Some(place))
            }
            Err(error) => (EngineValue::Unreadable(error), None),
        }
    }

    /// Counts what a commit group did.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Statistics)) {
        if let Ok(mut counters) = self.counters.lock() {
            count(&mut counters);
        }
    }

    pub(crate) fn statistics(&self) -> Result<Statistics, StoreError> {
        let mut statistics =
            self.counters.lock().map_err(|_| StoreError::poisoned("a thread of the store panicked"))?.clone();
        let overlay = self.overlay()?;
        statistics.snapshots_alive = overlay.snapshots_alive();
        statistics.snapshots_expired = overlay.snapshots_expired();
        statistics.overlay_bytes = overlay.bytes() as u64;
        drop(overlay);
        statistics.bytes_on_disk =
            folder_bytes(self.folder.path()).map_err(StoreError::io("measuring the store's folder"))?;
        Ok(statistics)
    }

    pub(crate) fn is_applying(&self) -> bool {
        self.applying.load(Ordering::Acquire)
    }
}

/// Part of a page.
struct Stretch {
    /// Keys with their values, or why a value cannot be read.
    entries: Vec<(Bytes, Result<Bytes, StoreError>)>,
    /// Where the next stretch starts; `None` if the range is done.
    continue_after: Option<Bytes>,
}

/// The part of `range` up to `last_key` (included) in the range's direction; all of it for `None`.
fn range_through(range: &KeyRange, last_key: Option<&[u8]>) -> KeyRange {
    let Some(last_key) = last_key else { return range.clone() };
    match range.direction() {
        Direction::Ascending => KeyRange::between(range.start(), &key_successor(last_key)),
        Direction::Descending => {
            let from_last = match range.end() {
                Some(end) => KeyRange::between(last_key, end),
                None => KeyRange::starting_at(last_key),
            };
            from_last.descending()
        }
    }
}

/// Wraps an error of sled without showing its type.
pub(crate) fn engine_error(action: &'static str) -> impl FnOnce(sled::Error) -> StoreError {
    move |source| match source {
        sled::Error::Io(source) => StoreError::Io { action, source },
        other => StoreError::Engine { action, source: Box::new(other) },
    }
}
