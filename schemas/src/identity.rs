//! Small identifiers that are text outside and typed inside: record, notice, batch, nonce, and the macro they share.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;

/// Whether `text` is the one spelling of `value`. What is signed, stored or asked for in JSON has that spelling: a
/// document whose words changed when it was read would no longer be the one that was signed. What people and foreign
/// files write is parsed with `FromStr` at the edge.
pub(crate) fn is_canonical(value: &impl std::fmt::Display, text: &str) -> bool {
    /// What of the text is still to come.
    struct Rest<'a>(&'a str);
    impl std::fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> std::fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    std::fmt::Write::write_fmt(&mut rest, format_args!("{value}")).is_ok() && rest.0.is_empty()
}

/// Serde and JSON Schema for a type whose outward form is its `Display` text and whose parser is `FromStr`.
macro_rules! string_serde {
    ($name:ident, $description:literal, $pattern:literal) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                let value: Self = text.parse().map_err(serde::de::Error::custom)?;
                match $crate::identity::is_canonical(&value, &text) {
                    true => Ok(value),
                    false => Err(serde::de::Error::custom(concat!("not the canonical spelling: ", $description))),
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}
pub(crate) use string_serde;

/// A 128-bit identifier in lower-case hexadecimal behind a letter that says what it names.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $field:literal, $prefix:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub [u8; 16]);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str($prefix)?;
                crate::digest::hex_write(&self.0, formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = SchemaError;

            fn from_str(text: &str) -> Result<Self, SchemaError> {
                text.strip_prefix($prefix)
                    .and_then(|digits| crate::digest::hex_decode::<16>(digits))
                    .map(Self)
                    .ok_or_else(|| SchemaError::field($field, "not an identifier of this kind", concat!("it reads ", $prefix, " and 32 lower-case hexadecimal digits")))
            }
        }

        string_serde!($name, "128-bit identifier", $pattern);
    };
}

random_id! {
    /// Names one credit record for ever. Derived from the issuer's secret and the record's duplicate key, so the same
    /// row imported twice is the same record, and nobody can guess the row from the id.
    RecordId, "record", "r-", "^r-[0-9a-f]{32}$"
}
random_id! {
    /// Names one sanction notice through all its versions.
    NoticeId, "notice", "n-", "^n-[0-9a-f]{32}$"
}
random_id! {
    /// Names one import.
    BatchId, "batch", "b-", "^b-[0-9a-f]{32}$"
}
random_id! {
    /// Names one request of an operator that a colleague release a check.
    ReleaseId, "release", "q-", "^q-[0-9a-f]{32}$"
}
random_id! {
    /// Makes one request unique; an answer repeats it, so an answer cannot be replayed.
    Nonce, "nonce", "x-", "^x-[0-9a-f]{32}$"
}

/// A case or project number under which a check is made (procurement number, file number): 1 to 100 characters
/// without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CaseReference(String);

impl std::str::FromStr for CaseReference {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let trimmed = text.trim();
        let count = trimmed.chars().count();
        if count == 0 || count > 100 || trimmed.chars().any(char::is_control) {
            return Err(SchemaError::field(
                "ref",
                "a case or project number of 1 to 100 characters is needed",
                "give the number of the open file, for example CG-2026-031",
            ));
        }
        Ok(Self(trimmed.to_owned()))
    }
}

impl CaseReference {
    /// The number as entered, trimmed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CaseReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

string_serde!(CaseReference, "case or project number", "^.{1,100}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_round_trip_and_do_not_mix() {
        let record = RecordId([7; 16]);
        assert_eq!(record.to_string().parse::<RecordId>().expect("round trip"), record);
        assert!(record.to_string().parse::<NoticeId>().is_err());
        assert!("r-0".parse::<RecordId>().is_err());
        assert!("r-0000000000000000000000000000000G".parse::<RecordId>().is_err());
    }

    #[test]
    fn a_case_reference_is_short_and_visible() {
        assert_eq!(" CG-2026-031 ".parse::<CaseReference>().expect("trimmed").as_str(), "CG-2026-031");
        assert!("".parse::<CaseReference>().is_err());
        assert!("a\nb".parse::<CaseReference>().is_err());
        assert!("长".repeat(101).parse::<CaseReference>().is_err());
    }
}
