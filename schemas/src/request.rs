//! A signed request: who asks about whom, for what, on what basis.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::authorisation::SubjectAuthorisation;
use crate::category::InformationCategory;
use crate::error::SchemaError;
use crate::identity::{CaseReference, Nonce};
use crate::operator::{OperatorName, Role};
use crate::purpose::{LegalBasis, PurposeCode};
use crate::subject::{SubjectId, searched_name_check};
use crate::time::UnixTime;
use crate::unified_code::CheckException;

/// JOSE `typ` of a request.
pub const REQUEST_TYP: &str = "chengxin-request+jwt";
/// Longest time between signing and deadline, in seconds: a request older than this is a replay or a wrong clock.
pub const REQUEST_LIFETIME_LIMIT: i64 = 300;
/// How far a peer's clock may be ahead or behind, in seconds. An hour off is refused by name.
pub const CLOCK_TOLERANCE: i64 = 120;

/// Claims of a request JWS (RFC 7515), version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestClaims {
    /// The asking agency, which signs.
    pub iss: AgencyCode,
    /// The agency asked. A request to one peer cannot be passed to another.
    pub aud: AgencyCode,
    /// When it was signed.
    pub iat: UnixTime,
    /// After this time the answer is of no use.
    pub exp: UnixTime,
    /// Unique; the answer repeats it.
    pub nonce: Nonce,
    /// About whom.
    pub subject: SubjectId,
    /// The subject's name as the asker knows it, for records that have neither a unified code nor
    /// a number. 1 to 200 characters, not only blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// Who at the asking agency vouches for the subject's code, and why, where its check is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_exception: Option<CheckException>,
    /// For what.
    pub purpose: PurposeCode,
    /// Under which law, where the purpose alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// The subject's own authorisation, where the asker has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<SubjectAuthorisation>,
    /// The open file.
    pub case_reference: CaseReference,
    /// What the asker wants to know; policy may answer less.
    pub categories: Vec<InformationCategory>,
    /// Who at the asking agency, pseudonymous.
    pub operator: OperatorReference,
    /// Who released the query beside the operator, where somebody did: another account of the asking agency, which vouches
    /// that it is another person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<OperatorReference>,
    /// Version of the policy the asker's own permission rests on.
    pub policy: String,
}

/// An operator of the asking agency as peers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorReference {
    /// Account name; means something only together with the agency.
    pub account: OperatorName,
    /// In which role the operator acts.
    pub role: Role,
}

impl RequestClaims {
    /// Checks what must hold for `recipient` to consider the request at `now`.
    pub fn check(&self, recipient: &AgencyCode, now: UnixTime) -> Result<(), SchemaError> {
        if self.aud != *recipient {
            return Err(SchemaError::field(
                "aud",
                "the request is addressed to another agency",
                "send it to the agency it names",
            ));
        }
        check_window("request", self.iat, self.exp, now, REQUEST_LIFETIME_LIMIT)?;
        if self.categories.is_empty() || self.categories.len() > InformationCategory::ALL.len() {
            return Err(SchemaError::field(
                "categories",
                "none or too many",
                "name one to five information categories",
            ));
        }
        self.subject.vouched_check(self.check_exception.as_ref())?;
        self.subject_name.as_deref().map_or(Ok(()), |name| searched_name_check(name, "subject_name"))
    }
}

/// Checks a signed time window: not from the future, not over, not longer than `longest` seconds.
pub(crate) fn check_window(
    form: &'static str,
    iat: UnixTime,
    exp: UnixTime,
    now: UnixTime,
    longest: i64,
) -> Result<(), SchemaError> {
    let ahead = iat.since(now);
    if ahead > CLOCK_TOLERANCE {
        return Err(SchemaError::Expired {
            form,
            reason: format!(
                "signed {ahead} s in the future; set the clocks of both nodes by the same time server"
            ),
        });
    }
    if exp.since(iat) > longest || exp < iat {
        return Err(SchemaError::field(
            "exp",
            "not within the longest lifetime after iat",
            "sign a shorter window",
        ));
    }
    let late = now.since(exp);
    if late > CLOCK_TOLERANCE {
        return Err(SchemaError::Expired {
            form,
            reason: format!(
                "over since {late} s; set the clocks of both nodes by the same time server, then ask again"
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_off_in_either_direction_is_refused_by_name() {
        let now = UnixTime(1_000_000);
        for offset in [-3_600, 3_600] {
            let iat = now.plus(offset);
            let error = check_window("request", iat, iat.plus(60), now, 300).expect_err("an hour off");
            assert!(error.to_string().contains("clock"), "{error}");
        }
        assert!(check_window("request", now, now.plus(60), now, 300).is_ok());
        assert!(check_window("request", now, now.plus(301), now, 300).is_err());
        assert!(check_window("request", UnixTime(i64::MAX), UnixTime(i64::MIN), now, 300).is_err());
    }
}
