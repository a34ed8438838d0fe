//! Tests of the verifier: no flipped bit in any file of a log is accepted.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::{Source, verify};
use crate::body::Body;
use crate::body::tests::full_body;
use crate::disk::RealDisk;
use crate::entry::EntryIndex;
use crate::entry::tests::full_entry;
use crate::error::LogError;
use crate::journal::BLOCK_BYTES;
use crate::log::tests::{body_keys, close, options, random, verifier};
use crate::log::{AuditLog, LogOptions};

/// A log's files in memory.
#[derive(Clone)]
struct MemorySource(BTreeMap<String, Vec<u8>>);

impl Source for MemorySource {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + '_>>, LogError> {
        Ok(self.0.get(path).map(|bytes| Box::new(bytes.as_slice()) as Box<dyn Read>))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, LogError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        Ok(names)
    }
}

fn load(folder: &Path) -> MemorySource {
    fn walk(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("lists") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_str().expect("text").to_owned();
                files.insert(name, std::fs::read(&path).expect("reads"));
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(folder, folder, &mut files);
    MemorySource(files)
}

/// A closed log of `count` entries, with partial tiles of several checkpoints and one erased body.
async fn log_files(count: u64) -> MemorySource {
    log_files_of(count, 1).await
}

/// The same; with another seed the bodies, and so the entries, are others.
async fn log_files_of(count: u64, seed: u64) -> MemorySource {
    let folder = tempfile::tempdir().expect("folder");
    let options = LogOptions { random: random(seed), ..options() };
    let log = Arc::new(AuditLog::create(folder.path(), options).expect("creates"));
    for share in [count / 2, count / 4, count - count / 2 - count / 4 - 1] {
        let tasks: Vec<_> = (0..share)
            .map(|number| {
                let log = Arc::clone(&log);
                tokio::spawn(async move { log.append(full_entry(number as i64), full_body()).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("task").expect("appends");
        }
        log.checkpoint_now().await.expect("checkpoint");
    }
    log.body_erase(EntryIndex(3), full_entry(9), Body::default()).await.expect("erases");
    close(log);
    load(folder.path())
}

/// Bits spread evenly over all files, at least one in every file.
fn flips(source: &MemorySource, count: u64) -> Vec<(String, u64)> {
    let total: u64 = source.0.values().map(|bytes| bytes.len() as u64 * 8).sum();
    let mut flips = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for (path, bytes) in &source.0 {
        let bits = bytes.len() as u64 * 8;
        for _ in 0..(bits * count).div_ceil(total) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            flips.push((path.clone(), state % bits));
        }
    }
    flips
}

fn check_flips(source: &MemorySource, count: u64) {
    verify(source, &[verifier()], None).expect("whole before");
    let flips = flips(source, count);
    assert!(flips.len() as u64 >= count);
    let work = |flips: &[(String, u64)]| {
        let mut changed = source.clone();
        for (path, bit) in flips {
            let place = usize::try_from(bit / 8).expect("fits");
            let flip =
                |source: &mut MemorySource| source.0.get_mut(path).expect("file")[place] ^= 1 << (bit % 8);
            flip(&mut changed);
            match verify(&changed, &[verifier()], None) {
                Err(LogError::Damaged { path: named, .. }) => {
                    // A flip in a signed or derived file may surface where the two disagree; everywhere else the very
                    // file is named.
                    let exact = path.starts_with("tile/entries/")
                        || path.starts_with("bodies/")
                        || path.starts_with("journal/");
                    assert!(!exact || *path == named, "bit {bit} of {path} was found in {named}");
                }
                Err(other) => panic!("bit {bit} of {path}: {other}"),
                Ok(report) => panic!("bit {bit} of {path} was accepted: {report:?}"),
            }
            flip(&mut changed);
        }
    };
    std::thread::scope(|scope| {
        for flips in flips.chunks(flips.len().div_ceil(2)) {
            scope.spawn(move || work(flips));
        }
    });
}

#[tokio::test]
async fn no_flip_in_a_small_log_is_accepted() {
    let source = log_files(6).await;
    let bits: u64 = source.0.values().map(|bytes| bytes.len() as u64 * 8).sum();
    // Every eighth bit: more than ten thousand flips.
    assert!(bits / 8 > 10_000);
    check_flips(&source, bits / 8);
}

#[tokio::test]
async fn no_flip_in_a_log_of_a_thousand_entries_is_accepted() {
    check_flips(&log_files(1_000).await, FLIPS);
}

/// Flips in a log of a thousand entries, each of which costs a verification of all of them.
const FLIPS: u64 = 2_000;

#[tokio::test]
async fn a_missing_or_shortened_file_is_named() {
    let source = log_files(300).await;
    for path in source.0.keys().filter(|path| !matches!(path.as_str(), "lock" | "log.json")) {
        let mut without = source.clone();
        without.0.remove(path);
        let obsolete = path.contains(".p/") && verify(&without, &[verifier()], None).is_ok();
        if !obsolete {
            let error = verify(&without, &[verifier()], None).expect_err(path);
            assert!(matches!(error, LogError::Damaged { .. }), "{path}: {error}");
        }
        let mut short = source.clone();
        let bytes = short.0.get_mut(path).expect("file");
        if path.starts_with("journal/") {
            // A crash can leave the last group without some of its zeros.
            bytes.pop();
            let report = verify(&short, &[verifier()], None).expect(path);
            assert_eq!(report.incomplete.map(|(named, _)| named).as_ref(), Some(path));
            let bytes = short.0.get_mut(path).expect("file");
            let end = bytes.iter().rposition(|byte| *byte != 0).expect("a group");
            bytes.truncate(end);
        } else {
            bytes.pop();
        }
        assert!(verify(&short, &[verifier()], None).is_err(), "{path} was cut");
    }
}

#[tokio::test]
async fn an_erasure_that_no_entry_admits_is_damage() {
    let mut source = log_files(300).await;
    let (_, bodies) = source.0.iter_mut().find(|(path, _)| path.starts_with("bodies/")).expect("bodies");
    // The first slot begins behind the head of the file: state, number, length, content.
    let start = crate::bodies::SEGMENT_HEAD;
    let length = u32::from_be_bytes(bodies[start + 9..start + 13].try_into().expect("4 bytes")) as usize;
    bodies[start] = 2;
    bodies[start + 13..start + 13 + length].fill(0);
    let error = verify(&source, &[verifier()], None).expect_err("hidden erasure").to_string();
    assert!(error.contains("entry 0 was erased, and no entry says so"), "{error}");
}

#[tokio::test]
async fn a_rewritten_log_does_not_fit_the_signed_root() {
    // All of another log's files, whose tiles agree with one another, under the first one's checkpoint.
    let first = log_files(300).await;
    let mut second = log_files_of(300, 2).await;
    verify(&second, &[verifier()], None).expect("a sound log by itself");
    second.0.insert("checkpoint".to_owned(), first.0["checkpoint"].clone());
    let error = verify(&second, &[verifier()], None).expect_err("another log").to_string();
    assert!(error.contains("but not with the root that was signed: the log was rewritten"), "{error}");
    let mut shorter = log_files(299).await;
    shorter.0.insert("checkpoint".to_owned(), first.0["checkpoint"].clone());
    assert!(verify(&shorter, &[verifier()], None).is_err());
}

#[tokio::test]
async fn a_copy_of_the_tiles_alone_verifies_and_says_what_is_missing() {
    let mut source = log_files(300).await;
    source.0.retain(|path, _| path.starts_with("tile/") || path == "checkpoint");
    let report = verify(&source, &[verifier()], Some(&body_keys())).expect("verifies");
    assert!(report.bodies_absent && report.bodies_intact == 0 && report.bodies_opened.is_none());
    assert_eq!(report.size, 300);
}

/// A copy of a log that goes on, its checkpoint copied first: since then the last tile has become full, and the partial
/// tile and the journal of its entries are gone.
#[tokio::test]
async fn a_copy_whose_checkpoint_is_older_than_its_tiles_verifies() {
    for further in [10, 206, 207, 230] {
        let folder = tempfile::tempdir().expect("folder");
        let open_on = |create: bool| {
            let (disk, options) = (Arc::new(RealDisk), options());
            let segment = 2 * BLOCK_BYTES as u64;
            match create {
                true => AuditLog::create_on(disk, folder.path(), options, segment),
                false => AuditLog::open_on(disk, folder.path(), options, segment),
            }
        };
        let log = open_on(true).expect("creates");
        for number in 0..50 {
            log.append(full_entry(number), full_body()).await.expect("appends");
        }
        log.close().expect("closes");
        let early = load(folder.path());
        let log = open_on(false).expect("opens");
        for number in 0..further {
            log.append(full_entry(number), full_body()).await.expect("appends");
        }
        log.close().expect("closes");
        let mut copy = load(folder.path());
        copy.0.insert("checkpoint".to_owned(), early.0["checkpoint"].clone());
        let full = copy.0.contains_key("tile/entries/000");
        assert_eq!(full, 50 + further >= 256);
        let report = verify(&copy, &[verifier()], Some(&body_keys())).expect("verifies");
        assert_eq!((report.size, report.uncovered), (50, further as u64), "{further}");
        // Not less is accepted for it: the full tile must hold what was signed.
        if full {
            let bundle = copy.0.get_mut("tile/entries/000").expect("bundle");
            bundle[100] ^= 1;
            verify(&copy, &[verifier()], None).expect_err("a flip");
        }
    }
}
