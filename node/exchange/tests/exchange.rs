//! The use cases between real nodes: real stores, logs, metadata and policy; only the network is replaced, by a mesh
//! in memory that can be told to lie.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "exchange/accepted_code.rs"]
mod accepted_code;
#[path = "exchange/certificate.rs"]
mod certificate;
#[path = "exchange/check.rs"]
mod check;
#[path = "exchange/hooked.rs"]
mod hooked;
#[path = "exchange/import.rs"]
mod import;
#[path = "exchange/import_file.rs"]
mod import_file;
#[path = "exchange/import_index.rs"]
mod import_index;
#[path = "exchange/journal.rs"]
mod journal;
#[path = "exchange/notice.rs"]
mod notice;
#[path = "exchange/operator.rs"]
mod operator;
#[path = "exchange/organisation_code.rs"]
mod organisation_code;
#[path = "exchange/overlay.rs"]
mod overlay;
#[path = "exchange/person.rs"]
mod person;
#[path = "exchange/policy.rs"]
mod policy;
#[path = "exchange/policy_exchanged.rs"]
mod policy_exchanged;
#[path = "exchange/record.rs"]
mod record;
#[path = "exchange/streams.rs"]
mod streams;
#[path = "exchange/support.rs"]
mod support;
