//! What a foreign file may make this crate hold or do: every bound has a name and a reason.

/// Bounds on one import. The defaults fit the largest files that the reporting systems produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Data rows. An XLSX sheet holds 1,048,576; CSV exports of a province run to a little more. The table that
    /// finds repeated rows takes 48 bytes of scratch space for each.
    pub rows: u64,
    /// Columns of a row. The widest template has 30, stores add a dozen of their own.
    pub columns: usize,
    /// Bytes of one row in UTF-8. Excel allows 32,767 characters in a cell; a row beyond this is nearly always an
    /// unclosed quote swallowing the file.
    pub row_bytes: usize,
    /// Bytes of a CSV file: two million rows of a kilobyte each.
    pub csv_bytes: u64,
    /// Bytes of an XLSX file as it lies on disk.
    pub xlsx_bytes: u64,
    /// Entries in the ZIP directory of an XLSX file; workbooks have tens.
    pub zip_entries: usize,
    /// Bytes of all parts of an XLSX file together, decompressed. Sheets are streamed, so this bounds time, not memory.
    pub unpacked_bytes: u64,
    /// Decompressed bytes per compressed byte, of each part above one MiB. Real sheets reach about 20; deflate
    /// itself can reach 1,032.
    pub compression_ratio: u64,
    /// Bytes of the shared-string part, which is held in memory.
    pub shared_string_bytes: u64,
    /// XML tags of the shared-string part: a text costs at least two, and a few dozen bytes of memory.
    pub shared_string_tags: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self {
            rows: 2_000_000,
            columns: 256,
            row_bytes: 1 << 20,
            csv_bytes: 4 << 30,
            xlsx_bytes: 256 << 20,
            zip_entries: 4096,
            unpacked_bytes: 2 << 30,
            compression_ratio: 200,
            shared_string_bytes: 128 << 20,
            shared_string_tags: 16_000_000,
        }
    }
}
