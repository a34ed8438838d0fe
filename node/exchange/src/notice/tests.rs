//! Issuing to a whole province, and breaking off on the way.

use std::sync::atomic::Ordering;

use chengxin_schemas::ErrorCode;

use super::*;
use crate::hooked::{commits_refuse, reads_count};
use crate::outbox::OutboxHead;
use crate::record::RecordFilter;
use crate::support::{FINANCE, Federation, MARKET, agency, as_role};

/// Made-up members, all like the finance department.
fn province(node: &Node, members: usize) -> Vec<DirectoryEntry> {
    let directory = node.directory().expect("directory");
    let like = directory.entry(&agency(FINANCE)).expect("member").clone();
    (0..members)
        .map(|number| {
            let stem = format!("11150000T{number:08}");
            let checks = "0123456789ABCDEFGHJKLMNPQRTUWXY".chars();
            let code = checks.map(|check| format!("{stem}{check}")).find_map(|code| code.parse().ok());
            DirectoryEntry { agency: code.expect("one of the check characters fits"), ..like.clone() }
        })
        .collect()
}

async fn outgoing(node: &Node, reviewer: &Operation) -> Outgoing {
    let filter = RecordFilter { limit: 10, ..Default::default() };
    let id = node.record_list(reviewer, filter).await.expect("list").records[0].id;
    let (_, _, record) = node.record_find(&id).await.expect("record");
    let measure = "restrict-government-procurement".parse().expect("label");
    let measure = MeasureDraft { measure, legal_basis: None, from: None, until: None };
    let draft = NoticeDraft { record: id, measures: vec![measure] };
    let content = node.notice_content(&draft, &record, reviewer.now()).expect("lawful");
    Outgoing { content, record, now: reviewer.now() }
}

async fn send(node: &Arc<Node>, reviewer: &Operation, members: &[DirectoryEntry]) -> Result<NoticeId> {
    let outgoing = outgoing(node, reviewer).await;
    let id = outgoing.content.id;
    let guards = (node.issuing.clone().lock_owned().await, node.resting.clone().read_owned().await);
    node.notice_send(reviewer, outgoing, members.to_vec(), guards).await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_province_gets_one_notice() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let entries = node.log().tree_size();
    let error = send(&node, &reviewer, &province(&node, RECIPIENTS_LIMIT + 1)).await.expect_err("too many");
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert_eq!(node.log().tree_size(), entries + 1, "of reading the record; nothing else was announced");

    let id = send(&node, &reviewer, &province(&node, 3_000)).await.expect("sent");
    let detail = node.notice_detail(&id, node.agency()).await.expect("shown");
    assert_eq!(detail.recipients.len(), 3_000);
    assert!(detail.recipients.iter().all(|state| state.place == 1 && state.receipt.is_none()));
    assert_eq!(node.delivery_owed(), 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_breaks_off_before_its_commit_was_not_issued() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let members = province(&node, 70);
    // Everything is staged; the commit that makes it exist fails.
    federation.hook(MARKET, Some(commits_refuse(b'n')));
    send(&node, &reviewer, &members).await.expect_err("broken off");
    federation.hook(MARKET, None);
    for member in &members {
        let (_, head) = node.outbox_head(&member.agency).await.expect("read");
        assert_eq!(head, OutboxHead::default(), "no stream has a new item");
    }
    assert_eq!(node.notice_list(&reviewer, NoticeFilter::default()).await.expect("list").notices.len(), 0);
    // What was staged is in nobody's way.
    let id = send(&node, &reviewer, &members).await.expect("sent");
    for member in &members {
        let (_, row) = node.outbox_row(&member.agency, 1).await.expect("queued");
        assert_eq!(row.notice, id);
    }
}

/// What a page reads of the outgoing streams grows with the members, not with the notices times the members.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_reads_each_streams_head_once_and_no_item_that_is_acknowledged() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let members = province(&node, 40);
    for _ in 0..3 {
        send(&node, &reviewer, &members).await.expect("sent");
    }
    let mut batch = Batch::new();
    for (number, member) in members.iter().enumerate() {
        let (_, head) = node.outbox_head(&member.agency).await.expect("head");
        // One of them has the first item only; one head and one item of another cannot be read.
        let head = OutboxHead { acknowledged: if number == 0 { 1 } else { head.last }, ..head };
        batch.put(keyspace::outbox_head(&member.agency), head.encode().expect("encodes"));
    }
    batch.put(keyspace::outbox_head(&members[1].agency), vec![0]);
    batch.put(keyspace::outbox(&members[1].agency, 2), vec![0]);
    node.parts.store.commit(batch).await.expect("committed");

    let (hook, reads) = reads_count([b'h', b'o']);
    federation.hook(MARKET, Some(hook));
    let filter = NoticeFilter { limit: 10, ..NoticeFilter::default() };
    let page = node.notice_list(&reviewer, filter).await.expect("list");
    federation.hook(MARKET, None);
    assert_eq!(page.notices.iter().map(|notice| notice.recipients).collect::<Vec<_>>(), [40; 3]);
    let mut receipts: Vec<_> = page.notices.iter().map(|notice| notice.receipts).collect();
    receipts.sort_unstable();
    assert_eq!(receipts, [38, 38, 39]);
    let reads = reads.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert_eq!(reads, [40, 5], "heads once each; items of the two streams that say so");
}
