//! Fetching for a refresh: which files to ask for, in which order, how many and how long at most. Nothing fetched here
//! is trusted; a version number read from an unverified file decides no more than what is asked for next.

use std::collections::BTreeMap;

use bytes::Bytes;
use chengxin_schemas::digest::Sha256;
use futures::{StreamExt as _, TryStreamExt as _};
use tough::schema::{Snapshot, Timestamp};

use crate::error::TrustError;
use crate::folder::Folder;
use crate::limits::FETCHES_AT_ONCE;
use crate::metadata::{self, TargetFile, target_file_name};
use crate::name::{FileName, Role, TargetPath};
use crate::source::{MetadataSource, SourceError};
use crate::verify::Gathered;

/// One file, `None` if the source does not have it.
pub(crate) async fn file_fetch(
    source: &dyn MetadataSource,
    name: FileName,
    limit: usize,
) -> Result<Option<Bytes>, TrustError> {
    let over_large = || TrustError::OverLarge { what: name.to_string(), limit: limit as u64 };
    match source.fetch(name.to_string(), limit).await {
        Ok(Some(bytes)) if bytes.len() > limit => Err(over_large()),
        Ok(found) => Ok(found),
        Err(SourceError::TooLarge { .. }) => Err(over_large()),
        Err(error @ SourceError::Failed { .. }) => Err(TrustError::Unreachable(error)),
    }
}

/// Timestamp, and the snapshot and targets files it leads to; those that `held` has with the same hash are not fetched.
pub(crate) async fn roles_gather(
    source: &dyn MetadataSource,
    held: &Folder,
    gathered: &mut Gathered,
) -> Result<(), TrustError> {
    let timestamp_bytes = file_fetch(source, FileName::Timestamp, Role::Timestamp.limit())
        .await?
        .ok_or_else(|| TrustError::Missing { file: FileName::Timestamp.to_string() })?;
    gathered.insert(FileName::Timestamp, timestamp_bytes.clone());
    let timestamp = metadata::role_parse::<Timestamp>(Role::Timestamp, &timestamp_bytes)?;
    let Some((version, digest)) = metadata::snapshot_named(&timestamp.signed) else { return Ok(()) };
    let name = FileName::Snapshot(version);
    let Some(snapshot_bytes) = held_or_fetched(source, held, name, digest).await? else { return Ok(()) };
    gathered.insert(name, snapshot_bytes.clone());
    let snapshot = metadata::role_parse::<Snapshot>(Role::Snapshot, &snapshot_bytes)?;
    let Some((version, digest)) = metadata::targets_named(&snapshot.signed) else { return Ok(()) };
    let name = FileName::Targets(version);
    if let Some(targets_bytes) = held_or_fetched(source, held, name, digest).await? {
        gathered.insert(name, targets_bytes);
    }
    Ok(())
}

async fn held_or_fetched(
    source: &dyn MetadataSource,
    held: &Folder,
    name: FileName,
    digest: Option<Sha256>,
) -> Result<Option<Bytes>, TrustError> {
    if let Some(digest) = digest
        && let Some(bytes) = held_read(held, name).await?
        && Sha256::of(&bytes) == digest
    {
        return Ok(Some(bytes));
    }
    file_fetch(source, name, name.limit()).await
}

/// The files that the verified list names, each checked against its length and digest; those held are read, the others
/// fetched, several at a time. The flag says which had to be fetched and are not stored yet.
pub(crate) async fn targets_gather(
    source: &dyn MetadataSource,
    held: &Folder,
    files: &BTreeMap<TargetPath, TargetFile>,
) -> Result<BTreeMap<TargetPath, (Bytes, bool)>, TrustError> {
    // The list is copied: a stream over borrowed pairs makes a future that is not Send for every lifetime.
    let listed: Vec<_> = files.iter().map(|(path, file)| (*path, *file)).collect();
    futures::stream::iter(listed.into_iter().map(|(path, file)| target_gather(source, held, path, file)))
        .buffer_unordered(FETCHES_AT_ONCE)
        .try_collect()
        .await
}

async fn target_gather(
    source: &dyn MetadataSource,
    held: &Folder,
    path: TargetPath,
    file: TargetFile,
) -> Result<(TargetPath, (Bytes, bool)), TrustError> {
    let name = target_file_name(path, file);
    if let Some(bytes) = held_read(held, name).await?
        && TargetFile::of(&bytes) == file
    {
        return Ok((path, (bytes, false)));
    }
    let limit = usize::try_from(file.length).unwrap_or(usize::MAX).min(path.limit());
    let bytes = file_fetch(source, name, limit)
        .await?
        .ok_or_else(|| TrustError::Missing { file: name.to_string() })?;
    if TargetFile::of(&bytes) != file {
        return Err(TrustError::MixedUp { file: name.to_string() });
    }
    Ok((path, (bytes, true)))
}

async fn held_read(held: &Folder, name: FileName) -> Result<Option<Bytes>, TrustError> {
    let held = held.clone();
    blocking(move || held.read(name, name.limit())).await.map(|found| found.map(Bytes::from))
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TrustError> + Send + 'static,
) -> Result<T, TrustError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(TrustError::Verifier {
            reason: "file work was cut short by the end of the program".to_owned(),
        }),
    }
}
