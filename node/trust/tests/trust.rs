//! The federation's trust as coordinator, member and attacker use it: real folders, real signatures, a fixed clock.

#[path = "trust/fixture.rs"]
mod fixture;
#[path = "trust/life.rs"]
mod life;
