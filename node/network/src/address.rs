//! Where a peer can be reached and who it proves to be, as text that parses: no type of the transport
//! library leaves this crate.

use std::fmt;
use std::str::FromStr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::error::NetworkError;

/// Longest address text that is looked at; a host name has at most 253 characters (RFC 1035 §2.3.4).
const ADDRESS_TEXT_MAX: usize = 320;

/// Which transport an address or a connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportKind {
    /// QUIC version 1 (RFC 9000) over UDP.
    Quic,
    /// TLS 1.3 over TCP with yamux.
    Tcp,
}

impl fmt::Display for TransportKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        })
    }
}

/// Whose addresses a host has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// An address at which a node listens or is dialled, in multiaddr text.
///
/// Exactly two shapes parse: `HOST/udp/PORT/quic-v1` and `HOST/tcp/PORT`, with `HOST` one of `/ip4/…`, `/ip6/…`,
/// `/dns/…`, `/dns4/…`, `/dns6/…`. A `/p2p/…` suffix is refused: who answers is decided by the directory and not
/// by whoever wrote the address down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    multiaddr: Multiaddr,
    transport: TransportKind,
}

impl PeerAddress {
    /// The transport that this address is for.
    pub fn transport(&self) -> TransportKind {
        self.transport
    }

    /// Whether others can dial it: a host that stands for every interface, or a port that stands for any, is for
    /// listening only.
    pub fn is_dialable(&self) -> bool {
        self.multiaddr.iter().all(|part| match part {
            Protocol::Ip4(host) => !host.is_unspecified(),
            Protocol::Ip6(host) => !host.is_unspecified(),
            Protocol::Tcp(port) | Protocol::Udp(port) => port != 0,
            _ => true,
        })
    }

    /// Whether only this machine can dial it.
    pub fn is_loopback(&self) -> bool {
        match self.multiaddr.iter().next() {
            Some(Protocol::Ip4(ip)) => ip.is_loopback(),
            Some(Protocol::Ip6(ip)) => ip.is_loopback(),
            Some(_) | None => false,
        }
    }

    /// Whether its host stands for every interface of this machine.
    pub fn is_wildcard(&self) -> bool {
        match self.multiaddr.iter().next() {
            Some(Protocol::Ip4(ip)) => ip.is_unspecified(),
            Some(Protocol::Ip6(ip)) => ip.is_unspecified(),
            Some(_) | None => false,
        }
    }

    /// Whether who listens at this wildcard address may be who listens at `other`. A wildcard stands for the addresses of
    /// its own family only, and port 0 for any port.
    pub fn stands_for(&self, other: &Self) -> bool {
        self.is_wildcard()
            && self.transport == other.transport
            && self.family() == other.family()
            && (self.port() == Some(0) || self.port() == other.port())
    }

    /// This transport and port at the host of another address; nothing if that host has addresses of the other family
    /// only.
    pub fn at_host_of(&self, other: &Self) -> Option<Self> {
        let is_reached = match (self.family(), other.family()) {
            (Some(own), Some(others)) => own == others,
            // A name may have addresses of both.
            (_, _) => true,
        };
        let multiaddr = other.multiaddr.iter().take(1).chain(self.multiaddr.iter().skip(1)).collect();
        is_reached.then_some(Self { multiaddr, transport: self.transport })
    }

    fn family(&self) -> Option<Family> {
        match self.multiaddr.iter().next() {
            Some(Protocol::Ip4(_) | Protocol::Dns4(_)) => Some(Family::V4),
            Some(Protocol::Ip6(_) | Protocol::Dns6(_)) => Some(Family::V6),
            Some(_) | None => None,
        }
    }

    fn port(&self) -> Option<u16> {
        self.multiaddr.iter().find_map(|part| match part {
            Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
            _ => None,
        })
    }

    pub(crate) fn multiaddr(&self) -> Multiaddr {
        self.multiaddr.clone()
    }

    pub(crate) fn from_multiaddr(multiaddr: Multiaddr) -> Result<Self, NetworkError> {
        let refuse = |reason| NetworkError::Address { reason };
        let mut parts = multiaddr.iter();
        match parts.next() {
            Some(
                Protocol::Ip4(_)
                | Protocol::Ip6(_)
                | Protocol::Dns(_)
                | Protocol::Dns4(_)
                | Protocol::Dns6(_),
            ) => {}
            Some(_) | None => return Err(refuse("it does not begin with /ip4, /ip6, /dns, /dns4 or /dns6")),
        }
        let transport = match (parts.next(), parts.next()) {
            (Some(Protocol::Udp(_)), Some(Protocol::QuicV1)) => TransportKind::Quic,
            (Some(Protocol::Tcp(_)), None) => TransportKind::Tcp,
            (Some(Protocol::Tcp(_)), Some(Protocol::P2p(_))) => {
                return Err(refuse("it ends in /p2p/…; the identity stands in the directory, leave it out"));
            }
            (_, _) => return Err(refuse("after the host there is neither /udp/PORT/quic-v1 nor /tcp/PORT")),
        };
        match parts.next() {
            None => Ok(Self { multiaddr, transport }),
            Some(Protocol::P2p(_)) => {
                Err(refuse("it ends in /p2p/…; the identity stands in the directory, leave it out"))
            }
            Some(_) => Err(refuse("something follows the port")),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text.len() > ADDRESS_TEXT_MAX {
            return Err(NetworkError::Address { reason: "it is longer than 320 characters" });
        }
        let multiaddr = Multiaddr::from_str(text)
            .map_err(|_| NetworkError::Address { reason: "it is not a multiaddr" })?;
        Self::from_multiaddr(multiaddr)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.multiaddr.fmt(formatter)
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerAddress({self})")
    }
}

/// The transport identity of a node: the libp2p peer id of its Ed25519 transport key (`12D3KooW…`).
///
/// It holds the whole public key, so a handshake proves it without looking anything up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIdentity(PeerId);

impl PeerIdentity {
    pub(crate) fn peer_id(&self) -> PeerId {
        self.0
    }

    /// An identity that a handshake has proven; libp2p keys of other algorithms are refused like strangers.
    pub(crate) fn from_peer_id(peer_id: PeerId) -> Result<Self, NetworkError> {
        let multihash = peer_id.as_ref();
        // Code 0 is the identity multihash: the digest is the encoded public key itself.
        let key = (multihash.code() == 0)
            .then(|| libp2p::identity::PublicKey::try_decode_protobuf(multihash.digest()).ok())
            .flatten();
        match key.map(|key| key.key_type()) {
            Some(libp2p::identity::KeyType::Ed25519) => Ok(Self(peer_id)),
            Some(_) | None => Err(NetworkError::Identity),
        }
    }
}

impl FromStr for PeerIdentity {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if text.len() > ADDRESS_TEXT_MAX {
            return Err(NetworkError::Identity);
        }
        Self::from_peer_id(PeerId::from_str(text).map_err(|_| NetworkError::Identity)?)
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerIdentity({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TransportKey;

    fn check_address(text: &str, expected: Option<TransportKind>) {
        match (text.parse::<PeerAddress>(), expected) {
            (Ok(address), Some(transport)) => {
                assert_eq!(address.transport(), transport, "{text}");
                assert_eq!(address.to_string(), text);
            }
            (Err(_), None) => {}
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn address_shapes() {
        check_address("/ip4/127.0.0.1/udp/7400/quic-v1", Some(TransportKind::Quic));
        check_address("/ip4/0.0.0.0/tcp/0", Some(TransportKind::Tcp));
        check_address("/ip6/::1/tcp/7400", Some(TransportKind::Tcp));
        check_address("/dns4/node.czt.example/udp/7400/quic-v1", Some(TransportKind::Quic));
        check_address("/dns/node.czt.example/tcp/7400", Some(TransportKind::Tcp));
        check_address("", None);
        check_address("127.0.0.1:7400", None);
        check_address("/ip4/127.0.0.1", None);
        check_address("/ip4/127.0.0.1/udp/7400", None);
        check_address("/ip4/127.0.0.1/udp/7400/quic", None);
        check_address("/ip4/127.0.0.1/tcp/7400/ws", None);
        check_address("/ip4/127.0.0.1/tcp/99999", None);
        check_address("/dnsaddr/node.example/tcp/1", None);
        check_address("/memory/1", None);
        let identity = TransportKey::from_seed([1; 32]).identity();
        check_address(&format!("/ip4/127.0.0.1/tcp/7400/p2p/{identity}"), None);
        check_address(&format!("/ip4/127.0.0.1/udp/7400/quic-v1/p2p/{identity}"), None);
        check_address(&format!("/dns/{}/tcp/7400", "a".repeat(400)), None);
    }

    #[test]
    fn hosts_are_told_apart_and_exchanged() {
        let address = |text: &str| text.parse::<PeerAddress>().unwrap();
        for (text, loopback, wildcard) in [
            ("/ip4/127.0.0.1/tcp/7401", true, false),
            ("/ip6/::1/tcp/7401", true, false),
            ("/ip4/0.0.0.0/tcp/7401", false, true),
            ("/ip6/::/udp/7401/quic-v1", false, true),
            ("/ip4/10.0.0.5/tcp/7401", false, false),
            ("/dns4/node.czt.example/tcp/7401", false, false),
        ] {
            let address = address(text);
            assert_eq!((address.is_loopback(), address.is_wildcard()), (loopback, wildcard), "{text}");
        }
        let door = address("/ip4/172.17.0.1/tcp/7401");
        let node = address("/dns4/node.czt.example/udp/7400/quic-v1");
        assert_eq!(door.at_host_of(&node), Some(address("/dns4/node.czt.example/tcp/7401")));
        assert_eq!(door.at_host_of(&address("/ip6/2001:db8::1/tcp/7400")), None);
        assert_eq!(door.at_host_of(&address("/dns6/node.czt.example/tcp/7400")), None);
        let either = address("/dns/node.czt.example/tcp/7400");
        assert_eq!(door.at_host_of(&either), Some(address("/dns/node.czt.example/tcp/7401")));
        for (wildcard, stands) in [
            ("/ip4/0.0.0.0/tcp/7401", true),
            ("/ip4/0.0.0.0/tcp/0", true),
            ("/ip4/0.0.0.0/tcp/7402", false),
            ("/ip4/0.0.0.0/udp/7401/quic-v1", false),
            ("/ip6/::/tcp/7401", false),
            ("/ip4/172.17.0.1/tcp/7401", false),
        ] {
            assert_eq!(address(wildcard).stands_for(&door), stands, "{wildcard}");
        }
    }

    #[test]
    fn identity_reads_back() {
        let identity = TransportKey::from_seed([7; 32]).identity();
        assert!(identity.to_string().starts_with("12D3KooW"));
        assert_eq!(identity.to_string().parse::<PeerIdentity>().unwrap(), identity);
    }

    #[test]
    fn identity_of_another_kind_is_refused() {
        // A hashed (RSA) peer id, and plain garbage.
        for text in ["QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "", "12D3KooW", "诚信"] {
            assert!(text.parse::<PeerIdentity>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in "\\PC{0,80}") {
            let _ = text.parse::<PeerAddress>();
            let _ = text.parse::<PeerIdentity>();
        }

        #[test]
        fn address_text_is_canonical(port in any::<u16>(), host in any::<[u8; 4]>(), quic in any::<bool>()) {
            let host = std::net::Ipv4Addr::from(host);
            let text = if quic { format!("/ip4/{host}/udp/{port}/quic-v1") } else { format!("/ip4/{host}/tcp/{port}") };
            prop_assert_eq!(text.parse::<PeerAddress>().unwrap().to_string(), text);
        }
    }
}
