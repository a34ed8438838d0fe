//! Small files of each layout, committed with what must come of them. Files and expectations are added to, never
//! edited: a change of one is a change of what every node reads from the same file.
//!
//! `CHENGXIN_GOLDEN_ADD=1` writes those that are missing, and none that exist.

use std::path::{Path, PathBuf};

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::generate::{GenerateOptions, Trap, csv_generate, xlsx_generate};
use chengxin_import::{ImportOptions, Importer};
use serde_json::{Value, json};

/// Name, layout, keys as headers, encoding (none for a workbook).
const FILES: [(&str, TemplateVersion, bool, Option<TextEncoding>); 8] = [
    ("penalty-26-utf8.csv", TemplateVersion::PenaltyLegalPersons2018, false, Some(TextEncoding::Utf8)),
    (
        "penalty-26-keys-gb18030.csv",
        TemplateVersion::PenaltyLegalPersons2018,
        true,
        Some(TextEncoding::Gb18030),
    ),
    ("penalty-20-bom.csv", TemplateVersion::PenaltyNaturalPersons2018, false, Some(TextEncoding::Utf8Bom)),
    ("penalty-30-gb18030.csv", TemplateVersion::PenaltyUnified, false, Some(TextEncoding::Gb18030)),
    ("penalty-30-keys-utf8.csv", TemplateVersion::PenaltyUnified, true, Some(TextEncoding::Utf8)),
    ("penalty-30.xlsx", TemplateVersion::PenaltyUnified, false, None),
    ("judgment-debtors-bom.csv", TemplateVersion::JudgmentDebtorList, false, Some(TextEncoding::Utf8Bom)),
    ("judgment-debtors.xlsx", TemplateVersion::JudgmentDebtorList, false, None),
];

/// Files written by hand, whose expectation also says whom each row is about.
const WRITTEN: [&str; 3] =
    ["credit-china-rows.csv", "judgment-debtors-persons.csv", "penalty-30-persons.csv"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

fn file_add(path: &Path, template: TemplateVersion, keys: bool, encoding: Option<TextEncoding>) {
    let options = GenerateOptions {
        keys,
        traps: Trap::ALL.to_vec(),
        trap_every: 2,
        ..GenerateOptions::new(template, 36, 2026)
    };
    let mut bytes = Vec::new();
    match encoding {
        Some(encoding) => csv_generate(options, encoding, &mut bytes).expect("memory"),
        None => xlsx_generate(options, &mut bytes).expect("memory"),
    }
    std::fs::write(path, bytes).expect("file");
}

fn outcome(path: &Path, with_kind: bool) -> Value {
    let file = std::fs::File::open(path).expect("file");
    let importer = Importer::open(file, ImportOptions::default()).expect("header");
    let layout = importer.layout();
    let head = json!({
        "digest": importer.file_digest().to_string(),
        "encoding": layout.encoding.map(TextEncoding::as_str),
        "sheet": layout.sheet,
        "record_type": layout.record_type.as_str(),
        "dialect": layout.dialect,
        "template": layout.template.as_str(),
        "header_row": layout.header_row,
        "columns": layout.columns.len(),
    });
    let rows: Vec<Value> = importer
        .map(|row| {
            let row = row.expect("read");
            let fields = row.fields.as_ref().map(|fields| {
                Value::Object(
                    fields
                        .iter()
                        .map(|(name, value)| {
                            (name.as_str().to_owned(), serde_json::to_value(value).expect("json"))
                        })
                        .collect(),
                )
            });
            let mut outcome = json!({
                "row": row.row,
                "fields": fields,
                "issues": row.issues,
                "nulls": row.nulls,
                "duplicate_key": row.duplicate_key.map(|digest| digest.to_string()),
            });
            if with_kind {
                outcome["subject_kind"] = json!(row.subject_kind);
            }
            outcome
        })
        .collect();
    json!({ "layout": head, "rows": rows })
}

#[test]
fn committed_files_give_what_is_committed_beside_them() {
    let add = std::env::var_os("CHENGXIN_GOLDEN_ADD").is_some();
    for (name, template, keys, encoding) in FILES {
        let path = folder().join(name);
        if add && !path.exists() {
            file_add(&path, template, keys, encoding);
        }
        outcome_compare(name, &outcome(&path, false), add);
    }
    for name in WRITTEN {
        outcome_compare(name, &outcome(&folder().join(name), true), add);
    }
}

fn outcome_compare(name: &str, outcome: &Value, add: bool) {
    let actual = serde_json::to_string_pretty(outcome).expect("json") + "\n";
    let expected_path = folder().join(format!("{name}.expected.json"));
    if add && !expected_path.exists() {
        std::fs::write(&expected_path, &actual).expect("file");
    }
    let expected = std::fs::read_to_string(&expected_path).expect(name);
    assert!(expected == actual, "{name} no longer gives what is committed");
}
