//! A sanction notice: which measures, against whom, on which record and law, for how long.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::catalogue::MeasureCode;
use crate::category::{BreachSeverity, InformationCategory, vocabulary};
use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::identity::{NoticeId, RecordId};
use crate::purpose::LegalBasis;
use crate::request::CLOCK_TOLERANCE;
use crate::subject::{SUBJECT_NAME_LIMIT, SubjectId};
use crate::time::{Day, PeriodEnd, UnixTime};

/// JOSE `typ` of a notice.
pub const NOTICE_TYP: &str = "chengxin-notice+jwt";
/// Most measures in one notice.
pub const NOTICE_MEASURES_LIMIT: usize = 32;

vocabulary! {
    /// What a version of a notice says about its measures.
    NoticeState, "state" {
        /// The measures apply.
        InForce = "in_force" / "生效",
        /// The measures rest until further notice.
        Suspended = "suspended" / "暂停",
        /// The record was repaired: the measures are lifted.
        Repaired = "repaired" / "已修复",
        /// The decision behind it was withdrawn: the measures never should have applied.
        Withdrawn = "withdrawn" / "已撤回",
    }
}

/// Claims of a notice JWS, version 1. One JWS per recipient: `aud` names the recipient inside the signature, so a
/// recipient cannot pass the notice on as if it had been sent to another (surreptitious forwarding), and no recipient
/// learns who else got it. `content` is equal in all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeClaims {
    /// The issuing agency, which signs.
    pub iss: AgencyCode,
    /// The recipient.
    pub aud: AgencyCode,
    /// When it was signed.
    pub iat: UnixTime,
    /// What all recipients are told.
    pub notice: NoticeContent,
    /// Digest of the canonical JSON of `notice`.
    pub content: Sha256,
}

/// What a notice says, the same to every recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeContent {
    /// The notice.
    pub id: NoticeId,
    /// Counts from 1; the highest version is the notice, whatever order versions arrive in.
    pub version: u32,
    /// What this version says.
    pub state: NoticeState,
    /// Against whom.
    pub subject: SubjectId,
    /// The subject's name, for people.
    pub subject_name: String,
    /// The determined breach the notice rests on.
    pub record: RecordId,
    /// Digest of the record's issuer-signed JWT.
    pub record_digest: Sha256,
    /// Category of the record.
    pub category: InformationCategory,
    /// Severity of the breach.
    pub severity: BreachSeverity,
    /// The measures, each with its basis; empty only when the state is repaired or withdrawn.
    pub measures: Vec<NoticeMeasure>,
}

/// One listed measure applied to the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeMeasure {
    /// The measure, from the list of sanction measures.
    pub measure: MeasureCode,
    /// The law, regulation or central policy that provides for it.
    pub legal_basis: LegalBasis,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
}

impl NoticeContent {
    /// The digest all recipients can compare: SHA-256 of the compact JSON, whose field order is that of this type.
    pub fn digest(&self) -> Sha256 {
        // A type of strings, numbers and lists always serialises; an empty text would only ever fail a comparison.
        Sha256::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Refuses what law forbids to send: no measure, too many, an end before the beginning, or a category that is no breach.
    pub fn check(&self) -> Result<(), SchemaError> {
        if self.version == 0 {
            return Err(SchemaError::field("version", "zero", "versions count from 1"));
        }
        if !matches!(self.category, InformationCategory::GeneralBreach | InformationCategory::SeriousBreach) {
            return Err(SchemaError::field(
                "category",
                "a sanction rests on a determined breach",
                "name a record of general or serious breach (国办发〔2020〕49号)",
            ));
        }
        let name_length = self.subject_name.chars().count();
        if name_length == 0
            || name_length > SUBJECT_NAME_LIMIT
            || self.subject_name.chars().any(char::is_control)
        {
            return Err(SchemaError::field(
                "subject_name",
                "1 to 200 visible characters are needed",
                "give the registered name",
            ));
        }
        if self.measures.len() > NOTICE_MEASURES_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "measures",
                unit: "items",
                actual: self.measures.len(),
                limit: NOTICE_MEASURES_LIMIT,
            });
        }
        let lifted = matches!(self.state, NoticeState::Repaired | NoticeState::Withdrawn);
        if self.measures.is_empty() && !lifted {
            return Err(SchemaError::field(
                "measures",
                "none",
                "name at least one listed measure with its legal basis",
            ));
        }
        for measure in &self.measures {
            if measure.until.is_over(measure.from.0) {
                return Err(SchemaError::field(
                    "until",
                    "before the first day",
                    "give a last day on or after the first",
                ));
            }
        }
        Ok(())
    }
}

impl NoticeClaims {
    /// Checks the notice for `recipient` at `now`: addressed to it, not signed in the future, equal to what the others
    /// got, lawful in form.
    pub fn check(&self, recipient: &AgencyCode, now: UnixTime) -> Result<(), SchemaError> {
        self.iat.check_signed_by(now, CLOCK_TOLERANCE, "notice")?;
        if self.aud != *recipient {
            return Err(SchemaError::Integrity {
                form: "notice",
                reason: "addressed to another agency: it was forwarded, or misdelivered".to_owned(),
            });
        }
        if self.notice.digest() != self.content {
            return Err(SchemaError::Integrity {
                form: "notice",
                reason: "content does not match its digest".to_owned(),
            });
        }
        self.notice.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::messages::notice;

    fn refused(change: impl FnOnce(&mut NoticeContent)) -> Option<String> {
        let mut content = notice().notice;
        change(&mut content);
        content.check().err().map(|error| error.to_string())
    }

    #[test]
    fn a_notice_needs_a_breach_a_measure_and_a_period() {
        assert_eq!(refused(|_| ()), None);
        assert!(refused(|content| content.version = 0).is_some());
        assert!(refused(|content| content.category = InformationCategory::RiskWarning).is_some());
        assert!(refused(|content| content.measures.clear()).is_some());
        assert!(
            refused(|content| {
                content.measures.clear();
                content.state = NoticeState::Repaired;
            })
            .is_none(),
            "lifting needs no measure"
        );
        assert!(refused(|content| content.measures = vec![content.measures[0].clone(); 33]).is_some());
        assert!(
            refused(|content| content.measures[0].until = "2026-11-21".parse().expect("day")).is_some(),
            "ends before it begins"
        );
        for name in ["", "a\nb", &"长".repeat(201)] {
            assert!(refused(|content| content.subject_name = name.into()).is_some(), "{name}");
        }
    }

    #[test]
    fn a_notice_is_for_its_recipient_and_equal_for_all() {
        let good = notice();
        assert!(good.check(&good.aud, good.iat).is_ok());
        assert!(good.check(&good.iss, good.iat).is_err(), "forwarded to another");
        let early = good.iat.plus(-CLOCK_TOLERANCE);
        assert!(good.check(&good.aud, early).is_ok());
        assert!(good.check(&good.aud, early.plus(-1)).is_err(), "signed in the future");
        let mut changed = good.clone();
        changed.notice.version = 2;
        assert!(changed.check(&good.aud, good.iat).is_err(), "another content than the digest says");
    }
}
