//! `classification.toml`: how every field of every record type is graded, shared, disclosed and masked.

use std::collections::BTreeMap;

use chengxin_schemas::category::{ClassificationLevel, DisclosureAttribute, SharingAttribute};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::record_type::{FieldDefinition, RecordType};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, error_at, toml_parse};
use crate::entries::{Entry, entries_limit};
use crate::error::PolicyError;
use crate::field_change::FieldForm;
use crate::verification::MissingFact;

const FILE: &str = "classification.toml";

/// What remains of a masked text: so many characters at its beginning and at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskRule {
    left: u16,
    right: u16,
    /// Texts shorter than this are hidden whole, where that is more than the kept ends ask for by themselves.
    #[serde(skip)]
    hidden_below: u32,
}

/// Stands for each character that is not shown.
const MASK: char = '*';

impl MaskRule {
    /// Keeps `left` and `right` characters.
    pub fn new(left: u16, right: u16) -> Self {
        Self { left, right, hidden_below: 0 }
    }

    /// What remains where both rules mask: at no place of any text more than by either. Fewer characters kept alone would
    /// say something about texts that the other rule hides for their shortness.
    pub(crate) fn both(self, other: Self) -> Self {
        let ends = Self::new(self.left.min(other.left), self.right.min(other.right));
        let shortest = self.shortest().max(other.shortest());
        Self { hidden_below: if shortest > ends.shortest() { shortest } else { 0 }, ..ends }
    }

    /// The fewest characters of a text of which anything is shown.
    fn shortest(self) -> u32 {
        let halves = 2 * (u32::from(self.left) + u32::from(self.right));
        halves.max(self.hidden_below)
    }

    /// How many characters are kept at the beginning and at the end.
    pub fn ends(self) -> [u16; 2] {
        [self.left, self.right]
    }

    /// The masked text, as long as the original. At least half of it is hidden: of a text so short that the kept ends
    /// are more than half, nothing is shown. A passport number under the rule for identity numbers (six and two) would
    /// else lose a single character.
    pub fn apply(&self, text: &str) -> String {
        let count = text.chars().count();
        let (left, right) = (usize::from(self.left), usize::from(self.right));
        let too_short = count < self.shortest() as usize;
        text.chars()
            .enumerate()
            .map(
                |(place, symbol)| {
                    if !too_short && (place < left || place >= count - right) { symbol } else { MASK }
                },
            )
            .collect()
    }
}

/// The classification of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldClass {
    /// Level when the subject is an organisation.
    pub level: ClassificationLevel,
    /// Level when the subject is a natural person; never lower.
    pub person_level: ClassificationLevel,
    /// Sharing attribute.
    pub sharing: SharingAttribute,
    /// Disclosure attribute.
    pub disclosure: DisclosureAttribute,
    /// What remains when masked; a field without it is withheld where others are masked.
    pub mask: Option<MaskRule>,
    /// The law by which the field is not shared, exactly if it is not.
    pub legal_basis: Option<LegalBasis>,
    /// What the placing rests on.
    pub source: String,
    /// Whether the source states the placing.
    pub verified: bool,
    /// What it does not state; empty when verified, and only then.
    pub missing: Vec<MissingFact>,
    /// How the bundle alone places the field, where an overlay narrows it. What leaves of it keeps to both.
    #[serde(skip)]
    pub(crate) base: Option<FieldForm>,
}

impl FieldClass {
    /// The level for a subject of the given kind.
    pub fn level_for(&self, is_person: bool) -> ClassificationLevel {
        if is_person { self.person_level } else { self.level }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    field: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    record_type: RecordType,
    name: Spanned<String>,
    level: ClassificationLevel,
    person_level: Option<ClassificationLevel>,
    sharing: SharingAttribute,
    disclosure: DisclosureAttribute,
    mask: Option<MaskRule>,
    legal_basis: Option<LegalBasis>,
    source: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

impl FieldClass {
    /// Refuses values that contradict each other: reason and fix.
    pub(crate) fn check(&self, definition: &FieldDefinition) -> Result<(), (String, &'static str)> {
        let name = definition.name;
        if self.person_level < self.level {
            return Err((
                format!("{name} is graded lower for a person than for an organisation"),
                "take the higher level (就高从严)",
            ));
        }
        let open = self.disclosure == DisclosureAttribute::OpenToPublic;
        if open && self.level != ClassificationLevel::L1 {
            return Err((
                format!("{name} is open to the public but above L1"),
                "lower the level or the disclosure",
            ));
        }
        if open && self.sharing != SharingAttribute::Unconditional {
            return Err((
                format!("{name} is open to the public but not shared unconditionally"),
                "what stands in the public part reaches everybody: share it unconditionally, or close it",
            ));
        }
        if definition.is_personal_number() && self.level != ClassificationLevel::L4 {
            return Err((format!("{name} is a person's document number but not L4"), "grade it L4"));
        }
        // 《政务数据共享条例》 article 15: who does not share says by which law, and sets no condition of its own.
        if (self.sharing == SharingAttribute::NotShared) != self.legal_basis.is_some() {
            return Err((
                format!("{name} is not shared, and no law is cited, or the reverse"),
                "cite the law, regulation or State Council decision in legal_basis, or share it conditionally",
            ));
        }
        let harmful = self.person_level >= ClassificationLevel::L3;
        if harmful && self.sharing != SharingAttribute::NotShared && self.mask.is_none() {
            return Err((
                format!("{name} is shared, above L2, and has no mask"),
                "say what remains of it: purposes see such fields masked",
            ));
        }
        Ok(())
    }
}

/// The classification of all fields.
#[derive(Clone)]
pub(crate) struct Classification(BTreeMap<(RecordType, &'static str), FieldClass>);

impl Classification {
    /// Every field of the dictionary exactly once, and none besides.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        let raw: RawFile = toml_parse(FILE, text)?;
        entries_limit(FILE, raw.field.len())?;
        let mut fields = BTreeMap::new();
        for entry in raw.field {
            let wrong = |reason: String, fix: &str| error_at(FILE, text, &entry.name, reason, fix);
            let kind = entry.record_type;
            let (name, definition) = kind.field(entry.name.get_ref()).map_err(|_| {
                wrong(
                    format!("{kind} has no field {:?}", entry.name.get_ref()),
                    "use a name of the dictionary",
                )
            })?;
            let named = Entry::new(FILE, text, "field", definition.name, &entry.name);
            named.text(&entry.source)?;
            named.verification(entry.verified, &entry.missing)?;
            let person_level = entry.person_level.unwrap_or(entry.level);
            let class = FieldClass {
                level: entry.level,
                person_level,
                sharing: entry.sharing,
                disclosure: entry.disclosure,
                mask: entry.mask,
                legal_basis: entry.legal_basis,
                source: entry.source,
                verified: entry.verified,
                missing: entry.missing,
                base: None,
            };
            class.check(definition).map_err(|(reason, fix)| wrong(reason, fix))?;
            if fields.insert((kind, definition.name), class).is_some() {
                return Err(PolicyError::file(
                    FILE,
                    Some(crate::bundle::line_of(text, entry.name.span().start)),
                    format!("{name} of {kind} stands twice"),
                    "keep one",
                ));
            }
        }
        for kind in RecordType::ALL {
            for definition in kind.fields() {
                if !fields.contains_key(&(*kind, definition.name)) {
                    let reason = format!("{} of {kind} is not classified", definition.name);
                    return Err(PolicyError::file(FILE, None, reason, "classify every field"));
                }
            }
        }
        Ok(Self(fields))
    }

    pub(crate) fn field(&self, record_type: RecordType, name: &str) -> Option<&FieldClass> {
        // The dictionary's own name makes the key: no allocation on the answer path.
        let (name, definition) = record_type.field(name).ok()?;
        debug_assert_eq!(name.as_str(), definition.name);
        self.0.get(&(record_type, definition.name))
    }

    /// The same with one field placed otherwise.
    pub(crate) fn set(&mut self, record_type: RecordType, name: &'static str, class: FieldClass) {
        self.0.insert((record_type, name), class);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RecordType, &'static str, &FieldClass)> {
        self.0.iter().map(|((kind, name), class)| (*kind, *name, class))
    }
}

impl Bundle {
    /// Whether a field stands in the public part of a signed record: level 1, open to the public, and not about a
    /// natural person (whose public credit information is not published openly unless a law says so).
    pub fn is_public_field(&self, record_type: RecordType, field: &str, is_person_subject: bool) -> bool {
        self.field_class(record_type, field).is_some_and(|class| {
            !is_person_subject
                && class.level == ClassificationLevel::L1
                && class.disclosure == DisclosureAttribute::OpenToPublic
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_kept_by_characters() {
        assert_eq!(MaskRule::new(6, 2).apply("11010519491231002X"), "110105**********2X");
        assert_eq!(MaskRule::new(1, 0).apply("示例人"), "示**");
        assert_eq!(MaskRule::new(1, 0).apply("示"), "*");
        assert_eq!(MaskRule::new(2, 2).apply("四字姓名"), "****");
        assert_eq!(MaskRule::new(2, 2).apply("刚好八个字的名称"), "刚好****名称");
        for passport in ["E12345678", "H1234567801", "K00000000"] {
            assert_eq!(MaskRule::new(6, 2).apply(passport), "*".repeat(passport.len()));
        }
        assert_eq!(MaskRule::new(u16::MAX, u16::MAX).apply("short"), "*****");
        assert_eq!(MaskRule::new(0, 0).apply(""), "");
    }
}
