//! Any text into every parser: it errs, or its canonical spelling parses back to the same value; and any JSON into every
//! type that is read from JSON.

use std::fmt::Display;
use std::str::FromStr;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::answer::AnswerClaims;
use chengxin_schemas::authorisation::AuthorisationReference;
use chengxin_schemas::catalogue::{CatalogueItemCode, MeasureCode};
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::certificate::CertificateClaims;
use chengxin_schemas::delivery::ItemClaims;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::{FederationId, FunctionCode};
use chengxin_schemas::identity::{BatchId, CaseReference, Nonce, NoticeId, RecordId, ReleaseId};
use chengxin_schemas::key::{Jwk, KeyId, VerifyingKey};
use chengxin_schemas::money::Yuan;
use chengxin_schemas::notice::NoticeClaims;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::{LegalBasis, PurposeCode};
use chengxin_schemas::receipt::ReceiptClaims;
use chengxin_schemas::record::RecordClaims;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::request::RequestClaims;
use chengxin_schemas::resident_id::ResidentId;
use chengxin_schemas::seal::{SealIdentity, SealRecipient};
use chengxin_schemas::subject::{SubjectId, SubjectKey};
use chengxin_schemas::time::{Day, PeriodEnd};
use chengxin_schemas::unified_code::UnifiedCode;
use proptest::prelude::*;
use serde_json::Value;

use crate::fixture::messages::{answer, asker_entry, certificate, item, notice, receipt, request};
use crate::fixture::{claims, draft, issuer_key};

/// Whether `text` parsed, and if so, round-trips.
fn round_trips<T: FromStr + Display + PartialEq>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let canonical = value.to_string();
    match canonical.parse::<T>() {
        Ok(again) => assert!(again == value, "{canonical:?} is another value than {text:?}"),
        Err(_) => panic!("{canonical:?}, the canonical spelling of {text:?}, does not parse"),
    }
    true
}

fn every_parser(text: &str) -> usize {
    let parsers: [fn(&str) -> bool; 27] = [
        round_trips::<AgencyCode>,
        round_trips::<UnifiedCode>,
        round_trips::<RegionCode>,
        round_trips::<CatalogueItemCode>,
        round_trips::<MeasureCode>,
        round_trips::<FederationId>,
        round_trips::<FunctionCode>,
        round_trips::<PurposeCode>,
        round_trips::<OperatorName>,
        round_trips::<LegalBasis>,
        round_trips::<AuthorisationReference>,
        round_trips::<CaseReference>,
        round_trips::<RecordId>,
        round_trips::<NoticeId>,
        round_trips::<BatchId>,
        round_trips::<ReleaseId>,
        round_trips::<Nonce>,
        round_trips::<Sha256>,
        round_trips::<SubjectKey>,
        round_trips::<KeyId>,
        round_trips::<Yuan>,
        round_trips::<Day>,
        round_trips::<PeriodEnd>,
        round_trips::<InformationCategory>,
        round_trips::<RecordState>,
        round_trips::<Role>,
        round_trips::<SealRecipient>,
    ];
    let _ = ResidentId::parse(text);
    let _ = SubjectId::parse(text);
    let _ = SealIdentity::parse(text);
    let _ = RecordType::from_vct(text);
    for kind in RecordType::ALL {
        for definition in kind.fields() {
            if let Ok(canonical) = definition.value_parse(text) {
                assert_eq!(
                    definition.value_parse(&canonical).ok().as_ref(),
                    Some(&canonical),
                    "{definition:?}"
                );
            }
        }
    }
    let jwk = Jwk { kty: "OKP".into(), crv: "Ed25519".into(), x: text.to_owned() };
    let _ = VerifyingKey::try_from(&jwk);
    parsers.iter().filter(|parser| parser(text)).count()
}

/// One right value of each type that is read from JSON.
static RIGHT_VALUES: std::sync::LazyLock<Vec<Value>> = std::sync::LazyLock::new(|| {
    let digest = Sha256::of(b"");
    vec![
        serde_json::json!(request()),
        serde_json::json!(answer(&[], digest)),
        serde_json::json!(notice()),
        serde_json::json!(item(digest)),
        serde_json::json!(receipt(digest)),
        serde_json::json!(certificate(digest)),
        serde_json::json!(asker_entry()),
        serde_json::json!(claims(&draft(), &issuer_key())),
    ]
});

fn every_type(value: &Value) -> usize {
    fn reads<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) -> bool {
        // From text, as messages are read.
        let Ok(read) = serde_json::from_str::<T>(&value.to_string()) else { return false };
        let written = serde_json::to_value(&read).expect("writes what it read");
        serde_json::from_value::<T>(written).expect("reads what it wrote");
        true
    }
    let types: [fn(&Value) -> bool; 8] = [
        reads::<RequestClaims>,
        reads::<AnswerClaims>,
        reads::<NoticeClaims>,
        reads::<ItemClaims>,
        reads::<ReceiptClaims>,
        reads::<CertificateClaims>,
        reads::<DirectoryEntry>,
        reads::<RecordClaims>,
    ];
    types.iter().filter(|reads| reads(value)).count()
}

/// Exchanges the member or element that the steps lead to.
fn exchange(value: &mut Value, steps: &[usize], with: Value) {
    let place = match (steps, value) {
        ([], value) => return *value = with,
        ([step, ..], Value::Object(members)) if !members.is_empty() => {
            let length = members.len();
            members.values_mut().nth(step % length)
        }
        ([step, ..], Value::Array(items)) if !items.is_empty() => {
            let length = items.len();
            items.get_mut(step % length)
        }
        (_, value) => return *value = with,
    };
    exchange(place.expect("within length"), &steps[1..], with);
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Array(vec![])),
        Just(serde_json::json!({})),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}|sha256:[0-9a-f]{64}|r-[0-9a-f]{32}|[a-z-]{1,9}".prop_map(Value::from),
    ]
}

#[test]
fn the_right_texts_parse() {
    for text in
        ["11150000MB00000199", "150100", "a-b", "CG-2026-031", "12.50", "2026-05-04", "long-term", "有效"]
    {
        assert!(every_parser(text) > 0, "{text}");
    }
    assert!(RIGHT_VALUES.iter().all(|value| every_type(value) == 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_text_errs_or_round_trips(
        text in "\\PC{0,40}|[0-9A-Y]{15,19}|[0-9]{6}|[a-z0-9-]{1,60}|[rnbx]-[0-9a-f]{31,33}|[0-9,.]{1,22}|[0-9]{4}[-/]?[0-9]{2}[-/]?[0-9]{2}|[A-Za-z0-9_-]{43}|age1[a-z0-9]{58}"
    ) {
        every_parser(&text);
    }

    #[test]
    fn any_change_of_a_message_errs_or_reads_the_same_twice(
        which in 0_usize..8,
        steps in proptest::collection::vec(0_usize..20, 0..4),
        with in any_leaf(),
    ) {
        let mut value = RIGHT_VALUES[which].clone();
        exchange(&mut value, &steps, with);
        every_type(&value);
    }
}
