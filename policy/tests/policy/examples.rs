//! casbin's own published examples: casbin-rs, on which ours rests, beside the other implementations. The examples ship in
//! the installed packages (the crate, the npm package, Debian's Go sources) and are read there.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::task::{Context, Poll, Waker};

use casbin::{CoreApi as _, DefaultModel, Enforcer, StringAdapter};
use serde_json::{Value, json};

use crate::strangers::Stranger::{Go, Node, Python};
use crate::strangers::{Answer, STRANGERS, Stranger, tools};

/// Where the Debian package puts Go casbin's sources.
const GO_EXAMPLES: &str = "/usr/share/gocode/src/github.com/casbin/casbin/examples";
/// Most questions of one example: an even sample of the grid when it has more.
const QUESTIONS_LIMIT: usize = 600;
/// Values that no policy names, and concrete ones for the patterns of the examples.
const MORE_VALUES: [&str; 9] = [
    "nobody",
    "alice",
    "bob",
    "read",
    "/alice_data/resource1",
    "/alice_data2/1/using/2",
    "/foo/bar",
    "/pen2/1",
    "192.168.2.123",
];

/// Policies that examples share with a model of another name.
const MORE_PAIRS: [(&str, &str); 6] = [
    ("basic_model.conf", "basic_inverse_policy.csv"),
    ("basic_with_root_model.conf", "basic_policy.csv"),
    ("rbac_model.conf", "rbac_with_hierarchy_policy.csv"),
    ("rbac_with_domains_model.conf", "rbac_with_hierarchy_with_domains_policy.csv"),
    ("rbac_with_not_deny_model.conf", "rbac_with_deny_policy.csv"),
    ("priority_model.conf", "priority_indeterminate_policy.csv"),
];

/// Models that casbin-rs decides unlike others, by all the policies and packages they come with, and why. An entry that does
/// not differ fails the test as one that is missing does.
const KNOWN_DIFFERENCES: [(&str, &[Stranger], &str); 11] = [
    (
        "abac_rule_model",
        &[Node],
        "asks texts for fields: casbin-rs refuses, JavaScript compares with undefined",
    ),
    ("basic_keyget2_model", &[Node], "rhai takes '...' for one character and refuses the matcher"),
    (
        "eval_operator_model",
        &[Node, Go],
        "a policy with '...' to evaluate, which rhai takes for one character",
    ),
    ("glob_model", &STRANGERS, "globMatch is a feature of casbin-rs that this program is built without"),
    ("ipmatch_model", &STRANGERS, "ipMatch is a feature of casbin-rs that this program is built without"),
    ("keymatch_model", &[Python], "pycasbin's regexMatch holds at the beginning only, the others' anywhere"),
    ("multi_section_model", &[Go], "Go casbin 2.60 keeps the blanks at the end of a policy's field"),
    ("rbac_basic_role_model", &[Go], "Go casbin 2.60 keeps the blanks at the end of a policy's field"),
    (
        "rbac_g2_model",
        &STRANGERS,
        "casbin-rs keeps g and g2 in one graph; our names may not meet for that reason",
    ),
    ("rbac_with_hierarchical_domains_model", &[Python], "pycasbin's regexMatch, as above"),
    ("subject_priority_model", &STRANGERS, "casbin-rs has no such effect, and panics"),
];

/// An example's model and policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Example {
    model: PathBuf,
    policy: PathBuf,
}

impl Example {
    fn name(&self) -> String {
        self.model.file_stem().expect("a file").to_string_lossy().into_owned()
    }
}

/// The folder of the casbin crate that this test is linked with.
fn crate_folder() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata");
    let package = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "casbin")
        .expect("casbin is a dependency");
    Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a folder").to_owned()
}

fn examples() -> Vec<Example> {
    let folders = [
        crate_folder().join("examples"),
        tools().join("node-casbin/node_modules/casbin/examples"),
        PathBuf::from(GO_EXAMPLES),
    ];
    let mut examples = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
            panic!("{}: {error}: run policy/tests/interop/install", folder.display())
        });
        let names: BTreeSet<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let own = names.iter().filter_map(|model| {
            Some((model.clone(), format!("{}_policy.csv", model.strip_suffix("_model.conf")?)))
        });
        let more = MORE_PAIRS.iter().map(|(model, policy)| ((*model).to_owned(), (*policy).to_owned()));
        for (model, policy) in own.chain(more) {
            if names.contains(&model) && names.contains(&policy) {
                examples.push(Example { model: folder.join(model), policy: folder.join(policy) });
            }
        }
    }
    examples
}

/// Every combination of what the policy names in each column, of its links, and of a few more.
fn questions(example: &Example) -> Vec<Vec<String>> {
    let model = std::fs::read_to_string(&example.model).expect("a model");
    let policy = std::fs::read_to_string(&example.policy).expect("a policy");
    let definition =
        model.lines().find_map(|line| line.trim().strip_prefix("r = ")).expect("a request definition");
    let width = definition.split(',').count();
    let lines: Vec<Vec<&str>> = policy
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(',').map(|field| field.trim().trim_matches('"')).collect())
        .collect();
    let columns: Vec<Vec<String>> = (0..width)
        .map(|column| {
            let named = lines.iter().filter_map(|line| {
                // Links give names to the first column, and the domains of links to the second.
                let place = if line[0].starts_with('g') && column == 1 { 3 } else { column + 1 };
                line.get(place).copied()
            });
            let all: BTreeSet<&str> = named.chain(MORE_VALUES).filter(|value| !value.is_empty()).collect();
            all.into_iter().map(str::to_owned).collect()
        })
        .collect();
    let count: usize = columns.iter().map(Vec::len).product();
    let question = |mut number: usize| -> Vec<String> {
        columns
            .iter()
            .map(|values| {
                let value = values[number % values.len()].clone();
                number /= values.len();
                value
            })
            .collect()
    };
    // What the policy's own lines say comes first; the rest is spread evenly over the grid.
    let own = lines.iter().filter(|line| line[0] == "p" && line.len() > width);
    let mut all: Vec<Vec<String>> =
        own.map(|line| line[1..=width].iter().map(|field| (*field).to_owned()).collect()).collect();
    let step = count.div_ceil(QUESTIONS_LIMIT) | 1;
    all.extend((0..count).step_by(step).map(question));
    all
}

/// casbin-rs's answers. It refuses some examples by an error and some by a panic.
fn ours(example: &Example, questions: &[Vec<String>]) -> Vec<Answer> {
    let build = || -> casbin::Result<Enforcer> {
        let model = now(DefaultModel::from_str(&std::fs::read_to_string(&example.model).expect("a model")))?;
        let policy = std::fs::read_to_string(&example.policy).expect("a policy");
        now(Enforcer::new(model, StringAdapter::new(policy)))
    };
    let refused = |error: String| vec![Answer::Refused(error); questions.len()];
    let enforcer = match std::panic::catch_unwind(build) {
        Ok(Ok(enforcer)) => enforcer,
        Ok(Err(error)) => return refused(error.to_string()),
        Err(_) => return refused("panicked".to_owned()),
    };
    let mut answers = Vec::new();
    for question in questions {
        match std::panic::catch_unwind(AssertUnwindSafe(|| enforcer.enforce(question.clone()))) {
            Ok(Ok(allowed)) => answers.push(Answer::Decided(allowed)),
            Ok(Err(error)) => answers.push(Answer::Refused(error.to_string())),
            // An effect it does not know; the next question would fare alike.
            Err(_) => return refused("panicked".to_owned()),
        }
    }
    answers
}

/// Finishes a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("casbin waits for something"),
    }
}

#[test]
fn published_examples_are_decided_alike_but_for_the_known_differences() {
    let examples = examples();
    let grids: Vec<_> = examples.iter().map(questions).collect();
    let cases: Vec<Value> = examples
        .iter()
        .zip(&grids)
        .map(|(example, questions)| {
            json!({ "model": example.model, "policy": example.policy, "questions": questions })
        })
        .collect();
    let ours: Vec<_> =
        examples.iter().zip(&grids).map(|(example, questions)| ours(example, questions)).collect();
    // For each model and implementation that differs somewhere, the first question.
    let mut differing: BTreeMap<(String, Stranger), String> = BTreeMap::new();
    let (mut allowed, mut alike) = (0, 0);
    for stranger in STRANGERS {
        for (((example, questions), ours), theirs) in
            examples.iter().zip(&grids).zip(&ours).zip(stranger.ask(&cases))
        {
            assert_eq!(questions.len(), theirs.len());
            for ((question, ours), theirs) in questions.iter().zip(ours).zip(&theirs) {
                allowed += usize::from(*theirs == Answer::Decided(true));
                let both_refuse = matches!((ours, theirs), (Answer::Refused(_), Answer::Refused(_)));
                if both_refuse || ours == theirs {
                    alike += usize::from(!both_refuse);
                } else {
                    let told = || format!("{question:?}: casbin-rs {ours:?}, {stranger:?} {theirs:?}");
                    differing.entry((example.name(), stranger)).or_insert_with(told);
                }
            }
        }
    }
    let known: BTreeSet<(String, Stranger)> = KNOWN_DIFFERENCES
        .iter()
        .flat_map(|(model, strangers, _)| strangers.iter().map(|stranger| ((*model).to_owned(), *stranger)))
        .collect();
    let unknown: Vec<_> = differing.iter().filter(|(key, _)| !known.contains(*key)).collect();
    assert!(unknown.is_empty(), "differences without a reason: {unknown:#?}");
    let gone: Vec<_> = known.iter().filter(|key| !differing.contains_key(*key)).collect();
    assert!(gone.is_empty(), "known differences that are none: {gone:?}");
    assert!(examples.len() > 50 && alike > 50_000 && allowed > 2_000, "{alike} alike, {allowed} allowed");
}
