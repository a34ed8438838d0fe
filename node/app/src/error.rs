//! Why the program could not start, run or do what a command asked; printed once, at the edge.

use std::path::{Path, PathBuf};

use chengxin_api::bounded_file::BoundedFileError;
use chengxin_api::chinese;
use chengxin_api::failure::{exchange_problem, schema_problem};
use chengxin_api::server::ServerError;
use chengxin_api::types::problem::Problem;
use chengxin_exchange::ExchangeError;
use chengxin_network::NetworkError;
use chengxin_schemas::{ErrorCode, SchemaError};
use chengxin_trust::TrustError;

/// Every way in which the program itself fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// A file could not be opened, read or written.
    #[error("cannot {act} {}", path.display())]
    File {
        act: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file that is read whole could not be, or is too long.
    #[error(transparent)]
    BoundedFile(#[from] BoundedFileError),
    /// A file does not hold what it should.
    #[error("{}: {reason}", path.display())]
    FileContent { path: PathBuf, reason: String },
    /// The node is not what the command needs.
    #[error("{what}; {fix}")]
    State { what: String, fix: &'static str, code: ErrorCode },
    /// A value of a command is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The federation's metadata.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The local socket.
    #[error(transparent)]
    Socket(#[from] ServerError),
    /// A use case.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The store.
    #[error("the store in {} cannot be opened", path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: chengxin_store::StoreError,
    },
    /// The audit log.
    #[error("the audit log in {} cannot be opened", path.display())]
    Log {
        path: PathBuf,
        #[source]
        source: chengxin_audit_log::LogError,
    },
    /// The policy.
    #[error(transparent)]
    Policy(#[from] chengxin_policy::PolicyError),
    /// The runtime or a system facility.
    #[error("{what}")]
    System {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl AppError {
    /// For `map_err` at file operations.
    pub(crate) fn file<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Self + 'a {
        move |source| Self::File { act, path: path.to_owned(), source }
    }

    /// The outward code.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::File { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorCode::NotFound,
                std::io::ErrorKind::AlreadyExists => ErrorCode::Conflict,
                std::io::ErrorKind::PermissionDenied => ErrorCode::Denied,
                _ => ErrorCode::Unavailable,
            },
            Self::BoundedFile(error) => error.code(),
            Self::FileContent { .. } => ErrorCode::Integrity,
            Self::State { code, .. } => *code,
            Self::Schema(error) => error.code(),
            Self::Trust(error) => error.code(),
            Self::Network(error) => error.code(),
            Self::Socket(error) => error.code(),
            Self::Exchange(error) => error.code(),
            Self::Store { .. } | Self::Log { .. } => ErrorCode::Unavailable,
            Self::Policy(error) => error.code(),
            Self::System { .. } => ErrorCode::Internal,
        }
    }

    /// The error as people read it, in both languages, with the fix apart where there is one.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::State { what, fix, code } => {
                Problem::new(*code, what.as_str(), chinese::message_or_same(what))
                    .with_fix(*fix, chinese::message_or_same(fix))
            }
            Self::BoundedFile(error) => error.problem(),
            Self::Schema(error) => schema_problem(error),
            // What a use case refuses has a fix; what it could not do has causes, and nobody else tells them here.
            Self::Exchange(error) if std::error::Error::source(error).is_none() => exchange_problem(error),
            Self::File { .. }
            | Self::FileContent { .. }
            | Self::Trust(_)
            | Self::Network(_)
            | Self::Socket(_)
            | Self::Exchange(_)
            | Self::Store { .. }
            | Self::Log { .. }
            | Self::Policy(_)
            | Self::System { .. } => {
                let chain = self.chain();
                Problem::new(self.code(), chain.as_str(), chinese::message_or_same(&chain))
            }
        }
    }

    /// The error and its causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
