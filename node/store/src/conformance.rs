//! What every engine must do, as tests that each engine runs on itself.
//!
//! An engine's test calls [`conformance_run`] with two functions: one that makes a fresh, empty store, and
//! one that closes a store and opens it again. Every check panics with what it found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are test functions, shared between the tests of several engines"
)]

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{Batch, KeyRange, LimitedPart, Snapshot, Store, StoreError, limits};

/// Tasks that race in the tests of concurrent commits.
const RACERS: usize = 32;

/// Runs every check, each on a store of its own.
pub async fn conformance_run<Fresh, FreshFuture, Reopen, ReopenFuture>(fresh: Fresh, reopen: Reopen)
where
    Fresh: Fn() -> FreshFuture,
    FreshFuture: Future<Output = Arc<dyn Store>>,
    Reopen: Fn(Arc<dyn Store>) -> ReopenFuture,
    ReopenFuture: Future<Output = Arc<dyn Store>>,
{
    values_come_back_as_they_were_put(&*fresh().await).await;
    scans_are_ordered_by_bytes(&*fresh().await).await;
    ranges_have_the_bounds_they_name(&*fresh().await).await;
    pages_continue_without_gap_or_repetition(&*fresh().await).await;
    pages_are_bounded_in_bytes(&*fresh().await).await;
    batches_happen_whole_or_not_at_all(&*fresh().await).await;
    preconditions_look_before_the_batch(&*fresh().await).await;
    one_racer_wins_each_swap(fresh().await).await;
    counters_lose_no_increment(fresh().await).await;
    stamps_rise_in_commit_order(fresh().await).await;
    snapshots_repeat_their_reads(&*fresh().await).await;
    snapshots_agree_with_themselves_under_commits(fresh().await).await;
    large_values_survive_replacement(&*fresh().await).await;
    limits_refuse_with_the_part_and_write_nothing(&*fresh().await).await;
    reopening_keeps_everything(fresh().await, reopen).await;
}

/// Puts one key.
pub async fn entry_put(store: &dyn Store, key: &[u8], value: &[u8]) {
    let mut batch = Batch::new();
    batch.put(key.to_vec(), value.to_vec());
    store.commit(batch).await.expect("a put succeeds");
}

/// Every entry of a range, page by page, from one snapshot.
pub async fn entries_read(snapshot: &dyn Snapshot, range: KeyRange, page: usize) -> Vec<(Bytes, Bytes)> {
    let mut entries = Vec::new();
    let mut rest = range.clone();
    loop {
        let next = snapshot.scan(rest.clone(), page).await.expect("a scan succeeds");
        assert!(next.len() <= page, "a page of {} exceeds its limit {page}", next.len());
        let Some((last, _)) = next.last() else { return entries };
        rest = range.after(last);
        entries.extend(next);
    }
}

async fn keys_read(store: &dyn Store, range: KeyRange) -> Vec<Bytes> {
    let snapshot = store.snapshot().expect("a snapshot is given");
    entries_read(&*snapshot, range, 3).await.into_iter().map(|(key, _)| key).collect()
}

async fn values_come_back_as_they_were_put(store: &dyn Store) {
    assert_eq!(store.get(b"absent").await.unwrap(), None);
    for (key, value) in [
        (b"empty value".as_slice(), b"".as_slice()),
        (b"\0", b"key of one zero byte"),
        (b"\xff\xff\xff", b"key of the highest bytes"),
        (b"binary", b"\0\x01\xff\xfe"),
    ] {
        entry_put(store, key, value).await;
        assert_eq!(store.get(key).await.unwrap().as_deref(), Some(value));
    }
    let longest_key = vec![b'k'; limits::MAX_KEY_BYTES];
    entry_put(store, &longest_key, b"v").await;
    assert_eq!(store.get(&longest_key).await.unwrap().as_deref(), Some(b"v".as_slice()));

    let mut batch = Batch::new();
    batch.delete("binary").delete("absent");
    store.commit(batch).await.unwrap();
    assert_eq!(store.get(b"binary").await.unwrap(), None);

    let before = store.statistics().await.unwrap();
    store.commit(Batch::new()).await.unwrap();
    let after = store.statistics().await.unwrap();
    assert_eq!(after.batches_committed, before.batches_committed, "an empty batch writes nothing");
    assert_eq!(after.batches_committed, 6);
}

async fn scans_are_ordered_by_bytes(store: &dyn Store) {
    let mut keys: Vec<Bytes> = [
        b"a".as_slice(),
        b"b",
        b"aa",
        b"a\0",
        b"a\xff",
        b"\xff",
        b"\0",
        b"ab",
        b"\x7f",
        b"\x80",
        b"B",
        b"a\xff\xff",
    ]
    .into_iter()
    .map(Bytes::from_static)
    .collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key.clone(), Bytes::new());
    }
    store.commit(batch).await.unwrap();
    keys.sort();
    assert_eq!(keys_read(store, KeyRange::all()).await, keys);
    keys.reverse();
    assert_eq!(keys_read(store, KeyRange::all().descending()).await, keys);
}

async fn ranges_have_the_bounds_they_name(store: &dyn Store) {
    for key in ["a", "a\u{0}", "aa", "ab", "b", "ba", "c"] {
        entry_put(store, key.as_bytes(), b"").await;
    }
    let check = async |range: KeyRange, expected: &[&str]| {
        let found = keys_read(store, range.clone()).await;
        assert_eq!(found, expected, "{range:?}");
        let mut descending = keys_read(store, range.clone().descending()).await;
        descending.reverse();
        assert_eq!(descending, expected, "{range:?} descending");
    };
    check(KeyRange::prefix(b"a"), &["a", "a\u{0}", "aa", "ab"]).await;
    check(KeyRange::prefix(b"b"), &["b", "ba"]).await;
    check(KeyRange::prefix(b"bb"), &[]).await;
    check(KeyRange::prefix(b""), &["a", "a\u{0}", "aa", "ab", "b", "ba", "c"]).await;
    check(KeyRange::between(b"a\0", b"b"), &["a\u{0}", "aa", "ab"]).await;
    check(KeyRange::between(b"b", b"b"), &[]).await;
    check(KeyRange::between(b"c", b"a"), &[]).await;
    check(KeyRange::starting_at(b"b"), &["b", "ba", "c"]).await;
    entry_put(store, b"\xff\xff", b"").await;
    assert_eq!(keys_read(store, KeyRange::prefix(b"\xff")).await, [b"\xff\xff".as_slice()]);
}

async fn pages_continue_without_gap_or_repetition(store: &dyn Store) {
    let keys: Vec<Bytes> = (0..500_u16).map(|number| Bytes::copy_from_slice(&number.to_be_bytes())).collect();
    let mut batch = Batch::new();
    for key in &keys {
        batch.put(key.clone(), key.clone());
    }
    store.commit(batch).await.unwrap();
    let snapshot = store.snapshot().unwrap();
    for page in [1, 7, 499, 500, 501, usize::MAX] {
        let ascending = entries_read(&*snapshot, KeyRange::all(), page).await;
        assert!(ascending.iter().map(|(key, _)| key).eq(&keys), "pages of {page}");
        let descending = entries_read(&*snapshot, KeyRange::all().descending(), page).await;
        assert!(descending.iter().map(|(key, _)| key).eq(keys.iter().rev()), "descending pages of {page}");
    }
    assert!(store.scan(KeyRange::all(), 0).await.unwrap().is_empty());
}

async fn pages_are_bounded_in_bytes(store: &dyn Store) {
    const LARGE: usize = 3_000_000;
    for number in 0..5_u8 {
        entry_put(store, &[number], &vec![number; LARGE]).await;
    }
    let page = store.scan(KeyRange::all(), usize::MAX).await.unwrap();
    let bytes: usize = page.iter().map(|(_, value)| value.len()).sum();
    assert!(page.len() < 5 && bytes < limits::MAX_SCAN_BYTES + LARGE, "a page of {bytes} bytes");
    let all = entries_read(&*store.snapshot().unwrap(), KeyRange::all(), 100).await;
    assert_eq!(all.iter().map(|(key, _)| key[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

async fn batches_happen_whole_or_not_at_all(store: &dyn Store) {
    entry_put(store, b"guard", b"1").await;
    let mut refused = Batch::new();
    refused.put("x", "1").delete("guard").expect("guard", Some("2"));
    assert!(matches!(store.commit(refused).await, Err(StoreError::Conflict { position: 0 })));
    assert_eq!(store.get(b"x").await.unwrap(), None);
    assert_eq!(store.get(b"guard").await.unwrap().as_deref(), Some(b"1".as_slice()));

    let mut accepted = Batch::new();
    accepted.put("x", "1").put("x", "2").delete("y").put("y", "3").put("z", "4").delete("z");
    store.commit(accepted).await.unwrap();
    assert_eq!(store.get(b"x").await.unwrap().as_deref(), Some(b"2".as_slice()), "the last put counts");
    assert_eq!(store.get(b"y").await.unwrap().as_deref(), Some(b"3".as_slice()), "put after delete counts");
    assert_eq!(store.get(b"z").await.unwrap(), None, "delete after put counts");
}

async fn preconditions_look_before_the_batch(store: &dyn Store) {
    let mut first = Batch::new();
    first.expect_absent("k").put("k", "1");
    store.commit(first.clone()).await.unwrap();
    assert!(matches!(store.commit(first).await, Err(StoreError::Conflict { position: 0 })));

    let mut swap = Batch::new();
    swap.expect("k", Some("1")).expect_absent("other").put("k", "");
    store.commit(swap).await.unwrap();
    let mut empty_is_not_absent = Batch::new();
    empty_is_not_absent.expect("k", Some("")).expect_absent("k").put("k", "3");
    assert!(matches!(store.commit(empty_is_not_absent).await, Err(StoreError::Conflict { position: 1 })));

    let mut only_looking = Batch::new();
    only_looking.expect("k", Some(""));
    store.commit(only_looking).await.unwrap();
}

async fn one_racer_wins_each_swap(store: Arc<dyn Store>) {
    for round in 0..10_u8 {
        let mut racers = JoinSet::new();
        for racer in 0..RACERS {
            let store = Arc::clone(&store);
            racers.spawn(async move {
                let mut batch = Batch::new();
                batch.expect_absent(vec![round]).put(vec![round], racer.to_be_bytes().to_vec());
                match store.commit(batch).await {
                    Ok(_) => Some(racer),
                    Err(StoreError::Conflict { position: 0 }) => None,
                    Err(other) => panic!("a racer failed otherwise: {other}"),
                }
            });
        }
        let winners: Vec<usize> = racers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "winners of round {round}: {winners:?}");
        let stored = store.get(&[round]).await.unwrap();
        assert_eq!(stored.as_deref(), Some(winners[0].to_be_bytes().as_slice()));
    }
}

async fn counters_lose_no_increment(store: Arc<dyn Store>) {
    const INCREMENTS: u64 = 10;
    entry_put(&*store, b"n", &0_u64.to_be_bytes()).await;
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let mut done = 0;
            while done < INCREMENTS {
                let old = store.get(b"n").await.unwrap().unwrap();
                let new = u64::from_be_bytes(old.as_ref().try_into().unwrap()) + 1;
                let mut batch = Batch::new();
                batch.expect("n", Some(old)).put("n", new.to_be_bytes().to_vec());
                match store.commit(batch).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => panic!("an increment failed: {other}"),
                }
            }
        });
    }
    racers.join_all().await;
    assert_eq!(store.get(b"n").await.unwrap().as_deref(), Some((8 * INCREMENTS).to_be_bytes().as_slice()));
}

async fn stamps_rise_in_commit_order(store: Arc<dyn Store>) {
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let store = Arc::clone(&store);
        racers.spawn(async move {
            let mut stamps = Vec::new();
            for round in 0..5_u8 {
                let mut batch = Batch::new();
                batch.put("last", vec![round]).put(racer.to_be_bytes().to_vec(), vec![round]);
                stamps.push(store.commit(batch).await.unwrap());
            }
            assert!(stamps.is_sorted_by(|earlier, later| earlier < later), "{stamps:?}");
            stamps
        });
    }
    let mut all: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    all.sort();
    assert!(all.is_sorted_by(|earlier, later| earlier < later), "two commits share a stamp");
    assert_eq!(all.last().copied(), Some(store.snapshot().unwrap().stamp()));
}

async fn snapshots_repeat_their_reads(store: &dyn Store) {
    for key in ["changed", "deleted", "kept"] {
        entry_put(store, key.as_bytes(), b"before").await;
    }
    let snapshot = store.snapshot().unwrap();
    let mut batch = Batch::new();
    batch.put("changed", "after").delete("deleted").put("added", "after");
    store.commit(batch).await.unwrap();
    entry_put(store, b"deleted", b"again").await;

    for (key, expected) in
        [("changed", Some("before")), ("deleted", Some("before")), ("kept", Some("before")), ("added", None)]
    {
        let found = snapshot.get(key.as_bytes()).await.unwrap();
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{key}");
    }
    let entries = entries_read(&*snapshot, KeyRange::all(), 2).await;
    let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| key.as_ref()).collect();
    assert_eq!(keys, [b"changed".as_slice(), b"deleted", b"kept"]);
    assert!(entries.iter().all(|(_, value)| value == "before"));
    let mut descending = entries_read(&*snapshot, KeyRange::all().descending(), 2).await;
    descending.reverse();
    assert_eq!(descending, entries);
    assert_eq!(keys_read(store, KeyRange::all()).await, ["added", "changed", "deleted", "kept"]);
}

/// Every batch moves amounts between accounts, so each state has the same sum; a snapshot that mixed two
/// states would show another.
async fn snapshots_agree_with_themselves_under_commits(store: Arc<dyn Store>) {
    const ACCOUNTS: u8 = 40;
    const SUM: u64 = ACCOUNTS as u64 * 100;
    let mut batch = Batch::new();
    for account in 0..ACCOUNTS {
        batch.put(vec![account], 100_u64.to_be_bytes().to_vec());
    }
    store.commit(batch).await.unwrap();
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut balances = [100_u64; ACCOUNTS as usize];
            for round in 0..300_usize {
                let (from, to) = (round * 7 % balances.len(), round * 13 % balances.len());
                let amount = balances[from].min(30);
                balances[from] -= amount;
                balances[to] += amount;
                let mut batch = Batch::new();
                for account in [from, to] {
                    let key = vec![account as u8];
                    match balances[account] {
                        0 => batch.delete(key), // An empty account is an absent key.
                        balance => batch.put(key, balance.to_be_bytes().to_vec()),
                    };
                }
                store.commit(batch).await.unwrap();
            }
        }
    });
    let mut finished = false;
    while !finished {
        finished = writer.is_finished();
        let snapshot = store.snapshot().unwrap();
        for range in [KeyRange::all(), KeyRange::all().descending()] {
            let entries = entries_read(&*snapshot, range, 9).await;
            let sum: u64 = entries.iter().map(|(_, value)| balance(value)).sum();
            assert_eq!(sum, SUM, "a scan of a snapshot mixed two states");
        }
        let mut sum = 0;
        for account in 0..ACCOUNTS {
            sum += snapshot.get(&[account]).await.unwrap().map_or(0, |value| balance(&value));
        }
        assert_eq!(sum, SUM, "single reads of a snapshot mixed two states");
        let page = store.scan(KeyRange::all(), 1_000).await.unwrap();
        assert_eq!(page.iter().map(|(_, value)| balance(value)).sum::<u64>(), SUM, "a page mixed two states");
    }
    writer.await.unwrap();
}

fn balance(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().expect("a balance has eight bytes"))
}

async fn large_values_survive_replacement(store: &dyn Store) {
    let value = |seed: u8, length: usize| -> Vec<u8> {
        (0..length).map(|place| (place as u8).wrapping_mul(31).wrapping_add(seed)).collect()
    };
    let lengths = [1, 4_095, 4_096, 12_000, 13_000, 65_537, 1_000_000, limits::MAX_VALUE_BYTES];
    for length in lengths {
        entry_put(store, b"k", &value(1, length)).await;
        let snapshot = store.snapshot().unwrap();
        entry_put(store, b"k", &value(2, length)).await;
        assert!(snapshot.get(b"k").await.unwrap().unwrap() == value(1, length), "{length} bytes, snapshot");
        assert!(store.get(b"k").await.unwrap().unwrap() == value(2, length), "{length} bytes");
        let mut batch = Batch::new();
        batch.expect("k", Some(value(2, length))).delete("k");
        store.commit(batch).await.unwrap();
        assert_eq!(store.get(b"k").await.unwrap(), None);
        assert_eq!(
            entries_read(&*snapshot, KeyRange::all(), 10).await,
            [("k".into(), value(1, length).into())]
        );
        assert!(store.scan(KeyRange::all(), 10).await.unwrap().is_empty());
    }
}

async fn limits_refuse_with_the_part_and_write_nothing(store: &dyn Store) {
    let refused = async |batch: Batch, expected: LimitedPart| match store.commit(batch).await {
        Err(StoreError::TooLarge { part, actual, limit }) => {
            assert_eq!(part, expected);
            assert!(actual > limit);
        }
        other => panic!("{expected:?}: {other:?}"),
    };
    let mut key = Batch::new();
    key.put("x", "").put(vec![b'k'; limits::MAX_KEY_BYTES + 1], "");
    refused(key, LimitedPart::Key).await;
    let mut value = Batch::new();
    value.put("x", vec![0; limits::MAX_VALUE_BYTES + 1]);
    refused(value, LimitedPart::Value).await;
    let mut operations = Batch::new();
    for number in 0..=limits::MAX_BATCH_OPERATIONS {
        operations.put(number.to_be_bytes().to_vec(), "");
    }
    refused(operations, LimitedPart::BatchOperations).await;
    let mut bytes = Batch::new();
    for number in 0..5_u8 {
        bytes.put(vec![number], vec![0; limits::MAX_VALUE_BYTES]);
    }
    refused(bytes, LimitedPart::BatchBytes).await;

    let many = limits::MAX_BATCH_REPLACED_BYTES / limits::MAX_VALUE_BYTES + 1;
    let mut delete_all = Batch::new();
    for number in 0..many {
        entry_put(store, &number.to_be_bytes(), &vec![7; limits::MAX_VALUE_BYTES]).await;
        delete_all.delete(number.to_be_bytes().to_vec());
    }
    refused(delete_all, LimitedPart::BatchReplacedBytes).await;
    assert_eq!(keys_read(store, KeyRange::all()).await.len(), many, "a refused batch deletes nothing");

    let mut empty_key = Batch::new();
    empty_key.put("", "v");
    assert!(matches!(store.commit(empty_key).await, Err(StoreError::EmptyKey)));
    assert_eq!(store.get(b"").await.unwrap(), None);
    assert_eq!(store.get(b"x").await.unwrap(), None);
}

async fn reopening_keeps_everything<Reopen, ReopenFuture>(store: Arc<dyn Store>, reopen: Reopen)
where
    Reopen: Fn(Arc<dyn Store>) -> ReopenFuture,
    ReopenFuture: Future<Output = Arc<dyn Store>>,
{
    let mut store = store;
    let mut expected = std::collections::BTreeMap::new();
    for round in 0..4_usize {
        for number in 0..60_usize {
            let key = Bytes::from(format!("{:03}", (number * 7 + round * 11) % 150));
            let mut batch = Batch::new();
            if (number + round) % 5 == 0 {
                expected.remove(&key);
                batch.delete(key);
            } else {
                let value = Bytes::from(vec![round as u8; number * 50 * (1 + 9 * usize::from(number == 59))]);
                expected.insert(key.clone(), value.clone());
                batch.put(key, value);
            }
            store.commit(batch).await.unwrap();
        }
        let stamp = store.snapshot().unwrap().stamp();
        store = reopen(store).await;
        let snapshot = store.snapshot().unwrap();
        assert_eq!(snapshot.stamp(), stamp, "the stamp is kept over a restart");
        assert!(entries_read(&*snapshot, KeyRange::all(), 100).await.into_iter().eq(expected.clone()));
    }
}
