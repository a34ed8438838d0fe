//! The policy crate as its users see it: real bundles from files, the baseline's decisions, casbin beside the cache.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests stop the test, as tests do")]

#[path = "policy/province.rs"]
mod province;
#[path = "policy/strangers.rs"]
mod strangers;
#[path = "policy/support.rs"]
mod support;

#[path = "policy/baseline.rs"]
mod baseline;
#[path = "policy/cache.rs"]
mod cache;
#[path = "policy/content.rs"]
mod content;
#[path = "policy/content_refusals.rs"]
mod content_refusals;
#[path = "policy/diff.rs"]
mod diff;
#[path = "policy/differential.rs"]
mod differential;
#[path = "policy/examples.rs"]
mod examples;
#[path = "policy/interop.rs"]
mod interop;
#[path = "policy/loader.rs"]
mod loader;
#[path = "policy/overlay.rs"]
mod overlay;
#[path = "policy/overlay_files.rs"]
mod overlay_files;
#[path = "policy/overlay_random.rs"]
mod overlay_random;
#[path = "policy/overlay_support.rs"]
mod overlay_support;
#[path = "policy/overlay_values.rs"]
mod overlay_values;
#[path = "policy/published.rs"]
mod published;
#[path = "policy/records.rs"]
mod records;
