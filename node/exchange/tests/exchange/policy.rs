//! Policies from a coordinator's plan to every node's decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_audit_log::Filter;
use chengxin_exchange::adoption_status::AdoptionState;
use chengxin_exchange::audit::EntryKind;
use chengxin_exchange::budget::{REPORTS_PER_DAY, SIMULATIONS_PER_DAY};
use chengxin_exchange::operation::Operation;
use chengxin_exchange::operator::{OperatorDraft, Separation};
use chengxin_exchange::policy_plan::PolicyPlan;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_exchange::policy_simulation::SimulationLine;
use chengxin_exchange::{ExchangeError, Node};
use chengxin_policy::{
    Action, Authoriser, Bundle, BundleFiles, FieldForm, PolicyFiles, ReplayOutcome, Treatment,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::adoption::AdoptionReport;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::operator::Role;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::{APPROVAL_SECONDS, PolicySchedule, Publication};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_schemas::wire::{PeerRequest, PeerResponse, decode};
use chengxin_store::{Batch, SledOptions, SledStore, Store as _};
use chengxin_trust::{ContentName, PolicyPart};

use crate::check::wanted;
use crate::support::{
    FINANCE, Federation, LEAGUE, MARKET, NOW, SUBJECT, agency, as_role, policy_changed, text_replace,
};

/// Beginning of 2026-11-23 in Asia/Shanghai; `NOW` is the afternoon before.
pub(crate) const TOMORROW: UnixTime = UnixTime(1_795_363_200);

/// Two people who may publish, of different users.
pub(crate) async fn coordinators(node: &Node) -> [Operation; 2] {
    let security = as_role(node, Role::SecurityAdministrator).await;
    for (name, user_id) in [("ma", 11), ("he", 12)] {
        let draft = OperatorDraft {
            name: name.parse().expect("name"),
            display_name: name.to_owned(),
            user_id,
            roles: vec![Role::Coordinator],
        };
        node.operator_add(&security, draft, Separation::Enforced).await.expect("account");
    }
    [
        node.operation_begin(11, None, Some(Role::Coordinator)).await.expect("ma"),
        node.operation_begin(12, None, Some(Role::Coordinator)).await.expect("he"),
    ]
}

fn content(part: PolicyPart) -> ContentName {
    ContentName::Policy(PolicyScope::Federation, part)
}

fn baseline() -> Bundle {
    Bundle::baseline().expect("baseline")
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().expect("day")
}

fn later(version: &PolicyVersion, steps: usize) -> PolicyVersion {
    (0..steps).fold(version.clone(), |version, _| version.next().expect("a later version"))
}

/// The baseline under a later version, with one more rule.
pub(crate) fn narrowed(steps: usize) -> BundleFiles {
    with_rule(steps, "test.no-warnings,*,securities-regulation,bidding,*,risk_warning,L3,*,*,deny")
}

fn with_rule(steps: usize, rule: &str) -> BundleFiles {
    let mut version = baseline().manifest().version.clone();
    for _ in 0..steps {
        version = later(&version, 1);
    }
    let files = baseline().files().reissue(&version, day("2026-11-01")).expect("reissued");
    let mut texts: BTreeMap<String, String> =
        files.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let rules = texts.get_mut("rules.csv").expect("rules");
    rules.push_str(&format!("{rule}\n"));
    // Its own tests say what the baseline says of the purposes that the rule is about.
    let tests = texts.get_mut("tests.toml").expect("tests");
    let kept =
        |part: &&str| !["government-procurement", "bidding"].iter().any(|purpose| part.contains(purpose));
    *tests = tests.split("\n\n").filter(kept).collect::<Vec<_>>().join("\n\n");
    BundleFiles::new(texts).expect("files")
}

pub(crate) fn version_of(files: &BundleFiles) -> PolicyVersion {
    Bundle::from_files(files.clone()).expect("bundle").manifest().version.clone()
}

fn digits(plan: &PolicyPlan) -> String {
    plan.bundle.to_string().chars().skip(7).take(12).collect()
}

pub(crate) async fn sign(
    node: &Arc<Node>,
    who: &Operation,
    plan: &PolicyPlan,
) -> Result<PolicyPlan, ExchangeError> {
    node.policy_sign(who, Separation::Enforced, &plan.version, &digits(plan)).await
}

/// Stages, signs and prepares; the caller publishes.
pub(crate) async fn prepared(
    node: &Arc<Node>,
    people: &[Operation; 2],
    files: &BundleFiles,
    effective: &str,
) -> PreparedPublication {
    let plan = node.policy_stage(&people[0], files.pack()).await.expect("staged");
    for person in people {
        sign(node, person, &plan).await.expect("signed");
    }
    prepare(node, &people[0], &plan, effective).await.expect("prepared")
}

/// All of publishing but the change of the directory, which the caller makes.
async fn prepare(
    node: &Arc<Node>,
    who: &Operation,
    plan: &PolicyPlan,
    effective: &str,
) -> Result<PreparedPublication, ExchangeError> {
    node.policy_publish(who, &plan.version, day(effective), async |_| Ok(())).await
}

async fn adopt(federation: &Federation, code: &str) -> AdoptionReport {
    federation.directory_refresh(code).await;
    federation.node(code).policy_adopt().await.expect("looked")
}

async fn tell(federation: &Federation, code: &str, report: AdoptionReport) {
    let answer = federation
        .node(FINANCE)
        .peer_handle(&agency(code), Ok(PeerRequest::Adoption(Box::new(report))))
        .await;
    assert_eq!(decode::<PeerResponse>(&answer).expect("decodes"), PeerResponse::Noted);
}

async fn states(federation: &Federation) -> BTreeMap<String, AdoptionState> {
    let status = federation.node(FINANCE).adoption_status().await.expect("status");
    status.bundle.members.iter().map(|member| (member.agency.to_string(), member.state)).collect()
}

pub(crate) async fn kinds(node: &Node, kind: EntryKind) -> usize {
    let filter = Filter { kinds: vec![kind], ..Filter::default() };
    node.log().search(filter, 100).await.expect("search").entries.len()
}

#[tokio::test]
async fn a_policy_goes_from_a_plan_to_every_node_on_its_day() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let (old, new) = (baseline().manifest().version.clone(), version_of(&narrowed(1)));

    let publication = prepared(&node, &people, &narrowed(1), "2026-11-23").await;
    federation.contents_publish(&publication.contents);
    for code in [FINANCE, MARKET] {
        let report = adopt(&federation, code).await;
        assert_eq!(report.in_force.version, old);
        assert_eq!(report.ready.as_ref().map(|ready| &ready.version), Some(&new), "loaded before its day");
        assert_eq!(federation.node(code).policy_version(), old.to_string());
        if code != FINANCE {
            tell(&federation, code, report).await;
        }
    }
    let now = states(&federation).await;
    assert_eq!(
        (now[FINANCE], now[MARKET], now[LEAGUE]),
        (AdoptionState::Adopted, AdoptionState::Adopted, AdoptionState::Silent)
    );

    // One was down all the time, and another restarts between publication and day.
    federation.node_drop(LEAGUE);
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    for clock in federation.clocks.values() {
        clock.set(TOMORROW.plus(-1));
    }
    assert_eq!(adopt(&federation, MARKET).await.in_force.version, old, "one second too early");
    for clock in federation.clocks.values() {
        clock.set(TOMORROW);
    }
    for code in [FINANCE, MARKET] {
        let report = adopt(&federation, code).await;
        assert_eq!((report.in_force.version.clone(), report.in_force.since), (new.clone(), TOMORROW));
        assert_eq!((report.ready, report.refused), (None, None));
        let decides = federation.node(code).policy();
        assert_eq!(decides.bundle().rules_version(), new.to_string());
        assert!(decides.bundle().rules().iter().any(|rule| rule.id.as_str() == "test.no-warnings"));
    }
    let now = states(&federation).await;
    assert_eq!(
        (now[FINANCE], now[MARKET], now[LEAGUE]),
        (AdoptionState::Adopted, AdoptionState::Lagging, AdoptionState::Silent)
    );
    federation.node_start(LEAGUE, false).await;
    for code in [MARKET, LEAGUE] {
        let report = adopt(&federation, code).await;
        assert_eq!(report.in_force.version, new);
        tell(&federation, code, report).await;
    }
    assert!(states(&federation).await.values().all(|state| *state == AdoptionState::Adopted));

    // What it decides by survives, with its time, and is written down once.
    let logged = kinds(&federation.node(MARKET), EntryKind::PolicyLoaded).await;
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert_eq!(federation.node(MARKET).policy_version(), new.to_string(), "at once, before any look");
    federation.clocks[&agency(MARKET)].set(TOMORROW.plus(3_600));
    let report = adopt(&federation, MARKET).await;
    assert_eq!((report.in_force.version, report.in_force.since), (new, TOMORROW));
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyLoaded).await, logged);

    // A clock that goes back takes no node back.
    federation.clocks[&agency(MARKET)].set(NOW);
    assert_eq!(adopt(&federation, MARKET).await.in_force.since, TOMORROW);
}

#[tokio::test]
async fn two_different_people_sign_what_they_saw() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let code_of = |result: Result<PolicyPlan, ExchangeError>| result.expect_err("refused").code();

    let plan = node.policy_stage(&people[0], narrowed(1).pack()).await.expect("staged");
    assert_eq!((plan.is_current, plan.approvals.len()), (true, 0));
    let named = |digest: &str| {
        let (node, who, version, digest) =
            (node.clone(), people[0].clone(), plan.version.clone(), digest.to_owned());
        async move { node.policy_sign(&who, Separation::Enforced, &version, &digest).await }
    };
    let whole = plan.bundle.to_string();
    for digest in ["", "sha256:", &digits(&plan)[..7], "00000000"] {
        assert_eq!(code_of(named(digest).await), ErrorCode::Conflict, "{digest}");
    }
    named(&whole.to_uppercase().replace("SHA256", "sha256")).await.expect("signed");
    assert_eq!(code_of(sign(&node, &people[0], &plan).await), ErrorCode::Conflict, "the same person");
    // A second account of the same user is the same person, but for a trial on one machine.
    let security = as_role(&node, Role::SecurityAdministrator).await;
    let draft = OperatorDraft {
        name: "ma2".parse().expect("name"),
        display_name: "ma".to_owned(),
        user_id: 11,
        roles: vec![Role::Coordinator],
    };
    node.operator_add(&security, draft, Separation::Enforced).await.expect("account");
    let second = node
        .operation_begin(11, Some(&"ma2".parse().expect("name")), Some(Role::Coordinator))
        .await
        .expect("ma2");
    assert_eq!(code_of(sign(&node, &second, &plan).await), ErrorCode::Conflict);
    let refused = prepare(&node, &people[0], &plan, "2026-11-23").await;
    assert_eq!(refused.expect_err("one signature").code(), ErrorCode::Conflict);
    // Others do not sign, and no other node plans.
    let clerk = as_role(&node, Role::Clerk).await;
    assert_eq!(code_of(sign(&node, &clerk, &plan).await), ErrorCode::Denied);
    let elsewhere = federation.node(MARKET);
    let others = coordinators(&elsewhere).await;
    assert_eq!(code_of(elsewhere.policy_stage(&others[0], narrowed(1).pack()).await), ErrorCode::Conflict);

    // Other content under the version drops what was signed.
    let changed = narrowed(1).reissue(&plan.version, day("2026-11-02")).expect("reissued");
    let again = node.policy_stage(&people[1], changed.pack()).await.expect("staged");
    assert!(again.approvals.is_empty() && again.bundle != plan.bundle);
    assert_eq!(code_of(sign(&node, &people[1], &plan).await), ErrorCode::Conflict, "not what is staged now");
    sign(&node, &people[1], &again).await.expect("signed");
    sign(&node, &people[0], &again).await.expect("signed");
    // Who has lost his account no longer stands for it.
    let he = "he".parse().expect("name");
    node.operator_disable(&security, &he).await.expect("disabled");
    let refused = prepare(&node, &people[0], &plan, "2026-11-23").await;
    assert!(refused.expect_err("one is gone").to_string().contains("1 of 2"));
    node.policy_discard(&people[0], &plan.version).await.expect("discarded");
    assert_eq!(code_of(sign(&node, &people[0], &again).await), ErrorCode::NotFound);
    assert_eq!(node.policy_plans().await.expect("plans"), []);
    // Every step is in the log: two stagings, three signatures, one discarding.
    assert_eq!(kinds(&node, EntryKind::PolicyChanged).await, 6);
}

#[tokio::test]
async fn a_plan_made_on_an_old_version_does_not_apply() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let late = node.policy_stage(&people[0], narrowed(2).pack()).await.expect("staged");
    for person in &people {
        sign(&node, person, &late).await.expect("signed");
    }
    let first = prepared(&node, &people, &narrowed(1), "2026-11-23").await;
    federation.contents_publish(&first.contents);
    federation.directory_refresh(FINANCE).await;

    let plans = node.policy_plans().await.expect("plans");
    assert_eq!(plans.len(), 1, "the published one is no plan any more");
    assert!(!plans[0].is_current);
    let refused = prepare(&node, &people[0], &late, "2026-11-24").await;
    assert!(refused.expect_err("stale").to_string().contains("stage it again"));
    assert!(sign(&node, &people[0], &late).await.is_err());
    // A version is used once.
    for files in [narrowed(1), baseline().files().clone()] {
        let refused = node.policy_stage(&people[0], files.pack()).await.expect_err("used");
        assert!(refused.to_string().contains("higher version"), "{refused}");
    }
    // What waits for its day may be replaced, but not by something that lets it be forgotten for a while.
    let again = node.policy_stage(&people[0], narrowed(2).pack()).await.expect("staged");
    for person in &people {
        sign(&node, person, &again).await.expect("signed");
    }
    let forgotten = prepare(&node, &people[0], &again, "2026-11-24").await;
    assert!(forgotten.expect_err("too late").to_string().contains("waits for 2026-11-23"));
    for over in ["2026-11-21", "2026-10-31"] {
        assert!(prepare(&node, &people[0], &again, over).await.is_err(), "{over} is over");
    }
    let replacing = prepare(&node, &people[0], &again, "2026-11-22").await.expect("today");
    assert_eq!(replacing.replaced, Some(first.publication.version.clone()));
    federation.contents_publish(&replacing.contents);
    // At once, and never the one between.
    let report = adopt(&federation, MARKET).await;
    assert_eq!(report.in_force.version, again.version);
    assert_eq!(adopt(&federation, FINANCE).await.in_force.version, again.version);
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyLoaded).await, 2);
}

#[tokio::test]
async fn a_bundle_that_does_not_hold_changes_nothing_and_is_told() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let old = baseline().manifest().version.clone();
    let good = prepared(&node, &people, &narrowed(1), "2026-11-22").await;

    // One person's approval; another bundle than was approved; bytes that are no bundle; a bundle that fails its tests.
    let schedule = |change: &dyn Fn(&mut PolicySchedule)| {
        let bytes = good.contents[&content(PolicyPart::Schedule)].clone().expect("schedule");
        let mut schedule = PolicySchedule::parse(&bytes).expect("parses");
        change(&mut schedule);
        Bytes::from(schedule.encode().expect("bytes"))
    };
    let published = |name, bytes: Bytes| {
        let mut contents = good.contents.clone();
        contents.insert(name, Some(bytes));
        contents
    };
    let alone = schedule(&|schedule| {
        let approvals = &mut schedule.publications[1].approvals;
        approvals[1] = approvals[0].clone();
    });
    let future = schedule(&|schedule| schedule.publications[1].published = NOW.plus(-40 * 24 * 3_600));
    let other = schedule(&|schedule| schedule.publications[1].version = later(&old, 2));
    let swapped = Bytes::from(chengxin_policy::published_encode(&narrowed(2)).expect("bytes"));
    let broken = [
        published(content(PolicyPart::Schedule), alone),
        published(content(PolicyPart::Schedule), future),
        published(content(PolicyPart::Schedule), other),
        published(content(PolicyPart::Next), swapped),
        published(content(PolicyPart::Next), Bytes::from_static(b"\x1f\x8b nothing")),
    ];
    for (round, contents) in broken.iter().enumerate() {
        federation.contents_publish(contents);
        let report = adopt(&federation, MARKET).await;
        assert_eq!(report.in_force.version, old, "round {round}");
        let refused = report.refused.clone().expect("refused");
        assert!(!refused.reason.is_empty());
        // Looking again logs nothing again.
        let logged = kinds(&federation.node(MARKET), EntryKind::PolicyRefused).await;
        assert_eq!(adopt(&federation, MARKET).await, report);
        assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyRefused).await, logged);
        assert_eq!(logged, round + 1);
        tell(&federation, MARKET, report).await;
        federation.directory_refresh(FINANCE).await;
        assert_eq!(states(&federation).await[MARKET], AdoptionState::Refused);
    }
    // It starts again with what it has.
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert_eq!(federation.node(MARKET).policy_version(), old.to_string());
    // A schedule that does not parse is no schedule and no reason to stop, but one to speak of: once.
    federation.contents_publish(&published(content(PolicyPart::Schedule), Bytes::from_static(b"{}")));
    let logged = kinds(&federation.node(MARKET), EntryKind::PolicyRefused).await;
    let report = adopt(&federation, MARKET).await;
    assert_eq!((&report.in_force.version, report.refused.as_ref()), (&old, None));
    assert!(report.fault.as_ref().is_some_and(|fault| fault.reason.contains("policy schedule")));
    assert_eq!(adopt(&federation, MARKET).await, report);
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyRefused).await, logged + 1);
    // Nor is it a reason not to start.
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert_eq!(federation.node(MARKET).policy_version(), old.to_string());
    assert!(adopt(&federation, MARKET).await.fault.is_some());
    tell(&federation, MARKET, report).await;
    assert_eq!(states(&federation).await[MARKET], AdoptionState::Refused);
    // The good one heals all.
    federation.contents_publish(&good.contents);
    let report = adopt(&federation, MARKET).await;
    assert_eq!((report.in_force.version, report.refused), (good.publication.version.clone(), None));
    assert_eq!(report.fault, None);
}

/// The schedule with one publication and its bundle.
fn alone(publication: Publication, files: &BundleFiles) -> BTreeMap<ContentName, Option<Bytes>> {
    let bytes = Bytes::from(chengxin_policy::published_encode(files).expect("bytes"));
    let schedule = PolicySchedule::new(vec![publication]).expect("sound").encode().expect("bytes");
    BTreeMap::from([
        (content(PolicyPart::Bundle), Some(bytes)),
        (content(PolicyPart::Next), None),
        (content(PolicyPart::Schedule), Some(Bytes::from(schedule))),
    ])
}

#[tokio::test]
async fn a_node_that_decides_goes_neither_back_nor_where_nobody_approved() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let mut published = Vec::new();
    for steps in [1, 2] {
        let one = prepared(&node, &people, &narrowed(steps), "2026-11-22").await;
        federation.contents_publish(&one.contents);
        for code in [FINANCE, MARKET, LEAGUE] {
            assert_eq!(adopt(&federation, code).await.in_force.version, one.publication.version);
        }
        published.push(one.publication);
    }
    let [first, second] = &published[..] else { panic!("two") };
    // A content that nobody approved, as if the federation were founded with it; the same with no schedule at all; what was
    // in force before, with its own approvals; a lower version of the series that nobody has seen.
    let unapproved = Publication {
        version: later(&second.version, 1),
        bundle: Bundle::from_files(narrowed(3)).expect("bundle").digest(),
        base: None,
        approvals: Vec::new(),
        ..second.clone()
    };
    let mut scheduleless = alone(unapproved.clone(), &narrowed(3));
    scheduleless.insert(content(PolicyPart::Schedule), None);
    let attempts = [alone(unapproved, &narrowed(3)), scheduleless, alone(first.clone(), &narrowed(1))];
    for (round, contents) in attempts.iter().enumerate() {
        federation.contents_publish(contents);
        let report = adopt(&federation, MARKET).await;
        assert_eq!(report.in_force.version, second.version, "round {round}");
        let reason = report.refused.expect("refused").reason;
        assert!(reason.contains("the coordinator publishes"), "{reason}");
        // A restart changes nothing about it.
        federation.node_drop(MARKET);
        federation.node_start(MARKET, false).await;
        assert_eq!(adopt(&federation, MARKET).await.in_force.version, second.version, "round {round}");
    }
    // Nothing at all: what decides goes on, also after a restart, and is not left behind by it.
    let nothing = [PolicyPart::Bundle, PolicyPart::Next, PolicyPart::Schedule];
    federation.contents_publish(&nothing.map(|part| (content(part), None)).into());
    for _ in 0..2 {
        let report = adopt(&federation, MARKET).await;
        assert_eq!((&report.in_force.version, report.refused.as_ref()), (&second.version, None));
        let fault = report.fault.expect("a fault").reason;
        assert!(fault.contains("by which this node decides"), "{fault}");
        federation.node_drop(MARKET);
        federation.node_start(MARKET, false).await;
        assert_eq!(federation.node(MARKET).policy_version(), second.version.to_string());
    }
    federation.contents_publish(&alone(second.clone(), &narrowed(2)));
    let report = adopt(&federation, MARKET).await;
    assert_eq!((report.in_force.version, report.refused, report.fault), (second.version.clone(), None, None));
}

#[tokio::test]
async fn what_was_approved_to_follow_something_else_is_not_taken() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let late = prepared(&node, &people, &narrowed(2), "2026-11-22").await;
    let first = prepared(&node, &people, &narrowed(1), "2026-11-22").await;
    federation.contents_publish(&first.contents);
    assert_eq!(adopt(&federation, MARKET).await.in_force.version, first.publication.version);
    // Whoever holds the directory's keys takes the plan that no longer applies from its row.
    federation.contents_publish(&late.contents);
    let report = adopt(&federation, MARKET).await;
    assert_eq!(report.in_force.version, first.publication.version);
    let reason = report.refused.expect("refused").reason;
    assert!(reason.contains("approved to follow what this node left"), "{reason}");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_taken_from_the_directory() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let one = prepared(&node, &people, &narrowed(1), "2026-11-22").await;
    federation.contents_publish(&one.contents);
    assert_eq!(adopt(&federation, MARKET).await.in_force.version, one.publication.version);
    federation.node_drop(MARKET);
    let place = federation.folder.path().join(MARKET).join("store");
    {
        let store = SledStore::open(place, SledOptions::default()).expect("store");
        let mut batch = Batch::new();
        batch.put(b"a".to_vec(), b"\x07nothing of a policy".to_vec());
        store.commit(batch).await.expect("committed");
    }
    for _ in 0..2 {
        federation.node_start(MARKET, false).await;
        assert_eq!(federation.node(MARKET).policy_version(), one.publication.version.to_string());
        assert_eq!(adopt(&federation, MARKET).await.in_force.version, one.publication.version);
        federation.node_drop(MARKET);
    }
    federation.node_start(MARKET, false).await;
    let loaded = kinds(&federation.node(MARKET), EntryKind::PolicyLoaded).await;
    assert_eq!(loaded, 3, "the founding one, the first, and the first again when its row was written anew");
}

#[tokio::test]
async fn the_coordinator_mends_a_schedule_that_cannot_be_read() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let broken = Bytes::from_static(b"{}");
    federation.contents_publish(&BTreeMap::from([(content(PolicyPart::Schedule), Some(broken))]));
    federation.directory_refresh(FINANCE).await;
    let status = node.adoption_status().await.expect("status").bundle;
    assert!(status.published.is_empty());
    assert!(status.fault.expect("a fault").contains("policy schedule"));
    // The plan is made on what decides, and can be compared with it.
    let base = node.policy_base(PolicyScope::Federation).await.expect("base");
    assert_eq!(base.bundle().digest(), baseline().digest());
    let one = prepared(&node, &people, &narrowed(1), "2026-11-22").await;
    federation.contents_publish(&one.contents);
    for code in [FINANCE, MARKET] {
        let report = adopt(&federation, code).await;
        assert_eq!((report.in_force.version, report.fault), (one.publication.version.clone(), None));
    }
    assert_eq!(node.adoption_status().await.expect("status").bundle.fault, None);
}

#[tokio::test]
async fn what_was_published_can_be_exported_where_it_does_not_load() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let one = prepared(&node, &people, &narrowed(1), "2026-11-23").await;
    // Another program may publish what this one cannot load: a test of it fails here.
    let texts: BTreeMap<String, String> = narrowed(1)
        .iter()
        .map(|(name, text)| (name.to_owned(), text.replacen("expect = \"permit\"", "expect = \"deny\"", 1)))
        .collect();
    let files = BundleFiles::new(texts).expect("files");
    let publication = Publication { bundle: files.digest(), ..one.publication };
    federation.contents_publish(&alone(publication, &files));
    assert!(adopt(&federation, FINANCE).await.refused.is_some());
    let exported = node.policy_files(PolicyScope::Federation).await.expect("exported");
    assert_eq!(exported, PolicyFiles::Bundle(files));
    let base = node.policy_base(PolicyScope::Federation).await.expect("base");
    assert_eq!(base.bundle().digest(), baseline().digest());
}

#[tokio::test]
async fn approvals_are_asked_for_again_before_the_day() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let old = baseline().manifest().version.clone();
    let one = prepared(&node, &people, &narrowed(1), "2026-11-23").await;
    federation.contents_publish(&one.contents);
    assert!(adopt(&federation, MARKET).await.ready.is_some(), "loaded and waiting");
    // Its people's body is no coordinator any more: the running node and one that starts decide alike.
    federation.entry_update(MARKET, |entry| entry.coordinator = true);
    federation.entry_update(FINANCE, |entry| entry.coordinator = false);
    for clock in federation.clocks.values() {
        clock.set(TOMORROW);
    }
    for code in [MARKET, LEAGUE] {
        let report = adopt(&federation, code).await;
        assert_eq!((&report.in_force.version, report.ready.as_ref()), (&old, None), "{code}");
        assert!(report.refused.expect("refused").reason.contains("coordinator"));
    }
    // A coordinator again: nothing is left of the refusal.
    federation.entry_update(FINANCE, |entry| entry.coordinator = true);
    assert_eq!(adopt(&federation, MARKET).await.in_force.version, one.publication.version);
}

#[tokio::test]
async fn a_signature_holds_for_a_month() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let plan = node.policy_stage(&people[0], narrowed(1).pack()).await.expect("staged");
    for person in &people {
        sign(&node, person, &plan).await.expect("signed");
    }
    federation.clocks[&agency(FINANCE)].set(NOW.plus(APPROVAL_SECONDS + 1));
    let later = [
        node.operation_begin(11, None, Some(Role::Coordinator)).await.expect("ma"),
        node.operation_begin(12, None, Some(Role::Coordinator)).await.expect("he"),
    ];
    let refused = prepare(&node, &later[0], &plan, "2026-12-31").await.expect_err("too old");
    assert!(refused.to_string().contains("0 of 2"), "{refused}");
    for person in &later {
        sign(&node, person, &plan).await.expect("signed again");
    }
    prepare(&node, &later[0], &plan, "2026-12-31").await.expect("prepared");
}

#[tokio::test]
async fn a_plan_is_compared_with_what_waits_for_its_day() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let one = prepared(&node, &people, &narrowed(1), "2026-11-23").await;
    federation.contents_publish(&one.contents);
    adopt(&federation, FINANCE).await;
    assert_ne!(node.policy_version(), one.publication.version.to_string());
    let base = node.policy_base(PolicyScope::Federation).await.expect("base");
    assert_eq!(base.bundle().digest(), one.publication.bundle);
}

#[tokio::test]
async fn a_member_tells_as_often_as_a_policy_changes() {
    let federation = Federation::new().await;
    let report = adopt(&federation, MARKET).await;
    let finance = federation.node(FINANCE);
    let told = async |report: AdoptionReport| {
        let request = PeerRequest::Adoption(Box::new(report));
        decode::<PeerResponse>(&finance.peer_handle(&agency(MARKET), Ok(request)).await).expect("decodes")
    };
    let mut noted = 0;
    for number in 0..2 * REPORTS_PER_DAY {
        let mut other = report.clone();
        other.in_force.since = NOW.plus(-i64::try_from(number).expect("small"));
        noted += u64::from(told(other).await == PeerResponse::Noted);
    }
    assert_eq!(noted, REPORTS_PER_DAY);
    assert!(matches!(told(report.clone()).await, PeerResponse::Failed { code: ErrorCode::Busy, .. }));
    // The next day it is listened to; a time that is not over is none.
    federation.clocks[&agency(FINANCE)].set(NOW.plus(24 * 3_600));
    assert_eq!(told(report.clone()).await, PeerResponse::Noted);
    for since in [UnixTime(i64::MAX), UnixTime(-1)] {
        let mut wrong = report.clone();
        wrong.in_force.since = since;
        assert!(matches!(told(wrong).await, PeerResponse::Failed { code: ErrorCode::Invalid, .. }));
    }
}

#[tokio::test]
async fn an_old_content_comes_back_under_a_new_version() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let people = coordinators(&node).await;
    let nothing = node.policy_revert(&people[0], None).await.expect_err("nothing before the first");
    assert_eq!(nothing.code(), ErrorCode::NotFound);
    let first = prepared(&node, &people, &narrowed(1), "2026-11-22").await;
    federation.contents_publish(&first.contents);
    adopt(&federation, FINANCE).await;

    let plan = node.policy_revert(&people[0], None).await.expect("staged");
    assert_eq!(plan.version, later(&first.publication.version, 1));
    let back = node.policy_plan(&plan.version).await.expect("plan");
    let rules = |bundle: &Bundle| bundle.rules().len();
    assert_eq!(rules(back.bundle()), rules(&baseline()));
    for person in &people {
        sign(&node, person, &plan).await.expect("signed");
    }
    let publication = prepare(&node, &people[1], &plan, "2026-11-22").await.expect("prepared");
    federation.contents_publish(&publication.contents);
    for code in [FINANCE, MARKET] {
        assert_eq!(adopt(&federation, code).await.in_force.version, plan.version);
    }
    // Also of a version that the directory has no more; versions that are staged are passed over.
    node.policy_stage(&people[0], narrowed(3).pack()).await.expect("staged");
    let again = node.policy_revert(&people[0], Some(&first.publication.version)).await.expect("staged");
    assert_eq!(again.version, later(&plan.version, 2));
    let again = node.policy_plan(&again.version).await.expect("plan");
    assert_eq!(rules(again.bundle()), rules(&baseline()) + 1);
    let unknown = "baseline-1".parse().expect("version");
    assert!(node.policy_revert(&people[0], Some(&unknown)).await.is_err());
}

#[tokio::test]
async fn only_a_coordinators_node_keeps_what_members_tell() {
    let federation = Federation::new().await;
    let report = adopt(&federation, LEAGUE).await;
    let answer = federation
        .node(MARKET)
        .peer_handle(&agency(LEAGUE), Ok(PeerRequest::Adoption(Box::new(report))))
        .await;
    assert!(matches!(
        decode::<PeerResponse>(&answer).expect("decodes"),
        PeerResponse::Failed { code: ErrorCode::NotFound, .. }
    ));
}

#[tokio::test]
async fn a_simulation_says_who_would_get_less_and_nothing_about_whom() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    for _ in 0..3 {
        node.check_run(&clerk, wanted(SUBJECT, "government-procurement")).await.expect("check");
    }
    node.check_run(&clerk, wanted(SUBJECT, "bidding")).await.expect("check");
    let market = federation.node(MARKET);
    let people = coordinators(&market).await;
    let simulate = async |files: &BundleFiles, since: UnixTime| {
        let new = Authoriser::new(Bundle::from_files(files.clone()).expect("bundle")).expect("policy");
        market.policy_simulate(&people[0], [&market.policy(), &new], since).await.expect("simulated")
    };

    let rule = "test.less,*,finance,government-procurement,*,general_breach,L2,answer,*,deny";
    let simulation = simulate(&with_rule(1, rule), NOW.plus(-3_600)).await;
    assert_eq!((simulation.requests, simulation.unchanged, simulation.skipped), (4, 1, 0));
    assert!(simulation.complete);
    let [line] = &simulation.lines[..] else { panic!("{:?}", simulation.lines) };
    assert_eq!((line.asker, line.requests, line.outcome), (agency(FINANCE), 3, ReplayOutcome::Less));
    assert_eq!((line.action, line.role), (Action::Answer, Role::Clerk));
    assert_eq!(line.cells.len(), 1);
    let cell = line.cells[0];
    assert_eq!((cell.category, cell.level), (InformationCategory::GeneralBreach, ClassificationLevel::L2));
    assert_eq!((cell.from, cell.to), (Treatment::Show, Treatment::Withhold));
    let counts = |line: &SimulationLine| (line.fields_withheld, line.fields_masked);
    assert_eq!(counts(line), (6, 0), "in each of three answers the legal representative and the facts");
    assert!(simulation.fields_changed.is_empty());
    assert!(!format!("{simulation:?}").contains(SUBJECT));

    let all = "test.none,*,finance,government-procurement,*,*,*,answer,*,deny";
    let denied = simulate(&with_rule(1, all), NOW.plus(-3_600)).await;
    assert_eq!(denied.lines.iter().map(|line| line.outcome).collect::<Vec<_>>(), [ReplayOutcome::Denied]);
    assert_eq!(counts(&denied.lines[0]), (30, 0), "and in each the eight fields of the public part");
    // The rules stay, and one field is graded otherwise: every answer with it would show less.
    let name = |level: &str| format!("name = \"legal_representative\"\nlevel = \"{level}\"");
    let regraded = policy_changed(|texts| {
        text_replace(texts, "classification.toml", &name("L2"), &name("L4"));
    });
    let simulation = simulate(&regraded, NOW.plus(-3_600)).await;
    assert_eq!((simulation.requests, simulation.unchanged, simulation.lines.len()), (4, 4, 0));
    let [change] = simulation.fields_changed[..] else { panic!("{:?}", simulation.fields_changed) };
    assert_eq!(
        (change.record_type, change.field),
        (RecordType::AdministrativePenalty, "legal_representative")
    );
    let levels = |form: FieldForm| (form.level, form.person_level);
    assert_eq!(levels(change.from), (ClassificationLevel::L2, ClassificationLevel::L2));
    assert_eq!(levels(change.to), (ClassificationLevel::L4, ClassificationLevel::L4));
    // Nothing since then; the same policy; and what the asker's own node sees.
    assert_eq!(simulate(&with_rule(1, all), NOW.plus(1)).await.requests, 0);
    let same = simulate(&narrowed(1), NOW.plus(-3_600)).await;
    assert_eq!((same.requests, same.unchanged, same.lines.len()), (4, 4, 0));
    let own = coordinators(&node).await;
    let ask = "test.ask,*,finance,bidding,*,serious_breach,L1,ask,*,deny";
    let new = Authoriser::new(Bundle::from_files(with_rule(1, ask)).expect("bundle")).expect("policy");
    let seen = node.policy_simulate(&own[0], [&node.policy(), &new], NOW).await.expect("simulated");
    assert_eq!((seen.requests, seen.unchanged), (4, 3));
    assert_eq!(seen.lines[0].action, Action::Ask);
    // Only who may look at rules looks, and each look is logged.
    assert_eq!(kinds(&market, EntryKind::LogRead).await, 5);
    assert!(node.policy_simulate(&clerk, [&node.policy(), &new], NOW).await.is_err());
}

#[tokio::test]
async fn members_tell_counts_of_their_logs_if_they_agree_and_no_small_ones() {
    let federation = Federation::new().await;
    federation.penalty_import().await;
    let node = federation.node(FINANCE);
    let clerk = as_role(&node, Role::Clerk).await;
    for (purpose, times) in [("government-procurement", 6), ("bidding", 2)] {
        for _ in 0..times {
            node.check_run(&clerk, wanted(SUBJECT, purpose)).await.expect("check");
        }
    }
    let people = coordinators(&node).await;
    let files = policy_changed(|texts| {
        for purpose in ["government-procurement", "bidding"] {
            let rule = format!("test.{purpose},*,finance,{purpose},*,general_breach,L2,answer,*,deny\n");
            texts.get_mut("rules.csv").expect("rules").push_str(&rule);
        }
        let tests = texts.get_mut("tests.toml").expect("tests");
        *tests = tests.replace("\"general_breach/L2\" = \"show\"", "\"general_breach/L2\" = \"withhold\"");
        *tests = tests
            .replace("action = \"ask\"", "action = \"answer\"")
            .replace("public-money.ask.l1", "public-money.answer.l1");
    });
    let new = Authoriser::new(Bundle::from_files(files).expect("bundle")).expect("policy");
    let since = NOW.plus(-3_600);
    let told = node.policy_simulate_peers(&people[0], &new, since).await.expect("told");
    assert_eq!(told.iter().map(|one| one.agency).collect::<Vec<_>>(), [agency(MARKET), agency(LEAGUE)]);
    for one in &told {
        let counts = one.counts.as_ref().expect("counts");
        assert_eq!(
            (counts.requests, counts.others, counts.complete),
            (8, 0, true),
            "two are too few to be told"
        );
        let [line] = &counts.lines[..] else { panic!("{:?}", counts.lines) };
        assert_eq!((line.asker, line.requests, line.own), (agency(FINANCE), 6, false));
        assert_eq!(line.purpose.as_str(), "government-procurement");
    }
    assert!(!format!("{told:?}").contains(SUBJECT));
    // Both were asked, and say so in their logs.
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::LogRead).await, 1);
    // A liar is not believed, and one that is down is said to be.
    federation.lie(
        MARKET,
        Some(Arc::new(|_, answer: Bytes| {
            let Ok(PeerResponse::Simulated(mut counts)) = decode::<PeerResponse>(&answer) else {
                return answer;
            };
            counts.others += 1;
            Bytes::from(chengxin_schemas::wire::encode(&PeerResponse::Simulated(counts)).expect("encodes"))
        })),
    );
    federation.down(LEAGUE, true);
    let told = node.policy_simulate_peers(&people[0], &new, since).await.expect("told");
    assert!(told[0].counts.as_ref().expect_err("a lie").contains("do not add up"));
    assert!(told[1].counts.as_ref().expect_err("down").contains("refused"));
    federation.lie(MARKET, None);

    // What a region's overlay denies is nothing that a bundle changes: both sides stand without it.
    let same = Authoriser::new(Bundle::from_files(narrowed(1)).expect("bundle")).expect("policy");
    let told = node.policy_simulate_peers(&people[0], &same, since).await.expect("told");
    assert_eq!(told[0].counts.as_ref().expect("counts").lines, []);
    // Not every member may ask, nor anybody as often as he likes, nor with something that does not load.
    let content = chengxin_policy::published_encode(new.bundle().files()).expect("bytes");
    let ask = async |from: &str, to: &str, content: Vec<u8>| {
        let request = PeerRequest::Simulate { content, since };
        decode::<PeerResponse>(&federation.node(to).peer_handle(&agency(from), Ok(request)).await)
    };
    let reason = |answer| match answer {
        Ok(PeerResponse::Failed { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(ask(LEAGUE, MARKET, content.clone()).await).contains("coordinators"));
    reason(ask(FINANCE, MARKET, b"{}".to_vec()).await);
    for _ in 0..SIMULATIONS_PER_DAY {
        let _ = ask(FINANCE, MARKET, b"{}".to_vec()).await;
    }
    assert!(reason(ask(FINANCE, MARKET, content).await).contains("tomorrow"));
    // And no clerk.
    assert!(node.policy_simulate_peers(&clerk, &new, since).await.is_err());
}
