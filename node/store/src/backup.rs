//! Verified logical backups: every entry of one snapshot as a stream that shows any change of a byte.
//!
//! ```text
//! header    "CHENGXIN-STORE\r\n" (16 bytes), format version (u32), stamp of the snapshot (u64)
//! chunk     1 (u8), length of the payload (u32), payload, SHA-256 of the payload (32 bytes)
//!           payload: entries in ascending order of keys: key length (u32), key, value length (u32), value
//! trailer   2 (u8), chunks (u64), entries (u64), bytes of keys and values (u64),
//!           SHA-256 of every byte before it (32 bytes); then the stream ends
//! ```
//!
//! Numbers are big-endian. The counts stand in the trailer and not in the header, so that a backup needs
//! one pass over the snapshot. The digests show damage, not forgery: who keeps backups where others can
//! write signs or seals the file. Values are as the store holds them, sealed or not.
//!
//! Reading and writing block; call these functions where that is no harm.

use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::batch::Batch;
use crate::error::{BackupFault, StoreError};
use crate::limits;
use crate::range::KeyRange;
use crate::store::{Snapshot, Store};

const MAGIC: &[u8; 16] = b"CHENGXIN-STORE\r\n";
/// Version of the stream that this program writes, and the highest it reads.
const FORMAT: u32 = 1;
const CHUNK_TAG: u8 = 1;
const TRAILER_TAG: u8 = 2;
const DIGEST_BYTES: usize = 32;
/// A chunk is closed once its payload reaches this size.
const CHUNK_BYTES: usize = 256 * 1024;
/// The largest payload the writer can produce: a chunk just short of closing and the largest entry.
const MAX_CHUNK_BYTES: usize = CHUNK_BYTES + limits::MAX_KEY_BYTES + limits::MAX_VALUE_BYTES + 8;
/// Entries read from the snapshot at once.
const EXPORT_PAGE: usize = 1_000;
/// Entries put at once by an import, well below the limits of a batch.
const IMPORT_OPERATIONS: usize = 2_000;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupSummary {
    /// Number of the snapshot's last commit in the store it came from.
    pub stamp: u64,
    /// Chunks in the stream.
    pub chunks: u64,
    /// Entries, that is, keys.
    pub entries: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// SHA-256 of the stream up to its last 32 bytes, which hold the same digest.
    pub digest: [u8; DIGEST_BYTES],
}

/// Writes every entry of the snapshot to `output`.
///
/// The stream is complete only when this returns; the caller makes the file durable. Long exports of a
/// busy store can end in [`StoreError::SnapshotExpired`]; start over with a new snapshot.
pub async fn backup_export(
    snapshot: &dyn Snapshot,
    output: &mut (dyn Write + Send),
) -> Result<BackupSummary, StoreError> {
    let mut writer = ChunkWriter::start(output, snapshot.stamp().number())?;
    let mut rest = KeyRange::all();
    loop {
        let page = snapshot.scan(rest.clone(), EXPORT_PAGE).await?;
        let Some((last_key, _)) = page.last() else { break };
        rest = rest.after(last_key);
        for (key, value) in &page {
            writer.entry_write(key, value)?;
        }
    }
    writer.finish()
}

/// Reads a whole backup and checks every byte of it, without a store.
pub fn backup_verify(input: &mut dyn Read) -> Result<BackupSummary, StoreError> {
    let mut reader = ChunkReader::start(input)?;
    while reader.chunk_read()?.is_some() {}
    reader.finish()
}

/// Restores a backup into an empty store.
///
/// The stream is read twice: once to verify all of it, so that a damaged backup changes nothing, and once
/// to import. A crash or failed write during the import leaves a partly filled store: discard its folder
/// and import into a new one.
pub async fn backup_import<R: Read + Seek + Send>(
    store: &dyn Store,
    input: &mut R,
) -> Result<BackupSummary, StoreError> {
    if !store.scan(KeyRange::all(), 1).await?.is_empty() {
        return Err(StoreError::Backup { offset: 0, fault: BackupFault::StoreNotEmpty });
    }
    let start = input.stream_position().map_err(StoreError::io("finding the place in the backup"))?;
    let verified = backup_verify(&mut *input)?;
    input.seek(SeekFrom::Start(start)).map_err(StoreError::io("going back to the start of the backup"))?;

    let mut reader = ChunkReader::start(&mut *input)?;
    let mut batch = Batch::new();
    while let Some(entries) = reader.chunk_read()? {
        for (key, value) in entries {
            let full = batch.bytes() + key.len() + value.len() > limits::GROUP_ENGINE_BYTES;
            if !batch.is_empty() && (full || batch.len() >= IMPORT_OPERATIONS) {
                store.commit(std::mem::take(&mut batch)).await?;
            }
            batch.put(key, value);
        }
    }
    let imported = reader.finish()?;
    if imported != verified {
        return Err(StoreError::Backup { offset: 0, fault: BackupFault::Changed });
    }
    store.commit(batch).await?;
    Ok(imported)
}

/// Writes chunks and keeps the running digest and counts.
struct ChunkWriter<'a> {
    output: &'a mut (dyn Write + Send),
    digest: Sha256,
    payload: Vec<u8>,
    summary: BackupSummary,
}

impl<'a> ChunkWriter<'a> {
    fn start(output: &'a mut (dyn Write + Send), stamp: u64) -> Result<Self, StoreError> {
        let summary = BackupSummary { stamp, chunks: 0, entries: 0, bytes: 0, digest: [0; DIGEST_BYTES] };
        let mut writer = Self { output, digest: Sha256::new(), payload: Vec::new(), summary };
        writer.write(MAGIC)?;
        writer.write(&FORMAT.to_be_bytes())?;
        writer.write(&stamp.to_be_bytes())?;
        Ok(writer)
    }

    fn entry_write(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        for part in [key, value] {
            self.payload.extend_from_slice(&length(part)?.to_be_bytes());
            self.payload.extend_from_slice(part);
            self.summary.bytes += part.len() as u64;
        }
        self.summary.entries += 1;
        if self.payload.len() >= CHUNK_BYTES { self.chunk_write() } else { Ok(()) }
    }

    fn chunk_write(&mut self) -> Result<(), StoreError> {
        let payload = std::mem::take(&mut self.payload);
        self.write(&[CHUNK_TAG])?;
        self.write(&length(&payload)?.to_be_bytes())?;
        self.write(&payload)?;
        self.write(&Sha256::digest(&payload))?;
        self.summary.chunks += 1;
        self.payload = payload;
        self.payload.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<BackupSummary, StoreError> {
        if !self.payload.is_empty() {
            self.chunk_write()?;
        }
        self.write(&[TRAILER_TAG])?;
        for count in [self.summary.chunks, self.summary.entries, self.summary.bytes] {
            self.write(&count.to_be_bytes())?;
        }
        self.summary.digest = self.digest.finalize().into();
        let write_failed = StoreError::io("writing the backup");
        self.output
            .write_all(&self.summary.digest)
            .and_then(|()| self.output.flush())
            .map_err(write_failed)?;
        Ok(self.summary)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.digest.update(bytes);
        self.output.write_all(bytes).map_err(StoreError::io("writing the backup"))
    }
}

fn length(part: &[u8]) -> Result<u32, StoreError> {
    u32::try_from(part.len()).map_err(|_| StoreError::Damaged { detail: "a part of a backup passed 4 GiB" })
}

/// Reads chunks, checking each before its entries are used.
struct ChunkReader<'a> {
    input: &'a mut dyn Read,
    offset: u64,
    digest: Sha256,
    last_key: Option<Bytes>,
    summary: BackupSummary,
}

impl<'a> ChunkReader<'a> {
    fn start(input: &'a mut dyn Read) -> Result<Self, StoreError> {
        let summary = BackupSummary { stamp: 0, chunks: 0, entries: 0, bytes: 0, digest: [0; DIGEST_BYTES] };
        let mut reader = Self { input, offset: 0, digest: Sha256::new(), last_key: None, summary };
        if reader.array::<16>()? != *MAGIC {
            return Err(reader.fault(BackupFault::NotABackup));
        }
        let found = u32::from_be_bytes(reader.array()?);
        if found != FORMAT {
            return Err(reader.fault(BackupFault::NewerFormat { found, supported: FORMAT }));
        }
        reader.summary.stamp = u64::from_be_bytes(reader.array()?);
        Ok(reader)
    }

    /// The entries of the next chunk; `None` at the trailer.
    fn chunk_read(&mut self) -> Result<Option<Vec<(Bytes, Bytes)>>, StoreError> {
        match self.array::<1>()? {
            [TRAILER_TAG] => return Ok(None),
            [CHUNK_TAG] => {}
            _ => return Err(self.fault(BackupFault::Layout)),
        }
        let payload_bytes = u32::from_be_bytes(self.array()?) as usize;
        if payload_bytes > MAX_CHUNK_BYTES {
            return Err(self.fault(BackupFault::Oversized));
        }
        let mut payload = vec![0; payload_bytes];
        self.fill(&mut payload)?;
        if self.array::<DIGEST_BYTES>()? != *Sha256::digest(&payload) {
            return Err(self.fault(BackupFault::Checksum));
        }
        self.summary.chunks += 1;
        let mut payload = Bytes::from(payload);
        let mut entries = Vec::new();
        while !payload.is_empty() {
            let (key, value) = match (part_split(&mut payload), part_split(&mut payload)) {
                (Some(key), Some(value)) => (key, value),
                (None, _) | (_, None) => return Err(self.fault(BackupFault::Layout)),
            };
            let rising = self.last_key.as_ref().is_none_or(|last| *last < key);
            if key.is_empty() || !rising {
                return Err(self.fault(BackupFault::Layout));
            }
            if key.len() > limits::MAX_KEY_BYTES || value.len() > limits::MAX_VALUE_BYTES {
                return Err(self.fault(BackupFault::Oversized));
            }
            self.summary.entries += 1;
            self.summary.bytes += (key.len() + value.len()) as u64;
            self.last_key = Some(key.clone());
            entries.push((key, value));
        }
        if entries.is_empty() {
            return Err(self.fault(BackupFault::Layout));
        }
        Ok(Some(entries))
    }

    /// Checks the trailer, whose tag has been read, and that nothing follows.
    fn finish(mut self) -> Result<BackupSummary, StoreError> {
        for counted in [self.summary.chunks, self.summary.entries, self.summary.bytes] {
            if u64::from_be_bytes(self.array()?) != counted {
                return Err(self.fault(BackupFault::Counts));
            }
        }
        self.summary.digest = self.digest.clone().finalize().into();
        if self.array::<DIGEST_BYTES>()? != self.summary.digest {
            return Err(self.fault(BackupFault::Checksum));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(self.summary),
            Ok(_) => Err(self.fault(BackupFault::TrailingBytes)),
            Err(source) => Err(StoreError::Io { action: "reading the backup", source }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), StoreError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                self.digest.update(&*buffer);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.fault(BackupFault::Truncated))
            }
            Err(source) => Err(StoreError::Io { action: "reading the backup", source }),
        }
    }

    fn fault(&self, fault: BackupFault) -> StoreError {
        StoreError::Backup { offset: self.offset, fault }
    }
}

/// Takes a part with its length in front off the payload; `None` if the payload is too short.
fn part_split(payload: &mut Bytes) -> Option<Bytes> {
    let part_bytes = u32::from_be_bytes(*payload.first_chunk()?) as usize;
    let _length = payload.split_to(4); // `first_chunk` found four bytes.
    (part_bytes <= payload.len()).then(|| payload.split_to(part_bytes))
}
