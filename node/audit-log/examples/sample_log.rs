//! Writes a log of 700 entries with a cosigned checkpoint into an empty folder, for other people's verifiers.
//!
//! `cargo run -p chengxin-audit-log --example sample_log -- FOLDER`; `tests/strangers/with_aics_tlog.py verify FOLDER` then
//! checks it with PyPI `aics-tlog`.

#![allow(clippy::expect_used, reason = "a tool for tests")]

use std::path::PathBuf;

use chengxin_audit_log::cosignature::cosignature_sign;
use chengxin_audit_log::note::{KeyKind, NoteVerifier, UnverifiedNote, note_write};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::time::UnixTime;
use zeroize::Zeroizing;

#[path = "../tests/audit_log/common.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod common;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("give an empty folder"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("runtime");
    runtime.block_on(common::log_make(&folder, 700));
    let note = std::fs::read(folder.join("checkpoint")).expect("reads");
    let note = UnverifiedNote::parse(&note).expect("note");
    let witness = SigningKey::from_seed(&Zeroizing::new([3; 32])).expect("key");
    let name = "witness.example".parse().expect("name");
    let line = cosignature_sign(note.text(), &name, &witness, UnixTime(1_795_334_400)).expect("signs");
    let cosigned = note_write(note.text(), &[note.signatures(), &[line]].concat());
    std::fs::write(folder.join("checkpoint"), cosigned).expect("writes");
    let keys = format!(
        "{}\n{}\n",
        common::verifier(),
        NoteVerifier::new(name, KeyKind::CosignatureV1, *witness.public())
    );
    std::fs::write(folder.join("vkeys"), keys).expect("writes");
}
