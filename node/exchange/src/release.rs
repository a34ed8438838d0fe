//! Releases: another person of the body lets a check through whose purpose needs a second one (双人).
//!
//! An operator asks for a release of one check, a colleague gives or refuses it, and the operator makes the check with it.
//! What was asked for is what is checked: subject, name, purpose, case and law must be the same, and the operator too. One
//! release serves one check. The signed requests say who released them; that it is another person is this node's word.
//!
//! Each step is logged before it is done. A release is spent when the requests of its check are in the durable log, before
//! any of them leaves; a crash before that leaves it as it was, and one after it costs the release.
//!
//! A row that cannot be read is passed over with an alarm: whoever misses it asks again.

use chengxin_schemas::identity::{CaseReference, ReleaseId};
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::UnixTime;
use chengxin_store::{Batch, KeyRange};
use serde::{Deserialize, Serialize};
use tokio::sync::MutexGuard;

use crate::audit::{EntryDraft, EntryKind};
use crate::check::CheckRequest;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::operation::Operation;
use crate::operator::Separation;
use crate::row::Row;

/// How long a request waits for a decision, in seconds: a week, so that a colleague's days off are in it. A refusal is
/// shown as long.
pub const OPEN_SECONDS: i64 = 7 * 86_400;
/// How long a release given can be used, in seconds: a day. It is for the check at hand, not for a later one.
pub const GIVEN_SECONDS: i64 = 86_400;
/// Most releases of one operator, open and decided: more than a clerk has files on his desk, and no colleague can look at
/// so many with care. Half a kilobyte each.
pub const OPERATOR_LIMIT: usize = 50;
/// Most releases of the body: twenty operators at their limit. All are read to list them.
pub const RELEASES_LIMIT: usize = 1_000;

const _: () = assert!(OPERATOR_LIMIT * 20 <= RELEASES_LIMIT, "no operator takes the others' room");

/// A release as stored, version 1. Encrypted: it names the subject.
#[derive(Clone, Serialize, Deserialize)]
struct ReleaseRow {
    id: ReleaseId,
    subject: SubjectId,
    subject_name: Option<String>,
    purpose: PurposeCode,
    case_reference: CaseReference,
    legal_basis: Option<LegalBasis>,
    by: OperatorReference,
    user_id: u32,
    at: UnixTime,
    decided: Option<ReleaseDecision>,
}

impl Row for ReleaseRow {
    const NAME: &'static str = "release";
    const VERSION: u8 = 1;
}

/// What a colleague decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDecision {
    /// Who.
    pub by: OperatorReference,
    /// When.
    pub at: UnixTime,
    /// Why it is refused; None if it is given.
    pub refusal: Option<String>,
}

/// A release as it is shown to whoever asked for it or may decide it.
#[derive(Clone)]
pub struct CheckRelease {
    /// Its number.
    pub id: ReleaseId,
    /// About whom the check is.
    pub subject: SubjectId,
    /// The name that is to be searched for as well.
    pub subject_name: Option<String>,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file.
    pub case_reference: CaseReference,
    /// The law, where the purpose alone does not say.
    pub legal_basis: Option<LegalBasis>,
    /// Who wants to check.
    pub by: OperatorName,
    /// Since when.
    pub at: UnixTime,
    /// When it ends: the wait for a decision, the time to use it, or that a refusal is shown.
    pub until: UnixTime,
    /// What a colleague decided, if one did.
    pub decided: Option<ReleaseDecision>,
}

/// Shows number and purpose: the subject may be a person.
impl std::fmt::Debug for CheckRelease {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("CheckRelease")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// A release that the check in hand was given, and that no other check can take meanwhile.
pub(crate) struct HeldRelease<'a> {
    id: ReleaseId,
    pub(crate) by: OperatorReference,
    _turn: MutexGuard<'a, ()>,
}

impl ReleaseRow {
    fn until(&self) -> UnixTime {
        match &self.decided {
            None => self.at.plus(OPEN_SECONDS),
            Some(decided) if decided.refusal.is_none() => decided.at.plus(GIVEN_SECONDS),
            Some(decided) => decided.at.plus(OPEN_SECONDS),
        }
    }

    fn is_over(&self, now: UnixTime) -> bool {
        now > self.until()
    }

    fn is_for(&self, wanted: &CheckRequest) -> bool {
        self.subject == wanted.subject
            && self.subject_name == wanted.subject_name
            && self.purpose == wanted.purpose
            && self.case_reference == wanted.case_reference
            && self.legal_basis == wanted.legal_basis
    }

    fn entry(&self, kind: EntryKind) -> EntryDraft {
        EntryDraft::new(kind)
            .purpose(&self.purpose, &self.case_reference, self.legal_basis.as_ref())
            .subject(&self.subject)
            .subject_name(self.subject_name.as_deref())
            .detail("release", &self.id.to_string())
    }

    fn shown(self) -> CheckRelease {
        CheckRelease {
            until: self.until(),
            id: self.id,
            subject: self.subject,
            subject_name: self.subject_name,
            purpose: self.purpose,
            case_reference: self.case_reference,
            legal_basis: self.legal_basis,
            by: self.by.account,
            at: self.at,
            decided: self.decided,
        }
    }
}

impl Node {
    /// Asks for the release of a check, which is not made yet.
    pub async fn release_request(
        &self,
        operation: &Operation,
        wanted: &CheckRequest,
    ) -> Result<CheckRelease> {
        operation.require(&[Role::Clerk, Role::Reviewer], "ask for a release")?;
        wanted.subject.vouched_check(wanted.check_exception.as_ref())?;
        let policy = self.policy();
        match policy.bundle().purpose(&wanted.purpose) {
            None => return Err(ExchangeError::NotFound { what: "the purpose" }),
            Some(purpose) if !purpose.second_person => {
                return Err(conflict("the purpose needs none: check without it"));
            }
            Some(_) => {}
        }
        let _turn = self.releasing.lock().await;
        let rows = self.releases_tidy(operation.now()).await?;
        let own = rows.iter().filter(|row| row.by.account == *operation.account()).count();
        if own >= OPERATOR_LIMIT || rows.len() >= RELEASES_LIMIT {
            return Err(ExchangeError::Busy {
                what: "releases",
                reason: "too many are open or not used: use them, or wait until colleagues decided"
                    .to_owned(),
            });
        }
        let row = ReleaseRow {
            id: ReleaseId(self.random_bytes()),
            subject: wanted.subject.clone(),
            subject_name: wanted.subject_name.clone(),
            purpose: wanted.purpose.clone(),
            case_reference: wanted.case_reference.clone(),
            legal_basis: wanted.legal_basis.clone(),
            by: OperatorReference { account: operation.account().clone(), role: operation.role() },
            user_id: self.user_of(operation).await?,
            at: operation.now(),
            decided: None,
        };
        let entry = row.entry(EntryKind::ReleaseRequested).check_exception(wanted.check_exception.as_ref());
        self.audit_append(Some(operation), entry).await?;
        self.release_write(&row).await?;
        Ok(row.shown())
    }

    /// The operator's own releases, and those of others under purposes that the role may release; the oldest first.
    pub async fn release_list(&self, operation: &Operation) -> Result<Vec<CheckRelease>> {
        operation.require(&[Role::Clerk, Role::Reviewer], "see releases")?;
        self.audit_append(Some(operation), EntryDraft::new(EntryKind::ReleaseRead)).await?;
        let _turn = self.releasing.lock().await;
        let mut rows = self.releases_tidy(operation.now()).await?;
        let policy = self.policy();
        rows.retain(|row| {
            let purpose = policy.bundle().purpose(&row.purpose);
            row.by.account == *operation.account()
                || purpose.is_some_and(|purpose| purpose.may_release(operation.role()))
        });
        rows.sort_by_key(|row| (row.at, row.id));
        Ok(rows.into_iter().map(ReleaseRow::shown).collect())
    }

    /// Gives a colleague's check free, or refuses it with the reason. Nobody releases his own check, and where duties are
    /// separated no second account of the same user does.
    pub async fn release_decide(
        &self,
        operation: &Operation,
        separation: Separation,
        id: &ReleaseId,
        refusal: Option<String>,
    ) -> Result<CheckRelease> {
        operation.require(&[Role::Clerk, Role::Reviewer], "release a check")?;
        let _turn = self.releasing.lock().await;
        let mut row = self.release_read(id, operation.now()).await?.ok_or_else(unknown)?;
        let user_id = self.user_of(operation).await?;
        let is_same = row.by.account == *operation.account()
            || (separation == Separation::Enforced && row.user_id == user_id);
        if is_same {
            self.access_refused(operation, "release.own").await?;
            return Err(conflict("nobody releases a check of his own: a colleague does"));
        }
        let policy = self.policy();
        let purpose = policy.bundle().purpose(&row.purpose);
        if !purpose.is_some_and(|purpose| purpose.may_release(operation.role())) {
            self.access_refused(operation, "release.role").await?;
            return Err(conflict("the role may not act under this purpose: a reviewer releases it"));
        }
        if row.decided.is_some() {
            return Err(conflict("it is decided already: chengxin release list"));
        }
        let entry = match &refusal {
            None => row.entry(EntryKind::ReleaseGiven),
            Some(reason) => row.entry(EntryKind::ReleaseRefused).denied().detail("reason", reason),
        };
        let entry = entry.policy(policy.bundle().rules_version());
        let entry = entry.detail("asked_by", row.by.account.as_str());
        self.audit_append(Some(operation), entry).await?;
        let by = OperatorReference { account: operation.account().clone(), role: operation.role() };
        row.decided = Some(ReleaseDecision { by, at: operation.now(), refusal });
        self.release_write(&row).await?;
        Ok(row.shown())
    }

    /// The release that a check names, if it names one. That it does not fit is logged like any other denial.
    pub(crate) async fn release_hold(
        &self,
        operation: &Operation,
        wanted: &CheckRequest,
    ) -> Result<Option<HeldRelease<'_>>> {
        let Some(id) = wanted.release else { return Ok(None) };
        let turn = self.releasing.lock().await;
        let row = self.release_read(&id, operation.now()).await?;
        let row = row.filter(|row| row.by.account == *operation.account());
        let unfit = match row {
            None => unknown(),
            Some(row) if !row.is_for(wanted) => conflict(
                "subject, name, purpose, case and law of the check are not those it was asked for: check those, or ask for another",
            ),
            Some(ReleaseRow { decided: Some(ReleaseDecision { by, refusal: None, .. }), .. }) => {
                return Ok(Some(HeldRelease { id, by, _turn: turn }));
            }
            Some(ReleaseRow { decided: None, .. }) => {
                conflict("it is not decided yet: a colleague finds it in chengxin release list")
            }
            Some(_) => conflict("it was refused: chengxin release list says why"),
        };
        let entry = EntryDraft::new(EntryKind::CheckDenied).denied().rule("release", &self.policy_version());
        let entry = wanted.entry(entry).detail("release", &id.to_string());
        self.audit_append(Some(operation), entry).await?;
        Err(unfit)
    }

    /// Takes the release away; afterwards the check may ask.
    pub(crate) async fn release_spend(&self, held: Option<HeldRelease<'_>>) -> Result<()> {
        let Some(held) = held else { return Ok(()) };
        let mut batch = Batch::new();
        batch.delete(keyspace::release(&held.id));
        Ok(self.parts.store.commit(batch).await.map(|_| ())?)
    }

    /// A release that is not over.
    async fn release_read(&self, id: &ReleaseId, now: UnixTime) -> Result<Option<ReleaseRow>> {
        let key = keyspace::release(id);
        let Some(bytes) = self.readable_value(&key).await? else { return Ok(None) };
        Ok(self.release_open(&bytes, &key).filter(|row| !row.is_over(now)))
    }

    fn release_open(&self, bytes: &[u8], key: &[u8]) -> Option<ReleaseRow> {
        match ReleaseRow::open(bytes, key, &self.parts.keys.data) {
            Ok(row) => Some(row),
            Err(error) => {
                tracing::error!(%error, "going on without a release");
                None
            }
        }
    }

    async fn release_write(&self, row: &ReleaseRow) -> Result<()> {
        let key = keyspace::release(&row.id);
        let sealed = row.seal(&key, &self.parts.keys.data, self.row_nonce())?;
        let mut batch = Batch::new();
        batch.put(key, sealed);
        Ok(self.parts.store.commit(batch).await.map(|_| ())?)
    }

    /// All releases that are not over, in no order; removes the others. The caller holds `releasing`.
    async fn releases_tidy(&self, now: UnixTime) -> Result<Vec<ReleaseRow>> {
        let mut rows = Vec::new();
        let mut over = Batch::new();
        let mut rest = Some(KeyRange::prefix(&keyspace::releases()));
        while let Some(range) = rest {
            let page = self.readable_page(&range, RELEASES_LIMIT).await?;
            for (key, bytes) in &page.rows {
                match self.release_open(bytes, key) {
                    Some(row) if row.is_over(now) => drop(over.delete(key.to_vec())),
                    Some(row) => rows.push(row),
                    None => {}
                }
            }
            rest = page.rest;
        }
        if !over.is_empty() {
            self.parts.store.commit(over).await?;
        }
        Ok(rows)
    }

    /// The operating system's user of the account that acts.
    async fn user_of(&self, operation: &Operation) -> Result<u32> {
        let accounts = self.operators_all().await?;
        let own = accounts.iter().find(|account| account.name == *operation.account());
        own.map(|account| account.user_id).ok_or(ExchangeError::NotFound { what: "the operator's account" })
    }
}

fn conflict(reason: &str) -> ExchangeError {
    ExchangeError::Conflict { what: "release", reason: reason.to_owned() }
}

/// Not there, over, used, or another operator's: who names it by chance learns nothing.
fn unknown() -> ExchangeError {
    ExchangeError::NotFound { what: "the release" }
}

#[cfg(test)]
mod tests;
