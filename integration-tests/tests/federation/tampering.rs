//! A log that was rewritten on disk is found out, with the file that was touched.

use std::path::{Path, PathBuf};

use crate::stage::{FINANCE, SUBJECT, Stage};

#[test]
fn a_flipped_bit_in_a_log_file_is_found_and_named() {
    let mut stage = Stage::federation();
    let check = ["check", SUBJECT, "--purpose", "government-procurement", "--ref", "CG-1"];
    stage.run(FINANCE, Some("zhang"), &check).good();
    stage.run(FINANCE, Some("aud"), &["audit", "verify"]).good();
    stage.kill(FINANCE);
    let folder = stage.home(FINANCE).join("audit");
    let argument = folder.display().to_string();
    let verify = ["audit", "verify", "--offline", argument.as_str()];
    stage.run(FINANCE, None, &verify).good();

    let mut files = Vec::new();
    // Only the journal: which tile of a growing log is still looked at depends on how far the checkpoint got.
    files_below(&folder.join("journal"), &mut files);
    files.retain(|path| std::fs::metadata(path).is_ok_and(|data| data.len() > 0));
    let journal = files.first().expect("a journal");
    let good = std::fs::read(journal).expect("journal");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(journal, &bad).expect("write");
    let ran = stage.run(FINANCE, None, &verify);
    assert_eq!(ran.exit, 7, "{ran:?}");
    let name = journal.file_name().and_then(|name| name.to_str()).expect("name");
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(name), "no {name} in {ran:?}");

    std::fs::write(journal, &good).expect("write");
    stage.run(FINANCE, None, &verify).good();
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
