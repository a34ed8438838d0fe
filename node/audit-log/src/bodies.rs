//! Sealed bodies: how one is encrypted, where it stands, and how it is erased so that the erasure shows.
//!
//! Bodies of [`BODIES_PER_SEGMENT`] entries stand in one file: `chengxin/audit-bodies/v1`, LF, number of the first
//! entry (u64), then one slot per entry: state (1 sealed, 2 erased), number of the entry (u64), length of the content
//! (u32), content. Integers are big-endian. The content of a sealed slot is the id of the body key (8 bytes), a random
//! seed (32 bytes) and the ciphertext; the leaf holds its digest. The content of an erased slot is zeros of the same
//! length: together with an entry of kind `body_erased` that names it, this is an erasure; anything else is damage.
//!
//! Each body has a key of its own, HMAC(body key, seed), so that one body can be shown to somebody without the
//! others, and erasing the seed makes every copy of the ciphertext useless unless it includes the seed. What is not
//! solved: copies of the whole file, and blocks that a device keeps after they were overwritten, still open with the
//! body key.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use chengxin_schemas::digest::{HmacKey, Sha256};
use chengxin_schemas::sealing_key::{DataKey, NONCE_LENGTH};
use zeroize::Zeroizing;

use crate::body::BODY_LIMIT;
use crate::entry::BodyReference;
use crate::error::LogError;
use crate::note::KeyName;

/// Folder of the bodies, in the log's folder.
pub(crate) const BODIES_FOLDER: &str = "bodies";
/// Bodies in one file.
pub(crate) const BODIES_PER_SEGMENT: u64 = 4_096;
/// Length of a slot's head.
pub(crate) const SLOT_HEAD: usize = 1 + 8 + 4;
/// Longest content of a slot: key id, seed, nonce, salt, body, tag.
pub(crate) const CONTENT_LIMIT: usize = 8 + 32 + NONCE_LENGTH + 32 + BODY_LIMIT + 16;

const SEGMENT_MAGIC: &[u8; 25] = b"chengxin/audit-bodies/v1\n";
/// Length of a file's head.
pub(crate) const SEGMENT_HEAD: usize = SEGMENT_MAGIC.len() + 8;
const SALT: usize = 32;
const SEED: usize = 32;
const KEY_ID: usize = 8;

/// Fills a slice with unpredictable bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// The secret under which a node seals bodies.
pub struct BodyKey {
    secret: HmacKey,
    id: [u8; KEY_ID],
}

impl BodyKey {
    /// The key of 32 secret bytes.
    pub fn new(secret: &Zeroizing<[u8; 32]>) -> Self {
        let secret = HmacKey::new(secret);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&secret.hash(&[b"chengxin/audit-body-key-id/v1"])[..KEY_ID]);
        Self { secret, id }
    }

    fn data_key(&self, seed: &[u8]) -> Result<DataKey, LogError> {
        let bytes = Zeroizing::new(self.secret.hash(&[b"chengxin/audit-body-key/v1", seed]));
        Ok(DataKey::new(&bytes)?)
    }
}

impl std::fmt::Debug for BodyKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("BodyKey(..)")
    }
}

/// The key that seals, and older ones that still open what they sealed.
#[derive(Debug)]
pub struct BodyKeys {
    /// Seals and opens.
    pub current: BodyKey,
    /// Open only.
    pub older: Vec<BodyKey>,
}

/// A sealed body with what the leaf says about it.
pub(crate) struct SealedBody {
    pub(crate) content: Vec<u8>,
    pub(crate) reference: BodyReference,
}

fn context(origin: &KeyName, index: u64) -> Vec<u8> {
    [b"chengxin/audit-body/v1\n", origin.as_str().as_bytes(), b"\n", &index.to_be_bytes()].concat()
}

impl BodyKeys {
    /// Seals `body` for entry `index` of the log `origin`.
    pub(crate) fn seal(
        &self,
        origin: &KeyName,
        index: u64,
        body: &[u8],
        random: &mut Random,
    ) -> Result<SealedBody, LogError> {
        let mut seed = [0; SEED];
        random(&mut seed);
        let mut salted = Zeroizing::new(vec![0; SALT + body.len()]);
        random(&mut salted[..SALT]);
        salted[SALT..].copy_from_slice(body);
        // The key seals this one body, so its nonce may be zeros.
        let sealed =
            self.current.data_key(&seed)?.seal([0; NONCE_LENGTH], &context(origin, index), &salted)?;
        let content = [self.current.id.as_slice(), &seed, &sealed].concat();
        let length = u32::try_from(content.len()).map_err(|_| LogError::TooLarge {
            what: "an audit body",
            actual: content.len() as u64,
            limit: CONTENT_LIMIT as u64,
        })?;
        let reference =
            BodyReference { commitment: Sha256::of(&salted), sealed: Sha256::of(&content), length };
        Ok(SealedBody { content, reference })
    }

    /// Opens the content of a slot and checks it against the leaf. The result is the salt and the body.
    pub(crate) fn open(
        &self,
        origin: &KeyName,
        index: u64,
        content: &[u8],
        reference: &BodyReference,
    ) -> Result<OpenedBody, LogError> {
        let broken = |reason: &str| LogError::malformed("audit body", format!("entry {index}: {reason}"));
        let (key_id, rest) =
            content.split_at_checked(KEY_ID).ok_or_else(|| broken("the content is too short"))?;
        let (seed, sealed) = rest.split_at_checked(SEED).ok_or_else(|| broken("the content is too short"))?;
        let key = std::iter::once(&self.current)
            .chain(&self.older)
            .find(|key| key.id == key_id)
            .ok_or(LogError::NoBodyKey { index })?;
        let salted = key.data_key(seed)?.open(&context(origin, index), sealed)?;
        if salted.len() < SALT || Sha256::of(&salted) != reference.commitment {
            return Err(broken("the body is not the one that the entry commits to"));
        }
        Ok(OpenedBody(salted))
    }
}

/// Salt and body in the clear; whoever holds both can show that the entry committed to them.
pub(crate) struct OpenedBody(Zeroizing<Vec<u8>>);

impl OpenedBody {
    pub(crate) fn body(&self) -> &[u8] {
        &self.0[SALT..]
    }
}

/// Whether a body is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlotState {
    Sealed,
    Erased,
}

/// The head of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotHead {
    pub(crate) state: SlotState,
    pub(crate) index: u64,
    pub(crate) length: u32,
}

impl SlotHead {
    pub(crate) fn encode(self) -> [u8; SLOT_HEAD] {
        let mut head = [0; SLOT_HEAD];
        head[0] = match self.state {
            SlotState::Sealed => 1,
            SlotState::Erased => 2,
        };
        head[1..9].copy_from_slice(&self.index.to_be_bytes());
        head[9..].copy_from_slice(&self.length.to_be_bytes());
        head
    }

    /// Reads a head that must be that of entry `index`.
    pub(crate) fn decode(head: &[u8; SLOT_HEAD], index: u64) -> Option<Self> {
        let state = match head[0] {
            1 => SlotState::Sealed,
            2 => SlotState::Erased,
            _ => return None,
        };
        let (found, length) = head[1..].split_first_chunk::<8>()?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let fits = u64::from_be_bytes(*found) == index
            && usize::try_from(length).is_ok_and(|length| length <= CONTENT_LIMIT);
        fits.then_some(Self { state, index, length })
    }
}

/// Number of the first entry in the file that holds the body of `index`.
pub(crate) fn segment_first(index: u64) -> u64 {
    index - index % BODIES_PER_SEGMENT
}

/// Path, relative to the log, of the file that begins with entry `first`.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{BODIES_FOLDER}/{first:020}.bodies")
}

/// The head of the file that begins with entry `first`.
pub(crate) fn segment_head(first: u64) -> Vec<u8> {
    [SEGMENT_MAGIC.as_slice(), &first.to_be_bytes()].concat()
}

/// A file of bodies, read slot by slot.
pub(crate) struct BodiesFile {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    next: u64,
    offset: u64,
}

/// Where a slot stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) head: SlotHead,
    /// Offset of the head.
    pub(crate) offset: u64,
}

impl Slot {
    /// Offset behind the content.
    pub(crate) fn end(&self) -> u64 {
        self.offset + SLOT_HEAD as u64 + u64::from(self.head.length)
    }
}

impl BodiesFile {
    /// Opens the file that begins with entry `first` for reading.
    pub(crate) fn open(folder: &Path, first: u64) -> Result<Self, LogError> {
        let path = folder.join(segment_name(first));
        let file = File::open(&path).map_err(LogError::storage("open", &path))?;
        let mut head = [0; SEGMENT_HEAD];
        (&file).read_exact(&mut head).map_err(LogError::storage("read", &path))?;
        if head.as_slice() != segment_head(first) {
            return Err(LogError::contradiction(&path, "the head of the file does not fit its name"));
        }
        Ok(Self { file, path, next: first, offset: SEGMENT_HEAD as u64 })
    }

    /// Steps to the next slot without reading its content; nothing at the end of the file or where a slot is not
    /// whole.
    pub(crate) fn step(&mut self) -> Result<Option<Slot>, LogError> {
        let length = self.file.metadata().map_err(LogError::storage("examine", &self.path))?.len();
        if length < self.offset + SLOT_HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; SLOT_HEAD];
        self.file.read_exact_at(&mut head, self.offset).map_err(LogError::storage("read", &self.path))?;
        let slot = SlotHead::decode(&head, self.next).map(|head| Slot { head, offset: self.offset });
        let slot = slot.filter(|slot| slot.end() <= length);
        if let Some(slot) = &slot {
            self.next += 1;
            self.offset = slot.end();
        }
        Ok(slot)
    }

    /// The slot of entry `index`.
    pub(crate) fn find(&mut self, index: u64) -> Result<Slot, LogError> {
        loop {
            let at = self.next;
            match self.step()? {
                Some(slot) if at == index => return Ok(slot),
                Some(_) => {}
                None => {
                    return Err(LogError::contradiction(
                        &self.path,
                        format!("no body for entry {at} at offset {}", self.offset),
                    ));
                }
            }
        }
    }

    /// The content of a slot.
    pub(crate) fn content(&self, slot: &Slot) -> Result<Vec<u8>, LogError> {
        let mut content = vec![0; slot.head.length as usize];
        self.file
            .read_exact_at(&mut content, slot.offset + SLOT_HEAD as u64)
            .map_err(LogError::storage("read", &self.path))?;
        Ok(content)
    }

    /// Where the next slot would begin, and which entry's it would be.
    pub(crate) fn position(&self) -> (u64, u64) {
        (self.next, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: u8, older: &[u8]) -> BodyKeys {
        let key = |byte: u8| BodyKey::new(&Zeroizing::new([byte; 32]));
        BodyKeys { current: key(current), older: older.iter().copied().map(key).collect() }
    }

    #[test]
    fn a_body_opens_in_its_place_with_its_key_only() {
        let origin: KeyName = "audit.example/log".parse().expect("name");
        let mut counter = 0_u8;
        let mut random: Random = Box::new(move |bytes| {
            counter = counter.wrapping_add(1);
            bytes.fill(counter);
        });
        let sealed = keys(1, &[]).seal(&origin, 7, b"body", &mut random).expect("seals");
        let SealedBody { content, reference } = &sealed;
        assert_eq!(keys(1, &[]).open(&origin, 7, content, reference).expect("opens").body(), b"body");
        assert_eq!(keys(2, &[1]).open(&origin, 7, content, reference).expect("opens").body(), b"body");
        assert!(matches!(
            keys(2, &[]).open(&origin, 7, content, reference),
            Err(LogError::NoBodyKey { index: 7 })
        ));
        assert!(keys(1, &[]).open(&origin, 8, content, reference).is_err());
        let other = BodyReference { commitment: Sha256::of(b"other"), ..*reference };
        assert!(keys(1, &[]).open(&origin, 7, content, &other).is_err());
        let again = keys(1, &[]).seal(&origin, 7, b"body", &mut random).expect("seals");
        assert_ne!(again.reference.commitment, reference.commitment);
        assert!(keys(1, &[]).open(&origin, 7, &[0; 20], reference).is_err());
        assert!(keys(1, &[]).open(&origin, 7, &[], reference).is_err());
    }

    #[test]
    fn heads_are_read_back_and_checked() {
        let head = SlotHead { state: SlotState::Erased, index: 9, length: 300 };
        assert_eq!(SlotHead::decode(&head.encode(), 9), Some(head));
        assert_eq!(SlotHead::decode(&head.encode(), 8), None);
        let long = SlotHead { length: u32::MAX, ..head };
        assert_eq!(SlotHead::decode(&long.encode(), 9), None);
    }
}
