//! Tests of the log: what it keeps, what it refuses, and what it survives.

mod faults;
mod power_cut;
mod use_cases;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::key::SigningKey;
use zeroize::Zeroizing;

use super::{AuditLog, LogOptions};
use crate::bodies::{BodyKey, BodyKeys, Random};
use crate::note::{KeyKind, KeyName, NoteVerifier};

/// A stream of bytes that looks random and is the same in every run.
pub(crate) fn random(seed: u64) -> Random {
    let mut counter = 0_u64;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            let block = Sha256::of_parts(&[&seed.to_be_bytes(), &counter.to_be_bytes()]);
            chunk.copy_from_slice(&block.0[..chunk.len()]);
        }
    })
}

pub(crate) fn signing_key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([byte; 32])).expect("key")
}

pub(crate) fn origin() -> KeyName {
    "audit.example/test".parse().expect("name")
}

pub(crate) fn body_keys() -> BodyKeys {
    BodyKeys { current: BodyKey::new(&Zeroizing::new([9; 32])), older: Vec::new() }
}

/// Checkpoints come only when asked for: the interval is longer than any test.
pub(crate) fn options() -> LogOptions {
    LogOptions {
        origin: origin(),
        keys: vec![signing_key(1)],
        body_keys: body_keys(),
        random: random(1),
        checkpoint_interval: Duration::from_secs(3_600),
    }
}

pub(crate) fn verifier() -> NoteVerifier {
    NoteVerifier::new(origin(), KeyKind::Ed25519, *signing_key(1).public())
}

pub(crate) fn create(folder: &Path) -> Arc<AuditLog> {
    Arc::new(AuditLog::create(folder, options()).expect("creates"))
}

pub(crate) fn open(folder: &Path) -> Arc<AuditLog> {
    Arc::new(AuditLog::open(folder, options()).expect("opens"))
}

/// Closes, which publishes the last checkpoint.
pub(crate) fn close(log: Arc<AuditLog>) {
    Arc::into_inner(log).expect("the last holder").close().expect("closes");
}

pub(super) fn folder_copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("lists") {
        let path = entry.expect("entry").path();
        let target = to.join(path.file_name().expect("name"));
        if path.is_dir() {
            folder_copy(&path, &target);
        } else {
            std::fs::copy(&path, target).expect("copies");
        }
    }
}
