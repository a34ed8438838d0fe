//! The application of a body that joins: the file that travels by hand, and what an application claims.

use chengxin_audit_log::note::NoteVerifier;
use chengxin_network::{PeerAddress, PeerIdentity};
use chengxin_schemas::ErrorCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::federation::FunctionCode;
use chengxin_schemas::jws::UnverifiedJws;
use chengxin_schemas::region::RegionCode;
use chengxin_trust::JoinApplication;
use chengxin_trust::limits::CLOCK_TOLERANCE_SECONDS;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

/// What a body sends a coordinator who enters it by hand: the signed application, and what the application does not
/// say. The fingerprint that people compare covers all of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationFile {
    pub(crate) schema: ApplicationSchema,
    pub(crate) name: String,
    pub(crate) region: RegionCode,
    pub(crate) functions: Vec<FunctionCode>,
    /// The compact JWS of the application.
    pub(crate) application: String,
}

/// Most bytes of an [`ApplicationFile`]: the application's own limit and room for a name and functions.
pub(crate) const APPLICATION_FILE_LIMIT: u64 = 64 * 1024;

impl ApplicationFile {
    /// Whether `other` holds and applies for the same body with the same keys and addresses to the same federation,
    /// whenever it was signed; but not later than this one, as by a clock that was ahead: no coordinator would take it.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let (Ok(own), Ok(others)) = (application_claims(&self.application), other.claims()) else {
            return false;
        };
        if others.iat.since(own.iat) > CLOCK_TOLERANCE_SECONDS {
            return false;
        }
        let others = JoinApplication { iat: own.iat, signing_key_since: own.signing_key_since, ..others };
        let texts = |file: &Self| (file.name.clone(), file.region, file.functions.clone());
        texts(self) == texts(other) && own == others
    }

    /// What the application claims, if the key it names has signed it.
    fn claims(&self) -> Result<JoinApplication, AppError> {
        let claimed = application_claims(&self.application)?;
        let unverified = application_parse(&self.application)?;
        Ok(unverified.verify::<JoinApplication>(&claimed.signing_key)?.into_claims())
    }
}

/// The version tag of [`ApplicationFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ApplicationSchema {
    #[serde(rename = "chengxin/member-application/v1")]
    V1,
}

/// Whether both entries are of the same body with the same keys: a node that applies again signs another time into its
/// application, and may have moved.
pub(crate) fn is_same_node(held: &DirectoryEntry, applied: &DirectoryEntry) -> bool {
    held.agency == applied.agency
        && held.transport_identity == applied.transport_identity
        && held.signing_keys.iter().any(|one| applied.signing_keys.iter().any(|two| one.jwk == two.jwk))
}

/// Parses what the directory holds as text because its form belongs to the network and to the audit log. Members leave
/// an entry that does not parse out of their allow list, and would not say why.
pub(super) fn entry_check(entry: &DirectoryEntry) -> Result<(), AppError> {
    entry.transport_identity.parse::<PeerIdentity>()?;
    for address in &entry.addresses {
        address.parse::<PeerAddress>()?;
    }
    entry.audit_log_key.parse::<NoteVerifier>().map(|_| ()).map_err(|error| AppError::State {
        what: format!("audit_log_key: {error}"),
        fix: "give the verifier key of the node's audit log (name+id+key)",
        code: ErrorCode::Invalid,
    })
}

/// What an application claims, for its time and identity; [`application_check`] verifies it.
pub(super) fn application_claims(text: &str) -> Result<JoinApplication, AppError> {
    Ok(application_parse(text)?.claims_unverified()?)
}

fn application_parse(text: &str) -> Result<UnverifiedJws<'_>, AppError> {
    let (typ, limit) = (chengxin_trust::APPLICATION_TYP, chengxin_trust::limits::APPLICATION_LIMIT);
    Ok(UnverifiedJws::parse(text, typ, limit)?)
}
