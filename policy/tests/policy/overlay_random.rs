//! Overlays that nobody wrote, above bundles that they were written for and others: decided as plain casbin decides the
//! rules of both, and never wider than the bundle.

use std::fmt::Write as _;

use chengxin_policy::{
    AccessRequest, Action, Authoriser, Bundle, Decision, OverlayFiles, Permit, PolicyDiff, Release,
};
use chengxin_schemas::category::{
    ClassificationLevel, DisclosureAttribute, InformationCategory, SharingAttribute,
};
use chengxin_schemas::operator::Role;
use chengxin_schemas::record_type::RecordType;

use crate::differential::{compare, draw};
use crate::overlay_support::{authoriser, baseline, overlay};
use crate::province::{Dice, random};
use crate::support::changed;

/// Denials of queries, drawn from what the bundle has.
pub(crate) fn denials(dice: &mut Dice, bundle: &Bundle) -> String {
    let purposes: Vec<&str> = bundle
        .purposes()
        .iter()
        .flat_map(|purpose| [Some(purpose.code.as_str()), purpose.group.as_deref()])
        .flatten()
        .collect();
    let functions: Vec<&str> = bundle.functions().iter().map(|function| function.code.as_str()).collect();
    // The generated functions come last.
    let functions = &functions[functions.len().saturating_sub(6)..];
    let roles: Vec<&str> = Role::ALL[..3].iter().map(|role| role.as_str()).collect();
    let categories: Vec<&str> = InformationCategory::ALL.iter().map(|one| one.as_str()).collect();
    let levels: Vec<&str> = ClassificationLevel::ALL.iter().map(|one| one.as_str()).collect();
    let mut lines = String::new();
    for number in 0..dice.below(12) + 1 {
        let mut either = |all: &[&str], percent| {
            if dice.chance(percent) { "*".to_owned() } else { dice.pick(all).to_owned() }
        };
        let fields = [
            either(&roles, 50),
            either(functions, 50),
            either(&purposes, 30),
            either(&["organisation", "person"], 50),
            either(&categories, 50),
            either(&levels, 40),
            either(&["ask", "answer", "read"], 0),
            either(&["show", "mask"], 50),
        ];
        let _ = writeln!(lines, "150100.r{number},{},deny", fields.join(","));
    }
    lines.trim_end().to_owned()
}

/// Demands and placings drawn from everything that can be spelled, those that are looser than the bundle's among them.
fn values(dice: &mut Dice, bundle: &Bundle) -> (String, String) {
    let (mut purposes, mut fields) = (String::new(), String::new());
    for purpose in bundle.purposes() {
        if dice.chance(40) {
            let _ = writeln!(purposes, "[[purpose]]\ncode = \"{}\"", purpose.code);
            for key in ["case_reference", "subject_authorisation", "second_person"] {
                if dice.chance(50) {
                    let _ = writeln!(purposes, "{key} = true");
                }
            }
            if dice.chance(50) {
                let _ = writeln!(purposes, "daily_limit = {}", dice.below(60) + 1);
            }
            if dice.chance(50) {
                let _ = writeln!(purposes, "daily_limit_body = {}", dice.below(60) + 60);
            }
        }
    }
    for kind in RecordType::ALL {
        for definition in kind.fields().iter() {
            if !dice.chance(40) {
                continue;
            }
            let _ = writeln!(
                fields,
                "[[field]]\nrecord_type = \"{kind}\"\nname = \"{}\"\nsource = \"示例\"\nverified = true",
                definition.name
            );
            let level = dice.below(4);
            if dice.chance(50) {
                let _ = writeln!(fields, "level = \"{}\"", ClassificationLevel::ALL[level]);
            }
            if dice.chance(30) {
                let _ = writeln!(
                    fields,
                    "person_level = \"{}\"",
                    ClassificationLevel::ALL[level.max(dice.below(4))]
                );
            }
            if dice.chance(30) {
                let sharing = SharingAttribute::ALL[dice.below(3)];
                let _ = writeln!(fields, "sharing = \"{sharing}\"");
                if sharing == SharingAttribute::NotShared {
                    let _ = writeln!(fields, "legal_basis = \"《示例法》第一条\"");
                }
            }
            if dice.chance(30) {
                let _ = writeln!(fields, "disclosure = \"{}\"", DisclosureAttribute::ALL[dice.below(3)]);
            }
            if dice.chance(40) {
                let _ = writeln!(fields, "mask = {{ left = {}, right = {} }}", dice.below(14), dice.below(4));
            }
        }
    }
    (if purposes.is_empty() { "purpose = []".to_owned() } else { purposes }, fields + "\n")
}

fn random_overlay(dice: &mut Dice, bundle: &Bundle) -> OverlayFiles {
    let rules = denials(dice, bundle);
    let (purposes, fields) = values(dice, bundle);
    let fields = if fields.trim().is_empty() { "field = []" } else { fields.as_str() };
    overlay(&[("rules.csv", &rules), ("purposes.toml", &purposes), ("classification.toml", fields)])
}

/// Which characters of texts of several lengths a release shows.
fn shown(release: Release) -> Vec<Vec<bool>> {
    let of = |text: &str| match release {
        Release::Show => vec![true; text.len()],
        Release::Mask(rule) => rule.apply(text).chars().map(|one| one == 'x').collect(),
        Release::Withhold(_) => vec![false; text.len()],
    };
    [1, 2, 3, 5, 8, 11, 18, 24, 40].map(|count| of(&"x".repeat(count))).to_vec()
}

fn releases(permit: &Permit) -> Vec<Vec<Vec<bool>>> {
    let mut all = Vec::new();
    for kind in RecordType::ALL {
        for definition in kind.fields().iter() {
            for category in permit.categories() {
                for person in [false, true] {
                    all.push(shown(permit.release(*kind, *category, definition.name, person)));
                }
            }
        }
    }
    all
}

/// Fails where `both` lets anything out that `base` does not, and where it treats a notice otherwise.
fn narrower_assert(base: &Authoriser, both: &Authoriser, one: &AccessRequest) {
    let cells = [base, both].map(|authoriser| authoriser.explain(one).cells);
    for (old, new) in cells[0].iter().zip(&cells[1]) {
        assert!(new.treatment >= old.treatment, "{one:?} {old:?} {new:?}");
    }
    let Decision::Permit(narrow) = both.authorize(one) else {
        let noticed =
            one.action == Action::ReceiveNotice && matches!(base.authorize(one), Decision::Permit(_));
        assert!(!noticed, "a notice is withheld: {one:?}");
        return;
    };
    let Decision::Permit(wide) = base.authorize(one) else { panic!("only the overlay permits {one:?}") };
    let limits = [&wide, &narrow].map(|permit| {
        let owed = permit.obligations();
        [owed.daily_limit, owed.daily_limit_body].map(|limit| limit.unwrap_or(u32::MAX))
    });
    assert!(limits[1].iter().zip(limits[0]).all(|(narrow, wide)| *narrow <= wide), "{limits:?}");
    if one.action == Action::ReceiveNotice {
        assert_eq!((narrow.categories(), releases(&narrow)), (wide.categories(), releases(&wide)));
        return;
    }
    assert!(narrow.categories().iter().all(|category| wide.categories().contains(category)));
    let kinds =
        RecordType::ALL.iter().flat_map(|kind| kind.fields().iter().map(move |field| (*kind, field.name)));
    for (kind, field) in kinds {
        for category in narrow.categories() {
            for person in [false, true] {
                let [old, new] =
                    [&wide, &narrow].map(|permit| permit.release(kind, *category, field, person));
                let more =
                    shown(old).concat().into_iter().zip(shown(new).concat()).any(|(old, new)| new && !old);
                assert!(!more, "{kind} {field} {category} {person}: {old:?} {new:?}");
            }
        }
    }
}

/// The public part of records, and the placing of fields.
fn fields_assert(base: &Bundle, both: &Bundle) {
    for (kind, field, class) in both.field_classes() {
        let old = base.field_class(kind, field).expect("a field of both");
        assert!(
            class.level >= old.level
                && class.person_level >= old.person_level
                && class.person_level >= class.level
        );
        assert!(class.sharing >= old.sharing && class.disclosure >= old.disclosure);
        assert_eq!(class.sharing == SharingAttribute::NotShared, class.legal_basis.is_some());
        assert!(!both.is_public_field(kind, field, false) || base.is_public_field(kind, field, false));
    }
}

/// A request as [`draw`] gives it, with its conditions met at times.
fn draw_whole(dice: &mut Dice, bundle: &Bundle) -> AccessRequest {
    let (mut one, _) = draw(dice, bundle, 3);
    one.case_reference = one.case_reference.filter(|_| dice.chance(80));
    one.legal_basis = "《行政许可法》第六十九条".parse().ok().filter(|_| dice.chance(80));
    let reference = "授权书 2026-003".parse().ok().filter(|_| dice.chance(60));
    one.authorisation = reference
        .map(|reference| chengxin_schemas::authorisation::SubjectAuthorisation { reference, document: None });
    one.own_records = dice.chance(50);
    one
}

/// Bundles that overlays are put above: the baseline, others that nobody wrote, and the baseline with other masks, sharing,
/// purposes and a level that is denied below one that is not.
fn bundles() -> Vec<Bundle> {
    let mut all = vec![
        baseline(),
        changed("classification.toml", |text| {
            text.replace("left = 12", "left = 3").replace("left = 6, right = 2", "left = 1, right = 3")
        })
        .expect("loads"),
        changed("purposes.toml", |text| {
            text.replace("code = \"bidding\"", "code = \"bidding\"\ndaily_limit = 30")
        })
        .expect("loads"),
        changed("rules.csv", |text| format!("{text}no-l2,*,*,personnel,*,*,L2,ask,*,deny\n")).expect("loads"),
    ];
    all.extend((0..4).map(|seed| random(seed).and_then(Bundle::from_files).expect("loads")));
    all
}

#[test]
fn no_overlay_is_ever_wider_than_the_bundle_it_is_put_above() {
    let bundles = bundles();
    let (mut inert, mut narrowed) = (0, 0);
    for seed in 0..48 {
        let mut dice = Dice::new(seed ^ 0x0150_0100);
        let written_for = &bundles[dice.below(bundles.len())];
        let files = random_overlay(&mut dice, written_for);
        let base = if dice.chance(50) { written_for } else { &bundles[dice.below(bundles.len())] };
        let both = base.overlay_apply(&files).expect("an overlay holds no bundle back");
        inert += both.overlay().expect("an overlay").inert.len();
        fields_assert(base, &both);
        narrowed +=
            usize::from(both.field_classes().zip(base.field_classes()).any(|(new, old)| new.2 != old.2));
        let (base, both) = (authoriser(base), authoriser(&both));
        for _ in 0..40 {
            narrower_assert(&base, &both, &draw_whole(&mut dice, both.bundle()));
        }
    }
    assert!(inert > 100 && narrowed > 40, "{inert} {narrowed}");
}

#[test]
fn rules_of_bundle_and_overlay_are_decided_as_plain_casbin_decides_them_together() {
    let mut by_overlay = 0;
    for seed in 0..60 {
        let base = random(seed).and_then(Bundle::from_files).expect("loads");
        let mut dice = Dice::new(seed ^ 0x0150_0100);
        let files = overlay(&[("rules.csv", &denials(&mut dice, &base))]);
        let both = base.overlay_stage(&files).expect("denials stage");
        assert!(
            both.rules().iter().take(base.rules().len()).eq(base.rules().iter()),
            "the bundle's come first"
        );
        let (base, both) = (authoriser(&base), authoriser(&both));
        for _ in 0..200 {
            let (one, place) = draw(&mut dice, both.bundle(), 3);
            let cell = compare(&both, &one, place);
            assert!(cell.treatment >= compare(&base, &one, place).treatment);
            by_overlay += usize::from(cell.rule.as_str().starts_with("150100."));
        }
    }
    assert!(by_overlay > 1_000, "{by_overlay}");
}

/// The whole comparison, cell by cell, beside what staging looks at.
#[test]
fn what_is_staged_has_no_wider_cell_in_a_whole_comparison() {
    let base = random(3).and_then(Bundle::from_files).expect("loads");
    for seed in 0..4 {
        let files = overlay(&[("rules.csv", &denials(&mut Dice::new(seed), &base))]);
        let both = base.overlay_stage(&files).expect("denials stage");
        let diff = PolicyDiff::new(&authoriser(&base), &authoriser(&both)).expect("compared");
        assert!(!diff.lets_out_more());
    }
}
