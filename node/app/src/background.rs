//! What runs beside requests: refreshing the directory, delivering notices, tending what a coordinator signs, taking a
//! stopped audit log up again.
//!
//! Every task hangs on a [`Background`] that aborts it when dropped; a task that ends by itself stops the node, because
//! a node that silently no longer delivers or refreshes is worse than one that is down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chengxin_exchange::peers::Peers as _;
use chengxin_network::PeerIdentity;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::time::Clock as _;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_trust::RefreshOutcome;
use tokio::sync::watch;
use tokio::task::JoinSet;

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
/// Longest sleep of the delivery task; something queued meanwhile waits at most so long.
const DELIVERY_TICK: Duration = Duration::from_millis(250);

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
            until(signal, delivery_run(one)).await;
            "delivering notices"
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
    let mut round = Round::Regular;
    loop {
        refresh_round(&running, &own, round).await;
        directory_publish(&running, &own);
        let wait = Duration::from_secs(running.config.refresh_seconds);
        round = tokio::select! {
            () = tokio::time::sleep(wait) => Round::Regular,
            () = running.changed.notified() => {
                directory_publish(&running, &own);
                Round::Published
            }
            () = running.hint.notified() => {
                // Many hints within a moment are one.
                tokio::time::sleep(HINT_PAUSE).await;
                Round::Hinted
            }
        };
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
    newer.sort_by_key(|(entry, timestamp)| std::cmp::Reverse((*timestamp, entry.coordinator)));
    let now = SystemClock.now();
    for (entry, _) in newer {
        let Ok(peer) = entry.transport_identity.parse::<PeerIdentity>() else { continue };
        let source = PeerSource { network: running.network.clone(), peer };
        match running.trust.refresh(&source, now).await {
            Ok(RefreshOutcome::Updated { to, .. }) => {
                tracing::info!(peer = %entry.agency, directory = to.directory, timestamp = to.timestamp, "directory updated");
                return;
            }
            Ok(RefreshOutcome::Unchanged) => return,
            Err(error) => tracing::warn!(peer = %entry.agency, %error, "no newer directory from here"),
        }
    }
    if is_expired(&directory, now) {
        tracing::error!(
            "the member directory expired: peers are neither asked nor answered until a newer one is reached"
        );
    }
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

/// Delivers what is due, again and again.
async fn delivery_run(running: Arc<Running>) {
    let mut attempts = JoinSet::new();
    loop {
        for recipient in running.node.delivery_due() {
            while attempts.len() >= DELIVERIES_AT_ONCE {
                attempts.join_next().await;
            }
            let node = running.node.clone();
            attempts.spawn(async move { node.delivery_attempt(&recipient).await });
        }
        while attempts.try_join_next().is_some() {}
        tokio::time::sleep(DELIVERY_TICK).await;
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
        if let Err(error) = coordination.door_adjust().await {
            tracing::error!(error = error.chain(), "the join door could not be adjusted");
        }
    }
}
