//! Plans for the policy and its adoption.

use chengxin_api::types::policy_plan::{
    AdoptionWord, MemberStatus, Plan, PlanDocument, PolicyStatus, PublicationEntry, Published,
};

use super::page::{Cell, Page, Table, Tone, View, column, next_lines, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for PlanDocument {
    fn table(&self, view: View) -> Table {
        plan_table(std::slice::from_ref(&self.plan), view)
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let Plan { version, digest, base, signatures, signatures_needed, .. } = &self.plan;
        let tone = if signatures.len() >= *signatures_needed { Tone::Good } else { Tone::Warning };
        page.line([Cell::new(view.fill(
            Key::PlanStands,
            &[&version.to_string(), &signatures.len().to_string(), &signatures_needed.to_string()],
        ))
        .toned(tone)]);
        page.pairs(vec![
            (Key::PolicyVersion, Cell::of(version)),
            (Key::Digest, Cell::of(digest)),
            (Key::MadeOn, Cell::of(base)),
            (Key::StagedBy, Cell::of(&self.plan.staged_by)),
            (Key::StagedAt, Cell::new(view.time(self.plan.staged_at))),
            (Key::ApprovedBy, signed(&self.plan, view)),
        ]);
        next_lines(&mut page, &self.next, view);
        page
    }
}

fn plan_table(plans: &[Plan], view: View) -> Table {
    let mut table = Table::new(&[
        column("version", Key::PolicyVersion),
        column("base", Key::MadeOn),
        column("current", Key::Applies),
        column("staged_by", Key::StagedBy),
        wide("staged_at", Key::StagedAt),
        column("signatures", Key::ApprovedBy),
        wide("digest", Key::Digest),
    ]);
    for plan in plans {
        table.row([
            Cell::of(&plan.version),
            Cell::of(&plan.base),
            Cell::new(view.yes_no(plan.current)),
            Cell::of(&plan.staged_by),
            Cell::new(view.time(plan.staged_at)),
            signed(plan, view),
            Cell::of(plan.digest),
        ]);
    }
    table
}

fn signed(plan: &Plan, view: View) -> Cell {
    let names = view.join(plan.signatures.iter().map(|signature| signature.account.as_str()));
    if view.machine {
        return Cell::new(names);
    }
    Cell::new(format!("{}/{} {names}", plan.signatures.len(), plan.signatures_needed).trim_end())
}

impl Document for Published {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("version", Key::PolicyVersion),
            column("effective", Key::EffectiveFrom),
            column("published_at", Key::PublishedAt),
            wide("digest", Key::Digest),
        ]);
        let publication = &self.publication;
        table.row([
            Cell::of(&publication.version),
            Cell::of(publication.effective),
            Cell::new(view.time(publication.published_at)),
            Cell::of(publication.digest),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let publication = &self.publication;
        page.line([Cell::new(view.fill(
            Key::PolicyPublished,
            &[&publication.version.to_string(), &publication.effective.to_string()],
        ))
        .toned(Tone::Good)]);
        if let Some(replaced) = &self.replaced {
            page.line([
                Cell::new(view.fill(Key::PolicyReplaced, &[&replaced.to_string()])).toned(Tone::Warning)
            ]);
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}

/// How members stand.
fn member_table(members: &[MemberStatus], view: View) -> Table {
    let mut table = Table::new(&[
        column("agency", Key::Agency),
        column("name", Key::Name),
        column("state", Key::State),
        column("version", Key::PolicyVersion),
        column("since", Key::Since),
        column("ready", Key::ReadyFor),
        column("reason", Key::Reason),
        wide("told_at", Key::ToldAt),
    ]);
    for member in members {
        let (key, tone) = words(member.state);
        let reason = match (&member.refused, &member.reason) {
            (Some(version), Some(reason)) => format!("{version}: {}", view.told(reason)),
            (None, Some(reason)) if member.inert > 0 => {
                let inert = view.fill(Key::OverlayInert, &[&member.inert.to_string()]);
                format!("{inert}; {}", view.told(reason))
            }
            (None, Some(reason)) => view.told(reason).into_owned(),
            (_, None) if member.inert > 0 => view.fill(Key::OverlayInert, &[&member.inert.to_string()]),
            (_, None) => String::new(),
        };
        let state = if view.machine { member.state.as_str() } else { view.text(key) };
        table.row([
            Cell::of(member.agency),
            Cell::new(&member.name),
            Cell::new(state).toned(tone),
            Cell::optional(member.version.as_ref()),
            Cell::new(member.since.map(|since| view.time(since)).unwrap_or_default()),
            Cell::optional(member.ready.as_ref()),
            Cell::new(reason),
            Cell::new(member.told_at.map(|told| view.time(told)).unwrap_or_default()),
        ]);
    }
    table
}

/// What is published of one scope, and who follows.
fn scope_page(
    page: &mut Page,
    published: &[PublicationEntry],
    fault: Option<&String>,
    members: (&[MemberStatus], usize),
    view: View,
) {
    for publication in published {
        let key = if publication.due { Key::PolicyDue } else { Key::PolicyListed };
        page.line([Cell::new(
            view.fill(key, &[&publication.version.to_string(), &publication.effective.to_string()]),
        )]);
    }
    if let Some(fault) = fault {
        page.line([Cell::new(view.fill(Key::PublishedFault, &[&view.told(fault)])).toned(Tone::Bad)]);
    }
    let (members, adopted) = members;
    let tone = if adopted == members.len() { Tone::Good } else { Tone::Warning };
    page.line([Cell::new(
        view.fill(Key::MembersAdopted, &[&adopted.to_string(), &members.len().to_string()]),
    )
    .toned(tone)]);
    page.table(member_table(members, view));
}

impl Document for PolicyStatus {
    fn table(&self, view: View) -> Table {
        member_table(&self.members, view)
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "members" })
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        scope_page(&mut page, &self.published, self.fault.as_ref(), (&self.members, self.adopted), view);
        for overlay in &self.overlays {
            page.heading(view.fill(Key::OverlayOf, &[&overlay.region.to_string()]));
            let members = (&overlay.members[..], overlay.adopted);
            scope_page(&mut page, &overlay.published, overlay.fault.as_ref(), members, view);
        }
        if !self.plans.is_empty() {
            page.heading(view.text(Key::Plans));
            page.table(plan_table(&self.plans, view));
        }
        next_lines(&mut page, &self.next, view);
        page
    }
}

fn words(state: AdoptionWord) -> (Key, Tone) {
    match state {
        AdoptionWord::Adopted => (Key::AdoptionAdopted, Tone::Good),
        AdoptionWord::Pending => (Key::AdoptionPending, Tone::Warning),
        AdoptionWord::Lagging => (Key::AdoptionLagging, Tone::Warning),
        AdoptionWord::Refused => (Key::AdoptionRefused, Tone::Bad),
        AdoptionWord::Silent => (Key::AdoptionSilent, Tone::Warning),
    }
}
