//! Delivery: every queued item reaches its recipient, in order, however long the recipient is away.
//!
//! When to try whom is decided by [`crate::schedule`]; what is owed is durable in the outbox.
//!
//! A recipient may lose its store and with it what it acknowledged. It says so when it is sent the next item. To find out
//! where nothing new is to be sent, the newest item of each stream is sent again from time to time, when the recipient is
//! heard of: the header of an item is a signed head of the stream, with its number and the hash chain up to it, and a
//! recipient that has it answers with the receipt it gave before.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims};
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
use crate::budget::Admission;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::outbox::{OutboxHead, OutboxRow};
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
    /// Number in its stream.
    pub sequence: u64,
    /// When it was queued.
    pub queued: UnixTime,
    /// Its receipt, verified when it came.
    pub receipt: Option<ReceiptClaims>,
}

/// What a recipient made of an item.
enum Reply {
    /// Its receipt, not verified.
    Receipt(String),
    /// It has the stream up to this number only.
    Gap { have: u64 },
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
            let page = self.parts.store.scan(range.clone(), 1_000).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = range.after(last);
            for (key, bytes) in &page {
                let head = OutboxHead::decode(bytes)?;
                let agency = key
                    .get(1..)
                    .and_then(|code| std::str::from_utf8(code).ok())
                    .and_then(|code| code.parse().ok());
                let Some(agency) = agency else {
                    return Err(ExchangeError::Stored {
                        what: "outbox head",
                        reason: "its key is not an agency's".to_owned(),
                    });
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
            let sequence = head.acknowledged.saturating_add(1);
            let (bytes, row) = self.outbox_row(recipient, sequence).await?;
            match self.delivery_send(entry, &row).await? {
                Reply::Receipt(receipt) => {
                    let claims = receipt_verify(entry, &self.parts.agency, &receipt, sequence, &row)?;
                    self.notice_requeue(entry, sequence, &row, &claims).await?;
                    self.receipt_commit(entry, &claims, receipt, bytes, row).await?;
                }
                Reply::Gap { have } => {
                    self.delivery_rewind(recipient, have).await?;
                    return Ok(AttemptOutcome::Refused);
                }
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
        match self.delivery_send(entry, &row).await? {
            Reply::Receipt(receipt) => {
                receipt_verify(entry, &self.parts.agency, &receipt, head.last, &row)?;
                Ok(AttemptOutcome::NothingOwed)
            }
            Reply::Gap { have } => {
                self.delivery_rewind(&entry.agency, have).await?;
                Ok(AttemptOutcome::Refused)
            }
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
    async fn delivery_send(&self, entry: &DirectoryEntry, row: &OutboxRow) -> Result<Reply> {
        let header = self.header_current(row)?;
        let message = wire::encode(&PeerRequest::Deliver { header, sealed: row.sealed.clone() })?;
        let called = self.parts.peers.call(entry, Bytes::from(message), DELIVERY_DEADLINE_MS).await;
        let (code, reply) = match called {
            Ok(reply) => match wire::decode(&reply)? {
                PeerResponse::Receipt(receipt) => return Ok(Reply::Receipt(receipt)),
                PeerResponse::Gap { have } => return Ok(Reply::Gap { have }),
                PeerResponse::Failed { code, .. } => (code, Reply::NotTaken),
                PeerResponse::Check { .. } | PeerResponse::Metadata(_) | PeerResponse::Versions { .. } => {
                    (ErrorCode::Integrity, Reply::NotTaken)
                }
            },
            Err(fault) => match fault.code {
                ErrorCode::Unavailable | ErrorCode::Timeout => (fault.code, Reply::Unreachable),
                code => (code, Reply::NotTaken),
            },
        };
        tracing::warn!(peer = %entry.agency, code = code.as_str(), "an item was not taken");
        Ok(reply)
    }

    /// Keeps a receipt. The audit entry comes first: a receipt that was kept is a receipt that was logged.
    async fn receipt_commit(
        &self,
        entry: &DirectoryEntry,
        claims: &ReceiptClaims,
        receipt: String,
        bytes: Bytes,
        mut row: OutboxRow,
    ) -> Result<()> {
        let mut batch = Batch::new();
        // After a rewind an item may come to a recipient that has it: its receipt was logged and kept before.
        if row.receipt.as_ref() != Some(&receipt) {
            let draft = EntryDraft::new(EntryKind::ReceiptReceived)
                .peer(entry.agency, None)
                .policy(&claims.policy)
                .request(claims.item)
                .result(Sha256::of(receipt.as_bytes()))
                .detail("notice", &row.notice.to_string())
                .detail("sequence", &claims.sequence.to_string());
            self.audit_append(None, draft).await?;
            row.receipt = Some(receipt);
            let key = keyspace::outbox(&entry.agency, claims.sequence);
            batch.expect(key.clone(), Some(bytes));
            batch.put(key, row.encode()?);
        }
        let _heads = self.heads.lock().await;
        // The head may have grown while the item was on its way; only the acknowledged number moves here.
        let (current, mut head) = self.outbox_head(&entry.agency).await?;
        head.acknowledged = head.acknowledged.max(claims.sequence);
        let key = keyspace::outbox_head(&entry.agency);
        batch.expect(key.clone(), current);
        batch.put(key, head.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The recipient is behind what it acknowledged, so it lost its state (a restore from backup). Going back to what it
    /// has is safe: items are immutable and receiving is idempotent. It is also what a recipient would say to keep this
    /// node writing for ever, so it ends the attempt, is an alarm and an entry in the audit log, and is allowed a few
    /// times a day only.
    async fn delivery_rewind(&self, recipient: &AgencyCode, have: u64) -> Result<()> {
        let _heads = self.heads.lock().await;
        let (current, head) = self.outbox_head(recipient).await?;
        if have >= head.acknowledged {
            // It claims to have what was never acknowledged, or refuses the very next item: nothing to rewind to.
            return Err(SchemaError::Integrity {
                form: "stream",
                reason: "the recipient's position does not fit what was sent".to_owned(),
            }
            .into());
        }
        let admission = {
            let mut rewinds = self.rewinds.lock().unwrap_or_else(PoisonError::into_inner);
            rewinds.admit(recipient, 0, self.now())
        };
        if let Admission::Refused { .. } = admission {
            return Err(ExchangeError::Busy {
                what: "stream",
                reason: "the recipient says too often that it lost items: look into its node; what it lost is sent again tomorrow"
                    .to_owned(),
            });
        }
        tracing::error!(peer = %recipient, have, acknowledged = head.acknowledged, "the recipient lost items, sending them again");
        let entry = EntryDraft::new(EntryKind::ReceiptReceived)
            .failed(ErrorCode::Integrity)
            .peer(*recipient, None)
            .policy(&self.policy_version())
            .detail("reason", "the recipient lost items that it had acknowledged; they are sent again")
            .detail("acknowledged", &head.acknowledged.to_string())
            .detail("has", &have.to_string());
        self.audit_append(None, entry).await?;
        let key = keyspace::outbox_head(recipient);
        let mut batch = Batch::new();
        batch.expect(key.clone(), current);
        batch.put(key, OutboxHead { acknowledged: have, ..head }.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// What every recipient of an own notice did.
    pub(crate) async fn recipients_of(&self, row: &NoticeRow) -> Result<Vec<RecipientState>> {
        let mut states = Vec::with_capacity(row.recipients.len());
        for (agency, sequence) in &row.recipients {
            let key = keyspace::outbox(agency, *sequence);
            let Some(bytes) = self.parts.store.get(&key).await? else { continue };
            let item = OutboxRow::read(&bytes)?;
            let receipt = match &item.receipt {
                // Verified when it was kept; the key may have been rotated since.
                Some(text) => Some(UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?.claims_unverified()?),
                None => None,
            };
            states.push(RecipientState {
                agency: *agency,
                sequence: *sequence,
                queued: item.queued,
                receipt,
            });
        }
        Ok(states)
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
}

/// Verifies that a receipt is the recipient's, for exactly this item. By a key that was valid when it was signed: a
/// recipient that has the item answers with the receipt it gave then, and may have rotated its key since. A former key
/// that was stolen gains nothing here, since receipts come over the recipient's own connection only.
fn receipt_verify(
    entry: &DirectoryEntry,
    own: &AgencyCode,
    text: &str,
    sequence: u64,
    row: &OutboxRow,
) -> Result<ReceiptClaims> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "receipt", reason: reason.to_owned() };
    let unverified = UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?;
    let alleged: ReceiptClaims = unverified.claims_unverified()?;
    let claims = verify_from::<ReceiptClaims>(unverified, entry, alleged.iat)?.into_claims();
    let item: ItemClaims = UnverifiedJws::parse(&row.header, ITEM_TYP, JWS_LIMIT)?.claims_unverified()?;
    if claims.iss != entry.agency || claims.aud != *own {
        return Err(integrity("between other agencies").into());
    }
    if claims.sequence != sequence || claims.item != item.link() {
        return Err(integrity("for another item").into());
    }
    Ok(claims)
}
