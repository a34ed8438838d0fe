//! `init` and `federation found`: from an empty folder to a node, and to a federation.
//!
//! Each refuses to touch what is in force. `init` writes everything into `<home>.initialising` beside the home and renames
//! it at the end: that is the commit point. A crash before it leaves a folder that the next attempt removes, and after
//! the last file a recovery key that opens nothing: the next attempt names it and asks for another place.

use std::path::{Path, PathBuf};

use chengxin_audit_log::AuditLog;
use chengxin_exchange::policy_schedule::founding_contents;
use chengxin_network::TransportKey;
use chengxin_policy::Bundle;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::seal::SealIdentity;
use chengxin_schemas::time::{Clock, UnixTime};
use chengxin_store::{SledOptions, SledStore};
use chengxin_trust::{
    DirectoryEditor, FolderSource, FoundParams, Lifetimes, OnlineKeys, RootFingerprint, TrustStore,
    federation_found,
};
use serde::{Deserialize, Serialize};

use crate::clock::{SystemClock, seed};
use crate::error::AppError;
use crate::home::{Home, KeyRole, file_create, folder_make, folder_sync, key_create, key_read};
use crate::identity::NodeIdentity;

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
fn federation_check_none(home: &Home) -> Result<(), AppError> {
    if home.fingerprint_read()?.is_some() {
        return Err(AppError::State {
            what: "this node belongs to a federation already".to_owned(),
            fix: "a node founds or joins once; use a new home for another federation",
            code: ErrorCode::Conflict,
        });
    }
    Ok(())
}

/// Whether the node was started since `init`. The first start, which needs a federation, makes the first accounts and
/// removes their file.
pub(crate) fn has_run(home: &Home) -> bool {
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
    federation_check_none(home)?;
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

/// Removes a folder with what is in it, if there is one.
pub(crate) fn folder_clear(folder: &Path) -> Result<(), AppError> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(AppError::file("empty", folder))?;
    }
    Ok(())
}
