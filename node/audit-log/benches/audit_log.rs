//! Durable appends beside plain grouped writes of the same bytes, and what verifying and proving cost.

#![allow(clippy::expect_used, clippy::panic, reason = "a failure here is the finding")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chengxin_audit_log::note::{KeyKind, NoteVerifier};
use chengxin_audit_log::policy::Policy;
use chengxin_audit_log::proof::UnverifiedProof;
use chengxin_audit_log::{AuditLog, EntryIndex, verify_folder};

#[path = "../tests/audit_log/common.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod common;

/// Rounds of which the median is printed.
const ROUNDS: usize = 5;
/// Entries appended per waiter and round; more for few waiters would only take longer.
const ENTRIES: [(usize, usize); 3] = [(1, 500), (64, 300), (256, 150)];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("runtime");
    let folder = tempfile::tempdir_in(".").expect("folder");
    println!(
        "durable appends: entry and sealed body on disk before the answer; median of {ROUNDS} rounds (lowest, highest)"
    );
    println!(
        "{:>8} {:>22} {:>10} {:>10} {:>28} {:>7}",
        "waiters", "appends/s", "p50 ms", "p99 ms", "plain grouped writes/s", "ratio"
    );
    for (waiters, each) in ENTRIES {
        let (mut rates, mut limits, mut latencies) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let path = folder.path().join(format!("log-{waiters}-{round}"));
            let (rate, mut times) = runtime.block_on(append_measure(&path, waiters, each));
            rates.push(rate);
            latencies.append(&mut times);
            limits.push(limit_measure(&path, waiters, waiters * each));
        }
        latencies.sort_unstable();
        let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize].as_secs_f64() * 1e3;
        let (rate, rates) = spread(rates);
        let (limit, limits) = spread(limits);
        println!(
            "{waiters:>8} {rate:>9.0} {rates:>12} {:>10.2} {:>10.2} {limit:>13.0} {limits:>14} {:>7.2}",
            at(0.5),
            at(0.99),
            rate / limit
        );
    }
    let path = folder.path().join("log-256-0");
    let verifiers = [verifier()];
    let started = Instant::now();
    let report = verify_folder(&path, &verifiers, None).expect("verifies");
    let without = report.size as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    let report = verify_folder(&path, &verifiers, Some(&common::body_keys())).expect("verifies");
    let with = report.size as f64 / started.elapsed().as_secs_f64();
    println!(
        "verify: {without:.0} entries/s; opening every body: {with:.0} entries/s ({} entries)",
        report.size
    );
    runtime.block_on(proofs_measure(&path));
}

fn verifier() -> NoteVerifier {
    NoteVerifier::new(common::origin(), KeyKind::Ed25519, *common::signing_key().public())
}

fn spread(mut values: Vec<f64>) -> (f64, String) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], format!("({:.0}, {:.0})", values[0], values[values.len() - 1]))
}

async fn append_measure(path: &Path, waiters: usize, each: usize) -> (f64, Vec<Duration>) {
    let log = Arc::new(AuditLog::create(path, common::options(Duration::from_secs(1))).expect("creates"));
    let started = Instant::now();
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for number in 0..each {
                    let started = Instant::now();
                    log.append(common::entry(number as i64), common::body()).await.expect("appends");
                    times.push(started.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("task"));
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    Arc::into_inner(log).expect("the last holder").close().expect("closes");
    (rate, times)
}

/// The limit: as many bytes per entry, in groups of as many entries as there were waiters, written to two files, each
/// synced per group.
fn limit_measure(log: &Path, group: usize, entries: usize) -> f64 {
    let bytes = |folder: &str| -> u64 {
        let files = std::fs::read_dir(log.join(folder)).expect("lists");
        files.map(|file| file.expect("file").metadata().expect("length").len()).sum()
    };
    let write = |name: &str, size: u64| {
        let file = File::create(log.join(name)).expect("creates");
        (file, vec![7; usize::try_from(size).expect("fits") / entries * group])
    };
    // Journal segments that are no longer needed are gone, so the entries' size is taken from the bundles.
    let tiles = bundles_size(&log.join("tile/entries"));
    let mut files = [write("plain-bodies", bytes("bodies")), write("plain-journal", tiles)];
    let started = Instant::now();
    for _ in 0..entries / group {
        for (file, bytes) in &mut files {
            file.write_all(bytes).expect("writes");
            file.sync_data().expect("syncs");
        }
    }
    entries as f64 / started.elapsed().as_secs_f64()
}

/// Bytes in full bundles and in the widest partial one.
fn bundles_size(folder: &Path) -> u64 {
    let mut size = 0;
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            let widths = std::fs::read_dir(&path).expect("lists");
            size +=
                widths.map(|file| file.expect("file").metadata().expect("length").len()).max().unwrap_or(0);
        } else {
            size += path.metadata().expect("length").len();
        }
    }
    size
}

async fn proofs_measure(path: &Path) {
    let log = AuditLog::open(path, common::options(Duration::from_secs(1))).expect("opens");
    let policy = Policy::of_logs(vec![verifier()]);
    let size = log.tree_size();
    let indexes: Vec<_> = (0..size).step_by(17).map(EntryIndex).collect();
    let started = Instant::now();
    let mut proofs = Vec::new();
    for index in &indexes {
        proofs.push(log.proof(*index).await.expect("proof"));
    }
    let built = started.elapsed() / indexes.len() as u32;
    let mut entries = Vec::new();
    for index in &indexes {
        entries.push(log.read_bytes(*index).await.expect("reads"));
    }
    let started = Instant::now();
    for (proof, entry) in proofs.iter().zip(&entries) {
        UnverifiedProof::parse(proof.as_bytes()).expect("parses").verify(entry, &policy).expect("verifies");
    }
    let checked = started.elapsed() / indexes.len() as u32;
    println!(
        "proof, tree of {size}: built and checked against the signed root in {built:?}, checked in {checked:?}"
    );
}
