//! Adoption: how a node changes from one published policy to the next.
//!
//! A bundle is verified, loaded beside the one that decides, and put to its own tests as soon as the directory shows it, so
//! that who cannot take it over says so before its day and not on it. From the first moment of its day, in Asia/Shanghai,
//! the node decides by it: one pointer is exchanged, and an operation in progress ends under the policy it began with. A
//! bundle that does not load changes nothing: the one in force goes on, the node's status and running log raise an alarm,
//! its audit log gets an entry, and the coordinators are told.
//!
//! A node only goes forward: of what the schedule names, nothing that stands before the policy in force is considered,
//! whatever the clock says. Taking a policy back is publishing the old content as a new version.
//!
//! Order and crash story: the audit entry, the row with the bundle (the commit point), the exchange, then the restrictions
//! in force are decided again. A crash after the entry adopts again at the next start, with a second entry; a crash after
//! the row starts with the new policy, and opening the node decides restrictions again. While they are decided again,
//! a restriction that the pass has not reached keeps the decision of the former policy; incoming notices wait.
//!
//! The row keeps the bundle itself. The directory shows the last two publications only, so a node that refused one of them
//! would otherwise have nothing to start with.

use std::sync::{Arc, PoisonError};

use chengxin_policy::{Authoriser, Bundle, published_encode};
use chengxin_schemas::adoption::{AdoptedPolicy, AdoptionReport, ReadyPolicy, RefusedPolicy};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::publication::Publication;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::{Batch, Store};
use chengxin_trust::VerifiedDirectory;
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::policy_schedule::{PublishedPolicy, policies_published, policy_load};
use crate::row::Row;

/// The policy in force with its bundle, stored form version 1. Public within the federation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PolicyRow {
    version: PolicyVersion,
    bundle: Sha256,
    since: UnixTime,
    /// The published form.
    content: Vec<u8>,
}

impl Row for PolicyRow {
    const NAME: &'static str = "policy in force";
    const VERSION: u8 = 1;
}

impl PolicyRow {
    /// The bundle in it. What makes a bundle unusable for this program is found here as it was when it was adopted.
    fn load(&self) -> Result<Authoriser> {
        let publication = Publication {
            version: self.version.clone(),
            bundle: self.bundle,
            effective: Day(jiff::civil::Date::MAX),
            published: self.since,
            base: None,
            approvals: Vec::new(),
        };
        policy_load(&self.content, &publication)
    }
}

/// What a node remembers of published bundles while it runs.
#[derive(Default)]
pub(crate) struct Adoption {
    /// Since when the policy in force decides; absent until it is written down.
    since: Option<UnixTime>,
    /// What loading gave, for what the directory shows at present: loading takes seconds with a large bundle, and a refusal
    /// is logged once. Another program may know what this one does not, so nothing of it is stored.
    looked_at: Vec<(PublishedPolicy, Candidate)>,
}

/// What came of loading a bundle.
#[derive(Clone)]
enum Candidate {
    Ready(Arc<Authoriser>),
    Refused(RefusedPolicy),
}

/// The policy a node starts with: the one it decided by last; before it ever decided, the one that is in force in the
/// federation, or the baseline of this program for a federation that publishes none.
///
/// A bundle kept by an earlier program may not load in this one. Then what the federation publishes for today is tried; if
/// that does not load either, the node does not start: no policy decides nothing.
pub async fn policy_at_start(
    store: &dyn Store,
    directory: &VerifiedDirectory,
    now: UnixTime,
) -> Result<Arc<Authoriser>> {
    if let Some(row) = row_read(store).await? {
        match row.load() {
            Ok(authoriser) => return Ok(Arc::new(authoriser)),
            Err(error) => {
                tracing::error!(policy = %row.version, error = &error as &dyn std::error::Error, "the policy in force does not load in this program");
            }
        }
    }
    let today = Day(now.shanghai_date());
    let published = policies_published(directory)?;
    let Some(last) = published.last() else { return Ok(Arc::new(Authoriser::new(Bundle::baseline()?)?)) };
    let Some(due) = published.iter().rev().find(|policy| policy.publication.effective <= today) else {
        return Err(ExchangeError::Conflict {
            what: "policy",
            reason: format!(
                "{} takes effect on {}: set the clock, or start the node when it is in force",
                last.publication.version, last.publication.effective
            ),
        });
    };
    Ok(Arc::new(due.load(directory)?))
}

async fn row_read(store: &dyn Store) -> Result<Option<PolicyRow>> {
    store.get(&keyspace::policy_in_force()).await?.map(|bytes| PolicyRow::decode(&bytes)).transpose()
}

impl Node {
    /// Looks at what the federation publishes, takes over what is due, and says how this node stands to it. Runs at the
    /// start, whenever the directory changes, and often enough to meet the beginning of a day; cheap when nothing is new.
    pub async fn policy_adopt(self: &Arc<Self>) -> Result<AdoptionReport> {
        let mut adoption = self.adoption.lock().await;
        let directory = self.directory_current()?;
        let since = match adoption.since {
            Some(since) => since,
            None => self.policy_row_keep().await?,
        };
        adoption.since = Some(since);

        let published = policies_published(&directory)?;
        adoption.looked_at.retain(|(known, _)| published.contains(known));
        let (mut waiting, mut refused, mut adopted) = (None, None, None);
        for policy in ahead(&published, &self.policy()).iter().rev() {
            match self.policy_candidate(&mut adoption, policy, &directory).await? {
                Candidate::Refused(refusal) => refused = refused.or(Some(refusal)),
                Candidate::Ready(authoriser) if policy.publication.effective <= self.today() => {
                    adopted = Some((policy, authoriser));
                    break;
                }
                Candidate::Ready(_) => waiting = waiting.or(Some(ready(&policy.publication))),
            }
        }
        if let Some((policy, authoriser)) = adopted {
            let since = self.policy_take(policy, authoriser).await?;
            adoption.since = Some(since);
        }
        // Also without a change of policy: this body's functions may have changed with the directory.
        {
            let _receiving = self.receiving.lock().await;
            self.recognition_refresh().await?;
        }
        let authoriser = self.policy();
        let in_force = AdoptedPolicy {
            version: authoriser.bundle().manifest().version.clone(),
            bundle: authoriser.bundle().digest(),
            since: adoption.since.unwrap_or(since),
        };
        let report = AdoptionReport { in_force, ready: waiting, refused };
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).replace(report.clone());
        Ok(report)
    }

    /// How this node stood to the published policy when it last looked; nothing before the first look.
    pub fn policy_adoption(&self) -> Option<AdoptionReport> {
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn today(&self) -> Day {
        Day(self.now().shanghai_date())
    }

    /// Writes down what the node started with, if that is new, and says since when it decides.
    async fn policy_row_keep(&self) -> Result<UnixTime> {
        let authoriser = self.policy();
        let bundle = authoriser.bundle();
        let held = row_read(self.parts.store.as_ref()).await?;
        if let Some(row) = held.filter(|row| row.bundle == bundle.digest()) {
            return Ok(row.since);
        }
        let entry = EntryDraft::new(EntryKind::PolicyLoaded)
            .policy(bundle.rules_version())
            .detail("bundle", &bundle.digest().to_string());
        self.audit_append(None, entry).await?;
        self.policy_row_write(bundle, published_encode(bundle.files())?).await
    }

    async fn policy_row_write(&self, bundle: &Bundle, content: Vec<u8>) -> Result<UnixTime> {
        let version = bundle.manifest().version.clone();
        let row = PolicyRow { version, bundle: bundle.digest(), since: self.now(), content };
        let mut batch = Batch::new();
        batch.put(keyspace::policy_in_force(), row.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(row.since)
    }

    /// Loads a published bundle unless that was done before. Only what is wrong with the bundle is a refusal; a store or a
    /// log that fails is an error of this node, to be tried again.
    async fn policy_candidate(
        self: &Arc<Self>,
        adoption: &mut Adoption,
        policy: &PublishedPolicy,
        directory: &Arc<VerifiedDirectory>,
    ) -> Result<Candidate> {
        if let Some((_, candidate)) = adoption.looked_at.iter().find(|(known, _)| known == policy) {
            return Ok(candidate.clone());
        }
        let candidate = self.policy_look(policy, directory).await?;
        adoption.looked_at.push((policy.clone(), candidate.clone()));
        Ok(candidate)
    }

    async fn policy_look(
        &self,
        policy: &PublishedPolicy,
        directory: &Arc<VerifiedDirectory>,
    ) -> Result<Candidate> {
        let publication = &policy.publication;
        let (loading, within) = (policy.clone(), directory.clone());
        let loaded = tokio::task::spawn_blocking(move || loading.load(&within)).await;
        let error = match loaded {
            Ok(Ok(authoriser)) => {
                tracing::info!(policy = %publication.version, effective = %publication.effective, "a published policy loaded and passed its tests");
                return Ok(Candidate::Ready(Arc::new(authoriser)));
            }
            Ok(Err(error)) => error,
            Err(_) => ExchangeError::Task { what: "loading a policy" },
        };
        let reason = chain(&error);
        tracing::error!(policy = %publication.version, reason, "a published policy was refused; the one in force goes on");
        let entry = EntryDraft::new(EntryKind::PolicyRefused)
            .failed(error.code())
            .policy(&publication.version.to_string())
            .detail("bundle", &publication.bundle.to_string())
            .detail("in_force", &self.policy_version())
            .detail("reason", &reason);
        self.audit_append(None, entry).await?;
        let version = publication.version.clone();
        Ok(Candidate::Refused(RefusedPolicy::new(version, publication.bundle, self.now(), &reason)))
    }

    /// Takes a policy over. Gives the time from which it decides.
    async fn policy_take(&self, policy: &PublishedPolicy, authoriser: Arc<Authoriser>) -> Result<UnixTime> {
        let publication = &policy.publication;
        let entry = EntryDraft::new(EntryKind::PolicyLoaded)
            .policy(authoriser.bundle().rules_version())
            .detail("bundle", &publication.bundle.to_string())
            .detail("former", &self.policy_version())
            .detail("effective", &publication.effective.to_string());
        self.audit_append(None, entry).await?;
        let since = self.policy_row_write(authoriser.bundle(), policy.content.to_vec()).await?;
        let _receiving = self.receiving.lock().await;
        self.policy.send_replace(authoriser);
        tracing::info!(policy = %publication.version, "the policy took effect");
        Ok(since)
    }
}

fn ready(publication: &Publication) -> ReadyPolicy {
    ReadyPolicy {
        version: publication.version.clone(),
        bundle: publication.bundle,
        effective: publication.effective,
    }
}

/// What of the published policies comes after the one in force; all of them if it is none of them.
fn ahead<'a>(published: &'a [PublishedPolicy], in_force: &Authoriser) -> &'a [PublishedPolicy] {
    let digest = in_force.bundle().digest();
    match published.iter().rposition(|policy| policy.publication.bundle == digest) {
        Some(place) => published.get(place + 1..).unwrap_or_default(),
        None => published,
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
