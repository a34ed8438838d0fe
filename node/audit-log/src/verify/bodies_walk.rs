//! Follows the entries with one look at each body slot, in order.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use chengxin_schemas::digest::Sha256;

use super::{Source, State};
use crate::bodies::{
    BODIES_FOLDER, BODIES_PER_SEGMENT, BodyKeys, SLOT_HEAD, SlotHead, SlotState, segment_first, segment_head,
    segment_name,
};
use crate::entry::{BodyReference, LeafOutline};
use crate::error::LogError;
use crate::note::KeyName;

/// Verifies slots as the entries come by.
pub(super) struct BodiesWalk<'a> {
    source: &'a dyn Source,
    origin: &'a KeyName,
    keys: Option<&'a BodyKeys>,
    state: State,
    file: Option<SegmentReader<'a>>,
    report: BodiesReport,
    /// Number of the next entry.
    next: u64,
    /// Slots that were erased, with the offset of each.
    erased: BTreeMap<u64, u64>,
    /// Entries that other entries say were erased.
    recorded: BTreeMap<u64, u64>,
}

/// What was found.
#[derive(Default)]
pub(super) struct BodiesReport {
    pub(super) intact: u64,
    pub(super) opened: Option<u64>,
    pub(super) erased: u64,
    pub(super) unfinished: u64,
    pub(super) absent: bool,
    pub(super) incomplete: Option<(String, u64)>,
}

struct SegmentReader<'a> {
    path: String,
    file: BufReader<Box<dyn Read + 'a>>,
    offset: u64,
}

impl SegmentReader<'_> {
    fn take(&mut self, bytes: &mut [u8]) -> Result<(), LogError> {
        self.file.read_exact(bytes).map_err(|error| {
            LogError::damaged(&self.path, self.offset, format!("the file ends early: {error}"))
        })?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Passes over what stands before `offset`.
    fn skip_to(&mut self, offset: u64) -> Result<(), LogError> {
        let skipped = std::io::copy(&mut (&mut self.file).take(offset - self.offset), &mut std::io::sink())
            .map_err(|error| {
            LogError::damaged(&self.path, self.offset, format!("cannot be read: {error}"))
        })?;
        self.offset += skipped;
        Ok(())
    }

    /// Whether nothing follows.
    fn is_at_end(&mut self) -> Result<bool, LogError> {
        let mut byte = [0];
        let count = self.file.read(&mut byte).map_err(|error| {
            LogError::damaged(&self.path, self.offset, format!("cannot be read: {error}"))
        })?;
        Ok(count == 0)
    }
}

impl<'a> BodiesWalk<'a> {
    /// `whole`: the bodies must be there.
    pub(super) fn new(
        source: &'a dyn Source,
        origin: &'a KeyName,
        keys: Option<&'a BodyKeys>,
        whole: bool,
        state: State,
    ) -> Result<Self, LogError> {
        let absent = !whole && source.list(BODIES_FOLDER)?.is_empty();
        let report =
            BodiesReport { opened: keys.filter(|_| !absent).map(|_| 0), absent, ..BodiesReport::default() };
        Ok(Self {
            source,
            origin,
            keys,
            state,
            file: None,
            report,
            next: 0,
            erased: BTreeMap::new(),
            recorded: BTreeMap::new(),
        })
    }

    /// Notes the erasure that an entry tells of, if it does.
    pub(super) fn erasure_note(&mut self, index: u64, outline: &LeafOutline) {
        if let Some(erased) = outline.erases() {
            self.recorded.insert(erased.0, index);
        }
    }

    /// The next entry: reads its slot.
    pub(super) fn entry(&mut self, index: u64, outline: &LeafOutline) -> Result<(), LogError> {
        self.erasure_note(index, outline);
        if self.report.absent {
            return Ok(());
        }
        if index.is_multiple_of(BODIES_PER_SEGMENT) {
            self.end_verify()?;
            self.file = Some(self.begin(index)?);
        }
        self.next = index + 1;
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let start = file.offset;
        let mut checked = self.slot_check(&mut file, index, &outline.body);
        if checked.is_err() && self.state == State::Running {
            // It may have been erased while it was read.
            file = self.begin(segment_first(index))?;
            file.skip_to(start)?;
            checked = self.slot_check(&mut file, index, &outline.body);
        }
        match checked? {
            SlotState::Erased => drop(self.erased.insert(index, start)),
            SlotState::Sealed => {
                self.report.intact += 1;
                self.report.opened = self.report.opened.map(|count| count + 1);
            }
        }
        self.file = Some(file);
        Ok(())
    }

    /// Reads one slot and holds it against its entry.
    fn slot_check(
        &self,
        file: &mut SegmentReader<'a>,
        index: u64,
        reference: &BodyReference,
    ) -> Result<SlotState, LogError> {
        let start = file.offset;
        let mut head = [0; SLOT_HEAD];
        file.take(&mut head)?;
        let head = SlotHead::decode(&head, index)
            .filter(|head| head.length == reference.length)
            .ok_or_else(|| LogError::damaged(&file.path, start, format!("not the slot of entry {index}")))?;
        let mut content = vec![0; head.length as usize];
        file.take(&mut content)?;
        match head.state {
            SlotState::Erased => {
                if let Some(place) = content.iter().position(|byte| *byte != 0) {
                    let offset = start + (SLOT_HEAD + place) as u64;
                    return Err(LogError::damaged(
                        &file.path,
                        offset,
                        format!("entry {index}: bytes in an erased body"),
                    ));
                }
            }
            SlotState::Sealed => {
                let damaged =
                    |reason: &str| LogError::damaged(&file.path, start, format!("entry {index}: {reason}"));
                if Sha256::of(&content) != reference.sealed {
                    return Err(damaged("the body is not the one that the entry names"));
                }
                if let Some(keys) = self.keys {
                    keys.open(self.origin, index, &content, reference)
                        .map_err(|error| damaged(&error.to_string()))?;
                }
            }
        }
        Ok(head.state)
    }

    fn begin(&self, first: u64) -> Result<SegmentReader<'a>, LogError> {
        let path = segment_name(first);
        let file =
            self.source.open(&path)?.ok_or_else(|| LogError::damaged(&path, 0, "the file is missing"))?;
        let mut reader = SegmentReader { path, file: BufReader::with_capacity(64 * 1024, file), offset: 0 };
        let expected = segment_head(first);
        let mut head = vec![0; expected.len()];
        reader.take(&mut head)?;
        if head != expected {
            return Err(LogError::damaged(&reader.path, 0, "the head of the file does not fit its name"));
        }
        Ok(reader)
    }

    /// A file holds the bodies of its entries and nothing else.
    fn end_verify(&mut self) -> Result<(), LogError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        if file.is_at_end()? {
            Ok(())
        } else {
            Err(LogError::damaged(&file.path, file.offset, "bytes after the last body"))
        }
    }

    /// After the last entry, those beyond the checkpoint included.
    pub(super) fn finish(mut self) -> Result<BodiesReport, LogError> {
        // Bodies are written before their entries: more of them than entries is what a crash leaves.
        if let Some(mut file) = self.file.take()
            && !file.is_at_end()?
        {
            self.report.incomplete = Some((file.path, file.offset));
        }
        let mut names = self.source.list(BODIES_FOLDER)?;
        let belongs = |name: &str| {
            let first = name.strip_suffix(".bodies").and_then(|digits| digits.parse::<u64>().ok());
            first.is_some_and(|first| {
                first < self.next
                    && first.is_multiple_of(BODIES_PER_SEGMENT)
                    && segment_name(first) == format!("{BODIES_FOLDER}/{name}")
            })
        };
        names.retain(|name| !belongs(name));
        if let Some(name) = names.first() {
            self.report.incomplete.get_or_insert((format!("{BODIES_FOLDER}/{name}"), 0));
        }
        for (index, offset) in &self.erased {
            if self.recorded.remove(index).is_none() {
                return Err(LogError::damaged(
                    segment_name(segment_first(*index)),
                    *offset,
                    format!("the body of entry {index} was erased, and no entry says so"),
                ));
            }
        }
        self.report.erased = self.erased.len() as u64;
        // While the log runs an erasure may come after its slot was read; one that fails stops the log.
        if !self.report.absent && self.state == State::Still {
            self.report.unfinished = self.recorded.len() as u64;
        }
        Ok(self.report)
    }
}
