//! The node's home: which file lies where, and how secrets are kept.
//!
//! Every secret is a file of its own with mode 0600; one that others can read stops the start. A secret is written
//! with `create_new`, synced, and its folder synced, so that a key that was used is a key that is kept.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use chengxin_api::bounded_file::text_read;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{RootFingerprint, key_file_read, key_file_write};
use zeroize::Zeroizing;

use crate::error::AppError;

/// Longest fingerprint file: a fingerprint is one line of 71 characters; the rest is for what an editor adds.
const FINGERPRINT_FILE_LIMIT: u64 = 4 * 1024;

/// What a key is for. Each is separate, so that one can be rotated or lost without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRole {
    Signing,
    Transport,
    Sealing,
    AuditLog,
    Secret,
    Targets,
    Snapshot,
    Timestamp,
    Root,
}

impl KeyRole {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Transport => "transport",
            Self::Sealing => "sealing",
            Self::AuditLog => "audit-log",
            Self::Secret => "secret",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Root => "root",
        }
    }
}

/// The files of a node.
#[derive(Clone, Debug)]
pub(crate) struct Home(PathBuf);

impl Home {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Facts of the node that never change by themselves: agency, name, functions, addresses.
    pub(crate) fn identity(&self) -> PathBuf {
        self.0.join("node.toml")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.toml")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    pub(crate) fn key(&self, role: KeyRole) -> PathBuf {
        self.keys().join(format!("{}.key", role.as_str()))
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    pub(crate) fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// Verified metadata of the federation.
    pub(crate) fn trust(&self) -> PathBuf {
        self.0.join("trust")
    }

    /// Where metadata goes that does not hold any more.
    pub(crate) fn trust_damaged(&self, at: UnixTime) -> PathBuf {
        self.0.join(format!("trust.damaged-{}", at.0))
    }

    /// Fingerprint of the federation's first root, written when the node joined or founded it.
    pub(crate) fn fingerprint(&self) -> PathBuf {
        self.0.join("federation.fingerprint")
    }

    /// The fingerprint this node pinned; none if it belongs to no federation.
    pub(crate) fn fingerprint_read(&self) -> Result<Option<RootFingerprint>, AppError> {
        let path = self.fingerprint();
        let text = match text_read(&path, FINGERPRINT_FILE_LIMIT) {
            Ok(text) => text,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The parser's own words are for somebody who types a fingerprint.
        text.trim().parse().map(Some).map_err(|_| AppError::State {
            what: format!("{} does not hold the fingerprint of a federation's root", path.display()),
            fix: "restore the file from the backup; without one, remove it and join again",
            code: ErrorCode::Integrity,
        })
    }

    /// Pins a federation, which is the commit point of founding and of joining.
    pub(crate) fn fingerprint_write(&self, fingerprint: RootFingerprint) -> Result<(), AppError> {
        file_replace(&self.fingerprint(), 0o644, format!("{fingerprint}\n").as_bytes())
    }

    /// The repository a coordinator's node signs.
    pub(crate) fn repository(&self) -> PathBuf {
        self.0.join("federation")
    }

    /// Outstanding one-time tokens, as hashes.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.0.join("tokens.json")
    }

    /// Keys of members that were removed.
    pub(crate) fn removed(&self) -> PathBuf {
        self.0.join("removed-members.json")
    }

    /// Accounts to make when the node starts for the first time.
    pub(crate) fn first_accounts(&self) -> PathBuf {
        self.0.join("first-accounts.json")
    }

    /// The application that a coordinator enters by hand.
    pub(crate) fn application(&self) -> PathBuf {
        self.0.join("application.json")
    }

    /// Uploads on their way into an import.
    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }
}

/// Makes a folder that only its owner can enter, with its parents, and syncs the parent.
pub(crate) fn folder_make(folder: &Path) -> Result<(), AppError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(AppError::file("create", folder))?;
    folder.parent().map_or(Ok(()), folder_sync)
}

/// Makes the names in a folder durable.
pub(crate) fn folder_sync(folder: &Path) -> Result<(), AppError> {
    // The parent of a bare file name is the empty path, which means the working folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(AppError::file("sync", folder))
}

/// Writes a file that must not exist yet, durably. `mode` 0600 for secrets.
pub(crate) fn file_create(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), AppError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(AppError::file("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(AppError::file("write", path))?;
    path.parent().map_or(Ok(()), folder_sync)
}

/// Replaces a file durably: written beside, synced, renamed, folder synced. The rename is the commit point.
pub(crate) fn file_replace(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), AppError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .map_err(AppError::file("create", &beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(AppError::file("write", &beside))?;
    std::fs::rename(&beside, path).map_err(AppError::file("rename", path))?;
    path.parent().map_or(Ok(()), folder_sync)
}

/// Writes a new key; its file says what it is for.
pub(crate) fn key_create(path: &Path, role: KeyRole, seed: &Zeroizing<[u8; 32]>) -> Result<(), AppError> {
    key_file_write(path, seed, role.as_str())?;
    Ok(())
}

/// Reads a key; refuses a file that others can read or that holds a key for another use.
pub(crate) fn key_read(path: &Path, role: KeyRole) -> Result<Zeroizing<[u8; 32]>, AppError> {
    let file = key_file_read(path)?;
    if file.comment() != role.as_str() {
        return Err(AppError::FileContent {
            path: path.to_owned(),
            reason: format!("holds a key for another use than {}", role.as_str()),
        });
    }
    Ok(file.seed().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_fingerprint_is_read_unless_its_file_is_damaged_or_too_long() {
        let folder = tempfile::tempdir().expect("folder");
        let home = Home::new(folder.path());
        assert_eq!(home.fingerprint_read().expect("absent"), None);
        let fingerprint = RootFingerprint::of(b"root");
        home.fingerprint_write(fingerprint).expect("written");
        assert_eq!(home.fingerprint_read().expect("read"), Some(fingerprint));
        for damaged in ["", "sha256:00\n"] {
            std::fs::write(home.fingerprint(), damaged).expect("written");
            let error = home.fingerprint_read().expect_err("damaged");
            assert_eq!(error.code(), ErrorCode::Integrity);
            assert!(error.to_string().contains("federation.fingerprint") && error.problem().fix_zh.is_some());
        }
        let long = " ".repeat(usize::try_from(FINGERPRINT_FILE_LIMIT).expect("limit") + 1);
        std::fs::write(home.fingerprint(), long).expect("written");
        let error = home.fingerprint_read().expect_err("too long");
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert_eq!(error.problem().field, Some(home.fingerprint().display().to_string()));
    }

    #[test]
    fn a_bare_file_name_lies_in_the_working_folder() {
        assert!(folder_sync(Path::new("")).is_ok());
    }

    #[test]
    fn a_key_is_read_back_only_by_its_owner_for_its_use() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("signing.key");
        key_create(&path, KeyRole::Signing, &Zeroizing::new([7; 32])).expect("written");
        assert_eq!(*key_read(&path, KeyRole::Signing).expect("read"), [7; 32]);
        assert!(key_read(&path, KeyRole::Sealing).is_err());
        assert!(key_create(&path, KeyRole::Signing, &Zeroizing::new([8; 32])).is_err(), "never overwritten");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        assert!(key_read(&path, KeyRole::Signing).is_err(), "others can read it");
    }
}
