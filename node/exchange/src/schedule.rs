//! When to try which recipient again: a pure state machine (time and randomness are arguments, actions are returned), so
//! that it can be simulated. What is owed is durable in the outbox; the schedule itself is memory and is filled from the
//! outbox when the node starts and from time to time.

use std::collections::BTreeMap;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;

/// First wait after a failed delivery, in seconds; doubles up to [`RETRY_LONGEST`].
pub const RETRY_SHORTEST: i64 = 1;
/// Longest wait between attempts, in seconds.
pub const RETRY_LONGEST: i64 = 900;

/// Which recipients something is owed to, and when each is tried again.
#[derive(Debug, Default)]
pub struct DeliverySchedule {
    open: BTreeMap<AgencyCode, Attempt>,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    due: UnixTime,
    failures: u32,
    running: bool,
    /// The wait follows an attempt in which nobody answered, and hearing of the recipient ends it. One that answered and
    /// took nothing would answer the same again, however often it is heard of.
    unreachable: bool,
    /// Something was queued while the attempt ran, perhaps after it had looked.
    woken: bool,
}

impl Attempt {
    fn at(due: UnixTime) -> Self {
        Self { due, failures: 0, running: false, unreachable: false, woken: false }
    }
}

impl DeliverySchedule {
    /// Something new is owed to `recipient`: try now, unless an attempt is under way.
    pub fn wake(&mut self, recipient: AgencyCode, now: UnixTime) {
        let attempt = self.open.entry(recipient).or_insert(Attempt::at(now));
        attempt.due = attempt.due.min(now);
        attempt.failures = 0;
        attempt.woken = attempt.running;
    }

    /// Something is owed to `recipient`, as the outbox says: try now, unless it is known already. A wait after a failure
    /// stays as it is.
    pub fn owe(&mut self, recipient: AgencyCode, now: UnixTime) {
        self.open.entry(recipient).or_insert(Attempt::at(now));
    }

    /// The recipient was heard of: try now if anything is owed and it was out of reach.
    pub fn contact(&mut self, recipient: &AgencyCode, now: UnixTime) {
        if let Some(attempt) = self.open.get_mut(recipient)
            && attempt.unreachable
        {
            attempt.due = attempt.due.min(now);
            attempt.failures = 0;
        }
    }

    /// Takes every recipient that is due; each must come back through [`DeliverySchedule::finished`].
    pub fn due(&mut self, now: UnixTime) -> Vec<AgencyCode> {
        self.open
            .iter_mut()
            .filter(|(_, attempt)| !attempt.running && attempt.due <= now)
            .map(|(agency, attempt)| {
                attempt.running = true;
                attempt.woken = false;
                *agency
            })
            .collect()
    }

    /// An attempt ended. `random` spreads the retries of many issuers to one recipient (full jitter).
    pub fn finished(&mut self, recipient: &AgencyCode, outcome: AttemptOutcome, now: UnixTime, random: u64) {
        let Some(attempt) = self.open.get_mut(recipient) else { return };
        match outcome {
            AttemptOutcome::NothingOwed if !attempt.woken => {
                self.open.remove(recipient);
            }
            AttemptOutcome::NothingOwed | AttemptOutcome::MoreOwed => *attempt = Attempt::at(now),
            AttemptOutcome::Refused | AttemptOutcome::Unreachable => {
                let ceiling = RETRY_SHORTEST
                    .checked_shl(attempt.failures.min(20))
                    .unwrap_or(RETRY_LONGEST)
                    .clamp(RETRY_SHORTEST, RETRY_LONGEST);
                let wait = 1 + i64::try_from(random % ceiling.unsigned_abs()).unwrap_or(0);
                attempt.failures = attempt.failures.saturating_add(1);
                attempt.due = now.plus(wait);
                attempt.running = false;
                attempt.unreachable = outcome == AttemptOutcome::Unreachable;
            }
        }
    }

    /// Recipients something is owed to.
    pub fn owed(&self) -> usize {
        self.open.len()
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// Every item has a receipt.
    NothingOwed,
    /// There are more items.
    MoreOwed,
    /// The recipient answered, but did not take what is owed; or the attempt broke off here.
    Refused,
    /// Nobody answered.
    Unreachable,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency() -> AgencyCode {
        "11152105011615449P".parse().expect("agency")
    }

    /// The earliest time at which something is due, if nothing happens before.
    fn next_due(schedule: &DeliverySchedule) -> Option<UnixTime> {
        schedule.open.values().filter(|attempt| !attempt.running).map(|attempt| attempt.due).min()
    }

    #[test]
    fn failures_wait_longer_up_to_the_cap_and_contact_ends_the_wait() {
        let mut schedule = DeliverySchedule::default();
        let mut now = UnixTime(0);
        schedule.wake(agency(), now);
        for failure in 0..40_u32 {
            assert_eq!(schedule.due(now), [agency()], "failure {failure}");
            assert!(schedule.due(now).is_empty(), "one attempt at a time");
            schedule.finished(&agency(), AttemptOutcome::Unreachable, now, u64::MAX);
            let due = next_due(&schedule).expect("still owed");
            assert!((1..=RETRY_LONGEST).contains(&due.since(now)), "{}", due.since(now));
            now = due;
        }
        schedule.due(now);
        schedule.finished(&agency(), AttemptOutcome::Unreachable, now, RETRY_LONGEST.unsigned_abs() - 1);
        assert!(schedule.due(now.plus(1)).is_empty());
        schedule.contact(&agency(), now.plus(1));
        assert_eq!(schedule.due(now.plus(1)), [agency()]);
        schedule.finished(&agency(), AttemptOutcome::NothingOwed, now, 0);
        assert_eq!(schedule.owed(), 0);
        assert_eq!(next_due(&schedule), None);
    }

    #[test]
    fn contact_with_one_that_refused_does_not_end_its_wait() {
        let mut schedule = DeliverySchedule::default();
        schedule.wake(agency(), UnixTime(0));
        let mut now = UnixTime(0);
        for failure in 0..20_u32 {
            assert_eq!(schedule.due(now), [agency()], "failure {failure}");
            schedule.contact(&agency(), now);
            schedule.finished(&agency(), AttemptOutcome::Refused, now, u64::MAX);
            schedule.contact(&agency(), now);
            assert!(schedule.due(now).is_empty(), "failure {failure}");
            now = next_due(&schedule).expect("still owed");
        }
        assert!(now.since(UnixTime(0)) > RETRY_LONGEST, "the waits grow: {now:?}");
        schedule.wake(agency(), now.plus(-1));
        assert_eq!(schedule.due(now.plus(-1)), [agency()], "something new is tried at once");
    }

    #[test]
    fn something_new_during_an_attempt_is_not_forgotten() {
        let mut schedule = DeliverySchedule::default();
        schedule.wake(agency(), UnixTime(0));
        schedule.due(UnixTime(0));
        schedule.wake(agency(), UnixTime(1));
        assert!(schedule.due(UnixTime(1)).is_empty());
        schedule.finished(&agency(), AttemptOutcome::NothingOwed, UnixTime(2), 0);
        assert_eq!(schedule.due(UnixTime(2)), [agency()], "woken while running: look again");
    }

    #[test]
    fn what_the_outbox_says_again_does_not_end_a_wait() {
        let mut schedule = DeliverySchedule::default();
        schedule.owe(agency(), UnixTime(0));
        assert_eq!(schedule.due(UnixTime(0)), [agency()]);
        schedule.finished(&agency(), AttemptOutcome::Unreachable, UnixTime(0), 0);
        let due = next_due(&schedule);
        schedule.owe(agency(), UnixTime(0));
        assert_eq!(next_due(&schedule), due);
        assert_eq!(schedule.owed(), 1);
    }
}
