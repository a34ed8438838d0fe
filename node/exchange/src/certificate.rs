//! The check certificate: what was learned, signed, with everything needed to verify it offline.

use chengxin_schemas::certificate::{
    CERTIFICATE_TYP, CertificateClaims, CertificateRecord, CertificateRestriction, CoverageOutcome,
};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::sd_jwt::presentations_digest;
use chengxin_trust::{EvidenceBundle, RootFingerprint, VerifiedEvidence, evidence_verify};
use serde::{Deserialize, Serialize};

use crate::audit::{EntryDraft, EntryKind};
use crate::check::CheckResult;
use crate::error::Result;
use crate::node::Node;
use crate::operation::Operation;

/// Largest certificate file read, in bytes: 3,000 answers of a few records each.
pub const CERTIFICATE_FILE_LIMIT: usize = 64 * 1024 * 1024;

/// A certificate file, version 1: the signed certificate, the answers it rests on, and the directory evidence by
/// which all signers' keys are traced to the root of trust.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// Always `chengxin/check-certificate/v1`.
    pub schema: CertificateSchema,
    /// The compact JWS of the certificate.
    pub certificate: String,
    /// The answers, in the order of the coverage.
    pub answers: Vec<CertificateAnswer>,
    /// Directory metadata and entries.
    pub evidence: EvidenceBundle,
}

/// The version tag of [`CertificateFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSchema {
    /// Version 1.
    #[serde(rename = "chengxin/check-certificate/v1")]
    V1,
}

/// One answer in a certificate file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAnswer {
    /// The answer's compact JWS.
    pub answer: String,
    /// The presentations it covers.
    pub presentations: Vec<String>,
}

/// A certificate that verified, with who signed what.
#[derive(Clone, Debug)]
pub struct VerifiedCertificate {
    claims: CertificateClaims,
    issuer_name: String,
    answers_verified: usize,
}

impl VerifiedCertificate {
    /// What the certificate says.
    pub fn claims(&self) -> &CertificateClaims {
        &self.claims
    }

    /// The name of the agency that signed, from its directory entry.
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// How many peers' answers stand behind it, each verified.
    pub fn answers_verified(&self) -> usize {
        self.answers_verified
    }
}

impl Node {
    /// Signs a certificate of a check just made. The issuing is an entry of its own in the audit log.
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
            purpose: result.purpose.clone(),
            case_reference: result.case_reference.clone(),
            operator: result.operator.clone(),
            policy: result.policy.clone(),
            directory: result.directory,
            coverage: result.coverage.clone(),
            complete: result.complete,
            categories: result.categories.clone(),
            records: result.records.iter().map(certificate_record).collect(),
            restrictions: result.restrictions.iter().map(certificate_restriction).collect(),
            audit_entry: result.audit_entry,
        };
        let certificate = jws_sign(CERTIFICATE_TYP, &claims, &self.parts.keys.signing)?;
        let agencies: Vec<_> = result.coverage.iter().map(|entry| entry.agency).collect();
        let evidence = self.parts.trust.evidence_export(&agencies).await?;
        let answers = result
            .evidence
            .iter()
            .map(|answer| CertificateAnswer {
                answer: answer.answer.clone(),
                presentations: answer.presentations.clone(),
            })
            .collect();
        let entry = EntryDraft::new(EntryKind::CertificateIssued)
            .purpose(&result.purpose, &result.case_reference, None)
            .subject(&result.subject)
            .policy(&result.policy)
            .result(Sha256::of(certificate.as_bytes()));
        self.audit_append(Some(operation), entry).await?;
        Ok(CertificateFile { schema: CertificateSchema::V1, certificate, answers, evidence })
    }
}

/// Verifies a certificate file with nothing but the fingerprint of the federation's root of trust. Needs no network, no
/// node and no keys. Time is judged as of the certificate: an old certificate stays verifiable, and says how old it is.
pub async fn certificate_verify(bytes: &[u8], root: RootFingerprint) -> Result<VerifiedCertificate> {
    if bytes.len() > CERTIFICATE_FILE_LIMIT {
        return Err(SchemaError::TooLarge {
            what: "certificate file",
            unit: "bytes",
            actual: bytes.len(),
            limit: CERTIFICATE_FILE_LIMIT,
        }
        .into());
    }
    let malformed = |reason: String| SchemaError::Malformed { form: "certificate file", reason };
    let file: CertificateFile = serde_json::from_slice(bytes).map_err(|error| {
        malformed(format!("not a check certificate: line {} column {}", error.line(), error.column()))
    })?;
    let unverified = UnverifiedJws::parse(&file.certificate, CERTIFICATE_TYP, CERTIFICATE_FILE_LIMIT)?;
    let alleged: CertificateClaims = unverified.claims_unverified()?;
    let evidence = evidence_verify(&file.evidence, root, alleged.iat).await?;
    let entry = evidence
        .entry(&alleged.iss)
        .ok_or_else(|| integrity("the signer has no directory entry in the evidence"))?;
    let claims = verify_from::<CertificateClaims>(unverified, entry, alleged.iat)?.into_claims();
    let answers_verified = answers_verify(&claims, &file.answers, &evidence)?;
    Ok(VerifiedCertificate { claims, issuer_name: entry.name.clone(), answers_verified })
}

/// Every answer the coverage cites must be there, signed by the agency named, over the presentations given.
fn answers_verify(
    claims: &CertificateClaims,
    answers: &[CertificateAnswer],
    evidence: &VerifiedEvidence,
) -> Result<usize> {
    let mut verified = 0_usize;
    for covered in &claims.coverage {
        let CoverageOutcome::Answered { answer: Some(digest), .. } = &covered.outcome else { continue };
        let answer = answers
            .iter()
            .find(|answer| Sha256::of(answer.answer.as_bytes()) == *digest)
            .ok_or_else(|| integrity("an answer the certificate cites is missing"))?;
        let entry = evidence
            .entry(&covered.agency)
            .ok_or_else(|| integrity("an answering agency has no directory entry in the evidence"))?;
        let unverified =
            UnverifiedJws::parse(&answer.answer, chengxin_schemas::answer::ANSWER_TYP, JWS_LIMIT)?;
        let alleged: chengxin_schemas::answer::AnswerClaims = unverified.claims_unverified()?;
        let signed = verify_from::<chengxin_schemas::answer::AnswerClaims>(unverified, entry, alleged.iat)?;
        if signed.claims().iss != covered.agency
            || signed.claims().sd_hash != presentations_digest(&answer.presentations)
        {
            return Err(integrity("an answer does not cover the records beside it").into());
        }
        verified = verified.saturating_add(1);
    }
    Ok(verified)
}

fn integrity(reason: &str) -> SchemaError {
    SchemaError::Integrity { form: "certificate", reason: reason.to_owned() }
}

fn certificate_record(record: &crate::check::FoundRecord) -> CertificateRecord {
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

fn certificate_restriction(restriction: &crate::restriction::RestrictionInForce) -> CertificateRestriction {
    CertificateRestriction {
        issuer: restriction.issuer,
        notice: restriction.notice,
        version: restriction.version,
        measure: restriction.measure.clone(),
        legal_basis: restriction.legal_basis.clone(),
        from: restriction.from,
        until: restriction.until,
        applied_here: restriction.applied_here,
    }
}
