//! The policy: codes, one decision, the decision table.

use chengxin_api::types::policy::{Needed, Policy, PolicyExplanation, PolicyTable};
use chengxin_api::types::record::FieldShown;
use chengxin_schemas::subject::SubjectKind;

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Policy {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("kind", Key::Kind),
            column("code", Key::Code),
            column("name", Key::Name),
            column("legal_basis", Key::LegalBasis),
            column("object", Key::SanctionObject),
            column("verified", Key::Verified),
            wide("severity_floor", Key::SeverityFloor),
            wide("roles", Key::Roles),
            wide("source", Key::Source),
            wide("daily_limit", Key::DailyLimit),
            wide("daily_limit_body", Key::DailyLimitBody),
        ]);
        let label = |code: &'static str, key| if view.machine { code } else { view.text(key) };
        for purpose in &self.purposes {
            table.row([
                Cell::new(label("purpose", Key::Purpose)),
                Cell::of(&purpose.code),
                Cell::new(view.pick(&purpose.name, &purpose.name_en)),
                Cell::new(purpose.legal_basis.as_deref().unwrap_or("")),
                Cell::empty(),
                Cell::empty(),
                Cell::empty(),
                Cell::new(view.join(purpose.roles.iter().map(|role| view.role(*role)))),
                Cell::new(&purpose.requirement),
                Cell::optional(purpose.daily_limit),
                Cell::optional(purpose.daily_limit_body),
            ]);
        }
        for measure in &self.measures {
            table.row([
                Cell::new(label("measure", Key::Measure)),
                Cell::of(&measure.code),
                Cell::new(view.pick(&measure.name, &measure.name_en)),
                Cell::new(measure.legal_basis.as_deref().unwrap_or("")),
                Cell::new(if view.machine {
                    measure.object.as_str()
                } else {
                    view.pick(measure.object.chinese(), measure.object.english())
                }),
                Cell::new(view.yes_no(measure.verified)),
                Cell::new(view.severity(measure.severity_floor)),
                Cell::empty(),
                Cell::new(&measure.document),
                Cell::empty(),
                Cell::empty(),
            ]);
        }
        for function in &self.functions {
            table.row([
                Cell::new(label("function", Key::Function)),
                Cell::of(&function.code),
                Cell::new(view.pick(&function.name, &function.name_en)),
                Cell::empty(),
                Cell::empty(),
                Cell::new(view.yes_no(function.verified)),
                Cell::empty(),
                Cell::empty(),
                Cell::new(&function.source),
                Cell::empty(),
                Cell::empty(),
            ]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([Cell::new(view.fill(Key::PolicyLine, &[&self.version]))]);
        page.table(self.table(view));
        page
    }
}

impl Document for PolicyExplanation {
    /// The fields; for programs with the decision in every row, and one row without a field where none was asked for.
    fn table(&self, view: View) -> Table {
        if view.machine {
            return decision_table(self, view);
        }
        let mut table = Table::new(&[
            column("field", Key::FieldName),
            column("label", Key::Field),
            column("level", Key::Level),
            column("shown", Key::Shown),
            column("reason", Key::Reason),
        ]);
        for field in &self.fields {
            let (key, tone) = match field.shown {
                FieldShown::Shown => (Key::ShownWhole, Tone::Good),
                FieldShown::Masked => (Key::Masked, Tone::Warning),
                FieldShown::Withheld => (Key::Withheld, Tone::Bad),
            };
            table.row([
                Cell::new(&field.name),
                Cell::new(&field.label),
                Cell::of(field.level),
                Cell::new(view.text(key)).toned(tone),
                Cell::new(view.pick(
                    field.reason_zh.as_deref().unwrap_or(""),
                    field.reason_en.as_deref().unwrap_or(""),
                )),
            ]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let (key, tone) =
            if self.permitted { (Key::Permitted, Tone::Good) } else { (Key::Denied, Tone::Bad) };
        page.line([Cell::new(view.text(key)).toned(tone)]);
        let mut pairs = vec![
            (Key::Role, Cell::new(view.role(self.question.role))),
            (Key::Purpose, Cell::of(&self.question.purpose)),
            (Key::Category, Cell::new(view.category(self.question.category))),
            (
                Key::SubjectKind,
                Cell::new(self.question.subject_kind.map_or("", |kind| kind_text(kind, view))),
            ),
            (Key::Rule, Cell::new(self.rule.as_deref().unwrap_or(""))),
            (Key::Reason, Cell::new(view.pick(&self.reason_zh, &self.reason_en))),
            (Key::PolicyVersion, Cell::new(&self.policy)),
        ];
        let needed = self.needed.as_ref();
        if let Some(needed) = needed.filter(|needed| !needed.conditions.is_empty()) {
            pairs.push((Key::NeededConditions, Cell::new(conditions_text(&needed.conditions, view))));
        }
        page.pairs(pairs);
        if let Some(needed) = needed {
            purposes_write(needed, &mut page, view);
        }
        if !self.fields.is_empty() {
            page.heading(view.text(Key::Fields));
            page.table(self.table(view));
        }
        page
    }
}

/// The purposes that would do.
fn purposes_write(needed: &Needed, page: &mut Page, view: View) {
    if needed.purposes.is_empty() {
        return;
    }
    page.heading(view.text(Key::NeededPurposes));
    let mut table = Table::new(&[
        column("code", Key::Code),
        column("name", Key::Name),
        column("conditions", Key::NeededConditions),
    ]);
    for purpose in &needed.purposes {
        table.row([
            Cell::of(&purpose.code),
            Cell::new(view.pick(&purpose.name, &purpose.name_en)),
            Cell::new(conditions_text(&purpose.conditions, view)),
        ]);
    }
    page.table(table);
    if needed.more {
        page.line([Cell::new(view.text(Key::NeededMore)).toned(Tone::Dim)]);
    }
}

fn conditions_text(conditions: &[String], view: View) -> String {
    view.join(conditions.iter().map(|condition| match condition.as_str() {
        "case-reference" if !view.machine => view.text(Key::NeededCase),
        "legal-basis" if !view.machine => view.text(Key::NeededBasis),
        "subject-authorisation" if !view.machine => view.text(Key::NeededAuthorisation),
        "second-person" if !view.machine => view.text(Key::NeededRelease),
        other => other,
    }))
}

fn decision_table(explanation: &PolicyExplanation, view: View) -> Table {
    let mut table = Table::new(&[
        column("permitted", Key::Permitted),
        column("rule", Key::Rule),
        column("reason", Key::Reason),
        column("policy", Key::PolicyVersion),
        column("field", Key::FieldName),
        column("label", Key::Field),
        column("level", Key::Level),
        column("shown", Key::Shown),
        column("field_reason", Key::Reason),
        column("needed_conditions", Key::NeededConditions),
        column("needed_purposes", Key::NeededPurposes),
    ]);
    let needed = || {
        let needed = explanation.needed.as_ref();
        let purposes = needed.iter().flat_map(|needed| &needed.purposes);
        [
            Cell::new(needed.map(|needed| conditions_text(&needed.conditions, view)).unwrap_or_default()),
            Cell::new(view.join(purposes.map(|purpose| purpose.code.as_str()))),
        ]
    };
    let decision = || {
        [
            Cell::new(view.yes_no(explanation.permitted)),
            Cell::new(explanation.rule.as_deref().unwrap_or("")),
            Cell::new(view.pick(&explanation.reason_zh, &explanation.reason_en)),
            Cell::new(&explanation.policy),
        ]
    };
    for field in &explanation.fields {
        let shown = match field.shown {
            FieldShown::Shown => "shown",
            FieldShown::Masked => "masked",
            FieldShown::Withheld => "withheld",
        };
        let reason = view
            .pick(field.reason_zh.as_deref().unwrap_or(""), field.reason_en.as_deref().unwrap_or(""))
            .to_owned();
        let cells = [
            Cell::new(&field.name),
            Cell::new(&field.label),
            Cell::of(field.level),
            Cell::new(shown),
            Cell::new(reason),
        ];
        table.rows.push(decision().into_iter().chain(cells).chain(needed()).collect());
    }
    if explanation.fields.is_empty() {
        let empty = (0..5).map(|_| Cell::empty());
        table.rows.push(decision().into_iter().chain(empty).chain(needed()).collect());
    }
    table
}

pub(super) fn kind_text(kind: SubjectKind, view: View) -> &'static str {
    match kind {
        SubjectKind::Organisation if view.machine => "organisation",
        SubjectKind::Person if view.machine => "person",
        SubjectKind::Organisation => view.text(Key::KindOrganisation),
        SubjectKind::Person => view.text(Key::KindPerson),
    }
}

/// What is let out, in words for people.
pub(super) fn decision_text(decision: &str, view: View) -> &str {
    match decision {
        "show" if !view.machine => view.text(Key::ShownWhole),
        "mask" if !view.machine => view.text(Key::Masked),
        "withhold" if !view.machine => view.text(Key::Withheld),
        other => other,
    }
}

impl Document for PolicyTable {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("role", Key::Role),
            column("purpose", Key::Purpose),
            column("subject", Key::SubjectKind),
            column("category", Key::Category),
            column("level", Key::Level),
            column("decision", Key::Decision),
            column("rule", Key::Rule),
        ]);
        for cell in &self.cells {
            let tone = if cell.decision == "withhold" { Tone::Bad } else { Tone::Plain };
            let decision = decision_text(&cell.decision, view);
            table.row([
                Cell::new(view.role(cell.role)),
                Cell::of(&cell.purpose),
                Cell::new(kind_text(cell.subject_kind, view)),
                Cell::new(view.category(cell.category)),
                Cell::of(cell.level),
                Cell::new(decision).toned(tone),
                Cell::new(&cell.rule),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "cells" })
    }
}
