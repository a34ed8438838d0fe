//! One subject under several identifiers. A sole trader (个体工商户) has a code and is a person; a notice names one of the
//! two, and who is asked about by the other is bound by it all the same. An organisation has the organisation code within its
//! unified code besides, which the identifiers themselves tell ([`SubjectId::covers`]).
//!
//! That any others are one subject's is known from records alone: the own ones, and what peers present in a check. A
//! restriction of another identifier that no record at hand connects with the one asked about is not found by it.

use std::sync::Arc;

use chengxin_schemas::subject::SubjectId;

use crate::error::Result;
use crate::held::{HELD_SCAN_LIMIT, STEP_RECORDS};
use crate::node::Node;

/// Most identifiers looked up beside the one asked about: more shops than one owner has. Each peer says itself which
/// identifiers its records name, and could name any number.
const OTHERS_LIMIT: usize = 32;

/// A subject that is asked about by one identifier, with the others that records show it to have.
#[derive(Debug)]
pub(crate) struct LinkedSubject {
    asked: SubjectId,
    others: Vec<SubjectId>,
    all: bool,
}

impl LinkedSubject {
    /// No record was looked at yet.
    pub(crate) fn new(asked: SubjectId) -> Self {
        Self { asked, others: Vec::new(), all: true }
    }

    /// Adds another identifier of the subject.
    pub(crate) fn add(&mut self, other: SubjectId) {
        if other == self.asked || self.others.contains(&other) {
            return;
        }
        if self.others.len() < OTHERS_LIMIT {
            self.others.push(other);
        } else {
            self.all = false;
        }
    }

    /// The identifiers, the one asked about first.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = &SubjectId> {
        std::iter::once(&self.asked).chain(&self.others)
    }

    /// Whether a notice that names `named` binds the subject. One asked about by its organisation code is bound under every
    /// unified code around it; where a record only mentions that code beside another identifier, what names another unified
    /// code around it is somebody else's.
    pub(super) fn is_bound_by(&self, named: &SubjectId) -> bool {
        let mentioned = |other: &SubjectId| match other {
            SubjectId::OrganisationCode(_) => other == named,
            SubjectId::Organisation(_) | SubjectId::Person(_) => other.covers(named),
        };
        self.asked.covers(named) || self.others.iter().any(mentioned)
    }

    /// Whether the subject is a public body by a unified code around the organisation code `named`: then a measure must strike
    /// public bodies, which who issued the notice could not see in that code.
    pub(super) fn is_public_body_named(&self, named: &SubjectId) -> bool {
        let is_public =
            |one: &SubjectId| matches!(one, SubjectId::Organisation(code) if code.is_public_body());
        matches!(named, SubjectId::OrganisationCode(_))
            && self.identifiers().any(|one| is_public(one) && one.covers(named))
    }

    /// Whether these are all that records show.
    pub(super) fn is_all(&self) -> bool {
        self.all
    }
}

impl Node {
    /// The identifiers that own records show a subject to have.
    pub(crate) async fn subject_linked(self: &Arc<Self>, asked: &SubjectId) -> Result<LinkedSubject> {
        let mut linked = LinkedSubject::new(asked.clone());
        let mut numbers = self.record_numbers_about(asked, None, HELD_SCAN_LIMIT.saturating_add(1)).await?;
        linked.all = numbers.len() <= HELD_SCAN_LIMIT;
        numbers.truncate(HELD_SCAN_LIMIT);
        for step in numbers.chunks(STEP_RECORDS) {
            for (row, record) in self.records_open(step).await? {
                if row.state.counts() {
                    record.fields().other_subjects(asked).for_each(|other| linked.add(other));
                }
            }
        }
        Ok(linked)
    }
}
