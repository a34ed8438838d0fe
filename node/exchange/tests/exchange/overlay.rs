//! Overlays from a league's plan to the decisions of the nodes there, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chengxin_exchange::adoption_status::AdoptionState;
use chengxin_exchange::audit::EntryKind;
use chengxin_exchange::operation::Operation;
use chengxin_exchange::policy_publication::PreparedPublication;
use chengxin_exchange::{ExchangeError, Node};
use chengxin_policy::{
    AccessRequest, Action, AskerContext, Bundle, BundleFiles, Decision, OverlayFiles, published_encode,
};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::adoption::{AdoptionReport, OverlayAdoption};
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::policy_version::{PolicyScope, PolicyVersion};
use chengxin_schemas::publication::{PolicySchedule, Publication};
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::UnixTime;
use chengxin_schemas::wire::{PeerRequest, PeerResponse, decode};
use chengxin_trust::{ContentName, PolicyPart};

use crate::policy::{TOMORROW, coordinators, day, kinds, narrowed, prepared, sign, version_of};
use crate::support::{
    FINANCE, Federation, LEAGUE, MARKET, NOW, agency, as_role, overlay_accept, policy_changed,
};

/// What the league's overlay denies.
const DENIAL: &str = "150100.no-warnings,*,*,bidding,*,risk_warning,*,ask,*,deny";
const PERMISSION: &str = "150100.wide,clerk,*,other-administrative-decision,*,enhancing,L1,ask,show,allow";
const ORDINARY: &str = "expect = \"permit\"\nrule = \"public-money.ask.l1\"\npermitted = [\"basic\"]";

fn overlay(number: u32, rules: &[&str], expect: &str) -> OverlayFiles {
    let manifest = format!(
        "schema = \"chengxin/policy-overlay/v1\"\nregion = \"150100\"\nversion = \"150100-2026.{number}\"\neffective = \"2026-11-01\"\nchinese = \"示例收紧规则包\"\nenglish = \"Example overlay\"\nbasis = \"虚构的示例文件第三条\"\n"
    );
    let header = "id,role,function,purpose,subject,category,level,action,form,effect";
    let test = format!(
        "[[test]]\nname = \"bidding\"\nrequirement = \"QU-02\"\naction = \"ask\"\nrole = \"clerk\"\npurpose = \"bidding\"\nfunctions = [\"finance\"]\nsubject = \"organisation\"\ncategories = [\"basic\"]\ncase_reference = \"ZB-1\"\n{expect}\n"
    );
    let texts = BTreeMap::from([
        ("overlay.toml".to_owned(), manifest),
        ("rules.csv".to_owned(), format!("{header}\n{}\n", rules.join("\n"))),
        ("tests.toml".to_owned(), test),
    ]);
    OverlayFiles::new(texts).expect("files")
}

fn region() -> PolicyScope {
    PolicyScope::Region("150100".parse().expect("region"))
}

fn overlay_version(number: u32) -> PolicyVersion {
    format!("150100-2026.{number}").parse().expect("version")
}

/// A federation whose LEAGUE publishes for 150100, in which MARKET lies too.
async fn delegated() -> Federation {
    let federation = Federation::new().await;
    federation.entry_update(LEAGUE, |entry| {
        entry.region = "150100".parse().expect("region");
        entry.overlay_region = Some(entry.region);
    });
    federation.entry_update(MARKET, |entry| entry.region = "150102".parse().expect("region"));
    for code in [FINANCE, MARKET, LEAGUE] {
        federation.directory_refresh(code).await;
    }
    federation
}

/// Stages, signs and has the coordinator's node publish.
async fn published(
    node: &Arc<Node>,
    people: &[Operation; 2],
    files: &OverlayFiles,
    effective: &str,
) -> Result<PreparedPublication, ExchangeError> {
    let plan = node.policy_stage(&people[0], files.pack()).await?;
    for person in people {
        sign(node, person, &plan).await?;
    }
    node.overlay_publish(&people[0], &plan.version, day(effective)).await
}

async fn adopt(federation: &Federation, code: &str) -> AdoptionReport {
    federation.directory_refresh(code).await;
    federation.node(code).policy_adopt().await.expect("looked")
}

/// Whether a clerk of the node may ask about warnings before a bid is decided.
fn warns(node: &Node) -> bool {
    let request = AccessRequest {
        asker: AskerContext {
            agency: *node.agency(),
            functions: Vec::new(),
            region: "150100".parse().expect("region"),
        },
        role: Role::Clerk,
        purpose: "bidding".parse().expect("purpose"),
        case_reference: Some("ZB-1".parse().expect("case")),
        legal_basis: None,
        authorisation: None,
        second_person: None,
        subject_kind: SubjectKind::Organisation,
        own_records: false,
        categories: vec![InformationCategory::RiskWarning],
        action: Action::Ask,
    };
    match node.policy().authorize(&request) {
        Decision::Permit(_) => true,
        Decision::Denied(denied) => {
            assert_eq!(denied.rule.as_str(), "150100.no-warnings");
            false
        }
    }
}

fn in_force(report: &AdoptionReport) -> Option<String> {
    Some(report.overlay.as_ref()?.in_force.as_ref()?.version.to_string())
}

fn clocks_set(federation: &Federation, now: UnixTime) {
    for clock in federation.clocks.values() {
        clock.set(now);
    }
}

fn code_of<T: std::fmt::Debug>(result: Result<T, ExchangeError>) -> ErrorCode {
    result.expect_err("refused").code()
}

async fn tell(federation: &Federation, to: &str, from: &str, report: AdoptionReport) -> PeerResponse {
    let message = Ok(PeerRequest::Adoption(Box::new(report)));
    let answer = federation.node(to).peer_handle(&agency(from), message).await;
    decode::<PeerResponse>(&answer).expect("decodes")
}

#[tokio::test]
async fn an_overlay_goes_from_a_league_to_the_nodes_there_on_its_day() {
    let federation = delegated().await;
    let league = federation.node(LEAGUE);
    let people = coordinators(&league).await;
    let base = league.policy_version();
    // While the coordinator's node is down nothing is published, and the plan stays.
    federation.down(FINANCE, true);
    let unreached = published(&league, &people, &overlay(1, &[DENIAL], ORDINARY), "2026-11-23").await;
    assert_eq!(code_of(unreached), ErrorCode::Unavailable);
    federation.down(FINANCE, false);
    let plans = league.policy_plans().await.expect("plans");
    assert_eq!((plans.len(), plans[0].approvals.len(), plans[0].is_current), (1, 2, true));
    let version = plans[0].version.clone();
    let sent = league.overlay_publish(&people[0], &version, day("2026-11-23")).await.expect("published");
    assert_eq!(sent.publication.version, version);
    // Who got no answer sends again.
    league.overlay_publish(&people[0], &version, day("2026-11-23")).await.expect("published already");

    for code in [FINANCE, MARKET, LEAGUE] {
        let report = adopt(&federation, code).await;
        let ready = report.overlay.as_ref().and_then(|overlay| overlay.ready.as_ref());
        assert_eq!(
            ready.map(|ready| ready.version.to_string()),
            (code != FINANCE).then(|| version.to_string())
        );
        assert!(warns(&federation.node(code)), "not before its day");
    }
    assert_eq!(league.policy_plans().await.expect("plans"), [], "a published plan is none any more");

    federation.node_drop(MARKET);
    clocks_set(&federation, TOMORROW);
    // One was down over the change of days: it starts with the overlay.
    federation.node_start(MARKET, false).await;
    assert!(!warns(&federation.node(MARKET)));
    for code in [FINANCE, MARKET, LEAGUE] {
        let report = adopt(&federation, code).await;
        let narrowed = code != FINANCE;
        assert_eq!(in_force(&report), narrowed.then(|| version.to_string()));
        assert_eq!(report.in_force.version.to_string(), base);
        let node = federation.node(code);
        assert_eq!(warns(&node), !narrowed);
        let decides = if narrowed { format!("{base}+{version}") } else { base.clone() };
        assert_eq!(node.policy_version(), decides);
        if code == MARKET {
            // The coordinator is told, and the league too.
            assert_eq!(tell(&federation, FINANCE, MARKET, report.clone()).await, PeerResponse::Noted);
            assert_eq!(tell(&federation, LEAGUE, MARKET, report).await, PeerResponse::Noted);
        } else if code == FINANCE {
            assert!(matches!(
                tell(&federation, LEAGUE, FINANCE, report).await,
                PeerResponse::Failed { code: ErrorCode::NotFound, .. }
            ));
        }
    }
    // A restart with the overlay kept.
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert!(!warns(&federation.node(MARKET)));
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyLoaded).await, 2);
    for (code, silent) in [(FINANCE, LEAGUE), (LEAGUE, "")] {
        let status = federation.node(code).adoption_status().await.expect("status");
        let [(at, overlay)] = &status.overlays[..] else { panic!("{:?}", status.overlays) };
        assert_eq!((PolicyScope::Region(*at), overlay.due, overlay.members.len()), (region(), Some(0), 2));
        for member in &overlay.members {
            let is_silent = member.agency.to_string() == silent;
            let state = if is_silent { AdoptionState::Silent } else { AdoptionState::Adopted };
            assert_eq!(member.state, state, "{} at {code}", member.agency);
        }
    }
}

#[tokio::test]
async fn an_overlay_that_loosens_is_refused_where_it_is_staged_and_at_every_node() {
    let federation = delegated().await;
    let league = federation.node(LEAGUE);
    let people = coordinators(&league).await;
    let wide = overlay(1, &[PERMISSION], ORDINARY);
    let refused = league.policy_stage(&people[0], wide.pack()).await.expect_err("wider");
    let told = chengxin_exchange::policy_adoption::chain(&refused);
    for part in ["overlay/150100/rules.csv", "clerk", "other-administrative-decision", "enhancing", "L1"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert_eq!(league.policy_plans().await.expect("plans"), []);
    // One whose tests do not pass neither.
    let wrong = overlay(1, &[DENIAL], "expect = \"deny\"");
    assert!(league.policy_stage(&people[0], wrong.pack()).await.is_err());

    // Signed all the same by people of the league, and in the directory: nodes and coordinator see for themselves.
    let good = overlay(1, &[DENIAL], ORDINARY);
    let prepared = published(&league, &people, &good, "2026-11-22").await.expect("published");
    let content = Bytes::from(published_encode(&wide).expect("bytes"));
    let forged = Publication { bundle: wide.digest(), ..prepared.publication.clone() };
    let schedule = PolicySchedule::new(vec![forged.clone()]).expect("schedule").encode().expect("bytes");
    let name = |part| {
        let PolicyScope::Region(_) = region() else { unreachable!("a region") };
        ContentName::Policy(region(), part)
    };
    let genuine = federation_contents(&federation, LEAGUE).await;
    federation.contents_publish(&BTreeMap::from([
        (name(PolicyPart::Bundle), Some(content.clone())),
        (name(PolicyPart::Schedule), Some(Bytes::from(schedule))),
    ]));
    let report = adopt(&federation, MARKET).await;
    let refused = report.overlay.and_then(|overlay| overlay.refused).expect("refused");
    assert!(refused.reason.contains("0 people"), "{}", refused.reason);
    assert!(warns(&federation.node(MARKET)));
    // The same content under approvals that are for it: what it lets out decides.
    let approved = approvals_for(&federation, &wide, &forged).await;
    let schedule = PolicySchedule::new(vec![approved]).expect("schedule").encode().expect("bytes");
    federation.contents_publish(&BTreeMap::from([(name(PolicyPart::Schedule), Some(Bytes::from(schedule)))]));
    let report = adopt(&federation, MARKET).await;
    let refused = report.overlay.and_then(|overlay| overlay.refused).expect("refused");
    assert!(refused.reason.contains("other-administrative-decision"), "{}", refused.reason);
    assert_eq!(kinds(&federation.node(MARKET), EntryKind::PolicyRefused).await, 2);
    // The one it should have been.
    federation.contents_publish(&genuine);
    assert_eq!(in_force(&adopt(&federation, MARKET).await).as_deref(), Some("150100-2026.1"));
    assert!(!warns(&federation.node(MARKET)));
}

/// What the directory holds of the overlay.
async fn federation_contents(federation: &Federation, code: &str) -> BTreeMap<ContentName, Option<Bytes>> {
    federation.directory_refresh(code).await;
    let directory = federation.node(code).directory().expect("directory");
    [PolicyPart::Bundle, PolicyPart::Schedule]
        .into_iter()
        .map(|part| {
            let name = ContentName::Policy(region(), part);
            (name, directory.content(name).cloned())
        })
        .collect()
}

/// A publication with approvals of the league for exactly that overlay.
async fn approvals_for(
    federation: &Federation,
    files: &OverlayFiles,
    publication: &Publication,
) -> Publication {
    use chengxin_schemas::jws::jws_sign;
    use chengxin_schemas::publication::{APPROVAL_TYP, ApprovalClaims};
    use chengxin_schemas::request::OperatorReference;
    let league = federation.node(LEAGUE);
    let claims = |name: &str| ApprovalClaims {
        iss: *league.agency(),
        iat: publication.published,
        operator: OperatorReference { account: name.parse().expect("name"), role: Role::Coordinator },
        version: publication.version.clone(),
        bundle: files.digest(),
        base: publication.base.expect("base"),
    };
    let approvals = ["ma", "he"]
        .map(|name| jws_sign(APPROVAL_TYP, &claims(name), &crate::support::signing(30)).expect("signed"));
    Publication { approvals: approvals.to_vec(), ..publication.clone() }
}

#[tokio::test]
async fn only_who_is_delegated_publishes_and_only_for_its_region() {
    let federation = delegated().await;
    let (finance, market, league) =
        (federation.node(FINANCE), federation.node(MARKET), federation.node(LEAGUE));
    let people = coordinators(&league).await;
    let files = overlay(1, &[DENIAL], ORDINARY);
    // Neither a member of the region nor the coordinator's own node stages it, and the league stages no bundle.
    for node in [&market, &finance] {
        let own = coordinators(node).await;
        assert_eq!(code_of(node.policy_stage(&own[0], files.pack()).await), ErrorCode::Conflict);
    }
    assert_eq!(code_of(league.policy_stage(&people[0], narrowed(1).pack()).await), ErrorCode::Conflict);
    let clerk = as_role(&league, Role::Clerk).await;
    assert_eq!(code_of(league.policy_stage(&clerk, files.pack()).await), ErrorCode::Denied);
    // One person is not enough.
    let plan = league.policy_stage(&people[0], files.pack()).await.expect("staged");
    sign(&league, &people[0], &plan).await.expect("signed");
    let early = league.overlay_publish(&people[0], &plan.version, day("2026-11-23")).await;
    assert!(early.expect_err("one signature").to_string().contains("1 of 2"));
    sign(&league, &people[1], &plan).await.expect("signed");

    // Sent by another member, or changed on the way, it is not published.
    federation.down(FINANCE, true);
    assert!(league.overlay_publish(&people[0], &plan.version, day("2026-11-23")).await.is_err());
    federation.down(FINANCE, false);
    let messages = federation.sent();
    let last = messages.last().expect("sent").2.clone();
    let Ok(PeerRequest::Overlay { publication, content }) = decode::<PeerRequest>(&last) else {
        panic!("no overlay was sent")
    };
    let repository = federation.folder.path().join("repository");
    let accept = async |from: &str, publication: &str, content: &[u8]| {
        overlay_accept(&finance, &agency(from), (publication, content.to_vec()), &repository).await
    };
    assert!(
        accept(MARKET, &publication, &content)
            .await
            .expect_err("not theirs")
            .to_string()
            .contains("delegate")
    );
    let changed = |from: &str, to: &str| {
        assert!(publication.contains(from), "{from}");
        publication.replace(from, to)
    };
    for broken in [
        changed("150100-2026.1", "150100-2026.2"),
        changed("150100-2026.1", "150200-2026.1"),
        changed("150100-2026.1", "baseline-2027.1"),
        changed("2026-11-23", "2026-11-21"),
        changed("\"base\":\"sha256:", "\"base\":\"sha256:0000"),
        String::new(),
    ] {
        assert!(accept(LEAGUE, &broken, &content).await.is_err(), "{broken}");
    }
    let other = published_encode(&overlay(1, &[], ORDINARY)).expect("bytes");
    assert!(accept(LEAGUE, &publication, &other).await.is_err());
    assert!(finance.directory().expect("directory").overlay_regions().next().is_none());
    // Later than the clocks of two nodes may differ.
    federation.clocks[&agency(FINANCE)].set(NOW.plus(600));
    let late = accept(LEAGUE, &publication, &content).await.expect_err("late");
    assert!(late.to_string().contains("clocks"), "{late}");
    federation.clocks[&agency(FINANCE)].set(NOW);
    // A delegation that was taken back.
    federation.entry_update(LEAGUE, |entry| entry.overlay_region = None);
    federation.directory_refresh(FINANCE).await;
    assert!(accept(LEAGUE, &publication, &content).await.is_err());
    federation.entry_update(LEAGUE, |entry| entry.overlay_region = Some(entry.region));
    federation.directory_refresh(FINANCE).await;
    accept(LEAGUE, &publication, &content).await.expect("as it was sent");
    federation.directory_refresh(FINANCE).await;
    accept(LEAGUE, &publication, &content).await.expect("published already");
    // The same plan for another day: it was made before this one was published.
    let stale = accept(LEAGUE, &changed("2026-11-23", "2026-11-22"), &content).await.expect_err("stale");
    assert!(stale.to_string().contains("stage it again"), "{stale}");
}

#[tokio::test]
async fn a_new_bundle_goes_under_the_overlay_and_is_not_held_back_by_it() {
    let federation = delegated().await;
    let (finance, league) = (federation.node(FINANCE), federation.node(LEAGUE));
    let people = coordinators(&league).await;
    let files = overlay(1, &[DENIAL, "150100.licence,*,*,qualification-review,*,*,L3,ask,*,deny"], ORDINARY);
    published(&league, &people, &files, "2026-11-22").await.expect("published");
    assert_eq!(in_force(&adopt(&federation, MARKET).await).as_deref(), Some("150100-2026.1"));

    // The next bundle has one purpose less, and the overlay's rule about it narrows nothing.
    let bundle = without_purpose("qualification-review");
    let coordinators = coordinators(&finance).await;
    let publication = prepared(&finance, &coordinators, &bundle, "2026-11-22").await;
    federation.contents_publish(&publication.contents);
    let report = adopt(&federation, MARKET).await;
    assert_eq!(report.in_force.version, version_of(&bundle));
    let overlay = report.overlay.expect("overlay");
    assert_eq!((overlay.inert, overlay.refused), (1, None));
    assert!(!warns(&federation.node(MARKET)));
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    let market = federation.node(MARKET);
    assert!(!warns(&market));
    assert_eq!(market.policy_version(), format!("{}+150100-2026.1", version_of(&bundle)));
    // A body that comes into the region now takes the same overlay over the bundle it was not written for.
    federation.entry_update(FINANCE, |entry| entry.region = "150103".parse().expect("region"));
    let report = adopt(&federation, FINANCE).await;
    let overlay = report.overlay.expect("overlay");
    assert_eq!((overlay.inert, overlay.refused), (1, None));
    assert!(overlay.remark.expect("a remark").contains("qualification-review"));
    assert!(!warns(&federation.node(FINANCE)));
    federation.entry_update(FINANCE, |entry| entry.region = "150000".parse().expect("region"));
    adopt(&federation, FINANCE).await;
    // The league stages the next one over the new bundle, which is told what does not fit.
    federation.directory_refresh(LEAGUE).await;
    league.policy_adopt().await.expect("looked");
    let again = overlay_of(2, &files);
    let refused = league.policy_stage(&people[0], again.pack()).await.expect_err("unknown purpose");
    let told = chengxin_exchange::policy_adoption::chain(&refused);
    assert!(told.contains("qualification-review"), "{told}");
}

/// The same rules under another version.
fn overlay_of(number: u32, files: &OverlayFiles) -> OverlayFiles {
    files.reissue(&overlay_version(number), day("2026-11-01")).expect("reissued")
}

/// The baseline without a purpose, its rules and its tests.
fn without_purpose(code: &str) -> BundleFiles {
    policy_changed(|texts| {
        let purposes = texts.get_mut("purposes.toml").expect("purposes");
        let kept = |part: &&str| !part.contains(&format!("code = \"{code}\""));
        *purposes = purposes.split("[[purpose]]").filter(kept).collect::<Vec<_>>().join("[[purpose]]");
    })
}

#[tokio::test]
async fn an_overlay_is_taken_back_by_the_next_one_and_left_with_the_region() {
    let federation = delegated().await;
    let league = federation.node(LEAGUE);
    let people = coordinators(&league).await;
    published(&league, &people, &overlay(1, &[DENIAL], ORDINARY), "2026-11-22").await.expect("published");
    for code in [MARKET, LEAGUE] {
        assert!(in_force(&adopt(&federation, code).await).is_some());
        assert!(!warns(&federation.node(code)));
    }
    // What it says lately is compared with what it said.
    let base = league.policy_base(region()).await.expect("base");
    assert_eq!(base.bundle().rules_version(), league.policy_version());
    published(&league, &people, &overlay(2, &[], ORDINARY), "2026-11-22").await.expect("published");
    for code in [MARKET, LEAGUE] {
        assert_eq!(in_force(&adopt(&federation, code).await).as_deref(), Some("150100-2026.2"));
        assert!(warns(&federation.node(code)), "an overlay without rules narrows nothing");
    }
    // The content before, under a new version.
    let plan = league.policy_revert(&people[0], None).await.expect("reverted");
    assert_eq!(plan.version, overlay_version(3));
    for person in &people {
        sign(&league, person, &plan).await.expect("signed");
    }
    league.overlay_publish(&people[0], &plan.version, day("2026-11-22")).await.expect("published");
    assert_eq!(in_force(&adopt(&federation, MARKET).await).as_deref(), Some("150100-2026.3"));
    assert!(!warns(&federation.node(MARKET)));
    // Nothing that a node has left comes back, whoever puts it into the directory.
    let now = federation_contents(&federation, MARKET).await;
    assert!(now.values().all(Option::is_some));
    // A delegation that is taken back leaves what is published to those who come later.
    federation.entry_update(LEAGUE, |entry| entry.overlay_region = None);
    federation.entry_update(FINANCE, |entry| entry.region = "150103".parse().expect("region"));
    assert_eq!(in_force(&adopt(&federation, FINANCE).await).as_deref(), Some("150100-2026.3"));
    // A body that moves out of the league is no longer narrowed by it.
    federation.entry_update(MARKET, |entry| entry.region = "150200".parse().expect("region"));
    let report = adopt(&federation, MARKET).await;
    assert_eq!(report.overlay, None::<OverlayAdoption>);
    assert!(warns(&federation.node(MARKET)));
    federation.node_drop(MARKET);
    federation.node_start(MARKET, false).await;
    assert!(warns(&federation.node(MARKET)));
    let baseline = Bundle::baseline().expect("baseline");
    assert_eq!(federation.node(MARKET).policy_version(), baseline.rules_version());
}
