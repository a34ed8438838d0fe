//! Finds the texts in a Rust source that a person may read.
//!
//! What counts: the literal of each `#[error(…)]`, and each other string literal that reads like words, that is, with a
//! space and a word of two lower-case letters. A single word counts where it is given as a reason, a fix or a unit, and
//! what `AppError::file` and its like are given counts with the words around it. Not counted: comments, tests
//! (`#[cfg(test)]`, also for whole files), other attributes, arguments of assertions, of `expect` and of the journal's
//! macros, and a literal whose own call is given the Chinese beside it.

use std::collections::BTreeSet;

/// Macros whose literals go to the journal or to a developer.
const UNREAD_MACROS: [&str; 14] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "unreachable",
    "panic",
    "matches",
];
/// Fields and arguments in which a single word is a text too.
const NAMED: [&str; 3] = ["reason", "fix", "unit"];
/// Functions whose first argument says what could not be done: `cannot {} {}`.
const ACTS: [(&str, &str); 3] = [("AppError", "file"), ("TrustError", "file"), ("LogError", "storage")];
/// A literal that holds one of these is English, whatever else it quotes.
const ENGLISH: [&str; 14] =
    ["the", "a", "an", "of", "or", "and", "is", "are", "for", "with", "in", "to", "by", "not"];

/// A token of Rust, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    Text(String),
}

/// The tokens of a source. Comments, byte strings and characters are no tokens.
fn tokens(source: &str) -> Vec<Token> {
    let all: Vec<char> = source.chars().collect();
    let at = |position: usize| all.get(position).copied().unwrap_or('\0');
    let (mut tokens, mut i) = (Vec::new(), 0);
    while i < all.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < all.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c.is_alphabetic() || c == '_' {
            let begin = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = all[begin..i].iter().collect();
            let raw = matches!(word.as_str(), "r" | "br") && matches!(at(i), '"' | '#');
            let hashes = all[i..].iter().take_while(|c| **c == '#').count();
            if raw && at(i + hashes) == '"' {
                let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
                let rest: String = all[i + hashes + 1..].iter().collect();
                let text = rest.split_once(&end).expect("a raw string ends").0.to_owned();
                i += hashes + 1 + text.chars().count() + end.chars().count();
                tokens.push(Token::Text(text));
            } else if word == "b" && at(i) == '"' {
                i = text_end(&all, i + 1).1;
            } else {
                tokens.push(Token::Word(word));
            }
        } else if c == '"' {
            let (text, end) = text_end(&all, i + 1);
            tokens.push(Token::Text(text));
            i = end;
        } else if c == '\'' {
            // A character ends with a quote; a lifetime does not.
            let length = if at(i + 1) == '\\' {
                all[i + 2..].iter().skip(1).position(|c| *c == '\'').map(|found| found + 4)
            } else {
                (at(i + 2) == '\'').then_some(3)
            };
            i += length.unwrap_or(1);
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Mark(c));
            }
            i += 1;
        }
    }
    tokens
}

/// The text of a string literal from behind its first quote, and where it ends.
fn text_end(all: &[char], mut i: usize) -> (String, usize) {
    let mut text = String::new();
    while all[i] != '"' {
        if all[i] != '\\' {
            text.push(all[i]);
            i += 1;
            continue;
        }
        match all[i + 1] {
            '\n' => {
                i += 2;
                while all[i].is_whitespace() {
                    i += 1;
                }
                continue;
            }
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'u' => {
                let end = i + all[i..].iter().position(|c| *c == '}').expect("an escape ends");
                i = end - 1;
            }
            other => text.push(other),
        }
        i += 2;
    }
    (text, i + 1)
}

/// What a bracket means for the literals within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Plain,
    /// `#[error(…)]`
    Error,
    /// Nobody reads it.
    Unread,
}

/// A literal with what is around it.
#[derive(Debug)]
struct Literal {
    text: String,
    within: Within,
    /// The number of the call that it is an argument of; `format!` counts as part of the call around it.
    call: Option<usize>,
    named: bool,
}

/// The literals of a source, and the modules that are only compiled for tests.
fn literals(source: &str) -> (Vec<Literal>, Vec<String>) {
    let tokens = tokens(source);
    let word = |i: usize| match tokens.get(i) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    let mark = |i: usize, c: char| tokens.get(i) == Some(&Token::Mark(c));
    let (mut found, mut test_modules) = (Vec::new(), Vec::new());
    let mut brackets: Vec<(Within, Option<usize>)> = Vec::new();
    let (mut calls, mut i) = (0, 0);
    while let Some(token) = tokens.get(i) {
        let outer = brackets.last().copied().unwrap_or((Within::Plain, None));
        match token {
            Token::Mark('(' | '[' | '{') => {
                let attribute = mark(i, '[') && (i > 0 && mark(i - 1, '#') || i > 1 && mark(i - 2, '#'));
                let macro_name = if i > 1 && mark(i - 1, '!') { word(i - 2) } else { "" };
                let own = if attribute && word(i + 1) == "error" {
                    Within::Error
                } else if attribute
                    || UNREAD_MACROS.contains(&macro_name)
                    || (i > 0 && word(i - 1) == "expect" && mark(i, '('))
                {
                    Within::Unread
                } else {
                    Within::Plain
                };
                let within = if outer.0 == Within::Plain { own } else { outer.0 };
                calls += 1;
                let call = match macro_name {
                    "format" | "concat" => outer.1,
                    _ => mark(i, '(').then_some(calls),
                };
                if attribute && word(i + 1) == "cfg" && word(i + 3) == "test" && mark(i + 4, ')') {
                    let (end, module) = item_end(&tokens, i + 6);
                    test_modules.extend(module);
                    i = end;
                    continue;
                }
                brackets.push((within, call));
            }
            Token::Mark(')' | ']' | '}') => {
                brackets.pop();
            }
            Token::Text(text) => found.push(Literal {
                text: if ACTS.iter().any(|(error, function)| {
                    i > 4 && mark(i - 1, '(') && word(i - 2) == *function && word(i - 5) == *error
                }) {
                    format!("cannot {text} {{}}")
                } else {
                    text.clone()
                },
                within: outer.0,
                call: outer.1,
                named: i > 1 && mark(i - 1, ':') && NAMED.contains(&word(i - 2)),
            }),
            Token::Word(_) | Token::Mark(_) => {}
        }
        i += 1;
    }
    (found, test_modules)
}

/// Where the item that begins at `i` ends, and its name if it is a module in a file of its own.
fn item_end(tokens: &[Token], mut i: usize) -> (usize, Option<String>) {
    let (mut depth, mut words) = (0_usize, Vec::new());
    while let Some(token) = tokens.get(i) {
        i += 1;
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']') => depth -= 1,
            Token::Mark('}') => {
                depth -= 1;
                if depth == 0 {
                    return (i, None);
                }
            }
            Token::Mark(';') if depth == 0 => {
                let module = words.iter().position(|word| word == "mod").and_then(|at| words.get(at + 1));
                return (i, module.cloned());
            }
            Token::Word(word) if depth == 0 => words.push(word.clone()),
            Token::Word(_) | Token::Mark(_) | Token::Text(_) => {}
        }
    }
    (i, None)
}

/// A literal as a template: whatever stands between brackets becomes a hole.
fn normal(text: &str) -> String {
    let (mut normal, mut rest) = (String::new(), text);
    while let Some(open) = rest.find(['{', '}']) {
        normal.push_str(&rest[..open]);
        let tail = &rest[open..];
        if let Some(after) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
            normal.push_str(&tail[..1]);
            rest = after;
        } else {
            normal.push_str("{}");
            rest = tail.split_once('}').map_or("", |(_, after)| after);
        }
    }
    normal + rest
}

fn han(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Whether a literal is Chinese rather than English that quotes Chinese.
fn is_chinese(text: &str) -> bool {
    han(text) && !text.split(' ').any(|word| ENGLISH.contains(&word))
}

/// The texts of a source that a person may read, and the modules that are only compiled for tests.
pub(super) fn texts_of(source: &str) -> (Vec<String>, Vec<String>) {
    let (literals, test_modules) = literals(source);
    let told: BTreeSet<usize> =
        literals.iter().filter(|one| is_chinese(&one.text)).filter_map(|one| one.call).collect();
    let texts = literals.iter().filter(|one| match one.within {
        Within::Unread => false,
        Within::Error => true,
        Within::Plain => !is_chinese(&one.text) && !one.call.is_some_and(|call| told.contains(&call)),
    });
    let texts = texts.map(|one| (normal(&one.text), one)).filter(|(text, one)| {
        let words = text.replace("{}", " ");
        let lower = |word: &str| word.chars().filter(char::is_ascii_lowercase).count() >= 2;
        let reads = words.split(|c: char| !c.is_ascii_alphabetic()).any(lower);
        reads && (text.contains(' ') || one.named || one.within == Within::Error)
    });
    (texts.map(|(text, _)| text).collect(), test_modules)
}

#[test]
fn texts_are_found_where_they_stand() {
    let source = r##"
        // "a comment is not read"
        #[error("{what} is broken: {0}")]
        #[doc = "not read either"]
        fn one<'a>(c: char) -> Result<(), E> {
            tracing::warn!(%c, "goes to the journal");
            let quote = ['"', '\'', '\u{22}'];
            let plain = format!("the value of {name} is \"{value}\"");
            both(0, "a text", "一段文字");
            quoting(0, "a text of two", "as in 《法》 and the like");
            E { reason: "missing".to_owned(), what: "name" }.expect("not read");
            const X: &str = r#"raw "words" here"#;
            y("begins here \
               and ends");
        }
        #[cfg(test)]
        mod apart;
        #[cfg(test)]
        mod tests { fn f() { g("not read in tests"); } }
        const LAST: &str = "behind the tests";
    "##;
    let (texts, modules) = texts_of(source);
    assert_eq!(
        texts,
        [
            "{} is broken: {}",
            "the value of {} is \"{}\"",
            "a text of two",
            "as in 《法》 and the like",
            "missing",
            "raw \"words\" here",
            "begins here and ends",
            "behind the tests",
        ]
    );
    assert_eq!(modules, ["apart"]);
}
