//! A log with fixed keys, and entries to put into it.

use std::path::Path;
use std::time::Duration;

use chengxin_audit_log::note::{KeyKind, KeyName, NoteVerifier};
use chengxin_audit_log::{
    Actor, AuditLog, Body, BodyKey, BodyKeys, Entry, EntryKind, LogOptions, Outcome, Random,
};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::subject::SubjectId;
use chengxin_schemas::time::UnixTime;
use zeroize::Zeroizing;

pub(crate) fn origin() -> KeyName {
    "audit.example/test".parse().expect("name")
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&Zeroizing::new([1; 32])).expect("key")
}

pub(crate) fn verifier() -> NoteVerifier {
    NoteVerifier::new(origin(), KeyKind::Ed25519, *signing_key().public())
}

pub(crate) fn body_keys() -> BodyKeys {
    BodyKeys { current: BodyKey::new(&Zeroizing::new([9; 32])), older: Vec::new() }
}

fn random() -> Random {
    let mut counter = u64::from(std::process::id()) << 32;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            chunk.copy_from_slice(&Sha256::of(&counter.to_be_bytes()).0[..chunk.len()]);
        }
    })
}

pub(crate) fn options(checkpoint_interval: Duration) -> LogOptions {
    LogOptions {
        origin: origin(),
        keys: vec![signing_key()],
        body_keys: body_keys(),
        random: random(),
        checkpoint_interval,
    }
}

pub(crate) fn entry(time: i64) -> Entry {
    Entry {
        time: UnixTime(time),
        kind: EntryKind::CheckRequested,
        actor: Actor {
            agency: "11152105011615449P".parse().expect("agency"),
            account: "wang-1".parse().ok(),
            role: Some(chengxin_schemas::operator::Role::Clerk),
        },
        peer: None,
        purpose: "government-procurement".parse().ok(),
        subject: None,
        subject_name: None,
        outcome: Outcome::Allowed,
        rule: Some("clerk-procurement".to_owned()),
        policy: Some("baseline/1".to_owned()),
        request: Some(Sha256::of(&time.to_be_bytes())),
        result: None,
        disclosed: Vec::new(),
    }
}

pub(crate) fn body() -> Body {
    Body {
        subject: SubjectId::parse("91320100748204660Q").ok(),
        case_reference: "CG-2026-031".parse().ok(),
        ..Body::default()
    }
}

/// A closed log of `count` entries.
pub(crate) async fn log_make(folder: &Path, count: i64) {
    let log =
        std::sync::Arc::new(AuditLog::create(folder, options(Duration::from_secs(3_600))).expect("creates"));
    let tasks: Vec<_> = (0..count)
        .map(|time| {
            let log = std::sync::Arc::clone(&log);
            tokio::spawn(async move { log.append(entry(time), body()).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("task").expect("appends");
    }
    std::sync::Arc::into_inner(log).expect("the last holder").close().expect("closes");
}
