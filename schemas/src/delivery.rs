//! The stream of items from one issuer to one recipient: gapless numbers, a hash chain, sealed payloads.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::time::UnixTime;

/// JOSE `typ` of an item header.
pub const ITEM_TYP: &str = "chengxin-item+jwt";
/// Largest sealed payload, in bytes: a notice and one presented record, padded.
pub const SEALED_LIMIT: usize = 256 * 1024;

/// Whether a sealed payload, in bytes, is short enough for its stream: asked before it is sent and before it is opened.
pub fn sealed_check(sealed: &[u8]) -> Result<(), SchemaError> {
    if sealed.len() > SEALED_LIMIT {
        return Err(SchemaError::TooLarge {
            what: "sealed payload",
            unit: "bytes",
            actual: sealed.len(),
            limit: SEALED_LIMIT,
        });
    }
    Ok(())
}

/// Claims of the signed header of one item in the stream `iss` → `aud`.
///
/// The header shows only that something was sent and how long its padded ciphertext is; a relay can check the chain
/// and see nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemClaims {
    /// The issuer.
    pub iss: AgencyCode,
    /// The recipient.
    pub aud: AgencyCode,
    /// When the header was signed: as the item was queued, or later with a newer key.
    pub iat: UnixTime,
    /// 1, 2, 3, … without gaps.
    pub sequence: u64,
    /// The link of the item before; all zero for the first. A link is the SHA-256 over `chengxin/item/v1`, a line feed,
    /// `iss`, `aud`, `sequence` as eight bytes with the highest first, and the bytes of `previous` and `sealed`.
    pub previous: Sha256,
    /// Digest of the sealed payload.
    pub sealed: Sha256,
}

impl ItemClaims {
    /// The value the next item chains to: a digest over the stream, the number, the link before and the payload. It
    /// does not depend on the signature, so re-signing after a key rotation keeps the chain.
    pub fn link(&self) -> Sha256 {
        Sha256::of_parts(&[
            b"chengxin/item/v1\n",
            self.iss.as_str().as_bytes(),
            self.aud.as_str().as_bytes(),
            &self.sequence.to_be_bytes(),
            &self.previous.0,
            &self.sealed.0,
        ])
    }

    /// Checks that the item follows an item whose link is `previous` and number is `sequence - 1`.
    pub fn check_follows(&self, last_sequence: u64, previous: Sha256) -> Result<(), SchemaError> {
        let expected = last_sequence.checked_add(1).ok_or(SchemaError::TooLarge {
            what: "sequence",
            unit: "items",
            actual: usize::MAX,
            limit: usize::MAX,
        })?;
        if self.sequence != expected {
            return Err(SchemaError::field(
                "sequence",
                "a gap in the stream",
                "the issuer sends from the last acknowledged number",
            ));
        }
        if self.previous != previous {
            return Err(SchemaError::Integrity {
                form: "item",
                reason: "does not chain to the item before: the issuer's stream was rewritten".to_owned(),
            });
        }
        Ok(())
    }
}

/// What is inside the sealed payload: a notice and the record it rests on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedNotice {
    /// The notice's compact JWS, addressed to the recipient.
    pub notice: String,
    /// The presentation of the record (SD-JWT with the fields the recipient may know).
    pub record: String,
}

/// Shows lengths only: both texts name the subject to anyone who reads base64.
impl std::fmt::Debug for SealedNotice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "SealedNotice(notice of {} bytes, record of {})",
            self.notice.len(),
            self.record.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::messages::item;

    #[test]
    fn items_follow_without_gaps_and_chain() {
        let first = item(Sha256::of(b"one"));
        assert!(first.check_follows(0, Sha256([0; 32])).is_ok());
        let mut second = item(Sha256::of(b"two"));
        second.sequence = 2;
        second.previous = first.link();
        assert!(second.check_follows(1, first.link()).is_ok());
        assert!(second.check_follows(0, first.link()).is_err(), "a gap");
        assert!(second.check_follows(2, first.link()).is_err(), "a repetition");
        assert!(second.check_follows(1, second.link()).is_err(), "rewritten");
        assert!(second.check_follows(u64::MAX, first.link()).is_err());
        let mut signed_later = first.clone();
        signed_later.iat = signed_later.iat.plus(1);
        assert_eq!(signed_later.link(), first.link(), "signing anew keeps the chain");
        let mut elsewhere = first.clone();
        elsewhere.aud = first.iss;
        assert_ne!(elsewhere.link(), first.link());
    }
}
