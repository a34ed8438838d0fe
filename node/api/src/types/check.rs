//! A check of a subject: what was asked, who answered, what was found. Coverage stands first because the rest means
//! nothing without it.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::{BreachSeverity, InformationCategory, RecordState};
use chengxin_schemas::error::ErrorCode;
use chengxin_schemas::identity::{CaseReference, NoticeId, RecordId, ReleaseId};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::{Day, PeriodEnd};
use chengxin_schemas::unified_code::CheckException;
use serde::{Deserialize, Serialize};

use super::record::RecordField;
use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`CheckResult`].
    CheckSchema = "check/v1"
}

/// Longest time a caller may wait for peers, in seconds.
pub const CHECK_DEADLINE_LIMIT: u64 = 60;

/// How long a check waits for peers when nobody says, in milliseconds.
pub const CHECK_DEADLINE_DEFAULT_MS: u64 = 5_000;

/// What `POST /api/v1/checks` takes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// About whom, as a clerk types it: a unified social credit code, an organisation code or a resident identity number.
    pub subject: String,
    /// Why the subject's code is right although its check is not, in the caller's words, who vouches for it so: a code that is
    /// printed so on the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// The subject's name, for records that carry neither a unified code nor a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file.
    pub case_reference: CaseReference,
    /// Which categories; empty for all that policy allows for the purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<InformationCategory>,
    /// Under which law, where the purpose alone does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// The subject's own authorisation, where there is one: `reference`, and `document`, the SHA-256 of its scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<SubjectAuthorisation>,
    /// The release that a colleague gave, where the purpose needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// How long to wait for peers, in milliseconds; [`CHECK_DEADLINE_DEFAULT_MS`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Whether a check certificate is to be issued with the result.
    #[serde(default)]
    pub certificate: bool,
}

/// Shows purpose and case only: the subject may be a person.
impl std::fmt::Debug for CheckRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CheckRequest")
            .field("purpose", &self.purpose)
            .field("case_reference", &self.case_reference)
            .finish_non_exhaustive()
    }
}

/// What `POST /api/v1/checks` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The tag.
    pub schema: CheckSchema,
    /// Who was asked and what came of it.
    pub coverage: Coverage,
    /// The subject, a person's number masked.
    pub subject: String,
    /// Who vouched for the subject's code, and why, if its check is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_exception: Option<CheckException>,
    /// The subject's name as asked, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The purpose's name in Chinese, if the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_name: Option<String>,
    /// The purpose's name in English, if the policy knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose_name_en: Option<String>,
    /// The open file.
    pub case_reference: CaseReference,
    /// The categories asked about.
    pub categories: Vec<InformationCategory>,
    /// Restrictions in force.
    pub restrictions: Vec<Restriction>,
    /// Records found, the most serious first.
    pub records: Vec<CheckRecord>,
    /// Version of the policy that decided.
    pub policy: String,
    /// Index of the check's entry in the audit log.
    pub audit_entry: u64,
    /// The check certificate as a file holds it, if one was asked for; verifiable offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<serde_json::Value>,
}

/// Who was asked and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// True only if every agency asked answered for every category asked about. Only then does an empty result mean
    /// that nothing was found.
    pub complete: bool,
    /// When the check ended.
    pub as_of: Moment,
    /// How many were asked, the own node included.
    pub asked: usize,
    /// How many answered.
    pub answered: usize,
    /// How many refused.
    pub refused: usize,
    /// How many did not answer, or not validly.
    pub silent: usize,
    /// Each agency, those that did not answer first.
    pub agencies: Vec<AgencyCoverage>,
}

/// One agency's part in a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencyCoverage {
    /// The agency.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: AgencyOutcome,
}

/// What came of asking one agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AgencyOutcome {
    /// It answered.
    Answered {
        /// The answer speaks as of this time.
        as_of: Moment,
        /// How many records it presented.
        records: usize,
        /// The categories asked about that it did not answer for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<InformationCategory>,
    },
    /// It refused.
    Refused {
        /// Why, as a code.
        code: ErrorCode,
        /// The rule that decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Why, in words of that agency.
        reason: String,
    },
    /// It did not answer in time, could not be reached, or its answer did not verify.
    Silent {
        /// Why, as a code.
        code: ErrorCode,
        /// Why, in words.
        reason: String,
    },
}

/// A restriction in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The identifier that the notice binds, a person's number masked, where it is another one than was asked about: records
    /// show both to be the same subject's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binds: Option<String>,
    /// The measure.
    pub measure: MeasureCode,
    /// Its name in Chinese.
    pub measure_name: String,
    /// Its name in English.
    pub measure_name_en: String,
    /// The law it rests on.
    pub legal_basis: LegalBasis,
    /// The agency that issued it.
    pub issuer: AgencyCode,
    /// Its name.
    pub issuer_name: String,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
    /// The notice.
    pub notice: NoticeId,
    /// Its version.
    pub version: u32,
    /// Whether this node's agency applies it itself.
    pub applied_here: bool,
    /// Why not, if not: the code of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applied_reason: Option<String>,
    /// Why not, in Chinese.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applied_reason_zh: Option<String>,
    /// Why not, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applied_reason_en: Option<String>,
}

/// A record found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRecord {
    /// The record.
    pub record: RecordId,
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Its category.
    pub category: InformationCategory,
    /// Its severity, for breaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<BreachSeverity>,
    /// Where it stood when it was presented; under objection is shown as a mark.
    pub state: RecordState,
    /// The determining authority.
    pub issuer: AgencyCode,
    /// Its name.
    pub issuer_name: String,
    /// The day it was determined on.
    pub determined_on: Day,
    /// The last day of its publicity by the issuer's rules, if they know one. The field of that name is what the source
    /// wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publicity_end: Option<PeriodEnd>,
    /// Found by name only: a person must compare.
    pub name_match_only: bool,
    /// The rule under which it was shown.
    pub rule: String,
    /// What was presented of it.
    pub fields: Vec<RecordField>,
}
