//! sled's log as it lies on the disk, looked through before sled opens it.
//!
//! sled 0.34 leaves out what it cannot read there: the rest of a segment after a message with a wrong checksum, and a
//! segment whose head has one. Where the log goes on after it, keys go back to older values without a word, and
//! everything that tells of a lost end is current. So what sled would leave out is looked for first, and refused.
//!
//! ```text
//! db        segments of one size, in any order; one that is all zeros, or older than the last snapshot, is not replayed
//! segment   CRC-32 of the rest of the head (inverted), LSN of the segment, LSN that was stable when it was begun
//!           (i64 each, all bits but the sign inverted); messages
//! message   CRC-32 of body and head (inverted), kind (u8), length of the body, number of the segment, page; body
//! ```
//!
//! Little-endian; what has no size here is sled's varint. An LSN counts bytes of the whole log, so it says which segment is
//! the number-th. A segment is full when a message of kind [`CAP`] follows, or less than a head's room. Where the log ended
//! with exactly that room, sled leaves it empty too when it opens, and takes a snapshot that begins after it.
//!
//! # What may be torn
//!
//! - The **tail**: every segment from the one on in which the newest known stable LSN lies. sled cuts the log at the first
//!   message it cannot read there, as after any crash, but not before its last snapshot. Whether that took anything
//!   acknowledged is for the number of the commit to say, which is read here too (see [`super::acknowledged`]). To sled a
//!   batch is stable as a whole, so the tail begins no later than the batch in which the last segment was begun, and
//!   has at least as many segments as that batch: a large one makes it three or more.
//! - A segment that was free and is begun again, if the power went before its new head was on the disk: what follows the
//!   tear then has messages of the tail.
//!
//! All that lies before the newest known stable LSN is of commits before the one in which its segment's head was written,
//! and each was synced by us before the next was begun. So the segments below the tail are whole, and the first of the
//! tail is there. What is not solved: a sector that reads as zeros where the head of another segment was, which looks like
//! a free segment; and a power cut that lets the middle of a free segment reach the disk before its head, without one
//! whole message, or while sled writes zeros over free segments at opening. That is refused although nothing is lost.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::StoreError;

use super::encoding::COMMIT_KEY;
use super::folder::lock_wait;

const SEGMENT_HEAD_BYTES: usize = 4 + 8 + 8;
/// The longest head of a message; where less room is left in a segment, sled begins the next.
const MESSAGE_HEAD_BYTES: usize = 4 + 1 + 9 + 9 + 9;
/// Bytes of a segment held at a time: a segment has megabytes, and the allocator keeps what was once taken. Messages have
/// some kilobytes; for a longer one as much is read as it says.
const WINDOW_BYTES: usize = 256 << 10;
/// sled inverts all bits of an LSN but the sign.
const LSN_MASK: i64 = i64::MAX;

const UNREADABLE: StoreError = StoreError::Damaged { detail: "a part of the engine's log is not readable" };

/// The rest of the segment is empty.
const CAP: u8 = 2;
/// Before a batch: LSN of its last byte.
const BATCH: u8 = 3;
/// A page.
const PAGE: u8 = 8;
/// A change of a page.
const CHANGE: u8 = 10;
/// Pages and changes in files of their own, which this store's never are.
const BESIDE: [u8; 3] = [7, 9, 11];
/// The highest kind of message; 0 is what zeros are read as.
const LAST_KIND: u8 = 11;

/// Looks through the log that sled will replay, and gives the number of the last commit in it, as far as sled will take it
/// up; `None` if the log does not say, because no commit follows its last snapshot. Changes nothing.
pub(crate) fn end_find(engine_folder: &Path, segment_bytes: usize) -> Result<Option<u64>, StoreError> {
    let looking = "looking through the engine's log";
    if !segment_bytes_fit(engine_folder, segment_bytes).map_err(StoreError::io(looking))? {
        // sled says so itself.
        return Ok(None);
    }
    let file = match File::open(engine_folder.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(looking)(error)),
    };
    // The lock that sled takes too. A thread of a store that was just closed may still hold it, and cut free segments off.
    if !lock_wait(&file).map_err(StoreError::io(looking))? {
        let folder = engine_folder.parent().unwrap_or(engine_folder).to_owned();
        return Err(StoreError::InUse { folder });
    }
    let snapshot = snapshot_lsn(engine_folder).map_err(StoreError::io(looking))?;
    let log = Log { file, segment_bytes, size: segment_bytes as i64 };
    let Heads { segments, tail } = log.heads_read(snapshot)?;
    let mut last = LastCommit::default();
    if snapshot == 0 {
        // All of the log is looked through, so there is none where none is found.
        last.found = Some(0);
    }
    let mut next_in_tail = tail;
    let mut end = tail;
    for (lsn, offset) in segments {
        let in_tail = lsn >= tail;
        if in_tail && lsn != next_in_tail {
            break;
        }
        let torn = log
            .segment_walk(offset, lsn, |place, message| last.look(lsn + place as i64, message))
            .map_err(StoreError::io(looking))?;
        if in_tail {
            end = lsn + torn.unwrap_or(segment_bytes) as i64;
        }
        match torn {
            None => {}
            Some(_) if in_tail => break,
            Some(place) if log.is_begun_again(offset, place, tail).map_err(StoreError::io(looking))? => {}
            Some(_) => return Err(UNREADABLE),
        }
        if in_tail {
            next_in_tail += log.size;
        }
    }
    // sled would find that too, and overwrite first what it cannot read.
    if end < snapshot {
        return Err(UNREADABLE);
    }
    Ok(last.number(end))
}

/// Whether sled wrote its log in segments of this size.
fn segment_bytes_fit(engine_folder: &Path, segment_bytes: usize) -> io::Result<bool> {
    let conf = match fs::read(engine_folder.join("conf")) {
        Ok(conf) => conf,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let line = format!("segment_size: {segment_bytes}\n");
    Ok(conf.windows(line.len()).any(|window| window == line.as_bytes()))
}

/// The LSN up to which sled does not replay its log; 0 if there is no snapshot.
fn snapshot_lsn(engine_folder: &Path) -> io::Result<i64> {
    let mut newest = 0;
    for entry in fs::read_dir(engine_folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("snap."));
        let lsn = digits.filter(|digits| digits.len() == 16).map(|digits| i64::from_str_radix(digits, 16));
        if let Some(Ok(lsn)) = lsn {
            newest = newest.max(lsn);
        }
    }
    Ok(newest)
}

/// The file with sled's log.
struct Log {
    file: File,
    segment_bytes: usize,
    /// The same, as LSNs count.
    size: i64,
}

/// What the heads of the segments say.
struct Heads {
    /// Where each segment lies that sled will replay, by LSN.
    segments: BTreeMap<i64, u64>,
    /// LSN of the first segment that may be torn.
    tail: i64,
}

impl Log {
    fn heads_read(&self, from: i64) -> Result<Heads, StoreError> {
        let reading = "reading the engine's log";
        let from = from / self.size * self.size;
        let mut segments = BTreeMap::new();
        let mut stable = from;
        let length = self.file.metadata().map_err(StoreError::io(reading))?.len();
        for offset in (0..length).step_by(self.segment_bytes) {
            let mut head = [0; SEGMENT_HEAD_BYTES];
            match self.file.read_exact_at(&mut head, offset) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(StoreError::io(reading)(error)),
            }
            let Some((lsn, stable_then)) = segment_head_decode(head) else {
                if head == [0; SEGMENT_HEAD_BYTES] {
                    continue;
                }
                return Err(StoreError::Damaged {
                    detail: "the head of a part of the engine's log is damaged",
                });
            };
            if lsn >= from && lsn % self.size == 0 {
                segments.insert(lsn, offset);
                stable = stable.max(stable_then);
            }
        }
        let tail = stable / self.size * self.size;
        // sled would take the log for empty, and overwrite what there is of it.
        if tail > from && !segments.contains_key(&tail) {
            return Err(UNREADABLE);
        }
        Ok(Heads { segments, tail })
    }

    /// At most `length` bytes of the segment at `offset`, from `place` on; fewer where segment or file end.
    fn part_read(&self, offset: u64, place: usize, length: usize) -> io::Result<Vec<u8>> {
        let mut part = vec![0; length.min(self.segment_bytes - place)];
        let begin = offset + place as u64;
        let mut filled = 0;
        while filled < part.len() {
            match self.file.read_at(&mut part[filled..], begin + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        part.truncate(filled);
        Ok(part)
    }

    /// Shows each message of the segment that begins with this LSN, and gives the place of the first that is not readable;
    /// `None` if the segment is full.
    fn segment_walk(
        &self,
        offset: u64,
        lsn: i64,
        mut look: impl FnMut(usize, &Message<'_>),
    ) -> io::Result<Option<usize>> {
        let number = self.number(lsn);
        let (mut begin, mut window) = (0, Vec::new());
        let mut place = SEGMENT_HEAD_BYTES;
        while self.segment_bytes - place >= MESSAGE_HEAD_BYTES {
            if begin + window.len() < (place + WINDOW_BYTES / 2).min(self.segment_bytes) {
                (begin, window) = (place, self.part_read(offset, place, WINDOW_BYTES)?);
            }
            let said =
                window.get(place - begin..).and_then(|bytes| head_read(bytes, |found| found == number));
            let longest = self.segment_bytes - place;
            let wanted = said.map_or(0, |head| head.bytes.saturating_add(head.length)).min(longest);
            if begin + window.len() < place + wanted {
                (begin, window) = (place, self.part_read(offset, place, wanted)?);
            }
            match self.message_read(&window, place - begin, |found| found == number) {
                Some(message) if message.kind == CAP => return Ok(None),
                Some(message) => {
                    look(place, &message);
                    place += message.bytes;
                }
                None => return Ok(Some(place)),
            }
        }
        Ok(None)
    }

    /// Whether the part of a segment after `torn` was written for a segment of the tail.
    fn is_begun_again(&self, offset: u64, torn: usize, tail: i64) -> io::Result<bool> {
        let newest = self.number(tail);
        let segment = self.part_read(offset, 0, self.segment_bytes)?;
        Ok((torn..=self.segment_bytes - MESSAGE_HEAD_BYTES)
            .any(|place| self.message_read(&segment, place, |found| found >= newest).is_some()))
    }

    fn number(&self, lsn: i64) -> u64 {
        (lsn / self.size).unsigned_abs()
    }

    /// The message at `place`, if it is whole and of a segment with such a number.
    fn message_read<'a>(
        &self,
        segment: &'a [u8],
        place: usize,
        is_expected: impl Fn(u64) -> bool,
    ) -> Option<Message<'a>> {
        let bytes = segment.get(place..)?;
        let head = head_read(bytes, is_expected)?;
        let body = bytes.get(head.bytes..)?.get(..head.length)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(bytes.get(4..head.bytes)?);
        let is_whole = hasher.finalize() == !head.checksum;
        is_whole.then_some(Message { kind: head.kind, body, bytes: head.bytes + head.length })
    }
}

/// What stands before the body of a message, not yet checked.
#[derive(Clone, Copy)]
struct MessageHead {
    checksum: u32,
    kind: u8,
    /// Of the body.
    length: usize,
    /// Of the head itself.
    bytes: usize,
}

/// The head at the beginning of `bytes`, if it can be one of a segment with such a number.
fn head_read(bytes: &[u8], is_expected: impl Fn(u64) -> bool) -> Option<MessageHead> {
    let mut fields = Fields(bytes);
    let checksum = u32::from_le_bytes(*fields.take(4)?.first_chunk()?);
    let kind = fields.byte()?;
    let length = usize::try_from(fields.number()?).ok()?;
    let number = fields.number()?;
    let _page = fields.number()?;
    let is_one = (1..=LAST_KIND).contains(&kind) && is_expected(number);
    is_one.then_some(MessageHead { checksum, kind, length, bytes: bytes.len() - fields.0.len() })
}

/// LSN of the segment and the stable LSN; `None` if the checksum does not hold, or the LSN is none.
fn segment_head_decode(head: [u8; SEGMENT_HEAD_BYTES]) -> Option<(i64, i64)> {
    let mut fields = Fields(&head);
    let checksum = u32::from_le_bytes(*fields.take(4)?.first_chunk()?);
    let is_whole = crc32fast::hash(fields.0) == !checksum;
    let mut lsn = || Some(i64::from_le_bytes(*fields.take(8)?.first_chunk()?) ^ LSN_MASK);
    let (lsn, stable) = (lsn()?, lsn()?);
    (is_whole && lsn >= 0).then_some((lsn, stable))
}

/// A message of the log.
struct Message<'a> {
    kind: u8,
    body: &'a [u8],
    /// With its head.
    bytes: usize,
}

/// The number of the last commit, gathered from messages.
#[derive(Default)]
struct LastCommit {
    found: Option<u64>,
    /// LSN of the last byte of the last batch met. sled takes up all of it or nothing.
    batch_end: i64,
    /// What was found in that batch.
    in_batch: Option<u64>,
    /// A page lies where this does not look, and may hold a later one.
    is_unknown: bool,
}

impl LastCommit {
    fn look(&mut self, lsn: i64, message: &Message<'_>) {
        let found = match message.kind {
            PAGE => commit_in_page(message.body),
            CHANGE => commit_in_change(message.body),
            BATCH => {
                self.found = self.found.max(self.in_batch.take());
                self.batch_end = message.body.try_into().map_or(0, i64::from_le_bytes);
                None
            }
            kind => {
                self.is_unknown |= BESIDE.contains(&kind);
                None
            }
        };
        if lsn <= self.batch_end {
            self.in_batch = self.in_batch.max(found);
        } else {
            self.found = self.found.max(found);
        }
    }

    /// The number if the log ends before the byte with LSN `end`.
    fn number(self, end: i64) -> Option<u64> {
        let in_batch = self.in_batch.filter(|_| self.batch_end < end);
        self.found.max(in_batch).filter(|_| !self.is_unknown)
    }
}

/// The number in a change of a page: 0 for a put, key, value.
fn commit_in_change(body: &[u8]) -> Option<u64> {
    let mut fields = Fields(body);
    if fields.byte()? != 0 || fields.bytes()? != COMMIT_KEY {
        return None;
    }
    fields.bytes()?.try_into().map(u64::from_be_bytes).ok()
}

/// The number in a page: next page, merging child, whether merging, length of the prefix that its keys lack, lowest and
/// highest key, 0 for a leaf, count, keys, values.
fn commit_in_page(body: &[u8]) -> Option<u64> {
    let mut fields = Fields(body);
    fields.number()?;
    fields.number()?;
    fields.byte()?;
    fields.byte()?;
    // The first page of the tree, whose keys lack nothing; the store's own fields come before all others.
    if !fields.bytes()?.is_empty() {
        return None;
    }
    fields.bytes()?;
    if fields.byte()? != 0 {
        return None;
    }
    let count = fields.number()?;
    let mut place = None;
    for number in 0..count {
        if fields.bytes()? == COMMIT_KEY {
            place = Some(number);
        }
    }
    for _ in 0..place? {
        fields.bytes()?;
    }
    fields.bytes()?.try_into().map(u64::from_be_bytes).ok()
}

/// What is left of some bytes, read from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// sled's varint.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first {
            0..=240 => u64::from(first),
            241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(self.byte()?),
            249 => 2_288 + 256 * u64::from(self.byte()?) + u64::from(self.byte()?),
            250.. => {
                let mut number = [0; 8];
                let length = usize::from(first) - 247;
                number.get_mut(..length)?.copy_from_slice(self.take(length)?);
                u64::from_le_bytes(number)
            }
        })
    }

    /// Bytes behind their length.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: usize = 4_096;

    fn varint(number: u64) -> Vec<u8> {
        match number {
            0..=240 => vec![number as u8],
            241..=2_287 => vec![241 + ((number - 240) / 256) as u8, (number - 240) as u8],
            2_288..=67_823 => vec![249, ((number - 2_288) / 256) as u8, (number - 2_288) as u8],
            _ => [vec![255], number.to_le_bytes().to_vec()].concat(),
        }
    }

    fn bytes(bytes: &[u8]) -> Vec<u8> {
        [varint(bytes.len() as u64).as_slice(), bytes].concat()
    }

    fn message(kind: u8, number: u64, body: &[u8]) -> Vec<u8> {
        let head = [vec![kind], varint(body.len() as u64), varint(number), varint(3)].concat();
        let checksum = !crc32fast::hash(&[body, &head].concat());
        [checksum.to_le_bytes().as_slice(), &head, body].concat()
    }

    fn change(key: &[u8], value: &[u8]) -> Vec<u8> {
        [vec![0], bytes(key), bytes(value)].concat()
    }

    fn commit(number: u64, commit: u64) -> Vec<u8> {
        message(CHANGE, number, &change(COMMIT_KEY, &commit.to_be_bytes()))
    }

    fn page(number: u64, commit: u64) -> Vec<u8> {
        let keys = [bytes(b"\0a"), bytes(COMMIT_KEY), bytes(b"\0format")].concat();
        let values = [bytes(b""), bytes(&commit.to_be_bytes()), bytes(b"other")].concat();
        let fields = [varint(0), varint(0), vec![0, 0], bytes(b""), bytes(b"\x01k"), vec![0], varint(3)];
        message(PAGE, number, &[fields.concat(), keys, values].concat())
    }

    /// A segment with as much room as follows the messages; full if `is_full`.
    fn segment(number: u64, stable: i64, messages: &[Vec<u8>], is_full: bool) -> Vec<u8> {
        let fields = [((number as i64 * SEGMENT as i64) ^ LSN_MASK), stable ^ LSN_MASK];
        let fields = fields.map(i64::to_le_bytes).concat();
        let mut segment = [(!crc32fast::hash(&fields)).to_le_bytes().as_slice(), &fields].concat();
        segment.extend(messages.concat());
        if is_full {
            let room = SEGMENT - segment.len() - MESSAGE_HEAD_BYTES;
            segment.extend(message(CAP, number, &vec![0; room]));
        }
        segment.resize(SEGMENT, 0);
        segment
    }

    fn found(segments: &[Vec<u8>]) -> Result<Option<u64>, StoreError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), segments.concat()).unwrap();
        end_find(folder.path(), SEGMENT)
    }

    /// Segments 5, 2, 3 and 4 in this order; the tail is the last but one and the last.
    fn log() -> Vec<Vec<u8>> {
        let size = SEGMENT as i64;
        vec![
            segment(5, 4 * size + 900, &[commit(5, 9)], false),
            segment(2, 900, &[commit(2, 5), page(2, 6)], true),
            segment(3, 2 * size + 900, &[commit(3, 7)], true),
            segment(4, 3 * size + 900, &[page(4, 8)], true),
        ]
    }

    #[test]
    fn the_last_commit_is_found_in_changes_and_pages() {
        assert_eq!(found(&log()).unwrap(), Some(9));
        let mut without = log();
        without[0] = segment(5, 4 * SEGMENT as i64 + 900, &[], false);
        assert_eq!(found(&without).unwrap(), Some(8));
        assert_eq!(found(&[]).unwrap(), Some(0));
        assert_eq!(found(&[vec![0; SEGMENT]]).unwrap(), Some(0));
        // A page in a file of its own may hold a later one.
        without[0] = segment(5, 4 * SEGMENT as i64 + 900, &[message(9, 5, &[0; 8])], false);
        assert_eq!(found(&without).unwrap(), None);
    }

    #[test]
    fn a_flip_below_the_tail_is_refused_and_one_in_the_tail_ends_the_log() {
        for (place, segment) in log().iter().enumerate() {
            let used = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            for bit in 0..used * 8 {
                let mut broken = log();
                broken[place][bit / 8] ^= 1 << (bit % 8);
                match (place, found(&broken)) {
                    (_, Err(StoreError::Damaged { .. })) => {}
                    // Of the segment that begins the tail a whole message may be left.
                    (0, Ok(Some(8))) | (3, Ok(Some(7 | 8))) => {}
                    (_, other) => panic!("segment at {place}, bit {bit}: {other:?}"),
                }
            }
        }
    }

    /// Batch 9 begins in segment 3 and ends in segment 5, whose heads know of nothing stable after its beginning.
    #[test]
    fn a_tail_is_as_long_as_the_batch_in_which_the_last_segment_was_begun() {
        let size = SEGMENT as i64;
        let before = commit(3, 8);
        let begin = 3 * size + (SEGMENT_HEAD_BYTES + before.len()) as i64;
        let last = [message(CHANGE, 5, b"other"), commit(5, 9)].concat();
        let end = 5 * size + (SEGMENT_HEAD_BYTES + last.len()) as i64 - 1;
        let whole = [
            segment(2, size + 900, &[commit(2, 7)], true),
            segment(3, 2 * size + 900, &[before, message(BATCH, 3, &end.to_le_bytes())], true),
            segment(4, begin - 1, &[message(CHANGE, 4, b"other")], true),
            segment(5, begin - 1, &[last], false),
        ];
        assert_eq!(found(&whole).unwrap(), Some(9));
        for (place, segment) in whole.iter().enumerate() {
            let used = segment.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            for bit in 0..used * 8 {
                let mut broken = whole.to_vec();
                broken[place][bit / 8] ^= 1 << (bit % 8);
                match (place, found(&broken)) {
                    (_, Err(StoreError::Damaged { .. })) => {}
                    (1.., Ok(Some(7 | 8))) if bit >= SEGMENT_HEAD_BYTES * 8 => {}
                    (_, other) => panic!("segment at {place}, bit {bit}: {other:?}"),
                }
            }
        }
        let mut without = whole.to_vec();
        without[1].fill(0);
        assert!(matches!(found(&without), Err(StoreError::Damaged { .. })));
    }

    /// A short message can begin where only a head's room is left.
    #[test]
    fn a_flip_in_the_last_place_for_a_message_is_seen() {
        let with_last = |number: u64, stable, first: Vec<u8>| {
            let last = message(CHANGE, number, &change(b"a", b"b"));
            let room = SEGMENT - MESSAGE_HEAD_BYTES - SEGMENT_HEAD_BYTES - first.len();
            let filler = (0..room).map(|length| message(CHANGE, number, &vec![1; length]));
            let filler = filler.into_iter().find(|filler| filler.len() == room).unwrap();
            (segment(number, stable, &[first, filler, last.clone()], false), last.len())
        };
        let size = SEGMENT as i64;
        for (place, (segment, length), expected) in [
            (2, with_last(3, 2 * size + 900, commit(3, 7)), None),
            (3, with_last(4, 3 * size + 900, page(4, 8)), Some(8)),
        ] {
            let mut whole = log();
            whole[place] = segment;
            assert_eq!(found(&whole).unwrap(), Some(9));
            let begin = SEGMENT - MESSAGE_HEAD_BYTES;
            for bit in begin * 8..(begin + length) * 8 {
                let mut broken = whole.clone();
                broken[place][bit / 8] ^= 1 << (bit % 8);
                match (expected, found(&broken)) {
                    (None, Err(StoreError::Damaged { .. })) => {}
                    (Some(expected), Ok(Some(found))) if found == expected => {}
                    (_, other) => panic!("segment at {place}, bit {bit}: {other:?}"),
                }
            }
        }
    }

    /// The power went before the head of the new segment was on the disk.
    #[test]
    fn a_free_segment_that_is_begun_again_may_be_torn() {
        for (number, is_lawful) in [(6, true), (5, true), (3, false), (1, false)] {
            let mut torn = log();
            let rest = commit(number, 10);
            torn[1][100..SEGMENT].fill(0xa5);
            torn[1][2_000..2_000 + rest.len()].copy_from_slice(&rest);
            assert_eq!(found(&torn).is_ok(), is_lawful, "{number}");
        }
    }

    #[test]
    fn a_batch_whose_end_is_not_there_does_not_count() {
        let start = 5 * SEGMENT as i64 + SEGMENT_HEAD_BYTES as i64;
        let length = (message(BATCH, 5, &[0; 8]).len() + commit(5, 9).len()) as i64;
        for (end, expected) in [(start + length - 1, 9), (start + length, 8)] {
            let mut log = log();
            let batch = message(BATCH, 5, &end.to_le_bytes());
            log[0] = segment(5, 4 * SEGMENT as i64 + 900, &[batch, commit(5, 9)], false);
            assert_eq!(found(&log).unwrap(), Some(expected));
        }
    }

    #[test]
    fn a_log_that_ends_before_its_snapshot_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("db"), log().concat()).unwrap();
        let end = 5 * SEGMENT + SEGMENT_HEAD_BYTES + commit(5, 9).len();
        for (snapshot, is_lawful) in
            [(end, true), (end + 1, false), (5 * SEGMENT + 30, true), (6 * SEGMENT, true)]
        {
            let path = folder.path().join(format!("snap.{snapshot:016X}"));
            fs::write(&path, "").unwrap();
            assert_eq!(end_find(folder.path(), SEGMENT).is_ok(), is_lawful, "{snapshot}");
            fs::remove_file(path).unwrap();
        }
    }
}
