//! The settings the node runs with.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Answer;
use crate::services::Services;
use crate::types::config::Config;

pub(crate) async fn config_show(State(services): State<Arc<Services>>) -> Answer<Config> {
    Ok(Json(services.config.clone()))
}
