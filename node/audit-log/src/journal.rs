//! The journal: the file format in which entries become durable first. Tiles are derived from it.
//!
//! A segment is `chengxin/audit-journal/v2`, LF, the number of its first entry (u64), then groups. A group is
//! `CXAJ`, number of its first entry (u64), number of entries (u32), length of the entries (u32), SHA-256 over these
//! four fields and the entries, the entries, each behind its length (u16), and zeros up to a multiple of
//! [`BLOCK_BYTES`] in the file. Integers are big-endian. Version 1, which is read and not appended to, has no zeros.
//!
//! A group was written by one write and made durable by one sync, in blocks that hold nothing acknowledged before: so a
//! write that the power cut short can spoil only its own group, and nobody was told that its entries were written. What
//! is not solved: a last group that was acknowledged and rots afterwards looks the same. Below the checkpoint its loss is
//! found by the checkpoint, and in a running process by the number of entries acknowledged; else it is cut off, which the
//! running log says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengxin_schemas::digest::Sha256;

use crate::error::LogError;
use crate::tile::{ENTRY_LIMIT, bundle_append, bundle_parse};

/// Folder of the segments, in the log's folder.
pub(crate) const JOURNAL_FOLDER: &str = "journal";
/// Size from which a new segment is begun, in bytes. Segments are read whole when the log is opened.
pub(crate) const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// Most entries in a group.
pub(crate) const GROUP_ENTRIES: usize = 1_024;
/// Bytes of bodies from which no further entry joins a group: bounds what is lost to one slow write.
pub(crate) const GROUP_BYTES: usize = 1024 * 1024;
/// Longest segment that is read: a segment just below [`SEGMENT_BYTES`] takes one more group.
pub(crate) const SEGMENT_LIMIT: u64 =
    SEGMENT_BYTES + (GROUP_HEAD + GROUP_ENTRIES * (ENTRY_LIMIT + 2) + BLOCK_BYTES) as u64;

/// Groups end at a multiple of this (4 KiB, the block of file systems and the sector of most disks): a write that is cut
/// short can spoil the whole block it begins in, so none begins in a block that holds something acknowledged.
pub(crate) const BLOCK_BYTES: usize = 4_096;

const SEGMENT_MAGIC: &[u8; 26] = b"chengxin/audit-journal/v2\n";
const SEGMENT_MAGIC_V1: &[u8; 26] = b"chengxin/audit-journal/v1\n";
const GROUP_MAGIC: &[u8; 4] = b"CXAJ";
/// Length of a segment's head.
pub(crate) const SEGMENT_HEAD: usize = SEGMENT_MAGIC.len() + 8;
const GROUP_HEAD: usize = 4 + 8 + 4 + 4 + 32;

/// The head of the segment that begins with entry `first`.
pub(crate) fn segment_head(first: u64) -> Vec<u8> {
    [SEGMENT_MAGIC.as_slice(), &first.to_be_bytes()].concat()
}

/// The segment's path in the log's folder.
pub(crate) fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(JOURNAL_FOLDER).join(format!("{first:020}.journal"))
}

/// The first entry of the segment with this file name.
pub(crate) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".journal")?;
    if digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// The bytes of a group that is written at `offset` of its segment.
pub(crate) fn group_encode(first: u64, leaves: &[Arc<[u8]>], offset: u64) -> Result<Vec<u8>, LogError> {
    let mut entries = Vec::with_capacity(leaves.iter().map(|leaf| leaf.len() + 2).sum());
    leaves.iter().try_for_each(|leaf| bundle_append(&mut entries, leaf))?;
    let too_large = || LogError::TooLarge {
        what: "a group of entries",
        actual: entries.len() as u64,
        limit: u64::from(u32::MAX),
    };
    let mut group = Vec::with_capacity(GROUP_HEAD + entries.len());
    group.extend_from_slice(GROUP_MAGIC);
    group.extend_from_slice(&first.to_be_bytes());
    group.extend_from_slice(&u32::try_from(leaves.len()).map_err(|_| too_large())?.to_be_bytes());
    group.extend_from_slice(&u32::try_from(entries.len()).map_err(|_| too_large())?.to_be_bytes());
    let digest = Sha256::of_parts(&[&group, &entries]);
    group.extend_from_slice(&digest.0);
    group.extend_from_slice(&entries);
    let end = offset + group.len() as u64;
    let padding = block_end(end) - end;
    group.resize(group.len() + usize::try_from(padding).unwrap_or(0), 0);
    Ok(group)
}

/// Where the block ends in which `offset` stands.
fn block_end(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK_BYTES as u64)
}

/// A group as read.
pub(crate) struct Group<'a> {
    /// Number of its first entry.
    pub(crate) first: u64,
    /// The entries.
    pub(crate) leaves: Vec<&'a [u8]>,
    /// Bytes it takes in the segment, without the zeros behind it.
    pub(crate) length: usize,
}

/// Reads the group at the beginning of `bytes`; nothing if it is not whole.
fn group_parse(bytes: &[u8]) -> Option<Group<'_>> {
    let (head, rest) = bytes.split_at_checked(GROUP_HEAD)?;
    let (fields, digest) = head.split_at(GROUP_HEAD - 32);
    let (magic, numbers) = fields.split_at(4);
    let (first, numbers) = numbers.split_first_chunk::<8>()?;
    let (count, numbers) = numbers.split_first_chunk::<4>()?;
    let (length, _) = numbers.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let entries = rest.get(..length)?;
    if magic != GROUP_MAGIC || Sha256::of_parts(&[fields, entries]).0 != digest {
        return None;
    }
    let leaves = bundle_parse(entries, u64::from(u32::from_be_bytes(*count))).ok()?;
    Some(Group { first: u64::from_be_bytes(*first), leaves, length: GROUP_HEAD.checked_add(length)? })
}

/// A segment as read.
pub(crate) struct Segment<'a> {
    /// The groups, each with its offset.
    pub(crate) groups: Vec<(u64, Group<'a>)>,
    /// Where the last whole group ends, with its zeros.
    pub(crate) end: u64,
    /// Whether something else is there: an incomplete group, or a group without all of its zeros.
    pub(crate) torn: bool,
    /// Whether groups may be appended: it is of the current version.
    pub(crate) current: bool,
}

/// Reads the segment whose name says that it begins with entry `first`. What follows the last whole group is
/// tolerated only if no whole group comes after it: else something in the middle was changed. Errors are the offset
/// and what is wrong there.
pub(crate) fn segment_parse(bytes: &[u8], first: u64) -> Result<Segment<'_>, (u64, &'static str)> {
    let head = segment_head(first);
    let current = bytes.starts_with(&head);
    let head_v1 = [SEGMENT_MAGIC_V1.as_slice(), &first.to_be_bytes()].concat();
    if !current && !bytes.starts_with(&head_v1) {
        let differing = head.iter().zip(bytes).take_while(|(expected, found)| expected == found).count();
        // A crash right after the file was made leaves a part of the head, and nothing else.
        let part = head.starts_with(bytes) || head_v1.starts_with(bytes);
        if bytes.len() < SEGMENT_HEAD && (part || bytes.iter().all(|byte| *byte == 0)) {
            return Ok(Segment { groups: Vec::new(), end: 0, torn: true, current: true });
        }
        return Err((differing as u64, "the head of the segment does not fit its name"));
    }
    let mut groups = Vec::new();
    let mut offset = SEGMENT_HEAD;
    let mut next = first;
    while let Some(group) = bytes.get(offset..).and_then(group_parse) {
        if group.first != next {
            return Err((offset as u64, "a group does not follow the one before"));
        }
        next += group.leaves.len() as u64;
        let start = offset;
        offset += group.length;
        groups.push((start as u64, group));
        if current {
            let end = usize::try_from(block_end(offset as u64)).unwrap_or(usize::MAX);
            let zeros = bytes.get(offset..end.min(bytes.len())).unwrap_or_default();
            if let Some(place) = zeros.iter().position(|byte| *byte != 0) {
                return Err(((offset + place) as u64, "there are bytes between two groups"));
            }
            offset = end;
        }
    }
    let rest = bytes.get(offset..).unwrap_or_default();
    let later = rest.windows(4).enumerate().skip(1).any(|(place, window)| {
        window == GROUP_MAGIC
            && rest.get(place..).and_then(group_parse).is_some_and(|group| group.first > next)
    });
    if later {
        return Err((offset as u64, "a group in the middle is damaged"));
    }
    Ok(Segment { groups, end: offset as u64, torn: bytes.len() != offset, current })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(groups: &[&[&str]]) -> Vec<u8> {
        let mut bytes = segment_head(5);
        let mut first = 5;
        for group in groups {
            let leaves: Vec<Arc<[u8]>> = group.iter().map(|leaf| Arc::from(leaf.as_bytes())).collect();
            bytes.extend(group_encode(first, &leaves, bytes.len() as u64).expect("encodes"));
            first += leaves.len() as u64;
        }
        bytes
    }

    /// As version 1 wrote it.
    fn segment_v1(groups: &[&[&str]]) -> Vec<u8> {
        let padded = segment(groups);
        let mut bytes = [SEGMENT_MAGIC_V1.as_slice(), &5_u64.to_be_bytes()].concat();
        for (offset, group) in segment_parse(&padded, 5).expect("whole").groups {
            let start = usize::try_from(offset).expect("fits");
            bytes.extend_from_slice(&padded[start..start + group.length]);
        }
        bytes
    }

    const GROUPS: &[&[&str]] = &[&["a", "bc"], &["d"], &["", "ef", "g"]];

    #[test]
    fn a_segment_cut_anywhere_keeps_its_whole_groups() {
        for bytes in [segment(GROUPS), segment_v1(GROUPS)] {
            let whole = segment_parse(&bytes, 5).expect("whole");
            assert_eq!((whole.groups.len(), whole.end, whole.torn), (3, bytes.len() as u64, false));
            let ends: Vec<_> =
                whole.groups.iter().map(|(offset, group)| *offset as usize + group.length).collect();
            let starts: Vec<_> = whole.groups.iter().map(|(offset, _)| *offset as usize).collect();
            for length in 0..=bytes.len() {
                let segment = segment_parse(&bytes[..length], 5).expect("a cut is a crash");
                assert_eq!(
                    segment.groups.len(),
                    ends.iter().filter(|end| **end <= length).count(),
                    "{length}"
                );
                assert_eq!(segment.torn, !starts.contains(&length) && length != bytes.len(), "{length}");
            }
            assert!(segment_parse(&bytes, 6).is_err());
        }
    }

    /// A group shares no block with one before it.
    #[test]
    fn groups_begin_in_blocks_of_their_own() {
        let bytes = segment(GROUPS);
        assert_eq!(bytes.len(), 3 * BLOCK_BYTES);
        let starts = segment_parse(&bytes, 5)
            .expect("whole")
            .groups
            .iter()
            .map(|(offset, _)| *offset)
            .collect::<Vec<_>>();
        assert_eq!(starts, [SEGMENT_HEAD as u64, 4_096, 8_192]);
        // Whatever a write that was cut short leaves in its own block, the groups before stay.
        for end in [4_097, 6_000, 8_192] {
            let mut torn = bytes.clone();
            torn[8_192..].fill(0);
            torn[4_096..end].fill(0xff);
            assert_eq!(segment_parse(&torn, 5).expect("a crash").groups.len(), 1, "{end}");
        }
    }

    #[test]
    fn a_flip_is_never_read_as_something_else() {
        for bytes in [segment(GROUPS), segment_v1(GROUPS)] {
            let current = bytes.starts_with(SEGMENT_MAGIC);
            for bit in 0..bytes.len() * 8 {
                // Of the zeros one in so many.
                if current && bit % (BLOCK_BYTES * 8) > 400 * 8 && bit % 97 != 0 {
                    continue;
                }
                let mut broken = bytes.clone();
                broken[bit / 8] ^= 1 << (bit % 8);
                match segment_parse(&broken, 5) {
                    Err(_) => {}
                    Ok(segment) => assert!(segment.torn && segment.groups.len() == 2, "bit {bit}"),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_err(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = segment(&[&["a"]]);
            bytes.extend(tail);
            let _ = segment_parse(&bytes, 5);
        }
    }

    #[test]
    fn names_and_numbers_agree() {
        let path = segment_path(Path::new("/x"), 42);
        let name = path.file_name().and_then(|name| name.to_str()).expect("name");
        assert_eq!(segment_first(name), Some(42));
        assert_eq!(segment_first("42.journal"), None);
        assert_eq!(segment_first("00000000000000000042"), None);
    }
}
