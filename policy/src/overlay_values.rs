//! The values of an overlay: what it demands of queries, and how it places fields. Of each value the stricter of base and
//! overlay counts.

use std::collections::BTreeSet;

use chengxin_schemas::category::{ClassificationLevel, DisclosureAttribute, SharingAttribute};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::record_type::{FieldDefinition, RecordType};
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::{Bundle, line_of, toml_parse};
use crate::classification::{Classification, FieldClass, MaskRule};
use crate::entries::{Entry, entries_limit};
use crate::error::PolicyError;
use crate::field_change::FieldForm;
use crate::overlay::Reader;
use crate::purposes::{DAILY_LIMIT_MOST, Purpose};
use crate::request::Action;
use crate::verification::MissingFact;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPurposes {
    purpose: Vec<RawPurpose>,
}

/// Keys that tighten; no other can be written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPurpose {
    code: Spanned<PurposeCode>,
    case_reference: Option<bool>,
    subject_authorisation: Option<bool>,
    second_person: Option<bool>,
    daily_limit: Option<u32>,
    daily_limit_body: Option<u32>,
}

/// The purposes of the base with what `purposes.toml` of an overlay demands beside; None without the file.
pub(crate) fn purposes_narrow(
    base: &Bundle,
    text: Option<&str>,
    reader: &mut Reader,
) -> Result<Option<Vec<Purpose>>, PolicyError> {
    let Some(text) = text else { return Ok(None) };
    let mut purposes = base.purposes().to_vec();
    let raw: RawPurposes = toml_parse(&reader.file, text)?;
    let mut seen = BTreeSet::new();
    for entry in raw.purpose {
        let line = line_of(text, entry.code.span().start);
        let code = entry.code.get_ref();
        if !seen.insert(code.clone()) {
            return Err(reader.wrong(line, "the purpose stands twice", "keep one"));
        }
        if [entry.case_reference, entry.subject_authorisation, entry.second_person].contains(&Some(false)) {
            return Err(reader.wrong(
                line,
                "an overlay lifts no condition",
                "write true, or leave the key out",
            ));
        }
        let beyond = |limit: Option<u32>| limit.is_some_and(|limit| !(1..=DAILY_LIMIT_MOST).contains(&limit));
        if beyond(entry.daily_limit) {
            return Err(reader.wrong(
                line,
                "the daily limit is not between 1 and 100000",
                "correct daily_limit, or remove it",
            ));
        }
        if beyond(entry.daily_limit_body) {
            return Err(reader.wrong(
                line,
                "the daily limit of a body is not between 1 and 100000",
                "correct daily_limit_body, or remove it",
            ));
        }
        if let (Some(operator), Some(body)) = (entry.daily_limit, entry.daily_limit_body)
            && body < operator
        {
            return Err(reader.wrong(
                line,
                "a body may ask less often in a day than one of its operators",
                "raise daily_limit_body, or lower daily_limit",
            ));
        }
        match base.purpose_index(code).and_then(|place| purposes.get_mut(place)) {
            Some(purpose) => purpose_narrow(purpose, &entry, line, reader)?,
            None => reader.unfit(
                line,
                format!("unknown purpose {:?}", code.as_str()),
                "use a code of purposes.toml of the bundle",
            )?,
        }
    }
    Ok(Some(purposes))
}

fn purpose_narrow(
    purpose: &mut Purpose,
    entry: &RawPurpose,
    line: usize,
    reader: &mut Reader,
) -> Result<(), PolicyError> {
    let omit = "leave it out";
    if entry.case_reference == Some(true) && !purpose.case_reference {
        if purpose.actions.contains(&Action::ReceiveNotice) {
            reader.unfit(line, "notices are received under the purpose, and need no case", omit)?;
        } else if purpose.actions.contains(&Action::Read) {
            reader.unfit(line, "own records are read under the purpose, and need no case", omit)?;
        } else {
            purpose.case_reference = true;
        }
    }
    if entry.subject_authorisation == Some(true) && !purpose.subject_authorisation {
        if purpose.actions.iter().all(|action| action.is_query()) {
            purpose.subject_authorisation = true;
        } else {
            let reason =
                "the subject's authorisation comes with a query, and the purpose is for more than queries";
            reader.unfit(line, reason, omit)?;
        }
    }
    if entry.second_person == Some(true) && !purpose.second_person {
        if purpose.actions.iter().all(|action| action.is_query()) {
            purpose.second_person = true;
        } else {
            let reason =
                "the release of another person comes with a query, and the purpose is for more than queries";
            reader.unfit(line, reason, omit)?;
        }
    }
    if entry.daily_limit.is_none() && entry.daily_limit_body.is_none() {
        return Ok(());
    }
    if !purpose.actions.iter().any(|action| action.is_query()) {
        return reader.unfit(line, "a daily limit counts queries, and the purpose is for none", omit);
    }
    let code = &purpose.code;
    if let Some(limit) = entry.daily_limit {
        match purpose.daily_limit.filter(|base| *base < limit) {
            Some(base) => reader
                .looser(line, format!("daily_limit {limit} of {code} is looser than the bundle's {base}"))?,
            None => purpose.daily_limit = Some(limit),
        }
    }
    if let Some(limit) = entry.daily_limit_body {
        match purpose.daily_limit_body.filter(|base| *base < limit) {
            Some(base) => reader.looser(
                line,
                format!("daily_limit_body {limit} of {code} is looser than the bundle's {base}"),
            )?,
            None => purpose.daily_limit_body = Some(limit),
        }
    }
    // One of the two may be the bundle's: no operator has more queries than the whole body.
    if let (Some(operator), Some(body)) = (purpose.daily_limit, purpose.daily_limit_body) {
        purpose.daily_limit = Some(operator.min(body));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFields {
    field: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    record_type: RecordType,
    name: Spanned<String>,
    level: Option<ClassificationLevel>,
    person_level: Option<ClassificationLevel>,
    sharing: Option<SharingAttribute>,
    disclosure: Option<DisclosureAttribute>,
    mask: Option<MaskRule>,
    legal_basis: Option<LegalBasis>,
    source: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

/// What an overlay's placing of a field rests on.
pub(crate) struct FieldSource {
    pub(crate) record_type: RecordType,
    pub(crate) field: &'static str,
    pub(crate) source: String,
    pub(crate) missing: Vec<MissingFact>,
}

/// The classification of the base as `classification.toml` of an overlay narrows it; None without the file.
pub(crate) fn classification_narrow(
    base: &Bundle,
    text: Option<&str>,
    reader: &mut Reader,
) -> Result<(Option<Classification>, Vec<FieldSource>), PolicyError> {
    let mut sources = Vec::new();
    let Some(text) = text else { return Ok((None, sources)) };
    let mut classification = base.classification().clone();
    let raw: RawFields = toml_parse(&reader.file, text)?;
    entries_limit(&reader.file, raw.field.len())?;
    let mut seen = BTreeSet::new();
    for entry in raw.field {
        let line = line_of(text, entry.name.span().start);
        let kind = entry.record_type;
        let found = kind.field(entry.name.get_ref()).ok();
        let found = found.and_then(|(_, field)| Some((field, base.field_class(kind, field.name)?)));
        let Some((definition, placed)) = found else {
            let reason = format!("{kind} has no field {:?}", entry.name.get_ref());
            reader.unfit(line, reason, "use a name of the dictionary")?;
            continue;
        };
        let named = Entry::new(&reader.file, text, "field", definition.name, &entry.name);
        named.text(&entry.source)?;
        named.verification(entry.verified, &entry.missing)?;
        if !seen.insert((kind, definition.name)) {
            let reason = format!("{} of {kind} stands twice", definition.name);
            return Err(reader.wrong(line, reason, "keep one"));
        }
        let class = field_narrow(placed, definition, &entry, line, reader)?;
        sources.push(FieldSource {
            record_type: kind,
            field: definition.name,
            source: entry.source,
            missing: entry.missing,
        });
        classification.set(kind, definition.name, class);
    }
    Ok((Some(classification), sources))
}

fn field_narrow(
    base: &FieldClass,
    definition: &FieldDefinition,
    entry: &RawField,
    line: usize,
    reader: &Reader,
) -> Result<FieldClass, PolicyError> {
    entry_check(base, definition, entry, line, reader)?;
    let level = base.level.max(entry.level.unwrap_or(base.level));
    let person_level = base.person_level.max(entry.person_level.unwrap_or(level)).max(level);
    let is_raised = level > base.level || person_level > base.person_level;
    let mut class = FieldClass {
        level,
        person_level,
        sharing: base.sharing.max(entry.sharing.unwrap_or(base.sharing)),
        disclosure: base.disclosure.max(entry.disclosure.unwrap_or(base.disclosure)),
        mask: match (base.mask, entry.mask) {
            (Some(kept), Some(rule)) => Some(kept.both(rule)),
            // Without a mask, what is masked elsewhere is withheld. A field that rises from where it was shown to where
            // it is masked needs one.
            (None, rule) => rule.filter(|_| is_raised),
            (kept, None) => kept,
        },
        legal_basis: base.legal_basis.clone().or_else(|| entry.legal_basis.clone()),
        ..base.clone()
    };
    if reader.strict {
        class.check(definition).map_err(|(reason, fix)| reader.wrong(line, reason, fix))?;
    } else if class.level > ClassificationLevel::L1 || class.sharing > SharingAttribute::Unconditional {
        // Only what is L1 and shared with everybody stands open to the public, so the stricter value takes the other along.
        class.disclosure = class.disclosure.max(DisclosureAttribute::SharedAmongGovernment);
    }
    if class != *base {
        class.source.clone_from(&entry.source);
        class.verified = entry.verified;
        class.missing.clone_from(&entry.missing);
        class.base = Some(FieldForm::from(base));
    }
    Ok(class)
}

/// What an entry may not say: of itself, and where it is staged about the base.
fn entry_check(
    base: &FieldClass,
    definition: &FieldDefinition,
    entry: &RawField,
    line: usize,
    reader: &Reader,
) -> Result<(), PolicyError> {
    let name = definition.name;
    if entry.level.zip(entry.person_level).is_some_and(|(level, person)| person < level) {
        return Err(reader.wrong(
            line,
            format!("{name} is graded lower for a person than for an organisation"),
            "take the higher level (就高从严)",
        ));
    }
    if (entry.sharing == Some(SharingAttribute::NotShared)) != entry.legal_basis.is_some() {
        return Err(reader.wrong(
            line,
            format!("{name} is not shared, and no law is cited, or the reverse"),
            "cite the law, regulation or State Council decision in legal_basis, or share it conditionally",
        ));
    }
    let looser = |key: &str, value: &str, base: &str| {
        reader.looser(line, format!("{key} {value} of {name} is looser than the bundle's {base}"))
    };
    if let Some(level) = entry.level.filter(|level| *level < base.level) {
        looser("level", level.as_str(), base.level.as_str())?;
    }
    if let Some(level) = entry.person_level.filter(|level| *level < base.person_level) {
        looser("person_level", level.as_str(), base.person_level.as_str())?;
    }
    if let Some(sharing) = entry.sharing.filter(|sharing| *sharing < base.sharing) {
        looser("sharing", sharing.as_str(), base.sharing.as_str())?;
    }
    if let Some(disclosure) = entry.disclosure.filter(|disclosure| *disclosure < base.disclosure) {
        looser("disclosure", disclosure.as_str(), base.disclosure.as_str())?;
    }
    let ends = |mask: MaskRule| format!("{}/{}", mask.ends()[0], mask.ends()[1]);
    match (base.mask, entry.mask) {
        (Some(kept), Some(mask)) if mask.ends().iter().zip(kept.ends()).any(|(end, kept)| *end > kept) => {
            looser("mask", &ends(mask), &ends(kept))
        }
        (None, Some(mask)) => {
            let rises = entry.level.is_some_and(|level| level > base.level)
                || entry.person_level.or(entry.level).is_some_and(|level| level > base.person_level);
            if rises { Ok(()) } else { looser("mask", &ends(mask), "0/0") }
        }
        _ => Ok(()),
    }
}

impl FieldClass {
    /// Whether no part of the placing is looser than `base`'s. A mask that `base` does not have takes nothing away from it:
    /// what leaves keeps to both.
    pub(crate) fn is_within(&self, base: &Self) -> bool {
        let masked_within = match (base.mask, self.mask) {
            (Some(kept), Some(mask)) => mask.both(kept) == mask,
            (Some(_), None) => false,
            (None, Some(_)) => self.base == Some(FieldForm::from(base)),
            (None, None) => true,
        };
        self.level >= base.level
            && self.person_level >= base.person_level
            && self.sharing >= base.sharing
            && self.disclosure >= base.disclosure
            && masked_within
    }
}
