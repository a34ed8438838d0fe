//! Another casbin beside ours: pycasbin, fed the same model, rules and questions, gives the same answers.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chengxin_policy::{Authoriser, Bundle, MODEL, Rule, Treatment};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::subject::SubjectKind;
use serde_json::{Value, json};

use crate::support::grid;

/// Every so many places of the grid are asked: pycasbin takes milliseconds for each. Coprime to every dimension, so
/// that all purposes, roles, actions, categories and levels come up.
const STRIDE: usize = 29;

fn python() -> PathBuf {
    let tools = std::env::var_os("CHENGXIN_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools"), PathBuf::from);
    let python = tools.join("pycasbin/bin/python");
    assert!(
        python.exists(),
        "pycasbin is not installed at {}: run policy/tests/interop/install",
        python.display()
    );
    python
}

fn ask(input: &Value) -> Vec<bool> {
    let mut child = Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/decide.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.to_string().as_bytes()).expect("python reads");
    drop(stdin);
    let output = child.wait_with_output().expect("python ends");
    assert!(output.status.success(), "decide.py failed");
    serde_json::from_slice(&output.stdout).expect("a list of booleans")
}

#[test]
fn pycasbin_decides_as_our_casbin_does() {
    let authoriser = Authoriser::new(Bundle::baseline().expect("baseline")).expect("authoriser");
    let bundle = authoriser.bundle();
    let mut questions = Vec::new();
    let mut expected = Vec::new();
    let mut place = 0_usize;
    for functions in [&["securities-regulation", "peoples-congress"][..], &[], &["finance"]] {
        for request in grid(bundle, functions) {
            for category in InformationCategory::ALL {
                for level in ClassificationLevel::ALL {
                    place += 1;
                    if !place.is_multiple_of(STRIDE) {
                        continue;
                    }
                    let cell = authoriser.cell_uncached(&request, *category, *level).expect("decision");
                    let subject = match request.subject_kind {
                        SubjectKind::Organisation => "organisation",
                        SubjectKind::Person => "person",
                    };
                    let question = |form: Treatment| {
                        json!([
                            request.role.as_str(),
                            functions,
                            request.purpose.as_str(),
                            subject,
                            category.as_str(),
                            level.as_str(),
                            request.action.as_str(),
                            form.as_str(),
                        ])
                    };
                    questions.push(question(Treatment::Show));
                    expected.push(cell.treatment == Treatment::Show);
                    if cell.treatment != Treatment::Show {
                        questions.push(question(Treatment::Mask));
                        expected.push(cell.treatment == Treatment::Mask);
                    }
                }
            }
        }
    }
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
    let answers = ask(&json!({
        "model": MODEL,
        "p": bundle.rules().iter().map(Rule::casbin_line).collect::<Vec<_>>(),
        "g": role_links,
        "g2": purpose_links,
        "questions": questions,
    }));
    assert!(expected.iter().filter(|allowed| **allowed).count() > 50, "the sample permits something");
    assert_eq!(answers.len(), expected.len());
    for ((question, ours), theirs) in questions.iter().zip(&expected).zip(&answers) {
        assert_eq!(ours, theirs, "{question}");
    }
}
