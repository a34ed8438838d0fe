//! Restrictions: what received and own notices mean for a subject at this node.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use chengxin_store::KeyRange;
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::Result;
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::recognition::Recognition;
use crate::row::Row;

/// Most notices read for one subject; a subject with more is in deeper trouble than a list can show.
const NOTICES_PER_SUBJECT_LIMIT: usize = 1_000;

/// What one notice does to its subject here, stored form version 2. Encrypted: it names the subject.
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
    const VERSION: u8 = 2;
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

impl Node {
    /// The restrictions against `subject` that are in force on the day of `now` in Asia/Shanghai.
    pub(crate) async fn restrictions_in_force(
        &self,
        subject: &SubjectId,
        now: UnixTime,
    ) -> Result<Vec<RestrictionInForce>> {
        let today = now.shanghai_date();
        let prefix = keyspace::restrictions_of_subject(&self.subject_key(subject));
        let page = self.parts.store.scan(KeyRange::prefix(&prefix), NOTICES_PER_SUBJECT_LIMIT).await?;
        let mut found = Vec::new();
        for (key, bytes) in page {
            let row = RestrictionRow::open(&bytes, &key, &self.parts.keys.data)?;
            if row.subject != *subject || row.state != NoticeState::InForce {
                continue;
            }
            found.extend(
                row.measures
                    .iter()
                    .filter(|measure| measure.from.0 <= today && !measure.until.is_over(today))
                    .map(|measure| restriction_in_force(&row, measure)),
            );
        }
        found.sort_by(|one, two| (&one.measure, one.from).cmp(&(&two.measure, two.from)));
        Ok(found)
    }

    /// Lists the restrictions in force against a subject, for the staff that must apply them. Purely local.
    pub async fn restriction_list(
        &self,
        operation: &Operation,
        subject: &SubjectId,
    ) -> Result<Vec<RestrictionInForce>> {
        operation.require(&[Role::Clerk, Role::Reviewer], "list restrictions")?;
        let entry = EntryDraft::new(EntryKind::RecordRead)
            .subject(subject)
            .policy(&self.policy_version())
            .detail("read", "restrictions");
        self.audit_append(Some(operation), entry).await?;
        self.restrictions_in_force(subject, operation.now()).await
    }
}

fn restriction_in_force(row: &RestrictionRow, measure: &RestrictionMeasure) -> RestrictionInForce {
    RestrictionInForce {
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
