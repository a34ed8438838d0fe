//! Who may connect: the allow list as it changes, strikes and bans, and what is logged of those refused.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use libp2p::PeerId;
use libp2p::swarm::ListenError;
use tokio::time::Instant;

use super::EventLoop;
use crate::address::PeerIdentity;
use crate::link::Link;
use crate::members::Members;
use crate::peer::{LinkState, Peer};

impl EventLoop {
    /// Replaces the allow list: newcomers may connect from now on, who is missing is cut off now.
    pub(super) fn members_apply(&mut self, members: &Members) {
        let gone: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(_, link)| members.member(&link.peer.identity).is_none())
            .map(|(peer, _)| *peer)
            .collect();
        for peer in gone {
            self.member_remove(peer);
        }
        let own = self.shared.identity;
        for member in members.iter().filter(|member| member.identity != own) {
            let peer_id = member.identity.peer_id();
            if let Some(link) = self.links.get_mut(&peer_id) {
                link.peer.book().label.clone_from(&member.label);
                if link.addresses != member.addresses {
                    link.addresses.clone_from(&member.addresses);
                    self.retry_now(peer_id);
                }
            } else {
                let peer = self.shared.peer_new(member);
                self.peers_write(|peers| peers.insert(member.identity, Arc::clone(&peer)));
                self.links.insert(peer_id, Link::new(peer, member.addresses.clone()));
                self.allow(peer_id, true);
            }
        }
    }

    fn member_remove(&mut self, peer_id: PeerId) {
        // First the gate, then the streams: nothing can be opened in between.
        self.allow(peer_id, false);
        let Some(mut link) = self.links.remove(&peer_id) else { return };
        tracing::info!(peer = %peer_id, label = link.peer.book().label, "no longer a member: cut off");
        self.timers_forget(peer_id, &link);
        self.dials.forget(&peer_id);
        link.streams_abort();
        link.peer.answering.abort();
        self.peers_write(|peers| peers.remove(&link.peer.identity));
        link.state_set(LinkState::Removed);
    }

    pub(super) fn peers_write<T>(
        &self,
        change: impl FnOnce(&mut HashMap<PeerIdentity, Arc<Peer>>) -> T,
    ) -> T {
        change(&mut self.shared.peers.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens or shuts the gate; shutting it closes the peer's connections, and breaks off a dial.
    pub(super) fn allow(&mut self, peer: PeerId, allowed: bool) {
        if let Some(members) = self.swarm.behaviour_mut().members.as_mut() {
            if allowed {
                members.allow_peer(peer);
            } else {
                members.disallow_peer(peer);
            }
        }
    }

    /// Counts a malformed frame, or one that the peer was too slow over; returns whether it is now shut out.
    pub(super) fn strike(&mut self, peer_id: PeerId, reason: &str) -> bool {
        let Some(link) = self.links.get_mut(&peer_id) else { return false };
        let now = Instant::now();
        let ban = link.strikes.strike(now, &self.shared.limits);
        let label = link.peer.book().label.clone();
        tracing::warn!(peer = %peer_id, label, reason, ban_seconds = ban.map(|ban| ban.as_secs()), "strike against a member");
        link.failure_note(reason);
        let Some(ban) = ban else { return false };
        let until = now + ban;
        for at in [link.retry_at.take(), link.banned_until.replace(until)].into_iter().flatten() {
            self.timers.remove(&(at, peer_id));
        }
        self.timers.insert((until, peer_id));
        link.peer.book().banned_until = Some(until);
        self.dials.forget(&peer_id);
        link.streams_abort();
        // Shutting the gate closes them all.
        link.connections.clear();
        link.connection_note();
        let since = *link.down_since.get_or_insert(now);
        let reason = format!("it is shut out for a time: {reason}");
        link.state_set(LinkState::Down { reason, since, retry_at: until });
        self.allow(peer_id, false);
        true
    }

    pub(super) fn refusal_log(&mut self, error: &ListenError, peer: Option<PeerId>, from: &str) {
        if let Some(unlogged) = self.refusals.due(Instant::now()) {
            let peer = peer.map_or_else(String::new, |peer| peer.to_string());
            tracing::info!(%error, peer, from, unlogged, "connection refused");
        }
    }

    fn timers_forget(&mut self, peer_id: PeerId, link: &Link) {
        for at in [link.retry_at, link.banned_until, link.opening_until].into_iter().flatten() {
            self.timers.remove(&(at, peer_id));
        }
    }
}
