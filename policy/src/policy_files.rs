//! A bundle or an overlay: for whoever takes either and tells them apart by what is in it.

use std::path::Path;

use chengxin_schemas::digest::Sha256;
use chengxin_schemas::policy_version::PolicyVersion;

use crate::error::PolicyError;
use crate::files::{BundleFiles, PACKED_LIMIT};
use crate::overlay_files::{self, OverlayFiles};
use crate::published::PackedForm;
use crate::texts::{packed_read, too_large};

const BUNDLE: &str = "bundle.toml";
const OVERLAY: &str = overlay_files::MANIFEST;

/// The files of the one or the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFiles {
    /// What the federation decides by; it has `bundle.toml`.
    Bundle(BundleFiles),
    /// What a league or city narrows; it has `overlay.toml`.
    Overlay(OverlayFiles),
}

impl PolicyFiles {
    /// Reads a directory.
    pub fn load_directory(path: &Path) -> Result<Self, PolicyError> {
        let failed = |source| PolicyError::Read { file: ".".to_owned(), source };
        std::fs::read_dir(path).map_err(failed)?;
        let has = |name| path.join(name).try_exists().map_err(failed);
        if is_overlay(has(BUNDLE)?, has(OVERLAY)?)? {
            OverlayFiles::load_directory(path).map(Self::Overlay)
        } else {
            BundleFiles::load_directory(path).map(Self::Bundle)
        }
    }

    /// Reads the packed form, which must be the canonical one.
    pub fn unpack(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > PACKED_LIMIT {
            return Err(too_large("the packed bundle", "bytes", PACKED_LIMIT));
        }
        let texts = packed_read(bytes)?;
        if is_overlay(texts.contains_key(BUNDLE), texts.contains_key(OVERLAY))? {
            OverlayFiles::unpack(bytes).map(Self::Overlay)
        } else {
            BundleFiles::unpack(bytes).map(Self::Bundle)
        }
    }

    /// The canonical bytes that are signed and distributed.
    pub fn pack(&self) -> Vec<u8> {
        match self {
            Self::Bundle(files) => files.pack(),
            Self::Overlay(files) => files.pack(),
        }
    }

    /// The version that the files name.
    pub fn version(&self) -> Result<PolicyVersion, PolicyError> {
        match self {
            Self::Bundle(files) => files.manifest().map(|manifest| manifest.version),
            Self::Overlay(files) => files.manifest().map(|manifest| manifest.version),
        }
    }

    /// Names and texts, sorted by name.
    pub fn iter(&self) -> Box<dyn Iterator<Item = (&str, &str)> + '_> {
        match self {
            Self::Bundle(files) => Box::new(files.iter()),
            Self::Overlay(files) => Box::new(files.iter()),
        }
    }

    /// SHA-256 of the packed form.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.pack())
    }
}

impl PackedForm for PolicyFiles {
    fn pack(&self) -> Vec<u8> {
        self.pack()
    }
}

/// Which of the two it is, by the file that only one of them has.
fn is_overlay(bundle: bool, overlay: bool) -> Result<bool, PolicyError> {
    match (bundle, overlay) {
        (true, false) => Ok(false),
        (false, true) => Ok(true),
        (true, true) => Err(PolicyError::file(
            OVERLAY,
            None,
            "it stands beside bundle.toml",
            "keep a bundle and an overlay in folders of their own",
        )),
        (false, false) => Err(PolicyError::file(
            BUNDLE,
            None,
            "missing, and there is no overlay.toml either",
            "name the folder of a bundle or of an overlay",
        )),
    }
}
