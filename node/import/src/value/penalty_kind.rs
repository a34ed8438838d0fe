//! The penalty category of a cell: codes of the 2018 set, words, or several of either.

use super::text_fold;

/// Code 0 to 6 of the 2018 reporting system (formats reference, penalty category). A code that names two kinds
/// becomes two.
const CODES: [&[&str]; 7] = [
    &["警告"],
    &["罚款"],
    &["没收违法所得", "没收非法财物"],
    &["责令停产停业"],
    &["暂扣或者吊销许可证", "暂扣或者吊销执照"],
    &["行政拘留"],
    &["其他"],
];

/// A number that is none of the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPenaltyCode;

/// The kinds in one cell, in order and without repetition. Separators are 、 ， , ; ； and line ends, outside brackets;
/// an explanation appended to 其他 stays with it.
pub fn penalty_kinds_parse(text: &str) -> Result<Vec<String>, UnknownPenaltyCode> {
    let mut kinds: Vec<String> = Vec::new();
    let mut kind_add = |kind: &str| {
        if !kind.is_empty() && !kinds.iter().any(|known| known == kind) {
            kinds.push(kind.to_owned());
        }
    };
    for part in parts_split(text) {
        let folded = text_fold(part);
        if folded.bytes().all(|byte| byte.is_ascii_digit()) && !folded.is_empty() {
            let code = folded.parse::<usize>().map_err(|_| UnknownPenaltyCode)?;
            CODES.get(code).ok_or(UnknownPenaltyCode)?.iter().copied().for_each(&mut kind_add);
        } else {
            kind_add(part.trim());
        }
    }
    Ok(kinds)
}

fn parts_split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (index, symbol) in text.char_indices() {
        match symbol {
            '(' | '（' | '〔' | '[' | '【' => depth = depth.saturating_add(1),
            ')' | '）' | '〕' | ']' | '】' => depth = depth.saturating_sub(1),
            '、' | '，' | ',' | ';' | '；' | '\n' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + symbol.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_become_a_set() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(penalty_kinds_parse(text).expect(text), expected, "{text}");
        };
        check("警告、罚款", &["警告", "罚款"]);
        check("0,1；2", &["警告", "罚款", "没收违法所得", "没收非法财物"]);
        check("１", &["罚款"]);
        check("罚款，罚款", &["罚款"]);
        check("其他（责令改正、公开道歉）", &["其他（责令改正、公开道歉）"]);
        check("其他-责令改正;罚款", &["其他-责令改正", "罚款"]);
        assert_eq!(penalty_kinds_parse("7"), Err(UnknownPenaltyCode));
        assert_eq!(penalty_kinds_parse("罚款、12"), Err(UnknownPenaltyCode));
        check("、", &[]);
    }
}
