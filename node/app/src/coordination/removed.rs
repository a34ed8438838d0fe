//! The keys that removed members had. Whoever stole them has them still: nobody is admitted with one of them unless the
//! coordinator says so.
//!
//! A removal writes them down before it is published, so a crash in between leaves a member to be removed again. What was
//! removed before this file was kept is not in it.

use chengxin_api::bounded_file::text_read;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::error::AppError;
use crate::home::{Home, file_replace};

/// Most removals remembered: each of the largest federation's members, and as many again. The oldest goes first: by then
/// nobody has had a use for its keys through that many others.
const REMOVED_LIMIT: usize = 2 * chengxin_trust::limits::MEMBERS_LIMIT;
/// Longest file: [`REMOVED_LIMIT`] rows of about 500 bytes, four times.
const REMOVED_FILE_LIMIT: u64 = 48 * 1024 * 1024;

/// The file, version 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedFile {
    schema: RemovedSchema,
    removed: Vec<RemovedRow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum RemovedSchema {
    #[serde(rename = "chengxin/removed-members/v1")]
    V1,
}

/// One member that was removed. Public keys only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemovedRow {
    agency: AgencyCode,
    at: UnixTime,
    /// Signing keys by their number, the transport identity, the recipient of sealed notices and the log's key.
    keys: Vec<String>,
}

/// What a coordinator's node knows of the members that were removed, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct RemovedMembers(Vec<RemovedRow>);

impl RemovedMembers {
    pub(super) fn read(home: &Home) -> Result<Self, AppError> {
        let path = home.removed();
        let text = match text_read(&path, REMOVED_FILE_LIMIT) {
            Ok(text) => text,
            Err(error) if error.is_absent() => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let file: RemovedFile = serde_json::from_str(&text).map_err(|error| AppError::FileContent {
            path,
            reason: format!("not a list of removed members: {error}"),
        })?;
        Ok(Self(file.removed))
    }

    /// Puts the list on disk; on a thread that may wait for it.
    pub(super) fn write(&self, home: &Home) -> Result<(), AppError> {
        let path = home.removed();
        let file = RemovedFile { schema: RemovedSchema::V1, removed: self.0.clone() };
        let text = serde_json::to_vec(&file)
            .map_err(|error| AppError::FileContent { path: path.clone(), reason: error.to_string() })?;
        file_replace(&path, 0o600, &text)
    }

    /// Notes a member that is being removed; again, if the removal before did not come to its end.
    pub(super) fn note(&mut self, entry: &DirectoryEntry, at: UnixTime) {
        let keys = keys_of(entry);
        self.0.retain(|row| row.agency != entry.agency || row.keys != keys);
        let above = self.0.len().saturating_add(1).saturating_sub(REMOVED_LIMIT);
        self.0.drain(..above);
        self.0.push(RemovedRow { agency: entry.agency, at, keys });
    }

    /// Refuses who applies with a key of a removed member.
    pub(super) fn check(&self, applied: &DirectoryEntry) -> Result<(), AppError> {
        let keys = keys_of(applied);
        let known = |row: &&RemovedRow| row.keys.iter().any(|key| keys.contains(key));
        let Some(row) = self.0.iter().rev().find(known) else { return Ok(()) };
        Err(AppError::State {
            what: format!(
                "the application has a key that member {} had when it was removed on {}",
                row.agency,
                row.at.shanghai_date()
            ),
            fix: "make the node anew with chengxin init, so that it has keys of its own; if the former ones are in no \
                  other hands, the coordinator admits them with --former-keys",
            code: ErrorCode::Denied,
        })
    }
}

/// What must not be in other hands. The recovery key is not among it: it lies in a safe, apart from the node.
fn keys_of(entry: &DirectoryEntry) -> Vec<String> {
    let signing = entry.signing_keys.iter().map(|timed| timed.jwk.key_id().to_string());
    let others = [&entry.transport_identity, &entry.age_node_recipient, &entry.audit_log_key];
    signing.chain(others.into_iter().cloned()).collect()
}
