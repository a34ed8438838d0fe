//! The audit log from outside: strangers' programs verify it, and killing its process loses nothing acknowledged.

#![allow(clippy::expect_used, clippy::panic, reason = "a failure here is the finding")]

#[path = "audit_log/common.rs"]
mod common;
#[path = "audit_log/kill.rs"]
mod kill;
#[path = "audit_log/strangers.rs"]
mod strangers;
