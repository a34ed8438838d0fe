//! How a file of the spool is to be read: kept beside it, so that resuming and exporting failing rows read it the same
//! way.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chengxin_import::{Exceptions, ImportOptions as ReadingOptions};
use chengxin_schemas::digest::{Sha256, Sha256Stream};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::unified_code::CheckException;
use serde::{Deserialize, Serialize};

use crate::bounded_file::{BoundedFileError, bytes_read};
use crate::types::import::{ImportException, UploadId};

/// Longest plan read. Its exceptions, a hundred with reasons of 200 characters, come to 100 KiB; the name of a sheet
/// adds what fits into a query string, of which the server takes less than half a mebibyte.
pub(super) const PLAN_FILE_LIMIT: u64 = 1 << 20;

/// How a file is to be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    file_name: String,
    record_type: Option<RecordType>,
    sheet: Option<String>,
    exceptions: Vec<(u64, CheckException)>,
    /// The spooled file, once it is complete.
    file: String,
    /// Since when the file is kept for its failing rows, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kept: Option<UnixTime>,
}

impl Plan {
    /// A plan for a file that is still to arrive. `accepted_by` vouches for the exceptions.
    pub(crate) fn new(
        file_name: &str,
        record_type: Option<RecordType>,
        sheet: Option<String>,
        exceptions: &[ImportException],
        accepted_by: &str,
    ) -> Self {
        let exceptions = exceptions
            .iter()
            .map(|one| {
                let accepted =
                    CheckException { accepted_by: accepted_by.to_owned(), reason: one.reason.clone() };
                (one.row, accepted)
            })
            .collect();
        Self {
            file_name: file_name.to_owned(),
            record_type,
            sheet,
            exceptions,
            file: String::new(),
            kept: None,
        }
    }

    /// The plan of a file that has arrived, with the file's name: by its content and by the plan itself, so that the
    /// same file sent again to be read otherwise does not change what an earlier report stands for.
    pub(super) fn completed(mut self, content: &Sha256) -> std::io::Result<(Self, UploadId)> {
        let mut digest = Sha256Stream::new();
        digest.update(&content.0);
        digest.update(&serde_json::to_vec(&self).map_err(std::io::Error::other)?);
        let mut id = UploadId([0; 16]);
        id.0.copy_from_slice(&digest.finish().0[..16]);
        self.file = id.to_string();
        Ok((self, id))
    }

    pub(super) fn kept_since(mut self, now: UnixTime) -> Self {
        self.kept = Some(now);
        self
    }

    pub(super) fn kept(&self) -> Option<UnixTime> {
        self.kept
    }

    /// The options for the reader of the format. Scratch files have no name and lie in the file's own folder: what they
    /// tell of it, it tells as well.
    pub(super) fn options(&self, folder: &Path) -> ReadingOptions {
        ReadingOptions {
            record_type: self.record_type,
            sheet: self.sheet.clone(),
            exceptions: Exceptions {
                rows: self.exceptions.iter().cloned().collect(),
                ..Exceptions::default()
            },
            scratch: Some(folder.to_owned()),
            ..ReadingOptions::default()
        }
    }

    /// The name of the file where it came from.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The spooled file, if the plan names one in the form that this program gives.
    pub(super) fn file(&self) -> Option<UploadId> {
        self.file.parse().ok()
    }
}

/// Written beside, as `part`, and renamed, so that a crash leaves the old plan or the new one. The caller syncs the
/// folder.
pub(super) fn plan_write(path: &Path, part: &Path, plan: &Plan) -> std::io::Result<()> {
    let bytes = serde_json::to_vec(plan).map_err(std::io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(part, path)
}

/// Makes the names in a folder durable.
pub(super) fn folder_sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads a plan; none if there is no such file, or if it does not hold one. The folder is the node's own, so the latter
/// is noted in the journal.
pub(super) fn plan_read(path: &Path) -> std::io::Result<Option<Plan>> {
    let bytes = match bytes_read(path, PLAN_FILE_LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Ok(None),
        Err(BoundedFileError::Read { source, .. }) => return Err(source),
        Err(error @ BoundedFileError::TooLong { .. }) => {
            tracing::warn!(%error, "a plan in the spool folder is not read");
            return Ok(None);
        }
    };
    let plan = serde_json::from_slice(&bytes);
    if let Err(error) = &plan {
        // Only where and what kind: the message would repeat the text.
        let (line, column, kind) = (error.line(), error.column(), error.classify());
        tracing::warn!(path = %path.display(), line, column, ?kind, "a plan in the spool folder cannot be parsed");
    }
    Ok(plan.ok())
}
