//! What the binary did by itself: init, found, join.

use super::Document;
use super::page::{Cell, Page, Table, Tone, View, column, next_lines};
use crate::host::{ClockConfirmation, FederationFounded, InitOutcome, Joined, WrittenFile};
use crate::texts::Key;

fn file_table(files: &[WrittenFile], view: View) -> Table {
    let mut table = Table::new(&[column("path", Key::File), column("purpose", Key::Meaning)]);
    for file in files {
        table.row([Cell::of(file.path.display()), Cell::new(view.pick(&file.purpose_zh, &file.purpose_en))]);
    }
    table
}

impl Document for InitOutcome {
    fn table(&self, view: View) -> Table {
        file_table(&self.files, view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let key = if self.dry_run { Key::InitDryRun } else { Key::InitDone };
        page.line([Cell::new(view.fill(key, &[&self.home.display().to_string()]))]);
        page.table(self.table(view));
        if !self.accounts.is_empty() {
            page.heading(view.text(Key::Accounts));
            let mut table = Table::new(&[
                column("name", Key::Operator),
                column("uid", Key::Uid),
                column("roles", Key::Roles),
            ]);
            for account in &self.accounts {
                table.row([
                    Cell::of(&account.name),
                    Cell::of(account.uid),
                    Cell::new(view.join(account.roles.iter().map(|role| view.role(*role)))),
                ]);
            }
            page.table(table);
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}

impl Document for FederationFounded {
    /// The files of the root keys; for programs with the federation and the fingerprint in every row.
    fn table(&self, view: View) -> Table {
        let mut table = file_table(&self.files, view);
        if view.machine {
            table.columns.extend([
                column("federation", Key::Federation),
                column("root_fingerprint", Key::RootFingerprint),
                column("threshold", Key::Threshold),
                column("expires_at", Key::Until),
            ]);
            for row in &mut table.rows {
                row.extend([
                    Cell::of(&self.federation),
                    Cell::new(&self.root_fingerprint),
                    Cell::of(self.threshold),
                    Cell::new(view.time(self.expires_at)),
                ]);
            }
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([Cell::new(view.fill(Key::Founded, &[self.federation.as_str()])).toned(Tone::Good)]);
        page.pairs(vec![
            (Key::RootFingerprint, Cell::new(&self.root_fingerprint)),
            (Key::Threshold, Cell::of(self.threshold)),
            (Key::Until, Cell::new(view.time(self.expires_at))),
        ]);
        page.heading(view.text(Key::RootKeys));
        page.table(self.table(view));
        next_lines(&mut page, &self.next, view);
        page
    }
}

impl Document for ClockConfirmation {
    fn table(&self, view: View) -> Table {
        let mut table =
            Table::new(&[column("clock", Key::Clock), column("signed_before", Key::SignedBefore)]);
        table.row([
            Cell::new(view.time(self.clock)),
            Cell::new(self.signed_before.map(|time| view.time(time)).unwrap_or_default()),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([Cell::new(view.text(Key::ClockConfirmed)).toned(Tone::Good)]);
        page.table(self.table(view));
        next_lines(&mut page, &self.next, view);
        page
    }
}

impl Document for Joined {
    fn table(&self, _view: View) -> Table {
        let mut table = Table::new(&[
            column("federation", Key::Federation),
            column("agency", Key::Agency),
            column("directory_version", Key::DirectoryVersion),
            column("members", Key::Members),
            column("root_fingerprint", Key::RootFingerprint),
        ]);
        table.row([
            Cell::of(&self.federation),
            Cell::of(self.agency),
            Cell::of(self.directory_version),
            Cell::of(self.members),
            Cell::new(&self.root_fingerprint),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let key = if self.again.is_some() { Key::FetchedAgain } else { Key::JoinedLine };
        page.line([Cell::new(view.fill(key, &[self.federation.as_str()])).toned(Tone::Good)]);
        page.table(self.table(view));
        for difference in &self.differences {
            let field = match difference.field.as_str() {
                "name" => view.text(Key::Name),
                "region" => view.text(Key::Region),
                "functions" => view.text(Key::Functions),
                other => other,
            };
            let said = view.fill(Key::EnteredOtherwise, &[field, &difference.entered, &difference.here]);
            page.line([Cell::new(said).toned(Tone::Warning)]);
        }
        if let Some(again) = &self.again {
            if !again.newest_seen {
                let signed = again.signed_at.map(|at| view.time(at)).unwrap_or_default();
                let said = view.fill(Key::SeenIsLost, &[&self.directory_version.to_string(), &signed]);
                page.line([Cell::new(said).toned(Tone::Warning)]);
            }
            if let Some(damaged) = &again.damaged {
                page.line([Cell::new(view.fill(Key::DamagedFolder, &[&damaged.display().to_string()]))]);
            }
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}
