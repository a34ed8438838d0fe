//! The resident identity number (居民身份证号) of GB 11643-1999: checked, and kept out of every text.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::error::SchemaError;
use crate::unified_code::{has_known_prefix, normalise};

/// Σ mod 11 selects the check character.
const CHECKS: &[u8; 11] = b"10X98765432";
/// 2^(18−i) mod 11 for the seventeen digits.
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// An 18-character resident identity number.
///
/// `Debug` and `Display` show nothing of it; [`ResidentId::expose`] is the only way to its text, and every use of
/// that is a disclosure that needs a reason. The region part is never compared with a current table: the holder
/// keeps the number for life.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResidentId([u8; 18]);

impl ResidentId {
    /// Parses a number; spaces and full-width characters are normalised, `x` becomes `X`.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let mut number = [0_u8; 18];
        let mut length = 0_usize;
        for symbol in normalise(text) {
            let accepted = symbol.is_ascii_digit() || (length == 17 && symbol == 'X');
            match (accepted, number.get_mut(length), u8::try_from(symbol)) {
                (true, Some(place), Ok(byte)) => *place = byte,
                _ => return Err(Self::malformed("18 digits, or 17 digits and X, are expected")),
            }
            length = length.saturating_add(1);
        }
        if length != 18 {
            return Err(Self::malformed("18 characters are expected"));
        }
        let parsed = Self(number);
        if !parsed.birth_date_is_possible() {
            return Err(Self::malformed("digits 7 to 14 are not a date"));
        }
        let sum: u32 =
            number.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        if number[17] != CHECKS[(sum % 11) as usize] {
            return Err(Self::malformed("the check character does not fit"));
        }
        Ok(parsed)
    }

    /// Whether a text that is no valid number was meant as one: 17 digits and a digit or X, with a date where the date of
    /// birth stands, or with two first digits that no organisation's code has.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        let symbols: Vec<u8> =
            normalise(text).map_while(|symbol| u8::try_from(symbol).ok()).take(19).collect();
        let Ok(symbols) = <[u8; 18]>::try_from(symbols) else { return false };
        let has_shape = symbols[..17].iter().all(u8::is_ascii_digit)
            && (symbols[17].is_ascii_digit() || symbols[17] == b'X');
        has_shape && (Self(symbols).birth_date_is_possible() || !has_known_prefix(&symbols))
    }

    fn malformed(reason: &str) -> SchemaError {
        SchemaError::field("resident_id", reason, "compare the number with the identity card")
    }

    fn birth_date_is_possible(&self) -> bool {
        let number = |from: usize, to: usize| -> i16 {
            self.0[from..to].iter().fold(0, |value, digit| value * 10 + i16::from(digit.wrapping_sub(b'0')))
        };
        let (year, month, day) = (number(6, 10), number(10, 12), number(12, 14));
        year >= 1800
            && i8::try_from(month)
                .and_then(|month| i8::try_from(day).map(|day| (month, day)))
                .is_ok_and(|(month, day)| jiff::civil::Date::new(year, month, day).is_ok())
    }

    /// The number in the clear, for signing, sealing, hashing and lawful display only.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Drop for ResidentId {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for ResidentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ResidentId(..)")
    }
}

impl Serialize for ResidentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for ResidentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let number = Self::parse(&text).map_err(serde::de::Error::custom)?;
        match number.expose() == text {
            true => Ok(number),
            false => {
                Err(serde::de::Error::custom("not the canonical spelling of a resident identity number"))
            }
        }
    }
}

impl schemars::JsonSchema for ResidentId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResidentId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "resident identity number, GB 11643-1999",
            "pattern": "^[0-9]{17}[0-9X]$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_examples_pass() {
        for text in ["11010519491231002X", "440524188001010014", "１１０１０５１９４９１２３１００２ｘ"]
        {
            assert!(ResidentId::parse(text).is_ok());
        }
    }

    #[test]
    fn wrong_check_date_and_length_are_refused_without_showing_the_number() {
        for text in [
            "110105194912310021",
            "110105194913310023",
            "1101051949123100",
            "A10105194912310021",
            "11010519491231002XX",
        ] {
            let error = ResidentId::parse(text).expect_err(text).to_string();
            assert!(!error.contains("1101"), "{error}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let id = ResidentId::parse("11010519491231002X").expect("valid");
        assert_eq!(format!("{id:?}"), "ResidentId(..)");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

        #[test]
        fn any_text_parses_or_errs_without_panic(text in "[0-9Xx ]{0,22}|.{0,30}") {
            let _ = ResidentId::parse(&text);
        }
    }
}
