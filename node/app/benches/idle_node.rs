//! How soon a node with many records is ready, and how much memory it holds while nothing happens, beside an empty
//! node on the same machine.
//!
//! ```text
//! cargo bench -p chengxin --bench idle_node                              imports 100,000 rows first
//! cargo bench -p chengxin --bench idle_node -- --folder DIR              the node that import_million left in DIR
//! ```
//!
//! The limit is the same program with no records. Each is started in turn after an orderly stop, and once after
//! `kill -9`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on stops with what it found"
)]

mod stage;

use std::time::Duration;

use stage::{ANSWERER, Stage, memory, mib, option, penalties, spread};

const ROUNDS: usize = 3;
const IDLE: Duration = Duration::from_secs(10);

fn main() {
    let rows: u64 = option("--rows").map_or(100_000, |rows| rows.parse().unwrap());
    let full = match option("--folder") {
        Some(folder) => Stage::at(folder.as_ref()),
        None => {
            let stage = Stage::temporary();
            let file = stage.file("penalties.csv");
            penalties(&file, rows, 0);
            stage.found();
            let node = stage.start(ANSWERER);
            node.import(&file);
            node.stop();
            stage
        }
    };
    let empty = Stage::temporary();
    empty.found();
    empty.start(ANSWERER).stop();
    println!(
        "node         stopped by   ready ms   MiB when ready   MiB after {} s   on disk MiB",
        IDLE.as_secs()
    );
    let mut measured = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (stage, name, list) in [(&empty, "empty", 0), (&full, "with records", 1)] {
            let one = look(stage, name, "SIGTERM", false);
            measured[list].push(one);
        }
    }
    look(&full, "with records", "SIGTERM", true);
    look(&full, "with records", "SIGKILL", false);
    for (place, what) in ["ready ms", "MiB when ready", "MiB idle"].iter().enumerate() {
        let of = |list: usize| spread(measured[list].iter().map(|round| round[place]).collect());
        let (limit, value) = (of(0), of(1));
        println!(
            "{what}: {:.0} ({:.0}-{:.0}); empty {:.0} ({:.0}-{:.0}); ratio {:.2}",
            value.0,
            value.1,
            value.2,
            limit.0,
            limit.1,
            limit.2,
            value.0 / limit.0
        );
    }
}

/// Starts, looks, waits, looks again; ends with a kill where the next start shall find an open store.
fn look(stage: &Stage, name: &str, stopped_by: &str, kill: bool) -> [f64; 3] {
    let node = stage.start(ANSWERER);
    let ready = memory(node.process()).0;
    std::thread::sleep(IDLE);
    let idle = memory(node.process()).0;
    let ready_ms = node.ready_after.as_secs_f64() * 1_000.0;
    println!(
        "{name:<12}  {stopped_by:<9}  {ready_ms:>9.0}  {:>15.1}  {:>15.1}  {:>12.0}",
        mib(ready),
        mib(idle),
        mib(folder_bytes(&stage.home(ANSWERER)))
    );
    // Dropping kills.
    if kill {
        drop(node)
    } else {
        node.stop()
    }
    [ready_ms, mib(ready), mib(idle)]
}

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.metadata().unwrap();
        bytes += if kind.is_dir() { folder_bytes(&entry.path()) } else { kind.len() };
    }
    bytes
}
