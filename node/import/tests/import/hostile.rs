//! Files made to break the reader: bombs, cut-off and mutated files, foreign formats.

use std::io::{Cursor, Write};

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::generate::{GenerateOptions, csv_generate, xlsx_generate};
use chengxin_import::{ImportError, ImportLimits, ImportOptions};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use crate::support::{PenaltyRow, import, xlsx, xlsx_rewrite};

fn plain_xlsx() -> Vec<u8> {
    let row = PenaltyRow::new();
    xlsx(&[row.headers(), row.values()], |_| ())
}

/// Adds a part of `size` bytes to a plain workbook.
fn xlsx_with_part(name: &str, size: u64) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new_append(Cursor::new(plain_xlsx())).expect("zip");
    writer.start_file(name, SimpleFileOptions::default().large_file(true)).expect("entry");
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..size >> 20 {
        writer.write_all(&zeros).expect("content");
    }
    writer.finish().expect("zip").into_inner()
}

fn failure(bytes: Vec<u8>) -> ImportError {
    match import(bytes, ImportOptions::default()) {
        Err(error) => error,
        Ok(outcome) => outcome.failure.expect("a failure"),
    }
}

#[test]
fn a_part_that_unpacks_a_thousandfold_is_refused_by_what_it_declares() {
    // Deflate packs 64 MiB of spaces into 64 KiB.
    let bytes = xlsx_with_part("xl/media/x.bin", 64 << 20);
    assert!(bytes.len() < 1 << 20, "{}", bytes.len());
    assert!(matches!(failure(bytes.clone()), ImportError::ZipBomb { what: "declared compression ratio" }));
    let ratio = ImportLimits { compression_ratio: u64::MAX, ..ImportLimits::default() };
    let small = ImportLimits { unpacked_bytes: 1 << 20, ..ratio };
    let error = import(bytes, ImportOptions { limits: small, ..ImportOptions::default() }).err();
    assert!(matches!(error, Some(ImportError::ZipBomb { what: "declared size" })), "{error:?}");
}

/// The offset of the last directory entry's uncompressed size.
fn declared_size_offset(bytes: &[u8]) -> usize {
    let last = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").expect("directory");
    last + 24
}

#[test]
fn a_declared_size_that_lies_is_found_while_unpacking() {
    let mut bytes = xlsx_with_part("xl/media/x.bin", 8 << 20);
    let place = declared_size_offset(&bytes);
    bytes[place..place + 4].copy_from_slice(&1000_u32.to_le_bytes());
    let error = failure(bytes);
    assert!(matches!(error, ImportError::ZipBomb { .. } | ImportError::WorkbookDamaged { .. }), "{error:?}");
}

#[test]
fn very_many_parts_are_refused() {
    for (count, limit) in [(5000, 4096), (300_000, 4096)] {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for number in 0..count {
            writer
                .start_file(
                    format!("{number}.xml"),
                    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
                )
                .expect("entry");
        }
        let bytes = writer.finish().expect("zip").into_inner();
        let error = failure(bytes);
        assert!(
            matches!(error, ImportError::ZipBomb { .. } | ImportError::WorkbookDamaged { .. }),
            "{count} over {limit}: {error:?}"
        );
    }
}

#[test]
fn document_types_comments_and_endless_cells_are_refused() {
    let sheet = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        failure(xlsx_rewrite(&plain_xlsx(), |name, content| match name {
            "xl/worksheets/sheet1.xml" => {
                String::from_utf8(content).expect("xml").replacen(&from, &to, 1).into_bytes()
            }
            _ => content,
        }))
    };
    assert!(matches!(
        sheet("<worksheet", "<!DOCTYPE x [<!ENTITY y \"z\">]><worksheet"),
        ImportError::WorkbookDamaged { .. }
    ));
    assert!(matches!(sheet("<sheetData>", "<!-- x --><sheetData>"), ImportError::WorkbookDamaged { .. }));
    // Varied enough that the ratio does not catch it first.
    let mut long = String::new();
    let mut state = 1_u32;
    while long.len() < 3 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        long.push_str(&format!("{state:x}"));
    }
    let cell =
        format!("<sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{long}</t></is></c></row>");
    assert!(matches!(sheet("<sheetData>", &cell), ImportError::ZipBomb { what: "one endless text" }));
}

/// A plain workbook with another part.
fn xlsx_with(name: &str, content: &[u8], change: impl Fn(&str, String) -> String) -> Vec<u8> {
    let changed = xlsx_rewrite(&plain_xlsx(), |name, content| {
        change(name, String::from_utf8(content).expect("xml")).into_bytes()
    });
    let mut writer = zip::ZipWriter::new_append(Cursor::new(changed)).expect("zip");
    writer.start_file(name, SimpleFileOptions::default()).expect("entry");
    writer.write_all(content).expect("content");
    writer.finish().expect("zip").into_inner()
}

#[test]
fn parts_that_nobody_opens_may_hold_anything_of_a_bearable_size() {
    let odd = b"<?xml version=\"1.0\"?><!DOCTYPE x><a><!-- x --><![CDATA[<]]><?y z?></a>";
    let relation = |name: &str, text: String| {
        match name {
        "xl/_rels/workbook.xml.rels" => text.replace(
            "</Relationships>",
            "<Relationship Id=\"rId99\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/customXml\" Target=\"../customXml/item1.xml\"/></Relationships>",
        ),
        _ => text,
    }
    };
    for name in ["customXml/item1.xml", "xl/drawings/drawing1.xml", "xl/worksheets/sheet7.xml"] {
        let outcome = import(xlsx_with(name, odd, relation), ImportOptions::default()).expect(name);
        assert_eq!(outcome.report.accepted, 1, "{name}");
    }
}

#[test]
fn a_part_that_is_opened_under_another_name_is_looked_at() {
    let odd = b"<worksheet><sheetData><!-- x --></sheetData></worksheet>";
    // The only sheet is told to be somewhere else: plainly, with an entity, in single quotes, in other case.
    for target in ["../odd/part.bin", "../ODD/Part.BIN", "..&#47;odd/p&#97;rt.bin"] {
        for quote in ['"', '\''] {
            let bytes = xlsx_with("odd/part.bin", odd, |name, text| match name {
                "xl/_rels/workbook.xml.rels" => text.replacen(
                    "Target=\"worksheets/sheet1.xml\"",
                    &format!("Target={quote}{target}{quote}"),
                    1,
                ),
                _ => text,
            });
            match failure(bytes) {
                ImportError::WorkbookDamaged { part, .. } => {
                    assert_eq!(part, "a comment, CDATA or document type")
                }
                other => panic!("{target}: {other:?}"),
            }
        }
    }
    let workbook = b"<workbook><!-- x --></workbook>";
    let bytes = xlsx_with("odd/book.dat", workbook, |name, text| match name {
        "_rels/.rels" => text.replacen("xl/workbook.xml", "odd/book.dat", 1),
        _ => text,
    });
    assert!(matches!(
        failure(bytes),
        ImportError::WorkbookDamaged { part: "a comment, CDATA or document type", .. }
    ));
}

#[test]
fn a_workbook_cut_off_anywhere_is_damaged() {
    let bytes = plain_xlsx();
    for length in (4..bytes.len()).step_by(97) {
        let error = failure(bytes[..length].to_vec());
        assert!(matches!(error, ImportError::WorkbookDamaged { .. }), "{length}: {error:?}");
    }
}

#[test]
fn foreign_formats_say_what_to_do() {
    let error = failure(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and so on".to_vec());
    assert!(error.to_string().contains("另存为 xlsx") && error.message_zh().contains("另存为 xlsx"));
    assert!(matches!(failure(b"\xFF\xFE\x4C\x88".to_vec()), ImportError::Utf16));
    assert!(matches!(failure(b"   \n".to_vec()), ImportError::HeaderNotFound { .. }));
    assert!(matches!(failure(Vec::new()), ImportError::Empty));
}

#[test]
fn archives_that_are_no_workbook_are_refused_by_kind() {
    for (part, expected) in [("word/document.xml", "ZIP or other office"), ("xl/workbook.bin", ".xlsb")] {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(part, SimpleFileOptions::default()).expect("entry");
        writer.write_all(b"<x/>").expect("content");
        match failure(writer.finish().expect("zip").into_inner()) {
            ImportError::UnsupportedFormat { name } => assert_eq!(name, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn rows_are_counted_against_the_limit() {
    let rows: Vec<PenaltyRow> =
        (0..20).map(|number| PenaltyRow::new().with("行政处罚决定书文号", &format!("{number}号"))).collect();
    let mut table = vec![rows[0].headers()];
    table.extend(rows.iter().map(PenaltyRow::values));
    let limits = ImportLimits { rows: 15, ..ImportLimits::default() };
    let options = ImportOptions { limits, ..ImportOptions::default() };
    let outcome = import(crate::support::csv(&table), options).expect("header");
    assert_eq!(outcome.rows.len(), 15);
    assert!(matches!(outcome.failure, Some(ImportError::TooLarge { what: "data rows", limit: 15 })));
}

fn generated(xlsx: bool) -> Vec<u8> {
    let options = GenerateOptions::new(TemplateVersion::PenaltyUnified, 3, 9);
    let mut bytes = Vec::new();
    if xlsx {
        xlsx_generate(options, &mut bytes).expect("memory");
    } else {
        csv_generate(options, TextEncoding::Utf8, &mut bytes).expect("memory");
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_give_rows_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = import(bytes, ImportOptions::default());
    }

    #[test]
    fn any_text_under_a_header_gives_rows(text in "[0-9a-zA-Z,\"\n年月日/：（）〔〕万元X*=-]{0,200}|.{0,200}") {
        let mut file = PenaltyRow::new().headers().join(",");
        file.push('\n');
        file.push_str(&text);
        let _ = import(file.into_bytes(), ImportOptions::default());
    }

    #[test]
    fn a_mutated_csv_file_gives_rows_or_an_error(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = generated(false);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = import(bytes, ImportOptions::default());
    }

    #[test]
    fn a_mutated_archive_gives_rows_or_an_error(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = generated(true);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = import(bytes, ImportOptions::default());
    }

    // The checksums are made to fit again, so the changes reach the XML reader.
    #[test]
    fn mutated_parts_give_rows_or_an_error(
        part in 0_usize..12,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), "[<>/\"=& a-zA-Z0-9:.-]"), 1..6),
    ) {
        let mut index = 0;
        let bytes = xlsx_rewrite(&generated(true), |_, mut content| {
            if index == part && !content.is_empty() {
                for (place, value) in &changes {
                    let place = place.index(content.len());
                    content[place] = value.as_bytes()[0];
                }
            }
            index += 1;
            content
        });
        let _ = import(bytes, ImportOptions::default());
    }
}
