//! How a text is read against the templates.
//!
//! - A template is literal text with holes between. A text fits if its literals stand in it in their order: the first
//!   at the beginning, the last at the end, each other one at its first place after the one before. A hole holds at
//!   least one character, and two holes never touch.
//! - A text without holes goes first. Of several templates that fit, the one with most literal text is taken.
//! - What stands in a hole is read the same way, then as a name of a closed list, or as several of them; else it stays.
//! - A text that no template fits as a whole is read in links, which `: ` and `; ` separate, from the left: the longest
//!   run of links that fits a template is taken, and a link that begins no such run stays as it is.
//! - A hole reaches over a separator only where a cause stands: behind `: ` or `(`. At the end of a template it does so
//!   only if it also ends the other language's text, so that the order stays.

use std::collections::HashMap;

use chengxin_policy::Action;
use chengxin_schemas::category::{BreachSeverity, InformationCategory, RecordState};
use chengxin_schemas::operator::Role;

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
    names: Vec<(&'static str, &'static str)>,
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
    Hole(usize),
}

/// The pieces of a template. `{}` takes the next number, `{2}` names its own; any other bracket is text.
pub(super) fn pieces(text: &'static str) -> Vec<Piece> {
    let (mut pieces, mut rest, mut next) = (Vec::new(), text, 0);
    let mut from = 0;
    while let Some(open) = rest.get(from..).and_then(|tail| tail.find('{')).map(|at| at.saturating_add(from))
    {
        let inner = rest.get(open.saturating_add(1)..).and_then(|tail| tail.split_once('}'));
        let number = match inner {
            Some(("", _)) => Some(next),
            Some((digits, _)) => digits.parse().ok(),
            None => None,
        };
        let (Some(number), Some((_, after))) = (number, inner) else {
            from = open.saturating_add(1);
            continue;
        };
        if let Some(literal) = rest.get(..open).filter(|literal| !literal.is_empty()) {
            pieces.push(Piece::Literal(literal));
        }
        pieces.push(Piece::Hole(number));
        next = number.saturating_add(1);
        (rest, from) = (after, 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest));
    }
    pieces
}

/// Names of closed lists, in English and Chinese. Where two lists share a name, the first counts.
pub(super) fn names() -> Vec<(&'static str, &'static str)> {
    let mut names: Vec<_> = Role::ALL.iter().map(|role| (role.as_str(), role.chinese())).collect();
    names.extend(InformationCategory::ALL.iter().map(|one| (one.as_str(), one.chinese())));
    names.extend(BreachSeverity::ALL.iter().map(|one| (one.as_str(), one.chinese())));
    names.extend(RecordState::ALL.iter().map(|one| (one.as_str(), one.chinese())));
    names.extend(Action::ALL.iter().map(|one| (one.as_str(), one.chinese())));
    names.extend([("organisation", "法人和非法人组织"), ("person", "自然人")]);
    names
}

impl Dictionary {
    pub(super) fn new(
        texts: impl Iterator<Item = (&'static str, &'static str)>,
        names: Vec<(&'static str, &'static str)>,
    ) -> Self {
        let (mut whole, mut templates) = (HashMap::new(), Vec::new());
        for (from, to) in texts {
            let template = Template { from: pieces(from), to: pieces(to) };
            if template.from.iter().any(|piece| matches!(piece, Piece::Hole(_))) {
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

    /// The template that is taken for a text, with what stands in its holes.
    pub(super) fn template_for<'t>(&self, text: &'t str) -> Option<(&Template, HashMap<usize, &'t str>)> {
        self.templates.iter().find_map(|template| Some((template, template.fit(text)?)))
    }

    fn whole_at(&self, text: &str, depth: usize) -> Option<String> {
        if let Some(known) = self.whole.get(text) {
            return Some((*known).to_owned());
        }
        if depth >= DEPTH_LIMIT {
            return None;
        }
        let (template, values) = self.template_for(text)?;
        let told = template.to.iter().map(|piece| match piece {
            Piece::Literal(literal) => (*literal).to_owned(),
            Piece::Hole(number) => {
                let value = values.get(number).copied().unwrap_or_default();
                self.value(value, depth.saturating_add(1))
            }
        });
        Some(told.collect())
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

    fn value(&self, text: &str, depth: usize) -> String {
        self.message_at(text, depth).or_else(|| self.listed(text)).unwrap_or_else(|| text.to_owned())
    }

    /// One name of a closed list, or several.
    fn listed(&self, text: &str) -> Option<String> {
        let name = |text: &str| self.names.iter().find(|(from, _)| *from == text).map(|(_, to)| *to);
        if let Some(one) = name(text) {
            return Some(one.to_owned());
        }
        let separator = LISTS.into_iter().find(|separator| text.contains(separator))?;
        let several: Option<Vec<_>> = text.split(separator).map(name).collect();
        let between = if separator == "、" { ", " } else { "、" };
        several.map(|several| several.join(between))
    }
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
            Piece::Hole(_) => 0,
        };
        self.from.iter().map(length).sum()
    }

    /// What stands in the holes, if the text fits.
    fn fit<'t>(&self, text: &'t str) -> Option<HashMap<usize, &'t str>> {
        let mut values = HashMap::new();
        let mut rest = text;
        // The literal before the hole that is open, and its number.
        let (mut before, mut open) = ("", None);
        for (position, piece) in self.from.iter().enumerate() {
            let literal = match piece {
                Piece::Hole(number) => {
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
            let reaches = may_reach(before) && self.to.last() == Some(&Piece::Hole(number));
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
