//! Subjects under other codes than the clerk has at hand: nobody is told that there is nothing while a peer holds a breach.

use serde_json::Value;

use crate::stage::{FINANCE, MARKET, SUBJECT, Stage, penalties};

const CHECK: [&str; 4] = ["--purpose", "government-procurement", "--ref", "CG-1"];

#[test]
fn subjects_are_found_by_the_codes_that_lists_and_certificates_have() {
    let stage = Stage::federation();
    organisation_codes(&stage);
    accepted_codes(&stage);
}

fn check(stage: &Stage, subject: &str, more: &[&str]) -> Value {
    let arguments = [&["-o", "json", "check", subject], CHECK.as_slice(), more].concat();
    stage.run(FINANCE, Some("zhang"), &arguments).good().json()
}

fn count(result: &Value, what: &str) -> usize {
    result[what].as_array().expect("list").len()
}

fn notice(stage: &Stage, subject: &str, accept: &[&str]) {
    let list = [&["-o", "json", "record", "list", "--subject", subject], accept].concat();
    let records = stage.run(MARKET, Some("zhang"), &list).good().json();
    assert_eq!(count(&records, "records"), 1, "{records}");
    let record = records["records"][0]["record"].as_str().expect("number");
    let measure = ["--measure", "restrict-government-procurement", "--until", "2099-12-31", "--yes"];
    let issue = [&["notice", "issue", "--record", record], measure.as_slice()].concat();
    stage.run(MARKET, Some("li"), &issue).good();
    stage.until("the notice has arrived", |stage| {
        let list = [&["-o", "json", "restriction", "list", subject], accept].concat();
        count(&stage.run(FINANCE, Some("zhang"), &list).good().json(), "restrictions") > 0
    });
}

/// A debtor of the courts' list, which has the code of before the unified one, with its hyphen.
fn organisation_codes(stage: &Stage) {
    let list = "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号,发布时间\n\
                示例贸易有限公司,74820466-0,示例区人民法院,2026-09-10,(2026)示执1号,2026-09-20\n";
    let path = stage.write("debtors.csv", list.as_bytes());
    stage.run(MARKET, Some("zhang"), &["record", "import", &path]).good();
    notice(stage, "91320100748204660Q", &[]);
    for subject in ["91320100748204660Q", "74820466-0", "748204660"] {
        let result = check(stage, subject, &[]);
        assert_eq!((count(&result, "records"), count(&result, "restrictions")), (1, 1), "{result}");
    }
    let other = check(stage, SUBJECT, &[]);
    assert_eq!((count(&other, "records"), count(&other, "restrictions")), (0, 0), "{other}");
}

/// A company whose certificate is printed with a wrong last character.
fn accepted_codes(stage: &Stage) {
    let printed = "91150100DEM0005670";
    let path = stage.write("printed.csv", penalties(1).replace(SUBJECT, printed).as_bytes());
    let refused = stage.run(MARKET, Some("zhang"), &["record", "import", &path]);
    assert!(refused.exit == 1 && refused.stdout.contains("should be Y"), "{refused:?}");
    let accept = ["--accept", "证照原件如此印制"];
    stage.run(MARKET, Some("zhang"), &["record", "import", &path, "--accept", "2:证照原件如此印制"]).good();
    notice(stage, printed, &accept);

    let ask = [&["check", printed], CHECK.as_slice()].concat();
    stage.run(FINANCE, Some("zhang"), &ask).refused(2, &["check character 18 should be Y", "--accept"]);
    let file = stage.file("accepted.json").display().to_string();
    let result = check(stage, printed, &[accept.as_slice(), &["--certificate", &file]].concat());
    assert_eq!((count(&result, "records"), count(&result, "restrictions")), (1, 1), "{result}");
    assert_eq!(result["check_exception"]["accepted_by"], "zhang");
    // Whoever corrects the character as the message says finds the same.
    let corrected = check(stage, SUBJECT, &[]);
    assert_eq!((count(&corrected, "records"), count(&corrected, "restrictions")), (1, 1), "{corrected}");
    let verified = stage.run(FINANCE, None, &["certificate", "verify", &file]).good();
    assert!(verified.stdout.contains("zhang: 证照原件如此印制"), "{verified:?}");
    // What holds needs nobody's word.
    let ask = [&["check", SUBJECT], CHECK.as_slice(), &accept].concat();
    stage.run(FINANCE, Some("zhang"), &ask).refused(2, &["leave the acceptance"]);
    let search = ["audit", "search", "--subject", printed];
    stage.run(MARKET, Some("aud"), &search).refused(2, &["--accept"]);
    let search = [&["-o", "json"], search.as_slice(), &accept].concat();
    let entries = stage.run(MARKET, Some("aud"), &search).good().json();
    assert!(count(&entries, "entries") > 0, "{entries}");
}
