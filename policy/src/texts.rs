//! A closed set of text files: which names belong to it, how large it may be, and how it is read from a directory and from
//! its packed form. Names are allow-listed and sizes limited before anything is parsed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::error::PolicyError;

/// Texts under their names within the set.
pub(crate) type Texts = BTreeMap<String, String>;

/// What a set of files is, and what errors say about it.
pub(crate) struct FileSet {
    /// The whole of it.
    pub(crate) whole: &'static str,
    /// The whole in its packed form.
    pub(crate) packed: &'static str,
    /// Why a file under another name is refused.
    pub(crate) stranger: &'static str,
    /// What to do about it in a directory.
    pub(crate) keep: &'static str,
    /// Why a set without one of `required` is refused.
    pub(crate) missing: &'static str,
    pub(crate) required: &'static [&'static str],
    pub(crate) is_known: fn(&str) -> bool,
    /// The one subdirectory there may be.
    pub(crate) folder: Option<&'static str>,
    /// A file that may stand in the directory and is never read.
    pub(crate) unread: Option<&'static str>,
    pub(crate) file_limit: fn(&str) -> usize,
    pub(crate) files_limit: usize,
    pub(crate) bytes_limit: usize,
    pub(crate) packed_limit: usize,
}

impl FileSet {
    /// The texts, if they are such a set.
    pub(crate) fn check(&self, texts: Texts) -> Result<Texts, PolicyError> {
        for (name, text) in &texts {
            if !(self.is_known)(name) {
                return Err(PolicyError::file(
                    name,
                    None,
                    self.stranger,
                    "remove it; the format is closed so that nothing unread is signed",
                ));
            }
            let limit = (self.file_limit)(name);
            if text.len() > limit {
                return Err(too_large(name, "bytes", limit));
            }
        }
        if texts.len() > self.files_limit {
            return Err(too_large(self.whole, "files", self.files_limit));
        }
        if texts.values().map(String::len).sum::<usize>() > self.bytes_limit {
            return Err(too_large(self.whole, "bytes", self.bytes_limit));
        }
        match self.required.iter().find(|name| !texts.contains_key(**name)) {
            Some(missing) => Err(PolicyError::file(missing, None, "missing", self.missing)),
            None => Ok(texts),
        }
    }

    /// Reads a directory. A symbolic link, an unknown name or an unexpected subdirectory is refused.
    pub(crate) fn load_directory(&self, path: &Path) -> Result<Texts, PolicyError> {
        let mut texts = Texts::new();
        self.directory_read(path, "", &mut texts)?;
        self.check(texts)
    }

    /// Reads the packed form. Bytes that are not exactly what [`pack`] writes are refused, so that a set has one digest.
    pub(crate) fn unpack(&self, bytes: &[u8]) -> Result<Texts, PolicyError> {
        if bytes.len() > self.packed_limit {
            return Err(too_large(self.packed, "bytes", self.packed_limit));
        }
        let texts = self.check(packed_read(bytes)?)?;
        if pack(&texts) != bytes {
            return Err(PolicyError::Packed {
                reason: "not in canonical form: names sorted and unique, no blanks".to_owned(),
            });
        }
        Ok(texts)
    }

    fn directory_read(&self, path: &Path, prefix: &str, texts: &mut Texts) -> Result<(), PolicyError> {
        let failed = |file: &str, source| PolicyError::Read { file: file.to_owned(), source };
        // As files are named: from the set's own folder.
        let here = if prefix.is_empty() { "." } else { prefix };
        for entry in std::fs::read_dir(path).map_err(|source| failed(here, source))? {
            let entry = entry.map_err(|source| failed(here, source))?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().map_err(|source| failed(&name, source))?;
            if kind.is_dir() && self.folder == Some(name.as_str()) {
                self.directory_read(&entry.path(), &format!("{name}/"), texts)?;
                continue;
            }
            if kind.is_file() && self.unread == Some(name.as_str()) {
                continue;
            }
            if !kind.is_file() || !(self.is_known)(&name) || texts.len() >= self.files_limit {
                return Err(PolicyError::file(&name, None, self.stranger, self.keep));
            }
            // What is left of the whole bounds each file too, so that a directory is never read further than a set goes.
            let read: usize = texts.values().map(String::len).sum();
            let own_limit = (self.file_limit)(&name);
            let limit = own_limit.min(self.bytes_limit.saturating_sub(read));
            let mut bytes = Vec::new();
            std::fs::File::open(entry.path())
                .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
                .map_err(|source| failed(&name, source))?;
            if bytes.len() > limit {
                return Err(if limit == own_limit {
                    too_large(&name, "bytes", limit)
                } else {
                    too_large(self.whole, "bytes", self.bytes_limit)
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
}

/// The canonical bytes that are signed and distributed: one JSON object, names in byte order, no blanks.
pub(crate) fn pack(texts: &Texts) -> Vec<u8> {
    // A map of strings always serialises; an empty result would be refused by every reader.
    serde_json::to_vec(texts).unwrap_or_default()
}

/// The texts of a packed form whose length the caller has bounded.
pub(crate) fn packed_read(bytes: &[u8]) -> Result<Texts, PolicyError> {
    serde_json::from_slice(bytes).map_err(|error| PolicyError::Packed {
        reason: format!("not a JSON object of texts (line {})", error.line()),
    })
}

pub(crate) fn too_large(what: &str, unit: &'static str, limit: usize) -> PolicyError {
    PolicyError::TooLarge { what: what.to_owned(), unit, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::BUNDLE;

    #[test]
    fn a_folder_that_cannot_be_read_is_named() {
        let missing = Path::new("/nowhere/bundle");
        for (prefix, named) in [("", "."), ("calendar/", "calendar/")] {
            let error = BUNDLE.directory_read(missing, prefix, &mut Texts::new()).expect_err("missing");
            assert!(matches!(error, PolicyError::Read { file, .. } if file == named));
        }
    }
}
