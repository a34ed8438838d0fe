//! What the writer, the publisher and readers of one log share.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chengxin_schemas::key::SigningKey;
use tokio::sync::watch;

use super::LogOptions;
use super::read::BundleCache;
use crate::bodies::{BodyKeys, Random};
use crate::disk::Disk;
use crate::error::LogError;
use crate::note::{KeyKind, KeyName, NoteVerifier};
use crate::tile::TilePath;
use crate::tree::TileEdge;

/// Bytes of entries that may wait for full tiles before appends wait for the publisher: bounds memory.
pub(super) const TAIL_BYTES: usize = 64 * 1024 * 1024;
/// Bytes from which the publisher does not wait for its interval.
pub(super) const TAIL_BYTES_URGENT: usize = TAIL_BYTES / 4;

/// Why a log has stopped that lost a thread.
pub(super) const THREAD_LOST: &str = "a thread of the audit log panicked: restart the node";

/// Everything that threads and tasks share. Where several locks are held they are taken in the order `edge`, `state`,
/// `bundles`.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) origin: KeyName,
    pub(super) keys: Vec<SigningKey>,
    pub(super) verifiers: Vec<NoteVerifier>,
    pub(super) body_keys: BodyKeys,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) checkpoint_interval: Duration,
    /// Size from which a new journal segment is begun.
    pub(super) segment_bytes: u64,
    pub(super) state: Mutex<State>,
    /// The tree up to what was derived last. Whoever holds it is the one that publishes, or keeps others from it.
    pub(super) edge: Mutex<TileEdge>,
    pub(super) bundles: Mutex<BundleCache>,
    /// Wakes the publisher: new entries, a wish, the end.
    pub(super) publisher_wake: Condvar,
    /// Wakes the writer when the tail has become shorter.
    pub(super) tail_shorter: Condvar,
    /// Changes when a checkpoint was published or the log has stopped.
    pub(super) progress: watch::Sender<u64>,
}

/// What changes.
#[derive(Default)]
pub(super) struct State {
    /// Entries that are durable.
    pub(super) durable: u64,
    /// First entry of `tail`; a multiple of 256. Entries below stand in full, durable tiles.
    pub(super) tail_start: u64,
    /// Durable entries that are not in full tiles yet.
    pub(super) tail: VecDeque<Arc<[u8]>>,
    /// Bytes in `tail`.
    pub(super) tail_bytes: usize,
    /// The last published checkpoint.
    pub(super) published: Published,
    /// First entry of each journal segment, the one being written last.
    pub(super) segments: VecDeque<u64>,
    /// How many verifications read the files: nothing is removed under them.
    pub(super) removals_paused: usize,
    /// Full tiles whose partial tiles are to be removed once nobody reads them.
    pub(super) partials_left: Vec<TilePath>,
    /// The first error; set by whoever met it, cleared by reopening only.
    pub(super) stopped: Option<Arc<str>>,
    /// Somebody waits for a checkpoint.
    pub(super) checkpoint_wanted: bool,
    /// One of the threads has panicked: the log cannot be taken up again in this process.
    pub(super) thread_lost: bool,
    /// The writer has ended.
    pub(super) closing: bool,
}

/// A published checkpoint.
#[derive(Clone, Default)]
pub(super) struct Published {
    pub(super) size: u64,
    /// The signed note.
    pub(super) note: String,
    /// The partial tiles of this size, so that proofs need no partial files.
    pub(super) edge: TileEdge,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        folder: &Path,
        options: LogOptions,
        segment_bytes: u64,
    ) -> Result<(Self, Random), LogError> {
        let LogOptions { origin, keys, body_keys, random, checkpoint_interval } = options;
        if keys.is_empty() {
            return Err(LogError::Signature {
                form: "checkpoint",
                reason: "no signing key was given".to_owned(),
            });
        }
        let verifiers = keys
            .iter()
            .map(|key| NoteVerifier::new(origin.clone(), KeyKind::Ed25519, *key.public()))
            .collect();
        let shared = Self {
            folder: folder.to_owned(),
            origin,
            keys,
            verifiers,
            body_keys,
            disk,
            checkpoint_interval,
            segment_bytes,
            state: Mutex::default(),
            edge: Mutex::default(),
            bundles: Mutex::default(),
            publisher_wake: Condvar::new(),
            tail_shorter: Condvar::new(),
            progress: watch::Sender::new(0),
        };
        Ok((shared, random))
    }

    /// Stops the log after `error`, which only the first caller's reason survives.
    pub(super) fn stop(&self, error: &LogError) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        self.stop_because(text);
    }

    /// Stops the log for a reason in words; the first one stays.
    fn stop_because(&self, text: String) {
        let mut state = lock(&self.state);
        if state.stopped.is_none() {
            tracing::error!(reason = %text, "the audit log has stopped");
            state.stopped = Some(text.into());
        }
        drop(state);
        self.announce();
    }

    /// Tells everyone who waits that something has changed.
    pub(super) fn announce(&self) {
        self.publisher_wake.notify_all();
        self.tail_shorter.notify_all();
        self.progress.send_modify(|generation| *generation = generation.wrapping_add(1));
    }

    /// Lets the publisher end after a last checkpoint.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
        self.announce();
    }
}

/// Locks; a panic elsewhere does not make the value worse than a crash would, and the files are the truth.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the files of every checkpoint since it was taken, until it is dropped.
pub(super) struct RemovalPause(Arc<Shared>);

impl RemovalPause {
    /// Begins a pause; gives the checkpoint published last, whose files are all there.
    pub(super) fn begin(shared: &Arc<Shared>) -> (Self, Published) {
        // Waits for a publication that is removing.
        let _still = lock(&shared.edge);
        let mut state = lock(&shared.state);
        state.removals_paused += 1;
        let published = state.published.clone();
        drop(state);
        (Self(Arc::clone(shared)), published)
    }
}

impl Drop for RemovalPause {
    fn drop(&mut self) {
        lock(&self.0.state).removals_paused -= 1;
    }
}

/// Held by a thread of the log. If the thread panics nobody waits for it in vain: the log stops for good, and where it was
/// the writer the publisher ends too.
pub(super) struct PanicGuard {
    pub(super) shared: Arc<Shared>,
    pub(super) closes: bool,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.shared.state).thread_lost = true;
            self.shared.stop_because(THREAD_LOST.to_owned());
            if self.closes {
                self.shared.close();
            }
        }
    }
}
