//! The policy crate as its users see it: real bundles from files, the baseline's decisions, casbin beside the cache.

#[path = "policy/support.rs"]
mod support;

#[path = "policy/baseline.rs"]
mod baseline;
