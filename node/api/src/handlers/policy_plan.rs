//! A coordinator's plans for the policy, and how members follow.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use chengxin_schemas::policy_version::PolicyVersion;

use super::policy_diff::{Comparison, compare};
use super::{Answer, body_whole, document, path_parse};
use crate::gate::Caller;
use crate::services::Services;
use crate::types::policy_diff::PolicyChanges;
use crate::types::policy_plan::{
    PlanDocument, PolicyStatus, PublishRequest, Published, RevertRequest, SignRequest,
};

/// The texts of the bundle published last by their names, its packed form: what another one is made on.
pub(crate) async fn policy_bundle(
    State(services): State<Arc<Services>>,
) -> Answer<std::collections::BTreeMap<String, String>> {
    let base = services.node.policy_base().await?;
    Ok(Json(base.bundle().files().iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()))
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
    let base = services.node.policy_base().await?;
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
