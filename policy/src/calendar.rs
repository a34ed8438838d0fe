//! `calendar/<year>.toml`: working days by the State Council's yearly notice. A year without data is an error, never
//! computed with weekends alone.

use std::collections::{BTreeMap, BTreeSet};

use chengxin_schemas::time::Day;
use jiff::civil::Weekday;
use serde::Deserialize;
use toml::Spanned;

use crate::bundle::{error_at, toml_parse};
use crate::entries::Entry;
use crate::error::PolicyError;
use crate::verification::MissingFact;

/// Most working days counted at once: two years. Longer periods in law are counted in months.
const COUNT_LIMIT: u32 = 500;

/// The calendars of a bundle: consecutive years, each from its notice.
#[derive(Clone, Debug, Default)]
pub struct Calendars(BTreeMap<i16, YearCalendar>);

/// The days of one year that differ from "Monday to Friday are worked".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YearCalendar {
    /// Days off, those on weekends among them.
    pub holidays: BTreeSet<Day>,
    /// Saturdays and Sundays that are worked.
    pub makeup_workdays: BTreeSet<Day>,
    /// The notice, and through whom it was read.
    pub source: String,
    /// Whether the days were compared with the notice or an independent copy of it.
    pub verified: bool,
    /// What was not; empty when verified, and only then.
    pub missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    year: Spanned<i16>,
    source: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
    holidays: Vec<Spanned<Day>>,
    makeup_workdays: Vec<Spanned<Day>>,
}

impl Calendars {
    pub(crate) fn year_parse(&mut self, file: &str, year: i16, text: &str) -> Result<(), PolicyError> {
        let raw: RawFile = toml_parse(file, text)?;
        let fix = "correct the file";
        let stated = *raw.year.get_ref();
        if stated != year {
            return Err(error_at(file, text, &raw.year, format!("says year {stated}"), fix));
        }
        let entry = Entry::new(file, text, "", file, &raw.year);
        entry.text(&raw.source)?;
        entry.verification(raw.verified, &raw.missing)?;
        let (mut holidays, mut makeup_workdays) = (BTreeSet::new(), BTreeSet::new());
        for (days, worked) in [(&raw.holidays, false), (&raw.makeup_workdays, true)] {
            for place in days {
                let day = *place.get_ref();
                let wrong = |reason: String| Err(error_at(file, text, place, reason, fix));
                if day.0.year() != year {
                    return wrong(format!("{day} is not in {year}"));
                }
                if worked && !is_weekend(day) {
                    return wrong(format!("make-up workday {day} is no Saturday or Sunday"));
                }
                if worked && holidays.contains(&day) {
                    return wrong(format!("{day} is both off and worked"));
                }
                if !(if worked { &mut makeup_workdays } else { &mut holidays }).insert(day) {
                    return wrong(format!("{day} stands twice"));
                }
            }
        }
        let RawFile { source, verified, missing, .. } = raw;
        self.0.insert(year, YearCalendar { holidays, makeup_workdays, source, verified, missing });
        Ok(())
    }

    /// At least one year, and none missing between the first and the last: a period across the gap would have no end.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let absent = |year: i16, reason: &str| {
            let fix = "add the calendar of the State Council's notice for the year";
            Err(PolicyError::file(&format!("calendar/{year}.toml"), None, reason, fix))
        };
        let (Some((first, _)), Some((last, _))) = (self.0.first_key_value(), self.0.last_key_value()) else {
            return Err(PolicyError::file(
                "calendar",
                None,
                "no year has a calendar",
                "add calendar/2026.toml",
            ));
        };
        match (*first..=*last).find(|year| !self.0.contains_key(year)) {
            Some(year) => absent(year, "missing, though years before and after it are there"),
            None => Ok(()),
        }
    }

    /// Years with data, ascending and without a gap.
    pub fn years(&self) -> impl Iterator<Item = i16> + '_ {
        self.0.keys().copied()
    }

    /// Years with their data, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i16, &YearCalendar)> {
        self.0.iter().map(|(year, calendar)| (*year, calendar))
    }

    /// The data of a year; a year without data is an error that names the file.
    pub fn year(&self, year: i16) -> Result<&YearCalendar, PolicyError> {
        self.0.get(&year).ok_or(PolicyError::NoCalendar { year })
    }

    /// Whether a day is worked.
    pub fn is_working_day(&self, day: Day) -> Result<bool, PolicyError> {
        let calendar = self.year(day.0.year())?;
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

    /// The day itself if it is worked, else the next that is.
    pub fn working_day_from(&self, day: Day) -> Result<Day, PolicyError> {
        let mut day = day;
        while !self.is_working_day(day)? {
            day = Day(day.0.tomorrow().map_err(|_| PolicyError::NoCalendar { year: day.0.year() })?);
        }
        Ok(day)
    }
}

fn is_weekend(day: Day) -> bool {
    matches!(day.0.weekday(), Weekday::Saturday | Weekday::Sunday)
}
