//! Imports that need their file: run, resume, failing rows. Progress goes out as newline-delimited JSON.
//!
//! The work belongs to the answer: when the caller goes away the answer is dropped, and with it the work, between two
//! atomic chunks. What was staged stays invisible and can be resumed, because the file is still in the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chengxin_exchange::import::{
    BatchState, Examination, ImportBatch, ImportFile, ImportPhase as Phase, ImportProgress, ProgressSink,
};
use chengxin_exchange::{ExchangeError, Node};
use chengxin_import::error_file::{ErrorFile, ErrorFileFormat, ErrorLanguage};
use chengxin_import::{ImportError, Importer};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::BatchId;
use tokio::sync::{Notify, mpsc};

use super::import::{batch_report, examination_report, examination_rows, summary};
use super::{path_parse, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::spool::{Plan, SpooledFile, batch_find, file_find, file_receive, plan_forget, plan_keep};
use crate::types::import::{
    ErrorsFormat, ErrorsLanguage, ErrorsQuery, IMPORT_EXCEPTIONS_LIMIT, ImportEvent, ImportEventKind,
    ImportEventSchema, ImportException, ImportOptions, ImportPhase, ImportReport, ImportState, ImportSummary,
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
    let options = query(options)?;
    let exceptions = exceptions(&query(pairs)?)?;
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
    let (plan, file) = file_receive(&services.spool, body.into_data_stream(), plan).await?;
    let dry_run = options.dry_run;
    Ok(event_response(move |events| async move {
        let running = Running { services, caller, plan, events };
        if dry_run { running.examine(file).await } else { running.run(file).await }
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
        let (state, fix) = (batch.state.as_str(), "chengxin import show");
        return Err(Problem::new(
            ErrorCode::Conflict,
            format!("the import is {state}; only an unfinished one is resumed"),
            format!("该批次状态为 {state}; 只有未完成的批次可以继续"),
        )
        .with_field("batch")
        .with_fix(format!("see {fix} {id}"), format!("查看 {fix} {id}"))
        .into());
    }
    let (plan, file) = batch_find(&services.spool, &id).await?;
    Ok(event_response(move |events| async move {
        Running { services, caller, plan, events }.resume(id, file).await
    }))
}

pub(crate) async fn import_errors(
    State(services): State<Arc<Services>>,
    Path(id): Path<String>,
    wanted: Result<Query<ErrorsQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let wanted = query(wanted)?;
    let (plan, file) = file_find(&services.spool, &id).await?;
    let written = tokio::task::spawn_blocking(move || errors_write(&plan, &file, wanted))
        .await
        .map_err(|_| ExchangeError::Task { what: "writing the failing rows" })?;
    let bytes = written.map_err(ExchangeError::Import)?;
    let media_type = match wanted.format {
        ErrorsFormat::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ErrorsFormat::Csv => "text/csv; charset=utf-8",
    };
    Ok(([(CONTENT_TYPE, media_type)], bytes).into_response())
}

/// Reads the file again as the plan says and keeps the rows that fail. Rows that contradict a record held are not among
/// them: only the node knows those, and its report names them.
fn errors_write(plan: &Plan, file: &SpooledFile, wanted: ErrorsQuery) -> Result<Vec<u8>, ImportError> {
    let importer = Importer::open(file.open().map_err(ImportError::Read)?, plan.options(file))?;
    let format = match wanted.format {
        ErrorsFormat::Xlsx => ErrorFileFormat::Xlsx,
        ErrorsFormat::Csv => ErrorFileFormat::CsvUtf8,
    };
    let language = match wanted.lang {
        ErrorsLanguage::Zh => ErrorLanguage::Chinese,
        ErrorsLanguage::En => ErrorLanguage::English,
    };
    let mut errors = ErrorFile::new(importer.layout(), format, language, Vec::new())?;
    for row in importer {
        errors.row_add(&row?)?;
    }
    errors.finish()
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
    plan: Plan,
    events: mpsc::Sender<ImportEventKind>,
}

impl Running {
    /// Checks only.
    async fn examine(self, file: SpooledFile) {
        let node = &self.services.node;
        self.send(ImportEventKind::Started { batch: None }).await;
        let progress = progress_sink(&self.events, &Arc::new(Notify::new()));
        let options = self.plan.options(&file);
        let examined = node.import_examine(&self.caller.operation, Arc::new(file), options, progress).await;
        match examined {
            Ok(examination) => self.finish(self.report(&examination, ImportState::Checked)).await,
            Err(error) => self.fail(error.into()).await,
        }
    }

    /// Checks, then writes. The import has its number when writing begins; from then on it can be resumed.
    async fn run(self, file: SpooledFile) {
        let begun = Arc::new(Notify::new());
        let progress = progress_sink(&self.events, &begun);
        let node: &Arc<Node> = &self.services.node;
        let options = self.plan.options(&file);
        let work = node.import_run(&self.caller.operation, Arc::new(file), options, progress);
        let mut work = std::pin::pin!(work);
        let mut announced = false;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = begun.notified(), if !announced => announced = self.announce().await,
            }
        };
        match ended {
            Err(error) => self.fail(error.into()).await,
            Ok((examination, None)) => self.finish(self.report(&examination, ImportState::Refused)).await,
            Ok((examination, Some(batch))) => {
                if !announced {
                    self.send(ImportEventKind::Started { batch: Some(batch.id) }).await;
                }
                self.committed(&batch, Some(&examination)).await;
            }
        }
    }

    async fn resume(self, id: BatchId, file: SpooledFile) {
        self.send(ImportEventKind::Started { batch: Some(id) }).await;
        let progress = progress_sink(&self.events, &Arc::new(Notify::new()));
        let node = &self.services.node;
        let (operation, options) = (&self.caller.operation, self.plan.options(&file));
        match node.import_resume(operation, &id, Arc::new(file), options, progress).await {
            Ok(batch) => self.committed(&batch, None).await,
            Err(error) => self.fail(error.into()).await,
        }
    }

    /// Finds the number of the import that has just begun to write, keeps its plan, then tells the caller. In this
    /// order: whoever knows the number can resume. One import runs at a time, so the unfinished one that this account
    /// began at this operation's time is it.
    async fn announce(&self) -> bool {
        let operation = &self.caller.operation;
        let Ok(batches) = self.services.node.import_list(operation).await else { return false };
        let mine = |batch: &&ImportBatch| {
            batch.state == BatchState::Staging
                && batch.by == *operation.account()
                && batch.started == operation.now()
        };
        let Some(batch) = batches.iter().find(mine) else { return false };
        if let Err(error) = plan_keep(&self.services.spool, &batch.id, &self.plan).await {
            tracing::warn!(%error, "an interrupted import could not be resumed: its plan was not kept");
            return false;
        }
        self.send(ImportEventKind::Started { batch: Some(batch.id) }).await;
        true
    }

    async fn committed(&self, batch: &ImportBatch, examination: Option<&Examination>) {
        if let Err(error) = plan_forget(&self.services.spool, &batch.id).await {
            // Only disk space is lost: the import is committed.
            tracing::warn!(%error, "the plan of a finished import stays in the spool");
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

    fn report(&self, examination: &Examination, state: ImportState) -> ImportReport {
        let rows = examination_rows(examination);
        let summary = ImportSummary {
            batch: None,
            file_name: self.plan.file_name().to_owned(),
            record_type: Some(examination.record_type),
            state,
            operator: self.caller.operation.account().clone(),
            started_at: self.caller.operation.now().into(),
            rows,
        };
        let errors_id = (rows.wrong > 0).then(|| self.plan.id().to_owned());
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
