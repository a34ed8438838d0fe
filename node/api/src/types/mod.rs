//! The documents of the programming interface: what goes over the socket and what `-o json` prints, one file per noun.
//!
//! Every top-level answer carries `"schema": "<noun>/v1"`. A reader that meets another tag refuses instead of guessing.
//! Within a version fields are only added; readers ignore fields they do not know, requests refuse them.

pub mod audit;
pub mod check;
pub mod config;
pub mod federation;
pub mod import;
pub mod notice;
pub mod operator;
pub mod peer;
pub mod policy;
pub mod policy_content;
pub mod policy_diff;
pub mod policy_plan;
pub mod policy_simulation;
pub mod problem;
pub mod record;
pub mod release;
pub mod restriction;
pub mod status;
pub mod time;

/// A marker that serialises as one fixed text and deserialises from nothing else.
macro_rules! schema_tag {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            /// Version 1.
            #[default]
            #[serde(rename = $text)]
            V1,
        }

        impl $name {
            /// The tag as it stands in the document.
            pub const TEXT: &'static str = $text;
        }
    };
}
pub(crate) use schema_tag;

#[cfg(test)]
mod tests {
    use super::operator::{OperatorListSchema, Operators};

    #[test]
    fn another_version_is_refused() {
        assert_eq!(OperatorListSchema::TEXT, "operators/v1");
        assert!(serde_json::from_str::<Operators>(r#"{"schema":"operators/v1","operators":[]}"#).is_ok());
        assert!(serde_json::from_str::<Operators>(r#"{"schema":"operators/v2","operators":[]}"#).is_err());
        assert!(serde_json::from_str::<Operators>(r#"{"operators":[]}"#).is_err());
    }
}
