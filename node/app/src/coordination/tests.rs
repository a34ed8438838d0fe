//! A coordinator's node as it runs, and what interrupted or refused changes leave behind.

use std::task::Poll;
use std::time::Duration;

use chengxin_schemas::operator::Role;
use chengxin_trust::MemberChange;

use super::*;
use crate::clock::SystemClock;
use crate::config::{Config, LogFormat};
use crate::identity::{IdentitySchema, NodeIdentity};
use crate::setup::{self, FirstAccount, InitPlan};
use crate::wiring::{self, Running};

const OWN: &str = "12150000DEM0000144";
const OTHER: &str = "11150000DEM000129D";
/// The user of the one account.
const USER: u32 = 7;
/// Longest wait for a state; it only decides how long a broken state takes to be called broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A coordinator's node that runs, alone in its federation.
struct Office {
    folder: tempfile::TempDir,
    running: Running,
    coordination: Arc<Coordination>,
    operation: Operation,
}

fn identity(agency: &str) -> NodeIdentity {
    NodeIdentity {
        schema: IdentitySchema::V1,
        agency: agency.parse().expect("agency"),
        name: "示例机关".to_owned(),
        region: "150000".parse().expect("region"),
        functions: vec!["finance".parse().expect("function")],
        advertise: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        recovery_recipient: String::new(),
    }
}

/// A home with keys, a log and a store, in `folder`.
fn home_made(folder: &std::path::Path, agency: &str) -> (Home, NodeIdentity) {
    let mut plan = InitPlan {
        home: folder.join(agency),
        identity: identity(agency),
        config: String::new(),
        accounts: vec![FirstAccount {
            name: "wang".parse().expect("name"),
            user_id: USER,
            roles: vec![Role::Coordinator],
        }],
        recovery_key: folder.join(format!("{agency}.recovery-key")),
    };
    setup::init(&mut plan).expect("initialised");
    (Home::new(&plan.home), plan.identity)
}

impl Office {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (home, _) = home_made(folder.path(), OWN);
        let federation = "example".parse().expect("federation");
        setup::found(&home, federation, 1, 1, &folder.path().join("root-keys")).await.expect("founded");
        let any = || vec!["/ip4/127.0.0.1/tcp/0".parse().expect("address")];
        let config = Config {
            home: home.path().to_owned(),
            socket: folder.path().join("socket"),
            listen: any(),
            join_listen: any(),
            separation: chengxin_exchange::operator::Separation::Trial,
            refresh_seconds: 3_600,
            store_cache_mib: 1,
            log_format: LogFormat::Text,
            log_level: tracing::Level::ERROR,
        };
        let running = wiring::start(config).await.expect("runs");
        let coordination = running.coordination.clone().expect("a coordinator's node");
        let operation = running.node.operation_begin(USER, None, None).await.expect("account");
        Self { folder, running, coordination, operation }
    }

    /// The application of another body, as its file and fingerprint.
    fn application(&self) -> (String, String) {
        let (home, identity) = home_made(self.folder.path(), OTHER);
        let application =
            setup::application(&home, &identity, self.coordination.fingerprint).expect("application");
        self.application_file(application)
    }

    fn application_file(&self, application: String) -> (String, String) {
        let identity = identity(OTHER);
        let file = ApplicationFile {
            schema: ApplicationSchema::V1,
            name: identity.name,
            region: identity.region,
            functions: identity.functions,
            application,
        };
        let text = serde_json::to_string(&file).expect("text");
        let fingerprint = Sha256::of(text.as_bytes()).to_string();
        (text, fingerprint)
    }

    async fn enrol(&self, (text, fingerprint): &(String, String)) -> Result<u64, AppError> {
        let node = &self.running.node;
        let enrolled = self.coordination.member_enrol(node, &self.operation, text, fingerprint).await;
        enrolled.map(|(_, version)| version)
    }

    async fn remove(&self) -> Result<u64, AppError> {
        let agency = OTHER.parse().expect("agency");
        let node = &self.running.node;
        let removed = self.coordination.member_remove(node, &self.operation, agency, "密钥泄露").await;
        removed.map(|(_, version)| version)
    }

    fn members(&self) -> usize {
        self.running.trust.directory().expect("directory").len()
    }

    /// Entries in the audit log.
    fn entries(&self) -> u64 {
        self.running.node.log().tree_size()
    }
}

#[tokio::test]
async fn a_removal_that_nobody_waits_for_is_in_force_all_the_same() {
    let office = Office::open().await;
    office.enrol(&office.application()).await.expect("enrolled");
    assert_eq!(office.members(), 2);
    let mut removal = Box::pin(office.remove());
    assert!(matches!(futures::poll!(&mut removal), Poll::Pending));
    drop(removal);
    let in_force = async {
        while office.members() == 2 {
            // Each refresh tells, and the telling is kept for whoever comes later.
            office.running.changed.notified().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, in_force).await.is_ok(), "the removal stopped half-way");
    assert!(matches!(
        office.remove().await,
        Err(AppError::Trust(chengxin_trust::TrustError::NotMember { .. }))
    ));
}

#[tokio::test]
async fn a_removal_that_stopped_before_it_was_in_force_is_finished_by_the_next() {
    let office = Office::open().await;
    office.enrol(&office.application()).await.expect("enrolled");
    let published = office
        .coordination
        .edit(|editor, _| {
            let change = MemberChange::Remove(OTHER.parse().expect("agency"));
            editor.members_change(vec![change], SystemClock.now())
        })
        .await
        .expect("published");
    assert_eq!(office.members(), 2, "nobody refreshed");
    let entries = office.entries();
    assert_eq!(office.remove().await.expect("finished"), published.directory);
    assert_eq!(office.members(), 1);
    assert_eq!(office.entries(), entries, "the log has it already");
}
