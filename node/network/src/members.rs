//! The allow list: the members of the verified directory, as far as the transport has to know them.

use std::collections::HashMap;

use crate::address::{PeerAddress, PeerIdentity};
use crate::error::NetworkError;

/// Most members in one allow list; a region has some 3,000 agencies, a national list some tens of thousands.
pub const MEMBERS_MAX: usize = 65_536;

/// Most addresses of one member; more would only make an unreachable member slow to give up on.
pub const MEMBER_ADDRESSES_MAX: usize = 8;

/// One transport identity of a member. A body that rotates its transport key has two entries for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who has to answer at the addresses: another key there is refused.
    pub identity: PeerIdentity,
    /// Where it can be dialled; may be empty for a member that only dials out.
    pub addresses: Vec<PeerAddress>,
    /// What logs call it: the agency code (统一社会信用代码).
    pub label: String,
}

/// Every identity that may connect, replaced as a whole when the directory changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    by_identity: HashMap<PeerIdentity, Member>,
}

impl Members {
    /// The allow list of these members.
    ///
    /// # Errors
    /// [`NetworkError::Members`] when an identity stands twice (two bodies claim one key: nobody can say who calls),
    /// or when there are more than [`MEMBERS_MAX`] members or [`MEMBER_ADDRESSES_MAX`] addresses of one.
    pub fn new(members: impl IntoIterator<Item = Member>) -> Result<Self, NetworkError> {
        let mut by_identity = HashMap::new();
        for member in members {
            if member.addresses.len() > MEMBER_ADDRESSES_MAX {
                return Err(NetworkError::Members {
                    reason: format!("{} has more than {MEMBER_ADDRESSES_MAX} addresses", member.label),
                });
            }
            if by_identity.len() >= MEMBERS_MAX {
                return Err(NetworkError::Members { reason: format!("there are more than {MEMBERS_MAX}") });
            }
            let (identity, label) = (member.identity, member.label.clone());
            if let Some(other) = by_identity.insert(identity, member) {
                return Err(NetworkError::Members {
                    reason: format!("{} and {label} have the same identity {identity}", other.label),
                });
            }
        }
        Ok(Self { by_identity })
    }

    /// The member with this identity.
    pub fn member(&self, identity: &PeerIdentity) -> Option<&Member> {
        self.by_identity.get(identity)
    }

    /// All members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_identity.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TransportKey;

    #[test]
    fn one_identity_is_one_member() {
        let identity = TransportKey::from_seed([1; 32]).identity();
        let member = |label: &str| Member { identity, addresses: Vec::new(), label: label.into() };
        assert!(Members::new([member("A")]).unwrap().member(&identity).is_some());
        let error = Members::new([member("A"), member("B")]).unwrap_err().to_string();
        assert!(error.contains("A and B"), "{error}");
    }

    #[test]
    fn addresses_of_a_member_are_limited() {
        let identity = TransportKey::from_seed([1; 32]).identity();
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap(); MEMBER_ADDRESSES_MAX + 1];
        assert!(Members::new([Member { identity, addresses, label: "A".into() }]).is_err());
    }
}
