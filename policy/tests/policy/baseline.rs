//! The shipped bundle: what it decides, and that its decision table is the committed one.

use std::path::Path;

use chengxin_policy::{
    AccessRequest, Action, Authoriser, Bundle, BundleFiles, Condition, Decision, DenialReason, NEEDED_LIMIT,
    Needed, Obligations, PolicyDiff, Release, SecondPerson, Treatment, ValueChangeKind, WithholdReason,
    decision_table,
};
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::subject::SubjectKind;

use crate::support::{baseline_texts, changed, grid, request};

fn authoriser() -> Authoriser {
    Authoriser::new(Bundle::baseline().expect("baseline loads")).expect("casbin takes the rules")
}

#[test]
fn the_committed_decision_table_is_what_casbin_decides() {
    let table = decision_table(&authoriser());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline/decision-table.txt");
    if std::env::var_os("CHENGXIN_REWRITE").is_some() {
        std::fs::write(&path, &table).expect("writable source directory");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == table,
        "policy/baseline/decision-table.txt is out of date: run the tests once with CHENGXIN_REWRITE=1 and review the diff"
    );
}

#[test]
fn the_directory_and_the_packed_form_load_to_the_same_bundle() {
    let built_in = Bundle::baseline().expect("baseline");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
    let loaded = Bundle::load_directory(&directory).expect("directory");
    let unpacked = Bundle::from_packed(&built_in.pack()).expect("packed");
    assert_eq!(loaded.digest(), built_in.digest());
    assert_eq!(unpacked.digest(), built_in.digest());
    assert_eq!(built_in.rules_version(), "baseline-2026.4");
}

#[test]
fn a_permit_names_its_rule_and_releases_field_by_field() {
    let authoriser = authoriser();
    let Decision::Permit(permit) =
        authoriser.authorize(&request("government-procurement", &["finance"], SubjectKind::Organisation))
    else {
        panic!("procurement is permitted");
    };
    assert_eq!(permit.rule().as_str(), "public-money.answer.l1");
    assert_eq!(permit.policy_version(), "baseline-2026.4");
    let release = |field, person| {
        permit.release(RecordType::AdministrativePenalty, InformationCategory::GeneralBreach, field, person)
    };
    assert_eq!(release("decision_number", false), Release::Show);
    assert_eq!(release("facts", false), Release::Show);
    let Release::Mask(mask) = release("facts", true) else { panic!("masked about a person") };
    assert!(
        mask.apply("违法事实的完整描述，足够长的一段文字，长过保留部分的两倍")
            .starts_with("违法事实的完整描述，足够***")
    );
    assert!(!mask.apply("保留部分过半的一段文字，不显示任何内容").contains('保'));
    assert_eq!(
        release("person_number", true),
        Release::Withhold(WithholdReason::Level(ClassificationLevel::L4))
    );
    assert_eq!(release("remark", false), Release::Withhold(WithholdReason::Level(ClassificationLevel::L4)));
    assert_eq!(release("no_such_field", false), Release::Withhold(WithholdReason::Unclassified));
}

#[test]
fn what_was_asked_for_and_is_refused_is_said_with_its_rule() {
    let authoriser = authoriser();
    let Decision::Permit(permit) =
        authoriser.authorize(&request("market-access", &[], SubjectKind::Organisation))
    else {
        panic!("market access is permitted in part");
    };
    assert_eq!(permit.categories().len(), 4);
    let refused: Vec<_> = permit.refused().map(|(category, rule)| (category, rule.to_string())).collect();
    assert_eq!(refused, [(InformationCategory::RiskWarning, "entry.no-risk-warning".to_owned())]);
    let release =
        permit.release(RecordType::JudgmentDebtor, InformationCategory::RiskWarning, "case_number", false);
    assert_eq!(release, Release::Withhold(WithholdReason::Category));
}

#[test]
fn a_denial_names_its_rule_and_what_would_be_needed() {
    let authoriser = authoriser();
    let denied = |change: &dyn Fn(&mut chengxin_policy::AccessRequest)| {
        let mut one = request("securities-issuance", &["finance"], SubjectKind::Organisation);
        change(&mut one);
        match authoriser.authorize(&one) {
            Decision::Denied(denied) => denied,
            Decision::Permit(permit) => panic!("{permit:?}"),
        }
    };
    let wrong_body = denied(&|_| ());
    assert_eq!(wrong_body.rule.as_str(), "purpose.securities-issuance.functions");
    assert!(wrong_body.english().contains("Securities"), "{wrong_body}");
    assert!(wrong_body.chinese().contains("证券"), "{}", wrong_body.chinese());
    let unknown = denied(&|one| one.purpose = "curiosity".parse().expect("label"));
    assert_eq!((unknown.rule.as_str(), unknown.reason), ("unknown-purpose", DenialReason::UnknownPurpose));
    let no_case = denied(&|one| {
        one.purpose = "bidding".parse().expect("label");
        one.case_reference = None;
    });
    assert_eq!(no_case.reason, DenialReason::CaseReference);
    let wrong_role = denied(&|one| {
        one.purpose = "bidding".parse().expect("label");
        one.role = Role::AuditAdministrator;
    });
    assert_eq!(wrong_role.reason, DenialReason::Role { allowed: vec![Role::Clerk, Role::Reviewer] });
    let nothing = denied(&|one| one.categories.clear());
    assert_eq!(nothing.reason, DenialReason::NoCategories);
    let question = wrong_role.question;
    assert_eq!((question.role, question.purpose.as_str()), (Role::AuditAdministrator, "bidding"));
    assert_eq!(
        (question.subject_kind, question.category),
        (SubjectKind::Organisation, Some(InformationCategory::Basic))
    );
}

/// What is named as needed is what the authoriser then permits, and nothing that it would permit is left out.
#[test]
fn a_denied_request_is_told_the_purposes_and_conditions_that_would_do() {
    let authoriser = authoriser();
    let mut asked = request("market-access", &["finance"], SubjectKind::Organisation);
    asked.categories = vec![InformationCategory::RiskWarning];
    let needed = authoriser.needed(&asked).expect("denied");
    assert!(needed.conditions.is_empty(), "stating more would not help: a rule denies");
    let codes: Vec<_> = needed.purposes.iter().map(|purpose| purpose.code.as_str()).collect();
    assert!(codes.starts_with(&["government-procurement", "bidding", "funding-support"]), "{codes:?}");
    let first = &needed.purposes[0];
    assert_eq!((first.chinese.as_str(), first.english.as_str()), ("政府采购", "Government procurement"));
    assert_eq!(first.conditions, [Condition::CaseReference]);
    let mut checked = 0;
    let bundle = authoriser.bundle();
    for functions in [&["finance"][..], &[], &["securities-regulation"]] {
        for mut one in grid(bundle, functions) {
            one.categories = vec![InformationCategory::Enhancing, InformationCategory::RiskWarning];
            let Some(needed) = authoriser.needed(&one) else { continue };
            assert!(needed.conditions.is_empty() && !needed.more, "{one:?}");
            let expected: Vec<_> = bundle
                .purposes()
                .iter()
                .filter(|purpose| {
                    let code = purpose.code.clone();
                    match authoriser.authorize(&AccessRequest { purpose: code, ..one.clone() }) {
                        Decision::Permit(permit) => permit.categories().len() == 2,
                        Decision::Denied(_) => false,
                    }
                })
                .map(|purpose| purpose.code.clone())
                .collect();
            let named: Vec<_> = needed.purposes.into_iter().map(|purpose| purpose.code).collect();
            assert_eq!(named, expected, "{one:?}");
            checked += usize::from(!expected.is_empty());
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn a_condition_that_is_not_met_is_what_is_needed() {
    let authoriser = authoriser();
    let mut bare = request("other-administrative-decision", &[], SubjectKind::Organisation);
    bare.case_reference = None;
    let needed = authoriser.needed(&bare).expect("denied");
    assert_eq!(needed.conditions, [Condition::CaseReference, Condition::LegalBasis], "all of them at once");
    assert!(needed.purposes.is_empty(), "the purpose asked for would do");
    bare.case_reference = Some("CG-2026-031".parse().expect("case"));
    let needed = authoriser.explain(&bare).needed.expect("denied");
    assert_eq!(needed.conditions, [Condition::LegalBasis]);
    bare.legal_basis = Some("《行政许可法》第六十九条".parse().expect("basis"));
    assert_eq!(authoriser.needed(&bare), None, "permitted");
    // Nothing that the asker could add helps to read what another body holds.
    let purpose =
        authoriser.bundle().purposes().iter().find(|purpose| purpose.actions.contains(&Action::Read));
    let mut foreign =
        request(purpose.expect("a purpose to read").code.as_str(), &[], SubjectKind::Organisation);
    foreign.action = Action::Read;
    foreign.legal_basis = bare.legal_basis;
    foreign.role = purpose.expect("a purpose to read").roles[0];
    assert_eq!(authoriser.needed(&foreign), Some(Needed::default()));
}

#[test]
fn a_daily_limit_is_handed_out_with_the_permit_and_decides_nothing() {
    let code = "code = \"bidding\"\n";
    let limited = changed("purposes.toml", |text| {
        text.replacen(code, &format!("{code}daily_limit = 7\ndaily_limit_body = 20\n"), 1)
    });
    let limited = Authoriser::new(limited.expect("loads")).expect("casbin takes the rules");
    let permit = |authoriser: &Authoriser, purpose, action| {
        let asked = AccessRequest { action, ..request(purpose, &[], SubjectKind::Organisation) };
        match authoriser.authorize(&asked) {
            Decision::Permit(permit) => permit.obligations(),
            Decision::Denied(denied) => panic!("{denied}"),
        }
    };
    for action in [Action::Ask, Action::Answer] {
        for _ in 0..10 {
            // Who answers does not know one operator of another body from the next.
            let daily_limit = Some(7).filter(|_| action == Action::Ask);
            let owed = Obligations { daily_limit, daily_limit_body: Some(20) };
            assert_eq!(permit(&limited, "bidding", action), owed);
        }
        assert_eq!(permit(&limited, "government-procurement", action), Obligations::default());
        assert_eq!(permit(&authoriser(), "bidding", action), Obligations::default(), "no source demands one");
    }
    let diff = PolicyDiff::new(&authoriser(), &limited).expect("diff");
    assert!(diff.cells.is_empty(), "what is let out is the same");
    let said: Vec<_> = diff.values.iter().map(|change| (change.entry.as_str(), &change.kind)).collect();
    let change = |field: &str, to: &str| ValueChangeKind::Changed {
        field: field.to_owned(),
        from: None,
        to: Some(to.to_owned()),
    };
    let (operator, body) = (change("daily_limit", "7"), change("daily_limit_body", "20"));
    assert_eq!(said, [("bidding", &operator), ("bidding", &body)]);
    assert!(decision_table(&limited).contains(
        "bidding 招标投标 (case needed, own legal basis, one operator at most 7 a day, one body at most 20 a day)"
    ));
}

/// The baseline in which a purpose needs the subject's authorisation, its decision tests changed to match.
fn authorised_only() -> Bundle {
    let mut texts = baseline_texts();
    let code = "code = \"bidding\"\n";
    let needs =
        |text: &mut String| *text = text.replacen(code, &format!("{code}subject_authorisation = true\n"), 1);
    texts.entry("purposes.toml".to_owned()).and_modify(needs);
    assert!(
        BundleFiles::new(texts.clone()).and_then(Bundle::from_files).is_err(),
        "the bundle's own tests ask without one"
    );
    let purpose = "purpose = \"bidding\"\n";
    let states = format!("{purpose}authorisation = \"授权书〔2026〕15号\"\n");
    texts.entry("tests.toml".to_owned()).and_modify(|text| *text = text.replace(purpose, &states));
    BundleFiles::new(texts).and_then(Bundle::from_files).expect("loads")
}

#[test]
fn a_purpose_may_need_the_subjects_authorisation() {
    let authoriser = Authoriser::new(authorised_only()).expect("casbin takes the rules");
    let mut asked = request("bidding", &[], SubjectKind::Person);
    let Decision::Denied(denied) = authoriser.authorize(&asked) else { panic!("permitted without one") };
    assert_eq!(denied.rule.as_str(), "purpose.bidding.subject-authorisation");
    assert_eq!(denied.reason, DenialReason::SubjectAuthorisation);
    assert_eq!(denied.chinese(), "该用途须有信用主体的书面授权");
    let needed = authoriser.needed(&asked).expect("denied");
    assert_eq!(needed.conditions, [Condition::SubjectAuthorisation]);
    let reference = "授权书〔2026〕15号".parse().expect("reference");
    asked.authorisation = Some(SubjectAuthorisation { reference, document: None });
    assert!(matches!(authoriser.authorize(&asked), Decision::Permit(_)));
    let table = decision_table(&authoriser);
    assert!(
        table.contains("bidding 招标投标 (case needed, own legal basis, the subject's authorisation needed)")
    );
    // Whoever is refused elsewhere is told that this purpose needs one.
    asked.purpose = "curiosity".parse().expect("label");
    let needed = authoriser.needed(&asked).expect("denied").purposes;
    let bidding = needed.iter().find(|purpose| purpose.code.as_str() == "bidding").expect("would do");
    assert_eq!(bidding.conditions, [Condition::CaseReference, Condition::SubjectAuthorisation]);
}

/// The baseline in which a purpose needs a second person, its decision tests changed to match.
fn two_persons() -> Bundle {
    let mut texts = baseline_texts();
    let code = "code = \"bidding\"\n";
    let needs = |text: &mut String| *text = text.replacen(code, &format!("{code}second_person = true\n"), 1);
    texts.entry("purposes.toml".to_owned()).and_modify(needs);
    assert!(
        BundleFiles::new(texts.clone()).and_then(Bundle::from_files).is_err(),
        "the bundle's own tests ask without a release"
    );
    let purpose = "purpose = \"bidding\"\n";
    let released = format!("{purpose}released_by = \"reviewer\"\n");
    texts.entry("tests.toml".to_owned()).and_modify(|text| *text = text.replace(purpose, &released));
    BundleFiles::new(texts).and_then(Bundle::from_files).expect("loads")
}

#[test]
fn a_purpose_may_need_the_release_of_another_person() {
    let authoriser = Authoriser::new(two_persons()).expect("casbin takes the rules");
    let operator = |account: &str, role| OperatorReference { account: account.parse().expect("name"), role };
    let (clerk, reviewer) = (operator("zhang", Role::Clerk), operator("li", Role::Reviewer));
    let asked = request("bidding", &[], SubjectKind::Person);
    let decided = |released_by: Option<&OperatorReference>| {
        let second_person = SecondPerson::of(&clerk, released_by);
        authoriser.authorize(&AccessRequest { second_person, ..asked.clone() })
    };
    // Nobody, the asker himself, the asker in another role, and who may neither act under the purpose nor review.
    let auditor = operator("aud", Role::AuditAdministrator);
    let himself = operator("zhang", Role::Reviewer);
    for refused in [None, Some(&clerk), Some(&himself), Some(&auditor)] {
        let Decision::Denied(denied) = decided(refused) else { panic!("permitted by {refused:?}") };
        assert_eq!(denied.rule.as_str(), "purpose.bidding.second-person");
        assert_eq!(denied.reason, DenialReason::SecondPerson);
    }
    for other in [&reviewer, &operator("wu", Role::Clerk)] {
        assert!(matches!(decided(Some(other)), Decision::Permit(_)), "{other:?}");
    }
    assert_eq!(authoriser.needed(&asked).expect("denied").conditions, [Condition::SecondPerson]);
    let table = decision_table(&authoriser);
    assert!(
        table.contains("bidding 招标投标 (case needed, own legal basis, another person's release needed)")
    );
}

#[test]
fn of_very_many_purposes_that_would_do_some_are_named() {
    let template = "\n[[purpose]]\ncode = \"made-NUMBER\"\nchinese = \"新增用途NUMBER\"\nenglish = \"Added NUMBER\"\nrequirement = \"QU-02\"\ngroup = \"public-money\"\nlegal_basis = \"内政发〔2021〕12号\"\nverified = false\nroles = [\"clerk\", \"reviewer\"]\nfunctions = [\"*\"]\nsubjects = [\"organisation\", \"person\"]\ncategories = [\"basic\", \"enhancing\", \"general_breach\", \"serious_breach\", \"risk_warning\"]\nactions = [\"ask\", \"answer\"]\ncase_reference = true\nnote = \"\"\n";
    let bundle = changed("purposes.toml", |text| {
        let added = (0..NEEDED_LIMIT).map(|number| template.replace("NUMBER", &number.to_string()));
        format!("{text}{}", added.collect::<String>())
    });
    let authoriser = Authoriser::new(bundle.expect("loads")).expect("casbin takes the rules");
    let needed = authoriser.needed(&request("curiosity", &[], SubjectKind::Organisation)).expect("denied");
    assert_eq!((needed.purposes.len(), needed.more), (NEEDED_LIMIT, true));
}

#[test]
fn every_scenario_of_qu_01_and_qu_02_is_a_purpose_with_a_test() {
    let bundle = Bundle::baseline().expect("baseline");
    let expected = [
        ("QU-01", ["考试录用", "调任选任", "评优评先", "岗位晋升", "人大代表", "政协委员"].as_slice()),
        (
            "QU-02",
            &[
                "政府采购",
                "招标投标",
                "行政许可",
                "市场准入",
                "资质审查",
                "证券发行",
                "资金扶持",
                "其他行政决定",
            ],
        ),
    ];
    let tests = bundle.files().iter().find(|(name, _)| *name == "tests.toml").map(|(_, text)| text);
    let tests = tests.expect("tests.toml");
    for (requirement, names) in expected {
        for name in names {
            let purpose = bundle
                .purposes()
                .iter()
                .find(|purpose| purpose.requirement == requirement && purpose.chinese.starts_with(name))
                .unwrap_or_else(|| panic!("{requirement} lacks {name}"));
            assert!(tests.contains(&format!("purpose = \"{}\"", purpose.code)), "{} untested", purpose.code);
        }
    }
}

#[test]
fn no_purpose_shows_another_body_a_document_number() {
    let authoriser = authoriser();
    let every: Vec<&str> =
        authoriser.bundle().functions().iter().map(|function| function.code.as_str()).collect();
    let mut permits = 0;
    for request in grid(authoriser.bundle(), &every) {
        let Decision::Permit(permit) = authoriser.authorize(&request) else { continue };
        permits += 1;
        if request.action == Action::Read {
            continue;
        }
        for (record_type, field) in [
            (RecordType::AdministrativePenalty, "person_number"),
            (RecordType::AdministrativePenalty, "legal_representative_number"),
            (RecordType::JudgmentDebtor, "person_number"),
        ] {
            for category in InformationCategory::ALL {
                assert_ne!(permit.release(record_type, *category, field, true), Release::Show, "{request:?}");
            }
        }
    }
    assert!(permits > 100, "the grid permits something: {permits}");
}

/// Nobody can foresee what stands in a remark.
#[test]
fn no_purpose_shows_another_body_a_free_remark() {
    let authoriser = authoriser();
    let every: Vec<&str> =
        authoriser.bundle().functions().iter().map(|function| function.code.as_str()).collect();
    let mut masked = 0;
    for request in grid(authoriser.bundle(), &every) {
        let Decision::Permit(permit) = authoriser.authorize(&request) else { continue };
        if request.action == Action::Read {
            continue;
        }
        let person = request.subject_kind == SubjectKind::Person;
        for category in InformationCategory::ALL {
            match permit.release(RecordType::AdministrativePenalty, *category, "remark", person) {
                Release::Show => panic!("{request:?} is shown the remark"),
                Release::Mask(mask) => {
                    masked += 1;
                    assert_eq!(mask.apply("备注内容"), "****");
                }
                Release::Withhold(_) => {}
            }
        }
    }
    assert!(masked > 0, "some purposes see that there is one");
}

#[test]
fn an_explanation_covers_the_grid_and_points_at_lines() {
    let authoriser = authoriser();
    let explanation = authoriser.explain(&request("civil-service-recruitment", &[], SubjectKind::Person));
    assert_eq!(explanation.cells.len(), 20);
    assert_eq!(explanation.purpose_chinese.as_deref(), Some("考试录用"));
    let cell = explanation
        .cells
        .iter()
        .find(|cell| {
            cell.category == InformationCategory::SeriousBreach && cell.level == ClassificationLevel::L4
        })
        .expect("cell");
    assert_eq!((cell.treatment, cell.rule.as_str()), (Treatment::Mask, "personnel.answer.l4"));
    let line = cell.line.expect("a rule of the file");
    let rules = authoriser.bundle().files().iter().find(|(name, _)| *name == "rules.csv").expect("rules").1;
    assert!(rules.lines().nth(line - 1).is_some_and(|text| text.starts_with("personnel.answer.l4,")));
}
