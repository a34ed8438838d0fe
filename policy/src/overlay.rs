//! Overlays: what a league or city (盟市) narrows for the nodes of its region within the federation's bundle, the *base*.
//!
//! **Nothing is ever looser than the base.** Rules of an overlay deny and nothing else, and casbin's effect is "some rule
//! allows and none denies", so with them no question is allowed that was not. Of values the stricter of both counts, and a
//! field keeps to what leaves of it by either placing ([`crate::Permit::release`]). Who receives notices, and what of the
//! record behind them, stays the federation's to say: a sanction that a region could keep from its bodies would not
//! strike everywhere.
//!
//! **Two ways to read one overlay.** Where it is staged, published and adopted for the first time, whatever does not fit the
//! base is an error with file and line ([`Bundle::overlay_stage`]). When the federation publishes its next bundle, the same
//! overlay goes on above it, and what the new base does not have is inert and listed ([`Bundle::overlay_apply`]): a league
//! cannot hold the federation's bundle back.

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::region::RegionCode;

use crate::authoriser::Authoriser;
use crate::bundle::Bundle;
use crate::classification::Classification;
use crate::decision_tests::overlay_tests_parse;
use crate::diff::first_wider;
use crate::error::PolicyError;
use crate::overlay_files::{
    CLASSIFICATION, OverlayFiles, OverlayManifest, PURPOSES, RULES, TESTS, file_name,
};
use crate::overlay_rules::{rules_parse, would_open};
use crate::overlay_values::{FieldSource, classification_narrow, purposes_narrow};
use crate::purposes::Purpose;
use crate::rules::Rules;

/// What a league or city narrows, bound to one bundle.
pub struct Overlay {
    /// Region, version, effective day, titles, and the instrument it rests on.
    pub manifest: OverlayManifest,
    /// SHA-256 of the packed form.
    pub digest: Sha256,
    /// The texts it was read from.
    pub files: OverlayFiles,
    /// What the bundle has nothing for, in the order of the files; empty after [`Bundle::overlay_stage`].
    pub inert: Vec<Inert>,
    pub(crate) rules_version: String,
    pub(crate) rules: Rules,
    /// All purposes, and all fields, as both say together; None where the overlay says nothing about any.
    pub(crate) purposes: Option<Vec<Purpose>>,
    pub(crate) classification: Option<Classification>,
    pub(crate) field_sources: Vec<FieldSource>,
}

/// An entry of an overlay that narrows nothing, because the bundle does not have what it names or cannot take what it
/// demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inert {
    /// The file, as `overlay/150100/rules.csv`.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Why.
    pub what: String,
}

impl Overlay {
    /// Rules above a base, and nothing else.
    pub(crate) fn of_rules(base: &Bundle, files: &OverlayFiles, rules: Rules) -> Result<Self, PolicyError> {
        let manifest = files.manifest()?;
        Ok(Self {
            digest: files.digest(),
            files: files.clone(),
            inert: Vec::new(),
            rules_version: format!("{}+{}", base.rules_version(), manifest.version),
            manifest,
            rules,
            purposes: None,
            classification: None,
            field_sources: Vec::new(),
        })
    }

    /// How many decision tests the overlay carries. They passed where it was staged, over the bundle it was staged for.
    pub fn decision_test_count(&self) -> usize {
        let text = self.files.text(TESTS).unwrap_or_default();
        overlay_tests_parse(&self.file_name(TESTS), text).map_or(0, |tests| tests.len())
    }

    /// A file of the overlay as it is named beside those of the bundle: `overlay/150100/rules.csv`.
    pub fn file_name(&self, name: &str) -> String {
        file_name(self.manifest.region, name)
    }
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Overlay({}, {})", self.manifest.version, self.digest)
    }
}

/// How an overlay is read, file by file, and what of it the base has nothing for.
pub(crate) struct Reader {
    region: RegionCode,
    /// The file that is read, as `overlay/150100/rules.csv`.
    pub(crate) file: String,
    /// Whether what does not fit the base is an error.
    pub(crate) strict: bool,
    inert: Vec<Inert>,
}

impl Reader {
    fn open(&mut self, name: &str) -> &mut Self {
        self.file = file_name(self.region, name);
        self
    }

    /// Something is wrong with a line, whatever the base is.
    pub(crate) fn wrong(
        &self,
        line: usize,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> PolicyError {
        PolicyError::file(&self.file, Some(line), reason, fix)
    }

    /// Something does not fit this base.
    pub(crate) fn unfit(
        &mut self,
        line: usize,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Result<(), PolicyError> {
        if self.strict {
            return Err(self.wrong(line, reason, fix));
        }
        self.inert.push(Inert { file: self.file.clone(), line, what: reason.into() });
        Ok(())
    }

    /// A value is looser than the base's, which holds.
    pub(crate) fn looser(&self, line: usize, reason: String) -> Result<(), PolicyError> {
        let fix = "write a stricter value, or leave it out: an overlay only narrows";
        if self.strict { Err(self.wrong(line, reason, fix)) } else { Ok(()) }
    }
}

impl Bundle {
    /// The federation's bundle under an overlay, every name of which must bind, nothing of which may be looser, and the
    /// tests of which must pass: for staging, publishing and the first adoption. An overlay that the bundle has already
    /// is replaced.
    pub fn overlay_stage(&self, files: &OverlayFiles) -> Result<Self, PolicyError> {
        let base = self.base();
        let narrowed = base.overlay_read(files, true)?;
        let Some(overlay) = narrowed.overlay() else {
            return Err(PolicyError::Unsound { reason: "an overlay was lost" });
        };
        let authoriser = Authoriser::new(narrowed.clone())?;
        // What is read above can only narrow. That it does is looked at once more, where it counts: in the decisions.
        let touched = narrowed
            .purposes()
            .iter()
            .filter(|purpose| overlay.rules.list().iter().any(|rule| rule.concerns(purpose)));
        let touched: Vec<_> = touched.map(|purpose| purpose.code.clone()).collect();
        if let Some(cell) = first_wider(&Authoriser::new(base.clone())?, &authoriser, &touched)? {
            return Err(PolicyError::file(
                &overlay.file_name(RULES),
                None,
                would_open(&cell),
                "remove what opens it: an overlay only narrows",
            ));
        }
        if narrowed.field_classes().any(|(record_type, field, class)| {
            base.field_class(record_type, field).is_none_or(|base| !class.is_within(base))
        }) {
            return Err(PolicyError::Unsound { reason: "an overlay widened a field" });
        }
        let text = files.text(TESTS).unwrap_or_default();
        for test in overlay_tests_parse(&overlay.file_name(TESTS), text)? {
            test.run(&authoriser)?;
        }
        Ok(narrowed)
    }

    /// The federation's bundle under an overlay that was staged for another one: of each value the stricter counts, and
    /// what this bundle has nothing for is inert and listed. A permission is refused here too. Tests are not run: they speak
    /// of the bundle that the overlay was written for.
    pub fn overlay_apply(&self, files: &OverlayFiles) -> Result<Self, PolicyError> {
        self.base().overlay_read(files, false)
    }

    fn overlay_read(&self, files: &OverlayFiles, strict: bool) -> Result<Self, PolicyError> {
        let manifest = files.manifest()?;
        let mut reader = Reader { region: manifest.region, file: String::new(), strict, inert: Vec::new() };
        let (classification, field_sources) =
            classification_narrow(self, files.text(CLASSIFICATION), reader.open(CLASSIFICATION))?;
        let purposes = purposes_narrow(self, files.text(PURPOSES), reader.open(PURPOSES))?;
        let rules = rules_parse(self, files, reader.open(RULES))?;
        Ok(self.with_overlay(Overlay {
            inert: reader.inert,
            purposes,
            classification,
            field_sources,
            ..Overlay::of_rules(self, files, rules)?
        }))
    }
}
