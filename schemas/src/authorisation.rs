//! What an asker states of the subject's own authorisation (信用主体授权) to be asked about.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::error::SchemaError;

/// Names a written authorisation: its number or title and date as the asker keeps it on file. 2 to 200 characters on one
/// line. It may name a person, so [`std::fmt::Debug`] shows nothing of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorisationReference(String);

impl AuthorisationReference {
    /// The reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for AuthorisationReference {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let trimmed = text.trim();
        let count = trimmed.chars().count();
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if !(2..=200).contains(&count) || trimmed.chars().any(breaks) {
            return Err(SchemaError::field(
                "authorisation",
                "a reference of 2 to 200 characters on one line is needed",
                "name the subject's written authorisation by its number, or by its title and date",
            ));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl std::fmt::Display for AuthorisationReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::fmt::Debug for AuthorisationReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AuthorisationReference(..)")
    }
}

crate::identity::string_serde!(
    AuthorisationReference,
    "reference of the subject's written authorisation",
    "^.{2,200}$"
);

/// The subject's authorisation as a query states it. The asker vouches for it with its signature; nobody who answers has
/// seen the document, whose digest ties the statement to one scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectAuthorisation {
    /// The written authorisation.
    pub reference: AuthorisationReference,
    /// SHA-256 of the scanned document, which stays with the asker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Sha256>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_one_line_and_not_told_by_debug() {
        let reference: AuthorisationReference = " 授权书〔2026〕15号 ".parse().expect("reference");
        assert_eq!(reference.as_str(), "授权书〔2026〕15号");
        let stated = SubjectAuthorisation { reference, document: Some(Sha256::of(b"scan")) };
        assert!(!format!("{stated:?}").contains("15"), "{stated:?}");
        let json = serde_json::to_string(&stated).expect("json");
        assert_eq!(serde_json::from_str::<SubjectAuthorisation>(&json).expect("reads"), stated);
        let long = "授".repeat(201);
        for bad in ["", " ", "授", "两\n行", "两\u{2028}行", &long] {
            assert!(bad.parse::<AuthorisationReference>().is_err(), "{bad:?}");
        }
        assert!("授".repeat(200).parse::<AuthorisationReference>().is_ok());
    }
}
