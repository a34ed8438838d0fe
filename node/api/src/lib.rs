//! The node's programming interface: documents, routes with the roles that may call them, and the server of the local socket.

pub mod types;
