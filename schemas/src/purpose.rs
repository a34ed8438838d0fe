//! Purposes of a query and legal bases, as codes that policy gives a meaning to.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::federation::label;

label! {
    /// Why somebody asks, for example `government-procurement` (requirements QU-01, QU-02). Whether a purpose exists
    /// and who may name it is policy.
    PurposeCode, "purpose", 60, "^[a-z][a-z0-9-]{0,59}$"
}

/// The law, regulation or central policy that a query, a record or a measure rests on: title and article in the
/// language of the instrument, 2 to 500 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegalBasis(String);

impl LegalBasis {
    /// The citation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for LegalBasis {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let trimmed = text.trim();
        let count = trimmed.chars().count();
        if !(2..=500).contains(&count) || trimmed.chars().any(char::is_control) {
            return Err(SchemaError::field(
                "legal_basis",
                "a citation of 2 to 500 characters is needed",
                "name the instrument and the article, for example 《中华人民共和国政府采购法》第二十二条",
            ));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl std::fmt::Display for LegalBasis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

crate::identity::string_serde!(LegalBasis, "citation of a legal instrument", "^.{2,500}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_basis_is_no_basis() {
        assert!("《行政处罚法》第四十八条".parse::<LegalBasis>().is_ok());
        for bad in ["", " ", "法", "a\tb\u{7}"] {
            assert!(bad.parse::<LegalBasis>().is_err(), "{bad:?}");
        }
    }
}
