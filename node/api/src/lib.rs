//! The node's programming interface: one router, served on the local socket.
