//! What runs beside requests: refreshing the directory, adopting the policy it publishes, delivering notices and tending
//! their streams, tending what a coordinator signs, taking a stopped audit log up again.
//!
//! Every task hangs on a [`Background`] that aborts it when dropped; a task that ends by itself stops the node, because
//! a node that silently no longer delivers or refreshes is worse than one that is down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chengxin_exchange::peers::Peers as _;
use chengxin_exchange::schedule::AttemptOutcome;
use chengxin_network::PeerIdentity;
use chengxin_schemas::adoption::AdoptionReport;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::time::{Clock as _, UnixTime};
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::{MetadataSource, RefreshOutcome, TrustStore, VerifiedDirectory};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::clock::SystemClock;
use crate::coordination::tend_interval;
use crate::mesh::{PeerSource, members_of};
use crate::wiring::{Running, is_expired};

/// Recipients delivered to at the same time.
const DELIVERIES_AT_ONCE: usize = 32;
/// Members greeted at the same time.
const GREETINGS_AT_ONCE: usize = 64;
/// Hints within this time are answered by one look.
const HINT_PAUSE: Duration = Duration::from_millis(200);
/// How long a peer may take to say which versions it holds, in milliseconds.
const VERSIONS_DEADLINE_MS: u64 = 5_000;
/// How long one source may take for a whole refresh, however it answers each request: a few files as a rule, a thousand
/// entries of a large province at a tenth of a second each at the worst. Also the delay one lying member can cause.
const SOURCE_DEADLINE: Duration = Duration::from_secs(120);
/// Longest sleep of the delivery task; something queued meanwhile waits at most so long.
const DELIVERY_TICK: Duration = Duration::from_millis(250);
/// How often the schedule is filled from the outbox and streams are compared with what their recipients have: an item of
/// some kilobytes for each recipient. A member that lost its store gets what it lost within this time of its return.
const STREAMS_INTERVAL: Duration = Duration::from_secs(3_600);
/// Pause before the streams are looked at again where that failed.
const STREAMS_RETRY: Duration = Duration::from_secs(30);

/// How often the published policies are looked at: the longest delay of a change of policy after the beginning of its day,
/// and of a report that a coordinator could not take.
const POLICY_TICK: Duration = Duration::from_secs(10);
/// After how long a coordinator is told again what it has noted.
const TELL_AGAIN: Duration = Duration::from_secs(24 * 3_600);
/// Longest pause before a coordinator is told again that would not listen.
const TELL_PAUSE_LIMIT: Duration = Duration::from_secs(3_600);
/// How often a stopped audit log is taken up again. An attempt reads its journal and writes what is not yet in full tiles.
const LOG_TICK: Duration = Duration::from_secs(30);

/// The tasks of a node.
pub(crate) struct Background {
    tasks: JoinSet<&'static str>,
}

impl Background {
    /// Starts them all. They stop when `stop` turns true.
    pub(crate) fn start(running: &Arc<Running>, stop: &watch::Receiver<bool>) -> Self {
        let mut tasks = JoinSet::new();
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, refresh_run(one)).await;
            "refreshing the directory"
        });
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, policy_run(one)).await;
            "adopting policies"
        });
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, delivery_run(one)).await;
            "delivering notices"
        });
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, streams_run(one)).await;
            "tending the streams of notices"
        });
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, tend_run(one)).await;
            "tending the federation"
        });
        let (one, signal) = (running.clone(), stop.clone());
        tasks.spawn(async move {
            until(signal, log_run(one)).await;
            "taking the audit log up again"
        });
        Self { tasks }
    }

    /// Resolves with the name of a task that ended, which only happens when it is told to or by a fault.
    pub(crate) async fn ended(&mut self) -> &'static str {
        match self.tasks.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) => "a task that panicked",
            None => "all tasks",
        }
    }
}

async fn until(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        // An error means that the sender is gone, which is the end too.
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
}

/// Takes the audit log up again after a failed write, once its cause is gone: a disk that was full has room again. Until
/// then every attempt fails and leaves the log stopped, and the node neither asks nor answers.
async fn log_run(running: Arc<Running>) {
    loop {
        tokio::time::sleep(LOG_TICK).await;
        let log = running.node.log();
        if log.health().stopped.is_none() {
            continue;
        }
        match log.reopen().await {
            Ok(()) => tracing::info!(entries = log.tree_size(), "the audit log was taken up again"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the audit log stays stopped");
            }
        }
    }
}

/// Why a round of refreshing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Its time has come: every member is greeted, which also brings connections up and says who is reachable.
    Regular,
    /// This node published something: every member is greeted, and a coordinator's greeting is a hint to look.
    Published,
    /// A coordinator's greeting came: only coordinators are asked.
    Hinted,
}

/// Greets members, takes what is newer from one that has it, and publishes it within the program.
async fn refresh_run(running: Arc<Running>) {
    let own = *running.node.agency();
    let every = Duration::from_secs(running.config.refresh_seconds);
    let mut round = Round::Regular;
    let mut due = Instant::now() + every;
    loop {
        let publish = || directory_publish(&running, &own);
        let greeting = Box::pin(refresh_round(&running, &own, round));
        let is_published = while_publishing(greeting, &running.changed, publish).await;
        directory_publish(&running, &own);
        due = due_after(round, due, Instant::now() + every);
        round = if is_published {
            Round::Published
        } else {
            round_next(&running.changed, &running.hint, due).await
        };
        if round == Round::Published {
            directory_publish(&running, &own);
        }
    }
}

/// When the next regular round is due. A hint does not put it off: coordinators send one to everybody in every round of
/// their own.
fn due_after(round: Round, due: Instant, later: Instant) -> Instant {
    match round {
        Round::Hinted => due,
        Round::Regular | Round::Published => later,
    }
}

/// Runs a round to its end and publishes what changes meanwhile at once: a round waits for members that do not answer,
/// and who was removed must not stay until they have not. Returns whether there was something.
async fn while_publishing(round: impl Future<Output = ()>, changed: &Notify, publish: impl Fn()) -> bool {
    let mut round = std::pin::pin!(round);
    let mut is_published = false;
    loop {
        tokio::select! {
            () = &mut round => return is_published,
            () = changed.notified() => {
                publish();
                is_published = true;
            }
        }
    }
}

/// Waits for the next round. A regular one comes at `due`, however many hints come before.
async fn round_next(changed: &Notify, hint: &Notify, due: Instant) -> Round {
    tokio::select! {
        biased;
        () = changed.notified() => Round::Published,
        () = tokio::time::sleep_until(due) => Round::Regular,
        () = hint.notified() => {
            // Many hints within a moment are one.
            tokio::time::sleep(HINT_PAUSE).await;
            Round::Hinted
        }
    }
}

async fn refresh_round(running: &Arc<Running>, own: &AgencyCode, round: Round) {
    let Ok(directory) = running.trust.directory() else { return };
    let held = directory.versions().timestamp;
    let asked: Vec<DirectoryEntry> = directory
        .entries()
        .filter(|entry| entry.agency != *own && (round != Round::Hinted || entry.coordinator))
        .cloned()
        .collect();
    let mut newer = versions_ask(running, asked, held).await;
    // A coordinator signs the newest itself and needs to ask nobody.
    if running.coordination.is_some() {
        return;
    }
    // What a member claims to hold is not verified before it is fetched; a coordinator signs it, so it is asked first.
    newer.sort_by_key(|(entry, timestamp)| std::cmp::Reverse((entry.coordinator, *timestamp)));
    let now = SystemClock.now();
    let sources = newer.into_iter().filter_map(|(entry, _)| {
        let peer = entry.transport_identity.parse::<PeerIdentity>().ok()?;
        let source: Box<dyn MetadataSource> = Box::new(PeerSource { network: running.network.clone(), peer });
        Some((entry.agency, source))
    });
    if !sources_try(&running.trust, sources, now, SOURCE_DEADLINE).await && is_expired(&directory, now) {
        tracing::error!(
            "the member directory expired: peers are neither asked nor answered until a newer one is reached"
        );
    }
}

/// Takes what is newer from the first source that has it; whether one had. All of them claimed so, and one that has not,
/// or takes too long over it, ends the matter for none but itself: else a single member could keep everybody from
/// learning who was removed.
async fn sources_try(
    trust: &TrustStore,
    sources: impl Iterator<Item = (AgencyCode, Box<dyn MetadataSource>)>,
    now: UnixTime,
    deadline: Duration,
) -> bool {
    for (agency, source) in sources {
        match tokio::time::timeout(deadline, trust.refresh(source.as_ref(), now)).await {
            Ok(Ok(RefreshOutcome::Updated { to, .. })) => {
                tracing::info!(peer = %agency, directory = to.directory, timestamp = to.timestamp, "directory updated");
                return true;
            }
            Ok(Ok(RefreshOutcome::Unchanged)) => {
                tracing::warn!(peer = %agency, "claims a newer directory and has none");
            }
            Ok(Err(error)) => tracing::warn!(peer = %agency, %error, "no newer directory from here"),
            Err(_) => tracing::warn!(peer = %agency, "took too long over the directory"),
        }
    }
    false
}

/// Asks members which versions they hold; gives those that hold something newer than `held`. A peer that lags behind
/// is not asked for files: its old ones would look like a replay.
async fn versions_ask(
    running: &Arc<Running>,
    members: Vec<DirectoryEntry>,
    held: u64,
) -> Vec<(DirectoryEntry, u64)> {
    let mut newer = Vec::new();
    let mut asking = JoinSet::new();
    for entry in members {
        while asking.len() >= GREETINGS_AT_ONCE {
            newer.extend(asking.join_next().await.and_then(Result::ok).flatten());
        }
        let running = running.clone();
        asking.spawn(async move {
            let timestamp = peer_timestamp(&running, &entry).await?;
            (timestamp > held).then_some((entry, timestamp))
        });
    }
    while let Some(answered) = asking.join_next().await {
        newer.extend(answered.ok().flatten());
    }
    newer
}

/// The timestamp version a peer holds, if it answers.
async fn peer_timestamp(running: &Running, entry: &DirectoryEntry) -> Option<u64> {
    let message = wire::encode(&PeerRequest::Versions).ok()?;
    let reply = running.mesh.call(entry, Bytes::from(message), VERSIONS_DEADLINE_MS).await.ok()?;
    match wire::decode::<PeerResponse>(&reply).ok()? {
        PeerResponse::Versions { timestamp, .. } => Some(timestamp),
        PeerResponse::Check { .. }
        | PeerResponse::Receipt(_)
        | PeerResponse::Gap { .. }
        | PeerResponse::Diverged { .. }
        | PeerResponse::Noted
        | PeerResponse::Simulated(_)
        | PeerResponse::Metadata(_)
        | PeerResponse::Failed { .. } => None,
    }
}

fn directory_publish(running: &Running, own: &AgencyCode) {
    let Ok(directory) = running.trust.directory() else { return };
    let newer = running.directory.borrow().versions() != directory.versions();
    if newer {
        running.members.send_replace(Arc::new(members_of(&directory, own)));
        running.directory.send_replace(directory);
    }
}

/// Looks at the published policies when the directory changes and often enough to meet the beginning of a day, and tells the
/// coordinators how this node stands to them until each has taken note.
async fn policy_run(running: Arc<Running>) {
    let own = *running.node.agency();
    let mut directory = running.directory.subscribe();
    let mut told: HashMap<AgencyCode, Telling> = HashMap::new();
    let mut failure = String::new();
    loop {
        directory.mark_unchanged();
        match running.node.policy_adopt().await {
            Ok(report) => {
                failure.clear();
                let now = Instant::now();
                let listeners = listeners(&directory.borrow(), &own);
                told.retain(|agency, _| listeners.iter().any(|entry| entry.agency == *agency));
                for entry in listeners {
                    let telling = told.entry(entry.agency).or_default();
                    if telling.is_due(&report, now) {
                        let told = adoption_tell(&running, &entry, &report).await;
                        telling.ended(told, &report, now);
                    }
                }
            }
            Err(error) => {
                // Said once, not every few seconds for as long as a directory is expired.
                let text = error.to_string();
                if text != failure {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the published policies could not be looked at"
                    );
                    failure = text;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(POLICY_TICK) => {}
            // The sender lives as long as the node.
            _ = directory.changed() => {}
        }
    }
}

/// Who is told by which policy this node decides: the coordinators, and who publishes the overlay of its league or city.
fn listeners(directory: &VerifiedDirectory, own: &AgencyCode) -> Vec<DirectoryEntry> {
    let region = directory.entry(own).and_then(|entry| entry.region.league_or_city());
    let listens = |entry: &&DirectoryEntry| {
        entry.agency != *own && (entry.coordinator || (region.is_some() && entry.overlay_region == region))
    };
    directory.entries().filter(listens).cloned().collect()
}

/// Tells one of them.
async fn adoption_tell(running: &Arc<Running>, to: &DirectoryEntry, report: &AdoptionReport) -> Told {
    let Ok(message) = wire::encode(&PeerRequest::Adoption(Box::new(report.clone()))) else {
        return Told::Refused;
    };
    let Ok(reply) = running.mesh.call(to, Bytes::from(message), VERSIONS_DEADLINE_MS).await else {
        return Told::Unreachable;
    };
    match wire::decode::<PeerResponse>(&reply) {
        Ok(PeerResponse::Noted) => Told::Noted,
        Ok(_) | Err(_) => Told::Refused,
    }
}

/// What became of telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Noted,
    /// It answered something else: it runs an earlier program, or will not listen. Each time costs it an audit entry.
    Refused,
    Unreachable,
}

/// What one coordinator was told, and when it is told next.
#[derive(Debug, Default)]
struct Telling {
    noted: Option<(AdoptionReport, Instant)>,
    next: Option<Instant>,
    refusals: u32,
}

impl Telling {
    /// Whether it is to be told now: what it does not know, or again what it knew a day ago, since it may have lost that.
    fn is_due(&self, report: &AdoptionReport, now: Instant) -> bool {
        let is_known = self
            .noted
            .as_ref()
            .is_some_and(|(noted, at)| noted == report && now.duration_since(*at) < TELL_AGAIN);
        !is_known && self.next.is_none_or(|next| next <= now)
    }

    fn ended(&mut self, told: Told, report: &AdoptionReport, now: Instant) {
        (self.next, self.refusals) = match told {
            Told::Noted => {
                self.noted = Some((report.clone(), now));
                (None, 0)
            }
            Told::Unreachable => (None, self.refusals),
            Told::Refused => {
                let pause = POLICY_TICK.saturating_mul(1 << self.refusals.min(16)).min(TELL_PAUSE_LIMIT);
                (Some(now + pause), self.refusals.saturating_add(1))
            }
        };
    }
}

/// Delivers what is due, again and again.
async fn delivery_run(running: Arc<Running>) {
    let mut attempts = JoinSet::new();
    loop {
        for recipient in running.node.delivery_due() {
            while attempts.len() >= DELIVERIES_AT_ONCE {
                if let Some(ended) = attempts.join_next().await {
                    attempt_ended(ended);
                }
            }
            let node = running.node.clone();
            attempts.spawn(async move { node.delivery_attempt(&recipient).await });
        }
        while let Some(ended) = attempts.try_join_next() {
            attempt_ended(ended);
        }
        tokio::time::sleep(DELIVERY_TICK).await;
    }
}

/// A fault of one attempt concerns one recipient, which is tried again after its wait; the others go on.
fn attempt_ended(ended: Result<AttemptOutcome, JoinError>) {
    if let Err(fault) = ended {
        tracing::error!(%fault, "a delivery broke off");
    }
}

/// Sees to it that the streams hold what members are entitled to, and that the schedule knows what is in the streams: when
/// the directory or the policy changes, and from time to time.
async fn streams_run(running: Arc<Running>) {
    let mut directory = running.directory.subscribe();
    let mut policy = running.node.policy_watch();
    loop {
        directory.mark_unchanged();
        policy.mark_unchanged();
        let queued = running.node.backlog_queue().await;
        let wait = match queued.and(running.node.delivery_load().await) {
            Ok(()) => STREAMS_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "the streams of notices could not be looked at");
                STREAMS_RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // The senders live as long as the node. Another policy entitles others to a notice.
            _ = directory.changed() => {}
            _ = policy.changed() => {}
        }
    }
}

/// Signs the timestamp again in time, and closes the door when its last token ran out.
async fn tend_run(running: Arc<Running>) {
    let Some(coordination) = running.coordination.clone() else {
        return std::future::pending().await;
    };
    let life = chengxin_trust::Lifetimes::default().timestamp;
    loop {
        tokio::time::sleep(Duration::from_secs(tend_interval(life))).await;
        match coordination.timestamp_tend().await {
            Ok(true) => tracing::info!("the timestamp was signed again"),
            Ok(false) => {}
            Err(error) => tracing::error!(error = error.chain(), "the timestamp could not be signed again"),
        }
        coordination.door_adjust_or_log(&running.node).await;
    }
}

#[cfg(test)]
mod tests;
