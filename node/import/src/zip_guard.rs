//! Looks through a workbook before the spreadsheet library sees it, so that nothing in it can unpack into memory.
//!
//! A few kilobytes of deflate can become gigabytes, a directory can list millions of entries, and one XML text can be
//! as long as its file. The guard reads every part once, in a fixed buffer, and refuses what no real workbook has:
//! false or huge sizes and absurd ratios in any part; document types, comments, CDATA and endless texts in the parts
//! that the library opens (drawings, comments of cells and data of other programs may have them). What it passes, the
//! library can load within [`ImportLimits`]. On the way it notes hidden rows and merged areas, which the library does
//! not tell while streaming.
//!
//! Not solved: the time to decompress what is allowed (a few seconds at the limit), and a file that changes between
//! the passes.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;

use crate::error::ImportError;
use crate::importer::AnyReader;
use crate::limits::ImportLimits;
use crate::xml_scan::{Scan, TAG_BYTES, XmlScan, attribute};

/// Bytes that may be read to find and parse the directory: thousands of entries fit, millions do not.
const DIRECTORY_BYTES: u64 = 8 << 20;
/// Decompressed size of a part that is held in memory whole: workbook, styles, relationships.
const CONTROL_PART_BYTES: u64 = 16 << 20;
/// Tags in the styles part. Excel allows 65,490 cell formats; each has a handful of tags and costs some 200 bytes.
const STYLE_TAGS: u64 = 500_000;
/// Decompressed size of a part that is neither sheet nor text: pictures, pivot caches.
const OTHER_PART_BYTES: u64 = 64 << 20;
/// Parts up to this size are not worth a ratio: a nearly empty sheet compresses absurdly well.
const RATIO_FROM_BYTES: u64 = 1 << 20;
/// Merged areas, sheets and their relationships noted; areas beyond cause no warning.
const NOTES_KEPT: usize = 1000;
/// Relationship tags kept to look for the names of parts, of which there can be thousands; with more of them, as in a
/// workbook of hundreds of sheets, every part counts as opened.
const OPENED_TAGS: usize = 256;
/// Hidden rows noted: every row of a full sheet, at eight bytes each, over all sheets.
const HIDDEN_KEPT: usize = 1 << 20;

/// A merged area in sheet rows and columns, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) first_row: u64,
    pub(crate) last_row: u64,
    pub(crate) column: usize,
}

/// What a sheet hides from a streaming reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct SheetNotes {
    /// Hidden rows, counted from 1, in order.
    pub(crate) hidden: Vec<u64>,
    pub(crate) merged: Vec<Area>,
}

/// Notes on the sheets of a workbook, in the order of the workbook.
#[derive(Debug, Default)]
pub(crate) struct WorkbookNotes {
    parts: HashMap<String, SheetNotes>,
    /// Relationship id of each sheet, in order.
    sheets: Vec<String>,
    /// Part of each relationship.
    targets: HashMap<String, String>,
    /// Hidden rows noted so far.
    hidden: usize,
    opened: OpenedParts,
}

/// Which parts the library opens as workbook or sheet, besides those it opens by name. It follows relationships of
/// certain types; here every tag of a relationship that mentions such a type counts, and a part counts as opened when
/// such a tag mentions its file name. That finds too many and, however a tag is written, never too few.
#[derive(Debug, Default)]
struct OpenedParts {
    /// Relationship tags in lower case.
    tags: Vec<String>,
    /// A tag that cannot be judged: with an entity in it (addresses of links have them), too long to be kept, or one too
    /// many.
    all: bool,
}

impl OpenedParts {
    fn tag_note(&mut self, tag: &[u8]) {
        self.all |= tag.len() >= TAG_BYTES;
        let tag = String::from_utf8_lossy(tag).to_lowercase();
        let names_workbook = tag.contains("relationships/officedocument");
        self.all |= tag.contains('&') && (names_workbook || !tag.contains("relationships/hyperlink"));
        if !names_workbook && !tag.contains("sheet") {
            return;
        }
        if self.tags.len() < OPENED_TAGS {
            self.tags.push(tag);
        } else {
            self.all = true;
        }
    }

    fn has(&self, name: &str) -> bool {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
        self.all || self.tags.iter().any(|tag| tag.contains(&file))
    }
}

impl WorkbookNotes {
    /// The notes on the sheet at `index`; empty where the workbook is built in an unusual way.
    pub(crate) fn sheet(&self, index: usize) -> SheetNotes {
        let mut notes = self
            .sheets
            .get(index)
            .and_then(|id| self.targets.get(id))
            .and_then(|part| self.parts.get(part))
            .cloned()
            .unwrap_or_default();
        notes.hidden.sort_unstable();
        notes
    }
}

/// A reader that gives up after a number of bytes. The number is shared, so it can be raised later.
pub(crate) struct BudgetReader {
    inner: AnyReader,
    budget: Arc<AtomicU64>,
}

impl BudgetReader {
    /// Starts with the budget for a directory.
    pub(crate) fn new(inner: AnyReader) -> (Self, Arc<AtomicU64>) {
        let budget = Arc::new(AtomicU64::new(DIRECTORY_BYTES));
        (Self { inner, budget: Arc::clone(&budget) }, budget)
    }

    pub(crate) fn into_inner(self) -> AnyReader {
        self.inner
    }
}

impl Read for BudgetReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.budget.load(Ordering::Relaxed);
        if left == 0 {
            return Err(std::io::Error::other("the archive directory is larger than any workbook's"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.budget.store(left.saturating_sub(count as u64), Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for BudgetReader {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(position)
    }
}

/// Damage in `part`, with what the library says about it.
pub(crate) fn damaged(
    part: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> ImportError {
    ImportError::WorkbookDamaged { part, source: Some(Box::new(source)) }
}

/// Reads every part of the workbook once and gives the reader back.
///
/// # Errors
/// [`ImportError::ZipBomb`], [`ImportError::TooLarge`], [`ImportError::WorkbookDamaged`] (also for a file cut off
/// anywhere), [`ImportError::WorkbookEncrypted`].
pub(crate) fn workbook_check(
    reader: AnyReader,
    limits: &ImportLimits,
) -> Result<(AnyReader, WorkbookNotes), ImportError> {
    let (reader, budget) = BudgetReader::new(reader);
    let mut archive = ZipArchive::new(reader).map_err(|error| damaged("archive directory", error))?;
    budget.store(u64::MAX, Ordering::Relaxed);
    if archive.len() > limits.zip_entries {
        return Err(ImportError::ZipBomb { what: "number of parts" });
    }
    let mut notes = WorkbookNotes::default();
    sizes_check(&mut archive, limits)?;
    kind_check(&archive)?;
    let mut total = 0_u64;
    // Relationships first: they say which of the others are opened.
    let (first, then): (Vec<usize>, Vec<usize>) = (0..archive.len()).partition(|index| {
        let name = archive.name_for_index(*index);
        // A name that cannot be read is an error when its part is.
        name.and_then(Result::ok)
            .is_some_and(|name| PartKind::of(&name.to_ascii_lowercase()) == PartKind::Relationships)
    });
    for index in first.into_iter().chain(then) {
        total = total.saturating_add(part_check(&mut archive, index, limits, total, &mut notes)?);
    }
    if total == 0 {
        return Err(ImportError::WorkbookDamaged { part: "an empty archive", source: None });
    }
    Ok((archive.into_inner().into_inner(), notes))
}

/// Whether the archive is a workbook at all: other office files and plain archives begin with the same bytes.
fn kind_check(archive: &ZipArchive<BudgetReader>) -> Result<(), ImportError> {
    let mut is_workbook = false;
    for name in archive.file_names() {
        let name = name.map_err(|error| damaged("archive part name", error))?.to_ascii_lowercase();
        if name.ends_with("workbook.bin") {
            return Err(ImportError::UnsupportedFormat { name: ".xlsb" });
        }
        is_workbook |= PartKind::of(&name) == PartKind::Workbook;
    }
    if is_workbook { Ok(()) } else { Err(ImportError::UnsupportedFormat { name: "ZIP or other office" }) }
}

/// What the directory itself declares, before anything is decompressed.
fn sizes_check(archive: &mut ZipArchive<BudgetReader>, limits: &ImportLimits) -> Result<(), ImportError> {
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| damaged("archive directory", error))?;
        if entry.encrypted() {
            return Err(ImportError::WorkbookEncrypted);
        }
        total = total.saturating_add(entry.size());
        if total > limits.unpacked_bytes {
            return Err(ImportError::ZipBomb { what: "declared size" });
        }
        if ratio_is_absurd(entry.size(), entry.compressed_size(), limits) {
            return Err(ImportError::ZipBomb { what: "declared compression ratio" });
        }
    }
    Ok(())
}

fn ratio_is_absurd(unpacked: u64, packed: u64, limits: &ImportLimits) -> bool {
    unpacked > RATIO_FROM_BYTES && unpacked / packed.max(1) > limits.compression_ratio
}

/// Decompresses one part in a fixed buffer and returns its size.
fn part_check(
    archive: &mut ZipArchive<BudgetReader>,
    index: usize,
    limits: &ImportLimits,
    before: u64,
    notes: &mut WorkbookNotes,
) -> Result<u64, ImportError> {
    let mut entry = archive.by_index(index).map_err(|error| damaged("archive part", error))?;
    let name = entry.name().map_err(|error| damaged("archive part name", error))?.to_ascii_lowercase();
    let (declared, packed) = (entry.size(), entry.compressed_size());
    let kind = PartKind::of(&name);
    let mut scan = (kind.is_opened() || notes.opened.has(&name)).then(XmlScan::new);
    let mut sheet = SheetNotes::default();
    let room = HIDDEN_KEPT.saturating_sub(notes.hidden);
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut size = 0_u64;
    loop {
        let count = match entry.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged("compressed data", error)),
        };
        size = size.saturating_add(count as u64);
        if size > declared {
            return Err(ImportError::ZipBomb { what: "a part larger than declared" });
        }
        if size > kind.bytes_limit(limits) || before.saturating_add(size) > limits.unpacked_bytes {
            return Err(ImportError::ZipBomb { what: kind.name() });
        }
        if ratio_is_absurd(size, packed, limits) {
            return Err(ImportError::ZipBomb { what: "compression ratio" });
        }
        let Some(scan) = scan.as_mut() else { continue };
        scan.chunk_add(&buffer[..count], &mut |tag| kind.tag_note(tag, &mut sheet, room, notes)).map_err(
            |scan| match scan {
                Scan::Endless(what) => ImportError::ZipBomb { what },
                Scan::Foreign(part) => ImportError::WorkbookDamaged { part, source: None },
            },
        )?;
        if scan.tags() > kind.tags_limit(limits) {
            return Err(ImportError::ZipBomb { what: "number of XML tags" });
        }
    }
    if size < declared {
        return Err(ImportError::WorkbookDamaged { part: "a part shorter than declared", source: None });
    }
    if kind == PartKind::Sheet {
        notes.hidden = notes.hidden.saturating_add(sheet.hidden.len());
        notes.parts.insert(name, sheet);
    }
    Ok(size)
}

/// What the library does with a part, as far as its name tells. Any part can be named as a sheet by the
/// relationships, so a name can only lower a limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Sheet,
    SharedStrings,
    Styles,
    Workbook,
    Relationships,
    Theme,
    Other,
}

impl PartKind {
    fn of(name: &str) -> Self {
        if name.ends_with(".rels") {
            Self::Relationships
        } else if name.contains("sharedstrings") {
            Self::SharedStrings
        } else if name.ends_with("styles.xml") {
            Self::Styles
        } else if name.ends_with("workbook.xml") {
            Self::Workbook
        } else if name.contains("worksheets/") && name.ends_with(".xml") {
            Self::Sheet
        } else if name.ends_with("theme/theme1.xml") {
            Self::Theme
        } else {
            Self::Other
        }
    }

    /// Whether the library opens parts of the kind by their names.
    fn is_opened(self) -> bool {
        match self {
            Self::SharedStrings | Self::Styles | Self::Workbook | Self::Relationships | Self::Theme => true,
            Self::Sheet | Self::Other => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sheet => "sheet",
            Self::SharedStrings => "shared texts",
            Self::Styles => "styles",
            Self::Workbook => "workbook",
            Self::Relationships => "relationships",
            Self::Theme | Self::Other => "another part",
        }
    }

    fn bytes_limit(self, limits: &ImportLimits) -> u64 {
        match self {
            Self::Sheet => limits.unpacked_bytes,
            Self::SharedStrings => limits.shared_string_bytes,
            Self::Styles | Self::Workbook | Self::Relationships => CONTROL_PART_BYTES,
            Self::Theme | Self::Other => OTHER_PART_BYTES,
        }
    }

    fn tags_limit(self, limits: &ImportLimits) -> u64 {
        match self {
            Self::SharedStrings => limits.shared_string_tags,
            Self::Styles | Self::Workbook | Self::Relationships => STYLE_TAGS,
            Self::Sheet | Self::Theme | Self::Other => u64::MAX,
        }
    }

    /// Notes what a tag says, if it says something of use.
    fn tag_note(self, tag: &[u8], sheet: &mut SheetNotes, room: usize, notes: &mut WorkbookNotes) {
        match self {
            Self::Sheet => sheet_tag_note(tag, sheet, room),
            Self::Workbook if notes.sheets.len() < NOTES_KEPT => {
                if let Some(id) = tag_attribute(tag, b"sheet", b"id") {
                    notes.sheets.push(id);
                }
            }
            Self::Relationships => {
                notes.opened.tag_note(tag);
                if notes.targets.len() >= NOTES_KEPT {
                    return;
                }
                let id = tag_attribute(tag, b"Relationship", b"Id");
                let target = tag_attribute(tag, b"Relationship", b"Target");
                if let (Some(id), Some(target)) = (id, target)
                    && target.to_ascii_lowercase().contains("worksheets/")
                {
                    let path = target.trim_start_matches('/').to_ascii_lowercase();
                    let path = if path.starts_with("xl/") { path } else { format!("xl/{path}") };
                    notes.targets.insert(id, path);
                }
            }
            Self::Workbook | Self::SharedStrings | Self::Styles | Self::Theme | Self::Other => {}
        }
    }
}

fn sheet_tag_note(tag: &[u8], sheet: &mut SheetNotes, room: usize) {
    if sheet.hidden.len() < room
        && tag_attribute(tag, b"row", b"hidden").is_some_and(|value| value == "1" || value == "true")
        && let Some(row) = tag_attribute(tag, b"row", b"r").and_then(|row| row.parse().ok())
    {
        sheet.hidden.push(row);
    }
    if sheet.merged.len() < NOTES_KEPT
        && let Some(area) = tag_attribute(tag, b"mergeCell", b"ref").and_then(|text| area_parse(&text))
    {
        sheet.merged.push(area);
    }
}

fn tag_attribute(tag: &[u8], element: &[u8], name: &[u8]) -> Option<String> {
    attribute(tag, element, name).and_then(|value| String::from_utf8(value.to_vec()).ok())
}

/// Reads `A1:B2`.
fn area_parse(text: &str) -> Option<Area> {
    let (start, end) = text.split_once(':')?;
    let ((column, first_row), (_, last_row)) = (cell_parse(start)?, cell_parse(end)?);
    Some(Area { first_row, last_row, column })
}

fn cell_parse(text: &str) -> Option<(usize, u64)> {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    if letters == 0 || letters > 3 {
        return None;
    }
    let column =
        text.bytes().take(letters).fold(0, |column, letter| column * 26 + usize::from(letter - b'A') + 1);
    let row: u64 = text.get(letters..)?.parse().ok()?;
    Some((column - 1, row.checked_sub(1)?))
}
