//! Entering an import's records into the indexes, a stretch at a time beside the keeping of the next.
//!
//! Order: entries are handed over after the chunk that holds their records is on disk, so the indexes never name a
//! record that a crash could take away. Crash story: the import's row says up to where its records are in the indexes;
//! what lies above is derived from the records again when the import is resumed ([`Node::import_index_rebuild`]), and
//! entering twice changes nothing. Until the import is committed no reader sees what the entries name.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_schemas::subject::SubjectKey;
use chengxin_store::{KeyRange, Store, limits};
use tokio::task::JoinHandle;

use crate::error::{ExchangeError, Result};
use crate::import::{BatchState, ImportBatch};
use crate::import_lock::{ImportWriter, write_await};
use crate::keyspace;
use crate::node::Node;
use crate::record::RecordRow;
use crate::record_index::{self, RecordEntries};
use crate::row::Row;

/// Records of one merge into the indexes: as a merge rewrites most blocks of an index, the longer the better; two
/// stretches of entries are held in memory at once, 8 MiB each.
pub(crate) const STRETCH_RECORDS: u64 = 65_536;
/// Records read at once to derive their entries: about 4 MiB, and fewer where they are long, since a page of the store ends
/// early.
const PAGE_RECORDS: usize = 1_000;

/// The part of an import's records that is not in the indexes yet.
pub(crate) struct ImportIndex {
    store: Arc<dyn Store>,
    writer: ImportWriter,
    stretch: usize,
    /// Records below this number are in the indexes.
    indexed: u64,
    /// Entries of records kept since the last merge began, and the number after them.
    pending: Vec<RecordEntries>,
    next: u64,
    /// The merge on its way gives the number below which everything is then in the indexes.
    merging: Option<JoinHandle<Result<u64>>>,
}

impl ImportIndex {
    /// Nothing is pending, and records below `indexed` are in the indexes. Merges as soon as `stretch` entries wait.
    pub(crate) fn new(store: Arc<dyn Store>, writer: ImportWriter, indexed: u64, stretch: u64) -> Self {
        let stretch = usize::try_from(stretch).unwrap_or(usize::MAX);
        Self { store, writer, stretch, indexed, pending: Vec::new(), next: indexed, merging: None }
    }

    /// The number below which all records of the import are known to be in the indexes.
    pub(crate) async fn indexed(&mut self) -> Result<u64> {
        if self.merging.as_ref().is_some_and(JoinHandle::is_finished) {
            self.merge_await().await?;
        }
        Ok(self.indexed)
    }

    /// Takes over the entries of records that are on disk; `next` is the number after them. Waits if a merge is due
    /// while the one before is still on its way, which bounds what is pending.
    pub(crate) async fn kept_add(&mut self, entries: Vec<RecordEntries>, next: u64) -> Result<()> {
        self.pending.extend(entries);
        self.next = next;
        if self.pending.len() >= self.stretch {
            self.merge_start().await?;
        }
        Ok(())
    }

    /// Merges what is left, and returns the number below which everything is in the indexes.
    pub(crate) async fn finish(mut self) -> Result<u64> {
        self.merge_start().await?;
        self.merge_await().await?;
        Ok(self.indexed)
    }

    async fn merge_start(&mut self) -> Result<()> {
        self.merge_await().await?;
        let (store, writer, next) = (self.store.clone(), self.writer.clone(), self.next);
        let entries = std::mem::take(&mut self.pending);
        self.merging = Some(self.writer.write_start(async move {
            record_index::entries_insert(store.as_ref(), &writer, &entries).await?;
            Ok(next)
        }));
        Ok(())
    }

    async fn merge_await(&mut self) -> Result<()> {
        if let Some(merging) = self.merging.take() {
            self.indexed = write_await(merging).await?;
        }
        Ok(())
    }
}

/// The records of a stretch, and what they say of their index entries.
#[derive(Default)]
pub(crate) struct StretchEntries {
    /// Each record's number and how many bytes it takes in the store, ascending. One that the store has lost counts as the
    /// longest value there is.
    pub(crate) stored: Vec<(u64, usize)>,
    pub(crate) entries: Vec<RecordEntries>,
    /// Where a former version of this program entered them and this one does not.
    pub(crate) former: Vec<(SubjectKey, u64)>,
    /// Numbers of records that cannot be read.
    pub(crate) unreadable: BTreeSet<u64>,
    /// Whether some of them may be readable another time: the disk failed, or this node's data key is not the right one. What
    /// the store finds damaged stays so until a backup is restored.
    pub(crate) may_return: bool,
}

impl Node {
    /// Enters the records that an interrupted import kept and did not get into the indexes, in stretches.
    pub(crate) async fn import_index_rebuild(
        self: &Arc<Self>,
        writer: &ImportWriter,
        batch: &mut ImportBatch,
        stretch: u64,
    ) -> Result<()> {
        while batch.indexed < batch.next {
            let end = batch.next.min(batch.indexed.saturating_add(stretch.max(1)));
            let StretchEntries { entries, unreadable, .. } = self.entries_between(batch.indexed, end).await?;
            if !unreadable.is_empty() {
                return Err(ExchangeError::Stored {
                    what: RecordRow::NAME,
                    reason: "the import cannot be resumed: roll it back".to_owned(),
                });
            }
            let (store, merger) = (self.parts.store.clone(), writer.clone());
            writer
                .write_run(
                    async move { record_index::entries_insert(store.as_ref(), &merger, &entries).await },
                )
                .await?;
            batch.indexed = end;
        }
        Ok(())
    }

    /// Moves the records of imports that a former version of this program wrote to the keys that they are found by: it
    /// entered one under its unified code, under which a search by the organisation code within finds nothing, one with a
    /// code and a person's number under the code only, and one with an organisation code only under its name. Reads
    /// all their records, once: an import is written in the present form when its records are entered, and a crash
    /// before that leads to the same at the next start. A record that cannot be read keeps the entries it has: it holds
    /// back neither the others nor the start of the node. If it may be readable another time, its import is read again at
    /// the next start; an import cut short that is resumed meanwhile is not.
    ///
    /// Of an import cut short, all that it kept is entered, whatever its row says of the indexes: entries above that may be
    /// there in the former form. So it is with one on its way out, whose rollback derives the present ones.
    pub(crate) async fn import_index_upgrade(self: &Arc<Self>) -> Result<()> {
        let former = self.batches_former().await?;
        if former.is_empty() {
            return Ok(());
        }
        let turn = self.importing.turn_begin().await?;
        for batch in former {
            let mut first = batch.first;
            let end = match batch.state {
                BatchState::Staging | BatchState::Committed | BatchState::RollingBack => batch.next,
                BatchState::RolledBack => first,
            };
            let mut may_return = false;
            while first < end {
                let next = end.min(first.saturating_add(STRETCH_RECORDS));
                let stretch = self.entries_between(first, next).await?;
                may_return |= stretch.may_return;
                let StretchEntries { entries, former, .. } = stretch;
                let (store, merger) = (self.parts.store.clone(), turn.writer().clone());
                turn.writer()
                    .write_run(async move {
                        record_index::entries_insert(store.as_ref(), &merger, &entries).await?;
                        record_index::former_remove(store.as_ref(), &merger, &former).await
                    })
                    .await?;
                first = next;
            }
            if may_return {
                tracing::error!(import = %batch.id, "its records are entered anew at the next start");
                continue;
            }
            self.batch_write(turn.writer(), &batch).await?;
        }
        Ok(())
    }

    /// The index entries of the records from `first` up to `end`, hidden ones too; numbers without a record are left
    /// out. A record that the store has lost, or that does not open, has none that could be told; each is an alarm.
    pub(crate) async fn entries_between(self: &Arc<Self>, first: u64, end: u64) -> Result<StretchEntries> {
        let mut range = KeyRange::between(&keyspace::record(first), &keyspace::record(end));
        let mut stretch = StretchEntries::default();
        loop {
            let page = self.readable_page(&range, PAGE_RECORDS).await?;
            let Some(rest) = page.rest else { return Ok(stretch) };
            range = rest;
            // Beside the runtime's threads: a page takes long enough to open and read to hold up answers.
            let node = self.clone();
            let (rows, lost) = (page.rows, page.lost);
            stretch.may_return |= page.lost_may_return;
            let derived = tokio::task::spawn_blocking(move || node.page_entries(&rows, stretch)).await;
            stretch = derived.map_err(|_| ExchangeError::Task { what: "reading records" })??;
            if let Some(key) = lost {
                let number = number_of(&key)?;
                stretch.stored.push((number, limits::MAX_VALUE_BYTES));
                stretch.unreadable.insert(number);
            }
        }
    }

    fn page_entries(&self, page: &[(Bytes, Bytes)], mut stretch: StretchEntries) -> Result<StretchEntries> {
        for (key, bytes) in page {
            let number = number_of(key)?;
            stretch.stored.push((number, bytes.len()));
            match self.record_open(key, bytes) {
                Ok((row, record)) => {
                    stretch.entries.push(self.record_entries(&row, record.fields(), number));
                    stretch.former.extend(self.record_entry_former(record.fields(), number));
                }
                Err(error) => {
                    tracing::error!(number, %error, "a stored record cannot be read");
                    stretch.unreadable.insert(number);
                    stretch.may_return = true;
                }
            }
        }
        Ok(stretch)
    }
}

fn number_of(key: &[u8]) -> Result<u64> {
    keyspace::record_number(key).ok_or_else(|| ExchangeError::Stored {
        what: RecordRow::NAME,
        reason: "its key has no number".to_owned(),
    })
}

#[cfg(test)]
mod tests;
