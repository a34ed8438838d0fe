//! Empty files to fill in, under the headers of the national template.

use std::io::Write;

use chengxin_schemas::record_type::{FieldDefinition, FieldKind, RecordType};
use rust_xlsxwriter::{
    DataValidation, DataValidationErrorStyle, DocProperties, ExcelDateTime, Format, Note, Workbook, Worksheet,
};

use crate::dialect::template_headers;
use crate::error::ImportError;
use crate::generate::csv_line;

/// Rows below the header that get drop-downs: a department's file, with room.
const PREPARED_ROWS: u32 = 5000;

/// Values offered in a drop-down. They are offers: a cell may hold several kinds, or another document.
fn choices(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "subject_category" => &["法人及非法人组织", "自然人", "个体工商户"],
        "person_document_type" | "legal_representative_document_type" => {
            &["身份证", "护照号", "港澳居民来往内地通行证", "台湾居民来往大陆通行证", "外国人永久居留身份证"]
        }
        "penalty_kinds" => &[
            "警告",
            "罚款",
            "没收违法所得",
            "没收非法财物",
            "责令停产停业",
            "暂扣或者吊销许可证",
            "行政拘留",
            "其他",
        ],
        "performance_state" => &["全部未履行", "部分未履行", "全部履行"],
        _ => return None,
    })
}

/// What to write into a field, in Chinese.
fn form_chinese(definition: &FieldDefinition) -> String {
    match definition.kind {
        FieldKind::Text(limit) => format!("文本，最多 {limit} 字"),
        FieldKind::TextList => "文本，多项之间用顿号（、）分隔".to_owned(),
        FieldKind::UnifiedCode => "18 位统一社会信用代码，文本格式；没有的留空".to_owned(),
        FieldKind::PersonNumber => "证件号码，文本格式".to_owned(),
        FieldKind::Day => "日期，如 2026-05-04".to_owned(),
        FieldKind::PeriodEnd => "日期，如 2026-05-04；长期填 2099-12-31".to_owned(),
        FieldKind::Yuan => "数字，单位见列名；未知留空，不填 0".to_owned(),
    }
}

/// What to write into a field, in English.
fn form_english(definition: &FieldDefinition) -> String {
    match definition.kind {
        FieldKind::Text(limit) => format!("text of at most {limit} characters"),
        FieldKind::TextList => "text; separate several with 、".to_owned(),
        FieldKind::UnifiedCode => {
            "unified social credit code of 18 characters, as text; empty if none".to_owned()
        }
        FieldKind::PersonNumber => "document number, as text".to_owned(),
        FieldKind::Day => "date such as 2026-05-04".to_owned(),
        FieldKind::PeriodEnd => "date such as 2026-05-04; 2099-12-31 for no end".to_owned(),
        FieldKind::Yuan => "number in the unit of the header; empty if unknown, never 0".to_owned(),
    }
}

/// A workbook without the present time in its properties: the same content is the same bytes.
pub(crate) fn workbook_new() -> Result<Workbook, ImportError> {
    let mut workbook = Workbook::new();
    let date = ExcelDateTime::from_ymd(2026, 1, 1).map_err(ImportError::WorkbookWrite)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&date));
    Ok(workbook)
}

/// Writes an empty workbook for a record type: one sheet to fill in, with text-formatted columns, drop-downs and
/// notes, and one that explains it.
pub fn template_xlsx_write(record_type: RecordType, mut out: impl Write) -> Result<(), ImportError> {
    let mut workbook = workbook_new()?;
    records_sheet(workbook.add_worksheet(), record_type).map_err(ImportError::WorkbookWrite)?;
    notes_sheet(workbook.add_worksheet(), record_type).map_err(ImportError::WorkbookWrite)?;
    let bytes = workbook.save_to_buffer().map_err(ImportError::WorkbookWrite)?;
    out.write_all(&bytes).map_err(ImportError::Write)
}

/// Writes the header alone as CSV in UTF-8 with a byte order mark.
pub fn template_csv_write(record_type: RecordType, mut out: impl Write) -> Result<(), ImportError> {
    let headers: Vec<&str> = template_headers(record_type).iter().map(|(_, header)| *header).collect();
    out.write_all(&[0xEF, 0xBB, 0xBF]).map_err(ImportError::Write)?;
    out.write_all(csv_line(&headers)?.as_bytes()).map_err(ImportError::Write)
}

fn records_sheet(sheet: &mut Worksheet, record_type: RecordType) -> Result<(), rust_xlsxwriter::XlsxError> {
    let text = Format::new().set_num_format("@");
    let required = Format::new().set_bold().set_background_color(0x00FF_F2CC).set_text_wrap();
    let optional = Format::new().set_bold().set_background_color(0x00DD_EBF7).set_text_wrap();
    sheet.set_name(record_type.chinese())?;
    sheet.set_freeze_panes(1, 0)?;
    for (index, (name, header)) in template_headers(record_type).iter().enumerate() {
        let Ok((_, definition)) = record_type.field(name) else { continue };
        let column = u16::try_from(index).unwrap_or(u16::MAX);
        // Amounts are numbers; everything else is text, so that no program changes codes, dates or document numbers.
        if definition.kind != FieldKind::Yuan {
            sheet.set_column_format(column, &text)?;
        }
        sheet.set_column_width(column, 22)?;
        sheet.write_string_with_format(
            0,
            column,
            *header,
            if definition.required { &required } else { &optional },
        )?;
        let must = if definition.required { "必填 required" } else { "选填 optional" };
        let note = format!("{must}\n{}\n{}", form_chinese(definition), form_english(definition));
        sheet.insert_note(0, column, &Note::new(note).set_author("").set_width(260).set_height(110))?;
        if let Some(choices) = choices(name) {
            let validation = DataValidation::new()
                .allow_list_strings(choices)?
                .set_error_style(DataValidationErrorStyle::Information);
            sheet.add_data_validation(1, column, PREPARED_ROWS, column, &validation)?;
        }
    }
    Ok(())
}

fn notes_sheet(sheet: &mut Worksheet, record_type: RecordType) -> Result<(), rust_xlsxwriter::XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_name("填写说明")?;
    for (column, width) in [(0, 44), (1, 10), (2, 44), (3, 60)] {
        sheet.set_column_width(column, width)?;
    }
    let lines = [
        "从第 2 行起每行填写一条记录，不改动列名，不合并单元格，不使用公式。",
        "One record per row from row 2. Keep the headers; no merged cells, no formulas.",
        "代码、证件号码、日期列已设为文本格式，请勿改为数字格式，否则长号码的末几位会丢失。",
        "Columns of codes, numbers and dates are text. As numbers, long codes lose their last digits.",
        "未知的金额留空，不填 0。没有统一社会信用代码的留空，不填占位的 0。",
        "Leave unknown amounts and codes empty; never fill in zeros.",
    ];
    let mut row = 0;
    for line in lines {
        sheet.write_string(row, 0, line)?;
        row += 1;
    }
    row += 1;
    for (column, title) in ["栏目 field", "必填 required", "填写要求", "form"].into_iter().enumerate()
    {
        sheet.write_string_with_format(row, u16::try_from(column).unwrap_or(u16::MAX), title, &bold)?;
    }
    for (name, header) in template_headers(record_type) {
        let Ok((_, definition)) = record_type.field(name) else { continue };
        row += 1;
        sheet.write_string(row, 0, *header)?;
        sheet.write_string(row, 1, if definition.required { "是 yes" } else { "" })?;
        sheet.write_string(row, 2, form_chinese(definition))?;
        sheet.write_string(row, 3, form_english(definition))?;
    }
    Ok(())
}
