//! One function per command: build the request, call the node or the host, print the document, choose the exit code.

mod authorisation;
mod import;
mod policy;
mod policy_plan;
mod reading;
mod release;
mod setup;
mod writing;

use std::path::Path;

use chengxin_schemas::time::UnixTime;

use crate::arguments::{
    AuditCommand, CertificateCommand, Command, ConfigCommand, FederationCommand, ImportCommand,
    NoticeCommand, OperatorCommand, PeerCommand, PolicyCommand, RecordCommand, ReleaseCommand,
    RestrictionCommand, SubjectArgument,
};
use crate::client::Client;
use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use crate::exit::Exit;
use crate::host::HostCommands;
use crate::output::{self, Document, NextCommands};
use crate::texts::{Key, fill, text};

/// Longest line with a subject on standard input, in bytes: a prefix and eighteen characters, full-width ones too.
const SUBJECT_LINE_LIMIT: u64 = 256;

/// What every command works with.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) console: &'a mut Console,
    pub(crate) host: &'a dyn HostCommands,
    pub(crate) now: UnixTime,
}

type Ended = Result<Exit, CliError>;

impl Context<'_> {
    /// Runs the command that was typed.
    pub(crate) fn command_run(&mut self, command: Command) -> Ended {
        match command {
            Command::Init(arguments) => self.init(&arguments),
            Command::Federation(FederationCommand::Found(arguments)) => self.federation_found(&arguments),
            Command::Federation(FederationCommand::Token(arguments)) => self.federation_token(arguments),
            Command::Federation(FederationCommand::Enrol(arguments)) => self.federation_enrol(&arguments),
            Command::Federation(FederationCommand::Remove(arguments)) => self.federation_remove(&arguments),
            Command::Federation(FederationCommand::Delegate(arguments)) => {
                self.federation_delegate(&arguments)
            }
            Command::Federation(FederationCommand::ConfirmClock) => self.federation_confirm_clock(),
            Command::Federation(FederationCommand::Members) => self.federation_members(),
            Command::Join(arguments) => self.join(&arguments),
            Command::Serve => self.host.serve(self.settings, self.console),
            Command::Demo(arguments) => self.host.demo(self.settings, &arguments, self.console),
            Command::Status => self.status(),
            Command::Peer(PeerCommand::List) => self.peer_list(),
            Command::Record(RecordCommand::Template(arguments)) => self.record_template(&arguments),
            Command::Record(RecordCommand::Import(arguments)) => self.record_import(&arguments),
            Command::Record(RecordCommand::List(arguments)) => self.record_list(arguments),
            Command::Record(RecordCommand::Show(arguments)) => self.record_show(arguments.record),
            Command::Import(ImportCommand::List(arguments)) => self.import_list(arguments),
            Command::Import(ImportCommand::Show(arguments)) => self.import_show(arguments.batch),
            Command::Import(ImportCommand::Resume(arguments)) => self.import_resume(arguments.batch),
            Command::Import(ImportCommand::Rollback(arguments)) => self.import_rollback(arguments),
            Command::Import(ImportCommand::Errors(arguments)) => {
                self.import_errors(arguments.id, &arguments.file)
            }
            Command::Check(arguments) if arguments.request_release => self.release_request(arguments),
            Command::Check(arguments) => self.check(arguments),
            Command::Release(ReleaseCommand::List) => self.release_list(),
            Command::Release(ReleaseCommand::Give(arguments)) => self.release_decide(arguments.release, None),
            Command::Release(ReleaseCommand::Refuse(arguments)) => {
                self.release_decide(arguments.release, Some(arguments.reason))
            }
            Command::Certificate(CertificateCommand::Verify(arguments)) => {
                self.certificate_verify(&arguments)
            }
            Command::Notice(NoticeCommand::Issue(arguments)) => self.notice_issue(arguments),
            Command::Notice(NoticeCommand::List(arguments)) => self.notice_list(arguments),
            Command::Notice(NoticeCommand::Show(arguments)) => self.notice_show(arguments),
            Command::Restriction(RestrictionCommand::List(arguments)) => self.restriction_list(arguments),
            Command::Policy(PolicyCommand::Show) => self.policy_show(),
            Command::Policy(PolicyCommand::Explain(arguments)) => self.policy_explain(arguments),
            Command::Policy(PolicyCommand::Table(arguments)) => self.policy_table(arguments),
            Command::Policy(PolicyCommand::Breaches) => self.policy_breaches(),
            Command::Policy(PolicyCommand::Unverified) => self.policy_unverified(),
            Command::Policy(PolicyCommand::Test(arguments)) => self.policy_test(&arguments),
            Command::Policy(PolicyCommand::Diff(arguments)) => self.policy_diff(&arguments),
            Command::Policy(PolicyCommand::Simulate(arguments)) => self.policy_simulate(&arguments),
            Command::Policy(PolicyCommand::Export(arguments)) => self.policy_export(&arguments),
            Command::Policy(PolicyCommand::Stage(arguments)) => self.policy_stage(&arguments),
            Command::Policy(PolicyCommand::Sign(arguments)) => self.policy_sign(arguments),
            Command::Policy(PolicyCommand::Publish(arguments)) => self.policy_publish(&arguments),
            Command::Policy(PolicyCommand::Status) => self.policy_status(),
            Command::Policy(PolicyCommand::Revert(arguments)) => self.policy_revert(arguments),
            Command::Policy(PolicyCommand::Discard(arguments)) => self.policy_discard(&arguments.version),
            Command::Audit(AuditCommand::Search(arguments)) => self.audit_search(arguments),
            Command::Audit(AuditCommand::Verify(arguments)) => self.audit_verify(&arguments),
            Command::Operator(OperatorCommand::Add(arguments)) => self.operator_add(arguments),
            Command::Operator(OperatorCommand::List) => self.operator_list(),
            Command::Operator(OperatorCommand::Disable(arguments)) => self.operator_disable(arguments),
            Command::Config(ConfigCommand::Show(arguments)) => self.config_show(arguments),
            Command::Config(ConfigCommand::Default) => self.config_default(),
            Command::Config(ConfigCommand::Validate(arguments)) => self.config_validate(&arguments),
            Command::Completion(arguments) => self.completion(arguments.shell),
            Command::Man(arguments) => self.man(&arguments.folder),
            Command::Help(arguments) => crate::help::help(&arguments.topic, self.settings, self.console),
        }
    }

    /// A client of the running node.
    fn client(&self) -> Result<Client, CliError> {
        Ok(Client::new(self.host.socket_path(self.settings)?, self.settings))
    }

    /// Whom the command is about: as typed, or the first line of standard input.
    fn subject(&mut self, typed: SubjectArgument) -> Result<String, CliError> {
        if let Some(subject) = typed.typed() {
            return Ok(subject);
        }
        let language = self.settings.language;
        let line = self.console.line(text(Key::SubjectQuestion, language), SUBJECT_LINE_LIMIT)?;
        line.ok_or_else(|| {
            CliError::usage(
                "SUBJECT",
                "standard input has no first line",
                "标准输入没有第一行",
                "write the code on it, or give the code instead of -",
                "在标准输入中写代码, 或直接给出代码而不用 -",
            )
        })
    }

    fn print(&mut self, document: &impl Document) -> Result<(), CliError> {
        output::print(document, self.settings, self.console)
    }

    /// Prints and says that it is done.
    fn printed(&mut self, document: &impl Document) -> Ended {
        self.print(document).map(|()| Exit::Done)
    }

    /// As [`Context::print`], with the commands that come next as they have to be typed.
    fn print_next(&mut self, mut document: impl NextCommands) -> Result<(), CliError> {
        for command in document.commands_mut() {
            *command = self.command(command);
        }
        self.print(&document)
    }

    /// Prints with the commands that come next and says that it is done.
    fn printed_next(&mut self, document: impl NextCommands) -> Ended {
        self.print_next(document).map(|()| Exit::Done)
    }

    /// A command as the same person types it at the same node.
    fn command(&self, command: &str) -> String {
        self.settings.flags.command(command)
    }

    /// A line for the person on standard error, unless quiet.
    fn hint(&mut self, key: Key, values: &[&str]) {
        let line = fill(key, self.settings.language, values);
        self.console.hint(self.settings, &crate::output::sanitise::clean(&line));
    }

    /// Says how to see the next page.
    fn next_page_hint(&mut self, next: Option<&str>) {
        if let Some(cursor) = next {
            self.hint(Key::NextPage, &[cursor]);
        }
    }
}

/// Runs `work` on a runtime of one thread: a command waits for one thing at a time. A read of standard input that still
/// waits in a thread of its own does not hold the command up at its end.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Output)?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}

/// The form of a file by its ending.
fn is_workbook(path: &Path) -> Result<bool, CliError> {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("xlsx") => Ok(true),
        Some("csv") => Ok(false),
        Some(_) | None => Err(CliError::usage(
            "FILE",
            "the ending says neither workbook nor CSV",
            "从扩展名看不出是工作簿还是 CSV",
            "give a name that ends in .xlsx or .csv",
            "文件名以 .xlsx 或 .csv 结尾",
        )),
    }
}
