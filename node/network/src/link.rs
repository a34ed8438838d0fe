//! What the event loop knows of its own about one member: its connections, its streams, its pauses.

use std::sync::Arc;

use libp2p::swarm::ConnectionId;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::address::{PeerAddress, TransportKind};
use crate::backoff::Backoff;
use crate::peer::{LinkState, Peer};
use crate::strikes::Strikes;

/// One member, as the event loop sees it. There is one per member, so their number is bounded by the directory.
pub(crate) struct Link {
    pub(crate) peer: Arc<Peer>,
    pub(crate) addresses: Vec<PeerAddress>,
    /// Oldest first; at most three for a moment.
    pub(crate) connections: Vec<Connection>,
    /// The stream that our requests go out on.
    pub(crate) outbound: Outbound,
    /// Streams that the peer opened, at most one per connection.
    pub(crate) inbound: Vec<Inbound>,
    pub(crate) dialing: bool,
    /// Whether somebody asked for this member lately: only then is it reconnected to.
    pub(crate) wanted: bool,
    pub(crate) backoff: Backoff,
    pub(crate) retry_at: Option<Instant>,
    /// Since when there has been no usable stream although one is wanted.
    pub(crate) down_since: Option<Instant>,
    pub(crate) strikes: Strikes,
    pub(crate) banned_until: Option<Instant>,
}

/// A live connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) transport: TransportKind,
    pub(crate) since: Instant,
}

/// Our own stream.
#[derive(Debug)]
pub(crate) enum Outbound {
    None,
    /// Asked for on this connection.
    Opening(ConnectionId),
    /// Driven by this task.
    Live(AbortHandle),
}

/// A stream of the peer's.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) connection: ConnectionId,
    pub(crate) task: AbortHandle,
}

impl Link {
    pub(crate) fn new(peer: Arc<Peer>, addresses: Vec<PeerAddress>) -> Self {
        Self {
            peer,
            addresses,
            connections: Vec::new(),
            outbound: Outbound::None,
            inbound: Vec::new(),
            dialing: false,
            wanted: false,
            backoff: Backoff::default(),
            retry_at: None,
            down_since: None,
            strikes: Strikes::default(),
            banned_until: None,
        }
    }

    /// Writes the newest connection into the book.
    pub(crate) fn connection_note(&self) {
        self.peer.book().connection =
            self.connections.last().map(|connection| (connection.transport, connection.since));
    }

    pub(crate) fn failure_note(&self, reason: &str) {
        self.peer.book().last_failure = Some((Instant::now(), reason.to_owned()));
    }

    pub(crate) fn state_set(&self, state: LinkState) {
        self.peer.link.send_replace(state);
    }

    /// The connections on which the peer has no stream.
    pub(crate) fn connections_without_inbound(&self) -> Vec<ConnectionId> {
        let served =
            |id| self.inbound.iter().any(|inbound| inbound.connection == id && !inbound.task.is_finished());
        self.connections.iter().map(|connection| connection.id).filter(|id| !served(*id)).collect()
    }

    /// Ends its streams, and with them everything that waits for an answer.
    pub(crate) fn streams_abort(&mut self) {
        if let Outbound::Live(task) = std::mem::replace(&mut self.outbound, Outbound::None) {
            task.abort();
        }
        for inbound in self.inbound.drain(..) {
            inbound.task.abort();
        }
    }
}
