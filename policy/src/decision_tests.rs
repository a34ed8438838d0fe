//! `tests.toml`: decisions a bundle must make before it may be used. Tests of its other content stand beside them.

use std::collections::BTreeMap;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::{AuthorisationReference, SubjectAuthorisation};
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::identity::CaseReference;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::subject::SubjectKind;
use serde::Deserialize;
use toml::Spanned;

use crate::authoriser::{Authoriser, Decision};
use crate::bundle::{error_at, line_of, toml_parse};
use crate::catalogue::Catalogue;
use crate::content_tests::{ContentTest, RawConsequenceTest, RawDeadlineTest, content_tests};
use crate::deadlines::Deadlines;
use crate::error::PolicyError;
use crate::provenance::RuleId;
use crate::request::{AccessRequest, Action, AskerContext, SecondPerson, Treatment};

pub(crate) const FILE: &str = "tests.toml";
/// Most tests: every one may cost forty questions to casbin when the bundle loads.
const TESTS_LIMIT: usize = 2_000;
/// The body that asks in tests. No rule looks at the agency.
const ASKER: &str = "11152105011615449P";
const REGION: &str = "150000";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    test: Vec<RawTest>,
    #[serde(default)]
    deadline: Vec<RawDeadlineTest>,
    #[serde(default)]
    consequence: Vec<RawConsequenceTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    name: Spanned<String>,
    #[serde(rename = "requirement")]
    _requirement: String,
    action: Action,
    role: Role,
    purpose: PurposeCode,
    functions: Vec<FunctionCode>,
    subject: SubjectKind,
    categories: Vec<InformationCategory>,
    case_reference: Option<CaseReference>,
    legal_basis: Option<LegalBasis>,
    authorisation: Option<AuthorisationReference>,
    /// The role in which somebody else released the query.
    released_by: Option<Role>,
    #[serde(default)]
    own_records: bool,
    expect: Expectation,
    rule: Option<RuleId>,
    permitted: Option<Vec<InformationCategory>>,
    #[serde(default)]
    cells: BTreeMap<String, Treatment>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expectation {
    Permit,
    Deny,
}

/// One decision and what it must be.
pub(crate) struct DecisionTest {
    file: String,
    name: String,
    line: usize,
    request: AccessRequest,
    expect: Expectation,
    rule: Option<RuleId>,
    permitted: Option<Vec<InformationCategory>>,
    cells: Vec<(InformationCategory, ClassificationLevel, Treatment)>,
}

pub(crate) fn tests_parse(
    text: &str,
    deadlines: &Deadlines,
    catalogue: &Catalogue,
) -> Result<(Vec<DecisionTest>, Vec<ContentTest>), PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    if raw.test.is_empty() {
        return Err(PolicyError::file(FILE, None, "no tests", "a bundle proves what it decides"));
    }
    if raw.test.len() + raw.deadline.len() + raw.consequence.len() > TESTS_LIMIT {
        return Err(PolicyError::TooLarge { what: FILE.to_owned(), unit: "tests", limit: TESTS_LIMIT });
    }
    let tests = decisions_parse(FILE, text, raw.test)?;
    Ok((tests, content_tests(text, raw.deadline, raw.consequence, deadlines, catalogue)?))
}

/// An overlay's tests: decisions alone, because nothing else is narrowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverlayFile {
    test: Vec<RawTest>,
}

/// Parses the tests of an overlay, whose file is named so.
pub(crate) fn overlay_tests_parse(file: &str, text: &str) -> Result<Vec<DecisionTest>, PolicyError> {
    let raw: RawOverlayFile = toml_parse(file, text)?;
    if raw.test.is_empty() {
        return Err(PolicyError::file(file, None, "no tests", "an overlay proves what it denies"));
    }
    if raw.test.len() > TESTS_LIMIT {
        return Err(PolicyError::TooLarge { what: file.to_owned(), unit: "tests", limit: TESTS_LIMIT });
    }
    decisions_parse(file, text, raw.test)
}

fn decisions_parse(file: &str, text: &str, raw: Vec<RawTest>) -> Result<Vec<DecisionTest>, PolicyError> {
    let agency: AgencyCode = ASKER.parse().map_err(|_| PolicyError::Unsound { reason: "test asker" })?;
    let region: RegionCode = REGION.parse().map_err(|_| PolicyError::Unsound { reason: "test region" })?;
    let mut tests = Vec::new();
    for entry in raw {
        let mut cells = Vec::new();
        for (place, treatment) in &entry.cells {
            let parsed = place.split_once('/').and_then(|(category, level)| {
                Some((category.parse().ok()?, level.parse().ok()?, *treatment))
            });
            cells.push(parsed.ok_or_else(|| {
                error_at(file, text, &entry.name, format!("unknown cell {place:?}"), "write category/level")
            })?);
        }
        if entry.expect == Expectation::Deny && (entry.permitted.is_some() || !cells.is_empty()) {
            return Err(error_at(
                file,
                text,
                &entry.name,
                "a denial permits nothing",
                "remove permitted and cells",
            ));
        }
        tests.push(DecisionTest {
            file: file.to_owned(),
            line: line_of(text, entry.name.span().start),
            name: entry.name.into_inner(),
            request: AccessRequest {
                asker: AskerContext { agency, functions: entry.functions, region },
                role: entry.role,
                purpose: entry.purpose,
                case_reference: entry.case_reference,
                legal_basis: entry.legal_basis,
                authorisation: entry
                    .authorisation
                    .map(|reference| SubjectAuthorisation { reference, document: None }),
                second_person: entry.released_by.map(SecondPerson::supposed),
                subject_kind: entry.subject,
                own_records: entry.own_records,
                categories: entry.categories,
                action: entry.action,
            },
            expect: entry.expect,
            rule: entry.rule,
            permitted: entry.permitted,
            cells,
        });
    }
    Ok(tests)
}

impl DecisionTest {
    /// Decides the request and compares.
    pub(crate) fn run(&self, authoriser: &Authoriser) -> Result<(), PolicyError> {
        let decision = authoriser.authorize(&self.request);
        let (outcome, rule) = match &decision {
            Decision::Permit(permit) => (Expectation::Permit, permit.rule()),
            Decision::Denied(denied) => (Expectation::Deny, &denied.rule),
        };
        if outcome != self.expect {
            let word = if outcome == Expectation::Permit { "permitted" } else { "denied" };
            return Err(self.failed(format!("{word} by {rule}")));
        }
        if let Some(expected) = &self.rule
            && expected != rule
        {
            return Err(self.failed(format!("decided by {rule}, not {expected}")));
        }
        if let Decision::Permit(permit) = &decision {
            if self.permitted.as_ref().is_some_and(|expected| expected != permit.categories()) {
                let names: Vec<_> = permit.categories().iter().map(|category| category.as_str()).collect();
                return Err(self.failed(format!("permitted categories are {}", names.join(", "))));
            }
            for (category, level, expected) in &self.cells {
                let cell = permit.cell(*category, *level);
                if cell.treatment != *expected {
                    let actual = cell.treatment.as_str();
                    return Err(self.failed(format!("{category}/{level} is {actual} by {}", cell.rule)));
                }
            }
        }
        Ok(())
    }

    fn failed(&self, reason: String) -> PolicyError {
        PolicyError::file(
            &self.file,
            Some(self.line),
            format!("decision test {:?} fails: {reason}", self.name),
            "correct the rules, or the test if it is wrong",
        )
    }
}
