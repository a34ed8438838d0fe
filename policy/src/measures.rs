//! `measures.toml`: the list of sanction measures, who carries them out, and whether one applies here. The incentives of
//! the same file are a list of their own.

use std::collections::BTreeSet;

use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectId;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, error_at, toml_parse};
use crate::entries::{Entry, entries_limit};
use crate::error::PolicyError;
use crate::functions::FunctionScope;
use crate::incentives::{Incentive, RawIncentive, incentives_parse};
use crate::verification::MissingFact;

pub(crate) const FILE: &str = "measures.toml";

/// A listed sanction measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The code that notices carry.
    pub code: MeasureCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// The bodies that carry it out.
    pub functions: FunctionScope,
    /// Whom it can strike and on which basis; at most one for each kind, never empty.
    pub grounds: Vec<MeasureGround>,
}

impl Measure {
    /// What the list says about subjects of a kind; None if the measure cannot strike them.
    pub fn ground(&self, object: SanctionObject) -> Option<&MeasureGround> {
        self.grounds.iter().find(|ground| ground.object == object)
    }
}

/// That a measure may strike one kind of subject. The same measure rests on different law for different kinds:
/// 发改财金〔2023〕1103号 is about public bodies that break their word and says nothing about their suppliers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureGround {
    /// Whom.
    pub object: SanctionObject,
    /// The basis; absent where no source states one, so the issuer must cite it.
    pub legal_basis: Option<LegalBasis>,
    /// The mildest breach that can bear it.
    pub severity_floor: BreachSeverity,
    /// What the entry rests on.
    pub source: String,
    /// Title or number of the document.
    pub document: String,
    /// Whether measure, kind and basis were read in the document.
    pub verified: bool,
    /// What was not; empty when verified, and only then.
    #[serde(default)]
    pub missing: Vec<MissingFact>,
}

/// 惩戒对象: the kinds of subjects that the law of sanctions tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SanctionObject {
    /// 机关, 事业单位: a unified social credit code beginning with 11 or 12.
    PublicBody,
    /// Every other organisation, 个体工商户 among them.
    Organisation,
    /// 自然人.
    Person,
}

impl SanctionObject {
    /// The kind of a subject. An organisation code does not tell public bodies from others; it counts as another's.
    pub fn of(subject: &SubjectId) -> Self {
        match subject {
            SubjectId::Organisation(code) if code.is_public_body() => Self::PublicBody,
            SubjectId::Organisation(_) | SubjectId::OrganisationCode(_) => Self::Organisation,
            SubjectId::Person(_) => Self::Person,
        }
    }

    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PublicBody => "public_body",
            Self::Organisation => "organisation",
            Self::Person => "person",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::PublicBody => "行政事业单位",
            Self::Organisation => "其他组织",
            Self::Person => "自然人",
        }
    }

    /// For people.
    pub fn english(self) -> &'static str {
        match self {
            Self::PublicBody => "public body",
            Self::Organisation => "other organisation",
            Self::Person => "person",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    measure: Vec<RawMeasure>,
    #[serde(default)]
    incentive: Vec<RawIncentive>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMeasure {
    code: Spanned<MeasureCode>,
    chinese: String,
    english: String,
    functions: Vec<Spanned<String>>,
    #[serde(default)]
    ground: Vec<Spanned<MeasureGround>>,
}

pub(crate) fn measures_parse(
    text: &str,
    known: &BTreeSet<FunctionCode>,
) -> Result<(Vec<Measure>, Vec<Incentive>), PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    entries_limit(FILE, raw.measure.len().max(raw.incentive.len()))?;
    let mut measures: Vec<Measure> = Vec::new();
    for entry in raw.measure {
        let code = entry.code.get_ref().clone();
        Entry::new(FILE, text, "measure", code.as_str(), &entry.code)
            .titles(&entry.chinese, &entry.english)?;
        if measures.iter().any(|other| other.code == code) {
            let reason = format!("measure {code} stands twice");
            return Err(error_at(FILE, text, &entry.code, reason, "keep one"));
        }
        if entry.ground.is_empty() {
            let reason = format!("measure {code} strikes nobody");
            return Err(error_at(FILE, text, &entry.code, reason, "give it a [[measure.ground]]"));
        }
        measures.push(Measure {
            grounds: grounds_parse(text, &code, entry.ground)?,
            code,
            chinese: entry.chinese,
            english: entry.english,
            functions: FunctionScope::parse(FILE, text, &entry.functions, known)?,
        });
    }
    let incentives = incentives_parse(text, raw.incentive, known, &measures)?;
    Ok((measures, incentives))
}

fn grounds_parse(
    text: &str,
    code: &MeasureCode,
    raw: Vec<Spanned<MeasureGround>>,
) -> Result<Vec<MeasureGround>, PolicyError> {
    let mut grounds: Vec<MeasureGround> = Vec::with_capacity(raw.len());
    for entry in raw {
        let ground = entry.get_ref();
        let object = ground.object.as_str();
        let named = Entry::new(FILE, text, "measure", code.as_str(), &entry);
        named.text(&ground.source)?;
        named.text(&ground.document)?;
        named.verification(ground.verified, &ground.missing)?;
        if grounds.iter().any(|other| other.object == ground.object) {
            let reason = format!("measure {code} has two grounds for {object}");
            return Err(error_at(FILE, text, &entry, reason, "keep one"));
        }
        if ground.verified && ground.legal_basis.is_none() {
            let reason = format!("measure {code} for {object} is verified without a basis");
            return Err(error_at(FILE, text, &entry, reason, "a verified ground cites its legal_basis"));
        }
        grounds.push(entry.into_inner());
    }
    Ok(grounds)
}

/// What a recipient makes of one measure of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applicability {
    /// This body carries it out.
    Applies,
    /// Lawful, but not this body's to carry out; nothing is sent back as a complaint.
    NotApplicable(NotApplicableReason),
    /// Not lawful as sent: the reason goes back to the issuer.
    Declined(DeclineReason),
}

/// Why a measure is not this body's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotApplicableReason {
    /// The body has none of the functions that carry the measure out.
    Function,
}

/// Why a measure is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineReason {
    /// The measure is not in the recipient's list (国办发〔2020〕49号: list-managed).
    UnknownMeasure,
    /// The measure cannot strike this kind of subject.
    SubjectKind,
    /// The breach is too mild for the measure (过惩相当).
    Severity,
}

impl NotApplicableReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[Self::Function];

    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Function => "本单位不承担该措施的实施职能",
        }
    }

    /// For people.
    pub fn english(self) -> &'static str {
        match self {
            Self::Function => "this body does not carry the measure out",
        }
    }
}

impl DeclineReason {
    /// Every reason.
    pub const ALL: &'static [Self] = &[Self::UnknownMeasure, Self::SubjectKind, Self::Severity];

    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownMeasure => "unknown-measure",
            Self::SubjectKind => "subject-kind",
            Self::Severity => "severity",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::UnknownMeasure => "措施不在失信惩戒措施清单内",
            Self::SubjectKind => "措施不适用于该类主体",
            Self::Severity => "失信程度低于该措施的适用下限",
        }
    }

    /// For people.
    pub fn english(self) -> &'static str {
        match self {
            Self::UnknownMeasure => "the measure is not in the list of sanction measures",
            Self::SubjectKind => "the measure does not strike this kind of subject",
            Self::Severity => "the breach is milder than the measure allows",
        }
    }
}

impl Bundle {
    /// The bodies entitled to notices of a measure: those that carry it out. None for an unlisted measure.
    pub fn recipients_for(&self, measure: &MeasureCode) -> Option<&FunctionScope> {
        self.measure(measure).map(|listed| &listed.functions)
    }

    /// Whether a body with `functions` carries `measure` out against a kind of subject for a breach of a severity.
    /// Unlawful is judged before not concerned, so that every recipient tells the issuer.
    pub fn measure_applies(
        &self,
        measure: &MeasureCode,
        functions: &[FunctionCode],
        object: SanctionObject,
        severity: BreachSeverity,
    ) -> Applicability {
        let Some(listed) = self.measure(measure) else {
            return Applicability::Declined(DeclineReason::UnknownMeasure);
        };
        let Some(ground) = listed.ground(object) else {
            return Applicability::Declined(DeclineReason::SubjectKind);
        };
        if severity < ground.severity_floor {
            return Applicability::Declined(DeclineReason::Severity);
        }
        if listed.functions.holds_for(functions) {
            Applicability::Applies
        } else {
            Applicability::NotApplicable(NotApplicableReason::Function)
        }
    }
}
