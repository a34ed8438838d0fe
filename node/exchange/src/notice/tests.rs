//! Issuing to a whole province, and breaking off on the way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chengxin_audit_log::Filter;
use chengxin_policy::Authoriser;
use chengxin_schemas::ErrorCode;
use tokio::task::JoinHandle;

use super::*;
use crate::hooked::{Call, commits_refuse, reads_count};
use crate::outbox::OutboxHead;
use crate::record::RecordFilter;
use crate::support::{FINANCE, Federation, MARKET, agency, as_role, policy_changed, text_replace};

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
    let policy = node.policy();
    let content = node.notice_content(policy.bundle(), &draft, &record, reviewer.now()).expect("lawful");
    Outgoing { content, record, now: reviewer.now(), policy }
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

/// By this the measure is the finance departments' alone, and none of them receives what it rests on.
fn narrower() -> Arc<Authoriser> {
    let files = policy_changed(|texts| {
        let measure = |functions: &str| {
            format!("Restrict participation in government procurement\"\nfunctions = [\"{functions}\"]")
        };
        text_replace(texts, "measures.toml", &measure("*"), &measure("finance"));
        let rules = texts.get_mut("rules.csv").expect("rules");
        rules.push_str("test.no-basis,*,finance,notice-basis,*,*,*,receive-notice,*,deny\n");
    });
    let bundle = Bundle::from_files(files).expect("bundle");
    Arc::new(Authoriser::new(bundle).expect("policy"))
}

/// What adopting a policy does to the node that runs.
async fn policy_exchange(node: Arc<Node>, policy: Arc<Authoriser>) {
    {
        let _receiving = node.receiving.lock().await;
        node.policy.send_replace(policy);
    }
    let _receiving = node.receiving.lock().await;
    node.recognition_refresh().await.expect("decided again");
}

/// Issues a notice, exchanges the policy at the first call for which `is_moment` holds, and gives the notice as it stands
/// after both. The exchange is over before the call is carried out, unless the node keeps it waiting at that moment.
async fn exchanged_at(federation: &Federation, is_moment: fn(&Call<'_>) -> bool) -> NoticeDetail {
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let (begun, waiting) = (AtomicBool::new(false), Arc::new(Mutex::new(None::<JoinHandle<()>>)));
    let (exchanging, new, left) = (node.clone(), narrower(), waiting.clone());
    federation.hook(
        MARKET,
        Some(Arc::new(move |call| {
            if !is_moment(&call) || begun.swap(true, Ordering::SeqCst) {
                return Box::pin(async { true });
            }
            let must_wait = exchanging.receiving.try_lock().is_err();
            let exchange = tokio::spawn(policy_exchange(exchanging.clone(), new.clone()));
            let left = left.clone();
            Box::pin(async move {
                if must_wait {
                    *left.lock().unwrap() = Some(exchange);
                } else {
                    exchange.await.expect("exchanged");
                }
                true
            })
        })),
    );
    let id = send(&node, &reviewer, &province(&node, 70)).await.expect("sent");
    let exchange = waiting.lock().unwrap().take();
    if let Some(exchange) = exchange {
        exchange.await.expect("exchanged");
    }
    federation.hook(MARKET, None);
    node.notice_detail(&id, node.agency()).await.expect("shown")
}

/// The versions named by the entries of a kind, the newest first.
async fn versions_logged(node: &Node, kind: EntryKind) -> Vec<String> {
    let filter = Filter { kinds: vec![kind], ..Filter::default() };
    let found = node.log().search(filter, 10).await.expect("search").entries;
    found.into_iter().filter_map(|entry| entry.leaf.policy).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_takes_effect_while_items_are_sealed_neither_denies_nor_passes_by() {
    let federation = Federation::new().await;
    let before = federation.node(MARKET).policy_version();
    let detail =
        exchanged_at(&federation, |call| matches!(call, Call::Get(key) if key.first() == Some(&b'h'))).await;
    let node = federation.node(MARKET);
    let after = node.policy_version();
    assert_ne!(before, after);
    assert_eq!(detail.recipients.len(), 70, "those who were entitled when it was begun");
    assert_eq!(versions_logged(&node, EntryKind::NoticeIssued).await, [before]);
    // Decided by the policy it was issued by, and again by the one whose pass was over before.
    assert_eq!(detail.own[0].recognition, Recognition::NotApplicable { reason: "function".to_owned() });
    assert_eq!(versions_logged(&node, EntryKind::NoticeApplied).await, [after]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_takes_effect_at_the_commit_of_a_notice_decides_on_it_again() {
    let federation = Federation::new().await;
    let is_commit = |call: &Call<'_>| match call {
        Call::Commit(batch) => batch.operations().iter().any(|one| one.key().first() == Some(&b'n')),
        Call::Get(_) | Call::Scan => false,
    };
    let detail = exchanged_at(&federation, is_commit).await;
    let node = federation.node(MARKET);
    assert_eq!(detail.own[0].recognition, Recognition::NotApplicable { reason: "function".to_owned() });
    assert_eq!(versions_logged(&node, EntryKind::NoticeApplied).await, [node.policy_version()]);
}
