//! What an SD-JWT of ours shows, hides, and refuses.

#![allow(clippy::expect_used, reason = "helpers of tests fail the test")]

use serde_json::{Value, json};

use super::*;
use crate::digest::{base64url_decode, base64url_encode};
use crate::fixture::{
    NOW, PENALTY, asker_key, claims, counting_salt, draft, is_public, issuer_key, key, record,
};
use crate::jws::payload_sign;
use crate::record::FieldValue;
use crate::subject::SubjectKind;

fn verify(text: &str) -> Result<VerifiedRecord, SchemaError> {
    SdJwt::parse(text, SD_JWT_LIMIT)?.verify(issuer_key().public(), NOW)
}

/// The payload of a compact JWT as JSON.
fn payload(text: &str) -> Value {
    let jwt = text.split('~').next().expect("jwt");
    let part = jwt.split('.').nth(1).expect("payload");
    serde_json::from_slice(&base64url_decode(part).expect("base64url")).expect("json")
}

fn disclosure(json: &Value) -> String {
    base64url_encode(json.to_string().as_bytes())
}

fn digest(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_base64url()
}

/// Signs an altered payload with the issuer's own key: an issuer's faulty or hostile library.
fn forge(change: impl FnOnce(&mut Value), disclosures: &[String]) -> String {
    let mut payload = payload(record().text());
    payload["fields"] = json!({ "subject_name": "示例建设有限公司" });
    change(&mut payload);
    let jwt = payload_sign(RECORD_TYP, payload.to_string().as_bytes(), &issuer_key()).expect("signs");
    let mut text = format!("{jwt}~");
    for disclosure in disclosures {
        text.push_str(disclosure);
        text.push('~');
    }
    text
}

#[test]
fn the_complete_form_gives_back_the_draft() {
    let verified = verify(record().text()).expect("verifies");
    assert_eq!(verified.fields(), draft().fields());
    assert_eq!(verified.claims(), &claims(&draft(), &issuer_key()));
    assert_eq!(verified.record_type(), RecordType::AdministrativePenalty);
    assert_eq!(verified.sd_jwt(), &record());
    assert_eq!(SdJwt::stored(record().text()).expect("is stored"), verified);
    // 14 concealed fields stand among 16 digests.
    assert_eq!(record().disclosable().count(), PENALTY.len() - 5);
    assert_eq!(verified.undisclosed(), 2);
}

#[test]
fn a_presentation_holds_the_chosen_fields_and_nothing_of_the_others() {
    let presentation = record().present(&|name| name == "fine");
    let verified = verify(presentation.text()).expect("verifies");
    let names: Vec<_> = verified.fields().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["subject_name", "subject_code", "decision_number", "fine", "decision_date", "authority_name"]
    );
    assert_eq!(verified.fields().text("fine"), Some("50000.00"));
    assert_eq!(verified.undisclosed(), 15);
    assert_eq!(verified.issuer_jwt_digest(), record().issuer_jwt_digest());
    for part in presentation.text().split(['.', '~']) {
        let decoded = base64url_decode(part).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&decoded).contains("11010519491231002X"));
        assert!(!String::from_utf8_lossy(&decoded).contains("张示例"));
    }
    // Presenting what was presented: the asker may pass on less, never more.
    let passed_on = verified.present(&|_| true);
    assert_eq!(passed_on, presentation);
    assert_eq!(verified.present(&|_| false).text().matches('~').count(), 1);
}

#[test]
fn digests_come_sorted_in_groups_of_eight_whatever_is_concealed() {
    let payload = payload(record().text());
    let digests: Vec<Vec<u8>> = payload["fields"]["_sd"]
        .as_array()
        .expect("digests")
        .iter()
        .map(|digest| base64url_decode(digest.as_str().expect("text")).expect("base64url"))
        .collect();
    assert_eq!(digests.len(), 16);
    assert!(digests.is_sorted());
    let draft = draft();
    let all_public =
        record_issue(&draft, claims(&draft, &issuer_key()), &issuer_key(), &|_| true, &mut counting_salt())
            .expect("issues");
    assert_eq!(
        all_public.disclosable().collect::<Vec<_>>(),
        ["legal_representative_number"],
        "a person's number is concealed whatever policy says"
    );
    assert_eq!(verify(all_public.text()).expect("verifies").fields(), draft.fields());
}

#[test]
fn a_record_is_about_whom_it_says_or_shows_and_about_a_person_otherwise() {
    let kind = |fields: &crate::record::RecordFields, stated: Option<SubjectKind>| {
        let (category, severity) = (draft().category(), draft().severity());
        let subject = stated.unwrap_or(SubjectKind::Person);
        let draft = crate::record::RecordDraft::new(fields.clone(), subject, category, severity, None);
        let draft = draft.expect("draft");
        let mut claims = claims(&draft, &issuer_key());
        claims.subject_kind = stated;
        let record = record_issue(&draft, claims, &issuer_key(), &is_public, &mut counting_salt());
        verify(record.expect("issues").text()).expect("verifies").subject_kind()
    };
    let coded = draft().fields().clone();
    let mut nameless = crate::record::RecordFields::new(coded.record_type());
    for (name, text) in PENALTY.iter().filter(|(name, _)| *name != "subject_code" && *name != "penalty_kinds")
    {
        nameless.text_insert(name, text).expect(name);
    }
    let mut numbered = coded.clone();
    numbered.text_insert("person_number", "E12345678").expect("number");
    assert_eq!(kind(&coded, None), SubjectKind::Organisation);
    assert_eq!(kind(&coded, Some(SubjectKind::Person)), SubjectKind::Person);
    assert_eq!(kind(&nameless, None), SubjectKind::Person);
    assert_eq!(kind(&nameless, Some(SubjectKind::Organisation)), SubjectKind::Organisation);
    assert_eq!(kind(&numbered, None), SubjectKind::Person);
}

#[test]
fn claims_that_disagree_with_the_draft_are_not_signed() {
    let draft = draft();
    let good = claims(&draft, &issuer_key());
    let issue = |claims| record_issue(&draft, claims, &issuer_key(), &is_public, &mut counting_salt());
    assert!(issue(good.clone()).is_ok());
    let mut wrong = good.clone();
    wrong.category = crate::category::InformationCategory::SeriousBreach;
    assert!(issue(wrong).expect_err("category").to_string().starts_with("category"));
    let mut wrong = good.clone();
    wrong.subject_kind = Some(SubjectKind::Person);
    assert!(issue(wrong).expect_err("kind").to_string().starts_with("subject_kind"));
    let mut wrong = good.clone();
    wrong.determined_on = "2026-05-05".parse().expect("date");
    assert!(issue(wrong).is_err());
    let mut wrong = good.clone();
    wrong.vct = RecordType::JudgmentDebtor.vct();
    assert!(issue(wrong).is_err());
    let mut wrong = good;
    wrong.sd_alg = "sha-512".to_owned();
    assert!(issue(wrong).is_err());
}

#[test]
fn tampering_and_other_signers_are_refused() {
    let record = record();
    let error = SdJwt::parse(record.text(), SD_JWT_LIMIT)
        .expect("parses")
        .verify(asker_key().public(), NOW)
        .expect_err("another key");
    assert_eq!(error.code(), crate::ErrorCode::Integrity);
    assert!(SdJwt::parse(record.text(), record.text().len() - 1).is_err());
    let pieces: Vec<&str> = record.text().trim_end_matches('~').split('~').collect();
    let join = |pieces: &[&str]| pieces.join("~") + "~";
    assert!(verify(&join(&pieces)).is_ok());
    // A disclosure twice, one of another record, an empty one, none of the tilde.
    assert!(verify(&join(&[&pieces[..], &pieces[1..2]].concat())).is_err());
    let alien = disclosure(&json!(["salt", "remark", "x"]));
    let error = verify(&join(&[&pieces[..], &[&alien]].concat())).expect_err("alien");
    assert!(error.to_string().contains("not among those"), "{error}");
    assert!(verify(&format!("{}~", record.text())).is_err());
    assert!(verify(&join(&pieces).replacen('~', "~~", 1)).is_err());
    assert!(verify(record.text().trim_end_matches('~')).is_err());
    // The order of disclosures carries nothing.
    let reversed: Vec<&str> = pieces[..1].iter().chain(pieces[1..].iter().rev()).copied().collect();
    assert_eq!(verify(&join(&reversed)).expect("any order").fields(), draft().fields());
}

#[test]
fn what_an_issuer_may_not_sign_is_refused_when_read() {
    let fine = disclosure(&json!(["s1", "fine", "5.00"]));
    let again = disclosure(&json!(["s2", "fine", "6.00"]));
    let clash = disclosure(&json!(["s3", "subject_name", "别名"]));
    assert!(
        verify(&forge(|p| p["fields"]["_sd"] = json!([digest(&fine)]), std::slice::from_ref(&fine))).is_ok()
    );
    let named = |json: Value| {
        let text = disclosure(&json);
        forge(|p| p["fields"]["_sd"] = json!([digest(&text)]), std::slice::from_ref(&text))
    };
    let cases: Vec<(&str, String)> = vec![
        ("digest twice", forge(|p| p["fields"]["_sd"] = json!([digest(&fine), digest(&fine)]), &[])),
        (
            "field twice",
            forge(
                |p| p["fields"]["_sd"] = json!([digest(&fine), digest(&again)]),
                &[fine.clone(), again.clone()],
            ),
        ),
        (
            "clash with a public field",
            forge(|p| p["fields"]["_sd"] = json!([digest(&clash)]), std::slice::from_ref(&clash)),
        ),
        ("reserved name _sd", named(json!(["s", "_sd", ["x"]]))),
        ("reserved name ...", named(json!(["s", "...", "x"]))),
        ("array element", named(json!(["s", "x"]))),
        ("four elements", named(json!(["s", "fine", "5.00", 1]))),
        ("salt is no text", named(json!([1, "fine", "5.00"]))),
        ("unknown field", named(json!(["s", "religion", "x"]))),
        ("nested", named(json!(["s", "fine", { "_sd": [digest("x")] }]))),
        ("number", named(json!(["s", "fine", 5]))),
        ("wrong value", named(json!(["s", "fine", "five"]))),
        ("array disclosure", forge(|p| p["fields"]["penalty_kinds"] = json!([{ "...": digest("x") }]), &[])),
        ("structured disclosure", forge(|p| p["fields"]["facts"] = json!({ "_sd": [digest("x")] }), &[])),
        ("no digest", forge(|p| p["fields"]["_sd"] = json!(["x"]), &[])),
        ("digest is no text", forge(|p| p["fields"]["_sd"] = json!([1]), &[])),
        ("short digest", forge(|p| p["fields"]["_sd"] = json!([base64url_encode(&[0; 31])]), &[])),
        ("digests at the top", forge(|p| p["_sd"] = json!([digest(&fine)]), std::slice::from_ref(&fine))),
        ("_sd_alg inside", forge(|p| p["fields"]["_sd_alg"] = json!("sha-256"), &[])),
        ("other digest algorithm", forge(|p| p["_sd_alg"] = json!("sha-512"), &[])),
        ("no digest algorithm", forge(|p| drop(p.as_object_mut().expect("object").remove("_sd_alg")), &[])),
        ("no fields", forge(|p| drop(p.as_object_mut().expect("object").remove("fields")), &[])),
        ("unknown claim", forge(|p| p["nbf"] = json!(1), &[])),
        ("unknown type", forge(|p| p["vct"] = json!("urn:chengxin:record:other:1"), &[])),
        ("dates differ", forge(|p| p["fields"]["decision_date"] = json!("2026-05-05"), &[])),
        (
            "too many digests",
            forge(
                |p| p["fields"]["_sd"] = (0..=DIGESTS_LIMIT).map(|n| json!(digest(&n.to_string()))).collect(),
                &[],
            ),
        ),
    ];
    for (what, text) in cases {
        assert!(verify(&text).is_err(), "{what}");
    }
    let error = verify(&named(json!(["s", "x"]))).expect_err("array element").to_string();
    assert!(error.contains("array elements"), "{error}");
}

#[test]
fn a_day_that_no_shown_field_says_is_refused_once_nothing_is_hidden() {
    let determined = claims(&draft(), &issuer_key()).determined_on.to_string();
    let verify_fields = |fields: Value| {
        let debtor = |payload: &mut Value| {
            payload["vct"] = json!(RecordType::JudgmentDebtor.vct());
            payload["fields"] = fields;
        };
        verify(&forge(debtor, &[]))
    };
    let hidden = json!([digest("a publication date, or a decoy")]);
    for (holds, fields) in [
        (true, json!({ "filing_date": determined })),
        (true, json!({ "filing_date": "2020-01-02", "publication_date": determined })),
        (true, json!({ "filing_date": "2020-01-02", "_sd": hidden })),
        (true, json!({ "_sd": hidden })),
        (false, json!({ "filing_date": "2020-01-02" })),
        (false, json!({ "filing_date": "2020-01-02", "publication_date": "2020-01-03", "_sd": hidden })),
    ] {
        let text = fields.to_string();
        assert_eq!(verify_fields(fields).is_ok(), holds, "{text}");
    }
}

#[test]
fn a_code_with_an_exception_survives_signing() {
    let exception =
        crate::unified_code::CheckException { accepted_by: "li".into(), reason: "证书如此".into() };
    let mut fields = draft().fields().clone();
    fields.code_accept("subject_code", "913101150607311257", &exception).expect("accepted");
    let draft = crate::record::RecordDraft::new(
        fields,
        draft().subject_kind(),
        draft().category(),
        draft().severity(),
        Some(exception.clone()),
    )
    .expect("draft");
    let mut claims = claims(&draft, &issuer_key());
    claims.check_exception = Some(exception);
    let record =
        record_issue(&draft, claims, &issuer_key(), &is_public, &mut counting_salt()).expect("issues");
    assert_eq!(verify(record.text()).expect("verifies").fields(), draft.fields());
}

#[test]
fn lists_are_disclosed_whole() {
    let mut fields = draft().fields().clone();
    fields.list_insert("penalty_kinds", &["罚款".into(), "警告".into()]).expect("list");
    let draft = crate::record::RecordDraft::new(
        fields,
        draft().subject_kind(),
        draft().category(),
        draft().severity(),
        None,
    )
    .expect("draft");
    let record =
        record_issue(&draft, claims(&draft, &issuer_key()), &issuer_key(), &is_public, &mut counting_salt())
            .expect("issues");
    let verified = verify(record.text()).expect("verifies");
    assert_eq!(
        verified.fields().value("penalty_kinds"),
        Some(&FieldValue::List(vec!["罚款".into(), "警告".into()]))
    );
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Minimal {
    iat: i64,
    aud: String,
    nonce: String,
    sd_hash: String,
}

fn bind(presentation: &Presentation, holder: &crate::key::SigningKey) -> String {
    let claims =
        Minimal { iat: NOW.0, aud: "someone".into(), nonce: "once".into(), sd_hash: presentation.digest() };
    crate::jws::jws_sign(crate::answer::ANSWER_TYP, &claims, holder).expect("signs")
}

#[test]
fn key_binding_ties_the_presentation_to_the_holder() {
    let presentation = record().present(&|name| name == "fine");
    let other = record().present(&|name| name == "facts");
    assert_eq!(presentation.digest(), presentations_digest(&[&presentation]));
    let verify = |text: &str| {
        key_binding_verify::<Minimal>(text, SD_JWT_LIMIT, issuer_key().public(), NOW)
            .map(|(record, binding)| (record, binding.into_claims()))
    };
    let bound = presentation.with_key_binding(&bind(&presentation, &issuer_key()));
    let (record, binding) = verify(&bound).expect("verifies");
    assert_eq!(record.fields().text("fine"), Some("50000.00"));
    assert_eq!(binding.nonce, "once");
    assert!(SdJwt::parse(&bound, SD_JWT_LIMIT).is_err(), "not to be mistaken for one without");
    assert!(verify(presentation.text()).is_err(), "no key binding");
    assert!(verify(&other.with_key_binding(&bind(&presentation, &issuer_key()))).is_err(), "exchanged");
    assert!(verify(&presentation.with_key_binding(&bind(&presentation, &key(9)))).is_err(), "not the holder");
    assert!(verify(&presentation.with_key_binding("a.b.c")).is_err());
    let request = crate::jws::jws_sign("JWT", &json!({ "iat": 1 }), &issuer_key()).expect("signs");
    assert!(verify(&presentation.with_key_binding(&request)).is_err(), "another kind of message");
}

#[test]
fn the_digest_of_several_covers_each_and_their_order() {
    let one = record().present(&|name| name == "fine");
    let two = record().present(&|name| name == "facts");
    assert_ne!(presentations_digest(&[&one, &two]), presentations_digest(&[&two, &one]));
    let none: [&str; 0] = [];
    assert_eq!(presentations_digest(&none), Sha256::of(b"").to_base64url());
}

#[test]
fn debug_shows_no_values() {
    let verified = verify(record().text()).expect("verifies");
    let shown = format!(
        "{:?} {verified:?} {:?} {:?}",
        record(),
        record().present(&|_| true),
        SdJwt::parse(record().text(), SD_JWT_LIMIT).expect("parses")
    );
    assert!(!shown.contains("示例") && !shown.contains("1101"), "{shown}");
}

/// Any JSON value, sometimes with the names that mean something.
fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[A-Za-z0-9_-]{43}".prop_map(Value::from),
        "2026-05-04|50000.00|91150100MA0000015P".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any_name(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl proptest::strategy::Strategy<Value = String> {
    "subject_name|subject_code|fine|facts|penalty_kinds|decision_date|_sd|_sd_alg|\\.\\.\\.|[a-z_]{0,9}"
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

    /// An issuer with a hostile library: what is accepted is stable under presenting, and nothing panics.
    #[test]
    fn any_signed_payload_is_refused_or_stable(
        fields in any_json(),
        claim in proptest::option::of((any_name(), any_json())),
        disclosed in proptest::collection::vec((any_name(), any_json()), 0..3),
        listed in proptest::prelude::any::<bool>(),
    ) {
        let disclosures: Vec<String> =
            disclosed.iter().map(|(name, value)| disclosure(&json!(["salt", name, value]))).collect();
        let text = forge(
            |payload| {
                payload["fields"] = fields.clone();
                if let (true, Some(fields)) = (listed, payload["fields"].as_object_mut()) {
                    fields.insert("_sd".into(), disclosures.iter().map(|text| json!(digest(text))).collect());
                }
                if let Some((name, value)) = &claim {
                    payload[name] = value.clone();
                }
            },
            &disclosures,
        );
        if let Ok(verified) = verify(&text) {
            proptest::prop_assert_eq!(&SdJwt::stored(&text).expect("what was accepted can be stored"), &verified);
            let again = verify(verified.present(&|_| true).text()).expect("what was accepted is accepted");
            proptest::prop_assert_eq!(&again, &verified);
            let fewer = verify(verified.present(&|_| false).text()).expect("with fewer disclosures too");
            proptest::prop_assert!(fewer.fields().len() + disclosures.len() == verified.fields().len());
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2048))]

    #[test]
    fn any_text_parses_or_errs_without_panic(text in "[A-Za-z0-9_.~-]{0,80}|.{0,80}") {
        let _ = SdJwt::parse(&text, SD_JWT_LIMIT);
        let _ = SdJwt::stored(&text);
        let _ = key_binding_verify::<Minimal>(&text, SD_JWT_LIMIT, issuer_key().public(), NOW);
    }

    #[test]
    fn any_disclosure_parses_or_errs_without_panic(json in "\\PC{0,60}") {
        let _ = disclosure::disclosure_parse(&base64url_encode(json.as_bytes()));
        let _ = disclosure::payload_parse(&json);
    }

    #[test]
    fn every_choice_verifies_and_shows_exactly_that_choice(choice in proptest::prelude::any::<u32>()) {
        let record = record();
        let names: Vec<_> = record.disclosable().collect();
        let chosen = |name: &str| {
            names.iter().position(|known| *known == name).is_some_and(|place| choice >> place & 1 == 1)
        };
        let verified = verify(record.present(&chosen).text()).expect("verifies");
        for (name, _) in PENALTY {
            let public = is_public(verified.record_type().field(name).expect("field").0);
            proptest::prop_assert_eq!(verified.fields().value(name).is_some(), public || chosen(name));
        }
    }
}

#[test]
fn salts_from_blocks_are_the_sources_bytes_and_never_repeat() {
    let mut next = 0_u32;
    let mut salt = salt_blocks(|block| {
        for place in block.chunks_exact_mut(4) {
            place.copy_from_slice(&next.to_be_bytes());
            next += 1;
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let mut bytes = [0; 16];
        salt(&mut bytes);
        assert!(seen.insert(bytes));
    }
    assert!(seen.contains(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]));
}

#[test]
fn names_of_the_dictionary_need_no_escapes() {
    for kind in RecordType::ALL {
        for field in kind.fields() {
            assert!(
                field.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{}",
                field.name
            );
        }
    }
}

/// What an issuer's own library could sign against the rules, and an asker must not take.
#[test]
fn a_signature_does_not_excuse_what_may_not_be_issued() {
    let refused = |change: &dyn Fn(&mut Value)| {
        verify(&forge(|payload| change(payload), &[])).err().map(|error| error.to_string())
    };
    assert_eq!(refused(&|_| ()), None);
    let wrong_check = |payload: &mut Value| payload["fields"]["subject_code"] = json!("913101150607311257");
    assert!(refused(&wrong_check).expect("nobody vouches").starts_with("subject_code: "));
    let excepted = |reason: String| {
        move |payload: &mut Value| {
            wrong_check(payload);
            payload["check_exception"] = json!({ "accepted_by": "li", "reason": reason });
        }
    };
    assert_eq!(refused(&excepted("证书如此".to_owned())), None);
    assert!(refused(&excepted("长".repeat(201))).expect("a story").starts_with("check_exception: "));
    for change in [
        |payload: &mut Value| drop(payload.as_object_mut().and_then(|claims| claims.remove("severity"))),
        |payload: &mut Value| payload["category"] = json!("basic"),
    ] {
        assert!(refused(&change).expect("severity").starts_with("severity: "));
    }
    for (field, value) in [("fine", "12,5"), ("valid_until", "2099-12-31"), ("decision_number", " 1")] {
        let error = refused(&|payload: &mut Value| payload["fields"][field] = json!(value)).expect(field);
        assert!(error.starts_with(&format!("{field}: ")), "{error}");
    }
}
