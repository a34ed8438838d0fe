//! One generation of the three files that a coordinator's node signs online: targets, snapshot, timestamp.

use std::collections::BTreeMap;

use chengxin_schemas::time::UnixTime;

use crate::editor::{Lifetimes, OnlineKeys};
use crate::error::TrustError;
use crate::limits::TARGETS_LIMIT;
use crate::metadata::{self, TargetFile};
use crate::name::{FileName, TargetPath};

/// Versions of the three files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GenerationVersions {
    pub(crate) targets: u64,
    pub(crate) snapshot: u64,
    pub(crate) timestamp: u64,
}

impl GenerationVersions {
    pub(crate) const FIRST: Self = Self { targets: 1, snapshot: 1, timestamp: 1 };
}

/// A signed file with what has to be known of it later.
#[derive(Clone)]
pub(crate) struct SignedFile {
    pub(crate) version: u64,
    pub(crate) expires: UnixTime,
    pub(crate) bytes: Vec<u8>,
}

/// The three files, consistent with each other.
#[derive(Clone)]
pub(crate) struct Generation {
    pub(crate) targets: SignedFile,
    pub(crate) snapshot: SignedFile,
    pub(crate) timestamp: SignedFile,
}

impl Generation {
    /// Signs all three.
    pub(crate) fn sign_all(
        files: &BTreeMap<TargetPath, TargetFile>,
        versions: GenerationVersions,
        keys: &OnlineKeys,
        lifetimes: &Lifetimes,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        let expires = now.plus(lifetimes.targets);
        let role = metadata::targets_build(versions.targets, expires, files)?;
        let (_, bytes) = metadata::role_sign(role, &[&keys.targets])?;
        if bytes.len() > TARGETS_LIMIT {
            return Err(TrustError::OverLarge {
                what: "targets metadata".to_owned(),
                limit: TARGETS_LIMIT as u64,
            });
        }
        let targets = SignedFile { version: versions.targets, expires, bytes };
        Self::sign_over(targets, versions, keys, lifetimes, now)
    }

    /// Signs snapshot and timestamp over a targets file that stays.
    pub(crate) fn sign_over(
        targets: SignedFile,
        versions: GenerationVersions,
        keys: &OnlineKeys,
        lifetimes: &Lifetimes,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        let expires = now.plus(lifetimes.snapshot);
        let role = metadata::snapshot_build(versions.snapshot, expires, (targets.version, &targets.bytes))?;
        let (_, bytes) = metadata::role_sign(role, &[&keys.snapshot])?;
        let snapshot = SignedFile { version: versions.snapshot, expires, bytes };
        let timestamp = timestamp_sign(&snapshot, versions.timestamp, keys, lifetimes, now)?;
        Ok(Self { targets, snapshot, timestamp })
    }

    /// Signs the timestamp alone again.
    pub(crate) fn sign_timestamp(
        &self,
        version: u64,
        keys: &OnlineKeys,
        lifetimes: &Lifetimes,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        let timestamp = timestamp_sign(&self.snapshot, version, keys, lifetimes, now)?;
        Ok(Self { targets: self.targets.clone(), snapshot: self.snapshot.clone(), timestamp })
    }

    pub(crate) fn versions(&self) -> GenerationVersions {
        GenerationVersions {
            targets: self.targets.version,
            snapshot: self.snapshot.version,
            timestamp: self.timestamp.version,
        }
    }

    /// The files that lie on disk before the timestamp names them.
    pub(crate) fn numbered_files(&self) -> [(FileName, &[u8]); 2] {
        [
            (FileName::Targets(self.targets.version), &self.targets.bytes),
            (FileName::Snapshot(self.snapshot.version), &self.snapshot.bytes),
        ]
    }

    pub(crate) fn timestamp_bytes(&self) -> &[u8] {
        &self.timestamp.bytes
    }
}

fn timestamp_sign(
    snapshot: &SignedFile,
    version: u64,
    keys: &OnlineKeys,
    lifetimes: &Lifetimes,
    now: UnixTime,
) -> Result<SignedFile, TrustError> {
    let expires = now.plus(lifetimes.timestamp);
    let role = metadata::timestamp_build(version, expires, (snapshot.version, &snapshot.bytes), now)?;
    let (_, bytes) = metadata::role_sign(role, &[&keys.timestamp])?;
    Ok(SignedFile { version, expires, bytes })
}

#[cfg(test)]
mod tests {
    use chengxin_schemas::key::SigningKey;
    use zeroize::Zeroizing;

    use super::*;
    use crate::limits::MEMBERS_LIMIT;
    use crate::name::ContentName;

    /// The limit on members is what the limit on the list's length allows, with room for contents.
    #[test]
    fn the_list_of_the_most_members_fits_a_frame() {
        let key = |seed| SigningKey::from_seed(&Zeroizing::new([seed; 32])).expect("any seed");
        let keys = OnlineKeys { targets: key(1), snapshot: key(2), timestamp: key(3) };
        let agencies = (0_u32..).flat_map(|number| {
            "0123456789ABCDEFGHJKLMNPQRTUWXY"
                .chars()
                .filter_map(move |check| format!("11150100{number:09}{check}").parse().ok())
        });
        let file = TargetFile { digest: chengxin_schemas::digest::Sha256::of(b""), length: 60_000 };
        let region = "150100".parse().expect("region");
        let mut files: BTreeMap<TargetPath, TargetFile> =
            agencies.take(MEMBERS_LIMIT).map(|agency| (TargetPath::Entry { region, agency }, file)).collect();
        assert_eq!(files.len(), MEMBERS_LIMIT);
        files.extend((2000..2100).map(|year| (TargetPath::Content(ContentName::Calendar(year)), file)));
        let now = UnixTime(1_795_334_400);
        let signed =
            Generation::sign_all(&files, GenerationVersions::FIRST, &keys, &Lifetimes::default(), now);
        let length = signed.expect("fits").targets.bytes.len();
        assert!(length * 10 < TARGETS_LIMIT * 9, "{length} bytes leave less than a tenth of the limit");
    }
}
