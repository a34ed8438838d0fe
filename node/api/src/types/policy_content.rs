//! Content of law in the policy in force: the list of breaches, and what of all content was not read in its document.

use chengxin_policy::{Bundle, MissingFact, SanctionObject};
use chengxin_schemas::catalogue::{BehaviourCode, MeasureCode};
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use serde::{Deserialize, Serialize};

use super::schema_tag;

schema_tag! {
    /// Tag of [`Breaches`].
    BreachesSchema = "breaches/v1"
}
schema_tag! {
    /// Tag of [`UnverifiedValues`].
    UnverifiedValuesSchema = "unverified-values/v1"
}

/// What `GET /api/v1/policy/breaches` answers: the list of breaches (政务失信行为清单), in the order of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaches {
    /// The tag.
    pub schema: BreachesSchema,
    /// Version of the policy.
    pub policy: String,
    /// The breaches.
    pub breaches: Vec<Breach>,
}

/// A behaviour that is a breach of integrity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// Its code.
    pub code: BehaviourCode,
    /// Its name in Chinese.
    pub name: String,
    /// Its name in English.
    pub name_en: String,
    /// The field of conduct (first level) in Chinese.
    pub class: String,
    /// The field of conduct in English.
    pub class_en: String,
    /// What it has in common with others (second level) in Chinese.
    pub item: String,
    /// What it has in common with others in English.
    pub item_en: String,
    /// Who can commit it.
    pub objects: Vec<SanctionObject>,
    /// When something counts as this breach, in Chinese.
    pub criteria: String,
    /// When something counts as this breach, in English.
    pub criteria_en: String,
    /// Whether the criteria were read in a document.
    pub criteria_verified: bool,
    /// How grave it can be and what may follow, the mildest first.
    pub grades: Vec<BreachGradeEntry>,
    /// The law that forbids it; absent where no source states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// The document that names it.
    pub document: String,
    /// Whether it was read there as a breach.
    pub verified: bool,
}

/// A grade of a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachGradeEntry {
    /// How severe.
    pub severity: BreachSeverity,
    /// In which category.
    pub category: InformationCategory,
    /// Measures that may follow, by whom they strike: those who can commit the breach and nobody else.
    pub measures: Vec<BreachMeasure>,
    /// The rule by which it is repaired.
    pub repair: String,
    /// Whether severity, category and measures were read in a document: the breach may be, and what follows from it not.
    pub verified: bool,
    /// What was not found there; empty when verified, and only then.
    pub missing: Vec<MissingFact>,
}

/// A measure that may follow a breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreachMeasure {
    /// Whom it strikes.
    pub object: SanctionObject,
    /// The measure.
    pub measure: MeasureCode,
}

/// What `GET /api/v1/policy/unverified` answers: values of the policy that were not read in the document they name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnverifiedValues {
    /// The tag.
    pub schema: UnverifiedValuesSchema,
    /// Version of the policy.
    pub policy: String,
    /// The values, in the order of files.
    pub values: Vec<UnverifiedValue>,
}

/// A value that was not read in its document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnverifiedValue {
    /// The file within the policy.
    pub file: String,
    /// The entry within the file.
    pub key: String,
    /// The document that would show it, where one is named.
    pub document: String,
    /// What was not found there.
    pub missing: Vec<MissingFact>,
}

impl Breaches {
    /// The list in `bundle`.
    pub fn new(bundle: &Bundle) -> Self {
        let catalogue = bundle.catalogue();
        let breaches = catalogue.behaviours().iter().map(|behaviour| {
            let place = catalogue.place(behaviour);
            let (class, class_en) = place
                .map_or_else(Default::default, |(class, _)| (class.chinese.clone(), class.english.clone()));
            let (item, item_en) =
                place.map_or_else(Default::default, |(_, item)| (item.chinese.clone(), item.english.clone()));
            let grades = behaviour.grades.iter().filter_map(|code| catalogue.grade(code)).map(|grade| {
                let measures = behaviour.objects.iter().flat_map(|object| {
                    let following = bundle.measures_following(&behaviour.code, grade.severity, *object);
                    following
                        .into_iter()
                        .flatten()
                        .map(|measure| BreachMeasure { object: *object, measure: measure.code.clone() })
                });
                BreachGradeEntry {
                    severity: grade.severity,
                    category: grade.category,
                    measures: measures.collect(),
                    repair: grade.repair.to_string(),
                    verified: grade.provenance.verified,
                    missing: grade.provenance.missing.clone(),
                }
            });
            Breach {
                code: behaviour.code.clone(),
                name: behaviour.chinese.clone(),
                name_en: behaviour.english.clone(),
                class,
                class_en,
                item,
                item_en,
                objects: behaviour.objects.clone(),
                criteria: behaviour.criteria.chinese.clone(),
                criteria_en: behaviour.criteria.english.clone(),
                criteria_verified: behaviour.criteria.verified,
                grades: grades.collect(),
                legal_basis: behaviour.legal_basis.as_ref().map(ToString::to_string),
                document: behaviour.provenance.document.clone(),
                verified: behaviour.provenance.verified,
            }
        });
        Self {
            schema: BreachesSchema::V1,
            policy: bundle.rules_version().to_owned(),
            breaches: breaches.collect(),
        }
    }
}

impl UnverifiedValues {
    /// Those of `bundle`.
    pub fn new(bundle: &Bundle) -> Self {
        let values = bundle.unverified().into_iter().map(|value| UnverifiedValue {
            file: value.file,
            key: value.key,
            document: value.document,
            missing: value.missing,
        });
        Self {
            schema: UnverifiedValuesSchema::V1,
            policy: bundle.rules_version().to_owned(),
            values: values.collect(),
        }
    }
}
