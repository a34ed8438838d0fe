//! Where a swarm really listens, once the system has said so.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use libp2p::Swarm;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use tokio::time::{Instant, sleep};

use crate::address::PeerAddress;
use crate::error::NetworkError;
use crate::event_loop::innermost;
use crate::swarm::{Behaviour, BehaviourEvent};

/// How long the system may take to confirm a listening address.
pub(crate) const LISTEN_TIME: Duration = Duration::from_secs(10);

/// How long to ask again for an address in use: the system gives the port of a network that has just ended back
/// a moment later.
const PORT_TIME: Duration = Duration::from_secs(2);

/// How often to ask for it.
const PORT_LOOK: Duration = Duration::from_millis(20);

/// The addresses of one swarm: bounded by the configuration and this machine's interfaces.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    awaited: HashSet<ListenerId>,
    addresses: Vec<PeerAddress>,
}

impl Listening {
    /// Asks for all addresses.
    pub(crate) async fn begin(
        swarm: &mut Swarm<Behaviour>,
        addresses: &[PeerAddress],
    ) -> Result<Self, NetworkError> {
        let mut listening = Self::default();
        for address in addresses {
            let deadline = Instant::now() + PORT_TIME;
            let listener = loop {
                match tcp_free(address)
                    .and_then(|()| swarm.listen_on(address.multiaddr()).map_err(|error| innermost(&error)))
                {
                    Ok(listener) => break listener,
                    Err(_) if Instant::now() < deadline => sleep(PORT_LOOK).await,
                    Err(reason) => return Err(NetworkError::Listen { address: address.to_string(), reason }),
                }
            };
            listening.awaited.insert(listener);
        }
        Ok(listening)
    }

    /// Whether every address has been confirmed.
    pub(crate) fn is_complete(&self) -> bool {
        self.awaited.is_empty()
    }

    pub(crate) fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }

    /// Notes what an event says about listening; returns whether the addresses changed.
    ///
    /// # Errors
    /// [`NetworkError::Listen`] when a listener is gone: the node would be unreachable without knowing it.
    pub(crate) fn event(&mut self, event: &SwarmEvent<BehaviourEvent>) -> Result<bool, NetworkError> {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.awaited.remove(listener_id);
                match PeerAddress::from_multiaddr(address.clone()) {
                    Ok(address) if !self.addresses.contains(&address) => self.addresses.push(address),
                    Ok(_) | Err(_) => {}
                }
                Ok(true)
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.addresses.retain(|known| known.multiaddr() != *address);
                Ok(true)
            }
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                let address = addresses.first().map_or_else(String::new, ToString::to_string);
                Err(NetworkError::Listen { address, reason: error.to_string() })
            }
            // The other events are not about listening.
            _ => Ok(false),
        }
    }
}

/// Whether nobody listens on a TCP address. The transport shares ports (`SO_REUSEPORT`), so without this question a
/// second node on the address would start and the two would take each other's connections.
fn tcp_free(address: &PeerAddress) -> Result<(), String> {
    let multiaddr = address.multiaddr();
    let mut parts = multiaddr.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
        // A name is not listened on; the transport says so.
        Some(_) | None => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) if port != 0 => {
            std::net::TcpListener::bind((ip, port)).map(drop).map_err(|error| error.to_string())
        }
        Some(_) | None => Ok(()),
    }
}

/// The error for addresses that were not confirmed in time.
pub(crate) fn unconfirmed(addresses: &[PeerAddress]) -> NetworkError {
    NetworkError::Listen {
        address: addresses.iter().map(PeerAddress::to_string).collect::<Vec<_>>().join(", "),
        reason: "the system did not confirm it".into(),
    }
}
