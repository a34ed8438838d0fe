//! The index and the cache decide exactly as plain casbin with all rules does: over the baseline's whole grid, for random
//! requests, for random bundles and for a province's; and nothing outside the grid is ever allowed.

use chengxin_policy::{AccessRequest, Action, Authoriser, Bundle, Cell, Decision, Treatment};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{grid, request};

fn authoriser() -> Authoriser {
    Authoriser::new(Bundle::baseline().expect("baseline loads")).expect("casbin takes the rules")
}

/// Compares every cell of a cached decision with plain casbin.
fn compare(authoriser: &Authoriser, request: &AccessRequest) {
    let cached = authoriser.explain(request).cells;
    assert_eq!(cached.len(), 20);
    for cell in cached {
        let plain = authoriser.cell_uncached(request, cell.category, cell.level).expect("casbin decides");
        let found = Cell { treatment: cell.treatment, rule: cell.rule };
        assert_eq!(found, plain, "{request:?} {} {}", cell.category, cell.level);
    }
}

#[test]
fn the_whole_grid_is_decided_as_plain_casbin_decides_it() {
    let authoriser = authoriser();
    for functions in [&["securities-regulation", "peoples-congress"][..], &[]] {
        for request in grid(authoriser.bundle(), functions) {
            compare(&authoriser, &request);
        }
    }
}

/// What distinguishes requests: indexes into the bundle's lists, and which functions the asker has.
#[derive(Clone, Debug)]
struct Draw {
    purpose: usize,
    role: usize,
    action: usize,
    person: bool,
    functions: Vec<usize>,
    category: usize,
    level: usize,
}

fn draw() -> impl Strategy<Value = Draw> {
    (
        0_usize..1000,
        0_usize..6,
        0_usize..4,
        any::<bool>(),
        proptest::collection::vec(0_usize..1000, 0..3),
        0_usize..5,
        0_usize..4,
    )
        .prop_map(|(purpose, role, action, person, functions, category, level)| Draw {
            purpose,
            role,
            action,
            person,
            functions,
            category,
            level,
        })
}

fn drawn(authoriser: &Authoriser, draw: &Draw, codes: &[FunctionCode]) -> AccessRequest {
    let purposes = authoriser.bundle().purposes();
    let kind = if draw.person { SubjectKind::Person } else { SubjectKind::Organisation };
    let mut one = request(purposes[draw.purpose % purposes.len()].code.as_str(), &[], kind);
    one.asker.functions = draw.functions.iter().map(|index| codes[index % codes.len()].clone()).collect();
    one.role = Role::ALL[draw.role];
    one.action = Action::ALL[draw.action];
    one
}

#[test]
fn a_hundred_thousand_random_requests_are_decided_as_plain_casbin_decides_them() {
    let authoriser = authoriser();
    let mut codes: Vec<FunctionCode> =
        authoriser.bundle().functions().iter().map(|function| function.code.clone()).collect();
    codes.push("not-in-the-bundle".parse().expect("label"));
    // Plain casbin is asked once per distinct question; the hundred thousand requests reach the cache in random order,
    // with repetition, so that what is compared is also what later hits return.
    let mut plain = std::collections::HashMap::new();
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let strategy = draw();
    for _ in 0..100_000 {
        let draw = strategy.new_tree(&mut runner).expect("a draw").current();
        let one = drawn(&authoriser, &draw, &codes);
        let category = InformationCategory::ALL[draw.category];
        let level = ClassificationLevel::ALL[draw.level];
        let mut named: Vec<_> = one.asker.functions.clone();
        // What matters of the functions is which the rules name; the others may not change anything.
        named.retain(|code| {
            authoriser
                .bundle()
                .rules()
                .iter()
                .any(|rule| rule.function != chengxin_policy::Scope::Every && rule.function.holds_for(code))
        });
        named.sort();
        named.dedup();
        let key = (one.purpose.clone(), one.role, one.action, one.subject_kind, named, category, level);
        let expected: &Cell = plain
            .entry(key)
            .or_insert_with(|| authoriser.cell_uncached(&one, category, level).expect("casbin decides"));
        match authoriser.authorize(&AccessRequest {
            own_records: true,
            legal_basis: "《行政许可法》第六十九条".parse().ok(),
            ..one.clone()
        }) {
            Decision::Permit(permit) => assert_eq!(permit.cell(category, level), expected, "{one:?}"),
            Decision::Denied(_) => assert_eq!(expected.treatment, Treatment::Withhold, "{one:?}"),
        }
    }
    assert!(authoriser.profile_count() > 700, "{}", authoriser.profile_count());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_outside_the_grid_is_allowed(purpose in "[a-z][a-z0-9-]{0,20}", function in "[a-z][a-z0-9-]{0,20}") {
        use std::sync::LazyLock;
        static AUTHORISER: LazyLock<Authoriser> = LazyLock::new(authoriser);
        let known = AUTHORISER.bundle().purposes().iter().any(|one| one.code.as_str() == purpose);
        prop_assume!(!known);
        for action in Action::ALL {
            let mut one = request(&purpose, &[&function, "finance"], SubjectKind::Organisation);
            one.action = action;
            one.own_records = true;
            let denied = matches!(AUTHORISER.authorize(&one), Decision::Denied(_));
            prop_assert!(denied);
            let plain = AUTHORISER
                .cell_uncached(&one, InformationCategory::Basic, ClassificationLevel::L1)
                .expect("casbin decides");
            prop_assert_eq!(plain.treatment, Treatment::Withhold);
        }
    }
}
