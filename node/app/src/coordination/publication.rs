//! Publishing a policy that was staged and signed.
//!
//! Order: the plan checked, the audit entry durable, the directory signed with the new contents (the commit point), the own
//! trust store refreshed, from where members fetch it. A crash after the entry leaves a plan that can be published again;
//! after the signing, the plan is removed by the next step of planning.

use std::sync::Arc;

use chengxin_exchange::Node;
use chengxin_exchange::operation::Operation;
use chengxin_exchange::policy_plan::PreparedPublication;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::time::Day;

use super::{Coordination, to_its_end};
use crate::error::AppError;

impl Coordination {
    /// Publishes a plan for a day. Gives what was published.
    pub(crate) async fn policy_publish(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        version: PolicyVersion,
        effective: Day,
    ) -> Result<PreparedPublication, AppError> {
        let (own, node, operation) = (self.clone(), node.clone(), operation.clone());
        to_its_end(async move { own.policy_publish_here(&node, &operation, &version, effective).await }).await
    }

    async fn policy_publish_here(
        &self,
        node: &Arc<Node>,
        operation: &Operation,
        version: &PolicyVersion,
        effective: Day,
    ) -> Result<PreparedPublication, AppError> {
        // Held to the end, so that two publications cannot follow the same one.
        let _one_at_a_time = self.book().await?;
        node.policy_publish(operation, version, effective, async |prepared: PreparedPublication| {
            let now = self.clock.now();
            self.edit(move |editor, _| editor.contents_publish(&prepared.contents, now)).await?;
            self.own_refresh().await
        })
        .await
    }
}
