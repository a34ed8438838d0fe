//! One file per noun, one function per route: parse the request, call the use case, convert the answer.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod federation;
pub(crate) mod import;
pub(crate) mod import_errors;
pub(crate) mod import_file;
pub(crate) mod notice;
pub(crate) mod operator;
pub(crate) mod peer;
pub(crate) mod policy;
pub(crate) mod policy_content;
pub(crate) mod policy_diff;
pub(crate) mod policy_plan;
pub(crate) mod policy_simulation;
pub(crate) mod record;
pub(crate) mod release;
pub(crate) mod restriction;
pub(crate) mod status;
pub(crate) mod subject;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Query;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::catalogue::MeasureCode;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::malformed::{document_fault, query_fault};
use crate::services::Services;
use crate::types::problem::Problem;

/// What every handler answers.
pub(crate) type Answer<T> = Result<Json<T>, Failure>;

/// The request's document. The content type is not looked at: on this socket there are no browsers to confuse.
pub(crate) fn document<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Failure> {
    serde_json::from_slice(&body_whole(body)?).map_err(|error| document_fault(&error))
}

/// The request's body, whole and within the route's limit.
pub(crate) fn body_whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    body.map_err(|rejection| {
        let too_large = rejection.status().as_u16() == 413;
        let code = if too_large { ErrorCode::TooLarge } else { ErrorCode::Invalid };
        Problem::new(code, "the request's document is too large or was cut off", "请求文档过大或不完整")
            .into()
    })
}

/// The query string.
pub(crate) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(query)| query).map_err(|rejection| query_fault(&rejection))
}

/// A part of the path.
pub(crate) fn path_parse<T>(text: &str) -> Result<T, Failure>
where
    T: std::str::FromStr<Err = chengxin_schemas::SchemaError>,
{
    Ok(text.parse::<T>()?)
}

/// The name of a measure in Chinese and English; its code where the policy no longer has it.
pub(crate) fn measure_names(services: &Services, code: &MeasureCode) -> (String, String) {
    let policy = services.node.policy();
    match policy.bundle().measure(code) {
        Some(measure) => (measure.chinese.clone(), measure.english.clone()),
        None => (code.to_string(), code.to_string()),
    }
}
