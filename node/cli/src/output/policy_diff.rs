//! Bundles on their way into force: tested, compared.

use chengxin_api::types::policy_diff::{ChangeDirection, PolicyChanges, PolicyTest, ValueChangeWord};

use super::Document;
use super::page::{Cell, Page, Table, Tone, View, column, next_lines};
use crate::texts::Key;

impl Document for PolicyTest {
    fn table(&self, _view: View) -> Table {
        let mut table = Table::new(&[
            column("version", Key::PolicyVersion),
            column("effective", Key::EffectiveFrom),
            column("decision_tests", Key::DecisionTests),
            column("purposes", Key::Purposes),
            column("rules", Key::Rules),
            column("measures", Key::Measures),
            column("digest", Key::Digest),
        ]);
        table.row([
            Cell::new(&self.bundle.version),
            Cell::of(self.bundle.effective),
            Cell::of(self.decision_tests),
            Cell::of(self.purposes),
            Cell::of(self.rules),
            Cell::of(self.measures),
            Cell::of(self.bundle.digest),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let tests = self.decision_tests.to_string();
        page.line([Cell::new(view.fill(Key::BundleHolds, &[&tests])).toned(Tone::Good)]);
        page.pairs(vec![
            (Key::Name, Cell::new(view.pick(&self.title, &self.title_en))),
            (Key::PolicyVersion, Cell::new(&self.bundle.version)),
            (Key::EffectiveFrom, Cell::of(self.bundle.effective)),
            (Key::Purposes, Cell::of(self.purposes)),
            (Key::Rules, Cell::of(self.rules)),
            (Key::Measures, Cell::of(self.measures)),
            (Key::Digest, Cell::of(self.bundle.digest)),
        ]);
        next_lines(&mut page, &self.next, view);
        page
    }
}

fn direction_text(direction: ChangeDirection) -> &'static str {
    match direction {
        ChangeDirection::Wider => "wider",
        ChangeDirection::Narrower => "narrower",
    }
}

impl Document for PolicyChanges {
    /// A row for each decision that changes, for each demand of a purpose, then for each value.
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("kind", Key::Kind),
            column("direction", Key::Direction),
            column("what", Key::Object),
            column("change", Key::Change),
        ]);
        for decision in &self.decisions {
            table.row([
                Cell::new("decision"),
                Cell::new(direction_text(decision.direction)),
                Cell::of(&decision.purpose),
                Cell::new(view.pick(&decision.text_zh, &decision.text_en)),
            ]);
        }
        for demand in &self.demands {
            table.row([
                Cell::new("demand"),
                Cell::new(direction_text(demand.direction)),
                Cell::of(&demand.purpose),
                Cell::new(view.pick(&demand.text_zh, &demand.text_en)),
            ]);
        }
        for value in &self.values {
            let place = if value.entry.is_empty() {
                value.file.clone()
            } else {
                format!("{} {}", value.file, value.entry)
            };
            table.row([
                Cell::new("value"),
                Cell::new(match value.change {
                    ValueChangeWord::Added => "added",
                    ValueChangeWord::Removed => "removed",
                    ValueChangeWord::Changed => "changed",
                }),
                Cell::new(place),
                Cell::new(view.pick(&value.text_zh, &value.text_en)),
            ]);
        }
        table
    }

    /// What is widened stands first: that is what a reader must not miss.
    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([Cell::new(view.fill(Key::ComparedVersions, &[&self.from.version, &self.to.version]))]);
        if self.decisions.is_empty() && self.demands.is_empty() && self.values.is_empty() {
            page.line([Cell::new(view.text(Key::NothingChanges)).toned(Tone::Good)]);
        }
        let directions = [
            (
                ChangeDirection::Wider,
                (Key::DecisionsWider, self.cells_wider),
                Key::DemandsWider,
                ("+", Tone::Bad),
            ),
            (
                ChangeDirection::Narrower,
                (Key::DecisionsNarrower, self.cells_narrower),
                Key::DemandsNarrower,
                ("-", Tone::Warning),
            ),
        ];
        for (direction, (key, cells), demands_key, (mark, tone)) in directions {
            if cells > 0 {
                page.heading(view.fill(key, &[&cells.to_string()]));
            }
            for decision in self.decisions.iter().filter(|decision| decision.direction == direction) {
                page.line([
                    Cell::new(mark).toned(tone),
                    Cell::new(view.pick(&decision.text_zh, &decision.text_en)),
                    Cell::of(format!(
                        "[{} → {}]",
                        decision.from_rules.join(" "),
                        decision.to_rules.join(" ")
                    ))
                    .toned(Tone::Dim),
                ]);
            }
            let demands: Vec<_> =
                self.demands.iter().filter(|demand| demand.direction == direction).collect();
            if !demands.is_empty() {
                page.heading(view.fill(demands_key, &[&demands.len().to_string()]));
            }
            for demand in demands {
                page.line([
                    Cell::new(mark).toned(tone),
                    Cell::new(view.pick(&demand.text_zh, &demand.text_en)),
                ]);
            }
        }
        if !self.values.is_empty() {
            page.heading(view.fill(Key::ValuesChanged, &[&self.values.len().to_string()]));
            for value in &self.values {
                page.line([Cell::new("~"), Cell::new(view.pick(&value.text_zh, &value.text_en))]);
            }
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}
