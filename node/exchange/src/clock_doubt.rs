//! Whether the clock of this machine and those of other members differ.
//!
//! Nobody's clock can be asked for: members compare times only in what they sign. So what one of two refuses because of a
//! time, this node a member's message or a member this node's, is a sign that their clocks differ, and the last signature
//! of the directory, if it lies ahead, is another. Whose clock is wrong nobody can say from that; many members that differ
//! from this node, while they agree with each other, say it to a person. Not found is a clock that is ahead while nothing
//! is asked or sent.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::limits::CLOCK_TOLERANCE_SECONDS;

use crate::node::Node;

/// How long a refusal is a sign, in seconds: long enough to be seen, and gone an hour after the clock was set.
const SIGN_SECONDS: i64 = 3_600;

/// Members whose times and this node's do not go together, with when that was seen. No more than there are members.
pub(crate) type ClockDoubts = BTreeMap<AgencyCode, UnixTime>;

/// What a node knows of clocks that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockStatus {
    /// Members with which a message was refused because of its time within the last hour.
    pub differing: Vec<AgencyCode>,
    /// By how many seconds the last signature of the directory lies ahead of this clock, if by more than clocks may differ.
    pub behind_directory: Option<i64>,
}

impl Node {
    /// Notes a refusal, by the member or of its message. Only what is out of its time counts; a directory that expired says
    /// nothing about clocks.
    pub(crate) fn clock_doubt(&self, member: &AgencyCode, code: ErrorCode, reason: &str) {
        if code != ErrorCode::Expired || reason.contains("directory") {
            return;
        }
        let now = self.now();
        let mut doubts = self.clock_doubts.lock().unwrap_or_else(PoisonError::into_inner);
        doubts.retain(|_, at| is_recent(*at, now));
        doubts.insert(*member, now);
    }

    pub(crate) fn clock_status(&self) -> ClockStatus {
        let now = self.now();
        let doubts = self.clock_doubts.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = doubts.iter().filter(|(_, at)| is_recent(**at, now));
        let signed_at = self.directory().ok().and_then(|directory| directory.signed_at());
        let ahead = signed_at.map(|at| at.since(now)).filter(|ahead| *ahead > CLOCK_TOLERANCE_SECONDS);
        ClockStatus { differing: recent.map(|(member, _)| *member).collect(), behind_directory: ahead }
    }
}

/// Whether something is of the last hour; a time after now is of a clock that was set back meanwhile.
fn is_recent(at: UnixTime, now: UnixTime) -> bool {
    (0..SIGN_SECONDS).contains(&now.since(at))
}
