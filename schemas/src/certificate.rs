//! The check certificate (核查凭证): what an agency had learned when it decided, signed, verifiable offline.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::authorisation::SubjectAuthorisation;
use crate::catalogue::MeasureCode;
use crate::category::{BreachSeverity, InformationCategory, RecordState};
use crate::digest::Sha256;
use crate::error::ErrorCode;
use crate::identity::{CaseReference, NoticeId, RecordId};
use crate::purpose::{LegalBasis, PurposeCode};
use crate::request::OperatorReference;
use crate::subject::SubjectId;
use crate::time::{Day, PeriodEnd, UnixTime};
use crate::unified_code::CheckException;

/// JOSE `typ` of a check certificate.
pub const CERTIFICATE_TYP: &str = "chengxin-check-certificate+jwt";
/// Longest compact JWS of a certificate, in bytes. Its coverage names every member: about 400 bytes each and a third more
/// in base64, so that 12,000 members take 6 MiB and leave room for records and restrictions.
pub const CERTIFICATE_LIMIT: usize = 16 * 1024 * 1024;

/// Claims of a check certificate, version 1. It reports facts and their coverage; it draws no conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateClaims {
    /// The agency that checked, which signs.
    pub iss: AgencyCode,
    /// When the check ended.
    pub iat: UnixTime,
    /// Unique number of the check.
    pub jti: String,
    /// About whom.
    pub subject: SubjectId,
    /// The name that was searched for as well. Absent if none was: then records that carry neither a unified code nor
    /// a person's number were looked for by organisation code only, and nothing about the others follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<String>,
    /// Who at the agency that checked vouches for the subject's code, and why, where its check is wrong.
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
    /// By whom.
    pub operator: OperatorReference,
    /// Who released the check beside the operator, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_by: Option<OperatorReference>,
    /// Version of the policy.
    pub policy: String,
    /// Version of the member directory.
    pub directory: u64,
    /// Who was asked and what came of it; comes first because the rest means nothing without it.
    pub coverage: Vec<CoverageEntry>,
    /// True only if every agency asked has answered for every category asked about.
    pub complete: bool,
    /// The categories asked about.
    pub categories: Vec<InformationCategory>,
    /// Records found.
    pub records: Vec<CertificateRecord>,
    /// Restrictions in force.
    pub restrictions: Vec<CertificateRestriction>,
    /// Index of the check's entry in the agency's audit log.
    pub audit_entry: u64,
}

/// One agency's part in a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverageEntry {
    /// The agency.
    pub agency: AgencyCode,
    /// Its name, for people.
    pub name: String,
    /// What came of it.
    pub outcome: CoverageOutcome,
}

/// What came of asking one agency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CoverageOutcome {
    /// It answered.
    Answered {
        /// The answer speaks as of this time.
        as_of: UnixTime,
        /// The categories it answered for.
        categories: Vec<InformationCategory>,
        /// How many records it presented.
        records: usize,
        /// Digest of the answer's compact JWS; absent for the own node.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Sha256>,
    },
    /// It refused.
    Refused {
        /// Why, as a code.
        code: ErrorCode,
        /// The rule, if one decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Why, in words.
        reason: String,
    },
    /// It did not answer in time, could not be reached, or its answer did not verify.
    Silent {
        /// Why, as a code: unavailable, timeout, integrity, …
        code: ErrorCode,
        /// Why, in words.
        reason: String,
    },
}

/// A record as the certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRecord {
    /// The determining authority.
    pub issuer: AgencyCode,
    /// The record.
    pub record: RecordId,
    /// Its type.
    pub vct: String,
    /// Its category.
    pub category: InformationCategory,
    /// Its severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<BreachSeverity>,
    /// Its state at the time of the answer.
    pub state: RecordState,
    /// The day it was determined on.
    pub determined_on: Day,
    /// Digest of what was presented, base64url.
    pub presented: String,
    /// Found by name only.
    pub name_match_only: bool,
}

/// A restriction in force as the certificate names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRestriction {
    /// The issuer of the notice.
    pub issuer: AgencyCode,
    /// The notice.
    pub notice: NoticeId,
    /// Its version.
    pub version: u32,
    /// The identifier that the notice binds, a person's number masked, where it is another one than the certificate is
    /// about: records show both to be the same subject's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binds: Option<String>,
    /// The measure.
    pub measure: MeasureCode,
    /// The law it rests on.
    pub legal_basis: LegalBasis,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
    /// Whether the checking agency applies it itself.
    pub applied_here: bool,
}
