//! Every data-quality trap of the formats reference, one case each.

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::generate::{GenerateOptions, GeneratedRows};
use chengxin_import::{Exceptions, ImportError, ImportOptions, IssueSeverity};
use chengxin_schemas::unified_code::CheckException;

use crate::support::{CODE, PenaltyRow, codes, csv, import, import_rows};

/// A row gives these issue codes, and this text in this field if it is accepted.
fn check(row: PenaltyRow, expected: &[&str], field: &str, value: Option<&str>) {
    let outcome = import_rows(&[row]);
    let row = &outcome.rows[0];
    assert_eq!(codes(row), expected, "{:?}", row.issues);
    let actual = row.fields.as_ref().and_then(|fields| fields.value(field)).map(|value| value.to_text());
    assert_eq!(actual.as_deref(), value, "{field}");
    for issue in &row.issues {
        assert_eq!(issue.row, 2);
        for text in [issue.message_zh(), issue.message_en()] {
            assert!(!text.contains('{'), "unfilled parameter: {text}");
        }
    }
}

#[test]
fn a_plain_row_is_a_record_with_its_source() {
    let outcome = import_rows(&[PenaltyRow::new()]);
    let row = &outcome.rows[0];
    assert!(row.issues.is_empty(), "{:?}", row.issues);
    let fields = row.fields.as_ref().expect("accepted");
    assert_eq!(fields.text("fine"), Some("50000.00"));
    assert_eq!(fields.text("decision_date"), Some("2026-05-04"));
    assert_eq!((row.row, row.source.row), (2, 2));
    assert!(row.source.to_text().starts_with(r#"["示例建设有限公司","91320100748204660Q","#));
    assert!(row.duplicate_key.is_some());
    assert_eq!((outcome.report.rows, outcome.report.accepted, outcome.report.errors), (1, 1, 0));
}

#[test]
fn null_spellings_are_absent_and_counted() {
    for null in ["——", "— —", "—", "-", "/", "无", "nan", "查询期内无相关信息"] {
        check(PenaltyRow::new().with("罚款金额(万元)", null), &[], "fine", None);
        let outcome = import_rows(&[PenaltyRow::new().with("罚款金额(万元)", null)]);
        assert_eq!(outcome.report.nulls, 1);
    }
    check(PenaltyRow::new().with("处罚机关", "——"), &["required_missing"], "authority_name", None);
}

#[test]
fn money_is_in_the_unit_of_its_column_or_refused() {
    let fine = "罚款金额(万元)";
    check(PenaltyRow::new().with(fine, "1,234.5"), &[], "fine", Some("12345000.00"));
    check(PenaltyRow::new().with(fine, "５万元"), &[], "fine", Some("50000.00"));
    check(PenaltyRow::new().with(fine, "500元"), &["money_unit_conflict"], "fine", None);
    check(PenaltyRow::new().with(fine, "伍万"), &["money_form"], "fine", None);
    check(PenaltyRow::new().with(fine, "0.00000001"), &["money_too_fine"], "fine", None);
    check(PenaltyRow::new().with(fine, "9999999999999999"), &["money_too_large"], "fine", None);
    check(PenaltyRow::new().renamed(fine, "罚款金额"), &["money_unit_missing"], "fine", None);
    check(PenaltyRow::new().renamed(fine, "罚款金额（元）"), &[], "fine", Some("5.00"));
}

#[test]
fn authorities_with_digits_are_quarantined_with_a_candidate() {
    for polluted in ["2022-09-31", "东环函〔2022〕13号", "示例局处罚日期：2022年9月30日", "２０２２年"]
    {
        check(PenaltyRow::new().with("处罚机关", polluted), &["authority_polluted"], "authority_name", None);
    }
    let outcome = import_rows(&[PenaltyRow::new().with("处罚机关", "2022-09-31")]);
    assert_eq!(outcome.rows[0].issues[0].param("candidate"), Some("示例市市场监督管理局"));
    check(PenaltyRow::new().with("处罚机关", "示例局(2)"), &[], "authority_name", Some("示例局(2)"));
}

#[test]
fn codes_are_checked_warned_about_or_accepted_by_name() {
    let code = "行政相对人代码_1(统一社会信用代码)";
    let weak = &["subject_identity_weak"];
    check(PenaltyRow::new().with(code, "——"), weak, "subject_code", None);
    check(
        PenaltyRow::new().with(code, " ９１３２０１００７４８２０４６６０ｑ "),
        &[],
        "subject_code",
        Some(CODE),
    );
    check(
        PenaltyRow::new().with(code, "00000000000000000X"),
        &["code_placeholder", "subject_identity_weak"],
        "subject_code",
        None,
    );
    check(PenaltyRow::new().with(code, "91320100748204660"), &["code_length"], "subject_code", None);
    check(PenaltyRow::new().with(code, "9I320100748204660Q"), &["code_alphabet"], "subject_code", None);
    check(
        PenaltyRow::new().with(code, "11010519491231002X"),
        &["code_is_person_number"],
        "subject_code",
        None,
    );
    check(
        PenaltyRow::new().with(code, "913100001322041051"),
        &["code_inner_check"],
        "subject_code",
        Some("913100001322041051"),
    );
    check(
        PenaltyRow::new().with(code, "22320100748204660W"),
        &["code_unknown_prefix"],
        "subject_code",
        Some("22320100748204660W"),
    );
    check(
        PenaltyRow::new().with("处罚机关统一社会信用代码", "00000000000000000X"),
        &["code_placeholder"],
        "authority_code",
        None,
    );
    let wrong = "913101150607311257";
    let outcome = import_rows(&[PenaltyRow::new().with(code, wrong)]);
    assert_eq!(outcome.rows[0].issues[0].param("expected"), Some("W"));

    let exception = CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
    let row = PenaltyRow::new().with(code, wrong);
    for exceptions in [
        Exceptions { rows: [(2, exception.clone())].into(), ..Exceptions::default() },
        Exceptions { codes: [(wrong.to_owned(), exception.clone())].into(), ..Exceptions::default() },
    ] {
        let options = ImportOptions { exceptions, ..ImportOptions::default() };
        let outcome = import(csv(&[row.headers(), row.values()]), options).expect("header");
        assert_eq!(codes(&outcome.rows[0]), ["code_accepted"]);
        assert_eq!(outcome.rows[0].exception.as_ref(), Some(&exception));
        assert_eq!(
            outcome.rows[0].fields.as_ref().and_then(|fields| fields.text("subject_code")),
            Some(wrong)
        );
    }
}

#[test]
fn dates_have_listed_forms_and_2099_is_no_end() {
    let day = "处罚决定日期";
    for text in [
        "2026-05-04",
        "2026/5/4",
        "2026年5月4日",
        "2026-05-04 00:00:00",
        "1777824000000",
        "46146",
        "２０２６-０５-０４",
    ] {
        check(PenaltyRow::new().with(day, text), &[], "decision_date", Some("2026-05-04"));
    }
    check(
        PenaltyRow::new().with(day, "2026-05-04 08:30:00"),
        &["time_of_day_dropped"],
        "decision_date",
        Some("2026-05-04"),
    );
    check(PenaltyRow::new().with(day, "2022-09-31"), &["date_impossible"], "decision_date", None);
    check(PenaltyRow::new().with(day, "2099-12-31"), &["date_impossible"], "decision_date", None);
    check(PenaltyRow::new().with(day, "2026-05"), &["date_form"], "decision_date", None);
    for text in ["2099/12/31", "2099-01-31", "长期"] {
        check(PenaltyRow::new().with("公示截止期", text), &[], "publicity_end", Some("long-term"));
    }
    check(PenaltyRow::new().with("处罚有效期", "2027-05-04"), &[], "valid_until", Some("2027-05-04"));
}

#[test]
fn penalty_kinds_are_a_set() {
    check(PenaltyRow::new().with("处罚类别", "警告、罚款"), &[], "penalty_kinds", Some("警告、罚款"));
    check(PenaltyRow::new().with("处罚类别", "1"), &[], "penalty_kinds", Some("罚款"));
    check(PenaltyRow::new().with("处罚类别", "9"), &["penalty_code_unknown"], "penalty_kinds", None);
    check(
        PenaltyRow::new().with("处罚类别", "6").with("处罚类别2", "公开道歉"),
        &[],
        "penalty_kinds",
        Some("其他、公开道歉"),
    );
    check(
        PenaltyRow::new().with("处罚类别", "其他（责令改正、道歉）"),
        &[],
        "penalty_kinds",
        Some("其他（责令改正、道歉）"),
    );
}

#[test]
fn persons_are_checked_by_document_type_and_never_shown() {
    let person = |kind: &str, number: &str| {
        PenaltyRow::new()
            .with("行政相对人代码_1(统一社会信用代码)", "——")
            .with("证件类型", kind)
            .with("证件号码", number)
    };
    check(person("1", "11010519491231002x"), &[], "person_number", Some("11010519491231002X"));
    check(person("身份证", "440524188001010014"), &[], "person_document_type", Some("身份证"));
    check(person("1", "110105194912310021"), &["resident_number_check"], "person_number", None);
    check(person("2", "E12345678"), &["subject_identity_weak"], "person_number", Some("E12345678"));
    check(
        person("7", "E12345678"),
        &["document_type_unknown", "subject_identity_weak"],
        "person_number",
        None,
    );
    check(
        person("", "11010519491231002X"),
        &["document_type_missing"],
        "person_number",
        Some("11010519491231002X"),
    );
    check(
        person("1", "110105********002X"),
        &["person_number_masked", "subject_identity_weak"],
        "person_number",
        None,
    );
    let outcome = import_rows(&[person("1", "110105194912310021")]);
    let debug = format!(
        "{:?}{}{}",
        outcome.rows,
        outcome.rows[0].issues[0].message_zh(),
        outcome.rows[0].issues[0].message_en()
    );
    assert!(!debug.contains("1101051949"), "a number leaked");
}

#[test]
fn organisation_codes_lose_their_hyphen() {
    let column = "行政相对人代码_3(组织机构代码)";
    check(PenaltyRow::new().with(column, "10774368-0"), &[], "organisation_code", Some("107743680"));
    check(
        PenaltyRow::new().with(column, "13220410-5"),
        &["organisation_code_check"],
        "organisation_code",
        Some("132204105"),
    );
}

#[test]
fn demonstration_rows_long_texts_and_control_characters_are_refused() {
    check(PenaltyRow::new().with("备注", "演示样例"), &["demonstration_row"], "remark", None);
    check(PenaltyRow::new().with("备注", &"长".repeat(4001)), &["text_too_long"], "remark", None);
    check(PenaltyRow::new().with("备注", "a\u{1}b"), &["control_character"], "remark", None);
    check(PenaltyRow::new().with("备注", "一\r\n二"), &[], "remark", Some("一\n二"));
}

#[test]
fn what_a_spreadsheet_program_damaged_is_refused_in_every_column() {
    for column in ["行政处罚决定书文号", "行政相对人代码_2(工商注册号)", "罚款金额(万元)", "备注"]
    {
        for damaged in ["1.50102E+14", "9.11101E+17"] {
            let outcome = import_rows(&[PenaltyRow::new().with(column, damaged)]);
            assert_eq!(codes(&outcome.rows[0]), ["number_lost_digits"], "{column} {damaged}");
        }
        for damaged in ["#N/A", "#REF!", "########"] {
            let outcome = import_rows(&[PenaltyRow::new().with(column, damaged)]);
            assert_eq!(codes(&outcome.rows[0]), ["error_cell"], "{column} {damaged}");
        }
    }
    check(PenaltyRow::new().with("行政处罚决定书文号", "3E+5号"), &[], "decision_number", Some("3E+5号"));
}

#[test]
fn names_and_numbers_stand_on_one_line() {
    let joined = &["line_break_joined"];
    check(
        PenaltyRow::new().with("行政相对人名称", "示例建设\n有限公司"),
        joined,
        "subject_name",
        Some("示例建设有限公司"),
    );
    check(
        PenaltyRow::new().with("行政处罚决定书文号", "示市监罚\r\n〔2026〕1号"),
        joined,
        "decision_number",
        Some("示市监罚〔2026〕1号"),
    );
    check(
        PenaltyRow::new().with("处罚类别", "其他（责令改正\n并道歉）\n罚款"),
        joined,
        "penalty_kinds",
        Some("其他（责令改正并道歉）、罚款"),
    );
    check(PenaltyRow::new().with("违法事实", "一\n二"), &[], "facts", Some("一\n二"));
}

#[test]
fn a_nearly_known_header_is_refused_by_name() {
    let row = PenaltyRow::new().with("公示截至期", "2027-05-04");
    match import(csv(&[row.headers(), row.values()]), ImportOptions::default()) {
        Err(error @ ImportError::HeaderUnclear { .. }) => {
            assert!(error.to_string().starts_with("column I “公示截至期” is nearly “公示截止期”"), "{error}");
            assert!(error.message_zh().starts_with("I 列“公示截至期”与“公示截止期”相近；"));
        }
        other => panic!("{:?}", other.err()),
    }
    let fine = "罚款金额(万元)";
    check(PenaltyRow::new().renamed(fine, "罚款金额（单位：万元）"), &[], "fine", Some("50000.00"));
}

#[test]
fn repetitions_are_skipped_and_contradictions_named() {
    let outcome = import_rows(&[
        PenaltyRow::new(),
        PenaltyRow::new().with("处罚决定日期", "2026-05-04"),
        PenaltyRow::new().with("行政处罚决定书文号", "示市监罚(2026)1号").with("罚款金额(万元)", "6"),
        PenaltyRow::new().with("行政处罚决定书文号", "示市监罚〔2026〕2号"),
    ]);
    let all: Vec<_> = outcome.rows.iter().map(codes).collect();
    assert_eq!(all, [vec![], vec!["duplicate_identical"], vec!["duplicate_different"], vec![]]);
    assert_eq!(outcome.rows[2].issues[0].param("first_row"), Some("2"));
    let report = &outcome.report;
    assert_eq!((report.accepted, report.skipped, report.rejected), (2, 1, 1));
}

#[test]
fn ragged_rows_blank_rows_and_repeated_headers() {
    let row = PenaltyRow::new();
    let short: Vec<&str> = row.values()[..5].to_vec();
    let mut long = row.values();
    long.extend(["", "", "x"]);
    let mut trailing = PenaltyRow::new()
        .with("行政处罚决定书文号", "另〔2026〕3号")
        .values()
        .iter()
        .map(|value| (*value).to_owned())
        .collect::<Vec<_>>();
    trailing.push(String::new());
    let blank = vec![""; 8];
    let table = [
        vec!["某市行政处罚信息表"],
        row.headers(),
        row.headers(),
        blank,
        short,
        long,
        trailing.iter().map(String::as_str).collect(),
    ];
    let outcome = import(csv(&table), ImportOptions::default()).expect("header");
    let rows: Vec<_> = outcome.rows.iter().map(|row| (row.row, codes(row))).collect();
    assert_eq!(rows, [(5, vec!["ragged_row"]), (6, vec!["ragged_row"]), (7, vec![])]);
}

#[test]
fn semicolons_and_tabs_are_found_and_quotes_may_hold_line_ends() {
    let row = PenaltyRow::new().with("违法事实", "第一行\n第二行；又，及\t完");
    for delimiter in [b';', b'\t', b','] {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        writer.write_record(row.headers()).expect("record");
        writer.write_record(row.values()).expect("record");
        let outcome = import(writer.into_inner().expect("memory"), ImportOptions::default()).expect("header");
        let fields = outcome.rows[0].fields.as_ref().expect("accepted");
        assert_eq!(fields.text("facts"), Some("第一行\n第二行；又，及\t完"));
    }
}

#[test]
fn unknown_columns_are_reported_and_kept_in_the_source_only() {
    let row = PenaltyRow::new().with("lysj", "2026-05-05").with("错误/Errors", "旧错误");
    let bytes = csv(&[row.headers(), row.values()]);
    let importer = chengxin_import::Importer::open(std::io::Cursor::new(bytes), ImportOptions::default())
        .expect("header");
    let issues = &importer.layout().issues;
    assert_eq!(issues.len(), 1);
    let column = issues[0].column.as_ref().expect("column");
    assert_eq!((column.letter.as_str(), &*column.header), ("I", "lysj"));
    assert_eq!(importer.layout().preview.len(), 1);
    // In a report they come before what the rows are warned of, and are kept when there is little room; errors come first.
    let mut report = chengxin_import::ImportReport::new(2);
    let rows = import_rows(&[PenaltyRow::new().with("处罚机关", "——")]);
    report.row_add(&rows.rows[0]);
    for row in 3..6 {
        report.row_add(&chengxin_import::ImportedRow {
            issues: vec![issues[0].clone()],
            row,
            ..rows.rows[0].clone()
        });
    }
    report.header_add(issues);
    let kept: Vec<_> = report.issues().map(|issue| (issue.severity, issue.row)).collect();
    assert_eq!(kept, [(IssueSeverity::Error, rows.rows[0].row), (IssueSeverity::Warning, issues[0].row)]);
    assert_eq!((report.errors, report.warnings, report.truncated), (1, 4, true));
    let row = importer.into_iter().next().expect("row").expect("read");
    assert!(row.source.cells.contains(&"2026-05-05".to_owned()));
}

#[test]
fn a_file_cut_off_inside_a_quote_reports_the_rows_before() {
    let row = PenaltyRow::new().with("违法事实", "很长,很长");
    let mut bytes = csv(&[row.headers(), row.values(), row.values()]);
    bytes.truncate(bytes.len() - 5);
    let outcome = import(bytes, ImportOptions::default()).expect("header");
    assert_eq!(outcome.rows.len(), 1);
    assert!(matches!(outcome.failure, Some(ImportError::UnclosedQuote { row: 3 })));
}

#[test]
fn judgment_debtors_come_from_the_published_labels() {
    let headers =
        GeneratedRows::new(GenerateOptions::new(TemplateVersion::JudgmentDebtorList, 0, 0)).header();
    let row = |name, number, case| {
        vec![
            name,
            number,
            "示例区人民法院",
            "内蒙古",
            "(2025)蒙0102民初1号",
            "2025年12月1日",
            case,
            "示例区人民法院",
            "支付货款",
            "全部未履行",
            "违反财产报告制度",
            "2026年01月05日",
            "— —",
            "— —",
            "示例法院",
        ]
    };
    let table = [
        headers,
        row("示例贸易有限公司", "10774368-0", "(2025)蒙0102执1号"),
        row("示例建设有限公司", CODE, "(2025)蒙0102执2号"),
        row("示例甲", "11010519491231002X", "(2025)蒙0102执3号"),
        row("示例乙", "110105194912310021", "(2025)蒙0102执4号"),
        row("示例丙", "1101051949****002X", "(2025)蒙0102执5号"),
    ];
    let outcome = import(csv(&table), ImportOptions::default()).expect("header");
    let all: Vec<_> = outcome.rows.iter().map(codes).collect();
    assert_eq!(
        all,
        [
            vec!["subject_identity_weak"],
            vec![],
            vec![],
            vec!["resident_number_check"],
            vec!["person_number_masked", "subject_identity_weak"],
        ]
    );
    let fields = outcome.rows[0].fields.as_ref().expect("accepted");
    assert_eq!(fields.text("organisation_code"), Some("107743680"));
    assert_eq!(fields.text("filing_date"), Some("2025-12-01"));
    assert_eq!(fields.value("performed_part"), None);
}

#[test]
fn nothing_is_determined_after_the_present_day() {
    let import_on = |day: Option<&str>, row: &PenaltyRow| {
        let today = day.map(|day| day.parse().expect("day"));
        let options = ImportOptions { today, ..ImportOptions::default() };
        import(csv(&[row.headers(), row.values()]), options).expect("header").rows.remove(0)
    };
    // 2096 for 2026: an end of publicity three years later would read as none.
    let mistyped = PenaltyRow::new().with("处罚决定日期", "2096/05/04");
    let row = import_on(Some("2026-11-22"), &mistyped);
    assert_eq!(codes(&row), ["date_in_future"]);
    assert_eq!(row.issues[0].column.as_ref().expect("column").header.as_ref(), "处罚决定日期");
    assert!(row.fields.is_none());
    let later = PenaltyRow::new().with("公示截止期", "2027-05-04").with("处罚有效期", "2099/12/31");
    assert!(import_on(Some("2026-05-04"), &later).fields.is_some(), "today, and other days may come later");
    assert_eq!(codes(&import_on(Some("2026-05-03"), &later)), ["date_in_future"]);
    assert!(import_on(None, &mistyped).fields.is_some());
}
