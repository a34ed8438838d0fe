//! What is sealed opens, for its recipients, in the one form the specification knows.

use super::*;

fn identity(byte: u8) -> SealIdentity {
    SealIdentity::from_seed(&Zeroizing::new([byte; 32])).expect("identity")
}

const LIMIT: usize = 1 << 20;

#[test]
fn each_recipient_opens_and_nobody_else() {
    let sealed = seal(b"notice", &[identity(1).to_recipient(), identity(2).to_recipient()]).expect("seals");
    for byte in [1, 2] {
        assert_eq!(&open(&sealed, &identity(byte), LIMIT).expect("opens")[..], b"notice");
    }
    let error = open(&sealed, &identity(3), LIMIT).expect_err("another key");
    assert_eq!(error.to_string(), "age: not sealed to this key");
    assert!(open(&sealed, &identity(1), sealed.len() - 1).is_err());
}

#[test]
fn one_to_four_recipients() {
    let recipients: Vec<_> = (1..=5).map(|byte| identity(byte).to_recipient()).collect();
    assert!(seal(b"", &[]).is_err());
    assert!(seal(b"", &recipients).is_err());
    let sealed = seal(b"", &recipients[..4]).expect("seals");
    assert!(open(&sealed, &identity(4), LIMIT).expect("opens").is_empty());
}

#[test]
fn keys_have_one_text_and_debug_shows_no_secret() {
    let key = identity(1);
    let text = key.to_text();
    assert!(text.starts_with("AGE-SECRET-KEY-1"));
    assert_eq!(SealIdentity::parse(&text).expect("own text").to_recipient(), key.to_recipient());
    assert!(!format!("{key:?}").contains("SECRET"));
    let recipient = key.to_recipient().to_string();
    assert_eq!(recipient.parse::<SealRecipient>().expect("own text"), key.to_recipient());
    for bad in ["", "age1", &recipient.to_uppercase(), &recipient[..61], &text, "ssh-ed25519 AAAA"] {
        assert!(bad.parse::<SealRecipient>().is_err(), "{bad}");
    }
    let error = SealIdentity::parse(&text[..70]).expect_err("cut").to_string();
    assert!(!error.contains(&text[20..40]), "{error}");
}

#[test]
fn points_of_small_order_are_no_recipients() {
    let prefix = bech32::Hrp::parse("age").expect("prefix");
    let mut one = [0_u8; 32];
    one[0] = 1;
    let mut minus_one = [0xff_u8; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    for point in [[0; 32], one, minus_one] {
        let text = bech32::encode::<bech32::Bech32>(prefix, &point).expect("encodes");
        let error = text.parse::<SealRecipient>().expect_err("small order").to_string();
        assert!(error.contains("small order"), "{error}");
    }
}

#[test]
fn lengths_fall_into_few_classes() {
    // The examples of the paper's table, and its bound.
    for (length, padded) in [(0, 0), (1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (10_000, 10_240)] {
        assert_eq!(padme(length), padded, "{length}");
    }
    let mut classes: Vec<usize> = (1000..9000).map(padme).collect();
    assert!((1000..9000).all(|length| padme(length) >= length && padme(length) * 100 <= length * 112));
    classes.dedup();
    assert!(classes.len() < 60, "{}", classes.len());
}

#[test]
fn only_the_one_padding_is_accepted() {
    let good = frame(&[7; 101]).expect("frames");
    assert_eq!(&unframe(good.clone()).expect("own frame")[..], [7; 101]);
    let spoil = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut framed = good.clone();
        change(&mut framed);
        unframe(framed)
    };
    assert!(spoil(&|framed| framed.push(0)).is_err());
    assert!(spoil(&|framed| framed.truncate(framed.len() - 1)).is_err());
    assert!(spoil(&|framed| *framed.last_mut().expect("padding") = 1).is_err());
    assert!(spoil(&|framed| framed[0] = 0xff).is_err());
    assert!(unframe(Zeroizing::new(vec![0; 3])).is_err());
}

#[test]
fn any_changed_or_missing_byte_is_refused() {
    let sealed = seal(b"notice", &[identity(1).to_recipient()]).expect("seals");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(open(&changed, &identity(1), LIMIT).is_err(), "byte {place}");
        assert!(open(&sealed[..place], &identity(1), LIMIT).is_err(), "cut at {place}");
    }
    assert!(open(&[&sealed[..], b"x"].concat(), &identity(1), LIMIT).is_err());
}

#[test]
fn a_header_with_many_stanzas_is_refused_before_any_is_tried() {
    let stanza = format!("-> X25519 {}\n{}\n", "A".repeat(43), "A".repeat(43));
    let mac = format!("--- {}\n", "A".repeat(43));
    let file = |count: usize| format!("age-encryption.org/v1\n{}{mac}", stanza.repeat(count)).into_bytes();
    assert!(header::check(&file(8)).is_ok());
    assert!(header::check(&file(9)).is_err());
    assert!(header::check(&file(0)).is_err());
    let endless = format!("age-encryption.org/v1\n-> x\n{}", "A".repeat(64).to_string() + "\n").repeat(1);
    assert!(header::check(&[endless.as_bytes(), "A".repeat(1 << 20).as_bytes()].concat()).is_err());
}

/// The published vectors of the specification (C2SP CCTV), which the age library ships with its source. Armored files
/// are left out, and files for a passphrase must not open, because neither is used here; every other vector must come
/// out as stated, the two that the library itself accepts wrongly included.
#[test]
fn published_vectors_come_out_as_stated() {
    let folder = vectors_folder();
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for entry in std::fs::read_dir(&folder).expect("folder of vectors") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let vector = Vector::parse(&std::fs::read(&path).expect("vector"));
        if vector.armored {
            continue;
        }
        *counts.entry(vector.expect.clone()).or_default() += 1;
        let opened = vector
            .identities
            .iter()
            .map(|text| SealIdentity::parse(text))
            .filter_map(Result::ok)
            .find_map(|identity| age_open(&vector.file, &identity, usize::MAX).ok());
        let passphrase = vector.identities.is_empty();
        match (vector.expect.as_str(), opened) {
            ("success", Some(plaintext)) => {
                assert_eq!(
                    crate::digest::hex_encode(&crate::digest::Sha256::of(&plaintext).0),
                    vector.payload,
                    "{name}"
                );
            }
            ("success", None) => assert!(passphrase, "{name} does not open"),
            (_, Some(_)) => panic!("{name} opens, but is a {}", vector.expect),
            (_, None) => {}
        }
    }
    assert!(counts.get("success").is_some_and(|count| *count >= 10), "{counts:?}");
    assert!(counts.get("header failure").is_some_and(|count| *count >= 40), "{counts:?}");
    assert!(counts.get("payload failure").is_some_and(|count| *count >= 15), "{counts:?}");
}

/// Where cargo unpacked the source of the age library that this crate is built with.
fn vectors_folder() -> std::path::PathBuf {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from).unwrap_or_else(|| {
        std::path::PathBuf::from(std::env::var_os("HOME").expect("HOME or CARGO_HOME")).join(".cargo")
    });
    let lock =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).expect("lock file");
    let (_, after) = lock.split_once("name = \"age\"\nversion = \"").expect("age is a dependency");
    let version = after.split('"').next().expect("version");
    std::fs::read_dir(home.join("registry/src"))
        .expect("sources of the registry")
        .map(|registry| registry.expect("entry").path().join(format!("age-{version}/tests/testdata/testkit")))
        .find(|folder| folder.is_dir())
        .expect("the unpacked source of the age library with its test vectors")
}

struct Vector {
    expect: String,
    payload: String,
    identities: Vec<String>,
    armored: bool,
    file: Vec<u8>,
}

impl Vector {
    /// `name: value` lines, an empty line, the file.
    fn parse(bytes: &[u8]) -> Self {
        let split = bytes.windows(2).position(|pair| pair == b"\n\n").expect("empty line");
        let lines = std::str::from_utf8(&bytes[..split]).expect("text");
        let all = |name: &str| -> Vec<String> {
            lines
                .lines()
                .filter_map(|line| line.split_once(": ").filter(|(key, _)| *key == name))
                .map(|(_, value)| value.to_owned())
                .collect()
        };
        let one = |name: &str| all(name).pop().unwrap_or_default();
        let mut file = bytes[split + 2..].to_vec();
        if one("compressed") == "zlib" {
            let mut plain = Vec::new();
            flate2::read::ZlibDecoder::new(&file[..]).read_to_end(&mut plain).expect("zlib");
            file = plain;
        }
        Self {
            expect: one("expect"),
            payload: one("payload"),
            identities: all("identity"),
            armored: one("armored") == "yes",
            file,
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(512))]

    #[test]
    fn what_is_sealed_opens(plaintext in proptest::collection::vec(proptest::num::u8::ANY, 0..3000)) {
        let sealed = seal(&plaintext, &[identity(1).to_recipient()]).expect("seals");
        proptest::prop_assert_eq!(&open(&sealed, &identity(1), LIMIT).expect("opens")[..], &plaintext[..]);
    }

    #[test]
    fn any_bytes_open_or_err_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = open(&bytes, &identity(1), LIMIT);
        let _ = unframe(Zeroizing::new(bytes.clone()));
        let _ = open(&[b"age-encryption.org/v1\n-> X25519 ".as_slice(), &bytes].concat(), &identity(1), LIMIT);
    }
}
