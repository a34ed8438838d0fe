//! The rows that were not accepted, as a file to correct and import again: the original cells, a column that says what
//! is wrong, and one with the number of the row in the file it comes from.
//!
//! A file that comes back unchanged must be refused again. So a cell whose text nobody typed (the result of a formula,
//! a number without its last digits), and a cell that a short row lacks, is written as [`UNRELIABLE`].

use std::io::Write;

use rust_xlsxwriter::{Format, Workbook};

use crate::dialect::{ERROR_HEADER, Meaning, ROW_HEADER};
use crate::error::ImportError;
use crate::generate::csv_line;
use crate::importer::{ImportedRow, Layout};
use crate::issue::{IssueCode, RowIssue};
use crate::template::workbook_new;

/// Rows that a workbook of errors may hold; it is built in memory. CSV has no such limit.
pub const XLSX_ROWS: u32 = 50_000;
/// Bytes of the cells of such a workbook: 50,000 rows of ordinary length, of which few reach a kilobyte. Without it, rows of
/// the longest cells would come to gigabytes in memory.
const XLSX_BYTES: usize = 64 << 20;

/// What stands in a cell that has to be filled in anew: an error value, which every spreadsheet user reads as "not
/// available" and the importer refuses in every column.
pub const UNRELIABLE: &str = "#N/A";

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorFileFormat {
    /// CSV in UTF-8 with a byte order mark, which Excel and WPS open as UTF-8.
    CsvUtf8,
    /// A workbook with text cells only.
    Xlsx,
}

/// The language of the column of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorLanguage {
    /// Chinese.
    Chinese,
    /// English.
    English,
}

enum Target {
    Csv,
    Xlsx { workbook: Box<Workbook>, next: u32, bytes: usize },
}

/// An error file being written. Rows may hold personal data, as the imported file did.
pub struct ErrorFile<W> {
    out: W,
    target: Target,
    language: ErrorLanguage,
    /// How many columns the original header has.
    columns: usize,
    /// The columns of an earlier error file, which are left out.
    old: Vec<usize>,
}

impl<W: Write> ErrorFile<W> {
    /// Writes the header.
    pub fn new(
        layout: &Layout,
        format: ErrorFileFormat,
        language: ErrorLanguage,
        out: W,
    ) -> Result<Self, ImportError> {
        let target = match format {
            ErrorFileFormat::CsvUtf8 => Target::Csv,
            ErrorFileFormat::Xlsx => {
                let mut workbook = workbook_new()?;
                workbook.add_worksheet();
                Target::Xlsx { workbook: Box::new(workbook), next: 0, bytes: 0 }
            }
        };
        let is_old = |meaning| matches!(meaning, Some(Meaning::Errors | Meaning::OriginalRow));
        let columns = layout.columns.iter().enumerate();
        let old = columns.filter(|(_, column)| is_old(column.meaning)).map(|(index, _)| index).collect();
        let mut file = Self { out, target, language, columns: layout.columns.len(), old };
        if format == ErrorFileFormat::CsvUtf8 {
            file.out.write_all(&[0xEF, 0xBB, 0xBF]).map_err(ImportError::Write)?;
        }
        let header: Vec<&str> = layout.columns.iter().map(|column| &*column.header).collect();
        file.cells_write(&header, ERROR_HEADER, ROW_HEADER)?;
        Ok(file)
    }

    /// Adds a row if it was rejected; others are of no use here.
    pub fn row_add(&mut self, row: &ImportedRow) -> Result<(), ImportError> {
        if !row.is_rejected() {
            return Ok(());
        }
        let texts: Vec<String> = row.issues.iter().map(|issue| self.issue_text(issue)).collect();
        let mut cells: Vec<&str> = row.source.cells.iter().map(String::as_str).collect();
        for column in &row.unreliable {
            if let Some(cell) = cells.get_mut(*column) {
                *cell = UNRELIABLE;
            }
        }
        if row.issues.iter().any(|issue| issue.code == IssueCode::RaggedRow) && cells.len() < self.columns {
            cells.resize(self.columns, UNRELIABLE);
        }
        self.cells_write(&cells, &texts.join("\n"), &row.row.to_string())
    }

    /// Ends the file and gives the writer back.
    pub fn finish(mut self) -> Result<W, ImportError> {
        if let Target::Xlsx { workbook, .. } = &mut self.target {
            let bytes = workbook.save_to_buffer().map_err(ImportError::WorkbookWrite)?;
            self.out.write_all(&bytes).map_err(ImportError::Write)?;
        }
        self.out.flush().map_err(ImportError::Write)?;
        Ok(self.out)
    }

    fn issue_text(&self, issue: &RowIssue) -> String {
        let letter = issue.column.as_ref().map(|column| column.letter.as_str());
        match self.language {
            ErrorLanguage::Chinese => {
                let place = letter.map(|letter| format!("{letter} 列：")).unwrap_or_default();
                format!("{place}{}；{}", issue.message_zh(), issue.fix_zh())
            }
            ErrorLanguage::English => {
                let place = letter.map(|letter| format!("column {letter}: ")).unwrap_or_default();
                format!("{place}{}; {}", issue.message_en(), issue.fix_en())
            }
        }
    }

    /// Writes the original cells under their columns, then the errors and the row number. Cells that a ragged row has
    /// beyond the header follow those, so that nothing is lost and nothing shifts.
    fn cells_write(&mut self, cells: &[&str], errors: &str, row: &str) -> Result<(), ImportError> {
        let inside = (0..self.columns)
            .filter(|index| !self.old.contains(index))
            .map(|index| cells.get(index).copied().unwrap_or_default());
        let beyond = cells.iter().skip(self.columns).copied();
        let all: Vec<&str> = inside.chain([errors, row]).chain(beyond).collect();
        match &mut self.target {
            Target::Csv => {
                let guarded: Vec<String> = all.iter().map(|cell| formula_guard(cell)).collect();
                let line = csv_line(&guarded)?;
                self.out.write_all(line.as_bytes()).map_err(ImportError::Write)
            }
            Target::Xlsx { workbook, next, bytes } => {
                if *next > XLSX_ROWS {
                    return Err(ImportError::TooLarge {
                        what: "rows in a workbook of errors (choose CSV)",
                        limit: u64::from(XLSX_ROWS),
                    });
                }
                *bytes = bytes.saturating_add(all.iter().map(|cell| cell.len()).sum());
                if *bytes > XLSX_BYTES {
                    return Err(ImportError::TooLarge {
                        what: "bytes in a workbook of errors (choose CSV)",
                        limit: XLSX_BYTES as u64,
                    });
                }
                let text = Format::new().set_num_format("@");
                let sheet = workbook.worksheet_from_index(0).map_err(ImportError::WorkbookWrite)?;
                for (column, cell) in all.iter().enumerate() {
                    // Text cells are never formulas, whatever they begin with. A workbook cell holds 32,767
                    // characters; longer ones were refused as too long and are cut here.
                    let cell: String = cell.chars().take(32_767).collect();
                    let column = u16::try_from(column).unwrap_or(u16::MAX);
                    sheet
                        .write_string_with_format(*next, column, cell, &text)
                        .map_err(ImportError::WorkbookWrite)?;
                }
                *next += 1;
                Ok(())
            }
        }
    }
}

/// Characters that make a spreadsheet program take a CSV cell for a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Puts an apostrophe before a cell that a spreadsheet program would compute. A lone dash, which spells "nothing", is
/// harmless. [`formula_unguard`] takes it off again.
pub fn formula_guard(cell: &str) -> String {
    if cell.starts_with(FORMULA_STARTS) && cell.chars().count() > 1 {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// The cell as it was before [`formula_guard`].
pub fn formula_unguard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA_STARTS) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_and_come_back() {
        for (cell, guarded) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-5", "'-5"),
            ("-", "-"),
            ("——", "——"),
            ("示例", "示例"),
            ("'引文'", "'引文'"),
        ] {
            assert_eq!(formula_guard(cell), guarded);
            assert_eq!(formula_unguard(guarded), cell);
        }
    }
}
