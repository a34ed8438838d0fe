//! Headers that nobody knows and that are nearly one that is known: a misspelt column must not be left out of every
//! record of a file.

use super::header_normalise;

/// Shortest Chinese header that is compared: among shorter ones different words differ in one character.
const CHINESE_SHORTEST: usize = 4;
/// Shortest key or English header that is compared: keys of one letter's difference mean different fields.
const LATIN_SHORTEST: usize = 10;

/// Whether an unknown header seems to be meant as a known one: one character is missing, added, wrong or swapped with its
/// neighbour, or what stands in brackets differs.
pub(super) fn header_is_near(unknown: &str, known: &str) -> bool {
    let (unknown, known) = (header_normalise(unknown), header_normalise(known));
    if unknown.is_ascii() || known.is_ascii() {
        return [&unknown, &known].iter().all(|header| {
            header.len() >= LATIN_SHORTEST && header.bytes().all(|byte| byte.is_ascii_alphabetic())
        }) && is_one_edit(&unknown, &known);
    }
    let (base, other) = (base_of(&unknown), base_of(&known));
    [base, other].iter().all(|base| base.chars().count() >= CHINESE_SHORTEST)
        && (base == other || is_one_edit(&unknown, &known))
}

/// The header before its brackets.
fn base_of(header: &str) -> &str {
    header.split('(').next().unwrap_or_default()
}

/// Whether one edit turns one text into the other. Numbers tell columns apart (处罚类别, 处罚类别2), so no edit touches a
/// digit.
fn is_one_edit(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = one.iter().zip(&other).take_while(|(left, right)| left == right).count();
    let (left, right) = (&one[same..], &other[same..]);
    let is_digit = |rest: &[char]| rest.first().is_some_and(char::is_ascii_digit);
    if is_digit(left) || is_digit(right) {
        return false;
    }
    match (left, right) {
        ([first, second, left @ ..], [third, fourth, right @ ..])
            if first == fourth && second == third && left == right =>
        {
            true
        }
        ([_, left @ ..], [_, right @ ..]) if left == right => true,
        ([_, left @ ..], right) | (right, [_, left @ ..]) if left == right => true,
        _ => matches!((left, right), ([], [_]) | ([_], [])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_headers_are_near_and_other_columns_are_not() {
        for (unknown, known) in [
            ("公示截止期限", "公示截止期"),
            ("公示截至期", "公示截止期"),
            ("公示止截期", "公示截止期"),
            ("示截止期", "公示截止期"),
            ("罚款金额（人民币万元）", "罚款金额(万元)"),
            ("行政处罚决定书号", "行政处罚决定书文号"),
            ("证件号码(法人)", "证件号码"),
            ("处罚机构统一社会信用代码", "处罚机关统一社会信用代码"),
            ("PUNISHMENT_CONTENTS", "PUNISHMENT_CONTENT"),
        ] {
            assert!(header_is_near(unknown, known), "{unknown}");
            assert!(header_is_near(known, unknown), "{known}");
        }
        for (unknown, known) in [
            ("行政处罚决定书名称", "行政处罚决定书文号"),
            ("处罚类别3", "处罚类别2"),
            ("处罚类别3", "处罚类别"),
            ("备注一", "备注"),
            ("xy020105", "xy020102"),
            ("cf_sjc", "cf_sjly"),
            ("违法行为", "违法行为类型"),
            ("案由", "案号"),
        ] {
            assert!(!header_is_near(unknown, known), "{unknown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_headers_compare(one in "[公示截止期限(万元)]{0,8}|.{0,12}", other in "[公示截止期限(万元)]{0,8}|.{0,12}") {
            proptest::prop_assert_eq!(header_is_near(&one, &other), header_is_near(&other, &one));
        }
    }
}
