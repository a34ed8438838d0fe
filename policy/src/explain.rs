//! What would happen under a request, place by place, for people who ask why.

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};

use crate::authoriser::{Authoriser, Decision};
use crate::provenance::RuleId;
use crate::request::{AccessRequest, Treatment};

/// A decision taken apart.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision itself.
    pub decision: Decision,
    /// Chinese name of the purpose, if it exists.
    pub purpose_chinese: Option<String>,
    /// English name of the purpose, if it exists.
    pub purpose_english: Option<String>,
    /// Every category and level in order, as the rules alone decide them; empty when the purpose is unknown. When the
    /// decision is a denial for a condition (case reference, legal basis), this is what would follow if it were met.
    pub cells: Vec<CellExplanation>,
}

/// One place of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellExplanation {
    /// The category.
    pub category: InformationCategory,
    /// The level.
    pub level: ClassificationLevel,
    /// Whether the request asks for the category.
    pub wanted: bool,
    /// What happens to a field there.
    pub treatment: Treatment,
    /// The rule that decides.
    pub rule: RuleId,
    /// Line of the rule in `rules.csv`; None for a built-in rule.
    pub line: Option<usize>,
}

impl Authoriser {
    /// Explains a request.
    pub fn explain(&self, request: &AccessRequest) -> Explanation {
        let purpose = self.bundle().purpose(&request.purpose);
        let mut cells = Vec::new();
        if let Ok((_, profile)) = self.profile(request) {
            for category in InformationCategory::ALL {
                for level in ClassificationLevel::ALL {
                    let cell = profile.cell(*category, *level);
                    cells.push(CellExplanation {
                        category: *category,
                        level: *level,
                        wanted: request.categories.contains(category),
                        treatment: cell.treatment,
                        rule: cell.rule.clone(),
                        line: self.bundle().rule(&cell.rule).map(|rule| rule.line),
                    });
                }
            }
        }
        Explanation {
            decision: self.authorize(request),
            purpose_chinese: purpose.map(|purpose| purpose.chinese.clone()),
            purpose_english: purpose.map(|purpose| purpose.english.clone()),
            cells,
        }
    }
}
