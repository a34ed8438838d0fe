//! What was read in its document and what was not. Every value of a bundle says so, and an unverified one says what is
//! missing, in a closed list of facts so that both languages can name them.

use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::overlay_values::FieldSource;
use crate::provenance::Provenance;

/// A fact that was not found in the document a value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingFact {
    /// The document's own words.
    Wording,
    /// The article.
    Article,
    /// The items of a list that is known to exist.
    Items,
    /// When something counts as a breach.
    Criteria,
    /// The law, regulation or central policy.
    LegalBasis,
    /// Where one severity ends and the next begins.
    SeverityLine,
    /// The information category.
    Category,
    /// Which measures follow.
    Measures,
    /// Whom it concerns.
    Subjects,
    /// Who carries it out.
    Functions,
    /// The number.
    Value,
    /// The number in the region's own law; the one that stands here is another region's.
    RegionalValue,
    /// What governs a case from before the rule.
    Transition,
    /// A source that grades the field.
    Placing,
}

impl MissingFact {
    /// Every fact.
    pub const ALL: &'static [Self] = &[
        Self::Wording,
        Self::Article,
        Self::Items,
        Self::Criteria,
        Self::LegalBasis,
        Self::SeverityLine,
        Self::Category,
        Self::Measures,
        Self::Subjects,
        Self::Functions,
        Self::Value,
        Self::RegionalValue,
        Self::Transition,
        Self::Placing,
    ];

    /// For machines.
    pub fn as_str(self) -> &'static str {
        self.words().0
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        self.words().1
    }

    /// For people.
    pub fn english(self) -> &'static str {
        self.words().2
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Wording => ("wording", "原文未逐字核对", "the wording of the document"),
            Self::Article => ("article", "条款号未核实", "the article"),
            Self::Items => ("items", "清单条目未逐项核实", "the items of the list"),
            Self::Criteria => ("criteria", "没有公布的认定标准", "published criteria"),
            Self::LegalBasis => ("legal_basis", "没有法定依据", "a legal basis"),
            Self::SeverityLine => {
                ("severity_line", "没有公布的程度界限", "a published line between severities")
            }
            Self::Category => ("category", "所属信息类别未核实", "the information category"),
            Self::Measures => ("measures", "与措施的对应关系未核实", "which measures follow"),
            Self::Subjects => ("subjects", "适用对象未核实", "whom it concerns"),
            Self::Functions => ("functions", "承担单位未核实", "who carries it out"),
            Self::Value => ("value", "数值未核实", "the value"),
            Self::RegionalValue => ("regional_value", "自治区的数值未核实", "the region's own value"),
            Self::Transition => ("transition", "新旧规则衔接未核实", "the transition between rules"),
            Self::Placing => ("placing", "没有分级定级的依据", "a source that grades the field"),
        }
    }
}

/// A value of the bundle that was not read in its document: whoever shows a decision that rests on it says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// The file within the bundle, or one of an overlay as `overlay/150100/classification.toml`.
    pub file: String,
    /// The entry within the file; parts are separated by a blank.
    pub key: String,
    /// Title or number of the document that would show it, where one is named.
    pub document: String,
    /// What was not found; never empty.
    pub missing: Vec<MissingFact>,
}

/// Collects what is unverified, in the order in which it is handed in.
pub(crate) struct UnverifiedList(Vec<Unverified>);

impl UnverifiedList {
    fn add(&mut self, file: &str, key: impl Into<String>, document: &str, missing: &[MissingFact]) {
        if !missing.is_empty() {
            self.0.push(Unverified {
                file: file.to_owned(),
                key: key.into(),
                document: document.to_owned(),
                missing: missing.to_vec(),
            });
        }
    }

    fn add_entry(&mut self, file: &str, key: impl Into<String>, provenance: &Provenance) {
        self.add(file, key, &provenance.document, &provenance.missing);
    }
}

impl Bundle {
    /// Every value of the bundle that was not read in its document, file by file in the order of their names, with
    /// what is missing; then those of an overlay. A purpose has no list of its own: what it lacks is the basis.
    pub fn unverified(&self) -> Vec<Unverified> {
        let mut list = UnverifiedList(Vec::new());
        for (year, calendar) in self.calendars().iter() {
            list.add(&format!("calendar/{year}.toml"), year.to_string(), &calendar.source, &calendar.missing);
        }
        self.catalogue_unverified(&mut list);
        for rule in self.severity_rules() {
            list.add_entry("categories.toml", rule.id().as_str(), rule.provenance());
        }
        // What an overlay narrows rests on the bundle's source for the rest.
        for (record_type, field, class) in self.base().field_classes() {
            list.add("classification.toml", format!("{record_type} {field}"), &class.source, &class.missing);
        }
        let counting = self.deadlines().counting();
        list.add_entry("deadlines.toml", "counting", &counting.provenance);
        for deadline in self.deadlines().iter() {
            list.add_entry("deadlines.toml", deadline.id.as_str(), &deadline.provenance);
        }
        for function in self.functions() {
            let missing = self.function_missing(&function.code);
            list.add("functions.toml", function.code.as_str(), &function.source, missing);
        }
        for measure in self.measures() {
            for ground in &measure.grounds {
                let key = format!("{} {}", measure.code, ground.object.as_str());
                list.add("measures.toml", key, &ground.document, &ground.missing);
            }
        }
        for incentive in self.incentives() {
            for ground in &incentive.grounds {
                let key = format!("{} {}", incentive.code, ground.object.as_str());
                list.add("measures.toml", key, &ground.document, &ground.missing);
            }
        }
        for period in self.periods() {
            list.add_entry("periods.toml", period.id.as_str(), &period.provenance);
        }
        for purpose in self.purposes().iter().filter(|purpose| !purpose.verified) {
            list.add("purposes.toml", purpose.code.as_str(), "", &[MissingFact::LegalBasis]);
        }
        for term in self.repair().terms() {
            list.add_entry("repair.toml", term.code.as_str(), &term.provenance);
        }
        for rule in self.repair().rules() {
            list.add_entry("repair.toml", rule.id.as_str(), &rule.provenance);
        }
        if let Some(overlay) = self.overlay() {
            let file = overlay.file_name("classification.toml");
            for FieldSource { record_type, field, source, missing } in &overlay.field_sources {
                list.add(&file, format!("{record_type} {field}"), source, missing);
            }
        }
        list.0
    }

    fn catalogue_unverified(&self, list: &mut UnverifiedList) {
        let file = "catalogue.toml";
        let catalogue = self.catalogue();
        for class in catalogue.classes() {
            list.add_entry(file, class.code.as_str(), &class.provenance);
        }
        for grade in catalogue.grades() {
            list.add_entry(file, grade.code.as_str(), &grade.provenance);
        }
        for behaviour in catalogue.behaviours() {
            list.add_entry(file, behaviour.code.as_str(), &behaviour.provenance);
            let criteria = [behaviour.code.as_str(), "criteria"].join(" ");
            list.add(file, criteria, &behaviour.criteria.document, &behaviour.criteria.missing);
        }
        for exemption in catalogue.exemptions() {
            list.add_entry(file, exemption.code.as_str(), &exemption.provenance);
        }
    }
}
