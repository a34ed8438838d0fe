//! What a purpose demands of its queries, side by side. It stands in no cell of the grid, which says what a permit lets
//! out; but a demand that falls lets through queries that were denied before.

use chengxin_schemas::purpose::PurposeCode;

use super::{Direction, PolicyDiff};
use crate::bundle::Bundle;
use crate::purposes::{Condition, Purpose};

/// A demand of a purpose that both bundles have, and that one of them does not make or makes otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemandChange {
    /// The purpose.
    pub purpose: PurposeCode,
    /// What is demanded, and how that differs.
    pub demand: Demand,
}

/// What is demanded of queries, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A condition that each query has to meet.
    Condition {
        /// Which one.
        condition: Condition,
        /// Whether it has to be met after; before it was the other way round.
        needed: bool,
    },
    /// How many queries one operator may make in one day.
    DailyLimit {
        /// Before; None for any number.
        from: Option<u32>,
        /// After; None for any number.
        to: Option<u32>,
    },
    /// How many one body may make.
    DailyLimitBody {
        /// Before; None for any number.
        from: Option<u32>,
        /// After; None for any number.
        to: Option<u32>,
    },
}

impl Demand {
    /// For machines: as in the rule that names a denial.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Condition { condition, .. } => condition.as_str(),
            Self::DailyLimit { .. } => "daily-limit",
            Self::DailyLimitBody { .. } => "daily-limit-body",
        }
    }

    /// The limits before and after; None of a condition.
    pub fn limits(self) -> Option<(Option<u32>, Option<u32>)> {
        match self {
            Self::Condition { .. } => None,
            Self::DailyLimit { from, to } | Self::DailyLimitBody { from, to } => Some((from, to)),
        }
    }
}

/// The demands that differ of purposes which both bundles have; of the others the cells tell.
pub(super) fn demands_compare(old: &Bundle, new: &Bundle) -> Vec<DemandChange> {
    let mut changes = Vec::new();
    for after in new.purposes() {
        let Some(before) = old.purpose(&after.code) else { continue };
        let mut push = |demand| changes.push(DemandChange { purpose: after.code.clone(), demand });
        let makes = |purpose: &Purpose, condition| purpose.conditions().any(|one| one == condition);
        for condition in Condition::ALL {
            let needed = makes(after, condition);
            if needed != makes(before, condition) {
                push(Demand::Condition { condition, needed });
            }
        }
        if before.daily_limit != after.daily_limit {
            push(Demand::DailyLimit { from: before.daily_limit, to: after.daily_limit });
        }
        if before.daily_limit_body != after.daily_limit_body {
            push(Demand::DailyLimitBody { from: before.daily_limit_body, to: after.daily_limit_body });
        }
    }
    changes
}

impl DemandChange {
    /// Whether more or fewer queries get through.
    pub fn direction(&self) -> Direction {
        let most = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        let narrower = match self.demand {
            Demand::Condition { needed, .. } => needed,
            Demand::DailyLimit { from, to } | Demand::DailyLimitBody { from, to } => most(to) < most(from),
        };
        if narrower { Direction::Narrower } else { Direction::Wider }
    }

    /// The change as a sentence, with names from the bundles compared.
    pub fn chinese(&self, old: &Bundle, new: &Bundle) -> String {
        let known = [new, old].into_iter().find_map(|bundle| bundle.purpose(&self.purpose));
        let purpose = known.map_or_else(|| self.purpose.to_string(), |known| known.chinese.clone());
        let times =
            |limit: Option<u32>| limit.map_or_else(|| "不限".to_owned(), |limit| format!("{limit} 次"));
        let change = match self.demand {
            Demand::Condition { condition, needed } => {
                let what = match condition {
                    Condition::CaseReference => "须填写案件或项目编号",
                    Condition::LegalBasis => "须写明法律依据",
                    Condition::SubjectAuthorisation => "须有信用主体的书面授权",
                    Condition::SecondPerson => "须由本单位另一人放行",
                };
                format!("{}{what}", if needed { "查询" } else { "查询不再" })
            }
            Demand::DailyLimit { from, to } => format!("每人每日限次由“{}”改为“{}”", times(from), times(to)),
            Demand::DailyLimitBody { from, to } => {
                format!("单位每日限次由“{}”改为“{}”", times(from), times(to))
            }
        };
        format!("{purpose}: {change}")
    }

    /// The change as a sentence, with names from the bundles compared.
    pub fn english(&self, old: &Bundle, new: &Bundle) -> String {
        let known = [new, old].into_iter().find_map(|bundle| bundle.purpose(&self.purpose));
        let purpose = known.map_or_else(|| self.purpose.to_string(), |known| known.english.clone());
        let times = |limit: Option<u32>| limit.map_or_else(|| "any number".to_owned(), |one| one.to_string());
        let change = match self.demand {
            Demand::Condition { condition, needed } => {
                let what = match condition {
                    Condition::CaseReference => "the number of an open case or project",
                    Condition::LegalBasis => "to cite a legal basis",
                    Condition::SubjectAuthorisation => "the subject's written authorisation",
                    Condition::SecondPerson => "the release of another person of the asking body",
                };
                format!("a query {} {what}", if needed { "needs" } else { "no longer needs" })
            }
            Demand::DailyLimit { from, to } => {
                format!("the daily limit of one operator changes from {} to {}", times(from), times(to))
            }
            Demand::DailyLimitBody { from, to } => {
                format!("the daily limit of one body changes from {} to {}", times(from), times(to))
            }
        };
        format!("{purpose}: {change}")
    }
}

impl PolicyDiff {
    /// Whether anything lets out more than before, in a cell or by a demand that falls: what an overlay may not have.
    pub fn lets_out_more(&self) -> bool {
        self.cells.iter().any(|change| change.direction() == Direction::Wider)
            || self.demands.iter().any(|change| change.direction() == Direction::Wider)
    }
}
