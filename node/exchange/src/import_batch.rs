//! What is kept of each import beside its records, and whose records a reader sees: those of imports that are committed.
//!
//! Commit point: one write of the import's row shows or hides all of its records. What becomes visible does so after that
//! write, what vanishes vanishes before it.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::UnixTime;
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::error::{ExchangeError, Result};
use crate::import_lock::ImportWriter;
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::row::Row;
use crate::row_v1::ImportBatchV1;
use crate::row_v2::ImportBatchV2;

/// State of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchState {
    /// Rows are being kept; none is visible.
    Staging,
    /// All rows are visible.
    Committed,
    /// No row is visible; rows may still be on their way out.
    RollingBack,
    /// No row exists any more.
    RolledBack,
}

impl BatchState {
    /// The spelling in machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Committed => "committed",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// An import as stored, version 3: the same as versions 1 and 2, whose records stand in the index under other keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportBatch {
    /// The import.
    pub id: BatchId,
    /// Its state.
    pub state: BatchState,
    /// The file's name where it came from.
    pub file_name: String,
    /// The file's digest: only the same file resumes.
    pub file: Sha256,
    /// Type of its records.
    pub record_type: RecordType,
    /// Who imported.
    pub by: OperatorName,
    /// When it began.
    pub started: UnixTime,
    /// When its state last changed.
    pub changed: UnixTime,
    /// Data rows of the file that have been dealt with, duplicates included.
    pub rows_done: u64,
    /// Records kept.
    pub records: u64,
    /// Rows that were the same as a record held already.
    pub duplicates: u64,
    /// First record number of the import.
    pub first: u64,
    /// The number after its last record.
    pub next: u64,
    /// Records of the import below this number are in the indexes; those above it may be.
    pub indexed: u64,
}

impl Row for ImportBatch {
    const NAME: &'static str = "import";
    const VERSION: u8 = 3;
}

impl ImportBatch {
    fn read(bytes: &[u8]) -> Result<Self> {
        match bytes.first() {
            Some(&ImportBatchV1::VERSION) => Ok(ImportBatchV1::decode(bytes)?.0),
            Some(&ImportBatchV2::VERSION) => Ok(ImportBatchV2::decode(bytes)?.0),
            _ => Self::decode(bytes),
        }
    }
}

impl Node {
    /// Whether no record is held that a row could repeat or contradict. True for the first import of a body, which is
    /// the largest: it then needs no look-up per row.
    pub(crate) async fn is_empty(&self) -> Result<bool> {
        Ok(self
            .batches_all()
            .await?
            .iter()
            .all(|batch| batch.records == 0 || batch.state != BatchState::Committed))
    }

    /// One import.
    pub async fn import_show(&self, operation: &Operation, id: &BatchId) -> Result<ImportBatch> {
        operation.require(&[Role::Clerk, Role::Reviewer], "show imports")?;
        self.batch_read(id).await
    }

    /// All imports, newest first.
    pub async fn import_list(&self, operation: &Operation) -> Result<Vec<ImportBatch>> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list imports")?;
        let mut batches = self.batches_all().await?;
        batches.sort_by_key(|batch| std::cmp::Reverse((batch.started, batch.first)));
        Ok(batches)
    }

    /// The imports that were begun and neither finished nor taken back: those whose file is still needed.
    pub async fn imports_unfinished(&self) -> Result<BTreeSet<BatchId>> {
        let mut batches = self.batches_all().await?;
        batches.retain(|batch| batch.state == BatchState::Staging);
        Ok(batches.into_iter().map(|batch| batch.id).collect())
    }

    async fn batches_all(&self) -> Result<Vec<ImportBatch>> {
        self.batches_scan(|_| true).await
    }

    /// The imports that a former version of this program wrote.
    pub(crate) async fn batches_former(&self) -> Result<Vec<ImportBatch>> {
        self.batches_scan(|bytes| bytes.first() != Some(&ImportBatch::VERSION)).await
    }

    async fn batches_scan(&self, wanted: fn(&[u8]) -> bool) -> Result<Vec<ImportBatch>> {
        let mut range = KeyRange::prefix(&keyspace::batches());
        let mut batches = Vec::new();
        loop {
            let page = self.parts.store.scan(range.clone(), 1_000).await?;
            let Some((last, _)) = page.last() else { return Ok(batches) };
            range = range.after(last);
            for (_, bytes) in page.iter().filter(|(_, bytes)| wanted(bytes)) {
                batches.push(ImportBatch::read(bytes)?);
            }
        }
    }

    pub(crate) async fn batch_read(&self, id: &BatchId) -> Result<ImportBatch> {
        let bytes = self
            .parts
            .store
            .get(&keyspace::batch(id))
            .await?
            .ok_or(ExchangeError::NotFound { what: "the import" })?;
        ImportBatch::read(&bytes)
    }

    /// Writes the state of an import and shows or hides its records accordingly.
    pub(crate) async fn batch_write(
        self: &Arc<Self>,
        writer: &ImportWriter,
        batch: &ImportBatch,
    ) -> Result<()> {
        let mut write = Batch::new();
        write.put(keyspace::batch(&batch.id), batch.encode()?);
        // What becomes visible does so after the write, what vanishes vanishes before it.
        if matches!(batch.state, BatchState::Staging | BatchState::RollingBack) {
            self.hidden_set(batch);
        }
        let (node, batch) = (self.clone(), batch.clone());
        writer
            .write_run(async move {
                node.parts.store.commit(write).await?;
                node.hidden_set(&batch);
                Ok(())
            })
            .await
    }

    /// Hides or shows the records of an import for readers of this process.
    pub(crate) fn hidden_set(&self, batch: &ImportBatch) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        match batch.state {
            // Numbers are handed out to one import at a time, so everything from its first number on is its own.
            BatchState::Staging => {
                hidden.insert(batch.id, (batch.first, u64::MAX));
            }
            BatchState::RollingBack => {
                hidden.insert(batch.id, (batch.first, batch.next.saturating_sub(1)));
            }
            BatchState::Committed | BatchState::RolledBack => {
                hidden.remove(&batch.id);
            }
        }
    }

    /// Loads which records are hidden, when the node starts.
    pub(crate) async fn hidden_load(&self) -> Result<()> {
        for batch in self.batches_all().await? {
            self.hidden_set(&batch);
        }
        Ok(())
    }

    /// The number after the highest ever given out: over all imports, rolled back ones included, so that no number and
    /// no place in a status list is used twice.
    pub(crate) async fn next_record_number(&self) -> Result<u64> {
        let batches = self.batches_all().await?;
        if let Some(open) =
            batches.iter().find(|batch| matches!(batch.state, BatchState::Staging | BatchState::RollingBack))
        {
            return Err(ExchangeError::Conflict {
                what: "import",
                // What is being rolled back is not resumed any more.
                reason: if open.state == BatchState::RollingBack {
                    format!(
                        "the rollback of import {} was interrupted: roll it back again, then import",
                        open.id
                    )
                } else {
                    format!(
                        "import {} was interrupted: resume it with the same file, or roll it back, then import again",
                        open.id
                    )
                },
            });
        }
        Ok(batches.iter().map(|batch| batch.next).max().unwrap_or(1))
    }
}
