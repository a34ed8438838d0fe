//! A signed answer: the key-binding JWT (RFC 9901 §4.3) over the records presented, or over none.
//!
//! For exactly one record, `<SD-JWT>~<disclosures>~<answer>` is a standard SD-JWT with key binding that any library
//! verifies. For none or several, `sd_hash` covers the presentations one after the other, and `presented` lists the
//! hash of each, so that every single record stays bound as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agency::AgencyCode;
use crate::category::{InformationCategory, RecordState};
use crate::digest::Sha256;
use crate::error::{ErrorCode, SchemaError};
use crate::identity::{Nonce, RecordId};
use crate::request::{CLOCK_TOLERANCE, REQUEST_LIFETIME_LIMIT, RequestClaims};
use crate::sd_jwt::{VerifiedRecord, presentations_digest};
use crate::time::UnixTime;

/// JOSE `typ` of an answer, fixed by RFC 9901.
pub const ANSWER_TYP: &str = "kb+jwt";
/// Most records in one answer; a subject with more is answered with the newest and `more` set.
pub const ANSWER_RECORDS_LIMIT: usize = 200;

/// Claims of an answer, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerClaims {
    /// The answering agency, which signs.
    pub iss: AgencyCode,
    /// The asking agency.
    pub aud: AgencyCode,
    /// When it was signed: the answer speaks as of this time.
    pub iat: UnixTime,
    /// Repeats the request's nonce.
    pub nonce: Nonce,
    /// SHA-256, base64url, over the presentations, one after the other (RFC 9901 §4.3.1 for exactly one).
    pub sd_hash: String,
    /// Digest of the request's compact JWS: the answer is to this request and no other.
    pub request: Sha256,
    /// Version of the policy that decided.
    pub policy: String,
    /// What was decided.
    pub outcome: AnswerOutcome,
}

/// Answered or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AnswerOutcome {
    /// The query was permitted.
    Answered {
        /// The rule that permitted it.
        rule: String,
        /// The categories the answer covers: silence about any other category means nothing.
        categories: Vec<InformationCategory>,
        /// One entry per presentation, in order. Empty means: nothing held in these categories.
        records: Vec<PresentedRecord>,
        /// Whether there are more records than the limit allows in one answer.
        more: bool,
    },
    /// The query was refused.
    Refused {
        /// Why, as a code.
        code: ErrorCode,
        /// The rule that decided, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Why, in words the asker may know.
        reason: String,
    },
}

/// What accompanies one presented record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresentedRecord {
    /// The record.
    pub record: RecordId,
    /// SHA-256, base64url, of its presentation.
    pub presented: String,
    /// Its state at `iat`.
    pub state: RecordState,
    /// Whether it was found by the subject's name only, because it carries no code that tells: a person must compare.
    pub name_match_only: bool,
    /// Fields shown in part, with the partial text; vouched for by the answering agency alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masked: BTreeMap<String, String>,
    /// Fields withheld, with the classification reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withheld: BTreeMap<String, String>,
}

/// Names fields only: a masked value still shows eight characters of a person's number.
impl std::fmt::Debug for PresentedRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PresentedRecord")
            .field("record", &self.record)
            .field("presented", &self.presented)
            .field("state", &self.state)
            .field("name_match_only", &self.name_match_only)
            .field("masked", &self.masked.keys().collect::<Vec<_>>())
            .field("withheld", &self.withheld)
            .finish()
    }
}

impl PresentedRecord {
    /// Checks that what is listed is `record`, a verified presentation: its number and its text, and that the fields said
    /// to be masked or withheld are fields of its type which it does not disclose.
    pub fn check_record(&self, record: &VerifiedRecord) -> Result<(), SchemaError> {
        let mismatch = |reason: &str| SchemaError::Integrity { form: "answer", reason: reason.to_owned() };
        if record.claims().jti != self.record
            || presentations_digest(&[record.sd_jwt().text()]) != self.presented
        {
            return Err(mismatch("another record than the one listed"));
        }
        let is_concealed =
            |name: &String| record.record_type().field(name).is_ok() && record.fields().value(name).is_none();
        if !self.masked.keys().chain(self.withheld.keys()).all(is_concealed) {
            return Err(mismatch(
                "a field said to be concealed is disclosed, or is none of the record's type",
            ));
        }
        Ok(())
    }
}

impl AnswerClaims {
    /// Checks that the answer belongs to `request` whose compact form hashes to `request_digest`, at `now`.
    pub fn check(
        &self,
        request: &RequestClaims,
        request_digest: Sha256,
        now: UnixTime,
    ) -> Result<(), SchemaError> {
        let mismatch = |reason: &str| SchemaError::Integrity { form: "answer", reason: reason.to_owned() };
        if self.iss != request.aud {
            return Err(mismatch("signed by another agency than the one asked"));
        }
        if self.aud != request.iss {
            return Err(mismatch("addressed to another agency"));
        }
        if self.nonce != request.nonce || self.request != request_digest {
            return Err(mismatch("answers another request: a replay, or mixed up on the way"));
        }
        let earliest = request.iat.plus(-CLOCK_TOLERANCE);
        let latest = now.plus(CLOCK_TOLERANCE);
        if self.iat < earliest
            || self.iat > latest
            || self.iat.since(request.iat) > REQUEST_LIFETIME_LIMIT + CLOCK_TOLERANCE
        {
            return Err(SchemaError::Expired {
                form: "answer",
                reason: "the time of signing is not between request and now; set the clocks of both nodes by the same time server".to_owned(),
            });
        }
        Ok(())
    }

    /// Checks that the answer covers exactly `presentations`, in this order: their number, the hash of each and the
    /// hash of all. A refusal covers none.
    pub fn check_presentations<T: AsRef<str>>(&self, presentations: &[T]) -> Result<(), SchemaError> {
        let mismatch = |reason: &str| SchemaError::Integrity { form: "answer", reason: reason.to_owned() };
        if presentations.len() > ANSWER_RECORDS_LIMIT {
            return Err(SchemaError::TooLarge {
                what: "answer",
                unit: "records",
                actual: presentations.len(),
                limit: ANSWER_RECORDS_LIMIT,
            });
        }
        let listed: &[PresentedRecord] = match &self.outcome {
            AnswerOutcome::Answered { records, .. } => records,
            AnswerOutcome::Refused { .. } => &[],
        };
        if listed.len() != presentations.len() {
            return Err(mismatch("another number of records came than was signed for"));
        }
        let each_holds = listed
            .iter()
            .zip(presentations)
            .all(|(entry, presentation)| entry.presented == presentations_digest(&[presentation]));
        if !each_holds || self.sd_hash != presentations_digest(presentations) {
            return Err(mismatch("the records are not those that were signed for"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::NOW;
    use crate::fixture::messages::{answer, presentation, refusal, request};

    #[test]
    fn an_answer_belongs_to_one_request_at_one_time() {
        let digest = Sha256::of(b"request");
        let good = answer(&[presentation()], digest);
        let now = NOW.plus(2);
        assert!(good.check(&request(), digest, now).is_ok());
        assert!(good.check(&request(), Sha256::of(b"other"), now).is_err());
        let changes: [fn(&mut AnswerClaims); 5] = [
            |answer| answer.iss = answer.aud,
            |answer| answer.aud = answer.iss,
            |answer| answer.nonce = Nonce([0; 16]),
            |answer| answer.iat = NOW.plus(-CLOCK_TOLERANCE - 1),
            |answer| answer.iat = NOW.plus(CLOCK_TOLERANCE + 3),
        ];
        for change in changes {
            let mut answer = good.clone();
            change(&mut answer);
            assert!(answer.check(&request(), digest, now).is_err());
        }
    }

    #[test]
    fn an_answer_covers_exactly_its_presentations() {
        let digest = Sha256::of(b"request");
        let one = answer(&[presentation()], digest);
        let none: [&str; 0] = [];
        assert!(one.check_presentations(&[presentation()]).is_ok());
        assert!(one.check_presentations(&none).is_err());
        assert!(one.check_presentations(&[presentation(), presentation()]).is_err());
        assert!(one.check_presentations(&["other~"]).is_err());
        assert!(answer(&[], digest).check_presentations(&none).is_ok());
        assert!(refusal(digest).check_presentations(&none).is_ok());
        assert!(refusal(digest).check_presentations(&[presentation()]).is_err(), "refused, yet data came");
        let many = vec![presentation(); ANSWER_RECORDS_LIMIT + 1];
        assert!(answer(&many, digest).check_presentations(&many).is_err());
        let mut half = answer(&[presentation()], digest);
        half.sd_hash = presentations_digest(&none);
        assert!(half.check_presentations(&[presentation()]).is_err());
    }
}
