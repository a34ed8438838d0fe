//! The use cases, one file per noun: what a public body does with its node.
//!
//! Nothing here opens a socket or a file, reads a clock or draws randomness: the store, the audit log, the peers,
//! the clock and the source of randomness are handed in ([`node::Parts`]). Every use case that an operator starts
//! takes an [`operation::Operation`], and every one that discloses or changes something appends to the audit log
//! before it does so.

pub mod adoption_status;
pub mod answer;
mod answer_verify;
mod asking;
pub mod audit;
pub mod backlog;
pub mod budget;
pub mod certificate;
mod certificate_verify;
pub mod check;
pub mod clock_doubt;
mod daily_limit;
pub mod delivery;
mod divergence;
pub mod error;
mod held;
pub mod import;
mod import_batch;
pub mod import_errors;
mod import_index;
mod import_lock;
mod import_rollback;
mod keyspace;
pub mod node;
pub mod notice;
pub mod operation;
pub mod operator;
pub mod outbox;
pub mod peers;
pub mod policy_adoption;
pub mod policy_plan;
pub mod policy_publication;
pub mod policy_schedule;
pub mod policy_simulation;
pub mod policy_simulation_peers;
pub mod policy_start;
pub mod presentation;
pub mod readable;
mod receive;
pub mod recognition;
pub mod record;
mod record_index;
pub mod refusal;
pub mod release;
pub mod replay;
pub mod restriction;
mod row;
mod row_v1;
mod row_v2;
pub mod schedule;
pub mod status;

pub use error::ExchangeError;
pub use node::{Node, Parts};

// What the tests of the whole crate stand on serves tests of its parts as well.
#[cfg(test)]
extern crate self as chengxin_exchange;
#[cfg(test)]
#[allow(dead_code, reason = "the tests of the whole crate use the rest")]
#[path = "../tests/exchange/hooked.rs"]
mod hooked;
#[cfg(test)]
#[allow(dead_code, reason = "the tests of the whole crate use the rest")]
#[path = "../tests/exchange/support.rs"]
mod support;
