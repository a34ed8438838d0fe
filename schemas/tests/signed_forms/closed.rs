//! What no form lets through: members that the schema does not have, and personal data in `Debug`.

use chengxin_schemas::answer::AnswerClaims;
use chengxin_schemas::delivery::ItemClaims;
use chengxin_schemas::digest::{Sha256, base64url_encode};
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::jws::jws_sign;
use chengxin_schemas::key::Jwk;
use chengxin_schemas::keyring::SignedMessage as _;
use chengxin_schemas::notice::NoticeClaims;
use chengxin_schemas::receipt::{MeasureDecision, ReceiptClaims, ReceiptOutcome};
use chengxin_schemas::record::{FieldValue, RecordClaims};
use chengxin_schemas::request::RequestClaims;
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::unified_code::CheckException;
use chengxin_schemas::wire::{JoinRequest, PeerRequest, PeerResponse, TokenText};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fixture::messages::{
    answer, issuer_entry, item, notice, presentation, receipt, refusal, request, sealed_notice,
};
use crate::fixture::{NOW, claims, debtor_record, draft, issuer_key, record};

/// Maps whose keys are names of fields; every other object has the members of its type only.
const MAPS: [&str; 2] = ["masked", "withheld"];

/// Places of all objects in a value, as JSON pointers.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if !MAPS.iter().any(|map| place.ends_with(map)) {
                found.push(place.to_owned());
            }
            members.iter().for_each(|(name, member)| objects(member, &format!("{place}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, item)| {
                objects(item, &format!("{place}/{number}"), found);
            });
        }
        _ => {}
    }
}

fn refuses_unknown_members<T: Serialize + DeserializeOwned>(what: &str, value: &T) {
    let value = serde_json::to_value(value).expect(what);
    serde_json::from_value::<T>(value.clone()).map(drop).expect(what);
    let mut places = Vec::new();
    objects(&value, "", &mut places);
    for place in places {
        let mut altered = value.clone();
        let object = altered.pointer_mut(&place).and_then(Value::as_object_mut).expect("an object");
        object.insert("d".to_owned(), "x".into());
        assert!(serde_json::from_value::<T>(altered).is_err(), "{what}: a stranger at {place:?} was let in");
    }
}

#[test]
fn unknown_members_are_refused_at_every_depth() {
    let digest = Sha256::of(b"x");
    let mut excepted: RecordClaims = claims(&draft(), &issuer_key());
    excepted.check_exception =
        Some(CheckException { accepted_by: "li".into(), reason: "证书如此".into() });
    refuses_unknown_members("record", &excepted);
    refuses_unknown_members::<Jwk>("key", &issuer_key().public().to_jwk());
    refuses_unknown_members::<RequestClaims>("request", &request());
    refuses_unknown_members::<AnswerClaims>("answer", &answer(&[presentation()], digest));
    refuses_unknown_members("refusal", &refusal(digest));
    refuses_unknown_members::<NoticeClaims>("notice", &notice());
    refuses_unknown_members::<ItemClaims>("item", &item(digest));
    refuses_unknown_members::<DirectoryEntry>("directory entry", &issuer_entry());
    let reason = || "理由".to_owned();
    for decision in [
        MeasureDecision::Applied {},
        MeasureDecision::Lifted {},
        MeasureDecision::NotApplicable { reason: reason() },
        MeasureDecision::Declined { reason: reason() },
        MeasureDecision::Superseded {},
    ] {
        let mut receipt: ReceiptClaims = receipt(digest);
        let ReceiptOutcome::Processed { measures, .. } = &mut receipt.outcome else { panic!("processed") };
        measures[0].decision = decision;
        refuses_unknown_members("receipt", &receipt);
    }
    let rejected =
        ReceiptClaims { outcome: ReceiptOutcome::Rejected { reason: reason() }, ..receipt(digest) };
    refuses_unknown_members("rejection", &rejected);
}

/// The example number of GB 11643, and what of it reaches other texts.
const NUMBER: &str = "11010519491231002X";
const TOKEN: &str = "cxjoin-0000-0000-0000-0000-0000-0000-0000-0000-0000";

#[test]
fn debug_shows_no_numbers_of_persons_and_no_tokens() {
    let person = SubjectId::parse(NUMBER).expect("number");
    let mut asked = request();
    asked.subject = person.clone();
    let request_jws = jws_sign(RequestClaims::TYP, &asked, &issuer_key()).expect("signs");
    let mut noticed = notice();
    noticed.notice.subject = person.clone();
    let notice_jws = jws_sign(NoticeClaims::TYP, &noticed, &issuer_key()).expect("signs");
    let debtor = debtor_record();
    let sealed = chengxin_schemas::delivery::SealedNotice {
        notice: notice_jws.clone(),
        record: debtor.text().to_owned(),
    };
    let unverified = || SdJwt::parse(debtor.text(), SD_JWT_LIMIT).expect("parses");
    let verified = unverified().verify(issuer_key().public(), NOW).expect("verifies");
    let text = FieldValue::Text(NUMBER.to_owned());
    let token = TokenText::new(TOKEN);
    let shown: Vec<String> = vec![
        format!("{person:?}"),
        format!("{asked:?}"),
        format!("{:?}", noticed.notice),
        format!("{noticed:?}"),
        format!("{sealed:?}"),
        format!("{:?}", sealed_notice(notice_jws.clone())),
        format!("{text:?}"),
        format!("{:?}", FieldValue::List(vec![NUMBER.to_owned()])),
        format!("{:?}", verified.fields()),
        format!("{verified:?}"),
        format!("{:?}", unverified()),
        format!("{debtor:?}"),
        format!("{:?}", debtor.present(&|_| true)),
        format!("{:?}", record()),
        format!("{:?}", draft()),
        format!("{:?}", answer(&[presentation()], Sha256::of(b"x"))),
        format!("{:?}", PeerRequest::Check(request_jws.clone())),
        format!("{:?}", PeerRequest::Deliver { header: request_jws.clone(), sealed: NUMBER.into() }),
        format!(
            "{:?}",
            PeerResponse::Check {
                answer: request_jws.clone(),
                presentations: vec![debtor.text().to_owned()],
            }
        ),
        format!("{:?}", PeerResponse::Receipt(request_jws.clone())),
        format!("{:?}", PeerResponse::Metadata(Some(NUMBER.into()))),
        format!("{token:?}"),
        format!("{:?}", JoinRequest::Admit { token, application: "application".to_owned() }),
    ];
    // A third of all texts begins at each place of a base64 group.
    let encoded = ["", "x", "xx"].map(|before| {
        let text = base64url_encode(format!("{before}{NUMBER}").as_bytes());
        text[4..text.len() - 4].to_owned()
    });
    let masked = "110105**********2X";
    let bytes = format!("{:?}", NUMBER.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    for shown in shown {
        let secrets = [NUMBER, TOKEN, masked, bytes, &request_jws, &notice_jws];
        for secret in secrets.into_iter().chain(encoded.iter().map(String::as_str)) {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
