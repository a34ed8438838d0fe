//! Receiving notices: verify, decide, log, keep, acknowledge. In that order.
//!
//! Commit point: one batch holds the stream position, the receipt, the notice and the restriction. A crash before it
//! leaves an audit entry and nothing else, and the issuer sends again; a crash after it loses only the answer, and the
//! next attempt gets the receipt that was kept.

use std::sync::PoisonError;

use chengxin_policy::Bundle;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims, SEALED_LIMIT, SealedNotice, sealed_check};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::UnverifiedJws;
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::notice::{NOTICE_TYP, NoticeClaims, NoticeContent, NoticeState};
use chengxin_schemas::receipt::{MeasureDecision, MeasureOutcome, ReceiptOutcome};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt};
use chengxin_schemas::seal::open;
use chengxin_schemas::wire::{self, PeerResponse};
use chengxin_store::Batch;
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::budget::Admission;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::recognition::{Recognition, recognition_kind, restriction_row};
use crate::restriction::RestrictionRow;
use crate::row::Row;

/// Longest compact JWS of an item header.
const HEADER_LIMIT: usize = 4 * 1024;
/// Longest compact JWS of a notice: 32 measures with their bases.
const NOTICE_LIMIT: usize = 128 * 1024;

/// Head of an incoming stream, stored form version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct InboxHead {
    /// Highest number received without gaps.
    last: u64,
    /// What the next item must chain to.
    link: Sha256,
}

impl Row for InboxHead {
    const NAME: &'static str = "inbox head";
    const VERSION: u8 = 1;
}

/// A receipt as given, stored form version 1, with the link of the item it was given for.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReceiptRow {
    item: Sha256,
    receipt: String,
}

impl Row for ReceiptRow {
    const NAME: &'static str = "receipt";
    const VERSION: u8 = 1;
}

/// What an opened item turned out to be.
enum Received {
    /// A notice this node can decide on.
    Notice { jws: String, content: Box<NoticeContent> },
    /// Signed and delivered in order, but unusable; kept as a rejection, so that the stream goes on.
    Unusable { reason: String },
}

impl Node {
    /// Takes one item of the stream from `from`. A duplicate gets the receipt it got before.
    pub(crate) async fn notice_receive(
        &self,
        from: &AgencyCode,
        header: &str,
        sealed: &[u8],
    ) -> Result<PeerResponse> {
        let directory = self.directory_current()?;
        let issuer =
            directory.entry(from).ok_or(ExchangeError::NotFound { what: "the issuing agency's entry" })?;
        let item = self.item_verify(issuer, header, sealed)?;
        let _guard = self.receiving.lock().await;
        let policy = self.policy();
        let head_key = keyspace::inbox_head(from);
        let head_bytes = self.parts.store.get(&head_key).await?;
        let head = match &head_bytes {
            Some(bytes) => InboxHead::decode(bytes)?,
            None => InboxHead { last: 0, link: Sha256([0; 32]) },
        };
        if item.sequence <= head.last {
            return match self.receipt_again(from, &item).await? {
                Ok(receipt) => Ok(PeerResponse::Receipt(receipt)),
                Err(error) => Ok(self.stream_diverged(from, &head, error).await),
            };
        }
        if head.last.checked_add(1) != Some(item.sequence) {
            return Ok(PeerResponse::Gap { have: head.last });
        }
        if let Err(error) = item.check_follows(head.last, head.link) {
            return Ok(self.stream_diverged(from, &head, error).await);
        }
        if let Some(busy) = self.intake_refuse(from, header.len().saturating_add(sealed.len())).await? {
            return Ok(busy);
        }

        let received = match self.item_open(issuer, sealed) {
            Ok((jws, content)) => Received::Notice { jws, content: Box::new(content) },
            Err(error) => Received::Unusable { reason: error.to_string() },
        };
        let mut batch = Batch::new();
        let (outcome, entry) = match received {
            Received::Notice { jws, content } => {
                self.notice_apply(policy.bundle(), issuer, jws, &content, &mut batch).await?
            }
            Received::Unusable { reason } => {
                tracing::warn!(peer = %from, reason, "an item was received that holds no usable notice");
                let entry = EntryDraft::new(EntryKind::NoticeReceived)
                    .failed(ErrorCode::Invalid)
                    .detail("reason", &reason);
                (ReceiptOutcome::Rejected { reason }, entry)
            }
        };
        let receipt = self.receipt_sign(&item, outcome)?;
        let entry = entry
            .peer(*from, None)
            .policy(policy.bundle().rules_version())
            .request(item.link())
            .result(Sha256::of(receipt.as_bytes()))
            .detail("sequence", &item.sequence.to_string());
        self.audit_append(None, entry).await?;
        let new_head = InboxHead { last: item.sequence, link: item.link() };
        batch.expect(head_key.clone(), head_bytes);
        batch.put(head_key, new_head.encode()?);
        let row = ReceiptRow { item: item.link(), receipt: receipt.clone() };
        batch.put(keyspace::receipt(from, item.sequence), row.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(PeerResponse::Receipt(receipt))
    }

    /// Counts an item that is to be kept against what its issuer may send in a day. Beyond it the issuer is told to come
    /// back later, which it does until the item is taken; the audit log has one entry of it a day.
    async fn intake_refuse(&self, from: &AgencyCode, length: usize) -> Result<Option<PeerResponse>> {
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        let admission = {
            let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
            intake.admit(from, bytes, self.now())
        };
        let Admission::Refused { first } = admission else { return Ok(None) };
        let reason =
            "more items or bytes today than this node takes from one member: go on tomorrow".to_owned();
        if first {
            tracing::error!(peer = %from, "a member sends more than one day's share of items");
            let entry = EntryDraft::new(EntryKind::AccessRefused)
                .failed(ErrorCode::Busy)
                .peer(*from, None)
                .policy(&self.policy_version())
                .detail("reason", &reason);
            self.audit_append(None, entry).await?;
        }
        Ok(Some(PeerResponse::Failed { code: ErrorCode::Busy, reason }))
    }

    /// Checks the header: from this issuer, to this node, for exactly these bytes.
    fn item_verify(&self, issuer: &DirectoryEntry, header: &str, sealed: &[u8]) -> Result<ItemClaims> {
        let integrity = |reason: &str| SchemaError::Integrity { form: "item", reason: reason.to_owned() };
        sealed_check(sealed)?;
        let unverified = UnverifiedJws::parse(header, ITEM_TYP, HEADER_LIMIT)?;
        // The key must be valid now; an issuer that rotated its key signs the headers of waiting items again. The
        // notice inside is judged by its own time: this header's digest covers it.
        let item = verify_from::<ItemClaims>(unverified, issuer, self.now())?.into_claims();
        if item.iss != issuer.agency || item.aud != self.parts.agency {
            return Err(integrity("between other agencies").into());
        }
        if item.sealed != Sha256::of(sealed) {
            return Err(integrity("the payload is not the one that was signed").into());
        }
        Ok(item)
    }

    /// The receipt of an item that was received before, or why it is not the one that was received.
    async fn receipt_again(
        &self,
        from: &AgencyCode,
        item: &ItemClaims,
    ) -> Result<std::result::Result<String, SchemaError>> {
        let bytes = self
            .parts
            .store
            .get(&keyspace::receipt(from, item.sequence))
            .await?
            .ok_or(ExchangeError::NotFound { what: "the receipt of a received item" })?;
        let row = ReceiptRow::decode(&bytes)?;
        if row.item != item.link() {
            return Ok(Err(SchemaError::Integrity {
                form: "item",
                reason: "another item was received under this number: the issuer's stream was rewritten"
                    .to_owned(),
            }));
        }
        Ok(Ok(row.receipt))
    }

    /// The issuer's stream is another one than before: somebody rewrote it, or the issuer was restored from a backup. What
    /// was received stays. The issuer is told where its stream stands here, so that what it has to say comes behind that,
    /// and the log is told of every such item, like of every other refusal.
    async fn stream_diverged(&self, from: &AgencyCode, head: &InboxHead, error: SchemaError) -> PeerResponse {
        tracing::error!(peer = %from, %error, "a stream of notices is not the one it was");
        self.refusal_log(from, &error.into()).await;
        PeerResponse::Diverged { have: head.last, link: head.link }
    }

    /// Opens the payload and verifies notice and record against each other.
    ///
    /// What cannot be opened is rejected like any other unusable item, even if it was sealed to a former key of this
    /// node: to wait for the key would hold back everything behind it, for ever if the key is gone. Nothing is lost by
    /// it. The issuer sees from the rejection and from the directory that the key has changed, and queues the notice
    /// again as a new item, sealed to the present key.
    fn item_open(&self, issuer: &DirectoryEntry, sealed: &[u8]) -> Result<(String, NoticeContent)> {
        let integrity = |reason: &str| SchemaError::Integrity { form: "notice", reason: reason.to_owned() };
        let plain = open(sealed, &self.parts.keys.seal, SEALED_LIMIT)?;
        let inner: SealedNotice = wire::decode(&plain)?;
        let unverified = UnverifiedJws::parse(&inner.notice, NOTICE_TYP, NOTICE_LIMIT)?;
        let alleged: NoticeClaims = unverified.claims_unverified()?;
        let claims = verify_from::<NoticeClaims>(unverified, issuer, alleged.iat)?.into_claims();
        if claims.iss != issuer.agency {
            return Err(integrity("issued by another agency than the one that sent it").into());
        }
        claims.check(&self.parts.agency, self.now())?;
        let unverified = SdJwt::parse(&inner.record, SD_JWT_LIMIT)?;
        let signed_at = unverified.claims_unverified().iat;
        let key = issuer.signing_key_at(unverified.key_id(), signed_at)?;
        let record = unverified.verify(key, self.now())?;
        let notice = &claims.notice;
        let matches = record.claims().iss == issuer.agency
            && record.claims().jti == notice.record
            && record.issuer_jwt_digest() == notice.record_digest
            && record.claims().category == notice.category
            && record.claims().severity == Some(notice.severity)
            && record.fields().is_about(&notice.subject);
        if !matches {
            return Err(integrity("the record beside it is not the determined breach it rests on").into());
        }
        Ok((inner.notice, claims.notice))
    }

    /// Decides on every measure and adds the result to `batch`. An older version than the one held changes nothing.
    async fn notice_apply(
        &self,
        bundle: &Bundle,
        issuer: &DirectoryEntry,
        jws: String,
        content: &NoticeContent,
        batch: &mut Batch,
    ) -> Result<(ReceiptOutcome, EntryDraft)> {
        let key = keyspace::notice(&content.id, &issuer.agency);
        let existing_bytes = self.parts.store.get(&key).await?;
        let entry = |kind| {
            EntryDraft::new(kind)
                .subject(&content.subject)
                .detail("notice", &content.id.to_string())
                .detail("version", &content.version.to_string())
        };
        if let Some(bytes) = &existing_bytes {
            let existing = NoticeRow::open(bytes, &key, &self.parts.keys.data)?.content;
            // The restriction is kept under the subject: a version about another would leave the first one's in force.
            if existing.subject != content.subject || existing.record != content.record {
                let reason =
                    "a version names another subject or record than the version before it".to_owned();
                let entry =
                    entry(EntryKind::NoticeReceived).failed(ErrorCode::Conflict).detail("reason", &reason);
                return Ok((ReceiptOutcome::Rejected { reason }, entry));
            }
            if existing.version >= content.version {
                let outcome = processed(content, |_| MeasureDecision::Superseded {});
                return Ok((outcome, entry(EntryKind::NoticeReceived)));
            }
        }
        let own = self.own_entry()?;
        let row = restriction_row(bundle, content, &issuer.agency, &issuer.name, &own);
        let outcome = processed(content, |index| measure_decision(content.state, &row, index));
        self.restriction_put(batch, &row)?;
        let notice = NoticeRow {
            issuer: issuer.agency,
            issued_here: false,
            at: self.now(),
            by: None,
            content: content.clone(),
            jws: Some(jws),
            recipients: Vec::new(),
        };
        batch.expect(key.clone(), existing_bytes);
        let sealed = notice.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key, sealed);
        Ok((outcome, entry(recognition_kind(&row))))
    }
}

fn processed(content: &NoticeContent, decide: impl Fn(usize) -> MeasureDecision) -> ReceiptOutcome {
    let measures = content
        .measures
        .iter()
        .enumerate()
        .map(|(index, measure)| MeasureOutcome { measure: measure.measure.clone(), decision: decide(index) })
        .collect();
    ReceiptOutcome::Processed { notice: content.id, version: content.version, measures }
}

fn measure_decision(state: NoticeState, row: &RestrictionRow, index: usize) -> MeasureDecision {
    let recognition = row.measures.get(index).map(|measure| measure.recognition.clone());
    match (state, recognition) {
        (NoticeState::Suspended | NoticeState::Repaired | NoticeState::Withdrawn, _) => {
            MeasureDecision::Lifted {}
        }
        (NoticeState::InForce, Some(Recognition::Applied)) => MeasureDecision::Applied {},
        (NoticeState::InForce, Some(Recognition::NotApplicable { reason })) => {
            MeasureDecision::NotApplicable { reason }
        }
        (NoticeState::InForce, Some(Recognition::Declined { reason })) => {
            MeasureDecision::Declined { reason }
        }
        // A restriction has the measures of its notice, one by one.
        (NoticeState::InForce, None) => MeasureDecision::NotApplicable { reason: String::new() },
    }
}

#[cfg(test)]
mod tests;
