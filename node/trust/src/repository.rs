//! The coordinator's repository as it is on disk, verified from the first root to the last entry before anything in it is
//! signed again.

use std::collections::BTreeMap;

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::time::UnixTime;
use tough::schema::{Role as TufRole, Root, Signed, Snapshot, Targets, Timestamp};

use crate::directory::Members;
use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::folder::Folder;
use crate::generation::{Generation, SignedFile};
use crate::metadata::{self, TargetFile, target_file_name};
use crate::name::{FileName, Role, TargetPath};
use crate::store::{root_step, roots_read};
use crate::verify::first_root_check;

/// The repository as it is on disk, verified.
pub(crate) struct HeldRepository {
    pub(crate) fingerprint: RootFingerprint,
    pub(crate) root: Signed<Root>,
    pub(crate) files: BTreeMap<TargetPath, TargetFile>,
    pub(crate) members: Members,
    pub(crate) generation: Generation,
    pub(crate) signed_at: UnixTime,
    /// The last change of the root was cut short before the new keys signed.
    pub(crate) is_signed_by_former_keys: bool,
}

pub(crate) fn repository_load(folder: &Folder) -> Result<HeldRepository, TrustError> {
    let roots = roots_read(folder)?;
    let first = roots.first().ok_or_else(|| TrustError::Missing { file: FileName::Root(1).to_string() })?;
    let fingerprint = RootFingerprint::of(first);
    let mut root = first_root_check(first)?;
    let mut former: Option<Signed<Root>> = None;
    for (version, bytes) in (2..).zip(roots.iter().skip(1)) {
        let next = root_step(&root, version, bytes)?;
        former = Some(std::mem::replace(&mut root, next));
    }
    let timestamp_bytes = folder
        .read(FileName::Timestamp, FileName::Timestamp.limit())?
        .ok_or_else(|| TrustError::Missing { file: FileName::Timestamp.to_string() })?;
    let timestamp = metadata::role_parse::<Timestamp>(Role::Timestamp, &timestamp_bytes)?;
    let (version, digest) = metadata::snapshot_named(&timestamp.signed)
        .ok_or_else(|| TrustError::malformed("timestamp metadata", "it names no snapshot"))?;
    let snapshot_bytes = named_read(folder, FileName::Snapshot(version), digest)?;
    let snapshot = metadata::role_parse::<Snapshot>(Role::Snapshot, &snapshot_bytes)?;
    let (version, digest) = metadata::targets_named(&snapshot.signed)
        .ok_or_else(|| TrustError::malformed("snapshot metadata", "it names no targets"))?;
    let targets_bytes = named_read(folder, FileName::Targets(version), digest)?;
    let targets = metadata::role_parse::<Targets>(Role::Targets, &targets_bytes)?;
    // All three decide under which root the state was committed: a change of the root may replace one key of the three,
    // and then the other two verify under either.
    let verify = |root: &Root| {
        metadata::role_verify(root, Role::Timestamp, &timestamp)?;
        metadata::role_verify(root, Role::Snapshot, &snapshot)?;
        metadata::role_verify(root, Role::Targets, &targets)
    };
    let is_signed_by_former_keys = match (verify(&root.signed), &former) {
        (Ok(()), _) => false,
        (Err(error), Some(former)) => verify(&former.signed).map(|()| true).map_err(|_| error)?,
        (Err(error), None) => return Err(error),
    };
    let files = metadata::target_files(&targets.signed)?;
    if files.len() != targets.signed.targets.len() {
        // Signing the list again would drop what this version does not know.
        let reason = "a later version of this program published more into it; upgrade this one";
        return Err(TrustError::malformed("the repository", reason));
    }
    let mut members = Members::default();
    for (path, file) in &files {
        let bytes = named_read(folder, target_file_name(*path, *file), Some(file.digest))?;
        if matches!(path, TargetPath::Entry { .. }) {
            members.insert(*path, &bytes)?;
        }
    }
    let signed_at = metadata::timestamp_signed_at(&timestamp.signed).unwrap_or_default();
    let generation = Generation {
        targets: signed_file(&targets.signed, targets_bytes),
        snapshot: signed_file(&snapshot.signed, snapshot_bytes),
        timestamp: signed_file(&timestamp.signed, timestamp_bytes),
    };
    Ok(HeldRepository { fingerprint, root, files, members, generation, signed_at, is_signed_by_former_keys })
}

fn signed_file<T: TufRole>(role: &T, bytes: Vec<u8>) -> SignedFile {
    SignedFile { version: role.version().get(), expires: metadata::expires(role), bytes }
}

fn named_read(folder: &Folder, name: FileName, digest: Option<Sha256>) -> Result<Vec<u8>, TrustError> {
    let bytes =
        folder.read(name, name.limit())?.ok_or_else(|| TrustError::Missing { file: name.to_string() })?;
    if digest != Some(Sha256::of(&bytes)) {
        return Err(TrustError::MixedUp { file: name.to_string() });
    }
    Ok(bytes)
}

/// The files that a targets file of an earlier generation lists.
pub(crate) fn targets_read(
    folder: &Folder,
    version: u64,
) -> Result<Option<BTreeMap<TargetPath, TargetFile>>, TrustError> {
    let name = FileName::Targets(version);
    let Some(bytes) = folder.read(name, name.limit())? else { return Ok(None) };
    let targets = metadata::role_parse::<Targets>(Role::Targets, &bytes)?;
    metadata::target_files(&targets.signed).map(Some)
}
