//! The command line as its users meet it: printed pages, exit codes, and commands before a real node.
#![allow(unreachable_pub, missing_docs, reason = "modules of one test binary")]
#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/golden.rs"]
mod golden;
#[path = "cli/manual.rs"]
mod manual;
#[path = "cli/node.rs"]
mod node;
#[path = "cli/runner.rs"]
mod runner;
#[path = "../../api/tests/api/support.rs"]
mod support;
#[path = "cli/usage.rs"]
mod usage;
