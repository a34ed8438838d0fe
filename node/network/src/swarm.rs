//! Puts the transports, the connection limits and the frame streams together. Nothing above knows which muxer or
//! handshake is used.
//!
//! `libp2p-tls` builds its rustls configurations with the aws-lc-rs provider by name, so they do not depend on the
//! process-wide provider that `main` installs. It also honours the environment variable `SSLKEYLOGFILE`; a service
//! must not inherit one.

use std::time::Duration;

use libp2p::core::Multiaddr;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport, Transport};
use libp2p::core::upgrade::Version;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, StreamProtocol, Swarm, dns, quic, tcp, tls, yamux};
use libp2p_allow_block_list as allow_list;
use libp2p_connection_limits as connection_limits;

use crate::error::NetworkError;
use crate::fresh_port::FreshPort;
use crate::key::TransportKey;
use crate::limits::{
    CLOSE_TIME, QUIC_CONNECTION_WINDOW, QUIC_SILENCE_MILLISECONDS, QUIC_STREAM_WINDOW, STREAMS_PER_CONNECTION,
};
use crate::links::Links;
use crate::prompt_close::PromptClose;

/// What every connection passes, in this order: the allow list refuses before anything is allotted to it.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// Absent only at the join door and in its client.
    pub(crate) members: Toggle<allow_list::Behaviour<allow_list::AllowedPeers>>,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) links: Links,
}

/// What a swarm is for.
pub(crate) struct SwarmConfig {
    pub(crate) protocol: StreamProtocol,
    pub(crate) members_only: bool,
    pub(crate) handshakes: u32,
    pub(crate) handshake_time: Duration,
    pub(crate) connections_total: u32,
    pub(crate) connections_per_peer: u32,
    pub(crate) idle_connection: Duration,
}

/// A swarm that listens nowhere yet.
pub(crate) fn swarm_new(key: &TransportKey, config: SwarmConfig) -> Result<Swarm<Behaviour>, NetworkError> {
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(config.handshakes))
        .with_max_pending_outgoing(Some(config.handshakes))
        .with_max_established_per_peer(Some(config.connections_per_peer))
        .with_max_established(Some(config.connections_total));
    let behaviour = Behaviour {
        members: Toggle::from(config.members_only.then(allow_list::Behaviour::default)),
        limits: connection_limits::Behaviour::new(limits),
        links: Links::new(config.protocol),
    };
    let swarm_config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.idle_connection)
        .with_max_negotiating_inbound_streams(STREAMS_PER_CONNECTION as usize)
        // All addresses of a peer in one attempt, QUIC first, TCP after a short head start: a peer behind a firewall
        // without UDP is found at once.
        .with_smart_dial();
    let transport = transport_new(key, config.handshake_time)?;
    Ok(Swarm::new(transport, behaviour, key.keypair().public().to_peer_id(), swarm_config))
}

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

fn transport_new(key: &TransportKey, handshake_time: Duration) -> Result<Connections, NetworkError> {
    let plain = || -> Result<Connections, NetworkError> {
        let mut quic_config = quic::Config::new(key.keypair());
        quic_config.handshake_timeout = handshake_time;
        quic_config.max_idle_timeout = QUIC_SILENCE_MILLISECONDS;
        quic_config.keep_alive_interval = Duration::from_millis(u64::from(QUIC_SILENCE_MILLISECONDS) / 3);
        quic_config.max_concurrent_stream_limit = STREAMS_PER_CONNECTION;
        quic_config.max_stream_data = QUIC_STREAM_WINDOW;
        quic_config.max_connection_data = QUIC_CONNECTION_WINDOW;
        let quic_transport = quic::tokio::Transport::new(quic_config)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(PromptClose::new(muxer, CLOSE_TIME))))
            .boxed();
        let tls_config = tls::Config::new(key.keypair())
            .map_err(|error| NetworkError::Transport { reason: error.to_string() })?;
        let mut yamux_config = yamux::Config::default();
        // Both directions count here.
        yamux_config.set_max_num_streams(2 * STREAMS_PER_CONNECTION as usize);
        let tcp_transport = FreshPort(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)))
            .upgrade(Version::V1Lazy)
            .authenticate(tls_config)
            .multiplex(yamux_config)
            .timeout(handshake_time)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(PromptClose::new(muxer, CLOSE_TIME))))
            .boxed();
        Ok(OrTransport::new(quic_transport, tcp_transport).map(|either, _| either.into_inner()).boxed())
    };
    match dns::tokio::Transport::system(plain()?) {
        Ok(resolving) => Ok(resolving.boxed()),
        Err(error) => {
            // A node whose directory holds only IP addresses needs no resolver.
            tracing::warn!(%error, "the system's name resolver cannot be used; only IP addresses are dialled");
            plain()
        }
    }
}

/// The transport of a connection's remote or listening address.
pub(crate) fn transport_of(address: &Multiaddr) -> crate::TransportKind {
    if address.iter().any(|part| matches!(part, libp2p::multiaddr::Protocol::QuicV1)) {
        crate::TransportKind::Quic
    } else {
        crate::TransportKind::Tcp
    }
}
