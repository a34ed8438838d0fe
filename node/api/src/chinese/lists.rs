//! Closed lists of names: what may stand in a hole that is marked with the list, and nowhere else. A name such as `role`
//! or `mask` is too short to be a text of its own, which would be found in front of any message.

use std::collections::HashMap;

use chengxin_exchange::import::BatchState;
use chengxin_policy::{Action, SanctionObject, Treatment};
use chengxin_schemas::category::{BreachSeverity, InformationCategory, RecordState};
use chengxin_schemas::operator::Role;

/// The names of each list, in one language with what they are in the other.
pub(super) type Names = HashMap<List, Vec<(&'static str, &'static str)>>;

/// A closed list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum List {
    /// Roles of operators.
    Role,
    /// Categories of information.
    Category,
    /// How grave a breach is.
    Severity,
    /// States of a record.
    State,
    /// What a purpose allows to do.
    Action,
    /// Kinds of subjects.
    Kind,
    /// Whom a measure strikes.
    Object,
    /// States of an import.
    Import,
    /// Proofs of the audit log.
    Proof,
    /// Columns of the policy's rules.
    Column,
    /// What a decision does with a level of fields.
    Treatment,
    /// How a decision ends.
    Outcome,
    /// Parts of documents that were asked for.
    Part,
}

/// Each list with its mark.
const LISTS: [(&str, List); 13] = [
    ("role", List::Role),
    ("category", List::Category),
    ("severity", List::Severity),
    ("state", List::State),
    ("action", List::Action),
    ("kind", List::Kind),
    ("object", List::Object),
    ("import", List::Import),
    ("proof", List::Proof),
    ("column", List::Column),
    ("treatment", List::Treatment),
    ("outcome", List::Outcome),
    ("part", List::Part),
];

impl List {
    /// The list with this mark.
    pub(super) fn of(mark: &str) -> Option<Self> {
        LISTS.iter().find(|(name, _)| *name == mark).map(|(_, list)| *list)
    }

    fn names(self) -> Vec<(&'static str, &'static str)> {
        use BatchState::{Committed, RolledBack, RollingBack, Staging};
        use SanctionObject::{Organisation, Person, PublicBody};
        use Treatment::{Mask, Show, Withhold};
        match self {
            Self::Role => Role::ALL.iter().map(|one| (one.as_str(), one.chinese())).collect(),
            Self::Category => {
                InformationCategory::ALL.iter().map(|one| (one.as_str(), one.chinese())).collect()
            }
            Self::Severity => BreachSeverity::ALL.iter().map(|one| (one.as_str(), one.chinese())).collect(),
            Self::State => RecordState::ALL.iter().map(|one| (one.as_str(), one.chinese())).collect(),
            Self::Action => Action::ALL.iter().map(|one| (one.as_str(), one.chinese())).collect(),
            Self::Kind => vec![("organisation", "法人和非法人组织"), ("person", "自然人")],
            Self::Object => {
                [PublicBody, Organisation, Person].map(|one| (one.as_str(), one.chinese())).to_vec()
            }
            Self::Import => [Staging, Committed, RollingBack, RolledBack]
                .map(|one| (one.as_str(), import_state(one)))
                .to_vec(),
            Self::Proof => vec![("inclusion", "包含"), ("consistency", "一致性")],
            Self::Column => vec![
                ("role", "角色"),
                ("function", "职能"),
                ("category", "类别"),
                ("level", "级别"),
                ("action", "操作"),
                ("form", "形式"),
                ("effect", "效力"),
            ],
            Self::Treatment => {
                [Show, Mask, Withhold].map(|one: Treatment| (one.as_str(), one.chinese())).to_vec()
            }
            Self::Outcome => vec![("permitted", "允许"), ("denied", "拒绝")],
            Self::Part => vec![("certificate", "凭证"), ("token", "令牌")],
        }
    }
}

/// The names of every list, in English and Chinese.
pub(super) fn names() -> Names {
    LISTS.iter().map(|(_, list)| (*list, list.names())).collect()
}

/// The state of an import.
pub(crate) fn import_state(state: BatchState) -> &'static str {
    match state {
        BatchState::Staging => "未完成",
        BatchState::Committed => "已导入",
        BatchState::RollingBack => "正在撤回",
        BatchState::RolledBack => "已撤回",
    }
}
