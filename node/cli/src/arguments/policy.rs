//! The policy in force, and bundles on their way there.

use std::path::PathBuf;

use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::subject::SubjectKind;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

/// What is done with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show version, purposes and measures
    Show,
    /// Explain one decision: permitted or not, by which rule, with which fields
    Explain(PolicyExplainArguments),
    /// Print the decision table
    Table(PolicyTableArguments),
    /// List the breaches of integrity with their criteria and what may follow
    Breaches,
    /// List what in the policy was not read in the document it names
    Unverified,
    /// Load a bundle from a directory and run its own decision tests; needs no node
    Test(PolicyTestArguments),
    /// Show what a bundle would change
    Diff(PolicyDiffArguments),
}

/// Which bundle.
#[derive(Clone, Debug, Args)]
pub struct PolicyTestArguments {
    /// The bundle's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Which bundles.
#[derive(Clone, Debug, Args)]
pub struct PolicyDiffArguments {
    /// The new bundle's directory
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The directory of the bundle to compare with, in place of the one in force at the node
    #[arg(long, value_name = "DIR")]
    pub with: Option<PathBuf>,
}

/// A query as it might be made.
#[derive(Clone, Debug, Args)]
pub struct PolicyExplainArguments {
    /// In which role
    #[arg(long = "as", value_name = "ROLE")]
    pub asking: Role,
    /// For what
    #[arg(long, value_name = "CODE")]
    pub purpose: PurposeCode,
    /// About which category
    #[arg(long, value_name = "CATEGORY")]
    pub category: InformationCategory,
    /// About which kind of subject; without it about the only kind that the purpose concerns, else an organisation
    #[arg(long, value_name = "KIND", value_parser = subject_kinds())]
    pub subject_kind: Option<SubjectKind>,
    /// About records of which type; needed to see the fields
    #[arg(long = "type", value_name = "TYPE")]
    pub record_type: Option<RecordType>,
}

fn subject_kinds() -> impl TypedValueParser<Value = SubjectKind> {
    PossibleValuesParser::new(["organisation", "person"])
        .map(|kind| if kind == "person" { SubjectKind::Person } else { SubjectKind::Organisation })
}

/// Which part of the table.
#[derive(Clone, Debug, Args)]
pub struct PolicyTableArguments {
    /// Only this role
    #[arg(long = "as", value_name = "ROLE")]
    pub asking: Option<Role>,
    /// Only this purpose
    #[arg(long, value_name = "CODE")]
    pub purpose: Option<PurposeCode>,
}
