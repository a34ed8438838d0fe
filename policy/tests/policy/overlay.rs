//! Overlays: what one says, what it may not say, and what becomes of it above another bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chengxin_policy::{
    Action, Authoriser, Bundle, BundleFiles, Decision, DenialReason, Direction, MaskRule, OVERLAY_LIMIT,
    OVERLAY_PACKED_LIMIT, OverlayFiles, PolicyDiff, PolicyError, PolicyFiles, Release, Treatment,
    published_encode, published_unpack,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::{
    ClassificationLevel, DisclosureAttribute, InformationCategory, SharingAttribute,
};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;
use proptest::prelude::*;

use crate::support::{baseline_texts, changed, request};

const HEADER: &str = "id,role,function,purpose,subject,category,level,action,form,effect\n";
const PENALTY: RecordType = RecordType::AdministrativePenalty;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/overlay-150100")
}

fn example() -> OverlayFiles {
    OverlayFiles::load_directory(&folder()).expect("the example is an overlay")
}

fn baseline() -> Bundle {
    Bundle::baseline().expect("baseline")
}

fn authoriser(bundle: &Bundle) -> Authoriser {
    Authoriser::new(bundle.clone()).expect("authoriser")
}

fn texts_of(files: &OverlayFiles) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// The example with only what is named here beside its manifest: a test that always holds, and no rules unless given.
pub(crate) fn overlay(files: &[(&str, &str)]) -> OverlayFiles {
    let mut texts = texts_of(&example());
    texts.retain(|name, _| name == "overlay.toml");
    texts.insert("rules.csv".to_owned(), HEADER.to_owned());
    texts.insert(
        "tests.toml".to_owned(),
        "[[test]]\nname = \"unknown\"\nrequirement = \"QU-02\"\naction = \"ask\"\nrole = \"clerk\"\n\
         purpose = \"unknown-matter\"\nfunctions = []\nsubject = \"organisation\"\ncategories = [\"basic\"]\n\
         expect = \"deny\"\n"
            .to_owned(),
    );
    for (name, text) in files {
        let text = if *name == "rules.csv" { format!("{HEADER}{text}\n") } else { (*text).to_owned() };
        texts.insert((*name).to_owned(), text);
    }
    OverlayFiles::new(texts).expect("an overlay")
}

fn field(name: &str, values: &str) -> String {
    format!(
        "[[field]]\nrecord_type = \"administrative-penalty\"\nname = \"{name}\"\n{values}\nsource = \"示例\"\nverified = true\n"
    )
}

fn purpose(code: &str, values: &str) -> String {
    format!("[[purpose]]\ncode = \"{code}\"\n{values}\n")
}

/// The error of staging these files above the baseline.
fn refused(files: &[(&str, &str)]) -> String {
    let error = baseline().overlay_stage(&overlay(files)).expect_err("must be refused");
    assert_eq!(error.code(), ErrorCode::Invalid, "{error}");
    error.to_string()
}

fn what_is_inert(bundle: &Bundle) -> Vec<(String, usize, String)> {
    let inert = &bundle.overlay().expect("an overlay").inert;
    inert.iter().map(|one| (one.file.clone(), one.line, one.what.clone())).collect()
}

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
fn purposes_are_only_tightened() {
    let line = "overlay/150100/purposes.toml line 2: ";
    for (code, values, reason) in [
        ("bidding", "case_reference = false", "an overlay lifts no condition"),
        ("bidding", "subject_authorisation = false", "an overlay lifts no condition"),
        ("bidding", "daily_limit = 0", "the daily limit is not between 1 and 100000"),
        ("biding", "case_reference = true", "unknown purpose \"biding\""),
        ("own-records", "daily_limit = 5", "a daily limit counts queries"),
        ("own-records", "subject_authorisation = true", "the subject's authorisation comes with a query"),
        ("notice-basis", "subject_authorisation = true", "the subject's authorisation comes with a query"),
    ] {
        let message = refused(&[("purposes.toml", &purpose(code, values))]);
        assert!(message.starts_with(&format!("{line}{reason}")), "{message}");
    }
    let other = refused(&[("purposes.toml", &purpose("bidding", "roles = []"))]);
    assert!(other.contains("unknown field `roles`"), "{other}");
    let twice = purpose("bidding", "daily_limit = 5").repeat(2);
    assert!(refused(&[("purposes.toml", &twice)]).contains("line 5: the purpose stands twice"));

    let limited = changed("purposes.toml", |text| {
        text.replacen("code = \"bidding\"", "code = \"bidding\"\ndaily_limit = 50", 1)
    });
    let limited = limited.expect("loads");
    let code = "bidding".parse().expect("purpose");
    let with =
        |limit: u32| overlay(&[("purposes.toml", &purpose("bidding", &format!("daily_limit = {limit}")))]);
    let error = limited.overlay_stage(&with(51)).expect_err("looser").to_string();
    assert!(
        error.starts_with(&format!("{line}daily_limit 51 of bidding is looser than the bundle's 50; ")),
        "{error}"
    );
    let limit_of = |bundle: Bundle| bundle.purpose(&code).and_then(|one| one.daily_limit);
    assert_eq!(limited.overlay_apply(&with(51)).map(limit_of).expect("applies"), Some(50));
    assert_eq!(limited.overlay_stage(&with(50)).map(limit_of).expect("stages"), Some(50));
    assert_eq!(limited.overlay_stage(&with(7)).map(limit_of).expect("stages"), Some(7));
}

/// A case that the bundle does not ask for would keep notices from recipients.
#[test]
fn no_condition_stands_before_a_notice() {
    let base = changed("purposes.toml", |text| {
        let at = text.find("code = \"notice-basis\"").expect("the purpose");
        let (before, after) = text.split_at(at);
        format!("{before}{}", after.replacen("case_reference = true", "case_reference = false", 1))
    });
    let base = base.expect("loads");
    let files = overlay(&[("purposes.toml", &purpose("notice-basis", "case_reference = true"))]);
    let error = base.overlay_stage(&files).expect_err("refused").to_string();
    assert!(error.contains("notices are received under the purpose, and need no case"), "{error}");
    let applied = base.overlay_apply(&files).expect("applies");
    assert_eq!(what_is_inert(&applied).len(), 1);
    assert!(!applied.purpose(&"notice-basis".parse().expect("purpose")).expect("known").case_reference);
    assert!(
        baseline().overlay_stage(&files).is_ok(),
        "what the bundle asks for itself, an overlay may repeat"
    );
}

#[test]
fn fields_are_only_placed_stricter() {
    let line = "overlay/150100/classification.toml line 3: ";
    for (name, values, reason) in [
        ("facts", "level = \"L1\"", "level L1 of facts is looser than the bundle's L2"),
        ("facts", "person_level = \"L2\"", "person_level L2 of facts is looser than the bundle's L3"),
        (
            "facts",
            "sharing = \"unconditional\"",
            "sharing unconditional of facts is looser than the bundle's conditional",
        ),
        (
            "facts",
            "disclosure = \"open_to_public\"",
            "disclosure open_to_public of facts is looser than the bundle's shared_among_government",
        ),
        ("facts", "mask = { left = 13, right = 0 }", "mask 13/0 of facts is looser than the bundle's 12/0"),
        ("facts", "mask = { left = 2, right = 1 }", "mask 2/1 of facts is looser than the bundle's 12/0"),
        ("basis", "mask = { left = 1, right = 0 }", "mask 1/0 of basis is looser than the bundle's 0/0"),
        ("facts", "level = \"L4\"\nperson_level = \"L3\"", "facts is graded lower for a person"),
        ("facts", "sharing = \"not_shared\"", "facts is not shared, and no law is cited"),
        ("fact", "level = \"L4\"", "administrative-penalty has no field \"fact\""),
        // The public part and what is said about it stay together.
        ("basis", "level = \"L2\"", "basis is open to the public but above L1"),
        ("basis", "sharing = \"conditional\"", "basis is open to the public but not shared unconditionally"),
        (
            "basis",
            "disclosure = \"shared_among_government\"\nperson_level = \"L3\"",
            "basis is shared, above L2, and has no mask",
        ),
    ] {
        let message = refused(&[("classification.toml", &field(name, values))]);
        assert!(message.starts_with(&format!("{line}{reason}")), "{message}");
    }
    let twice = field("facts", "level = \"L3\"").repeat(2);
    assert!(
        refused(&[("classification.toml", &twice)]).contains("facts of administrative-penalty stands twice")
    );
    let unsaid = field("facts", "level = \"L3\"").replace("verified = true", "verified = false");
    assert!(refused(&[("classification.toml", &unsaid)]).contains("not said what is missing"));
}

#[test]
fn a_field_is_placed_as_both_say() {
    let values = "level = \"L3\"\nsharing = \"not_shared\"\nlegal_basis = \"《示例法》第一条\"\nmask = { left = 6, right = 0 }";
    let files = overlay(&[("classification.toml", &field("facts", values))]);
    let both = baseline().overlay_stage(&files).expect("stages");
    let class = both.field_class(PENALTY, "facts").expect("a field");
    assert_eq!((class.level, class.person_level), (ClassificationLevel::L3, ClassificationLevel::L3));
    assert_eq!(class.sharing, SharingAttribute::NotShared);
    assert_eq!(class.disclosure, DisclosureAttribute::SharedAmongGovernment);
    assert_eq!((class.mask.map(MaskRule::ends), class.source.as_str()), (Some([6, 0]), "示例"));
    assert_eq!(both.base().field_class(PENALTY, "facts").expect("a field").level, ClassificationLevel::L2);

    // A mask that a raised field needs, and only where it was shown.
    let values = "level = \"L3\"\ndisclosure = \"shared_among_government\"\nmask = { left = 2, right = 0 }";
    let files = overlay(&[("classification.toml", &field("basis", values))]);
    let both = baseline().overlay_stage(&files).expect("stages");
    let Decision::Permit(permit) =
        authoriser(&both).authorize(&request("bidding", &[], SubjectKind::Organisation))
    else {
        panic!("permitted")
    };
    let release = permit.release(PENALTY, InformationCategory::GeneralBreach, "basis", false);
    assert_eq!(release, Release::Mask(MaskRule::new(2, 0)));
}

/// Fewer characters kept are more that is said about a text so short that the bundle hides it whole.
#[test]
fn a_stricter_mask_shows_nothing_that_the_bundles_mask_hides() {
    let files = overlay(&[("classification.toml", &field("facts", "mask = { left = 1, right = 0 }"))]);
    let both = baseline().overlay_stage(&files).expect("stages");
    let [kept, base] = [&both, &both.base()]
        .map(|bundle| bundle.field_class(PENALTY, "facts").and_then(|class| class.mask).expect("a mask"));
    for count in 0..40 {
        let text = "字".repeat(count);
        let shown = |mask: MaskRule| mask.apply(&text).chars().filter(|one| *one == '字').count();
        assert_eq!(shown(base), if count >= 24 { 12 } else { 0 });
        assert_eq!(shown(kept), usize::from(count >= 24), "{count}");
    }
}

/// Rules may let out more at a higher level; a field that an overlay raises does not gain by it.
#[test]
fn a_raised_level_lets_nothing_out_that_the_bundles_level_withholds() {
    let base = changed("rules.csv", |text| format!("{text}no-l2,*,*,personnel,*,*,L2,ask,*,deny\n"));
    let base = base.expect("loads");
    let values = "level = \"L3\"";
    let files = overlay(&[("classification.toml", &field("facts", values))]);
    let both = base.overlay_stage(&files).expect("stages");
    let mut one = request("civil-service-recruitment", &[], SubjectKind::Person);
    one.action = Action::Ask;
    for bundle in [&base, &both] {
        let Decision::Permit(permit) = authoriser(bundle).authorize(&one) else { panic!("permitted") };
        let category = InformationCategory::GeneralBreach;
        assert_eq!(permit.cell(category, ClassificationLevel::L3).treatment, Treatment::Show);
        let release = permit.release(PENALTY, category, "facts", false);
        assert!(matches!(release, Release::Withhold(_)), "{release:?}");
    }
}

#[test]
fn who_receives_a_notice_and_what_of_its_record_is_the_federations_to_say() {
    let values = "level = \"L4\"\ndisclosure = \"query_by_authorisation\"\nmask = { left = 0, right = 0 }";
    let files = overlay(&[("classification.toml", &field("basis", values))]);
    let both = baseline().overlay_stage(&files).expect("stages");
    let mut one = request("notice-basis", &[], SubjectKind::Organisation);
    let release = |action| {
        let mut one = one.clone();
        one.action = action;
        let Decision::Permit(permit) = authoriser(&both).authorize(&one) else { panic!("permitted") };
        permit.release(PENALTY, InformationCategory::GeneralBreach, "basis", false)
    };
    assert!(matches!(release(Action::Answer), Release::Withhold(_)));
    assert_eq!(release(Action::ReceiveNotice), Release::Show);
    one.action = Action::ReceiveNotice;
    assert!(matches!(authoriser(&both).authorize(&one), Decision::Permit(_)));
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
fn of_a_later_bundles_values_the_stricter_count() {
    let later = changed("classification.toml", |text| {
        let at = text.find("name = \"facts\"").expect("a field");
        let (before, after) = text.split_at(at);
        format!("{before}{}", after.replacen("level = \"L2\"\nperson_level = \"L3\"", "level = \"L4\"", 1))
    });
    let later = later.expect("loads");
    let values = "level = \"L3\"\nmask = { left = 20, right = 0 }";
    let loose = overlay(&[("classification.toml", &field("facts", values))]);
    let both = later.overlay_apply(&loose).expect("applies");
    let class = both.field_class(PENALTY, "facts").expect("a field");
    assert_eq!((class.level, class.mask.map(MaskRule::ends)), (ClassificationLevel::L4, Some([12, 0])));
    assert!(what_is_inert(&both).is_empty(), "the bundle's is stricter, so nothing is lost");
    // A field that this bundle opens to the public, and that an overlay raises, is not open.
    let raised = overlay(&[("classification.toml", &field("basis", "level = \"L2\""))]);
    let both = baseline().overlay_apply(&raised).expect("applies");
    assert!(!both.is_public_field(PENALTY, "basis", false));
    let class = both.field_class(PENALTY, "basis").expect("a field");
    assert_eq!(class.disclosure, DisclosureAttribute::SharedAmongGovernment);
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
fn a_manifest_names_a_league_or_city_and_its_instrument() {
    for (from, to, reason) in [
        ("region = \"150100\"", "region = \"150000\"", "150000 is not the code of a league or city"),
        ("region = \"150100\"", "region = \"150102\"", "150102 is not the code of a league or city"),
        ("region = \"150100\"", "region = \"150200\"", "the version does not begin with the region"),
        ("version = \"150100-", "version = \"hohhot-", "the version does not begin with the region"),
        ("policy-overlay/v1", "policy-overlay/v2", "unknown variant"),
        ("basis = ", "because = ", "unknown field"),
        ("english = \"What", "english = \"呼和浩特", "the English text is missing"),
    ] {
        let mut texts = texts_of(&example());
        texts.entry("overlay.toml".to_owned()).and_modify(|text| {
            assert!(text.contains(from), "{from}");
            *text = text.replacen(from, to, 1);
        });
        let error = OverlayFiles::new(texts).expect("files").manifest().expect_err(to).to_string();
        assert!(error.starts_with("overlay.toml") && error.contains(reason), "{error}");
    }
    let mut texts = texts_of(&example());
    texts.entry("overlay.toml".to_owned()).and_modify(|text| {
        let begin = text.find("basis = ").expect("basis");
        text.replace_range(begin.., "basis = \" \"\n");
    });
    assert!(OverlayFiles::new(texts).expect("files").manifest().is_err(), "a basis says something");
}

#[test]
fn files_are_a_closed_set_within_limits() {
    let with = |name: &str, text: String| {
        let mut texts = texts_of(&example());
        texts.insert(name.to_owned(), text);
        OverlayFiles::new(texts).map(drop)
    };
    for name in ["measures.toml", "bundle.toml", "notes.txt", "calendar/2026.toml"] {
        let error = with(name, String::new()).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: not a file of an overlay; ")), "{error}");
    }
    for name in ["overlay.toml", "rules.csv", "tests.toml"] {
        let mut texts = texts_of(&example());
        texts.remove(name);
        let error = OverlayFiles::new(texts).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name}: missing; every overlay has this file")), "{error}");
    }
    let error = with("rules.csv", "#".repeat(OVERLAY_LIMIT)).expect_err("too large together");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_LIMIT, .. }), "{error}");
    let error = OverlayFiles::unpack(&vec![b' '; OVERLAY_PACKED_LIMIT + 1]).expect_err("too large");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_PACKED_LIMIT, .. }), "{error}");
}

#[test]
fn bundles_and_overlays_are_told_apart_in_folders_and_packed() {
    let bundle = BundleFiles::baseline();
    assert_eq!(PolicyFiles::unpack(&bundle.pack()).expect("bundle"), PolicyFiles::Bundle(bundle.clone()));
    let overlay = PolicyFiles::unpack(&example().pack()).expect("overlay");
    assert_eq!(overlay, PolicyFiles::Overlay(example()));
    assert_eq!((overlay.pack(), overlay.digest()), (example().pack(), example().digest()));
    assert_eq!(PolicyFiles::load_directory(&folder()).expect("overlay"), PolicyFiles::Overlay(example()));
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline");
    assert_eq!(PolicyFiles::load_directory(&baseline).expect("bundle"), PolicyFiles::Bundle(bundle));

    let pack = |texts: &BTreeMap<String, String>| serde_json::to_vec(texts).expect("packs");
    let mut both = baseline_texts();
    both.extend(texts_of(&example()));
    let error = PolicyFiles::unpack(&pack(&both)).expect_err("both").to_string();
    assert!(error.starts_with("overlay.toml: it stands beside bundle.toml; "), "{error}");
    let error = PolicyFiles::unpack(b"{}").expect_err("neither").to_string();
    assert!(error.starts_with("bundle.toml: missing, and there is no overlay.toml either; "), "{error}");
    let empty = tempfile::tempdir().expect("folder");
    let error = PolicyFiles::load_directory(empty.path()).expect_err("neither").to_string();
    assert!(error.starts_with("bundle.toml: missing, and there is no overlay.toml either; "), "{error}");
    let error = PolicyFiles::load_directory(&empty.path().join("none")).expect_err("no folder");
    assert_eq!(error.code(), ErrorCode::NotFound);
    let spaced = String::from_utf8(example().pack()).expect("text").replacen(':', ": ", 1);
    assert!(PolicyFiles::unpack(spaced.as_bytes()).is_err(), "not canonical");
}

#[test]
fn an_overlay_travels_like_a_bundle_and_within_its_own_limit() {
    let published = published_encode(&example()).expect("bytes");
    assert_eq!(published_unpack(&published).expect("packed"), example().pack());
    assert_eq!(OverlayFiles::from_published(&published).expect("overlay"), example());
    assert_eq!(OverlayFiles::from_published(&example().pack()).expect("packed"), example());
    assert_eq!(published_encode(&PolicyFiles::Overlay(example())).expect("bytes"), published);
    let bundle = published_encode(&BundleFiles::baseline()).expect("bytes");
    assert!(OverlayFiles::from_published(&bundle).is_err(), "a bundle is none");
    let mut large = baseline_texts();
    large.insert("rules.csv".to_owned(), "#".repeat(OVERLAY_PACKED_LIMIT));
    let large = published_encode(&BundleFiles::new(large).expect("files")).expect("bytes");
    let error = OverlayFiles::from_published(&large).expect_err("a bomb");
    assert!(matches!(error, PolicyError::TooLarge { limit: OVERLAY_PACKED_LIMIT, .. }), "{error}");
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
    assert!(diff.first_wider().is_none());
    assert!(diff.cells.iter().all(|cell| {
        cell.direction() == Direction::Narrower && cell.to.rule.as_str().starts_with("150100.")
    }));
    // Ask and answer × two roles × two kinds of subject: three levels of one category, one level of five.
    assert_eq!(diff.cells.len(), 8 * 3 + 8 * 5);
    assert!(diff.values.iter().all(|change| change.file.starts_with("overlay/150100/")));
    let back = PolicyDiff::new(&both, &base).expect("compared");
    assert_eq!(back.cells.len(), diff.cells.len());
    assert!(back.first_wider().is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_an_overlay_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = OverlayFiles::unpack(&bytes);
        let _ = OverlayFiles::from_published(&bytes);
        let _ = PolicyFiles::unpack(&bytes);
    }

    #[test]
    fn any_texts_are_an_overlay_or_an_error(
        text in "\\PC{0,80}|(150100\\.[a-z]{1,3}(,[a-z*-]{1,9}){9}\n){0,3}|(\\[\\[(purpose|field|test)\\]\\]\n([a-z_]{1,9} = (\"[A-Za-z0-9-]{0,9}\"|[0-9]{1,3}|true|false)\n){0,4}){0,3}",
        name in "(rules\\.csv|purposes\\.toml|classification\\.toml|tests\\.toml|overlay\\.toml)",
    ) {
        let files = overlay(&[(name.as_str(), text.as_str())]);
        let base = baseline_once();
        if let Ok(both) = base.overlay_stage(&files) {
            prop_assert!(both.rules().iter().all(|rule| base.rule(&rule.id).is_some() || !rule.allows));
        }
        let _ = base.overlay_apply(&files);
    }
}

/// The baseline, loaded once for many cases.
fn baseline_once() -> Bundle {
    static BASELINE: std::sync::LazyLock<Bundle> = std::sync::LazyLock::new(baseline);
    BASELINE.clone()
}
