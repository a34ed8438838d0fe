//! A bundle on its way into force: what its own tests say, and what it changes.

use chengxin_policy::{
    Bundle, CellChange, ChangeGroup, DemandChange, Direction, PolicyDiff, ValueChange, ValueChangeKind,
};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::Day;
use serde::{Deserialize, Serialize};

use super::schema_tag;

schema_tag! {
    /// Tag of [`PolicyTest`].
    PolicyTestSchema = "policy-test/v1"
}
schema_tag! {
    /// Tag of [`PolicyChanges`].
    PolicyChangesSchema = "policy-diff/v1"
}

/// A bundle that loads whole and passes its own decision tests; or an overlay that does so over a bundle: title and tests are
/// the overlay's, purposes, rules and measures those of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyTest {
    /// The tag.
    pub schema: PolicyTestSchema,
    /// The bundle.
    pub bundle: BundleReference,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Decision tests in it; all of them pass.
    pub decision_tests: usize,
    /// Purposes in it.
    pub purposes: usize,
    /// Access rules in it.
    pub rules: usize,
    /// Sanction measures in it.
    pub measures: usize,
    /// The commands that come next.
    pub next: Vec<String>,
}

/// Which bundle is meant, or which overlay over which bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleReference {
    /// Its version; with an overlay the bundle's, a plus sign and the overlay's.
    pub version: String,
    /// SHA-256 of its packed form; of the overlay's, where there is one.
    pub digest: Sha256,
    /// First day it may decide.
    pub effective: Day,
}

impl BundleReference {
    /// The reference of `bundle`.
    pub fn new(bundle: &Bundle) -> Self {
        let (digest, effective) = match bundle.overlay() {
            Some(overlay) => (overlay.digest, overlay.manifest.effective),
            None => (bundle.digest(), bundle.manifest().effective),
        };
        Self { version: bundle.rules_version().to_owned(), digest, effective }
    }
}

impl PolicyTest {
    /// What `bundle` holds; that it exists says that its tests pass.
    pub fn new(bundle: &Bundle, next: Vec<String>) -> Self {
        let manifest = bundle.manifest();
        let (title, title_en, decision_tests) = match bundle.overlay() {
            Some(overlay) => {
                let manifest = &overlay.manifest;
                (&manifest.chinese, &manifest.english, overlay.decision_test_count())
            }
            None => (&manifest.chinese, &manifest.english, bundle.decision_test_count()),
        };
        Self {
            schema: PolicyTestSchema::V1,
            bundle: BundleReference::new(bundle),
            title: title.clone(),
            title_en: title_en.clone(),
            decision_tests,
            purposes: bundle.purposes().len(),
            rules: bundle.rules().len(),
            measures: bundle.measures().len(),
            next,
        }
    }
}

/// What `POST /api/v1/policy/diff` answers: what a bundle, sent in its packed form, changes against the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChanges {
    /// The tag.
    pub schema: PolicyChangesSchema,
    /// The bundle compared with.
    pub from: BundleReference,
    /// The new bundle.
    pub to: BundleReference,
    /// Cells that let out more than before.
    pub cells_wider: usize,
    /// Cells that let out less than before.
    pub cells_narrower: usize,
    /// Decisions that change, those that change alike together.
    pub decisions: Vec<DecisionChange>,
    /// What purposes demand of queries otherwise than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<DemandDifference>,
    /// Values of the bundle's files that differ.
    pub values: Vec<ValueDifference>,
    /// The commands that come next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

/// Whether more or less is let out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeDirection {
    /// More.
    Wider,
    /// Less.
    Narrower,
}

impl From<Direction> for ChangeDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Wider => Self::Wider,
            Direction::Narrower => Self::Narrower,
        }
    }
}

/// Decisions about one purpose, kind of body and action that change alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionChange {
    /// Whether more or less is let out.
    pub direction: ChangeDirection,
    /// The purpose.
    pub purpose: PurposeCode,
    /// The functions of the asking body that matter; empty for every body.
    pub functions: Vec<FunctionCode>,
    /// What is done.
    pub action: String,
    /// About whom.
    pub subjects: Vec<SubjectKind>,
    /// In which roles.
    pub roles: Vec<Role>,
    /// Where.
    pub places: Vec<ChangePlace>,
    /// `show`, `mask` or `withhold`, before.
    pub from: String,
    /// `show`, `mask` or `withhold`, after.
    pub to: String,
    /// The rules that decided before.
    pub from_rules: Vec<String>,
    /// The rules that decide after.
    pub to_rules: Vec<String>,
    /// The change as a sentence, in Chinese.
    pub text_zh: String,
    /// The change as a sentence, in English.
    pub text_en: String,
}

/// The levels of one category at which a decision changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePlace {
    /// The category.
    pub category: InformationCategory,
    /// The levels.
    pub levels: Vec<ClassificationLevel>,
}

/// A demand of a purpose that differs: a condition of each query, or how many there may be in a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandDifference {
    /// Whether more or fewer queries get through. A condition that is dropped lets out more.
    pub direction: ChangeDirection,
    /// The purpose.
    pub purpose: PurposeCode,
    /// What is demanded, as in the rule of a denial: `case-reference`, `daily-limit` and the like.
    pub demand: String,
    /// Of a daily limit the number before; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
    /// Of a daily limit the number after; absent for any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// The change as a sentence, in Chinese.
    pub text_zh: String,
    /// The change as a sentence, in English.
    pub text_en: String,
}

/// A value of a bundle's file that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueDifference {
    /// The file within the bundle.
    pub file: String,
    /// The entry by its code, id or name; empty for what stands in the file itself.
    pub entry: String,
    /// How it differs.
    pub change: ValueChangeWord,
    /// The value's name, a dotted path; of a changed entry only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Before; of a list what was taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// After; of a list what came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The change as a sentence, in Chinese.
    pub text_zh: String,
    /// The change as a sentence, in English.
    pub text_en: String,
}

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueChangeWord {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// One of its values differs.
    Changed,
}

impl PolicyChanges {
    /// A diff with the bundles it was made of.
    pub fn new(diff: &PolicyDiff, old: &Bundle, new: &Bundle, next: Vec<String>) -> Self {
        let wider = |change: &&CellChange| change.direction() == Direction::Wider;
        let cells_wider = diff.cells.iter().filter(wider).count();
        Self {
            schema: PolicyChangesSchema::V1,
            from: BundleReference::new(old),
            to: BundleReference::new(new),
            cells_wider,
            cells_narrower: diff.cells.len().saturating_sub(cells_wider),
            decisions: diff.groups().into_iter().map(|group| decision(group, old, new)).collect(),
            demands: diff.demands.iter().map(|change| demand(change, old, new)).collect(),
            values: diff.values.iter().map(value).collect(),
            next,
        }
    }
}

fn decision(group: ChangeGroup, old: &Bundle, new: &Bundle) -> DecisionChange {
    DecisionChange {
        direction: group.direction().into(),
        text_zh: group.chinese(old, new),
        text_en: group.english(old, new),
        purpose: group.purpose,
        functions: group.functions,
        action: group.action.as_str().to_owned(),
        subjects: group.subjects.into_iter().collect(),
        roles: group.roles.into_iter().collect(),
        places: group
            .places
            .into_iter()
            .map(|(category, levels)| ChangePlace { category, levels: levels.into_iter().collect() })
            .collect(),
        from: group.from.as_str().to_owned(),
        to: group.to.as_str().to_owned(),
        from_rules: group.from_rules.iter().map(ToString::to_string).collect(),
        to_rules: group.to_rules.iter().map(ToString::to_string).collect(),
    }
}

fn demand(change: &DemandChange, old: &Bundle, new: &Bundle) -> DemandDifference {
    let (from, to) = change.demand.limits().unwrap_or_default();
    DemandDifference {
        direction: change.direction().into(),
        purpose: change.purpose.clone(),
        demand: change.demand.as_str().to_owned(),
        from,
        to,
        text_zh: change.chinese(old, new),
        text_en: change.english(old, new),
    }
}

fn value(change: &ValueChange) -> ValueDifference {
    let (word, field, from, to) = match &change.kind {
        ValueChangeKind::Added => (ValueChangeWord::Added, None, None, None),
        ValueChangeKind::Removed => (ValueChangeWord::Removed, None, None, None),
        ValueChangeKind::Changed { field, from, to } => {
            (ValueChangeWord::Changed, Some(field.clone()), from.clone(), to.clone())
        }
    };
    ValueDifference {
        file: change.file.clone(),
        entry: change.entry.clone(),
        change: word,
        field,
        from,
        to,
        text_zh: change.chinese(),
        text_en: change.english(),
    }
}
