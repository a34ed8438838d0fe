//! A day at one agency, over the socket: import, look, check, sanction, watch.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_api::types::audit::{AuditEntries, AuditVerification};
use chengxin_api::types::check::CheckResult;
use chengxin_api::types::import::{
    FindingWeight, ImportEvent, ImportEventKind, ImportReport, ImportState, Imports,
};
use chengxin_api::types::notice::{NoticeDocument, Notices};
use chengxin_api::types::operator::{OperatorDocument, Operators};
use chengxin_api::types::peer::Peers;
use chengxin_api::types::policy::{Policy, PolicyExplanation, PolicyTable};
use chengxin_api::types::policy_content::Breaches;
use chengxin_api::types::problem::Problem;
use chengxin_api::types::record::{RecordDocument, Records};
use chengxin_api::types::restriction::Restrictions;
use chengxin_api::types::status::{Health, Status};
use chengxin_policy::{Action, Bundle, SanctionObject};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::ClassificationLevel;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectKind;

use crate::socket::{Received, call};
use crate::support::{OTHER, Served, long_penalty_file, own_uid, penalty_file, wrong_penalty_file};

pub(crate) async fn get(served: &Served, account: &str, path: &str) -> Received {
    let answer = call(&served.socket, "GET", path, &[("x-chengxin-operator", account)], "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer
}

pub(crate) async fn post(served: &Served, account: &str, path: &str, body: String) -> Received {
    call(&served.socket, "POST", path, &[("x-chengxin-operator", account)], body).await
}

pub(crate) fn report(answer: &Received) -> ImportReport {
    let events: Vec<ImportEvent> = answer.lines();
    match events.into_iter().next_back().map(|event| event.event) {
        Some(ImportEventKind::Finished { report }) => *report,
        other => panic!("no report but {other:?}"),
    }
}

async fn imported(served: &Served) -> ImportReport {
    let answer = post(served, "clerk", "/api/v1/imports?file_name=a.csv", penalty_file()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    report(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_its_rows_come_back() {
    let served = Served::start(own_uid()).await;
    for dry_run in ["true", "false"] {
        let path = format!("/api/v1/imports?file_name=a.csv&dry_run={dry_run}");
        let report = report(&post(&served, "clerk", &path, wrong_penalty_file()).await);
        let state = if dry_run == "true" { ImportState::Checked } else { ImportState::Refused };
        assert_eq!(report.summary.state, state);
        assert!(report.summary.batch.is_none() && report.summary.rows.wrong > 0);
        let finding = report.findings.iter().find(|finding| finding.code == "code_check").expect("finding");
        assert_eq!(finding.weight, FindingWeight::Error);
        assert!(finding.row >= 2 && !finding.column.is_empty() && !finding.fix_zh.is_empty());
        let id = report.errors_id.expect("failing rows are kept");
        let csv = get(&served, "clerk", &format!("/api/v1/imports/{id}/errors?format=csv")).await;
        assert!(csv.body.starts_with(&[0xEF, 0xBB, 0xBF]));
        assert_eq!(csv.text().lines().count() as u64, report.summary.rows.wrong + 1, "{}", csv.text());
        let xlsx = get(&served, "clerk", &format!("/api/v1/imports/{id}/errors?format=xlsx")).await;
        assert!(xlsx.body.starts_with(b"PK"));
    }
    let records: Records = get(&served, "clerk", "/api/v1/records").await.json();
    assert!(records.records.is_empty());
    // A clerk vouches for each failing code by row.
    let report_before = report(
        &post(&served, "clerk", "/api/v1/imports?file_name=a.csv&dry_run=true", wrong_penalty_file()).await,
    );
    let accepts: String = report_before
        .findings
        .iter()
        .filter(|finding| finding.code == "code_check")
        .map(|finding| format!("&accept={}:checked%20by%20hand", finding.row))
        .collect();
    let path = format!("/api/v1/imports?file_name=a.csv&dry_run=true{accepts}");
    let report_after = report(&post(&served, "clerk", &path, wrong_penalty_file()).await);
    assert!(report_after.summary.rows.wrong < report_before.summary.rows.wrong, "{report_after:?}");
    let bad = post(&served, "clerk", "/api/v1/imports?file_name=a.csv&accept=x", penalty_file()).await;
    assert_eq!((bad.status, bad.json::<Problem>().field.as_deref()), (400, Some("accept")));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_listed_shown_and_taken_back_by_a_reviewer_only() {
    let served = Served::start(own_uid()).await;
    let report = imported(&served).await;
    assert_eq!((report.summary.state, report.summary.rows.new), (ImportState::Committed, 2));
    let batch = report.summary.batch.expect("batch");
    let imports: Imports = get(&served, "clerk", "/api/v1/imports").await.json();
    assert_eq!(imports.imports.len(), 1);
    let again = imported(&served).await;
    assert_eq!((again.summary.rows.new, again.summary.rows.duplicate), (0, 2));
    let page: Imports = get(&served, "clerk", "/api/v1/imports?limit=1").await.json();
    let next = page.next.expect("a second page");
    let page: Imports = get(&served, "clerk", &format!("/api/v1/imports?limit=1&cursor={next}")).await.json();
    assert_eq!((page.imports.len(), page.next), (1, None));

    let first: Records = get(&served, "clerk", "/api/v1/records?limit=1").await.json();
    let cursor = first.next.expect("a second page");
    let second: Records =
        get(&served, "clerk", &format!("/api/v1/records?limit=1&cursor={cursor}")).await.json();
    assert_ne!(first.records[0].record, second.records[0].record);
    let path = format!("/api/v1/records/{}", first.records[0].record);
    let record: RecordDocument = get(&served, "clerk", &path).await.json();
    assert!(!record.fields.is_empty() && record.source_row >= 2);

    let resume = post(&served, "clerk", &format!("/api/v1/imports/{batch}/resume"), String::new()).await;
    assert_eq!((resume.status, resume.json::<Problem>().code), (409, ErrorCode::Conflict));
    let rollback = format!("/api/v1/imports/{batch}/rollback");
    assert_eq!(post(&served, "clerk", &rollback, String::new()).await.status, 403);
    let done: ImportReport = post(&served, "reviewer", &rollback, String::new()).await.json();
    assert_eq!(done.summary.state, ImportState::RolledBack);
    let records: Records = get(&served, "clerk", "/api/v1/records").await.json();
    assert!(records.records.is_empty());
    served.stop().await;
}

/// A caller who goes away while rows are written leaves nothing visible, and the same import goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_caller_goes_away_is_resumed() {
    const ROWS: u64 = 12_000;
    let served = Served::start(own_uid()).await;
    let batch = begun_and_left(&served, long_penalty_file(ROWS)).await;
    // The work ends with the answer; until the server has noticed, the import is still busy.
    let path = format!("/api/v1/imports/{batch}/resume");
    let resumed = loop {
        let shown: ImportReport = get(&served, "clerk", &format!("/api/v1/imports/{batch}")).await.json();
        assert_eq!(shown.summary.state, ImportState::Open, "nothing counts before all of it does");
        let records: Records = get(&served, "clerk", "/api/v1/records").await.json();
        assert!(records.records.is_empty());
        let answer = post(&served, "clerk", &path, String::new()).await;
        let events: Vec<ImportEvent> = answer.lines();
        match events.into_iter().next_back().map(|event| event.event) {
            Some(ImportEventKind::Finished { report }) => break report,
            Some(ImportEventKind::Failed { problem }) => {
                assert_eq!(problem.code, ErrorCode::Busy, "{problem:?}")
            }
            other => panic!("neither finished nor busy: {other:?}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((resumed.summary.state, resumed.summary.rows.new), (ImportState::Committed, ROWS));
    served.stop().await;
}

/// Sends the file and goes away as soon as the import has its number.
pub(crate) async fn begun_and_left(served: &Served, file: String) -> chengxin_schemas::identity::BatchId {
    use http_body_util::BodyExt as _;
    let stream = tokio::net::UnixStream::connect(&served.socket).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.expect("handshake");
    let connection = tokio::spawn(connection);
    let request = hyper::Request::post("/api/v1/imports?file_name=long.csv")
        .header("host", "chengxin")
        .header("x-chengxin-operator", "clerk")
        .body(http_body_util::Full::new(bytes::Bytes::from(file)))
        .expect("request");
    let mut body = sender.send_request(request).await.expect("response").into_body();
    let mut text = String::new();
    loop {
        let frame = body.frame().await.expect("the import has begun").expect("frame");
        text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        for line in text.lines() {
            if let Ok(ImportEvent { event: ImportEventKind::Started { batch: Some(batch) }, .. }) =
                serde_json::from_str(line)
            {
                connection.abort();
                return batch;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_who_was_silent_and_a_notice_restricts() {
    let served = Served::start(own_uid()).await;
    imported(&served).await;
    let records: Records = get(&served, "clerk", "/api/v1/records").await.json();
    let breach = records.records.iter().find(|record| record.severity.is_some()).expect("a breach");
    let subject = breach.subject.clone().expect("an organisation's code");
    let question = format!(
        r#"{{"subject":"{subject}","purpose":"government-procurement","case_reference":"CG-1","certificate":true}}"#
    );
    let answer = post(&served, "clerk", "/api/v1/checks", question).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result: CheckResult = answer.json();
    assert!(!result.coverage.complete);
    assert_eq!((result.coverage.asked, result.coverage.answered, result.coverage.silent), (2, 1, 1));
    assert_eq!(result.coverage.agencies[0].agency.as_str(), OTHER, "the silent one stands first");
    assert_eq!(result.records.len(), 1);
    assert!(result.certificate.is_some());
    let wrong = format!(r#"{{"subject":"{subject}","purpose":"curiosity","case_reference":"CG-1"}}"#);
    let denied: Problem = post(&served, "clerk", "/api/v1/checks", wrong).await.json();
    assert_eq!(denied.code, ErrorCode::Denied);
    for name in ["", " ", "\u{3000}"] {
        let blank = format!(
            r#"{{"subject":"{subject}","name":"{name}","purpose":"government-procurement","case_reference":"CG-1"}}"#
        );
        let refused = post(&served, "clerk", "/api/v1/checks", blank).await;
        assert_eq!((refused.status, refused.json::<Problem>().field.as_deref()), (400, Some("name")));
    }
    assert!(denied.rule.is_some() && denied.detail_zh != denied.detail_en);

    let notice = format!(
        r#"{{"record":"{}","measures":[{{"measure":"restrict-government-procurement","until":"2027-12-31"}}]}}"#,
        breach.record
    );
    let answer = post(&served, "reviewer", "/api/v1/notices", notice).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let issued: NoticeDocument = answer.json();
    assert_eq!((issued.summary.acknowledged, issued.summary.recipients), (0, 1), "{issued:?}");
    let notices: Notices = get(&served, "clerk", "/api/v1/notices?direction=issued").await.json();
    assert_eq!(notices.notices.len(), 1);
    let received: Notices = get(&served, "clerk", "/api/v1/notices?direction=received").await.json();
    assert!(received.notices.is_empty());
    get(&served, "clerk", &format!("/api/v1/notices/{}", issued.summary.notice)).await;
    let path = format!("/api/v1/restrictions?subject={subject}");
    let restrictions: Restrictions = get(&served, "clerk", &path).await.json();
    assert_eq!(restrictions.restrictions.len(), 1);
    assert_ne!(restrictions.restrictions[0].measure_name, restrictions.restrictions[0].measure.as_str());
    served.stop().await;
}

/// The letters of the committed table by purpose, role, kind of subject and category, for a body without functions.
fn committed_table() -> BTreeMap<(String, String, String, String), String> {
    let bundle = Bundle::baseline().expect("baseline");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/baseline/decision-table.txt");
    let text = std::fs::read_to_string(path).expect("committed");
    let any_role = Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("+");
    let text = text.replace("any role", &any_role);
    let (mut cells, mut purpose) = (BTreeMap::new(), "");
    for line in text.lines() {
        let Some(row) = line.strip_prefix("  ") else {
            purpose = line.split(' ').next().unwrap_or_default();
            continue;
        };
        let Some(row) = row.strip_prefix("every body").or_else(|| row.strip_prefix("other bodies")) else {
            continue;
        };
        let words: Vec<&str> = row.split_whitespace().collect();
        let [roles, action, kind, letters @ ..] = &words[..] else { continue };
        let known = bundle.purposes().iter().find(|known| known.code.as_str() == purpose).expect("listed");
        let asked = if known.actions.contains(&Action::Ask) { Action::Ask } else { known.actions[0] };
        if *action != asked.as_str() {
            continue;
        }
        for (role, pair) in roles.split('+').flat_map(|role| letters.chunks(2).map(move |pair| (role, pair)))
        {
            let key = [purpose, role, kind, pair[0]].map(ToOwned::to_owned).into();
            cells.insert(key, pair[1].to_owned());
        }
    }
    cells
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_table_says_what_the_committed_one_says() {
    let served = Served::start(own_uid()).await;
    let table: PolicyTable = get(&served, "clerk", "/api/v1/policy/table").await.json();
    let mut told: BTreeMap<_, String> = BTreeMap::new();
    for cell in &table.cells {
        let kind = if cell.subject_kind == SubjectKind::Person { "person" } else { "organisation" };
        let key = [cell.purpose.as_str(), cell.role.as_str(), kind, cell.category.as_str()];
        let letters = told.entry(key.map(ToOwned::to_owned).into()).or_default();
        letters.push(match cell.decision.as_str() {
            "show" => 'S',
            "mask" => 'M',
            _ => '-',
        });
    }
    // What is denied is not in the committed table.
    told.retain(|_, letters| letters.contains(['S', 'M']));
    let mut committed = committed_table();
    committed.retain(|_, letters| letters.contains(['S', 'M']));
    assert!(committed.len() > 20, "the table was read");
    assert_eq!(told, committed);

    let question = r#"{"role":"clerk","purpose":"civil-service-recruitment","category":"basic"}"#;
    let explained: PolicyExplanation =
        post(&served, "clerk", "/api/v1/policy/explain", question.to_owned()).await.json();
    assert_eq!((explained.permitted, explained.question.subject_kind), (true, Some(SubjectKind::Person)));
    let question = question.replace("\"basic\"", "\"basic\",\"subject_kind\":\"organisation\"");
    let explained: PolicyExplanation =
        post(&served, "clerk", "/api/v1/policy/explain", question).await.json();
    assert!(!explained.permitted, "the purpose concerns persons only");
    let needed = explained.needed.expect("denied");
    assert!(needed.conditions.is_empty() && !needed.more, "{needed:?}");
    let bidding =
        needed.purposes.iter().find(|purpose| purpose.code.as_str() == "bidding").expect("would do");
    assert_eq!(
        (bidding.name.as_str(), bidding.conditions.as_slice()),
        ("招标投标", &["case-reference".to_owned()][..])
    );
    // What the decision takes as stated is named.
    let question = r#"{"role":"clerk","purpose":"other-administrative-decision","category":"basic"}"#;
    let explained: PolicyExplanation =
        post(&served, "clerk", "/api/v1/policy/explain", question.to_owned()).await.json();
    let needed = explained.needed.expect("something is to be stated");
    assert!(explained.permitted && needed.purposes.is_empty());
    assert_eq!(needed.conditions, ["case-reference", "legal-basis"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_breach_shows_what_may_follow_and_nothing_else() {
    let served = Served::start(own_uid()).await;
    let listed: Breaches = get(&served, "clerk", "/api/v1/policy/breaches").await.json();
    let bundle = Bundle::baseline().expect("the policy of the stage");
    assert_eq!(listed.breaches.len(), bundle.catalogue().behaviours().len());
    for breach in &listed.breaches {
        for grade in &breach.grades {
            for one in &grade.measures {
                let following = bundle.measures_following(&breach.code, grade.severity, one.object);
                let following = following.expect("something follows for such a subject");
                assert!(following.iter().any(|measure| measure.code == one.measure), "{}", breach.code);
            }
            for object in &breach.objects {
                assert!(grade.measures.iter().any(|one| one.object == *object), "{}", breach.code);
            }
            // No list of grades is published: what follows from a breach is not verified because the breach is.
            assert!(!grade.verified && !grade.missing.is_empty(), "{}", breach.code);
        }
    }
    let arrears =
        listed.breaches.iter().find(|breach| breach.code.as_str() == "sme-arrears").expect("listed");
    let mut measures = arrears.grades.iter().flat_map(|grade| &grade.measures);
    assert!(measures.all(|one| one.object == SanctionObject::PublicBody), "a body pays late, no person");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_state_accounts_policy_and_log() {
    let served = Served::start(own_uid()).await;
    served.links.take();
    let status: Status = get(&served, "system", "/api/v1/status").await.json();
    assert_eq!(served.links.take(), 1, "each look goes through all members");
    assert_eq!(status.health, Health::Degraded);
    let codes: Vec<_> = status.hints.iter().map(|hint| hint.code.as_str()).collect();
    assert_eq!(codes, ["peers_offline", "separation_off"]);
    let peers: Peers = get(&served, "system", "/api/v1/peers").await.json();
    assert_eq!(served.links.take(), 1);
    assert_eq!((peers.peers.len(), peers.peers[0].online), (1, false));

    let added = r#"{"name":"li","display_name":"李某","uid":4242,"roles":["clerk"]}"#;
    let added: OperatorDocument =
        post(&served, "security", "/api/v1/operators", added.to_owned()).await.json();
    assert_eq!(added.operator.created_by.map(|name| name.to_string()).as_deref(), Some("security"));
    let both = r#"{"name":"wu","display_name":"","uid":4243,"roles":["audit_administrator","clerk"]}"#;
    assert_eq!(post(&served, "security", "/api/v1/operators", both.to_owned()).await.status, 400);
    let disabled: OperatorDocument =
        post(&served, "security", "/api/v1/operators/li/disable", String::new()).await.json();
    assert!(!disabled.operator.enabled);
    let operators: Operators = get(&served, "audit", "/api/v1/operators").await.json();
    assert_eq!(operators.operators.len(), 7);

    let policy: Policy = get(&served, "clerk", "/api/v1/policy").await.json();
    assert!(policy.purposes.iter().any(|purpose| purpose.code.as_str() == "government-procurement"));
    let question = r#"{"role":"clerk","purpose":"government-procurement","category":"general_breach","type":"administrative-penalty"}"#;
    let explained: PolicyExplanation =
        post(&served, "clerk", "/api/v1/policy/explain", question.to_owned()).await.json();
    assert!(explained.permitted && !explained.fields.is_empty(), "{explained:?}");
    // The level at which the field was decided, which is another for a person.
    for (kind, level) in [("organisation", ClassificationLevel::L2), ("person", ClassificationLevel::L3)] {
        let question = question.replace("\"type\"", &format!("\"subject_kind\":\"{kind}\",\"type\""));
        let explained: PolicyExplanation =
            post(&served, "clerk", "/api/v1/policy/explain", question).await.json();
        let facts = explained.fields.iter().find(|field| field.name == "facts").expect("a field");
        assert_eq!(facts.level, level, "{kind}");
    }
    let question = r#"{"role":"system_administrator","purpose":"government-procurement","category":"basic"}"#;
    let explained: PolicyExplanation =
        post(&served, "clerk", "/api/v1/policy/explain", question.to_owned()).await.json();
    assert!(!explained.permitted && explained.rule.is_some());
    let path = "/api/v1/policy/table?role=clerk&purpose=government-procurement";
    let table: PolicyTable = get(&served, "clerk", path).await.json();
    assert_eq!(table.cells.len(), 2 * 5 * 4, "organisations and persons");

    let entries: AuditEntries =
        get(&served, "audit", "/api/v1/audit?event=operator_changed&limit=3").await.json();
    assert_eq!(entries.entries.len(), 3);
    let path = format!("/api/v1/audit?event=operator_changed&cursor={}", entries.next.expect("more"));
    let rest: AuditEntries = get(&served, "audit", &path).await.json();
    assert!(rest.entries.iter().all(|entry| entry.index < entries.entries[2].index));
    let unknown =
        call(&served.socket, "GET", "/api/v1/audit?event=x", &[("x-chengxin-operator", "audit")], "").await;
    assert_eq!(unknown.json::<Problem>().field.as_deref(), Some("event"));
    for path in ["/api/v1/audit?name=", "/api/v1/audit?name=%20"] {
        let blank = call(&served.socket, "GET", path, &[("x-chengxin-operator", "audit")], "").await;
        assert_eq!((blank.status, blank.json::<Problem>().field.as_deref()), (400, Some("name")));
    }
    let verified: AuditVerification =
        post(&served, "audit", "/api/v1/audit/verify", String::new()).await.json();
    assert!(verified.holds && verified.faults.is_empty(), "{verified:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_looked_at_is_not_called_wrong() {
    let served = Served::start(own_uid()).await;
    let audit = served.folder.path().join("audit");
    // A folder stands where publications put their temporary file, once none is under way.
    let temporary = audit.join("temporary");
    while std::fs::create_dir(&temporary).is_err() {
        tokio::task::yield_now().await;
    }
    let added = r#"{"name":"li","display_name":"李某","uid":4242,"roles":["clerk"]}"#;
    call(&served.socket, "POST", "/api/v1/operators", &[("x-chengxin-operator", "security")], added).await;
    let verify = ("/api/v1/audit/verify", [("x-chengxin-operator", "audit")]);
    let refused = call(&served.socket, "POST", verify.0, &verify.1, "").await;
    assert_eq!(refused.json::<Problem>().code, ErrorCode::Unavailable, "{}", refused.text());

    std::fs::remove_dir(&temporary).expect("removed");
    served.services.node.log().reopen().await.expect("taken up again");
    let verified: AuditVerification = post(&served, "audit", verify.0, String::new()).await.json();
    assert!(verified.holds, "{verified:?}");
    let segment =
        std::fs::read_dir(audit.join("journal")).expect("journal").next().expect("one").expect("one");
    let mut bytes = std::fs::read(segment.path()).expect("read");
    bytes[100] ^= 1;
    std::fs::write(segment.path(), bytes).expect("written");
    let verified: AuditVerification = post(&served, "audit", verify.0, String::new()).await.json();
    assert!(!verified.holds && verified.faults.len() == 1, "{verified:?}");
    served.stop().await;
}
