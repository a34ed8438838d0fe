//! An agency joins with token, fingerprint and its own keys.

use chengxin_schemas::ErrorCode;
use chengxin_schemas::jws::jws_sign;
use chengxin_trust::{
    APPLICATION_TYP, JoinApplication, Redemption, SignedWhen, Token, TokenBook, TokenGrant, TrustError,
    application_check, application_sign,
};
use zeroize::Zeroizing;

use crate::fixture::{DAY, Federation, NOW, agency, entry, key, recipient};

const PEER: &str = "12D3KooWtest1";

/// A claim made wrong, and the word that the refusal must hold.
type Wrong<'a> = (&'a str, &'a dyn Fn(&mut JoinApplication));

fn grant() -> TokenGrant {
    let entry = entry(1);
    TokenGrant {
        agency: entry.agency,
        name: entry.name,
        region: entry.region,
        functions: entry.functions,
        expires: NOW.plus(DAY),
        former_keys: false,
    }
}

fn application(federation: &Federation) -> JoinApplication {
    let entry = entry(1);
    JoinApplication {
        aud: federation.fingerprint.to_string(),
        iat: NOW,
        agency: entry.agency,
        signing_key: *key(200).public(),
        signing_key_since: chengxin_schemas::time::UnixTime(0),
        age_node_recipient: entry.age_node_recipient,
        age_recovery_recipient: entry.age_recovery_recipient,
        transport_identity: entry.transport_identity,
        addresses: entry.addresses,
        audit_log_key: entry.audit_log_key,
        protocol: entry.protocol,
    }
}

#[tokio::test]
async fn an_agency_joins_once_and_is_seen_by_all() {
    let federation = Federation::found();
    let token = Token::generate(Zeroizing::new([7; 20]));
    let mut book = TokenBook::default();
    book.issue(&token, grant(), NOW).expect("issued");

    let typed: Token = token.reveal().parse().expect("typed in");
    let text = application_sign(&application(&federation), &key(200)).expect("signed");
    let granted = book.grant(&typed, NOW).expect("waiting").clone();
    let checked = application_check(&text, &granted, &federation.fingerprint, PEER, SignedWhen::Lately, NOW)
        .expect("holds");
    assert_eq!(checked.entry, entry(1));
    let mut editor = federation.editor();
    editor.admit_check(checked.entry.clone(), NOW).expect("can be admitted");
    assert_eq!(book.redeem(&typed, &checked, NOW).expect("redeemed"), Redemption::First(grant()));
    editor.member_admit(checked.entry, NOW).expect("admitted");
    let store = federation.joined().await;
    assert_eq!(store.directory().expect("joined").entry(&agency(1)), Some(&entry(1)));

    // The answer was lost: the node signs anew, a day later.
    let later = JoinApplication { iat: NOW.plus(DAY), ..application(&federation) };
    let text = application_sign(&later, &key(200)).expect("signed");
    let check = |signed, now| application_check(&text, &granted, &federation.fingerprint, PEER, signed, now);
    let much_later = NOW.plus(3 * DAY);
    assert!(check(SignedWhen::Lately, much_later).is_err());
    let again = check(SignedWhen::AnyTime, much_later).expect("its age does not matter");
    // A clock ahead would have the key sign from a day that has not come.
    let error = check(SignedWhen::AnyTime, NOW).expect_err("from the future");
    assert!(matches!(error, TrustError::Application { field: "iat", .. }), "{error}");
    assert_eq!(book.redeem(&typed, &again, NOW).expect("answer lost"), Redemption::Repeated(grant()));
    let other = JoinApplication { signing_key: *key(201).public(), ..application(&federation) };
    let text = application_sign(&other, &key(201)).expect("signed");
    let other = application_check(&text, &granted, &federation.fingerprint, PEER, SignedWhen::AnyTime, NOW)
        .expect("holds");
    assert_eq!(book.redeem(&typed, &other, NOW).expect_err("used up").code(), ErrorCode::Conflict);
}

/// What would be refused at the end is known before the token is used up.
#[test]
fn what_cannot_be_admitted_is_refused_without_a_trace() {
    let federation = Federation::found();
    let mut editor = federation.editor();
    editor.member_admit(entry(1), NOW).expect("admitted");
    let versions = editor.versions();
    let rebuilt = chengxin_schemas::directory::DirectoryEntry {
        transport_identity: "12D3KooWrebuilt".to_owned(),
        ..entry(1)
    };
    let error = editor.admit_check(rebuilt, NOW).expect_err("a member");
    assert!(error.to_string().contains("is a member already"), "{error}");
    assert!(editor.admit_check(entry(2), NOW.plus(-DAY)).is_err(), "the clock");
    editor.admit_check(entry(2), NOW).expect("can be admitted");
    assert_eq!((editor.versions(), editor.entries().count()), (versions, 2));
    // The disk fails once; from then on the editor says so before anything is used up.
    let obstacle = federation.folder().join("metadata/3.targets.json");
    std::fs::create_dir(&obstacle).expect("created");
    editor.member_admit(entry(2), NOW).expect_err("cannot be written");
    std::fs::remove_dir(&obstacle).expect("removed");
    let error = editor.admit_check(entry(3), NOW).expect_err("uncertain");
    assert!(error.to_string().contains("open the repository again"), "{error}");
}

#[test]
fn an_application_is_refused_for_each_thing_that_does_not_hold() {
    let federation = Federation::found();
    let check = |change: &dyn Fn(&mut JoinApplication), signer: u8, peer: &str| {
        let mut application = application(&federation);
        change(&mut application);
        let text = jws_sign(APPLICATION_TYP, &application, &key(signer)).expect("signed");
        application_check(&text, &grant(), &federation.fingerprint, peer, SignedWhen::Lately, NOW)
    };
    check(&|_| {}, 200, PEER).expect("the unchanged one holds");
    let cases: [Wrong<'_>; 12] = [
        ("another federation", &|it| it.aud = "sha256:00".to_owned()),
        ("another agency", &|it| it.agency = agency(2)),
        ("clock differs from ours by 3600 seconds", &|it| it.iat = NOW.plus(-3600)),
        ("in the future", &|it| it.signing_key_since = NOW.plus(1)),
        ("age_recipient", &|it| it.age_node_recipient = "age1".to_owned()),
        ("recovery", &|it| it.age_recovery_recipient = recipient(1)),
        ("identity", &|it| it.transport_identity = "12D3KooWother".to_owned()),
        ("addresses", &|it| it.addresses.clear()),
        ("addresses", &|it| it.addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned(); 9]),
        ("addresses", &|it| it.addresses = vec!["node.example:4001".to_owned()]),
        ("audit_log_key", &|it| it.audit_log_key = "name".to_owned()),
        ("protocol", &|it| it.protocol = 0),
    ];
    for (word, change) in cases {
        let error = check(change, 200, PEER).expect_err(word);
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let error = check(&|_| {}, 200, "12D3KooWother").expect_err("another connection");
    assert!(matches!(error, TrustError::Application { field: "transport_identity", .. }), "{error}");
    let error = check(&|_| {}, 199, PEER).expect_err("signed by a key that is not the one to be listed");
    assert_eq!(error.code(), ErrorCode::Integrity);
    let error = application_sign(&application(&federation), &key(199)).expect_err("own mistake");
    assert!(matches!(error, TrustError::Application { field: "signing_key", .. }), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in "[ -~]{0,200}|[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{1,40}\\.[A-Za-z0-9_-]{86}") {
        let fingerprint = chengxin_trust::RootFingerprint::of(b"");
        proptest::prop_assert!(application_check(&text, &grant(), &fingerprint, PEER, SignedWhen::Lately, NOW).is_err());
    }
}
