//! Publishing a policy that was staged and signed: here, or, an overlay, at the node of a league or city.
//!
//! Order: the plan checked, the audit entry durable, the directory signed with the new contents (the commit point), the own
//! trust store refreshed, from where members fetch it. A crash after the entry leaves a plan that can be published again;
//! after the signing, the plan is removed by the next step of planning.

use std::sync::Arc;

use chengxin_exchange::Node;
use chengxin_exchange::operation::Operation;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_schemas::agency::AgencyCode;
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
        to_its_end(async move {
            // Held to the end, so that two publications cannot follow the same one.
            let _one_at_a_time = own.book().await?;
            let publish = async |prepared| own.contents_publish(prepared).await;
            node.policy_publish(&operation, &version, effective, publish).await
        })
        .await
    }

    /// Publishes an overlay that a member sent, if it is the member's to publish and only narrows.
    pub(crate) async fn overlay_accept(
        self: &Arc<Self>,
        node: &Arc<Node>,
        from: AgencyCode,
        publication: String,
        content: Vec<u8>,
    ) -> Result<(), AppError> {
        let (own, node) = (self.clone(), node.clone());
        to_its_end(async move {
            let _one_at_a_time = own.book().await?;
            let publish = async |prepared| own.contents_publish(prepared).await;
            node.overlay_accept(&from, (&publication, content), publish).await
        })
        .await
    }

    async fn contents_publish(&self, prepared: PreparedPublication) -> Result<(), AppError> {
        let now = self.clock.now();
        self.edit(move |editor, _| editor.contents_publish(&prepared.contents, now)).await?;
        self.own_refresh().await
    }
}
