//! A power cut at any moment loses nothing acknowledged.
//!
//! The writer works on a file system of its own. It is stopped where it stands, the raw image under the
//! file system is copied, and the copy is mounted and checked: it holds what had been synced, and of the
//! rest what the kernel happened to have written. Where loop devices are not to be had, `kill -9` stands
//! in, which proves less, and the test says so.

use std::io::Write;
use std::path::Path;

use crate::kill::kill_rounds;
use crate::loop_device::{Mounted, NotAvailable};
use crate::writer::{Durability, Writer, acknowledged_read, acknowledgement_lines, store_check};

const IMAGE_BYTES: u64 = 96 * 1024 * 1024;
/// Fresh file systems and writers; with [`CUTS_PER_WRITER`] 60 cuts.
const WRITERS: usize = 6;
const CUTS_PER_WRITER: usize = 10;
/// Cuts within which a store that does not sync must have lost something.
const CUTS_TO_CATCH: usize = 20;

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    let parent = tempfile::tempdir().unwrap();
    for writer in 0..WRITERS {
        match cuts_run(parent.path(), writer, CUTS_PER_WRITER, Durability::Synced) {
            Ok(losses) => assert!(losses.is_empty(), "writer {writer}: {losses:#?}"),
            Err(why) => {
                say_loudly("power cuts are NOT tested here, kill -9 stands in", &why);
                return kill_rounds(parent.path(), (WRITERS * CUTS_PER_WRITER) as u64);
            }
        }
    }
}

/// The test above can fail: without the sync it does.
#[test]
fn without_the_sync_a_power_cut_loses_acknowledged_writes() {
    let parent = tempfile::tempdir().unwrap();
    for writer in 0..CUTS_TO_CATCH / 5 {
        match cuts_run(parent.path(), writer, 5, Durability::FlushedOnly) {
            Ok(losses) if losses.is_empty() => {}
            Ok(losses) => {
                return eprintln!("{} of 5 cuts without a sync lost writes: {losses:#?}", losses.len());
            }
            Err(why) => return say_loudly("that the power-cut test can fail is NOT tested here", &why),
        }
    }
    panic!("{CUTS_TO_CATCH} power cuts without a sync lost nothing: this test cannot see losses here");
}

/// Runs one writer on a fresh file system and cuts its power `cuts` times. Returns what was wrong.
fn cuts_run(
    parent: &Path,
    number: usize,
    cuts: usize,
    durability: Durability,
) -> Result<Vec<String>, NotAvailable> {
    let disk = Mounted::create(parent, &format!("disk-{number}"), IMAGE_BYTES)?;
    let file = parent.join(format!("acknowledged-{number}"));
    let mut writer = Writer::start(&disk.folder().join("store"), &file, durability);
    let mut losses = Vec::new();
    for cut in 0..cuts {
        let so_far = acknowledgement_lines(&file);
        writer.wait_for_acknowledgements(so_far + 1 + (number * 31 + cut * 53) % 140);
        writer.stop();
        let acknowledged = acknowledged_read(&file);
        let copy = disk.power_cut_copy(parent, &format!("cut-{number}-{cut}"));
        writer.go_on();
        if let Err(wrong) = store_check(&copy.folder().join("store"), acknowledged) {
            losses.push(format!("cut {cut}: {wrong}"));
        }
    }
    writer.kill();
    Ok(losses)
}

/// Past the capture of test output, since a passing test would otherwise say nothing.
pub(crate) fn say_loudly(what: &str, why: &NotAvailable) {
    let _ = writeln!(std::io::stderr(), "\n*** {what}: {} ***\n", why.0);
}
