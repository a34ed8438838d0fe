//! A policy that takes effect while something is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chengxin_audit_log::Filter;
use chengxin_exchange::audit::EntryKind;
use chengxin_exchange::record::RecordFilter;
use chengxin_import::ImportOptions;
use chengxin_policy::BundleFiles;
use chengxin_schemas::category::{BreachSeverity, InformationCategory};
use chengxin_schemas::operator::Role;

use crate::hooked::Call;
use crate::policy::{coordinators, prepared};
use crate::support::{
    FINANCE, Federation, MARKET, as_role, policy_changed, serious_then_general, text_replace,
};

/// By the baseline a fine is a general breach; by this a serious one.
fn stricter() -> BundleFiles {
    policy_changed(|texts| {
        let fine = |category: &str, severity: &str| {
            format!(
                "id = \"penalty.other\"\nrecord_type = \"administrative-penalty\"\ncategory = \"{category}\"\nseverity = \"{severity}\""
            )
        };
        let to = fine("serious_breach", "serious");
        text_replace(texts, "categories.toml", &fine("general_breach", "general"), &to);
    })
}

/// More chunks than are on their way at once, so that rows are still being signed when the first of them is kept.
const ROWS: usize = 1_700;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_ruled_and_signed_by_one_policy() {
    let federation = Federation::new().await;
    let coordinator = federation.node(FINANCE);
    let people = coordinators(&coordinator).await;
    let publication = prepared(&coordinator, &people, &stricter(), "2026-11-22").await;
    federation.contents_publish(&publication.contents);
    federation.directory_refresh(MARKET).await;

    let node = federation.node(MARKET);
    let before = node.policy_version();
    let begun = Arc::new(AtomicBool::new(false));
    let adopting = node.clone();
    federation.hook(
        MARKET,
        Some(Arc::new(move |call| {
            let keeps_records = match call {
                Call::Commit(batch) => batch.operations().iter().any(|one| one.key().first() == Some(&b'r')),
                Call::Get(_) | Call::Scan => false,
            };
            let first = keeps_records && !begun.swap(true, Ordering::SeqCst);
            let node = adopting.clone();
            Box::pin(async move {
                if first {
                    node.policy_adopt().await.expect("adopted");
                }
                true
            })
        })),
    );
    let clerk = as_role(&node, Role::Clerk).await;
    let file = serious_then_general(ROWS);
    let (_, batch) =
        node.import_run(&clerk, file, ImportOptions::default(), Arc::new(|_| {})).await.expect("imported");
    federation.hook(MARKET, None);
    assert!(batch.is_some());
    let after = node.policy_version();
    assert_ne!(before, after, "exchanged on the way");

    let mut filter = RecordFilter { limit: 1_000, ..RecordFilter::default() };
    let (mut fines, mut looked_at) = (0, 0);
    loop {
        let page = node.record_list(&clerk, filter.clone()).await.expect("list");
        for (place, record) in page.records.iter().enumerate() {
            if record.severity == Some(BreachSeverity::Serious) {
                continue;
            }
            fines += 1;
            assert_eq!(record.category, InformationCategory::GeneralBreach);
            // Each chunk is signed at once, so that some of each are enough.
            if place % 50 == 0 {
                let detail = node.record_show(&clerk, &record.id).await.expect("shown");
                assert_eq!(detail.claims.rules, before, "by what it was ruled");
                looked_at += 1;
            }
        }
        filter.below = page.next;
        if filter.below.is_none() {
            break;
        }
    }
    assert_eq!((fines, looked_at), (ROWS, ROWS / 50));
    // The policy in force rules these rows otherwise. The file says what it said, so that it holds nothing new and
    // contradicts nothing.
    let again = serious_then_general(ROWS);
    let (examination, batch) =
        node.import_run(&clerk, again, ImportOptions::default(), Arc::new(|_| {})).await.expect("imported");
    assert_eq!(examination.rejected(), 0);
    assert_eq!(batch.expect("batch").records, 0, "all of it is held");

    // The next one is ruled by what is in force, and each says in the log by which it was.
    let batch = federation.penalty_import().await;
    let filter = RecordFilter { batch: Some(batch.id), limit: 1, ..RecordFilter::default() };
    let next = node.record_list(&clerk, filter).await.expect("list").records.remove(0);
    assert_eq!(next.severity, Some(BreachSeverity::Serious));
    let filter = Filter { kinds: vec![EntryKind::RecordImported], ..Filter::default() };
    let logged = node.log().search(filter, 10).await.expect("search").entries;
    let versions: Vec<_> = logged.iter().map(|entry| entry.leaf.policy.clone()).collect();
    assert_eq!(versions, [Some(after.clone()), Some(after), Some(before)]);
}
