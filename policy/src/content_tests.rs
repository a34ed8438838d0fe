//! The tests of `tests.toml` that are no questions of access: which day a deadline must end on, and what must follow from a
//! breach. A test that expects nothing says why nothing comes out, and every name in a test is one of the bundle: else a
//! misspelt name would pass for ever.

use std::collections::BTreeSet;

use chengxin_schemas::catalogue::{BehaviourCode, MeasureCode};
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::{Bundle, error_at, line_of};
use crate::catalogue::Catalogue;
use crate::deadlines::Deadlines;
use crate::decision_tests::FILE;
use crate::error::{LookupError, PolicyError};
use crate::measures::SanctionObject;
use crate::provenance::RuleId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDeadlineTest {
    name: Spanned<String>,
    #[serde(rename = "requirement")]
    _requirement: String,
    key: Spanned<RuleId>,
    event: Day,
    #[serde(default)]
    extended: bool,
    last_day: Option<Day>,
    none: Option<NoDay>,
}

/// Why no day may be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum NoDay {
    /// No version of the deadline, or of its extension, is in force on the day of the event.
    #[serde(rename = "no-rule")]
    Rule,
    /// The document leaves the length open, or provides for no extension.
    #[serde(rename = "no-value")]
    Value,
    /// The working days of a year are not known.
    #[serde(rename = "no-calendar")]
    Calendar,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConsequenceTest {
    name: Spanned<String>,
    #[serde(rename = "requirement")]
    _requirement: String,
    behaviour: Spanned<BehaviourCode>,
    severity: BreachSeverity,
    object: SanctionObject,
    measures: Option<BTreeSet<MeasureCode>>,
    none: Option<NoMeasures>,
    repair: Option<RuleId>,
}

/// Why nothing may follow from a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum NoMeasures {
    /// No subject of the kind can commit it.
    #[serde(rename = "no-object")]
    Object,
    /// It is never of that severity.
    #[serde(rename = "no-severity")]
    Severity,
}

/// One test of the content and where it stands.
pub(crate) struct ContentTest {
    name: String,
    line: usize,
    content: Content,
}

enum Content {
    /// The last day of a deadline.
    Deadline { key: RuleId, event: Day, extended: bool, expected: Result<Day, NoDay> },
    /// The measures and the repair rule of a breach.
    Consequence {
        behaviour: BehaviourCode,
        severity: BreachSeverity,
        object: SanctionObject,
        expected: Result<BTreeSet<MeasureCode>, NoMeasures>,
        repair: Option<RuleId>,
    },
}

/// Binds the tests to the deadlines and the list of breaches they speak of.
pub(crate) fn content_tests(
    text: &str,
    raw_deadlines: Vec<RawDeadlineTest>,
    raw_consequences: Vec<RawConsequenceTest>,
    deadlines: &Deadlines,
    catalogue: &Catalogue,
) -> Result<Vec<ContentTest>, PolicyError> {
    let mut tests = Vec::with_capacity(raw_deadlines.len() + raw_consequences.len());
    for entry in raw_deadlines {
        let RawDeadlineTest { name, key, event, extended, last_day, none, .. } = entry;
        if !deadlines.iter().any(|deadline| deadline.key == *key.get_ref()) {
            let reason = format!("unknown deadline {}", key.get_ref());
            return Err(error_at(FILE, text, &key, reason, "use a key of deadlines.toml"));
        }
        let fix = "write last_day = \"2026-05-08\", or none = \"no-rule\", \"no-value\" or \"no-calendar\"";
        let expected = expected_bind(text, &name, last_day, none, fix)?;
        let content = Content::Deadline { key: key.into_inner(), event, extended, expected };
        tests.push(ContentTest::new(text, name, content));
    }
    for entry in raw_consequences {
        let RawConsequenceTest { name, behaviour, severity, object, measures, none, repair, .. } = entry;
        if catalogue.behaviour(behaviour.get_ref()).is_none() {
            let reason = format!("unknown behaviour {}", behaviour.get_ref());
            return Err(error_at(FILE, text, &behaviour, reason, "use the code of a [[behaviour]]"));
        }
        if none.is_some() && repair.is_some() {
            let reason = "where nothing follows there is nothing to repair";
            return Err(error_at(FILE, text, &name, reason, "remove none or repair"));
        }
        let fix = "write measures = [\"written-explanation\"], or none = \"no-object\" or \"no-severity\"";
        let expected = expected_bind(text, &name, measures, none, fix)?;
        let behaviour = behaviour.into_inner();
        let content = Content::Consequence { behaviour, severity, object, expected, repair };
        tests.push(ContentTest::new(text, name, content));
    }
    Ok(tests)
}

/// What a test expects: a value, or why there is none. One of both is always said.
fn expected_bind<V, N>(
    text: &str,
    name: &Spanned<String>,
    value: Option<V>,
    none: Option<N>,
    fix: &str,
) -> Result<Result<V, N>, PolicyError> {
    match (value, none) {
        (Some(value), None) => Ok(Ok(value)),
        (None, Some(none)) => Ok(Err(none)),
        (Some(_), Some(_)) | (None, None) => {
            Err(error_at(FILE, text, name, "a test expects either a value or none", fix))
        }
    }
}

impl ContentTest {
    fn new(text: &str, name: Spanned<String>, content: Content) -> Self {
        Self { line: line_of(text, name.span().start), name: name.into_inner(), content }
    }

    /// Computes what the test is about and compares.
    pub(crate) fn run(&self, bundle: &Bundle) -> Result<(), PolicyError> {
        match &self.content {
            Content::Deadline { key, event, extended, expected } => {
                match (bundle.due(key, *event, *extended), expected) {
                    (Ok(due), Ok(expected)) if due.last_day == *expected => Ok(()),
                    (Ok(due), _) => Err(self.failed(format!("the last day is {}", due.last_day))),
                    (Err(error), Err(expected)) if no_day(&error) == Some(*expected) => Ok(()),
                    (Err(error), _) => Err(self.failed(error.to_string())),
                }
            }
            Content::Consequence { behaviour, severity, object, expected, repair } => {
                let following = measures_following(bundle, behaviour, *severity, *object);
                if following != *expected {
                    return Err(self.failed(match following {
                        Ok(measures) => {
                            let codes: Vec<_> = measures.iter().map(MeasureCode::as_str).collect();
                            format!("the catalogue's measures are {}", codes.join(", "))
                        }
                        Err(NoMeasures::Object) => {
                            "nothing follows: no subject of the kind can commit the breach".to_owned()
                        }
                        Err(NoMeasures::Severity) => {
                            "nothing follows: the breach is never of that severity".to_owned()
                        }
                    }));
                }
                let catalogue = bundle.catalogue();
                let rule = catalogue
                    .behaviour(behaviour)
                    .and_then(|behaviour| catalogue.grade_for(behaviour, *severity))
                    .map(|grade| &grade.repair);
                match (repair, rule) {
                    (Some(expected), Some(rule)) if expected == rule => Ok(()),
                    (Some(_), Some(rule)) => {
                        Err(self.failed(format!("the catalogue has repair rule {rule}")))
                    }
                    (Some(expected), None) => {
                        Err(self.failed(format!("the catalogue lacks repair rule {expected}")))
                    }
                    (None, _) => Ok(()),
                }
            }
        }
    }

    fn failed(&self, reason: String) -> PolicyError {
        PolicyError::file(
            FILE,
            Some(self.line),
            format!("content test {:?} fails: {reason}", self.name),
            "correct the content, or the test if it is wrong",
        )
    }
}

/// Why no day came out; None for what no test may expect.
fn no_day(error: &LookupError) -> Option<NoDay> {
    match error {
        LookupError::NoRule { .. } => Some(NoDay::Rule),
        LookupError::NoValue { .. } => Some(NoDay::Value),
        LookupError::Calendar(PolicyError::NoCalendar { .. }) => Some(NoDay::Calendar),
        LookupError::Calendar(_) => None,
    }
}

/// The codes of [`Bundle::measures_following`] for a listed behaviour, or why there are none: a grade of a behaviour has
/// measures for each subject that can commit it, as the loader checks.
fn measures_following(
    bundle: &Bundle,
    behaviour: &BehaviourCode,
    severity: BreachSeverity,
    object: SanctionObject,
) -> Result<BTreeSet<MeasureCode>, NoMeasures> {
    if let Some(listed) = bundle.measures_following(behaviour, severity, object) {
        return Ok(listed.iter().map(|measure| measure.code.clone()).collect());
    }
    let committed = bundle.catalogue().behaviour(behaviour).is_some_and(|one| one.objects.contains(&object));
    Err(if committed { NoMeasures::Severity } else { NoMeasures::Object })
}
