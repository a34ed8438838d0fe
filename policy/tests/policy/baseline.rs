//! The shipped bundle: what it decides, and that its decision table is the committed one.

use std::path::Path;

use chengxin_policy::{
    Action, Authoriser, Bundle, Decision, DenialReason, Release, Treatment, WithholdReason, decision_table,
};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;

use crate::support::{grid, request};

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
