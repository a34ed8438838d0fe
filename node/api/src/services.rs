//! What the interface serves: the node, and the ports for what other crates know.

use std::collections::HashMap;
use std::sync::Arc;

use chengxin_exchange::node::Node;
use chengxin_exchange::operation::Operation;
use chengxin_exchange::operator::Separation;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::time::{Day, UnixTime};
use futures::future::BoxFuture;

use crate::spool::Spool;
use crate::types::config::Config;
use crate::types::federation::{Delegation, EnrolRequest, Enrolment, JoinToken, Removal, TokenRequest};
use crate::types::problem::Problem;

/// Everything the handlers use. The program puts it together.
pub struct Services {
    /// The use cases.
    pub node: Arc<Node>,
    /// Connections to other members.
    pub links: Arc<dyn Links>,
    /// Admission of members; answers `not_found` at a node that is no coordinator.
    pub federation: Arc<dyn FederationDesk>,
    /// The settings in use, with their origin.
    pub config: Config,
    /// How strictly separation of duties binds users.
    pub separation: Separation,
    /// Fingerprint of the federation's first root, as text.
    pub root_fingerprint: Option<String>,
    /// Version of the program.
    pub version: String,
    /// When the program started.
    pub started: UnixTime,
    /// Files on their way in.
    pub spool: Arc<Spool>,
}

/// Says which members are connected. Implemented over the network by the program.
pub trait Links: Send + Sync + 'static {
    /// The connections to all members at this moment; none that is not listed stands. Asked once for each request: every
    /// call looks at every member.
    fn links(&self) -> HashMap<AgencyCode, Link>;
}

/// The connection to one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether it stands.
    pub online: bool,
    /// Since when it has been so, if known.
    pub since: Option<UnixTime>,
    /// Why the last attempt failed, without addresses that the directory does not have.
    pub failure: Option<String>,
}

/// Changes the federation's directory: admits members, by one-time tokens or applications, and publishes policies. Implemented by the program, which has the keys.
/// Each method writes its own entry to the audit log before it takes effect.
pub trait FederationDesk: Send + Sync + 'static {
    /// Issues a token.
    fn token_issue<'a>(
        &'a self,
        operation: &'a Operation,
        request: TokenRequest,
    ) -> BoxFuture<'a, Result<JoinToken, Problem>>;

    /// Enters a member.
    fn member_enrol<'a>(
        &'a self,
        operation: &'a Operation,
        request: EnrolRequest,
    ) -> BoxFuture<'a, Result<Enrolment, Problem>>;

    /// Takes a member out, for a reason that the audit log keeps.
    fn member_remove<'a>(
        &'a self,
        operation: &'a Operation,
        agency: AgencyCode,
        reason: String,
    ) -> BoxFuture<'a, Result<Removal, Problem>>;

    /// Lets a member publish the overlay of its region, or not any more.
    fn member_delegate<'a>(
        &'a self,
        operation: &'a Operation,
        agency: AgencyCode,
        is_delegate: bool,
    ) -> BoxFuture<'a, Result<Delegation, Problem>>;

    /// Publishes a policy that was staged and signed, for a day.
    fn policy_publish<'a>(
        &'a self,
        operation: &'a Operation,
        version: PolicyVersion,
        effective: Day,
    ) -> BoxFuture<'a, Result<PreparedPublication, Problem>>;
}

/// Shows no part.
impl std::fmt::Debug for Services {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Services({:?}, version {})", self.node, self.version)
    }
}
