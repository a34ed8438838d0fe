//! Wrong command lines: exit code 2, the field and the fix in the person's language, never the value.

use std::path::Path;

use chengxin_cli::exit::Exit;

use crate::runner::{chengxin, chengxin_words};

#[test]
fn usage_errors_name_field_and_fix_in_both_languages_and_no_value() {
    let nowhere = Path::new("/nonexistent/socket");
    for (line, field) in [
        ("chengxin check 91320100748204660Q --ref CG-1", "--purpose"),
        ("chengxin check 91320100748204660Q --purpose x --ref CG-1 --deadline 5weeks", "--deadline"),
        ("chengxin record show r-zzz", "RECORD"),
        ("chengxin record lsit", "lsit"),
        ("chengxin status --bogus", "--bogus"),
        ("chengxin notice list --issued --received", "--issued"),
        ("chengxin init --agency 91320100748204660Q --name x --region 150000", "--agency"),
        ("chengxin check x --purpose p --ref 1 --deadline 2m", "--deadline"),
        (
            "chengxin notice issue --record r-0123456789abcdef0123456789abcdef --measure a --measure b --measure c --until 2027-01-01 --until 2027-01-02",
            "--until",
        ),
    ] {
        for language in ["zh", "en"] {
            let ran = chengxin(nowhere, &format!("{line} --lang {language}"));
            assert_eq!(ran.exit, Exit::Usage, "{line}: {}", ran.err);
            assert!(ran.out.is_empty(), "{line}");
            assert!(ran.err.contains(field), "{line}: {}", ran.err);
            let (class, fix) = if language == "zh" {
                ("类别: invalid", "处理: ")
            } else {
                ("class: invalid", "what to do: ")
            };
            assert!(ran.err.contains(class) && ran.err.contains(fix), "{line}: {}", ran.err);
            for value in ["91320100748204660Q", "5weeks", "r-zzz"] {
                assert!(!ran.err.contains(value), "{line}: {}", ran.err);
            }
        }
    }
}

#[test]
fn a_word_in_a_wrong_place_is_not_repeated() {
    for line in [
        "chengxin 11010519491231002X",
        "chengxin status 11010519491231002X",
        "chengxin record 11010519491231002X",
        "chengxin check 91320100748204660Q 11010519491231002X --purpose x --ref CG-1",
    ] {
        for form in ["", " -o json"] {
            let ran = chengxin(Path::new("/nonexistent/socket"), &format!("{line}{form}"));
            assert_eq!(ran.exit, Exit::Usage, "{line}: {}", ran.err);
            assert!(!ran.err.contains("19491231"), "{line}: {}", ran.err);
        }
    }
}

#[test]
fn a_node_that_is_not_there_is_told_with_what_to_do() {
    let ran = chengxin(Path::new("/nonexistent/socket"), "chengxin status --lang en");
    assert_eq!(ran.exit, Exit::Partial);
    assert!(ran.err.contains("/nonexistent/socket") && ran.err.contains("chengxin serve"), "{}", ran.err);
}

#[test]
fn programs_get_errors_as_one_line_of_json() {
    let nowhere = Path::new("/nonexistent/socket");
    for (line, variables, code, exit) in [
        ("chengxin status -o json", [].as_slice(), "unavailable", Exit::Partial),
        ("chengxin status --output=jsonl --lang en", &[], "unavailable", Exit::Partial),
        ("chengxin status --bogus -ojson", &[], "invalid", Exit::Usage),
        ("chengxin record lsit", &[("CHENGXIN_OUTPUT", "json")], "invalid", Exit::Usage),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let ran = chengxin_words(nowhere, &words, variables);
        assert_eq!(ran.exit, exit, "{line}");
        assert!(ran.out.is_empty(), "{line}");
        assert_eq!(ran.err.lines().count(), 1, "{line}: {}", ran.err);
        let document: serde_json::Value = serde_json::from_str(&ran.err).expect("json");
        assert_eq!(document["schema"], "error/v1");
        assert_eq!(document["code"], code, "{line}");
        assert_eq!(document["exit"], exit.number(), "{line}");
        for member in ["detail_en", "detail_zh", "fix_en", "fix_zh"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{line}: {member}");
        }
    }
}

#[test]
fn help_and_version_are_data_and_topics_exist() {
    let nowhere = Path::new("/nonexistent/socket");
    for line in
        ["chengxin --help", "chengxin record import -h", "chengxin help record import", "chengxin --version"]
    {
        let ran = chengxin(nowhere, line);
        assert_eq!(ran.exit, Exit::Done, "{line}");
        assert!(!ran.out.is_empty() && ran.err.is_empty(), "{line}: {}", ran.err);
    }
    for topic in ["exit-codes", "output", "environment", "config"] {
        let ran = chengxin(nowhere, &format!("chengxin help {topic} --lang en"));
        assert!(ran.out.lines().count() > 3, "{topic}");
    }
    let ran = chengxin(nowhere, "chengxin help nonsense");
    assert_eq!(ran.exit, Exit::Usage);
    let ran = chengxin(nowhere, "chengxin record");
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("chengxin record import"), "{}", ran.err);
}

#[test]
fn completion_and_manual_pages_are_written() {
    let nowhere = Path::new("/nonexistent/socket");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = chengxin(nowhere, &format!("chengxin completion {shell}"));
        assert!(ran.out.contains("chengxin"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("folder");
    let pages = folder.path().join("man1");
    let ran = chengxin_words(nowhere, &["chengxin", "man", pages.to_str().expect("path")], &[]);
    assert_eq!(ran.exit, Exit::Done);
    assert!(pages.join("chengxin-check.1").is_file());
}

#[test]
fn a_template_goes_where_it_is_told_and_a_wrong_ending_is_refused() {
    let nowhere = Path::new("/nonexistent/socket");
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("t.xlsx");
    let words = ["chengxin", "record", "template", "--type", "行政处罚", file.to_str().expect("path")];
    assert_eq!(chengxin_words(nowhere, &words, &[]).exit, Exit::Done);
    assert_eq!(std::fs::read_to_string(&file).expect("written"), "template of administrative-penalty");
    let ran = chengxin(nowhere, "chengxin record template --type judgment-debtor t.ods");
    assert_eq!(ran.exit, Exit::Usage);
    let ran = chengxin(nowhere, "chengxin record template --type judgment-debtor -");
    assert_eq!(ran.out, "template of judgment-debtor");
}

#[test]
fn a_wrong_variable_is_named() {
    let ran = chengxin_words(Path::new("/x"), &["chengxin", "status"], &[("CHENGXIN_OUTPUT", "yaml")]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("CHENGXIN_OUTPUT"), "{}", ran.err);
}
