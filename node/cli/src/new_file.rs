//! A file that a command writes: begun before the work whose result it takes, put in its place whole at the end.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chengxin_api::types::problem::Problem;
use chengxin_schemas::ErrorCode;

use crate::error::CliError;

/// Mode of new files. What commands write names subjects, opens a door or proves something: other users of the machine
/// read it when its owner says so.
const MODE: u32 = 0o600;

/// What happens if the file exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays and the command is refused: it is a proof or a secret of its own.
    Kept,
    /// It is replaced, with the permissions it has.
    Replaced,
}

/// A file that is being written under another name beside its place. Dropped before [`NewFile::finish`], it leaves
/// nothing behind.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: Option<std::fs::File>,
}

impl NewFile {
    /// Begins the file. A place that cannot be written is found here, before anything else happens.
    pub(crate) fn begin(path: &Path, existing: Existing) -> Result<Self, CliError> {
        let failed = |source| CliError::file(path, source);
        let mode = match std::fs::metadata(path) {
            Ok(_) if existing == Existing::Kept => {
                let place = path.display();
                let problem = Problem::new(
                    ErrorCode::Conflict,
                    format!("{place} exists and is never written over"),
                    format!("{place} 已存在, 不会被覆盖"),
                );
                return Err(CliError::problem(
                    problem
                        .with_field(place.to_string())
                        .with_fix("name a new file, or move the old one away", "指定新文件, 或先移走旧文件"),
                ));
            }
            Ok(metadata) if metadata.is_dir() => return Err(failed(std::io::ErrorKind::IsADirectory.into())),
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(_) => MODE,
        };
        let name = path.file_name().ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let mut part_name = name.to_owned();
        part_name.push(".part");
        let part = path.with_file_name(part_name);
        // What an earlier attempt left goes first: the part is made and never opened, so a link put there by somebody
        // else is not followed.
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&part)
            .map_err(failed)?;
        Ok(Self { path: path.to_owned(), part, file: Some(file) })
    }

    /// Writes everything, syncs it, and puts the file into its place.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&self.part, &self.path));
        written.map_err(|source| {
            // What was begun is of no use; that it may stay behind changes nothing for the person.
            let _ = std::fs::remove_file(&self.part);
            CliError::file(&self.path, source)
        })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("file").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_private_or_not_there() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("check.json");
        drop(NewFile::begin(&path, Existing::Kept).expect("begun"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
        NewFile::begin(&path, Existing::Kept).expect("begun").finish(b"one").expect("written");
        assert_eq!((std::fs::read(&path).expect("file"), mode(&path)), (b"one".to_vec(), 0o600));
        let refused = NewFile::begin(&path, Existing::Kept).expect_err("it exists");
        assert_eq!(refused.code(), chengxin_schemas::ErrorCode::Conflict);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("mode");
        NewFile::begin(&path, Existing::Replaced).expect("begun").finish(b"two").expect("written");
        assert_eq!((std::fs::read(&path).expect("file"), mode(&path)), (b"two".to_vec(), 0o640));
        let nowhere = folder.path().join("nowhere").join("check.json");
        assert!(NewFile::begin(&nowhere, Existing::Kept).is_err(), "found before any work");
    }

    #[test]
    fn a_link_beside_the_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, other) = (folder.path().join("check.json"), folder.path().join("other"));
        std::fs::write(&other, "theirs").expect("file");
        std::os::unix::fs::symlink(&other, folder.path().join("check.json.part")).expect("link");
        NewFile::begin(&path, Existing::Kept).expect("begun").finish(b"ours").expect("written");
        assert_eq!(std::fs::read(&other).expect("file"), b"theirs");
    }
}
