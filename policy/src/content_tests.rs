//! The tests of `tests.toml` that are no questions of access: which day a deadline must end on, and what must follow from a
//! breach.

use std::collections::BTreeSet;

use chengxin_schemas::catalogue::{BehaviourCode, MeasureCode};
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::{Bundle, line_of};
use crate::decision_tests::FILE;
use crate::error::PolicyError;
use crate::measures::SanctionObject;
use crate::provenance::RuleId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDeadlineTest {
    name: Spanned<String>,
    #[serde(rename = "requirement")]
    _requirement: String,
    key: RuleId,
    event: Day,
    #[serde(default)]
    extended: bool,
    last_day: Option<Day>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConsequenceTest {
    name: Spanned<String>,
    #[serde(rename = "requirement")]
    _requirement: String,
    behaviour: BehaviourCode,
    severity: BreachSeverity,
    object: SanctionObject,
    measures: Option<BTreeSet<MeasureCode>>,
    repair: Option<RuleId>,
}

/// One test of the content and where it stands.
pub(crate) struct ContentTest {
    name: String,
    line: usize,
    content: Content,
}

enum Content {
    /// The last day of a deadline; None if none may be computed.
    Deadline { key: RuleId, event: Day, extended: bool, last_day: Option<Day> },
    /// The measures and the repair rule of a breach; None if nothing may follow.
    Consequence {
        behaviour: BehaviourCode,
        severity: BreachSeverity,
        object: SanctionObject,
        measures: Option<BTreeSet<MeasureCode>>,
        repair: Option<RuleId>,
    },
}

pub(crate) fn content_tests(
    text: &str,
    deadlines: Vec<RawDeadlineTest>,
    consequences: Vec<RawConsequenceTest>,
) -> Vec<ContentTest> {
    let deadlines = deadlines.into_iter().map(|entry| {
        let RawDeadlineTest { name, key, event, extended, last_day, .. } = entry;
        (name, Content::Deadline { key, event, extended, last_day })
    });
    let consequences = consequences.into_iter().map(|entry| {
        let RawConsequenceTest { name, behaviour, severity, object, measures, repair, .. } = entry;
        (name, Content::Consequence { behaviour, severity, object, measures, repair })
    });
    deadlines
        .chain(consequences)
        .map(|(name, content)| ContentTest {
            line: line_of(text, name.span().start),
            name: name.into_inner(),
            content,
        })
        .collect()
}

impl ContentTest {
    /// Computes what the test is about and compares.
    pub(crate) fn run(&self, bundle: &Bundle) -> Result<(), PolicyError> {
        match &self.content {
            Content::Deadline { key, event, extended, last_day } => {
                match (bundle.due(key, *event, *extended), last_day) {
                    (Ok(due), Some(expected)) if due.last_day == *expected => Ok(()),
                    (Ok(due), _) => Err(self.failed(format!("the last day is {}", due.last_day))),
                    (Err(_), None) => Ok(()),
                    (Err(error), Some(_)) => Err(self.failed(error.to_string())),
                }
            }
            Content::Consequence { behaviour, severity, object, measures, repair } => {
                let following = bundle.measures_following(behaviour, *severity, *object);
                let following: Option<BTreeSet<MeasureCode>> =
                    following.map(|listed| listed.iter().map(|measure| measure.code.clone()).collect());
                if following != *measures {
                    let codes: Vec<_> = following.iter().flatten().map(MeasureCode::as_str).collect();
                    return Err(self.failed(format!("the catalogue's measures are {}", codes.join(", "))));
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
