//! Content of law in the policy in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Answer;
use crate::services::Services;
use crate::types::policy_content::{Breaches, UnverifiedValues};

pub(crate) async fn policy_breaches(State(services): State<Arc<Services>>) -> Answer<Breaches> {
    Ok(Json(Breaches::new(services.node.policy().bundle())))
}

pub(crate) async fn policy_unverified(State(services): State<Arc<Services>>) -> Answer<UnverifiedValues> {
    Ok(Json(UnverifiedValues::new(services.node.policy().bundle())))
}
