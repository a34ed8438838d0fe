//! Bounds how many refused messages of a member are logged: a refusal is evidence, a flood of them is a way to fill a
//! disk.

use std::collections::HashMap;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;

/// Refusals of one member that are logged in one minute.
pub const REFUSALS_PER_MINUTE: u32 = 30;

/// Bounds how many refused messages of each member get an audit entry. Grows with the members only.
#[derive(Debug, Default)]
pub struct RefusalBudget(HashMap<AgencyCode, (i64, u32)>);

impl RefusalBudget {
    /// Whether another refusal of `from` is logged now.
    pub fn admit(&mut self, from: &AgencyCode, now: UnixTime) -> bool {
        let minute = now.0.div_euclid(60);
        let (current, count) = self.0.entry(*from).or_insert((minute, 0));
        if *current != minute {
            (*current, *count) = (minute, 0);
        }
        *count = count.saturating_add(1);
        *count <= REFUSALS_PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_member_and_minute() {
        let mut budget = RefusalBudget::default();
        let peer = "11152105011615449P".parse().expect("agency");
        let logged = (0..100).filter(|_| budget.admit(&peer, UnixTime(600))).count();
        assert_eq!(logged, REFUSALS_PER_MINUTE as usize);
        assert!(budget.admit(&peer, UnixTime(660)), "the next minute");
        let other = "11150000DEM000129D".parse().expect("agency");
        assert!(budget.admit(&other, UnixTime(600)));
    }
}
