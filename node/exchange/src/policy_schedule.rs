//! Published policies: what the directory's schedule names, checked before it is loaded.
//!
//! The federation's bundles and each region's overlays are published alike, each scope by a schedule of its own.
//!
//! The directory's signatures say that a coordinator's node published the schedule. What is checked here beside that: each
//! bundle is the one that the schedule names, and each but the one that the federation was founded with was approved by two
//! different people of a coordinator (an overlay: of a member that serves its region), for its place in the order and
//! lately. A node that has decided before takes none without approvals ([`crate::policy_adoption`]). So a person who alone
//! holds a coordinator's account changes no running node's policy. Who holds a coordinator's signing key can, and so can who
//! holds the directory's online keys, since the directory says who is a coordinator; a node that joins takes what it finds
//! as the founding policy.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chengxin_policy::{Bundle, BundleFiles, OverlayFiles, published_encode, published_unpack};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::{
    APPROVAL_SECONDS, APPROVAL_TYP, APPROVALS_NEEDED, ApprovalClaims, PolicySchedule, Publication,
};
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_trust::{ContentName, PolicyPart, VerifiedDirectory};

use crate::error::{ExchangeError, Result};

/// A bundle that the federation publishes; its content is not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPolicy {
    /// What the schedule says of it.
    pub publication: Publication,
    /// Its published form.
    pub content: Bytes,
}

/// What is published of one scope, in the order in which it decides; nothing where nothing is published.
pub fn policies_published(directory: &VerifiedDirectory, scope: PolicyScope) -> Result<Vec<PublishedPolicy>> {
    let content = |part| directory.content(ContentName::Policy(scope, part));
    let first = content(PolicyPart::Bundle);
    let Some(schedule) = content(PolicyPart::Schedule) else {
        return match (scope, first) {
            (_, None) => Ok(Vec::new()),
            (PolicyScope::Federation, Some(first)) => Ok(vec![founding_policy(first)?]),
            (PolicyScope::Region(_), Some(_)) => {
                Err(ExchangeError::NotFound { what: "the schedule of a published overlay" })
            }
        };
    };
    let schedule = PolicySchedule::parse(schedule)?;
    let contents = [first, content(PolicyPart::Next)];
    let mut published = Vec::with_capacity(contents.len());
    for (publication, content) in schedule.publications.into_iter().zip(contents) {
        if publication.version.scope() != scope {
            return Err(another(
                "the schedule names a version of another scope: the coordinator publishes it again",
            ));
        }
        let content =
            content.ok_or(ExchangeError::NotFound { what: "a policy bundle that the schedule names" })?;
        published.push(PublishedPolicy { publication, content: content.clone() });
    }
    Ok(published)
}

/// The contents with which a federation is founded.
pub fn founding_contents(bundle: &Bundle, now: UnixTime) -> Result<BTreeMap<ContentName, Bytes>> {
    let schedule = PolicySchedule::new(vec![founding_publication(bundle, now)])?;
    let content = |part| ContentName::Policy(PolicyScope::Federation, part);
    Ok(BTreeMap::from([
        (content(PolicyPart::Bundle), Bytes::from(published_encode(bundle.files())?)),
        (content(PolicyPart::Schedule), Bytes::from(schedule.encode()?)),
    ]))
}

fn founding_publication(bundle: &Bundle, published: UnixTime) -> Publication {
    Publication {
        version: bundle.manifest().version.clone(),
        bundle: bundle.digest(),
        effective: bundle.manifest().effective,
        published,
        base: None,
        approvals: Vec::new(),
    }
}

/// A bundle beside which there is no schedule: it decides from the day that it names itself.
fn founding_policy(content: &Bytes) -> Result<PublishedPolicy> {
    let packed = published_unpack(content)?;
    let manifest = BundleFiles::unpack(&packed)?.manifest()?;
    let publication = Publication {
        version: manifest.version,
        bundle: Sha256::of(&packed),
        effective: manifest.effective,
        published: UnixTime(0),
        base: None,
        approvals: Vec::new(),
    };
    Ok(PublishedPolicy { publication, content: content.clone() })
}

impl PublishedPolicy {
    /// Unpacks a bundle, and loads it with its tests. Takes up to seconds of a processor with a large one.
    pub fn load(&self) -> Result<Bundle> {
        policy_load(&self.content, &self.publication)
    }

    /// Unpacks an overlay, and loads it over `base` with its tests: the bundle that it narrows. One that would let out more
    /// than the base is refused, and so is one that does not fit it whole. For who publishes it.
    pub fn overlay_stage(&self, base: &Bundle) -> Result<Bundle> {
        Ok(base.overlay_stage(&self.overlay_files()?)?)
    }

    /// The same for a node of the region, which takes an overlay over whatever bundle decides there: it may have been written
    /// for the one before or the one after, and only narrows either. One that would let out more is refused all the same.
    pub fn overlay_load(&self, base: &Bundle) -> Result<Bundle> {
        let files = self.overlay_files()?;
        match base.overlay_stage(&files) {
            Ok(narrowed) => Ok(narrowed),
            // Why it does not fit stands in the error of the first attempt, with the cell that a permission would open.
            Err(unfit) => base.overlay_apply(&files).map_err(|_| unfit.into()),
        }
    }

    fn overlay_files(&self) -> Result<OverlayFiles> {
        let files = OverlayFiles::from_published(&self.content)?;
        digest_check(&files.pack(), &self.publication)?;
        let manifest = files.manifest()?;
        manifest_check(&manifest.version, manifest.effective, &self.publication)?;
        Ok(files)
    }

    /// Whether enough different people approved exactly this: of the coordinators of this directory a bundle, of a member that
    /// serves the whole region an overlay. That the region was delegated to that member is what the coordinator's node looked
    /// at when it published; a delegation that was taken back since leaves what is published as it is. What the federation was
    /// founded with needs nobody.
    pub fn approvals_check(&self, directory: &VerifiedDirectory) -> Result<()> {
        let publication = &self.publication;
        let Some(base) = publication.base else {
            return match publication.version.scope() {
                PolicyScope::Federation => Ok(()),
                PolicyScope::Region(_) => {
                    Err(another("nobody approved the overlay: its league or city publishes it again"))
                }
            };
        };
        let mut people: BTreeSet<(AgencyCode, OperatorName)> = BTreeSet::new();
        for text in &publication.approvals {
            let approval = approval_verify(text, directory, publication)?;
            let is_for_this = approval.version == publication.version
                && approval.bundle == publication.bundle
                && approval.base == base
                && approval.operator.role == Role::Coordinator
                && is_recent(approval.iat, publication.published);
            if is_for_this {
                people.insert((approval.iss, approval.operator.account));
            }
        }
        if people.len() < APPROVALS_NEEDED {
            return Err(ExchangeError::Conflict {
                what: "policy",
                reason: format!(
                    "{} was approved by {} people and needs {APPROVALS_NEEDED}: the coordinator publishes it again with their approvals",
                    publication.version,
                    people.len()
                ),
            });
        }
        Ok(())
    }
}

/// Whether an approval still held when the bundle was published.
pub(crate) fn is_recent(signed: UnixTime, published: UnixTime) -> bool {
    published.since(signed) <= APPROVAL_SECONDS
}

/// Verifies an approval by the entry of the member that signed it, if it is one that may publish for the scope.
fn approval_verify(
    text: &str,
    directory: &VerifiedDirectory,
    publication: &Publication,
) -> Result<ApprovalClaims> {
    let unverified = UnverifiedJws::parse(text, APPROVAL_TYP, JWS_LIMIT)?;
    let claimed: ApprovalClaims = unverified.claims_unverified()?;
    let (mut entries, what): (Box<dyn Iterator<Item = &DirectoryEntry>>, _) =
        match publication.version.scope() {
            PolicyScope::Federation => {
                (Box::new(directory.coordinators()), "the coordinator whose people approved the policy")
            }
            PolicyScope::Region(region) => (
                Box::new(directory.entries().filter(move |entry| entry.region == region)),
                "the league or city whose people approved the overlay",
            ),
        };
    let entry = entries.find(|entry| entry.agency == claimed.iss).ok_or(ExchangeError::NotFound { what })?;
    Ok(verify_from::<ApprovalClaims>(unverified, entry, publication.published)?.into_claims())
}

/// Loads published bytes as what the publication says they are.
pub(crate) fn policy_load(content: &[u8], publication: &Publication) -> Result<Bundle> {
    let bundle = Bundle::from_packed(&packed_check(content, publication)?)?;
    manifest_check(&bundle.manifest().version, bundle.manifest().effective, publication)?;
    Ok(bundle)
}

/// The packed form behind published bytes, if it is the one that the publication names.
fn packed_check(content: &[u8], publication: &Publication) -> Result<Vec<u8>> {
    let packed = published_unpack(content)?;
    digest_check(&packed, publication)?;
    Ok(packed)
}

fn digest_check(packed: &[u8], publication: &Publication) -> Result<()> {
    match Sha256::of(packed) == publication.bundle {
        true => Ok(()),
        false => {
            Err(another("its content is another than the schedule names: the coordinator publishes it again"))
        }
    }
}

fn manifest_check(version: &PolicyVersion, effective: Day, publication: &Publication) -> Result<()> {
    if *version != publication.version {
        return Err(another(
            "its version is another than the schedule names: the coordinator publishes it again",
        ));
    }
    if effective > publication.effective {
        return Err(another(
            "the schedule lets it decide before the day that the bundle itself allows: the coordinator publishes it for a later day",
        ));
    }
    Ok(())
}

fn another(reason: &str) -> ExchangeError {
    ExchangeError::Conflict { what: "policy", reason: reason.to_owned() }
}
