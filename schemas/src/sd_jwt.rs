//! A record as an SD-JWT (RFC 9901): the issuer signs once, the holder shows each asker the fields that policy allows,
//! and the asker still verifies the issuer's signature.
//!
//! ```text
//! payload  = RecordClaims + "fields": { public fields in clear, "_sd": [sorted digests of the others and of decoys] }
//! complete = <issuer-signed JWT>~<disclosure>~…~<disclosure>~
//! ```
//!
//! Only this one level of disclosures is used: no field of a record holds an object, and lists are disclosed whole.
//! Nested and array-element disclosures, which RFC 9901 also knows, are refused by name.
//!
//! Limits of what it hides: an asker learns from the length of `_sd` in which group of eight the number of concealed
//! fields lies, and two askers who compare notes see that they hold the same record (it is one signature; `jti` says
//! so in clear).

mod disclosure;
mod issue;
mod key_binding;

use crate::digest::{Sha256, base64url_decode, base64url_encode};
use crate::error::SchemaError;
use crate::jws::JwsParts;
use crate::key::{KeyId, VerifyingKey};
use crate::record::{RecordClaims, RecordFields};
use crate::record_type::{PERSON_NUMBER, RecordType};
use crate::request::CLOCK_TOLERANCE;
use crate::subject::{SubjectId, SubjectKind};
use crate::time::UnixTime;

pub use issue::{record_issue, salt_blocks};
pub use key_binding::{answer_sign, key_binding_verify, presentations_digest};

/// JOSE `typ` of a record (draft-ietf-oauth-sd-jwt-vc).
pub const RECORD_TYP: &str = "dc+sd-jwt";
/// The one digest algorithm of disclosures (`_sd_alg`).
pub const DISCLOSURE_DIGEST: &str = "sha-256";
/// Longest complete or presented SD-JWT, in bytes. A penalty with every field full of four-byte characters stays below.
pub const SD_JWT_LIMIT: usize = 192 * 1024;
/// Most disclosures of one SD-JWT; no dictionary has as many fields.
pub const DISCLOSURES_LIMIT: usize = 64;
/// Most digests in `_sd`, decoys included.
pub const DIGESTS_LIMIT: usize = 128;

/// A record with its disclosures, in text, and where each disclosure stands in it: parsed once, presented often.
#[derive(Clone, PartialEq, Eq)]
pub struct SdJwt {
    text: String,
    jwt_length: usize,
    spans: Vec<Span>,
}

/// Where the disclosure of a field stands in the text, without its tilde.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    name: &'static str,
    start: usize,
    end: usize,
}

impl SdJwt {
    /// Parses an SD-JWT without key binding of at most `limit` bytes and checks everything but the signature: form,
    /// claims, and that every disclosure belongs to the payload (RFC 9901 §7.1).
    pub fn parse(text: &str, limit: usize) -> Result<UnverifiedSdJwt, SchemaError> {
        if text.len() > limit {
            return Err(SchemaError::TooLarge { what: "SD-JWT", unit: "bytes", actual: text.len(), limit });
        }
        let body = text.strip_suffix('~').ok_or_else(|| {
            malformed("does not end with ~; a form with a key-binding JWT is verified together with that")
        })?;
        let jwt = body.split('~').next().unwrap_or_default();
        let parts = JwsParts::parse(jwt, RECORD_TYP, limit, None)?;
        let payload = disclosure::payload_parse(&parts.payload)?;
        let digests = disclosure::DigestSet::new(&payload.digests)?;
        Ok(UnverifiedSdJwt { record: Self::assemble(text, body, payload, Some(digests))?, parts })
    }

    /// Reads a record that this node issued, or verified before it wrote it into its own encrypted store: neither the
    /// signature nor the digests of the disclosures are checked again. Saves more than half of the work that an
    /// answer takes for each record.
    pub fn stored(text: &str) -> Result<VerifiedRecord, SchemaError> {
        let body = text.strip_suffix('~').ok_or_else(|| malformed("does not end with ~"))?;
        let payload = body
            .split('~')
            .next()
            .and_then(|jwt| jwt.split('.').nth(1))
            .and_then(base64url_decode)
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| malformed("the payload is not canonical base64url"))?;
        let payload = disclosure::payload_parse(&payload)?;
        Self::assemble(text, body, payload, None)
    }

    /// Puts claims, public fields and disclosures together, ticking off `digests` if they are given. `body` is the text
    /// without its last tilde.
    fn assemble(
        text: &str,
        body: &str,
        payload: disclosure::Payload,
        mut digests: Option<disclosure::DigestSet>,
    ) -> Result<VerifiedRecord, SchemaError> {
        let mut pieces = body.split('~');
        let jwt_length = pieces.next().unwrap_or_default().len();
        let record_type = RecordType::from_vct(&payload.claims.vct)?;
        if payload.claims.sd_alg != DISCLOSURE_DIGEST {
            return Err(SchemaError::field("_sd_alg", "not sha-256", "digest disclosures with SHA-256"));
        }
        let signed = payload.digests.len();
        let mut fields = RecordFields::new(record_type);
        for (name, value) in payload.public {
            disclosure::field_insert(&mut fields, &name, value)?;
        }
        let mut spans = Vec::new();
        let mut start = jwt_length + 1;
        for piece in pieces {
            if spans.len() == DISCLOSURES_LIMIT {
                return Err(SchemaError::TooLarge {
                    what: "SD-JWT",
                    unit: "disclosures",
                    actual: DISCLOSURES_LIMIT + 1,
                    limit: DISCLOSURES_LIMIT,
                });
            }
            if let Some(digests) = &mut digests {
                digests.take(piece)?;
            }
            let (name, value) = disclosure::disclosure_parse(piece)?;
            let name = disclosure::field_insert(&mut fields, &name, value)?;
            let end = start + piece.len();
            spans.push(Span { name, start, end });
            start = end + 1;
        }
        // Every disclosure belongs to one digest.
        let undisclosed = signed.saturating_sub(spans.len());
        disclosure::claims_agree(&payload.claims, &fields, undisclosed)?;
        let sd_jwt = Self { text: text.to_owned(), jwt_length, spans };
        Ok(VerifiedRecord { sd_jwt, claims: payload.claims, fields, undisclosed })
    }

    /// The text, `<jwt>~<disclosure>~…~`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, by value.
    pub fn into_text(self) -> String {
        self.text
    }

    /// SHA-256 of the issuer-signed JWT: names the signed record whatever is disclosed of it.
    pub fn issuer_jwt_digest(&self) -> Sha256 {
        Sha256::of(self.jwt().as_bytes())
    }

    /// Names of the fields that this text can disclose.
    pub fn disclosable(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.spans.iter().map(|span| span.name)
    }

    /// The record with the disclosures whose field name `keep` accepts. Public fields are always there. Nothing is
    /// signed or hashed: the issuer's signature holds for every choice.
    pub fn present(&self, keep: &dyn Fn(&str) -> bool) -> Presentation {
        let mut text = String::with_capacity(self.text.len());
        text.push_str(self.jwt());
        text.push('~');
        for span in self.spans.iter().filter(|span| keep(span.name)) {
            // With the tilde behind it.
            text.push_str(self.text.get(span.start..=span.end).unwrap_or_default());
        }
        Presentation { text }
    }

    fn jwt(&self) -> &str {
        self.text.get(..self.jwt_length).unwrap_or_default()
    }
}

/// Names the signed record only: the text discloses its fields to anyone who reads base64.
impl std::fmt::Debug for SdJwt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SdJwt({})", self.issuer_jwt_digest())
    }
}

/// A record whose form is right and whose signature has not been checked.
pub struct UnverifiedSdJwt {
    /// Becomes what its type says with the signature.
    record: VerifiedRecord,
    parts: JwsParts,
}

impl UnverifiedSdJwt {
    /// The key the header names, to look up in the issuer's directory entry.
    pub fn key_id(&self) -> &KeyId {
        &self.parts.key_id
    }

    /// The claims before verification, for one purpose: to learn the alleged issuer (`iss`) and the time of signing
    /// (`iat`), with which the key is looked up.
    pub fn claims_unverified(&self) -> &RecordClaims {
        &self.record.claims
    }

    /// Verifies the issuer's signature by `key`, which must be the key the header names, and that it was not made after
    /// `now`, the verifier's time.
    pub fn verify(self, key: &VerifyingKey, now: UnixTime) -> Result<VerifiedRecord, SchemaError> {
        self.record.claims.iat.check_signed_by(now, CLOCK_TOLERANCE, "SD-JWT")?;
        self.parts.signature_check(self.record.sd_jwt.jwt(), key)?;
        Ok(self.record)
    }
}

/// Names the key only: nothing else is vouched for.
impl std::fmt::Debug for UnverifiedSdJwt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "UnverifiedSdJwt({})", self.parts.key_id)
    }
}

/// A record that its issuer's signature vouches for. Only verification, and reading the own store, hand one out.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedRecord {
    sd_jwt: SdJwt,
    claims: RecordClaims,
    fields: RecordFields,
    undisclosed: usize,
}

impl VerifiedRecord {
    /// The claims beside the fields.
    pub fn claims(&self) -> &RecordClaims {
        &self.claims
    }

    /// The type of the record.
    pub fn record_type(&self) -> RecordType {
        self.fields.record_type()
    }

    /// The public and the disclosed fields.
    pub fn fields(&self) -> &RecordFields {
        &self.fields
    }

    /// Whom the record is about, as its issuer states it. A record signed without the statement is an organisation's only
    /// if it shows an organisation's code, and no record that shows a person's number is.
    pub fn subject_kind(&self) -> SubjectKind {
        let organisation = self.fields.value(PERSON_NUMBER).is_none()
            && match self.claims.subject_kind {
                Some(stated) => stated == SubjectKind::Organisation,
                None => matches!(self.fields.subject(), Some(SubjectId::Organisation(_))),
            };
        if organisation { SubjectKind::Organisation } else { SubjectKind::Person }
    }

    /// How many digests have no disclosure here, decoys included: an upper bound on the fields withheld. Zero only if
    /// nothing is.
    pub fn undisclosed(&self) -> usize {
        self.undisclosed
    }

    /// SHA-256 of the issuer-signed JWT: names the signed record whatever is disclosed of it.
    pub fn issuer_jwt_digest(&self) -> Sha256 {
        self.sd_jwt.issuer_jwt_digest()
    }

    /// The text the record was read from.
    pub fn sd_jwt(&self) -> &SdJwt {
        &self.sd_jwt
    }

    /// See [`SdJwt::present`].
    pub fn present(&self, keep: &dyn Fn(&str) -> bool) -> Presentation {
        self.sd_jwt.present(keep)
    }
}

/// Shows the digest and names of fields only.
impl std::fmt::Debug for VerifiedRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "VerifiedRecord({}, {:?})", self.issuer_jwt_digest(), self.fields)
    }
}

/// A record with the disclosures chosen for one asker.
#[derive(Clone, PartialEq, Eq)]
pub struct Presentation {
    text: String,
}

impl Presentation {
    /// The text, `<jwt>~<disclosure>~…~`, ending with a tilde.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, by value.
    pub fn into_text(self) -> String {
        self.text
    }

    /// SHA-256 of the text in base64url: the `sd_hash` of a key-binding JWT over this presentation alone.
    pub fn digest(&self) -> String {
        base64url_encode(&Sha256::of(self.text.as_bytes()).0)
    }

    /// The standard form of one record with key binding, `<jwt>~<disclosure>~…~<KB-JWT>`, which any RFC 9901 library
    /// verifies. `key_binding` is an answer about exactly this presentation.
    pub fn with_key_binding(&self, key_binding: &str) -> String {
        format!("{}{key_binding}", self.text)
    }
}

impl AsRef<str> for Presentation {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Names the presentation only.
impl std::fmt::Debug for Presentation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Presentation({})", self.digest())
    }
}

fn malformed(reason: impl Into<String>) -> SchemaError {
    SchemaError::Malformed { form: "SD-JWT", reason: reason.into() }
}

#[cfg(test)]
mod tests;
