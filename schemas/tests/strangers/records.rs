//! SD-JWT with and without key binding, both ways.

use chengxin_schemas::answer::AnswerClaims;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::sd_jwt::{
    RECORD_TYP, SD_JWT_LIMIT, SdJwt, VerifiedRecord, answer_sign, key_binding_verify,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fixture::messages::{answer, presentation};
use crate::fixture::{ASKER, NOW, claims, draft, is_public, issuer_key, key, record};
use crate::tools::{Stranger, private_jwk, public_jwk, spoiled};

/// What a stranger's key binding says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Binding {
    iat: i64,
    aud: String,
    nonce: String,
    #[serde(rename = "sd_hash")]
    _sd_hash: String,
}

/// All fields of the draft in JSON.
fn all_fields() -> Map<String, Value> {
    draft().fields().iter().map(|(name, value)| (name.as_str().to_owned(), json!(value))).collect()
}

fn concealed() -> Vec<&'static str> {
    draft().fields().iter().filter(|(name, _)| !is_public(*name)).map(|(name, _)| name.as_str()).collect()
}

/// The fields that remain when of the concealed ones only `keep` are disclosed.
fn fields_with(keep: &[&str]) -> Value {
    let hidden = concealed();
    let shown = |name: &str| keep.contains(&name) || !hidden.contains(&name);
    Value::Object(all_fields().into_iter().filter(|(name, _)| shown(name)).collect())
}

/// The order of members carries nothing.
fn sorted(value: &Value) -> std::collections::BTreeMap<String, Value> {
    serde_json::from_value(value.clone()).expect("object")
}

fn fields_of(record: &VerifiedRecord) -> Value {
    record.fields().iter().map(|(name, value)| (name.as_str().to_owned(), json!(value))).collect()
}

fn verify_request(text: &str) -> Value {
    json!({ "do": "sd_jwt_verify", "text": text, "key": public_jwk(&issuer_key()), "now": NOW.0 + 60 })
}

fn text_of(stranger: Stranger, answer: &Value) -> String {
    answer["text"].as_str().unwrap_or_else(|| panic!("{stranger:?}: {answer}")).to_owned()
}

#[test]
fn strangers_verify_our_records_with_any_choice_of_fields() {
    let record = record();
    for stranger in Stranger::ALL {
        let choices: [&[&str]; 3] = [&[], &["fine", "penalty_kinds", "facts"], &concealed()];
        for keep in choices {
            let shown = record.present(&|name| keep.contains(&name));
            let answer = stranger.ask_one(verify_request(shown.text()));
            let expected = fields_with(keep);
            assert_eq!(
                sorted(&answer["claims"]["fields"]),
                sorted(&expected),
                "{stranger:?} {keep:?}: {answer}"
            );
            assert_eq!(answer["claims"]["iss"], json!(claims(&draft(), &issuer_key()).iss));
        }
        let shown = record.present(&|name| name == "fine");
        let dot = shown.text().find('.').expect("dot");
        let mut other_key = verify_request(shown.text());
        other_key["key"] = public_jwk(&key(9));
        let answers = stranger.ask(&[other_key, verify_request(&spoiled(shown.text(), dot + 30))]);
        assert!(answers.iter().all(|answer| answer["refused"].is_string()), "{stranger:?}: {answers:?}");
        // A changed disclosure is refused or ignored, and never shown.
        let tilde = shown.text().find('~').expect("tilde");
        let answer = stranger.ask_one(verify_request(&spoiled(shown.text(), tilde + 60)));
        assert_eq!(answer["claims"]["fields"]["fine"], Value::Null, "{stranger:?}: {answer}");
    }
}

#[test]
fn strangers_verify_our_answers_key_binding() {
    let claims = answer(&[presentation()], Sha256::of(b"request"));
    let signed = answer_sign(&claims, &issuer_key()).expect("signs");
    let bound = presentation().with_key_binding(&signed);
    let other = record().present(&|name| name == "facts").with_key_binding(&signed);
    let not_holder = presentation().with_key_binding(&answer_sign(&claims, &key(9)).expect("signs"));
    let request = |text: &str, aud: &str, nonce: &str| {
        let mut request = verify_request(text);
        request["aud"] = json!(aud);
        request["nonce"] = json!(nonce);
        request
    };
    let nonce = claims.nonce.to_string();
    for stranger in Stranger::ALL {
        let answers = stranger.ask(&[
            request(&bound, ASKER, &nonce),
            request(&bound, ASKER, "x-00000000000000000000000000000000"),
            request(&bound, "11150000MB00000199", &nonce),
            request(&other, ASKER, &nonce),
            request(&not_holder, ASKER, &nonce),
            request(&spoiled(&bound, bound.len() - 20), ASKER, &nonce),
        ]);
        assert_eq!(answers[0]["claims"]["fields"]["fine"], json!("50000.00"), "{stranger:?}: {}", answers[0]);
        for (place, answer) in answers.iter().enumerate().skip(1) {
            assert!(answer["refused"].is_string(), "{stranger:?} {place}: {answer}");
        }
    }
}

/// Has a stranger issue the penalty with the issuer's key.
fn issue(stranger: Stranger) -> String {
    let mut payload = json!(claims(&draft(), &issuer_key()));
    payload["fields"] = Value::Object(all_fields());
    let header = json!({ "typ": RECORD_TYP, "kid": issuer_key().key_id() });
    let answer = stranger.ask_one(json!({
        "do": "sd_jwt_issue",
        "claims": payload,
        "conceal": concealed(),
        "header": header,
        "key": private_jwk(1),
    }));
    text_of(stranger, &answer)
}

fn accepts(text: &str) -> Result<VerifiedRecord, chengxin_schemas::SchemaError> {
    SdJwt::parse(text, SD_JWT_LIMIT)?.verify(issuer_key().public(), NOW)
}

#[test]
fn we_verify_and_present_what_strangers_issue() {
    for stranger in Stranger::ALL {
        let text = issue(stranger);
        let verified = accepts(&text).unwrap_or_else(|error| panic!("{stranger:?}: {error}: {text}"));
        assert_eq!(verified.fields(), draft().fields(), "{stranger:?}");
        assert_eq!(verified.claims(), &claims(&draft(), &issuer_key()), "{stranger:?}");
        let decoys = match stranger {
            Stranger::Python => 0,
            Stranger::Node => 3,
        };
        assert_eq!(verified.undisclosed(), decoys, "{stranger:?}");
        // What we cut down, the stranger still verifies.
        let shown = verified.present(&|name| name == "fine");
        let answer = stranger.ask_one(verify_request(shown.text()));
        assert_eq!(sorted(&answer["claims"]["fields"]), sorted(&fields_with(&["fine"])), "{stranger:?}");
        // Changed anywhere, we refuse.
        for place in (0..text.len()).step_by(97) {
            assert!(accepts(&spoiled(&text, place)).is_err(), "{stranger:?} {place}");
        }
        assert!(
            SdJwt::parse(&text, SD_JWT_LIMIT).expect("parses").verify(key(9).public(), NOW).is_err(),
            "{stranger:?}: another key"
        );
    }
}

#[test]
fn we_verify_what_strangers_present_with_key_binding() {
    for stranger in Stranger::ALL {
        for complete in [issue(stranger), record().into_text()] {
            let keep = ["fine", "facts"];
            let present = |holder: u8| {
                let answer = stranger.ask_one(json!({
                    "do": "sd_jwt_present",
                    "text": complete,
                    "keep": keep,
                    "aud": ASKER,
                    "nonce": "x-22222222222222222222222222222222",
                    "holder": private_jwk(holder),
                    "now": NOW.0,
                }));
                text_of(stranger, &answer)
            };
            let verify =
                |text: &str| key_binding_verify::<Binding>(text, SD_JWT_LIMIT, issuer_key().public(), NOW);
            let bound = present(1);
            let (shown, binding) =
                verify(&bound).unwrap_or_else(|error| panic!("{stranger:?}: {error}: {bound}"));
            assert_eq!(sorted(&fields_of(&shown)), sorted(&fields_with(&keep)), "{stranger:?}");
            assert_eq!(binding.claims().aud, ASKER);
            assert_eq!(binding.claims().nonce, "x-22222222222222222222222222222222");
            assert!(binding.claims().iat > 0);
            assert!(verify(&present(9)).is_err(), "{stranger:?}: not the holder");
            // A disclosure taken out breaks the binding.
            let mut pieces: Vec<&str> = bound.split('~').collect();
            pieces.remove(1);
            assert!(verify(&pieces.join("~")).is_err(), "{stranger:?}: cut down by a third party");
            assert!(
                key_binding_verify::<AnswerClaims>(&bound, SD_JWT_LIMIT, issuer_key().public(), NOW).is_err(),
                "{stranger:?}: a bare key binding is no answer of a member"
            );
        }
    }
}
