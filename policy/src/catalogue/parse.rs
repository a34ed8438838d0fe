//! Parsing and binding of `catalogue.toml`.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::catalogue::{
    BehaviourClassCode, BehaviourCode, BehaviourItemCode, BreachGradeCode, MeasureCode,
};
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use toml::Spanned;

use super::{Behaviour, BehaviourClass, BehaviourItem, BreachGrade, Catalogue, Criteria, Exemption, FILE};
use crate::bundle::{error_at, line_of, toml_parse};
use crate::entries::{Entry, entries_limit};
use crate::error::PolicyError;
use crate::measures::{Measure, SanctionObject};
use crate::provenance::{Provenance, RuleId};
use crate::repair::RepairRules;
use crate::verification::MissingFact;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    class: Vec<RawClass>,
    item: Vec<RawItem>,
    grade: Vec<RawGrade>,
    behaviour: Vec<RawBehaviour>,
    #[serde(default)]
    exemption: Vec<RawExemption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    code: Spanned<BehaviourClassCode>,
    chinese: String,
    english: String,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawItem {
    code: Spanned<BehaviourItemCode>,
    class: Spanned<String>,
    chinese: String,
    english: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrade {
    code: Spanned<BreachGradeCode>,
    chinese: String,
    english: String,
    severity: BreachSeverity,
    category: InformationCategory,
    line_chinese: String,
    line_english: String,
    measures: BTreeMap<SanctionObject, Vec<Spanned<MeasureCode>>>,
    repair: Spanned<RuleId>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBehaviour {
    code: Spanned<BehaviourCode>,
    item: Spanned<String>,
    chinese: String,
    english: String,
    requirement: String,
    objects: Vec<SanctionObject>,
    criteria: RawCriteria,
    legal_basis: Option<LegalBasis>,
    grades: Vec<Spanned<BreachGradeCode>>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCriteria {
    chinese: String,
    english: String,
    document: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExemption {
    code: Spanned<RuleId>,
    chinese: String,
    english: String,
    criteria_chinese: String,
    criteria_english: String,
    behaviours: Vec<Spanned<BehaviourCode>>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

/// Every code once; every item under a class and every behaviour under an item, so that the list has three levels and
/// no cycle; nothing empty in between; every measure, repair rule and grade bound.
pub(crate) fn catalogue_parse(
    text: &str,
    measures: &[Measure],
    repair: &RepairRules,
) -> Result<Catalogue, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    entries_limit(FILE, raw.class.len().max(raw.item.len()))?;
    entries_limit(FILE, raw.grade.len().max(raw.behaviour.len()).max(raw.exemption.len()))?;
    levels_check(text, &raw)?;
    let classes = raw.class.into_iter().map(|entry| class_parse(text, entry)).collect::<Result<_, _>>()?;
    let items = raw.item.into_iter().map(|entry| item_parse(text, entry)).collect::<Result<_, _>>()?;
    let mut grades = Vec::with_capacity(raw.grade.len());
    for entry in raw.grade {
        grade_add(text, entry, measures, repair, &mut grades)?;
    }
    let mut behaviours = Vec::with_capacity(raw.behaviour.len());
    for entry in raw.behaviour {
        behaviours.push(behaviour_parse(text, entry, &grades)?);
    }
    if let Some(unused) = grades
        .iter()
        .find(|grade| !behaviours.iter().any(|behaviour: &Behaviour| behaviour.grades.contains(&grade.code)))
    {
        let reason = format!("grade {} is no behaviour's", unused.code);
        return Err(PolicyError::file(FILE, None, reason, "bind a behaviour to it, or remove it"));
    }
    let mut exemptions = Vec::with_capacity(raw.exemption.len());
    for entry in raw.exemption {
        exemption_add(text, entry, &behaviours, &mut exemptions)?;
    }
    Ok(Catalogue { classes, items, behaviours, grades, exemptions })
}

/// An entry by its code.
fn named<'a, T>(
    text: &str,
    kind: &'a str,
    place: &'a Spanned<T>,
    code: impl Fn(&'a T) -> &'a str,
) -> Entry<'a> {
    Entry::new(FILE, text, kind, code(place.get_ref()), place)
}

/// The three levels. Codes are unique across levels, grades and exemptions, so that a code alone says what it names.
fn levels_check(text: &str, raw: &RawFile) -> Result<(), PolicyError> {
    let classes: BTreeSet<&str> = raw.class.iter().map(|entry| entry.code.get_ref().as_str()).collect();
    let items: BTreeSet<&str> = raw.item.iter().map(|entry| entry.code.get_ref().as_str()).collect();
    let entries = raw
        .class
        .iter()
        .map(|entry| named(text, "class", &entry.code, BehaviourClassCode::as_str))
        .chain(raw.item.iter().map(|entry| named(text, "item", &entry.code, BehaviourItemCode::as_str)))
        .chain(
            raw.behaviour.iter().map(|entry| named(text, "behaviour", &entry.code, BehaviourCode::as_str)),
        );
    let mut codes = BTreeSet::new();
    for entry in entries {
        if !codes.insert(entry.name()) {
            return Err(entry.twice());
        }
    }
    let others = raw
        .grade
        .iter()
        .map(|entry| named(text, "grade", &entry.code, BreachGradeCode::as_str))
        .chain(raw.exemption.iter().map(|entry| named(text, "exemption", &entry.code, RuleId::as_str)));
    let mut other_codes = codes.clone();
    for entry in others {
        if !other_codes.insert(entry.name()) {
            return Err(entry.twice());
        }
    }
    let parent = |place: &Spanned<String>, parents: &BTreeSet<&str>, rule: &str| {
        let code = place.get_ref().as_str();
        if parents.contains(code) {
            return Ok(());
        }
        let reason = if codes.contains(code) {
            format!("{code} is on another level")
        } else {
            format!("{code} is not in the catalogue")
        };
        Err(error_at(FILE, text, place, reason, rule))
    };
    for entry in &raw.item {
        parent(&entry.class, &classes, "an item belongs to a class")?;
    }
    for entry in &raw.behaviour {
        parent(&entry.item, &items, "a behaviour belongs to an item")?;
    }
    for entry in &raw.class {
        if !raw.item.iter().any(|item| item.class.get_ref() == entry.code.get_ref().as_str()) {
            let at = named(text, "class", &entry.code, BehaviourClassCode::as_str);
            return Err(at.wrong("nothing belongs to it", "remove it, or list what belongs to it"));
        }
    }
    for entry in &raw.item {
        if !raw.behaviour.iter().any(|behaviour| behaviour.item.get_ref() == entry.code.get_ref().as_str()) {
            let at = named(text, "item", &entry.code, BehaviourItemCode::as_str);
            return Err(at.wrong("nothing belongs to it", "remove it, or list what belongs to it"));
        }
    }
    Ok(())
}

fn class_parse(text: &str, entry: RawClass) -> Result<BehaviourClass, PolicyError> {
    let at = named(text, "class", &entry.code, BehaviourClassCode::as_str);
    at.titles(&entry.chinese, &entry.english)?;
    let provenance = Provenance {
        source: entry.source,
        document: entry.document,
        effective_from: entry.effective_from,
        effective_to: entry.effective_to,
        verified: entry.verified,
        missing: entry.missing,
    };
    at.provenance(&provenance)?;
    Ok(BehaviourClass {
        code: entry.code.into_inner(),
        chinese: entry.chinese,
        english: entry.english,
        provenance,
    })
}

fn item_parse(text: &str, entry: RawItem) -> Result<BehaviourItem, PolicyError> {
    let at = named(text, "item", &entry.code, BehaviourItemCode::as_str);
    at.titles(&entry.chinese, &entry.english)?;
    let class = entry
        .class
        .get_ref()
        .parse()
        .map_err(|_| error_at(FILE, text, &entry.class, "not a code", "an item belongs to a class"))?;
    Ok(BehaviourItem { class, code: entry.code.into_inner(), chinese: entry.chinese, english: entry.english })
}

fn grade_add(
    text: &str,
    entry: RawGrade,
    measures: &[Measure],
    repair: &RepairRules,
    grades: &mut Vec<BreachGrade>,
) -> Result<(), PolicyError> {
    let code = entry.code.get_ref().clone();
    let at = named(text, "grade", &entry.code, BreachGradeCode::as_str);
    at.titles(&entry.chinese, &entry.english)?;
    at.prose(&entry.line_chinese, &entry.line_english)?;
    let breach =
        matches!(entry.category, InformationCategory::GeneralBreach | InformationCategory::SeriousBreach);
    if !breach {
        return Err(at.wrong("its category is not one of breaches", "use general_breach or serious_breach"));
    }
    if !repair.has_key(entry.repair.get_ref()) {
        let reason = format!("unknown repair rule {}", entry.repair.get_ref());
        return Err(error_at(FILE, text, &entry.repair, reason, "use a key of repair.toml"));
    }
    let mut bound = BTreeMap::new();
    for (object, codes) in entry.measures {
        if codes.is_empty() {
            let reason = format!("no measure for {}", object.as_str());
            return Err(at.wrong(reason, "list a measure, or leave the kind out"));
        }
        bound.insert(object, measures_bind(text, object, entry.severity, codes, measures)?);
    }
    let provenance = Provenance {
        source: entry.source,
        document: entry.document,
        effective_from: entry.effective_from,
        effective_to: entry.effective_to,
        verified: entry.verified,
        missing: entry.missing,
    };
    at.provenance(&provenance)?;
    grades.push(BreachGrade {
        code,
        chinese: entry.chinese,
        english: entry.english,
        severity: entry.severity,
        category: entry.category,
        line_chinese: entry.line_chinese,
        line_english: entry.line_english,
        measures: bound,
        repair: entry.repair.into_inner(),
        provenance,
    });
    Ok(())
}

/// Each measure is listed, strikes the kind of subject, and is not graver than the breach: what a recipient would decline
/// is refused here.
fn measures_bind(
    text: &str,
    object: SanctionObject,
    severity: BreachSeverity,
    codes: Vec<Spanned<MeasureCode>>,
    measures: &[Measure],
) -> Result<Vec<MeasureCode>, PolicyError> {
    let mut bound: Vec<MeasureCode> = Vec::with_capacity(codes.len());
    for place in codes {
        let code = place.get_ref();
        let wrong = |reason: String, fix: &str| Err(error_at(FILE, text, &place, reason, fix));
        let Some(measure) = measures.iter().find(|measure| measure.code == *code) else {
            return wrong(format!("unknown measure {code}"), "use a code of measures.toml");
        };
        let Some(ground) = measure.ground(object) else {
            let reason = format!("measure {code} has no ground for {}", object.as_str());
            return wrong(reason, "remove it, or give it a ground in measures.toml");
        };
        if severity < ground.severity_floor {
            let reason = format!("measure {code} needs a breach that is {}", ground.severity_floor);
            return wrong(reason, "list it under a graver grade");
        }
        if bound.contains(code) {
            return wrong(format!("measure {code} stands twice"), "keep one");
        }
        bound.push(place.into_inner());
    }
    Ok(bound)
}

fn behaviour_parse(
    text: &str,
    entry: RawBehaviour,
    grades: &[BreachGrade],
) -> Result<Behaviour, PolicyError> {
    let at = named(text, "behaviour", &entry.code, BehaviourCode::as_str);
    at.titles(&entry.chinese, &entry.english)?;
    at.prose(&entry.criteria.chinese, &entry.criteria.english)?;
    at.text(&entry.criteria.document)?;
    at.verification(entry.criteria.verified, &entry.criteria.missing)?;
    at.text(&entry.requirement)?;
    let objects: BTreeSet<SanctionObject> = entry.objects.iter().copied().collect();
    if objects.is_empty() || objects.len() != entry.objects.len() {
        return Err(at.wrong("objects are empty or repeated", "name each kind of subject once"));
    }
    let mut severity = None;
    for place in &entry.grades {
        let code = place.get_ref();
        let wrong = |reason: String, fix: &str| Err(error_at(FILE, text, place, reason, fix));
        let Some(grade) = grades.iter().find(|grade| grade.code == *code) else {
            return wrong(format!("unknown grade {code}"), "use the code of a [[grade]]");
        };
        if severity.is_some_and(|milder| milder >= grade.severity) {
            return wrong(
                format!("grade {code} is not graver than the one before"),
                "list the mildest first",
            );
        }
        severity = Some(grade.severity);
        if let Some(object) = objects.iter().find(|object| !grade.measures.contains_key(object)) {
            let reason = format!("grade {code} has no measure for {}", object.as_str());
            return wrong(reason, "use another grade, or list one there");
        }
    }
    if entry.grades.is_empty() {
        return Err(at.wrong("it has no grade", "list at least one"));
    }
    let provenance = Provenance {
        source: entry.source,
        document: entry.document,
        effective_from: entry.effective_from,
        effective_to: entry.effective_to,
        verified: entry.verified,
        missing: entry.missing,
    };
    at.provenance(&provenance)?;
    let item = entry
        .item
        .get_ref()
        .parse()
        .map_err(|_| error_at(FILE, text, &entry.item, "not a code", "a behaviour belongs to an item"))?;
    Ok(Behaviour {
        line: line_of(text, entry.code.span().start),
        item,
        chinese: entry.chinese,
        english: entry.english,
        requirement: entry.requirement,
        objects: entry.objects,
        criteria: Criteria {
            chinese: entry.criteria.chinese,
            english: entry.criteria.english,
            document: entry.criteria.document,
            verified: entry.criteria.verified,
            missing: entry.criteria.missing,
        },
        legal_basis: entry.legal_basis,
        grades: entry.grades.into_iter().map(Spanned::into_inner).collect(),
        provenance,
        code: entry.code.into_inner(),
    })
}

fn exemption_add(
    text: &str,
    entry: RawExemption,
    behaviours: &[Behaviour],
    exemptions: &mut Vec<Exemption>,
) -> Result<(), PolicyError> {
    let code = entry.code.get_ref().clone();
    let at = named(text, "exemption", &entry.code, RuleId::as_str);
    if code.is_reserved() {
        return Err(at.wrong("the id is reserved", "rename it"));
    }
    at.titles(&entry.chinese, &entry.english)?;
    at.prose(&entry.criteria_chinese, &entry.criteria_english)?;
    let unknown = entry
        .behaviours
        .iter()
        .find(|place| !behaviours.iter().any(|behaviour| behaviour.code == *place.get_ref()));
    if let Some(place) = unknown {
        let reason = format!("unknown behaviour {}", place.get_ref());
        return Err(error_at(FILE, text, place, reason, "use the code of a [[behaviour]]"));
    }
    let provenance = Provenance {
        source: entry.source,
        document: entry.document,
        effective_from: entry.effective_from,
        effective_to: entry.effective_to,
        verified: entry.verified,
        missing: entry.missing,
    };
    at.provenance(&provenance)?;
    exemptions.push(Exemption {
        code,
        chinese: entry.chinese,
        english: entry.english,
        criteria_chinese: entry.criteria_chinese,
        criteria_english: entry.criteria_english,
        behaviours: entry.behaviours.into_iter().map(Spanned::into_inner).collect(),
        provenance,
    });
    Ok(())
}
