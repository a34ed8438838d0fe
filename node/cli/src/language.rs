//! The two languages of messages and tables. Machine output and error codes are never translated.

use crate::environment::Environment;

/// A language of the people who use the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

impl Language {
    /// The language to use before anything is parsed, so that help and usage errors speak it too: `--lang` among the
    /// arguments, else `CHENGXIN_LANG`, else the locale, else Chinese. The locale `C` or `POSIX` says nothing.
    pub fn choose(arguments: &[std::ffi::OsString], environment: &Environment) -> Self {
        let mut rest = arguments.iter().filter_map(|argument| argument.to_str());
        while let Some(argument) = rest.next() {
            let value = match argument.strip_prefix("--lang") {
                Some("") => rest.next(),
                Some(value) => value.strip_prefix('='),
                None if argument == "--" => break,
                None => continue,
            };
            if let Some(language) = value.and_then(Self::of_tag) {
                return language;
            }
        }
        ["CHENGXIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| environment.text(name).and_then(Self::of_tag))
            .unwrap_or_default()
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let language = tag.split(['_', '-', '.', '@']).next().unwrap_or(tag);
        match language.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "c" | "posix" | "" => None,
            // A clerk whose system speaks a third language is better served in English than in neither.
            _ => Some(Self::En),
        }
    }

    /// The text that belongs to the language.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(arguments: &[&str], variables: &[(&str, &str)]) -> Language {
        let arguments: Vec<_> = arguments.iter().map(std::ffi::OsString::from).collect();
        Language::choose(&arguments, &Environment::of(variables))
    }

    #[test]
    fn flag_beats_variable_beats_locale_beats_chinese() {
        assert_eq!(choose(&[], &[]), Language::Zh);
        assert_eq!(choose(&[], &[("LANG", "en_US.UTF-8")]), Language::En);
        assert_eq!(choose(&[], &[("LANG", "C.UTF-8")]), Language::Zh);
        assert_eq!(choose(&[], &[("LANG", "en_US.UTF-8"), ("LC_ALL", "zh_CN.UTF-8")]), Language::Zh);
        assert_eq!(choose(&[], &[("LC_ALL", "zh_CN"), ("CHENGXIN_LANG", "en")]), Language::En);
        assert_eq!(choose(&["status", "--lang", "zh"], &[("CHENGXIN_LANG", "en")]), Language::Zh);
        assert_eq!(choose(&["--lang=en", "status"], &[]), Language::En);
        assert_eq!(choose(&["help", "--", "--lang=en"], &[]), Language::Zh);
    }
}
