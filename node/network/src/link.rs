//! What the event loop knows of its own about one member: its connections, its streams, its pauses.

use std::sync::Arc;
use std::time::Duration;

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
    /// Oldest first; at most three for a moment. One whose closing has been ordered is not among them, however
    /// long that takes: no stream may be asked for on it any more.
    pub(crate) connections: Vec<Connection>,
    /// The stream that our requests go out on.
    pub(crate) outbound: Outbound,
    /// Streams that the peer opened, at most one per connection.
    pub(crate) inbound: Vec<Inbound>,
    pub(crate) dialing: Option<ConnectionId>,
    pub(crate) backoff: Backoff,
    pub(crate) retry_at: Option<Instant>,
    /// Until when the stream that was last asked for is waited for.
    pub(crate) opening_until: Option<Instant>,
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
    /// Whether the peer has served it: it answered a stream of ours or opened one itself. A peer that does not list
    /// this node closes the connection before that.
    pub(crate) served: bool,
}

/// Our own stream.
#[derive(Debug)]
pub(crate) enum Outbound {
    None,
    /// Asked for on this connection.
    Opening {
        on: ConnectionId,
    },
    /// Driven by this task.
    Live {
        on: ConnectionId,
        task: AbortHandle,
    },
}

impl Outbound {
    /// The connection that carries it.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Opening { on } | Self::Live { on, .. } => Some(*on),
        }
    }
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
            dialing: None,
            backoff: Backoff::default(),
            retry_at: None,
            opening_until: None,
            down_since: None,
            strikes: Strikes::default(),
            banned_until: None,
        }
    }

    /// Whether somebody waits for this member or called it within `unused`: only then is it reconnected to.
    pub(crate) fn is_wanted(&self, unused: Duration) -> bool {
        self.peer.asking.taken() > 0
            || self.peer.book().last_called.is_some_and(|called_at| called_at.elapsed() < unused)
    }

    /// Writes the newest connection into the book.
    pub(crate) fn connection_note(&self) {
        self.peer.book().connection =
            self.connections.last().map(|connection| (connection.transport, connection.since));
    }

    pub(crate) fn failure_note(&self, reason: &str) {
        self.peer.book().last_failure = Some((Instant::now(), reason.to_owned()));
    }

    /// Changes what callers see. Nothing follows the end of the network.
    pub(crate) fn state_set(&self, state: LinkState) {
        self.peer.link.send_if_modified(|seen| {
            let open = !matches!(seen, LinkState::Closed);
            if open {
                *seen = state;
            }
            open
        });
    }

    /// Notes when the member was last called over a stream that is about to go: those calls left no other trace.
    pub(crate) fn calls_note(&self) {
        let last_used = match &*self.peer.link.borrow() {
            LinkState::Ready(asker) => asker.last_used(),
            LinkState::Idle
            | LinkState::Connecting
            | LinkState::Down { .. }
            | LinkState::Removed
            | LinkState::Closed => return,
        };
        let mut book = self.peer.book();
        book.last_called = book.last_called.max(Some(last_used));
    }

    /// Forgets a connection that is closed or about to be, with its streams. Returns whether ours was among them.
    pub(crate) fn connection_forget(&mut self, id: ConnectionId) -> bool {
        self.connections.retain(|connection| connection.id != id);
        self.connection_note();
        self.inbound.retain(|inbound| {
            if inbound.connection == id {
                inbound.task.abort();
            }
            inbound.connection != id
        });
        let ours = self.outbound.connection() == Some(id);
        if ours {
            self.outbound_abort();
        }
        ours
    }

    pub(crate) fn served_note(&mut self, id: ConnectionId) {
        for connection in self.connections.iter_mut().filter(|connection| connection.id == id) {
            connection.served = true;
        }
    }

    fn outbound_abort(&mut self) {
        self.calls_note();
        if let Outbound::Live { task, .. } = std::mem::replace(&mut self.outbound, Outbound::None) {
            task.abort();
        }
    }

    /// The connections on which the peer has no stream.
    pub(crate) fn connections_without_inbound(&self) -> Vec<ConnectionId> {
        let served =
            |id| self.inbound.iter().any(|inbound| inbound.connection == id && !inbound.task.is_finished());
        self.connections.iter().map(|connection| connection.id).filter(|id| !served(*id)).collect()
    }

    /// Ends its streams, and with them everything that waits for an answer.
    pub(crate) fn streams_abort(&mut self) {
        self.outbound_abort();
        for inbound in self.inbound.drain(..) {
            inbound.task.abort();
        }
    }
}
