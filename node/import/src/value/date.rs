//! Days in the forms that real files use: an explicit list, and nothing else is a date.

use chengxin_schemas::time::UnixTime;
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;

use super::text_fold;

/// Why a text is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateProblem {
    /// In none of the forms.
    Form,
    /// In a form, but the calendar has no such day, or the year is outside 1900–2100.
    Impossible,
}

/// A day read from a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadDate {
    /// The day, in Asia/Shanghai where the text names an instant.
    pub date: Date,
    /// A time of day other than midnight stood beside it.
    pub time_dropped: bool,
}

/// Spellings of "no end" in period fields.
const LONG_TERM: [&str; 5] = ["长期", "长期有效", "永久", "永久有效", "无固定期限"];

/// Whether a period field says that it has no end, in words.
pub fn is_long_term(text: &str) -> bool {
    LONG_TERM.contains(&text_fold(text).as_str())
}

/// Reads a day. The forms, after folding full-width characters:
///
/// - `2026-05-04`, `2026/5/4`, `2026.05.04`, `20260504`, `2026年5月4日`
/// - each with ` 00:00`, ` 00:00:00`, `T00:00:00`, with or without a fraction
/// - RFC 3339 instants (`…Z`, `…+08:00`), taken in Asia/Shanghai
/// - epoch milliseconds (13 digits), taken in Asia/Shanghai
/// - Excel serial days (five digits, with or without a fraction) in the 1900 system, or in the 1904 system where
///   the workbook says so
pub fn date_parse(text: &str, epoch_1904: bool) -> Result<ReadDate, DateProblem> {
    let folded = text_fold(text);
    if let Some(date) = digits_parse(&folded, epoch_1904) {
        return date.and_then(in_range);
    }
    if let Ok(timestamp) = folded.parse::<Timestamp>() {
        return shanghai_day(timestamp).and_then(in_range);
    }
    let (day_text, time_text) = split_time(&folded);
    let date = parts_parse(day_text)?;
    let time_dropped = time_text.map_or(Ok(false), time_parse)?;
    in_range(ReadDate { date, time_dropped })
}

/// The day of an Excel serial number. Serial 60 of the 1900 system is the day 1900-02-29 that never was.
pub fn serial_date(serial: f64, epoch_1904: bool) -> Result<ReadDate, DateProblem> {
    if !serial.is_finite() || !(1.0..=80_000.0).contains(&serial) {
        return Err(DateProblem::Impossible);
    }
    let (days, seconds) = serial_split(serial);
    let (epoch, days) = match (epoch_1904, days) {
        (true, days) => (Date::constant(1904, 1, 1), days),
        (false, 60) => return Err(DateProblem::Impossible),
        (false, days) if days < 60 => (Date::constant(1899, 12, 31), days),
        (false, days) => (Date::constant(1899, 12, 30), days),
    };
    let date = epoch.checked_add(days.days()).map_err(|_| DateProblem::Impossible)?;
    in_range(ReadDate { date, time_dropped: seconds != 0 })
}

/// Whole days and the nearest second of a serial number between 0 and 100,000. The last half second of a day belongs to
/// the next one, as spreadsheet programs show it.
pub(crate) fn serial_split(serial: f64) -> (i64, u32) {
    // Below 10¹⁰, so the conversion is exact.
    let seconds = (serial * 86_400.0).round() as i64;
    (seconds.div_euclid(86_400), u32::try_from(seconds.rem_euclid(86_400)).unwrap_or_default())
}

fn in_range(read: ReadDate) -> Result<ReadDate, DateProblem> {
    if (1900..=2100).contains(&read.date.year()) { Ok(read) } else { Err(DateProblem::Impossible) }
}

fn shanghai_day(timestamp: Timestamp) -> Result<ReadDate, DateProblem> {
    let seconds = timestamp.as_second();
    let date = UnixTime(seconds).shanghai_date();
    let time_dropped = seconds.saturating_add(8 * 3600).rem_euclid(86_400) != 0;
    Ok(ReadDate { date, time_dropped })
}

/// Texts of digits only, and serial days with a fraction; nothing when the text is neither.
fn digits_parse(text: &str, epoch_1904: bool) -> Option<Result<ReadDate, DateProblem>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let has_fraction = whole.len() != text.len();
    match whole.len() {
        5 => Some(
            text.parse().map_err(|_| DateProblem::Form).and_then(|serial| serial_date(serial, epoch_1904)),
        ),
        8 if !has_fraction => Some(
            day_new(&whole[..4], &whole[4..6], &whole[6..])
                .map(|date| ReadDate { date, time_dropped: false }),
        ),
        13 if !has_fraction => Some(
            whole
                .parse::<i64>()
                .ok()
                .and_then(|millis| Timestamp::from_millisecond(millis).ok())
                .ok_or(DateProblem::Impossible)
                .and_then(shanghai_day),
        ),
        // A single point with the year before it is the dotted form without a day.
        _ => Some(Err(DateProblem::Form)),
    }
}

/// Splits at the first space or `T`.
fn split_time(text: &str) -> (&str, Option<&str>) {
    match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, Some(time.trim())),
        None => (text, None),
    }
}

fn parts_parse(text: &str) -> Result<Date, DateProblem> {
    let parts: Vec<&str> = if let Some((year, rest)) = text.split_once('年') {
        let (month, day) = rest.split_once('月').ok_or(DateProblem::Form)?;
        vec![year, month, day.trim_end_matches(['日', '号'])]
    } else {
        let separator =
            text.chars().find(|symbol| matches!(symbol, '-' | '/' | '.')).ok_or(DateProblem::Form)?;
        text.split(separator).collect()
    };
    let [year, month, day] = parts[..] else { return Err(DateProblem::Form) };
    let digits = |part: &str, most: usize| {
        !part.is_empty() && part.len() <= most && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if year.len() != 4 || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return Err(DateProblem::Form);
    }
    day_new(year, month, day)
}

fn day_new(year: &str, month: &str, day: &str) -> Result<Date, DateProblem> {
    let (year, month, day) = (
        year.parse::<i16>().map_err(|_| DateProblem::Form)?,
        month.parse::<i8>().map_err(|_| DateProblem::Form)?,
        day.parse::<i8>().map_err(|_| DateProblem::Form)?,
    );
    Date::new(year, month, day).map_err(|_| DateProblem::Impossible)
}

/// Whether a time of day is other than midnight.
fn time_parse(text: &str) -> Result<bool, DateProblem> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let digits =
        |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(2..=3).contains(&parts.len())
        || !parts.iter().all(digits)
        || fraction.len() > 9
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(DateProblem::Form);
    }
    let limits = [24_u8, 60, 61];
    for (part, limit) in parts.iter().zip(limits) {
        if part.parse::<u8>().map_err(|_| DateProblem::Form)? >= limit {
            return Err(DateProblem::Impossible);
        }
    }
    Ok(text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let read = date_parse(text, false).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        assert_eq!(read.date.to_string(), expected, "{text}");
        assert!(!read.time_dropped, "{text}");
    }

    #[test]
    fn every_listed_form_is_read() {
        for text in [
            "2026-05-04",
            "2026/05/04",
            "2026/5/4",
            "2026.5.4",
            "20260504",
            "2026年5月4日",
            "２０２６年０５月０４日",
            " 2026-05-04 00:00:00 ",
            "2026-05-04 00:00:00.0",
            "2026/5/4 0:00",
            "2026-05-04T00:00:00",
            "2026-05-03T16:00:00.000Z",
            "2026-05-04T00:00:00+08:00",
            "1777824000000",
            "46146",
            "46146.0",
        ] {
            check(text, "2026-05-04");
        }
        assert_eq!(
            date_parse("2026-05-04 09:30", false),
            Ok(ReadDate { date: Date::constant(2026, 5, 4), time_dropped: true })
        );
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in
            ["2022-09-31", "2026/13/01", "2026-02-29", "0202-05-04", "2026-05-04 25:00", "99999", "99999999"]
        {
            assert_eq!(date_parse(text, false), Err(DateProblem::Impossible), "{text}");
        }
        for text in [
            "2026-05",
            "2026年5月",
            "昨天",
            "5/4/2026",
            "04-05-2026",
            "26-05-04",
            "2026-05-04 morning",
            "1.5",
            "",
            "+2026-05-04",
        ] {
            assert_eq!(date_parse(text, false), Err(DateProblem::Form), "{text}");
        }
    }

    #[test]
    fn serial_days_follow_the_epoch_and_its_famous_fault() {
        let day = |serial, epoch| serial_date(serial, epoch).map(|read| read.date.to_string());
        assert_eq!(day(1.0, false).as_deref(), Ok("1900-01-01"));
        assert_eq!(day(59.0, false).as_deref(), Ok("1900-02-28"));
        assert_eq!(day(60.0, false), Err(DateProblem::Impossible));
        assert_eq!(day(61.0, false).as_deref(), Ok("1900-03-01"));
        assert_eq!(day(44_684.0, true).as_deref(), Ok("2026-05-04"));
        assert_eq!(
            serial_date(46_145.999_999, false),
            Ok(ReadDate { date: Date::constant(2026, 5, 4), time_dropped: false })
        );
        assert_eq!(day(f64::NAN, true), Err(DateProblem::Impossible));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_day_or_not(text in "[0-9年月日/:. T+Z-]{0,26}|.{0,20}", epoch in proptest::bool::ANY) {
            let _ = date_parse(&text, epoch);
        }

        #[test]
        fn any_number_is_a_day_or_not(serial in proptest::num::f64::ANY) {
            let _ = serial_date(serial, false);
        }
    }
}
