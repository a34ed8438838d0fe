//! A commit cut short after each of its writes: the old state or the new one, nothing else, and the next attempt works.

use std::path::{Path, PathBuf};

use chengxin_trust::{DirectoryEditor, TrustStore};

use crate::fixture::{Federation, NOW, agency, entry, lifetimes, online};

/// All files below `folder`, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for item in std::fs::read_dir(&next).expect("listing").flatten() {
            match item.path().is_dir() {
                true => waiting.push(item.path()),
                false => found.push(item.path().strip_prefix(folder).expect("below").to_owned()),
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path, names: &[PathBuf]) {
    for name in names {
        std::fs::create_dir_all(to.join(name).parent().expect("a folder")).expect("created");
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}

/// The files that a change added or replaced, in the order in which a commit writes them.
fn commit_order(before: &Path, after: &Path) -> Vec<PathBuf> {
    let mut changed: Vec<PathBuf> = files(after)
        .into_iter()
        .filter(|name| name.starts_with("metadata") || name.starts_with("targets"))
        .filter(|name| std::fs::read(before.join(name)).ok() != std::fs::read(after.join(name)).ok())
        .collect();
    let rank = |name: &PathBuf| {
        let text = name.to_string_lossy().into_owned();
        ["targets/", ".targets.json", ".snapshot.json", ".root.json", "timestamp.json"]
            .iter()
            .position(|part| text.contains(part))
    };
    changed.sort_by_key(rank);
    assert!(changed.last().expect("a change").ends_with("timestamp.json"));
    changed
}

/// `before` with the first `count` writes of the change done and the next one half done.
fn cut_short(before: &Path, after: &Path, order: &[PathBuf], count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    copy(before, folder.path(), &files(before));
    copy(after, folder.path(), &order[..count]);
    if let Some(next) = order.get(count) {
        let bytes = std::fs::read(after.join(next)).expect("read");
        let beside = folder.path().join(format!("{}.new", next.display()));
        std::fs::create_dir_all(beside.parent().expect("a folder")).expect("created");
        std::fs::write(beside, &bytes[..bytes.len() / 2]).expect("half written");
    }
    folder
}

#[tokio::test]
async fn a_store_is_the_old_or_the_new_one_after_each_write() {
    let federation = Federation::found();
    federation.joined().await;
    let before = tempfile::tempdir().expect("folder");
    copy(&federation.store_folder(), before.path(), &files(&federation.store_folder()));
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    federation.store().await.refresh(&federation.source(), NOW).await.expect("refreshed");
    let after = federation.store_folder();
    let order = commit_order(before.path(), &after);
    assert_eq!(order.len(), 4, "entry, targets, snapshot, timestamp: {order:?}");
    for count in 0..=order.len() {
        let folder = cut_short(before.path(), &after, &order, count);
        let store = TrustStore::open(folder.path(), federation.fingerprint).await.expect("opens");
        let version = store.directory().expect("joined").version();
        assert_eq!(version, if count == order.len() { 2 } else { 1 }, "after {count} writes");
        store.refresh(&federation.source(), NOW).await.expect("completes");
        assert!(store.directory().expect("joined").entry(&agency(1)).is_some());
    }
}

#[test]
fn a_repository_is_the_old_or_the_new_one_after_each_write() {
    let federation = Federation::found();
    let before = tempfile::tempdir().expect("folder");
    copy(&federation.folder(), before.path(), &files(&federation.folder()));
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let after = federation.folder();
    let order = commit_order(before.path(), &after);
    for count in 0..=order.len() {
        let folder = cut_short(before.path(), &after, &order, count);
        let mut editor = DirectoryEditor::open(folder.path(), online(11), lifetimes(), NOW).expect("opens");
        let is_new = count == order.len();
        assert_eq!(editor.entries().count(), if is_new { 2 } else { 1 }, "after {count} writes");
        editor.member_admit(entry(2), NOW).expect("the next change works");
        drop(editor);
        let editor = DirectoryEditor::open(folder.path(), online(11), lifetimes(), NOW).expect("opens again");
        assert_eq!(editor.entries().count(), if is_new { 3 } else { 2 });
    }
}

#[test]
fn after_a_failed_write_the_editor_stops_until_it_is_opened_again() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    // A folder where the next targets file belongs: the rename over it fails, whoever runs the test.
    let obstacle = federation.folder().join("metadata/2.targets.json");
    std::fs::create_dir(&obstacle).expect("created");
    let error = editor.member_admit(entry(1), NOW).expect_err("cannot be written");
    assert!(matches!(error, chengxin_trust::TrustError::File { .. }), "{error}");
    std::fs::remove_dir(&obstacle).expect("removed");
    let error = editor.member_admit(entry(1), NOW).expect_err("uncertain");
    assert!(error.to_string().contains("open the repository again"), "{error}");
    drop(editor);
    assert_eq!(federation.editor().member_admit(entry(1), NOW).expect("admitted").directory, 2);
}
