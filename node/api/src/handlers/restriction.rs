//! Restrictions in force against one subject, as this node knows them.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use chengxin_exchange::recognition::reason_words;
use chengxin_exchange::restriction::RestrictionInForce;
use chengxin_schemas::subject::SubjectId;

use super::subject::subject_named;
use super::{Answer, measure_names, query};
use crate::gate::Caller;
use crate::services::Services;
use crate::types::check::Restriction;
use crate::types::restriction::{RestrictionListSchema, RestrictionQuery, Restrictions};

pub(crate) async fn restriction_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<RestrictionQuery>, QueryRejection>,
) -> Answer<Restrictions> {
    let wanted = query(wanted)?;
    let (subject, exception) = subject_named(&caller, &wanted.subject, wanted.accept.as_deref())?;
    let found = services.node.restriction_list(&caller.operation, &subject, exception.as_ref()).await?;
    Ok(Json(Restrictions {
        schema: RestrictionListSchema::V1,
        subject: subject.masked(),
        incomplete: !found.complete,
        restrictions: found
            .in_force
            .into_iter()
            .map(|found| restriction(&services, found, &subject))
            .collect(),
    }))
}

pub(crate) fn restriction(services: &Services, found: RestrictionInForce, asked: &SubjectId) -> Restriction {
    let (measure_name, measure_name_en) = measure_names(services, &found.measure);
    let words = found.not_applied_reason.as_deref().and_then(reason_words);
    Restriction {
        binds: (found.binds != *asked).then(|| found.binds.masked()),
        measure: found.measure,
        measure_name,
        measure_name_en,
        legal_basis: found.legal_basis,
        issuer: found.issuer,
        issuer_name: found.issuer_name,
        from: found.from,
        until: found.until,
        notice: found.notice,
        version: found.version,
        applied_here: found.applied_here,
        not_applied_reason: found.not_applied_reason,
        not_applied_reason_zh: words.map(|(chinese, _)| chinese.to_owned()),
        not_applied_reason_en: words.map(|(_, english)| english.to_owned()),
    }
}
