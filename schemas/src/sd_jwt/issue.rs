//! Issuing a record. An import signs a million of these, so everything here together costs less than the signature.

use super::disclosure::{DIGESTS, FIELDS, json_append};
use super::{DISCLOSURE_DIGEST, RECORD_TYP, SD_JWT_LIMIT, SdJwt, Span, malformed};
use crate::digest::{Sha256, base64url_append, base64url_fill};
use crate::error::SchemaError;
use crate::jws::payload_sign;
use crate::key::SigningKey;
use crate::record::{RecordClaims, RecordDraft};
use crate::record_type::FieldName;
use zeroize::Zeroizing;

/// `_sd` is filled with decoys to a multiple of this, so that its length does not tell which optional fields (a
/// person's number, a fine) the record has.
const DIGESTS_GROUP: usize = 8;

/// Signs a record. `claims` must agree with `draft`; fields that `public` accepts stand in clear, all others become
/// salted disclosures. A person's document number is never in clear, whatever `public` says: a signature cannot be
/// taken back.
///
/// `salt` fills 16 bytes (128 bits, RFC 9901 §9.3) from a cryptographic random source; it is called once for each
/// concealed field in the order of the dictionary, then once for each decoy. Who knows the salts can test guesses of
/// concealed values, so they go nowhere but into the disclosures.
///
/// Errors if claims and draft disagree, the claims do not read back as they are written, or the result is longer than
/// [`SD_JWT_LIMIT`].
pub fn record_issue(
    draft: &RecordDraft,
    claims: RecordClaims,
    key: &SigningKey,
    public: &dyn Fn(FieldName) -> bool,
    salt: &mut dyn FnMut(&mut [u8; 16]),
) -> Result<SdJwt, SchemaError> {
    claims_check(draft, &claims)?;
    let mut payload = serde_json::to_vec(&claims).map_err(|_| malformed("the claims do not serialise"))?;
    // Nobody could open a record whose claims read differently or not at all, and its signature cannot be taken back.
    if !serde_json::from_slice::<RecordClaims>(&payload).is_ok_and(|read| read == claims) {
        return Err(malformed("the claims do not read back as they are written"));
    }
    // Reopens the object to add the fields.
    payload.pop();
    // Room for the public fields and the digests, 46 bytes each with quotes and comma.
    payload.reserve(2048);
    payload.extend_from_slice(b",\"");
    payload.extend_from_slice(FIELDS.as_bytes());
    payload.extend_from_slice(b"\":{");
    let mut concealed = Concealed::default();
    let mut separator: &[u8] = b"";
    for definition in draft.fields().record_type().fields() {
        let Some(value) = draft.fields().value(definition.name) else { continue };
        if public(definition.field_name()) && !definition.is_personal_number() {
            payload.extend_from_slice(separator);
            name_append(definition.name, &mut payload);
            payload.push(b':');
            json_append(value, &mut payload)?;
            separator = b",";
        } else {
            concealed.add(definition.name, value, salt)?;
        }
    }
    concealed.decoys_add(salt);
    if !concealed.digests.is_empty() {
        payload.extend_from_slice(separator);
        concealed.digests_append(&mut payload);
    }
    payload.extend_from_slice(b"}}");
    let text = payload_sign(RECORD_TYP, &payload, key)?;
    concealed.join(text)
}

/// Salts drawn from `fill`, a cryptographic random source, in blocks: sixteen bytes at a time cost an import half as
/// much as its signatures. Salts that were handed out are wiped from the block.
pub fn salt_blocks(mut fill: impl FnMut(&mut [u8])) -> impl FnMut(&mut [u8; 16]) {
    let mut block = Zeroizing::new([0_u8; 16 * 128]);
    let mut used = block.len();
    move |salt| {
        if used + salt.len() > block.len() {
            fill(&mut block[..]);
            used = 0;
        }
        let next = &mut block[used..used + salt.len()];
        salt.copy_from_slice(next);
        next.fill(0);
        used += salt.len();
    }
}

/// Appends a name of the dictionary in quotes: lower-case letters and underscores, which JSON leaves as they are.
fn name_append(name: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.push(b'"');
}

/// The claims repeat some of the draft; what they say must be the same.
fn claims_check(draft: &RecordDraft, claims: &RecordClaims) -> Result<(), SchemaError> {
    let checks = [
        ("vct", claims.vct == draft.fields().record_type().vct()),
        ("subject_kind", claims.subject_kind.is_none_or(|kind| kind == draft.subject_kind())),
        ("category", claims.category == draft.category()),
        ("severity", claims.severity == draft.severity()),
        ("determined_on", draft.determined_on() == Some(claims.determined_on)),
        ("check_exception", claims.check_exception.as_ref() == draft.exception()),
        ("_sd_alg", claims.sd_alg == DISCLOSURE_DIGEST),
    ];
    match checks.iter().find(|(_, agrees)| !agrees) {
        None => Ok(()),
        Some((field, _)) => {
            Err(SchemaError::field(field, "claims and draft disagree", "build the claims from the draft"))
        }
    }
}

/// Disclosures made so far.
#[derive(Default)]
struct Concealed {
    /// `<disclosure>~…~`.
    text: String,
    /// Relative to `text`.
    spans: Vec<Span>,
    digests: Vec<Sha256>,
    /// One disclosure's JSON, kept to reuse its memory.
    json: Vec<u8>,
}

impl Concealed {
    fn add(
        &mut self,
        name: &'static str,
        value: &crate::record::FieldValue,
        salt: &mut dyn FnMut(&mut [u8; 16]),
    ) -> Result<(), SchemaError> {
        let mut bytes = [0_u8; 16];
        salt(&mut bytes);
        self.json.clear();
        self.json.extend_from_slice(b"[\"");
        let mut salt_text = [0_u8; 22];
        base64url_fill(&bytes, &mut salt_text);
        self.json.extend_from_slice(&salt_text);
        self.json.extend_from_slice(b"\",");
        name_append(name, &mut self.json);
        self.json.push(b',');
        json_append(value, &mut self.json)?;
        self.json.push(b']');
        let start = self.text.len();
        base64url_append(&self.json, &mut self.text);
        let end = self.text.len();
        self.digests.push(Sha256::of(self.text.as_bytes().get(start..end).unwrap_or_default()));
        self.spans.push(Span { name, start, end });
        self.text.push('~');
        Ok(())
    }

    /// Fills up with digests of nothing, and sorts: neither the order of the fields nor which are decoys can be seen.
    fn decoys_add(&mut self, salt: &mut dyn FnMut(&mut [u8; 16])) {
        let wanted = self.digests.len().next_multiple_of(DIGESTS_GROUP);
        while self.digests.len() < wanted {
            let mut bytes = [0_u8; 16];
            salt(&mut bytes);
            self.digests.push(Sha256::of(&bytes));
        }
        self.digests.sort_unstable();
    }

    /// Appends the member `_sd`.
    fn digests_append(&self, json: &mut Vec<u8>) {
        name_append(DIGESTS, json);
        json.extend_from_slice(b":[");
        for (place, digest) in self.digests.iter().enumerate() {
            json.extend_from_slice(if place == 0 { &b"\""[..] } else { b",\"" });
            let mut text = [0_u8; 43];
            base64url_fill(&digest.0, &mut text);
            json.extend_from_slice(&text);
            json.push(b'"');
        }
        json.push(b']');
    }

    fn join(self, mut text: String) -> Result<SdJwt, SchemaError> {
        let jwt_length = text.len();
        text.push('~');
        let offset = text.len();
        text.push_str(&self.text);
        if text.len() > SD_JWT_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "record",
                unit: "bytes",
                actual: text.len(),
                limit: SD_JWT_LIMIT,
            });
        }
        let mut spans = self.spans;
        for span in &mut spans {
            span.start += offset;
            span.end += offset;
        }
        Ok(SdJwt { text, jwt_length, spans })
    }
}
