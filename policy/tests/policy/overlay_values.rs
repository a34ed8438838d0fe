//! The values of an overlay: what it demands of queries and how it places fields, never looser than the bundle.

use chengxin_policy::{Action, Bundle, Decision, MaskRule, PolicyDiff, Release, Treatment, ValueChangeKind};
use chengxin_schemas::category::{
    ClassificationLevel, DisclosureAttribute, InformationCategory, SharingAttribute,
};
use chengxin_schemas::subject::SubjectKind;

use crate::overlay_support::{
    PENALTY, authoriser, baseline, field, overlay, purpose, refused, what_is_inert,
};
use crate::support::{changed, request};

#[test]
fn purposes_are_only_tightened() {
    let line = "overlay/150100/purposes.toml line 2: ";
    for (code, values, reason) in [
        ("bidding", "case_reference = false", "an overlay lifts no condition"),
        ("bidding", "subject_authorisation = false", "an overlay lifts no condition"),
        ("bidding", "second_person = false", "an overlay lifts no condition"),
        ("own-records", "second_person = true", "the release of another person comes with a query"),
        ("bidding", "daily_limit = 0", "the daily limit is not between 1 and 100000"),
        ("bidding", "daily_limit_body = 100001", "the daily limit of a body is not between 1 and 100000"),
        ("bidding", "daily_limit = 6\ndaily_limit_body = 5", "a body may ask less often in a day than one"),
        ("biding", "case_reference = true", "unknown purpose \"biding\""),
        ("own-records", "daily_limit = 5", "a daily limit counts queries"),
        ("own-records", "daily_limit_body = 5", "a daily limit counts queries"),
        ("own-records", "case_reference = true", "own records are read under the purpose"),
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

#[test]
fn the_stricter_limit_of_a_body_counts_and_bounds_its_operators() {
    let code = "bidding".parse().expect("purpose");
    let limits_of = |bundle: Bundle| {
        let purpose = bundle.purpose(&code).expect("known");
        (purpose.daily_limit, purpose.daily_limit_body)
    };
    let limited = changed("purposes.toml", |text| {
        let limits = "code = \"bidding\"\ndaily_limit = 50\ndaily_limit_body = 100";
        text.replacen("code = \"bidding\"", limits, 1)
    });
    let limited = limited.expect("loads");
    let with = |values: &str| overlay(&[("purposes.toml", &purpose("bidding", values))]);
    let error = limited.overlay_stage(&with("daily_limit_body = 101")).expect_err("looser").to_string();
    assert!(error.contains("daily_limit_body 101 of bidding is looser than the bundle's 100; "), "{error}");
    let applied = limited.overlay_apply(&with("daily_limit_body = 101"));
    assert_eq!(applied.map(limits_of).expect("applies"), (Some(50), Some(100)));
    for (values, limits) in [
        ("daily_limit_body = 60", (Some(50), Some(60))),
        ("daily_limit_body = 30", (Some(30), Some(30))),
        ("daily_limit = 20\ndaily_limit_body = 30", (Some(20), Some(30))),
    ] {
        assert_eq!(limited.overlay_stage(&with(values)).map(limits_of).expect("stages"), limits, "{values}");
    }
    assert_eq!(
        baseline().overlay_stage(&with("daily_limit_body = 30")).map(limits_of).expect("stages"),
        (None, Some(30))
    );
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

/// Who signs an overlay sees what each value was in the bundle, not only that the overlay says something.
#[test]
fn a_comparison_tells_an_overlays_values_beside_the_bundles() {
    let base = baseline();
    let field = field("legal_representative", "level = \"L3\"");
    let files = overlay(&[
        ("purposes.toml", &purpose("bidding", "daily_limit = 200")),
        ("classification.toml", &field),
    ]);
    let narrowed = base.overlay_stage(&files).expect("fits");
    let diff = PolicyDiff::new(&authoriser(&base), &authoriser(&narrowed)).expect("compared");
    let told = |file: &str, name: &str| {
        let change =
            diff.values.iter().find(|change| change.file.ends_with(file) && change.entry.contains(name));
        change.map(|change| change.kind.clone()).unwrap_or_else(|| panic!("{file}: {:?}", diff.values))
    };
    let changed = |field: &str, from: Option<&str>, to: &str| ValueChangeKind::Changed {
        field: field.to_owned(),
        from: from.map(str::to_owned),
        to: Some(to.to_owned()),
    };
    assert_eq!(told("purposes.toml", "bidding"), changed("daily_limit", None, "200"));
    assert_eq!(told("classification.toml", "legal_representative"), changed("level", Some("L2"), "L3"));
}
