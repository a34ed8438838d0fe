//! What an audit entry says: the leaf, which is public to auditors and never changes, and the body, which is sealed
//! and can be erased.
//!
//! A leaf is one line of JSON with the fields of [`Leaf`] in their order, absent ones left out; every leaf has
//! exactly one spelling. The hash of these bytes is the leaf of the tree. It holds no identifier of a subject in the
//! clear, only the keyed hash of this node, and commits to the body twice: `body.commitment` is
//! SHA-256(salt ‖ body), so that a body shown with its salt can be checked by anybody, and `body.sealed` is the
//! SHA-256 of the stored ciphertext, so that a verifier without keys sees a changed body.

use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::category::{ClassificationLevel, InformationCategory};
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::operator::{OperatorName, Role};
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::subject::SubjectKey;
use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::tile::ENTRY_LIMIT;

/// Longest rule id or policy version, in bytes.
pub const LABEL_LIMIT: usize = 256;
/// Most lines of disclosed field classes: five categories times four levels.
pub const DISCLOSED_LIMIT: usize = 20;

/// Number of an entry in its log, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryIndex(pub u64);

impl std::fmt::Display for EntryIndex {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A closed list of names with one spelling each.
macro_rules! entry_kinds {
    ($($(#[$doc:meta])+ $name:ident = $text:literal),+ $(,)?) => {
        /// What happened. Names are only ever added; an older program says of a newer name that it does not know it,
        /// and verifies the log all the same.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum EntryKind {
            $($(#[$doc])+ #[serde(rename = $text)] $name),+
        }

        impl EntryKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The spelling in leaves and filters.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }

        impl std::str::FromStr for EntryKind {
            type Err = LogError;

            fn from_str(text: &str) -> Result<Self, LogError> {
                match text {
                    $($text => Ok(Self::$name),)+
                    _ => Err(LogError::malformed("entry kind", concat!("use one of:" $(, " ", $text)+))),
                }
            }
        }
    };
}

entry_kinds! {
    /// An operator here asks about a subject; written before anything is asked or read.
    CheckRequested = "check_requested",
    /// The result of a check; written before it is shown.
    CheckAnswered = "check_answered",
    /// The own policy forbade a check.
    CheckDenied = "check_denied",
    /// An operator asks that a colleague release a check.
    ReleaseRequested = "release_requested",
    /// A colleague released a check; written before it can be made.
    ReleaseGiven = "release_given",
    /// A colleague refused to release a check.
    ReleaseRefused = "release_refused",
    /// Releases were listed.
    ReleaseRead = "release_read",
    /// A peer's request was answered; written before the answer leaves.
    AnswerDisclosed = "answer_disclosed",
    /// A peer's request was refused.
    AnswerRefused = "answer_refused",
    /// A sanction notice was signed and queued.
    NoticeIssued = "notice_issued",
    /// A notice came in.
    NoticeReceived = "notice_received",
    /// A notice took effect here.
    NoticeApplied = "notice_applied",
    /// A notice was not recognised here.
    NoticeDeclined = "notice_declined",
    /// A peer confirmed a notice.
    ReceiptReceived = "receipt_received",
    /// A record was filed by hand.
    RecordFiled = "record_filed",
    /// A batch of records was imported.
    RecordImported = "record_imported",
    /// Records were read.
    RecordRead = "record_read",
    /// The state of a record changed: objection, repair, correction, withdrawal.
    RecordChanged = "record_changed",
    /// An import was taken back.
    ImportRolledBack = "import_rolled_back",
    /// An operator account was added, changed or disabled.
    OperatorChanged = "operator_changed",
    /// A member was enrolled, changed or removed.
    MemberChanged = "member_changed",
    /// A policy was staged, signed, published or discarded at a coordinator's node.
    PolicyChanged = "policy_changed",
    /// A policy came into force.
    PolicyLoaded = "policy_loaded",
    /// A policy was refused.
    PolicyRefused = "policy_refused",
    /// A key was made, rotated or retired.
    KeyChanged = "key_changed",
    /// The configuration changed.
    ConfigurationChanged = "configuration_changed",
    /// A check certificate was issued.
    CertificateIssued = "certificate_issued",
    /// The audit log was searched or read.
    LogRead = "log_read",
    /// Entries or records were exported.
    Exported = "exported",
    /// A backup was written.
    BackupWritten = "backup_written",
    /// The node was restored from a backup.
    BackupRestored = "backup_restored",
    /// The body of the entry named by `refers_to` was erased. Written by the log itself.
    BodyErased = "body_erased",
    /// The node came up.
    NodeStarted = "node_started",
    /// The node went down in order.
    NodeStopped = "node_stopped",
    /// Someone tried what needs an operator, and could not be identified or has no role for it.
    AccessRefused = "access_refused",
}

impl std::fmt::Display for EntryKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who acted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The body whose operator or node acted.
    pub agency: AgencyCode,
    /// The account; absent when the node acted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<OperatorName>,
    /// The role in which the account acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was permitted and done.
    Allowed,
    /// A rule forbade it.
    Denied,
    /// It was permitted and could not be done.
    Failed(ErrorCode),
}

/// How many fields of one class were disclosed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disclosed {
    /// Category of the records.
    pub category: InformationCategory,
    /// Classification of the fields.
    pub level: ClassificationLevel,
    /// Fields shown whole.
    pub shown: u32,
    /// Fields shown in part.
    pub masked: u32,
}

/// What the caller says about an event. Nothing in it identifies a subject in the clear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The caller's clock.
    pub time: UnixTime,
    /// What happened.
    pub kind: EntryKind,
    /// Who acted.
    pub actor: Actor,
    /// The other agency, where there is one.
    pub peer: Option<AgencyCode>,
    /// For what purpose.
    pub purpose: Option<PurposeCode>,
    /// About whom, as this node's keyed hash.
    pub subject: Option<SubjectKey>,
    /// Under which name, as this node's keyed hash, where a name was searched for or there is nothing else.
    pub subject_name: Option<SubjectKey>,
    /// How it ended.
    pub outcome: Outcome,
    /// The rule that decided; at most [`LABEL_LIMIT`] bytes.
    pub rule: Option<String>,
    /// Version of the policy that decided; at most [`LABEL_LIMIT`] bytes.
    pub policy: Option<String>,
    /// Digest of what the entry is about: the request answered (the body of the asker's entry names the same), the item
    /// delivered, the file imported.
    pub request: Option<Sha256>,
    /// Digest of the answer, result, notice, batch or file.
    pub result: Option<Sha256>,
    /// Field classes disclosed; at most [`DISCLOSED_LIMIT`].
    pub disclosed: Vec<Disclosed>,
}

/// What the leaf says about the body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyReference {
    /// SHA-256(salt ‖ body).
    pub commitment: Sha256,
    /// SHA-256 of the stored content.
    pub sealed: Sha256,
    /// Length of the stored content in bytes.
    pub length: u32,
}

/// An entry as the log holds it for ever.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    v: LeafVersion,
    /// When it was recorded: the caller's time, or the time of the entry before if that is later. So recorded times
    /// never fall, whatever the clock does.
    pub time: UnixTime,
    /// The caller's time, where it was earlier than `time`: a sign that the clock was set back, or that two callers
    /// overtook each other at the turn of a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<UnixTime>,
    /// What happened.
    pub kind: EntryKind,
    /// Who acted.
    pub actor: Actor,
    /// The other agency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<AgencyCode>,
    /// For what purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<PurposeCode>,
    /// About whom, as this node's keyed hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectKey>,
    /// Under which name, as this node's keyed hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_name: Option<SubjectKey>,
    /// How it ended.
    pub outcome: Outcome,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Version of the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Digest of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Sha256>,
    /// Digest of the answer, result, notice, batch or file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Sha256>,
    /// Field classes disclosed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosed: Vec<Disclosed>,
    /// An earlier entry that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refers_to: Option<EntryIndex>,
    /// The body.
    pub body: BodyReference,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum LeafVersion {
    #[serde(rename = "chengxin/audit-entry/v1")]
    V1,
}

impl Leaf {
    /// The leaf of `entry`, recorded at `time`.
    pub(crate) fn new(
        entry: Entry,
        time: UnixTime,
        refers_to: Option<EntryIndex>,
        body: BodyReference,
    ) -> Self {
        Self {
            v: LeafVersion::V1,
            time,
            clock: Some(entry.time).filter(|clock| *clock != time),
            kind: entry.kind,
            actor: entry.actor,
            peer: entry.peer,
            purpose: entry.purpose,
            subject: entry.subject,
            subject_name: entry.subject_name,
            outcome: entry.outcome,
            rule: entry.rule,
            policy: entry.policy,
            request: entry.request,
            result: entry.result,
            disclosed: entry.disclosed,
            refers_to,
            body,
        }
    }

    /// The bytes that stand in the log.
    pub fn encode(&self) -> Result<Vec<u8>, LogError> {
        let bytes = serde_json::to_vec(self)
            .map_err(|error| LogError::malformed("audit entry", format!("it does not encode: {error}")))?;
        if bytes.len() > ENTRY_LIMIT {
            return Err(LogError::TooLarge {
                what: "an audit entry",
                actual: bytes.len() as u64,
                limit: ENTRY_LIMIT as u64,
            });
        }
        Ok(bytes)
    }

    /// Reads the bytes of a leaf; any other spelling than the one that [`Leaf::encode`] writes is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        // serde's text may quote the input, so only its position is passed on.
        let leaf: Self = serde_json::from_slice(bytes).map_err(|error| {
            LogError::malformed(
                "audit entry",
                format!(
                    "not an entry that this version knows, at column {}; a newer version may have written it",
                    error.column()
                ),
            )
        })?;
        if leaf.encode()? != bytes {
            return Err(LogError::malformed("audit entry", "it is not written in the one form"));
        }
        Ok(leaf)
    }
}

/// What a verifier and the log itself need of a leaf. Other fields, and kinds of newer versions, do not matter to them: an
/// older program takes up and goes on with a log in which a newer one has written, though it cannot show such entries.
#[derive(Deserialize)]
pub(crate) struct LeafOutline {
    pub(crate) time: UnixTime,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) refers_to: Option<EntryIndex>,
    pub(crate) body: BodyReference,
}

impl LeafOutline {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        serde_json::from_slice(bytes).map_err(|error| {
            LogError::malformed("audit entry", format!("not a leaf, at column {}", error.column()))
        })
    }

    /// The entry whose body this entry says was erased.
    pub(crate) fn erases(&self) -> Option<EntryIndex> {
        self.refers_to.filter(|_| self.kind == EntryKind::BodyErased.as_str())
    }
}

impl Entry {
    /// Refuses what has no place in a leaf, before anything is written.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        if self.disclosed.len() > DISCLOSED_LIMIT {
            return Err(LogError::malformed(
                "audit entry",
                "disclosed: join the counts of one class into one line",
            ));
        }
        for (name, label) in [("rule", &self.rule), ("policy", &self.policy)] {
            let label = label.as_deref().unwrap_or("-");
            if label.is_empty() || label.len() > LABEL_LIMIT || label.chars().any(char::is_control) {
                return Err(LogError::malformed(
                    "audit entry",
                    format!("{name}: 1 to 256 bytes without control characters"),
                ));
            }
        }
        Ok(())
    }
}

/// A leaf with its number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LoggedEntry {
    /// Number in the log.
    pub index: EntryIndex,
    /// The entry.
    pub leaf: Leaf,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry with everything in it; also for the tests of other modules.
    pub(crate) fn full_entry(time: i64) -> Entry {
        Entry {
            time: UnixTime(time),
            kind: EntryKind::AnswerDisclosed,
            actor: Actor {
                agency: "11152105011615449P".parse().expect("agency"),
                account: Some("wang-1".parse().expect("account")),
                role: Some(Role::Clerk),
            },
            peer: Some("11152105011615449P".parse().expect("agency")),
            purpose: Some("government-procurement".parse().expect("purpose")),
            subject: Some(SubjectKey([7; 32])),
            subject_name: None,
            outcome: Outcome::Failed(ErrorCode::Timeout),
            rule: Some("clerk-procurement".to_owned()),
            policy: Some("baseline/1".to_owned()),
            request: Some(Sha256::of(b"request")),
            result: Some(Sha256::of(b"result")),
            disclosed: vec![Disclosed {
                category: InformationCategory::GeneralBreach,
                level: ClassificationLevel::L2,
                shown: 4,
                masked: 1,
            }],
        }
    }

    pub(crate) fn reference() -> BodyReference {
        BodyReference { commitment: Sha256::of(b"c"), sealed: Sha256::of(b"s"), length: 200 }
    }

    /// The bytes of version 1. Never edited: a log written today is read for ever.
    const GOLDEN: &str = r#"{"v":"chengxin/audit-entry/v1","time":1795334401,"clock":1795334400,"kind":"answer_disclosed","actor":{"agency":"11152105011615449P","account":"wang-1","role":"clerk"},"peer":"11152105011615449P","purpose":"government-procurement","subject":"0707070707070707070707070707070707070707070707070707070707070707","outcome":{"failed":"timeout"},"rule":"clerk-procurement","policy":"baseline/1","request":"sha256:1f58b9145b24d108d7ac38887338b3ea3229833b9c1e418250343f907bfd1047","result":"sha256:f6a214f7a5fcda0c2cee9660b7fc29f5649e3c68aad48e20e950137c98913a68","disclosed":[{"category":"general_breach","level":"L2","shown":4,"masked":1}],"refers_to":3,"body":{"commitment":"sha256:2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6","sealed":"sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89","length":200}}"#;

    #[test]
    fn a_leaf_has_the_bytes_of_version_1() {
        let leaf =
            Leaf::new(full_entry(1_795_334_400), UnixTime(1_795_334_401), Some(EntryIndex(3)), reference());
        let bytes = leaf.encode().expect("encodes");
        assert_eq!(String::from_utf8(bytes.clone()).expect("text"), GOLDEN);
        assert_eq!(Leaf::decode(&bytes).expect("decodes"), leaf);
        let outline = LeafOutline::decode(&bytes).expect("outline");
        assert_eq!((outline.body, outline.erases()), (reference(), None));
    }

    #[test]
    fn other_spellings_and_unknown_names_are_refused() {
        for bad in [
            GOLDEN.replace(",\"kind\"", ", \"kind\""),
            GOLDEN.replace("entry/v1", "entry/v2"),
            GOLDEN.replace("answer_disclosed", "answer_lost"),
            GOLDEN.replace("\"rule\"", "\"rul\""),
            GOLDEN.replace("\"peer\":\"11152105011615449P\",", "\"peer\":null,"),
            GOLDEN.replace("\"masked\":1", "\"masked\":1.0"),
            format!("{GOLDEN} "),
        ] {
            assert_ne!(bad, GOLDEN);
            assert!(Leaf::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_have_one_spelling() {
        for kind in EntryKind::ALL {
            assert_eq!(kind.as_str().parse::<EntryKind>().expect("parses"), *kind);
            assert_eq!(serde_json::to_string(kind).expect("json"), format!("\"{kind}\""));
        }
    }

    #[test]
    fn labels_are_bounded() {
        let mut entry = full_entry(0);
        assert!(entry.check().is_ok());
        entry.rule = Some("x".repeat(LABEL_LIMIT + 1));
        assert!(entry.check().is_err());
        entry.rule = Some("a\nb".to_owned());
        assert!(entry.check().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_err(bytes in proptest::collection::vec(any::<u8>(), 0..200), place: proptest::sample::Index, byte: u8) {
            let _ = Leaf::decode(&bytes);
            let _ = LeafOutline::decode(&bytes);
            let mut changed = GOLDEN.as_bytes().to_vec();
            let place = place.index(changed.len());
            changed[place] = byte;
            if let Ok(leaf) = Leaf::decode(&changed) {
                prop_assert_eq!(leaf.encode().expect("encodes"), changed);
            }
        }
    }
}
