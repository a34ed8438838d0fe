//! Which encoding a text file is in, and its text without a single lost character.
//!
//! The order is fixed: byte order mark, else strict UTF-8, else GB18030. The decision reads the whole file once,
//! because a GB18030 file can begin with a megabyte of ASCII; the same pass gives the file's digest.

use std::io::{Read, Seek, SeekFrom};

use chengxin_schemas::digest::{Sha256, Sha256Stream};
use encoding_rs::{Decoder, DecoderResult, GB18030};

use crate::error::ImportError;

/// The encoding of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextEncoding {
    /// UTF-8 without a byte order mark.
    Utf8,
    /// UTF-8 with a byte order mark, as Excel writes "CSV UTF-8".
    Utf8Bom,
    /// GB18030-2022, of which GBK and GB 2312 are parts.
    Gb18030,
}

impl TextEncoding {
    /// The name for people and machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Bom => "UTF-8 with BOM",
            Self::Gb18030 => "GB18030",
        }
    }
}

/// Size of the buffer for reading and decoding.
const CHUNK_BYTES: usize = 64 * 1024;
/// So many valid three-byte sequences before the first invalid byte cannot be GB18030 by chance: the file is UTF-8
/// with a damaged byte, and reading it as GB18030 would turn every character into another.
const UTF8_EVIDENCE: u32 = 8;
const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// What one pass over a text file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextScan {
    /// The encoding.
    pub encoding: TextEncoding,
    /// SHA-256 of all bytes.
    pub digest: Sha256,
    /// Length in bytes.
    pub length: u64,
}

/// Reads the whole file once and decides its encoding.
///
/// # Errors
/// [`ImportError::Undecodable`] for a file with a mark or clear signs of UTF-8 that is not valid UTF-8,
/// [`ImportError::TooLarge`] beyond `limit` bytes, [`ImportError::Empty`], [`ImportError::Read`].
pub fn text_scan(reader: &mut impl Read, limit: u64) -> Result<TextScan, ImportError> {
    let mut digest = Sha256Stream::new();
    let mut check = Utf8Check::default();
    let mut buffer = vec![0_u8; CHUNK_BYTES];
    let mut length = 0_u64;
    let mut bom = false;
    loop {
        let count = reader_fill(reader, &mut buffer)?;
        if count == 0 {
            break;
        }
        let chunk = &buffer[..count];
        if length == 0 {
            bom = chunk.starts_with(&BOM);
        }
        length = length.saturating_add(count as u64);
        if length > limit {
            return Err(ImportError::TooLarge { what: "bytes of a CSV file", limit });
        }
        digest.update(chunk);
        check.chunk_add(chunk);
    }
    check.finish();
    if length == 0 {
        return Err(ImportError::Empty);
    }
    let encoding = match check.invalid {
        None if bom => TextEncoding::Utf8Bom,
        None => TextEncoding::Utf8,
        Some(place) if bom || check.evidence >= UTF8_EVIDENCE => {
            return Err(ImportError::Undecodable {
                encoding: "UTF-8",
                line: place.line,
                offset: place.offset,
            });
        }
        Some(_) => TextEncoding::Gb18030,
    };
    Ok(TextScan { encoding, digest: digest.finish(), length })
}

/// Fills the buffer as far as the file reaches, so that a short read is always the end.
fn reader_fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ImportError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImportError::Read(error)),
        }
    }
    Ok(filled)
}

#[derive(Clone, Copy, Debug)]
struct Place {
    line: u64,
    offset: u64,
}

/// Incremental strict validation of UTF-8; stops looking at the first invalid byte.
#[derive(Default)]
struct Utf8Check {
    /// An incomplete sequence at the end of the last chunk: at most three bytes.
    carry: Vec<u8>,
    offset: u64,
    lines: u64,
    evidence: u32,
    invalid: Option<Place>,
}

impl Utf8Check {
    fn chunk_add(&mut self, chunk: &[u8]) {
        if self.invalid.is_some() {
            return;
        }
        let mut rest = chunk;
        while !self.carry.is_empty() && !rest.is_empty() {
            self.carry.push(rest[0]);
            rest = &rest[1..];
            let carry = std::mem::take(&mut self.carry);
            self.part_add(&carry);
            if self.invalid.is_some() {
                return;
            }
        }
        self.part_add(rest);
    }

    fn part_add(&mut self, part: &[u8]) {
        let (valid, incomplete) = match std::str::from_utf8(part) {
            Ok(_) => (part.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_none()),
        };
        let good = &part[..valid];
        if self.evidence < UTF8_EVIDENCE {
            let sequences = good.iter().filter(|byte| (0xE1..=0xEF).contains(*byte)).count();
            self.evidence = self.evidence.saturating_add(u32::try_from(sequences).unwrap_or(u32::MAX));
        }
        self.lines += good.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset += valid as u64;
        if valid < part.len() {
            if incomplete {
                self.carry = part[valid..].to_vec();
            } else {
                self.invalid = Some(Place { line: self.lines + 1, offset: self.offset });
            }
        }
    }

    fn finish(&mut self) {
        if self.invalid.is_none() && !self.carry.is_empty() {
            self.invalid = Some(Place { line: self.lines + 1, offset: self.offset });
        }
    }
}

/// The text of a file, chunk by chunk, in UTF-8. An undecodable byte is an error with its place.
pub struct DecodedText<R> {
    reader: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    /// Bytes of `raw` that are read and not yet decoded.
    pending: std::ops::Range<usize>,
    offset: u64,
    lines: u64,
    at_end: bool,
    finished: bool,
}

impl<R: Read + Seek> DecodedText<R> {
    /// Starts at the first character of the file, after any byte order mark.
    pub fn new(mut reader: R, encoding: TextEncoding) -> Result<Self, ImportError> {
        let start = match encoding {
            TextEncoding::Utf8Bom => BOM.len() as u64,
            TextEncoding::Utf8 | TextEncoding::Gb18030 => 0,
        };
        reader.seek(SeekFrom::Start(start)).map_err(ImportError::Read)?;
        let decoder = match encoding {
            TextEncoding::Gb18030 => Some(GB18030.new_decoder_without_bom_handling()),
            TextEncoding::Utf8 | TextEncoding::Utf8Bom => None,
        };
        Ok(Self {
            reader,
            decoder,
            raw: vec![0; CHUNK_BYTES],
            pending: 0..0,
            offset: start,
            lines: 0,
            at_end: false,
            finished: false,
        })
    }

    /// Gives the reader back, wherever it stands.
    pub fn into_reader(self) -> R {
        self.reader
    }

    /// Replaces `text` with the next bytes of text; false at the end of the file. UTF-8 chunks may end inside a
    /// character, so the receiver validates once a row is complete.
    pub fn chunk_read(&mut self, text: &mut Vec<u8>) -> Result<bool, ImportError> {
        text.clear();
        if self.decoder.is_none() {
            text.resize(CHUNK_BYTES, 0);
            let count = reader_fill(&mut self.reader, text)?;
            text.truncate(count);
            self.offset += count as u64;
            return Ok(count > 0);
        }
        while text.is_empty() && !self.finished {
            if self.pending.is_empty() && !self.at_end {
                let count = reader_fill(&mut self.reader, &mut self.raw)?;
                self.pending = 0..count;
                self.at_end = count < self.raw.len();
            }
            self.pending_decode(text)?;
        }
        Ok(!text.is_empty())
    }

    fn pending_decode(&mut self, text: &mut Vec<u8>) -> Result<(), ImportError> {
        let Some(decoder) = self.decoder.as_mut() else { return Ok(()) };
        // Two bytes of GB18030 become at most three of UTF-8.
        text.resize(CHUNK_BYTES * 2, 0);
        let source = &self.raw[self.pending.clone()];
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(source, text, self.at_end);
        text.truncate(written);
        self.pending.start += read;
        self.offset += read as u64;
        self.lines += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        match result {
            DecoderResult::InputEmpty => {
                self.finished = self.at_end;
                Ok(())
            }
            DecoderResult::OutputFull => Ok(()),
            DecoderResult::Malformed(length, after) => Err(ImportError::Undecodable {
                encoding: "GB18030",
                line: self.lines + 1,
                offset: self.offset.saturating_sub(u64::from(length) + u64::from(after)),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn text_read(bytes: &[u8]) -> Result<(TextEncoding, String), ImportError> {
        let scan = text_scan(&mut Cursor::new(bytes), u64::MAX)?;
        assert_eq!(scan.digest, Sha256::of(bytes));
        let mut decoded = DecodedText::new(Cursor::new(bytes), scan.encoding)?;
        let (mut all, mut chunk) = (Vec::new(), Vec::new());
        while decoded.chunk_read(&mut chunk)? {
            all.extend_from_slice(&chunk);
        }
        Ok((scan.encoding, String::from_utf8(all).expect("decoded text is UTF-8")))
    }

    #[test]
    fn every_supported_encoding_gives_the_same_text() {
        let text = "名称,代码\n示例𬭎䶮公司,１\n".repeat(9000);
        assert_eq!(text_read(text.as_bytes()).expect("utf-8"), (TextEncoding::Utf8, text.clone()));
        let marked = [&BOM[..], text.as_bytes()].concat();
        assert_eq!(text_read(&marked).expect("bom"), (TextEncoding::Utf8Bom, text.clone()));
        let (gb, _, replaced) = GB18030.encode(&text);
        assert!(!replaced);
        assert_eq!(text_read(&gb).expect("gb18030"), (TextEncoding::Gb18030, text));
    }

    #[test]
    fn a_damaged_byte_is_named_and_never_replaced() {
        let mut bytes = "行政相对人名称\n示例一二三四五六\n".as_bytes().to_vec();
        bytes.extend_from_slice(b"ab\xFFcd\n");
        match text_read(&bytes) {
            Err(ImportError::Undecodable { encoding: "UTF-8", line: 3, offset }) => {
                assert_eq!(bytes[usize::try_from(offset).expect("small")], 0xFF);
            }
            other => panic!("{other:?}"),
        }
        let mut bytes = GB18030.encode("名称\n示例\n").0.into_owned();
        bytes.extend_from_slice(b"ab\xFF\n");
        match text_read(&bytes) {
            Err(ImportError::Undecodable { encoding: "GB18030", line: 3, offset }) => {
                assert_eq!(bytes[usize::try_from(offset).expect("small")], 0xFF);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_character_cut_off_at_the_end_is_an_error() {
        let bytes = "行政相对人名称一二三".as_bytes();
        assert!(matches!(text_read(&bytes[..bytes.len() - 1]), Err(ImportError::Undecodable { .. })));
        let bytes = GB18030.encode("名称").0.into_owned();
        assert!(matches!(text_read(&bytes[..3]), Err(ImportError::Undecodable { .. })));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_decode_or_err(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = text_read(&bytes);
        }
    }
}
