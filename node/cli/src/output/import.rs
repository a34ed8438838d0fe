//! Imports: the report by row and column, and the list.

use chengxin_api::types::import::{
    FindingWeight, ImportReport, ImportState, ImportSummary, Imports, RollbackPreview, RowCounts,
};

use super::page::{Cell, Column, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for ImportReport {
    /// The findings: what a person corrects in the file. For programs with the outcome in every row, and one row without
    /// a finding where there is none.
    fn table(&self, view: View) -> Table {
        if view.machine {
            return outcome_table(self, view);
        }
        let mut table = Table::new(&[
            column("row", Key::Row),
            column("column", Key::ColumnTitle),
            column("weight", Key::Weight),
            column("message", Key::Message),
            column("fix", Key::Fix),
            wide("code", Key::Code),
        ]);
        for finding in &self.findings {
            let weight = match finding.weight {
                FindingWeight::Error => Cell::new(view.text(Key::Error)).toned(Tone::Bad),
                FindingWeight::Warning => Cell::new(view.text(Key::Warning)).toned(Tone::Warning),
            };
            table.row([
                Cell::of(finding.row),
                Cell::new(&finding.column),
                weight,
                Cell::new(view.pick(&finding.message_zh, &finding.message_en)),
                Cell::new(view.pick(&finding.fix_zh, &finding.fix_en)),
                Cell::new(&finding.code),
            ]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let summary = &self.summary;
        let (state, tone) = state_text(summary.state, view);
        page.line([Cell::new(state).toned(tone), Cell::new(&summary.file_name)]);
        page.line([Cell::new(counts_text(summary.rows, view))]);
        if let Some(batch) = summary.batch {
            page.line([Cell::new(view.fill(Key::BatchLine, &[&batch.to_string()]))]);
        }
        if !self.findings.is_empty() {
            page.heading(view.text(Key::Findings));
            page.table(self.table(view));
        }
        if self.findings_omitted > 0 {
            page.line([Cell::new(view.fill(Key::FindingsOmitted, &[&self.findings_omitted.to_string()]))]);
        }
        page
    }
}

fn outcome_table(report: &ImportReport, view: View) -> Table {
    let mut table = Table::new(&[
        column("row", Key::Row),
        column("column", Key::ColumnTitle),
        column("weight", Key::Weight),
        column("message", Key::Message),
        column("fix", Key::Fix),
        column("code", Key::Code),
    ]);
    table.columns.extend(SUMMARY);
    let findings = report.findings.iter().map(|finding| {
        let weight = match finding.weight {
            FindingWeight::Error => "error",
            FindingWeight::Warning => "warning",
        };
        vec![
            if finding.row == 0 { Cell::empty() } else { Cell::of(finding.row) },
            Cell::new(&finding.column),
            Cell::new(weight),
            Cell::new(view.pick(&finding.message_zh, &finding.message_en)),
            Cell::new(view.pick(&finding.fix_zh, &finding.fix_en)),
            Cell::new(&finding.code),
        ]
    });
    let none = report.findings.is_empty().then(|| (0..6).map(|_| Cell::empty()).collect());
    for mut row in findings.chain(none) {
        row.extend(import_row(&report.summary, view));
        table.rows.push(row);
    }
    table
}

/// What became of an import, and whether that is good.
fn state_text(state: ImportState, view: View) -> (&'static str, Tone) {
    let (code, key, tone) = match state {
        ImportState::Checked => ("checked", Key::ImportChecked, Tone::Plain),
        ImportState::Refused => ("refused", Key::ImportRefused, Tone::Bad),
        ImportState::Open => ("open", Key::ImportOpen, Tone::Warning),
        ImportState::Committed => ("committed", Key::ImportCommitted, Tone::Good),
        ImportState::RollingBack => ("rolling_back", Key::ImportRollingBack, Tone::Warning),
        ImportState::RolledBack => ("rolled_back", Key::ImportRolledBack, Tone::Dim),
    };
    (if view.machine { code } else { view.text(key) }, tone)
}

fn counts_text(rows: RowCounts, view: View) -> String {
    let counts =
        [rows.total, rows.new, rows.duplicate, rows.wrong, rows.warned].map(|count| count.to_string());
    view.fill(Key::RowCounts, &[&counts[0], &counts[1], &counts[2], &counts[3], &counts[4]])
}

impl Document for RollbackPreview {
    /// The notices in the way; for programs with the import in every row, and one row without a notice where there is none.
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[column("notice", Key::Notice), column("until", Key::Until)]);
        let mut rows: Vec<Vec<Cell>> = self
            .notices
            .iter()
            .map(|resting| vec![Cell::of(resting.notice), Cell::new(view.period_end(resting.until))])
            .collect();
        if view.machine {
            if rows.is_empty() {
                rows.push(vec![Cell::empty(), Cell::empty()]);
            }
            table.columns.extend([column("batch", Key::Batch), column("records", Key::Records)]);
            let records = self.summary.rows.new;
            for row in &mut rows {
                row.extend([Cell::optional(self.summary.batch), Cell::of(records)]);
            }
        }
        table.rows = rows;
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let summary = &self.summary;
        let records = summary.rows.new.to_string();
        page.line([Cell::new(view.fill(Key::RollbackWould, &[&records, &summary.file_name]))]);
        if let Some(batch) = summary.batch {
            page.line([Cell::new(view.fill(Key::BatchLine, &[&batch.to_string()]))]);
        }
        if !self.notices.is_empty() {
            page.line([Cell::new(view.text(Key::RollbackBlocked)).toned(Tone::Bad)]);
            page.table(self.table(view));
        }
        page
    }
}

impl Document for Imports {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&SUMMARY);
        for import in &self.imports {
            table.rows.push(import_row(import, view));
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "imports" })
    }
}

/// The columns of [`import_row`].
const SUMMARY: [Column; 11] = [
    column("batch", Key::Batch),
    column("file_name", Key::File),
    column("state", Key::State),
    column("started_at", Key::StartedAt),
    column("operator", Key::Operator),
    column("rows", Key::Rows),
    column("new", Key::RowsNew),
    wide("duplicate", Key::RowsDuplicate),
    wide("wrong", Key::RowsWrong),
    wide("warned", Key::RowsWarned),
    wide("type", Key::Type),
];

fn import_row(import: &ImportSummary, view: View) -> Vec<Cell> {
    let (state, tone) = state_text(import.state, view);
    vec![
        Cell::optional(import.batch),
        Cell::new(&import.file_name),
        Cell::new(state).toned(tone),
        Cell::new(view.time(import.started_at)),
        Cell::of(&import.operator),
        Cell::of(import.rows.total),
        Cell::of(import.rows.new),
        Cell::of(import.rows.duplicate),
        Cell::of(import.rows.wrong),
        Cell::of(import.rows.warned),
        Cell::new(import.record_type.map_or("", |kind| view.record_type(kind))),
    ]
}
