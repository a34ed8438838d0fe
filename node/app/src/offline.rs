//! Verification without a running node: check certificates and audit logs.

use std::collections::BTreeSet;
use std::path::Path;

use chengxin_api::bounded_file::bytes_read;
use chengxin_api::chinese;
use chengxin_api::types::audit::AuditVerification;
use chengxin_api::types::check::{AgencyCoverage, AgencyOutcome, Coverage};
use chengxin_api::types::time::Moment;
use chengxin_audit_log::note::NoteVerifier;
use chengxin_audit_log::verify::verify_folder;
use chengxin_cli::arguments::CertificateVerifyArguments;
use chengxin_cli::environment::Settings;
use chengxin_cli::error::CliError;
use chengxin_cli::host::{CertificateContent, CertificateVerification, CertifiedRestriction};
use chengxin_exchange::ExchangeError;
use chengxin_exchange::certificate::{
    CERTIFICATE_FILE_LIMIT, VerifiedCertificate, certificate_verify as verify,
};
use chengxin_policy::Bundle;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::certificate::{CertificateClaims, CertificateRestriction, CoverageOutcome};

use crate::error::AppError;
use crate::home::Home;
use crate::host::{config_of, problem, runtime, told};
use crate::identity::NodeIdentity;
use crate::wiring;

/// Verifies a certificate file with the fingerprint of a federation's root and nothing else.
pub(crate) fn certificate_verify(
    settings: &Settings,
    arguments: &CertificateVerifyArguments,
) -> Result<CertificateVerification, CliError> {
    let root = match &arguments.root_fingerprint {
        Some(text) => {
            text.parse().map_err(|error: chengxin_trust::TrustError| told(AppError::from(error)))?
        }
        None => Home::new(config_of(settings)?.home).fingerprint_read().map_err(told)?.ok_or_else(|| {
            CliError::usage(
                "--root-fingerprint",
                "there is no node here whose federation could be meant",
                "本机没有已加入联盟的节点, 无法确定联盟",
                "give the fingerprint of the federation's root",
                "请给出联盟根的指纹",
            )
        })?,
    };
    let limit = u64::try_from(CERTIFICATE_FILE_LIMIT).unwrap_or(u64::MAX);
    let bytes = bytes_read(&arguments.certificate, limit)?;
    let names = Bundle::baseline().map_err(|error| told(AppError::from(error)))?;
    let verified = runtime()?.block_on(verify(&bytes, root));
    Ok(match verified {
        Ok(certificate) => CertificateVerification {
            schema: Default::default(),
            holds: true,
            faults: Vec::new(),
            claims: Some(content(&certificate, &names)),
        },
        Err(error) => CertificateVerification {
            schema: Default::default(),
            holds: false,
            faults: vec![fault(&error)],
            claims: None,
        },
    })
}

/// What does not hold, in Chinese and English.
fn fault(error: &ExchangeError) -> (String, String) {
    let mut english = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        english.push_str(": ");
        english.push_str(&source.to_string());
        cause = source.source();
    }
    let class = match error.code() {
        ErrorCode::Integrity => "签名不成立, 或与所附答复不符",
        ErrorCode::Expired => "有效期不符",
        ErrorCode::Invalid => "不是核查凭证, 或已损坏",
        ErrorCode::NotFound
        | ErrorCode::Denied
        | ErrorCode::Unauthenticated
        | ErrorCode::Conflict
        | ErrorCode::TooLarge
        | ErrorCode::Busy
        | ErrorCode::Unavailable
        | ErrorCode::Timeout
        | ErrorCode::Internal => "无法验证",
    };
    (format!("{class}: {}", chinese::message_or_same(&english)), english)
}

/// Names of purposes and measures come from the policy built into this program: a certificate holds their codes, and the
/// policy under which it was issued may not be here.
fn content(certificate: &VerifiedCertificate, names: &Bundle) -> CertificateContent {
    let claims = certificate.claims();
    let restriction = |restriction: &CertificateRestriction| CertifiedRestriction {
        restriction: restriction.clone(),
        measure_name: names
            .measure(&restriction.measure)
            .map(|measure| (measure.chinese.clone(), measure.english.clone())),
    };
    CertificateContent {
        coverage: coverage(claims),
        check: claims.jti.clone(),
        agency: claims.iss,
        agency_name: Some(certificate.issuer_name().to_owned()),
        subject: claims.subject.masked(),
        check_exception: claims.check_exception.clone(),
        subject_name: claims.subject_name.clone(),
        name_not_stated: !certificate.name_stated(),
        purpose: claims.purpose.clone(),
        legal_basis: claims.legal_basis.clone(),
        authorisation: claims.authorisation.clone(),
        released_by: claims.released_by.clone(),
        purpose_name: names
            .purpose(&claims.purpose)
            .map(|purpose| (purpose.chinese.clone(), purpose.english.clone())),
        case_reference: claims.case_reference.clone(),
        categories: claims.categories.clone(),
        operator: claims.operator.account.clone(),
        role: claims.operator.role,
        records: claims.records.clone(),
        restrictions: claims.restrictions.iter().map(restriction).collect(),
        policy: claims.policy.clone(),
        audit_entry: claims.audit_entry,
    }
}

fn coverage(claims: &CertificateClaims) -> Coverage {
    let (mut answered, mut refused, mut silent) = (0_usize, 0_usize, 0_usize);
    let mut agencies: Vec<_> = claims
        .coverage
        .iter()
        .map(|entry| {
            let outcome = match &entry.outcome {
                CoverageOutcome::Answered { as_of, categories, records, .. } => {
                    answered = answered.saturating_add(1);
                    let missing = claims
                        .categories
                        .iter()
                        .copied()
                        .filter(|category| !categories.contains(category))
                        .collect();
                    AgencyOutcome::Answered { as_of: Moment::from(*as_of), records: *records, missing }
                }
                CoverageOutcome::Refused { code, rule, reason } => {
                    refused = refused.saturating_add(1);
                    AgencyOutcome::Refused { code: *code, rule: rule.clone(), reason: reason.clone() }
                }
                CoverageOutcome::Silent { code, reason } => {
                    silent = silent.saturating_add(1);
                    AgencyOutcome::Silent { code: *code, reason: reason.clone() }
                }
            };
            AgencyCoverage { agency: entry.agency, name: entry.name.clone(), outcome }
        })
        .collect();
    agencies.sort_by_key(|entry| matches!(entry.outcome, AgencyOutcome::Answered { .. }));
    Coverage {
        complete: claims.complete,
        as_of: Moment::from(claims.iat),
        asked: agencies.len(),
        answered,
        refused,
        silent,
        agencies,
    }
}

/// Verifies an audit log folder with public keys only: those of the directory of this machine's node, and its own.
pub(crate) fn audit_verify(settings: &Settings, folder: &Path) -> Result<AuditVerification, CliError> {
    let home = Home::new(config_of(settings)?.home);
    let keys = log_keys(&home)?;
    if !folder.join("checkpoint").exists() {
        return Err(problem(
            ErrorCode::NotFound,
            &format!("{} holds no audit log: there is no file named checkpoint", folder.display()),
        ));
    }
    match verify_folder(folder, &keys, None) {
        Ok(report) => {
            let mut notes: Vec<_> =
                report.foreign.iter().map(|file| format!("foreign file: {file}")).collect();
            if let Some((file, offset)) = &report.incomplete {
                notes.push(format!(
                    "{file} ends incompletely at byte {offset}: a crash, or an append going on"
                ));
            }
            if report.bodies_absent {
                notes.push("the copy has no bodies; what they say was not checked".to_owned());
            }
            Ok(AuditVerification {
                schema: Default::default(),
                holds: true,
                origin: report.origin.to_string(),
                entries: report.size,
                root: report.root.to_string(),
                signed_by: report.signed_by,
                uncovered: report.uncovered,
                faults: Vec::new(),
                notes,
            })
        }
        Err(error) => Ok(AuditVerification {
            schema: Default::default(),
            holds: false,
            origin: String::new(),
            entries: 0,
            root: String::new(),
            signed_by: Vec::new(),
            uncovered: 0,
            faults: vec![error.to_string()],
            notes: Vec::new(),
        }),
    }
}

/// The log keys known here. Two entries never share one: the key name holds the agency.
fn log_keys(home: &Home) -> Result<Vec<NoteVerifier>, CliError> {
    let mut texts = BTreeSet::new();
    if let Ok(identity) = NodeIdentity::read(home) {
        texts.insert(wiring::log_verifier(home, &identity).map_err(told)?.to_string());
        if let Ok(trust) = runtime()?.block_on(wiring::trust_open(home))
            && let Ok(directory) = trust.directory()
        {
            texts.extend(directory.entries().map(|entry| entry.audit_log_key.clone()));
        }
    }
    let keys: Vec<_> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if keys.is_empty() {
        return Err(problem(
            ErrorCode::NotFound,
            "no audit log key is known here; name the home of a node of the federation with --home",
        ));
    }
    Ok(keys)
}
