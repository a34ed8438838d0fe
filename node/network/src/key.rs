//! The node's transport key: it opens connections and nothing else, so it can be rotated by itself.

use std::fmt;

use libp2p::identity::Keypair;
use zeroize::Zeroizing;

use crate::address::PeerIdentity;

/// The Ed25519 key that proves this node's identity to its peers. Never used to sign what is said.
#[derive(Clone)]
pub struct TransportKey {
    keypair: Keypair,
}

impl TransportKey {
    /// The key of a 32-byte Ed25519 seed (RFC 8032 §5.1.5). The copy taken here is wiped; the caller wipes its own.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let mut seed = Zeroizing::new(seed);
        #[expect(
            clippy::expect_used,
            reason = "every 32-byte string is an Ed25519 seed; only other lengths fail"
        )]
        let keypair = Keypair::ed25519_from_bytes(seed.as_mut_slice()).expect("32 bytes are a seed");
        Self { keypair }
    }

    /// The identity that peers see and that the directory lists.
    pub fn identity(&self) -> PeerIdentity {
        #[expect(clippy::expect_used, reason = "from_seed builds nothing but Ed25519 keys")]
        PeerIdentity::from_peer_id(self.keypair.public().to_peer_id()).expect("an Ed25519 identity")
    }

    pub(crate) fn keypair(&self) -> &Keypair {
        &self.keypair
    }
}

impl fmt::Debug for TransportKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TransportKey({}, secret)", self.identity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_follows_the_seed() {
        let one = TransportKey::from_seed([1; 32]);
        assert_eq!(one.identity(), TransportKey::from_seed([1; 32]).identity());
        assert_ne!(one.identity(), TransportKey::from_seed([2; 32]).identity());
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", TransportKey::from_seed([0xab; 32]));
        assert!(text.contains("secret") && !text.to_lowercase().contains("abab"), "{text}");
    }
}
