//! The backlog: what is in force goes to members that became entitled after it was issued, as ordinary items of their
//! streams.
//!
//! A member counts as new when the directory has no entry of it that was looked at before, or one with other functions or
//! another sealing key; with another policy version, which says whose a measure is, all do. For each notice in force, new
//! members that are entitled to it and have no item of it get one. A member that can no longer open what waits for it,
//! since it was sealed to its former key, rejects it; such an item is queued again, sealed to the present key.
//!
//! A member whose stream cannot be read gets nothing for the time being, and is marked in the row of members looked at: each
//! later pass looks at it again, and at nobody else.
//!
//! What this does not do: take a notice back from a member that lost the function it was sent for, and queue a notice
//! whose record no longer counts, which waits to be withdrawn.
//!
//! Commit point: for each notice one batch with the heads and the notice's list of recipients, after staging (see
//! [`crate::outbox`]); at the end the row with the members looked at. A crash before that leads to the same pass again,
//! which skips what has its item. So does a notice that cannot be read, or whose record cannot; it does not hold back the
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chengxin_policy::{Applicability, Authoriser, Bundle, SanctionObject};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::NoticeId;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws};
use chengxin_schemas::notice::{NoticeContent, NoticeState};
use chengxin_schemas::receipt::{RECEIPT_TYP, ReceiptClaims, ReceiptOutcome};
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::outbox::{OutboxRow, Outgoing, RECIPIENTS_LIMIT, Staged};
use crate::row::Row;

/// Notices read at once while looking for what a new member is entitled to.
const NOTICES_AT_ONCE: usize = 100;

/// The members whose backlog was queued, each with a digest of what entitlement and sealing depend on in its entry.
/// Stored form version 1; some 50 bytes per member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MembersServed {
    policy: String,
    members: BTreeMap<AgencyCode, Sha256>,
}

impl Row for MembersServed {
    const NAME: &'static str = "members served";
    const VERSION: u8 = 1;
}

/// Stands for the entry of a member that a pass leaves to be looked at again: no entry has this digest. Nor has any the
/// random ones with which members are marked beside a pass, see [`Node::members_look_again`].
const LOOK_AGAIN: Sha256 = Sha256([0; 32]);

impl MembersServed {
    fn look_again(&mut self, members: impl IntoIterator<Item = AgencyCode>, mark: Sha256) {
        self.members.extend(members.into_iter().map(|member| (member, mark)));
    }
}

/// What a pass has come to.
#[derive(Debug, Default)]
struct Pass {
    /// Items queued.
    queued: usize,
    /// Notices that cannot be read, or whose record cannot.
    unreadable: usize,
    /// Members whose streams cannot be read.
    left_out: BTreeSet<AgencyCode>,
}

/// What became of queueing an own notice for more recipients.
enum Appended {
    /// It has an item in every stream that can be read; in none if its record does not count any more.
    Queued(Staged),
    /// Nothing was queued: its record or its own row cannot be read. A backup may bring them back, so it is to be looked
    /// at again.
    Unreadable(ExchangeError),
}

fn entry_digest(entry: &DirectoryEntry) -> Sha256 {
    let mut parts = vec![b"chengxin/member-served/v1".as_slice(), entry.age_node_recipient.as_bytes()];
    for function in &entry.functions {
        parts.extend([b"\n".as_slice(), function.as_str().as_bytes()]);
    }
    Sha256::of_parts(&parts)
}

/// Whether a member is entitled to a notice: it implements at least one of the measures.
pub(crate) fn notice_entitled(bundle: &Bundle, entry: &DirectoryEntry, content: &NoticeContent) -> bool {
    content.measures.iter().any(|measure| {
        let applicability = bundle.measure_applies(
            &measure.measure,
            &entry.functions,
            SanctionObject::of(&content.subject),
            content.severity,
        );
        matches!(applicability, Applicability::Applies)
    })
}

impl Node {
    /// Queues what is in force for members that became entitled since the last time. Gives the number of items queued.
    /// Cheap when the directory has nobody new.
    pub async fn backlog_queue(self: &Arc<Self>) -> Result<usize> {
        let directory = self.directory_current()?;
        let others = || directory.entries().filter(|entry| entry.agency != self.parts.agency);
        let mut present = MembersServed {
            // Who is entitled is the federation's to say, whatever overlay is above its bundle.
            policy: self.policy().bundle().base().rules_version().to_owned(),
            members: others().map(|entry| (entry.agency, entry_digest(entry))).collect(),
        };
        let key = keyspace::members_served();
        let held_bytes = self.parts.store.get(&key).await?;
        let held = match &held_bytes {
            Some(bytes) => MembersServed::decode(bytes)?,
            None => MembersServed::default(),
        };
        if held == present {
            return Ok(0);
        }
        let is_new = |entry: &&DirectoryEntry| {
            held.policy != present.policy
                || held.members.get(&entry.agency) != present.members.get(&entry.agency)
        };
        let new: Vec<DirectoryEntry> = others().filter(is_new).cloned().collect();
        // A notice that is just being issued to the members of an earlier directory is in the store after this; later
        // ones are issued to the members of this directory or a newer one.
        drop(self.issuing.lock().await);
        let mut pass = Pass::default();
        let mut range = KeyRange::prefix(&keyspace::notices());
        while !new.is_empty() {
            let page = self.readable_page(&range, NOTICES_AT_ONCE).await?;
            pass.unreadable = pass.unreadable.saturating_add(page.unreadable());
            let Some(rest) = page.rest else { break };
            range = rest;
            for (key, bytes) in &page.rows {
                let Some(notice) = self.row_or_alarm::<NoticeRow>(key, bytes) else {
                    pass.unreadable = pass.unreadable.saturating_add(1);
                    continue;
                };
                match self.backlog_notice(&notice, &new, &held, &mut pass).await {
                    Ok(()) => {}
                    // One notice that cannot be sent does not hold back the others. Policy is against it, or what was to be
                    // sealed and to whom: it is looked at again by another policy, or another entry of the member.
                    Err(error @ (ExchangeError::Denied(_) | ExchangeError::Schema(_))) => {
                        tracing::error!(notice = %notice.content.id, %error, "a notice cannot be queued for new members");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if pass.queued > 0 {
            tracing::info!(items = pass.queued, members = new.len(), "the backlog of new members was queued");
        }
        present.look_again(pass.left_out, LOOK_AGAIN);
        // What cannot be read is looked at again the next time: it may be this node's key that is not the right one.
        if pass.unreadable == 0 && held != present {
            // A notice issued meanwhile may have marked a member; then the next pass writes the row.
            let _issuing = self.issuing.lock().await;
            if self.parts.store.get(&key).await? == held_bytes {
                let mut batch = Batch::new();
                batch.put(key, present.encode()?);
                self.parts.store.commit(batch).await?;
            }
        }
        Ok(pass.queued)
    }

    /// Adds to a batch that members get what they were left out of: the next pass looks at them. The caller holds the lock on
    /// issuing, under which a pass writes its own row.
    pub(crate) async fn members_look_again(&self, batch: &mut Batch, members: &[AgencyCode]) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        let key = keyspace::members_served();
        // A first pass that is under way finds the row changed then, and the next one looks at everybody.
        let mut served = match self.parts.store.get(&key).await? {
            Some(bytes) => MembersServed::decode(&bytes)?,
            None => MembersServed::default(),
        };
        // A mark of its own: also of a member that is marked already, a pass that has gone by what it is about finds the row
        // changed.
        served.look_again(members.iter().copied(), Sha256(self.random_bytes()));
        batch.put(key, served.encode()?);
        Ok(())
    }

    async fn backlog_notice(
        self: &Arc<Self>,
        notice: &NoticeRow,
        new: &[DirectoryEntry],
        held: &MembersServed,
        pass: &mut Pass,
    ) -> Result<()> {
        let today = self.now().shanghai_date();
        let content = &notice.content;
        let runs = content.measures.iter().any(|measure| !measure.until.is_over(today));
        if !notice.issued_here || content.state != NoticeState::InForce || !runs {
            return Ok(());
        }
        let places: BTreeMap<_, _> = notice.recipients.iter().copied().collect();
        // If it is exchanged on the way, the row at the end names the policy before it, and the next pass looks at all again.
        let policy = self.policy();
        let mut owed = Vec::new();
        for entry in new.iter().filter(|entry| notice_entitled(policy.bundle(), entry, content)) {
            let has_item = match places.get(&entry.agency) {
                // Only an entry that was looked at before can have changed its key since.
                Some(place)
                    if held.members.get(&entry.agency).is_some_and(|seen| *seen != entry_digest(entry)) =>
                {
                    let item = self.outbox_row(&entry.agency, *place).await;
                    match item.and_then(|(_, row)| sealed_in_vain(&row, entry, None)) {
                        Ok(in_vain) => !in_vain,
                        Err(error) if error.is_of_one_row() => {
                            tracing::error!(peer = %entry.agency, place, %error, "a queued item cannot be read");
                            pass.left_out.insert(entry.agency);
                            true
                        }
                        Err(error) => return Err(error),
                    }
                }
                Some(_) => true,
                None => false,
            };
            if !has_item {
                owed.push(entry.clone());
            }
        }
        if owed.is_empty() {
            return Ok(());
        }
        match self.notice_append(policy, notice, owed).await? {
            Appended::Queued(staged) => {
                pass.left_out.extend(staged.left_out);
                pass.queued = pass.queued.saturating_add(staged.places.len());
            }
            Appended::Unreadable(error) => {
                tracing::error!(notice = %content.id, %error, "a notice or its record cannot be read: not queued for new members");
                pass.unreadable = pass.unreadable.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Before the receipt of an item is kept: if the recipient rejected it and it was sealed to a key that is not the
    /// recipient's any more, queues the notice again. Asked twice about one item, as after a crash, it queues one.
    ///
    /// What cannot be queued again does not hold back the receipt: without it this item would be sent for ever, and none
    /// behind it. Gives whether it is the notice or its record that cannot be read: then the member is to be marked in the
    /// commit that keeps the receipt, so that a pass meets both or neither, and queues the notice when it can be read.
    pub(crate) async fn notice_requeue(
        self: &Arc<Self>,
        entry: &DirectoryEntry,
        place: u64,
        row: &OutboxRow,
        receipt: &ReceiptClaims,
    ) -> Result<bool> {
        if !sealed_in_vain(row, entry, Some(receipt))? {
            return Ok(false);
        }
        let appended = match self.own_notice(&row.notice).await {
            Ok(None) => return Ok(false),
            Ok(Some(notice)) => {
                let is_newest = notice.recipients.contains(&(entry.agency, place));
                if !is_newest || notice.content.version != row.version {
                    return Ok(false);
                }
                tracing::info!(peer = %entry.agency, "an item was sealed to a former key, queueing it again");
                self.notice_append(self.policy(), &notice, vec![entry.clone()]).await
            }
            Err(error) if error.is_of_one_row() => Ok(Appended::Unreadable(error)),
            Err(error) => Err(error),
        };
        match appended {
            // If its stream could not be read, the receipt cannot be kept either, and the item is sent again.
            Ok(Appended::Queued(_)) => Ok(false),
            Ok(Appended::Unreadable(error)) => {
                tracing::error!(peer = %entry.agency, notice = %row.notice, %error, "a notice or its record cannot be read: not queued again");
                Ok(true)
            }
            // Then the rejection stands, and the items behind it go on.
            Err(error @ (ExchangeError::Denied(_) | ExchangeError::Schema(_))) => {
                tracing::error!(peer = %entry.agency, notice = %row.notice, %error, "a notice cannot be queued again");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// An own notice; none if there is none of this number.
    async fn own_notice(&self, id: &NoticeId) -> Result<Option<NoticeRow>> {
        let key = keyspace::notice(id, &self.parts.agency);
        let Some(bytes) = self.parts.store.get(&key).await? else { return Ok(None) };
        NoticeRow::open(&bytes, &key, &self.parts.keys.data).map(Some)
    }

    /// Queues an own notice for more recipients. In a task of its own, like issuing.
    async fn notice_append(
        self: &Arc<Self>,
        policy: Arc<Authoriser>,
        notice: &NoticeRow,
        to: Vec<DirectoryEntry>,
    ) -> Result<Appended> {
        let content = notice.content.clone();
        let node = self.clone();
        let task = tokio::spawn(async move { node.notice_append_run(policy, content, to).await });
        task.await.map_err(|_| ExchangeError::Task { what: "queueing a backlog" })?
    }

    async fn notice_append_run(
        self: Arc<Self>,
        policy: Arc<Authoriser>,
        content: NoticeContent,
        to: Vec<DirectoryEntry>,
    ) -> Result<Appended> {
        let _issuing = self.issuing.lock().await;
        let _resting = self.resting.read().await;
        let read = async {
            let record = match self.record_find(&content.record).await {
                Ok((_, row, record)) if row.state.counts() => record,
                Ok(_) | Err(ExchangeError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let key = keyspace::notice(&content.id, &self.parts.agency);
            let bytes = self.parts.store.get(&key).await?;
            let missing = ExchangeError::NotFound { what: "the notice" };
            let row = NoticeRow::open(bytes.as_ref().ok_or(missing)?, &key, &self.parts.keys.data)?;
            Ok(Some((record, key, bytes, row)))
        };
        let (record, key, bytes, mut row) = match read.await {
            Ok(Some(read)) => read,
            Ok(None) => {
                tracing::warn!(notice = %content.id, "its record does not count any more: not queued for new members");
                return Ok(Appended::Queued(Staged::default()));
            }
            // Here only, where nothing was written: the same fault of a write says nothing of one row.
            Err(error) if error.is_of_one_row() => return Ok(Appended::Unreadable(error)),
            Err(error) => return Err(error),
        };
        if row.recipients.len().saturating_add(to.len()) > RECIPIENTS_LIMIT {
            tracing::error!(notice = %content.id, limit = RECIPIENTS_LIMIT, "a notice has no room for more recipients");
            return Ok(Appended::Queued(Staged::default()));
        }
        let outgoing = Arc::new(Outgoing { content, record, now: self.now(), policy });
        let mut staged = self.items_stage(&outgoing, &to).await?;
        if staged.places.is_empty() {
            return Ok(Appended::Queued(staged));
        }
        let content = &outgoing.content;
        let entry = EntryDraft::new(EntryKind::NoticeIssued)
            .subject(&content.subject)
            .policy(outgoing.policy.bundle().rules_version())
            .result(content.digest())
            .detail("notice", &content.id.to_string())
            .detail("version", &content.version.to_string())
            .detail("recipients", &staged.places.len().to_string())
            .detail("reason", "backlog of members that became entitled later");
        self.audit_append_each(None, entry, outgoing.record.fields().subjects()).await?;
        let _heads = self.heads.lock().await;
        let mut batch = Batch::new();
        self.heads_move(&mut batch, &mut staged).await?;
        for place in &staged.places {
            row.recipients.retain(|(agency, _)| *agency != place.agency);
            row.recipients.push((place.agency, place.place));
        }
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.expect(key.clone(), bytes);
        batch.put(key, sealed);
        let outcome = self.parts.store.commit(batch).await;
        staged.places.iter().for_each(|place| self.delivery_wake(&place.agency));
        outcome?;
        Ok(Appended::Queued(staged))
    }
}

/// Whether the recipient rejected an item that was sealed to another key than it has now.
fn sealed_in_vain(row: &OutboxRow, entry: &DirectoryEntry, receipt: Option<&ReceiptClaims>) -> Result<bool> {
    if row.sealed_to == entry.age_node_recipient {
        return Ok(false);
    }
    let rejected = |receipt: &ReceiptClaims| matches!(receipt.outcome, ReceiptOutcome::Rejected { .. });
    match (receipt, &row.receipt) {
        (Some(receipt), _) => Ok(rejected(receipt)),
        // Verified when it was kept.
        (None, Some(text)) => {
            Ok(rejected(&UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?.claims_unverified()?))
        }
        (None, None) => Ok(false),
    }
}

#[cfg(test)]
mod tests;
