//! The one task that owns the swarm: it decides whom to dial, which stream belongs to whom, and who is shut out.
//!
//! Every change ends in [`EventLoop::link_advance`], which looks at a member as it now stands and takes the next
//! step towards a usable stream, so that no sequence of events leaves a member behind.

mod gate;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, Stream, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::address::{PeerAddress, PeerIdentity, TransportKind};
use crate::answerer::stream_answer;
use crate::asker::asker_new;
use crate::backoff::Jitter;
use crate::error::NetworkError;
use crate::key::TransportKey;
use crate::limits::{CONNECTIONS_PER_PEER, CONNECTIONS_PER_PEER_HARD};
use crate::link::{Connection, Inbound, Link, Outbound};
use crate::links::{LinkEvent, StreamNews};
use crate::listening::{LISTEN_TIME, Listening, unconfirmed};
use crate::members::Members;
use crate::network::{Command, Shared};
use crate::peer::LinkState;
use crate::stream::StreamEnd;
use crate::swarm::{Behaviour, BehaviourEvent, SwarmConfig, swarm_new, transport_of};

/// The protocol of member nodes.
pub(crate) const FRAMES_PROTOCOL: StreamProtocol = StreamProtocol::new("/chengxin/frames/1");

/// How often a drain looks whether everything is finished.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// How long closed connections may take to say goodbye.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

/// What a stream's task reports at its end.
struct StreamReport {
    peer: PeerId,
    connection: ConnectionId,
    ours: bool,
    /// Whether the peer answered anything at all on it.
    heard: bool,
    end: StreamEnd,
}

/// See the module's head.
pub(crate) struct EventLoop {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    members: watch::Receiver<Arc<Members>>,
    members_end: bool,
    links: HashMap<PeerId, Link>,
    streams: JoinSet<StreamReport>,
    jitter: Jitter,
    /// When a member is due for another attempt or the end of its ban; at most one entry of each per member.
    timers: BTreeSet<(Instant, PeerId)>,
    listening: Listening,
    refusals_unlogged: u64,
    refusal_logged_at: Option<Instant>,
}

impl EventLoop {
    pub(crate) fn new(
        key: &TransportKey,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        members: watch::Receiver<Arc<Members>>,
        jitter_seed: u64,
    ) -> Result<Self, NetworkError> {
        let limits = &shared.limits;
        let swarm = swarm_new(
            key,
            SwarmConfig {
                protocol: FRAMES_PROTOCOL,
                members_only: true,
                handshakes: limits.handshakes,
                handshake_time: limits.handshake_time,
                connections_total: limits.connections_total,
                connections_per_peer: CONNECTIONS_PER_PEER_HARD,
                idle_connection: limits.idle_connection,
            },
        )?;
        let mut event_loop = Self {
            swarm,
            shared,
            commands,
            members,
            members_end: false,
            links: HashMap::new(),
            streams: JoinSet::new(),
            jitter: Jitter::new(jitter_seed),
            timers: BTreeSet::new(),
            listening: Listening::default(),
            refusals_unlogged: 0,
            refusal_logged_at: None,
        };
        let members = Arc::clone(&event_loop.members.borrow_and_update());
        event_loop.members_apply(&members);
        Ok(event_loop)
    }

    /// Listens on all addresses, serving from the first moment.
    pub(crate) async fn listen(&mut self, addresses: &[PeerAddress]) -> Result<(), NetworkError> {
        self.listening = Listening::begin(&mut self.swarm, addresses).await?;
        let deadline = Instant::now() + LISTEN_TIME;
        while !self.listening.is_complete() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                () = sleep_until(deadline) => return Err(unconfirmed(addresses)),
            }
        }
        Ok(())
    }

    /// Runs until shutdown or a fault.
    pub(crate) async fn run(mut self) -> Result<(), NetworkError> {
        loop {
            let next_timer = self.timers.first().map(|(at, _)| *at);
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                Some(ended) = self.streams.join_next() => match ended {
                    Ok(report) => self.stream_ended(report),
                    Err(error) if error.is_cancelled() => {}
                    // Its link waits for a report that will never come: start over rather than limp.
                    Err(_) => return Err(NetworkError::Panicked),
                },
                Some(command) = self.commands.recv() => match command {
                    Command::Connect(identity) => self.wanted(identity),
                    Command::Shutdown { deadline, done } => {
                        self.drain(deadline).await?;
                        drop(self);
                        let _ = done.send(());
                        return Ok(());
                    }
                },
                changed = self.members.changed(), if !self.members_end => match changed {
                    Ok(()) => {
                        let members = Arc::clone(&self.members.borrow_and_update());
                        self.members_apply(&members);
                    }
                    Err(_) => self.members_end = true,
                },
                () = timer(next_timer) => self.timers_fire(),
            }
        }
    }

    fn wanted(&mut self, identity: PeerIdentity) {
        let peer_id = identity.peer_id();
        if let Some(link) = self.links.get_mut(&peer_id) {
            link.wanted = true;
            self.link_advance(peer_id);
        }
    }

    /// Takes the next step towards a stream to a wanted member.
    fn link_advance(&mut self, peer_id: PeerId) {
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        if !link.wanted || link.banned_until.is_some() || !matches!(link.outbound, Outbound::None) {
            return;
        }
        if let Some(connection) = link.connections.last() {
            link.outbound = Outbound::Opening(connection.id);
            link.state_set(LinkState::Connecting);
            self.swarm.behaviour_mut().links.stream_open(peer_id, connection.id);
            return;
        }
        if link.dialing || link.retry_at.is_some() {
            return;
        }
        link.state_set(LinkState::Connecting);
        let mut addresses = link.addresses.clone();
        addresses.sort_by_key(|address| match address.transport() {
            TransportKind::Quic => 0,
            TransportKind::Tcp => 1,
        });
        if addresses.is_empty() {
            self.link_failed(peer_id, "the directory lists no address for it");
            return;
        }
        let dial = DialOpts::peer_id(peer_id)
            .condition(PeerCondition::NotDialing)
            .addresses(addresses.iter().map(PeerAddress::multiaddr).collect())
            .build();
        match self.swarm.dial(dial) {
            Ok(()) => link.dialing = true,
            Err(error) => self.link_failed(peer_id, &dial_reason(&error)),
        }
    }

    /// Notes a failure to reach a member and sets the time of the next attempt, until which calls fail at once.
    fn link_failed(&mut self, peer_id: PeerId, reason: &str) {
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
        if !link.wanted || link.banned_until.is_some() {
            return None;
        }
        let now = Instant::now();
        let pause = link.backoff.failed(limits.backoff_first, limits.backoff_longest, &mut self.jitter);
        let retry_at = now + pause;
        if let Some(old) = link.retry_at.replace(retry_at) {
            self.timers.remove(&(old, peer_id));
        }
        self.timers.insert((retry_at, peer_id));
        let since = *link.down_since.get_or_insert(now);
        Some((link, since, retry_at))
    }

    /// Forgets the pause: the peer was heard from, or its addresses changed.
    fn retry_now(&mut self, peer_id: PeerId) {
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        link.backoff.clear();
        if let Some(at) = link.retry_at.take() {
            self.timers.remove(&(at, peer_id));
        }
        self.link_advance(peer_id);
    }

    fn timers_fire(&mut self) {
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
            self.link_advance(peer_id);
        }
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) -> Result<(), NetworkError> {
        if self.listening.event(&event)? {
            *self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner) =
                self.listening.addresses().to_vec();
        }
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Links(event)) => self.link_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let transport = transport_of(endpoint.get_remote_address());
                self.connection_established(peer_id, connection_id, transport, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let cause = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.connection_closed(peer_id, connection_id, &cause);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer_id), error, .. } => {
                if let Some(link) = self.links.get_mut(&peer_id) {
                    link.dialing = false;
                    if link.connections.is_empty() {
                        self.link_failed(peer_id, &dial_reason(&error));
                    }
                }
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, peer_id, .. } => {
                self.refusal_log(&error, peer_id, &send_back_addr.to_string());
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener reports an error");
            }
            // Progress notes without consequence; the type is open, new ones are of that kind.
            _ => {}
        }
        Ok(())
    }

    fn connection_established(
        &mut self,
        peer_id: PeerId,
        id: ConnectionId,
        transport: TransportKind,
        dialed: bool,
    ) {
        let Some(link) = self.links.get_mut(&peer_id) else {
            // The allow list lets only members through; a member removed in this moment is closed by it.
            self.swarm.close_connection(id);
            return;
        };
        tracing::debug!(peer = %peer_id, label = link.peer.book().label, %transport, dialed, "connected");
        link.connections.push(Connection { id, transport, since: Instant::now() });
        link.connection_note();
        if dialed {
            link.dialing = false;
        }
        if link.connections.len() > CONNECTIONS_PER_PEER {
            // The newest is certainly alive; of the oldest nobody knows.
            let oldest = link.connections[0].id;
            self.swarm.close_connection(oldest);
        }
        if dialed {
            self.link_advance(peer_id);
        } else {
            self.retry_now(peer_id);
        }
    }

    fn connection_closed(&mut self, peer_id: PeerId, id: ConnectionId, cause: &str) {
        let Some(link) = self.links.get_mut(&peer_id) else { return };
        tracing::debug!(peer = %peer_id, label = link.peer.book().label, cause, "disconnected");
        link.connections.retain(|connection| connection.id != id);
        link.connection_note();
        // Live streams end by themselves and report; one that was only asked for does not.
        if matches!(link.outbound, Outbound::Opening(on) if on == id) {
            link.outbound = Outbound::None;
            self.outbound_lost(
                peer_id,
                false,
                "the peer closed the connection; perhaps it does not list this node",
            );
        }
    }

    fn link_event(&mut self, event: LinkEvent) {
        let LinkEvent { peer, connection, news } = event;
        match news {
            StreamNews::Inbound(stream) => self.inbound_start(peer, connection, stream),
            StreamNews::Outbound(stream) => self.outbound_start(peer, connection, stream),
            StreamNews::Failed(reason) => {
                let Some(link) = self.links.get_mut(&peer) else { return };
                if matches!(link.outbound, Outbound::Opening(on) if on == connection) {
                    link.outbound = Outbound::None;
                    self.outbound_lost(peer, false, &format!("no stream: {reason}"));
                }
            }
        }
    }

    fn outbound_start(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !matches!(link.outbound, Outbound::Opening(on) if on == connection) {
            return;
        }
        let (asker, driver) = asker_new(&self.shared.limits, link.peer.asking_bytes.clone());
        let task = self.streams.spawn(async move {
            let heard = AtomicBool::new(false);
            let end = driver.run(stream, || heard.store(true, Ordering::Relaxed)).await;
            StreamReport { peer, connection, ours: true, heard: heard.into_inner(), end }
        });
        link.outbound = Outbound::Live(task);
        link.down_since = None;
        link.state_set(LinkState::Ready(asker));
    }

    fn inbound_start(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        // One per connection: a second one replaces the first, so reopening cannot pile up tasks.
        link.inbound.retain(|inbound| {
            if inbound.connection == connection {
                inbound.task.abort();
            }
            inbound.connection != connection && !inbound.task.is_finished()
        });
        let answering = Arc::clone(&link.peer.answering);
        let task = self.streams.spawn(async move {
            let end = stream_answer(stream, answering).await;
            StreamReport { peer, connection, ours: false, heard: true, end }
        });
        link.inbound.push(Inbound { connection, task });
    }

    fn stream_ended(&mut self, report: StreamReport) {
        let StreamReport { peer, connection, ours, heard, end } = report;
        let Some(link) = self.links.get_mut(&peer) else { return };
        tracing::debug!(%peer, label = link.peer.book().label, ours, %end, "stream ended");
        if ours {
            link.outbound = Outbound::None;
        }
        match &end {
            StreamEnd::Malformed(_) => {
                if self.strike(peer, &end.to_string()) {
                    return;
                }
            }
            StreamEnd::SlowReader(_) | StreamEnd::SlowSender(_) => {
                // Room was held for it all the time, and it would be back at once.
                if self.strike(peer, &end.to_string()) {
                    return;
                }
                self.swarm.close_connection(connection);
            }
            // What one stream of a connection met, the others will meet.
            StreamEnd::Silent(_) | StreamEnd::Broken(_) => {
                self.swarm.close_connection(connection);
            }
            StreamEnd::Unused(_) => {
                link.wanted = false;
                link.state_set(LinkState::Idle);
                // The swarm's own idle timeout does not notice that the last stream of a QUIC connection is gone.
                for unused in link.connections_without_inbound() {
                    self.swarm.close_connection(unused);
                }
                return;
            }
            StreamEnd::Closed | StreamEnd::ShuttingDown => {}
        }
        if ours {
            // A connection just closed is still listed; asking for a stream on it fails and leads back here.
            self.outbound_lost(peer, heard, &end.to_string());
        }
    }

    /// Goes on after the loss of our stream: at once where it had worked, with growing pauses where it never did.
    fn outbound_lost(&mut self, peer_id: PeerId, heard: bool, reason: &str) {
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

    /// Lets what is in progress finish, then says goodbye. `Shared::closing` is set: nothing new begins.
    async fn drain(&mut self, deadline: Instant) -> Result<(), NetworkError> {
        let mut look = tokio::time::interval(DRAIN_LOOK);
        let counters = [&self.shared.answering, &self.shared.sending, &self.shared.asking].map(Arc::clone);
        while counters.iter().any(|counter| counter.taken() > 0) {
            tokio::select! {
                event = self.swarm.select_next_some() => self.swarm_event(event)?,
                Some(ended) = self.streams.join_next() => if let Ok(report) = ended { self.stream_ended(report) },
                // The loop's condition is looked at again.
                _ = look.tick() => {}
                () = sleep_until(deadline) => break,
            }
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let goodbye = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        // Not answered in time: the peer notices by itself.
        let _ = timeout(GOODBYE_TIME, goodbye).await;
        Ok(())
    }
}

impl Drop for EventLoop {
    /// However the loop ends, also by a panic or an abort: nobody is left waiting and no handler runs on.
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for (_, peer) in self.peers_write(std::mem::take) {
            peer.link.send_replace(LinkState::Closed);
            peer.answering.abort();
        }
    }
}

/// Waits for a time, or for ever.
async fn timer(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A failed dial in plain words.
pub(crate) fn dial_reason(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { obtained, address } => {
            format!("at {address} answers {obtained}, which is not the identity in the directory")
        }
        DialError::Transport(attempts) => {
            let mut reasons: Vec<String> = Vec::new();
            for (address, error) in attempts {
                reasons.push(format!("{address}: {}", innermost(error)));
            }
            reasons.join("; ")
        }
        DialError::LocalPeerId { address } => format!("{address} is this node itself"),
        DialError::Denied { cause } => cause.to_string(),
        DialError::NoAddresses | DialError::DialPeerConditionFalse(_) | DialError::Aborted => {
            error.to_string()
        }
    }
}

/// The last cause of an error: the ones above it only say that there is one.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}
