//! Pages as text: aligned by display width (a Han character is two columns wide), coloured only on a terminal.

use comfy_table::{ContentArrangement, TableStyle};

use super::page::{Block, Cell, Page, Table, Tone};
use super::wrap::{least_width, widths, wrapped};
use crate::environment::Environment;
use crate::language::Language;
use crate::texts::text;

/// Columns between two of a table.
const GAP: u16 = 2;

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

/// What was printed of a list before: its titles are not printed again, and its columns stay at least as wide. A page with
/// a wider value has wider columns from there on, since nobody knew of it before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Following {
    /// Whether a page of the list was printed.
    pub(super) begun: bool,
    /// Display width of each column of its table.
    widths: Vec<usize>,
}

/// The page as text, each line ended.
pub(super) fn page(page: &Page, look: Look, following: &mut Following) -> String {
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
            Block::Table(table) => shown.push_str(&table_text(table, look, following)),
        }
        shown.push('\n');
    }
    shown
}

impl Following {
    /// Whether a page of the list was printed.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Titles that are as wide as the columns were before; and notes how wide they are.
    fn widen(&mut self, titles: Vec<String>, rows: &[Vec<String>]) -> Vec<String> {
        let wide = |text: &str| text.lines().map(display_width).max().unwrap_or(0);
        self.widths.resize(titles.len(), 0);
        let columns = titles.into_iter().enumerate().map(|(place, title)| {
            let values = rows.iter().filter_map(|row| row.get(place)).map(|value| wide(value));
            let widest = values.chain([wide(&title), self.widths[place]]).max().unwrap_or(0);
            self.widths[place] = widest;
            if self.begun {
                // The first line decides the width; a title is at least one.
                let (first, rest) =
                    title.split_once('\n').map_or((title.as_str(), None), |(a, b)| (a, Some(b)));
                let padding = " ".repeat(widest.saturating_sub(display_width(first)));
                rest.map_or_else(|| format!("{first}{padding}"), |rest| format!("{first}{padding}\n{rest}"))
            } else {
                title
            }
        });
        columns.collect()
    }
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

fn table_text(table: &Table, look: Look, following: &mut Following) -> String {
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
    let titles: Vec<_> = chosen.iter().map(|place| title(*place).to_owned()).collect();
    let rows: Vec<Vec<_>> =
        table.rows.iter().map(|row| chosen.iter().map(|place| value(row, *place)).collect()).collect();
    let Some((titles, rows)) = fitted(titles, rows, look.width) else {
        return stacked(table, &chosen, look);
    };
    let titles = following.widen(titles, &rows);
    let titles_end = titles.iter().map(|title| title.lines().count()).max().unwrap_or(0);
    let skipped = if following.begun { titles_end } else { 0 };
    let mut grid = comfy_table::Table::new();
    grid.load_style(TableStyle::new());
    grid.set_content_arrangement(ContentArrangement::Disabled);
    grid.set_header(titles);
    grid.add_rows(rows);
    for column in grid.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    let lines = grid.lines().enumerate().skip(skipped).map(|(place, line)| {
        let tone = if place < titles_end { Tone::Dim } else { Tone::Plain };
        paint(line.trim_end(), tone, look.colour, false)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Titles and rows with lines broken so that the table is not wider than the terminal. None if it cannot be.
fn fitted(
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
    width: TerminalWidth,
) -> Option<(Vec<String>, Vec<Vec<String>>)> {
    let Some(width) = width.0 else {
        return Some((titles, rows));
    };
    let widest = |of_title: fn(&str) -> usize, of_value: fn(&str) -> usize| -> Vec<usize> {
        let columns = titles.iter().enumerate().map(|(place, title)| {
            let values = rows.iter().filter_map(|row| row.get(place)).map(|value| of_value(value));
            values.chain([of_title(title)]).max().unwrap_or(0)
        });
        columns.collect()
    };
    let gaps = titles.len().saturating_mul(usize::from(GAP));
    let room = usize::from(width).checked_sub(gaps)?;
    let most = widest(display_width, display_width);
    // Titles are broken only where the table would not fit otherwise.
    let widths = widths(&widest(display_width, least_width), &most, room)
        .or_else(|| widths(&widest(least_width, least_width), &most, room))?;
    let broken = |texts: Vec<String>| -> Vec<String> {
        texts.iter().zip(&widths).map(|(text, width)| wrapped(text, *width)).collect()
    };
    Some((broken(titles), rows.into_iter().map(broken).collect()))
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

/// Display width as comfy-table counts it, so that pairs and tables align alike.
pub(super) fn display_width(text: &str) -> usize {
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
        assert_eq!(
            page(&sheet, look(false), &mut Following::default()),
            "机关    状态\n财政厅  在线\nab      x\n"
        );
    }

    #[test]
    fn colour_is_absent_unless_asked_for() {
        let mut sheet = Page::default();
        sheet.line([Cell::new("无应答").toned(Tone::Bad), Cell::empty()]);
        assert_eq!(page(&sheet, look(false), &mut Following::default()), "无应答\n");
        assert_eq!(page(&sheet, look(true), &mut Following::default()), "\u{1b}[31m无应答\u{1b}[0m\n");
    }
}
