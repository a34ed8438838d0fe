//! The coordinator's plans: a bundle that was staged and who signed it off. At the node of a league or city to which the
//! federation delegates its region, the same for the region's overlay. A version says by its series whose it is, and so
//! which node has plans for it.
//!
//! A plan is made on the version published last. If another is published meanwhile, the plan no longer applies and has to
//! be staged again: who signed it had seen what it changes against the former one. Two different people sign; staging
//! other content under the same version drops their signatures, and who signs names the content he saw by its digest.
//!
//! Every bundle that was ever published is kept with its version, so that a version means one content for ever and an old
//! content can be taken up again under a new version.
//!
//! Where what is published cannot be read, plans are made on the policy in force: publishing is how that is mended.
//!
//! Crash story: staging, signing and discarding are one row each, logged before. Publishing ([`crate::policy_publication`]) is
//! the directory's commit; the plan's row goes after it, and one that a crash left is removed by the next step.

use std::sync::Arc;

use chengxin_policy::{
    Authoriser, Bundle, BundleFiles, OverlayFiles, PolicyFiles, published_encode, published_unpack,
};
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::jws::jws_sign;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::{APPROVAL_TYP, APPROVALS_LIMIT, ApprovalClaims};
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::{Batch, KeyRange};
use chengxin_trust::VerifiedDirectory;
use chengxin_trust::limits::{CONTENT_LIMIT, OVERLAY_LIMIT};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::operator::Separation;
use crate::policy_schedule::{PublishedPolicy, is_recent, policies_published};
use crate::row::Row;

/// Most plans at a time: a federation changes its policy some times in a year. Each holds up to 2 MiB.
pub const PLANS_LIMIT: usize = 16;
/// Fewest hexadecimal digits of a digest by which a person names what he signs.
pub const DIGEST_DIGITS: usize = 8;
/// Plans or published bundles read at once: each has up to 2 MiB.
const ROWS_AT_ONCE: usize = 4;

/// A staged bundle, stored form version 1. Public within the federation once it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanRow {
    pub(crate) version: PolicyVersion,
    pub(crate) bundle: Sha256,
    pub(crate) base: Sha256,
    base_version: PolicyVersion,
    staged_by: OperatorName,
    staged: UnixTime,
    /// The published form.
    pub(crate) content: Vec<u8>,
    pub(crate) approvals: Vec<ApprovalRow>,
}

/// A signature under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApprovalRow {
    pub(crate) account: OperatorName,
    user_id: u32,
    pub(crate) signed: UnixTime,
    pub(crate) jws: String,
}

impl Row for PlanRow {
    const NAME: &'static str = "policy plan";
    const VERSION: u8 = 1;
}

/// A bundle or overlay that was published, stored form version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HistoryRow {
    version: PolicyVersion,
    bundle: Sha256,
    effective: Day,
    published: UnixTime,
    content: Vec<u8>,
}

impl Row for HistoryRow {
    const NAME: &'static str = "published policy";
    const VERSION: u8 = 1;
}

/// A plan as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPlan {
    /// Version of the bundle.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form.
    pub bundle: Sha256,
    /// The version it was made on.
    pub base_version: PolicyVersion,
    /// Whether that is still the one published last; else the plan has to be staged again.
    pub is_current: bool,
    /// Who staged it.
    pub staged_by: OperatorName,
    /// When.
    pub staged: UnixTime,
    /// Who signed it, and when.
    pub approvals: Vec<(OperatorName, UnixTime)>,
}

/// What is published last, on which a plan is made.
pub(crate) struct Base {
    version: PolicyVersion,
    bundle: Sha256,
}

impl Base {
    /// Refuses what follows another version than this, or does not follow it.
    pub(crate) fn check(&self, version: &PolicyVersion, base: Option<Sha256>) -> Result<()> {
        if base != Some(self.bundle) {
            return Err(conflict(format!(
                "{version} was staged on another version than {}, which is published: look at what it changes now and stage it again",
                self.version
            )));
        }
        match version.follows(&self.version) {
            true => Ok(()),
            false => Err(conflict(format!(
                "{version} does not follow {}, which is published: give it a higher version in {}",
                self.version,
                manifest_name(version)
            ))),
        }
    }
}

/// A bundle or an overlay that loaded, as it is staged.
struct Staged {
    version: PolicyVersion,
    bundle: Sha256,
    /// The published form.
    content: Vec<u8>,
}

impl Node {
    /// Takes in a bundle or an overlay to be published: loads it whole, with its tests, and keeps it under its version. One
    /// that was staged under the same version is replaced, and with it what was signed.
    pub async fn policy_stage(
        self: &Arc<Self>,
        operation: &Operation,
        packed: Vec<u8>,
    ) -> Result<PolicyPlan> {
        operation.require(&[Role::Coordinator], "stage a policy")?;
        let staged = self.staged_load(operation, move || Ok(PolicyFiles::unpack(&packed)?)).await?;
        let _turn = self.planning.lock().await;
        self.plan_put(operation, staged, "staged").await
    }

    /// Stages the content of an earlier version under a new one: of `to`, or of the version before the last of this node's
    /// own scope.
    pub async fn policy_revert(
        self: &Arc<Self>,
        operation: &Operation,
        to: Option<&PolicyVersion>,
    ) -> Result<PolicyPlan> {
        operation.require(&[Role::Coordinator], "take a policy back")?;
        let own = self.scopes()?.first().copied().ok_or_else(no_scope)?;
        let scope = to.map_or(own, PolicyVersion::scope);
        self.coordinates(operation, scope, "take a policy back")?;
        let _turn = self.planning.lock().await;
        let published = self.plans_tidy(scope).await?;
        let last = published.last().ok_or_else(nothing_published)?;
        let content = match to {
            None => published.iter().rev().nth(1).map(|policy| policy.content.to_vec()),
            Some(version) => self.history_read(version).await?.map(|row| row.content),
        };
        let content = content.ok_or(ExchangeError::NotFound { what: "an earlier version to go back to" })?;
        let mut version = last.publication.version.next().ok_or_else(no_version)?;
        while self.version_is_taken(&version).await? {
            version = version.next().ok_or_else(no_version)?;
        }
        let today = operation.today();
        let files = move || {
            let packed = published_unpack(&content)?;
            Ok(match scope {
                PolicyScope::Federation => {
                    PolicyFiles::Bundle(BundleFiles::unpack(&packed)?.reissue(&version, today)?)
                }
                PolicyScope::Region(_) => {
                    PolicyFiles::Overlay(OverlayFiles::unpack(&packed)?.reissue(&version, today)?)
                }
            })
        };
        let staged = self.staged_load(operation, files).await?;
        self.plan_put(operation, staged, "reverted").await
    }

    /// Loads files as what they are, an overlay over the bundle published last; refuses those that are not for this node.
    /// On a thread that may take its time.
    async fn staged_load(
        &self,
        operation: &Operation,
        files: impl FnOnce() -> Result<PolicyFiles> + Send + 'static,
    ) -> Result<Staged> {
        let files = blocking(files).await?;
        self.coordinates(operation, files_scope(&files)?, "stage a policy")?;
        let base = match &files {
            PolicyFiles::Bundle(_) => None,
            PolicyFiles::Overlay(_) => Some(self.bundle_base().await?),
        };
        blocking(move || {
            files_load(&files, base.as_ref())?;
            let version = files.version()?;
            Ok(Staged { version, bundle: files.digest(), content: published_encode(&files)? })
        })
        .await
    }

    async fn version_is_taken(&self, version: &PolicyVersion) -> Result<bool> {
        let plan = self.parts.store.get(&keyspace::policy_plan(version)).await?;
        Ok(plan.is_some() || self.history_read(version).await?.is_some())
    }

    /// Keeps a plan; the caller holds `planning`.
    async fn plan_put(
        self: &Arc<Self>,
        operation: &Operation,
        staged: Staged,
        step: &str,
    ) -> Result<PolicyPlan> {
        let Staged { version, bundle, content } = staged;
        let limit = match version.scope() {
            PolicyScope::Federation => CONTENT_LIMIT,
            PolicyScope::Region(_) => OVERLAY_LIMIT,
        };
        if content.len() > limit {
            return Err(conflict(format!(
                "{version} has {} bytes when compressed and may have {limit}: make it smaller",
                content.len()
            )));
        }
        let published = self.plans_tidy(version.scope()).await?;
        let base = self.plan_base(version.scope(), &published)?;
        if !version.follows(&base.version) || self.history_read(&version).await?.is_some() {
            let (base, file) = (&base.version, manifest_name(&version));
            return Err(conflict(format!(
                "{version} does not follow {base}, which is published: give it a higher version in {file}"
            )));
        }
        let key = keyspace::policy_plan(&version);
        let is_new = self.parts.store.get(&key).await?.is_none();
        if is_new && self.plan_rows().await?.len() >= PLANS_LIMIT {
            return Err(conflict(format!("{PLANS_LIMIT} plans are staged: discard one that is not wanted")));
        }
        let entry = plan_entry(step, &version, bundle).detail("base", &base.version.to_string());
        self.audit_append(Some(operation), entry).await?;
        let row = PlanRow {
            version,
            bundle,
            base: base.bundle,
            base_version: base.version.clone(),
            staged_by: operation.account().clone(),
            staged: operation.now(),
            content,
            approvals: Vec::new(),
        };
        self.plan_write(&row).await?;
        Ok(row.shown(&base))
    }

    /// Signs a plan as the operator. `digest` is how the person names what he saw: the first digits of the bundle's digest.
    /// Somebody else has to sign as well; a second account of the same user does not count.
    pub async fn policy_sign(
        self: &Arc<Self>,
        operation: &Operation,
        separation: Separation,
        version: &PolicyVersion,
        digest: &str,
    ) -> Result<PolicyPlan> {
        self.coordinates(operation, version.scope(), "sign a policy")?;
        let _turn = self.planning.lock().await;
        let base = self.plan_base(version.scope(), &self.plans_tidy(version.scope()).await?)?;
        let mut row = self.plan_read(version).await?;
        row.check_current(&base)?;
        if !is_named(&row.bundle, digest) {
            return Err(conflict(format!(
                "{version} is staged with another content than the one named: look at chengxin policy diff --plan {version}, then sign what it names"
            )));
        }
        let accounts = self.operators_all().await?;
        let user_id = accounts
            .iter()
            .find(|account| account.name == *operation.account())
            .map(|account| account.user_id)
            .ok_or(ExchangeError::NotFound { what: "the operator's account" })?;
        // One that no longer holds may be given again.
        row.approvals.retain(|approval| is_recent(approval.signed, operation.now()));
        let is_same = |approval: &&ApprovalRow| {
            approval.account == *operation.account()
                || (separation == Separation::Enforced && approval.user_id == user_id)
        };
        if let Some(approval) = row.approvals.iter().find(is_same) {
            return Err(conflict(format!(
                "{} signed {version} already, and it takes two different people: a colleague signs next",
                approval.account
            )));
        }
        if row.approvals.len() >= APPROVALS_LIMIT {
            return Err(conflict(format!("{version} has {APPROVALS_LIMIT} signatures: publish it")));
        }
        let claims = ApprovalClaims {
            iss: self.parts.agency,
            iat: operation.now(),
            operator: OperatorReference { account: operation.account().clone(), role: operation.role() },
            version: version.clone(),
            bundle: row.bundle,
            base: row.base,
        };
        let jws = jws_sign(APPROVAL_TYP, &claims, &self.parts.keys.signing)?;
        self.audit_append(Some(operation), plan_entry("signed", version, row.bundle)).await?;
        row.approvals.push(ApprovalRow {
            account: operation.account().clone(),
            user_id,
            signed: operation.now(),
            jws,
        });
        self.plan_write(&row).await?;
        Ok(row.shown(&base))
    }

    /// Throws a plan away.
    pub async fn policy_discard(
        self: &Arc<Self>,
        operation: &Operation,
        version: &PolicyVersion,
    ) -> Result<()> {
        self.coordinates(operation, version.scope(), "discard a policy")?;
        let _turn = self.planning.lock().await;
        self.plans_tidy(version.scope()).await?;
        let row = self.plan_read(version).await?;
        self.audit_append(Some(operation), plan_entry("discarded", version, row.bundle)).await?;
        let mut batch = Batch::new();
        batch.delete(keyspace::policy_plan(version));
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The plans, in the order of their versions.
    pub async fn policy_plans(&self) -> Result<Vec<PolicyPlan>> {
        let directory = self.directory()?;
        let mut plans = Vec::new();
        for row in self.plan_rows().await? {
            let published = published_or_none(&directory, row.version.scope());
            if published.iter().all(|policy| policy.publication.bundle != row.bundle) {
                plans.push(row.shown(&self.plan_base(row.version.scope(), &published)?));
            }
        }
        Ok(plans)
    }

    /// The texts published last, of the federation's bundle or of a region's overlay: what a plan is made from. Nothing is
    /// loaded for it.
    pub async fn policy_files(&self, scope: PolicyScope) -> Result<PolicyFiles> {
        let published = match scope {
            PolicyScope::Federation => published_or_none(self.directory()?.as_ref(), scope),
            PolicyScope::Region(_) => policies_published(self.directory()?.as_ref(), scope)?,
        };
        let Some(last) = published.into_iter().next_back() else {
            return match scope {
                PolicyScope::Federation => Ok(PolicyFiles::Bundle(self.policy().bundle().files().clone())),
                PolicyScope::Region(_) => {
                    Err(ExchangeError::NotFound { what: "a published overlay of this region" })
                }
            };
        };
        blocking(move || Ok(PolicyFiles::unpack(&published_unpack(&last.content)?)?)).await
    }

    /// What a plan for a scope is compared with: the bundle published last, and for an overlay that bundle with the overlay
    /// published last. Where this node cannot decide by the bundle published last, the one in force.
    pub async fn policy_base(&self, scope: PolicyScope) -> Result<Arc<Authoriser>> {
        let base = self.bundle_base().await?;
        let overlay = match scope {
            PolicyScope::Federation => None,
            PolicyScope::Region(_) => policies_published(self.directory()?.as_ref(), scope)?.pop(),
        };
        let in_force = self.policy();
        let is_in_force = |bundle: &Bundle, overlay: Option<Sha256>| {
            bundle.digest() == in_force.bundle().digest()
                && overlay == in_force.bundle().overlay().map(|overlay| overlay.digest)
        };
        if is_in_force(&base, overlay.as_ref().map(|overlay| overlay.publication.bundle)) {
            return Ok(in_force);
        }
        blocking(move || {
            let bundle = match overlay {
                None => base,
                Some(overlay) => base.overlay_apply(&OverlayFiles::from_published(&overlay.content)?)?,
            };
            Ok(Arc::new(Authoriser::new(bundle)?))
        })
        .await
    }

    /// The federation's bundle published last, if this node can decide by it; else the one in force.
    pub(crate) async fn bundle_base(&self) -> Result<Bundle> {
        let in_force = self.policy().bundle().base();
        let published = published_or_none(self.directory()?.as_ref(), PolicyScope::Federation);
        match published.last() {
            Some(last) if last.publication.bundle != in_force.digest() => {
                Ok(self.bundle_looked_at(last.publication.bundle).await.unwrap_or(in_force))
            }
            Some(_) | None => Ok(in_force),
        }
    }

    /// A plan with its bundle, loaded to be compared; an overlay over the bundle published last.
    pub async fn policy_plan(&self, version: &PolicyVersion) -> Result<Arc<Authoriser>> {
        let row = self.plan_read(version).await?;
        let base = self.bundle_base().await?;
        blocking(move || {
            let files = PolicyFiles::unpack(&published_unpack(&row.content)?)?;
            Ok(Arc::new(Authoriser::new(files_load(&files, Some(&base))?)?))
        })
        .await
    }

    /// Removes plans that are published, and keeps what is published in the history; the caller holds `planning`. Gives
    /// what is published; nothing where that cannot be read, which the status tells.
    pub(crate) async fn plans_tidy(&self, scope: PolicyScope) -> Result<Vec<PublishedPolicy>> {
        let published = published_or_none(self.directory()?.as_ref(), scope);
        for policy in &published {
            let version = &policy.publication.version;
            let mut batch = Batch::new();
            if self.history_read(version).await?.is_none() {
                let row = HistoryRow {
                    version: version.clone(),
                    bundle: policy.publication.bundle,
                    effective: policy.publication.effective,
                    published: policy.publication.published,
                    content: policy.content.to_vec(),
                };
                batch.put(keyspace::policy_history(version), row.encode()?);
            }
            let plan = keyspace::policy_plan(version);
            if self.parts.store.get(&plan).await?.is_some() {
                batch.delete(plan);
            }
            if !batch.is_empty() {
                self.parts.store.commit(batch).await?;
            }
        }
        Ok(published)
    }

    /// What a plan of a scope is made on: what is published last. Where nothing is, or nothing that can be read, what this
    /// node decides by; the first overlay of a region follows the federation's bundle.
    pub(crate) fn plan_base(&self, scope: PolicyScope, published: &[PublishedPolicy]) -> Result<Base> {
        let bundles;
        let last = match (published.last(), scope) {
            (None, PolicyScope::Region(_)) => {
                bundles = published_or_none(self.directory()?.as_ref(), PolicyScope::Federation);
                bundles.last()
            }
            (last, _) => last,
        };
        if let Some(last) = last {
            let publication = &last.publication;
            return Ok(Base { version: publication.version.clone(), bundle: publication.bundle });
        }
        let policy = self.policy();
        let bundle = policy.bundle();
        Ok(Base { version: bundle.manifest().version.clone(), bundle: bundle.digest() })
    }

    /// The scopes that this node publishes for: as a coordinator's, and as that of the league or city it serves.
    pub(crate) fn scopes(&self) -> Result<Vec<PolicyScope>> {
        let entry = self.own_entry()?;
        let federation = entry.coordinator.then_some(PolicyScope::Federation);
        Ok(federation.into_iter().chain(entry.overlay_region.map(PolicyScope::Region)).collect())
    }

    /// Only a node that publishes for a scope has plans for it.
    pub(crate) fn coordinates(
        &self,
        operation: &Operation,
        scope: PolicyScope,
        act: &'static str,
    ) -> Result<()> {
        operation.require(&[Role::Coordinator], act)?;
        if self.scopes()?.contains(&scope) {
            return Ok(());
        }
        Err(match scope {
            PolicyScope::Federation => {
                conflict("this is not a coordinator's node: policies are published there".to_owned())
            }
            PolicyScope::Region(region) => conflict(format!(
                "this node does not publish the overlay of {region}: the coordinator delegates a league or city with chengxin federation delegate"
            )),
        })
    }

    pub(crate) async fn plan_read(&self, version: &PolicyVersion) -> Result<PlanRow> {
        match self.parts.store.get(&keyspace::policy_plan(version)).await? {
            Some(bytes) => PlanRow::decode(&bytes),
            None => Err(ExchangeError::NotFound { what: "a staged policy of this version" }),
        }
    }

    async fn plan_rows(&self) -> Result<Vec<PlanRow>> {
        let mut rows = Vec::new();
        let mut range = KeyRange::prefix(&keyspace::policy_plans());
        loop {
            let page = self.readable_page(&range, ROWS_AT_ONCE).await?;
            let Some(rest) = page.rest else { return Ok(rows) };
            range = rest;
            for (_, bytes) in &page.rows {
                rows.push(PlanRow::decode(bytes)?);
            }
        }
    }

    async fn plan_write(&self, row: &PlanRow) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(keyspace::policy_plan(&row.version), row.encode()?);
        Ok(self.parts.store.commit(batch).await.map(|_| ())?)
    }

    async fn history_read(&self, version: &PolicyVersion) -> Result<Option<HistoryRow>> {
        let bytes = self.parts.store.get(&keyspace::policy_history(version)).await?;
        bytes.map(|bytes| HistoryRow::decode(&bytes)).transpose()
    }
}

impl PlanRow {
    fn shown(&self, base: &Base) -> PolicyPlan {
        PolicyPlan {
            version: self.version.clone(),
            bundle: self.bundle,
            base_version: self.base_version.clone(),
            is_current: self.base == base.bundle,
            staged_by: self.staged_by.clone(),
            staged: self.staged,
            approvals: self
                .approvals
                .iter()
                .map(|approval| (approval.account.clone(), approval.signed))
                .collect(),
        }
    }

    pub(crate) fn check_current(&self, base: &Base) -> Result<()> {
        if self.base == base.bundle {
            return Ok(());
        }
        Err(conflict(format!(
            "{} was staged on {}, and {} has been published since: look at what it changes now and stage it again",
            self.version, self.base_version, base.version
        )))
    }
}

/// What is published of a scope; nothing where it cannot be read, which adoption tells.
pub(crate) fn published_or_none(directory: &VerifiedDirectory, scope: PolicyScope) -> Vec<PublishedPolicy> {
    policies_published(directory, scope).unwrap_or_default()
}

/// Loads a bundle with its tests, or an overlay over `base`.
pub(crate) fn files_load(files: &PolicyFiles, base: Option<&Bundle>) -> Result<Bundle> {
    match (files, base) {
        (PolicyFiles::Bundle(files), _) => Ok(Bundle::from_files(files.clone())?),
        (PolicyFiles::Overlay(files), Some(base)) => Ok(base.overlay_stage(files)?),
        (PolicyFiles::Overlay(_), None) => {
            Err(ExchangeError::NotFound { what: "a bundle to lay the overlay over" })
        }
    }
}

/// Whose files these are.
pub(crate) fn files_scope(files: &PolicyFiles) -> Result<PolicyScope> {
    Ok(match files {
        PolicyFiles::Bundle(_) => PolicyScope::Federation,
        PolicyFiles::Overlay(files) => PolicyScope::Region(files.manifest()?.region),
    })
}

/// The file in which a version stands.
fn manifest_name(version: &PolicyVersion) -> &'static str {
    match version.scope() {
        PolicyScope::Federation => "bundle.toml",
        PolicyScope::Region(_) => "overlay.toml",
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work);
    done.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })?
}

/// Whether `text` names the digest: its first digits, with or without the name of the algorithm.
fn is_named(digest: &Sha256, text: &str) -> bool {
    let text = text.trim().strip_prefix("sha256:").unwrap_or(text.trim()).to_ascii_lowercase();
    text.len() >= DIGEST_DIGITS && hex_encode(&digest.0).starts_with(&text)
}

pub(crate) fn plan_entry(step: &str, version: &PolicyVersion, bundle: Sha256) -> EntryDraft {
    EntryDraft::new(EntryKind::PolicyChanged)
        .policy(&version.to_string())
        .detail("step", step)
        .detail("bundle", &bundle.to_string())
}

pub(crate) fn conflict(reason: String) -> ExchangeError {
    ExchangeError::Conflict { what: "policy", reason }
}

fn no_version() -> ExchangeError {
    conflict("there is no version after the last: begin another series of versions".to_owned())
}

fn no_scope() -> ExchangeError {
    conflict(
        "this node publishes no policy: coordinators' nodes do, and those of leagues and cities".to_owned(),
    )
}

fn nothing_published() -> ExchangeError {
    conflict("no policy is published yet: stage one first".to_owned())
}
