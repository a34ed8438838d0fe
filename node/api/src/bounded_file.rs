//! Reading a file whole, up to a limit. The one such read of this crate, the command line and the program, so that a
//! file that is too long is refused everywhere before it is in memory, and in the same words.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use chengxin_schemas::ErrorCode;

use crate::chinese::message_or_same;
use crate::types::problem::Problem;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum BoundedFileError {
    /// The operating system refuses, or a text is not UTF-8.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file goes on behind the limit.
    #[error("{}: longer than {limit} bytes; {FIX_EN}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes of a file of its kind.
        limit: u64,
    },
}

const FIX_EN: &str =
    "it is no file of this kind, or it is damaged: name the right file or restore it from its copy";
const FIX_ZH: &str = "它不是这类文件, 或已损坏: 请指明正确的文件, 或从备份恢复";

impl BoundedFileError {
    /// Whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }

    /// The class of the error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Read { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorCode::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorCode::Denied,
                // The operating system's list is open; what is not named above is a file that cannot be had now.
                _ => ErrorCode::Unavailable,
            },
            Self::TooLong { .. } => ErrorCode::TooLarge,
        }
    }

    /// What happened and what to do, for the person who named the file or looks after the node's own files. Names a
    /// path, so it never leaves this machine.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Read { path, source } => {
                let path = path.display();
                Problem::new(
                    self.code(),
                    format!("{path}: cannot be read: {source}"),
                    format!("{path}: 无法读取: {}", message_or_same(&source.to_string())),
                )
                .with_field(path.to_string())
            }
            Self::TooLong { path, limit } => {
                let path = path.display();
                Problem::new(
                    self.code(),
                    format!("{path}: longer than {limit} bytes"),
                    format!("{path}: 超过 {limit} 字节"),
                )
                .with_field(path.to_string())
                .with_fix(FIX_EN, FIX_ZH)
            }
        }
    }
}

/// Reads a file of at most `limit` bytes. The bytes themselves are counted: the length that a file states beforehand
/// may have changed by the time it is read, and a pipe states none.
pub fn bytes_read(path: &Path, limit: u64) -> Result<Vec<u8>, BoundedFileError> {
    let failed = |source| BoundedFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than the limit tells a file that goes on from one that ends there.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(BoundedFileError::TooLong { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Reads a UTF-8 text of at most `limit` bytes.
pub fn text_read(path: &Path, limit: u64) -> Result<String, BoundedFileError> {
    String::from_utf8(bytes_read(path, limit)?).map_err(|error| BoundedFileError::Read {
        path: path.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_up_to_the_limit_is_read_and_one_byte_more_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "12345678").expect("written");
        assert_eq!(text_read(&path, 8).expect("read"), "12345678");
        let error = bytes_read(&path, 7).expect_err("refused");
        assert_eq!(error.code(), ErrorCode::TooLarge);
        let problem = error.problem();
        for (detail, fix) in [(&problem.detail_en, &problem.fix_en), (&problem.detail_zh, &problem.fix_zh)] {
            assert!(detail.contains("file: ") && detail.contains(" 7 "), "{detail}");
            assert!(fix.is_some());
        }
    }

    #[test]
    fn a_file_that_never_ends_is_refused() {
        let error = bytes_read(Path::new("/dev/zero"), 4096).expect_err("refused");
        assert!(matches!(error, BoundedFileError::TooLong { limit: 4096, .. }), "{error}");
    }

    #[test]
    fn an_absent_file_is_told_from_one_that_is_no_text() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        assert!(text_read(&path, 8).expect_err("absent").is_absent());
        std::fs::write(&path, [0xff]).expect("written");
        let error = text_read(&path, 8).expect_err("no text");
        assert!(!error.is_absent() && error.code() == ErrorCode::Unavailable, "{error}");
    }
}
