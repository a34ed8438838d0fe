//! Delegating the overlay of a league or city to the member that serves it, and taking that back.
//!
//! Order: the member looked at, the audit entry durable, the entry signed and published, the own trust store refreshed. One
//! that was published and not taken into the own trust store is finished by the next attempt. An overlay that is in force
//! stays in force: who is delegated next publishes the next one.

use std::sync::Arc;

use chengxin_audit_log::EntryKind;
use chengxin_exchange::Node;
use chengxin_exchange::audit::EntryDraft;
use chengxin_exchange::operation::Operation;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::operator::Role;
use chengxin_trust::TrustError;

use super::{Coordination, to_its_end};
use crate::error::AppError;

impl Coordination {
    /// Lets a member publish the overlay of its own region, or not any more. Gives its entry and the directory's version.
    pub(crate) async fn member_delegate(
        self: &Arc<Self>,
        node: &Arc<Node>,
        operation: &Operation,
        agency: AgencyCode,
        is_delegate: bool,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        let (own, node, operation) = (self.clone(), node.clone(), operation.clone());
        to_its_end(async move { own.member_delegate_here(&node, &operation, agency, is_delegate).await })
            .await
    }

    async fn member_delegate_here(
        &self,
        node: &Arc<Node>,
        operation: &Operation,
        agency: AgencyCode,
        is_delegate: bool,
    ) -> Result<(DirectoryEntry, u64), AppError> {
        operation.require(&[Role::Coordinator], "delegate overlays")?;
        let _one_at_a_time = self.book().await?;
        let (entries, directory) = self
            .edit(|editor, _| {
                Ok((editor.entries().cloned().collect::<Vec<_>>(), editor.versions().directory))
            })
            .await?;
        let held = entries.iter().find(|entry| entry.agency == agency);
        let held = held.ok_or_else(|| TrustError::NotMember { agency: agency.to_string() })?;
        let region = is_delegate.then_some(held.region);
        let entry = DirectoryEntry { overlay_region: region, ..held.clone() };
        entry.check_limits()?;
        if entry == *held {
            self.own_refresh().await?;
            return Ok((entry, directory));
        }
        let is_other = |other: &&DirectoryEntry| region.is_some() && other.overlay_region == region;
        if let Some(other) = entries.iter().find(is_other) {
            return Err(AppError::State {
                what: format!("{} publishes the overlay of {} already", other.agency, held.region),
                fix: "take it back first, with chengxin federation delegate AGENCY --withdraw",
                code: ErrorCode::Conflict,
            });
        }
        let logged = EntryDraft::new(EntryKind::MemberChanged)
            .detail("step", if is_delegate { "delegated" } else { "delegation_withdrawn" })
            .detail("agency", agency.as_str())
            .detail("region", &held.region.to_string());
        node.audit_append(Some(operation), logged).await?;
        let (now, changed) = (self.clock.now(), entry.clone());
        let versions = self.edit(move |editor, _| editor.member_update(changed, now)).await?;
        self.own_refresh().await?;
        Ok((entry, versions.directory))
    }
}
