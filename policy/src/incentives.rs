//! The incentives of `measures.toml`: what trustworthy conduct may bring (SA-12). A list apart from the measures, so that no
//! notice of a sanction can name one.

use std::collections::BTreeSet;

use chengxin_schemas::catalogue::IncentiveCode;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::purpose::LegalBasis;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::error_at;
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::functions::FunctionScope;
use crate::measures::{FILE, Measure, SanctionObject};
use crate::verification::MissingFact;

/// A listed incentive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incentive {
    /// The code.
    pub code: IncentiveCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// The bodies that grant it.
    pub functions: FunctionScope,
    /// Whom it may be granted to and on which basis; at most one for each kind, never empty.
    pub grounds: Vec<IncentiveGround>,
}

/// That an incentive may be granted to one kind of subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncentiveGround {
    /// Whom; a person is meant as a public official.
    pub object: SanctionObject,
    /// The basis; absent where no source states one.
    pub legal_basis: Option<LegalBasis>,
    /// What the entry rests on.
    pub source: String,
    /// Title or number of the document.
    pub document: String,
    /// Whether incentive, kind and basis were read in the document.
    pub verified: bool,
    /// What was not; empty when verified, and only then.
    #[serde(default)]
    pub missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIncentive {
    code: Spanned<IncentiveCode>,
    chinese: String,
    english: String,
    functions: Vec<Spanned<String>>,
    #[serde(default)]
    ground: Vec<Spanned<IncentiveGround>>,
}

pub(crate) fn incentives_parse(
    text: &str,
    raw: Vec<RawIncentive>,
    known: &BTreeSet<FunctionCode>,
    measures: &[Measure],
) -> Result<Vec<Incentive>, PolicyError> {
    let mut incentives: Vec<Incentive> = Vec::new();
    for entry in raw {
        let code = entry.code.get_ref().clone();
        let named = Entry::new(FILE, text, "incentive", code.as_str(), &entry.code);
        // A code alone says whether it is a sanction or an incentive.
        let is_measure = measures.iter().any(|measure| measure.code.as_str() == code.as_str());
        if is_measure || incentives.iter().any(|other| other.code == code) {
            return Err(named.twice());
        }
        named.titles(&entry.chinese, &entry.english)?;
        if entry.ground.is_empty() {
            return Err(named.wrong("granted to nobody", "give it an [[incentive.ground]]"));
        }
        let mut grounds: Vec<IncentiveGround> = Vec::with_capacity(entry.ground.len());
        for place in entry.ground {
            let ground = place.get_ref();
            let named = Entry::new(FILE, text, "incentive", code.as_str(), &place);
            named.text(&ground.source)?;
            named.text(&ground.document)?;
            named.verification(ground.verified, &ground.missing)?;
            if grounds.iter().any(|other| other.object == ground.object) {
                let reason = format!("two grounds for {}", ground.object.as_str());
                return Err(error_at(FILE, text, &place, reason, "keep one"));
            }
            if ground.verified && ground.legal_basis.is_none() {
                let fix = "a verified ground cites its legal_basis";
                return Err(named.wrong("verified without a basis", fix));
            }
            grounds.push(place.into_inner());
        }
        incentives.push(Incentive {
            code,
            chinese: entry.chinese,
            english: entry.english,
            functions: FunctionScope::parse(FILE, text, &entry.functions, known)?,
            grounds,
        });
    }
    Ok(incentives)
}
