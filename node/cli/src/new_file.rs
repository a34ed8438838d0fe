//! A file that a command writes: begun before the work whose result it takes, put in its place whole at the end.
//!
//! What exists is never written over: it is a proof or a secret of its own, or a person's work, such as the very file that
//! is being imported, or a template that was filled in.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chengxin_api::types::problem::Problem;
use chengxin_schemas::ErrorCode;

use crate::error::CliError;

/// Mode of new files. What commands write names subjects, opens a door or proves something: other users of the machine
/// read it when its owner says so.
const MODE: u32 = 0o600;

/// Names tried for what is being written, until one is free. A name holds the process, so that only the remains of a
/// crash, or a process of another machine in the same folder, take one away.
const PART_NAMES: u32 = 100;

/// A file that is being written under another name beside its place. Dropped before [`NewFile::finish`], it leaves
/// nothing behind; a crash leaves the other name, which nobody removes.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: Option<std::fs::File>,
}

impl NewFile {
    /// Begins the file. A place that is taken, or that cannot be written, is found here, before anything else happens. A
    /// link that leads nowhere takes a place too.
    pub(crate) fn begin(path: &Path) -> Result<Self, CliError> {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let (part, file) = part_make(path).map_err(|source| CliError::file(path, source))?;
        Ok(Self { path: path.to_owned(), part, file: Some(file) })
    }

    /// Writes everything, syncs it, and puts the file into its place. Of several that are begun for one place, the first
    /// to come here has it, and the others are refused.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> Result<(), CliError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| self.place(bytes));
        let written = written.and_then(|()| folder_sync(&self.path));
        // The other name of the file in its place, or what was begun in vain; that it may stay behind changes nothing for
        // the person.
        let _ = std::fs::remove_file(&self.part);
        written.map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => CliError::file(&self.path, source),
        })
    }

    /// Puts the written part into its place if nothing is there. A link does so in one step; where there are no links,
    /// the file is made in its place and written again, and a crash then leaves it short.
    fn place(&self, bytes: &[u8]) -> std::io::Result<()> {
        use std::io::ErrorKind::{PermissionDenied, TooManyLinks, Unsupported};
        match std::fs::hard_link(&self.part, &self.path) {
            Err(error) if matches!(error.kind(), PermissionDenied | TooManyLinks | Unsupported) => {
                new_write(&self.path, bytes)
            }
            linked => linked,
        }
    }
}

/// A file under a name beside its place that nobody has. It is made and never opened, so a link put there by somebody
/// else is not followed.
fn part_make(path: &Path) -> std::io::Result<(PathBuf, std::fs::File)> {
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let process = std::process::id();
    for number in 0..PART_NAMES {
        let mut part_name = name.to_owned();
        part_name.push(format!(".{process}-{number}.part"));
        let part = path.with_file_name(part_name);
        match new_open(&part) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return Ok((part, made?)),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

fn new_open(path: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)
}

/// Makes and writes a file; what could not be written whole is removed.
fn new_write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = new_open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Makes the name of a file durable.
fn folder_sync(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems have no such call: names are durable there when their server says so.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

fn exists(path: &Path) -> CliError {
    let place = path.display();
    let problem = Problem::new(
        ErrorCode::Conflict,
        format!("{place} exists and is never written over"),
        format!("{place} 已存在, 不会被覆盖"),
    );
    CliError::problem(
        problem
            .with_field(place.to_string())
            .with_fix("name a new file, or move the old one away", "指定新文件, 或先移走旧文件"),
    )
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("file").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_private_or_not_there() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("check.json");
        drop(NewFile::begin(&path).expect("begun"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
        NewFile::begin(&path).expect("begun").finish(b"one").expect("written");
        assert_eq!((std::fs::read(&path).expect("file"), mode(&path)), (b"one".to_vec(), 0o600));
        let refused = NewFile::begin(&path).expect_err("it exists");
        assert_eq!(refused.code(), ErrorCode::Conflict);
        let link = folder.path().join("link.json");
        std::os::unix::fs::symlink("nowhere", &link).expect("link");
        assert_eq!(NewFile::begin(&link).expect_err("taken").code(), ErrorCode::Conflict);
        let nowhere = folder.path().join("nowhere").join("check.json");
        assert!(NewFile::begin(&nowhere).is_err(), "found before any work");
    }

    #[test]
    fn of_two_that_are_begun_the_first_finished_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("check.json");
        let (one, two) = (NewFile::begin(&path), NewFile::begin(&path));
        let (one, two) = (one.expect("begun"), two.expect("begun beside it"));
        two.finish(b"two").expect("written");
        let refused = one.finish(b"one").expect_err("it exists");
        assert_eq!(refused.code(), ErrorCode::Conflict);
        assert_eq!(std::fs::read(&path).expect("file"), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1, "no parts stay");
        // Without links the same.
        let refused = new_write(&path, b"three").expect_err("it exists");
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).expect("file"), b"two");
    }

    #[test]
    fn a_link_beside_the_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, other) = (folder.path().join("check.json"), folder.path().join("other"));
        std::fs::write(&other, "theirs").expect("file");
        let part = format!("check.json.{}-0.part", std::process::id());
        std::os::unix::fs::symlink(&other, folder.path().join(part)).expect("link");
        NewFile::begin(&path).expect("begun").finish(b"ours").expect("written");
        assert_eq!(std::fs::read(&other).expect("file"), b"theirs");
        assert_eq!(std::fs::read(&path).expect("file"), b"ours");
    }
}
