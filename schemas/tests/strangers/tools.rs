//! Finds and runs the strangers' software.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chengxin_schemas::digest::base64url_encode;
use chengxin_schemas::key::SigningKey;
use serde_json::{Value, json};

const ADVICE: &str = "run integration-tests/interop/install first";

/// A pair of libraries that sign and verify.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stranger {
    /// sd-jwt and jwcrypto.
    Python,
    /// @sd-jwt/core and jose.
    Node,
}

impl Stranger {
    pub(crate) const ALL: [Self; 2] = [Self::Python, Self::Node];

    /// Puts requests to the libraries in one process and returns their answers in order.
    pub(crate) fn ask(self, requests: &[Value]) -> Vec<Value> {
        let scripts = repository().join("integration-tests/interop");
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(existing(folder().join("python/bin/python")));
                command.arg(scripts.join("strangers.py"));
                command
            }
            Self::Node => {
                let modules = existing(folder().join("node/node_modules/jose"));
                let mut command = Command::new("node");
                command.arg(scripts.join("strangers.mjs"));
                command.env("CHENGXIN_NODE", modules.ancestors().nth(2).expect("folder"));
                command
            }
        };
        let input = serde_json::to_vec(requests).expect("json");
        let output = run(&mut command, &input);
        let answers: Vec<Value> = serde_json::from_slice(&output).expect("answers in JSON");
        assert_eq!(answers.len(), requests.len());
        answers
    }

    /// Puts one request.
    pub(crate) fn ask_one(self, request: Value) -> Value {
        self.ask(&[request]).remove(0)
    }
}

/// Runs a command with `input` and returns what it prints. Failing is the caller's test failing.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = try_run(command, input);
    assert!(
        output.status.success(),
        "{command:?} failed; if something is missing, {ADVICE}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Runs a command that may refuse.
pub(crate) fn try_run(command: &mut Command, input: &[u8]) -> std::process::Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; {ADVICE}"));
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        // A command may refuse before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("output")
    })
}

/// Without dots and links: Python finds its libraries by the text of the path it was started with.
fn repository() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().expect("repository")
}

fn folder() -> PathBuf {
    std::env::var_os("CHENGXIN_TOOLS").map_or_else(|| repository().join("target/tools"), PathBuf::from)
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: {ADVICE}", path.display());
    path
}

/// The public key in JSON.
pub(crate) fn public_jwk(key: &SigningKey) -> Value {
    serde_json::to_value(key.public()).expect("jwk")
}

/// The private key of the seed that repeats `byte`, in JSON (RFC 8037).
pub(crate) fn private_jwk(byte: u8) -> Value {
    let mut jwk = public_jwk(&crate::fixture::key(byte));
    jwk["d"] = json!(base64url_encode(&[byte; 32]));
    jwk
}

/// `text` with the character at `place` exchanged for another of the same alphabet.
pub(crate) fn spoiled(text: &str, place: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ascii")
}
