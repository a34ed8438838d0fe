//! C2SP tlog-proof: evidence in one small text file that an entry stands in a log, checked offline.

use chengxin_schemas::digest::Sha256;

use crate::checkpoint::{Checkpoint, number_parse};
use crate::error::LogError;
use crate::merkle::{PROOF_LIMIT, inclusion_check, leaf_hash};
use crate::note::{NOTE_LIMIT, UnverifiedNote, base64_decode, base64_encode};
use crate::policy::Policy;

/// First line of a proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
/// Longest proof, in bytes: a note, 63 hashes and an `extra` line of 64 KiB.
pub const PROOF_BYTES_LIMIT: usize = NOTE_LIMIT + 128 * 1024;

/// A proof that was read but not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnverifiedProof {
    index: u64,
    path: Vec<Sha256>,
    checkpoint: UnverifiedNote,
}

/// What a verified proof says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedProof {
    /// Number of the entry in its log.
    pub index: u64,
    /// The log's state that includes it.
    pub checkpoint: Checkpoint,
}

/// Writes a proof: `checkpoint` is the signed note, verbatim. We write no `extra` line, because nobody vouches for it.
pub fn proof_write(index: u64, path: &[Sha256], checkpoint: &str) -> String {
    let mut text = format!("{HEADER}index {index}\n");
    for hash in path {
        text.push_str(&base64_encode(&hash.0));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(checkpoint);
    text
}

impl UnverifiedProof {
    /// Reads a proof within [`PROOF_BYTES_LIMIT`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let refuse = |reason: &str| LogError::malformed("tlog-proof", reason);
        if bytes.len() > PROOF_BYTES_LIMIT {
            return Err(LogError::TooLarge {
                what: "a tlog-proof",
                actual: bytes.len() as u64,
                limit: PROOF_BYTES_LIMIT as u64,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        let text = text
            .strip_prefix(HEADER)
            .ok_or_else(|| refuse("the first line is not c2sp.org/tlog-proof@v1"))?;
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| refuse("no empty line precedes the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        // Unauthenticated by definition: it must be well formed, and is dropped.
        if let Some(extra) = lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            base64_decode(extra).ok_or_else(|| refuse("the extra line is not base64"))?;
            lines.next();
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(number_parse)
            .ok_or_else(|| refuse("no line gives the index"))?;
        let path = lines
            .map(|line| base64_decode(line).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Sha256))
            .take(PROOF_LIMIT + 1)
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| refuse("a hash is not base64 of 32 bytes"))?;
        if path.len() > PROOF_LIMIT {
            return Err(refuse("it has more than 63 hashes"));
        }
        Ok(Self { index, path, checkpoint: UnverifiedNote::parse(checkpoint.as_bytes())? })
    }

    /// Checks that `entry` stands in a log which `policy` trusts, with the quorum of witnesses it asks for.
    pub fn verify(&self, entry: &[u8], policy: &Policy) -> Result<VerifiedProof, LogError> {
        let checkpoint = policy.checkpoint_verify(&self.checkpoint)?;
        inclusion_check(self.index, checkpoint.size, leaf_hash(entry), &self.path, checkpoint.root)?;
        Ok(VerifiedProof { index: self.index, checkpoint })
    }
}
