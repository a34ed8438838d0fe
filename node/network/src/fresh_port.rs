//! Dialling from a port of its own.
//!
//! libp2p dials TCP from the listening port, for the sake of hole punching. Two nodes that dial each other in the same
//! moment then use the same two addresses, the kernel joins both dials into one connection (simultaneous open, RFC
//! 9293 §3.5), and both ends take themselves for the TLS client: both dials fail. Members have addresses at which
//! they can be reached, so nothing is lost by dialling from a fresh port. QUIC tells connections apart by their ids
//! and keeps the listening port, which a firewall may ask for.

use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::Multiaddr;
use libp2p::core::Transport;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};

/// See the module's head.
pub(crate) struct FreshPort<T>(pub(crate) T);

impl<T: Transport + Unpin> Transport for FreshPort<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Self::Error>> {
        self.0.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.0.dial(address, DialOpts { port_use: PortUse::New, ..options })
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.0).poll(context)
    }
}
