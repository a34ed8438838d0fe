//! Content of law in the policy: the list of breaches, and what was not verified.

use chengxin_api::types::policy_content::{Breaches, UnverifiedValues};

use super::page::{Cell, Table, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Breaches {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("class", Key::BreachClass),
            wide("item", Key::BreachItem),
            column("code", Key::Code),
            column("name", Key::Name),
            column("objects", Key::SanctionObject),
            column("severities", Key::Severity),
            wide("measures", Key::Measures),
            wide("repair", Key::RepairRule),
            wide("criteria", Key::Criteria),
            column("document", Key::Source),
            column("verified", Key::Verified),
        ]);
        for breach in &self.breaches {
            let objects = breach.objects.iter().map(|object| {
                if view.machine { object.as_str() } else { view.pick(object.chinese(), object.english()) }
            });
            let mut measures: Vec<&str> = Vec::new();
            for listed in breach.grades.iter().flat_map(|grade| &grade.measures) {
                if !measures.contains(&listed.measure.as_str()) {
                    measures.push(listed.measure.as_str());
                }
            }
            table.row([
                Cell::new(view.pick(&breach.class, &breach.class_en)),
                Cell::new(view.pick(&breach.item, &breach.item_en)),
                Cell::of(&breach.code),
                Cell::new(view.pick(&breach.name, &breach.name_en)),
                Cell::new(view.join(objects)),
                Cell::new(view.join(breach.grades.iter().map(|grade| view.severity(grade.severity)))),
                Cell::new(view.join(measures)),
                Cell::new(view.join(breach.grades.iter().map(|grade| grade.repair.as_str()))),
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
            let missing = value.missing.iter().map(|fact| {
                if view.machine { fact.as_str() } else { view.pick(fact.chinese(), fact.english()) }
            });
            table.row([
                Cell::new(&value.file),
                Cell::new(&value.key),
                Cell::new(view.join(missing)),
                Cell::new(&value.document),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "values" })
    }
}
