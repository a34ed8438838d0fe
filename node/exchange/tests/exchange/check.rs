//! Checks across the federation, with honest members, silent ones and liars.

use std::sync::Arc;

use bytes::Bytes;
use chengxin_audit_log::log::Filter;
use chengxin_audit_log::{EntryKind, LoggedEntry};
use chengxin_exchange::ExchangeError;
use chengxin_exchange::certificate::certificate_verify;
use chengxin_exchange::check::{CheckRequest, CheckResult};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome};
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};

use crate::support::{
    FINANCE, Federation, LEAGUE, Lie, MARKET, NOW, SUBJECT, agency, as_role, penalty_file,
    serious_then_general, signing,
};

pub(crate) fn wanted(subject: &str, purpose: &str) -> CheckRequest {
    CheckRequest {
        subject: SubjectId::parse(subject).expect("subject"),
        check_exception: None,
        subject_name: None,
        purpose: purpose.parse().expect("purpose"),
        case_reference: "CG-2026-031".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    }
}

pub(crate) async fn check(federation: &Federation) -> CheckResult {
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
async fn a_record_is_found_redacted_and_logged_at_both_ends() {
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
    let market = newest_entry(&federation, MARKET, EntryKind::AnswerDisclosed).await.leaf;
    assert_eq!(market.actor.agency, agency(FINANCE));
    assert!(market.disclosed.iter().any(|class| class.shown > 0));
    let league = newest_entry(&federation, LEAGUE, EntryKind::AnswerDisclosed).await.leaf;
    let requested = newest_entry(&federation, FINANCE, EntryKind::CheckRequested).await;
    let body = federation.node(FINANCE).log().read_body(requested.index).await.expect("body");
    assert_ne!(market.request, league.request);
    for (code, answered) in [(MARKET, market), (LEAGUE, league)] {
        let asked = body.details.get(&format!("asked.{code}")).expect("the agency asked is named");
        assert_eq!(*asked, answered.request.expect("digest").to_string(), "{code}");
    }
    let finished = newest_entry(&federation, FINANCE, EntryKind::CheckAnswered).await;
    assert_eq!(finished.leaf.outcome, chengxin_audit_log::Outcome::Allowed);
    assert!(requested.index < finished.index);
}

pub(crate) async fn newest_entry(federation: &Federation, code: &str, kind: EntryKind) -> LoggedEntry {
    let filter = Filter { kinds: vec![kind], ..Filter::default() };
    federation.node(code).log().search(filter, 10).await.expect("search").entries.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_leaves_that_is_not_logged() {
    let federation = Federation::new().await;
    federation.down(LEAGUE, true);
    check(&federation).await;
    let PeerRequest::Check(text) = wire::decode(&federation.last_sent(FINANCE, LEAGUE)).expect("request")
    else {
        panic!("another message")
    };
    let requested = newest_entry(&federation, FINANCE, EntryKind::CheckRequested).await;
    let body = federation.node(FINANCE).log().read_body(requested.index).await.expect("body");
    let digest = chengxin_schemas::digest::Sha256::of(text.as_bytes()).to_string();
    assert_eq!(
        body.details.get(&format!("asked.{LEAGUE}")),
        Some(&digest),
        "asked, though it never answered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn older_records_of_the_category_asked_about_are_found_behind_newer_ones_of_others() {
    let federation = Federation::new().await;
    let serious = InformationCategory::SeriousBreach;
    // More than an answer holds at the peer, more than a check shows of its own at the asker.
    for (code, general) in [(MARKET, 201), (FINANCE, 1_000)] {
        let node = federation.node(code);
        let clerk = as_role(&node, Role::Clerk).await;
        let file = serious_then_general(general);
        node.import_run(&clerk, file, Default::default(), Arc::new(|_| {})).await.expect("import");
    }
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let request = CheckRequest { categories: vec![serious], ..wanted(SUBJECT, "government-procurement") };
    let result = node.check_run(&clerk, request).await.expect("check");
    let found: Vec<_> = result.records.iter().map(|record| (record.issuer, record.claims.category)).collect();
    assert_eq!(found, [(agency(FINANCE), serious), (agency(MARKET), serious)]);
    assert!(result.complete);

    // All categories: both hold more than can be shown, and cover nothing.
    let result = check(&federation).await;
    for (code, shown) in [(MARKET, 200), (FINANCE, 1_000)] {
        match outcome_of(&result, code) {
            CoverageOutcome::Answered { categories, records, .. } => {
                assert_eq!((categories.len(), *records), (0, shown), "{code}");
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    assert!(!result.complete);
    // What was cut off stays so in the certificate.
    let file = node.certificate_issue(&clerk, &result).await.expect("certificate");
    let bytes = serde_json::to_vec(&file).expect("json");
    let verified = certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
    assert!(!verified.claims().complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peers_words_are_cut_and_cleaned() {
    let federation = Federation::new().await;
    let words = format!("\u{1b}[31m{}\r\n\u{202E}", "拒".repeat(2_000));
    let refusal = PeerResponse::Failed { code: ErrorCode::Busy, reason: words.clone() };
    let refusal = Bytes::from(wire::encode(&refusal).expect("encoded"));
    federation.lie(MARKET, Some(Arc::new(move |_, _| refusal.clone())));
    federation.refuse(LEAGUE, Some(&words));
    let result = check(&federation).await;
    for code in [MARKET, LEAGUE] {
        match outcome_of(&result, code) {
            CoverageOutcome::Silent { code: ErrorCode::Busy, reason } => {
                assert_eq!(*reason, format!("[31m{}", "拒".repeat(296)), "{code}");
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    federation.refuse(LEAGUE, None);
    let loud = rewritten(move |claims, presentations| {
        presentations.clear();
        claims.sd_hash = chengxin_schemas::sd_jwt::presentations_digest(presentations);
        let rule = Some("\u{7}rule".to_owned());
        claims.outcome = AnswerOutcome::Refused { code: ErrorCode::Denied, rule, reason: words.clone() };
    });
    federation.lie(MARKET, Some(loud));
    match outcome_of(&check(&federation).await, MARKET) {
        CoverageOutcome::Refused { rule: Some(rule), reason, .. } => {
            assert_eq!((rule.as_str(), reason.chars().count()), ("rule", 300));
        }
        other => panic!("{other:?}"),
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_category_that_is_named_and_refused_is_denied_and_not_left_out() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let both = vec![InformationCategory::SeriousBreach, InformationCategory::RiskWarning];
    let licensing = wanted(SUBJECT, "administrative-licensing");
    let request = CheckRequest { categories: both, ..licensing.clone() };
    let error = node.check_run(&clerk, request).await.expect_err("risk warnings are not for licensing");
    let ExchangeError::Denied(denied) = error else { panic!("{error}") };
    assert_eq!(denied.rule.as_str(), "entry.no-risk-warning");
    let denial = newest_entry(&federation, FINANCE, EntryKind::CheckDenied).await.leaf;
    assert_eq!(denial.rule.as_deref(), Some(denied.rule.as_str()));
    // Nobody named: what the purpose allows is asked about, and said to be.
    let result = node.check_run(&clerk, licensing).await.expect("check");
    assert!(result.complete && !result.categories.contains(&InformationCategory::RiskWarning));
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
    lied(&federation, hide, "another number of records").await;
    let as_other = rewritten(|claims, _| claims.iss = agency(LEAGUE));
    lied(&federation, as_other, "iss names another agency").await;
    let hour = rewritten(|claims, _| claims.iat = NOW.plus(3_600));
    lied(&federation, hour, "clocks of both nodes").await;
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
    for state in RecordState::ALL.iter().copied().filter(|state| !state.counts()) {
        let over = rewritten(move |claims, _| {
            if let AnswerOutcome::Answered { records, .. } = &mut claims.outcome {
                records[0].state = state;
            }
        });
        lied(&federation, over, "does not count").await;
    }
    let twice = rewritten(|claims, presentations| {
        presentations.push(presentations[0].clone());
        claims.sd_hash = chengxin_schemas::sd_jwt::presentations_digest(presentations);
        if let AnswerOutcome::Answered { records, .. } = &mut claims.outcome {
            records.push(records[0].clone());
        }
    });
    lied(&federation, twice, "a record twice").await;
    assert_eq!(check(&federation).await.records.len(), 1, "the node works on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_about_another_subject_is_refused() {
    let other = chengxin_import::generate::organisation_code(5);
    // Somebody else, and somebody else whose code has the same organisation code in it.
    for other in [&other[..], "91150200DEM0005674"] {
        another_is_refused(other).await;
    }
}

async fn another_is_refused(other: &str) {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    // The member answers our question about the subject with what it holds about the other.
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let file = penalty_file(other, "示例别家有限公司", "示市监罚〔2026〕89号", "1");
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
    asker.check_run(&operation, wanted(other, "government-procurement")).await.expect("check");
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

/// What one refuses of the other because of its time is seen at both, for an hour; how a body finds out whose clock it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_differs_is_seen_by_everybody_whom_it_meets() {
    let federation = Federation::new().await;
    let differing = async |code: &str| {
        let status = federation.node(code).status().await.expect("status");
        status.clock.differing.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(check(&federation).await.complete);
    for code in [FINANCE, MARKET, LEAGUE] {
        assert!(differing(code).await.is_empty(), "{code}");
    }
    federation.clocks[&agency(FINANCE)].set(NOW.plus(3_600));
    assert!(!check(&federation).await.complete);
    assert_eq!(differing(FINANCE).await, [MARKET, LEAGUE]);
    assert_eq!(
        (differing(MARKET).await, differing(LEAGUE).await),
        (vec![FINANCE.into()], vec![FINANCE.into()])
    );
    // Set right: what was seen by the wrong clock is over at once, and by the others in an hour.
    federation.clocks[&agency(FINANCE)].set(NOW);
    assert!(check(&federation).await.complete);
    assert!(differing(FINANCE).await.is_empty());
    federation.clocks[&agency(MARKET)].set(NOW.plus(3_600));
    assert!(differing(MARKET).await.is_empty());
    // Behind the last signature of the directory it is seen without anybody else.
    assert_eq!(federation.node(LEAGUE).status().await.expect("status").clock.behind_directory, None);
    federation.clocks[&agency(LEAGUE)].set(NOW.plus(-3_600));
    assert_eq!(federation.node(LEAGUE).status().await.expect("status").clock.behind_directory, Some(3_600));
}
