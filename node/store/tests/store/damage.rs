//! Bits that rot in the folder: a store opens with everything acknowledged, or says what is wrong and keeps its files.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use chengxin_store::{Batch, SledOptions, SledStore, Store, StoreError};

use crate::format::folder_copy;
use crate::writer::runtime;

/// Batches in the store whose copies are damaged.
const BATCHES: u32 = 120;
/// Copies with one flipped bit.
const COPIES: u64 = 240;

fn options() -> SledOptions {
    SledOptions {
        create: true,
        segment_bytes: 64 * 1024,
        value_file_bytes: 64 * 1024,
        cache_bytes: 1024 * 1024,
        ..SledOptions::default()
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("record {number:05}").into_bytes()
}

/// Every third value is long.
fn value(number: u32) -> Bytes {
    number.to_be_bytes().repeat(if number.is_multiple_of(3) { 500 } else { 20 }).into()
}

async fn commit(store: &SledStore, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut batch = Batch::new();
        batch.put(key(number), value(number)).put("head", number.to_be_bytes().to_vec());
        store.commit(batch).await.unwrap();
    }
}

/// A store of [`BATCHES`] batches, and its size.
fn store_make(folder: &Path) {
    let store = SledStore::open(folder, options()).unwrap();
    runtime().block_on(commit(&store, 0..BATCHES));
}

fn error_of(folder: &Path) -> StoreError {
    SledStore::open(folder, options()).err().expect("the store must not open")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.join("values"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// sled's files, with what is in them.
fn engine_files(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder.join("sled"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// How a damaged copy fared.
#[derive(Debug, PartialEq)]
enum Outcome {
    Whole,
    /// Its end is lost, and it says so.
    Behind,
    /// It says of the whole, or of a value, that it is damaged.
    Refused,
    Lost(u32),
}

fn open_and_look(folder: &Path) -> Outcome {
    open_and_look_for(folder, BATCHES, value)
}

fn open_and_look_for(folder: &Path, records: u32, expected: fn(u32) -> Bytes) -> Outcome {
    // sled panics over some damaged pages, while it opens and while it reads; nobody but the store meets that.
    let store = match SledStore::open(folder, options()) {
        Ok(store) => store,
        Err(StoreError::Behind { found, acknowledged }) => {
            assert!(found < acknowledged);
            return Outcome::Behind;
        }
        Err(_) => return Outcome::Refused,
    };
    runtime().block_on(async {
        let mut outcome = Outcome::Whole;
        for number in 0..records {
            match store.get(&key(number)).await {
                Ok(Some(found)) if found == expected(number) => {}
                Ok(_) => return Outcome::Lost(number),
                Err(StoreError::Damaged { .. } | StoreError::Engine { .. }) => outcome = Outcome::Refused,
                Err(error) => panic!("{error}"),
            }
        }
        outcome
    })
}

/// One bit in each copy, spread over the files of sled. Where the log loses its end by it, the number beside it tells.
#[test]
fn one_flipped_bit_in_the_log_never_loses_what_was_acknowledged_in_silence() {
    let parent = tempfile::tempdir().unwrap();
    let whole = parent.path().join("whole");
    store_make(&whole);
    let files = engine_files(&whole);
    let copy = parent.path().join("unchanged");
    folder_copy(&whole, &copy);
    assert_eq!(open_and_look(&copy), Outcome::Whole);
    let mut outcomes = Vec::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for copy in 0..COPIES {
        let folder = parent.path().join(format!("copy-{copy}"));
        folder_copy(&whole, &folder);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Three of four flips in the log, the others anywhere.
        let (name, bytes) = match copy % 4 {
            0 => &files[copy as usize / 4 % files.len()],
            _ => files.iter().find(|(name, _)| name == "db").unwrap(),
        };
        // The file ends with empty room.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
        let (mut bytes, bit) = (bytes.clone(), seed % (used * 8));
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        fs::write(folder.join("sled").join(name), bytes).unwrap();
        let before = (names(&folder), engine_files(&folder));
        let outcome = open_and_look(&folder);
        assert!(!matches!(outcome, Outcome::Lost(_)), "copy {copy}, bit {bit} of {name:?}: {outcome:?}");
        if outcome == Outcome::Behind {
            assert!((names(&folder), engine_files(&folder)) == before, "copy {copy}, bit {bit} of {name:?}");
            // And again, as an operator would try.
            assert_eq!(open_and_look(&folder), Outcome::Behind, "copy {copy}");
        }
        outcomes.push(outcome);
        fs::remove_dir_all(folder).unwrap();
    }
    let count = |wanted: &Outcome| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    eprintln!(
        "{} whole, {} behind, {} refused",
        count(&Outcome::Whole),
        count(&Outcome::Behind),
        count(&Outcome::Refused)
    );
    assert!(count(&Outcome::Behind) > 0, "no flip took the end of the log: this test cannot see losses");
}

/// Keys of the store whose log is longer than its last segments.
const RECORDS: u32 = 2_000;
/// How often each of them is written.
const ROUNDS: u32 = 4;
/// Copies of it with one flipped bit.
const COPIES_OF_MANY: u64 = 120;
/// Segments below the last, at least.
const SEGMENTS: usize = 12;

/// A log of many segments, begun again and again since the store was opened, in which one bit is flipped: sled leaves out
/// what it cannot read below the last segments and goes on after it, so this must be seen before.
#[test]
fn one_flipped_bit_in_the_middle_of_the_log_never_brings_an_older_value_back() {
    let parent = tempfile::tempdir().unwrap();
    let whole = parent.path().join("whole");
    let store = SledStore::open(&whole, options()).unwrap();
    runtime().block_on(async {
        for round in 0..ROUNDS {
            for first in (0..RECORDS).step_by(50) {
                let mut batch = Batch::new();
                for number in first..first + 50 {
                    // The last round leaves what is looked for; all of it stays beside the keys.
                    let value =
                        if round + 1 == ROUNDS { short_value(number) } else { vec![round as u8; 480].into() };
                    batch.put(key(number), value);
                }
                store.commit(batch).await.unwrap();
            }
        }
    });
    drop(store);
    let look = |folder: &Path| open_and_look_for(folder, RECORDS, short_value);
    let log = fs::read(whole.join("sled/db")).unwrap();
    let mut segments: Vec<_> = segments_of(&log);
    segments.sort_unstable();
    // The last two may be torn, and an end that is lost is told by its number.
    let below = &segments[..segments.len() - 2];
    assert!(below.len() >= SEGMENTS, "{segments:?}");
    assert!(below.iter().any(|(number, place)| number != place), "no segment was begun again: {segments:?}");
    let unchanged = parent.path().join("unchanged");
    folder_copy(&whole, &unchanged);
    assert_eq!(look(&unchanged), Outcome::Whole);

    let mut refused = 0;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for copy in 0..COPIES_OF_MANY {
        let folder = parent.path().join(format!("copy-{copy}"));
        folder_copy(&whole, &folder);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (_, place) = below[copy as usize % below.len()];
        // Each eighth in the head of the segment.
        let bits = if copy % 8 == 0 { 20 * 8 } else { options().segment_bytes as u64 * 8 };
        let bit = place as u64 * options().segment_bytes as u64 * 8 + seed % bits;
        let mut bytes = log.clone();
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        fs::write(folder.join("sled/db"), bytes).unwrap();
        let before = engine_files(&folder);
        match look(&folder) {
            Outcome::Whole => {}
            Outcome::Refused => {
                refused += 1;
                assert!(engine_files(&folder) == before, "copy {copy}, bit {bit}");
            }
            other => panic!("copy {copy}, bit {bit}: {other:?}"),
        }
        fs::remove_dir_all(folder).unwrap();
    }
    eprintln!("{refused} of {COPIES_OF_MANY} refused, {} segments", segments.len());
    assert!(
        refused > COPIES_OF_MANY / 2,
        "{refused} of {COPIES_OF_MANY} refused: this test does not meet the log"
    );
}

/// Number and place of each segment that begins with a head, by the number in its head.
fn segments_of(log: &[u8]) -> Vec<(usize, usize)> {
    let size = options().segment_bytes;
    let lsn = |head: &[u8]| i64::from_le_bytes(head[4..12].try_into().unwrap()) ^ i64::MAX;
    log.chunks(size)
        .enumerate()
        .filter(|(_, segment)| segment.len() >= 20 && segment[..20].iter().any(|byte| *byte != 0))
        .map(|(place, segment)| (lsn(segment) as usize / size, place))
        .collect()
}

fn short_value(number: u32) -> Bytes {
    number.to_be_bytes().repeat(120).into()
}

/// An earlier state of sled under later files beside it: as if the end of its log had been lost.
#[test]
fn an_earlier_log_is_refused_by_the_number_beside_it_and_by_the_values() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, early) = (parent.path().join("store"), parent.path().join("early"));
    let store = SledStore::open(&folder, options()).unwrap();
    runtime().block_on(commit(&store, 0..40));
    drop(store);
    folder_copy(&folder, &early);
    let store = SledStore::open(&folder, options()).unwrap();
    runtime().block_on(commit(&store, 40..50));
    drop(store);
    let put_back = |from: &Path| {
        fs::remove_dir_all(folder.join("sled")).unwrap();
        folder_copy(&from.join("sled"), &folder.join("sled"));
        fs::create_dir_all(folder.join("sled/blobs")).unwrap();
    };
    put_back(&early);
    let before = names(&folder);
    let error = error_of(&folder);
    assert!(matches!(error, StoreError::Behind { found: 40, acknowledged: 50 }), "{error}");
    assert_eq!(names(&folder), before);
    // The number was put back too: the values that follow are of more than one commit.
    fs::copy(early.join("acknowledged"), folder.join("acknowledged")).unwrap();
    let error = error_of(&folder);
    assert!(matches!(error, StoreError::Behind { found: 40, acknowledged: 42.. }), "{error}");
    assert!(error.to_string().contains("reaches commit 40"), "{error}");
    assert_eq!(names(&folder), before);
    // Without a log at all nothing is begun anew either.
    fs::remove_dir_all(folder.join("sled")).unwrap();
    assert!(matches!(error_of(&folder), StoreError::Behind { found: 0, acknowledged: 40 }));
    fs::remove_file(folder.join("acknowledged")).unwrap();
    put_back(&early);
    assert!(error_of(&folder).to_string().contains("is missing beside the log"));
}

#[test]
fn more_than_one_unfinished_commit_can_leave_is_kept_and_refused() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 2] = [
        ("files of values follow that the log does not know", |values| {
            for number in [100, 101] {
                fs::write(values.join(format!("{number:010}")), [7; 100]).unwrap();
            }
        }),
        ("more follows the end of the values", |values| {
            let last = fs::read_dir(values).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
            let file = fs::File::options().write(true).open(last).unwrap();
            file.set_len(64 * 1024 * 1024).unwrap();
        }),
    ];
    for (expected, damage) in cases {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        store_make(&folder);
        damage(&folder.join("values"));
        let before = names(&folder);
        let error = error_of(&folder).to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(names(&folder), before);
    }
}
