//! The federation's trust as coordinator, member, attacker and stranger use it: real folders, real signatures, a fixed
//! clock.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[path = "trust/attacks.rs"]
mod attacks;
#[path = "trust/evidence.rs"]
mod evidence;
#[path = "trust/fixture.rs"]
mod fixture;
#[path = "trust/founding.rs"]
mod founding;
#[path = "trust/interop.rs"]
mod interop;
#[path = "trust/join.rs"]
mod join;
#[path = "trust/life.rs"]
mod life;
#[path = "trust/roots.rs"]
mod roots;
