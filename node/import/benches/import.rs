//! How fast files are read, beside the csv crate splitting the same bytes, and what a file costs in memory.
//!
//! Run with `cargo bench -p chengxin-import`. Files are generated and written to the target folder first. Rates are
//! rows per second of processor time (user and system, of all threads), which a busy machine does not change much.
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on stops")]

use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use chengxin_import::dialect::TemplateVersion;
use chengxin_import::encoding::TextEncoding;
use chengxin_import::generate::{GenerateOptions, csv_generate};
use chengxin_import::{ImportOptions, ImportReport, Importer};

const ROUNDS: usize = 5;

fn main() {
    println!("rows      encoding  MiB   import rows/s (min..max)    csv crate rows/s (min..max)  ratio");
    for encoding in [TextEncoding::Utf8, TextEncoding::Gb18030] {
        let path = file_make(200_000, encoding);
        let mut import: Vec<f64> = (0..ROUNDS).map(|_| 200_000.0 / import_time(&path, 200_000)).collect();
        let mut split: Vec<f64> = (0..ROUNDS).map(|_| 200_000.0 / split_time(&path)).collect();
        import.sort_by(f64::total_cmp);
        split.sort_by(f64::total_cmp);
        println!(
            "200,000   {:8}  {:4}  {:8.0} ({:.0}..{:.0})  {:8.0} ({:.0}..{:.0})  {:.3}",
            encoding.as_str(),
            path.metadata().expect("file").len() >> 20,
            import[ROUNDS / 2],
            import[0],
            import[ROUNDS - 1],
            split[ROUNDS / 2],
            split[0],
            split[ROUNDS - 1],
            import[ROUNDS / 2] / split[ROUNDS / 2],
        );
    }
    println!("rows      file MiB  resident KiB before  after the last row  growth per row (bytes)");
    for rows in [200_000, 1_000_000] {
        let path = file_make(rows, TextEncoding::Utf8);
        let before = resident_kib();
        let after = import_resident(&path);
        println!(
            "{rows:9} {:8}  {before:19}  {after:18}  {:.0}",
            path.metadata().expect("file").len() >> 20,
            after.saturating_sub(before) as f64 * 1024.0 / rows as f64,
        );
    }
}

fn file_make(rows: u64, encoding: TextEncoding) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{rows}-{}.csv", encoding.as_str()));
    let options = GenerateOptions::new(TemplateVersion::PenaltyLegalPersons2018, rows, 1);
    csv_generate(options, encoding, BufWriter::new(File::create(&path).expect("file"))).expect("written");
    path
}

fn import_time(path: &Path, rows: u64) -> f64 {
    let start = processor_seconds();
    let importer = Importer::open(File::open(path).expect("file"), ImportOptions::default()).expect("header");
    let mut report = ImportReport::default();
    for row in importer {
        report.row_add(&row.expect("read"));
    }
    assert_eq!(report.accepted, rows);
    processor_seconds() - start
}

/// Splitting into records of bytes, which is the least that any reader of the file does.
fn split_time(path: &Path) -> f64 {
    let start = processor_seconds();
    let mut bytes = Vec::new();
    File::open(path).expect("file").read_to_end(&mut bytes).expect("read");
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let mut record = csv::ByteRecord::new();
    let mut cells = 0;
    while reader.read_byte_record(&mut record).expect("record") {
        cells += record.len();
    }
    assert!(cells > 0);
    processor_seconds() - start
}

/// Resident memory after the last row, while the importer still holds its state.
fn import_resident(path: &Path) -> u64 {
    let mut importer =
        Importer::open(File::open(path).expect("file"), ImportOptions::default()).expect("header");
    let mut accepted = 0;
    for row in importer.by_ref() {
        accepted += u64::from(row.expect("read").fields.is_some());
    }
    assert!(accepted > 0);
    resident_kib()
}

/// User and system time of this process, in the kernel's hundredths of a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; the fields after it do not.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}
