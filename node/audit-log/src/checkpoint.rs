//! C2SP tlog-checkpoint: what a log signs about itself: its origin, its size and its root.

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::key::SigningKey;

use crate::error::LogError;
use crate::merkle::empty_root;
use crate::note::{
    KeyName, NoteVerifier, UnverifiedNote, base64_decode, base64_encode, note_sign, note_write,
};

/// State of a log at one moment. Read from a verified note, or computed by the log itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Which log. Equals the name of its key.
    pub origin: KeyName,
    /// Number of entries.
    pub size: u64,
    /// Root hash of the tree of these entries.
    pub root: Sha256,
}

impl Checkpoint {
    /// The text that is signed. We write no extension lines: monitors cannot audit them.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64_encode(&self.root.0))
    }

    /// Reads the text of a note. Extension lines of other logs are accepted and stay part of the signed text, but
    /// mean nothing here.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let refuse = |reason: &str| LogError::malformed("checkpoint", reason);
        let mut lines =
            text.strip_suffix('\n').ok_or_else(|| refuse("the last line has no end"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(refuse("it has the lines origin, size and root hash"));
        };
        if lines.any(str::is_empty) {
            return Err(refuse("an extension line is empty"));
        }
        let size = number_parse(size).ok_or_else(|| refuse("the size is not a decimal number"))?;
        let root = base64_decode(root)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .map(Sha256)
            .ok_or_else(|| refuse("the root hash is not base64 of 32 bytes"))?;
        if size == 0 && root != empty_root() {
            return Err(refuse("a log without entries has the empty root"));
        }
        Ok(Self { origin: origin.parse()?, size, root })
    }

    /// Signs with each of `keys` under the origin's name: several while the log's key is being rotated.
    pub fn sign(&self, keys: &[SigningKey]) -> String {
        let text = self.to_text();
        let signatures: Vec<_> = keys.iter().map(|key| note_sign(&text, &self.origin, key)).collect();
        note_write(&text, &signatures)
    }

    /// Reads a signed checkpoint: at least one of `keys` signed, and that key bears the origin's name.
    pub fn verify(note: &UnverifiedNote, keys: &[NoteVerifier]) -> Result<Self, LogError> {
        let signed = note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        if signed.iter().any(|key| *key.name() == checkpoint.origin) {
            Ok(checkpoint)
        } else {
            Err(LogError::Signature {
                form: "checkpoint",
                reason: "it is signed by the key of another log".to_owned(),
            })
        }
    }
}

/// A decimal number without sign and without leading zero, as all C2SP formats write it.
pub(crate) fn number_parse(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::KeyKind;
    use zeroize::Zeroizing;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "audit.example/log".parse().expect("name"), size: 12, root: Sha256::of(b"root") }
    }

    #[test]
    fn signed_and_read_back() {
        let keys = [1, 2].map(|seed| SigningKey::from_seed(&Zeroizing::new([seed; 32])).expect("key"));
        let note = checkpoint().sign(&keys);
        let note = UnverifiedNote::parse(note.as_bytes()).expect("note");
        for key in &keys {
            let verifier = NoteVerifier::new(checkpoint().origin, KeyKind::Ed25519, *key.public());
            assert_eq!(Checkpoint::verify(&note, &[verifier]).expect("verifies"), checkpoint());
        }
        let other = NoteVerifier::new(
            "other.example/log".parse().expect("name"),
            KeyKind::Ed25519,
            *keys[0].public(),
        );
        assert!(Checkpoint::verify(&note, &[other]).is_err());
    }

    #[test]
    fn a_log_cannot_speak_for_another() {
        let key = SigningKey::from_seed(&Zeroizing::new([1; 32])).expect("key");
        let name: KeyName = "mine.example/log".parse().expect("name");
        let text = checkpoint().to_text();
        let note = note_write(&text, &[note_sign(&text, &name, &key)]);
        let verifier = NoteVerifier::new(name, KeyKind::Ed25519, *key.public());
        let note = UnverifiedNote::parse(note.as_bytes()).expect("note");
        assert!(Checkpoint::verify(&note, &[verifier]).is_err());
    }

    #[test]
    fn only_the_one_spelling_is_read() {
        let good = checkpoint().to_text();
        assert_eq!(Checkpoint::parse(&good).expect("good"), checkpoint());
        assert!(Checkpoint::parse(&format!("{good}extension\n")).is_ok());
        for (from, to) in [
            ("\n12\n", "\n012\n"),
            ("\n12\n", "\n+12\n"),
            ("\n12\n", "\n-1\n"),
            ("\n12\n", "\n\n"),
            ("\n12\n", "\n99999999999999999999\n"),
            ("=\n", "\n"),
            ("=\n", "=\n\nx\n"),
            ("\n12\n", "\n0\n"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
        assert!(Checkpoint::parse(good.trim_end()).is_err());
    }
}
