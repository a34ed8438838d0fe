//! Three bodies in memory, and files to import.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chengxin_audit_log::note::{KeyKind, NoteVerifier};
use chengxin_audit_log::{AuditLog, BodyKey, BodyKeys, LogOptions};
use chengxin_exchange::import::{ImportBatch, ImportFile, ReadSeek};
use chengxin_exchange::node::NodeKeys;
use chengxin_exchange::notice::{MeasureDraft, NoticeDetail, NoticeDraft};
use chengxin_exchange::operation::Operation;
use chengxin_exchange::operator::{OperatorDraft, Separation};
use chengxin_exchange::peers::{PeerFault, Peers};
use chengxin_exchange::policy_adoption::chain;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_exchange::policy_schedule::founding_contents;
use chengxin_exchange::policy_start::policy_at_start;
use chengxin_exchange::record::RecordFilter;
use chengxin_exchange::{ExchangeError, Node, Parts};
use chengxin_import::ImportOptions;
use chengxin_policy::{Bundle, BundleFiles};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::operator::Role;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::{Clock as _, FixedClock, UnixTime};
use chengxin_schemas::wire::{PeerRequest, PeerResponse};
use chengxin_store::{SledOptions, SledStore};
use chengxin_trust::{
    ContentName, DirectoryEditor, FolderSource, FoundParams, Lifetimes, MemberChange, OnlineKeys, TrustStore,
    federation_found,
};
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::hooked::{Hook, HookPlace, HookedStore};

/// When everything here happens: 2026-11-22T08:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_795_334_400);
pub(crate) const FINANCE: &str = "11150000DEM000129D";
pub(crate) const MARKET: &str = "11150000DEM000233H";
pub(crate) const LEAGUE: &str = "11152500DEM000452E";
/// The company that every story is about.
pub(crate) const SUBJECT: &str = "91150100DEM000567Y";

const BODIES: [(&str, &str, &str, u8); 3] = [
    (FINANCE, "示例财政厅", "finance", 10),
    (MARKET, "示例市场监督管理局", "market-regulation", 20),
    (LEAGUE, "示例盟行政公署", "regional-government", 30),
];

/// A member of the crowd: the number counts from 0, at most 999,999.
pub(crate) fn crowd_agency(number: usize) -> AgencyCode {
    let body = format!("11150100{number:09}");
    "0123456789ABCDEFGHJKLMNPQRTUWXY"
        .chars()
        .find_map(|check| format!("{body}{check}").parse().ok())
        .expect("one check character fits")
}

/// Seed of the signing key that the crowd shares.
pub(crate) const CROWD_KEY: u8 = 70;

/// What a member does with a message instead of what it should.
pub(crate) type Lie = Arc<dyn Fn(Bytes, Bytes) -> Bytes + Send + Sync>;

/// What a member of the crowd answers to a message.
type Crowd = Arc<dyn Fn(&AgencyCode, Bytes) -> Bytes + Send + Sync>;

#[derive(Default)]
struct Wires {
    nodes: HashMap<AgencyCode, Arc<Node>>,
    trusts: HashMap<AgencyCode, Arc<TrustStore>>,
    down: Vec<AgencyCode>,
    /// Members whose network refuses every message, with these words.
    refusing: HashMap<AgencyCode, String>,
    /// By the agency asked: gets the request and the honest answer, gives what arrives.
    lies: HashMap<AgencyCode, Lie>,
    /// What the members without a node of their own answer.
    crowd: Option<Crowd>,
    /// Where the coordinator's node publishes.
    repository: PathBuf,
    /// Every request that was sent, with its sender and recipient.
    sent: Vec<(AgencyCode, AgencyCode, Bytes)>,
}

/// The mesh as one member sees it.
struct Mesh {
    own: AgencyCode,
    wires: Arc<Mutex<Wires>>,
}

impl Peers for Mesh {
    fn call<'a>(
        &'a self,
        to: &'a DirectoryEntry,
        message: Bytes,
        _: u64,
    ) -> BoxFuture<'a, Result<Bytes, PeerFault>> {
        Box::pin(async move {
            let (node, lie, repository, trust) = {
                let mut wires = self.wires.lock().unwrap();
                wires.sent.push((self.own, to.agency, message.clone()));
                if wires.down.contains(&to.agency) || wires.down.contains(&self.own) {
                    return Err(PeerFault {
                        code: ErrorCode::Unavailable,
                        reason: "connection refused".to_owned(),
                    });
                }
                if let Some(words) = wires.refusing.get(&to.agency) {
                    return Err(PeerFault { code: ErrorCode::Busy, reason: words.clone() });
                }
                (
                    wires.nodes.get(&to.agency).cloned(),
                    wires.lies.get(&to.agency).cloned(),
                    wires.repository.clone(),
                    wires.trusts.get(&to.agency).cloned(),
                )
            };
            let Some(node) = node else {
                let crowd = self.wires.lock().unwrap().crowd.clone().expect("a member without a node");
                return Ok(crowd(&to.agency, message));
            };
            let answer = match chengxin_schemas::wire::decode(&message) {
                Ok(PeerRequest::Overlay { publication, content }) => {
                    let accepted =
                        overlay_accept(&node, &self.own, (&publication, content), &repository).await;
                    let source = FolderSource::new(&repository);
                    trust.expect("a trust store").refresh(&source, NOW).await.expect("refreshed");
                    let response = match accepted {
                        Ok(()) => PeerResponse::Noted,
                        Err(error) => PeerResponse::Failed { code: error.code(), reason: chain(&error) },
                    };
                    Bytes::from(chengxin_schemas::wire::encode(&response).expect("encodes"))
                }
                request => node.peer_handle(&self.own, request).await,
            };
            Ok(match lie {
                Some(lie) => lie(message, answer),
                None => answer,
            })
        })
    }
}

/// A federation of three.
pub(crate) struct Federation {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) fingerprint: chengxin_trust::RootFingerprint,
    pub(crate) clocks: HashMap<AgencyCode, Arc<FixedClock>>,
    wires: Arc<Mutex<Wires>>,
    /// What a test wants asked before a node's store does something.
    pub(crate) hooks: HashMap<AgencyCode, HookPlace>,
}

pub(crate) fn agency(code: &str) -> AgencyCode {
    code.parse().expect("agency")
}

pub(crate) fn signing(number: u8) -> SigningKey {
    SigningKey::from_seed(&seed(number)).expect("key")
}

fn seed(number: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([number; 32])
}

impl Federation {
    pub(crate) async fn new() -> Self {
        let federation = Self::founded(&BODIES[1..], 0);
        for body in BODIES {
            federation.node_start(body.0, true).await;
        }
        federation
    }

    /// A federation of one node and a crowd of members that share a signing key and answer as they are told.
    pub(crate) async fn with_crowd(
        members: usize,
        crowd: impl Fn(&AgencyCode, Bytes) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        let federation = Self::founded(&[], members);
        federation.wires.lock().unwrap().crowd = Some(Arc::new(crowd));
        federation.node_start(FINANCE, true).await;
        federation
    }

    fn founded(bodies: &[(&str, &str, &str, u8)], crowd: usize) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let repository = folder.path().join("repository");
        let online = || OnlineKeys { targets: signing(91), snapshot: signing(92), timestamp: signing(93) };
        let bundle = Bundle::baseline().expect("baseline");
        let founded = federation_found(
            &FoundParams {
                federation: "example".parse().expect("federation"),
                root_keys: &[signing(94)],
                threshold: 1,
                online: &online(),
                lifetimes: Lifetimes::default(),
                coordinator: entry(BODIES[0], true),
                contents: founding_contents(&bundle, NOW).expect("contents"),
            },
            &repository,
            NOW,
        )
        .expect("founded");
        let mut editor =
            DirectoryEditor::open(&repository, online(), Lifetimes::default(), NOW).expect("editor");
        for body in bodies {
            editor.member_admit(entry(*body, false), NOW).expect("admitted");
        }
        let mut one = entry((FINANCE, "", "finance", CROWD_KEY), false);
        let crowd = (0..crowd).map(|number| {
            one.agency = crowd_agency(number);
            one.name = format!("示例单位{number}");
            one.transport_identity = format!("12D3KooWcrowd{number}");
            MemberChange::Admit(Box::new(one.clone()))
        });
        let crowd: Vec<_> = crowd.collect();
        if !crowd.is_empty() {
            editor.members_change(crowd, NOW).expect("admitted");
        }
        Self {
            folder,
            fingerprint: founded.fingerprint,
            clocks: BODIES.iter().map(|body| (agency(body.0), Arc::new(FixedClock::new(NOW)))).collect(),
            wires: Arc::new(Mutex::new(Wires { repository, ..Wires::default() })),
            hooks: BODIES.iter().map(|body| (agency(body.0), HookPlace::default())).collect(),
        }
    }

    /// Opens a node, on the files it left if it ran before.
    pub(crate) async fn node_start(&self, code: &str, first: bool) {
        let number = number_of(code);
        self.node_start_keyed(code, first, signing(number), number + 1).await;
    }

    /// Opens a node with other keys than its first ones.
    pub(crate) async fn node_start_keyed(&self, code: &str, first: bool, key: SigningKey, seal: u8) {
        let number = number_of(code);
        let home = self.folder.path().join(code);
        std::fs::create_dir_all(&home).expect("home");
        let trust = TrustStore::open(home.join("trust"), self.fingerprint).await.expect("trust");
        trust
            .refresh(&FolderSource::new(self.folder.path().join("repository")), NOW)
            .await
            .expect("refreshed");
        let options = LogOptions {
            origin: format!("chengxin.invalid/log/{code}").parse().expect("origin"),
            keys: vec![signing(number + 3)],
            body_keys: BodyKeys { current: BodyKey::new(&seed(50)), older: Vec::new() },
            random: Box::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes)),
            checkpoint_interval: Duration::from_millis(50),
        };
        let audit = home.join("audit");
        let log = if first { AuditLog::create(&audit, options) } else { AuditLog::open(&audit, options) };
        let store = if first { SledOptions::creating() } else { SledOptions::default() };
        let store = SledStore::open(home.join("store"), store).expect("store");
        let now = self.clocks[&agency(code)].now();
        let directory = trust.directory().expect("directory");
        let policy = policy_at_start(&store, &directory, &agency(code), now).await.expect("policy");
        let seal = SealIdentity::from_seed(&seed(seal)).expect("seal");
        let trust = Arc::new(trust);
        self.wires.lock().unwrap().trusts.insert(agency(code), trust.clone());
        let node = Node::open(Parts {
            agency: agency(code),
            keys: NodeKeys::new(key, seal, &seed(number + 4)).expect("keys"),
            store: Arc::new(HookedStore { inner: store, hook: self.hooks[&agency(code)].clone() }),
            log: Arc::new(log.expect("log")),
            trust,
            policy: Arc::new(policy),
            shares_counts: true,
            peers: Arc::new(Mesh { own: agency(code), wires: self.wires.clone() }),
            clock: self.clocks[&agency(code)].clone(),
            random: Arc::new(|bytes: &mut [u8]| chengxin_schemas::random::fill(bytes)),
        })
        .await
        .expect("node");
        if first {
            let drafts = [
                ("zhang", Role::Clerk),
                ("li", Role::Reviewer),
                ("sec", Role::SecurityAdministrator),
                ("aud", Role::AuditAdministrator),
            ]
            .map(|(name, role)| OperatorDraft {
                name: name.parse().expect("name"),
                display_name: name.to_owned(),
                user_id: 1,
                roles: vec![role],
            });
            node.operators_found(drafts.to_vec(), Separation::Trial).await.expect("accounts");
        }
        self.wires.lock().unwrap().nodes.insert(agency(code), node);
    }

    /// Changes a member's entry; nodes learn of it when they refresh or start.
    pub(crate) fn entry_update(&self, code: &str, change: impl FnOnce(&mut DirectoryEntry)) {
        let mut editor = DirectoryEditor::open(
            &self.folder.path().join("repository"),
            OnlineKeys { targets: signing(91), snapshot: signing(92), timestamp: signing(93) },
            Lifetimes::default(),
            NOW,
        )
        .expect("editor");
        let mut entry = editor.entries().find(|entry| entry.agency == agency(code)).expect("member").clone();
        change(&mut entry);
        editor.member_update(entry, NOW).expect("updated");
    }

    /// Publishes contents as the coordinator's node does; nodes learn of it when they refresh or start.
    pub(crate) fn contents_publish(&self, contents: &BTreeMap<ContentName, Option<Bytes>>) {
        contents_publish(&self.folder.path().join("repository"), contents);
    }

    /// Lets a running node learn of changes to the directory.
    pub(crate) async fn directory_refresh(&self, code: &str) {
        let trust = self.wires.lock().unwrap().trusts[&agency(code)].clone();
        let source = FolderSource::new(self.folder.path().join("repository"));
        trust.refresh(&source, NOW).await.expect("refreshed");
    }

    /// Takes a node away with everything it holds open, as a crash would.
    pub(crate) fn node_drop(&self, code: &str) {
        let node = self.wires.lock().unwrap().nodes.remove(&agency(code)).expect("node");
        assert_eq!(Arc::strong_count(&node), 1, "nobody else may hold the node");
    }

    pub(crate) fn node(&self, code: &str) -> Arc<Node> {
        self.wires.lock().unwrap().nodes[&agency(code)].clone()
    }

    /// Waits until what a dropped use case had begun has ended, then takes the node away.
    pub(crate) async fn node_drop_idle(&self, code: &str) {
        while Arc::strong_count(&self.node(code)) > 2 {
            tokio::task::yield_now().await;
        }
        self.node_drop(code);
    }

    pub(crate) fn hook(&self, code: &str, hook: Option<Hook>) {
        *self.hooks[&agency(code)].lock().unwrap() = hook;
    }

    pub(crate) fn down(&self, code: &str, down: bool) {
        let mut wires = self.wires.lock().unwrap();
        wires.down.retain(|held| *held != agency(code));
        if down {
            wires.down.push(agency(code));
        }
    }

    pub(crate) fn refuse(&self, code: &str, words: Option<&str>) {
        let mut wires = self.wires.lock().unwrap();
        match words {
            Some(words) => wires.refusing.insert(agency(code), words.to_owned()),
            None => wires.refusing.remove(&agency(code)),
        };
    }

    pub(crate) fn lie(&self, code: &str, lie: Option<Lie>) {
        let mut wires = self.wires.lock().unwrap();
        match lie {
            Some(lie) => wires.lies.insert(agency(code), lie),
            None => wires.lies.remove(&agency(code)),
        };
    }

    /// The last message from one member to another.
    /// Every request that was sent, with its sender and recipient.
    pub(crate) fn sent(&self) -> Vec<(AgencyCode, AgencyCode, Bytes)> {
        self.wires.lock().unwrap().sent.clone()
    }

    pub(crate) fn last_sent(&self, from: &str, to: &str) -> Bytes {
        let wires = self.wires.lock().unwrap();
        let sent = wires.sent.iter().rev().find(|(one, two, _)| *one == agency(from) && *two == agency(to));
        sent.expect("sent").2.clone()
    }

    /// Runs every delivery that is due until nothing is owed or nobody answers.
    pub(crate) async fn deliver(&self, code: &str) {
        let node = self.node(code);
        loop {
            let due = node.delivery_due();
            if due.is_empty() {
                return;
            }
            for recipient in due {
                node.delivery_attempt(&recipient).await;
            }
        }
    }

    /// Imports a penalty of the market regulator against the subject.
    pub(crate) async fn penalty_import(&self) -> ImportBatch {
        self.penalty_import_at(MARKET, SUBJECT).await
    }

    /// Issues a notice on the newest record of a member; where one takes a measure on it already, on another penalty of the
    /// same subject, which is imported for it.
    pub(crate) async fn notice_issue(
        &self,
        code: &str,
        measures: &[&str],
    ) -> Result<NoticeDetail, chengxin_exchange::ExchangeError> {
        let node = self.node(code);
        let reviewer = as_role(&node, Role::Reviewer).await;
        let measure = |code: &&str| MeasureDraft {
            measure: code.parse().expect("label"),
            legal_basis: None,
            from: None,
            until: None,
        };
        let draft = |record| NoticeDraft { record, measures: measures.iter().map(measure).collect() };
        let newest = async || {
            let filter = RecordFilter { limit: 100, ..RecordFilter::default() };
            node.record_list(&reviewer, filter).await.expect("list").records
        };
        let records = newest().await;
        match node.notice_issue(&reviewer, draft(records[0].id)).await {
            Err(chengxin_exchange::ExchangeError::Conflict { reason, .. })
                if reason.contains("on the same record") =>
            {
                let number = format!("示市监罚〔2026〕{}号", 100 + records.len());
                let file = penalty_file(SUBJECT, "示例启明建设工程有限公司", &number, "12.5");
                let clerk = as_role(&node, Role::Clerk).await;
                node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {}))
                    .await
                    .expect("import");
                node.notice_issue(&reviewer, draft(newest().await[0].id)).await
            }
            issued => issued,
        }
    }

    /// Imports a penalty of a member against a company.
    pub(crate) async fn penalty_import_at(&self, code: &str, subject: &str) -> ImportBatch {
        let node = self.node(code);
        let clerk = as_role(&node, Role::Clerk).await;
        // Another company, another decision.
        let number =
            if subject == SUBJECT { "示市监罚〔2026〕88号" } else { "示市监罚〔2026〕89号" };
        let file = penalty_file(subject, "示例启明建设工程有限公司", number, "12.5");
        let (examination, batch) =
            node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
        assert_eq!(examination.rejected(), 0, "{:?}", examination.report.issues().collect::<Vec<_>>());
        batch.expect("batch")
    }
}

/// A penalty of somebody who has a code and a resident number.
pub(crate) fn sole_trader() -> String {
    format!(
        "行政相对人名称,统一社会信用代码,证件类型,证件号码,行政处罚决定书文号,处罚决定日期,处罚机关\n\
         示例甲,{SUBJECT},身份证,11010519491231002X,示罚1号,2026-09-18,示例市场监督管理局\n"
    )
}

/// A list with one judgment debtor whose number is masked: a person's record that is found by its name only.
pub(crate) fn nameless_debtor(name: &str) -> String {
    format!(
        "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号,发布时间\n\
         {name},1101051949****002X,示例区人民法院,2026-09-10,(2026)示执1号,2026-09-20\n"
    )
}

/// The baseline under its next version, with changed texts, and of its own tests the first only: a decision about
/// government procurement, which the change must not concern.
pub(crate) fn policy_changed(change: impl FnOnce(&mut BTreeMap<String, String>)) -> BundleFiles {
    let baseline = Bundle::baseline().expect("baseline");
    let version = baseline.manifest().version.next().expect("a next version");
    let files = baseline.files().reissue(&version, "2026-11-01".parse().expect("day")).expect("reissued");
    let mut texts: BTreeMap<String, String> =
        files.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let tests = texts.get_mut("tests.toml").expect("tests");
    let second = tests.match_indices("[[test]]").nth(1).expect("more than one").0;
    tests.truncate(second);
    change(&mut texts);
    BundleFiles::new(texts).expect("files")
}

/// Replaces a text that stands once in a file of a bundle.
pub(crate) fn text_replace(texts: &mut BTreeMap<String, String>, file: &str, from: &str, to: &str) {
    let text = texts.get_mut(file).expect("file");
    assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
    *text = text.replace(from, to);
}

pub(crate) async fn as_role(node: &Node, role: Role) -> Operation {
    node.operation_begin(1, None, Some(role)).await.expect("account")
}

/// Publishes contents as a coordinator's node does.
fn contents_publish(repository: &Path, contents: &BTreeMap<ContentName, Option<Bytes>>) {
    let online = OnlineKeys { targets: signing(91), snapshot: signing(92), timestamp: signing(93) };
    DirectoryEditor::open(repository, online, Lifetimes::default(), NOW)
        .and_then(|mut editor| editor.contents_publish(contents, NOW))
        .expect("published");
}

/// Takes an overlay as a coordinator's node does.
pub(crate) async fn overlay_accept(
    node: &Arc<Node>,
    from: &AgencyCode,
    sent: (&str, Vec<u8>),
    repository: &Path,
) -> Result<(), ExchangeError> {
    let publish = async |prepared: PreparedPublication| {
        contents_publish(repository, &prepared.contents);
        Ok(())
    };
    node.overlay_accept(from, sent, publish).await
}

fn number_of(code: &str) -> u8 {
    BODIES.iter().find(|body| body.0 == code).expect("body").3
}

/// The age recipient that belongs to a seed.
pub(crate) fn seal_recipient(number: u8) -> String {
    seal_identity(number).to_recipient().to_string()
}

pub(crate) fn seal_identity(number: u8) -> SealIdentity {
    SealIdentity::from_seed(&seed(number)).expect("seal")
}

fn entry((code, name, function, number): (&str, &str, &str, u8), coordinator: bool) -> DirectoryEntry {
    let origin = format!("chengxin.invalid/log/{code}").parse().expect("origin");
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: agency(code),
        name: name.to_owned(),
        region: "150000".parse().expect("region"),
        functions: vec![function.parse().expect("function")],
        coordinator,
        overlay_region: None,
        signing_keys: vec![TimedKey {
            jwk: *signing(number).public(),
            not_before: NOW.plus(-86_400),
            not_after: None,
        }],
        age_node_recipient: seal_recipient(number + 1),
        age_recovery_recipient: seal_recipient(number + 2),
        transport_identity: format!("12D3KooWtest{number}"),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        audit_log_key: NoteVerifier::new(origin, KeyKind::Ed25519, *signing(number + 3).public()).to_string(),
        protocol: 1,
    }
}

/// A file in memory.
pub(crate) struct Memory(pub(crate) Vec<u8>);

impl ImportFile for Memory {
    fn open(&self) -> std::io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }

    fn name(&self) -> &str {
        "penalties.csv"
    }

    fn import_keep(&self, _: &BatchId) -> std::io::Result<()> {
        Ok(())
    }
}

/// The header of the penalty files here.
pub(crate) const HEADER: &str = "行政相对人名称,行政相对人代码_1 (统一社会信用代码),法定代表人,法定代表人身份证号,行政处罚决定书文号,违法行为类型,违法事实,处罚类别,罚款金额 (万元),处罚决定日期,处罚机关";

/// Penalties of one company, the first of them for a serious breach, so that it is the oldest record.
pub(crate) fn serious_then_general(general: usize) -> Arc<dyn ImportFile> {
    let mut text = format!("{HEADER}\n");
    for row in 0..=general {
        let kind = if row == 0 { "责令停产停业" } else { "罚款" };
        text.push_str(&format!(
            "示例启明建设工程有限公司,{SUBJECT},,,示独罚{row}号,类型,事实,{kind},1,2026-09-18,示例市场监督管理局\n"
        ));
    }
    Arc::new(Memory(text.into_bytes()))
}

/// One penalty as CSV.
pub(crate) fn penalty_file(code: &str, name: &str, number: &str, fine: &str) -> Arc<dyn ImportFile> {
    let person = chengxin_import::generate::resident_number(31);
    let row = format!(
        "{name},{code},示例甲,{person},{number},串通投标,与他人串通,罚款,{fine},2026-09-18,示例市场监督管理局"
    );
    Arc::new(Memory(format!("{HEADER}\n{row}\n").into_bytes()))
}
