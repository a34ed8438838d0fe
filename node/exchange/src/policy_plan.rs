//! The coordinator's plans: a bundle that was staged, who signed it off, and what its publication takes.
//!
//! A plan is made on the version published last. If another is published meanwhile, the plan no longer applies and has to
//! be staged again: who signed it had seen what it changes against the former one. Two different people sign; staging
//! other content under the same version drops their signatures, and who signs names the content he saw by its digest.
//!
//! Every bundle that was ever published is kept with its version, so that a version means one content for ever and an old
//! content can be taken up again under a new version.
//!
//! Crash story: staging, signing and discarding are one row each, logged before. Publishing is the directory's commit; the
//! plan's row goes after it, and one that a crash left is removed by the next step.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_policy::{Authoriser, Bundle, BundleFiles, published_encode, published_unpack};
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::jws::jws_sign;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::publication::{
    APPROVAL_TYP, APPROVALS_LIMIT, APPROVALS_NEEDED, ApprovalClaims, PolicySchedule, Publication,
};
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::{Batch, KeyRange};
use chengxin_trust::ContentName;
use chengxin_trust::limits::CONTENT_LIMIT;
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
struct PlanRow {
    version: PolicyVersion,
    bundle: Sha256,
    base: Sha256,
    base_version: PolicyVersion,
    staged_by: OperatorName,
    staged: UnixTime,
    /// The published form.
    content: Vec<u8>,
    approvals: Vec<ApprovalRow>,
}

/// A signature under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ApprovalRow {
    account: OperatorName,
    user_id: u32,
    signed: UnixTime,
    jws: String,
}

impl Row for PlanRow {
    const NAME: &'static str = "policy plan";
    const VERSION: u8 = 1;
}

/// A bundle that was published, stored form version 1.
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

/// A publication that may go into the directory.
#[derive(Clone, Debug)]
pub struct PreparedPublication {
    /// What is published.
    pub publication: Publication,
    /// The contents of the directory that change.
    pub contents: BTreeMap<ContentName, Option<Bytes>>,
    /// A version that waited for its day and is replaced by this one.
    pub replaced: Option<PolicyVersion>,
}

/// What is published last, on which a plan is made.
struct Base {
    version: PolicyVersion,
    bundle: Sha256,
}

impl Node {
    /// Takes in a bundle to be published: loads it whole, with its tests, and keeps it under its version. One that was
    /// staged under the same version is replaced, and with it what was signed.
    pub async fn policy_stage(
        self: &Arc<Self>,
        operation: &Operation,
        packed: Vec<u8>,
    ) -> Result<PolicyPlan> {
        self.coordinates(operation, "stage a policy")?;
        let (bundle, content) = bundle_load(move || Ok(BundleFiles::unpack(&packed)?)).await?;
        let _turn = self.planning.lock().await;
        self.plan_put(operation, &bundle, content, "staged").await
    }

    /// Stages the content of an earlier version under a new one: of `to`, or of the version before the last.
    pub async fn policy_revert(
        self: &Arc<Self>,
        operation: &Operation,
        to: Option<&PolicyVersion>,
    ) -> Result<PolicyPlan> {
        self.coordinates(operation, "take a policy back")?;
        let _turn = self.planning.lock().await;
        let published = self.plans_tidy().await?;
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
        let files = move || Ok(BundleFiles::unpack(&published_unpack(&content)?)?.reissue(&version, today)?);
        let (bundle, content) = bundle_load(files).await?;
        self.plan_put(operation, &bundle, content, "reverted").await
    }

    async fn version_is_taken(&self, version: &PolicyVersion) -> Result<bool> {
        let plan = self.parts.store.get(&keyspace::policy_plan(version)).await?;
        Ok(plan.is_some() || self.history_read(version).await?.is_some())
    }

    /// Keeps a plan; the caller holds `planning`.
    async fn plan_put(
        self: &Arc<Self>,
        operation: &Operation,
        bundle: &Bundle,
        content: Vec<u8>,
        step: &str,
    ) -> Result<PolicyPlan> {
        let version = bundle.manifest().version.clone();
        if content.len() > CONTENT_LIMIT {
            return Err(conflict(format!(
                "{version} has {} bytes when compressed and may have {CONTENT_LIMIT}: make it smaller",
                content.len()
            )));
        }
        let published = self.plans_tidy().await?;
        let base = self.plan_base(&published)?;
        if !version.follows(&base.version) || self.history_read(&version).await?.is_some() {
            return Err(conflict(format!(
                "{version} does not follow {}, which is published: give the bundle a higher version in bundle.toml",
                base.version
            )));
        }
        let key = keyspace::policy_plan(&version);
        let is_new = self.parts.store.get(&key).await?.is_none();
        if is_new && self.plan_rows().await?.len() >= PLANS_LIMIT {
            return Err(conflict(format!("{PLANS_LIMIT} plans are staged: discard one that is not wanted")));
        }
        let entry = plan_entry(step, &version, bundle.digest()).detail("base", &base.version.to_string());
        self.audit_append(Some(operation), entry).await?;
        let row = PlanRow {
            version,
            bundle: bundle.digest(),
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
        self.coordinates(operation, "sign a policy")?;
        let _turn = self.planning.lock().await;
        let base = self.plan_base(&self.plans_tidy().await?)?;
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
        self.coordinates(operation, "discard a policy")?;
        let _turn = self.planning.lock().await;
        self.plans_tidy().await?;
        let row = self.plan_read(version).await?;
        self.audit_append(Some(operation), plan_entry("discarded", version, row.bundle)).await?;
        let mut batch = Batch::new();
        batch.delete(keyspace::policy_plan(version));
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// The plans, in the order of their versions.
    pub async fn policy_plans(&self) -> Result<Vec<PolicyPlan>> {
        let published = policies_published(self.directory()?.as_ref())?;
        let base = self.plan_base(&published)?;
        let is_open = |row: &PlanRow| published.iter().all(|policy| policy.publication.bundle != row.bundle);
        Ok(self.plan_rows().await?.iter().filter(|row| is_open(row)).map(|row| row.shown(&base)).collect())
    }

    /// The policy published last, on which plans are made and with which they are compared: the one in force, unless
    /// another waits for its day.
    pub async fn policy_base(&self) -> Result<Arc<Authoriser>> {
        let in_force = self.policy();
        let published = policies_published(self.directory()?.as_ref())?;
        let Some(last) = published.into_iter().next_back() else { return Ok(in_force) };
        if last.publication.bundle == in_force.bundle().digest() {
            return Ok(in_force);
        }
        let loaded = tokio::task::spawn_blocking(move || last.load()).await;
        Ok(Arc::new(loaded.map_err(|_| ExchangeError::Task { what: "loading a policy" })??))
    }

    /// A plan with its bundle, loaded to be compared.
    pub async fn policy_plan(&self, version: &PolicyVersion) -> Result<Arc<Authoriser>> {
        let row = self.plan_read(version).await?;
        let loaded = tokio::task::spawn_blocking(move || -> Result<Authoriser> {
            Ok(Authoriser::new(Bundle::from_packed(&published_unpack(&row.content)?)?)?)
        });
        let authoriser = loaded.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })??;
        Ok(Arc::new(authoriser))
    }

    /// Publishes a plan: checks that nothing was published since it was staged, that two people signed lately who may still,
    /// and that the day is one on which all nodes can change; logs it; and has `publish` put the contents into the
    /// directory, which is the commit point. No other step of planning comes in between.
    pub async fn policy_publish<E, F>(
        self: &Arc<Self>,
        operation: &Operation,
        version: &PolicyVersion,
        effective: Day,
        publish: impl FnOnce(PreparedPublication) -> F,
    ) -> std::result::Result<PreparedPublication, E>
    where
        E: From<ExchangeError>,
        F: Future<Output = std::result::Result<(), E>>,
    {
        self.coordinates(operation, "publish a policy")?;
        let _turn = self.planning.lock().await;
        let prepared = self.publication_prepare(operation, version, effective).await?;
        let publication = &prepared.publication;
        let entry = plan_entry("published", &publication.version, publication.bundle)
            .detail("effective", &publication.effective.to_string());
        self.audit_append(Some(operation), entry).await?;
        publish(prepared.clone()).await?;
        // A plan that stays behind is removed by the next step of planning.
        if let Err(error) = self.plans_tidy().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the plan of a published policy was not removed"
            );
        }
        Ok(prepared)
    }

    async fn publication_prepare(
        self: &Arc<Self>,
        operation: &Operation,
        version: &PolicyVersion,
        effective: Day,
    ) -> Result<PreparedPublication> {
        let published = self.plans_tidy().await?;
        let row = self.plan_read(version).await?;
        row.check_current(&self.plan_base(&published)?)?;
        let accounts = self.operators_all().await?;
        let may_sign = |approval: &&ApprovalRow| {
            is_recent(approval.signed, operation.now())
                && accounts.iter().any(|account| {
                    account.name == approval.account
                        && account.enabled
                        && account.roles.contains(&Role::Coordinator)
                })
        };
        let approvals: Vec<&ApprovalRow> = row.approvals.iter().filter(may_sign).collect();
        if approvals.len() < APPROVALS_NEEDED {
            return Err(conflict(format!(
                "{version} has {} of {APPROVALS_NEEDED} signatures that hold: a colleague signs it with chengxin policy sign",
                approvals.len()
            )));
        }
        let today = operation.today();
        let waits = published.last().filter(|last| last.publication.effective > today);
        self.effective_check(&row, effective, today, waits).await?;
        let former = match waits {
            Some(_) => published.iter().rev().nth(1),
            None => published.last(),
        };
        let publication = Publication {
            version: row.version.clone(),
            bundle: row.bundle,
            effective,
            published: operation.now(),
            base: Some(row.base),
            approvals: approvals.iter().map(|approval| approval.jws.clone()).collect(),
        };
        let mut publications: Vec<Publication> =
            former.iter().map(|policy| policy.publication.clone()).collect();
        publications.push(publication.clone());
        let schedule = Bytes::from(PolicySchedule::new(publications)?.encode()?);
        let content = Bytes::from(row.content);
        let contents = match former {
            Some(former) => BTreeMap::from([
                (ContentName::PolicyBundle, Some(former.content.clone())),
                (ContentName::PolicyNext, Some(content)),
                (ContentName::PolicySchedule, Some(schedule)),
            ]),
            // A federation that published none: the first one has nothing before it.
            None => BTreeMap::from([
                (ContentName::PolicyBundle, Some(content)),
                (ContentName::PolicyNext, None),
                (ContentName::PolicySchedule, Some(schedule)),
            ]),
        };
        let replaced = waits.map(|policy| policy.publication.version.clone());
        Ok(PreparedPublication { publication, contents, replaced })
    }

    /// Refuses a day in the past, one before the bundle allows, and one that would bring to nothing for a while what was
    /// published for an earlier day.
    async fn effective_check(
        &self,
        row: &PlanRow,
        effective: Day,
        today: Day,
        waits: Option<&PublishedPolicy>,
    ) -> Result<()> {
        if effective < today {
            return Err(conflict(format!("{effective} is over: give today, {today}, or a later day")));
        }
        // Loaded once more: another program may have staged it.
        let plan = self.policy_plan(&row.version).await?;
        let allowed = plan.bundle().manifest().effective;
        if effective < allowed {
            return Err(conflict(format!(
                "{} may decide from {allowed} on, as its bundle.toml says: give that day or a later one",
                row.version
            )));
        }
        match waits {
            Some(waits) if effective > waits.publication.effective => Err(conflict(format!(
                "{} waits for {}, and would never be in force: give that day or an earlier one, or publish after it",
                waits.publication.version, waits.publication.effective
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Removes plans that are published, and keeps what is published in the history; the caller holds `planning`. Gives
    /// what is published.
    async fn plans_tidy(&self) -> Result<Vec<PublishedPolicy>> {
        let published = policies_published(self.directory()?.as_ref())?;
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

    fn plan_base(&self, published: &[PublishedPolicy]) -> Result<Base> {
        match published.last() {
            Some(last) => {
                let publication = &last.publication;
                Ok(Base { version: publication.version.clone(), bundle: publication.bundle })
            }
            // A federation that publishes none decides by the program's own.
            None => {
                let policy = self.policy();
                let bundle = policy.bundle();
                Ok(Base { version: bundle.manifest().version.clone(), bundle: bundle.digest() })
            }
        }
    }

    /// Only a coordinator's node has plans.
    fn coordinates(&self, operation: &Operation, act: &'static str) -> Result<()> {
        operation.require(&[Role::Coordinator], act)?;
        match self.own_entry()?.coordinator {
            true => Ok(()),
            false => {
                Err(conflict("this is not a coordinator's node: policies are published there".to_owned()))
            }
        }
    }

    async fn plan_read(&self, version: &PolicyVersion) -> Result<PlanRow> {
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

    fn check_current(&self, base: &Base) -> Result<()> {
        if self.base == base.bundle {
            return Ok(());
        }
        Err(conflict(format!(
            "{} was staged on {}, and {} has been published since: look at what it changes now and stage it again",
            self.version, self.base_version, base.version
        )))
    }
}

/// Loads files as a bundle, with its tests, beside its published form. On a thread that may take its time.
async fn bundle_load(
    files: impl FnOnce() -> Result<BundleFiles> + Send + 'static,
) -> Result<(Bundle, Vec<u8>)> {
    let loaded = tokio::task::spawn_blocking(move || -> Result<(Bundle, Vec<u8>)> {
        let bundle = Bundle::from_files(files()?)?;
        let content = published_encode(bundle.files())?;
        Ok((bundle, content))
    });
    loaded.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })?
}

/// Whether `text` names the digest: its first digits, with or without the name of the algorithm.
fn is_named(digest: &Sha256, text: &str) -> bool {
    let text = text.trim().strip_prefix("sha256:").unwrap_or(text.trim()).to_ascii_lowercase();
    text.len() >= DIGEST_DIGITS && hex_encode(&digest.0).starts_with(&text)
}

fn plan_entry(step: &str, version: &PolicyVersion, bundle: Sha256) -> EntryDraft {
    EntryDraft::new(EntryKind::PolicyChanged)
        .policy(&version.to_string())
        .detail("step", step)
        .detail("bundle", &bundle.to_string())
}

fn conflict(reason: String) -> ExchangeError {
    ExchangeError::Conflict { what: "policy", reason }
}

fn no_version() -> ExchangeError {
    conflict("there is no version after the last: begin another series of versions in bundle.toml".to_owned())
}

fn nothing_published() -> ExchangeError {
    conflict("the federation publishes no policy yet: stage one first".to_owned())
}
