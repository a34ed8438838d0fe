//! A denial that says which rule denied and why. What would be needed instead stands in [`crate::Needed`].

use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKind;

use crate::authoriser::{DEFAULT_DENY, Profile};
use crate::bundle::Bundle;
use crate::functions::{Function, FunctionScope};
use crate::provenance::RuleId;
use crate::purposes::Purpose;
use crate::request::{AccessRequest, Action, subject_str};

/// A decision to deny. It is logged like a permission, and may be shown to the asker as it is: it holds nothing about
/// the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that denied: of `rules.csv`; of an overlay, then it begins with the region; `purpose.<code>.<condition>` for
    /// what `purposes.toml` of either asks; or a built-in one, `default-deny` when nothing matched.
    pub rule: RuleId,
    /// Why.
    pub reason: DenialReason,
    /// What was asked, for whoever wants it explained.
    pub question: DeniedQuestion,
    /// The version of the policy that decided.
    pub policy_version: String,
}

/// What was asked and denied, as far as it decides. It says nothing about the subject but of which kind it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeniedQuestion {
    /// In which role.
    pub role: Role,
    /// For what.
    pub purpose: PurposeCode,
    /// About an organisation or a natural person.
    pub subject_kind: SubjectKind,
    /// The first category that was wanted; None if none was. Of several, each was denied.
    pub category: Option<InformationCategory>,
}

impl DeniedQuestion {
    fn of(request: &AccessRequest) -> Self {
        Self {
            role: request.role,
            purpose: request.purpose.clone(),
            subject_kind: request.subject_kind,
            category: request.categories.first().copied(),
        }
    }
}

/// Why a request is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// The bundle has no such purpose.
    UnknownPurpose,
    /// No category was asked for.
    NoCategories,
    /// A rule denies explicitly.
    Rule,
    /// The purpose is not for this action.
    Action {
        /// What it is for.
        allowed: Vec<Action>,
    },
    /// The role may not act under this purpose.
    Role {
        /// Roles that may.
        allowed: Vec<Role>,
    },
    /// The body has none of the functions the purpose is for.
    Function {
        /// The functions of which a body needs one.
        allowed: Vec<Function>,
    },
    /// The purpose is not about this kind of subject.
    SubjectKind {
        /// Kinds it is about.
        allowed: Vec<SubjectKind>,
    },
    /// None of the wanted categories may be seen under this purpose.
    Categories {
        /// Categories that may.
        allowed: Vec<InformationCategory>,
    },
    /// An open file must be named.
    CaseReference,
    /// A legal basis must be cited.
    LegalBasis,
    /// The subject must have authorised the query.
    SubjectAuthorisation,
    /// Another person of the asking body must have released the query.
    SecondPerson,
    /// Only records of the asking body itself may be read.
    OwnRecordsOnly,
    /// The operator's requests of the day are used up ([`crate::Obligations`]).
    DailyLimit {
        /// How many there may be.
        limit: u32,
    },
    /// Those of the whole body are.
    DailyLimitBody {
        /// How many there may be.
        limit: u32,
    },
    /// No rule matched the combination.
    NoRule,
    /// The rule engine failed; nothing was decided.
    EngineFailure,
}

impl Denied {
    pub(crate) fn built_in(rule: &str, request: &AccessRequest, reason: DenialReason, version: &str) -> Self {
        Self::by(RuleId::built_in(rule), request, reason, version)
    }

    fn by(rule: RuleId, request: &AccessRequest, reason: DenialReason, version: &str) -> Self {
        let question = DeniedQuestion::of(request);
        Self { rule, reason, question, policy_version: version.to_owned() }
    }

    /// Something that the declaration of the purpose asked for says, and the request does not fit.
    pub(crate) fn condition(request: &AccessRequest, reason: DenialReason, version: &str) -> Self {
        let rule = format!("purpose.{}.{}", request.purpose, reason.as_str());
        Self::built_in(&rule, request, reason, version)
    }

    /// What is permitted, but not so often to one operator: for whoever fulfils the permit's obligations.
    pub fn over_daily_limit(request: &AccessRequest, limit: u32, policy_version: &str) -> Self {
        Self::condition(request, DenialReason::DailyLimit { limit }, policy_version)
    }

    /// The same for one body.
    pub fn over_daily_limit_body(request: &AccessRequest, limit: u32, policy_version: &str) -> Self {
        Self::condition(request, DenialReason::DailyLimitBody { limit }, policy_version)
    }

    /// Finds the reason for what casbin denied: its own denying rule, or the declaration of the purpose that the
    /// request does not fit. The declaration is the truth about the bundle's rules: the loader compared them. An overlay's
    /// only deny, and are named.
    pub(crate) fn attributed(
        request: &AccessRequest,
        purpose: &Purpose,
        profile: &Profile,
        bundle: &Bundle,
    ) -> Self {
        let version = bundle.rules_version();
        let explicit = request
            .categories
            .iter()
            .map(|category| &profile.deciding(*category).rule)
            .find(|rule| rule.as_str() != DEFAULT_DENY);
        let body = request.action == Action::ReceiveNotice;
        let reason = if !purpose.actions.contains(&request.action) {
            DenialReason::Action { allowed: purpose.actions.clone() }
        } else if !body && !purpose.roles.contains(&request.role) {
            DenialReason::Role { allowed: purpose.roles.clone() }
        } else if !purpose.functions.holds_for(&request.asker.functions) {
            DenialReason::Function { allowed: functions_of(bundle, &purpose.functions) }
        } else if !purpose.subjects.contains(&request.subject_kind) {
            DenialReason::SubjectKind { allowed: purpose.subjects.clone() }
        } else if let Some(rule) = explicit {
            return Self::by(rule.clone(), request, DenialReason::Rule, version);
        } else if !request.categories.iter().any(|category| purpose.categories.contains(category)) {
            DenialReason::Categories { allowed: purpose.categories.clone() }
        } else {
            return Self::built_in(DEFAULT_DENY, request, DenialReason::NoRule, version);
        };
        Self::condition(request, reason, version)
    }

    /// The reason for people.
    pub fn chinese(&self) -> String {
        let texts = |all: Vec<&str>| all.join("、");
        match &self.reason {
            DenialReason::UnknownPurpose => "策略中没有该用途".to_owned(),
            DenialReason::NoCategories => "未指定信息类别".to_owned(),
            DenialReason::Rule => format!("规则 {} 明确禁止", self.rule),
            DenialReason::Action { allowed } => {
                let names = allowed.iter().map(|action| action.chinese()).collect();
                format!("该用途只能用于：{}", texts(names))
            }
            DenialReason::Role { allowed } => {
                format!("该用途只限角色：{}", texts(allowed.iter().map(|role| role.chinese()).collect()))
            }
            DenialReason::Function { allowed } => {
                let names = allowed.iter().map(|function| function.chinese.as_str()).collect();
                format!("该用途只限承担以下职能的单位：{}", texts(names))
            }
            DenialReason::SubjectKind { allowed } => {
                let names = allowed.iter().map(|kind| match kind {
                    SubjectKind::Organisation => "法人和非法人组织",
                    SubjectKind::Person => "自然人",
                });
                format!("该用途只适用于：{}", texts(names.collect()))
            }
            DenialReason::Categories { allowed } => {
                let names = allowed.iter().map(|category| category.chinese()).collect();
                format!("该用途可见的信息类别：{}", texts(names))
            }
            DenialReason::CaseReference => "该用途须填写案件或项目编号".to_owned(),
            DenialReason::LegalBasis => "该用途没有默认依据，须写明法律依据".to_owned(),
            DenialReason::SubjectAuthorisation => "该用途须有信用主体的书面授权".to_owned(),
            DenialReason::SecondPerson => "该用途须由本单位另一人放行".to_owned(),
            DenialReason::OwnRecordsOnly => "只能读取本单位自己的记录".to_owned(),
            DenialReason::DailyLimit { limit } => format!("该用途每人每日限 {limit} 次，今日次数已用完"),
            DenialReason::DailyLimitBody { limit } => {
                format!("该用途每个单位每日限 {limit} 次，该单位今日次数已用完")
            }
            DenialReason::NoRule => "没有规则允许".to_owned(),
            DenialReason::EngineFailure => "策略引擎故障，按拒绝处理".to_owned(),
        }
    }

    /// The reason for people.
    pub fn english(&self) -> String {
        let texts = |all: Vec<&str>| all.join(", ");
        match &self.reason {
            DenialReason::UnknownPurpose => "the policy has no such purpose".to_owned(),
            DenialReason::NoCategories => "no information category was asked for".to_owned(),
            DenialReason::Rule => format!("rule {} forbids it", self.rule),
            DenialReason::Action { allowed } => {
                let names = allowed.iter().map(|action| action.as_str()).collect();
                format!("the purpose is only for: {}", texts(names))
            }
            DenialReason::Role { allowed } => {
                format!(
                    "the purpose is only for roles: {}",
                    texts(allowed.iter().map(|role| role.as_str()).collect())
                )
            }
            DenialReason::Function { allowed } => {
                let names = allowed.iter().map(|function| function.english.as_str()).collect();
                format!("the purpose is only for bodies with the function: {}", texts(names))
            }
            DenialReason::SubjectKind { allowed } => {
                let names = allowed.iter().map(|kind| subject_str(*kind)).collect();
                format!("the purpose is only about: {}", texts(names))
            }
            DenialReason::Categories { allowed } => {
                let names = allowed.iter().map(|category| category.as_str()).collect();
                format!("the purpose may see only: {}", texts(names))
            }
            DenialReason::CaseReference => {
                "the purpose needs the number of an open case or project".to_owned()
            }
            DenialReason::LegalBasis => "the purpose has no basis of its own: cite one".to_owned(),
            DenialReason::SubjectAuthorisation => {
                "the purpose needs the subject's written authorisation".to_owned()
            }
            DenialReason::SecondPerson => {
                "the purpose needs the release of another person of the asking body".to_owned()
            }
            DenialReason::OwnRecordsOnly => "only the body's own records may be read".to_owned(),
            DenialReason::DailyLimit { limit } => {
                format!("the purpose allows one operator {limit} requests a day, which are used up")
            }
            DenialReason::DailyLimitBody { limit } => {
                format!("the purpose allows one body {limit} requests a day, which are used up")
            }
            DenialReason::NoRule => "no rule allows it".to_owned(),
            DenialReason::EngineFailure => "the rule engine failed, so the request is denied".to_owned(),
        }
    }
}

/// The functions that a scope names; none if it is every body's.
fn functions_of(bundle: &Bundle, scope: &FunctionScope) -> Vec<Function> {
    match scope {
        FunctionScope::Every => Vec::new(),
        FunctionScope::Having(codes) => {
            bundle.functions().iter().filter(|function| codes.contains(&function.code)).cloned().collect()
        }
    }
}

impl DenialReason {
    /// For machines; also the last part of a `purpose.<code>.<condition>` rule.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownPurpose => "unknown-purpose",
            Self::NoCategories => "no-categories",
            Self::Rule => "rule",
            Self::Action { .. } => "actions",
            Self::Role { .. } => "roles",
            Self::Function { .. } => "functions",
            Self::SubjectKind { .. } => "subjects",
            Self::Categories { .. } => "categories",
            Self::CaseReference => "case-reference",
            Self::LegalBasis => "legal-basis",
            Self::SubjectAuthorisation => "subject-authorisation",
            Self::SecondPerson => "second-person",
            Self::OwnRecordsOnly => "own-records",
            Self::DailyLimit { .. } => "daily-limit",
            Self::DailyLimitBody { .. } => "daily-limit-body",
            Self::NoRule => "no-rule",
            Self::EngineFailure => "engine-failure",
        }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "denied by {}: {}", self.rule, self.english())
    }
}
