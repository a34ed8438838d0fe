//! A coordinator's node as it runs, and what interrupted or refused changes leave behind.

use std::task::Poll;
use std::time::Duration;

use chengxin_schemas::key::SigningKey;
use chengxin_schemas::operator::Role;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{JoinApplication, MemberChange, RedeemedBy, application_sign};

use super::*;
use crate::clock::SystemClock;
use crate::config::{Config, LogFormat};
use crate::home::{KeyRole, key_read};
use crate::identity::{IdentitySchema, NodeIdentity};
use crate::join;
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
            shares_counts: false,
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
            join::application(&home, &identity, self.coordination.fingerprint).expect("application");
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

    async fn enrol(&self, application: &(String, String)) -> Result<u64, AppError> {
        self.enrol_with(application, false).await
    }

    async fn enrol_with(
        &self,
        (text, fingerprint): &(String, String),
        former_keys: bool,
    ) -> Result<u64, AppError> {
        let (node, operation) = (&self.running.node, &self.operation);
        let enrolled = self.coordination.member_enrol(node, operation, text, fingerprint, former_keys).await;
        enrolled.map(|(_, version)| version)
    }

    async fn remove(&self) -> Result<u64, AppError> {
        let agency = OTHER.parse().expect("agency");
        let node = &self.running.node;
        let removed = self.coordination.member_remove(node, &self.operation, agency, "密钥泄露").await;
        removed.map(|(_, version)| version)
    }

    async fn token(&self, expires: UnixTime) -> Result<(), AppError> {
        let NodeIdentity { agency, name, region, functions, .. } = identity(OTHER);
        let grant = TokenGrant { agency, name, region, functions, expires, former_keys: false };
        let node = &self.running.node;
        self.coordination.token_issue(node, &self.operation, grant).await.map(|_| ())
    }

    /// Whether the door is open for the holder of the one token, if it was redeemed then.
    async fn is_open_for_one_redeemed_at(&self, at: UnixTime) -> bool {
        let mut book = self.coordination.book().await.expect("works");
        let mut rows = book.rows().to_vec();
        assert_eq!(rows.len(), 1);
        rows[0].redeemed = Some(RedeemedBy { application: Sha256::of(b"application"), at, applicant: None });
        *book = TokenBook::from_rows(rows).expect("book");
        drop(book);
        self.coordination.door_adjust(&self.running.node).await.expect("adjusted");
        !self.coordination.door_addresses().await.is_empty()
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

#[tokio::test]
async fn what_is_refused_is_not_logged_as_done() {
    let office = Office::open().await;
    let application = office.application();
    office.enrol(&application).await.expect("enrolled");
    let entries = office.entries();
    office.enrol(&application).await.expect("the same again");
    // The same body with other keys.
    std::fs::remove_dir_all(office.folder.path().join(OTHER)).expect("removed");
    std::fs::remove_file(office.folder.path().join(format!("{OTHER}.recovery-key"))).expect("removed");
    office.enrol(&office.application()).await.expect_err("a member already");
    let node = &office.running.node;
    let own = OWN.parse().expect("agency");
    let removed = office.coordination.member_remove(node, &office.operation, own, "试").await;
    removed.expect_err("nobody would be left to sign");
    let long = office.operation.now().plus(40 * 86_400);
    office.token(long).await.expect_err("too long");
    assert_eq!(office.entries(), entries);
}

#[tokio::test]
async fn an_application_from_the_future_is_refused() {
    let office = Office::open().await;
    let (home, identity) = home_made(office.folder.path(), OTHER);
    let application =
        join::application(&home, &identity, office.coordination.fingerprint).expect("application");
    let claims = application_claims(&application).expect("claims");
    let key = key_read(&home.key(KeyRole::Signing), KeyRole::Signing).expect("key");
    let key = SigningKey::from_seed(&key).expect("key");
    let ahead = claims.iat.plus(86_400);
    let claims = JoinApplication { iat: ahead, signing_key_since: ahead, ..claims };
    let dated = application_sign(&claims, &key).expect("signed");
    let error = office.enrol(&office.application_file(dated.clone())).await.expect_err("tomorrow's");
    assert!(error.to_string().contains("iat"), "{error}");
    // At the body: a file that a clock ahead left behind is not taken for one on its way.
    let file = |application: String| -> ApplicationFile {
        serde_json::from_str(&office.application_file(application).0).expect("file")
    };
    assert!(!file(application.clone()).says_the_same(&file(dated)));
    assert!(file(application.clone()).says_the_same(&file(application)));
}

#[tokio::test]
async fn the_door_is_open_while_somebody_is_expected() {
    let office = Office::open().await;
    let now = SystemClock.now();
    office.token(now.plus(3_600)).await.expect("token");
    assert!(!office.coordination.door_addresses().await.is_empty(), "a token is outstanding");
    // An admission that stopped half-way: for a month the applicant may come again, then nobody waits any more.
    assert!(office.is_open_for_one_redeemed_at(now.plus(-86_400)).await);
    assert!(!office.is_open_for_one_redeemed_at(now.plus(-31 * 86_400)).await);
    // One that was not: its answer may have been lost, so it may come again for some minutes.
    office.enrol(&office.application()).await.expect("listed");
    office.token(now.plus(3_600)).await.expect("token");
    assert!(office.is_open_for_one_redeemed_at(now.plus(-60)).await);
    assert!(!office.is_open_for_one_redeemed_at(now.plus(-3_600)).await);
}

#[tokio::test]
async fn the_door_closes_behind_a_member_that_is_removed() {
    let office = Office::open().await;
    office.token(SystemClock.now().plus(3_600)).await.expect("token");
    office.enrol(&office.application()).await.expect("enrolled by another way");
    office.remove().await.expect("removed, and its token with it");
    assert!(office.coordination.door_addresses().await.is_empty(), "the door stays open");
}

#[tokio::test]
async fn nothing_is_logged_once_it_stopped() {
    let office = Office::open().await;
    office.token(SystemClock.now().plus(3_600)).await.expect("token");
    office.coordination.stop().await;
    let entries = office.entries();
    assert!(office.coordination.door_addresses().await.is_empty());
    let error = office.token(SystemClock.now().plus(3_600)).await.expect_err("stopped");
    assert_eq!(error.code(), ErrorCode::Unavailable);
    office.enrol(&office.application()).await.expect_err("stopped");
    office.coordination.door_adjust(&office.running.node).await.expect("stays closed");
    assert!(office.coordination.door_addresses().await.is_empty());
    assert_eq!(office.entries(), entries);
}

#[tokio::test]
async fn keys_of_a_removed_member_are_admitted_only_if_the_coordinator_says_so() {
    let office = Office::open().await;
    let application = office.application();
    office.enrol(&application).await.expect("enrolled");
    office.remove().await.expect("removed");
    let entries = office.entries();
    let refused = office.enrol(&application).await.expect_err("the very keys that leaked");
    assert_eq!(refused.code(), ErrorCode::Denied);
    let said = refused.to_string();
    assert!(said.contains(OTHER) && said.contains("--former-keys"), "{said}");
    assert_eq!((office.members(), office.entries()), (1, entries));
    // One key of them is enough, whoever applies; kept over a restart.
    let kept = removed::RemovedMembers::read(&office.coordination.home).expect("read");
    let home = Home::new(office.folder.path().join(OTHER));
    let own = NodeIdentity::read(&home).expect("identity");
    let transport = key_read(&home.key(KeyRole::Transport), KeyRole::Transport).expect("key");
    let mut entry = setup::own_entry(&home, &own, false).expect("entry");
    kept.check(&entry).expect_err("all of them");
    entry.agency = OWN.parse().expect("agency");
    entry.transport_identity = "12D3KooWother".to_owned();
    entry.audit_log_key = "other+00000000+AQ==".to_owned();
    entry.signing_keys.clear();
    kept.check(&entry).expect_err("the key that opens its notices");
    entry.age_node_recipient = "age1other".to_owned();
    kept.check(&entry).expect("none of them");
    office.enrol_with(&application, true).await.expect("said so");
    assert_eq!(office.members(), 2);
    // By a token the same.
    office.remove().await.expect("removed again");
    let grant = |former_keys| {
        let NodeIdentity { agency, name, region, functions, .. } = identity(OTHER);
        let expires = SystemClock.now().plus(3_600);
        TokenGrant { agency, name, region, functions, expires, former_keys }
    };
    for former_keys in [false, true] {
        let (node, operation) = (&office.running.node, &office.operation);
        let issued = office.coordination.token_issue(node, operation, grant(former_keys)).await;
        let token = issued.expect("issued").text;
        let text = join::application(&home, &own, office.coordination.fingerprint);
        let from = chengxin_network::TransportKey::from_seed(*transport).identity();
        let admitted =
            office.coordination.admit(node, from, token.as_str(), &text.expect("application")).await;
        assert_eq!(admitted.is_ok(), former_keys, "{admitted:?}");
    }
    assert_eq!(office.members(), 2);
}

/// A guess at a function's code would be in the directory for good, and no rule would ever mean it.
#[tokio::test]
async fn a_function_that_no_rule_can_mean_is_refused_with_those_that_can_be() {
    let office = Office::open().await;
    let NodeIdentity { agency, name, region, .. } = identity(OTHER);
    let grant = |function: &str| TokenGrant {
        agency,
        name: name.clone(),
        region,
        functions: vec![function.parse().expect("a code")],
        expires: SystemClock.now().plus(3_600),
        former_keys: false,
    };
    let issue = |function| {
        let (node, operation) = (&office.running.node, &office.operation);
        office.coordination.token_issue(node, operation, grant(function))
    };
    let entries = office.entries();
    let said = issue("market-supervision").await.map(|_| ()).expect_err("a guess").to_string();
    assert!(said.contains("no function market-supervision") && said.contains("market-regulation"), "{said}");
    let application = office.application();
    let guess = application.0.replace("\"finance\"", "\"market-supervision\"");
    let fingerprint = Sha256::of(guess.as_bytes()).to_string();
    office.enrol(&(guess, fingerprint)).await.expect_err("a guess by hand");
    assert_eq!(office.entries(), entries);
    // A second token for a body says that the first one is void.
    assert_eq!(issue("finance").await.expect("known").replaced, None);
    let before = SystemClock.now();
    let second = issue("finance").await.expect("known");
    assert!(second.replaced.is_some_and(|at| at <= before), "the first is void");
}
