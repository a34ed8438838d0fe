//! casbin in other languages beside ours: fed the same model, rules and questions, each gives the same answers.

use chengxin_policy::{AccessRequest, Authoriser, Bundle, MODEL, Rule, Treatment};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::subject::SubjectKind;
use serde_json::{Value, json};

use crate::differential::draw;
use crate::overlay_random::denials;
use crate::overlay_support::overlay;
use crate::province::{Dice, Spread, province, random};
use crate::strangers::{Answer, STRANGERS};
use crate::support::grid;

/// Every so many places of the baseline's grid are asked. Coprime to every dimension, so that all purposes, roles, actions,
/// categories and levels come up.
const STRIDE: usize = 29;
/// Random bundles, every third under a random overlay, each asked so many random questions.
const BUNDLES: u64 = 100;
const QUESTIONS: usize = 100;

/// Questions under one bundle, with our answers.
struct Case {
    input: Value,
    questions: Vec<Value>,
    expected: Vec<bool>,
}

impl Case {
    fn new(bundle: &Bundle) -> Self {
        let role_links: Vec<Value> = bundle
            .roles()
            .iter()
            .flat_map(|role| role.includes.iter().map(|other| json!([role.role.as_str(), other.as_str()])))
            .collect();
        let purpose_links: Vec<Value> = bundle
            .purposes()
            .iter()
            .filter_map(|purpose| Some(json!([purpose.code.as_str(), purpose.group.as_ref()?])))
            .collect();
        let input = json!({
            "model": MODEL,
            "p": bundle.rules().iter().map(Rule::casbin_line).collect::<Vec<_>>(),
            "g": role_links,
            "g2": purpose_links,
        });
        Self { input, questions: Vec::new(), expected: Vec::new() }
    }

    /// Adds the one or two questions that make up a cell: whether it is shown, and if not, whether it is masked.
    fn ask(&mut self, authoriser: &Authoriser, one: &AccessRequest, place: usize) {
        let cell = &authoriser.explain(one).cells[place];
        for form in [Treatment::Show, Treatment::Mask] {
            self.questions.push(question(one, cell.category, cell.level, form));
            self.expected.push(cell.treatment == form);
            if cell.treatment == form {
                break;
            }
        }
    }

    fn finish(&mut self) -> Value {
        self.input["questions"] = json!(self.questions);
        self.input.take()
    }
}

fn question(
    one: &AccessRequest,
    category: InformationCategory,
    level: ClassificationLevel,
    form: Treatment,
) -> Value {
    let functions: Vec<&str> = one.asker.functions.iter().map(|code| code.as_str()).collect();
    let subject = match one.subject_kind {
        SubjectKind::Organisation => "organisation",
        SubjectKind::Person => "person",
    };
    json!([
        one.role.as_str(),
        functions,
        one.purpose.as_str(),
        subject,
        category.as_str(),
        level.as_str(),
        one.action.as_str(),
        form.as_str(),
    ])
}

fn compare(mut cases: Vec<Case>) {
    let inputs: Vec<Value> = cases.iter_mut().map(Case::finish).collect();
    let count: usize = cases.iter().map(|case| case.questions.len()).sum();
    let allowed = cases.iter().flat_map(|case| &case.expected).filter(|allowed| **allowed).count();
    assert!(count > 1_000 && allowed > 100, "{count} questions, {allowed} allowed");
    for stranger in STRANGERS {
        let answers = stranger.ask(&inputs);
        for (case, theirs) in cases.iter().zip(answers) {
            assert_eq!(theirs.len(), case.expected.len());
            for ((question, ours), theirs) in case.questions.iter().zip(&case.expected).zip(theirs) {
                assert_eq!(theirs, Answer::Decided(*ours), "{stranger:?} {question}");
            }
        }
    }
}

#[test]
fn strangers_decide_the_baseline_as_we_do() {
    let authoriser = Authoriser::new(Bundle::baseline().expect("baseline")).expect("authoriser");
    let mut case = Case::new(authoriser.bundle());
    let mut place = 0_usize;
    for functions in [&["securities-regulation", "peoples-congress"][..], &[], &["finance"]] {
        for request in grid(authoriser.bundle(), functions) {
            for cell in 0..20 {
                place += 1;
                if place.is_multiple_of(STRIDE) {
                    case.ask(&authoriser, &request, cell);
                }
            }
        }
    }
    compare(vec![case]);
}

#[test]
fn strangers_decide_random_bundles_as_we_do() {
    let mut cases = Vec::new();
    for seed in 1_000..1_000 + BUNDLES {
        let mut bundle = random(seed).and_then(Bundle::from_files).expect("loads");
        let mut dice = Dice::new(seed);
        if seed.is_multiple_of(3) {
            let files = overlay(&[("rules.csv", &denials(&mut dice, &bundle))]);
            bundle = bundle.overlay_stage(&files).expect("denials stage");
        }
        let authoriser = Authoriser::new(bundle).expect("authoriser");
        let mut case = Case::new(authoriser.bundle());
        for _ in 0..QUESTIONS {
            let (one, place) = draw(&mut dice, authoriser.bundle(), 3);
            case.ask(&authoriser, &one, place);
        }
        cases.push(case);
    }
    compare(cases);
}

#[test]
fn strangers_decide_a_provinces_rules_as_we_do() {
    let bundle = province(300, Spread::Province, 3).and_then(Bundle::from_files).expect("loads");
    let authoriser = Authoriser::new(bundle).expect("authoriser");
    let mut case = Case::new(authoriser.bundle());
    let mut dice = Dice::new(3);
    for _ in 0..700 {
        let (one, place) = draw(&mut dice, authoriser.bundle(), 12);
        case.ask(&authoriser, &one, place);
    }
    compare(vec![case]);
}
