//! Foreign text made harmless for terminals, spreadsheets and JSON readers.
//!
//! A subject's name, a peer's reason or a file's header is written by somebody else. Escape sequences in it could
//! recolour "refused" into "answered", and a cell that begins with `=` runs as a formula in a spreadsheet.

/// The text with every control and direction-changing character replaced by U+FFFD; line breaks and tabs become one
/// blank, so a value cannot pretend to be a further row.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|symbol| match symbol {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            symbol if is_harmful(symbol) => '\u{FFFD}',
            symbol => symbol,
        })
        .collect()
}

/// Control characters (C0, DEL, C1), and the characters that reorder or hide text (bidirectional controls,
/// zero-width ones, byte order mark, tags).
fn is_harmful(symbol: char) -> bool {
    symbol.is_control()
        || matches!(
            symbol,
            '\u{061C}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

/// A spreadsheet cell that no program runs: a text that begins like a formula gets an apostrophe in front, which
/// spreadsheets take as "this is text" (ux rule for exports; the same that importers of this product take off).
pub fn cell_guard(text: &str) -> String {
    let text = clean(text);
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        Some(_) | None => text,
    }
}

/// JSON whose strings hold harmful characters only as `\u` escapes: same value for a parser, nothing to obey for a
/// terminal. JSON itself escapes C0 already; outside strings none of these characters can stand.
pub fn json_escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for symbol in json.chars() {
        if symbol != '\n' && is_harmful(symbol) {
            let mut units = [0_u16; 2];
            for unit in symbol.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(symbol);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_reordering_do_not_reach_the_terminal() {
        assert_eq!(clean("示例\u{1b}[2K公司"), "示例\u{FFFD}[2K公司");
        assert_eq!(clean("a\nb\tc"), "a b c");
        assert_eq!(clean("\u{202E}abc\u{9b}31m"), "\u{FFFD}abc\u{FFFD}31m");
        assert_eq!(clean("示例（内蒙古）·有限公司"), "示例（内蒙古）·有限公司");
    }

    #[test]
    fn formulas_become_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|x", "\t=1", "＝1"] {
            assert!(cell_guard(formula).starts_with('\''), "{formula:?}");
        }
        assert_eq!(cell_guard("91320100748204660Q"), "91320100748204660Q");
        assert_eq!(cell_guard(""), "");
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({ "name": "a\u{9b}b\u{202e}c\u{e0001}\u{7f}", "zh": "诚信" });
        let text = json_escape(&serde_json::to_string_pretty(&value).expect("json"));
        assert!(!text.chars().any(|symbol| symbol != '\n' && is_harmful(symbol)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("json"), value);
    }
}
