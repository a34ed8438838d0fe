//! `categories.toml`: in which category a record falls and how severe the breach is.

use std::borrow::Cow;

use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::record::{FieldValue, RecordFields};
use chengxin_schemas::record_type::{
    FieldKind, PERSON_DOCUMENT_TYPE, PERSON_NUMBER, RecordType, SUBJECT_CATEGORY, SUBJECT_CODE,
};
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::Day;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, error_at, toml_parse};
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::provenance::{Provenance, RuleId};
use crate::verification::MissingFact;

const FILE: &str = "categories.toml";
/// Most rules, conditions of a rule, and texts of a condition: importers try them on every row.
const ITEMS_LIMIT: usize = 64;

/// What the rules say about a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeverityRuling {
    /// The information category.
    pub category: InformationCategory,
    /// The severity; always present when the category is a breach, and only then.
    pub severity: Option<BreachSeverity>,
    /// The rule that decided.
    pub rule: RuleId,
    /// What the rule rests on.
    pub source: String,
    /// Title or number of the document.
    pub document: String,
    /// False when the rule was not read in its document, or the record was determined outside the rule's dates.
    pub verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    rule: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Spanned<RuleId>,
    record_type: RecordType,
    category: InformationCategory,
    severity: Option<BreachSeverity>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
    conditions: Vec<RawCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCondition {
    fields: Vec<Spanned<String>>,
    #[serde(rename = "match")]
    how: How,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    ignoring: Vec<String>,
    at_most: Option<u32>,
    person_at_most: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// Some value contains one of the texts.
    Any,
    /// There are values, and each contains one of the texts.
    All,
    /// No value contains one of the texts.
    None,
    /// No value is an amount above `at_most`, in whole yuan; above `person_at_most`, where it stands, in a record that states
    /// a citizen.
    Amount,
}

pub(crate) struct SeverityRule {
    id: RuleId,
    record_type: RecordType,
    category: InformationCategory,
    severity: Option<BreachSeverity>,
    provenance: Provenance,
    conditions: Vec<Condition>,
}

impl SeverityRule {
    pub(crate) fn id(&self) -> &RuleId {
        &self.id
    }

    pub(crate) fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Whether it can give the severity to a record of the type.
    pub(crate) fn rules(&self, record_type: RecordType, severity: BreachSeverity) -> bool {
        self.record_type == record_type && self.severity == Some(severity)
    }
}

struct Condition {
    fields: Vec<&'static str>,
    how: How,
    texts: Vec<String>,
    /// Phrases that are taken out of a value before it is looked at: they contain one of the texts and mean another
    /// thing, as 应当罚款 contains 当罚.
    ignoring: Vec<String>,
    /// For amounts, in yuan.
    at_most: u32,
    /// For amounts, in yuan, in a record that states a citizen; never above `at_most`.
    person_at_most: u32,
}

impl Condition {
    fn holds(&self, fields: &RecordFields, kind: SubjectKind) -> bool {
        let matches = |text: &str| {
            let mut looked_at = Cow::Borrowed(text);
            for phrase in self.ignoring.iter().filter(|phrase| text.contains(phrase.as_str())) {
                // A separator stays, so that what stood on both sides does not become a word.
                looked_at = Cow::Owned(looked_at.replace(phrase.as_str(), " "));
            }
            self.texts.iter().any(|wanted| looked_at.contains(wanted.as_str()))
        };
        let mut values =
            self.fields.iter().filter_map(|name| fields.value(name)).flat_map(|value| match value {
                FieldValue::Text(text) => std::slice::from_ref(text).iter(),
                FieldValue::List(texts) => texts.iter(),
            });
        match self.how {
            How::Any => values.any(|text| matches(text)),
            How::None => !values.any(|text| matches(text)),
            How::Amount => {
                let limit = match kind {
                    SubjectKind::Person if states_citizen(fields) => self.person_at_most,
                    SubjectKind::Person | SubjectKind::Organisation => self.at_most,
                };
                values.all(|text| is_at_most(text, limit))
            }
            How::All => {
                let mut some = false;
                let all = values.all(|text| {
                    some = true;
                    matches(text)
                });
                some && all
            }
        }
    }
}

/// Whether a record says that its subject is a natural person (公民) and says nothing of a business. A record is kept as a
/// person's for less, so that nothing of a person is public: if its row says nothing, or if a sole trader's row has its
/// owner's number. Which limit the law sets does not follow from that.
///
/// By its fields alone, so that a stored record is ruled as its row was. A person's number that the file masks is no field.
fn states_citizen(fields: &RecordFields) -> bool {
    let category = fields.text(SUBJECT_CATEGORY).and_then(SubjectKind::of_category);
    let has_document = [PERSON_NUMBER, PERSON_DOCUMENT_TYPE].iter().any(|name| fields.text(name).is_some());
    let states_person = has_document || category == Some(SubjectKind::Person);
    states_person && category != Some(SubjectKind::Organisation) && fields.text(SUBJECT_CODE).is_none()
}

/// Whether a canonical amount in yuan, `3000` or `3000.00`, is not above `limit`. What is no amount is above it, so that the
/// milder rule does not decide.
fn is_at_most(amount: &str, limit: u32) -> bool {
    let (whole, cents) = amount.split_once('.').unwrap_or((amount, ""));
    let over = cents.bytes().any(|digit| digit != b'0');
    whole.parse::<u32>().is_ok_and(|yuan| yuan < limit || (yuan == limit && !over))
}

/// Every record type ends in a rule without conditions, so that every record has a ruling.
pub(crate) fn severity_parse(text: &str) -> Result<Vec<SeverityRule>, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    let over = raw.rule.len() > ITEMS_LIMIT
        || raw.rule.iter().any(|rule| {
            rule.conditions.len() > ITEMS_LIMIT
                || rule.conditions.iter().any(|condition| {
                    condition.texts.len() > ITEMS_LIMIT || condition.ignoring.len() > ITEMS_LIMIT
                })
        });
    if over {
        return Err(PolicyError::TooLarge {
            what: FILE.to_owned(),
            unit: "items of a list",
            limit: ITEMS_LIMIT,
        });
    }
    let mut rules: Vec<SeverityRule> = Vec::new();
    for entry in raw.rule {
        let wrong = |reason: String, fix: &str| Err(error_at(FILE, text, &entry.id, reason, fix));
        let id = entry.id.get_ref().clone();
        if id.is_reserved() || rules.iter().any(|rule| rule.id == id) {
            return wrong(format!("rule {id} is reserved or stands twice"), "give every rule its own id");
        }
        let breach =
            matches!(entry.category, InformationCategory::GeneralBreach | InformationCategory::SeriousBreach);
        if breach != entry.severity.is_some() {
            return wrong(
                format!("rule {id}: a breach needs a severity and nothing else may have one"),
                "set or remove severity",
            );
        }
        if rules.iter().any(|rule| rule.record_type == entry.record_type && rule.conditions.is_empty()) {
            return wrong(
                format!("rule {id} can never decide"),
                "put the rule without conditions last in its record type",
            );
        }
        let provenance = Provenance {
            source: entry.source,
            document: entry.document,
            effective_from: entry.effective_from,
            effective_to: entry.effective_to,
            verified: entry.verified,
            missing: entry.missing,
        };
        Entry::new(FILE, text, "rule", id.as_str(), &entry.id).provenance(&provenance)?;
        rules.push(SeverityRule {
            id,
            record_type: entry.record_type,
            category: entry.category,
            severity: entry.severity,
            conditions: conditions_bind(text, entry.record_type, entry.conditions)?,
            provenance,
        });
    }
    for kind in RecordType::ALL {
        if !rules.iter().any(|rule| rule.record_type == *kind && rule.conditions.is_empty()) {
            let reason = format!("{kind} has no rule without conditions");
            return Err(PolicyError::file(FILE, None, reason, "end the rules of each record type with one"));
        }
    }
    Ok(rules)
}

fn conditions_bind(
    text: &str,
    record_type: RecordType,
    raw: Vec<RawCondition>,
) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for condition in raw {
        let mut fields = Vec::new();
        for name in &condition.fields {
            let (_, definition) = record_type.field(name.get_ref()).map_err(|_| {
                error_at(
                    FILE,
                    text,
                    name,
                    format!("{record_type} has no field {:?}", name.get_ref()),
                    "use a name of the dictionary",
                )
            })?;
            fields.push(definition.name);
        }
        let mut phrases = condition.texts.iter().chain(&condition.ignoring);
        let line = condition.fields.first().map(|name| crate::bundle::line_of(text, name.span().start));
        let is_amount = condition.how == How::Amount;
        if fields.is_empty() || condition.texts.is_empty() != is_amount || phrases.any(String::is_empty) {
            return Err(PolicyError::file(
                FILE,
                line,
                "a condition without fields or texts",
                "name at least one of each; an empty text would match everything",
            ));
        }
        let is_money = |name: &&str| {
            record_type.field(name).is_ok_and(|(_, definition)| definition.kind == FieldKind::Yuan)
        };
        if condition.at_most.is_some() != is_amount || (is_amount && !fields.iter().all(is_money)) {
            return Err(PolicyError::file(
                FILE,
                line,
                "at_most belongs to match = \"amount\" over fields of money",
                "give both, or neither",
            ));
        }
        let at_most = condition.at_most.unwrap_or(0);
        let person_at_most = condition.person_at_most.unwrap_or(at_most);
        if person_at_most > at_most || (condition.person_at_most.is_some() && !is_amount) {
            return Err(PolicyError::file(
                FILE,
                line,
                "person_at_most is above at_most, or stands without it",
                "write the lower limit there, or leave it out where one limit is for all",
            ));
        }
        let RawCondition { how, texts, ignoring, .. } = condition;
        conditions.push(Condition { fields, how, texts, ignoring, at_most, person_at_most });
    }
    Ok(conditions)
}

impl Bundle {
    /// The category and severity of a record of its fields' type about a subject of a kind. The first rule whose
    /// conditions hold decides; the last rule of a type has none, so there is always a ruling.
    ///
    /// A record whose determination date is missing or outside the rule's effective dates is ruled all the same, but
    /// unverified: which rule governs decisions made before 2026-04-01 is an open fact.
    pub fn severity_for(&self, fields: &RecordFields, subject_kind: SubjectKind) -> SeverityRuling {
        let kind = fields.record_type();
        let determined = fields.determined_on();
        let decisive = self
            .severity_rules()
            .iter()
            .filter(|rule| rule.record_type == kind)
            .find(|rule| rule.conditions.iter().all(|condition| condition.holds(fields, subject_kind)));
        match decisive {
            Some(rule) => SeverityRuling {
                category: rule.category,
                severity: rule.severity,
                rule: rule.id.clone(),
                source: rule.provenance.source.clone(),
                document: rule.provenance.document.clone(),
                verified: rule.provenance.verified
                    && determined.is_some_and(|day| rule.provenance.is_effective_on(day)),
            },
            // The loader makes sure of a rule without conditions. Were there none, the strictest ruling is the safe
            // one: it widens no disclosure.
            None => SeverityRuling {
                category: InformationCategory::SeriousBreach,
                severity: Some(BreachSeverity::Serious),
                rule: RuleId::built_in("default-deny"),
                source: String::new(),
                document: String::new(),
                verified: false,
            },
        }
    }
}
