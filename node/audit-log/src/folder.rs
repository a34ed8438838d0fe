//! The names and the small files in a log's folder that are neither tiles, journal nor bodies.

use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::note::KeyName;

/// Says which log the folder holds.
pub(crate) const IDENTITY_FILE: &str = "log.json";
/// The last signed checkpoint.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";
/// Locked by the process that writes; always empty.
pub(crate) const LOCK_FILE: &str = "lock";
/// Longest identity file that is read, in bytes.
pub(crate) const IDENTITY_LIMIT: u64 = 4_096;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    v: IdentityVersion,
    origin: String,
}

#[derive(Serialize, Deserialize)]
enum IdentityVersion {
    #[serde(rename = "chengxin/audit-log/v1")]
    V1,
}

/// The identity file of a log.
pub(crate) fn identity_write(origin: &KeyName) -> Result<String, LogError> {
    let identity = Identity { v: IdentityVersion::V1, origin: origin.as_str().to_owned() };
    let mut text = serde_json::to_string(&identity)
        .map_err(|_| LogError::malformed("log.json", "it does not encode"))?;
    text.push('\n');
    Ok(text)
}

/// Reads an identity file; it has one spelling.
pub(crate) fn identity_parse(text: &[u8]) -> Result<KeyName, LogError> {
    let refuse = || LogError::malformed("log.json", "not the identity of a log that this version knows");
    let identity: Identity = serde_json::from_slice(text).map_err(|_| refuse())?;
    let origin = identity.origin.parse()?;
    if identity_write(&origin)?.as_bytes() == text { Ok(origin) } else { Err(refuse()) }
}
