//! Sanction notices: issued, received, and how far they got.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::notice::NoticeState;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::time::{Day, PeriodEnd};
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Notices`].
    NoticeListSchema = "notices/v1"
}
schema_tag! {
    /// Tag of [`NoticeDocument`].
    NoticeSchema = "notice/v1"
}

schema_tag! {
    /// Tag of [`NoticePreview`].
    NoticePreviewSchema = "notice-preview/v1"
}

/// What `POST /api/v1/notices` and `POST /api/v1/notices/preview` take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeIssueRequest {
    /// The determined breach it rests on, an own record.
    pub record: RecordId,
    /// The measures, at least one.
    pub measures: Vec<MeasureRequest>,
}

/// One measure of a notice to issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureRequest {
    /// The measure, from the list of sanction measures.
    pub measure: MeasureCode,
    /// The law that provides for it; the one in the list of measures when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// First day; today when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// Last day; the end of the record's publicity when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<PeriodEnd>,
}

/// What `POST /api/v1/notices/preview` answers: what a notice would say; nothing was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePreview {
    /// The tag.
    pub schema: NoticePreviewSchema,
    /// The record it would rest on.
    pub record: RecordId,
    /// The subject, a person's number masked.
    pub subject: String,
    /// The subject's name.
    pub subject_name: String,
    /// The measures.
    pub measures: Vec<MeasurePreview>,
    /// Members that would get it.
    pub recipients: usize,
}

/// A measure as a notice would state it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasurePreview {
    /// The measure.
    pub measure: MeasureCode,
    /// Its name in Chinese.
    pub measure_name: String,
    /// Its name in English.
    pub measure_name_en: String,
    /// The law it would rest on.
    pub legal_basis: LegalBasis,
    /// Whether the basis was read in its source; absent for one that the request names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_verified: Option<bool>,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
}

/// Which notices to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeQuery {
    /// Only issued or only received ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<NoticeDirection>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which of the notices of one number to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeShowQuery {
    /// The agency that issued it; needed only if several agencies other than this one use the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<AgencyCode>,
}

/// Whether the node issued or received a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeDirection {
    /// By this node's agency.
    Issued,
    /// From another agency.
    Received,
}

/// What `GET /api/v1/notices` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notices {
    /// The tag.
    pub schema: NoticeListSchema,
    /// The notices, the newest first.
    pub notices: Vec<NoticeSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A notice in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeSummary {
    /// The notice.
    pub notice: NoticeId,
    /// Its version.
    pub version: u32,
    /// What this version says.
    pub state: NoticeState,
    /// Issued or received.
    pub direction: NoticeDirection,
    /// The issuing agency.
    pub issuer: AgencyCode,
    /// Its name.
    pub issuer_name: String,
    /// The subject, a person's number masked.
    pub subject: String,
    /// The subject's name.
    pub subject_name: String,
    /// When it was issued, or received.
    pub at: Moment,
    /// The measures.
    pub measures: Vec<NoticeMeasure>,
    /// Recipients that have acknowledged it; for received notices zero.
    pub acknowledged: usize,
    /// Recipients in all; for received notices zero.
    pub recipients: usize,
}

/// One measure of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeMeasure {
    /// The measure.
    pub measure: MeasureCode,
    /// Its name in Chinese.
    pub measure_name: String,
    /// Its name in English.
    pub measure_name_en: String,
    /// The law it rests on.
    pub legal_basis: LegalBasis,
    /// First day.
    pub from: Day,
    /// Last day.
    pub until: PeriodEnd,
    /// What this node did with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<MeasureDecision>,
}

/// What a recipient did with a measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum MeasureDecision {
    /// In force there.
    Applied,
    /// No longer in force there.
    Lifted,
    /// Not among what that body does.
    NotApplicable(MeasureReason),
    /// Refused.
    Declined(MeasureReason),
    /// A newer version was already there.
    Superseded,
}

/// Why a measure is not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureReason {
    /// The code of the reason, as the body that decided gave it.
    pub reason: String,
    /// In Chinese; absent for a code that this node does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_zh: Option<String>,
    /// In English; absent for a code that this node does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_en: Option<String>,
}

/// What `POST /api/v1/notices` and `GET /api/v1/notices/{id}` answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeDocument {
    /// The tag.
    pub schema: NoticeSchema,
    /// The notice in short.
    #[serde(flatten)]
    pub summary: NoticeSummary,
    /// The record it rests on.
    pub record: RecordId,
    /// Category of the record.
    pub category: InformationCategory,
    /// Severity of the breach.
    pub severity: BreachSeverity,
    /// To whom it goes and how far it got, for issued notices.
    pub deliveries: Vec<Delivery>,
}

/// One recipient of an issued notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The recipient.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// How far it got.
    #[serde(flatten)]
    pub state: DeliveryState,
}

/// How far a notice got with one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "delivery", rename_all = "snake_case")]
pub enum DeliveryState {
    /// Written to the outbox; the node keeps trying.
    Queued,
    /// Opened, verified and decided there; the receipt is here.
    Processed {
        /// When the receipt was signed.
        at: Moment,
        /// Decision by measure.
        measures: Vec<MeasureReceipt>,
    },
    /// Kept there but not accepted as a notice.
    Rejected {
        /// When the receipt was signed.
        at: Moment,
        /// Why.
        reason: String,
    },
}

/// A recipient's decision on one measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureReceipt {
    /// The measure.
    pub measure: MeasureCode,
    /// The decision.
    #[serde(flatten)]
    pub decision: MeasureDecision,
}
