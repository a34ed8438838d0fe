//! The files of imports over the socket: what is asked of them, what is kept of them, who hears of it.

use chengxin_api::spool::FILE_WORK_LIMIT;
use chengxin_api::types::audit::AuditEntries;
use chengxin_api::types::import::{FindingWeight, ImportReport, ImportState};
use chengxin_api::types::problem::Problem;
use chengxin_schemas::ErrorCode;

use crate::day::{begun_and_left, get, post, report};
use crate::socket::{Received, call};
use crate::support::{OWN, Served, long_penalty_file, own_uid, penalty_file, wrong_penalty_file};

/// Names in the spool folder.
fn spooled(served: &Served) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(served.folder.path().join("spool")) else { return Vec::new() };
    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect()
}

async fn until_empty(served: &Served) {
    while !spooled(served).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_option_is_no_import() {
    let served = Served::start(own_uid()).await;
    for query in [
        "file_name=a.csv&dryrun=true",
        "file_name=a.csv&440524188001010014=x",
        "file_name=a.csv&dry_run=true&dry_run=false",
    ] {
        let answer = post(&served, "clerk", &format!("/api/v1/imports?{query}"), penalty_file()).await;
        assert_eq!((answer.status, answer.json::<Problem>().code), (400, ErrorCode::Invalid), "{query}");
        assert!(!answer.text().contains("440524188001010014"), "{}", answer.text());
    }
    assert!(spooled(&served).is_empty());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_rows_are_for_staff_and_logged_before_they_leave() {
    let served = Served::start(own_uid()).await;
    let report = report(
        &post(&served, "clerk", "/api/v1/imports?file_name=a.csv&dry_run=true", wrong_penalty_file()).await,
    );
    let id = report.errors_id.expect("failing rows");
    let path = format!("/api/v1/imports/{id}/errors?format=csv");
    for account in ["audit", "system", "security", "coordinator"] {
        let answer = call(&served.socket, "GET", &path, &[("x-chengxin-operator", account)], "").await;
        assert_eq!(answer.status, 403, "{account}");
    }
    let exported = async || {
        let entries: AuditEntries = get(&served, "audit", "/api/v1/audit?event=exported").await.json();
        entries.entries
    };
    assert!(exported().await.is_empty());
    let rows = get(&served, "reviewer", &path).await;
    assert_eq!(rows.text().lines().count() as u64, report.summary.rows.wrong + 1);
    let entry = exported().await.remove(0);
    assert_eq!((entry.actor, entry.role.as_deref()), (format!("reviewer@{OWN}"), Some("reviewer")));
    // An import that was begun has no failing rows, so its number names none.
    let batch = format!("/api/v1/imports/b-{}/errors?format=csv", "0".repeat(32));
    let answer = call(&served.socket, "GET", &batch, &[("x-chengxin-operator", "clerk")], "").await;
    assert_eq!((answer.status, answer.json::<Problem>().field.as_deref()), (400, Some("id")));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_failing_rows_stays_and_every_other_goes() {
    let served = Served::start(own_uid()).await;
    let clean = post(&served, "clerk", "/api/v1/imports?file_name=a.csv&dry_run=true", penalty_file()).await;
    assert_eq!(report(&clean).errors_id, None);
    until_empty(&served).await;
    let committed = post(&served, "clerk", "/api/v1/imports?file_name=a.csv", penalty_file()).await;
    assert_eq!(report(&committed).summary.state, ImportState::Committed);
    until_empty(&served).await;
    let no_table = post(&served, "clerk", "/api/v1/imports?file_name=a.csv", "%PDF-1.7".to_owned()).await;
    assert!(no_table.text().contains("failed"), "{}", no_table.text());
    until_empty(&served).await;
    let refused =
        report(&post(&served, "clerk", "/api/v1/imports?file_name=a.csv", wrong_penalty_file()).await);
    let id = refused.errors_id.expect("failing rows").to_string();
    let mut kept = spooled(&served);
    kept.sort();
    assert_eq!(kept, [id.clone(), format!("{id}.json")]);
    served.stop().await;
}

/// The answer to taking an import back. Work on it ends with its answer; until the server has noticed, the import is
/// busy.
async fn rolled_back(served: &Served, batch: &str) -> Received {
    let path = format!("/api/v1/imports/{batch}/rollback");
    loop {
        let answer = post(served, "reviewer", &path, String::new()).await;
        if answer.status == 200 {
            return answer;
        }
        assert_eq!(answer.json::<Problem>().code, ErrorCode::Busy);
        tokio::task::yield_now().await;
    }
}

/// A folder that cannot be read does not turn an import that was rolled back into one that was not.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_rolled_back_although_its_file_cannot_be_removed() {
    let served = Served::start(own_uid()).await;
    let batch = begun_and_left(&served, long_penalty_file(12_000)).await.to_string();
    let (spool, away) = (served.folder.path().join("spool"), served.folder.path().join("away"));
    std::fs::rename(&spool, &away).expect("moved");
    std::fs::write(&spool, "no folder").expect("written");
    let taken = rolled_back(&served, &batch).await;
    assert_eq!(taken.json::<ImportReport>().summary.state, ImportState::RolledBack);
    std::fs::remove_file(&spool).expect("removed");
    std::fs::rename(&away, &spool).expect("moved back");
    assert!(spooled(&served).contains(&format!("{batch}.json")));
    let again = post(&served, "reviewer", &format!("/api/v1/imports/{batch}/rollback"), String::new()).await;
    assert_eq!(again.json::<Problem>().code, ErrorCode::Conflict);
    until_empty(&served).await;
    served.stop().await;
}

/// As after a crash: nothing but the store and the folder tells of the import.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_import_keeps_its_file_until_it_is_taken_back() {
    let served = Served::start(own_uid()).await;
    let batch = begun_and_left(&served, long_penalty_file(12_000)).await;
    let plan = format!("{batch}.json");
    assert!(spooled(&served).contains(&plan));
    // Others send files meanwhile; none of them makes room at the expense of this one.
    for number in 0..10_u64 {
        let path = format!("/api/v1/imports?file_name={number}.csv&dry_run=true");
        report(&post(&served, "clerk", &path, wrong_penalty_file()).await);
    }
    assert!(spooled(&served).contains(&plan));
    let taken = rolled_back(&served, &batch.to_string()).await;
    assert_eq!(taken.json::<ImportReport>().summary.state, ImportState::RolledBack);
    // The ten reports offer eight files between them; of the import nothing is left.
    while spooled(&served).iter().filter(|name| !name.ends_with(".json")).count() > 8 {
        tokio::task::yield_now().await;
    }
    assert!(!spooled(&served).contains(&plan));
    served.stop().await;
}

/// More warnings than a report lists stand before the only errors: those are what it must show.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_errors_stand_before_the_warnings() {
    let served = Served::start(own_uid()).await;
    let good = long_penalty_file(500);
    let bad = wrong_penalty_file();
    let wrong: Vec<_> = bad.lines().skip(1).collect();
    // Every good row is there twice, which is a warning for each.
    let rows: Vec<_> = good.lines().skip(1).collect();
    let header = good.lines().next().expect("header");
    let text = format!("{header}\n{0}\n{0}\n{1}\n", rows.join("\n"), wrong.join("\n"));
    let report = report(&post(&served, "clerk", "/api/v1/imports?file_name=a.csv&dry_run=true", text).await);
    assert!(report.summary.rows.warned > 200 && report.summary.rows.wrong > 0, "{:?}", report.summary.rows);
    let errors = report.findings.iter().take_while(|finding| finding.weight == FindingWeight::Error);
    let rows: std::collections::BTreeSet<_> = errors.map(|finding| finding.row).collect();
    assert_eq!(rows.len() as u64, report.summary.rows.wrong, "{:?}", report.findings[0]);
    assert!(rows.iter().all(|row| *row > 1_001), "behind a thousand rows with warnings: {rows:?}");
    served.stop().await;
}

/// Each answer that nobody reads holds one piece of file work and one request until its reader goes.
#[tokio::test(flavor = "multi_thread")]
async fn answers_under_way_count_until_they_are_read() {
    use http_body_util::BodyExt as _;
    let served = Served::start(own_uid()).await;
    // Every row fails, so the file of failing rows is larger than what buffers between node and reader hold.
    let text = long_penalty_file(12_000).replace("示例", "示例\u{7}");
    let report = report(&post(&served, "clerk", "/api/v1/imports?file_name=a.csv&dry_run=true", text).await);
    assert_eq!(report.summary.rows.wrong, 12_000);
    let path = format!("/api/v1/imports/{}/errors?format=csv", report.errors_id.expect("failing rows"));
    let whole = get(&served, "clerk", &path).await.body;
    let begin = async || {
        let stream = tokio::net::UnixStream::connect(&served.socket).await.expect("connected");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .expect("handshake");
        let connection = tokio::spawn(connection);
        let request = hyper::Request::get(path.as_str())
            .header("host", "chengxin")
            .header("x-chengxin-operator", "clerk")
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .expect("request");
        (sender.send_request(request).await.expect("response"), connection)
    };
    let mut unread = Vec::new();
    while unread.len() < FILE_WORK_LIMIT {
        let (response, connection) = begin().await;
        // The dry run's own use of the file may end a moment after its report.
        match response.status().as_u16() {
            200 => unread.push((response, connection)),
            status => assert_eq!(status, 429),
        }
    }
    let (refused, _connection) = begin().await;
    assert_eq!(refused.status().as_u16(), 429);
    // One is read to its end, another given up: both make room.
    let (response, _connection) = unread.pop().expect("unread");
    let body = response.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(body, whole);
    let (response, connection) = unread.pop().expect("unread");
    connection.abort();
    drop(response);
    let mut again = Vec::new();
    while again.len() < 2 {
        let (response, connection) = begin().await;
        if response.status().as_u16() == 200 {
            again.push((response, connection));
        }
    }
    drop((unread, again));
    served.stop().await;
}
