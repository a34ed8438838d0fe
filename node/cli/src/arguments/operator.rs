//! Operator accounts.

use chengxin_schemas::operator::{OperatorName, Role};
use clap::{Args, Subcommand};

/// What is done with accounts.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Make an account for a user of the operating system
    Add(OperatorAddArguments),
    /// List the accounts
    List,
    /// Disable an account for good
    Disable(OperatorDisableArguments),
}

/// The account to make.
#[derive(Clone, Debug, Args)]
pub struct OperatorAddArguments {
    /// Name of the account
    #[arg(value_name = "NAME")]
    pub name: OperatorName,
    /// The roles, separated by commas; nobody holds two of the three administrators
    #[arg(long = "roles", value_name = "ROLE[,ROLE]", required = true, value_delimiter = ',')]
    pub roles: Vec<Role>,
    /// Number of the operating system's user who may act under it
    #[arg(long, value_name = "UID")]
    pub uid: u32,
    /// The person's name, for colleagues; it never leaves the node
    #[arg(long, value_name = "NAME", default_value = "")]
    pub display_name: String,
}

/// The account to disable.
#[derive(Clone, Debug, Args)]
pub struct OperatorDisableArguments {
    /// Name of the account
    #[arg(value_name = "NAME")]
    pub name: OperatorName,
}
