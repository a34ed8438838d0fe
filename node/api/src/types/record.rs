//! The node's own credit records.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::category::{BreachSeverity, InformationCategory, RecordState};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::{BatchId, RecordId};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::{Day, PeriodEnd};
use serde::{Deserialize, Serialize};

use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`Records`].
    RecordListSchema = "records/v1"
}
schema_tag! {
    /// Tag of [`RecordDocument`].
    RecordSchema = "record/v1"
}

/// Most records on one page.
pub const RECORD_PAGE_LIMIT: usize = 200;
/// Records on a page when nobody says.
pub const RECORD_PAGE_DEFAULT: usize = 50;

/// What `GET /api/v1/records` takes in its query string.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordQuery {
    /// Only this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<RecordType>,
    /// Only this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<InformationCategory>,
    /// Only this import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Only this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RecordState>,
    /// Only this subject, as a clerk types it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only beside `subject`: why the subject's code is right although its check is not, in the caller's words, who vouches
    /// for it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<String>,
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to [`RECORD_PAGE_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Shows everything but the subject, who may be a person.
impl std::fmt::Debug for RecordQuery {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RecordQuery")
            .field("record_type", &self.record_type)
            .field("category", &self.category)
            .field("batch", &self.batch)
            .field("state", &self.state)
            .field("cursor", &self.cursor)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// What `GET /api/v1/records` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The tag.
    pub schema: RecordListSchema,
    /// The page.
    pub records: Vec<RecordSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A record in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSummary {
    /// The record.
    pub record: RecordId,
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Its category.
    pub category: InformationCategory,
    /// Its severity, for breaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<BreachSeverity>,
    /// Where it stands.
    pub state: RecordState,
    /// The subject's code, a person's number masked; absent for subjects without a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The subject's name.
    pub subject_name: String,
    /// The day it was determined on.
    pub determined_on: Day,
    /// The import that brought it.
    pub batch: BatchId,
}

/// What `GET /api/v1/records/{id}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDocument {
    /// The tag.
    pub schema: RecordSchema,
    /// The record in short.
    #[serde(flatten)]
    pub summary: RecordSummary,
    /// The determining authority, which signed.
    pub issuer: AgencyCode,
    /// The last day of its publicity by the rules, if they know one. The field of that name is what the source wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publicity_end: Option<PeriodEnd>,
    /// The rule by which it has its category and severity; absent if the policy in force is not the one that governs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity_rule: Option<RecordRule>,
    /// The rule by which its publicity ends; absent if there is none, or the policy in force does not govern it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publicity_rule: Option<RecordRule>,
    /// Whether it is in principle not published by that rule, and so has no end of publicity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_published: bool,
    /// Its fields in the order of the template.
    pub fields: Vec<RecordField>,
    /// When it was signed.
    pub signed_at: Moment,
    /// Digest of the file it came from.
    pub source_file: Sha256,
    /// Row of that file.
    pub source_row: u64,
}

/// A rule that was applied to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRule {
    /// Its name in the policy.
    pub rule: String,
    /// Whether it was read in its document, and the record lies within its dates; the rule of publicity, whether that of
    /// severity was, too.
    pub verified: bool,
}

/// One field of a record, as far as classification lets the reader see it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordField {
    /// Name in machine output.
    pub name: String,
    /// Label of the national template.
    pub label: String,
    /// How much of it is shown.
    pub shown: FieldShown,
    /// The value, or the part of it that is shown; absent when withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Why it is withheld, as a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is withheld, in Chinese, if the code is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_zh: Option<String>,
    /// Why it is withheld, in English, if the code is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_en: Option<String>,
}

/// Shows which field it is and how much of it is shown, not its value: it may be a person's number.
impl std::fmt::Debug for RecordField {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RecordField")
            .field("name", &self.name)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

/// How much of a field is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldShown {
    /// Whole.
    Shown,
    /// In part.
    Masked,
    /// Not at all.
    Withheld,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_number() {
        const NUMBER: &str = "440524188001010014";
        let query =
            RecordQuery { subject: Some(NUMBER.to_owned()), limit: Some(7), ..RecordQuery::default() };
        let field = RecordField {
            name: "person_number".to_owned(),
            label: String::new(),
            shown: FieldShown::Shown,
            value: Some(NUMBER.to_owned()),
            reason: None,
            reason_zh: None,
            reason_en: None,
        };
        let text = format!("{query:?} {field:?}");
        assert!(text.contains('7') && text.contains("person_number") && !text.contains(NUMBER), "{text}");
    }
}
