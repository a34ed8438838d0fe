//! Streams of notices when members lie, lose things, rotate keys, or come later.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_audit_log::log::Filter;
use chengxin_audit_log::{Leaf, Outcome};
use chengxin_exchange::budget::REWINDS_PER_DAY;
use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::notice::NoticeDetail;
use chengxin_exchange::recognition::Recognition;
use chengxin_exchange::schedule::AttemptOutcome;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::certificate::{CERTIFICATE_LIMIT, CERTIFICATE_TYP, CertificateClaims};
use chengxin_schemas::delivery::{ITEM_TYP, ItemClaims, SEALED_LIMIT, SealedNotice};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::TimedKey;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::notice::{NOTICE_TYP, NoticeClaims, NoticeContent};
use chengxin_schemas::operator::Role;
use chengxin_schemas::receipt::{MeasureDecision, RECEIPT_TYP, ReceiptClaims, ReceiptOutcome};
use chengxin_schemas::seal::{open, seal};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::Clock as _;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};

use crate::hooked::Call;
use crate::journal::Journal;
use crate::support::{
    FINANCE, Federation, LEAGUE, MARKET, NOW, SUBJECT, agency, as_role, seal_identity, seal_recipient,
    signing,
};

const PROCUREMENT: &str = "restrict-government-procurement";
/// Carried out by market regulators and government services only.
const INSPECTION: &str = "no-inspection-exemption";
const OTHER_SUBJECT: &str = "91320100748204660Q";

async fn issue(federation: &Federation, code: &str, measures: &[&str]) -> NoticeDetail {
    federation.notice_issue(code, measures).await.expect("issued")
}

async fn applied(federation: &Federation, code: &str) -> usize {
    let node = federation.node(code);
    let clerk = as_role(&node, Role::Clerk).await;
    let held =
        node.restriction_list(&clerk, &SubjectId::parse(SUBJECT).expect("code"), None).await.expect("list");
    held.in_force.iter().filter(|held| held.applied_here).count()
}

fn claims(header: &str) -> ItemClaims {
    UnverifiedJws::parse(header, ITEM_TYP, JWS_LIMIT).expect("header").claims_unverified().expect("claims")
}

/// An item of an issuer whose keys count from `keys`, for the finance department, made of one it really sent: another
/// content, in the place after `after`.
fn forged(
    item: &Bytes,
    keys: u8,
    after: Option<&ItemClaims>,
    change: impl FnOnce(&mut NoticeContent),
) -> Bytes {
    let Ok(PeerRequest::Deliver { header, sealed }) = wire::decode(item) else { panic!("item") };
    let plain = open(&sealed, &seal_identity(11), SEALED_LIMIT).expect("opens");
    let mut inner: SealedNotice = wire::decode(&plain).expect("inner");
    let mut notice: NoticeClaims = UnverifiedJws::parse(&inner.notice, NOTICE_TYP, SEALED_LIMIT)
        .expect("notice")
        .claims_unverified()
        .expect("claims");
    change(&mut notice.notice);
    notice.content = notice.notice.digest();
    inner.notice = jws_sign(NOTICE_TYP, &notice, &signing(keys)).expect("signed");
    let keys_of_finance = [seal_identity(11).to_recipient(), seal_identity(12).to_recipient()];
    let sealed = seal(&wire::encode(&inner).expect("encoded"), &keys_of_finance).expect("sealed");
    let mut item = claims(&header);
    item.sequence = after.map_or(1, |after| after.sequence + 1);
    item.previous = after.map_or(Sha256([0; 32]), ItemClaims::link);
    item.sealed = Sha256::of(&sealed);
    let header = jws_sign(ITEM_TYP, &item, &signing(keys)).expect("signed");
    wire::encode(&PeerRequest::Deliver { header, sealed }).expect("encoded").into()
}

fn outcome(answer: &Bytes) -> ReceiptOutcome {
    let Ok(PeerResponse::Receipt(receipt)) = wire::decode(answer) else { panic!("no receipt: {answer:?}") };
    let receipt = UnverifiedJws::parse(&receipt, RECEIPT_TYP, JWS_LIMIT).expect("receipt");
    receipt.claims_unverified::<ReceiptClaims>().expect("claims").outcome
}

fn decisions(outcome: ReceiptOutcome) -> Vec<MeasureDecision> {
    let ReceiptOutcome::Processed { measures, .. } = outcome else { panic!("{outcome:?}") };
    measures.into_iter().map(|measure| measure.decision).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_member_can_take_the_number_of_anothers_notice() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    federation.penalty_import_at(LEAGUE, SUBJECT).await;
    federation.down(FINANCE, true);
    let notice = issue(&federation, MARKET, &[PROCUREMENT]).await.summary.content.id;
    federation.deliver(MARKET).await;
    // The league knows the number and is the first to use it at the finance department and at the issuer itself.
    issue(&federation, LEAGUE, &[PROCUREMENT]).await;
    federation.down(FINANCE, false);
    federation.deliver(LEAGUE).await;
    let real = federation.last_sent(LEAGUE, FINANCE);
    let Ok(PeerRequest::Deliver { header, .. }) = wire::decode(&real) else { panic!("item") };
    let item = forged(&real, 30, Some(&claims(&header)), |content| content.id = notice);
    let finance = federation.node(FINANCE);
    let answer = finance.peer_handle(&agency(LEAGUE), wire::decode(&item)).await;
    assert_eq!(
        decisions(outcome(&answer)),
        [MeasureDecision::Applied {}],
        "its own notice, under its own name"
    );
    assert_eq!(applied(&federation, FINANCE).await, 2);

    federation.clocks[&agency(MARKET)].set(NOW.plus(10));
    federation.deliver(MARKET).await;
    assert_eq!(federation.node(MARKET).delivery_owed(), 0);
    assert_eq!(applied(&federation, FINANCE).await, 3, "the issuer's notice counts all the same");
    let clerk = as_role(&finance, Role::Clerk).await;
    let error = finance.notice_show(&clerk, &notice, None).await.expect_err("two of this number");
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(error.to_string().contains(MARKET) && error.to_string().contains(LEAGUE), "{error}");
    for issuer in [MARKET, LEAGUE] {
        let shown = finance.notice_show(&clerk, &notice, Some(&agency(issuer))).await.expect("shown");
        assert_eq!((shown.summary.issuer, shown.own.len()), (agency(issuer), 1));
    }
    let market = federation.node(MARKET);
    let clerk = as_role(&market, Role::Clerk).await;
    assert!(market.notice_show(&clerk, &notice, None).await.expect("own").summary.issued_here);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_stays_with_its_subject_and_record() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let first = issue(&federation, MARKET, &[PROCUREMENT]).await.summary.content;
    federation.penalty_import_at(MARKET, OTHER_SUBJECT).await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    let item = federation.last_sent(MARKET, FINANCE);
    let Ok(PeerRequest::Deliver { header, .. }) = wire::decode(&item) else { panic!("item") };
    let item = forged(&item, 20, Some(&claims(&header)), |content| {
        assert_ne!(content.subject, first.subject, "the notice about the other company");
        content.id = first.id;
        content.version = 2;
    });
    let finance = federation.node(FINANCE);
    let answer = finance.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    let ReceiptOutcome::Rejected { reason } = outcome(&answer) else { panic!("{answer:?}") };
    assert!(reason.contains("another subject or record"), "{reason}");
    assert_eq!(applied(&federation, FINANCE).await, 1, "the first version stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declined_is_not_called_inapplicable() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT, INSPECTION]).await;
    federation.deliver(MARKET).await;
    let item = federation.last_sent(MARKET, FINANCE);
    let finance = federation.node(FINANCE);
    let answer = finance.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    let lawful = MeasureDecision::NotApplicable { reason: "function".to_owned() };
    assert_eq!(decisions(outcome(&answer)), [MeasureDecision::Applied {}, lawful]);
    let Ok(PeerRequest::Deliver { header, .. }) = wire::decode(&item) else { panic!("item") };
    let item = forged(&item, 20, Some(&claims(&header)), |content| {
        content.version = 2;
        content.measures[0].measure = "close-the-firm".parse().expect("label");
    });
    let answer = finance.peer_handle(&agency(MARKET), wire::decode(&item)).await;
    let declined = MeasureDecision::Declined { reason: "unknown-measure".to_owned() };
    assert_eq!(decisions(outcome(&answer))[0], declined);
    // It is no restriction, neither in a list nor signed in a certificate; the notice still shows what became of it.
    let clerk = as_role(&finance, Role::Clerk).await;
    let subject = SubjectId::parse(SUBJECT).expect("code");
    let held = finance.restriction_list(&clerk, &subject, None).await.expect("list");
    let measures: Vec<_> = held.in_force.iter().map(|held| held.measure.to_string()).collect();
    assert_eq!((measures, held.complete), (vec![INSPECTION.to_owned()], true));
    let wanted = CheckRequest {
        subject,
        check_exception: None,
        subject_name: None,
        purpose: "government-procurement".parse().expect("purpose"),
        case_reference: "CG-2026-031".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    };
    let result = finance.check_run(&clerk, wanted).await.expect("check");
    let certificate = finance.certificate_issue(&clerk, &result).await.expect("issued");
    let claims: CertificateClaims =
        UnverifiedJws::parse(&certificate.certificate, CERTIFICATE_TYP, CERTIFICATE_LIMIT)
            .expect("certificate")
            .claims_unverified()
            .expect("claims");
    let measures: Vec<_> = claims.restrictions.iter().map(|held| held.measure.to_string()).collect();
    assert_eq!(measures, [INSPECTION]);
    let id = held.in_force[0].notice;
    let shown = finance.notice_show(&clerk, &id, None).await.expect("shown");
    assert!(matches!(shown.own[0].recognition, Recognition::Declined { .. }), "{:?}", shown.own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_other_functions_decides_again_when_it_starts() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT, INSPECTION]).await;
    federation.deliver(MARKET).await;
    assert_eq!(applied(&federation, FINANCE).await, 1);
    federation.entry_update(FINANCE, |entry| {
        entry.functions.push("government-services".parse().expect("function"))
    });
    federation.node_drop(FINANCE);
    federation.node_start(FINANCE, false).await;
    assert_eq!(applied(&federation, FINANCE).await, 2);
    let entries = federation.node(FINANCE).log().tree_size();
    federation.node_drop(FINANCE);
    federation.node_start(FINANCE, false).await;
    assert_eq!(federation.node(FINANCE).log().tree_size(), entries, "nothing is decided twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_delivered_even_if_its_issuer_went_away_while_it_was_written() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let (reached, mut stopped) = tokio::sync::watch::channel(false);
    let (let_go, opened) = tokio::sync::watch::channel(false);
    federation.hook(
        MARKET,
        Some(Arc::new(move |call| {
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
    {
        let mut issued = std::pin::pin!(issue(&federation, MARKET, &[PROCUREMENT]));
        tokio::select! {
            early = issued.as_mut() => panic!("not stopped: {early:?}"),
            stop = stopped.wait_for(|stopped| *stopped) => { stop.expect("stopped"); }
        }
    }
    let market = federation.node(MARKET);
    assert_eq!(market.delivery_owed(), 0);
    let_go.send(true).expect("awaited");
    while market.delivery_owed() < 2 {
        tokio::task::yield_now().await;
    }
    federation.deliver(MARKET).await;
    assert_eq!((applied(&federation, FINANCE).await, applied(&federation, LEAGUE).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_goes_back_and_forth_does_not_keep_the_issuer_writing() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.lie(
        LEAGUE,
        Some(Arc::new(|request, answer| match wire::decode(&request) {
            Ok(PeerRequest::Deliver { header, .. }) if claims(&header).sequence > 1 => {
                wire::encode(&PeerResponse::Gap { have: 0 }).expect("encoded").into()
            }
            _ => answer,
        })),
    );
    let market = federation.node(MARKET);
    let mut sizes = Vec::new();
    for round in 0..12 {
        federation.clocks[&agency(MARKET)].set(NOW.plus(round * 1_000));
        federation.deliver(MARKET).await;
        sizes.push(market.log().tree_size());
    }
    let rewinds = usize::try_from(REWINDS_PER_DAY).expect("few");
    assert!(sizes[..rewinds].is_sorted_by(|one, two| one < two), "going back is logged: {sizes:?}");
    assert!(sizes[rewinds..].iter().all(|size| *size == sizes[rewinds - 1]), "and limited: {sizes:?}");
    assert_eq!(applied(&federation, FINANCE).await, 2, "nobody else waits for it");
    // The next day it behaves.
    federation.lie(LEAGUE, None);
    federation.clocks[&agency(MARKET)].set(NOW.plus(86_400));
    federation.deliver(MARKET).await;
    assert_eq!((applied(&federation, LEAGUE).await, market.delivery_owed()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_panics_is_made_again() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.lie(LEAGUE, Some(Arc::new(|_, _| panic!("a fault in the way to a recipient"))));
    let market = federation.node(MARKET);
    for recipient in market.delivery_due() {
        let market = market.clone();
        let ended = tokio::spawn(async move { market.delivery_attempt(&recipient).await }).await;
        assert_eq!(ended.is_err(), recipient == agency(LEAGUE));
    }
    assert!(market.delivery_due().is_empty(), "not before its wait is over");
    federation.lie(LEAGUE, None);
    federation.clocks[&agency(MARKET)].set(NOW.plus(10));
    assert_eq!(market.delivery_due(), [agency(LEAGUE)]);
    assert_eq!(market.delivery_attempt(&agency(LEAGUE)).await, AttemptOutcome::NothingOwed);
    assert_eq!(applied(&federation, LEAGUE).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_outlives_the_keys_it_was_signed_with() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    federation.down(LEAGUE, true);
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    // Both rotate their signing keys; a day later the former ones are not valid any more.
    for (code, number, new) in [(MARKET, 20, 25), (LEAGUE, 30, 35)] {
        federation.entry_update(code, |entry| {
            entry.signing_keys[0].not_after = Some(NOW.plus(100));
            let (jwk, not_before) = (*signing(new).public(), NOW.plus(50));
            entry.signing_keys.push(TimedKey { jwk, not_before, not_after: None });
        });
        federation.node_drop(code);
        federation.node_start_keyed(code, false, signing(new), number + 1).await;
    }
    federation.directory_refresh(MARKET).await;
    federation.clocks.values().for_each(|clock| clock.set(NOW.plus(86_000)));
    federation.down(LEAGUE, false);
    federation.deliver(MARKET).await;
    assert_eq!((applied(&federation, LEAGUE).await, federation.node(MARKET).delivery_owed()), (2, 0));
    // It says it lost everything, and when the first item comes again, answers with the receipt of its former key.
    let gap =
        |_: Bytes, _: Bytes| Bytes::from(wire::encode(&PeerResponse::Gap { have: 0 }).expect("encoded"));
    federation.lie(LEAGUE, Some(Arc::new(gap)));
    federation.node(MARKET).delivery_load().await.expect("loaded");
    federation.node(MARKET).delivery_contact(&agency(LEAGUE));
    federation.deliver(MARKET).await;
    assert_eq!(federation.node(MARKET).delivery_owed(), 1);
    federation.lie(LEAGUE, None);
    federation.clocks[&agency(MARKET)].set(NOW.plus(86_100));
    federation.deliver(MARKET).await;
    assert_eq!(federation.node(MARKET).delivery_owed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_to_a_former_key_is_sealed_again() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    federation.down(LEAGUE, true);
    let notice = issue(&federation, MARKET, &[PROCUREMENT]).await.summary.content.id;
    federation.deliver(MARKET).await;
    // While the item waits, the recipient loses its key and makes another.
    federation.entry_update(LEAGUE, |entry| entry.age_node_recipient = seal_recipient(77));
    federation.directory_refresh(MARKET).await;
    federation.node_drop(LEAGUE);
    federation.node_start_keyed(LEAGUE, false, signing(30), 77).await;
    federation.down(LEAGUE, false);
    federation.clocks[&agency(MARKET)].set(NOW.plus(10));
    federation.deliver(MARKET).await;
    assert_eq!(applied(&federation, LEAGUE).await, 1);
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let shown = market.notice_show(&reviewer, &notice, None).await.expect("shown");
    let league = shown.recipients.iter().find(|state| state.agency == agency(LEAGUE)).expect("recipient");
    assert_eq!(league.place, 2, "a new item after the one that could not be opened");
    let receipt = league.receipt.as_ref().expect("answered");
    assert!(matches!(receipt.outcome, ReceiptOutcome::Processed { .. }), "{receipt:?}");
    assert_eq!(market.delivery_owed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_becomes_entitled_later_gets_what_is_in_force() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let market = federation.node(MARKET);
    let issued = issue(&federation, MARKET, &[INSPECTION]).await;
    assert_eq!(issued.recipients.len(), 0, "nobody else carries it out");
    assert_eq!(market.backlog_queue().await.expect("looked"), 0);
    federation
        .entry_update(LEAGUE, |entry| entry.functions.push("government-services".parse().expect("function")));
    for code in [MARKET, LEAGUE] {
        federation.directory_refresh(code).await;
    }
    assert_eq!(market.backlog_queue().await.expect("queued"), 1);
    assert_eq!(market.backlog_queue().await.expect("looked"), 0, "once");
    federation.deliver(MARKET).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_noticed_although_nothing_new_is_sent() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    federation.node_drop(LEAGUE);
    std::fs::remove_dir_all(federation.folder.path().join(LEAGUE)).expect("gone");
    federation.node_start(LEAGUE, true).await;
    let market = federation.node(MARKET);
    market.delivery_load().await.expect("loaded");
    assert_eq!(market.delivery_owed(), 0, "as far as is known");
    // It greets; the answer to the comparison is that it has nothing.
    market.peer_handle(&agency(LEAGUE), Ok(PeerRequest::Versions)).await;
    federation.deliver(MARKET).await;
    federation.clocks[&agency(MARKET)].set(NOW.plus(10));
    federation.deliver(MARKET).await;
    assert_eq!((applied(&federation, LEAGUE).await, market.delivery_owed()), (2, 0));
}

/// Copies the files of a node that is not open.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("type").is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

/// A backup of a node's files.
async fn backup(federation: &Federation, code: &str) -> tempfile::TempDir {
    federation.node_drop_idle(code).await;
    let backup = tempfile::tempdir().expect("folder");
    copy(&federation.folder.path().join(code), backup.path());
    federation.node_start(code, false).await;
    backup
}

/// Puts a backup in the place of a node's files.
async fn restore(federation: &Federation, code: &str, backup: &tempfile::TempDir) {
    federation.node_drop_idle(code).await;
    let home = federation.folder.path().join(code);
    std::fs::remove_dir_all(&home).expect("gone");
    copy(backup.path(), &home);
    federation.node_start(code, false).await;
}

/// Delivers until nothing is owed, with time for so many waits after failures.
async fn deliver_patiently(federation: &Federation, code: &str, waits: i64) {
    for _ in 0..=waits {
        federation.deliver(code).await;
        federation.clocks.values().for_each(|clock| clock.set(clock.now().plus(10)));
    }
    assert_eq!(federation.node(code).delivery_owed(), 0);
}

/// Entries about streams that did not fit.
async fn alarms(federation: &Federation, code: &str) -> usize {
    let entries = federation.node(code).log().search(Filter::default(), 100).await.expect("search").entries;
    let failed = |leaf: &Leaf| leaf.outcome == Outcome::Failed(ErrorCode::Integrity);
    entries.iter().filter(|entry| failed(&entry.leaf)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_restored_from_a_backup_goes_on_behind_what_it_sent_since() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    federation.down(LEAGUE, true);
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    let of_market = backup(&federation, MARKET).await;
    federation.down(LEAGUE, false);
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    deliver_patiently(&federation, MARKET, 1).await;
    let of_league = backup(&federation, LEAGUE).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (3, 3));

    restore(&federation, MARKET, &of_market).await;
    let issued = issue(&federation, MARKET, &[PROCUREMENT]).await.summary.content.id;
    deliver_patiently(&federation, MARKET, 2).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (4, 4));
    assert_eq!(alarms(&federation, MARKET).await, 2, "one for each recipient");
    assert_eq!(alarms(&federation, LEAGUE).await, 1, "it saw another stream than before");
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let shown = market.notice_show(&reviewer, &issued, None).await.expect("shown");
    assert_eq!((shown.summary.recipients, shown.summary.receipts), (2, 2));
    drop((market, reviewer));

    // The recipient goes back to where it had the item that the issuer does not know, and nothing behind it.
    restore(&federation, LEAGUE, &of_league).await;
    assert_eq!(applied(&federation, LEAGUE).await, 3);
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    deliver_patiently(&federation, MARKET, 3).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (5, 5));

    // It loses everything. Only what the issuer does not know is lost with it.
    federation.node_drop_idle(LEAGUE).await;
    std::fs::remove_dir_all(federation.folder.path().join(LEAGUE)).expect("gone");
    federation.node_start(LEAGUE, true).await;
    federation.clocks.values().for_each(|clock| clock.set(NOW.plus(86_400)));
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    deliver_patiently(&federation, MARKET, 2).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (5, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_that_lies_about_what_it_has_loses_nothing_and_stops_nobody() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    issue(&federation, MARKET, &[PROCUREMENT]).await;
    federation.deliver(MARKET).await;
    let market = federation.node(MARKET);
    let clocks_set = |time| federation.clocks.values().for_each(|clock| clock.set(time));
    let entries = market.log().tree_size();
    for (hour, have) in [u64::MAX, u64::MAX - 1, 1 << 62, 0].into_iter().enumerate() {
        let elsewhere = PeerResponse::Diverged { have, link: Sha256([7; 32]) };
        let elsewhere = Bytes::from(wire::encode(&elsewhere).expect("encoded"));
        federation.lie(LEAGUE, Some(Arc::new(move |_, _| elsewhere.clone())));
        for round in 0..4 {
            clocks_set(NOW.plus(i64::try_from(hour).expect("few") * 3_600 + round * 900));
            federation.deliver(MARKET).await;
            issue(&federation, MARKET, &[PROCUREMENT]).await;
        }
    }
    // Of each notice its issuing, two readings of the list, the import of the record that it rests on, and the receipt of
    // the one who does not lie.
    let written = market.log().tree_size() - entries;
    assert!((80..=80 + REWINDS_PER_DAY).contains(&written), "limited: {written}");
    federation.lie(LEAGUE, None);
    clocks_set(NOW.plus(86_400));
    deliver_patiently(&federation, MARKET, 3).await;
    assert_eq!((applied(&federation, LEAGUE).await, applied(&federation, FINANCE).await), (17, 17));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_recipient_stay_out_of_the_running_log_and_its_messages_do_not_hasten_it() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let words = format!("about {SUBJECT}");
    let refusal = PeerResponse::Failed { code: ErrorCode::Busy, reason: words.clone() };
    let refusal = Bytes::from(wire::encode(&refusal).expect("encoded"));
    federation.lie(LEAGUE, Some(Arc::new(move |_, _| refusal.clone())));
    federation.refuse(FINANCE, Some(&words));
    let journal = Journal::default();
    {
        let _journal = tracing::subscriber::set_default(journal.clone());
        issue(&federation, MARKET, &[PROCUREMENT]).await;
        federation.deliver(MARKET).await;
    }
    let text = journal.text();
    assert_eq!(text.matches("an item was not taken").count(), 2, "{text}");
    assert!(text.contains(LEAGUE) && text.contains("busy") && !text.contains(SUBJECT), "{text}");
    let market = federation.node(MARKET);
    market.peer_handle(&agency(LEAGUE), Ok(PeerRequest::Versions)).await;
    market.peer_handle(&agency(FINANCE), Ok(PeerRequest::Versions)).await;
    assert_eq!((market.delivery_due().len(), market.delivery_owed()), (0, 2));
}
