//! Old values kept in memory, so that readers see one durable state although the engine below has no
//! snapshots and applies a batch before it is durable.
//!
//! Before a commit group with sequence number Q is applied to the engine, the old value of every key it
//! changes is entered here under Q. A reader of state S (S < Q) reads the engine first and the overlay
//! second: if the overlay knows changes of the key after S, the old value of the earliest of them is the
//! value at S. The order matters: whatever change the engine showed was entered here before it was made.
//!
//! An entry is dropped when it is durable and no living snapshot is older. Entries of the group in
//! flight are never dropped, which is also what hides a group that fails to become durable.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::error::StoreError;
use crate::range::{Direction, KeyRange};

/// Fixed cost charged for one entry beside its key and value, in bytes (map and queue overhead).
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// What a key held in an earlier state.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Past {
    Absent,
    Value(Bytes),
    /// It could not be read when it was replaced or deleted.
    Unreadable,
}

impl Past {
    /// Bytes of the value kept here.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::Absent | Self::Unreadable => 0,
        }
    }

    /// The value as a reader gets it.
    pub(crate) fn into_value(self) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Absent => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Unreadable => {
                Err(StoreError::Damaged { detail: "a value could not be read when it was replaced" })
            }
        }
    }
}

/// Old values by key, the living snapshots, and the last durable sequence number.
pub(crate) struct Overlay {
    durable: u64,
    /// Per key the sequence numbers that changed it, rising, each with the value before it.
    changes: BTreeMap<Bytes, VecDeque<(u64, Past)>>,
    /// Groups in order, each with the keys it changed and the bytes charged for it.
    groups: VecDeque<(u64, Vec<Bytes>, usize)>,
    bytes: usize,
    max_bytes: usize,
    /// Living snapshots: sequence number they show, and how many show it.
    snapshots: BTreeMap<u64, u64>,
    /// Snapshots of this state and older ones have expired.
    expired_through: Option<u64>,
    expired_count: u64,
}

impl Overlay {
    pub(crate) fn new(durable: u64, max_bytes: usize) -> Self {
        Self {
            durable,
            changes: BTreeMap::new(),
            groups: VecDeque::new(),
            bytes: 0,
            max_bytes,
            snapshots: BTreeMap::new(),
            expired_through: None,
            expired_count: 0,
        }
    }

    /// Sequence number of the newest durable state.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn snapshots_alive(&self) -> u64 {
        self.snapshots.values().sum()
    }

    pub(crate) fn snapshots_expired(&self) -> u64 {
        self.expired_count
    }

    /// Registers a snapshot of the newest durable state and returns its sequence number. That state
    /// cannot have expired yet: only states older than the newest durable one expire.
    pub(crate) fn snapshot_open(&mut self) -> u64 {
        *self.snapshots.entry(self.durable).or_insert(0) += 1;
        self.durable
    }

    pub(crate) fn snapshot_close(&mut self, sequence: u64) {
        if let Some(count) = self.snapshots.get_mut(&sequence) {
            *count -= 1; // At least 1: every registered count came from `snapshot_open`.
            if *count == 0 {
                self.snapshots.remove(&sequence);
                self.drop_unneeded();
            }
        }
    }

    /// Enters the old values of a group, before the group is applied.
    pub(crate) fn group_begin(&mut self, sequence: u64, old_values: Vec<(Bytes, Past)>) {
        let mut keys = Vec::with_capacity(old_values.len());
        let mut bytes = 0;
        for (key, old) in old_values {
            bytes += key.len() + old.bytes() + ENTRY_OVERHEAD_BYTES;
            keys.push(key.clone());
            self.changes.entry(key).or_default().push_back((sequence, old));
        }
        self.bytes += bytes;
        self.groups.push_back((sequence, keys, bytes));
    }

    /// The group is durable: later reads show it, and what nobody needs any more is dropped.
    pub(crate) fn group_durable(&mut self, sequence: u64) {
        self.durable = sequence;
        self.drop_unneeded();
        while self.bytes > self.max_bytes {
            let Some((oldest, count)) = self.snapshots.pop_first() else { break };
            self.expired_through = Some(oldest);
            self.expired_count += count;
            self.drop_unneeded();
        }
    }

    /// What the overlay says about `key` for a reader of the newest durable state.
    pub(crate) fn read_durable(&self, key: &[u8]) -> Option<Past> {
        self.value_at(key, self.durable)
    }

    /// What the overlay says about `key` for a snapshot: the value it had then, or `None` if the key has
    /// not changed since.
    pub(crate) fn read_snapshot(&self, key: &[u8], sequence: u64) -> Result<Option<Past>, StoreError> {
        self.snapshot_check(sequence)?;
        Ok(self.value_at(key, sequence))
    }

    /// The first `most` keys of `range`, in its order, that changed after the snapshot, each with the
    /// value it had then. Fewer than `most` means that there are no more.
    pub(crate) fn read_snapshot_range(
        &self,
        range: &KeyRange,
        sequence: u64,
        most: usize,
    ) -> Result<Vec<(Bytes, Past)>, StoreError> {
        self.snapshot_check(sequence)?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let changed = self
            .changes
            .range::<[u8], _>((Bound::Included(range.start()), end))
            .filter_map(|(key, changes)| Some((key.clone(), earliest_after(changes, sequence)?.clone())));
        Ok(match range.direction() {
            Direction::Ascending => changed.take(most).collect(),
            Direction::Descending => changed.rev().take(most).collect(),
        })
    }

    fn snapshot_check(&self, sequence: u64) -> Result<(), StoreError> {
        match self.expired_through {
            Some(expired) if sequence <= expired => Err(StoreError::SnapshotExpired),
            Some(_) | None => Ok(()),
        }
    }

    fn value_at(&self, key: &[u8], sequence: u64) -> Option<Past> {
        earliest_after(self.changes.get(key)?, sequence).cloned()
    }

    fn drop_unneeded(&mut self) {
        let oldest_needed = self.snapshots.keys().next().copied().unwrap_or(self.durable);
        while let Some((sequence, _, _)) = self.groups.front() {
            if *sequence > oldest_needed || *sequence > self.durable {
                break;
            }
            let Some((_, keys, bytes)) = self.groups.pop_front() else { break };
            self.bytes -= bytes;
            for key in keys {
                if let Some(changes) = self.changes.get_mut(&key) {
                    // Groups are dropped oldest first, so the entry of this group is the first one.
                    changes.pop_front();
                    if changes.is_empty() {
                        self.changes.remove(&key);
                    }
                }
            }
        }
    }
}

fn earliest_after(changes: &VecDeque<(u64, Past)>, sequence: u64) -> Option<&Past> {
    let first = changes.partition_point(|(changed_at, _)| *changed_at <= sequence);
    changes.get(first).map(|(_, old)| old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn a_group_in_flight_is_hidden_until_it_is_durable() {
        let mut overlay = Overlay::new(0, 1_000_000);
        overlay.group_begin(1, vec![(bytes("k"), Past::Value(bytes("old")))]);
        assert_eq!(overlay.read_durable(b"k"), Some(Past::Value(bytes("old"))));
        overlay.group_durable(1);
        assert_eq!(overlay.read_durable(b"k"), None);
        assert_eq!(overlay.bytes(), 0);
    }

    #[test]
    fn a_snapshot_keeps_the_value_before_the_earliest_later_change() {
        let mut overlay = Overlay::new(4, 1_000_000);
        let snapshot = overlay.snapshot_open();
        overlay.group_begin(5, vec![(bytes("k"), Past::Value(bytes("a")))]);
        overlay.group_durable(5);
        let later = overlay.snapshot_open();
        overlay.group_begin(6, vec![(bytes("k"), Past::Value(bytes("b")))]);
        overlay.group_durable(6);
        assert_eq!(overlay.read_snapshot(b"k", snapshot).unwrap(), Some(Past::Value(bytes("a"))));
        assert_eq!(overlay.read_snapshot(b"k", later).unwrap(), Some(Past::Value(bytes("b"))));
        overlay.snapshot_close(snapshot);
        assert_eq!(overlay.read_snapshot(b"k", later).unwrap(), Some(Past::Value(bytes("b"))));
        overlay.snapshot_close(later);
        assert_eq!(overlay.bytes(), 0);
        assert!(overlay.changes.is_empty());
    }

    #[test]
    fn the_oldest_snapshot_expires_first() {
        let mut overlay = Overlay::new(0, 2 * ENTRY_OVERHEAD_BYTES);
        let old = overlay.snapshot_open();
        overlay.group_begin(1, vec![(bytes("k"), Past::Absent)]);
        overlay.group_durable(1);
        let young = overlay.snapshot_open();
        overlay.group_begin(2, vec![(bytes("l"), Past::Absent)]);
        assert!(overlay.read_snapshot(b"k", old).is_ok());
        overlay.group_durable(2);
        assert!(matches!(overlay.read_snapshot(b"k", old), Err(StoreError::SnapshotExpired)));
        assert_eq!(overlay.read_snapshot(b"l", young).unwrap(), Some(Past::Absent));
        assert_eq!((overlay.snapshots_expired(), overlay.snapshots_alive()), (1, 1));
    }
}
