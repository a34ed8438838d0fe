//! Operator accounts: nobody watches himself, names are not reused, and the first accounts come all or not at all.

use chengxin_exchange::operator::{OperatorDraft, Separation};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::operator::Role;

use crate::support::{FINANCE, Federation, as_role};

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
