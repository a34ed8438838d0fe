//! Ours beside plain casbin with all rules, over bundles that nobody wrote: the same treatment by the same rule.

use chengxin_policy::{AccessRequest, Action, Authoriser, Bundle, Cell, Scope};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;

use crate::province::{Dice, Spread, province, random};
use crate::support::request;

/// Random bundles, each asked so many random questions: together more than a hundred thousand.
const BUNDLES: u64 = 260;
const QUESTIONS: usize = 400;

/// A question about one cell. Most aim at a rule of the bundle, and a third of those miss it in one place; the others
/// are drawn from everything. The body has up to `functions` functions, at times one that the bundle does not know.
pub(crate) fn draw(dice: &mut Dice, bundle: &Bundle, functions: usize) -> (AccessRequest, usize) {
    let purpose = &bundle.purposes()[dice.below(bundle.purposes().len())];
    let kind = [SubjectKind::Organisation, SubjectKind::Person][dice.below(2)];
    let mut one = request(purpose.code.as_str(), &[], kind);
    one.role = Role::ALL[dice.below(Role::ALL.len())];
    one.action = Action::ALL[dice.below(Action::ALL.len())];
    let (mut category, mut level) = (dice.below(5), dice.below(4));
    let known = bundle.functions();
    for _ in 0..dice.below(functions + 1) {
        // The generated functions come last; the baseline's own are named by no rule.
        let place = known.len() - 1 - dice.below(known.len() - 18);
        one.asker.functions.push(known[place].code.clone());
    }
    if dice.chance(10) {
        one.asker.functions.push("not-in-the-bundle".parse().expect("label"));
    }
    if dice.chance(80) {
        let rule = bundle.rules().get(dice.below(bundle.rules().len())).expect("a rule");
        let missed = dice.below(20);
        let named = |name: &String| {
            let mut about = bundle
                .purposes()
                .iter()
                .filter(|purpose| purpose.code.as_str() == name || purpose.group.as_deref() == Some(name));
            about.next().expect("bound").code.clone()
        };
        match &rule.purpose {
            Scope::One(name) if missed != 0 => one.purpose = named(name),
            _ => {}
        }
        match &rule.function {
            Scope::One(function) if missed != 1 => one.asker.functions.push(function.clone()),
            _ => {}
        }
        let aim = |scoped: Option<usize>, number, drawn| scoped.filter(|_| missed != number).unwrap_or(drawn);
        one.role = scoped(&rule.role).filter(|_| missed != 2).unwrap_or(one.role);
        one.subject_kind = scoped(&rule.subject).filter(|_| missed != 3).unwrap_or(one.subject_kind);
        one.action = scoped(&rule.action).filter(|_| missed != 4).unwrap_or(one.action);
        let place_of = |scope| {
            scoped(scope).and_then(|value| InformationCategory::ALL.iter().position(|one| *one == value))
        };
        category = aim(place_of(&rule.category), 5, category);
        level = aim(
            scoped(&rule.level)
                .and_then(|value| ClassificationLevel::ALL.iter().position(|one| *one == value)),
            6,
            level,
        );
    }
    (one, category * 4 + level)
}

fn scoped<T: Copy>(scope: &Scope<T>) -> Option<T> {
    match scope {
        Scope::Every => None,
        Scope::One(value) => Some(*value),
    }
}

/// What ours and plain casbin say about one cell.
pub(crate) fn compare(authoriser: &Authoriser, one: &AccessRequest, place: usize) -> Cell {
    let category = InformationCategory::ALL[place / 4];
    let level = ClassificationLevel::ALL[place % 4];
    let cell = authoriser.explain(one).cells.swap_remove(place);
    assert_eq!((cell.category, cell.level), (category, level));
    let ours = Cell { treatment: cell.treatment, rule: cell.rule };
    let plain = authoriser.cell_uncached(one, category, level).expect("casbin decides");
    assert_eq!(ours, plain, "{one:?} {category} {level}");
    plain
}

#[test]
fn random_bundles_are_decided_as_plain_casbin_decides_them() {
    let mut rules = 0;
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..BUNDLES {
        let bundle =
            random(seed).and_then(Bundle::from_files).unwrap_or_else(|error| panic!("{seed}: {error}"));
        rules += bundle.rules().len();
        let authoriser = Authoriser::new(bundle).expect("casbin takes the rules");
        let mut dice = Dice::new(seed ^ 0x5eed);
        for _ in 0..QUESTIONS {
            let (one, place) = draw(&mut dice, authoriser.bundle(), 3);
            let cell = compare(&authoriser, &one, place);
            let named = cell.rule.as_str() != "default-deny";
            *seen.entry((cell.treatment, named)).or_insert(0_usize) += 1;
        }
    }
    // Every kind of answer came up often: shown, masked, denied by a rule, denied for want of one.
    assert!(rules > 2_000, "{rules}");
    assert!(seen.len() == 4 && seen.values().all(|count| *count > 2_000), "{seen:?}");
}

#[test]
fn a_provinces_rules_are_decided_as_plain_casbin_decides_them() {
    for (spread, questions) in [(Spread::Province, 200), (Spread::OnePurpose, 60), (Spread::Alike, 20)] {
        let bundle = province(3_000, spread, 7).and_then(Bundle::from_files).expect("loads");
        let authoriser = Authoriser::new(bundle).expect("casbin takes the rules");
        let mut dice = Dice::new(11);
        let mut allowed = 0;
        for _ in 0..questions {
            let (one, place) = draw(&mut dice, authoriser.bundle(), 20);
            let cell = compare(&authoriser, &one, place);
            allowed += usize::from(cell.rule.as_str() != "default-deny");
        }
        assert!(allowed * 3 > questions, "{spread:?}: {allowed}");
    }
}
