//! Text broken into lines by display width. What is written in ASCII stays whole: it may be a code that a command takes.
//! Any other text may be broken after each character, as Han text is, but no line begins with a closing sign.

use super::render::display_width;

/// Columns that Han text needs at least: six characters.
const HAN_WIDTH: usize = 12;
/// Signs that stand at the end of a line, never at the beginning of one.
const CLOSING: &str = "、，。；：！？）》〉」』】〕”’…";

/// A part of a text that is not broken, and whether a blank stands before it.
struct Piece<'t> {
    text: &'t str,
    spaced: bool,
}

fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.split_whitespace().flat_map(|word| {
        let mut ends: Vec<usize> = Vec::new();
        let mut before = None;
        for (at, symbol) in word.char_indices() {
            let breaks = |before: char| !(before.is_ascii() && symbol.is_ascii() || is_bound(symbol));
            if before.is_some_and(breaks) {
                ends.push(at);
            }
            before = Some(symbol);
        }
        ends.push(word.len());
        let begins: Vec<usize> = [0].into_iter().chain(ends.iter().copied()).collect();
        begins
            .into_iter()
            .zip(ends)
            .filter_map(|(begin, end)| Some(Piece { text: word.get(begin..end)?, spaced: begin == 0 }))
    })
}

/// Whether a character stays with the one before it: a closing sign, and what has no width of its own.
fn is_bound(symbol: char) -> bool {
    CLOSING.contains(symbol) || display_width(symbol.encode_utf8(&mut [0; 4])) == 0
}

/// The narrowest column in which no piece of a text is cut, and in which Han text is read well enough.
pub(super) fn least_width(text: &str) -> usize {
    let widest = pieces(text).map(|piece| display_width(piece.text)).max().unwrap_or(0);
    let han = if text.is_ascii() { 0 } else { display_width(text).min(HAN_WIDTH) };
    widest.max(han)
}

/// The text in lines of at most `width` columns. A piece that is wider stands in a line of its own.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let (mut lines, mut used) = (String::new(), 0_usize);
    for piece in pieces(text) {
        let blank = usize::from(piece.spaced && used > 0);
        let wide = display_width(piece.text);
        let next = used.saturating_add(blank).saturating_add(wide);
        if used > 0 && next > width {
            lines.push('\n');
            used = wide;
        } else {
            lines.push_str(if blank > 0 { " " } else { "" });
            used = next;
        }
        lines.push_str(piece.text);
    }
    lines
}

/// Widths for columns that need `least` and would take `most` columns each: as much as `room` allows, in equal parts for
/// those that want more. None if there is not even room for what is needed.
pub(super) fn widths(least: &[usize], most: &[usize], room: usize) -> Option<Vec<usize>> {
    let mut left = room.checked_sub(least.iter().sum())?;
    let mut widths = least.to_vec();
    loop {
        let wanting = widths.iter().zip(most).filter(|(width, most)| width < most).count();
        if wanting == 0 || left == 0 {
            return Some(widths);
        }
        let share = (left / wanting).max(1);
        for (width, most) in widths.iter_mut().zip(most) {
            let more = most.saturating_sub(*width).min(share).min(left);
            *width = width.saturating_add(more);
            left = left.saturating_sub(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_in_a_list_stay_whole() {
        let codes = "restrict-demonstration-designation、restrict-procurement、限制贷款";
        let whole = "restrict-demonstration-designation";
        assert_eq!(least_width(codes), whole.len() + 2);
        for width in least_width(codes)..80 {
            let lines = wrapped(codes, width);
            assert!(lines.contains(whole) && lines.contains("restrict-procurement"), "{lines}");
            assert!(lines.lines().all(|line| display_width(line) <= width), "{width}: {lines}");
            assert_eq!(lines.replace('\n', ""), codes, "nothing is lost");
        }
    }

    #[test]
    fn han_text_breaks_after_any_character_but_not_before_a_closing_sign() {
        assert_eq!(
            wrapped("《中华人民共和国政府采购法》第二十二条", 12),
            "《中华人民共\n和国政府采购\n法》第二十二\n条"
        );
        assert_eq!(wrapped("一二三四五六。", 12), "一二三四五\n六。");
        assert_eq!(wrapped("the level is above", 12), "the level is\nabove");
        assert_eq!(wrapped("a b", 3), "a b");
        assert_eq!((least_width("一二三四五六七"), least_width("一二"), least_width("")), (HAN_WIDTH, 4, 0));
    }

    #[test]
    fn a_piece_wider_than_its_line_has_one_of_its_own() {
        assert_eq!(wrapped("a restrict b", 4), "a\nrestrict\nb");
    }

    #[test]
    fn room_goes_to_the_columns_that_want_it() {
        assert_eq!(widths(&[4, 4], &[4, 30], 20), Some(vec![4, 16]));
        assert_eq!(widths(&[4, 4], &[20, 30], 20), Some(vec![10, 10]));
        assert_eq!(widths(&[4, 4], &[5, 6], 20), Some(vec![5, 6]));
        assert_eq!(widths(&[4, 4], &[5, 6], 9), Some(vec![5, 4]));
        assert_eq!(widths(&[4, 4], &[5, 6], 7), None);
    }
}
