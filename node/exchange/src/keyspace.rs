//! The keys of the store, in one place, so that no two nouns collide.
//!
//! One letter names the noun; numbers are big-endian so that order of keys is order of numbers. Subjects appear as the
//! first half of their keyed hash only: 128 bits do not collide by chance, and a row repeats the whole subject inside
//! its encrypted value.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::identity::{BatchId, NoticeId, ReleaseId};
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKey;

const RECORD: u8 = b'r';
/// Blocks of the index from identifiers to records.
pub(crate) const RECORD_BY_ID: u8 = b'i';
/// Blocks of the index from subjects to records.
pub(crate) const RECORD_BY_SUBJECT: u8 = b's';
const BATCH: u8 = b'b';
const OPERATOR: u8 = b'u';
const NOTICE: u8 = b'n';
const RESTRICTION: u8 = b'x';
const OUTBOX: u8 = b'o';
const OUTBOX_HEAD: u8 = b'h';
const INBOX_HEAD: u8 = b'j';
const RECEIPT: u8 = b'p';
const RECOGNITION_BASIS: u8 = b'd';
const MEMBERS_SERVED: u8 = b'm';
const POLICY_IN_FORCE: u8 = b'a';
const POLICY_PLAN: u8 = b'q';
const POLICY_HISTORY: u8 = b'y';
const ADOPTION: u8 = b'c';
const OVERLAY_IN_FORCE: u8 = b'v';
const CHECKS_OF_DAY: u8 = b't';
const RELEASE: u8 = b'e';

/// Bytes of a notice's number.
const ID_LENGTH: usize = 16;
/// Bytes of a subject's keyed hash that stand in a key.
const SUBJECT_HALF: usize = 16;

fn key(noun: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(noun);
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// The half of a subject's keyed hash that stands in keys and in the index of subjects.
pub(crate) fn subject_half(subject: &SubjectKey) -> &[u8] {
    &subject.0[..SUBJECT_HALF]
}

/// A record by its number.
pub(crate) fn record(number: u64) -> Vec<u8> {
    key(RECORD, &[&number.to_be_bytes()])
}

/// All records, by number.
pub(crate) fn records() -> Vec<u8> {
    vec![RECORD]
}

/// The number a record key holds.
pub(crate) fn record_number(key: &[u8]) -> Option<u64> {
    key.strip_prefix(&[RECORD]).and_then(|rest| rest.try_into().ok()).map(u64::from_be_bytes)
}

/// One block of a packed index; `bound` is empty or the key of an entry.
pub(crate) fn record_index_block(index: u8, bound: &[u8]) -> Vec<u8> {
    key(index, &[bound])
}

/// An import.
pub(crate) fn batch(id: &BatchId) -> Vec<u8> {
    key(BATCH, &[&id.0])
}

/// All imports.
pub(crate) fn batches() -> Vec<u8> {
    vec![BATCH]
}

/// An operator account.
pub(crate) fn operator(name: &str) -> Vec<u8> {
    key(OPERATOR, &[name.as_bytes()])
}

/// All operator accounts.
pub(crate) fn operators() -> Vec<u8> {
    vec![OPERATOR]
}

/// The newest known version of a notice, issued here or received. A number is its issuer's choice, so it names a notice
/// only together with the issuer: nobody's number can stand in the way of another's notice.
pub(crate) fn notice(id: &NoticeId, issuer: &AgencyCode) -> Vec<u8> {
    key(NOTICE, &[&id.0, issuer.as_str().as_bytes()])
}

/// All notices of one number, one per issuer that uses it.
pub(crate) fn notices_of_id(id: &NoticeId) -> Vec<u8> {
    key(NOTICE, &[&id.0])
}

/// All notices.
pub(crate) fn notices() -> Vec<u8> {
    vec![NOTICE]
}

/// Whether a key under [`notices`] is of the form without an issuer.
pub(crate) fn notice_lacks_issuer(key: &[u8]) -> bool {
    key.len() == 1 + ID_LENGTH
}

/// What one notice does to one subject here.
pub(crate) fn restriction(subject: &SubjectKey, notice: &NoticeId, issuer: &AgencyCode) -> Vec<u8> {
    key(RESTRICTION, &[subject_half(subject), &notice.0, issuer.as_str().as_bytes()])
}

/// All notices against one subject.
pub(crate) fn restrictions_of_subject(subject: &SubjectKey) -> Vec<u8> {
    key(RESTRICTION, &[subject_half(subject)])
}

/// All restrictions.
pub(crate) fn restrictions() -> Vec<u8> {
    vec![RESTRICTION]
}

/// The number of the notice that a key of a notice or a restriction is about.
pub(crate) fn notice_of(key: &[u8]) -> Option<NoticeId> {
    let begin = match *key.first()? {
        NOTICE => 1,
        RESTRICTION => 1 + SUBJECT_HALF,
        _ => return None,
    };
    key.get(begin..begin + ID_LENGTH)?.try_into().ok().map(NoticeId)
}

/// What the restrictions here were decided by.
pub(crate) fn recognition_basis() -> Vec<u8> {
    vec![RECOGNITION_BASIS]
}

/// The members whose backlog was queued.
pub(crate) fn members_served() -> Vec<u8> {
    vec![MEMBERS_SERVED]
}

/// The policy in force with its bundle.
pub(crate) fn policy_in_force() -> Vec<u8> {
    vec![POLICY_IN_FORCE]
}

/// The overlay in force with its files.
pub(crate) fn overlay_in_force() -> Vec<u8> {
    vec![OVERLAY_IN_FORCE]
}

/// A staged policy.
pub(crate) fn policy_plan(version: &PolicyVersion) -> Vec<u8> {
    key(POLICY_PLAN, &[version.to_string().as_bytes()])
}

/// All staged policies.
pub(crate) fn policy_plans() -> Vec<u8> {
    vec![POLICY_PLAN]
}

/// A policy that was published.
pub(crate) fn policy_history(version: &PolicyVersion) -> Vec<u8> {
    key(POLICY_HISTORY, &[version.to_string().as_bytes()])
}

/// What a member told about its policy.
pub(crate) fn adoption(member: &AgencyCode) -> Vec<u8> {
    key(ADOPTION, &[member.as_str().as_bytes()])
}

/// What all members told.
pub(crate) fn adoptions() -> Vec<u8> {
    vec![ADOPTION]
}

/// The member of a key under [`adoptions`].
pub(crate) fn adoption_agency(key: &[u8]) -> Option<AgencyCode> {
    std::str::from_utf8(key.strip_prefix(&[ADOPTION])?).ok()?.parse().ok()
}

/// How many checks of a day an operator made under a purpose; without one, all of this body.
pub(crate) fn checks_of_day(purpose: &PurposeCode, operator: Option<&OperatorName>) -> Vec<u8> {
    // A purpose holds no zero byte, and no operator's name is empty.
    let operator = operator.map_or("", |operator| operator.as_str());
    key(CHECKS_OF_DAY, &[purpose.as_str().as_bytes(), &[0], operator.as_bytes()])
}

/// A release of a check.
pub(crate) fn release(id: &ReleaseId) -> Vec<u8> {
    key(RELEASE, &[&id.0])
}

/// All releases.
pub(crate) fn releases() -> Vec<u8> {
    vec![RELEASE]
}

/// One item for `recipient`, by its place.
pub(crate) fn outbox(recipient: &AgencyCode, place: u64) -> Vec<u8> {
    key(OUTBOX, &[recipient.as_str().as_bytes(), &place.to_be_bytes()])
}

/// Head of the stream to `recipient`.
pub(crate) fn outbox_head(recipient: &AgencyCode) -> Vec<u8> {
    key(OUTBOX_HEAD, &[recipient.as_str().as_bytes()])
}

/// All heads of outgoing streams.
pub(crate) fn outbox_heads() -> Vec<u8> {
    vec![OUTBOX_HEAD]
}

/// Head of the stream from `issuer`.
pub(crate) fn inbox_head(issuer: &AgencyCode) -> Vec<u8> {
    key(INBOX_HEAD, &[issuer.as_str().as_bytes()])
}

/// The receipt given for one item from `issuer`.
pub(crate) fn receipt(issuer: &AgencyCode, sequence: u64) -> Vec<u8> {
    key(RECEIPT, &[issuer.as_str().as_bytes(), &sequence.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_keyed_by_its_issuer_too() {
        let (one, two) = (agency("11152105011615449P"), agency("11150000DEM000129D"));
        let (id, subject) = (NoticeId([7; 16]), SubjectKey([9; 32]));
        assert_ne!(notice(&id, &one), notice(&id, &two));
        assert!(notice(&id, &one).starts_with(&notices_of_id(&id)));
        assert!(notice_lacks_issuer(&notices_of_id(&id)) && !notice_lacks_issuer(&notice(&id, &one)));
        let old = [restrictions_of_subject(&subject), id.0.to_vec()].concat();
        let new = restriction(&subject, &id, &one);
        for key in [notice(&id, &one), notices_of_id(&id), old, new] {
            assert_eq!(notice_of(&key), Some(id));
        }
        assert_eq!((notice_of(&outbox(&one, 1)), notice_of(&notices())), (None, None));
    }

    fn agency(code: &str) -> AgencyCode {
        code.parse().expect("agency")
    }

    #[test]
    fn keys_sort_by_number_and_blocks_by_bound() {
        assert!(record(255) < record(256));
        assert_eq!(record_number(&record(9)), Some(9));
        assert_eq!(record_number(b"i0"), None);
        assert!(record_index_block(RECORD_BY_ID, &[]) < record_index_block(RECORD_BY_ID, &[0; 16]));
        assert!(record_index_block(RECORD_BY_ID, &[255; 16]) < record_index_block(RECORD_BY_SUBJECT, &[]));
    }
}
