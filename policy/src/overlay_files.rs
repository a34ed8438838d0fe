//! The files of an overlay as texts: what a league or city says within the federation's bundle, and no more.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::time::Day;
use serde::Deserialize;

use crate::bundle::toml_parse;
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::published;
use crate::texts::{self, FileSet};

/// Most bytes of an overlay: two thousand denials of 80 bytes, the size of the baseline's, and a hundred decision tests.
/// It travels beside the bundle, to every node of its region, and is read anew with every bundle of the federation.
pub const OVERLAY_LIMIT: usize = 256 << 10;
/// Most bytes of its packed form, which writes two for a quote or the end of a line.
pub const OVERLAY_PACKED_LIMIT: usize = 2 * OVERLAY_LIMIT;

pub(crate) const MANIFEST: &str = "overlay.toml";
pub(crate) const RULES: &str = "rules.csv";
pub(crate) const PURPOSES: &str = "purposes.toml";
pub(crate) const CLASSIFICATION: &str = "classification.toml";
pub(crate) const TESTS: &str = "tests.toml";
const REQUIRED: [&str; 3] = [MANIFEST, RULES, TESTS];
const KNOWN: [&str; 5] = [CLASSIFICATION, MANIFEST, PURPOSES, RULES, TESTS];

/// What makes texts an overlay.
const OVERLAY: FileSet = FileSet {
    whole: "the overlay",
    packed: "the packed overlay",
    stranger: "not a file of an overlay",
    keep: "keep only the overlay's own plain files in the directory",
    missing: "every overlay has this file",
    required: &REQUIRED,
    is_known: |name| KNOWN.contains(&name),
    folder: None,
    unread: None,
    // The limit of the whole bounds each file.
    file_limit: |_| OVERLAY_LIMIT,
    files_limit: KNOWN.len(),
    bytes_limit: OVERLAY_LIMIT,
    packed_limit: OVERLAY_PACKED_LIMIT,
};

/// What `overlay.toml` says about the overlay.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlayManifest {
    schema: ManifestSchema,
    /// The league or city: six digits that end in 00, and not in 0000.
    pub region: RegionCode,
    /// The version, for example `150100-2026.1`: the region, a hyphen, and numbers between dots.
    pub version: PolicyVersion,
    /// First day the overlay may narrow anything.
    pub effective: Day,
    /// Title.
    pub chinese: String,
    /// Title.
    pub english: String,
    /// The instrument by which the region narrows.
    pub basis: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum ManifestSchema {
    #[serde(rename = "chengxin/policy-overlay/v1")]
    V1,
}

/// The texts of an overlay, within limits, under known names, not yet parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct OverlayFiles(BTreeMap<String, String>);

impl OverlayFiles {
    /// Accepts texts under their names within the overlay.
    pub fn new(texts: BTreeMap<String, String>) -> Result<Self, PolicyError> {
        OVERLAY.check(texts).map(Self)
    }

    /// Reads a directory. A symbolic link, an unknown name or a subdirectory is refused.
    pub fn load_directory(path: &Path) -> Result<Self, PolicyError> {
        OVERLAY.load_directory(path).map(Self)
    }

    /// The canonical bytes that are signed and distributed: one JSON object, names in byte order, no blanks.
    pub fn pack(&self) -> Vec<u8> {
        texts::pack(&self.0)
    }

    /// Reads the packed form. Bytes that are not exactly what [`OverlayFiles::pack`] writes are refused, so an overlay
    /// has one digest.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PolicyError> {
        OVERLAY.unpack(bytes).map(Self)
    }

    /// Reads published bytes. No more is unpacked than an overlay may have, which is less than a bundle may.
    pub fn from_published(bytes: &[u8]) -> Result<Self, PolicyError> {
        Self::unpack(&published::unpack(bytes, OVERLAY.packed, OVERLAY_PACKED_LIMIT)?)
    }

    /// SHA-256 of the packed form.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.pack())
    }

    /// Names and texts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The text of a file; None for an optional one that is not there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What `overlay.toml` says, without reading the rest.
    pub fn manifest(&self) -> Result<OverlayManifest, PolicyError> {
        let text = self.text(MANIFEST).unwrap_or_default();
        let manifest: OverlayManifest = toml_parse(MANIFEST, text)?;
        let ManifestSchema::V1 = manifest.schema;
        let region = manifest.region.to_string();
        if !region.ends_with("00") || region.ends_with("0000") {
            return Err(PolicyError::file(
                MANIFEST,
                None,
                format!("{region} is not the code of a league or city"),
                "write six digits that end in 00 and not in 0000; a province's own rules are the bundle",
            ));
        }
        if manifest.version.series() != region {
            return Err(PolicyError::file(
                MANIFEST,
                None,
                "the version does not begin with the region",
                "write region = \"150100\" and version = \"150100-2026.1\"",
            ));
        }
        let entry = Entry::whole(MANIFEST, &region);
        entry.titles(&manifest.chinese, &manifest.english)?;
        entry.text(&manifest.basis)?;
        Ok(manifest)
    }
}

impl std::fmt::Debug for OverlayFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// A file of an overlay as it is named beside those of the bundle: `overlay/150100/rules.csv`.
pub(crate) fn file_name(region: RegionCode, name: &str) -> String {
    format!("overlay/{region}/{name}")
}
