//! Remembers the nonces of requests so that none is answered twice.

use std::collections::{HashMap, HashSet, VecDeque};

use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::identity::Nonce;
use chengxin_schemas::request::{CLOCK_TOLERANCE, REQUEST_LIFETIME_LIMIT};
use chengxin_schemas::time::UnixTime;

/// Nonces remembered per asking agency: at 5,000 requests a second from one peer the memory spans what a request can
/// live; a peer that asks faster is told to wait.
pub const NONCES_PER_PEER_LIMIT: usize = 2_600_000;
/// Nonces remembered in all; bounds the memory at about 300 MB under attack by many members at once.
pub const NONCES_LIMIT: usize = 4_000_000;

/// A request older than this is refused by its window, so its nonce need not be remembered longer.
const MEMORY_SECONDS: i64 = REQUEST_LIFETIME_LIMIT + 2 * CLOCK_TOLERANCE;

/// The nonces seen within the longest life of a request. Lost at restart: a request from before it could then be
/// answered a second time within its remaining life, to the same member, and the audit log would show both.
#[derive(Debug, Default)]
pub struct ReplayGuard {
    seen: HashMap<AgencyCode, PeerNonces>,
    total: usize,
}

#[derive(Debug, Default)]
struct PeerNonces {
    set: HashSet<[u8; 16]>,
    order: VecDeque<(UnixTime, [u8; 16])>,
}

/// Why a nonce was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFault {
    /// The nonce was used before.
    Replayed,
    /// The memory is full.
    Full,
}

impl ReplayFault {
    /// The outward code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Replayed => ErrorCode::Conflict,
            Self::Full => ErrorCode::Busy,
        }
    }
}

impl ReplayGuard {
    /// Admits a nonce once.
    pub fn admit(&mut self, from: &AgencyCode, nonce: &Nonce, now: UnixTime) -> Result<(), ReplayFault> {
        let peer = self.seen.entry(*from).or_default();
        while let Some((time, oldest)) = peer.order.front().copied() {
            if now.since(time) <= MEMORY_SECONDS {
                break;
            }
            peer.order.pop_front();
            peer.set.remove(&oldest);
            self.total = self.total.saturating_sub(1);
        }
        if peer.set.contains(&nonce.0) {
            return Err(ReplayFault::Replayed);
        }
        if peer.set.len() >= NONCES_PER_PEER_LIMIT || self.total >= NONCES_LIMIT {
            return Err(ReplayFault::Full);
        }
        peer.set.insert(nonce.0);
        peer.order.push_back((now, nonce.0));
        self.total = self.total.saturating_add(1);
        Ok(())
    }

    /// Nonces remembered now.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_counts_once_and_is_forgotten_when_its_request_cannot_live() {
        let mut guard = ReplayGuard::default();
        let peer = "11152105011615449P".parse().expect("agency");
        let nonce = Nonce([1; 16]);
        let start = UnixTime(1_000_000);
        assert_eq!(guard.admit(&peer, &nonce, start), Ok(()));
        assert_eq!(guard.admit(&peer, &nonce, start.plus(MEMORY_SECONDS)), Err(ReplayFault::Replayed));
        assert_eq!(guard.admit(&peer, &Nonce([2; 16]), start.plus(MEMORY_SECONDS + 1)), Ok(()));
        assert_eq!(guard.len(), 1, "the first was forgotten");
    }
}
