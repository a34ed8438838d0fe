//! Rows of delimited text, one at a time, within fixed memory.

use std::io::{Read, Seek};

use csv_core::ReadRecordResult;

use crate::cells::Cells;
use crate::encoding::{DecodedText, TextEncoding};
use crate::error::ImportError;
use crate::limits::ImportLimits;

/// Delimiters that exports of Chinese and European office programs use, in order of preference.
pub(crate) const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

/// A delimited file at some row.
pub(crate) struct CsvFile<R> {
    text: DecodedText<R>,
    parser: csv_core::Reader,
    input: Vec<u8>,
    position: usize,
    output: Vec<u8>,
    ends: Vec<usize>,
    /// Sheet row of the record read last, counted from 1; blank lines count, as they do on screen.
    row: u64,
    /// The last record ended in a carriage return, whose line feed is still to come.
    after_return: bool,
    limits: ImportLimits,
    encoding: TextEncoding,
}

impl<R: Read + Seek> CsvFile<R> {
    /// Starts at the first row.
    pub(crate) fn new(
        reader: R,
        encoding: TextEncoding,
        delimiter: u8,
        limits: ImportLimits,
    ) -> Result<Self, ImportError> {
        Ok(Self {
            text: DecodedText::new(reader, encoding)?,
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            input: Vec::new(),
            position: 0,
            output: vec![0; 16 * 1024],
            ends: vec![0; 64],
            row: 0,
            after_return: false,
            limits,
            encoding,
        })
    }

    /// Gives the reader back, wherever it stands.
    pub(crate) fn into_reader(self) -> R {
        self.text.into_reader()
    }

    /// Reads the next row that has a cell; its sheet row, or nothing at the end.
    pub(crate) fn row_read(&mut self, cells: &mut Cells) -> Result<Option<u64>, ImportError> {
        cells.clear();
        if !self.blank_lines_skip()? {
            return Ok(None);
        }
        self.row += 1;
        let (mut written, mut fields) = (0, 0);
        loop {
            if self.position == self.input.len() {
                self.position = 0;
                self.text.chunk_read(&mut self.input)?;
            }
            // The last record may lack its line end. It is given one: what that does not end stands in open quotes,
            // which the parser tells in no other way.
            let at_end = self.input.is_empty();
            let input = if at_end { b"\n" } else { &self.input[self.position..] };
            let (result, read, wrote, ended) =
                self.parser.read_record(input, &mut self.output[written..], &mut self.ends[fields..]);
            if !at_end {
                if let Some(last) = input[..read].last() {
                    self.after_return = *last == b'\r';
                }
                self.position += read;
            }
            written += wrote;
            fields += ended;
            match result {
                ReadRecordResult::InputEmpty if at_end => {
                    return Err(ImportError::UnclosedQuote { row: self.row });
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    if self.output.len() >= self.limits.row_bytes {
                        return Err(ImportError::RowTooLarge {
                            row: self.row,
                            limit: self.limits.row_bytes as u64,
                        });
                    }
                    self.output.resize((self.output.len() * 2).min(self.limits.row_bytes), 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    if self.ends.len() >= self.limits.columns {
                        return Err(ImportError::TooLarge {
                            what: "columns",
                            limit: self.limits.columns as u64,
                        });
                    }
                    self.ends.resize((self.ends.len() * 2).min(self.limits.columns), 0);
                }
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        self.cells_fill(written, fields, cells)?;
        Ok(Some(self.row))
    }

    fn cells_fill(&self, written: usize, fields: usize, cells: &mut Cells) -> Result<(), ImportError> {
        // The scan of the whole file found valid UTF-8, so this fails only if the file changed since.
        let text = std::str::from_utf8(&self.output[..written]).map_err(|_| ImportError::Undecodable {
            encoding: self.encoding.as_str(),
            line: self.row,
            offset: 0,
        })?;
        let mut start = 0;
        for end in &self.ends[..fields] {
            cells.push(text.get(start..*end).unwrap_or_default());
            start = *end;
        }
        Ok(())
    }

    /// Moves to the first byte of the next record; false at the end of the file.
    fn blank_lines_skip(&mut self) -> Result<bool, ImportError> {
        loop {
            if self.position == self.input.len() {
                self.position = 0;
                if !self.text.chunk_read(&mut self.input)? {
                    return Ok(false);
                }
            }
            match self.input[self.position] {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' => self.row += 1,
                b'\r' => {
                    self.row += 1;
                    self.after_return = true;
                }
                _ => {
                    self.after_return = false;
                    return Ok(true);
                }
            }
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn rows(text: &str) -> Result<Vec<(u64, Vec<String>)>, ImportError> {
        rows_within(text, ImportLimits::default())
    }

    fn rows_within(text: &str, limits: ImportLimits) -> Result<Vec<(u64, Vec<String>)>, ImportError> {
        let mut file = CsvFile::new(Cursor::new(text.as_bytes().to_vec()), TextEncoding::Utf8, b',', limits)?;
        let mut cells = Cells::default();
        let mut rows = Vec::new();
        while let Some(row) = file.row_read(&mut cells)? {
            rows.push((row, cells.iter().map(str::to_owned).collect()));
        }
        Ok(rows)
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        let actual = rows(text).expect("rows");
        let actual: Vec<(u64, Vec<&str>)> =
            actual.iter().map(|(row, cells)| (*row, cells.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(u64, Vec<&str>)> =
            expected.iter().map(|(row, cells)| (*row, cells.to_vec())).collect();
        assert_eq!(actual, expected, "{text:?}");
    }

    #[test]
    fn row_numbers_are_those_on_screen() {
        check("a,b\n1,2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a\r\n\r\n\r\nb\r\nc", &[(1, &["a"]), (4, &["b"]), (5, &["c"])]);
        check("\n\na\n\nb", &[(3, &["a"]), (5, &["b"])]);
        check("a\rb\r\rc\r", &[(1, &["a"]), (2, &["b"]), (4, &["c"])]);
        check("\"x\ny\",2\n3,4\n", &[(1, &["x\ny", "2"]), (2, &["3", "4"])]);
        check("a,\"he said \"\"no\"\"\"\n", &[(1, &["a", "he said \"no\""])]);
        check(",,\n", &[(1, &["", "", ""])]);
        check("", &[]);
    }

    #[test]
    fn a_quote_that_never_closes_is_an_error_and_a_stray_one_is_text() {
        assert!(matches!(rows("a,b\n1,\"2\n3,4\n"), Err(ImportError::UnclosedQuote { row: 2 })));
        check("5\" pipe,b\n1,2\n", &[(1, &["5\" pipe", "b"]), (2, &["1", "2"])]);
        check("a,b\n1,DN5\" pipe", &[(1, &["a", "b"]), (2, &["1", "DN5\" pipe"])]);
        check("a,b\n1,\"x\"\"y\"", &[(1, &["a", "b"]), (2, &["1", "x\"y"])]);
        for open in ["a,b\n1,\"2", "a,b\n1,\"2\"\"", "a,b\n1,\""] {
            assert!(matches!(rows(open), Err(ImportError::UnclosedQuote { row: 2 })), "{open}");
        }
    }

    #[test]
    fn rows_and_columns_are_bounded() {
        let limits = ImportLimits { row_bytes: 32 * 1024, columns: 70, ..ImportLimits::default() };
        let long = format!("a\n\"{}", "x".repeat(100_000));
        assert!(matches!(rows_within(&long, limits), Err(ImportError::RowTooLarge { row: 2, .. })));
        assert!(matches!(rows_within(&",".repeat(70), limits), Err(ImportError::TooLarge { .. })));
        assert_eq!(rows_within(&",".repeat(69), limits).expect("at the limit").len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_the_cells_the_csv_crate_gives(text in "[ab,\"\n\r，甲]{0,60}") {
            let Ok(rows) = rows(&text) else { return Ok(()) };
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                reader.records().map(|record| record.expect("utf-8").iter().map(str::to_owned).collect()).collect();
            proptest::prop_assert_eq!(rows.into_iter().map(|(_, cells)| cells).collect::<Vec<_>>(), expected);
        }
    }
}
