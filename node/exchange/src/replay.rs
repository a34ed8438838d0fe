//! Remembers the nonces of requests so that none is answered twice.

use std::collections::{HashMap, HashSet, VecDeque};

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::identity::Nonce;
use chengxin_schemas::request::{CLOCK_TOLERANCE, REQUEST_LIFETIME_LIMIT};
use chengxin_schemas::time::UnixTime;

/// Nonces remembered beyond [`NONCES_OF_ANY_MEMBER`] of each member: about 200 MB when members ask as fast as they may.
/// One member alone gets half of them, which lets it ask 5,000 times a second for as long as a nonce is remembered.
pub const NONCES_LIMIT: usize = 5_400_000;
/// Nonces that every member may have here, however many the others have: eleven requests a minute. The largest
/// federation's take 40 MB more.
pub const NONCES_OF_ANY_MEMBER: usize = 100;

/// From the earliest moment at which a request is accepted, the tolerance before it was signed, to the latest, the
/// tolerance after the longest window: nine minutes. Later its window refuses it, so its nonce need not be remembered.
const MEMORY_SECONDS: i64 = REQUEST_LIFETIME_LIMIT + 2 * CLOCK_TOLERANCE;
/// Nonces are forgotten a stretch of this many seconds at a time: a stretch goes at once, whoever its nonces are from.
const STRETCH_SECONDS: i64 = 60;

/// The nonces seen within the longest life of a request. Lost at restart: a request from before it could then be
/// answered a second time within its remaining life, to the same member, and the audit log would show both.
///
/// A member may have as many nonces here as there are free places: one that asks without end gets half of all, the next
/// one half of what is left. What every member may have in any case keeps a chain of those from locking out the rest.
#[derive(Debug)]
pub struct ReplayGuard {
    /// The oldest first.
    stretches: VecDeque<Stretch>,
    counts: HashMap<AgencyCode, usize>,
    total: usize,
    limit: usize,
}

#[derive(Debug)]
struct Stretch {
    since: UnixTime,
    seen: HashMap<AgencyCode, HashSet<[u8; 16]>>,
}

impl Default for ReplayGuard {
    fn default() -> Self {
        Self::with_limit(NONCES_LIMIT)
    }
}

/// Why a nonce was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayFault {
    /// The nonce was used before.
    Replayed,
    /// The member has used up its share of the memory.
    Full,
}

impl ReplayGuard {
    fn with_limit(limit: usize) -> Self {
        Self { stretches: VecDeque::new(), counts: HashMap::new(), total: 0, limit }
    }

    /// Admits a nonce once.
    pub fn admit(&mut self, from: &AgencyCode, nonce: &Nonce, now: UnixTime) -> Result<(), ReplayFault> {
        self.forget(now);
        let of_member =
            |stretch: &Stretch| stretch.seen.get(from).is_some_and(|seen| seen.contains(&nonce.0));
        if self.stretches.iter().any(of_member) {
            return Err(ReplayFault::Replayed);
        }
        let held = self.counts.get(from).copied().unwrap_or(0);
        if held >= self.limit.saturating_sub(self.total).max(NONCES_OF_ANY_MEMBER) {
            return Err(ReplayFault::Full);
        }
        // A clock that was put back fills the newest stretch, which is then remembered for longer.
        if self.stretches.back().is_none_or(|newest| now.since(newest.since) >= STRETCH_SECONDS) {
            self.stretches.push_back(Stretch { since: now, seen: HashMap::new() });
        }
        if let Some(newest) = self.stretches.back_mut() {
            newest.seen.entry(*from).or_default().insert(nonce.0);
            self.counts.insert(*from, held.saturating_add(1));
            self.total = self.total.saturating_add(1);
        }
        Ok(())
    }

    /// Drops the stretches of which no nonce can come again, of all members alike: also of those that have gone silent
    /// and of those that are none any more.
    fn forget(&mut self, now: UnixTime) {
        let is_over = |stretch: &mut Stretch| now.since(stretch.since) >= STRETCH_SECONDS + MEMORY_SECONDS;
        while let Some(over) = self.stretches.pop_front_if(is_over) {
            for (member, seen) in over.seen {
                self.total = self.total.saturating_sub(seen.len());
                let left = self.counts.get(&member).copied().unwrap_or(0).saturating_sub(seen.len());
                if left == 0 {
                    self.counts.remove(&member);
                } else {
                    self.counts.insert(member, left);
                }
            }
        }
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

    const START: UnixTime = UnixTime(1_000_000);

    fn peer(code: &str) -> AgencyCode {
        code.parse().expect("agency")
    }

    fn nonce(number: u64) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Nonce(bytes)
    }

    /// Fills the member's share and says how many nonces that took.
    fn flood(guard: &mut ReplayGuard, from: &AgencyCode, now: UnixTime) -> usize {
        (0..).take_while(|number| guard.admit(from, &nonce(*number), now).is_ok()).count()
    }

    #[test]
    fn a_nonce_counts_once_and_is_forgotten_when_its_request_cannot_live() {
        let mut guard = ReplayGuard::default();
        let peer = peer("11152105011615449P");
        assert_eq!(guard.admit(&peer, &nonce(1), START), Ok(()));
        assert_eq!(guard.admit(&peer, &nonce(1), START.plus(MEMORY_SECONDS)), Err(ReplayFault::Replayed));
        // The last nonce of a stretch is remembered as long as it must be, the first one a stretch longer.
        assert_eq!(guard.admit(&peer, &nonce(2), START.plus(STRETCH_SECONDS - 1)), Ok(()));
        let last = START.plus(STRETCH_SECONDS - 1 + MEMORY_SECONDS);
        assert_eq!(guard.admit(&peer, &nonce(2), last), Err(ReplayFault::Replayed));
        assert_eq!(guard.admit(&peer, &nonce(3), last.plus(1)), Ok(()));
        assert_eq!(guard.len(), 1, "the first two were forgotten");
        // A clock that goes back forgets nothing.
        assert_eq!(guard.admit(&peer, &nonce(4), START), Ok(()));
        assert_eq!(guard.admit(&peer, &nonce(4), last), Err(ReplayFault::Replayed));
    }

    #[test]
    fn members_that_fill_the_memory_lock_nobody_out() {
        let mut guard = ReplayGuard::with_limit(1_200);
        let (one, two, quiet) =
            (peer("11152105011615449P"), peer("11150000DEM000129D"), peer("11150000DEM000233H"));
        assert_eq!(flood(&mut guard, &one, START), 600, "half of what there is");
        assert_eq!(flood(&mut guard, &two, START), 300, "half of what is left");
        assert_eq!(guard.admit(&one, &nonce(9_999), START), Err(ReplayFault::Full));
        assert_eq!(flood(&mut guard, &quiet, START), 150, "half of what is left");
        let late = peer("11152500DEM000452E");
        assert_eq!(flood(&mut guard, &late, START), NONCES_OF_ANY_MEMBER, "what everybody may have");
        // The floods have ended, and their members ask nothing more: what they held is free again.
        let later = START.plus(STRETCH_SECONDS + MEMORY_SECONDS);
        assert_eq!(guard.admit(&quiet, &nonce(1), later), Ok(()));
        assert_eq!((guard.len(), guard.counts.len()), (1, 1));
    }
}
