//! SHA-256 and HMAC-SHA-256, and their text forms. One place names the cryptographic library for hashing.

use aws_lc_rs::{digest as library, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::SchemaError;

/// A SHA-256 digest; its text is `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of the concatenation of `parts`.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut context = library::Context::new(&library::SHA256);
        parts.iter().for_each(|part| context.update(part));
        Self(fixed(context.finish().as_ref()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(fixed(library::digest(&library::SHA256, bytes).as_ref()))
    }

    /// Base64url without padding, as SD-JWT (RFC 9901) and JWK thumbprints write it.
    pub fn to_base64url(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl std::fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("sha256:")?;
        hex_write(&self.0, formatter)
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

impl std::str::FromStr for Sha256 {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        text.strip_prefix("sha256:").and_then(hex_decode::<32>).map(Self).ok_or_else(|| {
            SchemaError::field(
                "digest",
                "not a SHA-256 digest",
                "it reads sha256: and 64 lower-case hexadecimal digits",
            )
        })
    }
}

crate::identity::string_serde!(Sha256, "SHA-256 digest", "^sha256:[0-9a-f]{64}$");

/// A streaming SHA-256, for files that are not held in memory.
pub struct Sha256Stream(library::Context);

impl Sha256Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self(library::Context::new(&library::SHA256))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Sha256 {
        Sha256(fixed(self.0.finish().as_ref()))
    }
}

impl Default for Sha256Stream {
    fn default() -> Self {
        Self::new()
    }
}

/// A secret key for keyed hashes (HMAC-SHA-256, RFC 2104). Used for subject keys in indexes and logs: without the key
/// nobody can try all resident identity numbers.
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &Zeroizing<[u8; 32]>) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()))
    }

    /// The keyed hash of `parts`, each prefixed with its length so that no two lists of parts collide.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        fixed(context.sign().as_ref())
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HmacKey(..)")
    }
}

/// Lower-case hexadecimal of exactly `N` bytes.
pub fn hex_decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (place, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *place = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// Lower-case hexadecimal.
pub fn hex_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    // A text takes whatever is written.
    let _ = hex_write(bytes, &mut text);
    text
}

/// Writes bytes in lower-case hexadecimal, many digits at a time: every identifier and digest of every message and log
/// entry comes by here.
pub(crate) fn hex_write(bytes: &[u8], output: &mut dyn std::fmt::Write) -> std::fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0_u8; 64];
    for part in bytes.chunks(digits.len() / 2) {
        for (pair, byte) in digits.chunks_exact_mut(2).zip(part) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        let written = digits.get(..part.len() * 2).unwrap_or_default();
        output.write_str(std::str::from_utf8(written).map_err(|_| std::fmt::Error)?)?;
    }
    Ok(())
}

/// Base64url without padding (RFC 7515 appendix C).
pub fn base64url_encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends base64url without padding to `text`.
pub(crate) fn base64url_append(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Writes base64url of `bytes` into `text`, which has exactly the length that takes; every caller's length is fixed.
pub(crate) fn base64url_fill(bytes: &[u8], text: &mut [u8]) {
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, text);
    debug_assert!(written.is_ok_and(|length| length == text.len()));
}

/// Strict base64url: no padding, no stray bits.
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Both SHA-256 outputs of the library are 32 bytes by definition.
fn fixed(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0_u8; 32];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_nothing_and_of_parts() {
        assert_eq!(
            Sha256::of(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(Sha256::of_parts(&[b"ab", b"c"]), Sha256::of(b"abc"));
        let mut stream = Sha256Stream::new();
        stream.update(b"a");
        stream.update(b"bc");
        assert_eq!(stream.finish(), Sha256::of(b"abc"));
    }

    #[test]
    fn keyed_hash_depends_on_key_and_on_the_borders_of_parts() {
        let key = HmacKey::new(&Zeroizing::new([1; 32]));
        let other = HmacKey::new(&Zeroizing::new([2; 32]));
        assert_ne!(key.hash(&[b"ab", b"c"]), key.hash(&[b"a", b"bc"]));
        assert_ne!(key.hash(&[b"ab"]), other.hash(&[b"ab"]));
    }

    #[test]
    fn hexadecimal_is_strict() {
        assert_eq!(hex_decode::<2>("00ff"), Some([0, 255]));
        assert_eq!(hex_decode::<2>("00FF"), None);
        assert_eq!(hex_decode::<2>("00f"), None);
    }
}
