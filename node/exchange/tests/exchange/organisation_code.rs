//! Subjects known by an organisation code only, as lists of former years name them: found, and bound, by the unified code
//! around it.

use std::sync::Arc;

use chengxin_audit_log::{EntryKind, Filter};
use chengxin_exchange::ExchangeError;
use chengxin_exchange::certificate::certificate_verify;
use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::notice::{MeasureDraft, NoticeDraft};
use chengxin_exchange::record::RecordFilter;
use chengxin_import::ImportOptions;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::SubjectId;

use crate::check::wanted;
use crate::support::{FINANCE, Federation, MARKET, Memory, as_role};

/// The code in the list, with and without its hyphen.
const CODE: [&str; 2] = ["74820466-0", "748204660"];
/// Two unified codes around it, and one around another.
const UNIFIED: &str = "91320100748204660Q";
const TWIN: &str = "93150100748204660H";
const OTHER: &str = "91360000625912173B";
const PURPOSE: &str = "government-procurement";

fn subject(text: &str) -> SubjectId {
    SubjectId::parse(text).expect("subject")
}

async fn debtor_import(federation: &Federation, agency: &str, code: &str, case: &str) -> RecordId {
    let text = format!(
        "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号,发布时间\n\
         示例贸易有限公司,{code},示例区人民法院,2026-09-10,{case},2026-09-20\n"
    );
    let node = federation.node(agency);
    let clerk = as_role(&node, Role::Clerk).await;
    let file = Arc::new(Memory(text.into_bytes()));
    let imported = node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await;
    let (examination, batch) = imported.expect("import");
    let batch = batch.unwrap_or_else(|| panic!("{:?}", examination.report.issues().collect::<Vec<_>>()));
    let filter = RecordFilter { batch: Some(batch.id), limit: 1, ..RecordFilter::default() };
    node.record_list(&clerk, filter).await.expect("list").records[0].id
}

async fn notice_issue(federation: &Federation, record: RecordId) -> Result<NoticeId, ExchangeError> {
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let measure = MeasureDraft {
        measure: "restrict-government-procurement".parse().expect("measure"),
        legal_basis: None,
        from: None,
        until: Some("2027-12-31".parse().expect("day")),
    };
    let issued = node.notice_issue(&reviewer, NoticeDraft { record, measures: vec![measure] }).await?;
    federation.deliver(MARKET).await;
    Ok(issued.summary.content.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debtor_of_the_list_is_found_by_either_code_here_and_at_peers() {
    for code in CODE {
        let federation = Federation::new().await;
        debtor_import(&federation, MARKET, code, "(2026)示执1号").await;
        for agency in [MARKET, FINANCE] {
            let node = federation.node(agency);
            let clerk = as_role(&node, Role::Clerk).await;
            for (asked, found) in [(UNIFIED, 1), (TWIN, 1), (code, 1), (OTHER, 0), ("10774368-0", 0)] {
                let name = Some("示例贸易有限公司".to_owned());
                for subject_name in [None, name] {
                    let by_name = subject_name.is_some() && found == 0;
                    let request = CheckRequest { subject_name, ..wanted(asked, PURPOSE) };
                    let result = node.check_run(&clerk, request).await.expect("check");
                    assert!(result.complete);
                    let kinds: Vec<_> = result.records.iter().map(|one| one.name_match_only).collect();
                    match by_name {
                        // An organisation code may be a former one: a person compares.
                        true => assert_eq!(kinds, [true], "{asked}"),
                        false => assert_eq!(kinds, vec![false; found], "{asked} by its code, and once"),
                    }
                    if found == 1 {
                        let fields = &result.records[0].fields;
                        let shown = fields.iter().find(|field| field.name == "organisation_code");
                        let value = shown.expect("field").value.as_ref().expect("shown").to_text();
                        assert_eq!(value, CODE[1], "by which the asker knows whose it is");
                    }
                    let file = node.certificate_issue(&clerk, &result).await.expect("certificate");
                    let bytes = serde_json::to_vec(&file).expect("json");
                    let verified =
                        certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
                    assert_eq!(verified.claims().records.len(), result.records.len());
                }
                if agency == MARKET {
                    let filter =
                        RecordFilter { subject: Some(subject(asked)), limit: 10, ..RecordFilter::default() };
                    let listed = node.record_list(&clerk, filter).await.expect("list").records;
                    assert_eq!(listed.len(), found, "{asked}");
                    assert!(listed.iter().all(|one| one.subject.as_deref() == Some(CODE[1])));
                }
            }
        }
    }
}

/// The other way round: what names the subject by its unified code is found by the organisation code within.
#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_code_finds_records_with_and_without_a_unified_code() {
    let federation = Federation::new().await;
    for (code, case) in [(CODE[0], "(2026)示执1号"), (UNIFIED, "(2026)示执2号"), (TWIN, "(2026)示执3号")]
    {
        debtor_import(&federation, MARKET, code, case).await;
    }
    debtor_import(&federation, MARKET, OTHER, "(2026)示执4号").await;
    for agency in [MARKET, FINANCE] {
        let node = federation.node(agency);
        let clerk = as_role(&node, Role::Clerk).await;
        for (asked, found) in [(CODE[0], 3), (UNIFIED, 2), (TWIN, 2), (OTHER, 1)] {
            let result = node.check_run(&clerk, wanted(asked, PURPOSE)).await.expect("check");
            assert_eq!((result.records.len(), result.complete), (found, true), "{asked}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_on_an_organisation_code_binds_whoever_is_asked_about_by_the_unified_code() {
    let federation = Federation::new().await;
    let record = debtor_import(&federation, MARKET, CODE[0], "(2026)示执1号").await;
    let notice = notice_issue(&federation, record).await.expect("issued");
    let (unified, code) = (subject(UNIFIED), subject(CODE[0]));
    for agency in [MARKET, FINANCE] {
        let node = federation.node(agency);
        let clerk = as_role(&node, Role::Clerk).await;
        for (asked, bound) in [(UNIFIED, true), (TWIN, true), (CODE[1], true), (OTHER, false)] {
            let result = node.check_run(&clerk, wanted(asked, PURPOSE)).await.expect("check");
            let listed = node.restriction_list(&clerk, &subject(asked), None).await.expect("list").in_force;
            for restrictions in [&result.restrictions, &listed] {
                let binds: Vec<_> = restrictions.iter().map(|one| &one.binds).collect();
                assert_eq!(binds, vec![&code; usize::from(bound)], "{agency} {asked}");
            }
        }
        assert_eq!(node.notice_show(&clerk, &notice, None).await.expect("shown").own.len(), 1);
        // Whoever looks for one of the two in the log finds what was asked about the other and shown of this one.
        let entries = async |kind, subject: &SubjectId| {
            let subject = Some(node.subject_key(subject));
            let filter = Filter { kinds: vec![kind], subject, ..Filter::default() };
            node.log().search(filter, 100).await.expect("search").entries.len()
        };
        // Asked by the unified code, by another around the same, and by itself.
        assert_eq!(entries(EntryKind::CheckAnswered, &code).await, 3, "{agency}");
        assert_eq!(entries(EntryKind::CheckAnswered, &unified).await, 1, "{agency}");
        assert_eq!(entries(EntryKind::RecordRead, &unified).await, 1, "{agency}");
    }
}

/// Also where no record is at hand that connects the two.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_on_a_unified_code_binds_whoever_is_asked_about_by_the_organisation_code() {
    let federation = Federation::new().await;
    let record = debtor_import(&federation, MARKET, UNIFIED, "(2026)示执1号").await;
    notice_issue(&federation, record).await.expect("issued");
    federation.down(MARKET, true);
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    for (asked, bound) in [(CODE[0], 1), (UNIFIED, 1), (TWIN, 0), (OTHER, 0)] {
        let result = node.check_run(&clerk, wanted(asked, PURPOSE)).await.expect("check");
        assert_eq!(result.restrictions.len(), bound, "{asked}");
        let listed = node.restriction_list(&clerk, &subject(asked), None).await.expect("list").in_force;
        assert_eq!(listed.len(), bound, "{asked}");
    }
}

/// Zeros stand where a clerk had no code: they name nobody, so nothing that is about one such row binds another.
#[tokio::test(flavor = "multi_thread")]
async fn zeros_name_nobody() {
    let federation = Federation::new().await;
    let record = debtor_import(&federation, MARKET, "00000000-0", "(2026)示执1号").await;
    assert!(notice_issue(&federation, record).await.is_err(), "there is nobody to bind");
    assert!(SubjectId::parse("000000000").is_err());
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let filter = RecordFilter { limit: 1, ..RecordFilter::default() };
    let listed = node.record_list(&clerk, filter).await.expect("list").records;
    assert_eq!(listed[0].subject, None);
}

/// Who issued a notice on an organisation code could not see that it is a public body's: a measure that strikes other
/// organisations only does not bind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_body_is_bound_by_what_may_strike_it() {
    let federation = Federation::new().await;
    let record = debtor_import(&federation, MARKET, "MB1886843", "(2026)示执1号").await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let baseline = chengxin_policy::Bundle::baseline().expect("baseline");
    let measure = baseline.measure(&"restrict-market-access".parse().expect("measure")).expect("listed");
    assert!(measure.ground(chengxin_policy::SanctionObject::PublicBody).is_none());
    let draft = MeasureDraft {
        measure: measure.code.clone(),
        legal_basis: Some("虚构的示例文件第三条".parse().expect("basis")),
        from: None,
        until: Some("2027-12-31".parse().expect("day")),
    };
    node.notice_issue(&reviewer, NoticeDraft { record, measures: vec![draft] }).await.expect("issued");
    federation.deliver(MARKET).await;
    let clerk = as_role(&node, Role::Clerk).await;
    for (asked, bound) in [("MB1886843", 1), ("11320100MB1886843H", 0)] {
        let listed = node.restriction_list(&clerk, &subject(asked), None).await.expect("list").in_force;
        assert_eq!(listed.len(), bound, "{asked}");
        let result = node.check_run(&clerk, wanted(asked, PURPOSE)).await.expect("check");
        assert_eq!(result.restrictions.len(), bound, "{asked}");
    }
}
