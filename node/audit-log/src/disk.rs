//! The few things the log does to a disk, so that tests can let each of them fail, and the way a whole file is
//! published.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::LogError;

/// Changes to files and folders. Reading is not here: what was read is verified.
pub(crate) trait Disk: Send + Sync {
    /// Makes one folder; it is no error if it exists.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Makes an empty file, or empties the one that is there.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Writes all bytes at `offset`.
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts a file.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;
    /// Returns when content and length are on the device.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Returns when the names in a folder are on the device.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Puts a file in the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk of the operating system.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

/// Opens an existing file for reading and for changes in place.
pub(crate) fn open_existing(path: &Path) -> Result<File, LogError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(LogError::storage("open", path))
}

/// Publishes whole files: each is written under a temporary name, made durable, and renamed; [`Publication::finish`]
/// makes the names durable. A reader sees an old file or a new one, never a part.
///
/// One publication at a time writes to a log: all use the same temporary name, so that a crash leaves at most one
/// such file, which the next publication overwrites.
pub(crate) struct Publication<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    changed: BTreeSet<PathBuf>,
    after_interruption: bool,
}

/// The temporary name, in the log's folder.
pub(crate) const TEMPORARY: &str = "temporary";

impl<'a> Publication<'a> {
    pub(crate) fn new(disk: &'a dyn Disk, folder: &'a Path) -> Self {
        Self { disk, folder, changed: BTreeSet::new(), after_interruption: false }
    }

    /// The first publication after an interruption: folders that the interrupted one made are there, and their names may
    /// not be durable.
    pub(crate) fn after_interruption(disk: &'a dyn Disk, folder: &'a Path) -> Self {
        Self { after_interruption: true, ..Self::new(disk, folder) }
    }

    /// Publishes one file at a path relative to the log, making its folders.
    pub(crate) fn file(&mut self, relative: &str, bytes: &[u8]) -> Result<(), LogError> {
        let target = self.folder.join(relative);
        let temporary = self.folder.join(TEMPORARY);
        let parent = target.parent().unwrap_or(self.folder).to_owned();
        self.folders(&parent)?;
        let file = self.disk.create(&temporary).map_err(LogError::storage("create", &temporary))?;
        self.disk.write(&file, bytes, 0).map_err(LogError::storage("write", &temporary))?;
        self.disk.sync(&file).map_err(LogError::storage("sync", &temporary))?;
        self.disk.rename(&temporary, &target).map_err(LogError::storage("replace", &target))?;
        self.changed.insert(parent);
        Ok(())
    }

    fn folders(&mut self, path: &Path) -> Result<(), LogError> {
        let is_there = path.is_dir();
        if is_there && (!self.after_interruption || path == self.folder) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(self.folder).to_owned();
        self.folders(&parent)?;
        if is_there {
            self.changed.insert(parent);
            return Ok(());
        }
        self.disk.create_folder(path).map_err(LogError::storage("create the folder", path))?;
        self.changed.insert(parent);
        Ok(())
    }

    /// Makes the names durable.
    pub(crate) fn finish(self) -> Result<(), LogError> {
        // The temporary name leaves the log's own folder.
        self.changed.iter().try_for_each(|path| {
            self.disk.sync_folder(path).map_err(LogError::storage("sync the folder", path))
        })
    }
}
