//! Issuing sanction notices: a determined breach, listed measures, a legal basis — or a refusal — and one sealed item
//! for every member entitled to it.
//!
//! Commit point: one batch holds the notice, the own restriction and an outbox item per recipient. Before it nothing
//! exists; after it every recipient gets the notice, however long that takes. A crash in between leaves at most an
//! audit entry that announces a notice which does not exist; the operator sees the failure and issues it again.

use chengxin_policy::{AccessRequest, Action, Applicability, AskerContext, Decision, Permit, SanctionObject};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims, SealedNotice};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::jws::jws_sign;
use chengxin_schemas::notice::{NOTICE_TYP, NoticeClaims, NoticeContent, NoticeMeasure, NoticeState};
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::sd_jwt::VerifiedRecord;
use chengxin_schemas::seal::{SealRecipient, seal};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedRwLockReadGuard;

use crate::audit::{EntryDraft, EntryKind};
use crate::delivery::{OutboxHead, OutboxRow, RecipientState};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::presentation::present_to_peer;
use crate::restriction::{RestrictionMeasure, RestrictionRow};
use crate::row::Row;

/// Most recipients of one notice: what fits one atomic batch of the store beside the notice itself.
pub const RECIPIENTS_LIMIT: usize = 3_500;
/// Most notices in one page of a list.
pub const NOTICE_PAGE_LIMIT: usize = 1_000;

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
    /// Recipients of an own notice with their place in the stream.
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
    /// Whether it is applied here.
    pub applied: bool,
    /// Why not, if not.
    pub reason: Option<String>,
}

impl Node {
    /// Issues a notice on an own record and queues it for every entitled member.
    pub async fn notice_issue(&self, operation: &Operation, draft: NoticeDraft) -> Result<NoticeDetail> {
        operation.require(&[Role::Reviewer], "issue a notice")?;
        let directory = self.directory_current()?;
        let _guard = self.issuing.lock().await;
        // From here to the commit, the import that brought the record is not rolled back.
        let resting = self.resting.clone().read_owned().await;
        let (_, row, sd_jwt) = self.record_find(&draft.record).await?;
        if !row.state.counts() {
            return Err(ExchangeError::Conflict {
                what: "record",
                reason: format!("it is {}; a sanction needs a breach in force", row.state),
            });
        }
        let content = self.notice_content(&draft, &sd_jwt, operation.now())?;
        let recipients: Vec<_> = directory
            .entries()
            .filter(|entry| entry.agency != self.parts.agency && self.notice_entitled(entry, &content))
            .cloned()
            .collect();
        if recipients.len() > RECIPIENTS_LIMIT {
            return Err(ExchangeError::Conflict {
                what: "recipients",
                reason: format!(
                    "{} members are entitled, one notice reaches at most {RECIPIENTS_LIMIT}",
                    recipients.len()
                ),
            });
        }
        let entry = EntryDraft::new(EntryKind::NoticeIssued)
            .subject(&content.subject)
            .policy(&self.policy_version())
            .result(content.digest())
            .detail("notice", &content.id.to_string())
            .detail("version", &content.version.to_string())
            .detail("recipients", &recipients.len().to_string());
        self.audit_append(Some(operation), entry).await?;
        self.notice_commit(operation, &content, &sd_jwt, &recipients, resting).await?;
        let id = content.id;
        for recipient in &recipients {
            self.delivery_wake(&recipient.agency);
        }
        self.notice_detail(&id).await
    }

    /// Puts the content together and refuses what law does not allow.
    fn notice_content(
        &self,
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
        let authoriser = self.policy();
        let bundle = authoriser.bundle();
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

    /// Whether a member is entitled to a notice: it implements at least one of the measures.
    fn notice_entitled(&self, entry: &DirectoryEntry, content: &NoticeContent) -> bool {
        let authoriser = self.policy();
        let bundle = authoriser.bundle();
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

    /// What a recipient may see of the record: decided by the same policy as a query.
    fn notice_permit(&self, entry: &DirectoryEntry, content: &NoticeContent) -> Result<Permit> {
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
            subject_kind: content.subject.kind(),
            own_records: false,
            categories: vec![content.category],
            action: Action::ReceiveNotice,
        };
        match self.policy().authorize(&request) {
            Decision::Permit(permit) => Ok(permit),
            Decision::Denied(denied) => Err(denied.into()),
        }
    }

    async fn notice_commit(
        &self,
        operation: &Operation,
        content: &NoticeContent,
        sd_jwt: &VerifiedRecord,
        recipients: &[DirectoryEntry],
        resting: OwnedRwLockReadGuard<()>,
    ) -> Result<()> {
        let mut batch = Batch::new();
        let mut places = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let sequence =
                self.outbox_append(&mut batch, content, sd_jwt, recipient, operation.now()).await?;
            places.push((recipient.agency, sequence));
        }
        let row = NoticeRow {
            issuer: self.parts.agency,
            issued_here: true,
            at: operation.now(),
            by: Some(operation.account().clone()),
            content: content.clone(),
            jws: None,
            recipients: places,
        };
        let key = keyspace::notice(&content.id);
        batch.expect_absent(key.clone());
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key, sealed);
        let own = self.own_entry()?;
        let own_row = self.restriction_row(content, &self.parts.agency, &own.name, &own);
        self.restriction_put(&mut batch, &own_row)?;
        // In a task of its own, which ends even if the caller goes away: a batch that is queued is not taken back, and
        // a rollback must wait until it can be read.
        let store = self.parts.store.clone();
        let commit = tokio::spawn(async move {
            let outcome = store.commit(batch).await;
            drop(resting);
            outcome
        });
        commit.await.map_err(|_| ExchangeError::Task { what: "writing a notice" })??;
        Ok(())
    }

    /// Signs, seals and queues the notice for one recipient, as the next item of its stream.
    async fn outbox_append(
        &self,
        batch: &mut Batch,
        content: &NoticeContent,
        sd_jwt: &VerifiedRecord,
        recipient: &DirectoryEntry,
        now: UnixTime,
    ) -> Result<u64> {
        let permit = self.notice_permit(recipient, content)?;
        let state = chengxin_schemas::category::RecordState::Effective;
        let presented = present_to_peer(
            &permit,
            self.policy().bundle(),
            sd_jwt,
            content.record,
            state,
            Some(&content.subject),
        );
        let claims = NoticeClaims {
            iss: self.parts.agency,
            aud: recipient.agency,
            iat: now,
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
        let head_key = keyspace::outbox_head(&recipient.agency);
        let head_bytes = self.parts.store.get(&head_key).await?;
        let mut head = match &head_bytes {
            Some(bytes) => OutboxHead::decode(bytes)?,
            None => OutboxHead::default(),
        };
        let item = ItemClaims {
            iss: self.parts.agency,
            aud: recipient.agency,
            iat: now,
            sequence: head.last.checked_add(1).ok_or(ExchangeError::Conflict {
                what: "stream",
                reason: "its numbers are used up".to_owned(),
            })?,
            previous: head.link,
            sealed: Sha256::of(&sealed),
        };
        let outbox = OutboxRow {
            header: jws_sign(ITEM_TYP, &item, &self.parts.keys.signing)?,
            sealed,
            notice: content.id,
            version: content.version,
            queued: now,
            receipt: None,
        };
        head.last = item.sequence;
        head.link = item.link();
        batch.expect(head_key.clone(), head_bytes);
        batch.put(head_key, head.encode()?);
        batch.put(keyspace::outbox(&recipient.agency, item.sequence), outbox.encode()?);
        Ok(item.sequence)
    }

    /// What this node makes of a notice: measure by measure, applied if policy says that this body implements it.
    pub(crate) fn restriction_row(
        &self,
        content: &NoticeContent,
        issuer: &AgencyCode,
        issuer_name: &str,
        own: &DirectoryEntry,
    ) -> RestrictionRow {
        let authoriser = self.policy();
        let bundle = authoriser.bundle();
        let measures = content
            .measures
            .iter()
            .map(|measure| {
                let decision = bundle.measure_applies(
                    &measure.measure,
                    &own.functions,
                    SanctionObject::of(&content.subject),
                    content.severity,
                );
                let (applied, reason) = match decision {
                    Applicability::Applies => (true, None),
                    Applicability::NotApplicable(reason) => (false, Some(reason.chinese().to_owned())),
                    Applicability::Declined(reason) => (false, Some(reason.chinese().to_owned())),
                };
                RestrictionMeasure {
                    measure: measure.measure.clone(),
                    legal_basis: measure.legal_basis.clone(),
                    from: measure.from,
                    until: measure.until,
                    applied,
                    reason,
                }
            })
            .collect();
        RestrictionRow {
            subject: content.subject.clone(),
            issuer: *issuer,
            issuer_name: issuer_name.to_owned(),
            notice: content.id,
            version: content.version,
            state: content.state,
            record: content.record,
            severity: content.severity,
            measures,
        }
    }

    pub(crate) fn restriction_put(&self, batch: &mut Batch, row: &RestrictionRow) -> Result<()> {
        let key = keyspace::restriction(&self.subject_key(&row.subject), &row.notice);
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key, sealed);
        Ok(())
    }

    /// Lists notices issued here and received, newest first.
    pub async fn notice_list(&self, operation: &Operation, limit: usize) -> Result<Vec<NoticeSummary>> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list notices")?;
        self.audit_append(Some(operation), EntryDraft::new(EntryKind::RecordRead).detail("read", "notices"))
            .await?;
        let mut range = KeyRange::prefix(&keyspace::notices());
        let mut notices = Vec::new();
        loop {
            let page = self.parts.store.scan(range.clone(), 1_000).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.after(last);
            for (key, bytes) in &page {
                let row = NoticeRow::open(bytes, key, &self.parts.keys.data)?;
                notices.push(row);
            }
        }
        notices.sort_by(|one, two| two.at.cmp(&one.at).then(one.content.id.cmp(&two.content.id)));
        notices.truncate(limit.clamp(1, NOTICE_PAGE_LIMIT));
        let mut summaries = Vec::with_capacity(notices.len());
        for row in &notices {
            let states = self.recipients_of(row).await?;
            summaries.push(notice_summary(row, &states));
        }
        Ok(summaries)
    }

    /// Shows one notice with what every recipient did.
    pub async fn notice_show(&self, operation: &Operation, id: &NoticeId) -> Result<NoticeDetail> {
        operation.require(&[Role::Clerk, Role::Reviewer], "show notices")?;
        let detail = self.notice_detail(id).await?;
        let entry = EntryDraft::new(EntryKind::RecordRead)
            .subject(&detail.summary.content.subject)
            .detail("notice", &id.to_string());
        self.audit_append(Some(operation), entry).await?;
        Ok(detail)
    }

    async fn notice_detail(&self, id: &NoticeId) -> Result<NoticeDetail> {
        let key = keyspace::notice(id);
        let bytes =
            self.parts.store.get(&key).await?.ok_or(ExchangeError::NotFound { what: "the notice" })?;
        let row = NoticeRow::open(&bytes, &key, &self.parts.keys.data)?;
        let recipients = self.recipients_of(&row).await?;
        let own = self.restriction_of(&row.content.subject, id).await?;
        Ok(NoticeDetail {
            summary: notice_summary(&row, &recipients),
            recipients,
            own: own
                .into_iter()
                .flat_map(|row| row.measures)
                .map(|measure| OwnMeasure {
                    measure: measure.measure,
                    applied: measure.applied,
                    reason: measure.reason,
                })
                .collect(),
        })
    }

    pub(crate) async fn restriction_of(
        &self,
        subject: &SubjectId,
        notice: &NoticeId,
    ) -> Result<Option<RestrictionRow>> {
        let key = keyspace::restriction(&self.subject_key(subject), notice);
        match self.parts.store.get(&key).await? {
            Some(bytes) => Ok(Some(RestrictionRow::open(&bytes, &key, &self.parts.keys.data)?)),
            None => Ok(None),
        }
    }
}

fn notice_summary(row: &NoticeRow, recipients: &[RecipientState]) -> NoticeSummary {
    NoticeSummary {
        issuer: row.issuer,
        issued_here: row.issued_here,
        at: row.at,
        content: row.content.clone(),
        recipients: recipients.len(),
        receipts: recipients.iter().filter(|state| state.receipt.is_some()).count(),
    }
}
