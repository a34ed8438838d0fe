//! The result of a check. Coverage first: "nothing found" stands on the page only when every agency asked has
//! answered, because a missing answer looks just like a clean record.

use chengxin_api::types::check::{AgencyOutcome, CheckRecord, CheckResult, Coverage, Restriction};
use chengxin_api::types::record::{FieldShown, RecordField};
use chengxin_api::types::restriction::Restrictions;
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::unified_code::CheckException;

use super::page::{Cell, Column, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for CheckResult {
    /// One row per agency, restriction and record, in this order, so that a spreadsheet too begins with who answered.
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("kind", Key::Kind),
            column("agency", Key::Agency),
            column("agency_name", Key::Name),
            column("state", Key::State),
            column("what", Key::Object),
            column("category", Key::Category),
            column("severity", Key::Severity),
            column("from", Key::From),
            column("until", Key::Until),
            column("basis_or_reason", Key::Reason),
            column("id", Key::Identifier),
        ]);
        for part in &self.coverage.agencies {
            let (state, reason, _) = outcome_cells(&part.outcome, view);
            table.row([
                Cell::new("coverage"),
                Cell::of(part.agency),
                Cell::new(&part.name),
                state,
                Cell::empty(),
                Cell::empty(),
                Cell::empty(),
                Cell::empty(),
                Cell::empty(),
                reason,
                Cell::empty(),
            ]);
        }
        for restriction in &self.restrictions {
            table.row([
                Cell::new("restriction"),
                Cell::of(restriction.issuer),
                Cell::new(&restriction.issuer_name),
                Cell::new(if restriction.applied_here { "applied_here" } else { "in_force" }),
                Cell::of(&restriction.measure),
                Cell::empty(),
                Cell::empty(),
                Cell::of(restriction.from),
                Cell::new(view.period_end(restriction.until)),
                Cell::of(&restriction.legal_basis),
                Cell::of(restriction.notice),
            ]);
        }
        for record in &self.records {
            table.row([
                Cell::new("record"),
                Cell::of(record.issuer),
                Cell::new(&record.issuer_name),
                Cell::new(view.record_state(record.state)),
                Cell::new(view.record_type(record.record_type)),
                Cell::new(view.category(record.category)),
                Cell::new(record.severity.map_or("", |severity| view.severity(severity))),
                Cell::of(record.determined_on),
                Cell::new(record.publicity_end.map_or(String::new(), |end| view.period_end(end))),
                Cell::new(if record.name_match_only { "name_match_only" } else { "" }),
                Cell::of(record.record),
            ]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        coverage_strip(&mut page, &self.coverage, view);
        verdict(&mut page, self, view);
        if !self.restrictions.is_empty() {
            page.heading(view.fill(Key::RestrictionsInForce, &[&self.restrictions.len().to_string()]));
            page.table(restriction_table(&self.restrictions, view));
        }
        for category in RECORD_ORDER {
            let records: Vec<_> = self.records.iter().filter(|record| record.category == *category).collect();
            if !records.is_empty() {
                page.heading(format!("{} ({})", view.category(*category), records.len()));
                records.into_iter().for_each(|record| record_lines(&mut page, record, view));
            }
        }
        page.heading(view.text(Key::CheckDetails));
        let mut pairs = vec![(Key::Subject, Cell::new(&self.subject))];
        pairs.extend(code_accepted(self.check_exception.as_ref()));
        pairs.extend([
            (Key::NameSearched, name_searched(self.name.as_deref(), view)),
            (Key::Purpose, purpose_cell(self, view)),
            (Key::CaseReference, Cell::of(&self.case_reference)),
            (Key::Categories, Cell::new(view.join(self.categories.iter().map(|one| view.category(*one))))),
            (Key::PolicyVersion, Cell::new(&self.policy)),
            (Key::AuditEntry, Cell::of(self.audit_entry)),
        ]);
        page.pairs(pairs);
        page
    }
}

/// Who vouched for a code whose check is wrong, and why.
pub(crate) fn code_accepted(exception: Option<&CheckException>) -> Option<(Key, Cell)> {
    let exception = exception?;
    let words = format!("{}: {}", exception.accepted_by, exception.reason);
    Some((Key::CodeAccepted, Cell::new(words).toned(Tone::Warning)))
}

/// The name that was searched for, or what its absence means: a check by identifier alone does not look at records that
/// have none.
pub(crate) fn name_searched(name: Option<&str>, view: View) -> Cell {
    match name {
        Some(name) => Cell::new(name),
        None => Cell::new(view.text(Key::NamesNotSearched)).toned(Tone::Warning),
    }
}

/// The purpose's name with its code, which commands take.
fn purpose_cell(result: &CheckResult, view: View) -> Cell {
    match (&result.purpose_name, &result.purpose_name_en) {
        (Some(zh), Some(en)) => Cell::of(format!("{} ({})", view.pick(zh, en), result.purpose)),
        (Some(_) | None, _) => Cell::of(&result.purpose),
    }
}

/// The order in which categories stand in a result: what weighs most comes first.
const RECORD_ORDER: &[InformationCategory] = &[
    InformationCategory::SeriousBreach,
    InformationCategory::GeneralBreach,
    InformationCategory::RiskWarning,
    InformationCategory::Enhancing,
    InformationCategory::Basic,
];

/// The strip that says who was asked and what came of it; agencies that did not answer are named with their reason.
pub(crate) fn coverage_strip(page: &mut Page, coverage: &Coverage, view: View) {
    let tone = if coverage.complete { Tone::Good } else { Tone::Bad };
    let counts =
        [coverage.asked, coverage.answered, coverage.refused, coverage.silent].map(|n| n.to_string());
    page.line([
        Cell::new(view.text(if coverage.complete { Key::CoverageComplete } else { Key::CoverageIncomplete }))
            .toned(tone),
        Cell::new(view.fill(Key::CoverageCounts, &[&counts[0], &counts[1], &counts[2], &counts[3]])),
        Cell::new(view.fill(Key::AsOf, &[&view.time(coverage.as_of)])),
    ]);
    for part in &coverage.agencies {
        let (state, reason, answered) = outcome_cells(&part.outcome, view);
        if !answered || !reason.text().is_empty() {
            let mark = if answered {
                Cell::new("!").toned(Tone::Warning)
            } else {
                Cell::new("✗").toned(Tone::Bad)
            };
            page.line([mark, Cell::of(format!("{} ({})", part.name, part.agency)), state, reason]);
        }
    }
}

fn outcome_cells(outcome: &AgencyOutcome, view: View) -> (Cell, Cell, bool) {
    match outcome {
        AgencyOutcome::Answered { missing, .. } => {
            let names = view.join(missing.iter().map(|category| view.category(*category)));
            let reason = match (missing.is_empty(), view.machine) {
                (true, _) => Cell::empty(),
                (false, true) => Cell::of(format!("missing: {names}")),
                (false, false) => {
                    Cell::new(view.fill(Key::CategoriesMissing, &[&names])).toned(Tone::Warning)
                }
            };
            let state = if view.machine { "answered" } else { view.text(Key::Answered) };
            (Cell::new(state).toned(Tone::Good), reason, true)
        }
        AgencyOutcome::Refused { code, rule, reason } => {
            let state = if view.machine { "refused" } else { view.text(Key::Refused) };
            let rule = rule.as_ref().map_or(String::new(), |rule| format!(" [{rule}]"));
            (
                Cell::new(state).toned(Tone::Bad),
                Cell::of(format!("{}: {}{rule}", view.error_code(*code), view.told(reason))),
                false,
            )
        }
        AgencyOutcome::Silent { code, reason } => {
            let state = if view.machine { "silent" } else { view.text(Key::Silent) };
            (
                Cell::new(state).toned(Tone::Bad),
                Cell::of(format!("{}: {}", view.error_code(*code), view.told(reason))),
                false,
            )
        }
    }
}

/// Whether an agency answered for every category asked about.
fn answered_fully(outcome: &AgencyOutcome) -> bool {
    match outcome {
        AgencyOutcome::Answered { missing, .. } => missing.is_empty(),
        AgencyOutcome::Refused { .. } | AgencyOutcome::Silent { .. } => false,
    }
}

/// The one sentence that people read. It never says "nothing found" while an answer is missing.
fn verdict(page: &mut Page, result: &CheckResult, view: View) {
    let found = result.restrictions.len() + result.records.len();
    let missing = result.coverage.agencies.iter().filter(|part| !answered_fully(&part.outcome)).count();
    let line = match (found, result.coverage.complete) {
        (0, true) => Cell::new(view.text(Key::NothingFound)).toned(Tone::Good),
        (0, false) => {
            Cell::new(view.fill(Key::NothingCanBeConcluded, &[&missing.to_string()])).toned(Tone::Warning)
        }
        (_, complete) => {
            let counts = [result.restrictions.len(), result.records.len()].map(|n| n.to_string());
            let key = if complete { Key::Found } else { Key::FoundIncomplete };
            Cell::new(view.fill(key, &[&counts[0], &counts[1]])).toned(Tone::Bad)
        }
    };
    page.line([line]);
}

fn record_lines(page: &mut Page, record: &CheckRecord, view: View) {
    let severity = record.severity.map_or("", |severity| view.severity(severity));
    let mark = match record.state {
        RecordState::Effective => Cell::empty(),
        RecordState::UnderObjection
        | RecordState::Suspended
        | RecordState::Corrected
        | RecordState::Repaired
        | RecordState::Withdrawn
        | RecordState::Expired => {
            Cell::of(format!("[{}]", view.record_state(record.state))).toned(Tone::Warning)
        }
    };
    let name_only = if record.name_match_only {
        Cell::of(format!("[{}]", view.text(Key::NameMatchOnly))).toned(Tone::Warning)
    } else {
        Cell::empty()
    };
    let public = record.publicity_end.map_or(Cell::empty(), |end| {
        Cell::new(view.fill(Key::PublicUntil, &[&view.period_end(end)])).toned(Tone::Dim)
    });
    page.line([
        Cell::of(record.determined_on),
        Cell::new(view.record_type(record.record_type)),
        Cell::new(severity),
        Cell::new(&record.issuer_name),
        public,
        mark,
        name_only,
        Cell::of(record.record).toned(Tone::Dim),
        Cell::of(format!("[{}]", record.rule)).toned(Tone::Dim),
    ]);
    if !record.fields.is_empty() {
        page.table(field_table(&record.fields, view));
    }
}

/// Fields with what is masked or withheld and by which rule.
pub(crate) fn field_table(fields: &[RecordField], view: View) -> Table {
    let mut table = Table::new(&[
        wide("field", Key::FieldName),
        column("label", Key::Field),
        column("value", Key::Value),
        column("shown", Key::Shown),
        column("reason", Key::Reason),
    ]);
    for field in fields {
        let shown = match (view.machine, field.shown) {
            (true, FieldShown::Shown) => "shown",
            (true, FieldShown::Masked) => "masked",
            (true, FieldShown::Withheld) => "withheld",
            (false, FieldShown::Shown) => "",
            (false, FieldShown::Masked) => view.text(Key::Masked),
            (false, FieldShown::Withheld) => view.text(Key::Withheld),
        };
        // Labels exist in Chinese only, in the words of the national template; English readers get the field name.
        let label = view.pick(&field.label, &field.name);
        table.row([
            Cell::new(&field.name),
            Cell::new(label),
            Cell::new(view.field_value(field.value.as_deref().unwrap_or(""))),
            Cell::new(shown),
            Cell::new(view.coded(
                field.reason.as_deref().unwrap_or(""),
                field.reason_zh.as_deref(),
                field.reason_en.as_deref(),
            )),
        ]);
    }
    table
}

/// Restrictions: what, on which law, by whom, until when.
pub(crate) fn restriction_table(restrictions: &[Restriction], view: View) -> Table {
    let bound = binds_column(restrictions.iter().any(|one| one.binds.is_some()));
    let mut table = Table::new(&[
        column("measure_name", Key::Measure),
        wide("measure", Key::MeasureCode),
        column("legal_basis", Key::LegalBasis),
        column("issuer_name", Key::Issuer),
        wide("issuer", Key::Agency),
        column("from", Key::From),
        column("until", Key::Until),
        column("applied_here", Key::AppliedHere),
        bound,
        wide("notice", Key::Notice),
        wide("version", Key::Version),
    ]);
    for restriction in restrictions {
        table.row([
            Cell::new(view.pick(&restriction.measure_name, &restriction.measure_name_en)),
            Cell::of(&restriction.measure),
            Cell::of(&restriction.legal_basis),
            Cell::new(&restriction.issuer_name),
            Cell::of(restriction.issuer),
            Cell::of(restriction.from),
            Cell::new(view.period_end(restriction.until)),
            applied_cell(restriction, view),
            Cell::new(restriction.binds.as_deref().unwrap_or("")),
            Cell::of(restriction.notice),
            Cell::of(restriction.version),
        ]);
    }
    table
}

/// The column of the identifier that a notice binds where it is not the one asked about. Nearly no subject has two, so it is
/// in the narrow table only if there is one.
pub(crate) fn binds_column(is_filled: bool) -> Column {
    if is_filled { column("binds", Key::Binds) } else { wide("binds", Key::Binds) }
}

/// Whether this agency applies the measure, and if not, why.
fn applied_cell(restriction: &Restriction, view: View) -> Cell {
    let answer = view.yes_no(restriction.applied_here);
    match &restriction.not_applied_reason {
        Some(code) if !view.machine => {
            let zh = restriction.not_applied_reason_zh.as_deref();
            let en = restriction.not_applied_reason_en.as_deref();
            Cell::of(format!("{answer}: {}", view.coded(code, zh, en)))
        }
        Some(_) | None => Cell::new(answer),
    }
}

pub(crate) fn subject_cell(subject: &str, name: Option<&str>) -> Cell {
    Cell::of(name.map_or_else(|| subject.to_owned(), |name| format!("{name} {subject}")))
}

impl Document for Restrictions {
    fn table(&self, view: View) -> Table {
        restriction_table(&self.restrictions, view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::of_table(self.table(view), view);
        if self.incomplete {
            page.line([Cell::new(view.text(Key::RestrictionsIncomplete)).toned(Tone::Bad)]);
        }
        page.line([Cell::new(view.text(Key::RestrictionsOwnNode)).toned(Tone::Dim)]);
        page
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "restrictions" })
    }
}
