//! Whose key may sign what: ties a signature to the signer's directory entry, its validity window and the claims.
//!
//! What decides is the entry: it came through verified metadata, and the signed text merely says which entry to look at.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::agency::AgencyCode;
use crate::answer::{ANSWER_TYP, AnswerClaims};
use crate::certificate::{CERTIFICATE_TYP, CertificateClaims};
use crate::delivery::{ITEM_TYP, ItemClaims};
use crate::directory::DirectoryEntry;
use crate::error::SchemaError;
use crate::jws::{UnverifiedJws, VerifiedJws};
use crate::notice::{NOTICE_TYP, NoticeClaims};
use crate::receipt::{RECEIPT_TYP, ReceiptClaims};
use crate::request::{REQUEST_TYP, RequestClaims};
use crate::sd_jwt::{UnverifiedSdJwt, VerifiedRecord};
use crate::time::UnixTime;

/// The kinds of messages that members sign, each with its `typ`.
pub trait SignedMessage: DeserializeOwned {
    /// The `typ` in the header.
    const TYP: &'static str;
}

impl SignedMessage for AnswerClaims {
    const TYP: &'static str = ANSWER_TYP;
}
impl SignedMessage for CertificateClaims {
    const TYP: &'static str = CERTIFICATE_TYP;
}
impl SignedMessage for ItemClaims {
    const TYP: &'static str = ITEM_TYP;
}
impl SignedMessage for NoticeClaims {
    const TYP: &'static str = NOTICE_TYP;
}
impl SignedMessage for ReceiptClaims {
    const TYP: &'static str = RECEIPT_TYP;
}
impl SignedMessage for RequestClaims {
    const TYP: &'static str = REQUEST_TYP;
}

/// Who signed and when, as every message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Signer {
    /// The alleged signer.
    pub iss: AgencyCode,
    /// The alleged time.
    pub iat: UnixTime,
}

/// Parses a message of at most `limit` bytes and learns whose entry to look up, before anything is verified.
pub fn message_parse<T: SignedMessage>(
    text: &str,
    limit: usize,
) -> Result<(UnverifiedJws<'_>, Signer), SchemaError> {
    let jws = UnverifiedJws::parse(text, T::TYP, limit)?;
    let signer = jws.claims_unverified()?;
    Ok((jws, signer))
}

/// Verifies a message by the entry of the member that it says it is from. The key must be valid at `signed_at` and at
/// the message's own `iat`; pass `iat` itself for what was signed in the past, and the present time for what claims to
/// have been signed just now, so that a stolen old key cannot back-date.
pub fn verify_from<T: DeserializeOwned>(
    jws: UnverifiedJws<'_>,
    entry: &DirectoryEntry,
    signed_at: UnixTime,
) -> Result<VerifiedJws<T>, SchemaError> {
    let signer: Signer = jws.claims_unverified()?;
    signer_check(&signer, entry, "JWS")?;
    entry.signing_key_at(jws.key_id(), signer.iat)?;
    jws.verify(entry.signing_key_at(jws.key_id(), signed_at)?)
}

/// Verifies a record by the entry of its issuer, whose key must have been valid when the record was signed: before
/// `now`, the verifier's time.
pub fn record_verify_from(
    record: UnverifiedSdJwt,
    entry: &DirectoryEntry,
    now: UnixTime,
) -> Result<VerifiedRecord, SchemaError> {
    let claims = record.claims_unverified();
    let signer = Signer { iss: claims.iss, iat: claims.iat };
    signer_check(&signer, entry, "SD-JWT")?;
    let key = *entry.signing_key_at(record.key_id(), signer.iat)?;
    record.verify(&key, now)
}

/// A valid signature of one member under another member's name is still a forgery.
fn signer_check(signer: &Signer, entry: &DirectoryEntry, form: &'static str) -> Result<(), SchemaError> {
    if signer.iss == entry.agency {
        Ok(())
    } else {
        Err(SchemaError::Integrity {
            form,
            reason: "iss names another agency than the directory entry it was verified by".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{DirectoryEntrySchema, TimedKey};
    use crate::fixture::{ASKER, ISSUER, NOW, asker_key, issuer_key, key, record};
    use crate::jws::{JWS_LIMIT, jws_sign};
    use crate::sd_jwt::{SD_JWT_LIMIT, SdJwt};

    fn entry(agency: &str, keys: Vec<TimedKey>) -> DirectoryEntry {
        DirectoryEntry {
            schema: DirectoryEntrySchema::V1,
            agency: agency.parse().expect("agency"),
            name: "示例市场监督管理局".into(),
            region: "150000".parse().expect("region"),
            functions: vec![],
            coordinator: false,
            overlay_region: None,
            signing_keys: keys,
            age_node_recipient: String::new(),
            age_recovery_recipient: String::new(),
            transport_identity: String::new(),
            addresses: vec![],
            audit_log_key: String::new(),
            protocol: 1,
        }
    }

    fn window(key: &crate::key::SigningKey, from: i64, until: Option<i64>) -> TimedKey {
        TimedKey {
            jwk: *key.public(),
            not_before: NOW.plus(from),
            not_after: until.map(|until| NOW.plus(until)),
        }
    }

    fn item(iss: &str, key: &crate::key::SigningKey) -> String {
        let claims = ItemClaims {
            iss: iss.parse().expect("agency"),
            aud: ASKER.parse().expect("agency"),
            iat: NOW,
            sequence: 1,
            previous: crate::digest::Sha256([0; 32]),
            sealed: crate::digest::Sha256::of(b"sealed"),
        };
        jws_sign(ITEM_TYP, &claims, key).expect("signs")
    }

    fn verify(text: &str, entry: &DirectoryEntry, at: i64) -> Result<(), SchemaError> {
        let (jws, signer) = message_parse::<ItemClaims>(text, JWS_LIMIT)?;
        assert_eq!(signer.iat, NOW);
        verify_from::<ItemClaims>(jws, entry, NOW.plus(at)).map(drop)
    }

    #[test]
    fn the_key_must_be_in_the_entry_and_in_its_window() {
        let text = item(ISSUER, &issuer_key());
        let good = entry(ISSUER, vec![window(&issuer_key(), -10, None)]);
        assert!(verify(&text, &good, 0).is_ok());
        let old_and_new =
            entry(ISSUER, vec![window(&key(9), -10, None), window(&issuer_key(), -10, Some(10))]);
        assert!(verify(&text, &old_and_new, 0).is_ok());
        assert!(verify(&text, &old_and_new, 11).is_err(), "signed at, as the receiver sees it, is too late");
        assert!(verify(&text, &entry(ISSUER, vec![window(&issuer_key(), 1, None)]), 5).is_err());
        assert!(verify(&text, &entry(ISSUER, vec![window(&issuer_key(), -10, Some(-1))]), -5).is_err());
        assert!(verify(&text, &entry(ISSUER, vec![window(&key(9), -10, None)]), 0).is_err());
    }

    #[test]
    fn one_member_cannot_sign_under_anothers_name() {
        let asker = entry(ASKER, vec![window(&asker_key(), -10, None)]);
        assert!(verify(&item(ASKER, &asker_key()), &asker, 0).is_ok());
        let error = verify(&item(ISSUER, &asker_key()), &asker, 0).expect_err("other name");
        assert!(error.to_string().contains("another agency"), "{error}");
        let error = message_parse::<NoticeClaims>(&item(ISSUER, &issuer_key()), JWS_LIMIT).expect_err("kind");
        assert!(error.to_string().contains("typ"), "{error}");
    }

    #[test]
    fn a_record_is_verified_by_its_issuers_entry() {
        let parse = || SdJwt::parse(record().text(), SD_JWT_LIMIT).expect("parses");
        let issuer = entry(ISSUER, vec![window(&issuer_key(), -10, None)]);
        assert!(record_verify_from(parse(), &issuer, NOW).is_ok());
        let early = NOW.plus(-crate::request::CLOCK_TOLERANCE);
        assert!(record_verify_from(parse(), &issuer, early).is_ok());
        let error = record_verify_from(parse(), &issuer, early.plus(-1)).expect_err("signed in the future");
        assert!(error.to_string().contains("future"), "{error}");
        let other = entry(ASKER, vec![window(&issuer_key(), -10, None)]);
        assert!(record_verify_from(parse(), &other, NOW).is_err());
        let late = entry(ISSUER, vec![window(&issuer_key(), 1, None)]);
        assert!(record_verify_from(parse(), &late, NOW).is_err());
    }
}
