//! Reads the files of other systems: encodings, CSV, XLSX, key dialects, row errors.
//!
//! A foreign file becomes checked [`RecordFields`](chengxin_schemas::record::RecordFields), row by row, beside the
//! untouched source row and a list of what is wrong with it. The crate signs and stores nothing, opens no file
//! itself, has no clock and knows no policy: category, severity and publicity periods are the caller's.
//!
//! Nothing is guessed. A value is read under a stated rule or refused by row, column, code and fix; a null spelling
//! is absent, never zero. No issue text or parameter repeats a cell, so a person's number cannot leak through one;
//! the two parameters that do, an authority's name of at most one digit and a day, can hold none.

pub mod cells;
mod csv_file;
pub mod dialect;
mod duplicate;
pub mod encoding;
pub mod error;
pub mod error_file;
pub mod format;
pub mod generate;
pub mod importer;
pub mod issue;
pub mod limits;
pub mod report;
mod row;
pub mod template;
pub mod texts;
pub mod value;
mod xlsx_file;
mod xml_scan;
mod zip_guard;

pub use error::ImportError;
pub use format::{FileFormat, format_detect};
pub use importer::{Exceptions, ImportOptions, ImportedRow, Importer, Layout, SourceRow};
pub use issue::{IssueCode, IssueSeverity, RowIssue};
pub use limits::ImportLimits;
pub use report::ImportReport;
