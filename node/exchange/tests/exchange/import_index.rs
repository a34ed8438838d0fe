//! Records stay findable, and gone ones are gone, whenever an import or a rollback is cut short.

use std::sync::Arc;

use chengxin_audit_log::EntryKind;
use chengxin_audit_log::log::Filter;
use chengxin_exchange::Node;
use chengxin_exchange::import::{BatchState, ImportBatch};
use chengxin_exchange::record::RecordFilter;
use chengxin_import::ImportOptions;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;
use chengxin_store::{KeyRange, SledOptions, SledStore, Store};

use crate::hooked::{Hook, commits_refuse};
use crate::import::{held, many};
use crate::support::{Federation, MARKET, as_role};

const ROWS: u64 = 200;

/// An import whose store fails at what `hook` refuses, and the node started again.
async fn interrupt(federation: &Federation, hook: Hook) -> ImportBatch {
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    federation.hook(MARKET, Some(hook));
    node.import_run(&clerk, many(ROWS), ImportOptions::default(), Arc::new(|_| {}))
        .await
        .expect_err("interrupted");
    let batch = node.import_list(&clerk).await.expect("list").remove(0);
    assert_eq!((batch.state, batch.indexed), (BatchState::Staging, batch.first));
    drop(node);
    restart(federation).await;
    batch
}

async fn restart(federation: &Federation) {
    federation.node_drop_idle(MARKET).await;
    federation.hook(MARKET, None);
    federation.node_start(MARKET, false).await;
}

async fn all_findable(node: &Node) {
    let clerk = as_role(node, Role::Clerk).await;
    let all = RecordFilter { limit: 1_000, ..RecordFilter::default() };
    let records = node.record_list(&clerk, all).await.expect("list").records;
    assert_eq!(records.len() as u64, ROWS);
    for (row, record) in (0..ROWS).rev().zip(&records) {
        assert_eq!(node.record_show(&clerk, &record.id).await.expect("by id").summary.id, record.id);
        let subject = SubjectId::parse(&chengxin_import::generate::organisation_code(row)).expect("code");
        let filter = RecordFilter { subject: Some(subject), limit: 10, ..RecordFilter::default() };
        let found = node.record_list(&clerk, filter).await.expect("by subject").records;
        assert_eq!(found.iter().map(|found| found.id).collect::<Vec<_>>(), [record.id]);
    }
}

/// How many keys of one letter the store holds; takes the node away for good.
async fn keys(federation: &Federation, letter: u8) -> usize {
    let store = federation.folder.path().join(MARKET).join("store");
    let store = SledStore::open(store, SledOptions::default()).expect("store");
    store.scan(KeyRange::prefix(&[letter]), 1_000).await.expect("scan").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_cut_short_while_it_enters_its_records_is_finished() {
    // Before anything is in an index; with one index done and the other not begun.
    for letter in [b'i', b's'] {
        let federation = Federation::new().await;
        let batch = interrupt(&federation, commits_refuse(letter)).await;
        assert_eq!(batch.records, ROWS, "every record was kept");
        assert_eq!(held(&federation).await, 0);
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let done = node
            .import_resume(&clerk, &batch.id, many(ROWS), ImportOptions::default(), Arc::new(|_| {}))
            .await
            .expect("resumed");
        assert_eq!((done.state, done.records, done.indexed), (BatchState::Committed, ROWS, done.next));
        all_findable(&node).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_cut_short_is_taken_back_whatever_the_indexes_hold() {
    let federation = Federation::new().await;
    let batch = interrupt(&federation, commits_refuse(b's')).await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    node.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
    drop(node);
    federation.node_drop_idle(MARKET).await;
    for letter in [b'r', b'i', b's'] {
        assert_eq!(keys(&federation, letter).await, 0, "{}", letter as char);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_cut_short_goes_on_and_is_logged_once() {
    // Before the first index is emptied, between the two, and before the records go.
    for letter in [b'i', b's', b'r'] {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let reviewer = as_role(&node, Role::Reviewer).await;
        let (_, batch) = node
            .import_run(&clerk, many(ROWS), ImportOptions::default(), Arc::new(|_| {}))
            .await
            .expect("import");
        let batch = batch.expect("batch");
        federation.hook(MARKET, Some(commits_refuse(letter)));
        node.import_rollback(&reviewer, &batch.id).await.expect_err("interrupted");
        drop(node);
        restart(&federation).await;
        assert_eq!(held(&federation).await, 0, "hidden from the first write on");
        let node = federation.node(MARKET);
        let done = node.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
        assert_eq!(done.state, BatchState::RolledBack);
        let auditor = as_role(&node, Role::AuditAdministrator).await;
        let filter = Filter { kinds: vec![EntryKind::ImportRolledBack], ..Filter::default() };
        assert_eq!(node.audit_search(&auditor, filter, None, 10).await.expect("search").entries.len(), 1);
        drop(node);
        federation.node_drop_idle(MARKET).await;
        for letter in [b'r', b'i', b's'] {
            assert_eq!(keys(&federation, letter).await, 0, "{}", letter as char);
        }
    }
}
