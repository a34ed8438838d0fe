//! Taking an import back: its records exist for no reader from one write on, then they are deleted.
//!
//! Commit points: the write of the state that hides the records; then, per stretch, the merges that take their entries
//! out of the indexes and the deletion of the records; at last the state that says that nothing is left. In this order
//! because the entries of a record are derived from its row: a crash leaves every record whose entries may still be in
//! an index, and the rollback asked for again starts over with the records that are left. A record that cannot be read is
//! taken out of the indexes by its number: an import with a broken record must be possible to take back, since no other
//! begins before. It appends no second audit
//! entry then, since the first one stands before the write that hid them. Only a crash between the two leads to two.

use std::sync::Arc;

use chengxin_schemas::identity::{BatchId, NoticeId};
use chengxin_schemas::notice::{NoticeContent, NoticeState};
use chengxin_schemas::operator::Role;
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_store::{Batch, KeyRange, Store, limits};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::import::{BatchState, ImportBatch};
use crate::import_index::{STRETCH_RECORDS, StretchEntries};
use crate::import_lock::ImportWriter;
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::operation::Operation;
use crate::record_index;
use crate::row::Row;

/// Records deleted in one commit, at most.
const DELETE_RECORDS: usize = 1_000;
/// Most bytes of records deleted in one commit: the store keeps what a batch replaces in memory. Most records take a few
/// KiB, so that their number decides; those with long rows take up to a value's limit each.
const DELETE_BYTES: usize = 16 * 1024 * 1024;
const _: () = assert!(DELETE_RECORDS <= limits::MAX_BATCH_OPERATIONS);
const _: () = assert!(
    limits::MAX_VALUE_BYTES <= DELETE_BYTES && DELETE_BYTES <= limits::MAX_BATCH_REPLACED_BYTES,
    "what one commit deletes is never too much for the store"
);

/// Notices named that keep an import from being taken back: enough to see what kind of import it is.
const NOTICES_NAMED: usize = 16;

/// What taking an import back would do, and what is in its way.
#[derive(Clone, Debug)]
pub struct RollbackPreview {
    /// The import.
    pub batch: ImportBatch,
    /// Notices in force on its records, with the day until which each of them restricts; while there is one, the import is
    /// not taken back. At most sixteen.
    pub notices: Vec<(NoticeId, PeriodEnd)>,
}

fn rolled_back_already() -> ExchangeError {
    ExchangeError::Conflict { what: "import", reason: "it was rolled back already".to_owned() }
}

impl Node {
    /// Says what [`Node::import_rollback`] would do, to whom may do it; changes nothing.
    pub async fn import_rollback_preview(
        self: &Arc<Self>,
        operation: &Operation,
        id: &BatchId,
    ) -> Result<RollbackPreview> {
        operation.require(&[Role::Reviewer], "roll an import back")?;
        let batch = self.batch_read(id).await?;
        let notices = match batch.state {
            BatchState::RolledBack => return Err(rolled_back_already()),
            BatchState::RollingBack => Vec::new(),
            BatchState::Staging | BatchState::Committed => {
                self.rollback_notices(&batch, operation.now(), NOTICES_NAMED).await?
            }
        };
        Ok(RollbackPreview { batch, notices })
    }

    /// Takes an import back: its records exist for no reader from the first write on.
    pub async fn import_rollback(
        self: &Arc<Self>,
        operation: &Operation,
        id: &BatchId,
    ) -> Result<ImportBatch> {
        operation.require(&[Role::Reviewer], "roll an import back")?;
        let turn = self.importing.turn_begin().await?;
        let writer = turn.writer();
        let mut batch = self.batch_read(id).await?;
        match batch.state {
            BatchState::RolledBack => return Err(rolled_back_already()),
            // Begun before, checked and logged then; no notice was issued on a hidden record since.
            BatchState::RollingBack => {}
            BatchState::Staging | BatchState::Committed => {
                self.rollback_begin(operation, writer, &mut batch).await?;
            }
        }
        self.rollback_delete(writer, &batch, STRETCH_RECORDS).await?;
        batch.state = BatchState::RolledBack;
        batch.changed = self.now();
        self.batch_write(writer, &batch).await?;
        Ok(batch)
    }

    /// Hides the records, unless a notice rests on one of them.
    async fn rollback_begin(
        self: &Arc<Self>,
        operation: &Operation,
        writer: &ImportWriter,
        batch: &mut ImportBatch,
    ) -> Result<()> {
        // No notice is on its way between the check and the moment from which nobody finds the records.
        let _guard = self.resting.write().await;
        self.rollback_notices_check(batch, operation.now()).await?;
        let entry = EntryDraft::new(EntryKind::ImportRolledBack)
            .request(batch.file)
            .detail("batch", &batch.id.to_string())
            .detail("records", &batch.records.to_string());
        self.audit_append(Some(operation), entry).await?;
        batch.state = BatchState::RollingBack;
        batch.changed = operation.now();
        self.batch_write(writer, batch).await
    }

    /// A record cannot vanish while a notice that rests on it restricts somebody, or may do so again.
    async fn rollback_notices_check(&self, batch: &ImportBatch, now: UnixTime) -> Result<()> {
        match self.rollback_notices(batch, now, 1).await?.first() {
            None => Ok(()),
            Some((notice, until)) => Err(ExchangeError::Conflict {
                what: "import",
                reason: format!(
                    "notice {notice} rests on one of its records and restricts until {until}: the import can be taken back after that; this version cannot withdraw a notice"
                ),
            }),
        }
    }

    /// Own notices that restrict, or may again, on records of an import; at most `limit` of them.
    async fn rollback_notices(
        &self,
        batch: &ImportBatch,
        now: UnixTime,
        limit: usize,
    ) -> Result<Vec<(NoticeId, PeriodEnd)>> {
        let today = Day(now.shanghai_date());
        let mut range = KeyRange::prefix(&keyspace::notices());
        let mut found = Vec::new();
        loop {
            let page = self.parts.store.scan(range.clone(), 1_000).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            range = range.after(last);
            for (key, bytes) in &page {
                let notice = NoticeRow::open(bytes, key, &self.parts.keys.data)?;
                if !notice.issued_here {
                    continue;
                }
                let Some(until) = notice_holds_until(&notice.content, today) else { continue };
                let store = self.parts.store.as_ref();
                let pointer = record_index::pointer_find(store, &notice.content.record).await?;
                if pointer.is_some_and(|pointer| (batch.first..batch.next).contains(&pointer.number)) {
                    found.push((notice.content.id, until));
                    if found.len() >= limit {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Deletes the records in stretches of numbers, first from the indexes and then themselves, whether they can be read or
    /// not.
    pub(crate) async fn rollback_delete(
        self: &Arc<Self>,
        writer: &ImportWriter,
        batch: &ImportBatch,
        stretch: u64,
    ) -> Result<()> {
        let mut first = batch.first;
        while first < batch.next {
            let end = batch.next.min(first.saturating_add(stretch.max(1)));
            let StretchEntries { stored, entries, unreadable, .. } = self.entries_between(first, end).await?;
            let (store, merger) = (self.parts.store.clone(), writer.clone());
            writer
                .write_run(async move {
                    record_index::entries_remove(store.as_ref(), &merger, &entries).await?;
                    if !unreadable.is_empty() {
                        record_index::numbers_remove(store.as_ref(), &merger, &unreadable).await?;
                    }
                    records_delete(store.as_ref(), &stored).await
                })
                .await?;
            first = end;
        }
        Ok(())
    }
}

/// The last day on which a notice may restrict, its record being needed until then; `None` if it does not any more:
/// withdrawn, repaired, or every measure over. One that is suspended may come back into force.
fn notice_holds_until(notice: &NoticeContent, today: Day) -> Option<PeriodEnd> {
    match notice.state {
        NoticeState::Repaired | NoticeState::Withdrawn => None,
        NoticeState::InForce | NoticeState::Suspended => {
            notice.measures.iter().map(|measure| measure.until).filter(|until| !until.is_over(today.0)).max()
        }
    }
}

/// Deletes records, given by number and stored length, in as many commits as it takes.
async fn records_delete(store: &dyn Store, stored: &[(u64, usize)]) -> Result<()> {
    let (mut deletes, mut bytes) = (Batch::new(), 0_usize);
    for (number, length) in stored {
        let full = deletes.len() == DELETE_RECORDS || bytes.saturating_add(*length) > DELETE_BYTES;
        if full && !deletes.is_empty() {
            store.commit(std::mem::take(&mut deletes)).await?;
            bytes = 0;
        }
        deletes.delete(keyspace::record(*number));
        bytes = bytes.saturating_add(*length);
    }
    if !deletes.is_empty() {
        store.commit(deletes).await?;
    }
    Ok(())
}
