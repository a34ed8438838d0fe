//! The audit log as the security officer reads it.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::operator::OperatorName;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`AuditEntries`].
    AuditListSchema = "audit-entries/v1"
}
schema_tag! {
    /// Tag of [`AuditVerification`].
    AuditVerificationSchema = "audit-verification/v1"
}

/// Most entries on one page.
pub const AUDIT_PAGE_LIMIT: usize = 200;

/// What `GET /api/v1/audit` takes in its query string.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only this operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<OperatorName>,
    /// Only entries about this subject, as a clerk types it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only beside `subject`: why the subject's code is right although its check is not, in the caller's words, who vouches
    /// for it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Only entries about a subject of this name: searched for by it, or without another identifier. Not beside `subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only this kind of event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Only from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Only before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to [`AUDIT_PAGE_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What `GET /api/v1/audit` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntries {
    /// The tag.
    pub schema: AuditListSchema,
    /// The page, the newest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One entry: who, when, why, what came of it, under which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Position in the log.
    pub index: u64,
    /// When.
    pub at: Moment,
    /// What kind of event.
    pub event: String,
    /// Who: an operator, a peer's agency and operator, or the node itself.
    pub actor: String,
    /// In which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The keyed hash of the subject: equal for equal subjects, readable for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_key: Option<String>,
    /// The keyed hash of the name that was searched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_key: Option<String>,
    /// For what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The other agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<AgencyCode>,
    /// What came of it.
    pub outcome: String,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Version of the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Digest of what the entry is about: the request answered (the body of the asker's entry names the same), the item
    /// delivered, the file imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Sha256>,
    /// Fields shown whole.
    pub fields_shown: u64,
    /// Fields shown in part.
    pub fields_masked: u64,
}

/// What `POST /api/v1/audit/verify` answers, and what the offline verifier prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerification {
    /// The tag.
    pub schema: AuditVerificationSchema,
    /// Whether everything holds.
    pub holds: bool,
    /// The log's origin line.
    pub origin: String,
    /// Entries covered by the latest checkpoint.
    pub entries: u64,
    /// Root hash of the latest checkpoint, as the checkpoint spells it.
    pub root: String,
    /// The keys that signed the latest checkpoint.
    pub signed_by: Vec<String>,
    /// Durable entries that no checkpoint covers yet.
    pub uncovered: u64,
    /// What does not hold, in words; empty exactly when `holds`.
    pub faults: Vec<String>,
    /// What is sound but worth knowing: foreign files, an incomplete end.
    pub notes: Vec<String>,
}
