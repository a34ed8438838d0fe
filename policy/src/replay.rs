//! What becomes of one request under two policies: the question behind a simulation.

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};

use crate::authoriser::{Authoriser, Decision};
use crate::request::{AccessRequest, Treatment};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayOutcome {
    /// It was permitted and would be denied.
    Denied,
    /// It would get less.
    Less,
    /// It would get less of one thing and more of another.
    Mixed,
    /// It would get more.
    More,
    /// It was denied and would be permitted.
    Permitted,
    /// It would get the same.
    Same,
}

impl ReplayOutcome {
    /// For machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Less => "less",
            Self::Mixed => "mixed",
            Self::More => "more",
            Self::Permitted => "permitted",
            Self::Same => "same",
        }
    }
}

/// A category and level at which something else would be let out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedCell {
    /// The category.
    pub category: InformationCategory,
    /// The level.
    pub level: ClassificationLevel,
    /// What was let out.
    pub from: Treatment,
    /// What would be.
    pub to: Treatment,
}

/// A request put to two policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// In one word.
    pub outcome: ReplayOutcome,
    /// Where the two differ.
    pub cells: Vec<ReplayedCell>,
    allowed: [Vec<(InformationCategory, ClassificationLevel, Treatment)>; 2],
}

impl Replayed {
    /// Puts `request` to both, about every category it names. Everything that decides counts, the purpose's conditions
    /// with it: what is denied lets nothing out.
    pub fn new(old: &Authoriser, new: &Authoriser, request: &AccessRequest) -> Self {
        let decisions = [old, new].map(|authoriser| authoriser.authorize(request));
        let permitted = decisions.each_ref().map(|decision| matches!(decision, Decision::Permit(_)));
        let [before, after] = decisions.each_ref().map(treatments);
        let cells: Vec<ReplayedCell> = before
            .iter()
            .zip(&after)
            .filter(|(one, other)| one.2 != other.2)
            .map(|(one, other)| ReplayedCell { category: one.0, level: one.1, from: one.2, to: other.2 })
            .collect();
        let wider = cells.iter().any(|cell| openness(cell.to) > openness(cell.from));
        let narrower = cells.iter().any(|cell| openness(cell.to) < openness(cell.from));
        let outcome = match (permitted, narrower, wider) {
            ([true, false], ..) => ReplayOutcome::Denied,
            ([false, true], ..) => ReplayOutcome::Permitted,
            (_, true, true) => ReplayOutcome::Mixed,
            (_, true, false) => ReplayOutcome::Less,
            (_, false, true) => ReplayOutcome::More,
            (_, false, false) => ReplayOutcome::Same,
        };
        Self { outcome, cells, allowed: [before, after] }
    }

    /// What would be let out of a field of this category and level.
    pub fn treatment_after(&self, category: InformationCategory, level: ClassificationLevel) -> Treatment {
        let found = self.allowed[1].iter().find(|(one, other, _)| *one == category && *other == level);
        found.map_or(Treatment::Withhold, |(_, _, treatment)| *treatment)
    }
}

/// What a decision lets out at every category and level.
fn treatments(decision: &Decision) -> Vec<(InformationCategory, ClassificationLevel, Treatment)> {
    let of = |category: InformationCategory, level: ClassificationLevel| match decision {
        Decision::Permit(permit) if permit.categories().contains(&category) => {
            permit.cell(category, level).treatment
        }
        Decision::Permit(_) | Decision::Denied(_) => Treatment::Withhold,
    };
    let places = InformationCategory::ALL
        .iter()
        .flat_map(|category| ClassificationLevel::ALL.iter().map(move |level| (*category, *level)));
    places.map(|(category, level)| (category, level, of(category, level))).collect()
}

fn openness(treatment: Treatment) -> u8 {
    match treatment {
        Treatment::Withhold => 0,
        Treatment::Mask => 1,
        Treatment::Show => 2,
    }
}
