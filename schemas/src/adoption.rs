//! What a node tells its coordinators about the policy it decides by.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::policy_version::PolicyVersion;
use crate::region::RegionCode;
use crate::time::{Day, UnixTime};

/// By how many seconds another node's clock may be ahead.
const CLOCK_TOLERANCE_SECONDS: i64 = 300;
/// Longest reason of a refusal, in bytes: a file, a line, what is wrong and what to do.
pub const REASON_LIMIT: usize = 2_000;

/// How a node stands to what the federation publishes, as sent over the wire, version 2. The connection says whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionReport {
    /// The policy that decides at the node.
    pub in_force: AdoptedPolicy,
    /// A published bundle that loaded and passed its tests, and waits for its day.
    pub ready: Option<ReadyPolicy>,
    /// A published bundle that the node cannot decide by; the one in force goes on.
    pub refused: Option<RefusedPolicy>,
    /// What the federation publishes cannot be read at all; the policy in force goes on.
    pub fault: Option<ScheduleFault>,
    /// The same about the overlay of the node's league or city; absent where none is published or in force there.
    pub overlay: Option<OverlayAdoption>,
}

/// How a node stands to the overlay of its league or city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlayAdoption {
    /// The league or city.
    pub region: RegionCode,
    /// The overlay that narrows the bundle at the node, if one does.
    pub in_force: Option<AdoptedPolicy>,
    /// A published overlay that loaded over the bundle and passed its tests, and waits for its day.
    pub ready: Option<ReadyPolicy>,
    /// A published overlay that the node cannot decide by; the one in force goes on.
    pub refused: Option<RefusedPolicy>,
    /// What is published for the region cannot be read at all; the overlay in force goes on.
    pub fault: Option<ScheduleFault>,
    /// How many entries of the overlay in force narrow nothing, because they name what the bundle in force does not have.
    pub inert: u32,
    /// The first thing about the overlay in force that does not fit the bundle in force, in English, at most
    /// [`REASON_LIMIT`] bytes. It narrows all the same.
    pub remark: Option<String>,
}

impl OverlayAdoption {
    /// A remark, cut to what a report carries.
    pub fn remark(text: &str) -> String {
        cut(text)
    }
}

/// A schedule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleFault {
    /// Since when.
    pub since: UnixTime,
    /// Why, in English, at most [`REASON_LIMIT`] bytes.
    pub reason: String,
}

impl ScheduleFault {
    /// A fault, its reason cut to what a report carries.
    pub fn new(since: UnixTime, reason: &str) -> Self {
        Self { since, reason: cut(reason) }
    }
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedPolicy {
    /// Its version.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form.
    pub bundle: Sha256,
    /// When the node began to decide by it.
    pub since: UnixTime,
}

/// A policy that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyPolicy {
    /// Its version.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form.
    pub bundle: Sha256,
    /// From when it will decide.
    pub effective: Day,
}

/// A policy that does not load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedPolicy {
    /// Its version, as the schedule names it.
    pub version: PolicyVersion,
    /// SHA-256 of its packed form, as the schedule names it.
    pub bundle: Sha256,
    /// When the node first refused it.
    pub since: UnixTime,
    /// Why, in English, at most [`REASON_LIMIT`] bytes.
    pub reason: String,
}

impl RefusedPolicy {
    /// A refusal, its reason cut to what a report carries.
    pub fn new(version: PolicyVersion, bundle: Sha256, since: UnixTime, reason: &str) -> Self {
        Self { version, bundle, since, reason: cut(reason) }
    }
}

/// The beginning of a reason, as long as a report carries it.
fn cut(reason: &str) -> String {
    let mut end = reason.len().min(REASON_LIMIT);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}

impl AdoptionReport {
    /// Refuses what is longer than it may be, since a peer's text is kept until its next report, and times that are not
    /// of this world or after `now`.
    pub fn check(&self, now: UnixTime) -> Result<(), SchemaError> {
        let overlay = self.overlay.as_ref();
        let refused =
            |one: &Option<RefusedPolicy>| one.clone().map(|refused| (refused.since, refused.reason));
        let fault = |one: &Option<ScheduleFault>| one.clone().map(|fault| (fault.since, fault.reason));
        let told = [
            Some((self.in_force.since, String::new())),
            refused(&self.refused),
            fault(&self.fault),
            overlay.and_then(|overlay| Some((overlay.in_force.as_ref()?.since, String::new()))),
            overlay.and_then(|overlay| refused(&overlay.refused)),
            overlay.and_then(|overlay| fault(&overlay.fault)),
            overlay.and_then(|overlay| Some((now, overlay.remark.clone()?))),
        ];
        for (since, reason) in told.into_iter().flatten() {
            if reason.len() > REASON_LIMIT {
                return Err(SchemaError::TooLarge {
                    what: "reason",
                    unit: "bytes",
                    actual: reason.len(),
                    limit: REASON_LIMIT,
                });
            }
            if since < UnixTime(0) || since > now.plus(CLOCK_TOLERANCE_SECONDS) {
                return Err(SchemaError::field(
                    "since",
                    "not a time that is over",
                    "set the clocks of both nodes by the same time server",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let version: PolicyVersion = "baseline-2026.4".parse().expect("version");
        let refused = RefusedPolicy::new(version.clone(), Sha256([1; 32]), UnixTime(1), &"策".repeat(1_000));
        assert_eq!(refused.reason.len(), 1_998);
        let in_force = AdoptedPolicy { version, bundle: Sha256([2; 32]), since: UnixTime(1) };
        let now = UnixTime(1_000);
        let overlay = OverlayAdoption {
            region: RegionCode::parse("150100").expect("region"),
            in_force: Some(in_force.clone()),
            ready: None,
            refused: Some(refused.clone()),
            fault: None,
            inert: 0,
            remark: None,
        };
        let report = AdoptionReport {
            in_force,
            ready: None,
            refused: Some(refused),
            fault: None,
            overlay: Some(overlay),
        };
        report.check(now).expect("within the limit");
        let lengthen = |refused: &mut Option<RefusedPolicy>| {
            if let Some(refused) = refused {
                refused.reason.push_str("xxx");
            }
        };
        let mut long = report.clone();
        lengthen(&mut long.refused);
        assert!(long.check(now).is_err());
        let mut long = report.clone();
        if let Some(overlay) = &mut long.overlay {
            lengthen(&mut overlay.refused);
        }
        assert!(long.check(now).is_err());
        let mut long = report.clone();
        if let Some(overlay) = &mut long.overlay {
            overlay.remark = Some("x".repeat(REASON_LIMIT + 1));
        }
        assert!(long.check(now).is_err());
        let mut early = report.clone();
        if let Some(in_force) = early.overlay.as_mut().and_then(|overlay| overlay.in_force.as_mut()) {
            in_force.since = UnixTime(-1);
        }
        assert!(early.check(now).is_err());
        for since in [UnixTime(-1), UnixTime(1_301), UnixTime(i64::MAX)] {
            let mut wrong = report.clone();
            wrong.in_force.since = since;
            assert!(wrong.check(now).is_err(), "{since:?}");
        }
    }
}
