//! What a bundle would change. Nothing is kept of it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use chengxin_policy::{Authoriser, Bundle, PolicyDiff, PolicyError, PolicyFiles};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::policy_version::PolicyScope;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Answer, body_whole};
use crate::failure::{Failure, policy_problem};
use crate::services::Services;
use crate::types::policy_diff::PolicyChanges;
use crate::types::problem::Problem;

/// A comparison asks casbin some ten thousand questions, for seconds with a large bundle: one at a time, so that checks
/// keep their processor.
static COMPARISONS: Semaphore = Semaphore::const_new(1);

/// The turn of one comparison.
pub(crate) struct Comparison(#[allow(dead_code, reason = "held for its end")] SemaphorePermit<'static>);

impl Comparison {
    /// Takes the turn, if nobody has it.
    pub(crate) fn begin() -> Result<Self, Failure> {
        COMPARISONS.try_acquire().map(Self).map_err(|_| {
            Problem::new(
                ErrorCode::Busy,
                "another bundle is being compared; try again when it is done",
                "正在比较另一策略包; 请待其完成后重试",
            )
            .into()
        })
    }
}

pub(crate) async fn policy_diff(
    State(services): State<Arc<Services>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PolicyChanges> {
    let packed = body_whole(body)?;
    let comparison = Comparison::begin()?;
    let files = PolicyFiles::unpack(&packed).map_err(|error| policy_problem(&error))?;
    let base = services.node.policy_base(scope_of(&files)?).await?;
    let over = base.clone();
    compare(comparison, base, move || candidate_load(&files, &over)).await
}

/// Whose policy files are.
pub(crate) fn scope_of(files: &PolicyFiles) -> Result<PolicyScope, Failure> {
    Ok(match files {
        PolicyFiles::Bundle(_) => PolicyScope::Federation,
        PolicyFiles::Overlay(files) => {
            PolicyScope::Region(files.manifest().map_err(|error| policy_problem(&error))?.region)
        }
    })
}

/// Loads a bundle, or an overlay over the bundle of `base`.
pub(crate) fn candidate_load(files: &PolicyFiles, base: &Authoriser) -> Result<Arc<Authoriser>, PolicyError> {
    let bundle = match files {
        PolicyFiles::Bundle(files) => Bundle::from_files(files.clone())?,
        PolicyFiles::Overlay(files) => base.bundle().overlay_stage(files)?,
    };
    Ok(Arc::new(Authoriser::new(bundle)?))
}

/// Compares a policy with what `load` gives.
pub(crate) async fn compare(
    comparison: Comparison,
    base: Arc<Authoriser>,
    load: impl FnOnce() -> Result<Arc<Authoriser>, PolicyError> + Send + 'static,
) -> Answer<PolicyChanges> {
    let compared = tokio::task::spawn_blocking(move || -> Result<PolicyChanges, PolicyError> {
        let new = load()?;
        let diff = PolicyDiff::new(&base, &new)?;
        let changes = PolicyChanges::new(&diff, base.bundle(), new.bundle(), Vec::new());
        // Given back when the work is done, also if its caller went away meanwhile.
        drop(comparison);
        Ok(changes)
    });
    match compared.await {
        Ok(Ok(changes)) => Ok(Json(changes)),
        Ok(Err(error)) => Err(policy_problem(&error).into()),
        Err(_) => {
            tracing::error!("the task that compares bundles ended early");
            Err(Failure::from(Problem::new(
                ErrorCode::Internal,
                "the bundle could not be compared",
                "策略包无法比较",
            )))
        }
    }
}
