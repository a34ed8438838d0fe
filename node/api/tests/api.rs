//! The interface over a real socket, before a real node with a real store and log.
#![allow(unreachable_pub, missing_docs, reason = "modules of one test binary")]
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "api/day.rs"]
mod day;
#[path = "api/denials.rs"]
mod denials;
#[path = "api/import_file.rs"]
mod import_file;
#[path = "api/socket.rs"]
mod socket;
#[path = "api/support.rs"]
mod support;
