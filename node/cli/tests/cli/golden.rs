//! What is printed, compared with committed files: every document as a table in both languages, wide, as CSV and as
//! JSON lines. `CHENGXIN_UPDATE_GOLDEN=1 cargo test -p chengxin-cli` writes them anew; the diff is the review.

use std::path::PathBuf;

use chengxin_api::types::config::{Config, ConfigSchema, Origin, Setting};
use chengxin_api::types::policy_simulation::PolicySimulation;
use chengxin_api::types::record::RecordDocument;
use chengxin_cli::arguments::Format;
use chengxin_cli::console::Console;
use chengxin_cli::environment::{Environment, Settings};
use chengxin_cli::language::Language;
use chengxin_cli::output::config::ConfigView;
use chengxin_cli::output::{Document, print};

use crate::documents;
use crate::runner::Captured;

fn printed(document: &impl Document, format: Format, language: Language, terminal: bool) -> String {
    let out = Captured::default();
    let mut console = Console {
        out: Box::new(out.clone()),
        err: Box::new(Captured::default()),
        input: Box::new(std::io::empty()),
        out_is_terminal: terminal,
        err_is_terminal: false,
        input_is_terminal: false,
    };
    let settings = Settings { format, language, colour: true, ..Settings::default() };
    print(document, &settings, &mut console).expect("printed");
    out.text()
}

/// Compares `actual` with the committed file, or writes it when asked to.
fn check(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("CHENGXIN_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("golden file written");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; set CHENGXIN_UPDATE_GOLDEN=1 to write it"));
    assert_eq!(actual, expected, "{name}: set CHENGXIN_UPDATE_GOLDEN=1 to accept");
}

/// All forms of one document in one file.
fn document(name: &str, document: &impl Document) {
    let forms = [
        ("table, zh", Format::Table, Language::Zh),
        ("table, en", Format::Table, Language::En),
        ("wide, zh", Format::Wide, Language::Zh),
        ("csv", Format::Csv, Language::Zh),
        ("jsonl", Format::Jsonl, Language::Zh),
    ];
    let mut all = String::new();
    for (title, format, language) in forms {
        all.push_str(&format!("=== {title}\n{}\n", printed(document, format, language, false)));
    }
    assert!(!all.contains('\u{1b}'), "{name}: an escape character reached the output");
    check(&format!("{name}.txt"), &all);
    let json = printed(document, Format::Json, Language::Zh, false);
    let value: serde_json::Value = serde_json::from_str(&json).expect("json");
    assert!(value["schema"].as_str().is_some_and(|schema| schema.ends_with("/v1")), "{name}: no schema");
    for format in [Format::Json, Format::Jsonl, Format::Csv] {
        let (zh, en) =
            (printed(document, format, Language::Zh, false), printed(document, format, Language::En, false));
        assert_eq!(zh, en, "{name}: machine output depends on the language");
    }
}

/// A terminal of eighty columns, the narrowest in use: what commands take is not cut in two.
fn narrow(name: &str, document: &impl Document, whole: &[&str]) {
    let mut all = String::new();
    for language in [Language::Zh, Language::En] {
        let out = Captured::default();
        let mut console = Console {
            out: Box::new(out.clone()),
            err: Box::new(Captured::default()),
            input: Box::new(std::io::empty()),
            out_is_terminal: true,
            err_is_terminal: false,
            input_is_terminal: false,
        };
        let environment = Environment::of(&[("COLUMNS", "80")]);
        let settings = Settings { language, environment, ..Settings::default() };
        print(document, &settings, &mut console).expect("printed");
        let page = out.text();
        for code in whole {
            assert!(page.contains(code), "{code} is cut in two:\n{page}");
        }
        all.push_str(&format!("=== {language:?}\n{page}\n"));
    }
    check(&format!("{name}-80-columns.txt"), &all);
}

#[test]
fn codes_in_a_list_are_not_cut_in_two() {
    let functions = ["market-regulation", "procurement-supervision", "justice"];
    narrow("members", &documents::members_of(&functions), &functions);
}

#[test]
fn pages_of_a_check_fit_into_eighty_columns() {
    let record = "r-0123456789abcdef0123456789abcdef";
    narrow("check", &documents::check(), &[record]);
    narrow("certificate", &documents::certificate(), &[record, "restrict-government-procurement"]);
}

#[test]
fn pages_of_a_check() {
    document("check", &documents::check());
    document("check-nothing-found", &documents::check_nothing_found());
    document("check-nothing-known", &documents::check_nothing_known());
}

#[test]
fn nothing_found_is_said_only_when_everybody_answered() {
    for (language, words) in [(Language::Zh, "未发现"), (Language::En, "Nothing found:")] {
        let shown = |result| printed(&result, Format::Table, language, false);
        assert!(shown(documents::check_nothing_found()).contains(words));
        assert!(!shown(documents::check()).contains(words));
        let known = shown(documents::check_nothing_known());
        assert!(!known.contains("未发现记录") && !known.contains("Nothing found:"), "{known}");
        let first = known.lines().next().expect("coverage strip");
        assert!(
            first.contains(if language == Language::Zh { "覆盖不完整" } else { "Incomplete" }),
            "{first}"
        );
    }
}

#[test]
fn pages_of_a_node_and_its_peers() {
    document("status", &documents::status());
    document("peers", &documents::peers());
    document("members", &documents::members());
    document("enrolment", &documents::enrolment());
    document("removal", &documents::removal());
    document("delegation", &documents::delegation());
    document("token", &documents::token());
    document("token-again", &documents::token_again());
    document("operators", &documents::operators());
    document("releases", &documents::releases());
}

#[test]
fn pages_of_records_and_imports() {
    document("records", &documents::records());
    document("record", &documents::record());
    document("import-report", &documents::import_report());
    document("imports", &documents::imports());
}

#[test]
fn pages_of_notices_and_restrictions() {
    document("notices", &documents::notices());
    document("notice", &documents::notice());
    document("restrictions", &documents::restrictions());
}

#[test]
fn pages_of_policy_and_audit() {
    document("policy", &documents::policy());
    document("policy-explanation", &documents::policy_explanation());
    document("policy-explanation-denied", &documents::policy_explanation_denied());
    document("policy-table", &documents::policy_table());
    document("breaches", &documents::breaches());
    document("policy-test", &documents::policy_test());
    document("policy-diff", &documents::policy_changes());
    document("policy-diff-empty", &documents::policy_unchanged());
    document("policy-plan", &documents::policy_plan());
    document("policy-published", &documents::policy_published());
    document("policy-simulation", &documents::policy_simulation());
    document("policy-simulation-members", &documents::policy_simulation_members());
    document("policy-status", &documents::policy_status());
    document("policy-status-overlays", &documents::policy_status_overlays());
    document("audit-entries", &documents::audit_entries());
    document("audit-verification", &documents::audit_verification());
}

#[test]
fn pages_of_setting_up() {
    document("init", &documents::init());
    document("founded", &documents::founded());
    document("clock", &documents::clock());
    document("joined", &documents::joined());
    document("joined-again", &documents::joined_again());
    document("certificate", &documents::certificate());
    document("config-validation", &documents::config_validation());
    let setting = |key: &str, origin| Setting { key: key.to_owned(), value: "1".to_owned(), origin };
    let config = Config {
        schema: ConfigSchema::V1,
        settings: vec![
            setting("a", Origin::Flag("--home".to_owned())),
            setting("b", Origin::Environment("CHENGXIN_HOME".to_owned())),
            setting("c", Origin::File("/etc/chengxin/config.toml:3".to_owned())),
            setting("d", Origin::Default),
        ],
    };
    document("config", &ConfigView { config: &config, origin: true });
    let plain = printed(&ConfigView { config: &config, origin: false }, Format::Table, Language::En, false);
    assert!(!plain.contains("CHENGXIN_HOME"), "{plain}");
}

#[test]
fn another_identifier_is_named_beside_its_restriction() {
    let mut list = documents::restrictions();
    let page = printed(&list, Format::Table, Language::En, false);
    assert!(!page.contains("Identifier in the notice"), "{page}");
    list.restrictions[1].binds = Some("1101**********002X".to_owned());
    let page = printed(&list, Format::Table, Language::En, false);
    assert!(page.contains("Identifier in the notice") && page.contains("1101**********002X"), "{page}");
}

#[test]
fn what_is_absent_by_rule_or_by_form_is_said_to_be() {
    let record = RecordDocument { publicity_end: None, not_published: true, ..documents::record() };
    let mut certificate = documents::certificate();
    certificate.claims.as_mut().expect("claims").name_not_stated = true;
    for (language, publicity, name) in [
        (Language::Zh, "公示截止  原则上不公示 [publicity.order-36.general]", "所查名称  未载明"),
        (Language::En, "Public until     not published in principle [publicity", "Name searched  not stated"),
    ] {
        let page = printed(&record, Format::Table, language, false);
        assert!(page.contains(publicity), "{page}");
        let page = printed(&certificate, Format::Table, language, false);
        assert!(page.contains(name), "{page}");
    }
    let record = RecordDocument { publicity_end: None, ..documents::record() };
    for (language, publicity) in [
        (Language::Zh, "公示截止  规则未定截止日 [publicity.order-36.general]"),
        (Language::En, "Public until     no last day by the rule [publicity"),
    ] {
        let page = printed(&record, Format::Table, language, false);
        assert!(page.contains(publicity), "{page}");
    }
}

#[test]
fn a_terminal_gets_colour_and_files_do_not() {
    let result = documents::check();
    assert!(printed(&result, Format::Table, Language::En, true).contains("\u{1b}[31m"));
    assert!(!printed(&result, Format::Table, Language::En, false).contains('\u{1b}'));
    assert!(!printed(&result, Format::Json, Language::En, true).contains('\u{1b}'));
}

/// Requests that would get the same at every level are no good news when a field moves to another level.
#[test]
fn a_simulation_is_green_only_when_fields_stay_as_well() {
    let good = |simulation: &PolicySimulation| {
        printed(simulation, Format::Table, Language::En, true).contains("\u{1b}[32m")
    };
    let mut simulation = documents::policy_simulation();
    simulation.lines.clear();
    simulation.unchanged = simulation.requests;
    assert!(!simulation.fields_changed.is_empty() && !good(&simulation));
    simulation.fields_changed.clear();
    assert!(good(&simulation));
}

#[test]
fn csv_is_for_spreadsheets() {
    let csv = printed(&documents::records(), Format::Csv, Language::Zh, false);
    assert!(csv.starts_with('\u{FEFF}') && csv.contains("\r\n"));
    assert!(csv.contains("\"'=HYPERLINK"), "{csv}");
    assert_eq!(csv.lines().count(), 3, "a line break in a name makes no further row: {csv}");
}
