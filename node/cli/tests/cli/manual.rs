//! Every command line that the documentation shows must parse.

use std::path::{Path, PathBuf};

use clap::Parser as _;

/// Lines of fenced blocks that run chengxin, without prompt, comment, pipe and redirection. Lines with places to fill
/// in (`<…>`, `$…`, `…`) are left out: they are not commands.
fn command_lines(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        let line = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if !fenced || !line.starts_with("chengxin ") || line.contains(['<', '$', '…', '*']) {
            continue;
        }
        let ends = [" # ", " | ", " > ", " && ", " ; ", " &"];
        let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
        lines.push(line[..end].trim().to_owned());
    }
    lines
}

/// Words as a shell splits them: blanks outside of quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for symbol in line.chars() {
        match (quote, symbol) {
            (Some(open), symbol) if symbol == open => quote = None,
            (None, '"' | '\'') => quote = Some(symbol),
            (None, ' ') => words.push(String::new()),
            (_, symbol) => {
                if let Some(word) = words.last_mut() {
                    word.push(symbol);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_command_line_in_the_documentation_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    documents(&root.join("docs"), &mut files);
    documents(&root.join("deploy"), &mut files);
    for entry in std::fs::read_dir(&root).expect("root") {
        let path = entry.expect("entry").path();
        if path.extension().is_some_and(|ending| ending == "md") {
            files.push(path);
        }
    }
    for file in files {
        let text = std::fs::read_to_string(&file).expect("document");
        for line in command_lines(&text) {
            if let Err(error) = chengxin_cli::arguments::CommandLine::try_parse_from(words(&line)) {
                let shown = matches!(
                    error.kind(),
                    clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
                );
                assert!(shown, "{}: {line}: {error}", file.display());
            }
        }
    }
}

#[test]
fn command_lines_are_found_in_fenced_blocks() {
    let text = "chengxin not this\n```sh\n$ chengxin status -o json | jq .\nchengxin check <CODE>\nchengxin init \\\n  --name 'a b'\n```\n";
    assert_eq!(command_lines(text), ["chengxin status -o json", "chengxin init    --name 'a b'"]);
    assert_eq!(words("chengxin init   --name 'a b'"), ["chengxin", "init", "--name", "a b"]);
}
