//! Adoption as the coordinator sees it: which member decides by which version, since when, who lags, who refused and why.
//! The node of a league or city sees the same of the nodes there.
//!
//! Members say so themselves when something changed, over the connection that proves who they are. One row per member, the
//! newest report; it is kept over restarts, so that the state of a member that is down is the last one it told.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chengxin_schemas::adoption::{AdoptionReport, ScheduleFault};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::publication::Publication;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::{Batch, KeyRange};
use chengxin_trust::VerifiedDirectory;
use serde::{Deserialize, Serialize};

use crate::budget::Admission;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::policy_adoption::chain;
use crate::policy_schedule::policies_published;
use crate::row::Row;

/// The newest report of a member, stored form version 2: at most some 6 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AdoptionRow {
    report: AdoptionReport,
    received: UnixTime,
}

impl Row for AdoptionRow {
    const NAME: &'static str = "adoption report";
    const VERSION: u8 = 2;
}

/// How a member stands to what is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdoptionState {
    /// It decides by what is due today, and is ready for what follows.
    Adopted,
    /// It decides by what is due today, and has not said yet that it is ready for what follows.
    Pending,
    /// It still decides by an earlier version.
    Lagging,
    /// It cannot take over what was published.
    Refused,
    /// It never told.
    Silent,
}

/// One member's line.
#[derive(Clone, Debug)]
pub struct MemberAdoption {
    /// The member.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: AdoptionState,
    /// What it told last, and when.
    pub report: Option<(AdoptionReport, UnixTime)>,
}

/// The federation's state.
#[derive(Clone, Debug)]
pub struct AdoptionStatus {
    /// How the bundle is adopted.
    pub bundle: ScopeStatus,
    /// How the overlays are, of each region that has one, in the order of their codes.
    pub overlays: Vec<(RegionCode, ScopeStatus)>,
}

/// The state of one scope.
#[derive(Clone, Debug)]
pub struct ScopeStatus {
    /// What is published, in the order in which it decides.
    pub published: Vec<Publication>,
    /// The place in `published` of what is due today, if it is not all to come.
    pub due: Option<usize>,
    /// Why what is published cannot be read, in English. Publishing again mends it.
    pub fault: Option<String>,
    /// The members concerned of which this node is told, itself included, in the order of their codes: all at a coordinator's
    /// node, those of its region at a league's or city's, elsewhere itself.
    pub members: Vec<MemberAdoption>,
}

impl Node {
    /// Keeps what a member told. Only a coordinator's node does, and that of the league or city in which the member is.
    pub(crate) async fn adoption_keep(&self, from: &AgencyCode, report: AdoptionReport) -> Result<()> {
        report.check(self.now())?;
        let own = self.own_entry()?;
        let directory = self.directory()?;
        let is_ours = own
            .overlay_region
            .is_some_and(|region| directory.entry(from).is_some_and(|entry| entry.region.is_within(region)));
        if !own.coordinator && !is_ours {
            return Err(ExchangeError::NotFound { what: "a coordinator's list of adopted policies" });
        }
        // One at a time, so that the report that came last is the one that stays.
        let _turn = self.telling.lock().await;
        let key = keyspace::adoption(from);
        let held = match self.parts.store.get(&key).await? {
            // One that an earlier program wrote is replaced: the member tells the same again.
            Some(bytes) => AdoptionRow::decode(&bytes).ok(),
            None => None,
        };
        if held.as_ref().is_some_and(|held| held.report == report) {
            return Ok(());
        }
        let admission = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.admit(from, 0, self.now())
        };
        if let Admission::Refused { first } = admission {
            if first {
                tracing::warn!(peer = %from, "tells more often than a policy changes; the rest of the day it is not listened to");
            }
            return Err(ExchangeError::Busy {
                what: "reports",
                reason: "too many in one day: tell again tomorrow".to_owned(),
            });
        }
        let former = held.map(|held| held.report);
        let is_news = |of: fn(&AdoptionReport) -> Option<Sha256>| {
            of(&report).is_some() && of(&report) != former.as_ref().and_then(of)
        };
        let overlay_refused =
            |report: &AdoptionReport| Some(report.overlay.as_ref()?.refused.as_ref()?.bundle);
        if is_news(|report| report.refused.as_ref().map(|refused| refused.bundle)) || is_news(overlay_refused)
        {
            tracing::error!(peer = %from, "a member refused a published policy; chengxin policy status says why");
        }
        if is_news(|report| Some(report.in_force.bundle)) {
            tracing::info!(peer = %from, policy = %report.in_force.version, "a member said by which policy it decides");
        }
        let row = AdoptionRow { report, received: self.now() };
        let mut batch = Batch::new();
        batch.put(key, row.encode()?);
        self.parts.store.commit(batch).await?;
        Ok(())
    }

    /// How every member stands to what is published.
    pub async fn adoption_status(&self) -> Result<AdoptionStatus> {
        let directory = self.directory()?;
        let mut told = BTreeMap::new();
        let mut range = KeyRange::prefix(&keyspace::adoptions());
        loop {
            let page = self.readable_page(&range, REPORTS_AT_ONCE).await?;
            let Some(rest) = page.rest else { break };
            range = rest;
            for (key, bytes) in &page.rows {
                if let (Some(agency), Ok(row)) = (keyspace::adoption_agency(key), AdoptionRow::decode(bytes))
                {
                    told.insert(agency, (row.report, row.received));
                }
            }
        }
        if let Some(own) = self.policy_adoption() {
            told.insert(self.parts.agency, (own, self.now()));
        }
        let today = Day(self.now().shanghai_date());
        let own = self.own_entry()?;
        let is_told = |entry: &DirectoryEntry| {
            own.coordinator
                || entry.agency == own.agency
                || own.overlay_region.is_some_and(|region| entry.region.is_within(region))
        };
        let status = |scope| scope_status(&directory, scope, &told, (today, &is_told));
        let overlays =
            directory.overlay_regions().map(|region| (region, status(PolicyScope::Region(region))));
        Ok(AdoptionStatus { bundle: status(PolicyScope::Federation), overlays: overlays.collect() })
    }
}

/// What members told, and when.
type Told = BTreeMap<AgencyCode, (AdoptionReport, UnixTime)>;

fn scope_status(
    directory: &VerifiedDirectory,
    scope: PolicyScope,
    told: &Told,
    (today, is_told): (Day, &dyn Fn(&DirectoryEntry) -> bool),
) -> ScopeStatus {
    let (published, fault) = match policies_published(directory, scope) {
        Ok(published) => (published, None),
        Err(error) => (Vec::new(), Some(chain(&error))),
    };
    let published: Vec<Publication> = published.into_iter().map(|policy| policy.publication).collect();
    let due = published.iter().rposition(|publication| publication.effective <= today);
    let is_concerned = |entry: &DirectoryEntry| match scope {
        PolicyScope::Federation => true,
        PolicyScope::Region(region) => entry.region.is_within(region),
    };
    let concerned = directory.entries().filter(|entry| is_concerned(entry) && is_told(entry));
    let members = concerned.map(|entry| {
        let report = told.get(&entry.agency);
        let standing = report.map(|(report, _)| Standing::of(report, scope));
        let state = state(&published, due, standing.as_ref());
        MemberAdoption { agency: entry.agency, name: entry.name.clone(), state, report: report.cloned() }
    });
    ScopeStatus { members: members.collect(), published, due, fault }
}

/// How a member stands to one scope, by its report.
struct Standing<'a> {
    in_force: Option<Sha256>,
    ready: Option<Sha256>,
    refused: Option<Sha256>,
    fault: Option<&'a ScheduleFault>,
}

impl<'a> Standing<'a> {
    fn of(report: &'a AdoptionReport, scope: PolicyScope) -> Self {
        match scope {
            PolicyScope::Federation => Self {
                in_force: Some(report.in_force.bundle),
                ready: report.ready.as_ref().map(|ready| ready.bundle),
                refused: report.refused.as_ref().map(|refused| refused.bundle),
                fault: report.fault.as_ref(),
            },
            PolicyScope::Region(region) => {
                let overlay = report.overlay.as_ref().filter(|overlay| overlay.region == region);
                Self {
                    in_force: overlay.and_then(|overlay| overlay.in_force.as_ref()).map(|one| one.bundle),
                    ready: overlay.and_then(|overlay| overlay.ready.as_ref()).map(|one| one.bundle),
                    refused: overlay.and_then(|overlay| overlay.refused.as_ref()).map(|one| one.bundle),
                    fault: overlay.and_then(|overlay| overlay.fault.as_ref()),
                }
            }
        }
    }
}

/// Reports read at once.
const REPORTS_AT_ONCE: usize = 500;

fn state(published: &[Publication], due: Option<usize>, standing: Option<&Standing<'_>>) -> AdoptionState {
    let Some(standing) = standing else { return AdoptionState::Silent };
    let place_of = |digest: Option<Sha256>| published.iter().rposition(|one| Some(one.bundle) == digest);
    let place = place_of(standing.in_force);
    if standing.fault.is_some() || place_of(standing.refused).is_some() {
        return AdoptionState::Refused;
    }
    if !published.is_empty() && place < due {
        return AdoptionState::Lagging;
    }
    let next = due.map_or(0, |due| due + 1);
    match published.get(next) {
        Some(next) if place.is_none_or(|place| place < published.len() - 1) => {
            match standing.ready == Some(next.bundle) {
                true => AdoptionState::Adopted,
                false => AdoptionState::Pending,
            }
        }
        Some(_) | None => AdoptionState::Adopted,
    }
}

#[cfg(test)]
mod tests {
    use chengxin_schemas::adoption::{AdoptedPolicy, ReadyPolicy, RefusedPolicy};
    use chengxin_schemas::digest::Sha256;

    use super::*;

    fn publication(number: u8) -> Publication {
        Publication {
            version: format!("baseline-2026.{number}").parse().expect("version"),
            bundle: Sha256([number; 32]),
            effective: "2026-01-01".parse().expect("day"),
            published: UnixTime(1),
            base: None,
            approvals: Vec::new(),
        }
    }

    fn report(in_force: u8, ready: Option<u8>, refused: Option<u8>) -> AdoptionReport {
        let of = |number: u8| (publication(number).version, publication(number).bundle);
        AdoptionReport {
            in_force: AdoptedPolicy { version: of(in_force).0, bundle: of(in_force).1, since: UnixTime(1) },
            ready: ready.map(|number| ReadyPolicy {
                version: of(number).0,
                bundle: of(number).1,
                effective: publication(number).effective,
            }),
            refused: refused.map(|number| RefusedPolicy::new(of(number).0, of(number).1, UnixTime(1), "x")),
            fault: None,
            overlay: None,
        }
    }

    #[test]
    fn a_members_state_follows_from_what_is_due_and_what_it_told() {
        let published = [publication(3), publication(4)];
        // The second waits for its day.
        let of = |published: &[Publication], due, report: AdoptionReport| {
            state(published, due, Some(&Standing::of(&report, PolicyScope::Federation)))
        };
        let waiting = |report| of(&published, Some(0), report);
        assert_eq!(waiting(report(3, Some(4), None)), AdoptionState::Adopted);
        assert_eq!(waiting(report(3, None, None)), AdoptionState::Pending);
        assert_eq!(waiting(report(2, None, None)), AdoptionState::Lagging);
        assert_eq!(waiting(report(3, None, Some(4))), AdoptionState::Refused);
        assert_eq!(state(&published, Some(0), None), AdoptionState::Silent);
        // It is due; what is said of a version that is no longer published does not count.
        let due = |report| of(&published, Some(1), report);
        assert_eq!(due(report(4, None, None)), AdoptionState::Adopted);
        assert_eq!(due(report(3, Some(4), None)), AdoptionState::Lagging);
        assert_eq!(due(report(4, None, Some(2))), AdoptionState::Adopted);
        // All is to come: who has not taken anything over is not late.
        assert_eq!(of(&published[..1], None, report(2, Some(3), None)), AdoptionState::Adopted);
        assert_eq!(of(&published[..1], None, report(2, None, None)), AdoptionState::Pending);
        // A federation that publishes nothing.
        assert_eq!(of(&[], None, report(3, None, None)), AdoptionState::Adopted);
    }
}
