//! Usage errors in the person's language: what, field, fix, class. A value that was typed is never repeated: it may be
//! a person's number.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use crate::exit::Exit;

/// Tells a usage error, or prints the help or version that was asked for.
pub fn usage_error(error: &clap::Error, settings: &Settings, console: &mut Console) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match console.data(error.render().to_string().as_bytes()) {
                Ok(()) => Exit::Done,
                Err(error) => console.error(settings, &error),
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            console.message(error.render().to_string().trim_end());
            Exit::Usage
        }
        // clap's list of kinds is open; those without a text of their own are told by clap's words in the last arm of
        // `reason`.
        _ => console.error(settings, &as_problem(error)),
    }
}

fn as_problem(error: &clap::Error) -> CliError {
    // A word that is no flag may be a subject in a wrong place, and one that is close to no command may be one too.
    let flag = context(error, ContextKind::InvalidArg)
        .filter(|word| error.kind() != ErrorKind::UnknownArgument || word.starts_with('-'));
    let command = context(error, ContextKind::InvalidSubcommand)
        .filter(|_| context(error, ContextKind::SuggestedSubcommand).is_some());
    let field = flag.or(command).unwrap_or_else(|| "chengxin".to_owned());
    let (en, zh) = reason(error);
    let (fix_en, fix_zh) = fix(error);
    CliError::usage(&field, &en, &zh, &fix_en, &fix_zh)
}

fn reason(error: &clap::Error) -> (String, String) {
    let plain = |en: &str, zh: &str| (en.to_owned(), zh.to_owned());
    match error.kind() {
        ErrorKind::UnknownArgument => plain("no such flag or argument", "没有这个选项或参数"),
        ErrorKind::InvalidSubcommand => plain("no such command", "没有这个命令"),
        ErrorKind::MissingRequiredArgument => plain("needed and missing", "必须给出"),
        ErrorKind::MissingSubcommand => plain("a command is needed", "需要一个命令"),
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg).unwrap_or_default();
            (format!("cannot stand together with {other}"), format!("不能与 {other} 同时使用"))
        }
        ErrorKind::InvalidValue
            if context(error, ContextKind::InvalidValue).is_some_and(|value| value.is_empty()) =>
        {
            plain("a value is needed", "需要给出值")
        }
        ErrorKind::InvalidValue => plain("not one of the accepted values", "不是可用的值"),
        ErrorKind::InvalidUtf8 => plain("not UTF-8", "不是 UTF-8 编码"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            plain("wrong number of values", "值的个数不对")
        }
        ErrorKind::ValueValidation => {
            let reason = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
            let zh = chengxin_api::chinese::message(&reason).unwrap_or_else(|| reason.clone());
            (reason, zh)
        }
        _ => {
            let words = error.kind().to_string();
            (words.clone(), words)
        }
    }
}

fn fix(error: &clap::Error) -> (String, String) {
    let suggestion =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(|kind| context(error, kind));
    if let Some(suggestion) = suggestion {
        return (format!("did you mean {suggestion}?"), format!("是否想写 {suggestion}?"));
    }
    if let Some(values) = context(error, ContextKind::ValidValue).filter(|values| !values.is_empty()) {
        return (format!("use one of: {values}"), format!("可用: {values}"));
    }
    ("see the command with --help".to_owned(), "用 --help 查看该命令的用法".to_owned())
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        other => Some(other.to_string()),
    }
}
