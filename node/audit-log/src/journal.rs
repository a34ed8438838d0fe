//! The journal: the file format in which entries become durable first. Tiles are derived from it.
//!
//! A segment is `chengxin/audit-journal/v1`, LF, the number of its first entry (u64), then groups. A group is
//! `CXAJ`, number of its first entry (u64), number of entries (u32), length of the entries (u32), SHA-256 over these
//! four fields and the entries, and the entries, each behind its length (u16). Integers are big-endian. A group was
//! written by one write and made durable by one sync; a crash can leave only the last one incomplete, and nobody was
//! told that its entries were written.

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
    SEGMENT_BYTES + GROUP_HEAD as u64 + (GROUP_ENTRIES * (ENTRY_LIMIT + 2)) as u64;

const SEGMENT_MAGIC: &[u8; 26] = b"chengxin/audit-journal/v1\n";
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

/// The bytes of a group.
pub(crate) fn group_encode(first: u64, leaves: &[Arc<[u8]>]) -> Result<Vec<u8>, LogError> {
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
    Ok(group)
}

/// A group as read.
pub(crate) struct Group<'a> {
    /// Number of its first entry.
    pub(crate) first: u64,
    /// The entries.
    pub(crate) leaves: Vec<&'a [u8]>,
    /// Bytes it takes in the segment.
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
    /// Where the last whole group ends.
    pub(crate) end: u64,
    /// Whether anything follows there: an incomplete group.
    pub(crate) torn: bool,
}

/// Reads the segment whose name says that it begins with entry `first`. What follows the last whole group is
/// tolerated only if no whole group comes after it: else something in the middle was changed. Errors are the offset
/// and what is wrong there.
pub(crate) fn segment_parse(bytes: &[u8], first: u64) -> Result<Segment<'_>, (u64, &'static str)> {
    let head = segment_head(first);
    if !bytes.starts_with(&head) {
        let differing = head.iter().zip(bytes).take_while(|(expected, found)| expected == found).count();
        // A crash right after the file was made leaves a part of the head, and nothing else.
        if bytes.len() < SEGMENT_HEAD && (differing == bytes.len() || bytes.iter().all(|byte| *byte == 0)) {
            return Ok(Segment { groups: Vec::new(), end: 0, torn: true });
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
        let length = group.length;
        groups.push((offset as u64, group));
        offset += length;
    }
    let rest = &bytes[offset..];
    let later = rest.windows(4).enumerate().skip(1).any(|(place, window)| {
        window == GROUP_MAGIC
            && rest.get(place..).and_then(group_parse).is_some_and(|group| group.first > next)
    });
    if later {
        return Err((offset as u64, "a group in the middle is damaged"));
    }
    Ok(Segment { groups, end: offset as u64, torn: !rest.is_empty() })
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
            bytes.extend(group_encode(first, &leaves).expect("encodes"));
            first += leaves.len() as u64;
        }
        bytes
    }

    #[test]
    fn a_segment_cut_anywhere_keeps_its_whole_groups() {
        let bytes = segment(&[&["a", "bc"], &["d"], &["", "ef", "g"]]);
        for length in 0..=bytes.len() {
            let segment = segment_parse(&bytes[..length], 5).expect("a cut is a crash");
            let whole: usize = segment.groups.iter().map(|(_, group)| group.length).sum();
            assert_eq!(segment.torn, length != SEGMENT_HEAD + whole, "{length}");
        }
        assert_eq!(segment_parse(&bytes, 5).expect("whole").groups.len(), 3);
        assert!(segment_parse(&bytes, 6).is_err());
    }

    #[test]
    fn a_flip_is_never_read_as_something_else() {
        let bytes = segment(&[&["a", "bc"], &["d"], &["", "ef", "g"]]);
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            match segment_parse(&broken, 5) {
                Err(_) => {}
                Ok(segment) => assert!(segment.torn && segment.groups.len() == 2, "bit {bit}"),
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
