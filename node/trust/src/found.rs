//! Founding a federation: the root of trust, and the first signed directory with the coordinator in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::key::{SigningKey, VerifyingKey};
use chengxin_schemas::time::UnixTime;

use crate::directory::{Members, entry_bytes, entry_path};
use crate::editor::{Lifetimes, OnlineKeys};
use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::folder::{Folder, folder_sync};
use crate::generation::{Generation, GenerationVersions};
use crate::limits::ROOT_KEYS_LIMIT;
use crate::metadata::{self, RootContent, TargetFile, target_file_name};
use crate::name::{ContentName, FileName, TargetPath};

/// What a federation is founded with.
pub struct FoundParams<'a> {
    /// Its name.
    pub federation: FederationId,
    /// The root keys of all holders (1 to 32, all different). Needed here to sign once; afterwards they belong offline,
    /// each with its holder.
    pub root_keys: &'a [SigningKey],
    /// How many holders a change of the root takes. Two of three is a good start: one key may be lost, none suffices.
    pub threshold: usize,
    /// Keys of the roles that a coordinator's node signs with.
    pub online: &'a OnlineKeys,
    /// For how long signatures hold.
    pub lifetimes: Lifetimes,
    /// The first member: the coordinator's own entry.
    pub coordinator: DirectoryEntry,
    /// Policy bundle, calendars.
    pub contents: BTreeMap<ContentName, Bytes>,
}

/// A founded federation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Founded {
    /// What every member is given by a way other than the network.
    pub fingerprint: RootFingerprint,
}

/// Founds a federation in `out_dir`, which must not exist or be empty.
///
/// Everything is written and synced in `<out_dir>.founding` beside it, then renamed: that is the commit point. A crash
/// before it leaves a folder that the next attempt removes; a federation never exists half.
pub fn federation_found(
    params: &FoundParams<'_>,
    out_dir: &Path,
    now: UnixTime,
) -> Result<Founded, TrustError> {
    params_check(params)?;
    let occupied = std::fs::read_dir(out_dir).is_ok_and(|mut listing| listing.next().is_some());
    if occupied {
        let reason = format!("{} is not empty; a federation is founded into a new folder", out_dir.display());
        return Err(TrustError::Conflict { reason });
    }
    let mut beside = out_dir.as_os_str().to_owned();
    beside.push(".founding");
    let beside = std::path::PathBuf::from(beside);
    if beside.exists() {
        std::fs::remove_dir_all(&beside).map_err(TrustError::file("empty", &beside))?;
    }
    std::fs::create_dir_all(&beside).map_err(TrustError::file("create", &beside))?;
    let fingerprint = first_files_write(params, &Folder::new(&beside), now)?;
    std::fs::rename(&beside, out_dir).map_err(TrustError::file("rename", out_dir))?;
    folder_sync(out_dir.parent().unwrap_or(Path::new("")))?;
    Ok(Founded { fingerprint })
}

fn first_files_write(
    params: &FoundParams<'_>,
    folder: &Folder,
    now: UnixTime,
) -> Result<RootFingerprint, TrustError> {
    let root_keys: Vec<VerifyingKey> = params.root_keys.iter().map(|key| *key.public()).collect();
    let root = metadata::root_build(&RootContent {
        federation: &params.federation,
        version: 1,
        expires: now.plus(params.lifetimes.root),
        root_keys: &root_keys,
        threshold: params.threshold as u64,
        targets_key: params.online.targets.public(),
        snapshot_key: params.online.snapshot.public(),
        timestamp_key: params.online.timestamp.public(),
    })?;
    let signers: Vec<&SigningKey> = params.root_keys.iter().collect();
    let (_, root_bytes) = metadata::role_sign(root, &signers)?;
    let mut contents = vec![(entry_path(&params.coordinator), entry_bytes(&params.coordinator)?)];
    contents.extend(params.contents.iter().map(|(name, bytes)| (TargetPath::Content(*name), bytes.to_vec())));
    let files: BTreeMap<TargetPath, TargetFile> =
        contents.iter().map(|(path, bytes)| (*path, TargetFile::of(bytes))).collect();
    let generation =
        Generation::sign_all(&files, GenerationVersions::FIRST, params.online, &params.lifetimes, now)?;
    folder.write_all(
        contents.iter().map(|(path, bytes)| (target_file_name(*path, TargetFile::of(bytes)), &bytes[..])),
    )?;
    folder.write_all(generation.numbered_files())?;
    folder.write_all([(FileName::Root(1), &root_bytes[..])])?;
    folder.commit(generation.timestamp_bytes())?;
    Ok(RootFingerprint::of(&root_bytes))
}

fn params_check(params: &FoundParams<'_>) -> Result<(), TrustError> {
    let refuse = |field, reason: &str| Err(TrustError::Parameter { field, reason: reason.to_owned() });
    let holders = params.root_keys.len();
    if holders == 0 || holders > ROOT_KEYS_LIMIT {
        return refuse("root_keys", "1 to 32 holders are needed; 3 to 5 are usual");
    }
    if params.threshold == 0 || params.threshold > holders {
        return refuse("threshold", "it must lie between 1 and the number of root keys");
    }
    let online = [&params.online.targets, &params.online.snapshot, &params.online.timestamp];
    let keys = params.root_keys.iter().chain(online);
    let different: BTreeSet<[u8; 32]> = keys.map(|key| *key.public().bytes()).collect();
    if different.len() != holders + online.len() {
        return refuse(
            "root_keys",
            "each holder and each role needs a key of its own; the same key was given twice",
        );
    }
    params.lifetimes.check()?;
    if !params.coordinator.coordinator {
        return refuse("coordinator", "the first member must be a coordinator, else nobody can admit others");
    }
    let mut members = Members::default();
    members
        .add(params.coordinator.clone())
        .map_err(|rule| TrustError::Parameter { field: "coordinator", reason: rule.to_string() })?;
    contents_check(params.contents.iter())
}

/// Refuses what readers would refuse: a list that names a file over its limit is taken by nobody.
pub(crate) fn contents_check<'a>(
    contents: impl Iterator<Item = (&'a ContentName, &'a Bytes)>,
) -> Result<(), TrustError> {
    for (name, bytes) in contents {
        let path = TargetPath::Content(*name);
        if bytes.len() > path.limit() {
            return Err(TrustError::OverLarge { what: path.to_string(), limit: path.limit() as u64 });
        }
    }
    Ok(())
}
