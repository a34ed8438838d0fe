//! Environment variables as a value, and the settings that flags and variables together give.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use chengxin_schemas::operator::{OperatorName, Role};
use clap::ValueEnum as _;

use crate::arguments::{Format, Globals};
use crate::error::CliError;
use crate::language::Language;
use crate::shell::CallerFlags;

/// The variables the program reads, with what they do in Chinese and English. `help environment` prints this list.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    ("CHENGXIN_CONFIG", "配置文件", "configuration file"),
    ("CHENGXIN_HOME", "节点数据目录", "folder of the node's data"),
    ("CHENGXIN_SOCKET", "运行中节点的套接字", "socket of the running node"),
    ("CHENGXIN_OPERATOR", "以哪个操作员账户执行", "operator account to act under"),
    ("CHENGXIN_ROLE", "以账户的哪个角色执行", "role of the account to act in"),
    (
        "CHENGXIN_OUTPUT",
        "输出形式: table|wide|json|jsonl|csv",
        "form of the output: table|wide|json|jsonl|csv",
    ),
    ("CHENGXIN_LANG", "语言: zh|en", "language: zh|en"),
    ("CHENGXIN_TOKEN_FILE", "加入联盟用的一次性令牌文件", "file with the one-time token for join"),
    ("NO_COLOR", "设为非空值即不用颜色", "any value that is not empty turns colour off"),
    (
        "LC_ALL, LC_MESSAGES, LANG",
        "没有 CHENGXIN_LANG 时决定语言",
        "decide the language without CHENGXIN_LANG",
    ),
];

/// The environment of the process, read once at the edge.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| name.into_string().ok().map(|name| (name, value)))
                .collect(),
        )
    }

    /// An environment of exactly these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect())
    }

    /// A variable that is set, not empty and text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// A variable that is set and not empty, as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}

/// What holds for one run of the program: flags, else variables, else defaults.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Configuration file, if one was named.
    pub config: Option<PathBuf>,
    /// Folder of the node's data, if one was named.
    pub home: Option<PathBuf>,
    /// Socket of the node, if one was named.
    pub socket: Option<PathBuf>,
    /// Account to act under.
    pub operator: Option<OperatorName>,
    /// Role to act in.
    pub role: Option<Role>,
    /// Form of the output.
    pub format: Format,
    /// Language of people's texts.
    pub language: Language,
    /// Only data and errors.
    pub quiet: bool,
    /// How much more to say.
    pub verbose: u8,
    /// Whether colour may be used where the stream is a terminal.
    pub colour: bool,
    /// Whether questions are answered with yes.
    pub yes: bool,
    /// The flags of this command that the next one needs as well.
    pub flags: CallerFlags,
    /// The environment, for what only one command reads.
    pub environment: Environment,
}

impl Settings {
    /// Puts flags and variables together; `language` was chosen before.
    pub fn resolve(
        globals: &Globals,
        language: Language,
        environment: Environment,
    ) -> Result<Self, CliError> {
        let format = match (globals.output, environment.text("CHENGXIN_OUTPUT")) {
            (Some(format), _) => format,
            (None, Some(text)) => Format::from_str(text, true).map_err(|_| {
                CliError::variable(
                    "CHENGXIN_OUTPUT",
                    "未知的输出形式",
                    "unknown form",
                    "table|wide|json|jsonl|csv",
                )
            })?,
            (None, None) => Format::default(),
        };
        let operator = match (&globals.operator, environment.text("CHENGXIN_OPERATOR")) {
            (Some(operator), _) => Some(operator.clone()),
            (None, Some(text)) => Some(text.parse().map_err(|_| {
                CliError::variable("CHENGXIN_OPERATOR", "不是账户名", "not an account name", "zhang")
            })?),
            (None, None) => None,
        };
        let role = match (globals.role, environment.text("CHENGXIN_ROLE")) {
            (Some(role), _) => Some(role),
            (None, Some(text)) => Some(text.parse().map_err(|_| {
                let known = Role::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join("|");
                CliError::variable("CHENGXIN_ROLE", "未知的角色", "unknown role", &known)
            })?),
            (None, None) => None,
        };
        Ok(Self {
            config: globals.config.clone().or_else(|| environment.path("CHENGXIN_CONFIG")),
            home: globals.home.clone().or_else(|| environment.path("CHENGXIN_HOME")),
            socket: globals.socket.clone().or_else(|| environment.path("CHENGXIN_SOCKET")),
            operator,
            role,
            format,
            language: globals.lang.unwrap_or(language),
            quiet: globals.quiet,
            verbose: globals.verbose,
            colour: !globals.no_color && environment.text("NO_COLOR").is_none(),
            yes: globals.yes,
            flags: globals.caller_flags(),
            environment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_beats_its_variable_and_a_wrong_variable_is_named() {
        let environment =
            Environment::of(&[("CHENGXIN_OUTPUT", "json"), ("CHENGXIN_HOME", "/srv/a"), ("NO_COLOR", "1")]);
        let settings =
            Settings::resolve(&Globals::default(), Language::Zh, environment.clone()).expect("settings");
        assert_eq!(settings.format, Format::Json);
        assert_eq!(settings.home, Some(PathBuf::from("/srv/a")));
        assert!(!settings.colour);
        let globals =
            Globals { output: Some(Format::Csv), home: Some(PathBuf::from("/srv/b")), ..Globals::default() };
        let settings = Settings::resolve(&globals, Language::Zh, environment).expect("settings");
        assert_eq!(settings.format, Format::Csv);
        assert_eq!(settings.home, Some(PathBuf::from("/srv/b")));
        for name in ["CHENGXIN_OUTPUT", "CHENGXIN_OPERATOR", "CHENGXIN_ROLE"] {
            let error =
                Settings::resolve(&Globals::default(), Language::En, Environment::of(&[(name, "?!")]))
                    .expect_err(name);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
