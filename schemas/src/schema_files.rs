//! The JSON Schemas of everything that is signed, as files for those who write their own software against it. They are
//! committed under `schemas/json`; `cargo run -p chengxin-schemas --example write_schemas` writes them anew.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::answer::AnswerClaims;
use crate::certificate::CertificateClaims;
use crate::delivery::ItemClaims;
use crate::directory::DirectoryEntry;
use crate::notice::NoticeClaims;
use crate::publication::{ApprovalClaims, PolicySchedule};
use crate::receipt::ReceiptClaims;
use crate::record::{LIST_LIMIT, RecordClaims};
use crate::record_type::{FieldDefinition, FieldKind, RecordType};
use crate::request::RequestClaims;
use crate::sd_jwt::DIGESTS_LIMIT;

/// A schema and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// File name below `schemas/json`.
    pub name: String,
    /// JSON Schema (2020-12), with a final line end.
    pub text: String,
}

/// Every schema: one for each signed form and the directory entry, one for the fields of each record type.
pub fn schema_files() -> Vec<SchemaFile> {
    let mut files = vec![
        file("answer", schema_of::<AnswerClaims>()),
        file("certificate", schema_of::<CertificateClaims>()),
        file("directory-entry", schema_of::<DirectoryEntry>()),
        file("item", schema_of::<ItemClaims>()),
        file("notice", schema_of::<NoticeClaims>()),
        file("policy-approval", schema_of::<ApprovalClaims>()),
        file("policy-schedule", schema_of::<PolicySchedule>()),
        file("receipt", schema_of::<ReceiptClaims>()),
        file("record", record_schema()),
        file("request", schema_of::<RequestClaims>()),
    ];
    files.extend(
        RecordType::ALL.iter().map(|kind| file(&format!("record-fields-{kind}"), fields_schema(*kind))),
    );
    files
}

fn file(name: &str, mut schema: Value) -> SchemaFile {
    schema["$id"] = json!(format!("urn:chengxin:schema:{name}:1"));
    // A JSON value always serialises; an empty file would fail the comparison with the committed one.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n";
    SchemaFile { name: format!("{name}.schema.json"), text }
}

fn schema_of<T: JsonSchema>() -> Value {
    let schema: Schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.to_value()
}

/// The payload of a record: its claims, and the fields with the digests of those that are not in clear.
fn record_schema() -> Value {
    let mut schema = schema_of::<RecordClaims>();
    schema["title"] = json!("RecordPayload");
    schema["properties"]["_sd_alg"]["const"] = json!("sha-256");
    schema["properties"]["fields"] = json!({
        "type": "object",
        "description": "Public fields in clear, by the names of the record type (record-fields-….schema.json); the others are disclosures (RFC 9901) whose digests stand in _sd.",
        "properties": {
            "_sd": {
                "type": "array",
                "maxItems": DIGESTS_LIMIT,
                "uniqueItems": true,
                "items": { "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" }
            }
        },
        "additionalProperties": {
            "anyOf": [
                { "type": "string" },
                { "type": "array", "maxItems": LIST_LIMIT, "items": { "type": "string" } }
            ]
        }
    });
    if let Some(required) = schema["required"].as_array_mut() {
        required.push(json!("fields"));
    }
    schema
}

/// The fields of a record type, as they are when everything is disclosed.
fn fields_schema(kind: RecordType) -> Value {
    let properties: serde_json::Map<String, Value> =
        kind.fields().iter().map(|field| (field.name.to_owned(), field_schema(field))).collect();
    let required: Vec<&str> =
        kind.fields().iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Fields of {}", kind.vct()),
        "description": kind.chinese(),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    })
}

fn field_schema(field: &FieldDefinition) -> Value {
    let mut schema = match field.kind {
        FieldKind::Text(longest) => json!({ "type": "string", "minLength": 1, "maxLength": longest }),
        FieldKind::TextList => json!({
            "type": "array",
            "maxItems": LIST_LIMIT,
            "items": { "type": "string", "minLength": 1, "maxLength": 200 }
        }),
        FieldKind::UnifiedCode => {
            json!({ "type": "string", "pattern": "^[0-9A-HJ-NPQRTUWXY]{18}$" })
        }
        FieldKind::PersonNumber => json!({ "type": "string", "pattern": "^[0-9A-Z-]{1,64}$" }),
        FieldKind::Day => json!({ "type": "string", "format": "date" }),
        FieldKind::PeriodEnd => {
            json!({ "type": "string", "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}|long-term)$" })
        }
        FieldKind::Yuan => json!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]{2}$" }),
    };
    schema["description"] = json!(field.chinese);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_are_those_of_the_types() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
        let files = schema_files();
        for file in &files {
            let committed = std::fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
            assert_eq!(
                committed, file.text,
                "{} is out of date: cargo run -p chengxin-schemas --example write_schemas",
                file.name
            );
        }
        let count = std::fs::read_dir(&folder).expect("folder").count();
        assert_eq!(count, files.len(), "a file in schemas/json belongs to no type");
    }

    /// Who verifies by that page refuses a claim that it leaves out.
    #[test]
    fn the_page_about_what_travels_names_every_claim() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
        let page = std::fs::read_to_string(path).expect("page");
        for (form, row, member) in [
            ("record", "| record |", None),
            ("request", "| request |", None),
            ("answer", "| answer |", None),
            ("notice", "| notice |", None),
            ("notice", "| notice |", Some("NoticeContent")),
            ("item", "| item |", None),
            ("receipt", "| receipt |", None),
            ("certificate", "| certificate |", None),
            ("policy-approval", "| policy approval |", None),
            ("request", "| request |", Some("SubjectAuthorisation")),
        ] {
            let name = format!("{form}.schema.json");
            let file = schema_files().into_iter().find(|file| file.name == name).expect(form);
            let schema: Value = serde_json::from_str(&file.text).expect("json");
            let claims = match member {
                Some(member) => &schema["$defs"][member]["properties"],
                None => &schema["properties"],
            };
            let line = page.lines().find(|line| line.starts_with(row)).expect(row);
            for claim in claims.as_object().expect("claims").keys() {
                let is_common = ["iss", "aud", "iat"].contains(&claim.as_str());
                assert!(is_common || line.contains(&format!("`{claim}`")), "{row} has no `{claim}`");
            }
        }
    }
}
