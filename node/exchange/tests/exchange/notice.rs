//! Notices: lawful or refused, delivered once and in order, to everybody entitled, whoever was down.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use chengxin_exchange::notice::{MeasureDraft, NoticeDetail, NoticeDraft, NoticeFilter, NoticePlace};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::receipt::{MeasureDecision, ReceiptOutcome};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};

use crate::hooked::{Call, reads_count};
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, NOW, SUBJECT, agency, as_role};

async fn issue(
    federation: &Federation,
    measure: &str,
) -> Result<NoticeDetail, chengxin_exchange::ExchangeError> {
    federation.notice_issue(MARKET, &[measure]).await
}

async fn restricted(federation: &Federation, code: &str) -> usize {
    let node = federation.node(code);
    let clerk = as_role(&node, Role::Clerk).await;
    node.restriction_list(&clerk, &SubjectId::parse(SUBJECT).expect("code"), None)
        .await
        .expect("list")
        .in_force
        .len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_restricts_everywhere_and_every_recipient_answers() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let detail = issue(&federation, "restrict-government-procurement").await.expect("issued");
    assert_eq!(restricted(&federation, MARKET).await, 1, "the issuer is bound by its own notice");
    assert_eq!(restricted(&federation, FINANCE).await, 0);
    federation.deliver(MARKET).await;
    for code in [FINANCE, LEAGUE] {
        assert_eq!(restricted(&federation, code).await, 1, "{code}");
    }
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let shown = node.notice_show(&reviewer, &detail.summary.content.id, None).await.expect("shown");
    assert_eq!((shown.summary.recipients, shown.summary.receipts), (2, 2));
    for recipient in &shown.recipients {
        let Some(ReceiptOutcome::Processed { measures, .. }) =
            recipient.receipt.as_ref().map(|receipt| &receipt.outcome)
        else {
            panic!("{recipient:?}")
        };
        assert_eq!(measures[0].decision, MeasureDecision::Applied {});
    }
    assert_eq!(node.delivery_owed(), 0);
    // Another notice, and the list reads how far each stream is, and no item.
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    let (hook, reads) = reads_count([b'h', b'o']);
    federation.hook(MARKET, Some(hook));
    let filter = NoticeFilter { limit: 10, ..NoticeFilter::default() };
    let notices = node.notice_list(&reviewer, filter).await.expect("list").notices;
    assert_eq!(notices.iter().map(|one| (one.recipients, one.receipts)).collect::<Vec<_>>(), [(2, 2); 2]);
    assert_eq!(reads.each_ref().map(|count| count.load(Ordering::Relaxed)), [2, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_down_gets_it_when_it_returns_even_over_a_restart_of_the_issuer() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    federation.down(LEAGUE, true);
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    assert_eq!((restricted(&federation, FINANCE).await, restricted(&federation, LEAGUE).await), (1, 0));
    assert_eq!(federation.node(MARKET).delivery_owed(), 1);
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert_eq!(federation.node(MARKET).delivery_owed(), 1, "what is owed survives a restart");
    federation.down(LEAGUE, false);
    federation.deliver(MARKET).await;
    assert_eq!(restricted(&federation, LEAGUE).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_get_the_same_receipt_and_nothing_else_passes() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    let item = federation.last_sent(MARKET, FINANCE);
    let finance = federation.node(FINANCE);
    let first = finance.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    let second = finance.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    assert_eq!(first, second, "a duplicate gets the original receipt");
    assert!(matches!(wire::decode::<PeerResponse>(&first), Ok(PeerResponse::Receipt(_))));
    assert_eq!(restricted(&federation, FINANCE).await, 1);

    let failed = |answer: Bytes| match wire::decode::<PeerResponse>(&answer).expect("answer") {
        PeerResponse::Failed { code, .. } => code,
        other => panic!("{other:?}"),
    };
    let league = federation.node(LEAGUE);
    let answer = league.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    assert_eq!(failed(answer), ErrorCode::Integrity, "forwarded to another recipient");
    let answer = finance.peer_handle(&agency(LEAGUE), wire::decode(&item)).await;
    assert_eq!(failed(answer), ErrorCode::Integrity, "sent by another member");
    let Ok(PeerRequest::Deliver { header, mut sealed }) = wire::decode::<PeerRequest>(&item) else {
        panic!("item")
    };
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    let tampered = wire::encode(&PeerRequest::Deliver { header, sealed }).expect("encoded");
    let answer = finance.peer_handle(&agency(MARKET), wire::decode(&tampered)).await;
    assert_eq!(failed(answer), ErrorCode::Integrity, "another payload under the header");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_lost_its_state_says_so_and_gets_everything_again() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    assert_eq!(restricted(&federation, LEAGUE).await, 1);
    // Its disk is gone; it comes back under its old keys with nothing.
    federation.node_drop(LEAGUE);
    std::fs::remove_dir_all(federation.folder.path().join(LEAGUE)).expect("gone");
    federation.node_start(LEAGUE, true).await;
    assert_eq!(restricted(&federation, LEAGUE).await, 0);
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    // Going back ends an attempt; the next one is due after its wait.
    federation.clocks[&agency(MARKET)].set(NOW.plus(10));
    federation.deliver(MARKET).await;
    assert_eq!(restricted(&federation, LEAGUE).await, 2, "the gap was named and filled in order");
    assert_eq!(federation.node(MARKET).delivery_owed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_law_does_not_allow_is_refused() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let error = issue(&federation, "close-the-firm").await.expect_err("not listed");
    assert_eq!(error.code(), ErrorCode::NotFound);
    let error = issue(&federation, "publish-typical-case").await.expect_err("below the severity floor");
    assert_eq!(error.code(), ErrorCode::Conflict);
    let error = issue(&federation, "restrict-promotion").await.expect_err("strikes persons only");
    assert_eq!(error.code(), ErrorCode::Conflict);
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let draft = NoticeDraft { record: chengxin_schemas::identity::RecordId([1; 16]), measures: Vec::new() };
    assert_eq!(node.notice_issue(&clerk, draft.clone()).await.expect_err("role").code(), ErrorCode::Denied);
    let reviewer = as_role(&node, Role::Reviewer).await;
    assert_eq!(node.notice_issue(&reviewer, draft).await.expect_err("no record").code(), ErrorCode::NotFound);
}

/// Whoever did not get the answer types the command again.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_measure_on_the_same_record_is_taken_once_while_it_is_in_force() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let filter = chengxin_exchange::record::RecordFilter { limit: 10, ..Default::default() };
    let record = node.record_list(&reviewer, filter).await.expect("list").records[0].id;
    let draft = |codes: &[&str], basis: Option<&str>| {
        let measure = |code: &&str| MeasureDraft {
            measure: code.parse().expect("label"),
            legal_basis: basis.map(|basis| basis.parse().expect("basis")),
            from: None,
            until: None,
        };
        NoticeDraft { record, measures: codes.iter().map(measure).collect() }
    };
    const BASIS: &str = "《示例条例》第一条";
    let (one, two) = ("restrict-government-procurement", "restrict-preferential-policy");
    // What would be issued, with whether the basis was read in its source; by somebody who may issue it.
    let preview = node.notice_preview(&reviewer, draft(&[one], None)).await.expect("lawful");
    let measure = &preview.measures[0];
    let bundle = node.policy();
    let ground = bundle
        .bundle()
        .measure(&measure.measure)
        .and_then(|listed| listed.ground(chengxin_policy::SanctionObject::of(&preview.subject)).cloned());
    let ground = ground.expect("listed for companies");
    assert_eq!(Some(&measure.legal_basis), ground.legal_basis.as_ref());
    assert_eq!((measure.basis_verified, preview.recipients), (Some(ground.verified), 2));
    let named = node.notice_preview(&reviewer, draft(&[one], Some(BASIS))).await.expect("lawful");
    assert_eq!(named.measures[0].basis_verified, None, "nobody here read it");
    let clerk = as_role(&node, Role::Clerk).await;
    let denied = node.notice_preview(&clerk, draft(&[one], None)).await.expect_err("a clerk issues none");
    assert_eq!(denied.code(), ErrorCode::Denied);

    let issued = node.notice_issue(&reviewer, draft(&[one], None)).await.expect("issued").summary.content;
    assert_eq!(issued.measures[0].until, measure.until);
    for codes in [&[one][..], &[two, one]] {
        let again =
            node.notice_issue(&reviewer, draft(codes, Some(BASIS))).await.expect_err("in force already");
        assert_eq!(again.code(), ErrorCode::Conflict);
        let said = again.to_string();
        assert!(said.contains(&issued.id.to_string()) && said.contains(one), "{said}");
        node.notice_preview(&reviewer, draft(codes, Some(BASIS))).await.expect_err("nor is it asked about");
    }
    assert_eq!(restricted(&federation, MARKET).await, 1);
    node.notice_issue(&reviewer, draft(&[two], Some(BASIS))).await.expect("another measure");
    assert_eq!(restricted(&federation, MARKET).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_ends_by_itself_on_its_last_day() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, "restrict-government-procurement").await.expect("issued");
    federation.deliver(MARKET).await;
    assert_eq!(restricted(&federation, FINANCE).await, 1);
    // Two years later; a general breach is published for a year at most.
    federation.clocks[&agency(FINANCE)].set(NOW.plus(2 * 366 * 86_400));
    assert_eq!(restricted(&federation, FINANCE).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_notice_rests_on_a_record_that_is_being_taken_back() {
    let federation = Federation::new().await;
    let batch = federation.penalty_import().await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    // The notice stops right before its commit: its record was read, and no notice is there to be seen.
    let (reached, mut stopped) = tokio::sync::watch::channel(false);
    let (open, opened) = tokio::sync::watch::channel(false);
    federation.hook(
        MARKET,
        Some(std::sync::Arc::new(move |call| {
            let is_notice = match call {
                Call::Commit(batch) => {
                    batch.operations().iter().any(|operation| operation.key().first() == Some(&b'n'))
                }
                Call::Get(_) | Call::Scan => false,
            };
            let (reached, mut opened) = (reached.clone(), opened.clone());
            Box::pin(async move {
                if is_notice {
                    reached.send(true).expect("awaited");
                    opened.wait_for(|opened| *opened).await.expect("opened");
                }
                true
            })
        })),
    );
    let mut issued = std::pin::pin!(issue(&federation, "restrict-government-procurement"));
    tokio::select! {
        early = issued.as_mut() => panic!("not stopped: {early:?}"),
        stop = stopped.wait_for(|stopped| *stopped) => { stop.expect("stopped"); }
    }
    // The rollback's first steps run without a pause up to the lock. Without the lock they would reach the look-up of
    // notices, which sees the store as it is at that moment: without the notice.
    let mut taken = std::pin::pin!(node.import_rollback(&reviewer, &batch.id));
    assert!(futures::poll!(taken.as_mut()).is_pending());
    open.send(true).expect("awaited");
    issued.await.expect("issued");
    assert_eq!(taken.await.expect_err("a notice rests on it").code(), ErrorCode::Conflict);
    assert_eq!(restricted(&federation, MARKET).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_be_taken_back_once_the_notices_on_it_are_over() {
    let federation = Federation::new().await;
    let batch = federation.penalty_import().await;
    let until = issue(&federation, "restrict-government-procurement").await.expect("issued").summary.content;
    let until = until.measures[0].until;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let error = node.import_rollback(&reviewer, &batch.id).await.expect_err("in force");
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains(&until.to_string()), "{error}");
    // Two years later; a general breach is published for a year at most.
    federation.clocks[&agency(MARKET)].set(NOW.plus(2 * 366 * 86_400));
    let reviewer = as_role(&node, Role::Reviewer).await;
    node.import_rollback(&reviewer, &batch.id).await.expect("taken back");
    assert_eq!(restricted(&federation, MARKET).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_received_notices_is_not_cut_by_newer_ones_issued_and_pages_reach_every_notice() {
    const PROCUREMENT: &str = "restrict-government-procurement";
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let finance = federation.node(FINANCE);
    let received = issue(&federation, PROCUREMENT).await.expect("issued").summary.content.id;
    federation.deliver(MARKET).await;
    federation.penalty_import_at(FINANCE, SUBJECT).await;
    let reviewer = as_role(&finance, Role::Reviewer).await;
    let own = async |second| {
        federation.clocks[&agency(FINANCE)].set(NOW.plus(second));
        federation.notice_issue(FINANCE, &[PROCUREMENT]).await.expect("issued").summary.content.id
    };
    // Two of them in the same second.
    let issued = [own(1).await, own(2).await, own(2).await];
    let list = |issued_here, behind: Option<NoticePlace>, limit| {
        let (finance, reviewer) = (finance.clone(), reviewer.clone());
        async move {
            let filter = NoticeFilter { issued_here, behind, limit };
            let page = finance.notice_list(&reviewer, filter).await.expect("list");
            let ids: Vec<_> = page.notices.iter().map(|one| one.content.id).collect();
            // As it comes back from a client.
            (ids, page.next.map(|place| NoticePlace::parse(&place.to_string()).expect("place")))
        }
    };
    assert_eq!(list(Some(false), None, 2).await, (vec![received], None));
    assert_eq!(list(Some(true), None, 3).await.1, None, "a page that is just full is the last");
    let (first, next) = list(None, None, 2).await;
    assert!(next.is_some());
    // What is issued between two pages does not shift them.
    own(3).await;
    let (second, end) = list(None, next, 2).await;
    assert_eq!((second.as_slice(), end), ([issued[0], received].as_slice(), None));
    assert!(issued[1..].iter().all(|id| first.contains(id)), "{first:?}");
}
