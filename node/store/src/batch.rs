//! Changes that happen together or not at all, and what must hold for them to happen.

use bytes::Bytes;

use crate::error::{LimitedPart, StoreError};
use crate::limits;

/// Puts, deletes and preconditions of one atomic commit.
///
/// Preconditions look at the state before the batch. If one batch changes the same key several times,
/// the last change counts. Sizes are checked when the batch is committed.
#[derive(Clone, Default)]
pub struct Batch {
    operations: Vec<Operation>,
    preconditions: Vec<Precondition>,
    bytes: usize,
}

/// One change of one key.
#[derive(Clone)]
pub enum Operation {
    /// Sets the key to the value.
    Put {
        /// The key.
        key: Bytes,
        /// The new value; may be empty.
        value: Bytes,
    },
    /// Removes the key; no error if it is not there.
    Delete {
        /// The key.
        key: Bytes,
    },
}

/// What a key must hold before the batch.
#[derive(Clone)]
pub struct Precondition {
    pub(crate) key: Bytes,
    /// `None`: the key must be absent.
    pub(crate) value: Option<Bytes>,
}

impl Batch {
    /// An empty batch. Committing it writes nothing and succeeds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        self.count(key.len(), value.len());
        self.operations.push(Operation::Put { key, value });
        self
    }

    /// Removes `key`; no error if it is not there.
    pub fn delete(&mut self, key: impl Into<Bytes>) -> &mut Self {
        let key = key.into();
        self.count(key.len(), 0);
        self.operations.push(Operation::Delete { key });
        self
    }

    /// The batch happens only if `key` holds exactly `value`, or is absent for `None`.
    pub fn expect(&mut self, key: impl Into<Bytes>, value: Option<impl Into<Bytes>>) -> &mut Self {
        let (key, value) = (key.into(), value.map(Into::into));
        self.count(key.len(), value.as_ref().map_or(0, Bytes::len));
        self.preconditions.push(Precondition { key, value });
        self
    }

    /// The batch happens only if `key` is absent.
    pub fn expect_absent(&mut self, key: impl Into<Bytes>) -> &mut Self {
        self.expect(key, None::<Bytes>)
    }

    /// The changes in the order they were added.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The preconditions in the order they were added.
    pub fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }

    /// Bytes of all keys and values, preconditions included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Operations and preconditions together.
    pub fn len(&self) -> usize {
        self.operations.len() + self.preconditions.len()
    }

    /// Whether the batch neither changes nor demands anything.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn count(&mut self, key_bytes: usize, value_bytes: usize) {
        self.bytes = self.bytes.saturating_add(key_bytes).saturating_add(value_bytes);
    }

    /// Holds the batch against the limits every engine has, and against `max_key_bytes`.
    pub(crate) fn check_limits(&self, max_key_bytes: usize) -> Result<(), StoreError> {
        within(LimitedPart::BatchOperations, self.len(), limits::MAX_BATCH_OPERATIONS)?;
        within(LimitedPart::BatchBytes, self.bytes, limits::MAX_BATCH_BYTES)?;
        for operation in &self.operations {
            key_check(operation.key(), max_key_bytes)?;
            if let Operation::Put { value, .. } = operation {
                within(LimitedPart::Value, value.len(), limits::MAX_VALUE_BYTES)?;
            }
        }
        for precondition in &self.preconditions {
            key_check(&precondition.key, max_key_bytes)?;
            let expected = precondition.value.as_ref().map_or(0, Bytes::len);
            within(LimitedPart::Value, expected, limits::MAX_VALUE_BYTES)?;
        }
        Ok(())
    }
}

impl Operation {
    /// The key that changes.
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// The value that the key has afterwards; `None` if it is then absent.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Delete { .. } => None,
        }
    }
}

impl Precondition {
    /// The key looked at.
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// What it must hold; `None` if it must be absent.
    pub fn value(&self) -> Option<&Bytes> {
        self.value.as_ref()
    }
}

/// Counts only, because keys and values are personal data.
impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("operations", &self.operations.len())
            .field("preconditions", &self.preconditions.len())
            .field("bytes", &self.bytes)
            .finish()
    }
}

pub(crate) fn within(part: LimitedPart, actual: usize, limit: usize) -> Result<(), StoreError> {
    if actual > limit { Err(StoreError::TooLarge { part, actual, limit }) } else { Ok(()) }
}

fn key_check(key: &[u8], max_key_bytes: usize) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(StoreError::EmptyKey);
    }
    within(LimitedPart::Key, key.len(), max_key_bytes)
}
