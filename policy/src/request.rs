//! What is asked of policy, and the smallest thing policy decides: one cell.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::identity::CaseReference;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::request::OperatorReference;
use chengxin_schemas::subject::SubjectKind;
use serde::{Deserialize, Serialize};

use crate::provenance::RuleId;

/// What is to be done with credit information.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An operator of this body asks; governs what is asked of peers and what of the body's own records and of the
    /// peers' answers is shown to the operator in that check.
    Ask,
    /// A peer is answered.
    Answer,
    /// An operator reads or keeps the body's own records outside a check.
    Read,
    /// A peer receives a sanction notice.
    ReceiveNotice,
}

impl Action {
    /// Every action, in order.
    pub const ALL: [Self; 4] = [Self::Ask, Self::Answer, Self::Read, Self::ReceiveNotice];

    /// Whether a subject is asked about: at the asking or at the answering node.
    pub(crate) fn is_query(self) -> bool {
        matches!(self, Self::Ask | Self::Answer)
    }

    /// The spelling in policy and machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Answer => "answer",
            Self::Read => "read",
            Self::ReceiveNotice => "receive-notice",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Ask => "发起核查",
            Self::Answer => "答复对方",
            Self::Read => "读取本单位记录",
            Self::ReceiveNotice => "接收通知",
        }
    }
}

impl std::str::FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| "use one of: ask answer read receive-notice".to_owned())
    }
}

/// Both kinds of subject, in order.
pub(crate) const SUBJECT_KINDS: [SubjectKind; 2] = [SubjectKind::Organisation, SubjectKind::Person];

/// The spelling of a subject kind in policy.
pub(crate) fn subject_str(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Organisation => "organisation",
        SubjectKind::Person => "person",
    }
}

/// Who asks. For this body's own operators it is this body's directory entry; for a peer it is the peer's entry in
/// the verified directory, never what the peer says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskerContext {
    /// The asking body.
    pub agency: AgencyCode,
    /// What it does by law. Functions the bundle does not know confer nothing.
    pub functions: Vec<FunctionCode>,
    /// The region it serves. No rule of this format version looks at it; it is kept for the decision's record.
    pub region: RegionCode,
}

/// That another person of the asking body than the one who asks released the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondPerson {
    role: Role,
}

impl SecondPerson {
    /// None without a release, and where one account did both: nobody releases his own query. Whether two accounts are
    /// two persons is for the asking node to know.
    pub fn of(operator: &OperatorReference, released_by: Option<&OperatorReference>) -> Option<Self> {
        released_by.filter(|other| other.account != operator.account).map(|other| Self { role: other.role })
    }

    /// For questions about what would be decided if somebody in this role released it.
    pub fn supposed(role: Role) -> Self {
        Self { role }
    }

    /// In which role it was released.
    pub fn role(self) -> Role {
        self.role
    }
}

/// One question to policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    /// Who asks.
    pub asker: AskerContext,
    /// The asking operator's role. Rules for [`Action::ReceiveNotice`] do not look at it.
    pub role: Role,
    /// For what.
    pub purpose: PurposeCode,
    /// The open file; most purposes need one.
    pub case_reference: Option<CaseReference>,
    /// Needed where the purpose has no basis of its own.
    pub legal_basis: Option<LegalBasis>,
    /// The subject's own authorisation; some purposes need one.
    pub authorisation: Option<SubjectAuthorisation>,
    /// Who released the query beside who asks; some purposes need one.
    pub second_person: Option<SecondPerson>,
    /// About an organisation or a natural person.
    pub subject_kind: SubjectKind,
    /// Whether only records of the asking body itself are touched.
    pub own_records: bool,
    /// What is wanted; repeated ones count once.
    pub categories: Vec<InformationCategory>,
    /// What is to be done.
    pub action: Action,
}

/// What happens to a field at one place of the grid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Released as it is.
    Show,
    /// Released in part.
    Mask,
    /// Not released.
    Withhold,
}

impl Treatment {
    /// The spelling in policy and machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Mask => "mask",
            Self::Withhold => "withhold",
        }
    }

    /// For people.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Show => "显示",
            Self::Mask => "脱敏",
            Self::Withhold => "不提供",
        }
    }
}

/// The decision for one category and level, with the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What happens.
    pub treatment: Treatment,
    /// The allowing rule; for `Withhold` the denying rule, or `default-deny` when nothing matched.
    pub rule: RuleId,
}

pub(crate) const CATEGORY_COUNT: usize = 5;
pub(crate) const LEVEL_COUNT: usize = 4;

/// Position of a category in [`InformationCategory::ALL`].
pub(crate) fn category_index(category: InformationCategory) -> usize {
    match category {
        InformationCategory::Basic => 0,
        InformationCategory::Enhancing => 1,
        InformationCategory::GeneralBreach => 2,
        InformationCategory::SeriousBreach => 3,
        InformationCategory::RiskWarning => 4,
    }
}

/// Position of a level in [`ClassificationLevel::ALL`].
pub(crate) fn level_index(level: ClassificationLevel) -> usize {
    match level {
        ClassificationLevel::L1 => 0,
        ClassificationLevel::L2 => 1,
        ClassificationLevel::L3 => 2,
        ClassificationLevel::L4 => 3,
    }
}
