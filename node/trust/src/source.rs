//! Where metadata is fetched from: a peer over the mesh, implemented by the application, or a folder.

use std::path::PathBuf;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::folder::Folder;
use crate::name::FileName;

/// Gives the federation's files by name. The source is not trusted: all it can do is fail.
pub trait MetadataSource: Send + Sync {
    /// The file called `name` (`timestamp.json`, `3.snapshot.json`, `directory/…`), `None` when the source says that
    /// it does not hold it. Must stop reading and answer [`SourceError::TooLarge`] beyond `limit` bytes.
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>>;
}

/// Why a source did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is longer than the limit given.
    #[error("the file is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The source could not be asked, or failed to answer.
    #[error("{reason}")]
    Failed {
        /// In words, without personal data.
        reason: String,
    },
}

/// A federation's repository or a node's trust store as a folder: on the coordinator's own machine, on a memory stick
/// carried to a node without a network, in tests.
#[derive(Clone, Debug)]
pub struct FolderSource {
    folder: Folder,
}

impl FolderSource {
    /// The source that reads `folder/metadata` and `folder/targets`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Folder::new(folder) }
    }
}

impl MetadataSource for FolderSource {
    fn fetch(&self, name: String, limit: usize) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let Ok(name) = name.parse::<FileName>() else { return Ok(None) };
            let folder = self.folder.clone();
            let read = tokio::task::spawn_blocking(move || folder.read(name, limit)).await;
            match read {
                Ok(Ok(found)) => Ok(found.map(Bytes::from)),
                Ok(Err(crate::TrustError::OverLarge { .. })) => Err(SourceError::TooLarge { limit }),
                Ok(Err(error)) => Err(SourceError::Failed { reason: error.to_string() }),
                Err(_) => Err(SourceError::Failed { reason: "the read was cancelled".to_owned() }),
            }
        })
    }
}
