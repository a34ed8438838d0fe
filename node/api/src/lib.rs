//! The node's programming interface: documents, routes with the roles that may call them, and the server of the local socket.
//!
//! A request passes, in this order: peer credentials of the socket → operator account → role, which the route's entry
//! in [`routes::ROUTES`] must allow → use case in `exchange`, which checks again → document. A route that is not in
//! the table does not exist: the router is built from it.

pub mod bounded_file;
pub mod chinese;
pub mod failure;
mod gate;
mod handlers;
mod idle_write;
mod malformed;
pub mod routes;
pub mod server;
pub mod services;
pub mod spool;
pub mod types;
