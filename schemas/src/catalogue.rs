//! Items of the public credit information catalogue (公共信用信息目录), of the list of breaches of government integrity
//! (政务失信行为清单), and of the lists of sanction measures (失信惩戒措施清单) and incentives.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;
use crate::federation::label;

label! {
    /// An item of the catalogue: what kind of fact may be recorded at all, for example `administrative-penalty`.
    CatalogueItemCode, "catalogue_item", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// A listed sanction measure, for example `restrict-government-procurement`. A measure that is not listed cannot
    /// be named in a notice (国办发〔2020〕49号).
    MeasureCode, "measure", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// A listed incentive (激励措施), for example `priority-in-funding`. A list of its own, so that no notice of a
    /// sanction can name one.
    IncentiveCode, "incentive", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// First level of the list of breaches of government integrity (分类), for example `performance`.
    BehaviourClassCode, "behaviour_class", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// Second level of the list of breaches of government integrity (项目), for example `arrears`.
    BehaviourItemCode, "behaviour_item", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// Third level of the list of breaches of government integrity (行为), for example `new-office-disowns-old-debts`.
    BehaviourCode, "behaviour", 60, "^[a-z][a-z0-9-]{0,59}$"
}
label! {
    /// A grade of breach (失信等级), for example `performance-serious`: it selects severity, measures and repair.
    BreachGradeCode, "breach_grade", 60, "^[a-z][a-z0-9-]{0,59}$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_different_lists_are_different_types() {
        assert_eq!("a-b".parse::<MeasureCode>().expect("label").to_string(), "a-b");
        assert!("A-b".parse::<CatalogueItemCode>().is_err());
    }
}
