//! Publishing a plan that two people signed: what the directory's schedule says afterwards.
//!
//! A bundle is published by the coordinator's node on which it was staged. An overlay is staged at the node of its league or
//! city and sent to a coordinator's node, which puts it into the directory: it looks at who may publish for the region, at
//! the signatures, at the order, and lays the overlay over the bundle with the overlay's tests, as every node of the region
//! will. So a loosening overlay is refused before anybody sees it, and again by everybody who does not take the
//! coordinator's word.
//!
//! Crash story: the audit entry, then the directory with its commit point. Who sent an overlay and got no answer sends it
//! again: what is published already is published.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::{APPROVALS_NEEDED, PolicySchedule, Publication};
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::limits::{CLOCK_TOLERANCE_SECONDS, OVERLAY_LIMIT};
use chengxin_trust::{ContentName, PolicyPart};

use crate::budget::Admission;
use crate::error::{ExchangeError, Result};
use crate::node::Node;
use crate::operation::Operation;
use crate::peers::peer_words;
use crate::policy_plan::{ApprovalRow, PlanRow, conflict, plan_entry, published_or_none};
use crate::policy_schedule::{PublishedPolicy, is_recent};

/// How long a coordinator may take to look at an overlay and to sign the directory, in milliseconds.
const OVERLAY_DEADLINE_MS: u64 = 30_000;

/// A publication that may go into the directory.
#[derive(Clone, Debug)]
pub struct PreparedPublication {
    /// What is published.
    pub publication: Publication,
    /// The contents of the directory that change; nothing where a coordinator's node changes them.
    pub contents: BTreeMap<ContentName, Option<Bytes>>,
    /// A version that waited for its day and is replaced by this one.
    pub replaced: Option<PolicyVersion>,
}

impl Node {
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
        self.coordinates(operation, version.scope(), "publish a policy")?;
        let _turn = self.planning.lock().await;
        let published = self.plans_tidy(version.scope()).await?;
        let (publication, row) = self.publication_make(operation, version, effective, &published).await?;
        let prepared = prepare(&published, publication, Bytes::from(row.content), operation.today())?;
        self.publication_log(operation, &prepared.publication).await?;
        publish(prepared.clone()).await?;
        // A plan that stays behind is removed by the next step of planning.
        if let Err(error) = self.plans_tidy(version.scope()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the plan of a published policy was not removed"
            );
        }
        Ok(prepared)
    }

    /// Has a coordinator's node publish the plan of an overlay, after the same checks here. The plan stays until the
    /// directory shows it.
    pub async fn overlay_publish(
        self: &Arc<Self>,
        operation: &Operation,
        version: &PolicyVersion,
        effective: Day,
    ) -> Result<PreparedPublication> {
        self.coordinates(operation, version.scope(), "publish a policy")?;
        let _turn = self.planning.lock().await;
        let published = self.plans_tidy(version.scope()).await?;
        let (publication, row) = self.publication_make(operation, version, effective, &published).await?;
        let replaced = waits(&published, operation.today()).map(|policy| policy.publication.version.clone());
        let message =
            wire::encode(&PeerRequest::Overlay { publication: publication.encode()?, content: row.content })?;
        self.publication_log(operation, &publication).await?;
        self.overlay_send(Bytes::from(message)).await?;
        Ok(PreparedPublication { publication, contents: BTreeMap::new(), replaced })
    }

    /// Sends an overlay to the coordinators' nodes, one after the other, until one has published it.
    async fn overlay_send(&self, message: Bytes) -> Result<()> {
        let directory = self.directory_current()?;
        let mut faults = Vec::new();
        for entry in directory.coordinators().filter(|entry| entry.agency != self.parts.agency) {
            let reply = self.parts.peers.call(entry, message.clone(), OVERLAY_DEADLINE_MS).await;
            let fault = match reply.map(|reply| wire::decode::<PeerResponse>(&reply)) {
                Ok(Ok(PeerResponse::Noted)) => return Ok(()),
                // Of itself. Of the overlay another coordinator would say the same.
                Ok(Ok(PeerResponse::Failed {
                    code: ErrorCode::Unavailable | ErrorCode::Timeout | ErrorCode::Internal | ErrorCode::Busy,
                    reason,
                })) => peer_words(&reason),
                Ok(Ok(PeerResponse::Failed { reason, .. })) => {
                    return Err(conflict(format!(
                        "the coordinator's node refused it: {}",
                        peer_words(&reason)
                    )));
                }
                Ok(_) => "answered with another kind of message".to_owned(),
                Err(fault) => peer_words(&fault.reason),
            };
            faults.push(format!("{}: {fault}", entry.agency));
        }
        Err(ExchangeError::Unreachable {
            what: "no coordinator's node can be reached",
            reason: faults.join("; "),
        })
    }

    /// At a coordinator's node: looks at an overlay that a member publishes for its region, and has `publish` put it into the
    /// directory. Gives nothing to be done for one that is published already.
    pub async fn overlay_accept<E, F>(
        self: &Arc<Self>,
        from: &AgencyCode,
        (publication, content): (&str, Vec<u8>),
        publish: impl FnOnce(PreparedPublication) -> F,
    ) -> std::result::Result<(), E>
    where
        E: From<ExchangeError>,
        F: Future<Output = std::result::Result<(), E>>,
    {
        let publication = Publication::parse(publication).map_err(ExchangeError::from)?;
        let _turn = self.planning.lock().await;
        let published = published_or_none(self.directory()?.as_ref(), publication.version.scope());
        let is_published = |policy: &PublishedPolicy| {
            policy.publication.bundle == publication.bundle
                && policy.publication.version == publication.version
                && policy.publication.effective == publication.effective
        };
        if published.iter().any(is_published) {
            return Ok(());
        }
        let policy = PublishedPolicy { publication, content: Bytes::from(content) };
        if let Err(error) = self.overlay_check(from, &policy, &published).await {
            self.refusal_log(from, &error).await;
            return Err(error.into());
        }
        let today = Day(self.now().shanghai_date());
        let prepared = prepare(&published, policy.publication, policy.content, today)?;
        let publication = &prepared.publication;
        let entry = plan_entry("published", &publication.version, publication.bundle)
            .detail("effective", &publication.effective.to_string())
            .peer(*from, None);
        self.audit_append(None, entry).await?;
        publish(prepared).await
    }

    /// Refuses an overlay that is not its sender's to publish, not in order, not approved, or that lets out more than the
    /// bundle.
    async fn overlay_check(
        self: &Arc<Self>,
        from: &AgencyCode,
        policy: &PublishedPolicy,
        published: &[PublishedPolicy],
    ) -> Result<()> {
        let (publication, now) = (&policy.publication, self.now());
        let directory = self.directory_current()?;
        let scope = publication.version.scope();
        let PolicyScope::Region(region) = scope else {
            return Err(conflict("a member publishes an overlay of its region, and no bundle".to_owned()));
        };
        if !self.own_entry()?.coordinator {
            return Err(conflict(
                "this is not a coordinator's node: policies are published there".to_owned(),
            ));
        }
        if !directory.delegates(region).any(|entry| entry.agency == *from) {
            return Err(conflict(format!(
                "{from} does not publish the overlay of {region}: the coordinator delegates a league or city with chengxin federation delegate"
            )));
        }
        let admission = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.admit(from, 0, now)
        };
        if let Admission::Refused { .. } = admission {
            return Err(ExchangeError::Busy {
                what: "overlays",
                reason: "too many in one day: publish tomorrow".to_owned(),
            });
        }
        if policy.content.len() > OVERLAY_LIMIT {
            return Err(conflict(format!(
                "an overlay may have {OVERLAY_LIMIT} bytes when compressed: make it smaller"
            )));
        }
        let base = self.plan_base(scope, published)?;
        base.check(&publication.version, publication.base)?;
        if now.since(publication.published).abs() > CLOCK_TOLERANCE_SECONDS {
            return Err(conflict(
                "the clocks of both nodes differ by more than five minutes: set them by the same time server"
                    .to_owned(),
            ));
        }
        let today = Day(now.shanghai_date());
        day_check(publication.effective, today, waits(published, today))?;
        policy.approvals_check(&directory)?;
        let (loading, bundle) = (policy.clone(), self.bundle_base().await?);
        let loaded = tokio::task::spawn_blocking(move || loading.overlay_stage(&bundle).map(|_| ()));
        loaded.await.map_err(|_| ExchangeError::Task { what: "loading a policy" })?
    }

    async fn publication_log(&self, operation: &Operation, publication: &Publication) -> Result<()> {
        let entry = plan_entry("published", &publication.version, publication.bundle)
            .detail("effective", &publication.effective.to_string());
        self.audit_append(Some(operation), entry).await?;
        Ok(())
    }

    /// What is to be published of a plan, if it may be.
    async fn publication_make(
        self: &Arc<Self>,
        operation: &Operation,
        version: &PolicyVersion,
        effective: Day,
        published: &[PublishedPolicy],
    ) -> Result<(Publication, PlanRow)> {
        let row = self.plan_read(version).await?;
        row.check_current(&self.plan_base(version.scope(), published)?)?;
        let approvals = self.approvals_that_hold(&row, operation.now()).await?;
        if approvals.len() < APPROVALS_NEEDED {
            return Err(conflict(format!(
                "{version} has {} of {APPROVALS_NEEDED} signatures that hold: a colleague signs it with chengxin policy sign",
                approvals.len()
            )));
        }
        let today = operation.today();
        day_check(effective, today, waits(published, today))?;
        // Loaded once more: another program may have staged it.
        let plan = self.policy_plan(version).await?;
        let (allowed, file) = match plan.bundle().overlay() {
            Some(overlay) => (overlay.manifest.effective, "overlay.toml"),
            None => (plan.bundle().manifest().effective, "bundle.toml"),
        };
        if effective < allowed {
            return Err(conflict(format!(
                "{version} may decide from {allowed} on, as its {file} says: give that day or a later one"
            )));
        }
        let publication = Publication {
            version: row.version.clone(),
            bundle: row.bundle,
            effective,
            published: operation.now(),
            base: Some(row.base),
            approvals: approvals.iter().map(|approval| approval.jws.clone()).collect(),
        };
        Ok((publication, row))
    }

    /// Approvals that are recent, of people who are coordinators still.
    async fn approvals_that_hold(&self, row: &PlanRow, now: UnixTime) -> Result<Vec<ApprovalRow>> {
        let accounts = self.operators_all().await?;
        let holds = |approval: &&ApprovalRow| {
            is_recent(approval.signed, now)
                && accounts.iter().any(|account| {
                    account.name == approval.account
                        && account.enabled
                        && account.roles.contains(&Role::Coordinator)
                })
        };
        Ok(row.approvals.iter().filter(holds).cloned().collect())
    }
}

/// The one published last, if it waits for its day.
fn waits(published: &[PublishedPolicy], today: Day) -> Option<&PublishedPolicy> {
    published.last().filter(|last| last.publication.effective > today)
}

/// Refuses a day in the past, and one that would bring to nothing for a while what was published for an earlier day.
fn day_check(effective: Day, today: Day, waits: Option<&PublishedPolicy>) -> Result<()> {
    if effective < today {
        return Err(conflict(format!("{effective} is over: give today, {today}, or a later day")));
    }
    match waits {
        Some(waits) if effective > waits.publication.effective => Err(conflict(format!(
            "{} waits for {}, and would never be in force: give that day or an earlier one, or publish after it",
            waits.publication.version, waits.publication.effective
        ))),
        Some(_) | None => Ok(()),
    }
}

/// The contents of the directory with one more publication: beside it stays the one that decides before it.
fn prepare(
    published: &[PublishedPolicy],
    publication: Publication,
    content: Bytes,
    today: Day,
) -> Result<PreparedPublication> {
    let waits = waits(published, today);
    let former = match waits {
        Some(_) => published.iter().rev().nth(1),
        None => published.last(),
    };
    let mut publications: Vec<Publication> = former.iter().map(|policy| policy.publication.clone()).collect();
    publications.push(publication.clone());
    let schedule = Bytes::from(PolicySchedule::new(publications)?.encode()?);
    let scope = publication.version.scope();
    let (first, next) = match former {
        Some(former) => (former.content.clone(), Some(content)),
        // Where none was published: the first one has nothing before it.
        None => (content, None),
    };
    let contents =
        [(PolicyPart::Bundle, Some(first)), (PolicyPart::Next, next), (PolicyPart::Schedule, Some(schedule))];
    Ok(PreparedPublication {
        publication,
        contents: contents
            .into_iter()
            .map(|(part, content)| (ContentName::Policy(scope, part), content))
            .collect(),
        replaced: waits.map(|policy| policy.publication.version.clone()),
    })
}
