//! Items of the public credit information catalogue (公共信用信息目录) and of the list of sanction measures (失信惩戒措施清单).

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_different_lists_are_different_types() {
        assert_eq!("a-b".parse::<MeasureCode>().expect("label").to_string(), "a-b");
        assert!("A-b".parse::<CatalogueItemCode>().is_err());
    }
}
