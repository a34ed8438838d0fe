//! What coordinators and members do on ordinary days.

use chengxin_trust::{Freshness, MemberChange, RefreshOutcome, TrustError, TrustStore, limits};

use crate::fixture::{BUNDLE, DAY, Federation, NOW, POLICY, agency, coordinator, entry, key};

#[tokio::test]
async fn a_node_joins_by_fingerprint_and_sees_who_is_admitted() {
    let federation = Federation::found();
    let store = federation.store().await;
    assert!(matches!(store.directory(), Err(TrustError::NotJoined)));
    assert!(matches!(
        store.refresh(&federation.source(), NOW).await.expect("bootstrap"),
        RefreshOutcome::Updated { from: None, .. }
    ));
    let first = store.directory().expect("joined");
    assert_eq!(first.federation().as_str(), "nmg-test");
    assert_eq!(first.content(POLICY).expect("bundle")[..], *BUNDLE);
    assert_eq!(first.calendar(2026).expect("calendar")[..], *b"{}");
    assert_eq!(first.calendar(2027), None);
    assert_eq!(first.coordinators().collect::<Vec<_>>(), [&coordinator()]);
    assert_eq!(first.signed_at(), Some(NOW));

    assert_eq!(store.refresh(&federation.source(), NOW).await.expect("again"), RefreshOutcome::Unchanged);
    let mut editor = federation.editor();
    let published = editor.member_admit(entry(1), NOW).expect("admitted");
    assert_eq!(published.directory, 2);
    store.refresh(&federation.source(), NOW).await.expect("refreshed");
    let second = store.directory().expect("joined");
    assert_eq!(second.version(), 2);
    assert_eq!(second.entry(&agency(1)), Some(&entry(1)));
    assert_eq!(second.by_transport_identity("12D3KooWtest1"), Some(&entry(1)));
    assert_eq!(second.by_transport_identity("12D3KooWtest2"), None);
    assert_eq!(first.entry(&agency(1)), None, "a directory in use does not change under its user");
}

#[tokio::test]
async fn keys_change_and_removal_become_visible() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    editor.member_admit(entry(2), NOW).expect("admitted");
    let store = federation.joined().await;

    let mut rotated = entry(1);
    rotated.transport_identity = "12D3KooWnew".to_owned();
    rotated.region = "150102".parse().expect("region");
    rotated.signing_keys[0].not_after = Some(NOW.plus(DAY));
    rotated.signing_keys.push(chengxin_schemas::directory::TimedKey {
        jwk: *key(201).public(),
        not_before: NOW,
        not_after: None,
    });
    editor.member_update(rotated.clone(), NOW).expect("updated");
    editor.member_remove(&agency(2), NOW).expect("removed");
    store.refresh(&federation.source(), NOW).await.expect("refreshed");
    let directory = store.directory().expect("joined");
    assert_eq!(directory.entry(&agency(1)), Some(&rotated));
    assert_eq!(directory.by_transport_identity("12D3KooWtest1"), None);
    assert_eq!(directory.entry(&agency(2)), None);
    assert_eq!(directory.by_transport_identity("12D3KooWtest2"), None);
    assert_eq!(directory.len(), 2);
}

#[tokio::test]
async fn a_restart_keeps_the_verified_state_without_any_source() {
    let federation = Federation::found();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    federation.joined().await;
    let reopened = federation.store().await;
    let directory = reopened.directory().expect("kept");
    assert_eq!(directory.entry(&agency(1)), Some(&entry(1)));
    assert_eq!(reopened.refresh(&federation.source(), NOW).await.expect("again"), RefreshOutcome::Unchanged);
    let other_root = Federation::found_with(crate::fixture::lifetimes(), NOW.plus(1)).fingerprint;
    assert!(matches!(
        TrustStore::open(federation.store_folder(), other_root).await,
        Err(TrustError::FingerprintDiffers { .. })
    ));
}

#[tokio::test]
async fn peers_can_be_served_from_what_a_node_verified() {
    struct Peer(TrustStore);
    impl chengxin_trust::MetadataSource for Peer {
        fn fetch(
            &self,
            name: String,
            _: usize,
        ) -> futures::future::BoxFuture<'_, Result<Option<bytes::Bytes>, chengxin_trust::SourceError>>
        {
            Box::pin(async move { Ok(self.0.serve(&name).await) })
        }
    }
    let federation = Federation::found();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let peer = Peer(federation.joined().await);
    let folder = tempfile::tempdir().expect("folder");
    let second = TrustStore::open(folder.path(), federation.fingerprint).await.expect("opens");
    second.refresh(&peer, NOW).await.expect("from a peer");
    let directory = second.directory().expect("joined");
    assert_eq!(directory.entry(&agency(1)), Some(&entry(1)));
    assert_eq!(directory.content(POLICY).expect("bundle")[..], *BUNDLE);
}

#[tokio::test]
async fn only_new_files_are_fetched() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    let admissions = (1..=20).map(|number| MemberChange::Admit(Box::new(entry(number)))).collect();
    assert_eq!(editor.members_change(admissions, NOW).expect("one version").directory, 2);
    let store = federation.joined().await;
    editor.member_admit(entry(21), NOW).expect("admitted");
    let source = federation.copy();
    store.refresh(&source, NOW).await.expect("refreshed");
    let asked = source.asked();
    assert_eq!(asked.len(), 5, "next root, timestamp, snapshot, targets, one entry: {asked:?}");
    editor.timestamp_refresh(NOW.plus(60)).expect("signed again");
    let source = federation.copy();
    store.refresh(&source, NOW.plus(60)).await.expect("refreshed");
    assert_eq!(source.asked(), ["2.root.json", "timestamp.json"]);
}

#[tokio::test]
async fn freshness_runs_from_current_through_grace_to_expired() {
    let federation = Federation::found();
    let directory = federation.joined().await.directory().expect("joined");
    let expires = NOW.plus(2 * DAY);
    assert_eq!(directory.expires(), expires);
    assert_eq!(directory.expires_first(), chengxin_trust::Role::Timestamp);
    let until = expires.plus(limits::GRACE_SECONDS);
    assert_eq!(directory.freshness(expires.plus(-1)), Freshness::Current);
    assert_eq!(directory.freshness(expires), Freshness::Grace { until });
    assert!(directory.usable(until.plus(-1)).is_ok());
    assert_eq!(directory.freshness(until), Freshness::Expired);
    assert!(matches!(directory.usable(until), Err(TrustError::GraceOver { since }) if since == expires));
}

#[tokio::test]
async fn signing_again_renews_what_is_in_the_second_half_of_its_life() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    let store = federation.joined().await;
    for (days, snapshot, targets) in [(1, 1, 1), (8, 2, 1), (20, 3, 1), (32, 4, 1), (44, 5, 1), (50, 6, 2)] {
        let now = NOW.plus(days * DAY);
        editor.timestamp_refresh(now).expect("signed again");
        store.refresh(&federation.source(), now).await.expect("refreshed");
        let versions = store.directory().expect("joined").versions();
        assert_eq!((versions.snapshot, versions.directory), (snapshot, targets), "after {days} days");
        assert_eq!(store.directory().expect("joined").expires(), now.plus(2 * DAY));
    }
}

/// Neither a clock that went back nor one that leapt ahead signs, until a person says that it is right; then it does, also
/// behind a signature that a fast clock left in the future, and the members follow.
#[tokio::test]
async fn a_clock_far_from_the_last_signature_needs_a_persons_word() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    let store = federation.joined().await;
    let (leap, years) = (NOW.plus(limits::CLOCK_LEAP_SECONDS), NOW.plus(10 * 365 * DAY));
    for wrong in [NOW.plus(-301), leap.plus(1), years] {
        let refused = [
            editor.timestamp_refresh(wrong).expect_err("signing again"),
            editor.member_admit(entry(1), wrong).expect_err("a change"),
            editor.admit_check(entry(1), wrong).expect_err("asking"),
        ];
        for error in refused {
            assert!(matches!(error, TrustError::Clock { .. }), "{error}");
            assert!(error.to_string().contains("confirm-clock"), "{error}");
        }
    }
    assert_eq!(editor.versions().timestamp, 1, "nothing was signed");
    editor.timestamp_refresh(leap).expect("as long as a node may be alone");

    editor.clock_confirm(years).expect("a person is wrong, too");
    store.refresh(&federation.source(), leap).await.expect("members cannot know better");
    assert_eq!(store.directory().expect("joined").signed_at(), Some(years));
    drop(editor);
    let mut editor = federation.editor_at(crate::fixture::online(11), leap);
    assert!(matches!(editor.member_admit(entry(1), leap), Err(TrustError::Clock { .. })));
    editor.clock_confirm(leap).expect("the clock is right again");
    editor.member_admit(entry(1), leap).expect("and changes go on");
    store.refresh(&federation.source(), leap).await.expect("followed");
    let directory = store.directory().expect("joined");
    assert!(directory.entry(&agency(1)).is_some());
    assert_eq!((directory.signed_at(), directory.expires()), (Some(leap), leap.plus(2 * DAY)));
}

#[tokio::test]
async fn changes_that_contradict_the_directory_are_refused_whole() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    let versions = editor.versions();
    let mut shared = entry(2);
    shared.transport_identity = entry(1).transport_identity;
    let mut nameless = entry(3);
    nameless.name = String::new();
    let mut demoted = coordinator();
    demoted.coordinator = false;
    let refused = [
        (MemberChange::Admit(Box::new(entry(1))), "is a member already"),
        (MemberChange::Admit(Box::new(shared)), "transport identity"),
        (MemberChange::Admit(Box::new(nameless)), "name"),
        (MemberChange::Update(Box::new(entry(9))), "not in the directory"),
        (MemberChange::Update(Box::new(demoted)), "no coordinator"),
        (MemberChange::Remove(agency(0)), "no coordinator"),
        (MemberChange::Remove(agency(9)), "not in the directory"),
    ];
    for (change, word) in refused {
        let changes = vec![MemberChange::Admit(Box::new(entry(7))), change];
        let error = editor.members_change(changes, NOW).expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(editor.versions(), versions);
    assert_eq!(editor.entries().count(), 2);
}

#[tokio::test]
async fn a_second_editor_is_kept_away() {
    let federation = Federation::found();
    let editor = federation.editor();
    let open = || {
        let (keys, lifetimes) = (crate::fixture::online(11), crate::fixture::lifetimes());
        chengxin_trust::DirectoryEditor::open(&federation.folder(), keys, lifetimes, NOW)
    };
    assert!(matches!(open(), Err(TrustError::Conflict { .. })));
    drop(editor);
    assert!(open().is_ok());
}

/// One byte of an entry is wrong: the store does not open. What was seen last still keeps anybody from taking it back.
#[tokio::test]
async fn a_damaged_store_is_begun_anew_without_forgetting_what_was_seen() {
    let federation = Federation::found();
    let old = federation.copy();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    drop(federation.joined().await);
    let damaged = federation.store_folder();
    let path = damaged.join("metadata/2.targets.json");
    let mut bytes = std::fs::read(&path).expect("targets");
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    assert!(TrustStore::open(&damaged, federation.fingerprint).await.is_err());

    let folder = tempfile::tempdir().expect("folder");
    let begin = async |name: &str| {
        let place = folder.path().join(name);
        let has_memory = TrustStore::salvage(&place, &damaged, federation.fingerprint).await.expect("begun");
        (has_memory, TrustStore::open(place, federation.fingerprint).await.expect("opens"))
    };
    let (has_memory, store) = begin("one").await;
    assert!(has_memory && store.directory().is_err());
    let error = store.refresh(&old, NOW).await.expect_err("an older state");
    assert!(matches!(error, TrustError::RolledBack { .. }), "{error}");
    store.refresh(&federation.source(), NOW).await.expect("the newest");
    assert_eq!(store.directory().expect("directory").len(), 2);

    // Not signed by the federation: it could lock the newest state out, and says nothing.
    let seen = damaged.join("seen/timestamp.json");
    let forged = std::fs::read_to_string(&seen).expect("seen").replace("\"version\":2", "\"version\":9");
    std::fs::write(&seen, forged).expect("written");
    std::fs::remove_file(damaged.join("seen/snapshot.json")).expect("lost");
    let (has_memory, store) = begin("two").await;
    assert!(!has_memory);
    store.refresh(&old, NOW).await.expect("nobody can say that it is old");
    // Nor is anything taken from the folder of another federation.
    let other = Federation::found_with(crate::fixture::lifetimes(), NOW.plus(1));
    let place = folder.path().join("three");
    assert!(!TrustStore::salvage(&place, &damaged, other.fingerprint).await.expect("nothing"));
    assert!(!place.join("metadata").exists());
}
