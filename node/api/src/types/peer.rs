//! The other members and how they can be reached.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::region::RegionCode;
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Peers`].
    PeerListSchema = "peers/v1"
}

/// What `GET /api/v1/peers` answers: every other member of the directory, unreachable ones first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// The tag.
    pub schema: PeerListSchema,
    /// The members.
    pub peers: Vec<Peer>,
}

/// One other member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The public body.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// The region it serves.
    pub region: RegionCode,
    /// Whether it issues members and rules.
    pub coordinator: bool,
    /// What it does by law.
    pub functions: Vec<FunctionCode>,
    /// Whether a connection stands.
    pub online: bool,
    /// Since when it has been so, if the node knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Why the last attempt to reach it failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Where it listens.
    pub addresses: Vec<String>,
}
