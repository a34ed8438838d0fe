//! The policy in force, explained. Explaining is not asking: nothing is read about any subject.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use chengxin_policy::{
    AccessRequest, Action, AskerContext, Condition, Decision, Permit, Release, SecondPerson,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;

use super::{Answer, document, query};
use crate::failure::Failure;
use crate::services::Services;
use crate::types::policy::{
    FieldExplanation, FunctionEntry, MeasureEntry, Needed, NeededPurpose, Policy, PolicyCell,
    PolicyExplainRequest, PolicyExplanation, PolicyExplanationSchema, PolicySchema, PolicyTable,
    PolicyTableQuery, PolicyTableSchema, PurposeEntry,
};
use crate::types::problem::Problem;
use crate::types::record::FieldShown;

pub(crate) async fn policy_show(State(services): State<Arc<Services>>) -> Answer<Policy> {
    let policy = services.node.policy();
    let bundle = policy.bundle();
    let purposes = bundle
        .purposes()
        .iter()
        .map(|purpose| PurposeEntry {
            code: purpose.code.clone(),
            name: purpose.chinese.clone(),
            name_en: purpose.english.clone(),
            requirement: purpose.requirement.clone(),
            legal_basis: purpose.legal_basis.as_ref().map(ToString::to_string),
            roles: purpose.roles.clone(),
            case_reference: purpose.case_reference,
            subject_authorisation: purpose.subject_authorisation,
            second_person: purpose.second_person,
            daily_limit: purpose.daily_limit,
            daily_limit_body: purpose.daily_limit_body,
        })
        .collect();
    let measures = bundle
        .measures()
        .iter()
        .flat_map(|measure| measure.grounds.iter().map(move |ground| (measure, ground)))
        .map(|(measure, ground)| MeasureEntry {
            code: measure.code.clone(),
            name: measure.chinese.clone(),
            name_en: measure.english.clone(),
            object: ground.object,
            severity_floor: ground.severity_floor,
            legal_basis: ground.legal_basis.as_ref().map(ToString::to_string),
            document: ground.document.clone(),
            verified: ground.verified,
        })
        .collect();
    let version = bundle.rules_version().to_owned();
    let functions = bundle
        .functions()
        .iter()
        .map(|function| FunctionEntry {
            code: function.code.clone(),
            name: function.chinese.clone(),
            name_en: function.english.clone(),
            source: function.source.clone(),
            verified: function.verified,
        })
        .collect();
    Ok(Json(Policy { schema: PolicySchema::V1, version, purposes, measures, functions }))
}

pub(crate) async fn policy_explain(
    State(services): State<Arc<Services>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<PolicyExplanation> {
    let mut question: PolicyExplainRequest = document(body)?;
    let policy = services.node.policy();
    let concerned = policy.bundle().purpose(&question.purpose).map_or(&[][..], |purpose| &purpose.subjects);
    let kind = question.subject_kind.unwrap_or(match concerned {
        [only] => *only,
        _ => SubjectKind::Organisation,
    });
    question.subject_kind = Some(kind);
    let request = request(&services, question.role, &question.purpose, kind, vec![question.category])?;
    let (permitted, rule, reason_zh, reason_en, fields) = match policy.authorize(&request) {
        Decision::Permit(permit) => {
            let fields = question
                .record_type
                .map(|record_type| fields(&permit, &services, record_type, question.category, kind))
                .unwrap_or_default();
            let rule = permit.rule().as_str().to_owned();
            let (zh, en) = (format!("规则 {rule} 允许"), format!("rule {rule} allows it"));
            (true, rule, zh, en, fields)
        }
        Decision::Denied(denied) => {
            (false, denied.rule.as_str().to_owned(), denied.chinese(), denied.english(), Vec::new())
        }
    };
    let bare = AccessRequest {
        case_reference: None,
        legal_basis: None,
        authorisation: None,
        second_person: None,
        ..request
    };
    let needed = policy.needed(&bare).map(needed);
    Ok(Json(PolicyExplanation {
        schema: PolicyExplanationSchema::V1,
        question,
        permitted,
        rule: Some(rule),
        reason_zh,
        reason_en,
        needed,
        fields,
        policy: policy.bundle().rules_version().to_owned(),
    }))
}

fn needed(needed: chengxin_policy::Needed) -> Needed {
    let codes = |conditions: Vec<Condition>| {
        conditions.into_iter().map(|condition| condition.as_str().to_owned()).collect()
    };
    let purposes = needed.purposes.into_iter().map(|purpose| NeededPurpose {
        code: purpose.code,
        name: purpose.chinese,
        name_en: purpose.english,
        conditions: codes(purpose.conditions),
    });
    Needed { purposes: purposes.collect(), conditions: codes(needed.conditions), more: needed.more }
}

pub(crate) async fn policy_table(
    State(services): State<Arc<Services>>,
    wanted: Result<Query<PolicyTableQuery>, QueryRejection>,
) -> Answer<PolicyTable> {
    let wanted = query(wanted)?;
    let policy = services.node.policy();
    let mut cells = Vec::new();
    let purposes = policy.bundle().purposes().iter();
    for purpose in purposes.filter(|purpose| wanted.purpose.as_ref().is_none_or(|only| *only == purpose.code))
    {
        for role in Role::ALL.iter().filter(|role| wanted.role.is_none_or(|only| only == **role)) {
            for kind in &purpose.subjects {
                let categories = InformationCategory::ALL.to_vec();
                let request = request(&services, *role, &purpose.code, *kind, categories)?;
                cells.extend(policy.explain(&request).cells.into_iter().map(|cell| PolicyCell {
                    role: *role,
                    purpose: purpose.code.clone(),
                    subject_kind: *kind,
                    category: cell.category,
                    level: cell.level,
                    decision: cell.treatment.as_str().to_owned(),
                    rule: cell.rule.as_str().to_owned(),
                }));
            }
        }
    }
    let version = policy.bundle().rules_version().to_owned();
    Ok(Json(PolicyTable { schema: PolicyTableSchema::V1, policy: version, cells }))
}

/// A question of this node's own agency, with every condition met that a question can meet: the explanation is about
/// rules, not about a forgotten case number.
fn request(
    services: &Services,
    role: Role,
    purpose: &PurposeCode,
    subject_kind: SubjectKind,
    categories: Vec<InformationCategory>,
) -> Result<AccessRequest, Failure> {
    let directory = services.node.directory()?;
    let own = directory.entry(services.node.agency()).ok_or_else(|| {
        Problem::new(
            ErrorCode::NotFound,
            "this node is not in the member directory yet",
            "本节点尚未录入成员目录",
        )
    })?;
    let policy = services.node.policy();
    let known = policy.bundle().purpose(purpose);
    let action = match known {
        Some(purpose) if !purpose.actions.contains(&Action::Ask) => {
            purpose.actions.first().copied().unwrap_or(Action::Ask)
        }
        Some(_) | None => Action::Ask,
    };
    Ok(AccessRequest {
        asker: AskerContext { agency: own.agency, functions: own.functions.clone(), region: own.region },
        role,
        purpose: purpose.clone(),
        case_reference: Some("policy-explain".parse()?),
        legal_basis: Some("policy explain".parse()?),
        authorisation: Some(SubjectAuthorisation { reference: "policy explain".parse()?, document: None }),
        second_person: Some(SecondPerson::supposed(Role::Reviewer)),
        subject_kind,
        own_records: action == Action::Read,
        categories,
        action,
    })
}

fn fields(
    permit: &Permit,
    services: &Services,
    record_type: RecordType,
    category: InformationCategory,
    kind: SubjectKind,
) -> Vec<FieldExplanation> {
    let person = kind == SubjectKind::Person;
    let policy = services.node.policy();
    record_type
        .fields()
        .iter()
        .filter_map(|definition| {
            let class = policy.bundle().field_class(record_type, definition.name)?;
            let (shown, reason) = match permit.release(record_type, category, definition.name, person) {
                Release::Show => (FieldShown::Shown, None),
                Release::Mask(_) => (FieldShown::Masked, None),
                Release::Withhold(reason) => (FieldShown::Withheld, Some(reason)),
            };
            Some(FieldExplanation {
                name: definition.name.to_owned(),
                label: definition.chinese.to_owned(),
                level: class.level_for(person),
                shown,
                reason_zh: reason.as_ref().map(|reason| reason.chinese().to_owned()),
                reason_en: reason.as_ref().map(|reason| reason.english().to_owned()),
            })
        })
        .collect()
}
