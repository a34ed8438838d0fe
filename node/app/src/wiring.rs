//! Puts a node together: load, open, verify, spawn, serve, drain. One function reads like the checklist it is.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chengxin_api::bounded_file::text_read;
use chengxin_audit_log::log::LogOptions;
use chengxin_audit_log::note::{KeyKind, KeyName, NoteVerifier};
use chengxin_audit_log::{AuditLog, BodyKey, BodyKeys, LogError};
use chengxin_exchange::audit::{EntryDraft, EntryKind};
use chengxin_exchange::node::NodeKeys;
use chengxin_exchange::operator::OperatorDraft;
use chengxin_exchange::policy_start::policy_at_start;
use chengxin_exchange::{ExchangeError, Node, Parts};
use chengxin_network::{Network, NetworkConfig, NetworkTask, TransportKey};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::digest::HmacKey;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::{Clock, UnixTime};
use chengxin_store::{SledOptions, SledStore};
use chengxin_trust::{DirectoryEditor, FolderSource, Freshness, Lifetimes, TrustStore, VerifiedDirectory};
use tokio::sync::{Notify, watch};
use zeroize::Zeroizing;

use crate::clock::{SystemClock, random};
use crate::config::Config;
use crate::coordination::{Coordination, CoordinationParts};
use crate::error::AppError;
use crate::home::{Home, KeyRole, key_read};
use crate::identity::NodeIdentity;
use crate::mesh::{MeshHandler, MeshPeers, members_of};
use crate::setup::{FirstAccount, online_keys};

/// Longest file of first accounts: the few that `init` is told, of less than 1 KiB each.
const FIRST_ACCOUNTS_LIMIT: u64 = 1024 * 1024;
/// How often the audit log signs a checkpoint while there are new entries.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// A node that runs.
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) node: Arc<Node>,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) mesh: Arc<MeshPeers>,
    pub(crate) network: Network,
    network_task: Option<NetworkTask>,
    pub(crate) coordination: Option<Arc<Coordination>>,
    pub(crate) directory: Arc<watch::Sender<Arc<VerifiedDirectory>>>,
    pub(crate) members: watch::Sender<Arc<chengxin_network::Members>>,
    /// Told when the trust store may hold a newer directory.
    pub(crate) changed: Arc<Notify>,
    /// Told when a coordinator greeted: it may have published something.
    pub(crate) hint: Arc<Notify>,
    pub(crate) started: UnixTime,
}

impl Running {
    /// Hands out the network's task, which somebody must watch.
    pub(crate) fn split(
        mut self,
    ) -> (Self, impl Future<Output = Result<(), chengxin_network::NetworkError>>) {
        let task = self.network_task.take();
        let watch = async move {
            match task {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        (self, watch)
    }
}

/// Opens everything a node is made of and starts its network. Nothing is listened on before all of it is whole.
pub(crate) async fn start(config: Config) -> Result<Running, AppError> {
    let home = Home::new(&config.home);
    let identity = NodeIdentity::read(&home)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let trust = Arc::new(trust_open(&home).await?);
    // Its lock keeps a second process out before anything is signed or written.
    let log = Arc::new(log_open(&home, &identity)?);
    let changed = Arc::new(Notify::new());
    let coordination = coordination_open(&home, &config, &trust, &clock, &changed).await?;
    let first = directory_first(&home, &trust)?;
    let store = SledOptions {
        cache_bytes: config.store_cache_mib.saturating_mul(1024 * 1024),
        ..SledOptions::default()
    };
    let store = SledStore::open(home.store(), store)
        .map_err(|source| AppError::Store { path: home.store(), source })?;
    let policy = Arc::new(policy_at_start(&store, &first, &identity.agency, clock.now()).await?);
    tracing::info!(policy = policy.bundle().rules_version(), "policy loaded");
    let peers = Arc::new(MeshPeers::default());
    let node = Node::open(Parts {
        agency: identity.agency,
        keys: node_keys(&home)?,
        store: Arc::new(store),
        log,
        trust: trust.clone(),
        policy,
        shares_counts: config.shares_counts,
        peers: peers.clone(),
        clock: clock.clone(),
        random: random(),
    })
    .await?;
    accounts_found(&home, &config, &node).await?;
    // What fell due while the node was down decides from the first question on. What cannot be looked at yet, for example
    // because the directory expired, is looked at again while the node runs.
    if let Err(error) = node.policy_adopt().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the published policies could not be looked at"
        );
    }

    let (directory, directory_receiver) = watch::channel(first.clone());
    let (members, members_receiver) = watch::channel(Arc::new(members_of(&first, &identity.agency)));
    let transport = TransportKey::from_seed(*key_read(&home.key(KeyRole::Transport), KeyRole::Transport)?);
    let hint = Arc::new(Notify::new());
    let handler = MeshHandler {
        node: node.clone(),
        trust: trust.clone(),
        coordination: coordination.clone(),
        directory: directory_receiver,
        hint: hint.clone(),
        known: Mutex::new((first.versions(), HashMap::new())),
    };
    let network_config = NetworkConfig {
        listen: config.listen.clone(),
        limits: chengxin_network::Limits::default(),
        jitter_seed: jitter_seed(),
    };
    let (network, network_task) =
        Network::start(&transport, network_config, members_receiver, Arc::new(handler)).await?;
    for address in network.listening() {
        tracing::info!(%address, "listening for members");
    }
    peers.start(network.clone());
    if let Some(coordination) = &coordination {
        coordination.door_adjust(&node).await?;
    }
    node.audit_append(None, EntryDraft::new(EntryKind::NodeStarted).policy(&node.policy_version())).await?;
    let started = clock.now();
    Ok(Running {
        config,
        node,
        trust,
        mesh: peers,
        network,
        network_task: Some(network_task),
        coordination,
        directory: Arc::new(directory),
        members,
        changed,
        hint,
        started,
    })
}

/// Opens the verified metadata this node joined or founded with. Where it does not hold, or is gone, there is a way back: see
/// `join.rs`.
pub(crate) async fn trust_open(home: &Home) -> Result<TrustStore, AppError> {
    let fingerprint = home.fingerprint_read()?.ok_or_else(|| AppError::State {
        what: "this node belongs to no federation yet".to_owned(),
        fix: "join one with chengxin join, or found one with chengxin federation found",
        code: ErrorCode::Conflict,
    })?;
    TrustStore::open(home.trust(), fingerprint).await.map_err(|error| match error.code() {
        // A disk that cannot be read is no damage to what it holds.
        ErrorCode::Internal => error.into(),
        code => AppError::State {
            what: format!("the member directory in {} does not hold: {error}", home.trust().display()),
            fix: FETCH_AGAIN,
            code,
        },
    })
}

/// What to do where a member has no directory.
const FETCH_AGAIN: &str = "fetch it again from another member's node, without a token: \
                           chengxin join ADDRESS --fingerprint FINGERPRINT";

/// The directory to start with.
fn directory_first(home: &Home, trust: &TrustStore) -> Result<Arc<VerifiedDirectory>, AppError> {
    trust.directory().map_err(|_| AppError::State {
        what: format!("the member directory in {} is lost", home.trust().display()),
        fix: FETCH_AGAIN,
        code: ErrorCode::Unavailable,
    })
}

async fn coordination_open(
    home: &Home,
    config: &Config,
    trust: &Arc<TrustStore>,
    clock: &Arc<dyn Clock>,
    changed: &Arc<Notify>,
) -> Result<Option<Arc<Coordination>>, AppError> {
    if !home.repository().exists() {
        return Ok(None);
    }
    let lifetimes = Lifetimes::default();
    let editor = DirectoryEditor::open(&home.repository(), online_keys(home)?, lifetimes, clock.now())?;
    let coordination = Coordination::open(CoordinationParts {
        home: home.clone(),
        editor,
        trust: trust.clone(),
        clock: clock.clone(),
        timestamp_life: lifetimes.timestamp,
        transport_seed: key_read(&home.key(KeyRole::Transport), KeyRole::Transport)?,
        join_listen: config.join_listen.clone(),
        changed: changed.clone(),
    })?;
    // The own repository is the newest source there is; a timestamp that expired while the node was down is signed first.
    coordination.timestamp_tend().await?;
    trust.refresh(&FolderSource::new(home.repository()), clock.now()).await?;
    Ok(Some(coordination))
}

fn node_keys(home: &Home) -> Result<NodeKeys, AppError> {
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let seal = SealIdentity::from_seed(&key_read(&home.key(KeyRole::Sealing), KeyRole::Sealing)?)?;
    Ok(NodeKeys::new(signing, seal, &key_read(&home.key(KeyRole::Secret), KeyRole::Secret)?)?)
}

/// Makes the accounts that `init` wrote down, once, at the first start.
async fn accounts_found(home: &Home, config: &Config, node: &Node) -> Result<(), AppError> {
    let path = home.first_accounts();
    if !path.exists() {
        return Ok(());
    }
    let text = text_read(&path, FIRST_ACCOUNTS_LIMIT)?;
    let accounts: Vec<FirstAccount> = serde_json::from_str(&text)
        .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
    let drafts = accounts
        .into_iter()
        .map(|account| OperatorDraft {
            display_name: account.name.to_string(),
            name: account.name,
            user_id: account.user_id,
            roles: account.roles,
        })
        .collect();
    match node.operators_found(drafts, config.separation).await {
        Ok(made) => tracing::info!(accounts = made.len(), "first accounts made"),
        // A crash between making them and removing the file: they were all made, and the file goes. Any other conflict
        // is in the file itself; it stays, or nobody could ever use the node.
        Err(ExchangeError::Conflict { what: "operators", .. }) => {
            tracing::warn!("first accounts were made before");
        }
        Err(error) => return Err(error.into()),
    }
    std::fs::remove_file(&path).map_err(AppError::file("remove", &path))
}

fn log_name(identity: &NodeIdentity) -> Result<KeyName, AppError> {
    // A schema-less URL, as the signed-note specification advises; unique because agency codes are.
    let name = format!("chengxin.invalid/log/{}", identity.agency);
    name.parse().map_err(|source| AppError::Log { path: Path::new(&name).to_owned(), source })
}

/// The public key of the audit log, as the directory and offline verifiers know it.
pub(crate) fn log_verifier(home: &Home, identity: &NodeIdentity) -> Result<NoteVerifier, AppError> {
    let key = SigningKey::from_seed(&key_read(&home.key(KeyRole::AuditLog), KeyRole::AuditLog)?)?;
    Ok(NoteVerifier::new(log_name(identity)?, KeyKind::Ed25519, *key.public()))
}

pub(crate) fn log_options(home: &Home, identity: &NodeIdentity) -> Result<LogOptions, AppError> {
    let key = SigningKey::from_seed(&key_read(&home.key(KeyRole::AuditLog), KeyRole::AuditLog)?)?;
    let secret = HmacKey::new(&key_read(&home.key(KeyRole::Secret), KeyRole::Secret)?);
    let body_secret = Zeroizing::new(secret.hash(&[b"chengxin/derive/v1", b"audit-body"]));
    Ok(LogOptions {
        origin: log_name(identity)?,
        keys: vec![key],
        body_keys: BodyKeys { current: BodyKey::new(&body_secret), older: Vec::new() },
        random: Box::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes)),
        checkpoint_interval: CHECKPOINT_INTERVAL,
    })
}

pub(crate) fn log_open(home: &Home, identity: &NodeIdentity) -> Result<AuditLog, AppError> {
    AuditLog::open(&home.audit(), log_options(home, identity)?).map_err(|source| match source {
        // It may be on its way out, so waiting can help: not a conflict.
        LogError::Locked { .. } => AppError::State {
            what: format!("the node of {} runs already", home.path().display()),
            fix: "stop the other process first; another node needs a home of its own",
            code: ErrorCode::Unavailable,
        },
        source => AppError::Log { path: home.audit(), source },
    })
}

fn jitter_seed() -> u64 {
    let mut bytes = [0_u8; 8];
    chengxin_schemas::random::fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Whether the directory is too old to work with.
pub(crate) fn is_expired(directory: &VerifiedDirectory, now: UnixTime) -> bool {
    matches!(directory.freshness(now), Freshness::Expired)
}
