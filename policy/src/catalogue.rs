//! `catalogue.toml`: the list of breaches of government integrity (政务失信行为清单) with its criteria, on three levels:
//! class, item, behaviour. A behaviour is bound to grades, and a grade to severity, category, measures and repair, so that
//! a breach of the same weight has the same consequences wherever it happens.

use std::collections::BTreeMap;

use chengxin_schemas::catalogue::{
    BehaviourClassCode, BehaviourCode, BehaviourItemCode, BreachGradeCode, MeasureCode,
};
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::time::Day;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::measures::{Measure, SanctionObject};
use crate::provenance::{Provenance, RuleId};
use crate::verification::MissingFact;

mod parse;

pub(crate) use parse::catalogue_parse;

pub(crate) const FILE: &str = "catalogue.toml";

/// First level (分类): a field of government conduct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BehaviourClass {
    /// The code.
    pub code: BehaviourClassCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// What the division rests on.
    pub provenance: Provenance,
}

/// Second level (项目): what the behaviours under it have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BehaviourItem {
    /// The code.
    pub code: BehaviourItemCode,
    /// The class it belongs to.
    pub class: BehaviourClassCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
}

/// Third level (行为): one breach of integrity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    /// Line in `catalogue.toml`, counted from 1.
    pub line: usize,
    /// The code.
    pub code: BehaviourCode,
    /// The item it belongs to.
    pub item: BehaviourItemCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// The requirement that names it, for example `CA-06`.
    pub requirement: String,
    /// Who can commit it. A person is meant as a public official (公职人员).
    pub objects: Vec<SanctionObject>,
    /// When something counts as this breach.
    pub criteria: Criteria,
    /// The law that forbids it; absent where no source states one.
    pub legal_basis: Option<LegalBasis>,
    /// Its grades, from the mildest severity to the gravest, each severity at most once.
    pub grades: Vec<BreachGradeCode>,
    /// Where the behaviour is named as a breach.
    pub provenance: Provenance,
}

/// 认定标准: when something counts as a breach. Verified apart from the name of the breach: plans name breaches whose
/// criteria are still to be drawn up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Criteria {
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// Title or number of the document.
    pub document: String,
    /// Whether they were read in the document.
    pub verified: bool,
    /// What was not; empty when verified, and only then.
    pub missing: Vec<MissingFact>,
}

/// A grade of breach (失信等级): how grave, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BreachGrade {
    /// The code.
    pub code: BreachGradeCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// Severity of the information (轻微, 一般, 严重).
    pub severity: BreachSeverity,
    /// Its category: one of the two of breaches.
    pub category: InformationCategory,
    /// Where the grade begins, for people.
    pub line_chinese: String,
    /// Where the grade begins, for people.
    pub line_english: String,
    /// Measures that may follow, by whom they strike; each is lawful for that kind and that severity by its ground.
    pub measures: BTreeMap<SanctionObject, Vec<MeasureCode>>,
    /// The rule by which it is repaired.
    pub repair: RuleId,
    /// What severity, category and measures rest on.
    pub provenance: Provenance,
}

/// What keeps a behaviour from being recorded or sanctioned (容错纠错, lawful change, self-correction).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exemption {
    /// The name.
    pub code: RuleId,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// When it holds.
    pub criteria_chinese: String,
    /// When it holds.
    pub criteria_english: String,
    /// The behaviours it is for; empty for every one.
    pub behaviours: Vec<BehaviourCode>,
    /// What it rests on.
    pub provenance: Provenance,
}

/// The whole list.
#[derive(Clone, Debug)]
pub struct Catalogue {
    classes: Vec<BehaviourClass>,
    items: Vec<BehaviourItem>,
    behaviours: Vec<Behaviour>,
    grades: Vec<BreachGrade>,
    exemptions: Vec<Exemption>,
}

impl Catalogue {
    /// Classes, in the order of the file.
    pub fn classes(&self) -> &[BehaviourClass] {
        &self.classes
    }

    /// Items, in the order of the file.
    pub fn items(&self) -> &[BehaviourItem] {
        &self.items
    }

    /// Behaviours, in the order of the file.
    pub fn behaviours(&self) -> &[Behaviour] {
        &self.behaviours
    }

    /// Grades, in the order of the file.
    pub fn grades(&self) -> &[BreachGrade] {
        &self.grades
    }

    /// Exemptions, in the order of the file.
    pub fn exemptions(&self) -> &[Exemption] {
        &self.exemptions
    }

    /// The behaviour called `code`. What is not listed is no breach.
    pub fn behaviour(&self, code: &BehaviourCode) -> Option<&Behaviour> {
        self.behaviours.iter().find(|behaviour| behaviour.code == *code)
    }

    /// The behaviour called `code`, if the list has it on `day`.
    pub fn behaviour_on(&self, code: &BehaviourCode, day: Day) -> Option<&Behaviour> {
        self.behaviour(code).filter(|behaviour| behaviour.provenance.is_effective_on(day))
    }

    /// The item a behaviour belongs to, and its class.
    pub fn place(&self, behaviour: &Behaviour) -> Option<(&BehaviourClass, &BehaviourItem)> {
        let item = self.items.iter().find(|item| item.code == behaviour.item)?;
        let class = self.classes.iter().find(|class| class.code == item.class)?;
        Some((class, item))
    }

    /// The grade called `code`.
    pub fn grade(&self, code: &BreachGradeCode) -> Option<&BreachGrade> {
        self.grades.iter().find(|grade| grade.code == *code)
    }

    /// The grade of a behaviour that has `severity`; None if it is never that severe, or never that mild.
    pub fn grade_for(&self, behaviour: &Behaviour, severity: BreachSeverity) -> Option<&BreachGrade> {
        behaviour.grades.iter().filter_map(|code| self.grade(code)).find(|grade| grade.severity == severity)
    }

    /// Exemptions that can hold for a behaviour.
    pub fn exemptions_for(&self, behaviour: &Behaviour) -> impl Iterator<Item = &Exemption> {
        self.exemptions.iter().filter(|exemption| {
            exemption.behaviours.is_empty() || exemption.behaviours.contains(&behaviour.code)
        })
    }
}

impl Bundle {
    /// The measures that may follow when a subject of a kind commits a behaviour with `severity`. None if the behaviour
    /// is not listed, is not of that severity, or cannot be committed by such a subject: nothing may follow then.
    pub fn measures_following(
        &self,
        behaviour: &BehaviourCode,
        severity: BreachSeverity,
        object: SanctionObject,
    ) -> Option<Vec<&Measure>> {
        let behaviour = self.catalogue().behaviour(behaviour)?;
        if !behaviour.objects.contains(&object) {
            return None;
        }
        let codes = self.catalogue().grade_for(behaviour, severity)?.measures.get(&object)?;
        Some(codes.iter().filter_map(|code| self.measure(code)).collect())
    }
}
