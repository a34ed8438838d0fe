//! `calendar/<year>.toml`: working days by the State Council's yearly notice. A year without data is an error, never
//! computed with weekends alone.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::time::Day;
use jiff::civil::Weekday;
use serde::Deserialize;

use crate::bundle::toml_parse;
use crate::error::PolicyError;

/// Most working days counted at once: two years. Longer periods in law are counted in months.
const COUNT_LIMIT: u32 = 500;

/// The calendars of a bundle.
#[derive(Clone, Debug, Default)]
pub struct Calendars(BTreeMap<i16, YearCalendar>);

#[derive(Clone, Debug)]
struct YearCalendar {
    holidays: BTreeSet<Day>,
    makeup_workdays: BTreeSet<Day>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    year: i16,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "verified")]
    _verified: bool,
    holidays: BTreeSet<Day>,
    makeup_workdays: BTreeSet<Day>,
}

impl Calendars {
    pub(crate) fn year_parse(&mut self, file: &str, year: i16, text: &str) -> Result<(), PolicyError> {
        let raw: RawFile = toml_parse(file, text)?;
        let wrong = |reason: String| PolicyError::file(file, None, reason, "correct the file");
        if raw.year != year {
            return Err(wrong(format!("says year {}", raw.year)));
        }
        if let Some(day) = raw.holidays.iter().chain(&raw.makeup_workdays).find(|day| day.0.year() != year) {
            return Err(wrong(format!("{day} is not in {year}")));
        }
        if let Some(day) = raw.makeup_workdays.iter().find(|day| !is_weekend(**day)) {
            return Err(wrong(format!("make-up workday {day} is no Saturday or Sunday")));
        }
        if let Some(day) = raw.holidays.intersection(&raw.makeup_workdays).next() {
            return Err(wrong(format!("{day} is both off and worked")));
        }
        let calendar = YearCalendar { holidays: raw.holidays, makeup_workdays: raw.makeup_workdays };
        self.0.insert(year, calendar);
        Ok(())
    }

    /// Years with data, ascending.
    pub fn years(&self) -> impl Iterator<Item = i16> + '_ {
        self.0.keys().copied()
    }

    /// Whether a day is worked.
    pub fn is_working_day(&self, day: Day) -> Result<bool, PolicyError> {
        let year = day.0.year();
        let calendar = self.0.get(&year).ok_or(PolicyError::NoCalendar { year })?;
        Ok(calendar.makeup_workdays.contains(&day) || (!is_weekend(day) && !calendar.holidays.contains(&day)))
    }

    /// The day on which a period of `count` working days ends. The day of the event is not counted; at most 500.
    pub fn working_days_after(&self, event: Day, count: u32) -> Result<Day, PolicyError> {
        if count > COUNT_LIMIT {
            let what = "a period".to_owned();
            return Err(PolicyError::TooLarge { what, unit: "working days", limit: COUNT_LIMIT as usize });
        }
        let mut day = event;
        let mut left = count;
        while left > 0 {
            day = Day(day.0.tomorrow().map_err(|_| PolicyError::NoCalendar { year: day.0.year() })?);
            if self.is_working_day(day)? {
                left -= 1;
            }
        }
        Ok(day)
    }
}

fn is_weekend(day: Day) -> bool {
    matches!(day.0.weekday(), Weekday::Saturday | Weekday::Sunday)
}
