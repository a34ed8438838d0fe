//! The application to join: what a new node says about itself, proven by its own keys, set against what the coordinator
//! wrote into the token.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::digest::Sha256;
use chengxin_schemas::directory::{ADDRESSES_LIMIT, DirectoryEntry, DirectoryEntrySchema, TimedKey};
use chengxin_schemas::jws::{UnverifiedJws, jws_sign};
use chengxin_schemas::key::{SigningKey, VerifyingKey};
use chengxin_schemas::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::limits::{APPLICATION_LIMIT, CLOCK_TOLERANCE_SECONDS};
use crate::token::{Applicant, TokenGrant};

/// JOSE `typ` of an application.
pub const APPLICATION_TYP: &str = "chengxin-join+jwt";
/// Longest text of one address, identity or log key, in bytes.
const TEXT_LIMIT: usize = 300;

/// Claims of an application, version 1. Signed by the very key it asks to be listed, which proves that the applicant
/// has it; the transport key is proven by the connection it comes over. The age keys are not proven: listing another's
/// recipient only loses the applicant its own mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinApplication {
    /// Fingerprint of the federation's first root: an application for one federation is of no use in another.
    pub aud: String,
    /// When it was signed.
    pub iat: UnixTime,
    /// Who applies.
    pub agency: AgencyCode,
    /// The key that signs records, answers, requests, notices and receipts.
    pub signing_key: VerifyingKey,
    /// Since when the key has signed: records filed before joining count from then on.
    pub signing_key_since: UnixTime,
    /// age recipient of the node.
    pub age_node_recipient: String,
    /// age recipient of the agency's offline recovery key.
    pub age_recovery_recipient: String,
    /// libp2p peer id of the node, as text.
    pub transport_identity: String,
    /// Where the node listens (multiaddr text).
    pub addresses: Vec<String>,
    /// Verifier key of the node's audit log (C2SP vkey).
    pub audit_log_key: String,
    /// Highest wire protocol version the node speaks.
    pub protocol: u16,
}

/// An application that holds: the entry to admit, its digest for the audit log, and who applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedApplication {
    /// The new member's entry; who it is and what it does comes from the token alone.
    pub entry: DirectoryEntry,
    /// Digest of the application.
    pub digest: Sha256,
    /// By what a repeated application is recognised, for [`crate::TokenBook::redeem`].
    pub applicant: Applicant,
}

/// How old the signature of an application may be. In the future, beyond what clocks differ, it lies never: it says since
/// when the key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedWhen {
    /// As old as clocks differ.
    Lately,
    /// As old as it likes: a person vouches for the application, or the token that comes with it was redeemed already and
    /// only the same keys may repeat it.
    AnyTime,
}

/// Signs an application with the key it names.
pub fn application_sign(application: &JoinApplication, key: &SigningKey) -> Result<String, TrustError> {
    if application.signing_key != *key.public() {
        return Err(refuse("signing_key", "it must be the key that signs the application"));
    }
    jws_sign(APPLICATION_TYP, application, key).map_err(TrustError::from)
}

/// Checks an application against the token's grant and against the identity that the connection proved
/// (`remote_identity`, a libp2p peer id as text).
pub fn application_check(
    text: &str,
    grant: &TokenGrant,
    federation: &RootFingerprint,
    remote_identity: &str,
    signed: SignedWhen,
    now: UnixTime,
) -> Result<CheckedApplication, TrustError> {
    let unverified = UnverifiedJws::parse(text, APPLICATION_TYP, APPLICATION_LIMIT)?;
    let claimed: JoinApplication = unverified.claims_unverified()?;
    let verified = unverified.verify::<JoinApplication>(&claimed.signing_key)?;
    let digest = verified.digest();
    let application = verified.into_claims();
    if application.aud != federation.to_string() {
        return Err(refuse("aud", "it is addressed to another federation; join with this one's fingerprint"));
    }
    if application.agency != grant.agency {
        return Err(refuse("agency", "the token was issued to another agency; use the token of this one"));
    }
    if application.transport_identity != remote_identity {
        let reason = "it is not the identity of the node that sent it; apply from the node itself";
        return Err(refuse("transport_identity", reason));
    }
    let ahead = application.iat.since(now);
    let difference = match signed {
        SignedWhen::Lately => ahead.saturating_abs(),
        SignedWhen::AnyTime => ahead,
    };
    if difference > CLOCK_TOLERANCE_SECONDS {
        let reason = format!(
            "the applicant's clock differs from ours by {difference} seconds; set both by a time server"
        );
        return Err(TrustError::Application { field: "iat", reason });
    }
    if application.signing_key_since > application.iat {
        return Err(refuse("signing_key_since", "it lies in the future; give the time the key was made"));
    }
    texts_check(&application)?;
    let applicant = Applicant {
        signing_key: application.signing_key.key_id(),
        transport_identity: application.transport_identity.clone(),
    };
    let entry = entry_of(application, grant);
    entry.check_limits()?;
    // Both age recipients parse and differ: else nothing could be sealed to the member, or nothing recovered.
    entry.seal_recipients()?;
    Ok(CheckedApplication { entry, digest, applicant })
}

fn entry_of(application: JoinApplication, grant: &TokenGrant) -> DirectoryEntry {
    let signing_key =
        TimedKey { jwk: application.signing_key, not_before: application.signing_key_since, not_after: None };
    DirectoryEntry {
        schema: DirectoryEntrySchema::V1,
        agency: grant.agency,
        name: grant.name.clone(),
        region: grant.region,
        functions: grant.functions.clone(),
        // Only coordinators make coordinators, by an update of the entry.
        coordinator: false,
        overlay_region: None,
        signing_keys: vec![signing_key],
        age_node_recipient: application.age_node_recipient,
        age_recovery_recipient: application.age_recovery_recipient,
        transport_identity: application.transport_identity,
        addresses: application.addresses,
        audit_log_key: application.audit_log_key,
        protocol: application.protocol,
    }
}

/// Bounds and plainness of the texts whose form belongs to other crates (multiaddr: network; vkey: audit log).
fn texts_check(application: &JoinApplication) -> Result<(), TrustError> {
    let is_plain = |text: &str| {
        (1..=TEXT_LIMIT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_plain(&application.transport_identity) {
        return Err(refuse("transport_identity", "it is not a peer id"));
    }
    if !is_plain(&application.audit_log_key) || application.audit_log_key.matches('+').count() < 2 {
        return Err(refuse("audit_log_key", "it is not a verifier key (name+id+key)"));
    }
    if application.addresses.is_empty() || application.addresses.len() > ADDRESSES_LIMIT {
        return Err(refuse("addresses", "1 to 8 addresses are needed, where other members reach the node"));
    }
    if !application.addresses.iter().all(|address| is_plain(address) && address.starts_with('/')) {
        return Err(refuse("addresses", "an address reads like /dns4/node.example/tcp/4001"));
    }
    if application.protocol == 0 {
        return Err(refuse("protocol", "versions begin with 1"));
    }
    Ok(())
}

fn refuse(field: &'static str, reason: &str) -> TrustError {
    TrustError::Application { field, reason: reason.to_owned() }
}
