//! Files this crate writes come back through its own reader: templates, error files, generated files.

use std::io::Cursor;

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::error_file::{ErrorFile, ErrorFileFormat, ErrorLanguage};
use chengxin_import::generate::{GenerateOptions, Trap, csv_generate, xlsx_generate};
use chengxin_import::template::{template_csv_write, template_xlsx_write};
use chengxin_import::{ImportError, ImportOptions, Importer};
use chengxin_schemas::record_type::RecordType;

use crate::support::{PenaltyRow, codes, csv, import};

const TEMPLATES: [TemplateVersion; 4] = [
    TemplateVersion::PenaltyLegalPersons2018,
    TemplateVersion::PenaltyNaturalPersons2018,
    TemplateVersion::PenaltyUnified,
    TemplateVersion::JudgmentDebtorList,
];

#[test]
fn generated_files_of_every_layout_and_encoding_are_clean() {
    for template in TEMPLATES {
        let mut answers = Vec::new();
        for encoding in [TextEncoding::Utf8, TextEncoding::Utf8Bom, TextEncoding::Gb18030] {
            for keys in [false, true] {
                let mut bytes = Vec::new();
                let options = GenerateOptions { keys, ..GenerateOptions::new(template, 60, 4) };
                csv_generate(options, encoding, &mut bytes).expect("memory");
                let importer = Importer::open(Cursor::new(bytes), ImportOptions::default()).expect("header");
                assert_eq!(importer.layout().encoding, Some(encoding));
                assert_eq!(importer.layout().template, template);
                let rows: Vec<_> = importer.map(|row| row.expect("read").fields.expect("accepted")).collect();
                answers.push(rows);
            }
        }
        let mut bytes = Vec::new();
        xlsx_generate(GenerateOptions::new(template, 60, 4), &mut bytes).expect("memory");
        let outcome = import(bytes, ImportOptions::default()).expect("header");
        answers.push(outcome.rows.into_iter().map(|row| row.fields.expect("accepted")).collect());
        assert_eq!(answers[0].len(), 60);
        assert!(answers.iter().all(|rows| *rows == answers[0]), "{template:?}");
        assert!(answers[0].iter().all(|fields| fields.subject().is_some()));
    }
}

#[test]
fn every_sprinkled_trap_causes_its_issue_and_nothing_else() {
    for trap in Trap::ALL {
        let options = GenerateOptions {
            traps: vec![*trap],
            trap_every: 10,
            ..GenerateOptions::new(TemplateVersion::PenaltyLegalPersons2018, 40, 7)
        };
        let mut bytes = Vec::new();
        csv_generate(options, TextEncoding::Utf8, &mut bytes).expect("memory");
        let outcome = import(bytes, ImportOptions::default()).expect("header");
        for (number, row) in outcome.rows.iter().enumerate() {
            let mut expected = Vec::new();
            if number > 0 && number.is_multiple_of(10) {
                expected.extend(trap.issue().map(|code| code.as_str()));
                if *trap == Trap::PlaceholderCode {
                    expected.push("subject_identity_weak");
                }
            }
            assert_eq!(codes(row), expected, "{trap:?} in row {}", row.row);
        }
    }
}

#[test]
fn templates_are_recognised_and_hold_what_is_filled_in() {
    for record_type in RecordType::ALL {
        let mut bytes = Vec::new();
        template_xlsx_write(*record_type, &mut bytes).expect("memory");
        let importer = Importer::open(Cursor::new(bytes), ImportOptions::default()).expect("header");
        let layout = importer.layout();
        assert_eq!((layout.record_type, layout.header_row), (*record_type, 1));
        assert_eq!(layout.columns.len(), record_type.fields().len());
        assert!(layout.issues.is_empty());
        // A template that nobody filled in is no import of nothing.
        let rows: Vec<_> = importer.collect();
        assert!(matches!(rows.as_slice(), [Err(ImportError::NoRows)]));

        let mut bytes = Vec::new();
        template_csv_write(*record_type, &mut bytes).expect("memory");
        let importer = Importer::open(Cursor::new(bytes), ImportOptions::default()).expect("header");
        assert_eq!(importer.layout().encoding, Some(TextEncoding::Utf8Bom));
        assert_eq!(importer.layout().columns.len(), record_type.fields().len());
    }
}

/// The error file of `bytes`.
fn errors_write(bytes: Vec<u8>, format: ErrorFileFormat) -> Vec<u8> {
    let importer = Importer::open(Cursor::new(bytes), ImportOptions::default()).expect("header");
    let mut file = ErrorFile::new(importer.layout(), format, ErrorLanguage::Chinese, Vec::new())
        .expect("header written");
    for row in importer {
        file.row_add(&row.expect("read")).expect("row written");
    }
    file.finish().expect("finished")
}

#[test]
fn an_error_file_holds_the_rejected_rows_and_comes_back() {
    let rows = [
        PenaltyRow::new().with("备注", "=HYPERLINK(\"http://x\")"),
        PenaltyRow::new()
            .with("备注", "=1+1")
            .with("罚款金额(万元)", "五")
            .with("行政处罚决定书文号", "二号"),
        PenaltyRow::new()
            .with("备注", "-甲,\"乙\"")
            .with("处罚决定日期", "2026-02-30")
            .with("行政处罚决定书文号", "三号"),
    ];
    let mut table = vec![rows[0].headers()];
    table.extend(rows.iter().map(PenaltyRow::values));
    for format in [ErrorFileFormat::CsvUtf8, ErrorFileFormat::Xlsx] {
        let written = errors_write(csv(&table), format);
        if format == ErrorFileFormat::CsvUtf8 {
            let text = String::from_utf8(written.clone()).expect("text");
            assert!(text.starts_with("\u{FEFF}行政相对人名称,"));
            assert!(text.contains(",'=1+1,"), "{text}");
            assert!(text.contains("E 列：金额不是数字，或为负数；只填不小于零的数字"), "{text}");
        }
        let importer =
            Importer::open(Cursor::new(written.clone()), ImportOptions::default()).expect("header");
        assert!(importer.layout().issues.is_empty());
        let again: Vec<_> = importer.map(|row| row.expect("read")).collect();
        let all: Vec<_> = again.iter().map(codes).collect();
        assert_eq!(all, [["money_form"], ["date_impossible"]], "{format:?}");
        // A second error file does not grow a second column of errors.
        let twice = errors_write(written.clone(), format);
        let layout = |bytes: Vec<u8>| {
            Importer::open(Cursor::new(bytes), ImportOptions::default())
                .expect("header")
                .layout()
                .columns
                .len()
        };
        assert_eq!(layout(twice), layout(written));
    }
}

#[test]
fn an_error_file_that_comes_back_unchanged_is_refused_again() {
    let row = PenaltyRow::new().with("行政相对人代码_2(工商注册号)", "").with("备注", "甲");
    let mut beyond = row.values();
    beyond.push("多出的一格");
    let table = [row.headers(), row.values(), beyond];
    let workbook = crate::support::xlsx(&table, |sheet| {
        sheet.write_formula(1, 4, rust_xlsxwriter::Formula::new("=1+1").set_result("2")).expect("cell");
        sheet.write_number(1, 8, 150_102_000_012_345_678.0).expect("cell");
    });
    let short: Vec<&str> = row.values()[..6].to_vec();
    let lines = csv(&[row.headers(), row.values(), short, row.values()]);
    for format in [ErrorFileFormat::CsvUtf8, ErrorFileFormat::Xlsx] {
        for (file, expected, rows) in [
            (workbook.clone(), vec![vec!["error_cell", "error_cell"], vec!["ragged_row"]], ["2", "3"]),
            (lines.clone(), vec![vec!["error_cell"; 4]], ["3", ""]),
        ] {
            let written = errors_write(file, format);
            let importer = Importer::open(Cursor::new(written), ImportOptions::default()).expect("header");
            assert!(importer.layout().issues.is_empty());
            let column = importer.layout().columns.iter().position(|column| &*column.header == "原行号/Row");
            let again: Vec<_> = importer.map(|row| row.expect("read")).collect();
            assert_eq!(again.iter().map(codes).collect::<Vec<_>>(), expected, "{format:?}");
            for (row, number) in again.iter().zip(rows) {
                assert_eq!(row.source.cells[column.expect("column")], number);
            }
        }
    }
}

#[test]
fn guarded_cells_mean_what_they_meant() {
    let rows = [
        PenaltyRow::new().with("备注", "'=1+1"),
        PenaltyRow::new().with("备注", "=1+1").with("行政处罚决定书文号", "二号"),
    ];
    let mut table = vec![rows[0].headers()];
    table.extend(rows.iter().map(PenaltyRow::values));
    let outcome = import(csv(&table), ImportOptions::default()).expect("header");
    for row in &outcome.rows {
        assert_eq!(row.fields.as_ref().and_then(|fields| fields.text("remark")), Some("=1+1"));
    }
}
