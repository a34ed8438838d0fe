//! The check: what does the federation hold about a counterparty, and who has said so.
//!
//! Order: own policy, own log entry with the digest of every request, own records, peers in parallel, verify everything,
//! restrictions, own log entry with the result's digest, show. The restrictions come after the records because these say
//! which other identifier the subject has. No request leaves the node before the entry that
//! names it is durable (`asking.rs`), and nothing is shown before the last one is.

use std::sync::Arc;

use chengxin_policy::{AccessRequest, Action, AskerContext, SecondPerson};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::certificate::{CoverageEntry, CoverageOutcome};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::{CaseReference, RecordId, ReleaseId};
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::record::RecordClaims;
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::unified_code::CheckException;
use chengxin_trust::limits::MEMBERS_LIMIT;

use crate::answer_verify::covers;
use crate::asking::{Asking, PEERS_AT_ONCE};
use crate::audit::{EntryDraft, EntryKind};
use crate::error::{ExchangeError, Result};
use crate::held::{HELD_SCAN_LIMIT, HeldLimits, SearchPermits};
use crate::node::Node;
use crate::operation::Operation;
use crate::presentation::present_own;
use crate::record::{RECORD_PAGE_LIMIT, ShownField};
use crate::restriction::{LinkedSubject, RestrictionInForce};

/// Longest deadline an operator may set, in milliseconds.
pub const DEADLINE_LIMIT_MS: u64 = 60_000;
/// Longest time from the first request of a check to its end, in seconds: as long as the largest federation takes when
/// nobody answers and the deadline is the longest. A certificate does not hold with older requests.
pub(crate) const CHECK_SECONDS_LIMIT: i64 = 3_600;

const _: () = assert!(
    MEMBERS_LIMIT.div_ceil(PEERS_AT_ONCE) as u64 * DEADLINE_LIMIT_MS < CHECK_SECONDS_LIMIT as u64 * 1_000,
    "no check outlasts its certificate"
);

/// What the operator wants to know.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// About whom.
    pub subject: SubjectId,
    /// Who vouches for the subject's code, where its check is wrong.
    pub check_exception: Option<CheckException>,
    /// The registered name, to find records without a unified code and a number.
    pub subject_name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file.
    pub case_reference: CaseReference,
    /// The law, where the purpose alone does not say.
    pub legal_basis: Option<LegalBasis>,
    /// The subject's own authorisation, where there is one.
    pub authorisation: Option<SubjectAuthorisation>,
    /// The release by a colleague, where the purpose needs one.
    pub release: Option<ReleaseId>,
    /// The categories of interest, all of which the purpose must allow; empty means all that it allows.
    pub categories: Vec<InformationCategory>,
    /// How long to wait for each peer, in milliseconds.
    pub deadline_ms: u64,
}

impl CheckRequest {
    /// Adds what every log entry about the check holds.
    pub(crate) fn entry(&self, entry: EntryDraft) -> EntryDraft {
        entry
            .purpose(&self.purpose, &self.case_reference, self.legal_basis.as_ref())
            .authorisation(self.authorisation.as_ref())
            .subject(&self.subject)
            .check_exception(self.check_exception.as_ref())
            .subject_name(self.subject_name.as_deref())
    }
}

/// What is known about the subject, and by whom.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The subject.
    pub subject: SubjectId,
    /// Who vouched for the subject's code, where its check is wrong.
    pub check_exception: Option<CheckException>,
    /// The name that was searched for as well; without one, records that may be known by it alone were not looked for.
    pub subject_name: Option<String>,
    /// For what it was asked.
    pub purpose: PurposeCode,
    /// Under which law, where the purpose alone does not say.
    pub legal_basis: Option<LegalBasis>,
    /// By which authorisation of the subject, where one was stated.
    pub authorisation: Option<SubjectAuthorisation>,
    /// Under which file.
    pub case_reference: CaseReference,
    /// Who asked.
    pub operator: OperatorReference,
    /// Who released it, where somebody did.
    pub released_by: Option<OperatorReference>,
    /// When the check ended.
    pub at: UnixTime,
    /// Who was asked and what came of it. The own node stands first.
    pub coverage: Vec<CoverageEntry>,
    /// The categories asked about.
    pub categories: Vec<InformationCategory>,
    /// True only if every agency has answered for every category, the own node included, and nothing was cut off.
    pub complete: bool,
    /// Restrictions in force. When not all could be looked at, the own node's coverage names no category.
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
    /// Other identifiers of the subject that restrictions were looked up by, or that a restriction or a record shown has; the
    /// log has the result under each. May name one twice.
    pub(crate) others: Vec<SubjectId>,
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
    /// Found by name only: the record carries no identifier, or an organisation code that is not within the unified code asked
    /// for; a person must compare.
    pub name_match_only: bool,
    /// Digest of what was presented, base64url.
    pub presented: String,
    /// The rule under which it was shown.
    pub rule: String,
}

/// A request as sent and the answer to it as received.
#[derive(Clone, Debug)]
pub struct AnswerEvidence {
    /// The agency that answered.
    pub agency: AgencyCode,
    /// The compact JWS of the request.
    pub request: String,
    /// The compact JWS of the answer.
    pub answer: String,
    /// The presentations it covers.
    pub presentations: Vec<String>,
}

/// What came of one peer.
pub(crate) struct PeerPart {
    pub(crate) coverage: CoverageEntry,
    pub(crate) records: Vec<FoundRecord>,
    /// Other identifiers of the subject, as the records show them.
    pub(crate) others: Vec<SubjectId>,
    pub(crate) evidence: Option<AnswerEvidence>,
}

/// What the own records say.
struct OwnPart {
    records: Vec<FoundRecord>,
    /// The subject as all own records about it show it, of whatever category: restrictions have none.
    linked: LinkedSubject,
    /// Other identifiers in the records that are shown.
    others: Vec<SubjectId>,
    /// Whether there are more records, or may be.
    more: bool,
    as_of: UnixTime,
}

impl Node {
    /// Checks a subject across the federation.
    pub async fn check_run(
        self: &Arc<Self>,
        operation: &Operation,
        wanted: CheckRequest,
    ) -> Result<CheckResult> {
        operation.require(&[Role::Clerk, Role::Reviewer], "check a subject")?;
        wanted.subject.vouched_check(wanted.check_exception.as_ref())?;
        let directory = self.directory_current()?;
        let own = self.own_entry()?;
        let operator = OperatorReference { account: operation.account().clone(), role: operation.role() };
        let release = self.release_hold(operation, &wanted).await?;
        let released_by = release.as_ref().map(|release| release.by.clone());
        let second_person = SecondPerson::of(&operator, released_by.as_ref());
        let permits = self.check_authorize(operation, &wanted, &own, second_person).await?;
        let permit = permits.asked();
        let categories = permit.categories().to_vec();
        let peers: Vec<_> = directory.entries().filter(|entry| entry.agency != self.parts.agency).collect();
        let asking = Asking {
            operation,
            wanted: &wanted,
            permits: &permits,
            operator: &operator,
            released_by: released_by.as_ref(),
            deadline_ms: wanted.deadline_ms.clamp(1, DEADLINE_LIMIT_MS),
        };
        let mut stretches = peers.chunks(PEERS_AT_ONCE);
        let logged = self.requests_log(&asking, stretches.next().unwrap_or_default()).await?;
        self.release_spend(release).await?;

        let own_part = self.check_own(&wanted, &permits, &own).await?;
        let mut parts = self.peers_ask(&asking, logged, stretches).await?;
        parts.sort_by_key(|part| part.coverage.agency);
        let mut subject = own_part.linked;
        let mut others = own_part.others;
        others.extend(subject.identifiers().skip(1).cloned());
        for other in parts.iter().flat_map(|part| &part.others) {
            subject.add(other.clone());
            others.push(other.clone());
        }
        let restrictions = self.restrictions_in_force(&subject, operation.now()).await?;
        others.extend(restrictions.in_force.iter().map(|restriction| restriction.binds.clone()));

        // What was cut off covers nothing: neither own records, nor restrictions.
        let covered = restrictions.complete && !own_part.more;
        let outcome = CoverageOutcome::Answered {
            as_of: own_part.as_of,
            categories: if covered { categories.clone() } else { Vec::new() },
            records: own_part.records.len(),
            answer: None,
        };
        let mut coverage = vec![CoverageEntry { agency: self.parts.agency, name: own.name.clone(), outcome }];
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
            check_exception: wanted.check_exception.clone(),
            subject_name: wanted.subject_name.clone(),
            purpose: wanted.purpose.clone(),
            legal_basis: wanted.legal_basis.clone(),
            authorisation: wanted.authorisation.clone(),
            case_reference: wanted.case_reference.clone(),
            operator,
            released_by,
            at: self.now(),
            coverage,
            categories,
            complete,
            restrictions: restrictions.in_force,
            records,
            policy: permit.policy_version().to_owned(),
            directory: directory.version(),
            audit_entry: 0,
            evidence,
            others,
        };
        let finished = permits
            .entry(EntryDraft::new(EntryKind::CheckAnswered))
            .released_by(result.released_by.as_ref())
            .result(result_digest(&result))
            .detail("complete", if complete { "true" } else { "false" })
            .detail("records", &result.records.len().to_string())
            .detail("restrictions", &result.restrictions.len().to_string());
        let entry = wanted.entry(finished);
        let others = result.others.iter().cloned();
        result.audit_entry = self.audit_append_each(Some(operation), entry, others).await?.0;
        Ok(result)
    }

    async fn check_authorize(
        &self,
        operation: &Operation,
        wanted: &CheckRequest,
        own: &DirectoryEntry,
        second_person: Option<SecondPerson>,
    ) -> Result<SearchPermits> {
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
            authorisation: wanted.authorisation.clone(),
            second_person,
            subject_kind: wanted.subject.kind(),
            own_records: false,
            categories,
            action: Action::Ask,
        };
        let by_name = wanted.subject_name.is_some();
        let permits = SearchPermits::authorize(&authoriser, request.clone(), by_name).and_then(|permits| {
            // Who names categories wants an answer about each of them: of what is left out, nothing would follow.
            let refused: Vec<_> = permits.asked().refused().map(|(category, _)| category).collect();
            if wanted.categories.is_empty() || refused.is_empty() {
                return Ok(permits);
            }
            // Asked for alone, what is refused is denied with its rule and reason.
            let alone = AccessRequest { categories: refused, ..request.clone() };
            SearchPermits::authorize(&authoriser, alone, false)
        });
        let permits = match permits {
            Ok(permits) => {
                self.check_within_limit(operation.account(), &request, permits, self.now()).await?
            }
            Err(denied) => Err(denied),
        };
        match permits {
            Ok(permits) => Ok(permits),
            Err(denied) => {
                let entry = EntryDraft::new(EntryKind::CheckDenied)
                    .denied()
                    .rule(denied.rule.as_str(), &denied.policy_version);
                self.audit_append(Some(operation), wanted.entry(entry)).await?;
                Err(ExchangeError::Denied(denied))
            }
        }
    }

    /// The own records, under the same permits as the purpose gives: a check shows no more of them than it would of a
    /// peer's.
    async fn check_own(
        self: &Arc<Self>,
        wanted: &CheckRequest,
        permits: &SearchPermits,
        own: &DirectoryEntry,
    ) -> Result<OwnPart> {
        let limits = HeldLimits { found: RECORD_PAGE_LIMIT, looked_at: HELD_SCAN_LIMIT };
        let held =
            self.records_held(&wanted.subject, wanted.subject_name.as_deref(), permits, limits).await?;
        let mut others = Vec::new();
        let records: Vec<_> = held
            .records
            .into_iter()
            .filter_map(|one| {
                let permit = one.permit(permits)?;
                others.extend(one.record.fields().other_subjects(&wanted.subject));
                Some(FoundRecord {
                    issuer: self.parts.agency,
                    issuer_name: own.name.clone(),
                    record: one.id,
                    claims: one.record.claims().clone(),
                    state: one.state,
                    fields: present_own(permit, permits.bundle(), &one.record).fields,
                    name_match_only: !one.identified,
                    presented: one.record.present(&|_| true).digest(),
                    rule: permit.rule().as_str().to_owned(),
                })
            })
            .collect();
        Ok(OwnPart { records, linked: held.linked, others, more: held.more, as_of: self.now() })
    }
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

#[cfg(test)]
mod tests;
