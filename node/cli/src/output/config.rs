//! Settings with their origin, and the faults of a configuration.

use chengxin_api::types::config::{Config, Origin};

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::host::ConfigValidation;
use crate::texts::Key;

/// Settings, with or without the column that says where each comes from.
#[derive(serde::Serialize)]
#[serde(transparent)]
pub struct ConfigView<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Whether people see the origin too; programs always do.
    #[serde(skip)]
    pub origin: bool,
}

impl Document for ConfigView<'_> {
    fn table(&self, view: View) -> Table {
        let origin = if self.origin { column } else { wide };
        let mut table = Table::new(&[
            column("key", Key::Setting),
            column("value", Key::Value),
            origin("origin", Key::SettingOrigin),
            origin("where", Key::Place),
        ]);
        for setting in &self.config.settings {
            let (code, key, place) = match &setting.origin {
                Origin::Flag(flag) => ("flag", Key::OriginFlag, flag.as_str()),
                Origin::Environment(name) => ("environment", Key::OriginEnvironment, name.as_str()),
                Origin::File(place) => ("file", Key::OriginFile, place.as_str()),
                Origin::Default => ("default", Key::OriginDefault, ""),
            };
            table.row([
                Cell::new(&setting.key),
                Cell::new(&setting.value),
                Cell::new(if view.machine { code } else { view.text(key) }),
                Cell::new(place),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "settings" })
    }
}

impl Document for ConfigValidation {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("key", Key::Setting),
            column("place", Key::Place),
            column("detail", Key::Message),
        ]);
        if view.machine && self.faults.is_empty() {
            // A row for each file that was read and is good; without a file the defaults are.
            let files = self.files.iter().map(|file| file.display().to_string());
            let none = self.files.is_empty().then(String::new);
            for file in files.chain(none) {
                table.row([Cell::empty(), Cell::new(file), Cell::new("valid")]);
            }
        }
        for fault in &self.faults {
            table.row([
                Cell::new(&fault.key),
                Cell::new(&fault.place),
                Cell::new(view.pick(&fault.detail_zh, &fault.detail_en)),
            ]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let files = self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let files = view.join(files.iter().map(String::as_str));
        if self.faults.is_empty() {
            page.line([Cell::new(view.text(Key::ConfigGood)).toned(Tone::Good), Cell::new(files)]);
        } else {
            page.line([Cell::new(view.text(Key::ConfigBad)).toned(Tone::Bad), Cell::new(files)]);
            page.table(self.table(view));
        }
        page
    }
}
