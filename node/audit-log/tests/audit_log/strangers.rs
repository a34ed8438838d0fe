//! Other people's implementations read what we write, and we read what they write: `tlog_tiles` with `signed_note`, and
//! `ct-merkle`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use chengxin_audit_log::checkpoint::Checkpoint;
use chengxin_audit_log::merkle::{
    LeafHashes, consistency_check, consistency_proof, inclusion_check, inclusion_proof, leaf_hash, root_of,
};
use chengxin_audit_log::note::{KeyKind, KeyName, NoteVerifier, UnverifiedNote};
use chengxin_audit_log::policy::Policy;
use chengxin_audit_log::proof::{UnverifiedProof, proof_write};
use chengxin_audit_log::tile::{TileKind, TilePath, bundle_parse};
use chengxin_audit_log::{AuditLog, EntryIndex};
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::key::SigningKey;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use signed_note::{Note, Signer as _, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Tile, TileHashReader, TileReader};
use zeroize::Zeroizing;

use crate::common::{log_make, options, origin, verifier};

/// Entries of the log under test: full tiles on level 0 and partial ones on levels 0 and 1.
const COUNT: i64 = 700;

/// Hands our tiles to the stranger's reader, which authenticates them against the root by itself.
struct FolderTiles(PathBuf);

impl TileReader for FolderTiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let path = |tile: &Tile| {
            let width = if tile.width() == 256 { None } else { u8::try_from(tile.width()).ok() };
            TilePath { kind: TileKind::Hashes(tile.level()), index: tile.level_index(), width }.to_string()
        };
        Ok(tiles
            .iter()
            .map(|tile| std::fs::read(self.0.join(path(tile))).expect("the tile is there"))
            .collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn entries(folder: &Path) -> Vec<Vec<u8>> {
    let size = u64::try_from(COUNT).expect("positive");
    let mut entries = Vec::new();
    for number in 0..=size / 256 {
        let path = if number < size / 256 {
            TilePath::full(TileKind::Entries, number)
        } else {
            TilePath::partial(TileKind::Entries, size).expect("partial")
        };
        let bytes = std::fs::read(folder.join(path.to_string())).expect("reads");
        entries.extend(bundle_parse(&bytes, path.count()).expect("parses").into_iter().map(<[u8]>::to_vec));
    }
    entries
}

fn their_verifiers() -> VerifierList {
    VerifierList::new(vec![Box::new(StandardVerifier::new(&verifier().to_string()).expect("our vkey"))])
}

#[tokio::test]
async fn tlog_tiles_and_signed_note_verify_our_checkpoint_tiles_and_proofs() {
    let folder = tempfile::tempdir().expect("folder");
    log_make(folder.path(), COUNT).await;
    let text = std::fs::read(folder.path().join("checkpoint")).expect("reads");
    let note = Note::from_bytes(&text).expect("a note to them");
    let (verified, _) = note.verify(&their_verifiers()).expect("verifies");
    assert_eq!(verified.len(), 1);
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).expect("a checkpoint to them");
    assert_eq!((theirs.origin(), theirs.size()), ("audit.example/test", 700));

    let tiles = FolderTiles(folder.path().to_owned());
    let reader = TileHashReader::new(theirs.size(), *theirs.hash(), &tiles);
    let root = *theirs.hash();
    let log = AuditLog::open(folder.path(), options(std::time::Duration::from_secs(3_600))).expect("opens");
    let policy = Policy::of_logs(vec![verifier()]);
    for (index, entry) in (0..).zip(entries(folder.path())).step_by(37) {
        // Their proof from our tiles holds for them, and for us.
        let proof = tlog_tiles::prove_record(700, index, &reader).expect("their proof from our tiles");
        tlog_tiles::check_record(&proof, 700, root, index, tlog_tiles::record_hash(&entry))
            .expect("holds for them");
        let path: Vec<_> = proof.iter().map(|hash| Sha256(hash.0)).collect();
        inclusion_check(index, 700, leaf_hash(&entry), &path, Sha256(root.0)).expect("holds for us");
        // Our proof is the same, and what is around it is read back.
        let ours = log.proof(EntryIndex(index)).await.expect("our proof");
        assert_eq!(ours, proof_write(index, &path, std::str::from_utf8(&text).expect("text")));
        UnverifiedProof::parse(ours.as_bytes()).expect("parses").verify(&entry, &policy).expect("verifies");
    }
    for old in [1, 2, 255, 256, 257, 512, 699] {
        let proof = tlog_tiles::prove_tree(700, old, &reader).expect("their proof");
        let old_root = tlog_tiles::tree_hash(old, &reader).expect("their root");
        let (ours, _) = log.consistency(old).await.expect("our proof");
        assert_eq!(ours, proof.iter().map(|hash| Sha256(hash.0)).collect::<Vec<_>>());
        consistency_check(old, 700, Sha256(old_root.0), Sha256(root.0), &ours).expect("holds for us");
        let ours = ours.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect();
        tlog_tiles::check_tree(&ours, 700, root, old, old_root).expect("holds for them");
    }
}

#[test]
fn tile_paths_are_the_same_to_them() {
    for (level, index, width) in
        [(0, 0, 256), (0, 1_234_067, 256), (3, 999, 17), (1, 1_000, 1), (0, 999_999, 255)]
    {
        let partial = if width == 256 { None } else { u8::try_from(width).ok() };
        let ours = TilePath { kind: TileKind::Hashes(level), index, width: partial }.to_string();
        let theirs = Tile::new(8, level, index, width, false).path();
        // Theirs carries the tile height as well, as the older form of the format did.
        assert_eq!(theirs.replacen("tile/8/", "tile/", 1), ours);
    }
}

/// PyPI `aics-tlog` made these files (`tests/strangers/with_aics_tlog.py golden`): a log of 300 entries, two witnesses.
#[test]
fn a_proof_cosigned_by_aics_tlog_verifies_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/aics-tlog");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("golden file");
    let (text, entry, proof) = (read("policy"), read("entry"), read("proof"));
    let policy: Policy = text.parse().expect("policy");
    let check = |proof: &str, entry: &str| {
        UnverifiedProof::parse(proof.as_bytes()).and_then(|proof| proof.verify(entry.as_bytes(), &policy))
    };
    let verified = check(&proof, &entry).expect("verifies");
    assert_eq!((verified.index, verified.checkpoint.size), (257, 300));
    assert!(check(&proof, "entry 256").is_err());
    // Without the line of one of two witnesses the quorum of both is not met, and one of them is enough for `any`.
    let lines: Vec<_> = proof.lines().filter(|line| !line.contains("witness2.example")).collect();
    let fewer = format!("{}\n", lines.join("\n"));
    assert!(check(&fewer, &entry).expect_err("quorum").to_string().contains("quorum"));
    let any: Policy = text.replace("both all", "both any").parse().expect("policy");
    UnverifiedProof::parse(fewer.as_bytes())
        .expect("parses")
        .verify(entry.as_bytes(), &any)
        .expect("one is enough");
    // No flipped bit of the whole proof is accepted.
    for bit in 0..proof.len() * 8 {
        let mut bytes = proof.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = UnverifiedProof::parse(&bytes).and_then(|proof| proof.verify(entry.as_bytes(), &policy));
        assert!(result.is_err(), "bit {bit}");
    }
}

#[test]
fn policies_that_could_mislead_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/aics-tlog");
    let good = std::fs::read_to_string(folder.join("policy")).expect("golden file");
    assert!(good.parse::<Policy>().is_ok());
    let log = good.lines().next().expect("log line");
    for (from, to) in [
        ("quorum both", ""),
        ("quorum both", "quorum other"),
        ("quorum both", "quorum both\nquorum none"),
        ("both all w1 w2", "both 3 w1 w2"),
        ("both all w1 w2", "both 0 w1 w2"),
        ("both all w1 w2", "both 01 w1 w2"),
        ("both all w1 w2", "both all w1 w1"),
        ("both all w1 w2", "both all w1 w3"),
        ("both all w1 w2", "both all"),
        ("group both", "group w1"),
        ("group both", "group none"),
        ("witness w2", "witness w1"),
        ("quorum both", &format!("{log}\nquorum both")),
        ("log ", "witness w0 "),
        ("quorum both", "quorum both\nsurprise"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(bad.parse::<Policy>().is_err(), "{bad}");
    }
    assert!("# nothing\n\nquorum none\n".parse::<Policy>().is_ok());
}

#[test]
fn a_note_signed_by_signed_note_verifies_here() {
    // Their secret key form, with the public form that we make of the same seed.
    let name: KeyName = "audit.example/theirs".parse().expect("name");
    let public = SigningKey::from_seed(&Zeroizing::new([5; 32])).expect("key");
    let vkey = NoteVerifier::new(name.clone(), KeyKind::Ed25519, *public.public());
    let material = base64::engine::general_purpose::STANDARD.encode([[1].as_slice(), &[5; 32]].concat());
    let key_id = hex_encode(&vkey.key_id().0);
    let signer = StandardSigner::new(&format!("PRIVATE+KEY+{name}+{key_id}+{material}")).expect("signer");
    let text =
        Checkpoint { origin: "audit.example/theirs".parse().expect("name"), size: 3, root: Sha256([7; 32]) }
            .to_text();
    let mut note = Note::new(text.as_bytes(), &[]).expect("note");
    note.add_sigs(&[&signer]).expect("signs");
    assert_eq!(signer.name(), "audit.example/theirs");
    let bytes = note.to_bytes();
    let ours = UnverifiedNote::parse(&bytes).expect("a note to us");
    assert_eq!(Checkpoint::verify(&ours, &[vkey]).expect("verifies").size, 3);
    assert!(Checkpoint::verify(&ours, &[verifier()]).is_err());
    assert_ne!(origin().as_str(), signer.name());
}

#[tokio::test]
async fn ct_merkle_has_the_same_roots_and_proofs() {
    let folder = tempfile::tempdir().expect("folder");
    log_make(folder.path(), COUNT).await;
    let entries = entries(folder.path());
    let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let mut tree = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    for (count, entry) in entries.iter().enumerate() {
        tree.push(entry.clone());
        let size = count as u64 + 1;
        let root = tree.root();
        assert_eq!(root.as_bytes().as_slice(), root_of(&hashes[..=count]).0);
        if !u64::is_multiple_of(size, 61) && size != 700 {
            continue;
        }
        let source = LeafHashes(&hashes[..=count]);
        for index in (0..size).step_by(53) {
            let ours = inclusion_proof(&source, index, size).expect("our proof");
            let theirs = tree.prove_inclusion(usize::try_from(index).expect("fits"));
            assert_eq!(ours.iter().flat_map(|hash| hash.0).collect::<Vec<_>>(), theirs.as_bytes());
            let ours =
                InclusionProof::<sha2::Sha256>::try_from_bytes(theirs.as_bytes().to_vec()).expect("proof");
            root.verify_inclusion(&entries[usize::try_from(index).expect("fits")], index, &ours)
                .expect("holds");
        }
        for old in (1..size).step_by(53) {
            let ours = consistency_proof(&source, old, size).expect("our proof");
            let old_root = root_of(&hashes[..usize::try_from(old).expect("fits")]);
            consistency_check(old, size, old_root, root_of(&hashes[..=count]), &ours).expect("holds for us");
            let bytes = ours.iter().flat_map(|hash| hash.0).collect();
            let ours = ConsistencyProof::<sha2::Sha256>::try_from_bytes(bytes).expect("proof");
            let old_root = RootHash::<sha2::Sha256>::new(old_root.0.into(), old);
            root.verify_consistency(&old_root, &ours).expect("holds for them");
        }
    }
}
