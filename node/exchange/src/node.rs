//! The node: its identity and keys, and the parts that the program hands in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chengxin_audit_log::AuditLog;
use chengxin_policy::Authoriser;
use chengxin_schemas::adoption::AdoptionReport;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::HmacKey;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::{BatchId, Nonce, NoticeId};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::sealing_key::{DataKey, NONCE_LENGTH};
use chengxin_schemas::time::{Clock, UnixTime};
use chengxin_store::Store;
use chengxin_trust::{Freshness, TrustStore, VerifiedDirectory};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::budget::{
    DayBudget, INTAKE_BYTES_PER_DAY, INTAKE_ITEMS_PER_DAY, REPORTS_PER_DAY, REWINDS_PER_DAY,
    SIMULATIONS_PER_DAY,
};
use crate::clock_doubt::ClockDoubts;
use crate::daily_limit::DailyCounts;
use crate::error::{ExchangeError, Result};
use crate::held::STEPS_AT_ONCE;
use crate::import_lock::ImportLock;
use crate::operator::OperatorAccount;
use crate::peers::Peers;
use crate::policy_adoption::Adoption;
use crate::recognition::RecognitionBasis;
use crate::refusal::RefusalBudget;
use crate::replay::ReplayGuard;
use crate::schedule::DeliverySchedule;

/// Fills a slice with random bytes; called from many tasks.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The secret keys of a node. Separate for every use, so that one can be rotated or lost without the others.
pub struct NodeKeys {
    /// Signs records, requests, answers, notices, receipts and certificates.
    pub signing: SigningKey,
    /// Opens what peers seal for this node.
    pub seal: SealIdentity,
    /// Keys the hashes of subjects in indexes and in the audit log.
    pub subject: HmacKey,
    /// Derives record identifiers from duplicate keys.
    pub record: HmacKey,
    /// Encrypts rows at rest.
    pub data: DataKey,
}

impl NodeKeys {
    /// Derives the symmetric keys from one stored 32-byte secret. Signing and sealing keys are independent.
    pub fn new(signing: SigningKey, seal: SealIdentity, secret: &Zeroizing<[u8; 32]>) -> Result<Self> {
        let master = HmacKey::new(secret);
        let derive = |purpose: &[u8]| Zeroizing::new(master.hash(&[b"chengxin/derive/v1", purpose]));
        Ok(Self {
            signing,
            seal,
            subject: HmacKey::new(&derive(b"subject")),
            record: HmacKey::new(&derive(b"record")),
            data: DataKey::new(&derive(b"data"))?,
        })
    }
}

/// Everything a node is made of.
pub struct Parts {
    /// The body that runs the node.
    pub agency: AgencyCode,
    /// Its secret keys.
    pub keys: NodeKeys,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its audit log.
    pub log: Arc<AuditLog>,
    /// The verified metadata of the federation: the member directory, and evidence for certificates.
    pub trust: Arc<TrustStore>,
    /// The policy to start with ([`crate::policy_adoption::policy_at_start`]).
    pub policy: Arc<Authoriser>,
    /// Whether coordinators are told what a new policy would change for the requests in this node's log.
    pub shares_counts: bool,
    /// Its peers.
    pub peers: Arc<dyn Peers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
}

/// A node at work. Shared by every surface: local socket, peers, timers.
pub struct Node {
    pub(crate) parts: Parts,
    /// The policy in force; exchanged by [`Node::policy_adopt`] alone.
    pub(crate) policy: watch::Sender<Arc<Authoriser>>,
    /// What is known of published policies; one look at a time.
    pub(crate) adoption: tokio::sync::Mutex<Adoption>,
    /// What the last look gave.
    pub(crate) adoption_seen: Mutex<Option<AdoptionReport>>,
    /// One report of a member on its policy at a time.
    pub(crate) telling: tokio::sync::Mutex<()>,
    /// How often members may say by which policy they decide.
    pub(crate) told: Mutex<DayBudget>,
    /// One simulation for a coordinator at a time.
    pub(crate) simulating: tokio::sync::Semaphore,
    /// How often members may ask for one.
    pub(crate) simulated: Mutex<DayBudget>,
    /// What restrictions were decided by in a pass that some could not be read in.
    pub(crate) passed_over: Mutex<Option<RecognitionBasis>>,
    /// One step of a coordinator's plans at a time.
    pub(crate) planning: tokio::sync::Mutex<()>,
    /// One release at a time is asked for, decided or used.
    pub(crate) releasing: tokio::sync::Mutex<()>,
    pub(crate) replay: Mutex<ReplayGuard>,
    /// One check at a time is counted against the daily limits of its purpose.
    pub(crate) counting: tokio::sync::Mutex<()>,
    /// How often members asked today under purposes with a daily limit.
    pub(crate) answered_today: Mutex<DailyCounts>,
    pub(crate) delivery: Mutex<DeliverySchedule>,
    /// Recipients whose streams are compared with theirs at the next contact.
    pub(crate) comparing: Mutex<BTreeSet<AgencyCode>>,
    /// What issuers may make this node keep.
    pub(crate) intake: Mutex<DayBudget>,
    /// How often recipients may say that their streams stand elsewhere.
    pub(crate) rewinds: Mutex<DayBudget>,
    pub(crate) refusals: Mutex<RefusalBudget>,
    /// Refusals of this machine's users, by number, that could not be taken for the operator they said they are.
    pub(crate) strangers: Mutex<RefusalBudget<u32>>,
    /// Members whose clocks and this machine's differ.
    pub(crate) clock_doubts: Mutex<ClockDoubts>,
    /// The accounts as they were read last.
    pub(crate) accounts_seen: Mutex<Vec<OperatorAccount>>,
    /// Number ranges of imports that are not committed: their records do not exist for any reader.
    pub(crate) hidden: RwLock<BTreeMap<BatchId, (u64, u64)>>,
    /// One import at a time: records of a batch have contiguous numbers, and the indexes over them one writer.
    pub(crate) importing: ImportLock,
    /// Turns of searches that look at many records.
    pub(crate) searching: Arc<tokio::sync::Semaphore>,
    /// Shared by who issues a notice, from reading its record to the notice's commit; held alone by a rollback from
    /// looking for notices until the records are hidden. So no notice rests on a record that is on its way out.
    pub(crate) resting: Arc<tokio::sync::RwLock<()>>,
    /// Outgoing streams grow one notice at a time, so that numbers have no gaps. Held from before an item is staged until
    /// the heads cover it.
    pub(crate) issuing: Arc<tokio::sync::Mutex<()>>,
    /// Held, after `issuing` and `receiving` where they are, while heads of outgoing streams change: a new item moves their ends, a
    /// receipt what is acknowledged. Receipts do not wait until a notice is sealed for everybody.
    pub(crate) heads: tokio::sync::Mutex<()>,
    /// Incoming items are applied one at a time per node: state, restriction and receipt change together. Also held while
    /// the policy is exchanged, while restrictions are decided again, and, after `issuing` and before `heads`, from
    /// deciding on an own notice to its commit: so a restriction is decided by the policy in force when it is written, or
    /// is there when it is decided again.
    pub(crate) receiving: tokio::sync::Mutex<()>,
    /// Changes to operator accounts are checked against all accounts, so one at a time.
    pub(crate) operators_changing: tokio::sync::Mutex<()>,
}

impl Node {
    /// Puts a node together and loads what it must know before it answers: imports in progress and open deliveries.
    /// Restrictions are decided again if the policy or the own functions changed, and indexes of a former version are brought
    /// up to this one's.
    pub async fn open(parts: Parts) -> Result<Arc<Self>> {
        let node = Self {
            policy: watch::Sender::new(parts.policy.clone()),
            adoption: tokio::sync::Mutex::default(),
            adoption_seen: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            told: Mutex::new(DayBudget::new(REPORTS_PER_DAY, u64::MAX)),
            simulating: tokio::sync::Semaphore::new(1),
            simulated: Mutex::new(DayBudget::new(SIMULATIONS_PER_DAY, u64::MAX)),
            passed_over: Mutex::default(),
            planning: tokio::sync::Mutex::default(),
            releasing: tokio::sync::Mutex::default(),
            parts,
            replay: Mutex::default(),
            counting: tokio::sync::Mutex::default(),
            answered_today: Mutex::default(),
            delivery: Mutex::default(),
            comparing: Mutex::default(),
            intake: Mutex::new(DayBudget::new(INTAKE_ITEMS_PER_DAY, INTAKE_BYTES_PER_DAY)),
            rewinds: Mutex::new(DayBudget::new(REWINDS_PER_DAY, u64::MAX)),
            refusals: Mutex::default(),
            strangers: Mutex::default(),
            clock_doubts: Mutex::default(),
            accounts_seen: Mutex::default(),
            hidden: RwLock::default(),
            importing: ImportLock::default(),
            searching: Arc::new(tokio::sync::Semaphore::new(STEPS_AT_ONCE)),
            resting: Arc::default(),
            issuing: Arc::default(),
            heads: tokio::sync::Mutex::default(),
            receiving: tokio::sync::Mutex::default(),
            operators_changing: tokio::sync::Mutex::default(),
        };
        node.hidden_load().await?;
        node.recognition_refresh().await?;
        node.delivery_load().await?;
        let node = Arc::new(node);
        node.import_index_upgrade().await?;
        Ok(node)
    }

    /// The body that runs the node.
    pub fn agency(&self) -> &AgencyCode {
        &self.parts.agency
    }

    /// The present time.
    pub fn now(&self) -> UnixTime {
        self.parts.clock.now()
    }

    /// The policy in force. It may be exchanged at any moment: one operation takes it once, decides by it, and names its
    /// version in what it logs and signs.
    pub fn policy(&self) -> Arc<Authoriser> {
        self.policy.borrow().clone()
    }

    /// Tells when the policy is exchanged.
    pub fn policy_watch(&self) -> watch::Receiver<Arc<Authoriser>> {
        self.policy.subscribe()
    }

    /// Version of the policy in force, for what is logged and decided by no rule.
    pub fn policy_version(&self) -> String {
        self.policy().bundle().rules_version().to_owned()
    }

    /// The directory, however old. For display and for serving; decisions use [`Node::directory_current`].
    pub fn directory(&self) -> Result<Arc<VerifiedDirectory>> {
        Ok(self.parts.trust.directory()?)
    }

    /// The audit log.
    pub fn log(&self) -> &Arc<AuditLog> {
        &self.parts.log
    }

    /// The directory, unless it expired longer ago than the grace: then nobody can be told from a former member.
    pub(crate) fn directory_current(&self) -> Result<Arc<VerifiedDirectory>> {
        let directory = self.directory()?;
        match directory.freshness(self.now()) {
            Freshness::Current | Freshness::Grace { .. } => Ok(directory),
            Freshness::Expired => Err(ExchangeError::DirectoryExpired {
                fix: "bring the coordinator's node or any member with fresh metadata into reach, then wait for the next refresh",
            }),
        }
    }

    /// The own directory entry.
    pub(crate) fn own_entry(&self) -> Result<DirectoryEntry> {
        self.directory()?
            .entry(&self.parts.agency)
            .cloned()
            .ok_or(ExchangeError::NotFound { what: "this node's own directory entry" })
    }

    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0_u8; N];
        (self.parts.random)(&mut bytes);
        bytes
    }

    pub(crate) fn row_nonce(&self) -> [u8; NONCE_LENGTH] {
        self.random_bytes()
    }

    pub(crate) fn request_nonce(&self) -> Nonce {
        Nonce(self.random_bytes())
    }

    pub(crate) fn notice_id(&self) -> NoticeId {
        NoticeId(self.random_bytes())
    }

    pub(crate) fn batch_id(&self) -> BatchId {
        BatchId(self.random_bytes())
    }

    /// Whether a record number belongs to an import that is not committed.
    pub(crate) fn number_is_hidden(&self, number: u64) -> bool {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.values().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

/// Says who the node is; shows no key.
impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Node({})", self.parts.agency)
    }
}
