//! The check: what does the federation hold about a counterparty, and who has said so.
//!
//! Order: own policy, own log entry, own records and restrictions, peers in parallel, verify everything, own log entry
//! with the result's digest, show. Nothing leaves the node before the first entry is durable and nothing is shown
//! before the second is.

use bytes::Bytes;
use chengxin_policy::{AccessRequest, Action, AskerContext, Decision, Permit};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome, PresentedRecord};
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::certificate::{CoverageEntry, CoverageOutcome};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::identity::{CaseReference, RecordId};
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::record::{FieldValue, RecordClaims};
use chengxin_schemas::request::{OperatorReference, REQUEST_TYP, RequestClaims};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, VerifiedRecord, presentations_digest};
use chengxin_schemas::subject::{SubjectId, SubjectKey, name_normalise};
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::audit::{EntryDraft, EntryKind};
use crate::error::Result;
use crate::node::Node;
use crate::operation::Operation;
use crate::presentation::present_own;
use crate::record::ShownField;
use crate::restriction::RestrictionInForce;

/// How long a request stays valid after its deadline, in seconds: room for the answer's way back.
const REQUEST_MARGIN: i64 = 30;
/// Longest deadline an operator may set, in milliseconds.
pub const DEADLINE_LIMIT_MS: u64 = 60_000;
/// Peers asked at the same time.
const PEERS_AT_ONCE: usize = 256;

/// What the operator wants to know.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// About whom.
    pub subject: SubjectId,
    /// The registered name, to find records without a code.
    pub subject_name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file.
    pub case_reference: CaseReference,
    /// The law, where the purpose alone does not say.
    pub legal_basis: Option<LegalBasis>,
    /// The categories of interest; empty means all that the purpose allows.
    pub categories: Vec<InformationCategory>,
    /// How long to wait for peers, in milliseconds.
    pub deadline_ms: u64,
}

/// What is known about the subject, and by whom.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The subject.
    pub subject: SubjectId,
    /// For what it was asked.
    pub purpose: PurposeCode,
    /// Under which file.
    pub case_reference: CaseReference,
    /// Who asked.
    pub operator: OperatorReference,
    /// When the check ended.
    pub at: UnixTime,
    /// Who was asked and what came of it. The own node stands first.
    pub coverage: Vec<CoverageEntry>,
    /// The categories asked about.
    pub categories: Vec<InformationCategory>,
    /// True only if every agency has answered for every category.
    pub complete: bool,
    /// Restrictions in force.
    pub restrictions: Vec<RestrictionInForce>,
    /// Records found.
    pub records: Vec<FoundRecord>,
    /// Version of the policy.
    pub policy: String,
    /// Version of the directory.
    pub directory: u64,
    /// Index of the result's entry in the audit log.
    pub audit_entry: u64,
    /// Everything received, for the certificate.
    pub evidence: Vec<AnswerEvidence>,
}

impl CheckResult {
    /// "Nothing found" may be said only then: everybody answered, and nobody holds anything.
    pub fn nothing_found(&self) -> bool {
        self.complete && self.records.is_empty() && self.restrictions.is_empty()
    }
}

/// A record found, as far as it was shown.
#[derive(Clone, Debug)]
pub struct FoundRecord {
    /// The agency that answered and determined.
    pub issuer: AgencyCode,
    /// Its name.
    pub issuer_name: String,
    /// The record.
    pub record: RecordId,
    /// The signed claims.
    pub claims: RecordClaims,
    /// The state at the time of the answer.
    pub state: RecordState,
    /// Fields shown, masked and withheld.
    pub fields: Vec<ShownField>,
    /// Found by name only: the record carries no identifier, a person must compare.
    pub name_match_only: bool,
    /// Digest of what was presented, base64url.
    pub presented: String,
    /// The rule under which it was shown.
    pub rule: String,
}

/// An answer as received.
#[derive(Clone, Debug)]
pub struct AnswerEvidence {
    /// The compact JWS of the answer.
    pub answer: String,
    /// The presentations it covers.
    pub presentations: Vec<String>,
}

/// What came of one peer.
struct PeerPart {
    coverage: CoverageEntry,
    records: Vec<FoundRecord>,
    evidence: Option<AnswerEvidence>,
}

impl Node {
    /// Checks a subject across the federation.
    pub async fn check_run(&self, operation: &Operation, wanted: CheckRequest) -> Result<CheckResult> {
        operation.require(&[Role::Clerk, Role::Reviewer], "check a subject", "clerk or reviewer")?;
        let directory = self.directory_current()?;
        let own = self.own_entry()?;
        let permit = self.check_authorize(operation, &wanted, &own).await?;
        let operator = OperatorReference { account: operation.account().clone(), role: operation.role() };
        let categories = permit.categories().to_vec();
        let deadline_ms = wanted.deadline_ms.clamp(1, DEADLINE_LIMIT_MS);

        let started =
            EntryDraft::new(EntryKind::CheckRequested).rule(permit.rule().as_str(), permit.policy_version());
        self.audit_append(Some(operation), check_entry(started, &wanted)).await?;

        let own_part = self.check_own(&wanted, &permit, &own).await?;
        let restrictions = self.restrictions_in_force(&wanted.subject, operation.now()).await?;
        let mut parts = self.check_peers(&wanted, &operator, &categories, &directory, deadline_ms).await;
        parts.sort_by_key(|part| part.coverage.agency);

        let mut coverage = vec![own_part.coverage];
        let mut records = own_part.records;
        let mut evidence = Vec::new();
        for part in parts {
            coverage.push(part.coverage);
            records.extend(part.records);
            evidence.extend(part.evidence);
        }
        let complete = coverage.iter().all(|entry| covers(&entry.outcome, &categories));
        records
            .sort_by_key(|record| std::cmp::Reverse((record.claims.category, record.claims.determined_on)));
        let mut result = CheckResult {
            subject: wanted.subject.clone(),
            purpose: wanted.purpose.clone(),
            case_reference: wanted.case_reference.clone(),
            operator,
            at: self.now(),
            coverage,
            categories,
            complete,
            restrictions,
            records,
            policy: permit.policy_version().to_owned(),
            directory: directory.version(),
            audit_entry: 0,
            evidence,
        };
        let finished = EntryDraft::new(EntryKind::CheckAnswered)
            .rule(permit.rule().as_str(), permit.policy_version())
            .result(result_digest(&result))
            .detail("complete", if complete { "true" } else { "false" })
            .detail("records", &result.records.len().to_string())
            .detail("restrictions", &result.restrictions.len().to_string());
        result.audit_entry = self.audit_append(Some(operation), check_entry(finished, &wanted)).await?.0;
        Ok(result)
    }

    async fn check_authorize(
        &self,
        operation: &Operation,
        wanted: &CheckRequest,
        own: &DirectoryEntry,
    ) -> Result<Permit> {
        let authoriser = self.policy();
        let categories = match wanted.categories.as_slice() {
            [] => InformationCategory::ALL.to_vec(),
            some => some.to_vec(),
        };
        let request = AccessRequest {
            asker: AskerContext {
                agency: self.parts.agency,
                functions: own.functions.clone(),
                region: own.region,
            },
            role: operation.role(),
            purpose: wanted.purpose.clone(),
            case_reference: Some(wanted.case_reference.clone()),
            legal_basis: wanted.legal_basis.clone(),
            subject_kind: wanted.subject.kind(),
            own_records: false,
            categories,
            action: Action::Ask,
        };
        match authoriser.authorize(&request) {
            Decision::Permit(permit) => Ok(permit),
            Decision::Denied(denied) => {
                let entry = EntryDraft::new(EntryKind::CheckDenied)
                    .denied()
                    .rule(denied.rule.as_str(), &denied.policy_version);
                self.audit_append(Some(operation), check_entry(entry, wanted)).await?;
                Err(denied.into())
            }
        }
    }

    /// The own records, under the same permit as the purpose gives: a check shows no more of them than it would of a
    /// peer's.
    async fn check_own(
        &self,
        wanted: &CheckRequest,
        permit: &Permit,
        own: &DirectoryEntry,
    ) -> Result<PeerPart> {
        let mut keys = vec![(self.subject_key(&wanted.subject), true)];
        if let Some(name) = &wanted.subject_name {
            keys.push((SubjectKey::of_name(name, &self.parts.keys.subject), false));
        }
        let mut records = Vec::new();
        for (key, identified) in keys {
            for number in self.record_numbers_of(&key, crate::record::RECORD_PAGE_LIMIT).await? {
                let Some((row, sd_jwt)) = self.record_read(number).await? else { continue };
                let subject = sd_jwt.fields().subject();
                let same =
                    if identified { subject.as_ref() == Some(&wanted.subject) } else { subject.is_none() };
                if !same || !row.state.counts() || !permit.categories().contains(&sd_jwt.claims().category) {
                    continue;
                }
                let shown = present_own(permit, self.policy().bundle(), &sd_jwt);
                records.push(FoundRecord {
                    issuer: self.parts.agency,
                    issuer_name: own.name.clone(),
                    record: row.id,
                    claims: sd_jwt.claims().clone(),
                    state: row.state,
                    fields: shown.fields,
                    name_match_only: !identified,
                    presented: sd_jwt.present(&|_| true).digest(),
                    rule: permit.rule().as_str().to_owned(),
                });
            }
        }
        let outcome = CoverageOutcome::Answered {
            as_of: self.now(),
            categories: permit.categories().to_vec(),
            records: records.len(),
            answer: None,
        };
        let coverage = CoverageEntry { agency: self.parts.agency, name: own.name.clone(), outcome };
        Ok(PeerPart { coverage, records, evidence: None })
    }

    async fn check_peers(
        &self,
        wanted: &CheckRequest,
        operator: &OperatorReference,
        categories: &[InformationCategory],
        directory: &chengxin_trust::VerifiedDirectory,
        deadline_ms: u64,
    ) -> Vec<PeerPart> {
        let mut waiting = directory.entries().filter(|entry| entry.agency != self.parts.agency);
        let mut running = FuturesUnordered::new();
        let mut parts = Vec::new();
        loop {
            while running.len() < PEERS_AT_ONCE {
                let Some(entry) = waiting.next() else { break };
                running.push(self.check_peer(wanted, operator, categories, entry, deadline_ms));
            }
            match running.next().await {
                Some(part) => parts.push(part),
                None => return parts,
            }
        }
    }

    async fn check_peer(
        &self,
        wanted: &CheckRequest,
        operator: &OperatorReference,
        categories: &[InformationCategory],
        entry: &DirectoryEntry,
        deadline_ms: u64,
    ) -> PeerPart {
        let silent = |code: ErrorCode, reason: String| PeerPart {
            coverage: CoverageEntry {
                agency: entry.agency,
                name: entry.name.clone(),
                outcome: CoverageOutcome::Silent { code, reason },
            },
            records: Vec::new(),
            evidence: None,
        };
        match self.check_peer_ask(wanted, operator, categories, entry, deadline_ms).await {
            Ok(part) => part,
            Err((code, reason)) => {
                tracing::warn!(peer = %entry.agency, code = code.as_str(), reason, "no usable answer");
                silent(code, reason)
            }
        }
    }

    /// Asks one peer and verifies what it says. An answer that does not verify counts as silence, with the reason.
    async fn check_peer_ask(
        &self,
        wanted: &CheckRequest,
        operator: &OperatorReference,
        categories: &[InformationCategory],
        entry: &DirectoryEntry,
        deadline_ms: u64,
    ) -> std::result::Result<PeerPart, (ErrorCode, String)> {
        let internal = |error: SchemaError| (error.code(), error.to_string());
        let now = self.now();
        let seconds = i64::try_from(deadline_ms / 1_000).unwrap_or(i64::MAX);
        let request = RequestClaims {
            iss: self.parts.agency,
            aud: entry.agency,
            iat: now,
            exp: now.plus(seconds).plus(REQUEST_MARGIN),
            nonce: self.request_nonce(),
            subject: wanted.subject.clone(),
            subject_name: wanted.subject_name.clone(),
            purpose: wanted.purpose.clone(),
            legal_basis: wanted.legal_basis.clone(),
            case_reference: wanted.case_reference.clone(),
            categories: categories.to_vec(),
            operator: operator.clone(),
            policy: self.policy_version(),
        };
        let text = jws_sign(REQUEST_TYP, &request, &self.parts.keys.signing).map_err(internal)?;
        let digest = Sha256::of(text.as_bytes());
        let message = wire::encode(&PeerRequest::Check(text)).map_err(internal)?;
        let reply = self
            .parts
            .peers
            .call(entry, Bytes::from(message), deadline_ms)
            .await
            .map_err(|fault| (fault.code, fault.reason))?;
        match wire::decode::<PeerResponse>(&reply).map_err(internal)? {
            PeerResponse::Check { answer, presentations } => {
                answer_verify(entry, &request, digest, self.now(), &answer, &presentations).map_err(internal)
            }
            PeerResponse::Failed { code, reason } => Err((code, reason_limit(&reason))),
            PeerResponse::Receipt(_)
            | PeerResponse::Gap { .. }
            | PeerResponse::Metadata(_)
            | PeerResponse::Versions { .. } => {
                Err((ErrorCode::Integrity, "answered with another kind of message".to_owned()))
            }
        }
    }
}

/// Verifies an answer and every record in it. Any fault refuses the whole answer: a member that sends one wrong record
/// is not believed about the others.
fn answer_verify(
    entry: &DirectoryEntry,
    request: &RequestClaims,
    request_digest: Sha256,
    now: UnixTime,
    answer: &str,
    presentations: &[String],
) -> std::result::Result<PeerPart, SchemaError> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "answer", reason: reason.to_owned() };
    let unverified = UnverifiedJws::parse(answer, ANSWER_TYP, JWS_LIMIT)?;
    // The key must be valid now, not at the time the answer claims: an answer is as fresh as its request.
    let verified = verify_from::<AnswerClaims>(unverified, entry, now)?;
    let answer_digest = verified.digest();
    let claims = verified.into_claims();
    claims.check(request, request_digest, now)?;
    if claims.sd_hash != presentations_digest(presentations) {
        return Err(integrity("the records are not those that were signed"));
    }
    let (records, outcome) = match claims.outcome {
        AnswerOutcome::Refused { code, rule, reason } => {
            (Vec::new(), CoverageOutcome::Refused { code, rule, reason: reason_limit(&reason) })
        }
        AnswerOutcome::Answered { rule, categories, records, more } => {
            if records.len() != presentations.len() {
                return Err(integrity("the list of records does not match the records"));
            }
            let mut found = Vec::with_capacity(records.len());
            for (listed, text) in records.iter().zip(presentations) {
                let record = record_verify(entry, request, &categories, listed, text, now)?;
                found.push(found_record(entry, &rule, listed, &record)?);
            }
            // An answer cut off at the limit covers nothing completely.
            let categories = if more { Vec::new() } else { categories };
            let count = found.len();
            let outcome = CoverageOutcome::Answered {
                as_of: claims.iat,
                categories,
                records: count,
                answer: Some(answer_digest),
            };
            (found, outcome)
        }
    };
    Ok(PeerPart {
        coverage: CoverageEntry { agency: entry.agency, name: entry.name.clone(), outcome },
        records,
        evidence: Some(AnswerEvidence { answer: answer.to_owned(), presentations: presentations.to_vec() }),
    })
}

/// Verifies one record: signed by the answering agency, of an answered category, about the subject asked about.
fn record_verify(
    entry: &DirectoryEntry,
    request: &RequestClaims,
    categories: &[InformationCategory],
    listed: &PresentedRecord,
    text: &str,
    now: UnixTime,
) -> std::result::Result<VerifiedRecord, SchemaError> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "record", reason: reason.to_owned() };
    let unverified = SdJwt::parse(text, SD_JWT_LIMIT)?;
    let signed_at = unverified.claims_unverified().iat;
    let key = entry.signing_key_at(unverified.key_id(), signed_at)?;
    let record = unverified.verify(key, now)?;
    let claims = record.claims();
    if claims.iss != entry.agency {
        return Err(integrity("determined by another agency than the one that answers"));
    }
    listed.check_record(&record)?;
    if !categories.contains(&claims.category) || !request.categories.contains(&claims.category) {
        return Err(integrity("of a category that was not asked about"));
    }
    let subject = record.fields().subject();
    let about = if listed.name_match_only {
        let wanted = request.subject_name.as_deref().map(name_normalise);
        let held = record.fields().subject_name().map(name_normalise);
        subject.is_none() && wanted.is_some() && wanted == held
    } else {
        subject.as_ref() == Some(&request.subject)
    };
    if !about {
        return Err(integrity("about another subject than the one asked about"));
    }
    Ok(record)
}

fn found_record(
    entry: &DirectoryEntry,
    rule: &str,
    listed: &PresentedRecord,
    record: &VerifiedRecord,
) -> std::result::Result<FoundRecord, SchemaError> {
    let record_type = record.record_type();
    let mut fields = Vec::new();
    for definition in record_type.fields() {
        let shown = record.fields().value(definition.name);
        let masked = listed.masked.get(definition.name);
        let withheld = listed.withheld.get(definition.name);
        if shown.is_none() && masked.is_none() && withheld.is_none() {
            continue;
        }
        fields.push(ShownField {
            name: definition.name.to_owned(),
            label: definition.chinese,
            value: shown.cloned().or_else(|| masked.map(|text| FieldValue::Text(reason_limit(text)))),
            masked: shown.is_none() && masked.is_some(),
            withheld: withheld.map(|reason| reason_limit(reason)),
        });
    }
    Ok(FoundRecord {
        issuer: entry.agency,
        issuer_name: entry.name.clone(),
        record: listed.record,
        claims: record.claims().clone(),
        state: listed.state,
        fields,
        name_match_only: listed.name_match_only,
        presented: listed.presented.clone(),
        rule: rule.to_owned(),
    })
}

/// Whether an outcome covers every category asked about.
fn covers(outcome: &CoverageOutcome, asked: &[InformationCategory]) -> bool {
    match outcome {
        CoverageOutcome::Answered { categories, .. } => {
            asked.iter().all(|category| categories.contains(category))
        }
        CoverageOutcome::Refused { .. } | CoverageOutcome::Silent { .. } => false,
    }
}

/// What every entry about a check holds.
fn check_entry(entry: EntryDraft, wanted: &CheckRequest) -> EntryDraft {
    entry
        .purpose(&wanted.purpose, &wanted.case_reference, wanted.legal_basis.as_ref())
        .subject(&wanted.subject)
}

/// The digest of a result: over the digests of every answer and of every own record shown, in order.
fn result_digest(result: &CheckResult) -> Sha256 {
    let mut parts: Vec<Vec<u8>> = vec![b"chengxin/check-result/v1\n".to_vec()];
    for entry in &result.coverage {
        parts.push(entry.agency.as_str().as_bytes().to_vec());
        match &entry.outcome {
            CoverageOutcome::Answered { answer: Some(digest), .. } => parts.push(digest.0.to_vec()),
            CoverageOutcome::Answered { answer: None, .. } => parts.push(b"own".to_vec()),
            CoverageOutcome::Refused { code, .. } | CoverageOutcome::Silent { code, .. } => {
                parts.push(code.as_str().as_bytes().to_vec());
            }
        }
    }
    parts.extend(result.records.iter().map(|record| record.presented.as_bytes().to_vec()));
    parts.extend(result.restrictions.iter().map(|restriction| restriction.notice.0.to_vec()));
    Sha256::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Cuts a peer's words to what fits a line, and drops control characters: they reach terminals and logs.
fn reason_limit(text: &str) -> String {
    text.chars().filter(|symbol| !symbol.is_control()).take(300).collect()
}
