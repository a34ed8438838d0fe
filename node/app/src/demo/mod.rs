//! The demo: a coordinator and four agencies as real processes on this machine, and the main path told step by step.
//!
//! Nothing here is special to the demo: every step is a command of this same binary, typed as a person would type it,
//! and judged by its exit code and its JSON output. Bodies, names and records are invented.

mod cast;
mod stage;
mod story;

use chengxin_cli::arguments::DemoArguments;
use chengxin_cli::console::Console;
use chengxin_cli::environment::Settings;
use chengxin_cli::error::CliError;
use chengxin_cli::exit::Exit;

use stage::Stage;

/// Tells the story; with `--exit` stops afterwards, else stays up until interrupted.
pub(crate) fn run(
    settings: &Settings,
    arguments: &DemoArguments,
    console: &mut Console,
) -> Result<Exit, CliError> {
    let mut stage = Stage::new(settings)?;
    let outcome = story::tell(&mut stage, console);
    let held = stage.report(console, &outcome)?;
    if held && !arguments.exit {
        story::hints(&stage, console);
        stage.wait_for_interrupt();
    }
    stage.stop();
    Ok(if held { Exit::Done } else { Exit::Failed })
}
