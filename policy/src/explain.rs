//! What would happen under a request, place by place, for people who ask why; and what a denied one would need.
//!
//! Both say no more than the bundle does, which every member holds. A denial that goes to a peer names rule and reason
//! only: the peer's own node explains it.

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::purpose::PurposeCode;

use crate::authoriser::{Authoriser, Decision};
use crate::denial::DenialReason;
use crate::provenance::RuleId;
use crate::purposes::{Condition, Purpose};
use crate::request::{AccessRequest, Action, Treatment};

/// Most purposes named as what a denied request would need. A bundle may hold thousands that are alike, each of which
/// costs a decision; nobody chooses from a longer list.
pub const NEEDED_LIMIT: usize = 50;

/// A decision taken apart.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The decision itself.
    pub decision: Decision,
    /// Chinese name of the purpose, if it exists.
    pub purpose_chinese: Option<String>,
    /// English name of the purpose, if it exists.
    pub purpose_english: Option<String>,
    /// What a denied request would need; None if it is permitted.
    pub needed: Option<Needed>,
    /// Every category and level in order, as the rules alone decide them; empty when the purpose is unknown. When the
    /// decision is a denial for a condition (case reference, legal basis, authorisation, release), this is what would
    /// follow if it were met.
    pub cells: Vec<CellExplanation>,
}

/// What a denied request would need to be permitted. Both lists are empty where the asker can do nothing: another body's
/// records are not read, and a failed engine permits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// What the purpose asked for demands and the request does not state. Empty where the rules deny: stating it would
    /// not help.
    pub conditions: Vec<Condition>,
    /// Where the rules deny: the purposes under which they would let the same body, in the same role, do the same with
    /// every category it wants, about the same kind of subject. In the bundle's order, at most [`NEEDED_LIMIT`].
    pub purposes: Vec<NeededPurpose>,
    /// Whether there are more purposes than are named.
    pub more: bool,
}

/// A purpose under which the rules would permit what another denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededPurpose {
    /// Its code.
    pub code: PurposeCode,
    /// For people.
    pub chinese: String,
    /// For people.
    pub english: String,
    /// What it demands of every request, whether or not this one states it.
    pub conditions: Vec<Condition>,
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
    /// The file of the rule: `rules.csv`, or as `overlay/150100/rules.csv` that of an overlay; None for a built-in rule.
    pub file: Option<String>,
    /// Its line there; None for a built-in rule.
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
                    let (file, line) = self.bundle().rule_place(&cell.rule).unzip();
                    cells.push(CellExplanation {
                        category: *category,
                        level: *level,
                        wanted: request.categories.contains(category),
                        treatment: cell.treatment,
                        rule: cell.rule.clone(),
                        file,
                        line,
                    });
                }
            }
        }
        Explanation {
            decision: self.authorize(request),
            purpose_chinese: purpose.map(|purpose| purpose.chinese.clone()),
            purpose_english: purpose.map(|purpose| purpose.english.clone()),
            needed: self.needed(request),
            cells,
        }
    }

    /// What a request would need; None if it is permitted.
    pub fn needed(&self, request: &AccessRequest) -> Option<Needed> {
        let Decision::Denied(denied) = self.authorize(request) else { return None };
        let mut needed = Needed::default();
        match denied.reason {
            DenialReason::CaseReference
            | DenialReason::LegalBasis
            | DenialReason::SubjectAuthorisation
            | DenialReason::SecondPerson => {
                let purpose = self.bundle().purpose(&request.purpose);
                needed.conditions =
                    purpose.map(|purpose| purpose.unmet(request).collect()).unwrap_or_default();
            }
            DenialReason::NoCategories
            | DenialReason::OwnRecordsOnly
            | DenialReason::DailyLimit { .. }
            | DenialReason::DailyLimitBody { .. }
            | DenialReason::EngineFailure => {}
            DenialReason::UnknownPurpose
            | DenialReason::Rule
            | DenialReason::Action { .. }
            | DenialReason::Role { .. }
            | DenialReason::Function { .. }
            | DenialReason::SubjectKind { .. }
            | DenialReason::Categories { .. }
            | DenialReason::NoRule => {
                let purposes = self.bundle().purposes().iter();
                let mut others = purposes.filter(|purpose| self.rules_permit(purpose, request));
                needed.purposes = others.by_ref().take(NEEDED_LIMIT).map(NeededPurpose::of).collect();
                needed.more = others.next().is_some();
            }
        }
        Some(needed)
    }

    /// Whether the rules would let out something of every category wanted if `purpose` were the one named. The
    /// declaration, which the loader compared with the bundle's rules and which an overlay's only narrow, spares the
    /// decision for most purposes.
    fn rules_permit(&self, purpose: &Purpose, request: &AccessRequest) -> bool {
        let of_a_body = request.action == Action::ReceiveNotice;
        let foreign = request.action == Action::Read && !request.own_records;
        let declared = !foreign
            && purpose.actions.contains(&request.action)
            && (of_a_body || purpose.roles.contains(&request.role))
            && purpose.functions.holds_for(&request.asker.functions)
            && purpose.subjects.contains(&request.subject_kind)
            && request.categories.iter().all(|category| purpose.categories.contains(category));
        if !declared {
            return false;
        }
        let under = AccessRequest { purpose: purpose.code.clone(), ..request.clone() };
        let profile = self.profile(&under);
        profile.is_ok_and(|(_, profile)| request.categories.iter().all(|category| profile.is_open(*category)))
    }
}

impl NeededPurpose {
    fn of(purpose: &Purpose) -> Self {
        Self {
            code: purpose.code.clone(),
            chinese: purpose.chinese.clone(),
            english: purpose.english.clone(),
            conditions: purpose.conditions().collect(),
        }
    }
}
