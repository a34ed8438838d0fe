//! The header of an age file, checked to the letter before the library reads it. The library also reads stanzas of an
//! older draft (a body without its short last line), which the specification forbids: one file, two readings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::error::SchemaError;

/// Most stanzas read: four recipients, and decoys that writers add. Bounds the trial decryptions.
const STANZAS_LIMIT: usize = 8;
/// Longest header in bytes: eight stanzas of a few lines each stay far below.
const HEADER_LIMIT: usize = 8 * 1024;
/// Columns of a full line of a stanza's body.
const COLUMNS: usize = 64;

const VERSION: &str = "age-encryption.org/v1";

pub(super) fn malformed(reason: &str) -> SchemaError {
    SchemaError::Malformed { form: "age", reason: reason.to_owned() }
}

/// Checks the header at the start of `sealed`: version line, one to eight stanzas in the form the specification gives
/// them, none for a passphrase, one at least for X25519, and a MAC line.
pub(super) fn check(sealed: &[u8]) -> Result<(), SchemaError> {
    let mut lines = Lines { rest: sealed.get(..sealed.len().min(HEADER_LIMIT)).unwrap_or_default() };
    if lines.next()? != VERSION {
        return Err(malformed("the first line is not age-encryption.org/v1"));
    }
    let mut stanzas = 0_usize;
    let mut ours = 0_usize;
    loop {
        let line = lines.next()?;
        let Some(arguments) = line.strip_prefix("-> ") else {
            mac_check(line)?;
            break;
        };
        stanzas += 1;
        if stanzas > STANZAS_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "age header",
                unit: "stanzas",
                actual: stanzas,
                limit: STANZAS_LIMIT,
            });
        }
        let body_length = body_check(&mut lines)?;
        ours += usize::from(stanza_check(arguments, body_length)?);
    }
    match ours {
        0 => Err(malformed("no stanza for an X25519 key")),
        _ => Ok(()),
    }
}

/// Checks the arguments of a stanza; true for X25519.
fn stanza_check(arguments: &str, body_length: usize) -> Result<bool, SchemaError> {
    let mut arguments = arguments.split(' ');
    let visible =
        |argument: &str| !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_graphic());
    if !arguments.clone().all(visible) {
        return Err(malformed("a stanza's argument is empty or not visible ASCII"));
    }
    match arguments.next() {
        Some("X25519") => {
            let share = arguments.next().and_then(|share| STANDARD_NO_PAD.decode(share).ok());
            // 16 bytes of file key and the tag: another length is an attempt to try several keys at once.
            if share.is_none_or(|share| share.len() != 32) || arguments.next().is_some() || body_length != 32
            {
                return Err(malformed("an X25519 stanza is not one share of 32 bytes and a body of 32"));
            }
            Ok(true)
        }
        Some("scrypt") => Err(malformed("sealed with a passphrase, not to keys")),
        _ => Ok(false),
    }
}

/// Reads a body: full lines, then one shorter line, which may be empty. Returns the decoded length.
fn body_check(lines: &mut Lines<'_>) -> Result<usize, SchemaError> {
    let mut length = 0_usize;
    loop {
        let line = lines.next()?;
        if line.len() > COLUMNS {
            return Err(malformed("a line of a stanza's body is longer than 64 columns"));
        }
        let decoded = STANDARD_NO_PAD.decode(line).map_err(|_| {
            malformed("a stanza's body is not canonical base64, or lacks its short last line")
        })?;
        length += decoded.len();
        if line.len() < COLUMNS {
            return Ok(length);
        }
    }
}

fn mac_check(line: &str) -> Result<(), SchemaError> {
    let mac = line.strip_prefix("--- ").and_then(|mac| STANDARD_NO_PAD.decode(mac).ok());
    match mac {
        Some(mac) if mac.len() == 32 => Ok(()),
        _ => Err(malformed("neither a stanza nor the line with the header's MAC")),
    }
}

/// Lines ended by LF alone.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, SchemaError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let (line, rest) = end
            .and_then(|end| Some((self.rest.get(..end)?, self.rest.get(end + 1..)?)))
            .ok_or_else(|| malformed("the header does not end"))?;
        self.rest = rest;
        std::str::from_utf8(line).map_err(|_| malformed("the header is not ASCII"))
    }
}
