//! Rows as version 2 of their types wrote them, read and never written.

use serde::{Deserialize, Serialize};

use crate::import::ImportBatch;
use crate::restriction::RestrictionRow;
use crate::row::Row;

/// An import whose records stand in the index under unified codes themselves, not under the organisation codes within them.
#[derive(Serialize, Deserialize)]
pub(crate) struct ImportBatchV2(pub(crate) ImportBatch);

impl Row for ImportBatchV2 {
    const NAME: &'static str = "import";
    const VERSION: u8 = 2;
}

/// A restriction, kept under a unified code itself, not under the organisation code within it.
#[derive(Serialize, Deserialize)]
pub(crate) struct RestrictionRowV2(pub(crate) RestrictionRow);

impl Row for RestrictionRowV2 {
    const NAME: &'static str = "restriction";
    const VERSION: u8 = 2;
}
