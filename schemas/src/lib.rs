//! What is said between public bodies: identifiers, vocabulary, messages and their signed forms.
//!
//! Everything here is pure: no input, output or clock, and randomness only where it cannot be handed in ([`seal`]) or is
//! what is handed in elsewhere ([`random`]). Text that arrives from outside becomes a type here or an error that names the field and the fix.

pub mod adoption;
pub mod agency;
pub mod answer;
pub mod authorisation;
pub mod catalogue;
pub mod category;
pub mod certificate;
pub mod delivery;
pub mod digest;
pub mod directory;
pub mod error;
pub mod federation;
pub mod identity;
mod json;
pub mod jws;
pub mod key;
pub mod keyring;
pub mod money;
pub mod notice;
pub mod operator;
pub mod organisation_code;
pub mod policy_version;
pub mod publication;
pub mod purpose;
pub mod random;
pub mod receipt;
pub mod record;
pub mod record_type;
pub mod region;
pub mod request;
pub mod resident_id;
pub mod schema_files;
pub mod sd_jwt;
pub mod seal;
pub mod sealing_key;
pub mod simulation;
pub mod subject;
pub mod time;
pub mod unified_code;
pub mod wire;

#[cfg(test)]
extern crate self as chengxin_schemas;
#[cfg(test)]
#[path = "../tests/fixture/mod.rs"]
mod fixture;

pub use error::{ErrorCode, SchemaError};
