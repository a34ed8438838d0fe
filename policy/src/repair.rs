//! `repair.toml`: under which conditions a breach may be repaired, and what has to be handed in.

use chengxin_schemas::time::Day;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::entries::{Entry, entries_limit, versions_check};
use crate::error::{LookupError, PolicyError};
use crate::provenance::{Provenance, RuleId};
use crate::verification::MissingFact;

pub(crate) const FILE: &str = "repair.toml";

/// A condition of repair, or a paper to be handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairTerm {
    /// The name by which rules call it.
    pub code: RuleId,
    /// Which of the two it is.
    pub kind: RepairTermKind,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// What it rests on.
    pub provenance: Provenance,
}

/// What a term of repair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairTermKind {
    /// 修复条件.
    Condition,
    /// 申请材料.
    Material,
}

/// How many of a rule's conditions must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionsNeeded {
    /// Every one.
    All,
    /// One of them.
    Any,
}

/// What a repair does. Order 36 art. 3: at the same time everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairEffect {
    /// 终止公示.
    EndPublicity,
    /// 停止共享和使用.
    EndSharing,
    /// 解除失信惩戒措施.
    LiftSanctions,
}

/// A repair rule in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairRule {
    /// Name of this version.
    pub id: RuleId,
    /// Name of the rule across its versions; grades of the catalogue are bound to it.
    pub key: RuleId,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// How many of the conditions must hold.
    pub needs: ConditionsNeeded,
    /// Conditions by code; never empty.
    pub conditions: Vec<RuleId>,
    /// Papers to be handed in, by code.
    pub materials: Vec<RuleId>,
    /// What the repair does; never empty.
    pub effects: Vec<RepairEffect>,
    /// What it rests on.
    pub provenance: Provenance,
}

/// All repair rules of a bundle.
#[derive(Clone, Debug)]
pub struct RepairRules {
    terms: Vec<RepairTerm>,
    rules: Vec<RepairRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    condition: Vec<RawTerm>,
    material: Vec<RawTerm>,
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerm {
    code: Spanned<RuleId>,
    chinese: String,
    english: String,
    source: String,
    document: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<RuleId>,
    key: RuleId,
    chinese: String,
    english: String,
    needs: ConditionsNeeded,
    conditions: Vec<Spanned<RuleId>>,
    materials: Vec<Spanned<RuleId>>,
    effects: Vec<RepairEffect>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

pub(crate) fn repair_parse(text: &str) -> Result<RepairRules, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    entries_limit(FILE, raw.condition.len() + raw.material.len() + raw.rule.len())?;
    let mut terms: Vec<RepairTerm> = Vec::new();
    let kinds = [(RepairTermKind::Condition, raw.condition), (RepairTermKind::Material, raw.material)];
    for (kind, entries) in kinds {
        for entry in entries {
            term_add(text, kind, entry, &mut terms)?;
        }
    }
    let mut rules: Vec<RepairRule> = Vec::new();
    let mut places = Vec::new();
    for entry in raw.rule {
        let named = Entry::new(FILE, text, "rule", entry.id.get_ref().as_str(), &entry.id);
        let id = entry.id.get_ref().clone();
        if id.is_reserved() || rules.iter().any(|other| other.id == id) {
            return Err(named.twice());
        }
        named.titles(&entry.chinese, &entry.english)?;
        if entry.conditions.is_empty() || entry.effects.is_empty() {
            return Err(named.wrong("without a condition or an effect", "name at least one of each"));
        }
        let provenance = Provenance {
            source: entry.source,
            document: entry.document,
            effective_from: entry.effective_from,
            effective_to: entry.effective_to,
            verified: entry.verified,
            missing: entry.missing,
        };
        named.provenance(&provenance)?;
        rules.push(RepairRule {
            id,
            key: entry.key,
            chinese: entry.chinese,
            english: entry.english,
            needs: entry.needs,
            conditions: terms_bind(text, &terms, RepairTermKind::Condition, entry.conditions)?,
            materials: terms_bind(text, &terms, RepairTermKind::Material, entry.materials)?,
            effects: entry.effects,
            provenance,
        });
        places.push(entry.id);
    }
    for rule in &rules {
        let mut versions: Vec<_> = rules
            .iter()
            .zip(&places)
            .filter(|(other, _)| other.key == rule.key)
            .map(|(other, place)| {
                (Entry::new(FILE, text, "rule", other.id.as_str(), place), &other.provenance)
            })
            .collect();
        versions_check(&mut versions)?;
    }
    Ok(RepairRules { terms, rules })
}

fn term_add(
    text: &str,
    kind: RepairTermKind,
    entry: RawTerm,
    terms: &mut Vec<RepairTerm>,
) -> Result<(), PolicyError> {
    let code = entry.code.get_ref().clone();
    let named = Entry::new(FILE, text, "term", code.as_str(), &entry.code);
    if terms.iter().any(|other| other.code == code) {
        return Err(named.twice());
    }
    named.titles(&entry.chinese, &entry.english)?;
    let provenance = Provenance {
        source: entry.source,
        document: entry.document,
        effective_from: None,
        effective_to: None,
        verified: entry.verified,
        missing: entry.missing,
    };
    named.provenance(&provenance)?;
    terms.push(RepairTerm { code, kind, chinese: entry.chinese, english: entry.english, provenance });
    Ok(())
}

fn terms_bind(
    text: &str,
    terms: &[RepairTerm],
    kind: RepairTermKind,
    codes: Vec<Spanned<RuleId>>,
) -> Result<Vec<RuleId>, PolicyError> {
    let mut bound: Vec<RuleId> = Vec::with_capacity(codes.len());
    for place in codes {
        let code = place.get_ref();
        if !terms.iter().any(|term| term.kind == kind && term.code == *code) {
            let reason = format!("unknown term of repair {code}");
            return Err(error_at(FILE, text, &place, reason, "use a code of the same file"));
        }
        if bound.contains(code) {
            return Err(error_at(FILE, text, &place, format!("{code} stands twice"), "keep one"));
        }
        bound.push(place.into_inner());
    }
    Ok(bound)
}

impl RepairRules {
    /// Conditions and materials, in the order of the file.
    pub fn terms(&self) -> &[RepairTerm] {
        &self.terms
    }

    /// The condition or material called `code`.
    pub fn term(&self, code: &RuleId) -> Option<&RepairTerm> {
        self.terms.iter().find(|term| term.code == *code)
    }

    /// Every rule in every version, in the order of the file.
    pub fn rules(&self) -> &[RepairRule] {
        &self.rules
    }

    /// The version of the rule `key` in force on `day`. An error if there is none: conditions are never guessed.
    pub fn on(&self, key: &RuleId, day: Day) -> Result<&RepairRule, LookupError> {
        self.rules
            .iter()
            .find(|rule| rule.key == *key && rule.provenance.is_effective_on(day))
            .ok_or_else(|| LookupError::NoRule { file: FILE, key: key.clone(), day })
    }

    pub(crate) fn has_key(&self, key: &RuleId) -> bool {
        self.rules.iter().any(|rule| rule.key == *key)
    }
}
