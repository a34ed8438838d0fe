//! Why the store refused or failed; no message holds a key or a value.

use std::path::PathBuf;

use bytes::Bytes;

/// Every way in which a store operation fails.
///
/// Keys and values never appear in messages, because keys can hold keyed hashes of subject numbers.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A precondition of the batch did not hold; nothing of the batch was written. Read again, decide
    /// again, commit again.
    #[error("precondition {position} of the batch does not hold, nothing was written")]
    Conflict {
        /// Position of the first violated precondition, from 0, in the order they were added.
        position: usize,
    },
    /// A key, value or batch is larger than the store accepts; nothing was written.
    #[error("{part} has {actual}, the store accepts at most {limit}: split it or make it smaller")]
    TooLarge {
        /// What was too large, and in which unit it is counted.
        part: LimitedPart,
        /// The size that was asked for.
        actual: usize,
        /// The largest size accepted.
        limit: usize,
    },
    /// A key was empty. The empty key is refused because a range cannot continue before it.
    #[error("a key is empty: every key needs at least one byte")]
    EmptyKey,
    /// The snapshot is too old: later commits changed more than the store keeps in memory for it.
    #[error(
        "the snapshot has expired because too much was changed since: take a new snapshot and start over"
    )]
    SnapshotExpired,
    /// An earlier write, flush or sync failed, so the state on disk is not known.
    #[error(
        "the store stopped after a failed write ({reason}): free space or repair the disk, then open it again"
    )]
    Poisoned {
        /// The first failure, as the operating system or engine put it.
        reason: String,
    },
    /// The commit thread has ended, because the store is being closed.
    #[error("the store is closed")]
    Closed,
    /// The folder holds no store and the options do not ask to create one.
    #[error("{} holds no store: check that the disk is mounted, or create a new store on purpose", folder.display())]
    Missing {
        /// The folder that was to be opened.
        folder: PathBuf,
    },
    /// Another process, or another part of this one, has the store open.
    #[error("{} is already open: stop the other process that uses this folder", folder.display())]
    InUse {
        /// The folder that was to be opened.
        folder: PathBuf,
    },
    /// The store was written by a later release.
    #[error(
        "{} has store format {found}, this program reads up to {supported}: install a newer release or restore a backup",
        folder.display()
    )]
    NewerFormat {
        /// The folder that was to be opened.
        folder: PathBuf,
        /// Format version found in the store.
        found: u32,
        /// Highest format version this program knows.
        supported: u32,
    },
    /// The contents are not what this store writes.
    #[error("the store is damaged ({detail}): restore it from a backup")]
    Damaged {
        /// What was found, without keys or values.
        detail: &'static str,
    },
    /// A value in a scanned range cannot be read. The other keys can: scan the range before and after this one. The value
    /// can be replaced and deleted.
    #[error("a value in the range cannot be read: restore it from a backup, or replace or delete it")]
    Unreadable {
        /// The first such key of the page.
        key: UnreadableKey,
        /// What was met.
        #[source]
        source: Box<StoreError>,
    },
    /// The engine's log ends before a commit that was acknowledged: its end is lost or unreadable. No file was removed, and
    /// nothing in the folder was changed if the log tells its last commit, as it does unless none follows its snapshot.
    #[error(
        "the store has lost its end: its log reaches commit {found}, and commit {acknowledged} was acknowledged: copy the folder as it is, then restore a backup"
    )]
    Behind {
        /// Number of the last commit in the log.
        found: u64,
        /// Number of the last commit known to have been acknowledged.
        acknowledged: u64,
    },
    /// An option is outside its permitted range.
    #[error("option {name} is not usable: {fix}")]
    Option {
        /// Name of the field of the options.
        name: &'static str,
        /// What to give instead.
        fix: &'static str,
    },
    /// A backup stream is not complete and intact, or cannot be restored here.
    #[error("the backup cannot be used at byte {offset}: {fault}")]
    Backup {
        /// Bytes read before the fault.
        offset: u64,
        /// What is wrong.
        fault: BackupFault,
    },
    /// Files could not be read or written.
    #[error("{action} failed")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The embedded engine failed.
    #[error("{action} failed in the storage engine")]
    Engine {
        /// What was being done.
        action: &'static str,
        /// The cause. Boxed and without its type, so that the engine stays an inner matter.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A key whose value cannot be read.
#[derive(Clone, PartialEq, Eq)]
pub struct UnreadableKey(pub(crate) Bytes);

impl UnreadableKey {
    /// The key itself; not for messages.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// The length only.
impl std::fmt::Debug for UnreadableKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UnreadableKey").field("bytes", &self.0.len()).finish()
    }
}

/// What a limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedPart {
    /// The bytes of one key.
    Key,
    /// The bytes of one value.
    Value,
    /// The operations and preconditions of one batch.
    BatchOperations,
    /// The bytes of all keys and values of one batch.
    BatchBytes,
    /// The bytes of the old values that one batch replaces or deletes.
    BatchReplacedBytes,
}

impl std::fmt::Display for LimitedPart {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Key => "a key (in bytes)",
            Self::Value => "a value (in bytes)",
            Self::BatchOperations => "a batch (in operations)",
            Self::BatchBytes => "a batch (in bytes)",
            Self::BatchReplacedBytes => "what a batch replaces (in bytes)",
        })
    }
}

/// What is wrong with a backup stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupFault {
    /// The stream does not begin like a backup.
    NotABackup,
    /// The stream was written by a later release.
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Highest format version this program knows.
        supported: u32,
    },
    /// The stream ends before its trailer.
    Truncated,
    /// A length is beyond what the writer ever produces.
    Oversized,
    /// A checksum does not match.
    Checksum,
    /// Entries are not in strictly ascending order, or a part is not laid out as the writer does it.
    Layout,
    /// The counts in the trailer differ from what was read.
    Counts,
    /// Bytes follow the trailer.
    TrailingBytes,
    /// The stream changed between being verified and being imported.
    Changed,
    /// The store that should receive the backup is not empty.
    StoreNotEmpty,
}

impl std::fmt::Display for BackupFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotABackup => formatter.write_str("it is not a store backup"),
            Self::NewerFormat { found, supported } => write!(
                formatter,
                "it has backup format {found} and this program reads up to {supported}, install a newer release"
            ),
            Self::Truncated => formatter.write_str("it ends too early, copy it again"),
            Self::Oversized => formatter.write_str("a length is beyond the limit, copy it again"),
            Self::Checksum => formatter.write_str("a checksum does not match, copy it again"),
            Self::Layout => formatter.write_str("its entries are out of order or malformed"),
            Self::Counts => formatter.write_str("its counts do not match its entries"),
            Self::TrailingBytes => formatter.write_str("bytes follow its end"),
            Self::Changed => formatter.write_str("it changed while it was being restored"),
            Self::StoreNotEmpty => {
                formatter.write_str("the store to restore into is not empty, restore into a new one")
            }
        }
    }
}

impl StoreError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    /// The same failure for a further waiter of the same commit group; sources are told once, to the
    /// first waiter and the log.
    pub(crate) fn poisoned(reason: &str) -> Self {
        Self::Poisoned { reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_part_and_the_fix_and_do_not_repeat_the_source() {
        let too_large = StoreError::TooLarge { part: LimitedPart::Key, actual: 600, limit: 512 };
        assert_eq!(
            too_large.to_string(),
            "a key (in bytes) has 600, the store accepts at most 512: split it or make it smaller"
        );
        let io = StoreError::Io { action: "reading the folder", source: std::io::Error::other("inner text") };
        assert_eq!(io.to_string(), "reading the folder failed");
        let newer = StoreError::NewerFormat { folder: "/data/store".into(), found: 9, supported: 1 };
        assert!(newer.to_string().contains("/data/store"));
    }
}
