//! Stretches much shorter than an import.

use chengxin_import::ImportOptions;
use chengxin_schemas::identity::RecordId;
use chengxin_schemas::operator::Role;
use chengxin_schemas::sealing_key::DataKey;
use chengxin_schemas::subject::{SubjectId, SubjectKey};
use chengxin_store::{Batch, SledOptions, SledStore};
use zeroize::Zeroizing;

use super::*;
use crate::import::ImportFile;
use crate::import_lock::ImportLock;
use crate::readable::tests::{LOST, value_lose};
use crate::record_index::pointer_find;
use crate::row_v1::ImportBatchV1;
use crate::row_v2::ImportBatchV2;
use crate::support::{Federation, HEADER, MARKET, Memory, as_role, sole_trader};

const STRETCH: u64 = 100;

fn record(number: u64) -> RecordEntries {
    RecordEntries::new(&record_id(number), number, &[1; 16], [SubjectKey([2; 32])])
}

fn record_id(number: u64) -> RecordId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    RecordId(id)
}

#[tokio::test]
async fn stretches_follow_the_chunks_and_the_next_import_waits_for_them() {
    let folder = tempfile::tempdir().expect("folder");
    let store: Arc<dyn Store> =
        Arc::new(SledStore::open(folder.path().join("store"), SledOptions::creating()).expect("store"));
    let lock = ImportLock::default();
    let turn = lock.turn_begin().await.expect("turn");
    let mut index = ImportIndex::new(store.clone(), turn.writer().clone(), 1, STRETCH);
    for first in (1..=1_000).step_by(30) {
        let indexed = index.indexed().await.expect("indexed");
        for number in 1..indexed {
            assert!(pointer_find(store.as_ref(), &record_id(number)).await.expect("read").is_some());
        }
        index.kept_add((first..first + 30).map(record).collect(), first + 30).await.expect("added");
        assert!(index.pending.len() < 130, "what is pending is bounded");
        assert!(first + 30 - index.indexed().await.expect("indexed") <= 260, "and the merge keeps up");
    }
    let next = index.next;
    assert_eq!(index.finish().await.expect("finished"), next);

    // An import whose caller goes away: its merge ends before the next import begins.
    let mut index = ImportIndex::new(store.clone(), turn.writer().clone(), next, STRETCH);
    let end = next + STRETCH;
    index.kept_add((next..end).map(record).collect(), end).await.expect("added");
    drop((index, turn));
    let _turn = lock.turn_begin().await.expect("next");
    for number in 1..end {
        let found = pointer_find(store.as_ref(), &record_id(number)).await.expect("read").expect("there");
        assert_eq!(found.number, number);
    }
}

/// Both indexes, byte for byte.
async fn index_bytes(node: &Node) -> Vec<(Bytes, Bytes)> {
    let mut all = Vec::new();
    for letter in [keyspace::RECORD_BY_ID, keyspace::RECORD_BY_SUBJECT] {
        all.extend(node.parts.store.scan(KeyRange::prefix(&[letter]), 1_000).await.expect("scan"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_derived_from_the_records_and_taken_out_again() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let mut text = format!("{HEADER}\n");
    for row in 0..700 {
        let code = chengxin_import::generate::organisation_code(row);
        text.push_str(&format!(
            "示例第{row}有限公司,{code},,,示罚{row}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局\n"
        ));
    }
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let mut batch = batch.expect("batch");
    assert_eq!((batch.state, batch.records, batch.indexed), (BatchState::Committed, 700, batch.next));
    let turn = node.importing.turn_begin().await.expect("turn");

    let kept = index_bytes(&node).await;
    let entries = node.entries_between(batch.first, batch.next).await.expect("entries").entries;
    assert_eq!(entries.len(), 700);
    batch.indexed = batch.first + 250;
    node.import_index_rebuild(turn.writer(), &mut batch, STRETCH).await.expect("rebuilt");
    assert_eq!(index_bytes(&node).await, kept, "what was there already is not written anew");

    let mut clear = Batch::new();
    kept.iter().for_each(|(key, _)| {
        clear.delete(key.clone());
    });
    node.parts.store.commit(clear).await.expect("cleared");
    batch.indexed = batch.first;
    node.import_index_rebuild(turn.writer(), &mut batch, STRETCH).await.expect("rebuilt");
    assert_eq!(batch.indexed, batch.next);
    for entry in &entries {
        let (number, row, _) = node.record_find(&row_id(&node, entry.number).await).await.expect("found");
        assert_eq!((number, row.batch), (entry.number, batch.id));
    }

    node.rollback_delete(turn.writer(), &batch, STRETCH).await.expect("deleted");
    assert!(index_bytes(&node).await.is_empty(), "an index of nothing is no key");
    assert!(node.entries_between(0, u64::MAX).await.expect("entries").entries.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_with_records_that_cannot_be_read_is_taken_back() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let reviewer = as_role(&node, Role::Reviewer).await;
    let mut text = format!("{HEADER}\n");
    for row in 0..5 {
        let code = chengxin_import::generate::organisation_code(row);
        text.push_str(&format!(
            "示例第{row}有限公司,{code},,,示罚{row}号,类型,事实,罚款,1,2026-09-18,示例市场监督管理局\n"
        ));
    }
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.into_bytes()));
    let import = || node.import_run(&clerk, file.clone(), ImportOptions::default(), Arc::new(|_| {}));
    let mut batch = import().await.expect("import").1.expect("batch");
    // One whose signed form does not parse, one that does not even open.
    let (signed, sealed) = (batch.first + 1, batch.first + 3);
    let (mut row, _) = node.record_read(signed).await.expect("read").expect("record");
    row.sd_jwt = "broken".to_owned();
    let key = keyspace::record(signed);
    let mut write = Batch::new();
    write.put(key.clone(), row.seal(&key, &node.parts.keys.data, node.row_nonce()).expect("sealed"));
    write.put(keyspace::record(sealed), vec![1, 2, 3]);
    node.parts.store.commit(write).await.expect("committed");

    // Resuming does not pass over them.
    let turn = node.importing.turn_begin().await.expect("turn");
    batch.indexed = batch.first;
    assert!(node.import_index_rebuild(turn.writer(), &mut batch, STRETCH).await.is_err());
    drop(turn);
    let rolled = node.import_rollback(&reviewer, &batch.id).await.expect("taken back");
    assert_eq!(rolled.state, BatchState::RolledBack);
    assert!(index_bytes(&node).await.is_empty(), "nothing is left in an index");
    assert!(
        node.parts.store.scan(KeyRange::prefix(&keyspace::records()), 10).await.expect("scan").is_empty()
    );
    assert_eq!(import().await.expect("import").1.expect("batch").records, 5);
}

async fn row_id(node: &Node, number: u64) -> RecordId {
    node.record_read(number).await.expect("read").expect("record").0.id
}

/// A home of version 1 knew a sole trader's records by the code only.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_index_gets_every_identifier_at_the_next_start() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let file: Arc<dyn ImportFile> = Arc::new(Memory(sole_trader().into_bytes()));
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    let kept = index_bytes(&node).await;
    let (row, record) = node.record_read(batch.first).await.expect("read").expect("record");
    let code = node.subject_key(&record.fields().subject().expect("code"));
    let mut write = Batch::new();
    kept.iter().for_each(|(key, _)| {
        write.delete(key.clone());
    });
    write.put(keyspace::batch(&batch.id), ImportBatchV1(batch.clone()).encode().expect("encoded"));
    node.parts.store.commit(write).await.expect("committed");
    let former = [RecordEntries::new(&row.id, batch.first, &row.content, [code])];
    let turn = node.importing.turn_begin().await.expect("turn");
    record_index::entries_insert(node.parts.store.as_ref(), turn.writer(), &former).await.expect("inserted");
    assert_ne!(index_bytes(&node).await, kept);
    drop(turn);
    drop(node);

    federation.node_drop_idle(MARKET).await;
    federation.node_start(MARKET, false).await;
    let node = federation.node(MARKET);
    assert_eq!(index_bytes(&node).await, kept);
    assert!(node.batches_former().await.expect("batches").is_empty(), "once");
    assert_eq!(node.batch_read(&batch.id).await.expect("batch"), batch);
}

/// A home of version 2 knew a company by its unified code itself, and a debtor of an organisation code by the name. Neither
/// is left, whether the import was complete, cut short or on its way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_index_is_moved_under_organisation_codes() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let text = "失信被执行人姓名/名称,身份证号码/组织机构代码,执行法院,立案时间,案号\n\
                示例甲,91320100748204660Q,示例区人民法院,2026-09-10,(2026)示执1号\n\
                示例乙,74820466-0,示例区人民法院,2026-09-10,(2026)示执2号\n";
    let file: Arc<dyn ImportFile> = Arc::new(Memory(text.as_bytes().to_vec()));
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    let kept = index_bytes(&node).await;
    for state in [BatchState::Committed, BatchState::Staging, BatchState::RollingBack] {
        let mut write = Batch::new();
        for (key, _) in index_bytes(&node).await {
            write.delete(key);
        }
        // What the row of one cut short says of the indexes is behind what stands there.
        let indexed = if state == BatchState::Staging { batch.first } else { batch.indexed };
        let cut = ImportBatch { state, indexed, ..batch.clone() };
        write.put(keyspace::batch(&batch.id), ImportBatchV2(cut.clone()).encode().expect("encoded"));
        node.parts.store.commit(write).await.expect("committed");
        let mut former = Vec::new();
        for number in batch.first..batch.next {
            let key = keyspace::record(number);
            let bytes = node.parts.store.get(&key).await.expect("read").expect("record");
            let (row, record) = node.record_open(&key, &bytes).expect("opens");
            let place = match record.fields().subject().expect("identifier") {
                unified @ SubjectId::Organisation(_) => node.subject_key(&unified),
                _ => node.name_key(record.fields().subject_name().expect("name")),
            };
            former.push(RecordEntries::new(&row.id, number, &row.content, [place]));
        }
        let turn = node.importing.turn_begin().await.expect("turn");
        record_index::entries_insert(node.parts.store.as_ref(), turn.writer(), &former)
            .await
            .expect("entered");
        drop(turn);
        assert_ne!(index_bytes(&node).await, kept);
        node.import_index_upgrade().await.expect("upgraded");
        assert_eq!(index_bytes(&node).await, kept, "{state:?}");
        assert!(node.batches_former().await.expect("batches").is_empty(), "once");
        assert_eq!(node.batch_read(&batch.id).await.expect("batch"), cut);
    }
    let reviewer = as_role(&node, Role::Reviewer).await;
    node.import_rollback(&reviewer, &batch.id).await.expect("taken back");
    assert!(index_bytes(&node).await.is_empty());
}

/// A company's record that does not open when the others are moved is met by its unified code as an error, not as nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_could_not_be_moved_is_not_passed_over() {
    let federation = Federation::new().await;
    let batch = federation.penalty_import().await;
    let node = federation.node(MARKET);
    let (row, record) = node.record_read(batch.first).await.expect("read").expect("record");
    let code = record.fields().subject().expect("code");
    let key = keyspace::record(batch.first);
    let others = DataKey::new(&Zeroizing::new([9; 32])).expect("key");
    let mut write = Batch::new();
    for (key, _) in index_bytes(&node).await {
        write.delete(key);
    }
    write.put(key.clone(), row.seal(&key, &others, node.row_nonce()).expect("sealed"));
    write.put(keyspace::batch(&batch.id), ImportBatchV2(batch.clone()).encode().expect("encoded"));
    node.parts.store.commit(write).await.expect("committed");
    let former = [RecordEntries::new(&row.id, batch.first, &row.content, [node.subject_key(&code)])];
    let turn = node.importing.turn_begin().await.expect("turn");
    record_index::entries_insert(node.parts.store.as_ref(), turn.writer(), &former).await.expect("entered");
    drop(turn);
    node.import_index_upgrade().await.expect("upgraded");
    assert_eq!(node.record_numbers_about(&code, None, 10).await.expect("numbers"), [batch.first]);
    let clerk = as_role(&node, Role::Clerk).await;
    assert!(
        node.restriction_list(&clerk, &code, None).await.is_err(),
        "which identifiers it has cannot be told"
    );
    // It opens again: it is moved, and found by either code.
    let mut write = Batch::new();
    write.put(key.clone(), row.seal(&key, &node.parts.keys.data, node.row_nonce()).expect("sealed"));
    node.parts.store.commit(write).await.expect("committed");
    node.import_index_upgrade().await.expect("upgraded");
    for subject in [code.organisation_code().expect("within"), code] {
        assert_eq!(node.record_numbers_about(&subject, None, 10).await.expect("numbers"), [batch.first]);
    }
}

/// As with the data key of another node: the rows are whole, and do not open.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_index_waits_for_records_that_do_not_open() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let file: Arc<dyn ImportFile> = Arc::new(Memory(sole_trader().into_bytes()));
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    let kept = index_bytes(&node).await;
    let (row, record) = node.record_read(batch.first).await.expect("read").expect("record");
    let subjects: Vec<_> = record.fields().subjects().collect();
    let key = keyspace::record(batch.first);
    let others = DataKey::new(&Zeroizing::new([9; 32])).expect("key");
    let mut write = Batch::new();
    kept.iter().for_each(|(key, _)| {
        write.delete(key.clone());
    });
    write.put(keyspace::batch(&batch.id), ImportBatchV1(batch.clone()).encode().expect("encoded"));
    node.parts.store.commit(write).await.expect("committed");
    for (data, opens) in [(&others, false), (&node.parts.keys.data, true)] {
        let mut write = Batch::new();
        write.put(key.clone(), row.seal(&key, data, node.row_nonce()).expect("sealed"));
        node.parts.store.commit(write).await.expect("committed");
        node.import_index_upgrade().await.expect("upgraded");
        let found = node.record_numbers_about(&subjects[1], None, 10).await.expect("numbers");
        assert_eq!(found.len(), usize::from(opens), "by the person's number");
        assert_eq!(node.batches_former().await.expect("batches").is_empty(), opens);
    }
    assert_eq!(index_bytes(&node).await, kept);
}

/// The disk has lost one record of two: the node starts, the other gets all its identifiers, and the import can be taken
/// back.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_record_holds_back_neither_a_former_index_nor_the_start() {
    let federation = Federation::new().await;
    let node = federation.node(MARKET);
    let clerk = as_role(&node, Role::Clerk).await;
    let text = sole_trader();
    let row = text.lines().last().expect("row").replace("示罚1号", "示罚2号");
    let file: Arc<dyn ImportFile> = Arc::new(Memory(format!("{text}{row}\n").into_bytes()));
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("import");
    let batch = batch.expect("batch");
    let (_, record) = node.record_read(batch.first).await.expect("read").expect("record");
    let subjects: Vec<_> = record.fields().subjects().collect();
    assert_eq!(subjects.len(), 2);
    let lost = keyspace::record(batch.first);
    let mut write = Batch::new();
    for (key, _) in index_bytes(&node).await {
        write.delete(key);
    }
    write.put(lost.clone(), vec![LOST; 4_096]);
    write.put(keyspace::batch(&batch.id), ImportBatchV1(batch.clone()).encode().expect("encoded"));
    node.parts.store.commit(write).await.expect("committed");
    drop(node);
    federation.node_drop_idle(MARKET).await;
    value_lose(&federation.folder.path().join(MARKET).join("store/values"));

    federation.node_start(MARKET, false).await;
    let node = federation.node(MARKET);
    assert!(node.parts.store.get(&lost).await.is_err(), "lost");
    for subject in &subjects {
        let found = node.record_numbers_about(subject, None, 10).await.expect("numbers");
        assert_eq!(found, [batch.first + 1]);
    }
    let reviewer = as_role(&node, Role::Reviewer).await;
    let rolled = node.import_rollback(&reviewer, &batch.id).await.expect("taken back");
    assert_eq!(rolled.state, BatchState::RolledBack);
    assert!(index_bytes(&node).await.is_empty());
    assert!(node.entries_between(0, u64::MAX).await.expect("entries").stored.is_empty());
}
