//! The own credit records: template, import, list, show.

use std::path::PathBuf;

use chengxin_api::types::import::ImportException;
use chengxin_schemas::category::{InformationCategory, RecordState};
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::record_type::RecordType;
use clap::{Args, Subcommand};

use super::{RecordArguments, SubjectArgument};

/// What is done with records.
#[derive(Debug, Subcommand)]
pub enum RecordCommand {
    /// Write an empty workbook with the columns of a record type
    Template(RecordTemplateArguments),
    /// Import a file of records: all of it or nothing
    Import(RecordImportArguments),
    /// List the own records
    List(RecordListArguments),
    /// Show one own record
    Show(RecordArguments),
}

/// Which template.
#[derive(Clone, Debug, Args)]
pub struct RecordTemplateArguments {
    /// Type of the records: administrative-penalty or judgment-debtor
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: RecordType,
    /// New file to write, .xlsx or .csv; - for standard output
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// What to import, how.
#[derive(Clone, Debug, Args)]
pub struct RecordImportArguments {
    /// The file, CSV (UTF-8 or GB18030) or XLSX; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Type of the records, where the columns do not tell
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<RecordType>,
    /// Check the file and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Sheet of the workbook, where several hold records
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// Vouch for a code whose check character fails, ROW:REASON; repeat for several
    #[arg(long = "accept", value_name = "ROW:REASON")]
    pub exceptions: Vec<ImportException>,
    /// Write the failing rows into this new file, .xlsx or .csv, to correct and import again
    #[arg(long, value_name = "FILE")]
    pub errors: Option<PathBuf>,
    /// Name of the file when it comes from standard input
    #[arg(long, value_name = "NAME", default_value = "stdin.csv")]
    pub file_name: String,
    /// Treat warnings of a dry run as errors
    #[arg(long, requires = "dry_run")]
    pub strict: bool,
}

/// Which records.
#[derive(Clone, Args)]
pub struct RecordListArguments {
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<RecordType>,
    /// Only this category
    #[arg(long, value_name = "CATEGORY")]
    pub category: Option<InformationCategory>,
    /// Only this import
    #[arg(long, value_name = "BATCH")]
    pub batch: Option<BatchId>,
    /// Only this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<RecordState>,
    /// Only this subject; - reads it from standard input
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<SubjectArgument>,
    /// Vouch for a code whose check character fails, with the reason; named and logged
    #[arg(long, value_name = "REASON", requires = "subject")]
    pub accept: Option<String>,
    /// At most so many on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: Option<u16>,
    /// Where the page before ended
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    pub cursor: Option<String>,
    /// All pages, one after the other
    #[arg(long)]
    pub all: bool,
}

/// Leaves the subject out: it may be a person's number.
impl std::fmt::Debug for RecordListArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RecordListArguments").field("type", &self.record_type).finish_non_exhaustive()
    }
}
