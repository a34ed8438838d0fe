//! Stored rows: a version byte, then postcard; encrypted where classification calls the content sensitive.
//!
//! Every row type lives in a module named after its version. A reader of an old version stays beside the new type and
//! converts; the version byte is written in the clear and authenticated with the key of the row.

use chengxin_schemas::sealing_key::{DataKey, NONCE_LENGTH};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ExchangeError, Result};

/// A type that is kept in the store.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// What the row is called in errors.
    const NAME: &'static str;
    /// Version written by this program.
    const VERSION: u8;

    /// Encodes a row whose content is not sensitive.
    fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![Self::VERSION]).map_err(|_| stored::<Self>("it does not encode"))
    }

    /// Decodes a row written by [`Row::encode`].
    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&version, body)) if version == Self::VERSION => {
                postcard::from_bytes(body).map_err(|_| stored::<Self>("the bytes are not a row"))
            }
            Some((&version, _)) => Err(another::<Self>(version)),
            None => Err(stored::<Self>("it is empty")),
        }
    }

    /// Encodes and encrypts a row for the place `key`.
    fn seal(&self, key: &[u8], data_key: &DataKey, nonce: [u8; NONCE_LENGTH]) -> Result<Vec<u8>> {
        let plain = zeroize::Zeroizing::new(
            postcard::to_stdvec(self).map_err(|_| stored::<Self>("it does not encode"))?,
        );
        let mut row = vec![Self::VERSION];
        row.extend_from_slice(&data_key.seal(nonce, &context::<Self>(key), &plain)?);
        Ok(row)
    }

    /// Decrypts and decodes a row from the place `key`.
    fn open(bytes: &[u8], key: &[u8], data_key: &DataKey) -> Result<Self> {
        match bytes.split_first() {
            Some((&version, body)) if version == Self::VERSION => {
                let plain = data_key.open(&context::<Self>(key), body)?;
                postcard::from_bytes(&plain).map_err(|_| stored::<Self>("the bytes are not a row"))
            }
            Some((&version, _)) => Err(another::<Self>(version)),
            None => Err(stored::<Self>("it is empty")),
        }
    }
}

fn context<R: Row>(key: &[u8]) -> Vec<u8> {
    let mut context = Vec::with_capacity(key.len() + 1);
    context.push(R::VERSION);
    context.extend_from_slice(key);
    context
}

/// A row of a version that this program does not read.
fn another<R: Row>(version: u8) -> ExchangeError {
    stored::<R>(&match version > R::VERSION {
        true => format!("version {version}, this program reads up to {}: upgrade the program", R::VERSION),
        false => {
            format!("version {version} was written by an earlier program, and this one reads {}", R::VERSION)
        }
    })
}

fn stored<R: Row>(reason: &str) -> ExchangeError {
    ExchangeError::Stored { what: R::NAME, reason: reason.to_owned() }
}
