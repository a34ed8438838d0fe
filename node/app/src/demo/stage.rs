//! The stage: processes, folders, ports, and running a command the way a person would.

use std::fmt::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chengxin_cli::arguments::Format;
use chengxin_cli::console::Console;
use chengxin_cli::environment::Settings;
use chengxin_cli::error::CliError;
use chengxin_cli::language::Language;
use chengxin_cli::shell::{path_word, word};
use chengxin_schemas::ErrorCode;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::demo::cast::{BODIES, Body};
use crate::host::problem;

/// Longest wait for a state, for example for a node to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a state.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What one command did.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON of a command run with `-o json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or(Value::Null)
    }
}

/// A step of the story and whether it held.
pub(crate) struct Step {
    pub(crate) title: (&'static str, &'static str),
    pub(crate) held: bool,
    pub(crate) detail: String,
}

/// Why the story stopped.
pub(crate) struct Broken(pub(crate) String);

/// Everything the demo owns: removed when it ends.
pub(crate) struct Stage {
    program: PathBuf,
    pub(crate) folder: PathBuf,
    language: Language,
    format: Format,
    children: Vec<Option<Child>>,
    ports: Vec<u16>,
    pub(crate) steps: Vec<Step>,
    keep: bool,
    /// Waits for signals beside the story, which knows no tasks.
    runtime: tokio::runtime::Runtime,
    /// Whether somebody asked for the end. Without this a signal would end this process alone, and leave its nodes running
    /// and their keys in the temporary folder. Not solved: SIGKILL does that still.
    interrupted: watch::Receiver<bool>,
}

impl Stage {
    pub(crate) fn new(settings: &Settings) -> Result<Self, CliError> {
        // Before anything is made that an end would have to remove.
        let runtime = crate::host::runtime()?;
        let interrupted = interrupts(&runtime)?;
        let program = std::env::current_exe()
            .map_err(|_| problem(ErrorCode::Internal, "the program does not know where it lies"))?;
        let mut random = [0_u8; 6];
        chengxin_schemas::random::fill(&mut random);
        let name = format!("chengxin-demo-{}", chengxin_schemas::digest::hex_encode(&random));
        let folder = std::env::temp_dir().join(name);
        crate::home::folder_make(&folder).map_err(crate::host::told)?;
        // One port for each node, and one for the join door.
        let ports = free_ports(BODIES.len() + 1)
            .ok_or_else(|| problem(ErrorCode::Unavailable, "no free ports on the loopback interface"))?;
        Ok(Self {
            program,
            folder,
            language: settings.language,
            format: settings.format,
            children: BODIES.iter().map(|_| None).collect(),
            ports,
            steps: Vec::new(),
            keep: false,
            runtime,
            interrupted,
        })
    }

    fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    /// Ends the story where somebody asked for it.
    fn interrupt_check(&self) -> Result<(), Broken> {
        if self.is_interrupted() { Err(Broken("interrupted".to_owned())) } else { Ok(()) }
    }

    /// Whether the narration is for people.
    fn narrates(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// The text of the language in use.
    pub(crate) fn text<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }

    pub(crate) fn home(&self, body: usize) -> PathBuf {
        self.folder.join(BODIES[body].key)
    }

    /// The address peers reach `body` under.
    pub(crate) fn addresses(&self, body: usize) -> Vec<String> {
        let port = self.ports[body];
        vec![format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), format!("/ip4/127.0.0.1/tcp/{port}")]
    }

    /// The address of the join door.
    pub(crate) fn door(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.ports[BODIES.len()])
    }

    pub(crate) fn say(&self, console: &mut Console, zh: &str, en: &str) {
        if self.narrates() {
            let line = self.text(zh, en);
            // The narration is the demo's data; a closed output must not stop the story.
            let _ = console.data(format!("{line}\n").as_bytes());
        }
    }

    fn command(&self, body: usize, operator: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(self.home(body));
        if let Some(operator) = operator {
            command.arg("--operator").arg(operator);
        }
        let language = match self.language {
            Language::Zh => "zh",
            Language::En => "en",
        };
        command.arg("--lang").arg(language).args(arguments).stdin(Stdio::null());
        command.env_remove("CHENGXIN_OUTPUT").env_remove("CHENGXIN_CONFIG").env_remove("CHENGXIN_SOCKET");
        // What a killed node leaves of its temporary files goes with the stage.
        command.env("TMPDIR", &self.folder);
        command.env("CHENGXIN_JOIN_LISTEN", format!("[\"{}\"]", self.door()));
        command
    }

    /// Runs a command and shows it with its output, as a person would see it.
    pub(crate) fn show(
        &self,
        console: &mut Console,
        body: usize,
        operator: Option<&str>,
        arguments: &[&str],
    ) -> Result<Ran, Broken> {
        if self.narrates() {
            let mut line = format!("$ chengxin --home {}", path_word(&self.home(body)));
            if let Some(operator) = operator {
                let _ = write!(line, " --operator {operator}");
            }
            for argument in arguments {
                let _ = write!(line, " {}", word(argument));
            }
            let _ = console.data(format!("  {line}\n").as_bytes());
        }
        let ran = self.quiet(body, operator, arguments)?;
        if self.narrates() {
            for line in ran.stdout.lines().chain(ran.stderr.lines()) {
                let _ = console.data(format!("    {line}\n").as_bytes());
            }
        }
        Ok(ran)
    }

    /// Runs a command without showing it.
    pub(crate) fn quiet(
        &self,
        body: usize,
        operator: Option<&str>,
        arguments: &[&str],
    ) -> Result<Ran, Broken> {
        self.interrupt_check()?;
        let output = self
            .command(body, operator, arguments)
            .output()
            .map_err(|error| Broken(format!("the program cannot be started: {error}")))?;
        // A signal from the terminal reaches the command too: what it did then is not how it ends.
        self.interrupt_check()?;
        Ok(Ran {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a command with `-o json` and gives its document.
    pub(crate) fn json(
        &self,
        body: usize,
        operator: Option<&str>,
        arguments: &[&str],
    ) -> Result<(i32, Value), Broken> {
        let mut all = vec!["-o", "json"];
        all.extend_from_slice(arguments);
        let ran = self.quiet(body, operator, &all)?;
        Ok((ran.exit, ran.json()))
    }

    /// Starts a node as a process of its own; its running log goes to a file beside its home.
    pub(crate) fn start(&mut self, body: usize) -> Result<(), Broken> {
        let log = self.folder.join(format!("{}.log", BODIES[body].key));
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|error| Broken(format!("{}: {error}", log.display())))?;
        let child = self
            .command(body, None, &["serve"])
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|error| Broken(format!("the node cannot be started: {error}")))?;
        self.children[body] = Some(child);
        self.until(&format!("the node of {} answers", BODIES[body].key), |stage| {
            if let Some(status) = stage.exited(body) {
                return Err(Broken(format!(
                    "{} ended at its start ({status}), see {}",
                    BODIES[body].key,
                    log.display()
                )));
            }
            let (_, status) = stage.json(body, Some("sys"), &["status"])?;
            Ok(status["node"]["agency"] == BODIES[body].code)
        })
    }

    fn exited(&mut self, body: usize) -> Option<String> {
        let child = self.children[body].as_mut()?;
        child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Kills a node the hard way: no signal handler runs.
    pub(crate) fn kill(&mut self, body: usize) {
        if let Some(mut child) = self.children[body].take() {
            // It may have ended by itself; there is nothing to do about either.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until `held` is true, at most [`PATIENCE`].
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut held: impl FnMut(&mut Self) -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        let begun = Instant::now();
        loop {
            self.interrupt_check()?;
            if held(self)? {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err(Broken(format!("waited {} s in vain: {what}", PATIENCE.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Notes how a step ended; a step that did not hold ends the story.
    pub(crate) fn step(
        &mut self,
        console: &mut Console,
        title: (&'static str, &'static str),
        held: bool,
        detail: impl Into<String>,
    ) -> Result<(), Broken> {
        let detail = detail.into();
        let mark = if held { "✓" } else { "✗" };
        self.say(
            console,
            &format!("  {mark} {} {detail}\n", title.0),
            &format!("  {mark} {} {detail}\n", title.1),
        );
        self.steps.push(Step { title, held, detail: detail.clone() });
        if held { Ok(()) } else { Err(Broken(format!("{}: {detail}", title.1))) }
    }

    /// Prints the outcome. Returns whether every step held.
    pub(crate) fn report(
        &mut self,
        console: &mut Console,
        outcome: &Result<(), Broken>,
    ) -> Result<bool, CliError> {
        let held = outcome.is_ok() && self.steps.iter().all(|step| step.held);
        self.keep = !held && !self.is_interrupted();
        let fault = outcome.as_ref().err().map(|broken| broken.0.clone());
        if self.narrates() {
            let count = self.steps.iter().filter(|step| step.held).count();
            let line = if held {
                format!("{}: {count}/{count}", self.text("全部步骤成立", "every step held"))
            } else if self.is_interrupted() {
                self.text("演示被中断, 已全部清除", "the demo was interrupted; nothing of it is left")
                    .to_owned()
            } else {
                format!(
                    "{}: {}. {}: {}",
                    self.text("演示中断", "the demo broke off"),
                    fault.unwrap_or_default(),
                    self.text("节点日志在", "the nodes' logs are in"),
                    self.folder.display()
                )
            };
            console.data(format!("{line}\n").as_bytes())?;
        } else {
            let steps: Vec<_> = self
                .steps
                .iter()
                .map(|step| serde_json::json!({"title_zh": step.title.0, "title_en": step.title.1, "held": step.held, "detail": step.detail}))
                .collect();
            let document =
                serde_json::json!({"schema": "demo/v1", "held": held, "steps": steps, "fault": fault});
            console.data(format!("{document}\n").as_bytes())?;
        }
        Ok(held)
    }

    /// Stays up until Ctrl-C, a termination signal or the end of the terminal.
    pub(crate) fn wait_for_interrupt(&self) {
        let mut interrupted = self.interrupted.clone();
        // An error means that nobody listens for signals any more, which would be an end too.
        let _ = self.runtime.block_on(interrupted.wait_for(|asked| *asked));
    }

    /// Stops every node and removes the folder, unless something went wrong: then it stays for looking at.
    pub(crate) fn stop(&mut self) {
        for body in 0..self.children.len() {
            self.kill(body);
        }
        if !self.keep {
            // What cannot be removed lies in the temporary folder and is cleaned by the system.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Listens for Ctrl-C, a termination signal and the end of the terminal from here on. Who starts a program with hang-ups
/// ignored, as `nohup` does, wants it to outlive the terminal, so then they stay ignored.
fn interrupts(runtime: &tokio::runtime::Runtime) -> Result<watch::Receiver<bool>, CliError> {
    let _within = runtime.enter();
    let listen = |kind| signal(kind).map_err(|_| problem(ErrorCode::Internal, "signals cannot be received"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let ignored = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| hangup_is_ignored(&status));
    let mut hangup = if ignored { None } else { Some(listen(SignalKind::hangup())?) };
    let (tell, told) = watch::channel(false);
    runtime.spawn(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
        tell.send_replace(true);
    });
    Ok(told)
}

/// Whether the process ignores hang-ups: the lowest bit of the mask of ignored signals in `/proc/self/status` (proc(5)).
fn hangup_is_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Ports that are free for TCP and UDP alike. Each must stay free until its node binds it, and again while that node is
/// down, so they lie below the range from which Linux serves everybody who names no port (32768 and above).
fn free_ports(count: usize) -> Option<Vec<u16>> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    // Two demonstrations on one machine begin at different places.
    let start = std::process::id().wrapping_mul(61);
    let ports: Vec<u16> = (0..COUNT)
        .filter_map(|place| u16::try_from(FIRST + start.wrapping_add(place) % COUNT).ok())
        .filter(|port| {
            TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
        })
        .take(count)
        .collect();
    (ports.len() == count).then_some(ports)
}

/// A path as a command's argument.
pub(crate) fn argument(path: &Path) -> String {
    path.display().to_string()
}

/// The body at a place.
pub(crate) fn body(place: usize) -> Body {
    BODIES[place]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_hang_ups_are_told_from_others() {
        assert!(hangup_is_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!hangup_is_ignored("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!hangup_is_ignored("Name:\tx\n"));
    }
}
