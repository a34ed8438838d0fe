//! Why a bundle was refused, or why the engine under the authoriser could not be trusted.

use std::io::ErrorKind;

use chengxin_schemas::ErrorCode;
use chengxin_schemas::time::Day;

use crate::provenance::RuleId;

/// An error of this crate. Nothing is half loaded: after any of these there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file of the bundle says something that cannot be. `reason` is a clause without a final stop.
    #[error("{file}{}: {reason}; {fix}", .line.map(|line| format!(" line {line}")).unwrap_or_default())]
    File {
        /// Name of the file within the bundle.
        file: String,
        /// Line, counted from 1, where one can be named.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// The bundle or one of its files is over a stated limit.
    #[error("{what} is over the limit of {limit} {unit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Bytes or files.
        unit: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The packed form is not the canonical one.
    #[error("packed bundle: {reason}")]
    Packed {
        /// What is wrong.
        reason: String,
    },
    /// The bundle directory could not be read.
    #[error("cannot read {file} of the bundle directory")]
    Read {
        /// Name of the file within the bundle, or `.`.
        file: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// casbin refused the model or the rules, or failed while deciding.
    #[error("the rule engine failed")]
    Engine(#[source] Box<casbin::Error>),
    /// casbin does not decide what it must: it is disabled, has lost rules, or allows the canary.
    #[error("the rule engine is unsound: {reason}")]
    Unsound {
        /// Which check failed.
        reason: &'static str,
    },
    /// A year without calendar data was asked about.
    #[error("no working-day calendar for {year}; load a bundle with calendar/{year}.toml")]
    NoCalendar {
        /// The year.
        year: i16,
    },
}

impl PolicyError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::File { .. } | Self::Packed { .. } => ErrorCode::Invalid,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Read { source, .. } => match source.kind() {
                ErrorKind::NotFound => ErrorCode::NotFound,
                ErrorKind::PermissionDenied => ErrorCode::Denied,
                ErrorKind::NotADirectory => ErrorCode::Invalid,
                // The operating system's list is open; what is not named above is a bundle that cannot be had now.
                _ => ErrorCode::Unavailable,
            },
            Self::NoCalendar { .. } => ErrorCode::NotFound,
            Self::Engine(_) | Self::Unsound { .. } => ErrorCode::Internal,
        }
    }

    pub(crate) fn file(
        file: &str,
        line: Option<usize>,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::File { file: file.to_owned(), line, reason: reason.into(), fix: fix.into() }
    }
}

/// Why a loaded bundle has no value to give. None is guessed instead.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A rule was asked for on a day on which none of its versions is in force.
    #[error("{file} has no {key} in force on {day}; load a bundle that has it")]
    NoRule {
        /// The file that would hold it.
        file: &'static str,
        /// The rule across its versions.
        key: RuleId,
        /// The day.
        day: Day,
    },
    /// A rule that leaves its value open was asked for it.
    #[error("{rule} of {file} has no value; its document leaves it open, so ask the coordinator")]
    NoValue {
        /// The file that holds the rule.
        file: &'static str,
        /// The version.
        rule: RuleId,
    },
    /// The working days of a year are not known.
    #[error(transparent)]
    Calendar(#[from] PolicyError),
}

impl LookupError {
    /// The outward code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoRule { .. } | Self::NoValue { .. } => ErrorCode::NotFound,
            Self::Calendar(error) => error.code(),
        }
    }
}

impl From<casbin::Error> for PolicyError {
    fn from(error: casbin::Error) -> Self {
        Self::Engine(Box::new(error))
    }
}
