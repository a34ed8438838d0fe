//! The own records.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use chengxin_exchange::record::{RecordFilter, RecordSummary as Held, ShownField};
use chengxin_policy::{RuleId, WithholdReason};
use chengxin_schemas::identity::RecordId;

use super::subject::subject_narrowed;
use super::{Answer, path_parse, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::record::{
    FieldShown, RECORD_PAGE_DEFAULT, RECORD_PAGE_LIMIT, RecordDocument, RecordField, RecordListSchema,
    RecordQuery, RecordRule, RecordSchema, RecordSummary, Records,
};

pub(crate) async fn record_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<RecordQuery>, QueryRejection>,
) -> Answer<Records> {
    let wanted = query(wanted)?;
    let below = match &wanted.cursor {
        None => None,
        Some(cursor) => Some(
            cursor
                .parse::<u64>()
                .map_err(|_| Failure::field("cursor", "not one that a page gave", "不是上一页给出的值"))?,
        ),
    };
    let (subject, check_exception) =
        subject_narrowed(&caller, wanted.subject.as_deref(), wanted.accept.as_deref())?;
    let filter = RecordFilter {
        record_type: wanted.record_type,
        category: wanted.category,
        batch: wanted.batch,
        state: wanted.state,
        subject,
        check_exception,
        below,
        limit: wanted.limit.unwrap_or(RECORD_PAGE_DEFAULT).clamp(1, RECORD_PAGE_LIMIT),
    };
    let page = services.node.record_list(&caller.operation, filter).await?;
    let records = page.records.into_iter().map(summary).collect();
    Ok(Json(Records { schema: RecordListSchema::V1, records, next: page.next.map(|next| next.to_string()) }))
}

pub(crate) async fn record_show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(record): Path<String>,
) -> Answer<RecordDocument> {
    let id: RecordId = path_parse(&record)?;
    let detail = services.node.record_show(&caller.operation, &id).await?;
    let rule = |rule: &RuleId, verified| RecordRule { rule: rule.to_string(), verified };
    let rulings = detail.rulings.as_ref();
    let publicity = rulings.and_then(|rulings| rulings.publicity.as_ref());
    Ok(Json(RecordDocument {
        severity_rule: rulings.map(|ruled| rule(&ruled.severity.rule, ruled.severity.verified)),
        publicity_rule: publicity.map(|ruled| rule(&ruled.rule, ruled.verified)),
        not_published: publicity.is_some_and(|ruled| !ruled.publish),
        schema: RecordSchema::V1,
        summary: summary(detail.summary),
        issuer: detail.claims.iss,
        publicity_end: detail.claims.publicity_end,
        fields: detail.fields.into_iter().map(field).collect(),
        signed_at: detail.claims.iat.into(),
        source_file: detail.source_file,
        source_row: detail.source_row,
    }))
}

fn summary(held: Held) -> RecordSummary {
    RecordSummary {
        record: held.id,
        record_type: held.record_type,
        category: held.category,
        severity: held.severity,
        state: held.state,
        subject: held.subject,
        subject_name: held.subject_name,
        determined_on: held.determined_on,
        batch: held.batch,
    }
}

/// A field as policy let it through.
pub(crate) fn field(field: ShownField) -> RecordField {
    let shown = match (&field.value, field.masked) {
        (None, _) => FieldShown::Withheld,
        (Some(_), true) => FieldShown::Masked,
        (Some(_), false) => FieldShown::Shown,
    };
    let reason = field.withheld.as_deref().and_then(WithholdReason::from_code);
    RecordField {
        name: field.name,
        label: field.label.to_owned(),
        shown,
        value: field.value.map(|value| value.to_text()),
        reason: field.withheld,
        reason_zh: reason.map(|reason| reason.chinese().to_owned()),
        reason_en: reason.map(|reason| reason.english().to_owned()),
    }
}
