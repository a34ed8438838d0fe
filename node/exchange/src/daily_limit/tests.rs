//! Limits of an operator and of a body, here and at peers.

use std::sync::Arc;

use chengxin_audit_log::log::Filter;
use chengxin_policy::{Authoriser, Bundle, BundleFiles, DenialReason};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;

use super::*;
use crate::audit::EntryKind;
use crate::check::CheckRequest;
use crate::node::Node;
use crate::operation::Operation;
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, NOW, SUBJECT, agency, as_role};

const LIMITED: &str = "government-procurement";

/// The baseline with limits on one purpose.
fn limited(limits: &str) -> Arc<Authoriser> {
    let code = format!("code = \"{LIMITED}\"\n");
    let files = BundleFiles::baseline();
    let texts = files.iter().map(|(name, text)| {
        let text = match name {
            "purposes.toml" => text.replacen(&code, &format!("{code}{limits}\n"), 1),
            _ => text.to_owned(),
        };
        (name.to_owned(), text)
    });
    let bundle = BundleFiles::new(texts.collect()).and_then(Bundle::from_files).expect("bundle");
    Arc::new(Authoriser::new(bundle).expect("policy"))
}

fn wanted(purpose: &str) -> CheckRequest {
    CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
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

async fn entries(node: &Node, kind: EntryKind) -> Vec<Option<String>> {
    let filter = Filter { kinds: vec![kind], ..Filter::default() };
    let found = node.log().search(filter, 100).await.expect("search").entries;
    found.into_iter().map(|entry| entry.leaf.rule).collect()
}

#[test]
fn requests_are_counted_by_body_purpose_and_day() {
    let (one, two) = (agency("11152105011615449P"), agency("11150000DEM000129D"));
    let code = |code: &str| code.parse::<PurposeCode>().expect("code");
    let mut counts = DailyCounts { pairs_limit: 3, ..DailyCounts::default() };
    // 23:59:59 in China, which is 15:59:59 UTC.
    let late = UnixTime(15 * 3_600 + 59 * 60 + 59);
    let mut count = |body, purpose, now| counts.count(&body, &code(purpose), 2, now);
    assert_eq!(count(one, "bidding", late), Counted::Within);
    assert_eq!(count(one, "bidding", late), Counted::Within);
    assert_eq!(count(one, "bidding", late), Counted::Over);
    assert_eq!(count(two, "bidding", late), Counted::Within, "another body");
    assert_eq!(count(one, "awards", late), Counted::Within, "another purpose");
    assert_eq!(count(two, "awards", late), Counted::Full, "a fourth pair");
    assert_eq!(count(one, "bidding", late), Counted::Over, "those that are counted stay counted");
    assert_eq!(count(one, "bidding", late.plus(1)), Counted::Within, "the next day in China");
    assert_eq!(count(two, "awards", late.plus(1)), Counted::Within);
}

/// What a check is denied by, before anybody is asked.
async fn denied(node: &Arc<Node>, operation: &Operation) -> Box<Denied> {
    let requested = entries(node, EntryKind::CheckRequested).await.len();
    let error = node.check_run(operation, wanted(LIMITED)).await.expect_err("over");
    let ExchangeError::Denied(denied) = error else { panic!("{error}") };
    assert_eq!(entries(node, EntryKind::CheckRequested).await.len(), requested, "nobody is asked");
    let rules = entries(node, EntryKind::CheckDenied).await;
    assert_eq!(rules[0].as_deref(), Some(denied.rule.as_str()), "logged like every denial");
    denied
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_over_the_limit_is_denied_and_nobody_is_asked() {
    let federation = Federation::new().await;
    // To peers the limit of an operator is none.
    for code in [FINANCE, MARKET, LEAGUE] {
        federation.node(code).policy.send_replace(limited("daily_limit = 2"));
    }
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    for _ in 0..2 {
        assert!(node.check_run(&clerk, wanted(LIMITED)).await.expect("within").complete);
    }
    // What is denied for another reason uses nothing up.
    let bad = wanted("securities-issuance");
    assert_eq!(node.check_run(&clerk, bad).await.expect_err("denied").code(), ErrorCode::Denied);
    let over = denied(&node, &clerk).await;
    assert_eq!(over.rule.as_str(), "purpose.government-procurement.daily-limit");
    assert_eq!(over.reason, DenialReason::DailyLimit { limit: 2 });
    // Another operator has a limit of his own, another purpose none.
    let reviewer = as_role(&node, Role::Reviewer).await;
    assert!(node.check_run(&reviewer, wanted(LIMITED)).await.expect("within").complete);
    assert!(node.check_run(&clerk, wanted("bidding")).await.is_ok());
    // Counts that cannot be read keep nobody from checking.
    let mut batch = Batch::new();
    batch.put(keyspace::checks_of_day(&LIMITED.parse().expect("code"), Some(clerk.account())), vec![9]);
    node.parts.store.commit(batch).await.expect("committed");
    for _ in 0..2 {
        assert!(node.check_run(&clerk, wanted(LIMITED)).await.is_ok(), "counted from nothing");
    }
    denied(&node, &clerk).await;
    federation.clocks[&agency(FINANCE)].set(NOW.plus(86_400));
    assert!(node.check_run(&clerk, wanted(LIMITED)).await.is_ok(), "the next day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_denied_by_its_own_node_before_its_peers_would() {
    let federation = Federation::new().await;
    let policy = limited("daily_limit = 2\ndaily_limit_body = 3");
    for code in [FINANCE, MARKET, LEAGUE] {
        federation.node(code).policy.send_replace(policy.clone());
    }
    for restarted in [false, true] {
        if restarted {
            federation.node_drop_idle(FINANCE).await;
            federation.node_start(FINANCE, false).await;
            federation.node(FINANCE).policy.send_replace(policy.clone());
        }
        let node = federation.node(FINANCE);
        let clerk = as_role(&node, Role::Clerk).await;
        let reviewer = as_role(&node, Role::Reviewer).await;
        if !restarted {
            for operation in [&clerk, &clerk, &reviewer] {
                assert!(node.check_run(operation, wanted(LIMITED)).await.expect("within").complete);
            }
        }
        // He has asked once, and his colleague the rest; a restart changes nothing.
        let over = denied(&node, &reviewer).await;
        assert_eq!(over.rule.as_str(), "purpose.government-procurement.daily-limit-body");
        assert_eq!(over.reason, DenialReason::DailyLimitBody { limit: 3 });
    }
    let market = federation.node(MARKET);
    assert_eq!(entries(&market, EntryKind::AnswerDisclosed).await.len(), 3);
    assert!(entries(&market, EntryKind::AnswerRefused).await.is_empty(), "no check was left in the middle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_gets_no_answer_from_a_peer_that_counts() {
    let federation = Federation::new().await;
    let market = federation.node(MARKET);
    market.policy.send_replace(limited("daily_limit = 1\ndaily_limit_body = 2"));
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let reviewer = as_role(&node, Role::Reviewer).await;
    // The own node does not count: its policy sets no limit. The peer counts the body, whoever asks there.
    for operation in [&clerk, &reviewer] {
        assert!(node.check_run(operation, wanted(LIMITED)).await.expect("within").complete);
    }
    let result = node.check_run(&clerk, wanted(LIMITED)).await.expect("the check runs");
    assert!(!result.complete && !result.nothing_found());
    let outcome =
        &result.coverage.iter().find(|entry| entry.agency == agency(MARKET)).expect("asked").outcome;
    let CoverageOutcome::Refused { code, rule, .. } = outcome else { panic!("{outcome:?}") };
    let over = Some("purpose.government-procurement.daily-limit-body".to_owned());
    assert_eq!((*code, rule), (ErrorCode::Denied, &over));
    assert_eq!(entries(&market, EntryKind::AnswerRefused).await, [over]);
    assert_eq!(entries(&market, EntryKind::AnswerDisclosed).await.len(), 2);
}
