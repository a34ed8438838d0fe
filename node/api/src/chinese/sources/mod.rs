//! Reads the sources of the libraries and fails for each text that no table knows, with the file and the text. What
//! never reaches a person stands in `untold.rs`, with the reason; nothing else is let through.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::TABLES;
use scan::texts_of;
use untold::{LEFT_OUT, UNTOLD};

mod scan;
mod untold;

/// Where texts come from.
const CRATES: [&str; 11] = [
    "schemas/src",
    "policy/src",
    "node/trust/src",
    "node/network/src",
    "node/exchange/src",
    "node/store/src",
    "node/import/src",
    "node/audit-log/src",
    "node/api/src",
    "node/cli/src",
    "node/app/src",
];

/// Whether the tables know a text: as a whole, or each of its links. A link that is a hole or one word is a name.
fn is_known(text: &str, known: &BTreeSet<&str>) -> bool {
    if known.contains(text) {
        return true;
    }
    let name = |link: &str| !link.contains(' ');
    let links: Vec<&str> = text.split("; ").flat_map(|part| part.split(": ")).collect();
    // A run of links may be one template, as in `use one of: {}`.
    let mut begin = 0;
    while begin < links.len() {
        let run = (begin..links.len()).rev().find(|end| {
            let separators = ["; ", ": "];
            separators.iter().any(|one| known.contains(links[begin..=*end].join(one).as_str()))
        });
        match run {
            Some(end) => begin = end + 1,
            None if links.len() > 1 && name(links[begin]) => begin += 1,
            None => return false,
        }
    }
    true
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The file or folder of a module that a source declares.
fn module_place(source: &Path, module: &str) -> PathBuf {
    let folder = source.parent().expect("a folder");
    match source.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib" | "main" | "mod") => folder.join(module),
        Some(stem) => folder.join(stem).join(module),
        None => folder.to_owned(),
    }
}

/// Every text of the libraries, with its file.
fn all_texts() -> Vec<(String, String)> {
    let (mut files, mut tests) = (Vec::new(), Vec::new());
    CRATES.iter().for_each(|name| sources(&root().join(name), &mut files));
    assert!(files.len() > 150, "the sources are there");
    let mut texts = Vec::new();
    for path in &files {
        let source = std::fs::read_to_string(path).expect("a source");
        let (found, modules) = texts_of(&source);
        tests.extend(modules.iter().map(|module| module_place(path, module)));
        texts.extend(found.into_iter().map(|text| (path.clone(), text)));
    }
    let in_tests = |path: &Path| tests.iter().any(|test| path.with_extension("").starts_with(test));
    texts.retain(|(path, _)| !in_tests(path));
    let place = |path: PathBuf| {
        path.strip_prefix(root()).expect("within the workspace").to_str().expect("UTF-8").to_owned()
    };
    texts.into_iter().map(|(path, text)| (place(path), text)).collect()
}

fn table() -> BTreeSet<&'static str> {
    TABLES.iter().copied().flatten().map(|(english, _)| *english).collect()
}

#[test]
fn every_text_of_the_libraries_has_its_chinese() {
    let known = table();
    let texts = all_texts();
    assert!(texts.len() > 900, "only {} texts were found", texts.len());
    let missing: Vec<String> = texts
        .iter()
        .filter(|(file, text)| {
            !LEFT_OUT.iter().any(|(place, _)| file.starts_with(place))
                && !UNTOLD.iter().any(|(_, place, untold)| file == place && untold.contains(&text.as_str()))
                && !is_known(text, &known)
        })
        .map(|(file, text)| format!("{file}: {text:?}"))
        .collect();
    assert!(missing.is_empty(), "without Chinese in node/api/src/chinese:\n{}", missing.join("\n"));
}

/// Words that natives would take for another thing than the one that the glossary's word means, with that word.
const OTHER_WORDS: [(&str, &str); 6] = [
    ("公共机构", "行政事业单位"),
    ("机关事业单位", "行政事业单位"),
    ("遮盖", "脱敏"),
    ("部分显示", "脱敏"),
    ("统筹机构", "统筹单位"),
    ("审计员", "审计管理员"),
];

#[test]
fn one_thing_has_one_chinese_name() {
    let mut files = vec![root().join("README.zh.md")];
    CRATES.iter().for_each(|name| sources(&root().join(name), &mut files));
    files.retain(|path| !path.ends_with("chinese/sources/mod.rs"));
    for path in files {
        let source = std::fs::read_to_string(&path).expect("a source");
        for (other, word) in OTHER_WORDS {
            assert!(!source.contains(other), "{}: {other}, say {word}", path.display());
        }
    }
}

#[test]
fn nothing_is_left_out_that_is_not_there() {
    let texts = all_texts();
    for (place, reason) in LEFT_OUT {
        assert!(texts.iter().any(|(file, _)| file.starts_with(place)), "{place} has no text ({reason})");
    }
    for (reason, place, untold) in UNTOLD {
        for one in *untold {
            assert!(
                texts.iter().any(|(file, text)| file == place && text == one),
                "{place} does not hold {one:?} ({reason})"
            );
        }
    }
}

#[test]
fn a_text_is_known_only_with_each_of_its_links() {
    let known = BTreeSet::from(["unknown value", "use one of: {}", "{} is broken"]);
    for text in ["unknown value", "{}: unknown value", "field: unknown value; use one of: {}", "{} is broken"]
    {
        assert!(is_known(text, &known), "{text}");
    }
    for text in ["another value", "{}: another value", "unknown value; another fix", "{} broken", "word"] {
        assert!(!is_known(text, &known), "{text}");
    }
}
