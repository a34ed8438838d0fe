//! The audit log as the security officer reads it.

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
    /// About whom, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The open file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_reference: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The object: a record, notice, batch, agency or account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
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
    /// What does not hold, in words; empty exactly when `holds`.
    pub faults: Vec<String>,
}
