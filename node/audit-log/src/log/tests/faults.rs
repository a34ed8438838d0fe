//! Every single thing the log does to the disk fails once, in three flavours, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{body_keys, folder_copy, options, verifier};
use crate::bodies::BODIES_PER_SEGMENT;
use crate::body::Body;
use crate::body::tests::full_body;
use crate::disk::{Disk, RealDisk};
use crate::entry::EntryIndex;
use crate::entry::tests::full_entry;
use crate::error::LogError;
use crate::journal::{BLOCK_BYTES, JOURNAL_FOLDER, segment_first, segment_head, segment_path};
use crate::log::AuditLog;
use crate::verify::verify_folder;

/// What the failing step does before it says that it failed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Flavour {
    /// Nothing; a failed sync even loses what was written since the last one.
    NotDone,
    /// Half of a write.
    Half,
    /// All of it.
    Done,
}

/// A disk whose step number `fail_at` fails.
#[derive(Default)]
struct FaultyDisk {
    plan: Mutex<Plan>,
}

#[derive(Default)]
struct Plan {
    steps: u64,
    /// The thread that takes this step panics.
    panic_at: Option<&'static str>,
    /// No journal segment can be removed.
    removals_refused: bool,
    fail_at: Option<(u64, Option<Flavour>)>,
    failed: Option<&'static str>,
    /// Called before each step.
    watch: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Synced length of each file, by inode.
    synced: BTreeMap<u64, u64>,
}

impl FaultyDisk {
    fn arm(&self, after: u64, flavour: Flavour) {
        let mut plan = self.plan.lock().expect("lock");
        plan.fail_at = Some((plan.steps + after, Some(flavour)));
        plan.failed = None;
    }

    fn disarm(&self) {
        self.plan.lock().expect("lock").fail_at = None;
    }

    fn failed(&self) -> Option<&'static str> {
        self.plan.lock().expect("lock").failed
    }

    /// Counts a step; gives the flavour if this one fails.
    fn step(&self, name: &'static str) -> Option<Flavour> {
        let watch = self.plan.lock().expect("lock").watch.clone();
        if let Some(watch) = watch {
            watch();
        }
        let mut plan = self.plan.lock().expect("lock");
        if plan.panic_at.take_if(|step| *step == name).is_some() {
            drop(plan);
            panic!("the panic of this test");
        }
        let now = plan.steps;
        plan.steps += 1;
        match plan.fail_at {
            Some((at, flavour)) if at == now => {
                plan.fail_at = None;
                plan.failed = Some(name);
                flavour
            }
            _ => None,
        }
    }

    fn run<T>(&self, name: &'static str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.step(name) {
            None => work(),
            Some(Flavour::NotDone | Flavour::Half) => Err(io::ErrorKind::StorageFull.into()),
            Some(Flavour::Done) => work().and_then(|_| Err(io::ErrorKind::Other.into())),
        }
    }
}

impl Disk for FaultyDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.run("create_folder", || RealDisk.create_folder(path))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.run("create", || RealDisk.create(path))
    }

    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.step("write") {
            None => RealDisk.write(file, bytes, offset),
            Some(flavour) => {
                let written = match flavour {
                    Flavour::NotDone => 0,
                    Flavour::Half => bytes.len() / 2,
                    Flavour::Done => bytes.len(),
                };
                RealDisk.write(file, &bytes[..written], offset)?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        self.run("cut", || RealDisk.cut(file, length))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let data = file.metadata()?;
        match self.step("sync") {
            None => {
                self.plan.lock().expect("lock").synced.insert(data.ino(), data.len());
                Ok(())
            }
            Some(Flavour::NotDone) => {
                let synced = self.plan.lock().expect("lock").synced.get(&data.ino()).copied();
                // Of a file overwritten in place the old content is not known here; it keeps the new one.
                file.set_len(synced.unwrap_or(0).min(data.len()))?;
                Err(io::ErrorKind::Other.into())
            }
            Some(Flavour::Half | Flavour::Done) => Err(io::ErrorKind::Other.into()),
        }
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.run("sync_folder", || Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run("rename", || RealDisk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if path.extension().is_none_or(|extension| extension != "journal") {
            return self.run("remove temporary", || RealDisk.remove(path));
        }
        if self.plan.lock().expect("lock").removals_refused {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.run("remove segment", || RealDisk.remove(path))
    }
}

/// Two groups fill a journal segment.
const SEGMENT: u64 = 2 * BLOCK_BYTES as u64;

/// A piece of work during which one step fails: crosses the border of a full tile, begins journal segments and removes
/// them, erases, makes checkpoints.
async fn work(log: &AuditLog, acknowledged: &mut Vec<EntryIndex>) -> Result<(), LogError> {
    for number in 0..4 {
        acknowledged.push(log.append(full_entry(100 + number), full_body()).await?);
    }
    log.checkpoint_now().await?;
    acknowledged.push(log.body_erase(EntryIndex(2), full_entry(200), Body::default()).await?);
    acknowledged.push(log.append(full_entry(201), full_body()).await?);
    log.checkpoint_now().await?;
    Ok(())
}

/// A closed log of `count` entries.
async fn log_make(folder: &Path, count: usize) {
    let log = AuditLog::create_on(Arc::new(RealDisk), folder, options(), SEGMENT).expect("creates");
    let log = Arc::new(log);
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(full_entry(1), full_body()).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("task").expect("appends");
    }
    super::close(log);
}

fn segments(folder: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(folder.join(JOURNAL_FOLDER)).expect("lists");
    let mut firsts: Vec<_> = names
        .filter_map(|entry| segment_first(entry.expect("entry").file_name().to_str().expect("text")))
        .collect();
    firsts.sort_unstable();
    firsts
}

/// Runs `work` on a copy of `base` with the step `after` failing, and checks that the log can be taken up again: in the
/// same process if `reopen`, else by opening it anew. Gives the name of the step, or nothing if there are no more steps.
async fn round(base: &Path, count: u64, after: u64, flavour: Flavour, reopen: bool) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("folder");
    folder_copy(base, folder.path());
    let disk = Arc::new(FaultyDisk::default());
    let case = format!("{count} entries, step {after}, {flavour:?}, reopen {reopen}");
    let again = |_| AuditLog::open_on(disk.clone(), folder.path(), options(), SEGMENT);
    let mut log = Arc::new(again(()).expect("opens"));
    let mut acknowledged: Vec<_> = (0..count).map(EntryIndex).collect();
    disk.arm(after, flavour);
    let result = work(&log, &mut acknowledged).await;
    if result.is_err() {
        assert!(disk.failed().is_some(), "{case}: an error without a cause");
        let refused = log.append(full_entry(300), full_body()).await;
        assert!(matches!(refused, Err(LogError::Stopped { .. })), "{case}: appended after an error");
        assert!(log.health().stopped.is_some(), "{case}");
    }
    // The failing step may also be one of the recovery itself; then the next attempt succeeds.
    if reopen {
        if log.reopen().await.is_err() {
            assert!(disk.failed().is_some() && log.health().stopped.is_some(), "{case}");
            log.reopen().await.unwrap_or_else(|error| panic!("{case}: {error}"));
        }
    } else {
        drop(log);
        log = Arc::new(again(()).or_else(|_| again(())).unwrap_or_else(|error| panic!("{case}: {error}")));
    }
    disk.disarm();
    let failed = disk.failed();
    let size = log.tree_size();
    assert!(acknowledged.iter().all(|index| index.0 < size), "{case}: an acknowledged entry is lost");
    let distinct: std::collections::BTreeSet<_> = acknowledged.iter().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "{case}: a number was given twice");
    for index in &acknowledged {
        log.read(*index).await.unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    let next =
        log.append(full_entry(400), full_body()).await.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(next.0, size, "{case}");
    let log = Arc::into_inner(log).expect("the last holder");
    log.close().unwrap_or_else(|error| panic!("{case}: {error}"));
    let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys()))
        .unwrap_or_else(|error| panic!("{case}, {failed:?}: {error}"));
    assert_eq!((report.size, report.incomplete, report.erasures_unfinished), (size + 1, None, 0), "{case}");
    failed
}

/// All steps of the work and of the recovery after it, on logs of `count` entries; gives how often each was made to fail.
async fn rounds(count: u64, flavours: &[Flavour], reopens: &[bool]) -> BTreeMap<&'static str, u32> {
    let base = tempfile::tempdir().expect("folder");
    log_make(base.path(), usize::try_from(count).expect("fits")).await;
    let mut seen = BTreeMap::new();
    for &flavour in flavours {
        for &reopen in reopens {
            for after in 0.. {
                let Some(name) = round(base.path(), count, after, flavour, reopen).await else { break };
                *seen.entry(name).or_insert(0) += 1;
                assert!(after < 500, "the work ends");
            }
        }
    }
    seen
}

#[tokio::test]
async fn every_step_fails_once_and_nothing_acknowledged_is_lost() {
    let seen = rounds(254, &[Flavour::NotDone, Flavour::Half, Flavour::Done], &[true, false]).await;
    let names =
        ["create", "write", "sync", "sync_folder", "rename", "create_folder", "cut", "remove segment"];
    for name in names {
        assert!(seen.get(name).is_some_and(|count| *count >= 6), "{name} was never made to fail: {seen:?}");
    }
}

/// The same where the work begins the second file of bodies.
#[tokio::test]
async fn every_step_fails_once_where_bodies_go_on_in_another_file() {
    let seen = rounds(BODIES_PER_SEGMENT - 2, &[Flavour::Half], &[false]).await;
    assert!(seen.get("create").is_some_and(|count| *count >= 2), "{seen:?}");
}

/// Where the oldest segment cannot be removed no later one is, so that none is missing in between; they go once they can.
/// A segment that comes back after its removal does no harm either.
#[tokio::test]
async fn segments_that_cannot_be_removed_stay_together() {
    let folder = tempfile::tempdir().expect("folder");
    log_make(folder.path(), 250).await;
    let disk = Arc::new(FaultyDisk::default());
    let open = || AuditLog::open_on(disk.clone(), folder.path(), options(), SEGMENT).expect("opens");
    let log = open();
    disk.plan.lock().expect("lock").removals_refused = true;
    let before = segments(folder.path());
    for number in 0..10 {
        log.append(full_entry(number), full_body()).await.expect("appends");
    }
    log.checkpoint_now().await.expect("checkpoint");
    let kept = segments(folder.path());
    assert!(kept.starts_with(&before) && kept.len() > before.len() + 2, "{kept:?}");
    log.close().expect("closes");
    verify_folder(folder.path(), &[verifier()], None).expect("verifies");

    let oldest = segment_path(folder.path(), kept[0]);
    let copy = std::fs::read(&oldest).expect("reads");
    disk.plan.lock().expect("lock").removals_refused = false;
    let log = open();
    log.append(full_entry(20), full_body()).await.expect("appends");
    log.checkpoint_now().await.expect("checkpoint");
    log.close().expect("closes");
    let left = segments(folder.path());
    assert!(left[0] > 250 && left[0] <= 256, "{left:?}");

    std::fs::write(&oldest, copy).expect("writes");
    verify_folder(folder.path(), &[verifier()], None).expect("verifies with a gap below the checkpoint");
    let log = open();
    assert_eq!(log.tree_size(), 261);
    log.append(full_entry(30), full_body()).await.expect("appends");
    log.checkpoint_now().await.expect("checkpoint");
    log.close().expect("closes");
    assert!(!oldest.exists());
}

/// A crash while the first group of a segment was written, after a publication had removed every segment before: what is
/// left of that segment alone says where the journal goes on, and stays however often the log is opened.
#[tokio::test]
async fn a_journal_of_one_segment_without_a_group_stays_one() {
    for left in ["", "head", "torn", "an older segment too"] {
        let folder = tempfile::tempdir().expect("folder");
        log_make(folder.path(), 2).await;
        let older = std::fs::read(segment_path(folder.path(), 0)).expect("reads");
        let log = AuditLog::open_on(Arc::new(RealDisk), folder.path(), options(), SEGMENT).expect("opens");
        for number in 2..256 {
            log.append(full_entry(number), full_body()).await.expect("appends");
        }
        log.close().expect("closes");
        for first in segments(folder.path()) {
            std::fs::remove_file(segment_path(folder.path(), first)).expect("removes");
        }
        let without = AuditLog::open_on(Arc::new(RealDisk), folder.path(), options(), SEGMENT);
        assert!(matches!(without, Err(LogError::Contradiction { .. })), "entries may be missing");
        verify_folder(folder.path(), &[verifier()], None).expect_err("entries may be missing");

        let mut bytes = segment_head(256);
        match left {
            "" => bytes.clear(),
            "torn" => bytes.extend([7; 100]),
            _ => {}
        }
        std::fs::write(segment_path(folder.path(), 256), bytes).expect("writes");
        if left == "an older segment too" {
            std::fs::write(segment_path(folder.path(), 0), &older).expect("writes");
        }
        for _ in 0..3 {
            let log = AuditLog::open_on(Arc::new(RealDisk), folder.path(), options(), SEGMENT)
                .unwrap_or_else(|error| panic!("{left}: {error}"));
            assert_eq!(log.tree_size(), 256, "{left}");
            log.close().expect("closes");
            assert_eq!(segments(folder.path()).last(), Some(&256), "{left}");
            verify_folder(folder.path(), &[verifier()], None)
                .unwrap_or_else(|error| panic!("{left}: {error}"));
        }
        let log = AuditLog::open_on(Arc::new(RealDisk), folder.path(), options(), SEGMENT).expect("opens");
        for number in 0..3 {
            log.append(full_entry(number), full_body()).await.expect("appends");
        }
        log.close().expect("closes");
        assert_eq!(segments(folder.path()), [256, 258], "{left}");
        let report = verify_folder(folder.path(), &[verifier()], None).expect("verifies");
        assert_eq!((report.size, report.incomplete), (259, None), "{left}");
    }
}

/// A running process knows what it has acknowledged: a journal that ends before is refused, not taken for the whole, and
/// stays as it is.
#[tokio::test]
async fn reopening_refuses_a_journal_that_lost_what_was_acknowledged() {
    let folder = tempfile::tempdir().expect("folder");
    let log = AuditLog::create_on(Arc::new(RealDisk), folder.path(), options(), SEGMENT).expect("creates");
    for number in 0..3 {
        log.append(full_entry(number), full_body()).await.expect("appends");
    }
    // The last group of the first segment, and the only one of the second.
    assert_eq!(segments(folder.path()), [0, 2]);
    for (first, flipped) in [(2, 100), (0, BLOCK_BYTES + 100)] {
        let path = segment_path(folder.path(), first);
        let whole = std::fs::read(&path).expect("reads");
        let mut bytes = whole.clone();
        bytes[flipped] ^= 1;
        std::fs::write(&path, &bytes).expect("writes");
        let error = log.reopen().await.expect_err("an entry is lost").to_string();
        let expected = if first == 2 {
            "before entry 2, and 3 entries were acknowledged"
        } else {
            "entry 1 should follow"
        };
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), bytes);
        std::fs::write(&path, &whole).expect("writes");
    }
    log.reopen().await.expect("whole again");
    assert_eq!(log.tree_size(), 3);
}

/// From the first step of taking a stopped log up again to the end of the publication that makes the names of folders
/// durable, no other publication can come between, and the log says that it has stopped.
#[tokio::test]
async fn a_log_runs_again_once_recovery_has_published() {
    let folder = tempfile::tempdir().expect("folder");
    let disk = Arc::new(FaultyDisk::default());
    let log = AuditLog::create_on(disk.clone(), folder.path(), options(), SEGMENT).expect("creates");
    log.append(full_entry(1), full_body()).await.expect("appends");
    disk.arm(0, Flavour::NotDone);
    log.append(full_entry(2), full_body()).await.expect_err("the disk fails");
    let steps = Arc::new(Mutex::new(Vec::new()));
    let (shared, seen) = (Arc::clone(&log.shared), Arc::clone(&steps));
    disk.plan.lock().expect("lock").watch = Some(Arc::new(move || {
        let held = shared.edge.try_lock().is_err();
        let stopped = shared.state.lock().expect("lock").stopped.is_some();
        seen.lock().expect("lock").push((held, stopped));
    }));
    log.reopen().await.expect("taken up again");
    disk.plan.lock().expect("lock").watch = None;
    let steps = std::mem::take(&mut *steps.lock().expect("lock"));
    assert!(steps.len() > 10 && steps.iter().all(|step| *step == (true, true)), "{steps:?}");
    assert_eq!(log.health().stopped, None);
    log.append(full_entry(3), full_body()).await.expect("appends");
    log.close().expect("closes");
}

/// A panic in the writer, or in the publisher, stops the log; nobody waits for what will not come.
#[tokio::test]
async fn a_thread_that_panics_stops_the_log_for_good() {
    for step in ["write", "rename"] {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Arc::new(FaultyDisk::default());
        let log = AuditLog::create_on(disk.clone(), folder.path(), options(), SEGMENT).expect("creates");
        log.append(full_entry(1), full_body()).await.expect("appends");
        disk.plan.lock().expect("lock").panic_at = Some(step);
        let appended = log.append(full_entry(2), full_body()).await;
        assert_eq!(appended.is_err(), step == "write", "{step}");
        let error = log.checkpoint_now().await.expect_err(step).to_string();
        assert!(error.contains("panicked"), "{step}: {error}");
        assert!(log.health().stopped.is_some_and(|reason| reason.contains("restart the node")), "{step}");
        log.append(full_entry(3), full_body()).await.expect_err(step);
        log.reopen().await.expect_err(step);
        log.close().expect_err(step);
        let log = AuditLog::open_on(disk, folder.path(), options(), SEGMENT).expect("opens");
        assert!(log.tree_size() >= if step == "write" { 1 } else { 2 }, "{step}");
        log.close().expect("closes");
    }
}
