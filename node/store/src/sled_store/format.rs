//! The format version of a store: written when it is created, checked and brought forward when it is opened.
//!
//! The marker under [`FORMAT_KEY`] is `chengxin-store` and the version (4 bytes, big-endian). A change of
//! [`super::encoding`] that old programs would misread raises [`CURRENT`], keeps the old decoder in a
//! `mod vN` here, and adds a step to [`migrate`]. A folder of each version stays under `tests/golden`.
//!
//! | version | what is new |
//! |---|---|
//! | 1 | one tree of keys, values beside them or in the value log |
//! | 2 | commits are numbered and the last one's number stands in `acknowledged`; files of values begin with a head, their frames have a number and a checksum. Files of version 1 are read and emptied as they are. |

use std::path::Path;

use crate::error::StoreError;

use super::encoding::FORMAT_KEY;
use super::engine::engine_error;

const MARKER: &[u8; 14] = b"chengxin-store";

/// The version this program writes.
pub(crate) const CURRENT: u32 = v2::VERSION;

/// The first format: one tree of keys, values beside them or in the value log.
pub(crate) mod v1 {
    /// Number of this format.
    pub(crate) const VERSION: u32 = 1;
}

/// Numbered commits and frames with checksums.
pub(crate) mod v2 {
    /// Number of this format.
    pub(crate) const VERSION: u32 = 2;
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
    migrate(db, version, folder)
}

/// Brings a store from `version` to [`CURRENT`].
///
/// Crash story: each step is one write, which the caller syncs; before or after it the store is of one version.
fn migrate(db: &sled::Db, version: u32, folder: &Path) -> Result<(), StoreError> {
    match version {
        0 => Err(StoreError::Damaged { detail: "the format marker says version 0" }),
        // Nothing needs rewriting: what is new is told apart by its own marks. Programs of version 1 must not empty files
        // of values in the new form.
        v1::VERSION => format_write(db, CURRENT),
        v2::VERSION => Ok(()),
        newer => Err(StoreError::NewerFormat { folder: folder.to_owned(), found: newer, supported: CURRENT }),
    }
}

pub(crate) fn format_write(db: &sled::Db, version: u32) -> Result<(), StoreError> {
    let mut marker = MARKER.to_vec();
    marker.extend_from_slice(&version.to_be_bytes());
    db.insert(FORMAT_KEY, marker).map_err(engine_error("writing the format marker"))?;
    Ok(())
}
