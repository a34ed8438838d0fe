//! Sanction notices and the restrictions that follow from them.

use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::catalogue::MeasureCode;
use chengxin_schemas::identity::{NoticeId, RecordId};
use chengxin_schemas::purpose::LegalBasis;
use chengxin_schemas::time::{Day, PeriodEnd};
use clap::{Args, Subcommand};

use super::SubjectArgument;

/// What is done with notices.
#[derive(Debug, Subcommand)]
pub enum NoticeCommand {
    /// Issue a notice on an own record and send it to every entitled member
    Issue(NoticeIssueArguments),
    /// List notices issued and received, the newest first
    List(NoticeListArguments),
    /// Show one notice and how far it got
    Show(NoticeShowArguments),
}

/// What a notice says. Several measures: repeat --measure; --basis and --until are given not at all, once for all or
/// once for each.
#[derive(Clone, Debug, Args)]
pub struct NoticeIssueArguments {
    /// The determined breach it rests on, an own record
    #[arg(long, value_name = "RECORD")]
    pub record: RecordId,
    /// A measure of the list of sanction measures; repeat for several
    #[arg(long = "measure", value_name = "CODE", required = true)]
    pub measures: Vec<MeasureCode>,
    /// The law that provides for it; the one in the list of measures when absent; once for all measures or once for each
    #[arg(long = "basis", value_name = "CITATION")]
    pub bases: Vec<LegalBasis>,
    /// Last day, YYYY-MM-DD or long-term; the end of the record's publicity when absent; once for all or once for each
    #[arg(long = "until", value_name = "DAY")]
    pub until: Vec<PeriodEnd>,
    /// First day; today when absent
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
}

/// Which notices.
#[derive(Clone, Debug, Args)]
pub struct NoticeListArguments {
    /// Only those this agency issued
    #[arg(long, conflicts_with = "received")]
    pub issued: bool,
    /// Only those from other agencies
    #[arg(long)]
    pub received: bool,
    /// At most so many on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: Option<u16>,
    /// Where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// Which notice.
#[derive(Clone, Copy, Debug, Args)]
pub struct NoticeShowArguments {
    /// The notice: n- and 32 hexadecimal digits
    #[arg(value_name = "NOTICE")]
    pub notice: NoticeId,
    /// The agency that issued it; needed only if several agencies use the number
    #[arg(long, value_name = "AGENCY")]
    pub issuer: Option<AgencyCode>,
}

/// What is done with restrictions.
#[derive(Debug, Subcommand)]
pub enum RestrictionCommand {
    /// List the restrictions this node knows against a subject; nobody else is asked
    List(RestrictionListArguments),
}

/// About whom.
#[derive(Clone, Args)]
pub struct RestrictionListArguments {
    /// Unified social credit code, organisation code or resident identity number; - reads it from standard input
    #[arg(value_name = "SUBJECT")]
    pub subject: SubjectArgument,
    /// Vouch for a code whose check character fails, with the reason; named and logged
    #[arg(long, value_name = "REASON")]
    pub accept: Option<String>,
}

/// Leaves the subject out: it may be a person's number.
impl std::fmt::Debug for RestrictionListArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RestrictionListArguments(..)")
    }
}
