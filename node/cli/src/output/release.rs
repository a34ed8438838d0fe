//! Releases of checks.

use chengxin_api::types::release::{Release, ReleaseDocument, ReleaseState, Releases};

use super::page::{Cell, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Releases {
    fn table(&self, view: View) -> Table {
        release_table(&self.releases, view)
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "releases" })
    }
}

impl Document for ReleaseDocument {
    fn table(&self, view: View) -> Table {
        release_table(std::slice::from_ref(&self.release), view)
    }
}

fn release_table(releases: &[Release], view: View) -> Table {
    let mut table = Table::new(&[
        column("release", Key::Release),
        column("state", Key::State),
        column("subject", Key::Subject),
        column("name", Key::Name),
        column("purpose", Key::Purpose),
        column("case_reference", Key::CaseReference),
        wide("legal_basis", Key::LegalBasis),
        column("asked_by", Key::AskedBy),
        wide("asked_at", Key::AskedAt),
        column("until", Key::Until),
        column("decided_by", Key::DecidedBy),
        wide("decided_at", Key::DecidedAt),
        column("reason", Key::Reason),
    ]);
    for release in releases {
        let (code, key, tone) = match release.state {
            ReleaseState::Open => ("open", Key::ReleaseOpen, Tone::Warning),
            ReleaseState::Given => ("given", Key::ReleaseGiven, Tone::Good),
            ReleaseState::Refused => ("refused", Key::ReleaseRefused, Tone::Bad),
        };
        let names = release.purpose_name.as_deref().zip(release.purpose_name_en.as_deref());
        let purpose = match names {
            Some((chinese, english)) if !view.machine => view.pick(chinese, english).to_owned(),
            _ => release.purpose.to_string(),
        };
        table.row([
            Cell::of(release.release),
            Cell::new(if view.machine { code } else { view.text(key) }).toned(tone),
            Cell::new(&release.subject),
            Cell::optional(release.name.as_ref()),
            Cell::new(purpose),
            Cell::of(&release.case_reference),
            Cell::optional(release.legal_basis.as_ref()),
            Cell::of(&release.asked_by),
            Cell::new(view.time(release.asked_at)),
            Cell::new(view.time(release.until)),
            Cell::optional(release.decided_by.as_ref()),
            Cell::new(release.decided_at.map(|at| view.time(at)).unwrap_or_default()),
            Cell::optional(release.reason.as_ref()),
        ]);
    }
    table
}
