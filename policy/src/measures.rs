//! `measures.toml`: the list of sanction measures, who carries them out, and whether one applies here.

use std::collections::BTreeSet;

use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, error_at, toml_parse};
use crate::error::PolicyError;
use crate::functions::FunctionScope;

const FILE: &str = "measures.toml";

/// A listed sanction measure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measure {
    /// The code that notices carry.
    pub code: MeasureCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// Whom it can strike.
    pub objects: Vec<SubjectKind>,
    /// The basis; absent where no source states one, so the issuer must cite it.
    pub legal_basis: Option<LegalBasis>,
    /// The bodies that carry it out.
    pub functions: FunctionScope,
    /// The mildest breach that can bear it.
    pub severity_floor: BreachSeverity,
    /// What the entry rests on.
    pub source: String,
    /// Title or number of the document.
    pub document: String,
    /// Whether measure and basis were read in the document.
    pub verified: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    measure: Vec<RawMeasure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMeasure {
    code: Spanned<MeasureCode>,
    chinese: String,
    english: String,
    objects: Vec<SubjectKind>,
    legal_basis: Option<LegalBasis>,
    functions: Vec<Spanned<String>>,
    severity_floor: BreachSeverity,
    source: String,
    document: String,
    verified: bool,
}

pub(crate) fn measures_parse(
    text: &str,
    known: &BTreeSet<FunctionCode>,
) -> Result<Vec<Measure>, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    let mut measures: Vec<Measure> = Vec::new();
    for entry in raw.measure {
        let code = entry.code.get_ref().clone();
        if measures.iter().any(|other| other.code == code) {
            return Err(error_at(
                FILE,
                text,
                &entry.code,
                format!("measure {code} stands twice"),
                "keep one",
            ));
        }
        if entry.objects.is_empty() || (entry.verified && entry.legal_basis.is_none()) {
            return Err(error_at(
                FILE,
                text,
                &entry.code,
                format!("measure {code} strikes nobody, or is verified without a basis"),
                "name objects; a verified measure cites its basis",
            ));
        }
        measures.push(Measure {
            code,
            chinese: entry.chinese,
            english: entry.english,
            objects: entry.objects,
            legal_basis: entry.legal_basis,
            functions: FunctionScope::parse(FILE, text, &entry.functions, known)?,
            severity_floor: entry.severity_floor,
            source: entry.source,
            document: entry.document,
            verified: entry.verified,
        });
    }
    Ok(measures)
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

    /// Whether a body with `functions` carries `measure` out against a subject of a kind for a breach of a severity.
    /// Unlawful is judged before not concerned, so that every recipient tells the issuer.
    pub fn measure_applies(
        &self,
        measure: &MeasureCode,
        functions: &[FunctionCode],
        subject_kind: SubjectKind,
        severity: BreachSeverity,
    ) -> Applicability {
        let Some(listed) = self.measure(measure) else {
            return Applicability::Declined(DeclineReason::UnknownMeasure);
        };
        if !listed.objects.contains(&subject_kind) {
            return Applicability::Declined(DeclineReason::SubjectKind);
        }
        if severity < listed.severity_floor {
            return Applicability::Declined(DeclineReason::Severity);
        }
        if listed.functions.holds_for(functions) {
            Applicability::Applies
        } else {
            Applicability::NotApplicable(NotApplicableReason::Function)
        }
    }
}
