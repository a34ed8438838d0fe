//! Peer connections: the one crate that knows libp2p. Members of the verified directory ask each other over one
//! persistent stream each way; everything a peer could make grow is bounded.
//!
//! * [`Network`] keeps the connections of a member node. Only identities in [`Members`] get past the handshake.
//! * [`JoinDoor`] and [`JoinClient`] are for the moment before membership, on an address and a protocol of their own.
//! * Requests and answers are opaque bytes: what they mean, who may ask it and who signed it is decided above.
//!
//! Not solved here: an outsider can still occupy handshakes (bounded in number and time; a firewall in front is
//! advised), and a member can see when and how much another member talks to it.

pub mod address;
mod answerer;
mod asker;
mod backoff;
mod budget;
mod dial_queue;
pub mod error;
mod event_loop;
pub mod frame;
mod fresh_port;
pub mod join;
pub mod key;
pub mod limits;
mod link;
mod links;
mod listening;
mod log_limit;
pub mod members;
pub mod network;
pub mod peer;
mod prompt_close;
mod stream;
mod strikes;
mod swarm;

pub use address::{PeerAddress, PeerIdentity, TransportKind};
pub use answerer::RequestHandler;
pub use error::{CallError, HandlerRefusal, NetworkError};
pub use join::{JoinClient, JoinDoor};
pub use key::TransportKey;
pub use limits::Limits;
pub use log_limit::LogLimit;
pub use members::{Member, Members};
pub use network::{Network, NetworkConfig, NetworkTask};
pub use peer::{ConnectionStatus, FailureStatus, PeerStatus};
