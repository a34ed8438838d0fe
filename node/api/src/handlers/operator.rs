//! Operator accounts.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use chengxin_exchange::operator::{OperatorAccount, OperatorDraft};
use chengxin_schemas::operator::OperatorName;

use super::{Answer, document, path_parse};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::operator::{
    Operator, OperatorAddRequest, OperatorDocument, OperatorListSchema, OperatorSchema, Operators,
};

/// Longest name of a person.
const DISPLAY_NAME_LIMIT: usize = 100;

pub(crate) async fn operator_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Answer<Operators> {
    let accounts = services.node.operators_list(&caller.operation).await?;
    let operators = accounts.into_iter().map(operator).collect();
    Ok(Json(Operators { schema: OperatorListSchema::V1, operators }))
}

pub(crate) async fn operator_add(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<OperatorDocument> {
    let request: OperatorAddRequest = document(body)?;
    let name = request.display_name.trim();
    if name.chars().count() > DISPLAY_NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(Failure::field(
            "display_name",
            "longer than 100 characters, or with a control character",
            "超过 100 个字符或含有控制字符",
        ));
    }
    let draft = OperatorDraft {
        name: request.name,
        display_name: name.to_owned(),
        user_id: request.uid,
        roles: request.roles,
    };
    let account = services.node.operator_add(&caller.operation, draft, services.separation).await?;
    Ok(Json(OperatorDocument { schema: OperatorSchema::V1, operator: operator(account) }))
}

pub(crate) async fn operator_disable(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer<OperatorDocument> {
    let name: OperatorName = path_parse(&name)?;
    let account = services.node.operator_disable(&caller.operation, &name).await?;
    Ok(Json(OperatorDocument { schema: OperatorSchema::V1, operator: operator(account) }))
}

fn operator(account: OperatorAccount) -> Operator {
    Operator {
        name: account.name,
        display_name: account.display_name,
        uid: account.user_id,
        roles: account.roles,
        enabled: account.enabled,
        created_at: account.created.into(),
        created_by: account.created_by,
    }
}
