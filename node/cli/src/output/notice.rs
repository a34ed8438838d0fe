//! Sanction notices and how far they got.

use chengxin_api::types::notice::{
    Delivery, DeliveryState, MeasureDecision, NoticeDirection, NoticeDocument, NoticeMeasure, NoticeSummary,
    Notices,
};
use chengxin_schemas::catalogue::MeasureCode;

use super::page::{Cell, Page, Table, Tone, View, column, wide};
use super::{Document, List};
use crate::texts::Key;

impl Document for Notices {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("notice", Key::Notice),
            column("direction", Key::Direction),
            column("issuer_name", Key::Issuer),
            column("subject_name", Key::Subject),
            column("state", Key::State),
            column("at", Key::When),
            column("acknowledged", Key::Acknowledged),
            wide("version", Key::Version),
            wide("subject", Key::Code),
            wide("issuer", Key::Agency),
            wide("measures", Key::Measures),
        ]);
        for notice in &self.notices {
            table.row([
                Cell::of(notice.notice),
                Cell::new(direction_text(notice.direction, view)),
                Cell::new(&notice.issuer_name),
                Cell::new(&notice.subject_name),
                Cell::new(view.notice_state(notice.state)),
                Cell::new(view.time(notice.at)),
                acknowledged_cell(notice),
                Cell::of(notice.version),
                Cell::new(&notice.subject),
                Cell::of(notice.issuer),
                Cell::new(view.join(notice.measures.iter().map(|measure| measure.measure.as_str()))),
            ]);
        }
        table
    }

    fn list(&self) -> Option<List> {
        Some(List { items: "notices" })
    }
}

fn direction_text(direction: NoticeDirection, view: View) -> &'static str {
    match (view.machine, direction) {
        (true, NoticeDirection::Issued) => "issued",
        (true, NoticeDirection::Received) => "received",
        (false, NoticeDirection::Issued) => view.text(Key::Issued),
        (false, NoticeDirection::Received) => view.text(Key::Received),
    }
}

fn acknowledged_cell(notice: &NoticeSummary) -> Cell {
    match notice.direction {
        NoticeDirection::Received => Cell::empty(),
        NoticeDirection::Issued => {
            let tone = if notice.acknowledged == notice.recipients { Tone::Good } else { Tone::Warning };
            Cell::of(format!("{}/{}", notice.acknowledged, notice.recipients)).toned(tone)
        }
    }
}

impl Document for NoticeDocument {
    /// One row per recipient for an issued notice, one per measure for a received one.
    fn table(&self, view: View) -> Table {
        match self.summary.direction {
            NoticeDirection::Issued => delivery_table(&self.deliveries, &self.summary.measures, view),
            NoticeDirection::Received => measure_table(&self.summary.measures, view),
        }
    }

    fn page(&self, view: View) -> Page {
        let summary = &self.summary;
        let mut page = Page::default();
        page.pairs(vec![
            (Key::Notice, Cell::of(format!("{} v{}", summary.notice, summary.version))),
            (Key::State, Cell::new(view.notice_state(summary.state))),
            (Key::Direction, Cell::new(direction_text(summary.direction, view))),
            (Key::Issuer, Cell::of(format!("{} ({})", summary.issuer_name, summary.issuer))),
            (Key::Subject, Cell::of(format!("{} {}", summary.subject_name, summary.subject))),
            (Key::Record, Cell::of(self.record)),
            (Key::Category, Cell::new(view.category(self.category))),
            (Key::Severity, Cell::new(view.severity(self.severity))),
            (Key::When, Cell::new(view.time(summary.at))),
        ]);
        page.heading(view.text(Key::Measures));
        page.table(measure_table(&summary.measures, view));
        if !self.deliveries.is_empty() {
            page.heading(view.text(Key::Recipients));
            page.table(delivery_table(&self.deliveries, &self.summary.measures, view));
        }
        page
    }
}

fn measure_table(measures: &[NoticeMeasure], view: View) -> Table {
    let mut table = Table::new(&[
        column("measure_name", Key::Measure),
        wide("measure", Key::MeasureCode),
        column("legal_basis", Key::LegalBasis),
        column("from", Key::From),
        column("until", Key::Until),
        column("decision", Key::DecisionHere),
    ]);
    for measure in measures {
        let decision =
            measure.decision.as_ref().map_or(String::new(), |decision| decision_text(decision, view));
        table.row([
            Cell::new(view.pick(&measure.measure_name, &measure.measure_name_en)),
            Cell::of(&measure.measure),
            Cell::of(&measure.legal_basis),
            Cell::of(measure.from),
            Cell::new(view.period_end(measure.until)),
            Cell::new(decision),
        ]);
    }
    table
}

/// A measure of the notice by its name; for programs, and if the notice does not have it, by its code.
fn measure_text<'a>(code: &'a MeasureCode, known: &'a [NoticeMeasure], view: View) -> &'a str {
    let measure = known.iter().find(|measure| measure.measure == *code).filter(|_| !view.machine);
    measure.map_or(code.as_str(), |measure| view.pick(&measure.measure_name, &measure.measure_name_en))
}

fn decision_text(decision: &MeasureDecision, view: View) -> String {
    let (code, key, reason) = match decision {
        MeasureDecision::Applied => ("applied", Key::Applied, None),
        MeasureDecision::Lifted => ("lifted", Key::Lifted, None),
        MeasureDecision::NotApplicable(reason) => ("not_applicable", Key::NotApplicable, Some(reason)),
        MeasureDecision::Declined(reason) => ("declined", Key::Declined, Some(reason)),
        MeasureDecision::Superseded => ("superseded", Key::Superseded, None),
    };
    let name = if view.machine { code } else { view.text(key) };
    match reason {
        Some(why) => {
            let (zh, en) = (why.reason_zh.as_deref(), why.reason_en.as_deref());
            format!("{name}: {}", view.coded(&why.reason, zh, en))
        }
        None => name.to_owned(),
    }
}

fn delivery_table(deliveries: &[Delivery], known: &[NoticeMeasure], view: View) -> Table {
    let mut table = Table::new(&[
        column("agency", Key::Agency),
        column("name", Key::Name),
        column("delivery", Key::State),
        column("at", Key::ReceiptAt),
        column("outcome", Key::Outcome),
    ]);
    for delivery in deliveries {
        let (state, at, outcome) = match &delivery.state {
            DeliveryState::Queued => ((Key::Queued, "queued", Tone::Warning), None, String::new()),
            DeliveryState::Processed { at, measures } => {
                let outcome = measures
                    .iter()
                    .map(|receipt| {
                        let name = measure_text(&receipt.measure, known, view);
                        format!("{name} {}", decision_text(&receipt.decision, view))
                    })
                    .collect::<Vec<_>>();
                (
                    (Key::Processed, "processed", Tone::Good),
                    Some(*at),
                    view.join(outcome.iter().map(String::as_str)),
                )
            }
            DeliveryState::Rejected { at, reason } => {
                ((Key::Rejected, "rejected", Tone::Bad), Some(*at), view.told(reason).into_owned())
            }
        };
        let (key, code, tone) = state;
        table.row([
            Cell::of(delivery.agency),
            Cell::new(&delivery.name),
            Cell::new(if view.machine { code } else { view.text(key) }).toned(tone),
            Cell::new(at.map_or(String::new(), |at| view.time(at))),
            Cell::new(outcome),
        ]);
    }
    table
}
