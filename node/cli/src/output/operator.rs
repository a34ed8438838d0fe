//! Operator accounts.

use chengxin_api::types::operator::{Operator, OperatorDocument, Operators};

use super::page::{Cell, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Operators {
    fn table(&self, view: View) -> Table {
        operator_table(&self.operators, view)
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "operators" })
    }
}

impl Document for OperatorDocument {
    fn table(&self, view: View) -> Table {
        operator_table(std::slice::from_ref(&self.operator), view)
    }
}

fn operator_table(operators: &[Operator], view: View) -> Table {
    let mut table = Table::new(&[
        column("name", Key::Operator),
        column("display_name", Key::Name),
        column("uid", Key::Uid),
        column("roles", Key::Roles),
        column("enabled", Key::Enabled),
        wide("created_at", Key::CreatedAt),
        wide("created_by", Key::CreatedBy),
    ]);
    for operator in operators {
        let tone = if operator.enabled { Tone::Plain } else { Tone::Dim };
        table.row([
            Cell::of(&operator.name).toned(tone),
            Cell::new(&operator.display_name),
            Cell::of(operator.uid),
            Cell::new(view.join(operator.roles.iter().map(|role| view.role(*role)))),
            Cell::new(view.yes_no(operator.enabled)).toned(tone),
            Cell::new(view.time(operator.created_at)),
            Cell::optional(operator.created_by.as_ref()),
        ]);
    }
    table
}
