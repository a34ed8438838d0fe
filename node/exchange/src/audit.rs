//! What the use cases write to the audit log, and reading it back.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

use chengxin_audit_log::log::{Filter, SearchPage};
use chengxin_audit_log::verify::VerifyReport;
use chengxin_audit_log::{Actor, Body, Disclosed, Entry, EntryIndex, Outcome};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::ANSWER_RECORDS_LIMIT;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::identity::CaseReference;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::subject::{SubjectId, SubjectKey};
use chengxin_schemas::unified_code::CheckException;

pub use chengxin_audit_log::EntryKind;

use crate::error::Result;
use crate::node::Node;
use crate::operation::Operation;

/// Under which detail the sealed body of an entry says who released a query, and in which role.
pub(crate) const RELEASED_BY: &str = "released_by";
/// Under which detail a further entry about the same names the first, see [`Node::audit_append_each`].
pub(crate) const SAME_AS: &str = "same_as";
/// Most further entries about the same: what is shown of a subject with more identifiers than one answer has records comes
/// from peers that name them, and a peer must not fill this node's log.
const FURTHER_LIMIT: usize = 256;
const _: () = assert!(ANSWER_RECORDS_LIMIT <= FURTHER_LIMIT, "what one answer discloses is logged whole");

/// An entry being put together. What identifies a subject or a case goes into the sealed body; the leaf gets keyed
/// hashes only.
#[derive(Clone, Debug)]
pub struct EntryDraft {
    kind: EntryKind,
    outcome: Outcome,
    peer: Option<AgencyCode>,
    peer_operator: Option<OperatorReference>,
    purpose: Option<PurposeCode>,
    subject: Option<SubjectId>,
    subject_name: Option<String>,
    rule: Option<String>,
    policy: Option<String>,
    request: Option<Sha256>,
    result: Option<Sha256>,
    disclosed: Vec<Disclosed>,
    case_reference: Option<CaseReference>,
    legal_basis: Option<LegalBasis>,
    authorisation: Option<SubjectAuthorisation>,
    details: BTreeMap<String, String>,
}

impl EntryDraft {
    /// An allowed step of this kind; the other methods add to it.
    pub fn new(kind: EntryKind) -> Self {
        Self {
            kind,
            outcome: Outcome::Allowed,
            peer: None,
            peer_operator: None,
            purpose: None,
            subject: None,
            subject_name: None,
            rule: None,
            policy: None,
            request: None,
            result: None,
            disclosed: Vec::new(),
            case_reference: None,
            legal_basis: None,
            authorisation: None,
            details: BTreeMap::new(),
        }
    }

    /// It was denied.
    pub fn denied(mut self) -> Self {
        self.outcome = Outcome::Denied;
        self
    }

    /// It failed.
    pub fn failed(mut self, code: ErrorCode) -> Self {
        self.outcome = Outcome::Failed(code);
        self
    }

    /// The other agency, and its operator where one is known.
    pub fn peer(mut self, agency: AgencyCode, operator: Option<OperatorReference>) -> Self {
        self.peer = Some(agency);
        self.peer_operator = operator;
        self
    }

    /// For what.
    pub fn purpose(
        mut self,
        purpose: &PurposeCode,
        case: &CaseReference,
        basis: Option<&LegalBasis>,
    ) -> Self {
        self.purpose = Some(purpose.clone());
        self.case_reference = Some(case.clone());
        self.legal_basis = basis.cloned();
        self
    }

    /// By which authorisation of the subject, where one was stated.
    pub fn authorisation(mut self, authorisation: Option<&SubjectAuthorisation>) -> Self {
        self.authorisation = authorisation.cloned();
        self
    }

    /// Who released the query beside who asks, where somebody did.
    pub fn released_by(self, by: Option<&OperatorReference>) -> Self {
        match by {
            Some(by) => self.detail(RELEASED_BY, &format!("{} {}", by.account, by.role)),
            None => self,
        }
    }

    /// About whom.
    pub fn subject(mut self, subject: &SubjectId) -> Self {
        self.subject = Some(subject.clone());
        self
    }

    /// Who vouches for the subject's code, and why, where its check is wrong.
    pub fn check_exception(self, exception: Option<&CheckException>) -> Self {
        match exception {
            Some(exception) => self
                .detail("check_accepted_by", &exception.accepted_by)
                .detail("check_accepted_reason", &exception.reason),
            None => self,
        }
    }

    /// Under which name, where one was searched for or what was found has no identifier. The sealed body gets the name, the
    /// leaf its keyed hash beside the subject's, so that whoever looks for somebody by name finds the entry.
    pub fn subject_name(mut self, name: Option<&str>) -> Self {
        self.subject_name = name.map(str::to_owned);
        self
    }

    /// Under which rule of which policy version.
    pub fn rule(mut self, rule: &str, policy: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self.policy = Some(policy.to_owned());
        self
    }

    /// Under which policy version.
    pub fn policy(mut self, policy: &str) -> Self {
        self.policy = Some(policy.to_owned());
        self
    }

    /// Digest of the request that is answered; the asker's log has the same ([`EntryDraft::asked`]).
    pub fn request(mut self, digest: Sha256) -> Self {
        self.request = Some(digest);
        self
    }

    /// An agency that is asked, and the digest of the request to it: the same that its log gets. In the sealed body, since
    /// one entry is about many; who looks there for an agency finds `asked.` and its code.
    pub fn asked(self, agency: &AgencyCode, request: Sha256) -> Self {
        self.detail(&format!("asked.{agency}"), &request.to_string())
    }

    /// Digest of the answer or result.
    pub fn result(mut self, digest: Sha256) -> Self {
        self.result = Some(digest);
        self
    }

    /// How many fields of which class were disclosed.
    pub fn disclosed(mut self, disclosed: Vec<Disclosed>) -> Self {
        self.disclosed = disclosed;
        self
    }

    /// Something worth keeping in the sealed body.
    pub fn detail(mut self, name: &str, value: &str) -> Self {
        self.details.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl Node {
    /// Appends an entry and returns when it is durable. Nothing may leave the node or be shown before that.
    pub async fn audit_append(&self, operation: Option<&Operation>, draft: EntryDraft) -> Result<EntryIndex> {
        let (account, role) = match (operation, &draft.peer_operator) {
            (Some(operation), _) => (Some(operation.account().clone()), Some(operation.role())),
            (None, Some(operator)) => (Some(operator.account.clone()), Some(operator.role)),
            (None, None) => (None, None),
        };
        // An entry that a peer's operator caused names the peer's agency as the actor's; our own operators act for us.
        let agency = match (&operation, draft.peer, &draft.peer_operator) {
            (None, Some(peer), Some(_)) => peer,
            (Some(_) | None, _, _) => self.parts.agency,
        };
        let entry = Entry {
            time: self.now(),
            kind: draft.kind,
            actor: Actor { agency, account, role },
            peer: draft.peer,
            purpose: draft.purpose,
            subject: draft.subject.as_ref().map(|subject| subject.key(&self.parts.keys.subject)),
            subject_name: draft.subject_name.as_deref().map(|name| self.name_key(name)),
            outcome: draft.outcome,
            rule: draft.rule,
            policy: draft.policy,
            request: draft.request,
            result: draft.result,
            disclosed: draft.disclosed,
        };
        let mut details = draft.details;
        if let Some(name) = draft.subject_name {
            details.insert("subject_name".to_owned(), name);
        }
        let body = Body {
            subject: draft.subject,
            case_reference: draft.case_reference,
            legal_basis: draft.legal_basis,
            authorisation: draft.authorisation,
            fields: Vec::new(),
            details,
        };
        Ok(self.parts.log.append(entry, body).await?)
    }

    /// Appends an entry about a subject once for each of its identifiers, so that whoever looks for one of them finds it: a
    /// leaf has room for one. The further entries name the first, under [`SAME_AS`], and say the same otherwise. Gives the
    /// first one's index when all are durable.
    ///
    /// There are at most [`FURTHER_LIMIT`] further ones, about the first of `subjects`; each entry says how many identifiers
    /// have none.
    pub(crate) async fn audit_append_each(
        &self,
        operation: Option<&Operation>,
        draft: EntryDraft,
        subjects: impl Iterator<Item = SubjectId>,
    ) -> Result<EntryIndex> {
        let mut known: HashSet<SubjectId> = draft.subject.iter().cloned().collect();
        let others: Vec<SubjectId> = subjects.filter(|one| known.insert(one.clone())).collect();
        let omitted = others.len().saturating_sub(FURTHER_LIMIT);
        let draft = if omitted > 0 { draft.detail("further_omitted", &omitted.to_string()) } else { draft };
        let first = self.audit_append(operation, draft.clone()).await?;
        // Together, so that one sync does for all.
        let further = others.iter().take(FURTHER_LIMIT).map(|other| {
            let draft = draft.clone().subject(other).detail(SAME_AS, &first.0.to_string());
            self.audit_append(operation, draft)
        });
        futures::future::try_join_all(further).await?;
        Ok(first)
    }

    /// Logs that an operator tried something that its role does not allow. A denial is logged like success.
    pub async fn access_refused(&self, operation: &Operation, rule: &str) -> Result<()> {
        let entry = EntryDraft::new(EntryKind::AccessRefused).denied().rule(rule, &self.policy_version());
        self.audit_append(Some(operation), entry).await?;
        Ok(())
    }

    /// Logs that a user of this machine could not be taken for an operator: no account, several and none named, another's
    /// account, or a role the account does not have. The entry names no account as its actor, because none acted; what
    /// was claimed stands in the sealed body with the user's number.
    ///
    /// A user without an account can write nothing else into the log, so these entries are bounded: 30 of one user in a
    /// minute. The next entry says how many were left out. An operator's refusals ([`Node::access_refused`]) are not
    /// bounded, since what he may do writes as many entries, all in his name.
    pub async fn identity_refused(
        &self,
        user_id: u32,
        account: Option<&OperatorName>,
        role: Option<Role>,
        rule: &str,
    ) -> Result<()> {
        let omitted = {
            let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
            if !strangers.admit(&user_id, self.now()) {
                return Ok(());
            }
            strangers.omitted_take(&user_id)
        };
        let mut entry = EntryDraft::new(EntryKind::AccessRefused)
            .denied()
            .rule(rule, &self.policy_version())
            .detail("uid", &user_id.to_string());
        if let Some(account) = account {
            entry = entry.detail("operator", account.as_str());
        }
        if let Some(role) = role {
            entry = entry.detail("role", role.as_str());
        }
        if omitted > 0 {
            entry = entry.detail("omitted", &omitted.to_string());
        }
        self.audit_append(None, entry).await?;
        Ok(())
    }

    /// Searches the log, newest first. Reading the log is itself an entry, written before anything is shown. `exception` says
    /// who vouches for the code whose keyed hash `filter` names, where its check is wrong.
    pub async fn audit_search(
        &self,
        operation: &Operation,
        filter: Filter,
        exception: Option<&CheckException>,
        limit: usize,
    ) -> Result<SearchPage> {
        operation.require(&[Role::AuditAdministrator], "read the audit log")?;
        let entry = EntryDraft::new(EntryKind::LogRead).check_exception(exception);
        self.audit_append(Some(operation), entry).await?;
        Ok(self.parts.log.search(filter, limit).await?)
    }

    /// Verifies the whole log on disk against its newest checkpoint.
    pub async fn audit_verify(&self, operation: &Operation) -> Result<VerifyReport> {
        operation.require(
            &[Role::AuditAdministrator, Role::SecurityAdministrator, Role::SystemAdministrator],
            "verify the audit log",
        )?;
        Ok(self.parts.log.verify().await?)
    }

    /// The keyed hash under which a subject stands in this node's log.
    pub fn subject_key(&self, subject: &SubjectId) -> SubjectKey {
        subject.key(&self.parts.keys.subject)
    }

    /// The keyed hash under which a subject stands in this node's indexes, see [`SubjectId::index_key`].
    pub(crate) fn index_key(&self, subject: &SubjectId) -> SubjectKey {
        subject.index_key(&self.parts.keys.subject)
    }

    /// The keyed hash under which a name stands in this node's log and indexes.
    pub fn name_key(&self, name: &str) -> SubjectKey {
        SubjectKey::of_name(name, &self.parts.keys.subject)
    }
}
