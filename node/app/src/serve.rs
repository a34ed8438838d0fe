//! `serve`: runs the node until it is told to stop, then drains.
//!
//! Order of the end: no new requests over the socket, requests in progress finish, background tasks stop, the network
//! closes, a coordinator's work ends and its join door closes, the audit log gets its last entry. Whatever was acknowledged is durable anyway; a kill loses nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chengxin_api::server::{bind, serve};
use chengxin_api::services::{FederationDesk, Link, Links, Services};
use chengxin_api::spool::Spool;
use chengxin_api::types::config::Config as ShownConfig;
use chengxin_api::types::federation::{
    Delegation, EnrolRequest, Enrolment, JoinToken, Member, Removal, TokenRequest,
};
use chengxin_api::types::problem::Problem;
use chengxin_api::types::time::Moment;
use chengxin_exchange::audit::{EntryDraft, EntryKind};
use chengxin_exchange::operation::Operation;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_network::PeerStatus;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::time::{Clock as _, Day};
use chengxin_trust::TokenGrant;
use futures::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::background::Background;
use crate::clock::SystemClock;
use crate::config::{Config, LogFormat};
use crate::error::AppError;
use crate::home::Home;
use crate::wiring;

/// Longest time the network may take to close.
const NETWORK_DRAIN: Duration = Duration::from_secs(5);

/// Runs a node to its end.
pub(crate) fn run(config: Config, shown: ShownConfig, verbose: u8) -> Result<(), AppError> {
    log_start(&config, verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| AppError::System { what: "the runtime cannot be started", source })?;
    runtime.block_on(run_node(config, shown))
}

async fn run_node(config: Config, shown: ShownConfig) -> Result<(), AppError> {
    let socket = config.socket.clone();
    let separation = config.separation;
    let home = Home::new(&config.home);
    let running = wiring::start(config).await?;
    let node = running.node.clone();
    let services = Arc::new(Services {
        node: node.clone(),
        links: Arc::new(NetworkLinks { running: running.network.clone() }),
        federation: Arc::new(Desk { coordination: running.coordination.clone(), node: node.clone() }),
        config: shown,
        separation,
        root_fingerprint: home.fingerprint_read()?.map(|fingerprint| fingerprint.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: running.started,
        spool: Spool::new(home.spool()),
    });
    let listener = bind(&socket).await?;
    let (stop, stopping) = watch::channel(false);
    let (running, network_task) = running.split();
    let running = Arc::new(running);
    let mut network_task = std::pin::pin!(network_task);
    let mut background = Background::start(&running, &stopping);
    let mut terminate = signal_of(SignalKind::terminate())?;
    let mut interrupt = signal_of(SignalKind::interrupt())?;
    tracing::info!(socket = %socket.display(), "ready");
    notify_ready();

    let mut failed = None;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to stop"),
            _ = interrupt.recv() => tracing::info!("interrupted"),
            name = background.ended() => {
                tracing::error!(task = name, "a task ended, the node stops");
                failed = Some(name);
            }
            ended = &mut network_task => {
                tracing::error!(error = ended.err().map(|error| error.to_string()), "the network ended, the node stops");
                failed = Some("the network");
            }
        }
    };
    serve(listener, services, shutdown).await;
    // The send fails only if every task is gone already.
    let _ = stop.send(true);
    running.network.clone().shutdown(NETWORK_DRAIN).await;
    if let Some(coordination) = &running.coordination {
        coordination.stop().await;
    }
    let entry = EntryDraft::new(EntryKind::NodeStopped).policy(&node.policy_version());
    if let Err(error) = node.audit_append(None, entry).await {
        tracing::error!(%error, "the end could not be logged");
    }
    tracing::info!("stopped");
    match failed {
        None => Ok(()),
        Some(what) => Err(AppError::State {
            what: format!("{what} ended unexpectedly"),
            fix: "see the running log; the service manager starts the node again",
            code: ErrorCode::Internal,
        }),
    }
}

fn signal_of(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AppError> {
    signal(kind).map_err(|source| AppError::System { what: "signals cannot be received", source })
}

/// Tells systemd that the node is ready (sd_notify protocol: a datagram to the socket named in NOTIFY_SOCKET).
fn notify_ready() {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = std::os::unix::net::UnixDatagram::unbound().and_then(|socket| {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        match path.as_bytes() {
            [b'@', name @ ..] => {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(b"READY=1", &address)
            }
            _ => socket.send_to(b"READY=1", &path),
        }
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager was not told that the node is ready");
    }
}

fn log_start(config: &Config, verbose: u8) {
    let level = match verbose {
        0 => config.log_level,
        1 => tracing::Level::DEBUG,
        2.. => tracing::Level::TRACE,
    };
    // Other crates at warnings only: libp2p at debug level writes addresses and timings by the thousand.
    let filter = tracing_subscriber::EnvFilter::new(format!(
        "warn,chengxin={level},chengxin_exchange={level},chengxin_network={level},chengxin_trust={level},\
         chengxin_audit_log={level},chengxin_store={level},chengxin_api={level},chengxin_policy={level}"
    ));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber cannot be set; then the first goes on.
    let _ = match config.log_format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}

/// Which members are connected.
struct NetworkLinks {
    running: chengxin_network::Network,
}

impl Links for NetworkLinks {
    fn links(&self) -> HashMap<AgencyCode, Link> {
        let now = SystemClock.now();
        let ago = |span: Duration| now.plus(-i64::try_from(span.as_secs()).unwrap_or(0));
        let link = |status: PeerStatus| Link {
            online: status.connection.is_some(),
            since: status
                .connection
                .map(|connection| ago(connection.age))
                .or_else(|| status.last_success_ago.map(ago)),
            failure: status.last_failure.map(|failure| failure.reason),
        };
        // A member's label is its agency code.
        let peers = self.running.peers().into_iter();
        peers.filter_map(|status| Some((status.label.parse().ok()?, link(status)))).collect()
    }
}

/// Admission of members, at a coordinator's node.
struct Desk {
    coordination: Option<Arc<crate::coordination::Coordination>>,
    node: Arc<chengxin_exchange::Node>,
}

impl Desk {
    fn coordination(&self) -> Result<&Arc<crate::coordination::Coordination>, Box<Problem>> {
        self.coordination.as_ref().ok_or_else(|| Box::new(not_a_coordinator()))
    }
}

fn not_a_coordinator() -> Problem {
    Problem::new(
        ErrorCode::NotFound,
        "this node is not a coordinator's; ask the coordinator of the federation",
        "本节点不是统筹节点; 请联系联盟统筹员",
    )
}

impl FederationDesk for Desk {
    fn token_issue<'a>(
        &'a self,
        operation: &'a Operation,
        request: TokenRequest,
    ) -> BoxFuture<'a, Result<JoinToken, Problem>> {
        Box::pin(async move {
            let coordination = self.coordination().map_err(|problem| *problem)?;
            let seconds = i64::try_from(request.valid_seconds).unwrap_or(i64::MAX);
            let expires = operation.now().plus(seconds);
            let grant = TokenGrant {
                agency: request.agency,
                name: request.name,
                region: request.region,
                functions: request.functions,
                expires,
                former_keys: request.former_keys,
            };
            let token = coordination
                .token_issue(&self.node, operation, grant)
                .await
                .map_err(|error| error.problem())?;
            let addresses = coordination.door_addresses().await;
            Ok(JoinToken {
                schema: Default::default(),
                token: Some(token.text.as_str().to_owned()),
                replaced: token.replaced.map(Moment::from),
                token_file: None,
                agency: request.agency,
                expires_at: Moment::from(expires),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                root_fingerprint: coordination.fingerprint().to_string(),
            })
        })
    }

    fn member_enrol<'a>(
        &'a self,
        operation: &'a Operation,
        request: EnrolRequest,
    ) -> BoxFuture<'a, Result<Enrolment, Problem>> {
        Box::pin(async move {
            let coordination = self.coordination().map_err(|problem| *problem)?;
            let enrolled = coordination
                .member_enrol(
                    &self.node,
                    operation,
                    &request.application,
                    &request.fingerprint,
                    request.former_keys,
                )
                .await
                .map_err(|error| error.problem())?;
            Ok(Enrolment {
                schema: Default::default(),
                directory_version: enrolled.1,
                member: member_of(enrolled.0),
            })
        })
    }

    fn member_remove<'a>(
        &'a self,
        operation: &'a Operation,
        agency: AgencyCode,
        reason: String,
    ) -> BoxFuture<'a, Result<Removal, Problem>> {
        Box::pin(async move {
            let coordination = self.coordination().map_err(|problem| *problem)?;
            let (member, directory_version) = coordination
                .member_remove(&self.node, operation, agency, &reason)
                .await
                .map_err(|error| error.problem())?;
            Ok(Removal { schema: Default::default(), member: member_of(member), directory_version })
        })
    }

    fn policy_publish<'a>(
        &'a self,
        operation: &'a Operation,
        version: PolicyVersion,
        effective: Day,
    ) -> BoxFuture<'a, Result<PreparedPublication, Problem>> {
        Box::pin(async move {
            match (&self.coordination, version.scope()) {
                // A league's or city's: a coordinator's node publishes it.
                (None, PolicyScope::Region(_)) => {
                    let published = self.node.overlay_publish(operation, &version, effective).await;
                    published.map_err(|error| AppError::from(error).problem())
                }
                (coordination, _) => {
                    let coordination = coordination.as_ref().ok_or_else(not_a_coordinator)?;
                    let published =
                        coordination.policy_publish(&self.node, operation, version, effective).await;
                    published.map_err(|error| error.problem())
                }
            }
        })
    }

    fn member_delegate<'a>(
        &'a self,
        operation: &'a Operation,
        agency: AgencyCode,
        is_delegate: bool,
    ) -> BoxFuture<'a, Result<Delegation, Problem>> {
        Box::pin(async move {
            let coordination = self.coordination().map_err(|problem| *problem)?;
            let (member, directory_version) = coordination
                .member_delegate(&self.node, operation, agency, is_delegate)
                .await
                .map_err(|error| error.problem())?;
            Ok(Delegation { schema: Default::default(), member: member_of(member), directory_version })
        })
    }
}

fn member_of(entry: DirectoryEntry) -> Member {
    Member {
        agency: entry.agency,
        name: entry.name,
        region: entry.region,
        functions: entry.functions,
        coordinator: entry.coordinator,
        overlay_region: entry.overlay_region,
        transport_identity: entry.transport_identity,
        addresses: entry.addresses,
    }
}
