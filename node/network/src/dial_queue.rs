//! Whose turn it is to be dialled. A node that asks a whole federation at once has thousands of members to dial and
//! few handshakes that may be in progress: the others wait here, which is no fault of theirs.

use std::collections::{BTreeMap, HashMap};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// Why a member is to be dialled; the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Somebody waits for it.
    Called,
    /// Its pause is over, so that the next caller finds a connection.
    Due,
}

/// Members that wait for their turn, at most one place each, and the dials in progress.
#[derive(Debug)]
pub(crate) struct DialQueue {
    /// By urgency, then in order of arrival.
    waiting: BTreeMap<(Urgency, u64), PeerId>,
    places: HashMap<PeerId, (Urgency, u64)>,
    under_way: HashMap<ConnectionId, PeerId>,
    at_once: usize,
    arrivals: u64,
}

impl DialQueue {
    /// A queue that lets `at_once` dials be in progress, and starts one that nobody waits for only while fewer than
    /// half of them are: members that swallow every packet must not keep those who are called from being dialled.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            places: HashMap::new(),
            under_way: HashMap::new(),
            at_once,
            arrivals: 0,
        }
    }

    /// Queues a member. One that waits already keeps its place, unless it moves up.
    pub(crate) fn wait(&mut self, peer: PeerId, urgency: Urgency) {
        match self.places.get(&peer) {
            Some((old, _)) if *old <= urgency => return,
            Some(_) | None => self.forget(&peer),
        }
        let place = (urgency, self.arrivals);
        // A count of arrivals does not reach 2^64.
        self.arrivals = self.arrivals.wrapping_add(1);
        self.places.insert(peer, place);
        self.waiting.insert(place, peer);
    }

    /// Takes a member out of the queue: it is no longer to be dialled.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        if let Some(place) = self.places.remove(peer) {
            self.waiting.remove(&place);
        }
    }

    /// Whose turn it is, if one more dial may begin.
    pub(crate) fn next(&mut self) -> Option<PeerId> {
        let ((urgency, _), peer) = self.waiting.first_key_value()?;
        let at_once = match urgency {
            Urgency::Called => self.at_once,
            Urgency::Due => self.at_once.div_ceil(2),
        };
        let peer = *peer;
        (self.under_way.len() < at_once).then(|| {
            self.forget(&peer);
            peer
        })
    }

    pub(crate) fn begun(&mut self, dial: ConnectionId, peer: PeerId) {
        self.under_way.insert(dial, peer);
    }

    /// Notes the end of a dial, however it ended; returns who was dialled if it was one of ours.
    pub(crate) fn ended(&mut self, dial: ConnectionId) -> Option<PeerId> {
        self.under_way.remove(&dial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    fn begin(queue: &mut DialQueue, number: usize) -> Option<PeerId> {
        let peer = queue.next()?;
        queue.begun(ConnectionId::new_unchecked(number), peer);
        Some(peer)
    }

    #[test]
    fn callers_come_first_and_in_order() {
        let peers = peers(4);
        let mut queue = DialQueue::new(10);
        queue.wait(peers[0], Urgency::Due);
        queue.wait(peers[1], Urgency::Called);
        queue.wait(peers[2], Urgency::Due);
        queue.wait(peers[3], Urgency::Called);
        // Somebody calls the third; a redial that becomes due does not move the second back.
        queue.wait(peers[2], Urgency::Called);
        queue.wait(peers[1], Urgency::Due);
        let order: Vec<_> = (0..5).map_while(|number| begin(&mut queue, number)).collect();
        assert_eq!(order, [peers[1], peers[3], peers[2], peers[0]]);
        assert!(queue.waiting.is_empty() && queue.places.is_empty());
    }

    #[test]
    fn dials_at_once_are_limited_and_half_is_kept_for_callers() {
        let peers = peers(10);
        let mut queue = DialQueue::new(4);
        for peer in &peers[..6] {
            queue.wait(*peer, Urgency::Due);
        }
        assert_eq!((0..6).map_while(|number| begin(&mut queue, number)).count(), 2, "redials take half");
        for peer in &peers[6..] {
            queue.wait(*peer, Urgency::Called);
        }
        assert_eq!((6..12).map_while(|number| begin(&mut queue, number)).count(), 2, "callers the rest");
        assert_eq!(queue.ended(ConnectionId::new_unchecked(0)), Some(peers[0]));
        assert_eq!(queue.ended(ConnectionId::new_unchecked(0)), None, "an end counts once");
        assert_eq!(begin(&mut queue, 12), Some(peers[8]));
        assert_eq!(begin(&mut queue, 13), None);
    }

    #[test]
    fn one_place_serves_everybody() {
        let peers = peers(2);
        let mut queue = DialQueue::new(1);
        queue.wait(peers[0], Urgency::Due);
        queue.wait(peers[1], Urgency::Due);
        assert_eq!(begin(&mut queue, 0), Some(peers[0]));
        assert_eq!(begin(&mut queue, 1), None);
        queue.ended(ConnectionId::new_unchecked(0));
        assert_eq!(begin(&mut queue, 1), Some(peers[1]));
    }

    #[test]
    fn forgotten_member_is_not_dialled() {
        let peers = peers(2);
        let mut queue = DialQueue::new(4);
        queue.wait(peers[0], Urgency::Called);
        queue.wait(peers[1], Urgency::Called);
        queue.forget(&peers[0]);
        assert_eq!(begin(&mut queue, 0), Some(peers[1]));
        assert_eq!(begin(&mut queue, 1), None);
    }
}
