//! Operator accounts: nobody watches himself, names are not reused, and the first accounts come all or not at all.

use chengxin_audit_log::{EntryKind, Filter, LoggedEntry, Outcome};
use chengxin_exchange::Node;
use chengxin_exchange::operator::{OperatorDraft, Separation};
use chengxin_exchange::refusal::REFUSALS_PER_MINUTE;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::operator::Role;

use crate::support::{FINANCE, Federation, MARKET, NOW, agency, as_role};

fn draft(name: &str, user_id: u32, role: Role) -> OperatorDraft {
    OperatorDraft {
        name: name.parse().expect("name"),
        display_name: name.to_owned(),
        user_id,
        roles: vec![role],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_different_people_unless_on_trial() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let clerk = as_role(&node, Role::Clerk).await;
    let add = |name: &'static str, user, role, separation| {
        let (node, security) = (node.clone(), security.clone());
        async move { node.operator_add(&security, draft(name, user, role), separation).await }
    };
    add("wu", 7, Role::SystemAdministrator, Separation::Enforced).await.expect("first role of user 7");
    let refused =
        add("wu-two", 7, Role::AuditAdministrator, Separation::Enforced).await.expect_err("same person");
    assert_eq!(refused.code(), ErrorCode::Invalid);
    add("wu-two", 7, Role::AuditAdministrator, Separation::Trial).await.expect("on trial");
    let taken = add("wu", 8, Role::Clerk, Separation::Enforced).await.expect_err("name taken");
    assert_eq!(taken.code(), ErrorCode::Conflict);
    let denied = node.operator_add(&clerk, draft("zhao", 9, Role::Clerk), Separation::Enforced).await;
    assert_eq!(denied.expect_err("a clerk adds nobody").code(), ErrorCode::Denied);
    let founded = node.operators_found(vec![draft("late", 9, Role::Clerk)], Separation::Trial).await;
    assert_eq!(founded.expect_err("only once").code(), ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_does_nothing_and_nobody_disables_himself() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let own = node.operator_disable(&security, security.account()).await;
    assert_eq!(own.expect_err("himself").code(), ErrorCode::Conflict);
    let zhang = "zhang".parse().expect("name");
    node.operator_disable(&security, &zhang).await.expect("disabled");
    let error = node.operation_begin(1, Some(&zhang), None).await.expect_err("disabled");
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    let error = node.operation_begin(2, None, None).await.expect_err("no account of user 2");
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
}

async fn refusals(node: &Node) -> Vec<LoggedEntry> {
    let filter = Filter { kinds: vec![EntryKind::AccessRefused], ..Filter::default() };
    node.log().search(filter, 100).await.expect("search").entries
}

/// All accounts here are of user 1, the acting security administrator's among them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_himself_an_account_unless_on_trial() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let own = OperatorDraft {
        roles: vec![Role::Clerk, Role::Reviewer, Role::Coordinator],
        ..draft("all-of-it", 1, Role::Clerk)
    };
    let refused = node.operator_add(&security, own.clone(), Separation::Enforced).await;
    assert_eq!(refused.expect_err("himself").code(), ErrorCode::Conflict);
    let entry = refusals(&node).await.remove(0).leaf;
    assert_eq!((entry.outcome, entry.rule.as_deref()), (Outcome::Denied, Some("operator.own-user")));
    assert_eq!(entry.actor.account.as_ref(), Some(security.account()));
    node.operator_add(&security, own, Separation::Trial).await.expect("on trial");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_accounts_with_the_role_neither_is_chosen() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let security = as_role(&node, Role::SecurityAdministrator).await;
    node.operator_add(&security, draft("qian", 1, Role::Clerk), Separation::Trial)
        .await
        .expect("second clerk");
    let allowed = [Role::Clerk, Role::Reviewer];
    let error = node.operation_begin_for(1, None, &allowed).await.expect_err("which clerk?");
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    let text = error.to_string();
    assert!(text.contains("qian, zhang; choose one") && !text.contains("li"), "{text}");
    let wanted = "qian".parse().expect("name");
    let chosen = node.operation_begin_for(1, Some(&wanted), &allowed).await.expect("named");
    assert_eq!(chosen.account(), &wanted);
    let only = node.operation_begin_for(1, None, &[Role::Reviewer]).await.expect("one reviewer");
    assert_eq!(only.account().as_str(), "li");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_without_an_account_is_logged_and_cannot_flood_the_log() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let claimed = "li".parse().expect("name");
    let refuse = || node.identity_refused(2, Some(&claimed), Some(Role::Reviewer), "route.record_list");
    for _ in 0..REFUSALS_PER_MINUTE + 5 {
        refuse().await.expect("logged or left out");
    }
    let logged = refusals(&node).await;
    assert_eq!(logged.len(), REFUSALS_PER_MINUTE as usize);
    assert_eq!(logged[0].leaf.actor.account, None, "the account that was claimed did not act");
    let details = async || {
        let newest = refusals(&node).await.remove(0).index;
        node.log().read_body(newest).await.expect("body").details
    };
    let told = details().await;
    assert_eq!(
        (told["uid"].as_str(), told["operator"].as_str(), told["role"].as_str()),
        ("2", "li", "reviewer")
    );
    node.identity_refused(3, None, None, "route.record_list").await.expect("another user");
    assert_eq!(details().await["uid"], "3");
    federation.clocks[&agency(FINANCE)].set(NOW.plus(60));
    refuse().await.expect("the next minute");
    assert_eq!(details().await["omitted"], "5");
}

/// A disk that is full stops the store; who wants to see why is known from before.
#[tokio::test(flavor = "multi_thread")]
async fn the_condition_of_a_node_is_told_while_its_store_cannot_be_read() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let status = node.status().await.expect("status");
    assert_eq!(status.store_fault, None);
    let operation = as_role(&node, Role::Clerk).await;
    let account = operation.account().clone();
    federation.hook(MARKET, Some(std::sync::Arc::new(|_| Box::pin(async { false }))));
    assert!(node.operation_begin(1, Some(&account), None).await.is_err(), "no business");
    let status = node.status().await.expect("status");
    assert!(status.store_fault.is_some_and(|why| why.contains("closed")));
    let known = node.operation_begin_last_known(1, Some(&account), None).expect("known from before");
    assert_eq!(known.account(), &account);
    let stranger = node.operation_begin_last_known(2, Some(&account), None);
    assert!(stranger.is_err(), "another user of the machine");
}
