//! Compact JWS (RFC 7515) as requests, answers, notices, receipts, items and certificates use it: one algorithm per
//! key, `typ` and `kid` always there, nothing in the header that a library could be talked into obeying.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::{Sha256, base64url_append, base64url_decode};
use crate::error::SchemaError;
use crate::json::{json_parse, object_check};
use crate::key::{Algorithm, KeyId, SigningKey, VerifyingKey};

/// The largest compact JWS of a message between nodes, in bytes: an answer about 200 records with their withheld
/// fields. Callers that know a smaller bound give that. A certificate, which travels in a file, has its own.
pub const JWS_LIMIT: usize = 1024 * 1024;

/// The protected header: these three members and no other. `crit`, `jwk`, `jku`, `x5c` and `b64`, through which a
/// signature could bring its own key or meaning, are therefore refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<T> {
    alg: Algorithm,
    typ: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<KeyId>,
}

/// Signs `claims` with the type `typ` in the header. Errors if the claims do not serialise to a JSON object, or the
/// result is longer than [`JWS_LIMIT`].
pub fn jws_sign<T: Serialize>(typ: &str, claims: &T, key: &SigningKey) -> Result<String, SchemaError> {
    jws_sign_within(typ, claims, key, JWS_LIMIT)
}

/// [`jws_sign`] for a form whose limit is not [`JWS_LIMIT`].
pub fn jws_sign_within<T: Serialize>(
    typ: &str,
    claims: &T,
    key: &SigningKey,
    limit: usize,
) -> Result<String, SchemaError> {
    let payload = serde_json::to_string(claims).map_err(|_| SchemaError::Malformed {
        form: "JWS",
        reason: "the claims do not serialise".to_owned(),
    })?;
    // Claims are structures, which write every name once; tests would see one that does not.
    if cfg!(debug_assertions) || !payload.starts_with('{') {
        object_check("JWS", &payload)?;
    }
    let text = payload_sign(typ, payload.as_bytes(), key)?;
    match text.len() {
        actual if actual > limit => Err(SchemaError::TooLarge { what: "JWS", unit: "bytes", actual, limit }),
        _ => Ok(text),
    }
}

/// Signs a payload that is already JSON.
pub(crate) fn payload_sign(typ: &str, payload: &[u8], key: &SigningKey) -> Result<String, SchemaError> {
    let header = Header { alg: key.public().algorithm(), typ, kid: Some(key.key_id().clone()) };
    let header = serde_json::to_string(&header).map_err(|_| SchemaError::Malformed {
        form: "JWS",
        reason: "the header does not serialise".to_owned(),
    })?;
    // Four characters for three bytes, and a signature of 86 characters.
    let mut text = String::with_capacity((header.len() + payload.len()) / 3 * 4 + 100);
    base64url_append(header.as_bytes(), &mut text);
    text.push('.');
    base64url_append(payload, &mut text);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    base64url_append(&signature, &mut text);
    Ok(text)
}

/// The parts of a compact JWS, without its text.
pub(crate) struct JwsParts {
    /// Length of `header.payload`, which is what the signature covers.
    signed_length: usize,
    algorithm: Algorithm,
    pub(crate) key_id: KeyId,
    pub(crate) payload: String,
    signature: Vec<u8>,
}

impl JwsParts {
    /// See [`UnverifiedJws::parse`]. `default_key` stands in for a missing `kid` where something signed names the key:
    /// a key-binding JWT, whose key is in the record (RFC 9901 §4.3 asks for `typ` and `alg` only).
    pub(crate) fn parse(
        text: &str,
        typ: &str,
        limit: usize,
        default_key: Option<&KeyId>,
    ) -> Result<Self, SchemaError> {
        if text.len() > limit {
            return Err(SchemaError::TooLarge { what: "JWS", unit: "bytes", actual: text.len(), limit });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("three parts with two dots are expected"));
        };
        let decode = |part: &str, what: &str| {
            base64url_decode(part).ok_or_else(|| malformed(format!("the {what} is not canonical base64url")))
        };
        let json = |bytes: Vec<u8>, what: &str| {
            String::from_utf8(bytes).map_err(|_| malformed(format!("the {what} is not UTF-8")))
        };
        let signed_length = header.len() + 1 + payload.len();
        let header_text = json(decode(header, "header")?, "header")?;
        object_check("JWS header", &header_text)?;
        let wrong_header =
            || malformed("the header is not exactly alg (EdDSA or Ed25519), typ and kid (a JWK thumbprint)");
        let header: Header<String> = serde_json::from_str(&header_text).map_err(|_| wrong_header())?;
        let key_id = header.kid.or_else(|| default_key.cloned()).ok_or_else(wrong_header)?;
        if header.typ != typ {
            return Err(malformed(format!(
                "the typ is not {typ}: one kind of message cannot stand for another"
            )));
        }
        let payload = json(decode(payload, "payload")?, "payload")?;
        object_check("JWS payload", &payload)?;
        let signature = decode(signature, "signature")?;
        Ok(Self { signed_length, algorithm: header.alg, key_id, payload, signature })
    }

    /// Verifies the signature over `text`, the same that was parsed.
    pub(crate) fn signature_check(&self, text: &str, key: &VerifyingKey) -> Result<(), SchemaError> {
        let integrity = |reason: &str| SchemaError::Integrity { form: "JWS", reason: reason.to_owned() };
        if self.algorithm != key.algorithm() || self.key_id != key.key_id() {
            return Err(integrity("signed by another key than the one expected"));
        }
        match text.as_bytes().get(..self.signed_length) {
            Some(signed) => key.verify(signed, &self.signature),
            None => Err(integrity("not the text that was parsed")),
        }
    }
}

/// A compact JWS that is well formed and says it is of the expected type. Nothing in it is vouched for yet.
pub struct UnverifiedJws<'a> {
    text: &'a str,
    parts: JwsParts,
}

impl<'a> UnverifiedJws<'a> {
    /// Parses a compact JWS of type `typ` of at most `limit` bytes: three parts in strict base64url, a header of
    /// exactly `alg`, `typ` and `kid`, a known algorithm, a payload that is a JSON object with every name once at every
    /// depth.
    ///
    /// Strictness leaves one spelling for each signed content, so that [`UnverifiedJws::digest`] names it.
    pub fn parse(text: &'a str, typ: &str, limit: usize) -> Result<Self, SchemaError> {
        Ok(Self { text, parts: JwsParts::parse(text, typ, limit, None)? })
    }

    /// The key the header names: a JWK thumbprint, to look up in the signer's directory entry.
    pub fn key_id(&self) -> &KeyId {
        &self.parts.key_id
    }

    /// The compact form.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The digest of the compact form.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }

    /// The claims before verification, for one purpose: to learn the alleged signer (`iss`) and the time of signing
    /// (`iat`), with which the key is looked up. Nothing else may be decided, stored, logged or shown from it.
    pub fn claims_unverified<T: DeserializeOwned>(&self) -> Result<T, SchemaError> {
        json_parse("claims", &self.parts.payload)
    }

    /// Verifies the signature by `key`, which must be the key the header names, and reads the claims.
    pub fn verify<T: DeserializeOwned>(&self, key: &VerifyingKey) -> Result<VerifiedJws<T>, SchemaError> {
        self.parts.signature_check(self.text, key)?;
        Ok(VerifiedJws::verified(json_parse("claims", &self.parts.payload)?, self.text))
    }
}

/// Names the key only: the claims are not verified and may be personal.
impl std::fmt::Debug for UnverifiedJws<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "UnverifiedJws({})", self.parts.key_id)
    }
}

/// Claims that a signature vouches for. Only verification makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedJws<T> {
    claims: T,
    digest: Sha256,
}

impl<T> VerifiedJws<T> {
    /// For code of this crate that has just checked the signature over `text`.
    pub(crate) fn verified(claims: T, text: &str) -> Self {
        Self { claims, digest: Sha256::of(text.as_bytes()) }
    }

    /// The claims.
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// The claims, by value.
    pub fn into_claims(self) -> T {
        self.claims
    }

    /// SHA-256 of the compact form: names this signed statement.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }
}

/// Shows the digest only: claims may be personal.
impl<T> std::fmt::Debug for VerifiedJws<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VerifiedJws({})", self.digest)
    }
}

fn malformed(reason: impl Into<String>) -> SchemaError {
    SchemaError::Malformed { form: "JWS", reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::base64url_encode;
    use zeroize::Zeroizing;

    const TYP: &str = "chengxin-test+jwt";

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Claims {
        iss: String,
        amount: u64,
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&Zeroizing::new([seed; 32])).expect("key")
    }

    fn claims() -> Claims {
        Claims { iss: "某机关".into(), amount: 7 }
    }

    /// Signs any header and payload text, as an attacker with a key of its own could.
    fn forge(header: &str, payload: &str, key: &SigningKey) -> String {
        let signed =
            format!("{}.{}", base64url_encode(header.as_bytes()), base64url_encode(payload.as_bytes()));
        let signature = base64url_encode(&key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn accepts(text: &str, key: &SigningKey) -> Result<Claims, SchemaError> {
        UnverifiedJws::parse(text, TYP, JWS_LIMIT)?
            .verify::<Claims>(key.public())
            .map(VerifiedJws::into_claims)
    }

    #[test]
    fn what_is_signed_verifies_and_names_its_key() {
        let text = jws_sign(TYP, &claims(), &key(1)).expect("signs");
        let jws = UnverifiedJws::parse(&text, TYP, JWS_LIMIT).expect("parses");
        assert_eq!(jws.key_id(), &key(1).public().key_id());
        assert_eq!(jws.claims_unverified::<Claims>().expect("claims"), claims());
        let verified = jws.verify::<Claims>(key(1).public()).expect("verifies");
        assert_eq!(verified.claims(), &claims());
        assert_eq!(verified.digest(), Sha256::of(text.as_bytes()));
        assert!(!format!("{jws:?} {verified:?}").contains("某机关"));
    }

    #[test]
    fn another_key_type_or_length_is_refused() {
        let text = jws_sign(TYP, &claims(), &key(1)).expect("signs");
        assert!(accepts(&text, &key(2)).expect_err("key").to_string().contains("another key"));
        assert!(UnverifiedJws::parse(&text, "JWT", JWS_LIMIT).is_err());
        let error = UnverifiedJws::parse(&text, TYP, text.len() - 1).expect_err("limit");
        assert_eq!(error.code(), crate::ErrorCode::TooLarge);
        assert!(UnverifiedJws::parse(&text, TYP, text.len()).is_ok());
        assert_eq!(jws_sign_within(TYP, &claims(), &key(1), text.len()).expect("fits"), text);
        let error = jws_sign_within(TYP, &claims(), &key(1), text.len() - 1).expect_err("limit");
        assert_eq!(error.code(), crate::ErrorCode::TooLarge);
    }

    #[test]
    fn the_newer_algorithm_name_is_read_and_no_other() {
        let kid = key(1).public().key_id();
        let payload = r#"{"iss":"某机关","amount":7}"#;
        let header = |alg: &str| format!(r#"{{"alg":"{alg}","typ":"{TYP}","kid":"{kid}"}}"#);
        for good in ["EdDSA", "Ed25519"] {
            assert_eq!(accepts(&forge(&header(good), payload, &key(1)), &key(1)).expect(good), claims());
        }
        for bad in ["none", "None", "HS256", "ES256", "RS256", "eddsa", ""] {
            assert!(accepts(&forge(&header(bad), payload, &key(1)), &key(1)).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_with_more_less_or_twice_are_refused() {
        let kid = key(1).public().key_id();
        let jwk = serde_json::to_string(key(1).public()).expect("jwk");
        let payload = r#"{"iss":"某机关","amount":7}"#;
        for header in [
            format!(r#"{{"alg":"EdDSA","typ":"{TYP}"}}"#),
            format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
            format!(r#"{{"typ":"{TYP}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"{TYP}","kid":"{kid}","jwk":{jwk}}}"#),
            format!(r#"{{"alg":"EdDSA","typ":"{TYP}","kid":"{kid}","crit":["b64"],"b64":false}}"#),
            format!(r#"{{"alg":"none","alg":"EdDSA","typ":"{TYP}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"EdDSA","\u0061lg":"EdDSA","typ":"{TYP}","kid":"{kid}"}}"#),
            format!(r#"["EdDSA","{TYP}","{kid}"]"#),
            format!(r#"{{"alg":"EdDSA","typ":"{TYP}","kid":"{}"}}"#, "A".repeat(42)),
        ] {
            assert!(accepts(&forge(&header, payload, &key(1)), &key(1)).is_err(), "{header}");
        }
    }

    #[test]
    fn claims_with_unknown_or_double_names_are_refused() {
        let header = format!(r#"{{"alg":"EdDSA","typ":"{TYP}","kid":"{}"}}"#, key(1).public().key_id());
        for payload in [
            r#"{"iss":"a","amount":7,"amount":7}"#,
            r#"{"iss":"a","amount":7,"extra":1}"#,
            r#"["a",7]"#,
            r#""a""#,
            "",
            r#"{"iss":"a","amount":7} {}"#,
        ] {
            assert!(accepts(&forge(&header, payload, &key(1)), &key(1)).is_err(), "{payload}");
        }
        let secret = r#"{"iss":"11010519491231002X","amount":"11010519491231002X"}"#;
        let error = accepts(&forge(&header, secret, &key(1)), &key(1)).expect_err("type");
        assert!(!error.to_string().contains("1101"), "{error}");
    }

    #[test]
    fn spelling_variants_of_the_same_bytes_are_refused() {
        let text = jws_sign(TYP, &claims(), &key(1)).expect("signs");
        let (signed, signature) = text.rsplit_once('.').expect("dots");
        // 64 bytes leave four stray bits in the 86th character; only one of 16 spellings is canonical.
        let (front, last) = signature.split_at(85);
        let variants = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .chars()
            .filter(|symbol| symbol.to_string() != last)
            .map(|symbol| format!("{signed}.{front}{symbol}"));
        let others = [
            format!("{text}="),
            format!("{text}."),
            format!(".{text}"),
            format!(" {text}"),
            format!("{text}\n"),
            signed.to_owned(),
            format!("{signed}."),
        ];
        for variant in variants.chain(others) {
            assert!(accepts(&variant, &key(1)).is_err(), "{variant}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

        #[test]
        fn any_text_parses_or_errs_without_panic(text in "[A-Za-z0-9_.~-]{0,80}|.{0,80}") {
            let _ = UnverifiedJws::parse(&text, TYP, JWS_LIMIT);
        }
    }
}
