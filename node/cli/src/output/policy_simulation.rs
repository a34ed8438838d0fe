//! What would have become of past requests under another policy.

use chengxin_api::types::policy_simulation::{
    MemberSimulation, PolicySimulation, SimulatedField, SimulatedForm, SimulatedLine, SimulatedOutcome,
};

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
            wide("fields_masked", Key::FieldsMaskedAtMost),
            wide("fields_withheld", Key::FieldsWithheldAtMost),
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
        .toned(if changed == 0 && self.fields_changed.is_empty() {
            Tone::Good
        } else {
            Tone::Warning
        })]);
        if !self.fields_changed.is_empty() {
            let fields = self.fields_changed.len().to_string();
            page.line([Cell::new(view.fill(Key::SimulatedFields, &[&fields])).toned(Tone::Warning)]);
        }
        if self.skipped > 0 {
            page.line([Cell::new(view.fill(Key::SimulatedSkipped, &[&self.skipped.to_string()]))]);
        }
        if !self.complete {
            page.line([Cell::new(view.text(Key::SimulatedIncomplete)).toned(Tone::Warning)]);
        }
        if !self.lines.is_empty() {
            page.table(self.table(view));
        }
        if !self.members.is_empty() {
            page.heading(view.text(Key::MembersCounts));
            page.table(members_table(&self.members, view));
            let has_lines = |member: &MemberSimulation| {
                member.counts.as_ref().is_some_and(|counts| !counts.lines.is_empty())
            };
            if self.members.iter().any(has_lines) {
                page.table(member_lines(&self.members, view));
            }
        }
        if !self.fields_changed.is_empty() {
            page.heading(view.text(Key::Fields));
            page.table(fields_table(&self.fields_changed, view));
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}

/// What each member told in sum, or why it told nothing.
fn members_table(members: &[MemberSimulation], view: View) -> Table {
    let mut table = Table::new(&[
        column("agency", Key::Agency),
        column("name", Key::Name),
        column("requests", Key::Requests),
        column("changed", Key::RequestsChanged),
        column("from", Key::PolicyVersion),
        column("reason", Key::Reason),
    ]);
    for member in members {
        let counts = member.counts.as_ref();
        let changed = counts.map(|counts| {
            counts.lines.iter().fold(counts.others, |sum, line| sum.saturating_add(line.requests))
        });
        let tone = if changed.is_some_and(|changed| changed > 0) { Tone::Warning } else { Tone::Good };
        let reason = match (&member.reason, counts) {
            (Some(reason), _) => view.told(reason).into_owned(),
            (None, Some(counts)) if !counts.complete => view.text(Key::SimulatedIncomplete).to_owned(),
            (None, _) => String::new(),
        };
        table.row([
            Cell::of(member.agency),
            Cell::new(&member.name),
            Cell::optional(counts.map(|counts| counts.requests).as_ref()),
            Cell::optional(changed.as_ref()).toned(tone),
            Cell::new(counts.map(|counts| counts.from.clone()).unwrap_or_default()),
            Cell::new(reason),
        ]);
    }
    table
}

/// What would change at the members that told.
fn member_lines(members: &[MemberSimulation], view: View) -> Table {
    let mut table = Table::new(&[
        column("outcome", Key::Outcome),
        column("member", Key::ToldBy),
        column("asker", Key::Agency),
        wide("action", Key::Action),
        column("purpose", Key::Purpose),
        column("role", Key::Role),
        wide("subject_kind", Key::SubjectKind),
        column("requests", Key::Requests),
    ]);
    for (member, line) in members.iter().flat_map(|member| {
        member.counts.iter().flat_map(move |counts| counts.lines.iter().map(move |line| (member, line)))
    }) {
        let (key, tone) = words(line.outcome);
        table.row([
            Cell::new(view.text(key)).toned(tone),
            Cell::new(&member.name),
            Cell::of(line.asker),
            Cell::new(&line.action),
            Cell::of(&line.purpose),
            Cell::new(view.role(line.role)),
            Cell::new(kind_text(line.subject_kind, view)),
            Cell::of(line.requests),
        ]);
    }
    table
}

fn fields_table(fields: &[SimulatedField], view: View) -> Table {
    let mut table = Table::new(&[
        column("record_type", Key::Type),
        column("field", Key::FieldName),
        column("label", Key::Field),
        column("change", Key::Change),
    ]);
    for field in fields {
        table.row([
            Cell::new(view.record_type(field.record_type)),
            Cell::new(&field.field),
            Cell::new(&field.label),
            Cell::new(form_changes(field, view)).toned(Tone::Warning),
        ]);
    }
    table
}

/// What of a field's classification would be otherwise.
fn form_changes(field: &SimulatedField, view: View) -> String {
    let each: Vec<String> = form_parts(&field.from, view)
        .into_iter()
        .zip(form_parts(&field.to, view))
        .filter(|((_, from), (_, to))| from != to)
        .map(|((key, from), (_, to))| format!("{} {from} → {to}", view.text(key)))
        .collect();
    each.join("; ")
}

fn form_parts(form: &SimulatedForm, view: View) -> [(Key, String); 4] {
    let mask = match form.mask {
        Some([left, right]) => view.fill(Key::KeptEnds, &[&left.to_string(), &right.to_string()]),
        None => view.text(Key::NoMaskRule).to_owned(),
    };
    [
        (Key::Level, form.level.to_string()),
        (Key::PersonLevel, form.person_level.to_string()),
        (Key::Sharing, view.sharing(form.sharing).to_owned()),
        (Key::MaskRule, mask),
    ]
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
