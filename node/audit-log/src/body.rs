//! The sensitive part of an audit entry, and its stored form.

use std::collections::BTreeMap;

use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::identity::CaseReference;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectId;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::LogError;

/// Longest body as JSON, in bytes: room for a few hundred field names, not for documents.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Bodies are padded with spaces to a multiple of this, so that the length of a ciphertext says little about whose
/// name is inside.
pub const BODY_PADDING: usize = 128;

/// The sensitive part of an entry. Stored sealed, beside the log; [`std::fmt::Debug`] shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The subject, in the clear.
    pub subject: Option<SubjectId>,
    /// Case or project number.
    pub case_reference: Option<CaseReference>,
    /// The law it rests on.
    pub legal_basis: Option<LegalBasis>,
    /// The subject's own authorisation.
    pub authorisation: Option<SubjectAuthorisation>,
    /// Names of the fields disclosed.
    pub fields: Vec<String>,
    /// Anything else worth keeping, by name.
    pub details: BTreeMap<String, String>,
}

/// The stored form of a body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyV1 {
    v: BodyVersion,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<SubjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    case_reference: Option<CaseReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    legal_basis: Option<LegalBasis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorisation: Option<SubjectAuthorisation>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum BodyVersion {
    #[serde(rename = "chengxin/audit-body/v1")]
    V1,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Body(..)")
    }
}

impl Body {
    /// The JSON of the body, padded with spaces to a multiple of [`BODY_PADDING`].
    pub(crate) fn encode(self) -> Result<Zeroizing<Vec<u8>>, LogError> {
        let Self { subject, case_reference, legal_basis, authorisation, fields, details } = self;
        let stored = BodyV1 {
            v: BodyVersion::V1,
            subject,
            case_reference,
            legal_basis,
            authorisation,
            fields,
            details,
        };
        let mut bytes = Zeroizing::new(
            serde_json::to_vec(&stored)
                .map_err(|_| LogError::malformed("audit body", "it does not encode"))?,
        );
        let padded = bytes.len().next_multiple_of(BODY_PADDING);
        bytes.resize(padded, b' ');
        if bytes.len() > BODY_LIMIT {
            return Err(LogError::TooLarge {
                what: "an audit body",
                actual: bytes.len() as u64,
                limit: BODY_LIMIT as u64,
            });
        }
        Ok(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let BodyV1 {
            v: BodyVersion::V1,
            subject,
            case_reference,
            legal_basis,
            authorisation,
            fields,
            details,
        } = serde_json::from_slice(bytes)
            .map_err(|_| LogError::malformed("audit body", "not a body that this version knows"))?;
        Ok(Self { subject, case_reference, legal_basis, authorisation, fields, details })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chengxin_schemas::digest::Sha256;
    use proptest::prelude::*;

    pub(crate) fn full_body() -> Body {
        Body {
            subject: Some(SubjectId::parse("91320100748204660Q").expect("subject")),
            case_reference: Some("CG-2026-031".parse().expect("case")),
            legal_basis: Some("《中华人民共和国政府采购法》第二十二条".parse().expect("basis")),
            authorisation: Some(SubjectAuthorisation {
                reference: "授权书〔2026〕15号".parse().expect("reference"),
                document: Some(Sha256::of(b"scan")),
            }),
            fields: vec!["decision_number".to_owned()],
            details: BTreeMap::from([("note".to_owned(), "开标后".to_owned())]),
        }
    }

    #[test]
    fn a_body_shows_nothing_and_is_padded() {
        let body = full_body();
        assert_eq!(format!("{body:?}"), "Body(..)");
        let bytes = body.clone().encode().expect("encodes");
        assert_eq!(bytes.len() % BODY_PADDING, 0);
        assert_eq!(Body::decode(&bytes).expect("decodes"), body);
        let long = Body { fields: vec!["x".repeat(BODY_LIMIT)], ..Body::default() };
        assert!(matches!(long.encode(), Err(LogError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_err(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Body::decode(&bytes);
        }
    }
}
