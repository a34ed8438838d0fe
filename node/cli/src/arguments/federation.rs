//! Founding a federation and admitting members.

use std::path::PathBuf;

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::federation::{FederationId, FunctionCode};
use chengxin_schemas::region::RegionCode;
use clap::{Args, Subcommand};

use super::duration::Span;

/// What a coordinator does.
#[derive(Debug, Subcommand)]
pub enum FederationCommand {
    /// Found a federation: make its root keys and enter this node as the first coordinator
    Found(FoundArguments),
    /// Issue a one-time token with which one body can join
    Token(TokenArguments),
    /// Enter a member from the application file that its node wrote
    Enrol(EnrolArguments),
    /// Take a member out of the directory, so that every node cuts it off
    Remove(RemoveArguments),
    /// Let a league or city publish the overlay of its region, or take that back
    Delegate(DelegateArguments),
    /// List the members of the directory
    Members,
    /// Say that this machine's clock is right, so that a stopped node signs the directory again
    ConfirmClock,
}

/// What a new federation must know.
#[derive(Clone, Debug, Args)]
pub struct FoundArguments {
    /// Name of the federation, for example nmg
    #[arg(long, value_name = "NAME")]
    pub name: FederationId,
    /// How many root keys there are, one per holder
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub keys: u8,
    /// How many of them must sign
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub threshold: u8,
    /// Folder for the root keys, one file per holder; they then belong into different safes
    #[arg(long, value_name = "DIR")]
    pub keys_dir: PathBuf,
}

/// Whom a token admits.
#[derive(Clone, Debug, Args)]
pub struct TokenArguments {
    /// Unified social credit code of the body that may join
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyCode,
    /// Official name under which it is entered
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Division code of the region it serves
    #[arg(long, value_name = "CODE")]
    pub region: RegionCode,
    /// What the body does by law, as policy names it; repeat for several
    #[arg(long = "function", value_name = "CODE")]
    pub functions: Vec<FunctionCode>,
    /// How long the token is good for
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    pub valid: Span,
    /// Write the token into this file, readable by you only, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Admit it also with keys that it, or another member, had when it was removed: they must be in no other hands
    #[arg(long)]
    pub former_keys: bool,
}

/// Whom to enter by hand.
#[derive(Clone, Debug, Args)]
pub struct EnrolArguments {
    /// Application file that join wrote at the body
    #[arg(value_name = "FILE")]
    pub application: PathBuf,
    /// Fingerprint of the application, as the body told it by another way
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: String,
    /// Admit it also with keys that it, or another member, had when it was removed: they must be in no other hands
    #[arg(long)]
    pub former_keys: bool,
}

/// Whom to take out.
#[derive(Clone, Debug, Args)]
pub struct RemoveArguments {
    /// Unified social credit code of the member
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyCode,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// To whom a region is delegated.
#[derive(Clone, Debug, Args)]
pub struct DelegateArguments {
    /// Unified social credit code of the member that serves the league or city
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyCode,
    /// Take the delegation back
    #[arg(long)]
    pub withdraw: bool,
}
