//! The format version of a store: written when it is created, checked and brought forward when it is opened.
//!
//! The marker under [`FORMAT_KEY`] is `chengxin-store` and the version (4 bytes, big-endian). A change of
//! [`super::encoding`] that old programs would misread raises [`CURRENT`], keeps the old decoder in a
//! `mod vN` here, and adds a step to [`migrate`]. A folder of each version stays under `tests/golden`.

use std::path::Path;

use crate::error::StoreError;

use super::encoding::FORMAT_KEY;
use super::engine::engine_error;

const MARKER: &[u8; 14] = b"chengxin-store";

/// The version this program writes.
pub(crate) const CURRENT: u32 = v1::VERSION;

/// The first format: one tree of keys, values beside them or in the value log.
pub(crate) mod v1 {
    /// Number of this format.
    pub(crate) const VERSION: u32 = 1;
}

/// Checks the marker, creates it in an empty tree if `create` asks for that, and migrates older formats.
///
/// Crash story: the marker is the first thing ever written and the caller syncs it before anything else
/// is. A crash before that leaves an empty tree, which counts as "no store yet" and can be created again.
pub(crate) fn format_open(db: &sled::Db, folder: &Path, create: bool) -> Result<(), StoreError> {
    let Some(marker) = db.get(FORMAT_KEY).map_err(engine_error("reading the format marker"))? else {
        if !db.is_empty() {
            return Err(StoreError::Damaged { detail: "there are entries but no format marker" });
        }
        if !create {
            return Err(StoreError::Missing { folder: folder.to_owned() });
        }
        return format_write(db, CURRENT);
    };
    let Some((MARKER, version)) = marker.split_first_chunk() else {
        return Err(StoreError::Damaged { detail: "the format marker is not one" });
    };
    let version = u32::from_be_bytes(
        version.try_into().map_err(|_| StoreError::Damaged { detail: "the format marker is not one" })?,
    );
    migrate(version, folder)
}

/// Brings a store from `version` to [`CURRENT`]; nothing to do yet but to refuse what is not known.
fn migrate(version: u32, folder: &Path) -> Result<(), StoreError> {
    match version {
        0 => Err(StoreError::Damaged { detail: "the format marker says version 0" }),
        v1::VERSION => Ok(()),
        newer => Err(StoreError::NewerFormat { folder: folder.to_owned(), found: newer, supported: CURRENT }),
    }
}

pub(crate) fn format_write(db: &sled::Db, version: u32) -> Result<(), StoreError> {
    let mut marker = MARKER.to_vec();
    marker.extend_from_slice(&version.to_be_bytes());
    db.insert(FORMAT_KEY, marker).map_err(engine_error("writing the format marker"))?;
    Ok(())
}
