//! The inner parts of an SD-JWT: payload, disclosures and the digests that tie them together.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{DIGESTS_LIMIT, malformed};
use crate::digest::{Sha256, base64url_decode};
use crate::error::SchemaError;
use crate::json::json_parse;
use crate::record::{FieldValue, RecordClaims, RecordFields, codes_check, severity_check};

/// Name of the payload's member that holds the record's fields.
pub(super) const FIELDS: &str = "fields";
/// Name of the list of digests (RFC 9901 §4.2.4.1).
pub(super) const DIGESTS: &str = "_sd";
/// Marks an array-element disclosure (RFC 9901 §4.2.4.2).
const ARRAY_ELEMENT: &str = "...";

/// The payload, taken apart.
pub(super) struct Payload {
    pub(super) claims: RecordClaims,
    pub(super) public: Vec<(String, SignedValue)>,
    pub(super) digests: Vec<SignedDigest>,
}

/// A member of `_sd`; nothing if it is no SHA-256 digest in base64url.
#[derive(Clone, Copy)]
pub(super) struct SignedDigest(Option<[u8; 32]>);

impl<'de> Deserialize<'de> for SignedDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self(base64url_decode(&text).and_then(|bytes| bytes.try_into().ok())))
    }
}

/// A field's value as it stands in JSON.
pub(super) enum SignedValue {
    /// What a field may hold.
    Field(FieldValue),
    /// An object, a number, or a list with anything but texts in it.
    Other,
}

/// Reads a payload whose names are already known to be unique.
pub(super) fn payload_parse(text: &str) -> Result<Payload, SchemaError> {
    json_parse::<Payload>("SD-JWT payload", text)
}

/// Reads a disclosure of an object member: `[salt, name, value]`.
pub(super) fn disclosure_parse(text: &str) -> Result<(String, SignedValue), SchemaError> {
    let bytes = base64url_decode(text).ok_or_else(|| malformed("a disclosure is not canonical base64url"))?;
    let (_salt, name, value): (String, String, SignedValue) =
        serde_json::from_slice(&bytes).map_err(|_| {
            malformed(
                "a disclosure is not [salt, name, value]; array elements are not disclosed singly in records",
            )
        })?;
    if name == DIGESTS || name == ARRAY_ELEMENT {
        return Err(malformed("a disclosure uses a reserved name"));
    }
    Ok((name, value))
}

/// Sets a field that is not set yet and returns its name in the dictionary.
pub(super) fn field_insert(
    fields: &mut RecordFields,
    name: &str,
    value: SignedValue,
) -> Result<&'static str, SchemaError> {
    let (known, _) = fields.record_type().field(name)?;
    if fields.value(name).is_some() {
        return Err(malformed(format!("the field {known} occurs twice")));
    }
    match value {
        SignedValue::Field(value) => fields.signed_insert(name, value)?,
        SignedValue::Other => {
            return Err(malformed(format!(
                "the field {known} is neither a text nor a list of texts; nested and array-element disclosures are not used in records"
            )));
        }
    }
    Ok(known.as_str())
}

/// Checks what claims and fields say together, by the rules under which a record may be issued. `publicity_end` is not
/// compared: the claim is what the rules give, the field what the document says.
pub(super) fn claims_agree(
    claims: &RecordClaims,
    fields: &RecordFields,
    undisclosed: usize,
) -> Result<(), SchemaError> {
    // Which of a debtor's two days it is, is the issuer's choice. A field that is not shown may be the one that says it, as
    // long as there are digests that nothing shown belongs to; whether one of these is a decoy, nobody can tell.
    let determined = claims.determined_on.to_string();
    let days = fields.record_type().determination_fields();
    let shown: Vec<_> = days.iter().filter_map(|name| fields.text(name)).collect();
    let is_all = undisclosed == 0 || shown.len() == days.len();
    if is_all && !shown.is_empty() && shown.iter().all(|day| **day != determined) {
        return Err(SchemaError::Integrity {
            form: "SD-JWT",
            reason: "determined_on is another day than the document's field says".to_owned(),
        });
    }
    severity_check(claims.category, claims.severity)?;
    codes_check(fields, claims.check_exception.as_ref())
}

/// The digests of a payload, each to be met by at most one disclosure.
pub(super) struct DigestSet {
    sorted: Vec<([u8; 32], bool)>,
}

impl DigestSet {
    /// Refuses what is no SHA-256 digest, duplicates, and more than [`DIGESTS_LIMIT`].
    pub(super) fn new(digests: &[SignedDigest]) -> Result<Self, SchemaError> {
        if digests.len() > DIGESTS_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "_sd",
                unit: "digests",
                actual: digests.len(),
                limit: DIGESTS_LIMIT,
            });
        }
        let mut sorted = digests
            .iter()
            .map(|digest| digest.0.map(|digest| (digest, false)))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| malformed("_sd holds something else than SHA-256 digests"))?;
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed("_sd holds a digest twice"));
        }
        Ok(Self { sorted })
    }

    /// Ticks off the digest of a disclosure.
    pub(super) fn take(&mut self, disclosure: &str) -> Result<(), SchemaError> {
        let digest = Sha256::of(disclosure.as_bytes()).0;
        let place = self.sorted.binary_search_by(|(known, _)| known.cmp(&digest)).ok();
        match place.and_then(|place| self.sorted.get_mut(place)) {
            Some((_, taken)) if !*taken => {
                *taken = true;
                Ok(())
            }
            Some(_) => Err(malformed("a disclosure occurs twice")),
            None => Err(SchemaError::Integrity {
                form: "SD-JWT",
                reason: "a disclosure is not among those the issuer signed".to_owned(),
            }),
        }
    }
}

/// Lets `RecordClaims` read every member but `fields`, so that its members are listed in one place only and unknown
/// ones are refused by it.
struct ClaimMembers<'a, A> {
    members: A,
    fields: &'a mut Option<SignedFields>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for ClaimMembers<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.members.next_key::<Cow<'de, str>>()? {
            if name == FIELDS {
                *self.fields = Some(self.members.next_value()?);
            } else {
                return seed.deserialize(CowStrDeserializer::new(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PayloadVisitor;
        impl<'de> Visitor<'de> for PayloadVisitor {
            type Value = Payload;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("the payload of a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Payload, A::Error> {
                let mut fields = None;
                let members = ClaimMembers { members, fields: &mut fields };
                let claims =
                    RecordClaims::deserialize(serde::de::value::MapAccessDeserializer::new(members))?;
                let fields = fields.ok_or_else(|| A::Error::missing_field(FIELDS))?;
                Ok(Payload { claims, public: fields.public, digests: fields.digests })
            }
        }
        deserializer.deserialize_map(PayloadVisitor)
    }
}

/// The member `fields`.
struct SignedFields {
    public: Vec<(String, SignedValue)>,
    digests: Vec<SignedDigest>,
}

impl<'de> Deserialize<'de> for SignedFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = SignedFields;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("the fields of a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SignedFields, A::Error> {
                let mut fields = SignedFields { public: Vec::new(), digests: Vec::new() };
                while let Some(name) = members.next_key::<String>()? {
                    if name == DIGESTS {
                        fields.digests = members.next_value()?;
                    } else {
                        fields.public.push((name, members.next_value()?));
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

impl<'de> Deserialize<'de> for SignedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Reads any JSON value and keeps texts.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = SignedValue;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the value of a field")
    }

    fn visit_str<E>(self, text: &str) -> Result<SignedValue, E> {
        Ok(SignedValue::Field(FieldValue::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<SignedValue, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(item) = items.next_element::<SignedValue>()? {
            match (&mut texts, item) {
                (Some(texts), SignedValue::Field(FieldValue::Text(text))) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(texts.map_or(SignedValue::Other, |texts| SignedValue::Field(FieldValue::List(texts))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<SignedValue, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(SignedValue::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<SignedValue, E> {
        Ok(SignedValue::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<SignedValue, E> {
        Ok(SignedValue::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<SignedValue, E> {
        Ok(SignedValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<SignedValue, E> {
        Ok(SignedValue::Other)
    }

    fn visit_unit<E>(self) -> Result<SignedValue, E> {
        Ok(SignedValue::Other)
    }
}

/// Appends `value` as compact JSON. Texts and lists of texts always serialise into memory.
pub(super) fn json_append<T: Serialize>(value: &T, json: &mut Vec<u8>) -> Result<(), SchemaError> {
    serde_json::to_writer(json, value).map_err(|_| malformed("a value does not serialise"))
}
