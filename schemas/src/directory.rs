//! A member's entry in the signed directory: who it is, what it does, with which keys it speaks.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::error::SchemaError;
use crate::federation::FunctionCode;
use crate::key::{KeyId, VerifyingKey};
use crate::region::RegionCode;
use crate::seal::SealRecipient;
use crate::time::UnixTime;

/// Most keys of one kind an entry may list; rotation needs two at a time.
pub const KEYS_LIMIT: usize = 8;
/// Most addresses of an entry.
pub const ADDRESSES_LIMIT: usize = 8;
/// Longest address of an entry, in bytes.
pub const ADDRESS_LENGTH_LIMIT: usize = 256;
/// Most functions of an entry.
pub const FUNCTIONS_LIMIT: usize = 64;

/// A directory entry, version 1. Only entries that arrived through verified metadata count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectoryEntry {
    /// Always `chengxin/directory-entry/v1`.
    pub schema: DirectoryEntrySchema,
    /// The member.
    pub agency: AgencyCode,
    /// Its official name, for people.
    pub name: String,
    /// The region it serves.
    pub region: RegionCode,
    /// What it does by law; entitlements hang on these.
    pub functions: Vec<FunctionCode>,
    /// Whether its node issues members and rules (a coordinator's node).
    pub coordinator: bool,
    /// The league or city for which this member's coordinators publish the overlay: its own region. Absent for a member
    /// that publishes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay_region: Option<RegionCode>,
    /// Keys that sign records, answers, requests, notices and receipts.
    pub signing_keys: Vec<TimedKey>,
    /// age recipients (X25519, `age1…`) of the node.
    pub age_node_recipient: String,
    /// age recipient of the agency's offline recovery key.
    pub age_recovery_recipient: String,
    /// libp2p peer id of the node's transport key, in its text form.
    pub transport_identity: String,
    /// Addresses (multiaddr text) where the node listens.
    pub addresses: Vec<String>,
    /// Verifier key (C2SP signed-note vkey) of the node's audit log; its origin is the key name.
    pub audit_log_key: String,
    /// Highest wire protocol version the node speaks.
    pub protocol: u16,
}

/// The version tag of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum DirectoryEntrySchema {
    /// Version 1.
    #[serde(rename = "chengxin/directory-entry/v1")]
    V1,
}

/// A key with its validity window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedKey {
    /// The public key.
    pub jwk: VerifyingKey,
    /// Signatures made before this time do not count.
    pub not_before: UnixTime,
    /// Signatures made after this time do not count; absent while the key is current.
    pub not_after: Option<UnixTime>,
}

impl DirectoryEntry {
    /// The signing key named `key_id`, if it is valid for something signed at `signed_at`.
    pub fn signing_key_at(&self, key_id: &KeyId, signed_at: UnixTime) -> Result<&VerifyingKey, SchemaError> {
        let timed =
            self.signing_keys.iter().find(|timed| timed.jwk.key_id() == *key_id).ok_or_else(|| {
                SchemaError::Integrity {
                    form: "signature",
                    reason: "the key is not in the signer's directory entry".to_owned(),
                }
            })?;
        let too_early = signed_at < timed.not_before;
        let too_late = timed.not_after.is_some_and(|end| signed_at > end);
        if too_early || too_late {
            // A young key and a clock that is behind look the same.
            let reason = if too_early {
                "the signer's key was not valid yet at the time of signing; compare the signer's clock with a time server"
            } else {
                "the signer's key is not valid at the time of signing"
            };
            return Err(SchemaError::Expired { form: "signature", reason: reason.to_owned() });
        }
        Ok(&timed.jwk)
    }

    /// The keys to seal to so that the member can open: its node's and its offline recovery key. Errors if one is not
    /// an age recipient, or both are the same, which would leave nothing to recover with.
    pub fn seal_recipients(&self) -> Result<Vec<SealRecipient>, SchemaError> {
        let node: SealRecipient = self.age_node_recipient.parse()?;
        let recovery: SealRecipient = self.age_recovery_recipient.parse()?;
        if node == recovery {
            return Err(SchemaError::field(
                "age_recovery_recipient",
                "the same key as the node's",
                "make a recovery key and keep it offline",
            ));
        }
        Ok(vec![node, recovery])
    }

    /// Checks what the type cannot: counts and lengths.
    pub fn check_limits(&self) -> Result<(), SchemaError> {
        for (what, actual, limit) in [
            ("signing_keys", self.signing_keys.len(), KEYS_LIMIT),
            ("addresses", self.addresses.len(), ADDRESSES_LIMIT),
            ("functions", self.functions.len(), FUNCTIONS_LIMIT),
        ] {
            if actual > limit {
                return Err(SchemaError::TooLarge { what, unit: "items", actual, limit });
            }
        }
        if let Some(longest) =
            self.addresses.iter().map(String::len).max().filter(|length| *length > ADDRESS_LENGTH_LIMIT)
        {
            return Err(SchemaError::TooLarge {
                what: "addresses",
                unit: "bytes",
                actual: longest,
                limit: ADDRESS_LENGTH_LIMIT,
            });
        }
        if self.overlay_region.is_some_and(|region| !region.is_league_or_city() || region != self.region) {
            return Err(SchemaError::field(
                "overlay_region",
                "not the member's own region, or not that of a league or city",
                "delegate to the body that serves the whole league or city",
            ));
        }
        if self.signing_keys.is_empty() {
            return Err(SchemaError::field("signing_keys", "empty", "a member signs with at least one key"));
        }
        let name_length = self.name.chars().count();
        if !(1..=200).contains(&name_length) || self.name.chars().any(char::is_control) {
            return Err(SchemaError::field(
                "name",
                "1 to 200 visible characters are needed",
                "give the body's official name",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::messages::issuer_entry;

    #[test]
    fn limits_hold() {
        let refused = |change: &dyn Fn(&mut DirectoryEntry)| {
            let mut entry = issuer_entry();
            change(&mut entry);
            entry.check_limits().is_err()
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|entry| entry.signing_keys.clear()));
        assert!(refused(&|entry| entry.signing_keys = vec![entry.signing_keys[0].clone(); KEYS_LIMIT + 1]));
        assert!(refused(&|entry| entry.addresses = vec![String::new(); ADDRESSES_LIMIT + 1]));
        assert!(refused(&|entry| entry.addresses = vec!["x".repeat(ADDRESS_LENGTH_LIMIT + 1)]));
        assert!(refused(&|entry| entry.functions = vec![entry.functions[0].clone(); FUNCTIONS_LIMIT + 1]));
        let region = |text: &str| RegionCode::parse(text).ok();
        let whole = |entry: &mut DirectoryEntry, code| {
            entry.region = region("150100").expect("region");
            entry.overlay_region = region(code);
        };
        assert!(!refused(&|entry| whole(entry, "150100")));
        assert!(refused(&|entry| whole(entry, "150200")));
        assert!(refused(&|entry| {
            entry.region = region("150102").expect("region");
            entry.overlay_region = region("150102");
        }));
        assert!(refused(&|entry| entry.name = String::new()));
        assert!(refused(&|entry| entry.name = "a\tb".into()));
    }

    #[test]
    fn both_keys_to_seal_to_are_there_and_differ() {
        assert_eq!(issuer_entry().seal_recipients().expect("recipients").len(), 2);
        let mut entry = issuer_entry();
        entry.age_recovery_recipient = entry.age_node_recipient.clone();
        assert!(entry.seal_recipients().is_err());
        entry.age_recovery_recipient = "age1".into();
        assert!(entry.seal_recipients().is_err());
    }
}
