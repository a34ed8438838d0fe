//! Single values: what is absent, what a day is, what an amount is, in the spellings of real files.

pub mod date;
pub mod money;
pub mod penalty_kind;

/// Spellings of "nothing" that real files use (formats reference, data-quality traps).
const NULLS: [&str; 9] = ["", "-", "--", "/", "无", "nan", "null", "none", "查询期内无相关信息"];

/// Longest spelling of "nothing" in bytes, with room for space around and between: longer texts are values.
const NULL_BYTES: usize = 60;

/// Whether the text is one of the spellings of an absent value: empty, dashes of any kind and number, `/`, 无, `nan`.
pub fn is_null(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    // Nearly every value is told by its first character, without looking further.
    if text.len() > NULL_BYTES || text.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let mut folded = String::new();
    for symbol in text.chars().filter(|symbol| !is_space(*symbol)) {
        match symbol {
            // Em dash, en dash, horizontal bar, box drawing, minus, full-width hyphen.
            '—' | '–' | '―' | '─' | '−' | '－' => folded.push('-'),
            other => folded.push(fold(other).to_ascii_lowercase()),
        }
    }
    NULLS.contains(&folded.as_str()) || (!folded.is_empty() && folded.chars().all(|symbol| symbol == '-'))
}

/// Space of any kind, including the ideographic, the no-break and the zero-width ones.
pub fn is_space(symbol: char) -> bool {
    symbol.is_whitespace() || matches!(symbol, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
}

/// The half-width form of a full-width ASCII character.
pub fn fold(symbol: char) -> char {
    match symbol {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(symbol) - 0xFEE0).unwrap_or(symbol),
        '\u{3000}' => ' ',
        other => other,
    }
}

/// The text with full-width ASCII made half-width and surrounding space removed.
pub fn text_fold(text: &str) -> String {
    text.trim_matches(is_space).chars().map(fold).collect()
}

/// How many decimal digits the text holds, of either width.
pub fn digit_count(text: &str) -> usize {
    text.chars().filter(|symbol| fold(*symbol).is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_spellings_are_absent_and_values_are_not() {
        for text in [
            "",
            "  ",
            "— —",
            "——",
            "—",
            "-",
            "－",
            "/",
            "／",
            "无",
            "nan",
            "NaN",
            "NULL",
            "查询期内无相关信息",
        ] {
            assert!(is_null(text), "{text:?}");
        }
        for text in ["0", "无锡市", "-1", "a/b", "— 1"] {
            assert!(!is_null(text), "{text:?}");
        }
    }
}
