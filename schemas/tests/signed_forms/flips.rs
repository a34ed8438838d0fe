//! Ten thousand random bit flips of each signed form: refused, every one.

use chengxin_schemas::answer::AnswerClaims;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::jws::{JWS_LIMIT, jws_sign};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::keyring::{SignedMessage, message_parse, verify_from};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, answer_sign, key_binding_verify};
use chengxin_schemas::seal;

use crate::fixture::messages::{
    answer, asker_entry, certificate, identity, issuer_entry, item, notice, presentation, receipt, request,
};
use crate::fixture::{NOW, asker_key, issuer_key, record};

const FLIPS: usize = 10_000;

/// A pseudo-random sequence (xorshift64*), so that a failure can be repeated.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// Flips one bit, then two, then three of `good`, and counts what `accepts` takes.
fn flipped(good: &[u8], accepts: &dyn Fn(&[u8]) -> bool) -> usize {
    assert!(accepts(good), "the unchanged form is good");
    let mut sequence = Sequence(0x9e37_79b9_7f4a_7c15);
    (0..FLIPS)
        .filter(|round| {
            let mut bytes = good.to_vec();
            for _ in 0..=round % 3 {
                let place = sequence.below(bytes.len());
                bytes[place] ^= 1 << sequence.below(8);
            }
            bytes != good && accepts(&bytes)
        })
        .count()
}

fn text_flipped(good: &str, accepts: &dyn Fn(&str) -> bool) -> usize {
    flipped(good.as_bytes(), &|bytes| std::str::from_utf8(bytes).is_ok_and(accepts))
}

fn message_flipped<T: SignedMessage + serde::Serialize>(claims: &T, key: &SigningKey) -> usize {
    let text = jws_sign(T::TYP, claims, key).expect("signs");
    let entries = [issuer_entry(), asker_entry()];
    text_flipped(&text, &|text| {
        entries.iter().any(|entry| {
            message_parse::<T>(text, JWS_LIMIT)
                .and_then(|(jws, signer)| verify_from::<T>(jws, entry, signer.iat))
                .is_ok()
        })
    })
}

#[test]
fn no_flipped_message_is_accepted() {
    let digest = Sha256::of(b"");
    assert_eq!(message_flipped(&request(), &asker_key()), 0);
    assert_eq!(message_flipped(&answer(&[presentation()], digest), &issuer_key()), 0);
    assert_eq!(message_flipped(&notice(), &issuer_key()), 0);
    assert_eq!(message_flipped(&item(digest), &issuer_key()), 0);
    assert_eq!(message_flipped(&receipt(digest), &asker_key()), 0);
    assert_eq!(message_flipped(&certificate(digest), &asker_key()), 0);
}

#[test]
fn no_flipped_record_is_accepted() {
    let verifies = |text: &str| {
        SdJwt::parse(text, SD_JWT_LIMIT).and_then(|record| record.verify(issuer_key().public(), NOW)).is_ok()
    };
    assert_eq!(text_flipped(record().text(), &verifies), 0);
    assert_eq!(text_flipped(presentation().text(), &verifies), 0);
    let claims = answer(&[presentation()], Sha256::of(b""));
    let bound = presentation().with_key_binding(&answer_sign(&claims, &issuer_key()).expect("signs"));
    let verifies = |text: &str| {
        key_binding_verify::<AnswerClaims>(text, SD_JWT_LIMIT, issuer_key().public(), NOW).is_ok()
    };
    assert_eq!(text_flipped(&bound, &verifies), 0);
}

#[test]
fn no_flipped_seal_opens() {
    let sealed = seal::seal(record().text().as_bytes(), &[identity(1).to_recipient()]).expect("seals");
    assert_eq!(flipped(&sealed, &|bytes| seal::open(bytes, &identity(1), 1 << 20).is_ok()), 0);
}
