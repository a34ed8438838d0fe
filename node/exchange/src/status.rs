//! What a node says of its own condition: the first thing a system administrator looks at.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;
use chengxin_store::Statistics;
use chengxin_trust::Freshness;

use crate::clock_doubt::ClockStatus;
use crate::error::Result;
use crate::keyspace;
use crate::node::Node;

/// The condition of a node, from the use cases' point of view. The program adds peers, addresses and process facts.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The body that runs the node.
    pub agency: AgencyCode,
    /// Its name as the directory has it.
    pub name: String,
    /// The present time of the node.
    pub now: UnixTime,
    /// The federation.
    pub federation: String,
    /// Version of the member directory.
    pub directory: u64,
    /// How fresh the directory is.
    pub directory_freshness: Freshness,
    /// Members, this one included.
    pub members: usize,
    /// Version of the policy in force.
    pub policy: String,
    /// Entries in the audit log.
    pub audit_entries: u64,
    /// Whether the audit log takes entries; if not, the node refuses all work.
    pub audit_healthy: bool,
    /// Why not, if not.
    pub audit_fault: Option<String>,
    /// Recipients that a notice is owed to.
    pub deliveries_owed: usize,
    /// Imports that are neither committed nor rolled back.
    pub imports_open: usize,
    /// The store.
    pub store: Statistics,
    /// Signs that this machine's clock and others differ.
    pub clock: ClockStatus,
    /// Why the store cannot be read, if it cannot: then the node refuses all work but saying so.
    pub store_fault: Option<String>,
}

impl Node {
    /// The node's condition.
    pub async fn status(&self) -> Result<NodeStatus> {
        let directory = self.directory()?;
        let now = self.now();
        let health = self.parts.log.health();
        // Whatever the answer, a store that has stopped refuses it.
        let read = self.parts.store.get(&keyspace::policy_in_force()).await;
        let store_fault = read.err().map(|error| error.to_string());
        let imports_open = self.hidden.read().unwrap_or_else(std::sync::PoisonError::into_inner).len();
        Ok(NodeStatus {
            agency: self.parts.agency,
            name: directory.entry(&self.parts.agency).map(|entry| entry.name.clone()).unwrap_or_default(),
            now,
            federation: directory.federation().to_string(),
            directory: directory.version(),
            directory_freshness: directory.freshness(now),
            members: directory.len(),
            policy: self.policy_version(),
            audit_entries: self.parts.log.tree_size(),
            audit_healthy: health.stopped.is_none(),
            audit_fault: health.stopped,
            deliveries_owed: self.delivery_owed(),
            imports_open,
            store: self.parts.store.statistics().await.unwrap_or_default(),
            clock: self.clock_status(),
            store_fault,
        })
    }
}
