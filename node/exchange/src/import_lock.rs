//! One import or rollback at a time, and none before the writes of the one before have ended.
//!
//! A use case whose caller goes away is dropped at any await, but a batch that is queued at the store stays queued. What
//! an import writes therefore runs in tasks, which end by themselves, and the next import waits for them: otherwise it
//! would read a state that a write on its way is about to replace.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::error::{ExchangeError, Result};

/// Who may import. Two locks, because an import that is running is refused at once, whereas the last writes of one that
/// was dropped are waited for.
#[derive(Default)]
pub(crate) struct ImportLock {
    running: Mutex<()>,
    writing: Arc<Mutex<()>>,
}

/// The right to import, for as long as it is held.
pub(crate) struct ImportTurn<'a> {
    _running: MutexGuard<'a, ()>,
    writer: ImportWriter,
}

/// The right to write records and their indexes. Clones belong to the same import; while one lives, no other import
/// begins. What must have one writer asks for it as an argument.
#[derive(Clone)]
pub(crate) struct ImportWriter {
    _writing: Arc<OwnedMutexGuard<()>>,
}

impl ImportLock {
    /// Begins a turn, after the writes of a dropped one have ended.
    ///
    /// # Errors
    /// [`ExchangeError::Busy`] while another import is running.
    pub(crate) async fn turn_begin(&self) -> Result<ImportTurn<'_>> {
        let running = self.running.try_lock().map_err(|_| ExchangeError::Busy {
            what: "import",
            reason: "another import is running: wait for its end (chengxin import list)".to_owned(),
        })?;
        let writing = Arc::new(self.writing.clone().lock_owned().await);
        Ok(ImportTurn { _running: running, writer: ImportWriter { _writing: writing } })
    }
}

impl ImportTurn<'_> {
    /// The right to write, which tasks may take along.
    pub(crate) fn writer(&self) -> &ImportWriter {
        &self.writer
    }
}

impl ImportWriter {
    /// Starts a write that ends by itself, whoever waits for it.
    pub(crate) fn write_start<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let writer = self.clone();
        tokio::spawn(async move {
            let outcome = write.await;
            drop(writer);
            outcome
        })
    }

    /// Starts a write and waits for its end.
    pub(crate) async fn write_run<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        write_await(self.write_start(write)).await
    }
}

/// Waits for a write that was started.
pub(crate) async fn write_await<T>(write: JoinHandle<Result<T>>) -> Result<T> {
    write.await.map_err(|_| ExchangeError::Task { what: "writing an import" })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_turn_waits_for_the_writes_of_the_one_before() {
        let lock = ImportLock::default();
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let turn = lock.turn_begin().await.expect("first");
        assert!(lock.turn_begin().await.is_err(), "one at a time");
        let write = turn.writer().write_start(async move {
            let _ = released.await;
            Ok(())
        });
        drop(turn);
        let mut next = std::pin::pin!(lock.turn_begin());
        assert!(futures::poll!(next.as_mut()).is_pending(), "a write is on its way");
        release.send(()).expect("waiting");
        write_await(write).await.expect("written");
        assert!(next.await.is_ok());
    }
}
