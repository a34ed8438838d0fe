//! The port through which a node speaks to its peers.

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::directory::DirectoryEntry;
use futures::future::BoxFuture;

/// Sends one message to a member and waits for its answer. Implemented over the network by the program, and in
/// memory by tests and the simulator.
pub trait Peers: Send + Sync + 'static {
    /// Calls `to` with `message`; fails after `deadline_ms` milliseconds at the latest.
    fn call<'a>(
        &'a self,
        to: &'a DirectoryEntry,
        message: Bytes,
        deadline_ms: u64,
    ) -> BoxFuture<'a, Result<Bytes, PeerFault>>;
}

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PeerFault {
    /// As a code: unavailable, timeout, busy, …
    pub code: ErrorCode,
    /// In words.
    pub reason: String,
}
