//! The frames on a stream, as pure functions: bytes in, frames or a reason out. No input or output here.
//!
//! A frame is `u32 length | u8 kind | u64 id | payload`, numbers big-endian, `length` counting everything after
//! itself. An asker sends requests, cancellations and pings; an answerer sends responses, refusals and pongs.
//! Anything else is malformed, and a stream is not read further after a malformed frame: its borders are unknown.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chengxin_schemas::ErrorCode;

use crate::limits::REFUSAL_TEXT_BYTES;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 13;

/// What `length` counts besides the payload: kind and id.
const HEADER_COUNTED: usize = 9;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A question; the id is chosen by the asker and used once per stream.
    Request,
    /// The answer to the request with the same id.
    Response,
    /// No answer, and why: see [`Refusal`].
    Refusal,
    /// The asker no longer waits for this id. Work begun is finished; only the answer is not sent.
    Cancel,
    /// Are you there? Answered by a pong with the same id.
    Ping,
    /// I am.
    Pong,
}

impl FrameKind {
    fn number(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Refusal => 3,
            Self::Cancel => 4,
            Self::Ping => 5,
            Self::Pong => 6,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Request),
            2 => Some(Self::Response),
            3 => Some(Self::Refusal),
            4 => Some(Self::Cancel),
            5 => Some(Self::Ping),
            6 => Some(Self::Pong),
            _ => None,
        }
    }
}

/// Why bytes are not a frame. Each of these is the peer's fault and counts as a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is below the nine bytes that every frame has.
    #[error("a frame states an impossible length of {0}")]
    Length(u32),
    /// No such kind, or a kind that this side never receives.
    #[error("a frame of kind {0} does not belong here")]
    Kind(u8),
    /// Longer than this kind may be.
    #[error("a frame states {bytes} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Stated payload length.
        bytes: usize,
        /// The limit of its kind.
        limit: usize,
    },
    /// A refusal whose payload does not parse.
    #[error("a refusal cannot be read")]
    Refusal,
    /// An id that is in use, or an answer to a question never asked.
    #[error("a frame has an id that it cannot have")]
    Id,
}

/// Which side of a stream reads, and how long payloads may be.
#[derive(Clone, Copy, Debug)]
pub enum ReadRole {
    /// Reads requests, cancellations and pings.
    Answerer {
        /// Longest request.
        request_bytes: usize,
    },
    /// Reads responses, refusals and pongs.
    Asker {
        /// Longest response.
        response_bytes: usize,
    },
}

impl ReadRole {
    /// The longest payload of a kind, or `None` when this side never receives it.
    fn payload_limit(self, kind: FrameKind) -> Option<usize> {
        match (self, kind) {
            (Self::Answerer { request_bytes }, FrameKind::Request) => Some(request_bytes),
            (Self::Answerer { .. }, FrameKind::Cancel | FrameKind::Ping) => Some(0),
            (Self::Asker { response_bytes }, FrameKind::Response) => Some(response_bytes),
            (Self::Asker { .. }, FrameKind::Refusal) => Some(REFUSAL_HEADER + REFUSAL_TEXT_BYTES),
            (Self::Asker { .. }, FrameKind::Pong) => Some(0),
            (Self::Answerer { .. }, FrameKind::Response | FrameKind::Refusal | FrameKind::Pong)
            | (Self::Asker { .. }, FrameKind::Request | FrameKind::Cancel | FrameKind::Ping) => None,
        }
    }
}

/// The first 13 bytes of a frame, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: FrameKind,
    /// Which request it belongs to.
    pub id: u64,
    /// Bytes that follow; within the limit of the kind.
    pub payload_bytes: usize,
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: FrameKind,
    /// Which request it belongs to.
    pub id: u64,
    /// What it carries.
    pub payload: Bytes,
}

/// The header at the start of `bytes`, or `None` when too few have arrived. Everything is checked before any
/// payload is waited for, so a false length costs the reader nothing.
///
/// # Errors
/// [`FrameError`] when no frame can begin so.
pub fn header_decode(bytes: &[u8], role: ReadRole) -> Result<Option<Header>, FrameError> {
    let mut reader = bytes;
    if reader.len() < HEADER_BYTES {
        // A wrong length or kind is known before the header is complete, but deciding on whole headers
        // keeps this function free of half states; 13 bytes cost nothing.
        return Ok(None);
    }
    let length = reader.get_u32();
    let kind_number = reader.get_u8();
    let id = reader.get_u64();
    let payload_bytes = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(HEADER_COUNTED))
        .ok_or(FrameError::Length(length))?;
    let kind = FrameKind::from_number(kind_number).ok_or(FrameError::Kind(kind_number))?;
    let limit = role.payload_limit(kind).ok_or(FrameError::Kind(kind_number))?;
    if payload_bytes > limit {
        return Err(FrameError::TooLarge { bytes: payload_bytes, limit });
    }
    Ok(Some(Header { kind, id, payload_bytes }))
}

/// Writes a frame's header. Callers have checked the payload against the limits; a length beyond `u32` is an error.
///
/// # Errors
/// [`FrameError::TooLarge`] when the length cannot be stated.
pub fn header_encode(
    kind: FrameKind,
    id: u64,
    payload_bytes: usize,
    out: &mut BytesMut,
) -> Result<(), FrameError> {
    let length = payload_bytes
        .checked_add(HEADER_COUNTED)
        .and_then(|length| u32::try_from(length).ok())
        .ok_or(FrameError::TooLarge { bytes: payload_bytes, limit: u32::MAX as usize - HEADER_COUNTED })?;
    out.put_u32(length);
    out.put_u8(kind.number());
    out.put_u64(id);
    Ok(())
}

/// Who refuses, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The peer's transport: too much in progress. The request was not begun.
    Busy,
    /// The peer's transport: the request was handled, but there was no room to keep its answer until it is read.
    AnswerDropped,
    /// The peer's transport: the request was handled, but its answer would have been longer than allowed.
    AnswerTooLarge {
        /// Size of the answer that was not sent.
        bytes: u32,
        /// The peer's limit.
        limit: u32,
    },
    /// The peer's transport, for a reason that this version has no name for: a newer peer. Whether the request was handled
    /// is not known.
    Unknown {
        /// The reason's number.
        number: u8,
    },
    /// The peer's application.
    Application {
        /// The reason's class.
        code: ErrorCode,
        /// The reason in words.
        text: String,
    },
}

/// Origin and number: what every refusal begins with.
const REFUSAL_HEADER: usize = 2;

const ORIGIN_TRANSPORT: u8 = 0;
const ORIGIN_APPLICATION: u8 = 1;
const TRANSPORT_BUSY: u8 = 1;
const TRANSPORT_ANSWER_TOO_LARGE: u8 = 2;
const TRANSPORT_ANSWER_DROPPED: u8 = 3;

impl Refusal {
    /// The payload of a refusal frame: `u8 origin | u8 number | text or numbers`. Longer text is cut at a character.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        match self {
            Self::Busy => {
                out.put_u8(ORIGIN_TRANSPORT);
                out.put_u8(TRANSPORT_BUSY);
            }
            Self::AnswerDropped => {
                out.put_u8(ORIGIN_TRANSPORT);
                out.put_u8(TRANSPORT_ANSWER_DROPPED);
            }
            Self::AnswerTooLarge { bytes, limit } => {
                out.put_u8(ORIGIN_TRANSPORT);
                out.put_u8(TRANSPORT_ANSWER_TOO_LARGE);
                out.put_u32(*bytes);
                out.put_u32(*limit);
            }
            Self::Unknown { number } => {
                out.put_u8(ORIGIN_TRANSPORT);
                out.put_u8(*number);
            }
            Self::Application { code, text } => {
                out.put_u8(ORIGIN_APPLICATION);
                out.put_u8(code_number(*code));
                out.put_slice(&text.as_bytes()[..text.floor_char_boundary(REFUSAL_TEXT_BYTES)]);
            }
        }
        out.freeze()
    }

    /// Reads the payload of a refusal frame. In its text, control characters and those that turn the direction of
    /// writing become spaces: it is shown and logged here, and a stranger wrote it.
    ///
    /// # Errors
    /// [`FrameError::Refusal`] when it is cut off, has bytes left over behind a number that is known, or its text is not
    /// UTF-8.
    pub fn decode(payload: &[u8]) -> Result<Self, FrameError> {
        let [origin, number, rest @ ..] = payload else { return Err(FrameError::Refusal) };
        match (*origin, *number) {
            (ORIGIN_TRANSPORT, TRANSPORT_BUSY) if rest.is_empty() => Ok(Self::Busy),
            (ORIGIN_TRANSPORT, TRANSPORT_ANSWER_DROPPED) if rest.is_empty() => Ok(Self::AnswerDropped),
            (ORIGIN_TRANSPORT, TRANSPORT_ANSWER_TOO_LARGE) if rest.len() == 8 => {
                let mut rest = rest;
                Ok(Self::AnswerTooLarge { bytes: rest.get_u32(), limit: rest.get_u32() })
            }
            (ORIGIN_TRANSPORT, TRANSPORT_BUSY | TRANSPORT_ANSWER_DROPPED | TRANSPORT_ANSWER_TOO_LARGE) => {
                Err(FrameError::Refusal)
            }
            // What follows the number is for those who know it.
            (ORIGIN_TRANSPORT, number) => Ok(Self::Unknown { number }),
            (ORIGIN_APPLICATION, number) if rest.len() <= REFUSAL_TEXT_BYTES => {
                let text = std::str::from_utf8(rest).map_err(|_| FrameError::Refusal)?;
                let text = text.replace(shows_falsely, " ");
                Ok(Self::Application { code: code_from_number(number), text })
            }
            (_, _) => Err(FrameError::Refusal),
        }
    }
}

/// Whether a character makes a text look like what it is not: control characters, line and paragraph separators, and
/// the marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9).
fn shows_falsely(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Numbers on the wire: only ever added to.
fn code_number(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Invalid => 1,
        ErrorCode::NotFound => 2,
        ErrorCode::Denied => 3,
        ErrorCode::Unauthenticated => 4,
        ErrorCode::Conflict => 5,
        ErrorCode::Integrity => 6,
        ErrorCode::Expired => 7,
        ErrorCode::TooLarge => 8,
        ErrorCode::Busy => 9,
        ErrorCode::Unavailable => 10,
        ErrorCode::Timeout => 11,
        ErrorCode::Internal => 12,
    }
}

/// A number that this version does not know comes from a newer peer: the text still says what happened.
fn code_from_number(number: u8) -> ErrorCode {
    match number {
        1 => ErrorCode::Invalid,
        2 => ErrorCode::NotFound,
        3 => ErrorCode::Denied,
        4 => ErrorCode::Unauthenticated,
        5 => ErrorCode::Conflict,
        6 => ErrorCode::Integrity,
        7 => ErrorCode::Expired,
        8 => ErrorCode::TooLarge,
        9 => ErrorCode::Busy,
        10 => ErrorCode::Unavailable,
        11 => ErrorCode::Timeout,
        _ => ErrorCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWERER: ReadRole = ReadRole::Answerer { request_bytes: 1000 };
    const ASKER: ReadRole = ReadRole::Asker { response_bytes: 1000 };

    fn header_bytes(length: u32, kind: u8, id: u64) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u32(length);
        out.put_u8(kind);
        out.put_u64(id);
        out
    }

    fn check_header(length: u32, kind: u8, role: ReadRole, expected: Result<FrameKind, FrameError>) {
        let got = header_decode(&header_bytes(length, kind, 5), role)
            .map(|header| header.expect("13 bytes are a whole header").kind);
        assert_eq!(got, expected, "length {length} kind {kind} {role:?}");
    }

    #[test]
    fn header_limits() {
        check_header(9, 1, ANSWERER, Ok(FrameKind::Request));
        check_header(1009, 1, ANSWERER, Ok(FrameKind::Request));
        check_header(1010, 1, ANSWERER, Err(FrameError::TooLarge { bytes: 1001, limit: 1000 }));
        check_header(u32::MAX, 1, ANSWERER, Err(FrameError::TooLarge { bytes: 4_294_967_286, limit: 1000 }));
        check_header(8, 1, ANSWERER, Err(FrameError::Length(8)));
        check_header(0, 1, ANSWERER, Err(FrameError::Length(0)));
        check_header(10, 5, ANSWERER, Err(FrameError::TooLarge { bytes: 1, limit: 0 }));
        check_header(9, 2, ANSWERER, Err(FrameError::Kind(2)));
        check_header(9, 0, ANSWERER, Err(FrameError::Kind(0)));
        check_header(9, 7, ASKER, Err(FrameError::Kind(7)));
        check_header(9, 1, ASKER, Err(FrameError::Kind(1)));
        check_header(9, 6, ASKER, Ok(FrameKind::Pong));
        check_header(2059, 3, ASKER, Ok(FrameKind::Refusal));
        check_header(2060, 3, ASKER, Err(FrameError::TooLarge { bytes: 2051, limit: 2050 }));
    }

    #[test]
    fn golden_bytes() {
        let mut out = BytesMut::new();
        header_encode(FrameKind::Request, 0x0102_0304_0506_0708, 2, &mut out).unwrap();
        assert_eq!(&out[..], [0, 0, 0, 11, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        let refusal = Refusal::Application { code: ErrorCode::Denied, text: "诚".into() };
        assert_eq!(&refusal.encode()[..], [1, 3, 0xe8, 0xaf, 0x9a]);
        // A newer peer's reason is no offence.
        for payload in [&[0, 200][..], &[0, 200, 1, 2]] {
            assert_eq!(Refusal::decode(payload), Ok(Refusal::Unknown { number: 200 }));
        }
        assert_eq!(Refusal::decode(&[0, 1, 0]), Err(FrameError::Refusal));
        assert_eq!(&Refusal::Busy.encode()[..], [0, 1]);
        assert_eq!(&Refusal::AnswerDropped.encode()[..], [0, 3]);
        assert_eq!(
            &Refusal::AnswerTooLarge { bytes: 258, limit: 3 }.encode()[..],
            [0, 2, 0, 0, 1, 2, 0, 0, 0, 3]
        );
    }

    #[test]
    fn refusal_text_is_cut_at_a_character() {
        let text = "诚".repeat(1000);
        let payload = Refusal::Application { code: ErrorCode::Denied, text }.encode();
        match Refusal::decode(&payload).unwrap() {
            Refusal::Application { text, .. } => assert_eq!(text, "诚".repeat(REFUSAL_TEXT_BYTES / 3)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusal_text_is_cleaned() {
        let text = "不受理\r\n\u{1b}[2J2026 INFO all is well\u{202e}\u{7f}\u{85}\u{2028}".into();
        let payload = Refusal::Application { code: ErrorCode::Denied, text }.encode();
        match Refusal::decode(&payload).unwrap() {
            Refusal::Application { text, .. } => assert_eq!(text, "不受理   [2J2026 INFO all is well    "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_code_keeps_its_number() {
        for number in 1..=12 {
            assert_eq!(code_number(code_from_number(number)), number);
        }
    }

    proptest! {
        #[test]
        fn header_reads_back(id in any::<u64>(), payload_bytes in 0_usize..=1000) {
            let mut out = BytesMut::new();
            header_encode(FrameKind::Request, id, payload_bytes, &mut out).unwrap();
            prop_assert_eq!(out.len(), HEADER_BYTES);
            prop_assert_eq!(
                header_decode(&out, ANSWERER),
                Ok(Some(Header { kind: FrameKind::Request, id, payload_bytes }))
            );
            for cut in 0..HEADER_BYTES {
                prop_assert_eq!(header_decode(&out[..cut], ANSWERER), Ok(None));
            }
        }

        #[test]
        fn any_header_is_within_limits_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            for role in [ANSWERER, ASKER] {
                if let Ok(Some(header)) = header_decode(&bytes, role) {
                    prop_assert!(header.payload_bytes <= 2050);
                    // What is accepted is written back identically.
                    let mut out = BytesMut::new();
                    header_encode(header.kind, header.id, header.payload_bytes, &mut out).unwrap();
                    prop_assert_eq!(&out[..], &bytes[..HEADER_BYTES]);
                }
            }
        }

        #[test]
        fn any_refusal_parses_or_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(refusal) = Refusal::decode(&bytes) {
                prop_assert_eq!(Refusal::decode(&refusal.encode()), Ok(refusal));
            }
        }

        #[test]
        fn refusal_reads_back(text in "[^\\p{C}\\p{Zl}\\p{Zp}]{0,300}", number in 1_u8..=12) {
            let refusal = Refusal::Application { code: code_from_number(number), text };
            prop_assert_eq!(Refusal::decode(&refusal.encode()), Ok(refusal));
        }
    }
}
