//! Changes of the root of trust: rotation over several versions, thresholds, and recovery after stolen keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use chengxin_schemas::key::{SigningKey, VerifyingKey};
use chengxin_trust::{
    DirectoryEditor, OnlineKeys, RefreshOutcome, Role, RootChange, RootDraft, TrustError, TrustStore,
};

use crate::fixture::{
    DAY, Federation, NOW, agency, entry, key, key_id, lifetimes, online, reference, signed_again,
};

fn publics(keys: &[SigningKey]) -> Vec<VerifyingKey> {
    keys.iter().map(|key| *key.public()).collect()
}

fn draft(editor: &DirectoryEditor, change: &RootChange, signers: &[SigningKey]) -> RootDraft {
    let current = editor.root_bytes().expect("root");
    let mut draft = RootDraft::begin(&current, change, NOW.plus(500 * DAY)).expect("draft");
    for signer in signers {
        // As it goes from hand to hand: out to a file and in again.
        draft = RootDraft::from_bytes(draft.bytes()).expect("read back");
        draft.sign(signer).expect("signed");
    }
    draft
}

fn new_holders(first: u8) -> RootChange {
    let keys = [key(first), key(first + 1), key(first + 2)];
    RootChange { holders: Some((publics(&keys), 2)), ..RootChange::default() }
}

#[tokio::test]
async fn a_node_that_slept_through_several_rotations_walks_them_all() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let mut editor = federation.editor();
    editor
        .root_publish(&draft(&editor, &new_holders(21), &[key(1), key(2), key(21), key(22)]), None, NOW)
        .expect("2");
    editor
        .root_publish(&draft(&editor, &new_holders(31), &[key(22), key(23), key(31), key(33)]), None, NOW)
        .expect("3");
    let change = RootChange {
        targets_key: Some(*key(41).public()),
        snapshot_key: Some(*key(42).public()),
        timestamp_key: Some(*key(43).public()),
        ..RootChange::default()
    };
    editor.root_publish(&draft(&editor, &change, &[key(31), key(32)]), Some(online(41)), NOW).expect("4");
    editor.member_admit(entry(1), NOW).expect("admitted with the new keys");
    store.refresh(&federation.source(), NOW).await.expect("walked");
    let directory = store.directory().expect("joined");
    assert_eq!(directory.versions().root, 4);
    assert!(directory.entry(&agency(1)).is_some());
    let newcomer =
        TrustStore::open(tempfile::tempdir().expect("folder").path(), federation.fingerprint).await;
    newcomer.expect("opens").refresh(&federation.source(), NOW).await.expect("from the first root on");
    let missing = federation.copy().without("3.root.json");
    let folder = tempfile::tempdir().expect("folder");
    let late = TrustStore::open(folder.path(), federation.fingerprint).await.expect("opens");
    let error = late.refresh(&missing, NOW).await.expect_err("a root is missing");
    assert!(matches!(error, TrustError::WronglySigned { .. }), "{error}");
    drop(editor);
    federation.editor_at(online(41), NOW).timestamp_refresh(NOW.plus(1)).expect("reopened with the new keys");
    assert_eq!(federation.store().await.directory().expect("kept").versions().root, 4);
}

/// A root that revokes stolen keys counts from the moment it is on disk, whoever still waits for the refresh.
#[tokio::test]
async fn a_refresh_dropped_while_it_keeps_a_root_trusts_the_former_keys_no_more() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("by the keys that are stolen then");
    let former = federation.copy();
    let change = RootChange {
        targets_key: Some(*key(41).public()),
        snapshot_key: Some(*key(42).public()),
        timestamp_key: Some(*key(43).public()),
        ..RootChange::default()
    };
    editor.root_publish(&draft(&editor, &change, &[key(1), key(2)]), Some(online(41)), NOW).expect("2");

    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let source = federation.source();
    let mut refresh = Box::pin(store.refresh(&source, NOW));
    let kept = federation.store_folder().join("metadata/2.root.json");
    // Polled only when it was woken, and no more once the root is there: then it was dropped in the middle of keeping it.
    while !kept.exists() {
        assert!(refresh.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        while !woken.take() {
            tokio::task::yield_now().await;
        }
    }
    drop(refresh);
    let error = store.refresh(&former, NOW).await.expect_err("signed by former keys");
    assert!(matches!(error, TrustError::WronglySigned { .. }), "{error}");
    store.refresh(&source, NOW).await.expect("by the new keys");
    assert_eq!(store.directory().expect("joined").versions().root, 2);
}

/// Whether a future was woken since the last question.
#[derive(Default)]
struct Woken(AtomicBool);

impl Woken {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test]
async fn a_root_below_either_threshold_is_refused_by_editor_and_node() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let cases: [(&[u8], u64); 5] = [(&[], 0), (&[1], 1), (&[1, 21], 1), (&[1, 2, 21], 1), (&[21, 22, 23], 0)];
    for (signers, valid) in cases {
        let mut editor = federation.editor();
        let signers: Vec<SigningKey> = signers.iter().map(|seed| key(*seed)).collect();
        let draft = draft(&editor, &new_holders(21), &signers);
        let refused = |error: &TrustError| matches!(error, TrustError::WronglySigned { role: Role::Root, valid: named, needed: 2 } if *named == valid);
        let error = editor.root_publish(&draft, None, NOW).expect_err("too few");
        assert!(refused(&error), "{error}");
        let source = federation.copy().with("2.root.json", draft.bytes().to_vec());
        let error = store.refresh(&source, NOW).await.expect_err("too few");
        assert!(refused(&error), "{error}");
        assert_eq!(store.serve("2.root.json").await, None);
    }
}

/// RUSTSEC-2020-0024: the library once counted one key as often as its signature was listed.
#[tokio::test]
async fn one_key_counts_once_however_often_it_signs() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let editor = federation.editor();
    let single = draft(&editor, &RootChange::default(), &[key(1)]);
    let twice = signed_again(single.bytes(), &[key(1), key(1)], |_| {});
    let error = store.refresh(&federation.copy().with("2.root.json", twice), NOW).await.expect_err("one key");
    assert!(matches!(error, TrustError::DuplicateSignature { role: Role::Root }), "{error}");
    // The same key under another id: ids are hashes of keys, so an invented one does not parse into the root.
    let renamed = signed_again(single.bytes(), &[key(1), key(2)], |signed| {
        let (first, second) = (key_id(&key(1)), key_id(&key(2)));
        let copy = signed["keys"][&first].clone();
        signed["keys"][&second] = copy;
    });
    let error =
        store.refresh(&federation.copy().with("2.root.json", renamed), NOW).await.expect_err("renamed");
    assert!(matches!(error, TrustError::Malformed { .. }), "{error}");
    // Signing twice in the ceremony replaces.
    let mut again = single.clone();
    again.sign(&key(1)).expect("signed");
    assert_eq!(again, single);
}

#[tokio::test]
async fn a_root_with_another_number_or_of_another_federation_is_refused() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let mut editor = federation.editor();
    let good = draft(&editor, &RootChange::default(), &[key(1), key(2)]);
    let skipped = signed_again(good.bytes(), &[key(1), key(2)], |signed| signed["version"] = 3.into());
    let error = store
        .refresh(&federation.copy().with("2.root.json", skipped), NOW)
        .await
        .expect_err("skips a version");
    assert!(matches!(error, TrustError::MixedUp { .. }), "{error}");
    let renamed = signed_again(good.bytes(), &[key(1), key(2)], |signed| {
        signed["chengxin-federation"] = "other".into()
    });
    let renamed = RootDraft::from_bytes(&renamed).expect("a root");
    let error = editor.root_publish(&renamed, None, NOW).expect_err("another federation");
    assert!(error.to_string().contains("another federation"), "{error}");
    let source = federation.copy().with("2.root.json", renamed.bytes().to_vec());
    assert!(store.refresh(&source, NOW).await.is_err(), "a federation does not change its name");
}

/// A thief of the online keys drove all versions up. The holders change the keys; the members follow, although the
/// numbers fall.
#[tokio::test]
async fn a_federation_recovers_from_versions_driven_up() {
    recovers(53).await;
}

/// As TUF has it, the change of either key is enough (§5.3.11).
#[tokio::test]
async fn the_change_of_the_snapshot_key_alone_recovers_too() {
    recovers(13).await;
}

async fn recovers(timestamp_key: u8) {
    let federation = Federation::found();
    let store = federation.joined().await;
    let source = federation.copy();
    let snapshot =
        signed_again(&source.file("1.snapshot.json"), &[key(12)], |signed| signed["version"] = 1_000.into());
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        signed["version"] = 1_000.into();
        signed["meta"]["snapshot.json"] = reference(1_000, &snapshot);
    });
    let driven_up = source.with("1000.snapshot.json", snapshot).with("timestamp.json", timestamp);
    store.refresh(&driven_up, NOW).await.expect("properly signed, alas");
    assert_eq!(store.directory().expect("joined").versions().timestamp, 1_000);
    let error = store.refresh(&federation.source(), NOW).await.expect_err("lower");
    assert!(matches!(error, TrustError::RolledBack { .. }), "{error}");

    let mut editor = federation.editor();
    let keys = OnlineKeys { targets: key(11), snapshot: key(52), timestamp: key(timestamp_key) };
    let change = RootChange {
        snapshot_key: Some(*key(52).public()),
        timestamp_key: Some(*key(timestamp_key).public()),
        ..RootChange::default()
    };
    editor.root_publish(&draft(&editor, &change, &[key(1), key(3)]), Some(keys), NOW).expect("keys changed");
    // The first attempt only gets as far as the new root, and the node restarts with the old directory.
    let halfway = federation.copy().without("timestamp.json");
    assert!(matches!(store.refresh(&halfway, NOW).await, Err(TrustError::Missing { .. })));
    assert_eq!(federation.store().await.directory().expect("kept").versions().timestamp, 1_000);
    for store in [store, federation.store().await] {
        store.refresh(&federation.source(), NOW).await.expect("recovered");
        assert_eq!(store.directory().expect("joined").versions().timestamp, 2);
        assert_eq!(store.refresh(&federation.source(), NOW).await.expect("again"), RefreshOutcome::Unchanged);
        // A timestamp key that was not changed goes on counting, and would drive the version up again.
        if timestamp_key != 13 {
            let error = store.refresh(&driven_up, NOW).await.expect_err("the stolen keys count no more");
            assert!(matches!(error, TrustError::WronglySigned { role: Role::Timestamp, .. }), "{error}");
        }
    }
}

/// A crash between the new root and the new timestamp leaves signatures of the former keys; opening makes up for it.
#[tokio::test]
async fn a_root_change_cut_short_is_finished_when_the_repository_is_opened() {
    let federation = Federation::found();
    let editor = federation.editor();
    let change = RootChange { timestamp_key: Some(*key(63).public()), ..RootChange::default() };
    let draft = draft(&editor, &change, &[key(1), key(2)]);
    drop(editor);
    std::fs::write(federation.folder().join("metadata/2.root.json"), draft.bytes()).expect("the root alone");
    let store = federation.store().await;
    assert!(matches!(store.refresh(&federation.source(), NOW).await, Err(TrustError::WronglySigned { .. })));
    let keys = OnlineKeys { timestamp: key(63), ..online(11) };
    federation.editor_at(keys, NOW);
    store.refresh(&federation.source(), NOW).await.expect("finished");
    assert_eq!(store.directory().expect("joined").versions().root, 2);
    let old_keys = DirectoryEditor::open(&federation.folder(), online(11), lifetimes(), NOW);
    assert!(matches!(old_keys, Err(TrustError::OnlineKey { role: Role::Timestamp })));
}

/// A fast clock does not keep the repository closed: what is left of a change of the root is finished once the clock is
/// right, and never half.
#[tokio::test]
async fn a_root_change_cut_short_waits_for_the_right_clock() {
    let federation = Federation::found();
    let editor = federation.editor();
    let change = RootChange { snapshot_key: Some(*key(62).public()), ..RootChange::default() };
    let draft = draft(&editor, &change, &[key(1), key(2)]);
    drop(editor);
    std::fs::write(federation.folder().join("metadata/2.root.json"), draft.bytes()).expect("the root alone");
    let keys = OnlineKeys { snapshot: key(62), ..online(11) };
    let mut editor = federation.editor_at(keys, NOW.plus(400 * DAY));
    assert_eq!(editor.versions().timestamp, 1, "nothing was signed");
    editor.timestamp_refresh(NOW.plus(1)).expect("signed by the new keys, all three");
    let store = federation.store().await;
    store.refresh(&federation.source(), NOW.plus(1)).await.expect("finished");
    assert_eq!(store.directory().expect("joined").versions().root, 2);
}
