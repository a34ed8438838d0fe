//! What can be refused in matters of trust, said so that a person knows what to do about it.

use std::path::PathBuf;

use chengxin_schemas::time::UnixTime;
use chengxin_schemas::{ErrorCode, SchemaError};

use crate::name::Role;
use crate::source::SourceError;

/// Why something was refused. Nothing is ever half accepted: after an error the state before it is in force.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The first root of trust offered is not the one whose fingerprint was given.
    #[error(
        "the root offered has the fingerprint {offered}, the one expected is {pinned}; ask the coordinator to read it out again, and do not join if they still differ"
    )]
    FingerprintDiffers {
        /// Short form of the fingerprint that was given.
        pinned: String,
        /// Short form of the fingerprint met.
        offered: String,
    },
    /// Metadata is past its validity.
    #[error("{role} metadata expired at {}; a coordinator's node must sign it again, and this node's clock must be right", since.to_shanghai())]
    Expired {
        /// Which file.
        role: Role,
        /// When it expired.
        since: UnixTime,
    },
    /// Metadata is older than what was already seen: somebody replays an old state.
    #[error(
        "{role} metadata went back from version {from} to {to}; refresh from another peer and report this one"
    )]
    RolledBack {
        /// Which file.
        role: Role,
        /// The version already seen.
        from: u64,
        /// The version offered.
        to: u64,
    },
    /// Two different files with the same version, both properly signed: the coordinator says different things to
    /// different members, or its key is in other hands.
    #[error(
        "two different {role} files with version {version} are properly signed; the other one is kept in the folder conflict: call the coordinators, one of their keys is misused"
    )]
    Conflicting {
        /// Which file.
        role: Role,
        /// The version both carry.
        version: u64,
    },
    /// Too few signatures hold.
    #[error(
        "{role} metadata has {valid} valid signatures and needs {needed}; refresh from another peer and report this one"
    )]
    WronglySigned {
        /// Which file.
        role: Role,
        /// How many hold.
        valid: u64,
        /// How many are needed.
        needed: u64,
    },
    /// One key's signature is listed more than once, which is only of use to feign a threshold.
    #[error("{role} metadata lists a key's signature twice; refresh from another peer and report this one")]
    DuplicateSignature {
        /// Which file.
        role: Role,
    },
    /// A file is longer than its limit or than the signed metadata says.
    #[error("{what} is longer than {limit} bytes; refresh from another peer and report this one")]
    OverLarge {
        /// Which file.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// There are more of something than this version takes.
    #[error("there are {actual} {what}, at most {limit} are accepted")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// A file is not the one that the signed metadata names: parts of different states were mixed.
    #[error("{file} is not the file that the signed metadata names; refresh again, or from another peer")]
    MixedUp {
        /// Which file.
        file: String,
    },
    /// A file that the metadata names is not to be had from this source.
    #[error("{file} is missing; refresh from another peer")]
    Missing {
        /// Which file.
        file: String,
    },
    /// A file does not parse as what it should be.
    #[error("{what} is not well formed: {reason}")]
    Malformed {
        /// Which file or text.
        what: String,
        /// What is wrong, and what to do where there is something.
        reason: String,
    },
    /// An entry of the directory breaks a rule; the whole update is refused.
    #[error("the directory entry {path} is refused: {reason}; the coordinator must correct it")]
    Entry {
        /// The entry's path in the directory.
        path: String,
        /// The rule.
        reason: String,
    },
    /// The source could not be reached.
    #[error("the metadata source cannot be reached; try another peer")]
    Unreachable(#[source] SourceError),
    /// Nothing was verified yet: the node has not joined.
    #[error("no verified directory is held; join the federation first")]
    NotJoined,
    /// The verified state is past its expiry and past the grace after it.
    #[error("the directory expired at {} and the grace after it is over; refresh from a peer that reaches a coordinator", since.to_shanghai())]
    GraceOver {
        /// When the directory expired.
        since: UnixTime,
    },
    /// Evidence was signed after the time it is to prove something about.
    #[error("the evidence was signed at {}, after the time it is offered for; ask for the evidence exported at that time", signed_at.to_shanghai())]
    EvidenceTooNew {
        /// When it was signed.
        signed_at: UnixTime,
    },
    /// An agency is not in the directory.
    #[error("agency {agency} is not in the directory; compare the code with chengxin peer list")]
    NotMember {
        /// Its code.
        agency: String,
    },
    /// A change of the directory contradicts its present state.
    #[error("{reason}")]
    Conflict {
        /// What is in the way, and what to do.
        reason: String,
    },
    /// A coordinator's clock is before the last signature, or further after it than a node is ever left alone.
    #[error(
        "this machine's clock says {}, and the directory was signed last at {}; set the clock by a time server, and if it is right, confirm it with chengxin federation confirm-clock",
        now.to_shanghai(), signed_at.to_shanghai()
    )]
    Clock {
        /// What the clock says.
        now: UnixTime,
        /// When the directory was signed last.
        signed_at: UnixTime,
    },
    /// A parameter of founding or of a root change does not make sense.
    #[error("{field}: {reason}")]
    Parameter {
        /// Which one.
        field: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// The signing key given is not the one the root names for the role.
    #[error(
        "the key given for {role} is not the one the root of trust names; use the key file made at founding or at the last rotation"
    )]
    OnlineKey {
        /// The role.
        role: Role,
    },
    /// A one-time token is refused.
    #[error("token: {reason}")]
    Token {
        /// Why, and what to do.
        reason: &'static str,
        /// The outward code.
        code: ErrorCode,
    },
    /// An application to join is refused.
    #[error("application to join: {field}: {reason}")]
    Application {
        /// Which part.
        field: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A key file is refused. Never holds key material.
    #[error("key file {}: {reason}", path.display())]
    KeyFile {
        /// Where.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// An identifier, key or signed form is refused.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The verifying library failed in a way that is our own fault (its working folder, its URLs).
    #[error("verification could not be carried out: {reason}")]
    Verifier {
        /// The library's word.
        reason: String,
    },
}

impl TrustError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::FingerprintDiffers { .. }
            | Self::RolledBack { .. }
            | Self::Conflicting { .. }
            | Self::WronglySigned { .. }
            | Self::DuplicateSignature { .. }
            | Self::MixedUp { .. } => ErrorCode::Integrity,
            Self::Expired { .. } | Self::GraceOver { .. } | Self::EvidenceTooNew { .. } => ErrorCode::Expired,
            Self::OverLarge { .. } | Self::TooMany { .. } => ErrorCode::TooLarge,
            Self::Missing { .. } | Self::Unreachable(_) | Self::NotJoined => ErrorCode::Unavailable,
            Self::Malformed { .. }
            | Self::Entry { .. }
            | Self::Parameter { .. }
            | Self::Application { .. }
            | Self::KeyFile { .. } => ErrorCode::Invalid,
            Self::NotMember { .. } => ErrorCode::NotFound,
            Self::Conflict { .. } | Self::Clock { .. } => ErrorCode::Conflict,
            Self::OnlineKey { .. } => ErrorCode::Denied,
            Self::Token { code, .. } => *code,
            Self::File { .. } | Self::Verifier { .. } => ErrorCode::Internal,
            Self::Schema(error) => error.code(),
        }
    }

    /// For use with `map_err` on file operations.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn malformed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), reason: reason.into() }
    }
}
