//! Bounds what one member can make this node write in a day: what it sends in good order is kept for ever, so order alone
//! is no bound.

use std::collections::HashMap;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::time::UnixTime;

/// Items of one issuer that are taken in one day. A province's most active regulator determines some thousand breaches
/// on its busiest day; a member that lost its store gets a backlog of 100,000 notices within five days.
pub const INTAKE_ITEMS_PER_DAY: u64 = 20_000;
/// Bytes of payload of one issuer that are taken in one day (256 MiB): as many items as above at three times the usual
/// size. What is kept of an item is about as long as the item.
pub const INTAKE_BYTES_PER_DAY: u64 = 256 * 1024 * 1024;
/// How often in one day a recipient may say that it lost items, or that it has others. Each time costs an audit entry, and
/// sending again what it says it does not have; losing a store is a rare accident, and a botched restore is tried a few
/// times.
pub const REWINDS_PER_DAY: u64 = 4;

/// Reports of one member on its policy that are kept in one day. A policy changes some times in a year; a node that is
/// being repaired may say one thing and another for an afternoon.
pub const REPORTS_PER_DAY: u64 = 100;

/// Simulations that one member may have this node run in one day: a proposal is changed and looked at again some times. Each
/// takes seconds of a processor.
pub const SIMULATIONS_PER_DAY: u64 = 20;

/// What each member has used of its share of the day. Grows with the members only; a restart forgets it, which no member
/// can bring about.
#[derive(Debug)]
pub struct DayBudget {
    items: u64,
    bytes: u64,
    used: HashMap<AgencyCode, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    day: i64,
    items: u64,
    bytes: u64,
    refused: bool,
}

/// Whether one more is within the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is, and was counted.
    Admitted,
    /// The budget is used up; `first` for the first one refused that day, which is the one to speak of.
    Refused {
        /// Whether none was refused before on this day.
        first: bool,
    },
}

impl DayBudget {
    /// A budget of so many items and bytes for each member and day.
    pub fn new(items: u64, bytes: u64) -> Self {
        Self { items, bytes, used: HashMap::new() }
    }

    /// Counts one item of `bytes` from `member`, if the day's share has room for it.
    pub fn admit(&mut self, member: &AgencyCode, bytes: u64, now: UnixTime) -> Admission {
        let day = now.0.div_euclid(86_400);
        let fresh = Used { day, items: 0, bytes: 0, refused: false };
        let used = self.used.entry(*member).or_insert(fresh);
        if used.day != day {
            *used = fresh;
        }
        let (items, total) = (used.items.saturating_add(1), used.bytes.saturating_add(bytes));
        if items > self.items || total > self.bytes {
            let first = !std::mem::replace(&mut used.refused, true);
            return Admission::Refused { first };
        }
        (used.items, used.bytes) = (items, total);
        Admission::Admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_bytes_are_counted_by_member_and_day() {
        let one = "11152105011615449P".parse().expect("agency");
        let two = "11150000DEM000129D".parse().expect("agency");
        let mut budget = DayBudget::new(3, 100);
        for _ in 0..3 {
            assert_eq!(budget.admit(&one, 10, UnixTime(5)), Admission::Admitted);
        }
        assert_eq!(budget.admit(&one, 10, UnixTime(6)), Admission::Refused { first: true });
        assert_eq!(budget.admit(&one, 10, UnixTime(7)), Admission::Refused { first: false });
        assert_eq!(budget.admit(&two, 60, UnixTime(7)), Admission::Admitted);
        assert_eq!(budget.admit(&two, 41, UnixTime(7)), Admission::Refused { first: true }, "bytes");
        assert_eq!(budget.admit(&two, 40, UnixTime(7)), Admission::Admitted, "a smaller one fits");
        assert_eq!(budget.admit(&one, 10, UnixTime(86_400)), Admission::Admitted, "the next day");
    }
}
