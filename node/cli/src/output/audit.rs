//! The audit log and its verification.

use std::borrow::Cow;

use chengxin_api::chinese::{audit_event, audit_outcome};
use chengxin_api::types::audit::{AuditEntries, AuditVerification};

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::language::Language;
use crate::texts::Key;

impl Document for AuditEntries {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("index", Key::Number),
            column("at", Key::When),
            column("event", Key::Event),
            column("actor", Key::Actor),
            column("outcome", Key::Outcome),
            column("rule", Key::Rule),
            column("purpose", Key::Purpose),
            column("peer", Key::Peer),
            wide("role", Key::Role),
            wide("subject_key", Key::SubjectKey),
            wide("name_key", Key::NameKey),
            wide("policy", Key::PolicyVersion),
            wide("request", Key::RequestDigest),
            wide("fields_shown", Key::FieldsShown),
            wide("fields_masked", Key::FieldsMasked),
        ]);
        for entry in &self.entries {
            let optional = |value: &Option<String>| Cell::new(value.as_deref().unwrap_or(""));
            table.row([
                Cell::of(entry.index),
                Cell::new(view.time(entry.at)),
                Cell::new(event_text(&entry.event, view)),
                Cell::new(&entry.actor),
                Cell::new(outcome_text(&entry.outcome, view)),
                optional(&entry.rule),
                optional(&entry.purpose),
                Cell::optional(entry.peer),
                Cell::new(entry.role.as_deref().map_or("", |role| role_text(role, view))),
                optional(&entry.subject_key),
                optional(&entry.name_key),
                optional(&entry.policy),
                Cell::optional(entry.request),
                Cell::of(entry.fields_shown),
                Cell::of(entry.fields_masked),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "entries" })
    }
}

/// Codes are English words, so that English readers get them with spaces and programs as they are.
fn event_text(code: &str, view: View) -> Cow<'_, str> {
    match (view.machine, view.language) {
        (true, _) => Cow::Borrowed(code),
        (false, Language::Zh) => Cow::Borrowed(audit_event(code).unwrap_or(code)),
        (false, Language::En) => Cow::Owned(code.replace('_', " ")),
    }
}

/// The role's name for people; a role that this program does not know as it is.
fn role_text(code: &str, view: View) -> &str {
    code.parse().map_or(code, |role| view.role(role))
}

fn outcome_text(outcome: &str, view: View) -> Cow<'_, str> {
    match (view.machine, view.language) {
        (true, _) | (false, Language::En) => Cow::Borrowed(outcome),
        (false, Language::Zh) => audit_outcome(outcome).map_or(Cow::Borrowed(outcome), Cow::Owned),
    }
}

impl Document for AuditVerification {
    fn table(&self, _view: View) -> Table {
        let mut table = Table::new(&[
            column("holds", Key::Holds),
            column("origin", Key::Origin),
            column("entries", Key::Entries),
            column("root", Key::RootHash),
            column("fault", Key::Faults),
        ]);
        table.row([
            Cell::of(self.holds),
            Cell::new(&self.origin),
            Cell::of(self.entries),
            Cell::new(&self.root),
            Cell::new(self.faults.join("; ")),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let (key, tone) = if self.holds { (Key::LogHolds, Tone::Good) } else { (Key::LogBroken, Tone::Bad) };
        page.line([Cell::new(view.text(key)).toned(tone)]);
        page.pairs(vec![
            (Key::Origin, Cell::new(&self.origin)),
            (Key::Entries, Cell::of(self.entries)),
            (Key::RootHash, Cell::new(&self.root)),
            (Key::SignedBy, Cell::new(view.join(self.signed_by.iter().map(String::as_str)))),
            (Key::Uncovered, Cell::of(self.uncovered)),
        ]);
        for note in &self.notes {
            page.line([Cell::new("!").toned(Tone::Warning), Cell::new(view.told(note))]);
        }
        for fault in &self.faults {
            page.line([Cell::new("✗").toned(Tone::Bad), Cell::new(view.told(fault))]);
        }
        page
    }
}
