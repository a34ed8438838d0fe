//! Strangers check us: python-tuf, the reference implementation of TUF, follows our repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chengxin_schemas::time::UnixTime;
use chengxin_trust::{RootChange, RootDraft};

use crate::fixture::{BUNDLE, DAY, Federation, NOW, agency, entry, key, online};

fn python() -> PathBuf {
    let tools = std::env::var_os("CHENGXIN_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools"), PathBuf::from);
    let python = tools.join("python-tuf/bin/python");
    assert!(
        python.exists(),
        "python-tuf is not installed at {}: run node/trust/tests/interop/install",
        python.display()
    );
    python
}

fn client(
    federation: &Federation,
    first_root: &Path,
    work: &Path,
    now: UnixTime,
    targets: &[&str],
) -> Output {
    for folder in ["metadata", "targets"] {
        std::fs::create_dir_all(work.join(folder)).expect("folder");
    }
    Command::new(python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/client.py"))
        .arg(federation.folder())
        .arg(first_root)
        .arg(work)
        .arg(now.0.to_string())
        .args(targets)
        .output()
        .expect("python runs")
}

#[test]
fn python_tuf_follows_our_repository_and_refuses_what_we_refuse() {
    let federation = Federation::found();
    let work = tempfile::tempdir().expect("folder");
    let first_root = work.path().join("first.json");
    std::fs::copy(federation.folder().join("metadata/1.root.json"), &first_root).expect("copied");
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    let current = editor.root_bytes().expect("root");
    let change = RootChange {
        targets_key: Some(*key(41).public()),
        snapshot_key: Some(*key(42).public()),
        timestamp_key: Some(*key(43).public()),
        ..RootChange::default()
    };
    let mut draft = RootDraft::begin(&current, &change, NOW.plus(500 * DAY)).expect("draft");
    draft.sign(&key(2)).expect("signed");
    draft.sign(&key(3)).expect("signed");
    editor.root_publish(&draft, Some(online(41)), NOW).expect("published");

    let path = format!("directory/150100/{}.json", agency(1));
    let targets = [path.as_str(), "policy/bundle.json", "directory/150100/none.json"];
    let output = client(&federation, &first_root, work.path(), NOW, &targets);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&result["root"], &result["timestamp"]), (&2.into(), &3.into()));
    assert_eq!((&result["snapshot"], &result["targets"]), (&3.into(), &3.into()));
    let text = result["texts"][&path].as_str().expect("the entry");
    assert_eq!(
        serde_json::from_str::<chengxin_schemas::directory::DirectoryEntry>(text).expect("entry"),
        entry(1)
    );
    assert_eq!(result["texts"]["policy/bundle.json"].as_str().map(str::as_bytes), Some(BUNDLE));
    assert!(result["texts"]["directory/150100/none.json"].is_null());

    let later = client(&federation, &first_root, work.path(), NOW.plus(2 * DAY), &[]);
    assert!(!later.status.success());
    assert!(String::from_utf8_lossy(&later.stderr).starts_with("ExpiredMetadataError"), "{later:?}");
    let timestamp = federation.folder().join("metadata/timestamp.json");
    let bytes = std::fs::read_to_string(&timestamp).expect("timestamp");
    std::fs::write(&timestamp, bytes.replace("\"version\":3", "\"version\":9")).expect("written");
    let tampered = client(&federation, &first_root, work.path(), NOW, &[]);
    assert!(!tampered.status.success());
    assert!(String::from_utf8_lossy(&tampered.stderr).starts_with("UnsignedMetadataError"), "{tampered:?}");
}
