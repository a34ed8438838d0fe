//! Symmetric encryption of values at rest: AES-256-GCM-SIV (RFC 8452), which stays safe even if a nonce repeats.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::SchemaError;

/// Bytes of the nonce in front of every sealed value.
pub const NONCE_LENGTH: usize = 12;

/// A secret key under which one node encrypts what it keeps. Never leaves the node.
pub struct DataKey(LessSafeKey);

impl DataKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &Zeroizing<[u8; 32]>) -> Result<Self, SchemaError> {
        UnboundKey::new(&AES_256_GCM_SIV, secret.as_ref())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| SchemaError::Key { reason: "the bytes are not a 256-bit key".to_owned() })
    }

    /// Encrypts `plaintext`: nonce, ciphertext, tag. `context` is authenticated and not stored: a value moved to
    /// another place does not open there. `nonce` should be random.
    pub fn seal(
        &self,
        nonce: [u8; NONCE_LENGTH],
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SchemaError> {
        let mut sealed = Vec::with_capacity(NONCE_LENGTH + plaintext.len() + AES_256_GCM_SIV.tag_len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut sealed[NONCE_LENGTH..],
            )
            .map_err(|_| SchemaError::Key { reason: "the value is too long to encrypt".to_owned() })?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Decrypts what [`DataKey::seal`] made for the same `context`.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SchemaError> {
        let broken = || SchemaError::Integrity {
            form: "sealed value",
            reason: "it does not open: damaged, moved, or sealed under another key".to_owned(),
        };
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or_else(broken)?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut plaintext)
            .map_err(|_| broken())?
            .len();
        plaintext.truncate(length);
        Ok(plaintext)
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

    #[test]
    fn opens_only_unchanged_in_its_place_and_under_its_key() {
        let key = DataKey::new(&Zeroizing::new([1; 32])).expect("key");
        let other = DataKey::new(&Zeroizing::new([2; 32])).expect("key");
        let sealed = key.seal([9; 12], b"row 1", b"value").expect("seals");
        assert_eq!(key.open(b"row 1", &sealed).expect("opens").as_slice(), b"value");
        assert!(key.open(b"row 2", &sealed).is_err());
        assert!(other.open(b"row 1", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[position] ^= 1;
            assert!(key.open(b"row 1", &broken).is_err(), "byte {position}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(b"row 1", &sealed[..length]).is_err());
        }
    }
}
