//! Importing a foreign file: examine all of it, then stage, sign and keep its rows, then make them visible at once.
//!
//! Commit points: the file is kept for the import ([`ImportFile::import_keep`]) before the import is written as begun, so
//! that whatever cuts it off, an import that was begun finds its file again; each chunk of rows is one atomic batch together with the import's progress; the rows are entered into
//! the indexes a stretch at a time behind the chunks (`import_index.rs`); the import becomes visible when its state turns
//! to committed, one write after everything is in the indexes. A crash before that leaves rows that no reader sees; the
//! same file resumes where the progress stands, after what is missing in the indexes has been entered, or the import is
//! rolled back (`import_rollback.rs`).

use std::io::{Read, Seek};
use std::sync::Arc;

use chengxin_import::{
    ImportError, ImportOptions, ImportReport, ImportedRow, Importer, IssueSeverity, RowIssue,
};
use chengxin_policy::Authoriser;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::operator::Role;
use chengxin_schemas::record::{RecordDraft, RecordFields};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::sd_jwt::salt_blocks;
use chengxin_schemas::time::UnixTime;
use chengxin_store::Batch;
use chengxin_store::limits::MAX_BATCH_BYTES;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
pub use crate::import_batch::{BatchState, ImportBatch};
use crate::import_index::{ImportIndex, STRETCH_RECORDS};
use crate::import_lock::{ImportWriter, write_await};
pub use crate::import_rollback::RollbackPreview;
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::record::{NewRecord, SourceReference};
use crate::record_index::{self, RecordEntries, RecordPointer};
use crate::row::Row;

/// Rows signed and committed together, if their text is short: about a megabyte, a quarter of what the store commits at
/// once.
const CHUNK_ROWS: usize = 256;
/// Most bytes of source text in a chunk. A record takes its row's text and, signed, at most half as much again as the text
/// and 8 KiB, so no chunk comes near the 16 MiB that the store commits at once.
const CHUNK_TEXT: usize = 4 * 1024 * 1024;
/// Most bytes of one row's source text; with the signed record it is one value of the store, of at most 4 MiB. The importer
/// takes rows of a MiB, and quotes and line ends make twice as much of that at most: only control characters, six bytes
/// each, make more.
const ROW_TEXT: usize = 3 * 1024 * 1024;
/// A row below this number of bytes cannot reach [`ROW_TEXT`], so its text need not be made to know.
const ROW_SHORT: usize = ROW_TEXT / 8;
const _: () = assert!(ROW_TEXT <= CHUNK_TEXT && CHUNK_TEXT * 5 / 2 + CHUNK_ROWS * 8192 < MAX_BATCH_BYTES);
/// Chunks on their way between reading, signing and keeping; bounds the memory of an import.
const CHUNKS_IN_FLIGHT: usize = 4;
/// Issues kept word for word in a report, errors before warnings; all are counted.
pub const ISSUES_KEPT: usize = 10_000;
/// The field of a document's own end of publicity, in the record types that have one.
const PUBLICITY_END: &str = "publicity_end";
/// Rows between two progress messages.
const PROGRESS_EVERY: u64 = 2_000;

/// Something that can be read and sought in, from the beginning, as often as needed.
pub trait ImportFile: Send + Sync + 'static {
    /// Opens the file anew.
    fn open(&self) -> std::io::Result<Box<dyn ReadSeek>>;
    /// The name it had where it came from, for people.
    fn name(&self) -> &str;
    /// Keeps the file, and how it is to be read, for an import that is about to begin, until the import is finished or
    /// taken back. What this returns for survives a power cut. Runs on a thread that may block.
    fn import_keep(&self, batch: &BatchId) -> std::io::Result<()>;
}

/// [`Read`] and [`Seek`] in one object.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportProgress {
    /// Examining or keeping.
    pub phase: ImportPhase,
    /// Rows dealt with in this phase.
    pub rows: u64,
    /// All rows, known once the file was examined.
    pub total: Option<u64>,
}

/// The two passes over a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportPhase {
    /// Reading and checking every row.
    Examine,
    /// Signing and keeping.
    Keep,
}

/// What examining a file found.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Counts, and issues word for word, errors before warnings.
    pub report: ImportReport,
    /// The file's digest.
    pub file: Sha256,
    /// The record type of the file.
    pub record_type: RecordType,
    /// Rows that are the same as a record held already.
    pub already_held: u64,
}

impl Examination {
    /// Rows that cannot become records; any makes the import refuse the file.
    pub fn rejected(&self) -> u64 {
        self.report.rejected
    }
}

/// What the rows of an import are read from, how, and the policy that rules them: one from the first row examined to the
/// last one signed.
#[derive(Clone)]
struct ImportSource {
    file: Arc<dyn ImportFile>,
    options: ImportOptions,
    policy: Arc<Authoriser>,
}

/// Receives progress; must not block.
pub type ProgressSink = Arc<dyn Fn(ImportProgress) + Send + Sync>;

impl Node {
    /// Reads and checks a whole file and keeps nothing.
    pub async fn import_examine(
        self: &Arc<Self>,
        operation: &Operation,
        file: Arc<dyn ImportFile>,
        options: ImportOptions,
        progress: ProgressSink,
    ) -> Result<Examination> {
        operation.require(&[Role::Clerk, Role::Reviewer], "import records")?;
        let source = ImportSource { file, options: options_of(operation, options), policy: self.policy() };
        self.examine(source, progress).await
    }

    async fn examine(self: &Arc<Self>, source: ImportSource, progress: ProgressSink) -> Result<Examination> {
        let ImportSource { file, options, policy } = source;
        let (sender, mut chunks) = mpsc::channel::<Vec<ImportedRow>>(CHUNKS_IN_FLIGHT);
        let reader = tokio::task::spawn_blocking(move || {
            read_rows(file.as_ref(), options, 0, &sender, |mut row| {
                let length = row_length_check(&mut row);
                Ok((row, length))
            })
        });
        let mut report = ImportReport::new(ISSUES_KEPT);
        let mut already_held = 0_u64;
        let empty = self.is_empty().await?;
        let mut rows = 0_u64;
        while let Some(chunk) = chunks.recv().await {
            for mut row in chunk {
                row.issues.extend(publicity_compare(&policy, &row));
                let conflict =
                    if empty { None } else { self.row_conflict(&policy, &row, &mut already_held).await? };
                if let Some(conflict) = conflict {
                    row.issues.push(conflict);
                    row.fields = None;
                }
                report.row_add(&row);
                rows = rows.saturating_add(1);
                if rows.is_multiple_of(PROGRESS_EVERY) {
                    progress(ImportProgress { phase: ImportPhase::Examine, rows, total: None });
                }
            }
        }
        let read = reader.await.map_err(|_| ExchangeError::Task { what: "reading the file" })??;
        report.header_add(&read.header_issues);
        Ok(Examination { report, file: read.file, record_type: read.record_type, already_held })
    }

    /// Whether a row contradicts a record held: the same duplicate key with other content.
    pub(crate) async fn row_conflict(
        &self,
        policy: &Arc<Authoriser>,
        row: &ImportedRow,
        already_held: &mut u64,
    ) -> Result<Option<RowIssue>> {
        if row.issues.iter().any(|issue| issue.severity == IssueSeverity::Error) {
            return Ok(None);
        }
        let Some(fields) = row.fields.clone() else { return Ok(None) };
        let new = self.row_record(policy, row, fields, Sha256([0; 32]))?;
        match self.pointer_of(&new).await? {
            Some(held) if self.content_is_held(&new, &held.content) => {
                *already_held = already_held.saturating_add(1);
                Ok(None)
            }
            Some(_) => Ok(Some(RowIssue::held_differently(row.row))),
            None => Ok(None),
        }
    }

    /// The record that a row with these fields becomes under a policy.
    fn row_record(
        &self,
        policy: &Arc<Authoriser>,
        row: &ImportedRow,
        fields: RecordFields,
        file: Sha256,
    ) -> Result<NewRecord> {
        let ruling = policy.bundle().severity_for(&fields, row.subject_kind);
        let draft = RecordDraft::new(
            fields,
            row.subject_kind,
            ruling.category,
            ruling.severity,
            row.exception.clone(),
        )?;
        let source = SourceReference { file, row: row.row, text: row.source.to_text() };
        Ok(self.record_prepare(policy.clone(), draft, source))
    }

    /// The pointer of a visible record with the same identifier.
    async fn pointer_of(&self, new: &NewRecord) -> Result<Option<RecordPointer>> {
        let pointer = record_index::pointer_find(self.parts.store.as_ref(), &new.id).await?;
        Ok(pointer.filter(|pointer| !self.number_is_hidden(pointer.number)))
    }

    /// Imports a file: all of it or nothing. All of it is examined, ruled and signed by the policy in force when its turn
    /// came; one that takes effect meanwhile is for the next import.
    pub async fn import_run(
        self: &Arc<Self>,
        operation: &Operation,
        file: Arc<dyn ImportFile>,
        options: ImportOptions,
        progress: ProgressSink,
    ) -> Result<(Examination, Option<ImportBatch>)> {
        operation.require(&[Role::Clerk, Role::Reviewer], "import records")?;
        let options = options_of(operation, options);
        let turn = self.importing.turn_begin().await?;
        let source = ImportSource { file: file.clone(), options, policy: self.policy() };
        let examination = self.examine(source.clone(), progress.clone()).await?;
        if examination.rejected() > 0 {
            return Ok((examination, None));
        }
        let number = self.next_record_number().await?;
        let batch = ImportBatch {
            id: self.batch_id(),
            state: BatchState::Staging,
            file_name: file.name().chars().filter(|symbol| !symbol.is_control()).take(200).collect(),
            file: examination.file,
            record_type: examination.record_type,
            by: operation.account().clone(),
            started: operation.now(),
            changed: operation.now(),
            rows_done: 0,
            records: 0,
            duplicates: 0,
            first: number,
            next: number,
            indexed: number,
        };
        self.import_begin(turn.writer(), file, &batch).await?;
        let progress = KeepProgress { sink: progress, total: examination.report.rows };
        progress.tell(0);
        let batch = self.import_keep(operation, turn.writer(), source, batch, progress).await?;
        Ok((examination, Some(batch)))
    }

    /// Keeps the file, then writes that the import has begun. Both in one task that ends by itself: a caller who goes
    /// away in between leaves no file without an import. A crash or a fault there does, which keeps no import from
    /// beginning; whoever keeps files asks [`Node::imports_unfinished`] for those it may let go.
    async fn import_begin(
        self: &Arc<Self>,
        writer: &ImportWriter,
        file: Arc<dyn ImportFile>,
        batch: &ImportBatch,
    ) -> Result<()> {
        let (node, batch, own) = (self.clone(), batch.clone(), writer.clone());
        writer
            .write_run(async move {
                let id = batch.id;
                tokio::task::spawn_blocking(move || file.import_keep(&id))
                    .await
                    .map_err(|_| ExchangeError::Task { what: "keeping the file" })?
                    .map_err(ImportError::Write)?;
                node.batch_write(&own, &batch).await
            })
            .await
    }

    /// Goes on with an interrupted import of the same file, by the policy in force now. What was signed before the
    /// interruption stays as it is: each record names the version that it was ruled by, and the audit entry names the one
    /// that the rest was ruled by, and how many records an earlier part had signed.
    pub async fn import_resume(
        self: &Arc<Self>,
        operation: &Operation,
        id: &BatchId,
        file: Arc<dyn ImportFile>,
        options: ImportOptions,
        progress: ProgressSink,
    ) -> Result<ImportBatch> {
        operation.require(&[Role::Clerk, Role::Reviewer], "import records")?;
        let options = options_of(operation, options);
        let turn = self.importing.turn_begin().await?;
        let mut batch = self.batch_read(id).await?;
        if batch.state != BatchState::Staging {
            return Err(ExchangeError::Conflict {
                what: "import",
                reason: format!("it is {}; only a staging one is resumed", batch.state.as_str()),
            });
        }
        let source = ImportSource { file, options, policy: self.policy() };
        let examination = self.examine(source.clone(), progress.clone()).await?;
        if examination.file != batch.file {
            return Err(ExchangeError::Conflict {
                what: "import",
                reason: "this is another file than the one that was begun: give the same file, or roll the import back".to_owned(),
            });
        }
        if examination.rejected() > 0 {
            return Err(ExchangeError::ImportRefused { errors: examination.rejected() });
        }
        self.import_index_rebuild(turn.writer(), &mut batch, STRETCH_RECORDS).await?;
        let progress = KeepProgress { sink: progress, total: examination.report.rows };
        self.import_keep(operation, turn.writer(), source, batch, progress).await
    }

    async fn import_keep(
        self: &Arc<Self>,
        operation: &Operation,
        writer: &ImportWriter,
        source: ImportSource,
        mut batch: ImportBatch,
        progress: KeepProgress,
    ) -> Result<ImportBatch> {
        let ImportSource { file, options, policy } = source;
        let signed_earlier = batch.records;
        let (sender, mut chunks) = mpsc::channel::<Vec<PreparedRow>>(CHUNKS_IN_FLIGHT);
        let (node, ruling, digest, skip) = (self.clone(), policy.clone(), batch.file, batch.rows_done);
        let reader = tokio::task::spawn_blocking(move || {
            read_rows(file.as_ref(), options, skip, &sender, |mut row| {
                let new = match row.fields.take() {
                    Some(fields) => Some(node.row_record(&ruling, &row, fields, digest)?),
                    None => None,
                };
                let length = new.as_ref().map_or(0, |new| new.source.text.len());
                Ok((PreparedRow { row: row.row, new }, length))
            })
        });
        let mut signing = std::collections::VecDeque::new();
        let mut committing = None;
        let mut index =
            ImportIndex::new(self.parts.store.clone(), writer.clone(), batch.indexed, STRETCH_RECORDS);
        let empty = self.is_empty().await?;
        loop {
            let chunk = if signing.len() < CHUNKS_IN_FLIGHT { chunks.recv().await } else { None };
            match chunk {
                Some(chunk) => {
                    let (rows, news) = self.chunk_admit(chunk, &mut batch, empty).await?;
                    let first = batch.next;
                    batch.next = batch.next.saturating_add(u64::try_from(news.len()).unwrap_or(u64::MAX));
                    batch.records = batch.next.saturating_sub(batch.first);
                    batch.rows_done = batch.rows_done.saturating_add(rows);
                    batch.indexed = index.indexed().await?;
                    let (node, mut state) = (self.clone(), batch.clone());
                    let now = self.now();
                    signing.push_back(tokio::task::spawn_blocking(move || {
                        state.changed = now;
                        let (store_batch, entries) = node.chunk_sign(news, first, &state, now)?;
                        Ok::<_, ExchangeError>((store_batch, entries, state))
                    }));
                }
                None => {
                    let Some(task) = signing.pop_front() else { break };
                    let (store_batch, entries, state) =
                        task.await.map_err(|_| ExchangeError::Task { what: "signing" })??;
                    // One commit is on its way while the next chunk is prepared; they never overtake one another,
                    // because each holds the import's progress.
                    commit_await(committing.take(), &mut index, &progress).await?;
                    let node = self.clone();
                    committing = Some(writer.write_start(async move {
                        // Hidden first, so that no reader sees a record of a batch it does not know.
                        node.hidden_set(&state);
                        node.parts.store.commit(store_batch).await?;
                        Ok(KeptChunk { entries, next: state.next, rows_done: state.rows_done })
                    }));
                }
            }
        }
        commit_await(committing.take(), &mut index, &progress).await?;
        batch.indexed = index.finish().await?;
        reader.await.map_err(|_| ExchangeError::Task { what: "reading the file" })??;
        let mut entry = EntryDraft::new(EntryKind::RecordImported)
            .policy(policy.bundle().rules_version())
            .request(batch.file)
            .detail("batch", &batch.id.to_string())
            .detail("type", batch.record_type.as_str())
            .detail("records", &batch.records.to_string())
            .detail("duplicates", &batch.duplicates.to_string());
        if signed_earlier > 0 {
            entry = entry.detail("signed_earlier", &signed_earlier.to_string());
        }
        self.audit_append(Some(operation), entry).await?;
        batch.state = BatchState::Committed;
        batch.changed = self.now();
        self.batch_write(writer, &batch).await?;
        Ok(batch)
    }

    /// Drops rows that are skipped or held already. Returns how many rows were dealt with, and the records to keep.
    async fn chunk_admit(
        &self,
        chunk: Vec<PreparedRow>,
        batch: &mut ImportBatch,
        empty: bool,
    ) -> Result<(u64, Vec<NewRecord>)> {
        let rows = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let mut news = Vec::with_capacity(chunk.len());
        for PreparedRow { row, new } in chunk {
            let Some(new) = new else {
                batch.duplicates = batch.duplicates.saturating_add(1);
                continue;
            };
            let held = if empty { None } else { self.pointer_of(&new).await? };
            match held {
                Some(held) if self.content_is_held(&new, &held.content) => {
                    batch.duplicates = batch.duplicates.saturating_add(1)
                }
                Some(_) => {
                    return Err(ExchangeError::Conflict {
                        what: "import",
                        reason: format!(
                            "row {row} contradicts a record that was added meanwhile: examine the file again"
                        ),
                    });
                }
                None => news.push(new),
            }
        }
        Ok((rows, news))
    }

    fn chunk_sign(
        &self,
        news: Vec<NewRecord>,
        first: u64,
        state: &ImportBatch,
        now: UnixTime,
    ) -> Result<(Batch, Vec<RecordEntries>)> {
        let mut store_batch = Batch::new();
        let mut entries = Vec::with_capacity(news.len());
        // Salts are drawn in blocks: one system call for each would cost more than the signature.
        let mut salt = salt_blocks(|block: &mut [u8]| (self.parts.random)(block));
        for (number, new) in (first..).zip(news) {
            entries.push(self.record_sign(new, number, state.id, now, &mut salt, &mut store_batch)?);
        }
        store_batch.put(keyspace::batch(&state.id), state.encode()?);
        Ok((store_batch, entries))
    }
}

/// Whether a row states another end of publicity than its record will be signed with, or any where the record is in
/// principle not published. Where the rule gives no end, a stated one contradicts nothing. What is signed governs (the claim
/// `publicity_end`); stores are known to rewrite the column with every change of a row, so the difference is told and no
/// reason to refuse the row.
fn publicity_compare(policy: &Authoriser, row: &ImportedRow) -> Option<RowIssue> {
    let fields = row.fields.as_ref()?;
    let stated = fields.text(PUBLICITY_END)?;
    let determined = fields.determined_on()?;
    let severity = policy.bundle().severity_for(fields, row.subject_kind).severity?;
    let publicity = policy.bundle().publicity_end(fields.record_type(), severity, determined)?;
    if !publicity.publish {
        return Some(RowIssue::not_published(row.row, stated));
    }
    let signed = publicity.signed_end()?.to_string();
    (stated != signed).then(|| RowIssue::publicity_end_differs(row.row, stated, &signed))
}

/// How an operation reads a file: as told, and by its own day, so that every pass over the file judges rows alike.
pub(crate) fn options_of(operation: &Operation, options: ImportOptions) -> ImportOptions {
    ImportOptions { today: Some(operation.today()), ..options }
}

/// Refuses a row that no value of the store holds, and returns how long its cells are together.
pub(crate) fn row_length_check(row: &mut ImportedRow) -> usize {
    let length = row.source.cells.iter().map(String::len).sum();
    if length > ROW_SHORT && row.source.to_text().len() > ROW_TEXT {
        row.issues.push(RowIssue::control_characters(row.row));
        row.fields = None;
    }
    length
}

/// Tells how far the keeping of an examined file is.
struct KeepProgress {
    sink: ProgressSink,
    /// Rows of the file.
    total: u64,
}

impl KeepProgress {
    fn tell(&self, rows: u64) {
        (self.sink)(ImportProgress { phase: ImportPhase::Keep, rows, total: Some(self.total) });
    }
}

/// A chunk whose records are on disk.
struct KeptChunk {
    entries: Vec<RecordEntries>,
    /// The number after its last record.
    next: u64,
    rows_done: u64,
}

/// Waits for the commit on its way, if there is one, passes its records on to the indexes and tells how far the import
/// is.
async fn commit_await(
    committing: Option<JoinHandle<Result<KeptChunk>>>,
    index: &mut ImportIndex,
    progress: &KeepProgress,
) -> Result<()> {
    if let Some(commit) = committing {
        let kept = write_await(commit).await?;
        index.kept_add(kept.entries, kept.next).await?;
        progress.tell(kept.rows_done);
    }
    Ok(())
}

/// A row on its way to be kept.
struct PreparedRow {
    row: u64,
    /// The record it becomes; nothing for a row that is skipped.
    new: Option<NewRecord>,
}

/// What reading a file to its end told.
struct ReadOutcome {
    file: Sha256,
    record_type: RecordType,
    /// What is wrong with the header.
    header_issues: Vec<RowIssue>,
}

/// Reads rows, prepares each, and sends them in chunks, leaving out the first `skip`. `prepare` also says how long the row's
/// text is. Runs on a thread that may block.
fn read_rows<T>(
    file: &dyn ImportFile,
    options: ImportOptions,
    skip: u64,
    sender: &mpsc::Sender<Vec<T>>,
    prepare: impl Fn(ImportedRow) -> Result<(T, usize)>,
) -> Result<ReadOutcome> {
    let reader = file.open().map_err(ImportError::Read)?;
    let mut importer = Importer::open(reader, options)?;
    let record_type = importer.layout().record_type;
    let header_issues = importer.layout().issues.clone();
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let (mut seen, mut text) = (0_u64, 0_usize);
    for row in &mut importer {
        seen = seen.saturating_add(1);
        let row = row?;
        if seen <= skip {
            continue;
        }
        let (row, length) = prepare(row)?;
        if chunk.len() == CHUNK_ROWS || (!chunk.is_empty() && text.saturating_add(length) > CHUNK_TEXT) {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
            if sender.blocking_send(full).is_err() {
                return Err(ExchangeError::Task { what: "keeping the rows" });
            }
            text = 0;
        }
        text = text.saturating_add(length);
        chunk.push(row);
    }
    if !chunk.is_empty() && sender.blocking_send(chunk).is_err() {
        return Err(ExchangeError::Task { what: "keeping the rows" });
    }
    Ok(ReadOutcome { file: importer.file_digest(), record_type, header_issues })
}
