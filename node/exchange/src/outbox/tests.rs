//! Heads of the first version.

use super::*;
use crate::readable::tests::{LOST, value_lose};
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, agency};

async fn issue(federation: &Federation) {
    federation.notice_issue(MARKET, &["restrict-government-procurement"]).await.expect("issued");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_version_1_goes_on_where_it_stood() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    issue(&federation).await;
    federation.deliver(MARKET).await;
    issue(&federation).await;
    let mut batch = Batch::new();
    let mut heads = Vec::new();
    // To one of them nothing was ever acknowledged.
    for (code, acknowledged) in [(FINANCE, 1), (LEAGUE, 0)] {
        let (_, head) = node.outbox_head(&agency(code)).await.expect("head");
        assert_eq!((head.last, head.acknowledged, head.number), (2, 1, 1));
        let old = OutboxHeadV1 { last: 2, link: Sha256([9; 32]), acknowledged };
        batch.put(keyspace::outbox_head(&agency(code)), old.encode().expect("encodes"));
        heads.push(head);
    }
    node.parts.store.commit(batch).await.expect("committed");
    assert_eq!(node.outbox_head(&agency(FINANCE)).await.expect("head").1, heads[0]);
    let (_, head) = node.outbox_head(&agency(LEAGUE)).await.expect("head");
    assert_eq!(head, OutboxHead { last: 2, ..OutboxHead::default() });
    node.delivery_load().await.expect("loaded");
    federation.deliver(MARKET).await;
    assert_eq!(node.delivery_owed(), 0);
    for code in [FINANCE, LEAGUE] {
        let (_, head) = node.outbox_head(&agency(code)).await.expect("head");
        assert_eq!((head.last, head.acknowledged, head.number), (2, 2, 2));
    }
}

/// One head of version 1 whose link stood in an item that the disk has lost, and one that does not decode.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_read_holds_back_neither_the_start_nor_the_others() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    issue(&federation).await;
    let (lost, broken) = (agency(FINANCE), agency("11152105011615449P"));
    let old = OutboxHeadV1 { last: 2, link: Sha256([9; 32]), acknowledged: 1 };
    let mut batch = Batch::new();
    batch.put(keyspace::outbox_head(&lost), old.encode().expect("encodes"));
    batch.put(keyspace::outbox(&lost, 1), vec![LOST; 4_096]);
    batch.put(keyspace::outbox_head(&broken), vec![OutboxHead::VERSION, 1]);
    node.parts.store.commit(batch).await.expect("committed");
    drop(node);
    federation.node_drop_idle(MARKET).await;
    value_lose(&federation.folder.path().join(MARKET).join("store/values"));

    federation.node_start(MARKET, false).await;
    let node = federation.node(MARKET);
    assert_eq!(node.delivery_owed(), 2, "of both streams whose places can be read");
    federation.deliver(MARKET).await;
    let (_, head) = node.outbox_head(&agency(LEAGUE)).await.expect("head");
    assert_eq!((head.last, head.acknowledged), (1, 1));
    assert!(node.outbox_head(&lost).await.is_err());
    let item = node.readable_value(&keyspace::outbox(&lost, 1)).await.expect("an alarm");
    assert!(item.is_none(), "told as not there");

    // A further notice reaches who can be reached, and the backlog comes back to who was left out.
    assert_eq!(node.backlog_queue().await.expect("a pass"), 0, "everybody has an item");
    issue(&federation).await;
    federation.deliver(MARKET).await;
    let (_, head) = node.outbox_head(&agency(LEAGUE)).await.expect("head");
    assert_eq!((head.last, head.acknowledged), (2, 2));
    let logged = node.log().tree_size();
    for _ in 0..2 {
        assert_eq!(node.backlog_queue().await.expect("a pass"), 0, "it cannot be read");
    }
    assert_eq!(node.log().tree_size(), logged, "nothing was issued");
    let mut batch = Batch::new();
    batch.put(keyspace::outbox_head(&lost), OutboxHead::default().encode().expect("encodes"));
    batch.delete(keyspace::outbox(&lost, 1));
    node.parts.store.commit(batch).await.expect("committed");
    assert_eq!(node.backlog_queue().await.expect("a pass"), 1, "the notice that it was left out of");
    assert_eq!(node.outbox_head(&lost).await.expect("head").1.last, 1);
    assert_eq!(node.backlog_queue().await.expect("a pass"), 0, "once");
}
