//! Streams on whose state both ends disagree, because one of them lost its store or was restored from a backup.
//!
//! A recipient that lost items says up to which number it has the stream, and sending goes back to there. A recipient
//! that has items which this outbox does not know, under numbers that this outbox gives to others, says where its stream
//! stands, and what waits is numbered behind that. Either is one commit of the stream's head: items stay in their places,
//! and get their numbers when they are sent.
//!
//! Nothing is lost by it, whatever the recipient says: what it was not seen to have is sent to it, and receipts stay until
//! there are newer ones. It is also what a recipient would say to keep this node writing and sending for ever, so each time
//! is an alarm and an entry in the audit log, and is allowed a few times a day only.
//!
//! What this does not solve: notices that were issued after the backup this node was restored from are in force at their
//! recipients and unknown here. That is noticed when the next item is sent, not before.

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_store::Batch;

use crate::audit::{EntryDraft, EntryKind};
use crate::budget::Admission;
use crate::delivery::Reply;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::outbox::OutboxHead;
use crate::row::Row;
use crate::schedule::AttemptOutcome;

/// Highest number that a recipient is believed to have. Whatever it says, as many numbers are left behind it, so that no
/// recipient can use up its stream, in which it would stand in the way of every notice it is entitled to.
const NUMBER_BELIEVED: u64 = 1 << 62;

impl Node {
    /// Goes back to what a recipient has that is behind what it acknowledged. Items are immutable and receiving is
    /// idempotent.
    pub(crate) async fn stream_rewind(&self, recipient: &AgencyCode, have: u64) -> Result<()> {
        let _heads = self.heads.lock().await;
        let (bytes, head) = self.outbox_head(recipient).await?;
        if have >= head.number {
            // It claims to have what was never acknowledged, or refuses the very next item: nothing to go back to.
            return Err(position_unfit());
        }
        self.divergence_admit(recipient)?;
        let (acknowledged, link) = self.place_of(recipient, head.acknowledged, have).await?;
        tracing::error!(peer = %recipient, have, acknowledged = head.number, "the recipient lost items, sending them again");
        // If this outbox never knew the item with that number, the link is another one's, and the recipient says so.
        let moved = OutboxHead { acknowledged, number: have, link, ..head };
        let reason = "the recipient lost items that it had acknowledged; they are sent again";
        self.head_replace(recipient, (bytes, head), moved, reason).await
    }

    /// Goes on behind what a recipient has, of which this outbox does not know the end: first finds out up to which item
    /// both have the same. Ends the attempt.
    pub(crate) async fn stream_renumber(
        &self,
        entry: &DirectoryEntry,
        head: OutboxHead,
        have: u64,
        link: Sha256,
    ) -> Result<AttemptOutcome> {
        if have < head.number || have > NUMBER_BELIEVED {
            return Err(position_unfit());
        }
        let recipient = &entry.agency;
        self.divergence_admit(recipient)?;
        let acknowledged = match self.place_in_common(entry, head.acknowledged).await? {
            Ok(place) => place,
            Err(outcome) => return Ok(outcome),
        };
        tracing::error!(
            peer = %recipient,
            have,
            acknowledged = head.number,
            "the recipient has items that are unknown here, as after a restore from an older backup: what waits is sent behind them"
        );
        let _heads = self.heads.lock().await;
        let (bytes, current) = self.outbox_head(recipient).await?;
        // Only the end may have moved while the recipient was asked.
        if (OutboxHead { last: head.last, ..current }) != head {
            return Err(position_unfit());
        }
        let moved = OutboxHead { last: current.last, acknowledged, number: have, link };
        let reason = "the recipient has items that are unknown here; what waits is sent behind them";
        self.head_replace(recipient, (bytes, current), moved, reason).await?;
        Ok(AttemptOutcome::Refused)
    }

    fn divergence_admit(&self, recipient: &AgencyCode) -> Result<()> {
        let mut rewinds = self.rewinds.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match rewinds.admit(recipient, 0, self.now()) {
            Admission::Admitted => Ok(()),
            Admission::Refused { .. } => Err(ExchangeError::Busy {
                what: "stream",
                reason: "the recipient says too often that it lost items: look into its node; what it lost is sent again tomorrow"
                    .to_owned(),
            }),
        }
    }

    /// The last place whose item was acknowledged under a number up to `have`, with its link. Numbers rise with places.
    async fn place_of(&self, recipient: &AgencyCode, acknowledged: u64, have: u64) -> Result<(u64, Sha256)> {
        let (mut low, mut link, mut high) = (0_u64, Sha256([0; 32]), acknowledged);
        while low < high {
            let middle = low.midpoint(high.saturating_add(1));
            let item = self.outbox_row(recipient, middle).await?.1.item()?;
            if item.sequence <= have {
                (low, link) = (middle, item.link());
            } else {
                high = middle.saturating_sub(1);
            }
        }
        Ok((low, link))
    }

    /// The last place up to which the recipient has what it acknowledged, as it says when it is sent items again; or how
    /// the attempt ends, if it does not say. Each link covers all items before, so what it has has no gaps. Mostly it has
    /// everything, so that is asked first.
    async fn place_in_common(
        &self,
        entry: &DirectoryEntry,
        acknowledged: u64,
    ) -> Result<std::result::Result<u64, AttemptOutcome>> {
        let (mut low, mut high, mut asked) = (0_u64, acknowledged, acknowledged);
        while low < high {
            let (_, row) = self.outbox_row(&entry.agency, asked).await?;
            let item = row.item()?;
            match self.delivery_send(entry, &item, &row).await? {
                Reply::Receipt(receipt) => {
                    self.receipt_verify(entry, &receipt, &item)?;
                    low = asked;
                }
                Reply::Diverged { .. } => high = asked.saturating_sub(1),
                Reply::Gap { .. } => return Err(position_unfit()),
                Reply::NotTaken => return Ok(Err(AttemptOutcome::Refused)),
                Reply::Unreachable => return Ok(Err(AttemptOutcome::Unreachable)),
            }
            asked = low.midpoint(high.saturating_add(1));
        }
        Ok(Ok(low))
    }

    /// Moves a head, after an entry in the audit log that says why. The caller holds the lock on heads.
    async fn head_replace(
        &self,
        recipient: &AgencyCode,
        (bytes, from): (Option<Bytes>, OutboxHead),
        to: OutboxHead,
        reason: &str,
    ) -> Result<()> {
        let entry = EntryDraft::new(EntryKind::ReceiptReceived)
            .failed(ErrorCode::Integrity)
            .peer(*recipient, None)
            .policy(&self.policy_version())
            .detail("reason", reason)
            .detail("acknowledged", &from.number.to_string())
            .detail("has", &to.number.to_string());
        self.audit_append(None, entry).await?;
        let key = keyspace::outbox_head(recipient);
        let mut batch = Batch::new();
        batch.expect(key.clone(), bytes);
        batch.put(key, to.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }
}

/// What a recipient says cannot be, or not any more.
fn position_unfit() -> ExchangeError {
    let reason = "the recipient's position does not fit what was sent".to_owned();
    SchemaError::Integrity { form: "stream", reason }.into()
}
