//! The published JSON Schemas, read by a validator that is not ours: they accept what we sign, and refuse what our own
//! types refuse.

use chengxin_schemas::digest::{Sha256, base64url_decode};
use serde_json::{Value, json};

use crate::fixture::messages::{
    answer, asker_entry, certificate, item, notice, presentation, receipt, refusal, request,
};
use crate::fixture::{debtor_record, draft, record};
use crate::tools::Stranger;

fn schema(name: &str) -> Value {
    let path = format!("{}/json/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).expect(&path)
}

fn payload(text: &str) -> Value {
    let part = text.split('.').nth(1).expect("payload");
    serde_json::from_slice(&base64url_decode(part).expect("base64url")).expect("json")
}

/// Every kind with a value that is right.
fn values() -> Vec<(&'static str, Value)> {
    let digest = Sha256::of(b"");
    let fields: Value =
        draft().fields().iter().map(|(name, value)| (name.as_str().to_owned(), json!(value))).collect();
    vec![
        ("answer", json!(answer(&[presentation()], digest))),
        ("answer", json!(refusal(digest))),
        ("certificate", json!(certificate(digest))),
        ("directory-entry", json!(asker_entry())),
        ("item", json!(item(digest))),
        ("notice", json!(notice())),
        ("receipt", json!(receipt(digest))),
        ("record", payload(record().text())),
        ("record", payload(debtor_record().text())),
        ("record-fields-administrative-penalty", fields),
        ("request", json!(request())),
    ]
}

#[test]
fn what_we_sign_fits_the_published_schemas() {
    let requests: Vec<Value> = values()
        .into_iter()
        .map(|(name, value)| json!({ "do": "schema_check", "schema": schema(name), "value": value }))
        .collect();
    for ((name, _), answer) in values().iter().zip(Stranger::Python.ask(&requests)) {
        assert_eq!(answer, json!({ "valid": true }), "{name}");
    }
}

#[test]
fn a_missing_an_unknown_and_a_wrong_member_are_refused() {
    let mut cases = Vec::new();
    for (name, value) in values() {
        let schema = schema(name);
        let members = value.as_object().expect("object");
        for required in schema["required"].as_array().expect("required") {
            let mut without = members.clone();
            without.remove(required.as_str().expect("name"));
            cases.push((format!("{name} without {required}"), schema.clone(), Value::Object(without)));
        }
        let mut with_more = members.clone();
        with_more.insert("religion".to_owned(), json!("x"));
        cases.push((format!("{name} with more"), schema.clone(), Value::Object(with_more)));
        for wrong in members.keys().filter(|name| *name != "coordinator") {
            let mut changed = members.clone();
            changed.insert(wrong.clone(), json!(true));
            cases.push((format!("{name} with wrong {wrong}"), schema.clone(), Value::Object(changed)));
        }
        if members.contains_key("iss") {
            let mut changed = members.clone();
            changed.insert("iss".to_owned(), json!("91150100MA0000015P"));
            cases.push((format!("{name} by a company"), schema, Value::Object(changed)));
        }
    }
    // `complete` of a certificate is a truth value, so `true` is right there.
    cases.retain(|(what, _, _)| what != "certificate with wrong complete");
    let requests: Vec<Value> = cases
        .iter()
        .map(|(_, schema, value)| json!({ "do": "schema_check", "schema": schema, "value": value }))
        .collect();
    for ((what, _, _), answer) in cases.iter().zip(Stranger::Python.ask(&requests)) {
        assert!(answer["refused"].is_string(), "{what} is accepted");
    }
}
