//! Recognition: what this body makes of each measure of a notice, by its own policy and its own functions.
//!
//! A decision is made when a notice arrives and kept, with the code of its reason; words are put to a code where it is
//! shown. When another policy comes into force, or the directory gives this body other functions, the restrictions in force
//! are decided again. What this does not do: the issuer is not told; its receipt says what was decided on arrival.
//!
//! Commit point of deciding again: each page is one batch. One row says what all decisions rest on. Before the first page
//! it is put to nothing, since from there on some may rest on one policy and some on another, and after the last page to the
//! policy and functions of the pass. A crash in between leads to another pass at the next start, whatever is in force by
//! then. A restriction that cannot be read holds back neither the others nor the start of the node, but leaves that row at
//! nothing; what is read of its subject fails.

use std::sync::PoisonError;

use chengxin_policy::{Applicability, Bundle, DeclineReason, NotApplicableReason, SanctionObject};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::notice::{NoticeContent, NoticeState};
use chengxin_schemas::subject::SubjectId;
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::Result;
use crate::keyspace;
use crate::node::Node;
use crate::notice::NoticeRow;
use crate::restriction::{RestrictionMeasure, RestrictionRow};
use crate::row::Row;
use crate::row_v1::RestrictionRowV1;
use crate::row_v2::RestrictionRowV2;

/// Rows looked at, and at most changed, in one commit: each has at most 32 measures with bases of 500 characters, about
/// 50 KiB, and counts twice in a batch, as expected and as new value.
const RESTRICTIONS_AT_ONCE: usize = 100;
/// Notices looked at, and at most changed, in one commit: content and signed text of at most 200 KiB and the places of
/// some thousand recipients, which count twice as well.
const NOTICES_AT_ONCE: usize = 16;

/// What this body decided on one measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recognition {
    /// It carries the measure out.
    Applied,
    /// The measure is lawful, but not this body's to carry out.
    NotApplicable {
        /// Code of the reason, as policy gives it.
        reason: String,
    },
    /// The measure is not lawful as sent.
    Declined {
        /// Code of the reason, as policy gives it.
        reason: String,
    },
}

impl Recognition {
    /// Whether this body carries the measure out.
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }

    /// The code of the reason why not, if it does not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Applied => None,
            Self::NotApplicable { reason } | Self::Declined { reason } => Some(reason),
        }
    }

    /// The decision that version 1 of a row kept as a flag and the Chinese text of a reason.
    pub(crate) fn from_v1(applied: bool, text: Option<&str>) -> Self {
        let declined = DeclineReason::ALL.iter().find(|reason| Some(reason.chinese()) == text);
        match (applied, declined) {
            (true, _) => Self::Applied,
            (false, Some(reason)) => Applicability::Declined(*reason).into(),
            (false, None) => Applicability::NotApplicable(NotApplicableReason::Function).into(),
        }
    }
}

impl From<Applicability> for Recognition {
    fn from(applicability: Applicability) -> Self {
        match applicability {
            Applicability::Applies => Self::Applied,
            Applicability::NotApplicable(reason) => {
                Self::NotApplicable { reason: reason.as_str().to_owned() }
            }
            Applicability::Declined(reason) => Self::Declined { reason: reason.as_str().to_owned() },
        }
    }
}

/// The words for the code of a reason, Chinese and English; none for a code that this program does not know, as a newer
/// member may send.
pub fn reason_words(code: &str) -> Option<(&'static str, &'static str)> {
    let not_applicable = NotApplicableReason::ALL.iter().find(|reason| reason.as_str() == code);
    let declined = DeclineReason::ALL.iter().find(|reason| reason.as_str() == code);
    not_applicable
        .map(|reason| (reason.chinese(), reason.english()))
        .or(declined.map(|reason| (reason.chinese(), reason.english())))
}

/// What the decisions in the store were made by, stored form version 2: the same as version 1, beside which rows of earlier
/// forms can stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecognitionBasis {
    policy: String,
    /// The own functions; absent if the directory did not list this body.
    functions: Option<Vec<FunctionCode>>,
}

impl RecognitionBasis {
    /// Stands for a pass that has not reached its end: no policy has an empty version.
    fn unfinished() -> Self {
        Self { policy: String::new(), functions: None }
    }

    /// None for one that a former version wrote: it says nothing about the forms of the rows.
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        match bytes.first() {
            Some(1) => Ok(None),
            _ => Self::decode(bytes).map(Some),
        }
    }
}

impl Row for RecognitionBasis {
    const NAME: &'static str = "recognition basis";
    const VERSION: u8 = 2;
}

/// What became of deciding again.
#[derive(Clone, Copy, Debug, Default)]
struct Reconsidered {
    /// Restrictions on which the decision changed.
    changed: usize,
    /// Those that cannot be read.
    unreadable: usize,
}

impl Node {
    /// Adds the row to `batch` at its place, and returns the place.
    pub(crate) fn restriction_put(&self, batch: &mut Batch, row: &RestrictionRow) -> Result<Vec<u8>> {
        let key = self.restriction_key(row);
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        batch.put(key.clone(), sealed);
        Ok(key)
    }

    fn restriction_key(&self, row: &RestrictionRow) -> Vec<u8> {
        keyspace::restriction(&self.index_key(&row.subject), &row.notice, &row.issuer)
    }

    /// Decides again what was decided by another policy version or other functions, and brings rows of earlier forms
    /// into the present one. Runs before anything is answered.
    pub(crate) async fn recognition_refresh(&self) -> Result<()> {
        let own = self.directory()?.entry(&self.parts.agency).cloned();
        let policy = self.policy();
        let basis = RecognitionBasis {
            // Which measures a body executes is the federation's to say, whatever overlay is above its bundle.
            policy: policy.bundle().base().rules_version().to_owned(),
            functions: own.as_ref().map(|own| own.functions.clone()),
        };
        let held = match self.parts.store.get(&keyspace::recognition_basis()).await? {
            Some(bytes) => RecognitionBasis::read(&bytes)?,
            None => None,
        };
        let is_passed_over = {
            let passed_over = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
            passed_over.as_ref() == Some(&basis)
        };
        if held.as_ref() == Some(&basis) || is_passed_over {
            return Ok(());
        }
        // From here on the decisions are not by what an earlier pass was by, whether or not it had to pass any over.
        self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut unreadable = 0_usize;
        match held {
            // Only a home that knows no basis, or one of a former version, can hold rows of an earlier form. None equals no
            // basis either, and stays until no row is of an earlier form.
            None => unreadable = self.notices_rekey().await?,
            Some(_) => self.basis_put(&RecognitionBasis::unfinished()).await?,
        }
        let pass = self.restrictions_reconsider(policy.bundle(), own.as_ref()).await?;
        if pass.changed > 0 {
            tracing::info!(changed = pass.changed, policy = basis.policy, "restrictions were decided again");
        }
        // What cannot be read is looked at again at the next start: it may be this node's key that is not the right one. Until
        // then it is not read again and again for the same policy and functions.
        if unreadable > 0 || pass.unreadable > 0 {
            self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).replace(basis);
            return Ok(());
        }
        self.basis_put(&basis).await
    }

    async fn basis_put(&self, basis: &RecognitionBasis) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(keyspace::recognition_basis(), basis.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// Adds the issuer to the keys of notices that lack it. Gives the number of those that cannot be read.
    async fn notices_rekey(&self) -> Result<usize> {
        let mut unreadable = 0_usize;
        let mut range = KeyRange::prefix(&keyspace::notices());
        loop {
            let page = self.readable_page(&range, NOTICES_AT_ONCE).await?;
            unreadable = unreadable.saturating_add(page.unreadable());
            let Some(rest) = page.rest else { return Ok(unreadable) };
            range = rest;
            let mut batch = Batch::new();
            for (key, bytes) in page.rows.iter().filter(|(key, _)| keyspace::notice_lacks_issuer(key)) {
                let Some(row) = self.row_or_alarm::<NoticeRow>(key, bytes) else {
                    unreadable = unreadable.saturating_add(1);
                    continue;
                };
                let moved = keyspace::notice(&row.content.id, &row.issuer);
                let sealed = row.seal(&moved, &self.parts.keys.data, self.row_nonce())?;
                batch.put(moved, sealed);
                batch.delete(key.clone());
            }
            if !batch.is_empty() {
                self.parts.store.commit(batch).await?;
            }
        }
    }

    async fn restrictions_reconsider(
        &self,
        bundle: &Bundle,
        own: Option<&DirectoryEntry>,
    ) -> Result<Reconsidered> {
        let mut pass = Reconsidered::default();
        let mut range = KeyRange::prefix(&keyspace::restrictions());
        loop {
            let page = self.readable_page(&range, RESTRICTIONS_AT_ONCE).await?;
            pass.unreadable = pass.unreadable.saturating_add(page.unreadable());
            let Some(rest) = page.rest else { return Ok(pass) };
            range = rest;
            let mut batch = Batch::new();
            let mut entries = Vec::new();
            for (key, bytes) in &page.rows {
                let row = match bytes.first() {
                    Some(&RestrictionRowV1::VERSION) => {
                        self.row_or_alarm::<RestrictionRowV1>(key, bytes).map(Into::into)
                    }
                    Some(&RestrictionRowV2::VERSION) => {
                        self.row_or_alarm::<RestrictionRowV2>(key, bytes).map(|row| row.0)
                    }
                    Some(_) | None => self.row_or_alarm::<RestrictionRow>(key, bytes),
                };
                let is_current = bytes.first() == Some(&RestrictionRow::VERSION);
                let Some(mut row) = row else {
                    pass.unreadable = pass.unreadable.saturating_add(1);
                    continue;
                };
                let is_changed = own.is_some_and(|own| restriction_decide(bundle, &mut row, own));
                if is_changed {
                    entries.push(reconsidered_entry(&row, bundle.rules_version()));
                }
                if is_current && !is_changed {
                    continue;
                }
                batch.expect(key.clone(), Some(bytes.clone()));
                let place = self.restriction_key(&row);
                if place == key[..] {
                    self.restriction_put(&mut batch, &row)?;
                    continue;
                }
                // A row that could not be read when the others moved: a later version may have come to the place meanwhile.
                batch.delete(key.clone());
                let held = self.parts.store.get(&place).await?;
                let later = match &held {
                    Some(held) => {
                        RestrictionRow::open(held, &place, &self.parts.keys.data)?.version >= row.version
                    }
                    None => false,
                };
                if !later {
                    batch.expect(place, held);
                    self.restriction_put(&mut batch, &row)?;
                }
            }
            pass.changed = pass.changed.saturating_add(entries.len());
            // Together: the log makes many entries durable with one sync.
            let appends = entries.into_iter().map(|entry| self.audit_append(None, entry));
            futures::future::try_join_all(appends).await?;
            if !batch.is_empty() {
                self.parts.store.commit(batch).await?;
            }
        }
    }
}

/// What the body with the entry `own` makes of a notice by a policy.
pub(crate) fn restriction_row(
    bundle: &Bundle,
    content: &NoticeContent,
    issuer: &AgencyCode,
    issuer_name: &str,
    own: &DirectoryEntry,
) -> RestrictionRow {
    let measures = content
        .measures
        .iter()
        .map(|measure| RestrictionMeasure {
            measure: measure.measure.clone(),
            legal_basis: measure.legal_basis.clone(),
            from: measure.from,
            until: measure.until,
            recognition: recognize(bundle, &measure.measure, &content.subject, content.severity, own),
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

/// Decides a restriction in force again; whether anything changed.
pub(crate) fn restriction_decide(bundle: &Bundle, row: &mut RestrictionRow, own: &DirectoryEntry) -> bool {
    if row.state != NoticeState::InForce {
        return false;
    }
    let mut changed = false;
    for measure in &mut row.measures {
        let recognition = recognize(bundle, &measure.measure, &row.subject, row.severity, own);
        changed |= measure.recognition != recognition;
        measure.recognition = recognition;
    }
    changed
}

fn recognize(
    bundle: &Bundle,
    measure: &MeasureCode,
    subject: &SubjectId,
    severity: BreachSeverity,
    own: &DirectoryEntry,
) -> Recognition {
    bundle.measure_applies(measure, &own.functions, SanctionObject::of(subject), severity).into()
}

/// The kind of entry that says what became of a notice here.
pub(crate) fn recognition_kind(row: &RestrictionRow) -> EntryKind {
    let declined = |measure: &RestrictionMeasure| matches!(measure.recognition, Recognition::Declined { .. });
    let applied = |measure: &RestrictionMeasure| measure.recognition.is_applied();
    match !row.measures.iter().any(applied) && row.measures.iter().any(declined) {
        true => EntryKind::NoticeDeclined,
        false => EntryKind::NoticeApplied,
    }
}

/// The entry that says that a restriction was decided again by a policy.
pub(crate) fn reconsidered_entry(row: &RestrictionRow, policy: &str) -> EntryDraft {
    EntryDraft::new(recognition_kind(row))
        .subject(&row.subject)
        .policy(policy)
        .detail("issuer", row.issuer.as_str())
        .detail("notice", &row.notice.to_string())
        .detail("version", &row.version.to_string())
        .detail("reason", "decided again: the policy version or this body's functions changed")
}

#[cfg(test)]
mod tests;
