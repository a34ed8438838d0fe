//! What another classification makes of each field: the half of a release that no rule states.
//!
//! A permit says what happens at a category and level; where a field stands, whether it is shared at all and what its mask
//! leaves is said by `classification.toml`. So two policies may decide every request alike and show its answer otherwise.

use chengxin_schemas::category::{ClassificationLevel, SharingAttribute};
use chengxin_schemas::record_type::RecordType;

use crate::bundle::Bundle;
use crate::classification::{FieldClass, MaskRule};

/// What decides, beside a permit, in which form a field leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldForm {
    /// Level when the subject is an organisation.
    pub level: ClassificationLevel,
    /// Level when the subject is a natural person.
    pub person_level: ClassificationLevel,
    /// Sharing attribute.
    pub sharing: SharingAttribute,
    /// What remains when masked.
    pub mask: Option<MaskRule>,
}

impl From<&FieldClass> for FieldForm {
    fn from(class: &FieldClass) -> Self {
        Self {
            level: class.level,
            person_level: class.person_level,
            sharing: class.sharing,
            mask: class.mask,
        }
    }
}

/// A field that leaves otherwise by another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// The record type.
    pub record_type: RecordType,
    /// The field's name.
    pub field: &'static str,
    /// How it is classified.
    pub from: FieldForm,
    /// How it would be.
    pub to: FieldForm,
}

impl FieldChange {
    /// The fields that differ between two bundles, by record type and name. The disclosure attribute is not compared: it
    /// says what stands in the public part of records signed later, and nothing about those held.
    pub fn between(old: &Bundle, new: &Bundle) -> Vec<Self> {
        let both = old.field_classes().filter_map(|(record_type, field, class)| {
            // Each bundle classifies every field of every record type, so there are two of each.
            let other = new.field_class(record_type, field)?;
            Some(Self { record_type, field, from: class.into(), to: other.into() })
        });
        both.filter(|change| change.from != change.to).collect()
    }
}
