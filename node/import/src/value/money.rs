//! Amounts in cells: a number, the unit of its column, and sometimes a unit of its own.

use chengxin_schemas::money::{MoneyUnit, Yuan};

use super::{is_space, text_fold};

/// Why a cell is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyProblem {
    /// Not a plain non-negative number.
    Form,
    /// The cell names a unit other than its column's; holds the cell's.
    UnitConflict(&'static str),
    /// Neither column nor cell names a unit.
    UnitMissing,
    /// Finer than one fen.
    TooFine,
    /// Larger than any amount.
    TooLarge,
}

/// The Chinese name of a unit.
pub fn unit_name(unit: MoneyUnit) -> &'static str {
    match unit {
        MoneyUnit::Yuan => "元",
        MoneyUnit::TenThousandYuan => "万元",
    }
}

/// Unit words at the end of a cell, longest first. No column is in 亿元, so that always conflicts.
const UNITS: [(&str, &str, Option<MoneyUnit>); 6] = [
    ("亿元", "亿元", None),
    ("万元", "万元", Some(MoneyUnit::TenThousandYuan)),
    ("元整", "元", Some(MoneyUnit::Yuan)),
    ("亿", "亿元", None),
    ("万", "万元", Some(MoneyUnit::TenThousandYuan)),
    ("元", "元", Some(MoneyUnit::Yuan)),
];

/// Reads an amount. `column` is the unit the header names, if it names one. A number without any unit is refused,
/// never guessed.
pub fn money_parse(text: &str, column: Option<MoneyUnit>) -> Result<Yuan, MoneyProblem> {
    let folded: String = text_fold(text).chars().filter(|symbol| !is_space(*symbol)).collect();
    let folded = folded.strip_prefix("人民币").unwrap_or(&folded);
    let folded = folded.trim_start_matches(['¥', '￥']);
    let (number, cell) = UNITS
        .iter()
        .find_map(|(suffix, name, unit)| {
            folded.strip_suffix(suffix).map(|number| (number, Some((*name, *unit))))
        })
        .unwrap_or((folded, None));
    if !number_is_plain(number) {
        return Err(MoneyProblem::Form);
    }
    let unit = match (column, cell) {
        (Some(column), None) => column,
        (Some(column), Some((_, Some(cell)))) if column == cell => column,
        (None, Some((_, Some(cell)))) => cell,
        (_, Some((name, _))) => return Err(MoneyProblem::UnitConflict(name)),
        (None, None) => return Err(MoneyProblem::UnitMissing),
    };
    Yuan::parse(number, unit).map_err(|_| {
        // The form was checked above, so only precision and size are left.
        let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len());
        let finest = match unit {
            MoneyUnit::Yuan => 2,
            MoneyUnit::TenThousandYuan => 6,
        };
        if decimals > finest { MoneyProblem::TooFine } else { MoneyProblem::TooLarge }
    })
}

/// Digits with at most one decimal point, and separators only between groups of three: `1,23` could be a decimal
/// comma and is nothing here.
fn number_is_plain(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let mut grouped = false;
    let rest_fits = groups.all(|group| {
        grouped = true;
        group.len() == 3 && digits(group)
    });
    digits(first) && digits(fraction) && rest_fits && (!grouped || first.len() <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAN: Option<MoneyUnit> = Some(MoneyUnit::TenThousandYuan);
    const YUAN: Option<MoneyUnit> = Some(MoneyUnit::Yuan);

    #[test]
    fn units_of_column_and_cell_agree_or_conflict() {
        let amount = |text, unit| money_parse(text, unit).map(|yuan| yuan.to_string());
        assert_eq!(amount("5", WAN).as_deref(), Ok("50000.00"));
        assert_eq!(amount("5 万元", WAN).as_deref(), Ok("50000.00"));
        assert_eq!(amount("５．５万", WAN).as_deref(), Ok("55000.00"));
        assert_eq!(amount("1,234.5", YUAN).as_deref(), Ok("1234.50"));
        assert_eq!(amount("¥300元整", YUAN).as_deref(), Ok("300.00"));
        assert_eq!(amount("2万元", None).as_deref(), Ok("20000.00"));
        assert_eq!(amount("0", WAN).as_deref(), Ok("0.00"));
        assert_eq!(amount("500元", WAN), Err(MoneyProblem::UnitConflict("元")));
        assert_eq!(amount("1亿元", WAN), Err(MoneyProblem::UnitConflict("亿元")));
        assert_eq!(amount("5", None), Err(MoneyProblem::UnitMissing));
        for text in ["-5", "1,23", "1,2345", "12,34,567", "1e3", "五万", "5美元", "1.2.3", "万元", ".5", "5."]
        {
            assert_eq!(amount(text, WAN), Err(MoneyProblem::Form), "{text}");
        }
        assert_eq!(amount("0.0000001", WAN), Err(MoneyProblem::TooFine));
        assert_eq!(amount("1.001", YUAN), Err(MoneyProblem::TooFine));
        assert_eq!(amount("99999999999999999999", WAN), Err(MoneyProblem::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_amount_or_not(text in "[0-9,.万元亿 -]{0,24}|.{0,16}") {
            let _ = money_parse(&text, WAN);
            let _ = money_parse(&text, None);
        }
    }
}
