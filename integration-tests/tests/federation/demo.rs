//! The demo is the shortest proof that the whole product works; it must stay runnable by machines.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::program;

/// Longest wait for a state.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn the_demo_tells_its_whole_story_and_every_step_holds() {
    let output = std::process::Command::new(program())
        .args(["demo", "--exit", "-o", "json", "--lang", "en"])
        .output()
        .expect("the demo starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let document: Value = serde_json::from_str(&text).expect("one JSON document and nothing else");
    assert_eq!(document["schema"], "demo/v1");
    assert_eq!(document["held"], true, "{document}");
    let steps = document["steps"].as_array().expect("steps");
    assert!(!steps.is_empty());
    for step in steps {
        assert_eq!(step["held"], true, "{step}");
    }
    assert!(output.status.success(), "{document}");
}

#[test]
fn a_demo_that_is_told_to_stop_leaves_nothing_behind() {
    stopped_by("-TERM");
}

#[test]
fn a_demo_whose_terminal_is_closed_leaves_nothing_behind() {
    stopped_by("-HUP");
}

fn stopped_by(signal: &str) {
    let folder = tempfile::tempdir().expect("tempdir");
    // These tests may run with hang-ups ignored, which the demo would keep to.
    let mut demo = Command::new("env")
        .arg("--default-signal=HUP")
        .arg(program())
        .args(["demo", "--exit", "-o", "json", "--lang", "en"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo starts");
    until("a node runs", || processes_of(folder.path()).iter().any(|line| line.contains("serve")));
    let told = Command::new("kill").arg(signal).arg(demo.id().to_string()).status().expect("kill");
    assert!(told.success());
    until("the demo ended", || demo.try_wait().expect("waited").is_some());
    assert_eq!(demo.wait().expect("ended").code(), Some(1), "by itself, and not well");
    assert_eq!(processes_of(folder.path()), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("listing").collect();
    assert!(left.is_empty(), "{left:?}");
}

fn until(what: &str, mut held: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !held() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The command lines of all processes that name this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    all.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&folder))
        .collect()
}
