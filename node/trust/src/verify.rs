//! Verification of a set of metadata files that was gathered from somewhere: the TUF client workflow (TUF 1.0.34 §5.3
//! to §5.6) through the library `tough`, over files in memory, and what the library leaves open.
//!
//! The library takes the system's time by itself and keeps it in its working folder, so its expiry checks are off, the
//! folder is new for every run, and expiry is judged here against the time passed in, fixed for the whole run, in the
//! order root, timestamp, snapshot, targets. The library also takes a file with an equal version and another content
//! (its rule is "not older"), and a failed download of the next root as "there is none": both are settled by the caller,
//! which gathers the files before and compares equal versions after.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_schemas::time::UnixTime;
use tough::schema::{RoleType, Root, Signed};
use tough::{
    ExpirationEnforcement, Limits, Repository, RepositoryLoader, Transport, TransportError,
    TransportErrorKind, TransportStream, async_trait,
};
use url::Url;

use crate::error::TrustError;
use crate::limits;
use crate::metadata::{self, signature_error};
use crate::name::{FileName, Role};

/// Metadata files as they came, by name; nothing about them is known yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    files: HashMap<String, Bytes>,
}

impl Gathered {
    pub(crate) fn insert(&mut self, name: FileName, bytes: Bytes) {
        self.files.insert(name.to_string(), bytes);
    }

    pub(crate) fn file(&self, name: FileName) -> Option<&Bytes> {
        self.files.get(&name.to_string())
    }
}

/// Metadata whose signatures, versions, lengths and hashes all hold. Expiry is judged apart.
pub(crate) struct VerifiedMetadata {
    repository: Repository,
}

impl VerifiedMetadata {
    pub(crate) fn root(&self) -> &Root {
        &self.repository.root().signed
    }

    pub(crate) fn timestamp(&self) -> &tough::schema::Timestamp {
        &self.repository.timestamp().signed
    }

    pub(crate) fn snapshot(&self) -> &tough::schema::Snapshot {
        &self.repository.snapshot().signed
    }

    pub(crate) fn targets(&self) -> &tough::schema::Targets {
        &self.repository.targets().signed
    }

    /// Expiry of each role, in the order in which they are judged.
    pub(crate) fn expiries(&self) -> [(Role, UnixTime); 4] {
        [
            (Role::Root, metadata::expires(self.root())),
            (Role::Timestamp, metadata::expires(self.timestamp())),
            (Role::Snapshot, metadata::expires(self.snapshot())),
            (Role::Targets, metadata::expires(self.targets())),
        ]
    }

    /// Refuses expired metadata: the expiry must lie after the fixed start time of the update.
    pub(crate) fn check_expiry(&self, start: UnixTime) -> Result<(), TrustError> {
        match self.expiries().into_iter().find(|(_, expires)| *expires <= start) {
            Some((role, since)) => Err(TrustError::Expired { role, since }),
            None => Ok(()),
        }
    }
}

/// Runs the client workflow from `trusted_root` over the gathered files. `memory` is a folder with the timestamp and
/// snapshot seen before (rollback protection); the library leaves there what it verified, also when it fails later.
pub(crate) async fn metadata_verify(
    trusted_root: &[u8],
    gathered: Gathered,
    memory: Option<&Path>,
) -> Result<VerifiedMetadata, TrustError> {
    let base = |text: &str| Url::parse(text).map_err(|error| metadata::library(&error));
    let mut loader =
        RepositoryLoader::new(&trusted_root, base("memory:///metadata/")?, base("memory:///targets/")?)
            .transport(MemoryTransport { files: Arc::new(gathered.files) })
            .limits(Limits {
                max_root_size: limits::ROOT_LIMIT as u64,
                max_targets_size: limits::TARGETS_LIMIT as u64,
                max_timestamp_size: limits::TIMESTAMP_LIMIT as u64,
                max_snapshot_size: limits::SNAPSHOT_LIMIT as u64,
                max_root_updates: limits::ROOT_VERSIONS_LIMIT,
            })
            .expiration_enforcement(ExpirationEnforcement::Unsafe);
    if let Some(folder) = memory {
        loader = loader.datastore(folder);
    }
    let repository = Box::pin(loader.load()).await.map_err(|error| refusal(&error))?;
    let verified = VerifiedMetadata { repository };
    check_form(&verified)?;
    Ok(verified)
}

/// A root's own signatures hold and its form is one this version knows. For the first root, after its fingerprint.
pub(crate) fn first_root_check(bytes: &[u8]) -> Result<Signed<Root>, TrustError> {
    let root = metadata::role_parse::<Root>(Role::Root, bytes)?;
    metadata::role_verify(&root.signed, Role::Root, &root)?;
    if root.signed.version.get() != 1 {
        return Err(TrustError::malformed("root metadata", "the first root does not have version 1"));
    }
    Ok(root)
}

/// What the library does not ask of a file.
fn check_form(verified: &VerifiedMetadata) -> Result<(), TrustError> {
    let roles = [
        (Role::Root, &verified.root().spec_version),
        (Role::Timestamp, &verified.timestamp().spec_version),
        (Role::Snapshot, &verified.snapshot().spec_version),
        (Role::Targets, &verified.targets().spec_version),
    ];
    for (role, version) in roles {
        if !version.starts_with("1.") {
            let reason = "it follows another TUF specification; upgrade this node";
            return Err(TrustError::malformed(format!("{role} metadata"), reason));
        }
    }
    if verified.targets().delegations.as_ref().is_some_and(|delegations| !delegations.roles.is_empty()) {
        let reason = "it has regional delegations, which this version does not know; upgrade this node";
        return Err(TrustError::malformed("targets metadata", reason));
    }
    if !verified.root().consistent_snapshot {
        return Err(TrustError::malformed("root metadata", "consistent snapshots are off; they must be on"));
    }
    Ok(())
}

/// Serves the gathered files to the library.
#[derive(Clone, Debug)]
struct MemoryTransport {
    files: Arc<HashMap<String, Bytes>>,
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        match self.files.get(file_of(&url)) {
            Some(bytes) => Ok(Box::pin(futures::stream::iter([Ok(bytes.clone())]))),
            None => Err(TransportError::new(TransportErrorKind::FileNotFound, url)),
        }
    }
}

fn file_of(url: &Url) -> &str {
    url.path().rsplit('/').next().unwrap_or_default()
}

/// Puts the library's refusals into our words. Its enum is open, so the last arm stays; it refuses too.
fn refusal(error: &tough::error::Error) -> TrustError {
    use tough::error::Error as E;
    match error {
        E::VerifyTrustedMetadata { source, .. } => signature_error(Role::Root, source),
        E::VerifyMetadata { role, source, .. } => signature_error(role_of(*role), source),
        // A root is fetched by its number, so another number inside is another file, not an older one.
        E::OlderMetadata { role: RoleType::Root, .. } => {
            TrustError::MixedUp { file: "root metadata".to_owned() }
        }
        E::OlderMetadata { role, current_version, new_version, .. } => {
            TrustError::RolledBack { role: role_of(*role), from: *current_version, to: *new_version }
        }
        E::OlderSnapshotInTimestamp { snapshot_new, snapshot_old, .. } => {
            TrustError::RolledBack { role: Role::Snapshot, from: *snapshot_old, to: *snapshot_new }
        }
        E::SnapshotRoleRollback { old_role_version, new_role_version, .. } => {
            TrustError::RolledBack { role: Role::Targets, from: *old_role_version, to: *new_role_version }
        }
        E::VersionMismatch { role, .. } => {
            TrustError::MixedUp { file: format!("{} metadata", role_of(*role)) }
        }
        E::Transport { url, source, .. } => transport_refusal(file_of(url), source),
        E::ParseTrustedMetadata { source, .. } => TrustError::malformed("root metadata", source.to_string()),
        E::ParseMetadata { role, source, .. } => {
            TrustError::malformed(format!("{} metadata", role_of(*role)), source.to_string())
        }
        E::MaxUpdatesExceeded { .. } => TrustError::TooMany {
            what: "new roots",
            actual: usize::MAX,
            limit: usize::try_from(limits::ROOT_VERSIONS_LIMIT).unwrap_or(usize::MAX),
        },
        E::TimestampMetaLength { .. } | E::MissingSnapshotMeta { .. } => {
            TrustError::malformed("timestamp metadata", "it must name snapshot.json and nothing else")
        }
        E::SnapshotTargetsMetaMissing { .. } | E::SnapshotRoleMissing { .. } | E::MetaMissing { .. } => {
            TrustError::malformed("snapshot metadata", "a file that it has to name is missing from it")
        }
        other => metadata::library(other),
    }
}

fn transport_refusal(file: &str, error: &TransportError) -> TrustError {
    use std::error::Error as _;
    use tough::error::Error as E;
    let file = file.to_owned();
    if error.kind() == TransportErrorKind::FileNotFound {
        return TrustError::Missing { file };
    }
    match error.source().and_then(|source| source.downcast_ref::<E>()) {
        Some(E::HashMismatch { .. }) => TrustError::MixedUp { file },
        Some(E::MaxSizeExceeded { max_size, .. }) => TrustError::OverLarge { what: file, limit: *max_size },
        _ => metadata::library(error),
    }
}

fn role_of(role: RoleType) -> Role {
    match role {
        RoleType::Root => Role::Root,
        RoleType::Snapshot => Role::Snapshot,
        RoleType::Targets | RoleType::DelegatedTargets => Role::Targets,
        RoleType::Timestamp => Role::Timestamp,
    }
}
