//! What a node tells a coordinator of a simulation: counts of its log, nothing about any subject.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::error::SchemaError;
use crate::operator::Role;
use crate::purpose::PurposeCode;
use crate::subject::SubjectKind;
use crate::time::UnixTime;

/// Fewest requests of a line that is told; fewer say too much about single cases.
pub const COUNT_LEAST: u64 = 5;
/// Most lines that one node tells, those with the most requests: what a coordinator reads of one body.
pub const COUNTED_LINES_LIMIT: usize = 200;
/// Longest name of a policy's versions, in bytes.
const VERSIONS_LIMIT: usize = 256;

/// What would have become of requests under another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedOutcome {
    /// Permitted, and would be denied.
    Denied,
    /// Would get less.
    Less,
    /// Would get less of one thing and more of another.
    Mixed,
    /// Would get more.
    More,
    /// Denied, and would be permitted.
    Permitted,
    /// Would get the same. No line says so.
    Same,
}

impl SimulatedOutcome {
    /// As it stands in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Less => "less",
            Self::Mixed => "mixed",
            Self::More => "more",
            Self::Permitted => "permitted",
            Self::Same => "same",
        }
    }
}

/// Counts of one node's log, as sent over the wire, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulationCounts {
    /// The policy that the requests were put to beside the other one: the node's own.
    pub from: String,
    /// From the beginning of which day, in UTC, requests were replayed.
    pub since: UnixTime,
    /// Whether everything since the day asked for was replayed and stands here.
    pub complete: bool,
    /// Requests replayed.
    pub requests: u64,
    /// Of these, those that would change and stand in no line: in lines with fewer than [`COUNT_LEAST`] requests, or beyond
    /// the limit of lines. Rounded down to a multiple of [`COUNT_LEAST`].
    pub others: u64,
    /// What would change, at most [`COUNTED_LINES_LIMIT`] lines.
    pub lines: Vec<CountedLine>,
}

/// Requests of one asker for one purpose that would end otherwise alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedLine {
    /// What would become of them.
    pub outcome: SimulatedOutcome,
    /// Whose requests.
    pub asker: AgencyCode,
    /// Whether they are checks of the body's own; else requests that it answered.
    pub own: bool,
    /// For what.
    pub purpose: PurposeCode,
    /// In which role.
    pub role: Role,
    /// About which kind of subject.
    pub subject_kind: SubjectKind,
    /// How many, at least [`COUNT_LEAST`].
    pub requests: u64,
}

impl SimulationCounts {
    /// Refuses more than a node may tell, counts that do not add up, and a time that is not over.
    pub fn check(&self, now: UnixTime) -> Result<(), SchemaError> {
        let malformed =
            |reason: &str| Err(SchemaError::Malformed { form: "simulation", reason: reason.to_owned() });
        if self.lines.len() > COUNTED_LINES_LIMIT || self.from.len() > VERSIONS_LIMIT {
            return malformed("it has more than a node tells");
        }
        if self.since < UnixTime(0) || self.since > now {
            return malformed("its time is not one that is over");
        }
        let told = self.lines.iter().try_fold(self.others, |sum, line| sum.checked_add(line.requests));
        let adds_up = told.is_some_and(|told| told <= self.requests)
            && self.others.is_multiple_of(COUNT_LEAST)
            && self.lines.iter().all(|line| line.requests >= COUNT_LEAST);
        match adds_up {
            true => Ok(()),
            false => malformed("its counts do not add up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_do_not_add_up_or_tell_too_much_are_refused() {
        let line = CountedLine {
            outcome: SimulatedOutcome::Less,
            asker: "11150000DEM000129D".parse().expect("agency"),
            own: false,
            purpose: "bidding".parse().expect("purpose"),
            role: Role::Clerk,
            subject_kind: SubjectKind::Organisation,
            requests: 5,
        };
        let counts = SimulationCounts {
            from: "baseline-2026.4".to_owned(),
            since: UnixTime(1),
            complete: true,
            requests: 17,
            others: 10,
            lines: vec![line.clone()],
        };
        let now = UnixTime(1_000);
        counts.check(now).expect("adds up");
        let refused = |change: &dyn Fn(&mut SimulationCounts)| {
            let mut wrong = counts.clone();
            change(&mut wrong);
            wrong.check(now).is_err()
        };
        assert!(refused(&|counts| counts.requests = 14));
        assert!(refused(&|counts| counts.others = u64::MAX));
        assert!(refused(&|counts| counts.others = 9), "which tells a single one");
        assert!(refused(&|counts| counts.lines[0].requests = 4));
        assert!(refused(&|counts| counts.since = UnixTime(i64::MAX)));
        assert!(refused(&|counts| counts.since = UnixTime(-1)));
        assert!(refused(&|counts| counts.from = "x".repeat(VERSIONS_LIMIT + 1)));
        assert!(refused(&|counts| {
            counts.lines = vec![line.clone(); COUNTED_LINES_LIMIT + 1];
            counts.requests = 20 + 5 * (COUNTED_LINES_LIMIT as u64 + 1);
        }));
    }
}
