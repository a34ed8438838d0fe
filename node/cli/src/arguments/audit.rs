//! Searching and verifying the audit log.

use std::path::PathBuf;

use chengxin_api::types::time::Moment;
use chengxin_schemas::operator::OperatorName;
use chengxin_schemas::time::UnixTime;
use clap::{Args, Subcommand};

use super::duration::Span;
use super::subject::SubjectArgument;

/// What is done with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Search entries, the newest first
    Search(AuditSearchArguments),
    /// Verify that the log was not rewritten
    Verify(AuditVerifyArguments),
}

/// Which entries.
#[derive(Clone, Args)]
pub struct AuditSearchArguments {
    /// Only this operator
    #[arg(long, value_name = "NAME")]
    pub actor: Option<OperatorName>,
    /// Only entries about this subject; - reads it from standard input
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<SubjectArgument>,
    /// Vouch for a code whose check character fails, with the reason; named and logged
    #[arg(long, value_name = "REASON", requires = "subject")]
    pub accept: Option<String>,
    /// Only entries about a subject of this name, searched for by name or without another identifier
    #[arg(long, value_name = "NAME", conflicts_with = "subject")]
    pub name: Option<String>,
    /// Only this kind of event
    #[arg(long, value_name = "EVENT")]
    pub event: Option<String>,
    /// Only from then on: a span back from now such as 7d, or a time
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Since>,
    /// Only before then: a span back from now, or a time
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Since>,
    /// At most so many on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: Option<u16>,
    /// Where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

/// Leaves subject and name out: they may be a person's.
impl std::fmt::Debug for AuditSearchArguments {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AuditSearchArguments").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// Which log.
#[derive(Clone, Debug, Args)]
pub struct AuditVerifyArguments {
    /// Verify the log in this folder without a running node
    #[arg(long, value_name = "DIR")]
    pub offline: Option<PathBuf>,
}

/// A moment, given absolutely or as a span back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Span),
    /// Then.
    At(Moment),
}

impl Since {
    /// The moment, when it is `now`.
    pub fn moment(self, now: UnixTime) -> Moment {
        match self {
            Self::Ago(span) => {
                Moment(now.plus(i64::try_from(span.seconds()).map_or(i64::MIN, std::ops::Neg::neg)))
            }
            Self::At(moment) => moment,
        }
    }
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::Ago).or_else(|_| text.parse().map(Self::At)).map_err(
            |_: &'static str| "write a span such as 7d or 12h, or a time such as 2026-11-22T08:00:00+08:00",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        let now = UnixTime(1_795_334_400);
        assert_eq!("1h".parse::<Since>().expect("span").moment(now).0, now.plus(-3_600));
        assert_eq!("2026-11-22T16:00:00+08:00".parse::<Since>().expect("time").moment(now).0, now);
        assert!("yesterday".parse::<Since>().is_err());
    }
}
