//! Symmetric authenticated encryption of stored values (AES-256-GCM, NIST SP 800-38D). One place names the
//! cryptographic library for it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::SchemaError;

/// Bytes that sealing adds: the authentication tag.
pub const DATA_KEY_TAG: usize = 16;
/// Length of a nonce, in bytes.
pub const DATA_KEY_NONCE: usize = 12;

/// A secret key of 32 bytes for AES-256-GCM.
///
/// The caller answers for the nonce: with one key no nonce may ever be used twice, or both the texts and the
/// authentication are lost. A key that seals exactly one value may use a nonce of zeros; a key that seals many needs
/// random nonces and should seal fewer than 2^32 values.
pub struct DataKey(LessSafeKey);

impl DataKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &Zeroizing<[u8; 32]>) -> Result<Self, SchemaError> {
        UnboundKey::new(&AES_256_GCM, secret.as_ref())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| SchemaError::Key { reason: "the library refuses the AES-256 key".to_owned() })
    }

    /// Encrypts `plaintext` and authenticates it together with `associated`, which is not stored. The result is
    /// [`DATA_KEY_TAG`] bytes longer than the text.
    pub fn seal(
        &self,
        nonce: [u8; DATA_KEY_NONCE],
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SchemaError> {
        let mut sealed = Vec::with_capacity(plaintext.len() + DATA_KEY_TAG);
        sealed.extend_from_slice(plaintext);
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut sealed)
            .map_err(|_| SchemaError::Key { reason: "the value is too long to be sealed".to_owned() })?;
        Ok(sealed)
    }

    /// Decrypts what [`DataKey::seal`] made with the same key, nonce and associated bytes.
    pub fn open(
        &self,
        nonce: [u8; DATA_KEY_NONCE],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
        let mut text = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut text)
            .map_err(|_| SchemaError::Integrity {
                form: "sealed value",
                reason: "it was sealed with another key or has been changed".to_owned(),
            })?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex_encode;

    fn key(byte: u8) -> DataKey {
        DataKey::new(&Zeroizing::new([byte; 32])).expect("key")
    }

    /// McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", test case 14.
    #[test]
    fn the_published_vector_holds() {
        let sealed = key(0).seal([0; 12], b"", &[0; 16]).expect("seals");
        assert_eq!(hex_encode(&sealed), "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
    }

    #[test]
    fn only_the_same_key_nonce_and_context_open_and_no_bit_may_change() {
        let sealed = key(1).seal([2; 12], b"context", b"text").expect("seals");
        assert_eq!(key(1).open([2; 12], b"context", &sealed).expect("opens").as_slice(), b"text");
        assert!(key(3).open([2; 12], b"context", &sealed).is_err());
        assert!(key(1).open([3; 12], b"context", &sealed).is_err());
        assert!(key(1).open([2; 12], b"other", &sealed).is_err());
        assert!(key(1).open([2; 12], b"context", &sealed[..3]).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut broken = sealed.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(key(1).open([2; 12], b"context", &broken).is_err(), "bit {bit}");
        }
    }
}
