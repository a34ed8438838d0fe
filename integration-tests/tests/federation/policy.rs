//! A policy from the coordinator's edited files to every node, one of them down at the time.

use std::path::Path;

use chengxin_schemas::time::UnixTime;
use serde_json::Value;

use crate::stage::{BODIES, Body, COORDINATOR, FINANCE, MARKET, Ran, Stage};

/// Gives the bundle a name of its own and one more rule.
fn edit(bundle: &Path, version: &str, former: &str) {
    let change = |name: &str, change: &dyn Fn(&str) -> String| {
        let path = bundle.join(name);
        let text = std::fs::read_to_string(&path).expect("a file of the bundle");
        let changed = change(&text);
        assert_ne!(text, changed, "{name}");
        std::fs::write(&path, changed).expect("written");
    };
    change("bundle.toml", &|text| {
        text.replace(former, version).replace("id = \"baseline\"", "id = \"trial\"")
    });
    change("rules.csv", &|text| {
        format!("{text}trial.no-warnings,*,securities-regulation,bidding,*,risk_warning,L3,*,*,deny\n")
    });
}

/// The day in Asia/Shanghai.
pub(crate) fn today() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    UnixTime(i64::try_from(since.as_secs()).expect("seconds")).shanghai_date().to_string()
}

/// Publishes for the present day, which may change while the scenario runs: one that is over is refused.
fn publish(stage: &Stage, who: &str, version: &str) -> Ran {
    stage.run(COORDINATOR, Some(who), &["--yes", "policy", "publish", version, "--effective", &today()])
}

/// The version that decides at a body.
pub(crate) fn in_force(stage: &Stage, body: Body) -> String {
    let shown = stage.run(body, Some("zhang"), &["-o", "json", "policy", "show"]).good().json();
    shown["version"].as_str().expect("version").to_owned()
}

fn states(stage: &Stage) -> Vec<(String, String)> {
    let status = stage.run(COORDINATOR, Some("wang"), &["-o", "json", "policy", "status"]).good().json();
    let text = |member: &Value, field: &str| member[field].as_str().unwrap_or_default().to_owned();
    let members = status["members"].as_array().expect("members");
    members.iter().map(|member| (text(member, "agency"), text(member, "state"))).collect()
}

fn state_of(stage: &Stage, body: Body) -> String {
    let states = states(stage);
    states.into_iter().find(|(agency, _)| agency == body.1).expect("a member").1
}

#[test]
fn a_policy_goes_from_edited_files_to_every_node() {
    let mut stage = Stage::federation();
    let former = in_force(&stage, COORDINATOR);
    stage.until("both told", |stage| BODIES.iter().all(|body| state_of(stage, *body) == "adopted"));
    let wang = |arguments: &[&str]| stage.run(COORDINATOR, Some("wang"), arguments);

    let bundle = stage.file("bundle");
    let directory = bundle.display().to_string();
    wang(&["policy", "export", &directory]).good();
    wang(&["policy", "export", &directory]).refused(6, &["bundle"]);
    wang(&["policy", "stage", &directory]).refused(6, &["higher version"]);
    let version = "trial-2026.1";
    edit(&bundle, version, &former);
    wang(&["policy", "test", &directory]).good();
    let diff = wang(&["-o", "json", "policy", "diff", &directory]).good().json();
    assert_eq!((diff["cells_wider"].as_u64(), diff["to"]["version"].as_str()), (Some(0), Some(version)));
    let staged = wang(&["-o", "json", "policy", "stage", &directory]).good().json();
    let digest = staged["plan"]["digest"].as_str().expect("digest")["sha256:".len()..][..12].to_owned();
    let planned = wang(&["-o", "json", "policy", "diff", "--plan", version]).good().json();
    assert_eq!(planned["decisions"], diff["decisions"]);

    wang(&["policy", "sign", version, "--digest", "0123456789"]).refused(6, &["another content"]);
    wang(&["policy", "sign", version, "--digest", &digest]).good();
    wang(&["policy", "sign", version, "--digest", &digest]).refused(6, &["two different people"]);
    publish(&stage, "wang", version).refused(6, &["1 of 2"]);
    stage.run(COORDINATOR, Some("zhang"), &["policy", "sign", version, "--digest", &digest]).refused(4, &[]);
    stage.run(COORDINATOR, Some("he"), &["policy", "sign", version, "--digest", &digest]).good();

    stage.kill(MARKET);
    publish(&stage, "wang", version).good();
    stage.until("the coordinator and finance decide by it", |stage| {
        [COORDINATOR, FINANCE].iter().all(|body| in_force(stage, *body) == version)
    });
    stage.until("finance told", |stage| state_of(stage, FINANCE) == "adopted");
    assert_eq!(state_of(&stage, MARKET), "lagging");
    stage.start(MARKET);
    stage.until("market follows", |stage| state_of(stage, MARKET) == "adopted");
    assert_eq!(in_force(&stage, MARKET), version);

    // Back to the former content, under a version that follows.
    let reverted = stage.run(COORDINATOR, Some("he"), &["-o", "json", "policy", "revert"]).good().json();
    let again = reverted["plan"]["version"].as_str().expect("version").to_owned();
    assert_eq!(again, "trial-2026.2");
    let digest = reverted["plan"]["digest"].as_str().expect("digest")["sha256:".len()..].to_owned();
    for who in ["wang", "he"] {
        stage.run(COORDINATOR, Some(who), &["policy", "sign", &again, "--digest", &digest]).good();
    }
    publish(&stage, "he", &again).good();
    stage.until("everybody is back", |stage| {
        BODIES.iter().all(|body| in_force(stage, *body) == again && state_of(stage, *body) == "adopted")
    });
}
