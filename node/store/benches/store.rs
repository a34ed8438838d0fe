//! How fast the embedded store is, beside what the disk of the same machine allows in the same run.
//!
//! ```text
//! cargo bench -p chengxin-store                       commits, bulk load, reads (about two minutes)
//! cargo bench -p chengxin-store -- --million          memory and opening with 1,000,000 records
//! cargo bench -p chengxin-store -- --million --clean  the same, the store having been closed in order
//! cargo bench -p chengxin-store -- --million --records 200000   the same with fewer records
//! ```
//!
//! The limit is a plain file to which the same bytes are appended in groups of the same size, each followed
//! by fdatasync. The folder for both is a temporary one (`TMPDIR`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on stops with what it found"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chengxin_store::{Batch, KeyRange, SledOptions, SledStore, Store};

const COMMIT_SECONDS: u64 = 3;
const ROUNDS: usize = 3;
const VALUE_BYTES: usize = 600;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let after = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(place + 1).expect("a value follows").as_str())
    };
    let records = after("--records").map_or(1_000_000, |records| records.parse().unwrap());
    if let Some(folder) = after("--open") {
        return million_open(Path::new(folder), after("--cache").unwrap().parse().unwrap(), records);
    }
    if let Some(folder) = after("--load") {
        let cache_mib =
            after("--cache").map_or(SledOptions::default().cache_bytes >> 20, |mib| mib.parse().unwrap());
        return million_load(Path::new(folder), cache_mib, has("--clean"), records);
    }
    if has("--million") {
        return million(has("--clean"), records);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        commits().await;
        bulk_loads().await;
    });
}

/// Durable commits by several waiters.
async fn commits() {
    println!("durable commits, values of {VALUE_BYTES} bytes, {COMMIT_SECONDS} s each, median of {ROUNDS}");
    println!("records  waiters   commits/s   records/s   mean group   limit records/s   ratio   (range)");
    for records in [1_usize, 64] {
        for waiters in [1_usize, 64, 256] {
            let mut measured = Vec::new();
            for _ in 0..ROUNDS {
                measured.push(commits_measure(records, waiters).await);
            }
            measured.sort_by(|left, right| left.0.total_cmp(&right.0));
            let (rate, group, limit) = measured[ROUNDS / 2];
            println!(
                "{records:>7}  {waiters:>7}  {:>10.0}  {rate:>10.0}  {group:>11.1}  {limit:>16.0}  {:>5.0} %   ({:.0}-{:.0})",
                rate / records as f64,
                100.0 * rate / limit,
                measured[0].0,
                measured[ROUNDS - 1].0,
            );
        }
    }
}

/// Records per second, mean batches per group, and the plain file's records per second.
async fn commits_measure(records: usize, waiters: usize) -> (f64, f64, f64) {
    let parent = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SledStore::open(parent.path().join("s"), SledOptions::creating()).unwrap());
    let number = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..waiters {
        let (store, number) = (Arc::clone(&store), Arc::clone(&number));
        tasks.spawn(async move {
            while started.elapsed() < Duration::from_secs(COMMIT_SECONDS) {
                let first = number.fetch_add(records as u64, Ordering::Relaxed);
                store.commit(batch_of(first, records, VALUE_BYTES)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let elapsed = started.elapsed().as_secs_f64();
    let statistics = store.statistics().await.unwrap();
    let group = statistics.batches_committed as f64 / statistics.groups_committed as f64;
    let rate = statistics.operations_committed as f64 / elapsed;
    let group_records = (group * records as f64).round() as usize;
    let limit = plain_file_rate(parent.path(), group_records, VALUE_BYTES, Duration::from_secs(1));
    (rate, group, limit)
}

/// Records per second appended to a plain file with an fdatasync after each group.
fn plain_file_rate(folder: &Path, group: usize, value_bytes: usize, time: Duration) -> f64 {
    let mut file = File::create(folder.join("plain")).unwrap();
    let mut number = 0_u64;
    let started = Instant::now();
    while started.elapsed() < time {
        let mut bytes = Vec::new();
        for _ in 0..group {
            bytes.extend_from_slice(&key_of(number));
            bytes.extend_from_slice(&value_of(number, value_bytes));
            number += 1;
        }
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    }
    number as f64 / started.elapsed().as_secs_f64()
}

/// Bulk loads in batches of 1,000, then point reads and a full scan of what was loaded.
async fn bulk_loads() {
    println!("\nbulk load in batches of 1,000, two in flight");
    println!(" value   records   records/s   limit records/s   ratio   bytes on disk / raw");
    for (value_bytes, records) in [(600_usize, 200_000_u64), (2_048, 100_000)] {
        let parent = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(SledStore::open(parent.path().join("s"), SledOptions::creating()).unwrap());
        let started = Instant::now();
        load(&store, records, 2, move |first| batch_of(first, 1_000, value_bytes)).await;
        let rate = records as f64 / started.elapsed().as_secs_f64();
        let limit = plain_file_rate(parent.path(), 1_000, value_bytes, Duration::from_secs(2));
        let disk = store.statistics().await.unwrap().bytes_on_disk as f64;
        println!(
            "{value_bytes:>6}  {records:>8}  {rate:>10.0}  {limit:>16.0}  {:>5.1} %   {:.2}",
            100.0 * rate / limit,
            disk / (records as f64 * (value_bytes + 32) as f64)
        );
        reads(&store, records).await;
    }
}

async fn reads(store: &Arc<dyn Store>, records: u64) {
    for tasks in [1_u64, 4] {
        let each = 100_000 / tasks;
        let started = Instant::now();
        let mut readers = tokio::task::JoinSet::new();
        for task in 0..tasks {
            let store = Arc::clone(store);
            readers.spawn(async move {
                let mut seed = task + 1;
                for _ in 0..each {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let found = store.get(&key_of((seed >> 20) % records)).await.unwrap();
                    assert!(found.is_some());
                }
            });
        }
        readers.join_all().await;
        println!(
            "        point reads with {tasks} tasks: {:.0}/s",
            (each * tasks) as f64 / started.elapsed().as_secs_f64()
        );
    }
    let snapshot = store.snapshot().unwrap();
    let (mut rest, mut seen, started) = (KeyRange::all(), 0, Instant::now());
    loop {
        let page = snapshot.scan(rest.clone(), 1_000).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        rest = rest.after(last);
        seen += page.len() as u64;
    }
    assert_eq!(seen, records);
    println!(
        "        scan in pages of 1,000: {:.0} records/s",
        seen as f64 / started.elapsed().as_secs_f64()
    );
}

async fn load(
    store: &Arc<dyn Store>,
    records: u64,
    in_flight: u64,
    batch: impl Fn(u64) -> Batch + Clone + Send + 'static,
) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..in_flight {
        let (store, batch) = (Arc::clone(store), batch.clone());
        tasks.spawn(async move {
            for first in (task * 1_000..records).step_by(in_flight as usize * 1_000) {
                store.commit(batch(first)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

fn batch_of(first: u64, records: usize, value_bytes: usize) -> Batch {
    let mut batch = Batch::new();
    for number in first..first + records as u64 {
        batch.put(key_of(number).to_vec(), value_of(number, value_bytes));
    }
    batch
}

/// A prefix and a scattered number, like a keyed hash.
fn key_of(number: u64) -> [u8; 32] {
    let mut key = *b"record/00000000\0\0\0\0\0\0\0\0/chengxin";
    let scattered = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    key[7..15].copy_from_slice(&scattered.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes());
    key[15..23].copy_from_slice(&number.to_be_bytes());
    key
}

/// Bytes that do not compress.
fn value_of(number: u64, bytes: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(bytes + 8);
    let mut seed = number;
    while value.len() < bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&(seed >> 8).to_be_bytes());
    }
    value.truncate(bytes);
    value
}

/// The second benchmark: a value of 2 KB and three small index keys for each record. Loads in one process,
/// opens in another one for each cache size, as a restarted node would.
fn million(clean: bool, records: u64) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let program = std::env::current_exe().unwrap();
    let mut load = Command::new(&program);
    load.arg("--load").arg(&folder).args(["--records", &records.to_string()]);
    if clean {
        load.arg("--clean");
    }
    assert!(load.status().unwrap().success());
    println!(
        "opened in a new process: cache MiB, open ms, RSS MiB at once, after 20,000 reads, after 20 s idle, point reads/s"
    );
    for cache_mib in [8_u64, 16, 64, 256, 16] {
        let mut open = Command::new(&program);
        open.arg("--open").arg(&folder).args(["--cache", &cache_mib.to_string()]);
        open.args(["--records", &records.to_string()]);
        assert!(open.status().unwrap().success());
    }
}

fn million_load(folder: &Path, cache_mib: u64, clean: bool, records: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store: Arc<dyn Store> = Arc::new(
        SledStore::open(folder, SledOptions { cache_bytes: cache_mib << 20, ..SledOptions::creating() })
            .unwrap(),
    );
    runtime.block_on(async {
        let started = Instant::now();
        load(&store, records, 2, |first| {
            let mut batch = batch_of(first, 1_000, 2_048);
            for number in first..first + 1_000 {
                for index in [b'a', b'b', b'c'] {
                    let mut key = key_of(number.rotate_left(u32::from(index)));
                    key[0] = index;
                    batch.put(key.to_vec(), number.to_be_bytes().to_vec());
                }
            }
            batch
        })
        .await;
        println!(
            "loaded {records} records of 2 KB with 3 index keys each: {:.0} records/s, RSS {} MiB, {} MiB on disk",
            records as f64 / started.elapsed().as_secs_f64(),
            resident_mib(),
            store.statistics().await.unwrap().bytes_on_disk >> 20,
        );
    });
    if clean {
        drop(store);
    } else {
        std::process::exit(0); // As after a kill: sled does not get to close.
    }
}

fn million_open(folder: &Path, cache_mib: u64, records: u64) {
    let started = Instant::now();
    let options = SledOptions { cache_bytes: cache_mib << 20, ..SledOptions::default() };
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder, options).unwrap());
    let open_ms = started.elapsed().as_millis();
    let at_once = resident_mib();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let started = Instant::now();
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            assert!(store.get(&key_of((seed >> 20) % records)).await.unwrap().is_some());
        }
        let rate = 20_000.0 / started.elapsed().as_secs_f64();
        let after_reads = resident_mib();
        tokio::time::sleep(Duration::from_secs(20)).await;
        println!(
            "{cache_mib:>5}  {open_ms:>6}  {at_once:>5}  {after_reads:>5}  {:>5}  {rate:>8.0}",
            resident_mib()
        );
    });
}

/// Resident memory of this process in MiB.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1024
}
