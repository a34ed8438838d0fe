//! What can go wrong between nodes, in words that say whose turn it is.

use std::time::Duration;

use chengxin_schemas::ErrorCode;

/// Why the network could not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// An address does not parse.
    #[error(
        "address: {reason}; write for example /ip4/10.0.0.5/udp/7400/quic-v1 or /dns4/node.example/tcp/7400"
    )]
    Address {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An identity does not parse.
    #[error("identity: it is not the peer id of an Ed25519 key; it begins with 12D3KooW")]
    Identity,
    /// The allow list contradicts itself.
    #[error("members: {reason}; correct the directory")]
    Members {
        /// What is wrong with it.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("listen: {address}: {reason}; choose another address or stop what uses it")]
    Listen {
        /// The address as configured.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The transports could not be set up.
    #[error("transport: {reason}")]
    Transport {
        /// What failed.
        reason: String,
    },
    /// The remote of a join could not be reached.
    #[error(
        "join: {address} cannot be reached: {reason}; check the address and that the coordinator's door is open"
    )]
    JoinUnreachable {
        /// The address dialled.
        address: String,
        /// What happened.
        reason: String,
    },
    /// A member's node could not be reached from outside the network.
    #[error(
        "member: {address} cannot be reached: {reason}; give the address at which a member's node listens for other members"
    )]
    MemberUnreachable {
        /// The address dialled.
        address: String,
        /// What happened.
        reason: String,
    },
    /// A task of the network panicked. Its state is unknown: start the network again.
    #[error("a task of the network panicked; start the network again")]
    Panicked,
}

impl NetworkError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Address { .. } | Self::Identity | Self::Members { .. } => ErrorCode::Invalid,
            Self::Listen { .. } | Self::JoinUnreachable { .. } | Self::MemberUnreachable { .. } => {
                ErrorCode::Unavailable
            }
            Self::Transport { .. } | Self::Panicked => ErrorCode::Internal,
        }
    }
}

/// Why a call has no answer, and with that whether the peer acted on the request:
///
/// * it did not after [`CallError::NotMember`], [`CallError::Unreachable`], [`CallError::Busy`],
///   [`CallError::Closed`], and [`CallError::TooLarge`] about a request;
/// * it did after [`CallError::AnswerDropped`], and [`CallError::TooLarge`] about an answer;
/// * it says itself after [`CallError::Refused`], unless the code is [`ErrorCode::Internal`]: then its work broke off
///   somewhere;
/// * nobody knows after [`CallError::Timeout`] and [`CallError::ConnectionLost`].
///
/// A request that must not be acted on twice carries its own mark by which the peer recognises it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The identity is not in the directory.
    #[error("the peer is not in the directory")]
    NotMember,
    /// No connection: the last attempt failed, and the next one is due later.
    #[error("the peer cannot be reached ({reason}); next attempt in {} s", retry_in.as_secs())]
    Unreachable {
        /// What the last attempt met.
        reason: String,
        /// For how long there has been no connection.
        down_for: Duration,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// No answer in time.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The request or the answer is longer than allowed.
    #[error("{what} has {bytes} bytes, at most {limit} are sent at once; ask for less")]
    TooLarge {
        /// `request` or `answer`.
        what: &'static str,
        /// Its size; of a peer's answer, at least this.
        bytes: usize,
        /// The limit that was applied.
        limit: usize,
    },
    /// Too much is in progress with this peer, here or there; nothing was begun.
    #[error("too many requests are in progress with the peer; try again shortly")]
    Busy,
    /// The request was handled, but there was no room for its answer, here or there: too many large answers wait to
    /// be read.
    #[error("the peer handled the request, but there was no room for its answer; ask again shortly")]
    AnswerDropped,
    /// The peer's application refused.
    #[error("the peer refused: {text}")]
    Refused {
        /// The reason's class.
        code: ErrorCode,
        /// The peer's words: untrusted text of at most 2 KiB, without control characters.
        text: String,
    },
    /// The connection broke after the request was sent.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// This node's network is shut down.
    #[error("the network of this node is shut down")]
    Closed,
}

impl CallError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotMember => ErrorCode::NotFound,
            Self::Unreachable { .. } | Self::ConnectionLost | Self::Closed => ErrorCode::Unavailable,
            Self::Timeout => ErrorCode::Timeout,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Busy | Self::AnswerDropped => ErrorCode::Busy,
            Self::Refused { code, .. } => *code,
        }
    }
}

/// What the application answers instead of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerRefusal {
    /// The reason's class.
    pub code: ErrorCode,
    /// Words for the peer's person; cut at 2 KiB. Nothing that the asker may not know.
    pub text: String,
}
