//! Which keys a scan visits and in which order, and how it continues after a page.

use bytes::Bytes;

/// A contiguous set of keys and the order in which to visit them.
///
/// Bounds are byte strings compared as bytes: `start` belongs to the range, `end` does not.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Bytes,
    /// `None` means: to the last key of the store.
    end: Option<Bytes>,
    direction: Direction,
}

/// Order of visiting keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { start: Bytes::new(), end: None, direction: Direction::Ascending }
    }

    /// Every key that begins with `prefix`, the prefix itself included.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self {
            start: Bytes::copy_from_slice(prefix),
            end: prefix_end(prefix),
            direction: Direction::Ascending,
        }
    }

    /// Keys from `start` (included) up to `end` (not included). Empty when `end` is not above `start`.
    pub fn between(start: &[u8], end: &[u8]) -> Self {
        Self {
            start: Bytes::copy_from_slice(start),
            end: Some(Bytes::copy_from_slice(end)),
            direction: Direction::Ascending,
        }
    }

    /// Keys from `start` (included) to the last key of the store.
    pub fn starting_at(start: &[u8]) -> Self {
        Self { start: Bytes::copy_from_slice(start), end: None, direction: Direction::Ascending }
    }

    /// The same keys, largest first.
    pub fn descending(mut self) -> Self {
        self.direction = Direction::Descending;
        self
    }

    /// The rest of the range once `last_key`, the last key of the page before, has been seen.
    pub fn after(&self, last_key: &[u8]) -> Self {
        let mut rest = self.clone();
        match self.direction {
            Direction::Ascending => {
                let successor = key_successor(last_key);
                if successor > rest.start {
                    rest.start = successor;
                }
            }
            Direction::Descending => {
                if rest.end.as_ref().is_none_or(|end| last_key < end.as_ref()) {
                    rest.end = Some(Bytes::copy_from_slice(last_key));
                }
            }
        }
        rest
    }

    /// The part of the range that is visited before `key`.
    pub fn before(&self, key: &[u8]) -> Self {
        let mut part = self.clone();
        match self.direction {
            Direction::Ascending => {
                if self.end.as_ref().is_none_or(|end| key < end.as_ref()) {
                    part.end = Some(Bytes::copy_from_slice(key));
                }
            }
            Direction::Descending => {
                let successor = key_successor(key);
                if successor > self.start {
                    part.start = successor;
                }
            }
        }
        part
    }

    /// First key of the range, if it exists.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The key that ends the range and is not part of it; `None` if the range is open.
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Order of visiting.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }
}

/// Bounds are left out because keys can hold keyed hashes of subject numbers.
impl std::fmt::Debug for KeyRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KeyRange")
            .field("start_bytes", &self.start.len())
            .field("end_bytes", &self.end.as_ref().map(Bytes::len))
            .field("direction", &self.direction)
            .finish()
    }
}

/// The smallest key above every key that begins with `prefix`; `None` if there is no such key.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1; // Not 255, as `rposition` has just found.
    Some(end.into())
}

/// The smallest key above `key`.
pub(crate) fn key_successor(key: &[u8]) -> Bytes {
    let mut successor = Vec::with_capacity(key.len() + 1);
    successor.extend_from_slice(key);
    successor.push(0);
    successor.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ends_are_the_next_key_outside_the_prefix() {
        assert_eq!(prefix_end(b"ab").as_deref(), Some(b"ac".as_slice()));
        assert_eq!(prefix_end(b"a\xff\xff").as_deref(), Some(b"b".as_slice()));
        assert_eq!(prefix_end(b"\xff\xff"), None);
        assert_eq!(prefix_end(b""), None);
        let range = KeyRange::prefix(b"a\xff");
        assert!(range.contains(b"a\xff") && range.contains(b"a\xff\xff\xff"));
        assert!(!range.contains(b"a\xfe") && !range.contains(b"b"));
    }

    #[test]
    fn continuing_never_widens_a_range() {
        let range = KeyRange::between(b"b", b"d");
        assert_eq!(range.after(b"a").start(), b"b");
        assert_eq!(range.after(b"c").start(), b"c\0");
        assert!(range.after(b"d").is_empty());
        let descending = range.descending();
        assert_eq!(descending.after(b"e").end(), Some(b"d".as_slice()));
        assert_eq!(descending.after(b"c").end(), Some(b"c".as_slice()));
        assert!(descending.after(b"b").is_empty());
    }

    #[test]
    fn a_key_lies_neither_before_nor_after_itself() {
        let range = KeyRange::between(b"b", b"d");
        for range in [range.clone(), range.descending()] {
            let (before, after) = (range.before(b"c"), range.after(b"c"));
            for key in [b"a".as_slice(), b"b", b"bz", b"c", b"c\0", b"cz", b"d", b"e"] {
                let both = usize::from(before.contains(key)) + usize::from(after.contains(key));
                assert_eq!(both, usize::from(range.contains(key) && key != b"c"), "{key:?}");
            }
            assert_eq!(before.contains(b"bz"), range.direction() == Direction::Ascending);
        }
        assert_eq!(KeyRange::between(b"b", b"d").before(b"e").end(), Some(b"d".as_slice()));
        assert_eq!(KeyRange::between(b"b", b"d").descending().before(b"a").start(), b"b");
    }
}
