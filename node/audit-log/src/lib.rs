//! The tamper-evident log: C2SP tiles, checkpoints, proofs and the offline verifier.
//!
//! The formats ([`merkle`], [`note`], [`checkpoint`], [`tile`], [`proof`], [`cosignature`], [`policy`]) do no input or
//! output. [`log`] is the one writer with its files; [`verify`] believes nothing but a public key.

mod bodies;
pub mod body;
pub mod checkpoint;
pub mod cosignature;
mod disk;
pub mod entry;
pub mod error;
mod folder;
mod journal;
pub mod log;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
mod tree;
pub mod verify;

pub use bodies::{BodyKey, BodyKeys, Random};
pub use body::Body;
pub use entry::{Actor, Disclosed, Entry, EntryIndex, EntryKind, Leaf, LoggedEntry, Outcome};
pub use error::LogError;
pub use log::{AuditLog, Direction, Filter, LogHealth, LogOptions, SearchPage};
pub use verify::{VerifyReport, verify_folder};
