//! Refreshing among members that lie about what they hold or do not answer, and among hints.

use std::collections::BTreeMap;
use std::path::Path;

use chengxin_schemas::directory::{DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::seal::SealIdentity;
use chengxin_trust::{
    DirectoryEditor, FolderSource, FoundParams, Lifetimes, OnlineKeys, SourceError, federation_found,
};
use futures::future::BoxFuture;
use zeroize::Zeroizing;

use chengxin_schemas::adoption::AdoptedPolicy;
use chengxin_schemas::digest::Sha256;

use super::*;

/// 2026-11-22T08:00:00Z.
const NOW: UnixTime = UnixTime(1_795_334_400);

fn seed(number: u8) -> Zeroizing<[u8; 32]> {
    Zeroizing::new([number; 32])
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&seed(number)).expect("key")
}

fn online() -> OnlineKeys {
    OnlineKeys { targets: key(91), snapshot: key(92), timestamp: key(93) }
}

fn entry(code: &str, number: u8, coordinator: bool) -> DirectoryEntry {
    let recipient = |number| SealIdentity::from_seed(&seed(number)).expect("seal").to_recipient().to_string();
    let name = format!("chengxin.invalid/log/{code}").parse().expect("name");
    let log_key = chengxin_audit_log::note::KeyKind::Ed25519;
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: code.parse().expect("agency"),
        name: "示例财政厅".to_owned(),
        region: "150000".parse().expect("region"),
        functions: vec!["finance".parse().expect("function")],
        coordinator,
        overlay_region: None,
        signing_keys: vec![TimedKey {
            jwk: *key(number).public(),
            not_before: NOW.plus(-86_400),
            not_after: None,
        }],
        age_node_recipient: recipient(number + 1),
        age_recovery_recipient: recipient(number + 2),
        transport_identity: format!("12D3KooWtest{number}"),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".to_owned()],
        audit_log_key: chengxin_audit_log::note::NoteVerifier::new(name, log_key, *key(number + 3).public())
            .to_string(),
        protocol: 1,
    }
}

/// Takes every request and answers none.
struct Silent;

impl MetadataSource for Silent {
    fn fetch(&self, _: String, _: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(std::future::pending())
    }
}

fn source(folder: &Path) -> Box<dyn MetadataSource> {
    Box::new(FolderSource::new(folder))
}

#[tokio::test]
async fn members_that_claim_more_than_they_hold_do_not_end_a_refresh() {
    let folder = tempfile::tempdir().expect("folder");
    let repository = folder.path().join("repository");
    let founded = federation_found(
        &FoundParams {
            federation: "example".parse().expect("federation"),
            root_keys: &[key(94)],
            threshold: 1,
            online: &online(),
            lifetimes: Lifetimes::default(),
            coordinator: entry("11150000DEM000129D", 10, true),
            contents: BTreeMap::new(),
        },
        &repository,
        NOW,
    )
    .expect("founded");
    // What a lying member serves is the very state that is held already, by a store that refreshed when this one did.
    let held = folder.path().join("held");
    for place in [&held, &folder.path().join("victim")] {
        let store = TrustStore::open(place, founded.fingerprint).await.expect("store");
        store.refresh(&FolderSource::new(&repository), NOW).await.expect("refreshed");
    }
    let mut editor = DirectoryEditor::open(&repository, online(), Lifetimes::default(), NOW).expect("editor");
    editor.member_admit(entry("11150000DEM000233H", 20, false), NOW).expect("admitted");

    let trust = TrustStore::open(folder.path().join("victim"), founded.fingerprint).await.expect("store");
    let agency: AgencyCode = "11150000DEM000233H".parse().expect("agency");
    let deadline = Duration::from_secs(1);
    let liars =
        || [(agency, source(&held)), (agency, Box::new(Silent) as Box<dyn MetadataSource>)].into_iter();
    assert!(!sources_try(&trust, liars(), NOW, deadline).await, "nobody had anything newer");
    assert_eq!(trust.directory().expect("directory").len(), 1);
    let honest = std::iter::once((agency, source(&repository)));
    assert!(sources_try(&trust, liars().chain(honest), NOW, deadline).await);
    assert_eq!(trust.directory().expect("directory").len(), 2, "the honest member came to its turn");
}

#[tokio::test]
async fn hints_do_not_put_off_the_regular_round() {
    let later = Instant::now() + Duration::from_secs(60);
    let due = Instant::now().checked_sub(Duration::from_secs(1)).expect("the machine is up for a second");
    assert_eq!(due_after(Round::Hinted, due, later), due);
    assert_eq!(due_after(Round::Regular, due, later), later);
    assert_eq!(due_after(Round::Published, due, later), later);
    // What is due comes first, though a hint always waits.
    let (changed, hint) = (Notify::new(), Notify::new());
    hint.notify_one();
    assert_eq!(round_next(&changed, &hint, due).await, Round::Regular);
    assert_eq!(round_next(&changed, &hint, later).await, Round::Hinted);
    changed.notify_one();
    assert_eq!(round_next(&changed, &hint, due).await, Round::Published);
}

#[tokio::test]
async fn what_changes_during_a_round_is_published_at_once() {
    let (changed, published) = (Notify::new(), Notify::new());
    // Ends when the change is published, and otherwise never: as a round with a member that does not answer.
    let round = async {
        changed.notify_one();
        published.notified().await;
    };
    let running = while_publishing(round, &changed, || published.notify_one());
    assert!(tokio::time::timeout(Duration::from_secs(60), running).await.expect("published"));
    assert!(!while_publishing(async {}, &changed, || ()).await, "nothing changed");
}

fn report(number: u32) -> AdoptionReport {
    let in_force = AdoptedPolicy {
        version: format!("baseline-{number}").parse().expect("version"),
        bundle: Sha256([1; 32]),
        since: UnixTime(1),
    };
    AdoptionReport { in_force, ready: None, refused: None, fault: None, overlay: None }
}

#[test]
fn a_coordinator_is_told_what_it_does_not_know_and_is_not_pressed() {
    let begin = Instant::now();
    let mut telling = Telling::default();
    assert!(telling.is_due(&report(1), begin));
    telling.ended(Told::Unreachable, &report(1), begin);
    assert!(telling.is_due(&report(1), begin), "at the next look");
    telling.ended(Told::Noted, &report(1), begin);
    assert!(!telling.is_due(&report(1), begin + TELL_AGAIN / 2));
    assert!(telling.is_due(&report(1), begin + TELL_AGAIN), "it may have lost it");
    assert!(telling.is_due(&report(2), begin), "news");
    // One that will not listen is asked ever less often.
    let mut now = begin;
    let mut times = 0;
    while now < begin + 10 * TELL_PAUSE_LIMIT {
        if telling.is_due(&report(2), now) {
            times += 1;
            telling.ended(Told::Refused, &report(2), now);
        }
        now += POLICY_TICK;
    }
    assert!((10..25).contains(&times), "{times}");
    telling.ended(Told::Noted, &report(2), now);
    assert!(telling.is_due(&report(3), now), "what comes after is told at once");
}
