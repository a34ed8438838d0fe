//! Snapshots against a model with versions, while several writers commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use chengxin_store::conformance::{entries_read, entry_put};
use chengxin_store::{Batch, KeyRange, SledOptions, SledStore, Snapshot, Store, StoreError};
use proptest::prelude::*;

const WRITERS: usize = 3;
const KEYS: u8 = 24;

/// A batch as the model sees it: key, and the length of the value or `None` for a delete.
type Changes = Vec<(u8, Option<usize>)>;
type State = BTreeMap<Bytes, Bytes>;

/// What a reader saw of one snapshot; `None` if the snapshot had expired.
struct Observation {
    stamp: u64,
    scanned: Option<State>,
    scanned_descending: Option<State>,
    single_reads: Option<State>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn snapshots_show_the_state_of_their_stamp(
        batches in prop::collection::vec(changes(), 20..90),
        page in 1..30_usize,
        overlay_bytes in prop::sample::select(vec![3_000, 64 * 1024 * 1024]),
    ) {
        let (states, observations) = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .unwrap()
            .block_on(history_run(batches, page, overlay_bytes));
        for observation in &observations {
            let expected = states.range(..=observation.stamp).next_back().map(|(_, state)| state).unwrap();
            let seen = [&observation.scanned, &observation.scanned_descending, &observation.single_reads];
            for state in seen.into_iter().flatten() {
                prop_assert_eq!(state, expected);
            }
            if overlay_bytes > 1_000_000 {
                prop_assert!(seen.iter().all(|state| state.is_some()), "a snapshot expired for no reason");
            }
        }
        prop_assert!(!observations.is_empty());
    }
}

fn changes() -> impl Strategy<Value = Changes> {
    let length = prop_oneof![3 => 0..40_usize, 1 => 600..6_000_usize];
    prop::collection::vec((0..KEYS, prop::option::weighted(0.7, length)), 1..12)
}

/// Commits the batches from several tasks while readers take snapshots. Returns the state after every
/// stamp, and what the readers saw.
async fn history_run(
    batches: Vec<Changes>,
    page: usize,
    overlay_bytes: usize,
) -> (BTreeMap<u64, State>, Vec<Observation>) {
    let parent = tempfile::tempdir().unwrap();
    let options =
        SledOptions { create: true, overlay_bytes, segment_bytes: 64 * 1024, ..SledOptions::default() };
    let store: Arc<dyn Store> = Arc::new(SledStore::open(parent.path().join("store"), options).unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|reader| tokio::spawn(reader_run(Arc::clone(&store), Arc::clone(&done), page + reader)))
        .collect();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let own: Vec<_> = batches.iter().skip(writer).step_by(WRITERS).cloned().collect();
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let mut committed = Vec::new();
            for (number, changes) in own.into_iter().enumerate() {
                let mut batch = Batch::new();
                for (key, length) in &changes {
                    match value(writer, number, *key, *length) {
                        Some(value) => batch.put(vec![*key], value),
                        None => batch.delete(vec![*key]),
                    };
                }
                committed.push((store.commit(batch).await.unwrap().number(), number, changes));
            }
            (writer, committed)
        });
    }
    let mut in_order = BTreeMap::new();
    for (writer, committed) in writers.join_all().await {
        for (stamp, number, changes) in committed {
            assert!(in_order.insert(stamp, (writer, number, changes)).is_none(), "two batches share a stamp");
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut observations = Vec::new();
    for reader in readers {
        observations.extend(reader.await.unwrap());
    }
    assert_eq!(store.statistics().await.unwrap().overlay_bytes, 0, "the overlay is emptied in the end");
    (states_replay(in_order), observations)
}

fn states_replay(in_order: BTreeMap<u64, (usize, usize, Changes)>) -> BTreeMap<u64, State> {
    let mut states = BTreeMap::from([(0, State::new())]);
    let mut state = State::new();
    for (stamp, (writer, number, changes)) in in_order {
        for (key, length) in changes {
            match value(writer, number, key, length) {
                Some(value) => state.insert(vec![key].into(), value),
                None => state.remove([key].as_slice()),
            };
        }
        states.insert(stamp, state.clone());
    }
    states
}

/// A value that tells who wrote it when.
fn value(writer: usize, number: usize, key: u8, length: Option<usize>) -> Option<Bytes> {
    length.map(|length| {
        let mut value = format!("{writer}/{number}/{key}/").into_bytes();
        value.resize(value.len() + length, key);
        value.into()
    })
}

async fn reader_run(store: Arc<dyn Store>, done: Arc<AtomicBool>, page: usize) -> Vec<Observation> {
    let mut observations = Vec::new();
    let mut held = std::collections::VecDeque::new();
    loop {
        let last = done.load(Ordering::Relaxed);
        held.push_back(store.snapshot().unwrap());
        // Each is read when it is new and again some snapshots later.
        observations.push(snapshot_observe(&**held.back().unwrap(), page).await);
        if held.len() > 3 {
            observations.push(snapshot_observe(&*held.pop_front().unwrap(), page).await);
        }
        if last {
            return observations;
        }
    }
}

async fn snapshot_observe(snapshot: &dyn Snapshot, page: usize) -> Observation {
    Observation {
        stamp: snapshot.stamp().number(),
        scanned: pages_read(snapshot, KeyRange::all(), page).await,
        scanned_descending: pages_read(snapshot, KeyRange::all().descending(), page).await,
        single_reads: single_reads(snapshot).await,
    }
}

async fn pages_read(snapshot: &dyn Snapshot, range: KeyRange, page: usize) -> Option<State> {
    let mut state = State::new();
    let mut rest = range;
    loop {
        let entries = unless_expired(snapshot.scan(rest.clone(), page).await)?;
        let Some((last, _)) = entries.last() else { return Some(state) };
        rest = rest.after(last);
        for (key, value) in entries {
            assert!(state.insert(key, value).is_none(), "a key came twice");
        }
    }
}

async fn single_reads(snapshot: &dyn Snapshot) -> Option<State> {
    let mut state = State::new();
    for key in 0..KEYS {
        if let Some(value) = unless_expired(snapshot.get(&[key]).await)? {
            state.insert(vec![key].into(), value);
        }
    }
    Some(state)
}

fn unless_expired<T>(outcome: Result<T, StoreError>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(StoreError::SnapshotExpired) => None,
        Err(other) => panic!("a snapshot failed: {other}"),
    }
}

#[tokio::test]
async fn the_oldest_snapshot_expires_when_the_overlay_is_full() {
    let parent = tempfile::tempdir().unwrap();
    let options = SledOptions { create: true, overlay_bytes: 50_000, ..SledOptions::default() };
    let store = SledStore::open(parent.path().join("store"), options).unwrap();
    entry_put(&store, b"k", &[0; 30_000]).await;
    let old = store.snapshot().unwrap();
    entry_put(&store, b"k", &[1; 30_000]).await;
    let young = store.snapshot().unwrap();
    assert_eq!(old.get(b"k").await.unwrap().unwrap()[0], 0);
    entry_put(&store, b"k", &[2; 30_000]).await;
    assert!(matches!(old.get(b"k").await, Err(StoreError::SnapshotExpired)));
    assert!(matches!(old.scan(KeyRange::all(), 1).await, Err(StoreError::SnapshotExpired)));
    assert_eq!(entries_read(&*young, KeyRange::all(), 5).await[0].1[0], 1);
    let statistics = store.statistics().await.unwrap();
    assert_eq!((statistics.snapshots_alive, statistics.snapshots_expired), (1, 1));
    drop((old, young));
    assert_eq!(store.statistics().await.unwrap().overlay_bytes, 0);
}
