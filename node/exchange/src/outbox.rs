//! Outgoing streams: signing, sealing and queueing a notice for its recipients.
//!
//! A notice to a whole province is more than one batch of the store takes, and sealing it takes seconds. So it is queued
//! in two steps. First every recipient's item is **staged**: written in the place after the head of the recipient's
//! outbox, in as many commits as it takes. An item beyond the head does not exist: nothing is delivered that the head does
//! not cover. Then one commit moves all the heads, together with the notice's row.
//!
//! An item has a **place** in the outbox, 1, 2, 3, …, which it keeps, and a **number** in the stream, which its header
//! states and which it gets when it is sent: the one after what the recipient has. The two differ once a recipient has
//! taken items that this outbox does not know, see [`crate::divergence`].
//!
//! Commit point: that one commit. Before it nothing was issued; a crash leaves at most one staged item per recipient,
//! sealed, which the next notice to that recipient overwrites. After it every recipient gets the notice, however long
//! that takes.

use std::sync::Arc;

use bytes::Bytes;
use chengxin_policy::{AccessRequest, Action, AskerContext, Authoriser, Decision, Permit};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::category::RecordState;
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims, SealedNotice, sealed_check};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::NoticeId;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::notice::{NOTICE_TYP, NoticeClaims, NoticeContent};
use chengxin_schemas::operator::Role;
use chengxin_schemas::sd_jwt::VerifiedRecord;
use chengxin_schemas::seal::{SealRecipient, seal};
use chengxin_schemas::time::UnixTime;
use chengxin_store::{Batch, limits};
use serde::{Deserialize, Serialize};

use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::presentation::present_to_peer;
use crate::row::Row;
use crate::row_v1::{OutboxHeadV1, OutboxRowV1};

/// Most recipients of one notice: so many heads fit the one commit that moves them, beside the notice and the own
/// restriction. More members than a province is designed for.
pub const RECIPIENTS_LIMIT: usize = 4_000;
/// Operations of that commit beside the heads, with room to spare.
const OPERATIONS_BESIDE_HEADS: usize = 64;
const _: () = assert!(2 * RECIPIENTS_LIMIT + OPERATIONS_BESIDE_HEADS <= limits::MAX_BATCH_OPERATIONS);
/// Most bytes of the rows in it: a head takes about 100 bytes, twice, and 20 bytes in the notice's list of recipients.
const BYTES_PER_RECIPIENT: usize = 256;
const _: () = assert!(BYTES_PER_RECIPIENT * RECIPIENTS_LIMIT <= limits::MAX_BATCH_BYTES / 2);
/// Items sealed in one go, on a thread of their own: about ten milliseconds of work.
const SEALED_AT_ONCE: usize = 32;
/// A commit of staged items is full at this size (4 MiB); one more item, at most 256 KiB, still fits.
const STAGED_BYTES: usize = 4 * 1024 * 1024;

/// One item as queued, stored form version 2. The payload is already sealed for its recipient.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRow {
    /// The header under which it was acknowledged last. Before that nothing reads it, and it is empty; earlier programs
    /// signed one when they queued the item.
    pub(crate) header: String,
    pub(crate) sealed: Vec<u8>,
    /// The age recipient of the recipient's node that it was sealed to; empty in rows of version 1.
    pub(crate) sealed_to: String,
    pub(crate) notice: NoticeId,
    pub(crate) version: u32,
    pub(crate) queued: UnixTime,
    /// The recipient's receipt, once it came.
    pub(crate) receipt: Option<String>,
}

impl Row for OutboxRow {
    const NAME: &'static str = "outbox item";
    const VERSION: u8 = 2;
}

impl OutboxRow {
    /// The item as it was acknowledged last.
    pub(crate) fn item(&self) -> Result<ItemClaims> {
        Ok(UnverifiedJws::parse(&self.header, ITEM_TYP, JWS_LIMIT)?.claims_unverified()?)
    }

    /// Decodes a row of this or the earlier version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        match bytes.first() {
            Some(&OutboxRowV1::VERSION) => Ok(OutboxRowV1::decode(bytes)?.into()),
            _ => Self::decode(bytes),
        }
    }
}

/// Head of an outgoing stream, stored form version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboxHead {
    /// Place of the newest item; 0 for none.
    pub(crate) last: u64,
    /// Highest place up to which every item has a receipt.
    pub(crate) acknowledged: u64,
    /// Number up to which the recipient has the stream; the item after `acknowledged` gets the next one.
    pub(crate) number: u64,
    /// Link of the item with that number.
    pub(crate) link: Sha256,
}

impl Default for OutboxHead {
    fn default() -> Self {
        Self { last: 0, acknowledged: 0, number: 0, link: Sha256([0; 32]) }
    }
}

impl Row for OutboxHead {
    const NAME: &'static str = "outbox head";
    const VERSION: u8 = 2;
}

/// Where a head says that its stream stands, without the link: that of a version 1 stands in an item.
pub(crate) struct HeadPlaces {
    pub(crate) last: u64,
    pub(crate) acknowledged: u64,
}

impl HeadPlaces {
    /// Decodes a head of this or the earlier version and reads nothing else.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.first() == Some(&OutboxHeadV1::VERSION) {
            let OutboxHeadV1 { last, acknowledged, .. } = OutboxHeadV1::decode(bytes)?;
            return Ok(Self { last, acknowledged });
        }
        let OutboxHead { last, acknowledged, .. } = OutboxHead::decode(bytes)?;
        Ok(Self { last, acknowledged })
    }
}

/// A notice on its way into the streams.
pub(crate) struct Outgoing {
    pub(crate) content: NoticeContent,
    pub(crate) record: VerifiedRecord,
    pub(crate) now: UnixTime,
    /// The policy by which the recipients were found. It also says what each of them sees of the record, so that another
    /// one that takes effect between two items denies nobody half of a notice.
    pub(crate) policy: Arc<Authoriser>,
}

/// Where an item was staged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) agency: AgencyCode,
    pub(crate) place: u64,
}

/// For whom a notice was staged, and for whom it was not.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    pub(crate) places: Vec<Place>,
    /// Members whose streams cannot be read. The backlog comes back to them, see [`crate::backlog`].
    pub(crate) left_out: Vec<AgencyCode>,
}

impl Node {
    /// Stages an item for every recipient whose stream can be read. The caller holds the issuing lock until it has moved the
    /// heads: only issuing makes streams longer.
    pub(crate) async fn items_stage(
        self: &Arc<Self>,
        outgoing: &Arc<Outgoing>,
        recipients: &[DirectoryEntry],
    ) -> Result<Staged> {
        let mut staged = Staged::default();
        let mut batch = Batch::new();
        for some in recipients.chunks(SEALED_AT_ONCE) {
            let mut targets = Vec::with_capacity(some.len());
            for recipient in some {
                let Some((_, head)) = self.readable_head(&recipient.agency).await? else {
                    staged.left_out.push(recipient.agency);
                    continue;
                };
                let place = head.last.checked_add(1).ok_or(ExchangeError::Conflict {
                    what: "stream",
                    reason: "its numbers are used up".to_owned(),
                })?;
                targets.push((recipient.clone(), place));
            }
            let (node, outgoing) = (self.clone(), outgoing.clone());
            let sealing = tokio::task::spawn_blocking(move || {
                let seal = |(recipient, place): &(DirectoryEntry, u64)| {
                    let row = node.item_seal(&outgoing, recipient)?;
                    Ok((Place { agency: recipient.agency, place: *place }, row))
                };
                targets.iter().map(seal).collect()
            });
            let items: Result<Vec<_>> =
                sealing.await.map_err(|_| ExchangeError::Task { what: "sealing a notice" })?;
            for (place, row) in items? {
                batch.put(keyspace::outbox(&place.agency, place.place), row.encode()?);
                staged.places.push(place);
                if batch.bytes() >= STAGED_BYTES {
                    self.parts.store.commit(std::mem::take(&mut batch)).await?;
                }
            }
        }
        if !batch.is_empty() {
            self.parts.store.commit(batch).await?;
        }
        Ok(staged)
    }

    /// Adds the heads that cover the staged items to `batch`; what cannot be read any more is left out as well. The caller
    /// holds the lock on heads until it has committed.
    pub(crate) async fn heads_move(&self, batch: &mut Batch, staged: &mut Staged) -> Result<()> {
        for place in std::mem::take(&mut staged.places) {
            let Some((bytes, mut head)) = self.readable_head(&place.agency).await? else {
                staged.left_out.push(place.agency);
                continue;
            };
            if head.last.checked_add(1) != Some(place.place) {
                return Err(ExchangeError::Conflict {
                    what: "stream",
                    reason: "it grew while an item was staged: try again".to_owned(),
                });
            }
            head.last = place.place;
            let key = keyspace::outbox_head(&place.agency);
            batch.expect(key.clone(), bytes);
            batch.put(key, head.encode()?);
            staged.places.push(place);
        }
        Ok(())
    }

    /// The head of a stream; none, and an alarm, if what is stored of this stream cannot be read. That holds back neither the
    /// others nor the notice.
    async fn readable_head(&self, recipient: &AgencyCode) -> Result<Option<(Option<Bytes>, OutboxHead)>> {
        match self.outbox_head(recipient).await {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.is_of_one_row() => {
                tracing::error!(peer = %recipient, %error, "a stream's head cannot be read, its notices wait");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn outbox_head(&self, recipient: &AgencyCode) -> Result<(Option<Bytes>, OutboxHead)> {
        let bytes = self.parts.store.get(&keyspace::outbox_head(recipient)).await?;
        let head = match &bytes {
            Some(bytes) => self.head_read(recipient, bytes).await?,
            None => OutboxHead::default(),
        };
        Ok((bytes, head))
    }

    /// Decodes a head of this or the earlier version.
    async fn head_read(&self, recipient: &AgencyCode, bytes: &[u8]) -> Result<OutboxHead> {
        if bytes.first() != Some(&OutboxHeadV1::VERSION) {
            return OutboxHead::decode(bytes);
        }
        let old = OutboxHeadV1::decode(bytes)?;
        let link = match old.acknowledged {
            0 => Sha256([0; 32]),
            acknowledged => self.outbox_row(recipient, acknowledged).await?.1.item()?.link(),
        };
        // Places were numbers.
        Ok(OutboxHead { last: old.last, acknowledged: old.acknowledged, number: old.acknowledged, link })
    }

    pub(crate) async fn outbox_row(&self, recipient: &AgencyCode, place: u64) -> Result<(Bytes, OutboxRow)> {
        let missing =
            || ExchangeError::Stored { what: "outbox item", reason: "a queued item is missing".to_owned() };
        let bytes = self.parts.store.get(&keyspace::outbox(recipient, place)).await?.ok_or_else(missing)?;
        let row = OutboxRow::read(&bytes)?;
        Ok((bytes, row))
    }

    /// Signs and seals the notice for one recipient.
    fn item_seal(&self, outgoing: &Outgoing, recipient: &DirectoryEntry) -> Result<OutboxRow> {
        let Outgoing { content, record, now, policy } = outgoing;
        let permit = Self::notice_permit(policy, recipient, content)?;
        let presented = present_to_peer(
            &permit,
            policy.bundle(),
            record,
            content.record,
            RecordState::Effective,
            Some(&content.subject),
        );
        let claims = NoticeClaims {
            iss: self.parts.agency,
            aud: recipient.agency,
            iat: *now,
            notice: content.clone(),
            content: content.digest(),
        };
        let inner = SealedNotice {
            notice: jws_sign(NOTICE_TYP, &claims, &self.parts.keys.signing)?,
            record: presented.presentation.text().to_owned(),
        };
        let plain = chengxin_schemas::wire::encode(&inner)?;
        let keys = [
            recipient.age_node_recipient.parse::<SealRecipient>()?,
            recipient.age_recovery_recipient.parse::<SealRecipient>()?,
        ];
        let sealed = seal(&plain, &keys)?;
        // No recipient would take it, and the stream would stand still before it.
        sealed_check(&sealed)?;
        Ok(OutboxRow {
            header: String::new(),
            sealed,
            sealed_to: recipient.age_node_recipient.clone(),
            notice: content.id,
            version: content.version,
            queued: *now,
            receipt: None,
        })
    }

    /// The item that comes after what the recipient has.
    pub(crate) fn item_next(
        &self,
        recipient: &AgencyCode,
        head: &OutboxHead,
        row: &OutboxRow,
    ) -> Result<ItemClaims> {
        Ok(ItemClaims {
            iss: self.parts.agency,
            aud: *recipient,
            iat: self.now(),
            sequence: head.number.checked_add(1).ok_or(ExchangeError::Conflict {
                what: "stream",
                reason: "its numbers are used up".to_owned(),
            })?,
            previous: head.link,
            sealed: Sha256::of(&row.sealed),
        })
    }

    /// The header of an item as it is sent: signed with the key in use. A recipient takes headers of keys that are valid
    /// at the time, and an item may have waited longer than a key lasts. Number and link do not depend on the signature.
    pub(crate) fn item_header(&self, item: &ItemClaims) -> Result<String> {
        let item = ItemClaims { iat: self.now(), ..item.clone() };
        Ok(jws_sign(ITEM_TYP, &item, &self.parts.keys.signing)?)
    }

    /// What a recipient may see of the record: decided by the same policy as a query.
    fn notice_permit(policy: &Authoriser, entry: &DirectoryEntry, content: &NoticeContent) -> Result<Permit> {
        let request = AccessRequest {
            asker: AskerContext {
                agency: entry.agency,
                functions: entry.functions.clone(),
                region: entry.region,
            },
            role: Role::Reviewer,
            purpose: "notice-basis".parse()?,
            case_reference: Some(content.id.to_string().parse()?),
            legal_basis: None,
            authorisation: None,
            second_person: None,
            subject_kind: content.subject.kind(),
            own_records: false,
            categories: vec![content.category],
            action: Action::ReceiveNotice,
        };
        match policy.authorize(&request) {
            Decision::Permit(permit) => Ok(permit),
            Decision::Denied(denied) => Err(denied.into()),
        }
    }
}

#[cfg(test)]
mod tests;
