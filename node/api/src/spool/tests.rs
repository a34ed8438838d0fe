//! Uploads that are cut off, killed, repeated or too many leave nothing behind and take nothing away.

use super::plan::PLAN_FILE_LIMIT;
use super::*;
use axum::body::Body;
use axum::body::Bytes;

const NOW: UnixTime = UnixTime(1_795_334_400);

fn plan() -> Plan {
    Plan::new("a.csv", None, None, &[], "zhang")
}

async fn receive(spool: &Arc<Spool>, text: &str) -> SpooledFile {
    let body = Body::from(text.to_owned()).into_data_stream();
    told(spool.file_receive(body, plan(), NOW).await).expect("received")
}

/// A failure without the file behind a success, for `expect`.
fn told<T>(result: Result<T, Failure>) -> Result<T, (ErrorCode, String)> {
    result.map_err(|failure| (failure.0.code, failure.0.detail_en))
}

fn names(spool: &Spool) -> Vec<String> {
    let mut names = spool.names().expect("folder");
    names.sort();
    names
}

/// Files are let go on another thread.
async fn until(spool: &Arc<Spool>, wanted: impl Fn(&[String]) -> bool) {
    while !wanted(&names(spool)) {
        tokio::task::yield_now().await;
    }
}

/// What a killed program leaves: its uses never end.
fn killed(file: SpooledFile) {
    std::mem::forget(file);
}

#[tokio::test]
async fn a_file_goes_with_its_use_unless_its_failing_rows_or_an_import_keep_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().join("spool"));
    let mode = |name: &str| {
        std::fs::metadata(folder.path().join("spool").join(name)).expect("there").permissions().mode() & 0o777
    };
    let file = receive(&spool, "行政相对人名称\n").await;
    let id = file.id();
    assert_eq!((mode(""), mode(&id.to_string())), (0o700, 0o600));
    drop(file);
    until(&spool, <[String]>::is_empty).await;

    let file = receive(&spool, "行政相对人名称\n").await;
    assert_eq!(file.id(), id, "the same file, read the same way");
    told(file.errors_keep(NOW).await).expect("kept");
    drop(file);
    let found = told(spool.file_find(id).await).expect("by name");
    assert_eq!((found.id(), found.name()), (id, "a.csv"));

    let batch = BatchId([1; 16]);
    assert!(spool.batch_find(&batch).await.is_err());
    found.import_keep(&batch).expect("kept");
    assert_eq!(found.begun(), Some(batch));
    drop(found);
    drop(told(spool.batch_find(&batch).await).expect("by import"));
    spool.batch_forget(batch).await.expect("forgotten");
    until(&spool, <[String]>::is_empty).await;
    assert!(spool.batch_find(&batch).await.is_err() && spool.file_find(id).await.is_err());
}

#[tokio::test]
async fn an_upload_that_is_given_up_or_refused_leaves_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    // Given up by its caller, as when the time limit of the route passes.
    let endless = futures::stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"begun")) })
        .chain(futures::stream::pending());
    use futures::StreamExt as _;
    let body = Body::from_stream(endless).into_data_stream();
    let mut receiving = Box::pin(spool.file_receive(body, plan(), NOW));
    loop {
        assert!(futures::poll!(receiving.as_mut()).is_pending());
        let written =
            |name: &String| std::fs::metadata(folder.path().join(name)).is_ok_and(|file| file.len() > 0);
        if names(&spool).iter().any(written) {
            break;
        }
        tokio::task::yield_now().await;
    }
    drop(receiving);
    until(&spool, <[String]>::is_empty).await;
    // Cut off on its way.
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("gone"))]);
    let body = Body::from_stream(broken).into_data_stream();
    let refused = told(spool.file_receive(body, plan(), NOW).await).map(|_| ()).expect_err("cut off");
    assert_eq!(refused.0, ErrorCode::Invalid);
    until(&spool, <[String]>::is_empty).await;
}

/// Named in a child process that may write short files only.
const SHORT_FILES: &str = "CHENGXIN_TEST_SHORT_FILES";

/// Longer than the 1,024 bytes that the child may write, and so short that it is one write: its failure is known only
/// after everything was handed over.
async fn long_for_the_child() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    let body = Body::from("x".repeat(4_096)).into_data_stream();
    let refused = told(spool.file_receive(body, plan(), NOW).await).map(|_| ()).expect_err("cut off");
    assert_eq!(refused.0, ErrorCode::Unavailable);
    until(&spool, <[String]>::is_empty).await;
}

#[tokio::test]
async fn an_upload_whose_last_write_fails_is_refused() {
    if std::env::var_os(SHORT_FILES).is_some() {
        return long_for_the_child().await;
    }
    // The limit and the ignored signal stay with what the shell becomes: a write beyond the limit fails as on a full
    // disk. The unit of the limit is 512 or 1,024 bytes, by the shell.
    let test = "spool::tests::an_upload_whose_last_write_fails_is_refused";
    let ended = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ && ulimit -f 1 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().expect("this program"))
        .arg(test)
        .env(SHORT_FILES, "1")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn a_start_keeps_what_unfinished_imports_need_and_nothing_else_of_a_crash() {
    let folder = tempfile::tempdir().expect("folder");
    let (begun, not_begun) = (BatchId([1; 16]), BatchId([2; 16]));
    {
        let spool = Spool::new(folder.path().to_owned());
        let needed = receive(&spool, "needed").await;
        needed.import_keep(&begun).expect("kept");
        // Killed between keeping the file and writing that the import has begun.
        let early = receive(&spool, "early").await;
        early.import_keep(&not_begun).expect("kept");
        killed(needed);
        killed(early);
        killed(receive(&spool, "examined").await);
    }
    for leftover in ["incoming-7", "f-0.3.part", "f-00000000000000000000000000000000.json"] {
        std::fs::write(folder.path().join(leftover), "{}").expect("written");
    }
    std::fs::write(folder.path().join("note.txt"), "not ours").expect("written");
    let spool = Spool::new(folder.path().to_owned());
    spool.start(BTreeSet::from([begun]), NOW).await.expect("started");
    let file = told(spool.batch_find(&begun).await).expect("resumed");
    assert_eq!(names(&spool), [format!("{begun}.json"), file.id().to_string(), "note.txt".to_owned()]);
    assert!(spool.batch_find(&not_begun).await.is_err());
}

#[tokio::test]
async fn files_kept_for_their_failing_rows_go_by_age_and_number_but_not_from_under_their_users() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    let needed = receive(&spool, "needed").await;
    needed.import_keep(&BatchId([1; 16])).expect("kept");
    let needed_id = needed.id();
    drop(needed);
    let used = receive(&spool, "used").await;
    let mut ids = Vec::new();
    for number in 0..FILES_KEPT + 2 {
        let file = receive(&spool, &format!("file {number}")).await;
        told(file.errors_keep(NOW.plus(number as i64)).await).expect("kept");
        ids.push(file.id());
    }
    let kept = |names: &[String]| {
        names.iter().filter(|name| name.starts_with("f-") && name.ends_with(".json")).count()
    };
    until(&spool, |names| names.len() == 2 * FILES_KEPT + 3).await;
    assert_eq!(kept(&names(&spool)), FILES_KEPT);
    assert!(spool.file_find(ids[1]).await.is_err(), "the oldest went");
    let reader = told(spool.file_find(ids[2]).await).expect("the next is there");
    spool.sweep(NOW.plus(KEPT_SECONDS + 100)).await.expect("swept");
    let mut left = [needed_id, used.id(), reader.id()].map(|id| id.to_string()).to_vec();
    left.push(format!("{}.json", BatchId([1; 16])));
    left.sort();
    assert_eq!(names(&spool), left);
    assert!(reader.open().is_ok() && used.open().is_ok());
    drop((reader, used));
    until(&spool, |names| names.len() == 2).await;
}

#[tokio::test]
async fn the_same_file_at_once_and_read_otherwise_does_not_mix() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    let (one, two) = futures::join!(receive(&spool, "same"), receive(&spool, "same"));
    assert_eq!((one.id(), names(&spool).len()), (two.id(), 1));
    drop(one);
    assert!(two.open().is_ok(), "one of two uses ended");
    let exceptions = ["2:checked by hand".parse().expect("exception")];
    let otherwise = Plan::new("a.csv", None, None, &exceptions, "zhang");
    let body = Body::from("same").into_data_stream();
    let three = told(spool.file_receive(body, otherwise, NOW).await).expect("received");
    assert_ne!(two.id(), three.id());
    told(three.errors_keep(NOW).await).expect("kept");
    told(two.errors_keep(NOW).await).expect("kept");
    let found = told(spool.file_find(three.id()).await).expect("found");
    assert_eq!(found.options().exceptions.rows.len(), 1, "the later plan did not replace the earlier one");
}

#[tokio::test]
async fn only_so_many_files_are_worked_on_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    let mut at_work = Vec::new();
    for number in 0..FILE_WORK_LIMIT {
        at_work.push(receive(&spool, &number.to_string()).await);
    }
    let body = Body::from("one more").into_data_stream();
    let refused = told(spool.file_receive(body, plan(), NOW).await).map(|_| ()).expect_err("refused");
    assert_eq!(refused.0, ErrorCode::Busy);
    assert_eq!(names(&spool).len(), FILE_WORK_LIMIT);
    at_work.pop();
    receive(&spool, "one more").await;
}

#[tokio::test]
async fn a_plan_that_is_too_long_is_no_plan_and_stops_no_upload() {
    let folder = tempfile::tempdir().expect("folder");
    let spool = Spool::new(folder.path().to_owned());
    let batch = BatchId([1; 16]);
    let file = receive(&spool, "行政相对人名称\n").await;
    file.import_keep(&batch).expect("kept");
    told(file.errors_keep(NOW).await).expect("kept");
    // Blanks behind the document would be accepted by the parser: only the length is wrong.
    for path in [spool.batch_path(&batch), spool.sidecar(&file.id().to_string())] {
        let mut text = std::fs::read_to_string(&path).expect("plan");
        text.push_str(&" ".repeat(usize::try_from(PLAN_FILE_LIMIT).expect("limit")));
        std::fs::write(&path, &text).expect("written");
    }
    let by_batch = told(spool.batch_find(&batch).await).map(|_| ()).expect_err("not read");
    assert_eq!(by_batch.0, ErrorCode::NotFound);
    let by_name = told(spool.file_find(file.id()).await).map(|_| ()).expect_err("not read");
    assert_eq!(by_name.0, ErrorCode::NotFound);
    receive(&spool, "another").await;
}
