//! The state of the node on one screen, what needs attention first; and the other members.

use chengxin_api::types::peer::Peers;
use chengxin_api::types::status::{Freshness, Health, Status};

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Status {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[column("key", Key::Setting), column("value", Key::Value)]);
        let health = match self.health {
            Health::Ok => "ok",
            Health::Degraded => "degraded",
        };
        let mut rows = vec![
            ("health", health.to_owned()),
            ("agency", self.node.agency.to_string()),
            ("name", self.node.name.clone()),
            ("version", self.node.version.clone()),
            ("started_at", view.time(self.node.started_at)),
            ("policy", self.policy.version.clone()),
            ("audit_entries", self.audit.entries.to_string()),
            ("audit_writable", self.audit.writable.to_string()),
            ("peers_online", self.peers.online.to_string()),
            ("peers_total", self.peers.total.to_string()),
            ("deliveries_pending", self.holdings.deliveries_pending.to_string()),
            ("imports_open", self.holdings.imports_open.to_string()),
            ("store_bytes", self.holdings.store_bytes.to_string()),
        ];
        if let Some(federation) = &self.federation {
            rows.extend([
                ("federation", federation.federation.to_string()),
                ("root_fingerprint", federation.root_fingerprint.clone().unwrap_or_default()),
                ("directory_version", federation.directory_version.to_string()),
                ("members", federation.members.to_string()),
                ("expires_at", view.time(federation.expires_at)),
            ]);
        }
        for hint in &self.hints {
            rows.push(("hint", hint.code.clone()));
        }
        for (key, value) in rows {
            table.row([Cell::new(key), Cell::new(value)]);
        }
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let (health, tone) = match self.health {
            Health::Ok => (Key::HealthOk, Tone::Good),
            Health::Degraded => (Key::HealthDegraded, Tone::Warning),
        };
        page.line([
            Cell::of(format!("{} ({})", self.node.name, self.node.agency)),
            Cell::of(format!("v{}", self.node.version)),
            Cell::new(uptime(view, self.node.now.0.since(self.node.started_at.0))),
            Cell::new(view.text(health)).toned(tone),
        ]);
        for hint in &self.hints {
            let command = hint.command.as_ref().map_or(String::new(), |command| format!(" → {command}"));
            page.line([
                Cell::new("!").toned(Tone::Warning),
                Cell::of(format!("{}{command}", view.pick(&hint.text_zh, &hint.text_en))),
            ]);
        }
        let federation = self.federation.as_ref().map_or_else(
            || Cell::new(view.text(Key::NoFederation)).toned(Tone::Warning),
            |federation| {
                let (freshness, tone) = match federation.freshness {
                    Freshness::Fresh => (Key::Fresh, Tone::Plain),
                    Freshness::Grace => (Key::Grace, Tone::Warning),
                    Freshness::Expired => (Key::Expired, Tone::Bad),
                };
                Cell::new(view.fill(
                    Key::FederationLine,
                    &[
                        federation.federation.as_str(),
                        &federation.directory_version.to_string(),
                        &federation.members.to_string(),
                        view.text(freshness),
                        &view.time(federation.expires_at),
                    ],
                ))
                .toned(tone)
            },
        );
        let audit = Cell::new(view.fill(Key::AuditLine, &[&self.audit.entries.to_string()]));
        let audit = if self.audit.writable {
            audit
        } else {
            Cell::new(view.text(Key::AuditNotWritable)).toned(Tone::Bad)
        };
        let peers_tone = if self.peers.online == self.peers.total { Tone::Plain } else { Tone::Warning };
        let mebibytes = self.holdings.store_bytes.div_ceil(1 << 20);
        let holdings = [self.holdings.deliveries_pending, self.holdings.imports_open, mebibytes]
            .map(|count| count.to_string());
        page.pairs(vec![
            (Key::Federation, federation),
            (Key::PolicyVersion, Cell::new(&self.policy.version)),
            (Key::AuditLog, audit),
            (Key::Peers, Cell::of(format!("{}/{}", self.peers.online, self.peers.total)).toned(peers_tone)),
            (
                Key::Holdings,
                Cell::new(view.fill(Key::HoldingsLine, &[&holdings[0], &holdings[1], &holdings[2]])),
            ),
        ]);
        page
    }
}

/// A duration in days, hours and minutes; the two largest units are enough.
fn uptime(view: View, seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => view.fill(Key::UpMinutes, &[&minutes.to_string()]),
        (0, hours) => view.fill(Key::UpHours, &[&hours.to_string(), &minutes.to_string()]),
        (days, hours) => view.fill(Key::UpDays, &[&days.to_string(), &hours.to_string()]),
    }
}

impl Document for Peers {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("agency", Key::Agency),
            column("name", Key::Name),
            column("state", Key::State),
            column("since", Key::Since),
            column("failure", Key::Reason),
            wide("region", Key::Region),
            wide("coordinator", Key::Coordinator),
            wide("functions", Key::Functions),
            wide("addresses", Key::Addresses),
        ]);
        for peer in &self.peers {
            let state = match (view.machine, peer.online) {
                (true, true) => Cell::new("online"),
                (true, false) => Cell::new("offline"),
                (false, true) => Cell::new(view.text(Key::Online)).toned(Tone::Good),
                (false, false) => Cell::new(view.text(Key::Offline)).toned(Tone::Bad),
            };
            table.row([
                Cell::of(peer.agency),
                Cell::new(&peer.name),
                state,
                Cell::new(peer.since.map_or(String::new(), |since| view.time(since))),
                Cell::new(view.told(peer.failure.as_deref().unwrap_or(""))),
                Cell::of(peer.region),
                Cell::new(view.yes_no(peer.coordinator)),
                Cell::new(view.join(peer.functions.iter().map(|function| function.as_str()))),
                Cell::new(view.join(peer.addresses.iter().map(String::as_str))),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "peers" })
    }
}
