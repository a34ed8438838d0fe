//! Checks across the federation, with honest members, silent ones and liars.

use std::sync::Arc;

use bytes::Bytes;
use chengxin_audit_log::EntryKind;
use chengxin_audit_log::log::Filter;
use chengxin_exchange::ExchangeError;
use chengxin_exchange::certificate::certificate_verify;
use chengxin_exchange::check::{CheckRequest, CheckResult};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome};
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};

use crate::support::{
    FINANCE, Federation, LEAGUE, Lie, MARKET, NOW, SUBJECT, agency, as_role, penalty_file, signing,
};

fn wanted(subject: &str, purpose: &str) -> CheckRequest {
    CheckRequest {
        subject: SubjectId::parse(subject).expect("subject"),
        subject_name: None,
        purpose: purpose.parse().expect("purpose"),
        case_reference: "CG-2026-031".parse().expect("case"),
        legal_basis: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    }
}

async fn check(federation: &Federation) -> CheckResult {
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    node.check_run(&clerk, wanted(SUBJECT, "government-procurement")).await.expect("check")
}

fn outcome_of<'r>(result: &'r CheckResult, code: &str) -> &'r CoverageOutcome {
    &result.coverage.iter().find(|entry| entry.agency == agency(code)).expect("asked").outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_is_said_only_when_everybody_answered() {
    let federation = Federation::new().await;
    assert!(check(&federation).await.nothing_found());
    federation.down(LEAGUE, true);
    let result = check(&federation).await;
    assert!(!result.complete && !result.nothing_found());
    assert!(matches!(
        outcome_of(&result, LEAGUE),
        CoverageOutcome::Silent { code: ErrorCode::Unavailable, .. }
    ));
    assert!(matches!(outcome_of(&result, MARKET), CoverageOutcome::Answered { records: 0, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_redacted_logged_at_both_ends_and_certified() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let result = check(&federation).await;
    assert_eq!(result.records.len(), 1);
    let record = &result.records[0];
    let person = chengxin_import::generate::resident_number(31);
    assert!(!format!("{record:?}").contains(&person), "the representative's number stays at its holder");
    let field = |name: &str| record.fields.iter().find(|field| field.name == name).expect("field");
    assert_eq!(field("fine").value.as_ref().expect("shown").to_text(), "125000.00");
    assert!(field("legal_representative_number").value.is_none());
    assert!(field("legal_representative_number").withheld.is_some());

    // The two logs hold the same request digest.
    let digest = |code: &'static str, kind: EntryKind| {
        let node = federation.node(code);
        async move {
            let filter = Filter { kinds: vec![kind], ..Filter::default() };
            node.log().search(filter, 10).await.expect("search").entries.remove(0).leaf
        }
    };
    let answered = digest(MARKET, EntryKind::AnswerDisclosed).await;
    assert_eq!(answered.actor.agency, agency(FINANCE));
    assert!(answered.disclosed.iter().any(|class| class.shown > 0));
    assert_eq!(digest(FINANCE, EntryKind::CheckAnswered).await.outcome, chengxin_audit_log::Outcome::Allowed);

    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let file = node.certificate_issue(&clerk, &result).await.expect("certificate");
    let bytes = serde_json::to_vec(&file).expect("json");
    let verified = certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
    assert_eq!(verified.answers_verified(), 2);
    assert_eq!(verified.claims().records.len(), 1);
    // One changed character of any signed part is noticed.
    let text = String::from_utf8(bytes).expect("json");
    let place = text.find(&file.certificate[40..60]).expect("certificate") + 5;
    let mut broken = text.clone().into_bytes();
    broken[place] = if broken[place] == b'A' { b'B' } else { b'A' };
    assert!(certificate_verify(&broken, federation.fingerprint).await.is_err());
    let other = chengxin_trust::RootFingerprint::of(b"another root");
    assert!(certificate_verify(text.as_bytes(), other).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_purpose_is_denied_with_its_rule_and_nobody_is_asked() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let error = node.check_run(&clerk, wanted(SUBJECT, "securities-issuance")).await.expect_err("denied");
    let ExchangeError::Denied(denied) = error else { panic!("{error}") };
    assert_eq!(denied.rule.as_str(), "purpose.securities-issuance.functions");
    let filter = Filter { kinds: vec![EntryKind::CheckDenied], ..Filter::default() };
    assert_eq!(
        node.log().search(filter, 10).await.expect("search").entries.len(),
        1,
        "a denial is logged like success"
    );
    let error = node.check_run(&clerk, wanted(SUBJECT, "no-such-purpose")).await.expect_err("unknown");
    assert_eq!(error.code(), ErrorCode::Denied);
    let auditor = as_role(&node, Role::AuditAdministrator).await;
    assert_eq!(
        node.check_run(&auditor, wanted(SUBJECT, "bidding")).await.expect_err("role").code(),
        ErrorCode::Denied
    );
}

/// Changes what the market regulator answers and expects the given reason for its silence.
async fn lied(federation: &Federation, lie: Lie, reason: &str) {
    federation.lie(MARKET, Some(lie));
    let result = check(federation).await;
    federation.lie(MARKET, None);
    assert!(result.records.is_empty() && !result.complete, "{reason}");
    match outcome_of(&result, MARKET) {
        CoverageOutcome::Silent { reason: found, .. } => {
            assert!(found.contains(reason), "{found} / {reason}")
        }
        other => panic!("{other:?} instead of silence: {reason}"),
    }
}

fn rewritten(change: impl Fn(&mut AnswerClaims, &mut Vec<String>) + Send + Sync + 'static) -> Lie {
    Arc::new(move |_, answer| {
        let Ok(PeerResponse::Check { answer, mut presentations }) = wire::decode::<PeerResponse>(&answer)
        else {
            return Bytes::new();
        };
        let mut claims: AnswerClaims = UnverifiedJws::parse(&answer, ANSWER_TYP, JWS_LIMIT)
            .expect("jws")
            .claims_unverified()
            .expect("claims");
        change(&mut claims, &mut presentations);
        // Signed again by the member's own key: it lies with its own name.
        let answer = jws_sign(ANSWER_TYP, &claims, &signing(20)).expect("signed");
        Bytes::from(wire::encode(&PeerResponse::Check { answer, presentations }).expect("encoded"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_member_counts_as_silent_with_the_reason() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    assert_eq!(check(&federation).await.records.len(), 1);

    lied(&federation, Arc::new(|_, _| Bytes::from_static(b"\x01garbage")), "not a message").await;
    lied(&federation, Arc::new(|_, _| Bytes::new()), "empty message").await;
    let other_kind = wire::encode(&PeerResponse::Receipt(String::new())).expect("encoded");
    lied(&federation, Arc::new(move |_, _| Bytes::from(other_kind.clone())), "another kind").await;

    // The very answer to an earlier request.
    let kept: Arc<std::sync::Mutex<Option<Bytes>>> = Arc::default();
    let keep = kept.clone();
    federation.lie(
        MARKET,
        Some(Arc::new(move |_, answer| {
            *keep.lock().expect("kept") = Some(answer.clone());
            answer
        })),
    );
    check(&federation).await;
    let replay = kept.lock().expect("kept").clone().expect("answer");
    lied(&federation, Arc::new(move |_, _| replay.clone()), "another request").await;

    let hide = rewritten(|_, presentations| presentations.clear());
    lied(&federation, hide, "not those that were signed").await;
    let as_other = rewritten(|claims, _| claims.iss = agency(LEAGUE));
    lied(&federation, as_other, "").await;
    let hour = rewritten(|claims, _| claims.iat = NOW.plus(3_600));
    lied(&federation, hour, "").await;
    let swapped = rewritten(|claims, _| {
        if let AnswerOutcome::Answered { records, .. } = &mut claims.outcome {
            records[0].record = chengxin_schemas::identity::RecordId([9; 16]);
        }
    });
    lied(&federation, swapped, "another record").await;
    let by_name = rewritten(|claims, _| {
        if let AnswerOutcome::Answered { records, .. } = &mut claims.outcome {
            records[0].name_match_only = true;
        }
    });
    lied(&federation, by_name, "another subject").await;
    assert_eq!(check(&federation).await.records.len(), 1, "the node works on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_about_another_subject_is_refused() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    // The member answers our question about the subject with what it holds about somebody else.
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let other = chengxin_import::generate::organisation_code(5);
    let file = penalty_file(&other, "示例别家有限公司", "示市监罚〔2026〕89号", "1");
    node.import_run(&clerk, file, Default::default(), Arc::new(|_| {})).await.expect("import");
    let asker = federation.node(FINANCE);
    let operation = as_role(&asker, Role::Clerk).await;
    let kept: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let keep = kept.clone();
    federation.lie(
        MARKET,
        Some(Arc::new(move |_, answer| {
            if let Ok(PeerResponse::Check { presentations, .. }) = wire::decode::<PeerResponse>(&answer) {
                *keep.lock().expect("kept") = presentations;
            }
            answer
        })),
    );
    asker.check_run(&operation, wanted(&other, "government-procurement")).await.expect("check");
    let foreign = kept.lock().expect("kept").clone();
    assert_eq!(foreign.len(), 1);
    let lie = rewritten(move |claims, presentations| {
        *presentations = foreign.clone();
        claims.sd_hash = chengxin_schemas::sd_jwt::presentations_digest(presentations);
        let record = chengxin_schemas::sd_jwt::SdJwt::stored(&presentations[0]).expect("record");
        if let AnswerOutcome::Answered { records, .. } = &mut claims.outcome {
            records[0].record = record.claims().jti;
            records[0].presented = record.present(&|_| true).digest();
        }
    });
    lied(&federation, lie, "another subject").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once_from_its_sender_and_in_its_time() {
    let federation = Federation::new().await;
    check(&federation).await;
    let request = federation.last_sent(FINANCE, MARKET);
    let market = federation.node(MARKET);
    let code_of = |answer: Bytes| match wire::decode::<PeerResponse>(&answer).expect("answer") {
        PeerResponse::Failed { code, reason } => (code, reason),
        other => panic!("{other:?}"),
    };
    let (code, reason) = code_of(market.peer_handle(&agency(FINANCE), wire::decode(&request)).await);
    assert_eq!((code, reason.contains("answered before")), (ErrorCode::Conflict, true), "replayed");
    let filter = Filter { kinds: vec![EntryKind::AccessRefused], ..Filter::default() };
    let refused = market.log().search(filter, 10).await.expect("search").entries.remove(0).leaf;
    assert_eq!(refused.peer, Some(agency(FINANCE)), "a refusal is logged with its sender");
    assert_eq!(refused.outcome, chengxin_audit_log::Outcome::Failed(ErrorCode::Conflict));
    let (code, _) = code_of(market.peer_handle(&agency(LEAGUE), wire::decode(&request)).await);
    assert_eq!(code, ErrorCode::Integrity, "sent by another member");
    let league = federation.node(LEAGUE);
    let (code, reason) = code_of(league.peer_handle(&agency(FINANCE), wire::decode(&request)).await);
    assert_eq!(
        (code, reason.contains("another agency")),
        (ErrorCode::Invalid, true),
        "meant for another member"
    );
    for offset in [-3_600, 3_600] {
        federation.clocks[&agency(MARKET)].set(NOW.plus(offset));
        let result = check(&federation).await;
        match outcome_of(&result, MARKET) {
            CoverageOutcome::Silent { code: ErrorCode::Expired, reason } => {
                assert!(reason.contains("clock"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
        federation.clocks[&agency(MARKET)].set(NOW);
    }
    assert!(check(&federation).await.nothing_found());
    for bytes in [&b""[..], b"\x01", b"\x02abc", &request[..request.len() / 2]] {
        let (code, _) = code_of(market.peer_handle(&agency(FINANCE), wire::decode(bytes)).await);
        assert_eq!(code, ErrorCode::Invalid);
    }
    let oversized = wire::encode(&PeerRequest::Check("a".repeat(100_000))).expect("encoded");
    let (code, _) = code_of(market.peer_handle(&agency(FINANCE), wire::decode(&oversized)).await);
    assert_eq!(code, ErrorCode::TooLarge);
}
