//! How a text is read against the templates.
//!
//! - A template is literal text with holes between. A text fits if its literals stand in it in their order: the first
//!   at the beginning, the last at the end, each other one at its first place after the one before. A hole holds at
//!   least one character, and two holes never touch.
//! - A text without holes goes first. Of several templates that fit, the one with most literal text is taken.
//! - What stands in a hole stays as it is, because it may be a name that somebody chose: of an account, a file, a body.
//!   A hole that holds words of the program says so beside its number ([`Reading`]): `{0:role}`, `{1:text}`. A template
//!   with few words of its own needs such a hole that only certain words fit, else it would take any text of an outside
//!   crate; a test says which do.
//! - A text that no template fits as a whole is read in links, which `: ` and `; ` separate, from the left: the longest
//!   run of links that fits a template is taken, and a link that begins no such run stays as it is.
//! - A hole reaches over a separator only where a cause stands: behind `: ` or `(`. At the end of a template it does so
//!   only if it also ends the other language's text, so that the order stays.

use std::collections::HashMap;

use super::lists::{List, Names};

/// Most links of a text that are read one by one; what follows is one link. A peer's words may be anything, and the
/// work grows with the square of the links.
const LINKS_LIMIT: usize = 16;
/// How deep holes within holes are read. The deepest error has five causes.
const DEPTH_LIMIT: usize = 8;
/// What separates links.
const SEPARATORS: [&str; 2] = [": ", "; "];
/// What stands between names of a list: in English, then in Chinese.
const LISTS: [&str; 3] = [" or ", ", ", "、"];

/// The texts of one language with what they say in the other.
pub(super) struct Dictionary {
    whole: HashMap<&'static str, &'static str>,
    /// Those with most literal text first.
    templates: Vec<Template>,
    names: Names,
}

/// A text with holes and the text it becomes.
#[derive(Debug)]
pub(super) struct Template {
    from: Vec<Piece>,
    to: Vec<Piece>,
}

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that stands as it is.
    Literal(&'static str),
    /// A hole with its number.
    Hole(usize, Reading),
}

/// How what stands in a hole is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It stays as it is.
    Same,
    /// `text`: a text of the tables or a message of several links, as far as it is known.
    Text,
    /// `word`: a text of the tables, and nothing else.
    Word,
    /// `number`: a whole number, and nothing else.
    Number,
    /// `date`: a date as in 2026-11-22, and nothing else.
    Date,
    /// A name of a closed list or several of them, and nothing else.
    Name(List),
}

impl Reading {
    /// How a mark in a template is written; none for another word.
    fn of(mark: &str) -> Option<Self> {
        Some(match mark {
            "text" => Self::Text,
            "word" => Self::Word,
            "number" => Self::Number,
            "date" => Self::Date,
            _ => Self::Name(List::of(mark)?),
        })
    }
}

/// The pieces of a template. `{}` takes the next number, `{2}` names its own, `{2:role}` says how it is read; any other
/// bracket is text.
pub(super) fn pieces(text: &'static str) -> Vec<Piece> {
    let (mut pieces, mut rest, mut next) = (Vec::new(), text, 0);
    let mut from = 0;
    while let Some(open) = rest.get(from..).and_then(|tail| tail.find('{')).map(|at| at.saturating_add(from))
    {
        let inner = rest.get(open.saturating_add(1)..).and_then(|tail| tail.split_once('}'));
        let hole = match inner {
            Some(("", _)) => Some((next, Reading::Same)),
            Some((hole, _)) => match hole.split_once(':') {
                Some((digits, mark)) => digits.parse().ok().zip(Reading::of(mark)),
                None => hole.parse().ok().map(|number| (number, Reading::Same)),
            },
            None => None,
        };
        let (Some((number, reading)), Some((_, after))) = (hole, inner) else {
            from = open.saturating_add(1);
            continue;
        };
        if let Some(literal) = rest.get(..open).filter(|literal| !literal.is_empty()) {
            pieces.push(Piece::Literal(literal));
        }
        pieces.push(Piece::Hole(number, reading));
        next = number.saturating_add(1);
        (rest, from) = (after, 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

impl Dictionary {
    pub(super) fn new(texts: impl Iterator<Item = (&'static str, &'static str)>, names: Names) -> Self {
        let (mut whole, mut templates) = (HashMap::new(), Vec::new());
        for (from, to) in texts {
            let template = Template { from: pieces(from), to: pieces(to) };
            if template.from.iter().any(|piece| matches!(piece, Piece::Hole(..))) {
                templates.push(template);
            } else {
                whole.insert(from, to);
            }
        }
        templates.sort_by_key(|template| std::cmp::Reverse(template.literal_length()));
        Self { whole, templates, names }
    }

    /// The whole text, if it is known.
    pub(super) fn whole(&self, text: &str) -> Option<String> {
        self.whole_at(text, 0)
    }

    /// The text link by link. None if no link is known.
    pub(super) fn message(&self, text: &str) -> Option<String> {
        self.message_at(text, 0)
    }

    fn whole_at(&self, text: &str, depth: usize) -> Option<String> {
        if let Some(known) = self.whole.get(text) {
            return Some((*known).to_owned());
        }
        if depth >= DEPTH_LIMIT {
            return None;
        }
        self.templates.iter().find_map(|template| self.told(template, &template.fit(text)?, depth))
    }

    /// What a template says with these values; none if one of them is not of the kind that its hole takes.
    fn told(&self, template: &Template, values: &HashMap<usize, &str>, depth: usize) -> Option<String> {
        let told = template.to.iter().map(|piece| match piece {
            Piece::Literal(literal) => Some((*literal).to_owned()),
            Piece::Hole(number, _) => {
                let value = values.get(number).copied().unwrap_or_default();
                self.value(value, template.reading(*number), depth.saturating_add(1))
            }
        });
        told.collect()
    }

    fn message_at(&self, text: &str, depth: usize) -> Option<String> {
        let ends: Vec<usize> = separators(text).take(LINKS_LIMIT).chain([text.len()]).collect();
        let (mut told, mut known, mut start) = (String::new(), false, 0);
        while start < text.len() {
            let mut runs = ends.iter().rev().copied().filter(|end| *end > start);
            let fit = runs.find_map(|end| Some((end, self.whole_at(text.get(start..end)?, depth)?)));
            let end = match fit {
                Some((end, words)) => {
                    told.push_str(&words);
                    known = true;
                    end
                }
                None => {
                    let end = ends.iter().copied().find(|end| *end > start).unwrap_or(text.len());
                    told.push_str(text.get(start..end).unwrap_or_default());
                    end
                }
            };
            // A separator has two bytes, and the text may end with one.
            start = end.saturating_add(2).min(text.len());
            told.push_str(text.get(end..start).unwrap_or_default());
        }
        known.then_some(told)
    }

    fn value(&self, text: &str, reading: Reading, depth: usize) -> Option<String> {
        let same = || text.to_owned();
        match reading {
            Reading::Same => Some(same()),
            Reading::Text => Some(self.message_at(text, depth).unwrap_or_else(same)),
            Reading::Word => self.whole_at(text, depth),
            Reading::Number => is_number(text).then(same),
            Reading::Date => is_date(text).then(same),
            Reading::Name(list) => self.listed(list, text),
        }
    }

    /// One name of a closed list, or several.
    fn listed(&self, list: List, text: &str) -> Option<String> {
        let names = self.names.get(&list)?;
        let name = |text: &str| names.iter().find(|(from, _)| *from == text).map(|(_, to)| *to);
        if let Some(one) = name(text) {
            return Some(one.to_owned());
        }
        let separator = LISTS.into_iter().find(|separator| text.contains(separator))?;
        let several: Option<Vec<_>> = text.split(separator).map(name).collect();
        let between = if separator == "、" { ", " } else { "、" };
        several.map(|several| several.join(between))
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([4, 2, 2])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where separators stand.
fn separators(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.char_indices()
        .map(|(at, _)| at)
        .filter(|at| text.get(*at..).is_some_and(|rest| SEPARATORS.iter().any(|one| rest.starts_with(one))))
}

impl Template {
    fn literal_length(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Literal(literal) => literal.len(),
            Piece::Hole(..) => 0,
        };
        self.from.iter().map(length).sum()
    }

    /// How a hole is read: the Chinese says so, on whichever side it stands.
    fn reading(&self, number: usize) -> Reading {
        let marked = |piece: &Piece| match piece {
            Piece::Hole(hole, reading) if *hole == number && *reading != Reading::Same => Some(*reading),
            Piece::Hole(..) | Piece::Literal(_) => None,
        };
        self.from.iter().chain(&self.to).find_map(marked).unwrap_or(Reading::Same)
    }

    /// What stands in the holes, if the text fits.
    fn fit<'t>(&self, text: &'t str) -> Option<HashMap<usize, &'t str>> {
        let mut values = HashMap::new();
        let mut rest = text;
        // The literal before the hole that is open, and its number.
        let (mut before, mut open) = ("", None);
        for (position, piece) in self.from.iter().enumerate() {
            let literal = match piece {
                Piece::Hole(number, _) => {
                    open = Some(*number);
                    continue;
                }
                Piece::Literal(literal) => *literal,
            };
            match open.take() {
                None => rest = rest.strip_prefix(literal)?,
                Some(number) => {
                    let last = position.saturating_add(1) == self.from.len();
                    let value = if last { rest.strip_suffix(literal)? } else { until(rest, literal)? };
                    if value.is_empty() || !(may_reach(before) || is_one_link(value)) {
                        return None;
                    }
                    values.insert(number, value);
                    rest = rest.get(value.len().saturating_add(literal.len())..)?;
                }
            }
            before = literal;
        }
        if let Some(number) = open {
            let reaches =
                may_reach(before) && matches!(self.to.last(), Some(Piece::Hole(last, _)) if *last == number);
            if rest.is_empty() || !(reaches || is_one_link(rest)) {
                return None;
            }
            values.insert(number, rest);
            rest = "";
        }
        rest.is_empty().then_some(values)
    }
}

/// What stands before the first place of a literal; at least one character.
fn until<'t>(text: &'t str, literal: &str) -> Option<&'t str> {
    let begin = text.chars().next()?.len_utf8();
    let at = text.get(begin..)?.find(literal)?.saturating_add(begin);
    text.get(..at)
}

/// Whether a hole behind this literal holds a cause, which may have links of its own.
fn may_reach(before: &str) -> bool {
    before.ends_with(": ") || before.ends_with('(')
}

/// Whether a value neither holds a separator nor ends with the half of one.
fn is_one_link(value: &str) -> bool {
    separators(value).next().is_none() && !value.ends_with([':', ';'])
}
