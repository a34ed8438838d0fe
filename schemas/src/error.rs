//! The closed set of error codes of the whole product, and this crate's own error.

use serde::{Deserialize, Serialize};

/// What went wrong, as far as an outsider needs to know. Every error of every crate maps to exactly one of these;
/// exit codes of the command line and answers to peers derive from it. The set is kept small on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The input is wrong: the message names the field and the fix.
    Invalid,
    /// The thing asked for does not exist.
    NotFound,
    /// Policy forbids it: the message names the rule.
    Denied,
    /// Who is asking could not be established.
    Unauthenticated,
    /// Something changed meanwhile, or exists already.
    Conflict,
    /// A signature, hash or checksum does not hold.
    Integrity,
    /// A validity period is over, or has not begun.
    Expired,
    /// Over a stated limit.
    TooLarge,
    /// A stated number of things is already in progress; the same call may succeed later.
    Busy,
    /// A part that is needed does not answer.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// A fault on our side.
    Internal,
}

impl ErrorCode {
    /// The code as it stands in machine output and in messages to peers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
            Self::Conflict => "conflict",
            Self::Integrity => "integrity",
            Self::Expired => "expired",
            Self::TooLarge => "too_large",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// Why a text or a message is not what it claims to be.
///
/// `Display` never holds the offending value: it may be a person's number.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A field does not parse. `reason` and `fix` are complete clauses without a final stop.
    #[error("{field}: {reason}; {fix}")]
    Field {
        /// Name of the field as the user or the peer wrote it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
    /// A message is longer or has more parts than its limit.
    #[error("{what} has {actual} {unit}, at most {limit} are accepted")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Bytes, fields, recipients, …
        unit: &'static str,
        /// The size met (or one more than the limit, where reading stopped there).
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// A signed form is not well formed.
    #[error("{form}: {reason}")]
    Malformed {
        /// The signed form: `JWS`, `SD-JWT`, `age`, …
        form: &'static str,
        /// What is wrong, without the offending text.
        reason: String,
    },
    /// A signature or digest does not hold.
    #[error("{form}: {reason}")]
    Integrity {
        /// The signed form.
        form: &'static str,
        /// Which check failed.
        reason: String,
    },
    /// A validity period is over or has not begun.
    #[error("{form}: {reason}")]
    Expired {
        /// The signed form.
        form: &'static str,
        /// Which bound was crossed, and by how much.
        reason: String,
    },
    /// A private key could not be used.
    #[error("key: {reason}")]
    Key {
        /// What failed; never key material.
        reason: String,
    },
}

impl SchemaError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Field { .. } | Self::Malformed { .. } => ErrorCode::Invalid,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Integrity { .. } => ErrorCode::Integrity,
            Self::Expired { .. } => ErrorCode::Expired,
            Self::Key { .. } => ErrorCode::Internal,
        }
    }

    /// The same said of the field of a record or a form that holds the value, instead of the value's kind.
    pub(crate) fn in_field(self, field: &'static str) -> Self {
        match self {
            Self::Field { reason, fix, .. } => Self::Field { field, reason, fix },
            other => other,
        }
    }

    pub(crate) fn field(field: &'static str, reason: impl Into<String>, fix: &'static str) -> Self {
        Self::Field { field, reason: reason.into(), fix }
    }
}
