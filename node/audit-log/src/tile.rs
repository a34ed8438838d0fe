//! C2SP tlog-tiles: where the hashes and the entries of a log stand, and in which bytes.

use std::str::FromStr;

use chengxin_schemas::digest::Sha256;

use crate::checkpoint::number_parse;
use crate::error::LogError;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Tree levels that one tile spans: 2^8 = 256.
pub const TILE_HEIGHT: u32 = 8;
/// Longest entry, in bytes: its length is a 16-bit number.
pub const ENTRY_LIMIT: usize = u16::MAX as usize;
/// Highest tile level of a tree of fewer than 2^64 entries.
pub const LEVEL_LIMIT: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TileKind {
    /// Hashes of this level; level 0 holds the hashes of the entries.
    Hashes(u8),
    /// The entries themselves.
    Entries,
}

/// Which tile: its text is its path relative to the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TilePath {
    /// Level, or entries.
    pub kind: TileKind,
    /// Number of the tile from the left.
    pub index: u64,
    /// Hashes or entries in a partial tile, 1 to 255; nothing for a full one.
    pub width: Option<u8>,
}

impl TilePath {
    /// The full tile.
    pub fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: None }
    }

    /// Hashes or entries the tile holds.
    pub fn count(&self) -> u64 {
        self.width.map_or(TILE_WIDTH, u64::from)
    }

    /// The rightmost tile of this kind in a tree of `size` entries if it is partial; nothing if the tree ends with a
    /// full tile.
    pub fn partial(kind: TileKind, size: u64) -> Option<Self> {
        let count = match kind {
            TileKind::Entries => size,
            TileKind::Hashes(level) => size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0),
        };
        let width = u8::try_from(count % TILE_WIDTH).ok().filter(|&width| width > 0);
        width.map(|_| Self { kind, index: count / TILE_WIDTH, width })
    }

    /// The folder in which the partial forms of the tile stand, relative to the log.
    pub fn partial_folder(&self) -> String {
        format!("{}.p", Self::full(self.kind, self.index))
    }
}

impl std::fmt::Display for TilePath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(formatter, "tile/{level}/")?,
            TileKind::Entries => formatter.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups[1..].iter().rev() {
            write!(formatter, "x{group:03}/")?;
        }
        write!(formatter, "{:03}", groups[0])?;
        self.width.map_or(Ok(()), |width| write!(formatter, ".p/{width}"))
    }
}

impl FromStr for TilePath {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let refuse =
            || LogError::malformed("tile path", "write tile/<level or entries>/<number>[.p/<width>]");
        let (kind, rest) =
            text.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or_else(refuse)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(
                number_parse(level)
                    .and_then(|level| u8::try_from(level).ok())
                    .filter(|&level| level < 64)
                    .ok_or_else(refuse)?,
            ),
        };
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, None),
            Some((number, width)) => {
                let width = number_parse(width).and_then(|width| u8::try_from(width).ok());
                (number, Some(width.filter(|&width| width > 0).ok_or_else(refuse)?))
            }
        };
        let mut index = 0_u64;
        let groups: Vec<&str> = number.split('/').collect();
        for (place, group) in groups.iter().enumerate() {
            let digits =
                if place + 1 < groups.len() { group.strip_prefix('x').ok_or_else(refuse)? } else { group };
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(refuse());
            }
            let value = digits.parse::<u64>().map_err(|_| refuse())?;
            index = index.checked_mul(1000).and_then(|index| index.checked_add(value)).ok_or_else(refuse)?;
        }
        let path = Self { kind, index, width };
        // A number has one spelling only: without superfluous groups.
        if path.to_string() == text { Ok(path) } else { Err(refuse()) }
    }
}

/// The bytes of a hash tile.
pub fn hashes_write(hashes: &[Sha256]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads a hash tile of exactly `count` hashes.
pub fn hashes_parse(bytes: &[u8], count: u64) -> Result<Vec<Sha256>, LogError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() || hashes.len() as u64 != count {
        return Err(LogError::malformed(
            "tile",
            format!("{} bytes where {count} hashes should stand", bytes.len()),
        ));
    }
    Ok(hashes.iter().map(|hash| Sha256(*hash)).collect())
}

/// Appends an entry to the bytes of a bundle.
pub fn bundle_append(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), LogError> {
    let length = u16::try_from(entry.len()).map_err(|_| LogError::TooLarge {
        what: "an audit entry",
        actual: entry.len() as u64,
        limit: ENTRY_LIMIT as u64,
    })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads a bundle of exactly `count` entries; nothing may follow them.
pub fn bundle_parse(bytes: &[u8], count: u64) -> Result<Vec<&[u8]>, LogError> {
    let refuse = |reason: &str| LogError::malformed("entry bundle", reason);
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if entries.len() as u64 == count {
            return Err(refuse("bytes after the last entry"));
        }
        let (length, after) =
            rest.split_first_chunk::<2>().ok_or_else(|| refuse("it ends within a length"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) =
            after.split_at_checked(length).ok_or_else(|| refuse("it ends within an entry"))?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() as u64 == count { Ok(entries) } else { Err(refuse("it holds too few entries")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let check = |path: TilePath, text: &str| {
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse::<TilePath>().expect("parses"), path);
        };
        check(TilePath::full(TileKind::Hashes(0), 1_234_067), "tile/0/x001/x234/067");
        check(TilePath::full(TileKind::Entries, 0), "tile/entries/000");
        check(TilePath { kind: TileKind::Hashes(1), index: 273, width: Some(112) }, "tile/1/273.p/112");
        for bad in [
            "tile/0/1",
            "tile/0/x000/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/64/001",
            "tile/00/001",
            "tile/x/001",
            "001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(bad.parse::<TilePath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn partial_widths_are_those_of_the_specification() {
        let partial = |level, size| {
            TilePath::partial(TileKind::Hashes(level), size).map(|tile| (tile.index, tile.width))
        };
        assert_eq!(partial(0, 70_000), Some((273, Some(112))));
        assert_eq!(partial(1, 70_000), Some((1, Some(17))));
        assert_eq!(partial(2, 70_000), Some((0, Some(1))));
        assert_eq!(partial(3, 70_000), None);
        assert_eq!(partial(0, 256), None);
        assert_eq!(partial(1, 256), Some((0, Some(1))));
        assert_eq!(partial(63, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn paths_round_trip(level in 0_u8..64, index: u64, width in proptest::option::of(1_u8..=255), entries: bool) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let path = TilePath { kind, index, width };
            prop_assert_eq!(path.to_string().parse::<TilePath>().expect("parses"), path);
        }

        #[test]
        fn any_text_parses_or_errs(text in "[tilenrsx0-9./p]{0,40}") {
            let _ = text.parse::<TilePath>();
        }

        #[test]
        fn bundles_round_trip_and_their_beginnings_do_not(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..20), cut: proptest::sample::Index) {
            let mut bundle = Vec::new();
            for entry in &entries {
                bundle_append(&mut bundle, entry).expect("short");
            }
            let count = entries.len() as u64;
            prop_assert_eq!(bundle_parse(&bundle, count).expect("parses"), entries);
            prop_assert!(bundle_parse(&bundle, count + 1).is_err());
            prop_assert!(bundle_parse(&bundle, count - 1).is_err());
            prop_assert!(bundle_parse(&bundle[..cut.index(bundle.len())], count).is_err());
        }
    }

    #[test]
    fn an_entry_has_at_most_65535_bytes() {
        let mut bundle = Vec::new();
        assert!(bundle_append(&mut bundle, &vec![0; ENTRY_LIMIT + 1]).is_err());
        assert!(bundle_append(&mut bundle, &vec![0; ENTRY_LIMIT]).is_ok());
        assert_eq!(bundle_parse(&bundle, 1).expect("parses")[0].len(), ENTRY_LIMIT);
    }
}
