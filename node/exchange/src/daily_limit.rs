//! Counts requests against the daily limits that purposes set. Policy says how many; it knows neither a clock nor what
//! was asked before, so it hands the limits out with the permit, and they are kept here before anything is read or asked.
//!
//! A request counts when it is admitted, whatever becomes of it later; one that is denied does not. The asking node
//! counts the checks of each operator and those of the whole body, each against its own limit. The answering node counts
//! the requests of each body against the body's limit, so that one whose own node does not count is held to it by every
//! other. A check asks each member once, so a node that counts denies a check before its peers would deny a part of it:
//! nobody's check comes back incomplete because a colleague asked. The day is the calendar day of Asia/Shanghai.
//!
//! The asking node's counts are stored, since its peers go on counting while it restarts. Those of the answering node live
//! in memory: a restart forgets those of its day, which lets bodies ask it more often, not less. No peer can bring one
//! about, and a count on disk would cost a write before each answer. The audit log, which a restart does not touch, shows
//! whoever made use of one.
//!
//! What this does not do: make two nodes count alike for whom midnight, or the policy in force, is not the same at that
//! moment. A body that has used its limit up to the last check may then have one denied by a peer that its own node
//! admitted; the result names the peer and the rule, and is incomplete.
//!
//! Commit point of an asking node's counts: one batch, before the check is logged or anybody asked. A crash after it has
//! counted a check that asked nobody.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chengxin_policy::{AccessRequest, Denied};
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::time::{Day, UnixTime};
use chengxin_store::Batch;
use serde::{Deserialize, Serialize};

use crate::error::{ExchangeError, Result};
use crate::held::SearchPermits;
use crate::keyspace;
use crate::node::Node;
use crate::row::Row;

/// Most pairs of body and purpose that are counted in one day, some hundred bytes each. Neither side of a pair can be
/// made up: a body is a member, and only a purpose that sets a limit and is permitted counts. A federation of 3,000
/// members whose policy limits thirty purposes may use all of them up.
const PAIRS_LIMIT: usize = 100_000;

/// The permits, or the denial, to be logged like any other.
pub(crate) type WithinLimit = std::result::Result<SearchPermits, Box<Denied>>;

/// Checks of one day under a purpose that sets a limit, by one operator or by the whole body. Stored form version 1; the
/// next day's takes its place, so there are as many as accounts times such purposes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct ChecksOfDay {
    day: Day,
    checks: u32,
}

impl Row for ChecksOfDay {
    const NAME: &'static str = "checks of a day";
    const VERSION: u8 = 1;
}

impl Node {
    /// The permits, if the day has room for the check they were given for, which counts from here on.
    pub(crate) async fn check_within_limit(
        &self,
        account: &OperatorName,
        request: &AccessRequest,
        permits: SearchPermits,
        now: UnixTime,
    ) -> Result<WithinLimit> {
        let permit = permits.asked();
        let owed = permit.obligations();
        let today = Day(now.shanghai_date());
        let _counting = self.counting.lock().await;
        let mut batch = Batch::new();
        for (limit, operator) in [(owed.daily_limit_body, None), (owed.daily_limit, Some(account))] {
            let Some(limit) = limit else { continue };
            let key = keyspace::checks_of_day(&request.purpose, operator);
            let checks = match self.checks_of_day(&key).await? {
                // Of no other day, also when the clock was set back: a day that was never there must not hold its counts
                // for as long as it was ahead.
                Some(counted) if counted.day == today => counted.checks,
                Some(_) | None => 0,
            };
            if checks >= limit {
                let denied = match operator {
                    Some(_) => Denied::over_daily_limit(request, limit, permit.policy_version()),
                    None => Denied::over_daily_limit_body(request, limit, permit.policy_version()),
                };
                return Ok(Err(Box::new(denied)));
            }
            let counted = ChecksOfDay { day: today, checks: checks.saturating_add(1) };
            batch.put(key, counted.encode()?);
        }
        if !batch.is_empty() {
            self.parts.store.commit(batch).await?;
        }
        Ok(Ok(permits))
    }

    /// What was counted; nothing, and an alarm, if that cannot be read. A count is no reason to keep anybody from checking
    /// for longer than its day, and the log has what was asked.
    async fn checks_of_day(&self, key: &[u8]) -> Result<Option<ChecksOfDay>> {
        let Some(bytes) = self.readable_value(key).await? else { return Ok(None) };
        match ChecksOfDay::decode(&bytes) {
            Ok(counted) => Ok(Some(counted)),
            Err(error) => {
                tracing::error!(%error, "counting the checks of the day from nothing");
                Ok(None)
            }
        }
    }
}

/// How often each body asked today under each purpose that sets a limit.
#[derive(Debug)]
pub(crate) struct DailyCounts {
    /// The day of all counts; None before the first.
    day: Option<Day>,
    counts: HashMap<(AgencyCode, PurposeCode), u32>,
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

impl Default for DailyCounts {
    fn default() -> Self {
        Self { day: None, counts: HashMap::new(), pairs_limit: PAIRS_LIMIT }
    }
}

impl DailyCounts {
    /// Counts one request of `body` if the limit has room for it.
    fn count(&mut self, body: &AgencyCode, purpose: &PurposeCode, limit: u32, now: UnixTime) -> Counted {
        let today = Some(Day(now.shanghai_date()));
        // Also when the clock was set back, see `check_within_limit`.
        if self.day != today {
            self.day = today;
            self.counts.clear();
        }
        let pair = (*body, purpose.clone());
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

/// The permits, if the day has room for the request of `body` they were given for, which counts from here on.
pub(crate) fn answer_within_limit(
    counts: &Mutex<DailyCounts>,
    body: &AgencyCode,
    request: &AccessRequest,
    permits: SearchPermits,
    now: UnixTime,
) -> Result<WithinLimit> {
    let permit = permits.asked();
    let Some(limit) = permit.obligations().daily_limit_body else { return Ok(Ok(permits)) };
    let counted = {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.count(body, &request.purpose, limit, now)
    };
    match counted {
        Counted::Within => Ok(Ok(permits)),
        Counted::Over => {
            Ok(Err(Box::new(Denied::over_daily_limit_body(request, limit, permit.policy_version()))))
        }
        Counted::Full => Err(ExchangeError::Busy {
            what: "requests",
            reason: "too many bodies asked today under purposes with a daily limit: ask again tomorrow"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
