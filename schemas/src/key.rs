//! Signing keys and their public halves. One place names the cryptographic library for signatures; every signature
//! says its algorithm, so that SM2 can stand beside Ed25519 later.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::digest::{Sha256, base64url_decode, base64url_encode};
use crate::error::SchemaError;

/// Signature algorithms known to this version.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), named `EdDSA` in JOSE headers (RFC 8037), which every library knows; the newer name
    /// `Ed25519` (RFC 9864) is accepted when reading.
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    Ed25519,
}

impl Algorithm {
    /// The name in a JOSE header.
    pub fn jose_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
        }
    }
}

/// A private signing key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
    key_id: KeyId,
}

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032 private key).
    pub fn from_seed(seed: &Zeroizing<[u8; 32]>) -> Result<Self, SchemaError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
            .map_err(|_| SchemaError::Key { reason: "the seed is not an Ed25519 private key".to_owned() })?;
        let mut bytes = [0_u8; 32];
        bytes.copy_from_slice(pair.public_key().as_ref());
        let public = VerifyingKey::from_ed25519(bytes);
        Ok(Self { pair, public, key_id: public.key_id() })
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The public half's name, computed once: every signature carries it.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Signs `message`: 64 bytes for Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The y coordinates of the points of small order on edwards25519, with the two that have a second spelling. A key that
/// is one of them has no owner: R = identity and S = 0 is its signature under any message, and the library does not
/// look for it. The sign of x, the highest bit, is left out of the comparison.
const SMALL_ORDER: [[u8; 32]; 7] = [
    edge(0, 0),
    edge(1, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    edge(0xec, 0xff),
    edge(0xed, 0xff),
    edge(0xee, 0xff),
];

/// A y coordinate near 0 or near the prime, little-endian.
const fn edge(first: u8, middle: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = middle & 0x7f;
    bytes
}

fn is_small_order(key: &[u8; 32]) -> bool {
    let mut without_sign = *key;
    without_sign[31] &= 0x7f;
    SMALL_ORDER.contains(&without_sign)
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SigningKey({})", self.key_id)
    }
}

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

impl VerifyingKey {
    /// An Ed25519 public key of 32 bytes. A point of small order verifies nothing; see [`VerifyingKey::verify`].
    pub fn from_ed25519(bytes: [u8; 32]) -> Self {
        Self { algorithm: Algorithm::Ed25519, bytes }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw public key.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The key's name: its JWK thumbprint (RFC 7638), base64url.
    pub fn key_id(&self) -> KeyId {
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url_encode(&self.bytes));
        KeyId(Sha256::of(canonical.as_bytes()).to_base64url())
    }

    /// Checks `signature` over `message`. Nothing verifies by a key of small order, which anybody could sign for.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SchemaError> {
        let integrity =
            |reason: &str| SchemaError::Integrity { form: "signature", reason: reason.to_owned() };
        match self.algorithm {
            Algorithm::Ed25519 if is_small_order(&self.bytes) => {
                Err(integrity("the key is a point of small order, for which anybody can sign"))
            }
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.bytes)
                .verify(message, signature)
                .map_err(|_| integrity("the signature does not verify")),
        }
    }

    /// The public key as a JWK (RFC 7517, RFC 8037).
    pub fn to_jwk(&self) -> Jwk {
        Jwk { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x: base64url_encode(&self.bytes) }
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VerifyingKey({})", self.key_id())
    }
}

/// A public key in JSON (RFC 7517) restricted to Ed25519 (RFC 8037 OKP). Nothing else may stand in it: what looks like a
/// public key could carry the private one (`d`) into every log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// The public key, base64url.
    pub x: String,
}

impl TryFrom<&Jwk> for VerifyingKey {
    type Error = SchemaError;

    fn try_from(jwk: &Jwk) -> Result<Self, SchemaError> {
        let bytes = base64url_decode(&jwk.x).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match (jwk.kty.as_str(), jwk.crv.as_str(), bytes) {
            ("OKP", "Ed25519", Some(bytes)) if !is_small_order(&bytes) => Ok(Self::from_ed25519(bytes)),
            _ => Err(SchemaError::field(
                "jwk",
                "not an Ed25519 public key",
                "give kty OKP, crv Ed25519 and a 32-byte x",
            )),
        }
    }
}

impl Serialize for VerifyingKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_jwk().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VerifyingKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let jwk = Jwk::deserialize(deserializer)?;
        Self::try_from(&jwk).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for VerifyingKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VerifyingKey".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Jwk::json_schema(generator)
    }
}

/// A JWK thumbprint (RFC 7638) of 43 base64url characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(String);

impl KeyId {
    /// The thumbprint.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for KeyId {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        match base64url_decode(text) {
            Some(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => {
                Err(SchemaError::field("kid", "not a key id", "it is a SHA-256 JWK thumbprint in base64url"))
            }
        }
    }
}

crate::identity::string_serde!(KeyId, "JWK thumbprint, RFC 7638", "^[A-Za-z0-9_-]{43}$");

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A: key, thumbprint and signature.
    #[test]
    fn rfc_8037_vectors_hold() {
        let seed = base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
        let key = SigningKey::from_seed(&Zeroizing::new(seed.try_into().expect("32 bytes"))).expect("key");
        assert_eq!(key.public().to_jwk().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.public().key_id().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = key.sign(message);
        assert_eq!(
            base64url_encode(&signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        assert!(key.public().verify(message, &signature).is_ok());
        let mut broken = signature.clone();
        broken[0] ^= 1;
        assert!(key.public().verify(message, &broken).is_err());
        assert!(key.public().verify(message, &signature[..63]).is_err());
    }

    /// For a key of small order anybody can write a signature without a private key: R = identity, S = 0.
    #[test]
    fn keys_of_small_order_verify_nothing() {
        let mut signature = [0_u8; 64];
        signature[0] = 1;
        for point in SMALL_ORDER {
            for sign in [0_u8, 0x80] {
                let mut bytes = point;
                bytes[31] |= sign;
                let key = VerifyingKey::from_ed25519(bytes);
                for message in 0..64_u8 {
                    assert!(key.verify(&[message], &signature).is_err(), "{bytes:?}");
                }
                assert!(VerifyingKey::try_from(&key.to_jwk()).is_err());
            }
        }
    }

    #[test]
    fn debug_shows_no_key_material() {
        let key = SigningKey::from_seed(&Zeroizing::new([7; 32])).expect("key");
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.public().key_id()));
    }
}
