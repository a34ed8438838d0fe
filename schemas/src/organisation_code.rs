//! The organisation code (组织机构代码) of GB 11714: what named organisations before they had a unified code, and what stands
//! in characters 9–17 of each unified code. Lists that go back to former years name organisations by it alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::unified_code::{CheckException, UnifiedCode, normalise};

/// Weights of the eight characters before the check character (GB 11714).
const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// A nine-character organisation code in upper case, without its hyphen.
///
/// Holding one means that the alphabet is right. Codes within valid unified codes fail the check of GB 11714 now and then,
/// so it is asked for where a code is typed and where a notice rests on one, and not where two codes are compared: a
/// mistyped one equals that part of a unified code only where the same fault stands there.
///
/// `Debug` shows nothing of it: in a column for codes that nobody checked stood numbers of persons' documents, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrganisationCode([u8; 9]);

impl OrganisationCode {
    /// Parses a code as people and files write it, with or without its hyphen; surrounding space, lower case and full-width
    /// characters are normalised. A wrong check character is an error that names the expected one.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let code = Self::read(text)?;
        let expected = code.expected_check();
        if code.0[8] != expected {
            return Err(SchemaError::field(
                "organisation_code",
                format!("check character 9 should be {}", char::from(expected)),
                "compare the code with the certificate; a code that is printed so may be accepted by a named person with a reason (--accept)",
            ));
        }
        Ok(code)
    }

    /// Accepts a code whose alphabet is right but whose check character is not, on a person's word.
    pub fn accept(text: &str, exception: &CheckException) -> Result<Self, SchemaError> {
        exception.check()?;
        Self::read(text)
    }

    /// Reads a code without its check: the field of a record, whose importer warned of a wrong one.
    pub fn read(text: &str) -> Result<Self, SchemaError> {
        let symbols: Vec<u8> = plain(text)
            .take(10)
            .filter_map(|symbol| u8::try_from(symbol).ok().filter(u8::is_ascii_alphanumeric))
            .collect();
        match <[u8; 9]>::try_from(symbols) {
            // Nine zeros pass the check, stand where a clerk had no code, and would make one subject of all these rows.
            Ok(code) if plain(text).count() == 9 && code != [b'0'; 9] => Ok(Self(code)),
            _ => Err(SchemaError::field(
                "organisation_code",
                "not nine digits and letters, or zeros only",
                "give the organisation code with or without its hyphen, for example 10774368-0",
            )),
        }
    }

    /// Characters 9–17 of a unified code.
    pub(crate) fn within(code: &UnifiedCode) -> Self {
        let mut inner = [0; 9];
        inner.copy_from_slice(&code.as_str().as_bytes()[8..17]);
        Self(inner)
    }

    /// Whether a text has as many characters as an organisation code: neither unified codes nor resident numbers do.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        plain(text).take(10).count() == 9
    }

    /// The code, always nine ASCII characters.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this is always valid; an empty text would be refused by every parser.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether the check character is the one the standard computes.
    pub fn check_holds(&self) -> bool {
        self.0[8] == self.expected_check()
    }

    /// Letters count A=10 … Z=35: another alphabet than that of unified codes.
    fn expected_check(&self) -> u8 {
        let value = |symbol: u8| char::from(symbol).to_digit(36).unwrap_or_default();
        let sum: u32 = self.0.iter().zip(WEIGHTS).map(|(symbol, weight)| value(*symbol) * weight).sum();
        match 11 - sum % 11 {
            10 => b'X',
            11 => b'0',
            digit => b'0' + digit as u8,
        }
    }
}

/// Whether a text is an organisation code with a right check character (GB 11714), with or without its hyphen.
pub fn organisation_code_holds(text: &str) -> bool {
    OrganisationCode::read(text).is_ok_and(|code| code.check_holds())
}

/// Whether nine characters in upper case have the form of a passport or a travel permit: a letter and eight digits
/// (E12345678, H12345678), or E, a letter and seven digits. Organisation codes with letters begin with two, the first of them
/// M nearly always. One such number in eleven passes the check of a code, so the form decides as well.
pub fn is_travel_document_shaped(text: &str) -> bool {
    let digits = |from: usize| text.as_bytes().iter().skip(from).all(u8::is_ascii_digit);
    match text.as_bytes() {
        [first, second, ..] if text.len() == 9 && first.is_ascii_alphabetic() => {
            digits(1) || (*first == b'E' && second.is_ascii_alphabetic() && digits(2))
        }
        _ => false,
    }
}

/// The text without space and hyphens, in half-width capitals.
fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    normalise(text).filter(|symbol| *symbol != '-')
}

impl fmt::Display for OrganisationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for OrganisationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OrganisationCode(..)")
    }
}

impl Serialize for OrganisationCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Reading a stored or signed form checks alphabet and spelling only, as for unified codes.
impl<'de> Deserialize<'de> for OrganisationCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let code = Self::read(&text).map_err(serde::de::Error::custom)?;
        match code.as_str() == text {
            true => Ok(code),
            false => Err(serde::de::Error::custom("not the canonical spelling of an organisation code")),
        }
    }
}

impl schemars::JsonSchema for OrganisationCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OrganisationCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "organisation code, GB 11714, without its hyphen",
            "pattern": "^[0-9A-Z]{9}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_real_files_hold_with_and_without_hyphen() {
        assert!(organisation_code_holds("132215150"));
        assert!(organisation_code_holds("10774368-0"));
        assert!(!organisation_code_holds("132204105"));
        for text in ["10774368-0", "107743680", " １０７７４３６８－０ "] {
            assert_eq!(OrganisationCode::parse(text).expect(text).as_str(), "107743680");
        }
        assert_eq!(OrganisationCode::parse("ma64nd862").expect("lower case").as_str(), "MA64ND862");
    }

    #[test]
    fn what_is_wrong_is_named_and_not_repeated() {
        let refused = |text: &str| OrganisationCode::parse(text).expect_err(text).to_string();
        assert!(refused("132204105").contains("should be 1"));
        for text in ["", "7482046", "7482046600", "74820466〇", "7482046é0", "748204_60"] {
            let error = refused(text);
            assert!(error.starts_with("organisation_code: not nine"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_named_person_may_accept_a_wrong_check_character() {
        let exception = CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
        let code = OrganisationCode::accept("13220410-5", &exception).expect("accepted");
        assert_eq!((code.as_str(), code.check_holds()), ("132204105", false));
        let nobody = CheckException { accepted_by: " ".into(), reason: "证书如此".into() };
        assert!(OrganisationCode::accept("132204105", &nobody).is_err());
    }

    #[test]
    fn it_stands_in_every_unified_code() {
        for (unified, inner, holds) in [
            ("91320100748204660Q", "748204660", true),
            ("11320100MB1886843H", "MB1886843", true),
            // The outer check holds, the inner one does not.
            ("913100001322041051", "132204105", false),
        ] {
            let code = UnifiedCode::parse(unified).expect(unified).organisation_code();
            assert_eq!((code.as_str(), code.check_holds()), (inner, holds));
        }
    }

    #[test]
    fn signed_texts_are_canonical_and_debug_shows_nothing() {
        let code = OrganisationCode::parse("10774368-0").expect("code");
        assert_eq!(serde_json::to_string(&code).expect("json"), "\"107743680\"");
        assert_eq!(
            serde_json::from_str::<OrganisationCode>("\"132204105\"").expect("read").as_str(),
            "132204105"
        );
        for text in ["\"10774368-0\"", "\"ma64nd862\"", "\"10774368\""] {
            assert!(serde_json::from_str::<OrganisationCode>(text).is_err(), "{text}");
        }
        assert!(!format!("{code:?}").contains('1'));
    }

    #[test]
    fn passports_and_permits_are_no_organisation_codes() {
        for text in ["E12345678", "H12345678", "EA1234567", "G98765432"] {
            assert!(is_travel_document_shaped(text), "{text}");
        }
        for text in ["MA64ND862", "MB1886843", "107743680", "01161544X", "E1234567", "甲乙丙"] {
            assert!(!is_travel_document_shaped(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses_or_errs_without_panic(text in "[0-9A-Z-]{7,11}|.{0,20}") {
            let held = OrganisationCode::parse(&text).is_ok();
            proptest::prop_assert_eq!(held, organisation_code_holds(&text));
            let _ = is_travel_document_shaped(&text);
        }
    }
}
