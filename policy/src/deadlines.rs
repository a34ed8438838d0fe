//! `deadlines.toml`: within which time something is due, in working days, calendar days or months as the document says.

use chengxin_schemas::time::Day;
use jiff::Span;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, toml_parse};
use crate::calendar::Calendars;
use crate::entries::{Entry, entries_limit, versions_check};
use crate::error::{LookupError, PolicyError};
use crate::provenance::{Provenance, RuleId};
use crate::verification::MissingFact;

pub(crate) const FILE: &str = "deadlines.toml";
/// Longest term of each kind: two years of working days, ten years of days, fifty years of months. Far above any law,
/// low enough for every calendar computation.
const WORKING_DAYS_LIMIT: u16 = 500;
const CALENDAR_DAYS_LIMIT: u16 = 3_660;
const MONTHS_LIMIT: u16 = 600;

/// How long a term is, and in which days. The unit is part of the value: a text that says 工作日 means working days, one
/// that says 日 means calendar days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TermLength {
    /// 即时: on the day of the event.
    AtOnce,
    /// 工作日.
    WorkingDays(u16),
    /// 日.
    CalendarDays(u16),
    /// 月.
    Months(u16),
}

impl TermLength {
    fn is_within_limits(self) -> bool {
        match self {
            Self::AtOnce => true,
            Self::WorkingDays(count) => (1..=WORKING_DAYS_LIMIT).contains(&count),
            Self::CalendarDays(count) => (1..=CALENDAR_DAYS_LIMIT).contains(&count),
            Self::Months(count) => (1..=MONTHS_LIMIT).contains(&count),
        }
    }

    /// For people.
    pub fn chinese(self) -> String {
        match self {
            Self::AtOnce => "即时".to_owned(),
            Self::WorkingDays(count) => format!("{count} 个工作日"),
            Self::CalendarDays(count) => format!("{count} 日"),
            Self::Months(count) => format!("{count} 个月"),
        }
    }

    /// For people.
    pub fn english(self) -> String {
        let (count, unit) = match self {
            Self::AtOnce => return "at once".to_owned(),
            Self::WorkingDays(count) => (count, "working day"),
            Self::CalendarDays(count) => (count, "calendar day"),
            Self::Months(count) => (count, "month"),
        };
        format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// What a deadline belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineMatter {
    /// 信用修复.
    Repair,
    /// 异议.
    Objection,
    /// Records: their publication, withdrawal and end.
    Record,
    /// 政务数据共享.
    Sharing,
    /// 政府信息公开.
    Disclosure,
    /// Payment of what is owed, and complaints about it.
    Payment,
    /// 政务处分.
    Discipline,
}

/// How far a deadline binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// By national law or policy.
    National,
    /// By the region's own law.
    Region,
    /// By nothing yet: taken over from another region's law until the own value is loaded. Never verified.
    Model,
}

/// A deadline in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// Name of this version.
    pub id: RuleId,
    /// Name of the deadline across its versions.
    pub key: RuleId,
    /// What it belongs to.
    pub matter: DeadlineMatter,
    /// From what to what, for people.
    pub chinese: String,
    /// From what to what, for people.
    pub english: String,
    /// How long; absent where the document leaves it open, and then nothing can be computed from it.
    pub length: Option<TermLength>,
    /// The deadline that may be added to it, by key.
    pub extension: Option<RuleId>,
    /// How far it binds.
    pub binding: Binding,
    /// What it rests on.
    pub provenance: Provenance,
}

/// How days are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counting {
    /// Whether the day of the event is the first day of the term.
    pub event_day_counts: bool,
    /// Whether a term in calendar days that ends on a day off ends on the next working day instead.
    pub ends_on_working_day: bool,
    /// What it rests on.
    pub provenance: Provenance,
}

/// A deadline applied to one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// The last day.
    pub last_day: Day,
    /// The version that decided.
    pub rule: RuleId,
    /// Whether the length was read in its document and the rules of counting in theirs.
    pub verified: bool,
}

/// All deadlines of a bundle.
#[derive(Clone, Debug)]
pub struct Deadlines {
    counting: Counting,
    deadlines: Vec<Deadline>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    counting: Spanned<RawCounting>,
    deadline: Vec<RawDeadline>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCounting {
    event_day_counts: bool,
    ends_on_working_day: bool,
    source: String,
    document: String,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeadline {
    id: Spanned<RuleId>,
    key: RuleId,
    matter: DeadlineMatter,
    chinese: String,
    english: String,
    length: Option<TermLength>,
    extension: Option<RuleId>,
    binding: Binding,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

pub(crate) fn deadlines_parse(text: &str) -> Result<Deadlines, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    entries_limit(FILE, raw.deadline.len())?;
    let place = raw.counting;
    let (counting, span) = (place.get_ref(), &place);
    let counting = Counting {
        event_day_counts: counting.event_day_counts,
        ends_on_working_day: counting.ends_on_working_day,
        provenance: Provenance {
            source: counting.source.clone(),
            document: counting.document.clone(),
            effective_from: None,
            effective_to: None,
            verified: counting.verified,
            missing: counting.missing.clone(),
        },
    };
    Entry::new(FILE, text, "", "counting", span).provenance(&counting.provenance)?;
    let mut deadlines: Vec<Deadline> = Vec::new();
    let mut places = Vec::new();
    for entry in raw.deadline {
        let place = entry.id;
        let deadline = Deadline {
            id: place.get_ref().clone(),
            key: entry.key,
            matter: entry.matter,
            chinese: entry.chinese,
            english: entry.english,
            length: entry.length,
            extension: entry.extension,
            binding: entry.binding,
            provenance: Provenance {
                source: entry.source,
                document: entry.document,
                effective_from: entry.effective_from,
                effective_to: entry.effective_to,
                verified: entry.verified,
                missing: entry.missing,
            },
        };
        let named = Entry::new(FILE, text, "deadline", deadline.id.as_str(), &place);
        if deadline.id.is_reserved() || deadlines.iter().any(|other| other.id == deadline.id) {
            return Err(named.twice());
        }
        deadline_check(&named, &deadline)?;
        deadlines.push(deadline);
        places.push(place);
    }
    for (deadline, place) in deadlines.iter().zip(&places) {
        let named = Entry::new(FILE, text, "deadline", deadline.id.as_str(), place);
        if let Some(key) = &deadline.extension {
            extension_check(&named, key, &deadlines)?;
        }
        let mut versions: Vec<_> = deadlines
            .iter()
            .zip(&places)
            .filter(|(other, _)| other.key == deadline.key)
            .map(|(other, place)| {
                (Entry::new(FILE, text, "deadline", other.id.as_str(), place), &other.provenance)
            })
            .collect();
        versions_check(&mut versions)?;
    }
    Ok(Deadlines { counting, deadlines })
}

fn deadline_check(entry: &Entry<'_>, deadline: &Deadline) -> Result<(), PolicyError> {
    entry.titles(&deadline.chinese, &deadline.english)?;
    entry.provenance(&deadline.provenance)?;
    match deadline.length {
        Some(length) if !length.is_within_limits() => {
            return Err(entry.wrong("the length is nothing, or longer than any law's", "correct the length"));
        }
        None if deadline.provenance.verified => {
            return Err(entry.wrong("verified without a length", "write the length, or set verified = false"));
        }
        Some(_) | None => {}
    }
    if deadline.binding == Binding::Model && deadline.provenance.verified {
        let fix = "set verified = false until the own value is loaded";
        return Err(entry.wrong("another region's value cannot be verified for this one", fix));
    }
    Ok(())
}

/// An extension is a deadline of the list that is not extended itself, so there are no chains and no cycles.
fn extension_check(entry: &Entry<'_>, key: &RuleId, deadlines: &[Deadline]) -> Result<(), PolicyError> {
    let mut versions = deadlines.iter().filter(|other| other.key == *key).peekable();
    if versions.peek().is_none() {
        return Err(entry.wrong(format!("unknown extension {key}"), "use the key of another deadline"));
    }
    if versions.any(|other| other.extension.is_some()) {
        let reason = format!("its extension {key} is extended itself");
        return Err(entry.wrong(reason, "name a deadline without an extension"));
    }
    Ok(())
}

impl Deadlines {
    /// Every deadline in every version, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Deadline> {
        self.deadlines.iter()
    }

    /// How days are counted.
    pub fn counting(&self) -> &Counting {
        &self.counting
    }

    /// The version of the deadline `key` in force on `day`. An error if there is none: a deadline is never guessed.
    pub fn on(&self, key: &RuleId, day: Day) -> Result<&Deadline, LookupError> {
        self.deadlines
            .iter()
            .find(|deadline| deadline.key == *key && deadline.provenance.is_effective_on(day))
            .ok_or_else(|| LookupError::NoRule { file: FILE, key: key.clone(), day })
    }

    /// The day behind which a deadline's days are counted after an event. Counting the day of the event itself is counting
    /// from the day before.
    fn start(&self, deadline: &Deadline, event: Day) -> Result<Day, LookupError> {
        if !self.counting.event_day_counts || deadline.length == Some(TermLength::AtOnce) {
            return Ok(event);
        }
        event.0.yesterday().map(Day).map_err(|_| out_of_range(event))
    }

    /// The last day of a deadline whose first day is the one after `start`.
    fn end(&self, calendars: &Calendars, deadline: &Deadline, start: Day) -> Result<Day, LookupError> {
        let length =
            deadline.length.ok_or_else(|| LookupError::NoValue { file: FILE, rule: deadline.id.clone() })?;
        let after = |span: Span| start.0.checked_add(span).map(Day).map_err(|_| out_of_range(start));
        match length {
            TermLength::AtOnce => Ok(start),
            TermLength::WorkingDays(count) => Ok(calendars.working_days_after(start, u32::from(count))?),
            TermLength::CalendarDays(count) => {
                let end = after(Span::new().days(i64::from(count)))?;
                if self.counting.ends_on_working_day { Ok(calendars.working_day_from(end)?) } else { Ok(end) }
            }
            TermLength::Months(count) => after(Span::new().months(i64::from(count))),
        }
    }

    /// Whether a last day by this version was read in the documents: the length in its own, the counting in another.
    fn is_verified(&self, deadline: &Deadline) -> bool {
        let counted = deadline.length != Some(TermLength::AtOnce);
        deadline.provenance.verified && (!counted || self.counting.provenance.verified)
    }
}

fn out_of_range(day: Day) -> LookupError {
    PolicyError::NoCalendar { year: day.0.year() }.into()
}

impl Bundle {
    /// The last day of the deadline `key` after an event, by the version in force on the day of the event, with the
    /// extension that may be granted if `extended`. Months end on the same day of the month, or on its last; only a term
    /// in calendar days is moved off a day off. The extension begins on the day after the last of what it extends, however
    /// the day of the event counts.
    ///
    /// Errors: no version in force on the day; a version whose length the document leaves open, or that has no extension
    /// when asked for it; a working day in a year without a calendar.
    pub fn due(&self, key: &RuleId, event: Day, extended: bool) -> Result<Due, LookupError> {
        let deadlines = self.deadlines();
        let deadline = deadlines.on(key, event)?;
        let last_day = deadlines.end(self.calendars(), deadline, deadlines.start(deadline, event)?)?;
        let verified = deadlines.is_verified(deadline);
        if !extended {
            return Ok(Due { last_day, rule: deadline.id.clone(), verified });
        }
        let none = || LookupError::NoValue { file: FILE, rule: deadline.id.clone() };
        let extension = deadlines.on(deadline.extension.as_ref().ok_or_else(none)?, event)?;
        Ok(Due {
            last_day: deadlines.end(self.calendars(), extension, last_day)?,
            rule: extension.id.clone(),
            verified: verified && deadlines.is_verified(extension),
        })
    }
}
