//! A public body that may run a node: an administrative organ or a public institution.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::unified_code::UnifiedCode;

/// The unified social credit code of a member: 11… (administrative organ) or 12… (public institution).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AgencyCode(UnifiedCode);

impl AgencyCode {
    /// The code as a credit subject's code: a public body is a subject like any other.
    pub fn unified_code(&self) -> &UnifiedCode {
        &self.0
    }

    /// The code's 18 characters.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<UnifiedCode> for AgencyCode {
    type Error = SchemaError;

    fn try_from(code: UnifiedCode) -> Result<Self, SchemaError> {
        if code.is_public_body() && code.check_holds() {
            Ok(Self(code))
        } else {
            Err(SchemaError::field(
                "agency",
                "not the code of a public body",
                "an agency has a valid unified social credit code beginning with 11 or 12",
            ))
        }
    }
}

impl std::str::FromStr for AgencyCode {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        UnifiedCode::parse(text)?.try_into()
    }
}

impl std::fmt::Display for AgencyCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

crate::identity::string_serde!(
    AgencyCode,
    "unified social credit code of a public body",
    "^1[12][0-9A-HJ-NPQRTUWXY]{16}$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_bodies_are_agencies() {
        assert!("11152105011615449P".parse::<AgencyCode>().is_ok());
        assert!("91320100748204660Q".parse::<AgencyCode>().is_err());
        assert!("111521050116154490".parse::<AgencyCode>().is_err());
    }
}
