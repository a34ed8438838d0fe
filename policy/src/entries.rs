//! What every entry of a bundle's file must keep: a title in both languages, texts within limits, a statement of what was
//! read, and effective dates that leave exactly one value for a day.

use toml::Spanned;

use crate::bundle::line_of;
use crate::error::PolicyError;
use crate::provenance::Provenance;
use crate::verification::MissingFact;

/// Most characters of a title: it is a cell of a table.
pub(crate) const TITLE_LIMIT: usize = 100;
/// Most characters of any other text: a paragraph of law.
pub(crate) const TEXT_LIMIT: usize = 1_000;
/// Most entries of one kind in one file. The largest list in law, the catalogue of a city's credit items, has about 200
/// (CA-02).
pub(crate) const ENTRIES_LIMIT: usize = 1_000;

/// An entry as errors name it: its kind, its name and its place.
pub(crate) struct Entry<'a> {
    file: &'a str,
    line: Option<usize>,
    kind: &'a str,
    name: &'a str,
}

impl<'a> Entry<'a> {
    /// `kind` is the key of the file's list of tables, as `deadline` for `[[deadline]]`; empty for what is in no list.
    pub(crate) fn new<T>(
        file: &'a str,
        text: &str,
        kind: &'a str,
        name: &'a str,
        place: &Spanned<T>,
    ) -> Self {
        Self { file, line: Some(line_of(text, place.span().start)), kind, name }
    }

    /// An entry that is the whole file.
    pub(crate) fn whole(file: &'a str, name: &'a str) -> Self {
        Self { file, line: None, kind: "", name }
    }

    /// The entry's name.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// Something is wrong with the entry.
    pub(crate) fn wrong(&self, reason: impl std::fmt::Display, fix: impl Into<String>) -> PolicyError {
        // A table of a list is named as it stands in the file; what is the whole file has been named with it.
        let reason = match self.kind {
            "" => reason.to_string(),
            kind => format!("[[{kind}]] {}: {reason}", self.name),
        };
        PolicyError::file(self.file, self.line, reason, fix)
    }

    /// Another entry has the same name.
    pub(crate) fn twice(&self) -> PolicyError {
        self.wrong("it stands twice", "keep one")
    }

    /// A title in both languages.
    pub(crate) fn titles(&self, chinese: &str, english: &str) -> Result<(), PolicyError> {
        self.languages(chinese, english, TITLE_LIMIT)
    }

    /// Prose in both languages.
    pub(crate) fn prose(&self, chinese: &str, english: &str) -> Result<(), PolicyError> {
        self.languages(chinese, english, TEXT_LIMIT)
    }

    fn languages(&self, chinese: &str, english: &str, limit: usize) -> Result<(), PolicyError> {
        let han = |symbol: char| ('\u{4e00}'..='\u{9fff}').contains(&symbol);
        let fix = "write it: people read both languages";
        if !chinese.chars().any(han) {
            return Err(self.wrong("the Chinese text is missing", fix));
        }
        if english.chars().any(han) || !english.chars().any(|symbol| symbol.is_ascii_alphabetic()) {
            return Err(self.wrong("the English text is missing", fix));
        }
        [chinese, english].into_iter().try_for_each(|text| self.bounded(text, limit))
    }

    /// A text that is there, printable and not too long.
    pub(crate) fn text(&self, text: &str) -> Result<(), PolicyError> {
        if text.trim().is_empty() {
            return Err(self.wrong("source or document is empty", "say where the entry comes from"));
        }
        self.bounded(text, TEXT_LIMIT)
    }

    fn bounded(&self, text: &str, limit: usize) -> Result<(), PolicyError> {
        if text.chars().count() > limit {
            return Err(self.wrong(format!("a text has more than {limit} characters"), "shorten it"));
        }
        if text.chars().any(char::is_control) {
            return Err(self.wrong("a text holds control characters", "write plain text in one line"));
        }
        Ok(())
    }

    /// What is missing is said exactly when something is.
    pub(crate) fn verification(&self, verified: bool, missing: &[MissingFact]) -> Result<(), PolicyError> {
        match (verified, missing.is_empty()) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => {
                Err(self.wrong("not verified, and not said what is missing", "list it under missing"))
            }
            (true, false) => {
                Err(self
                    .wrong("verified, yet something is missing", "set verified = false, or empty missing"))
            }
        }
    }

    /// Source, document, dates and verification.
    pub(crate) fn provenance(&self, provenance: &Provenance) -> Result<(), PolicyError> {
        self.text(&provenance.source)?;
        self.text(&provenance.document)?;
        self.verification(provenance.verified, &provenance.missing)?;
        match (provenance.effective_from, provenance.effective_to) {
            (Some(from), Some(to)) if to < from => {
                Err(self.wrong("it ends before it begins", "correct effective_from or effective_to"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a list that is longer than a file of law can be.
pub(crate) fn entries_limit(file: &str, count: usize) -> Result<(), PolicyError> {
    if count > ENTRIES_LIMIT {
        return Err(PolicyError::TooLarge { what: file.to_owned(), unit: "entries", limit: ENTRIES_LIMIT });
    }
    Ok(())
}

/// The versions of one rule, in any order: each begins on the day after the one before it ended, so that a day has at
/// most one of them and none between the first and the last is left without.
pub(crate) fn versions_check(versions: &mut [(Entry<'_>, &Provenance)]) -> Result<(), PolicyError> {
    versions.sort_by_key(|(_, provenance)| provenance.effective_from);
    for pair in versions.windows(2) {
        let [(_, earlier), (entry, later)] = pair else { continue };
        let fix = "let one end the day before the next begins";
        let (Some(end), Some(begin)) = (earlier.effective_to, later.effective_from) else {
            return Err(entry.wrong("it overlaps another version of the same rule", fix));
        };
        if begin <= end {
            return Err(entry.wrong("it overlaps another version of the same rule", fix));
        }
        if end.0.tomorrow().ok() != Some(begin.0) {
            return Err(entry.wrong("a gap lies between it and the version before", fix));
        }
    }
    Ok(())
}
