//! What one bundle decides otherwise than another: the cells of the decision grid that change, and what purposes demand of
//! queries, in words; and the values that were added, removed or changed.
//!
//! **Which bodies are asked about.** A rule may name a function, and a body may have any set of them. Permissions need one
//! function that a permission names (or none), denials one that a denial names. So if two bundles decide otherwise about
//! any set, they do so about a body with no function, with one, or with one and one that a denial names: these are asked
//! about, through casbin, and nothing is left out.
//!
//! **Which purposes are asked about.** All that any difference can concern: where both bundles have the same rules about a
//! purpose, whatever they are called and in whatever order, and the same roles, casbin is not asked, since effect and
//! matcher see nothing else. A change of one rule in a hundred thousand is compared in a moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;

use crate::authoriser::{Authoriser, DEFAULT_DENY};
use crate::bundle::Bundle;
use crate::error::PolicyError;
use crate::provenance::RuleId;
use crate::purposes::Purpose;
use crate::request::{Action, Cell, SUBJECT_KINDS, Treatment};
use crate::rules::{Rule, Scope, rule_function};

mod demands;
mod values;
mod wider;
mod words;

pub use demands::{Demand, DemandChange};
pub use values::{ValueChange, ValueChangeKind};
pub(crate) use wider::first_wider;
pub use words::ChangeGroup;

/// What changes from one bundle to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDiff {
    /// Version of the bundle compared with.
    pub from: String,
    /// Version of the new bundle.
    pub to: String,
    /// Cells that are treated otherwise, in the order of purposes, bodies, actions, subjects, roles, categories, levels.
    pub cells: Vec<CellChange>,
    /// Demands of purposes that differ, in the order of the new bundle's purposes.
    pub demands: Vec<DemandChange>,
    /// Values in the bundle's files that differ, in the order of files.
    pub values: Vec<ValueChange>,
}

/// Whether more or less is let out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// More: from withheld to masked or shown, from masked to shown.
    Wider,
    /// Less.
    Narrower,
}

/// One cell of the grid that is treated otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellChange {
    /// For what.
    pub purpose: PurposeCode,
    /// The functions of the asking body that matter; empty for every body.
    pub functions: Vec<FunctionCode>,
    /// What is done.
    pub action: Action,
    /// About whom.
    pub subject: SubjectKind,
    /// The operator's role.
    pub role: Role,
    /// The category.
    pub category: InformationCategory,
    /// The level.
    pub level: ClassificationLevel,
    /// Before.
    pub from: Cell,
    /// After.
    pub to: Cell,
}

impl CellChange {
    /// Whether more or less is let out.
    pub fn direction(&self) -> Direction {
        direction(self.from.treatment, self.to.treatment)
    }
}

/// [`Treatment`] is ordered from what lets out most.
fn direction(from: Treatment, to: Treatment) -> Direction {
    if to < from { Direction::Wider } else { Direction::Narrower }
}

impl PolicyDiff {
    /// Compares what two bundles decide and hold.
    pub fn new(old: &Authoriser, new: &Authoriser) -> Result<Self, PolicyError> {
        let mut cells = Vec::new();
        let by_name = [old, new].map(|authoriser| RulesByName::new(authoriser.bundle()));
        let same_roles = roles(old.bundle()) == roles(new.bundle());
        for code in purposes(old, new) {
            let [before, after] = [(old, &by_name[0]), (new, &by_name[1])].map(|(authoriser, rules)| {
                authoriser.bundle().purpose(&code).map(|one| rules.concerning(one))
            });
            if !same_roles || before.is_none() || before != after {
                purpose_compare([(old, &by_name[0]), (new, &by_name[1])], &code, &mut cells)?;
            }
        }
        Ok(Self {
            from: old.bundle().rules_version().to_owned(),
            to: new.bundle().rules_version().to_owned(),
            cells,
            demands: demands::demands_compare(old.bundle(), new.bundle()),
            values: values::values_compare(old.bundle(), new.bundle())?,
        })
    }

    /// Whether nothing differs, the name of the version aside.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty() && self.demands.is_empty() && self.values.is_empty()
    }
}

/// The rules of a bundle by the purpose or group that they name.
struct RulesByName<'a> {
    every: Vec<&'a Rule>,
    named: HashMap<&'a str, Vec<&'a Rule>>,
}

impl<'a> RulesByName<'a> {
    fn new(bundle: &'a Bundle) -> Self {
        let (mut every, mut named) = (Vec::new(), HashMap::<&str, Vec<&Rule>>::new());
        for rule in bundle.rules().iter() {
            match &rule.purpose {
                Scope::Every => every.push(rule),
                Scope::One(name) => named.entry(name).or_default().push(rule),
            }
        }
        Self { every, named }
    }

    /// The rules that concern a purpose.
    fn about(&self, purpose: &Purpose) -> impl Iterator<Item = &'a Rule> {
        let of = |name: &str| self.named.get(name).into_iter().flatten();
        let group = purpose.group.as_deref().into_iter().flat_map(of);
        self.every.iter().chain(of(purpose.code.as_str())).chain(group).copied()
    }

    /// What these rules say, without their names and that of the group.
    fn concerning(&self, purpose: &Purpose) -> BTreeSet<Vec<String>> {
        self.about(purpose).map(meaning).collect()
    }
}

/// A rule as casbin takes it, without its id and the name of the purpose or group.
fn meaning(rule: &Rule) -> Vec<String> {
    Rule { id: RuleId::built_in(DEFAULT_DENY), purpose: Scope::Every, ..rule.clone() }.casbin_line()
}

/// Which role includes which others.
fn roles(bundle: &Bundle) -> BTreeMap<Role, BTreeSet<Role>> {
    bundle.roles().iter().map(|one| (one.role, one.includes.iter().copied().collect())).collect()
}

/// Purposes of both, those of the new bundle first and in its order.
fn purposes(old: &Authoriser, new: &Authoriser) -> Vec<PurposeCode> {
    let mut codes: Vec<PurposeCode> =
        new.bundle().purposes().iter().map(|purpose| purpose.code.clone()).collect();
    let gone = old.bundle().purposes().iter().filter(|purpose| new.bundle().purpose(&purpose.code).is_none());
    codes.extend(gone.map(|purpose| purpose.code.clone()));
    codes
}

fn purpose_compare(
    sides: [(&Authoriser, &RulesByName<'_>); 2],
    code: &PurposeCode,
    cells: &mut Vec<CellChange>,
) -> Result<(), PolicyError> {
    let [(old, _), (new, _)] = sides;
    // What changes for a smaller set of functions is not told again for a larger one.
    let mut told: BTreeMap<Vec<FunctionCode>, BTreeMap<Place, (Treatment, Treatment)>> = BTreeMap::new();
    for functions in bodies(sides, code) {
        let smaller = |place: &Place, change: &(Treatment, Treatment)| {
            told.iter().any(|(other, known)| {
                other.len() < functions.len()
                    && other.iter().all(|function| functions.contains(function))
                    && known.get(place) == Some(change)
            })
        };
        // A policy that denies each other function by name has as many pairs as their square. The index says which of them
        // get anything that their functions alone do not; only about those casbin is asked.
        if functions.len() > 1
            && indexed_compare([old, new], code, &functions)?
                .iter()
                .all(|(place, change)| smaller(place, change))
        {
            continue;
        }
        let changed = body_compare(old, new, code, &functions)?;
        let mut known = BTreeMap::new();
        for change in changed {
            let place = (change.action, change.subject, change.role, change.category, change.level);
            let treatments = (change.from.treatment, change.to.treatment);
            if !smaller(&place, &treatments) {
                cells.push(change);
            }
            known.insert(place, treatments);
        }
        told.insert(functions, known);
    }
    Ok(())
}

type Place = (Action, SubjectKind, Role, InformationCategory, ClassificationLevel);

/// Sets of functions that any difference shows at: none, one, or one together with one that a denial names.
fn bodies(sides: [(&Authoriser, &RulesByName<'_>); 2], code: &PurposeCode) -> Vec<Vec<FunctionCode>> {
    let (mut named, mut denied) = (BTreeSet::new(), BTreeSet::new());
    for (authoriser, rules) in sides {
        let Some(purpose) = authoriser.bundle().purpose(code) else { continue };
        for rule in rules.about(purpose) {
            if let Some(function) = rule_function(rule) {
                named.insert(function.clone());
                if !rule.allows {
                    denied.insert(function.clone());
                }
            }
        }
    }
    let pairs = named.iter().flat_map(|one| {
        denied.iter().filter(move |other| *other != one).map(move |other| {
            let mut pair = vec![one.clone(), other.clone()];
            pair.sort();
            pair
        })
    });
    let pairs: BTreeSet<Vec<FunctionCode>> = pairs.collect();
    std::iter::once(Vec::new()).chain(named.iter().map(|one| vec![one.clone()])).chain(pairs).collect()
}

/// What the index says is treated otherwise for a body with these functions.
fn indexed_compare(
    sides: [&Authoriser; 2],
    code: &PurposeCode,
    functions: &[FunctionCode],
) -> Result<BTreeMap<Place, (Treatment, Treatment)>, PolicyError> {
    let mut changes = BTreeMap::new();
    for action in Action::ALL {
        for subject in SUBJECT_KINDS {
            for role in Role::ALL {
                let of = |side: &Authoriser| {
                    let known = side.bundle().purpose(code);
                    known.map(|_| side.indexed_at(code, functions, *role, action, subject)).transpose()
                };
                let [before, after] = [of(sides[0])?, of(sides[1])?];
                for category in InformationCategory::ALL {
                    for level in ClassificationLevel::ALL {
                        let [from, to] = [&before, &after].map(|side| {
                            side.as_ref()
                                .map_or(Treatment::Withhold, |side| side.treatment(*category, *level))
                        });
                        if from != to {
                            changes.insert((action, subject, *role, *category, *level), (from, to));
                        }
                    }
                }
            }
        }
    }
    Ok(changes)
}

fn body_compare(
    old: &Authoriser,
    new: &Authoriser,
    code: &PurposeCode,
    functions: &[FunctionCode],
) -> Result<Vec<CellChange>, PolicyError> {
    let purposes: [Option<&Purpose>; 2] = [old.bundle().purpose(code), new.bundle().purpose(code)];
    let mut changes = Vec::new();
    for action in Action::ALL {
        for subject in SUBJECT_KINDS {
            for role in Role::ALL {
                let profile = |authoriser: &Authoriser, purpose: Option<&Purpose>| {
                    purpose
                        .map(|purpose| authoriser.profile_at(purpose, functions, *role, action, subject))
                        .transpose()
                };
                let [before, after] = [profile(old, purposes[0])?, profile(new, purposes[1])?];
                for category in InformationCategory::ALL {
                    for level in ClassificationLevel::ALL {
                        let [from, to] = [&before, &after].map(|profile| {
                            profile
                                .as_ref()
                                .map_or_else(denied, |profile| profile.cell(*category, *level).clone())
                        });
                        if from.treatment == to.treatment {
                            continue;
                        }
                        changes.push(CellChange {
                            purpose: code.clone(),
                            functions: functions.to_vec(),
                            action,
                            subject,
                            role: *role,
                            category: *category,
                            level: *level,
                            from,
                            to,
                        });
                    }
                }
            }
        }
    }
    Ok(changes)
}

/// What a bundle that does not know the purpose decides.
fn denied() -> Cell {
    Cell { treatment: Treatment::Withhold, rule: RuleId::built_in(DEFAULT_DENY) }
}
