//! The files of a bundle as texts: the shipped baseline, a directory, the packed form for distribution. Names are
//! allow-listed and sizes limited before anything is parsed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use chengxin_schemas::digest::Sha256;

use crate::error::PolicyError;

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
/// Generated from the others for reviewers; carried along in directories, never packed and never read.
const GENERATED: &str = "decision-table.txt";

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
        if texts.len() > FILES_LIMIT {
            return Err(too_large("the bundle", "files", FILES_LIMIT));
        }
        for (name, text) in &texts {
            if !is_known(name) {
                return Err(PolicyError::file(
                    name,
                    None,
                    "not a file of a bundle",
                    "remove it; the format is closed so that nothing unread is signed",
                ));
            }
            if text.len() > file_limit(name) {
                return Err(too_large(name, "bytes", file_limit(name)));
            }
        }
        if texts.values().map(String::len).sum::<usize>() > BUNDLE_LIMIT {
            return Err(too_large("the bundle", "bytes", BUNDLE_LIMIT));
        }
        match REQUIRED.iter().find(|name| !texts.contains_key(**name)) {
            Some(missing) => Err(PolicyError::file(missing, None, "missing", "every bundle has this file")),
            None => Ok(Self(texts)),
        }
    }

    /// Reads a directory. A symbolic link, an unknown name or an unexpected subdirectory is refused.
    pub fn load_directory(path: &Path) -> Result<Self, PolicyError> {
        let mut texts = BTreeMap::new();
        directory_read(path, "", &mut texts)?;
        Self::new(texts)
    }

    /// The canonical bytes that are signed and distributed: one JSON object, names in byte order, no blanks.
    pub fn pack(&self) -> Vec<u8> {
        // A map of strings always serialises; an empty result would be refused by every reader.
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    /// Reads the packed form. Bytes that are not exactly what [`BundleFiles::pack`] writes are refused, so a bundle
    /// has one digest.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > PACKED_LIMIT {
            return Err(too_large("the packed bundle", "bytes", PACKED_LIMIT));
        }
        let texts: BTreeMap<String, String> = serde_json::from_slice(bytes).map_err(|error| {
            PolicyError::Packed { reason: format!("not a JSON object of texts (line {})", error.line()) }
        })?;
        let files = Self::new(texts)?;
        if files.pack() != bytes {
            return Err(PolicyError::Packed {
                reason: "not in canonical form: names sorted and unique, no blanks".to_owned(),
            });
        }
        Ok(files)
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

fn too_large(what: &str, unit: &'static str, limit: usize) -> PolicyError {
    PolicyError::TooLarge { what: what.to_owned(), unit, limit }
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

fn directory_read(
    path: &Path,
    prefix: &str,
    texts: &mut BTreeMap<String, String>,
) -> Result<(), PolicyError> {
    let failed = |file: &str, source| PolicyError::Read { file: file.to_owned(), source };
    // As files are named: from the bundle's own folder.
    let folder = if prefix.is_empty() { "." } else { prefix };
    for entry in std::fs::read_dir(path).map_err(|source| failed(folder, source))? {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().map_err(|source| failed(&name, source))?;
        if kind.is_dir() && name == "calendar" {
            directory_read(&entry.path(), "calendar/", texts)?;
            continue;
        }
        if name == GENERATED && kind.is_file() {
            continue;
        }
        if !kind.is_file() || !is_known(&name) || texts.len() >= FILES_LIMIT {
            return Err(PolicyError::file(
                &name,
                None,
                "not a file of a bundle",
                "keep only the bundle's own plain files in the directory",
            ));
        }
        // What is left of the whole bounds each file too, so that a directory is never read further than a bundle goes.
        let read: usize = texts.values().map(String::len).sum();
        let limit = file_limit(&name).min(BUNDLE_LIMIT.saturating_sub(read));
        let mut bytes = Vec::new();
        std::fs::File::open(entry.path())
            .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
            .map_err(|source| failed(&name, source))?;
        if bytes.len() > limit {
            return Err(if limit == file_limit(&name) {
                too_large(&name, "bytes", limit)
            } else {
                too_large("the bundle", "bytes", BUNDLE_LIMIT)
            });
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
            PolicyError::file(&name, Some(line), "not UTF-8", "save it as UTF-8")
        })?;
        texts.insert(name, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_read_is_named() {
        let missing = Path::new("/nowhere/bundle");
        for (prefix, named) in [("", "."), ("calendar/", "calendar/")] {
            let error = directory_read(missing, prefix, &mut BTreeMap::new()).expect_err("missing");
            assert!(matches!(error, PolicyError::Read { file, .. } if file == named));
        }
    }
}
