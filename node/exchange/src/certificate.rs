//! The check certificate: what was learned, signed, with everything needed to verify it offline.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::PresentedRecord;
use chengxin_schemas::certificate::{
    CERTIFICATE_LIMIT, CERTIFICATE_TYP, CertificateClaims, CertificateRecord, CertificateRestriction,
};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::jws_sign_within;
use chengxin_schemas::record::RecordClaims;
use chengxin_trust::EvidenceBundle;
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
pub use crate::certificate_verify::{VerifiedCertificate, certificate_verify};
use crate::check::{CheckResult, FoundRecord};
use crate::error::{ExchangeError, Result};
use crate::node::Node;
use crate::operation::Operation;
use crate::restriction::RestrictionInForce;

/// Largest certificate file written and read, in bytes. A member that holds nothing takes about 4 KiB of it: request,
/// answer, directory entry and its lines in the coverage and in the list of members; a record about 4 KiB more. So 3,000
/// members take 12 MiB and the largest federation fits.
pub const CERTIFICATE_FILE_LIMIT: usize = 64 * 1024 * 1024;

/// A certificate file, version 3: the signed certificate, the requests and answers it rests on, and the directory
/// evidence by which all signers' keys are traced to the root of trust. The requests tie the answers to the subject and
/// the purpose: an answer names neither.
///
/// Version 2 has the same form. Its certificates did not state at first which name was searched for and on which legal
/// basis, so that nothing follows from the absence of either; in version 3 it means that there was none. The tag is not
/// signed: who puts the former one before a certificate takes away from what it says and adds nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// `chengxin/check-certificate/v3`; files of version 2 are read.
    pub schema: CertificateSchema,
    /// The compact JWS of the certificate.
    pub certificate: String,
    /// The answers, in the order of the coverage, refusals included. A silent agency has none.
    pub answers: Vec<CertificateAnswer>,
    /// Directory metadata, with the entries of the agency that checked and of those that answered.
    pub evidence: EvidenceBundle,
}

/// The version tag of [`CertificateFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSchema {
    /// Version 2: read, not written.
    #[serde(rename = "chengxin/check-certificate/v2")]
    V2,
    /// Version 3.
    #[serde(rename = "chengxin/check-certificate/v3")]
    V3,
}

/// One answer in a certificate file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAnswer {
    /// The compact JWS of the request that it answers.
    pub request: String,
    /// The answer's compact JWS.
    pub answer: String,
    /// The presentations it covers.
    pub presentations: Vec<String>,
}

impl Node {
    /// Signs a certificate of a check just made. The issuing is an entry of its own in the audit log.
    ///
    /// # Errors
    /// [`ExchangeError::Conflict`] if the member directory has changed since: the certificate names every member, and the
    /// evidence in it is that of the directory in force. `TooLarge` if the answers do not fit a file.
    pub async fn certificate_issue(
        &self,
        operation: &Operation,
        result: &CheckResult,
    ) -> Result<CertificateFile> {
        let claims = CertificateClaims {
            iss: self.parts.agency,
            iat: result.at,
            jti: self.request_nonce().to_string(),
            subject: result.subject.clone(),
            subject_name: result.subject_name.clone(),
            check_exception: result.check_exception.clone(),
            purpose: result.purpose.clone(),
            legal_basis: result.legal_basis.clone(),
            authorisation: result.authorisation.clone(),
            case_reference: result.case_reference.clone(),
            operator: result.operator.clone(),
            released_by: result.released_by.clone(),
            policy: result.policy.clone(),
            directory: result.directory,
            coverage: result.coverage.clone(),
            complete: result.complete,
            categories: result.categories.clone(),
            records: result.records.iter().map(certificate_record).collect(),
            restrictions: result
                .restrictions
                .iter()
                .map(|one| certificate_restriction(one, result))
                .collect(),
            audit_entry: result.audit_entry,
        };
        let certificate =
            jws_sign_within(CERTIFICATE_TYP, &claims, &self.parts.keys.signing, CERTIFICATE_LIMIT)?;
        let signers: Vec<AgencyCode> = std::iter::once(self.parts.agency)
            .chain(result.evidence.iter().map(|answer| answer.agency))
            .collect();
        // Versions only rise, so the evidence taken between these two looks is of this one.
        self.directory_unchanged(result.directory)?;
        let evidence = self.parts.trust.evidence_export(&signers).await?;
        self.directory_unchanged(result.directory)?;
        let answers = result
            .evidence
            .iter()
            .map(|answer| CertificateAnswer {
                request: answer.request.clone(),
                answer: answer.answer.clone(),
                presentations: answer.presentations.clone(),
            })
            .collect();
        let file = CertificateFile { schema: CertificateSchema::V3, certificate, answers, evidence };
        file_length_check(&file)?;
        let entry = EntryDraft::new(EntryKind::CertificateIssued)
            .purpose(&result.purpose, &result.case_reference, result.legal_basis.as_ref())
            .authorisation(result.authorisation.as_ref())
            .released_by(result.released_by.as_ref())
            .subject(&result.subject)
            .check_exception(result.check_exception.as_ref())
            .subject_name(result.subject_name.as_deref())
            .policy(&result.policy)
            .result(Sha256::of(file.certificate.as_bytes()));
        self.audit_append_each(Some(operation), entry, result.others.iter().cloned()).await?;
        Ok(file)
    }

    fn directory_unchanged(&self, version: u64) -> Result<()> {
        if self.directory()?.version() == version {
            return Ok(());
        }
        Err(ExchangeError::Conflict {
            what: "certificate",
            reason: "the member directory has changed since the check: check again".to_owned(),
        })
    }
}

/// Refuses a file that nobody would read, without writing it out.
fn file_length_check(file: &CertificateFile) -> Result<()> {
    struct Counted(usize);
    impl std::io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, file).map_err(|_| SchemaError::Malformed {
        form: "certificate file",
        reason: "it does not serialise".to_owned(),
    })?;
    length_check(counted.0)
}

pub(crate) fn length_check(actual: usize) -> Result<()> {
    if actual <= CERTIFICATE_FILE_LIMIT {
        return Ok(());
    }
    let limit = CERTIFICATE_FILE_LIMIT;
    Err(SchemaError::TooLarge { what: "certificate file", unit: "bytes", actual, limit }.into())
}

fn certificate_record(record: &FoundRecord) -> CertificateRecord {
    CertificateRecord {
        issuer: record.issuer,
        record: record.record,
        vct: record.claims.vct.clone(),
        category: record.claims.category,
        severity: record.claims.severity,
        state: record.state,
        determined_on: record.claims.determined_on,
        presented: record.presented.clone(),
        name_match_only: record.name_match_only,
    }
}

/// What a certificate says of a record in an answer.
pub(crate) fn certificate_record_of(listed: &PresentedRecord, claims: &RecordClaims) -> CertificateRecord {
    CertificateRecord {
        issuer: claims.iss,
        record: listed.record,
        vct: claims.vct.clone(),
        category: claims.category,
        severity: claims.severity,
        state: listed.state,
        determined_on: claims.determined_on,
        presented: listed.presented.clone(),
        name_match_only: listed.name_match_only,
    }
}

fn certificate_restriction(restriction: &RestrictionInForce, result: &CheckResult) -> CertificateRestriction {
    CertificateRestriction {
        issuer: restriction.issuer,
        notice: restriction.notice,
        version: restriction.version,
        binds: (restriction.binds != result.subject).then(|| restriction.binds.masked()),
        measure: restriction.measure.clone(),
        legal_basis: restriction.legal_basis.clone(),
        from: restriction.from,
        until: restriction.until,
        applied_here: restriction.applied_here,
    }
}
