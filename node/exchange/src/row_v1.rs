//! Rows as version 1 of their types wrote them, read and never written.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::{Day, PeriodEnd, UnixTime};
use serde::{Deserialize, Serialize};

use crate::import::ImportBatch;
use crate::outbox::OutboxRow;
use crate::recognition::Recognition;
use crate::restriction::{RestrictionMeasure, RestrictionRow};
use crate::row::Row;

/// An import whose records stand in the index under the first identifier of their subjects only, a unified code under itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct ImportBatchV1(pub(crate) ImportBatch);

impl Row for ImportBatchV1 {
    const NAME: &'static str = "import";
    const VERSION: u8 = 1;
}

/// A restriction, keyed without its issuer.
#[derive(Serialize, Deserialize)]
pub(crate) struct RestrictionRowV1 {
    pub(crate) subject: SubjectId,
    pub(crate) issuer: AgencyCode,
    pub(crate) issuer_name: String,
    pub(crate) notice: NoticeId,
    pub(crate) version: u32,
    pub(crate) state: NoticeState,
    pub(crate) record: RecordId,
    pub(crate) severity: BreachSeverity,
    pub(crate) measures: Vec<RestrictionMeasureV1>,
}

/// A measure of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct RestrictionMeasureV1 {
    pub(crate) measure: MeasureCode,
    pub(crate) legal_basis: LegalBasis,
    pub(crate) from: Day,
    pub(crate) until: PeriodEnd,
    pub(crate) applied: bool,
    /// Why not, in Chinese.
    pub(crate) reason: Option<String>,
}

impl Row for RestrictionRowV1 {
    const NAME: &'static str = "restriction";
    const VERSION: u8 = 1;
}

impl From<RestrictionRowV1> for RestrictionRow {
    fn from(old: RestrictionRowV1) -> Self {
        let measure = |old: RestrictionMeasureV1| RestrictionMeasure {
            measure: old.measure,
            legal_basis: old.legal_basis,
            from: old.from,
            until: old.until,
            recognition: Recognition::from_v1(old.applied, old.reason.as_deref()),
        };
        Self {
            subject: old.subject,
            issuer: old.issuer,
            issuer_name: old.issuer_name,
            notice: old.notice,
            version: old.version,
            state: old.state,
            record: old.record,
            severity: old.severity,
            measures: old.measures.into_iter().map(measure).collect(),
        }
    }
}

/// An item of a stream, which did not say what it was sealed to.
#[derive(Serialize, Deserialize)]
pub(crate) struct OutboxRowV1 {
    pub(crate) header: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) notice: NoticeId,
    pub(crate) version: u32,
    pub(crate) queued: UnixTime,
    pub(crate) receipt: Option<String>,
}

impl Row for OutboxRowV1 {
    const NAME: &'static str = "outbox item";
    const VERSION: u8 = 1;
}

impl From<OutboxRowV1> for OutboxRow {
    fn from(old: OutboxRowV1) -> Self {
        Self {
            header: old.header,
            sealed: old.sealed,
            sealed_to: String::new(),
            notice: old.notice,
            version: old.version,
            queued: old.queued,
            receipt: old.receipt,
        }
    }
}

/// Head of an outgoing stream, in which places were numbers.
#[derive(Serialize, Deserialize)]
pub(crate) struct OutboxHeadV1 {
    pub(crate) last: u64,
    /// What the item after the last one was to chain to.
    pub(crate) link: Sha256,
    pub(crate) acknowledged: u64,
}

impl Row for OutboxHeadV1 {
    const NAME: &'static str = "outbox head";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_version_1_is_read() {
        let old = OutboxRowV1 {
            header: "header".to_owned(),
            sealed: vec![1, 2, 3],
            notice: NoticeId([7; 16]),
            version: 2,
            queued: UnixTime(9),
            receipt: None,
        };
        let read = OutboxRow::read(&old.encode().expect("encodes")).expect("reads");
        assert_eq!((read.sealed.clone(), read.sealed_to.as_str(), read.version), (vec![1, 2, 3], "", 2));
        let again = OutboxRow::read(&OutboxRow { sealed: Vec::new(), ..read }.encode().expect("encodes"));
        assert_eq!(again.expect("reads").notice, NoticeId([7; 16]));
    }
}
