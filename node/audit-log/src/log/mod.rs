//! The log in its folder: one writer, durable before acknowledged, recovered by the same code that runs it.
//!
//! # The crash story
//!
//! An append goes through these steps, and a crash may come between any two:
//!
//! 1. **Bodies** of the group are written and synced. A crash here leaves bodies that no entry names: cut off at the
//!    next opening.
//! 2. **Journal**: the group is written, in blocks of its own, and synced. *The return of this sync is the commit
//!    point.* A crash before leaves an incomplete last group, which is cut off; nobody was told that its entries exist.
//!    (A group that was whole but not yet acknowledged stays; more may be in the log than was acknowledged, never less.)
//!    Each cut is told to the running log.
//! 3. The caller is told.
//! 4. **Tiles** and entry bundles are derived and published, each durable under its name before the next step.
//! 5. **Checkpoint**: signed over entries that step 2 made durable, and published. A crash between 4 and 5 leaves
//!    tiles that no checkpoint covers; the next opening writes the same bytes again.
//! 6. Journal segments whose entries all stand in full tiles below the checkpoint are removed, oldest first, and
//!    partial tiles of tiles that became full. A crash before leaves files that are checked and do no harm; removals are
//!    not synced, so any of the segments may come back. The newest segment stays even if it holds no group yet: a log
//!    with entries and no segment is refused, because entries that came after the checkpoint would be missing unseen.
//!
//! A checkpoint can therefore never be inconsistent with one signed before, as long as the folder itself is not put
//! back to an earlier state; that is what witnesses are for.
//!
//! After any failed write or sync the log has *stopped*: nothing is appended until [`AuditLog::reopen`] has read the
//! files again, written what is not yet in full tiles once more, and synced it (pages that a failed sync left in the
//! cache cannot be trusted to be on the device).

mod publisher;
mod read;
mod recovery;
mod state;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chengxin_schemas::key::SigningKey;
use tokio::sync::{mpsc, oneshot};

use crate::bodies::{BODIES_FOLDER, BodyKeys, Random};
use crate::body::Body;
use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, Publication, RealDisk};
use crate::entry::{Entry, EntryIndex, EntryKind};
use crate::error::LogError;
use crate::folder::{CHECKPOINT_FILE, IDENTITY_FILE, LOCK_FILE, identity_write};
use crate::journal::{JOURNAL_FOLDER, SEGMENT_BYTES};
use crate::merkle::empty_root;
use crate::note::KeyName;
use crate::verify::{VerifyReport, verify_running};

pub use read::{Direction, Filter, PAGE_LIMIT, SEARCH_SCAN_LIMIT, SearchPage};
use state::{RemovalPause, Shared, lock};
use writer::{Command, Writer};

/// Entries that may wait for the writer; more wait in their callers.
const QUEUE_LIMIT: usize = 4_096;

/// What a log needs besides its folder.
pub struct LogOptions {
    /// The log's name for ever; the name of its keys.
    pub origin: KeyName,
    /// Sign checkpoints: one key, or the old and the new one while it is rotated. Never empty.
    pub keys: Vec<SigningKey>,
    /// Seal bodies.
    pub body_keys: BodyKeys,
    /// Randomness for seeds and salts; must be unpredictable.
    pub random: Random,
    /// Longest time that an entry waits for a checkpoint while nobody asks for one.
    pub checkpoint_interval: Duration,
}

/// The state of a log for monitoring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogHealth {
    /// Durable entries.
    pub size: u64,
    /// Entries that the last checkpoint covers.
    pub checkpoint_size: u64,
    /// Why the log has stopped, if it has.
    pub stopped: Option<String>,
    /// Appends that can still be queued without waiting.
    pub queue_free: usize,
}

/// An open audit log. All calls may be made from many tasks at once.
pub struct AuditLog {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    threads: Vec<JoinHandle<()>>,
    /// Held as long as the log is open; the operating system frees it when the process ends.
    _lock: std::fs::File,
}

impl AuditLog {
    /// Makes a new log in `folder`, which must not hold one. Its first checkpoint has size 0.
    ///
    /// The identity file is written last: a crash before leaves a folder that `create` takes up again.
    pub fn create(folder: &Path, options: LogOptions) -> Result<Self, LogError> {
        Self::create_on(Arc::new(RealDisk), folder, options, SEGMENT_BYTES)
    }

    /// Opens the log in `folder`: reads the journal, checks it against the last checkpoint, repairs what a crash left
    /// incomplete, and publishes what was durable and not yet published. Refuses when files contradict each other.
    pub fn open(folder: &Path, options: LogOptions) -> Result<Self, LogError> {
        Self::open_on(Arc::new(RealDisk), folder, options, SEGMENT_BYTES)
    }

    pub(crate) fn create_on(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
        segment_bytes: u64,
    ) -> Result<Self, LogError> {
        log_folder_create(disk.as_ref(), folder)?;
        let identity = folder.join(IDENTITY_FILE);
        let occupied =
            |name: &str| std::fs::read_dir(folder.join(name)).is_ok_and(|mut files| files.next().is_some());
        if identity.exists() || [JOURNAL_FOLDER, BODIES_FOLDER, "tile"].into_iter().any(occupied) {
            return Err(LogError::Exists { path: folder.to_owned() });
        }
        let lock = folder_lock(folder)?;
        for name in [JOURNAL_FOLDER, BODIES_FOLDER] {
            let path = folder.join(name);
            disk.create_folder(&path).map_err(LogError::storage("create the folder", &path))?;
        }
        let checkpoint = Checkpoint { origin: options.origin.clone(), size: 0, root: empty_root() };
        let mut publication = Publication::new(disk.as_ref(), folder);
        publication.file(CHECKPOINT_FILE, checkpoint.sign(&options.keys).as_bytes())?;
        publication.finish()?;
        let mut publication = Publication::new(disk.as_ref(), folder);
        publication.file(IDENTITY_FILE, identity_write(&options.origin)?.as_bytes())?;
        publication.finish()?;
        Self::start(disk, folder, options, segment_bytes, lock)
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
        segment_bytes: u64,
    ) -> Result<Self, LogError> {
        if !folder.join(IDENTITY_FILE).exists() {
            return Err(LogError::Missing { path: folder.to_owned() });
        }
        let lock = folder_lock(folder)?;
        Self::start(disk, folder, options, segment_bytes, lock)
    }

    fn start(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
        segment_bytes: u64,
        lock: std::fs::File,
    ) -> Result<Self, LogError> {
        let (shared, random) = Shared::new(disk, folder, options, segment_bytes)?;
        let shared = Arc::new(shared);
        let (recovered, edge) = recovery::recover(&shared)?;
        publisher::publish_recovered(&shared, edge)?;
        let writer = Writer::new(Arc::clone(&shared), random, recovered);
        let (commands, queue) = mpsc::channel(QUEUE_LIMIT);
        let publishing = Arc::clone(&shared);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(LogError::storage("start a thread for", folder))
        };
        let mut threads = vec![spawn("audit-publisher", Box::new(move || publisher::run(&publishing)))?];
        match spawn("audit-writer", Box::new(move || writer.run(queue))) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                shared.close();
                return Err(error);
            }
        }
        Ok(Self { shared, commands, threads, _lock: lock })
    }

    /// Appends an entry with its body; resolves when both are durable. The leaf's recorded time is `entry.time`, or
    /// the time of the entry before where that is later.
    ///
    /// Dropping the future does not take the entry back: once queued it may be written all the same. After an error
    /// other than one about the entry itself it is unknown whether the entry is in the log; do not go on with what it
    /// would have recorded.
    pub async fn append(&self, entry: Entry, body: Body) -> Result<EntryIndex, LogError> {
        if entry.kind == EntryKind::BodyErased {
            return Err(LogError::malformed(
                "audit entry",
                "kind: use body_erase, which writes this kind itself",
            ));
        }
        entry.check()?;
        let body = body.encode()?;
        self.command(|reply| Command::Append { entry, body, reply }).await
    }

    /// Erases the body of entry `index` and gives the number of the entry of kind `body_erased` that says so; `entry`
    /// says who did it and why (its kind is replaced). Resolves when the entry and then the erasure are durable; a
    /// crash between them is made good at the next opening. Whether it may be done is the caller's business.
    pub async fn body_erase(
        &self,
        index: EntryIndex,
        entry: Entry,
        body: Body,
    ) -> Result<EntryIndex, LogError> {
        let entry = Entry { kind: EntryKind::BodyErased, ..entry };
        entry.check()?;
        let body = body.encode()?;
        self.command(|reply| Command::Erase { index, entry, body, reply }).await
    }

    /// Takes the log up again after an error has stopped it, in the way [`AuditLog::open`] does. Fails, and leaves the
    /// log stopped, as long as the cause is there. Without an error before it does the same and changes nothing.
    pub async fn reopen(&self) -> Result<(), LogError> {
        self.command(|reply| Command::Reopen { reply }).await
    }

    async fn command<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Command,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| LogError::Closed)?;
        answer.await.map_err(|_| LogError::Closed)?
    }

    /// Publishes a checkpoint that covers every entry acknowledged before the call, and gives its signed note.
    pub async fn checkpoint_now(&self) -> Result<String, LogError> {
        let mut progress = self.shared.progress.subscribe();
        let target = lock(&self.shared.state).durable;
        loop {
            {
                let mut state = lock(&self.shared.state);
                if let Some(reason) = &state.stopped {
                    return Err(LogError::Stopped { reason: Arc::clone(reason) });
                }
                if state.published.size >= target {
                    return Ok(state.published.note.clone());
                }
                state.checkpoint_wanted = true;
                self.shared.publisher_wake.notify_all();
            }
            progress.changed().await.map_err(|_| LogError::Closed)?;
        }
    }

    /// The last published checkpoint as a signed note.
    pub fn latest_checkpoint(&self) -> String {
        lock(&self.shared.state).published.note.clone()
    }

    /// Number of durable entries.
    pub fn tree_size(&self) -> u64 {
        lock(&self.shared.state).durable
    }

    /// The log's name.
    pub fn origin(&self) -> &KeyName {
        &self.shared.origin
    }

    /// What monitoring wants to know.
    pub fn health(&self) -> LogHealth {
        let state = lock(&self.shared.state);
        LogHealth {
            size: state.durable,
            checkpoint_size: state.published.size,
            stopped: state.stopped.as_ref().map(|reason| reason.to_string()),
            queue_free: self.commands.capacity(),
        }
    }

    /// Verifies the files on disk as a stranger would, with this log's public keys, and opens the bodies too. A checkpoint
    /// is made first; what is appended meanwhile is not looked at and not held up. Journal segments and partial tiles that
    /// are no longer needed stay until no verification runs.
    pub async fn verify(&self) -> Result<VerifyReport, LogError> {
        self.checkpoint_now().await?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let (_pause, published) = RemovalPause::begin(&shared);
            verify_running(&shared.folder, published.note, &shared.verifiers, &shared.body_keys)
        })
        .await
    }

    /// Finishes what is queued, publishes a last checkpoint, and ends the threads. Blocks; dropping the log does the
    /// same without telling of errors.
    pub fn close(mut self) -> Result<(), LogError> {
        self.finish();
        match &lock(&self.shared.state).stopped {
            Some(reason) => Err(LogError::Stopped { reason: Arc::clone(reason) }),
            None => Ok(()),
        }
    }

    fn finish(&mut self) {
        // The writer ends when its queue has no sender left, and tells the publisher to end.
        let (closed, _) = mpsc::channel(1);
        self.commands = closed;
        for thread in self.threads.drain(..).rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the audit log has panicked");
            }
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.finish();
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AuditLog({})", self.shared.origin)
    }
}

/// Runs file reading where it does not hold up other tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LogError::Closed)?
}

/// Makes the log's folder and the ones above it that are missing; each name is durable before the next is made.
fn log_folder_create(disk: &dyn Disk, folder: &Path) -> Result<(), LogError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    log_folder_create(disk, parent)?;
    disk.create_folder(folder).map_err(LogError::storage("create the folder", folder))?;
    disk.sync_folder(parent).map_err(LogError::storage("sync the folder", parent))
}

fn folder_lock(folder: &Path) -> Result<std::fs::File, LogError> {
    let path = folder.join(LOCK_FILE);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(LogError::storage("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(LogError::Locked { path: folder.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(LogError::Storage { action: "lock", path, source }),
    }
}
