//! Importing a file: sending it, following its progress, the report, the failing rows, going on after an interruption.

use std::path::Path;

use chengxin_api::types::import::{
    ErrorsFormat, ErrorsLanguage, ErrorsQuery, IMPORT_EXCEPTIONS_LIMIT, ImportEvent, ImportEventKind,
    ImportOptions, ImportPhase, ImportReport, ImportState, RollbackPreview, UploadId,
};
use chengxin_api::types::problem::Problem;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::BatchId;

use super::{Context, Ended, block_on, is_workbook};
use crate::arguments::{RecordImportArguments, RollbackArguments};
use crate::client::{Lines, empty, percent_encode, reader_body, with_query};
use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use crate::exit::Exit;
use crate::language::Language;
use crate::new_file::NewFile;
use crate::texts::{Key, fill, text};

/// Largest file of failing rows: the size limit of an import, since at worst every row fails.
const ERRORS_FILE_LIMIT: usize = 1 << 30;

impl Context<'_> {
    pub(super) fn record_import(&mut self, arguments: &RecordImportArguments) -> Ended {
        if arguments.exceptions.len() > IMPORT_EXCEPTIONS_LIMIT {
            return Err(CliError::usage(
                "--accept",
                "too many exceptions in one import",
                "一次导入的例外过多",
                &format!("at most {IMPORT_EXCEPTIONS_LIMIT}; correct the codes in the file instead"),
                &format!("最多 {IMPORT_EXCEPTIONS_LIMIT} 个; 请改正文件中的代码"),
            ));
        }
        // A place that is taken, the file to import above all, is refused before a long import, not after it.
        let errors = arguments.errors.as_deref().map(ErrorsFile::begin).transpose()?;
        let path = import_path(arguments)?;
        let client = self.client()?;
        let (settings, console) = (self.settings, &mut *self.console);
        let report = block_on(async {
            let body = if arguments.file == Path::new("-") {
                reader_body(tokio::io::stdin())
            } else {
                let failed = |source| CliError::file(&arguments.file, source);
                let file = tokio::fs::File::open(&arguments.file).await.map_err(failed)?;
                if file.metadata().await.map_err(failed)?.is_dir() {
                    return Err(failed(std::io::ErrorKind::IsADirectory.into()));
                }
                reader_body(file)
            };
            let mut follower = Follower::new(settings, console);
            let sending = client.events_post(&path, Some("application/octet-stream"), body);
            let lines = follower.or_interrupted(sending).await?;
            follower.follow(lines).await
        })?;
        self.print(&report)?;
        match (errors, report.errors_id) {
            (Some(file), Some(id)) => {
                self.errors_write(id, file)?;
            }
            (None, Some(id)) => {
                let command = self.command(&format!("chengxin import errors {id}"));
                self.hint(Key::ErrorsFileHint, &[&command]);
            }
            (_, None) => {}
        }
        Ok(import_exit(&report, arguments.strict))
    }

    pub(super) fn import_resume(&mut self, batch: BatchId) -> Ended {
        let client = self.client()?;
        let (settings, console) = (self.settings, &mut *self.console);
        let report = block_on(async {
            let mut follower = Follower::new(settings, console);
            follower.batch = Some(batch);
            let path = format!("/api/v1/imports/{batch}/resume");
            let sending = client.events_post(&path, None, empty());
            let lines = follower.or_interrupted(sending).await?;
            follower.follow(lines).await
        })?;
        self.print(&report)?;
        Ok(import_exit(&report, false))
    }

    /// Asks the node what would go, and what is in the way; then the person, naming the import; then takes it back.
    pub(super) fn import_rollback(&mut self, arguments: RollbackArguments) -> Ended {
        let batch = arguments.batch;
        let client = self.client()?;
        let path = format!("/api/v1/imports/{batch}/rollback");
        let preview: RollbackPreview = block_on(client.document_fetch(&path, &[(); 0]))?;
        if arguments.dry_run {
            self.print(&preview)?;
            return Ok(if preview.notices.is_empty() { Exit::Done } else { Exit::Conflict });
        }
        // With a notice in the way there is nothing to confirm: the node says which.
        if preview.notices.is_empty() {
            let question = fill(
                Key::RollbackQuestion,
                self.settings.language,
                &[&batch.to_string(), &preview.summary.file_name, &preview.summary.rows.new.to_string()],
            );
            self.console.confirm(self.settings, &question)?;
        }
        let report: ImportReport = block_on(client.document_post(&path, &serde_json::json!({})))?;
        self.printed(&report)
    }

    pub(super) fn import_errors(&mut self, id: UploadId, file: &Path) -> Ended {
        self.errors_write(id, ErrorsFile::begin(file)?)
    }

    fn errors_write(&mut self, id: UploadId, errors: ErrorsFile<'_>) -> Ended {
        let client = self.client()?;
        let path = format!("/api/v1/imports/{id}/errors");
        let lang = match self.settings.language {
            Language::Zh => ErrorsLanguage::Zh,
            Language::En => ErrorsLanguage::En,
        };
        let query = ErrorsQuery { format: errors.format, lang };
        let bytes = block_on(client.file_fetch(&path, &query, ERRORS_FILE_LIMIT))?;
        errors.file.finish(&bytes)?;
        self.hint(Key::ErrorsFileWritten, &[&errors.path.display().to_string()]);
        Ok(Exit::Done)
    }
}

/// Where failing rows go. Begun before they are asked for: each export is an entry in the audit log.
struct ErrorsFile<'a> {
    path: &'a Path,
    format: ErrorsFormat,
    file: NewFile,
}

impl<'a> ErrorsFile<'a> {
    fn begin(path: &'a Path) -> Result<Self, CliError> {
        let format = if is_workbook(path)? { ErrorsFormat::Xlsx } else { ErrorsFormat::Csv };
        Ok(Self { path, format, file: NewFile::begin(path)? })
    }
}

/// The path and query string of an import. Options go into the query because the body is the file itself.
fn import_path(arguments: &RecordImportArguments) -> Result<String, CliError> {
    let file_name = if arguments.file == Path::new("-") {
        arguments.file_name.clone()
    } else {
        arguments.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let options = ImportOptions {
        record_type: arguments.record_type,
        file_name,
        dry_run: arguments.dry_run,
        sheet: arguments.sheet.clone(),
    };
    let mut path = with_query("/api/v1/imports", &options)?;
    for exception in &arguments.exceptions {
        path.push_str(&format!("&accept={}", percent_encode(&exception.to_string())));
    }
    Ok(path)
}

/// How an import ends: by its rows for a dry run, by its state otherwise.
fn import_exit(report: &ImportReport, strict: bool) -> Exit {
    let rows = report.summary.rows;
    match report.summary.state {
        ImportState::Refused => Exit::Failed,
        ImportState::Checked if rows.wrong > 0 => Exit::Failed,
        ImportState::Checked if rows.warned > 0 && strict => Exit::Failed,
        ImportState::Checked if rows.warned > 0 => Exit::Warnings,
        ImportState::Checked | ImportState::Committed | ImportState::RolledBack => Exit::Done,
        ImportState::Open | ImportState::RollingBack => Exit::Pending,
    }
}

/// Follows the events of one import and shows them: a bar on a terminal, else a line now and then.
struct Follower<'a> {
    settings: &'a Settings,
    console: &'a mut Console,
    bar: Option<indicatif::ProgressBar>,
    batch: Option<BatchId>,
    /// Rows at which the next plain line is due.
    next_line: u64,
}

impl<'a> Follower<'a> {
    /// Rows between two plain lines at least; a million rows give at most ten lines per phase.
    const LINE_EVERY: u64 = 100_000;

    fn new(settings: &'a Settings, console: &'a mut Console) -> Self {
        let bar = (console.err_is_terminal && !settings.quiet).then(|| {
            let bar = indicatif::ProgressBar::no_length();
            let template = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}";
            if let Ok(style) = indicatif::ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(text(Key::Sending, settings.language));
            bar
        });
        Self { settings, console, bar, batch: None, next_line: Self::LINE_EVERY }
    }

    /// Waits for `work` unless the person interrupts. What the node has written by then can be resumed.
    async fn or_interrupted<T>(
        &self,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => {
                if let Some(bar) = &self.bar {
                    bar.abandon();
                }
                Err(CliError::Interrupted { resume: self.batch.map(|batch| resume_command(self.settings, batch)) })
            }
        }
    }

    async fn follow(&mut self, mut lines: Lines) -> Result<ImportReport, CliError> {
        loop {
            let event: Option<ImportEvent> = self.or_interrupted(lines.next()).await?;
            match event.map(|event| event.event) {
                Some(ImportEventKind::Started { batch }) => self.started(batch),
                Some(ImportEventKind::Progress { phase, rows, total }) => self.progress(phase, rows, total),
                Some(ImportEventKind::Finished { report }) => {
                    self.bar_end();
                    return Ok(*report);
                }
                Some(ImportEventKind::Failed { problem }) => {
                    self.bar_end();
                    return Err(CliError::Problem(problem));
                }
                None => {
                    self.bar_end();
                    return Err(cut_off(self.batch));
                }
            }
        }
    }

    fn started(&mut self, batch: Option<BatchId>) {
        self.batch = batch;
        if let Some(batch) = batch {
            let command = resume_command(self.settings, batch);
            let line = fill(Key::ImportStarted, self.settings.language, &[&batch.to_string(), &command]);
            match &self.bar {
                Some(bar) => bar.println(line),
                None => self.console.hint(self.settings, &line),
            }
        }
    }

    fn progress(&mut self, phase: ImportPhase, rows: u64, total: Option<u64>) {
        let key = match phase {
            ImportPhase::Checking => Key::Checking,
            ImportPhase::Writing => Key::Writing,
        };
        match &self.bar {
            Some(bar) => {
                if let Some(total) = total {
                    bar.set_length(total);
                }
                bar.set_message(text(key, self.settings.language));
                bar.set_position(rows);
            }
            None if rows >= self.next_line || total == Some(rows) => {
                self.next_line = rows.saturating_add(Self::LINE_EVERY);
                let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
                let line = format!("{} {rows}/{total}", text(key, self.settings.language));
                self.console.hint(self.settings, &line);
            }
            // A phase that begins again counts from its own start.
            None if rows < self.next_line.saturating_sub(Self::LINE_EVERY) => {
                self.next_line = Self::LINE_EVERY
            }
            None => {}
        }
    }

    fn bar_end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn resume_command(settings: &Settings, batch: BatchId) -> String {
    settings.flags.command(&format!("chengxin import resume {batch}"))
}

/// The node went away in the middle: nothing of the import counts yet, unless only the news of its end was lost. It can be
/// resumed once the node is back.
fn cut_off(batch: Option<BatchId>) -> CliError {
    let problem = Problem::new(
        ErrorCode::Unavailable,
        "the node stopped in the middle of the import; none of its records count yet, unless it had just ended",
        "节点在导入途中停止; 除非刚好已经完成, 该批次的记录均未生效",
    );
    CliError::problem(match batch {
        // The flags are put in where the error is told.
        Some(batch) => problem.with_fix(
            format!(
                "start the node; chengxin import show {batch} says whether it had ended, and if not, chengxin import resume {batch} goes on"
            ),
            format!(
                "启动节点; 用 chengxin import show {batch} 查看是否已完成, 未完成则执行 chengxin import resume {batch} 继续"
            ),
        ),
        None => problem.with_fix("start the node, then import again", "启动节点后重新导入"),
    })
}
