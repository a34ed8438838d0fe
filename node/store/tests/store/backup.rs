//! Backups come back as they were, and no byte of one can change unnoticed.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use bytes::Bytes;
use chengxin_store::conformance::{entries_read, entry_put};
use chengxin_store::{
    BackupFault, Batch, KeyRange, SledOptions, SledStore, Store, StoreError, backup_export, backup_import,
    backup_verify,
};
use proptest::prelude::*;

use crate::writer::runtime;

fn store_open(parent: &Path, name: &str) -> SledStore {
    SledStore::open(parent.join(name), SledOptions::creating()).unwrap()
}

async fn store_fill(store: &dyn Store, entries: &BTreeMap<Bytes, Bytes>) {
    for part in entries.iter().collect::<Vec<_>>().chunks(500) {
        let mut batch = Batch::new();
        for (key, value) in part {
            batch.put((*key).clone(), (*value).clone());
        }
        store.commit(batch).await.unwrap();
    }
}

async fn backup_of(store: &dyn Store) -> Vec<u8> {
    let mut stream = Vec::new();
    let written = backup_export(&*store.snapshot().unwrap(), &mut stream).await.unwrap();
    assert_eq!(backup_verify(&mut stream.as_slice()).unwrap(), written);
    stream
}

fn fault(outcome: Result<impl std::fmt::Debug, StoreError>) -> BackupFault {
    match outcome {
        Err(StoreError::Backup { fault, .. }) => fault,
        other => panic!("not a fault of the backup: {other:?}"),
    }
}

#[tokio::test]
async fn a_backup_restores_every_entry() {
    let parent = tempfile::tempdir().unwrap();
    let mut entries: BTreeMap<Bytes, Bytes> = (0..3_000_u32)
        .map(|number| (number.to_be_bytes().to_vec().into(), vec![7; number as usize % 700].into()))
        .collect();
    entries.insert("large".into(), vec![9; 3_000_000].into());
    entries.insert("empty".into(), Bytes::new());
    let original = store_open(parent.path(), "original");
    store_fill(&original, &entries).await;
    let snapshot = original.snapshot().unwrap();
    entry_put(&original, b"later", b"not in the snapshot").await;

    let mut stream = Vec::new();
    let written = backup_export(&*snapshot, &mut stream).await.unwrap();
    assert_eq!(written.entries, entries.len() as u64);
    assert_eq!(written.stamp, snapshot.stamp().number());
    let copy = store_open(parent.path(), "copy");
    assert_eq!(backup_import(&copy, &mut Cursor::new(&stream)).await.unwrap(), written);
    let restored = entries_read(&*copy.snapshot().unwrap(), KeyRange::all(), 1_000).await;
    assert!(restored.into_iter().eq(entries));

    let again = backup_import(&copy, &mut Cursor::new(&stream)).await;
    assert_eq!(fault(again), BackupFault::StoreNotEmpty);
}

#[tokio::test]
async fn an_empty_store_has_a_backup_too() {
    let parent = tempfile::tempdir().unwrap();
    let stream = backup_of(&store_open(parent.path(), "original")).await;
    let copy = store_open(parent.path(), "copy");
    assert_eq!(backup_import(&copy, &mut Cursor::new(&stream)).await.unwrap().entries, 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_backup_is_said_and_nothing_is_imported() {
    let parent = tempfile::tempdir().unwrap();
    let original = store_open(parent.path(), "original");
    entry_put(&original, b"key", b"value").await;
    let stream = backup_of(&original).await;
    let copy = store_open(parent.path(), "copy");

    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut stream = stream.clone();
        change(&mut stream);
        stream
    };
    for (damaged, expected) in [
        (changed(&|stream| stream[0] ^= 1), BackupFault::NotABackup),
        (changed(&|stream| stream[19] = 2), BackupFault::NewerFormat { found: 2, supported: 1 }),
        (changed(&|stream| stream[28] = 3), BackupFault::Layout),
        (changed(&|stream| stream[29] = 0xff), BackupFault::Oversized),
        (changed(&|stream| stream[38] ^= 1), BackupFault::Checksum),
        (changed(&|stream| stream.truncate(stream.len() - 1)), BackupFault::Truncated),
        (changed(&|stream| stream.clear()), BackupFault::Truncated),
        (changed(&|stream| stream.push(0)), BackupFault::TrailingBytes),
    ] {
        assert_eq!(fault(backup_verify(&mut damaged.as_slice())), expected);
        assert_eq!(fault(backup_import(&copy, &mut Cursor::new(damaged)).await), expected);
    }
    assert!(copy.scan(KeyRange::all(), 1).await.unwrap().is_empty());
    assert_eq!(copy.statistics().await.unwrap().batches_committed, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed(
        entries in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 1..20).prop_map(Bytes::from),
            prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
            0..30,
        ),
        bits in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 200),
    ) {
        let parent = tempfile::tempdir().unwrap();
        let stream = runtime().block_on(async {
            let store = store_open(parent.path(), "store");
            store_fill(&store, &entries).await;
            backup_of(&store).await
        });
        for (place, bit) in bits {
            let mut damaged = stream.clone();
            let place = place.index(damaged.len());
            damaged[place] ^= 1 << bit;
            prop_assert!(backup_verify(&mut damaged.as_slice()).is_err(), "bit {bit} of byte {place}");
            prop_assert!(backup_verify(&mut &stream[..place]).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        with_header: bool,
    ) {
        let mut stream = Vec::new();
        if with_header {
            stream.extend_from_slice(b"CHENGXIN-STORE\r\n\0\0\0\x01\0\0\0\0\0\0\0\0\x01\0\0\0");
        }
        stream.extend_from_slice(&bytes);
        prop_assert!(backup_verify(&mut stream.as_slice()).is_err());
    }
}
