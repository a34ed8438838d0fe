//! Whom a row is about, and that no person's number gets into a field that is signed as public.

use chengxin_import::{Exceptions, ImportOptions};
use chengxin_schemas::subject::SubjectKind::{self, Organisation, Person};
use chengxin_schemas::unified_code::CheckException;

use crate::support::{CODE, PenaltyRow, codes, csv, import, import_rows};

const CODE_COLUMN: &str = "行政相对人代码_1(统一社会信用代码)";
const RESIDENT: &str = "11010519491231002X";
/// Valid as a unified social credit code and as a resident number (of somebody born in 1817).
const BOTH: &str = "911501181701010047";

fn check_kind(row: PenaltyRow, expected: SubjectKind) {
    let outcome = import_rows(&[row]);
    let row = &outcome.rows[0];
    assert!(row.fields.is_some(), "{:?}", row.issues);
    assert_eq!(row.subject_kind, expected, "{:?}", row.issues);
}

/// A row that names nobody by number.
fn nobody() -> PenaltyRow {
    PenaltyRow::new().with(CODE_COLUMN, "——")
}

#[test]
fn a_row_is_about_an_organisation_only_if_it_says_so() {
    check_kind(PenaltyRow::new(), Organisation);
    check_kind(nobody(), Person);
    check_kind(nobody().with("行政相对人类别", "法人及非法人组织"), Organisation);
    for category in ["个体工商户", "个体户", "个体经营户"] {
        check_kind(nobody().with("行政相对人类别", category), Organisation);
    }
    check_kind(nobody().with("行政相对人类别", "2"), Person);
    check_kind(nobody().with("行政相对人代码_2(工商注册号)", "150102000012345"), Organisation);
    check_kind(nobody().with("行政相对人代码_3(组织机构代码)", "10774368-0"), Organisation);
    check_kind(nobody().with("行政相对人代码_2(工商注册号)", "1501022012345"), Organisation);
    for number in ["事证第115010000123号", "115010000123", "12150100MB00000351"] {
        check_kind(nobody().with("行政相对人代码_5(事业单位证书号)", number), Organisation);
    }
    for number in ["内社证字第0123号", "民证字第 010123 号", "基证字第12号"] {
        check_kind(nobody().with("行政相对人代码_6(社会组织登记证号)", number), Organisation);
    }
    // Words and numbers of another form say nothing.
    for column in [
        "行政相对人代码_2(工商注册号)",
        "行政相对人代码_5(事业单位证书号)",
        "行政相对人代码_6(社会组织登记证号)",
    ] {
        for text in ["不详", "暂无", "个人", "张三", "0471", "13900000000", "110105491231002"] {
            check_kind(nobody().with(column, text), Person);
        }
        let outcome = import_rows(&[nobody().with(column, "E12345678")]);
        assert_eq!(codes(&outcome.rows[0])[0], "number_unclear", "{column}");
        assert!(outcome.rows[0].fields.is_none());
    }
    // An organisation code that does not hold.
    check_kind(nobody().with("行政相对人代码_3(组织机构代码)", "13220410-5"), Person);
}

#[test]
fn one_sign_of_a_person_outweighs_every_other() {
    check_kind(PenaltyRow::new().with("行政相对人类别", "自然人"), Person);
    check_kind(PenaltyRow::new().with("证件类型", "身份证"), Person);
    check_kind(PenaltyRow::new().with("证件类型", "1").with("证件号码", "1101051949****002X"), Person);
    check_kind(PenaltyRow::new().with("证件类型", "2").with("证件号码", "E12345678"), Person);
    check_kind(
        nobody().with("行政相对人类别", "法人").with("证件类型", "身份证").with("证件号码", RESIDENT),
        Person,
    );
}

#[test]
fn the_template_of_natural_persons_holds_persons_whatever_their_number() {
    let version = chengxin_import::dialect::TemplateVersion::PenaltyNaturalPersons2018;
    let headers: Vec<&str> =
        chengxin_import::dialect::penalty_columns(version).iter().map(|(_, header)| *header).collect();
    let values: Vec<&str> = headers
        .iter()
        .map(|header| match *header {
            "行政相对人名称" => "示例甲",
            "行政处罚决定书文号" => "示〔2026〕1号",
            "处罚决定日期" => "2026-05-04",
            "处罚机关" => "示例市市场监督管理局",
            _ => "——",
        })
        .collect();
    let outcome = import(csv(&[headers, values]), ImportOptions::default()).expect("header");
    assert_eq!(codes(&outcome.rows[0]), ["subject_identity_weak"]);
    assert_eq!(outcome.rows[0].subject_kind, Person);
    let fields = outcome.rows[0].fields.as_ref().expect("accepted");
    assert_eq!(fields.text("subject_category"), Some("自然人"));
}

/// A record is ruled by its fields. Where a number would have said that the subject is a natural person, and the file masks
/// it or has none, another field says it.
#[test]
fn a_stated_person_stays_stated_without_a_number() {
    let (category, kind, number) = ("行政相对人类别", "证件类型", "证件号码");
    let masked = "1501021949****002X";
    let fields_of = |row: PenaltyRow| {
        let outcome = import_rows(&[row]);
        let row = &outcome.rows[0];
        let fields = row.fields.as_ref().unwrap_or_else(|| panic!("{:?}", row.issues));
        assert_eq!(fields.text("person_number").filter(|number| number.contains('*')), None);
        ["person_document_type", "subject_category"].map(|name| fields.text(name).map(str::to_owned))
    };
    let check = |row: PenaltyRow, document: Option<&str>, category: Option<&str>| {
        assert_eq!(fields_of(row), [document, category].map(|text| text.map(str::to_owned)));
    };
    let card = Some("身份证");
    // No column for the type, in front of the number or behind it, an empty one, and one that says it.
    check(nobody().with(number, masked), card, None);
    check(nobody().with(kind, "").with(number, masked), card, None);
    check(nobody().with(number, masked).with(kind, "——"), card, None);
    check(nobody().with(number, masked).with(kind, "2"), Some("护照号"), None);
    // Words of no known category say nothing against it, and a business stays one.
    check(nobody().with(category, "2").with(number, masked), card, Some("2"));
    check(nobody().with(category, "个体工商户").with(number, masked), card, Some("个体工商户"));
    // Of which document a number of another form is, nobody knows.
    check(nobody().with(kind, "").with(number, "E12****78"), None, Some("自然人"));
    check(PenaltyRow::new().with(kind, "").with(number, "E12****78"), None, None);
    // A row that has the number, or says nothing of a person, stays as it is.
    check(nobody().with(number, RESIDENT), None, None);
    check(nobody().with("法定代表人证件号码", masked), None, None);
    check(nobody(), None, None);
    check(PenaltyRow::new(), None, None);
}

#[test]
fn debtors_with_masked_or_missing_numbers_are_persons() {
    let headers = vec!["失信被执行人姓名/名称", "身份证号码/组织机构代码", "执行法院", "立案时间", "案号"];
    let check = |number, expected: &[&str], kind| {
        let row = vec!["示例甲", number, "示例区人民法院", "2026-02-10", "(2026)示执1号"];
        let outcome = import(csv(&[headers.clone(), row]), ImportOptions::default()).expect("header");
        let row = &outcome.rows[0];
        assert_eq!(codes(row), expected, "{number}");
        assert_eq!(row.subject_kind, kind, "{number}");
        row.fields.clone()
    };
    let weak = "subject_identity_weak";
    check("1101051949****002X", &["person_number_masked", weak], Person);
    check("——", &[weak], Person);
    check(RESIDENT, &[], Person);
    check(CODE, &[], Organisation);
    check("10774368-0", &[weak], Organisation);
    // Passports and permits fail the check of organisation codes, or pass it by chance.
    for number in ["E12345678", "E12345673", "H12345678", "EA1234567", "甲12345678"] {
        assert!(check(number, &["number_unclear"], Person).is_none(), "{number}");
    }
    // A number that is valid as both is a person's here.
    let fields = check(BOTH, &[], Person).expect("accepted");
    assert_eq!((fields.text("person_number"), fields.text("subject_code")), (Some(BOTH), None));
}

#[test]
fn a_code_that_is_also_a_resident_number_needs_a_named_person() {
    let row = PenaltyRow::new().with(CODE_COLUMN, BOTH);
    let outcome = import_rows(&[row]);
    assert_eq!(codes(&outcome.rows[0]), ["code_ambiguous"]);
    let exception = CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
    let exceptions = Exceptions { rows: [(2, exception.clone())].into(), ..Exceptions::default() };
    let row = PenaltyRow::new().with(CODE_COLUMN, BOTH);
    let options = ImportOptions { exceptions, ..ImportOptions::default() };
    let outcome = import(csv(&[row.headers(), row.values()]), options).expect("header");
    let row = &outcome.rows[0];
    assert_eq!(codes(row), ["code_accepted"]);
    assert_eq!((row.subject_kind, row.exception.as_ref()), (Organisation, Some(&exception)));
    assert_eq!(row.fields.as_ref().and_then(|fields| fields.text("subject_code")), Some(BOTH));
}

#[test]
fn no_column_of_organisations_takes_a_persons_number() {
    let tax = "行政相对人代码_4(税务登记号)";
    for number in [RESIDENT, "11010519491231002X01", "110105194912310021", "11010549123100201", BOTH] {
        let outcome = import_rows(&[PenaltyRow::new().with(tax, number)]);
        let row = &outcome.rows[0];
        assert_eq!(codes(row), ["tax_number_is_person_number"], "{number}");
        let fields = row.fields.as_ref().expect("accepted");
        assert_eq!(fields.text("tax_registration_number"), None);
        assert!(!row.issues[0].message_zh().contains(number));
    }
    let outcome = import_rows(&[PenaltyRow::new().with(tax, "150102107743680")]);
    let fields = outcome.rows[0].fields.as_ref().expect("accepted");
    assert_eq!(fields.text("tax_registration_number"), Some("150102107743680"));
    // A company's whose organisation code has a day of birth in it: the check of the code tells.
    let outcome = import_rows(&[PenaltyRow::new().with(tax, "150102491231005")]);
    assert!(codes(&outcome.rows[0]).is_empty());
    let fields = outcome.rows[0].fields.as_ref().expect("accepted");
    assert_eq!(fields.text("tax_registration_number"), Some("150102491231005"));
    // The same number in a sole trader's row is the owner's as likely as not. The row says so by its category or by its code,
    // wherever they stand.
    let (category, registration) = ("行政相对人类别", "行政相对人代码_2(工商注册号)");
    let trader_code = "92150102MA0DEM1287";
    let taxed = || PenaltyRow::new().with(tax, "150102491231005");
    for row in [
        PenaltyRow::new().with(category, "个体工商户").with(tax, "150102491231005"),
        taxed().with(category, " 个体 工商户"),
        taxed().with(category, "个体户"),
        taxed().with(category, "个体经营者"),
        taxed().with(category, "4"),
        taxed().with(CODE_COLUMN, trader_code),
        taxed().renamed(CODE_COLUMN, "备注").with(CODE_COLUMN, " ９２150102ma0dem1287"),
        taxed().with(CODE_COLUMN, "——").with(registration, trader_code),
    ] {
        let outcome = import_rows(&[row]);
        let row = &outcome.rows[0];
        assert_eq!((codes(row).first(), row.subject_kind), (Some(&"number_may_be_persons"), Organisation));
        let fields = row.fields.as_ref().expect("accepted");
        assert!(fields.iter().all(|(_, value)| !value.to_text().contains("491231")));
    }
    for column in [
        "行政相对人代码_2(工商注册号)",
        "行政相对人代码_3(组织机构代码)",
        "行政相对人代码_5(事业单位证书号)",
        "行政相对人代码_6(社会组织登记证号)",
    ] {
        let outcome = import_rows(&[PenaltyRow::new().with(column, RESIDENT)]);
        assert_eq!(codes(&outcome.rows[0]), ["code_is_person_number"], "{column}");
    }
    // An old resident number has no check character: it is left out of what is public.
    for column in [
        "行政相对人代码_2(工商注册号)",
        "行政相对人代码_5(事业单位证书号)",
        "行政相对人代码_6(社会组织登记证号)",
        tax,
    ] {
        let trader = PenaltyRow::new().with("行政相对人类别", "个体工商户").with(column, "150102491231002");
        let outcome = import_rows(&[trader]);
        let row = &outcome.rows[0];
        assert_eq!((codes(row), row.subject_kind), (vec!["number_may_be_persons"], Organisation), "{column}");
        let fields = row.fields.as_ref().expect("accepted");
        assert!(fields.iter().all(|(_, value)| !value.to_text().contains("491231")), "{column}");
        assert!(!row.issues[0].message_zh().contains("491231"));
    }
    let outcome = import_rows(&[PenaltyRow::new().with("行政相对人代码_3(组织机构代码)", "E12345678")]);
    assert_eq!(codes(&outcome.rows[0]), ["number_unclear"]);
}
