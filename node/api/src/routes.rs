//! Every route with the roles that may call it. The router is built from this table, so a route without roles, or a
//! role check that somebody forgot, cannot be written.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::operator::Role;

use crate::failure::{Failure, problem_write};
use crate::gate::{Gates, gate};
use crate::handlers::{
    audit, check, config, federation, import, import_errors, import_file, notice, operator, peer, policy,
    policy_content, policy_diff, policy_plan, policy_simulation, record, release, restriction, status,
};
use crate::services::Services;
use crate::types::problem::Problem;

/// One route.
pub struct Route {
    /// The same `noun_verb` as in `exchange` and on the command line.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path with `{names}`.
    pub path: &'static str,
    /// Who may call it.
    pub allowed: Allowed,
    /// Longest time until the answer begins.
    pub time_limit: Duration,
    /// Largest document in the request, in bytes. Files are streamed and have their own limit.
    pub body_limit: usize,
    handler: fn() -> MethodRouter<Arc<Services>>,
}

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Whoever has an enabled account.
    Anyone,
    /// Whoever acts in one of these roles.
    Roles(&'static [Role]),
}

impl Allowed {
    /// Whether `role` may.
    pub fn permits(self, role: Role) -> bool {
        match self {
            Self::Anyone => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

const STAFF: Allowed = Allowed::Roles(&[Role::Clerk, Role::Reviewer]);
const REVIEWER: Allowed = Allowed::Roles(&[Role::Reviewer]);
const COORDINATOR: Allowed = Allowed::Roles(&[Role::Coordinator]);
const SECURITY: Allowed = Allowed::Roles(&[Role::SecurityAdministrator]);
const ACCOUNTS: Allowed = Allowed::Roles(&[Role::SecurityAdministrator, Role::AuditAdministrator]);
const AUDITOR: Allowed = Allowed::Roles(&[Role::AuditAdministrator]);
/// Who writes rules, and who watches over them.
const RULES: Allowed =
    Allowed::Roles(&[Role::Coordinator, Role::SecurityAdministrator, Role::AuditAdministrator]);
const ADMINISTRATORS: Allowed =
    Allowed::Roles(&[Role::AuditAdministrator, Role::SecurityAdministrator, Role::SystemAdministrator]);

/// Reading and writing the store takes milliseconds; a node that needs a minute is in trouble.
const SHORT: Duration = Duration::from_secs(60);
/// A check waits for peers at most 60 s and then signs; files arrive and logs are verified at the speed of disks.
const LONG: Duration = Duration::from_secs(540);
/// Requests are forms: an application with keys and addresses is the largest.
const DOCUMENT: usize = 2 << 20;
/// A policy bundle in its packed form.
const BUNDLE: usize = chengxin_policy::PACKED_LIMIT;

macro_rules! routes {
    ($($name:literal $method:ident $path:literal $allowed:ident $time:ident $handler:path $(, $limit:ident)?;)+) => {
        /// Every route there is.
        pub const ROUTES: &[Route] = &[$(Route {
            name: $name,
            method: routes!(@method $method),
            path: $path,
            allowed: $allowed,
            time_limit: $time,
            body_limit: routes!(@limit $($limit)?),
            handler: || $method($handler),
        }),+];
    };
    (@method get) => { "GET" };
    (@method post) => { "POST" };
    (@limit) => { DOCUMENT };
    (@limit $limit:ident) => { $limit };
}

const ANYONE: Allowed = Allowed::Anyone;
/// The name of the route that answers whatever the state of the node.
pub(crate) const STATUS_ROUTE: &str = "status_show";

routes! {
    "status_show" get "/api/v1/status" ANYONE SHORT status::status_show;
    "peer_list" get "/api/v1/peers" ANYONE SHORT peer::peer_list;
    "operator_list" get "/api/v1/operators" ACCOUNTS SHORT operator::operator_list;
    "operator_add" post "/api/v1/operators" SECURITY SHORT operator::operator_add;
    "operator_disable" post "/api/v1/operators/{name}/disable" SECURITY SHORT operator::operator_disable;
    "record_list" get "/api/v1/records" STAFF SHORT record::record_list;
    "record_show" get "/api/v1/records/{record}" STAFF SHORT record::record_show;
    "import_run" post "/api/v1/imports" STAFF LONG import_file::import_run;
    "import_list" get "/api/v1/imports" STAFF SHORT import::import_list;
    "import_show" get "/api/v1/imports/{id}" STAFF SHORT import::import_show;
    "import_resume" post "/api/v1/imports/{id}/resume" STAFF LONG import_file::import_resume;
    "import_rollback_preview" get "/api/v1/imports/{id}/rollback" REVIEWER SHORT import::import_rollback_preview;
    "import_rollback" post "/api/v1/imports/{id}/rollback" REVIEWER LONG import::import_rollback;
    "import_errors" get "/api/v1/imports/{id}/errors" STAFF LONG import_errors::import_errors;
    "check_run" post "/api/v1/checks" STAFF LONG check::check_run;
    "release_request" post "/api/v1/releases" STAFF SHORT release::release_request;
    "release_list" get "/api/v1/releases" STAFF SHORT release::release_list;
    "release_decide" post "/api/v1/releases/{release}/decision" STAFF SHORT release::release_decide;
    "notice_issue" post "/api/v1/notices" REVIEWER LONG notice::notice_issue;
    "notice_preview" post "/api/v1/notices/preview" REVIEWER SHORT notice::notice_preview;
    "notice_list" get "/api/v1/notices" STAFF SHORT notice::notice_list;
    "notice_show" get "/api/v1/notices/{notice}" STAFF SHORT notice::notice_show;
    "restriction_list" get "/api/v1/restrictions" STAFF SHORT restriction::restriction_list;
    "policy_show" get "/api/v1/policy" ANYONE SHORT policy::policy_show;
    "policy_explain" post "/api/v1/policy/explain" ANYONE SHORT policy::policy_explain;
    "policy_table" get "/api/v1/policy/table" ANYONE SHORT policy::policy_table;
    "policy_breaches" get "/api/v1/policy/breaches" ANYONE SHORT policy_content::policy_breaches;
    "policy_unverified" get "/api/v1/policy/unverified" ANYONE SHORT policy_content::policy_unverified;
    "policy_diff" post "/api/v1/policy/diff" RULES LONG policy_diff::policy_diff, BUNDLE;
    "policy_simulate" post "/api/v1/policy/simulations" RULES LONG policy_simulation::policy_simulate, BUNDLE;
    "policy_export" get "/api/v1/policy/bundle" ANYONE SHORT policy_plan::policy_bundle;
    "policy_export_overlay" get "/api/v1/policy/overlays/{region}" ANYONE SHORT policy_plan::policy_overlay;
    "policy_stage" post "/api/v1/policy/plans" COORDINATOR LONG policy_plan::policy_stage, BUNDLE;
    "policy_plan_diff" get "/api/v1/policy/plans/{version}/diff" RULES LONG policy_plan::policy_plan_diff;
    "policy_plan_simulate" post "/api/v1/policy/plans/{version}/simulations" RULES LONG policy_simulation::policy_plan_simulate;
    "policy_sign" post "/api/v1/policy/plans/{version}/signatures" COORDINATOR SHORT policy_plan::policy_sign;
    "policy_discard" post "/api/v1/policy/plans/{version}/removal" COORDINATOR SHORT policy_plan::policy_discard;
    "policy_publish" post "/api/v1/policy/plans/{version}/publication" COORDINATOR LONG policy_plan::policy_publish;
    "policy_revert" post "/api/v1/policy/reversions" COORDINATOR LONG policy_plan::policy_revert;
    "policy_status" get "/api/v1/policy/status" RULES SHORT policy_plan::policy_status;
    "audit_search" get "/api/v1/audit" AUDITOR SHORT audit::audit_search;
    "audit_verify" post "/api/v1/audit/verify" ADMINISTRATORS LONG audit::audit_verify;
    "federation_token" post "/api/v1/federation/tokens" COORDINATOR SHORT federation::token_issue;
    "federation_enrol" post "/api/v1/federation/enrolments" COORDINATOR SHORT federation::member_enrol;
    "federation_remove" post "/api/v1/federation/members/{agency}/removal" COORDINATOR SHORT federation::member_remove;
    "federation_delegate" post "/api/v1/federation/members/{agency}/delegation" COORDINATOR SHORT federation::member_delegate;
    "federation_members" get "/api/v1/federation/members" ANYONE SHORT federation::member_list;
    "config_show" get "/api/v1/config" ANYONE SHORT config::config_show;
}

/// The router over `services`. It expects each request to carry the peer's user, which the server puts there.
pub fn router(services: Arc<Services>) -> Router {
    let gates = Gates::new(services.clone());
    let mut router = Router::new();
    for route in ROUTES {
        let guarded = (route.handler)()
            .layer(DefaultBodyLimit::max(route.body_limit))
            .layer(from_fn_with_state((gates.clone(), route), gate));
        router = router.route(route.path, guarded);
    }
    router.fallback(nowhere).method_not_allowed_fallback(nowhere).with_state(services)
}

async fn nowhere() -> impl IntoResponse {
    let failure: Failure = Problem::new(ErrorCode::NotFound, "no such route", "没有这个接口")
        .with_fix("use the chengxin of the same version as the node", "使用与节点相同版本的 chengxin")
        .into();
    problem_write(failure.into_response(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_unique_and_administrators_do_no_business() {
        let mut names: Vec<_> = ROUTES.iter().map(|route| route.name).collect();
        let mut places: Vec<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
        names.sort_unstable();
        names.dedup();
        places.sort_unstable();
        places.dedup();
        assert_eq!((names.len(), places.len()), (ROUTES.len(), ROUTES.len()));
        assert!(names.contains(&STATUS_ROUTE));
        for route in ROUTES {
            let business = route.allowed.permits(Role::Clerk) || route.allowed.permits(Role::Reviewer);
            let administrator =
                Role::ALL.iter().any(|role| role.is_administrator() && route.allowed.permits(*role));
            assert!(!(business && administrator) || route.allowed == Allowed::Anyone, "{}", route.name);
        }
    }

    /// The grid is committed, so that a change of who may call what is a diff in review.
    #[test]
    fn the_grid_of_roles_is_the_committed_one() {
        let mut grid = String::from("route | who may call it\n");
        for route in ROUTES {
            let who = match route.allowed {
                Allowed::Anyone => "anyone with an account".to_owned(),
                Allowed::Roles(roles) => roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" "),
            };
            grid.push_str(&format!("{} {} | {who}\n", route.method, route.path));
        }
        assert_eq!(grid, include_str!("../tests/roles.txt"), "new grid:\n{grid}");
    }
}
