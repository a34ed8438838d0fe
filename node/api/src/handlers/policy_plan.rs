//! A coordinator's plans for the policy, and how members follow.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use chengxin_policy::PolicyFiles;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::region::RegionCode;

use super::policy_diff::{Comparison, compare};
use super::{Answer, body_whole, document, path_parse};
use crate::gate::Caller;
use crate::services::Services;
use crate::types::policy_diff::PolicyChanges;
use crate::types::policy_plan::{
    PlanDocument, PolicyStatus, PublishRequest, Published, RevertRequest, SignRequest,
};

/// Texts of files by their names: a packed form.
type Texts = std::collections::BTreeMap<String, String>;

/// The bundle published last: what another one is made on.
pub(crate) async fn policy_bundle(State(services): State<Arc<Services>>) -> Answer<Texts> {
    texts(services.node.policy_files(PolicyScope::Federation).await?)
}

/// The overlay of a region that was published last.
pub(crate) async fn policy_overlay(
    State(services): State<Arc<Services>>,
    Path(region): Path<String>,
) -> Answer<Texts> {
    let region: RegionCode = path_parse(&region)?;
    texts(services.node.policy_files(PolicyScope::Region(region)).await?)
}

fn texts(files: PolicyFiles) -> Answer<Texts> {
    let own = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    Ok(Json(match files {
        PolicyFiles::Bundle(files) => files.iter().map(own).collect(),
        PolicyFiles::Overlay(files) => files.iter().map(own).collect(),
    }))
}

pub(crate) async fn policy_stage(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PlanDocument> {
    let packed = body_whole(body)?;
    let plan = services.node.policy_stage(&caller.operation, packed.to_vec()).await?;
    Ok(Json(PlanDocument::new(plan)))
}

pub(crate) async fn policy_plan_diff(
    State(services): State<Arc<Services>>,
    Path(version): Path<String>,
) -> Answer<PolicyChanges> {
    let version: PolicyVersion = path_parse(&version)?;
    let comparison = Comparison::begin()?;
    let plan = services.node.policy_plan(&version).await?;
    let base = services.node.policy_base(version.scope()).await?;
    compare(comparison, base, move || Ok(plan)).await
}

pub(crate) async fn policy_sign(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PlanDocument> {
    let version: PolicyVersion = path_parse(&version)?;
    let request: SignRequest = document(body)?;
    let separation = services.separation;
    let plan = services.node.policy_sign(&caller.operation, separation, &version, &request.digest).await?;
    Ok(Json(PlanDocument::new(plan)))
}

pub(crate) async fn policy_discard(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
) -> Answer<PolicyStatus> {
    let version: PolicyVersion = path_parse(&version)?;
    services.node.policy_discard(&caller.operation, &version).await?;
    status(&services).await
}

pub(crate) async fn policy_publish(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Published> {
    let version: PolicyVersion = path_parse(&version)?;
    let request: PublishRequest = document(body)?;
    let published = services.federation.policy_publish(&caller.operation, version, request.effective).await?;
    Ok(Json(published.into()))
}

pub(crate) async fn policy_revert(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PlanDocument> {
    let request: RevertRequest = document(body)?;
    let plan = services.node.policy_revert(&caller.operation, request.to.as_ref()).await?;
    Ok(Json(PlanDocument::new(plan)))
}

pub(crate) async fn policy_status(State(services): State<Arc<Services>>) -> Answer<PolicyStatus> {
    status(&services).await
}

async fn status(services: &Services) -> Answer<PolicyStatus> {
    let adoption = services.node.adoption_status().await?;
    let plans = services.node.policy_plans().await?;
    Ok(Json(PolicyStatus::new(adoption, plans)))
}
