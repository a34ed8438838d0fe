//! `kill -9` at any moment loses nothing acknowledged and leaves no half of a batch.

use std::path::Path;
use std::time::Duration;

use crate::writer::{Durability, Writer, acknowledged_read, acknowledgement_lines, store_check};

/// Rounds of kill and check on one store.
const ROUNDS: u64 = 60;

#[test]
fn kill_at_any_moment_loses_nothing_acknowledged() {
    let parent = tempfile::tempdir().unwrap();
    kill_rounds(parent.path(), ROUNDS);
}

/// Kills a writer again and again, at moments spread over its opening, its first commits and later ones.
pub(crate) fn kill_rounds(parent: &Path, rounds: u64) {
    let (folder, file) = (parent.join("store"), parent.join("acknowledged"));
    for round in 0..rounds {
        let mut writer = Writer::start(&folder, &file, Durability::Synced);
        let before = acknowledgement_lines(&file);
        if round % 4 != 3 {
            writer.wait_for_acknowledgements(before + 1 + (round * 37 % 150) as usize);
        }
        // Not a wait for anything: it spreads the kills over the parts of a commit, or of the opening.
        std::thread::sleep(Duration::from_micros(round * 977 % 20_000 / if round % 4 == 3 { 1 } else { 10 }));
        writer.kill();
        if let Err(wrong) = store_check(&folder, acknowledged_read(&file)) {
            panic!("round {round}: {wrong}");
        }
    }
    assert!(acknowledgement_lines(&file) > rounds as usize);
}
