//! Notices whose records, or whose own rows, cannot be read for a while.

use bytes::Bytes;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::operator::Role;

use super::*;
use crate::hooked::commits_refuse;
use crate::notice::{MeasureDraft, NoticeDraft};
use crate::readable::tests::{LOST, value_lose};
use crate::record::RecordFilter;
use crate::record_index::pointer_find;
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, NOW, agency, as_role, seal_recipient, signing};

/// Issues a notice on each record.
async fn issue_each(node: &Arc<Node>, measure: &str) -> Vec<(RecordId, NoticeId)> {
    let reviewer = as_role(node, Role::Reviewer).await;
    let filter = RecordFilter { limit: 10, ..Default::default() };
    let mut issued = Vec::new();
    for record in node.record_list(&reviewer, filter).await.expect("list").records {
        let measure = measure.parse().expect("label");
        let measure = MeasureDraft { measure, legal_basis: None, from: None, until: None };
        let draft = NoticeDraft { record: record.id, measures: vec![measure] };
        let notice = node.notice_issue(&reviewer, draft).await.expect("issued");
        issued.push((record.id, notice.summary.content.id));
    }
    issued
}

async fn record_key(node: &Node, record: &RecordId) -> Vec<u8> {
    let store = node.parts.store.as_ref();
    keyspace::record(pointer_find(store, record).await.expect("read").expect("known").number)
}

async fn value(node: &Node, key: &[u8]) -> Bytes {
    node.parts.store.get(key).await.expect("read").expect("row")
}

async fn value_put(node: &Node, key: &[u8], value: impl Into<Bytes>) {
    let mut batch = Batch::new();
    batch.put(key.to_vec(), value);
    node.parts.store.commit(batch).await.expect("committed");
}

/// A row whose bytes the store gives, and which does not open.
fn closed(row: &Bytes) -> Vec<u8> {
    let mut closed = row.to_vec();
    *closed.last_mut().expect("bytes") ^= 1;
    closed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_holds_back_its_own_notice_and_only_until_it_can() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    federation.penalty_import_at(MARKET, "91150100MA0000015P").await;
    let issued = issue_each(&federation.node(MARKET), "no-inspection-exemption").await;
    assert_eq!(issued.len(), 2);
    for is_lost in [true, false] {
        let market = federation.node(MARKET);
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "nobody is new");
        let key = record_key(&market, &issued[0].0).await;
        let row = value(&market, &key).await;
        value_put(&market, &key, if is_lost { vec![LOST; 4_096] } else { closed(&row) }).await;
        drop(market);
        if is_lost {
            federation.node_drop_idle(MARKET).await;
            value_lose(&federation.folder.path().join(MARKET).join("store/values"));
            federation.node_start(MARKET, false).await;
        }
        // The second time, another member carries the measure out.
        let member = if is_lost { LEAGUE } else { FINANCE };
        federation.entry_update(member, |entry| {
            entry.functions.push("government-services".parse().expect("function"));
        });
        federation.directory_refresh(MARKET).await;
        let market = federation.node(MARKET);
        let served = value(&market, &keyspace::members_served()).await;
        assert_eq!(market.backlog_queue().await.expect("a pass"), 1, "the notice on the other record");
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "once");
        assert_eq!(value(&market, &keyspace::members_served()).await, served, "nobody counts as served");

        value_put(&market, &key, row).await;
        assert_eq!(market.backlog_queue().await.expect("a pass"), 1, "the notice that waited");
        assert_ne!(value(&market, &keyspace::members_served()).await, served);
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_cannot_be_queued_again_holds_back_no_receipt_and_comes_from_the_backlog() {
    for is_record in [true, false] {
        let federation = Federation::new().await;
        federation.penalty_import().await;
        federation.down(LEAGUE, true);
        let market = federation.node(MARKET);
        let issued = issue_each(&market, "restrict-government-procurement").await;
        federation.deliver(MARKET).await;
        // While the item waits, the recipient loses its key and makes another.
        federation.entry_update(LEAGUE, |entry| entry.age_node_recipient = seal_recipient(77));
        federation.directory_refresh(MARKET).await;
        federation.node_drop(LEAGUE);
        federation.node_start_keyed(LEAGUE, false, signing(30), 77).await;
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "nobody has rejected anything");
        let key = match is_record {
            true => record_key(&market, &issued[0].0).await,
            false => keyspace::notice(&issued[0].1, market.agency()),
        };
        let row = value(&market, &key).await;
        value_put(&market, &key, closed(&row)).await;

        federation.down(LEAGUE, false);
        federation.clocks[&agency(MARKET)].set(NOW.plus(10));
        let head = |node: Arc<Node>| async move { node.outbox_head(&agency(LEAGUE)).await.expect("head").1 };
        federation.hook(MARKET, Some(commits_refuse(b'm')));
        federation.deliver(MARKET).await;
        assert_eq!(head(market.clone()).await.acknowledged, 0, "not without what brings the notice back");
        federation.hook(MARKET, None);
        federation.clocks[&agency(MARKET)].set(NOW.plus(60));
        federation.deliver(MARKET).await;
        assert_eq!(market.delivery_owed(), 0, "the rejection is kept");
        let at = head(market.clone()).await;
        assert_eq!((at.last, at.acknowledged), (1, 1));
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "it still cannot be read");

        value_put(&market, &key, row).await;
        assert_eq!(market.backlog_queue().await.expect("a pass"), 1, "sealed to the present key");
        assert_eq!(market.backlog_queue().await.expect("a pass"), 0, "once");
        federation.deliver(MARKET).await;
        let at = head(market.clone()).await;
        assert_eq!((at.last, at.acknowledged), (2, 2));
        let (_, item) = market.outbox_row(&agency(LEAGUE), 2).await.expect("item");
        let text = item.receipt.expect("answered");
        let receipt = UnverifiedJws::parse(&text, RECEIPT_TYP, JWS_LIMIT).expect("receipt");
        let receipt: ReceiptClaims = receipt.claims_unverified().expect("claims");
        assert!(matches!(receipt.outcome, ReceiptOutcome::Processed { .. }), "{receipt:?}");
    }
}
