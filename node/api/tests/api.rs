//! The interface over a real socket, before a real node with a real store and log.

#[path = "api/day.rs"]
mod day;
#[path = "api/denials.rs"]
mod denials;
#[path = "api/socket.rs"]
mod socket;
#[path = "api/support.rs"]
mod support;
