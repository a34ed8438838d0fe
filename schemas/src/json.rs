//! Strict reading of signed JSON: one object, every name once. Two libraries that disagree about which of two equal
//! names counts would otherwise read two statements under one signature.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::SchemaError;

/// Checks that `text` is one JSON object in which no object, at any depth, has a name twice. Depth is bounded by the
/// parser (128).
pub(crate) fn object_check(form: &'static str, text: &str) -> Result<(), SchemaError> {
    let malformed = |reason: String| SchemaError::Malformed { form, reason };
    if !text.trim_start_matches([' ', '\n', '\r', '\t']).starts_with('{') {
        return Err(malformed("not a JSON object".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    UniqueNames.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| {
        malformed(format!("not a JSON object with unique names, near character {}", error.column()))
    })
}

/// Reads `T` from JSON. The error says where and never what: the text may hold a person's number.
pub(crate) fn json_parse<'de, T: serde::Deserialize<'de>>(
    form: &'static str,
    text: &'de str,
) -> Result<T, SchemaError> {
    serde_json::from_str(text).map_err(|error| SchemaError::Malformed {
        form,
        reason: format!("does not match the schema of this form, near character {}", error.column()),
    })
}

/// Walks any JSON value and fails on the second occurrence of a name in one object.
struct UniqueNames;

impl<'de> DeserializeSeed<'de> for UniqueNames {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("JSON with unique names")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(UniqueNames)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names: Vec<Name<'de>> = Vec::new();
        while let Some(name) = members.next_key::<Name<'de>>()? {
            names.push(name);
            members.next_value_seed(UniqueNames)?;
        }
        // Sorting bounds the work at n log n whatever a peer sends.
        names.sort_unstable();
        match names.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(A::Error::custom("a name occurs twice")),
            false => Ok(()),
        }
    }
}

/// A member name, borrowed where it has no escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(std::borrow::Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a member name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_twice_at_any_depth_is_refused_however_it_is_spelled() {
        for good in [r#"{}"#, r#" {"a":1,"b":{"a":[{"a":null},{"a":1.5}]}} "#] {
            assert!(object_check("test", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "[]",
            "1",
            "null",
            r#"{"a":1}x"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":[{"a":1,"b":2,"a":1}]}"#,
            r#"{"a":"#,
        ] {
            assert!(object_check("test", bad).is_err(), "{bad}");
        }
        assert!(object_check("test", &format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200))).is_err());
    }
}
