//! A policy bundle: parsed, typed, bound together and tested, or refused.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use chengxin_schemas::catalogue::{IncentiveCode, MeasureCode};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::Day;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::authoriser::Authoriser;
use crate::calendar::Calendars;
use crate::catalogue::{Catalogue, catalogue_parse};
use crate::classification::{Classification, FieldClass};
use crate::deadlines::{Deadlines, deadlines_parse};
use crate::decision_tests::{DecisionTest, tests_parse};
use crate::engine::MODEL;
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::files::{BundleFiles, calendar_year};
use crate::functions::{Function, FunctionsMissing, functions_parse};
use crate::incentives::Incentive;
use crate::measures::{Measure, measures_parse};
use crate::overlay::Overlay;
use crate::periods::{Period, periods_parse};
use crate::provenance::RuleId;
use crate::purposes::{Purpose, purposes_parse};
use crate::repair::{RepairRules, repair_parse};
use crate::roles::{RoleDefinition, roles_parse};
use crate::rules::{self, Rule, RuleList, Rules, rules_parse};
use crate::severity::{SeverityRule, severity_parse};
use crate::verification::MissingFact;

/// What `bundle.toml` says about the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: ManifestSchema,
    /// Name of the series of bundles, for example `baseline`.
    pub id: String,
    /// The version that decisions and records keep, for example `baseline-2026.1`: the id, a hyphen, and numbers
    /// between dots.
    pub version: PolicyVersion,
    /// First day the bundle may decide.
    pub effective: Day,
    /// Title.
    pub chinese: String,
    /// Title.
    pub english: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum ManifestSchema {
    #[serde(rename = "chengxin/policy-bundle/v1")]
    V1,
}

/// A bundle that loaded whole: every name in it is bound, every field of every record type is classified, and its own
/// decision tests pass. An overlay of a league or city may narrow what it decides. Cheap to clone.
#[derive(Clone)]
pub struct Bundle {
    content: Arc<Content>,
    overlay: Option<Arc<Overlay>>,
}

struct Content {
    files: BundleFiles,
    digest: Sha256,
    manifest: Manifest,
    rules_version: String,
    roles: Vec<RoleDefinition>,
    functions: Vec<Function>,
    functions_missing: FunctionsMissing,
    purposes: Vec<Purpose>,
    purpose_index: HashMap<PurposeCode, usize>,
    rules: Rules,
    classification: Classification,
    severity: Vec<SeverityRule>,
    measures: Vec<Measure>,
    incentives: Vec<Incentive>,
    catalogue: Catalogue,
    periods: Vec<Period>,
    repair: RepairRules,
    deadlines: Deadlines,
    calendars: Calendars,
    tests: Vec<DecisionTest>,
}

impl Bundle {
    /// The bundle compiled into this program.
    pub fn baseline() -> Result<Self, PolicyError> {
        Self::from_files(BundleFiles::baseline())
    }

    /// Loads a bundle from a directory.
    pub fn load_directory(path: &Path) -> Result<Self, PolicyError> {
        Self::from_files(BundleFiles::load_directory(path)?)
    }

    /// Loads a bundle from its packed form. Whether the bytes are signed by who may issue them is the caller's
    /// question, to be answered before.
    pub fn from_packed(bytes: &[u8]) -> Result<Self, PolicyError> {
        Self::from_files(BundleFiles::unpack(bytes)?)
    }

    /// Parses, binds and tests. On any error there is no bundle.
    pub fn from_files(files: BundleFiles) -> Result<Self, PolicyError> {
        let manifest = manifest_parse(files.text("bundle.toml"))?;
        let model = files.text("model.conf");
        if model != MODEL {
            let same = model.lines().zip(MODEL.lines()).take_while(|(one, other)| one == other).count();
            return Err(PolicyError::file(
                "model.conf",
                Some(same + 1),
                "differs from the model this program was built with",
                "policy cannot carry matcher code: restore the file, or upgrade the program",
            ));
        }
        let roles = roles_parse(files.text("roles.toml"))?;
        let (functions, functions_missing) = functions_parse(files.text("functions.toml"))?;
        let known: BTreeSet<FunctionCode> = functions.iter().map(|function| function.code.clone()).collect();
        let purposes = purposes_parse(files.text("purposes.toml"), &known)?;
        let purpose_index =
            purposes.iter().enumerate().map(|(index, purpose)| (purpose.code.clone(), index)).collect();
        let rules = rules_parse(files.text("rules.csv"), &known, &purposes)?;
        crate::purposes::purposes_match_rules(&purposes, rules.list(), &roles)?;
        let classification = Classification::parse(files.text("classification.toml"))?;
        let severity = severity_parse(files.text("categories.toml"))?;
        let (measures, incentives) = measures_parse(files.text("measures.toml"), &known)?;
        let periods = periods_parse(files.text("periods.toml"), &severity)?;
        let repair = repair_parse(files.text("repair.toml"))?;
        let deadlines = deadlines_parse(files.text("deadlines.toml"))?;
        let catalogue = catalogue_parse(files.text("catalogue.toml"), &measures, &repair)?;
        let mut calendars = Calendars::default();
        for (name, text) in files.iter() {
            if let Some(year) = calendar_year(name) {
                calendars.year_parse(name, year, text)?;
            }
        }
        calendars.check()?;
        let (tests, content_tests) = tests_parse(files.text("tests.toml"), &deadlines, &catalogue)?;
        let digest = files.digest();
        let bundle = Self {
            content: Arc::new(Content {
                files,
                digest,
                rules_version: manifest.version.to_string(),
                manifest,
                roles,
                functions,
                functions_missing,
                purposes,
                purpose_index,
                rules,
                classification,
                severity,
                measures,
                incentives,
                catalogue,
                periods,
                repair,
                deadlines,
                calendars,
                tests,
            }),
            overlay: None,
        };
        for test in &content_tests {
            test.run(&bundle)?;
        }
        let authoriser = Authoriser::new(bundle.clone())?;
        for test in &bundle.content.tests {
            test.run(&authoriser)?;
        }
        Ok(bundle)
    }

    /// What a league or city narrows, if the bundle decides under an overlay.
    pub fn overlay(&self) -> Option<&Overlay> {
        self.overlay.as_deref()
    }

    /// The bundle of the federation alone.
    pub fn base(&self) -> Self {
        Self { content: Arc::clone(&self.content), overlay: None }
    }

    /// The federation's bundle under `overlay`, which was read for it. Nothing of the bundle is copied.
    pub(crate) fn with_overlay(&self, overlay: Overlay) -> Self {
        Self { content: Arc::clone(&self.content), overlay: Some(Arc::new(overlay)) }
    }

    /// The texts the bundle was loaded from, without those of an overlay.
    pub fn files(&self) -> &BundleFiles {
        &self.content.files
    }

    /// The canonical bytes for signing and distribution, without an overlay.
    pub fn pack(&self) -> Vec<u8> {
        self.content.files.pack()
    }

    /// SHA-256 of the packed form, whatever overlay narrows it.
    pub fn digest(&self) -> Sha256 {
        self.content.digest
    }

    /// Whether the bundle may decide on `day`, a date in China's time: not before its effective date.
    pub fn is_effective_on(&self, day: Day) -> bool {
        day >= self.manifest().effective
    }

    /// Id, version, effective date and titles of the bundle, whatever overlay narrows it.
    pub fn manifest(&self) -> &Manifest {
        &self.content.manifest
    }

    /// The version that decisions, records and certificates keep: the bundle's, and under an overlay both with a plus
    /// between them, `baseline-2026.1+150100-2026.1`.
    pub fn rules_version(&self) -> &str {
        self.overlay().map_or(&self.content.rules_version, |overlay| &overlay.rules_version)
    }

    /// Roles with their names.
    pub fn roles(&self) -> &[RoleDefinition] {
        &self.content.roles
    }

    /// Functions of public bodies.
    pub fn functions(&self) -> &[Function] {
        &self.content.functions
    }

    pub(crate) fn function_missing(&self, code: &FunctionCode) -> &[MissingFact] {
        self.content.functions_missing.get(code).map_or(&[], Vec::as_slice)
    }

    /// Purposes of a query, with what an overlay demands beside the bundle.
    pub fn purposes(&self) -> &[Purpose] {
        let narrowed = self.overlay().and_then(|overlay| overlay.purposes.as_ref());
        narrowed.unwrap_or(&self.content.purposes)
    }

    /// The purpose called `code`.
    pub fn purpose(&self, code: &PurposeCode) -> Option<&Purpose> {
        self.purpose_index(code).and_then(|index| self.purposes().get(index))
    }

    pub(crate) fn purpose_index(&self, code: &PurposeCode) -> Option<usize> {
        self.content.purpose_index.get(code).copied()
    }

    /// The rules: those of the bundle in the order of `rules.csv`, then those of an overlay.
    pub fn rules(&self) -> RuleList<'_> {
        RuleList::new(self.content.rules.list(), self.overlay().map_or(&[], |overlay| overlay.rules.list()))
    }

    /// The rule called `id`, if it is one of `rules.csv` or of an overlay's.
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.content.rules.find(id).or_else(|| self.overlay()?.rules.find(id))
    }

    /// The file in which the rule called `id` stands, and its line: `rules.csv`, or as `overlay/150100/rules.csv` that of an
    /// overlay.
    pub fn rule_place(&self, id: &RuleId) -> Option<(String, usize)> {
        if let Some(rule) = self.content.rules.find(id) {
            return Some((rules::FILE.to_owned(), rule.line));
        }
        let overlay = self.overlay()?;
        Some((overlay.file_name(rules::FILE), overlay.rules.find(id)?.line))
    }

    /// Sanction measures.
    pub fn measures(&self) -> &[Measure] {
        &self.content.measures
    }

    /// The measure called `code`. A measure that is not listed cannot be named in a notice.
    pub fn measure(&self, code: &MeasureCode) -> Option<&Measure> {
        self.content.measures.iter().find(|measure| measure.code == *code)
    }

    /// Incentives for trustworthy conduct.
    pub fn incentives(&self) -> &[Incentive] {
        &self.content.incentives
    }

    /// The incentive called `code`.
    pub fn incentive(&self, code: &IncentiveCode) -> Option<&Incentive> {
        self.content.incentives.iter().find(|incentive| incentive.code == *code)
    }

    /// The list of breaches of government integrity.
    pub fn catalogue(&self) -> &Catalogue {
        &self.content.catalogue
    }

    /// Conditions and effects of repair.
    pub fn repair(&self) -> &RepairRules {
        &self.content.repair
    }

    /// Deadlines of repair, objection and the other matters a body handles.
    pub fn deadlines(&self) -> &Deadlines {
        &self.content.deadlines
    }

    /// Publicity periods.
    pub fn periods(&self) -> &[Period] {
        &self.content.periods
    }

    /// Working-day calendars.
    pub fn calendars(&self) -> &Calendars {
        &self.content.calendars
    }

    /// How many decision tests the bundle carries, without those of an overlay; all of them passed when it loaded.
    pub fn decision_test_count(&self) -> usize {
        self.content.tests.len()
    }

    /// How a field is classified. None for a name that is not a field of the type: treat it as withheld.
    pub fn field_class(&self, record_type: RecordType, field: &str) -> Option<&FieldClass> {
        self.classification().field(record_type, field)
    }

    /// Every field of every record type with its classification.
    pub fn field_classes(&self) -> impl Iterator<Item = (RecordType, &'static str, &FieldClass)> {
        self.classification().iter()
    }

    pub(crate) fn classification(&self) -> &Classification {
        let narrowed = self.overlay().and_then(|overlay| overlay.classification.as_ref());
        narrowed.unwrap_or(&self.content.classification)
    }

    pub(crate) fn severity_rules(&self) -> &[SeverityRule] {
        &self.content.severity
    }
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Bundle({}, {})", self.rules_version(), self.digest())
    }
}

impl BundleFiles {
    /// What `bundle.toml` says, without loading the rest.
    pub fn manifest(&self) -> Result<Manifest, PolicyError> {
        manifest_parse(self.text("bundle.toml"))
    }
}

fn manifest_parse(text: &str) -> Result<Manifest, PolicyError> {
    let manifest: Manifest = toml_parse("bundle.toml", text)?;
    let ManifestSchema::V1 = manifest.schema;
    if manifest.version.series() != manifest.id {
        return Err(PolicyError::file(
            "bundle.toml",
            None,
            "the version does not begin with the id",
            "write id = \"baseline\" and version = \"baseline-2026.1\"",
        ));
    }
    Entry::whole("bundle.toml", &manifest.id).titles(&manifest.chinese, &manifest.english)?;
    Ok(manifest)
}

/// Parses one TOML file of the bundle; unknown keys and wrong types are refused with their line.
pub(crate) fn toml_parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|error| {
        PolicyError::file(
            file,
            error.span().map(|span| line_of(text, span.start)),
            error.message().trim().replace('\n', " "),
            "correct the line",
        )
    })
}

/// The line, counted from 1, of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    // Over a slice, which the compiler turns into whole words at a time: a file may ask for thousands of lines.
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The error for something in `file` at a spanned value.
pub(crate) fn error_at<T>(
    file: &str,
    text: &str,
    place: &toml::Spanned<T>,
    reason: impl Into<String>,
    fix: impl Into<String>,
) -> PolicyError {
    PolicyError::file(file, Some(line_of(text, place.span().start)), reason, fix)
}
