//! Rows of a workbook's sheet, one at a time.
//!
//! The spreadsheet library's row reader borrows the open workbook, so the two live together on a thread of their own
//! and rows come over in small batches through a bounded channel. Dropping the file closes the channel, which ends the
//! thread; the drop waits for that.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use chengxin_schemas::record_type::RecordType;

use crate::cells::{CellKind, Cells};
use crate::dialect::header_type;
use crate::error::ImportError;
use crate::importer::{AnyReader, HEADER_ROWS};
use crate::limits::ImportLimits;
use crate::value::date::{serial_date, serial_split};
use crate::zip_guard::{BudgetReader, SheetNotes, damaged, workbook_check};

/// Rows per message, and messages waiting: a few hundred rows between the threads.
const BATCH_ROWS: usize = 64;
const BATCHES: usize = 4;
/// A batch is sent early when its text reaches this size.
const BATCH_BYTES: usize = 256 * 1024;
/// Sheets whose first rows are looked at.
const SHEETS: usize = 64;

type Batch = Result<Vec<(u64, Cells)>, ImportError>;

/// A sheet at some row.
pub(crate) struct XlsxFile {
    /// Name of the sheet.
    pub(crate) sheet: String,
    /// Whether the workbook counts days from 1904.
    pub(crate) epoch_1904: bool,
    /// What the sheet hides from a streaming reader.
    pub(crate) notes: SheetNotes,
    receiver: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
    batch: std::vec::IntoIter<(u64, Cells)>,
}

impl XlsxFile {
    /// Checks the archive, chooses the sheet and starts to read it.
    pub(crate) fn open(
        reader: AnyReader,
        wanted_sheet: Option<&str>,
        wanted_type: Option<RecordType>,
        limits: ImportLimits,
    ) -> Result<Self, ImportError> {
        let (reader, notes) = workbook_check(reader, &limits)?;
        let (reader, budget) = BudgetReader::new(reader);
        // The guard has parsed the same directory within the same budget.
        budget.store(u64::MAX, Ordering::Relaxed);
        let mut workbook: Xlsx<BudgetReader> =
            Xlsx::new(reader).map_err(|error| workbook_error("workbook", error))?;
        let index = sheet_choose(&mut workbook, wanted_sheet, wanted_type, &limits)?;
        let sheet = workbook.sheet_names().get(index).cloned().unwrap_or_default();
        let epoch_1904 = workbook.has_1904_epoch();
        let (sender, receiver) = sync_channel(BATCHES);
        let name = sheet.clone();
        let thread = std::thread::Builder::new()
            .name("import-xlsx".to_owned())
            .spawn(move || sheet_send(&mut workbook, &name, &limits, &sender))
            .map_err(ImportError::Read)?;
        Ok(Self {
            sheet,
            epoch_1904,
            notes: notes.sheet(index),
            receiver: Some(receiver),
            thread: Some(thread),
            batch: Vec::new().into_iter(),
        })
    }

    /// Reads the next row that has a cell; its sheet row, or nothing at the end.
    pub(crate) fn row_read(&mut self, cells: &mut Cells) -> Result<Option<u64>, ImportError> {
        loop {
            if let Some((row, next)) = self.batch.next() {
                *cells = next;
                return Ok(Some(row));
            }
            let Some(receiver) = &self.receiver else { return Ok(None) };
            match receiver.recv() {
                Ok(batch) => self.batch = batch?.into_iter(),
                // The sender is gone: the sheet is at its end, unless its thread broke down.
                Err(_) => {
                    self.receiver = None;
                    if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
                        return Err(ImportError::WorkbookDamaged { part: "sheet", source: None });
                    }
                }
            }
        }
    }
}

impl Drop for XlsxFile {
    fn drop(&mut self) {
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            // A breakdown of the thread after the last row that was wanted concerns nobody.
            let _ = thread.join();
        }
    }
}

/// The sheet that is meant: by name, or the only visible one with a known header.
fn sheet_choose(
    workbook: &mut Xlsx<BudgetReader>,
    wanted: Option<&str>,
    record_type: Option<RecordType>,
    limits: &ImportLimits,
) -> Result<usize, ImportError> {
    let sheets: Vec<_> = workbook.sheets_metadata().to_vec();
    if let Some(wanted) = wanted {
        return sheets.iter().position(|sheet| sheet.name == wanted).ok_or_else(|| {
            ImportError::SheetNotFound {
                names: sheets.iter().take(SHEETS).map(|sheet| sheet.name.clone()).collect(),
            }
        });
    }
    let mut found = Vec::new();
    // A sheet that cannot be read (side calculations in far columns) is not the one that is meant, unless none is.
    let mut fault = None;
    for (index, sheet) in sheets.iter().enumerate().take(SHEETS) {
        if sheet.typ != SheetType::WorkSheet || sheet.visible != SheetVisible::Visible {
            continue;
        }
        match sheet_has_header(workbook, &sheet.name, record_type, limits) {
            Ok(true) => found.push((index, sheet.name.clone())),
            Ok(false) => {}
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    match &found[..] {
        [] => Err(fault.unwrap_or(ImportError::HeaderNotFound { rows: HEADER_ROWS })),
        [(index, _)] => Ok(*index),
        _ => Err(ImportError::SheetAmbiguous { names: found.into_iter().map(|(_, name)| name).collect() }),
    }
}

/// Whether one of the sheet's first rows is a known header.
fn sheet_has_header(
    workbook: &mut Xlsx<BudgetReader>,
    sheet: &str,
    record_type: Option<RecordType>,
    limits: &ImportLimits,
) -> Result<bool, ImportError> {
    let mut reader = SheetReader::new(workbook, sheet, limits)?;
    let mut cells = Cells::default();
    for _ in 0..HEADER_ROWS {
        if reader.row_read(&mut cells)?.is_none() {
            return Ok(false);
        }
        if header_type(&cells, record_type).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The work of the thread: sends the rows of the sheet until its end, an error, or nobody listens.
fn sheet_send(
    workbook: &mut Xlsx<BudgetReader>,
    sheet: &str,
    limits: &ImportLimits,
    sender: &SyncSender<Batch>,
) {
    let mut reader = match SheetReader::new(workbook, sheet, limits) {
        Ok(reader) => reader,
        Err(error) => {
            // A closed channel means that the importer is gone, here and below.
            let _ = sender.send(Err(error));
            return;
        }
    };
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    let mut bytes = 0;
    loop {
        let mut cells = Cells::default();
        match reader.row_read(&mut cells) {
            Ok(Some(row)) => {
                bytes += cells.text_len();
                batch.push((row, cells));
                if batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
                    continue;
                }
                bytes = 0;
                if sender.send(Ok(std::mem::take(&mut batch))).is_err() {
                    return;
                }
            }
            Ok(None) => {
                let _ = sender.send(Ok(batch));
                return;
            }
            Err(error) => {
                if sender.send(Ok(batch)).is_ok() {
                    let _ = sender.send(Err(error));
                }
                return;
            }
        }
    }
}

/// Puts the library's cells together to rows.
struct SheetReader<'a> {
    cells: calamine::XlsxCellReader<'a, BudgetReader>,
    epoch_1904: bool,
    /// A cell that belongs to the row after the present one.
    ahead: Option<SheetCell<'a>>,
    row: Option<u32>,
    /// The library must not be asked again after the end of the sheet.
    ended: bool,
    limits: ImportLimits,
}

struct SheetCell<'a> {
    row: u32,
    column: usize,
    value: DataRef<'a>,
    formula: bool,
}

impl<'a> SheetReader<'a> {
    fn new(
        workbook: &'a mut Xlsx<BudgetReader>,
        sheet: &str,
        limits: &ImportLimits,
    ) -> Result<Self, ImportError> {
        let epoch_1904 = workbook.has_1904_epoch();
        let cells = workbook.worksheet_cells_reader(sheet).map_err(|error| workbook_error("sheet", error))?;
        Ok(Self { cells, epoch_1904, ahead: None, row: None, ended: false, limits: *limits })
    }

    fn cell_read(&mut self) -> Result<Option<SheetCell<'a>>, ImportError> {
        if let Some(cell) = self.ahead.take() {
            return Ok(Some(cell));
        }
        if self.ended {
            return Ok(None);
        }
        let record =
            self.cells.next_cell_with_formula_metadata().map_err(|error| workbook_error("sheet", error))?;
        self.ended = record.is_none();
        Ok(record.map(|record| SheetCell {
            row: record.pos.0,
            column: record.pos.1 as usize,
            value: record.value,
            formula: record.formula.is_some(),
        }))
    }

    /// The next row with a cell that is not empty, counted from 1.
    fn row_read(&mut self, cells: &mut Cells) -> Result<Option<u64>, ImportError> {
        cells.clear();
        let mut current = None;
        while let Some(cell) = self.cell_read()? {
            if cell.value == DataRef::Empty && !cell.formula {
                continue;
            }
            match current {
                None => {
                    // Programs write rows and cells in order; anything else is a file made by hand.
                    if self.row.is_some_and(|last| cell.row <= last) {
                        return Err(ImportError::WorkbookDamaged { part: "row order", source: None });
                    }
                    current = Some(cell.row);
                    self.row = current;
                }
                Some(row) if row != cell.row => {
                    self.ahead = Some(cell);
                    break;
                }
                Some(_) => {}
            }
            self.cell_push(cells, &cell)?;
        }
        Ok(current.map(|row| u64::from(row) + 1))
    }

    fn cell_push(&self, cells: &mut Cells, cell: &SheetCell<'_>) -> Result<(), ImportError> {
        if cell.column >= self.limits.columns {
            return Err(ImportError::TooLarge { what: "columns", limit: self.limits.columns as u64 });
        }
        if cell.column < cells.len() {
            return Err(ImportError::WorkbookDamaged { part: "cell order", source: None });
        }
        while cells.len() < cell.column {
            cells.push("");
        }
        let (text, kind) = value_read(&cell.value, self.epoch_1904);
        match if cell.formula { Some(CellKind::Formula) } else { kind } {
            Some(kind) => cells.push_kind(&text, kind),
            None => cells.push(&text),
        }
        if cells.text_len() > self.limits.row_bytes {
            return Err(ImportError::RowTooLarge {
                row: u64::from(cell.row) + 1,
                limit: self.limits.row_bytes as u64,
            });
        }
        Ok(())
    }
}

/// The text of a cell, and what the text alone does not tell.
fn value_read(value: &DataRef<'_>, epoch_1904: bool) -> (String, Option<CellKind>) {
    match value {
        DataRef::Empty => (String::new(), None),
        DataRef::String(text) => (text.clone(), None),
        DataRef::SharedString(text) => ((*text).to_owned(), None),
        DataRef::Bool(true) => ("TRUE".to_owned(), None),
        DataRef::Bool(false) => ("FALSE".to_owned(), None),
        DataRef::Int(number) => (number.to_string(), Some(CellKind::Number(*number as f64))),
        DataRef::Float(number) => (number_text(*number), Some(CellKind::Number(*number))),
        DataRef::DateTime(moment) => {
            let serial = moment.as_f64();
            match serial_date(serial, epoch_1904) {
                Ok(read) if moment.is_datetime() => {
                    let mut text = read.date.to_string();
                    let (_, seconds) = serial_split(serial);
                    if seconds > 0 {
                        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                        text.push_str(&format!(" {hour:02}:{minute:02}:{second:02}"));
                    }
                    (text, Some(CellKind::Date))
                }
                Ok(_) | Err(_) => (number_text(serial), Some(CellKind::Number(serial))),
            }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => (text.clone(), Some(CellKind::Date)),
        DataRef::Error(error) => (error.to_string(), Some(CellKind::Error)),
    }
}

/// A number as Excel shows it: 15 significant digits, so that 0.1 + 0.2 is 0.3, and no exponent.
fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs().log10().floor();
    // Between -308 and 308 by the checks above.
    let decimals = (14.0 - magnitude).clamp(0.0, 30.0) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The library's error as ours. Its own text is kept only where it cannot repeat a cell.
fn workbook_error(part: &'static str, error: XlsxError) -> ImportError {
    match error {
        XlsxError::Password => ImportError::WorkbookEncrypted,
        XlsxError::Io(_) | XlsxError::Zip(_) | XlsxError::Xml(_) | XlsxError::XmlEof(_) => {
            damaged(part, error)
        }
        _ => ImportError::WorkbookDamaged { part, source: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_excel_shows_them() {
        for (number, text) in [
            (0.1 + 0.2, "0.3"),
            (5.0, "5"),
            (1234.5, "1234.5"),
            (0.000001, "0.000001"),
            (-2.5, "-2.5"),
            (3202912025.0, "3202912025"),
            (123456789012345.0, "123456789012345"),
            (0.0, "0"),
        ] {
            assert_eq!(number_text(number), text);
        }
        assert_eq!(number_text(f64::NAN), "");
        assert!(number_text(f64::MAX).len() < 400);
        assert!(number_text(f64::MIN_POSITIVE).len() < 40);
    }
}
