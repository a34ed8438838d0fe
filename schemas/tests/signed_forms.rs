//! Every signed form as outsiders meet it: the golden examples, and forms with bits flipped.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "signed_forms/any_text.rs"]
mod any_text;
#[path = "signed_forms/closed.rs"]
mod closed;
#[path = "signed_forms/examples.rs"]
mod examples;
mod fixture;
#[path = "signed_forms/flips.rs"]
mod flips;
