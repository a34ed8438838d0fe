//! Delivery: every queued item reaches its recipient, in order, however long the recipient is away.
//!
//! The schedule is a pure state machine (time and randomness are arguments, actions are returned), so that it can be
//! simulated. What is owed is durable in the outbox; the schedule itself is memory and is rebuilt from the outbox when
//! the node starts.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::identity::NoticeId;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::receipt::{RECEIPT_TYP, ReceiptClaims, ReceiptOutcome};
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::row::Row;

/// First wait after a failed delivery, in seconds; doubles up to [`RETRY_LONGEST`].
pub const RETRY_SHORTEST: i64 = 1;
/// Longest wait between attempts, in seconds.
pub const RETRY_LONGEST: i64 = 900;
/// How long one item may take to be answered, in milliseconds.
const DELIVERY_DEADLINE_MS: u64 = 30_000;
/// Items sent to one recipient in one run, before others get their turn.
const ITEMS_PER_RUN: usize = 64;

/// One item of a stream as queued, stored form version 1. The payload is already sealed for its recipient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    pub(crate) header: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) notice: NoticeId,
    pub(crate) version: u32,
    pub(crate) queued: UnixTime,
    /// The recipient's receipt, once it came.
    pub(crate) receipt: Option<String>,
}

impl Row for OutboxRow {
    const NAME: &'static str = "outbox item";
    const VERSION: u8 = 1;
}

/// Head of an outgoing stream, stored form version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboxHead {
    /// Number of the newest item; 0 for none.
    pub(crate) last: u64,
    /// What the next item chains to.
    pub(crate) link: Sha256,
    /// Highest number up to which every item has a receipt.
    pub(crate) acknowledged: u64,
}

impl Default for OutboxHead {
    fn default() -> Self {
        Self { last: 0, link: Sha256([0; 32]), acknowledged: 0 }
    }
}

impl Row for OutboxHead {
    const NAME: &'static str = "outbox head";
    const VERSION: u8 = 1;
}

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

/// When to try which recipient again. Pure: time and randomness are arguments.
#[derive(Debug, Default)]
pub struct DeliverySchedule {
    open: BTreeMap<AgencyCode, Attempt>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    due: UnixTime,
    failures: u32,
    running: bool,
    /// Something was queued while the attempt ran, perhaps after it had looked.
    woken: bool,
}

impl DeliverySchedule {
    /// Something is owed to `recipient`: try now, unless an attempt is under way.
    pub fn wake(&mut self, recipient: AgencyCode, now: UnixTime) {
        let new = Attempt { due: now, failures: 0, running: false, woken: false };
        let attempt = self.open.entry(recipient).or_insert(new);
        attempt.due = attempt.due.min(now);
        attempt.failures = 0;
        attempt.woken = attempt.running;
    }

    /// The recipient was heard of: try now if anything is owed.
    pub fn contact(&mut self, recipient: &AgencyCode, now: UnixTime) {
        if let Some(attempt) = self.open.get_mut(recipient) {
            attempt.due = attempt.due.min(now);
            attempt.failures = 0;
        }
    }

    /// Takes every recipient that is due; each must come back through [`DeliverySchedule::finished`].
    pub fn due(&mut self, now: UnixTime) -> Vec<AgencyCode> {
        self.open
            .iter_mut()
            .filter(|(_, attempt)| !attempt.running && attempt.due <= now)
            .map(|(agency, attempt)| {
                attempt.running = true;
                attempt.woken = false;
                *agency
            })
            .collect()
    }

    /// The earliest time at which [`DeliverySchedule::due`] has something, if nothing happens before.
    pub fn next_due(&self) -> Option<UnixTime> {
        self.open.values().filter(|attempt| !attempt.running).map(|attempt| attempt.due).min()
    }

    /// An attempt ended. `random` spreads the retries of many issuers to one recipient (full jitter).
    pub fn finished(&mut self, recipient: &AgencyCode, outcome: AttemptOutcome, now: UnixTime, random: u64) {
        let Some(attempt) = self.open.get_mut(recipient) else { return };
        match outcome {
            AttemptOutcome::NothingOwed if !attempt.woken => {
                self.open.remove(recipient);
            }
            AttemptOutcome::NothingOwed | AttemptOutcome::MoreOwed => {
                *attempt = Attempt { due: now, failures: 0, running: false, woken: false };
            }
            AttemptOutcome::Failed => {
                let ceiling = RETRY_SHORTEST
                    .checked_shl(attempt.failures.min(20))
                    .unwrap_or(RETRY_LONGEST)
                    .clamp(RETRY_SHORTEST, RETRY_LONGEST);
                let wait = 1 + i64::try_from(random % ceiling.unsigned_abs()).unwrap_or(0);
                attempt.failures = attempt.failures.saturating_add(1);
                attempt.due = now.plus(wait);
                attempt.running = false;
            }
        }
    }

    /// Recipients something is owed to.
    pub fn owed(&self) -> usize {
        self.open.len()
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Every item has a receipt.
    NothingOwed,
    /// There are more items.
    MoreOwed,
    /// The recipient could not be reached or did not accept.
    Failed,
}

impl Node {
    pub(crate) fn delivery_wake(&self, recipient: &AgencyCode) {
        let now = self.now();
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).wake(*recipient, now);
    }

    /// Hears of a peer: what is owed to it is tried at once.
    pub fn delivery_contact(&self, peer: &AgencyCode) {
        let now = self.now();
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).contact(peer, now);
    }

    /// Recipients whose attempt is due now; the caller runs [`Node::delivery_attempt`] for each.
    pub fn delivery_due(&self) -> Vec<AgencyCode> {
        let now = self.now();
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).due(now)
    }

    /// When to look again.
    pub fn delivery_next(&self) -> Option<UnixTime> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).next_due()
    }

    /// Recipients something is owed to.
    pub fn delivery_owed(&self) -> usize {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).owed()
    }

    /// Fills the schedule with every stream that has unacknowledged items.
    pub(crate) async fn delivery_load(&self) -> Result<()> {
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
                match agency {
                    Some(agency) if head.acknowledged < head.last => self.delivery_wake(&agency),
                    Some(_) => {}
                    None => {
                        return Err(ExchangeError::Stored {
                            what: "outbox head",
                            reason: "its key is not an agency's".to_owned(),
                        });
                    }
                }
            }
        }
    }

    /// Sends what is owed to one recipient, in order, until done, refused or out of reach; then reschedules.
    pub async fn delivery_attempt(&self, recipient: &AgencyCode) -> AttemptOutcome {
        let outcome = match self.delivery_run(recipient).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(peer = %recipient, code = error.code().as_str(), %error, "delivery failed");
                AttemptOutcome::Failed
            }
        };
        let now = self.now();
        let random = u64::from_be_bytes(self.random_bytes());
        self.delivery
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finished(recipient, outcome, now, random);
        outcome
    }

    async fn delivery_run(&self, recipient: &AgencyCode) -> Result<AttemptOutcome> {
        let directory = self.directory_current()?;
        let Some(entry) = directory.entry(recipient) else {
            // A former member gets nothing more; its items stay until it is admitted again or the notice ends.
            return Ok(AttemptOutcome::Failed);
        };
        for _ in 0..ITEMS_PER_RUN {
            let head_key = keyspace::outbox_head(recipient);
            let Some(head_bytes) = self.parts.store.get(&head_key).await? else {
                return Ok(AttemptOutcome::NothingOwed);
            };
            let head = OutboxHead::decode(&head_bytes)?;
            if head.acknowledged >= head.last {
                return Ok(AttemptOutcome::NothingOwed);
            }
            let sequence = head.acknowledged.saturating_add(1);
            let key = keyspace::outbox(recipient, sequence);
            let bytes = self.parts.store.get(&key).await?.ok_or_else(|| ExchangeError::Stored {
                what: "outbox item",
                reason: "a queued item is missing".to_owned(),
            })?;
            let row = OutboxRow::decode(&bytes)?;
            match self.delivery_send(entry, &row).await? {
                PeerResponse::Receipt(receipt) => {
                    let claims =
                        receipt_verify(entry, &self.parts.agency, &receipt, sequence, &row, self.now())?;
                    self.receipt_commit(entry, &claims, receipt, (key, bytes), row, (head_key, head_bytes))
                        .await?;
                }
                PeerResponse::Gap { have } => {
                    // The recipient is behind what it acknowledged, so it lost its state (a restore from backup).
                    // Going back to what it has is safe: items are immutable and receiving is idempotent.
                    self.delivery_rewind(recipient, have, head, head_bytes).await?;
                }
                PeerResponse::Failed { code, reason } => {
                    tracing::warn!(peer = %recipient, code = code.as_str(), reason, "the recipient did not take an item");
                    return Ok(AttemptOutcome::Failed);
                }
                PeerResponse::Check { .. } | PeerResponse::Metadata(_) | PeerResponse::Versions { .. } => {
                    return Ok(AttemptOutcome::Failed);
                }
            }
        }
        Ok(AttemptOutcome::MoreOwed)
    }

    async fn delivery_send(&self, entry: &DirectoryEntry, row: &OutboxRow) -> Result<PeerResponse> {
        let message =
            wire::encode(&PeerRequest::Deliver { header: row.header.clone(), sealed: row.sealed.clone() })?;
        match self.parts.peers.call(entry, Bytes::from(message), DELIVERY_DEADLINE_MS).await {
            Ok(reply) => Ok(wire::decode(&reply)?),
            Err(fault) => Ok(PeerResponse::Failed { code: fault.code, reason: fault.reason }),
        }
    }

    /// Keeps a receipt. The audit entry comes first: a receipt that was kept is a receipt that was logged.
    async fn receipt_commit(
        &self,
        entry: &DirectoryEntry,
        claims: &ReceiptClaims,
        receipt: String,
        (key, bytes): (Vec<u8>, Bytes),
        mut row: OutboxRow,
        (head_key, head_bytes): (Vec<u8>, Bytes),
    ) -> Result<()> {
        let draft = EntryDraft::new(EntryKind::ReceiptReceived)
            .peer(entry.agency, None)
            .policy(&claims.policy)
            .request(claims.item)
            .result(Sha256::of(receipt.as_bytes()))
            .detail("notice", &row.notice.to_string())
            .detail("sequence", &claims.sequence.to_string());
        self.audit_append(None, draft).await?;
        row.receipt = Some(receipt);
        let _guard = self.issuing.lock().await;
        // The head may have grown while the item was on its way; only the acknowledged number moves here.
        let current = self.parts.store.get(&head_key).await?.unwrap_or(head_bytes);
        let mut head = OutboxHead::decode(&current)?;
        head.acknowledged = head.acknowledged.max(claims.sequence);
        let mut batch = Batch::new();
        batch.expect(key.clone(), Some(bytes));
        batch.put(key, row.encode()?);
        batch.expect(head_key.clone(), Some(current));
        batch.put(head_key, head.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    async fn delivery_rewind(
        &self,
        recipient: &AgencyCode,
        have: u64,
        head: OutboxHead,
        head_bytes: Bytes,
    ) -> Result<()> {
        if have >= head.acknowledged {
            // It claims to have what was never acknowledged, or refuses the very next item: nothing to rewind to.
            return Err(SchemaError::Integrity {
                form: "stream",
                reason: "the recipient's position does not fit what was sent".to_owned(),
            }
            .into());
        }
        tracing::warn!(peer = %recipient, have, acknowledged = head.acknowledged, "recipient lost items, sending them again");
        let key = keyspace::outbox_head(recipient);
        let mut batch = Batch::new();
        batch.expect(key.clone(), Some(head_bytes));
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
            let item = OutboxRow::decode(&bytes)?;
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

/// Verifies that a receipt is the recipient's, for exactly this item.
fn receipt_verify(
    entry: &DirectoryEntry,
    own: &AgencyCode,
    text: &str,
    sequence: u64,
    row: &OutboxRow,
    now: UnixTime,
) -> Result<ReceiptClaims> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "receipt", reason: reason.to_owned() };
    let unverified = UnverifiedJws::parse(text, RECEIPT_TYP, JWS_LIMIT)?;
    let claims = verify_from::<ReceiptClaims>(unverified, entry, now)?.into_claims();
    let item: ItemClaims = UnverifiedJws::parse(&row.header, ITEM_TYP, JWS_LIMIT)?.claims_unverified()?;
    if claims.iss != entry.agency || claims.aud != *own {
        return Err(integrity("between other agencies").into());
    }
    if claims.sequence != sequence || claims.item != item.link() {
        return Err(integrity("for another item").into());
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency() -> AgencyCode {
        "11152105011615449P".parse().expect("agency")
    }

    #[test]
    fn failures_wait_longer_up_to_the_cap_and_contact_ends_the_wait() {
        let mut schedule = DeliverySchedule::default();
        let mut now = UnixTime(0);
        schedule.wake(agency(), now);
        for failure in 0..40_u32 {
            assert_eq!(schedule.due(now), [agency()], "failure {failure}");
            assert!(schedule.due(now).is_empty(), "one attempt at a time");
            schedule.finished(&agency(), AttemptOutcome::Failed, now, u64::MAX);
            let due = schedule.next_due().expect("still owed");
            assert!((1..=RETRY_LONGEST).contains(&due.since(now)), "{}", due.since(now));
            now = due;
        }
        schedule.due(now);
        schedule.finished(&agency(), AttemptOutcome::Failed, now, RETRY_LONGEST.unsigned_abs() - 1);
        assert!(schedule.due(now.plus(1)).is_empty());
        schedule.contact(&agency(), now.plus(1));
        assert_eq!(schedule.due(now.plus(1)), [agency()]);
        schedule.finished(&agency(), AttemptOutcome::NothingOwed, now, 0);
        assert_eq!(schedule.owed(), 0);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn something_new_during_an_attempt_is_not_forgotten() {
        let mut schedule = DeliverySchedule::default();
        schedule.wake(agency(), UnixTime(0));
        schedule.due(UnixTime(0));
        schedule.wake(agency(), UnixTime(1));
        assert!(schedule.due(UnixTime(1)).is_empty());
        schedule.finished(&agency(), AttemptOutcome::NothingOwed, UnixTime(2), 0);
        assert_eq!(schedule.due(UnixTime(2)), [agency()], "woken while running: look again");
    }
}
