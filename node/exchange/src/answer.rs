//! The answering side of a check: verify, authorise, redact, log, sign, answer. In that order.

use std::sync::Arc;

use bytes::Bytes;
use chengxin_audit_log::Disclosed;
use chengxin_policy::{AccessRequest, Action, AskerContext, Denied, SecondPerson};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::{ANSWER_RECORDS_LIMIT, ANSWER_TYP, AnswerClaims, AnswerOutcome};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::{UnverifiedJws, jws_sign};
use chengxin_schemas::keyring::verify_from;
use chengxin_schemas::request::{REQUEST_TYP, RequestClaims};
use chengxin_schemas::sd_jwt::presentations_digest;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{self, PeerRequest, PeerResponse};
use chengxin_schemas::{ErrorCode, SchemaError};

use crate::audit::{EntryDraft, EntryKind};
use crate::daily_limit::answer_within_limit;
use crate::error::{ExchangeError, Result};
use crate::held::{HELD_SCAN_LIMIT, HeldLimits, SearchPermits};
use crate::node::Node;
use crate::presentation::{PeerPresentation, present_to_peer};
use crate::replay::ReplayFault;

/// Longest compact JWS of a request: a subject, a name of 200 characters, a basis of 500, an authorisation of 200, a reason of
/// 200 for a code whose check is wrong.
pub const REQUEST_LIMIT: usize = 16 * 1024;

/// What an answer shows.
struct Presented {
    presented: Vec<PeerPresentation>,
    /// Other identifiers of the subject in these records, whether or not the fields that hold them are shown.
    others: Vec<SubjectId>,
    more: bool,
}

impl Node {
    /// Handles one message from a member whose identity the transport has proven. Always gives an answer: a message
    /// that cannot be considered is answered with the reason, as far as the peer may know it.
    pub async fn peer_handle(
        self: &Arc<Self>,
        from: &AgencyCode,
        request: std::result::Result<PeerRequest, SchemaError>,
    ) -> Bytes {
        let response = match request {
            Ok(PeerRequest::Check(request)) => self.answer_check(from, &request).await,
            Ok(PeerRequest::Deliver { header, sealed }) => self.notice_receive(from, &header, &sealed).await,
            Ok(PeerRequest::Versions) => self.versions(),
            Ok(PeerRequest::Adoption(report)) => {
                self.adoption_keep(from, *report).await.map(|()| PeerResponse::Noted)
            }
            Ok(PeerRequest::Simulate { content, since }) => {
                let counts = self.simulation_answer(from, content, since).await;
                counts.map(|counts| PeerResponse::Simulated(Box::new(counts)))
            }
            // The program hands an overlay to who signs the directory, with the closure that does; it reaches this place
            // only where nobody does.
            Ok(PeerRequest::Overlay { .. }) => Err(ExchangeError::Conflict {
                what: "policy",
                reason: "this is not a coordinator's node: policies are published there".to_owned(),
            }),
            // Metadata is served by the program straight from the verified files; it never reaches the use cases.
            Ok(PeerRequest::Metadata(_)) => Ok(PeerResponse::Metadata(None)),
            Err(error) => Err(error.into()),
        };
        self.delivery_contact(from);
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                self.refusal_log(from, &error).await;
                self.clock_doubt(from, error.code(), &error.to_string());
                failed(from, &error)
            }
        };
        // Encoding a response cannot fail: it holds text and numbers only. An empty message is no valid response.
        wire::encode(&response).map_or_else(|_| Bytes::new(), Bytes::from)
    }

    /// Logs that a member's message was refused before policy could decide: a replay, a wrong clock, a broken signature.
    /// Bounded per member and minute, so that nobody fills the log; the running log has the rest. What is disclosed to
    /// the member is only that it was refused, so a log that cannot be written does not hold this back.
    pub(crate) async fn refusal_log(&self, from: &AgencyCode, error: &ExchangeError) {
        let admitted = {
            let mut refusals = self.refusals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            refusals.admit(from, self.now())
        };
        if !admitted {
            return;
        }
        let entry = EntryDraft::new(EntryKind::AccessRefused)
            .failed(error.code())
            .peer(*from, None)
            .policy(&self.policy_version())
            .detail("reason", &error.to_string());
        if let Err(error) = self.audit_append(None, entry).await {
            tracing::error!(peer = %from, %error, "a refusal could not be logged");
        }
    }

    fn versions(&self) -> Result<PeerResponse> {
        let versions = self.directory()?.versions();
        Ok(PeerResponse::Versions {
            timestamp: versions.timestamp,
            directory: versions.directory,
            policy: self.policy_version(),
        })
    }

    /// Answers a signed request from `from`.
    async fn answer_check(self: &Arc<Self>, from: &AgencyCode, text: &str) -> Result<PeerResponse> {
        let now = self.now();
        let directory = self.directory_current()?;
        let entry =
            directory.entry(from).ok_or(ExchangeError::NotFound { what: "the asking agency's entry" })?;
        let unverified = UnverifiedJws::parse(text, REQUEST_TYP, REQUEST_LIMIT)?;
        // By the entry of the member that sent it, so nobody passes on another's request. The key must be valid now: a
        // request lives for minutes, and a stolen former key must not be back-dated.
        let verified = verify_from::<RequestClaims>(unverified, entry, now)?;
        let digest = verified.digest();
        let request = verified.into_claims();
        request.check(&self.parts.agency, now)?;
        let admitted = {
            let mut guard = self.replay.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            guard.admit(from, &request.nonce, now)
        };
        if let Err(fault) = admitted {
            return match fault {
                ReplayFault::Replayed => Err(ExchangeError::Conflict {
                    what: "request",
                    reason: "this request was answered before: sign a new one".to_owned(),
                }),
                ReplayFault::Full => Err(ExchangeError::Busy {
                    what: "requests",
                    reason: "too many requests within nine minutes: wait, then ask again".to_owned(),
                }),
            };
        }
        let authoriser = self.policy();
        let access = AccessRequest {
            asker: AskerContext { agency: *from, functions: entry.functions.clone(), region: entry.region },
            role: request.operator.role,
            purpose: request.purpose.clone(),
            case_reference: Some(request.case_reference.clone()),
            legal_basis: request.legal_basis.clone(),
            authorisation: request.authorisation.clone(),
            second_person: SecondPerson::of(&request.operator, request.released_by.as_ref()),
            subject_kind: request.subject.kind(),
            own_records: false,
            categories: request.categories.clone(),
            action: Action::Answer,
        };
        let by_name = request.subject_name.is_some();
        let permits = match SearchPermits::authorize(&authoriser, access.clone(), by_name) {
            Ok(permits) => answer_within_limit(&self.answered_today, from, &access, permits, now)?,
            Err(denied) => Err(denied),
        };
        match permits {
            Ok(permits) => self.answer_permitted(&request, digest, &permits, now).await,
            Err(denied) => self.answer_denied(&request, digest, &denied, now).await,
        }
    }

    async fn answer_permitted(
        self: &Arc<Self>,
        request: &RequestClaims,
        digest: Sha256,
        permits: &SearchPermits,
        now: UnixTime,
    ) -> Result<PeerResponse> {
        let Presented { presented, others, more } = self.answer_records(request, permits).await?;
        let permit = permits.asked();
        let mut disclosed: Vec<Disclosed> = Vec::new();
        let mut texts = Vec::with_capacity(presented.len());
        let mut records = Vec::with_capacity(presented.len());
        for one in presented {
            disclosed_add(&mut disclosed, one.disclosed);
            texts.push(one.presentation.text().to_owned());
            records.push(one.entry);
        }
        let outcome = AnswerOutcome::Answered {
            rule: permit.rule().as_str().to_owned(),
            categories: permit.categories().to_vec(),
            records,
            more,
        };
        let answer = self.answer_signed((request, digest), &texts, permit.policy_version(), outcome, now)?;
        let entry = permits
            .entry(EntryDraft::new(EntryKind::AnswerDisclosed))
            .result(Sha256::of(answer.as_bytes()))
            .disclosed(disclosed);
        self.audit_append_each(None, answer_entry(entry, request, digest), others.into_iter()).await?;
        Ok(PeerResponse::Check { answer, presentations: texts })
    }

    async fn answer_denied(
        &self,
        request: &RequestClaims,
        digest: Sha256,
        denied: &Denied,
        now: UnixTime,
    ) -> Result<PeerResponse> {
        let outcome = AnswerOutcome::Refused {
            code: ErrorCode::Denied,
            rule: Some(denied.rule.as_str().to_owned()),
            reason: denied.chinese(),
        };
        let answer = self.answer_signed((request, digest), &[], &denied.policy_version, outcome, now)?;
        let entry = EntryDraft::new(EntryKind::AnswerRefused)
            .denied()
            .rule(denied.rule.as_str(), &denied.policy_version)
            .result(Sha256::of(answer.as_bytes()));
        self.audit_append(None, answer_entry(entry, request, digest)).await?;
        Ok(PeerResponse::Check { answer, presentations: Vec::new() })
    }

    fn answer_signed(
        &self,
        (request, digest): (&RequestClaims, Sha256),
        presentations: &[String],
        policy: &str,
        outcome: AnswerOutcome,
        now: UnixTime,
    ) -> Result<String> {
        let claims = AnswerClaims {
            iss: self.parts.agency,
            aud: request.iss,
            iat: now,
            nonce: request.nonce,
            sd_hash: presentations_digest(presentations),
            request: digest,
            policy: policy.to_owned(),
            outcome,
        };
        Ok(jws_sign(ANSWER_TYP, &claims, &self.parts.keys.signing)?)
    }

    /// The records the permits cover, each cut down to what the asker may see of it.
    async fn answer_records(
        self: &Arc<Self>,
        request: &RequestClaims,
        permits: &SearchPermits,
    ) -> Result<Presented> {
        let limits = HeldLimits { found: ANSWER_RECORDS_LIMIT, looked_at: HELD_SCAN_LIMIT };
        let name = request.subject_name.as_deref();
        let held = self.records_held(&request.subject, name, permits, limits).await?;
        let (mut presented, mut others) = (Vec::with_capacity(held.records.len()), Vec::new());
        for one in &held.records {
            let asked = one.identified.then_some(&request.subject);
            let Some(permit) = one.permit(permits) else { continue };
            presented.push(present_to_peer(permit, permits.bundle(), &one.record, one.id, one.state, asked));
            others.extend(one.record.fields().other_subjects(&request.subject));
        }
        Ok(Presented { presented, others, more: held.more })
    }
}

/// What every entry about an answer holds.
fn answer_entry(entry: EntryDraft, request: &RequestClaims, digest: Sha256) -> EntryDraft {
    entry
        .peer(request.iss, Some(request.operator.clone()))
        .purpose(&request.purpose, &request.case_reference, request.legal_basis.as_ref())
        .authorisation(request.authorisation.as_ref())
        .released_by(request.released_by.as_ref())
        .subject(&request.subject)
        .check_exception(request.check_exception.as_ref())
        .subject_name(request.subject_name.as_deref())
        .request(digest)
}

/// Adds counts of one record to those of the answer.
fn disclosed_add(total: &mut Vec<Disclosed>, more: Vec<Disclosed>) {
    for one in more {
        match total.iter_mut().find(|known| known.category == one.category && known.level == one.level) {
            Some(known) => {
                known.shown = known.shown.saturating_add(one.shown);
                known.masked = known.masked.saturating_add(one.masked);
            }
            None => total.push(one),
        }
    }
}

/// What a peer is told about an error: the code always, the words only where they are about its own message.
fn failed(from: &AgencyCode, error: &ExchangeError) -> PeerResponse {
    let code = error.code();
    let reason = match code {
        ErrorCode::Invalid
        | ErrorCode::Denied
        | ErrorCode::Unauthenticated
        | ErrorCode::Conflict
        | ErrorCode::Integrity
        | ErrorCode::Expired
        | ErrorCode::TooLarge
        | ErrorCode::NotFound
        | ErrorCode::Busy => error.to_string(),
        ErrorCode::Unavailable | ErrorCode::Timeout | ErrorCode::Internal => {
            "the node cannot serve requests at present; its administrator has been told".to_owned()
        }
    };
    tracing::warn!(peer = %from, code = code.as_str(), %error, "a peer's message was not served");
    PeerResponse::Failed { code, reason }
}
