//! What kind of file this is, from its first bytes: names lie, and the reader has none.

use crate::error::ImportError;

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Delimited text in UTF-8 or GB18030.
    Csv,
    /// An Office Open XML workbook.
    Xlsx,
}

/// How many first bytes [`format_detect`] looks at.
pub const HEAD_BYTES: usize = 4096;

/// Decides the format from the first bytes (as many as there are, up to [`HEAD_BYTES`]); formats that are known and
/// not read are refused by name.
pub fn format_detect(head: &[u8]) -> Result<FileFormat, ImportError> {
    let unsupported = |name| Err(ImportError::UnsupportedFormat { name });
    match head {
        [] => Err(ImportError::Empty),
        // OLE compound file: Excel 97-2003, WPS .et, and workbooks behind a password alike.
        [0xD0, 0xCF, 0x11, 0xE0, ..] => {
            let encrypted: Vec<u8> = "EncryptedPackage".bytes().flat_map(|byte| [byte, 0]).collect();
            if head.windows(encrypted.len()).any(|window| window == encrypted) {
                return Err(ImportError::WorkbookEncrypted);
            }
            unsupported(".xls or .et")
        }
        [b'P', b'K', 3, 4, ..] => {
            if head.windows(15).any(|window| window == b"mimetypeapplica") {
                unsupported(".ods")
            } else {
                Ok(FileFormat::Xlsx)
            }
        }
        [b'P', b'K', 5 | 7, ..] => {
            Err(ImportError::WorkbookDamaged { part: "an empty archive", source: None })
        }
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(ImportError::Utf16),
        [b'%', b'P', b'D', b'F', ..] => unsupported("PDF"),
        [0x1F, 0x8B, ..] | [b'R', b'a', b'r', b'!', ..] | [b'7', b'z', 0xBC, 0xAF, ..] => {
            unsupported("compressed")
        }
        _ => {
            let start: Vec<u8> = head.iter().copied().skip_while(u8::is_ascii_whitespace).take(9).collect();
            let start = start.to_ascii_lowercase();
            // Web systems export HTML tables and XML spreadsheets under the name .xls.
            if start.starts_with(b"<html")
                || start.starts_with(b"<table")
                || start.starts_with(b"<?xml")
                || start.starts_with(b"<!doctype")
            {
                return unsupported("HTML or XML");
            }
            // UTF-16 without a mark has a zero in every other byte of its ASCII; no supported text has any.
            if head.contains(&0) {
                return unsupported("binary or UTF-16");
            }
            Ok(FileFormat::Csv)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        assert_eq!(format_detect("行政相对人名称,".as_bytes()).expect("csv"), FileFormat::Csv);
        assert_eq!(format_detect(b"PK\x03\x04....").expect("xlsx"), FileFormat::Xlsx);
        for (head, name) in [
            (&b"\xD0\xCF\x11\xE0rest"[..], ".xls or .et"),
            (b"PK\x03\x04.....mimetypeapplication/vnd.oasis", ".ods"),
            (b"%PDF-1.7", "PDF"),
            (b"  <HTML><body>", "HTML or XML"),
            (b"a\0b\0", "binary or UTF-16"),
        ] {
            match format_detect(head) {
                Err(ImportError::UnsupportedFormat { name: actual }) => assert_eq!(actual, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(matches!(format_detect(b"\xFF\xFEa\0"), Err(ImportError::Utf16)));
        assert!(matches!(format_detect(b""), Err(ImportError::Empty)));
    }
}
