//! The one wrapper around every route: who asks, in which role, may the role call this; then limits, then the handler.
//! A request is at work until the last byte of its answer has gone or its reader has.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chengxin_exchange::ExchangeError;
use chengxin_exchange::operation::Operation;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::operator::{OperatorName, Role};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::{Failure, problem_write};
use crate::routes::{Allowed, Route, STATUS_ROUTE};
use crate::services::Services;
use crate::types::problem::Problem;

/// Header that names the operator account.
pub(crate) const OPERATOR_HEADER: &str = "x-chengxin-operator";
/// Header that names the role.
pub(crate) const ROLE_HEADER: &str = "x-chengxin-role";
/// Requests at work at the same time. Operators are tens of people; more is a runaway script.
const IN_FLIGHT_LIMIT: usize = 64;

/// The operating system's user at the other end of the connection, as the kernel says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerUser(pub(crate) u32);

/// What a handler knows about its caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The operator's context; its existence means that account and role were checked.
    pub(crate) operation: Operation,
    /// Finds the request in the journal.
    pub(crate) trace: String,
}

/// What all gates of one router share.
pub(crate) struct Gates {
    pub(crate) services: Arc<Services>,
    in_flight: Arc<Semaphore>,
    count: AtomicU64,
}

impl Gates {
    pub(crate) fn new(services: Arc<Services>) -> Arc<Self> {
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_LIMIT));
        Arc::new(Self { services, in_flight, count: AtomicU64::new(0) })
    }

    /// A name for one request: start of the program and a counter, so names of two runs do not mix.
    fn trace(&self) -> String {
        format!("{:x}-{:x}", self.services.started.0, self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// Runs one request of `route`.
pub(crate) async fn gate(
    State((gates, route)): State<(Arc<Gates>, &'static Route)>,
    mut request: Request,
    next: Next,
) -> Response {
    let trace = gates.trace();
    let answered = async {
        let Ok(permit) = gates.in_flight.clone().try_acquire_owned() else {
            return Err(busy());
        };
        let claimed = Claimed::of(&request)?;
        let operation = operator_identify(&gates.services, route, claimed).await?;
        tracing::debug!(trace, route = route.path, account = %operation.account(), "request");
        request.extensions_mut().insert(Caller { operation, trace: trace.clone() });
        let Ok(response) = tokio::time::timeout(route.time_limit, next.run(request)).await else {
            return Err(late(route));
        };
        Ok(response.map(|body| Body::new(HeldBody { body, _permit: permit })))
    };
    let response = answered.await.unwrap_or_else(IntoResponse::into_response);
    problem_write(response, &trace)
}

/// An answer that counts as a request at work until it is read or dropped.
struct HeldBody {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl hyper::body::Body for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Who a request says it comes from: the user by the kernel's word, account and role by the caller's.
struct Claimed {
    uid: u32,
    account: Option<OperatorName>,
    role: Option<Role>,
}

impl Claimed {
    fn of(request: &Request) -> Result<Self, Failure> {
        let Some(PeerUser(uid)) = request.extensions().get::<PeerUser>().copied() else {
            // Only the server of the local socket makes requests, and it always says who; anything else is nobody.
            let problem =
                Problem::new(ErrorCode::Unauthenticated, "nobody is known to ask", "无法确认请求者");
            return Err(problem.into());
        };
        let headers = request.headers();
        Ok(Self { uid, account: header(headers, OPERATOR_HEADER)?, role: header(headers, ROLE_HEADER)? })
    }
}

/// Finds account and role: as claimed, else the account of the user and its first role that the route allows. Whoever
/// cannot be identified, or may not call the route, is refused and logged.
async fn operator_identify(
    services: &Services,
    route: &Route,
    claimed: Claimed,
) -> Result<Operation, Failure> {
    let Claimed { uid, account: wanted, role } = claimed;
    let node = &services.node;
    let rule = format!("route.{}", route.name);
    let identified = match (role, route.allowed) {
        (Some(role), _) => node.operation_begin(uid, wanted.as_ref(), Some(role)).await,
        // Several accounts of one user: for what anyone may do, the first role that one of them has will do.
        (None, Allowed::Anyone) => node.operation_begin_for(uid, wanted.as_ref(), Role::ALL).await,
        (None, Allowed::Roles(roles)) => node.operation_begin_for(uid, wanted.as_ref(), roles).await,
    };
    let operation = match identified {
        Ok(operation) => operation,
        Err(error @ (ExchangeError::NoAccount { .. } | ExchangeError::RoleNotHeld { .. })) => {
            node.identity_refused(uid, wanted.as_ref(), role, &rule).await?;
            return Err(error.into());
        }
        // Who may see why the store stopped cannot be read from it.
        Err(error @ ExchangeError::Store(_)) if route.name == STATUS_ROUTE => {
            node.operation_begin_last_known(uid, wanted.as_ref(), role).map_err(|_| error)?
        }
        Err(error) => return Err(error.into()),
    };
    if route.allowed.permits(operation.role()) {
        Ok(operation)
    } else {
        node.access_refused(&operation, &rule).await?;
        Err(role_refused(route, operation.role()))
    }
}

fn header<T: std::str::FromStr<Err = chengxin_schemas::SchemaError>>(
    headers: &HeaderMap,
    name: &'static str,
) -> Result<Option<T>, Failure> {
    match headers.get(name) {
        None => Ok(None),
        Some(value) => {
            let text = value.to_str().map_err(|_| Failure::field(name, "not text", "不是文本"))?;
            Ok(Some(text.parse()?))
        }
    }
}

fn role_refused(route: &Route, role: Role) -> Failure {
    let needed = |name: fn(Role) -> &'static str, separator: &str| match route.allowed {
        Allowed::Anyone => String::new(),
        Allowed::Roles(roles) => roles.iter().map(|role| name(*role)).collect::<Vec<_>>().join(separator),
    };
    let (english, chinese) = (needed(Role::as_str, ", "), needed(Role::chinese, "、"));
    Problem::new(
        ErrorCode::Denied,
        format!("the role {role} may not do this; it needs {english}"),
        format!("角色“{}”无权执行此操作; 需要 {chinese}", role.chinese()),
    )
    .with_rule(Some(format!("route.{}", route.name)))
    .with_fix(
        format!("act under an account that is {english} (--operator, --role)"),
        format!("换用具有 {chinese} 角色的账户 (--operator, --role)"),
    )
    .into()
}

fn busy() -> Failure {
    Problem::new(ErrorCode::Busy, "too many requests at the same time", "同时处理的请求过多")
        .with_fix("try again in a moment", "稍后重试")
        .into()
}

fn late(route: &Route) -> Failure {
    let seconds = route.time_limit.as_secs();
    Problem::new(
        ErrorCode::Timeout,
        format!("not done within {seconds} s"),
        format!("{seconds} 秒内没有完成"),
    )
    .with_fix("look at chengxin status, then try again", "用 chengxin status 查看后重试")
    .into()
}
