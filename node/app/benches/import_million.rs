//! How fast the real node imports penalties, beside how fast this machine signs, and whether its memory stays flat.
//!
//! ```text
//! cargo bench -p chengxin --bench import_million                               100,000 rows, three rounds
//! cargo bench -p chengxin --bench import_million -- --rows 1000000 --rounds 1  the full figure
//! cargo bench -p chengxin --bench import_million -- --folder DIR --rounds 1    leaves the node in DIR for idle_node
//! ```
//!
//! The limit is Ed25519 signatures alone, over messages as long as a penalty's signed part, on as many threads as the
//! node signs with. A record needs one signature; the rest of an import is reading, checking, hashing, sealing and the
//! store's durable commits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on stops with what it found"
)]

mod stage;

use std::time::{Duration, Instant};

use chengxin_schemas::key::SigningKey;
use stage::{ANSWERER, Stage, mib, option, penalties, spread};
use zeroize::Zeroizing;

/// Bytes that the signature of a penalty covers, roughly.
const SIGNED_BYTES: usize = 2_000;
/// The node signs so many chunks at a time, as far as there are processors.
const SIGNERS: usize = 4;
const SIGNING_TIME: Duration = Duration::from_secs(2);

fn main() {
    let rows: u64 = option("--rows").map_or(100_000, |rows| rows.parse().unwrap());
    let rounds: usize = option("--rounds").map_or(3, |rounds| rounds.parse().unwrap());
    let threads = std::thread::available_parallelism().unwrap().get().min(SIGNERS);
    println!("import of {rows} penalties, {rounds} rounds, {threads} threads sign for the limit");
    println!(
        "examine rows/s   keep rows/s   both rows/s   signatures/s   keep ratio   both ratio   peak MiB"
    );
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let stage = option("--folder").map_or_else(Stage::temporary, |folder| Stage::at(folder.as_ref()));
        let file = stage.file("penalties.csv");
        penalties(&file, rows, 0);
        stage.found();
        let node = stage.start(ANSWERER);
        let before = signature_rate(threads);
        let times = node.import(&file);
        let limit = f64::midpoint(before, signature_rate(threads));
        assert_eq!(times.rows, rows, "every row is kept");
        let rate = |time: Duration| rows as f64 / time.as_secs_f64();
        let (examine, keep) = (rate(times.examine), rate(times.keep));
        let both = rate(times.examine + times.keep);
        println!(
            "{examine:>14.0}  {keep:>12.0}  {both:>12.0}  {limit:>13.0}  {:>9.1} %  {:>9.1} %  {:>9.0}",
            100.0 * keep / limit,
            100.0 * both / limit,
            mib(times.memory_peak)
        );
        ratios.push([examine, keep, both, limit, 100.0 * keep / limit]);
        let points =
            times.memory.iter().map(|(phase, at, bytes)| format!("{phase} {at}: {:.0}", mib(*bytes)));
        println!("  resident MiB: {}", points.collect::<Vec<_>>().join(", "));
        node.stop();
    }
    for (place, what) in
        ["examine rows/s", "keep rows/s", "both rows/s", "signatures/s", "keep, % of signatures"]
            .iter()
            .enumerate()
    {
        let (median, least, most) = spread(ratios.iter().map(|round| round[place]).collect());
        println!("{what}: median {median:.0} ({least:.0}-{most:.0})");
    }
}

/// Signatures per second of all threads together.
fn signature_rate(threads: usize) -> f64 {
    let begun = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let signers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let key = SigningKey::from_seed(&Zeroizing::new([7; 32])).unwrap();
                    let mut message = vec![0_u8; SIGNED_BYTES];
                    let mut done = 0_u64;
                    while begun.elapsed() < SIGNING_TIME {
                        message[..8].copy_from_slice(&done.to_be_bytes());
                        std::hint::black_box(key.sign(&message));
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        signers.into_iter().map(|signer| signer.join().unwrap()).sum()
    });
    done as f64 / begun.elapsed().as_secs_f64()
}
