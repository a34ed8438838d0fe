//! Changing the root of trust: other holders, other thresholds, other online keys, a later expiry. The draft goes from
//! holder to holder, on a memory stick if need be, until enough have signed it.

use chengxin_schemas::key::{SigningKey, VerifyingKey};
use chengxin_schemas::time::UnixTime;
use tough::schema::{RoleType, Root, Signature, Signed};

use crate::error::TrustError;
use crate::limits::ROOT_KEYS_LIMIT;
use crate::metadata::{self, RootContent};
use crate::name::Role;

/// What is to change; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct RootChange {
    /// The holders from now on and how many of them a change takes.
    pub holders: Option<(Vec<VerifyingKey>, usize)>,
    /// The key that signs the list of members and contents.
    pub targets_key: Option<VerifyingKey>,
    /// The key that signs the snapshot.
    pub snapshot_key: Option<VerifyingKey>,
    /// The key that signs the timestamp.
    pub timestamp_key: Option<VerifyingKey>,
}

/// A new root on its way through the holders' hands: the very file it will be, with the signatures so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootDraft {
    bytes: Vec<u8>,
}

impl RootDraft {
    /// The draft of the root after `current` (the bytes of the root file in force).
    pub fn begin(current: &[u8], change: &RootChange, expires: UnixTime) -> Result<Self, TrustError> {
        let current = metadata::role_parse::<Root>(Role::Root, current)?.signed;
        let one = |role: RoleType, changed: Option<VerifyingKey>| -> Result<VerifyingKey, TrustError> {
            let held = metadata::role_keys(&current, role)?;
            changed
                .or_else(|| held.first().copied())
                .ok_or_else(|| TrustError::malformed("root metadata", format!("it names no key for {role}")))
        };
        let held_threshold = current.roles.get(&RoleType::Root).map_or(1, |role| role.threshold.get());
        let (root_keys, threshold) = match &change.holders {
            Some((keys, threshold)) => (keys.clone(), *threshold as u64),
            None => (metadata::role_keys(&current, RoleType::Root)?, held_threshold),
        };
        let online = [
            one(RoleType::Targets, change.targets_key)?,
            one(RoleType::Snapshot, change.snapshot_key)?,
            one(RoleType::Timestamp, change.timestamp_key)?,
        ];
        holders_check(&root_keys, threshold, &online)?;
        let [targets_key, snapshot_key, timestamp_key] = &online;
        let root = metadata::root_build(&RootContent {
            federation: &metadata::root_federation(&current)?,
            version: current.version.get().saturating_add(1),
            expires,
            root_keys: &root_keys,
            threshold,
            targets_key,
            snapshot_key,
            timestamp_key,
        })?;
        let (_, bytes) = metadata::role_sign(root, &[])?;
        Ok(Self { bytes })
    }

    /// The draft in a file that another holder passed on. Nothing about it is verified: publishing does that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > Role::Root.limit() {
            return Err(TrustError::OverLarge {
                what: "root draft".to_owned(),
                limit: Role::Root.limit() as u64,
            });
        }
        let signed = metadata::role_parse::<Root>(Role::Root, bytes)?;
        Ok(Self { bytes: metadata::file_bytes(&signed)? })
    }

    /// The draft as a file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a holder's signature; a second one by the same key replaces the first. Holders of the root in force and of
    /// the new one both sign, since both thresholds have to be met.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), TrustError> {
        let signed = metadata::role_parse::<Root>(Role::Root, &self.bytes)?;
        let (addition, _) = metadata::role_sign(signed.signed.clone(), &[key])?;
        let keyid = metadata::key_id(key.public())?;
        let mut signatures: Vec<Signature> =
            signed.signatures.into_iter().filter(|signature| signature.keyid != keyid).collect();
        signatures.extend(addition.signatures);
        if signatures.len() > ROOT_KEYS_LIMIT * 2 {
            return Err(TrustError::TooMany {
                what: "signatures on the root draft",
                actual: signatures.len(),
                limit: ROOT_KEYS_LIMIT * 2,
            });
        }
        self.bytes = metadata::file_bytes(&Signed { signed: signed.signed, signatures })?;
        Ok(())
    }
}

fn holders_check(keys: &[VerifyingKey], threshold: u64, online: &[VerifyingKey]) -> Result<(), TrustError> {
    let refuse = |reason: &str| Err(TrustError::Parameter { field: "holders", reason: reason.to_owned() });
    if keys.is_empty() || keys.len() > ROOT_KEYS_LIMIT {
        return refuse("1 to 32 holders are needed; 3 to 5 are usual");
    }
    if threshold == 0 || threshold > keys.len() as u64 {
        return refuse("the threshold must lie between 1 and the number of holders");
    }
    let all: Vec<&VerifyingKey> = keys.iter().chain(online).collect();
    let repeated = all.iter().enumerate().any(|(place, key)| all[..place].contains(key));
    if repeated {
        return refuse("each holder and each role needs a key of its own; the same key was given twice");
    }
    Ok(())
}
