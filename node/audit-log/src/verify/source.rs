//! Where the verifier gets files from.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::LogError;
use crate::folder::CHECKPOINT_FILE;

/// The files of a log, by paths relative to it. A copy on another medium, or over the network, can be verified the
/// same way.
pub trait Source {
    /// Reads a whole file; nothing if it does not exist. A file longer than `limit` is an error.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, LogError> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(LogError::storage("read", Path::new(path)))?;
        if bytes.len() as u64 > limit {
            return Err(LogError::damaged(path, limit, "the file is longer than such a file can be"));
        }
        Ok(Some(bytes))
    }

    /// Opens a file to be read from its beginning; nothing if it does not exist.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, LogError>;

    /// The names in a folder; none if it does not exist. The empty path is the log itself.
    fn list(&self, folder: &str) -> Result<Vec<String>, LogError>;
}

/// A folder on disk.
pub struct FolderSource {
    folder: PathBuf,
}

impl FolderSource {
    /// The files in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Source for FolderSource {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, LogError> {
        let path = self.folder.join(path);
        match std::fs::File::open(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::storage("open", &path)(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        let path = self.folder.join(folder);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LogError::storage("list", &path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(LogError::storage("list", &path))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// A folder under a checkpoint that may have been replaced since.
pub(super) struct PinnedSource {
    folder: FolderSource,
    note: String,
}

impl PinnedSource {
    /// The files in `folder`, with `note` as the checkpoint.
    pub(super) fn new(folder: &Path, note: String) -> Self {
        Self { folder: FolderSource::new(folder), note }
    }
}

impl Source for PinnedSource {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, LogError> {
        if path == CHECKPOINT_FILE {
            Ok(Some(Box::new(self.note.as_bytes())))
        } else {
            self.folder.open(path)
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        self.folder.list(folder)
    }
}
