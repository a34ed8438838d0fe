//! Codes and words of reasons, and homes of the first version.

use chengxin_schemas::operator::Role;

use super::*;
use crate::notice::{MeasureDraft, NoticeDraft, NoticeFilter};
use crate::readable::tests::{LOST, value_lose};
use crate::record::RecordFilter;
use crate::row_v1::RestrictionMeasureV1;
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, SUBJECT, as_role};

#[test]
fn every_reason_has_a_code_of_its_own_and_words() {
    let codes: Vec<_> = NotApplicableReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .chain(DeclineReason::ALL.iter().map(|reason| reason.as_str()))
        .collect();
    for (index, code) in codes.iter().enumerate() {
        assert!(reason_words(code).is_some(), "{code}");
        assert!(!codes[index + 1..].contains(code), "{code}");
    }
    assert_eq!(reason_words("of-a-newer-program"), None);
}

#[test]
fn the_words_that_version_1_kept_become_codes() {
    assert_eq!(Recognition::from_v1(true, None), Recognition::Applied);
    let declined = Recognition::from_v1(false, Some(DeclineReason::Severity.chinese()));
    assert_eq!(declined, Recognition::Declined { reason: "severity".to_owned() });
    let other = Recognition::from_v1(false, Some(NotApplicableReason::Function.chinese()));
    assert_eq!(other, Recognition::NotApplicable { reason: "function".to_owned() });
}

/// Puts notices and restrictions back into the form that the first version wrote.
async fn rows_age(node: &Node) {
    let (store, data) = (&node.parts.store, &node.parts.keys.data);
    let mut batch = Batch::new();
    let page = store.scan(KeyRange::prefix(&keyspace::notices()), 10).await.expect("page");
    for (key, bytes) in page {
        let row = NoticeRow::open(&bytes, &key, data).expect("row");
        let old = keyspace::notices_of_id(&row.content.id);
        batch.delete(key);
        batch.put(old.clone(), row.seal(&old, data, node.row_nonce()).expect("sealed"));
    }
    let page = store.scan(KeyRange::prefix(&keyspace::restrictions()), 10).await.expect("page");
    for (key, bytes) in page {
        let row = RestrictionRow::open(&bytes, &key, data).expect("row");
        let old = [keyspace::restrictions_of_subject(&node.subject_key(&row.subject)), row.notice.0.to_vec()]
            .concat();
        let measure = |new: RestrictionMeasure| RestrictionMeasureV1 {
            measure: new.measure,
            legal_basis: new.legal_basis,
            from: new.from,
            until: new.until,
            applied: new.recognition.is_applied(),
            reason: new.recognition.reason().map(|code| reason_words(code).expect("known").0.to_owned()),
        };
        let row = RestrictionRowV1 {
            subject: row.subject,
            issuer: row.issuer,
            issuer_name: row.issuer_name,
            notice: row.notice,
            version: row.version,
            state: row.state,
            record: row.record,
            severity: row.severity,
            measures: row.measures.into_iter().map(measure).collect(),
        };
        batch.delete(key);
        batch.put(old.clone(), row.seal(&old, data, node.row_nonce()).expect("sealed"));
    }
    batch.delete(keyspace::recognition_basis());
    store.commit(batch).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_of_the_first_version_is_brought_into_the_present_form() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let filter = RecordFilter { limit: 10, ..Default::default() };
    let record = market.record_list(&reviewer, filter).await.expect("list").records[0].id;
    let measure = |code: &str| MeasureDraft {
        measure: code.parse().expect("label"),
        legal_basis: None,
        from: None,
        until: None,
    };
    let measures = vec![measure("restrict-government-procurement"), measure("no-inspection-exemption")];
    let issued = market.notice_issue(&reviewer, NoticeDraft { record, measures }).await.expect("issued");
    let notice = issued.summary.content.id;
    federation.deliver(MARKET).await;
    let entries = federation.node(FINANCE).log().tree_size();
    rows_age(&federation.node(FINANCE)).await;
    federation.node_drop(FINANCE);
    federation.node_start(FINANCE, false).await;

    let finance = federation.node(FINANCE);
    assert_eq!(finance.log().tree_size(), entries, "no decision changed");
    let clerk = as_role(&finance, Role::Clerk).await;
    let shown = finance.notice_show(&clerk, &notice, None).await.expect("shown");
    let inapplicable = Recognition::NotApplicable { reason: "function".to_owned() };
    let decided: Vec<_> = shown.own.into_iter().map(|own| own.recognition).collect();
    assert_eq!(decided, [Recognition::Applied, inapplicable]);
    let subject = SubjectId::parse(SUBJECT).expect("code");
    assert_eq!(
        finance.restriction_list(&clerk, &subject, None).await.expect("list").in_force.len(),
        2,
        "each measure once"
    );
    assert_eq!(
        finance
            .notice_list(&clerk, NoticeFilter { limit: 10, ..Default::default() })
            .await
            .expect("list")
            .notices
            .len(),
        1,
        "once"
    );
}

/// A home of version 2 kept what binds an organisation under its unified code itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_restriction_of_the_second_version_is_moved_under_the_organisation_code() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    for measure in ["restrict-government-procurement", "no-inspection-exemption"] {
        federation.notice_issue(MARKET, &[measure]).await.expect("issued");
    }
    let code = SubjectId::parse(SUBJECT).expect("code");
    let inner = code.organisation_code().expect("within");
    let (store, data) = (&market.parts.store, &market.parts.keys.data);
    let damage = async |damaged: bool| {
        let mut batch = Batch::new();
        let page = store.scan(KeyRange::prefix(&keyspace::restrictions()), 10).await.expect("page");
        assert_eq!(page.len(), 2);
        for (number, (key, bytes)) in page.into_iter().enumerate() {
            // One that was left behind stands in the former form already.
            let Ok(row) = RestrictionRow::open(&bytes, &key, data) else { continue };
            let former = keyspace::restriction(&market.subject_key(&code), &row.notice, &row.issuer);
            let mut sealed = RestrictionRowV2(row).seal(&former, data, market.row_nonce()).expect("sealed");
            if damaged && number == 0 {
                *sealed.last_mut().expect("bytes") ^= 1;
            }
            batch.delete(key);
            batch.put(former, sealed);
        }
        let basis = RecognitionBasis { policy: "baseline-1".to_owned(), functions: None };
        let mut version_1 = basis.encode().expect("encoded");
        version_1[0] = 1;
        batch.put(keyspace::recognition_basis(), version_1);
        store.commit(batch).await.expect("committed");
        market.passed_over.lock().expect("unpoisoned").take();
        market.recognition_refresh().await.expect("refreshed");
    };
    damage(false).await;
    for subject in [&code, &inner] {
        let list = market.restriction_list(&reviewer, subject, None).await.expect("list");
        assert_eq!((list.in_force.len(), list.complete), (2, true));
    }
    let held = store.get(&keyspace::recognition_basis()).await.expect("read").expect("basis");
    assert_eq!(held.first(), Some(&RecognitionBasis::VERSION), "once");
    // One that cannot be read stays where it was, and is met there: nobody reads that there is one restriction.
    damage(true).await;
    assert!(market.restriction_list(&reviewer, &code, None).await.is_err());
    let repeated = federation.notice_issue(MARKET, &["restrict-government-procurement"]).await;
    assert!(repeated.is_err(), "nor is the measure taken again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_that_cannot_be_read_holds_back_neither_the_start_nor_new_members() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let market = federation.node(MARKET);
    let issue = async || {
        let issued = federation.notice_issue(MARKET, &["no-inspection-exemption"]).await;
        issued.expect("issued").summary.content.id
    };
    let damaged = issue().await;
    issue().await;
    assert_eq!(market.backlog_queue().await.expect("queued"), 0, "nobody else carries it out");
    let (store, data) = (&market.parts.store, &market.parts.keys.data);
    let notice = keyspace::notice(&damaged, market.agency());
    let subject = market.index_key(&SubjectId::parse(SUBJECT).expect("code"));
    let restriction = keyspace::restriction(&subject, &damaged, market.agency());
    let mut batch = Batch::new();
    for key in [&notice, &restriction] {
        let mut bytes = store.get(key).await.expect("read").expect("row").to_vec();
        *bytes.last_mut().expect("bytes") ^= 1;
        batch.put(key.clone(), bytes);
    }
    // A long value under a notice's key, which the disk is going to lose: the store itself cannot read it.
    let lost = keyspace::notice(&"n-00000000000000000000000000000001".parse().expect("id"), market.agency());
    batch.put(lost.clone(), vec![LOST; 4_096]);
    store.commit(batch).await.expect("committed");
    assert!(NoticeRow::open(&store.get(&notice).await.expect("read").expect("row"), &notice, data).is_err());
    drop(market);

    federation.entry_update(LEAGUE, |entry| {
        entry.functions.push("government-services".parse().expect("function"));
    });
    federation.entry_update(MARKET, |entry| entry.functions = vec!["finance".parse().expect("function")]);
    for start in 0..2 {
        federation.node_drop_idle(MARKET).await;
        if start == 0 {
            value_lose(&federation.folder.path().join(MARKET).join("store/values"));
        }
        federation.node_start(MARKET, false).await;
        let market = federation.node(MARKET);
        assert!(market.parts.store.get(&lost).await.is_err(), "lost");
        let key = keyspace::recognition_basis();
        let basis = market.parts.store.get(&key).await.expect("read").expect("row");
        let basis = RecognitionBasis::decode(&basis).expect("basis");
        assert_eq!(basis, RecognitionBasis::unfinished(), "the next start looks again");
        assert_eq!(
            market.backlog_queue().await.expect("queued"),
            1 - start,
            "the one that can be read, once"
        );
        let page =
            market.parts.store.scan(KeyRange::prefix(&keyspace::restrictions()), 10).await.expect("page");
        let rows = page.iter().filter_map(|(key, bytes)| market.row_or_alarm::<RestrictionRow>(key, bytes));
        let decided: Vec<_> = rows.map(|row| row.measures[0].recognition.is_applied()).collect();
        assert_eq!(decided, [false], "decided again");
    }
}

/// What was decided on the restrictions that can be read.
async fn decided(node: &Node) -> Vec<bool> {
    let range = KeyRange::prefix(&keyspace::restrictions());
    let page = node.parts.store.scan(range, 10).await.expect("page");
    let rows = page.iter().filter_map(|(key, bytes)| node.row_or_alarm::<RestrictionRow>(key, bytes));
    rows.map(|row| row.measures[0].recognition.is_applied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_what_was_decided_by_before_decides_again() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let market = federation.node(MARKET);
    for _ in 0..2 {
        federation.notice_issue(MARKET, &["no-inspection-exemption"]).await.expect("issued");
    }
    let functions_change = |to: &str| {
        federation.entry_update(MARKET, |entry| entry.functions = vec![to.parse().expect("function")]);
        federation.directory_refresh(MARKET)
    };
    assert_eq!(decided(&market).await, [true, true]);
    let store = &market.parts.store;
    let page = store.scan(KeyRange::prefix(&keyspace::restrictions()), 1).await.expect("page");
    let (key, row) = page.into_iter().next().expect("row");
    let mut damaged = row.to_vec();
    *damaged.last_mut().expect("bytes") ^= 1;
    let put = |value: Vec<u8>| {
        let mut batch = Batch::new();
        batch.put(key.clone(), value);
        store.commit(batch)
    };
    put(damaged).await.expect("committed");
    // The pass for the other function cannot end, and the one after it is by what the stored basis said at first.
    for (function, applied) in [("finance", false), ("market-regulation", true)] {
        functions_change(function).await;
        market.recognition_refresh().await.expect("decided again");
        assert_eq!(decided(&market).await, [applied], "by {function}");
    }
    // Nor is a pass that ended held for one that could not, and had passed over what cannot be read.
    put(row.to_vec()).await.expect("committed");
    for (function, applied) in [("finance", false), ("market-regulation", true)] {
        functions_change(function).await;
        market.recognition_refresh().await.expect("decided again");
        assert_eq!(decided(&market).await, [applied, applied], "by {function}");
    }
}
