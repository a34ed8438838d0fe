//! One row of a sheet as it stands in the file: texts, and what the text alone does not tell.

/// Excel keeps 15 significant digits; a longer whole number has lost its last ones.
pub(crate) const EXACT_NUMBER: f64 = 1e15;

/// What a workbook says about a cell beside its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CellKind {
    /// A number, which Excel keeps to 15 significant digits.
    Number(f64),
    /// A date cell; the text is ISO 8601.
    Date,
    /// A formula: only its last result is in the file, and nobody vouches for that.
    Formula,
    /// An error value such as `#N/A`.
    Error,
}

/// The cells of one row in one allocation.
#[derive(Clone, Default, PartialEq)]
pub struct Cells {
    text: String,
    ends: Vec<usize>,
    /// Only cells that are not plain text, in column order.
    kinds: Vec<(usize, CellKind)>,
}

impl Cells {
    /// Removes all cells and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.kinds.clear();
    }

    /// Adds a text cell.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Adds a cell of another kind.
    pub fn push_kind(&mut self, text: &str, kind: CellKind) {
        self.kinds.push((self.ends.len(), kind));
        self.push(text);
    }

    /// How many cells the row has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the row has no cell.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether no cell holds more than space.
    pub fn is_blank(&self) -> bool {
        self.kinds.is_empty() && self.text.trim().is_empty()
    }

    /// Bytes of text in the row.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Whether a cell contains `part`.
    pub fn contains(&self, part: &str) -> bool {
        self.text.contains(part) && self.iter().any(|cell| cell.contains(part))
    }

    /// The text of a cell; empty beyond the last.
    pub fn text(&self, index: usize) -> &str {
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => match self.ends.get(before) {
                Some(end) => *end,
                None => return "",
            },
        };
        self.ends.get(index).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    /// What the workbook says about a cell that is not plain text.
    pub fn kind(&self, index: usize) -> Option<CellKind> {
        self.kinds.iter().find(|(column, _)| *column == index).map(|(_, kind)| *kind)
    }

    /// Columns whose text is not what somebody typed.
    pub(crate) fn unreliable(&self) -> Vec<usize> {
        let lost = |kind: &CellKind| match kind {
            CellKind::Formula | CellKind::Error => true,
            CellKind::Number(number) => number.abs() >= EXACT_NUMBER,
            CellKind::Date => false,
        };
        self.kinds.iter().filter(|(_, kind)| lost(kind)).map(|(column, _)| *column).collect()
    }

    /// All texts in column order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.text(index))
    }
}

/// Cells may be personal.
impl std::fmt::Debug for Cells {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cells({})", self.len())
    }
}

/// The letters of a column as spreadsheets show them: 0 is A, 26 is AA.
pub fn column_letter(index: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = index;
    loop {
        letters.push(b'A' + u8::try_from(rest % 26).unwrap_or_default());
        match (rest / 26).checked_sub(1) {
            Some(next) => rest = next,
            None => break,
        }
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_by_index() {
        let mut cells = Cells::default();
        cells.push("甲");
        cells.push_kind("3", CellKind::Number(3.0));
        cells.push("");
        assert_eq!(cells.iter().collect::<Vec<_>>(), ["甲", "3", ""]);
        assert_eq!((cells.text(1), cells.text(7), cells.kind(1)), ("3", "", Some(CellKind::Number(3.0))));
        assert_eq!(cells.kind(0), None);
        assert!(!cells.is_blank());
    }

    #[test]
    fn letters_go_on_after_z() {
        for (index, letters) in
            [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")]
        {
            assert_eq!(column_letter(index), letters);
        }
    }
}
