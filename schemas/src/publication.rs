//! Publication of a policy: which bundle decides from which day, and who approved it.
//!
//! A league or city publishes its overlay in the same way, in a schedule of its own; what is said of bundles here is said of
//! overlays too. The coordinator's node puts it into the directory after looking at it.
//!
//! The schedule is a content of the federation's signed directory, beside the bundles it names. It holds the bundle in force
//! and the one that follows, so that every node, also one that joins meanwhile, changes from one to the other on the same
//! day without hearing from anybody.

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::digest::Sha256;
use crate::error::SchemaError;
use crate::policy_version::PolicyVersion;
use crate::request::OperatorReference;
use crate::time::{Day, UnixTime};

/// JOSE `typ` of an approval.
pub const APPROVAL_TYP: &str = "chengxin-policy-approval+jwt";
/// How many different people have to approve a bundle before it can be published.
pub const APPROVALS_NEEDED: usize = 2;
/// For how long an approval holds, in seconds: 30 days. Who signed has seen what the bundle changes, and what else was so
/// then; a plan that nobody published for a month is looked at again.
pub const APPROVAL_SECONDS: i64 = 30 * 24 * 3_600;
/// Most approvals that a publication carries.
pub const APPROVALS_LIMIT: usize = 8;
/// Longest publication that is sent by itself, in bytes: eight approvals of under a kilobyte each.
pub const PUBLICATION_LIMIT: usize = 64 * 1024;
/// Most publications in a schedule: the one in force and the next.
pub const PUBLICATIONS_LIMIT: usize = 2;

/// Claims of an approval JWS, version 1: an operator of a coordinator's node has seen the bundle and stands for its content
/// and its place in the order, for 30 days. The day from which it decides is not approved: whoever
/// publishes it names that. The node signs in the operator's name; it holds each operator to be a different person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalClaims {
    /// The coordinator, which signs.
    pub iss: AgencyCode,
    /// When it was signed.
    pub iat: UnixTime,
    /// Who approves.
    pub operator: OperatorReference,
    /// Version of the bundle.
    pub version: PolicyVersion,
    /// SHA-256 of the bundle's packed form.
    pub bundle: Sha256,
    /// SHA-256 of the bundle that it is to follow. An approval for one place in the order is none for another.
    pub base: Sha256,
}

/// The schedule, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySchedule {
    schema: ScheduleSchema,
    /// In the order in which they decide: first the one in force when the last was published, then that one. One alone is
    /// the policy that the federation was founded with.
    pub publications: Vec<Publication>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
enum ScheduleSchema {
    #[serde(rename = "chengxin/policy-schedule/v1")]
    V1,
}

/// One bundle and its day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Version of the bundle.
    pub version: PolicyVersion,
    /// SHA-256 of the bundle's packed form.
    pub bundle: Sha256,
    /// The day, in Asia/Shanghai, from whose beginning it decides.
    pub effective: Day,
    /// When it was published.
    pub published: UnixTime,
    /// SHA-256 of the bundle that was published before it; absent for the policy that the federation was founded with. Where
    /// that one was taken back before its day, it is not in the schedule any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Sha256>,
    /// Approvals as compact JWS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
}

impl Publication {
    /// Reads a publication that was sent by itself.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        let malformed =
            |reason: &str| SchemaError::Malformed { form: "publication", reason: reason.to_owned() };
        if text.len() > PUBLICATION_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "publication",
                unit: "bytes",
                actual: text.len(),
                limit: PUBLICATION_LIMIT,
            });
        }
        let publication: Self =
            serde_json::from_str(text).map_err(|_| malformed("it is not what version 1 has there"))?;
        if publication.approvals.len() > APPROVALS_LIMIT {
            return Err(malformed("it carries at most eight approvals"));
        }
        Ok(publication)
    }

    /// The text to send.
    pub fn encode(&self) -> Result<String, SchemaError> {
        serde_json::to_string(self).map_err(|_| SchemaError::Malformed {
            form: "publication",
            reason: "it does not serialise".to_owned(),
        })
    }
}

impl PolicySchedule {
    /// A schedule of these publications, in their order.
    pub fn new(publications: Vec<Publication>) -> Result<Self, SchemaError> {
        let schedule = Self { schema: ScheduleSchema::V1, publications };
        schedule.check()?;
        Ok(schedule)
    }

    /// Reads the content of the directory.
    pub fn parse(bytes: &[u8]) -> Result<Self, SchemaError> {
        let schedule: Self = serde_json::from_slice(bytes).map_err(|error| SchemaError::Malformed {
            form: "policy schedule",
            reason: format!(
                "line {} column {} is not what version 1 has there",
                error.line(),
                error.column()
            ),
        })?;
        schedule.check()?;
        Ok(schedule)
    }

    /// The bytes to publish.
    pub fn encode(&self) -> Result<Vec<u8>, SchemaError> {
        serde_json::to_vec(self).map_err(|_| SchemaError::Malformed {
            form: "policy schedule",
            reason: "it does not serialise".to_owned(),
        })
    }

    fn check(&self) -> Result<(), SchemaError> {
        let malformed =
            |reason: &str| Err(SchemaError::Malformed { form: "policy schedule", reason: reason.to_owned() });
        let ScheduleSchema::V1 = self.schema;
        if self.publications.is_empty() || self.publications.len() > PUBLICATIONS_LIMIT {
            return malformed("it names one or two publications");
        }
        if self.publications.iter().any(|publication| publication.approvals.len() > APPROVALS_LIMIT) {
            return malformed("a publication carries at most eight approvals");
        }
        if let [first, second] = &self.publications[..] {
            if second.base.is_none() {
                return malformed("the second publication follows nothing");
            }
            if second.version.scope() != first.version.scope() {
                return malformed("one publication is a bundle and the other an overlay");
            }
            if second.version == first.version || second.bundle == first.bundle {
                return malformed("both publications are the same");
            }
            if second.effective < first.effective {
                return malformed("the second publication takes effect before the first");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(number: u8, effective: &str) -> Publication {
        Publication {
            version: format!("baseline-2026.{number}").parse().expect("version"),
            bundle: Sha256([number; 32]),
            effective: effective.parse().expect("day"),
            published: UnixTime(1_760_000_000),
            base: (number > 1).then(|| Sha256([number - 1; 32])),
            approvals: Vec::new(),
        }
    }

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        let schedule = PolicySchedule::new(vec![publication(1, "2026-01-01"), publication(2, "2026-12-01")])
            .expect("sound");
        assert_eq!(PolicySchedule::parse(&schedule.encode().expect("bytes")).expect("parses"), schedule);
    }

    #[test]
    fn a_publication_is_read_as_it_is_written() {
        let one = publication(2, "2026-12-01");
        let text = one.encode().expect("text");
        assert_eq!(Publication::parse(&text).expect("parses"), one);
        assert!(Publication::parse(&text.replace("\"version\"", "\"more\":1,\"version\"")).is_err());
        assert!(Publication::parse(&" ".repeat(PUBLICATION_LIMIT + 1)).is_err());
        let loud = Publication { approvals: vec![String::new(); APPROVALS_LIMIT + 1], ..one };
        assert!(Publication::parse(&loud.encode().expect("text")).is_err());
    }

    #[test]
    fn a_schedule_that_says_two_things_is_refused() {
        let (one, two, three) =
            (publication(1, "2026-02-01"), publication(2, "2026-12-01"), publication(3, "2027-01-01"));
        let early = publication(2, "2026-01-01");
        let same = Publication { bundle: one.bundle, ..two.clone() };
        let rootless = Publication { base: None, ..two.clone() };
        let overlay = Publication { version: "150100-2026.1".parse().expect("version"), ..two.clone() };
        let loud = Publication { approvals: vec![String::new(); 9], ..one.clone() };
        for publications in [
            vec![],
            vec![loud],
            vec![one.clone(), rootless],
            vec![one.clone(), overlay],
            vec![two.clone(), one.clone()],
            vec![one.clone(), early],
            vec![one.clone(), same],
            vec![one.clone(), two.clone(), three],
        ] {
            assert!(PolicySchedule::new(publications).is_err());
        }
        let bytes = PolicySchedule::new(vec![one]).expect("sound").encode().expect("bytes");
        let text = String::from_utf8(bytes).expect("text");
        for broken in [
            text.replace("/v1", "/v2"),
            text.replace("\"version\"", "\"more\":1,\"version\""),
            text.replace("2026-02-01", "2026-02-30"),
            text.replace("baseline-2026.1", "baseline"),
            String::new(),
        ] {
            assert!(PolicySchedule::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_err_without_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = PolicySchedule::parse(&bytes);
            let _ = Publication::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
