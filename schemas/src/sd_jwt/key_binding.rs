//! Binding presented records to one asker, one request and one time: the key-binding JWT of RFC 9901 §4.3.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{SdJwt, VerifiedRecord, malformed};
use crate::answer::{ANSWER_TYP, AnswerClaims};
use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::json::json_parse;
use crate::jws::{JWS_LIMIT, JwsParts, VerifiedJws, jws_sign};
use crate::key::{SigningKey, VerifyingKey};
use crate::time::UnixTime;

/// Signs an answer. With `claims.sd_hash` from [`presentations_digest`], it binds the presentations.
pub fn answer_sign(claims: &AnswerClaims, key: &SigningKey) -> Result<String, SchemaError> {
    jws_sign(ANSWER_TYP, claims, key)
}

/// SHA-256, in base64url, over the presentations one after the other. Each ends with a tilde, so no two lists give the
/// same text. For exactly one it is the `sd_hash` of RFC 9901 §4.3.1.
pub fn presentations_digest<T: AsRef<str>>(presentations: &[T]) -> String {
    let parts: Vec<&[u8]> =
        presentations.iter().map(|presentation| presentation.as_ref().as_bytes()).collect();
    Sha256::of_parts(&parts).to_base64url()
}

/// Verifies `<jwt>~<disclosure>~…~<KB-JWT>`, the standard form of one record with key binding (RFC 9901 §7.3): the
/// record by its issuer's key, the key-binding JWT by the key that the record names in `cnf`, and that the one covers
/// the other. `T` is [`AnswerClaims`] for what our nodes sign; a stranger's key binding may have other claims.
///
/// `now` is the verifier's time, after which the record cannot have been signed. Time, audience and nonce of the key
/// binding are the caller's to check, with [`AnswerClaims::check`]: without, a replay is accepted.
pub fn key_binding_verify<T: DeserializeOwned>(
    text: &str,
    limit: usize,
    issuer: &VerifyingKey,
    now: UnixTime,
) -> Result<(VerifiedRecord, VerifiedJws<T>), SchemaError> {
    if text.len() > limit {
        return Err(SchemaError::TooLarge { what: "SD-JWT", unit: "bytes", actual: text.len(), limit });
    }
    let (presentation, key_binding) = match text.rfind('~') {
        Some(place) if place + 1 < text.len() => text.split_at(place + 1),
        _ => return Err(malformed("no key-binding JWT stands behind the last ~")),
    };
    let record = SdJwt::parse(presentation, limit)?.verify(issuer, now)?;
    let holder = VerifyingKey::try_from(&record.claims().cnf.jwk)?;
    let parts = JwsParts::parse(key_binding, ANSWER_TYP, JWS_LIMIT, Some(&holder.key_id()))?;
    parts.signature_check(key_binding, &holder)?;
    let bound: Bound = json_parse("key binding", &parts.payload)?;
    if bound.sd_hash != presentations_digest(&[presentation]) {
        return Err(SchemaError::Integrity {
            form: "key binding",
            reason: "sd_hash is not that of this presentation: disclosures were added, removed or exchanged"
                .to_owned(),
        });
    }
    let claims = json_parse("key binding", &parts.payload)?;
    Ok((record, VerifiedJws::verified(claims, key_binding)))
}

/// The claims RFC 9901 §4.3 demands; what else stands there is the concern of the caller's type.
#[derive(Deserialize)]
struct Bound {
    #[serde(rename = "iat")]
    _iat: i64,
    #[serde(rename = "aud")]
    _aud: String,
    #[serde(rename = "nonce")]
    _nonce: String,
    sd_hash: String,
}
