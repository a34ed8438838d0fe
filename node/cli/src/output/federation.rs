//! Members and their admission.

use chengxin_api::types::federation::{Delegation, Enrolment, JoinToken, Member, Members, Removal};

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Members {
    fn table(&self, view: View) -> Table {
        member_table(&self.members, view)
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "members" })
    }
}

impl Document for Enrolment {
    fn table(&self, view: View) -> Table {
        member_table(std::slice::from_ref(&self.member), view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([
            Cell::new(view.fill(Key::Enrolled, &[&self.directory_version.to_string()])).toned(Tone::Good)
        ]);
        page.table(self.table(view));
        page
    }
}

impl Document for Removal {
    fn table(&self, view: View) -> Table {
        member_table(std::slice::from_ref(&self.member), view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.line([
            Cell::new(view.fill(Key::Removed, &[&self.directory_version.to_string()])).toned(Tone::Good)
        ]);
        page.table(self.table(view));
        page
    }
}

impl Document for Delegation {
    fn table(&self, view: View) -> Table {
        member_table(std::slice::from_ref(&self.member), view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let key = match self.member.overlay_region {
            Some(_) => Key::Delegated,
            None => Key::DelegationWithdrawn,
        };
        let region = self.member.region.to_string();
        page.line([
            Cell::new(view.fill(key, &[&region, &self.directory_version.to_string()])).toned(Tone::Good)
        ]);
        page.table(self.table(view));
        page
    }
}

fn member_table(members: &[Member], view: View) -> Table {
    let mut table = Table::new(&[
        column("agency", Key::Agency),
        column("name", Key::Name),
        column("region", Key::Region),
        column("coordinator", Key::Coordinator),
        wide("overlay_region", Key::OverlayRegion),
        column("functions", Key::Functions),
        wide("transport_identity", Key::TransportIdentity),
        wide("addresses", Key::Addresses),
    ]);
    for member in members {
        table.row([
            Cell::of(member.agency),
            Cell::new(&member.name),
            Cell::of(member.region),
            Cell::new(view.yes_no(member.coordinator)),
            Cell::optional(member.overlay_region.as_ref()),
            Cell::new(view.join(member.functions.iter().map(|function| function.as_str()))),
            Cell::new(&member.transport_identity),
            Cell::new(view.join(member.addresses.iter().map(String::as_str))),
        ]);
    }
    table
}

impl Document for JoinToken {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("agency", Key::Agency),
            column("token", Key::Token),
            column("expires_at", Key::Until),
            column("addresses", Key::Addresses),
            column("root_fingerprint", Key::RootFingerprint),
        ]);
        table.row([
            Cell::of(self.agency),
            Cell::new(token_text(self)),
            Cell::new(view.time(self.expires_at)),
            Cell::new(view.join(self.addresses.iter().map(String::as_str))),
            Cell::new(&self.root_fingerprint),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        page.pairs(vec![
            (Key::Agency, Cell::of(self.agency)),
            (Key::Token, Cell::new(token_text(self))),
            (Key::Until, Cell::new(view.time(self.expires_at))),
            (Key::Addresses, Cell::new(view.join(self.addresses.iter().map(String::as_str)))),
            (Key::RootFingerprint, Cell::new(&self.root_fingerprint)),
        ]);
        if let Some(at) = self.replaced {
            page.line([Cell::new(view.fill(Key::TokenReplaced, &[&view.time(at)])).toned(Tone::Warning)]);
        }
        page
    }
}

/// The token, or where it was written.
fn token_text(token: &JoinToken) -> String {
    match (&token.token, &token.token_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(file)) => format!("→ {}", file.display()),
        (None, None) => String::new(),
    }
}
