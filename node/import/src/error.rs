//! Why a whole file cannot be read. What is wrong with single rows is an issue, not an error.

use chengxin_schemas::ErrorCode;
use chengxin_schemas::record_type::RecordType;

/// A file that cannot be imported as it is. `Display` names the place and the fix, and never a cell.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The reader failed.
    #[error("the file could not be read")]
    Read(#[source] std::io::Error),
    /// The output could not be written.
    #[error("the output could not be written")]
    Write(#[source] std::io::Error),
    /// The table of a long file's rows, in a file without a name, failed.
    #[error("the scratch file for finding repeated rows failed; free space on the disk of the node's folder")]
    Scratch(#[source] std::io::Error),
    /// A workbook could not be written.
    #[error("the workbook could not be written")]
    WorkbookWrite(#[source] rust_xlsxwriter::XlsxError),
    /// Nothing but space in the file.
    #[error("the file is empty; choose the file that was exported")]
    Empty,
    /// A header and nothing below it. An import of nothing is refused, because a file that was cut off after its header,
    /// or the wrong sheet, looks the same.
    #[error("the file has a header and no rows below it; fill in rows, or choose the file that was exported")]
    NoRows,
    /// A format this crate does not read: `name` says which.
    #[error("{name} files are not read; save the file as .xlsx (另存为 xlsx) and import that")]
    UnsupportedFormat {
        /// `.xls`, `.ods`, `.et`, `.xlsb`, `binary`, `PDF`, …
        name: &'static str,
    },
    /// UTF-16 text.
    #[error("the file is UTF-16 text; save it as CSV UTF-8 or as .xlsx")]
    Utf16,
    /// A byte that no supported encoding explains. The file is refused rather than read with losses.
    #[error("byte {offset} (line {line}) is not valid {encoding}; export the file again as CSV UTF-8")]
    Undecodable {
        /// The encoding the rest of the file is in.
        encoding: &'static str,
        /// Line of the byte, counted from 1 by line feeds.
        line: u64,
        /// Offset of the byte, counted from 0.
        offset: u64,
    },
    /// A quoted cell that never ends, as in a file cut off in the middle.
    #[error(
        "the quote opened in row {row} is never closed: the file is cut off there, or a quote inside a cell is not doubled; export it again"
    )]
    UnclosedQuote {
        /// Sheet row, counted from 1.
        row: u64,
    },
    /// A limit of [`crate::ImportLimits`] is crossed.
    #[error("{what}: more than the {limit} accepted; split the file")]
    TooLarge {
        /// Which limit.
        what: &'static str,
        /// Its value.
        limit: u64,
    },
    /// A row larger than any row can be.
    #[error("row {row} is larger than {limit} bytes; look for a quote that is not closed")]
    RowTooLarge {
        /// Sheet row, counted from 1.
        row: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An XLSX file that would unpack to more than a real workbook does.
    #[error(
        "the workbook unpacks to far more than it contains ({what}); it is refused as a possible zip bomb"
    )]
    ZipBomb {
        /// Which bound was crossed.
        what: &'static str,
    },
    /// A damaged or cut-off XLSX file.
    #[error("the workbook is damaged or incomplete ({part}); copy or download it again")]
    WorkbookDamaged {
        /// Which part.
        part: &'static str,
        /// What the reading library says, where it says something.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A workbook behind a password.
    #[error("the workbook is encrypted with a password; remove the password and save it again")]
    WorkbookEncrypted,
    /// The sheet that was asked for does not exist.
    #[error("no sheet of that name; the workbook has: {}", names.join(", "))]
    SheetNotFound {
        /// The sheets that exist.
        names: Vec<String>,
    },
    /// Several sheets could be meant.
    #[error("several sheets hold records; choose one with the sheet option: {}", names.join(", "))]
    SheetAmbiguous {
        /// The sheets whose header was recognised.
        names: Vec<String>,
    },
    /// No row among the first ones is a header of a known layout.
    #[error("no known header in the first {rows} rows; compare the column titles with the template")]
    HeaderNotFound {
        /// How many rows were looked at.
        rows: usize,
    },
    /// The header is known, but columns that a record cannot do without are missing.
    #[error("{record_type} needs these columns, which the header lacks: {}", columns.join(", "))]
    ColumnsMissing {
        /// The type the header belongs to.
        record_type: RecordType,
        /// Chinese labels of the missing columns.
        columns: Vec<&'static str>,
    },
    /// Headers that nobody knows and that are nearly known ones. A file with a misspelt column would be imported without
    /// it.
    #[error(
        "{}; correct the header, or rename the column if it holds something else",
        columns.iter().map(|column| format!("column {} “{}” is nearly “{}”", column.letter, column.header, column.known)).collect::<Vec<_>>().join(", ")
    )]
    HeaderUnclear {
        /// Each such column.
        columns: Vec<UnclearColumn>,
    },
    /// Two columns mean the same field.
    #[error("columns {first} and {second} both mean {field}; remove or rename one")]
    ColumnTwice {
        /// Name of the field in the record.
        field: &'static str,
        /// Letter of the first column.
        first: String,
        /// Letter of the second column.
        second: String,
    },
}

/// A column whose header is nearly a known one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnclearColumn {
    /// Letters as spreadsheets show them.
    pub letter: String,
    /// The header as it stands in the file.
    pub header: String,
    /// The known header.
    pub known: &'static str,
}

impl ImportError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Read(_) | Self::Write(_) | Self::Scratch(_) => ErrorCode::Unavailable,
            Self::WorkbookWrite(_) => ErrorCode::Internal,
            Self::Empty
            | Self::NoRows
            | Self::UnsupportedFormat { .. }
            | Self::Utf16
            | Self::Undecodable { .. }
            | Self::UnclosedQuote { .. }
            | Self::WorkbookEncrypted
            | Self::SheetAmbiguous { .. }
            | Self::HeaderNotFound { .. }
            | Self::ColumnsMissing { .. }
            | Self::HeaderUnclear { .. }
            | Self::ColumnTwice { .. } => ErrorCode::Invalid,
            Self::TooLarge { .. } | Self::RowTooLarge { .. } | Self::ZipBomb { .. } => ErrorCode::TooLarge,
            Self::WorkbookDamaged { .. } => ErrorCode::Integrity,
            Self::SheetNotFound { .. } => ErrorCode::NotFound,
        }
    }
}
