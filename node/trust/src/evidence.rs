//! Evidence for strangers: which keys an agency had at a time, checked offline with nothing but the fingerprint of the
//! federation's first root.
//!
//! A bundle is the federation's own files, verbatim: all roots, timestamp, snapshot, targets, and the entries asked for.
//! What it proves: at the time the timestamp names (and until it expires, and the grace after it), these entries were in
//! force. What it does not: that nothing newer existed within that span. The list of all members is part of it, since it
//! is one signed file; about 150 bytes a member.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::directory::{DirectoryVersions, Freshness, VerifiedDirectory};
use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::gather::blocking;
use crate::limits::{
    CLOCK_TOLERANCE_SECONDS, EVIDENCE_ENTRIES_LIMIT, EVIDENCE_LIMIT, GRACE_SECONDS, ROOT_VERSIONS_LIMIT,
};
use crate::metadata::{self, TargetFile, target_file_name};
use crate::name::{FileName, Role, TargetPath};
use crate::store::{TrustStore, fingerprint_check, root_step};
use crate::verify::{Gathered, first_root_check, metadata_verify};

/// The files of a proof; untrusted until [`evidence_verify`] has passed them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBundle {
    schema: EvidenceSchema,
    /// Roots from version 1 on.
    roots: Vec<String>,
    timestamp: String,
    snapshot: String,
    targets: String,
    /// Entries by their path in the directory.
    entries: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum EvidenceSchema {
    #[serde(rename = "chengxin/directory-evidence/v1")]
    V1,
}

impl EvidenceBundle {
    /// The bundle as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, TrustError> {
        let bytes = serde_json::to_vec(self).map_err(|error| metadata::library(&error))?;
        length_check(bytes.len())?;
        Ok(bytes)
    }

    /// The bundle of a JSON text of at most [`EVIDENCE_LIMIT`] bytes.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustError> {
        length_check(bytes.len())?;
        serde_json::from_slice(bytes)
            .map_err(|error| TrustError::malformed("directory evidence", error.to_string()))
    }
}

fn length_check(length: usize) -> Result<(), TrustError> {
    if length > EVIDENCE_LIMIT {
        return Err(TrustError::OverLarge {
            what: "directory evidence".into(),
            limit: EVIDENCE_LIMIT as u64,
        });
    }
    Ok(())
}

/// Entries that were in force, by verified evidence.
#[derive(Debug)]
pub struct VerifiedEvidence {
    directory: VerifiedDirectory,
    members: BTreeSet<AgencyCode>,
}

impl VerifiedEvidence {
    /// The federation.
    pub fn federation(&self) -> &FederationId {
        self.directory.federation()
    }

    /// The entry of an agency, if it is part of the evidence.
    pub fn entry(&self, agency: &AgencyCode) -> Option<&DirectoryEntry> {
        self.directory.entry(agency)
    }

    /// All entries of the evidence.
    pub fn entries(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.directory.entries()
    }

    /// All members at that time, those without an entry in the evidence included: the signed list names them all.
    pub fn members(&self) -> &BTreeSet<AgencyCode> {
        &self.members
    }

    /// Versions of the metadata.
    pub fn versions(&self) -> DirectoryVersions {
        self.directory.versions()
    }

    /// When the evidence was signed by a coordinator's node.
    pub fn signed_at(&self) -> Option<UnixTime> {
        self.directory.signed_at()
    }

    /// Whether the evidence was current at a time, or only within the grace.
    pub fn freshness(&self, at: UnixTime) -> Freshness {
        self.directory.freshness(at)
    }
}

impl TrustStore {
    /// The evidence for `agencies` as this node holds it now.
    pub async fn evidence_export(&self, agencies: &[AgencyCode]) -> Result<EvidenceBundle, TrustError> {
        if agencies.len() > EVIDENCE_ENTRIES_LIMIT {
            return Err(TrustError::TooMany {
                what: "agencies in one evidence bundle",
                actual: agencies.len(),
                limit: EVIDENCE_ENTRIES_LIMIT,
            });
        }
        let (directory, timestamp) = self.directory_and_timestamp()?;
        let versions = directory.versions();
        let mut wanted = BTreeMap::new();
        for agency in agencies {
            let entry = directory
                .entry(agency)
                .ok_or_else(|| TrustError::NotMember { agency: agency.to_string() })?;
            let path = crate::directory::entry_path(entry);
            let file =
                directory.files().get(&path).ok_or_else(|| TrustError::Missing { file: path.to_string() })?;
            wanted.insert(path.to_string(), target_file_name(path, *file));
        }
        let folder = self.folder().clone();
        blocking(move || {
            let text = |name: FileName| {
                let bytes = folder
                    .read(name, name.limit())?
                    .ok_or_else(|| TrustError::Missing { file: name.to_string() })?;
                text_of(bytes, name)
            };
            Ok(EvidenceBundle {
                schema: EvidenceSchema::V1,
                roots: (1..=versions.root)
                    .map(|version| text(FileName::Root(version)))
                    .collect::<Result<_, _>>()?,
                timestamp: text_of(timestamp.to_vec(), FileName::Timestamp)?,
                snapshot: text(FileName::Snapshot(versions.snapshot))?,
                targets: text(FileName::Targets(versions.directory))?,
                entries: wanted.into_iter().map(|(path, name)| Ok((path, text(name)?))).collect::<Result<
                    _,
                    TrustError,
                >>(
                )?,
            })
        })
        .await
    }
}

fn text_of(bytes: Vec<u8>, name: FileName) -> Result<String, TrustError> {
    String::from_utf8(bytes).map_err(|_| TrustError::malformed(name.to_string(), "it is not text"))
}

/// Verifies evidence for the time `at` (the time of the certificate that it supports): everything a node verifies in a
/// refresh, except that there is no memory of other versions. Async only because the verifying library is.
pub async fn evidence_verify(
    bundle: &EvidenceBundle,
    fingerprint: RootFingerprint,
    at: UnixTime,
) -> Result<VerifiedEvidence, TrustError> {
    let first =
        bundle.roots.first().ok_or_else(|| TrustError::Missing { file: FileName::Root(1).to_string() })?;
    counts_check(bundle)?;
    fingerprint_check(fingerprint, first.as_bytes())?;
    let mut root = first_root_check(first.as_bytes())?;
    for (version, bytes) in (2..).zip(bundle.roots.iter().skip(1)) {
        root = root_step(&root, version, bytes.as_bytes())?;
    }
    let verified = metadata_verify(first.as_bytes(), gathered_of(bundle)?, None).await?;
    let listed = metadata::target_files(verified.targets())?;
    let mut contents = BTreeMap::new();
    let mut files = BTreeMap::new();
    for (text, content) in &bundle.entries {
        let path = TargetPath::parse(text)?.filter(|path| matches!(path, TargetPath::Entry { .. }));
        let mixed_up = || TrustError::MixedUp { file: "an entry of the evidence".to_owned() };
        let path = path.ok_or_else(mixed_up)?;
        let file = listed.get(&path).copied().ok_or_else(mixed_up)?;
        if TargetFile::of(content.as_bytes()) != file {
            return Err(TrustError::MixedUp { file: path.to_string() });
        }
        files.insert(path, file);
        contents.insert(path, Bytes::copy_from_slice(content.as_bytes()));
    }
    let directory = VerifiedDirectory::build(&verified, files, |path| {
        contents.get(&path).cloned().ok_or_else(|| TrustError::Missing { file: path.to_string() })
    })?;
    time_check(&directory, at)?;
    let member = |path: &TargetPath| match path {
        TargetPath::Entry { agency, .. } => Some(*agency),
        TargetPath::Content(_) => None,
    };
    Ok(VerifiedEvidence { directory, members: listed.keys().filter_map(member).collect() })
}

fn counts_check(bundle: &EvidenceBundle) -> Result<(), TrustError> {
    let roots = usize::try_from(ROOT_VERSIONS_LIMIT).unwrap_or(usize::MAX);
    for (what, actual, limit) in [
        ("roots of evidence", bundle.roots.len(), roots),
        ("entries of evidence", bundle.entries.len(), EVIDENCE_ENTRIES_LIMIT),
    ] {
        if actual > limit {
            return Err(TrustError::TooMany { what, actual, limit });
        }
    }
    Ok(())
}

fn gathered_of(bundle: &EvidenceBundle) -> Result<Gathered, TrustError> {
    let mut gathered = Gathered::default();
    for (version, root) in (1..).zip(&bundle.roots) {
        gathered.insert(FileName::Root(version), Bytes::copy_from_slice(root.as_bytes()));
    }
    let bytes = |text: &String| Bytes::copy_from_slice(text.as_bytes());
    // The library asks for the versions that the signed files name, so files under other names are never read.
    let timestamp =
        metadata::role_parse::<tough::schema::Timestamp>(Role::Timestamp, bundle.timestamp.as_bytes())?;
    let snapshot =
        metadata::role_parse::<tough::schema::Snapshot>(Role::Snapshot, bundle.snapshot.as_bytes())?;
    gathered.insert(FileName::Timestamp, bytes(&bundle.timestamp));
    if let Some((version, _)) = metadata::snapshot_named(&timestamp.signed) {
        gathered.insert(FileName::Snapshot(version), bytes(&bundle.snapshot));
    }
    if let Some((version, _)) = metadata::targets_named(&snapshot.signed) {
        gathered.insert(FileName::Targets(version), bytes(&bundle.targets));
    }
    Ok(gathered)
}

/// The time lies between the signature and the end of the grace.
fn time_check(directory: &VerifiedDirectory, at: UnixTime) -> Result<(), TrustError> {
    let since = directory.expires();
    if at >= since.plus(GRACE_SECONDS) {
        return Err(TrustError::GraceOver { since });
    }
    match directory.signed_at() {
        Some(signed_at) if at.plus(CLOCK_TOLERANCE_SECONDS) >= signed_at => Ok(()),
        Some(signed_at) => Err(TrustError::EvidenceTooNew { signed_at }),
        None => Err(TrustError::malformed("timestamp metadata", "it does not say when it was signed")),
    }
}
