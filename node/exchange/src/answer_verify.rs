//! Verifying an answer: when it arrives, and again when somebody verifies the certificate that rests on it. One verifier
//! for both, so that no certificate holds with an answer that the check itself would have refused.

use std::collections::BTreeSet;

use chengxin_schemas::answer::{ANSWER_TYP, AnswerClaims, AnswerOutcome, PresentedRecord};
use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::certificate::CoverageOutcome;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::error::SchemaError;
use chengxin_schemas::jws::{JWS_LIMIT, UnverifiedJws};
use chengxin_schemas::keyring::{record_verify_from, verify_from};
use chengxin_schemas::request::RequestClaims;
use chengxin_schemas::sd_jwt::{SD_JWT_LIMIT, SdJwt, VerifiedRecord};
use chengxin_schemas::subject::name_normalise;
use chengxin_schemas::time::UnixTime;

use crate::peers::peer_words;

/// An answer that holds.
pub(crate) struct VerifiedAnswer {
    /// What it means for the coverage of the check.
    pub(crate) outcome: CoverageOutcome,
    /// What it presents; nothing if it refuses.
    pub(crate) records: Vec<AnsweredRecord>,
}

/// A record in an answer that holds.
pub(crate) struct AnsweredRecord {
    /// What the answer says of it.
    pub(crate) listed: PresentedRecord,
    /// What its issuer signed.
    pub(crate) record: VerifiedRecord,
    /// The rule under which it was shown, as the answering agency names it.
    pub(crate) rule: String,
}

/// Verifies the answer to `request`, whose compact form hashes to `request_digest`, by the entry of the agency asked,
/// and every record in it. Any fault refuses the whole answer: a member that sends one wrong record is not believed
/// about the others.
///
/// `now` is when the answer is judged: the present time when it arrives, the end of the check when a certificate is
/// verified later.
pub(crate) fn answer_verify(
    entry: &DirectoryEntry,
    request: &RequestClaims,
    request_digest: Sha256,
    now: UnixTime,
    answer: &str,
    presentations: &[String],
) -> Result<VerifiedAnswer, SchemaError> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "answer", reason: reason.to_owned() };
    let unverified = UnverifiedJws::parse(answer, ANSWER_TYP, JWS_LIMIT)?;
    // The key must be valid now, not only at the time the answer claims: an answer is as fresh as its request.
    let verified = verify_from::<AnswerClaims>(unverified, entry, now)?;
    let digest = verified.digest();
    let claims = verified.into_claims();
    claims.check(request, request_digest, now)?;
    claims.check_presentations(presentations)?;
    match claims.outcome {
        AnswerOutcome::Refused { code, rule, reason } => {
            let rule = rule.as_deref().map(peer_words);
            let outcome = CoverageOutcome::Refused { code, rule, reason: peer_words(&reason) };
            Ok(VerifiedAnswer { outcome, records: Vec::new() })
        }
        AnswerOutcome::Answered { rule, categories, records, more } => {
            if categories.len() > InformationCategory::ALL.len() {
                return Err(integrity("it names more categories than there are"));
            }
            let rule = peer_words(&rule);
            let mut answered: Vec<AnsweredRecord> = Vec::with_capacity(records.len());
            let mut seen = BTreeSet::new();
            if !records.iter().all(|listed| seen.insert(listed.record)) {
                return Err(integrity("it lists a record twice"));
            }
            for (listed, text) in records.into_iter().zip(presentations) {
                let record = record_verify(entry, request, &categories, &listed, text, now)?;
                answered.push(AnsweredRecord { listed, record, rule: rule.clone() });
            }
            // An answer cut off at the limit covers nothing completely.
            let categories = if more { Vec::new() } else { categories };
            let outcome = CoverageOutcome::Answered {
                as_of: claims.iat,
                categories,
                records: answered.len(),
                answer: Some(digest),
            };
            Ok(VerifiedAnswer { outcome, records: answered })
        }
    }
}

/// Verifies one record: signed by the answering agency, the one listed, in a state that counts, of an answered category,
/// about the subject asked about, and with remarks on fields only that its type has.
fn record_verify(
    entry: &DirectoryEntry,
    request: &RequestClaims,
    categories: &[InformationCategory],
    listed: &PresentedRecord,
    text: &str,
    now: UnixTime,
) -> Result<VerifiedRecord, SchemaError> {
    let integrity = |reason: &str| SchemaError::Integrity { form: "record", reason: reason.to_owned() };
    let record = record_verify_from(SdJwt::parse(text, SD_JWT_LIMIT)?, entry, now)?;
    listed.check_record(&record)?;
    if !listed.state.counts() {
        return Err(integrity("in a state in which it does not count"));
    }
    let claims = record.claims();
    if !categories.contains(&claims.category) || !request.categories.contains(&claims.category) {
        return Err(integrity("of a category that was not asked about"));
    }
    let fields = record.fields();
    let about = if listed.name_match_only {
        let wanted = request.subject_name.as_deref().map(name_normalise);
        let held = fields.subject_name().map(name_normalise);
        // Former programs knew such a record of the subject's own by its name only.
        fields.is_found_by_name() && wanted.is_some() && wanted == held
    } else {
        fields.is_about(&request.subject)
    };
    if !about {
        return Err(integrity("about another subject than the one asked about"));
    }
    Ok(record)
}

/// Whether an outcome covers every category asked about.
pub(crate) fn covers(outcome: &CoverageOutcome, asked: &[InformationCategory]) -> bool {
    match outcome {
        CoverageOutcome::Answered { categories, .. } => {
            asked.iter().all(|category| categories.contains(category))
        }
        CoverageOutcome::Refused { .. } | CoverageOutcome::Silent { .. } => false,
    }
}
