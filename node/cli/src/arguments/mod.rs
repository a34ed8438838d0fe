//! The grammar: `chengxin <noun> <verb> [object] [--flags]`. Doc comments here are the English help; `help::chinese`
//! has the same in Chinese, and a test keeps the two complete.

mod audit;
mod check;
mod config;
mod duration;
mod federation;
mod import;
mod notice;
mod operator;
mod policy;
mod record;
mod release;
mod setup;
mod subject;

pub use audit::{AuditCommand, AuditSearchArguments, AuditVerifyArguments, Since};
pub use check::{CertificateCommand, CertificateVerifyArguments, CheckArguments};
pub use config::{ConfigCommand, ConfigShowArguments, ConfigValidateArguments};
pub use duration::Span;
pub use federation::{
    DelegateArguments, EnrolArguments, FederationCommand, FoundArguments, RemoveArguments, TokenArguments,
};
pub use import::{ImportCommand, ImportErrorsArguments, ImportListArguments, RollbackArguments};
pub use notice::{
    NoticeCommand, NoticeIssueArguments, NoticeListArguments, NoticeShowArguments, RestrictionCommand,
    RestrictionListArguments,
};
pub use operator::{OperatorAddArguments, OperatorCommand, OperatorDisableArguments};
pub use policy::{
    PolicyCommand, PolicyDiffArguments, PolicyExplainArguments, PolicyExportArguments,
    PolicyPublishArguments, PolicyRevertArguments, PolicySignArguments, PolicySimulateArguments,
    PolicyStageArguments, PolicyTableArguments, PolicyTestArguments, PolicyVersionArguments,
};
pub use record::{RecordCommand, RecordImportArguments, RecordListArguments, RecordTemplateArguments};
pub use release::{ReleaseArguments, ReleaseCommand, ReleaseRefuseArguments};
pub use setup::{DemoArguments, FirstAccount, InitArguments, JoinArguments, ManArguments};
pub use subject::SubjectArgument;

use std::path::PathBuf;

use chengxin_schemas::identity::{BatchId, RecordId};
use chengxin_schemas::operator::{OperatorName, Role};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::environment::Environment;
use crate::shell::{CallerFlags, path_word, word};

/// A public body's credit node: check counterparties, file records, exchange sanction notices.
#[derive(Debug, Parser)]
#[command(
    name = "chengxin",
    version,
    disable_help_subcommand = true,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct CommandLine {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// Print the version
    #[arg(long, action = clap::ArgAction::Version)]
    pub version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes. Each has an environment variable; the flag wins.
#[derive(Clone, Debug, Default, Args)]
pub struct Globals {
    /// Configuration file instead of /etc/chengxin/config.toml (CHENGXIN_CONFIG)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the node's data; on its own it is enough for a node on trial (CHENGXIN_HOME)
    #[arg(long, global = true, value_name = "DIR", alias = "data-dir")]
    pub home: Option<PathBuf>,
    /// Socket of the running node (CHENGXIN_SOCKET)
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Act under this operator account, if you have several (CHENGXIN_OPERATOR)
    #[arg(long, global = true, value_name = "NAME")]
    pub operator: Option<OperatorName>,
    /// Act in this role of the account, if it has several (CHENGXIN_ROLE)
    #[arg(long, global = true, value_name = "ROLE")]
    pub role: Option<Role>,
    /// Form of the output (CHENGXIN_OUTPUT)
    #[arg(short, long, global = true, value_enum, value_name = "FORM")]
    pub output: Option<Format>,
    /// Language of messages and tables (CHENGXIN_LANG, then LC_ALL, LC_MESSAGES, LANG)
    #[arg(long, global = true, value_enum, value_name = "LANG")]
    pub lang: Option<crate::language::Language>,
    /// No progress and no hints, only data and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// More in the running log of serve; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No colour (NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Answer yes to the question before a change that cannot be undone
    #[arg(short = 'y', long, global = true)]
    pub yes: bool,
    /// Print help
    #[arg(short, long, global = true, action = clap::ArgAction::HelpShort)]
    pub help: Option<bool>,
}

impl Globals {
    /// The flags that say at which node and as whom.
    pub fn caller_flags(&self) -> CallerFlags {
        let paths = [("config", &self.config), ("home", &self.home), ("socket", &self.socket)];
        let names = [
            ("operator", self.operator.as_ref().map(OperatorName::as_str)),
            ("role", self.role.map(Role::as_str)),
        ];
        let flag = |flag, value: &str| format!(" --{flag} {value}");
        CallerFlags {
            place: paths
                .into_iter()
                .filter_map(|(name, path)| Some(flag(name, &path_word(path.as_deref()?))))
                .collect(),
            person: names.into_iter().filter_map(|(name, value)| Some(flag(name, &word(value?)))).collect(),
        }
    }
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// Tables with all columns.
    Wide,
    /// One JSON document with a schema tag.
    Json,
    /// One JSON document per line.
    Jsonl,
    /// Comma-separated values, UTF-8 with byte order mark.
    Csv,
}

impl Format {
    /// The form to tell an error in before anything is parsed: `-o` or `--output` among the arguments, else
    /// `CHENGXIN_OUTPUT`, else tables. What is no form is told by the parser.
    pub fn choose(arguments: &[std::ffi::OsString], environment: &Environment) -> Self {
        let mut rest = arguments.iter().filter_map(|argument| argument.to_str());
        while let Some(argument) = rest.next() {
            let value = match argument.strip_prefix("--output").or_else(|| argument.strip_prefix("-o")) {
                Some("") => rest.next(),
                Some(value) => Some(value.strip_prefix('=').unwrap_or(value)),
                None if argument == "--" => break,
                None => continue,
            };
            if let Some(format) = value.and_then(|value| Self::from_str(value, true).ok()) {
                return format;
            }
        }
        environment
            .text("CHENGXIN_OUTPUT")
            .and_then(|text| Self::from_str(text, true).ok())
            .unwrap_or_default()
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up a node: configuration, keys, first operator accounts
    Init(Box<InitArguments>),
    /// Found a federation and admit members to it
    #[command(subcommand)]
    Federation(FederationCommand),
    /// Join a federation by address, root fingerprint and one-time token
    Join(JoinArguments),
    /// Run the node
    Serve,
    /// Show the state of the node on one screen
    Status,
    /// See the other members
    #[command(subcommand)]
    Peer(PeerCommand),
    /// File and read the own credit records
    #[command(subcommand)]
    Record(RecordCommand),
    /// See, resume and take back imports
    #[command(subcommand)]
    Import(ImportCommand),
    /// Check a counterparty at every agency of the federation
    Check(CheckArguments),
    /// Release the checks of colleagues whose purpose needs a second person
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Verify check certificates
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Issue and follow sanction notices
    #[command(subcommand)]
    Notice(NoticeCommand),
    /// See restrictions in force
    #[command(subcommand)]
    Restriction(RestrictionCommand),
    /// Read, explain and change the policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Search and verify the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Manage operator accounts
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// See and check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run a federation of five nodes on this machine and tell its story
    Demo(DemoArguments),
    /// Print the completion script for a shell
    Completion(CompletionArguments),
    /// Write the manual pages into a folder
    Man(ManArguments),
    /// Explain a command or a topic: exit-codes, output, environment, config
    Help(HelpArguments),
}

/// The other members.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// List the other members and how they can be reached
    List,
}

/// Which shell.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// What to explain.
#[derive(Clone, Debug, Args)]
pub struct HelpArguments {
    /// A command such as "record import", or a topic
    #[arg(value_name = "TOPIC", num_args = 0..=3)]
    pub topic: Vec<String>,
}

/// Names one record.
#[derive(Clone, Copy, Debug, Args)]
pub struct RecordArguments {
    /// The record: r- and 32 hexadecimal digits
    #[arg(value_name = "RECORD")]
    pub record: RecordId,
}

/// Names one import.
#[derive(Clone, Copy, Debug, Args)]
pub struct BatchArguments {
    /// The import: b- and 32 hexadecimal digits
    #[arg(value_name = "BATCH")]
    pub batch: BatchId,
}
