//! Counted room: for requests in progress and for bytes held. Taking room never waits; where there is none, the
//! peer or the caller is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::SMALL_PAYLOAD;

/// A share of a peer that is also counted in the whole of all peers, and what it has for small amounts besides.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    own: Arc<Counter>,
    whole: Arc<Counter>,
    /// Not counted in the whole, so that no number of other peers can take it.
    small: Option<Arc<Counter>>,
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
        Self { own: Counter::new(limit), whole, small: None }
    }

    /// The same share, and `kept` for amounts of at most [`SMALL_PAYLOAD`], whatever the other peers hold.
    pub(crate) fn with_small(self, kept: usize) -> Self {
        Self { small: Some(Counter::new(kept)), ..self }
    }

    /// Room for `amount`, given back when the reservation is dropped; `None` when there is too little.
    pub(crate) fn reserve(&self, amount: usize) -> Option<Reservation> {
        if amount <= SMALL_PAYLOAD
            && let Some(small) = &self.small
            && small.take(amount)
        {
            return Some(Reservation { counter: Arc::clone(small), whole: None, amount });
        }
        if !self.own.take(amount) {
            return None;
        }
        if !self.whole.take(amount) {
            self.own.give_back(amount);
            return None;
        }
        let (counter, whole) = (Arc::clone(&self.own), Some(Arc::clone(&self.whole)));
        Some(Reservation { counter, whole, amount })
    }

    /// What is taken of the share, small amounts that are kept apart not counted.
    pub(crate) fn taken(&self) -> usize {
        self.own.taken()
    }
}

/// Room taken.
#[derive(Debug)]
pub(crate) struct Reservation {
    counter: Arc<Counter>,
    whole: Option<Arc<Counter>>,
    amount: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.counter.give_back(self.amount);
        if let Some(whole) = &self.whole {
            whole.give_back(self.amount);
        }
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

    #[test]
    fn small_amounts_have_room_when_others_hold_the_whole() {
        let whole = Counter::new(2 * SMALL_PAYLOAD);
        let hog = Budget::new(usize::MAX, whole.clone());
        let honest = Budget::new(SMALL_PAYLOAD, whole.clone()).with_small(SMALL_PAYLOAD);
        let held = hog.reserve(2 * SMALL_PAYLOAD).unwrap();
        assert!(honest.reserve(SMALL_PAYLOAD + 1).is_none(), "a large amount needs the whole");
        let first = honest.reserve(SMALL_PAYLOAD).unwrap();
        assert!(honest.reserve(1).is_none(), "what is kept is used up, and so is the whole");
        assert_eq!((honest.taken(), whole.taken()), (0, 2 * SMALL_PAYLOAD));
        drop(held);
        let second = honest.reserve(1).unwrap();
        assert_eq!((honest.taken(), whole.taken()), (1, 1), "beyond what is kept the share is used");
        drop((first, second));
        assert!(honest.reserve(SMALL_PAYLOAD).is_some());
        assert_eq!(whole.taken(), 0);
    }
}
