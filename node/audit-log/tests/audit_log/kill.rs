//! A real process appends and is killed without warning; what it was told is durable must be there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chengxin_audit_log::{AuditLog, EntryIndex, LogError, verify_folder};

use crate::common::{body, body_keys, entry, options, verifier};

/// Names the folder in the child's environment; without it the child's test has nothing to do.
const FOLDER: &str = "CHENGXIN_AUDIT_LOG_KILL_TEST_FOLDER";
/// How often the process is killed.
const ROUNDS: u64 = 50;
/// Tasks that append at the same time.
const TASKS: i64 = 16;

/// The child: appends until it is killed, and writes the number of every acknowledged entry to its output.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_appends_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    // Checkpoints come often, so that the kill hits publications as well.
    let options = options(Duration::from_millis(1));
    let log = if folder.join("log.json").exists() {
        AuditLog::open(folder, options)
    } else {
        AuditLog::create(folder, options)
    };
    let log = Arc::new(log.expect("opens after every kill"));
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(append_for_ever(Arc::clone(&log)))).collect();
    for task in tasks {
        task.await.expect("task").expect("appends until killed");
    }
}

/// Ends with an error only.
async fn append_for_ever(log: Arc<AuditLog>) -> Result<(), LogError> {
    loop {
        let index = log.append(entry(1), body()).await?;
        // One write per line, to standard error, which the test harness neither buffers nor captures here.
        let line = format!("acknowledged {index}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("the parent listens");
    }
}

#[tokio::test]
async fn killing_the_process_at_any_moment_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("folder");
    let mut highest = None;
    let mut total = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "kill::child_appends_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        // A different number of acknowledgements each round moves the kill around.
        let enough = 1 + round * 7 % 64;
        let mut seen = 0;
        for line in lines {
            let line = line.expect("text");
            let Some(index) = line.strip_prefix("acknowledged ") else { continue };
            let index: u64 = index.parse().expect("number");
            highest = highest.max(Some(index));
            seen += 1;
            if seen == enough {
                child.kill().expect("kills");
            }
        }
        child.wait().expect("ends");
        assert!(seen >= enough, "the child ended by itself in round {round}");
        total += seen;
        // Before the next process touches anything: the files as the kill left them.
        let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys()));
        let report = report.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(
            Some(report.size + report.uncovered) > highest,
            "round {round}: an acknowledged entry is lost"
        );
    }
    let log = AuditLog::open(folder.path(), options(Duration::from_secs(3_600))).expect("opens");
    let size = log.tree_size();
    assert!(Some(size) > highest && size >= total);
    for index in (0..size).step_by(97) {
        log.read(EntryIndex(index)).await.expect("reads");
        log.read_body(EntryIndex(index)).await.expect("opens");
    }
    log.close().expect("closes");
    let report = verify_folder(folder.path(), &[verifier()], Some(&body_keys())).expect("verifies");
    assert_eq!((report.size, report.bodies_opened, report.incomplete), (size, Some(size), None));
}
