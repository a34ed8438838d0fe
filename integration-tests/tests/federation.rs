//! Runs the product as its users do: real processes, real sockets, real files; every scenario has its own federation.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by ending"
)]

#[path = "federation/architecture.rs"]
mod architecture;
#[path = "federation/bad_input.rs"]
mod bad_input;
#[path = "federation/crash.rs"]
mod crash;
#[path = "federation/demo.rs"]
mod demo;
#[path = "federation/membership.rs"]
mod membership;
#[path = "federation/overlay.rs"]
mod overlay;
#[path = "federation/policy.rs"]
mod policy;
#[path = "federation/stage.rs"]
mod stage;
#[path = "federation/subjects.rs"]
mod subjects;
#[path = "federation/tampering.rs"]
mod tampering;
