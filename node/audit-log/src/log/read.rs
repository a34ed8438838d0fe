//! Reading: entries, bodies, pages, searches, proofs. Whatever comes from a tile is checked against the hashes before
//! it is given out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKey;
use chengxin_schemas::time::UnixTime;

use super::recovery::file_read;
use super::state::{Published, Shared, lock};
use super::{AuditLog, blocking};
use crate::bodies::{self, BodiesFile, SlotState};
use crate::body::Body;
use crate::checkpoint::Checkpoint;
use crate::entry::{EntryIndex, EntryKind, Leaf, LeafOutline, LoggedEntry, Outcome};
use crate::error::LogError;
use crate::merkle::{Subtrees, consistency_proof, inclusion_check, inclusion_proof, leaf_hash, root_of};
use crate::note::UnverifiedNote;
use crate::proof::proof_write;
use crate::tile::{ENTRY_LIMIT, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, bundle_parse, hashes_parse};
use crate::tree::TileEdge;

/// Most entries in one page.
pub const PAGE_LIMIT: usize = 1_000;
/// Most entries that one search looks at before it gives back what it has.
pub const SEARCH_SCAN_LIMIT: u64 = 65_536;
/// Bundles kept after reading: a scan touches each several times.
const BUNDLES_KEPT: usize = 8;
/// Longest bundle file, in bytes.
pub(super) const BUNDLE_LIMIT: u64 = TILE_WIDTH * (ENTRY_LIMIT as u64 + 2);

/// The entries of one full bundle.
type Bundle = Arc<Vec<Arc<[u8]>>>;
/// The bundles read last, newest at the back.
pub(super) type BundleCache = VecDeque<(u64, Bundle)>;

/// Which way a page goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Towards newer entries, beginning with the one named.
    Forward,
    /// Towards older entries, beginning with the one named.
    Backward,
}

/// What to search for; an absent field matches everything. Bodies are not searched.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// At or after this time, by the caller's clock. Recorded times alone would not do: one reading of a clock that was
    /// ahead is the recorded time of everything after it.
    pub from: Option<UnixTime>,
    /// Before this time, by the caller's clock.
    pub until: Option<UnixTime>,
    /// One of these kinds; all if empty.
    pub kinds: Vec<EntryKind>,
    /// By this account.
    pub account: Option<OperatorName>,
    /// By an operator of this agency, or with it as the peer.
    pub agency: Option<AgencyCode>,
    /// For this purpose.
    pub purpose: Option<PurposeCode>,
    /// About this subject, by its identifier's keyed hash or by its name's.
    pub subject: Option<SubjectKey>,
    /// Decided by this rule.
    pub rule: Option<String>,
    /// With this outcome, whatever the error code.
    pub outcome: Option<Outcome>,
    /// With this digest as request or result.
    pub digest: Option<Sha256>,
    /// Only entries before this number: the next page.
    pub before: Option<EntryIndex>,
}

impl Filter {
    /// Whether an entry matches; `before` is not looked at.
    pub fn matches(&self, leaf: &Leaf) -> bool {
        fn wanted<T: PartialEq>(want: &Option<T>, have: &Option<T>) -> bool {
            want.is_none() || want == have
        }
        let kind = |outcome: &Outcome| std::mem::discriminant(outcome);
        let time = leaf.clock.unwrap_or(leaf.time);
        self.from.is_none_or(|from| time >= from)
            && self.until.is_none_or(|until| time < until)
            && (self.kinds.is_empty() || self.kinds.contains(&leaf.kind))
            && wanted(&self.account, &leaf.actor.account)
            && self.agency.is_none_or(|agency| leaf.actor.agency == agency || leaf.peer == Some(agency))
            && wanted(&self.purpose, &leaf.purpose)
            && (wanted(&self.subject, &leaf.subject) || wanted(&self.subject, &leaf.subject_name))
            && wanted(&self.rule, &leaf.rule)
            && self.outcome.is_none_or(|outcome| kind(&outcome) == kind(&leaf.outcome))
            && self.digest.is_none_or(|digest| leaf.request == Some(digest) || leaf.result == Some(digest))
    }
}

/// What one search found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SearchPage {
    /// Matches, newest first.
    pub entries: Vec<LoggedEntry>,
    /// Put this into [`Filter::before`] to go on; nothing when the whole range was looked at.
    pub next: Option<EntryIndex>,
    /// Entries looked at.
    pub scanned: u64,
}

impl AuditLog {
    /// Reads one entry.
    pub async fn read(&self, index: EntryIndex) -> Result<LoggedEntry, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || entry_read(&shared, index.0)).await
    }

    /// The bytes of an entry as they stand in the log: what a proof is about.
    pub async fn read_bytes(&self, index: EntryIndex) -> Result<Vec<u8>, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || leaf_read(&shared, index.0).map(|leaf| leaf.to_vec())).await
    }

    /// Opens the body of an entry. Reading bodies is the caller's business to authorise and to log.
    pub async fn read_body(&self, index: EntryIndex) -> Result<Body, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || body_read(&shared, index.0)).await
    }

    /// A page of at most `limit` entries (and of [`PAGE_LIMIT`]) beginning with `from`.
    pub async fn scan(
        &self,
        from: EntryIndex,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<LoggedEntry>, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let size = lock(&shared.state).durable;
            let limit = limit.min(PAGE_LIMIT) as u64;
            let range = match direction {
                Direction::Forward => from.0.min(size)..from.0.saturating_add(limit).min(size),
                Direction::Backward => {
                    let end = from.0.saturating_add(1).min(size);
                    end.saturating_sub(limit)..end
                }
            };
            let mut entries = range.map(|index| entry_read(&shared, index)).collect::<Result<Vec<_>, _>>()?;
            if direction == Direction::Backward {
                entries.reverse();
            }
            Ok(entries)
        })
        .await
    }

    /// Searches backwards from the newest entry, or from `filter.before`. It reads the entries one after the other,
    /// at most [`SEARCH_SCAN_LIMIT`] of them in one call; there is no index, so a search for something rare in a large
    /// log takes many calls.
    pub async fn search(&self, filter: Filter, limit: usize) -> Result<SearchPage, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || search(&shared, &filter, limit.clamp(1, PAGE_LIMIT))).await
    }

    /// Evidence that the entry stands in the log: a C2SP tlog-proof under the last checkpoint. Together with the
    /// entry's bytes it can be checked by anybody, offline.
    pub async fn proof(&self, index: EntryIndex) -> Result<String, LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || proof(&shared, index.0)).await
    }

    /// Proof that the log of `old` entries is the beginning of the log under the last checkpoint, which is given too:
    /// what a witness asks for.
    pub async fn consistency(&self, old: u64) -> Result<(Vec<Sha256>, String), LogError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let Published { size, note, edge } = lock(&shared.state).published.clone();
            if old > size {
                return Err(LogError::NotCovered { index: old, size });
            }
            let source = TileSource { shared: &shared, size, edge: &edge };
            Ok((consistency_proof(&source, old, size)?, note))
        })
        .await
    }
}

fn entry_read(shared: &Shared, index: u64) -> Result<LoggedEntry, LogError> {
    Ok(LoggedEntry { index: EntryIndex(index), leaf: Leaf::decode(&leaf_read(shared, index)?)? })
}

/// The bytes of an entry, from memory or from a full bundle.
pub(super) fn leaf_read(shared: &Shared, index: u64) -> Result<Arc<[u8]>, LogError> {
    {
        let state = lock(&shared.state);
        if index >= state.durable {
            return Err(LogError::NotFound { index, size: state.durable });
        }
        if let Some(place) = index.checked_sub(state.tail_start) {
            let leaf = usize::try_from(place).ok().and_then(|place| state.tail.get(place));
            return leaf.cloned().ok_or(LogError::NotFound { index, size: state.durable });
        }
    }
    bundle_entry_read(shared, index)
}

/// The bytes of an entry that stands in a full bundle.
pub(super) fn bundle_entry_read(shared: &Shared, index: u64) -> Result<Arc<[u8]>, LogError> {
    let number = index / TILE_WIDTH;
    let place = usize::try_from(index % TILE_WIDTH).unwrap_or(0);
    let entry = |bundle: &Bundle| bundle.get(place).cloned().ok_or(LogError::NotFound { index, size: index });
    if let Some((_, bundle)) = lock(&shared.bundles).iter().find(|(cached, _)| *cached == number) {
        return entry(bundle);
    }
    let bundle = bundle_read(shared, number)?;
    let mut cache = lock(&shared.bundles);
    if cache.len() >= BUNDLES_KEPT {
        cache.pop_front();
    }
    cache.push_back((number, Arc::clone(&bundle)));
    entry(&bundle)
}

/// Reads a full bundle and checks it against its hash tile: a damaged entry is named and not given out. Whether tile
/// and bundle were changed together only the checkpoint can tell; proofs and the verifier look there.
fn bundle_read(shared: &Shared, number: u64) -> Result<Bundle, LogError> {
    let path = shared.folder.join(TilePath::full(TileKind::Entries, number).to_string());
    let bytes = file_read(&path, BUNDLE_LIMIT)?;
    let entries = bundle_parse(&bytes, TILE_WIDTH)
        .map_err(|error| LogError::contradiction(&path, error.to_string()))?;
    let hashes = tile_read(shared, 0, number)?;
    for ((entry, hash), index) in entries.iter().zip(hashes).zip(number * TILE_WIDTH..) {
        if leaf_hash(entry) != hash {
            return Err(LogError::contradiction(
                &path,
                format!("entry {index} does not have the hash in the tile"),
            ));
        }
    }
    Ok(Arc::new(entries.into_iter().map(Arc::from).collect()))
}

fn tile_read(shared: &Shared, level: u8, number: u64) -> Result<Vec<Sha256>, LogError> {
    let path = shared.folder.join(TilePath::full(TileKind::Hashes(level), number).to_string());
    let bytes = file_read(&path, TILE_WIDTH * 32)?;
    hashes_parse(&bytes, TILE_WIDTH).map_err(|error| LogError::contradiction(&path, error.to_string()))
}

fn body_read(shared: &Shared, index: u64) -> Result<Body, LogError> {
    let reference = LeafOutline::decode(&leaf_read(shared, index)?)?.body;
    let mut file = BodiesFile::open(&shared.folder, bodies::segment_first(index))?;
    let slot = file.find(index)?;
    if slot.head.state == SlotState::Erased {
        return Err(LogError::Erased { index });
    }
    let content = file.content(&slot)?;
    if Sha256::of(&content) != reference.sealed {
        // An erasure may have come between the two reads.
        let again = BodiesFile::open(&shared.folder, bodies::segment_first(index))?.find(index)?;
        return Err(match again.head.state {
            SlotState::Erased => LogError::Erased { index },
            SlotState::Sealed => LogError::contradiction(
                &file.path,
                format!("the body of entry {index} at offset {} is damaged", slot.offset),
            ),
        });
    }
    let opened = shared.body_keys.open(&shared.origin, index, &content, &reference)?;
    Body::decode(opened.body())
}

fn search(shared: &Shared, filter: &Filter, limit: usize) -> Result<SearchPage, LogError> {
    let size = lock(&shared.state).durable;
    let end = filter.before.map_or(size, |before| before.0.min(size));
    let mut page = SearchPage { entries: Vec::new(), next: None, scanned: 0 };
    let range: Range<u64> = end.saturating_sub(SEARCH_SCAN_LIMIT)..end;
    let start = range.start;
    for index in range.rev() {
        let entry = entry_read(shared, index)?;
        page.scanned += 1;
        // Recorded times never fall, and no clock was ahead of the time recorded with it: so everything older is too old
        // as well.
        if filter.from.is_some_and(|from| entry.leaf.time < from) {
            return Ok(page);
        }
        if filter.matches(&entry.leaf) {
            page.entries.push(entry);
        }
        if page.entries.len() == limit {
            page.next = Some(EntryIndex(index)).filter(|next| next.0 > 0);
            return Ok(page);
        }
    }
    page.next = Some(EntryIndex(start)).filter(|next| next.0 > 0);
    Ok(page)
}

fn proof(shared: &Shared, index: u64) -> Result<String, LogError> {
    let (Published { size, note, edge }, durable) = {
        let state = lock(&shared.state);
        (state.published.clone(), state.durable)
    };
    if index >= durable {
        return Err(LogError::NotFound { index, size: durable });
    }
    if index >= size {
        return Err(LogError::NotCovered { index, size });
    }
    let path = inclusion_proof(&TileSource { shared, size, edge: &edge }, index, size)?;
    // A damaged tile would make a proof that proves nothing: it is checked before it is handed out.
    let checkpoint = Checkpoint::verify(&UnverifiedNote::parse(note.as_bytes())?, &shared.verifiers)?;
    let leaf = leaf_read(shared, index)?;
    inclusion_check(index, size, leaf_hash(&leaf), &path, checkpoint.root).map_err(|error| {
        LogError::contradiction(
            &shared.folder.join("tile"),
            format!("the proof of entry {index} does not hold: {error}"),
        )
    })?;
    Ok(proof_write(index, &path, &note))
}

/// The tree of a published checkpoint: full tiles from files, the right edge from memory.
struct TileSource<'a> {
    shared: &'a Shared,
    size: u64,
    edge: &'a TileEdge,
}

impl Subtrees for TileSource<'_> {
    fn subtree(&self, height: u32, position: u64) -> Result<Sha256, LogError> {
        let missing = || LogError::NotFound { index: position, size: self.size };
        let level = u8::try_from(height / TILE_HEIGHT).map_err(|_| missing())?;
        let within = height % TILE_HEIGHT;
        let first = position << within;
        let number = first / TILE_WIDTH;
        let offset = usize::try_from(first % TILE_WIDTH).map_err(|_| missing())?;
        let range = offset..offset + (1 << within);
        let full = self.size.checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
        let hashes =
            if number < full { &tile_read(self.shared, level, number)? } else { self.edge.level(level) };
        hashes.get(range).map(root_of).ok_or_else(missing)
    }
}
