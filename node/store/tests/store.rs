//! The embedded store as its users and its disk see it: conformance, crashes, power cuts, full disks.

#[path = "store/conformance.rs"]
mod conformance;
