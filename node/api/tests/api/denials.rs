//! Every route × every role, over the socket: who may not is told so, with the rule, and nothing happens.

use chengxin_api::routes::ROUTES;
use chengxin_api::types::audit::AuditEntries;
use chengxin_api::types::problem::Problem;
use chengxin_exchange::refusal::REFUSALS_PER_MINUTE;
use chengxin_schemas::ErrorCode;

use crate::day::get;
use crate::socket::call;
use crate::support::{ACCOUNTS, OWN, Served, own_uid};

/// A path of the route with identifiers of things that do not exist.
fn path_of(route: &str) -> String {
    let zeros = "0".repeat(32);
    route
        .replace("{name}", "nobody")
        .replace("{record}", &format!("r-{zeros}"))
        .replace("{id}", &format!("b-{zeros}"))
        .replace("{notice}", &format!("n-{zeros}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_every_role_that_is_not_in_its_entry() {
    let served = Served::start(own_uid()).await;
    let (mut refused, mut passed) = (0, 0);
    for route in ROUTES {
        for (account, role) in ACCOUNTS {
            let path = path_of(route.path);
            let answer =
                call(&served.socket, route.method, &path, &[("x-chengxin-operator", account)], "{}").await;
            let place = format!("{} {} as {account}", route.method, route.path);
            if route.allowed.permits(*role) {
                assert!(!matches!(answer.status, 401 | 403), "{place}: {}", answer.text());
                passed += 1;
            } else {
                assert_eq!(answer.status, 403, "{place}: {}", answer.text());
                let problem: Problem = answer.json();
                assert_eq!(problem.code, ErrorCode::Denied);
                assert_eq!(problem.rule, Some(format!("route.{}", route.name)));
                assert!(!problem.trace_id.is_empty() && problem.fix_zh.is_some(), "{place}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused + passed, ROUTES.len() * ACCOUNTS.len());
    assert!(refused > passed / 2, "{refused} refused, {passed} passed");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_an_account_is_nobody_on_every_route() {
    let served = Served::start(own_uid().wrapping_add(1)).await;
    let before = served.services.node.log().tree_size();
    for route in ROUTES {
        for headers in [&[][..], &[("x-chengxin-operator", "security")][..]] {
            let answer = call(&served.socket, route.method, &path_of(route.path), headers, "{}").await;
            assert_eq!(answer.status, 401, "{} {}", route.method, route.path);
            assert_eq!(answer.json::<Problem>().code, ErrorCode::Unauthenticated);
        }
    }
    // Each refusal is logged up to the bound, and no more: the clock of this node stands still.
    let logged = served.services.node.log().tree_size() - before;
    assert!(ROUTES.len() * 2 > REFUSALS_PER_MINUTE as usize);
    assert_eq!(logged, u64::from(REFUSALS_PER_MINUTE));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_account_does_not_have_cannot_be_taken() {
    let served = Served::start(own_uid()).await;
    for (role, account) in [("audit_administrator", "clerk"), ("reviewer", "clerk"), ("clerk", "audit")] {
        let headers = [("x-chengxin-operator", account), ("x-chengxin-role", role)];
        let answer = call(&served.socket, "GET", "/api/v1/status", &headers, "").await;
        assert_eq!(answer.status, 403, "{account} as {role}");
    }
    // Refused and logged, although nobody was identified.
    let entries: AuditEntries = get(&served, "audit", "/api/v1/audit?event=access_refused").await.json();
    assert_eq!(entries.entries.len(), 3, "{entries:?}");
    for entry in &entries.entries {
        assert_eq!((entry.actor.as_str(), entry.rule.as_deref()), (OWN, Some("route.status_show")));
    }
    let answer = call(&served.socket, "GET", "/api/v1/status", &[("x-chengxin-role", "king")], "").await;
    assert_eq!(answer.status, 400);
    served.stop().await;
}
