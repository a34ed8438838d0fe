//! Issuing sanction notices: a determined breach, listed measures, a legal basis — or a refusal — and one sealed item
//! for every member entitled to it.
//!
//! Commit point: one batch holds the notice, the own restriction and the heads of all streams it goes into; the items
//! were staged before (see [`crate::outbox`]). Before it nothing exists; after it every recipient gets the notice, however
//! long that takes. A crash in between leaves at most an audit entry that announces a notice which does not exist; the
//! operator sees the failure and issues it again. From the audit entry on everything runs in a task of its own, which
//! also wakes delivery, so that it makes no difference whether the caller waits for the end.

use std::sync::Arc;

use chengxin_policy::{Applicability, Authoriser, Bundle, SanctionObject};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::notice::{NoticeContent, NoticeMeasure, NoticeState};
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::sd_jwt::VerifiedRecord;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use crate::audit::{EntryDraft, EntryKind};
use crate::backlog::notice_entitled;
use crate::delivery::RecipientState;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::outbox::Outgoing;
use crate::recognition::{Recognition, reconsidered_entry, restriction_decide, restriction_row};
use crate::restriction::RestrictionRow;
use crate::row::Row;

mod list;
mod preview;

pub use crate::outbox::RECIPIENTS_LIMIT;
pub use list::{NoticeFilter, NoticePage, NoticePlace};
pub use preview::{MeasurePreview, NoticePreview};

/// Most notices in one page of a list.
pub const NOTICE_PAGE_LIMIT: usize = 1_000;
/// Most issuers that are told apart, and named, when several use one number.
const NAMESAKES_SHOWN: usize = 8;

/// What the operator wants to issue.
#[derive(Clone, Debug)]
pub struct NoticeDraft {
    /// The own record of the breach.
    pub record: RecordId,
    /// The measures, at least one.
    pub measures: Vec<MeasureDraft>,
}

/// One measure of a draft.
#[derive(Clone, Debug)]
pub struct MeasureDraft {
    /// A measure from the policy's list.
    pub measure: MeasureCode,
    /// The law it rests on; absent: the one the list gives.
    pub legal_basis: Option<LegalBasis>,
    /// First day; absent: today.
    pub from: Option<Day>,
    /// Last day; absent: the end of the record's publicity.
    pub until: Option<PeriodEnd>,
}

/// A notice as stored, version 1, whether issued here or received. Encrypted: it names the subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NoticeRow {
    pub(crate) issuer: AgencyCode,
    pub(crate) issued_here: bool,
    pub(crate) at: UnixTime,
    pub(crate) by: Option<OperatorName>,
    pub(crate) content: NoticeContent,
    /// The compact JWS received; absent for own notices, which have one per recipient.
    pub(crate) jws: Option<String>,
    /// Recipients of an own notice, with the place of its item in the outbox.
    pub(crate) recipients: Vec<(AgencyCode, u64)>,
}

impl Row for NoticeRow {
    const NAME: &'static str = "notice";
    const VERSION: u8 = 1;
}

/// A notice in a list.
#[derive(Clone, Debug)]
pub struct NoticeSummary {
    /// Who issued it.
    pub issuer: AgencyCode,
    /// Whether this node did.
    pub issued_here: bool,
    /// When it was issued or received.
    pub at: UnixTime,
    /// What it says.
    pub content: NoticeContent,
    /// Recipients of an own notice, and how many have answered.
    pub recipients: usize,
    /// How many of them have sent a receipt.
    pub receipts: usize,
}

/// A notice with what became of it.
#[derive(Clone, Debug)]
pub struct NoticeDetail {
    /// What a list shows.
    pub summary: NoticeSummary,
    /// For an own notice: each recipient's state.
    pub recipients: Vec<RecipientState>,
    /// What this node itself decided on each measure.
    pub own: Vec<OwnMeasure>,
}

/// What this node decided on one measure.
#[derive(Clone, Debug)]
pub struct OwnMeasure {
    /// The measure.
    pub measure: MeasureCode,
    /// The decision.
    pub recognition: Recognition,
}

/// A notice that may be issued.
struct Prepared {
    policy: Arc<Authoriser>,
    record: VerifiedRecord,
    content: NoticeContent,
    recipients: Vec<DirectoryEntry>,
}

impl Node {
    /// Issues a notice on an own record and queues it for every entitled member.
    pub async fn notice_issue(
        self: &Arc<Self>,
        operation: &Operation,
        draft: NoticeDraft,
    ) -> Result<NoticeDetail> {
        operation.require(&[Role::Reviewer], "issue a notice")?;
        let issuing = self.issuing.clone().lock_owned().await;
        // From here to the commit, the import that brought the record is not rolled back.
        let resting = self.resting.clone().read_owned().await;
        // Under the lock: who is entitled by a newer directory or policy gets this notice from the backlog, see
        // `backlog_queue`; and a second one like it waits until this one can be found.
        let prepared = self.notice_prepare(operation, &draft).await?;
        let id = prepared.content.id;
        let Prepared { policy, record, content, recipients } = prepared;
        let outgoing = Outgoing { content, record, now: operation.now(), policy };
        self.notice_send(operation, outgoing, recipients, (issuing, resting)).await?;
        self.notice_detail(&id, &self.parts.agency).await
    }

    /// Puts a notice together and finds who gets it, or says why it cannot be issued.
    async fn notice_prepare(
        self: &Arc<Self>,
        operation: &Operation,
        draft: &NoticeDraft,
    ) -> Result<Prepared> {
        let directory = self.directory_current()?;
        let policy = self.policy();
        let (_, row, record) = self.record_find(&draft.record).await?;
        if !row.state.counts() {
            return Err(ExchangeError::Conflict {
                what: "record",
                reason: format!("it is {}; a sanction needs a breach in force", row.state),
            });
        }
        let content = self.notice_content(policy.bundle(), draft, &record, operation.now())?;
        self.notice_repeat_check(&content.subject, draft, operation.now()).await?;
        let recipients: Vec<_> = directory
            .entries()
            .filter(|entry| {
                entry.agency != self.parts.agency && notice_entitled(policy.bundle(), entry, &content)
            })
            .cloned()
            .collect();
        Ok(Prepared { policy, record, content, recipients })
    }

    /// Logs, stages and commits a notice, in a task that ends even if the caller goes away: a batch that is queued is not
    /// taken back, a rollback must wait until it can be read, and what is queued must be delivered.
    pub(crate) async fn notice_send(
        self: &Arc<Self>,
        operation: &Operation,
        outgoing: Outgoing,
        recipients: Vec<DirectoryEntry>,
        guards: (OwnedMutexGuard<()>, OwnedRwLockReadGuard<()>),
    ) -> Result<()> {
        if recipients.len() > RECIPIENTS_LIMIT {
            return Err(ExchangeError::Conflict {
                what: "recipients",
                reason: format!(
                    "{} members are entitled, one notice reaches at most {RECIPIENTS_LIMIT}",
                    recipients.len()
                ),
            });
        }
        let (node, operation) = (self.clone(), operation.clone());
        let task = tokio::spawn(async move {
            let outcome = node.notice_commit(&operation, Arc::new(outgoing), &recipients).await;
            drop(guards);
            outcome
        });
        task.await.map_err(|_| ExchangeError::Task { what: "writing a notice" })?
    }

    /// Puts the content together and refuses what law does not allow.
    fn notice_content(
        &self,
        bundle: &Bundle,
        draft: &NoticeDraft,
        sd_jwt: &VerifiedRecord,
        now: UnixTime,
    ) -> Result<NoticeContent> {
        let claims = sd_jwt.claims();
        let refuse = |what, reason: &str| ExchangeError::Conflict { what, reason: reason.to_owned() };
        let severity = claims.severity.ok_or_else(|| {
            refuse("record", "it is no determined breach; a sanction rests on one (国办发〔2020〕49号)")
        })?;
        let subject = sd_jwt.fields().subject().ok_or_else(|| {
            refuse("record", "its subject has no identifier; complete the record before sanctioning anyone")
        })?;
        let object = SanctionObject::of(&subject);
        let mut measures = Vec::with_capacity(draft.measures.len());
        for wanted in &draft.measures {
            let listed = bundle
                .measure(&wanted.measure)
                .ok_or(ExchangeError::NotFound { what: "the measure in the list of sanction measures" })?;
            if let Applicability::Declined(reason) =
                bundle.measure_applies(&wanted.measure, &[], object, severity)
            {
                return Err(refuse("measure", reason.english()));
            }
            let stated = listed.ground(object).and_then(|ground| ground.legal_basis.clone());
            let legal_basis = wanted.legal_basis.clone().or(stated).ok_or_else(|| {
                refuse("legal_basis", "the list gives none for this measure: name the law, regulation or central policy with --basis")
            })?;
            let until = wanted.until.or(claims.publicity_end).ok_or_else(|| {
                refuse("until", "the record has no publicity end to take over: name the last day")
            })?;
            measures.push(NoticeMeasure {
                measure: wanted.measure.clone(),
                legal_basis,
                from: wanted.from.unwrap_or(Day(now.shanghai_date())),
                until,
            });
        }
        let content = NoticeContent {
            id: self.notice_id(),
            version: 1,
            state: NoticeState::InForce,
            subject,
            subject_name: sd_jwt.fields().subject_name().unwrap_or_default().to_owned(),
            record: claims.jti,
            record_digest: sd_jwt.issuer_jwt_digest(),
            category: claims.category,
            severity,
            measures,
        };
        content.check()?;
        Ok(content)
    }

    async fn notice_commit(
        self: &Arc<Self>,
        operation: &Operation,
        outgoing: Arc<Outgoing>,
        recipients: &[DirectoryEntry],
    ) -> Result<()> {
        let content = &outgoing.content;
        let bundle = outgoing.policy.bundle();
        // Before the entry, which says for how many: what is staged does not exist yet.
        let mut staged = self.items_stage(&outgoing, recipients).await?;
        let entry = EntryDraft::new(EntryKind::NoticeIssued)
            .subject(&content.subject)
            .policy(bundle.rules_version())
            .result(content.digest())
            .detail("notice", &content.id.to_string())
            .detail("version", &content.version.to_string())
            .detail("recipients", &staged.places.len().to_string());
        self.audit_append_each(Some(operation), entry, outgoing.record.fields().subjects()).await?;
        let _receiving = self.receiving.lock().await;
        let own_row = self.own_restriction(&outgoing).await?;
        let _heads = self.heads.lock().await;
        let mut batch = Batch::new();
        self.heads_move(&mut batch, &mut staged).await?;
        self.members_look_again(&mut batch, &staged.left_out).await?;
        let row = NoticeRow {
            issuer: self.parts.agency,
            issued_here: true,
            at: operation.now(),
            by: Some(operation.account().clone()),
            content: content.clone(),
            jws: None,
            recipients: staged.places.iter().map(|place| (place.agency, place.place)).collect(),
        };
        let key = keyspace::notice(&content.id, &self.parts.agency);
        batch.expect_absent(key.clone());
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key, sealed);
        self.restriction_put(&mut batch, &own_row)?;
        let outcome = self.parts.store.commit(batch).await;
        // Whatever the outcome: one that is unknown may be a success, and a recipient that is owed nothing costs a look.
        staged.places.iter().for_each(|place| self.delivery_wake(&place.agency));
        outcome?;
        Ok(())
    }

    /// What an own notice does here: decided by the policy it is issued by, and once more if another is in force by then,
    /// since the pass over all restrictions may have gone by. The caller holds the lock on receiving until it has
    /// committed, so that a pass that begins later meets the row.
    async fn own_restriction(&self, outgoing: &Outgoing) -> Result<RestrictionRow> {
        let own = self.own_entry()?;
        let (content, issuer) = (&outgoing.content, &self.parts.agency);
        let mut row = restriction_row(outgoing.policy.bundle(), content, issuer, &own.name, &own);
        let in_force = self.policy();
        if restriction_decide(in_force.bundle(), &mut row, &own) {
            let entry = reconsidered_entry(&row, in_force.bundle().rules_version());
            self.audit_append(None, entry).await?;
        }
        Ok(row)
    }

    /// Shows one notice with what every recipient did. Without an issuer the own notice of this number is meant, else
    /// the only one; if several other agencies use the number, the caller must say whose.
    pub async fn notice_show(
        self: &Arc<Self>,
        operation: &Operation,
        id: &NoticeId,
        issuer: Option<&AgencyCode>,
    ) -> Result<NoticeDetail> {
        operation.require(&[Role::Clerk, Role::Reviewer], "show notices")?;
        let issuer = match issuer {
            Some(issuer) => *issuer,
            None => self.notice_issuer(id).await?,
        };
        let detail = self.notice_detail(id, &issuer).await?;
        let subject = self.subject_linked(&detail.summary.content.subject).await?;
        let entry = EntryDraft::new(EntryKind::RecordRead)
            .subject(&detail.summary.content.subject)
            .detail("notice", &id.to_string())
            .detail("issuer", issuer.as_str());
        self.audit_append_each(Some(operation), entry, subject.identifiers().cloned()).await?;
        Ok(detail)
    }

    /// Whose notice is meant by a number alone.
    async fn notice_issuer(&self, id: &NoticeId) -> Result<AgencyCode> {
        let own = keyspace::notice(id, &self.parts.agency);
        if self.parts.store.get(&own).await?.is_some() {
            return Ok(self.parts.agency);
        }
        let range = KeyRange::prefix(&keyspace::notices_of_id(id));
        let page = self.parts.store.scan(range, NAMESAKES_SHOWN).await?;
        let rows = page.iter().map(|(key, bytes)| NoticeRow::open(bytes, key, &self.parts.keys.data));
        let issuers = rows.map(|row| Ok(row?.issuer)).collect::<Result<Vec<_>>>()?;
        match issuers.as_slice() {
            [] => Err(ExchangeError::NotFound { what: "the notice" }),
            [issuer] => Ok(*issuer),
            several => {
                let named: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(ExchangeError::Conflict {
                    what: "notice",
                    reason: format!(
                        "several agencies use this number: name one as issuer ({})",
                        named.join(", ")
                    ),
                })
            }
        }
    }

    /// Opens a row of a notice or a restriction; one that cannot be read is an alarm with the notice's number, and none.
    pub(crate) fn row_or_alarm<R: Row>(&self, key: &[u8], bytes: &[u8]) -> Option<R> {
        match R::open(bytes, key, &self.parts.keys.data) {
            Ok(row) => Some(row),
            Err(error) => {
                let notice = keyspace::notice_of(key).map(|id| id.to_string());
                tracing::error!(notice, what = R::NAME, %error, "a stored row cannot be read, going on without it");
                None
            }
        }
    }

    async fn notice_detail(&self, id: &NoticeId, issuer: &AgencyCode) -> Result<NoticeDetail> {
        let key = keyspace::notice(id, issuer);
        let bytes =
            self.parts.store.get(&key).await?.ok_or(ExchangeError::NotFound { what: "the notice" })?;
        let row = NoticeRow::open(&bytes, &key, &self.parts.keys.data)?;
        let recipients = self.recipients_of(&row).await?;
        let receipts = recipients.iter().filter(|state| state.receipt.is_some()).count();
        let own = self.restriction_of(&row.content.subject, id, issuer).await?;
        Ok(NoticeDetail {
            summary: notice_summary(&row, recipients.len(), receipts),
            recipients,
            own: own
                .into_iter()
                .flat_map(|row| row.measures)
                .map(|measure| OwnMeasure { measure: measure.measure, recognition: measure.recognition })
                .collect(),
        })
    }

    async fn restriction_of(
        &self,
        subject: &SubjectId,
        notice: &NoticeId,
        issuer: &AgencyCode,
    ) -> Result<Option<RestrictionRow>> {
        let key = keyspace::restriction(&self.index_key(subject), notice, issuer);
        match self.parts.store.get(&key).await? {
            Some(bytes) => Ok(Some(RestrictionRow::open(&bytes, &key, &self.parts.keys.data)?)),
            None => Ok(None),
        }
    }
}

fn notice_summary(row: &NoticeRow, recipients: usize, receipts: usize) -> NoticeSummary {
    NoticeSummary {
        issuer: row.issuer,
        issued_here: row.issued_here,
        at: row.at,
        content: row.content.clone(),
        recipients,
        receipts,
    }
}

#[cfg(test)]
mod tests;
