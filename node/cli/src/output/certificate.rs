//! A check certificate as the offline verifier found it.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::record_type::RecordType;

use super::Document;
use super::check::{binds_column, code_accepted, coverage_strip, name_searched};
use super::page::{Cell, Page, Table, Tone, View, column, wide};
use crate::host::{CertificateContent, CertificateVerification, CertifiedRestriction};
use crate::texts::Key;

impl Document for CertificateVerification {
    fn table(&self, view: View) -> Table {
        let mut table = Table::new(&[
            column("holds", Key::Holds),
            column("complete", Key::Complete),
            column("check", Key::CheckNumber),
            column("agency", Key::Agency),
            column("subject", Key::Subject),
            column("purpose", Key::Purpose),
            column("case_reference", Key::CaseReference),
            column("at", Key::When),
            column("records", Key::Records),
            column("restrictions", Key::Restrictions),
            column("fault", Key::Faults),
        ]);
        let claims = self.claims.as_ref();
        let text = |value: Option<String>| Cell::new(value.unwrap_or_default());
        table.row([
            Cell::of(self.holds),
            text(claims.map(|claims| claims.coverage.complete.to_string())),
            text(claims.map(|claims| claims.check.clone())),
            text(claims.map(|claims| claims.agency.to_string())),
            text(claims.map(|claims| claims.subject.clone())),
            text(claims.map(|claims| claims.purpose.to_string())),
            text(claims.map(|claims| claims.case_reference.to_string())),
            text(claims.map(|claims| view.time(claims.coverage.as_of))),
            text(claims.map(|claims| claims.records.len().to_string())),
            text(claims.map(|claims| claims.restrictions.len().to_string())),
            Cell::new(self.faults.iter().map(|(_, english)| english.as_str()).collect::<Vec<_>>().join("; ")),
        ]);
        table
    }

    fn page(&self, view: View) -> Page {
        let mut page = Page::default();
        let (key, tone) = if self.holds {
            (Key::CertificateHolds, Tone::Good)
        } else {
            (Key::CertificateBroken, Tone::Bad)
        };
        page.line([Cell::new(view.text(key)).toned(tone)]);
        for (chinese, english) in &self.faults {
            page.line([Cell::new("✗").toned(Tone::Bad), Cell::new(view.pick(chinese, english))]);
        }
        if let Some(claims) = &self.claims {
            page.heading(view.text(if self.holds { Key::CertificateSays } else { Key::CertificateClaims }));
            certificate_lines(&mut page, claims, view);
        }
        page
    }
}

/// What a certificate says: coverage first, then what was found, then who asked and why.
fn certificate_lines(page: &mut Page, claims: &CertificateContent, view: View) {
    coverage_strip(page, &claims.coverage, view);
    let agency = claims
        .agency_name
        .as_ref()
        .map_or_else(|| claims.agency.to_string(), |name| format!("{name} ({})", claims.agency));
    if !claims.restrictions.is_empty() {
        page.heading(view.fill(Key::RestrictionsInForce, &[&claims.restrictions.len().to_string()]));
        page.table(certified_restrictions(claims, view));
    }
    if !claims.records.is_empty() {
        page.heading(format!("{} ({})", view.text(Key::Records), claims.records.len()));
        page.table(certified_records(claims, view));
    }
    page.heading(view.text(Key::CheckDetails));
    let name = if claims.name_not_stated {
        Cell::new(view.text(Key::NameNotStated)).toned(Tone::Warning)
    } else {
        name_searched(claims.subject_name.as_deref(), view)
    };
    let mut pairs = vec![
        (Key::Agency, Cell::new(agency)),
        (Key::Operator, Cell::of(format!("{} ({})", claims.operator, view.role(claims.role)))),
        (Key::Subject, Cell::new(&claims.subject)),
    ];
    pairs.extend(code_accepted(claims.check_exception.as_ref()));
    pairs.extend([
        (Key::NameSearched, name),
        (Key::Purpose, Cell::new(named(claims.purpose.as_str(), claims.purpose_name.as_ref(), view))),
        (Key::CaseReference, Cell::of(&claims.case_reference)),
        (Key::Categories, Cell::new(view.join(claims.categories.iter().map(|one| view.category(*one))))),
        (Key::Restrictions, Cell::of(claims.restrictions.len())),
        (Key::Records, Cell::of(claims.records.len())),
        (Key::PolicyVersion, Cell::new(&claims.policy)),
        (Key::AuditEntry, Cell::of(claims.audit_entry)),
        (Key::CheckNumber, Cell::new(&claims.check)),
    ]);
    if let Some(basis) = &claims.legal_basis {
        pairs.push((Key::LegalBasis, Cell::of(basis)));
    }
    if let Some(stated) = &claims.authorisation {
        let scan = stated.document.map(|digest| format!(" ({digest})")).unwrap_or_default();
        pairs.push((Key::SubjectAuthorisation, Cell::new(format!("{}{scan}", stated.reference))));
    }
    if let Some(other) = &claims.released_by {
        let released = format!("{} ({})", other.account, view.role(other.role));
        pairs.push((Key::ReleasedBy, Cell::new(released)));
    }
    page.pairs(pairs);
}

/// A name with the code that commands take, or the code alone.
fn named(code: &str, name: Option<&(String, String)>, view: View) -> String {
    name.map_or_else(|| code.to_owned(), |(zh, en)| format!("{} ({code})", view.pick(zh, en)))
}

/// The name of an agency from the coverage, which names every member; its code if it is not there.
fn agency_name(claims: &CertificateContent, agency: &AgencyCode) -> String {
    let mut members = claims.coverage.agencies.iter();
    members.find(|part| part.agency == *agency).map_or_else(|| agency.to_string(), |part| part.name.clone())
}

fn certified_restrictions(claims: &CertificateContent, view: View) -> Table {
    let mut table = Table::new(&[
        column("measure", Key::Measure),
        column("legal_basis", Key::LegalBasis),
        column("issuer_name", Key::Issuer),
        column("from", Key::From),
        column("until", Key::Until),
        column("applied_here", Key::AppliedHere),
        binds_column(claims.restrictions.iter().any(|one| one.restriction.binds.is_some())),
        wide("notice", Key::Notice),
        wide("version", Key::Version),
    ]);
    for CertifiedRestriction { restriction, measure_name } in &claims.restrictions {
        table.row([
            Cell::new(named(restriction.measure.as_str(), measure_name.as_ref(), view)),
            Cell::of(&restriction.legal_basis),
            Cell::new(agency_name(claims, &restriction.issuer)),
            Cell::of(restriction.from),
            Cell::new(view.period_end(restriction.until)),
            Cell::new(view.yes_no(restriction.applied_here)),
            Cell::new(restriction.binds.as_deref().unwrap_or("")),
            Cell::of(restriction.notice),
            Cell::of(restriction.version),
        ]);
    }
    table
}

fn certified_records(claims: &CertificateContent, view: View) -> Table {
    let mut table = Table::new(&[
        column("determined_on", Key::DeterminedOn),
        column("type", Key::Type),
        column("category", Key::Category),
        column("severity", Key::Severity),
        column("state", Key::State),
        column("issuer_name", Key::Issuer),
        column("record", Key::Record),
        column("match", Key::Match),
    ]);
    for record in &claims.records {
        let record_type = RecordType::from_vct(&record.vct);
        table.row([
            Cell::of(record.determined_on),
            Cell::new(record_type.map_or(record.vct.as_str(), |known| view.record_type(known))),
            Cell::new(view.category(record.category)),
            Cell::new(record.severity.map_or("", |severity| view.severity(severity))),
            Cell::new(view.record_state(record.state)),
            Cell::new(agency_name(claims, &record.issuer)),
            Cell::of(record.record),
            Cell::new(if record.name_match_only { view.text(Key::NameMatchOnly) } else { "" }),
        ]);
    }
    table
}
