//! Members and their admission.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};

use chengxin_schemas::agency::AgencyCode;

use super::{Answer, document};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::federation::{
    Delegation, DelegationRequest, EnrolRequest, Enrolment, JoinToken, Member, MemberListSchema, Members,
    Removal, RemovalRequest, TokenRequest,
};

/// Characters of a reason: a sentence that an auditor understands.
const REASON_LENGTH: std::ops::RangeInclusive<usize> = 2..=500;
/// Longest validity of a token, in seconds: a token lies around until it is used.
const TOKEN_VALIDITY_LIMIT: u64 = 30 * 24 * 3_600;

pub(crate) async fn token_issue(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<JoinToken> {
    let request: TokenRequest = document(body)?;
    if !(60..=TOKEN_VALIDITY_LIMIT).contains(&request.valid_seconds) {
        return Err(Failure::field(
            "valid_seconds",
            "not between one minute and 30 days",
            "不在一分钟到三十天之间",
        ));
    }
    Ok(Json(services.federation.token_issue(&caller.operation, request).await?))
}

pub(crate) async fn member_enrol(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Enrolment> {
    let request: EnrolRequest = document(body)?;
    Ok(Json(services.federation.member_enrol(&caller.operation, request).await?))
}

pub(crate) async fn member_remove(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(agency): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Removal> {
    let agency: AgencyCode = agency.parse()?;
    let request: RemovalRequest = document(body)?;
    let reason = request.reason.trim();
    if !REASON_LENGTH.contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(Failure::field(
            "reason",
            "not 2 to 500 characters on one line",
            "不是一行 2 到 500 个字",
        ));
    }
    Ok(Json(services.federation.member_remove(&caller.operation, agency, reason.to_owned()).await?))
}

pub(crate) async fn member_delegate(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(agency): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Delegation> {
    let agency: AgencyCode = agency.parse()?;
    let request: DelegationRequest = document(body)?;
    Ok(Json(services.federation.member_delegate(&caller.operation, agency, request.delegate).await?))
}

pub(crate) async fn member_list(State(services): State<Arc<Services>>) -> Answer<Members> {
    let directory = services.node.directory()?;
    let members = directory
        .entries()
        .map(|entry| Member {
            agency: entry.agency,
            name: entry.name.clone(),
            region: entry.region,
            functions: entry.functions.clone(),
            coordinator: entry.coordinator,
            overlay_region: entry.overlay_region,
            transport_identity: entry.transport_identity.clone(),
            addresses: entry.addresses.clone(),
        })
        .collect();
    Ok(Json(Members { schema: MemberListSchema::V1, directory_version: directory.version(), members }))
}
