//! Key files: a private key in a file that only its owner can read, with a comment that says whose it is and what for.
//!
//! The form is JSON, version 1: `{"format":"chengxin/key/v1","comment":"…","public":"<JWK thumbprint>","seed":"<32 bytes,
//! base64url>"}`. The thumbprint lets a person compare files without showing the secret. Root key files go to a medium
//! that is kept offline.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use chengxin_schemas::digest::{base64url_decode, base64url_encode};
use chengxin_schemas::key::{KeyId, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::TrustError;
use crate::folder::folder_sync;
use crate::limits::KEY_FILE_LIMIT;

const FORMAT: &str = "chengxin/key/v1";
const COMMENT_LIMIT: usize = 200;

/// A key read from a file. `Debug` shows the comment and the public name only.
pub struct KeyFile {
    seed: Zeroizing<[u8; 32]>,
    comment: String,
    signing_key: SigningKey,
}

impl KeyFile {
    /// Whose key it is and what for, as the file says.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The key.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// The key, by value.
    pub fn into_signing_key(self) -> SigningKey {
        self.signing_key
    }

    /// The seed, for keys that another library takes (transport).
    pub fn seed(&self) -> &Zeroizing<[u8; 32]> {
        &self.seed
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFile({}, {})", self.comment, self.signing_key.public().key_id())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFileV1 {
    format: String,
    comment: String,
    public: KeyId,
    seed: String,
}

impl Drop for KeyFileV1 {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.seed);
    }
}

/// Writes a key file with mode 0600, synced with its folder. Never writes over a file: a key replaced by mistake is a
/// key lost. Gives back the key's public name.
pub fn key_file_write(path: &Path, seed: &Zeroizing<[u8; 32]>, comment: &str) -> Result<KeyId, TrustError> {
    let refuse = |reason: &str| TrustError::KeyFile { path: path.to_owned(), reason: reason.to_owned() };
    if comment.chars().count() > COMMENT_LIMIT || comment.chars().any(char::is_control) {
        return Err(refuse("the comment must have at most 200 characters and no control characters"));
    }
    let public = SigningKey::from_seed(seed)?.public().key_id();
    let content = KeyFileV1 {
        format: FORMAT.to_owned(),
        comment: comment.to_owned(),
        public: public.clone(),
        seed: base64url_encode(&seed[..]),
    };
    let mut bytes =
        Zeroizing::new(serde_json::to_vec(&content).map_err(|_| refuse("its content does not serialise"))?);
    bytes.push(b'\n');
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(refuse("it exists already; move it away first, keys are never written over"));
        }
        Err(error) => return Err(TrustError::file("create", path)(error)),
    };
    file.write_all(&bytes).map_err(TrustError::file("write", path))?;
    file.sync_all().map_err(TrustError::file("sync", path))?;
    folder_sync(path.parent().unwrap_or(Path::new("")))?;
    Ok(public)
}

/// Reads a key file. Refuses one that its group or others can read or write.
pub fn key_file_read(path: &Path) -> Result<KeyFile, TrustError> {
    let refuse = |reason: &str| TrustError::KeyFile { path: path.to_owned(), reason: reason.to_owned() };
    let file = File::open(path).map_err(TrustError::file("open", path))?;
    // Asked of the open file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(TrustError::file("examine", path))?;
    if !metadata.is_file() {
        return Err(refuse("it is not a file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(refuse("others can read it; set its mode to 0600 and consider the key as seen by them"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_LIMIT + 1));
    file.take(KEY_FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(TrustError::file("read", path))?;
    if bytes.len() > KEY_FILE_LIMIT {
        return Err(refuse("it is too long for a key file"));
    }
    // The parser's own message may quote the content, so it is not passed on.
    let content: KeyFileV1 = serde_json::from_slice(&bytes)
        .map_err(|_| refuse("it is not a key file of this program; give the path of the .key file"))?;
    if content.format != FORMAT {
        return Err(refuse("it has another format; upgrade this program"));
    }
    let decoded = base64url_decode(&content.seed).map(Zeroizing::new);
    let seed = decoded
        .and_then(|decoded| <[u8; 32]>::try_from(&decoded[..]).ok())
        .map(Zeroizing::new)
        .ok_or_else(|| refuse("its seed is not 32 bytes; restore the file from its copy"))?;
    let signing_key = SigningKey::from_seed(&seed)?;
    if signing_key.public().key_id() != content.public {
        return Err(refuse("its public name does not fit its seed; restore the file from its copy"));
    }
    Ok(KeyFile { seed, comment: content.comment.clone(), signing_key })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn reason(result: Result<KeyFile, TrustError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn a_key_file_is_private_and_is_never_written_over() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("root-1.key");
        let seed = Zeroizing::new([9; 32]);
        let public = key_file_write(&path, &seed, "根密钥 1").expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = key_file_read(&path).expect("read");
        assert_eq!(read.comment(), "根密钥 1");
        assert_eq!(read.signing_key().public().key_id(), public);
        assert_eq!(*read.seed(), seed);
        assert!(!format!("{read:?}").contains(&base64url_encode(&seed[..])));
        let again = key_file_write(&path, &seed, "").expect_err("exists");
        assert!(again.to_string().contains("exists already"));
    }

    #[test]
    fn what_others_can_read_or_what_is_damaged_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("online.key");
        key_file_write(&path, &Zeroizing::new([9; 32]), "").expect("written");
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
            assert!(reason(key_file_read(&path)).contains("0600"), "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode");
        let whole = fs::read_to_string(&path).expect("text");
        let swapped = whole.replace(&base64url_encode(&[9; 32]), &base64url_encode(&[8; 32]));
        fs::write(&path, swapped).expect("written");
        assert!(reason(key_file_read(&path)).contains("does not fit"));
        fs::write(&path, whole.replace("key/v1", "key/v2")).expect("written");
        assert!(reason(key_file_read(&path)).contains("another format"));
        fs::write(&path, &whole[..whole.len() / 2]).expect("written");
        assert!(reason(key_file_read(&path)).contains("not a key file"));
        fs::write(&path, vec![b' '; KEY_FILE_LIMIT + 1]).expect("written");
        assert!(reason(key_file_read(&path)).contains("too long"));
        assert!(matches!(key_file_read(&folder.path().join("none")), Err(TrustError::File { .. })));
    }
}
