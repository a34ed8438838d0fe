//! The packed index against sets in memory, on the real store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chengxin_store::{SledOptions, SledStore};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::hooked::{Call, Hook, HookedStore};
use crate::import_lock::ImportLock;

struct Fixture {
    _folder: tempfile::TempDir,
    store: HookedStore,
    lock: ImportLock,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let inner = SledStore::open(folder.path().join("store"), SledOptions::creating()).expect("store");
        let store = HookedStore { inner, hook: Arc::default() };
        Self { _folder: folder, store, lock: ImportLock::default() }
    }

    fn hook(&self, hook: Option<Hook>) {
        *self.store.hook.lock().expect("lock") = hook;
    }

    async fn apply<const KEY: usize, const LENGTH: usize>(
        &self,
        index: &RecordIndex<KEY, LENGTH>,
        changes: &[IndexChange<LENGTH>],
    ) -> Result<()> {
        let turn = self.lock.turn_begin().await.expect("turn");
        index.changes_apply(&self.store, turn.writer(), changes.to_vec()).await
    }

    /// Every key and value of an index, byte for byte.
    async fn bytes(&self, letter: u8) -> Vec<(Bytes, Bytes)> {
        let mut range = KeyRange::prefix(&[letter]);
        let mut all = Vec::new();
        loop {
            let page = self.store.scan(range.clone(), 1_000).await.expect("scan");
            let Some((last, _)) = page.last() else { return all };
            range = range.after(last);
            all.extend(page);
        }
    }

    /// All entries in order, after the form of every block was looked at.
    async fn entries<const KEY: usize, const LENGTH: usize>(
        &self,
        index: &RecordIndex<KEY, LENGTH>,
    ) -> Vec<[u8; LENGTH]> {
        let stored = self.bytes(index.letter).await;
        let mut entries: Vec<[u8; LENGTH]> = Vec::new();
        for (place, (key, value)) in stored.iter().enumerate() {
            let block = index.block_decode(key, value.clone()).expect("block");
            assert!((1..=BLOCK_ENTRIES).contains(&block.entries().len()));
            if let Some((next, _)) = stored.get(place + 1) {
                assert!(block.entries().iter().all(|entry| entry[..KEY] < next[1..]), "below the next bound");
            }
            entries.extend(block.entries());
        }
        assert!(entries.is_sorted_by(|one, two| one[..KEY] < two[..KEY]));
        entries
    }
}

fn subject(number: u8) -> SubjectKey {
    SubjectKey([number; 32])
}

fn id(number: u16) -> RecordId {
    // Spread over the keys, as keyed hashes are.
    let mut id = [7; 16];
    id[..4].copy_from_slice(&u32::from(number).wrapping_mul(2_654_435_761).to_be_bytes());
    RecordId(id)
}

/// Whether to insert, whose, and which.
type Step = (bool, u8, u16);

fn subject_change((insert, whose, number): Step) -> IndexChange<24> {
    let entry = subject_entry(&subject(whose), u64::from(number));
    if insert { IndexChange::Insert(entry) } else { IndexChange::Remove(entry) }
}

fn id_change((insert, content, number): Step) -> IndexChange<40> {
    let entry = RecordEntries::new(&id(number), u64::from(number), &[content; 16], [subject(0)]).by_id;
    if insert { IndexChange::Insert(entry) } else { IndexChange::Remove(entry) }
}

fn merges() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = |weight| (prop::bool::weighted(weight), 0..4_u8, 0..1_200_u16);
    let merge = prop_oneof![Just(0.95), Just(0.5), Just(0.05)]
        .prop_flat_map(move |weight| prop::collection::vec(step(weight), 0..1_500));
    prop::collection::vec(merge, 1..5)
}

async fn subjects_match(fixture: &Fixture, merges: &[Vec<Step>]) {
    let mut model = BTreeSet::new();
    for merge in merges {
        let changes: Vec<_> = merge.iter().copied().map(subject_change).collect();
        fixture.apply(&BY_SUBJECT, &changes).await.expect("applied");
        for change in &changes {
            match change {
                IndexChange::Insert(entry) => model.insert(*entry),
                IndexChange::Remove(entry) => model.remove(entry),
            };
        }
        assert!(fixture.entries(&BY_SUBJECT).await.iter().eq(&model));
        let before = fixture.bytes(BY_SUBJECT.letter).await;
        fixture.apply(&BY_SUBJECT, &changes).await.expect("again");
        assert_eq!(fixture.bytes(BY_SUBJECT.letter).await, before, "the second time changes nothing");
        for whose in 0..5 {
            for (limit, divisor) in [(0, 1), (1, 1), (40, 3), (usize::MAX, 1), (usize::MAX, 7)] {
                let wanted = |number: u64| number.is_multiple_of(divisor);
                let key = subject(whose);
                let found = numbers_of(&fixture.store, &key, limit, wanted).await.expect("numbers");
                let expected = model.iter().rev().filter(|entry| entry[..16] == key.0[..16]);
                let expected = expected.map(|entry| u64::from_be_bytes(*entry.last_chunk().expect("number")));
                assert!(found.into_iter().eq(expected.filter(|number| wanted(*number)).take(limit)));
            }
        }
    }
    let all: Vec<_> = model.into_iter().map(IndexChange::Remove).collect();
    fixture.apply(&BY_SUBJECT, &all).await.expect("emptied");
    assert!(fixture.bytes(BY_SUBJECT.letter).await.is_empty(), "an index of nothing is no key");
}

async fn identifiers_match(fixture: &Fixture, merges: &[Vec<Step>]) {
    let mut model: BTreeMap<u16, u8> = BTreeMap::new();
    for merge in merges {
        let changes: Vec<_> = merge.iter().copied().map(id_change).collect();
        fixture.apply(&BY_ID, &changes).await.expect("applied");
        for (insert, content, number) in merge.iter().copied() {
            if insert {
                model.insert(number, content);
            } else if model.get(&number) == Some(&content) {
                model.remove(&number);
            }
        }
        assert_eq!(fixture.entries(&BY_ID).await.len(), model.len());
        for number in 0..1_200 {
            let found = pointer_find(&fixture.store, &id(number)).await.expect("pointer");
            let expected = model
                .get(&number)
                .map(|content| RecordPointer { number: u64::from(number), content: [*content; 16] });
            assert_eq!(found, expected);
        }
    }
    let all: Vec<_> =
        model.into_iter().map(|(number, content)| id_change((false, content, number))).collect();
    fixture.apply(&BY_ID, &all).await.expect("emptied");
    assert!(fixture.bytes(BY_ID.letter).await.is_empty());
}

#[test]
fn an_index_equals_a_set_through_any_merges() {
    // One store for all cases: each leaves it empty.
    let (runtime, fixture) = (Runtime::new().expect("runtime"), Fixture::new());
    proptest!(ProptestConfig::with_cases(20), |(merges in merges())| {
        runtime.block_on(subjects_match(&fixture, &merges));
        runtime.block_on(identifiers_match(&fixture, &merges));
    });
}

proptest! {
    #[test]
    fn any_bytes_are_a_block_or_refused(
        key in prop::collection::vec(any::<u8>(), 0..30),
        mut value in prop::collection::vec(any::<u8>(), 0..6_000),
        formed in any::<bool>(),
    ) {
        if formed && let Some(first) = value.first_mut() {
            *first = BLOCK_VERSION;
        }
        let _ = BY_SUBJECT.block_decode(&key, value.clone().into());
        let bound = if formed { vec![BY_ID.letter] } else { key };
        if let Ok(block) = BY_ID.block_decode(&bound, value.into()) {
            prop_assert!(block.entries().len() <= BLOCK_ENTRIES);
            prop_assert!(block.entries().is_sorted());
        }
    }

    #[test]
    fn pieces_hold_everything_and_fit(length in 0..5_000_usize) {
        let entries: Vec<_> = (0..length).collect();
        let pieces: Vec<_> = pieces(&entries).collect();
        prop_assert_eq!(&pieces.concat(), &entries);
        let most = if length <= BLOCK_ENTRIES { BLOCK_ENTRIES } else { PIECE_ENTRIES };
        prop_assert!(pieces.iter().all(|piece| piece.len() <= most && (length == 0 || !piece.is_empty())));
    }
}

#[test]
fn damaged_blocks_are_named() {
    let entry = |number| subject_entry(&subject(1), number);
    let block =
        |version: u8, entries: &[[u8; 24]]| Bytes::from([&[version], entries.as_flattened()].concat());
    let key = BY_SUBJECT.key(&[]);
    assert!(BY_SUBJECT.block_decode(&key, block(1, &[entry(1), entry(2)])).is_ok());
    let long: Vec<_> = (0..=BLOCK_ENTRIES as u64).map(entry).collect();
    let above = BY_SUBJECT.key(&entry(2));
    for (key, value) in [
        (&key, block(2, &[entry(1)])),
        (&key, block(1, &[entry(2), entry(1)])),
        (&key, block(1, &[entry(1), entry(1)])),
        (&key, block(1, &long)),
        (&key, block(1, &[entry(1)]).slice(..24)),
        (&key, Bytes::new()),
        (&above, block(1, &[entry(1)])),
        (&BY_SUBJECT.key(&[0; 5]), block(1, &[entry(1)])),
    ] {
        assert!(matches!(BY_SUBJECT.block_decode(key, value), Err(ExchangeError::Stored { .. })));
    }
}

#[tokio::test]
async fn a_merge_that_was_cut_short_leaves_whole_blocks_and_is_finished_by_another() {
    let fixture = Fixture::new();
    let old: Vec<_> = (0..20_000).step_by(2).map(|number| id_change((true, 0, number))).collect();
    fixture.apply(&BY_ID, &old).await.expect("old");
    let removed = |number: u16| number.is_multiple_of(8);
    let changes: Vec<_> = (0..20_000).map(|number| id_change((!removed(number), 0, number))).collect();
    let mut cuts = 0;
    for allowed in 0.. {
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = commits.clone();
        fixture.hook(Some(Arc::new(move |call| {
            let fails = matches!(call, Call::Commit(_)) && counted.fetch_add(1, Ordering::Relaxed) >= allowed;
            Box::pin(async move { !fails })
        })));
        let outcome = fixture.apply(&BY_ID, &changes).await;
        fixture.hook(None);
        let held: BTreeSet<_> = fixture.entries(&BY_ID).await.into_iter().collect();
        for number in 0..20_000 {
            let entry = *id_change((true, 0, number)).entry();
            if !removed(number) && number % 2 == 0 {
                assert!(held.contains(&entry), "what was and will be is there in between");
            }
            if outcome.is_ok() {
                assert_eq!(held.contains(&entry), !removed(number));
            }
        }
        if outcome.is_ok() {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 1, "several commits");
}

#[tokio::test]
async fn a_subject_is_found_in_one_read() {
    let fixture = Fixture::new();
    let subjects: Vec<_> = (0..3_000_u32)
        .map(|number| {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            SubjectKey(key)
        })
        .collect();
    let entries: Vec<_> =
        (1..).zip(&subjects).map(|(number, key)| IndexChange::Insert(subject_entry(key, number))).collect();
    fixture.apply(&BY_SUBJECT, &entries).await.expect("applied");
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    fixture.hook(Some(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { true })
    })));
    for (number, key) in (1..).zip(&subjects) {
        assert_eq!(numbers_of(&fixture.store, key, 33, |_| true).await.expect("numbers"), [number]);
    }
    fixture.hook(None);
    // Only where a block begins with the subject's own entry, the block before it is looked at as well.
    let blocks = fixture.bytes(BY_SUBJECT.letter).await.len();
    assert!(reads.load(Ordering::Relaxed) <= subjects.len() + blocks);
}

#[tokio::test]
async fn a_reader_misses_nothing_while_blocks_are_split_under_it() {
    let fixture = Arc::new(Fixture::new());
    let old: Vec<_> = (0..6_000).map(|number| subject_change((true, 1, number * 4))).collect();
    fixture.apply(&BY_SUBJECT, &old).await.expect("old");
    let scans = Arc::new(AtomicUsize::new(0));
    let (other, counted) = (Arc::downgrade(&fixture), scans.clone());
    fixture.hook(Some(Arc::new(move |call| {
        let (other, round) = (
            other.clone(),
            match call {
                Call::Scan => counted.fetch_add(1, Ordering::Relaxed),
                Call::Get(_) | Call::Commit(_) => 0,
            },
        );
        Box::pin(async move {
            // Between the pages of the reader, as many entries as there are come in among them.
            if let (1..=3, Some(fixture)) = (round, other.upgrade()) {
                let round = u16::try_from(round).expect("small");
                let new: Vec<_> =
                    (0..6_000).map(|number| subject_change((true, 1, number * 4 + round))).collect();
                let turn = fixture.lock.turn_begin().await.expect("turn");
                BY_SUBJECT.changes_apply(&fixture.store.inner, turn.writer(), new).await.expect("new");
            }
            true
        })
    })));
    let found = numbers_of(&fixture.store, &subject(1), usize::MAX, |_| true).await.expect("numbers");
    assert!(scans.load(Ordering::Relaxed) > 3);
    assert!(found.is_sorted_by(|one, two| one > two));
    let found: BTreeSet<_> = found.into_iter().collect();
    assert!((0..6_000).all(|number| found.contains(&(number * 4))));
}
