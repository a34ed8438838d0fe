//! The verified directory: who is a member, with which keys. Only verification builds one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FederationId;
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::UnixTime;

use crate::error::TrustError;
use crate::limits::GRACE_SECONDS;
use crate::metadata::{self, TargetFile};
use crate::name::{ContentName, Role, TargetPath};
use crate::verify::VerifiedMetadata;

/// Members and contents as the federation's keys signed them. Holding one means: the roots lead from the pinned
/// fingerprint to the present keys, all signatures, versions, lengths and hashes hold, and every entry keeps the
/// directory's rules. It does not mean that it is still current: ask [`VerifiedDirectory::freshness`].
#[derive(Debug)]
pub struct VerifiedDirectory {
    federation: FederationId,
    members: Members,
    contents: BTreeMap<ContentName, Bytes>,
    files: BTreeMap<TargetPath, TargetFile>,
    versions: DirectoryVersions,
    expires: UnixTime,
    expires_first: Role,
    signed_at: Option<UnixTime>,
}

/// Versions of the metadata behind a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirectoryVersions {
    /// The root of trust.
    pub root: u64,
    /// The timestamp; the one that moves most often.
    pub timestamp: u64,
    /// The snapshot.
    pub snapshot: u64,
    /// The list of members and contents.
    pub directory: u64,
}

/// How far a directory may be relied on at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// Within its validity.
    Current,
    /// Past its expiry, within the grace: what is known may be used, every answer says so, nothing new is accepted.
    Grace {
        /// The last moment of the grace.
        until: UnixTime,
    },
    /// Past the grace: nothing may rest on it.
    Expired,
}

impl VerifiedDirectory {
    /// Builds the directory from verified metadata and the files it lists; `file` must give the bytes that were
    /// checked against length and digest.
    pub(crate) fn build(
        verified: &VerifiedMetadata,
        files: BTreeMap<TargetPath, TargetFile>,
        mut file: impl FnMut(TargetPath) -> Result<Bytes, TrustError>,
    ) -> Result<Self, TrustError> {
        let mut members = Members::default();
        let mut contents = BTreeMap::new();
        for path in files.keys().copied() {
            let bytes = file(path)?;
            match path {
                TargetPath::Entry { .. } => members.insert(path, &bytes)?,
                TargetPath::Content(name) => {
                    contents.insert(name, bytes);
                }
            }
        }
        let versions = DirectoryVersions {
            root: verified.root().version.get(),
            timestamp: verified.timestamp().version.get(),
            snapshot: verified.snapshot().version.get(),
            directory: verified.targets().version.get(),
        };
        let [first, rest @ ..] = verified.expiries();
        let (expires_first, expires) =
            rest.into_iter().fold(first, |least, other| if other.1 < least.1 { other } else { least });
        Ok(Self {
            federation: metadata::root_federation(verified.root())?,
            members,
            contents,
            files,
            versions,
            expires,
            expires_first,
            signed_at: metadata::timestamp_signed_at(verified.timestamp()),
        })
    }

    /// The federation.
    pub fn federation(&self) -> &FederationId {
        &self.federation
    }

    /// All members in the order of their codes.
    pub fn entries(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.members.by_agency.values()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.by_agency.len()
    }

    /// Whether there is no member; never so for a federation founded by this crate.
    pub fn is_empty(&self) -> bool {
        self.members.by_agency.is_empty()
    }

    /// A member's entry.
    pub fn entry(&self, agency: &AgencyCode) -> Option<&DirectoryEntry> {
        self.members.by_agency.get(agency)
    }

    /// The member whose node proves this transport identity (libp2p peer id as text).
    pub fn by_transport_identity(&self, identity: &str) -> Option<&DirectoryEntry> {
        self.members.by_identity.get(identity).and_then(|agency| self.entry(agency))
    }

    /// Members whose nodes issue members and rules.
    pub fn coordinators(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.entries().filter(|entry| entry.coordinator)
    }

    /// The member whose coordinators publish the overlay of a league or city.
    pub fn delegates(&self, region: RegionCode) -> impl Iterator<Item = &DirectoryEntry> {
        self.entries().filter(move |entry| entry.overlay_region == Some(region))
    }

    /// Leagues and cities of which something is published as an overlay.
    pub fn overlay_regions(&self) -> impl Iterator<Item = RegionCode> {
        let regions: BTreeSet<RegionCode> = self
            .contents
            .keys()
            .filter_map(|name| match name {
                ContentName::Policy(PolicyScope::Region(region), _) => Some(*region),
                ContentName::Policy(PolicyScope::Federation, _) | ContentName::Calendar(_) => None,
            })
            .collect();
        regions.into_iter()
    }

    /// Versions of the metadata.
    pub fn versions(&self) -> DirectoryVersions {
        self.versions
    }

    /// Version of the list of members and contents.
    pub fn version(&self) -> u64 {
        self.versions.directory
    }

    /// When the first of the four files expires.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Which file that is.
    pub fn expires_first(&self) -> Role {
        self.expires_first
    }

    /// When a coordinator's node last signed, by its own clock. A time after ours says that one of the clocks is
    /// wrong; it is information and no reason to refuse, since one wrong clock at a coordinator would otherwise stop all.
    pub fn signed_at(&self) -> Option<UnixTime> {
        self.signed_at
    }

    /// How far the directory may be relied on at `now`.
    pub fn freshness(&self, now: UnixTime) -> Freshness {
        let until = self.expires.plus(GRACE_SECONDS);
        if now < self.expires {
            Freshness::Current
        } else if now < until {
            Freshness::Grace { until }
        } else {
            Freshness::Expired
        }
    }

    /// Fails once the grace is over: the one check a use case makes before it relies on the directory.
    pub fn usable(&self, now: UnixTime) -> Result<&Self, TrustError> {
        match self.freshness(now) {
            Freshness::Current | Freshness::Grace { .. } => Ok(self),
            Freshness::Expired => Err(TrustError::GraceOver { since: self.expires }),
        }
    }

    /// A published content.
    pub fn content(&self, name: ContentName) -> Option<&Bytes> {
        self.contents.get(&name)
    }

    /// The calendar of working days of a year.
    pub fn calendar(&self, year: u16) -> Option<&Bytes> {
        self.content(ContentName::Calendar(year))
    }

    pub(crate) fn files(&self) -> &BTreeMap<TargetPath, TargetFile> {
        &self.files
    }
}

/// Entries by agency and by transport identity, each at most once: an identity that two members share would let one
/// speak for the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    by_agency: BTreeMap<AgencyCode, DirectoryEntry>,
    by_identity: HashMap<String, AgencyCode>,
}

impl Members {
    /// Parses an entry and adds it, if it keeps the rules.
    pub(crate) fn insert(&mut self, path: TargetPath, bytes: &[u8]) -> Result<(), TrustError> {
        let refuse = |reason: String| TrustError::Entry { path: path.to_string(), reason };
        let entry: DirectoryEntry =
            serde_json::from_slice(bytes).map_err(|error| refuse(format!("it does not parse: {error}")))?;
        if entry_path(&entry) != path {
            return Err(refuse("the path names another agency or region than the entry".to_owned()));
        }
        self.add(entry).map_err(|reason| refuse(reason.to_string()))
    }

    /// Adds an entry, if it keeps the rules; the error is a clause.
    pub(crate) fn add(&mut self, entry: DirectoryEntry) -> Result<(), EntryRule> {
        entry.check_limits().map_err(EntryRule::Limits)?;
        if entry.transport_identity.is_empty() {
            return Err(EntryRule::NoIdentity);
        }
        if let Some(other) = self.by_identity.get(&entry.transport_identity) {
            return Err(EntryRule::SharedIdentity(*other));
        }
        if self.by_agency.contains_key(&entry.agency) {
            return Err(EntryRule::Twice);
        }
        self.by_identity.insert(entry.transport_identity.clone(), entry.agency);
        self.by_agency.insert(entry.agency, entry);
        Ok(())
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, agency: &AgencyCode) -> Option<DirectoryEntry> {
        let entry = self.by_agency.remove(agency)?;
        self.by_identity.remove(&entry.transport_identity);
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.by_agency.values()
    }

    pub(crate) fn get(&self, agency: &AgencyCode) -> Option<&DirectoryEntry> {
        self.by_agency.get(agency)
    }
}

/// A rule that an entry breaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryRule {
    #[error("{0}")]
    Limits(chengxin_schemas::SchemaError),
    #[error("it has no transport identity")]
    NoIdentity,
    #[error(
        "its transport identity is already that of agency {0}; every node needs a transport key of its own"
    )]
    SharedIdentity(AgencyCode),
    #[error("the agency has an entry already")]
    Twice,
}

/// Where an entry stands in the directory.
pub(crate) fn entry_path(entry: &DirectoryEntry) -> TargetPath {
    TargetPath::Entry { region: entry.region, agency: entry.agency }
}

/// The bytes of an entry's file.
pub(crate) fn entry_bytes(entry: &DirectoryEntry) -> Result<Vec<u8>, TrustError> {
    let bytes = serde_json::to_vec(entry).map_err(|error| metadata::library(&error))?;
    if bytes.len() > crate::limits::ENTRY_LIMIT {
        let limit = crate::limits::ENTRY_LIMIT as u64;
        return Err(TrustError::OverLarge { what: entry_path(entry).to_string(), limit });
    }
    Ok(bytes)
}
