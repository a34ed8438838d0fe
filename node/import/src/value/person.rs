//! Numbers that are or may be a person's, wherever they stand. These look at form where a check cannot decide: it is
//! better to ask about a company's number than to publish a person's.

use chengxin_schemas::organisation_code::organisation_code_holds;
use chengxin_schemas::resident_id::ResidentId;
use chengxin_schemas::unified_code::UnifiedCode;
use jiff::civil::Date;

/// Whether the text, in half-width capitals without space, is a resident identity number or one with a mistyped check:
/// eighteen characters with a date of birth in them that are no valid code.
pub fn is_resident_shaped(text: &str) -> bool {
    if ResidentId::parse(text).is_ok() {
        return true;
    }
    let Some((digits, [check])) = text.as_bytes().split_at_checked(17) else { return false };
    digits.iter().all(u8::is_ascii_digit)
        && (check.is_ascii_digit() || *check == b'X')
        && date_is_possible(&text[6..10], &text[10..14])
        && UnifiedCode::parse(text).is_err()
}

/// Whether a text, which has asterisks in it, is a resident identity number with some of its characters masked: as long as
/// those of today or of before 1999, and of their characters where it shows one.
pub fn is_masked_resident(text: &str) -> bool {
    let Some((check, digits)) = text.as_bytes().split_last() else { return false };
    let shows = |byte: &u8| byte.is_ascii_digit() || *byte == b'*';
    digits.iter().all(shows)
        && match text.len() {
            18 => shows(check) || check.eq_ignore_ascii_case(&b'X'),
            15 => shows(check),
            _ => false,
        }
}

/// Whether a text is a resident number of the form of before 1999: fifteen digits, the year of birth in two of them.
pub fn is_old_resident_shaped(text: &str) -> bool {
    text.len() == 15
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && date_is_possible(&format!("19{}", &text[6..8]), &text[8..12])
}

/// Whether a tax number is a person's: the old number of a sole trader is the owner's resident number with or without
/// two more digits. Fifteen digits alone are not told: every company's old tax number has as many, see
/// [`is_company_tax_number`].
pub fn is_resident_tax_number(text: &str) -> bool {
    if is_resident_shaped(text) {
        return true;
    }
    text.len().checked_sub(2).and_then(|length| text.split_at_checked(length)).is_some_and(
        |(number, rest)| {
            rest.bytes().all(|byte| byte.is_ascii_digit())
                && (is_resident_shaped(number) || is_old_resident_shaped(number))
        },
    )
}

/// Whether a tax number can be a company's of the form of before 2015: six digits of the region, then the organisation code
/// with its check character.
pub fn is_company_tax_number(text: &str) -> bool {
    text.split_at_checked(6).is_some_and(|(region, code)| {
        region.bytes().all(|byte| byte.is_ascii_digit()) && organisation_code_holds(code)
    })
}

/// Whether somebody can be born on a day given as `YYYY` and `MMDD`.
fn date_is_possible(year: &str, month_day: &str) -> bool {
    let (month, day) = month_day.split_at(2);
    let (Ok(year), Ok(month), Ok(day)) = (year.parse::<i16>(), month.parse(), day.parse()) else {
        return false;
    };
    (1800..=2100).contains(&year) && Date::new(year, month, day).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_numbers_are_told_with_and_without_a_right_check() {
        for text in ["11010519491231002X", "110105194912310021", "440524188001010014"] {
            assert!(is_resident_shaped(text), "{text}");
            assert!(is_resident_tax_number(text) && is_resident_tax_number(&format!("{text}01")), "{text}");
        }
        for text in [
            "914403001922038216",
            "91320100748204660Q",
            "110105194913310021",
            "1101051949",
            "",
            "甲乙丙丁戊己",
        ] {
            assert!(!is_resident_shaped(text) && !is_resident_tax_number(text), "{text}");
        }
        assert!(is_resident_tax_number("11010549123100201"));
        assert!(is_old_resident_shaped("110105491231002") && !is_old_resident_shaped("110105991331002"));
    }

    #[test]
    fn masked_resident_numbers_are_told_by_length_and_characters() {
        for text in ["1101051949****002X", "110105********002x", "******************", "110105******002"] {
            assert!(is_masked_resident(text), "{text}");
        }
        for text in
            ["", "*", "E12****78", "1101****002X", "11010549****02X", "张某某***", "X*****************"]
        {
            assert!(!is_masked_resident(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_told(text in "[0-9X]{13,21}|.{0,20}") {
            let _ = (is_resident_shaped(&text), is_old_resident_shaped(&text));
            let _ = is_resident_tax_number(&text);
            let _ = (is_company_tax_number(&text), is_masked_resident(&text));
        }
    }
}
