//! The configuration of the node.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What is done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting
    Show(ConfigShowArguments),
    /// Print a configuration file with every default and its explanation
    Default,
    /// Check configuration files without starting anything
    Validate(ConfigValidateArguments),
}

/// How much to show.
#[derive(Clone, Copy, Debug, Args)]
pub struct ConfigShowArguments {
    /// Show where each value comes from
    #[arg(long)]
    pub origin: bool,
    /// Ask the running node which settings it uses, instead of reading the files
    #[arg(long)]
    pub running: bool,
}

/// Which file.
#[derive(Clone, Debug, Args)]
pub struct ConfigValidateArguments {
    /// The file; the one that would be used when absent
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}
