//! Names of federations and of the functions that members perform in them.

use serde::{Deserialize, Serialize};

use crate::error::SchemaError;

/// A label of lower-case letters, digits and hyphens, 1 to `$max` characters, beginning with a letter.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// The label.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = SchemaError;

            fn from_str(text: &str) -> Result<Self, SchemaError> {
                let good = text.len() <= $max
                    && text.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
                if good {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(SchemaError::field(
                        $field,
                        "not a label",
                        concat!("use lower-case letters, digits and hyphens, beginning with a letter, at most ", stringify!($max), " characters"),
                    ))
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        crate::identity::string_serde!($name, "label", $pattern);
    };
}
pub(crate) use label;

label! {
    /// Names a federation, for example `nmg`. The name is for people; what makes two federations the same is the
    /// fingerprint of the first root of trust.
    FederationId, "federation", 40, "^[a-z][a-z0-9-]{0,39}$"
}
label! {
    /// What a member does by law, as policy knows it, for example `procurement-supervision`. Entitlements hang on
    /// functions, never on names.
    FunctionCode, "function", 60, "^[a-z][a-z0-9-]{0,59}$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain() {
        assert!("nmg".parse::<FederationId>().is_ok());
        for bad in ["", "Nmg", "1a", "a_b", "内蒙古", &"a".repeat(41)] {
            assert!(bad.parse::<FederationId>().is_err(), "{bad}");
        }
    }
}
