//! Counted room: for requests in progress and for bytes held. Taking room never waits; where there is none, the
//! peer or the caller is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A share of a peer that is also counted in the whole of all peers.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    own: Arc<Counter>,
    whole: Arc<Counter>,
}

#[derive(Debug)]
pub(crate) struct Counter {
    taken: AtomicUsize,
    limit: usize,
}

impl Counter {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), limit })
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    fn take(&self, amount: usize) -> bool {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                taken.checked_add(amount).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn give_back(&self, amount: usize) {
        // Only a Reservation calls this, with what it took: the subtraction cannot wrap.
        self.taken.fetch_sub(amount, Ordering::AcqRel);
    }
}

impl Budget {
    /// A share of `limit` within `whole`.
    pub(crate) fn new(limit: usize, whole: Arc<Counter>) -> Self {
        Self { own: Counter::new(limit), whole }
    }

    /// Room for `amount`, given back when the reservation is dropped; `None` when there is too little.
    pub(crate) fn reserve(&self, amount: usize) -> Option<Reservation> {
        if !self.own.take(amount) {
            return None;
        }
        if !self.whole.take(amount) {
            self.own.give_back(amount);
            return None;
        }
        Some(Reservation { budget: self.clone(), amount })
    }

    pub(crate) fn taken(&self) -> usize {
        self.own.taken()
    }
}

/// Room taken.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    amount: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.own.give_back(self.amount);
        self.budget.whole.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_room_returns() {
        let whole = Counter::new(10);
        let (one, two) = (Budget::new(8, whole.clone()), Budget::new(8, whole.clone()));
        let first = one.reserve(8).unwrap();
        assert!(one.reserve(1).is_none(), "the share is used up");
        assert!(two.reserve(3).is_none(), "the whole is used up");
        assert_eq!(two.taken(), 0, "a refusal leaves nothing behind");
        let second = two.reserve(2).unwrap();
        assert_eq!(whole.taken(), 10);
        drop(first);
        assert!(two.reserve(6).is_some());
        drop(second);
        assert_eq!(whole.taken(), 0);
        assert!(one.reserve(usize::MAX).is_none());
    }
}
