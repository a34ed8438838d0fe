//! The golden examples of `schemas/examples/v1`: today's code reads every one, and today's writer still writes the same
//! bytes. A file is added by running this test with `CHENGXIN_EXAMPLES=add`; a file that exists is never written.

use std::path::PathBuf;

use chengxin_schemas::answer::{AnswerClaims, AnswerOutcome};
use chengxin_schemas::authorisation::SubjectAuthorisation;
use chengxin_schemas::certificate::CertificateClaims;
use chengxin_schemas::delivery::{ItemClaims, SEALED_LIMIT, SealedNotice};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::jws::{JWS_LIMIT, VerifiedJws, jws_sign};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::keyring::{SignedMessage, message_parse, record_verify_from, verify_from};
use chengxin_schemas::notice::NoticeClaims;
use chengxin_schemas::operator::Role;
use chengxin_schemas::receipt::ReceiptClaims;
use chengxin_schemas::request::{OperatorReference, RequestClaims};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, VerifiedRecord, answer_sign, key_binding_verify};
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::unified_code::CheckException;
use chengxin_schemas::{seal, wire};

use crate::fixture::messages::{
    answer, answer_over, asker_entry, certificate, identity, issuer_entry, item, notice, presentation,
    receipt, refusal, request, sealed_notice, second_presentation,
};
use crate::fixture::{ASKER, ISSUER, NOW, asker_key, debtor_record, issuer_key, record};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/v1").join(name)
}

/// The committed example, which `write` may make only if there is none and adding was asked for.
fn example(name: &str, write: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var("CHENGXIN_EXAMPLES").is_ok_and(|value| value == "add") {
        std::fs::write(&path, write()).expect("writes");
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}; CHENGXIN_EXAMPLES=add adds it"))
}

/// A committed text that today's writer must reproduce.
fn same(name: &str, written: &str) -> String {
    let text = String::from_utf8(example(name, || written.as_bytes().to_vec())).expect("text");
    assert_eq!(text, written, "{name}: the writer emits other bytes than it once did");
    text
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("json") + "\n"
}

/// A committed message and its claims in JSON: reads, verifies, equals, and is written the same today.
fn message<T>(name: &str, claims: &T, key: &SigningKey, entry: &DirectoryEntry) -> VerifiedJws<T>
where
    T: SignedMessage + serde::Serialize + PartialEq + std::fmt::Debug,
{
    let text = same(&format!("{name}.jws"), &jws_sign(T::TYP, claims, key).expect("signs"));
    let stated = same(&format!("{name}.json"), &json(claims));
    let (jws, signer) = message_parse::<T>(&text, JWS_LIMIT).expect(name);
    let verified: VerifiedJws<T> = verify_from(jws, entry, signer.iat).expect(name);
    assert_eq!(verified.claims(), claims, "{name}");
    assert_eq!(&serde_json::from_str::<T>(&stated).expect(name), claims, "{name}");
    verified
}

fn read_record(text: &str) -> VerifiedRecord {
    record_verify_from(SdJwt::parse(text, SD_JWT_LIMIT).expect("parses"), &issuer_entry(), NOW)
        .expect("verifies")
}

#[test]
fn directory_entries() {
    for (name, entry) in
        [("directory-entry-issuer", issuer_entry()), ("directory-entry-asker", asker_entry())]
    {
        let text = same(&format!("{name}.json"), &json(&entry));
        let read: DirectoryEntry = serde_json::from_str(&text).expect(name);
        assert_eq!(read, entry);
        read.check_limits().expect(name);
        assert_eq!(read.seal_recipients().expect(name).len(), 2);
    }
}

#[test]
fn records_complete_and_presented() {
    let complete = read_record(&same("record-penalty.sd-jwt", record().text()));
    assert_eq!(complete.fields().len(), 19);
    let presented = read_record(&same("record-penalty-presented.sd-jwt", presentation().text()));
    assert_eq!(presented.fields().text("fine"), Some("50000.00"));
    assert_eq!(presented.fields().text("facts"), None);
    assert_eq!(presented.fields().len(), 9);
    assert_eq!(presented.issuer_jwt_digest(), complete.issuer_jwt_digest());
    let debtor = read_record(&same("record-debtor.sd-jwt", debtor_record().text()));
    assert_eq!(debtor.fields().text("person_number"), Some("11010519491231002X"));
    let hidden = debtor_record().present(&|_| false);
    let hidden = read_record(&same("record-debtor-nothing-disclosed.sd-jwt", hidden.text()));
    assert_eq!(hidden.fields().len(), 2);
    assert_eq!(hidden.undisclosed(), 8);
}

#[test]
fn a_request_and_its_answers() {
    let asked = message("request", &request(), &asker_key(), &asker_entry());
    asked.claims().check(&ISSUER.parse().expect("agency"), NOW).expect("request");
    let blank = RequestClaims { subject_name: Some(" ".to_owned()), ..asked.claims().clone() };
    let error = blank.check(&ISSUER.parse().expect("agency"), NOW).expect_err("no name").to_string();
    assert!(error.starts_with("subject_name: "), "{error}");
    let check = |claims: &AnswerClaims, presentations: &[&str]| {
        claims.check(asked.claims(), asked.digest(), NOW.plus(2)).expect("answer");
        claims.check_presentations(presentations).expect("presentations");
    };

    let one = answer(&[presentation()], asked.digest());
    message("answer-one-record", &one, &issuer_key(), &issuer_entry());
    let signed = answer_sign(&one, &issuer_key()).expect("signs");
    let bound = same("answer-one-record.sd-jwt-kb", &presentation().with_key_binding(&signed));
    let (record, verified) =
        key_binding_verify::<AnswerClaims>(&bound, SD_JWT_LIMIT, issuer_key().public(), NOW)
            .expect("verifies");
    check(verified.claims(), &[record.sd_jwt().text()]);

    // What is listed is what was presented, record by record.
    let check_records = |claims: &AnswerClaims, presentations: &[&str]| {
        let AnswerOutcome::Answered { records, .. } = &claims.outcome else { panic!("answered") };
        let presented = presentations.iter().map(|text| read_record(text));
        records.iter().zip(presented).try_for_each(|(listed, record)| {
            assert_eq!(record.fields().subject().as_ref(), Some(&request().subject));
            listed.check_record(&record)
        })
    };
    check_records(verified.claims(), &[record.sd_jwt().text()]).expect("the record listed");

    let second = second_presentation();
    let second = same("record-second-penalty-presented.sd-jwt", second.text());
    let both = [(RecordId([0x11; 16]), presentation()), (RecordId([0x13; 16]), second_presentation())];
    let both = answer_over(&both, asked.digest());
    let verified = message("answer-two-penalties", &both, &issuer_key(), &issuer_entry());
    let first = presentation();
    check(verified.claims(), &[first.text(), &second]);
    check_records(verified.claims(), &[first.text(), &second]).expect("the records listed");
    assert!(verified.claims().check_presentations(&[&second[..], first.text()]).is_err());
    assert!(check_records(verified.claims(), &[&second, first.text()]).is_err());

    // Faulty: the hashes hold, yet the second entry lists the number of the first record.
    let debtor = debtor_record().present(&|_| false);
    let two = answer(&[presentation(), debtor.clone()], asked.digest());
    let verified = message("answer-two-records", &two, &issuer_key(), &issuer_entry());
    check(verified.claims(), &[presentation().text(), debtor.text()]);
    assert!(verified.claims().check_presentations(&[debtor.text(), presentation().text()]).is_err());
    assert!(verified.claims().check_presentations(&[debtor.text()]).is_err());
    let AnswerOutcome::Answered { records, .. } = &verified.claims().outcome else { panic!("answered") };
    records[0].check_record(&read_record(presentation().text())).expect("the first is right");
    records[1].check_record(&read_record(debtor.text())).expect_err("another record than the one listed");

    let none = message("answer-nothing-held", &answer(&[], asked.digest()), &issuer_key(), &issuer_entry());
    check(none.claims(), &[]);
    let refused = message("answer-refused", &refusal(asked.digest()), &issuer_key(), &issuer_entry());
    check(refused.claims(), &[]);
    message("certificate", &certificate(verified.digest()), &asker_key(), &asker_entry());
    let by_name = CertificateClaims {
        subject_name: Some("示例建设有限公司".to_owned()),
        legal_basis: Some("《示例条例》第十八条".parse().expect("basis")),
        ..certificate(verified.digest())
    };
    message("certificate-by-name", &by_name, &asker_key(), &asker_entry());

    let authorisation = SubjectAuthorisation {
        reference: "授权书〔2026〕15号".parse().expect("reference"),
        document: Some(Sha256::of(b"the scan of the written authorisation")),
    };
    let authorised = RequestClaims { authorisation: Some(authorisation.clone()), ..request() };
    let asked = message("request-authorised", &authorised, &asker_key(), &asker_entry());
    asked.claims().check(&ISSUER.parse().expect("agency"), NOW).expect("request");
    let by_code = RequestClaims {
        subject: SubjectId::parse("10774368-0").expect("subject"),
        subject_name: None,
        ..request()
    };
    let asked = message("request-organisation-code", &by_code, &asker_key(), &asker_entry());
    asked.claims().check(&ISSUER.parse().expect("agency"), NOW).expect("request");

    // A code whose check is wrong needs the word of the person who asks.
    let exception =
        CheckException { accepted_by: "clerk-1".to_owned(), reason: "证照原件如此印制".to_owned() };
    let printed = SubjectId::accept("913101150607311257", &exception).expect("accepted");
    let accepted =
        RequestClaims { subject: printed.clone(), check_exception: Some(exception.clone()), ..request() };
    let asked = message("request-accepted-code", &accepted, &asker_key(), &asker_entry());
    let issuer = ISSUER.parse().expect("agency");
    asked.claims().check(&issuer, NOW).expect("request");
    for check_exception in [None, Some(CheckException { reason: " ".to_owned(), ..exception.clone() })] {
        RequestClaims { check_exception, ..accepted.clone() }.check(&issuer, NOW).expect_err("nobody's word");
    }
    let accepted = CertificateClaims {
        subject: printed,
        check_exception: Some(exception),
        ..certificate(verified.digest())
    };
    message("certificate-accepted-code", &accepted, &asker_key(), &asker_entry());

    let authorised =
        CertificateClaims { authorisation: Some(authorisation), ..certificate(verified.digest()) };
    message("certificate-authorised", &authorised, &asker_key(), &asker_entry());

    let released_by =
        Some(OperatorReference { account: "li".parse().expect("account"), role: Role::Reviewer });
    let released = RequestClaims { released_by: released_by.clone(), ..request() };
    let asked = message("request-released", &released, &asker_key(), &asker_entry());
    asked.claims().check(&ISSUER.parse().expect("agency"), NOW).expect("request");
    let released = CertificateClaims { released_by, ..certificate(verified.digest()) };
    message("certificate-released", &released, &asker_key(), &asker_entry());
}

#[test]
fn a_notice_sealed_delivered_and_acknowledged() {
    let notice = message("notice", &notice(), &issuer_key(), &issuer_entry());
    notice.claims().check(&ASKER.parse().expect("agency"), NOW.plus(2)).expect("notice");
    let signed = jws_sign(NoticeClaims::TYP, notice.claims(), &issuer_key()).expect("signs");

    // Sealing is random by design, so only reading is compared.
    let inner = sealed_notice(signed.clone());
    let plaintext = wire::encode(&inner).expect("encodes");
    let recipients = asker_entry().seal_recipients().expect("recipients");
    let sealed = example("notice.age", || seal::seal(&plaintext, &recipients).expect("seals"));
    for byte in [20, 21] {
        let opened = seal::open(&sealed, &identity(byte), SEALED_LIMIT).expect("opens");
        assert_eq!(opened[..], plaintext[..], "the wire form of a sealed notice has changed");
        assert_eq!(wire::decode::<SealedNotice>(&opened).expect("decodes"), inner);
    }
    assert!(seal::open(&sealed, &identity(10), SEALED_LIMIT).is_err(), "not for the issuer");

    let mut by_code = crate::fixture::messages::notice();
    by_code.notice.subject = SubjectId::parse("10774368-0").expect("subject");
    by_code.content = by_code.notice.digest();
    message("notice-organisation-code", &by_code, &issuer_key(), &issuer_entry());

    let item = message("item", &item(Sha256::of(&sealed)), &issuer_key(), &issuer_entry());
    item.claims().check_follows(0, Sha256([0; 32])).expect("first item");
    message("receipt", &receipt(item.digest()), &asker_key(), &asker_entry());
}

/// An example that no test reads proves nothing.
#[test]
fn every_example_is_read_by_a_test() {
    let source = include_str!("examples.rs");
    for entry in std::fs::read_dir(path("")).expect("folder") {
        let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".jws").or(name.strip_suffix(".json")).unwrap_or(&name);
        assert!(name == "README.md" || source.contains(&format!("\"{stem}")), "{name}");
    }
}

/// One example of each kind of message says its own `typ`.
#[test]
fn every_kind_of_message_has_an_example() {
    fn typ<T: SignedMessage>(name: &str) {
        let text = std::fs::read_to_string(path(name)).expect(name);
        message_parse::<T>(&text, JWS_LIMIT).expect(name);
    }
    typ::<AnswerClaims>("answer-one-record.jws");
    typ::<CertificateClaims>("certificate.jws");
    typ::<ItemClaims>("item.jws");
    typ::<NoticeClaims>("notice.jws");
    typ::<ReceiptClaims>("receipt.jws");
    typ::<RequestClaims>("request.jws");
}
