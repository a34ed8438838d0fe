//! What only workbooks have: cell types, formulas, sheets, hidden rows, merged areas.

use chengxin_import::{ImportError, ImportOptions};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};

use crate::support::{CODE, PenaltyRow, codes, import, sheet_fill, xlsx, xlsx_rewrite};

const DATE_COLUMN: u16 = 5;

fn table(row: &PenaltyRow) -> Vec<Vec<&str>> {
    vec![row.headers(), row.values()]
}

fn check(bytes: Vec<u8>, expected: &[&str], field: &str, value: Option<&str>) {
    let outcome = import(bytes, ImportOptions::default()).expect("header");
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    let row = &outcome.rows[0];
    assert_eq!(codes(row), expected);
    let actual = row.fields.as_ref().and_then(|fields| fields.value(field)).map(|value| value.to_text());
    assert_eq!(actual.as_deref(), value);
}

#[test]
fn text_cells_read_like_csv() {
    check(xlsx(&table(&PenaltyRow::new()), |_| ()), &[], "subject_code", Some(CODE));
}

#[test]
fn numbers_dates_and_booleans_keep_their_meaning() {
    let row = PenaltyRow::new();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    let number = |column: u16, number: f64| {
        xlsx(&table(&row), |sheet| {
            sheet.write_number(1, column, number).expect("cell");
        })
    };
    check(number(4, 0.1 + 0.2), &[], "fine", Some("3000.00"));
    check(number(DATE_COLUMN, 46146.0), &[], "decision_date", Some("2026-05-04"));
    // Not a date, although a spreadsheet program would find one: 2026 is a day of 1905.
    for typed in [2026.0, 2026.5, 5.4, 1.0, 9999.0, -46146.0, 100_000.0] {
        check(number(DATE_COLUMN, typed), &["date_form"], "decision_date", None);
    }
    check(number(DATE_COLUMN, 20_260_504.0), &[], "decision_date", Some("2026-05-04"));
    check(number(2, 3_202_912_025.0), &[], "decision_number", Some("3202912025"));
    check(number(1, 911_101_080_000_000_000.0), &["number_lost_digits"], "subject_code", None);
    let dated = xlsx(&table(&row), |sheet| {
        let day = ExcelDateTime::from_ymd(2026, 5, 4).expect("day");
        sheet.write_datetime_with_format(1, DATE_COLUMN, &day, &date).expect("cell");
    });
    check(dated.clone(), &[], "decision_date", Some("2026-05-04"));
    // The same serial number in a workbook that counts from 1904 is 1462 days later.
    let later = xlsx_rewrite(&dated, |name, content| match name {
        "xl/workbook.xml" => String::from_utf8(content)
            .expect("xml")
            .replace("<workbookPr ", "<workbookPr date1904=\"1\" ")
            .into_bytes(),
        _ => content,
    });
    check(later, &[], "decision_date", Some("2030-05-05"));
    let turned = xlsx(&table(&row), |sheet| {
        let day = ExcelDateTime::from_ymd(2026, 5, 1).expect("day");
        sheet.write_datetime_with_format(1, 2, &day, &date).expect("cell");
    });
    check(turned, &["date_in_text_column"], "decision_number", Some("2026-05-01"));
    let timed = xlsx(&table(&row), |sheet| {
        let day = ExcelDateTime::from_ymd(2026, 5, 4).expect("day").and_hms(9, 30, 0).expect("time");
        sheet.write_datetime_with_format(1, DATE_COLUMN, &day, &date).expect("cell");
    });
    check(timed, &["time_of_day_dropped"], "decision_date", Some("2026-05-04"));
    // The last half second of a day is shown as the next one.
    let late = xlsx(&table(&row), |sheet| {
        sheet.write_number_with_format(1, DATE_COLUMN, 46_145.999_998, &date).expect("cell");
    });
    check(late, &[], "decision_date", Some("2026-05-04"));
}

#[test]
fn formulas_and_error_values_are_refused_by_name() {
    let row = PenaltyRow::new();
    let formula = xlsx(&table(&row), |sheet| {
        sheet.write_formula(1, 4, Formula::new("=1+1").set_result("2")).expect("cell");
    });
    let outcome = import(formula, ImportOptions::default()).expect("header");
    let issue = &outcome.rows[0].issues[0];
    assert_eq!(issue.code.as_str(), "formula_cell");
    assert_eq!((issue.row, issue.column.as_ref().map(|column| column.letter.as_str())), (2, Some("E")));
    assert_eq!(issue.message_zh(), "公式单元格");
    let error = xlsx_rewrite(
        &xlsx(&table(&row), |sheet| {
            sheet.write_number(1, 4, 77.0).expect("cell");
        }),
        |name, content| match name {
            "xl/worksheets/sheet1.xml" => String::from_utf8(content)
                .expect("xml")
                .replace("<c r=\"E2\"><v>77</v>", "<c r=\"E2\" t=\"e\"><v>#N/A</v>")
                .into_bytes(),
            _ => content,
        },
    );
    check(error, &["error_cell"], "fine", None);
}

#[test]
fn hidden_rows_and_merged_areas_are_reported() {
    let row = PenaltyRow::new().with("备注", "甲");
    let hidden = xlsx(&table(&row), |sheet| {
        sheet.set_row_hidden(1).expect("row");
    });
    check(hidden, &["hidden_row"], "remark", Some("甲"));
    let second = PenaltyRow::new().with("备注", "").with("行政处罚决定书文号", "另〔2026〕3号");
    let mut rows = table(&row);
    rows.push(second.values());
    let merged = xlsx(&rows, |sheet| {
        sheet.merge_range(1, 8, 2, 8, "甲", &Format::new()).expect("area");
    });
    let outcome = import(merged, ImportOptions::default()).expect("header");
    let all: Vec<_> = outcome.rows.iter().map(codes).collect();
    assert_eq!(all, [vec!["merged_cell"], vec!["merged_cell"]]);
    assert_eq!(outcome.rows[1].issues[0].column.as_ref().map(|column| column.letter.as_str()), Some("I"));
}

#[test]
fn the_sheet_is_the_one_with_a_header_or_the_one_named() {
    let row = PenaltyRow::new();
    let workbook = |names: &[(&str, bool)]| {
        let mut workbook = Workbook::new();
        for (name, filled) in names {
            let sheet = workbook.add_worksheet();
            sheet.set_name(*name).expect("name");
            if *filled {
                sheet_fill(sheet, &table(&row));
            }
        }
        workbook.save_to_buffer().expect("workbook")
    };
    check(workbook(&[("说明", false), ("处罚", true)]), &[], "fine", Some("50000.00"));
    let two = workbook(&[("一月", true), ("二月", true)]);
    match import(two.clone(), ImportOptions::default()) {
        Err(ImportError::SheetAmbiguous { names }) => assert_eq!(names, ["一月", "二月"]),
        other => panic!("{:?}", other.err()),
    }
    let named = |sheet: &str| ImportOptions { sheet: Some(sheet.to_owned()), ..ImportOptions::default() };
    assert_eq!(import(two.clone(), named("二月")).expect("named").rows.len(), 1);
    assert!(matches!(import(two, named("三月")), Err(ImportError::SheetNotFound { .. })));
    let empty = workbook(&[("说明", false)]);
    assert!(matches!(import(empty, ImportOptions::default()), Err(ImportError::HeaderNotFound { .. })));
}

#[test]
fn a_sheet_beside_that_cannot_be_read_is_not_the_one_meant() {
    let row = PenaltyRow::new();
    let workbook = |with_records: bool| {
        let mut workbook = Workbook::new();
        let side = workbook.add_worksheet();
        side.write_number(0, 300, 1.0).expect("cell");
        if with_records {
            sheet_fill(workbook.add_worksheet(), &table(&row));
        }
        workbook.save_to_buffer().expect("workbook")
    };
    check(workbook(true), &[], "fine", Some("50000.00"));
    assert!(matches!(
        import(workbook(false), ImportOptions::default()),
        Err(ImportError::TooLarge { what: "columns", .. })
    ));
}

#[test]
fn rows_keep_their_numbers_across_gaps_and_titles() {
    let row = PenaltyRow::new();
    let mut rows = vec![vec!["某市行政处罚信息表"], vec![]];
    rows.extend(table(&row));
    rows.push(vec![]);
    let other = PenaltyRow::new().with("行政处罚决定书文号", "另〔2026〕3号");
    rows.push(other.values());
    let outcome = import(xlsx(&rows, |_| ()), ImportOptions::default()).expect("header");
    assert_eq!(outcome.rows.iter().map(|row| row.row).collect::<Vec<_>>(), [4, 6]);
}

#[test]
fn an_importer_can_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<chengxin_import::Importer>();
    is_send::<ImportError>();
}

#[test]
fn an_importer_that_is_dropped_early_leaves_no_thread_waiting() {
    let many: Vec<PenaltyRow> = (0..2000)
        .map(|number| PenaltyRow::new().with("行政处罚决定书文号", &format!("另〔2026〕{number}号")))
        .collect();
    let mut rows = vec![many[0].headers()];
    rows.extend(many.iter().map(PenaltyRow::values));
    let bytes = xlsx(&rows, |_| ());
    let mut importer =
        chengxin_import::Importer::open(std::io::Cursor::new(bytes.clone()), ImportOptions::default())
            .expect("header");
    assert!(importer.next().is_some());
    // Dropping joins the thread: a thread that waits for ever would hang here.
    drop(importer);
    assert_eq!(import(bytes, ImportOptions::default()).expect("header").report.accepted, 2000);
}
