//! `init`, `federation found` and `join`: from an empty folder to a node that a federation knows.
//!
//! Each refuses to touch what is in force. `init` writes everything into `<home>.initialising` beside the home and renames
//! it at the end: that is the commit point. A crash before it leaves a folder that the next attempt removes, and after
//! the last file a recovery key that opens nothing: the next attempt names it and asks for another place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use chengxin_api::bounded_file::text_read;
use chengxin_audit_log::AuditLog;
use chengxin_exchange::policy_schedule::founding_contents;
use chengxin_network::{JoinClient, PeerAddress, TransportKey};
use chengxin_policy::Bundle;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::{Clock, UnixTime};
use chengxin_schemas::wire::{self, JoinRequest, JoinResponse, TokenText};
use chengxin_store::{SledOptions, SledStore};
use chengxin_trust::{
    DirectoryEditor, FolderSource, FoundParams, JoinApplication, Lifetimes, MetadataSource, OnlineKeys,
    RootFingerprint, SourceError, TrustStore, application_sign, federation_found,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::clock::{SystemClock, seed};
use crate::coordination::{APPLICATION_FILE_LIMIT, ApplicationFile, ApplicationSchema};
use crate::error::AppError;
use crate::home::{Home, KeyRole, file_create, file_replace, folder_make, folder_sync, key_create, key_read};
use crate::identity::NodeIdentity;

/// How long joining may take at each step.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);
/// Version of the wire protocol written into directory entries.
const PROTOCOL: u16 = chengxin_schemas::wire::WIRE_VERSION as u16;

/// One account to make at the first start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstAccount {
    pub(crate) name: OperatorName,
    pub(crate) user_id: u32,
    pub(crate) roles: Vec<Role>,
}

/// What `init` needs to know.
pub(crate) struct InitPlan {
    pub(crate) home: PathBuf,
    pub(crate) identity: NodeIdentity,
    pub(crate) config: String,
    pub(crate) accounts: Vec<FirstAccount>,
    /// Where the offline recovery key goes, outside the home.
    pub(crate) recovery_key: PathBuf,
}

/// Whether [`init`] would find its places free. Changes nothing.
pub(crate) fn init_check(plan: &InitPlan) -> Result<(), AppError> {
    let occupied = std::fs::read_dir(&plan.home).is_ok_and(|mut listing| listing.next().is_some());
    if occupied {
        return Err(AppError::State {
            what: format!("{} is not empty", plan.home.display()),
            fix: "name a new folder with --home; an existing node is never overwritten",
            code: ErrorCode::Conflict,
        });
    }
    if plan.recovery_key.exists() {
        return Err(AppError::State {
            what: format!("the recovery key file {} exists", plan.recovery_key.display()),
            fix: "name a new file with --recovery-key; remove the old one only if it belongs to an init that did not end",
            code: ErrorCode::Conflict,
        });
    }
    Ok(())
}

/// Makes a node.
pub(crate) fn init(plan: &mut InitPlan) -> Result<(), AppError> {
    init_check(plan)?;
    home_make_room(&plan.home)?;
    let mut beside = plan.home.as_os_str().to_owned();
    beside.push(".initialising");
    let beside = PathBuf::from(beside);
    if beside.exists() {
        std::fs::remove_dir_all(&beside).map_err(AppError::file("empty", &beside))?;
    }
    let home = Home::new(&beside);
    folder_make(home.path())?;
    folder_make(&home.keys())?;
    folder_make(&home.spool())?;
    for role in [KeyRole::Signing, KeyRole::Transport, KeyRole::Sealing, KeyRole::AuditLog, KeyRole::Secret] {
        key_create(&home.key(role), role, &seed())?;
    }
    let recovery = SealIdentity::from_seed(&seed())?;
    plan.identity.recovery_recipient = recovery.to_recipient().to_string();
    plan.identity.create(&home)?;
    file_create(&home.config(), 0o644, plan.config.as_bytes())?;
    let accounts = serde_json::to_vec_pretty(&plan.accounts)
        .map_err(|error| AppError::FileContent { path: home.first_accounts(), reason: error.to_string() })?;
    file_create(&home.first_accounts(), 0o600, &accounts)?;
    drop(
        SledStore::open(home.store(), SledOptions::creating())
            .map_err(|source| AppError::Store { path: home.store(), source })?,
    );
    let options = crate::wiring::log_options(&home, &plan.identity)?;
    AuditLog::create(&home.audit(), options)
        .and_then(AuditLog::close)
        .map_err(|source| AppError::Log { path: home.audit(), source })?;
    // The recovery key first: a node whose mail nobody could ever recover must not come to be.
    let text = zeroize::Zeroizing::new(format!("{}\n", recovery.to_text().as_str()));
    file_create(&plan.recovery_key, 0o600, text.as_bytes())?;
    std::fs::rename(&beside, &plan.home).map_err(AppError::file("rename", &plan.home))?;
    plan.home.parent().map_or(Ok(()), folder_sync)
}

/// Makes the parent, and takes an empty folder out of the way of the rename at the end.
fn home_make_room(home: &Path) -> Result<(), AppError> {
    if home.exists() {
        // An empty folder that the package made: the rename at the end needs the place free.
        std::fs::remove_dir(home).map_err(AppError::file("remove the empty", home))?;
    }
    match home.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => folder_make(parent),
        Some(_) | None => Ok(()),
    }
}

/// The own directory entry as the node would like it, from its keys and identity.
pub(crate) fn own_entry(
    home: &Home,
    identity: &NodeIdentity,
    coordinator: bool,
) -> Result<DirectoryEntry, AppError> {
    let now = SystemClock.now();
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let sealing = SealIdentity::from_seed(&key_read(&home.key(KeyRole::Sealing), KeyRole::Sealing)?)?;
    let transport = TransportKey::from_seed(*key_read(&home.key(KeyRole::Transport), KeyRole::Transport)?);
    Ok(DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: identity.agency,
        name: identity.name.clone(),
        region: identity.region,
        functions: identity.functions.clone(),
        coordinator,
        overlay_region: None,
        signing_keys: vec![TimedKey { jwk: *signing.public(), not_before: now, not_after: None }],
        age_node_recipient: sealing.to_recipient().to_string(),
        age_recovery_recipient: identity.recovery_recipient.clone(),
        transport_identity: transport.identity().to_string(),
        addresses: identity.advertise.clone(),
        audit_log_key: crate::wiring::log_verifier(home, identity)?.to_string(),
        protocol: PROTOCOL,
    })
}

/// Refuses a node that pinned a federation: the fingerprint's file is the commit point of founding and of joining.
fn federation_check_none(home: &Home, fix: &'static str) -> Result<(), AppError> {
    if home.fingerprint_read()?.is_some() {
        return Err(AppError::State {
            what: "this node belongs to a federation already".to_owned(),
            fix,
            code: ErrorCode::Conflict,
        });
    }
    Ok(())
}

/// Whether the node was started since `init`. The first start, which needs a federation, makes the first accounts and
/// removes their file.
fn has_run(home: &Home) -> bool {
    !home.first_accounts().exists()
}

/// What `federation found` made.
pub(crate) struct FoundOutcome {
    pub(crate) fingerprint: RootFingerprint,
    pub(crate) root_key_files: Vec<PathBuf>,
    pub(crate) expires: UnixTime,
}

/// Founds a federation with this node as first coordinator. What a founding that was cut short left in the home goes first:
/// nobody was given its fingerprint, and its online keys and what they signed belong together. Its root keys stay where
/// they are, since no key is ever overwritten.
pub(crate) async fn found(
    home: &Home,
    federation: FederationId,
    keys: u8,
    threshold: u8,
    keys_folder: &Path,
) -> Result<FoundOutcome, AppError> {
    let identity = NodeIdentity::read(home)?;
    federation_check_none(home, "a node founds or joins once; use a new home for another federation")?;
    if has_run(home) {
        let (what, fix) = if home.repository().exists() {
            (
                "this node ran as a coordinator's, and the file of its federation's fingerprint is gone",
                "restore federation.fingerprint from the backup; founding anew would destroy what the node has signed",
            )
        } else {
            (
                "this node ran as a member's, and the file of its federation's fingerprint is gone",
                "restore federation.fingerprint from the backup, or join the same federation again; \
                 use a new home to found another",
            )
        };
        return Err(AppError::State { what: what.to_owned(), fix, code: ErrorCode::Integrity });
    }
    folder_clear(&home.repository())?;
    folder_clear(&home.trust())?;
    let now = SystemClock.now();
    let entry = own_entry(home, &identity, true)?;
    let mut root_keys = Vec::with_capacity(usize::from(keys));
    let mut root_key_files = Vec::with_capacity(usize::from(keys));
    folder_make(keys_folder)?;
    for holder in 1..=keys {
        let seed = seed();
        let path = keys_folder.join(format!("root-{holder}.key"));
        key_create(&path, KeyRole::Root, &seed)?;
        root_keys.push(SigningKey::from_seed(&seed)?);
        root_key_files.push(path);
    }
    for role in [KeyRole::Targets, KeyRole::Snapshot, KeyRole::Timestamp] {
        let path = home.key(role);
        // Left over from a founding that was cut short; nothing was signed with it that anybody has.
        if path.exists() {
            std::fs::remove_file(&path).map_err(AppError::file("remove", &path))?;
        }
        key_create(&path, role, &seed())?;
    }
    let lifetimes = Lifetimes::default();
    let bundle = Bundle::baseline()?;
    let founded = federation_found(
        &FoundParams {
            federation,
            root_keys: &root_keys,
            threshold: usize::from(threshold),
            online: &online_keys(home)?,
            lifetimes,
            coordinator: entry,
            contents: founding_contents(&bundle, now)?,
        },
        &home.repository(),
        now,
    )?;
    let trust = TrustStore::open(home.trust(), founded.fingerprint).await?;
    trust.refresh(&FolderSource::new(home.repository()), now).await?;
    // Commit point of belonging to a federation: the fingerprint's file.
    home.fingerprint_write(founded.fingerprint)?;
    Ok(FoundOutcome { fingerprint: founded.fingerprint, root_key_files, expires: now.plus(lifetimes.root) })
}

/// Signs the directory again by this machine's clock, which a person compared; the node must not be running. Gives the
/// clock and the time of the signature before.
pub(crate) async fn clock_confirm(home: &Home) -> Result<(UnixTime, Option<UnixTime>), AppError> {
    if !home.repository().exists() {
        return Err(AppError::State {
            what: "this node is not a coordinator's and signs no directory".to_owned(),
            fix: "confirm the clock where the federation's coordinator runs its node",
            code: ErrorCode::NotFound,
        });
    }
    let now = SystemClock.now();
    let trust = crate::wiring::trust_open(home).await?;
    let before = trust.directory()?.signed_at();
    // Its lock refuses while the node runs.
    let mut editor =
        DirectoryEditor::open(&home.repository(), online_keys(home)?, Lifetimes::default(), now)?;
    editor.clock_confirm(now)?;
    trust.refresh(&FolderSource::new(home.repository()), now).await?;
    Ok((now, before))
}

/// The keys a coordinator's node signs the directory with.
pub(crate) fn online_keys(home: &Home) -> Result<OnlineKeys, AppError> {
    let key = |role| -> Result<SigningKey, AppError> {
        Ok(SigningKey::from_seed(&key_read(&home.key(role), role)?)?)
    };
    Ok(OnlineKeys {
        targets: key(KeyRole::Targets)?,
        snapshot: key(KeyRole::Snapshot)?,
        timestamp: key(KeyRole::Timestamp)?,
    })
}

/// What `join` did.
pub(crate) struct JoinOutcome {
    pub(crate) federation: FederationId,
    pub(crate) fingerprint: RootFingerprint,
    pub(crate) identity: NodeIdentity,
    pub(crate) directory_version: u64,
    pub(crate) members: usize,
}

/// The trust store to join with. What an earlier attempt verified of the same federation is kept: it need not be fetched
/// again, and nobody can show this node an older state. What does not hold under this fingerprint goes: it is of another
/// federation, or damaged, and this node has pinned none yet.
///
/// A node that ran has pinned one, and has only lost the file: in another federation it would queue its notices for that
/// one's members. Its metadata says which it was; where that is gone too, nothing here does.
async fn trust_begin(home: &Home, fingerprint: RootFingerprint) -> Result<TrustStore, AppError> {
    if let Ok(kept) = TrustStore::open(home.trust(), fingerprint).await {
        return Ok(kept);
    }
    if has_run(home) {
        return Err(AppError::State {
            what: "this node ran as a member's, and the metadata that it keeps does not hold under this fingerprint"
                .to_owned(),
            fix: "join the federation that it belongs to, or restore federation.fingerprint and trust from the backup; \
                  use a new home for another federation",
            code: ErrorCode::Integrity,
        });
    }
    folder_clear(&home.trust())?;
    Ok(TrustStore::open(home.trust(), fingerprint).await?)
}

fn folder_clear(folder: &Path) -> Result<(), AppError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(AppError::file("empty", folder))?;
    }
    Ok(())
}

/// Joins: verify the federation by its fingerprint, verify that the other side is a coordinator of it, and only then
/// show the token.
pub(crate) async fn join(
    home: &Home,
    address: &PeerAddress,
    fingerprint: RootFingerprint,
    token: &str,
) -> Result<JoinOutcome, AppError> {
    let identity = NodeIdentity::read(home)?;
    federation_check_none(home, "a node joins once; use a new home for another federation")?;
    let transport = TransportKey::from_seed(*key_read(&home.key(KeyRole::Transport), KeyRole::Transport)?);
    let trust = trust_begin(home, fingerprint).await?;
    let client = JoinClient::connect(&transport, address, JOIN_DEADLINE).await?;
    let source = DoorSource { client: &client, turns: tokio::sync::Semaphore::new(DOOR_REQUESTS) };
    trust.refresh(&source, SystemClock.now()).await?;
    let remote = client.remote().to_string();
    let directory = trust.directory()?;
    if !directory.coordinators().any(|entry| entry.transport_identity == remote) {
        return Err(AppError::State {
            what: "the node at this address is not a coordinator of the federation".to_owned(),
            fix: "ask the coordinator for the address of its own node; the token was not shown to anybody",
            code: ErrorCode::Unauthenticated,
        });
    }
    let application = application(home, &identity, fingerprint)?;
    let directory_version = admit(&client, token, application).await?;
    trust.refresh(&source, SystemClock.now()).await?;
    let directory = trust.directory()?;
    if directory.entry(&identity.agency).is_none() {
        return Err(AppError::State {
            what: "the coordinator admitted this node, but its directory does not list it".to_owned(),
            fix: "run the same join again; if it stays so, call the coordinator",
            code: ErrorCode::Integrity,
        });
    }
    home.fingerprint_write(fingerprint)?;
    Ok(JoinOutcome {
        federation: directory.federation().clone(),
        fingerprint,
        identity,
        directory_version,
        members: directory.len(),
    })
}

/// Joins with a copy of the federation's metadata in `folder`. A body that a coordinator has not entered yet gets its
/// application written instead, to be carried there.
pub(crate) async fn join_by_hand(
    home: &Home,
    folder: &Path,
    fingerprint: RootFingerprint,
) -> Result<JoinOutcome, AppError> {
    let identity = NodeIdentity::read(home)?;
    federation_check_none(home, "a node joins once; use a new home for another federation")?;
    let trust = trust_begin(home, fingerprint).await?;
    trust.refresh(&FolderSource::new(folder), SystemClock.now()).await?;
    let directory = trust.directory()?;
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let entered = directory
        .entry(&identity.agency)
        .is_some_and(|entry| entry.signing_keys.iter().any(|timed| timed.jwk == *signing.public()));
    if !entered {
        let digest = application_write(home, &identity, fingerprint)?;
        return Err(AppError::State {
            what: format!(
                "not entered in this directory yet; the application is in {}, its fingerprint is {digest}",
                home.application().display()
            ),
            fix: "carry it to a coordinator (chengxin federation enrol), tell the fingerprint by telephone, \
                  then join again with a newer copy of the metadata",
            code: ErrorCode::Busy,
        });
    }
    home.fingerprint_write(fingerprint)?;
    Ok(JoinOutcome {
        federation: directory.federation().clone(),
        fingerprint,
        identity,
        directory_version: directory.version(),
        members: directory.len(),
    })
}

/// Writes the application for a coordinator who enters this body by hand. Returns the fingerprint of the file: the
/// SHA-256 of its bytes, which any tool computes again.
///
/// An application that says the same already stays as it is: it may be on its way, and its fingerprint told.
fn application_write(
    home: &Home,
    identity: &NodeIdentity,
    fingerprint: RootFingerprint,
) -> Result<Sha256, AppError> {
    let path = home.application();
    let file = ApplicationFile {
        schema: ApplicationSchema::V1,
        name: identity.name.clone(),
        region: identity.region,
        functions: identity.functions.clone(),
        application: application(home, identity, fingerprint)?,
    };
    if let Ok(text) = text_read(&path, APPLICATION_FILE_LIMIT)
        && serde_json::from_str(&text).is_ok_and(|kept| file.says_the_same(&kept))
    {
        return Ok(Sha256::of(text.as_bytes()));
    }
    let mut text = serde_json::to_string(&file)
        .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
    text.push('\n');
    file_replace(&path, 0o644, text.as_bytes())?;
    Ok(Sha256::of(text.as_bytes()))
}

/// The node's signed application to the federation of `fingerprint`.
pub(crate) fn application(
    home: &Home,
    identity: &NodeIdentity,
    fingerprint: RootFingerprint,
) -> Result<String, AppError> {
    let entry = own_entry(home, identity, false)?;
    let signing = SigningKey::from_seed(&key_read(&home.key(KeyRole::Signing), KeyRole::Signing)?)?;
    let now = SystemClock.now();
    let claims = JoinApplication {
        aud: fingerprint.to_string(),
        iat: now,
        agency: identity.agency,
        signing_key: *signing.public(),
        signing_key_since: now,
        age_node_recipient: entry.age_node_recipient,
        age_recovery_recipient: entry.age_recovery_recipient,
        transport_identity: entry.transport_identity,
        addresses: entry.addresses,
        audit_log_key: entry.audit_log_key,
        protocol: entry.protocol,
    };
    Ok(application_sign(&claims, &signing)?)
}

async fn admit(client: &JoinClient, token: &str, application: String) -> Result<u64, AppError> {
    let message = wire::encode(&JoinRequest::Admit { token: TokenText::new(token), application })?;
    let refused = |code, what: String| AppError::State {
        what,
        fix: "correct what it names, then join again; ask the coordinator for a new token if this one is used up",
        code,
    };
    let reply = client
        .call(Bytes::from(message), JOIN_DEADLINE)
        .await
        .map_err(|error| refused(error.code(), format!("the coordinator's node did not answer: {error}")))?;
    match wire::decode::<JoinResponse>(&reply)? {
        JoinResponse::Admitted { directory } => Ok(directory),
        JoinResponse::Failed { code, reason } => Err(refused(code, format!("not admitted: {reason}"))),
        JoinResponse::Metadata(_) => {
            Err(refused(ErrorCode::Integrity, "the coordinator's node answered something else".to_owned()))
        }
    }
}

/// Metadata through the door.
struct DoorSource<'a> {
    client: &'a JoinClient,
    /// The door lets a visitor ask a few things at a time and answers busy beyond; the verifier fetches many at once.
    turns: tokio::sync::Semaphore,
}

/// Requests in progress at the door: as many as it allows one visitor.
const DOOR_REQUESTS: usize = 4;
/// How long one file may take. The longest, of 4 MiB, needs half a megabit in a second.
const FILE_DEADLINE: Duration = Duration::from_secs(60);

impl MetadataSource for DoorSource<'_> {
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let failed = |reason: String| SourceError::Failed { reason };
            let message =
                wire::encode(&JoinRequest::Metadata(name)).map_err(|error| failed(error.to_string()))?;
            let _turn = self.turns.acquire().await.map_err(|error| failed(error.to_string()))?;
            let reply = self
                .client
                .call(Bytes::from(message), FILE_DEADLINE)
                .await
                .map_err(|error| failed(error.to_string()))?;
            match wire::decode::<JoinResponse>(&reply).map_err(|error| failed(error.to_string()))? {
                JoinResponse::Metadata(Some(bytes)) if bytes.len() > limit => {
                    Err(SourceError::TooLarge { limit })
                }
                JoinResponse::Metadata(bytes) => Ok(bytes.map(Bytes::from)),
                JoinResponse::Admitted { .. } | JoinResponse::Failed { .. } => {
                    Err(failed("the other side answered something else".to_owned()))
                }
            }
        })
    }
}
