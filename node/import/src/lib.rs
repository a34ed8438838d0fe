//! Reads the files of other systems: encodings, CSV, XLSX, key dialects, row errors.
