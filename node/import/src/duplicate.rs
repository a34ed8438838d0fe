//! Which rows of one file are the same record, in a few dozen bytes a row.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chengxin_schemas::digest::{Sha256, Sha256Stream};
use chengxin_schemas::record::{FieldValue, RecordFields};
use chengxin_schemas::subject::name_normalise;

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

/// Bytes that one row costs in the set.
pub(crate) const ENTRY_BYTES: usize = size_of::<(Key, Seen)>() + 1;

/// The rows accepted so far.
#[derive(Default)]
pub(crate) struct DuplicateSet(HashMap<Key, Seen>);

impl DuplicateSet {
    /// Looks a row up and remembers it if it is new.
    pub(crate) fn row_add(&mut self, row: u64, key: Sha256, content: Sha256) -> Repetition {
        let content = [word(content, 0), word(content, 1)];
        match self.0.entry(Key([word(key, 0), word(key, 1), word(key, 2)])) {
            Entry::Occupied(entry) => {
                let seen = entry.get();
                if seen.content == content {
                    Repetition::Identical(u64::from(seen.row))
                } else {
                    Repetition::Different(u64::from(seen.row))
                }
            }
            Entry::Vacant(entry) => {
                // Rows are limited to a few million, far below the range.
                entry.insert(Seen { content, row: u32::try_from(row).unwrap_or(u32::MAX) });
                Repetition::New
            }
        }
    }
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
