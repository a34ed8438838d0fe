//! Files on their way in. An upload is written to disk before it is read, because a workbook must be sought in and an
//! interrupted import must find its file again.
//!
//! | name | what | until |
//! |---|---|---|
//! | `incoming-<n>` | an upload in progress | the request ends |
//! | `f-<id>` | a complete file | nobody uses it, and neither of the next two names it |
//! | `f-<id>.json` | it has failing rows that its report offers as a file | [`KEPT_SECONDS`], [`FILES_KEPT`] or [`KEPT_BYTES_LIMIT`], whichever is reached first, or the file's import |
//! | `b-<batch>.json` | an unfinished import needs it | the import is finished or taken back |
//! | `….part` | a plan being written | it is renamed |
//!
//! The files are as they were sent, in the clear, and hold personal data: the folder has mode 0700, files 0600, and a
//! file goes as soon as nothing above keeps it. What a crash leaves behind goes at the next start, which knows the
//! unfinished imports.
//!
//! On disk there are at most [`KEPT_BYTES_LIMIT`] of kept files, one largest file for each of [`FILE_WORK_LIMIT`] pieces
//! of work, and one for the unfinished import, of which the node has one at most.
//!
//! Every change of names happens under one lock, on threads that may block. A file is marked as in use from the first
//! byte of its upload until the last thread that reads it has ended, so that nothing sweeps it away in between.

mod plan;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chengxin_exchange::import::{ImportFile, ReadSeek};
use chengxin_import::ImportOptions as ReadingOptions;
use chengxin_schemas::ErrorCode;
use chengxin_schemas::identity::BatchId;
use chengxin_schemas::time::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;
use crate::types::import::UploadId;
use crate::types::problem::Problem;

pub(crate) use self::plan::Plan;
use self::plan::{folder_sync, plan_read, plan_write};

/// Uploads, examinations, imports and files of failing rows at work at the same time. Each may hold 128 MiB of a
/// workbook's shared strings with their index and as much disk as the largest file has, and a thread; more than one
/// import does not run anyway.
pub const FILE_WORK_LIMIT: usize = 4;
/// Files kept for their failing rows; the oldest go first.
const FILES_KEPT: usize = 8;
/// Bytes of files kept for their failing rows; the oldest go first. Two of the largest.
const KEPT_BYTES_LIMIT: u64 = 2 << 30;
/// Longest time a file is kept for its failing rows: what was reported in the afternoon is corrected the next morning.
const KEPT_SECONDS: i64 = 24 * 3_600;

/// Uses of names in the folder.
type InUse = BTreeMap<String, u64>;

/// The folder for files on their way in, used by nobody else.
pub struct Spool {
    folder: PathBuf,
    /// Held during every change of names, and while it is decided what may go.
    in_use: Mutex<InUse>,
    work: Arc<Semaphore>,
    /// Makes names unique within one run of the program; two programs never share a spool.
    number: AtomicU64,
}

impl Spool {
    /// The spool in `folder`, which is made when it is needed, with mode 0700.
    pub fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            folder,
            in_use: Mutex::default(),
            work: Arc::new(Semaphore::new(FILE_WORK_LIMIT)),
            number: AtomicU64::new(0),
        })
    }

    /// Removes what a crash left behind: uploads cut off, and plans of imports that are not `unfinished`.
    pub(crate) async fn start(
        self: &Arc<Self>,
        unfinished: BTreeSet<BatchId>,
        now: UnixTime,
    ) -> std::io::Result<()> {
        self.blocking(move |spool| {
            let in_use = spool.lock();
            spool.folder_make()?;
            for name in spool.names()? {
                let Some(batch) = name.strip_suffix(".json").filter(|stem| stem.starts_with("b-")) else {
                    continue;
                };
                if !batch.parse().is_ok_and(|batch| unfinished.contains(&batch)) {
                    remove(&spool.folder.join(&name))?;
                }
            }
            spool.sweep_locked(&in_use, now)
        })
        .await
    }

    /// Removes what nothing keeps any longer. Called from time to time, so that files go although no more come.
    pub(crate) async fn sweep(self: &Arc<Self>, now: UnixTime) -> std::io::Result<()> {
        self.blocking(move |spool| {
            let in_use = spool.lock();
            spool.folder_make()?;
            spool.sweep_locked(&in_use, now)
        })
        .await
    }

    /// Finds the file of an unfinished import.
    pub(crate) async fn batch_find(self: &Arc<Self>, batch: &BatchId) -> Result<SpooledFile, Failure> {
        self.find(
            self.batch_path(batch),
            "take the import back, then import the file again",
            "先撤回该批次, 再重新导入文件",
        )
        .await
    }

    /// Finds an examined file by the name its report gave.
    pub(crate) async fn file_find(self: &Arc<Self>, id: UploadId) -> Result<SpooledFile, Failure> {
        self.find(
            self.sidecar(&id.to_string()),
            "check the file again with --dry-run",
            "用 --dry-run 重新校验文件",
        )
        .await
    }

    async fn find(
        self: &Arc<Self>,
        plan: PathBuf,
        fix_en: &'static str,
        fix_zh: &'static str,
    ) -> Result<SpooledFile, Failure> {
        let work = self.work_begin()?;
        let found = self.blocking(move |spool| {
            let mut in_use = spool.lock();
            let Some(plan) = plan_read(&plan)? else { return Ok(None) };
            let Some(id) = plan.file().filter(|id| spool.folder.join(id.to_string()).is_file()) else {
                return Ok(None);
            };
            let used = spool.use_begin(&mut in_use, id.to_string());
            Ok(Some(SpooledFile { plan, id, begun: OnceLock::new(), used, _work: work }))
        });
        found.await.map_err(|error| Failure::spool(&error))?.ok_or_else(|| {
            Problem::new(ErrorCode::NotFound, "the file is no longer kept here", "该文件已不再保存")
                .with_fix(fix_en, fix_zh)
                .into()
        })
    }

    /// Lets go what was kept for an import that is finished, taken back, or did not begin.
    pub(crate) async fn batch_forget(self: &Arc<Self>, batch: BatchId) -> std::io::Result<()> {
        self.blocking(move |spool| {
            let in_use = spool.lock();
            let path = spool.batch_path(&batch);
            let plan = plan_read(&path)?;
            remove(&path)?;
            let Some(id) = plan.and_then(|plan| plan.file()) else { return Ok(()) };
            remove(&spool.sidecar(&id.to_string()))?;
            spool.settle(&in_use, &id.to_string())
        })
        .await
    }

    /// Begins a piece of work on a file; it ends when the permit is dropped.
    fn work_begin(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.work.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                ErrorCode::Busy,
                format!("{FILE_WORK_LIMIT} files are being worked on"),
                format!("正在处理 {FILE_WORK_LIMIT} 个文件"),
            )
            .with_fix("try again when one of them is finished", "待其中一个完成后重试")
            .into()
        })
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> std::io::Result<T> + Send + 'static,
    ) -> std::io::Result<T> {
        let spool = self.clone();
        tokio::task::spawn_blocking(move || work(&spool)).await.map_err(std::io::Error::other)?
    }

    fn lock(&self) -> MutexGuard<'_, InUse> {
        // The map is changed in single steps, so it is whole even if a holder panicked.
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder_make(&self) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    fn batch_path(&self, batch: &BatchId) -> PathBuf {
        self.folder.join(format!("{batch}.json"))
    }

    fn sidecar(&self, file: &str) -> PathBuf {
        self.folder.join(format!("{file}.json"))
    }

    fn number_next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    fn plan_put(&self, path: &Path, plan: &Plan) -> std::io::Result<()> {
        plan_write(path, &path.with_extension(format!("{}.part", self.number_next())), plan)?;
        folder_sync(&self.folder)
    }

    fn use_begin(self: &Arc<Self>, in_use: &mut InUse, name: String) -> Use {
        let uses = in_use.entry(name.clone()).or_default();
        *uses = uses.saturating_add(1);
        Use { spool: self.clone(), name }
    }

    fn use_end(&self, name: &str) {
        let mut in_use = self.lock();
        match in_use.get_mut(name) {
            Some(uses) if *uses > 1 => *uses -= 1,
            _ => {
                in_use.remove(name);
            }
        }
        if let Err(error) = self.settle(&in_use, name) {
            tracing::warn!(%error, "a file stays in the spool folder until the next sweep");
        }
    }

    /// Removes a file that nobody uses and nothing keeps.
    fn settle(&self, in_use: &InUse, name: &str) -> std::io::Result<()> {
        if in_use.contains_key(name) || self.sidecar(name).exists() || self.needed()?.contains(name) {
            return Ok(());
        }
        remove(&self.folder.join(name))
    }

    /// The files that unfinished imports need.
    fn needed(&self) -> std::io::Result<BTreeSet<String>> {
        let mut needed = BTreeSet::new();
        for name in self.names()? {
            if name.starts_with("b-")
                && name.ends_with(".json")
                && let Some(id) = plan_read(&self.folder.join(&name))?.and_then(|plan| plan.file())
            {
                needed.insert(id.to_string());
            }
        }
        Ok(needed)
    }

    fn names(&self) -> std::io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.folder)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Removes uploads cut off, plans half written, and files that nobody uses and nothing keeps; of those kept for
    /// their failing rows the oldest, until the rest is within the limits.
    fn sweep_locked(&self, in_use: &InUse, now: UnixTime) -> std::io::Result<()> {
        let needed = self.needed()?;
        let mut kept = Vec::new();
        for name in self.names()? {
            let path = self.folder.join(&name);
            if let Some(file) = name.strip_suffix(".json") {
                if file.starts_with("f-") && !self.folder.join(file).exists() {
                    remove(&path)?;
                }
            } else if name.ends_with(".part") || name.starts_with("incoming-") {
                if !in_use.contains_key(&name) {
                    remove(&path)?;
                }
            } else if name.starts_with("f-") {
                let since = plan_read(&self.sidecar(&name))?.and_then(|plan| plan.kept());
                match since {
                    Some(since) if now.0.saturating_sub(since.0) <= KEPT_SECONDS => {
                        let bytes = std::fs::metadata(&path)?.len();
                        // Two reports of one second: the file system knows the order.
                        let written = std::fs::metadata(self.sidecar(&name))?.modified()?;
                        kept.push((since, written, name, bytes));
                    }
                    Some(_) | None => self.expire(in_use, &needed, &name)?,
                }
            }
        }
        kept.sort_by(|one, other| other.cmp(one));
        let mut total = 0_u64;
        for (place, (_, _, name, bytes)) in kept.into_iter().enumerate() {
            total = total.saturating_add(bytes);
            if place >= FILES_KEPT || total > KEPT_BYTES_LIMIT {
                self.expire(in_use, &needed, &name)?;
            }
        }
        Ok(())
    }

    /// A file whose failing rows are no longer offered; it stays for who uses or needs it.
    fn expire(&self, in_use: &InUse, needed: &BTreeSet<String>, name: &str) -> std::io::Result<()> {
        remove(&self.sidecar(name))?;
        if in_use.contains_key(name) || needed.contains(name) {
            return Ok(());
        }
        remove(&self.folder.join(name))
    }
}

/// Shows the place only.
impl std::fmt::Debug for Spool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Spool({})", self.folder.display())
    }
}

/// A file that is gone already is gone.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Keeps a name from being swept away, and lets it go when dropped.
struct Use {
    spool: Arc<Spool>,
    name: String,
}

impl Drop for Use {
    fn drop(&mut self) {
        let (spool, name) = (self.spool.clone(), std::mem::take(&mut self.name));
        // Dropped in answers and tasks that are given up, where nothing may block. Without a runtime the program is
        // ending, or nothing waits; what a runtime that ends leaves undone, the next start does.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || spool.use_end(&name))),
            Err(_) => spool.use_end(&name),
        }
    }
}

/// A complete file of the spool, in use as long as this lives.
pub(crate) struct SpooledFile {
    plan: Plan,
    id: UploadId,
    /// The import that is to begin, or has begun, with it.
    begun: OnceLock<BatchId>,
    used: Use,
    _work: OwnedSemaphorePermit,
}

impl SpooledFile {
    /// The name of the file where it came from.
    pub(crate) fn file_name(&self) -> &str {
        self.plan.file_name()
    }

    /// The name under which its failing rows are found once they are kept.
    pub(crate) fn id(&self) -> UploadId {
        self.id
    }

    /// How it is to be read.
    pub(crate) fn options(&self) -> ReadingOptions {
        self.plan.options(&self.used.spool.folder)
    }

    /// The import it was kept for by its own use.
    pub(crate) fn begun(&self) -> Option<BatchId> {
        self.begun.get().copied()
    }

    /// Keeps the file for its failing rows.
    pub(crate) async fn errors_keep(&self, now: UnixTime) -> Result<(), Failure> {
        let (plan, name) = (self.plan.clone().kept_since(now), self.used.name.clone());
        let kept = self.used.spool.blocking(move |spool| {
            let in_use = spool.lock();
            spool.plan_put(&spool.sidecar(&name), &plan)?;
            spool.sweep_locked(&in_use, now)
        });
        kept.await.map_err(|error| Failure::spool(&error))
    }
}

impl ImportFile for SpooledFile {
    fn open(&self) -> std::io::Result<Box<dyn ReadSeek>> {
        Ok(Box::new(std::fs::File::open(self.used.spool.folder.join(&self.used.name))?))
    }

    fn name(&self) -> &str {
        self.plan.file_name()
    }

    fn import_keep(&self, batch: &BatchId) -> std::io::Result<()> {
        let spool = &self.used.spool;
        let _in_use = spool.lock();
        spool.plan_put(&spool.batch_path(batch), &self.plan)?;
        // One use begins one import at most.
        let _ = self.begun.set(*batch);
        Ok(())
    }
}
