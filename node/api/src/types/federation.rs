//! Members of the federation and how they are admitted.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::region::RegionCode;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`JoinToken`].
    JoinTokenSchema = "join-token/v1"
}
schema_tag! {
    /// Tag of [`Enrolment`].
    EnrolmentSchema = "enrolment/v1"
}
schema_tag! {
    /// Tag of [`Removal`].
    RemovalSchema = "removal/v1"
}
schema_tag! {
    /// Tag of [`Delegation`].
    DelegationSchema = "delegation/v1"
}
schema_tag! {
    /// Tag of [`Members`].
    MemberListSchema = "members/v1"
}

/// What `POST /api/v1/federation/tokens` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The body that may join with the token; nobody else can.
    pub agency: AgencyCode,
    /// The name it will be entered under.
    pub name: String,
    /// The region it serves.
    pub region: RegionCode,
    /// What it does by law.
    pub functions: Vec<FunctionCode>,
    /// How long the token is good for, in seconds.
    pub valid_seconds: u64,
    /// Whether it may have keys that a removed member had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_keys: bool,
}

/// What `POST /api/v1/federation/tokens` answers. The token is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The tag.
    pub schema: JoinTokenSchema,
    /// The one-time token: secret until it has been used. Absent where it was written into a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The file the token was written into, by a program that took it for the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<std::path::PathBuf>,
    /// When the earlier token for the body was issued that is void from now on, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Moment>,
    /// The body it admits.
    pub agency: AgencyCode,
    /// After this it is void.
    pub expires_at: Moment,
    /// Where the new member's node reaches this one.
    pub addresses: Vec<String>,
    /// Fingerprint of the federation's first root of trust; pass it on by another way than the token.
    pub root_fingerprint: String,
}

/// Leaves the token out.
impl std::fmt::Debug for JoinToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("JoinToken")
            .field("agency", &self.agency)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What `POST /api/v1/federation/enrolments` takes: a self-description that a body's node wrote with `init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// The signed self-description, as the file holds it.
    pub application: String,
    /// Fingerprint of it, as the body told by another way; must match.
    pub fingerprint: String,
    /// Whether it may have keys that a removed member had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_keys: bool,
}

/// What `POST /api/v1/federation/enrolments` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The tag.
    pub schema: EnrolmentSchema,
    /// The member as entered.
    pub member: Member,
    /// Version of the directory that has it.
    pub directory_version: u64,
}

/// What `POST /api/v1/federation/members/{agency}/removal` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalRequest {
    /// Why, for the audit log: 2 to 500 characters.
    pub reason: String,
}

/// What `POST /api/v1/federation/members/{agency}/removal` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The tag.
    pub schema: RemovalSchema,
    /// The former member, as it was entered.
    pub member: Member,
    /// Version of the directory that no longer has it.
    pub directory_version: u64,
}

/// What `POST /api/v1/federation/members/{agency}/delegation` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationRequest {
    /// Whether the member may publish the overlay of its region from now on, or may not any more.
    pub delegate: bool,
}

/// What `POST /api/v1/federation/members/{agency}/delegation` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The tag.
    pub schema: DelegationSchema,
    /// The member as it is entered.
    pub member: Member,
    /// Version of the directory that says so.
    pub directory_version: u64,
}

/// What `GET /api/v1/federation/members` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The tag.
    pub schema: MemberListSchema,
    /// Version of the directory.
    pub directory_version: u64,
    /// The members.
    pub members: Vec<Member>,
}

/// A member as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The public body.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// The region it serves.
    pub region: RegionCode,
    /// What it does by law.
    pub functions: Vec<FunctionCode>,
    /// Whether it issues members and rules.
    pub coordinator: bool,
    /// The league or city of which it publishes the overlay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay_region: Option<RegionCode>,
    /// Identity of its transport key.
    pub transport_identity: String,
    /// Where it listens.
    pub addresses: Vec<String>,
}
