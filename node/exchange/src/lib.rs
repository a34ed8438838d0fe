//! The use cases, one file per noun; no input or output but through store and ports.
