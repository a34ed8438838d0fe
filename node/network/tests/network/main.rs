//! The network as a node uses it: real sockets on loopback, system-chosen ports, QUIC and TCP.

mod calls;
mod support;
