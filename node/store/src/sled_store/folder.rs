//! The folder of a store: created durably, locked exclusively, and synced where sled does not.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::StoreError;

const LOCK_FILE: &str = "lock";
/// There after a failed write, until the store has been opened again.
const STOPPED_FILE: &str = "stopped";
const ENGINE_FOLDER: &str = "sled";
const VALUES_FOLDER: &str = "values";

/// Bytes read and written at once when a file is written over itself.
const REWRITE_BLOCK_BYTES: usize = 1024 * 1024;

/// A lock just given up can still be held for a moment: by a child process between its fork and its exec,
/// or, for sled's own lock, by one of sled's background threads. So a lock is asked for this often, this
/// far apart, before the folder counts as in use.
pub(crate) const LOCK_ATTEMPTS: u32 = 60;
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// A store's folder while this process, and nobody else, may use it.
///
/// ```text
/// <folder>/lock           held with an exclusive file lock while the store is open; its content means nothing
/// <folder>/acknowledged   number of the last commit, see `acknowledged`
/// <folder>/stopped        empty; a write failed, see `LockedFolder::stopped_note`
/// <folder>/sled/          conf, db, snap.*, blobs/ as sled names them
/// <folder>/values/        long values, see `value_log`
/// ```
pub(crate) struct LockedFolder {
    path: PathBuf,
    /// Held for its lock, which ends when the file is closed.
    _lock: File,
}

impl LockedFolder {
    /// Locks the folder; makes it first if it is not there and `create` asks for that.
    pub(crate) fn lock(path: &Path, create: bool) -> Result<Self, StoreError> {
        let engine_folder = path.join(ENGINE_FOLDER);
        if !engine_folder.join("db").exists() {
            if !create {
                return Err(StoreError::Missing { folder: path.to_owned() });
            }
            folder_create_durably(&engine_folder).map_err(StoreError::io("creating the store's folder"))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(StoreError::io("opening the store's lock file"))?;
        if lock_wait(&lock).map_err(StoreError::io("locking the store's folder"))? {
            return Ok(Self { path: path.to_owned(), _lock: lock });
        }
        Err(StoreError::InUse { folder: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn engine_folder(&self) -> PathBuf {
        self.path.join(ENGINE_FOLDER)
    }

    /// The folder of long values, made if it is not there.
    pub(crate) fn values_folder(&self) -> Result<PathBuf, StoreError> {
        let folder = self.path.join(VALUES_FOLDER);
        folder_create_durably(&folder).map_err(StoreError::io("creating the folder of values"))?;
        Ok(folder)
    }

    /// Our own handle of sled's log. It must be opened before the first write that is to be synced
    /// through it: a handle learns only of write errors that come after it was opened.
    pub(crate) fn engine_log(&self) -> Result<File, StoreError> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.engine_folder().join("db"))
            .map_err(StoreError::io("opening the engine's log"))
    }

    /// Leaves a note that a write failed, for the next opening: whatever the operating system shows of sled's files may
    /// not be on the disk. An empty file, because the disk may be full.
    pub(crate) fn stopped_note(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join(STOPPED_FILE))?;
        file.sync_all()?;
        folder_sync(&self.path)
    }

    /// Whether such a note is there.
    pub(crate) fn is_stopped(&self) -> Result<bool, StoreError> {
        self.path
            .join(STOPPED_FILE)
            .try_exists()
            .map_err(StoreError::io("looking for the note of a failed write"))
    }

    /// Removes the note, once what it warns of is made good.
    pub(crate) fn stopped_remove(&self) -> Result<(), StoreError> {
        let remove = || -> io::Result<()> {
            match fs::remove_file(self.path.join(STOPPED_FILE)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Ok(()) => folder_sync(&self.path),
                Err(error) => Err(error),
            }
        };
        remove().map_err(StoreError::io("removing the note of a failed write"))
    }

    /// Removes snapshots that sled had not finished when its process ended; to be called before sled opens, which takes the
    /// newest name for a snapshot, finished or not, and refuses the store over one that is cut short. The one before is
    /// there until the new one has its name.
    pub(crate) fn engine_snapshots_clean(&self) -> Result<(), StoreError> {
        let clean = || -> io::Result<()> {
            for entry in fs::read_dir(self.engine_folder())? {
                let entry = entry?;
                let name = entry.file_name();
                if name
                    .to_str()
                    .is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"))
                {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        clean().map_err(StoreError::io("removing what the engine left unfinished"))
    }

    /// Writes sled's files once more, byte for byte, and makes them durable; to be called before sled opens.
    ///
    /// After a failed write the operating system may hold a page as written that is not on the disk. Whoever reads it
    /// takes for durable what is not, and no later sync writes it. Writing it again does. In place, because the disk that
    /// was full has no room for a copy; the bytes are the ones that are there, so a crash in between changes nothing.
    pub(crate) fn engine_files_rewrite(&self) -> Result<(), StoreError> {
        let rewrite = || -> io::Result<()> {
            let engine_folder = self.engine_folder();
            for entry in fs::read_dir(&engine_folder)? {
                let entry = entry?;
                if entry.metadata()?.is_file() {
                    file_rewrite(&entry.path())?;
                }
            }
            folder_sync(&engine_folder)
        };
        rewrite().map_err(StoreError::io("writing the engine's files again after a failed write"))
    }

    /// Makes durable what sled creates or renames while it opens and does not sync: its configuration
    /// file, the entries of its folders, and the folders themselves.
    pub(crate) fn sync_engine_files(&self) -> Result<(), StoreError> {
        let sync = || -> io::Result<()> {
            let engine_folder = self.engine_folder();
            for name in ["conf", "db"] {
                File::open(engine_folder.join(name))?.sync_all()?;
            }
            folder_sync(&engine_folder.join("blobs"))?;
            folder_sync(&engine_folder)?;
            folder_sync(&self.path)
        };
        sync().map_err(StoreError::io("syncing the store's folder"))
    }
}

/// Locks a file for this handle alone; says whether that could be had.
pub(crate) fn lock_wait(file: &File) -> io::Result<bool> {
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Creates the folder and its missing parents, readable by the owner alone, so that the names survive a
/// power cut: each parent is synced after its child has been made.
fn folder_create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    folder_create_durably(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    folder_sync(path)?;
    folder_sync(parent)
}

/// Writes a file over itself and syncs it.
fn file_rewrite(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut block = vec![0; REWRITE_BLOCK_BYTES];
    let mut offset = 0;
    while offset < length {
        let rest = usize::try_from(length - offset).unwrap_or(usize::MAX);
        let part = &mut block[..rest.min(REWRITE_BLOCK_BYTES)];
        file.read_exact_at(part, offset)?;
        file.write_all_at(part, offset)?;
        offset += part.len() as u64;
    }
    file.sync_all()
}

/// Makes the entries of a folder durable.
pub(crate) fn folder_sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Bytes of the files below the folder, as the file system counts them.
pub(crate) fn folder_bytes(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A file can go while we look: sled removes its old snapshot files.
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = LockedFolder::lock(&path, true).unwrap();
        let second = LockedFolder::lock(&path, true).err().unwrap();
        assert!(matches!(&second, StoreError::InUse { folder } if *folder == path), "{second}");
        drop(first);
        assert!(LockedFolder::lock(&path, true).is_ok());
    }

    #[test]
    fn files_are_written_over_themselves_without_a_change() {
        let parent = tempfile::tempdir().unwrap();
        let locked = LockedFolder::lock(parent.path(), true).unwrap();
        let path = locked.engine_folder().join("db");
        for length in [0, 1, REWRITE_BLOCK_BYTES, REWRITE_BLOCK_BYTES * 2 + 17] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            locked.engine_files_rewrite().unwrap();
            assert!(fs::read(&path).unwrap() == bytes, "{length}");
        }
        assert!(!locked.is_stopped().unwrap());
        locked.stopped_note().unwrap();
        assert!(locked.is_stopped().unwrap());
        locked.stopped_remove().unwrap();
        locked.stopped_remove().unwrap();
        assert!(!locked.is_stopped().unwrap());
    }

    #[test]
    fn a_missing_folder_is_not_made_without_being_asked_for() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("store");
        assert!(matches!(LockedFolder::lock(&path, false), Err(StoreError::Missing { .. })));
        assert!(!path.exists());
    }
}
