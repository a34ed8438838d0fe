//! The one place where a permission comes into being: an index finds the rules that can decide, casbin decides over
//! them, a bounded cache remembers, preconditions of the purpose are checked after it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;

use crate::bundle::Bundle;
use crate::denial::{DenialReason, Denied};
use crate::engine::{Engine, Judge, Question};
use crate::error::PolicyError;
use crate::index::{Candidates, FORMS, FunctionSet, Place, RuleIndex};
use crate::permit::Permit;
use crate::provenance::RuleId;
use crate::purposes::{Condition, Purpose};
use crate::request::{
    AccessRequest, Action, CATEGORY_COUNT, Cell, LEVEL_COUNT, Treatment, category_index, level_index,
    subject_str,
};
use crate::rules::Rule;

/// Most profiles the decision cache keeps, half a kilobyte each; a full cache is emptied. Only known purposes and the
/// functions that rules name make distinct profiles, and a peer's functions stand in the directory: with the baseline
/// one set of functions makes at most 16 purposes × 6 roles × 4 actions × 2 kinds of subject, 768 profiles, so a peer
/// that varies its requests gains nothing. With a thousand purposes it can empty the cache, at the price of a signed
/// request for each cold decision.
pub const PROFILE_LIMIT: usize = 32_768;

/// The answer to an [`AccessRequest`].
#[derive(Clone, Debug)]
pub enum Decision {
    /// Permitted, at least in part.
    Permit(Permit),
    /// Denied, with the rule and what would be needed.
    Denied(Denied),
}

/// The decisions for every category and level under one role, purpose, action, subject kind and set of functions.
pub(crate) struct Profile {
    /// For each category whether some level lets something out; beside the cells, which fill eight lines of a
    /// processor's cache.
    open: [bool; CATEGORY_COUNT],
    cells: [[Cell; LEVEL_COUNT]; CATEGORY_COUNT],
}

impl Profile {
    fn new(cells: [[Cell; LEVEL_COUNT]; CATEGORY_COUNT]) -> Self {
        let lets_out =
            |cells: &[Cell; LEVEL_COUNT]| cells.iter().any(|cell| cell.treatment != Treatment::Withhold);
        Self { open: cells.each_ref().map(lets_out), cells }
    }

    /// Whether something of a category may leave.
    pub(crate) fn is_open(&self, category: InformationCategory) -> bool {
        self.open[category_index(category)]
    }

    pub(crate) fn cell(&self, category: InformationCategory, level: ClassificationLevel) -> &Cell {
        &self.cells[category_index(category)][level_index(level)]
    }

    /// The cell that speaks for a category: the lowest level that lets something out; else an explicit denial; else
    /// the default.
    pub(crate) fn deciding(&self, category: InformationCategory) -> &Cell {
        let cells = &self.cells[category_index(category)];
        cells
            .iter()
            .find(|cell| cell.treatment != Treatment::Withhold)
            .or_else(|| cells.iter().find(|cell| cell.rule.as_str() != DEFAULT_DENY))
            .unwrap_or(&cells[0])
    }
}

/// The rule named when no rule matched.
pub(crate) const DEFAULT_DENY: &str = "default-deny";

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ProfileKey {
    functions: FunctionSet,
    purpose: usize,
    role: Role,
    action: Action,
    subject: SubjectKind,
}

/// Decides by a bundle. Share it behind an `Arc`; a policy change is a new authoriser.
pub struct Authoriser {
    bundle: Bundle,
    index: RuleIndex,
    /// Idle enforcers, one for each cold decision that ever ran beside others.
    judges: Mutex<Vec<Judge>>,
    /// casbin with every rule, built when somebody compares.
    plain: OnceLock<Engine>,
    profiles: RwLock<HashMap<ProfileKey, Arc<Profile>>>,
    default_deny: RuleId,
}

impl Authoriser {
    /// Orders the bundle's rules, an overlay's among them, for casbin and proves that casbin denies what no rule can name.
    pub fn new(bundle: Bundle) -> Result<Self, PolicyError> {
        let index = RuleIndex::new(bundle.rules(), bundle.purposes(), bundle.roles())?;
        let authoriser = Self {
            bundle,
            index,
            judges: Mutex::default(),
            plain: OnceLock::new(),
            profiles: RwLock::default(),
            default_deny: RuleId::built_in(DEFAULT_DENY),
        };
        // What the model says about a question that no rule can name depends on where a rule has `*` and on its effect,
        // not on its names, so one rule of each kind stands for all.
        let kinds: BTreeMap<_, _> =
            authoriser.bundle.rules().iter().rev().map(|rule| (rule.openness(), rule)).collect();
        authoriser.engine_build(kinds.into_values())?;
        Ok(authoriser)
    }

    /// casbin with `rules` and the bundle's links, its soundness proved.
    fn engine_build<'a>(&self, rules: impl Iterator<Item = &'a Rule>) -> Result<Engine, PolicyError> {
        let lines = rules.map(Rule::casbin_line).collect();
        Engine::new(lines, &self.role_links(), &self.purpose_links())
    }

    fn role_links(&self) -> Vec<[String; 2]> {
        let link = |role: Role, other: &Role| [role.to_string(), other.to_string()];
        self.bundle
            .roles()
            .iter()
            .flat_map(|definition| definition.includes.iter().map(|other| link(definition.role, other)))
            .collect()
    }

    fn purpose_links(&self) -> Vec<[String; 2]> {
        let link = |purpose: &Purpose| Some([purpose.code.to_string(), purpose.group.clone()?]);
        self.bundle.purposes().iter().filter_map(link).collect()
    }

    /// The bundle that decides.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Decides a request. Anything unknown, and any failure of the engine, is a denial.
    pub fn authorize(&self, request: &AccessRequest) -> Decision {
        match self.permit(request) {
            Ok(permit) => Decision::Permit(permit),
            Err(denied) => Decision::Denied(*denied),
        }
    }

    fn permit(&self, request: &AccessRequest) -> Result<Permit, Box<Denied>> {
        let (purpose, profile) = self.profile(request)?;
        let owed = (request.action, purpose.obligations(request.action));
        let permit = Permit::new(self.bundle.clone(), Arc::clone(&profile), owed, &request.categories)
            .ok_or_else(|| Box::new(Denied::attributed(request, purpose, &profile, &self.bundle)))?;
        let missing = if request.action == Action::Read && !request.own_records {
            Some(DenialReason::OwnRecordsOnly)
        } else {
            purpose.unmet(request).next().map(Condition::reason)
        };
        match missing {
            Some(reason) => Err(Box::new(Denied::condition(request, reason, self.bundle.rules_version()))),
            None => Ok(permit),
        }
    }

    /// The purpose and the cached decisions for a request.
    pub(crate) fn profile(&self, request: &AccessRequest) -> Result<(&Purpose, Arc<Profile>), Box<Denied>> {
        let version = self.bundle.rules_version();
        let found = self.bundle.purpose_index(&request.purpose);
        let Some((index, purpose)) =
            found.and_then(|index| Some((index, self.bundle.purposes().get(index)?)))
        else {
            let reason = DenialReason::UnknownPurpose;
            return Err(Box::new(Denied::built_in("unknown-purpose", request, reason, version)));
        };
        if request.categories.is_empty() {
            let reason = DenialReason::NoCategories;
            return Err(Box::new(Denied::built_in("no-categories", request, reason, version)));
        }
        let key = ProfileKey {
            functions: self.index.functions(&request.asker.functions),
            purpose: index,
            role: request.role,
            action: request.action,
            subject: request.subject_kind,
        };
        let profile = self.profile_find(key, purpose).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, cause, "the rule engine failed; the request is denied");
            Box::new(Denied::built_in("engine-failure", request, DenialReason::EngineFailure, version))
        })?;
        Ok((purpose, profile))
    }

    /// The decisions at one place of the grid, for the decision table.
    pub(crate) fn profile_at(
        &self,
        purpose: &Purpose,
        functions: &[FunctionCode],
        role: Role,
        action: Action,
        subject: SubjectKind,
    ) -> Result<Arc<Profile>, PolicyError> {
        let index = self.purpose_place(&purpose.code)?;
        let functions = self.index.functions(functions);
        self.profile_find(ProfileKey { functions, purpose: index, role, action, subject }, purpose)
    }

    /// The rules that decide at one place of the grid by the index alone, before casbin confirms them.
    pub(crate) fn indexed_at(
        &self,
        purpose: &PurposeCode,
        functions: &[FunctionCode],
        role: Role,
        action: Action,
        subject: SubjectKind,
    ) -> Result<Candidates, PolicyError> {
        let functions = self.index.functions(functions);
        Ok(self.index.candidates(&Place {
            purpose: self.purpose_place(purpose)?,
            functions,
            role,
            action,
            subject,
        }))
    }

    fn purpose_place(&self, purpose: &PurposeCode) -> Result<usize, PolicyError> {
        self.bundle
            .purpose_index(purpose)
            .ok_or(PolicyError::Unsound { reason: "a purpose of another bundle" })
    }

    fn profile_find(&self, key: ProfileKey, purpose: &Purpose) -> Result<Arc<Profile>, PolicyError> {
        let cached = self.profiles.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(profile) = cached {
            return Ok(profile);
        }
        let profile = Arc::new(self.profile_decide(&key, &purpose.code)?);
        let mut profiles = self.profiles.write().unwrap_or_else(PoisonError::into_inner);
        if profiles.len() >= PROFILE_LIMIT {
            profiles.clear();
        }
        profiles.insert(key, Arc::clone(&profile));
        Ok(profile)
    }

    fn profile_decide(&self, key: &ProfileKey, purpose: &PurposeCode) -> Result<Profile, PolicyError> {
        let candidates = self.index.candidates(&Place {
            purpose: key.purpose,
            functions: key.functions,
            role: key.role,
            action: key.action,
            subject: key.subject,
        });
        let cell = || Cell { treatment: Treatment::Withhold, rule: self.default_deny.clone() };
        let mut cells = std::array::from_fn(|_| std::array::from_fn(|_| cell()));
        if candidates.is_empty() {
            return Ok(Profile::new(cells));
        }
        let functions = self.index.function_names(key.functions);
        let mut judge = self.judge_take()?;
        for category in InformationCategory::ALL {
            for level in ClassificationLevel::ALL {
                let place: &mut [Cell; LEVEL_COUNT] = &mut cells[category_index(*category)];
                let question = Question {
                    role: key.role.as_str(),
                    functions: &functions,
                    purpose: purpose.as_str(),
                    subject: subject_str(key.subject),
                    category: category.as_str(),
                    level: level.as_str(),
                    action: key.action.as_str(),
                    form: "",
                };
                place[level_index(*level)] = self.cell_decide(|treatment| {
                    let (allowing, denying) = candidates.of(*category, *level, treatment);
                    self.question_decide(
                        &mut judge,
                        [allowing, denying],
                        Question { form: treatment.as_str(), ..question },
                    )
                })?;
            }
        }
        // An enforcer that failed is not used again.
        self.judges.lock().unwrap_or_else(PoisonError::into_inner).push(judge);
        Ok(Profile::new(cells))
    }

    fn judge_take(&self) -> Result<Judge, PolicyError> {
        let idle = self.judges.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Judge::new(&self.role_links(), &self.purpose_links()), Ok)
    }

    /// What casbin says over the first allowing and the first denying rule. When it does not say what these two mean by
    /// themselves, the index gave rules that do not match, and others may have been passed over: nothing is decided.
    fn question_decide(
        &self,
        judge: &mut Judge,
        [allowing, denying]: [Option<u32>; 2],
        question: Question<'_>,
    ) -> Result<(bool, Option<RuleId>), PolicyError> {
        let rule = |number: u32| {
            let found = usize::try_from(number).ok().and_then(|place| self.bundle.rules().get(place));
            found.ok_or(PolicyError::Unsound { reason: "a rule of another bundle" })
        };
        let mut numbers: Vec<u32> = allowing.into_iter().chain(denying).collect();
        numbers.sort_unstable();
        let rules = numbers.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        let Some(decisive) = denying.or(allowing) else {
            return Ok((false, None));
        };
        let expected = (denying.is_none(), Some(rule(decisive)?.id.clone()));
        if judge.decide(&rules, question)? != expected {
            return Err(PolicyError::Unsound { reason: "casbin does not decide by the rules of the index" });
        }
        Ok(expected)
    }

    /// Two questions to casbin: may it be shown, else may it be masked. A withheld cell names what denied masking,
    /// the smaller wish.
    fn cell_decide(
        &self,
        mut decide: impl FnMut(Treatment) -> Result<(bool, Option<RuleId>), PolicyError>,
    ) -> Result<Cell, PolicyError> {
        let mut rule = None;
        for treatment in FORMS {
            let (allowed, decisive) = decide(treatment)?;
            if let (true, Some(rule)) = (allowed, &decisive) {
                return Ok(Cell { treatment, rule: rule.clone() });
            }
            rule = decisive;
        }
        let rule = rule.unwrap_or_else(|| self.default_deny.clone());
        Ok(Cell { treatment: Treatment::Withhold, rule })
    }

    /// What casbin with all rules says about one category and level of a request, past cache and index and before the
    /// purpose's conditions. For comparison in tests and benchmarks. The first call hands every rule to casbin, which
    /// takes a second and a hundred megabytes when there are a hundred thousand.
    pub fn cell_uncached(
        &self,
        request: &AccessRequest,
        category: InformationCategory,
        level: ClassificationLevel,
    ) -> Result<Cell, PolicyError> {
        let plain = match self.plain.get() {
            Some(plain) => plain,
            None => {
                let built = self.engine_build(self.bundle.rules().iter())?;
                self.plain.get_or_init(|| built)
            }
        };
        let functions: Vec<&str> = request.asker.functions.iter().map(FunctionCode::as_str).collect();
        self.cell_decide(|treatment| {
            plain.decide(Question {
                role: request.role.as_str(),
                functions: &functions,
                purpose: request.purpose.as_str(),
                subject: subject_str(request.subject_kind),
                category: category.as_str(),
                level: level.as_str(),
                action: request.action.as_str(),
                form: treatment.as_str(),
            })
        })
    }

    /// How many profiles the cache holds.
    pub fn profile_count(&self) -> usize {
        self.profiles.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl std::fmt::Debug for Authoriser {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Authoriser({:?}, {} profiles)", self.bundle, self.profile_count())
    }
}
