//! Codes whose check is wrong and that certificates are printed with all the same: accepted at the import, and asked for on the
//! word of the person who asks.

use chengxin_audit_log::EntryKind;
use chengxin_exchange::ExchangeError;
use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::notice::{MeasureDraft, NoticeDraft};
use chengxin_exchange::record::RecordFilter;
use chengxin_import::{Exceptions, ImportOptions};
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::unified_code::CheckException;

use crate::certificate::{Change, issued, verify, with_claims};
use crate::check::{newest_entry, wanted};
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, SUBJECT, as_role, penalty_file};

/// [`SUBJECT`] as its certificate is printed.
const PRINTED: &str = "91150100DEM0005670";
const PURPOSE: &str = "government-procurement";

fn word(person: &str) -> CheckException {
    CheckException { accepted_by: person.to_owned(), reason: "证照原件如此印制".to_owned() }
}

fn printed() -> SubjectId {
    SubjectId::accept(PRINTED, &word("zhang")).expect("accepted")
}

/// A penalty of the subject at the market regulator, and a notice on it to everybody.
async fn sanctioned() -> Federation {
    let federation = Federation::new().await;
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let exceptions = Exceptions { rows: [(2, word("li"))].into(), ..Exceptions::default() };
    let options = ImportOptions { exceptions, ..ImportOptions::default() };
    let file = penalty_file(PRINTED, "示例启明建设工程有限公司", "示市监罚〔2026〕88号", "12.5");
    let imported = market.import_run(&reviewer, file, options, std::sync::Arc::new(|_| {})).await;
    assert!(imported.expect("import").1.is_some());
    let filter = RecordFilter { limit: 1, ..RecordFilter::default() };
    let record = market.record_list(&reviewer, filter).await.expect("list").records[0].id;
    let measure = MeasureDraft {
        measure: "restrict-government-procurement".parse().expect("measure"),
        legal_basis: None,
        from: None,
        until: None,
    };
    let draft = NoticeDraft { record, measures: vec![measure] };
    market.notice_issue(&reviewer, draft).await.expect("issued");
    federation.deliver(MARKET).await;
    federation
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_code_is_looked_up_on_the_word_of_whoever_asks() {
    let federation = sanctioned().await;
    for agency in [MARKET, FINANCE] {
        let node = federation.node(agency);
        let clerk = as_role(&node, Role::Clerk).await;
        let exception = CheckException { accepted_by: clerk.account().to_string(), ..word("") };
        let unvouched = CheckRequest { subject: printed(), ..wanted(SUBJECT, PURPOSE) };
        let vouched = CheckRequest { check_exception: Some(exception.clone()), ..unvouched.clone() };
        let refused = |error: ExchangeError| assert!(error.to_string().contains("nobody vouches"), "{error}");
        refused(node.check_run(&clerk, unvouched).await.expect_err("nobody's word"));
        refused(node.restriction_list(&clerk, &printed(), None).await.expect_err("nobody's word"));
        let filter = RecordFilter { subject: Some(printed()), limit: 10, ..RecordFilter::default() };
        refused(node.record_list(&clerk, filter.clone()).await.expect_err("nobody's word"));

        let result = node.check_run(&clerk, vouched).await.expect("check");
        assert_eq!((result.records.len(), result.restrictions.len(), result.complete), (1, 1, true));
        let listed = node.restriction_list(&clerk, &printed(), Some(&exception)).await.expect("list");
        assert_eq!(listed.in_force.len(), 1);
        let filter = RecordFilter { check_exception: Some(exception.clone()), ..filter };
        let records = node.record_list(&clerk, filter).await.expect("list").records.len();
        assert_eq!(records, usize::from(agency == MARKET));
        // Who vouches stands in the logs, at both ends of what was asked.
        let peer = if agency == MARKET { LEAGUE } else { MARKET };
        for (code, kind) in [
            (agency, EntryKind::CheckRequested),
            (agency, EntryKind::CheckAnswered),
            (agency, EntryKind::RecordRead),
            (peer, EntryKind::AnswerDisclosed),
        ] {
            let entry = newest_entry(&federation, code, kind).await;
            let body = federation.node(code).log().read_body(entry.index).await.expect("body");
            let detail = |name: &str| body.details.get(name).cloned();
            assert_eq!(detail("check_accepted_by").as_ref(), Some(&exception.accepted_by), "{kind:?}");
            assert_eq!(detail("check_accepted_reason").as_ref(), Some(&exception.reason), "{kind:?}");
        }
    }
}

/// The message about the wrong character names the right one, and people type that.
#[tokio::test(flavor = "multi_thread")]
async fn the_corrected_code_finds_what_was_recorded_as_printed() {
    let federation = sanctioned().await;
    for agency in [MARKET, FINANCE] {
        let node = federation.node(agency);
        let clerk = as_role(&node, Role::Clerk).await;
        let result = node.check_run(&clerk, wanted(SUBJECT, PURPOSE)).await.expect("check");
        assert_eq!((result.records.len(), result.complete), (1, true));
        assert_eq!(result.restrictions.iter().map(|one| &one.binds).collect::<Vec<_>>(), [&printed()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_who_vouched_for_the_code() {
    let federation = sanctioned().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let exception = word("zhang");
    let request = CheckRequest {
        subject: printed(),
        check_exception: Some(exception.clone()),
        ..wanted(SUBJECT, PURPOSE)
    };
    let result = node.check_run(&clerk, request).await.expect("check");
    let answered = |entry: &&_| matches!(entry, CoverageOutcome::Answered { .. });
    assert_eq!(result.coverage.iter().map(|entry| &entry.outcome).filter(answered).count(), 3);
    let file = issued(&federation, &result).await;
    let root = federation.fingerprint;
    assert_eq!(verify(&file, root).await.expect("verifies").check_exception, Some(exception));
    let changes: [(&str, Change); 2] = [
        ("nobody vouches", |claims| claims.check_exception = None),
        ("word for its code", |claims| claims.check_exception = Some(word("li"))),
    ];
    for (reason, change) in changes {
        let error = verify(&with_claims(&file, change), root).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
}
