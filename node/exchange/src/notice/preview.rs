//! What a notice would say, before it is issued: the issuer confirms measures, ends and bases, and not a number.

use std::sync::Arc;

use chengxin_policy::SanctionObject;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::{SubjectId, SubjectKey};
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_store::KeyRange;

use super::NoticeDraft;
use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::restriction::RestrictionRow;
use crate::row::Row as _;

/// Restrictions of one subject read at once.
const RESTRICTIONS_PAGE: usize = 256;

/// What a draft would become.
#[derive(Clone, Debug)]
pub struct NoticePreview {
    /// The record it rests on.
    pub record: RecordId,
    /// Whom it binds.
    pub subject: SubjectId,
    /// The subject's name.
    pub subject_name: String,
    /// The measures.
    pub measures: Vec<MeasurePreview>,
    /// Members entitled to it today.
    pub recipients: usize,
}

/// A measure as a notice would state it.
#[derive(Clone, Debug)]
pub struct MeasurePreview {
    /// The measure.
    pub measure: MeasureCode,
    /// The law it would rest on.
    pub legal_basis: LegalBasis,
    /// Whether the list's basis was read in its source; none for a basis that the issuer names, which nobody here read.
    pub basis_verified: Option<bool>,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
}

impl Node {
    /// Says what a draft would become, and refuses what [`Node::notice_issue`] would refuse. Shows who its subject is, so it
    /// is logged as reading the record.
    pub async fn notice_preview(
        self: &Arc<Self>,
        operation: &Operation,
        draft: NoticeDraft,
    ) -> Result<NoticePreview> {
        operation.require(&[Role::Reviewer], "issue a notice")?;
        let prepared = self.notice_prepare(operation, &draft).await?;
        let (content, policy) = (&prepared.content, &prepared.policy);
        let object = SanctionObject::of(&content.subject);
        let measures = content.measures.iter().zip(&draft.measures).map(|(measure, wanted)| {
            let ground = policy.bundle().measure(&measure.measure).and_then(|listed| listed.ground(object));
            MeasurePreview {
                measure: measure.measure.clone(),
                legal_basis: measure.legal_basis.clone(),
                basis_verified: match &wanted.legal_basis {
                    Some(_) => None,
                    None => Some(ground.is_some_and(|ground| ground.verified)),
                },
                from: measure.from,
                until: measure.until,
            }
        });
        let preview = NoticePreview {
            record: content.record,
            subject: content.subject.clone(),
            subject_name: content.subject_name.clone(),
            measures: measures.collect(),
            recipients: prepared.recipients.len(),
        };
        let entry = EntryDraft::new(EntryKind::RecordRead)
            .subject(&content.subject)
            .policy(policy.bundle().rules_version())
            .detail("record", &content.record.to_string());
        self.audit_append_each(Some(operation), entry, prepared.record.fields().subjects()).await?;
        Ok(preview)
    }

    /// Refuses a measure that a notice of this body already takes on the same record: whoever repeats a command whose
    /// answer was lost does not sanction twice. The caller holds the lock on issuing, so that no other notice is on its way.
    pub(super) async fn notice_repeat_check(
        &self,
        subject: &SubjectId,
        draft: &NoticeDraft,
        now: UnixTime,
    ) -> Result<()> {
        for place in self.restriction_places(std::iter::once(subject)) {
            self.repeat_check_at(&place, draft, now).await?;
        }
        Ok(())
    }

    async fn repeat_check_at(&self, place: &SubjectKey, draft: &NoticeDraft, now: UnixTime) -> Result<()> {
        let today = Day(now.shanghai_date());
        let mut range = KeyRange::prefix(&keyspace::restrictions_of_subject(place));
        loop {
            let page = self.parts.store.scan(range.clone(), RESTRICTIONS_PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            range = range.after(last);
            for (key, bytes) in &page {
                // Others' are passed over by their key: any member can have many about anybody.
                let is_own = keyspace::notice_of(key)
                    .is_some_and(|id| keyspace::restriction(place, &id, &self.parts.agency) == *key);
                if !is_own {
                    continue;
                }
                let row = RestrictionRow::open(bytes, key, &self.parts.keys.data)?;
                let is_over = matches!(row.state, NoticeState::Repaired | NoticeState::Withdrawn);
                if is_over || row.record != draft.record {
                    continue;
                }
                let wanted = |code: &MeasureCode| draft.measures.iter().any(|one| one.measure == *code);
                let held =
                    row.measures.iter().find(|held| wanted(&held.measure) && !held.until.is_over(today.0));
                if let Some(held) = held {
                    return Err(ExchangeError::Conflict {
                        what: "measure",
                        reason: format!(
                            "notice {} takes {} on the same record until {}; look at it with chengxin notice show",
                            row.notice, held.measure, held.until
                        ),
                    });
                }
            }
        }
    }
}
