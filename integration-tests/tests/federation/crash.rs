//! A node killed in the middle of an import shows nothing of it, finishes it on request, and keeps its log whole.

use std::fs::File;

use crate::stage::{MARKET, Stage, penalties};

#[test]
fn an_import_killed_half_way_is_invisible_until_resumed() {
    let mut stage = Stage::federation();
    let file = stage.write("penalties.csv", penalties(20_000).as_bytes());
    let progress = stage.file("progress");
    let mut import = stage
        .command(MARKET, Some("zhang"), &["record", "import", &file])
        .stdout(File::create(stage.file("import.out")).expect("file"))
        .stderr(File::create(&progress).expect("file"))
        .spawn()
        .expect("import starts");
    let mut batch = None;
    stage.until("the import has a number", |_| {
        let text = std::fs::read_to_string(&progress).unwrap_or_default();
        batch = text
            .split_once("import resume ")
            .and_then(|(_, rest)| rest.split_once('\n'))
            .map(|(batch, _)| batch.trim().to_owned());
        batch.is_some()
    });
    let batch = batch.expect("batch");
    stage.kill(MARKET);
    assert!(!import.wait().expect("import ends").success(), "the import was done before the node was killed");

    stage.start(MARKET);
    assert_eq!(records(&stage, &batch), 0, "records of an unfinished import are visible");
    stage.run(MARKET, Some("aud"), &["audit", "verify"]).good();

    let report = stage.run(MARKET, Some("zhang"), &["-o", "json", "import", "resume", &batch]).good().json();
    let new = report["rows"]["new"].as_u64().expect("count");
    assert_eq!(new, report["rows"]["total"].as_u64().expect("count"));
    assert_eq!(records(&stage, &batch), 200, "a full page");
    let all = ["-o", "jsonl", "record", "list", "--all", "--batch", &batch];
    let listed = stage.run(MARKET, Some("zhang"), &all).good().stdout.lines().count();
    assert_eq!(listed as u64, new, "every record of the import");
    stage.run(MARKET, Some("aud"), &["audit", "verify"]).good();
}

/// How many records of an import the first page shows.
fn records(stage: &Stage, batch: &str) -> usize {
    let all = ["-o", "json", "record", "list", "--limit", "200", "--batch", batch];
    let page = stage.run(MARKET, Some("zhang"), &all).good().json();
    page["records"].as_array().expect("records").len()
}
