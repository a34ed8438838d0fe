//! Content of law in the policy: the list of breaches, and what was not verified.

use chengxin_api::types::policy_content::{BreachMeasure, Breaches, UnverifiedValues};
use chengxin_policy::{MissingFact, SanctionObject};

use super::page::{Cell, Table, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

/// A line for each grade of a breach: what may follow differs from grade to grade, and so does what was verified.
impl Document for Breaches {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("class", Key::BreachClass),
            wide("item", Key::BreachItem),
            column("code", Key::Code),
            column("name", Key::Name),
            column("objects", Key::SanctionObject),
            column("severity", Key::Severity),
            wide("measures", Key::Measures),
            column("grade_verified", Key::GradeVerified),
            wide("missing", Key::NotFound),
            wide("repair", Key::RepairRule),
            wide("criteria", Key::Criteria),
            column("document", Key::Source),
            column("verified", Key::Verified),
        ]);
        for (breach, grade) in
            self.breaches.iter().flat_map(|breach| breach.grades.iter().map(move |grade| (breach, grade)))
        {
            table.row([
                Cell::new(view.pick(&breach.class, &breach.class_en)),
                Cell::new(view.pick(&breach.item, &breach.item_en)),
                Cell::of(&breach.code),
                Cell::new(view.pick(&breach.name, &breach.name_en)),
                Cell::new(view.join(breach.objects.iter().map(|object| object_name(*object, view)))),
                Cell::new(view.severity(grade.severity)),
                Cell::new(measures_text(&grade.measures, view)),
                Cell::new(view.yes_no(grade.verified)),
                Cell::new(missing_text(&grade.missing, view)),
                Cell::new(&grade.repair),
                Cell::new(view.pick(&breach.criteria, &breach.criteria_en)),
                Cell::new(&breach.document),
                Cell::new(view.yes_no(breach.verified)),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "breaches" })
    }
}

impl Document for UnverifiedValues {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("file", Key::File),
            column("key", Key::Entry),
            column("missing", Key::NotFound),
            column("document", Key::Source),
        ]);
        for value in &self.values {
            table.row([
                Cell::new(&value.file),
                Cell::new(&value.key),
                Cell::new(missing_text(&value.missing, view)),
                Cell::new(&value.document),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "values" })
    }
}

fn object_name(object: SanctionObject, view: View) -> &'static str {
    if view.machine { object.as_str() } else { view.pick(object.chinese(), object.english()) }
}

fn missing_text(missing: &[MissingFact], view: View) -> String {
    view.join(
        missing
            .iter()
            .map(|fact| if view.machine { fact.as_str() } else { view.pick(fact.chinese(), fact.english()) }),
    )
}

/// Each measure with whom it strikes for programs; for people, those that strike the same kind together.
fn measures_text(measures: &[BreachMeasure], view: View) -> String {
    let groups = measures.chunk_by(|one, next| !view.machine && one.object == next.object);
    let texts: Vec<String> = groups
        .map(|group| {
            let object = group.first().map_or("", |listed| object_name(listed.object, view));
            let codes = view.join(group.iter().map(|listed| listed.measure.as_str()));
            if view.machine { format!("{object}:{codes}") } else { format!("{object}: {codes}") }
        })
        .collect();
    if view.machine { view.join(texts.iter().map(String::as_str)) } else { texts.join("; ") }
}
