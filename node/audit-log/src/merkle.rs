//! The Merkle tree of RFC 6962 §2.1: hashes, proofs and their checks, without input or output, so that the log and
//! whoever distrusts it compute with the same few lines.

use chengxin_schemas::digest::Sha256;

use crate::error::LogError;

/// Most hashes in one proof: a tree of 2^63 entries has paths of 63.
pub const PROOF_LIMIT: usize = 63;

/// Hash of an entry (RFC 6962 §2.1: `SHA-256(0x00 ‖ entry)`).
pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    Sha256::of_parts(&[&[0], entry])
}

/// Hash of an inner node (RFC 6962 §2.1: `SHA-256(0x01 ‖ left ‖ right)`).
pub fn node_hash(left: Sha256, right: Sha256) -> Sha256 {
    Sha256::of_parts(&[&[1], &left.0, &right.0])
}

/// Root of the tree without entries: the hash of nothing.
pub fn empty_root() -> Sha256 {
    Sha256::of(b"")
}

/// The right edge of a tree: its perfect subtrees from left to right, which is all that is needed to append and to
/// know the root.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    /// Height and hash of each perfect subtree; heights fall strictly from left to right.
    subtrees: Vec<(u32, Sha256)>,
}

impl Frontier {
    /// Appends a perfect subtree of `2^height` entries. Subtrees must come in the order of the tree, none higher
    /// than the last one leaves room for.
    pub fn push(&mut self, height: u32, hash: Sha256) {
        let mut joined = (height, hash);
        while let Some(&(left_height, left)) = self.subtrees.last()
            && left_height == joined.0
        {
            self.subtrees.pop();
            joined = (left_height + 1, node_hash(left, joined.1));
        }
        self.subtrees.push(joined);
    }

    /// Root of the tree.
    pub fn root(&self) -> Sha256 {
        let mut subtrees = self.subtrees.iter().rev().map(|&(_, hash)| hash);
        match subtrees.next() {
            None => empty_root(),
            Some(last) => subtrees.fold(last, |right, left| node_hash(left, right)),
        }
    }
}

/// Root over `hashes` taken as neighbouring subtrees of equal size.
pub fn root_of(hashes: &[Sha256]) -> Sha256 {
    let mut frontier = Frontier::default();
    hashes.iter().for_each(|&hash| frontier.push(0, hash));
    frontier.root()
}

/// Gives the hashes of perfect subtrees; how they are stored is the implementor's business.
pub trait Subtrees {
    /// Hash of the subtree over the entries `position · 2^height .. (position + 1) · 2^height`.
    fn subtree(&self, height: u32, position: u64) -> Result<Sha256, LogError>;
}

/// Root over the entries `low..high`, a range that a tree of RFC 6962 has as a node or as its right edge.
fn range_root(source: &impl Subtrees, low: u64, high: u64) -> Result<Sha256, LogError> {
    let length = high - low;
    if length.is_power_of_two() {
        return source.subtree(length.trailing_zeros(), low / length);
    }
    let left = split(length);
    Ok(node_hash(range_root(source, low, low + left)?, range_root(source, low + left, high)?))
}

/// Root of the tree of the first `size` entries.
pub fn tree_root(source: &impl Subtrees, size: u64) -> Result<Sha256, LogError> {
    if size == 0 { Ok(empty_root()) } else { range_root(source, 0, size) }
}

/// The path from entry `index` to the root of the tree of `size` entries, leaf side first (RFC 6962 §2.1.1).
pub fn inclusion_proof(source: &impl Subtrees, index: u64, size: u64) -> Result<Vec<Sha256>, LogError> {
    if index >= size {
        return Err(LogError::NotFound { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range_root(source, middle, high)?);
            high = middle;
        } else {
            path.push(range_root(source, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of `old` entries is the beginning of the tree of `new` (RFC 6962 §2.1.2). Empty when
/// `old` is 0 or equals `new`.
pub fn consistency_proof(source: &impl Subtrees, old: u64, new: u64) -> Result<Vec<Sha256>, LogError> {
    if old > new {
        return Err(LogError::NotFound { index: old, size: new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (0, new);
    let mut path = Vec::new();
    // Down to the smallest subtree that ends where the old tree ended.
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range_root(source, middle, high)?);
            high = middle;
        } else {
            path.push(range_root(source, low, middle)?);
            low = middle;
        }
    }
    if low != 0 {
        path.push(range_root(source, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the leaf hash `leaf` stands at `index` in the tree of `size` entries with `root` (RFC 9162 §2.1.3.2).
pub fn inclusion_check(
    index: u64,
    size: u64,
    leaf: Sha256,
    path: &[Sha256],
    root: Sha256,
) -> Result<(), LogError> {
    let refuse = |reason: &str| Err(LogError::Proof { proof: "inclusion", reason: reason.to_owned() });
    if index >= size {
        return refuse("the index lies outside of the tree");
    }
    let (mut first, mut second) = (index, size - 1);
    let mut hash = leaf;
    for &sibling in path {
        if second == 0 {
            return refuse("the path is longer than the tree is high");
        }
        if first & 1 == 1 || first == second {
            hash = node_hash(sibling, hash);
            while first & 1 == 0 && first != 0 {
                first >>= 1;
                second >>= 1;
            }
        } else {
            hash = node_hash(hash, sibling);
        }
        first >>= 1;
        second >>= 1;
    }
    if second != 0 {
        return refuse("the path is shorter than the tree is high");
    }
    if hash != root {
        return refuse("the path leads to another root");
    }
    Ok(())
}

/// Checks that the tree of `old` entries with `old_root` is the beginning of the tree of `new` entries with
/// `new_root` (RFC 9162 §2.1.4.2).
pub fn consistency_check(
    old: u64,
    new: u64,
    old_root: Sha256,
    new_root: Sha256,
    path: &[Sha256],
) -> Result<(), LogError> {
    let refuse = |reason: &str| Err(LogError::Proof { proof: "consistency", reason: reason.to_owned() });
    if old > new {
        return refuse("the older tree is larger than the newer");
    }
    if old == new || old == 0 {
        return match (path.is_empty(), old == 0 && old_root == empty_root(), old == new) {
            (false, _, _) => refuse("the path should be empty"),
            (true, _, true) if old_root == new_root => Ok(()),
            (true, _, true) => refuse("the same size with another root"),
            (true, true, false) => Ok(()),
            (true, false, false) => refuse("an empty tree with a root that is not the empty root"),
        };
    }
    let (mut hashes, start) = match path.split_first() {
        None => return refuse("the path is empty"),
        Some(_) if old.is_power_of_two() => (path.iter(), old_root),
        Some((first, rest)) => (rest.iter(), *first),
    };
    let (mut first, mut second) = (old - 1, new - 1);
    while first & 1 == 1 {
        first >>= 1;
        second >>= 1;
    }
    let (mut old_hash, mut new_hash) = (start, start);
    for &sibling in hashes.by_ref() {
        if second == 0 {
            return refuse("the path is longer than the tree is high");
        }
        if first & 1 == 1 || first == second {
            old_hash = node_hash(sibling, old_hash);
            new_hash = node_hash(sibling, new_hash);
            while first & 1 == 0 && first != 0 {
                first >>= 1;
                second >>= 1;
            }
        } else {
            new_hash = node_hash(new_hash, sibling);
        }
        first >>= 1;
        second >>= 1;
    }
    if second != 0 {
        return refuse("the path is shorter than the tree is high");
    }
    if old_hash != old_root {
        return refuse("the path leads to another root of the older tree");
    }
    if new_hash != new_root {
        return refuse("the path leads to another root of the newer tree");
    }
    Ok(())
}

/// The largest power of two below `length`, for `length` above 1.
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

/// Hashes of entries held in memory as a source of subtrees; for tests and for small logs at hand.
pub struct LeafHashes<'a>(pub &'a [Sha256]);

impl Subtrees for LeafHashes<'_> {
    fn subtree(&self, height: u32, position: u64) -> Result<Sha256, LogError> {
        let missing = || LogError::NotFound { index: position, size: self.0.len() as u64 };
        let width = 1_usize.checked_shl(height).ok_or_else(missing)?;
        let start =
            usize::try_from(position).ok().and_then(|place| place.checked_mul(width)).ok_or_else(missing)?;
        let end = start.checked_add(width).ok_or_else(missing)?;
        self.0.get(start..end).map(root_of).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Sha256> {
        (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
    }

    /// The definition of RFC 6962 §2.1, word for word: what everything else is held against.
    fn definition(hashes: &[Sha256]) -> Sha256 {
        match hashes {
            [] => empty_root(),
            [one] => *one,
            more => {
                let mut half = 1;
                while half * 2 < more.len() {
                    half *= 2;
                }
                node_hash(definition(&more[..half]), definition(&more[half..]))
            }
        }
    }

    #[test]
    fn constants_are_those_of_the_standard() {
        assert_eq!(
            empty_root().to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(leaf_hash(b"").to_string().starts_with("sha256:6e340b9c"));
    }

    #[test]
    fn every_proof_of_every_tree_to_69_entries_holds_and_no_other() {
        let all = leaves(69);
        for size in 0..=69_usize {
            let hashes = &all[..size];
            let root = definition(hashes);
            assert_eq!(root_of(hashes), root);
            assert_eq!(tree_root(&LeafHashes(hashes), size as u64).expect("root"), root);
            for index in 0..size {
                let path = inclusion_proof(&LeafHashes(hashes), index as u64, size as u64).expect("path");
                let check = |index: usize, size: usize, leaf, path: &[Sha256]| {
                    inclusion_check(index as u64, size as u64, leaf, path, root)
                };
                check(index, size, hashes[index], &path).expect("inclusion");
                assert!(check(index, size, all[(index + 1) % 69], &path).is_err());
                assert!(check(index + 1, size, hashes[index], &path).is_err());
                assert!(check(index, size, hashes[index], &[path.as_slice(), &[root]].concat()).is_err());
                if let Some((_, shorter)) = path.split_last() {
                    assert!(check(index, size, hashes[index], shorter).is_err());
                }
            }
            for old in 0..=size {
                let old_root = definition(&all[..old]);
                let path = consistency_proof(&LeafHashes(hashes), old as u64, size as u64).expect("path");
                let check = |old: usize, old_root, root, path: &[Sha256]| {
                    consistency_check(old as u64, size as u64, old_root, root, path)
                };
                check(old, old_root, root, &path).expect("consistency");
                assert!(check(old, node_hash(old_root, old_root), root, &path).is_err());
                assert!(old == 0 || check(old, old_root, node_hash(root, root), &path).is_err());
                assert!(check(old, old_root, root, &[path.as_slice(), &[root]].concat()).is_err());
                for place in 0..path.len() {
                    let mut broken = path.clone();
                    broken[place].0[7] ^= 1;
                    assert!(check(old, old_root, root, &broken).is_err());
                }
            }
        }
    }

    #[test]
    fn the_ends_of_the_number_range_do_not_overflow() {
        let root = empty_root();
        assert!(inclusion_check(u64::MAX - 1, u64::MAX, root, &[root; 64], root).is_err());
        assert!(inclusion_check(u64::MAX, u64::MAX, root, &[], root).is_err());
        assert!(consistency_check(u64::MAX - 1, u64::MAX, root, root, &[root; 64]).is_err());
        assert!(consistency_check(3, 2, root, root, &[]).is_err());
        assert!(consistency_check(0, 2, node_hash(root, root), root, &[]).is_err());
    }
}
