//! What can go wrong with the log, its formats and its proofs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chengxin_schemas::{ErrorCode, SchemaError};

/// Why the log cannot do what was asked, or why a file or a proof is not what it claims to be.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A note, checkpoint, proof, tile or entry is not well formed.
    #[error("{form}: {reason}")]
    Malformed {
        /// What was to be read: `note`, `checkpoint`, `tlog-proof`, …
        form: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is over its limit.
    #[error("{what} has {actual} bytes, at most {limit} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: u64,
        /// The limit.
        limit: u64,
    },
    /// No signature by a key that is trusted here, or one that does not hold.
    #[error("{form}: {reason}")]
    Signature {
        /// What was signed.
        form: &'static str,
        /// Why it is not accepted.
        reason: String,
    },
    /// An inclusion or consistency proof does not hold.
    #[error("{proof} proof: {reason}")]
    Proof {
        /// Which proof.
        proof: &'static str,
        /// Which check failed.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", path.display())]
    Storage {
        /// What was to be done, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is a log in the folder already.
    #[error("{} holds an audit log already; open it, or choose an empty folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// There is no log in the folder.
    #[error("{} holds no audit log; create one explicitly, or correct the path", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another process has the log open.
    #[error("{} is open in another process; a log has one writer: stop the other process", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Files of the log contradict each other. Nothing is repaired by itself: that would hide a change of history.
    #[error("{}: {reason}; keep the folder as it is, verify it, and restore it from a copy that verifies", path.display())]
    Contradiction {
        /// The file that contradicts the others.
        path: PathBuf,
        /// What contradicts what.
        reason: String,
    },
    /// The verifier found a file that is not what the signed checkpoint, or another file, says it is.
    #[error("{path}, offset {offset}: {reason}")]
    Damaged {
        /// The file, relative to the log.
        path: String,
        /// Offset in the file, in bytes: where the wrong part begins, or where the thing that holds it begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// An earlier write failed, so nothing is appended any more.
    #[error("the audit log has stopped after an error ({reason}); remove the cause and reopen it")]
    Stopped {
        /// The first error, in words.
        reason: Arc<str>,
    },
    /// No entry has this number.
    #[error("entry {index} does not exist; the log has {size} entries")]
    NotFound {
        /// The number asked for.
        index: u64,
        /// Entries in the log.
        size: u64,
    },
    /// The entry is durable, but no checkpoint covers it yet.
    #[error(
        "entry {index} is not covered by a checkpoint yet; the last covers {size} entries: ask for a checkpoint first"
    )]
    NotCovered {
        /// The number asked for.
        index: u64,
        /// Size of the last checkpoint.
        size: u64,
    },
    /// The body was erased.
    #[error("the body of entry {index} was erased; the entry itself stays")]
    Erased {
        /// The entry.
        index: u64,
    },
    /// No key at hand opens the body.
    #[error(
        "the body of entry {index} was sealed with a key that is not at hand; give the older body keys too"
    )]
    NoBodyKey {
        /// The entry.
        index: u64,
    },
    /// The log is closing.
    #[error("the audit log is closed")]
    Closed,
    /// A field, key or sealed value was refused.
    #[error("the entry is refused")]
    Schema(#[from] SchemaError),
}

impl LogError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed { .. } => ErrorCode::Invalid,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Signature { .. }
            | Self::Proof { .. }
            | Self::Contradiction { .. }
            | Self::Damaged { .. } => ErrorCode::Integrity,
            Self::Storage { .. } | Self::Stopped { .. } | Self::Closed => ErrorCode::Unavailable,
            Self::Exists { .. } | Self::Locked { .. } => ErrorCode::Conflict,
            Self::Missing { .. } | Self::NotFound { .. } | Self::NotCovered { .. } | Self::Erased { .. } => {
                ErrorCode::NotFound
            }
            Self::NoBodyKey { .. } => ErrorCode::Internal,
            Self::Schema(error) => error.code(),
        }
    }

    pub(crate) fn storage(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Storage { action, path: path.to_owned(), source }
    }

    pub(crate) fn malformed(form: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { form, reason: reason.into() }
    }

    pub(crate) fn damaged(path: impl std::fmt::Display, offset: u64, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_string(), offset, reason: reason.into() }
    }

    pub(crate) fn contradiction(path: &Path, reason: impl Into<String>) -> Self {
        Self::Contradiction { path: path.to_owned(), reason: reason.into() }
    }
}
