//! What would have become of past requests under another policy.

use chengxin_api::types::policy_simulation::{PolicySimulation, SimulatedLine, SimulatedOutcome};

use super::page::{Cell, Page, Table, Tone, View, column, next_lines, wide};
use super::policy::{decision_text, kind_text};
use super::{Document, List};
use crate::texts::Key;

impl Document for PolicySimulation {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("outcome", Key::Outcome),
            column("asker", Key::Agency),
            column("asker_name", Key::Name),
            wide("action", Key::Action),
            column("purpose", Key::Purpose),
            column("role", Key::Role),
            wide("subject_kind", Key::SubjectKind),
            column("requests", Key::Requests),
            column("changes", Key::Change),
            wide("fields_masked", Key::FieldsMasked),
            wide("fields_withheld", Key::FieldsWithheld),
        ]);
        for line in &self.lines {
            let (key, tone) = words(line.outcome);
            let outcome = if view.machine { line.outcome.as_str() } else { view.text(key) };
            table.row([
                Cell::new(outcome).toned(tone),
                Cell::of(line.asker),
                Cell::new(&line.asker_name),
                Cell::new(&line.action),
                Cell::of(&line.purpose),
                Cell::new(view.role(line.role)),
                Cell::new(kind_text(line.subject_kind, view)),
                Cell::of(line.requests),
                Cell::new(changes(line, view)),
                Cell::of(line.fields_masked),
                Cell::of(line.fields_withheld),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "lines" })
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([Cell::new(
            view.fill(Key::ComparedVersions, &[&self.from.to_string(), &self.to.to_string()]),
        )]);
        let changed = self.requests.saturating_sub(self.unchanged);
        page.line([Cell::new(view.fill(
            Key::SimulatedRequests,
            &[&view.time(self.since), &self.requests.to_string(), &changed.to_string()],
        ))
        .toned(if changed == 0 { Tone::Good } else { Tone::Warning })]);
        if self.skipped > 0 {
            page.line([Cell::new(view.fill(Key::SimulatedSkipped, &[&self.skipped.to_string()]))]);
        }
        if !self.complete {
            page.line([Cell::new(view.text(Key::SimulatedIncomplete)).toned(Tone::Warning)]);
        }
        if !self.lines.is_empty() {
            page.table(self.table(view));
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}

/// What would be let out otherwise, category by category.
fn changes(line: &SimulatedLine, view: View) -> String {
    let each: Vec<String> = line
        .changes
        .iter()
        .map(|change| {
            let levels: Vec<&str> = change.levels.iter().map(|level| level.as_str()).collect();
            format!(
                "{} {} {} → {}",
                view.category(change.category),
                levels.join("/"),
                decision_text(&change.from, view),
                decision_text(&change.to, view)
            )
        })
        .collect();
    each.join("; ")
}

fn words(outcome: SimulatedOutcome) -> (Key, Tone) {
    match outcome {
        SimulatedOutcome::Denied => (Key::SimulatedDenied, Tone::Bad),
        SimulatedOutcome::Less => (Key::SimulatedLess, Tone::Warning),
        SimulatedOutcome::Mixed => (Key::SimulatedMixed, Tone::Warning),
        SimulatedOutcome::More => (Key::SimulatedMore, Tone::Bad),
        SimulatedOutcome::Permitted => (Key::SimulatedPermitted, Tone::Bad),
        SimulatedOutcome::Same => (Key::NothingChanges, Tone::Good),
    }
}
