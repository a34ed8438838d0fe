//! Federation root, member directory and bundle distribution over TUF; yields verified values.
//!
//! Three people's work, in their order:
//! - the coordinators **found** a federation ([`federation_found`]) and keep the root keys offline; one of their nodes
//!   admits, updates and removes members ([`DirectoryEditor`]) and signs the short-lived timestamp again;
//! - every node keeps what it **verified** ([`TrustStore`]) from the fingerprint of the first root on, and serves it to
//!   its peers: no mirror has to be trusted, so anybody may be one;
//! - a **stranger** checks with that fingerprint alone which keys an agency had ([`evidence_verify`]).
//!
//! Regional coordinators are not there yet. They will be TUF delegations: a role `region-150100` in the targets
//! metadata, limited to the paths `directory/150100/*` and `policy/overlay/150100/*`, with a metadata file
//! `<version>.region-150100.json` of its own that the snapshot lists. Entries lie under their region already, so no path
//! changes; what has to be added is the role's file name in [`FileName`], its fetch, and the rule that an
//! entry under a delegated region counts only from that role. Until then a targets file with delegations is refused,
//! never half understood.

mod directory;
mod editor;
mod error;
mod evidence;
mod fingerprint;
mod folder;
mod found;
mod gather;
mod generation;
mod join;
mod key_file;
pub mod limits;
mod metadata;
mod name;
mod repository;
mod root_change;
mod source;
mod steps;
mod store;
mod token;
mod verify;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
extern crate self as chengxin_trust;
#[cfg(test)]
#[path = "../tests/trust/fixture.rs"]
#[allow(dead_code, reason = "the tests beside the code need a part of it")]
mod fixture;

pub use directory::{DirectoryVersions, Freshness, VerifiedDirectory};
pub use editor::{DirectoryEditor, Lifetimes, MemberChange, OnlineKeys, PublishedVersions};
pub use error::TrustError;
pub use evidence::{EvidenceBundle, VerifiedEvidence, evidence_verify};
pub use fingerprint::RootFingerprint;
pub use found::{FoundParams, Founded, federation_found};
pub use join::{
    APPLICATION_TYP, CheckedApplication, JoinApplication, SignedWhen, application_check, application_sign,
};
pub use key_file::{KeyFile, key_file_read, key_file_write};
pub use name::{ContentName, FileName, PolicyPart, Role, TargetPath};
pub use root_change::{RootChange, RootDraft};
pub use source::{FolderSource, MetadataSource, SourceError};
pub use store::{RefreshOutcome, TrustStore};
pub use token::{Applicant, IssuedToken, RedeemedBy, Redemption, Token, TokenBook, TokenGrant, TokenRow};
