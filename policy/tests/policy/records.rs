//! What importers, issuers and recipients ask of a bundle: severity, publicity, public fields, measures, working days.

use std::sync::LazyLock;

use chengxin_policy::{
    Applicability, Bundle, DeclineReason, FunctionScope, MaskRule, NotApplicableReason, SanctionObject,
};
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::record::RecordFields;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::{Day, PeriodEnd};
use proptest::prelude::*;

use crate::support::changed;

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| Bundle::baseline().expect("baseline"));

fn day(text: &str) -> Day {
    text.parse().expect("day")
}

fn penalty(kinds: &[&str], others: &[(&str, &str)]) -> RecordFields {
    let mut fields = RecordFields::new(RecordType::AdministrativePenalty);
    fields.text_insert("decision_date", "2026-05-04").expect("date");
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    if !kinds.is_empty() {
        fields.list_insert("penalty_kinds", &kinds).expect("kinds");
    }
    for (name, text) in others {
        fields.text_insert(name, text).expect(name);
    }
    fields
}

#[test]
fn penalties_are_classed_by_kind() {
    use BreachSeverity::{General, Minor, Serious};
    type Case =
        (&'static [&'static str], &'static [(&'static str, &'static str)], BreachSeverity, &'static str);
    let cases: [Case; 36] = [
        (&["警告"], &[], Minor, "penalty.minor-kinds"),
        (&["警告", "通报批评"], &[], Minor, "penalty.minor-kinds"),
        (&["警告", "罚款"], &[], General, "penalty.other"),
        (&["警告、罚款"], &[], General, "penalty.other"),
        (&["罚款"], &[("remark", "适用简易程序")], Minor, "penalty.simple-procedure"),
        (&["罚款"], &[("fine", "50000")], General, "penalty.other"),
        (&["没收违法所得、没收非法财物"], &[], General, "penalty.other"),
        (&["责令停产停业"], &[], Serious, "penalty.serious-kinds"),
        (&["罚款", "吊销许可证件"], &[], Serious, "penalty.serious-kinds"),
        (&["暂扣或者吊销许可证、暂扣或者吊销执照"], &[], General, "penalty.suspend-or-revoke-template"),
        (
            &["暂扣或者吊销许可证、暂扣或者吊销执照"],
            &[("penalty_content", "吊销营业执照")],
            Serious,
            "penalty.serious-content",
        ),
        (&[], &[], General, "penalty.other"),
        // The template beside a serious kind, in one value or in two, hides nothing.
        (&["暂扣或者吊销许可证、责令停业"], &[], Serious, "penalty.serious-kinds"),
        (&["暂扣或者吊销许可证", "责令停产"], &[], Serious, "penalty.serious-kinds"),
        (&["暂扣或者吊销许可证", "吊销许可证件"], &[], Serious, "penalty.serious-kinds"),
        (&["其他"], &[("penalty_content", "吊销营业执照")], Serious, "penalty.serious-content"),
        (&[], &[("penalty_content", "责令关闭")], Serious, "penalty.serious-content-alone"),
        (&["罚款"], &[("penalty_content", "罚款；逾期不缴的吊销执照")], General, "penalty.other"),
        // Words that only look like a simple procedure.
        (&["罚款"], &[("penalty_content", "依法应当罚款人民币伍拾万元")], General, "penalty.other"),
        (&["罚款"], &[("remark", "本案不适用简易程序")], General, "penalty.other"),
        (
            &["罚款"],
            &[("remark", "适用简易程序"), ("penalty_content", "限制从业五年")],
            General,
            "penalty.other",
        ),
        (
            &["罚款"],
            &[("decision_number", "示市监当罚〔2026〕12号")],
            Minor,
            "penalty.simple-procedure-number",
        ),
        (&["罚款"], &[("decision_number", "示市监处罚〔2026〕12号")], General, "penalty.other"),
        (&["罚款"], &[("penalty_content", "当场处罚五十元")], Minor, "penalty.simple-procedure"),
        (
            &["暂扣或者吊销许可证"],
            &[("penalty_content", "暂扣许可证三个月，不予吊销")],
            General,
            "penalty.suspend-or-revoke-template",
        ),
        // A warning beside what the kinds leave out is not all there was.
        (&["警告"], &[("penalty_content", "警告，并处罚款五十万元")], General, "penalty.other"),
        (&["警告"], &[("penalty_content", "警告，并处人民币五万元")], General, "penalty.other"),
        (&["警告"], &[("penalty_content", "警告，处以人民币五万元")], General, "penalty.other"),
        (&["警告"], &[("penalty_content", "处以警告，并处通报批评")], Minor, "penalty.minor-kinds"),
        (&["警告"], &[("fine", "500000")], General, "penalty.other"),
        (&["警告"], &[("confiscated", "0.01")], General, "penalty.other"),
        (&["警告"], &[("fine", "0.00"), ("penalty_content", "警告，免予罚款")], Minor, "penalty.minor-kinds"),
        // A fine above the cap of simple procedure was not imposed by it, whatever the words say.
        (&["罚款"], &[("remark", "适用简易程序"), ("fine", "3000.00")], Minor, "penalty.simple-procedure"),
        (&["罚款"], &[("remark", "适用简易程序"), ("fine", "3000.01")], General, "penalty.other"),
        (
            &["罚款"],
            &[("decision_number", "示市监当罚〔2026〕12号"), ("fine", "500000")],
            General,
            "penalty.other",
        ),
        (&["罚款", "没收违法所得、没收非法财物"], &[("remark", "适用简易程序")], General, "penalty.other"),
    ];
    for (kinds, others, severity, rule) in cases {
        let ruling = BUNDLE.severity_for(&penalty(kinds, others), SubjectKind::Organisation);
        assert_eq!((ruling.severity, ruling.rule.as_str()), (Some(severity), rule), "{kinds:?} {others:?}");
        assert!(!ruling.source.is_empty() && !ruling.document.is_empty());
    }
}

/// 《行政处罚法》第五十一条: 200 yuan for a citizen, 3,000 for an organisation.
#[test]
fn a_fine_by_simple_procedure_is_capped_lower_for_a_stated_citizen() {
    use BreachSeverity::{General, Minor};
    for by_simple_procedure in [("remark", "适用简易程序"), ("decision_number", "示市监当罚〔2026〕12号")]
    {
        let (number, category) = (("person_number", "11010519491231002X"), "subject_category");
        let (person, organisation) = (SubjectKind::Person, SubjectKind::Organisation);
        type Case<'a> = (SubjectKind, &'a [(&'a str, &'a str)], &'a str, BreachSeverity);
        let cases: [Case; 12] = [
            (person, &[number], "200.00", Minor),
            (person, &[number], "200.01", General),
            (person, &[number], "2000", General),
            (person, &[("person_document_type", "身份证")], "2000", General),
            (person, &[(category, "自然人")], "2000", General),
            // Kept as persons', and not said to be citizens'.
            (person, &[], "2000", Minor),
            (person, &[number, (category, "个体工商户")], "2000", Minor),
            (person, &[number, ("subject_code", "91150100DEM000567Y")], "2000", Minor),
            (person, &[], "3000.01", General),
            (person, &[(category, "2")], "2000", Minor),
            (organisation, &[], "2000", Minor),
            (organisation, &[], "3000.01", General),
        ];
        for (kind, others, fine, severity) in cases {
            let fields = penalty(&["罚款"], &[others, &[by_simple_procedure, ("fine", fine)]].concat());
            let ruling = BUNDLE.severity_for(&fields, kind);
            assert_eq!(ruling.severity, Some(severity), "{kind:?} {others:?} {fine} {by_simple_procedure:?}");
        }
    }
}

/// The baseline as if the list of minor kinds had been read in its document.
fn minor_kinds_verified() -> Bundle {
    changed("categories.toml", |text| {
        let place = text.find("id = \"penalty.minor-kinds\"").expect("rule");
        let (before, rule) = text.split_at(place);
        let unverified = "verified = false\nmissing = [\"criteria\"]\n";
        [before, &rule.replacen(unverified, "verified = true\n", 1)].concat()
    })
    .expect("loads")
}

#[test]
fn a_ruling_is_verified_only_within_the_dates_of_its_rule() {
    let bundle = minor_kinds_verified();
    let verified = |fields: &RecordFields| bundle.severity_for(fields, SubjectKind::Organisation).verified;
    assert!(verified(&penalty(&["警告"], &[])));
    let older = penalty(&["警告"], &[("decision_date", "2026-03-31")]);
    assert!(!verified(&older), "the transition rule is an open fact");
    let mut undated = RecordFields::new(RecordType::AdministrativePenalty);
    undated.list_insert("penalty_kinds", &["警告".to_owned()]).expect("kinds");
    assert!(!verified(&undated));
    let debtor =
        BUNDLE.severity_for(&RecordFields::new(RecordType::JudgmentDebtor), SubjectKind::Organisation);
    assert_eq!(debtor.category, InformationCategory::SeriousBreach);
    assert!(!debtor.verified);
}

#[test]
fn a_severity_read_from_words_is_not_verified() {
    for (kinds, others) in [
        (&["警告"][..], &[][..]),
        (&["罚款"], &[("remark", "适用简易程序")]),
        (&["其他"], &[("penalty_content", "吊销营业执照")]),
        (&["罚款"], &[]),
    ] {
        let ruling = BUNDLE.severity_for(&penalty(kinds, others), SubjectKind::Organisation);
        assert!(!ruling.verified, "{}", ruling.rule);
    }
}

#[test]
fn publicity_runs_from_the_determination_by_the_rule_of_that_day() {
    let penalty = RecordType::AdministrativePenalty;
    let publicity = |severity, text| BUNDLE.publicity_end(penalty, severity, day(text));
    let general = publicity(BreachSeverity::General, "2026-05-31").expect("rule");
    assert_eq!(general.earliest_repair, day("2026-08-31"));
    assert_eq!(general.end, Some(PeriodEnd::from_date("2027-05-31".parse().expect("date"))));
    assert!(general.publish && general.verified);
    let minor = publicity(BreachSeverity::Minor, "2026-11-30").expect("rule");
    assert!(!minor.publish, "minor breaches are in principle not published");
    assert_eq!(minor.end, Some(PeriodEnd::from_date("2027-02-28".parse().expect("date"))));
    let serious = publicity(BreachSeverity::Serious, "2026-04-01").expect("rule");
    assert_eq!(serious.end, Some(PeriodEnd::from_date("2029-04-01".parse().expect("date"))));
    let older = publicity(BreachSeverity::Serious, "2026-03-31").expect("order 58");
    assert_eq!(older.rule.as_str(), "publicity.order-58.serious");
    assert!(!older.verified);
    assert_eq!(publicity(BreachSeverity::Serious, "2023-04-30"), None, "no rule, no end");
}

/// The orders on repair are not known to speak of the courts' list, and its own rule gives not every entry a term.
#[test]
fn no_end_of_a_judgment_debtors_publicity_is_guessed() {
    let debtor = RecordType::JudgmentDebtor;
    for listed in ["2017-05-01", "2026-03-31", "2026-06-19"] {
        let publicity = BUNDLE.publicity_end(debtor, BreachSeverity::Serious, day(listed)).expect("a period");
        assert_eq!((publicity.end, publicity.signed_end()), (None, None), "{listed}");
        assert_eq!(publicity.rule.as_str(), "publicity.spc-2017.serious");
        assert!(publicity.publish && !publicity.verified, "{listed}");
        assert_eq!(publicity.earliest_repair, day(listed), "performance ends the entry");
    }
    assert_eq!(BUNDLE.publicity_end(debtor, BreachSeverity::Serious, day("2017-04-30")), None);
    for severity in [BreachSeverity::Minor, BreachSeverity::General] {
        assert_eq!(BUNDLE.publicity_end(debtor, severity, day("2026-06-19")), None, "no debtor is so mild");
    }
}

#[test]
fn an_end_of_publicity_is_verified_only_if_the_severity_is() {
    let warning = penalty(&["警告"], &[]);
    let determined = day("2026-05-04");
    for (bundle, verified) in [(&*BUNDLE, false), (&minor_kinds_verified(), true)] {
        let ruling = bundle.severity_for(&warning, SubjectKind::Organisation);
        let publicity = bundle.publicity_ruled(warning.record_type(), &ruling, determined).expect("a rule");
        assert_eq!((publicity.rule.as_str(), publicity.verified), ("publicity.order-36.minor", verified));
    }
}

/// A day of 2099 reads as long-term: an end there would not come back as it was written.
#[test]
fn every_end_of_publicity_reads_as_it_was_written() {
    let mut found = 0;
    let mut date = day("1900-01-01").0;
    while date.year() <= 2100 {
        for severity in BreachSeverity::ALL {
            let publicity = BUNDLE.publicity_end(RecordType::AdministrativePenalty, *severity, Day(date));
            let Some(publicity) = publicity else { continue };
            let end = publicity.end.expect("a maximum");
            let text = serde_json::to_string(&end).expect("written");
            assert_eq!(serde_json::from_str::<PeriodEnd>(&text).expect(&text), end);
            assert_ne!(end, PeriodEnd::LongTerm, "a period of months ends");
            found += 1;
        }
        date = date.tomorrow().expect("tomorrow");
    }
    assert!(found > 50_000, "{found}");
}

#[test]
fn public_fields_are_level_one_open_and_about_organisations() {
    let public = |field, person| BUNDLE.is_public_field(RecordType::AdministrativePenalty, field, person);
    assert!(public("decision_number", false));
    assert!(!public("decision_number", true));
    for field in ["person_number", "legal_representative", "facts", "remark", "no_such_field"] {
        assert!(!public(field, false), "{field}");
    }
    for (record_type, name, class) in BUNDLE.field_classes() {
        let (_, definition) = record_type.field(name).expect("dictionary");
        if definition.is_personal_number() {
            assert!(class.mask.is_some(), "{record_type} {name} cannot be masked");
            assert!(!BUNDLE.is_public_field(record_type, name, false));
        }
    }
}

#[test]
fn measures_reach_those_who_carry_them_out() {
    let functions = |codes: &[&str]| -> Vec<FunctionCode> {
        codes.iter().map(|code| code.parse().expect("function")).collect()
    };
    let applies = |measure: &str, codes: &[&str], kind, severity| {
        BUNDLE.measure_applies(&measure.parse().expect("measure"), &functions(codes), kind, severity)
    };
    use BreachSeverity::{General, Minor, Serious};
    use SanctionObject::{Organisation, Person, PublicBody};
    let procurement = "restrict-government-procurement";
    assert_eq!(applies(procurement, &[], Organisation, General), Applicability::Applies);
    assert_eq!(
        applies(procurement, &[], Organisation, Minor),
        Applicability::Declined(DeclineReason::Severity)
    );
    assert_eq!(
        applies("invented", &[], Organisation, Serious),
        Applicability::Declined(DeclineReason::UnknownMeasure)
    );
    assert_eq!(
        applies("bar-civil-service-recruitment", &[], Organisation, Serious),
        Applicability::Declined(DeclineReason::SubjectKind)
    );
    assert_eq!(
        applies("restrict-high-consumption", &["finance"], Person, Serious),
        Applicability::NotApplicable(NotApplicableReason::Function)
    );
    assert_eq!(applies("restrict-high-consumption", &["court"], Person, Serious), Applicability::Applies);
    // What law provides against public bodies is not turned against their counterparties.
    assert_eq!(applies("restrict-special-bond", &["finance"], PublicBody, General), Applicability::Applies);
    for object in [Organisation, Person] {
        assert_eq!(
            applies("restrict-special-bond", &["finance"], object, Serious),
            Applicability::Declined(DeclineReason::SubjectKind)
        );
    }
    let recipients = |measure: &str| BUNDLE.recipients_for(&measure.parse().expect("measure"));
    assert_eq!(recipients(procurement), Some(&FunctionScope::Every));
    assert_eq!(recipients("restrict-fund-allocation"), Some(&FunctionScope::Having(functions(&["finance"]))));
    assert_eq!(recipients("invented"), None);
}

#[test]
fn every_measure_of_the_lists_is_there_and_a_basis_stands_behind_the_verified_ones() {
    for chinese in [
        "限制项目申报",
        "限制资金安排",
        "限制政府融资",
        "限制示范创建",
        "行政处分",
        "职务调整",
        "财政资金扣减",
        "取消评优评先资格",
        "限制职务晋升",
        "公开曝光",
        "限制政府资金支持",
        "专项债券申请",
        "扶持政策",
        "融资项目推荐",
        "书面说明",
        "限期整改",
        "主要负责人",
    ] {
        assert!(
            BUNDLE.measures().iter().any(|measure| measure.chinese.contains(chinese)),
            "SA-05 to SA-08: {chinese}"
        );
    }
    for measure in BUNDLE.measures() {
        for ground in &measure.grounds {
            assert!(!ground.verified || ground.legal_basis.is_some(), "{}", measure.code);
            // A public body is more than a prefecture-level city: what was read about these verifies nothing about all.
            assert!(!ground.verified || !ground.source.contains("地级市"), "{}", measure.code);
            // 国发〔2016〕76号 speaks of officials besides.
            let of_public_bodies = ["发改财金〔2023〕1103号", "国务院令第802号"];
            if of_public_bodies.contains(&ground.document.as_str()) {
                assert_eq!(ground.object, SanctionObject::PublicBody, "{}", measure.code);
            }
        }
    }
}

#[test]
fn working_days_follow_the_notice_and_end_where_data_ends() {
    let calendars = BUNDLE.calendars();
    let worked = |text| calendars.is_working_day(day(text));
    assert!(!worked("2026-10-01").expect("data"));
    assert!(worked("2026-10-10").expect("data"), "a worked Saturday");
    assert!(!worked("2026-11-22").expect("data"), "a Sunday");
    assert!(worked("2026-11-23").expect("data"));
    assert!(worked("2027-01-04").is_err(), "no data, no guess");
    let after = |text, count| calendars.working_days_after(day(text), count);
    assert_eq!(after("2026-09-30", 3).expect("data"), day("2026-10-10"));
    assert!(after("2026-12-30", 3).is_err());
    assert!(after("2026-01-01", u32::MAX).is_err(), "bounded");
    assert_eq!(calendars.years().collect::<Vec<_>>(), [2024, 2025, 2026]);
}

proptest! {
    #[test]
    fn a_mask_never_shows_the_whole(text in "\\PC{1,40}", left in any::<u16>(), right in 0_u16..40) {
        let text = text.replace('*', "x");
        let masked = MaskRule::new(left % 40, right).apply(&text);
        prop_assert_eq!(masked.chars().count(), text.chars().count());
        prop_assert!(masked.contains('*'));
        let hidden = masked.chars().zip(text.chars()).filter(|(shown, symbol)| shown != symbol).count();
        prop_assert!(2 * hidden >= text.chars().count(), "{masked}");
        prop_assert_ne!(masked, text);
    }
}
