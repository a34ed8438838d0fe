//! What somebody between a member and its coordinator can try, and what is said about it. Each refusal leaves the state
//! before it in force.

use bytes::Bytes;
use chengxin_trust::{RefreshOutcome, Role, TrustError, TrustStore, limits};
use serde_json::Value;

use crate::fixture::{Bent, DAY, Federation, NOW, POLICY, agency, entry, key, signed_again};

/// Refreshes from `source`, expects a refusal, and checks that the state is as before, also after a restart.
async fn refused(federation: &Federation, store: &TrustStore, source: &Bent) -> TrustError {
    let before = store.directory().expect("joined").versions();
    let error = store.refresh(source, NOW).await.expect_err("the source is bent");
    assert_eq!(store.directory().expect("joined").versions(), before, "{error}");
    assert_eq!(federation.store().await.directory().expect("joined").versions(), before);
    error
}

fn json(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn text(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[tokio::test]
async fn another_root_is_refused_with_both_short_forms() {
    let federation = Federation::found();
    let other = Federation::found_with(crate::fixture::lifetimes(), NOW.plus(1));
    let error = federation.store().await.refresh(&other.source(), NOW).await.expect_err("other root");
    let message = error.to_string();
    assert!(message.contains(&federation.fingerprint.grouped()), "{message}");
    assert!(message.contains(&other.fingerprint.grouped()), "{message}");
    assert!(!federation.store_folder().join("metadata/1.root.json").exists());
}

#[tokio::test]
async fn rollback_is_refused_also_after_a_restart() {
    let federation = Federation::found();
    let old = federation.copy();
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    let store = federation.joined().await;
    for store in [store, federation.store().await] {
        let error = refused(&federation, &store, &old).await;
        assert!(matches!(error, TrustError::RolledBack { role: Role::Timestamp, from: 2, to: 1 }), "{error}");
    }
}

#[tokio::test]
async fn a_version_once_seen_is_remembered_although_its_update_failed() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    let middle = federation.copy();
    editor.member_admit(entry(2), NOW).expect("admitted");
    let newest = federation.copy();
    let error = refused(&federation, &store, &newest.without("3.targets.json")).await;
    assert!(matches!(&error, TrustError::Missing { file } if file == "3.targets.json"), "{error}");
    for store in [store, federation.store().await] {
        let error = refused(&federation, &store, &middle).await;
        assert!(matches!(error, TrustError::RolledBack { role: Role::Timestamp, from: 3, to: 2 }), "{error}");
    }
}

#[tokio::test]
async fn snapshot_and_targets_cannot_go_back_under_a_newer_timestamp() {
    let federation = Federation::found();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let store = federation.joined().await;
    let source = federation.copy();
    // The thief of the timestamp key alone names the first snapshot again.
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        let first = json(&source.file("1.snapshot.json"));
        assert_eq!(first["signed"]["version"], 1);
        signed["version"] = 9.into();
        signed["meta"]["snapshot.json"] = crate::fixture::reference(1, &source.file("1.snapshot.json"));
    });
    let error = refused(&federation, &store, &federation.copy().with("timestamp.json", timestamp)).await;
    assert!(matches!(error, TrustError::RolledBack { role: Role::Snapshot, from: 2, to: 1 }), "{error}");
    // The thief of the snapshot key too names the first targets again.
    let snapshot = signed_again(&source.file("2.snapshot.json"), &[key(12)], |signed| {
        signed["version"] = 3.into();
        signed["meta"]["targets.json"] = crate::fixture::reference(1, &source.file("1.targets.json"));
    });
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        signed["version"] = 10.into();
        signed["meta"]["snapshot.json"] = crate::fixture::reference(3, &snapshot);
    });
    let bent = federation.copy().with("3.snapshot.json", snapshot).with("timestamp.json", timestamp);
    let error = refused(&federation, &store, &bent).await;
    assert!(matches!(error, TrustError::RolledBack { role: Role::Targets, from: 2, to: 1 }), "{error}");
}

#[tokio::test]
async fn an_equal_version_with_other_content_is_named_a_contradiction() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let source = federation.copy();
    let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
        signed["expires"] = "2027-06-01T00:00:00Z".into();
    });
    let error = refused(&federation, &store, &source.with("timestamp.json", timestamp.clone())).await;
    assert!(matches!(error, TrustError::Conflicting { role: Role::Timestamp, version: 1 }), "{error}");
    let kept: Vec<_> =
        std::fs::read_dir(federation.store_folder().join("conflict")).expect("kept").flatten().collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(std::fs::read(kept[0].path()).expect("read"), timestamp, "the evidence against the key");
    // Other bytes of the same content are no contradiction.
    let source = federation.copy();
    let spaced = serde_json::to_vec_pretty(&json(&source.file("timestamp.json"))).expect("JSON");
    let outcome = store.refresh(&source.with("timestamp.json", spaced), NOW).await.expect("same content");
    assert_eq!(outcome, RefreshOutcome::Unchanged);
}

#[tokio::test]
async fn a_snapshot_or_list_contradicting_the_one_of_the_same_version_is_named_too() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let source = federation.copy();
    let other = |name: &str, seed: u8| {
        signed_again(&source.file(name), &[key(seed)], |signed| {
            signed["expires"] = "2027-03-01T00:00:00Z".into()
        })
    };
    let timestamp_over = |version: u64, snapshot: &Bytes| {
        signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
            signed["version"] = 2.into();
            signed["meta"]["snapshot.json"] = crate::fixture::reference(version, snapshot);
        })
    };
    let snapshot = other("1.snapshot.json", 12);
    let bent = federation
        .copy()
        .with("timestamp.json", timestamp_over(1, &snapshot))
        .with("1.snapshot.json", snapshot);
    let error = refused(&federation, &store, &bent).await;
    assert!(matches!(error, TrustError::Conflicting { role: Role::Snapshot, version: 1 }), "{error}");

    let targets = other("1.targets.json", 11);
    let snapshot = signed_again(&source.file("1.snapshot.json"), &[key(12)], |signed| {
        signed["version"] = 2.into();
        signed["meta"]["targets.json"] = crate::fixture::reference(1, &targets);
    });
    let bent = federation
        .copy()
        .with("timestamp.json", timestamp_over(2, &snapshot))
        .with("2.snapshot.json", snapshot)
        .with("1.targets.json", targets);
    let error = refused(&federation, &store, &bent).await;
    assert!(matches!(error, TrustError::Conflicting { role: Role::Targets, version: 1 }), "{error}");
}

#[tokio::test]
async fn an_expired_timestamp_locks_no_later_one_out() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let expired = signed_again(&federation.copy().file("timestamp.json"), &[key(13)], |signed| {
        signed["version"] = 9.into();
        signed["expires"] = "2026-11-01T00:00:00Z".into();
    });
    let error = refused(&federation, &store, &federation.copy().with("timestamp.json", expired)).await;
    assert!(matches!(error, TrustError::Expired { role: Role::Timestamp, .. }), "{error}");
    federation.editor().timestamp_refresh(NOW).expect("signed again");
    store.refresh(&federation.source(), NOW).await.expect("version 2 after a refused 9");
}

#[tokio::test]
async fn each_expired_role_is_named() {
    let cases = [(2, Role::Timestamp), (14, Role::Snapshot), (90, Role::Targets), (400, Role::Root)];
    for (days, role) in cases {
        let federation = Federation::found();
        // Every role but the one in question is signed again for a year.
        let source = federation.copy();
        let later = |bytes: &Bytes, keys: &[_]| {
            signed_again(bytes, keys, |signed| signed["expires"] = "2030-01-01T00:00:00Z".into())
        };
        let targets = match role {
            Role::Targets => source.file("1.targets.json"),
            _ => later(&source.file("1.targets.json"), &[key(11)]),
        };
        let snapshot = signed_again(&source.file("1.snapshot.json"), &[key(12)], |signed| {
            if role != Role::Snapshot {
                signed["expires"] = "2030-01-01T00:00:00Z".into();
            }
            signed["meta"]["targets.json"] = crate::fixture::reference(1, &targets);
        });
        let timestamp = signed_again(&source.file("timestamp.json"), &[key(13)], |signed| {
            if role != Role::Timestamp {
                signed["expires"] = "2030-01-01T00:00:00Z".into();
            }
            signed["meta"]["snapshot.json"] = crate::fixture::reference(1, &snapshot);
        });
        let source = source
            .with("1.targets.json", targets)
            .with("1.snapshot.json", snapshot)
            .with("timestamp.json", timestamp);
        let expiry = NOW.plus(days * DAY);
        let store = federation.store().await;
        let error = store.refresh(&source, expiry).await.expect_err("expired");
        assert!(
            matches!(error, TrustError::Expired { role: named, since } if named == role && since == expiry),
            "{error}"
        );
        assert!(store.directory().is_err());
        store.refresh(&source, expiry.plus(-1)).await.expect("not expired yet");
    }
}

#[tokio::test]
async fn a_frozen_source_is_an_error_once_its_timestamp_expired() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let expiry = NOW.plus(2 * DAY);
    assert_eq!(
        store.refresh(&federation.source(), expiry.plus(-1)).await.expect("valid"),
        RefreshOutcome::Unchanged
    );
    let error = store.refresh(&federation.source(), expiry).await.expect_err("frozen");
    assert!(matches!(error, TrustError::Expired { role: Role::Timestamp, .. }), "{error}");
    // An error never keeps a node from updating later.
    federation.editor_at(crate::fixture::online(11), expiry).timestamp_refresh(expiry).expect("signed again");
    store.refresh(&federation.source(), expiry).await.expect("thawed");
}

#[tokio::test]
async fn parts_of_different_states_are_refused() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let old = federation.copy();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    for (name, from) in [("2.snapshot.json", "1.snapshot.json"), ("2.targets.json", "1.targets.json")] {
        let error = refused(&federation, &store, &federation.copy().with(name, old.file(from))).await;
        assert!(matches!(&error, TrustError::MixedUp { file } if file == name), "{error}");
    }
    let source = federation.copy();
    let name = source.files.keys().find(|name| name.contains(agency(1).as_str())).expect("entry").clone();
    let other = serde_json::to_vec(&entry(2)).expect("JSON");
    let same_length = other.len() == source.file(&name).len();
    assert!(same_length, "else the length would give it away before the hash");
    let error = refused(&federation, &store, &source.with(&name, other)).await;
    assert!(matches!(&error, TrustError::MixedUp { file } if *file == name), "{error}");
}

#[tokio::test]
async fn endless_data_is_cut_at_the_limit_of_its_role() {
    let federation = Federation::found();
    let store = federation.joined().await;
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let bundle = |federation: &Federation| {
        let source = federation.copy();
        source.files.keys().find(|name| name.contains(agency(1).as_str())).expect("entry").clone()
    };
    let entry_name = bundle(&federation);
    for (name, limit) in [
        ("timestamp.json", limits::TIMESTAMP_LIMIT),
        ("2.root.json", limits::ROOT_LIMIT),
        ("2.snapshot.json", limits::SNAPSHOT_LIMIT),
        ("2.targets.json", limits::TARGETS_LIMIT),
    ] {
        let endless = Bytes::from(vec![b' '; limit + 1]);
        let error = refused(&federation, &store, &federation.copy().with(name, endless)).await;
        assert!(
            matches!(&error, TrustError::OverLarge { what, limit: named } if what == name && *named == limit as u64),
            "{error}"
        );
    }
    // A target stops at the length that was signed, and metadata too where the file above it says so.
    let source = federation.copy();
    let length = source.file(&entry_name).len() as u64;
    let mut longer = source.file(&entry_name).to_vec();
    longer.push(b' ');
    let error = refused(&federation, &store, &source.with(&entry_name, longer)).await;
    assert!(matches!(error, TrustError::OverLarge { limit, .. } if limit == length), "{error}");
    let source = federation.copy();
    let mut longer = source.file("2.targets.json").to_vec();
    longer.push(b' ');
    let error = refused(&federation, &store, &source.with("2.targets.json", longer)).await;
    assert!(matches!(error, TrustError::OverLarge { .. }), "{error}");
}

#[tokio::test]
async fn unsigned_metadata_and_strangers_keys_are_refused() {
    let federation = Federation::found();
    let store = federation.joined().await;
    federation.editor().timestamp_refresh(NOW).expect("signed again");
    let source = federation.copy();
    for keys in [vec![], vec![key(99)], vec![key(12)], vec![key(1), key(2)]] {
        let timestamp = signed_again(&source.file("timestamp.json"), &keys, |_| {});
        let error = refused(&federation, &store, &federation.copy().with("timestamp.json", timestamp)).await;
        assert!(
            matches!(error, TrustError::WronglySigned { role: Role::Timestamp, valid: 0, needed: 1 }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_unreachable_source_is_not_the_end_of_the_chain_of_roots() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let mut source = federation.copy();
    source.is_down = true;
    let error = refused(&federation, &store, &source).await;
    assert!(matches!(error, TrustError::Unreachable(_)), "{error}");
}

#[tokio::test]
async fn a_malformed_entry_refuses_the_update_whole() {
    let good = serde_json::to_value(entry(1)).expect("JSON");
    let path = format!("directory/150100/{}.json", agency(1));
    let change = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string()
    };
    let cases = [
        (path.clone(), "{".to_owned(), "does not parse"),
        (path.clone(), change("surprise", 1.into()), "does not parse"),
        (path.clone(), change("agency", agency(2).to_string().into()), "another agency or region"),
        (path.clone(), change("region", "150200".into()), "another agency or region"),
        (path.clone(), change("name", "".into()), "name"),
        (path.clone(), change("transport_identity", "12D3KooWtest0".into()), "transport identity"),
        (format!("directory/150200/{}.json", agency(0)), change("x", 1.into()), "does not parse"),
        (
            format!("directory/150200/{}.json", agency(0)),
            {
                let mut twice = good.clone();
                twice["agency"] = agency(0).to_string().into();
                twice["region"] = "150200".into();
                twice.to_string()
            },
            "entry already",
        ),
        ("directory/150100/whoever.json".to_owned(), good.to_string(), "path"),
        (format!("directory/150100/../{}.json", agency(1)), good.to_string(), "path"),
    ];
    for (path, content, word) in cases {
        let federation = Federation::found();
        let store = federation.joined().await;
        let source = crate::fixture::with_target(federation.copy(), &path, content.as_bytes());
        let error = refused(&federation, &store, &source).await;
        assert!(matches!(error, TrustError::Entry { .. }), "{path} {content}: {error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test]
async fn targets_of_later_versions_are_left_alone() {
    let federation = Federation::found();
    let store = federation.joined().await;
    let source = crate::fixture::with_target(federation.copy(), "policy/overlay/150100/extra.json", b"{}");
    store.refresh(&source, NOW).await.expect("refreshed");
    let directory = store.directory().expect("joined");
    assert_eq!(directory.version(), 2);
    assert!(directory.content(POLICY).is_some());
    assert!(!source.asked().iter().any(|name| name.contains("overlay")));
    // An editor of this version would drop them when it signs again, so it does not open.
    source.write_into(&federation.folder());
    let (keys, lifetimes) = (crate::fixture::online(11), crate::fixture::lifetimes());
    let opened = chengxin_trust::DirectoryEditor::open(&federation.folder(), keys, lifetimes, NOW);
    let error = opened.err().expect("later version");
    assert!(error.to_string().contains("upgrade"), "{error}");
}

#[tokio::test]
async fn only_files_of_the_federation_are_served() {
    let federation = Federation::found();
    let store = federation.joined().await;
    std::fs::write(federation.store_folder().join("secret.json"), b"secret").expect("written");
    std::fs::write(federation.store_folder().join("metadata/9.root.json"), b"not verified").expect("written");
    for name in [
        "secret.json",
        "../secret.json",
        "metadata/../secret.json",
        "directory/../../secret.json",
        "/etc/hostname",
        "metadata/timestamp.json",
        "seen/timestamp.json",
        "timestamp.json\0",
        "9.root.json",
        "2.targets.json",
        "",
    ] {
        assert_eq!(store.serve(name).await, None, "{name}");
    }
    let source = federation.copy();
    for (name, bytes) in &source.files {
        assert_eq!(store.serve(name).await.as_ref(), Some(bytes), "{name}");
    }
}

#[tokio::test]
async fn a_repository_changed_on_disk_is_not_signed_again() {
    let federation = Federation::found();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let source = federation.copy();
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json", "1.root.json"] {
        let path = federation.folder().join("metadata").join(name);
        let mut value = json(&source.file(name));
        value["signed"]["expires"] = "2031-01-01T00:00:00Z".into();
        std::fs::write(&path, text(&value)).expect("written");
        let (keys, lifetimes) = (crate::fixture::online(11), crate::fixture::lifetimes());
        let opened = chengxin_trust::DirectoryEditor::open(&federation.folder(), keys, lifetimes, NOW);
        assert!(
            matches!(opened, Err(TrustError::WronglySigned { .. } | TrustError::MixedUp { .. })),
            "{name} was accepted"
        );
        std::fs::write(&path, source.file(name)).expect("written");
    }
    federation.editor();
}

/// One changed byte anywhere: refused, or without any effect on what is taken from the files.
#[test]
fn a_byte_changed_anywhere_changes_nothing_that_is_accepted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let federation = Federation::found();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let store = runtime.block_on(federation.joined());
    let expected: Vec<_> = store.directory().expect("joined").entries().cloned().collect();
    let versions = store.directory().expect("joined").versions();
    let mut names: Vec<String> = federation.copy().files.keys().cloned().collect();
    names.sort();
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(200));
    let input = (proptest::sample::select(names), proptest::num::usize::ANY, 1_u8..=255);
    runner
        .run(&input, |(name, place, flip)| {
            let source = federation.copy();
            let mut bytes = source.file(&name).to_vec();
            let place = place % bytes.len();
            bytes[place] ^= flip;
            let folder = tempfile::tempdir().expect("folder");
            runtime.block_on(async {
                let store = TrustStore::open(folder.path(), federation.fingerprint).await.expect("opens");
                if store.refresh(&source.with(&name, bytes), NOW).await.is_ok() {
                    let directory = store.directory().expect("joined");
                    let entries: Vec<_> = directory.entries().cloned().collect();
                    proptest::prop_assert_eq!(&entries, &expected);
                    proptest::prop_assert_eq!(directory.versions(), versions);
                }
                Ok(())
            })
        })
        .expect("holds for every byte");
}

/// What is held is not gone behind even where the memory of what was seen is lost.
#[tokio::test]
async fn an_older_state_is_refused_without_the_rollback_memory() {
    let federation = Federation::found();
    let older = federation.copy();
    federation.editor().member_admit(entry(1), NOW).expect("admitted");
    let store = federation.joined().await;
    std::fs::remove_dir_all(federation.store_folder().join("seen")).expect("lost");
    for store in [store, federation.store().await] {
        let error = store.refresh(&older, NOW).await.expect_err("replayed");
        assert!(matches!(error, TrustError::RolledBack { role: Role::Timestamp, from: 2, to: 1 }), "{error}");
        assert_eq!(store.directory().expect("kept").version(), 2);
        std::fs::remove_dir_all(federation.store_folder().join("seen")).expect("lost again");
    }
}

#[tokio::test]
async fn a_store_that_is_not_whole_does_not_open() {
    let federation = Federation::found();
    federation.joined().await;
    let open = async || TrustStore::open(federation.store_folder(), federation.fingerprint).await.err();
    assert!(open().await.is_none());
    let path = |name: &str| federation.store_folder().join(name);
    for (name, word) in [
        ("metadata/1.root.json", "1.root.json is missing"),
        ("metadata/1.targets.json", "1.targets.json"),
        ("metadata/1.snapshot.json", "1.snapshot.json"),
    ] {
        let bytes = std::fs::read(path(name)).expect("read");
        std::fs::remove_file(path(name)).expect("removed");
        let error = open().await.expect(name).to_string();
        assert!(error.contains(word), "{name}: {error}");
        std::fs::write(path(name), bytes).expect("put back");
    }
    std::fs::write(path("metadata/3.root.json"), b"{}").expect("written");
    let error = open().await.expect("a gap in the roots").to_string();
    assert!(error.contains("2.root.json is missing"), "{error}");
    std::fs::remove_file(path("metadata/3.root.json")).expect("removed");
    std::fs::write(path("seen/snapshot.json"), b"{").expect("written");
    let error = open().await.expect("damaged memory").to_string();
    assert!(error.contains("seen/snapshot.json"), "{error}");
}
