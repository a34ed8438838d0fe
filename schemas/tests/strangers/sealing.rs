//! Sealed files and the age command, both ways.

use std::path::PathBuf;
use std::process::Command;

use chengxin_schemas::seal::{SealIdentity, open, seal};

use crate::fixture::messages::identity;
use crate::tools::{run, try_run};

const LIMIT: usize = 1 << 20;

/// A key file; the age command reads keys from files only.
fn key_file(name: &str, identity: &SealIdentity) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.txt", std::process::id()));
    std::fs::write(&path, identity.to_text().as_bytes()).expect("key file");
    path
}

fn age(arguments: &[&str]) -> Command {
    let mut command = Command::new("age");
    command.args(arguments);
    command
}

#[test]
fn the_age_command_opens_what_we_seal() {
    let node = key_file("node", &identity(1));
    let recovery = key_file("recovery", &identity(2));
    let other = key_file("other", &identity(3));
    let text = "通知".repeat(40_000);
    let sealed =
        seal(text.as_bytes(), &[identity(1).to_recipient(), identity(2).to_recipient()]).expect("seals");
    for key in [&node, &recovery] {
        let framed = run(&mut age(&["-d", "-i", &key.to_string_lossy()]), &sealed);
        let (length, rest) = framed.split_at(4);
        assert_eq!(length, (text.len() as u32).to_be_bytes());
        let (inner, padding) = rest.split_at(text.len());
        assert_eq!(inner, text.as_bytes());
        assert!(!padding.is_empty() && padding.iter().all(|byte| *byte == 0));
    }
    assert!(!try_run(&mut age(&["-d", "-i", &other.to_string_lossy()]), &sealed).status.success());
    for place in [30, 120, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        let refused = try_run(&mut age(&["-d", "-i", &node.to_string_lossy()]), &changed);
        assert!(!refused.status.success(), "byte {place}");
        assert!(open(&changed, &identity(1), LIMIT).is_err(), "byte {place}");
    }
    for path in [node, recovery, other] {
        std::fs::remove_file(path).expect("removes");
    }
}

#[test]
fn we_open_what_the_age_command_seals() {
    // 4 + 100 bytes are a Padmé length as they are.
    let text = [b'x'; 100];
    let framed = [&100_u32.to_be_bytes()[..], &text].concat();
    let (node, recovery) = (identity(1).to_recipient().to_string(), identity(2).to_recipient().to_string());
    let sealed = run(&mut age(&["-r", &node, "-r", &recovery]), &framed);
    for byte in [1, 2] {
        assert_eq!(open(&sealed, &identity(byte), LIMIT).expect("opens")[..], text);
    }
    assert!(open(&sealed, &identity(3), LIMIT).is_err());
    let armored = run(&mut age(&["-a", "-r", &node]), &framed);
    assert!(open(&armored, &identity(1), LIMIT).is_err(), "text armour is not used between nodes");
    let unpadded = run(&mut age(&["-r", &node]), b"without frame");
    assert!(open(&unpadded, &identity(1), LIMIT).is_err(), "not framed");
}

#[test]
fn keys_are_the_age_commands_keys() {
    let file = key_file("ours", &identity(1));
    let recipient = run(Command::new("age-keygen").args(["-y".as_ref(), file.as_os_str()]), b"");
    assert_eq!(String::from_utf8_lossy(&recipient).trim(), identity(1).to_recipient().to_string());
    std::fs::remove_file(file).expect("removes");
    let made = run(&mut Command::new("age-keygen"), b"");
    let made = String::from_utf8(made).expect("text");
    let secret = made.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("secret key");
    let public = made.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("public key");
    assert_eq!(SealIdentity::parse(secret).expect("identity").to_recipient().to_string(), public);
}
