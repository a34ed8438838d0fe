//! How keys and values lie in the one sled tree, and why no page can ever leave sled's log.
//!
//! All entries live in one tree, because sled applies a batch atomically only within one:
//!
//! | first byte of the key | rest of the key | value |
//! |---|---|---|
//! | 0 | `format`, `sequence` | the store's own fields |
//! | 0 | `commit` | number of the last commit to sled, whether it holds batches or moved values (u64) |
//! | 0 | `values` | number of the last file of values (u32) and where it ends (u32) |
//! | 0 | `values/`, number of a file (u32) | bytes in it that no key points to (u32) |
//! | 1 | the caller's key | 0 and the value, or 1 and its place: file, offset, length, CRC-32 (u32 each) |
//!
//! sled writes a page larger than a quarter of a log segment to a file of its own, which it **never
//! syncs**: after a power cut the log would point to an empty file. So no page may get that large. A leaf
//! holds at most 17 entries before it splits (20 after a merge), an index page at most 257 keys (320 after
//! a merge); [`inline_bytes`] and [`key_bytes`] keep both below the threshold, and longer values go to the
//! [value log](super::value_log). A test fills pages with the worst case and looks into sled's folder of
//! such files.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::StoreError;
use crate::limits;

use super::engine::engine_error;

/// Key of the store's format marker.
pub(crate) const FORMAT_KEY: &[u8] = b"\0format";
/// Key of the last batch number, 8 bytes big-endian, written with every group.
pub(crate) const SEQUENCE_KEY: &[u8] = b"\0sequence";
/// Key of the number of the last commit, 8 bytes big-endian, written with every commit.
pub(crate) const COMMIT_KEY: &[u8] = b"\0commit";

/// Key of where the files of values end.
const VALUES_KEY: &[u8] = b"\0values";
/// Before the number of a file of values: the key of its count of dead bytes.
const VALUES_DEAD_PREFIX: &[u8] = b"\0values/";

const CALLER_SPACE: u8 = 1;
const CALLER_SPACE_END: u8 = 2;
const INLINE_TAG: u8 = 0;
const PLACE_TAG: u8 = 1;
const PLACE_BYTES: usize = 4 * 4;

/// sled moves a message to its own file above a quarter of a segment, less a header.
const PAGE_PARTS_PER_SEGMENT: usize = 4;
const PAGE_HEADER_BYTES: usize = 64;
/// Most entries of a leaf page: splits above 16, may merge with a sibling of fewer than 4.
const LEAF_ENTRIES: usize = 20;
/// Most keys of an index page: splits above 256, may merge with a sibling of fewer than 64.
const INDEX_ENTRIES: usize = 320;
/// Cost of an entry beside key and value: lengths, tags, child number.
const ENTRY_OVERHEAD_BYTES: usize = 16;

/// Longest caller's key for a log of such segments.
pub(crate) fn key_bytes(segment_bytes: usize) -> usize {
    let page = segment_bytes / PAGE_PARTS_PER_SEGMENT - PAGE_HEADER_BYTES;
    (page / INDEX_ENTRIES).saturating_sub(ENTRY_OVERHEAD_BYTES + 1).min(limits::MAX_KEY_BYTES)
}

/// Longest value kept beside its key (1 KiB): commits of short values need one sync instead of two, and pages of long ones
/// would fill memory and log.
const INLINE_BYTES: usize = 1024;

/// Longest value kept beside its key for a log of such segments.
pub(crate) fn inline_bytes(segment_bytes: usize) -> usize {
    let page = segment_bytes / PAGE_PARTS_PER_SEGMENT - PAGE_HEADER_BYTES;
    (page / LEAF_ENTRIES).saturating_sub(key_bytes(segment_bytes) + ENTRY_OVERHEAD_BYTES).min(INLINE_BYTES)
}

/// The tree's key for a caller's key.
pub(crate) fn caller_key(key: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(key.len() + 1);
    encoded.push(CALLER_SPACE);
    encoded.extend_from_slice(key);
    encoded
}

/// The tree's bounds for a caller's range: start (included), end (not included).
pub(crate) fn caller_bounds(start: &[u8], end: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    (caller_key(start), end.map_or_else(|| vec![CALLER_SPACE_END], caller_key))
}

/// The caller's key behind a key of the tree.
pub(crate) fn caller_key_decode(encoded: &[u8]) -> Bytes {
    Bytes::copy_from_slice(encoded.get(1..).unwrap_or_default())
}

/// A value as the tree holds it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoredValue {
    /// The value itself.
    Inline(Bytes),
    /// The value lies in a file of values.
    Elsewhere(Place),
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the file.
    pub(crate) file: u32,
    /// First byte of the value in the file.
    pub(crate) offset: u32,
    /// Bytes of the value.
    pub(crate) length: u32,
    /// CRC-32 (ISO-HDLC) of the value.
    pub(crate) checksum: u32,
}

/// A value that stays beside its key.
pub(crate) fn inline_encode(value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len() + 1);
    encoded.push(INLINE_TAG);
    encoded.extend_from_slice(value);
    encoded
}

/// What stands beside the key of a value that lies elsewhere.
pub(crate) fn place_encode(place: Place) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(1 + PLACE_BYTES);
    encoded.push(PLACE_TAG);
    for field in [place.file, place.offset, place.length, place.checksum] {
        encoded.extend_from_slice(&field.to_be_bytes());
    }
    encoded
}

/// Reads what stands beside a caller's key.
pub(crate) fn value_decode(encoded: &[u8]) -> Result<StoredValue, StoreError> {
    let damaged = StoreError::Damaged { detail: "a value has an unknown form" };
    match encoded.split_first() {
        Some((&INLINE_TAG, value)) => Ok(StoredValue::Inline(Bytes::copy_from_slice(value))),
        Some((&PLACE_TAG, rest)) if rest.len() == PLACE_BYTES => {
            let mut fields = rest
                .chunks_exact(4)
                .map(|field| field.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)));
            let mut next = || fields.next().unwrap_or(0);
            let place = Place { file: next(), offset: next(), length: next(), checksum: next() };
            if place.length as usize > limits::MAX_VALUE_BYTES {
                return Err(damaged);
            }
            Ok(StoredValue::Elsewhere(place))
        }
        Some(_) | None => Err(damaged),
    }
}

/// Number of the last file of values and where it ends; zeros before the first.
pub(crate) fn values_end_read(db: &sled::Db) -> Result<(u32, u32), StoreError> {
    let damaged = StoreError::Damaged { detail: "the end of the values has the wrong length" };
    match db.get(VALUES_KEY).map_err(engine_error("reading where the values end"))? {
        None => Ok((0, 0)),
        Some(stored) => match <[u8; 8]>::try_from(stored.as_ref()) {
            Ok(both) => {
                let both = u64::from_be_bytes(both);
                Ok(((both >> 32) as u32, (both & u64::from(u32::MAX)) as u32))
            }
            Err(_) => Err(damaged),
        },
    }
}

/// Enters where the values end.
pub(crate) fn values_end_put(batch: &mut sled::Batch, last: u32, end: u32) {
    let both = u64::from(last) << 32 | u64::from(end);
    batch.insert(VALUES_KEY, &both.to_be_bytes());
}

/// Bytes that no key points to, by file.
pub(crate) fn values_dead_read(db: &sled::Db) -> Result<BTreeMap<u32, u32>, StoreError> {
    let damaged = || StoreError::Damaged { detail: "a count of dead values has the wrong length" };
    let mut dead = BTreeMap::new();
    for entry in db.scan_prefix(VALUES_DEAD_PREFIX) {
        let (key, count) = entry.map_err(engine_error("reading the counts of dead values"))?;
        let number = key.get(VALUES_DEAD_PREFIX.len()..).unwrap_or_default();
        let number = number.try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
        let count = count.as_ref().try_into().map(u32::from_be_bytes).map_err(|_| damaged())?;
        dead.insert(number, count);
    }
    Ok(dead)
}

/// Enters a file's count, or removes it for `None`.
pub(crate) fn values_dead_put(batch: &mut sled::Batch, number: u32, count: Option<u32>) {
    let mut key = VALUES_DEAD_PREFIX.to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    match count {
        Some(count) => batch.insert(key, &count.to_be_bytes()),
        None => batch.remove(key),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_segment_allows_the_documented_key_length() {
        assert_eq!(key_bytes(super::super::DEFAULT_SEGMENT_BYTES), limits::MAX_KEY_BYTES);
        assert_eq!(inline_bytes(super::super::DEFAULT_SEGMENT_BYTES), INLINE_BYTES);
        assert!(inline_bytes(super::super::MINIMUM_SEGMENT_BYTES) >= 512);
        assert!(key_bytes(super::super::MINIMUM_SEGMENT_BYTES) >= 32);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(encoded in prop::collection::vec(any::<u8>(), 0..40)) {
            match value_decode(&encoded) {
                Ok(StoredValue::Elsewhere(place)) => prop_assert_eq!(place_encode(place), encoded),
                Ok(StoredValue::Inline(value)) => prop_assert_eq!(inline_encode(&value), encoded),
                Err(_) => {}
            }
        }

        #[test]
        fn keys_keep_their_order(left in prop::collection::vec(any::<u8>(), 1..8), right in prop::collection::vec(any::<u8>(), 1..8)) {
            prop_assert_eq!(left.cmp(&right), caller_key(&left).cmp(&caller_key(&right)));
            prop_assert_eq!(caller_key_decode(&caller_key(&left)), left);
        }
    }
}
