//! The command line: grammar, output forms, languages, and the client of the node's local socket.
//!
//! The main crate calls [`run`] with its own side of the work, [`host::HostCommands`]: what needs no running node.
//! Everything else goes through the socket, so a command can do exactly what the operator's account may do.

pub mod arguments;
pub mod client;
mod commands;
pub mod console;
pub mod environment;
pub mod error;
pub mod exit;
pub mod help;
pub mod host;
pub mod language;
mod new_file;
pub mod output;
pub mod shell;
pub mod texts;

use std::ffi::OsString;

use chengxin_schemas::time::Clock;
use clap::FromArgMatches as _;

use crate::arguments::{CommandLine, Format};
use crate::console::Console;
use crate::environment::{Environment, Settings};
use crate::exit::Exit;
use crate::host::HostCommands;
use crate::language::Language;

/// Everything one run of the program depends on.
pub struct Invocation<'a> {
    /// The arguments, the program's own name first.
    pub arguments: Vec<OsString>,
    /// The environment variables.
    pub environment: Environment,
    /// The streams.
    pub console: Console,
    /// The time, for "since 7 days ago".
    pub clock: &'a dyn Clock,
    /// What the binary does itself.
    pub host: &'a dyn HostCommands,
}

/// Runs one command and says how it ended.
pub fn run(invocation: Invocation<'_>) -> Exit {
    let Invocation { arguments, environment, mut console, clock, host } = invocation;
    let language = Language::choose(&arguments, &environment);
    let format = Format::choose(&arguments, &environment);
    let parsed = help::command(language)
        .try_get_matches_from(&arguments)
        .and_then(|matches| CommandLine::from_arg_matches(&matches));
    let line = match parsed {
        Ok(line) => line,
        Err(error) => {
            let settings = Settings { language, format, ..Settings::default() };
            return help::usage_error(&error, &settings, &mut console);
        }
    };
    let settings = match Settings::resolve(&line.globals, language, environment) {
        Ok(settings) => settings,
        Err(error) => {
            let settings = Settings { language, format, ..Settings::default() };
            return console.error(&settings, &error);
        }
    };
    let mut context =
        commands::Context { settings: &settings, console: &mut console, host, now: clock.now() };
    match context.command_run(line.command) {
        Ok(exit) => exit,
        Err(error) => console.error(&settings, &error.with_caller_flags(&settings.flags)),
    }
}
