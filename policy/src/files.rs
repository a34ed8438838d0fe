//! The files of a bundle as texts: the shipped baseline, a directory, the packed form for distribution.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_schemas::digest::Sha256;

use crate::error::PolicyError;
use crate::texts::{self, FileSet};

/// Most bytes of one file other than `rules.csv`: two thousand purposes or decision tests of a kilobyte each. The largest
/// baseline file, the catalogue, has some 50 KB.
pub const FILE_LIMIT: usize = 2 << 20;
/// Most bytes of `rules.csv`: 120,000 rules of up to 130 bytes; a rule of the baseline takes 80.
pub const RULES_FILE_LIMIT: usize = 16 << 20;
/// Most files: fourteen fixed ones and calendars for half a century.
pub const FILES_LIMIT: usize = 64;
/// Most bytes of all files together.
pub const BUNDLE_LIMIT: usize = RULES_FILE_LIMIT + 2 * FILE_LIMIT;
/// Most bytes of the packed form, which writes two for a quote or the end of a line.
pub const PACKED_LIMIT: usize = 2 * BUNDLE_LIMIT;

/// Files every bundle has.
pub(crate) const REQUIRED: [&str; 14] = [
    "bundle.toml",
    "catalogue.toml",
    "categories.toml",
    "classification.toml",
    "deadlines.toml",
    "functions.toml",
    "measures.toml",
    "model.conf",
    "periods.toml",
    "purposes.toml",
    "repair.toml",
    "roles.toml",
    "rules.csv",
    "tests.toml",
];
/// What makes texts a bundle.
pub(crate) const BUNDLE: FileSet = FileSet {
    whole: "the bundle",
    packed: "the packed bundle",
    stranger: "not a file of a bundle",
    keep: "keep only the bundle's own plain files in the directory",
    missing: "every bundle has this file",
    required: &REQUIRED,
    is_known,
    folder: Some("calendar"),
    // Generated from the others for reviewers, and carried along.
    unread: Some("decision-table.txt"),
    file_limit,
    files_limit: FILES_LIMIT,
    bytes_limit: BUNDLE_LIMIT,
    packed_limit: PACKED_LIMIT,
};

/// The texts of a bundle, within limits, under known names, not yet parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct BundleFiles(BTreeMap<String, String>);

impl BundleFiles {
    /// The bundle compiled into this program.
    pub fn baseline() -> Self {
        macro_rules! embed {
            ($($name:literal),+ $(,)?) => {
                [$(($name, include_str!(concat!("../baseline/", $name)))),+]
            };
        }
        let texts = embed![
            "bundle.toml",
            "calendar/2024.toml",
            "calendar/2025.toml",
            "calendar/2026.toml",
            "catalogue.toml",
            "categories.toml",
            "classification.toml",
            "deadlines.toml",
            "functions.toml",
            "measures.toml",
            "model.conf",
            "periods.toml",
            "purposes.toml",
            "repair.toml",
            "roles.toml",
            "rules.csv",
            "tests.toml",
        ];
        Self(texts.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    /// Accepts texts under their names within the bundle.
    pub fn new(texts: BTreeMap<String, String>) -> Result<Self, PolicyError> {
        BUNDLE.check(texts).map(Self)
    }

    /// Reads a directory. A symbolic link, an unknown name or an unexpected subdirectory is refused.
    pub fn load_directory(path: &Path) -> Result<Self, PolicyError> {
        BUNDLE.load_directory(path).map(Self)
    }

    /// The canonical bytes that are signed and distributed: one JSON object, names in byte order, no blanks.
    pub fn pack(&self) -> Vec<u8> {
        texts::pack(&self.0)
    }

    /// Reads the packed form. Bytes that are not exactly what [`BundleFiles::pack`] writes are refused, so a bundle
    /// has one digest.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PolicyError> {
        BUNDLE.unpack(bytes).map(Self)
    }

    /// SHA-256 of the packed form.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.pack())
    }

    /// Names and texts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The text of a file; a missing one reads as empty, which no parser of a required file accepts.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl std::fmt::Debug for BundleFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

fn file_limit(name: &str) -> usize {
    if name == "rules.csv" { RULES_FILE_LIMIT } else { FILE_LIMIT }
}

/// The year of a calendar file's name, `calendar/2026.toml`.
pub(crate) fn calendar_year(name: &str) -> Option<i16> {
    let digits = name.strip_prefix("calendar/")?.strip_suffix(".toml")?;
    let year = digits.parse().ok()?;
    (digits.len() == 4 && (2000..2100).contains(&year)).then_some(year)
}

fn is_known(name: &str) -> bool {
    REQUIRED.contains(&name) || calendar_year(name).is_some()
}
