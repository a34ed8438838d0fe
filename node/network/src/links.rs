//! The libp2p behaviour below everything else: one frame stream each way on a connection, handed out as it is.
//!
//! `libp2p-stream` is not used for this: it picks a connection at random, drops a stream when its one-place queue
//! is full, and keeps an entry for every connection there ever was, which a member could grow by reconnecting.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{
    ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, DialUpgradeError, FullyNegotiatedInbound,
    FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, Stream, StreamProtocol,
    SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};

use crate::limits::STREAMS_PER_CONNECTION;

/// A stream that came to be, or did not.
#[derive(Debug)]
pub(crate) enum StreamNews {
    /// The peer opened one.
    Inbound(Stream),
    /// The one asked for.
    Outbound(Stream),
    /// The one asked for could not be opened.
    Failed(String),
}

/// News of one connection.
#[derive(Debug)]
pub(crate) struct LinkEvent {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) news: StreamNews,
}

/// Opens a stream on its connection.
#[derive(Debug)]
pub(crate) struct OpenStream;

/// The behaviour. Which peers get so far is decided by the behaviours beside it.
pub(crate) struct Links {
    protocol: StreamProtocol,
    /// Handed on at the next poll; the swarm polls between two handler events, so it stays short.
    pending: VecDeque<ToSwarm<LinkEvent, OpenStream>>,
}

impl Links {
    pub(crate) fn new(protocol: StreamProtocol) -> Self {
        Self { protocol, pending: VecDeque::new() }
    }

    /// Asks for a stream on a connection. The swarm has to be polled afterwards, as its owner's loop does.
    pub(crate) fn stream_open(&mut self, peer: PeerId, connection: ConnectionId) {
        self.pending.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: OpenStream,
        });
    }

    fn handler(&self) -> LinkHandler {
        LinkHandler { protocol: self.protocol.clone(), open: false, news: VecDeque::new() }
    }
}

impl NetworkBehaviour for Links {
    type ConnectionHandler = LinkHandler;
    type ToSwarm = LinkEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        news: THandlerOutEvent<Self>,
    ) {
        self.pending.push_back(ToSwarm::GenerateEvent(LinkEvent { peer, connection, news }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.pending.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's part.
pub(crate) struct LinkHandler {
    protocol: StreamProtocol,
    open: bool,
    news: VecDeque<StreamNews>,
}

impl ConnectionHandler for LinkHandler {
    type FromBehaviour = OpenStream;
    type ToBehaviour = StreamNews;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    fn on_behaviour_event(&mut self, OpenStream: OpenStream) {
        self.open = true;
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if let Some(news) = self.news.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(news));
        }
        if std::mem::take(&mut self.open) {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ()),
            });
        }
        Poll::Pending
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        let news = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                StreamNews::Inbound(protocol)
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                StreamNews::Outbound(protocol)
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                StreamNews::Failed(error.to_string())
            }
            _ => return,
        };
        // More than the muxer allows at once cannot be negotiated; this holds even if it did.
        if self.news.len() < STREAMS_PER_CONNECTION as usize {
            self.news.push_back(news);
        }
    }
}
