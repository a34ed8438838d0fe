//! Records about natural persons: none of their fields is in the part of the signature that everybody can read.

use std::sync::{Arc, Mutex};

use chengxin_exchange::check::CheckRequest;
use chengxin_exchange::import::ImportFile;
use chengxin_exchange::record::RecordFilter;
use chengxin_import::ImportOptions;
use chengxin_schemas::digest::base64url_decode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::subject::{SubjectId, SubjectKind};
use chengxin_schemas::wire::{self, PeerResponse};
use serde_json::Value;

use crate::support::{FINANCE, Federation, MARKET, Memory, SUBJECT, as_role};

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
        subject_name: None,
        purpose: "government-procurement".parse().expect("purpose"),
        case_reference: "CG-2026-031".parse().expect("case"),
        legal_basis: None,
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
}
