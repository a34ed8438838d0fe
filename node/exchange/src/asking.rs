//! Asking the peers of a check: requests signed and logged before they leave, answers verified as they come.
//!
//! A stretch of peers at a time: their requests are signed, one log entry names every agency with the digest of its
//! request, and when that is durable the requests may leave. The digests are the ones the peers' logs hold, so either
//! side's omission shows.

use std::collections::VecDeque;

use bytes::Bytes;
use chengxin_audit_log::body::BODY_LIMIT;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::certificate::{CoverageEntry, CoverageOutcome};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::jws_sign;
use chengxin_schemas::record::FieldValue;
use chengxin_schemas::request::{OperatorReference, REQUEST_LIFETIME_LIMIT, REQUEST_TYP, RequestClaims};
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::answer_verify::{AnsweredRecord, answer_verify};
use crate::audit::{EntryDraft, EntryKind};
use crate::check::{AnswerEvidence, CheckRequest, DEADLINE_LIMIT_MS, FoundRecord, PeerPart};
use crate::error::Result;
use crate::held::SearchPermits;
use crate::node::Node;
use crate::operation::Operation;
use crate::peers::peer_words;
use crate::record::ShownField;

/// Peers asked at the same time, and named in one log entry.
pub(crate) const PEERS_AT_ONCE: usize = 256;
/// How long a request stays valid after its deadline, in seconds: room for the answer's way back.
const REQUEST_MARGIN: i64 = 30;
/// Bytes of a log entry's body that one agency and the digest of its request take as JSON.
const ASKED_BYTES: usize = 128;

// Half the body is left for the subject, the case, the legal basis and the authorisation.
const _: () =
    assert!(PEERS_AT_ONCE * ASKED_BYTES <= BODY_LIMIT / 2, "the requests of one stretch fit one entry");
const _: () = assert!(
    2 * (DEADLINE_LIMIT_MS / 1_000) + (REQUEST_MARGIN as u64) <= REQUEST_LIFETIME_LIMIT as u64,
    "no request lives longer than its peer lets it"
);

/// What all requests of one check have in common.
pub(crate) struct Asking<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) wanted: &'a CheckRequest,
    pub(crate) permits: &'a SearchPermits,
    pub(crate) operator: &'a OperatorReference,
    pub(crate) released_by: Option<&'a OperatorReference>,
    /// How long to wait for each peer, in milliseconds, from the moment its request is handed to the network: a peer is
    /// not called silent because others were asked before it.
    pub(crate) deadline_ms: u64,
}

/// A request that may leave: signed, its digest in the durable log.
pub(crate) struct LoggedRequest<'a> {
    entry: &'a DirectoryEntry,
    claims: RequestClaims,
    text: String,
    digest: Sha256,
}

/// Why there is no usable answer.
struct Silence {
    code: ErrorCode,
    reason: String,
}

impl From<SchemaError> for Silence {
    fn from(error: SchemaError) -> Self {
        Self { code: error.code(), reason: peer_words(&error.to_string()) }
    }
}

impl Node {
    /// Signs the requests to a stretch of peers and logs them; afterwards they may leave. An empty stretch is logged
    /// too: the check of a body without peers has its entry like any other.
    pub(crate) async fn requests_log<'a>(
        &self,
        asking: &Asking<'_>,
        stretch: &[&'a DirectoryEntry],
    ) -> Result<VecDeque<LoggedRequest<'a>>> {
        let mut requests = VecDeque::with_capacity(stretch.len());
        for entry in stretch {
            requests.push_back(self.request_sign(asking, entry)?);
        }
        let entry = EntryDraft::new(EntryKind::CheckRequested).released_by(asking.released_by);
        let mut entry = asking.permits.entry(entry);
        for request in &requests {
            entry = entry.asked(&request.entry.agency, request.digest);
        }
        self.audit_append(Some(asking.operation), asking.wanted.entry(entry)).await?;
        Ok(requests)
    }

    fn request_sign<'a>(&self, asking: &Asking<'_>, entry: &'a DirectoryEntry) -> Result<LoggedRequest<'a>> {
        let wanted = asking.wanted;
        let now = self.now();
        let seconds = i64::try_from(asking.deadline_ms.div_ceil(1_000)).unwrap_or(i64::MAX);
        let claims = RequestClaims {
            iss: self.parts.agency,
            aud: entry.agency,
            iat: now,
            // One deadline to wait for its turn behind the stretch before it, one for its own answer.
            exp: now.plus(seconds).plus(seconds).plus(REQUEST_MARGIN),
            nonce: self.request_nonce(),
            subject: wanted.subject.clone(),
            subject_name: wanted.subject_name.clone(),
            check_exception: wanted.check_exception.clone(),
            purpose: wanted.purpose.clone(),
            legal_basis: wanted.legal_basis.clone(),
            authorisation: wanted.authorisation.clone(),
            case_reference: wanted.case_reference.clone(),
            categories: asking.permits.asked().categories().to_vec(),
            operator: asking.operator.clone(),
            released_by: asking.released_by.cloned(),
            policy: asking.permits.asked().policy_version().to_owned(),
        };
        let text = jws_sign(REQUEST_TYP, &claims, &self.parts.keys.signing)?;
        let digest = Sha256::of(text.as_bytes());
        Ok(LoggedRequest { entry, claims, text, digest })
    }

    /// Sends the requests that are logged already, then those to the other peers, a stretch at a time, and waits for
    /// every answer or its deadline. Fails only if a stretch cannot be logged; then nothing more leaves.
    pub(crate) async fn peers_ask(
        &self,
        asking: &Asking<'_>,
        mut logged: VecDeque<LoggedRequest<'_>>,
        mut stretches: std::slice::Chunks<'_, &DirectoryEntry>,
    ) -> Result<Vec<PeerPart>> {
        let mut running = FuturesUnordered::new();
        let mut parts = Vec::new();
        loop {
            while running.len() < PEERS_AT_ONCE {
                if logged.is_empty()
                    && let Some(stretch) = stretches.next()
                {
                    logged = self.requests_log(asking, stretch).await?;
                }
                let Some(request) = logged.pop_front() else { break };
                running.push(self.peer_part(request, asking));
            }
            match running.next().await {
                Some(part) => parts.push(part),
                None => return Ok(parts),
            }
        }
    }

    async fn peer_part(&self, request: LoggedRequest<'_>, asking: &Asking<'_>) -> PeerPart {
        let entry = request.entry;
        match self.peer_ask(request, asking).await {
            Ok(part) => part,
            Err(Silence { code, reason }) => {
                // The reason may hold the peer's own words; it stands in the result, not here.
                tracing::warn!(peer = %entry.agency, code = code.as_str(), "no usable answer");
                self.clock_doubt(&entry.agency, code, &reason);
                let outcome = CoverageOutcome::Silent { code, reason };
                let coverage = coverage_entry(entry, outcome);
                PeerPart { coverage, records: Vec::new(), others: Vec::new(), evidence: None }
            }
        }
    }

    /// Asks one peer and verifies what it says. An answer that does not verify counts as silence, with the reason.
    async fn peer_ask(
        &self,
        request: LoggedRequest<'_>,
        asking: &Asking<'_>,
    ) -> std::result::Result<PeerPart, Silence> {
        let LoggedRequest { entry, claims, text, digest } = request;
        let message = wire::encode(&PeerRequest::Check(text.clone()))?;
        let reply = self
            .parts
            .peers
            .call(entry, Bytes::from(message), asking.deadline_ms)
            .await
            .map_err(|fault| Silence { code: fault.code, reason: peer_words(&fault.reason) })?;
        let (answer, presentations) = match wire::decode::<PeerResponse>(&reply)? {
            PeerResponse::Check { answer, presentations } => (answer, presentations),
            PeerResponse::Failed { code, reason } => {
                return Err(Silence { code, reason: peer_words(&reason) });
            }
            PeerResponse::Receipt(_)
            | PeerResponse::Gap { .. }
            | PeerResponse::Diverged { .. }
            | PeerResponse::Noted
            | PeerResponse::Simulated(_)
            | PeerResponse::Metadata(_)
            | PeerResponse::Versions { .. } => {
                let reason = "answered with another kind of message".to_owned();
                return Err(Silence { code: ErrorCode::Integrity, reason });
            }
        };
        let verified = answer_verify(entry, &claims, digest, self.now(), &answer, &presentations)?;
        permits_check(asking.permits, &verified.records)?;
        let shown = verified.records.iter().map(|one| one.record.fields());
        let others = shown.flat_map(|fields| fields.other_subjects(&asking.wanted.subject)).collect();
        Ok(PeerPart {
            coverage: coverage_entry(entry, verified.outcome),
            others,
            records: verified.records.into_iter().map(|record| found_record(entry, record)).collect(),
            evidence: Some(AnswerEvidence { agency: entry.agency, request: text, answer, presentations }),
        })
    }
}

/// Refuses an answer that shows by name what the own policy does not let the operator ask about. Only here and not by
/// whoever verifies a certificate later, since it takes the policy: no certificate is issued over such an answer.
fn permits_check(
    permits: &SearchPermits,
    records: &[AnsweredRecord],
) -> std::result::Result<(), SchemaError> {
    let permitted = |one: &AnsweredRecord| {
        let permit = permits.covering(!one.listed.name_match_only, one.record.subject_kind());
        permit.is_some_and(|permit| permit.categories().contains(&one.record.claims().category))
    };
    if records.iter().all(permitted) {
        return Ok(());
    }
    Err(SchemaError::Integrity {
        form: "answer",
        reason: "it shows by name what the purpose does not reach".to_owned(),
    })
}

fn coverage_entry(entry: &DirectoryEntry, outcome: CoverageOutcome) -> CoverageEntry {
    CoverageEntry { agency: entry.agency, name: entry.name.clone(), outcome }
}

fn found_record(entry: &DirectoryEntry, answered: AnsweredRecord) -> FoundRecord {
    let AnsweredRecord { listed, record, rule } = answered;
    let mut fields = Vec::new();
    for definition in record.record_type().fields() {
        let shown = record.fields().value(definition.name);
        let masked = listed.masked.get(definition.name);
        let withheld = listed.withheld.get(definition.name);
        if shown.is_none() && masked.is_none() && withheld.is_none() {
            continue;
        }
        fields.push(ShownField {
            name: definition.name.to_owned(),
            label: definition.chinese,
            value: shown.cloned().or_else(|| masked.map(|text| FieldValue::Text(peer_words(text)))),
            masked: shown.is_none() && masked.is_some(),
            withheld: withheld.map(|reason| peer_words(reason)),
        });
    }
    FoundRecord {
        issuer: entry.agency,
        issuer_name: entry.name.clone(),
        record: listed.record,
        claims: record.claims().clone(),
        state: listed.state,
        fields,
        name_match_only: listed.name_match_only,
        presented: listed.presented,
        rule,
    }
}
