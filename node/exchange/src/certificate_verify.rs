//! Verifying a certificate file with nothing but the fingerprint of the federation's root of trust: every signature, and
//! that the certificate says what the answers in the file say.
//!
//! What it proves: the members named were all members, each answer was given by its agency to a request of the issuer
//! about this subject for this purpose, and coverage, completeness and records are those of the answers. What rests on
//! the issuer's word alone: that an agency was silent, what the issuer itself holds, and the restrictions, which come from
//! notices sealed for it.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::certificate::{
    CERTIFICATE_LIMIT, CERTIFICATE_TYP, CertificateClaims, CertificateRecord, CoverageEntry, CoverageOutcome,
};
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::UnverifiedJws;
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::request::{CLOCK_TOLERANCE, REQUEST_TYP, RequestClaims};
use chengxin_schemas::subject::searched_name_check;
use chengxin_trust::{RootFingerprint, VerifiedEvidence, evidence_verify};

use crate::answer::REQUEST_LIMIT;
use crate::answer_verify::{answer_verify, covers};
use crate::certificate::{
    CertificateAnswer, CertificateFile, CertificateSchema, certificate_record_of, length_check,
};
use crate::check::CHECK_SECONDS_LIMIT;
use crate::error::Result;

/// A certificate that verified, with who signed what.
#[derive(Clone, Debug)]
pub struct VerifiedCertificate {
    claims: CertificateClaims,
    issuer_name: String,
    answers_verified: usize,
    name_stated: bool,
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

    /// Whether the certificate states which name was searched for, or that none was. A file of version 2 that names none
    /// leaves it open.
    pub fn name_stated(&self) -> bool {
        self.name_stated
    }

    /// How many peers' answers stand behind it, refusals included, each verified.
    pub fn answers_verified(&self) -> usize {
        self.answers_verified
    }
}

/// Verifies a certificate file with nothing but the fingerprint of the federation's root of trust. Needs no network, no
/// node and no keys. Time is judged as of the certificate: an old certificate stays verifiable, and says how old it is.
pub async fn certificate_verify(bytes: &[u8], root: RootFingerprint) -> Result<VerifiedCertificate> {
    length_check(bytes.len())?;
    let malformed = |reason: String| SchemaError::Malformed { form: "certificate file", reason };
    let file: CertificateFile = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        malformed(format!("not a check certificate of version 2 or 3: line {line} column {column}"))
    })?;
    let unverified = UnverifiedJws::parse(&file.certificate, CERTIFICATE_TYP, CERTIFICATE_LIMIT)?;
    let alleged: CertificateClaims = unverified.claims_unverified()?;
    let evidence = evidence_verify(&file.evidence, root, alleged.iat).await?;
    let issuer = evidence
        .entry(&alleged.iss)
        .ok_or_else(|| integrity("the signer has no directory entry in the evidence"))?;
    let claims = verify_from::<CertificateClaims>(unverified, issuer, alleged.iat)?.into_claims();
    // Also where no answer is there to agree with: nobody else's request would refuse the code or the name.
    claims.subject.vouched_check(claims.check_exception.as_ref())?;
    if let Some(name) = &claims.subject_name {
        searched_name_check(name, "subject_name")?;
    }
    let said = answers_read(file.schema, &claims, issuer, &file.answers, &evidence)?;
    let answers_verified = file.answers.len();
    coverage_agree(&claims, said.outcomes)?;
    members_agree(&claims, &evidence)?;
    records_agree(&claims, said.records)?;
    let name_stated = file.schema != CertificateSchema::V2 || claims.subject_name.is_some();
    Ok(VerifiedCertificate { issuer_name: issuer.name.clone(), claims, answers_verified, name_stated })
}

/// What the answers in a file say.
#[derive(Default)]
struct Said {
    outcomes: BTreeMap<AgencyCode, CoverageOutcome>,
    records: Vec<CertificateRecord>,
}

/// Verifies every request and answer of the file.
fn answers_read(
    schema: CertificateSchema,
    claims: &CertificateClaims,
    issuer: &DirectoryEntry,
    answers: &[CertificateAnswer],
    evidence: &VerifiedEvidence,
) -> std::result::Result<Said, SchemaError> {
    let mut said = Said::default();
    for answer in answers {
        let unverified = UnverifiedJws::parse(&answer.request, REQUEST_TYP, REQUEST_LIMIT)?;
        let verified = verify_from::<RequestClaims>(unverified, issuer, claims.iat)?;
        let digest = verified.digest();
        let request = verified.into_claims();
        request_agrees(schema, claims, &request)?;
        let agency = request.aud;
        let entry = evidence.entry(&agency).ok_or_else(|| {
            integrity(format!("agency {agency}, which answered, has no directory entry in the evidence"))
        })?;
        let verified =
            answer_verify(entry, &request, digest, claims.iat, &answer.answer, &answer.presentations)?;
        if said.outcomes.insert(agency, verified.outcome).is_some() {
            return Err(integrity(format!("there are two answers of agency {agency}")));
        }
        let records = verified.records.iter();
        said.records.extend(records.map(|one| certificate_record_of(&one.listed, one.record.claims())));
    }
    Ok(said)
}

/// The request belongs to the check that the certificate is about. A certificate in a file of version 2 need not state the
/// name and the legal basis; what it states must agree.
fn request_agrees(
    schema: CertificateSchema,
    claims: &CertificateClaims,
    request: &RequestClaims,
) -> std::result::Result<(), SchemaError> {
    let agency = request.aud;
    let age = claims.iat.since(request.iat);
    let left_open = schema == CertificateSchema::V2;
    let no_name = left_open && claims.subject_name.is_none();
    let no_basis = left_open && claims.legal_basis.is_none();
    for (what, agrees) in [
        ("about the subject of the certificate", request.subject == claims.subject),
        ("on the same person's word for its code", request.check_exception == claims.check_exception),
        ("about the name it says was searched for", no_name || request.subject_name == claims.subject_name),
        ("for its purpose", request.purpose == claims.purpose),
        ("on its legal basis", no_basis || request.legal_basis == claims.legal_basis),
        ("by the subject's authorisation", request.authorisation == claims.authorisation),
        ("for its case", request.case_reference == claims.case_reference),
        ("by its operator", request.operator == claims.operator),
        ("released by whom it says", request.released_by == claims.released_by),
        ("about its categories", request.categories == claims.categories),
        ("under its policy version", request.policy == claims.policy),
        ("of its time", (-CLOCK_TOLERANCE..=CHECK_SECONDS_LIMIT).contains(&age)),
    ] {
        if !agrees {
            return Err(integrity(format!("the request to agency {agency} is not {what}")));
        }
    }
    Ok(())
}

/// The coverage is that of the answers, no answer is left over, and the check was complete if and only if it says so.
fn coverage_agree(
    claims: &CertificateClaims,
    mut said: BTreeMap<AgencyCode, CoverageOutcome>,
) -> std::result::Result<(), SchemaError> {
    for CoverageEntry { agency, outcome, .. } in &claims.coverage {
        if *agency == claims.iss {
            own_agrees(claims, outcome)?;
            continue;
        }
        match (outcome, said.remove(agency)) {
            (CoverageOutcome::Silent { .. }, None) => {}
            (CoverageOutcome::Silent { .. }, Some(_)) => {
                return Err(integrity(format!("it calls agency {agency} silent, whose answer is here")));
            }
            (outcome, Some(answered)) if *outcome == answered => {}
            (_, Some(_)) => {
                return Err(integrity(format!(
                    "what it says of agency {agency} is not what the answer of that agency says"
                )));
            }
            (_, None) => {
                return Err(integrity(format!(
                    "the answer of agency {agency}, on which it rests, is missing"
                )));
            }
        }
    }
    if let Some(agency) = said.keys().next() {
        return Err(integrity(format!("it does not name agency {agency}, whose answer is here")));
    }
    let complete = claims.coverage.iter().all(|entry| covers(&entry.outcome, &claims.categories));
    match (claims.complete, complete) {
        (true, false) => Err(integrity("it says that the check was complete, which its coverage is not")),
        (false, true) => Err(integrity("it says that the check was not complete, which its coverage is")),
        (true, true) | (false, false) => Ok(()),
    }
}

/// What the issuer says of itself: an answer without a signature of its own, the certificate's stands for it.
fn own_agrees(claims: &CertificateClaims, outcome: &CoverageOutcome) -> std::result::Result<(), SchemaError> {
    let own = claims.records.iter().filter(|record| record.issuer == claims.iss).count();
    match outcome {
        CoverageOutcome::Answered { records, answer: None, .. } if *records == own => Ok(()),
        CoverageOutcome::Answered { .. }
        | CoverageOutcome::Refused { .. }
        | CoverageOutcome::Silent { .. } => {
            Err(integrity("what the issuer says of its own records does not agree with those it lists"))
        }
    }
}

/// The coverage names every member of the directory of that version once, by its name, and nobody else: who is left out
/// cannot have answered.
fn members_agree(
    claims: &CertificateClaims,
    evidence: &VerifiedEvidence,
) -> std::result::Result<(), SchemaError> {
    if evidence.versions().directory != claims.directory {
        return Err(integrity("its evidence is of another version of the member directory"));
    }
    let named: BTreeSet<_> = claims.coverage.iter().map(|entry| entry.agency).collect();
    if named.len() != claims.coverage.len() {
        return Err(integrity("its coverage names an agency twice"));
    }
    if let Some(agency) = named.symmetric_difference(evidence.members()).next() {
        return Err(integrity(format!(
            "its coverage is not that of all members, agency {agency} is only in one of both"
        )));
    }
    let known =
        |entry: &&CoverageEntry| evidence.entry(&entry.agency).is_some_and(|is| is.name != entry.name);
    match claims.coverage.iter().find(known) {
        Some(entry) => Err(integrity(format!("it gives agency {} another name", entry.agency))),
        None => Ok(()),
    }
}

/// Apart from the issuer's own, the records are those of the answers.
fn records_agree(
    claims: &CertificateClaims,
    mut said: Vec<CertificateRecord>,
) -> std::result::Result<(), SchemaError> {
    fn sort(records: &mut [CertificateRecord]) {
        records.sort_by(|one, two| {
            (one.issuer, one.record, &one.presented).cmp(&(two.issuer, two.record, &two.presented))
        });
    }
    let mut listed: Vec<_> =
        claims.records.iter().filter(|record| record.issuer != claims.iss).cloned().collect();
    sort(&mut listed);
    sort(&mut said);
    if listed == said { Ok(()) } else { Err(integrity("its records are not those of the answers")) }
}

fn integrity(reason: impl Into<String>) -> SchemaError {
    SchemaError::Integrity { form: "certificate", reason: reason.into() }
}
