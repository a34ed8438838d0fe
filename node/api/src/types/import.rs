//! Imports of foreign files: options, progress, report, list.

use chengxin_schemas::SchemaError;
use chengxin_schemas::digest::{Sha256, hex_decode, hex_encode};
use chengxin_schemas::identity::{BatchId, NoticeId};
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::PeriodEnd;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::schema_tag;
use super::time::Moment;

schema_tag! {
    /// Tag of [`ImportReport`].
    ImportSchema = "import/v1"
}
schema_tag! {
    /// Tag of [`Imports`].
    ImportListSchema = "imports/v1"
}
schema_tag! {
    /// Tag of [`RollbackPreview`].
    RollbackPreviewSchema = "rollback-preview/v1"
}
schema_tag! {
    /// Tag of every line of the progress stream.
    ImportEventSchema = "import-event/v1"
}

/// Largest file that is taken, in bytes: a million penalty rows of the longest layout as CSV. Workbooks are compressed:
/// their reader takes less, 256 MiB, and bounds what they unpack to.
pub const IMPORT_FILE_LIMIT: u64 = 1 << 30;
/// Most findings a report lists; the errors file has them all.
pub const IMPORT_FINDINGS_LIMIT: usize = 200;
/// Most accepted exceptions in one import: each is a named person's decision about one row.
pub const IMPORT_EXCEPTIONS_LIMIT: usize = 100;

/// What `POST /api/v1/imports` takes in its query string; the body is the file. Rows whose failing check character
/// a person accepts are named by repeating `accept=ROW:REASON`. Any other name, and any of these fields given twice, is
/// refused ([`IMPORT_QUERY_NAMES`]): a misspelt `dry_run` would be an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Type of the records; absent to recognise it by the columns.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<RecordType>,
    /// Name of the file, for the list of imports; without folders. Its ending does not matter: the content tells CSV from
    /// XLSX.
    pub file_name: String,
    /// Check only; nothing is written.
    #[serde(default)]
    pub dry_run: bool,
    /// Sheet of a workbook; absent for the one whose header is known. If there are several, the import is refused with
    /// their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

/// Every name that the query string of an import may have: the fields of [`ImportOptions`], and `accept`.
pub const IMPORT_QUERY_NAMES: &[&str] = &["type", "file_name", "dry_run", "sheet", "accept"];

/// Names a file that was sent, and how it is to be read: `f-` and 32 lower-case hexadecimal digits. A report gives it
/// when the file has failing rows; an import that was begun has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(pub [u8; 16]);

impl std::fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "f-{}", hex_encode(&self.0))
    }
}

impl std::str::FromStr for UploadId {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        text.strip_prefix("f-").and_then(hex_decode::<16>).map(Self).ok_or_else(|| SchemaError::Field {
            field: "id",
            reason: "not the name of a file with failing rows".to_owned(),
            fix: "it reads f- and 32 lower-case hexadecimal digits; the report of the dry run or the refused import gives it",
        })
    }
}

impl Serialize for UploadId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UploadId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One exception: the operator vouches for a code whose check character fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportException {
    /// Row of the file, counted as the spreadsheet shows it: the header is row 1.
    pub row: u64,
    /// Why the code is right although its check character is not.
    pub reason: String,
}

impl std::fmt::Display for ImportException {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.row, self.reason)
    }
}

impl std::str::FromStr for ImportException {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "an exception reads ROW:REASON, for example 17:证照原件核对无误; the reason is 2 to 200 characters";
        let (row, reason) = text.split_once([':', '：']).ok_or(wrong)?;
        let row = row.trim().parse().map_err(|_| wrong)?;
        let reason = reason.trim();
        let length = reason.chars().count();
        if row < 2 || !(2..=200).contains(&length) || reason.chars().any(char::is_control) {
            return Err(wrong);
        }
        Ok(Self { row, reason: reason.to_owned() })
    }
}

/// One line of the answer to an import: newline-delimited JSON, ending in exactly one `Finished` or `Failed`. A stream
/// that ends without one was cut off: the import may be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportEvent {
    /// The tag.
    pub schema: ImportEventSchema,
    /// What happened.
    #[serde(flatten)]
    pub event: ImportEventKind,
}

/// What happened in an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ImportEventKind {
    /// The file is complete at the node and the import has a number under which it can be resumed.
    Started {
        /// The import; absent for a dry run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<BatchId>,
    },
    /// So far.
    Progress {
        /// What is being done.
        phase: ImportPhase,
        /// Rows done in this phase.
        rows: u64,
        /// Rows in all, once known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// The end: committed, refused for its rows, or checked.
    Finished {
        /// The report.
        report: Box<ImportReport>,
    },
    /// The end: not done for another reason than its rows.
    Failed {
        /// Why.
        problem: Box<Problem>,
    },
}

/// What an import is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportPhase {
    /// Reading and checking rows.
    Checking,
    /// Signing and writing records.
    Writing,
}

/// What `GET /api/v1/imports` takes in its query string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportListQuery {
    /// Where the page before ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// At most so many, 1 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What `GET /api/v1/imports/{id}/rollback` answers: what taking the import back would do. Nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackPreview {
    /// The tag.
    pub schema: RollbackPreviewSchema,
    /// The import in short; its new rows are the records that would go.
    #[serde(flatten)]
    pub summary: ImportSummary,
    /// Notices in force on these records, at most sixteen; while there is one, the import is not taken back.
    pub notices: Vec<RestingNotice>,
}

/// A notice that rests on a record of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingNotice {
    /// The notice.
    pub notice: NoticeId,
    /// Until when it restricts.
    pub until: PeriodEnd,
}

/// What `GET /api/v1/imports` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imports {
    /// The tag.
    pub schema: ImportListSchema,
    /// The imports, the newest first.
    pub imports: Vec<ImportSummary>,
    /// Where the next page begins; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An import in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSummary {
    /// The import; absent for a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Name of the file.
    pub file_name: String,
    /// Type of the records, once recognised.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<RecordType>,
    /// Where it stands.
    pub state: ImportState,
    /// Who imported.
    pub operator: OperatorName,
    /// When it began.
    pub started_at: Moment,
    /// How many rows came to what.
    pub rows: RowCounts,
}

/// Where an import stands. Records of an import count from the moment it is committed, all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Checked only.
    Checked,
    /// Rows are wrong: nothing was written.
    Refused,
    /// Begun and not finished: it can be resumed or rolled back.
    Open,
    /// All of it counts.
    Committed,
    /// None of it counts any more; rows may still be on their way out.
    RollingBack,
    /// Taken back.
    RolledBack,
}

/// How many rows came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Read.
    pub total: u64,
    /// New records.
    pub new: u64,
    /// Already there, unchanged.
    pub duplicate: u64,
    /// With an error.
    pub wrong: u64,
    /// Warnings in all rows.
    pub warned: u64,
}

/// The report of one import or dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    /// The tag.
    pub schema: ImportSchema,
    /// The import in short.
    #[serde(flatten)]
    pub summary: ImportSummary,
    /// Digest of the file.
    pub file: Sha256,
    /// What is wrong with rows, by row and column, at most [`IMPORT_FINDINGS_LIMIT`]: errors first, then warnings, each in
    /// row order.
    pub findings: Vec<Finding>,
    /// How many findings more there are.
    pub findings_omitted: u64,
    /// The name under which the failing rows can be fetched as a file, for a day unless many more come; absent when there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_id: Option<UploadId>,
}

/// One fault in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Row as the spreadsheet shows it. What is wrong with a file as a whole is the import's failure, not a finding.
    pub row: u64,
    /// Header of the column as the file writes it; empty for the row as a whole.
    pub column: String,
    /// Stable code.
    pub code: String,
    /// Error or warning.
    pub weight: FindingWeight,
    /// What is wrong, in Chinese.
    pub message_zh: String,
    /// What is wrong, in English.
    pub message_en: String,
    /// What to do, in Chinese.
    pub fix_zh: String,
    /// What to do, in English.
    pub fix_en: String,
}

/// Whether a finding keeps the file from being imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingWeight {
    /// The file cannot be imported.
    Error,
    /// The file can be imported.
    Warning,
}

/// Form of the errors file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorsFormat {
    /// Workbook.
    Xlsx,
    /// UTF-8 with byte order mark.
    Csv,
}

/// Language of the errors file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorsLanguage {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

/// What `GET /api/v1/imports/{id}/errors` takes in its query string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorsQuery {
    /// Form of the file.
    pub format: ErrorsFormat,
    /// Language of the column that says what is wrong.
    #[serde(default)]
    pub lang: ErrorsLanguage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_names_a_row_and_a_reason() {
        let exception: ImportException = "17:证照原件核对无误".parse().expect("exception");
        assert_eq!(exception.row, 17);
        assert_eq!(exception.to_string().parse::<ImportException>().expect("round trip"), exception);
        for bad in ["", "17", "17:", "17:x", "1:header row", "x:reason", "17:bad\nreason"] {
            assert!(bad.parse::<ImportException>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_upload_reads_and_writes_itself_in_one_form() {
        let text = "f-0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<UploadId>().expect("id").to_string(), text);
        for bad in
            ["", "f-", "b-0123456789abcdef0123456789abcdef", "f-0123456789ABCDEF0123456789ABCDEF", "f-../x"]
        {
            assert!(bad.parse::<UploadId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_option_is_a_known_name() {
        let options = ImportOptions {
            record_type: Some(RecordType::AdministrativePenalty),
            file_name: "a.csv".to_owned(),
            dry_run: true,
            sheet: Some("x".to_owned()),
        };
        let value = serde_json::to_value(&options).expect("json");
        let mut names: Vec<_> = value.as_object().expect("object").keys().map(String::as_str).collect();
        names.push("accept");
        assert_eq!(names, IMPORT_QUERY_NAMES);
    }

    #[test]
    fn an_event_line_carries_tag_and_kind() {
        let event = ImportEvent {
            schema: ImportEventSchema::V1,
            event: ImportEventKind::Progress { phase: ImportPhase::Checking, rows: 5, total: None },
        };
        let line = serde_json::to_string(&event).expect("json");
        assert_eq!(line, r#"{"schema":"import-event/v1","event":"progress","phase":"checking","rows":5}"#);
        assert_eq!(serde_json::from_str::<ImportEvent>(&line).expect("round trip"), event);
    }
}
