//! Imports after they were begun: list, show, resume, take back, failing rows.

use std::path::PathBuf;

use chengxin_api::types::import::UploadId;
use chengxin_schemas::identity::BatchId;
use clap::{Args, Subcommand};

use super::BatchArguments;

/// What is done with imports.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// List imports, the newest first
    List(ImportListArguments),
    /// Show the report of one import
    Show(BatchArguments),
    /// Finish an import that was interrupted
    Resume(BatchArguments),
    /// Take an import back: none of its records count any more
    Rollback(RollbackArguments),
    /// Write the failing rows of a dry run or a refused import into a file to correct
    Errors(ImportErrorsArguments),
}

/// Which imports.
#[derive(Clone, Debug, Args)]
pub struct ImportListArguments {
    /// At most so many on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: Option<u16>,
    /// Where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// Which import to take back.
#[derive(Clone, Copy, Debug, Args)]
pub struct RollbackArguments {
    /// The import: b- and 32 hexadecimal digits
    #[arg(value_name = "BATCH")]
    pub batch: BatchId,
    /// Show what would be taken back and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Whose failing rows, where to.
#[derive(Clone, Debug, Args)]
pub struct ImportErrorsArguments {
    /// Name that the report gives: f- and 32 hexadecimal digits
    #[arg(value_name = "ID")]
    pub id: UploadId,
    /// New file to write, .xlsx or .csv
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
