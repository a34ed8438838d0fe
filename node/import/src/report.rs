//! What came of a whole file: totals, counts by code, and the first issues.

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
    /// The first issues, in row order.
    pub issues: Vec<RowIssue>,
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
            issues: Vec::new(),
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
        let rows = std::mem::take(&mut self.issues);
        issues.iter().for_each(|issue| self.issue_add(issue));
        let space = self.kept.saturating_sub(self.issues.len());
        self.truncated |= rows.len() > space;
        self.issues.extend(rows.into_iter().take(space));
    }

    fn issue_add(&mut self, issue: &RowIssue) {
        match issue.severity {
            IssueSeverity::Error => self.errors += 1,
            IssueSeverity::Warning => self.warnings += 1,
        }
        *self.counts.entry(issue.code).or_default() += 1;
        if self.issues.len() < self.kept {
            self.issues.push(issue.clone());
        } else {
            self.truncated = true;
        }
    }
}

impl Default for ImportReport {
    fn default() -> Self {
        Self::new(ISSUES_KEPT)
    }
}
