//! The audit log for the people who watch.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use chengxin_audit_log::{EntryIndex, EntryKind, Filter, LoggedEntry, Outcome, VerifyReport};
use chengxin_exchange::ExchangeError;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::subject::searched_name_check;

use super::subject::subject_narrowed;
use super::{Answer, query};
use crate::failure::Failure;
use crate::gate::Caller;
use crate::services::Services;
use crate::types::audit::{
    AUDIT_PAGE_LIMIT, AuditEntries, AuditEntry, AuditListSchema, AuditQuery, AuditVerification,
    AuditVerificationSchema,
};

/// Entries on a page when nobody says.
const PAGE_DEFAULT: usize = 50;

pub(crate) async fn audit_search(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
    wanted: Result<Query<AuditQuery>, QueryRejection>,
) -> Answer<AuditEntries> {
    let wanted = query(wanted)?;
    let kinds = match &wanted.event {
        None => Vec::new(),
        Some(event) => vec![event.parse::<EntryKind>().map_err(|_| unknown_event())?],
    };
    let before = match &wanted.cursor {
        None => None,
        Some(cursor) => Some(EntryIndex(
            cursor
                .parse()
                .map_err(|_| Failure::field("cursor", "not one that a page gave", "不是上一页给出的值"))?,
        )),
    };
    let (subject, exception) =
        subject_narrowed(&caller, wanted.subject.as_deref(), wanted.accept.as_deref())?;
    let subject = match (&subject, &wanted.name) {
        (Some(_), Some(_)) => {
            return Err(Failure::field(
                "name",
                "given beside a subject: give one",
                "不能与 subject 同时给出",
            ));
        }
        (Some(subject), None) => Some(services.node.subject_key(subject)),
        (None, Some(name)) => {
            searched_name_check(name, "name")?;
            Some(services.node.name_key(name))
        }
        (None, None) => None,
    };
    let filter = Filter {
        from: wanted.since.map(|since| since.0),
        until: wanted.until.map(|until| until.0),
        kinds,
        account: wanted.actor,
        subject,
        before,
        ..Filter::default()
    };
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT).clamp(1, AUDIT_PAGE_LIMIT);
    let page = services.node.audit_search(&caller.operation, filter, exception.as_ref(), limit).await?;
    Ok(Json(AuditEntries {
        schema: AuditListSchema::V1,
        entries: page.entries.into_iter().map(entry).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

fn unknown_event() -> Failure {
    let known = EntryKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ");
    Failure::field("event", &format!("unknown; use one of: {known}"), &format!("未知的事件; 可用: {known}"))
}

/// A log that does not hold is an answer, and the most important one. Not being allowed to ask is a refusal, and so is not
/// being able to look: a log that has stopped, or a disk that fails, says nothing about what the log holds.
pub(crate) async fn audit_verify(
    State(services): State<Arc<Services>>,
    Extension(caller): Extension<Caller>,
) -> Answer<AuditVerification> {
    match services.node.audit_verify(&caller.operation).await {
        Ok(report) => Ok(Json(verification(report))),
        Err(ExchangeError::Log(error)) if error.code() != ErrorCode::Unavailable => {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit log does not verify");
            let latest = services.node.log();
            Ok(Json(AuditVerification {
                schema: AuditVerificationSchema::V1,
                holds: false,
                origin: latest.origin().to_string(),
                entries: latest.tree_size(),
                root: String::new(),
                signed_by: Vec::new(),
                uncovered: 0,
                faults: vec![error.to_string()],
                notes: Vec::new(),
            }))
        }
        Err(other) => Err(other.into()),
    }
}

/// A sound log as a document.
pub(crate) fn verification(report: VerifyReport) -> AuditVerification {
    let mut notes = Vec::new();
    if report.erasures_unfinished > 0 {
        notes.push(format!(
            "{} bodies are to be erased when the log is next opened",
            report.erasures_unfinished
        ));
    }
    if report.bodies_absent {
        notes.push("the copy has no bodies".to_owned());
    }
    if let Some((file, offset)) = &report.incomplete {
        notes.push(format!("{file} ends in something incomplete at byte {offset}"));
    }
    notes.extend(report.foreign.iter().map(|file| format!("{file} does not belong to a log")));
    AuditVerification {
        schema: AuditVerificationSchema::V1,
        holds: true,
        origin: report.origin.to_string(),
        entries: report.size,
        root: report.root.to_string(),
        signed_by: report.signed_by,
        uncovered: report.uncovered,
        faults: Vec::new(),
        notes,
    }
}

fn entry(logged: LoggedEntry) -> AuditEntry {
    let leaf = logged.leaf;
    let actor = match &leaf.actor.account {
        Some(account) => format!("{account}@{}", leaf.actor.agency),
        None => leaf.actor.agency.to_string(),
    };
    let outcome = match leaf.outcome {
        Outcome::Allowed => "allowed".to_owned(),
        Outcome::Denied => "denied".to_owned(),
        Outcome::Failed(code) => format!("failed:{}", code.as_str()),
    };
    let (shown, masked) = leaf.disclosed.iter().fold((0_u64, 0_u64), |(shown, masked), disclosed| {
        (shown.saturating_add(disclosed.shown.into()), masked.saturating_add(disclosed.masked.into()))
    });
    AuditEntry {
        index: logged.index.0,
        at: leaf.time.into(),
        event: leaf.kind.as_str().to_owned(),
        actor,
        role: leaf.actor.role.map(|role| role.as_str().to_owned()),
        subject_key: leaf.subject.map(|key| key.to_string()),
        name_key: leaf.subject_name.map(|key| key.to_string()),
        purpose: leaf.purpose.map(|purpose| purpose.to_string()),
        peer: leaf.peer,
        outcome,
        rule: leaf.rule,
        policy: leaf.policy,
        request: leaf.request,
        fields_shown: shown,
        fields_masked: masked,
    }
}
