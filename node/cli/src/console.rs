//! The three streams of the process, as values: data goes to standard output, everything else to standard error.

use std::io::{BufRead, BufReader, IsTerminal, Read as _, Write};

use crate::arguments::Format;
use crate::environment::Settings;
use crate::error::{CliError, Told};
use crate::exit::Exit;
use crate::output::sanitise::{clean, json_escape};
use crate::texts::{Key, fill, text};

/// The streams and whether a person sits at them.
pub struct Console {
    /// Data.
    pub out: Box<dyn Write + Send>,
    /// Messages, progress, hints.
    pub err: Box<dyn Write + Send>,
    /// Answers to questions.
    pub input: Box<dyn BufRead + Send>,
    /// Whether `out` is a terminal.
    pub out_is_terminal: bool,
    /// Whether `err` is a terminal.
    pub err_is_terminal: bool,
    /// Whether `input` is a terminal.
    pub input_is_terminal: bool,
}

impl Console {
    /// The streams of this process.
    pub fn of_process() -> Self {
        Self {
            out_is_terminal: std::io::stdout().is_terminal(),
            err_is_terminal: std::io::stderr().is_terminal(),
            input_is_terminal: std::io::stdin().is_terminal(),
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            input: Box::new(BufReader::new(std::io::stdin())),
        }
    }

    /// Writes data. A reader that went away (`| head`) is not an error worth a message.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(CliError::Output),
        }
    }

    /// Writes one line for the person. Nothing can be done when even that fails, so failure is ignored.
    pub fn message(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    /// Writes a hint or progress line, unless the person wants quiet.
    pub fn hint(&mut self, settings: &Settings, line: &str) {
        if !settings.quiet {
            self.message(line);
        }
    }

    /// Asks before a change that cannot be undone; the question names the object. Without a terminal only `--yes`
    /// confirms: silence is never consent.
    pub fn confirm(&mut self, settings: &Settings, question: &str) -> Result<(), CliError> {
        if settings.yes {
            return Ok(());
        }
        if !self.input_is_terminal {
            return Err(CliError::NotConfirmed);
        }
        let _ = write!(self.err, "{} {} ", clean(question), text(Key::ConfirmSuffix, settings.language));
        let _ = self.err.flush();
        let mut answer = String::new();
        // A line typed at a terminal is bounded by the terminal's own line buffer (4,096 bytes).
        self.input.read_line(&mut answer).map_err(CliError::Output)?;
        match answer.trim() {
            "y" | "Y" | "yes" | "是" => Ok(()),
            _ => Err(CliError::NotConfirmed),
        }
    }

    /// One line of standard input, of at most `limit` bytes, without the blanks around it; `question` is asked where a
    /// person types it. None if the input ends before there is anything.
    pub fn line(&mut self, question: &str, limit: u64) -> Result<Option<String>, CliError> {
        if self.input_is_terminal {
            let _ = write!(self.err, "{} ", clean(question));
            let _ = self.err.flush();
        }
        let mut line = String::new();
        (&mut self.input).take(limit).read_line(&mut line).map_err(CliError::Input)?;
        let line = line.trim();
        Ok((!line.is_empty()).then(|| line.to_owned()))
    }

    /// Tells an error and returns how the program ends: what, field, rule, fix, class; to programs as one JSON document
    /// in a line.
    pub fn error(&mut self, settings: &Settings, error: &CliError) -> Exit {
        let language = settings.language;
        let exit = error.exit();
        if matches!(settings.format, Format::Json | Format::Jsonl)
            && let Ok(document) = serde_json::to_string(&error.document())
        {
            self.message(&json_escape(&document));
            return exit;
        }
        let Told { what, field, fix, rule, more, code, trace_id } = error.told(language);
        self.message(&format!("{}{}", text(Key::ErrorPrefix, language), clean(&what)));
        for fault in more {
            self.message(&format!("  - {}", clean(&fault)));
        }
        for (key, value) in [(Key::ErrorField, field), (Key::ErrorRule, rule), (Key::ErrorFix, fix)] {
            if let Some(value) = value {
                self.message(&format!("  {}{}", text(key, language), clean(&value)));
            }
        }
        let class = fill(Key::ErrorClass, language, &[code, &exit.number().to_string()]);
        match trace_id {
            Some(trace) => self.message(&format!("  {class} · {}", clean(&trace))),
            None => self.message(&format!("  {class}")),
        }
        exit
    }
}

/// Shows what kind of streams they are.
impl std::fmt::Debug for Console {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Console(out terminal: {}, err terminal: {})",
            self.out_is_terminal, self.err_is_terminal
        )
    }
}
