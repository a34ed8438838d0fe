//! `purposes.toml`: why somebody may ask, and the check that the rules grant exactly what is written there.

use std::collections::BTreeSet;

use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::error::PolicyError;
use crate::functions::FunctionScope;
use crate::request::{Action, SUBJECT_KINDS};
use crate::roles::RoleDefinition;
use crate::rules::{Rule, Scope};

const FILE: &str = "purposes.toml";
/// Most purposes: the decision cache and the decision table grow with their number.
const PURPOSES_LIMIT: usize = 200;

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
    /// Why it is as it is.
    pub note: String,
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
    let codes: Vec<String> = raw.purpose.iter().map(|entry| entry.code.get_ref().to_string()).collect();
    let mut purposes: Vec<Purpose> = Vec::new();
    for entry in raw.purpose {
        let wrong = |reason: &str, fix: &str| Err(error_at(FILE, text, &entry.code, reason, fix));
        let code = entry.code.get_ref().clone();
        // casbin keeps roles and purposes in one graph, so their names may not meet.
        let is_role = |name: &str| Role::ALL.iter().any(|role| role.as_str() == name);
        if purposes.iter().any(|other| other.code == code) {
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
    for purpose in purposes {
        let granted = Granted::of(purpose, rules, roles);
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
    fn of(purpose: &Purpose, rules: &[Rule], definitions: &[RoleDefinition]) -> Self {
        let allowing: Vec<&Rule> =
            rules.iter().filter(|rule| rule.allows && rule.concerns(purpose)).collect();
        let denying: Vec<&Rule> = rules
            .iter()
            .filter(|rule| {
                let whole = rule.role == Scope::Every
                    && rule.function == Scope::Every
                    && rule.level == Scope::Every
                    && rule.form == Scope::Every;
                !rule.allows && whole && rule.concerns(purpose)
            })
            .collect();
        let within = |category: &InformationCategory, subject: &SubjectKind, action: &Action| {
            let holds = |rule: &&&Rule| {
                rule.category.holds_for(category)
                    && rule.subject.holds_for(subject)
                    && rule.action.holds_for(action)
            };
            allowing.iter().any(|rule| holds(&rule)) && !denying.iter().any(|rule| holds(&rule))
        };
        let mut cells = Vec::new();
        for category in InformationCategory::ALL {
            for subject in SUBJECT_KINDS {
                for action in Action::ALL {
                    if within(category, &subject, &action) {
                        cells.push((*category, subject, action));
                    }
                }
            }
        }
        let mut roles = BTreeSet::new();
        for rule in &allowing {
            if let Scope::One(role) = rule.role {
                roles.insert(role);
                roles.extend(
                    definitions
                        .iter()
                        .filter(|definition| definition.includes.contains(&role))
                        .map(|definition| definition.role),
                );
            }
        }
        let every = allowing.iter().any(|rule| rule.function == Scope::Every);
        let named: BTreeSet<FunctionCode> =
            allowing.iter().filter_map(|rule| crate::rules::rule_function(rule)).cloned().collect();
        Self {
            actions: sorted(cells.iter().map(|cell| cell.2).collect()),
            roles: roles.into_iter().collect(),
            functions: if every {
                FunctionScope::Every
            } else {
                FunctionScope::Having(named.into_iter().collect())
            },
            subjects: sorted(cells.iter().map(|cell| cell.1).collect()),
            categories: sorted(cells.iter().map(|cell| cell.0).collect()),
        }
    }
}
