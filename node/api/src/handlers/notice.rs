//! Sanction notices.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use chengxin_exchange::delivery::RecipientState;
use chengxin_exchange::notice::{
    MeasureDraft, NoticeDetail, NoticeDraft, NoticeFilter, NoticePlace, NoticeSummary as Held,
};
use chengxin_exchange::recognition::{Recognition, reason_words};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::identity::NoticeId;
use chengxin_schemas::receipt::{MeasureDecision as Decided, ReceiptOutcome};

use super::{Answer, document, measure_names, path_parse, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::notice::{
    Delivery, DeliveryState, MeasureDecision, MeasurePreview, MeasureReason, MeasureReceipt, MeasureRequest,
    NoticeDirection, NoticeDocument, NoticeIssueRequest, NoticeListSchema, NoticeMeasure, NoticePreview,
    NoticePreviewSchema, NoticeQuery, NoticeSchema, NoticeShowQuery, NoticeSummary, Notices,
};

/// Notices in a list when nobody says.
const PAGE_DEFAULT: usize = 100;

pub(crate) async fn notice_issue(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<NoticeDocument> {
    let draft = draft(document(body)?);
    let detail = services.node.notice_issue(&caller.operation, draft).await?;
    Ok(Json(notice(&services, detail)?))
}

pub(crate) async fn notice_preview(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<NoticePreview> {
    let draft = draft(document(body)?);
    let preview = services.node.notice_preview(&caller.operation, draft).await?;
    let measures = preview.measures.into_iter().map(|measure| {
        let (measure_name, measure_name_en) = measure_names(&services, &measure.measure);
        MeasurePreview {
            measure: measure.measure,
            measure_name,
            measure_name_en,
            legal_basis: measure.legal_basis,
            basis_verified: measure.basis_verified,
            from: measure.from,
            until: measure.until,
        }
    });
    Ok(Json(NoticePreview {
        schema: NoticePreviewSchema::V1,
        record: preview.record,
        subject: preview.subject.masked(),
        subject_name: preview.subject_name,
        measures: measures.collect(),
        recipients: preview.recipients,
    }))
}

fn draft(request: NoticeIssueRequest) -> NoticeDraft {
    let measure = |measure: MeasureRequest| MeasureDraft {
        measure: measure.measure,
        legal_basis: measure.legal_basis,
        from: measure.from,
        until: measure.until,
    };
    NoticeDraft { record: request.record, measures: request.measures.into_iter().map(measure).collect() }
}

pub(crate) async fn notice_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<NoticeQuery>, QueryRejection>,
) -> Answer<Notices> {
    let wanted = query(wanted)?;
    let behind = match &wanted.cursor {
        None => None,
        Some(cursor) => Some(
            NoticePlace::parse(cursor)
                .ok_or_else(|| Failure::field("cursor", "not one that a page gave", "不是上一页给出的值"))?,
        ),
    };
    let filter = NoticeFilter {
        issued_here: wanted.direction.map(|direction| direction == NoticeDirection::Issued),
        behind,
        limit: wanted.limit.unwrap_or(PAGE_DEFAULT),
    };
    let page = services.node.notice_list(&caller.operation, filter).await?;
    let notices = page.notices.into_iter().map(|one| summary(&services, one)).collect::<Result<_, _>>()?;
    let next = page.next.map(|place| place.to_string());
    Ok(Json(Notices { schema: NoticeListSchema::V1, notices, next }))
}

pub(crate) async fn notice_show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    wanted: Result<Query<NoticeShowQuery>, QueryRejection>,
) -> Answer<NoticeDocument> {
    let id: NoticeId = path_parse(&id)?;
    let issuer = query(wanted)?.issuer;
    let detail = services.node.notice_show(&caller.operation, &id, issuer.as_ref()).await?;
    Ok(Json(notice(&services, detail)?))
}

fn notice(services: &Services, detail: NoticeDetail) -> Result<NoticeDocument, Failure> {
    let content = &detail.summary.content;
    let (record, category, severity) = (content.record, content.category, content.severity);
    let mut summary = summary(services, detail.summary)?;
    for measure in &mut summary.measures {
        let own = detail.own.iter().find(|own| own.measure == measure.measure);
        measure.decision = own.map(|own| match &own.recognition {
            Recognition::Applied => MeasureDecision::Applied,
            Recognition::NotApplicable { reason } => MeasureDecision::NotApplicable(reason_of(reason)),
            Recognition::Declined { reason } => MeasureDecision::Declined(reason_of(reason)),
        });
    }
    let deliveries = detail
        .recipients
        .into_iter()
        .map(|recipient| delivery(services, recipient))
        .collect::<Result<_, Failure>>()?;
    Ok(NoticeDocument { schema: NoticeSchema::V1, summary, record, category, severity, deliveries })
}

fn summary(services: &Services, held: Held) -> Result<NoticeSummary, Failure> {
    let content = held.content;
    let measures = content
        .measures
        .into_iter()
        .map(|measure| {
            let (measure_name, measure_name_en) = measure_names(services, &measure.measure);
            NoticeMeasure {
                measure: measure.measure,
                measure_name,
                measure_name_en,
                legal_basis: measure.legal_basis,
                from: measure.from,
                until: measure.until,
                decision: None,
            }
        })
        .collect();
    Ok(NoticeSummary {
        notice: content.id,
        version: content.version,
        state: content.state,
        direction: if held.issued_here { NoticeDirection::Issued } else { NoticeDirection::Received },
        issuer: held.issuer,
        issuer_name: agency_name(services, &held.issuer)?,
        subject: content.subject.masked(),
        subject_name: content.subject_name,
        at: held.at.into(),
        measures,
        acknowledged: held.receipts,
        recipients: held.recipients,
    })
}

/// The name of a member; its code once it has left the directory.
fn agency_name(services: &Services, agency: &AgencyCode) -> Result<String, Failure> {
    let directory = services.node.directory()?;
    Ok(directory.entry(agency).map_or_else(|| agency.to_string(), |entry| entry.name.clone()))
}

fn delivery(services: &Services, recipient: RecipientState) -> Result<Delivery, Failure> {
    let state = match recipient.receipt {
        None => DeliveryState::Queued,
        Some(receipt) => {
            let at = receipt.iat.into();
            match receipt.outcome {
                ReceiptOutcome::Processed { measures, .. } => DeliveryState::Processed {
                    at,
                    measures: measures
                        .into_iter()
                        .map(|outcome| MeasureReceipt {
                            measure: outcome.measure,
                            decision: decision(outcome.decision),
                        })
                        .collect(),
                },
                ReceiptOutcome::Rejected { reason } => DeliveryState::Rejected { at, reason },
            }
        }
    };
    let name = agency_name(services, &recipient.agency)?;
    Ok(Delivery { agency: recipient.agency, name, state })
}

fn decision(decided: Decided) -> MeasureDecision {
    match decided {
        Decided::Applied {} => MeasureDecision::Applied,
        Decided::Lifted {} => MeasureDecision::Lifted,
        Decided::NotApplicable { reason } => MeasureDecision::NotApplicable(reason_of(&reason)),
        Decided::Declined { reason } => MeasureDecision::Declined(reason_of(&reason)),
        Decided::Superseded {} => MeasureDecision::Superseded,
    }
}

/// The code of a reason with its words.
fn reason_of(code: &str) -> MeasureReason {
    let words = reason_words(code);
    MeasureReason {
        reason: code.to_owned(),
        reason_zh: words.map(|(chinese, _)| chinese.to_owned()),
        reason_en: words.map(|(_, english)| english.to_owned()),
    }
}
