//! Which restrictions of a subject are kept when there are more than a list holds.

use std::collections::BTreeMap;

use chengxin_schemas::agency::AgencyCode;

use super::RestrictionInForce;

/// Restrictions of one subject, at most so many. Beyond that, what this body applies itself goes before what it only knows
/// of, and of equal ones those of issuers that have not used up their share before the others.
#[derive(Debug)]
pub(super) struct Kept {
    limit: usize,
    of_issuer: usize,
    shares: BTreeMap<AgencyCode, Share>,
    /// How many there are in all, and how many of them this body only knows of.
    count: usize,
    known: usize,
    all: bool,
}

#[derive(Debug, Default)]
struct Share {
    applied: Vec<RestrictionInForce>,
    known: Vec<RestrictionInForce>,
}

impl Share {
    fn count(&self) -> usize {
        self.applied.len().saturating_add(self.known.len())
    }
}

impl Kept {
    /// Room for `limit` restrictions; an issuer's share of them counts when they are more.
    pub(super) fn new(limit: usize, of_issuer: usize) -> Self {
        Self { limit, of_issuer, shares: BTreeMap::new(), count: 0, known: 0, all: true }
    }

    /// Adds one, if need be in the place of another.
    pub(super) fn add(&mut self, one: RestrictionInForce) {
        if self.count == self.limit {
            self.all = false;
            if !self.room_make(&one) {
                return;
            }
        }
        let share = self.shares.entry(one.issuer).or_default();
        self.count = self.count.saturating_add(1);
        if one.applied_here {
            share.applied.push(one);
        } else {
            self.known = self.known.saturating_add(1);
            share.known.push(one);
        }
    }

    /// Drops one that `one` goes before, if there is such a one: of the issuer that has the most.
    fn room_make(&mut self, one: &RestrictionInForce) -> bool {
        let of_issuer = self.of_issuer;
        let has_share_left = self.shares.get(&one.issuer).map_or(0, Share::count) < of_issuer;
        let drops_known = self.known > 0;
        let by_share = !(one.applied_here && drops_known);
        if (by_share && !has_share_left) || !(one.applied_here || drops_known) {
            return false;
        }
        let most = self
            .shares
            .values_mut()
            .filter(|share| !drops_known || !share.known.is_empty())
            .max_by_key(|share| share.count());
        let Some(share) = most.filter(|share| !by_share || share.count() > of_issuer) else { return false };
        if drops_known {
            share.known.pop();
            self.known = self.known.saturating_sub(1);
        } else {
            share.applied.pop();
        }
        self.count = self.count.saturating_sub(1);
        true
    }

    /// What was kept, by measure and first day, and whether that is all that was added.
    pub(super) fn into_list(self) -> (Vec<RestrictionInForce>, bool) {
        let shares = self.shares.into_values();
        let mut list: Vec<_> =
            shares.flat_map(|share| share.applied.into_iter().chain(share.known)).collect();
        list.sort_by(|one, two| (&one.measure, one.from).cmp(&(&two.measure, two.from)));
        (list, self.all)
    }
}
