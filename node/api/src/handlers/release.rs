//! Releases of checks by another person of the body.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::release::CheckRelease;
use chengxin_schemas::identity::ReleaseId;
use chengxin_schemas::subject::searched_name_check;

use super::subject::subject_named;
use super::{Answer, document, path_parse};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::check::CHECK_DEADLINE_DEFAULT_MS;
use crate::types::release::{
    Release, ReleaseDecisionRequest, ReleaseDocument, ReleaseListSchema, ReleaseRequest, ReleaseSchema,
    ReleaseState, Releases,
};

/// Characters of why a release is refused: a sentence that the colleague understands.
const REFUSAL_LENGTH: RangeInclusive<usize> = 2..=200;

pub(crate) async fn release_request(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<ReleaseDocument> {
    let request: ReleaseRequest = document(body)?;
    if let Some(name) = &request.name {
        searched_name_check(name, "name")?;
    }
    let (subject, check_exception) = subject_named(&caller, &request.subject, request.accept.as_deref())?;
    let wanted = CheckRequest {
        subject,
        check_exception,
        subject_name: request.name,
        purpose: request.purpose,
        case_reference: request.case_reference,
        legal_basis: request.legal_basis,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: CHECK_DEADLINE_DEFAULT_MS,
    };
    let asked = services.node.release_request(&caller.operation, &wanted).await?;
    Ok(Json(ReleaseDocument { schema: ReleaseSchema::V1, release: release(&services, asked) }))
}

pub(crate) async fn release_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Answer<Releases> {
    let found = services.node.release_list(&caller.operation).await?;
    let releases = found.into_iter().map(|one| release(&services, one)).collect();
    Ok(Json(Releases { schema: ReleaseListSchema::V1, releases }))
}

pub(crate) async fn release_decide(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<ReleaseDocument> {
    let id: ReleaseId = path_parse(&id)?;
    let request: ReleaseDecisionRequest = document(body)?;
    let refusal = request.refusal.map(|reason| reason.trim().to_owned());
    let fits = |reason: &String| {
        REFUSAL_LENGTH.contains(&reason.chars().count()) && !reason.contains(char::is_control)
    };
    if refusal.as_ref().is_some_and(|reason| !fits(reason)) {
        return Err(Failure::field(
            "reason",
            "not 2 to 200 characters on one line",
            "不是一行 2 到 200 个字",
        ));
    }
    let decided = services.node.release_decide(&caller.operation, services.separation, &id, refusal).await?;
    Ok(Json(ReleaseDocument { schema: ReleaseSchema::V1, release: release(&services, decided) }))
}

fn release(services: &Services, found: CheckRelease) -> Release {
    let policy = services.node.policy();
    let purpose = policy.bundle().purpose(&found.purpose);
    let state = match &found.decided {
        None => ReleaseState::Open,
        Some(decided) if decided.refusal.is_none() => ReleaseState::Given,
        Some(_) => ReleaseState::Refused,
    };
    let decided = found.decided.as_ref();
    Release {
        release: found.id,
        state,
        subject: found.subject.masked(),
        name: found.subject_name,
        purpose_name: purpose.map(|purpose| purpose.chinese.clone()),
        purpose_name_en: purpose.map(|purpose| purpose.english.clone()),
        purpose: found.purpose,
        case_reference: found.case_reference,
        legal_basis: found.legal_basis,
        asked_by: found.by,
        asked_at: found.at.into(),
        until: found.until.into(),
        decided_by: decided.map(|decided| decided.by.account.clone()),
        decided_as: decided.map(|decided| decided.by.role),
        decided_at: decided.map(|decided| decided.at.into()),
        reason: decided.and_then(|decided| decided.refusal.clone()),
    }
}
