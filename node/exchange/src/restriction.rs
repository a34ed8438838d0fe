//! Restrictions: what received and own notices mean for a subject at this node.

use std::sync::Arc;

use chengxin_policy::SanctionObject;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::{SubjectId, SubjectKey};
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_schemas::unified_code::CheckException;
use chengxin_store::KeyRange;
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::Result;
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::recognition::Recognition;
use crate::row::Row;

mod kept;
mod linked;

use kept::Kept;
pub(crate) use linked::LinkedSubject;

/// Most notices looked at for one subject, by whichever identifier. Any member can issue notices about anybody, and each that it sends stands in
/// two logs under its name; without a limit it could make every check of a subject take as long as it likes.
const NOTICES_LOOKED_AT_LIMIT: usize = 50_000;
/// Most restrictions in force kept of one subject: what a certificate holds beside its coverage, and more than a person
/// reads.
const IN_FORCE_LIMIT: usize = 1_000;
/// An issuer's share of these when there are more, so that no member crowds out the others.
const IN_FORCE_OF_ISSUER_LIMIT: usize = 100;
/// Notices read at once.
const NOTICES_PAGE: usize = 256;

/// What one notice does to its subject here, stored form version 3: the same as version 2, which was kept under the unified
/// code itself. Encrypted: it names the subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RestrictionRow {
    pub(crate) subject: SubjectId,
    pub(crate) issuer: AgencyCode,
    pub(crate) issuer_name: String,
    pub(crate) notice: NoticeId,
    pub(crate) version: u32,
    pub(crate) state: NoticeState,
    pub(crate) record: RecordId,
    pub(crate) severity: BreachSeverity,
    pub(crate) measures: Vec<RestrictionMeasure>,
}

impl Row for RestrictionRow {
    const NAME: &'static str = "restriction";
    const VERSION: u8 = 3;
}

/// One measure of a notice as this node decided on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RestrictionMeasure {
    pub(crate) measure: MeasureCode,
    pub(crate) legal_basis: LegalBasis,
    pub(crate) from: Day,
    pub(crate) until: PeriodEnd,
    /// Whether this body applies the measure itself; else it only knows of it.
    pub(crate) recognition: Recognition,
}

/// A restriction in force today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestrictionInForce {
    /// The identifier that the notice binds: the one asked about, or another of the same subject.
    pub binds: SubjectId,
    /// The agency that determined the breach.
    pub issuer: AgencyCode,
    /// Its name.
    pub issuer_name: String,
    /// The notice.
    pub notice: NoticeId,
    /// Its version.
    pub version: u32,
    /// The record it rests on.
    pub record: RecordId,
    /// Severity of the breach.
    pub severity: BreachSeverity,
    /// The measure.
    pub measure: MeasureCode,
    /// The law it rests on.
    pub legal_basis: LegalBasis,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
    /// Whether this body applies the measure itself.
    pub applied_here: bool,
    /// Why not, if not: the code of the reason, see [`crate::recognition::reason_words`].
    pub not_applied_reason: Option<String>,
}

/// What is in force against a subject, as far as it could be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestrictionList {
    /// The restrictions, by measure and first day.
    pub in_force: Vec<RestrictionInForce>,
    /// Whether these are all. If not, nothing follows from what is missing: some member has flooded this node with
    /// notices about the subject, and a check says that it is incomplete.
    pub complete: bool,
}

/// How many notices are looked at, and how many restrictions kept.
#[derive(Clone, Copy)]
struct RestrictionLimits {
    looked_at: usize,
    in_force: usize,
    of_issuer: usize,
}

impl Node {
    /// The restrictions against `subject`, by each of its identifiers, that are in force on the day of `now` in
    /// Asia/Shanghai.
    pub(crate) async fn restrictions_in_force(
        &self,
        subject: &LinkedSubject,
        now: UnixTime,
    ) -> Result<RestrictionList> {
        let limits = RestrictionLimits {
            looked_at: NOTICES_LOOKED_AT_LIMIT,
            in_force: IN_FORCE_LIMIT,
            of_issuer: IN_FORCE_OF_ISSUER_LIMIT,
        };
        self.restrictions_within(subject, now, limits).await
    }

    /// Looks through all notices against the subject, a page at a time, and keeps those in force only: notices that are
    /// over or withdrawn, whoever sent however many of them, crowd nothing out.
    async fn restrictions_within(
        &self,
        subject: &LinkedSubject,
        now: UnixTime,
        limits: RestrictionLimits,
    ) -> Result<RestrictionList> {
        let today = now.shanghai_date();
        let policy = self.policy();
        let mut kept = Kept::new(limits.in_force, limits.of_issuer);
        let (mut looked_at, mut looked_at_all) = (0_usize, subject.is_all());
        'places: for place in self.restriction_places(subject.identifiers()) {
            let mut range = KeyRange::prefix(&keyspace::restrictions_of_subject(&place));
            loop {
                let page = self.parts.store.scan(range.clone(), NOTICES_PAGE).await?;
                let Some((last, _)) = page.last() else { break };
                range = range.after(last);
                for (key, bytes) in page {
                    if looked_at == limits.looked_at {
                        looked_at_all = false;
                        break 'places;
                    }
                    looked_at = looked_at.saturating_add(1);
                    let row = RestrictionRow::open(&bytes, &key, &self.parts.keys.data)?;
                    if !subject.is_bound_by(&row.subject) || row.state != NoticeState::InForce {
                        continue;
                    }
                    let is_public_body = subject.is_public_body_named(&row.subject);
                    let strikes = |measure: &RestrictionMeasure| {
                        let listed = policy.bundle().measure(&measure.measure);
                        listed.is_some_and(|listed| listed.ground(SanctionObject::PublicBody).is_some())
                    };
                    // What this body declined is nobody's restriction here: it is not lawful as sent.
                    let of_today = row.measures.iter().filter(|measure| {
                        (!is_public_body || strikes(measure))
                            && measure.from.0 <= today
                            && !measure.until.is_over(today)
                            && !matches!(measure.recognition, Recognition::Declined { .. })
                    });
                    of_today.for_each(|measure| kept.add(restriction_in_force(&row, measure)));
                }
            }
        }
        let (in_force, kept_all) = kept.into_list();
        let complete = looked_at_all && kept_all;
        if !complete {
            tracing::warn!(looked_at, in_force = in_force.len(), "too many notices about one subject");
        }
        Ok(RestrictionList { in_force, complete })
    }

    /// Where restrictions of subjects with these identifiers may stand: under the index key of each. Also under unified codes
    /// themselves, where a former version of this program kept them: one that could not be read when the others were moved
    /// is met there, as an error and not as nothing; who asks by the organisation code within does not meet it.
    pub(crate) fn restriction_places<'s>(
        &self,
        identifiers: impl Iterator<Item = &'s SubjectId>,
    ) -> Vec<SubjectKey> {
        let mut places = Vec::new();
        for identifier in identifiers {
            for place in [self.index_key(identifier), self.subject_key(identifier)] {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }

    /// Lists the restrictions in force against a subject, for the staff that must apply them. Purely local: which other
    /// identifier it has is known from own records only. `exception` says who vouches for a code whose check is wrong.
    pub async fn restriction_list(
        self: &Arc<Self>,
        operation: &Operation,
        subject: &SubjectId,
        exception: Option<&CheckException>,
    ) -> Result<RestrictionList> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list restrictions")?;
        subject.vouched_check(exception)?;
        let entry = EntryDraft::new(EntryKind::RecordRead)
            .subject(subject)
            .check_exception(exception)
            .policy(&self.policy_version())
            .detail("read", "restrictions");
        let subject = self.subject_linked(subject).await?;
        let list = self.restrictions_in_force(&subject, operation.now()).await?;
        let named = list.in_force.iter().map(|restriction| &restriction.binds);
        let identifiers = subject.identifiers().chain(named).cloned();
        self.audit_append_each(Some(operation), entry, identifiers).await?;
        Ok(list)
    }
}

fn restriction_in_force(row: &RestrictionRow, measure: &RestrictionMeasure) -> RestrictionInForce {
    RestrictionInForce {
        binds: row.subject.clone(),
        issuer: row.issuer,
        issuer_name: row.issuer_name.clone(),
        notice: row.notice,
        version: row.version,
        record: row.record,
        severity: row.severity,
        measure: measure.measure.clone(),
        legal_basis: measure.legal_basis.clone(),
        from: measure.from,
        until: measure.until,
        applied_here: measure.recognition.is_applied(),
        not_applied_reason: measure.recognition.reason().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests;
