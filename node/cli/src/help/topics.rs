//! Topics of `chengxin help`: exit codes, output, environment, configuration.

use crate::environment::VARIABLES;
use crate::exit::Exit;
use crate::language::Language;

/// The topics.
pub(super) const NAMES: &[&str] = &["exit-codes", "output", "environment", "config"];

/// The page of a topic, if there is one.
pub(super) fn topic(name: &str, language: Language) -> Option<String> {
    match name {
        "exit-codes" => Some(exit_codes(language)),
        "output" => Some(language.pick(OUTPUT_ZH, OUTPUT_EN).to_owned()),
        "environment" => Some(environment(language)),
        "config" => Some(language.pick(CONFIG_ZH, CONFIG_EN).to_owned()),
        _ => None,
    }
}

fn exit_codes(language: Language) -> String {
    let mut page = language.pick("退出码\n\n", "Exit codes\n\n").to_owned();
    for exit in Exit::ALL {
        let (zh, en) = exit.meaning();
        page.push_str(&format!("{:>5}  {}\n", exit.number(), language.pick(zh, en)));
    }
    page
}

fn environment(language: Language) -> String {
    let mut page = language
        .pick("环境变量 (命令行选项优先)\n\n", "Environment variables (a flag beats its variable)\n\n")
        .to_owned();
    for (name, zh, en) in VARIABLES {
        page.push_str(&format!("  {name:<26} {}\n", language.pick(zh, en)));
    }
    page.push_str(language.pick(
        "\n配置的每一项也有变量: CHENGXIN_ 加大写的键, 点写作下划线, 例如 CHENGXIN_JOIN_LISTEN; 值按 TOML 写。\n\
         全部键: chengxin config default\n",
        "\nEvery key of the configuration has a variable too: CHENGXIN_ and the key in capitals with underscores for\n\
         points, such as CHENGXIN_JOIN_LISTEN; its value is TOML. All keys: chengxin config default\n",
    ));
    page
}

const OUTPUT_ZH: &str = "\
输出

标准输出只有数据; 消息、进度和提示在标准错误。
  -o table   供人阅读的表格 (默认)
  -o wide    含全部列的表格
  -o json    一个 JSON 文档, 带 \"schema\":\"<名>/v1\"; 同一版本内只增加字段
  -o jsonl   每行一个 JSON 文档; 列表逐项输出, 每项带 schema
  -o csv     UTF-8 带 BOM, CRLF; 以 = + - @ 开头的内容前加单引号, 防止被当作公式
机器可读的形式 (json, jsonl, csv) 和错误代码从不翻译; 时间为 UTC 的 RFC 3339。
用 json 或 jsonl 时, 错误也是标准错误中的一行 JSON (\"schema\":\"error/v1\": code, exit, detail, field, fix)。
表格中时间为北京时间。外来文本中的控制字符显示为 U+FFFD。
核查结果总是先写覆盖情况; 只有所询机关全部答复才会写\"未发现\"。
";
const OUTPUT_EN: &str = "\
Output

Standard output has data only; messages, progress and hints go to standard error.
  -o table   tables for people (default)
  -o wide    tables with all columns
  -o json    one JSON document with \"schema\":\"<name>/v1\"; within a version fields are only added
  -o jsonl   one JSON document per line; lists item by item, each with the schema
  -o csv     UTF-8 with byte order mark, CRLF; a text that begins with = + - @ gets an apostrophe,
             so that no spreadsheet runs it as a formula
Machine forms (json, jsonl, csv) and error codes are never translated; times are RFC 3339 in UTC.
With json or jsonl an error, too, is one line of JSON on standard error (\"schema\":\"error/v1\": code, exit,
detail, field, fix).
Tables show Beijing time. Control characters in foreign text show as U+FFFD.
A check result always begins with its coverage; it says \"nothing found\" only if every agency asked has answered.
";
const CONFIG_ZH: &str = "\
配置

优先次序: 命令行选项 > 环境变量 CHENGXIN_* > conf.d/*.toml > config.toml > 默认值。
未知的键是错误。机密只以文件路径出现; 他人可读的令牌文件会被拒绝。
  chengxin config default            带默认值和说明的配置文件
  chengxin config show --origin      每项设置的值和来源
  chengxin config validate [FILE]    检查而不启动
";
const CONFIG_EN: &str = "\
Configuration

Order: flag > environment variable CHENGXIN_* > conf.d/*.toml > config.toml > default.
Unknown keys are errors. Secrets appear as file paths only; a token file that others can read is refused.
  chengxin config default            a file with every default and its explanation
  chengxin config show --origin      every setting with its origin
  chengxin config validate [FILE]    check without starting anything
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_page_in_both_languages() {
        for name in NAMES {
            let (zh, en) = (topic(name, Language::Zh).expect("zh"), topic(name, Language::En).expect("en"));
            assert_ne!(zh, en, "{name}");
        }
        assert!(topic("exit-codes", Language::En).expect("page").contains("130  interrupted"));
    }
}
