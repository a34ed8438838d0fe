//! Pages of stored rows for passes that must reach every row that can be read: a value that the disk lost holds back its own
//! row and no other.

use bytes::Bytes;
use chengxin_store::{KeyRange, StoreError};

use crate::error::Result;
use crate::keyspace;
use crate::node::Node;

/// A page of rows as they are stored.
pub(crate) struct ReadablePage {
    /// Keys and values in the order of the range; may be empty although more follows.
    pub(crate) rows: Vec<(Bytes, Bytes)>,
    /// The key of the row passed over because the store cannot read its value. It stands behind the others.
    pub(crate) lost: Option<Bytes>,
    /// Whether that value may be readable another time: the disk failed to give it, and gave nothing wrong.
    pub(crate) lost_may_return: bool,
    /// What follows. None behind the last row.
    pub(crate) rest: Option<KeyRange>,
}

impl ReadablePage {
    /// Rows passed over: none or one.
    pub(crate) fn unreadable(&self) -> usize {
        usize::from(self.lost.is_some())
    }
}

/// Of a read: whether the store is in order and could not give one value. A scan names its key, a read of one key knows it.
pub(crate) fn is_of_one_value(error: &StoreError) -> bool {
    matches!(error, StoreError::Unreadable { .. } | StoreError::Damaged { .. } | StoreError::Io { .. })
}

impl Node {
    /// The value under `key`; none, and an alarm, if the store cannot read it. For what is told of many rows at once, where
    /// the one is told as not there.
    pub(crate) async fn readable_value(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.parts.store.get(key).await {
            Ok(value) => Ok(value),
            Err(error) if is_of_one_value(&error) => {
                tracing::error!(%error, "a stored value cannot be read, going on without it");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The first `limit` rows of `range`, as far as a value that cannot be read; that row is an alarm with the number of
    /// its notice or record, and the page ends there.
    ///
    /// For passes alone. A search that answers somebody must fail instead: what is passed over would be missing in silence.
    pub(crate) async fn readable_page(&self, range: &KeyRange, limit: usize) -> Result<ReadablePage> {
        let store = &self.parts.store;
        let (rows, lost, lost_may_return) = match store.scan(range.clone(), limit).await {
            Ok(rows) => (rows, None, false),
            Err(StoreError::Unreadable { key, source }) => {
                let notice = keyspace::notice_of(key.bytes()).map(|id| id.to_string());
                let record = keyspace::record_number(key.bytes());
                tracing::error!(notice, record, error = %source, "a stored value cannot be read, going on without it");
                let before = range.before(key.bytes());
                let may_return = !matches!(*source, StoreError::Damaged { .. });
                (store.scan(before, limit).await?, Some(key.bytes().clone()), may_return)
            }
            Err(error) => return Err(error.into()),
        };
        let last = match &lost {
            Some(key) => Some(key.clone()),
            None => rows.last().map(|(key, _)| key.clone()),
        };
        Ok(ReadablePage { rows, lost, lost_may_return, rest: last.map(|key| range.after(&key)) })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! Values that the disk loses, for the tests of the passes.

    /// What stands in the value that is lost.
    pub(crate) const LOST: u8 = 0xA5;

    /// Changes a byte of that value where the store keeps long values.
    pub(crate) fn value_lose(folder: &std::path::Path) {
        let mut lost = 0;
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            let mut bytes = std::fs::read(&path).expect("file");
            if let Some(place) = bytes.windows(64).position(|part| part.iter().all(|byte| *byte == LOST)) {
                bytes[place + 32] ^= 1;
                std::fs::write(&path, bytes).expect("written");
                lost += 1;
            }
        }
        assert_eq!(lost, 1, "files that hold the value");
    }
}
