//! The form in which a bundle or an overlay travels: the packed form under gzip (RFC 1952).
//!
//! A content of the federation's directory fits one frame of the wire protocol. A large province's bundle of 110,000 rules
//! packs to some ten megabytes, and its rules repeat each other, so that the compressed form fits. What is signed off and
//! named is the packed form: its digest does not change with the compressor.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::error::PolicyError;
use crate::files::{BundleFiles, PACKED_LIMIT};
use crate::overlay_files::OverlayFiles;

/// First bytes of gzip; the packed form begins with a brace.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What has a packed form: a bundle's files, an overlay's, or either.
pub trait PackedForm {
    /// The canonical bytes that are signed and distributed.
    fn pack(&self) -> Vec<u8>;
}

impl PackedForm for BundleFiles {
    fn pack(&self) -> Vec<u8> {
        self.pack()
    }
}

impl PackedForm for OverlayFiles {
    fn pack(&self) -> Vec<u8> {
        self.pack()
    }
}

/// The bytes to publish.
pub fn published_encode(files: &impl PackedForm) -> Result<Vec<u8>, PolicyError> {
    let broken = |_| PolicyError::Packed { reason: "it cannot be compressed".to_owned() };
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&files.pack()).map_err(broken)?;
    encoder.finish().map_err(broken)
}

/// The packed form behind published bytes, which may be the packed form itself. No more is unpacked than a bundle may have;
/// what must be an overlay, [`OverlayFiles::from_published`] bounds closer.
pub fn published_unpack(bytes: &[u8]) -> Result<Vec<u8>, PolicyError> {
    unpack(bytes, "the packed bundle", PACKED_LIMIT)
}

/// The packed form behind published bytes, at most `limit` bytes of it.
pub(crate) fn unpack(bytes: &[u8], what: &str, limit: usize) -> Result<Vec<u8>, PolicyError> {
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes.to_vec());
    }
    let mut packed = Vec::new();
    GzDecoder::new(bytes)
        .take(limit as u64 + 1)
        .read_to_end(&mut packed)
        .map_err(|_| PolicyError::Packed { reason: "the compressed form is damaged".to_owned() })?;
    if packed.len() > limit {
        return Err(PolicyError::TooLarge { what: what.to_owned(), unit: "bytes", limit });
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_comes_out_as_it_went_in_and_under_its_digest() {
        let files = BundleFiles::baseline();
        let published = published_encode(&files).expect("bytes");
        assert!(published.len() < files.pack().len() / 2);
        assert_eq!(published_encode(&files).expect("bytes"), published, "the same bundle is the same file");
        let packed = published_unpack(&published).expect("packed");
        assert_eq!(packed, files.pack());
        assert_eq!(published_unpack(&packed).expect("packed"), packed);
        assert!(published_unpack(&published[..published.len() - 9]).is_err());
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let megabyte = vec![b' '; 1 << 20];
        for _ in 0..=PACKED_LIMIT >> 20 {
            encoder.write_all(&megabyte).expect("written");
        }
        let bomb = encoder.finish().expect("bytes");
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(published_unpack(&bomb), Err(PolicyError::TooLarge { .. })));
    }
}
