//! A change cut short before each of its steps on disk: the old state or the new one, nothing else, and the next attempt
//! works. What is durable before what is read from the steps themselves.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::path::{Path, PathBuf};

use chengxin_schemas::key::SigningKey;

use crate::fixture::{
    Bent, DAY, Federation, NOW, agency, entry, key, lifetimes, online, reference, signed_again,
};
use crate::steps::{Disk, Step};
use crate::{DirectoryEditor, OnlineKeys, RootChange, RootDraft, TrustError, TrustStore};

/// A copy of a folder.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("folder");
    let mut waiting = vec![from.to_owned()];
    while let Some(next) = waiting.pop() {
        for item in std::fs::read_dir(&next).expect("listing").flatten() {
            let target = to.path().join(item.path().strip_prefix(from).expect("below"));
            if item.path().is_dir() {
                std::fs::create_dir(&target).expect("created");
                waiting.push(item.path());
            } else {
                std::fs::copy(item.path(), &target).expect("copied");
            }
        }
    }
    to
}

/// The files that a change put in place before its commit point. Fails if one of them was not durable by then, with its
/// name, or if anything a reader looks at came after.
fn committed_over(steps: &[(Step, PathBuf)]) -> Vec<String> {
    let place = |step: Step, path: &Path| steps.iter().position(|known| known.0 == step && known.1 == path);
    let timestamp = Path::new("metadata/timestamp.json");
    let commit = place(Step::Rename, timestamp).expect("a commit");
    let mut before = Vec::new();
    for (number, (step, path)) in steps.iter().enumerate() {
        if *step != Step::Rename || path.starts_with("seen") {
            continue;
        }
        assert!(
            place(Step::FileSync, path).expect("synced") < number,
            "{path:?} was in place before its sync"
        );
        let named = |end: usize| {
            let folder = path.parent().expect("a folder");
            steps[number..end].iter().any(|known| known.0 == Step::FolderSync && known.1 == folder)
        };
        match path == timestamp {
            true => assert!(named(steps.len()), "the commit is made durable"),
            false => {
                assert!(number < commit, "{path:?} came after the commit");
                assert!(named(commit), "the name of {path:?} was not durable at the commit");
                before.push(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    before.sort_unstable();
    before
}

fn editor(folder: &Path, keys: OnlineKeys) -> Result<DirectoryEditor, TrustError> {
    DirectoryEditor::open(folder, keys, lifetimes(), NOW)
}

#[test]
fn a_repository_is_the_old_or_the_new_one_before_each_step() {
    let federation = Federation::found();
    let whole = copy(&federation.folder());
    let disk = Disk::observe(whole.path());
    editor(whole.path(), online(11)).expect("opens").member_admit(entry(1), NOW).expect("admitted");
    let steps = disk.steps();
    let names = committed_over(&steps);
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].ends_with(&format!("{}.json", agency(1))) || names[2].contains(agency(1).as_str()));
    assert!(names.contains(&"2.targets.json".to_owned()) && names.contains(&"2.snapshot.json".to_owned()));
    let mut committed = Vec::new();
    for number in 0..=steps.len() {
        let folder = copy(&federation.folder());
        let disk = Disk::stops_before(folder.path(), number);
        let mut cut_short = editor(folder.path(), online(11)).expect("opens");
        assert_eq!(cut_short.member_admit(entry(1), NOW).is_ok(), number == steps.len());
        drop(disk);
        if number < steps.len() {
            let error = cut_short.member_admit(entry(2), NOW).expect_err("uncertain");
            assert!(error.to_string().contains("open the repository again"), "{error}");
        }
        drop(cut_short);
        let mut again = editor(folder.path(), online(11)).expect("opens");
        let members = again.entries().count();
        committed.push(members == 2);
        again.member_admit(entry(2), NOW).expect("the next change works");
        drop(again);
        let again = editor(folder.path(), online(11)).expect("opens again");
        assert_eq!(again.entries().count(), members + 1);
    }
    assert!(committed.is_sorted() && !committed[0] && committed[steps.len()], "{committed:?}");
}

/// One key of the three is enough to tell under which root the state was signed, and none may be needed.
#[tokio::test]
async fn a_root_change_cut_short_before_any_step_is_not_made_or_finished() {
    let public = |key: &SigningKey| Some(*key.public());
    let changes = [
        (RootChange { targets_key: public(&key(61)), ..RootChange::default() }, [61, 12, 13]),
        (RootChange { snapshot_key: public(&key(62)), ..RootChange::default() }, [11, 62, 13]),
        (RootChange { timestamp_key: public(&key(63)), ..RootChange::default() }, [11, 12, 63]),
        (RootChange::default(), [11, 12, 13]),
    ];
    for (change, [targets, snapshot, timestamp]) in changes {
        let keys =
            || OnlineKeys { targets: key(targets), snapshot: key(snapshot), timestamp: key(timestamp) };
        let federation = Federation::found();
        let current = federation.editor().root_bytes().expect("root");
        let mut draft = RootDraft::begin(&current, &change, NOW.plus(500 * DAY)).expect("draft");
        draft.sign(&key(1)).expect("signed");
        draft.sign(&key(2)).expect("signed");
        let whole = copy(&federation.folder());
        let disk = Disk::observe(whole.path());
        let mut published = editor(whole.path(), online(11)).expect("opens");
        published.root_publish(&draft, Some(keys()), NOW).expect("published");
        let steps = disk.steps();
        assert_eq!(committed_over(&steps), ["2.root.json", "2.snapshot.json", "2.targets.json"]);
        for number in 0..steps.len() {
            let folder = copy(&federation.folder());
            let disk = Disk::stops_before(folder.path(), number);
            let mut cut_short = editor(folder.path(), online(11)).expect("opens");
            cut_short.root_publish(&draft, Some(keys()), NOW).expect_err("the disk stopped");
            drop((disk, cut_short));
            let is_changed = folder.path().join("metadata/2.root.json").exists();
            let held = if is_changed { keys() } else { online(11) };
            let mut again = editor(folder.path(), held).expect("opens");
            again.member_admit(entry(1), NOW).expect("the next change works");
            let fetched = tempfile::tempdir().expect("folder");
            let store = TrustStore::open(fetched.path(), federation.fingerprint).await.expect("opens");
            store.refresh(&crate::FolderSource::new(folder.path()), NOW).await.expect("members follow");
            let directory = store.directory().expect("joined");
            assert_eq!(directory.versions().root, if is_changed { 2 } else { 1 }, "before step {number}");
            assert!(directory.entry(&agency(1)).is_some());
        }
    }
}

#[tokio::test]
async fn a_store_is_the_old_or_the_new_one_before_each_step() {
    let federation = Federation::found();
    federation.joined().await;
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let whole = copy(&federation.store_folder());
    let disk = Disk::observe(whole.path());
    let open = async |folder: &Path| TrustStore::open(folder, federation.fingerprint).await.expect("opens");
    open(whole.path()).await.refresh(&federation.source(), NOW).await.expect("refreshed");
    let steps = disk.steps();
    assert_eq!(committed_over(&steps).len(), 3);
    let mut committed = Vec::new();
    for number in 0..=steps.len() {
        let folder = copy(&federation.store_folder());
        let disk = Disk::stops_before(folder.path(), number);
        let running = open(folder.path()).await;
        assert_eq!(running.refresh(&federation.source(), NOW).await.is_ok(), number == steps.len());
        drop(disk);
        let reopened = open(folder.path()).await;
        committed.push(reopened.directory().expect("joined").version() == 2);
        // A disk that works again is enough for the node that went on running.
        for store in [running, reopened] {
            store.refresh(&federation.source(), NOW).await.expect("completes");
            assert!(store.directory().expect("joined").entry(&agency(1)).is_some());
        }
    }
    assert!(committed.is_sorted() && !committed[0] && committed[steps.len()], "{committed:?}");
}

/// A thief of the snapshot key drove the versions up, and the holders changed the key: the members follow to the lower
/// numbers, whenever the walk over the new roots is cut short.
#[tokio::test]
async fn the_recovery_from_versions_driven_up_survives_a_crash_before_each_step() {
    let federation = Federation::found();
    federation.joined().await.refresh(&driven_up(federation.copy()), NOW).await.expect("signed, alas");
    let holders = |draft: &mut RootDraft| [1, 2].map(|seed| draft.sign(&key(seed)).expect("signed"));
    let mut editor = federation.editor();
    let renewed = RootChange::default();
    let changed = RootChange { snapshot_key: Some(*key(52).public()), ..RootChange::default() };
    let keys = || OnlineKeys { snapshot: key(52), ..online(11) };
    for (change, keys) in [(renewed, None), (changed, Some(keys()))] {
        let current = editor.root_bytes().expect("root");
        let mut draft = RootDraft::begin(&current, &change, NOW.plus(500 * DAY)).expect("draft");
        holders(&mut draft);
        editor.root_publish(&draft, keys, NOW).expect("published");
    }
    let whole = copy(&federation.store_folder());
    let disk = Disk::observe(whole.path());
    let open = async |folder: &Path| TrustStore::open(folder, federation.fingerprint).await.expect("opens");
    open(whole.path()).await.refresh(&federation.source(), NOW).await.expect("recovered");
    let steps = disk.steps();
    assert!(committed_over(&steps).contains(&"3.root.json".to_owned()));
    for number in 0..steps.len() {
        let folder = copy(&federation.store_folder());
        let disk = Disk::stops_before(folder.path(), number);
        let running = open(folder.path()).await;
        running.refresh(&federation.source(), NOW).await.expect_err("the disk stopped");
        drop(disk);
        for store in [running, open(folder.path()).await] {
            store.refresh(&federation.source(), NOW).await.expect("recovered");
            assert_eq!(store.directory().expect("joined").versions().timestamp, 3, "before step {number}");
        }
    }
}

fn driven_up(source: Bent) -> Bent {
    let snapshot =
        signed_again(&source.file("1.snapshot.json"), &[key(12)], |signed| signed["version"] = 1_000.into());
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        signed["version"] = 1_000.into();
        signed["meta"]["snapshot.json"] = reference(1_000, &snapshot);
    });
    source.with("1000.snapshot.json", snapshot).with("timestamp.json", timestamp)
}

/// Work on disk that was begun outlives the refresh that waits for it; the next one must not share its folder.
#[tokio::test]
async fn a_refresh_waits_for_the_work_of_one_that_was_dropped() {
    use futures::FutureExt as _;
    use std::io::Write as _;

    let federation = Federation::found();
    let store = federation.joined().await;
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    // Reading what was seen waits until somebody opens the other end of this pipe.
    let seen = federation.store_folder().join("seen/timestamp.json");
    let bytes = std::fs::read(&seen).expect("read");
    std::fs::remove_file(&seen).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&seen).status().expect("mkfifo runs");
    assert!(made.success());
    let source = federation.source();
    let other_end = seen.clone();
    let mut dropped = Box::pin(store.refresh(&source, NOW));
    let mut writer = tokio::select! {
        _ = &mut dropped => panic!("the refresh cannot get past the pipe"),
        opened = tokio::task::spawn_blocking(move || std::fs::File::create(other_end)) => {
            opened.expect("opened").expect("opened")
        }
    };
    drop(dropped);
    let bent = federation.copy();
    let mut next = Box::pin(store.refresh(&bent, NOW));
    assert!(next.as_mut().now_or_never().is_none());
    assert!(bent.asked().is_empty(), "the next refresh began while the work of the last one went on");
    std::fs::remove_file(&seen).expect("removed");
    writer.write_all(&bytes).expect("written");
    drop(writer);
    next.await.expect("refreshed");
    assert!(store.directory().expect("joined").entry(&agency(1)).is_some());
}
