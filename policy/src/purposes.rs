//! `purposes.toml`: why somebody may ask, and the check that the rules grant exactly what is written there.

use std::collections::{BTreeSet, HashMap, HashSet};

use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::denial::DenialReason;
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::functions::FunctionScope;
use crate::permit::Obligations;
use crate::request::{AccessRequest, Action, SUBJECT_KINDS};
use crate::roles::RoleDefinition;
use crate::rules::{Rule, Scope};

const FILE: &str = "purposes.toml";
/// Most purposes. The State's list of licensing items has about a thousand, and a province adds its own; the baseline
/// has sixteen. The decision table grows with their number.
const PURPOSES_LIMIT: usize = 2_000;
/// Highest daily limit: a hundred thousand requests a day are one in each second of all working hours and more, so a higher
/// figure would limit nothing.
pub(crate) const DAILY_LIMIT_MOST: u32 = 100_000;

/// A purpose of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Purpose {
    /// Line in `purposes.toml`, counted from 1.
    pub line: usize,
    /// The code that requests carry.
    pub code: PurposeCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// The requirement that asks for it, for example `QU-02`.
    pub requirement: String,
    /// The group rules may name instead of the purpose.
    pub group: Option<String>,
    /// The basis a request has when it cites none; absent where the asker must cite one.
    pub legal_basis: Option<LegalBasis>,
    /// Whether the basis was read in the instrument.
    pub verified: bool,
    /// Roles that may act under it, inclusion counted.
    pub roles: Vec<Role>,
    /// Bodies that may act under it.
    pub functions: FunctionScope,
    /// Kinds of subject it is about.
    pub subjects: Vec<SubjectKind>,
    /// Categories it may see.
    pub categories: Vec<InformationCategory>,
    /// What may be done under it.
    pub actions: Vec<Action>,
    /// Whether an open file must be named.
    pub case_reference: bool,
    /// Whether the subject must have authorised the query in writing (授权查询).
    pub subject_authorisation: bool,
    /// Whether another person of the asking body must have released the query (双人).
    pub second_person: bool,
    /// How many requests one operator may make under it in one day; None for any number. See [`crate::Obligations`].
    pub daily_limit: Option<u32>,
    /// How many one body may make; None for any number.
    pub daily_limit_body: Option<u32>,
    /// Why it is as it is.
    pub note: String,
}

/// What a purpose demands of a request beside what the rules say. A request meets it by stating something; whether that
/// is true is for whoever reads the log to judge. Only of a release the asking node knows: it was given there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// The number of an open case or project.
    CaseReference,
    /// A law, because the purpose states none.
    LegalBasis,
    /// The subject's written authorisation.
    SubjectAuthorisation,
    /// The release of another person of the asking body.
    SecondPerson,
}

impl Condition {
    /// Every condition, in the order in which they are looked at.
    pub const ALL: [Self; 4] =
        [Self::CaseReference, Self::LegalBasis, Self::SubjectAuthorisation, Self::SecondPerson];

    /// The spelling in machine output: that of the denial where it is not met.
    pub fn as_str(self) -> &'static str {
        self.reason().as_str()
    }

    /// The denial where it is not met.
    pub(crate) fn reason(self) -> DenialReason {
        match self {
            Self::CaseReference => DenialReason::CaseReference,
            Self::LegalBasis => DenialReason::LegalBasis,
            Self::SubjectAuthorisation => DenialReason::SubjectAuthorisation,
            Self::SecondPerson => DenialReason::SecondPerson,
        }
    }

    /// Whether a request under `purpose` states what is demanded.
    fn is_met_by(self, request: &AccessRequest, purpose: &Purpose) -> bool {
        match self {
            Self::CaseReference => request.case_reference.is_some(),
            Self::LegalBasis => request.legal_basis.is_some(),
            Self::SubjectAuthorisation => request.authorisation.is_some(),
            Self::SecondPerson => request.second_person.is_some_and(|one| purpose.may_release(one.role())),
        }
    }
}

impl Purpose {
    /// What the purpose demands of every request.
    pub fn conditions(&self) -> impl Iterator<Item = Condition> {
        Condition::ALL.into_iter().filter(|condition| match condition {
            Condition::CaseReference => self.case_reference,
            Condition::LegalBasis => self.legal_basis.is_none(),
            Condition::SubjectAuthorisation => self.subject_authorisation,
            Condition::SecondPerson => self.second_person,
        })
    }

    /// Whether who acts in this role may release queries of others under it: who may make them himself, and reviewers.
    pub fn may_release(&self, role: Role) -> bool {
        role == Role::Reviewer || self.roles.contains(&role)
    }

    /// What whoever acts under it owes beside what a permit lets out.
    pub(crate) fn obligations(&self, action: Action) -> Obligations {
        Obligations {
            daily_limit: self.daily_limit.filter(|_| action == Action::Ask),
            daily_limit_body: self.daily_limit_body.filter(|_| action.is_query()),
        }
    }

    /// What it demands that a request does not state.
    pub(crate) fn unmet(&self, request: &AccessRequest) -> impl Iterator<Item = Condition> {
        self.conditions().filter(|condition| !condition.is_met_by(request, self))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    purpose: Vec<RawPurpose>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPurpose {
    code: Spanned<PurposeCode>,
    chinese: String,
    english: String,
    requirement: String,
    group: Option<String>,
    legal_basis: Option<LegalBasis>,
    verified: bool,
    roles: Vec<Role>,
    functions: Vec<Spanned<String>>,
    subjects: Vec<SubjectKind>,
    categories: Vec<InformationCategory>,
    actions: Vec<Action>,
    case_reference: bool,
    #[serde(default)]
    subject_authorisation: bool,
    #[serde(default)]
    second_person: bool,
    daily_limit: Option<u32>,
    daily_limit_body: Option<u32>,
    note: String,
}

pub(crate) fn purposes_parse(
    text: &str,
    known: &BTreeSet<FunctionCode>,
) -> Result<Vec<Purpose>, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    if raw.purpose.len() > PURPOSES_LIMIT {
        return Err(PolicyError::TooLarge { what: FILE.to_owned(), unit: "purposes", limit: PURPOSES_LIMIT });
    }
    let codes: HashSet<String> = raw.purpose.iter().map(|entry| entry.code.get_ref().to_string()).collect();
    let mut seen: HashSet<PurposeCode> = HashSet::new();
    let mut purposes: Vec<Purpose> = Vec::new();
    for entry in raw.purpose {
        let wrong = |reason: &str, fix: &str| Err(error_at(FILE, text, &entry.code, reason, fix));
        let code = entry.code.get_ref().clone();
        Entry::new(FILE, text, "purpose", code.as_str(), &entry.code)
            .titles(&entry.chinese, &entry.english)?;
        // casbin keeps roles and purposes in one graph, so their names may not meet.
        let is_role = |name: &str| Role::ALL.iter().any(|role| role.as_str() == name);
        if !seen.insert(code.clone()) {
            return wrong("the purpose stands twice", "keep one");
        }
        if is_role(code.as_str()) {
            return wrong("the purpose has the name of a role", "rename it");
        }
        if let Some(group) = &entry.group {
            let plain = group.parse::<PurposeCode>().is_ok();
            if !plain || codes.contains(group) || is_role(group) {
                return wrong(
                    "the group is not a label, or is the name of a purpose or role",
                    "rename the group",
                );
            }
        }
        let beyond = |limit: Option<u32>| limit.is_some_and(|limit| !(1..=DAILY_LIMIT_MOST).contains(&limit));
        if beyond(entry.daily_limit) {
            return wrong("the daily limit is not between 1 and 100000", "correct daily_limit, or remove it");
        }
        if beyond(entry.daily_limit_body) {
            return wrong(
                "the daily limit of a body is not between 1 and 100000",
                "correct daily_limit_body, or remove it",
            );
        }
        let is_limited = entry.daily_limit.is_some() || entry.daily_limit_body.is_some();
        if is_limited && !entry.actions.iter().any(|action| action.is_query()) {
            return wrong(
                "a daily limit counts queries, and the purpose is for none",
                "remove daily_limit and daily_limit_body, or add ask or answer to its actions",
            );
        }
        if let (Some(operator), Some(body)) = (entry.daily_limit, entry.daily_limit_body)
            && body < operator
        {
            return wrong(
                "a body may ask less often in a day than one of its operators",
                "raise daily_limit_body, or lower daily_limit",
            );
        }
        if entry.subject_authorisation && !entry.actions.iter().all(|action| action.is_query()) {
            return wrong(
                "the subject's authorisation comes with a query, and the purpose is for more than queries",
                "remove subject_authorisation, or every action but ask and answer",
            );
        }
        if entry.second_person && !entry.actions.iter().all(|action| action.is_query()) {
            return wrong(
                "the release of another person comes with a query, and the purpose is for more than queries",
                "remove second_person, or every action but ask and answer",
            );
        }
        purposes.push(Purpose {
            line: crate::bundle::line_of(text, entry.code.span().start),
            code,
            chinese: entry.chinese,
            english: entry.english,
            requirement: entry.requirement,
            group: entry.group,
            legal_basis: entry.legal_basis,
            verified: entry.verified,
            roles: sorted(entry.roles),
            functions: FunctionScope::parse(FILE, text, &entry.functions, known)?,
            subjects: sorted(entry.subjects),
            categories: sorted(entry.categories),
            actions: sorted(entry.actions),
            case_reference: entry.case_reference,
            subject_authorisation: entry.subject_authorisation,
            second_person: entry.second_person,
            daily_limit: entry.daily_limit,
            daily_limit_body: entry.daily_limit_body,
            note: entry.note,
        });
    }
    Ok(purposes)
}

fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Refuses a purpose whose declaration is not exactly what the rules grant. Denials are explained from the
/// declaration, so it must be the truth; and a permission that somebody forgot to declare is a mistake.
pub(crate) fn purposes_match_rules(
    purposes: &[Purpose],
    rules: &[Rule],
    roles: &[RoleDefinition],
) -> Result<(), PolicyError> {
    let reaches = reaches(rules);
    for purpose in purposes {
        let granted = Granted::of(purpose, &reaches, roles);
        let differs = if granted.actions.is_empty() || granted.actions != purpose.actions {
            Some("actions")
        } else if granted.roles != purpose.roles {
            Some("roles")
        } else if granted.functions != purpose.functions {
            Some("functions")
        } else if granted.subjects != purpose.subjects {
            Some("subjects")
        } else if granted.categories != purpose.categories {
            Some("categories")
        } else {
            None
        };
        if let Some(what) = differs {
            return Err(PolicyError::file(
                FILE,
                Some(purpose.line),
                format!("{what} of {} are not what rules.csv grants", purpose.code),
                "make the purpose and its rules agree",
            ));
        }
    }
    Ok(())
}

/// What rules that name the same purpose or group, or every purpose (None), say together.
#[derive(Default)]
struct Reach<'a> {
    /// Category × kind of subject × action that some rule permits.
    permitted: BTreeSet<Place>,
    /// Those that a denial takes away as a whole.
    denied: BTreeSet<Place>,
    roles: BTreeSet<Role>,
    /// Whether some permission is for every body.
    every_body: bool,
    functions: BTreeSet<&'a FunctionCode>,
}

type Place = (InformationCategory, SubjectKind, Action);

fn reaches(rules: &[Rule]) -> HashMap<Option<&str>, Reach<'_>> {
    let mut reaches: HashMap<Option<&str>, Reach<'_>> = HashMap::new();
    for rule in rules {
        let name = match &rule.purpose {
            Scope::Every => None,
            Scope::One(name) => Some(name.as_str()),
        };
        let reach = reaches.entry(name).or_default();
        if rule.allows {
            reach.permitted.extend(places(rule));
            match &rule.function {
                Scope::Every => reach.every_body = true,
                Scope::One(function) => drop(reach.functions.insert(function)),
            }
            if let Scope::One(role) = rule.role {
                reach.roles.insert(role);
            }
        } else if rule.role == Scope::Every
            && rule.function == Scope::Every
            && rule.level == Scope::Every
            && rule.form == Scope::Every
        {
            reach.denied.extend(places(rule));
        }
    }
    reaches
}

fn places(rule: &Rule) -> impl Iterator<Item = Place> {
    let subjects = || SUBJECT_KINDS.into_iter().filter(|kind| rule.subject.holds_for(kind));
    let actions = || Action::ALL.into_iter().filter(|action| rule.action.holds_for(action));
    InformationCategory::ALL.iter().filter(|category| rule.category.holds_for(category)).flat_map(
        move |category| {
            subjects().flat_map(move |subject| actions().map(move |action| (*category, subject, action)))
        },
    )
}

/// The reach of the rules about one purpose, read off the rules without deciding anything. A denial counts only when
/// it takes a whole category, subject kind or action away from the purpose.
struct Granted {
    actions: Vec<Action>,
    roles: Vec<Role>,
    functions: FunctionScope,
    subjects: Vec<SubjectKind>,
    categories: Vec<InformationCategory>,
}

impl Granted {
    fn of(
        purpose: &Purpose,
        reaches: &HashMap<Option<&str>, Reach<'_>>,
        definitions: &[RoleDefinition],
    ) -> Self {
        let group = purpose.group.as_deref().map(Some);
        let about: Vec<&Reach<'_>> = [Some(Some(purpose.code.as_str())), group, Some(None)]
            .into_iter()
            .flatten()
            .filter_map(|name| reaches.get(&name))
            .collect();
        let denied = |place: &&Place| about.iter().any(|reach| reach.denied.contains(*place));
        let cells: Vec<Place> =
            about.iter().flat_map(|reach| &reach.permitted).filter(|place| !denied(place)).copied().collect();
        let named: BTreeSet<Role> = about.iter().flat_map(|reach| &reach.roles).copied().collect();
        let including = definitions
            .iter()
            .filter(|definition| definition.includes.iter().any(|role| named.contains(role)))
            .map(|definition| definition.role);
        let roles = named.iter().copied().chain(including).collect();
        let functions: BTreeSet<&FunctionCode> =
            about.iter().flat_map(|reach| &reach.functions).copied().collect();
        Self {
            actions: sorted(cells.iter().map(|cell| cell.2).collect()),
            roles: sorted(roles),
            functions: if about.iter().any(|reach| reach.every_body) {
                FunctionScope::Every
            } else {
                FunctionScope::Having(functions.into_iter().cloned().collect())
            },
            subjects: sorted(cells.iter().map(|cell| cell.1).collect()),
            categories: sorted(cells.iter().map(|cell| cell.0).collect()),
        }
    }
}
