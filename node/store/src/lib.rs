//! Ordered key-value store with atomic batches, snapshots and durable acknowledgement.
//!
//! This is all the state that the use cases may assume: byte keys in ascending order, batches that
//! happen whole or not at all, and reads of one committed state. Callers hold `Arc<dyn Store>`; which
//! engine stands behind it is the business of the program's wiring alone.
//!
//! Three promises hold for every engine, and [`conformance`] tests them:
//!
//! 1. **Acknowledged means durable.** [`Store::commit`] resolves only after the batch would survive a
//!    power cut.
//! 2. **Read means durable.** No read, of the store or of a snapshot, shows a value whose commit could
//!    still be lost. A node may therefore disclose what it has read.
//! 3. **Unknown means stop.** After a failed write nothing is read back or written until the store has
//!    been opened again, because what the operating system shows after a failed write need not be what
//!    is on the disk. Opening makes what it reads durable before anybody may build on it.

#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;

mod backup;
mod batch;
mod error;
pub mod limits;
mod overlay;
mod range;
mod sled_store;
mod store;

pub use backup::{BackupSummary, backup_export, backup_import, backup_verify};
pub use batch::{Batch, Operation, Precondition};
pub use error::{BackupFault, LimitedPart, StoreError, UnreadableKey};
pub use range::{Direction, KeyRange};
#[cfg(feature = "conformance")]
pub use sled_store::Barrier;
pub use sled_store::{SledOptions, SledStore};
pub use store::{CommitStamp, Snapshot, Statistics, Store, StoreFuture};
