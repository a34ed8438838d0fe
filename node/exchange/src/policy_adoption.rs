//! Adoption: how a node changes from one published policy to the next.
//!
//! A bundle is verified, loaded beside the one that decides, and put to its own tests as soon as the directory shows it, so
//! that who cannot take it over says so before its day and not on it. From the first moment of its day, in Asia/Shanghai,
//! the node decides by it: one pointer is exchanged, and an operation in progress ends under the policy it began with. A
//! bundle that does not load changes nothing: the one in force goes on, the node's status and running log raise an alarm,
//! its audit log gets an entry, and the coordinators are told.
//!
//! A node only goes forward. Whatever clock and schedule say, it takes nothing that it decided by before, nothing that was
//! approved to follow something it has left, nothing that was published before the one in force, nothing with a lower
//! version of the same series, and, once it has decided at all, nothing that nobody approved. Where a federation that
//! published shows nothing any more, that is a fault, and the policy in force goes on. Taking a policy back is
//! publishing the old content as a new version. Who approved is asked again with every directory and before every change: a
//! coordinator that was removed takes what it approved with it, whether or not a node had loaded it by then.
//!
//! Order and crash story: the audit entry, the rows with bundle and overlay in one write (the commit point), the exchange, then the restrictions
//! in force are decided again. A crash after the entry adopts again at the next start, with a second entry; a crash after
//! the row starts with the new policy, and opening the node decides restrictions again. While they are decided again,
//! a restriction that the pass has not reached keeps the decision of the former policy; incoming notices wait.
//!
//! The overlay of the node's league or city goes the same way, on days of its own. It is loaded over the bundle that will be
//! in force on its day. When the bundle changes, the overlay in force is laid over the new one by itself: what it says about
//! things that the new bundle does not have narrows nothing, and is counted; what does not fit is told as a remark. The same
//! where a node takes an overlay for the first time over another bundle than it was written for. So a league holds back no
//! bundle, all nodes of a region decide alike, and what decides never lets out more than the bundle does. A node whose region changed leaves the former region's overlay.

use std::sync::{Arc, PoisonError};

use chengxin_policy::{Authoriser, Bundle, published_encode};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::adoption::{
    AdoptedPolicy, AdoptionReport, OverlayAdoption, ReadyPolicy, RefusedPolicy, ScheduleFault,
};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::publication::Publication;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::Day;
use chengxin_store::Batch;
use chengxin_trust::VerifiedDirectory;

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::policy_schedule::{PublishedPolicy, policies_published};
use crate::policy_start::{Held, OverlayRow, PolicyRow, overlay_row_read, policy_row_read, unapproved};
use crate::row::Row;

/// What a node remembers of published policies while it runs.
#[derive(Default)]
pub(crate) struct Adoption {
    bundle: Line,
    overlay: Line,
    /// The region that `overlay` is about.
    region: Option<RegionCode>,
    /// Digests of the bundles over which overlays were loaded.
    bases: Vec<Sha256>,
    /// What about the overlay in force does not fit the bundle in force.
    remark: Option<String>,
    /// Whether what the node started with is written down.
    is_kept: bool,
}

/// What is remembered of one scope.
#[derive(Default)]
struct Line {
    /// What decides; nothing where no overlay does.
    held: Option<Held>,
    /// What loading gave, for what the directory shows at present: it takes seconds with a large bundle. Another program may
    /// know what this one does not, so nothing of it is stored.
    looked_at: Vec<(PublishedPolicy, Loaded)>,
    /// What was refused and logged, for what the directory shows at present.
    refused: Vec<RefusedPolicy>,
    /// Why the schedule cannot be read, once it is logged.
    fault: Option<ScheduleFault>,
}

/// What loaded, or why it did not: of an overlay the bundle that it narrows.
type Loaded = std::result::Result<Bundle, (ErrorCode, String)>;

/// What one look at the published policies of a scope gave.
#[derive(Default)]
struct Look {
    due: Option<(PublishedPolicy, Bundle)>,
    ready: Option<(PublishedPolicy, Bundle)>,
    refused: Option<RefusedPolicy>,
}

/// What a node changes to.
struct Change {
    bundle: Option<PublishedPolicy>,
    overlay: OverlayChange,
    /// What decides then.
    decides: Bundle,
}

enum OverlayChange {
    /// The same, or none as before.
    Keep,
    Take(RegionCode, PublishedPolicy),
    /// The node's region has another code.
    Leave,
}

impl Node {
    /// Looks at what the federation publishes, takes over what is due, and says how this node stands to it. Runs at the
    /// start, whenever the directory changes, and often enough to meet the beginning of a day; cheap when nothing is new.
    pub async fn policy_adopt(self: &Arc<Self>) -> Result<AdoptionReport> {
        let mut adoption = self.adoption.lock().await;
        let adoption = &mut *adoption;
        let directory = self.directory_current()?;
        if !adoption.is_kept {
            self.policy_keep(adoption, &directory).await?;
            adoption.is_kept = true;
        }
        let look = self
            .line_look(&mut adoption.bundle, PolicyScope::Federation, &directory, PublishedPolicy::load)
            .await?;
        let overlay_look = self.overlay_look(adoption, &directory, &look).await?;
        if let Some(change) = self.change(adoption, &look, &overlay_look)? {
            self.policy_take(adoption, change).await?;
        }
        // Also without a change of policy: this body's functions may have changed with the directory.
        {
            let _receiving = self.receiving.lock().await;
            self.recognition_refresh().await?;
        }
        let report = self.adoption_report(adoption, look, overlay_look);
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).replace(report.clone());
        Ok(report)
    }

    /// How this node stood to the published policy when it last looked; nothing before the first look.
    pub fn policy_adoption(&self) -> Option<AdoptionReport> {
        self.adoption_seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bundle published last, as it was loaded when it was looked at; none if this node cannot decide by it.
    pub(crate) async fn bundle_looked_at(&self, digest: Sha256) -> Option<Bundle> {
        let adoption = self.adoption.lock().await;
        let found = adoption.bundle.looked_at.iter().find(|(policy, _)| policy.publication.bundle == digest);
        found.and_then(|(_, loaded)| loaded.clone().ok())
    }

    /// Looks at the overlays of the node's region. One is loaded over the bundle that decides on its day.
    async fn overlay_look(
        &self,
        adoption: &mut Adoption,
        directory: &VerifiedDirectory,
        look: &Look,
    ) -> Result<Look> {
        let entry = directory.entry(&self.parts.agency);
        // A node that is no member (any more) has no region; what it decided by goes on.
        let region = entry.map_or(adoption.region, |entry| entry.region.league_or_city());
        if region != adoption.region {
            adoption.overlay = Line::default();
            adoption.region = region;
        }
        let Some(region) = region else { return Ok(Look::default()) };
        let today = self.today();
        let present = match &look.due {
            Some((_, bundle)) => bundle.clone(),
            None => self.policy().bundle().base(),
        };
        let next = look.ready.as_ref().map(|(policy, bundle)| (policy.publication.effective, bundle.clone()));
        let bases: Vec<Sha256> = [Some(&present), next.as_ref().map(|(_, bundle)| bundle)]
            .into_iter()
            .flatten()
            .map(Bundle::digest)
            .collect();
        if adoption.bases != bases {
            adoption.overlay.looked_at.clear();
            adoption.bases = bases;
        }
        let load = move |policy: &PublishedPolicy| {
            let day = policy.publication.effective.max(today);
            let base =
                next.as_ref().filter(|(effective, _)| *effective <= day).map_or(&present, |(_, next)| next);
            policy.overlay_load(base)
        };
        self.line_look(&mut adoption.overlay, PolicyScope::Region(region), directory, load).await
    }

    /// Looks at one scope.
    async fn line_look(
        &self,
        line: &mut Line,
        scope: PolicyScope,
        directory: &VerifiedDirectory,
        load: impl Fn(&PublishedPolicy) -> Result<Bundle> + Clone + Send + 'static,
    ) -> Result<Look> {
        let published = policies_published(directory, scope).and_then(|published| {
            let was_published = line.held.as_ref().is_some_and(|held| held.published.is_some());
            match published.is_empty() && was_published {
                true => {
                    Err(ExchangeError::NotFound { what: "the published policy by which this node decides" })
                }
                false => Ok(published),
            }
        });
        match published {
            Ok(published) => {
                line.fault = None;
                self.policies_look(line, &published, directory, load).await
            }
            Err(error) => {
                self.schedule_fault(line, scope, &error).await?;
                Ok(Look::default())
            }
        }
    }

    /// Goes through what is published, the last first, down to what decides.
    async fn policies_look(
        &self,
        line: &mut Line,
        published: &[PublishedPolicy],
        directory: &VerifiedDirectory,
        load: impl Fn(&PublishedPolicy) -> Result<Bundle> + Clone + Send + 'static,
    ) -> Result<Look> {
        line.looked_at.retain(|(known, _)| published.contains(known));
        line.refused.retain(|known| published.iter().any(|one| one.publication.bundle == known.bundle));
        let today = self.today();
        let due = published.iter().rposition(|policy| policy.publication.effective <= today);
        let mut look = Look::default();
        for (place, policy) in published.iter().enumerate().rev() {
            let publication = &policy.publication;
            if line.held.as_ref().is_some_and(|held| held.bundle == publication.bundle) {
                break;
            }
            if let Some(reason) = line.held.as_ref().and_then(|held| backward(publication, held)) {
                // What was left behind stands before what came after it. That it is due again is another matter.
                if due == Some(place) {
                    let refusal = (ErrorCode::Conflict, reason);
                    look.refused = look.refused.or(Some(self.policy_refuse(line, policy, refusal).await?));
                }
                continue;
            }
            let loaded = match policy.approvals_check(directory) {
                Ok(()) => policy_loaded(line, policy, load.clone()).await?,
                Err(error) => Err((error.code(), chain(&error))),
            };
            match loaded {
                Err(refusal) => {
                    look.refused = look.refused.or(Some(self.policy_refuse(line, policy, refusal).await?));
                }
                Ok(bundle) if due.is_some_and(|due| place <= due) => {
                    look.due = Some((policy.clone(), bundle));
                    break;
                }
                Ok(bundle) => look.ready = look.ready.or(Some((policy.clone(), bundle))),
            }
        }
        Ok(look)
    }

    /// What the looks lead to; none if what decides stays.
    fn change(&self, adoption: &Adoption, look: &Look, overlay_look: &Look) -> Result<Option<Change>> {
        let policy = self.policy();
        let present = policy.bundle();
        let base = look.due.as_ref().map_or_else(|| present.base(), |(_, bundle)| bundle.clone());
        let (overlay, decides) = match (&overlay_look.due, present.overlay(), adoption.region) {
            (Some((policy, narrowed)), _, Some(region)) => {
                (OverlayChange::Take(region, policy.clone()), narrowed.clone())
            }
            (_, Some(overlay), region) if region != Some(overlay.manifest.region) => {
                (OverlayChange::Leave, base)
            }
            (_, Some(overlay), _) => (OverlayChange::Keep, base.overlay_apply(&overlay.files)?),
            (_, None, _) => (OverlayChange::Keep, base),
        };
        let bundle = look.due.as_ref().map(|(policy, _)| policy.clone());
        let stays = bundle.is_none() && matches!(overlay, OverlayChange::Keep);
        Ok((!stays).then_some(Change { bundle, overlay, decides }))
    }

    fn adoption_report(&self, adoption: &Adoption, look: Look, overlay_look: Look) -> AdoptionReport {
        let policy = self.policy();
        let bundle = policy.bundle();
        let adopted = |held: &Held| AdoptedPolicy {
            version: held.version.clone(),
            bundle: held.bundle,
            since: held.since,
        };
        let in_force = adoption.bundle.held.as_ref().map(adopted).unwrap_or_else(|| AdoptedPolicy {
            version: bundle.manifest().version.clone(),
            bundle: bundle.digest(),
            since: self.now(),
        });
        let of_region = |region| OverlayAdoption {
            region,
            in_force: adoption.overlay.held.as_ref().map(adopted),
            ready: overlay_look.ready.as_ref().map(|(policy, _)| ready(&policy.publication)),
            refused: overlay_look.refused.clone(),
            fault: adoption.overlay.fault.clone(),
            inert: bundle
                .overlay()
                .map_or(0, |overlay| u32::try_from(overlay.inert.len()).unwrap_or(u32::MAX)),
            remark: adoption.remark.clone(),
        };
        let overlay = adoption.region.map(of_region).filter(|overlay| {
            overlay.in_force.is_some()
                || overlay.ready.is_some()
                || overlay.refused.is_some()
                || overlay.fault.is_some()
        });
        AdoptionReport {
            in_force,
            ready: look.ready.map(|(policy, _)| ready(&policy.publication)),
            refused: look.refused,
            fault: adoption.bundle.fault.clone(),
            overlay,
        }
    }

    /// Writes down what the node started with, if that is new, and remembers since when it decides.
    async fn policy_keep(&self, adoption: &mut Adoption, directory: &VerifiedDirectory) -> Result<()> {
        let policy = self.policy();
        let bundle = policy.bundle();
        let store = self.parts.store.as_ref();
        let published_at = |scope, digest| {
            let published = policies_published(directory, scope).unwrap_or_default();
            let found = published.into_iter().find(|policy| policy.publication.bundle == digest);
            found.map(|policy| policy.publication.published)
        };
        let kept = policy_row_read(store).await?.row().map(|row| row.held);
        let is_new = kept.as_ref().is_none_or(|held| held.bundle != bundle.digest());
        let held = match kept {
            Some(held) if !is_new => held,
            former => Held {
                version: bundle.manifest().version.clone(),
                bundle: bundle.digest(),
                since: self.now(),
                published: published_at(PolicyScope::Federation, bundle.digest()),
                former: former.map(|held| held.left()).unwrap_or_default(),
            },
        };
        let kept = overlay_row_read(store).await?.row();
        let (mut overlay_row, mut overlay_is_new) = (None, false);
        if let Some(overlay) = bundle.overlay() {
            let region = overlay.manifest.region;
            let kept = kept.filter(|row| row.region == region);
            overlay_is_new = kept.as_ref().is_none_or(|row| row.held.bundle != overlay.digest);
            overlay_row = match kept {
                Some(row) if !overlay_is_new => Some(row),
                former => Some(OverlayRow {
                    region,
                    held: Held {
                        version: overlay.manifest.version.clone(),
                        bundle: overlay.digest,
                        since: self.now(),
                        published: published_at(PolicyScope::Region(region), overlay.digest),
                        former: former.map(|row| row.held.left()).unwrap_or_default(),
                    },
                    content: published_encode(&overlay.files)?,
                }),
            };
        }
        if is_new || overlay_is_new {
            let mut entry = EntryDraft::new(EntryKind::PolicyLoaded)
                .policy(bundle.rules_version())
                .detail("bundle", &bundle.digest().to_string());
            let mut batch = Batch::new();
            if is_new {
                let row = PolicyRow { held: held.clone(), content: published_encode(bundle.files())? };
                batch.put(keyspace::policy_in_force(), row.encode()?);
            }
            if let Some(row) = overlay_row.as_ref().filter(|_| overlay_is_new) {
                entry = entry.detail("overlay", &row.held.bundle.to_string());
                batch.put(keyspace::overlay_in_force(), row.encode()?);
            }
            self.audit_append(None, entry).await?;
            self.parts.store.commit(batch).await?;
        }
        adoption.remark = overlay_remark(bundle.clone()).await?;
        adoption.bundle.held = Some(held);
        adoption.region = overlay_row.as_ref().map(|row| row.region);
        adoption.overlay.held = overlay_row.map(|row| row.held);
        Ok(())
    }

    /// Says that a published policy is not taken over: once in the logs, as long as the reason is the same.
    async fn policy_refuse(
        &self,
        line: &mut Line,
        policy: &PublishedPolicy,
        (code, reason): (ErrorCode, String),
    ) -> Result<RefusedPolicy> {
        let publication = &policy.publication;
        let refused =
            RefusedPolicy::new(publication.version.clone(), publication.bundle, self.now(), &reason);
        let is_known =
            |known: &&RefusedPolicy| known.bundle == refused.bundle && known.reason == refused.reason;
        if let Some(known) = line.refused.iter().find(is_known) {
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
        line.refused.retain(|known| known.bundle != refused.bundle);
        line.refused.push(refused.clone());
        Ok(refused)
    }

    /// Says that what is published cannot be read at all: once in the logs, as long as the reason is the same.
    async fn schedule_fault(&self, line: &mut Line, scope: PolicyScope, error: &ExchangeError) -> Result<()> {
        let reason = chain(error);
        let fault = ScheduleFault::new(self.now(), &reason);
        if line.fault.as_ref().is_some_and(|known| known.reason == fault.reason) {
            return Ok(());
        }
        tracing::error!(
            ?scope,
            reason,
            "what is published as policy cannot be read; the policy in force goes on"
        );
        let entry = EntryDraft::new(EntryKind::PolicyRefused)
            .failed(error.code())
            .detail("in_force", &self.policy_version())
            .detail("reason", &reason);
        self.audit_append(None, entry).await?;
        line.fault = Some(fault);
        Ok(())
    }

    /// Takes a policy over.
    async fn policy_take(&self, adoption: &mut Adoption, change: Change) -> Result<()> {
        let authoriser = authoriser_build(change.decides).await?;
        let bundle = authoriser.bundle();
        let mut entry = EntryDraft::new(EntryKind::PolicyLoaded)
            .policy(bundle.rules_version())
            .detail("bundle", &bundle.digest().to_string())
            .detail("former", &self.policy_version());
        if let Some(overlay) = bundle.overlay() {
            entry = entry.detail("overlay", &overlay.digest.to_string());
        }
        let remark = overlay_remark(bundle.clone()).await?;
        if let Some(remark) = &remark {
            tracing::warn!(
                policy = bundle.rules_version(),
                remark,
                "the overlay does not fit the bundle whole; it narrows all the same"
            );
            entry = entry.detail("remark", remark);
        }
        let of_overlay = match &change.overlay {
            OverlayChange::Take(_, policy) => Some(policy),
            OverlayChange::Keep | OverlayChange::Leave => None,
        };
        if let Some(policy) = change.bundle.as_ref().or(of_overlay) {
            entry = entry.detail("effective", &policy.publication.effective.to_string());
        }
        self.audit_append(None, entry).await?;
        let mut batch = Batch::new();
        let held = |line: &Line, policy: &PublishedPolicy| Held {
            version: policy.publication.version.clone(),
            bundle: policy.publication.bundle,
            since: self.now(),
            published: Some(policy.publication.published),
            former: line.held.as_ref().map(Held::left).unwrap_or_default(),
        };
        let bundle_held = match &change.bundle {
            None => adoption.bundle.held.clone(),
            Some(policy) => {
                let held = held(&adoption.bundle, policy);
                let row = PolicyRow { held: held.clone(), content: policy.content.to_vec() };
                batch.put(keyspace::policy_in_force(), row.encode()?);
                Some(held)
            }
        };
        let overlay_held = match &change.overlay {
            OverlayChange::Keep => adoption.overlay.held.clone(),
            OverlayChange::Leave => {
                tracing::warn!(
                    former = self.policy_version(),
                    "this body's region changed in the directory: the overlay of its former region narrows it no more"
                );
                batch.delete(keyspace::overlay_in_force());
                None
            }
            OverlayChange::Take(region, policy) => {
                let held = held(&adoption.overlay, policy);
                let row =
                    OverlayRow { region: *region, held: held.clone(), content: policy.content.to_vec() };
                batch.put(keyspace::overlay_in_force(), row.encode()?);
                Some(held)
            }
        };
        self.parts.store.commit(batch).await?;
        adoption.remark = remark;
        adoption.bundle.held = bundle_held;
        adoption.overlay.held = overlay_held;
        let _receiving = self.receiving.lock().await;
        tracing::info!(policy = bundle.rules_version(), "the policy took effect");
        self.policy.send_replace(authoriser);
        Ok(())
    }

    fn today(&self) -> Day {
        Day(self.now().shanghai_date())
    }
}

/// Loads what is published unless that was done before. Only what is wrong with it is kept; a task that ended unexpectedly
/// is an error of this node, to be tried again.
async fn policy_loaded(
    line: &mut Line,
    policy: &PublishedPolicy,
    load: impl Fn(&PublishedPolicy) -> Result<Bundle> + Send + 'static,
) -> Result<Loaded> {
    if let Some((_, loaded)) = line.looked_at.iter().find(|(known, _)| known == policy) {
        return Ok(loaded.clone());
    }
    let publication = &policy.publication;
    let loading = policy.clone();
    let loaded = tokio::task::spawn_blocking(move || load(&loading));
    let loaded = match loaded.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })? {
        Ok(bundle) => {
            tracing::info!(policy = %publication.version, effective = %publication.effective, "a published policy loaded and passed its tests");
            Ok(bundle)
        }
        Err(error) => Err((error.code(), chain(&error))),
    };
    line.looked_at.push((policy.clone(), loaded.clone()));
    Ok(loaded)
}

/// What about a bundle's overlay does not fit the bundle, if it has one and something does not.
async fn overlay_remark(bundle: Bundle) -> Result<Option<String>> {
    let looked = tokio::task::spawn_blocking(move || {
        let overlay = bundle.overlay()?;
        let unfit = bundle.base().overlay_stage(&overlay.files).err()?;
        Some(OverlayAdoption::remark(&chain(&unfit)))
    });
    looked.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })
}

async fn authoriser_build(bundle: Bundle) -> Result<Arc<Authoriser>> {
    let built = tokio::task::spawn_blocking(move || Authoriser::new(bundle));
    Ok(Arc::new(built.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })??))
}

/// Why a published policy would take a node back that decides by another already; none if it goes forward.
fn backward(publication: &Publication, held: &Held) -> Option<String> {
    let present = &held.version;
    if held.former.contains(&publication.bundle) {
        return Some(format!(
            "this node decided by it before {present}: the coordinator publishes a later version"
        ));
    }
    if !publication.version.follows(present) {
        return Some(format!("it does not follow {present}: the coordinator publishes a later version"));
    }
    let Some(base) = publication.base else { return Some(unapproved(present)) };
    if held.former.contains(&base) {
        return Some(format!(
            "it was approved to follow what this node left for {present}: the coordinator publishes a later version"
        ));
    }
    if held.published.is_some_and(|published| publication.published < published) {
        return Some(format!("it was published before {present}: the coordinator publishes a later version"));
    }
    None
}

fn ready(publication: &Publication) -> ReadyPolicy {
    ReadyPolicy {
        version: publication.version.clone(),
        bundle: publication.bundle,
        effective: publication.effective,
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
