//! What came of a whole file: totals, counts by code, and the issues that matter most.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::importer::ImportedRow;
use crate::issue::{IssueCode, IssueSeverity, RowIssue};

/// How many issues a report keeps unless the caller says otherwise; the counts go on beyond.
pub const ISSUES_KEPT: usize = 1000;

/// The totals of an import, in memory that does not grow with the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Data rows read.
    pub rows: u64,
    /// Rows that became records.
    pub accepted: u64,
    /// Rows with an error.
    pub rejected: u64,
    /// Rows that repeat an earlier one.
    pub skipped: u64,
    /// Cells that held a spelling of "nothing" (`——`, 无, …).
    pub nulls: u64,
    /// Issues of severity error.
    pub errors: u64,
    /// Issues of severity warning.
    pub warnings: u64,
    /// How often each code occurred.
    pub counts: BTreeMap<IssueCode, u64>,
    /// Errors kept, in row order.
    #[serde(rename = "error_issues")]
    errors_kept: Vec<RowIssue>,
    /// Warnings kept, in row order. They give way to errors: a file is refused for its errors, and a report that shows
    /// none of them cannot be acted on.
    #[serde(rename = "warning_issues")]
    warnings_kept: Vec<RowIssue>,
    /// Whether there were more issues than are kept.
    pub truncated: bool,
    #[serde(skip)]
    kept: usize,
}

impl ImportReport {
    /// An empty report that keeps up to `kept` issues.
    pub fn new(kept: usize) -> Self {
        Self {
            rows: 0,
            accepted: 0,
            rejected: 0,
            skipped: 0,
            nulls: 0,
            errors: 0,
            warnings: 0,
            counts: BTreeMap::new(),
            errors_kept: Vec::new(),
            warnings_kept: Vec::new(),
            truncated: false,
            kept,
        }
    }

    /// Counts a row.
    pub fn row_add(&mut self, row: &ImportedRow) {
        self.rows += 1;
        self.nulls += u64::from(row.nulls);
        if row.fields.is_some() {
            self.accepted += 1;
        } else if row.is_rejected() {
            self.rejected += 1;
        } else {
            self.skipped += 1;
        }
        row.issues.iter().for_each(|issue| self.issue_add(issue));
    }

    /// Counts the issues of the header, such as a column that no field corresponds to, and puts them before those of
    /// the rows.
    pub fn header_add(&mut self, issues: &[RowIssue]) {
        let (errors, warnings) =
            (std::mem::take(&mut self.errors_kept), std::mem::take(&mut self.warnings_kept));
        issues.iter().for_each(|issue| self.issue_add(issue));
        errors.iter().chain(&warnings).for_each(|issue| self.issue_keep(issue));
    }

    fn issue_add(&mut self, issue: &RowIssue) {
        match issue.severity {
            IssueSeverity::Error => self.errors += 1,
            IssueSeverity::Warning => self.warnings += 1,
        }
        *self.counts.entry(issue.code).or_default() += 1;
        self.issue_keep(issue);
    }

    /// Keeps an issue if there is room, or a warning that makes room for an error.
    fn issue_keep(&mut self, issue: &RowIssue) {
        let full = self.errors_kept.len().saturating_add(self.warnings_kept.len()) >= self.kept;
        self.truncated |= full;
        match issue.severity {
            IssueSeverity::Error if !full || self.warnings_kept.pop().is_some() => {
                self.errors_kept.push(issue.clone());
            }
            IssueSeverity::Warning if !full => self.warnings_kept.push(issue.clone()),
            IssueSeverity::Error | IssueSeverity::Warning => {}
        }
    }

    /// The issues kept: errors in row order, then warnings in row order.
    pub fn issues(&self) -> impl Iterator<Item = &RowIssue> {
        self.errors_kept.iter().chain(&self.warnings_kept)
    }
}

impl Default for ImportReport {
    fn default() -> Self {
        Self::new(ISSUES_KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_behind_many_warnings_is_kept_and_comes_first() {
        let issue = |row, code| RowIssue::new(row, None, code, Vec::new());
        let mut report = ImportReport::new(3);
        for row in 2..10 {
            report.issue_add(&issue(row, IssueCode::HiddenRow));
        }
        report.issue_add(&issue(10, IssueCode::DateForm));
        report.issue_add(&issue(11, IssueCode::HiddenRow));
        report.issue_add(&issue(12, IssueCode::MoneyForm));
        let kept: Vec<_> = report.issues().map(|issue| issue.row).collect();
        assert_eq!(kept, [10, 12, 2]);
        assert_eq!((report.errors, report.warnings, report.truncated), (2, 9, true));
        for row in 13..20 {
            report.issue_add(&issue(row, IssueCode::DateForm));
        }
        let kept: Vec<_> = report.issues().map(|issue| issue.row).collect();
        assert_eq!(kept, [10, 12, 13], "the first errors stay");
    }
}
