//! How long to wait before dialling again: capped, doubling, with full jitter, so that a thousand nodes that lost
//! the same peer do not return in step.

use std::time::Duration;

/// A small deterministic generator (SplitMix64, Steele et al. 2014). It spreads reconnections and protects nothing;
/// its seed is an argument, so a run can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Jitter {
    state: u64,
}

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration between zero and `ceiling`, both included.
    fn up_to(&mut self, ceiling: Duration) -> Duration {
        let ceiling = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        match ceiling.checked_add(1) {
            Some(range) => Duration::from_micros(self.next() % range),
            None => Duration::from_micros(self.next()),
        }
    }
}

/// The failures in a row of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// One more failure: the pause before the next attempt.
    pub(crate) fn failed(&mut self, first: Duration, longest: Duration, jitter: &mut Jitter) -> Duration {
        // 2^20 times any sensible first pause is beyond any sensible cap.
        let doublings = self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        jitter.up_to(first.saturating_mul(1 << doublings).min(longest))
    }

    /// The peer has been heard from.
    pub(crate) fn clear(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn ceiling_doubles_to_the_cap() {
        let mut jitter = Jitter::new(1);
        for (failures, ceiling) in [(0, 250), (1, 500), (2, 1000), (7, 32_000), (8, 60_000), (31, 60_000)] {
            let ceiling = Duration::from_millis(ceiling);
            let mut longest_seen = Duration::ZERO;
            for _ in 0..2000 {
                let pause = Backoff { failures }.failed(FIRST, LONGEST, &mut jitter);
                assert!(pause <= ceiling, "{failures}: {pause:?}");
                longest_seen = longest_seen.max(pause);
            }
            // Full jitter: the whole range is used.
            assert!(longest_seen > ceiling / 10 * 9, "{failures}: {longest_seen:?}");
        }
    }

    #[test]
    fn clear_starts_over_and_seeds_repeat() {
        let pauses = |seed| {
            let mut jitter = Jitter::new(seed);
            let mut backoff = Backoff::default();
            (0..10).map(|_| backoff.failed(FIRST, LONGEST, &mut jitter)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        let mut backoff = Backoff { failures: 9 };
        backoff.clear();
        assert!(backoff.failed(FIRST, LONGEST, &mut Jitter::new(3)) <= FIRST);
    }

    #[test]
    fn endless_failures_do_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX };
        let _ = backoff.failed(Duration::MAX, Duration::MAX, &mut Jitter::new(1));
        assert_eq!(backoff.failures, u32::MAX);
    }
}
