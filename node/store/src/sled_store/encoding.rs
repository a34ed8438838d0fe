//! How keys and values lie in the one sled tree, and why no page can ever leave sled's log.
//!
//! All entries live in one tree, because sled applies a batch atomically only within one:
//!
//! | first byte of the key | rest of the key | value |
//! |---|---|---|
//! | 0 | name | the store's own fields: `format`, `sequence` |
//! | 1 | the caller's key | 0 and the value, or 1 and where its pieces are |
//! | 2 | batch number (8 bytes), place in it (4), piece (4) | a piece of a large value |
//!
//! sled writes a page larger than a quarter of a log segment to a file of its own, which it **never
//! syncs**: after a power cut the log would point to an empty file. So no page may get that large. A leaf
//! holds at most 17 entries before it splits (20 after a merge), an index page at most 257 keys (320 after
//! a merge); [`inline_bytes`] and [`key_bytes`] keep both below the threshold, and longer values are cut
//! into pieces. A test fills pages with the worst case and looks into sled's folder of such files.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::StoreError;
use crate::limits;

/// Key of the store's format marker.
pub(crate) const FORMAT_KEY: &[u8] = b"\0format";
/// Key of the last batch number, 8 bytes big-endian, written with every group.
pub(crate) const SEQUENCE_KEY: &[u8] = b"\0sequence";

const CALLER_SPACE: u8 = 1;
const PIECE_SPACE: u8 = 2;
const INLINE_TAG: u8 = 0;
const PIECES_TAG: u8 = 1;
const POINTER_BYTES: usize = 1 + 4 + 4 + 8 + 4;

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

/// Longest value kept beside its key for a log of such segments; also the length of a piece.
pub(crate) fn inline_bytes(segment_bytes: usize) -> usize {
    let page = segment_bytes / PAGE_PARTS_PER_SEGMENT - PAGE_HEADER_BYTES;
    (page / LEAF_ENTRIES).saturating_sub(key_bytes(segment_bytes) + ENTRY_OVERHEAD_BYTES + POINTER_BYTES)
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
    (caller_key(start), end.map_or_else(|| vec![PIECE_SPACE], caller_key))
}

/// The caller's key behind a key of the tree.
pub(crate) fn caller_key_decode(encoded: &[u8]) -> Bytes {
    Bytes::copy_from_slice(encoded.get(1..).unwrap_or_default())
}

/// A value as the tree holds it.
pub(crate) enum StoredValue {
    /// The value itself.
    Inline(Bytes),
    /// The value is in pieces.
    Pieces(Pieces),
}

/// Where the pieces of a large value are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// Bytes of the whole value.
    pub(crate) total: u32,
    /// Bytes of each piece but the last.
    pub(crate) piece: u32,
    /// Number of the batch that wrote it.
    pub(crate) sequence: u64,
    /// Place among the large values of that commit group.
    pub(crate) place: u32,
}

impl Pieces {
    /// Keys of the pieces in order.
    pub(crate) fn keys(self) -> impl Iterator<Item = [u8; 17]> {
        (0..self.total.div_ceil(self.piece)).map(move |piece| {
            let mut key = [0; 17];
            key[0] = PIECE_SPACE;
            key[1..9].copy_from_slice(&self.sequence.to_be_bytes());
            key[9..13].copy_from_slice(&self.place.to_be_bytes());
            key[13..].copy_from_slice(&piece.to_be_bytes());
            key
        })
    }
}

/// A value that stays beside its key.
pub(crate) fn inline_encode(value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len() + 1);
    encoded.push(INLINE_TAG);
    encoded.extend_from_slice(value);
    encoded
}

/// What stands beside the key of a large value.
pub(crate) fn pieces_encode(pieces: Pieces) -> Vec<u8> {
    let mut encoded = BytesMut::with_capacity(POINTER_BYTES);
    encoded.put_u8(PIECES_TAG);
    encoded.put_u32(pieces.total);
    encoded.put_u32(pieces.piece);
    encoded.put_u64(pieces.sequence);
    encoded.put_u32(pieces.place);
    encoded.to_vec()
}

/// Reads what stands beside a caller's key.
pub(crate) fn value_decode(encoded: &[u8]) -> Result<StoredValue, StoreError> {
    let damaged = StoreError::Damaged { detail: "a value has an unknown form" };
    match encoded.split_first() {
        Some((&INLINE_TAG, value)) => Ok(StoredValue::Inline(Bytes::copy_from_slice(value))),
        Some((&PIECES_TAG, rest)) => {
            let Some((total, rest)) = rest.split_first_chunk() else { return Err(damaged) };
            let Some((piece, rest)) = rest.split_first_chunk() else { return Err(damaged) };
            let Some((sequence, rest)) = rest.split_first_chunk() else { return Err(damaged) };
            let Some((place, [])) = rest.split_first_chunk() else { return Err(damaged) };
            let pieces = Pieces {
                total: u32::from_be_bytes(*total),
                piece: u32::from_be_bytes(*piece),
                sequence: u64::from_be_bytes(*sequence),
                place: u32::from_be_bytes(*place),
            };
            if pieces.piece == 0 || pieces.total as usize > limits::MAX_VALUE_BYTES {
                return Err(damaged);
            }
            Ok(StoredValue::Pieces(pieces))
        }
        Some(_) | None => Err(damaged),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_segment_allows_the_documented_key_length() {
        assert_eq!(key_bytes(super::super::DEFAULT_SEGMENT_BYTES), limits::MAX_KEY_BYTES);
        assert!(inline_bytes(super::super::DEFAULT_SEGMENT_BYTES) > 8 * 1024);
        assert!(inline_bytes(super::super::MINIMUM_SEGMENT_BYTES) >= 512);
        assert!(key_bytes(super::super::MINIMUM_SEGMENT_BYTES) >= 32);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(encoded in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(StoredValue::Pieces(pieces)) = value_decode(&encoded) {
                prop_assert_eq!(pieces_encode(pieces), encoded);
            }
        }

        #[test]
        fn keys_keep_their_order(left in prop::collection::vec(any::<u8>(), 1..8), right in prop::collection::vec(any::<u8>(), 1..8)) {
            prop_assert_eq!(left.cmp(&right), caller_key(&left).cmp(&caller_key(&right)));
            prop_assert_eq!(caller_key_decode(&caller_key(&left)), left);
        }
    }
}
