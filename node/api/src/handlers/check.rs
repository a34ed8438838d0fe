//! A check across the federation, and its certificate.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::{Extension, Json};
use chengxin_exchange::check::{
    CheckRequest as Wanted, CheckResult as Found, DEADLINE_LIMIT_MS, FoundRecord,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::certificate::{CoverageEntry, CoverageOutcome};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::searched_name_check;
use chengxin_schemas::time::UnixTime;

use super::restriction::restriction;
use super::subject::subject_named;
use super::{Answer, document, record};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::check::{
    AgencyCoverage, AgencyOutcome, CHECK_DEADLINE_DEFAULT_MS, CheckRecord, CheckRequest, CheckResult,
    CheckSchema, Coverage,
};
use crate::types::problem::Problem;

pub(crate) async fn check_run(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<CheckResult> {
    let request: CheckRequest = document(body)?;
    if let Some(name) = &request.name {
        searched_name_check(name, "name")?;
    }
    let deadline_ms = request.deadline_ms.unwrap_or(CHECK_DEADLINE_DEFAULT_MS);
    if !(1..=DEADLINE_LIMIT_MS).contains(&deadline_ms) {
        return Err(Failure::field("deadline_ms", "not between 1 and 60,000", "不在 1 到 60000 之间"));
    }
    let (subject, check_exception) = subject_named(&caller, &request.subject, request.accept.as_deref())?;
    let wanted = Wanted {
        subject,
        check_exception,
        subject_name: request.name.clone(),
        purpose: request.purpose,
        case_reference: request.case_reference,
        legal_basis: request.legal_basis,
        authorisation: request.authorisation,
        release: request.release,
        categories: request.categories,
        deadline_ms,
    };
    let found = services.node.check_run(&caller.operation, wanted).await?;
    let certificate = if request.certificate {
        let file = services.node.certificate_issue(&caller.operation, &found).await?;
        Some(serde_json::to_value(&file).map_err(|error| certificate_fault(&error))?)
    } else {
        None
    };
    Ok(Json(result(&services, found, request.name, certificate)?))
}

fn result(
    services: &Services,
    found: Found,
    name: Option<String>,
    certificate: Option<serde_json::Value>,
) -> Result<CheckResult, Failure> {
    let coverage = coverage(found.coverage, &found.categories, found.complete, found.at);
    let mut records = found.records.into_iter().map(check_record).collect::<Result<Vec<_>, _>>()?;
    records.sort_by_key(|record| (weight(record.category), std::cmp::Reverse(record.determined_on)));
    let policy = services.node.policy();
    let purpose = policy.bundle().purpose(&found.purpose);
    Ok(CheckResult {
        schema: CheckSchema::V1,
        coverage,
        subject: found.subject.masked(),
        check_exception: found.check_exception,
        name,
        purpose_name: purpose.map(|purpose| purpose.chinese.clone()),
        purpose_name_en: purpose.map(|purpose| purpose.english.clone()),
        purpose: found.purpose,
        case_reference: found.case_reference,
        categories: found.categories,
        restrictions: found
            .restrictions
            .into_iter()
            .map(|one| restriction(services, one, &found.subject))
            .collect(),
        records,
        policy: found.policy,
        audit_entry: found.audit_entry,
        certificate,
    })
}

/// The most serious first.
fn weight(category: InformationCategory) -> u8 {
    match category {
        InformationCategory::SeriousBreach => 0,
        InformationCategory::GeneralBreach => 1,
        InformationCategory::RiskWarning => 2,
        InformationCategory::Enhancing => 3,
        InformationCategory::Basic => 4,
    }
}

/// Counts and sorts: agencies that did not answer stand first, because they are what the reader must not miss.
fn coverage(
    entries: Vec<CoverageEntry>,
    categories: &[InformationCategory],
    complete: bool,
    at: UnixTime,
) -> Coverage {
    let mut agencies: Vec<_> = entries
        .into_iter()
        .map(|entry| AgencyCoverage {
            agency: entry.agency,
            name: entry.name,
            outcome: outcome(entry.outcome, categories),
        })
        .collect();
    let rank = |outcome: &AgencyOutcome| match outcome {
        AgencyOutcome::Silent { .. } => 0_u8,
        AgencyOutcome::Refused { .. } => 1,
        AgencyOutcome::Answered { missing, .. } => 3 - u8::from(!missing.is_empty()),
    };
    // Stable: within a rank the own node stays first.
    agencies.sort_by_key(|part| rank(&part.outcome));
    let count =
        |wanted: fn(&AgencyOutcome) -> bool| agencies.iter().filter(|part| wanted(&part.outcome)).count();
    Coverage {
        complete,
        as_of: at.into(),
        asked: agencies.len(),
        answered: count(|outcome| matches!(outcome, AgencyOutcome::Answered { .. })),
        refused: count(|outcome| matches!(outcome, AgencyOutcome::Refused { .. })),
        silent: count(|outcome| matches!(outcome, AgencyOutcome::Silent { .. })),
        agencies,
    }
}

fn outcome(outcome: CoverageOutcome, wanted: &[InformationCategory]) -> AgencyOutcome {
    match outcome {
        CoverageOutcome::Answered { as_of, categories, records, answer: _ } => AgencyOutcome::Answered {
            as_of: as_of.into(),
            records,
            missing: wanted.iter().copied().filter(|category| !categories.contains(category)).collect(),
        },
        CoverageOutcome::Refused { code, rule, reason } => AgencyOutcome::Refused { code, rule, reason },
        CoverageOutcome::Silent { code, reason } => AgencyOutcome::Silent { code, reason },
    }
}

fn check_record(found: FoundRecord) -> Result<CheckRecord, Failure> {
    Ok(CheckRecord {
        record: found.record,
        record_type: RecordType::from_vct(&found.claims.vct)?,
        category: found.claims.category,
        severity: found.claims.severity,
        state: found.state,
        issuer: found.issuer,
        issuer_name: found.issuer_name,
        determined_on: found.claims.determined_on,
        publicity_end: found.claims.publicity_end,
        name_match_only: found.name_match_only,
        rule: found.rule,
        fields: found.fields.into_iter().map(record::field).collect(),
    })
}

/// The node's own document did not become JSON.
fn certificate_fault(error: &serde_json::Error) -> Failure {
    tracing::error!(%error, "a certificate cannot be shown");
    Problem::new(ErrorCode::Internal, "the certificate cannot be shown", "核查凭证无法显示").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengxin_schemas::ErrorCode;

    #[test]
    fn who_did_not_answer_stands_first_and_missing_categories_are_named() {
        let entry = |agency: &str, outcome| CoverageEntry {
            agency: agency.parse().expect("agency"),
            name: "示例".to_owned(),
            outcome,
        };
        let answered = |categories: &[InformationCategory]| CoverageOutcome::Answered {
            as_of: UnixTime(1),
            categories: categories.to_vec(),
            records: 0,
            answer: None,
        };
        let wanted = [InformationCategory::GeneralBreach, InformationCategory::SeriousBreach];
        let silent = CoverageOutcome::Silent { code: ErrorCode::Timeout, reason: "late".to_owned() };
        let coverage = coverage(
            vec![
                entry("11152105011615449P", answered(&wanted)),
                entry("11152105011615449P", answered(&wanted[..1])),
                entry("11152105011615449P", silent),
            ],
            &wanted,
            false,
            UnixTime(2),
        );
        assert_eq!((coverage.asked, coverage.answered, coverage.silent, coverage.refused), (3, 2, 1, 0));
        assert!(matches!(coverage.agencies[0].outcome, AgencyOutcome::Silent { .. }));
        assert!(matches!(
            &coverage.agencies[1].outcome,
            AgencyOutcome::Answered { missing, .. } if *missing == [InformationCategory::SeriousBreach]
        ));
    }
}
