//! casbin's implementations in other languages, as `policy/tests/interop/install` installs them: cases in, answers out, all
//! of a test in one process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// An implementation that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stranger {
    Python,
    Node,
    Go,
}

pub(crate) const STRANGERS: [Stranger; 3] = [Stranger::Python, Stranger::Node, Stranger::Go];

/// What an implementation answers: it may refuse a question, or the model or policy before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Decided(bool),
    Refused(String),
}

pub(crate) fn tools() -> PathBuf {
    std::env::var_os("CHENGXIN_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools"), PathBuf::from)
}

impl Stranger {
    fn command(self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        let (program, installed) = match self {
            Self::Python => {
                let python = tools().join("pycasbin/bin/python");
                (python.clone(), python)
            }
            Self::Node => ("node".into(), tools().join("node-casbin/node_modules/casbin")),
            Self::Go => {
                let built = tools().join("gocasbin/decide");
                (built.clone(), built)
            }
        };
        assert!(
            installed.exists(),
            "{self:?}: {} is missing: run policy/tests/interop/install",
            installed.display()
        );
        let mut command = Command::new(program);
        match self {
            Self::Python => {
                command.arg(scripts.join("decide.py"));
            }
            Self::Node => {
                command
                    .arg(scripts.join("decide.cjs"))
                    .env("NODE_PATH", tools().join("node-casbin/node_modules"));
            }
            Self::Go => {}
        }
        command
    }

    /// The answers to every case's questions.
    pub(crate) fn ask(self, cases: &[Value]) -> Vec<Vec<Answer>> {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(&serde_json::to_vec(cases).expect("texts")).expect("the program reads");
        drop(stdin);
        let output = child.wait_with_output().expect("the program ends");
        assert!(output.status.success(), "{self:?} failed");
        let all: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).expect("lists of answers");
        assert_eq!(all.len(), cases.len());
        all.into_iter().map(|answers| answers.into_iter().map(answer).collect()).collect()
    }
}

fn answer(value: Value) -> Answer {
    match value {
        Value::Bool(allowed) => Answer::Decided(allowed),
        other => Answer::Refused(other.as_str().unwrap_or("not an answer").to_owned()),
    }
}
