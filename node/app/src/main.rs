//! The one binary `chengxin`: configuration, wiring, signals, drain, demo.

mod background;
mod clock;
mod config;
mod coordination;
mod demo;
mod error;
mod home;
mod host;
mod identity;
mod join;
mod mesh;
mod offline;
mod serve;
mod setup;
mod wiring;

use chengxin_cli::console::Console;
use chengxin_cli::environment::Environment;
use chengxin_cli::{Invocation, run};

/// A fifth of an import's time, and a tenth of an answer's, went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // One provider by name, before anything can pick another: a second installation fails and changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let exit = run(Invocation {
        arguments: std::env::args_os().collect(),
        environment: Environment::of_process(),
        console: Console::of_process(),
        clock: &clock::SystemClock,
        host: &host::Host,
    });
    std::process::ExitCode::from(exit.number())
}
