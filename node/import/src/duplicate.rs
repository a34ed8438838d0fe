//! Which rows of one file are the same record, in memory that does not grow with the file: a few megabytes, then a table in
//! a file without a name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use chengxin_schemas::digest::{Sha256, Sha256Stream};
use chengxin_schemas::record::{FieldValue, RecordFields};
use chengxin_schemas::subject::name_normalise;

use crate::error::ImportError;

/// Rows kept in memory (6 MiB at most); with one more they move into a file. Nearly every file is shorter.
const ROWS_IN_MEMORY: usize = 229_376;
/// Slots of the table in a file that are read at once.
const GROUP_SLOTS: usize = 8;
/// Key (12 bytes), content (8), row (4); a row of 0 is an empty slot.
const SLOT_BYTES: usize = 24;
const GROUP_BYTES: usize = GROUP_SLOTS * SLOT_BYTES;

/// How a row relates to the rows before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// A new record.
    New,
    /// The same key and content as the row named.
    Identical(u64),
    /// The same key as the row named, with other content.
    Different(u64),
}

/// What is kept of a row. 96 bits of the key digest: among two million rows the chance of one false match is below
/// 10⁻¹⁶. 64 bits of the content digest decide only between two rows whose keys match.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u32; 3]);

#[derive(Clone, Copy)]
struct Seen {
    content: [u32; 2],
    row: u32,
}

/// The rows accepted so far.
pub(crate) struct DuplicateSet {
    memory: HashMap<Key, Seen>,
    rows_in_memory: usize,
    table: Option<Table>,
    /// Most rows there can be.
    rows: u64,
    scratch: PathBuf,
}

impl DuplicateSet {
    /// A set for at most `rows` rows; `scratch` is the folder for the table of a long file.
    pub(crate) fn new(rows: u64, scratch: PathBuf) -> Self {
        Self { memory: HashMap::new(), rows_in_memory: ROWS_IN_MEMORY, table: None, rows, scratch }
    }

    /// Looks a row up and remembers it if it is new.
    pub(crate) fn row_add(
        &mut self,
        row: u64,
        key: Sha256,
        content: Sha256,
    ) -> Result<Repetition, ImportError> {
        let key = Key([word(key, 0), word(key, 1), word(key, 2)]);
        // Rows are limited to a few million, far below the range.
        let seen = Seen {
            content: [word(content, 0), word(content, 1)],
            row: u32::try_from(row).unwrap_or(u32::MAX),
        };
        let before = match &self.table {
            Some(table) => table.add(key, seen).map_err(ImportError::Scratch)?,
            None => match self.memory.entry(key) {
                Entry::Occupied(entry) => Some(*entry.get()),
                Entry::Vacant(entry) => {
                    entry.insert(seen);
                    None
                }
            },
        };
        if self.table.is_none() && self.memory.len() > self.rows_in_memory {
            let table = Table::create(self.rows, &self.scratch).map_err(ImportError::Scratch)?;
            for (key, seen) in std::mem::take(&mut self.memory) {
                table.add(key, seen).map_err(ImportError::Scratch)?;
            }
            self.table = Some(table);
        }
        Ok(match before {
            None => Repetition::New,
            Some(before) if before.content == seen.content => Repetition::Identical(u64::from(before.row)),
            Some(before) => Repetition::Different(u64::from(before.row)),
        })
    }
}

/// A hash table with linear probing by groups of slots, in a file that has no name and vanishes with the process. It holds
/// digests only, beside the imported file itself. Nothing is ever removed; half of the groups stay empty.
struct Table {
    file: File,
    groups: u64,
}

impl Table {
    /// An empty table for `rows` rows. The file has holes where nothing was written.
    fn create(rows: u64, scratch: &std::path::Path) -> io::Result<Self> {
        let groups = (rows.saturating_mul(2) / GROUP_SLOTS as u64).max(1);
        let file = tempfile::tempfile_in(scratch)?;
        file.set_len(groups.saturating_mul(GROUP_BYTES as u64))?;
        Ok(Self { file, groups })
    }

    /// Returns what is there under the key, or enters it.
    fn add(&self, key: Key, seen: Seen) -> io::Result<Option<Seen>> {
        let mut bytes = [0; GROUP_BYTES];
        let mut group = (u64::from(key.0[0]) << 32 | u64::from(key.0[1])) % self.groups;
        for _ in 0..self.groups {
            let offset = group * GROUP_BYTES as u64;
            self.file.read_exact_at(&mut bytes, offset)?;
            for (place, slot) in bytes.as_chunks::<SLOT_BYTES>().0.iter().enumerate() {
                let (found, there) = slot_decode(slot);
                if there.row == 0 {
                    let offset = offset + (place * SLOT_BYTES) as u64;
                    self.file.write_all_at(&slot_encode(key, seen), offset)?;
                    return Ok(None);
                }
                if found == key {
                    return Ok(Some(there));
                }
            }
            group = (group + 1) % self.groups;
        }
        // The number of rows is checked before they come here.
        Err(io::Error::other("the table of rows is full"))
    }
}

fn slot_encode(key: Key, seen: Seen) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    let words = key.0.iter().chain(&seen.content).chain(std::iter::once(&seen.row));
    for (place, word) in slot.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    slot
}

fn slot_decode(slot: &[u8; SLOT_BYTES]) -> (Key, Seen) {
    let mut words = slot.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let mut next = || words.next().unwrap_or_default();
    let key = Key([next(), next(), next()]);
    (key, Seen { content: [next(), next()], row: next() })
}

fn word(digest: Sha256, index: usize) -> u32 {
    digest.0.iter().skip(index * 4).take(4).fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// The digest of the duplicate key of the national reporting system (document number and subject's name, compared
/// after folding width, case, space and brackets); nothing while a part of it is missing.
pub(crate) fn duplicate_key(fields: &RecordFields) -> Option<Sha256> {
    let mut stream = Sha256Stream::new();
    part_add(&mut stream, fields.record_type().as_str());
    for name in fields.record_type().duplicate_fields() {
        part_add(&mut stream, &name_normalise(fields.text(name)?));
    }
    Some(stream.finish())
}

/// The digest of all fields in their canonical spelling.
pub(crate) fn content_digest(fields: &RecordFields) -> Sha256 {
    let mut stream = Sha256Stream::new();
    for (name, value) in fields.iter() {
        part_add(&mut stream, name.as_str());
        match value {
            FieldValue::Text(text) => part_add(&mut stream, text),
            FieldValue::List(texts) => {
                stream.update(&(texts.len() as u64).to_be_bytes());
                texts.iter().for_each(|text| part_add(&mut stream, text));
            }
        }
    }
    stream.finish()
}

/// Length before text, so that no two lists of parts run together.
fn part_add(stream: &mut Sha256Stream, text: &str) {
    stream.update(&(text.len() as u64).to_be_bytes());
    stream.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u64) -> Sha256 {
        Sha256::of(&number.to_be_bytes())
    }

    /// The same rows give the same findings in memory and in a file, however full it is.
    #[test]
    fn memory_and_file_agree() {
        let mut in_memory = DuplicateSet::new(3_000, std::env::temp_dir());
        let mut in_file = DuplicateSet::new(3_000, std::env::temp_dir());
        in_file.rows_in_memory = 10;
        let mut found = [0; 3];
        for row in 1..=3_000_u64 {
            // Every fifth row repeats one before it, every tenth with other content.
            let (key, content) = match row {
                _ if row % 10 == 0 => (row - 1, row),
                _ if row % 5 == 0 => (row - 1, row - 1),
                _ => (row, row),
            };
            let expected = in_memory.row_add(row, digest(key), digest(content)).expect("memory");
            let said = in_file.row_add(row, digest(key), digest(content)).expect("file");
            assert_eq!(said, expected, "{row}");
            found[match said {
                Repetition::New => 0,
                Repetition::Identical(_) => 1,
                Repetition::Different(_) => 2,
            }] += 1;
        }
        assert!(found.iter().all(|count| *count > 100), "{found:?}");
        assert!(in_file.table.is_some() && in_file.memory.is_empty());
        assert!(in_memory.table.is_none());
    }

    #[test]
    fn a_full_table_and_a_missing_folder_are_errors() {
        let table = Table::create(16, &std::env::temp_dir()).expect("table");
        let slots = table.groups * GROUP_SLOTS as u64;
        let add = |number: u64| {
            let key = Key([word(digest(number), 0), word(digest(number), 1), 0]);
            table.add(key, Seen { content: [0, 0], row: 1 })
        };
        for number in 0..slots {
            assert!(add(number).expect("room").is_none());
        }
        assert!(add(3).expect("is there").is_some());
        assert!(add(slots).is_err());
        assert!(Table::create(16, std::path::Path::new("/nonexistent")).is_err());
    }
}
