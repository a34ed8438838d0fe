//! The state of a node on one screen.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::region::RegionCode;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Status`].
    StatusSchema = "status/v1"
}

/// What `GET /api/v1/status` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The tag.
    pub schema: StatusSchema,
    /// Whether the node does all of its work.
    pub health: Health,
    /// What somebody should look at, the most urgent first. Only the remark that a node is on trial may stand beside a
    /// `health` of `ok`.
    pub hints: Vec<Hint>,
    /// Who and what the node is.
    pub node: NodeStatus,
    /// The federation; absent before the node has joined one.
    pub federation: Option<FederationStatus>,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// The audit log.
    pub audit: AuditStatus,
    /// Connections to other members.
    pub peers: PeerCounts,
    /// What the node holds.
    pub holdings: Holdings,
}

/// Whether a node does all of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Everything works.
    Ok,
    /// The node works, and something needs attention.
    Degraded,
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// Stable name, for scripts.
    pub code: String,
    /// In Chinese.
    pub text_zh: String,
    /// In English.
    pub text_en: String,
    /// A command that helps, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Who and what a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The public body.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// The region it serves.
    pub region: Option<RegionCode>,
    /// Whether it issues members and rules.
    pub coordinator: bool,
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Moment,
    /// Its own time when it answered.
    pub now: Moment,
}

/// The federation as the node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederationStatus {
    /// Its name.
    pub federation: FederationId,
    /// Fingerprint of its first root of trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_fingerprint: Option<String>,
    /// Version of the member directory in use.
    pub directory_version: u64,
    /// How many members it lists.
    pub members: usize,
    /// When the metadata must have been renewed.
    pub expires_at: Moment,
    /// How the metadata stands.
    pub freshness: Freshness,
}

/// How the federation's metadata stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// Within its validity.
    Fresh,
    /// Over, within the stated grace.
    Grace,
    /// Over: peers are not asked and not answered.
    Expired,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its version.
    pub version: String,
}

/// The audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Its origin line.
    pub origin: String,
    /// Why entries cannot be written, if they cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Entries that are durable.
    pub entries: u64,
    /// Whether entries can be written; if not, the node refuses to disclose.
    pub writable: bool,
}

/// How many members are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerCounts {
    /// Connected now.
    pub online: usize,
    /// In the directory, without the node itself.
    pub total: usize,
}

/// What a node holds and still has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// Recipients to whom a notice is owed.
    pub deliveries_pending: u64,
    /// Imports neither finished nor taken back.
    pub imports_open: u64,
    /// Bytes the store takes on disk.
    pub store_bytes: u64,
}
