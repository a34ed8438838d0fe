//! Spans of time as people type them: `500ms`, `5s`, `10m`, `24h`, `7d`.

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Milliseconds; at most ten years.
    pub milliseconds: u64,
}

/// Longest span: ten years. Nothing here is meant for longer, and sums with times cannot overflow.
const LONGEST: u64 = 10 * 366 * 24 * 3_600 * 1_000;

impl Span {
    /// Whole seconds, rounded down.
    pub fn seconds(self) -> u64 {
        self.milliseconds / 1_000
    }
}

impl std::str::FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a number and a unit: 500ms, 5s, 10m, 24h or 7d";
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let scale = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong),
        };
        let milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(scale))
            .filter(|span| (1..=LONGEST).contains(span))
            .ok_or(wrong)?;
        Ok(Self { milliseconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit_and_an_end() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.milliseconds);
        assert_eq!(span("500ms"), Ok(500));
        assert_eq!(span("5s"), Ok(5_000));
        assert_eq!(span("7d"), Ok(604_800_000));
        for bad in ["", "5", "s", "0s", "-5s", "5 s", "5w", "99999999999999999999d", "4000d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
