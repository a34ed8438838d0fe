//! What this body holds about a subject, as far as a permit covers it: the one search behind an answer to a peer and
//! the own part of a check.

use chengxin_policy::Permit;
use chengxin_schemas::category::RecordState;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::sd_jwt::VerifiedRecord;
use chengxin_schemas::subject::{SubjectId, SubjectKey};

use crate::error::Result;
use crate::node::Node;

/// Most records looked at for one subject. Category and state stand in the record, not in the index, so a search for
/// one category reads and opens all others too, and a peer may ask for as many searches as it has requests in flight.
/// As many as one page of a list looks at.
pub(crate) const HELD_SCAN_LIMIT: usize = 20_000;

/// A record found, not yet cut down to what its reader may see.
pub(crate) struct HeldRecord {
    pub(crate) id: RecordId,
    pub(crate) state: RecordState,
    pub(crate) record: VerifiedRecord,
    /// Found by the subject's identifier; else by its name only.
    pub(crate) identified: bool,
}

/// What a search found.
pub(crate) struct HeldRecords {
    /// Newest first; those found by name after those found by identifier.
    pub(crate) records: Vec<HeldRecord>,
    /// Whether there are more, or may be: then nothing follows from what is missing here.
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
    /// Finds the records about `subject` that count and that `permit` covers: by identifier, and by `name` those that
    /// have none. What is not asked about is passed over before anything is counted against the limit of what is found.
    pub(crate) async fn records_held(
        &self,
        subject: &SubjectId,
        name: Option<&str>,
        permit: &Permit,
        limits: HeldLimits,
    ) -> Result<HeldRecords> {
        let mut keys = vec![(self.subject_key(subject), true)];
        if let Some(name) = name {
            keys.push((SubjectKey::of_name(name, &self.parts.keys.subject), false));
        }
        let mut held = HeldRecords { records: Vec::new(), more: false };
        let mut left = limits.looked_at;
        for (key, identified) in keys {
            // One more than may be looked at tells whether those are all.
            for number in self.record_numbers_of(&key, left.saturating_add(1)).await? {
                let Some(rest) = left.checked_sub(1) else {
                    held.more = true;
                    return Ok(held);
                };
                left = rest;
                let Some((row, record)) = self.record_read(number).await? else { continue };
                let about = record.fields().subject();
                let same = if identified { about.as_ref() == Some(subject) } else { about.is_none() };
                if !same || !row.state.counts() || !permit.categories().contains(&record.claims().category) {
                    continue;
                }
                if held.records.len() == limits.found {
                    held.more = true;
                    return Ok(held);
                }
                held.records.push(HeldRecord { id: row.id, state: row.state, record, identified });
            }
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chengxin_policy::{AccessRequest, Action, AskerContext, Decision};
    use chengxin_schemas::category::InformationCategory;
    use chengxin_schemas::operator::Role;

    use super::*;
    use crate::support::{Federation, MARKET, SUBJECT, as_role, serious_then_general};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_search_that_ends_early_says_so() {
        let federation = Federation::new().await;
        let node = federation.node(MARKET);
        let clerk = as_role(&node, Role::Clerk).await;
        let file = serious_then_general(9);
        node.import_run(&clerk, file, Default::default(), Arc::new(|_| {})).await.expect("import");
        let subject = SubjectId::parse(SUBJECT).expect("code");
        let own = node.own_entry().expect("entry");
        let permit = |category| {
            let request = AccessRequest {
                asker: AskerContext {
                    agency: own.agency,
                    functions: vec!["finance".parse().expect("function")],
                    region: own.region,
                },
                role: Role::Clerk,
                purpose: "government-procurement".parse().expect("purpose"),
                case_reference: Some("CG-2026-031".parse().expect("case")),
                legal_basis: None,
                subject_kind: subject.kind(),
                own_records: false,
                categories: vec![category],
                action: Action::Answer,
            };
            match node.policy().authorize(&request) {
                Decision::Permit(permit) => permit,
                Decision::Denied(denied) => panic!("{denied:?}"),
            }
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
            let held = node.records_held(&subject, None, &permit(category), limits).await.expect("held");
            assert_eq!((held.records.len(), held.more), expected, "{category} {found} {looked_at}");
        }
    }
}
