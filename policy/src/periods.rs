//! `periods.toml`: how long dishonest information is published.

use chengxin_schemas::category::BreachSeverity;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::{Day, LastDay, PeriodEnd};
use jiff::Span;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::bundle::{Bundle, error_at, toml_parse};
use crate::entries::{Entry, entries_limit, versions_check};
use crate::error::PolicyError;
use crate::provenance::{Provenance, RuleId};
use crate::severity::{SeverityRule, SeverityRuling};
use crate::verification::MissingFact;

const FILE: &str = "periods.toml";
/// Longest period: fifty years in months. Far above any law, low enough for every calendar computation.
const MONTHS_LIMIT: u16 = 600;

/// A publicity period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// Name of the rule.
    pub id: RuleId,
    /// The record types it is for; empty for every one.
    pub record_types: Vec<RecordType>,
    /// The severity it is for.
    pub severity: BreachSeverity,
    /// Whether information of this severity is published in principle.
    pub publish: bool,
    /// Months after which repair may be applied for.
    pub minimum_months: u16,
    /// Months after which publicity stops by itself; none where what the rule rests on gives not every record a term.
    pub maximum_months: Option<u16>,
    /// What it rests on.
    pub provenance: Provenance,
}

/// A publicity period applied to one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Publicity {
    /// Whether it is published in principle; if not, the end applies where publication is really necessary.
    pub publish: bool,
    /// From this day on repair may be applied for, the other conditions given.
    pub earliest_repair: Day,
    /// The last day of publicity; none where the rule gives none.
    pub end: Option<PeriodEnd>,
    /// The rule that decided.
    pub rule: RuleId,
    /// Whether the rule was read in its document and, if the end was asked for by a ruling, the severity in its own.
    pub verified: bool,
}

impl Publicity {
    /// The end of publicity that the signature of such a record states: none for what is in principle not published, and
    /// none where the rule gives none.
    pub fn signed_end(&self) -> Option<PeriodEnd> {
        self.end.filter(|_| self.publish)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    period: Vec<RawPeriod>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPeriod {
    id: Spanned<RuleId>,
    #[serde(default)]
    record_types: Vec<RecordType>,
    severity: BreachSeverity,
    publish: bool,
    minimum_months: u16,
    maximum_months: Option<u16>,
    source: String,
    document: String,
    effective_from: Option<Day>,
    effective_to: Option<Day>,
    verified: bool,
    #[serde(default)]
    missing: Vec<MissingFact>,
}

/// Every severity that `ruled` can give to records of a type has a period; of each there is one for a day at most.
pub(crate) fn periods_parse(text: &str, ruled: &[SeverityRule]) -> Result<Vec<Period>, PolicyError> {
    let raw: RawFile = toml_parse(FILE, text)?;
    entries_limit(FILE, raw.period.len())?;
    let mut periods: Vec<Period> = Vec::new();
    let mut places = Vec::new();
    for entry in raw.period {
        let wrong = |reason: String, fix: &str| Err(error_at(FILE, text, &entry.id, reason, fix));
        let id = entry.id.get_ref().clone();
        if periods.iter().any(|other| other.id == id) {
            return wrong(format!("period {id} stands twice"), "give every period its own id");
        }
        let last = entry.maximum_months.unwrap_or(entry.minimum_months);
        if entry.minimum_months > last || last > MONTHS_LIMIT {
            return wrong(
                format!("period {id}: minimum above maximum, or over {MONTHS_LIMIT} months"),
                "correct the months",
            );
        }
        let provenance = Provenance {
            source: entry.source,
            document: entry.document,
            effective_from: entry.effective_from,
            effective_to: entry.effective_to,
            verified: entry.verified,
            missing: entry.missing,
        };
        Entry::new(FILE, text, "period", id.as_str(), &entry.id).provenance(&provenance)?;
        periods.push(Period {
            id,
            record_types: entry.record_types,
            severity: entry.severity,
            publish: entry.publish,
            minimum_months: entry.minimum_months,
            maximum_months: entry.maximum_months,
            provenance,
        });
        places.push(entry.id);
    }
    let scopes = RecordType::ALL
        .iter()
        .flat_map(|record_type| BreachSeverity::ALL.iter().map(move |severity| (*record_type, *severity)));
    for (record_type, severity) in scopes {
        let mut versions: Vec<_> = periods
            .iter()
            .zip(&places)
            .filter(|(period, _)| period.is_for(record_type, severity))
            .map(|(period, place)| {
                (Entry::new(FILE, text, "period", period.id.as_str(), place), &period.provenance)
            })
            .collect();
        let needed = ruled.iter().any(|rule| rule.rules(record_type, severity));
        if versions.is_empty() && needed {
            let reason = format!("no period for {severity} breaches of {record_type}");
            return Err(PolicyError::file(
                FILE,
                None,
                reason,
                "give every severity that categories.toml rules for a record type one",
            ));
        }
        versions_check(&mut versions)?;
    }
    Ok(periods)
}

impl Period {
    fn is_for(&self, record_type: RecordType, severity: BreachSeverity) -> bool {
        let typed = self.record_types.is_empty() || self.record_types.contains(&record_type);
        typed && self.severity == severity
    }
}

impl Bundle {
    /// The publicity of a breach of a record type determined on a day, by the rule in force on that day. None when no
    /// rule is loaded for the type and the day, and without an end where the rule gives none: an end is never guessed.
    ///
    /// A period of months ends on the same day of the month, or on the month's last day where there is none. None, too,
    /// for an end in 2099: no document can say it, since such a day reads as long-term.
    ///
    /// Verified means the period alone: who shows an end as verified asks by [`Self::publicity_ruled`].
    pub fn publicity_end(
        &self,
        record_type: RecordType,
        severity: BreachSeverity,
        determined_on: Day,
    ) -> Option<Publicity> {
        let period = self.periods().iter().find(|period| {
            period.is_for(record_type, severity) && period.provenance.is_effective_on(determined_on)
        })?;
        let after = |months: u16| {
            Span::new()
                .try_months(i64::from(months))
                .ok()
                .and_then(|span| determined_on.0.checked_add(span).ok())
        };
        let end = match period.maximum_months {
            Some(months) => Some(PeriodEnd::On(LastDay::new(after(months)?)?)),
            None => None,
        };
        Some(Publicity {
            publish: period.publish,
            earliest_repair: Day(after(period.minimum_months)?),
            end,
            rule: period.id.clone(),
            verified: period.provenance.verified,
        })
    }

    /// The publicity of a record whose severity was ruled so: no more verified than that ruling. None, too, for what is
    /// no breach.
    pub fn publicity_ruled(
        &self,
        record_type: RecordType,
        ruling: &SeverityRuling,
        determined_on: Day,
    ) -> Option<Publicity> {
        let publicity = self.publicity_end(record_type, ruling.severity?, determined_on)?;
        Some(Publicity { verified: publicity.verified && ruling.verified, ..publicity })
    }
}
