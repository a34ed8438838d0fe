//! The log as its callers use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chengxin_schemas::time::UnixTime;

use super::{body_keys, close, create, folder_copy, open, options, signing_key, verifier};
use crate::body::Body;
use crate::body::tests::full_body;
use crate::checkpoint::Checkpoint;
use crate::disk::RealDisk;
use crate::entry::tests::full_entry;
use crate::entry::{EntryIndex, EntryKind, Outcome};
use crate::error::LogError;
use crate::journal::{BLOCK_BYTES, group_encode, segment_head, segment_path};
use crate::log::state::RemovalPause;
use crate::log::{AuditLog, Direction, Filter};
use crate::merkle::consistency_check;
use crate::note::UnverifiedNote;
use crate::policy::Policy;
use crate::proof::UnverifiedProof;
use crate::verify::{verify_folder, verify_running};

async fn append(log: &AuditLog, time: i64) -> EntryIndex {
    log.append(full_entry(time), full_body()).await.expect("appends")
}

/// Appends many at once, so that they share groups.
async fn append_many(log: &Arc<AuditLog>, count: u64) {
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let log = Arc::clone(log);
            tokio::spawn(async move { append(&log, 1_000 + number as i64 / 16).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
}

#[tokio::test]
async fn what_was_appended_is_read_back_and_proven_before_and_after_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let mut log = create(folder.path());
    append_many(&log, 700).await;
    let policy = Policy::of_logs(vec![verifier()]);
    for round in 0..2 {
        assert_eq!(log.tree_size(), 700);
        let note = log.checkpoint_now().await.expect("checkpoint");
        for index in [0, 1, 255, 256, 511, 512, 699].map(EntryIndex) {
            let entry = log.read(index).await.expect("reads");
            assert_eq!(entry.leaf.kind, EntryKind::AnswerDisclosed);
            assert_eq!(log.read_body(index).await.expect("body"), full_body());
            let proof = log.proof(index).await.expect("proof");
            let bytes = log.read_bytes(index).await.expect("bytes");
            let proof = UnverifiedProof::parse(proof.as_bytes()).expect("parses");
            let verified = proof.verify(&bytes, &policy).expect("verifies");
            assert_eq!((verified.index, verified.checkpoint.size), (index.0, 700));
            assert!(proof.verify(b"other", &policy).is_err());
        }
        assert!(note.starts_with("audit.example/test\n700\n"), "{note}");
        assert!(matches!(log.read(EntryIndex(700)).await, Err(LogError::NotFound { index: 700, size: 700 })));
        close(log);
        let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys())).expect("verifies");
        assert_eq!((report.size, report.bodies_opened, report.uncovered), (700, Some(700), 0));
        assert_eq!((report.incomplete, report.foreign.len()), (None, 0));
        log = open(folder.path());
        assert!(round == 0 || log.latest_checkpoint() == note);
    }
}

#[tokio::test]
async fn an_entry_without_a_checkpoint_has_no_proof_yet() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    let index = append(&log, 5).await;
    assert!(matches!(log.proof(index).await, Err(LogError::NotCovered { index: 0, size: 0 })));
    log.checkpoint_now().await.expect("checkpoint");
    assert!(log.proof(index).await.is_ok());
    assert!(log.verify().await.is_ok());
}

#[tokio::test]
async fn the_log_is_made_once_opened_once_and_only_with_its_key() {
    let folder = tempfile::tempdir().expect("folder");
    assert!(matches!(AuditLog::open(folder.path(), options()), Err(LogError::Missing { .. })));
    let log = create(folder.path());
    append(&log, 5).await;
    assert!(matches!(AuditLog::open(folder.path(), options()), Err(LogError::Locked { .. })));
    close(log);
    assert!(matches!(AuditLog::create(folder.path(), options()), Err(LogError::Exists { .. })));
    let mut other = options();
    other.keys = vec![signing_key(2)];
    assert!(matches!(AuditLog::open(folder.path(), other), Err(LogError::Contradiction { .. })));
    let mut other = options();
    other.origin = "other.example/log".parse().expect("name");
    assert!(matches!(AuditLog::open(folder.path(), other), Err(LogError::Contradiction { .. })));
}

#[tokio::test]
async fn a_key_is_rotated_by_signing_with_both_for_a_while() {
    let folder = tempfile::tempdir().expect("folder");
    close(create(folder.path()));
    for keys in [vec![1, 2], vec![2]] {
        let mut rotated = options();
        rotated.keys = keys.into_iter().map(signing_key).collect();
        let log = AuditLog::open(folder.path(), rotated).expect("opens");
        append(&log, 7).await;
        log.close().expect("closes");
    }
    assert!(verify_folder(folder.path(), &[verifier()], None).is_err(), "the old key no longer signs");
}

#[tokio::test]
async fn recorded_time_never_falls_and_the_clock_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    let mut times = Vec::new();
    for time in [10, 20, 15, 20, 30] {
        let leaf = log.read(append(&log, time).await).await.expect("reads").leaf;
        times.push((leaf.time.0, leaf.clock.map(|clock| clock.0)));
    }
    assert_eq!(times, [(10, None), (20, None), (20, Some(15)), (20, None), (30, None)]);
    close(log);
    let log = open(folder.path());
    let leaf = log.read(append(&log, 3).await).await.expect("reads").leaf;
    assert_eq!((leaf.time, leaf.clock), (UnixTime(30), Some(UnixTime(3))));
}

#[tokio::test]
async fn an_erased_body_is_gone_for_ever_and_everything_still_verifies() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    append_many(&log, 20).await;
    let erasure = log.body_erase(EntryIndex(7), full_entry(2_000), Body::default()).await.expect("erases");
    let leaf = log.read(erasure).await.expect("reads").leaf;
    assert_eq!((leaf.kind, leaf.refers_to), (EntryKind::BodyErased, Some(EntryIndex(7))));
    assert!(matches!(log.read_body(EntryIndex(7)).await, Err(LogError::Erased { index: 7 })));
    let again = log.body_erase(EntryIndex(7), full_entry(2_000), Body::default()).await;
    assert!(matches!(again, Err(LogError::Erased { index: 7 })));
    let beyond = log.body_erase(EntryIndex(99), full_entry(2_000), Body::default()).await;
    assert!(matches!(beyond, Err(LogError::NotFound { .. })));
    assert_eq!(log.read_body(EntryIndex(8)).await.expect("reads"), full_body());
    log.checkpoint_now().await.expect("checkpoint");
    assert!(log.proof(EntryIndex(7)).await.is_ok());
    let forged = full_entry(1);
    let forged = crate::entry::Entry { kind: EntryKind::BodyErased, ..forged };
    assert!(log.append(forged, Body::default()).await.is_err());
    close(log);
    let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys())).expect("verifies");
    assert_eq!((report.bodies_erased, report.bodies_opened, report.erasures_unfinished), (1, Some(20), 0));
    close(open(folder.path()));
}

#[tokio::test]
async fn pages_and_searches_go_through_everything_once() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    append_many(&log, 600).await;
    let page = log.scan(EntryIndex(250), 10, Direction::Forward).await.expect("page");
    assert_eq!(page.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), (250..260).collect::<Vec<_>>());
    let page = log.scan(EntryIndex(9_999), 3, Direction::Backward).await.expect("page");
    assert_eq!(page.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), [599, 598, 597]);
    let mut filter =
        Filter { from: Some(UnixTime(1_002)), until: Some(UnixTime(1_010)), ..Filter::default() };
    let mut found = Vec::new();
    loop {
        let page = log.search(filter.clone(), 50).await.expect("page");
        found.extend(page.entries.iter().map(|entry| (entry.index.0, entry.leaf.time.0)));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    let all = log.scan(EntryIndex(0), 1_000, Direction::Forward).await.expect("all");
    let expected = all.iter().rev().map(|entry| (entry.index.0, entry.leaf.time.0));
    let expected: Vec<_> = expected.filter(|(_, time)| (1_002..1_010).contains(time)).collect();
    assert_eq!(found, expected);
    for (filter, count) in [
        (Filter { kinds: vec![EntryKind::NodeStarted], ..Filter::default() }, 0),
        (Filter { subject: full_entry(0).subject, ..Filter::default() }, 5),
        (Filter { rule: Some("other".to_owned()), ..Filter::default() }, 0),
        (Filter { outcome: Some(Outcome::Allowed), ..Filter::default() }, 0),
        (Filter { digest: full_entry(0).request, ..Filter::default() }, 5),
        (Filter { account: "nobody".parse().ok(), ..Filter::default() }, 0),
    ] {
        assert_eq!(log.search(filter, 5).await.expect("page").entries.len(), count);
    }
}

/// One reading of a clock that was years ahead is the recorded time of all that follows; the caller's times still tell
/// them apart.
#[tokio::test]
async fn a_clock_that_was_ahead_once_does_not_spoil_searches_by_time() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    for time in [100, 4_000_000_000, 101, 102, 103] {
        append(&log, time).await;
    }
    let found = |from, until| {
        let filter = Filter { from: Some(UnixTime(from)), until: Some(UnixTime(until)), ..Filter::default() };
        let log = &log;
        async move {
            let page = log.search(filter, 10).await.expect("page");
            page.entries.iter().map(|entry| entry.index.0).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(100, 103).await, [3, 2, 0]);
    assert_eq!(found(102, 1_000).await, [4, 3]);
    assert_eq!(found(4_000_000_000, 4_000_000_001).await, [1]);
}

#[tokio::test]
async fn every_checkpoint_is_consistent_with_every_earlier_one() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    let mut notes = vec![log.latest_checkpoint()];
    for count in [1, 3, 252, 1, 300] {
        append_many(&log, count).await;
        notes.push(log.checkpoint_now().await.expect("checkpoint"));
    }
    let checkpoint = |note: &String| {
        Checkpoint::verify(&UnverifiedNote::parse(note.as_bytes()).expect("note"), &[verifier()])
            .expect("signed")
    };
    let last = checkpoint(notes.last().expect("some"));
    for note in &notes {
        let old = checkpoint(note);
        let (path, newest) = log.consistency(old.size).await.expect("proof");
        assert_eq!(checkpoint(&newest), last);
        consistency_check(old.size, last.size, old.root, last.root, &path).expect("consistent");
    }
}

#[tokio::test]
async fn no_subject_stands_in_the_clear_anywhere() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    append_many(&log, 300).await;
    close(log);
    let mut folders = vec![folder.path().to_owned()];
    let mut searched = 0;
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("lists") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("reads");
            searched += bytes.len();
            for secret in ["91320100748204660Q", "CG-2026-031", "政府采购法"] {
                assert!(
                    !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
                    "{secret} in {path:?}"
                );
            }
        }
    }
    assert!(searched > 200_000);
}

#[tokio::test]
async fn an_entry_that_is_refused_does_not_stop_the_others() {
    let folder = tempfile::tempdir().expect("folder");
    let log = create(folder.path());
    let long = Body { fields: vec!["x".repeat(70_000)], ..Body::default() };
    assert!(matches!(log.append(full_entry(1), long).await, Err(LogError::TooLarge { .. })));
    assert_eq!(append(&log, 1).await, EntryIndex(0));
    assert_eq!(log.health().stopped, None);
}

/// Verifying holds nobody up and is not disturbed: entries, erasures, checkpoints and removals go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_verified_while_it_goes_on() {
    let folder = tempfile::tempdir().expect("folder");
    let segment = 2 * BLOCK_BYTES as u64;
    let log = AuditLog::create_on(Arc::new(RealDisk), folder.path(), options(), segment).expect("creates");
    let log = Arc::new(log);
    append_many(&log, 300).await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (log, done) = (Arc::clone(&log), Arc::clone(&done));
        tokio::spawn(async move {
            let mut number = 0;
            while !done.load(Ordering::Acquire) {
                append_many(&log, 20).await;
                log.body_erase(EntryIndex(number), full_entry(9), Body::default()).await.expect("erases");
                log.checkpoint_now().await.expect("checkpoint");
                number += 1;
            }
            number
        })
    };
    for _ in 0..20 {
        let report = log.verify().await.expect("verifies");
        assert_eq!((report.incomplete, report.erasures_unfinished), (None, 0));
    }
    done.store(true, Ordering::Release);
    let erased = writing.await.expect("task");
    assert!(erased > 0);
    // What was left for the verifications goes with the next checkpoint that fills a tile.
    append_many(&log, 256).await;
    log.checkpoint_now().await.expect("checkpoint");
    let report = log.verify().await.expect("verifies");
    assert_eq!(report.bodies_erased, erased);
    close(log);
    let partials = |number: &str| folder.path().join("tile/entries").join(number).exists();
    assert!(!partials("000.p") && !partials("001.p"));
    let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys())).expect("verifies");
    assert_eq!((report.bodies_erased, report.uncovered), (erased, 0));
}

/// A verification that takes long does not keep appends waiting, and finds all files of its checkpoint.
#[tokio::test]
async fn nothing_is_removed_while_a_verification_runs() {
    let folder = tempfile::tempdir().expect("folder");
    let segment = 2 * BLOCK_BYTES as u64;
    let log = AuditLog::create_on(Arc::new(RealDisk), folder.path(), options(), segment).expect("creates");
    let log = Arc::new(log);
    append_many(&log, 100).await;
    log.checkpoint_now().await.expect("checkpoint");
    let (pause, published) = RemovalPause::begin(&log.shared);
    let partial = folder.path().join("tile/entries/000.p/100");
    append_many(&log, 400).await;
    log.checkpoint_now().await.expect("checkpoint while somebody reads");
    assert!(partial.exists());
    let report =
        verify_running(folder.path(), published.note, &[verifier()], &body_keys()).expect("verifies");
    assert_eq!(report.size, 100);
    drop(pause);
    append(&log, 5_000).await;
    log.checkpoint_now().await.expect("checkpoint");
    assert!(!partial.exists());
    close(log);
}

/// A later version has written an entry of a kind that this one does not know: the log is taken up, goes on, and verifies.
#[tokio::test]
async fn a_log_with_an_entry_of_an_unknown_kind_goes_on() {
    let (folder, copy) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let log = create(folder.path());
    append(&log, 1_000).await;
    let leaf = log.read_bytes(EntryIndex(0)).await.expect("reads");
    // Before a checkpoint covers it.
    folder_copy(folder.path(), copy.path());
    close(log);
    let leaf = String::from_utf8(leaf).expect("text").replacen("answer_disclosed", "quantum_disclosed", 1);
    let head = segment_head(0);
    let group = group_encode(0, &[leaf.as_bytes().into()], head.len() as u64).expect("encodes");
    std::fs::write(segment_path(copy.path(), 0), [head, group].concat()).expect("writes");

    let log = open(copy.path());
    assert_eq!(append(&log, 500).await, EntryIndex(1));
    assert_eq!(log.read(EntryIndex(1)).await.expect("reads").leaf.time, UnixTime(1_000));
    log.read_body(EntryIndex(0)).await.expect("opens");
    let error = log.read(EntryIndex(0)).await.expect_err("unknown").to_string();
    assert!(error.contains("a newer version may have written it"), "{error}");
    close(log);
    let report = verify_folder(copy.path(), &[verifier()], Some(&body_keys())).expect("verifies");
    assert_eq!((report.size, report.bodies_opened), (2, Some(2)));
}
