//! The own records, as a list and one by one.

use chengxin_api::types::record::{RecordDocument, RecordRule, RecordSummary, Records};

use super::check::{field_table, subject_cell};
use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Records {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("record", Key::Record),
            column("type", Key::Type),
            column("subject_name", Key::Subject),
            column("subject", Key::Code),
            column("determined_on", Key::DeterminedOn),
            column("state", Key::State),
            wide("category", Key::Category),
            wide("severity", Key::Severity),
            wide("batch", Key::Batch),
        ]);
        for record in &self.records {
            table.row([
                Cell::of(record.record),
                Cell::new(view.record_type(record.record_type)),
                Cell::new(&record.subject_name),
                Cell::new(record.subject.as_deref().unwrap_or("")),
                Cell::of(record.determined_on),
                state_cell(record, view),
                Cell::new(view.category(record.category)),
                Cell::new(record.severity.map_or("", |severity| view.severity(severity))),
                Cell::of(record.batch),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "records" })
    }
}

fn state_cell(record: &RecordSummary, view: View) -> Cell {
    let tone = if record.state.counts() { Tone::Plain } else { Tone::Dim };
    Cell::new(view.record_state(record.state)).toned(tone)
}

impl Document for RecordDocument {
    fn table(&self, view: View) -> Table {
        field_table(&self.fields, view)
    }

    fn page(&self, view: View) -> Page {
        let summary = &self.summary;
        let mut page = Page::default();
        let mut pairs = vec![
            (Key::Record, Cell::of(summary.record)),
            (Key::Type, Cell::new(view.record_type(summary.record_type))),
            (Key::Category, Cell::new(view.category(summary.category))),
            (
                Key::Severity,
                ruled(
                    summary.severity.map_or("", |severity| view.severity(severity)),
                    self.severity_rule.as_ref(),
                    view,
                ),
            ),
            (Key::State, state_cell(summary, view)),
            (
                Key::Subject,
                subject_cell(summary.subject.as_deref().unwrap_or(""), Some(&summary.subject_name)),
            ),
            (Key::DeterminedOn, Cell::of(summary.determined_on)),
            (
                Key::PublicityEnd,
                ruled(
                    &match self.publicity_end {
                        Some(end) => view.period_end(end),
                        None if self.not_published => view.text(Key::NotPublished).to_owned(),
                        None if self.publicity_rule.is_some() => view.text(Key::NoEndGiven).to_owned(),
                        None => String::new(),
                    },
                    self.publicity_rule.as_ref(),
                    view,
                ),
            ),
            (Key::Issuer, Cell::of(self.issuer)),
            (Key::Batch, Cell::of(summary.batch)),
            (Key::SignedAt, Cell::new(view.time(self.signed_at))),
            (Key::SourceRow, Cell::of(self.source_row)),
            (Key::SourceFile, Cell::of(self.source_file)),
        ];
        pairs.retain(|(_, value)| !value.text().is_empty());
        page.pairs(pairs);
        page.heading(view.text(Key::Fields));
        page.table(self.table(view));
        page
    }
}

/// A value with the rule that gave it; a rule that nobody has read in its document says so.
fn ruled(value: &str, rule: Option<&RecordRule>, view: View) -> Cell {
    match rule {
        Some(rule) if !value.is_empty() && rule.verified => Cell::of(format!("{value} [{}]", rule.rule)),
        Some(rule) if !value.is_empty() => {
            let unverified = view.text(Key::Unverified);
            Cell::of(format!("{value} [{}: {unverified}]", rule.rule)).toned(Tone::Warning)
        }
        Some(_) | None => Cell::new(value),
    }
}
