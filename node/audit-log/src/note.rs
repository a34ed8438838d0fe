//! C2SP signed-note: the text form in which checkpoints and cosignatures are signed, with its keys.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chengxin_schemas::digest::{Sha256, hex_decode, hex_encode};
use chengxin_schemas::key::{SigningKey, VerifyingKey};

use crate::error::LogError;

/// Longest note, in bytes: a checkpoint with the most signatures allowed, the large post-quantum ones included,
/// stays below.
pub const NOTE_LIMIT: usize = 512 * 1024;
/// Most signature lines. The specification asks for at least 16; a federation's witnesses may be more.
pub const SIGNATURES_LIMIT: usize = 100;
/// Longest key name, in bytes. Names with a length byte in other signature types end at 255.
pub const NAME_LIMIT: usize = 255;

/// Name of a key: not empty, no white space, no `+`. The name of a log's key equals its origin.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyName(String);

impl KeyName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyName {
    /// The name in a signature line, by the rule of the specification alone: lines of unknown keys must be passed over, so
    /// a name that this program would not give to a key must not fail the note.
    fn of_line(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && !text.contains(|symbol: char| symbol.is_whitespace() || symbol == '+');
        fits.then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let bad = |symbol: char| symbol.is_whitespace() || symbol.is_control() || symbol == '+';
        if text.is_empty() || text.len() > NAME_LIMIT || text.contains(bad) {
            return Err(LogError::malformed(
                "key name",
                "use 1 to 255 bytes without spaces and without +, for example audit.example.gov.cn/log",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a key signs; the number is part of the key ID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyKind {
    /// Ed25519 over the note text: a log's own signature.
    Ed25519,
    /// Timestamped Ed25519 cosignature of a witness (C2SP tlog-cosignature).
    CosignatureV1,
}

impl KeyKind {
    /// The signature type identifier of the specification.
    pub fn number(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

/// The first four bytes of the hash of name, kind and public key; a hint which key to try, not an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NoteKeyId(pub [u8; 4]);

/// A public key with its name, as text the `vkey`: `<name>+<hex key ID>+<base64(kind ‖ key)>`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NoteVerifier {
    name: KeyName,
    kind: KeyKind,
    key: VerifyingKey,
    key_id: NoteKeyId,
}

impl NoteVerifier {
    /// The verifier for `key` under `name`.
    pub fn new(name: KeyName, kind: KeyKind, key: VerifyingKey) -> Self {
        let digest = Sha256::of_parts(&[name.as_str().as_bytes(), b"\n", &[kind.number()], key.bytes()]);
        let [a, b, c, d, ..] = digest.0;
        Self { name, kind, key, key_id: NoteKeyId([a, b, c, d]) }
    }

    /// The name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The key ID.
    pub fn key_id(&self) -> NoteKeyId {
        self.key_id
    }

    /// Whether `signature` names this key.
    pub fn is_meant_by(&self, signature: &NoteSignature) -> bool {
        signature.name == self.name && signature.key_id == self.key_id
    }
}

impl std::fmt::Display for NoteVerifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let material = [&[self.kind.number()], self.key.bytes().as_slice()].concat();
        write!(formatter, "{}+{}+{}", self.name, hex_encode(&self.key_id.0), STANDARD.encode(material))
    }
}

impl FromStr for NoteVerifier {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let refuse = |reason: &str| LogError::malformed("vkey", reason);
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(key_id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("write <name>+<key ID>+<base64 of the key>"));
        };
        let key_id =
            hex_decode::<4>(key_id).ok_or_else(|| refuse("the key ID is 8 lower-case hexadecimal digits"))?;
        let material = base64_decode(material).ok_or_else(|| refuse("the key is not base64"))?;
        let (kind, key) = match material.split_first() {
            Some((0x01, key)) => (KeyKind::Ed25519, key),
            Some((0x04, key)) => (KeyKind::CosignatureV1, key),
            _ => {
                return Err(refuse(
                    "only the key types 1 (Ed25519) and 4 (Ed25519 cosignature) are supported",
                ));
            }
        };
        let key = key.try_into().map_err(|_| refuse("an Ed25519 key has 32 bytes"))?;
        let verifier = Self::new(name.parse()?, kind, VerifyingKey::from_ed25519(key));
        if verifier.key_id.0 != key_id {
            return Err(refuse("the key ID does not belong to this name and key; copy the whole line again"));
        }
        Ok(verifier)
    }
}

/// One signature line of a note; by itself it proves nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteSignature {
    /// Name of the key that is said to have signed.
    pub name: KeyName,
    /// ID of that key.
    pub key_id: NoteKeyId,
    /// What follows the key ID: its form depends on the kind of the key.
    pub signature: Vec<u8>,
}

impl std::fmt::Display for NoteSignature {
    /// The line with its line end.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let material = [self.key_id.0.as_slice(), &self.signature].concat();
        writeln!(formatter, "— {} {}", self.name, STANDARD.encode(material))
    }
}

impl FromStr for NoteSignature {
    type Err = LogError;

    /// Reads a line without its line end.
    fn from_str(line: &str) -> Result<Self, LogError> {
        let refuse = |reason: &str| LogError::malformed("note", reason);
        let (name, material) = line
            .strip_prefix("— ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| refuse("a signature line reads: em dash, space, name, space, base64"))?;
        let material = base64_decode(material).ok_or_else(|| refuse("a signature is not base64"))?;
        let name = KeyName::of_line(name)
            .ok_or_else(|| refuse("the name in a signature line is not empty and has no space and no +"))?;
        match material.split_first_chunk::<4>() {
            Some((key_id, signature)) if !signature.is_empty() => {
                Ok(Self { name, key_id: NoteKeyId(*key_id), signature: signature.to_vec() })
            }
            _ => Err(refuse("a signature is shorter than its key ID")),
        }
    }
}

/// A note that was read but not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl UnverifiedNote {
    /// Reads a note, within the limits of this module.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        if bytes.len() > NOTE_LIMIT {
            return Err(LogError::TooLarge {
                what: "a note",
                actual: bytes.len() as u64,
                limit: NOTE_LIMIT as u64,
            });
        }
        let refuse = |reason: &str| LogError::malformed("note", reason);
        let note = std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8"))?;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(refuse("it contains a control character"));
        }
        let split =
            note.rfind("\n\n").ok_or_else(|| refuse("no empty line separates text and signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or_else(|| refuse("the last line has no end"))?;
        if lines.split('\n').count() > SIGNATURES_LIMIT {
            return Err(refuse("it has more than 100 signatures"));
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signed text with its final line end. Trust it only after [`UnverifiedNote::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Requires a signature by at least one of `keys`, which are [`KeyKind::Ed25519`]; cosignature keys among them
    /// are passed over. Lines of unknown keys are ignored, as rotation and cosigning need; a line that names a known
    /// key and does not verify fails the whole note. Gives back the keys that signed.
    pub fn verify<'k>(&self, keys: &'k [NoteVerifier]) -> Result<Vec<&'k NoteVerifier>, LogError> {
        let mut signed = Vec::new();
        for signature in &self.signatures {
            let meant = keys.iter().find(|key| key.kind == KeyKind::Ed25519 && key.is_meant_by(signature));
            let Some(key) = meant else { continue };
            key.key.verify(self.text.as_bytes(), &signature.signature).map_err(|_| LogError::Signature {
                form: "note",
                reason: format!("the signature by {} does not verify", key.name),
            })?;
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            return Err(LogError::Signature { form: "note", reason: "no trusted key signed it".to_owned() });
        }
        Ok(signed)
    }
}

/// Signs `text`, which must end with a line end, and gives the signature line.
pub fn note_sign(text: &str, name: &KeyName, key: &SigningKey) -> NoteSignature {
    let verifier = NoteVerifier::new(name.clone(), KeyKind::Ed25519, *key.public());
    NoteSignature { name: name.clone(), key_id: verifier.key_id, signature: key.sign(text.as_bytes()) }
}

/// Puts text and signature lines together.
pub fn note_write(text: &str, signatures: &[NoteSignature]) -> String {
    let mut note = format!("{text}\n");
    signatures.iter().for_each(|signature| note.push_str(&signature.to_string()));
    note
}

/// Base64 of RFC 4648 §4 with padding, without stray bits.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64 of RFC 4648 §4 with padding.
pub(crate) fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key: NoteVerifier = VKEY.parse().expect("vkey");
        assert_eq!(key.to_string(), VKEY);
        let note = UnverifiedNote::parse(NOTE.as_bytes()).expect("note");
        assert_eq!(note.verify(std::slice::from_ref(&key)).expect("verifies"), [&key]);
        assert_eq!(note_write(note.text(), note.signatures()), NOTE);
    }

    #[test]
    fn unknown_signatures_are_ignored_and_broken_known_ones_are_not() {
        let key: NoteVerifier = VKEY.parse().expect("vkey");
        let other = SigningKey::from_seed(&Zeroizing::new([9; 32])).expect("key");
        let name: KeyName = "other.example/log".parse().expect("name");
        let note = UnverifiedNote::parse(NOTE.as_bytes()).expect("note");
        let line = note_sign(note.text(), &name, &other);
        let both = UnverifiedNote {
            text: note.text.clone(),
            signatures: vec![line.clone(), note.signatures[0].clone()],
        };
        let both = UnverifiedNote::parse(note_write(&both.text, &both.signatures).as_bytes()).expect("note");
        assert_eq!(both.verify(std::slice::from_ref(&key)).expect("verifies").len(), 1);
        let two = [key.clone(), NoteVerifier::new(name.clone(), KeyKind::Ed25519, *other.public())];
        assert_eq!(both.verify(&two).expect("verifies").len(), 2);
        let mut broken = both.clone();
        broken.signatures[0].signature[0] ^= 1;
        assert!(broken.verify(std::slice::from_ref(&key)).is_ok(), "the broken line is of an unknown key");
        assert!(broken.verify(&two).is_err(), "a known key's line does not verify");
        let alone = UnverifiedNote { text: note.text.clone(), signatures: vec![line] };
        assert!(alone.verify(std::slice::from_ref(&key)).is_err());
    }

    #[test]
    fn a_line_of_an_unknown_key_is_ignored_whatever_its_name() {
        let key: NoteVerifier = VKEY.parse().expect("vkey");
        for name in
            ["n".repeat(NAME_LIMIT + 1), "del\u{7f}".to_owned(), "c1\u{9f}".to_owned(), "名".to_owned()]
        {
            let note = format!("{NOTE}— {name} AAAAAAA=\n");
            let note = UnverifiedNote::parse(note.as_bytes()).expect("note");
            assert_eq!(note.verify(std::slice::from_ref(&key)).expect("verifies").len(), 1, "{name:?}");
        }
    }

    #[test]
    fn malformed_notes_and_keys_are_refused() {
        for bad in [
            "",
            "text\n",
            "text\n\n",
            "text\n\n— name\n",
            "text\n\n— name !!!!\n",
            "text\n\n- name AAAAAAA=\n",
            "te\u{1}xt\n\n— name AAAAAAA=\n",
            "text\n\n— name AAAAAAA=",
            "text\n\n— na+me AAAAAAA=\n",
            "text\n\n— name AAAAAA==\n",
        ] {
            assert!(UnverifiedNote::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(UnverifiedNote::parse(b"text\n\n\xe2\x80\x94 name AAAAAAA=\n").is_ok());
        assert!(UnverifiedNote::parse(&vec![b'a'; NOTE_LIMIT + 1]).is_err());
        let many = "— n AAAAAAA=\n".repeat(SIGNATURES_LIMIT + 1);
        assert!(UnverifiedNote::parse(format!("t\n\n{many}").as_bytes()).is_err());
        for bad in [
            "",
            "a+b",
            "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
            "x+530d903a+Aeky",
        ] {
            assert!(bad.parse::<NoteVerifier>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_err(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = UnverifiedNote::parse(&bytes);
        }

        #[test]
        fn what_parses_is_written_back_the_same(name in "[a-z./]{1,20}", text in "[a-z\n]{0,40}", material in proptest::collection::vec(any::<u8>(), 5..90)) {
            let signature = NoteSignature { name: name.parse().expect("name"), key_id: NoteKeyId([material[0], material[1], material[2], material[3]]), signature: material[4..].to_vec() };
            let written = note_write(&format!("{text}\n"), &[signature]);
            let note = UnverifiedNote::parse(written.as_bytes()).expect("parses");
            prop_assert_eq!(note_write(note.text(), note.signatures()), written);
        }
    }
}
