//! What the program says to people, by key and language: one file per language.

mod en;
mod zh;

use crate::language::Language;

/// A closed list of keys with all of them in order.
macro_rules! keys {
    ($($key:ident),+ $(,)?) => {
        /// Names a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the English text beside each key says what it is")]
        pub enum Key { $($key),+ }

        impl Key {
            /// Every key.
            pub const ALL: &'static [Self] = &[$(Self::$key),+];
        }
    };
}

keys! {
    Action,
    FieldsMaskedAtMost,
    FieldsWithheldAtMost,
    KeptEnds,
    MaskRule,
    NoMaskRule,
    PersonLevel,
    Requests,
    Sharing,
    MembersCounts,
    RequestsChanged,
    ToldBy,
    SimulatedDenied,
    SimulatedFields,
    SimulatedIncomplete,
    SimulatedLess,
    SimulatedMixed,
    SimulatedMore,
    SimulatedPermitted,
    SimulatedRequests,
    SimulatedSkipped,
    AdoptionAdopted,
    AdoptionLagging,
    AdoptionPending,
    AdoptionRefused,
    AdoptionSilent,
    Applies,
    ApprovedBy,
    BundleExported,
    DiscardQuestion,
    MadeOn,
    MembersAdopted,
    PlanStands,
    Plans,
    PolicyDue,
    PolicyListed,
    PolicyPublished,
    PolicyReplaced,
    PublishQuestion,
    PublishedAt,
    ReadyFor,
    StagedAt,
    StagedBy,
    ToldAt,
    Accounts,
    Acknowledged,
    Actor,
    Addresses,
    Agency,
    Answered,
    Applied,
    AppliedHere,
    Binds,
    AsOf,
    AuditEntry,
    AuditLine,
    AuditLog,
    AuditNotWritable,
    BasisNamed,
    Batch,
    BatchLine,
    CaseReference,
    Categories,
    CategoriesMissing,
    Category,
    CertificateBroken,
    CertificateClaims,
    CertificateHolds,
    CertificateSays,
    CertificateWritten,
    CheckDetails,
    CodeAccepted,
    NameSearched,
    NamesNotSearched,
    NameNotStated,
    NotPublished,
    NoEndGiven,
    Checking,
    CheckNumber,
    Clock,
    ClockConfirmed,
    ClockQuestion,
    Code,
    ColumnTitle,
    Complete,
    ConfigBad,
    ConfigGood,
    ConfirmSuffix,
    RemoveQuestion,
    Removed,
    Delegated,
    DelegationWithdrawn,
    OverlayRegion,
    OverlayOf,
    OverlayInert,
    PublishedFault,
    SignedBefore,
    SubjectQuestion,
    Coordinator,
    CoverageComplete,
    CoverageCounts,
    CoverageIncomplete,
    CreatedAt,
    CreatedBy,
    Decision,
    DecisionHere,
    Declined,
    Denied,
    DeterminedOn,
    Direction,
    DirectoryVersion,
    DisableQuestion,
    Enabled,
    Enrolled,
    EnteredOtherwise,
    Entries,
    Error,
    ErrorClass,
    ErrorField,
    ErrorFix,
    ErrorPrefix,
    ErrorRule,
    ErrorsFileHint,
    ErrorsFileWritten,
    Event,
    Expired,
    Faults,
    Federation,
    FederationLine,
    Field,
    FieldName,
    Fields,
    FieldsMasked,
    FieldsShown,
    File,
    FetchedAgain,
    FileWritten,
    Findings,
    FindingsOmitted,
    Fix,
    Found,
    Founded,
    FoundIncomplete,
    FoundQuestion,
    Fresh,
    From,
    Function,
    Functions,
    Grace,
    HealthDegraded,
    HealthOk,
    Holdings,
    HoldingsLine,
    Holds,
    Identifier,
    ImportChecked,
    ImportCommitted,
    ImportOpen,
    ImportRefused,
    ImportRolledBack,
    ImportRollingBack,
    ImportStarted,
    InitDone,
    InitDryRun,
    Issued,
    Issuer,
    JoinedLine,
    JoinHint,
    Kind,
    LegalBasis,
    Level,
    Lifted,
    ListEmpty,
    LogBroken,
    LogHolds,
    LongTerm,
    Masked,
    Meaning,
    Measure,
    MeasureCode,
    Measures,
    Members,
    Message,
    Name,
    NameKey,
    NameMatchOnly,
    NeededAuthorisation,
    NeededBasis,
    NeededCase,
    NeededConditions,
    NeededMore,
    NeededPurposes,
    NextCommands,
    NextPage,
    No,
    NoFederation,
    NotApplicable,
    NothingCanBeConcluded,
    NothingFound,
    Notice,
    NoticeFollow,
    NoticeMeasureAsked,
    NoticeQuestion,
    NoticeSubject,
    Number,
    Object,
    Offline,
    Online,
    Operator,
    Origin,
    OriginDefault,
    OriginEnvironment,
    OriginFile,
    OriginFlag,
    Outcome,
    Peer,
    Peers,
    Permitted,
    Place,
    PolicyLine,
    PolicyVersion,
    Processed,
    PublicUntil,
    PublicityEnd,
    BundleHolds,
    Change,
    ComparedVersions,
    DailyLimit,
    DailyLimitBody,
    DamagedFolder,
    DecisionTests,
    DecisionsNarrower,
    DecisionsWider,
    DemandsNarrower,
    DemandsWider,
    Digest,
    EffectiveFrom,
    NothingChanges,
    Purposes,
    Rules,
    ValuesChanged,
    BreachClass,
    BreachItem,
    Criteria,
    Entry,
    GradeVerified,
    NotFound,
    RepairRule,
    Purpose,
    Queued,
    Reason,
    ReceiptAt,
    Received,
    Recipients,
    Record,
    Records,
    Refused,
    Region,
    Rejected,
    RequestDigest,
    Restrictions,
    RestrictionsInForce,
    RestrictionsIncomplete,
    RestrictionsOwnNode,
    Role,
    Roles,
    RollbackBlocked,
    RollbackQuestion,
    RollbackWould,
    RootFingerprint,
    RootHash,
    RootKeys,
    Row,
    RowCounts,
    Rows,
    RowsDuplicate,
    RowsNew,
    RowsWarned,
    RowsWrong,
    Rule,
    SeenIsLost,
    Sending,
    Setting,
    SettingOrigin,
    SanctionObject,
    KindOrganisation,
    Match,
    KindPerson,
    SubjectKind,
    Severity,
    SeverityFloor,
    Shown,
    ShownWhole,
    SignedAt,
    SignedBy,
    Silent,
    Since,
    Source,
    SourceFile,
    SourceRow,
    StartedAt,
    State,
    Subject,
    AskedAt,
    AskedBy,
    DecidedAt,
    DecidedBy,
    NeededRelease,
    Release,
    ReleaseAsked,
    ReleaseGiven,
    ReleaseOpen,
    ReleaseRefused,
    ReleasedBy,
    SubjectAuthorisation,
    SubjectKey,
    Superseded,
    Threshold,
    Token,
    TokenReplaced,
    TransportIdentity,
    Type,
    Uid,
    Uncovered,
    Unverified,
    Until,
    UpDays,
    UpHours,
    UpMinutes,
    Value,
    Version,
    Warning,
    Weight,
    When,
    Withheld,
    Writing,
    Verified,
    Yes,
}

/// The text of `key`.
pub fn text(key: Key, language: Language) -> &'static str {
    match language {
        Language::Zh => zh::text(key),
        Language::En => en::text(key),
    }
}

/// The text of `key` with `{0}`, `{1}`, … replaced by `values`. Values are not searched for places again.
pub fn fill(key: Key, language: Language, values: &[&str]) -> String {
    let mut filled = String::new();
    let mut rest = text(key, language);
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((number, after)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        let value = number.parse::<usize>().ok().and_then(|place| values.get(place));
        filled.push_str(value.copied().unwrap_or(""));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> std::collections::BTreeSet<usize> {
        text.split('{')
            .skip(1)
            .map(|part| {
                part.split('}').next().and_then(|number| number.parse().ok()).expect("place is {number}")
            })
            .collect()
    }

    #[test]
    fn both_languages_have_the_same_places_and_no_empty_text() {
        for key in Key::ALL {
            let (chinese, english) = (text(*key, Language::Zh), text(*key, Language::En));
            assert!(!chinese.trim().is_empty() && !english.trim().is_empty(), "{key:?}");
            assert_eq!(places(chinese), places(english), "{key:?}");
            let used = places(english);
            assert_eq!(
                used.iter().copied().collect::<Vec<_>>(),
                (0..used.len()).collect::<Vec<_>>(),
                "{key:?}"
            );
        }
    }

    #[test]
    fn english_texts_are_not_chinese_and_the_reverse() {
        let is_han = |symbol: char| ('\u{4e00}'..='\u{9fff}').contains(&symbol);
        for key in Key::ALL {
            assert!(!text(*key, Language::En).chars().any(is_han), "{key:?}");
            let chinese = text(*key, Language::Zh);
            // Without a letter there is nothing to say in either language.
            let has_words = chinese.chars().any(char::is_alphabetic) && *key != Key::ConfirmSuffix;
            assert!(chinese.chars().any(is_han) || !has_words, "{key:?}");
        }
    }

    #[test]
    fn values_are_filled_once() {
        assert_eq!(fill(Key::NextPage, Language::En, &["{0}x"]), "next page: --cursor {0}x");
        assert_eq!(fill(Key::NextPage, Language::En, &[]), "next page: --cursor ");
    }
}
