//! Help in both languages: one page per command, examples first; topics; manual pages; usage errors.

mod chinese;
mod examples;
mod topics;
mod usage;

use clap::{Arg, ArgAction, CommandFactory as _};

use crate::arguments::CommandLine;
use crate::console::Console;
use crate::environment::Settings;
use crate::error::CliError;
use crate::exit::Exit;
use crate::language::Language;

pub use examples::{EXAMPLES, Example};
pub use usage::usage_error;

/// The grammar with its help in `language`.
pub fn command(language: Language) -> clap::Command {
    localise(CommandLine::command(), "", language)
}

/// `help [TOPIC]`: the page of a command or a topic; without one the first page.
pub(crate) fn help(topic: &[String], settings: &Settings, console: &mut Console) -> Result<Exit, CliError> {
    let language = settings.language;
    if let [name] = topic
        && let Some(page) = topics::topic(name, language)
    {
        console.data(page.as_bytes())?;
        return Ok(Exit::Done);
    }
    let mut root = command(language);
    root.build();
    let mut found = &mut root;
    for name in topic {
        found = found.find_subcommand_mut(name).ok_or_else(|| {
            let known = topics::NAMES.join(", ");
            CliError::usage(
                "TOPIC",
                "no such command or topic",
                "没有这个命令或主题",
                &format!("chengxin --help lists the commands; topics are {known}"),
                &format!("chengxin --help 列出命令; 主题有 {known}"),
            )
        })?;
    }
    console.data(found.render_help().to_string().as_bytes())?;
    Ok(Exit::Done)
}

/// Manual pages of every command, by file name.
pub(crate) fn manual_pages(language: Language) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut root = command(language);
    root.build();
    let mut pages = Vec::new();
    let mut waiting = vec![(root, "chengxin".to_owned())];
    while let Some((found, name)) = waiting.pop() {
        for sub in found.get_subcommands() {
            waiting.push((sub.clone(), format!("{name}-{}", sub.get_name())));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(found.display_name(name.clone())).render(&mut page)?;
        pages.push((format!("{name}.1"), page));
    }
    pages.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(pages)
}

/// Puts texts, headings and examples of `language` on a command and everything below it.
fn localise(command: clap::Command, path: &str, language: Language) -> clap::Command {
    let pick = |zh: &'static str, en: &'static str| language.pick(zh, en);
    let mut command = command
        .help_template(format!(
            "{{about-with-newline}}\n{{before-help}}{} {{usage}}\n\n{{all-args}}\n",
            pick("用法:", "Usage:")
        ))
        .subcommand_help_heading(pick("命令", "Commands"))
        .subcommand_value_name(pick("命令", "COMMAND"))
        .mut_args(|argument| argument_localise(argument, path, language));
    if language == Language::Zh
        && let Some(about) = chinese::help(path)
    {
        command = command.about(about);
    }
    let shown = examples::shown(path, language);
    if !shown.is_empty() {
        command = command.before_help(format!("{}\n{shown}", pick("示例:", "Examples:")));
    }
    let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let below = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command = command.mut_subcommand(name, |sub| {
            localise(sub.disable_help_flag(true).disable_version_flag(true), &below, language)
        });
    }
    command
}

/// Help of one argument: its text, its choices and its default, in one line.
fn argument_localise(argument: Arg, path: &str, language: Language) -> Arg {
    let heading = match (argument.is_positional(), argument.is_global_set()) {
        (true, _) => language.pick("参数", "Arguments"),
        (false, true) => language.pick("通用选项", "Global options"),
        (false, false) => language.pick("选项", "Options"),
    };
    let english = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let mut text = match language {
        Language::En => english,
        Language::Zh => chinese::help(&key_of(&argument, path)).map_or(english, str::to_owned),
    };
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    if !takes_value {
        return argument.help(text).help_heading(heading);
    }
    let choices: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !choices.is_empty() {
        text.push_str(&format!(" [{}]", choices.join("|")));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if defaults.iter().any(|value| !value.is_empty()) {
        text.push_str(&format!(" ({} {})", language.pick("默认", "default"), defaults.join(",")));
    }
    argument.help(text).help_heading(heading).hide_possible_values(true).hide_default_value(true)
}

/// The key under which an argument's text stands: the command's path and the flag or the name of the value.
fn key_of(argument: &Arg, path: &str) -> String {
    let name = match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => argument
            .get_value_names()
            .and_then(|names| names.first())
            .map_or_else(|| argument.get_id().to_string(), ToString::to_string),
    };
    if argument.is_global_set() || path.is_empty() { name } else { format!("{path} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its path, groups included.
    fn commands() -> Vec<(String, clap::Command)> {
        let mut all = vec![(String::new(), CommandLine::command())];
        let mut place = 0;
        while let Some((path, command)) = all.get(place).cloned() {
            for sub in command.get_subcommands() {
                all.push((format!("{path} {}", sub.get_name()).trim().to_owned(), sub.clone()));
            }
            place += 1;
        }
        all
    }

    #[test]
    fn the_grammar_is_sound_in_both_languages() {
        command(Language::Zh).debug_assert();
        command(Language::En).debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_a_chinese_text_and_no_text_is_left_over() {
        let mut keys = std::collections::BTreeSet::new();
        for (path, command) in commands() {
            keys.insert(path.clone());
            keys.extend(command.get_arguments().map(|argument| key_of(argument, &path)));
        }
        let texts: std::collections::BTreeSet<_> =
            chinese::HELP.iter().map(|(key, _)| (*key).to_owned()).collect();
        let missing: Vec<_> = keys.difference(&texts).collect();
        let left_over: Vec<_> = texts.difference(&keys).collect();
        assert!(missing.is_empty(), "without Chinese text: {missing:#?}");
        assert!(left_over.is_empty(), "text without command: {left_over:#?}");
        assert_eq!(texts.len(), chinese::HELP.len(), "a key stands twice");
    }

    #[test]
    fn every_page_begins_with_an_example_and_speaks_its_language() {
        let is_han = |symbol: char| ('\u{4e00}'..='\u{9fff}').contains(&symbol);
        for language in [Language::Zh, Language::En] {
            let mut root = command(language);
            root.build();
            for (path, _) in commands() {
                let mut found = &mut root;
                for name in path.split_whitespace() {
                    found = found.find_subcommand_mut(name).expect("command");
                }
                let page = found.render_help().to_string();
                let example = page.find(&format!("chengxin {path}")).expect("example");
                let usage = page.find(language.pick("用法:", "Usage:")).expect("usage");
                assert!(example < usage, "{path}\n{page}");
                let about = page.lines().next().unwrap_or_default();
                assert_eq!(about.chars().any(is_han), language == Language::Zh, "{path}: {about}");
                for unwanted in ["[possible values", "[default:", "Print this message"] {
                    assert!(!page.contains(unwanted), "{path}\n{page}");
                }
            }
        }
    }

    #[test]
    fn there_is_a_manual_page_for_every_command() {
        let pages = manual_pages(Language::En).expect("pages");
        assert_eq!(pages.len(), commands().len());
        assert!(pages.iter().any(|(name, _)| name == "chengxin-record-import.1"));
        let (_, root) = pages.iter().find(|(name, _)| name == "chengxin.1").expect("root page");
        assert!(String::from_utf8_lossy(root).contains(".TH chengxin 1"));
    }
}
