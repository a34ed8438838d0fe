//! Log lines that strangers cause, at most one per second of each kind: a flood of strangers must not become a flood
//! of log lines.

use std::time::Duration;

use tokio::time::Instant;

/// One line is written per this time, with the number of those that were not.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The limit of one kind of line.
#[derive(Debug, Default)]
pub struct LogLimit {
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl LogLimit {
    /// Counts a line: the number of lines left out before it, if it may be written.
    pub fn due(&mut self, now: Instant) -> Option<u64> {
        if self.logged_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
            self.logged_at = Some(now);
            Some(std::mem::take(&mut self.unlogged))
        } else {
            self.unlogged = self.unlogged.saturating_add(1);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_it_stands_for() {
        let start = Instant::now();
        let mut limit = LogLimit::default();
        let lines: Vec<_> =
            (0..25_u32).filter_map(|tenth| limit.due(start + Duration::from_millis(100) * tenth)).collect();
        assert_eq!(lines, [0, 9, 9]);
    }
}
