//! The embedded store as its users and its disk see it: conformance, crashes, power cuts, full disks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test; helper functions are not recognised as such"
)]

#[path = "store/backup.rs"]
mod backup;
#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/disk_full.rs"]
mod disk_full;
#[path = "store/failed_writes.rs"]
mod failed_writes;
#[path = "store/format.rs"]
mod format;
#[path = "store/kill.rs"]
mod kill;
#[path = "store/log_segments.rs"]
mod log_segments;
#[path = "store/loop_device.rs"]
mod loop_device;
#[path = "store/power_cut.rs"]
mod power_cut;
#[path = "store/snapshots.rs"]
mod snapshots;
#[path = "store/value_files.rs"]
mod value_files;
#[path = "store/writer.rs"]
mod writer;
