//! Overlays: what one does to a bundle, which rules it may not have, and what becomes of it above another bundle.

use chengxin_policy::{
    Action, Decision, DenialReason, Direction, OverlayFiles, PolicyDiff, PolicyError, decision_table,
};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::subject::SubjectKind;

use crate::overlay_support::{
    PENALTY, authoriser, baseline, example, field, overlay, purpose, refused, texts_of, what_is_inert,
};
use crate::support::{changed, request};

#[test]
fn the_example_narrows_the_baseline_and_leaves_it_as_it_is() {
    let base = baseline();
    let both = base.overlay_stage(&example()).expect("stages");
    assert_eq!(both.rules_version(), format!("{}+150100-2026.1", base.rules_version()));
    assert_eq!((both.digest(), both.pack()), (base.digest(), base.pack()));
    assert_eq!(both.manifest(), base.manifest());
    assert_eq!(both.base().rules_version(), base.rules_version());
    assert!(both.base().overlay().is_none() && base.overlay().is_none());
    let overlay = both.overlay().expect("it has one");
    assert_eq!(overlay.digest, example().digest());
    assert_eq!(overlay.manifest.region.to_string(), "150100");
    assert!(overlay.inert.is_empty() && overlay.files == example());
    assert_eq!(both.rules().len(), base.rules().len() + 4);
    let id = "150100.funding.no-l3.ask".to_owned().try_into().expect("id");
    assert_eq!(both.rule_place(&id), Some(("overlay/150100/rules.csv".to_owned(), 6)));
    assert_eq!(both.rule(&id).map(|rule| rule.allows), Some(false));
    assert_eq!(base.rule_place(&id), None);

    let both = authoriser(&both);
    let mut one = request("civil-service-recruitment", &["human-resources"], SubjectKind::Person);
    let Decision::Denied(denied) = both.authorize(&one) else { panic!("denied") };
    assert_eq!(denied.reason, DenialReason::SubjectAuthorisation);
    assert_eq!(denied.policy_version, both.bundle().rules_version());
    one.purpose = "bidding".parse().expect("purpose");
    one.action = Action::Ask;
    let Decision::Permit(permit) = both.authorize(&one) else { panic!("permitted") };
    assert_eq!(permit.obligations().daily_limit, Some(200));
    let refused: Vec<_> = permit.refused().map(|(category, rule)| (category, rule.as_str())).collect();
    assert_eq!(refused, [(InformationCategory::RiskWarning, "150100.bidding.no-risk-warning.ask")]);
}

#[test]
fn an_overlay_above_an_overlay_replaces_it() {
    let first = baseline().overlay_stage(&example()).expect("stages");
    let denial = "150100.one,*,*,bidding,*,basic,L2,ask,*,deny";
    let second = first.overlay_stage(&overlay(&[("rules.csv", denial)])).expect("stages");
    assert_eq!(second.rules().len(), first.base().rules().len() + 1);
    let rule = "150100.bidding.no-risk-warning.ask".to_owned().try_into().expect("id");
    assert!(second.rule(&rule).is_none());
    assert_eq!(second.purpose(&"bidding".parse().expect("purpose")).and_then(|one| one.daily_limit), None);
}

#[test]
fn a_permission_is_refused_with_the_cell_it_would_open() {
    let file = "overlay/150100/rules.csv line 2: ";
    for (rule, opens) in [
        (
            "150100.a,clerk,*,market-access,*,risk_warning,L1,ask,show,allow",
            // A denial of the baseline stands against it.
            "a permission, and an overlay only denies",
        ),
        (
            "150100.a,clerk,*,bidding,person,basic,L4,ask,mask,allow",
            "it would open basic L4 to a clerk under bidding, ask about person, from withhold to mask",
        ),
        (
            "150100.a,coordinator,*,public-money,*,basic,L1,answer,show,allow",
            "it would open basic L1 to a coordinator under government-procurement, answer about organisation, from withhold to show",
        ),
        (
            "150100.a,clerk,finance,securities-issuance,*,basic,L2,ask,show,allow",
            "it would open basic L2 to a clerk of a body with finance under securities-issuance, ask about organisation, from withhold to show",
        ),
        (
            "150100.a,*,*,bidding,*,basic,L1,receive-notice,show,allow",
            "it would open basic L1 to a clerk under bidding, receive-notice about organisation, from withhold to show",
        ),
    ] {
        let message = refused(&[("rules.csv", rule)]);
        assert!(message.starts_with(&format!("{file}{opens}; ")), "{message}");
        let lenient = baseline().overlay_apply(&overlay(&[("rules.csv", rule)])).expect_err("refused too");
        assert!(lenient.to_string().starts_with(&format!("{file}a permission, ")), "{lenient}");
    }
    // A denial beside it hides nothing.
    let both =
        "150100.a,clerk,*,bidding,person,basic,L4,ask,mask,allow\n150100.b,*,*,bidding,*,*,L4,ask,*,deny";
    assert!(
        refused(&[("rules.csv", both)]).contains("it would open basic L4"),
        "the permission is still one"
    );
    let unknown = "150100.a,clerk,*,no-such,person,basic,L4,ask,mask,allow";
    let error = baseline().overlay_apply(&overlay(&[("rules.csv", unknown)])).expect_err("refused");
    assert!(error.to_string().contains("a permission, "), "{error}");
}

#[test]
fn rules_deny_queries_under_ids_of_their_region() {
    for (rule, reason) in [
        ("one,*,*,bidding,*,basic,L1,ask,*,deny", "the id does not begin with the region"),
        ("150200.one,*,*,bidding,*,basic,L1,ask,*,deny", "the id does not begin with the region"),
        ("150100.one,*,*,bidding,*,basic,L1,*,*,deny", "the rule would withhold notices"),
        ("150100.one,*,*,*,*,*,*,receive-notice,*,deny", "the rule would withhold notices"),
        ("150100.one,*,*,biding,*,basic,L1,ask,*,deny", "unknown purpose or group \"biding\""),
        ("150100.one,*,finanz,*,*,basic,L1,ask,*,deny", "unknown function \"finanz\""),
        ("150100.one,*,*,*,*,gossip,L1,ask,*,deny", "unknown category"),
        ("150100.one,*,*,*,*,basic,L1,ask,deny", "9 fields instead of 10"),
    ] {
        let message = refused(&[("rules.csv", rule)]);
        assert!(message.starts_with(&format!("overlay/150100/rules.csv line 2: {reason}")), "{message}");
    }
    let twice = "150100.one,*,*,*,*,*,L1,ask,*,deny\n150100.one,*,*,*,*,*,L2,ask,*,deny";
    assert!(refused(&[("rules.csv", twice)]).contains("line 3: rule 150100.one stands in line 2 already"));
    let mut texts = texts_of(&overlay(&[]));
    texts.insert("rules.csv".to_owned(), String::new());
    let empty = OverlayFiles::new(texts).expect("files");
    let error = baseline().overlay_stage(&empty).expect_err("no header");
    assert!(error.to_string().starts_with("overlay/150100/rules.csv: wrong header"), "{error}");
    // A header alone is an overlay without rules.
    assert!(baseline().overlay_stage(&overlay(&[])).is_ok());
    let many = (0..=2_000).map(|number| format!("150100.r{number},*,*,*,*,*,L1,ask,*,deny\n"));
    let many = overlay(&[("rules.csv", &many.collect::<String>())]);
    let error = baseline().overlay_stage(&many).expect_err("too many");
    assert!(matches!(error, PolicyError::TooLarge { unit: "rules", limit: 2_000, .. }), "{error}");
}

#[test]
fn a_bundles_rules_may_not_be_called_like_an_overlays() {
    let error = changed("rules.csv", |text| text.replacen("public-money.ask.l1", "150100.ask.l1", 1));
    let message = error.expect_err("reserved").to_string();
    assert!(
        message.starts_with("rules.csv line 3: an id that begins like those of an overlay; "),
        "{message}"
    );
    assert!(changed("rules.csv", |text| text.replacen("entry.ask.l1", "15010.ask.l1", 1)).is_ok());
}

#[test]
fn what_a_later_bundle_does_not_have_is_inert_and_listed() {
    let files = overlay(&[
        (
            "rules.csv",
            "150100.a,*,*,old-matter,*,*,*,ask,*,deny\n150100.b,*,old-duty,*,*,*,*,ask,*,deny\n150100.c,*,*,bidding,*,basic,*,ask,*,deny",
        ),
        (
            "purposes.toml",
            &[purpose("old-matter", "daily_limit = 1"), purpose("bidding", "daily_limit = 9")].concat(),
        ),
        (
            "classification.toml",
            &[field("old_field", "level = \"L4\""), field("facts", "level = \"L3\"")].concat(),
        ),
    ]);
    assert!(baseline().overlay_stage(&files).is_err());
    let both = baseline().overlay_apply(&files).expect("applies");
    let place = |name: &str, line, what: &str| (format!("overlay/150100/{name}"), line, what.to_owned());
    assert_eq!(
        what_is_inert(&both),
        [
            place("classification.toml", 3, "administrative-penalty has no field \"old_field\""),
            place("purposes.toml", 2, "unknown purpose \"old-matter\""),
            place("rules.csv", 2, "unknown purpose or group \"old-matter\""),
            place("rules.csv", 3, "unknown function \"old-duty\""),
        ]
    );
    assert_eq!(both.rules().len(), baseline().rules().len() + 1);
    assert_eq!(both.field_class(PENALTY, "facts").expect("a field").level, ClassificationLevel::L3);
}

#[test]
fn tests_run_above_the_bundle_when_it_is_staged() {
    let mut texts = texts_of(&example());
    texts
        .entry("rules.csv".to_owned())
        .and_modify(|text| *text = text.replace("risk_warning,*,ask", "risk_warning,L2,ask"));
    let files = OverlayFiles::new(texts).expect("files");
    let error = baseline().overlay_stage(&files).expect_err("a test fails").to_string();
    assert!(
        error.starts_with("overlay/150100/tests.toml line 19: decision test \"bidding, ask: "),
        "{error}"
    );
    assert!(baseline().overlay_apply(&files).is_ok(), "a later bundle is not held back by them");
    let none = overlay(&[("tests.toml", "test = []\n")]);
    let error = baseline().overlay_stage(&none).expect_err("none").to_string();
    assert!(error.starts_with("overlay/150100/tests.toml: no tests; an overlay proves"), "{error}");
    let deadline = overlay(&[("tests.toml", "test = []\ndeadline = []\n")]);
    assert!(baseline().overlay_stage(&deadline).is_err(), "deadlines are not an overlay's");
}

#[test]
fn a_comparison_names_cells_and_values_of_an_overlay() {
    let base = authoriser(&baseline());
    let both = authoriser(&baseline().overlay_stage(&example()).expect("stages"));
    let diff = PolicyDiff::new(&base, &both).expect("compared");
    assert_eq!(
        (diff.from.as_str(), diff.to.as_str()),
        (base.bundle().rules_version(), both.bundle().rules_version())
    );
    assert!(!diff.lets_out_more());
    assert!(diff.cells.iter().all(|cell| {
        cell.direction() == Direction::Narrower && cell.to.rule.as_str().starts_with("150100.")
    }));
    // Ask and answer × two roles × two kinds of subject: three levels of one category, one level of five.
    assert_eq!(diff.cells.len(), 8 * 3 + 8 * 5);
    assert!(diff.values.iter().all(|change| change.file.starts_with("overlay/150100/")));
    let back = PolicyDiff::new(&both, &base).expect("compared");
    assert_eq!(back.cells.len(), diff.cells.len());
    assert!(back.lets_out_more());
    // What the region demands of queries falls with it.
    let demands = |diff: &PolicyDiff| -> Vec<_> {
        diff.demands.iter().map(|change| (change.purpose.to_string(), change.direction())).collect()
    };
    let demanded = ["bidding", "civil-service-recruitment"];
    assert_eq!(demands(&diff), demanded.map(|code| (code.to_owned(), Direction::Narrower)));
    assert_eq!(demands(&back), demanded.map(|code| (code.to_owned(), Direction::Wider)));
}

#[test]
fn a_comparison_of_two_overlays_tells_their_values_and_their_instruments() {
    let [old, new] = [
        ("150100-2026.1", "第三条至第六条", "daily_limit = 9"),
        ("150100-2026.2", "第三条至第七条", "daily_limit = 5"),
    ]
    .map(|(version, basis, limit)| {
        let mut texts = texts_of(&overlay(&[("purposes.toml", &purpose("bidding", limit))]));
        texts.entry("overlay.toml".to_owned()).and_modify(|text| {
            *text = text.replace("150100-2026.1", version).replace("第三条至第六条", basis);
        });
        let files = OverlayFiles::new(texts).expect("files");
        authoriser(&baseline().overlay_stage(&files).expect("stages"))
    });
    let diff = PolicyDiff::new(&old, &new).expect("compared");
    let said = diff.demands.iter().map(|change| change.chinese(old.bundle(), new.bundle()));
    assert_eq!(said.collect::<Vec<_>>(), ["招标投标: 每人每日限次由“9 次”改为“5 次”"]);
    let texts: Vec<_> = diff.values.iter().map(|change| change.chinese()).collect();
    assert!(diff.cells.is_empty() && texts.len() == 2, "{texts:?}");
    assert!(texts[0].starts_with("150100 收紧规则包: basis 由“虚构的示例文件"), "{texts:?}");
    assert_eq!(texts[1], "150100 用途 bidding: daily_limit 由“9”改为“5”");
    assert_eq!(diff.values[1].english(), "150100 purposes bidding: daily_limit changes from \"9\" to \"5\"");
}

#[test]
fn an_explanation_names_the_file_of_each_rule() {
    let both = authoriser(&baseline().overlay_stage(&example()).expect("stages"));
    let mut one = request("bidding", &[], SubjectKind::Organisation);
    one.action = Action::Ask;
    let cells = both.explain(&one).cells;
    let place = |category, level| {
        let cell =
            cells.iter().find(|cell| cell.category == category && cell.level == level).expect("a cell");
        (cell.file.as_deref(), cell.line)
    };
    let (warning, basic) = (InformationCategory::RiskWarning, InformationCategory::Basic);
    assert_eq!(place(warning, ClassificationLevel::L1), (Some("overlay/150100/rules.csv"), Some(3)));
    assert_eq!(place(basic, ClassificationLevel::L1), (Some("rules.csv"), Some(3)));
    assert!(place(basic, ClassificationLevel::L4).0.is_none_or(|file| file == "rules.csv"));
}

#[test]
fn a_decision_table_shows_the_overlay_and_bodies_that_it_denies() {
    let denial = "150100.court,*,court,bidding,*,*,L2,ask,*,deny\n150100.finance,*,finance,securities-issuance,*,*,L2,ask,*,deny";
    let both = baseline().overlay_stage(&overlay(&[("rules.csv", denial)])).expect("stages");
    let table = decision_table(&authoriser(&both));
    assert!(table.starts_with(&format!("Decision table of {}. ", both.rules_version())), "{table}");
    let row = |purpose: &str, body: &str| {
        let block = table.split("\n\n").find(|block| block.starts_with(purpose)).expect("a purpose");
        let start = format!("  {body} ");
        block.lines().find(|line| line.starts_with(&start) && line.contains(" ask ")).expect(body).to_owned()
    };
    assert!(row("bidding", "every body").contains("basic SSM-"));
    assert!(row("bidding", "court").contains("basic S-M-"));
    assert!(row("securities-issuance", "securities-regulation").contains("basic SSS-"));
    assert!(row("securities-issuance", "securities-regulation+finance").contains("basic S-S-"));
}

#[test]
fn what_an_overlay_did_not_read_is_listed_beside_what_the_bundle_did_not() {
    let both = baseline().overlay_stage(&example()).expect("stages");
    let (base, mut all) = (both.base().unverified(), both.unverified());
    let added = all.split_off(base.len());
    assert_eq!(all, base);
    let places: Vec<_> = added.iter().map(|one| (one.file.as_str(), one.key.as_str())).collect();
    let file = "overlay/150100/classification.toml";
    assert_eq!(
        places,
        [(file, "administrative-penalty legal_representative"), (file, "administrative-penalty facts")]
    );
}
