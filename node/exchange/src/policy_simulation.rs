//! Simulation: the requests in this node's audit log, put to another policy. Who would lose what, who would gain.
//!
//! What is replayed: checks that operators here began, and requests of peers that were answered or refused. The log knows
//! purpose, role and asker in the open, and the subject in a sealed body, of which only its kind is used here, and whether
//! a case, a legal basis and the subject's authorisation were given. It does not know which categories were asked about, so
//! each request counts as one about all of them. Functions are those the directory lists today; a request of a body that is
//! no member any more is left out and counted.
//!
//! Requests are compared by what is let out at each category and level. A bundle that classifies fields otherwise may
//! decide every request alike and show every answer otherwise, so the fields it does that to are named beside the counts.
//!
//! Nothing about a subject leaves: the result is counts per asker, purpose and role. Looking is logged like every reading
//! of the log. Counts of other nodes: [`crate::policy_simulation_peers`].

use std::collections::{BTreeMap, HashMap};

use chengxin_audit_log::{EntryIndex, Filter, Leaf, Outcome};
use chengxin_policy::{
    AccessRequest, Action, AskerContext, Authoriser, FieldChange, ReplayOutcome, Replayed, ReplayedCell,
    SecondPerson, Treatment,
};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::UnixTime;
use chengxin_trust::VerifiedDirectory;

use crate::audit::{EntryDraft, EntryKind, RELEASED_BY, SAME_AS};
use crate::error::{ExchangeError, Result};
use crate::node::Node;
use crate::operation::Operation;

/// Most entries of requests that are looked at, the newest: each body takes some tens of microseconds to open. A request
/// about a subject with two identifiers has two.
pub const REQUESTS_LIMIT: u64 = 100_000;
/// Most lines of a result; there are as many as askers, purposes and roles met each other.
pub const LINES_LIMIT: usize = 10_000;
/// Entries found in one search.
const ENTRIES_AT_ONCE: usize = 500;

/// What a simulation gave.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The policy published last, or whatever else is compared with; with an overlay both versions.
    pub from: String,
    /// The other one.
    pub to: String,
    /// From when on requests were replayed. Later than asked for if there were too many.
    pub since: UnixTime,
    /// Whether everything since the time asked for was replayed.
    pub complete: bool,
    /// Requests replayed.
    pub requests: u64,
    /// Of these, those that would get the same at every category and level.
    pub unchanged: u64,
    /// Requests that cannot be replayed: erased bodies, unknown askers.
    pub skipped: u64,
    /// What would change, the losses first.
    pub lines: Vec<SimulationLine>,
    /// Fields that the other policy classifies otherwise, by record type and name; as many as the dictionary has at most.
    /// Every answer with one of them may show it otherwise, whatever the lines say, and they do not count it.
    pub fields_changed: Vec<FieldChange>,
}

/// Requests of one asker for one purpose that would end otherwise alike.
#[derive(Clone, Debug)]
pub struct SimulationLine {
    /// Whose request: this body's own checks, or a peer's.
    pub asker: AgencyCode,
    /// Its name.
    pub asker_name: String,
    /// Asking or answering.
    pub action: Action,
    /// For what.
    pub purpose: PurposeCode,
    /// In which role.
    pub role: Role,
    /// About which kind of subject.
    pub subject_kind: SubjectKind,
    /// What would become of them.
    pub outcome: ReplayOutcome,
    /// How many.
    pub requests: u64,
    /// Where the two policies differ.
    pub cells: Vec<ReplayedCell>,
    /// Fields that were shown whole at a level that would be masked, which withholds those without a mask: an upper bound.
    /// The log counts by category and level, and does not tell the fields that are shown whatever the policy says, those of
    /// a record's public part and the one asked with, from the others.
    pub fields_masked: u64,
    /// Fields that were shown or masked at a level that would be withheld: an upper bound as well.
    pub fields_withheld: u64,
}

/// What decides about a request, and what its lines are kept by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Asked {
    asker: AgencyCode,
    action_is_ask: bool,
    purpose: PurposeCode,
    role: Role,
    is_person: bool,
    has_case: bool,
    has_basis: bool,
    has_authorisation: bool,
    /// The role in which it was released.
    released_by: Option<Role>,
}

/// What an entry says of a request.
enum LoggedRequest {
    Asked(Asked),
    /// It is a further entry of one, about another identifier of the subject.
    CountedAlready,
    Unknown,
}

/// What happened to the requests that are asked alike.
struct Counted {
    replayed: Replayed,
    requests: u64,
    fields_masked: u64,
    fields_withheld: u64,
}

impl Node {
    /// Replays what was asked since a time by two policies. Reads the log from its newest entry back.
    pub async fn policy_simulate(
        &self,
        operation: &Operation,
        [old, new]: [&Authoriser; 2],
        since: UnixTime,
    ) -> Result<Simulation> {
        operation.require(
            &[Role::Coordinator, Role::SecurityAdministrator, Role::AuditAdministrator],
            "simulate a policy",
        )?;
        let entry = EntryDraft::new(EntryKind::LogRead)
            .policy(old.bundle().rules_version())
            .detail("simulated", new.bundle().rules_version())
            .detail("since", &since.to_rfc3339());
        self.audit_append(Some(operation), entry).await?;
        self.simulation_run([old, new], since).await
    }

    /// Replays; whoever calls has logged that the log is read.
    pub(crate) async fn simulation_run(
        &self,
        [old, new]: [&Authoriser; 2],
        since: UnixTime,
    ) -> Result<Simulation> {
        let directory = self.directory()?;
        let mut simulation = Simulation {
            from: old.bundle().rules_version().to_owned(),
            to: new.bundle().rules_version().to_owned(),
            since,
            complete: true,
            requests: 0,
            unchanged: 0,
            skipped: 0,
            lines: Vec::new(),
            fields_changed: FieldChange::between(old.bundle(), new.bundle()),
        };
        let mut counted: HashMap<Asked, Counted> = HashMap::new();
        let mut filter = Filter {
            from: Some(since),
            kinds: vec![
                EntryKind::CheckAnswered,
                EntryKind::CheckDenied,
                EntryKind::AnswerDisclosed,
                EntryKind::AnswerRefused,
            ],
            ..Filter::default()
        };
        let mut looked_at = 0;
        loop {
            let page = self.parts.log.search(filter.clone(), ENTRIES_AT_ONCE).await?;
            for logged in &page.entries {
                if looked_at >= REQUESTS_LIMIT {
                    simulation.complete = false;
                    break;
                }
                looked_at += 1;
                let asked = match self.asked_of(&logged.leaf, logged.index).await? {
                    LoggedRequest::Asked(asked) => asked,
                    LoggedRequest::CountedAlready => continue,
                    LoggedRequest::Unknown => {
                        simulation.skipped += 1;
                        continue;
                    }
                };
                let Some(request) = request_of(&asked, &directory, &self.parts.agency)? else {
                    simulation.skipped += 1;
                    continue;
                };
                simulation.since = logged.leaf.time;
                simulation.requests += 1;
                let one = counted.entry(asked).or_insert_with(|| Counted {
                    replayed: Replayed::new(old, new, &request),
                    requests: 0,
                    fields_masked: 0,
                    fields_withheld: 0,
                });
                one.count(&logged.leaf);
            }
            match page.next {
                Some(next) if simulation.complete => filter.before = Some(next),
                Some(_) | None => break,
            }
        }
        if simulation.complete {
            simulation.since = since;
        }
        self.lines_sum(&mut simulation, counted, &directory);
        Ok(simulation)
    }

    /// What an entry's request was; unknown if its body is gone or names no subject.
    async fn asked_of(&self, leaf: &Leaf, index: EntryIndex) -> Result<LoggedRequest> {
        let action_is_ask = matches!(leaf.kind, EntryKind::CheckAnswered | EntryKind::CheckDenied);
        // Neither a request that failed for another reason, nor one that a policy did not decide.
        if matches!(leaf.outcome, Outcome::Failed(_)) {
            return Ok(LoggedRequest::Unknown);
        }
        let (Some(purpose), Some(role)) = (&leaf.purpose, leaf.actor.role) else {
            return Ok(LoggedRequest::Unknown);
        };
        let body = match self.parts.log.read_body(index).await {
            Ok(body) => body,
            Err(error) => {
                tracing::debug!(%index, %error, "a request is left out of a simulation");
                return Ok(LoggedRequest::Unknown);
            }
        };
        if body.details.contains_key(SAME_AS) {
            return Ok(LoggedRequest::CountedAlready);
        }
        let Some(subject) = &body.subject else { return Ok(LoggedRequest::Unknown) };
        Ok(LoggedRequest::Asked(Asked {
            asker: if action_is_ask { self.parts.agency } else { leaf.peer.unwrap_or(leaf.actor.agency) },
            action_is_ask,
            purpose: purpose.clone(),
            role,
            is_person: subject.kind() == SubjectKind::Person,
            has_case: body.case_reference.is_some(),
            has_basis: body.legal_basis.is_some(),
            has_authorisation: body.authorisation.is_some(),
            released_by: body.details.get(RELEASED_BY).and_then(|by| {
                let (account, role) = by.split_once(' ')?;
                // A peer may have stated its own operator: nobody releases his own query.
                let is_other = leaf.actor.account.as_ref().is_some_and(|asker| asker.as_str() != account);
                role.parse().ok().filter(|_| is_other)
            }),
        }))
    }

    fn lines_sum(
        &self,
        simulation: &mut Simulation,
        counted: HashMap<Asked, Counted>,
        directory: &VerifiedDirectory,
    ) {
        // By what is shown of them: with or without a case, the outcome may be the same.
        let mut lines: BTreeMap<(ReplayOutcome, AgencyCode, bool, PurposeCode, Role, bool), SimulationLine> =
            BTreeMap::new();
        for (asked, one) in counted {
            if one.replayed.outcome == ReplayOutcome::Same {
                simulation.unchanged += one.requests;
                continue;
            }
            let key = (
                one.replayed.outcome,
                asked.asker,
                asked.action_is_ask,
                asked.purpose.clone(),
                asked.role,
                asked.is_person,
            );
            let line = lines.entry(key).or_insert_with(|| SimulationLine {
                asker: asked.asker,
                asker_name: directory.entry(&asked.asker).map(|entry| entry.name.clone()).unwrap_or_default(),
                action: if asked.action_is_ask { Action::Ask } else { Action::Answer },
                purpose: asked.purpose,
                role: asked.role,
                subject_kind: subject_kind(asked.is_person),
                outcome: one.replayed.outcome,
                requests: 0,
                cells: one.replayed.cells.clone(),
                fields_masked: 0,
                fields_withheld: 0,
            });
            line.requests += one.requests;
            line.fields_masked += one.fields_masked;
            line.fields_withheld += one.fields_withheld;
        }
        simulation.complete &= lines.len() <= LINES_LIMIT;
        simulation.lines = lines.into_values().take(LINES_LIMIT).collect();
    }
}

impl Counted {
    fn count(&mut self, leaf: &Leaf) {
        self.requests += 1;
        for disclosed in &leaf.disclosed {
            let (shown, masked) = (u64::from(disclosed.shown), u64::from(disclosed.masked));
            match self.replayed.treatment_after(disclosed.category, disclosed.level) {
                Treatment::Show => {}
                Treatment::Mask => self.fields_masked += shown,
                Treatment::Withhold => self.fields_withheld += shown + masked,
            }
        }
    }
}

fn subject_kind(is_person: bool) -> SubjectKind {
    if is_person { SubjectKind::Person } else { SubjectKind::Organisation }
}

/// The request as it would be made today; none from a body that is no member.
fn request_of(
    asked: &Asked,
    directory: &VerifiedDirectory,
    own: &AgencyCode,
) -> Result<Option<AccessRequest>> {
    let Some(entry) = directory.entry(&asked.asker) else { return Ok(None) };
    // Which case, law and authorisation do not decide, only whether there are any.
    let case = asked.has_case.then(|| "replayed".parse()).transpose().map_err(ExchangeError::Schema)?;
    let basis = asked.has_basis.then(|| "replayed".parse()).transpose().map_err(ExchangeError::Schema)?;
    let authorised = asked.has_authorisation.then(|| "replayed".parse()).transpose();
    let authorised = authorised.map_err(ExchangeError::Schema)?;
    let is_own = asked.asker == *own;
    Ok(Some(AccessRequest {
        asker: AskerContext { agency: asked.asker, functions: entry.functions.clone(), region: entry.region },
        role: asked.role,
        purpose: asked.purpose.clone(),
        case_reference: case,
        legal_basis: basis,
        authorisation: authorised.map(|reference| SubjectAuthorisation { reference, document: None }),
        second_person: asked.released_by.map(SecondPerson::supposed),
        subject_kind: subject_kind(asked.is_person),
        own_records: false,
        categories: InformationCategory::ALL.to_vec(),
        action: if is_own && asked.action_is_ask { Action::Ask } else { Action::Answer },
    }))
}
