//! Adoption: how a node changes from one published policy to the next.
//!
//! A bundle is verified, loaded beside the one that decides, and put to its own tests as soon as the directory shows it, so
//! that who cannot take it over says so before its day and not on it. From the first moment of its day, in Asia/Shanghai,
//! the node decides by it: one pointer is exchanged, and an operation in progress ends under the policy it began with. A
//! bundle that does not load changes nothing: the one in force goes on, the node's status and running log raise an alarm,
//! its audit log gets an entry, and the coordinators are told.
//!
//! A node only goes forward. Whatever clock and schedule say, it takes nothing that it decided by before, nothing with a
//! lower version of the same series, and, once it has decided at all, nothing that nobody approved. Taking a policy back is
//! publishing the old content as a new version. Who approved is asked again with every directory and before every change: a
//! coordinator that was removed takes what it approved with it, whether or not a node had loaded it by then.
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
use chengxin_schemas::ErrorCode;
use chengxin_schemas::adoption::{AdoptedPolicy, AdoptionReport, ReadyPolicy, RefusedPolicy, ScheduleFault};
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
    /// Digests of what this node decided by before, the newest [`FORMER_LIMIT`].
    former: Vec<Sha256>,
}

/// Policies that a node remembers to have left: some in a year.
const FORMER_LIMIT: usize = 1_000;

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
    /// Since when the policy in force decides, and what decided before; absent until it is written down.
    held: Option<Held>,
    /// What loading gave, for what the directory shows at present: it takes seconds with a large bundle. Another program may
    /// know what this one does not, so nothing of it is stored.
    looked_at: Vec<(PublishedPolicy, Loaded)>,
    /// What was refused and logged, for what the directory shows at present.
    refused: Vec<RefusedPolicy>,
    /// Why the schedule cannot be read, once it is logged.
    fault: Option<ScheduleFault>,
}

#[derive(Clone)]
struct Held {
    since: UnixTime,
    former: Vec<Sha256>,
}

/// A bundle that loaded, or why it did not.
type Loaded = std::result::Result<Arc<Authoriser>, (ErrorCode, String)>;

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
    // One that cannot be read is no reason not to start with what is kept.
    let published = policies_published(directory);
    if published.as_ref().is_ok_and(Vec::is_empty) {
        return Ok(Arc::new(Authoriser::new(Bundle::baseline()?)?));
    }
    let row = row_read(store).await?;
    if let Some(row) = &row {
        match row.load() {
            Ok(authoriser) => return Ok(Arc::new(authoriser)),
            Err(error) => {
                tracing::error!(policy = %row.version, error = &error as &dyn std::error::Error, "the policy in force does not load in this program");
            }
        }
    }
    let published = published?;
    let last = published
        .last()
        .ok_or(ExchangeError::NotFound { what: "a policy bundle that the schedule names" })?;
    let today = Day(now.shanghai_date());
    let Some(due) = published.iter().rev().find(|policy| policy.publication.effective <= today) else {
        return Err(ExchangeError::Conflict {
            what: "policy",
            reason: format!(
                "{} takes effect on {}: set the clock, or start the node when it is in force",
                last.publication.version, last.publication.effective
            ),
        });
    };
    let is_another = |row: &PolicyRow| due.publication.base.is_none() && row.bundle != due.publication.bundle;
    if let Some(row) = row.filter(is_another) {
        return Err(ExchangeError::Conflict { what: "policy", reason: unapproved(&row.version) });
    }
    due.approvals_check(directory)?;
    Ok(Arc::new(due.load()?))
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
        let held = match &adoption.held {
            Some(held) => held.clone(),
            None => self.policy_row_keep().await?,
        };
        adoption.held = Some(held.clone());
        let look = match policies_published(&directory) {
            Ok(published) => {
                adoption.fault = None;
                self.policies_look(&mut adoption, &published, &directory, &held).await?
            }
            Err(error) => {
                self.schedule_fault(&mut adoption, &error).await?;
                Look::default()
            }
        };
        if let Some((policy, authoriser)) = look.due {
            adoption.held = Some(self.policy_take(&policy, authoriser, held.former).await?);
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
            since: adoption.held.as_ref().map_or(held.since, |held| held.since),
        };
        let report = AdoptionReport {
            in_force,
            ready: look.ready,
            refused: look.refused,
            fault: adoption.fault.clone(),
        };
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).replace(report.clone());
        Ok(report)
    }

    /// Goes through what is published, the last first, down to the policy in force.
    async fn policies_look(
        &self,
        adoption: &mut Adoption,
        published: &[PublishedPolicy],
        directory: &VerifiedDirectory,
        held: &Held,
    ) -> Result<Look> {
        adoption.looked_at.retain(|(known, _)| published.contains(known));
        adoption.refused.retain(|known| published.iter().any(|one| one.publication.bundle == known.bundle));
        let today = Day(self.now().shanghai_date());
        let due = published.iter().rposition(|policy| policy.publication.effective <= today);
        let in_force = self.policy();
        let mut look = Look::default();
        for (place, policy) in published.iter().enumerate().rev() {
            let publication = &policy.publication;
            if publication.bundle == in_force.bundle().digest() {
                break;
            }
            if let Some(reason) = backward(publication, &in_force, held) {
                // What was left behind stands before what came after it. That it is due again is another matter.
                if due == Some(place) {
                    let refusal = (ErrorCode::Conflict, reason);
                    look.refused =
                        look.refused.or(Some(self.policy_refuse(adoption, policy, refusal).await?));
                }
                continue;
            }
            let loaded = match policy.approvals_check(directory) {
                Ok(()) => self.policy_loaded(adoption, policy).await?,
                Err(error) => Err((error.code(), chain(&error))),
            };
            match loaded {
                Err(refusal) => {
                    look.refused =
                        look.refused.or(Some(self.policy_refuse(adoption, policy, refusal).await?));
                }
                Ok(authoriser) if due.is_some_and(|due| place <= due) => {
                    look.due = Some((policy.clone(), authoriser));
                    break;
                }
                Ok(_) => look.ready = look.ready.or(Some(ready(publication))),
            }
        }
        Ok(look)
    }

    /// How this node stood to the published policy when it last looked; nothing before the first look.
    pub fn policy_adoption(&self) -> Option<AdoptionReport> {
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what the node started with, if that is new, and says since when it decides.
    async fn policy_row_keep(&self) -> Result<Held> {
        let authoriser = self.policy();
        let bundle = authoriser.bundle();
        let mut former = Vec::new();
        if let Some(row) = row_read(self.parts.store.as_ref()).await? {
            if row.bundle == bundle.digest() {
                return Ok(Held { since: row.since, former: row.former });
            }
            former = left(row.former, row.bundle);
        }
        let entry = EntryDraft::new(EntryKind::PolicyLoaded)
            .policy(bundle.rules_version())
            .detail("bundle", &bundle.digest().to_string());
        self.audit_append(None, entry).await?;
        self.policy_row_write(bundle, published_encode(bundle.files())?, former).await
    }

    async fn policy_row_write(&self, bundle: &Bundle, content: Vec<u8>, former: Vec<Sha256>) -> Result<Held> {
        let version = bundle.manifest().version.clone();
        let row = PolicyRow { version, bundle: bundle.digest(), since: self.now(), content, former };
        let mut batch = Batch::new();
        batch.put(keyspace::policy_in_force(), row.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(Held { since: row.since, former: row.former })
    }

    /// Loads a published bundle unless that was done before. Only what is wrong with the bundle is kept; a task that ended
    /// unexpectedly is an error of this node, to be tried again.
    async fn policy_loaded(&self, adoption: &mut Adoption, policy: &PublishedPolicy) -> Result<Loaded> {
        if let Some((_, loaded)) = adoption.looked_at.iter().find(|(known, _)| known == policy) {
            return Ok(loaded.clone());
        }
        let publication = &policy.publication;
        let loading = policy.clone();
        let loaded = tokio::task::spawn_blocking(move || loading.load());
        let loaded = match loaded.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })? {
            Ok(authoriser) => {
                tracing::info!(policy = %publication.version, effective = %publication.effective, "a published policy loaded and passed its tests");
                Ok(Arc::new(authoriser))
            }
            Err(error) => Err((error.code(), chain(&error))),
        };
        adoption.looked_at.push((policy.clone(), loaded.clone()));
        Ok(loaded)
    }

    /// Says that a published bundle is not taken over: once in the logs, as long as the reason is the same.
    async fn policy_refuse(
        &self,
        adoption: &mut Adoption,
        policy: &PublishedPolicy,
        (code, reason): (ErrorCode, String),
    ) -> Result<RefusedPolicy> {
        let publication = &policy.publication;
        let refused =
            RefusedPolicy::new(publication.version.clone(), publication.bundle, self.now(), &reason);
        let is_known =
            |known: &&RefusedPolicy| known.bundle == refused.bundle && known.reason == refused.reason;
        if let Some(known) = adoption.refused.iter().find(is_known) {
            return Ok(known.clone());
        }
        tracing::error!(policy = %publication.version, reason, "a published policy was refused; the one in force goes on");
        let entry = EntryDraft::new(EntryKind::PolicyRefused)
            .failed(code)
            .policy(&publication.version.to_string())
            .detail("bundle", &publication.bundle.to_string())
            .detail("in_force", &self.policy_version())
            .detail("reason", &reason);
        self.audit_append(None, entry).await?;
        adoption.refused.retain(|known| known.bundle != refused.bundle);
        adoption.refused.push(refused.clone());
        Ok(refused)
    }

    /// Says that what is published cannot be read at all: once in the logs, as long as the reason is the same.
    async fn schedule_fault(&self, adoption: &mut Adoption, error: &ExchangeError) -> Result<()> {
        let reason = chain(error);
        let fault = ScheduleFault::new(self.now(), &reason);
        if adoption.fault.as_ref().is_some_and(|known| known.reason == fault.reason) {
            return Ok(());
        }
        tracing::error!(
            reason,
            "what the federation publishes as policy cannot be read; the policy in force goes on"
        );
        let entry = EntryDraft::new(EntryKind::PolicyRefused)
            .failed(error.code())
            .detail("in_force", &self.policy_version())
            .detail("reason", &reason);
        self.audit_append(None, entry).await?;
        adoption.fault = Some(fault);
        Ok(())
    }

    /// Takes a policy over.
    async fn policy_take(
        &self,
        policy: &PublishedPolicy,
        authoriser: Arc<Authoriser>,
        former: Vec<Sha256>,
    ) -> Result<Held> {
        let publication = &policy.publication;
        let leaving = self.policy();
        let entry = EntryDraft::new(EntryKind::PolicyLoaded)
            .policy(authoriser.bundle().rules_version())
            .detail("bundle", &publication.bundle.to_string())
            .detail("former", leaving.bundle().rules_version())
            .detail("effective", &publication.effective.to_string());
        self.audit_append(None, entry).await?;
        let former = left(former, leaving.bundle().digest());
        let held = self.policy_row_write(authoriser.bundle(), policy.content.to_vec(), former).await?;
        let _receiving = self.receiving.lock().await;
        self.policy.send_replace(authoriser);
        tracing::info!(policy = %publication.version, "the policy took effect");
        Ok(held)
    }
}

/// What one look at the published policies gave.
#[derive(Default)]
struct Look {
    due: Option<(PublishedPolicy, Arc<Authoriser>)>,
    ready: Option<ReadyPolicy>,
    refused: Option<RefusedPolicy>,
}

/// Why a published policy would take a node back that decides by another already; none if it goes forward.
fn backward(publication: &Publication, in_force: &Authoriser, held: &Held) -> Option<String> {
    let present = &in_force.bundle().manifest().version;
    if held.former.contains(&publication.bundle) {
        return Some(format!(
            "this node decided by it before {present}: the coordinator publishes a later version"
        ));
    }
    if !publication.version.follows(present) {
        return Some(format!("it does not follow {present}: the coordinator publishes a later version"));
    }
    if publication.base.is_none() {
        return Some(unapproved(present));
    }
    None
}

fn unapproved(present: &PolicyVersion) -> String {
    format!(
        "nobody approved it, and this node decides by {present} already: the coordinator publishes it with approvals"
    )
}

/// The digests a node has left, with one more.
fn left(mut former: Vec<Sha256>, bundle: Sha256) -> Vec<Sha256> {
    former.push(bundle);
    let over = former.len().saturating_sub(FORMER_LIMIT);
    former.split_off(over)
}

fn ready(publication: &Publication) -> ReadyPolicy {
    ReadyPolicy {
        version: publication.version.clone(),
        bundle: publication.bundle,
        effective: publication.effective,
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
