//! Why a use case did not happen; the one place that maps causes to the closed set of outward codes.

use chengxin_audit_log::LogError;
use chengxin_import::ImportError;
use chengxin_policy::{Denied, PolicyError};
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::{ErrorCode, SchemaError};
use chengxin_store::StoreError;

use crate::readable::is_of_one_value;

/// Every way in which a use case fails.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// An input or a signed form is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Policy forbids it.
    #[error("denied by rule {}", .0.rule)]
    Denied(Box<Denied>),
    /// The operator's role does not allow it.
    #[error("the role {role} may not {act}; it needs {}", roles_text(needed))]
    Role {
        /// The acting role.
        role: Role,
        /// What was attempted.
        act: &'static str,
        /// Which roles may.
        needed: &'static [Role],
    },
    /// The account named, or the only one there is, does not have the role that was asked for.
    #[error("the account {account} does not have the role {role}")]
    RoleNotHeld {
        /// The account.
        account: OperatorName,
        /// The role.
        role: Role,
    },
    /// There is no operator account for who is asking.
    #[error("no operator account: {reason}")]
    NoAccount {
        /// What is missing and who can help.
        reason: String,
    },
    /// The thing named does not exist.
    #[error("{what} does not exist here")]
    NotFound {
        /// What was asked for, without its identifier if that is personal.
        what: &'static str,
    },
    /// Something is in a state that does not allow the step.
    #[error("{what}: {reason}")]
    Conflict {
        /// About what.
        what: &'static str,
        /// Why not, and what to do.
        reason: String,
    },
    /// Too much at once.
    #[error("{what}: {reason}")]
    Busy {
        /// Which limit.
        what: &'static str,
        /// What to do.
        reason: String,
    },
    /// No node took what it was sent.
    #[error("{what}: {reason}")]
    Unreachable {
        /// Whose node.
        what: &'static str,
        /// Why, of each that was tried.
        reason: String,
    },
    /// The member directory is too old to rely on.
    #[error("the member directory expired; {fix}")]
    DirectoryExpired {
        /// What to do.
        fix: &'static str,
    },
    /// The import found errors; nothing was stored.
    #[error("{errors} rows have errors, nothing was stored")]
    ImportRefused {
        /// Rows with errors.
        errors: u64,
    },
    /// A file could not be read as a table.
    #[error("the file cannot be imported")]
    Import(#[from] ImportError),
    /// The store refused or failed.
    #[error("the store did not do it")]
    Store(#[from] StoreError),
    /// The audit log could not be written, so nothing was disclosed or changed.
    #[error("the audit log cannot be written, so nothing was done")]
    Log(#[from] LogError),
    /// The federation's metadata.
    #[error("the member directory cannot be used")]
    Trust(#[from] chengxin_trust::TrustError),
    /// The policy could not decide.
    #[error("the policy could not decide")]
    Policy(#[from] PolicyError),
    /// What the store holds is not what this version writes.
    #[error("a stored {what} cannot be read: {reason}")]
    Stored {
        /// Kind of row.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// A task ended without a result.
    #[error("a background task ended unexpectedly: {what}")]
    Task {
        /// Which task.
        what: &'static str,
    },
}

impl ExchangeError {
    /// Of a read: whether one stored row could not be read, or not understood, and nothing follows for others.
    pub(crate) fn is_of_one_row(&self) -> bool {
        matches!(self, Self::Schema(_) | Self::Stored { .. })
            || matches!(self, Self::Store(error) if is_of_one_value(error))
    }

    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Schema(error) => error.code(),
            Self::Denied(_) | Self::Role { .. } | Self::RoleNotHeld { .. } => ErrorCode::Denied,
            Self::NoAccount { .. } => ErrorCode::Unauthenticated,
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Conflict { .. } => ErrorCode::Conflict,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::DirectoryExpired { .. } => ErrorCode::Expired,
            Self::ImportRefused { .. } => ErrorCode::Invalid,
            Self::Import(error) => error.code(),
            Self::Store(StoreError::Conflict { .. }) => ErrorCode::Conflict,
            Self::Store(StoreError::TooLarge { .. }) => ErrorCode::TooLarge,
            Self::Store(_) | Self::Log(_) | Self::Unreachable { .. } => ErrorCode::Unavailable,
            Self::Trust(error) => error.code(),
            Self::Policy(error) => error.code(),
            Self::Stored { .. } => ErrorCode::Integrity,
            Self::Task { .. } => ErrorCode::Internal,
        }
    }
}

fn roles_text(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ")
}

impl From<Denied> for ExchangeError {
    fn from(denied: Denied) -> Self {
        Self::Denied(Box::new(denied))
    }
}

/// What every use case returns.
pub type Result<T> = std::result::Result<T, ExchangeError>;
