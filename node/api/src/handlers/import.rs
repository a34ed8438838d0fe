//! Imports after they were begun.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use chengxin_exchange::ExchangeError;
use chengxin_exchange::import::{BatchState, Examination, ImportBatch};
use chengxin_import::{IssueSeverity, RowIssue};
use chengxin_schemas::identity::BatchId;

use super::{Answer, path_parse, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::import::{
    Finding, FindingWeight, IMPORT_FINDINGS_LIMIT, ImportListQuery, ImportListSchema, ImportReport,
    ImportSchema, ImportState, ImportSummary, Imports, RestingNotice, RollbackPreview, RollbackPreviewSchema,
    RowCounts, UploadId,
};

/// Imports on a page when nobody says, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_LIMIT: usize = 200;

pub(crate) async fn import_list(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<ImportListQuery>, QueryRejection>,
) -> Answer<Imports> {
    let wanted = query(wanted)?;
    // A cursor names the last import of the page before, so that new imports do not shift the pages.
    let after: Option<BatchId> = wanted.cursor.as_deref().map(path_parse).transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_LIMIT);
    let all = services.node.import_list(&caller.operation).await?;
    let first = match after {
        None => 0,
        Some(after) => all
            .iter()
            .position(|batch| batch.id == after)
            .map(|place| place.saturating_add(1))
            .ok_or_else(|| Failure::field("cursor", "not one that a page gave", "不是上一页给出的值"))?,
    };
    let page: Vec<_> = all.iter().skip(first).take(limit).map(summary).collect();
    let more = first.saturating_add(page.len()) < all.len();
    let next = page.last().and_then(|last| last.batch).filter(|_| more).map(|batch| batch.to_string());
    Ok(Json(Imports { schema: ImportListSchema::V1, imports: page, next }))
}

pub(crate) async fn import_show(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<ImportReport> {
    let id: BatchId = path_parse(&id)?;
    let batch = services.node.import_show(&caller.operation, &id).await?;
    Ok(Json(batch_report(&batch)))
}

pub(crate) async fn import_rollback_preview(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<RollbackPreview> {
    let id: BatchId = path_parse(&id)?;
    let preview = services.node.import_rollback_preview(&caller.operation, &id).await?;
    let notices = preview.notices.into_iter().map(|(notice, until)| RestingNotice { notice, until });
    Ok(Json(RollbackPreview {
        schema: RollbackPreviewSchema::V1,
        summary: summary(&preview.batch),
        notices: notices.collect(),
    }))
}

pub(crate) async fn import_rollback(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Answer<ImportReport> {
    let id: BatchId = path_parse(&id)?;
    let rolled_back = services.node.import_rollback(&caller.operation, &id).await;
    // A second try is refused, and yet it lets go the file that the first could not.
    let gone = match &rolled_back {
        Ok(_) => true,
        Err(ExchangeError::Conflict { .. }) => {
            let batch = services.node.import_show(&caller.operation, &id).await?;
            batch.state == BatchState::RolledBack
        }
        Err(_) => false,
    };
    if gone && let Err(error) = services.spool.batch_forget(id).await {
        // The import is rolled back all the same.
        tracing::warn!(%error, "the file of an import that was rolled back stays in the spool until the next start");
    }
    Ok(Json(batch_report(&rolled_back?)))
}

pub(crate) fn summary(batch: &ImportBatch) -> ImportSummary {
    ImportSummary {
        batch: Some(batch.id),
        file_name: batch.file_name.clone(),
        record_type: Some(batch.record_type),
        state: match batch.state {
            BatchState::Staging => ImportState::Open,
            BatchState::Committed => ImportState::Committed,
            BatchState::RollingBack => ImportState::RollingBack,
            BatchState::RolledBack => ImportState::RolledBack,
        },
        operator: batch.by.clone(),
        started_at: batch.started.into(),
        rows: RowCounts {
            total: batch.rows_done,
            new: batch.records,
            duplicate: batch.duplicates,
            wrong: 0,
            warned: 0,
        },
    }
}

/// An import as a report without findings: an import that was begun had no wrong rows.
pub(crate) fn batch_report(batch: &ImportBatch) -> ImportReport {
    ImportReport {
        schema: ImportSchema::V1,
        summary: summary(batch),
        file: batch.file,
        findings: Vec::new(),
        findings_omitted: 0,
        errors_id: None,
    }
}

/// The report of an examination: a dry run, or an import that was refused or done.
pub(crate) fn examination_report(
    examination: &Examination,
    summary: ImportSummary,
    errors_id: Option<UploadId>,
) -> ImportReport {
    let report = &examination.report;
    let findings: Vec<_> = report.issues().take(IMPORT_FINDINGS_LIMIT).map(finding).collect();
    let all = report.errors.saturating_add(report.warnings);
    ImportReport {
        schema: ImportSchema::V1,
        summary,
        file: examination.file,
        findings_omitted: all.saturating_sub(findings.len() as u64),
        findings,
        errors_id,
    }
}

/// The counts of an examination.
pub(crate) fn examination_rows(examination: &Examination) -> RowCounts {
    let report = &examination.report;
    RowCounts {
        total: report.rows,
        new: report.accepted.saturating_sub(examination.already_held),
        duplicate: report.skipped.saturating_add(examination.already_held),
        wrong: report.rejected,
        warned: report.warnings,
    }
}

fn finding(issue: &RowIssue) -> Finding {
    Finding {
        row: issue.row,
        column: issue
            .column
            .as_ref()
            .map_or_else(String::new, |column| format!("{} {}", column.letter, column.header)),
        code: issue.code.as_str().to_owned(),
        weight: match issue.severity {
            IssueSeverity::Error => FindingWeight::Error,
            IssueSeverity::Warning => FindingWeight::Warning,
        },
        message_zh: issue.message_zh(),
        message_en: issue.message_en(),
        fix_zh: issue.fix_zh().to_owned(),
        fix_en: issue.fix_en().to_owned(),
    }
}
