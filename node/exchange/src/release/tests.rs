//! Checks that a colleague has to release, at both ends.

use std::sync::Arc;

use chengxin_audit_log::log::Filter;
use chengxin_policy::{Authoriser, Bundle, BundleFiles, DenialReason, ReplayOutcome};
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::unified_code::CheckException;

use super::*;
use crate::certificate::certificate_verify;
use crate::check::CheckResult;
use crate::operator::OperatorDraft;
use crate::support::{FINANCE, Federation, MARKET, NOW, SUBJECT, agency, as_role};

const PURPOSE: &str = "bidding";
const OTHER_SUBJECT: &str = "91150102MA0DEM128A";

/// The baseline in which a purpose needs a second person.
fn two_persons() -> Arc<Authoriser> {
    let files = BundleFiles::baseline();
    let texts = files.iter().map(|(name, text)| {
        let text = match name {
            "purposes.toml" => {
                let code = format!("code = \"{PURPOSE}\"\n");
                text.replacen(&code, &format!("{code}second_person = true\n"), 1)
            }
            "tests.toml" => {
                let purpose = format!("purpose = \"{PURPOSE}\"\n");
                text.replace(&purpose, &format!("{purpose}released_by = \"clerk\"\n"))
            }
            _ => text.to_owned(),
        };
        (name.to_owned(), text)
    });
    let bundle = BundleFiles::new(texts.collect()).and_then(Bundle::from_files).expect("bundle");
    Arc::new(Authoriser::new(bundle).expect("policy"))
}

fn wanted(release: Option<ReleaseId>) -> CheckRequest {
    CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
        check_exception: None,
        subject_name: None,
        purpose: PURPOSE.parse().expect("purpose"),
        case_reference: "ZB-2026-007".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release,
        categories: Vec::new(),
        deadline_ms: 1_000,
    }
}

fn of_market(result: &CheckResult) -> CoverageOutcome {
    let entry = result.coverage.iter().find(|entry| entry.agency == agency(MARKET));
    entry.expect("asked").outcome.clone()
}

/// A federation in which the policy of the asking node demands a second person, with clerk and reviewer there.
async fn demanding() -> (Federation, Arc<Node>, Operation, Operation) {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    node.policy.send_replace(two_persons());
    let (clerk, reviewer) = (as_role(&node, Role::Clerk).await, as_role(&node, Role::Reviewer).await);
    (federation, node, clerk, reviewer)
}

async fn given(node: &Node, clerk: &Operation, reviewer: &Operation) -> ReleaseId {
    let asked = node.release_request(clerk, &wanted(None)).await.expect("asked");
    assert!(asked.decided.is_none());
    node.release_decide(reviewer, Separation::Trial, &asked.id, None).await.expect("given");
    asked.id
}

async fn kinds(node: &Node) -> Vec<EntryKind> {
    let page = node.log().search(Filter::default(), 1_000).await.expect("search");
    page.entries.iter().rev().map(|entry| entry.leaf.kind).collect()
}

fn words<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.expect_err("refused").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colleague_releases_one_check_and_both_logs_and_the_certificate_say_who() {
    let (federation, node, clerk, reviewer) = demanding().await;
    let error = node.check_run(&clerk, wanted(None)).await.expect_err("denied");
    let ExchangeError::Denied(denied) = error else { panic!("{error}") };
    assert_eq!(denied.reason, DenialReason::SecondPerson);
    assert_eq!(denied.rule.as_str(), "purpose.bidding.second-person");

    let asked = node.release_request(&clerk, &wanted(None)).await.expect("asked");
    assert!(words(node.check_run(&clerk, wanted(Some(asked.id))).await).contains("not decided yet"));
    let listed = node.release_list(&reviewer).await.expect("list");
    assert_eq!((listed.len(), listed[0].id, listed[0].by.as_str()), (1, asked.id, "zhang"));
    node.release_decide(&reviewer, Separation::Trial, &asked.id, None).await.expect("given");
    let again = node.release_decide(&reviewer, Separation::Trial, &asked.id, None).await;
    assert!(words(again).contains("decided already"));

    let result = node.check_run(&clerk, wanted(Some(asked.id))).await.expect("check");
    let li = OperatorReference { account: "li".parse().expect("name"), role: Role::Reviewer };
    assert_eq!(result.released_by.as_ref(), Some(&li));
    assert!(result.complete);
    // It served one check.
    assert!(matches!(
        node.check_run(&clerk, wanted(Some(asked.id))).await,
        Err(ExchangeError::NotFound { what: "the release" })
    ));
    assert!(node.release_list(&clerk).await.expect("list").is_empty());

    let file = node.certificate_issue(&clerk, &result).await.expect("certificate");
    let bytes = serde_json::to_vec(&file).expect("json");
    let verified = certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
    assert_eq!(verified.claims().released_by.as_ref(), Some(&li));

    for (code, kind) in [
        (FINANCE, EntryKind::CheckRequested),
        (FINANCE, EntryKind::CheckAnswered),
        (FINANCE, EntryKind::CertificateIssued),
        (MARKET, EntryKind::AnswerDisclosed),
    ] {
        let node = federation.node(code);
        let filter = Filter { kinds: vec![kind], ..Filter::default() };
        let page = node.log().search(filter, 1).await.expect("search");
        let body = node.log().read_body(page.entries[0].index).await.expect("body");
        assert_eq!(body.details["released_by"], "li reviewer", "{kind:?}");
    }
    let kinds = kinds(&node).await;
    let place = |kind| kinds.iter().position(|one| *one == kind).expect("logged");
    assert!(place(EntryKind::ReleaseRequested) < place(EntryKind::ReleaseGiven));
    assert!(place(EntryKind::ReleaseGiven) < place(EntryKind::CheckRequested));

    // Simulated under the same policy, the check that was released is permitted, the first one denied.
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let seen = node
        .policy_simulate(&security, [&node.policy(), &two_persons()], UnixTime(0))
        .await
        .expect("simulated");
    assert!(seen.lines.iter().all(|line| line.outcome != ReplayOutcome::Denied), "{:?}", seen.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answering_nodes_policy_demands_a_release_of_its_own() {
    let (federation, node, clerk, reviewer) = demanding().await;
    let free = Federation::new().await.node(FINANCE).policy();
    federation.node(MARKET).policy.send_replace(two_persons());
    let id = given(&node, &clerk, &reviewer).await;
    let released = node.check_run(&clerk, wanted(Some(id))).await.expect("check");
    assert!(matches!(of_market(&released), CoverageOutcome::Answered { .. }));
    // A node whose policy demands none asks without one.
    node.policy.send_replace(free);
    let result = node.check_run(&clerk, wanted(None)).await.expect("check");
    let CoverageOutcome::Refused { rule, .. } = of_market(&result) else { panic!("answered without one") };
    assert_eq!(rule.as_deref(), Some("purpose.bidding.second-person"));
    assert!(words(node.release_request(&clerk, &wanted(None)).await).contains("needs none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_for_the_check_that_was_asked_for_and_nobodys_else() {
    let (_federation, node, clerk, reviewer) = demanding().await;
    let id = given(&node, &clerk, &reviewer).await;
    let other = SubjectId::parse(OTHER_SUBJECT).expect("subject");
    let changes: [fn(&mut CheckRequest); 4] = [
        |wanted| wanted.subject_name = Some("示例甲".to_owned()),
        |wanted| wanted.purpose = "government-procurement".parse().expect("purpose"),
        |wanted| wanted.case_reference = "ZB-2026-008".parse().expect("case"),
        |wanted| wanted.legal_basis = Some("《示例条例》第十八条".parse().expect("basis")),
    ];
    let mut checks: Vec<CheckRequest> = changes
        .map(|change| {
            let mut wanted = wanted(Some(id));
            change(&mut wanted);
            wanted
        })
        .into();
    checks.push(CheckRequest { subject: other, ..wanted(Some(id)) });
    for check in checks {
        let error = words(node.check_run(&clerk, check).await);
        assert!(error.contains("not those it was asked for"), "{error}");
        assert!(!error.contains(SUBJECT) && !error.contains(OTHER_SUBJECT), "{error}");
    }
    // The reviewer's own check is another one.
    assert!(matches!(
        node.check_run(&reviewer, wanted(Some(id))).await,
        Err(ExchangeError::NotFound { what: "the release" })
    ));
    let denials = kinds(&node).await.into_iter().filter(|kind| *kind == EntryKind::CheckDenied).count();
    assert_eq!(denials, 6, "logged like any denial");
    // None of this used it up.
    assert!(node.check_run(&clerk, wanted(Some(id))).await.expect("check").complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_releases_a_check_of_his_own() {
    let (_federation, node, clerk, reviewer) = demanding().await;
    let asked = node.release_request(&clerk, &wanted(None)).await.expect("asked");
    let own = node.release_decide(&clerk, Separation::Trial, &asked.id, None).await;
    assert!(words(own).contains("of his own"));
    // Another account of the same user is the same person where duties are separated.
    let same_user = node.release_decide(&reviewer, Separation::Enforced, &asked.id, None).await;
    assert!(words(same_user).contains("of his own"));
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let colleague = OperatorDraft {
        name: "wu".parse().expect("name"),
        display_name: "wu".to_owned(),
        user_id: 2,
        roles: vec![Role::Clerk],
    };
    node.operator_add(&security, colleague, Separation::Trial).await.expect("account");
    let wu = node.operation_begin(2, None, Some(Role::Clerk)).await.expect("account");
    node.release_decide(&wu, Separation::Enforced, &asked.id, None).await.expect("another user");
    // A clerk may act under the purpose, so he may release it.
    assert!(node.check_run(&clerk, wanted(Some(asked.id))).await.expect("check").complete);
    let auditor = as_role(&node, Role::AuditAdministrator).await;
    assert!(matches!(node.release_list(&auditor).await, Err(ExchangeError::Role { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_stands_with_its_reason() {
    let (_federation, node, clerk, reviewer) = demanding().await;
    let asked = node.release_request(&clerk, &wanted(None)).await.expect("asked");
    let reason = Some("案卷中没有投标文件".to_owned());
    node.release_decide(&reviewer, Separation::Trial, &asked.id, reason.clone()).await.expect("refused");
    let error = words(node.check_run(&clerk, wanted(Some(asked.id))).await);
    assert!(error.contains("was refused"), "{error}");
    let listed = node.release_list(&clerk).await.expect("list");
    assert_eq!(listed[0].decided.as_ref().expect("decided").refusal, reason);
    assert!(!format!("{listed:?}").contains(SUBJECT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends_by_time_and_each_operator_has_a_number_of_them() {
    let (federation, node, clerk, reviewer) = demanding().await;
    let open = node.release_request(&clerk, &wanted(None)).await.expect("asked").id;
    let id = given(&node, &clerk, &reviewer).await;
    assert_eq!(node.release_list(&clerk).await.expect("list").len(), 2);
    federation.clocks[&agency(FINANCE)].set(NOW.plus(GIVEN_SECONDS + 1));
    let later = as_role(&node, Role::Clerk).await;
    assert!(matches!(
        node.check_run(&later, wanted(Some(id))).await,
        Err(ExchangeError::NotFound { what: "the release" })
    ));
    let left: Vec<_> = node.release_list(&later).await.expect("list").iter().map(|one| one.id).collect();
    assert_eq!(left, [open], "whoever decides has longer");
    for _ in 1..OPERATOR_LIMIT {
        node.release_request(&later, &wanted(None)).await.expect("asked");
    }
    let error = node.release_request(&later, &wanted(None)).await.expect_err("too many");
    assert!(matches!(error, ExchangeError::Busy { what: "releases", .. }));
    let colleague = as_role(&node, Role::Reviewer).await;
    node.release_request(&colleague, &wanted(None)).await.expect("has room of his own");
    // They are kept over a restart, and go when nobody decided.
    drop((node, clerk, reviewer, later, colleague));
    federation.node_drop_idle(FINANCE).await;
    federation.node_start(FINANCE, false).await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let all = node.release_list(&clerk).await.expect("list");
    assert_eq!(all.len(), OPERATOR_LIMIT + 1, "his own, and the one he may give");
    federation.clocks[&agency(FINANCE)].set(NOW.plus(GIVEN_SECONDS + OPEN_SECONDS + 2));
    let clerk = as_role(&node, Role::Clerk).await;
    assert!(node.release_list(&clerk).await.expect("list").is_empty());
}

/// A code whose check is wrong needs somebody's word for the release, too, and is kept like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_somebody_vouches_for_is_released_like_any_other() {
    let (_federation, node, clerk, reviewer) = demanding().await;
    let exception =
        CheckException { accepted_by: "zhang".to_owned(), reason: "证照原件如此印制".to_owned() };
    let subject = SubjectId::accept("91150102MA0DEM1287", &exception).expect("accepted");
    let unvouched = CheckRequest { subject: subject.clone(), ..wanted(None) };
    assert!(words(node.release_request(&clerk, &unvouched).await).contains("nobody vouches"));
    let vouched = CheckRequest { check_exception: Some(exception), ..unvouched };
    let id = node.release_request(&clerk, &vouched).await.expect("asked").id;
    assert_eq!(node.release_list(&reviewer).await.expect("list")[0].subject, subject);
    node.release_decide(&reviewer, Separation::Trial, &id, None).await.expect("given");
    let check = CheckRequest { release: Some(id), ..vouched };
    assert!(node.check_run(&clerk, check).await.expect("check").complete);
}
