//! Every single thing the log does to the disk fails once, in both flavours, and nothing acknowledged is lost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{body_keys, options, verifier};
use crate::body::Body;
use crate::body::tests::full_body;
use crate::disk::{Disk, RealDisk};
use crate::entry::EntryIndex;
use crate::entry::tests::full_entry;
use crate::error::LogError;
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
    fail_at: Option<(u64, Option<Flavour>)>,
    failed: Option<&'static str>,
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
        let mut plan = self.plan.lock().expect("lock");
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
        self.run("remove", || RealDisk.remove(path))
    }
}

/// A piece of work during which one step fails: crosses the border of a full tile, erases, makes checkpoints.
async fn work(log: &AuditLog, acknowledged: &mut Vec<EntryIndex>) -> Result<(), LogError> {
    for number in 0..3 {
        acknowledged.push(log.append(full_entry(100 + number), full_body()).await?);
    }
    log.checkpoint_now().await?;
    acknowledged.push(log.body_erase(EntryIndex(2), full_entry(200), Body::default()).await?);
    acknowledged.push(log.append(full_entry(201), full_body()).await?);
    log.checkpoint_now().await?;
    Ok(())
}

/// Runs `work` with the step `after` failing, and checks that the log can be taken up again: in the same process if
/// `reopen`, else by opening it anew. Gives the name of the step, or nothing if there are no more steps.
async fn round(after: u64, flavour: Flavour, reopen: bool) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("folder");
    let disk = Arc::new(FaultyDisk::default());
    let case = format!("step {after}, {flavour:?}, reopen {reopen}");
    let mut log = Arc::new(AuditLog::create_on(disk.clone(), folder.path(), options()).expect("creates"));
    let tasks: Vec<_> = (0..254)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { log.append(full_entry(1), full_body()).await })
        })
        .collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.push(task.await.expect("task").expect("appends"));
    }
    log.checkpoint_now().await.expect("checkpoint");
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
        let again = |_| AuditLog::open_on(disk.clone(), folder.path(), options());
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

/// All steps of the work, each in three flavours, recovered in both ways.
#[tokio::test]
async fn every_step_fails_once_and_nothing_acknowledged_is_lost() {
    let mut seen = BTreeMap::new();
    for flavour in [Flavour::NotDone, Flavour::Half, Flavour::Done] {
        for after in 0.. {
            let Some(name) = round(after, flavour, after % 2 == 0).await else { break };
            *seen.entry(name).or_insert(0) += 1;
            assert!(after < 500, "the work ends");
        }
    }
    for name in ["create", "write", "sync", "sync_folder", "rename", "create_folder"] {
        assert!(seen.get(name).is_some_and(|count| *count >= 3), "{name} was never made to fail: {seen:?}");
    }
}
