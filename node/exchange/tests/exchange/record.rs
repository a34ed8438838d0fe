//! Lists of own records: every record once, newest first, however the pages are cut.

use std::sync::Arc;

use chengxin_exchange::import::ImportFile;
use chengxin_exchange::record::RecordFilter;
use chengxin_exchange::{Node, operation::Operation};
use chengxin_import::ImportOptions;
use chengxin_schemas::category::RecordState;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;

use crate::import::many;
use crate::support::{Federation, HEADER, MARKET, Memory, SUBJECT, as_role};

const ROWS: usize = 700;

/// All pages of a list; none but the last may be short.
async fn pages(node: &Arc<Node>, clerk: &Operation, filter: RecordFilter) -> Vec<RecordId> {
    let mut records = Vec::new();
    let mut below = None;
    loop {
        let page = node.record_list(clerk, RecordFilter { below, ..filter.clone() }).await.expect("page");
        records.extend(page.records.iter().map(|record| record.id));
        match page.next {
            Some(next) => {
                assert_eq!(page.records.len(), filter.limit);
                below = Some(next);
            }
            None => return records,
        }
    }
}

/// Penalties of one company.
fn of_one(rows: usize) -> Arc<dyn ImportFile> {
    let mut text = format!("{HEADER}\n");
    for row in 0..rows {
        text.push_str(&format!(
            "示例启明建设工程有限公司,{SUBJECT},,,示独罚{row}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局\n"
        ));
    }
    Arc::new(Memory(text.into_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_length_show_every_record_once() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    for file in [many(ROWS as u64), of_one(ROWS)] {
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    }
    let filter = |limit| RecordFilter { limit, ..RecordFilter::default() };
    let all = pages(&node, &clerk, filter(1_000)).await;
    assert_eq!(all.len(), 2 * ROWS);
    let mut once = all.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), all.len());
    let subject: SubjectId = SubjectId::parse(SUBJECT).expect("code");
    let of_subject =
        |limit| RecordFilter { subject: Some(subject.clone()), limit, ..RecordFilter::default() };
    for limit in [1, 15, 16, 255, 256, 350, 699, 700, 701] {
        if limit > 1 {
            assert_eq!(pages(&node, &clerk, filter(limit)).await, all, "{limit}");
        }
        assert_eq!(pages(&node, &clerk, of_subject(limit)).await, all[..ROWS], "{limit}");
    }
    // The newest come first, and a state that no record is in finds nothing without reading for ever.
    let effective = RecordFilter { state: Some(RecordState::Effective), ..filter(100) };
    assert_eq!(pages(&node, &clerk, effective).await, all);
    let repaired = RecordFilter { state: Some(RecordState::Repaired), ..filter(100) };
    assert!(pages(&node, &clerk, repaired).await.is_empty());
}
