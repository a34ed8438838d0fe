//! The one place where tests call the importer.

use std::io::Cursor;

use chengxin_import::{ImportError, ImportOptions, ImportReport, ImportedRow, Importer};

/// A valid organisation code of published test data.
pub(crate) const CODE: &str = "91320100748204660Q";

/// Everything that comes of a file.
pub(crate) struct Outcome {
    pub(crate) rows: Vec<ImportedRow>,
    pub(crate) report: ImportReport,
    pub(crate) failure: Option<ImportError>,
}

pub(crate) fn import(bytes: Vec<u8>, options: ImportOptions) -> Result<Outcome, ImportError> {
    let importer = Importer::open(Cursor::new(bytes), options)?;
    let mut outcome = Outcome { rows: Vec::new(), report: ImportReport::default(), failure: None };
    for row in importer {
        match row {
            Ok(row) => {
                outcome.report.row_add(&row);
                outcome.rows.push(row);
            }
            Err(error) => outcome.failure = Some(error),
        }
    }
    Ok(outcome)
}

/// A penalty row as columns to values, with what every valid row has.
pub(crate) struct PenaltyRow(pub(crate) Vec<(&'static str, String)>);

impl PenaltyRow {
    pub(crate) fn new() -> Self {
        Self(
            [
                ("行政相对人名称", "示例建设有限公司"),
                ("行政相对人代码_1(统一社会信用代码)", CODE),
                ("行政处罚决定书文号", "示市监罚〔2026〕1号"),
                ("处罚类别", "罚款"),
                ("罚款金额(万元)", "5"),
                ("处罚决定日期", "2026/05/04"),
                ("处罚机关", "示例市市场监督管理局"),
                ("数据来源单位", "示例市市场监督管理局"),
            ]
            .map(|(header, value)| (header, value.to_owned()))
            .to_vec(),
        )
    }

    /// Replaces a value, or adds a column.
    pub(crate) fn with(mut self, header: &'static str, value: &str) -> Self {
        match self.0.iter_mut().find(|(known, _)| *known == header) {
            Some((_, place)) => *place = value.to_owned(),
            None => self.0.push((header, value.to_owned())),
        }
        self
    }

    /// Renames a column.
    pub(crate) fn renamed(mut self, header: &'static str, new: &'static str) -> Self {
        self.0.iter_mut().filter(|(known, _)| *known == header).for_each(|(known, _)| *known = new);
        self
    }

    pub(crate) fn headers(&self) -> Vec<&'static str> {
        self.0.iter().map(|(header, _)| *header).collect()
    }

    pub(crate) fn values(&self) -> Vec<&str> {
        self.0.iter().map(|(_, value)| value.as_str()).collect()
    }
}

/// Writes rows as CSV with the csv crate, so that quoting is not this project's own.
pub(crate) fn csv(rows: &[Vec<&str>]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    rows.iter().for_each(|row| writer.write_record(row).expect("record"));
    writer.into_inner().expect("memory")
}

/// Imports rows of the same columns.
pub(crate) fn import_rows(rows: &[PenaltyRow]) -> Outcome {
    let mut table = vec![rows[0].headers()];
    table.extend(rows.iter().map(PenaltyRow::values));
    import(csv(&table), ImportOptions::default()).expect("a known header")
}

/// Codes of the issues of a row, in order.
pub(crate) fn codes(row: &ImportedRow) -> Vec<&'static str> {
    row.issues.iter().map(|issue| issue.code.as_str()).collect()
}

/// A workbook of one sheet with these text cells, changed by `change` before it is saved.
pub(crate) fn xlsx(rows: &[Vec<&str>], change: impl FnOnce(&mut rust_xlsxwriter::Worksheet)) -> Vec<u8> {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet_fill(sheet, rows);
    change(sheet);
    workbook.save_to_buffer().expect("workbook")
}

/// Writes text cells from A1.
pub(crate) fn sheet_fill(sheet: &mut rust_xlsxwriter::Worksheet, rows: &[Vec<&str>]) {
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            sheet.write_string(row as u32, column as u16, *cell).expect("cell");
        }
    }
}

/// A workbook with the parts of another, each changed by `change`, which sees its name and content.
pub(crate) fn xlsx_rewrite(bytes: &[u8], mut change: impl FnMut(&str, Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("zip");
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("entry");
        let name = entry.name().expect("name").into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        writer.start_file(name.clone(), zip::write::SimpleFileOptions::default()).expect("entry");
        writer.write_all(&change(&name, content)).expect("content");
    }
    writer.finish().expect("zip").into_inner()
}
