//! A stranger with the fingerprint alone checks which keys an agency had.

use chengxin_trust::{EvidenceBundle, Freshness, RootChange, RootDraft, TrustError, evidence_verify, limits};

use crate::fixture::{DAY, Federation, NOW, agency, entry, key, lifetimes};

async fn bundle(federation: &Federation) -> EvidenceBundle {
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    editor.member_admit(entry(2), NOW).expect("admitted");
    let current = editor.root_bytes().expect("root");
    let mut draft = RootDraft::begin(&current, &RootChange::default(), NOW.plus(500 * DAY)).expect("draft");
    draft.sign(&key(1)).expect("signed");
    draft.sign(&key(2)).expect("signed");
    editor.root_publish(&draft, None, NOW).expect("published");
    federation.joined().await.evidence_export(&[agency(1)]).await.expect("exported")
}

#[tokio::test]
async fn evidence_proves_the_keys_of_the_agencies_asked_for_and_no_others() {
    let federation = Federation::found();
    let json = bundle(&federation).await.to_json().expect("JSON");
    let read = EvidenceBundle::from_json(&json).expect("read back");
    let verified = evidence_verify(&read, federation.fingerprint, NOW).await.expect("verified");
    assert_eq!(verified.entry(&agency(1)), Some(&entry(1)));
    assert_eq!(verified.entries().count(), 1);
    assert!(verified.members().iter().eq([agency(0), agency(1), agency(2)].iter()), "all members are named");
    assert_eq!(verified.versions().root, 2);
    assert_eq!(verified.federation().as_str(), "nmg-test");
    assert_eq!(verified.freshness(NOW), Freshness::Current);
    let store = federation.store().await;
    assert!(matches!(store.evidence_export(&[agency(9)]).await, Err(TrustError::NotMember { .. })));
    let many = vec![agency(1); limits::EVIDENCE_ENTRIES_LIMIT + 1];
    assert!(matches!(store.evidence_export(&many).await, Err(TrustError::TooMany { .. })));
}

#[tokio::test]
async fn evidence_holds_for_its_own_time_only() {
    let federation = Federation::found();
    let bundle = bundle(&federation).await;
    let verify = async |at| evidence_verify(&bundle, federation.fingerprint, at).await;
    let expires = NOW.plus(2 * DAY);
    assert!(verify(NOW.plus(-limits::CLOCK_TOLERANCE_SECONDS)).await.is_ok());
    let early = verify(NOW.plus(-limits::CLOCK_TOLERANCE_SECONDS - 1)).await;
    assert!(matches!(early, Err(TrustError::EvidenceTooNew { signed_at }) if signed_at == NOW));
    let grace = verify(expires).await.expect("in the grace");
    assert!(matches!(grace.freshness(expires), Freshness::Grace { .. }));
    let late = verify(expires.plus(limits::GRACE_SECONDS)).await;
    assert!(matches!(late, Err(TrustError::GraceOver { since }) if since == expires));
}

#[tokio::test]
async fn altered_or_foreign_evidence_is_refused() {
    let federation = Federation::found();
    let json = String::from_utf8(bundle(&federation).await.to_json().expect("JSON")).expect("text");
    let altered = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        EvidenceBundle::from_json(json.replace(from, to).as_bytes()).expect("still a bundle")
    };
    let other = Federation::found_with(lifetimes(), NOW.plus(1));
    let whole = EvidenceBundle::from_json(json.as_bytes()).expect("bundle");
    let error = evidence_verify(&whole, other.fingerprint, NOW).await.expect_err("another federation");
    assert!(matches!(error, TrustError::FingerprintDiffers { .. }), "{error}");
    let agencies = (agency(1).to_string(), agency(2).to_string());
    for (from, to) in [
        ("12D3KooWtest1", "12D3KooWtest3"),
        ("\\\"threshold\\\":2", "\\\"threshold\\\":1"),
        ("\\\"version\\\":4", "\\\"version\\\":5"),
        (
            &format!("\"directory/150100/{}.json\":", agencies.0),
            &format!("\"directory/150100/{}.json\":", agencies.1),
        ),
        (&format!("\"directory/150100/{}.json\":", agencies.0), "\"policy/bundle.json\":"),
    ] {
        let refused = evidence_verify(&altered(from, to), federation.fingerprint, NOW).await;
        assert!(refused.is_err(), "{from} to {to}");
    }
    assert!(EvidenceBundle::from_json(&vec![b' '; limits::EVIDENCE_LIMIT + 1]).is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        proptest::prop_assert!(EvidenceBundle::from_json(&bytes).is_err());
    }
}
