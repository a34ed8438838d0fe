//! The way to a usable stream: dialling in turn, opening, pausing after a failure, and letting go of a member that
//! nobody calls.

use libp2p::PeerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use tokio::time::Instant;

use super::EventLoop;
use crate::address::{PeerAddress, PeerIdentity};
use crate::dial_queue::Urgency;
use crate::limits::{DIAL_AGAIN, OPEN_TIME};
use crate::link::{Link, Outbound};
use crate::peer::LinkState;

impl EventLoop {
    /// Somebody waits for this member.
    pub(super) fn called(&mut self, identity: PeerIdentity) {
        let peer_id = identity.peer_id();
        // During a pause its end is waited for, or callers would set the pace of the attempts.
        if self.links.get(&peer_id).is_some_and(|link| link.retry_at.is_none()) {
            self.link_advance(peer_id);
        }
    }

    /// Takes the next step towards a stream to a wanted member, or lets go of one that is not.
    pub(super) fn link_advance(&mut self, peer_id: PeerId) {
        let unused = self.shared.limits.unused;
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        if self.draining || link.banned_until.is_some() || !matches!(link.outbound, Outbound::None) {
            return;
        }
        if !link.is_wanted(unused) {
            self.link_let_go(peer_id);
            return;
        }
        if let Some(connection) = link.connections.last() {
            let (on, until) = (connection.id, Instant::now() + OPEN_TIME);
            link.outbound = Outbound::Opening { on };
            link.state_set(LinkState::Connecting);
            if let Some(old) = link.opening_until.replace(until) {
                self.timers.remove(&(old, peer_id));
            }
            self.timers.insert((until, peer_id));
            self.dials.forget(&peer_id);
            self.swarm.behaviour_mut().links.stream_open(peer_id, on);
            return;
        }
        if link.dialing.is_some() || link.retry_at.is_some() {
            return;
        }
        if link.addresses.is_empty() {
            self.link_failed(peer_id, "the directory lists no address for it");
            return;
        }
        link.state_set(LinkState::Connecting);
        let urgency = if link.peer.asking.taken() > 0 { Urgency::Called } else { Urgency::Due };
        self.dials.wait(peer_id, urgency);
        self.dials_begin();
    }

    /// Begins as many dials as may be in progress.
    fn dials_begin(&mut self) {
        while !self.draining
            && let Some(peer_id) = self.dials.next()
        {
            self.dial(peer_id);
        }
    }

    fn dial(&mut self, peer_id: PeerId) {
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        let addresses = link.addresses.iter().map(PeerAddress::multiaddr).collect();
        let dial =
            DialOpts::peer_id(peer_id).condition(PeerCondition::NotDialing).addresses(addresses).build();
        let id = dial.connection_id();
        match self.swarm.dial(dial) {
            Ok(()) => {
                link.dialing = Some(id);
                self.dials.begun(id, peer_id);
            }
            Err(error) => self.dial_failed(peer_id, &error),
        }
    }

    /// A dial of ours has ended: the next one may begin. Returns who was dialled, if that still matters.
    pub(super) fn dial_ended(&mut self, id: ConnectionId) -> Option<PeerId> {
        let peer_id = self.dials.ended(id)?;
        let link = self.links.get_mut(&peer_id).filter(|link| link.dialing == Some(id));
        let dialled = link.map(|link| {
            link.dialing = None;
            peer_id
        });
        self.dials_begin();
        dialled
    }

    /// Acts on a dial that came to nothing: a failure of the member, unless it was this node that had no place for
    /// the connection or broke the dial off.
    pub(super) fn dial_failed(&mut self, peer_id: PeerId, error: &DialError) {
        match error {
            DialError::Denied { .. } | DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
                tracing::debug!(peer = %peer_id, %error, "not dialled");
                let Some(link) = self.links.get_mut(&peer_id) else { return };
                if link.banned_until.is_none() {
                    self.pause(peer_id, Instant::now() + DIAL_AGAIN);
                }
            }
            DialError::WrongPeerId { .. }
            | DialError::Transport(_)
            | DialError::LocalPeerId { .. }
            | DialError::NoAddresses => self.link_failed(peer_id, &super::dial_reason(error)),
        }
    }

    /// Nobody has called it for long: it is not dialled again until somebody does.
    fn link_let_go(&mut self, peer_id: PeerId) {
        self.pause_end(peer_id);
        self.dials.forget(&peer_id);
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        link.backoff.clear();
        link.down_since = None;
        link.state_set(LinkState::Idle);
    }

    /// Notes a failure to reach a member and sets the time of the next attempt, until which calls fail at once.
    pub(super) fn link_failed(&mut self, peer_id: PeerId, reason: &str) {
        if let Some((link, since, retry_at)) = self.link_pause(peer_id, reason) {
            link.state_set(LinkState::Down { reason: reason.to_owned(), since, retry_at });
        }
    }

    /// Sets the time of the next attempt, if one is wanted.
    fn link_pause(&mut self, peer_id: PeerId, reason: &str) -> Option<(&mut Link, Instant, Instant)> {
        let limits = &self.shared.limits;
        let link = self.links.get_mut(&peer_id)?;
        link.failure_note(reason);
        tracing::debug!(peer = %peer_id, label = link.peer.book().label, reason, "not reached");
        if link.banned_until.is_some() {
            return None;
        }
        if !link.is_wanted(limits.unused) {
            self.link_let_go(peer_id);
            return None;
        }
        let now = Instant::now();
        let retry_at =
            now + link.backoff.failed(limits.backoff_first, limits.backoff_longest, &mut self.jitter);
        self.pause(peer_id, retry_at);
        let link = self.links.get_mut(&peer_id)?;
        let since = *link.down_since.get_or_insert(now);
        Some((link, since, retry_at))
    }

    fn pause(&mut self, peer_id: PeerId, until: Instant) {
        self.pause_end(peer_id);
        if let Some(link) = self.links.get_mut(&peer_id) {
            link.retry_at = Some(until);
            self.timers.insert((until, peer_id));
        }
    }

    fn pause_end(&mut self, peer_id: PeerId) {
        if let Some(at) = self.links.get_mut(&peer_id).and_then(|link| link.retry_at.take()) {
            self.timers.remove(&(at, peer_id));
        }
    }

    /// Forgets the pause: the peer was heard from, or its addresses changed.
    pub(super) fn retry_now(&mut self, peer_id: PeerId) {
        if let Some(link) = self.links.get_mut(&peer_id) {
            link.backoff.clear();
        }
        self.pause_end(peer_id);
        self.link_advance(peer_id);
    }

    /// Goes on after the loss of our stream: at once where it had worked, with growing pauses where it never did.
    pub(super) fn outbound_lost(&mut self, peer_id: PeerId, heard: bool, reason: &str) {
        if !heard {
            self.link_failed(peer_id, reason);
            return;
        }
        if let Some(link) = self.links.get_mut(&peer_id) {
            link.backoff.clear();
        }
        // The pause is at most the first one: callers wait for it instead of failing.
        if let Some((link, _, _)) = self.link_pause(peer_id, reason) {
            link.state_set(LinkState::Connecting);
        }
    }

    pub(super) fn timers_fire(&mut self) {
        let now = Instant::now();
        while let Some((at, peer_id)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, peer_id));
            let Some(link) = self.links.get_mut(&peer_id) else { continue };
            if link.banned_until.is_some_and(|until| until <= now) {
                link.banned_until = None;
                link.peer.book().banned_until = None;
                link.state_set(LinkState::Idle);
                self.allow(peer_id, true);
            }
            let Some(link) = self.links.get_mut(&peer_id) else { continue };
            if link.retry_at.is_some_and(|retry_at| retry_at <= now) {
                link.retry_at = None;
            }
            if let Outbound::Opening { on } = link.outbound
                && link.opening_until.is_some_and(|until| until <= now)
            {
                self.connection_close(peer_id, on);
                self.outbound_lost(peer_id, false, "no stream: the connection does not answer");
                continue;
            }
            self.link_advance(peer_id);
        }
    }

    /// Orders a connection to be closed and does without it from now on. Returns whether our stream was on it; then
    /// the caller decides how to go on.
    pub(super) fn connection_close(&mut self, peer_id: PeerId, id: ConnectionId) -> bool {
        self.swarm.close_connection(id);
        self.links.get_mut(&peer_id).is_some_and(|link| link.connection_forget(id))
    }
}
