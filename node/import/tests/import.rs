//! Whole files in, checked records and row issues out.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "import/files.rs"]
mod files;
#[path = "import/hostile.rs"]
mod hostile;
#[path = "import/persons.rs"]
mod persons;
#[path = "import/support.rs"]
mod support;
#[path = "import/traps.rs"]
mod traps;
#[path = "import/workbook.rs"]
mod workbook;
#[path = "import/written.rs"]
mod written;
