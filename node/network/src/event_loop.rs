//! The one task that owns the swarm: it decides whom to dial, which stream belongs to whom, and who is shut out.
//!
//! Every change ends in [`EventLoop::link_advance`], which looks at a member as it now stands and takes the next
//! step towards a usable stream, so that no sequence of events leaves a member behind.

mod drain;
mod gate;
mod reach;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use futures::StreamExt;
use libp2p::swarm::{ConnectionId, DialError, Stream, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::address::{PeerAddress, TransportKind};
use crate::answerer::stream_answer;
use crate::asker::asker_new;
use crate::backoff::Jitter;
use crate::dial_queue::DialQueue;
use crate::error::NetworkError;
use crate::key::TransportKey;
use crate::limits::{CONNECTIONS_PER_PEER, CONNECTIONS_PER_PEER_HARD};
use crate::link::{Connection, Inbound, Link, Outbound};
use crate::links::{LinkEvent, StreamNews};
use crate::listening::{LISTEN_TIME, Listening, unconfirmed};
use crate::log_limit::LogLimit;
use crate::members::Members;
use crate::network::{Command, Shared};
use crate::peer::LinkState;
use crate::stream::StreamEnd;
use crate::swarm::{Behaviour, BehaviourEvent, SwarmConfig, swarm_new, transport_of};

/// The protocol of member nodes.
pub(crate) const FRAMES_PROTOCOL: StreamProtocol = StreamProtocol::new("/chengxin/frames/1");

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
    dials: DialQueue,
    /// When a member is due for another attempt, the end of its ban or of waiting for a stream; at most one entry of
    /// each per member.
    timers: BTreeSet<(Instant, PeerId)>,
    listening: Listening,
    refusals: LogLimit,
    /// Whether the network is being shut down: nothing is dialled or opened any more.
    draining: bool,
    /// Told by being dropped with the loop that it has ended: one for each of the node's parts that ask for it.
    ended: Vec<oneshot::Sender<()>>,
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
        let dials_at_once = limits.handshakes as usize;
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
            dials: DialQueue::new(dials_at_once),
            timers: BTreeSet::new(),
            listening: Listening::default(),
            refusals: LogLimit::default(),
            draining: false,
            ended: Vec::new(),
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
                    Command::Connect(identity) => self.called(identity),
                    Command::Shutdown { deadline, done } => {
                        self.ended.push(done);
                        return self.drain(deadline).await;
                    }
                },
                changed = self.members.changed(), if !self.members_end => self.members_changed(changed.is_ok()),
                () = timer(next_timer) => self.timers_fire(),
            }
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
                if endpoint.is_dialer() {
                    self.dial_ended(connection_id);
                }
                let transport = transport_of(endpoint.get_remote_address());
                self.connection_established(peer_id, connection_id, transport, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let cause = cause.map_or_else(|| "closed".to_owned(), |cause| cause.to_string());
                self.connection_closed(peer_id, connection_id, &cause);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(peer_id) = self.dial_ended(connection_id)
                    && self.links.get(&peer_id).is_some_and(|link| link.connections.is_empty())
                {
                    self.dial_failed(peer_id, &error);
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
        link.connections.push(Connection { id, transport, since: Instant::now(), served: false });
        link.connection_note();
        if link.connections.len() > CONNECTIONS_PER_PEER {
            // The newest is certainly alive; of the oldest nobody knows. If it carried our stream, the newest will.
            let oldest = link.connections[0].id;
            self.connection_close(peer_id, oldest);
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
        let served = link.connections.iter().any(|connection| connection.id == id && connection.served);
        link.connections.retain(|connection| connection.id != id);
        link.connection_note();
        // Live streams end by themselves and report; one that was only asked for does not.
        if matches!(link.outbound, Outbound::Opening { on } if on == id) {
            link.outbound = Outbound::None;
            // One that served was good and its time was over, perhaps because the peer had not used it for long.
            let reason = match served {
                true => "the peer closed the connection",
                false => "the peer closed the connection; perhaps it does not list this node",
            };
            self.outbound_lost(peer_id, served, reason);
        }
    }

    fn link_event(&mut self, event: LinkEvent) {
        let LinkEvent { peer, connection, news } = event;
        match news {
            StreamNews::Inbound(stream) => self.inbound_start(peer, connection, stream),
            StreamNews::Outbound(stream) => self.outbound_start(peer, connection, stream),
            StreamNews::Failed(reason) => {
                let Some(link) = self.links.get_mut(&peer) else { return };
                if matches!(link.outbound, Outbound::Opening { on } if on == connection) {
                    link.outbound = Outbound::None;
                    self.outbound_lost(peer, false, &format!("no stream: {reason}"));
                }
            }
        }
    }

    fn outbound_start(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if self.draining || !matches!(link.outbound, Outbound::Opening { on } if on == connection) {
            return;
        }
        let (asker, driver) = asker_new(&self.shared.limits, link.peer.asking_bytes.clone());
        let task = self.streams.spawn(async move {
            let heard = AtomicBool::new(false);
            let end = driver.run(stream, || heard.store(true, Ordering::Relaxed)).await;
            StreamReport { peer, connection, ours: true, heard: heard.into_inner(), end }
        });
        link.outbound = Outbound::Live { on: connection, task };
        link.down_since = None;
        link.state_set(LinkState::Ready(asker));
    }

    fn inbound_start(&mut self, peer: PeerId, connection: ConnectionId, stream: Stream) {
        let Some(link) = self.links.get_mut(&peer) else { return };
        if !link.connections.iter().any(|known| known.id == connection) {
            // It came with the last news of a connection that is being closed.
            return;
        }
        link.served_note(connection);
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
        // The end of one whose connection was closed meanwhile has been acted on; what it met still counts.
        let ours = ours && link.outbound.connection() == Some(connection);
        if ours {
            link.calls_note();
            link.outbound = Outbound::None;
            if self.draining {
                link.state_set(LinkState::Closed);
            }
        }
        if heard {
            link.served_note(connection);
        }
        let reason = end.to_string();
        let mut lost = ours;
        match end {
            StreamEnd::Malformed(_) => {
                if self.strike(peer, &reason) {
                    return;
                }
            }
            StreamEnd::SlowReader(_) | StreamEnd::SlowSender(_) => {
                // Room was held for it all the time, and it would be back at once.
                if self.strike(peer, &reason) {
                    return;
                }
                lost |= self.connection_close(peer, connection);
            }
            // What one stream of a connection met, the others will meet.
            StreamEnd::Silent(_) | StreamEnd::Broken(_) => lost |= self.connection_close(peer, connection),
            StreamEnd::Unused(_) if ours => {
                // The swarm's own idle timeout does not notice that the last stream of a QUIC connection is gone.
                for unused in link.connections_without_inbound() {
                    self.connection_close(peer, unused);
                }
                // Idle, unless somebody has called since.
                self.link_advance(peer);
                return;
            }
            StreamEnd::Unused(_) | StreamEnd::Closed | StreamEnd::ShuttingDown => {}
        }
        if lost && !self.draining {
            self.outbound_lost(peer, heard, &reason);
        }
    }

    /// Takes over a new list of members, or the news that there will be none.
    fn members_changed(&mut self, more: bool) {
        if more {
            let members = Arc::clone(&self.members.borrow_and_update());
            self.members_apply(&members);
        } else {
            self.members_end = true;
        }
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
