//! Opens a foreign file, recognises its layout and hands out its rows one by one.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use chengxin_schemas::digest::{Sha256, Sha256Stream};
use chengxin_schemas::record::RecordFields;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::Day;
use chengxin_schemas::unified_code::CheckException;

use crate::cells::Cells;
use crate::csv_file::{CsvFile, DELIMITERS};
use crate::dialect::{
    Column, Dialect, Header, TemplateVersion, header_is_repeated, header_read, header_type,
};
use crate::duplicate::{self, DuplicateSet, Repetition};
use crate::encoding::{TextEncoding, text_scan};
use crate::error::ImportError;
use crate::format::{FileFormat, HEAD_BYTES, format_detect};
use crate::issue::{ColumnReference, IssueCode, IssueSeverity, RowIssue};
use crate::limits::ImportLimits;
use crate::row::{RowMapper, SheetFacts};
use crate::xlsx_file::XlsxFile;

/// How many first rows are searched for the header: titles and notes stand above it in many files.
pub(crate) const HEADER_ROWS: usize = 10;
/// How many rows below the header a preview shows.
const PREVIEW_ROWS: usize = 5;

/// Codes that a named person accepted although their check character is wrong or they are resident numbers as well, by
/// sheet row or by code.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// For every code of a row.
    pub rows: BTreeMap<u64, CheckException>,
    /// For a code wherever it stands, in upper case.
    pub codes: BTreeMap<String, CheckException>,
}

impl Exceptions {
    pub(crate) fn find(&self, row: u64, code: &str) -> Option<&CheckException> {
        self.rows.get(&row).or_else(|| self.codes.get(code))
    }

    pub(crate) fn names_row(&self, row: u64) -> bool {
        self.rows.contains_key(&row)
    }
}

/// How to read a file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The type of the records; recognised from the header when absent.
    pub record_type: Option<RecordType>,
    /// Name of the sheet of a workbook; the one with a known header when absent.
    pub sheet: Option<String>,
    /// Codes accepted although their check character is wrong.
    pub exceptions: Exceptions,
    /// The present day: nothing was determined after it. Not looked at when absent.
    pub today: Option<Day>,
    /// Bounds on what the file may cost.
    pub limits: ImportLimits,
    /// Folder for scratch files of long files; the system's folder for temporary files when absent.
    pub scratch: Option<PathBuf>,
}

/// What was recognised before the first row: shown to a person for confirmation.
#[derive(Clone)]
pub struct Layout {
    /// CSV or XLSX.
    pub format: FileFormat,
    /// Encoding of a CSV file.
    pub encoding: Option<TextEncoding>,
    /// Delimiter of a CSV file.
    pub delimiter: Option<char>,
    /// Sheet of a workbook.
    pub sheet: Option<String>,
    /// The type of the records.
    pub record_type: RecordType,
    /// Whose names the columns carry.
    pub dialect: Dialect,
    /// Which column set it is.
    pub template: TemplateVersion,
    /// Sheet row of the header, counted from 1.
    pub header_row: u64,
    /// All columns in file order, with what they hold.
    pub columns: Vec<Column>,
    /// Warnings about the header: columns that no field corresponds to. They belong into the report of the import.
    pub issues: Vec<RowIssue>,
    /// The first rows below the header as they stand in the file. May hold personal data: show it to the importing
    /// person only.
    pub preview: Vec<Vec<String>>,
}

/// The preview may be personal.
impl std::fmt::Debug for Layout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Layout({}, {:?}, header in row {}, {} columns)",
            self.template.as_str(),
            self.dialect,
            self.header_row,
            self.columns.len()
        )
    }
}

/// The untouched row, to be kept beside the record (formats reference, ground rule 2).
#[derive(Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// Sheet row, counted from 1.
    pub row: u64,
    /// SHA-256 of the whole file.
    pub file: Sha256,
    /// The template the row follows.
    pub template: TemplateVersion,
    /// The cells as they stand in the file.
    pub cells: Vec<String>,
}

impl SourceRow {
    /// The cells as one canonical text: a JSON array of strings.
    pub fn to_text(&self) -> String {
        // Texts always serialise.
        serde_json::to_string(&self.cells).unwrap_or_default()
    }
}

/// Cells may be personal.
impl std::fmt::Debug for SourceRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SourceRow(row {}, {} cells)", self.row, self.cells.len())
    }
}

/// What came of one data row.
#[derive(Clone, Debug)]
pub struct ImportedRow {
    /// Sheet row, counted from 1.
    pub row: u64,
    /// The checked fields, with every required one; nothing for a row that is rejected or repeats an earlier one.
    pub fields: Option<RecordFields>,
    /// Whether the row is about an organisation; a person unless the row says so.
    pub subject_kind: SubjectKind,
    /// Who accepted a code whose check does not hold, or that is a resident number as well.
    pub exception: Option<CheckException>,
    /// What is wrong with the row, in column order.
    pub issues: Vec<RowIssue>,
    /// The row as it stands in the file.
    pub source: SourceRow,
    /// Columns of cells whose text is not what somebody typed: results of formulas, error values, numbers that have lost
    /// digits.
    pub unreliable: Vec<usize>,
    /// Digest of the duplicate key (document number and name, folded), to compare with records already held. Absent
    /// when a part of the key is missing.
    pub duplicate_key: Option<Sha256>,
    /// Cells that held a spelling of "nothing".
    pub nulls: u32,
}

impl ImportedRow {
    /// Whether an issue is an error. A row without fields that is not rejected repeats an earlier one.
    pub fn is_rejected(&self) -> bool {
        self.issues.iter().any(|issue| issue.severity == IssueSeverity::Error)
    }
}

/// A reader that can be rewound and moved to another thread.
pub(crate) trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}
pub(crate) type AnyReader = Box<dyn ReadSeek>;

/// Where rows come from.
enum Rows {
    Csv(Box<CsvFile<AnyReader>>),
    Xlsx(Box<XlsxFile>),
}

impl Rows {
    fn row_read(&mut self, cells: &mut Cells) -> Result<Option<u64>, ImportError> {
        match self {
            Self::Csv(file) => file.row_read(cells),
            Self::Xlsx(file) => file.row_read(cells),
        }
    }
}

/// A recognised file; iterate over it for its rows.
pub struct Importer {
    rows: Rows,
    layout: Layout,
    mapper: RowMapper,
    digest: Sha256,
    limits: ImportLimits,
    /// Rows read ahead for the preview.
    waiting: VecDeque<(u64, Cells)>,
    /// What ended the reading ahead; due after the waiting rows.
    fault: Option<ImportError>,
    seen: DuplicateSet,
    count: u64,
    cells: Cells,
    /// Nothing follows an error or the end.
    finished: bool,
}

impl Importer {
    /// Reads the file once for its digest and encoding, then its header.
    ///
    /// # Errors
    /// Everything that concerns the whole file: unknown format, encoding or layout, missing columns, a limit.
    pub fn open(
        reader: impl Read + Seek + Send + 'static,
        options: ImportOptions,
    ) -> Result<Self, ImportError> {
        let mut reader: AnyReader = Box::new(reader);
        let mut head = Vec::with_capacity(HEAD_BYTES);
        reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(ImportError::Read)?;
        reader.seek(SeekFrom::Start(0)).map_err(ImportError::Read)?;
        match format_detect(&head)? {
            FileFormat::Csv => Self::csv_open(reader, options),
            FileFormat::Xlsx => Self::xlsx_open(reader, options),
        }
    }

    fn csv_open(mut reader: AnyReader, options: ImportOptions) -> Result<Self, ImportError> {
        let scan = text_scan(&mut reader, options.limits.csv_bytes)?;
        let (reader, delimiter) = delimiter_find(reader, scan.encoding, &options)?;
        let mut rows = Rows::Csv(Box::new(CsvFile::new(reader, scan.encoding, delimiter, options.limits)?));
        let (header_row, header) = header_find(&mut rows, options.record_type)?;
        let layout = LayoutParts {
            format: FileFormat::Csv,
            encoding: Some(scan.encoding),
            delimiter: Some(char::from(delimiter)),
            sheet: None,
            header_row,
        };
        Self::start(rows, layout, header, SheetFacts::default(), scan.digest, options)
    }

    fn xlsx_open(mut reader: AnyReader, options: ImportOptions) -> Result<Self, ImportError> {
        let digest = file_digest(&mut reader, options.limits.xlsx_bytes)?;
        let file = XlsxFile::open(reader, options.sheet.as_deref(), options.record_type, options.limits)?;
        let facts = SheetFacts::of(&file);
        let sheet = Some(file.sheet.clone());
        let mut rows = Rows::Xlsx(Box::new(file));
        let (header_row, header) = header_find(&mut rows, options.record_type)?;
        let layout =
            LayoutParts { format: FileFormat::Xlsx, encoding: None, delimiter: None, sheet, header_row };
        Self::start(rows, layout, header, facts, digest, options)
    }

    fn start(
        rows: Rows,
        parts: LayoutParts,
        header: Header,
        facts: SheetFacts,
        digest: Sha256,
        options: ImportOptions,
    ) -> Result<Self, ImportError> {
        let issues = header
            .unmapped()
            .map(|(index, column)| {
                let column = Some(ColumnReference::new(index, &column.header));
                RowIssue::new(parts.header_row, column, IssueCode::UnmappedColumn, Vec::new())
            })
            .collect();
        let layout = Layout {
            format: parts.format,
            encoding: parts.encoding,
            delimiter: parts.delimiter,
            sheet: parts.sheet,
            record_type: header.record_type,
            dialect: header.dialect,
            template: header.template,
            header_row: parts.header_row,
            columns: header.columns.clone(),
            issues,
            preview: Vec::new(),
        };
        let scratch = options.scratch.unwrap_or_else(std::env::temp_dir);
        let mut importer = Self {
            rows,
            layout,
            mapper: RowMapper::new(header, options.exceptions, options.today, facts),
            digest,
            limits: options.limits,
            waiting: VecDeque::new(),
            fault: None,
            seen: DuplicateSet::new(options.limits.rows, scratch),
            count: 0,
            cells: Cells::default(),
            finished: false,
        };
        importer.preview_read();
        Ok(importer)
    }

    /// What was recognised.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// SHA-256 of the whole file.
    pub fn file_digest(&self) -> Sha256 {
        self.digest
    }

    /// Reads a few rows ahead. A fault there comes back when the rows themselves are asked for, so that the rows
    /// before it are still reported.
    fn preview_read(&mut self) {
        while self.waiting.len() < PREVIEW_ROWS {
            let mut cells = Cells::default();
            match self.data_row_read(&mut cells) {
                Ok(Some(row)) => {
                    self.layout.preview.push(cells.iter().map(str::to_owned).collect());
                    self.waiting.push_back((row, cells));
                }
                Ok(None) => break,
                Err(error) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
    }

    /// The next row that is neither blank nor a repetition of the header.
    fn data_row_read(&mut self, cells: &mut Cells) -> Result<Option<u64>, ImportError> {
        while let Some(row) = self.rows.row_read(cells)? {
            if cells.is_blank() || self.is_header_again(cells) {
                continue;
            }
            return Ok(Some(row));
        }
        Ok(None)
    }

    /// Files put together from several, and templates with a row of keys above a row of labels, repeat the header.
    fn is_header_again(&self, cells: &Cells) -> bool {
        header_is_repeated(cells, self.mapper.record_type())
    }

    fn row_import(&mut self, row: u64, cells: &Cells) -> Result<ImportedRow, ImportError> {
        let mut mapped = self.mapper.row_map(row, cells);
        let key = duplicate::duplicate_key(&mapped.fields);
        let rejected = mapped.issues.iter().any(|issue| issue.severity == IssueSeverity::Error);
        let mut fields = (!rejected).then_some(mapped.fields);
        if let (Some(key), Some(accepted)) = (key, &fields) {
            let repeated = match self.seen.row_add(row, key, duplicate::content_digest(accepted))? {
                Repetition::New => None,
                Repetition::Identical(first) => Some((IssueCode::DuplicateIdentical, first)),
                Repetition::Different(first) => Some((IssueCode::DuplicateDifferent, first)),
            };
            if let Some((code, first)) = repeated {
                mapped.issues.push(RowIssue::new(row, None, code, vec![("first_row", first.to_string())]));
                fields = None;
            }
        }
        Ok(ImportedRow {
            row,
            fields,
            subject_kind: mapped.subject_kind,
            exception: mapped.exception,
            issues: mapped.issues,
            source: SourceRow {
                row,
                file: self.digest,
                template: self.layout.template,
                cells: cells.iter().map(str::to_owned).collect(),
            },
            unreliable: cells.unreliable(),
            duplicate_key: key,
            nulls: mapped.nulls,
        })
    }

    fn next_import(&mut self) -> Result<Option<ImportedRow>, ImportError> {
        let mut cells = std::mem::take(&mut self.cells);
        let row = match self.waiting.pop_front() {
            Some((row, waiting)) => {
                cells = waiting;
                Some(row)
            }
            None => match self.fault.take() {
                Some(error) => return Err(error),
                None => self.data_row_read(&mut cells)?,
            },
        };
        let Some(row) = row else {
            return if self.count == 0 { Err(ImportError::NoRows) } else { Ok(None) };
        };
        self.count += 1;
        if self.count > self.limits.rows {
            return Err(ImportError::TooLarge { what: "data rows", limit: self.limits.rows });
        }
        let imported = self.row_import(row, &cells)?;
        self.cells = cells;
        Ok(Some(imported))
    }
}

/// Rows in file order. The first error of the whole file ends it; errors of rows are issues of the rows.
impl Iterator for Importer {
    type Item = Result<ImportedRow, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = self.next_import().transpose();
        self.finished = !matches!(next, Some(Ok(_)));
        next
    }
}

/// SHA-256 of the whole file, which is then rewound.
fn file_digest(reader: &mut AnyReader, limit: u64) -> Result<Sha256, ImportError> {
    let mut digest = Sha256Stream::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut length = 0_u64;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length = length.saturating_add(count as u64);
                if length > limit {
                    return Err(ImportError::TooLarge { what: "bytes of an XLSX file", limit });
                }
                digest.update(&buffer[..count]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImportError::Read(error)),
        }
    }
    reader.seek(SeekFrom::Start(0)).map_err(ImportError::Read)?;
    Ok(digest.finish())
}

struct LayoutParts {
    format: FileFormat,
    encoding: Option<TextEncoding>,
    delimiter: Option<char>,
    sheet: Option<String>,
    header_row: u64,
}

/// Takes the delimiter under which most headers are known. A file whose header nobody knows is read with commas, and
/// the search for the header then says so.
fn delimiter_find(
    mut reader: AnyReader,
    encoding: TextEncoding,
    options: &ImportOptions,
) -> Result<(AnyReader, u8), ImportError> {
    let mut best = (0, DELIMITERS[0]);
    for delimiter in DELIMITERS {
        let mut file = CsvFile::new(reader, encoding, delimiter, options.limits)?;
        let mut cells = Cells::default();
        for _ in 0..HEADER_ROWS {
            // A fault in the first rows is reported by the reading that follows, under the chosen delimiter.
            let Ok(Some(_)) = file.row_read(&mut cells) else { break };
            if let Some((_, score)) = header_type(&cells, options.record_type)
                && score > best.0
            {
                best = (score, delimiter);
            }
        }
        reader = file.into_reader();
    }
    Ok((reader, best.1))
}

/// The first row that is a header, with its sheet row. A row whose required columns are incomplete or misspelt is the
/// header only if no later row is better.
fn header_find(rows: &mut Rows, wanted: Option<RecordType>) -> Result<(u64, Header), ImportError> {
    let mut cells = Cells::default();
    let mut incomplete = None;
    for _ in 0..HEADER_ROWS {
        let Some(row) = rows.row_read(&mut cells)? else { break };
        let Some((record_type, _)) = header_type(&cells, wanted) else { continue };
        match header_read(&cells, record_type) {
            Ok(header) => return Ok((row, header)),
            Err(error @ (ImportError::ColumnsMissing { .. } | ImportError::HeaderUnclear { .. })) => {
                incomplete = incomplete.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    Err(incomplete.unwrap_or(ImportError::HeaderNotFound { rows: HEADER_ROWS }))
}
