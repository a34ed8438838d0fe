//! What happens to a member that sends malformed frames, or is too slow over them: strikes, then bans of growing
//! length.
//!
//! The book has an entry per member at most, because only members get as far as sending a frame.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;

/// The strikes and bans of one member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strikes {
    count: u32,
    first_at: Option<Instant>,
    last_at: Option<Instant>,
    bans: u32,
}

impl Strikes {
    /// One more strike. Returns the length of the ban that it leads to, if it does.
    pub(crate) fn strike(&mut self, now: Instant, limits: &Limits) -> Option<Duration> {
        // A bad link can make an honest member slow: after twice the longest ban without a strike its bans begin anew.
        let forgiven = limits.ban_longest.saturating_mul(2);
        if self.last_at.replace(now).is_some_and(|at| now.saturating_duration_since(at) > forgiven) {
            self.bans = 0;
        }
        let remembered =
            self.first_at.is_some_and(|at| now.saturating_duration_since(at) <= limits.strike_memory);
        if !remembered {
            self.first_at = Some(now);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        if self.count < limits.strikes_before_ban {
            return None;
        }
        self.count = 0;
        self.first_at = None;
        let length = limits.ban_first.saturating_mul(1 << self.bans.min(20)).min(limits.ban_longest);
        self.bans = self.bans.saturating_add(1);
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn third_strike_bans_and_bans_grow() {
        let limits = Limits::default();
        let now = Instant::now();
        let mut strikes = Strikes::default();
        let mut bans = Vec::new();
        for _ in 0..24 {
            bans.extend(strikes.strike(now, &limits));
        }
        assert_eq!(
            bans.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [60, 120, 240, 480, 960, 1920, 3600, 3600]
        );
    }

    #[test]
    fn old_strikes_are_forgotten() {
        let limits = Limits::default();
        let start = Instant::now();
        let mut strikes = Strikes::default();
        for number in 0..20_u32 {
            // One every six minutes: never three within ten.
            assert_eq!(strikes.strike(start + Duration::from_secs(360) * number, &limits), None, "{number}");
        }
    }

    #[test]
    fn bans_are_forgotten_after_a_good_while() {
        let limits = Limits::default();
        let start = Instant::now();
        let mut strikes = Strikes::default();
        let mut bans = |at: Instant| {
            (0..3).filter_map(|_| strikes.strike(at, &limits)).map(|ban| ban.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(bans(start), [60]);
        assert_eq!(bans(start + Duration::from_secs(7200)), [120]);
        assert_eq!(bans(start + Duration::from_secs(14_401)), [60]);
    }
}
