//! A simulation over other nodes' logs: each member that agrees to it replays its own requests by the policy that is
//! proposed, and tells counts.
//!
//! What leaves a node: how many requests of which body, for which purpose and in which role, would end otherwise; no
//! subject, and no line of fewer than [`COUNT_LEAST`] requests. Whether a node tells at all is for its own administrator to
//! say (`policy.share_counts`); who may ask are the coordinators, about an overlay those of its region too. What is proposed
//! is loaded and tested before anything is replayed, one simulation at a time and a bounded number a day, and being asked is
//! logged like every reading of the log.
//!
//! A member compares with what it knows to be published last, which may be another version than at the asker: its counts
//! name it. A bundle is compared with the bundle, without the overlay of the member's region.

use std::sync::PoisonError;

use bytes::Bytes;
use chengxin_policy::{Authoriser, PolicyFiles, ReplayOutcome, published_encode, published_unpack};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::policy_version::PolicyScope;
use chengxin_schemas::simulation::{
    COUNT_LEAST, COUNTED_LINES_LIMIT, CountedLine, SimulatedOutcome, SimulationCounts,
};
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use futures::StreamExt as _;

use crate::audit::{EntryDraft, EntryKind};
use crate::budget::Admission;
use crate::error::{ExchangeError, Result};
use crate::node::Node;
use crate::operation::Operation;
use crate::peers::peer_words;
use crate::policy_plan::{blocking, files_load, files_scope};
use crate::policy_simulation::Simulation;

/// How long a member may take to load what is proposed and to replay its log, in milliseconds.
const SIMULATION_DEADLINE_MS: u64 = 30_000;
/// Members asked at the same time. Each is sent the whole policy, two thirds of a megabyte where it is a large one.
const ASKED_AT_ONCE: usize = 64;
const SECONDS_OF_DAY: i64 = 24 * 3_600;
/// After so many seconds no further member is asked: who waits for the answer has his own counts, and those that came.
const ASKING_SECONDS: i64 = 300;

/// What one member told.
#[derive(Clone, Debug)]
pub struct PeerSimulation {
    /// The member.
    pub agency: AgencyCode,
    /// Its name.
    pub name: String,
    /// Its counts, or why there are none.
    pub counts: std::result::Result<SimulationCounts, String>,
}

impl Node {
    /// Asks the members concerned what would have become of their requests since a time; for an overlay those of its
    /// region.
    pub async fn policy_simulate_peers(
        &self,
        operation: &Operation,
        new: &Authoriser,
        since: UnixTime,
    ) -> Result<Vec<PeerSimulation>> {
        let bundle = new.bundle();
        let scope = bundle
            .overlay()
            .map_or(PolicyScope::Federation, |overlay| PolicyScope::Region(overlay.manifest.region));
        self.coordinates(operation, scope, "simulate a policy at other nodes")?;
        let content = match bundle.overlay() {
            Some(overlay) => published_encode(&overlay.files)?,
            None => published_encode(bundle.files())?,
        };
        let message = Bytes::from(wire::encode(&PeerRequest::Simulate { content, since })?);
        let directory = self.directory_current()?;
        let is_asked = |entry: &&DirectoryEntry| {
            entry.agency != self.parts.agency
                && match scope {
                    PolicyScope::Federation => true,
                    PolicyScope::Region(region) => entry.region.is_within(region),
                }
        };
        let asked: Vec<DirectoryEntry> = directory.entries().filter(is_asked).cloned().collect();
        let entry = EntryDraft::new(EntryKind::PolicyChanged)
            .policy(bundle.rules_version())
            .detail("step", "simulated_at_members")
            .detail("members", &asked.len().to_string());
        self.audit_append(Some(operation), entry).await?;
        let begun = self.now();
        let told = futures::stream::iter(asked.into_iter().map(|entry| {
            let message = message.clone();
            async move {
                let counts = match self.now().since(begun) <= ASKING_SECONDS {
                    true => self.counts_ask(&entry, message).await,
                    false => Err("not asked: others took too long".to_owned()),
                };
                PeerSimulation { agency: entry.agency, name: entry.name, counts }
            }
        }));
        let mut told: Vec<PeerSimulation> = told.buffer_unordered(ASKED_AT_ONCE).collect().await;
        told.sort_by_key(|one| one.agency);
        Ok(told)
    }

    async fn counts_ask(
        &self,
        entry: &DirectoryEntry,
        message: Bytes,
    ) -> std::result::Result<SimulationCounts, String> {
        let reply = self.parts.peers.call(entry, message, SIMULATION_DEADLINE_MS).await;
        let reply = reply.map_err(|fault| peer_words(&fault.reason))?;
        match wire::decode::<PeerResponse>(&reply) {
            Ok(PeerResponse::Simulated(counts)) => {
                counts.check(self.now()).map_err(|error| error.to_string())?;
                let from = peer_words(&counts.from);
                Ok(SimulationCounts { from, ..*counts })
            }
            Ok(PeerResponse::Failed { reason, .. }) => Err(peer_words(&reason)),
            Ok(_) | Err(_) => Err("answered with another kind of message".to_owned()),
        }
    }

    /// Replays this node's requests for a coordinator, if its administrator agreed to that.
    pub(crate) async fn simulation_answer(
        &self,
        from: &AgencyCode,
        content: Vec<u8>,
        since: UnixTime,
    ) -> Result<SimulationCounts> {
        let conflict =
            |reason: &str| ExchangeError::Conflict { what: "simulation", reason: reason.to_owned() };
        if !self.parts.shares_counts {
            return Err(conflict("this body does not share counts of its requests"));
        }
        let directory = self.directory_current()?;
        let asker =
            directory.entry(from).ok_or(ExchangeError::NotFound { what: "the asking agency's entry" })?;
        let own = self.own_entry()?;
        let is_ours = asker.overlay_region.is_some_and(|region| own.region.is_within(region));
        if !asker.coordinator && !is_ours {
            return Err(conflict("counts are for coordinators: ask one"));
        }
        let admission = {
            let mut simulated = self.simulated.lock().unwrap_or_else(PoisonError::into_inner);
            simulated.admit(from, 0, self.now())
        };
        let busy = |reason: &str| ExchangeError::Busy { what: "simulations", reason: reason.to_owned() };
        if let Admission::Refused { .. } = admission {
            return Err(busy("too many in one day: ask tomorrow"));
        }
        let Ok(_turn) = self.simulating.try_acquire() else {
            return Err(busy("another one is under way: ask again later"));
        };
        let base = self.bundle_base().await?;
        let loaded = blocking(move || {
            let files = PolicyFiles::unpack(&published_unpack(&content)?)?;
            Ok((files_scope(&files)?, Authoriser::new(files_load(&files, Some(&base))?)?))
        });
        let (scope, new) = loaded.await?;
        let is_asked = match scope {
            PolicyScope::Federation => asker.coordinator,
            PolicyScope::Region(region) => own.region.is_within(region),
        };
        if !is_asked {
            return Err(conflict("it is a policy of another scope"));
        }
        // What is proposed stands without the overlay of the region, or in its place, and so does what it is compared with.
        let old = self.policy_base(scope).await?;
        let entry = EntryDraft::new(EntryKind::LogRead)
            .peer(*from, None)
            .policy(old.bundle().rules_version())
            .detail("simulated", new.bundle().rules_version())
            .detail("since", &since.to_rfc3339());
        self.audit_append(None, entry).await?;
        let simulation = self.simulation_run([&old, &new], day_begin(since)).await?;
        Ok(counts_of(simulation))
    }
}

/// What may be told of a simulation: the lines with the most requests, none with few, and of the others as much as does not
/// tell a single one.
fn counts_of(simulation: Simulation) -> SimulationCounts {
    let mut lines: Vec<CountedLine> = Vec::new();
    let mut all = simulation.lines;
    all.sort_by_key(|line| std::cmp::Reverse(line.requests));
    for line in all {
        if line.requests < COUNT_LEAST || lines.len() >= COUNTED_LINES_LIMIT {
            break;
        }
        lines.push(CountedLine {
            outcome: outcome(line.outcome),
            asker: line.asker,
            own: line.action == chengxin_policy::Action::Ask,
            purpose: line.purpose,
            role: line.role,
            subject_kind: line.subject_kind,
            requests: line.requests,
        });
    }
    let told = lines.iter().fold(0_u64, |sum, line| sum.saturating_add(line.requests));
    let others = simulation.requests.saturating_sub(simulation.unchanged).saturating_sub(told);
    SimulationCounts {
        from: simulation.from,
        since: day_begin(simulation.since),
        complete: simulation.complete,
        requests: simulation.requests,
        others: others / COUNT_LEAST * COUNT_LEAST,
        lines,
    }
}

/// The beginning of a time's day in UTC: which second a request was made in is nobody else's to find out.
fn day_begin(time: UnixTime) -> UnixTime {
    UnixTime(time.0.div_euclid(SECONDS_OF_DAY).saturating_mul(SECONDS_OF_DAY))
}

/// As it stands in documents and messages.
pub fn outcome(outcome: ReplayOutcome) -> SimulatedOutcome {
    match outcome {
        ReplayOutcome::Denied => SimulatedOutcome::Denied,
        ReplayOutcome::Less => SimulatedOutcome::Less,
        ReplayOutcome::Mixed => SimulatedOutcome::Mixed,
        ReplayOutcome::More => SimulatedOutcome::More,
        ReplayOutcome::Permitted => SimulatedOutcome::Permitted,
        ReplayOutcome::Same => SimulatedOutcome::Same,
    }
}
