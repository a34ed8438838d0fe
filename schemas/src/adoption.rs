//! What a node tells its coordinators about the policy it decides by.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::policy_version::PolicyVersion;
use crate::time::{Day, UnixTime};

/// Longest reason of a refusal, in bytes: a file, a line, what is wrong and what to do.
pub const REASON_LIMIT: usize = 2_000;

/// How a node stands to what the federation publishes, as sent over the wire, version 1. The connection says whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionReport {
    /// The policy that decides at the node.
    pub in_force: AdoptedPolicy,
    /// A published bundle that loaded and passed its tests, and waits for its day.
    pub ready: Option<ReadyPolicy>,
    /// A published bundle that the node cannot decide by; the one in force goes on.
    pub refused: Option<RefusedPolicy>,
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
        let mut end = reason.len().min(REASON_LIMIT);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { version, bundle, since, reason: reason[..end].to_owned() }
    }
}

impl AdoptionReport {
    /// Refuses what is longer than it may be: a peer's text is kept until its next report.
    pub fn check(&self) -> Result<(), SchemaError> {
        match &self.refused {
            Some(refused) if refused.reason.len() > REASON_LIMIT => Err(SchemaError::TooLarge {
                what: "reason",
                unit: "bytes",
                actual: refused.reason.len(),
                limit: REASON_LIMIT,
            }),
            Some(_) | None => Ok(()),
        }
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
        let mut report = AdoptionReport { in_force, ready: None, refused: Some(refused) };
        report.check().expect("within the limit");
        if let Some(refused) = &mut report.refused {
            refused.reason.push_str("xxx");
        }
        assert!(report.check().is_err());
    }
}
