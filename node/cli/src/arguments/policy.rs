//! The policy in force, and bundles on their way there.

use std::path::PathBuf;

use chengxin_schemas::category::InformationCategory;
use chengxin_schemas::operator::Role;
use chengxin_schemas::policy_version::PolicyVersion;
use chengxin_schemas::purpose::PurposeCode;
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::region::RegionCode;
use chengxin_schemas::subject::SubjectKind;
use chengxin_schemas::time::Day;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::audit::Since;

/// What is done with the policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show version, purposes and measures
    Show,
    /// Explain one decision: permitted or not, by which rule, with which fields; and what it would need
    Explain(PolicyExplainArguments),
    /// Print the decision table
    Table(PolicyTableArguments),
    /// List the breaches of integrity with their criteria and what may follow
    Breaches,
    /// List what in the policy was not read in the document it names
    Unverified,
    /// Load a bundle from a directory and run its own decision tests, without a node; an overlay over a bundle
    Test(PolicyTestArguments),
    /// Show what a bundle would change
    Diff(PolicyDiffArguments),
    /// Show what would have become of the requests of the last days
    Simulate(PolicySimulateArguments),
    /// Write the bundle or overlay published last into a new directory, to be edited
    Export(PolicyExportArguments),
    /// Stage a bundle or overlay to be signed and published
    Stage(PolicyStageArguments),
    /// Sign a staged bundle; two different people have to
    Sign(PolicySignArguments),
    /// Publish a staged bundle that two people signed
    Publish(PolicyPublishArguments),
    /// Show what is published, which members follow, and what is staged
    Status,
    /// Stage the content of an earlier version under a new one
    Revert(PolicyRevertArguments),
    /// Discard a staged bundle
    Discard(PolicyVersionArguments),
}

/// Which bundle, and how far back.
#[derive(Clone, Debug, Args)]
pub struct PolicySimulateArguments {
    /// The bundle's directory
    #[arg(value_name = "DIR", required_unless_present = "plan")]
    pub directory: Option<PathBuf>,
    /// The version of a staged bundle, in place of a directory
    #[arg(long, value_name = "VERSION", conflicts_with = "directory")]
    pub plan: Option<PolicyVersion>,
    /// Requests from then on: a span back from now such as 30d, or a time
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    pub since: Since,
    /// Also ask the members for counts of their requests
    #[arg(long)]
    pub peers: bool,
}

/// Where to.
#[derive(Clone, Debug, Args)]
pub struct PolicyExportArguments {
    /// The directory to make
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The overlay of this league or city, in place of the bundle; a sample where none was published
    #[arg(long, value_name = "REGION")]
    pub overlay: Option<RegionCode>,
}

/// Which plan.
#[derive(Clone, Debug, Args)]
pub struct PolicyVersionArguments {
    /// The version that is staged, for example baseline-2026.9
    #[arg(value_name = "VERSION")]
    pub version: PolicyVersion,
}

/// What is signed.
#[derive(Clone, Debug, Args)]
pub struct PolicySignArguments {
    /// The version that is staged, for example baseline-2026.9
    #[arg(value_name = "VERSION")]
    pub version: PolicyVersion,
    /// The first digits, at least eight, of the digest of the content that was looked at
    #[arg(long, value_name = "HEX")]
    pub digest: String,
}

/// What is published.
#[derive(Clone, Debug, Args)]
pub struct PolicyPublishArguments {
    /// The version that is staged and signed, for example baseline-2026.9
    #[arg(value_name = "VERSION")]
    pub version: PolicyVersion,
    /// The day from whose beginning it decides, YYYY-MM-DD; today means at once
    #[arg(long, value_name = "DATE")]
    pub effective: Day,
}

/// What is taken up again.
#[derive(Clone, Debug, Args)]
pub struct PolicyRevertArguments {
    /// The version whose content is taken up again; without it the one before the last
    #[arg(long, value_name = "VERSION")]
    pub to: Option<PolicyVersion>,
}

/// Which bundle or overlay.
#[derive(Clone, Debug, Args)]
pub struct PolicyTestArguments {
    /// The directory of the bundle or overlay
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Of an overlay: the directory of the bundle under it, in place of the one published last
    #[arg(long, value_name = "DIR")]
    pub with: Option<PathBuf>,
}

/// Which bundle or overlay.
#[derive(Clone, Debug, Args)]
pub struct PolicyStageArguments {
    /// The directory of the bundle or overlay
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Which bundles.
#[derive(Clone, Debug, Args)]
pub struct PolicyDiffArguments {
    /// The directory of the new bundle or overlay
    #[arg(value_name = "DIR", required_unless_present = "plan")]
    pub directory: Option<PathBuf>,
    /// The directory of the bundle to compare with, in place of what was published last
    #[arg(long, value_name = "DIR", conflicts_with = "plan")]
    pub with: Option<PathBuf>,
    /// The version of a staged bundle, in place of a directory
    #[arg(long, value_name = "VERSION", conflicts_with = "directory")]
    pub plan: Option<PolicyVersion>,
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
