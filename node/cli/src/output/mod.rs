//! One document, five forms: table, wide table, JSON, JSON lines, CSV.

pub mod audit;
pub mod certificate;
pub mod check;
pub mod config;
pub mod federation;
pub mod import;
pub mod notice;
pub mod operator;
pub mod page;
pub mod policy;
pub mod policy_content;
pub mod policy_diff;
pub mod policy_plan;
pub mod policy_simulation;
pub mod record;
pub mod release;
mod render;
pub mod sanitise;
pub mod setup;
pub mod status;
mod wrap;

use serde::Serialize;

use self::page::{Page, Table, View};
use crate::arguments::Format;
use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use chengxin_api::types::policy_diff::{PolicyChanges, PolicyTest};
use chengxin_api::types::policy_plan::{PlanDocument, PolicyStatus, Published};
use chengxin_api::types::policy_simulation::PolicySimulation;
use chengxin_api::types::status::Status;

pub(crate) use render::Following;
pub use render::TerminalWidth;

/// A document that can be printed.
pub trait Document: Serialize {
    /// Its main table: the rows of CSV, and of the page unless the document lays out its own.
    fn table(&self, view: View) -> Table;

    /// What people see.
    fn page(&self, view: View) -> Page {
        Page::of_table(self.table(view), view)
    }

    /// For a list: the field that holds the items, which JSON lines print one by one.
    fn list(&self) -> Option<List> {
        None
    }
}

/// A document that names commands to type next.
pub(crate) trait NextCommands: Document {
    /// The commands.
    fn commands_mut(&mut self) -> Vec<&mut String>;
}

/// Documents whose commands stand in one list.
macro_rules! next_commands {
    ($($document:ty),+ $(,)?) => {
        $(impl NextCommands for $document {
            fn commands_mut(&mut self) -> Vec<&mut String> {
                self.next.iter_mut().collect()
            }
        })+
    };
}
next_commands!(PolicyTest, PolicyChanges, PolicySimulation, PlanDocument, Published, PolicyStatus);

impl NextCommands for Status {
    fn commands_mut(&mut self) -> Vec<&mut String> {
        self.hints.iter_mut().filter_map(|hint| hint.command.as_mut()).collect()
    }
}

/// How a list is taken apart.
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// Field that holds the items.
    pub items: &'static str,
}

/// Prints a document in the form that was chosen.
pub fn print(document: &impl Document, settings: &Settings, console: &mut Console) -> Result<(), CliError> {
    print_following(document, settings, console, &mut Following::default())
}

/// Prints a document that may follow another page of the same list: CSV and tables then have no second header.
pub(crate) fn print_following(
    document: &impl Document,
    settings: &Settings,
    console: &mut Console,
    following: &mut Following,
) -> Result<(), CliError> {
    let people = View { language: settings.language, machine: false };
    let programs = View { language: settings.language, machine: true };
    let text = match settings.format {
        Format::Table | Format::Wide => {
            let look = render::Look {
                wide: settings.format == Format::Wide,
                colour: settings.colour && console.out_is_terminal,
                width: TerminalWidth::of(console.out_is_terminal, &settings.environment),
                language: settings.language,
            };
            render::page(&document.page(people), look, following)
        }
        Format::Json => json_text(&serde_json::to_value(document).map_err(unprintable)?, true)?,
        Format::Jsonl => json_lines(document)?,
        Format::Csv => csv_text(&document.table(programs), !following.begun)?,
    };
    following.begun = true;
    console.data(text.as_bytes())
}

fn json_lines(document: &impl Document) -> Result<String, CliError> {
    let mut value = serde_json::to_value(document).map_err(unprintable)?;
    let Some(list) = document.list() else { return json_text(&value, false) };
    let schema = value.get("schema").cloned().unwrap_or_default();
    let items = match value.get_mut(list.items).map(serde_json::Value::take) {
        Some(serde_json::Value::Array(items)) => items,
        Some(_) | None => Vec::new(),
    };
    let mut lines = String::new();
    for item in items {
        let mut line = serde_json::Map::new();
        line.insert("schema".to_owned(), schema.clone());
        if let serde_json::Value::Object(fields) = item {
            line.extend(fields);
        }
        lines.push_str(&json_text(&serde_json::Value::Object(line), false)?);
    }
    Ok(lines)
}

fn json_text(value: &serde_json::Value, pretty: bool) -> Result<String, CliError> {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    let mut text = sanitise::json_escape(&text.map_err(unprintable)?);
    text.push('\n');
    Ok(text)
}

/// RFC 4180 with a byte order mark, because spreadsheets in Chinese offices take a file without one for GBK.
fn csv_text(table: &Table, first: bool) -> Result<String, CliError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let failed = |error: csv::Error| CliError::Output(std::io::Error::other(error));
    if first {
        writer.write_record(table.columns.iter().map(|column| column.id)).map_err(failed)?;
    }
    for row in &table.rows {
        writer.write_record(row.iter().map(|cell| sanitise::cell_guard(cell.text()))).map_err(failed)?;
    }
    let bytes =
        writer.into_inner().map_err(|error| CliError::Output(std::io::Error::other(error.to_string())))?;
    let body = String::from_utf8_lossy(&bytes);
    Ok(if first { format!("\u{FEFF}{body}") } else { body.into_owned() })
}

fn unprintable(error: serde_json::Error) -> CliError {
    CliError::Output(std::io::Error::other(error))
}
