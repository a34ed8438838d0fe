//! The version of a policy bundle: the series, a hyphen, and numbers between dots, `baseline-2026.3`. The series of a
//! league's or city's overlay is the region's code, `150100-2026.1`, so that a version says whose it is.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::identity::string_serde;
use crate::region::RegionCode;

/// Longest series, in bytes.
const SERIES_LIMIT: usize = 40;
/// Most numbers.
const NUMBERS_LIMIT: usize = 4;

/// Names one content of the policy for ever: decisions, records and certificates keep it. Within a series a later version
/// has higher numbers; which of two series is the later one, only the order of publications says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyVersion {
    series: String,
    numbers: Vec<u32>,
}

/// Whose policy it is: what is published, staged and adopted for one is so independently of the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PolicyScope {
    /// The federation's bundle.
    Federation,
    /// The overlay of a league or city, which narrows the bundle for the nodes there.
    Region(RegionCode),
}

impl PolicyVersion {
    /// Whose version it is, by its series.
    pub fn scope(&self) -> PolicyScope {
        let region = RegionCode::parse(&self.series).ok().filter(|region| region.is_league_or_city());
        region.map_or(PolicyScope::Federation, PolicyScope::Region)
    }

    /// The series.
    pub fn series(&self) -> &str {
        &self.series
    }

    /// Whether the version follows `other` by its numbers; true for another series, which no number compares.
    pub fn follows(&self, other: &Self) -> bool {
        self.series != other.series || self.numbers > other.numbers
    }

    /// The version with the last number one higher; none after the highest.
    pub fn next(&self) -> Option<Self> {
        let mut next = self.clone();
        let last = next.numbers.last_mut()?;
        *last = last.checked_add(1)?;
        Some(next)
    }
}

impl std::fmt::Display for PolicyVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.series)?;
        for (index, number) in self.numbers.iter().enumerate() {
            write!(formatter, "{}{number}", if index == 0 { '-' } else { '.' })?;
        }
        Ok(())
    }
}

impl std::str::FromStr for PolicyVersion {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        version_parse(text).ok_or_else(|| {
            SchemaError::field(
                "version",
                "not the version of a policy",
                "it reads like baseline-2026.3: a name in small letters, digits and hyphens, then one to four numbers",
            )
        })
    }
}

fn version_parse(text: &str) -> Option<PolicyVersion> {
    let (series, numbers) = text.rsplit_once('-')?;
    let is_label = (1..=SERIES_LIMIT).contains(&series.len())
        && series.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let numbers: Vec<u32> = numbers.split('.').map(number_parse).collect::<Option<_>>()?;
    (is_label && numbers.len() <= NUMBERS_LIMIT).then(|| PolicyVersion { series: series.to_owned(), numbers })
}

/// A decimal number without leading zeros, so that a version has one spelling.
fn number_parse(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

string_serde!(PolicyVersion, "policy version", "^[a-z0-9-]{1,40}(-[0-9]{1,10})([.][0-9]{1,10}){0,3}$");

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> PolicyVersion {
        text.parse().expect("a version")
    }

    #[test]
    fn a_version_is_written_as_it_is_read_and_has_an_order_within_its_series() {
        for text in ["baseline-2026.3", "nei-menggu-2027.1.12", "x-0"] {
            assert_eq!(version(text).to_string(), text);
        }
        assert!(version("baseline-2026.10").follows(&version("baseline-2026.9")));
        assert!(!version("baseline-2026.9").follows(&version("baseline-2026.9")));
        assert!(version("baseline-2026.9.1").follows(&version("baseline-2026.9")));
        assert!(version("other-1").follows(&version("baseline-2026.9")));
        assert_eq!(version("baseline-2026.9").next(), Some(version("baseline-2026.10")));
        assert_eq!(version("baseline-4294967295").next(), None);
    }

    #[test]
    fn a_version_says_whose_it_is() {
        let region = RegionCode::parse("150100").expect("region");
        assert_eq!(version("150100-2026.1").scope(), PolicyScope::Region(region));
        for text in ["baseline-2026.1", "150000-2026.1", "150102-2026.1", "150100-a-2026.1", "15010-1"] {
            assert_eq!(version(text).scope(), PolicyScope::Federation, "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_version() {
        for text in [
            "",
            "baseline",
            "baseline-",
            "-2026.1",
            "baseline-2026.",
            "baseline-02026.1",
            "Baseline-1",
            "a-1.2.3.4.5",
            "a-4294967296",
            "a_b-1",
            "a-1 ",
        ] {
            assert!(text.parse::<PolicyVersion>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_that_parses_is_written_back_the_same(text in "[a-z0-9.-]{0,24}|\\PC{0,20}") {
            if let Ok(version) = text.parse::<PolicyVersion>() {
                proptest::prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
