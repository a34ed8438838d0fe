//! The four signed metadata files: building, signing, parsing, and the words for what is wrong with one. With
//! `verify.rs` the only place that names the TUF library's types; none of them leaves this crate.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::key::{SigningKey, VerifyingKey};
use chengxin_schemas::time::UnixTime;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tough::TargetName;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};
use tough::schema::{
    Hashes, Metafile, Role as TufRole, RoleKeys, RoleType, Root, Signature, Signed, Snapshot, Target,
    Targets, Timestamp,
};

use crate::error::TrustError;
use crate::limits;
use crate::name::{FileName, Role, TargetPath};

/// The specification this crate writes (TUF 1.0.34); readers compare the first number.
const SPECIFICATION: &str = "1.0.34";
/// Field of the root that names the federation. The fingerprint covers it.
const FEDERATION_FIELD: &str = "chengxin-federation";
/// Field of the timestamp that says when it was signed, in seconds since 1970: evidence can then not be older than
/// what it is said to prove.
const SIGNED_AT_FIELD: &str = "chengxin-signed-at";
const SNAPSHOT_FILE: &str = "snapshot.json";
const TARGETS_FILE: &str = "targets.json";

/// A target file as the signed list describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TargetFile {
    pub(crate) digest: Sha256,
    pub(crate) length: u64,
}

impl TargetFile {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { digest: Sha256::of(bytes), length: bytes.len() as u64 }
    }
}

/// What a root says, as far as this crate sets it.
pub(crate) struct RootContent<'a> {
    pub(crate) federation: &'a FederationId,
    pub(crate) version: u64,
    pub(crate) expires: UnixTime,
    pub(crate) root_keys: &'a [VerifyingKey],
    pub(crate) threshold: u64,
    pub(crate) targets_key: &'a VerifyingKey,
    pub(crate) snapshot_key: &'a VerifyingKey,
    pub(crate) timestamp_key: &'a VerifyingKey,
}

pub(crate) fn root_build(content: &RootContent<'_>) -> Result<Root, TrustError> {
    let mut keys = HashMap::new();
    let mut role = |holders: &[VerifyingKey], threshold: u64| -> Result<RoleKeys, TrustError> {
        let mut keyids = Vec::new();
        for holder in holders {
            let keyid = key_id(holder)?;
            keys.insert(keyid.clone(), tuf_key(holder));
            keyids.push(keyid);
        }
        Ok(RoleKeys { keyids, threshold: number(threshold)?, _extra: HashMap::new() })
    };
    let roles = HashMap::from([
        (RoleType::Root, role(content.root_keys, content.threshold)?),
        (RoleType::Targets, role(std::slice::from_ref(content.targets_key), 1)?),
        (RoleType::Snapshot, role(std::slice::from_ref(content.snapshot_key), 1)?),
        (RoleType::Timestamp, role(std::slice::from_ref(content.timestamp_key), 1)?),
    ]);
    Ok(Root {
        spec_version: SPECIFICATION.to_owned(),
        consistent_snapshot: true,
        version: number(content.version)?,
        expires: moment(content.expires)?,
        keys,
        roles,
        _extra: HashMap::from([(FEDERATION_FIELD.to_owned(), Value::from(content.federation.as_str()))]),
    })
}

pub(crate) fn targets_build(
    version: u64,
    expires: UnixTime,
    files: &BTreeMap<TargetPath, TargetFile>,
) -> Result<Targets, TrustError> {
    let mut targets = HashMap::with_capacity(files.len());
    for (path, file) in files {
        let name = TargetName::new(path.to_string()).map_err(|error| library(&error))?;
        let hashes = hashes(file.digest);
        targets.insert(
            name,
            Target { length: file.length, hashes, custom: HashMap::new(), _extra: HashMap::new() },
        );
    }
    let spec_version = SPECIFICATION.to_owned();
    let (version, expires) = (number(version)?, moment(expires)?);
    Ok(Targets { spec_version, version, expires, targets, delegations: None, _extra: HashMap::new() })
}

pub(crate) fn snapshot_build(
    version: u64,
    expires: UnixTime,
    targets: (u64, &[u8]),
) -> Result<Snapshot, TrustError> {
    let mut snapshot = Snapshot::new(SPECIFICATION.to_owned(), number(version)?, moment(expires)?);
    snapshot.meta.insert(TARGETS_FILE.to_owned(), reference(targets)?);
    Ok(snapshot)
}

pub(crate) fn timestamp_build(
    version: u64,
    expires: UnixTime,
    snapshot: (u64, &[u8]),
    now: UnixTime,
) -> Result<Timestamp, TrustError> {
    let mut timestamp = Timestamp::new(SPECIFICATION.to_owned(), number(version)?, moment(expires)?);
    timestamp.meta.insert(SNAPSHOT_FILE.to_owned(), reference(snapshot)?);
    timestamp._extra.insert(SIGNED_AT_FIELD.to_owned(), Value::from(now.0));
    Ok(timestamp)
}

/// Signs with each key and gives the value and the bytes of its file: canonical JSON, so the same content has the
/// same bytes wherever it is signed.
pub(crate) fn role_sign<T: TufRole>(
    role: T,
    keys: &[&SigningKey],
) -> Result<(Signed<T>, Vec<u8>), TrustError> {
    let message = role.canonical_form().map_err(|error| library(&error))?;
    let mut signatures = Vec::with_capacity(keys.len());
    for key in keys {
        signatures.push(Signature { keyid: key_id(key.public())?, sig: Decoded::from(key.sign(&message)) });
    }
    let signed = Signed { signed: role, signatures };
    let bytes = file_bytes(&signed)?;
    Ok((signed, bytes))
}

/// Canonical JSON of a signed file. The two members and the two fields of a signature stand in alphabetical order,
/// and their values are hexadecimal, so joining them needs no canonical writer of its own.
pub(crate) fn file_bytes<T: TufRole>(signed: &Signed<T>) -> Result<Vec<u8>, TrustError> {
    let signatures = serde_json::to_string(&signed.signatures).map_err(|error| library(&error))?;
    let mut bytes = format!(r#"{{"signatures":{signatures},"signed":"#).into_bytes();
    bytes.extend(signed.signed.canonical_form().map_err(|error| library(&error))?);
    bytes.push(b'}');
    Ok(bytes)
}

/// Parses without verifying anything.
pub(crate) fn role_parse<T: TufRole + DeserializeOwned>(
    role: Role,
    bytes: &[u8],
) -> Result<Signed<T>, TrustError> {
    serde_json::from_slice(bytes)
        .map_err(|error| TrustError::malformed(format!("{role} metadata"), error.to_string()))
}

/// Checks a file's signatures against a root.
pub(crate) fn role_verify<T: TufRole>(root: &Root, role: Role, signed: &Signed<T>) -> Result<(), TrustError> {
    root.verify_role(signed).map_err(|error| signature_error(role, &error))
}

/// The snapshot file that a timestamp names, with its digest where it gives one.
pub(crate) fn snapshot_named(timestamp: &Timestamp) -> Option<(u64, Option<Sha256>)> {
    timestamp.meta.get(SNAPSHOT_FILE).map(named)
}

/// The targets file that a snapshot names, with its digest where it gives one.
pub(crate) fn targets_named(snapshot: &Snapshot) -> Option<(u64, Option<Sha256>)> {
    snapshot.meta.get(TARGETS_FILE).map(named)
}

fn named(metafile: &Metafile) -> (u64, Option<Sha256>) {
    let digest = metafile.hashes.as_ref().and_then(|hashes| digest_of(&hashes.sha256));
    (metafile.version.get(), digest)
}

/// The files listed that this version understands. Paths that a file system or another client could read differently
/// are refused with the list.
pub(crate) fn target_files(targets: &Targets) -> Result<BTreeMap<TargetPath, TargetFile>, TrustError> {
    let mut files = BTreeMap::new();
    for (name, target) in &targets.targets {
        let Some(path) = TargetPath::parse(name.raw())? else { continue };
        let refuse = |reason: &str| TrustError::Entry { path: path.to_string(), reason: reason.to_owned() };
        let digest = digest_of(&target.hashes.sha256).ok_or_else(|| refuse("its SHA-256 is not 32 bytes"))?;
        if target.length > path.limit() as u64 {
            return Err(TrustError::OverLarge { what: path.to_string(), limit: path.limit() as u64 });
        }
        files.insert(path, TargetFile { digest, length: target.length });
    }
    let members = files.keys().filter(|path| matches!(path, TargetPath::Entry { .. })).count();
    if members > limits::MEMBERS_LIMIT {
        return Err(TrustError::TooMany { what: "members", actual: members, limit: limits::MEMBERS_LIMIT });
    }
    Ok(files)
}

/// The name under which a listed file is fetched and stored.
pub(crate) fn target_file_name(path: TargetPath, file: TargetFile) -> FileName {
    FileName::Target(path, file.digest)
}

/// The federation that a root belongs to.
pub(crate) fn root_federation(root: &Root) -> Result<FederationId, TrustError> {
    root._extra
        .get(FEDERATION_FIELD)
        .and_then(Value::as_str)
        .ok_or_else(|| TrustError::malformed("root metadata", "it does not name its federation"))?
        .parse()
        .map_err(TrustError::from)
}

/// When a timestamp says that it was signed.
pub(crate) fn timestamp_signed_at(timestamp: &Timestamp) -> Option<UnixTime> {
    timestamp._extra.get(SIGNED_AT_FIELD).and_then(Value::as_i64).map(UnixTime)
}

/// The expiry as this crate counts time. Fractions of a second are dropped: earlier is the safe side.
pub(crate) fn expires<T: TufRole>(role: &T) -> UnixTime {
    UnixTime(role.expires().as_second())
}

/// Whether a root names exactly this key for a role.
pub(crate) fn role_has_key(root: &Root, role: RoleType, key: &VerifyingKey) -> bool {
    root.keys(role).any(|held| *held == tuf_key(key))
}

/// Whether two roots name the same keys for timestamp and snapshot.
pub(crate) fn same_online_keys(one: &Root, other: &Root) -> bool {
    [RoleType::Timestamp, RoleType::Snapshot].into_iter().all(|role| one.keys(role).eq(other.keys(role)))
}

/// The Ed25519 keys a root names for a role, in its order.
pub(crate) fn role_keys(root: &Root, role: RoleType) -> Result<Vec<VerifyingKey>, TrustError> {
    root.keys(role)
        .map(|key| match key {
            Key::Ed25519 { keyval, .. } => <[u8; 32]>::try_from(keyval.public.as_ref())
                .map(VerifyingKey::from_ed25519)
                .map_err(|_| TrustError::malformed("root metadata", "a key is not 32 bytes")),
            Key::Rsa { .. } | Key::Ecdsa { .. } | Key::EcdsaOld { .. } => {
                Err(TrustError::malformed("root metadata", "a key is not an Ed25519 key"))
            }
        })
        .collect()
}

pub(crate) fn tuf_key(key: &VerifyingKey) -> Key {
    let public = Decoded::from(key.bytes().to_vec());
    Key::Ed25519 {
        keyval: Ed25519Key { public, _extra: HashMap::new() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: HashMap::new(),
    }
}

pub(crate) fn key_id(key: &VerifyingKey) -> Result<Decoded<Hex>, TrustError> {
    tuf_key(key).key_id().map_err(|error| library(&error))
}

/// Says which signature rule a file breaks.
pub(crate) fn signature_error(role: Role, error: &tough::schema::Error) -> TrustError {
    match error {
        tough::schema::Error::SignatureThreshold { valid, threshold, .. } => {
            TrustError::WronglySigned { role, valid: *valid, needed: *threshold }
        }
        tough::schema::Error::DuplicateKeyId { .. } => TrustError::DuplicateSignature { role },
        // The library's enum is open; whatever it adds is a reason to refuse.
        other => TrustError::malformed(format!("{role} metadata"), other.to_string()),
    }
}

pub(crate) fn library(error: &dyn std::fmt::Display) -> TrustError {
    TrustError::Verifier { reason: error.to_string() }
}

pub(crate) fn number(version: u64) -> Result<NonZeroU64, TrustError> {
    NonZeroU64::new(version)
        .ok_or_else(|| TrustError::Parameter { field: "version", reason: "versions begin with 1".to_owned() })
}

pub(crate) fn moment(time: UnixTime) -> Result<jiff::Timestamp, TrustError> {
    jiff::Timestamp::from_second(time.0).map_err(|_| TrustError::Parameter {
        field: "expiry",
        reason: "the time is beyond the calendar; check the clock".to_owned(),
    })
}

fn reference((version, bytes): (u64, &[u8])) -> Result<Metafile, TrustError> {
    Ok(Metafile {
        length: Some(bytes.len() as u64),
        hashes: Some(hashes(Sha256::of(bytes))),
        version: number(version)?,
        _extra: HashMap::new(),
    })
}

fn hashes(digest: Sha256) -> Hashes {
    Hashes { sha256: Decoded::from(digest.0.to_vec()), _extra: HashMap::new() }
}

fn digest_of(bytes: &[u8]) -> Option<Sha256> {
    <[u8; 32]>::try_from(bytes).ok().map(Sha256)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_signed_file_has_the_same_bytes_each_time_and_reads_back() {
        let key = SigningKey::from_seed(&Zeroizing::new([3; 32])).expect("seed");
        let build = || {
            let timestamp =
                timestamp_build(4, UnixTime(2_000_000_000), (7, b"snapshot"), UnixTime(5)).expect("built");
            role_sign(timestamp, &[&key]).expect("signed")
        };
        let ((signed, bytes), (_, again)) = (build(), build());
        assert_eq!(bytes, again);
        assert_eq!(role_parse::<Timestamp>(Role::Timestamp, &bytes).expect("parses"), signed);
        assert_eq!(snapshot_named(&signed.signed), Some((7, Some(Sha256::of(b"snapshot")))));
        assert_eq!(timestamp_signed_at(&signed.signed), Some(UnixTime(5)));
        assert_eq!(expires(&signed.signed), UnixTime(2_000_000_000));
    }

    proptest! {
        /// Target names are parsed by the library before any signature is checked.
        #[test]
        fn any_target_name_is_read_or_refused_without_panic(name in "[./a%\\\\ \\-]{0,12}|\\PC{0,20}") {
            let targets = serde_json::json!({
                "signatures": [],
                "signed": {
                    "_type": "targets", "spec_version": "1.0.34", "version": 1, "expires": "2030-01-01T00:00:00Z",
                    "targets": { name: { "length": 1, "hashes": { "sha256": "00" } } },
                },
            });
            if let Ok(targets) = role_parse::<Targets>(Role::Targets, targets.to_string().as_bytes()) {
                let _ = target_files(&targets.signed);
            }
        }

        #[test]
        fn any_bytes_are_metadata_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(role_parse::<Root>(Role::Root, &bytes).is_err());
            prop_assert!(role_parse::<Snapshot>(Role::Snapshot, &bytes).is_err());
            prop_assert!(role_parse::<Timestamp>(Role::Timestamp, &bytes).is_err());
        }
    }
}
