//! The one place where a permission comes into being: casbin decides, a bounded cache remembers, preconditions of the
//! purpose are checked after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;

use crate::bundle::Bundle;
use crate::denial::{DenialReason, Denied};
use crate::engine::{Engine, Question};
use crate::error::PolicyError;
use crate::permit::Permit;
use crate::provenance::RuleId;
use crate::purposes::Purpose;
use crate::request::{
    AccessRequest, Action, CATEGORY_COUNT, Cell, LEVEL_COUNT, Treatment, category_index, level_index,
    subject_str,
};
use crate::rules::{Rule, rule_function};

/// Most profiles the decision cache keeps; a full cache is emptied. Only known purposes and the functions that rules name
/// make distinct profiles, and a peer's functions stand in the directory, so a peer that varies its requests gains
/// nothing: with the baseline one set of functions makes at most 16 purposes × 6 roles × 4 actions × 2 kinds of subject,
/// 768 profiles.
pub const PROFILE_LIMIT: usize = 8_192;

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
    cells: [[Cell; LEVEL_COUNT]; CATEGORY_COUNT],
}

impl Profile {
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
    functions: u64,
    purpose: usize,
    role: Role,
    action: Action,
    subject: SubjectKind,
}

/// What picks a profile, beside the purpose.
#[derive(Clone, Copy)]
struct Place<'a> {
    functions: &'a [FunctionCode],
    role: Role,
    action: Action,
    subject: SubjectKind,
}

/// Decides by a bundle. Share it behind an `Arc`; a policy change is a new authoriser.
pub struct Authoriser {
    bundle: Bundle,
    /// casbin with every rule: the authority the shards and the cache are compared with.
    engine: Engine,
    /// For each purpose, casbin with the rules that speak about it. casbin scans rules one by one, and a rule about
    /// another purpose can never match, so a shard decides the same in a fraction of the time.
    shards: Vec<Engine>,
    /// Functions that rules name, each with its bit in a profile's key.
    function_bits: HashMap<FunctionCode, u64>,
    profiles: RwLock<HashMap<ProfileKey, Arc<Profile>>>,
    default_deny: RuleId,
}

impl Authoriser {
    /// Hands the bundle's rules to casbin and proves that they arrived.
    pub fn new(bundle: Bundle) -> Result<Self, PolicyError> {
        let role_links: Vec<[String; 2]> = bundle
            .roles()
            .iter()
            .flat_map(|definition| {
                definition.includes.iter().map(|other| [definition.role.to_string(), other.to_string()])
            })
            .collect();
        let purpose_link = |purpose: &Purpose| Some([purpose.code.to_string(), purpose.group.clone()?]);
        let lines = bundle.rules().iter().map(Rule::casbin_line).collect();
        let links = bundle.purposes().iter().filter_map(purpose_link).collect();
        let engine = Engine::new(lines, &role_links, links)?;
        let mut shards = Vec::new();
        for purpose in bundle.purposes() {
            let lines =
                bundle.rules().iter().filter(|rule| rule.concerns(purpose)).map(Rule::casbin_line).collect();
            let links = purpose_link(purpose).into_iter().collect();
            shards.push(Engine::new(lines, &role_links, links)?);
        }
        let named: BTreeSet<&FunctionCode> = bundle.rules().iter().filter_map(rule_function).collect();
        // The loader allows as many functions as a key has bits.
        let function_bits = named.into_iter().cloned().zip((0..u64::BITS).map(|bit| 1_u64 << bit)).collect();
        Ok(Self {
            bundle,
            engine,
            shards,
            function_bits,
            profiles: RwLock::default(),
            default_deny: RuleId::built_in(DEFAULT_DENY),
        })
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
        let has_basis = request.legal_basis.is_some() || purpose.legal_basis.is_some();
        let permit =
            Permit::new(self.bundle.clone(), Arc::clone(&profile), request.action, &request.categories)
                .ok_or_else(|| Box::new(Denied::attributed(request, purpose, &profile, &self.bundle)))?;
        let missing = if request.action == Action::Read && !request.own_records {
            Some(DenialReason::OwnRecordsOnly)
        } else if purpose.case_reference && request.case_reference.is_none() {
            Some(DenialReason::CaseReference)
        } else if !has_basis {
            Some(DenialReason::LegalBasis)
        } else {
            None
        };
        match missing {
            Some(reason) => Err(Box::new(Denied::condition(purpose, reason, self.bundle.rules_version()))),
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
            return Err(Box::new(Denied::built_in("unknown-purpose", reason, version)));
        };
        if request.categories.is_empty() {
            let reason = DenialReason::NoCategories;
            return Err(Box::new(Denied::built_in("no-categories", reason, version)));
        }
        let place = Place {
            functions: &request.asker.functions,
            role: request.role,
            action: request.action,
            subject: request.subject_kind,
        };
        let profile = self.profile_find(index, purpose, place).map_err(|error| {
            tracing::error!(%error, "the rule engine failed; the request is denied");
            Box::new(Denied::built_in("engine-failure", DenialReason::EngineFailure, version))
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
        let index = self
            .bundle
            .purpose_index(&purpose.code)
            .ok_or(PolicyError::Unsound { reason: "a purpose of another bundle" })?;
        self.profile_find(index, purpose, Place { functions, role, action, subject })
    }

    fn profile_find(
        &self,
        index: usize,
        purpose: &Purpose,
        place: Place<'_>,
    ) -> Result<Arc<Profile>, PolicyError> {
        let functions = place
            .functions
            .iter()
            .filter_map(|function| self.function_bits.get(function))
            .fold(0, |mask, bit| mask | bit);
        let key = ProfileKey {
            functions,
            purpose: index,
            role: place.role,
            action: place.action,
            subject: place.subject,
        };
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
        let functions: Vec<&str> = self
            .function_bits
            .iter()
            .filter(|(_, bit)| key.functions & **bit != 0)
            .map(|(function, _)| function.as_str())
            .collect();
        let shard =
            self.shards.get(key.purpose).ok_or(PolicyError::Unsound { reason: "a purpose without rules" })?;
        let cell = || Cell { treatment: Treatment::Withhold, rule: self.default_deny.clone() };
        let mut cells = std::array::from_fn(|_| std::array::from_fn(|_| cell()));
        for category in InformationCategory::ALL {
            for level in ClassificationLevel::ALL {
                let place: &mut [Cell; LEVEL_COUNT] = &mut cells[category_index(*category)];
                place[level_index(*level)] = self.cell_decide(
                    shard,
                    &Question {
                        role: key.role.as_str(),
                        functions: &functions,
                        purpose: purpose.as_str(),
                        subject: subject_str(key.subject),
                        category: category.as_str(),
                        level: level.as_str(),
                        action: key.action.as_str(),
                        form: "",
                    },
                )?;
            }
        }
        Ok(Profile { cells })
    }

    /// Two questions to casbin: may it be shown, else may it be masked. A withheld cell names what denied masking,
    /// the smaller wish.
    fn cell_decide(&self, engine: &Engine, question: &Question<'_>) -> Result<Cell, PolicyError> {
        let mut rule = None;
        for treatment in [Treatment::Show, Treatment::Mask] {
            let (allowed, decisive) = engine.decide(Question { form: treatment.as_str(), ..*question })?;
            if let (true, Some(rule)) = (allowed, &decisive) {
                return Ok(Cell { treatment, rule: rule.clone() });
            }
            rule = decisive;
        }
        let rule = rule.unwrap_or_else(|| self.default_deny.clone());
        Ok(Cell { treatment: Treatment::Withhold, rule })
    }

    /// What casbin with all rules says about one category and level of a request, past cache and shards and before the purpose's
    /// conditions. For comparison in tests and benchmarks, and for explaining.
    pub fn cell_uncached(
        &self,
        request: &AccessRequest,
        category: InformationCategory,
        level: ClassificationLevel,
    ) -> Result<Cell, PolicyError> {
        let functions: Vec<&str> = request.asker.functions.iter().map(FunctionCode::as_str).collect();
        self.cell_decide(
            &self.engine,
            &Question {
                role: request.role.as_str(),
                functions: &functions,
                purpose: request.purpose.as_str(),
                subject: subject_str(request.subject_kind),
                category: category.as_str(),
                level: level.as_str(),
                action: request.action.as_str(),
                form: "",
            },
        )
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
