//! One example of every document that is printed. They are JSON, so they also hold the machine form fast.

use chengxin_api::types::audit::{AuditEntries, AuditVerification};
use chengxin_api::types::check::CheckResult;
use chengxin_api::types::federation::{Delegation, Enrolment, JoinToken, Members, Removal};
use chengxin_api::types::import::{ImportReport, Imports};
use chengxin_api::types::notice::{NoticeDocument, Notices};
use chengxin_api::types::operator::Operators;
use chengxin_api::types::peer::Peers;
use chengxin_api::types::policy::{Policy, PolicyExplanation, PolicyTable};
use chengxin_api::types::policy_content::Breaches;
use chengxin_api::types::policy_diff::{PolicyChanges, PolicyTest};
use chengxin_api::types::policy_plan::{PlanDocument, PolicyStatus, Published};
use chengxin_api::types::policy_simulation::PolicySimulation;
use chengxin_api::types::record::{RecordDocument, Records};
use chengxin_api::types::release::Releases;
use chengxin_api::types::restriction::Restrictions;
use chengxin_api::types::status::Status;
use chengxin_cli::host::{
    CertificateVerification, ClockConfirmation, ConfigValidation, FederationFounded, InitOutcome, Joined,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const RECORD: &str = "r-0123456789abcdef0123456789abcdef";
const BATCH: &str = "b-0123456789abcdef0123456789abcdef";
const NOTICE: &str = "n-0123456789abcdef0123456789abcdef";
const OWN: &str = "11152105011615449P";
const OTHER: &str = "11150000MB00000199";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const AT: &str = "2026-11-22T08:00:00Z";

fn parse<T: DeserializeOwned + Serialize>(value: Value) -> T {
    let document: T = serde_json::from_value(value.clone()).expect("document");
    assert_eq!(serde_json::to_value(&document).expect("json"), value, "the document does not round-trip");
    document
}

fn restriction() -> Value {
    json!({
        "measure": "restrict-government-procurement", "measure_name": "限制参与政府采购",
        "measure_name_en": "Exclusion from government procurement",
        "legal_basis": "《中华人民共和国政府采购法》第二十二条", "issuer": OTHER, "issuer_name": "示例市场监督管理局",
        "from": "2026-11-01", "until": "2027-12-31", "notice": NOTICE, "version": 1, "applied_here": true
    })
}

fn fields() -> Value {
    json!([
        {"name": "subject_name", "label": "行政相对人名称", "shown": "shown", "value": "示例建设有限公司"},
        {"name": "legal_representative", "label": "法定代表人", "shown": "masked", "value": "张*"},
        {"name": "legal_representative_number", "label": "法定代表人证件号码", "shown": "withheld", "reason": "level", "reason_zh": "数据级别高于该用途可见的级别", "reason_en": "the level is above what the purpose may see"}
    ])
}

/// A check with everything in it: an answer, a refusal, silence, a restriction, a contested record.
pub fn check() -> CheckResult {
    parse(json!({
        "schema": "check/v1",
        "coverage": {
            "complete": false, "as_of": AT, "asked": 4, "answered": 2, "refused": 1, "silent": 1,
            "agencies": [
                {"agency": OTHER, "name": "示例盟行政公署", "outcome": "silent", "code": "timeout", "reason": "no answer within 5000 ms"},
                {"agency": OTHER, "name": "示例发展和改革委员会", "outcome": "refused", "code": "denied", "rule": "purpose.awards.functions", "reason": "not for this body\u{1b}[32m"},
                {"agency": OTHER, "name": "示例市场监督管理局", "outcome": "answered", "as_of": AT, "records": 1, "missing": ["risk_warning"]},
                {"agency": OWN, "name": "示例财政厅", "outcome": "answered", "as_of": AT, "records": 0}
            ]
        },
        "subject": "91320100748204660Q", "name": "示例建设有限公司",
        "purpose": "government-procurement", "purpose_name": "政府采购", "purpose_name_en": "government procurement",
        "case_reference": "CG-2026-031",
        "categories": ["general_breach", "serious_breach", "risk_warning"],
        "restrictions": [restriction()],
        "records": [{
            "record": RECORD, "type": "administrative-penalty", "category": "general_breach", "severity": "general",
            "state": "under_objection", "issuer": OTHER, "issuer_name": "示例市场监督管理局",
            "determined_on": "2026-05-04", "publicity_end": "2027-05-04", "name_match_only": true, "rule": "answer-procurement", "fields": fields()
        }],
        "policy": "baseline-1", "audit_entry": 17
    }))
}

/// The only check that may say so.
pub fn check_nothing_found() -> CheckResult {
    let mut result = check();
    result.coverage.complete = true;
    result.coverage.agencies.drain(..3);
    (result.coverage.asked, result.coverage.answered) = (1, 1);
    (result.coverage.refused, result.coverage.silent) = (0, 0);
    result.restrictions.clear();
    result.records.clear();
    result
}

/// Nothing was found, and that means nothing.
pub fn check_nothing_known() -> CheckResult {
    let mut result = check();
    result.restrictions.clear();
    result.records.clear();
    result
}

pub fn status() -> Status {
    parse(json!({
        "schema": "status/v1", "health": "degraded",
        "hints": [{"code": "peers_offline", "text_zh": "1 个成员未连接", "text_en": "1 member is not connected", "command": "chengxin peer list"}],
        "node": {"agency": OWN, "name": "示例财政厅", "region": "150000", "coordinator": true, "version": "0.1.0",
                 "started_at": "2026-11-10T03:55:00Z", "now": AT},
        "federation": {"federation": "nmg", "root_fingerprint": DIGEST, "directory_version": 7, "members": 5,
                       "expires_at": "2026-11-24T08:00:00Z", "freshness": "fresh"},
        "policy": {"version": "baseline-1"},
        "audit": {"origin": "chengxin.invalid/log/1", "entries": 182204, "writable": true},
        "peers": {"online": 3, "total": 4},
        "holdings": {"deliveries_pending": 1, "imports_open": 0, "store_bytes": 2252341}
    }))
}

pub fn peers() -> Peers {
    parse(json!({"schema": "peers/v1", "peers": [
        {"agency": OTHER, "name": "示例市场监督管理局", "region": "150000", "coordinator": false, "functions": ["market-supervision"],
         "online": false, "since": AT, "failure": "connection refused", "addresses": ["/ip4/127.0.0.1/tcp/7800"]},
        {"agency": OWN, "name": "示例财政厅", "region": "150000", "coordinator": true, "functions": [],
         "online": true, "since": AT, "addresses": []}
    ]}))
}

pub fn records() -> Records {
    parse(json!({"schema": "records/v1", "records": [
        {"record": RECORD, "type": "administrative-penalty", "category": "general_breach", "severity": "general",
         "state": "effective", "subject": "91320100748204660Q", "subject_name": "=HYPERLINK(\"示例\")", "determined_on": "2026-05-04", "batch": BATCH},
        {"record": RECORD, "type": "judgment-debtor", "category": "serious_breach", "severity": "serious",
         "state": "repaired", "subject_name": "李某\n伪造行", "determined_on": "2025-01-31", "batch": BATCH}
    ], "next": "41"}))
}

pub fn record() -> RecordDocument {
    parse(
        json!({"schema": "record/v1", "record": RECORD, "type": "administrative-penalty", "category": "general_breach",
        "severity": "general", "state": "effective", "subject": "91320100748204660Q", "subject_name": "示例建设有限公司",
        "determined_on": "2026-05-04", "batch": BATCH, "issuer": OWN, "fields": fields(), "signed_at": AT,
        "publicity_end": "2027-05-04",
        "severity_rule": {"rule": "penalty.other", "verified": false}, "publicity_rule": {"rule": "publicity.order-36.general", "verified": true},
        "source_file": DIGEST, "source_row": 17}),
    )
}

pub fn import_report() -> ImportReport {
    parse(
        json!({"schema": "import/v1", "file_name": "行政处罚.csv", "type": "administrative-penalty", "state": "checked",
        "operator": "zhang", "started_at": AT, "rows": {"total": 4, "new": 2, "duplicate": 0, "wrong": 1, "warned": 1},
        "file": DIGEST, "findings": [
            {"row": 3, "column": "C 统一社会信用代码", "code": "code_check", "weight": "error", "message_zh": "第 18 位校验码应为 X",
             "message_en": "the check character should be X", "fix_zh": "请与证照核对", "fix_en": "compare with the certificate"},
            {"row": 4, "column": "", "code": "subject_identity_weak", "weight": "warning", "message_zh": "没有可用的代码",
             "message_en": "no usable identifier", "fix_zh": "只能按名称查到", "fix_en": "can be found by name only"}
        ], "findings_omitted": 12, "errors_id": "f-0123456789abcdef0123456789abcdef"}),
    )
}

pub fn imports() -> Imports {
    parse(json!({"schema": "imports/v1", "imports": [
        {"batch": BATCH, "file_name": "行政处罚.csv", "type": "administrative-penalty", "state": "committed", "operator": "zhang",
         "started_at": AT, "rows": {"total": 3, "new": 2, "duplicate": 1, "wrong": 0, "warned": 0}},
        {"batch": BATCH, "file_name": "失信.xlsx", "type": "judgment-debtor", "state": "open", "operator": "li",
         "started_at": AT, "rows": {"total": 512, "new": 512, "duplicate": 0, "wrong": 0, "warned": 0}}
    ]}))
}

fn notice_summary() -> Value {
    json!({"notice": NOTICE, "version": 1, "state": "in_force", "direction": "issued", "issuer": OWN, "issuer_name": "示例财政厅",
        "subject": "91320100748204660Q", "subject_name": "示例建设有限公司", "at": AT, "measures": [
            {"measure": "restrict-government-procurement", "measure_name": "限制参与政府采购",
             "measure_name_en": "Exclusion from government procurement", "legal_basis": "《中华人民共和国政府采购法》第二十二条",
             "from": "2026-11-22", "until": "long-term"}
        ], "acknowledged": 1, "recipients": 2})
}

pub fn notices() -> Notices {
    parse(json!({"schema": "notices/v1", "notices": [notice_summary()]}))
}

pub fn notice() -> NoticeDocument {
    let mut value = notice_summary();
    let extra = json!({"schema": "notice/v1", "record": RECORD, "category": "general_breach", "severity": "general",
    "deliveries": [
        {"agency": OTHER, "name": "示例市场监督管理局", "delivery": "processed", "at": AT, "measures": [
            {"measure": "restrict-government-procurement", "decision": "not_applicable", "reason": "function",
             "reason_zh": "本单位不承担该措施的实施职能", "reason_en": "this body does not carry the measure out"}]},
        {"agency": OTHER, "name": "示例盟行政公署", "delivery": "queued"}
    ]});
    for (name, field) in extra.as_object().expect("object") {
        value[name] = field.clone();
    }
    value["measures"][0]["decision"] = json!({"decision": "applied"});
    parse(value)
}

pub fn restrictions() -> Restrictions {
    let mut other = restriction();
    other["applied_here"] = json!(false);
    other["not_applied_reason"] = json!("of-a-newer-program");
    parse(
        json!({"schema": "restrictions/v1", "subject": "91320100748204660Q", "restrictions": [restriction(), other]}),
    )
}

pub fn policy() -> Policy {
    parse(json!({"schema": "policy/v1", "version": "baseline-1", "purposes": [
        {"code": "government-procurement", "name": "政府采购", "name_en": "Government procurement", "requirement": "QU-02",
         "legal_basis": "内政发〔2021〕12号", "roles": ["clerk", "reviewer"], "case_reference": true, "daily_limit": 200, "daily_limit_body": 1000}
    ], "measures": [
        {"code": "restrict-government-procurement", "name": "限制参与政府采购", "name_en": "Exclusion from government procurement",
         "object": "organisation", "severity_floor": "general", "document": "全国失信惩戒措施基础清单", "verified": false},
        {"code": "restrict-government-procurement", "name": "限制参与政府采购", "name_en": "Exclusion from government procurement",
         "object": "public_body", "severity_floor": "general", "legal_basis": "发改财金〔2023〕1103号",
         "document": "发改财金〔2023〕1103号", "verified": true}
    ], "functions": [
        {"code": "market-regulation", "name": "市场监督管理", "name_en": "Market regulation", "source": "市场监督管理部门", "verified": false}
    ]}))
}

pub fn policy_explanation() -> PolicyExplanation {
    parse(json!({"schema": "policy-explanation/v1",
        "question": {"role": "clerk", "purpose": "government-procurement", "category": "general_breach", "subject_kind": "organisation", "type": "administrative-penalty"},
        "permitted": true, "rule": "ask-procurement", "reason_zh": "规则 ask-procurement 允许", "reason_en": "rule ask-procurement allows it",
        "needed": {"conditions": ["case-reference", "legal-basis"], "purposes": [], "more": false},
        "fields": [
            {"name": "facts", "label": "违法事实", "level": "L1", "shown": "shown"},
            {"name": "person_number", "label": "自然人证件号码", "level": "L4", "shown": "withheld", "reason_zh": "级别过高", "reason_en": "level too high"}
        ], "policy": "baseline-1"}))
}

pub fn policy_explanation_denied() -> PolicyExplanation {
    parse(json!({"schema": "policy-explanation/v1",
        "question": {"role": "clerk", "purpose": "administrative-licensing", "category": "risk_warning", "subject_kind": "organisation"},
        "permitted": false, "rule": "entry.no-risk-warning", "reason_zh": "规则 entry.no-risk-warning 明确禁止",
        "reason_en": "rule entry.no-risk-warning forbids it",
        "needed": {"conditions": [], "purposes": [
            {"code": "government-procurement", "name": "政府采购", "name_en": "Government procurement", "conditions": ["case-reference"]},
            {"code": "other-decision", "name": "其他行政决定", "name_en": "Other decision", "conditions": ["case-reference", "legal-basis", "subject-authorisation"]},
            {"code": "awards", "name": "评优评先", "name_en": "Awards", "conditions": []}
        ], "more": true},
        "fields": [], "policy": "baseline-1"}))
}

pub fn policy_table() -> PolicyTable {
    parse(json!({"schema": "policy-table/v1", "policy": "baseline-1", "cells": [
        {"role": "clerk", "purpose": "government-procurement", "subject_kind": "organisation", "category": "basic", "level": "L1", "decision": "show", "rule": "r1"},
        {"role": "system_administrator", "purpose": "awards", "subject_kind": "person", "category": "basic", "level": "L4", "decision": "withhold", "rule": "default-deny"}
    ]}))
}

pub fn breaches() -> Breaches {
    parse(json!({"schema": "breaches/v1", "policy": "baseline-1", "breaches": [
        {"code": "new-office-disowns-old-debts", "name": "新官不理旧账", "name_en": "New office-holder disowning old debts",
         "class": "履约践诺", "class_en": "Performance", "item": "合同与承诺", "item_en": "Contracts and promises",
         "objects": ["public_body", "person"], "criteria": "以换届为由不履行", "criteria_en": "Not performing because of a change of office",
         "criteria_verified": false,
         "grades": [
            {"severity": "general", "category": "general_breach",
             "measures": [{"object": "public_body", "measure": "written-explanation"}, {"object": "public_body", "measure": "rectification-in-time"},
                {"object": "person", "measure": "restrict-promotion"}],
             "repair": "public-body.performance", "verified": false, "missing": ["severity_line", "measures"]},
            {"severity": "serious", "category": "serious_breach", "measures": [{"object": "public_body", "measure": "publish-typical-case"},
                {"object": "person", "measure": "post-adjustment"}],
             "repair": "public-body.performance-serious", "verified": true, "missing": []}
         ],
         "legal_basis": "《优化营商环境条例》第三十一条", "document": "内政发〔2021〕12号", "verified": true}
    ]}))
}

pub fn policy_test() -> PolicyTest {
    parse(
        json!({"schema": "policy-test/v1", "bundle": {"version": "baseline-2", "digest": DIGEST, "effective": "2026-12-01"},
        "title": "政务诚信基线策略", "title_en": "Baseline policy", "decision_tests": 50, "purposes": 20, "rules": 98, "measures": 31,
        "next": ["chengxin policy diff ./bundle"]}),
    )
}

pub fn policy_changes() -> PolicyChanges {
    let decision = |direction: &str, from: &str, to: &str| {
        json!({"direction": direction, "purpose": "government-procurement", "functions": [], "action": "answer",
            "subjects": ["organisation", "person"], "roles": ["clerk", "reviewer"],
            "places": [{"category": "risk_warning", "levels": ["L1", "L2"]}], "from": from, "to": to,
            "from_rules": ["r1"], "to_rules": ["r2"],
            "text_zh": "政府采购: 任何单位的经办人答复对方, 关于各类主体, 风险提示信息 L1/L2由“显示”改为“不提供”",
            "text_en": "Government procurement: any body, Clerk, answer, about every subject: risk warning L1/L2 changes"})
    };
    parse(
        json!({"schema": "policy-diff/v1", "from": {"version": "baseline-1", "digest": DIGEST, "effective": "2026-04-01"},
        "to": {"version": "baseline-2", "digest": DIGEST, "effective": "2026-12-01"}, "cells_wider": 1, "cells_narrower": 8,
        "decisions": [decision("narrower", "show", "withhold"), decision("wider", "mask", "show")],
        "demands": [
            {"direction": "narrower", "purpose": "bidding", "demand": "daily-limit", "from": 9, "to": 5,
             "text_zh": "招标投标: 每人每日限次由“9 次”改为“5 次”",
             "text_en": "Tendering and bidding: the daily limit of one operator changes from 9 to 5"},
            {"direction": "wider", "purpose": "bidding", "demand": "case-reference",
             "text_zh": "招标投标: 查询不再须填写案件或项目编号",
             "text_en": "Tendering and bidding: a query no longer needs the number of an open case or project"}
        ],
        "values": [
            {"file": "periods.toml", "entry": "publicity.order-36.general", "change": "changed", "field": "maximum_months",
             "from": "12", "to": "9", "text_zh": "公示期限 publicity.order-36.general: maximum_months 由“12”改为“9”",
             "text_en": "publicity periods publicity.order-36.general: maximum_months changes from \"12\" to \"9\""},
            {"file": "rules.csv", "entry": "r2", "change": "added", "text_zh": "访问规则 r2: 新增", "text_en": "access rules r2: added"}
        ]}),
    )
}

pub fn policy_unchanged() -> PolicyChanges {
    PolicyChanges {
        cells_wider: 0,
        cells_narrower: 0,
        decisions: Vec::new(),
        demands: Vec::new(),
        values: Vec::new(),
        ..policy_changes()
    }
}

fn plan(signatures: usize) -> Value {
    let signatures = [
        json!({"account": "wang", "at": "2026-11-22T08:05:00Z"}),
        json!({"account": "he", "at": "2026-11-22T09:00:00Z"}),
    ][..signatures]
        .to_vec();
    json!({"version": "baseline-3", "digest": DIGEST, "base": "baseline-2", "current": true, "staged_by": "wang",
        "staged_at": "2026-11-22T08:00:00Z", "signatures": signatures, "signatures_needed": 2})
}

pub fn policy_plan() -> PlanDocument {
    parse(
        json!({"schema": "policy-plan/v1", "plan": plan(1), "next": ["chengxin policy diff --plan baseline-3"]}),
    )
}

pub fn policy_published() -> Published {
    parse(json!({"schema": "policy-published/v1", "publication": {"version": "baseline-3", "digest": DIGEST,
        "effective": "2027-01-01", "published_at": "2026-11-22T10:00:00Z", "due": false}, "replaced": "baseline-2",
        "next": ["chengxin policy status"]}))
}

pub fn policy_status() -> PolicyStatus {
    let publication = |version: &str, effective: &str, due: bool| json!({"version": version, "digest": DIGEST, "effective": effective, "published_at": "2026-11-22T10:00:00Z", "due": due});
    let member = |agency: &str, state: &str, rest: Value| {
        let mut member = json!({"agency": agency, "name": "示例单位", "state": state});
        let object = member.as_object_mut().expect("object");
        object.extend(rest.as_object().expect("object").clone());
        member
    };
    let told = |version: &str| json!({"version": version, "since": "2026-11-01T00:00:00Z", "told_at": "2026-11-22T11:00:00Z"});
    let mut ready = told("baseline-2");
    ready["ready"] = json!("baseline-3");
    let mut refused = told("baseline-2");
    refused["refused"] = json!("baseline-3");
    refused["reason"] = json!("the compressed form is damaged");
    parse(json!({"schema": "policy-status/v1",
        "published": [publication("baseline-2", "2026-11-01", true), publication("baseline-3", "2027-01-01", false)],
        "adopted": 1, "members": [
            member("11150000DEM000129D", "adopted", ready), member("11150000DEM000233H", "refused", refused),
            member("11152500DEM000452E", "lagging", told("baseline-1")), member("12150000DEM0000144", "silent", json!({}))
        ], "plans": [plan(2)], "next": ["chengxin policy publish baseline-3 --effective YYYY-MM-DD"]}))
}

/// With the overlay of a league, and a bundle that cannot be read.
pub fn policy_status_overlays() -> PolicyStatus {
    let publication = json!({"version": "150100-2026.2", "digest": DIGEST, "effective": "2026-11-01",
        "published_at": "2026-10-22T10:00:00Z", "due": true});
    parse(json!({"schema": "policy-status/v1", "published": [], "fault": "the compressed form is damaged",
        "adopted": 0, "members": [{"agency": "11150100DEM0001269", "name": "示例市政府", "state": "refused",
            "version": "baseline-2", "since": "2026-11-01T00:00:00Z", "reason": "the compressed form is damaged"}],
        "overlays": [{"region": "150100", "published": [publication], "adopted": 1, "members": [
            {"agency": "11150100DEM0001269", "name": "示例市政府", "state": "adopted", "version": "150100-2026.2",
                "since": "2026-11-01T00:00:00Z", "inert": 2, "told_at": "2026-11-22T11:00:00Z"}]}],
        "plans": [], "next": []}))
}

/// With what members told.
pub fn policy_simulation_members() -> PolicySimulation {
    let line = json!({"outcome": "less", "asker": "11150000DEM000129D", "action": "answer", "purpose": "bidding",
        "role": "clerk", "subject_kind": "organisation", "requests": 12});
    let counts = json!({"from": "baseline-2", "since": "2026-10-23T08:00:00Z", "complete": true, "requests": 40,
        "others": 5, "lines": [line]});
    let mut simulation = serde_json::to_value(policy_simulation()).expect("JSON");
    simulation["members"] = json!([
        {"agency": "11150000DEM000233H", "name": "示例市场监督管理局", "counts": counts},
        {"agency": "11152500DEM000452E", "name": "示例盟行政公署",
            "reason": "simulation: this body does not share counts of its requests"}]);
    parse(simulation)
}

pub fn policy_simulation() -> PolicySimulation {
    let line = |outcome: &str, changes: Value, masked: u32, withheld: u32| {
        json!({"outcome": outcome, "asker": "11150000DEM000129D", "asker_name": "示例单位", "action": "answer",
            "purpose": "government-procurement", "role": "clerk", "subject_kind": "organisation", "requests": 12,
            "changes": changes, "fields_masked": masked, "fields_withheld": withheld})
    };
    let change = |category: &str, from: &str, to: &str| json!({"category": category, "levels": ["L1", "L2"], "from": from, "to": to});
    parse(
        json!({"schema": "policy-simulation/v1", "from": "baseline-2", "to": "baseline-3", "since": "2026-10-23T08:00:00Z",
        "complete": false, "requests": 40, "unchanged": 16, "skipped": 3, "lines": [
            line("denied", json!([change("basic", "show", "withhold")]), 0, 48),
            line("mixed", json!([change("general_breach", "show", "mask"), change("risk_warning", "withhold", "mask")]), 7, 0)
        ], "fields_changed": [
            {"record_type": "administrative-penalty", "field": "legal_representative", "label": "法定代表人",
                "from": {"level": "L2", "person_level": "L2", "sharing": "conditional", "mask": [1, 0]},
                "to": {"level": "L4", "person_level": "L4", "sharing": "not_shared", "mask": [1, 0]}},
            {"record_type": "judgment-debtor", "field": "case_number", "label": "案号",
                "from": {"level": "L1", "person_level": "L2", "sharing": "unconditional"},
                "to": {"level": "L1", "person_level": "L2", "sharing": "unconditional", "mask": [4, 0]}}
        ], "next": ["chengxin policy status"]}),
    )
}

pub fn audit_entries() -> AuditEntries {
    parse(json!({"schema": "audit-entries/v1", "entries": [
        {"index": 17, "at": AT, "event": "check_denied", "actor": format!("zhang@{OWN}"), "role": "clerk", "subject_key": "ab".repeat(32),
         "name_key": "cd".repeat(32), "purpose": "awards", "outcome": "denied", "rule": "purpose.awards.roles", "policy": "baseline-1", "request": DIGEST,
         "fields_shown": 0, "fields_masked": 0},
        {"index": 16, "at": AT, "event": "answer_disclosed", "actor": OTHER, "peer": OTHER, "outcome": "allowed",
         "fields_shown": 12, "fields_masked": 2}
    ], "next": "16"}))
}

pub fn audit_verification() -> AuditVerification {
    parse(
        json!({"schema": "audit-verification/v1", "holds": false, "origin": "chengxin.invalid/log/1", "entries": 17, "root": DIGEST,
        "signed_by": ["chengxin.invalid/log/1+abcd+key"], "uncovered": 1, "faults": ["tile/0/000 differs at byte 12"], "notes": ["notes.txt does not belong to a log"]}),
    )
}

pub fn releases() -> Releases {
    let release = |number: u8, state: &str| {
        json!({"release": format!("q-{}", format!("{number:02x}").repeat(16)), "state": state, "subject": "91320100748204660Q",
            "purpose": "bidding", "purpose_name": "招标投标", "purpose_name_en": "Tendering and bidding",
            "case_reference": "ZB-2026-007", "asked_by": "zhang", "asked_at": AT, "until": AT})
    };
    let mut refused = release(3, "refused");
    for (field, value) in [
        ("decided_by", json!("li")),
        ("decided_as", json!("reviewer")),
        ("decided_at", json!(AT)),
        ("reason", json!("案卷中没有投标文件")),
        ("name", json!("示例甲")),
    ] {
        refused[field] = value;
    }
    parse(json!({"schema": "releases/v1", "releases": [release(1, "open"), release(2, "given"), refused]}))
}

pub fn operators() -> Operators {
    parse(json!({"schema": "operators/v1", "operators": [
        {"name": "zhang", "display_name": "张某", "uid": 1001, "roles": ["clerk", "reviewer"], "enabled": true, "created_at": AT},
        {"name": "sun", "display_name": "", "uid": 1002, "roles": ["audit_administrator"], "enabled": false, "created_at": AT, "created_by": "security"}
    ]}))
}

fn member(functions: &[&str]) -> Value {
    json!({"agency": OWN, "name": "示例财政厅", "region": "150000", "functions": functions, "coordinator": true,
        "transport_identity": "12D3KooW", "addresses": ["/ip4/127.0.0.1/tcp/7800"]})
}

pub fn members() -> Members {
    members_of(&["procurement-supervision"])
}

pub fn members_of(functions: &[&str]) -> Members {
    parse(json!({"schema": "members/v1", "directory_version": 7, "members": [member(functions)]}))
}

pub fn enrolment() -> Enrolment {
    parse(
        json!({"schema": "enrolment/v1", "member": member(&["procurement-supervision"]), "directory_version": 8}),
    )
}

pub fn removal() -> Removal {
    parse(
        json!({"schema": "removal/v1", "member": member(&["procurement-supervision"]), "directory_version": 9}),
    )
}

pub fn delegation() -> Delegation {
    let mut member = member(&["regional-government"]);
    member["region"] = json!("150100");
    member["overlay_region"] = json!("150100");
    parse(json!({"schema": "delegation/v1", "member": member, "directory_version": 10}))
}

pub fn clock() -> ClockConfirmation {
    parse(
        json!({"schema": "clock-confirmation/v1", "clock": AT, "signed_before": AT, "next": ["chengxin serve"]}),
    )
}

pub fn token() -> JoinToken {
    parse(json!({"schema": "join-token/v1", "token": "once-only", "agency": OWN, "expires_at": AT,
        "addresses": ["/ip4/127.0.0.1/tcp/7801"], "root_fingerprint": DIGEST}))
}

pub fn token_again() -> JoinToken {
    JoinToken { replaced: parse(json!(AT)), ..token() }
}

pub fn init() -> InitOutcome {
    parse(json!({"schema": "init/v1", "dry_run": false, "agency": OWN, "home": "/srv/node",
        "files": [{"path": "/srv/node/config.toml", "purpose_zh": "配置", "purpose_en": "configuration"}],
        "accounts": [{"name": "zhang", "uid": 1001, "roles": ["clerk"]}],
        "next": ["chengxin --home /srv/node serve"]}))
}

pub fn founded() -> FederationFounded {
    parse(json!({"schema": "federation/v1", "federation": "nmg", "root_fingerprint": DIGEST, "threshold": 2,
        "files": [{"path": "/media/usb/root-1.key", "purpose_zh": "根密钥", "purpose_en": "root key"}], "expires_at": AT,
        "next": ["chengxin serve"]}))
}

pub fn joined() -> Joined {
    parse(
        json!({"schema": "join/v1", "federation": "nmg", "root_fingerprint": DIGEST, "agency": OWN, "directory_version": 8,
        "members": 5, "next": ["chengxin serve"]}),
    )
}

/// By a node that lost its directory, and that `init` was told other functions than the coordinator.
pub fn joined_again() -> Joined {
    Joined {
        differences: parse(
            json!([{"field": "functions", "here": "market-supervision", "entered": "market-regulation"}]),
        ),
        again: parse(
            json!({"signed_at": AT, "newest_seen": false, "damaged": "/srv/node/trust.damaged-1795334400"}),
        ),
        ..joined()
    }
}

pub fn certificate() -> CertificateVerification {
    parse(
        json!({"schema": "certificate/v1", "holds": false, "faults": [["签名不成立", "the signature does not hold"]], "claims": {
        "coverage": {"complete": true, "as_of": AT, "asked": 1, "answered": 1, "refused": 0, "silent": 0, "agencies": [
            {"agency": OWN, "name": "示例财政厅", "outcome": "answered", "as_of": AT, "records": 0}]},
        "check": "x-0123456789abcdef0123456789abcdef", "agency": OWN, "agency_name": "示例财政厅", "subject": "91320100748204660Q",
        "purpose": "government-procurement", "case_reference": "CG-2026-031", "purpose_name": ["政府采购", "government procurement"],
        "authorisation": {"reference": "授权书〔2026〕15号", "document": DIGEST},
        "categories": ["general_breach", "serious_breach"], "operator": "zhang", "role": "clerk",
        "released_by": {"account": "li", "role": "reviewer"}, "records": [{
            "issuer": OWN, "record": RECORD, "vct": "urn:chengxin:record:administrative-penalty:1", "category": "general_breach",
            "severity": "general", "state": "effective", "determined_on": "2026-05-04", "presented": "x", "name_match_only": true}],
        "restrictions": [{"issuer": OWN, "notice": NOTICE, "version": 1, "measure": "restrict-government-procurement",
            "legal_basis": "《中华人民共和国政府采购法》第二十二条", "from": "2026-11-01", "until": "2027-12-31", "applied_here": true,
            "measure_name": ["限制参加政府采购", "exclusion from government procurement"]}],
        "policy": "baseline-1", "audit_entry": 17}}),
    )
}

pub fn config_validation() -> ConfigValidation {
    parse(json!({"schema": "config-validation/v1", "files": ["/etc/chengxin/config.toml"], "faults": [
        {"key": "network.lisen", "place": "/etc/chengxin/config.toml:4", "detail_zh": "未知的键", "detail_en": "unknown key"}]}))
}
