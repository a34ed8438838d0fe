//! Runs one command in this process with captured streams and a host that knows a socket.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chengxin_api::types::audit::AuditVerification;
use chengxin_api::types::config::Config;
use chengxin_api::types::time::Moment;
use chengxin_cli::arguments::{
    CertificateVerifyArguments, DemoArguments, FoundArguments, InitArguments, JoinArguments,
};
use chengxin_cli::console::Console;
use chengxin_cli::environment::{Environment, Settings};
use chengxin_cli::error::CliError;
use chengxin_cli::exit::Exit;
use chengxin_cli::host::{
    CertificateVerification, ClockConfirmation, ConfigValidation, FederationFounded, HostCommands,
    InitOutcome, JoinSecret, Joined, TemplateForm,
};
use chengxin_cli::{Invocation, run};
use chengxin_schemas::record_type::RecordType;
use chengxin_schemas::time::FixedClock;

use crate::support::NOW;

/// What a command left behind.
pub struct Ran {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

/// Runs `line`, split at blanks; `home` is where relative files of the test are.
pub fn chengxin(socket: &Path, line: &str) -> Ran {
    let words: Vec<&str> = line.split(' ').collect();
    chengxin_words(socket, &words, &[])
}

/// Runs the words with these variables.
pub fn chengxin_words(socket: &Path, words: &[&str], variables: &[(&str, &str)]) -> Ran {
    chengxin_reading(socket, words, variables, "")
}

/// Runs the words with these variables and this standard input.
pub fn chengxin_reading(
    socket: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
    input: &'static str,
) -> Ran {
    ran(socket, words, variables, input, false)
}

/// Runs the words with a person at the terminal who types this.
pub fn chengxin_typing(socket: &Path, words: &[&str], input: &'static str) -> Ran {
    ran(socket, words, &[], input, true)
}

fn ran(
    socket: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
    input: &'static str,
    input_is_terminal: bool,
) -> Ran {
    let (out, err) = (Captured::default(), Captured::default());
    let console = Console {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(input.as_bytes()),
        out_is_terminal: false,
        err_is_terminal: false,
        input_is_terminal,
    };
    let exit = run(Invocation {
        arguments: words.iter().map(Into::into).collect(),
        environment: Environment::of(variables),
        console,
        clock: &FixedClock::new(NOW),
        host: &SocketHost(socket.to_owned()),
    });
    Ran { exit, out: out.text(), err: err.text() }
}

/// A stream that is kept.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("stream").clone()).expect("text")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("stream").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The part of the binary that knows where the socket is; tests here use no other.
struct SocketHost(PathBuf);

impl HostCommands for SocketHost {
    fn socket_path(&self, settings: &Settings) -> Result<PathBuf, CliError> {
        Ok(settings.socket.clone().unwrap_or_else(|| self.0.clone()))
    }

    fn init(&self, _: &Settings, _: &InitArguments) -> Result<InitOutcome, CliError> {
        unreachable!("not used in these tests")
    }

    fn federation_found(&self, _: &Settings, _: &FoundArguments) -> Result<FederationFounded, CliError> {
        unreachable!("not used in these tests")
    }

    fn clock_now(&self) -> Moment {
        unreachable!("not used in these tests")
    }

    fn federation_confirm_clock(&self, _: &Settings) -> Result<ClockConfirmation, CliError> {
        unreachable!("not used in these tests")
    }

    fn join(&self, _: &Settings, _: &JoinArguments, _: Option<&JoinSecret>) -> Result<Joined, CliError> {
        unreachable!("not used in these tests")
    }

    fn join_by_hand(&self, _: &Settings, _: &JoinArguments) -> Result<Joined, CliError> {
        unreachable!("not used in these tests")
    }

    fn serve(&self, _: &Settings, _: &mut Console) -> Result<Exit, CliError> {
        unreachable!("not used in these tests")
    }

    fn demo(&self, _: &Settings, _: &DemoArguments, _: &mut Console) -> Result<Exit, CliError> {
        unreachable!("not used in these tests")
    }

    fn certificate_verify(
        &self,
        _: &Settings,
        _: &CertificateVerifyArguments,
    ) -> Result<CertificateVerification, CliError> {
        unreachable!("not used in these tests")
    }

    fn audit_verify_offline(&self, _: &Settings, _: &Path) -> Result<AuditVerification, CliError> {
        unreachable!("not used in these tests")
    }

    fn config_show(&self, _: &Settings) -> Result<Config, CliError> {
        unreachable!("not used in these tests")
    }

    fn config_default(&self, _: &Settings) -> Result<String, CliError> {
        unreachable!("not used in these tests")
    }

    fn config_validate(&self, _: &Settings, _: Option<&Path>) -> Result<ConfigValidation, CliError> {
        unreachable!("not used in these tests")
    }

    fn record_template(&self, record_type: RecordType, _: TemplateForm) -> Result<Vec<u8>, CliError> {
        Ok(format!("template of {record_type}").into_bytes())
    }
}
