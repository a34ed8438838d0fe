//! The content of the shipped bundle beside its decisions: the list of breaches, repair, deadlines, incentives, calendars,
//! and what is unverified in them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chengxin_policy::{
    Binding, Bundle, BundleFiles, ConditionsNeeded, DeadlineMatter, LookupError, MissingFact, PolicyError,
    RepairEffect, SanctionObject, TermLength,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::time::Day;
use proptest::prelude::*;

use crate::support::{baseline_texts, changed};

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| Bundle::baseline().expect("baseline"));

fn day(text: &str) -> Day {
    text.parse().expect("day")
}

fn key(text: &str) -> chengxin_policy::RuleId {
    text.to_owned().try_into().expect("key")
}

#[test]
fn every_behaviour_that_the_requirements_name_is_listed() {
    let catalogue = BUNDLE.catalogue();
    let named = [
        (
            "CA-06",
            [
                "新官不理旧账",
                "违约毁约",
                "恶意竞争",
                "欺商骗企",
                "设租寻租",
                "盲目招商",
                "违规举债",
                "拖延审计",
                "恶意拖欠工程款",
                "恶意拖欠农民工工资",
                "重大政策执行不力",
                "决策失误",
                "滥用职权",
                "有令不行",
                "有禁不止",
            ]
            .as_slice(),
        ),
        (
            "CA-07",
            &[
                "承诺不兑现",
                "承诺逾期兑现",
                "兑现内容与承诺不符",
                "朝令夕改",
                "执法不公",
                "以权谋私",
                "失职渎职",
                "政绩造假",
                "地方保护主义",
                "瞒报",
                "虚报",
                "统计造假",
                "懒政怠政",
                "推诿扯皮",
            ],
        ),
        ("CA-08", &["招商承诺爽约", "拖欠中小企业款项", "取消公共服务项目", "政府采购违约", "PPP 违约"]),
        ("CA-09", &["不按权责清单履职"]),
        ("CA-10", &["违反数据共享规则"]),
    ];
    for (requirement, titles) in named {
        for title in titles {
            let found = catalogue.behaviours().iter().find(|behaviour| behaviour.chinese == *title);
            let found = found.unwrap_or_else(|| panic!("{requirement} lacks {title}"));
            assert_eq!(found.requirement, requirement, "{title}");
        }
    }
}

#[test]
fn the_list_has_three_levels_and_each_breach_its_consequences() {
    let catalogue = BUNDLE.catalogue();
    assert!(!catalogue.classes().is_empty() && !catalogue.items().is_empty());
    for behaviour in catalogue.behaviours() {
        let (class, item) = catalogue.place(behaviour).expect("a place on the upper levels");
        assert_eq!((&item.code, &item.class), (&behaviour.item, &class.code));
        for code in &behaviour.grades {
            let grade = catalogue.grade(code).expect("bound");
            let serious = grade.category == InformationCategory::SeriousBreach;
            assert_eq!(serious, grade.severity == BreachSeverity::Serious, "{code}");
            for object in &behaviour.objects {
                let measures = BUNDLE.measures_following(&behaviour.code, grade.severity, *object);
                let measures = measures.unwrap_or_else(|| panic!("{}", behaviour.code));
                assert!(!measures.is_empty());
                for measure in measures {
                    let ground = measure.ground(*object).expect("a ground");
                    assert!(ground.severity_floor <= grade.severity, "{code} {}", measure.code);
                }
            }
            // Whatever is recorded today can be repaired by a rule in force today.
            BUNDLE.repair().on(&grade.repair, day("2026-04-01")).expect("a repair rule");
        }
    }
}

#[test]
fn the_plan_of_the_region_is_verified_and_commentaries_are_not() {
    for behaviour in BUNDLE.catalogue().behaviours() {
        let provenance = &behaviour.provenance;
        assert!(
            !provenance.verified || provenance.document.contains(['〔', '第', '条']),
            "{} rests on {}",
            behaviour.code,
            provenance.document
        );
        if behaviour.requirement == "CA-07" {
            assert!(!provenance.verified, "{} is named by commentaries alone", behaviour.code);
        }
        if behaviour.requirement == "CA-06" {
            assert!(provenance.verified, "{} is named by the plan", behaviour.code);
            assert_eq!(provenance.effective_from, Some(day("2021-10-19")));
        }
    }
    let code = "decision-error".parse().expect("code");
    assert!(BUNDLE.catalogue().behaviour_on(&code, day("2021-10-18")).is_none(), "before the plan");
    assert!(BUNDLE.catalogue().behaviour_on(&code, day("2021-10-19")).is_some());
    for grade in BUNDLE.catalogue().grades() {
        assert!(!grade.provenance.verified, "no list of grades is published: {}", grade.code);
    }
}

#[test]
fn what_law_exempts_is_said_beside_the_breach() {
    let catalogue = BUNDLE.catalogue();
    let exemptions = |code: &str| -> BTreeSet<String> {
        let behaviour = catalogue.behaviour(&code.parse().expect("code")).expect(code);
        catalogue.exemptions_for(behaviour).map(|exemption| exemption.code.to_string()).collect()
    };
    assert_eq!(exemptions("ppp-default").len(), 3);
    assert!(!exemptions("abuse-of-power").contains("lawful-change"), "abuse is never a lawful change");
    assert!(exemptions("abuse-of-power").contains("self-correction"));
}

#[test]
fn no_notice_can_name_an_incentive() {
    assert!(!BUNDLE.incentives().is_empty());
    for incentive in BUNDLE.incentives() {
        let as_measure = incentive.code.as_str().parse().expect("label");
        assert!(BUNDLE.measure(&as_measure).is_none(), "{}", incentive.code);
        assert_eq!(BUNDLE.incentive(&incentive.code), Some(incentive));
        assert!(incentive.grounds.iter().all(|ground| !ground.verified), "commentaries alone name them");
    }
}

#[test]
fn repair_is_chosen_by_the_day() {
    let rule = |name: &str, text: &str| BUNDLE.repair().on(&key(name), day(text));
    let new = rule("information.general", "2026-04-01").expect("order 36");
    assert_eq!((new.id.as_str(), new.provenance.verified), ("repair.order-36.general", true));
    assert_eq!(new.conditions.len(), 4);
    assert_eq!(
        new.effects,
        [RepairEffect::EndPublicity, RepairEffect::EndSharing, RepairEffect::LiftSanctions]
    );
    assert_eq!(new.materials.len(), 2, "only two papers may be asked for");
    let old = rule("information.general", "2026-03-31").expect("order 58");
    assert_eq!((old.id.as_str(), old.provenance.verified), ("repair.order-58.general", false));
    let none = rule("information.general", "2023-04-30").expect_err("no rule, no conditions");
    assert_eq!(none.code(), ErrorCode::NotFound);
    assert!(none.to_string().contains("information.general in force on 2023-04-30"), "{none}");
    let debtor = rule("judgment-debtor", "2026-05-04").expect("rule");
    assert_eq!(debtor.needs, ConditionsNeeded::Any);
    for rule in BUNDLE.repair().rules() {
        for code in rule.conditions.iter().chain(&rule.materials) {
            assert!(BUNDLE.repair().term(code).is_some(), "{code}");
        }
    }
}

#[test]
fn deadlines_keep_their_unit_and_their_open_values() {
    let due = |name: &str, text: &str, extended| BUNDLE.due(&key(name), day(text), extended);
    // Working days jump the holiday; calendar days do not, they only end on a worked day.
    assert_eq!(due("repair.result", "2026-09-30", false).expect("10 wd").last_day, day("2026-10-20"));
    assert_eq!(due("payment.delivered", "2026-09-07", false).expect("30 d").last_day, day("2026-10-08"));
    let extended = due("sharing.update-catalogue", "2026-11-02", true).expect("10 + 5 wd");
    assert_eq!(
        (extended.last_day, extended.rule.as_str()),
        (day("2026-11-23"), "sharing.update-extension.sharing-regulation")
    );
    // How days are counted was read in no law, so no counted end is verified; a day that is not counted is as its rule.
    assert!(!due("repair.accept", "2026-05-04", false).expect("3 wd").verified);
    let open = due("objection.handle", "2026-05-04", false).expect_err("an open fact");
    assert!(matches!(open, LookupError::NoValue { .. }), "{open}");
    assert!(open.to_string().contains("objection.handle.inner-mongolia"), "{open}");
    let unextended = due("repair.accept", "2026-05-04", true).expect_err("no extension");
    assert!(matches!(unextended, LookupError::NoValue { .. }), "{unextended}");
    let unknown = due("repair.invented", "2026-05-04", false).expect_err("no such rule");
    assert!(matches!(unknown, LookupError::NoRule { .. }), "{unknown}");
    let beyond = due("repair.result", "2026-12-25", false).expect_err("no calendar for 2027");
    assert!(matches!(beyond, LookupError::Calendar(PolicyError::NoCalendar { year: 2027 })), "{beyond}");
    for matter in [DeadlineMatter::Repair, DeadlineMatter::Objection] {
        assert!(BUNDLE.deadlines().iter().filter(|deadline| deadline.matter == matter).count() >= 5);
    }
    for deadline in BUNDLE.deadlines().iter() {
        assert!(deadline.binding != Binding::Model || !deadline.provenance.verified, "{}", deadline.id);
        assert!(deadline.length.is_some() || !deadline.provenance.verified, "{}", deadline.id);
    }
    assert_eq!(TermLength::WorkingDays(1).english(), "1 working day");
    assert_eq!(TermLength::CalendarDays(30).english(), "30 calendar days");
    assert_eq!(TermLength::CalendarDays(30).chinese(), "30 日");
}

/// The day of the event is counted once, by the term it begins; an extension begins where that term ends.
#[test]
fn an_extension_is_whole_also_where_the_day_of_the_event_counts() {
    let mut texts = baseline_texts();
    for (file, from, to) in [
        ("deadlines.toml", "event_day_counts = false", "event_day_counts = true"),
        ("tests.toml", "last_day = \"2026-05-08\"", "last_day = \"2026-05-07\""),
        ("tests.toml", "last_day = \"2026-05-13\"", "last_day = \"2026-05-12\""),
        ("tests.toml", "last_day = \"2026-11-30\"", "last_day = \"2026-11-27\""),
        (
            "tests.toml",
            "event = \"2026-04-01\"\nlast_day = \"2026-10-01\"",
            "event = \"2026-04-02\"\nlast_day = \"2026-10-01\"",
        ),
        ("tests.toml", "event = \"2026-05-08\"", "event = \"2026-05-09\""),
    ] {
        let text = texts.get_mut(file).expect("file");
        assert!(text.contains(from), "{file} {from}");
        *text = text.replacen(from, to, 1);
    }
    let bundle = BundleFiles::new(texts).and_then(Bundle::from_files).expect("loads");
    let due =
        |name: &str, extended| bundle.due(&key(name), day("2026-11-02"), extended).expect("due").last_day;
    // Monday 2 November is the first of ten working days, Friday the 13th the last, Friday the 27th the twentieth.
    assert_eq!(due("sharing.answer-conditional", false), day("2026-11-13"));
    assert_eq!(due("sharing.answer-conditional", true), day("2026-11-27"));
    assert_eq!(due("objection.mark", false), day("2026-11-02"), "at once is not counted");
}

#[test]
fn calendars_are_those_of_the_notices() {
    // Days off and worked weekends of each year, as the State Council's notices have them.
    let counts: Vec<_> = BUNDLE
        .calendars()
        .iter()
        .map(|(year, calendar)| (year, calendar.holidays.len(), calendar.makeup_workdays.len()))
        .collect();
    assert_eq!(counts, [(2024, 28, 8), (2025, 28, 5), (2026, 33, 6)]);
    assert!(BUNDLE.calendars().iter().all(|(_, calendar)| calendar.source.contains("国务院办公厅")));
    assert!(matches!(BUNDLE.calendars().year(2027), Err(PolicyError::NoCalendar { year: 2027 })));
}

/// The next year's calendar is the one change that every bundle sees every year.
#[test]
fn the_calendar_of_the_next_year_can_be_added() {
    let calendar = "year = 2027\nsource = \"示例\"\nverified = false\nmissing = [\"value\"]\nholidays = [\"2027-01-01\"]\nmakeup_workdays = []\n";
    let bundle = changed("calendar/2027.toml", |_| calendar.to_owned()).expect("loads");
    assert_eq!(bundle.calendars().years().last(), Some(2027));
}

#[test]
fn what_is_unverified_is_listed_with_what_is_missing() {
    let list = BUNDLE.unverified();
    let find = |file: &str, key: &str| list.iter().find(|entry| entry.file == file && entry.key == key);
    for (file, key, missing) in [
        ("catalogue.toml", "policy-reversal", MissingFact::LegalBasis),
        ("catalogue.toml", "decision-error criteria", MissingFact::Criteria),
        ("catalogue.toml", "performance-serious", MissingFact::SeverityLine),
        ("categories.toml", "judgment-debtor", MissingFact::Category),
        ("categories.toml", "penalty.minor-kinds", MissingFact::Criteria),
        ("classification.toml", "administrative-penalty facts", MissingFact::Placing),
        ("deadlines.toml", "counting", MissingFact::LegalBasis),
        ("deadlines.toml", "objection.handle.inner-mongolia", MissingFact::Value),
        ("deadlines.toml", "objection.total.henan", MissingFact::RegionalValue),
        ("functions.toml", "securities-regulation", MissingFact::Functions),
        ("measures.toml", "restrict-exit person", MissingFact::Items),
        ("measures.toml", "raise-monitoring-deduction public_body", MissingFact::Subjects),
        ("measures.toml", "cancel-pilot-status public_body", MissingFact::Subjects),
        ("measures.toml", "commendation person", MissingFact::LegalBasis),
        ("periods.toml", "publicity.order-58.general", MissingFact::Transition),
        ("purposes.toml", "other-administrative-decision", MissingFact::LegalBasis),
        ("repair.toml", "repair.order-58.serious", MissingFact::Transition),
    ] {
        let found = find(file, key).unwrap_or_else(|| panic!("{file} {key}"));
        assert!(found.missing.contains(&missing), "{found:?}");
    }
    assert!(find("catalogue.toml", "decision-error").is_none(), "the plan names it");
    assert!(find("calendar/2026.toml", "2026").is_none());
    let places: BTreeSet<_> = list.iter().map(|entry| (&entry.file, &entry.key)).collect();
    assert_eq!(places.len(), list.len(), "each once");
    let files: Vec<_> = list.iter().map(|entry| entry.file.as_str()).collect();
    assert!(files.is_sorted(), "file by file");
    // Nothing is left out: the list is as long as the files say.
    let stated: usize =
        BUNDLE.files().iter().map(|(_, text)| text.matches("\nverified = false\n").count()).sum();
    assert_eq!(list.len(), stated);
    let facts: BTreeSet<_> = MissingFact::ALL.iter().map(|fact| fact.as_str()).collect();
    assert_eq!(facts.len(), MissingFact::ALL.len());
    for fact in MissingFact::ALL {
        assert_eq!(serde_json::to_value(fact).expect("json"), fact.as_str());
        assert!(!fact.chinese().is_ascii() && fact.english().is_ascii());
    }
}

proptest! {
    /// Counted day by day as the words of the rule say.
    #[test]
    fn a_deadline_in_working_days_has_so_many_worked_days_behind_its_event(offset in 0_i64..1000) {
        let event = Day(day("2024-01-01").0.checked_add(jiff::Span::new().days(offset)).expect("a day"));
        if let Ok(due) = BUNDLE.due(&key("record.publish-decision"), event, false) {
            let days = std::iter::successors(Some(event), |one| one.0.tomorrow().ok().map(Day))
                .skip(1)
                .take_while(|one| *one <= due.last_day);
            let worked = days.filter(|one| BUNDLE.calendars().is_working_day(*one).expect("data")).count();
            prop_assert_eq!(worked, 7);
            prop_assert!(BUNDLE.calendars().is_working_day(due.last_day).expect("data"));
        } else {
            prop_assert!(event < day("2018-07-25") || event > day("2026-12-20"));
        }
    }

    /// What does not stand in the list has no consequences.
    #[test]
    fn an_unlisted_behaviour_has_no_measures(code in "[a-z][a-z0-9-]{0,59}") {
        let code = code.parse().expect("label");
        let listed = BUNDLE.catalogue().behaviour(&code).is_some();
        for severity in BreachSeverity::ALL {
            let following = BUNDLE.measures_following(&code, *severity, SanctionObject::PublicBody);
            prop_assert!(listed || following.is_none());
        }
    }
}
