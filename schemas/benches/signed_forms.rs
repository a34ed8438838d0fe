//! How many records, requests and seals a core makes and reads a second, beside the bare signature in the same run:
//! `cargo bench -p chengxin-schemas`. The ratio is what travels between machines.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run has nothing to say")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws, jws_sign};
use chengxin_schemas::request::{REQUEST_TYP, RequestClaims};
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, record_issue};
use chengxin_schemas::seal;

use fixture::messages::{identity, presentation, request};

const ROUNDS: usize = 9;

/// Operations a second: median, lowest and highest of the rounds.
struct Rate {
    median: f64,
    lowest: f64,
    highest: f64,
}

fn rate(count: usize, mut operation: impl FnMut()) -> Rate {
    for _ in 0..count / 10 {
        operation();
    }
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..count {
                operation();
            }
            count as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    Rate { median: rates[ROUNDS / 2], lowest: rates[0], highest: rates[ROUNDS - 1] }
}

fn print(what: &str, rate: &Rate, limit: Option<&Rate>) {
    let ratio = limit.map_or(String::new(), |limit| format!("{:>6.1} %", 100.0 * rate.median / limit.median));
    println!("{what:<58} {:>9.0}/s  ({:.0}..{:.0}) {ratio}", rate.median, rate.lowest, rate.highest);
}

fn main() {
    let key = fixture::issuer_key();
    let draft = fixture::draft();
    let claims = fixture::claims(&draft, &key);
    let record = fixture::record();
    let signed = record.text().split('~').next().and_then(|jwt| jwt.rsplit_once('.')).expect("jwt").0;
    println!(
        "record: {} bytes complete, {} of them signed, {} disclosures; one core; median (lowest..highest) of {ROUNDS}",
        record.text().len(),
        signed.len(),
        record.disclosable().count()
    );

    let sign = rate(2000, || drop(black_box(key.sign(black_box(signed.as_bytes())))));
    print("Ed25519 sign, the same bytes", &sign, None);
    let random = SystemRandom::new();
    let issue = rate(2000, || {
        let mut salt = |salt: &mut [u8; 16]| random.fill(salt).expect("random");
        drop(black_box(record_issue(&draft, claims.clone(), &key, &fixture::is_public, &mut salt)));
    });
    print("record_issue, salts from the operating system", &issue, Some(&sign));
    let mut counting = fixture::counting_salt();
    let issue = rate(2000, || {
        drop(black_box(record_issue(&draft, claims.clone(), &key, &fixture::is_public, &mut counting)));
    });
    print("record_issue, salts for nothing", &issue, Some(&sign));

    let signature = key.sign(signed.as_bytes());
    let verify = rate(2000, || {
        black_box(key.public().verify(black_box(signed.as_bytes()), &signature)).expect("verifies");
    });
    print("Ed25519 verify, the same bytes", &verify, None);
    let parse_verify = |text: &str| {
        black_box(SdJwt::parse(black_box(text), SD_JWT_LIMIT).expect("parses").verify(key.public()))
            .expect("verifies")
    };
    let complete = rate(2000, || drop(parse_verify(record.text())));
    print("record parse and verify, every field disclosed", &complete, Some(&verify));
    let shown = presentation();
    let presented = rate(2000, || drop(parse_verify(shown.text())));
    print("record parse and verify, four fields disclosed", &presented, Some(&verify));
    let stored = rate(5000, || {
        let parsed = SdJwt::parse(black_box(record.text()), SD_JWT_LIMIT).expect("parses");
        drop(black_box(parsed.accept_stored()));
    });
    print("record read from the own store (no signature)", &stored, Some(&verify));
    let present = rate(50_000, || drop(black_box(record.present(&|name| name == "fine"))));
    print("present", &present, Some(&sign));

    let asked = request();
    let request_text = jws_sign(REQUEST_TYP, &asked, &key).expect("signs");
    let request_sign = rate(2000, || drop(black_box(jws_sign(REQUEST_TYP, &asked, &key))));
    print("request sign", &request_sign, Some(&sign));
    let request_verify = rate(2000, || {
        let jws = UnverifiedJws::parse(&request_text, REQUEST_TYP, JWS_LIMIT).expect("parses");
        drop(black_box(jws.verify::<RequestClaims>(key.public())).expect("verifies"));
    });
    print("request parse and verify", &request_verify, Some(&verify));

    let recipients = [identity(1).to_recipient(), identity(2).to_recipient()];
    let text = record.text().as_bytes();
    let sealing = rate(500, || drop(black_box(seal::seal(text, &recipients)).expect("seals")));
    print("seal to two recipients", &sealing, None);
    let sealed = seal::seal(text, &recipients).expect("seals");
    let opener = identity(2);
    let opening = rate(500, || drop(black_box(seal::open(&sealed, &opener, 1 << 20)).expect("opens")));
    print("open, second recipient", &opening, None);
}
