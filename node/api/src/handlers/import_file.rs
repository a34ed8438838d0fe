//! Imports that need their file: run, resume. Progress goes out as newline-delimited JSON.
//!
//! The work belongs to the answer: when the caller goes away the answer is dropped, and with it the work, between two
//! atomic chunks. What was staged stays invisible and can be resumed, because the file is kept in the spool for as long
//! as the import is unfinished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chengxin_exchange::Node;
use chengxin_exchange::import::{
    BatchState, Examination, ImportBatch, ImportPhase as Phase, ImportProgress, ProgressSink,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::BatchId;
use tokio::sync::{Notify, mpsc};

use super::import::{batch_report, examination_report, examination_rows, summary};
use super::{path_parse, query};
use crate::chinese::import_state;
use crate::failure::Failure;
use crate::gate::Caller;
use crate::malformed::query_name_fault;
use crate::services::Services;
use crate::spool::{Plan, SpooledFile};
use crate::types::import::{
    IMPORT_EXCEPTIONS_LIMIT, IMPORT_QUERY_NAMES, ImportEvent, ImportEventKind, ImportEventSchema,
    ImportException, ImportOptions, ImportPhase, ImportReport, ImportState, ImportSummary,
};
use crate::types::problem::Problem;

/// Events waiting for a slow reader; progress beyond it is left out, the end is not.
const EVENTS_WAITING: usize = 16;
/// Longest file name kept, in characters.
const FILE_NAME_LIMIT: usize = 200;

pub(crate) async fn import_run(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    options: Result<Query<ImportOptions>, QueryRejection>,
    pairs: Result<Query<Vec<(String, String)>>, QueryRejection>,
    body: Body,
) -> Result<Response, Failure> {
    let pairs = query(pairs)?;
    if !pairs.iter().all(|(name, _)| IMPORT_QUERY_NAMES.contains(&name.as_str())) {
        return Err(query_name_fault(IMPORT_QUERY_NAMES));
    }
    let options = query(options)?;
    let exceptions = exceptions(&pairs)?;
    let name = options.file_name.trim();
    if name.is_empty() || name.chars().count() > FILE_NAME_LIMIT || name.contains('/') {
        return Err(Failure::field(
            "file_name",
            "1 to 200 characters without folders are needed",
            "需要 1 到 200 个字符, 不含目录",
        ));
    }
    let account = caller.operation.account().as_str();
    let plan = Plan::new(name, options.record_type, options.sheet, &exceptions, account);
    let now = caller.operation.now();
    let file = Arc::new(services.spool.file_receive(body.into_data_stream(), plan, now).await?);
    let dry_run = options.dry_run;
    Ok(event_response(move |events| async move {
        let running = Running { services, caller, file, events };
        if dry_run { running.examine().await } else { running.run().await }
    }))
}

pub(crate) async fn import_resume(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: BatchId = path_parse(&id)?;
    // Asked first, so that an import that does not exist or is finished is told apart from a file that is gone.
    let batch = services.node.import_show(&caller.operation, &id).await?;
    if batch.state != BatchState::Staging {
        let (state, told, fix) = (batch.state.as_str(), import_state(batch.state), "chengxin import show");
        return Err(Problem::new(
            ErrorCode::Conflict,
            format!("the import is {state}; only an unfinished one is resumed"),
            format!("该批次状态为“{told}”; 只有未完成的批次可以继续"),
        )
        .with_field("batch")
        .with_fix(format!("see {fix} {id}"), format!("查看 {fix} {id}"))
        .into());
    }
    let file = Arc::new(services.spool.batch_find(&id).await?);
    Ok(event_response(
        move |events| async move { Running { services, caller, file, events }.resume(id).await },
    ))
}

/// The repeated `accept=ROW:REASON` of the query string.
fn exceptions(pairs: &[(String, String)]) -> Result<Vec<ImportException>, Failure> {
    let texts = pairs.iter().filter(|(name, _)| name == "accept").map(|(_, text)| text);
    let exceptions = texts
        .map(|text| {
            text.parse::<ImportException>().map_err(|reason| {
                let chinese = crate::chinese::phrase(reason);
                Failure::field("accept", reason, chinese.as_deref().unwrap_or(reason))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if exceptions.len() > IMPORT_EXCEPTIONS_LIMIT {
        return Err(Failure::field("accept", "too many exceptions in one import", "一次导入的例外过多"));
    }
    Ok(exceptions)
}

/// One import at work: whom it belongs to and where its events go.
struct Running {
    services: Arc<Services>,
    caller: Caller,
    file: Arc<SpooledFile>,
    events: mpsc::Sender<ImportEventKind>,
}

impl Running {
    /// Checks only.
    async fn examine(self) {
        let node = &self.services.node;
        self.send(ImportEventKind::Started { batch: None }).await;
        let progress = progress_sink(&self.events, &Arc::new(Notify::new()));
        let (file, options) = (self.file.clone(), self.file.options());
        match node.import_examine(&self.caller.operation, file, options, progress).await {
            Ok(examination) => self.checked(&examination, ImportState::Checked).await,
            Err(error) => self.fail(error.into()).await,
        }
    }

    /// Checks, then writes. The import has its number when writing begins; from then on it can be resumed.
    async fn run(self) {
        let begun = Arc::new(Notify::new());
        let progress = progress_sink(&self.events, &begun);
        let node: &Arc<Node> = &self.services.node;
        let (file, options) = (self.file.clone(), self.file.options());
        let work = node.import_run(&self.caller.operation, file, options, progress);
        let mut work = std::pin::pin!(work);
        let mut announced = false;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = begun.notified(), if !announced => announced = self.announce().await,
            }
        };
        match ended {
            Err(error) => {
                self.begun_not().await;
                self.fail(error.into()).await;
            }
            Ok((examination, None)) => self.checked(&examination, ImportState::Refused).await,
            Ok((examination, Some(batch))) => {
                if !announced {
                    self.send(ImportEventKind::Started { batch: Some(batch.id) }).await;
                }
                self.committed(&batch, Some(&examination)).await;
            }
        }
    }

    async fn resume(self, id: BatchId) {
        self.send(ImportEventKind::Started { batch: Some(id) }).await;
        let progress = progress_sink(&self.events, &Arc::new(Notify::new()));
        let node = &self.services.node;
        let (file, options) = (self.file.clone(), self.file.options());
        match node.import_resume(&self.caller.operation, &id, file, options, progress).await {
            Ok(batch) => self.committed(&batch, None).await,
            Err(error) => self.fail(error.into()).await,
        }
    }

    /// Tells the caller the number of the import that has begun: from then on it can be resumed.
    async fn announce(&self) -> bool {
        let Some(batch) = self.file.begun() else { return false };
        self.send(ImportEventKind::Started { batch: Some(batch) }).await;
        true
    }

    async fn committed(&self, batch: &ImportBatch, examination: Option<&Examination>) {
        if let Err(error) = self.services.spool.batch_forget(batch.id).await {
            // The import is committed all the same.
            tracing::warn!(%error, "the file of a finished import stays in the spool until the next start");
        }
        let report = match examination {
            Some(examination) => {
                let mut summary = summary(batch);
                summary.rows.warned = examination.report.warnings;
                examination_report(examination, summary, None)
            }
            None => batch_report(batch),
        };
        self.finish(report).await;
    }

    /// Reports a file that nothing was written of. If rows fail, it is kept for them before the report offers them.
    async fn checked(&self, examination: &Examination, state: ImportState) {
        let report = self.report(examination, state);
        if report.errors_id.is_some()
            && let Err(failure) = self.file.errors_keep(self.caller.operation.now()).await
        {
            return self.fail(failure).await;
        }
        self.finish(report).await;
    }

    /// The import failed: if it did so before it had begun, nothing needs its file.
    async fn begun_not(&self) {
        let Some(batch) = self.file.begun() else { return };
        let unfinished = self.services.node.imports_unfinished().await;
        // In doubt the file stays; the next start decides.
        if unfinished.is_ok_and(|unfinished| !unfinished.contains(&batch))
            && let Err(error) = self.services.spool.batch_forget(batch).await
        {
            tracing::warn!(%error, "the file of an import that did not begin stays in the spool until the next start");
        }
    }

    fn report(&self, examination: &Examination, state: ImportState) -> ImportReport {
        let rows = examination_rows(examination);
        let summary = ImportSummary {
            batch: None,
            file_name: self.file.file_name().to_owned(),
            record_type: Some(examination.record_type),
            state,
            operator: self.caller.operation.account().clone(),
            started_at: self.caller.operation.now().into(),
            rows,
        };
        let errors_id = (rows.wrong > 0).then(|| self.file.id());
        examination_report(examination, summary, errors_id)
    }

    async fn finish(&self, report: ImportReport) {
        self.send(ImportEventKind::Finished { report: Box::new(report) }).await;
    }

    async fn fail(&self, mut failure: Failure) {
        failure.0.trace_id.clone_from(&self.caller.trace);
        self.send(ImportEventKind::Failed { problem: failure.0 }).await;
    }

    /// A caller that went away hears nothing; the work is dropped with the answer.
    async fn send(&self, event: ImportEventKind) {
        let _ = self.events.send(event).await;
    }
}

/// Progress as events; what a slow reader cannot take is left out. `begun` is told once when writing begins.
fn progress_sink(events: &mpsc::Sender<ImportEventKind>, begun: &Arc<Notify>) -> ProgressSink {
    let (events, begun, told) = (events.clone(), begun.clone(), AtomicBool::new(false));
    Arc::new(move |progress: ImportProgress| {
        let phase = match progress.phase {
            Phase::Examine => ImportPhase::Checking,
            Phase::Keep => ImportPhase::Writing,
        };
        if phase == ImportPhase::Writing && !told.swap(true, Ordering::Relaxed) {
            begun.notify_one();
        }
        let event = ImportEventKind::Progress { phase, rows: progress.rows, total: progress.total };
        let _ = events.try_send(event);
    })
}

/// Runs `work` as long as the answer is read, and writes its events as lines.
fn event_response<F>(work: impl FnOnce(mpsc::Sender<ImportEventKind>) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(EVENTS_WAITING);
    let task = AbortOnDrop(tokio::spawn(work(sender)));
    let lines = futures::stream::unfold((receiver, task), |(mut receiver, task)| async move {
        let event = receiver.recv().await?;
        let line = ImportEvent { schema: ImportEventSchema::V1, event };
        let line = serde_json::to_vec(&line).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        Some((line, (receiver, task)))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Stops the work when the answer is dropped.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
