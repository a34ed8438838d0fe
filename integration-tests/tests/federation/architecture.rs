//! The architecture of the sources: imports go downward, each outside crate has its owner, licences are known ones.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What each crate of ours may name, besides itself.
const MAY_NAME: [(&str, &[&str]); 12] = [
    ("chengxin-schemas", &[]),
    ("chengxin-store", &[]),
    ("chengxin-policy", &["schemas"]),
    ("chengxin-audit-log", &["schemas"]),
    ("chengxin-trust", &["schemas"]),
    ("chengxin-import", &["schemas"]),
    ("chengxin-network", &["schemas"]),
    ("chengxin-exchange", &["schemas", "store", "trust", "audit-log", "policy", "import"]),
    ("chengxin-api", &["schemas", "exchange", "trust", "audit-log", "policy", "import"]),
    ("chengxin-cli", &["schemas", "api", "trust", "audit-log", "policy", "import"]),
    (
        "chengxin",
        &["schemas", "api", "cli", "network", "exchange", "store", "trust", "audit-log", "policy", "import"],
    ),
    ("chengxin-integration-tests", &["schemas"]),
];

/// Which crates may name an outside crate. `*` ends a prefix.
const OWNERS: [(&str, &[&str]); 20] = [
    ("libp2p*", &["chengxin-network"]),
    ("casbin", &["chengxin-policy"]),
    ("sled", &["chengxin-store"]),
    ("tough", &["chengxin-trust"]),
    ("axum", &["chengxin-api", "chengxin-cli"]),
    ("hyper", &["chengxin-api", "chengxin-cli"]),
    ("hyper-util", &["chengxin-api", "chengxin-cli"]),
    ("clap*", &["chengxin-cli", "chengxin"]),
    ("age", &["chengxin-schemas"]),
    ("aws-lc-rs", &["chengxin-schemas"]),
    ("bech32", &["chengxin-schemas"]),
    ("sha2", &["chengxin-store"]),
    ("calamine", &["chengxin-import"]),
    ("csv-core", &["chengxin-import"]),
    ("encoding_rs", &["chengxin-import"]),
    ("rust_xlsxwriter", &["chengxin-import"]),
    ("zip", &["chengxin-import"]),
    ("csv", &["chengxin-import", "chengxin-policy", "chengxin-cli"]),
    ("rustls", &["chengxin"]),
    ("tracing-subscriber", &["chengxin"]),
];

/// Licences that go with Apache-2.0, as SPDX names them.
const LICENCES: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    // File-level copyleft: used as it is, never changed here.
    "MPL-2.0",
    "MPL-2.0+",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// Name and normal dependencies of our crates.
fn ours() -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let normal = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies").clone();
        all.iter().filter(|one| one["kind"].is_null()).map(|one| text(&one["name"])).collect()
    };
    packages()
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| (text(&package["name"]), normal(package)))
        .collect()
}

#[test]
fn imports_go_downward() {
    let ours = ours();
    assert_eq!(ours.len(), MAY_NAME.len(), "a crate is missing from the table");
    for (name, dependencies) in ours {
        let (_, may) = MAY_NAME.iter().find(|(one, _)| *one == name).expect("a crate of the table");
        for dependency in dependencies.iter().filter_map(|one| one.strip_prefix("chengxin-")) {
            assert!(may.contains(&dependency), "{name} may not name chengxin-{dependency}");
        }
    }
}

#[test]
fn each_outside_crate_is_used_by_its_owner_alone() {
    for (name, dependencies) in ours() {
        for dependency in &dependencies {
            for (outside, owners) in OWNERS {
                let same = match outside.strip_suffix('*') {
                    Some(prefix) => dependency.starts_with(prefix),
                    None => dependency == outside,
                };
                assert!(!same || owners.contains(&name.as_str()), "{name} may not name {dependency}");
            }
        }
    }
}

/// Whether a licence expression leaves a way to use the crate: AND needs every part, OR one of them. Brackets are
/// resolved from the inside out.
fn permitted(expression: &str) -> bool {
    let mut text = expression.replace(" / ", " OR ").replace('/', " OR ");
    while let Some(end) = text.find(')') {
        let begin = text[..end].rfind('(').expect("an opening bracket");
        let inner = if permitted(&text[begin + 1..end]) { "MIT" } else { "refused" };
        text.replace_range(begin..=end, inner);
    }
    text.split(" OR ").any(|choice| choice.split(" AND ").all(|part| LICENCES.contains(&part.trim())))
}

#[test]
fn every_dependency_has_a_licence_that_goes_with_ours() {
    assert!(!permitted("GPL-3.0-only") && !permitted("MIT AND AGPL-3.0-only"));
    assert!(permitted("(GPL-2.0 OR MIT) AND ISC"));
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(permitted(licence), "{}: {licence:?}", package["name"]);
    }
}

/// The numbers of a version; what follows a hyphen or plus does not count here.
fn version(text: &str) -> Vec<u64> {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    numbers.split('.').map(|number| number.parse().unwrap_or_default()).collect()
}

#[test]
fn no_dependency_is_below_its_floor() {
    let file = std::fs::read_to_string(root().join(".deny.toml")).expect(".deny.toml");
    let floors: Vec<(&str, &str)> = file
        .lines()
        .filter_map(|line| line.split_once("crate = \"")?.1.split_once('"')?.0.split_once(":<"))
        .collect();
    assert!(floors.len() >= 8, "{floors:?}");
    assert!(version("0.10.0") > version("0.9.12") && version("0.11.15-rc.1") == version("0.11.15"));
    for package in packages() {
        let (name, found) = (package["name"].as_str(), package["version"].as_str().unwrap_or_default());
        for (_, floor) in floors.iter().filter(|(floored, _)| Some(*floored) == name) {
            assert!(version(found) >= version(floor), "{name:?} {found} is below {floor}");
        }
    }
}

#[test]
fn sources_say_why_they_exist_and_hold_no_placeholder() {
    let output = Command::new("git")
        .args(["ls-files", "-z", "*.rs"])
        .current_dir(root())
        .output()
        .expect("git starts");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    let files: Vec<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
    assert!(files.len() > 100, "the sources are under git");
    // Put together here so that this file does not hold them itself.
    let placeholders =
        [["to", "do!("], ["unimpl", "emented!("], ["#[ign", "ore"]].map(|parts| parts.concat());
    for path in files {
        // A file that is just being removed has nothing to say.
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        assert!(text.starts_with("//!"), "{path} does not say why it exists");
        for placeholder in &placeholders {
            assert!(!text.contains(placeholder), "{path} holds {placeholder}");
        }
    }
}
