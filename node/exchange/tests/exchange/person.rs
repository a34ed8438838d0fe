//! Records about natural persons: none of their fields is in the part of the signature that everybody can read.

use std::sync::{Arc, Mutex};

use chengxin_audit_log::Filter;
use chengxin_exchange::audit::EntryKind;
use chengxin_exchange::certificate::certificate_verify;
use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::import::ImportFile;
use chengxin_exchange::notice::{MeasureDraft, NoticeDraft};
use chengxin_exchange::record::RecordFilter;
use chengxin_import::ImportOptions;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::digest::base64url_decode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::{SubjectId, SubjectKind};
use chengxin_schemas::wire::{self, PeerResponse};
use serde_json::Value;

use crate::support::{
    FINANCE, Federation, MARKET, Memory, NOW, SUBJECT, as_role, nameless_debtor, sole_trader,
};

fn file(text: String) -> Arc<dyn ImportFile> {
    Arc::new(Memory(text.into_bytes()))
}

async fn import(federation: &Federation, text: String) {
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let (examination, batch) = node
        .import_run(&clerk, file(text), ImportOptions::default(), Arc::new(|_| {}))
        .await
        .expect("import");
    assert!(batch.is_some(), "{:?}", examination.report.issues().collect::<Vec<_>>());
}

/// The payload of the one record that the market regulator shows of the subject.
async fn shown_payload(federation: &Federation) -> Value {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = seen.clone();
    federation.lie(
        MARKET,
        Some(Arc::new(move |_, answer| {
            if let Ok(PeerResponse::Check { presentations, .. }) = wire::decode::<PeerResponse>(&answer) {
                kept.lock().expect("unpoisoned").extend(presentations);
            }
            answer
        })),
    );
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let request = CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
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
    let result = node.check_run(&clerk, request).await.expect("check");
    assert_eq!(result.records.len(), 1);
    let presentation = seen.lock().expect("unpoisoned").remove(0);
    let payload = presentation.split('.').nth(1).expect("payload");
    serde_json::from_slice(&base64url_decode(payload).expect("base64url")).expect("json")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_stands_in_the_signed_payload() {
    let row = |kind: &str, number: &str| {
        format!(
            "行政相对人名称,统一社会信用代码,证件类型,证件号码,行政处罚决定书文号,处罚决定日期,处罚机关\n\
             示例甲,{SUBJECT},{kind},{number},示罚1号,2026-09-18,示例市场监督管理局\n"
        )
    };
    let federation = Federation::new().await;
    import(&federation, row("", "")).await;
    let payload = shown_payload(&federation).await;
    assert_eq!(payload["subject_kind"], "organisation");
    assert_eq!(payload["fields"]["subject_name"], "示例甲");

    let federation = Federation::new().await;
    import(&federation, row("身份证", "1101051949****002X")).await;
    let payload = shown_payload(&federation).await;
    assert_eq!(payload["subject_kind"], "person");
    let fields = payload["fields"].as_object().expect("fields");
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["_sd"]);
}

/// How many entries of a kind somebody who looks for a name finds.
async fn entries_by_name(federation: &Federation, code: &str, kind: EntryKind, name: &str) -> usize {
    let node = federation.node(code);
    let filter = Filter { kinds: vec![kind], subject: Some(node.name_key(name)), ..Filter::default() };
    let entries = node.log().search(filter, 10).await.expect("search").entries;
    for entry in &entries {
        let body = node.log().read_body(entry.index).await.expect("body");
        assert_eq!(body.details.get("subject_name").map(String::as_str), Some("示例甲"), "{kind:?}");
        assert!(!serde_json::to_string(&entry.leaf).expect("json").contains("示例甲"), "the leaf has a hash");
    }
    entries.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disclosed_by_name_is_found_by_name_in_both_logs() {
    let federation = Federation::new().await;
    import(&federation, nameless_debtor("示例甲")).await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let request = |name: Option<&str>| CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
        check_exception: None,
        subject_name: name.map(str::to_owned),
        purpose: "bidding".parse().expect("purpose"),
        case_reference: "ZB-2026-007".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    };
    assert!(node.check_run(&clerk, request(None)).await.expect("check").nothing_found());
    let kinds = [(FINANCE, EntryKind::CheckRequested), (FINANCE, EntryKind::CheckAnswered)];
    for (code, kind) in kinds.into_iter().chain([(MARKET, EntryKind::AnswerDisclosed)]) {
        assert_eq!(entries_by_name(&federation, code, kind, "示例甲").await, 0, "no name was asked");
    }
    let result = node.check_run(&clerk, request(Some("示例甲"))).await.expect("check");
    assert!(result.records.iter().map(|record| record.name_match_only).eq([true]) && result.complete);
    for (code, kind) in kinds.into_iter().chain([(MARKET, EntryKind::AnswerDisclosed)]) {
        assert_eq!(entries_by_name(&federation, code, kind, " 示例甲").await, 1, "{code} {kind:?}");
        assert_eq!(entries_by_name(&federation, code, kind, "示例乙").await, 0, "{code} {kind:?}");
    }
    // The own staff reads a record that has nothing but a name.
    let market = federation.node(MARKET);
    let clerk = as_role(&market, Role::Clerk).await;
    market.record_show(&clerk, &result.records[0].record).await.expect("shown");
    assert_eq!(entries_by_name(&federation, MARKET, EntryKind::RecordRead, "示例甲").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sole_trader_is_found_by_code_and_by_number() {
    let federation = Federation::new().await;
    import(&federation, sole_trader()).await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    let found = async || {
        let mut found = Vec::new();
        for subject in [SUBJECT, "person:11010519491231002X"] {
            let request = CheckRequest {
                subject: SubjectId::parse(subject).expect("subject"),
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
            let result = node.check_run(&clerk, request).await.expect("check");
            assert!(result.complete && result.records.iter().all(|record| !record.name_match_only));
            found.push(result.records.len());
        }
        found
    };
    assert_eq!(found().await, [1, 1]);
    federation.node_drop_idle(MARKET).await;
    federation.node_start(MARKET, false).await;
    assert_eq!(found().await, [1, 1], "after a restart");

    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let batch = market.import_list(&reviewer).await.expect("list").remove(0);
    market.import_rollback(&reviewer, &batch.id).await.expect("rolled back");
    assert_eq!(found().await, [0, 0]);
    import(&federation, sole_trader()).await;
    assert_eq!(found().await, [1, 1], "imported again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debtor_with_a_masked_number_is_kept_as_a_person() {
    let federation = Federation::new().await;
    let headers = "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号";
    import(
        &federation,
        format!("{headers}\n示例甲,1101051949****002X,示例区人民法院,2026-09-10,(2026)示执1号\n"),
    )
    .await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    let records = node.record_list(&clerk, filter).await.expect("list").records;
    let detail = node.record_show(&clerk, &records[0].id).await.expect("shown");
    assert_eq!(detail.claims.subject_kind, Some(SubjectKind::Person));
    assert_eq!(detail.claims.determined_on.to_string(), "2026-09-10", "the only day the list has");
    // Which of the list's terms is an entry's, its record does not say: no end is signed, and a notice must state one.
    assert_eq!(detail.claims.publicity_end, None);
    let publicity = detail.rulings.and_then(|rulings| rulings.publicity).expect("the rule behind it");
    assert_eq!((publicity.rule.as_str(), publicity.end), ("publicity.spc-2017.serious", None));
}

/// A notice that took over an end that nobody ordered would lift by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_notice_on_a_debtor_states_its_last_day() {
    let federation = Federation::new().await;
    import(
        &federation,
        format!(
            "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号\n\
             示例甲有限公司,{SUBJECT},示例区人民法院,2026-09-10,(2026)示执1号\n"
        ),
    )
    .await;
    let node = federation.node(MARKET);
    let reviewer = as_role(&node, Role::Reviewer).await;
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    let record = node.record_list(&reviewer, filter).await.expect("list").records[0].id;
    let draft = |until: Option<&str>| {
        let measure = MeasureDraft {
            measure: "restrict-government-procurement".parse().expect("measure"),
            legal_basis: None,
            from: None,
            until: until.map(|day| day.parse().expect("day")),
        };
        NoticeDraft { record, measures: vec![measure] }
    };
    let error = node.notice_issue(&reviewer, draft(None)).await.expect_err("no end is known");
    assert!(
        error.to_string().contains("until") && error.to_string().contains("name the last day"),
        "{error}"
    );
    let issued = node.notice_issue(&reviewer, draft(Some("2028-09-10"))).await.expect("issued");
    assert_eq!(issued.summary.content.measures[0].until.to_string(), "2028-09-10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debtor_filed_long_before_is_determined_when_published() {
    let federation = Federation::new().await;
    import(&federation, nameless_debtor("示例甲").replace("2026-09-10", "2021-02-10")).await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    let record = node.record_list(&clerk, filter).await.expect("list").records.remove(0);
    assert_eq!(record.determined_on.to_string(), "2026-09-20");
    // A peer verifies it, whichever of the days it is shown.
    let asker = federation.node(FINANCE);
    let clerk = as_role(&asker, Role::Clerk).await;
    let request = CheckRequest {
        subject: SubjectId::parse(SUBJECT).expect("subject"),
        check_exception: None,
        subject_name: Some("示例甲".to_owned()),
        purpose: "bidding".parse().expect("purpose"),
        case_reference: "ZB-2026-007".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    };
    let result = asker.check_run(&clerk, request).await.expect("check");
    assert_eq!(
        result.records.iter().map(|one| one.claims.determined_on.to_string()).collect::<Vec<_>>(),
        ["2026-09-20"]
    );
}

/// A notice names the trader's code; whoever is asked about the owner is told of it, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_sole_trader_is_bound_by_code_and_by_number() {
    let federation = Federation::new().await;
    import(&federation, sole_trader()).await;
    let market = federation.node(MARKET);
    let reviewer = as_role(&market, Role::Reviewer).await;
    let filter = RecordFilter { limit: 10, ..RecordFilter::default() };
    let record = market.record_list(&reviewer, filter.clone()).await.expect("list").records[0].id;
    market.record_show(&reviewer, &record).await.expect("shown");
    let measure = MeasureDraft {
        measure: "restrict-government-procurement".parse().expect("measure"),
        legal_basis: None,
        from: None,
        until: Some("2027-12-31".parse().expect("day")),
    };
    let draft = NoticeDraft { record, measures: vec![measure] };
    let notice = market.notice_issue(&reviewer, draft).await.expect("issued").summary.content.id;
    federation.deliver(MARKET).await;

    let code = SubjectId::parse(SUBJECT).expect("code");
    let number = SubjectId::parse("person:11010519491231002X").expect("number");
    for agency in [MARKET, FINANCE] {
        let node = federation.node(agency);
        let clerk = as_role(&node, Role::Clerk).await;
        for subject in [&code, &number] {
            let request = CheckRequest {
                subject: subject.clone(),
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
            let result = node.check_run(&clerk, request.clone()).await.expect("check");
            assert!(result.complete && result.records.len() == 1);
            assert_eq!(result.restrictions.iter().map(|one| &one.binds).collect::<Vec<_>>(), [&code]);
            let file = node.certificate_issue(&clerk, &result).await.expect("certificate");
            let bytes = serde_json::to_vec(&file).expect("json");
            let verified = certificate_verify(&bytes, federation.fingerprint).await.expect("verifies");
            let binds = (subject == &number).then(|| SUBJECT.to_owned());
            assert_eq!(verified.claims().restrictions[0].binds, binds);
            let listed = node.restriction_list(&clerk, subject, None).await.expect("list").in_force.len();
            // Without an own record the list knows of no other identifier.
            let known = usize::from(agency == MARKET || subject == &code);
            assert_eq!(listed, known, "{agency}");
            // The record is in none of the categories asked about, and still says who is meant.
            let narrow = CheckRequest { categories: vec![InformationCategory::Basic], ..request };
            let result = node.check_run(&clerk, narrow).await.expect("check");
            assert!(result.complete && result.records.is_empty());
            assert_eq!(result.restrictions.len(), known, "{agency}");
        }
    }
    let filter = |subject: &SubjectId| RecordFilter { subject: Some(subject.clone()), ..filter.clone() };
    assert_eq!(market.record_list(&reviewer, filter(&number)).await.expect("list").records.len(), 1);
    market.notice_show(&reviewer, &notice, None).await.expect("shown");
    // Whoever looks for one of the two finds what was done under the other: an entry for each, and the second names the first.
    let entries = async |agency, kind, subject: &SubjectId| {
        let node = federation.node(agency);
        let filter =
            Filter { kinds: vec![kind], subject: Some(node.subject_key(subject)), ..Filter::default() };
        let mut entries = Vec::new();
        for entry in node.log().search(filter, 100).await.expect("search").entries.into_iter().rev() {
            let body = node.log().read_body(entry.index).await.expect("body");
            entries.push((entry.index.0, body.details.get("same_as").cloned()));
        }
        entries
    };
    for (agency, kind, expected) in [
        // Shown, two lists of restrictions, a list of its records, its notice shown.
        (MARKET, EntryKind::RecordRead, 5),
        (MARKET, EntryKind::NoticeIssued, 1),
        // Both were checked there, twice, and again by the other; the narrow ones found no record.
        (MARKET, EntryKind::CheckAnswered, 4),
        (MARKET, EntryKind::CertificateIssued, 2),
        (MARKET, EntryKind::AnswerDisclosed, 2),
        // Who asks by the code is not shown the number.
        (FINANCE, EntryKind::CheckAnswered, 1),
        (FINANCE, EntryKind::CertificateIssued, 1),
    ] {
        let (by_code, by_number) = (entries(agency, kind, &code).await, entries(agency, kind, &number).await);
        let mut pairs = 0;
        for (ones, others) in [(&by_code, &by_number), (&by_number, &by_code)] {
            for (index, _) in ones.iter().filter(|(_, same_as)| same_as.is_none()) {
                pairs += others.iter().filter(|(_, same_as)| *same_as == Some(index.to_string())).count();
            }
        }
        assert_eq!(pairs, expected, "{agency} {kind:?} {by_code:?} {by_number:?}");
    }
    let (clerk, new) = (as_role(&market, Role::SecurityAdministrator).await, market.policy());
    let simulation =
        market.policy_simulate(&clerk, [&market.policy(), &new], NOW.plus(-3_600)).await.expect("simulated");
    // Four checks here, and four of the other body: the further entries are no requests.
    assert_eq!((simulation.requests, simulation.skipped), (8, 0));
}
