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

/// Most characters kept of what a peer says in words: what fits a line or two of a result.
pub const PEER_WORDS_LIMIT: usize = 300;

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PeerFault {
    /// As a code: unavailable, timeout, busy, …
    pub code: ErrorCode,
    /// In words, some of them perhaps the peer's own: cleaned by [`peer_words`] before anything keeps them.
    pub reason: String,
}

/// A peer's words as a result, a certificate and an audit body may hold them: cut to [`PEER_WORDS_LIMIT`] characters,
/// without those that control a terminal or hide and reorder text. They never reach the running log, cleaned or not: a
/// peer could repeat the subject's number in them.
pub(crate) fn peer_words(text: &str) -> String {
    let harmful = |symbol: &char| {
        symbol.is_control()
            || matches!(
                symbol,
                '\u{061C}'
                    | '\u{200B}'..='\u{200F}'
                    | '\u{2028}'..='\u{202E}'
                    | '\u{2060}'..='\u{206F}'
                    | '\u{FEFF}'
                    | '\u{E0000}'..='\u{E007F}'
            )
    };
    text.chars().filter(|symbol| !harmful(symbol)).take(PEER_WORDS_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_words_are_short_and_command_nothing() {
        assert_eq!(peer_words("拒绝\u{1b}[31m\r\n\u{202E}x\u{200B}y"), "拒绝[31mxy");
        assert_eq!(peer_words(&"长".repeat(5_000)).chars().count(), PEER_WORDS_LIMIT);
    }
}
