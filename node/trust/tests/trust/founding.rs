//! Founding: what is refused, and that a federation never exists half.

use std::collections::BTreeMap;

use bytes::Bytes;
use chengxin_schemas::key::SigningKey;
use chengxin_trust::{
    ContentName, FoundParams, Founded, Lifetimes, OnlineKeys, TrustError, federation_found, limits,
};

use crate::fixture::{NOW, POLICY, coordinator, entry, key, lifetimes, online};

/// A parameter made wrong, and the word that the refusal must hold.
type Wrong<'a> = (&'a str, &'a dyn Fn(&mut Attempt));

struct Attempt {
    root_keys: Vec<SigningKey>,
    threshold: usize,
    online: OnlineKeys,
    lifetimes: Lifetimes,
    coordinator: chengxin_schemas::directory::DirectoryEntry,
    contents: BTreeMap<ContentName, Bytes>,
}

fn attempt() -> Attempt {
    Attempt {
        root_keys: vec![key(1), key(2), key(3)],
        threshold: 2,
        online: online(11),
        lifetimes: lifetimes(),
        coordinator: coordinator(),
        contents: BTreeMap::new(),
    }
}

fn found(attempt: &Attempt, folder: &std::path::Path) -> Result<Founded, TrustError> {
    let params = FoundParams {
        federation: "nmg-test".parse().expect("name"),
        root_keys: &attempt.root_keys,
        threshold: attempt.threshold,
        online: &attempt.online,
        lifetimes: attempt.lifetimes,
        coordinator: attempt.coordinator.clone(),
        contents: attempt.contents.clone(),
    };
    federation_found(&params, folder, NOW)
}

#[test]
fn the_same_founding_has_the_same_fingerprint() {
    let base = tempfile::tempdir().expect("folder");
    let one = found(&attempt(), &base.path().join("one")).expect("founded");
    let two = found(&attempt(), &base.path().join("two")).expect("founded");
    assert_eq!(one, two);
    let bytes = std::fs::read(base.path().join("one/metadata/1.root.json")).expect("root");
    assert_eq!(chengxin_trust::RootFingerprint::of(&bytes), one.fingerprint);
}

#[test]
fn parameters_that_make_no_sense_are_named() {
    let base = tempfile::tempdir().expect("folder");
    let cases: [Wrong<'_>; 10] = [
        ("holders", &|it| it.root_keys.clear()),
        ("holders", &|it| it.root_keys = (1..=33).map(key).collect()),
        ("threshold", &|it| it.threshold = 0),
        ("threshold", &|it| it.threshold = 4),
        ("twice", &|it| it.root_keys[2] = key(1)),
        ("twice", &|it| it.online.snapshot = key(11)),
        ("twice", &|it| it.online.targets = key(2)),
        ("lifetimes", &|it| it.lifetimes.timestamp = it.lifetimes.snapshot + 1),
        ("coordinator", &|it| it.coordinator = entry(0)),
        ("longer than", &|it| {
            it.contents.insert(POLICY, Bytes::from(vec![0; limits::CONTENT_LIMIT + 1]));
        }),
    ];
    for (word, change) in cases {
        let mut attempt = attempt();
        change(&mut attempt);
        let error = found(&attempt, &base.path().join("out")).expect_err(word);
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert_eq!(
            std::fs::read_dir(base.path()).expect("listing").count(),
            0,
            "{word}: nothing is left behind"
        );
    }
}

#[test]
fn a_founding_cut_short_is_replaced_and_a_finished_one_is_not() {
    let base = tempfile::tempdir().expect("folder");
    let out = base.path().join("out");
    let half = base.path().join("out.founding/metadata");
    std::fs::create_dir_all(&half).expect("folder");
    std::fs::write(half.join("1.root.json"), b"half").expect("written");
    found(&attempt(), &out).expect("founded");
    assert!(!base.path().join("out.founding").exists());
    let before = std::fs::read(out.join("metadata/1.root.json")).expect("root");
    let error = found(&attempt(), &out).expect_err("there is one");
    assert!(matches!(error, TrustError::Conflict { .. }), "{error}");
    assert_eq!(std::fs::read(out.join("metadata/1.root.json")).expect("root"), before);
}
