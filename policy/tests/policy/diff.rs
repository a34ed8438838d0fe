//! What a change of a bundle changes: the cells, exactly, and the values, by name.

use std::collections::BTreeSet;

use chengxin_policy::{
    Action, Authoriser, Bundle, BundleFiles, Direction, PolicyDiff, Treatment, ValueChangeKind,
};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};

use crate::support::{baseline_texts, changed, grid};

fn authoriser(bundle: Bundle) -> Authoriser {
    Authoriser::new(bundle).expect("authoriser")
}

fn baseline() -> Authoriser {
    authoriser(Bundle::baseline().expect("baseline"))
}

/// The baseline with lines added to its rules, and without the decision tests that these would fail.
fn with_rules(lines: &str) -> Authoriser {
    let mut texts = baseline_texts();
    texts.entry("rules.csv".to_owned()).and_modify(|text| text.push_str(&format!("{lines}\n")));
    texts.entry("tests.toml".to_owned()).and_modify(|text| {
        let second = text.match_indices("[[test]]").nth(1).expect("more than one test").0;
        text.truncate(second);
    });
    authoriser(BundleFiles::new(texts).and_then(Bundle::from_files).expect("bundle"))
}

#[test]
fn a_bundle_does_not_differ_from_itself() {
    let diff = PolicyDiff::new(&baseline(), &baseline()).expect("diff");
    assert!(diff.is_empty() && diff.groups().is_empty() && !diff.lets_out_more());
}

#[test]
fn a_denial_narrows_what_it_names_and_nothing_else_and_says_so_in_words() {
    let old = baseline();
    let new = with_rules("no-risk,*,*,government-procurement,*,risk_warning,*,answer,*,deny");
    let diff = PolicyDiff::new(&old, &new).expect("diff");
    assert!(diff.cells.iter().all(|change| {
        change.purpose.as_str() == "government-procurement"
            && change.action == Action::Answer
            && change.category == InformationCategory::RiskWarning
            && change.to.rule.as_str() == "no-risk"
            && change.direction() == Direction::Narrower
            && change.functions.is_empty()
    }));
    // Clerk and reviewer, two kinds of subject, three levels that let something out.
    assert_eq!(diff.cells.len(), 2 * 2 * 3);
    let groups = diff.groups();
    let texts: Vec<String> = groups.iter().map(|group| group.chinese(old.bundle(), new.bundle())).collect();
    assert_eq!(
        texts,
        [
            "政府采购: 任何单位的经办人、复核人答复对方, 关于各类主体, 风险提示信息 L1/L2由“显示”改为“不提供”",
            "政府采购: 任何单位的经办人、复核人答复对方, 关于各类主体, 风险提示信息 L3由“脱敏”改为“不提供”",
        ]
    );
    assert_eq!(
        groups[0].english(old.bundle(), new.bundle()),
        "Government procurement: any body, Clerk, Reviewer, answer, about every subject: risk warning L1/L2 changes from \
         show to withhold"
    );
    let value = diff.values.iter().find(|change| change.file == "rules.csv").expect("the rule itself");
    assert_eq!((value.entry.as_str(), &value.kind), ("no-risk", &ValueChangeKind::Added));
    assert_eq!(value.chinese(), "访问规则 no-risk: 新增");

    let back = PolicyDiff::new(&new, &old).expect("diff");
    assert_eq!(back.cells.len(), diff.cells.len());
    assert!(back.lets_out_more() && back.cells.iter().all(|one| one.direction() == Direction::Wider));
}

#[test]
fn a_denial_for_a_function_is_found_although_no_single_function_shows_it() {
    // Securities are for the regulator alone, so a denial for finance bites only a body that is both.
    let new = with_rules("no-finance,*,finance,securities-issuance,*,*,*,*,*,deny");
    let diff = PolicyDiff::new(&baseline(), &new).expect("diff");
    assert!(!diff.cells.is_empty());
    for change in &diff.cells {
        let functions: Vec<_> = change.functions.iter().map(|function| function.as_str()).collect();
        assert_eq!(functions, ["finance", "securities-regulation"]);
        assert_eq!(change.to.treatment, Treatment::Withhold);
    }
}

/// Plain casbin decides otherwise exactly where the diff says that some subset of the functions does, for many sets of
/// functions: of one purpose that the rules concern and one that they do not, because casbin takes its time.
#[test]
fn the_cells_of_a_diff_are_those_that_decide_otherwise() {
    let old = baseline();
    let new = with_rules(
        "no-finance,*,finance,public-money,*,serious_breach,L2,*,*,deny\n\
         no-court,*,court,public-money,person,*,*,ask,*,deny",
    );
    let diff = PolicyDiff::new(&old, &new).expect("diff");
    let told: BTreeSet<_> = diff
        .cells
        .iter()
        .map(|change| {
            let functions: Vec<_> = change.functions.iter().map(ToString::to_string).collect();
            let place = (change.purpose.to_string(), change.action, change.subject, change.role);
            (functions, place, change.category, change.level)
        })
        .collect();
    assert!(diff.cells.iter().all(|change| change.purpose.as_str() != "securities-issuance"));
    for functions in [&[][..], &["finance"], &["court"], &["finance", "court"], &["tax", "finance", "court"]]
    {
        for request in grid(old.bundle(), functions) {
            if !["government-procurement", "securities-issuance"].contains(&request.purpose.as_str()) {
                continue;
            }
            for category in InformationCategory::ALL {
                for level in ClassificationLevel::ALL {
                    let cell = |authoriser: &Authoriser| {
                        authoriser.cell_uncached(&request, *category, *level).expect("decision").treatment
                    };
                    let differs = cell(&old) != cell(&new);
                    let place =
                        (request.purpose.to_string(), request.action, request.subject_kind, request.role);
                    let is_told = told.iter().any(|(named, told_place, told_category, told_level)| {
                        named.iter().all(|name| functions.contains(&name.as_str()))
                            && (told_place, told_category, told_level) == (&place, category, level)
                    });
                    assert_eq!(differs, is_told, "{functions:?} {place:?} {category} {level}");
                }
            }
        }
    }
}

#[test]
fn values_are_named_by_file_entry_and_field() {
    let new = authoriser(
        changed("periods.toml", |text| text.replacen("maximum_months = 12", "maximum_months = 9", 1))
            .expect("bundle"),
    );
    let diff = PolicyDiff::new(&baseline(), &new).expect("diff");
    assert!(diff.cells.is_empty() && !diff.is_empty());
    let texts: Vec<_> = diff.values.iter().map(|change| change.chinese()).collect();
    assert_eq!(texts, ["公示期限 publicity.order-36.general: maximum_months 由“12”改为“9”"]);
    assert_eq!(
        diff.values[0].english(),
        "publicity periods publicity.order-36.general: maximum_months changes from \"12\" to \"9\""
    );

    let new = authoriser(
        changed("calendar/2026.toml", |text| text.replace("\"2026-10-07\",", "")).expect("bundle"),
    );
    let diff = PolicyDiff::new(&baseline(), &new).expect("diff");
    let texts: Vec<_> = diff.values.iter().map(|change| change.chinese()).collect();
    assert_eq!(texts, ["工作日历: holidays 去掉“2026-10-07”"]);
}

/// The baseline with lines added to a purpose that is for queries alone, its decision tests left out.
fn with_demand(lines: &str) -> Authoriser {
    let mut texts = baseline_texts();
    let code = "code = \"bidding\"\n";
    let demands = |text: &mut String| *text = text.replacen(code, &format!("{code}{lines}\n"), 1);
    texts.entry("purposes.toml".to_owned()).and_modify(demands);
    texts.entry("tests.toml".to_owned()).and_modify(|text| {
        let second = text.match_indices("[[test]]").nth(1).expect("more than one test").0;
        text.truncate(second);
    });
    authoriser(BundleFiles::new(texts).and_then(Bundle::from_files).expect("bundle"))
}

#[test]
fn a_demand_that_falls_lets_out_more() {
    let says = |old: &Authoriser, new: &Authoriser| {
        let diff = PolicyDiff::new(old, new).expect("diff");
        assert!(diff.cells.is_empty(), "no cell knows of it");
        let [change] = diff.demands.as_slice() else { panic!("{:?}", diff.demands) };
        assert_eq!(diff.lets_out_more(), change.direction() == Direction::Wider);
        (change.direction(), change.english(old.bundle(), new.bundle()))
    };
    let (narrower, wider) = (Direction::Narrower, Direction::Wider);
    let plain = with_demand("");
    let authorised = with_demand("subject_authorisation = true");
    let text = "Tendering and bidding: a query needs the subject's written authorisation".to_owned();
    assert_eq!(says(&plain, &authorised), (narrower, text.clone()));
    assert_eq!(says(&authorised, &plain), (wider, text.replace("needs", "no longer needs")));

    let released = with_demand("second_person = true");
    let text = "Tendering and bidding: a query needs the release of another person of the asking body";
    assert_eq!(says(&plain, &released), (narrower, text.to_owned()));
    assert_eq!(says(&released, &plain).0, wider);

    let [few, many, body] = ["daily_limit = 5", "daily_limit = 9", "daily_limit_body = 9"].map(with_demand);
    let text = |from: &str, to: &str| {
        format!("Tendering and bidding: the daily limit of one operator changes from {from} to {to}")
    };
    assert_eq!(says(&plain, &many), (narrower, text("any number", "9")));
    assert_eq!(says(&many, &few), (narrower, text("9", "5")));
    assert_eq!(says(&few, &many), (wider, text("5", "9")));
    assert_eq!(says(&many, &plain), (wider, text("9", "any number")));
    assert_eq!(says(&plain, &body).0, narrower);
    assert_eq!(says(&body, &plain).0, wider);

    // What the purpose demands and states itself.
    let without = |line: &str, change: &str| {
        let mut texts = baseline_texts();
        let bidding = |text: &mut String| {
            let start = text.find("code = \"bidding\"").expect("stands there");
            let line = start + text[start..].find(line).expect("in the purpose");
            let end = line + text[line..].find('\n').expect("a line");
            text.replace_range(line..end, change);
        };
        texts.entry("purposes.toml".to_owned()).and_modify(bidding);
        texts.entry("tests.toml".to_owned()).and_modify(|text| {
            let second = text.match_indices("[[test]]").nth(1).expect("more than one test").0;
            text.truncate(second);
        });
        authoriser(BundleFiles::new(texts).and_then(Bundle::from_files).expect("bundle"))
    };
    let no_case = without("case_reference = true", "case_reference = false");
    assert_eq!(says(&plain, &no_case).0, wider);
    assert_eq!(says(&no_case, &plain).0, narrower);
    let no_basis = without("legal_basis", "");
    assert_eq!(says(&plain, &no_basis).0, narrower);
    assert_eq!(says(&no_basis, &plain).0, wider);
}
