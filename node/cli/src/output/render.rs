//! Pages as text: aligned by display width (a Han character is two columns wide), coloured only on a terminal.

use comfy_table::{ColumnConstraint, ContentArrangement, TableStyle, Width};

use super::page::{Block, Cell, Page, Table, Tone};
use crate::environment::Environment;
use crate::language::Language;
use crate::texts::text;

/// Columns between two of a table.
const GAP: u16 = 2;
/// Columns that Han text needs at least: six characters.
const HAN_WIDTH: usize = 12;

/// How wide lines may be; unlimited when the output is not a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalWidth(Option<u16>);

impl TerminalWidth {
    /// The width of the terminal behind standard output, or what `COLUMNS` says.
    pub fn of(is_terminal: bool, environment: &Environment) -> Self {
        if !is_terminal {
            return Self(None);
        }
        let told = environment.text("COLUMNS").and_then(|text| text.parse().ok());
        let width = told.or_else(|| terminal_size::terminal_size().map(|(width, _)| width.0));
        // Under twenty columns nothing can be read anyway; the terminal may wrap.
        Self(width.filter(|width| *width >= 20))
    }
}

/// How a page is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// All columns.
    pub(super) wide: bool,
    /// With colour.
    pub(super) colour: bool,
    /// How wide.
    pub(super) width: TerminalWidth,
    /// Language of titles.
    pub(super) language: Language,
}

/// The page as text, each line ended.
pub(super) fn page(page: &Page, look: Look) -> String {
    let mut shown = String::new();
    for block in &page.blocks {
        match block {
            Block::Gap => {}
            Block::Heading(title) => shown.push_str(&paint(title, Tone::Plain, look.colour, true)),
            Block::Line(cells) => {
                let parts: Vec<_> = cells
                    .iter()
                    .filter(|cell| !cell.text().is_empty())
                    .map(|cell| paint(cell.text(), cell.tone(), look.colour, false))
                    .collect();
                shown.push_str(&parts.join("  "));
            }
            Block::Pairs(pairs) => shown.push_str(&pairs_text(pairs, look)),
            Block::Table(table) => shown.push_str(&table_text(table, look)),
        }
        shown.push('\n');
    }
    shown
}

fn pairs_text(pairs: &[(crate::texts::Key, Cell)], look: Look) -> String {
    let names: Vec<_> = pairs.iter().map(|(key, _)| text(*key, look.language)).collect();
    let widest = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
    let lines: Vec<_> = names
        .iter()
        .zip(pairs)
        .map(|(name, (_, value))| {
            let padding = " ".repeat(widest - display_width(name));
            format!("{name}{padding}  {}", paint(value.text(), value.tone(), look.colour, false))
        })
        .collect();
    lines.join("\n")
}

fn table_text(table: &Table, look: Look) -> String {
    let chosen: Vec<_> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| look.wide || !column.wide)
        .map(|(place, _)| place)
        .collect();
    let title = |place: usize| text(table.columns[place].title, look.language);
    let value = |row: &'_ Vec<Cell>, place: usize| {
        row.get(place).map_or(String::new(), |cell| cell.text().to_owned())
    };
    let least: Vec<u16> = chosen
        .iter()
        .map(|place| {
            let values = table.rows.iter().map(|row| least_width(&value(row, *place)));
            values.chain([least_width(title(*place))]).max().unwrap_or(0).saturating_add(GAP)
        })
        .collect();
    let mut grid = comfy_table::Table::new();
    grid.load_style(TableStyle::new());
    match look.width.0 {
        Some(width) if least.iter().map(|least| u32::from(*least)).sum::<u32>() > u32::from(width) => {
            return stacked(table, &chosen, look);
        }
        Some(width) => {
            grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            grid.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    grid.set_header(chosen.iter().map(|place| title(*place)));
    for row in &table.rows {
        grid.add_row(chosen.iter().map(|place| value(row, *place)));
    }
    for (column, least) in grid.column_iter_mut().zip(&least) {
        column.set_padding((0, GAP));
        if look.width.0.is_some() {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*least)));
        }
    }
    let lines: Vec<_> = grid.lines().map(|line| line.trim_end().to_owned()).collect();
    let mut lines = lines.into_iter();
    let header = lines.next().map(|line| paint(&line, Tone::Dim, look.colour, false));
    header.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// A table that is wider than the terminal even with broken lines: each row as pairs, what is empty left out.
fn stacked(table: &Table, chosen: &[usize], look: Look) -> String {
    let rows = table.rows.iter().map(|row| {
        let pairs = chosen.iter().filter_map(|place| {
            let cell = row.get(*place).filter(|cell| !cell.text().is_empty())?;
            Some((table.columns[*place].title, cell.clone()))
        });
        pairs_text(&pairs.collect::<Vec<_>>(), look)
    });
    rows.collect::<Vec<_>>().join("\n\n")
}

/// The narrowest column that cuts no word of Latin letters in two: it may be a code that a command takes. Han text may be
/// broken anywhere, and is read well enough at [`HAN_WIDTH`].
fn least_width(text: &str) -> u16 {
    let word_width = |word: &str| {
        let width = display_width(word);
        if word.is_ascii() { width } else { width.min(HAN_WIDTH) }
    };
    let widest = text.split_whitespace().map(word_width).max().unwrap_or(0);
    u16::try_from(widest).unwrap_or(u16::MAX)
}

/// Display width as comfy-table counts it, so that pairs and tables align alike.
fn display_width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

fn paint(text: &str, tone: Tone, colour: bool, bold: bool) -> String {
    let code = match (tone, bold) {
        (Tone::Plain, false) => "",
        (Tone::Plain, true) => "1",
        (Tone::Good, _) => "32",
        (Tone::Warning, _) => "33",
        (Tone::Bad, _) => "31",
        (Tone::Dim, _) => "2",
    };
    if colour && !code.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::page::{column, wide};
    use crate::texts::Key;

    fn look(colour: bool) -> Look {
        Look { wide: false, colour, width: TerminalWidth(None), language: Language::Zh }
    }

    #[test]
    fn han_characters_align_and_wide_columns_wait() {
        let mut table =
            Table::new(&[column("a", Key::Agency), column("b", Key::State), wide("c", Key::Region)]);
        table.row([Cell::new("财政厅"), Cell::new("在线"), Cell::new("150000")]);
        table.row([Cell::new("ab"), Cell::new("x"), Cell::new("150100")]);
        let mut sheet = Page::default();
        sheet.table(table);
        assert_eq!(page(&sheet, look(false)), "机关    状态\n财政厅  在线\nab      x\n");
    }

    #[test]
    fn colour_is_absent_unless_asked_for() {
        let mut sheet = Page::default();
        sheet.line([Cell::new("无应答").toned(Tone::Bad), Cell::empty()]);
        assert_eq!(page(&sheet, look(false)), "无应答\n");
        assert_eq!(page(&sheet, look(true)), "\u{1b}[31m无应答\u{1b}[0m\n");
    }
}
