//! Every bound of this crate, each with its reason: a peer, a mirror or a file can grow nothing past these.

use chengxin_schemas::wire::METADATA_LIMIT;

/// Most members of a federation. The list of members is one signed file that has to fit a frame of the wire
/// protocol ([`METADATA_LIMIT`]); an entry takes about 150 bytes of it. Regional delegations, each with a file of
/// its own, will lift this.
pub const MEMBERS_LIMIT: usize = 12_000;
/// Largest directory entry, in bytes. A full entry with all its keys and addresses takes about 6 KiB.
pub const ENTRY_LIMIT: usize = 64 * 1024;
/// Largest published content (policy bundle, calendar), in bytes: one frame of the wire protocol.
pub const CONTENT_LIMIT: usize = METADATA_LIMIT;
/// Largest part of a league's or city's overlay, in bytes. Every node holds those of all regions.
pub const OVERLAY_LIMIT: usize = 256 * 1024;
/// Largest targets metadata, in bytes: one frame of the wire protocol.
pub const TARGETS_LIMIT: usize = METADATA_LIMIT;
/// Largest root metadata, in bytes: thirty-two keys with signatures of old and new holders take about 15 KiB.
pub const ROOT_LIMIT: usize = 64 * 1024;
/// Largest snapshot metadata, in bytes: a line per targets file; today one, later one per region.
pub const SNAPSHOT_LIMIT: usize = 256 * 1024;
/// Largest timestamp metadata, in bytes: it names one file.
pub const TIMESTAMP_LIMIT: usize = 16 * 1024;
/// Most roots fetched in one refresh, and most versions of the root there can be. A root changes about once a year.
pub const ROOT_VERSIONS_LIMIT: u64 = 256;
/// Most holders of root keys.
pub const ROOT_KEYS_LIMIT: usize = 32;
/// Files of members fetched at the same time in one refresh.
pub const FETCHES_AT_ONCE: usize = 16;
/// Contradicting files kept as evidence; the first few prove it, more only fill the disk.
pub const CONFLICTS_KEPT: usize = 16;
/// Files written at the same time: a file system syncs several in hardly more time than one.
pub const WRITES_AT_ONCE: usize = 16;
/// Largest evidence bundle, in bytes of JSON: the roots, the three role files and up to [`EVIDENCE_ENTRIES_LIMIT`]
/// entries. An entry with one key and two addresses takes 1.5 KiB, so that those of the largest federation fit; 3,000
/// fit with all the keys that an entry can have.
pub const EVIDENCE_LIMIT: usize = 32 * 1024 * 1024;
/// Most agencies in one evidence bundle: a certificate of a check rests on the answers of all members.
pub const EVIDENCE_ENTRIES_LIMIT: usize = MEMBERS_LIMIT;
/// Largest application to join, in bytes.
pub const APPLICATION_LIMIT: usize = 32 * 1024;
/// Most tokens waiting to be redeemed; a campaign enrols a region at a time.
pub const TOKENS_LIMIT: usize = 4_000;
/// Most rows of the token book: those that wait, and the redeemed ones, which stay for a token's longest life so that a
/// repeated application is recognised. A federation can enrol all its members within that time.
pub const TOKEN_ROWS_LIMIT: usize = TOKENS_LIMIT + MEMBERS_LIMIT;
/// Longest life of a token, in seconds: 30 days.
pub const TOKEN_LIFETIME_LIMIT: i64 = 30 * 24 * 3600;
/// Largest key file, in bytes: a seed and a comment.
pub const KEY_FILE_LIMIT: usize = 4 * 1024;
/// Generations of snapshot and targets files kept on disk after newer ones replaced them, so that a peer which has
/// just read the older timestamp can finish its refresh.
pub const GENERATIONS_KEPT: u64 = 3;
/// For how long after expiry a node may go on with what it already verified, in seconds: 72 hours, a weekend and a
/// day, in which a coordinator's node can be repaired. Nothing new is accepted in that time, and every answer says so.
pub const GRACE_SECONDS: i64 = 72 * 3600;
/// Difference between two members' clocks that is not held against anybody, in seconds.
pub const CLOCK_TOLERANCE_SECONDS: i64 = 300;
/// Longest time after the last signature in which a coordinator's node signs by itself, in seconds: 14 days, the usual
/// life of a snapshot. A federation whose coordinator is away for longer has been past its grace for a week, so a person
/// is at hand to compare the clock; one that is ahead by less stops changes for no longer than that.
pub const CLOCK_LEAP_SECONDS: i64 = 14 * 24 * 3600;
