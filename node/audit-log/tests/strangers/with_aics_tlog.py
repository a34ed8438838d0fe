"""Lets PyPI aics-tlog (0.2.1, Python 3.12 or later) verify a log of ours, and writes the golden files it signs.

    with_aics_tlog.py verify FOLDER    FOLDER is what `cargo run --example sample_log -- FOLDER` wrote
    with_aics_tlog.py golden FOLDER    writes policy, entry and proof; tests/golden/aics-tlog was made by this
"""

import pathlib
import sys

from aics_tlog import checkpoint as cp
from aics_tlog import cosign, hashing, note, tiles, tree, verified
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def verify(folder: pathlib.Path) -> None:
    log_key, witness = [note.parse_vkey(line) for line in (folder / "vkeys").read_text().split()]
    signed = note.parse_note((folder / "checkpoint").read_bytes())
    result = cp.verify_checkpoint(signed, log_key, [witness], 1)
    assert result.ok, result.error
    reader = tiles.FileSystemTileReader(folder)
    report = verified.audit_tiles(reader, result.size, result.root)
    entries = verified.VerifiedTileReader(reader, result.size, result.root)
    for index in range(0, result.size, 31):
        path = tiles.inclusion_proof_from_tiles(reader, index, result.size)
        leaf = hashing.leaf_hash(entries.entry(index))
        assert tree.verify_inclusion(leaf, index, result.size, path, result.root), index
    bundle = folder / "tile/entries/000"
    original = bundle.read_bytes()
    changed = bytearray(original)
    changed[1000] ^= 1
    bundle.write_bytes(changed)
    try:
        verified.audit_tiles(reader, result.size, result.root)
    except tiles.TileVerificationError:
        pass
    else:
        raise AssertionError("a changed bundle was accepted")
    finally:
        bundle.write_bytes(original)
    print(f"verified: {report}, {result.cosignature_count} cosignature")


def golden(folder: pathlib.Path) -> None:
    log, first, second = [Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (21, 22, 23)]
    origin = "golden.example/aics-tlog"
    leaves = [f"entry {number}".encode() for number in range(300)]
    merkle = tree.MerkleTree(leaves)
    head = cp.Checkpoint(origin=origin, size=300, root=merkle.root())
    signed = cp.sign_checkpoint(head, log, origin)
    lines = list(signed.signatures)
    policy = [f"log {note.format_vkey(note.vkey_from_ed25519(origin, log.public_key()))}"]
    for number, key in enumerate((first, second), 1):
        name = f"witness{number}.example"
        lines.append(cosign.sign_cosignature(key, name, 1795334400 + number, origin, 300, head.root)[1])
        policy.append(f"witness w{number} {note.format_vkey(cosign.cosignature_vkey(name, key.public_key()))}")
    policy += ["group both all w1 w2", "quorum both"]
    path = [note.b64_encode(one) for one in merkle.inclusion_proof(257)]
    text = note.Note(text=signed.text, signatures=tuple(lines)).serialise()
    proof = "\n".join(["c2sp.org/tlog-proof@v1", "index 257", *path, "", text])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy").write_text("\n".join(policy) + "\n")
    (folder / "entry").write_bytes(leaves[257])
    (folder / "proof").write_text(proof)


if __name__ == "__main__":
    {"verify": verify, "golden": golden}[sys.argv[1]](pathlib.Path(sys.argv[2]))
