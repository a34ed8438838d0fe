//! What people mistype and files carry wrong: each is refused with its exit code, its field and what to do.

use crate::stage::{FINANCE, MARKET, SUBJECT, Stage, penalties};

#[test]
fn bad_input_is_refused_with_field_and_fix() {
    let mut stage = Stage::federation();
    questions(&stage);
    files(&stage);
    accounts_and_places(&stage);
    certificate(&stage);
    configuration(&stage);
    stage.run(FINANCE, None, &["serve"]).refused(5, &["runs already", "stop the other process"]);
    stage.kill(FINANCE);
    stage.run(FINANCE, Some("sys"), &["status"]).refused(5, &["no node answers", "chengxin serve"]);
}

fn questions(stage: &Stage) {
    let check = |subject: &str, more: &[&str]| {
        let mut all = vec!["check", subject];
        all.extend_from_slice(more);
        stage.run(FINANCE, Some("zhang"), &all)
    };
    let purpose = ["--purpose", "government-procurement"];
    let full = ["--purpose", "government-procurement", "--ref", "CG-1"];
    check("91150100DEM000567X", &full).refused(2, &["unified_code", "check character 18 should be Y"]);
    check(SUBJECT, &["--purpose", "curiosity", "--ref", "CG-1"]).refused(4, &["purpose", "unknown-purpose"]);
    let gossip = [full.as_slice(), &["--category", "gossip"]].concat();
    check(SUBJECT, &gossip).refused(2, &["--category", "serious_breach"]);
    check(SUBJECT, &purpose).refused(2, &["--ref", "missing"]);
}

fn files(stage: &Stage) {
    let import = |name: &str, bytes: &[u8]| {
        let path = stage.write(name, bytes);
        stage.run(MARKET, Some("zhang"), &["record", "import", &path])
    };
    let mut cut = penalties(3);
    cut.push_str("\"示例");
    import("cut.csv", cut.as_bytes()).refused(2, &["file", "never closed", "export it again"]);
    let utf16: Vec<u8> =
        [0xFEFF].into_iter().chain(penalties(3).encode_utf16()).flat_map(u16::to_le_bytes).collect();
    import("utf16.csv", &utf16).refused(2, &["UTF-16", "save it as CSV UTF-8"]);
    import("words.xlsx", b"hello\n").refused(2, &["field: file", "header"]);
    let records = stage.run(MARKET, Some("zhang"), &["-o", "json", "record", "list"]).good().json();
    assert_eq!(records["records"].as_array().map(Vec::len), Some(0), "{records}");
}

fn accounts_and_places(stage: &Stage) {
    let unknown = ["record", "show", "r-00000000000000000000000000000000"];
    stage.run(MARKET, Some("zhang"), &unknown).refused(3, &["does not exist"]);
    stage.run(MARKET, Some("zhang"), &["record", "show", "r-12"]).refused(2, &["<RECORD>"]);
    stage
        .run(FINANCE, Some("zhang"), &["audit", "search"])
        .refused(4, &["clerk", "audit_administrator", "--operator"]);
}

fn certificate(stage: &Stage) {
    let path = stage.file("check.json").display().to_string();
    let check = ["check", SUBJECT, "--purpose", "government-procurement", "--ref", "CG-1"];
    stage.run(FINANCE, Some("zhang"), &[check.as_slice(), &["--certificate", &path]].concat()).good();
    stage.run(FINANCE, None, &["certificate", "verify", &path]).good();
    let strange = format!("sha256:{}", "ab".repeat(32));
    let other = stage.run(FINANCE, None, &["certificate", "verify", &path, "--root-fingerprint", &strange]);
    assert_ne!(other.exit, 0, "{other:?}");

    let mut document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).expect("certificate")).expect("JSON");
    let mut token = document["certificate"].as_str().expect("JWS").to_owned();
    // A letter in the middle of the claims: the last letter of a part may carry bits that count for nothing.
    let claims = token.find('.').expect("header") + 101;
    let letter = if token.as_bytes()[claims] == b'A' { "B" } else { "A" };
    token.replace_range(claims..=claims, letter);
    document["certificate"] = token.into();
    let forged = stage.write("forged.json", document.to_string().as_bytes());
    let ran = stage.run(FINANCE, None, &["certificate", "verify", &forged]);
    assert_eq!(ran.exit, 7, "{ran:?}");
}

fn configuration(stage: &Stage) {
    let path = stage.write("wrong.toml", b"colour = \"red\"\n");
    let ran = stage.run(FINANCE, None, &["config", "validate", &path]);
    assert_ne!(ran.exit, 0, "{ran:?}");
    assert!(ran.stdout.contains("colour") && ran.stdout.contains("unknown key"), "{ran:?}");
}
