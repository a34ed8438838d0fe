//! Whole files in, checked records and row issues out.

#[path = "import/support.rs"]
mod support;
#[path = "import/traps.rs"]
mod traps;
