//! The axes on which a record is placed: information category, breach severity, disclosure attribute, classification
//! level, state. They are independent of one another; only policy relates them.

use serde::{Deserialize, Serialize};

/// A closed list of named values with one outward spelling each.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $field:literal { $($(#[$value_doc:meta])* $value:ident = $text:literal / $chinese:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $text)] $value),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The spelling in machine output, signed forms and policy.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }

            /// The term of the field, for people.
            pub fn chinese(self) -> &'static str {
                match self { $(Self::$value => $chinese),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::error::SchemaError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text | $chinese => Ok(Self::$value),)+
                    _ => Err($crate::error::SchemaError::Field {
                        field: $field,
                        reason: "unknown value".to_owned(),
                        fix: concat!("use one of:" $(, " ", $text)+),
                    }),
                }
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// The five categories of public credit information (requirement DM-01).
    InformationCategory, "category" {
        /// Registration and identity facts.
        Basic = "basic" / "基础信息",
        /// Commendations, kept promises.
        Enhancing = "enhancing" / "增信信息",
        /// Breaches that are not serious.
        GeneralBreach = "general_breach" / "一般失信信息",
        /// Serious breaches, including lists of seriously dishonest subjects.
        SeriousBreach = "serious_breach" / "严重失信信息",
        /// Facts that call for attention without being breaches.
        RiskWarning = "risk_warning" / "风险提示信息",
    }
}
vocabulary! {
    /// Severity classes of dishonest information under Order 36 (《信用修复管理办法》, in force 2026-04-01). A different axis
    /// from the five categories: it selects publicity periods and repair conditions.
    BreachSeverity, "severity" {
        /// 轻微: in principle not published.
        Minor = "minor" / "轻微",
        /// 一般: three months to one year.
        General = "general" / "一般",
        /// 严重: one to three years.
        Serious = "serious" / "严重",
    }
}
vocabulary! {
    /// How widely a fact may be disclosed at all.
    DisclosureAttribute, "disclosure" {
        /// Published to society.
        OpenToPublic = "open_to_public" / "社会公开",
        /// Shared among government.
        SharedAmongGovernment = "shared_among_government" / "政务共享",
        /// Only with the subject's authorisation or a statutory power to ask.
        QueryByAuthorisation = "query_by_authorisation" / "授权查询",
    }
}
vocabulary! {
    /// Sharing attribute of 《政务数据共享条例》 art. 14.
    SharingAttribute, "sharing" {
        /// 无条件共享.
        Unconditional = "unconditional" / "无条件共享",
        /// 有条件共享.
        Conditional = "conditional" / "有条件共享",
        /// 不予共享.
        NotShared = "not_shared" / "不予共享",
    }
}
vocabulary! {
    /// Grade of general data under GB/T 43697-2024 annex H: 1 is public, 4 is what would do particular harm to a person
    /// or an organisation. State secrets are outside the product.
    ClassificationLevel, "level" {
        /// No harm.
        L1 = "L1" / "1级",
        /// Ordinary harm.
        L2 = "L2" / "2级",
        /// Serious harm.
        L3 = "L3" / "3级",
        /// Particular harm.
        L4 = "L4" / "4级",
    }
}
vocabulary! {
    /// Where a record stands. Only `Effective` and `UnderObjection` records count in a check; the others stay for
    /// the audit and are never disclosed as facts in force.
    RecordState, "state" {
        /// In force.
        Effective = "effective" / "有效",
        /// In force and contested; shown with the mark.
        UnderObjection = "under_objection" / "异议中",
        /// Suspended by the determining authority or a court.
        Suspended = "suspended" / "暂停",
        /// Replaced by a corrected record.
        Corrected = "corrected" / "已更正",
        /// Repaired: publicity, sharing and sanctions have ended.
        Repaired = "repaired" / "已修复",
        /// The underlying decision was withdrawn.
        Withdrawn = "withdrawn" / "已撤回",
        /// Its period is over.
        Expired = "expired" / "已到期",
    }
}

impl RecordState {
    /// Whether a record in this state is a fact in force that a check may report.
    pub fn counts(self) -> bool {
        match self {
            Self::Effective | Self::UnderObjection => true,
            Self::Suspended | Self::Corrected | Self::Repaired | Self::Withdrawn | Self::Expired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_parse_and_unknown_ones_list_the_choices() {
        for category in InformationCategory::ALL {
            assert_eq!(category.as_str().parse::<InformationCategory>().expect("text"), *category);
            assert_eq!(category.chinese().parse::<InformationCategory>().expect("chinese"), *category);
            let json = serde_json::to_string(category).expect("json");
            assert_eq!(json, format!("\"{}\"", category.as_str()));
        }
        let error = "bad".parse::<InformationCategory>().expect_err("unknown").to_string();
        assert!(error.starts_with("category: ") && error.contains("serious_breach"), "{error}");
        let error = "bad".parse::<BreachSeverity>().expect_err("unknown").to_string();
        assert!(error.starts_with("severity: "), "{error}");
    }
}
