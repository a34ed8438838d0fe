//! A node in a temporary folder, served on a socket: a federation of two of which the other member is not there.
//!
//! Also used by the tests of the command line.
#![allow(dead_code, missing_docs, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chengxin_api::server::{bind, serve};
use chengxin_api::services::{FederationDesk, Link, Links, Services};
use chengxin_api::spool::Spool;
use chengxin_api::types::config::{Config, ConfigSchema, Origin, Setting};
use chengxin_api::types::federation::{
    Delegation, EnrolRequest, Enrolment, JoinToken, Removal, TokenRequest,
};
use chengxin_api::types::problem::Problem;
use chengxin_audit_log::log::LogOptions;
use chengxin_audit_log::note::{KeyKind, NoteVerifier};
use chengxin_audit_log::{AuditLog, BodyKey, BodyKeys};
use chengxin_exchange::node::NodeKeys;
use chengxin_exchange::operation::Operation;
use chengxin_exchange::operator::{OperatorDraft, Separation};
use chengxin_exchange::peers::{PeerFault, Peers};
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_exchange::policy_schedule::founding_contents;
use chengxin_exchange::{Node, Parts};
use chengxin_policy::{Authoriser, Bundle};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::operator::Role;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::{Day, FixedClock, UnixTime};
use chengxin_store::{SledOptions, SledStore};
use chengxin_trust::{
    DirectoryEditor, FolderSource, FoundParams, Lifetimes, OnlineKeys, TrustStore, federation_found,
};
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// When everything here happens: 2026-11-22T08:00:00Z.
pub const NOW: UnixTime = UnixTime(1_795_334_400);
/// The node's own agency, and the one that is not there.
pub const OWN: &str = "11152105011615449P";
pub const OTHER: &str = "11150000MB00000199";

/// The accounts, one per role, all of the user who runs the test.
pub const ACCOUNTS: &[(&str, Role)] = &[
    ("clerk", Role::Clerk),
    ("reviewer", Role::Reviewer),
    ("coordinator", Role::Coordinator),
    ("system", Role::SystemAdministrator),
    ("security", Role::SecurityAdministrator),
    ("audit", Role::AuditAdministrator),
];

/// A served node; dropping it without [`Served::stop`] ends it with the runtime.
pub struct Served {
    pub folder: tempfile::TempDir,
    pub socket: PathBuf,
    pub services: Arc<Services>,
    pub links: Arc<Asked>,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Starts a node whose accounts belong to the user `uid`.
    pub async fn start(uid: u32) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let links = Arc::<Asked>::default();
        let services = services(folder.path(), uid, links.clone()).await;
        let socket = folder.path().join("run/chengxin.sock");
        let listener = bind(&socket).await.expect("socket");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = services.clone();
        let ended = tokio::spawn(async move {
            serve(listener, served, async { drop(stopped.await) }).await;
        });
        Self { folder, socket, services, links, stop, ended }
    }

    /// Stops and waits until it has drained.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.ended.await.expect("served");
    }
}

/// The user who runs the test: the owner of this process.
pub fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").expect("proc").uid()
}

fn seed(number: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([number; 32])
}

fn signing(number: u8) -> SigningKey {
    SigningKey::from_seed(&seed(number)).expect("key")
}

fn entry(agency: &str, name: &str, number: u8, coordinator: bool) -> DirectoryEntry {
    let recipient = |number| SealIdentity::from_seed(&seed(number)).expect("seal").to_recipient().to_string();
    let origin = format!("chengxin.invalid/log/{agency}").parse().expect("origin");
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: agency.parse().expect("agency"),
        name: name.to_owned(),
        region: "150000".parse().expect("region"),
        functions: Vec::new(),
        coordinator,
        overlay_region: None,
        signing_keys: vec![TimedKey {
            jwk: *signing(number).public(),
            not_before: NOW.plus(-86_400),
            not_after: None,
        }],
        age_node_recipient: recipient(number + 1),
        age_recovery_recipient: recipient(number + 2),
        transport_identity: format!("12D3KooWtest{number}"),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        audit_log_key: NoteVerifier::new(origin, KeyKind::Ed25519, *signing(number + 3).public()).to_string(),
        protocol: 1,
    }
}

async fn services(folder: &std::path::Path, uid: u32, links: Arc<Asked>) -> Arc<Services> {
    let online = || OnlineKeys { targets: signing(91), snapshot: signing(92), timestamp: signing(93) };
    let repository = folder.join("repository");
    let founded = federation_found(
        &FoundParams {
            federation: "example".parse().expect("federation"),
            root_keys: &[signing(94)],
            threshold: 1,
            online: &online(),
            lifetimes: Lifetimes::default(),
            coordinator: entry(OWN, "示例财政厅", 10, true),
            contents: founding_contents(&Bundle::baseline().expect("baseline"), NOW).expect("contents"),
        },
        &repository,
        NOW,
    )
    .expect("founded");
    DirectoryEditor::open(&repository, online(), Lifetimes::default(), NOW)
        .expect("editor")
        .member_admit(entry(OTHER, "示例市场监督管理局", 20, false), NOW)
        .expect("admitted");
    let trust = TrustStore::open(folder.join("trust"), founded.fingerprint).await.expect("trust");
    trust.refresh(&FolderSource::new(&repository), NOW).await.expect("refreshed");
    let log = AuditLog::create(
        &folder.join("audit"),
        LogOptions {
            origin: format!("chengxin.invalid/log/{OWN}").parse().expect("origin"),
            keys: vec![signing(13)],
            body_keys: BodyKeys { current: BodyKey::new(&seed(50)), older: Vec::new() },
            random: Box::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes)),
            checkpoint_interval: Duration::from_millis(50),
        },
    )
    .expect("log");
    let policy = Arc::new(Authoriser::new(Bundle::baseline().expect("baseline")).expect("policy"));
    let seal = SealIdentity::from_seed(&seed(11)).expect("seal");
    let node = Node::open(Parts {
        agency: OWN.parse().expect("agency"),
        keys: NodeKeys::new(signing(10), seal, &seed(51)).expect("keys"),
        store: Arc::new(SledStore::open(folder.join("store"), SledOptions::creating()).expect("store")),
        log: Arc::new(log),
        trust: Arc::new(trust),
        policy,
        shares_counts: false,
        peers: Arc::new(Nobody),
        clock: Arc::new(FixedClock::new(NOW)),
        random: Arc::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes)),
    })
    .await
    .expect("node");
    let drafts = ACCOUNTS
        .iter()
        .map(|(name, role)| OperatorDraft {
            name: name.parse().expect("name"),
            display_name: role.chinese().to_owned(),
            user_id: uid,
            roles: vec![*role],
        })
        .collect();
    node.operators_found(drafts, Separation::Trial).await.expect("accounts");
    let setting =
        |key: &str, value: &str, origin| Setting { key: key.to_owned(), value: value.to_owned(), origin };
    Arc::new(Services {
        node,
        links,
        federation: Arc::new(Nobody),
        config: Config {
            schema: ConfigSchema::V1,
            settings: vec![
                setting("home", "\"/srv/node\"", Origin::File("/etc/chengxin/config.toml".to_owned())),
                setting("network.listen", "[]", Origin::Default),
            ],
        },
        separation: Separation::Trial,
        root_fingerprint: Some(founded.fingerprint.to_string()),
        version: "0.0.0".to_owned(),
        started: NOW.plus(-7_200),
        spool: Spool::new(folder.join("spool")),
    })
}

/// A network without anybody in it, at a node that is no coordinator's.
struct Nobody;

impl Peers for Nobody {
    fn call<'a>(
        &'a self,
        _to: &'a DirectoryEntry,
        _message: Bytes,
        _deadline_ms: u64,
    ) -> BoxFuture<'a, Result<Bytes, PeerFault>> {
        Box::pin(async {
            Err(PeerFault { code: ErrorCode::Unavailable, reason: "connection refused".to_owned() })
        })
    }
}

/// How often links were asked for.
#[derive(Default)]
pub struct Asked(AtomicUsize);

impl Asked {
    /// The number since the last call.
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Links for Asked {
    fn links(&self) -> HashMap<AgencyCode, Link> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let link = Link { online: false, since: None, failure: Some("connection refused".to_owned()) };
        HashMap::from([(OTHER.parse().expect("agency"), link)])
    }
}

impl FederationDesk for Nobody {
    fn token_issue<'a>(
        &'a self,
        _operation: &'a Operation,
        _request: TokenRequest,
    ) -> BoxFuture<'a, Result<JoinToken, Problem>> {
        Box::pin(async { Err(no_coordinator()) })
    }

    fn member_enrol<'a>(
        &'a self,
        _operation: &'a Operation,
        _request: EnrolRequest,
    ) -> BoxFuture<'a, Result<Enrolment, Problem>> {
        Box::pin(async { Err(no_coordinator()) })
    }

    fn member_remove<'a>(
        &'a self,
        _operation: &'a Operation,
        _agency: AgencyCode,
        _reason: String,
    ) -> BoxFuture<'a, Result<Removal, Problem>> {
        Box::pin(async { Err(no_coordinator()) })
    }

    fn member_delegate<'a>(
        &'a self,
        _operation: &'a Operation,
        _agency: AgencyCode,
        _is_delegate: bool,
    ) -> BoxFuture<'a, Result<Delegation, Problem>> {
        Box::pin(async { Err(no_coordinator()) })
    }

    fn policy_publish<'a>(
        &'a self,
        _operation: &'a Operation,
        _version: PolicyVersion,
        _effective: Day,
    ) -> BoxFuture<'a, Result<PreparedPublication, Problem>> {
        Box::pin(async { Err(no_coordinator()) })
    }
}

fn no_coordinator() -> Problem {
    Problem::new(ErrorCode::NotFound, "this node is not a coordinator's", "本节点不是统筹节点")
}

/// A penalty file of two good rows, as CSV in UTF-8.
pub fn penalty_file() -> String {
    let options = chengxin_import::generate::GenerateOptions::new(
        chengxin_import::dialect::TemplateVersion::PenaltyLegalPersons2018,
        2,
        7,
    );
    generated(options)
}

/// The same with a wrong check character in every second row.
pub fn wrong_penalty_file() -> String {
    let mut options = chengxin_import::generate::GenerateOptions::new(
        chengxin_import::dialect::TemplateVersion::PenaltyLegalPersons2018,
        4,
        8,
    );
    options.traps = vec![chengxin_import::generate::Trap::WrongCheck];
    options.trap_every = 2;
    generated(options)
}

/// A good file of many rows.
pub fn long_penalty_file(rows: u64) -> String {
    generated(chengxin_import::generate::GenerateOptions::new(
        chengxin_import::dialect::TemplateVersion::PenaltyLegalPersons2018,
        rows,
        9,
    ))
}

fn generated(options: chengxin_import::generate::GenerateOptions) -> String {
    let mut bytes = Vec::new();
    chengxin_import::generate::csv_generate(
        options,
        chengxin_import::encoding::TextEncoding::Utf8,
        &mut bytes,
    )
    .expect("file");
    String::from_utf8(bytes).expect("text")
}
