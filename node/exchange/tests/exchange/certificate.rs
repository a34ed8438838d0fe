//! Certificates: what they say holds only as far as the answers in the file say it.

use std::path::PathBuf;

use bytes::Bytes;
use chengxin_audit_log::EntryKind;
use chengxin_audit_log::log::Filter;
use chengxin_exchange::certificate::{
    CERTIFICATE_FILE_LIMIT, CertificateFile, CertificateSchema, certificate_verify,
};
use chengxin_exchange::check::{CheckRequest, CheckResult};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome};
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::certificate::{
    CERTIFICATE_LIMIT, CERTIFICATE_TYP, CertificateClaims, CoverageEntry, CoverageOutcome,
};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign, jws_sign_within};
use chengxin_schemas::operator::Role;
use chengxin_schemas::request::{REQUEST_TYP, RequestClaims};
use chengxin_schemas::sd_jwt::presentations_digest;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::RootFingerprint;

use crate::check::{check, newest_entry, wanted};
use crate::support::{
    CROWD_KEY, FINANCE, Federation, LEAGUE, MARKET, SUBJECT, agency, as_role, crowd_agency, signing,
};

pub(crate) async fn issued(federation: &Federation, result: &CheckResult) -> CertificateFile {
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    node.certificate_issue(&clerk, result).await.expect("certificate")
}

pub(crate) async fn verify(
    file: &CertificateFile,
    root: RootFingerprint,
) -> Result<CertificateClaims, chengxin_exchange::ExchangeError> {
    let bytes = serde_json::to_vec(file).expect("json");
    certificate_verify(&bytes, root).await.map(|verified| verified.claims().clone())
}

fn claims_of(file: &CertificateFile) -> CertificateClaims {
    UnverifiedJws::parse(&file.certificate, CERTIFICATE_TYP, CERTIFICATE_LIMIT)
        .expect("jws")
        .claims_unverified()
        .expect("claims")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subjects_authorisation_goes_with_the_request_into_both_logs_and_the_certificate() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let authorisation = Some(SubjectAuthorisation {
        reference: "授权书〔2026〕15号".parse().expect("reference"),
        document: Some(Sha256::of(b"scan")),
    });
    let request =
        CheckRequest { authorisation: authorisation.clone(), ..wanted(SUBJECT, "government-procurement") };
    let result = node.check_run(&clerk, request).await.expect("check");
    let file = issued(&federation, &result).await;
    for (code, kind) in [
        (FINANCE, EntryKind::CheckRequested),
        (FINANCE, EntryKind::CheckAnswered),
        (FINANCE, EntryKind::CertificateIssued),
        (MARKET, EntryKind::AnswerDisclosed),
    ] {
        let logged = newest_entry(&federation, code, kind).await;
        let body = federation.node(code).log().read_body(logged.index).await.expect("body");
        assert_eq!(body.authorisation, authorisation, "{kind:?}");
        assert!(!format!("{:?}", logged.leaf).contains("授权书"), "in the sealed body only");
    }
    let root = federation.fingerprint;
    assert_eq!(verify(&file, root).await.expect("verifies").authorisation, authorisation);
    // Neither kept silent about, nor another document.
    let changes: [Change; 2] = [
        |claims| claims.authorisation = None,
        |claims| claims.authorisation.as_mut().expect("stated").document = Some(Sha256::of(b"another")),
    ];
    for change in changes {
        let error = verify(&with_claims(&file, change), root).await.expect_err("another").to_string();
        assert!(error.contains("by the subject's authorisation"), "{error}");
    }
    // Nor claimed where the request stated none.
    let file = issued(&federation, &check(&federation).await).await;
    let change: Change = |claims| {
        let reference = "授权书〔2026〕15号".parse().expect("reference");
        claims.authorisation = Some(SubjectAuthorisation { reference, document: None });
    };
    let error = verify(&with_claims(&file, change), root).await.expect_err("claimed").to_string();
    assert!(error.contains("by the subject's authorisation"), "{error}");
    // Nor a release that nobody stated.
    let change: Change = |claims| claims.released_by = Some(claims.operator.clone());
    let error = verify(&with_claims(&file, change), root).await.expect_err("claimed").to_string();
    assert!(error.contains("released by whom it says"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_which_name_was_searched_for() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let unnamed = CheckRequest {
        legal_basis: Some("《示例条例》第十八条".parse().expect("basis")),
        ..wanted(SUBJECT, "government-procurement")
    };
    let named = CheckRequest { subject_name: Some("示例甲".to_owned()), ..unnamed.clone() };
    let root = federation.fingerprint;
    let mut files = Vec::new();
    for request in [unnamed, named] {
        let result = node.check_run(&clerk, request.clone()).await.expect("check");
        let file = issued(&federation, &result).await;
        let claims = verify(&file, root).await.expect("verifies");
        assert_eq!(
            (&claims.subject_name, &claims.legal_basis),
            (&request.subject_name, &request.legal_basis)
        );
        files.push(file);
    }
    // Neither a blank one, nor a name that nobody was asked for, nor one that is kept silent about, nor another law.
    let changes: [(usize, &str, Change); 5] = [
        (0, "nothing but blanks", |claims| claims.subject_name = Some(" ".to_owned())),
        (0, "about the name", |claims| claims.subject_name = Some("示例甲".to_owned())),
        (1, "about the name", |claims| claims.subject_name = None),
        (1, "about the name", |claims| claims.subject_name = Some("示例乙".to_owned())),
        (1, "on its legal basis", |claims| claims.legal_basis = None),
    ];
    for (file, reason, change) in changes {
        let error = verify(&with_claims(&files[file], change), root).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error} / {reason}");
    }
    // The former form did not state either; what it does state must agree.
    let former = |changed: CertificateFile| CertificateFile { schema: CertificateSchema::V2, ..changed };
    let stated = async |file: CertificateFile| {
        let bytes = serde_json::to_vec(&file).expect("json");
        certificate_verify(&bytes, root).await.map(|verified| verified.name_stated())
    };
    let silent: Change = |claims| (claims.subject_name, claims.legal_basis) = (None, None);
    assert!(!stated(former(with_claims(&files[1], silent))).await.expect("verifies"));
    assert!(stated(former(files[1].clone())).await.expect("verifies"));
    assert!(!stated(former(files[0].clone())).await.expect("verifies"));
    assert!(stated(files[0].clone()).await.expect("verifies"));
    for (file, reason, change) in [changes[1], changes[3]] {
        let error =
            verify(&former(with_claims(&files[file], change)), root).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error} / {reason}");
    }
    // Of two requests of one check only one searched for the name.
    let mut mixed = files[1].clone();
    let agency = |answer: &chengxin_exchange::certificate::CertificateAnswer| {
        let jws = UnverifiedJws::parse(&answer.request, REQUEST_TYP, JWS_LIMIT).expect("jws");
        jws.claims_unverified::<RequestClaims>().expect("claims").aud
    };
    let place = files[0].answers.iter().position(|answer| agency(answer) == agency(&mixed.answers[0]));
    mixed.answers[0] = files[0].answers[place.expect("answered")].clone();
    let error = verify(&mixed, root).await.expect_err("mixed").to_string();
    assert!(error.contains("about the name"), "{error}");
}

pub(crate) type Change = fn(&mut CertificateClaims);

/// The file with other claims, signed by the issuer's own key: it lies with its own name.
pub(crate) fn with_claims(
    file: &CertificateFile,
    change: impl Fn(&mut CertificateClaims),
) -> CertificateFile {
    let mut claims = claims_of(file);
    change(&mut claims);
    let certificate =
        jws_sign_within(CERTIFICATE_TYP, &claims, &signing(10), CERTIFICATE_LIMIT).expect("signed");
    CertificateFile { certificate, ..file.clone() }
}

fn covered<'c>(claims: &'c mut CertificateClaims, code: &str) -> &'c mut CoverageEntry {
    claims.coverage.iter_mut().find(|entry| entry.agency == agency(code)).expect("covered")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_verifies_with_the_fingerprint_alone() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    federation.down(LEAGUE, true);
    let result = check(&federation).await;
    let file = issued(&federation, &result).await;
    let bytes = serde_json::to_vec(&file).expect("json");
    let verified = certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
    assert_eq!(verified.answers_verified(), 1, "who was silent has no answer");
    assert_eq!(verified.claims().records.len(), 1);
    assert!(!verified.claims().complete);
    assert_eq!(verified.issuer_name(), "示例财政厅");
    // One changed character of any signed part is noticed.
    let text = String::from_utf8(bytes).expect("json");
    for part in [&file.certificate, &file.answers[0].request, &file.answers[0].answer] {
        let place = text.find(&part[40..60]).expect("part") + 5;
        let mut broken = text.clone().into_bytes();
        broken[place] = if broken[place] == b'A' { b'B' } else { b'A' };
        assert!(certificate_verify(&broken, federation.fingerprint).await.is_err());
    }
    let other = RootFingerprint::of(b"another root");
    assert!(certificate_verify(text.as_bytes(), other).await.is_err());
    let former = text.replace("check-certificate/v3", "check-certificate/v1");
    let error = certificate_verify(former.as_bytes(), federation.fingerprint).await.expect_err("version");
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_says_other_than_its_answers_is_refused() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let file = issued(&federation, &check(&federation).await).await;
    let root = federation.fingerprint;
    assert!(verify(&with_claims(&file, |_| {}), root).await.expect("the unchanged claims hold").complete);

    let changes: [(&str, Change); 15] = [
        ("not those of the answers", |claims| claims.records.clear()),
        ("not those of the answers", |claims| claims.records[0].name_match_only = true),
        ("not those of the answers", |claims| claims.records.push(claims.records[0].clone())),
        ("is not what the answer", |claims| match &mut covered(claims, MARKET).outcome {
            CoverageOutcome::Answered { records, .. } => *records = 0,
            other => panic!("{other:?}"),
        }),
        ("is not what the answer", |claims| match &mut covered(claims, LEAGUE).outcome {
            CoverageOutcome::Answered { as_of, .. } => *as_of = as_of.plus(1),
            other => panic!("{other:?}"),
        }),
        ("is not what the answer", |claims| match &mut covered(claims, LEAGUE).outcome {
            CoverageOutcome::Answered { answer, .. } => *answer = None,
            other => panic!("{other:?}"),
        }),
        ("whose answer is here", |claims| {
            let reason = "never heard of it".to_owned();
            covered(claims, MARKET).outcome = CoverageOutcome::Silent { code: ErrorCode::Timeout, reason };
        }),
        ("whose answer is here", |claims| claims.coverage.retain(|entry| entry.agency != agency(MARKET))),
        ("names an agency twice", |claims| {
            let twice = claims.coverage.iter().find(|entry| entry.agency == agency(FINANCE)).cloned();
            claims.coverage.extend(twice);
        }),
        ("was not complete", |claims| claims.complete = false),
        ("another name", |claims| covered(claims, MARKET).name = "示例别的局".to_owned()),
        ("of its own records", |claims| match &mut covered(claims, FINANCE).outcome {
            CoverageOutcome::Answered { records, .. } => *records = 1,
            other => panic!("{other:?}"),
        }),
        ("about the subject", |claims| {
            let code = chengxin_import::generate::organisation_code(5);
            claims.subject = SubjectId::parse(&code).expect("code");
        }),
        ("for its case", |claims| claims.case_reference = "CG-2026-032".parse().expect("case")),
        // Answers of last month make no certificate of today; the evidence would still hold for two hours later.
        ("of its time", |claims| claims.iat = claims.iat.plus(7_200)),
    ];
    for (reason, change) in changes {
        let error = verify(&with_claims(&file, change), root).await.expect_err(reason);
        assert!(error.to_string().contains(reason), "{error} / {reason}");
    }

    let without = |number: usize| {
        let mut file = file.clone();
        file.answers.remove(number);
        file
    };
    for number in [0, 1] {
        let error = verify(&without(number), root).await.expect_err("an answer is missing");
        assert!(error.to_string().contains("is missing"), "{error}");
    }
    let mut twice = file.clone();
    twice.answers.push(file.answers[0].clone());
    let error = verify(&twice, root).await.expect_err("an answer twice");
    assert!(error.to_string().contains("two answers"), "{error}");
    let mut crossed = file.clone();
    crossed.answers[0].request = file.answers[1].request.clone();
    assert!(verify(&crossed, root).await.is_err(), "an answer to another request");
    let mut hidden = file.clone();
    let holder = hidden.answers.iter_mut().find(|answer| !answer.presentations.is_empty()).expect("records");
    holder.presentations.clear();
    assert!(verify(&hidden, root).await.is_err(), "records left out");
}

/// Who was never asked cannot be left out, nor can a smaller directory be pretended.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_names_every_member() {
    let federation = Federation::new().await;
    federation.down(LEAGUE, true);
    let file = issued(&federation, &check(&federation).await).await;
    let left_out = with_claims(&file, |claims| {
        claims.coverage.retain(|entry| entry.agency != agency(LEAGUE));
        claims.complete = true;
    });
    let error = verify(&left_out, federation.fingerprint).await.expect_err("left out");
    assert!(error.to_string().contains(LEAGUE), "{error}");
    let boasting = with_claims(&file, |claims| claims.complete = true);
    let error = verify(&boasting, federation.fingerprint).await.expect_err("silence is no answer");
    assert!(error.to_string().contains("complete"), "{error}");
    let older = with_claims(&file, |claims| claims.directory -= 1);
    let error = verify(&older, federation.fingerprint).await.expect_err("another directory");
    assert!(error.to_string().contains("version of the member directory"), "{error}");
}

/// Files of the first programs that wrote a version; they must verify for ever. `CHENGXIN_EXAMPLES=add` writes the one of
/// the present version if there is none.
#[tokio::test(flavor = "multi_thread")]
async fn the_committed_certificates_still_verify() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (file, root) = (folder.join("certificate-v3.json"), folder.join("certificate-v3.root"));
    if !file.exists() && std::env::var("CHENGXIN_EXAMPLES").is_ok_and(|value| value == "add") {
        let federation = Federation::new().await;
        federation.penalty_import().await;
        federation.down(LEAGUE, true);
        let issued = issued(&federation, &check(&federation).await).await;
        std::fs::create_dir_all(&folder).expect("folder");
        std::fs::write(&file, serde_json::to_vec_pretty(&issued).expect("json")).expect("written");
        std::fs::write(&root, format!("{}\n", federation.fingerprint)).expect("written");
    }
    for (version, name_stated) in [("v2", false), ("v3", true)] {
        let root = std::fs::read_to_string(folder.join(format!("certificate-{version}.root"))).expect("root");
        let file = std::fs::read(folder.join(format!("certificate-{version}.json"))).expect("file");
        let root = root.trim().parse().expect("fingerprint");
        let verified = certificate_verify(&file, root).await.expect("verifies");
        assert_eq!((verified.answers_verified(), verified.claims().records.len()), (1, 1));
        assert!(!verified.claims().complete);
        assert_eq!(verified.name_stated(), name_stated);
    }
}

/// Signs an answer that holds nothing, as a member of the crowd.
fn nothing_held(from: &AgencyCode, message: &Bytes) -> Bytes {
    let Ok(PeerRequest::Check(text)) = wire::decode(message) else { panic!("another message") };
    let request: RequestClaims = UnverifiedJws::parse(&text, REQUEST_TYP, JWS_LIMIT)
        .expect("jws")
        .claims_unverified()
        .expect("claims");
    let none: [&str; 0] = [];
    let claims = AnswerClaims {
        iss: *from,
        aud: request.iss,
        iat: request.iat,
        nonce: request.nonce,
        sd_hash: presentations_digest(&none),
        request: Sha256::of(text.as_bytes()),
        policy: request.policy,
        outcome: AnswerOutcome::Answered {
            rule: "purpose.government-procurement".to_owned(),
            categories: request.categories,
            records: Vec::new(),
            more: false,
        },
    };
    let answer = jws_sign(ANSWER_TYP, &claims, &signing(CROWD_KEY)).expect("signed");
    Bytes::from(wire::encode(&PeerResponse::Check { answer, presentations: Vec::new() }).expect("encoded"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_of_three_thousand_is_asked_logged_and_certified() {
    const CROWD: usize = 2_999;
    let refusing = crowd_agency(7);
    let federation = Federation::with_crowd(CROWD, move |from, message| {
        if *from == refusing {
            let reason = "overloaded".to_owned();
            let failed = PeerResponse::Failed { code: ErrorCode::Busy, reason };
            return Bytes::from(wire::encode(&failed).expect("encoded"));
        }
        nothing_held(from, &message)
    })
    .await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let request = CheckRequest { deadline_ms: 60_000, ..wanted(SUBJECT, "government-procurement") };
    let result = node.check_run(&clerk, request).await.expect("check");
    let silent: Vec<_> = result
        .coverage
        .iter()
        .filter(|entry| !matches!(entry.outcome, CoverageOutcome::Answered { .. }))
        .map(|entry| entry.agency)
        .collect();
    assert_eq!((result.coverage.len(), silent), (CROWD + 1, vec![refusing]));

    let filter = Filter { kinds: vec![EntryKind::CheckRequested], ..Filter::default() };
    let mut asked = 0;
    for entry in node.log().search(filter, 100).await.expect("search").entries {
        let body = node.log().read_body(entry.index).await.expect("body");
        asked += body.details.keys().filter(|name| name.starts_with("asked.")).count();
    }
    assert_eq!(asked, CROWD, "every request stands in the log");

    let file = issued(&federation, &result).await;
    let length = serde_json::to_vec(&file).expect("json").len();
    assert!(length < CERTIFICATE_FILE_LIMIT / 4, "a federation four times as large fits: {length}");
    let claims = verify(&file, federation.fingerprint).await.expect("verifies");
    assert_eq!((claims.coverage.len(), file.answers.len()), (CROWD + 1, CROWD - 1));
}
