//! What would have become of past requests under another policy.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use chengxin_exchange::operation::Operation;
use chengxin_policy::{Authoriser, PolicyFiles};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::policy_version::PolicyVersion;

use super::policy_diff::{Comparison, candidate_load, scope_of};
use super::{Answer, body_whole, path_parse, query};
use crate::failure::policy_problem;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::policy_simulation::{MemberSimulation, PolicySimulation, SimulationQuery};
use crate::types::problem::Problem;

pub(crate) async fn policy_simulate(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<SimulationQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PolicySimulation> {
    let wanted = query(wanted)?;
    let packed = body_whole(body)?;
    let comparison = Comparison::begin()?;
    let files = PolicyFiles::unpack(&packed).map_err(|error| policy_problem(&error))?;
    let base = services.node.policy_base(scope_of(&files)?).await?;
    let over = base.clone();
    let loaded = tokio::task::spawn_blocking(move || candidate_load(&files, &over));
    match loaded.await {
        Ok(Ok(new)) => simulate(&services, &caller.operation, [&base, &new], wanted, comparison).await,
        Ok(Err(error)) => Err(policy_problem(&error).into()),
        Err(_) => {
            Err(Problem::new(ErrorCode::Internal, "the bundle could not be compared", "策略包无法比较")
                .into())
        }
    }
}

pub(crate) async fn policy_plan_simulate(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(version): Path<String>,
    wanted: Result<Query<SimulationQuery>, QueryRejection>,
) -> Answer<PolicySimulation> {
    let wanted = query(wanted)?;
    let version: PolicyVersion = path_parse(&version)?;
    let comparison = Comparison::begin()?;
    let new = services.node.policy_plan(&version).await?;
    let base = services.node.policy_base(version.scope()).await?;
    simulate(&services, &caller.operation, [&base, &new], wanted, comparison).await
}

async fn simulate(
    services: &Services,
    operation: &Operation,
    policies: [&Authoriser; 2],
    wanted: SimulationQuery,
    turn: Comparison,
) -> Answer<PolicySimulation> {
    let since = wanted.since.0;
    let simulation = services.node.policy_simulate(operation, policies, since).await?;
    let mut document = PolicySimulation::new(simulation, Vec::new());
    // Members may take minutes, at their own processors.
    drop(turn);
    if wanted.peers {
        let told = services.node.policy_simulate_peers(operation, policies[1], since).await?;
        document.members = told.into_iter().map(MemberSimulation::from).collect();
    }
    Ok(Json(document))
}
