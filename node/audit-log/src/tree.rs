//! The growing tree as tiles: takes leaf hashes, gives full tiles as they fill and partial ones on request.

use chengxin_schemas::digest::Sha256;

use crate::error::LogError;
use crate::merkle::{Frontier, root_of};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, hashes_write};

/// The right edge of a tiled tree: for every level the hashes of the tile that is not full yet.
///
/// Levels above the highest grow as needed: at most eight for 2^64 entries, so the memory is 64 KiB at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct TileEdge {
    size: u64,
    levels: Vec<Vec<Sha256>>,
}

impl TileEdge {
    /// The edge of a tree of `size` entries from its partial tiles, lowest level first.
    pub(crate) fn from_levels(size: u64, levels: Vec<Vec<Sha256>>) -> Result<Self, LogError> {
        for level in 0..=7_u8 {
            let width = (size >> (TILE_HEIGHT * u32::from(level))) % TILE_WIDTH;
            if levels.get(usize::from(level)).map_or(0, Vec::len) as u64 != width {
                return Err(LogError::malformed("tile", format!("level {level} has not {width} hashes")));
            }
        }
        Ok(Self { size, levels })
    }

    /// Number of entries.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the partial tile of `level`, none if the tree ends with a full tile there.
    pub(crate) fn level(&self, level: u8) -> &[Sha256] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Appends a leaf hash; `full` is handed every tile that it fills, lowest level first.
    pub(crate) fn push(&mut self, leaf: Sha256, mut full: impl FnMut(TilePath, &[Sha256])) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if (hashes.len() as u64) < TILE_WIDTH {
                return;
            }
            let index = (self.size >> (TILE_HEIGHT * (u32::from(level) + 1))) - 1;
            full(TilePath::full(TileKind::Hashes(level), index), hashes);
            hash = root_of(hashes);
            hashes.clear();
        }
    }

    /// Root of the tree.
    pub(crate) fn root(&self) -> Sha256 {
        let mut frontier = Frontier::default();
        for (level, hashes) in self.levels.iter().enumerate().rev() {
            hashes.iter().for_each(|&hash| frontier.push(TILE_HEIGHT * level as u32, hash));
        }
        frontier.root()
    }

    /// The partial tiles with their bytes, lowest level first.
    pub(crate) fn partial_tiles(&self) -> impl Iterator<Item = (TilePath, Vec<u8>)> {
        self.levels.iter().zip(0_u8..).filter_map(|(hashes, level)| {
            TilePath::partial(TileKind::Hashes(level), self.size).map(|path| (path, hashes_write(hashes)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;

    #[test]
    fn the_root_is_that_of_all_leaves_and_tiles_fill_in_order() {
        let leaves: Vec<_> = (0..66_000_u64).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut edge = TileEdge::default();
        let mut full = Vec::new();
        for (count, leaf) in leaves.iter().enumerate() {
            if count % 4_999 == 0 || count < 600 {
                assert_eq!(edge.root(), root_of(&leaves[..count]), "{count}");
            }
            edge.push(*leaf, |path, hashes| full.push((path, hashes.to_vec())));
        }
        assert_eq!(edge.root(), root_of(&leaves));
        let level_0: Vec<_> = full.iter().filter(|(path, _)| path.kind == TileKind::Hashes(0)).collect();
        assert_eq!(level_0.len(), 257);
        assert!(level_0.iter().enumerate().all(|(place, (path, _))| path.index == place as u64));
        assert_eq!(
            full.iter().find(|(path, _)| path.kind == TileKind::Hashes(1)).map(|(path, _)| path.index),
            Some(0)
        );
        let partial: Vec<_> = edge.partial_tiles().map(|(path, _)| path.to_string()).collect();
        assert_eq!(partial, ["tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"]);
        let levels = (0..3).map(|level| edge.level(level).to_vec()).collect();
        assert_eq!(TileEdge::from_levels(66_000, levels).expect("edge").root(), edge.root());
        assert!(TileEdge::from_levels(66_001, vec![]).is_err());
    }
}
