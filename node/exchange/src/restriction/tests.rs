//! What one member sends about a subject hides nothing that others sent.

use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_store::Batch;

use super::*;
use crate::check::CheckRequest;
use crate::support::{FINANCE, Federation, LEAGUE, MARKET, NOW, SUBJECT, agency, as_role};

fn subject() -> SubjectId {
    SubjectId::parse(SUBJECT).expect("code")
}

fn row(issuer: &str, number: u32, state: NoticeState, until: &str) -> RestrictionRow {
    let mut notice = [0; 16];
    notice[..4].copy_from_slice(&number.to_be_bytes());
    RestrictionRow {
        subject: subject(),
        issuer: agency(issuer),
        issuer_name: "示例".to_owned(),
        notice: NoticeId(notice),
        version: 1,
        state,
        record: RecordId([1; 16]),
        severity: BreachSeverity::General,
        measures: vec![RestrictionMeasure {
            measure: "restrict-government-procurement".parse().expect("measure"),
            legal_basis: "《中华人民共和国政府采购法》第二十二条".parse().expect("basis"),
            from: Day(NOW.shanghai_date()),
            until: PeriodEnd::from_date(until.parse().expect("day")),
            recognition: Recognition::Applied,
        }],
    }
}

async fn put(node: &Node, rows: impl Iterator<Item = RestrictionRow>) {
    let mut batch = Batch::new();
    for row in rows {
        node.restriction_put(&mut batch, &row).expect("row");
    }
    node.parts.store.commit(batch).await.expect("committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_that_are_over_or_withdrawn_hide_none_that_is_in_force() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    // Several pages of them, all before the one that counts.
    let over = (0..600).map(|number| row(MARKET, number, NoticeState::InForce, "2026-11-21"));
    put(&node, over).await;
    put(&node, (600..1_200).map(|number| row(MARKET, number, NoticeState::Withdrawn, "2027-12-31"))).await;
    put(&node, std::iter::once(row(LEAGUE, 5_000, NoticeState::InForce, "2027-12-31"))).await;
    let list = node.restrictions_in_force(&LinkedSubject::new(subject()), NOW).await.expect("list");
    assert!(list.complete);
    assert_eq!(list.in_force.iter().map(|one| one.issuer).collect::<Vec<_>>(), [agency(LEAGUE)]);

    // A list that ends early says so; one that ends exactly at the limit does not.
    let within = |looked_at, in_force| RestrictionLimits { looked_at, in_force, of_issuer: 10 };
    for (limits, complete) in [
        (within(1_200, 10), false),
        (within(1_201, 10), true),
        (within(1_201, 1), true),
        (within(1_201, 0), false),
    ] {
        let list = node.restrictions_within(&LinkedSubject::new(subject()), NOW, limits).await.expect("list");
        assert_eq!(list.complete, complete, "{} {}", limits.looked_at, limits.in_force);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_with_more_restrictions_than_it_shows_is_incomplete_and_shows_those_of_every_issuer() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let rows = (0..=IN_FORCE_LIMIT).filter_map(|number| u32::try_from(number).ok());
    put(&node, rows.map(|number| row(MARKET, number, NoticeState::InForce, "2027-12-31"))).await;
    put(&node, std::iter::once(row(LEAGUE, 5_000, NoticeState::InForce, "2027-12-31"))).await;
    let clerk = as_role(&node, Role::Clerk).await;
    let wanted = CheckRequest {
        subject: subject(),
        check_exception: None,
        subject_name: None,
        purpose: "government-procurement".parse().expect("purpose"),
        case_reference: "CG-2026-031".parse().expect("case"),
        legal_basis: None,
        authorisation: None,
        release: None,
        categories: Vec::new(),
        deadline_ms: 1_000,
    };
    let result = node.check_run(&clerk, wanted).await.expect("check");
    assert_eq!((result.restrictions.len(), result.complete), (IN_FORCE_LIMIT, false));
    assert!(result.restrictions.iter().any(|one| one.issuer == agency(LEAGUE)));
    let own = &result.coverage[0];
    assert_eq!(own.agency, agency(FINANCE));
    assert!(matches!(&own.outcome, CoverageOutcome::Answered { categories, .. } if categories.is_empty()));
    assert!(!node.restriction_list(&clerk, &subject(), None).await.expect("list").complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_issuer_may_have_more_than_its_share_while_there_is_room() {
    let federation = Federation::new().await;
    let node = federation.node(FINANCE);
    let many = IN_FORCE_OF_ISSUER_LIMIT + 1;
    let rows = (0..many).filter_map(|number| u32::try_from(number).ok());
    put(&node, rows.map(|number| row(MARKET, number, NoticeState::InForce, "2027-12-31"))).await;
    let list = node.restrictions_in_force(&LinkedSubject::new(subject()), NOW).await.expect("list");
    assert_eq!((list.in_force.len(), list.complete), (many, true));
}

#[test]
fn what_is_applied_goes_before_what_is_known_and_a_share_before_what_is_over_one() {
    let one = |issuer: &str, number, applied: bool| {
        let mut row = row(issuer, number, NoticeState::InForce, "2027-12-31");
        if !applied {
            row.measures[0].recognition = Recognition::NotApplicable { reason: "function".to_owned() };
        }
        restriction_in_force(&row, &row.measures[0])
    };
    let kept = |added: &[(&str, bool)]| {
        let mut kept = Kept::new(4, 2);
        for ((issuer, applied), number) in added.iter().zip(0..) {
            kept.add(one(issuer, number, *applied));
        }
        let (list, all) = kept.into_list();
        assert_eq!((list.len(), all), (added.len().min(4), added.len() <= 4));
        let count = |issuer, applied| {
            list.iter().filter(|one| one.issuer == agency(issuer) && one.applied_here == applied).count()
        };
        [(MARKET, true), (MARKET, false), (LEAGUE, true), (LEAGUE, false)]
            .map(|(issuer, applied)| count(issuer, applied))
    };
    let (market, league) = ((MARKET, true), (LEAGUE, true));
    let (market_known, league_known) = ((MARKET, false), (LEAGUE, false));
    assert_eq!(kept(&[market, market, market_known, market_known]), [2, 2, 0, 0], "room for all");
    assert_eq!(kept(&[market_known, market_known, market, market, market]), [3, 1, 0, 0]);
    assert_eq!(kept(&[market, market, market, market, league]), [3, 0, 1, 0], "over the share");
    assert_eq!(kept(&[market, market, market, market, league, league, league]), [2, 0, 2, 0]);
    assert_eq!(kept(&[market, market, market, market, league_known]), [4, 0, 0, 0], "applied stays");
    assert_eq!(kept(&[market, market, market, market_known, league_known]), [3, 0, 0, 1]);
    assert_eq!(kept(&[market, market, league_known, league_known, market_known]), [2, 0, 0, 2]);
    assert_eq!(kept(&[market, market, league_known, league_known, market]), [3, 0, 0, 1]);
}
