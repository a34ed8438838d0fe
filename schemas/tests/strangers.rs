//! Software that is not ours verifies what we sign, and we verify what it signs: Python's sd-jwt, jwcrypto and
//! jsonschema, Node's @sd-jwt/core and jose, the age command. `integration-tests/interop/install` puts them in place; without them these
//! tests fail and say so.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod fixture;
#[path = "strangers/messages.rs"]
mod messages;
#[path = "strangers/records.rs"]
mod records;
#[path = "strangers/schemas.rs"]
mod schemas;
#[path = "strangers/sealing.rs"]
mod sealing;
#[path = "strangers/tools.rs"]
mod tools;
