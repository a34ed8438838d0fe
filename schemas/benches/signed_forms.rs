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
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, record_issue, salt_blocks};
use chengxin_schemas::seal;

use fixture::messages::{identity, presentation, request};

const ROUNDS: usize = 15;

/// Something to measure: its name, how often a round does it, the operation, and the name of what to set it against.
struct Measured<'a> {
    name: &'static str,
    count: usize,
    operation: Box<dyn FnMut() + 'a>,
    limit: &'static str,
    /// Operations a second of each round.
    rates: Vec<f64>,
}

/// Time this thread has been running, which other programs on the machine do not lengthen; wall time where the system
/// does not tell.
fn thread_seconds(start: Instant) -> f64 {
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()))
        .map_or_else(|| start.elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

/// Measures in turns, so that what disturbs the machine for a while disturbs all alike.
fn measure(measured: &mut [Measured<'_>]) {
    let start = Instant::now();
    for round in 0..=ROUNDS {
        for item in measured.iter_mut() {
            let before = thread_seconds(start);
            for _ in 0..item.count {
                (item.operation)();
            }
            let seconds = thread_seconds(start) - before;
            // The first round warms up.
            if round > 0 {
                item.rates.push(item.count as f64 / seconds);
            }
        }
    }
    for item in measured.iter_mut() {
        item.rates.sort_unstable_by(f64::total_cmp);
    }
}

fn print(measured: &[Measured<'_>]) {
    let median = |item: &Measured<'_>| item.rates[ROUNDS / 2];
    for item in measured {
        let limit =
            measured.iter().find(|other| other.name == item.limit).filter(|_| item.limit != item.name);
        let ratio = limit.map_or(String::new(), |limit| {
            format!("{:>8.1} % of {}", 100.0 * median(item) / median(limit), limit.name)
        });
        println!(
            "{:<46} {:>9.0}/s ({:.0}..{:.0}){ratio}",
            item.name,
            median(item),
            item.rates[0],
            item.rates[ROUNDS - 1]
        );
    }
}

const SIGN: &str = "Ed25519 sign, the record's bytes";
const VERIFY: &str = "Ed25519 verify, the record's bytes";
const SEAL: &str = "seal a record to two recipients";

fn main() {
    let key = fixture::issuer_key();
    let draft = fixture::draft();
    let claims = fixture::claims(&draft, &key);
    let record = fixture::record();
    let signed = record.text().split('~').next().and_then(|jwt| jwt.rsplit_once('.')).expect("jwt").0;
    println!(
        "record: {} bytes complete, {} of them signed, {} disclosures; one thread, processor time; median (lowest..highest) of {ROUNDS}",
        record.text().len(),
        signed.len(),
        record.disclosable().count()
    );

    let signature = key.sign(signed.as_bytes());
    let shown = presentation();
    let random = SystemRandom::new();
    let mut blocks = salt_blocks(|block| random.fill(block).expect("random"));
    let asked = request();
    let request_text = jws_sign(REQUEST_TYP, &asked, &key).expect("signs");
    let recipients = [identity(1).to_recipient(), identity(2).to_recipient()];
    let sealed = seal::seal(record.text().as_bytes(), &recipients).expect("seals");
    let opener = identity(2);
    let parse = |text: &str| SdJwt::parse(black_box(text), SD_JWT_LIMIT).expect("parses");

    let mut measured: Vec<Measured<'_>> = Vec::new();
    let mut add = |name, count, limit, operation| {
        measured.push(Measured { name, count, operation, limit, rates: Vec::new() });
    };
    add(SIGN, 4000, SIGN, Box::new(|| drop(black_box(key.sign(black_box(signed.as_bytes()))))));
    add(
        "record_issue, system salts",
        4000,
        SIGN,
        Box::new(|| {
            let mut salt = |salt: &mut [u8; 16]| random.fill(salt).expect("random");
            drop(black_box(record_issue(&draft, claims.clone(), &key, &fixture::is_public, &mut salt)));
        }) as Box<dyn FnMut()>,
    );
    add(
        "record_issue, system salts in blocks",
        4000,
        SIGN,
        Box::new(|| {
            drop(black_box(record_issue(&draft, claims.clone(), &key, &fixture::is_public, &mut blocks)));
        }),
    );
    add(
        VERIFY,
        4000,
        VERIFY,
        Box::new(|| key.public().verify(black_box(signed.as_bytes()), &signature).expect("verifies")),
    );
    add(
        "record parse + verify, all disclosed",
        4000,
        VERIFY,
        Box::new(|| {
            drop(black_box(parse(record.text()).verify(key.public(), fixture::NOW)).expect("verifies"))
        }),
    );
    add(
        "record parse + verify, 4 disclosed",
        4000,
        VERIFY,
        Box::new(|| {
            drop(black_box(parse(shown.text()).verify(key.public(), fixture::NOW)).expect("verifies"))
        }),
    );
    add(
        "record from the own store, all disclosed",
        4000,
        VERIFY,
        Box::new(|| drop(black_box(SdJwt::stored(record.text())).expect("is stored"))),
    );
    add(
        "present, 1 of 14",
        400_000,
        SIGN,
        Box::new(|| drop(black_box(record.present(&|name| name == "fine")))),
    );
    add("request sign", 4000, SIGN, Box::new(|| drop(black_box(jws_sign(REQUEST_TYP, &asked, &key)))));
    add(
        "request parse + verify",
        4000,
        VERIFY,
        Box::new(|| {
            let jws = UnverifiedJws::parse(&request_text, REQUEST_TYP, JWS_LIMIT).expect("parses");
            drop(black_box(jws.verify::<RequestClaims>(key.public())).expect("verifies"));
        }),
    );
    add(
        SEAL,
        1000,
        SEAL,
        Box::new(|| drop(black_box(seal::seal(record.text().as_bytes(), &recipients)).expect("seals"))),
    );
    add(
        "open, second recipient",
        1000,
        SEAL,
        Box::new(|| drop(black_box(seal::open(&sealed, &opener, 1 << 20)).expect("opens"))),
    );
    measure(&mut measured);
    print(&measured);
}
