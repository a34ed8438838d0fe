//! Administrative division codes (GB/T 2260), six digits.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;

/// A six-digit division code, for example 150100 Hohhot. Codes were retired and reused, so holding one says nothing
/// about whether it is current.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RegionCode(u32);

impl RegionCode {
    /// Parses six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if let (true, Ok(number)) = (digits, text.parse()) {
            return Ok(Self(number));
        }
        Err(SchemaError::field(
            "region",
            "not a six-digit division code",
            "give a GB/T 2260 code such as 150100",
        ))
    }

    /// Whether `self` lies within `outer`: equal, or `outer` is its league, city or province.
    pub fn is_within(self, outer: Self) -> bool {
        let scale = match outer.0 {
            code if code % 10_000 == 0 => 10_000,
            code if code % 100 == 0 => 100,
            _ => 1,
        };
        self.0 / scale == outer.0 / scale
    }

    /// Whether it is the code of a league or city (盟市): four digits that say which, and two zeros.
    pub fn is_league_or_city(self) -> bool {
        self.league_or_city() == Some(self)
    }

    /// The league or city that it is or lies within; none for a province, which lies within none.
    pub fn league_or_city(self) -> Option<Self> {
        let code = self.0 / 100 * 100;
        (!code.is_multiple_of(10_000)).then_some(Self(code))
    }
}

impl std::fmt::Display for RegionCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:06}", self.0)
    }
}

impl std::str::FromStr for RegionCode {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        Self::parse(text)
    }
}

crate::identity::string_serde!(RegionCode, "division code, GB/T 2260", "^[0-9]{6}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containment_follows_the_digits() {
        let region = |text| RegionCode::parse(text).expect("six digits");
        assert!(region("150102").is_within(region("150100")));
        assert!(region("150102").is_within(region("150000")));
        assert!(!region("150200").is_within(region("150100")));
        assert!(!region("150000").is_within(region("150100")));
        assert!(region("150102").is_within(region("150102")));
        assert_eq!(region("150102").league_or_city(), Some(region("150100")));
        assert_eq!(region("150100").league_or_city(), Some(region("150100")));
        assert_eq!(region("150000").league_or_city(), None);
        // A province's own bodies stand under no league.
        assert_eq!(region("150001").league_or_city(), None);
        assert!(region("150100").is_league_or_city());
        assert!(!region("150102").is_league_or_city() && !region("150000").is_league_or_city());
        assert!(RegionCode::parse("15010").is_err());
        assert!(RegionCode::parse("15010a").is_err());
    }
}
