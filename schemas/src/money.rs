//! Amounts of money, exact, in yuan with two decimals.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;

/// An amount in fen (0.01 yuan). The largest amount of the national penalty template, decimal(18,6) in units of
/// 10 000 yuan, fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Yuan(i64);

/// Decimal places of the unit an amount is written in, relative to fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyUnit {
    /// Written in yuan.
    Yuan,
    /// Written in units of 10 000 yuan (万元).
    TenThousandYuan,
}

impl Yuan {
    /// An amount of whole fen.
    pub fn from_fen(fen: i64) -> Self {
        Self(fen)
    }

    /// The amount in fen.
    pub fn fen(self) -> i64 {
        self.0
    }

    /// Parses a plain non-negative decimal number in `unit`; commas are accepted between groups of three digits, and
    /// nowhere else: `12,5` may be a decimal comma. A value that is not a whole number of fen is an error, never rounded.
    pub fn parse(text: &str, unit: MoneyUnit) -> Result<Self, SchemaError> {
        let wrong = |reason: &'static str| {
            SchemaError::field(
                "amount",
                reason,
                "write a plain number such as 12.5 in the unit of the column",
            )
        };
        let places = match unit {
            MoneyUnit::Yuan => 2_usize,
            MoneyUnit::TenThousandYuan => 6,
        };
        let text = text.trim();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let groups: Vec<&str> = whole.split([',', '，']).collect();
        let is_grouped = match groups.as_slice() {
            [single] => !single.is_empty(),
            [first, rest @ ..] => (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3),
            [] => false,
        };
        if !is_grouped || !groups.iter().all(|group| digits(group)) || !digits(fraction) {
            return Err(wrong("not a number"));
        }
        let whole = groups.concat();
        let significant = fraction.trim_end_matches('0');
        if significant.len() > places {
            return Err(wrong("finer than one fen"));
        }
        let mut fen = 0_i64;
        let padding = std::iter::repeat_n(b'0', places.saturating_sub(significant.len()));
        for digit in whole.bytes().chain(significant.bytes()).chain(padding) {
            fen = fen
                .checked_mul(10)
                .and_then(|value| value.checked_add(i64::from(digit - b'0')))
                .ok_or_else(|| wrong("larger than any amount of money"))?;
        }
        Ok(Self(fen))
    }
}

impl std::fmt::Display for Yuan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(formatter, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

impl std::str::FromStr for Yuan {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        Self::parse(text, MoneyUnit::Yuan)
    }
}

crate::identity::string_serde!(Yuan, "amount in yuan with two decimals", "^[0-9]+\\.[0-9]{2}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_yuan_convert_exactly() {
        let amount = |text| Yuan::parse(text, MoneyUnit::TenThousandYuan).map(|yuan| yuan.to_string());
        assert_eq!(amount("5").expect("whole"), "50000.00");
        assert_eq!(amount("0.000001").expect("one fen"), "0.01");
        assert_eq!(amount("1,234.5600").expect("separator"), "12345600.00");
        assert_eq!(amount("999999999999.999999").expect("largest"), "9999999999999999.99");
        for bad in [
            "",
            ".",
            "-1",
            "1e3",
            "0.0000001",
            "— —",
            "99999999999999999999",
            "1.2.3",
            "12,5",
            "1,23",
            "1234,567",
            ",123",
            "1,,234",
            "1 2",
            "1.2,345",
        ] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_holds_the_one_spelling() {
        assert_eq!(serde_json::from_str::<Yuan>("\"1234.50\"").expect("canonical").fen(), 123_450);
        for text in ["1,234.50", "1234.5", "1234", " 1234.50", "01234.50"] {
            assert!(text.parse::<Yuan>().is_ok(), "{text}");
            assert!(serde_json::from_str::<Yuan>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn display_parses_back(fen in 0_i64..i64::MAX) {
            let amount = Yuan::from_fen(fen);
            proptest::prop_assert_eq!(amount.to_string().parse::<Yuan>().expect("own text"), amount);
        }
    }
}
