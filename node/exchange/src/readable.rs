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
    /// Rows passed over because the store cannot read their value: none or one.
    pub(crate) unreadable: usize,
    /// What follows. None behind the last row.
    pub(crate) rest: Option<KeyRange>,
}

impl Node {
    /// The first `limit` rows of `range`, as far as a value that cannot be read; that row is an alarm with the number of
    /// its notice, and the page ends there.
    ///
    /// For passes alone. A search that answers somebody must fail instead: what is passed over would be missing in silence.
    pub(crate) async fn readable_page(&self, range: &KeyRange, limit: usize) -> Result<ReadablePage> {
        let store = &self.parts.store;
        let (rows, lost) = match store.scan(range.clone(), limit).await {
            Ok(rows) => (rows, None),
            Err(StoreError::Unreadable { key, source }) => {
                let notice = keyspace::notice_of(key.bytes()).map(|id| id.to_string());
                tracing::error!(notice, error = %source, "a stored value cannot be read, going on without it");
                let before = range.before(key.bytes());
                (store.scan(before, limit).await?, Some(key))
            }
            Err(error) => return Err(error.into()),
        };
        let last = match &lost {
            Some(key) => Some(key.bytes().clone()),
            None => rows.last().map(|(key, _)| key.clone()),
        };
        let unreadable = usize::from(lost.is_some());
        Ok(ReadablePage { rows, unreadable, rest: last.map(|key| range.after(&key)) })
    }
}
