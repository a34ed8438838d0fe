//! The unified social credit code (统一社会信用代码) of GB 32100-2015 with its two independent checks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::organisation_code::OrganisationCode;
use crate::region::RegionCode;

/// The 31 symbols of GB 32100-2015 in value order: I, O, S, V and Z are never used.
const SYMBOLS: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// 3^(i-1) mod 31 for the seventeen positions before the check character (GB 32100-2015).
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// First two characters in the standard's table; others occur in real data and only warn.
const KNOWN_PREFIXES: [&str; 36] = [
    "11", "12", "13", "19", "21", "29", "31", "32", "33", "34", "35", "39", "41", "49", "51", "52", "53",
    "59", "61", "62", "69", "71", "72", "79", "81", "89", "91", "92", "93", "A1", "A9", "N1", "N2", "N3",
    "N9", "Y1",
];

/// An 18-character unified social credit code in upper case.
///
/// Holding one means: the alphabet is right, and the check character is right or a named person accepted it
/// (see [`UnifiedCode::accept`]). Says nothing about the inner organisation code or the region, which real codes
/// of former eras break: those only warn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnifiedCode([u8; 18]);

/// Something unusual about a code that is still accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnifiedCodeWarning {
    /// Characters 9–17 fail the check of GB 11714. Real, valid codes do.
    InnerCheck,
    /// The first two characters are not in the table of GB 32100-2015.
    UnknownPrefix,
    /// Characters 3–8 are not six digits. The region is never compared with a current table: a code keeps the
    /// region of the day it was issued.
    RegionNotNumeric,
}

/// Longest name of the account that accepts a code, in characters.
const ACCEPTED_BY_LIMIT: usize = 64;
/// Longest reason for accepting a code, in characters: a sentence about a certificate, and no room for a story.
const REASON_LIMIT: usize = 200;

/// A code whose check character is wrong, accepted by a named person for a stated reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckException {
    /// Account of the operator who accepted the code.
    pub accepted_by: String,
    /// Why the code is right although its check character is not, in the operator's words.
    pub reason: String,
}

impl CheckException {
    /// Checks that a person and a reason are named, shortly: both stand in the clear in what is signed.
    pub fn check(&self) -> Result<(), SchemaError> {
        let within = |text: &str, least: usize, most: usize| {
            (least..=most).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control)
        };
        if within(&self.accepted_by, 1, ACCEPTED_BY_LIMIT) && within(&self.reason, 2, REASON_LIMIT) {
            return Ok(());
        }
        Err(SchemaError::field(
            "check_exception",
            "the person or the reason is missing or too long",
            "give the accepting operator and a reason of 2 to 200 characters on one line",
        ))
    }
}

impl UnifiedCode {
    /// Parses a code as people and files write it: surrounding space, lower case and full-width characters are
    /// normalised. A wrong check character is an error that names the expected one.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let code = Self::parse_alphabet(text)?;
        let expected = code.expected_check();
        if code.0[17] != expected {
            return Err(SchemaError::field(
                "unified_code",
                format!("check character 18 should be {}", char::from(expected)),
                "compare the code with the certificate; a code that is printed so may be accepted by a named person with a reason (--accept)",
            ));
        }
        Ok(code)
    }

    /// Accepts a code whose alphabet is right but whose check character is not, on a person's word. The exception
    /// must be stored beside the record.
    pub fn accept(text: &str, exception: &CheckException) -> Result<Self, SchemaError> {
        exception.check()?;
        Self::parse_alphabet(text)
    }

    /// Reads a code from signed or stored text, in its canonical spelling. Whether its check character is right or was
    /// excepted is asked of the record it stands in, see [`UnifiedCode::check_holds`].
    pub(crate) fn signed(text: &str) -> Result<Self, SchemaError> {
        let code = Self::parse_alphabet(text)?;
        match code.as_str() == text {
            true => Ok(code),
            false => Err(SchemaError::field(
                "unified_code",
                "not in its canonical spelling",
                "write 18 upper-case characters of half width",
            )),
        }
    }

    fn parse_alphabet(text: &str) -> Result<Self, SchemaError> {
        // Nearly every code is spelled as the standard has it.
        if let Ok(code) = <[u8; 18]>::try_from(text.as_bytes())
            && code.iter().all(|byte| SYMBOLS.contains(byte))
        {
            return Ok(Self(code));
        }
        let mut code = [0_u8; 18];
        let mut length = 0_usize;
        for symbol in normalise(text) {
            let known = u8::try_from(symbol).ok().filter(|byte| SYMBOLS.contains(byte));
            match (known, code.get_mut(length)) {
                (Some(byte), Some(place)) => *place = byte,
                (None, Some(_)) => {
                    return Err(SchemaError::field(
                        "unified_code",
                        format!(
                            "character {} is not one of 0-9 and A-Y without I, O, S, V",
                            length.saturating_add(1)
                        ),
                        "check for 0 written as O or 1 written as I",
                    ));
                }
                (_, None) => {
                    return Err(SchemaError::field(
                        "unified_code",
                        "longer than 18 characters",
                        "give exactly 18 characters",
                    ));
                }
            }
            length = length.saturating_add(1);
        }
        if length != 18 {
            return Err(SchemaError::field(
                "unified_code",
                format!("{length} characters instead of 18"),
                "give exactly 18 characters",
            ));
        }
        Ok(Self(code))
    }

    /// The code, always 18 ASCII characters.
    pub fn as_str(&self) -> &str {
        // The alphabet is ASCII, so this is always valid; an empty text would be refused by every parser.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether the check character is the one the standard computes. False only after [`UnifiedCode::accept`].
    pub fn check_holds(&self) -> bool {
        self.0[17] == self.expected_check()
    }

    /// Whether another code differs in the check character at most. That says nothing about whose the code is, and only one
    /// of all that agree so far has the right one: a subject whose certificate was printed with a wrong one is found by
    /// either.
    pub fn is_same_but_for_check(&self, other: &Self) -> bool {
        self.0[..17] == other.0[..17]
    }

    /// What is unusual about the code, for the import report and the console.
    pub fn warnings(&self) -> Vec<UnifiedCodeWarning> {
        let mut warnings = Vec::new();
        if !self.has_known_prefix() {
            warnings.push(UnifiedCodeWarning::UnknownPrefix);
        }
        if !self.0[2..8].iter().all(u8::is_ascii_digit) {
            warnings.push(UnifiedCodeWarning::RegionNotNumeric);
        }
        if !self.organisation_code().check_holds() {
            warnings.push(UnifiedCodeWarning::InnerCheck);
        }
        warnings
    }

    /// The organisation code within (characters 9–17), which stays when the registering authority or the class changes.
    pub fn organisation_code(&self) -> OrganisationCode {
        OrganisationCode::within(self)
    }

    /// The region the code was issued in (characters 3–8), if numeric. Never the present jurisdiction.
    pub fn issuing_region(&self) -> Option<RegionCode> {
        RegionCode::parse(&self.as_str()[2..8]).ok()
    }

    /// Whether the first two characters are in the table of GB 32100-2015.
    pub fn has_known_prefix(&self) -> bool {
        has_known_prefix(&self.0)
    }

    /// Whether the code belongs to an administrative organ (11) or a public institution (12).
    pub fn is_public_body(&self) -> bool {
        matches!(&self.0[..2], b"11" | b"12")
    }

    fn expected_check(&self) -> u8 {
        let sum: u32 =
            self.0.iter().zip(WEIGHTS).map(|(symbol, weight)| symbol_value(*symbol) * weight).sum();
        // The standard prints 31 − MOD(…), which is 31 for remainder 0 and must wrap to 0.
        SYMBOLS[((31 - sum % 31) % 31) as usize]
    }
}

/// Whether a text of a code's alphabet begins with two characters of the standard's table.
pub(crate) fn has_known_prefix(text: &[u8]) -> bool {
    KNOWN_PREFIXES.iter().any(|known| text.starts_with(known.as_bytes()))
}

fn symbol_value(symbol: u8) -> u32 {
    SYMBOLS.iter().position(|known| *known == symbol).unwrap_or(0) as u32
}

/// Trims, folds full-width to half-width and raises to upper case.
pub(crate) fn normalise(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|symbol| !symbol.is_whitespace()).map(|symbol| match symbol {
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(symbol as u32 - 0xFEE0).unwrap_or(symbol).to_ascii_uppercase()
        }
        other => other.to_ascii_uppercase(),
    })
}

impl FromStr for UnifiedCode {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        Self::parse(text)
    }
}

impl fmt::Display for UnifiedCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for UnifiedCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UnifiedCode({})", self.as_str())
    }
}

impl Serialize for UnifiedCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Reading a stored or signed form checks the alphabet only: whether the check character was excepted was decided
/// when the code entered the system, and the signature covers it.
impl<'de> Deserialize<'de> for UnifiedCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::signed(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for UnifiedCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UnifiedCode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "unified social credit code, GB 32100-2015",
            "pattern": "^[0-9A-HJ-NPQRTUWXY]{18}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_codes_pass_both_checks() {
        for text in [
            "91320100748204660Q",
            "11320100MB1886843H",
            "11152105011615449P",
            "91320000134762764K",
            "91360000625912173B",
            "91440300618819640R",
            "91430122707233692A",
            "91110000802100433B",
            "9144030071526726XG",
            "914403001922038216",
            "91110108551385082Q",
            "91110000600037341L",
        ] {
            let code = UnifiedCode::parse(text).expect(text);
            assert_eq!(code.as_str(), text);
            assert_eq!(code.warnings(), [], "{text}");
        }
    }

    #[test]
    fn the_standards_own_example_passes_and_its_wrong_variant_names_the_expected_character() {
        assert!(UnifiedCode::parse("91350100M000100Y43").is_ok());
        let error = UnifiedCode::parse("91350100M000100Y4Z").expect_err("Z is not in the alphabet");
        assert!(error.to_string().contains("character 18"), "{error}");
        let error = UnifiedCode::parse("913101150607311257").expect_err("wrong check character");
        assert!(error.to_string().contains("should be W"), "{error}");
    }

    #[test]
    fn remainder_zero_gives_check_zero_and_the_inner_check_only_warns() {
        let code = UnifiedCode::parse("11150000011510K000").expect("remainder 0");
        assert_eq!(code.warnings(), [UnifiedCodeWarning::InnerCheck]);
        let code = UnifiedCode::parse("913100001322041051").expect("outer check holds");
        assert_eq!(code.warnings(), [UnifiedCodeWarning::InnerCheck]);
    }

    #[test]
    fn retired_region_is_no_reason_to_warn() {
        let code = UnifiedCode::parse("11152105011615449P").expect("valid");
        assert_eq!(code.issuing_region().map(|region| region.to_string()).as_deref(), Some("152105"));
        assert!(code.is_public_body());
    }

    #[test]
    fn full_width_lower_case_and_spaces_are_normalised() {
        let code = UnifiedCode::parse(" ９１３２０１００７４８２０４６６０ｑ ").expect("normalised");
        assert_eq!(code.as_str(), "91320100748204660Q");
    }

    #[test]
    fn a_named_person_may_accept_a_wrong_check_character() {
        let exception = CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
        let code = UnifiedCode::accept("913101150607311257", &exception).expect("accepted");
        assert!(!code.check_holds());
        let nobody = CheckException { accepted_by: " ".into(), reason: "证书如此".into() };
        assert!(UnifiedCode::accept("913101150607311257", &nobody).is_err());
        assert!(UnifiedCode::accept("9131011506073112", &exception).is_err());
        let story = CheckException { accepted_by: "li".into(), reason: "长".repeat(201) };
        assert!(UnifiedCode::accept("913101150607311257", &story).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

        #[test]
        fn any_text_parses_or_errs_without_panic(text in ".{0,40}") {
            let _ = UnifiedCode::parse(&text);
        }

        #[test]
        fn one_changed_character_never_passes(position in 0_usize..18, replacement in 0_usize..31) {
            let original = *b"91320100748204660Q";
            let mut changed = original;
            changed[position] = SYMBOLS[replacement];
            let text = String::from_utf8(changed.to_vec()).expect("ascii");
            proptest::prop_assert_eq!(UnifiedCode::parse(&text).is_ok(), changed == original);
        }
    }
}
