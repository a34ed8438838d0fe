//! Configuration: one table of keys, layered over flags, environment, files and defaults, then parsed whole.
//!
//! No port is bound before everything here is valid. Secrets are files in the node's home, never values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chengxin_api::bounded_file::{BoundedFileError, text_read};
use chengxin_api::chinese;
use chengxin_api::types::config::{Config as ShownConfig, Origin, Setting};
use chengxin_cli::environment::Settings;
use chengxin_cli::host::ConfigFault;
use chengxin_exchange::operator::Separation;
use chengxin_network::PeerAddress;
use toml::Value;

/// Where the packaged configuration lies.
pub(crate) const SYSTEM_FILE: &str = "/etc/chengxin/config.toml";
/// Where a packaged node keeps its data.
/// Inside the folder that the package makes, because `init` makes the home itself.
const SYSTEM_HOME: &str = "/var/lib/chengxin/node";

/// Longest configuration file: every key with its comments comes to 2 KiB; the rest is for lists of addresses and notes.
const CONFIG_FILE_LIMIT: u64 = 256 * 1024;

/// One setting: its key, its default as TOML, and what it does.
struct Key {
    name: &'static str,
    default: &'static str,
    zh: &'static str,
    en: &'static str,
}

const KEYS: &[Key] = &[
    Key {
        name: "home",
        default: "\"/var/lib/chengxin/node\"",
        zh: "节点数据目录: 密钥、存储、审计日志、联盟元数据",
        en: "folder of the node's data: keys, store, audit log, federation metadata",
    },
    Key {
        name: "socket.path",
        default: "\"\"",
        zh: "本机接口套接字; 空表示 <home>/run/chengxin.sock",
        en: "local socket; empty means <home>/run/chengxin.sock",
    },
    Key {
        name: "network.listen",
        default: "[\"/ip4/0.0.0.0/udp/7400/quic-v1\", \"/ip4/0.0.0.0/tcp/7400\"]",
        zh: "监听其他成员的地址",
        en: "addresses to listen on for other members",
    },
    Key {
        name: "join.listen",
        default: "[\"/ip4/0.0.0.0/tcp/7401\"]",
        zh: "统筹节点在有未用令牌时为新成员监听的地址",
        en: "addresses a coordinator's node listens on for new members while tokens are outstanding",
    },
    Key {
        name: "operators.separation",
        default: "\"enforced\"",
        zh: "三员分立: enforced 按操作系统用户执行, trial 仅供单机试用",
        en: "separation of administrators: enforced per operating-system user, or trial for one machine",
    },
    Key {
        name: "federation.refresh_seconds",
        default: "60",
        zh: "多久向其他成员核对一次成员目录 (秒)",
        en: "how often the member directory is compared with other members, in seconds",
    },
    Key {
        name: "policy.share_counts",
        default: "false",
        zh: "统筹员拟改策略时, 是否告知本节点日志中有多少请求的结果会改变 (只给计数, 不涉及主体)",
        en: "whether coordinators are told how many requests in the log a proposed policy would change (counts, no subject)",
    },
    Key {
        name: "store.cache_mib",
        default: "4",
        zh: "嵌入式存储的缓存 (MiB)",
        en: "cache of the embedded store, in MiB",
    },
    Key {
        name: "log.format",
        default: "\"text\"",
        zh: "运行日志形式: text 或 json (写到标准错误)",
        en: "form of the running log on standard error: text or json",
    },
    Key {
        name: "log.level",
        default: "\"info\"",
        zh: "运行日志级别: error, warn, info, debug",
        en: "level of the running log: error, warn, info, debug",
    },
];

/// Form of the running log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) home: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) listen: Vec<PeerAddress>,
    pub(crate) join_listen: Vec<PeerAddress>,
    pub(crate) separation: Separation,
    pub(crate) refresh_seconds: u64,
    pub(crate) shares_counts: bool,
    pub(crate) store_cache_mib: u64,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: tracing::Level,
}

/// Settings with their origins, not yet validated.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
    pub(crate) files: Vec<PathBuf>,
    faults: Vec<ConfigFault>,
}

impl Layers {
    /// Reads every layer: defaults, one configuration file, `conf.d/*.toml` beside it in alphabetical order, environment,
    /// flags.
    ///
    /// The file is the one named; else, where a home is named, the home's; else the system's. Only on a machine without
    /// a system file is the home's own read without being named: the packaged unit reads the system file alone, and
    /// operators, who must see the same settings, may not enter the home.
    pub(crate) fn load(settings: &Settings, named: Option<&Path>) -> Self {
        Self::load_from(settings, named, Path::new(SYSTEM_FILE))
    }

    fn load_from(settings: &Settings, named: Option<&Path>, system: &Path) -> Self {
        let mut layers = Self { values: BTreeMap::new(), files: Vec::new(), faults: Vec::new() };
        for key in KEYS {
            // The defaults are constants of this file; a test parses them all.
            if let Ok(value) = value_parse(key.default) {
                layers.values.insert(key.name, (value, Origin::Default));
            }
        }
        let (file, required) = match named.map(Path::to_owned).or_else(|| settings.config.clone()) {
            Some(file) => (file, true),
            None => match &settings.home {
                Some(home) => (home.join("config.toml"), false),
                None => (system.to_owned(), false),
            },
        };
        layers.file_read(&file, required);
        let folder = file.parent().unwrap_or(Path::new(".")).join("conf.d");
        let mut parts: Vec<_> = std::fs::read_dir(&folder)
            .map(|listing| listing.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        parts.sort();
        for part in parts.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        {
            layers.file_read(part, true);
        }
        if file == system
            && !required
            && layers.files.is_empty()
            && layers.faults.is_empty()
            && let Some((Value::String(home), _)) = layers.values.get("home").cloned()
        {
            layers.file_read(&Path::new(&home).join("config.toml"), false);
        }
        layers.environment_read(settings);
        if let Some(home) = &settings.home {
            let value = Value::String(home.display().to_string());
            let origin = flag_or_variable(settings, "--home", "CHENGXIN_HOME", home);
            layers.values.insert("home", (value, origin));
        }
        if let Some(socket) = &settings.socket {
            let value = Value::String(socket.display().to_string());
            let origin = flag_or_variable(settings, "--socket", "CHENGXIN_SOCKET", socket);
            layers.values.insert("socket.path", (value, origin));
        }
        layers
    }

    fn fault(&mut self, key: &str, place: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.faults.push(ConfigFault {
            key: key.to_owned(),
            place: place.to_owned(),
            detail_zh: zh.into(),
            detail_en: en.into(),
        });
    }

    fn file_read(&mut self, file: &Path, required: bool) {
        let place = file.display().to_string();
        let text = match text_read(file, CONFIG_FILE_LIMIT) {
            Ok(text) => text,
            Err(error) if error.is_absent() && !required => return,
            Err(BoundedFileError::Read { source, .. }) => {
                return self.fault(
                    "",
                    &place,
                    format!("无法读取: {}", chinese::message_or_same(&source.to_string())),
                    format!("cannot be read: {source}"),
                );
            }
            Err(BoundedFileError::TooLong { limit, .. }) => {
                return self.fault(
                    "",
                    &place,
                    format!("超过 {limit} 字节; 配置文件只含少量键, 请指明正确的文件"),
                    format!(
                        "longer than {limit} bytes; a configuration holds a few keys, name the right file"
                    ),
                );
            }
        };
        self.files.push(file.to_owned());
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let message = error.message().to_owned();
                return self.fault(
                    "",
                    &place,
                    format!("不是有效的 TOML: {message}"),
                    format!("not valid TOML: {message}"),
                );
            }
        };
        for (name, value) in flatten("", &table) {
            match KEYS.iter().find(|key| key.name == name) {
                Some(key) => {
                    self.values.insert(key.name, (value, Origin::File(place.clone())));
                }
                None => self.fault(&name, &place, "未知的键; 请核对拼写", "unknown key; check the spelling"),
            }
        }
    }

    fn environment_read(&mut self, settings: &Settings) {
        for key in KEYS {
            let variable = format!("CHENGXIN_{}", key.name.replace('.', "_").to_uppercase());
            // These two are flags too and were resolved with them.
            if matches!(key.name, "home" | "socket.path") {
                continue;
            }
            let Some(text) = settings.environment.text(&variable) else { continue };
            let value = value_parse(text).unwrap_or_else(|_| Value::String(text.to_owned()));
            self.values.insert(key.name, (value, Origin::Environment(variable)));
        }
    }

    /// Every setting with its origin.
    pub(crate) fn show(&self) -> ShownConfig {
        let settings = KEYS
            .iter()
            .filter_map(|key| {
                let (value, origin) = self.values.get(key.name)?;
                Some(Setting { key: key.name.to_owned(), value: value.to_string(), origin: origin.clone() })
            })
            .collect();
        ShownConfig { schema: Default::default(), settings }
    }

    /// The typed configuration, or everything that is wrong with it.
    pub(crate) fn parse(mut self) -> Result<Config, Vec<ConfigFault>> {
        let home = PathBuf::from(self.text("home"));
        let home = if home.as_os_str().is_empty() { PathBuf::from(SYSTEM_HOME) } else { home };
        let home = absolute(home);
        let socket = match self.text("socket.path") {
            text if text.is_empty() => home.join("run").join("chengxin.sock"),
            text => PathBuf::from(text),
        };
        let listen = self.addresses("network.listen");
        let join_listen = self.addresses("join.listen");
        let separation = match self.text("operators.separation").as_str() {
            "enforced" => Separation::Enforced,
            "trial" => Separation::Trial,
            _ => {
                self.wrong("operators.separation", "只能是 enforced 或 trial", "use enforced or trial");
                Separation::Enforced
            }
        };
        let refresh_seconds = self.number("federation.refresh_seconds", 1, 86_400);
        let shares_counts = self.flag("policy.share_counts");
        let store_cache_mib = self.number("store.cache_mib", 1, 65_536);
        let log_format = match self.text("log.format").as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => {
                self.wrong("log.format", "只能是 text 或 json", "use text or json");
                LogFormat::Text
            }
        };
        let log_level = self.text("log.level").parse().unwrap_or_else(|_| {
            self.wrong("log.level", "只能是 error, warn, info, debug", "use error, warn, info or debug");
            tracing::Level::INFO
        });
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        Ok(Config {
            home,
            socket,
            listen,
            join_listen,
            separation,
            refresh_seconds,
            shares_counts,
            store_cache_mib,
            log_format,
            log_level,
        })
    }

    fn wrong(&mut self, key: &'static str, zh: &str, en: &str) {
        let place = match self.values.get(key) {
            Some((_, Origin::Flag(name) | Origin::Environment(name) | Origin::File(name))) => name.clone(),
            Some((_, Origin::Default)) | None => "default".to_owned(),
        };
        self.fault(key, &place, zh, en);
    }

    fn flag(&mut self, key: &'static str) -> bool {
        if let Some((Value::Boolean(flag), _)) = self.values.get(key) {
            return *flag;
        }
        self.wrong(key, "只能是 true 或 false", "use true or false");
        false
    }

    fn text(&mut self, key: &'static str) -> String {
        match self.values.get(key) {
            Some((Value::String(text), _)) => text.clone(),
            _ => {
                self.wrong(key, "应为文本", "a text is expected");
                String::new()
            }
        }
    }

    fn number(&mut self, key: &'static str, lowest: u64, highest: u64) -> u64 {
        let number = match self.values.get(key) {
            Some((Value::Integer(number), _)) => u64::try_from(*number).ok(),
            _ => None,
        };
        match number.filter(|number| (lowest..=highest).contains(number)) {
            Some(number) => number,
            None => {
                self.wrong(
                    key,
                    &format!("应为 {lowest} 到 {highest} 的整数"),
                    &format!("a whole number from {lowest} to {highest} is expected"),
                );
                lowest
            }
        }
    }

    fn addresses(&mut self, key: &'static str) -> Vec<PeerAddress> {
        let Some((Value::Array(items), _)) = self.values.get(key) else {
            self.wrong(key, "应为地址列表", "a list of addresses is expected");
            return Vec::new();
        };
        let parsed: Result<Vec<PeerAddress>, String> = items
            .clone()
            .iter()
            .map(|item| match item {
                Value::String(text) => text.parse().map_err(|error| format!("{text}: {error}")),
                other => Err(format!("{other}")),
            })
            .collect();
        parsed.unwrap_or_else(|detail| {
            self.wrong(
                key,
                &format!("地址无效: {}", chinese::message_or_same(&detail)),
                &format!("not an address: {detail}"),
            );
            Vec::new()
        })
    }
}

/// A commented file with every default.
pub(crate) fn default_file() -> String {
    let mut text =
        String::from("# chengxin 配置 / configuration. 未知的键会被拒绝 / unknown keys are refused.\n");
    let mut section = "";
    for key in KEYS {
        let (table, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if table != section {
            section = table;
            text.push_str(&format!("\n[{table}]\n"));
        }
        text.push_str(&format!("# {}\n# {}\n{name} = {}\n", key.zh, key.en, key.default));
    }
    text
}

/// The path from the root on: a node changes its working folder never, but what it prints is typed elsewhere, and
/// folders are synced together with their parents, which a bare name does not have.
pub(crate) fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Where a path of the settings comes from. A flag that says the same as the variable is told as the variable.
fn flag_or_variable(settings: &Settings, flag: &str, variable: &str, path: &Path) -> Origin {
    match settings.environment.path(variable) {
        Some(given) if given == path => Origin::Environment(variable.to_owned()),
        Some(_) | None => Origin::Flag(flag.to_owned()),
    }
}

/// Dotted keys of a table.
fn flatten(prefix: &str, table: &toml::Table) -> Vec<(String, Value)> {
    table
        .iter()
        .flat_map(|(name, value)| {
            let full = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Table(inner) => flatten(&full, inner),
                other => vec![(full, other.clone())],
            }
        })
        .collect()
}

/// One TOML value from its text.
fn value_parse(text: &str) -> Result<Value, toml::de::Error> {
    let table: toml::Table = format!("value = {text}").parse()?;
    Ok(table.get("value").cloned().unwrap_or(Value::Boolean(false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengxin_cli::environment::Environment;

    fn settings(home: Option<&Path>, variables: &[(&str, &str)]) -> Settings {
        Settings {
            home: home.map(Path::to_owned),
            environment: Environment::of(variables),
            ..Settings::default()
        }
    }

    #[test]
    fn the_default_file_is_what_the_defaults_say() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("config.toml"), default_file()).expect("write");
        let layers = Layers::load(&settings(Some(folder.path()), &[]), None);
        assert_eq!(layers.files.len(), 1);
        for key in KEYS.iter().filter(|key| key.name != "home") {
            let (value, origin) = &layers.values[key.name];
            assert!(matches!(origin, Origin::File(_)), "{}", key.name);
            assert_eq!(*value, value_parse(key.default).expect("default"), "{}", key.name);
        }
        assert!(layers.parse().is_ok());
    }

    #[test]
    fn a_file_that_is_too_long_is_a_fault_that_names_file_and_limit() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("config.toml");
        let comment = "#".repeat(usize::try_from(CONFIG_FILE_LIMIT).expect("limit") + 1);
        std::fs::write(&path, comment).expect("write");
        let faults = Layers::load(&settings(Some(folder.path()), &[]), None).parse().expect_err("refused");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].place, path.display().to_string());
        for detail in [&faults[0].detail_en, &faults[0].detail_zh] {
            assert!(detail.contains(" 262144 "), "{detail}");
        }
    }

    #[test]
    fn a_later_layer_beats_an_earlier_one_and_says_so() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("conf.d")).expect("folder");
        std::fs::write(folder.path().join("config.toml"), "[store]\ncache_mib = 5\n").expect("write");
        std::fs::write(folder.path().join("conf.d/10.toml"), "[store]\ncache_mib = 6\n").expect("write");
        let layers = Layers::load(&settings(Some(folder.path()), &[]), None);
        assert_eq!(layers.clone().parse().expect("valid").store_cache_mib, 6);
        let layers = Layers::load(&settings(Some(folder.path()), &[("CHENGXIN_STORE_CACHE_MIB", "7")]), None);
        let shown = layers.show();
        let setting = shown.settings.iter().find(|setting| setting.key == "store.cache_mib").expect("shown");
        assert_eq!(setting.value, "7");
        assert_eq!(setting.origin, Origin::Environment("CHENGXIN_STORE_CACHE_MIB".to_owned()));
    }

    #[test]
    fn the_file_of_the_home_is_not_read_beside_the_file_of_the_system() {
        let folder = tempfile::tempdir().expect("folder");
        let (system, home) = (folder.path().join("system.toml"), folder.path().join("home"));
        std::fs::create_dir(&home).expect("home");
        std::fs::write(home.join("config.toml"), "[store]\ncache_mib = 5\n").expect("write");
        let named = format!("home = {:?}\n", home.display().to_string());
        std::fs::write(&system, &named).expect("write");
        let cache = |layers: Layers| layers.parse().expect("valid").store_cache_mib;
        assert_eq!(cache(Layers::load_from(&settings(None, &[]), None, &system)), 4, "the system's alone");
        assert_eq!(
            cache(Layers::load_from(&settings(Some(&home), &[]), None, &system)),
            5,
            "the home's, named"
        );
        std::fs::remove_file(&system).expect("removed");
        let variables = [("CHENGXIN_HOME", home.to_str().expect("path"))];
        let layers = Layers::load_from(&settings(Some(&home), &variables), None, &system);
        let origin = Origin::Environment("CHENGXIN_HOME".to_owned());
        assert!(layers.show().settings.iter().any(|one| one.key == "home" && one.origin == origin));
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_all_named() {
        let folder = tempfile::tempdir().expect("folder");
        let text = "nosuch = 1\n[network]\nlisten = [\"here\"]\n[log]\nlevel = \"loud\"\n";
        std::fs::write(folder.path().join("config.toml"), text).expect("write");
        let faults = Layers::load(&settings(Some(folder.path()), &[]), None).parse().expect_err("faults");
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["nosuch", "network.listen", "log.level"]);
    }
}
