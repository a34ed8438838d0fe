//! Counts requests against the daily limits that purposes set. Policy says how many; it knows neither a clock nor what
//! was asked before, so it hands the limit out with the permit, and it is kept here before anything is read or asked.
//!
//! A request counts when it is admitted, whatever becomes of it later; one that is denied does not. The asking node
//! counts each operator's checks, the answering node each body's requests, so that a body whose own node does not count
//! is held to the limit by every other. The day is the calendar day of Asia/Shanghai.
//!
//! Counts live in memory: a restart forgets those of its day. No peer and no operator can bring one about, and a count
//! on disk would cost a write before each answer. The audit log, which a restart does not touch, shows whoever made use of
//! one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use chengxin_policy::{AccessRequest, Denied};
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::time::{Day, UnixTime};

use crate::error::{ExchangeError, Result};
use crate::held::SearchPermits;

/// Most pairs of asker and purpose that are counted in one day, some hundred bytes each. Neither side of a pair can be
/// made up: an asker is an account here or a member, and only a purpose that sets a limit and is permitted counts. A
/// federation of 3,000 members whose policy limits thirty purposes may use all of them up.
const PAIRS_LIMIT: usize = 100_000;

/// How often each asker asked today under each purpose that sets a limit.
#[derive(Debug)]
pub(crate) struct DailyCounts<Asker> {
    /// The day of all counts; None before the first.
    day: Option<Day>,
    counts: HashMap<(Asker, PurposeCode), u32>,
    pairs_limit: usize,
}

/// What counting one request gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// It is within the limit.
    Within,
    /// The limit is used up.
    Over,
    /// There is no room to count another pair.
    Full,
}

impl<Asker> Default for DailyCounts<Asker> {
    fn default() -> Self {
        Self { day: None, counts: HashMap::new(), pairs_limit: PAIRS_LIMIT }
    }
}

impl<Asker: Clone + Eq + Hash> DailyCounts<Asker> {
    /// Counts one request of `asker` if the limit has room for it.
    fn count(&mut self, asker: &Asker, purpose: &PurposeCode, limit: u32, now: UnixTime) -> Counted {
        let today = Some(Day(now.shanghai_date()));
        // Also when the clock was set back: a day that was never there must not hold its counts for as long as it was ahead.
        if self.day != today {
            self.day = today;
            self.counts.clear();
        }
        let pair = (asker.clone(), purpose.clone());
        if !self.counts.contains_key(&pair) && self.counts.len() >= self.pairs_limit {
            return Counted::Full;
        }
        let count = self.counts.entry(pair).or_default();
        if *count >= limit {
            return Counted::Over;
        }
        *count += 1;
        Counted::Within
    }
}

/// The permits, if the day has room for the request they were given for; else the denial, to be logged like any other.
pub(crate) fn within_limit<Asker: Clone + Eq + Hash>(
    counts: &Mutex<DailyCounts<Asker>>,
    asker: &Asker,
    request: &AccessRequest,
    permits: SearchPermits,
    now: UnixTime,
) -> Result<std::result::Result<SearchPermits, Box<Denied>>> {
    let permit = permits.asked();
    let Some(limit) = permit.obligations().daily_limit else { return Ok(Ok(permits)) };
    let counted = {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.count(asker, &request.purpose, limit, now)
    };
    match counted {
        Counted::Within => Ok(Ok(permits)),
        Counted::Over => Ok(Err(Box::new(Denied::over_daily_limit(request, limit, permit.policy_version())))),
        Counted::Full => Err(ExchangeError::Busy {
            what: "requests",
            reason: "too many bodies asked today under purposes with a daily limit: ask again tomorrow"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chengxin_audit_log::log::Filter;
    use chengxin_policy::{Authoriser, Bundle, BundleFiles, DenialReason};
    use chengxin_schemas::ErrorCode;
    use chengxin_schemas::certificate::CoverageOutcome;
    use chengxin_schemas::operator::Role;
    use chengxin_schemas::subject::SubjectId;

    use super::*;
    use crate::audit::EntryKind;
    use crate::check::CheckRequest;
    use crate::node::Node;
    use crate::support::{FINANCE, Federation, MARKET, SUBJECT, agency, as_role};

    const LIMITED: &str = "government-procurement";

    /// The baseline with a limit on one purpose.
    fn limited(limit: u32) -> Arc<Authoriser> {
        let code = format!("code = \"{LIMITED}\"\n");
        let files = BundleFiles::baseline();
        let texts = files.iter().map(|(name, text)| {
            let text = match name {
                "purposes.toml" => text.replacen(&code, &format!("{code}daily_limit = {limit}\n"), 1),
                _ => text.to_owned(),
            };
            (name.to_owned(), text)
        });
        let bundle = BundleFiles::new(texts.collect()).and_then(Bundle::from_files).expect("bundle");
        Arc::new(Authoriser::new(bundle).expect("policy"))
    }

    fn wanted(purpose: &str) -> CheckRequest {
        CheckRequest {
            subject: SubjectId::parse(SUBJECT).expect("subject"),
            subject_name: None,
            purpose: purpose.parse().expect("purpose"),
            case_reference: "CG-2026-031".parse().expect("case"),
            legal_basis: None,
            authorisation: None,
            categories: Vec::new(),
            deadline_ms: 1_000,
        }
    }

    async fn entries(node: &Node, kind: EntryKind) -> Vec<Option<String>> {
        let filter = Filter { kinds: vec![kind], ..Filter::default() };
        let found = node.log().search(filter, 100).await.expect("search").entries;
        found.into_iter().map(|entry| entry.leaf.rule).collect()
    }

    #[test]
    fn requests_are_counted_by_asker_purpose_and_day() {
        let (one, two) = ("11152105011615449P", "11150000DEM000129D");
        let code = |code: &str| code.parse::<PurposeCode>().expect("code");
        let mut counts = DailyCounts { pairs_limit: 3, ..DailyCounts::default() };
        // 23:59:59 in China, which is 15:59:59 UTC.
        let late = UnixTime(15 * 3_600 + 59 * 60 + 59);
        let mut count = |asker: &'static str, purpose, now| counts.count(&asker, &code(purpose), 2, now);
        assert_eq!(count(one, "bidding", late), Counted::Within);
        assert_eq!(count(one, "bidding", late), Counted::Within);
        assert_eq!(count(one, "bidding", late), Counted::Over);
        assert_eq!(count(two, "bidding", late), Counted::Within, "another asker");
        assert_eq!(count(one, "awards", late), Counted::Within, "another purpose");
        assert_eq!(count(two, "awards", late), Counted::Full, "a fourth pair");
        assert_eq!(count(one, "bidding", late), Counted::Over, "those that are counted stay counted");
        assert_eq!(count(one, "bidding", late.plus(1)), Counted::Within, "the next day in China");
        assert_eq!(count(two, "awards", late.plus(1)), Counted::Within);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_over_the_limit_is_denied_and_nobody_is_asked() {
        let federation = Federation::new().await;
        let node = federation.node(FINANCE);
        node.policy.send_replace(limited(2));
        let clerk = as_role(&node, Role::Clerk).await;
        for _ in 0..2 {
            assert!(node.check_run(&clerk, wanted(LIMITED)).await.expect("within").complete);
        }
        // What is denied for another reason uses nothing up.
        let bad = wanted("securities-issuance");
        assert_eq!(node.check_run(&clerk, bad).await.expect_err("denied").code(), ErrorCode::Denied);
        let requested = entries(&node, EntryKind::CheckRequested).await.len();
        let error = node.check_run(&clerk, wanted(LIMITED)).await.expect_err("over");
        let ExchangeError::Denied(denied) = error else { panic!("{error}") };
        assert_eq!(denied.rule.as_str(), "purpose.government-procurement.daily-limit");
        assert_eq!(denied.reason, DenialReason::DailyLimit { limit: 2 });
        assert_eq!(entries(&node, EntryKind::CheckRequested).await.len(), requested, "nobody is asked");
        let rules = entries(&node, EntryKind::CheckDenied).await;
        assert_eq!(rules[0].as_deref(), Some(denied.rule.as_str()), "logged like every denial");
        // Another operator has a limit of his own, another purpose none.
        let reviewer = as_role(&node, Role::Reviewer).await;
        assert!(node.check_run(&reviewer, wanted(LIMITED)).await.is_ok());
        assert!(node.check_run(&clerk, wanted("bidding")).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_over_the_limit_gets_no_answer_from_a_peer_that_counts() {
        let federation = Federation::new().await;
        let market = federation.node(MARKET);
        market.policy.send_replace(limited(2));
        let node = federation.node(FINANCE);
        let clerk = as_role(&node, Role::Clerk).await;
        let reviewer = as_role(&node, Role::Reviewer).await;
        // The own node does not count: its policy sets no limit. The peer counts the body, whoever asks there.
        for operation in [&clerk, &reviewer] {
            assert!(node.check_run(operation, wanted(LIMITED)).await.expect("within").complete);
        }
        let result = node.check_run(&clerk, wanted(LIMITED)).await.expect("the check runs");
        assert!(!result.complete && !result.nothing_found());
        let outcome =
            &result.coverage.iter().find(|entry| entry.agency == agency(MARKET)).expect("asked").outcome;
        let CoverageOutcome::Refused { code, rule, .. } = outcome else { panic!("{outcome:?}") };
        let over = Some("purpose.government-procurement.daily-limit".to_owned());
        assert_eq!((*code, rule), (ErrorCode::Denied, &over));
        assert_eq!(entries(&market, EntryKind::AnswerRefused).await, [over]);
        assert_eq!(entries(&market, EntryKind::AnswerDisclosed).await.len(), 2);
    }
}
