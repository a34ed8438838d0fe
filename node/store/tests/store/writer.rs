//! A process that commits numbered batches and writes down each acknowledgement, and the check of what a
//! crash left of it.
//!
//! The process is this test binary, started again with variables that name a folder and a file. Several
//! lanes commit at the same time, so that groups hold several batches. Batch n of a lane replaces records
//! in one of the lane's slots and sets the lane's head to n; what a lane must look like is therefore a
//! function of its head alone. A state is right if every head is at least what was acknowledged and
//! everything else is exactly what the heads demand: batches whole or absent, nothing lost, nothing back
//! from the dead.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chengxin_store::{Barrier, Batch, KeyRange, SledOptions, SledStore, Store, StoreError};

pub(crate) const LANES: usize = 4;
/// Slots of each lane. The last lane's batches live long, so that files of values grow half dead with something alive in
/// them, and are emptied.
const SLOTS: [u64; LANES] = [9, 9, 9, 150];
/// Records in each batch of a lane. The first lane's batches are longer than a log segment.
const RECORDS: [u64; LANES] = [60, 5, 5, 5];

const FOLDER_VARIABLE: &str = "CHENGXIN_STORE_TEST_FOLDER";
const ACKNOWLEDGED_VARIABLE: &str = "CHENGXIN_STORE_TEST_ACKNOWLEDGED";
const BARRIER_VARIABLE: &str = "CHENGXIN_STORE_TEST_BARRIER";
/// What the writer process ends with when the store does not open or a commit fails.
const FAILED_EXIT_CODE: i32 = 3;
const TEST_NAME: &str = "writer::the_check_tells_right_states_from_wrong_ones";

/// How long any single wait in these tests may take before the test fails; not a timing assertion.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Segments smaller than the product's, so that few writes already fill, free and reuse many, and still larger than what
/// is written between two syncs: the condition under which a power cut loses nothing.
pub(crate) fn writer_options() -> SledOptions {
    SledOptions {
        create: true,
        cache_bytes: 1024 * 1024,
        segment_bytes: 1024 * 1024,
        // So small that files of values are begun, emptied and removed all the time.
        value_file_bytes: 256 * 1024,
        ..SledOptions::default()
    }
}

/// Leaves the sync out: what a store on plain sled does.
struct NoBarrier;

impl Barrier for NoBarrier {
    fn sync(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    fn sync_values(&mut self, _: &File) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the writer syncs before it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Synced,
    FlushedOnly,
}

/// A running writer process; killed when dropped.
pub(crate) struct Writer {
    child: Child,
    acknowledged: PathBuf,
}

impl Writer {
    /// Starts a writer on the store in `folder` which notes acknowledgements in the file `acknowledged`.
    pub(crate) fn start(folder: &Path, acknowledged: &Path, durability: Durability) -> Self {
        File::options().create(true).append(true).open(acknowledged).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST_NAME, "--test-threads=1", "--nocapture"])
            .env(FOLDER_VARIABLE, folder)
            .env(ACKNOWLEDGED_VARIABLE, acknowledged)
            .env(BARRIER_VARIABLE, if durability == Durability::Synced { "sync" } else { "none" })
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, acknowledged: acknowledged.to_owned() }
    }

    /// Waits until the file of acknowledgements has `count` lines.
    pub(crate) fn wait_for_acknowledgements(&mut self, count: usize) {
        let started = Instant::now();
        while acknowledgement_lines(&self.acknowledged) < count {
            assert!(self.child.try_wait().unwrap().is_none(), "the writer ended by itself");
            assert!(started.elapsed() < PATIENCE, "the writer does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for a writer that ends by itself, because a commit failed.
    pub(crate) fn wait_for_end(mut self) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "the writer does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(
            status.code(),
            Some(FAILED_EXIT_CODE),
            "the writer ended otherwise than by a failed commit"
        );
    }

    /// Stops every thread of the process where it is, and returns once they all stand still.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
        let started = Instant::now();
        while !self.threads_all_stopped() {
            assert!(started.elapsed() < PATIENCE, "the writer does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn threads_all_stopped(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks.filter_map(Result::ok).all(|task| {
            // The state follows the name, which is in brackets. A thread that has just ended is no matter.
            std::fs::read_to_string(task.path().join("stat"))
                .map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Highest acknowledged number of each lane.
pub(crate) fn acknowledged_read(path: &Path) -> [u64; LANES] {
    let mut acknowledged = [0; LANES];
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let (lane, number) = line.split_once(' ').unwrap();
        let lane: usize = lane.parse().unwrap();
        acknowledged[lane] = acknowledged[lane].max(number.parse().unwrap());
    }
    acknowledged
}

pub(crate) fn acknowledgement_lines(path: &Path) -> usize {
    std::fs::read(path).unwrap().iter().filter(|byte| **byte == b'\n').count()
}

/// Opens the store and holds it against what was acknowledged. `Err` says what is wrong.
pub(crate) fn store_check(folder: &Path, acknowledged: [u64; LANES]) -> Result<(), String> {
    let store =
        SledStore::open(folder, writer_options()).map_err(|error| format!("does not open: {error}"))?;
    runtime().block_on(state_check(&store, acknowledged))
}

async fn state_check(store: &dyn Store, acknowledged: [u64; LANES]) -> Result<(), String> {
    let snapshot = store.snapshot().unwrap();
    let mut expected = BTreeMap::new();
    for (lane, acknowledged) in acknowledged.into_iter().enumerate() {
        let head = snapshot.get(&head_key(lane)).await.map_err(|error| error.to_string())?;
        let head = head.map_or(0, |head| u64::from_be_bytes(head.as_ref().try_into().unwrap()));
        if head < acknowledged {
            return Err(format!("lane {lane}: {acknowledged} was acknowledged, the store is at {head}"));
        }
        expected.extend(lane_state(lane, head));
    }
    let mut found = BTreeMap::new();
    let mut rest = KeyRange::all();
    loop {
        let page = snapshot.scan(rest.clone(), 1_000).await.map_err(|error| error.to_string())?;
        let Some((last, _)) = page.last() else { break };
        rest = rest.after(last);
        found.extend(page);
    }
    if found == expected {
        return Ok(());
    }
    let missing = expected.iter().filter(|(key, value)| found.get(*key) != Some(value)).count();
    let surplus = found.keys().filter(|key| !expected.contains_key(*key)).count();
    Err(format!("{missing} entries are missing or wrong, {surplus} are surplus"))
}

/// What lane must hold once its batches up to `head` have happened.
fn lane_state(lane: usize, head: u64) -> BTreeMap<Bytes, Bytes> {
    let mut state = BTreeMap::new();
    for number in head.saturating_sub(SLOTS[lane] - 1).max(1)..=head {
        for (key, value) in lane_changes(lane, number) {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
    }
    state
}

/// Batch `number` of a lane, as the final value of each key it touches.
fn lane_changes(lane: usize, number: u64) -> Vec<(Bytes, Option<Bytes>)> {
    let mut changes = vec![(head_key(lane).into(), Some(Bytes::copy_from_slice(&number.to_be_bytes())))];
    for record in 0..RECORDS[lane] {
        let key = Bytes::from(format!("lane {lane} slot {} record {record}", number % SLOTS[lane]));
        let deleted = record == 4 && number % 2 == 1;
        changes.push((key, (!deleted).then(|| record_value(lane, number, record))));
    }
    changes
}

/// A value of 0 to 3 KB, every nineteenth time of 40 KB, that no other batch writes.
fn record_value(lane: usize, number: u64, record: u64) -> Bytes {
    let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (record << 8) ^ lane as u64;
    seed ^= seed >> 29;
    let length = if number.is_multiple_of(19) && record == 0 { 40_000 } else { (seed % 3_000) as usize };
    let mut value = Vec::with_capacity(length + 8);
    value.extend_from_slice(&number.to_be_bytes());
    while value.len() < length {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&(seed >> 16).to_be_bytes());
    }
    value.into()
}

fn head_key(lane: usize) -> Vec<u8> {
    format!("head {lane}").into_bytes()
}

/// Commits batches of one lane until one fails or `most` are done.
async fn lane_run(
    store: Arc<dyn Store>,
    lane: usize,
    acknowledged: Arc<Mutex<File>>,
    most: u64,
) -> Result<(), StoreError> {
    let head = store.get(&head_key(lane)).await?;
    let mut number = head.map_or(0, |head| u64::from_be_bytes(head.as_ref().try_into().unwrap()));
    for _ in 0..most {
        number += 1;
        let mut batch = Batch::new();
        for (key, value) in lane_changes(lane, number) {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        store.commit(batch).await?;
        // One write per line: a line is there whole or not at all.
        acknowledged.lock().unwrap().write_all(format!("{lane} {number}\n").as_bytes()).unwrap();
    }
    Ok(())
}

async fn lanes_run(store: Arc<dyn Store>, acknowledged: &Path, most: u64) -> Result<(), StoreError> {
    let file = File::options().create(true).append(true).open(acknowledged).unwrap();
    let file = Arc::new(Mutex::new(file));
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..LANES {
        lanes.spawn(lane_run(Arc::clone(&store), lane, Arc::clone(&file), most));
    }
    lanes.join_all().await.into_iter().collect()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// In the writer process: never returns in good order, as it writes until it is killed or a commit fails.
fn writer_process(folder: &str) -> ! {
    let acknowledged = PathBuf::from(std::env::var(ACKNOWLEDGED_VARIABLE).unwrap());
    let store = if std::env::var(BARRIER_VARIABLE).unwrap() == "sync" {
        SledStore::open(folder, writer_options())
    } else {
        SledStore::open_with_barrier(folder, writer_options(), |_| Box::new(NoBarrier))
    };
    let outcome = match store {
        Ok(store) => runtime().block_on(lanes_run(Arc::new(store), &acknowledged, u64::MAX)),
        Err(error) => Err(error),
    };
    std::process::exit(if outcome.is_ok() { 0 } else { FAILED_EXIT_CODE });
}

#[test]
fn the_check_tells_right_states_from_wrong_ones() {
    if let Ok(folder) = std::env::var(FOLDER_VARIABLE) {
        writer_process(&folder);
    }
    let parent = tempfile::tempdir().unwrap();
    let (folder, file) = (parent.path().join("store"), parent.path().join("acknowledged"));
    let run = |change: Batch| {
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&folder, writer_options()).unwrap());
        runtime().block_on(async {
            lanes_run(Arc::clone(&store), &file, 25).await.unwrap();
            store.commit(change).await.unwrap();
        });
    };
    run(Batch::new());
    let acknowledged = acknowledged_read(&file);
    assert_eq!(acknowledged, [25; LANES]);
    store_check(&folder, acknowledged).unwrap();
    store_check(&folder, [0; LANES]).unwrap();
    assert!(store_check(&folder, [25, 25, 26, 25]).unwrap_err().contains("lane 2"));

    let mut change = Batch::new();
    change.delete("lane 1 slot 3 record 2");
    run(change);
    assert!(store_check(&folder, [50; LANES]).unwrap_err().contains("1 entries are missing"));
    let mut change = Batch::new();
    change.put("lane 1 slot 3 record 9", "");
    run(change);
    assert!(store_check(&folder, [75; LANES]).unwrap_err().contains("surplus"));
}
