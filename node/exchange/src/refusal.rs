//! Bounds how many refusals of one member, or of one user of this machine, are logged: a refusal is evidence, a flood of
//! them is a way to fill a disk.

use std::collections::HashMap;
use std::hash::Hash;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;

/// Refusals of one member or user that are logged in one minute.
pub const REFUSALS_PER_MINUTE: u32 = 30;

/// Bounds how many refusals of each get an audit entry. Grows with the members, or with the users whom the kernel lets
/// open the socket: neither can be made up by who is refused.
#[derive(Debug)]
pub struct RefusalBudget<From = AgencyCode>(HashMap<From, Refusals>);

#[derive(Debug)]
struct Refusals {
    minute: i64,
    count: u32,
    /// Refusals without an entry since the last one that got one.
    omitted: u64,
}

impl<From> Default for RefusalBudget<From> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<From: Copy + Eq + Hash> RefusalBudget<From> {
    /// Whether another refusal of `from` is logged now.
    pub fn admit(&mut self, from: &From, now: UnixTime) -> bool {
        let minute = now.0.div_euclid(60);
        let refusals = self.0.entry(*from).or_insert(Refusals { minute, count: 0, omitted: 0 });
        if refusals.minute != minute {
            (refusals.minute, refusals.count) = (minute, 0);
        }
        refusals.count = refusals.count.saturating_add(1);
        let admitted = refusals.count <= REFUSALS_PER_MINUTE;
        if !admitted {
            refusals.omitted = refusals.omitted.saturating_add(1);
        }
        admitted
    }

    /// How many refusals of `from` got no entry since this was last asked; an entry that says so leaves no gap unseen.
    pub fn omitted_take(&mut self, from: &From) -> u64 {
        self.0.get_mut(from).map_or(0, |refusals| std::mem::take(&mut refusals.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_member_and_minute() {
        let mut budget = RefusalBudget::<AgencyCode>::default();
        let peer = "11152105011615449P".parse().expect("agency");
        let logged = (0..100).filter(|_| budget.admit(&peer, UnixTime(600))).count();
        assert_eq!(logged, REFUSALS_PER_MINUTE as usize);
        assert!(budget.admit(&peer, UnixTime(660)), "the next minute");
        let other = "11150000DEM000129D".parse().expect("agency");
        assert!(budget.admit(&other, UnixTime(600)));
        let omitted = u64::from(100 - REFUSALS_PER_MINUTE);
        assert_eq!((budget.omitted_take(&peer), budget.omitted_take(&peer)), (omitted, 0));
    }
}
