//! How values lie in their files.
//!
//! ```text
//! file    head, then frames, one after the other
//! head    `cx-values/2\n`, number of the file (u32)
//! frame   length of the key (u16), length of the value (u32), number of the commit (u64), CRC-32 of the value (u32),
//!         CRC-32 of all that and the key (u32), key, value; big-endian
//! ```
//!
//! The number is that of the commit the frame was written for. It tells what follows the end of a log that sled lost
//! from what one unfinished commit left. Files of format 1 have no head, and their frames only the two lengths before key
//! and value.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::error::StoreError;
use crate::limits;

use super::encoding::Place;

const HEAD_MAGIC: &[u8; 12] = b"cx-values/2\n";
const HEAD_BYTES: usize = HEAD_MAGIC.len() + 4;
/// Bytes of a frame before its key.
const FRAME_BYTES: usize = 2 + 4 + 8 + 4 + 4;
/// The same in files of format 1.
const FRAME_BYTES_V1: usize = 2 + 4;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As format 1 wrote it.
    V1,
    /// With a head and checksums.
    V2,
}

impl Form {
    /// The form of file `number`; `None` if its beginning fits none, or is not there.
    pub(crate) fn of(file: &File, number: u32) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD_BYTES];
        match file.read_exact_at(&mut head, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        if head == head_encode(number) {
            return Ok(Some(Self::V2));
        }
        // The magic would be a key longer than any.
        let key_length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        Ok((1..=limits::MAX_KEY_BYTES).contains(&key_length).then_some(Self::V1))
    }

    /// Where the first frame begins.
    pub(crate) fn head_bytes(self) -> u32 {
        match self {
            Self::V1 => 0,
            Self::V2 => HEAD_BYTES as u32,
        }
    }

    /// Bytes that a value takes in its file.
    pub(crate) fn frame_bytes(self, key_length: usize, place: Place) -> u32 {
        // Keys have at most 512 bytes.
        let beside = u32::try_from(self.header_bytes() + key_length).unwrap_or(u32::MAX);
        place.length.saturating_add(beside)
    }

    fn header_bytes(self) -> usize {
        match self {
            Self::V1 => FRAME_BYTES_V1,
            Self::V2 => FRAME_BYTES,
        }
    }
}

/// The head of file `number`.
pub(crate) fn head_encode(number: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..HEAD_MAGIC.len()].copy_from_slice(HEAD_MAGIC);
    head[HEAD_MAGIC.len()..].copy_from_slice(&number.to_be_bytes());
    head
}

/// Appends all of a frame but its value, and gives the CRC-32 of the value.
pub(crate) fn frame_begin(
    buffer: &mut Vec<u8>,
    commit: u64,
    key: &[u8],
    value: &[u8],
) -> Result<u32, StoreError> {
    let too_long = |_| StoreError::Damaged { detail: "a key or value passed its limit" };
    let key_length = u16::try_from(key.len()).map_err(too_long)?;
    let value_length = u32::try_from(value.len()).map_err(too_long)?;
    let checksum = crc32fast::hash(value);
    let header = header_encode(key_length, value_length, commit, checksum, key);
    buffer.extend_from_slice(&header);
    buffer.extend_from_slice(key);
    Ok(checksum)
}

fn header_encode(
    key_length: u16,
    value_length: u32,
    commit: u64,
    value_checksum: u32,
    key: &[u8],
) -> [u8; FRAME_BYTES] {
    let mut header = [0; FRAME_BYTES];
    header[..2].copy_from_slice(&key_length.to_be_bytes());
    header[2..6].copy_from_slice(&value_length.to_be_bytes());
    header[6..14].copy_from_slice(&commit.to_be_bytes());
    header[14..18].copy_from_slice(&value_checksum.to_be_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&header[..18]);
    checksum.update(key);
    header[18..].copy_from_slice(&checksum.finalize().to_be_bytes());
    header
}

/// A frame as it stands in a file, without its value.
pub(crate) struct FrameHead {
    pub(crate) key: Vec<u8>,
    /// Number of the commit it was written for; 0 in files of format 1.
    pub(crate) commit: u64,
    /// Where the value begins.
    pub(crate) value_offset: u32,
    pub(crate) value_length: u32,
    /// Where the next frame begins.
    pub(crate) next: u32,
}

/// The frame that begins at `offset`; `None` if what is there is not one, or not one that ends within `length`. In
/// files of format 1 any lengths that fit are taken for a frame.
pub(crate) fn frame_read(file: &File, form: Form, offset: u32, length: u32) -> io::Result<Option<FrameHead>> {
    let header_bytes = form.header_bytes() as u32;
    let Some(key_offset) = offset.checked_add(header_bytes).filter(|end| *end <= length) else {
        return Ok(None);
    };
    let mut header = [0; FRAME_BYTES];
    file.read_exact_at(&mut header[..form.header_bytes()], u64::from(offset))?;
    let key_length = u16::from_be_bytes([header[0], header[1]]);
    let value_length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    let fits =
        usize::from(key_length) <= limits::MAX_KEY_BYTES && value_length as usize <= limits::MAX_VALUE_BYTES;
    let value_offset = key_offset.saturating_add(u32::from(key_length));
    let next = value_offset.saturating_add(value_length);
    if !fits || key_length == 0 || next > length {
        return Ok(None);
    }
    let mut key = vec![0; usize::from(key_length)];
    file.read_exact_at(&mut key, u64::from(key_offset))?;
    let commit = match form {
        Form::V1 => 0,
        Form::V2 => {
            let (_, numbers) = header.split_at(6);
            let commit = numbers.first_chunk().copied().map_or(0, u64::from_be_bytes);
            let value_checksum = u32::from_be_bytes([header[14], header[15], header[16], header[17]]);
            if header != header_encode(key_length, value_length, commit, value_checksum, &key) {
                return Ok(None);
            }
            commit
        }
    };
    Ok(Some(FrameHead { key, commit, value_offset, value_length, next }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flip_before_the_value_is_read_as_a_frame() {
        let mut bytes = head_encode(7).to_vec();
        frame_begin(&mut bytes, 9, b"key", b"value").unwrap();
        let value_offset = bytes.len();
        bytes.extend_from_slice(b"value");
        let length = u32::try_from(bytes.len()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let file = File::open(&path).unwrap();
            (Form::of(&file, 7).unwrap(), frame_read(&file, Form::V2, HEAD_BYTES as u32, length).unwrap())
        };
        let (form, frame) = read(&bytes);
        let frame = frame.unwrap();
        assert_eq!((form, frame.key.as_slice(), frame.commit), (Some(Form::V2), b"key".as_slice(), 9));
        assert_eq!((frame.value_offset as usize, frame.next), (value_offset, length));
        for bit in 0..value_offset * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let (form, frame) = read(&broken);
            assert!(form.is_none() || frame.is_none(), "bit {bit}");
        }
    }
}
