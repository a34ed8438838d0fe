//! Codes and words of reasons, and homes of the first version.

use chengxin_schemas::operator::Role;

use super::*;
use crate::notice::{MeasureDraft, NoticeDraft, NoticeFilter};
use crate::record::RecordFilter;
use crate::row_v1::RestrictionMeasureV1;
use crate::support::{FINANCE, Federation, MARKET, SUBJECT, as_role};

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
        finance.restriction_list(&clerk, &subject).await.expect("list").in_force.len(),
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
