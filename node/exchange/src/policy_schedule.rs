//! Published policies: what the directory's schedule names, checked before it is loaded.
//!
//! The directory's signatures say that a coordinator's node published the schedule. What is checked here beside that: each
//! bundle is the one that the schedule names, and each but the one that the federation was founded with was approved by two
//! different people of a coordinator, for its place in the order and lately. A node that has decided before takes none
//! without approvals ([`crate::policy_adoption`]). So a person who alone holds a coordinator's account, and even the
//! directory's keys, changes no running node's policy; one who holds the node's signing key as well can, and a node
//! that joins takes what it finds as the founding policy.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chengxin_policy::{Authoriser, Bundle, BundleFiles, published_encode, published_unpack};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::publication::{
    APPROVAL_SECONDS, APPROVAL_TYP, APPROVALS_NEEDED, ApprovalClaims, PolicySchedule, Publication,
};
use chengxin_schemas::time::UnixTime;
use chengxin_trust::{ContentName, VerifiedDirectory};

use crate::error::{ExchangeError, Result};

/// A bundle that the federation publishes; its content is not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPolicy {
    /// What the schedule says of it.
    pub publication: Publication,
    /// Its published form.
    pub content: Bytes,
}

/// The published policies in the order in which they decide; none for a federation that publishes none.
pub fn policies_published(directory: &VerifiedDirectory) -> Result<Vec<PublishedPolicy>> {
    let first = directory.content(ContentName::PolicyBundle);
    let Some(schedule) = directory.content(ContentName::PolicySchedule) else {
        return first.map(founding_policy).into_iter().collect();
    };
    let schedule = PolicySchedule::parse(schedule)?;
    let contents = [first, directory.content(ContentName::PolicyNext)];
    let mut published = Vec::with_capacity(contents.len());
    for (publication, content) in schedule.publications.into_iter().zip(contents) {
        let content =
            content.ok_or(ExchangeError::NotFound { what: "a policy bundle that the schedule names" })?;
        published.push(PublishedPolicy { publication, content: content.clone() });
    }
    Ok(published)
}

/// The contents with which a federation is founded.
pub fn founding_contents(bundle: &Bundle, now: UnixTime) -> Result<BTreeMap<ContentName, Bytes>> {
    let schedule = PolicySchedule::new(vec![founding_publication(bundle, now)])?;
    Ok(BTreeMap::from([
        (ContentName::PolicyBundle, Bytes::from(published_encode(bundle.files())?)),
        (ContentName::PolicySchedule, Bytes::from(schedule.encode()?)),
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
    /// Unpacks it, and loads it with its tests. Takes up to seconds of a processor with a large bundle.
    pub fn load(&self) -> Result<Authoriser> {
        policy_load(&self.content, &self.publication)
    }

    /// Whether enough different people of the coordinators of this directory approved exactly this. What the federation was
    /// founded with needs nobody.
    pub fn approvals_check(&self, directory: &VerifiedDirectory) -> Result<()> {
        let publication = &self.publication;
        let Some(base) = publication.base else { return Ok(()) };
        let mut people: BTreeSet<(AgencyCode, OperatorName)> = BTreeSet::new();
        for text in &publication.approvals {
            let approval = approval_verify(text, directory, publication.published)?;
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

/// Verifies an approval by the entry of the coordinator that signed it.
fn approval_verify(text: &str, directory: &VerifiedDirectory, published: UnixTime) -> Result<ApprovalClaims> {
    let unverified = UnverifiedJws::parse(text, APPROVAL_TYP, JWS_LIMIT)?;
    let claimed: ApprovalClaims = unverified.claims_unverified()?;
    let entry = directory
        .coordinators()
        .find(|entry| entry.agency == claimed.iss)
        .ok_or(ExchangeError::NotFound { what: "the coordinator whose people approved the policy" })?;
    Ok(verify_from::<ApprovalClaims>(unverified, entry, published)?.into_claims())
}

/// Loads published bytes as what the publication says they are.
pub(crate) fn policy_load(content: &[u8], publication: &Publication) -> Result<Authoriser> {
    let packed = published_unpack(content)?;
    if Sha256::of(&packed) != publication.bundle {
        return Err(another(
            "its content is another than the schedule names: the coordinator publishes it again",
        ));
    }
    let bundle = Bundle::from_packed(&packed)?;
    if bundle.manifest().version != publication.version {
        return Err(another(
            "its version is another than the schedule names: the coordinator publishes it again",
        ));
    }
    if bundle.manifest().effective > publication.effective {
        return Err(ExchangeError::Conflict {
            what: "policy",
            reason: "the schedule lets it decide before the day that the bundle itself allows: the coordinator publishes it for a later day"
                .to_owned(),
        });
    }
    Ok(Authoriser::new(bundle)?)
}

fn another(reason: &str) -> ExchangeError {
    ExchangeError::Conflict { what: "policy", reason: reason.to_owned() }
}
