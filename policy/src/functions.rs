//! `functions.toml`: what public bodies do by law, and the scope that a purpose, rule or measure gives to functions.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::federation::FunctionCode;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::verification::MissingFact;

const FILE: &str = "functions.toml";
/// Most functions: the decision cache keeps a body's functions as one bit each. A province's own departments and those
/// of its cities and counties come to some dozens; the baseline has nineteen.
pub(crate) const FUNCTIONS_LIMIT: usize = 256;

/// A function of public bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// The code that directory entries carry.
    pub code: FunctionCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// Where the function is named.
    pub source: String,
    /// Whether that was read in the text.
    pub verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    function: Vec<RawFunction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFunction {
    code: Spanned<FunctionCode>,
    chinese: String,
    english: String,
    source: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

/// What is missing of the functions that are not verified.
pub(crate) type FunctionsMissing = BTreeMap<FunctionCode, Vec<MissingFact>>;

/// The functions in the order of the file.
pub(crate) fn functions_parse(text: &str) -> Result<(Vec<Function>, FunctionsMissing), PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    if raw.function.len() > FUNCTIONS_LIMIT {
        return Err(PolicyError::TooLarge {
            what: FILE.to_owned(),
            unit: "functions",
            limit: FUNCTIONS_LIMIT,
        });
    }
    let mut functions: Vec<Function> = Vec::new();
    let mut missing = FunctionsMissing::new();
    for entry in raw.function {
        let named = Entry::new(FILE, text, "function", entry.code.get_ref().as_str(), &entry.code);
        named.titles(&entry.chinese, &entry.english)?;
        named.text(&entry.source)?;
        named.verification(entry.verified, &entry.missing)?;
        if functions.iter().any(|known| known.code == *entry.code.get_ref()) {
            return Err(error_at(FILE, text, &entry.code, "the function stands twice", "keep one"));
        }
        if !entry.missing.is_empty() {
            missing.insert(entry.code.get_ref().clone(), entry.missing);
        }
        functions.push(Function {
            code: entry.code.into_inner(),
            chinese: entry.chinese,
            english: entry.english,
            source: entry.source,
            verified: entry.verified,
        });
    }
    Ok((functions, missing))
}

/// Which bodies something concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionScope {
    /// Every body, written `["*"]`.
    Every,
    /// Bodies that have one of these functions, sorted.
    Having(Vec<FunctionCode>),
}

impl FunctionScope {
    /// Whether a body with `functions` is concerned.
    pub fn holds_for(&self, functions: &[FunctionCode]) -> bool {
        match self {
            Self::Every => true,
            Self::Having(named) => functions.iter().any(|function| named.contains(function)),
        }
    }

    /// Parses `["*"]` or a list of known functions.
    pub(crate) fn parse(
        file: &str,
        text: &str,
        names: &[Spanned<String>],
        known: &BTreeSet<FunctionCode>,
    ) -> Result<Self, PolicyError> {
        if let [only] = names
            && only.get_ref() == "*"
        {
            return Ok(Self::Every);
        }
        let mut codes = BTreeSet::new();
        for name in names {
            let code = name.get_ref().parse::<FunctionCode>().ok().filter(|code| known.contains(code));
            let code = code.ok_or_else(|| {
                error_at(
                    file,
                    text,
                    name,
                    format!("unknown function {:?}", name.get_ref()),
                    "use a code of functions.toml, or [\"*\"] alone",
                )
            })?;
            codes.insert(code);
        }
        if codes.is_empty() {
            return Err(PolicyError::file(
                file,
                None,
                "an empty list of functions",
                "name functions, or [\"*\"]",
            ));
        }
        Ok(Self::Having(codes.into_iter().collect()))
    }
}
