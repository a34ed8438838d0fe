//! What a caller, a peer or a file can make the store hold at once, each with the reason for its size.

/// Longest key in bytes. Index pages of the embedded engine hold up to 320 keys and must fit the log
/// (see `sled_store::encoding`); 512 bytes leave room for every key the use cases build.
pub const MAX_KEY_BYTES: usize = 512;

/// Longest value in bytes (4 MiB): the largest thing kept here is a sealed notice with attachments,
/// which the wire format limits to less.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;

/// Most puts, deletes and preconditions in one batch. While a batch is applied, reads wait; at the
/// measured 20,000 to 60,000 operations per second this bounds that wait to some hundred milliseconds. Of keys scattered
/// over a large store of values of about 1 KB fewer are safe from a power cut, see `sled_store::DEFAULT_SEGMENT_BYTES`.
pub const MAX_BATCH_OPERATIONS: usize = 8_192;

/// Most bytes of keys and values (put, expected) in one batch (16 MiB).
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of old values that one batch may replace or delete (64 MiB): they are kept in memory
/// until the batch is durable.
pub const MAX_BATCH_REPLACED_BYTES: usize = 64 * 1024 * 1024;

/// Most entries in one page of a scan. A larger `limit` is lowered to it.
pub const MAX_SCAN_ENTRIES: usize = 10_000;

/// A page of a scan ends early once its keys and values reach this size (8 MiB), but holds at least
/// one entry.
pub const MAX_SCAN_BYTES: usize = 8 * 1024 * 1024;

/// Most batches waiting for the commit thread; further callers wait for a place.
pub const MAX_QUEUED_BATCHES: usize = 1_024;

/// Most bytes of batches waiting for the commit thread (64 MiB); further callers wait for room.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// A commit group takes no further batch once it holds this many operations.
pub const GROUP_OPERATIONS: usize = 1_024;

/// A commit group takes no further batch once it holds this many bytes of keys and values (4 MiB), which bounds how long
/// the first of them waits.
pub const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A commit group takes no further batch once the engine's own log would get this many bytes of it (1 MiB): a group and
/// all that the engine rewrites with it must stay below a segment of its log.
pub const GROUP_ENGINE_BYTES: usize = 1024 * 1024;

/// Longest value that stays in the engine's log when one batch alone passes [`GROUP_ENGINE_BYTES`].
pub const INLINE_BYTES_OF_LARGE_BATCHES: usize = 32;
