//! Files on their way in. An upload is written to disk before it is read, because a workbook must be sought in and an
//! interrupted import must find its file again.
//!
//! Names: `f-<digest>` is a file, with `f-<digest>.json` saying how it is to be read; `b-<batch>.json` says which file an
//! unfinished import needs. A crash leaves at most an `incoming-…` that the next upload sweeps away, or a file without
//! an import, which goes when newer ones come. Files hold personal data: the folder has mode 0700, files 0600.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::BodyDataStream;
use chengxin_exchange::import::{ImportFile, ReadSeek};
use chengxin_import::{Exceptions, ImportOptions as ReadingOptions};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::digest::{Sha256, Sha256Stream, hex_encode};
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::unified_code::CheckException;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use crate::bounded_file::{BoundedFileError, bytes_read};
use crate::failure::Failure;
use crate::types::import::{IMPORT_FILE_LIMIT, ImportException};
use crate::types::problem::Problem;

/// Files kept for their failing rows after they were examined; the oldest go first. Files of unfinished imports are
/// kept besides.
const FILES_KEPT: usize = 8;

/// Longest plan read. Its exceptions, a hundred with reasons of 200 characters, come to 100 KiB; the name of a sheet
/// adds what fits into a query string, of which the server takes less than half a mebibyte.
const PLAN_FILE_LIMIT: u64 = 1 << 20;

/// Makes names of uploads in progress unique within one run of the program; two programs never share a spool.
static INCOMING: AtomicU64 = AtomicU64::new(0);

/// How a file is to be read: kept beside it, so that resuming and exporting failing rows read it the same way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    file_name: String,
    record_type: Option<RecordType>,
    sheet: Option<String>,
    exceptions: Vec<(u64, CheckException)>,
    /// The spooled file, once it is complete.
    file: String,
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
        Self { file_name: file_name.to_owned(), record_type, sheet, exceptions, file: String::new() }
    }

    /// The options for the reader of the format. Scratch files lie beside the file itself: what they tell of it, it tells
    /// as well.
    pub(crate) fn options(&self, file: &SpooledFile) -> ReadingOptions {
        ReadingOptions {
            record_type: self.record_type,
            sheet: self.sheet.clone(),
            exceptions: Exceptions {
                rows: self.exceptions.iter().cloned().collect(),
                ..Exceptions::default()
            },
            scratch: file.path.parent().map(Path::to_owned),
            ..ReadingOptions::default()
        }
    }

    /// The name of the file where it came from.
    pub(crate) fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The name under which the spooled file and its failing rows are found.
    pub(crate) fn id(&self) -> &str {
        &self.file
    }
}

/// A complete file of the spool.
pub(crate) struct SpooledFile {
    path: PathBuf,
    name: String,
}

impl ImportFile for SpooledFile {
    fn open(&self) -> std::io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(std::fs::File::open(&self.path)?))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Writes an upload to disk and completes its plan.
pub(crate) async fn file_receive(
    folder: &Path,
    body: BodyDataStream,
    mut plan: Plan,
) -> Result<(Plan, SpooledFile), Failure> {
    let failed = |error: std::io::Error| Failure::spool(&error);
    if !folder.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    sweep(folder).map_err(failed)?;
    let incoming = folder.join(format!("incoming-{}", INCOMING.fetch_add(1, Ordering::Relaxed)));
    let digest = match body_write(&incoming, body).await {
        Ok(digest) => digest,
        Err(failure) => {
            // Best effort: what stays behind is swept away before the next upload.
            let _ = std::fs::remove_file(&incoming);
            return Err(failure);
        }
    };
    plan.file = format!("f-{}", hex_encode(&digest.0[..16]));
    let path = folder.join(&plan.file);
    std::fs::rename(&incoming, &path).map_err(failed)?;
    let sidecar = folder.join(format!("{}.json", plan.file));
    plan_write(&sidecar, &plan).await.map_err(failed)?;
    let name = plan.file_name.clone();
    Ok((plan, SpooledFile { path, name }))
}

async fn body_write(path: &Path, mut body: BodyDataStream) -> Result<Sha256, Failure> {
    let failed = |error: std::io::Error| Failure::spool(&error);
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = tokio::fs::File::from_std(file.map_err(failed)?);
    let mut digest = Sha256Stream::new();
    let mut length = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(ErrorCode::Invalid, "the file was cut off on its way", "文件传送中断")
                .with_field("file")
                .with_fix("send it again", "重新发送")
        })?;
        length = length.saturating_add(chunk.len() as u64);
        if length > IMPORT_FILE_LIMIT {
            let problem = Problem::new(
                ErrorCode::TooLarge,
                format!("the file has more than {IMPORT_FILE_LIMIT} bytes"),
                format!("文件超过 {IMPORT_FILE_LIMIT} 字节"),
            );
            return Err(problem.with_field("file").with_fix("split the file", "拆分文件").into());
        }
        digest.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    Ok(digest.finish())
}

/// Remembers which file an import needs until it is finished or taken back.
pub(crate) async fn plan_keep(folder: &Path, batch: &BatchId, plan: &Plan) -> std::io::Result<()> {
    plan_write(&batch_path(folder, batch), plan).await
}

/// Forgets it; the file itself goes with the next sweep.
pub(crate) async fn plan_forget(folder: &Path, batch: &BatchId) -> std::io::Result<()> {
    match tokio::fs::remove_file(batch_path(folder, batch)).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Finds the file of an unfinished import.
pub(crate) async fn batch_find(folder: &Path, batch: &BatchId) -> Result<(Plan, SpooledFile), Failure> {
    find(
        folder,
        &batch_path(folder, batch),
        "take the import back, then import the file again",
        "先撤回该批次, 再重新导入文件",
    )
    .await
}

/// Finds an examined file by the name its report gave.
pub(crate) async fn file_find(folder: &Path, id: &str) -> Result<(Plan, SpooledFile), Failure> {
    // The name becomes part of a path: nothing but our own form passes.
    let ours = id.strip_prefix("f-").is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    if !ours {
        return Err(Failure::field("id", "not one that a report gave", "不是报告中给出的编号"));
    }
    find(
        folder,
        &folder.join(format!("{id}.json")),
        "check the file again with --dry-run",
        "用 --dry-run 重新校验文件",
    )
    .await
}

async fn find(
    folder: &Path,
    sidecar: &Path,
    fix_en: &str,
    fix_zh: &str,
) -> Result<(Plan, SpooledFile), Failure> {
    let gone = || {
        Failure::from(
            Problem::new(ErrorCode::NotFound, "the file is no longer kept here", "该文件已不再保存")
                .with_fix(fix_en, fix_zh),
        )
    };
    let plan = plan_read(sidecar).ok().flatten().ok_or_else(gone)?;
    let path = folder.join(&plan.file);
    if plan.file.is_empty() || !path.is_file() {
        return Err(gone());
    }
    let name = plan.file_name.clone();
    Ok((plan, SpooledFile { path, name }))
}

fn batch_path(folder: &Path, batch: &BatchId) -> PathBuf {
    folder.join(format!("{batch}.json"))
}

/// Written beside and renamed, so that a crash leaves the old plan or the new one.
async fn plan_write(path: &Path, plan: &Plan) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let bytes = serde_json::to_vec(plan).map_err(std::io::Error::other)?;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    let mut file = tokio::fs::File::from_std(file);
    file.write_all(&bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&part, path).await
}

/// Reads a plan; none if the file does not hold one. The folder is the node's own, so that is noted in the journal.
fn plan_read(path: &Path) -> std::io::Result<Option<Plan>> {
    let bytes = match bytes_read(path, PLAN_FILE_LIMIT) {
        Ok(bytes) => bytes,
        Err(BoundedFileError::Read { source, .. }) => return Err(source),
        Err(error @ BoundedFileError::TooLong { .. }) => {
            tracing::warn!(%error, "a plan in the spool folder is not read");
            return Ok(None);
        }
    };
    let plan = serde_json::from_slice(&bytes);
    if let Err(error) = &plan {
        tracing::warn!(path = %path.display(), %error, "a plan in the spool folder cannot be parsed");
    }
    Ok(plan.ok())
}

/// Removes examined files beyond [`FILES_KEPT`], but none that an unfinished import needs.
fn sweep(folder: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    let mut needed = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("b-") && name.ends_with(".json") {
            if let Some(plan) = plan_read(&entry.path())? {
                needed.insert(plan.file);
            }
        } else if name.starts_with("f-") && !name.contains('.') {
            files.push((entry.metadata()?.modified()?, name));
        }
    }
    files.retain(|(_, name)| !needed.contains(name));
    files.sort();
    let surplus = (files.len() + 1).saturating_sub(FILES_KEPT);
    for (_, name) in files.iter().take(surplus) {
        std::fs::remove_file(folder.join(name))?;
        match std::fs::remove_file(folder.join(format!("{name}.json"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    async fn receive(folder: &Path, text: &str) -> Plan {
        let plan = Plan::new("a.csv", None, None, &[], "zhang");
        let body = Body::from(text.to_owned()).into_data_stream();
        file_receive(folder, body, plan).await.map_err(|failure| failure.0.detail_en).expect("received").0
    }

    #[tokio::test]
    async fn a_file_is_found_again_by_its_name_and_by_its_import() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("folder");
        let spool = folder.path().join("spool");
        let plan = receive(&spool, "行政相对人名称\n").await;
        let (found, file) = file_find(&spool, plan.id()).await.map_err(|_| ()).expect("by name");
        assert_eq!((found.id(), file.name()), (plan.id(), "a.csv"));
        assert_eq!(std::fs::metadata(&spool).expect("folder").permissions().mode() & 0o777, 0o700);
        assert_eq!(
            std::fs::metadata(spool.join(plan.id())).expect("file").permissions().mode() & 0o777,
            0o600
        );
        let batch = BatchId([1; 16]);
        assert!(batch_find(&spool, &batch).await.is_err());
        plan_keep(&spool, &batch, &plan).await.expect("kept");
        assert!(batch_find(&spool, &batch).await.is_ok());
        plan_forget(&spool, &batch).await.expect("forgotten");
        assert!(batch_find(&spool, &batch).await.is_err());
        for bad in ["", "f-", "../etc/passwd", "f-../../../../../../../../etc/passwd0", "b-00"] {
            assert!(file_find(&spool, bad).await.is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_plan_that_is_too_long_is_no_plan_and_stops_no_upload() {
        let folder = tempfile::tempdir().expect("folder");
        let plan = receive(folder.path(), "行政相对人名称\n").await;
        let batch = BatchId([1; 16]);
        plan_keep(folder.path(), &batch, &plan).await.expect("kept");
        // Blanks behind the document would be accepted by the parser: only the length is wrong.
        let mut text = serde_json::to_string(&plan).expect("plan");
        text.push_str(&" ".repeat(usize::try_from(PLAN_FILE_LIMIT).expect("limit")));
        std::fs::write(batch_path(folder.path(), &batch), &text).expect("written");
        std::fs::write(folder.path().join(format!("{}.json", plan.id())), &text).expect("written");
        let by_batch = batch_find(folder.path(), &batch).await.map(|_| ()).expect_err("not read");
        assert_eq!(by_batch.0.code, ErrorCode::NotFound);
        let by_name = file_find(folder.path(), plan.id()).await.map(|_| ()).expect_err("not read");
        assert_eq!(by_name.0.code, ErrorCode::NotFound);
        receive(folder.path(), "another").await;
    }

    #[tokio::test]
    async fn old_files_go_unless_an_import_needs_them() {
        let folder = tempfile::tempdir().expect("folder");
        let needed = receive(folder.path(), "needed").await;
        plan_keep(folder.path(), &BatchId([1; 16]), &needed).await.expect("kept");
        for number in 0..FILES_KEPT * 2 {
            receive(folder.path(), &format!("file {number}")).await;
        }
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("f-") && !name.ends_with(".json"))
            .collect();
        assert_eq!(names.len(), FILES_KEPT + 1, "{names:?}");
        assert!(names.contains(&needed.id().to_owned()));
    }
}
