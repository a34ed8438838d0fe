//! A league narrows the policy for its region: delegated, exported, staged, signed, published, adopted by the nodes there.

use std::path::Path;

use serde_json::Value;

use crate::policy::{in_force, today};
use crate::stage::{BANNER, Body, COORDINATOR, FINANCE, LEAGUE, Ran, SUBJECT, Stage};

const VERSION: &str = "152500-2026.1";

fn members(stage: &Stage, body: Body) -> Vec<Value> {
    let listed = stage.run(body, Some("zhang"), &["-o", "json", "federation", "members"]).good().json();
    listed["members"].as_array().expect("members").clone()
}

fn is_delegated(stage: &Stage, at: Body) -> bool {
    members(stage, at).iter().any(|member| member["overlay_region"] == "152500")
}

/// Whether a clerk may ask about risk warnings before a bid is decided; the rule that says so otherwise.
fn warnings(stage: &Stage, body: Body) -> (bool, String) {
    let words = ["-o", "json", "policy", "explain", "--as", "clerk", "--purpose", "bidding"];
    let mut words = words.to_vec();
    words.extend(["--category", "risk_warning"]);
    let explained = stage.run(body, Some("zhang"), &words).json();
    let text = |field: &str| explained[field].as_str().unwrap_or_default().to_owned();
    (explained["permitted"] == true, text("rule"))
}

fn rules_edit(overlay: &Path, change: impl Fn(&str) -> String) {
    let path = overlay.join("rules.csv");
    let text = std::fs::read_to_string(&path).expect("rules");
    let changed = change(&text);
    assert_ne!(text, changed);
    std::fs::write(&path, changed).expect("written");
}

/// Demands for checks under a purpose of the overlay's sample that another person releases them.
fn second_person_demand(overlay: &Path) {
    for (file, line, more) in [
        ("purposes.toml", "code = \"bidding\"\n", "second_person = true\n"),
        ("tests.toml", "purpose = \"bidding\"\n", "released_by = \"reviewer\"\n"),
    ] {
        let path = overlay.join(file);
        let text = std::fs::read_to_string(&path).expect(file);
        assert!(text.contains(line), "{text}");
        std::fs::write(&path, text.replace(line, &format!("{line}{more}"))).expect("written");
    }
}

/// A clerk is denied, asks, a colleague releases, and the check is made once.
fn second_person_checks(stage: &Stage) {
    let run = |who: &str, words: &[&str]| stage.run(LEAGUE, Some(who), words);
    let words = ["-o", "json", "check", SUBJECT, "--purpose", "bidding", "--ref", "ZB-2026-007"];
    let check = |more: &[&str]| run("zhang", &[&words, more].concat());
    check(&[]).refused(4, &["purpose.bidding.second-person", "--request-release"]);
    let asked = check(&["--request-release"]).good().json();
    let number = asked["release"].as_str().expect("number").to_owned();
    assert_eq!((&asked["state"], &asked["asked_by"]), (&"open".into(), &"zhang".into()));
    run("zhang", &["release", "give", &number]).refused(6, &["of his own"]);
    check(&["--release", &number]).refused(6, &["not decided yet"]);
    let listed = run("li", &["-o", "json", "release", "list"]).good().json();
    assert_eq!(listed["releases"][0]["release"], *number);
    let given = run("li", &["-o", "json", "release", "give", &number]).good().json();
    assert_eq!((&given["state"], &given["decided_by"]), (&"given".into(), &"li".into()));
    let certificate = stage.file("released.json").display().to_string();
    check(&["--release", &number, "--certificate", &certificate]).good();
    let verify = ["-o", "json", "certificate", "verify", &certificate];
    let verified = run("zhang", &verify).good().json();
    assert_eq!(verified["claims"]["released_by"]["account"], "li");
    check(&["--release", &number]).refused(3, &["the release does not exist here"]);
    // A refusal tells the reason.
    let asked = check(&["--request-release"]).good().json();
    let number = asked["release"].as_str().expect("number");
    run("li", &["release", "refuse", number, "--reason", "案卷中没有投标文件"]).good();
    check(&["--release", number]).refused(6, &["was refused"]);
    let listed = run("zhang", &["-o", "json", "release", "list"]).good().json();
    assert_eq!(listed["releases"][0]["reason"], "案卷中没有投标文件");
}

#[test]
fn a_league_narrows_the_policy_for_its_region() {
    let mut stage = Stage::federation();
    for body in [LEAGUE, BANNER] {
        stage.init(body);
        let token = stage.token(body);
        stage.join(body, &token, &stage.fingerprint()).good();
        stage.start(body);
    }
    let base = in_force(&stage, COORDINATOR);
    stage.until("the league is connected", |stage| stage.online(LEAGUE) == 4);

    // A sample to begin with, which passes its tests over the federation's bundle.
    let folder = stage.file("overlay");
    let overlay = folder.display().to_string();
    let wang = |stage: &Stage, words: &[&str]| -> Ran { stage.run(LEAGUE, Some("wang"), words) };
    wang(&stage, &["policy", "export", &overlay, "--overlay", "152500"]).good();
    second_person_demand(&folder);
    wang(&stage, &["policy", "test", &overlay]).good();
    // Nobody publishes for a region before it is delegated, and only a league or city is delegated anything.
    wang(&stage, &["policy", "stage", &overlay]).refused(6, &["federation delegate"]);
    let delegate =
        |stage: &Stage, body: Body| stage.run(COORDINATOR, Some("wang"), &["federation", "delegate", body.1]);
    delegate(&stage, FINANCE).refused(2, &["overlay_region"]);
    delegate(&stage, BANNER).refused(2, &["overlay_region"]);
    delegate(&stage, LEAGUE).good();
    delegate(&stage, LEAGUE).good();
    stage.until("the league learns of it", |stage| is_delegated(stage, LEAGUE));

    // A rule that opens something is refused, and said to be so before anything is staged.
    let opening = "152500.open,clerk,*,other-administrative-decision,*,enhancing,L1,ask,show,allow\n";
    rules_edit(&folder, |text| format!("{text}{opening}"));
    for words in [["policy", "test", &overlay], ["policy", "diff", &overlay], ["policy", "stage", &overlay]] {
        wang(&stage, &words).refused(2, &["rules.csv", "other-administrative-decision", "enhancing"]);
    }
    rules_edit(&folder, |text| text.replace(opening, ""));

    let diff = wang(&stage, &["-o", "json", "policy", "diff", &overlay]).good().json();
    assert_eq!(diff["cells_wider"].as_u64(), Some(0));
    assert!(diff["cells_narrower"].as_u64() > Some(0), "{diff}");
    let demands: Vec<_> = diff["demands"].as_array().expect("demands").iter().collect();
    assert!(demands.iter().all(|demand| demand["direction"] == "narrower"), "{diff}");
    assert!(demands.iter().any(|demand| demand["demand"] == "second-person"), "{diff}");
    let staged = wang(&stage, &["-o", "json", "policy", "stage", &overlay]).good().json();
    let digest = staged["plan"]["digest"].as_str().expect("digest")["sha256:".len()..][..12].to_owned();
    wang(&stage, &["policy", "diff", "--plan", VERSION]).good();
    let simulate = ["-o", "json", "policy", "simulate", "--plan", VERSION, "--since", "30d", "--peers"];
    let simulated = wang(&stage, &simulate).good().json();
    let asked = simulated["members"].as_array().expect("members");
    assert_eq!(asked.len(), 1, "the other body of the region: {simulated}");
    assert!(asked[0]["reason"].as_str().is_some_and(|reason| reason.contains("does not share counts")));
    for who in ["wang", "he"] {
        stage.run(LEAGUE, Some(who), &["policy", "sign", VERSION, "--digest", &digest]).good();
    }
    // One of its nodes is down, and the coordinator's at first.
    stage.kill(BANNER);
    stage.kill(COORDINATOR);
    let publish =
        |stage: &Stage| wang(stage, &["--yes", "policy", "publish", VERSION, "--effective", &today()]);
    publish(&stage).refused(5, &["coordinator"]);
    stage.start(COORDINATOR);
    stage.until("the coordinator's node can be reached", |stage| stage.online(LEAGUE) >= 2);
    publish(&stage).good();

    let narrowed = format!("{base}+{VERSION}");
    stage.until("the league decides by it", |stage| in_force(stage, LEAGUE) == narrowed);
    stage.start(BANNER);
    stage.until("the banner decides by it", |stage| in_force(stage, BANNER) == narrowed);
    for body in [LEAGUE, BANNER] {
        assert_eq!(warnings(&stage, body), (false, "152500.bidding.no-risk-warning.ask".to_owned()));
    }
    for body in [COORDINATOR, FINANCE] {
        assert_eq!(in_force(&stage, body), base, "nobody else is narrowed");
        assert!(warnings(&stage, body).0);
    }
    // Not by its list of peers: the connection to the banner's killed process may still stand there.
    stage.until("everybody answers the league", |stage| {
        let words = ["check", SUBJECT, "--purpose", "government-procurement", "--ref", "CG-2026-001"];
        stage.run(LEAGUE, Some("zhang"), &words).exit == 0
    });
    second_person_checks(&stage);
    // Both see who follows.
    for body in [LEAGUE, COORDINATOR] {
        stage.until("both nodes of the region told", |stage| {
            let status = stage.run(body, Some("wang"), &["-o", "json", "policy", "status"]).good().json();
            status["overlays"][0]["adopted"].as_u64() == Some(2)
        });
    }
    // What was published is exported the next time.
    let again = stage.file("again").display().to_string();
    wang(&stage, &["policy", "export", &again, "--overlay", "152500"]).good();
    wang(&stage, &["policy", "stage", &again]).refused(6, &["higher version in overlay.toml"]);
}
