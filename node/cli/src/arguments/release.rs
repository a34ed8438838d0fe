//! Releases of checks by another person.

use chengxin_schemas::identity::ReleaseId;
use clap::{Args, Subcommand};

/// What is done with releases.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// List the releases you asked for and those you may decide, the oldest first
    List,
    /// Release the check of a colleague
    Give(ReleaseArguments),
    /// Refuse to release the check of a colleague
    Refuse(ReleaseRefuseArguments),
}

/// Names one release.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReleaseArguments {
    /// The release: q- and 32 hexadecimal digits
    #[arg(value_name = "RELEASE")]
    pub release: ReleaseId,
}

/// Which release is refused, and why.
#[derive(Clone, Debug, Args)]
pub struct ReleaseRefuseArguments {
    /// The release: q- and 32 hexadecimal digits
    #[arg(value_name = "RELEASE")]
    pub release: ReleaseId,
    /// Why, for the colleague and the log: 2 to 200 characters on one line
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
