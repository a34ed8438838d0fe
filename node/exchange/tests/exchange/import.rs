//! Imports: all or nothing, once, resumable, taken back.

use std::sync::Arc;

use chengxin_exchange::import::{BatchState, ImportFile};
use chengxin_exchange::record::RecordFilter;
use chengxin_import::{ImportOptions, IssueSeverity};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;

use crate::hooked::commits_refuse;
use crate::support::{Federation, HEADER, MARKET, Memory, SUBJECT, as_role, penalty_file};

/// A file of `rows` penalties against as many companies.
pub(crate) fn many(rows: u64) -> Arc<dyn ImportFile> {
    let mut text = format!("{HEADER}\n");
    for row in 0..rows {
        let code = chengxin_import::generate::organisation_code(row);
        text.push_str(&format!(
            "示例第{row}有限公司,{code},,,示罚{row}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局\n"
        ));
    }
    Arc::new(Memory(text.into_bytes()))
}

pub(crate) async fn held(federation: &Federation) -> usize {
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let filter = RecordFilter { limit: 1_000, ..RecordFilter::default() };
    node.record_list(&clerk, filter).await.expect("list").records.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_row_twice_is_one_record_and_a_contradiction_is_refused() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let again = penalty_file(SUBJECT, "示例启明建设工程有限公司", "示市监罚〔2026〕88号", "12.5");
    let (_, batch) =
        node.import_run(&clerk, again, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    assert_eq!((batch.records, batch.duplicates), (0, 1));
    let other = penalty_file(SUBJECT, "示例启明建设工程有限公司", "示市监罚〔2026〕88号", "99");
    let (examination, batch) =
        node.import_run(&clerk, other, ImportOptions::default(), Arc::new(|_| {})).await.expect("examined");
    assert!(batch.is_none() && examination.rejected() == 1);
    let codes: Vec<_> = examination.report.issues().map(|issue| issue.code.as_str()).collect();
    assert_eq!(codes, ["held_differently"]);
    assert_eq!(held(&federation).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_one_wrong_row_leaves_nothing() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let mut text = format!("{HEADER}\n");
    text.push_str(
        "示例甲有限公司,91150100DEM000567Y,,,示罚1号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局\n",
    );
    text.push_str(
        "示例乙有限公司,913101150607311257,,,示罚2号,类型,事实,罚款,1,2026-09-31,示例市场监督管理局\n",
    );
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let (examination, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("examined");
    assert!(batch.is_none());
    assert_eq!(examination.rejected(), 1);
    let codes: Vec<_> = examination.report.issues().map(|issue| issue.code.as_str()).collect();
    assert!(codes.contains(&"code_check"), "{codes:?}");
    assert_eq!(held(&federation).await, 0);
    assert!(node.import_list(&clerk).await.expect("list").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_tells_of_columns_left_out_and_of_another_end_of_publicity() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let mut text = format!("{HEADER},公示截止期,lysj\n");
    for (number, end) in [(1, "2029-09-18"), (2, "2027-09-18"), (3, ""), (4, "长期")] {
        text.push_str(&format!(
            "示例甲有限公司,{SUBJECT},,,示罚{number}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局,{end},2026-09-19\n"
        ));
    }
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let examination =
        node.import_examine(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("read");
    assert_eq!(examination.rejected(), 0);
    let issues: Vec<_> = examination.report.issues().collect();
    let found: Vec<_> = issues.iter().map(|issue| (issue.row, issue.code.as_str())).collect();
    assert_eq!(found, [(1, "unmapped_column"), (2, "publicity_end_differs"), (5, "publicity_end_differs")]);
    assert_eq!(issues[0].column.as_ref().map(|column| &*column.header), Some("lysj"));
    assert!(issues[1].message_zh().contains("2029-09-18") && issues[1].message_en().contains("2027-09-18"));
}

/// 《行政处罚法》第五十一条 caps a fine by simple procedure at 200 yuan for a citizen. Published files mask the number, and a row of
/// the national template of natural persons is a citizen's with no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_with_a_masked_number_is_ruled_as_a_citizen() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let mut text = "行政相对人名称,证件类型,证件号码,行政处罚决定书文号,违法行为类型,违法事实,处罚依据,处罚类别,处罚内容,\
         罚款金额(万元),没收违法所得、没收非法财物的金额(万元),暂扣或吊销证照名称及编号,处罚决定日期,处罚有效期,公示截止期,\
         处罚机关,处罚机关统一社会信用代码,数据来源单位,数据来源单位统一社会信用代码,备注\n"
        .to_owned();
    for (row, (kind, number, fine)) in [
        ("身份证", "1501021949****002X", "0.2"),
        ("", "1501021949****002X", "0.2"),
        ("", "E12****78", "0.2"),
        ("", "", "0.2"),
        ("", "1501021949****002X", "0.02"),
    ]
    .into_iter()
    .enumerate()
    {
        text.push_str(&format!(
            "示例甲,{kind},{number},示罚{row}号,类型,事实,依据,罚款,罚款,{fine},,,2026-09-18,,,示例局,,,,适用简易程序\n"
        ));
    }
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let (examination, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    assert_eq!(batch.expect("batch").records, 5, "{:?}", examination.report.issues().collect::<Vec<_>>());
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    let mut ruled = Vec::new();
    for record in node.record_list(&clerk, filter).await.expect("list").records {
        let shown = node.record_show(&clerk, &record.id).await.expect("shown");
        ruled.push((shown.source_row, shown.claims.severity));
    }
    ruled.sort_unstable_by_key(|(row, _)| *row);
    let (general, minor) = (Some(BreachSeverity::General), Some(BreachSeverity::Minor));
    assert_eq!(ruled, [(2, general), (3, general), (4, general), (5, general), (6, minor)]);
}

/// A minor breach is in principle not published: whatever end its row states, even the latest there could be, nothing of it
/// is signed, and the clerk is told so.
#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_not_published_no_end_is_said_to_govern() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let mut text = format!("{HEADER},公示截止期\n");
    for (number, end) in [(1, "2027-09-18"), (2, "2026-12-18"), (3, "")] {
        text.push_str(&format!(
            "示例甲有限公司,{SUBJECT},,,示罚{number}号,类型,事实,警告,,2026-09-18,示例市场监督管理局,{end}\n"
        ));
    }
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let (examination, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    assert_eq!(batch.expect("batch").records, 3);
    let issues: Vec<_> = examination.report.issues().collect();
    let found: Vec<_> = issues.iter().map(|issue| (issue.row, issue.code.as_str())).collect();
    assert_eq!(found, [(2, "not_published"), (3, "not_published")]);
    assert!(
        issues[0].message_zh().contains("2027-09-18") && issues[0].message_en().contains("not published")
    );
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    for record in node.record_list(&clerk, filter).await.expect("list").records {
        let detail = node.record_show(&clerk, &record.id).await.expect("shown");
        assert_eq!(detail.claims.publicity_end, None);
        let publicity = detail.rulings.and_then(|rulings| rulings.publicity).expect("a rule");
        assert_eq!((publicity.publish, publicity.signed_end()), (false, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_taken_back_leaves_nothing_and_its_rows_may_come_again() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let reviewer = as_role(&node, Role::Reviewer).await;
    let (_, batch) =
        node.import_run(&clerk, many(700), ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    assert_eq!(batch.state, BatchState::Committed);
    assert_eq!(held(&federation).await, 700);
    assert_eq!(node.import_rollback(&clerk, &batch.id).await.expect_err("role").code(), ErrorCode::Denied);
    let taken = node.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
    assert_eq!(taken.state, BatchState::RolledBack);
    assert_eq!(held(&federation).await, 0);
    assert_eq!(
        node.import_rollback(&reviewer, &batch.id).await.expect_err("twice").code(),
        ErrorCode::Conflict
    );
    let (_, again) =
        node.import_run(&clerk, many(700), ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let again = again.expect("batch");
    assert_eq!(again.records, 700);
    assert!(again.first >= batch.next, "no number is used twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_is_invisible_and_goes_on_where_it_stood() {
    let federation = Federation::new().await;
    let interrupted = {
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        // The operator's connection goes away after the first chunks: the future is dropped in the middle.
        let (seen, mut rows) = tokio::sync::watch::channel(0_u64);
        let progress: chengxin_exchange::import::ProgressSink = Arc::new(move |progress| {
            if progress.phase == chengxin_exchange::import::ImportPhase::Keep {
                let _ = seen.send(progress.rows);
            }
        });
        tokio::select! {
            done = node.import_run(&clerk, many(20_000), ImportOptions::default(), progress) => panic!("too fast: {done:?}"),
            _ = rows.wait_for(|rows| *rows >= 512) => {}
        }
        let batch = node.import_list(&clerk).await.expect("list").remove(0);
        assert_eq!(batch.state, BatchState::Staging);
        assert_eq!(held(&federation).await, 0, "nothing of it is visible");
        let error = node
            .import_run(&clerk, many(1), ImportOptions::default(), Arc::new(|_| {}))
            .await
            .expect_err("open");
        assert_eq!(error.code(), ErrorCode::Conflict);
        batch
    };
    // Restart: what was hidden stays hidden.
    federation.node_drop_idle(MARKET).await;
    federation.node_start(MARKET, false).await;
    assert_eq!(held(&federation).await, 0);
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let other = node
        .import_resume(&clerk, &interrupted.id, many(19_999), ImportOptions::default(), Arc::new(|_| {}))
        .await;
    assert_eq!(other.expect_err("another file").code(), ErrorCode::Conflict);
    let done = node
        .import_resume(&clerk, &interrupted.id, many(20_000), ImportOptions::default(), Arc::new(|_| {}))
        .await
        .expect("resumed");
    assert_eq!((done.state, done.records, done.duplicates), (BatchState::Committed, 20_000, 0));
    let filter = RecordFilter {
        subject: Some(SubjectId::parse(&chengxin_import::generate::organisation_code(19_999)).expect("code")),
        limit: 10,
        ..RecordFilter::default()
    };
    assert_eq!(node.record_list(&clerk, filter).await.expect("list").records.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_year_is_refused_and_stands_in_nobodys_way() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let row = |date: &str| -> Arc<dyn ImportFile> {
        let row =
            format!("示例甲有限公司,{SUBJECT},,,示罚1号,类型,事实,吊销许可证件,,{date},示例市场监督管理局");
        Arc::new(Memory(format!("{HEADER}\n{row}\n").into_bytes()))
    };
    let import = |date: &str| node.import_run(&clerk, row(date), ImportOptions::default(), Arc::new(|_| {}));
    let (examination, batch) = import("2096-05-04").await.expect("examined");
    assert!(batch.is_none());
    let codes: Vec<_> = examination.report.issues().map(|issue| issue.code.as_str()).collect();
    assert_eq!(codes, ["date_in_future"]);
    assert!(import("2026-11-23").await.expect("examined").1.is_none(), "tomorrow");
    assert!(import("2026-11-22").await.expect("import").1.is_some(), "today");
}

/// More in one chunk than the store commits at once, and more in one import than it deletes at once, in a column that no
/// field corresponds to.
#[tokio::test(flavor = "multi_thread")]
async fn rows_with_long_texts_are_imported_and_taken_back_whole() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let reviewer = as_role(&node, Role::Reviewer).await;
    let import = |rows: u64, note: &str| {
        let mut text = format!("{HEADER},经办说明\n");
        for row in 0..rows {
            let code = chengxin_import::generate::organisation_code(row);
            text.push_str(&format!(
                "示例第{row}有限公司,{code},,,示罚{row}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局,{note}\n"
            ));
        }
        let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {}))
    };
    // Control characters alone make a row longer than the store takes, and the examination says so.
    let (examination, batch) = import(1, &"\u{1}".repeat(800_000)).await.expect("examined");
    let errors: Vec<_> =
        examination.report.issues().filter(|issue| issue.severity == IssueSeverity::Error).collect();
    assert_eq!(errors.iter().map(|issue| issue.code.as_str()).collect::<Vec<_>>(), ["control_character"]);
    assert!(batch.is_none());
    for (rows, length) in [(200, 33_000), (70, 340_000)] {
        let (_, batch) = import(rows, &"长".repeat(length)).await.expect("import");
        let batch = batch.expect("batch");
        assert_eq!(batch.records, rows);
        assert_eq!(held(&federation).await, usize::try_from(rows).expect("few"));
        let taken = node.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
        assert_eq!(taken.state, BatchState::RolledBack);
        assert_eq!(held(&federation).await, 0);
    }
    assert_eq!(import(1, "短").await.expect("import").1.expect("batch").records, 1);
}

/// What is being rolled back cannot be resumed, and nobody is told to.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_interrupted_rollback_the_operator_is_told_to_roll_back() {
    let federation = Federation::new().await;
    let batch = federation.penalty_import().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let reviewer = as_role(&node, Role::Reviewer).await;
    federation.hook(MARKET, Some(commits_refuse(b'r')));
    node.import_rollback(&reviewer, &batch.id).await.expect_err("broken off");
    federation.hook(MARKET, None);
    let import = || node.import_run(&clerk, many(1), ImportOptions::default(), Arc::new(|_| {}));
    let said = import().await.expect_err("open").to_string();
    assert!(said.contains("roll it back again") && !said.contains("resume"), "{said}");
    node.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
    assert!(import().await.expect("import").1.is_some());
}
