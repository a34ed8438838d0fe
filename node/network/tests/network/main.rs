//! The network as a node uses it: real sockets on loopback, system-chosen ports, QUIC and TCP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod dials;
mod gate;
mod hostile;
mod join;
mod pressure;
mod reconnect;
mod support;
