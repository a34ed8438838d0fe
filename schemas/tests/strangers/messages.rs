//! Compact JWS, both ways.

use chengxin_schemas::certificate::CERTIFICATE_TYP;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::notice::NOTICE_TYP;
use chengxin_schemas::receipt::RECEIPT_TYP;
use chengxin_schemas::request::{REQUEST_TYP, RequestClaims};
use serde_json::{Value, json};

use crate::fixture::messages::{certificate, notice, receipt, request};
use crate::fixture::{asker_key, issuer_key};
use crate::tools::{Stranger, private_jwk, public_jwk, spoiled};

#[test]
fn strangers_verify_our_messages_and_refuse_changed_ones() {
    let digest = Sha256::of(b"");
    let key = asker_key();
    let ours: Vec<(&str, Value, String)> = vec![
        (REQUEST_TYP, json!(request()), jws_sign(REQUEST_TYP, &request(), &key).expect("signs")),
        (NOTICE_TYP, json!(notice()), jws_sign(NOTICE_TYP, &notice(), &key).expect("signs")),
        (RECEIPT_TYP, json!(receipt(digest)), jws_sign(RECEIPT_TYP, &receipt(digest), &key).expect("signs")),
        (
            CERTIFICATE_TYP,
            json!(certificate(digest)),
            jws_sign(CERTIFICATE_TYP, &certificate(digest), &key).expect("signs"),
        ),
    ];
    let verify = |text: &str, key: Value| json!({ "do": "jws_verify", "text": text, "key": key });
    for stranger in Stranger::ALL {
        for (typ, claims, text) in &ours {
            let (first_dot, last_dot) = (text.find('.').expect("dot"), text.rfind('.').expect("dot"));
            let answers = stranger.ask(&[
                verify(text, public_jwk(&key)),
                verify(text, public_jwk(&issuer_key())),
                verify(&spoiled(text, first_dot - 5), public_jwk(&key)),
                verify(&spoiled(text, first_dot + 20), public_jwk(&key)),
                verify(&spoiled(text, last_dot + 20), public_jwk(&key)),
            ]);
            assert_eq!(&answers[0]["claims"], claims, "{stranger:?} {typ}: {}", answers[0]);
            assert_eq!(answers[0]["header"]["typ"], json!(typ));
            assert_eq!(answers[0]["header"]["kid"], json!(key.key_id()));
            for (place, answer) in answers.iter().enumerate().skip(1) {
                assert!(answer["refused"].is_string(), "{stranger:?} {typ} {place}: {answer}");
            }
        }
    }
}

#[test]
fn we_verify_strangers_messages_and_refuse_changed_ones() {
    let key = asker_key();
    let header = json!({ "alg": "EdDSA", "typ": REQUEST_TYP, "kid": key.key_id() });
    let without_kid = json!({ "alg": "EdDSA", "typ": REQUEST_TYP });
    let with_more = json!({ "alg": "EdDSA", "typ": REQUEST_TYP, "kid": key.key_id(), "cty": "json" });
    let accepts = |text: &str| {
        UnverifiedJws::parse(text, REQUEST_TYP, JWS_LIMIT)
            .and_then(|jws| jws.verify::<RequestClaims>(key.public()))
    };
    for stranger in Stranger::ALL {
        let sign = |header: &Value, key: Value| {
            let asked = json!({ "do": "jws_sign", "claims": request(), "header": header, "key": key });
            let answer = stranger.ask_one(asked);
            answer["text"].as_str().unwrap_or_else(|| panic!("{stranger:?}: {answer}")).to_owned()
        };
        let text = sign(&header, private_jwk(2));
        assert_eq!(accepts(&text).expect("verifies").claims(), &request(), "{stranger:?}");
        for place in [3, text.find('.').expect("dot") + 30, text.rfind('.').expect("dot") + 30] {
            assert!(accepts(&spoiled(&text, place)).is_err(), "{stranger:?} {place}");
        }
        assert!(accepts(&sign(&header, private_jwk(1))).is_err(), "{stranger:?}: signed by another key");
        assert!(accepts(&sign(&without_kid, private_jwk(2))).is_err(), "{stranger:?}: no kid");
        assert!(accepts(&sign(&with_more, private_jwk(2))).is_err(), "{stranger:?}: more in the header");
    }
}
