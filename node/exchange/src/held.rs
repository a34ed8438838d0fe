//! What this body holds about a subject, as far as permits cover it: the one search behind an answer to a peer and the
//! own part of a check.

use std::sync::Arc;

use chengxin_policy::{AccessRequest, Authoriser, Bundle, Decision, Denied, Permit};
use chengxin_schemas::category::RecordState;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::sd_jwt::VerifiedRecord;
use chengxin_schemas::subject::{SubjectId, SubjectKind};

use crate::audit::EntryDraft;
use crate::error::{ExchangeError, Result};
use crate::keyspace;
use crate::node::Node;
use crate::record::RecordRow;
use crate::restriction::LinkedSubject;

/// Most records looked at for one subject. Category and state stand in the record, not in the index, so a search for
/// one category reads and opens all others too, and a peer may ask for as many searches as it has requests in flight.
/// As many as one page of a list looks at.
pub(crate) const HELD_SCAN_LIMIT: usize = 20_000;

/// Records opened in one step. A search waits for its turn before each, so that a peer that asks for many long searches
/// takes turns with everybody else.
pub(crate) const STEP_RECORDS: usize = 64;
/// Records opened without changing threads: most subjects have a few, and they take less than a millisecond.
const STEP_SHORT: usize = 8;
/// Steps at work at the same time, on threads beside the runtime's: as many as a small machine has cores, and far fewer
/// than the requests that a peer may have in flight, whose records would be in memory together otherwise.
pub(crate) const STEPS_AT_ONCE: usize = 4;

/// What policy lets a search find. The identifier asked with says what kind of subject is meant; a name does not, and
/// finds records about the other kind too, which that kind's permit must cover.
pub(crate) struct SearchPermits {
    kind: SubjectKind,
    asked: Permit,
    /// For records about the other kind, found by name. None if no name is asked, or if policy denies it.
    other: Option<Permit>,
    /// What they were given by, and by what is shown under them: the policy in force may be another one by then.
    bundle: Bundle,
}

impl SearchPermits {
    /// Authorises `request`; with `by_name` the same about the other kind of subject as well, which may be denied: then
    /// the search leaves out records about that kind.
    pub(crate) fn authorize(
        authoriser: &Authoriser,
        request: AccessRequest,
        by_name: bool,
    ) -> std::result::Result<Self, Box<Denied>> {
        let kind = request.subject_kind;
        let asked = match authoriser.authorize(&request) {
            Decision::Permit(permit) => permit,
            Decision::Denied(denied) => return Err(Box::new(denied)),
        };
        let other = by_name
            .then(|| authoriser.authorize(&AccessRequest { subject_kind: other_kind(kind), ..request }));
        let other = match other {
            Some(Decision::Permit(permit)) => Some(permit),
            Some(Decision::Denied(_)) | None => None,
        };
        Ok(Self { kind, asked, other, bundle: authoriser.bundle().clone() })
    }

    /// The bundle by which the permits were given.
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The permit for the subject asked about.
    pub(crate) fn asked(&self) -> &Permit {
        &self.asked
    }

    /// The permit that covers a record about a subject of `kind`, found by identifier or by name only. A record whose
    /// identifier was asked for is about the subject asked about, whatever else it is: a sole trader has a code.
    pub(crate) fn covering(&self, identified: bool, kind: SubjectKind) -> Option<&Permit> {
        if identified || kind == self.kind { Some(&self.asked) } else { self.other.as_ref() }
    }

    /// Whether records found by name stay out of reach that may be about the subject. What a file does not say to be an
    /// organisation is signed as a person's, so an organisation's may be among the persons' records; those stated to be
    /// an organisation's are about no person. Said whether or not there is any: that there is a record of some name
    /// is something about a person, too.
    fn names_unreached(&self) -> bool {
        let reached =
            |category| self.other.as_ref().is_some_and(|other| other.categories().contains(category));
        self.kind == SubjectKind::Organisation && !self.asked.categories().iter().all(reached)
    }

    /// Adds the rules by which the search is allowed to its log entry.
    pub(crate) fn entry(&self, entry: EntryDraft) -> EntryDraft {
        let entry = entry.rule(self.asked.rule().as_str(), self.asked.policy_version());
        match &self.other {
            Some(other) => entry.detail("rule_by_name", other.rule().as_str()),
            None => entry,
        }
    }
}

fn other_kind(kind: SubjectKind) -> SubjectKind {
    match kind {
        SubjectKind::Organisation => SubjectKind::Person,
        SubjectKind::Person => SubjectKind::Organisation,
    }
}

/// A record found, not yet cut down to what its reader may see.
pub(crate) struct HeldRecord {
    pub(crate) id: RecordId,
    pub(crate) state: RecordState,
    pub(crate) record: VerifiedRecord,
    /// Found by the subject's identifier; else by its name only.
    pub(crate) identified: bool,
}

impl HeldRecord {
    /// The one of `permits` that covers the record, by which it was found.
    pub(crate) fn permit<'a>(&self, permits: &'a SearchPermits) -> Option<&'a Permit> {
        permits.covering(self.identified, self.record.subject_kind())
    }
}

/// What a search found.
pub(crate) struct HeldRecords {
    /// Newest first; those found by name after those found by identifier.
    pub(crate) records: Vec<HeldRecord>,
    /// The subject with the other identifiers that its records show, those included that the permits do not cover: they say
    /// who is meant, and nothing else of them leaves the search.
    pub(crate) linked: LinkedSubject,
    /// Whether there are more, or may be: then nothing follows from what is missing here, nor from the identifiers.
    pub(crate) more: bool,
}

/// How far a search goes.
#[derive(Clone, Copy)]
pub(crate) struct HeldLimits {
    /// Most records found.
    pub(crate) found: usize,
    /// Most records looked at, [`HELD_SCAN_LIMIT`] but for tests.
    pub(crate) looked_at: usize,
}

impl Node {
    /// Finds the records about `subject` that count and that `permits` cover: by identifier, and by `name` those that
    /// may be known by it alone. What is not asked about is passed over before anything is counted against the limit of
    /// what is found.
    pub(crate) async fn records_held(
        self: &Arc<Self>,
        subject: &SubjectId,
        name: Option<&str>,
        permits: &SearchPermits,
        limits: HeldLimits,
    ) -> Result<HeldRecords> {
        let more = name.is_some() && permits.names_unreached();
        let mut held = HeldRecords { records: Vec::new(), linked: LinkedSubject::new(subject.clone()), more };
        let mut left = limits.looked_at;
        for named in std::iter::once(None).chain(name.map(Some)) {
            // One more than may be looked at tells whether those are all.
            let most = left.saturating_add(1);
            let mut numbers = match named {
                None => self.record_numbers_about(subject, None, most).await?,
                Some(name) => self.record_numbers_named(&self.name_key(name), most).await?,
            };
            let beyond = numbers.len() > left;
            numbers.truncate(left);
            left = left.saturating_sub(numbers.len());
            for step in numbers.chunks(STEP_RECORDS) {
                for (row, record) in self.records_open(step).await? {
                    let about = record.fields().is_about(subject);
                    // What the name finds may have been found by the organisation code already.
                    let wanted =
                        if named.is_none() { about } else { !about && record.fields().is_found_by_name() };
                    let found =
                        HeldRecord { id: row.id, state: row.state, record, identified: named.is_none() };
                    if !wanted || !found.state.counts() {
                        continue;
                    }
                    found.record.fields().other_subjects(subject).for_each(|other| held.linked.add(other));
                    let category = found.record.claims().category;
                    // An answer names the categories of the permit for the subject asked about.
                    let covered = permits.asked.categories().contains(&category)
                        && found
                            .permit(permits)
                            .is_some_and(|permit| permit.categories().contains(&category));
                    if !covered {
                        continue;
                    }
                    if held.records.len() == limits.found {
                        held.more = true;
                        return Ok(held);
                    }
                    held.records.push(found);
                }
            }
            if beyond {
                held.more = true;
                return Ok(held);
            }
        }
        Ok(held)
    }

    /// Reads the records with these numbers, leaving out those that do not exist for readers.
    pub(crate) async fn records_open(
        self: &Arc<Self>,
        numbers: &[u64],
    ) -> Result<Vec<(RecordRow, VerifiedRecord)>> {
        let long = numbers.len() > STEP_SHORT;
        let turn = if long { self.searching.clone().acquire_owned().await.ok() } else { None };
        let mut sealed = Vec::with_capacity(numbers.len());
        for number in numbers.iter().filter(|number| !self.number_is_hidden(**number)) {
            let key = keyspace::record(*number);
            if let Some(bytes) = self.parts.store.get(&key).await? {
                sealed.push((key, bytes));
            }
        }
        let node = self.clone();
        let open = move || {
            let opened = sealed.iter().map(|(key, bytes)| node.record_open(key, bytes)).collect();
            // Given back when the work is done, even if nobody waits for it any more.
            drop(turn);
            opened
        };
        if !long {
            return open();
        }
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| ExchangeError::Task { what: "reading records" })?
    }
}

#[cfg(test)]
mod tests {
    use chengxin_import::ImportOptions;
    use chengxin_policy::{Action, AskerContext};
    use chengxin_schemas::category::InformationCategory;
    use chengxin_schemas::operator::Role;

    use super::*;
    use crate::support::{
        Federation, MARKET, Memory, SUBJECT, as_role, nameless_debtor, serious_then_general,
    };

    fn wanted(
        node: &Node,
        purpose: &str,
        subject_kind: SubjectKind,
        categories: Vec<InformationCategory>,
    ) -> AccessRequest {
        let own = node.own_entry().expect("entry");
        AccessRequest {
            asker: AskerContext {
                agency: own.agency,
                functions: vec!["finance".parse().expect("function")],
                region: own.region,
            },
            role: Role::Clerk,
            purpose: purpose.parse().expect("purpose"),
            case_reference: Some("CG-2026-031".parse().expect("case")),
            legal_basis: None,
            authorisation: None,
            second_person: None,
            subject_kind,
            own_records: false,
            categories,
            action: Action::Answer,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_name_finds_of_the_other_kind_only_what_that_kinds_permit_covers() {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let file = Arc::new(Memory(nameless_debtor("示例甲").into_bytes()));
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
        let company = SubjectId::parse(SUBJECT).expect("code");
        let person = SubjectId::parse("11010519491231002X").expect("number");
        let limits = HeldLimits { found: 5, looked_at: 5 };
        let serious = || vec![InformationCategory::SeriousBreach];
        let name = Some("示例甲");
        let authorize = |purpose, kind, by_name| {
            SearchPermits::authorize(&node.policy(), wanted(&node, purpose, kind, serious()), by_name)
                .expect("permitted")
        };
        // The purpose is about both.
        let permits = authorize("government-procurement", SubjectKind::Organisation, true);
        let held = node.records_held(&company, name, &permits, limits).await.expect("held");
        assert_eq!((held.records.len(), held.more), (1, false));
        let rules: Vec<_> =
            held.records.iter().filter_map(|one| one.permit(&permits)).map(Permit::rule).collect();
        let person_permit = authorize("government-procurement", SubjectKind::Person, false);
        assert_eq!(rules, [person_permit.asked().rule()]);
        // Persons are not permitted: their records stay out, and the answer covers nothing, whether there are any or not.
        let organisations = SearchPermits { other: None, ..permits };
        for name in ["示例甲", "示例乙"] {
            let held = node.records_held(&company, Some(name), &organisations, limits).await.expect("held");
            assert_eq!((held.records.len(), held.more), (0, true));
        }
        let held = node.records_held(&company, None, &organisations, limits).await.expect("held");
        assert!(!held.more, "no name was asked");
        // A purpose about persons alone is complete without organisations of the name.
        let persons = authorize("promotion", SubjectKind::Person, true);
        assert!(persons.other.is_none());
        let held = node.records_held(&person, name, &persons, limits).await.expect("held");
        assert_eq!((held.records.len(), held.more), (1, false));
    }

    /// One thread for everything: a search that held it would stop the other task.
    #[tokio::test]
    async fn a_long_search_lets_others_work() {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let rows = STEP_RECORDS * 20;
        node.import_run(&clerk, serious_then_general(rows), ImportOptions::default(), Arc::new(|_| {}))
            .await
            .expect("import");
        let subject = SubjectId::parse(SUBJECT).expect("code");
        let basic = vec![InformationCategory::Basic];
        let request = wanted(&node, "government-procurement", subject.kind(), basic);
        let permits = SearchPermits::authorize(&node.policy(), request, false).expect("permitted");
        let ticks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = ticks.clone();
        let ticker = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        // What the index takes is not counted.
        node.record_numbers_about(&subject, None, rows).await.expect("numbers");
        let before = ticks.load(std::sync::atomic::Ordering::Relaxed);
        let limits = HeldLimits { found: 5, looked_at: HELD_SCAN_LIMIT };
        let held = node.records_held(&subject, None, &permits, limits).await.expect("held");
        let during = ticks.load(std::sync::atomic::Ordering::Relaxed) - before;
        ticker.abort();
        assert_eq!((held.records.len(), held.more), (0, false));
        assert!(during >= 20, "{during} ticks during twenty steps");
        assert_eq!(node.searching.available_permits(), STEPS_AT_ONCE, "every turn is given back");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_search_that_ends_early_says_so() {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let file = serious_then_general(9);
        node.import_run(&clerk, file, Default::default(), Arc::new(|_| {})).await.expect("import");
        let subject = SubjectId::parse(SUBJECT).expect("code");
        let permits = |category| {
            let request = wanted(&node, "government-procurement", subject.kind(), vec![category]);
            SearchPermits::authorize(&node.policy(), request, false).expect("permitted")
        };
        let serious = InformationCategory::SeriousBreach;
        let general = InformationCategory::GeneralBreach;
        // The serious one is the oldest of ten.
        for (category, found, looked_at, expected) in [
            (serious, 5, 9, (0, true)),
            (serious, 5, 10, (1, false)),
            (serious, 1, 10, (1, false)),
            (general, 5, 10, (5, true)),
            (general, 9, 10, (9, false)),
            (general, 9, 9, (9, true)),
        ] {
            let limits = HeldLimits { found, looked_at };
            let held = node.records_held(&subject, None, &permits(category), limits).await.expect("held");
            assert_eq!((held.records.len(), held.more), expected, "{category} {found} {looked_at}");
        }
    }
}
