//! The folder layout that repository, trust store and strangers' tools share, and its durable writes.
//!
//! ```text
//! metadata/1.root.json … metadata/7.snapshot.json  metadata/12.targets.json   never change once written
//! metadata/timestamp.json                                                      the one file that is replaced
//! targets/directory/<region>/<sha256>.<agency>.json  targets/policy/<sha256>.bundle.json
//! ```
//!
//! Crash story. A change is written in this order: target files, targets, snapshot, roots, and last the timestamp, each
//! complete and synced, with its folder synced, before the next. Renaming the new `timestamp.json` over the old one is
//! the commit point: before it readers see the old state, whose files nobody touched; after it the new one, whose files
//! are all on disk. Left-over numbered or hashed files of an interrupted change are written over by the next one.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::TrustError;
use crate::limits::{GENERATIONS_KEPT, WRITES_AT_ONCE};
use crate::name::FileName;
use crate::steps::{Step, step};

/// A folder of metadata and targets.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    base: PathBuf,
}

impl Folder {
    pub(crate) fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into() }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The file, `None` if there is none. Reading stops at `limit` bytes.
    pub(crate) fn read(&self, name: FileName, limit: usize) -> Result<Option<Vec<u8>>, TrustError> {
        file_read(&self.base.join(name.relative_path()), limit)
    }

    /// Writes files that nothing refers to yet, and syncs them and their folders.
    pub(crate) fn write_all<'a>(
        &self,
        files: impl IntoIterator<Item = (FileName, &'a [u8])>,
    ) -> Result<(), TrustError> {
        let files: Vec<(PathBuf, &[u8])> =
            files.into_iter().map(|(name, bytes)| (self.base.join(name.relative_path()), bytes)).collect();
        let folders: BTreeSet<&Path> = files.iter().filter_map(|(path, _)| path.parent()).collect();
        folders.iter().try_for_each(|folder| folder_create(folder))?;
        let share = files.len().div_ceil(WRITES_AT_ONCE).max(1);
        std::thread::scope(|scope| {
            let write = |part: &[(PathBuf, &[u8])]| -> Result<(), TrustError> {
                part.iter().try_for_each(|(path, bytes)| file_replace(path, bytes))
            };
            let writers: Vec<_> = files.chunks(share).map(|part| scope.spawn(move || write(part))).collect();
            // The scope waits for all. A writer does not panic, but if it did, nothing is known about its files.
            writers.into_iter().try_for_each(|writer| {
                writer.join().unwrap_or_else(|_| {
                    Err(TrustError::Verifier { reason: "a writer of files stopped half-way".to_owned() })
                })
            })
        })?;
        folders.iter().try_for_each(|folder| folder_sync(folder))
    }

    /// The commit point: puts the new timestamp in place.
    pub(crate) fn commit(&self, timestamp: &[u8]) -> Result<(), TrustError> {
        self.write_all([(FileName::Timestamp, timestamp)])
    }

    /// Removes metadata older than the generations kept, and targets that neither `kept` names nor a kept generation
    /// can. Failure is not an error of the change that was just committed: the next prune repeats it.
    pub(crate) fn prune(&self, snapshot: u64, targets: u64, kept: &BTreeSet<FileName>) {
        let stale_metadata = |name: &FileName| match *name {
            FileName::Snapshot(version) => version.saturating_add(GENERATIONS_KEPT) < snapshot,
            FileName::Targets(version) => version.saturating_add(GENERATIONS_KEPT) < targets,
            FileName::Timestamp | FileName::Root(_) | FileName::Target(..) => false,
        };
        for name in self.metadata_names().into_iter().filter(stale_metadata) {
            self.remove(name);
        }
        let mut found = Vec::new();
        walk(&self.base.join("targets"), "", &mut found);
        for name in found.iter().filter(|name| !kept.contains(name)) {
            self.remove(*name);
        }
    }

    fn remove(&self, name: FileName) {
        if let Err(error) = fs::remove_file(self.base.join(name.relative_path())) {
            tracing::debug!(file = %name, %error, "an old file stays until the next change");
        }
    }

    /// The files below `metadata` that a federation's files are called like.
    pub(crate) fn metadata_names(&self) -> Vec<FileName> {
        let mut found = Vec::new();
        walk(&self.base.join("metadata"), "", &mut found);
        found
    }

    /// Versions of the targets metadata on disk.
    pub(crate) fn targets_versions(&self) -> Vec<u64> {
        self.metadata_names()
            .into_iter()
            .filter_map(|name| match name {
                FileName::Targets(version) => Some(version),
                FileName::Timestamp | FileName::Root(_) | FileName::Snapshot(_) | FileName::Target(..) => {
                    None
                }
            })
            .collect()
    }
}

/// Collects the files below `folder` whose names are names of a federation; the layout is three folders deep at most.
fn walk(folder: &Path, prefix: &str, found: &mut Vec<FileName>) {
    let Ok(listing) = fs::read_dir(folder) else { return };
    for item in listing.flatten() {
        let Some(own_name) = item.file_name().to_str().map(str::to_owned) else { continue };
        let name = format!("{prefix}{own_name}");
        match item.file_type() {
            Ok(kind) if kind.is_dir() && prefix.matches('/').count() < 3 => {
                walk(&item.path(), &format!("{name}/"), found);
            }
            Ok(kind) if kind.is_file() => found.extend(name.parse::<FileName>()),
            _ => {}
        }
    }
}

/// A file of at most `limit` bytes, `None` if there is none.
pub(crate) fn file_read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, TrustError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(TrustError::file("open", path)(error)),
    };
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(cap).read_to_end(&mut bytes).map_err(TrustError::file("read", path))?;
    if bytes.len() > limit {
        return Err(TrustError::OverLarge { what: path.display().to_string(), limit: cap - 1 });
    }
    Ok(Some(bytes))
}

/// Writes beside, syncs, renames. The caller syncs the folder.
pub(crate) fn file_replace(path: &Path, bytes: &[u8]) -> Result<(), TrustError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    step(Step::FileWrite, path).map_err(TrustError::file("create", &beside))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&beside)
        .map_err(TrustError::file("create", &beside))?;
    file.write_all(bytes).map_err(TrustError::file("write", &beside))?;
    step(Step::FileSync, path).map_err(TrustError::file("sync", &beside))?;
    file.sync_all().map_err(TrustError::file("sync", &beside))?;
    drop(file);
    step(Step::Rename, path).map_err(TrustError::file("rename", path))?;
    fs::rename(&beside, path).map_err(TrustError::file("rename", path))
}

/// Removes a file if it is there. The caller syncs the folder.
pub(crate) fn file_remove(path: &Path) -> Result<(), TrustError> {
    step(Step::Remove, path).map_err(TrustError::file("remove", path))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrustError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Creates `folder` and the parents it lacks, and makes their names durable: the parent of each folder created is synced,
/// and no other, since those further up may belong to somebody else and not be readable.
pub(crate) fn folder_create(folder: &Path) -> Result<(), TrustError> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.is_dir())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(TrustError::file("create", folder))?;
    missing.iter().filter_map(|created| created.parent()).try_for_each(folder_sync)
}

/// Makes names in a folder durable. The parent of a relative path of one part is the empty path: the working folder.
pub(crate) fn folder_sync(folder: &Path) -> Result<(), TrustError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    step(Step::FolderSync, folder).map_err(TrustError::file("sync", folder))?;
    File::open(folder).and_then(|file| file.sync_all()).map_err(TrustError::file("sync", folder))
}

#[cfg(test)]
mod tests {
    use chengxin_schemas::policy_version::PolicyScope;

    use super::*;
    use crate::name::{ContentName, PolicyPart, TargetPath};

    #[test]
    fn reading_stops_at_the_limit() {
        let base = tempfile::tempdir().expect("folder");
        let folder = Folder::new(base.path());
        folder.write_all([(FileName::Root(1), &b"12345"[..])]).expect("written");
        assert_eq!(folder.read(FileName::Root(1), 5).expect("fits").as_deref(), Some(&b"12345"[..]));
        assert!(matches!(folder.read(FileName::Root(1), 4), Err(TrustError::OverLarge { limit: 4, .. })));
        assert!(folder.read(FileName::Root(2), 4).expect("absent").is_none());
    }

    #[test]
    fn pruning_keeps_recent_generations_and_named_targets() {
        let base = tempfile::tempdir().expect("folder");
        let folder = Folder::new(base.path());
        let content = |seed: &[u8]| {
            let digest = chengxin_schemas::digest::Sha256::of(seed);
            FileName::Target(
                TargetPath::Content(ContentName::Policy(PolicyScope::Federation, PolicyPart::Bundle)),
                digest,
            )
        };
        let numbered =
            (1..=9).flat_map(|n| [(FileName::Snapshot(n), &b"s"[..]), (FileName::Targets(n), &b"t"[..])]);
        folder.write_all(numbered.chain([(FileName::Root(1), &b"r"[..])])).expect("written");
        folder.write_all([(content(b"a"), &b"a"[..]), (content(b"b"), &b"b"[..])]).expect("written");
        folder.prune(9, 9, &BTreeSet::from([content(b"b")]));
        let mut left = folder.targets_versions();
        left.sort_unstable();
        assert_eq!(left, [6, 7, 8, 9]);
        let holds = |name| folder.read(name, 10).expect("read").is_some();
        assert!(!holds(FileName::Snapshot(5)) && holds(FileName::Snapshot(6)));
        assert!(holds(FileName::Root(1)));
        assert!(!holds(content(b"a")) && holds(content(b"b")));
    }
}
