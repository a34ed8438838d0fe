//! Single values: what is absent, what a day is, what an amount is, in the spellings of real files.

pub mod date;
pub mod money;
pub mod penalty_kind;
pub mod person;

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

/// Whether the text is an error value as a spreadsheet program writes it into CSV (`#N/A`, `#REF!`), or the hashes it
/// shows where a column is too narrow for the value.
pub fn is_spreadsheet_error(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('#') else { return false };
    matches!(
        rest.to_ascii_uppercase().as_str(),
        "N/A" | "REF!" | "VALUE!" | "DIV/0!" | "NAME?" | "NULL!" | "NUM!" | "SPILL!" | "CALC!" | "FIELD!"
    ) || (!rest.is_empty() && rest.bytes().all(|byte| byte == b'#'))
}

/// Whether the text is a number with an exponent and its sign (`1.50102E+14`): how Excel writes a long number into CSV,
/// without the digits it does not show.
pub fn is_spreadsheet_exponent(text: &str) -> bool {
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return false;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((number, exponent)) = text.split_once(['E', 'e']) else { return false };
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    whole.len() == 1
        && digits(whole)
        && digits(fraction)
        && exponent.strip_prefix(['+', '-']).is_some_and(digits)
}

/// The text on one line. A break in a Chinese text stands for nothing, one between two Latin words for a space.
pub fn lines_join(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for part in text.split(['\n', '\r', '\t']).map(|part| part.trim_matches(is_space)) {
        if joined.ends_with(|last: char| last.is_ascii_graphic())
            && part.starts_with(|first: char| first.is_ascii_graphic())
        {
            joined.push(' ');
        }
        joined.push_str(part);
    }
    joined
}

/// How many decimal digits the text holds, of either width.
pub fn digit_count(text: &str) -> usize {
    text.chars().filter(|symbol| fold(*symbol).is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_wrote_for_lost_values_is_told_from_text() {
        for text in ["#N/A", "#n/a", "#REF!", "#DIV/0!", "########"] {
            assert!(is_spreadsheet_error(text), "{text}");
        }
        for text in ["1.50102E+14", "9E+17", "2e-05", "-1.5E+20"] {
            assert!(is_spreadsheet_exponent(text), "{text}");
        }
        for text in
            ["#", "#1", "#N/A 待查", "1.5E14", "E+14", "15.0E+14", "1.E+2", "1E+", "甲E+1", "1.5E+1号"]
        {
            assert!(!is_spreadsheet_error(text) && !is_spreadsheet_exponent(text), "{text}");
        }
    }

    #[test]
    fn broken_lines_become_one() {
        assert_eq!(lines_join("示例建设\n有限公司"), "示例建设有限公司");
        assert_eq!(lines_join("Example\r\n Trading\tLtd"), "Example Trading Ltd");
        assert_eq!(lines_join("\n示例\n\n(2026)\n1号"), "示例(2026) 1号");
    }

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
