//! Where a value of the bundle comes from, and the names of rules.

use chengxin_schemas::time::Day;
use serde::{Deserialize, Serialize};

use crate::verification::MissingFact;

/// Names the rule that decided: an id of `rules.csv` or of another file of the bundle; an id of an overlay's rules, which
/// begins with its region (`150100.`); or one of the built-in denials (`default-deny`, `unknown-purpose`, `engine-failure`, `no-categories`, `purpose.<code>.<condition>`). Lower-case letters, digits, dots and
/// hyphens, at most 120 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleId(std::sync::Arc<str>);

impl RuleId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Ids the authoriser makes itself; a bundle may not use them.
    pub(crate) fn is_reserved(&self) -> bool {
        matches!(self.as_str(), "default-deny" | "unknown-purpose" | "engine-failure" | "no-categories")
            || self.as_str().starts_with("purpose.")
    }

    /// Whether the id is one that only rules of overlays have: it begins with a region's six digits and a dot.
    pub(crate) fn is_overlays(&self) -> bool {
        let region = self.0.split_once('.').map_or("", |(region, _)| region);
        region.len() == 6 && region.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// An id made by this crate from parts that are labels already.
    pub(crate) fn built_in(text: &str) -> Self {
        Self(text.into())
    }
}

impl TryFrom<String> for RuleId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let good = (1..=120).contains(&text.len())
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
            });
        if good {
            Ok(Self(text.into()))
        } else {
            Err("a rule id has 1 to 120 lower-case letters, digits, dots and hyphens".to_owned())
        }
    }
}

impl From<RuleId> for String {
    fn from(id: RuleId) -> Self {
        id.as_str().to_owned()
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What every legal value of a rule pack carries. A value that is not `verified` was not read in its source: whoever
/// shows a decision that rests on it says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// What the source says, in its language.
    pub source: String,
    /// Title or number of the document.
    pub document: String,
    /// First day the value governs; absent where it is not tied to a day.
    pub effective_from: Option<Day>,
    /// Last day, if it has ended.
    pub effective_to: Option<Day>,
    /// Whether the value was read in the document.
    pub verified: bool,
    /// What was not found in it: empty when verified, and only then.
    pub missing: Vec<MissingFact>,
}

impl Provenance {
    /// Whether the value governs something determined on `day`.
    pub fn is_effective_on(&self, day: Day) -> bool {
        self.effective_from.is_none_or(|from| day >= from) && self.effective_to.is_none_or(|to| day <= to)
    }
}
