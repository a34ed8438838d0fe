//! Delivery: every queued item reaches its recipient, in order, however long the recipient is away.
//!
//! When to try whom is decided by [`crate::schedule`]; what is owed is durable in the outbox.
//!
//! A recipient may lose its store and with it what it acknowledged. It says so when it is sent the next item. To find out
//! where nothing new is to be sent, the newest item of each stream is sent again from time to time, when the recipient is
//! heard of: the header of an item is a signed head of the stream, with its number and the hash chain up to it, and a
//! recipient that has it answers with the receipt it gave before. What is done where both ends disagree stands in
//! [`crate::divergence`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::delivery::ItemClaims;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::receipt::{RECEIPT_TYP, ReceiptClaims, ReceiptOutcome};
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_store::{Batch, KeyRange};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::outbox::{HeadPlaces, OutboxHead, OutboxRow};
use crate::row::Row;
use crate::schedule::AttemptOutcome;

/// How long one item may take to be answered, in milliseconds.
const DELIVERY_DEADLINE_MS: u64 = 30_000;
/// Items sent to one recipient in one run, before others get their turn.
const ITEMS_PER_RUN: usize = 64;

/// What one recipient did with one notice.
#[derive(Clone, Debug)]
pub struct RecipientState {
    /// The recipient.
    pub agency: AgencyCode,
    /// Place of the item in the outbox, from 1.
    pub place: u64,
    /// When it was queued.
    pub queued: UnixTime,
    /// Its receipt, verified when it came.
    pub receipt: Option<ReceiptClaims>,
}

/// What a recipient made of an item.
pub(crate) enum Reply {
    /// Its receipt, not verified.
    Receipt(String),
    /// It has the stream up to this number only.
    Gap { have: u64 },
    /// It has the stream up to this number and link, and in it another item than this one or the one before.
    Diverged { have: u64, link: Sha256 },
    /// It answered and did not take the item.
    NotTaken,
    /// Nobody answered.
    Unreachable,
}

/// Ends an attempt whatever becomes of it: one that panics or is dropped has failed, and is due again after its wait.
struct RunningAttempt<'a> {
    node: &'a Node,
    recipient: &'a AgencyCode,
    outcome: AttemptOutcome,
}

impl Drop for RunningAttempt<'_> {
    fn drop(&mut self) {
        let now = self.node.now();
        let random = u64::from_be_bytes(self.node.random_bytes());
        let mut schedule = self.node.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        schedule.finished(self.recipient, self.outcome, now, random);
    }
}

impl Node {
    pub(crate) fn delivery_wake(&self, recipient: &AgencyCode) {
        let now = self.now();
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).wake(*recipient, now);
    }

    /// Hears of a peer: what is owed to it is tried at once, and its stream is compared if that is due.
    pub fn delivery_contact(&self, peer: &AgencyCode) {
        let now = self.now();
        let compares = self.comparing.lock().unwrap_or_else(PoisonError::into_inner).contains(peer);
        let mut schedule = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        schedule.contact(peer, now);
        if compares {
            schedule.owe(*peer, now);
        }
    }

    /// Recipients whose attempt is due now; the caller runs [`Node::delivery_attempt`] for each.
    pub fn delivery_due(&self) -> Vec<AgencyCode> {
        let now = self.now();
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).due(now)
    }

    /// Recipients something is owed to.
    pub fn delivery_owed(&self) -> usize {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).owed()
    }

    /// Fills the schedule with every stream that has unacknowledged items, and has the others compared at the next contact
    /// with their recipients. At the start, and again from time to time: nothing that is owed depends on nobody having
    /// forgotten to say so.
    pub async fn delivery_load(&self) -> Result<()> {
        let mut range = KeyRange::prefix(&keyspace::outbox_heads());
        loop {
            let page = self.readable_page(&range, 1_000).await?;
            let Some(rest) = page.rest else { return Ok(()) };
            range = rest;
            if let Some(key) = &page.lost {
                tracing::error!(peer = %head_agency(key)?, "the head of a stream is lost");
            }
            for (key, bytes) in &page.rows {
                let agency = head_agency(key)?;
                // One stream that cannot be read holds back neither the others nor the start of the node.
                let head = match HeadPlaces::read(bytes) {
                    Ok(head) => head,
                    Err(error) => {
                        tracing::error!(peer = %agency, %error, "a stream's head cannot be read, going on without it");
                        continue;
                    }
                };
                if head.acknowledged < head.last {
                    let now = self.now();
                    self.delivery.lock().unwrap_or_else(PoisonError::into_inner).owe(agency, now);
                } else {
                    self.comparing.lock().unwrap_or_else(PoisonError::into_inner).insert(agency);
                }
            }
        }
    }

    /// Sends what is owed to one recipient, in order, until done, refused or out of reach; then reschedules.
    pub async fn delivery_attempt(self: &Arc<Self>, recipient: &AgencyCode) -> AttemptOutcome {
        let mut attempt = RunningAttempt { node: self, recipient, outcome: AttemptOutcome::Refused };
        match self.delivery_run(recipient).await {
            Ok(outcome) => attempt.outcome = outcome,
            Err(error) => {
                tracing::warn!(peer = %recipient, code = error.code().as_str(), %error, "delivery failed");
            }
        }
        attempt.outcome
    }

    async fn delivery_run(self: &Arc<Self>, recipient: &AgencyCode) -> Result<AttemptOutcome> {
        let directory = self.directory_current()?;
        let Some(entry) = directory.entry(recipient) else {
            // A former member gets nothing more; its items stay until it is admitted again or the notice ends.
            return Ok(AttemptOutcome::Refused);
        };
        for _ in 0..ITEMS_PER_RUN {
            let (_, head) = self.outbox_head(recipient).await?;
            if head.acknowledged >= head.last {
                return self.stream_compare(entry, head).await;
            }
            let place = head.acknowledged.saturating_add(1);
            let (bytes, row) = self.outbox_row(recipient, place).await?;
            let item = self.item_next(recipient, &head, &row)?;
            match self.delivery_send(entry, &item, &row).await? {
                Reply::Receipt(receipt) => {
                    let claims = self.receipt_verify(entry, &receipt, &item)?;
                    let owed = self.notice_requeue(entry, place, &row, &claims).await?;
                    self.receipt_commit(&item, place, (&claims, receipt), (bytes, row), owed).await?;
                }
                Reply::Gap { have } => {
                    self.stream_rewind(recipient, have).await?;
                    return Ok(AttemptOutcome::Refused);
                }
                Reply::Diverged { have, link } => return self.stream_renumber(entry, head, have, link).await,
                Reply::NotTaken => return Ok(AttemptOutcome::Refused),
                Reply::Unreachable => return Ok(AttemptOutcome::Unreachable),
            }
        }
        Ok(AttemptOutcome::MoreOwed)
    }

    /// Compares a stream of which everything is acknowledged with what the recipient has, if that is due.
    async fn stream_compare(&self, entry: &DirectoryEntry, head: OutboxHead) -> Result<AttemptOutcome> {
        let is_due = self.comparing.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.agency);
        if !is_due || head.last == 0 {
            return Ok(AttemptOutcome::NothingOwed);
        }
        let (_, row) = self.outbox_row(&entry.agency, head.last).await?;
        let item = row.item()?;
        match self.delivery_send(entry, &item, &row).await? {
            Reply::Receipt(receipt) => {
                self.receipt_verify(entry, &receipt, &item)?;
                Ok(AttemptOutcome::NothingOwed)
            }
            Reply::Gap { have } => {
                self.stream_rewind(&entry.agency, have).await?;
                Ok(AttemptOutcome::Refused)
            }
            Reply::Diverged { have, link } => self.stream_renumber(entry, head, have, link).await,
            // Nothing is owed as far as is known: it is due again when the streams are looked through again.
            Reply::NotTaken => Ok(AttemptOutcome::NothingOwed),
            Reply::Unreachable => {
                // Or when the recipient is heard of.
                self.comparing.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.agency);
                Ok(AttemptOutcome::NothingOwed)
            }
        }
    }

    /// Sends one item. Why it was not taken goes into the running log as a code only: the words are the peer's own, and it
    /// could repeat in them whom the item is about.
    ///
    /// A peer whose network refuses with the code of one that is down cannot be told from it.
    pub(crate) async fn delivery_send(
        &self,
        entry: &DirectoryEntry,
        item: &ItemClaims,
        row: &OutboxRow,
    ) -> Result<Reply> {
        let header = self.item_header(item)?;
        let message = wire::encode(&PeerRequest::Deliver { header, sealed: row.sealed.clone() })?;
        let called = self.parts.peers.call(entry, Bytes::from(message), DELIVERY_DEADLINE_MS).await;
        let (code, reply) = match called {
            Ok(reply) => match wire::decode(&reply)? {
                PeerResponse::Receipt(receipt) => return Ok(Reply::Receipt(receipt)),
                PeerResponse::Gap { have } => return Ok(Reply::Gap { have }),
                PeerResponse::Diverged { have, link } => return Ok(Reply::Diverged { have, link }),
                PeerResponse::Failed { code, reason } => {
                    self.clock_doubt(&entry.agency, code, &reason);
                    (code, Reply::NotTaken)
                }
                PeerResponse::Check { .. }
                | PeerResponse::Metadata(_)
                | PeerResponse::Versions { .. }
                | PeerResponse::Simulated(_)
                | PeerResponse::Noted => (ErrorCode::Integrity, Reply::NotTaken),
            },
            Err(fault) => match fault.code {
                ErrorCode::Unavailable | ErrorCode::Timeout => (fault.code, Reply::Unreachable),
                code => (code, Reply::NotTaken),
            },
        };
        tracing::warn!(peer = %entry.agency, code = code.as_str(), "an item was not taken");
        Ok(reply)
    }

    /// Keeps a receipt. The audit entry comes first: a receipt that was kept is a receipt that was logged. If the recipient
    /// is owed the notice still, the backlog looks at it from the same commit on.
    async fn receipt_commit(
        &self,
        item: &ItemClaims,
        place: u64,
        (claims, receipt): (&ReceiptClaims, String),
        (bytes, mut row): (Bytes, OutboxRow),
        owed: bool,
    ) -> Result<()> {
        let recipient = &item.aud;
        let mut batch = Batch::new();
        // After a rewind an item may come to a recipient that has it: its receipt was logged and kept before.
        if row.receipt.as_ref() != Some(&receipt) {
            let draft = EntryDraft::new(EntryKind::ReceiptReceived)
                .peer(*recipient, None)
                .policy(&claims.policy)
                .request(claims.item)
                .result(Sha256::of(receipt.as_bytes()))
                .detail("notice", &row.notice.to_string())
                .detail("sequence", &claims.sequence.to_string());
            self.audit_append(None, draft).await?;
            row.receipt = Some(receipt);
            row.header = self.item_header(item)?;
            let key = keyspace::outbox(recipient, place);
            batch.expect(key.clone(), Some(bytes));
            batch.put(key, row.encode()?);
        }
        let _issuing = match owed {
            true => {
                let issuing = self.issuing.lock().await;
                self.members_look_again(&mut batch, &[*recipient]).await?;
                Some(issuing)
            }
            false => None,
        };
        let _heads = self.heads.lock().await;
        // The head may have grown while the item was on its way; only what is acknowledged moves here.
        let (current, mut head) = self.outbox_head(recipient).await?;
        if head.acknowledged.checked_add(1) == Some(place) {
            (head.acknowledged, head.number, head.link) = (place, item.sequence, item.link());
        }
        let key = keyspace::outbox_head(recipient);
        batch.expect(key.clone(), current);
        batch.put(key, head.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// What every recipient of an own notice did.
    pub(crate) async fn recipients_of(&self, row: &NoticeRow) -> Result<Vec<RecipientState>> {
        let mut states = Vec::with_capacity(row.recipients.len());
        for (agency, place) in &row.recipients {
            let key = keyspace::outbox(agency, *place);
            let Some(bytes) = self.parts.store.get(&key).await? else { continue };
            let item = OutboxRow::read(&bytes)?;
            let receipt = match &item.receipt {
                // Verified when it was kept; the key may have been rotated since.
                Some(text) => Some(UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?.claims_unverified()?),
                None => None,
            };
            states.push(RecipientState { agency: *agency, place: *place, queued: item.queued, receipt });
        }
        Ok(states)
    }

    /// How many recipients of an own notice have sent a receipt, for a list: an item up to which its stream is acknowledged
    /// has one, and only one above that is read. `acknowledged` holds how far each stream is, and is filled on the way: a
    /// page of notices reads each head once. What cannot be read counts as no receipt.
    pub(crate) async fn receipts_count(
        &self,
        row: &NoticeRow,
        acknowledged: &mut BTreeMap<AgencyCode, u64>,
    ) -> Result<usize> {
        let mut receipts = 0_usize;
        for (agency, place) in &row.recipients {
            let through = match acknowledged.entry(*agency) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(self.acknowledged_through(agency).await?),
            };
            // A recipient that lost items is sent them again, and their receipts stay meanwhile.
            if *place <= through || self.item_has_receipt(agency, *place).await? {
                receipts = receipts.saturating_add(1);
            }
        }
        Ok(receipts)
    }

    async fn acknowledged_through(&self, recipient: &AgencyCode) -> Result<u64> {
        let head = self.readable_value(&keyspace::outbox_head(recipient)).await?;
        Ok(match head.as_deref().map(HeadPlaces::read) {
            Some(Ok(head)) => head.acknowledged,
            Some(Err(error)) => {
                tracing::error!(peer = %recipient, %error, "a stream's head cannot be read");
                0
            }
            None => 0,
        })
    }

    async fn item_has_receipt(&self, recipient: &AgencyCode, place: u64) -> Result<bool> {
        let item = self.readable_value(&keyspace::outbox(recipient, place)).await?;
        Ok(match item.as_deref().map(OutboxRow::read) {
            Some(Ok(item)) => item.receipt.is_some(),
            Some(Err(error)) => {
                tracing::error!(peer = %recipient, place, %error, "a queued item cannot be read");
                false
            }
            None => false,
        })
    }

    /// Signs a receipt for an item.
    pub(crate) fn receipt_sign(&self, item: &ItemClaims, outcome: ReceiptOutcome) -> Result<String> {
        let claims = ReceiptClaims {
            iss: self.parts.agency,
            aud: item.iss,
            iat: self.now(),
            sequence: item.sequence,
            item: item.link(),
            policy: self.policy_version(),
            outcome,
        };
        Ok(jws_sign(RECEIPT_TYP, &claims, &self.parts.keys.signing)?)
    }

    /// Verifies that a receipt is the recipient's, for exactly this item. By a key that was valid when it was signed: a
    /// recipient that has the item answers with the receipt it gave then, and may have rotated its key since. A former
    /// key that was stolen gains nothing here, since receipts come over the recipient's own connection only.
    pub(crate) fn receipt_verify(
        &self,
        entry: &DirectoryEntry,
        text: &str,
        item: &ItemClaims,
    ) -> Result<ReceiptClaims> {
        let integrity = |reason: &str| SchemaError::Integrity { form: "receipt", reason: reason.to_owned() };
        let unverified = UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?;
        let alleged: ReceiptClaims = unverified.claims_unverified()?;
        let claims = verify_from::<ReceiptClaims>(unverified, entry, alleged.iat)?.into_claims();
        if claims.iss != entry.agency || claims.aud != self.parts.agency {
            return Err(integrity("between other agencies").into());
        }
        if claims.sequence != item.sequence || claims.item != item.link() {
            return Err(integrity("for another item").into());
        }
        Ok(claims)
    }
}

/// The recipient that the key of a head is about.
fn head_agency(key: &[u8]) -> Result<AgencyCode> {
    key.get(1..)
        .and_then(|code| std::str::from_utf8(code).ok())
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| ExchangeError::Stored {
            what: "outbox head",
            reason: "its key is not an agency's".to_owned(),
        })
}
