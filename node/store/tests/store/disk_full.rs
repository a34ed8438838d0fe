//! A full disk: commits fail, nothing acknowledged is lost, and freed space makes it work again.

use std::fs;
use std::path::Path;

use crate::loop_device::Mounted;
use crate::power_cut::say_loudly;
use crate::writer::{Durability, Writer, acknowledged_read, acknowledgement_lines, store_check};

/// The store of the writer needs a few MiB; the ballast leaves less and less of this.
const IMAGE_BYTES: u64 = 32 * 1024 * 1024;
const ROUNDS: usize = 6;

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let parent = tempfile::tempdir().unwrap();
    let disk = match Mounted::create(parent.path(), "small", IMAGE_BYTES) {
        Ok(disk) => disk,
        Err(why) => return say_loudly("a full disk is NOT tested here", &why),
    };
    let (folder, ballast) = (disk.folder().join("store"), disk.folder().join("ballast"));
    let file = parent.path().join("acknowledged");
    for round in 0..ROUNDS {
        let mut writer = Writer::start(&folder, &file, Durability::Synced);
        let so_far = acknowledgement_lines(&file);
        writer.wait_for_acknowledgements(so_far + 20 + round * 17);
        ballast_fill(&ballast);
        // It writes over and over, so its log needs a new segment soon; then a commit fails and it ends.
        writer.wait_for_end();
        let acknowledged = acknowledged_read(&file);
        fs::remove_file(&ballast).unwrap();
        store_check(&folder, acknowledged).unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
    }
}

/// Writes zeros until the disk is full.
fn ballast_fill(path: &Path) {
    use std::io::Write;
    let mut file = fs::File::create(path).unwrap();
    for block in [1024 * 1024, 4096] {
        let zeros = vec![0; block];
        while file.write_all(&zeros).and_then(|()| file.sync_data()).is_ok() {}
    }
}
