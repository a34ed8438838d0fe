//! Time as an argument: seconds since 1970 in UTC, calendar dates as written in documents, and the clock that hands
//! time in.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::error::SchemaError;

/// Whole seconds since 1970-01-01T00:00:00Z. Stored and signed times are UTC; people see Asia/Shanghai.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Adds seconds, stopping at the ends of the range instead of wrapping.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to `self`.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Refuses a time of signing that lies after `now` by more than `tolerance` seconds: nothing is signed in the future.
    pub(crate) fn check_signed_by(
        self,
        now: Self,
        tolerance: i64,
        form: &'static str,
    ) -> Result<(), SchemaError> {
        if self > now.plus(tolerance) {
            return Err(SchemaError::Expired {
                form,
                reason: format!(
                    "it was signed {} seconds in the future; set the clocks of both nodes by the same time server",
                    self.since(now)
                ),
            });
        }
        Ok(())
    }

    /// `YYYY-MM-DD HH:MM:SS` in Asia/Shanghai (UTC+8 all year since 1991), for people.
    pub fn to_shanghai(self) -> String {
        match Timestamp::from_second(self.0) {
            Ok(timestamp) => {
                timestamp.to_zoned(TimeZone::fixed(SHANGHAI)).strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            Err(_) => self.0.to_string(),
        }
    }

    /// RFC 3339 in UTC, for machine output.
    pub fn to_rfc3339(self) -> String {
        Timestamp::from_second(self.0).map_or_else(|_| self.0.to_string(), |timestamp| timestamp.to_string())
    }

    /// The calendar day in Asia/Shanghai.
    pub fn shanghai_date(self) -> Date {
        Timestamp::from_second(self.0)
            .map_or(Date::MIN, |timestamp| timestamp.to_zoned(TimeZone::fixed(SHANGHAI)).date())
    }
}

const SHANGHAI: Offset = Offset::constant(8);

/// Hands time in. The binary has the real clock; tests and the simulator have theirs.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> UnixTime;
}

/// A clock that stands where it is put.
#[derive(Debug, Default)]
pub struct FixedClock(std::sync::atomic::AtomicI64);

impl FixedClock {
    /// A clock standing at `time`.
    pub fn new(time: UnixTime) -> Self {
        Self(std::sync::atomic::AtomicI64::new(time.0))
    }

    /// Puts the clock to `time`.
    pub fn set(&self, time: UnixTime) {
        self.0.store(time.0, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

/// The year that spells "no end" in every platform's files.
const LONG_TERM_YEAR: i16 = 2099;

/// The end of a period as documents write it: a day, or long-term (长期), which files spell as a day in 2099.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PeriodEnd {
    /// The last day.
    On(LastDay),
    /// No end.
    LongTerm,
}

/// The last day of a period that has an end. No day of 2099 is one: it would be written as a day and read as long-term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LastDay(Date);

impl LastDay {
    /// `None` for a day of 2099. Who has computed such an end cannot say it, and must not say long-term instead.
    pub fn new(date: Date) -> Option<Self> {
        (date.year() != LONG_TERM_YEAR).then_some(Self(date))
    }
}

impl PeriodEnd {
    /// The end that a document writes as `date`: a day in 2099 means long-term.
    pub fn from_date(date: Date) -> Self {
        LastDay::new(date).map_or(Self::LongTerm, Self::On)
    }

    /// Whether the period is over on `day`.
    pub fn is_over(self, day: Date) -> bool {
        match self {
            Self::On(LastDay(last)) => day > last,
            Self::LongTerm => false,
        }
    }
}

impl std::fmt::Display for PeriodEnd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::On(LastDay(date)) => write!(formatter, "{date}"),
            Self::LongTerm => formatter.write_str("long-term"),
        }
    }
}

impl std::str::FromStr for PeriodEnd {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        if matches!(text, "long-term" | "长期") {
            return Ok(Self::LongTerm);
        }
        date_parse(text).map(Self::from_date).ok_or_else(|| {
            SchemaError::field("period_end", "neither a date nor long-term", "write YYYY-MM-DD or long-term")
        })
    }
}

crate::identity::string_serde!(
    PeriodEnd,
    "last day of a period, or long-term",
    "^([0-9]{4}-[0-9]{2}-[0-9]{2}|long-term)$"
);

/// A date of exactly the form YYYY-MM-DD. The library also reads dates without hyphens, and drops a time behind one.
fn date_parse(text: &str) -> Option<Date> {
    let digits = text.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if text.len() == 10 && digits { text.parse().ok() } else { None }
}

/// A calendar day in ISO form with a JSON Schema.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Day(pub Date);

impl std::fmt::Display for Day {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::str::FromStr for Day {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        date_parse(text)
            .map(Self)
            .ok_or_else(|| SchemaError::field("date", "not a calendar date", "write YYYY-MM-DD"))
    }
}

crate::identity::string_serde!(Day, "calendar date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_of_2099_is_no_end() {
        assert_eq!("2099-12-31".parse::<PeriodEnd>().expect("date"), PeriodEnd::LongTerm);
        assert_eq!("2099-01-31".parse::<PeriodEnd>().expect("date"), PeriodEnd::LongTerm);
        let end = "2026-12-31".parse::<PeriodEnd>().expect("date");
        assert!(end.is_over("2027-01-01".parse().expect("date")));
        assert!(!end.is_over("2026-12-31".parse().expect("date")));
    }

    #[test]
    fn every_end_reads_as_it_was_written() {
        let mut day: Date = "1900-01-01".parse().expect("date");
        while day.year() <= 2100 {
            let text = serde_json::to_string(&PeriodEnd::from_date(day)).expect("written");
            assert_eq!(serde_json::from_str::<PeriodEnd>(&text).expect(&text), PeriodEnd::from_date(day));
            assert_eq!(LastDay::new(day).is_none(), day.year() == 2099);
            day = day.tomorrow().expect("tomorrow");
        }
    }

    /// A notice's digest covers its text: what is read must be written again in the same words.
    #[test]
    fn a_document_says_long_term_in_one_way() {
        assert_eq!(
            serde_json::from_str::<PeriodEnd>("\"long-term\"").expect("canonical"),
            PeriodEnd::LongTerm
        );
        assert!(serde_json::from_str::<PeriodEnd>("\"2026-12-31\"").is_ok());
        for text in ["2099-12-31", "长期"] {
            assert!(serde_json::from_str::<PeriodEnd>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!("2026-05-04".parse::<Day>().expect("day").to_string(), "2026-05-04");
        for bad in
            ["20260504", "2026-05-04T10:00", "2026-02-30", "2026-5-4", "-002026-05-04", "2026/05/04", ""]
        {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
            assert!(bad.parse::<PeriodEnd>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shanghai_is_eight_hours_ahead() {
        let time = UnixTime(1_795_334_400); // 2026-11-22T08:00:00Z
        assert_eq!(time.to_rfc3339(), "2026-11-22T08:00:00Z");
        assert_eq!(time.to_shanghai(), "2026-11-22 16:00:00");
        assert_eq!(UnixTime(1_795_363_200).shanghai_date().to_string(), "2026-11-23");
    }
}
