//! Sealing with age v1 (C2SP age): what is sent lies padded in a file that only its recipients open.
//!
//! age authenticates no sender and shows the length, so what is sealed is signed before and padded here. One file per
//! recipient agency, to its node key and its offline recovery key: opening costs grow with the square of the number of
//! recipients, and no recipient should learn who else was told.
//!
//! Randomness: the age library takes the file key, the ephemeral keys and the nonce from the operating system and
//! offers no way to pass them in, so two sealings of one text differ. Nothing else that this crate makes takes randomness
//! that was not handed to it.

mod header;

use std::io::{Read as _, Write as _};
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use aws_lc_rs::agreement;
use zeroize::Zeroizing;

use crate::error::SchemaError;

/// Most recipients of one file: node and recovery key, and their successors while keys are rotated.
pub const RECIPIENTS_LIMIT: usize = 4;
/// Length of the prefix that says how long the text before the padding is.
const LENGTH_PREFIX: usize = 4;

/// A public key to seal to (X25519, `age1…`).
#[derive(Clone, PartialEq, Eq)]
pub struct SealRecipient(x25519::Recipient);

impl std::str::FromStr for SealRecipient {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let wrong = |reason: &'static str| {
            SchemaError::field("age_recipient", reason, "give the age1… line of an X25519 key")
        };
        let recipient = x25519::Recipient::from_str(text).map_err(|_| wrong("not an age recipient"))?;
        // One spelling per key, so that texts compare.
        if recipient.to_string() != text {
            return Err(wrong("not in lower case"));
        }
        let (_, bytes) = bech32::decode(text).map_err(|_| wrong("not an age recipient"))?;
        match contributes(&bytes) {
            true => Ok(Self(recipient)),
            false => Err(wrong("a point of small order: anybody could open what is sealed to it")),
        }
    }
}

/// Whether an X25519 key takes part in the agreement. With one of the few points of small order the shared secret is
/// known to everybody, and the age library stops the process when it meets one.
fn contributes(point: &[u8]) -> bool {
    let Ok(ours) = agreement::PrivateKey::from_private_key(&agreement::X25519, &[0x42; 32]) else {
        return false;
    };
    let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, point);
    agreement::agree(&ours, theirs, (), |shared| match shared.iter().all(|byte| *byte == 0) {
        true => Err(()),
        false => Ok(()),
    })
    .is_ok()
}

impl std::fmt::Display for SealRecipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::fmt::Debug for SealRecipient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SealRecipient({})", self.0)
    }
}

/// A private key that opens what was sealed to its recipient.
pub struct SealIdentity(x25519::Identity);

impl SealIdentity {
    /// The key of 32 random bytes.
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Result<Self, SchemaError> {
        let wrong = || SchemaError::Key { reason: "the seed is not an age identity".to_owned() };
        let prefix = bech32::Hrp::parse("age-secret-key-").map_err(|_| wrong())?;
        let text = bech32::encode_upper::<bech32::Bech32>(prefix, seed.as_ref())
            .map(Zeroizing::new)
            .map_err(|_| wrong())?;
        Self::parse(&text)
    }

    /// Parses `AGE-SECRET-KEY-1…`, the form of key files, without surrounding space.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        x25519::Identity::from_str(text)
            .map(Self)
            .map_err(|_| SchemaError::Key { reason: "not an age identity (AGE-SECRET-KEY-1…)".to_owned() })
    }

    /// The text for a key file. Whoever has it opens everything sealed to this key.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// The public half.
    pub fn to_recipient(&self) -> SealRecipient {
        SealRecipient(self.0.to_public())
    }
}

/// Shows the public half only.
impl std::fmt::Debug for SealIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SealIdentity({})", self.0.to_public())
    }
}

/// Seals `plaintext`, padded so that its length falls into one of few classes, to one to four recipients.
pub fn seal(plaintext: &[u8], recipients: &[SealRecipient]) -> Result<Vec<u8>, SchemaError> {
    if recipients.is_empty() {
        return Err(SchemaError::field(
            "recipients",
            "none",
            "give the agency's node and recovery recipient",
        ));
    }
    if recipients.len() > RECIPIENTS_LIMIT {
        return Err(SchemaError::TooLarge {
            what: "sealed file",
            unit: "recipients",
            actual: recipients.len(),
            limit: RECIPIENTS_LIMIT,
        });
    }
    let framed = frame(plaintext)?;
    let failed = || SchemaError::Malformed { form: "age", reason: "sealing failed".to_owned() };
    let recipients = recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| failed())?;
    // Header of up to four stanzas, a decoy stanza, nonce, and a tag per 64 KiB.
    let mut sealed = Vec::with_capacity(framed.len() + framed.len() / 4096 + 1024);
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| failed())?;
    writer.write_all(&framed).map_err(|_| failed())?;
    writer.finish().map_err(|_| failed())?;
    Ok(sealed)
}

/// Opens a sealed file of at most `limit` bytes. The header must be exactly as the specification writes it; see
/// [`seal`] for what is inside.
pub fn open(sealed: &[u8], identity: &SealIdentity, limit: usize) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
    unframe(age_open(sealed, identity, limit)?)
}

/// Opens any age file.
fn age_open(sealed: &[u8], identity: &SealIdentity, limit: usize) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
    use age::DecryptError::{DecryptionFailed, InvalidMac, KeyDecryptionFailed, NoMatchingKeys};

    if sealed.len() > limit {
        return Err(SchemaError::TooLarge {
            what: "sealed file",
            unit: "bytes",
            actual: sealed.len(),
            limit,
        });
    }
    header::check(sealed)?;
    let refused = |error: age::DecryptError| match error {
        NoMatchingKeys => integrity("not sealed to this key"),
        InvalidMac => integrity("the header was changed after sealing"),
        DecryptionFailed | KeyDecryptionFailed => integrity("the contents were changed after sealing"),
        // The library may add causes. The header has been checked here, so the rest is what only the library sees.
        _ => header::malformed("not an age v1 file"),
    };
    let decryptor = age::Decryptor::new_buffered(sealed).map_err(refused)?;
    let mut reader =
        decryptor.decrypt(std::iter::once(&identity.0 as &dyn age::Identity)).map_err(refused)?;
    // Never longer than the file, so the buffer does not move and leaves no copy behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|_| integrity("truncated, or changed after sealing"))?;
    Ok(plaintext)
}

fn integrity(reason: &str) -> SchemaError {
    SchemaError::Integrity { form: "age", reason: reason.to_owned() }
}

/// Length (32 bits, big-endian), text, zeros up to the next Padmé length.
fn frame(plaintext: &[u8]) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
    let length = u32::try_from(plaintext.len()).map_err(|_| SchemaError::TooLarge {
        what: "text to seal",
        unit: "bytes",
        actual: plaintext.len(),
        limit: u32::MAX as usize,
    })?;
    let padded = padme(plaintext.len().saturating_add(LENGTH_PREFIX));
    let mut framed = Zeroizing::new(Vec::with_capacity(padded));
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(plaintext);
    framed.resize(padded, 0);
    Ok(framed)
}

/// The text in a frame. Only the one padding that [`frame`] makes is accepted, so that nothing hides in it.
fn unframe(mut framed: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
    let wrong = || header::malformed("the padding is not that of this protocol");
    let prefix: [u8; LENGTH_PREFIX] =
        framed.get(..LENGTH_PREFIX).and_then(|prefix| prefix.try_into().ok()).ok_or_else(wrong)?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| wrong())?;
    let end = length.checked_add(LENGTH_PREFIX).ok_or_else(wrong)?;
    let padding = framed.get(end..).ok_or_else(wrong)?;
    if framed.len() != padme(end) || padding.iter().any(|byte| *byte != 0) {
        return Err(wrong());
    }
    framed.truncate(end);
    framed.drain(..LENGTH_PREFIX);
    Ok(framed)
}

/// The Padmé length of `length` (Nikitin et al., PETS 2019): as many significant bits as the length of the length has,
/// the rest zero, rounded up. Adds at most 12 %, and leaves an onlooker O(log log length) bits.
fn padme(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2().filter(|exponent| *exponent > 0) else {
        return length;
    };
    let kept = exponent.ilog2() + 1;
    let mask = (1_usize << exponent.saturating_sub(kept)) - 1;
    length.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests;
