//! What a node has verified, kept on disk across restarts and served to peers.
//!
//! ```text
//! metadata/, targets/        the verified state, in the layout of `folder.rs`, whose crash story holds here
//! seen/timestamp.json        the newest timestamp and snapshot whose signatures held and which were not expired, even
//! seen/snapshot.json         where the rest of that update was refused: nobody can take the node back behind them
//! conflict/                  files that contradict one of the same version, as evidence against the key they are signed with
//! work/                      the verifying library's folder during a refresh; emptied before each
//! ```
//!
//! A refresh moves in this order: roots that are verified are kept at once, one after the other (and before those that
//! name other online keys, what was seen under the former ones is forgotten), then what was seen, then the new files,
//! and last the timestamp (commit point). So a gap in the roots is damage and no crash. Opening verifies the whole state
//! again with the same function as a refresh, except that expiry is not judged: an expired directory is still the newest
//! that is known, and says so when asked.
//!
//! The state in memory moves with the files, in the piece of work that writes them: a refresh that nobody waits for any
//! more may still be writing, and must not leave a root trusted here whose successor, which revokes its keys, is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use chengxin_schemas::digest::{Sha256, hex_encode};
use chengxin_schemas::time::UnixTime;
use tough::schema::{Root, Signed, Snapshot, Timestamp};

use crate::directory::{DirectoryVersions, VerifiedDirectory};
use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::folder::{Folder, file_read, file_remove, file_replace, folder_create, folder_sync};
use crate::gather::{blocking, file_fetch, roles_gather, targets_gather};
use crate::limits::{CONFLICTS_KEPT, ROOT_VERSIONS_LIMIT};
use crate::metadata::{self, target_file_name};
use crate::name::{FileName, Role, TargetPath};
use crate::source::{FolderSource, MetadataSource};
use crate::verify::{Gathered, VerifiedMetadata, first_root_check, metadata_verify};

/// A node's verified copy of its federation's metadata.
pub struct TrustStore {
    folder: Folder,
    pinned: RootFingerprint,
    state: Held,
    /// One refresh at a time: two would share the working folder.
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

/// A refresh's turn. Work that was handed to another thread outlives the future that waits for it, so every such piece
/// holds a copy: the next refresh begins when the last one is gone.
type Turn = Arc<tokio::sync::OwnedMutexGuard<()>>;

/// Puts a state in force; done by the work that wrote it, as part of it.
fn state_replace(held: &Held, state: State) {
    *held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
}

/// File work that belongs to a turn.
async fn in_turn<T: Send + 'static>(
    turn: &Turn,
    work: impl FnOnce() -> Result<T, TrustError> + Send + 'static,
) -> Result<T, TrustError> {
    let turn = turn.clone();
    blocking(move || {
        let done = work();
        drop(turn);
        done
    })
    .await
}

/// What a refresh changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefreshOutcome {
    /// The source has nothing newer.
    Unchanged,
    /// A newer state is in force.
    Updated {
        /// The versions before, if there were any.
        from: Option<DirectoryVersions>,
        /// The versions now.
        to: DirectoryVersions,
    },
}

/// The state in force.
type Held = Arc<RwLock<Arc<State>>>;

/// The newest verified root, and the directory if there is one.
#[derive(Clone)]
struct State {
    root: Option<TrustedRoot>,
    directory: Option<Arc<VerifiedDirectory>>,
    timestamp: Option<Bytes>,
}

#[derive(Clone)]
struct TrustedRoot {
    version: u64,
    bytes: Bytes,
}

impl TrustStore {
    /// Opens the store in `folder`, which is created if need be, pinned to the first root's fingerprint. Verifies what
    /// is on disk; fails if that is not whole, since silently starting anew would forget what must not be rolled back.
    pub async fn open(folder: impl Into<PathBuf>, pinned: RootFingerprint) -> Result<Self, TrustError> {
        let folder = Folder::new(folder);
        let base = folder.base().to_owned();
        blocking(move || folder_create(&base)).await?;
        let state = state_load(&folder, pinned).await?;
        Ok(Self { folder, pinned, state: Arc::new(RwLock::new(Arc::new(state))), refreshing: Arc::default() })
    }

    /// Begins a store in `folder` with what still holds of the damaged one in `damaged`: the roots from the fingerprint on,
    /// as far as the chain goes, and what was seen last, behind which nobody can then take the new store back. The rest is
    /// fetched again. Says whether what was seen last was there, signed under the newest of these roots; if not, the new
    /// store takes any state that is not expired.
    pub async fn salvage(
        folder: impl Into<PathBuf>,
        damaged: impl Into<PathBuf>,
        pinned: RootFingerprint,
    ) -> Result<bool, TrustError> {
        let (folder, damaged) = (Folder::new(folder), Folder::new(damaged));
        blocking(move || {
            let Ok((newest, roots)) = roots_whole(&damaged, pinned) else { return Ok(false) };
            folder.write_all(roots.iter().map(|(version, bytes)| (FileName::Root(*version), &bytes[..])))?;
            let (from, to) = (damaged.base().join("seen"), folder.base().join("seen"));
            folder_create(&to)?;
            let mut has_memory = false;
            for (file, role) in SEEN {
                let Ok(Some(bytes)) = file_read(&from.join(file), role.limit()) else { continue };
                let holds = match role {
                    Role::Timestamp => metadata::role_parse::<Timestamp>(role, &bytes)
                        .and_then(|parsed| metadata::role_verify(&newest.signed, role, &parsed)),
                    _ => metadata::role_parse::<Snapshot>(role, &bytes)
                        .and_then(|parsed| metadata::role_verify(&newest.signed, role, &parsed)),
                };
                if holds.is_ok() {
                    file_replace(&to.join(file), &bytes)?;
                    has_memory |= role == Role::Timestamp;
                }
            }
            folder_sync(&to)?;
            Ok(has_memory)
        })
        .await
    }

    /// The verified directory; an error before the first refresh. Whether it is current is asked of the value.
    pub fn directory(&self) -> Result<Arc<VerifiedDirectory>, TrustError> {
        self.state().directory.clone().ok_or(TrustError::NotJoined)
    }

    /// The fingerprint that everything is checked against.
    pub fn pinned(&self) -> RootFingerprint {
        self.pinned
    }

    /// Fetches what is newer from `source`, verifies it at the fixed time `now`, keeps it. On an error the state before
    /// stays in force; only verified roots and the rollback memory may have moved on.
    ///
    /// Ask peers that claim a newer timestamp (`PeerResponse::Versions`): one that is merely behind is refused like one
    /// that replays an old state, since nobody can tell them apart. Dropping the future is safe at any moment: what was
    /// begun on disk ends by itself, and the next refresh waits for that.
    pub async fn refresh(
        &self,
        source: &dyn MetadataSource,
        now: UnixTime,
    ) -> Result<RefreshOutcome, TrustError> {
        let turn: Turn = Arc::new(self.refreshing.clone().lock_owned().await);
        self.first_root(&turn, source).await?;
        let before = self.state();
        let root = before.root.clone().ok_or(TrustError::NotJoined)?;
        let mut gathered = Gathered::default();
        let newest_root = self.roots_walk(&turn, source, &root, &mut gathered).await?;
        roles_gather(source, &self.folder, &mut gathered).await?;
        if let Some(held) = &before.directory {
            let same_root = held.versions().root == newest_root;
            if same_root && before.timestamp.as_ref() == gathered.file(FileName::Timestamp) {
                return unchanged(held, now);
            }
        }
        let memory = self.memory_prepare(&turn).await?;
        let verified = verify_in_turn(&turn, &root, &gathered, &memory).await;
        self.memory_keep(&turn, &memory, now).await?;
        let verified = verified?;
        if let Some(held) = &before.directory {
            self.check_not_older(&verified, held).await?;
            if self.is_equal_version(&turn, &verified, held, &gathered).await? {
                return unchanged(held, now);
            }
        }
        verified.check_expiry(now)?;
        let from = before.directory.as_ref().map(|held| held.versions());
        let to = self.targets_commit(&turn, source, &verified, &gathered).await?;
        Ok(RefreshOutcome::Updated { from, to })
    }

    /// A file for a peer: metadata and targets that this node verified itself, by their exact names; `None` for
    /// everything else. The federation's metadata holds no secrets, so it is given to applicants too.
    pub async fn serve(&self, name: &str) -> Option<Bytes> {
        let name = name.parse::<FileName>().ok()?;
        let state = self.state();
        match name {
            // From memory: the most frequent request, and never ahead of the state in force.
            FileName::Timestamp => return state.timestamp.clone(),
            FileName::Root(version) if version > state.root.as_ref()?.version => return None,
            FileName::Root(_) | FileName::Snapshot(_) | FileName::Targets(_) | FileName::Target(..) => {}
        }
        let folder = self.folder.clone();
        blocking(move || folder.read(name, name.limit())).await.ok().flatten().map(Bytes::from)
    }

    /// Directory and timestamp of one and the same state.
    pub(crate) fn directory_and_timestamp(&self) -> Result<(Arc<VerifiedDirectory>, Bytes), TrustError> {
        let state = self.state();
        state.directory.clone().zip(state.timestamp.clone()).ok_or(TrustError::NotJoined)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The root that the verified metadata stand under.
    fn root_of(&self, verified: &VerifiedMetadata, gathered: &Gathered) -> Option<TrustedRoot> {
        let version = verified.root().version.get();
        let bytes = gathered.file(FileName::Root(version)).cloned();
        bytes.map(|bytes| TrustedRoot { version, bytes }).or_else(|| self.state().root.clone())
    }

    /// Fetches the first root if there is none, and compares it with the fingerprint before anything else is looked at.
    async fn first_root(&self, turn: &Turn, source: &dyn MetadataSource) -> Result<(), TrustError> {
        if self.state().root.is_some() {
            return Ok(());
        }
        let name = FileName::Root(1);
        let bytes = file_fetch(source, name, name.limit())
            .await?
            .ok_or_else(|| TrustError::Missing { file: name.to_string() })?;
        fingerprint_check(self.pinned, &bytes)?;
        first_root_check(&bytes)?;
        let (folder, held) = (self.folder.clone(), self.state.clone());
        in_turn(turn, move || {
            folder.write_all([(name, &bytes[..])])?;
            let root = Some(TrustedRoot { version: 1, bytes });
            state_replace(&held, State { root, directory: None, timestamp: None });
            Ok(())
        })
        .await
    }

    /// Fetches the roots after the trusted one, each verified before the next is asked for (TUF §5.3), and keeps them
    /// whatever becomes of the rest of the refresh. Gives the newest version.
    ///
    /// A source that fails is an error and not the end of the chain: else a peer could hold a node back on an old root.
    async fn roots_walk(
        &self,
        turn: &Turn,
        source: &dyn MetadataSource,
        trusted: &TrustedRoot,
        gathered: &mut Gathered,
    ) -> Result<u64, TrustError> {
        let mut current = metadata::role_parse::<Root>(Role::Root, &trusted.bytes)?;
        let mut verified = Vec::new();
        let end = loop {
            let version = current.signed.version.get().saturating_add(1);
            match root_next(source, &current, version).await {
                Ok(Some((next, bytes))) => {
                    gathered.insert(FileName::Root(version), bytes.clone());
                    verified.push((version, bytes));
                    current = next;
                }
                Ok(None) => break Ok(current.signed.version.get()),
                Err(error) => break Err(error),
            }
        };
        if !verified.is_empty() {
            let former = metadata::role_parse::<Root>(Role::Root, &trusted.bytes)?;
            // First, and again after a crash: once the new roots are on disk, nothing says any more that keys changed.
            if !metadata::same_online_keys(&former.signed, &current.signed) {
                self.seen_forget(turn).await?;
            }
            let (folder, held) = (self.folder.clone(), self.state.clone());
            let before = State::clone(&self.state());
            in_turn(turn, move || {
                for (version, bytes) in verified {
                    folder.write_all([(FileName::Root(version), &bytes[..])])?;
                    let root = Some(TrustedRoot { version, bytes });
                    state_replace(&held, State { root, ..before.clone() });
                }
                Ok(())
            })
            .await?;
        }
        end
    }

    /// Versions that a thief of former keys drove up must not lock the federation's next ones out, so both files go when
    /// the key of either changes (TUF §5.3.11).
    async fn seen_forget(&self, turn: &Turn) -> Result<(), TrustError> {
        let seen = self.seen();
        in_turn(turn, move || {
            SEEN.iter().try_for_each(|(file, _)| file_remove(&seen.join(file)))?;
            if seen.is_dir() { folder_sync(&seen) } else { Ok(()) }
        })
        .await
    }

    /// Keeps a contradicting file for the coordinators to see.
    async fn conflict(
        &self,
        turn: &Turn,
        role: Role,
        version: u64,
        offered: &Bytes,
    ) -> Result<TrustError, TrustError> {
        let folder = self.folder.base().join("conflict");
        let offered = offered.clone();
        in_turn(turn, move || {
            folder_create(&folder)?;
            let listing = std::fs::read_dir(&folder).map_err(TrustError::file("list", &folder))?;
            if listing.count() < CONFLICTS_KEPT {
                let digest = hex_encode(&Sha256::of(&offered).0);
                file_replace(&folder.join(format!("{version}.{role}.{digest}.json")), &offered)?;
                folder_sync(&folder)?;
            }
            Ok(TrustError::Conflicting { role, version })
        })
        .await
    }

    fn seen(&self) -> PathBuf {
        self.folder.base().join("seen")
    }

    /// An empty working folder with the newest timestamp and snapshot seen.
    async fn memory_prepare(&self, turn: &Turn) -> Result<PathBuf, TrustError> {
        let (seen, work) = (self.seen(), self.folder.base().join("work"));
        let prepared = work.clone();
        in_turn(turn, move || {
            match std::fs::remove_dir_all(&work) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(TrustError::file("empty", &work)(error));
                }
                _ => {}
            }
            std::fs::create_dir(&work).map_err(TrustError::file("create", &work))?;
            for (file, role) in SEEN {
                if let Some(bytes) = file_read(&seen.join(file), role.limit())? {
                    let path = work.join(file);
                    std::fs::write(&path, bytes).map_err(TrustError::file("write", &path))?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(prepared)
    }

    /// Keeps what the library verified, unless it is expired: expired metadata was never accepted, and an old timestamp
    /// must not be able to lock a newer one out (TUF §5.4.4 comes before §5.4.5).
    async fn memory_keep(&self, turn: &Turn, work: &Path, now: UnixTime) -> Result<(), TrustError> {
        let (seen, work) = (self.seen(), work.to_owned());
        in_turn(turn, move || {
            folder_create(&seen)?;
            for (file, role) in SEEN {
                let Some(bytes) = file_read(&work.join(file), role.limit())? else { continue };
                let expires = match role {
                    Role::Timestamp => {
                        metadata::expires(&metadata::role_parse::<Timestamp>(role, &bytes)?.signed)
                    }
                    _ => metadata::expires(&metadata::role_parse::<Snapshot>(role, &bytes)?.signed),
                };
                if expires > now {
                    file_replace(&seen.join(file), &bytes)?;
                }
            }
            folder_sync(&seen)
        })
        .await
    }

    /// Refuses what is older than what is held (TUF §5.4.3, §5.5.5). The library compares with what was seen, which says
    /// the same unless the folder `seen` was lost. After a change of an online key lower numbers are the recovery.
    async fn check_not_older(
        &self,
        verified: &VerifiedMetadata,
        held: &VerifiedDirectory,
    ) -> Result<(), TrustError> {
        let versions = held.versions();
        let (folder, name) = (self.folder.clone(), FileName::Root(versions.root));
        let root = blocking(move || folder.read(name, name.limit())).await?;
        let root = root.ok_or_else(|| TrustError::Missing { file: name.to_string() })?;
        let root = metadata::role_parse::<Root>(Role::Root, &root)?;
        if !metadata::same_online_keys(&root.signed, verified.root()) {
            return Ok(());
        }
        let compared = [
            (Role::Timestamp, versions.timestamp, verified.timestamp().version.get()),
            (Role::Snapshot, versions.snapshot, verified.snapshot().version.get()),
            (Role::Targets, versions.directory, verified.targets().version.get()),
        ];
        match compared.into_iter().find(|(_, from, to)| to < from) {
            Some((role, from, to)) => Err(TrustError::RolledBack { role, from, to }),
            None => Ok(()),
        }
    }

    /// Whether the verified metadata has the versions already held; then it is discarded (TUF §5.4.3). Equal versions
    /// with other contents are the coordinator contradicting itself, unless its keys were changed in between, which is
    /// how a federation recovers from stolen ones.
    async fn is_equal_version(
        &self,
        turn: &Turn,
        verified: &VerifiedMetadata,
        held: &VerifiedDirectory,
        gathered: &Gathered,
    ) -> Result<bool, TrustError> {
        let versions = held.versions();
        let Some(held_timestamp) = self.state().timestamp.clone() else { return Ok(false) };
        let held_timestamp = metadata::role_parse::<Timestamp>(Role::Timestamp, &held_timestamp)?;
        if metadata::role_verify(verified.root(), Role::Timestamp, &held_timestamp).is_err() {
            return Ok(false);
        }
        let same = [
            (Role::Snapshot, FileName::Snapshot(versions.snapshot), verified.snapshot().version.get()),
            (Role::Targets, FileName::Targets(versions.directory), verified.targets().version.get()),
        ];
        for (role, name, version) in same {
            let Some(offered) = gathered.file(name) else { continue };
            let folder = self.folder.clone();
            let kept = blocking(move || folder.read(name, name.limit())).await?;
            if kept.is_some_and(|kept| kept[..] != offered[..]) {
                return Err(self.conflict(turn, role, version, offered).await?);
            }
        }
        if verified.timestamp().version.get() != versions.timestamp {
            return Ok(false);
        }
        if held_timestamp.signed != *verified.timestamp() {
            let Some(offered) = gathered.file(FileName::Timestamp) else { return Ok(false) };
            return Err(self.conflict(turn, Role::Timestamp, versions.timestamp, offered).await?);
        }
        // Equal content in other bytes (spaces, order of signatures), and no new root: nothing to keep.
        Ok(versions.root == verified.root().version.get())
    }

    /// Fetches the files listed, builds the directory, writes everything, commits. Gives the versions in force from then on.
    async fn targets_commit(
        &self,
        turn: &Turn,
        source: &dyn MetadataSource,
        verified: &VerifiedMetadata,
        gathered: &Gathered,
    ) -> Result<DirectoryVersions, TrustError> {
        let (directory, bytes) = directory_gather(source, &self.folder, verified).await?;
        let versions = directory.versions();
        let mut new_files: Vec<(FileName, Bytes)> = Vec::new();
        for (path, (bytes, fetched)) in bytes {
            if let (true, Some(file)) = (fetched, directory.files().get(&path)) {
                new_files.push((target_file_name(path, *file), bytes));
            }
        }
        for name in [FileName::Targets(versions.directory), FileName::Snapshot(versions.snapshot)] {
            new_files.extend(gathered.file(name).map(|bytes| (name, bytes.clone())));
        }
        let timestamp = gathered
            .file(FileName::Timestamp)
            .cloned()
            .ok_or(TrustError::Missing { file: "timestamp.json".into() })?;
        let mut kept: BTreeSet<FileName> = file_names(&directory);
        if let Some(before) = &self.state().directory {
            kept.extend(file_names(before));
        }
        let (folder, held, root) =
            (self.folder.clone(), self.state.clone(), self.root_of(verified, gathered));
        in_turn(turn, move || {
            folder.write_all(new_files.iter().map(|(name, bytes)| (*name, &bytes[..])))?;
            folder.commit(&timestamp)?;
            let directory = Some(Arc::new(directory));
            state_replace(&held, State { root, directory, timestamp: Some(timestamp) });
            folder.prune(versions.snapshot, versions.directory, &kept);
            Ok(versions)
        })
        .await
    }
}

/// Verifies in a task of its own, since the library writes into the working folder from other threads.
async fn verify_in_turn(
    turn: &Turn,
    root: &TrustedRoot,
    gathered: &Gathered,
    memory: &Path,
) -> Result<VerifiedMetadata, TrustError> {
    let (turn, root, gathered, memory) = (turn.clone(), root.clone(), gathered.clone(), memory.to_owned());
    let verifying = tokio::spawn(async move {
        let verified = metadata_verify(&root.bytes, gathered, Some(&memory)).await;
        drop(turn);
        verified
    });
    verifying.await.unwrap_or_else(|_| {
        Err(TrustError::Verifier { reason: "it was cut short by the end of the program".to_owned() })
    })
}

/// The files of the rollback memory, by role.
const SEEN: [(&str, Role); 2] = [("timestamp.json", Role::Timestamp), ("snapshot.json", Role::Snapshot)];

fn file_names(directory: &VerifiedDirectory) -> BTreeSet<FileName> {
    directory.files().iter().map(|(path, file)| target_file_name(*path, *file)).collect()
}

pub(crate) fn fingerprint_check(pinned: RootFingerprint, first_root: &[u8]) -> Result<(), TrustError> {
    let offered = RootFingerprint::of(first_root);
    if offered == pinned {
        return Ok(());
    }
    Err(TrustError::FingerprintDiffers { pinned: pinned.grouped(), offered: offered.grouped() })
}

/// The root of this version, verified; `None` at the end of the chain.
async fn root_next(
    source: &dyn MetadataSource,
    current: &Signed<Root>,
    version: u64,
) -> Result<Option<(Signed<Root>, Bytes)>, TrustError> {
    let name = FileName::Root(version);
    let Some(bytes) = file_fetch(source, name, name.limit()).await? else { return Ok(None) };
    if version > ROOT_VERSIONS_LIMIT {
        let limit = usize::try_from(ROOT_VERSIONS_LIMIT).unwrap_or(usize::MAX);
        return Err(TrustError::TooMany {
            what: "versions of the root",
            actual: limit.saturating_add(1),
            limit,
        });
    }
    Ok(Some((root_step(current, version, &bytes)?, bytes)))
}

/// One step of the chain of roots: signed by the threshold of the root before and by its own, with the next number, for
/// the same federation.
pub(crate) fn root_step(
    before: &Signed<Root>,
    version: u64,
    bytes: &[u8],
) -> Result<Signed<Root>, TrustError> {
    let next = metadata::role_parse::<Root>(Role::Root, bytes)?;
    metadata::role_verify(&before.signed, Role::Root, &next)?;
    metadata::role_verify(&next.signed, Role::Root, &next)?;
    if next.signed.version.get() != version {
        return Err(TrustError::MixedUp { file: FileName::Root(version).to_string() });
    }
    if metadata::root_federation(&next.signed)? != metadata::root_federation(&before.signed)? {
        return Err(TrustError::malformed(
            "root metadata",
            "it names another federation than the root before it",
        ));
    }
    Ok(next)
}

/// The state on disk, verified from the fingerprint on.
async fn state_load(folder: &Folder, pinned: RootFingerprint) -> Result<State, TrustError> {
    let reader = folder.clone();
    let roots = blocking(move || roots_read(&reader)).await?;
    let reader = folder.clone();
    blocking(move || whole_check(&reader)).await?;
    let Some(first) = roots.first() else {
        return Ok(State { root: None, directory: None, timestamp: None });
    };
    fingerprint_check(pinned, first)?;
    let mut newest = first_root_check(first)?;
    for (version, bytes) in (2..).zip(roots.iter().skip(1)) {
        newest = root_step(&newest, version, bytes)?;
    }
    let version = newest.signed.version.get();
    let root = roots.last().map(|bytes| TrustedRoot { version, bytes: bytes.clone() });
    let reader = folder.clone();
    let timestamp = blocking(move || reader.read(FileName::Timestamp, Role::Timestamp.limit())).await?;
    let Some(timestamp) = timestamp.map(Bytes::from) else {
        return Ok(State { root, directory: None, timestamp: None });
    };
    let source = FolderSource::new(folder.base());
    let mut gathered = Gathered::default();
    roles_gather(&source, folder, &mut gathered).await?;
    // Roots are kept before the rest of an update, so the held timestamp may be signed under an earlier root.
    let mut outcome = Err(TrustError::NotJoined);
    for bytes in roots.iter().rev() {
        outcome = metadata_verify(bytes, gathered.clone(), None).await;
        if !matches!(outcome, Err(TrustError::WronglySigned { .. })) {
            break;
        }
    }
    let verified = outcome?;
    let (directory, _) = directory_gather(&source, folder, &verified).await?;
    Ok(State { root, directory: Some(Arc::new(directory)), timestamp: Some(timestamp) })
}

/// Refuses a folder from which a root is missing, or whose rollback memory cannot be read: going on without would forget
/// what must not be rolled back.
fn whole_check(folder: &Folder) -> Result<(), TrustError> {
    let names = folder.metadata_names();
    let newest = names.iter().filter_map(|name| match name {
        FileName::Root(version) => Some(*version),
        FileName::Timestamp | FileName::Snapshot(_) | FileName::Targets(_) | FileName::Target(..) => None,
    });
    // Anything at all was written after the first root.
    let newest = newest.max().unwrap_or(u64::from(!names.is_empty())).min(ROOT_VERSIONS_LIMIT);
    let missing = (1..=newest).map(FileName::Root).find(|name| !names.contains(name));
    if let Some(name) = missing {
        return Err(TrustError::Missing { file: name.to_string() });
    }
    for (file, role) in SEEN {
        let path = folder.base().join("seen").join(file);
        let Some(bytes) = file_read(&path, role.limit())? else { continue };
        let parsed = match role {
            Role::Timestamp => metadata::role_parse::<Timestamp>(role, &bytes).map(|_| ()),
            _ => metadata::role_parse::<Snapshot>(role, &bytes).map(|_| ()),
        };
        parsed.map_err(|error| TrustError::malformed(path.display().to_string(), error.to_string()))?;
    }
    Ok(())
}

/// The files that verified metadata lists, and the directory they make.
async fn directory_gather(
    source: &dyn MetadataSource,
    folder: &Folder,
    verified: &VerifiedMetadata,
) -> Result<(VerifiedDirectory, BTreeMap<TargetPath, (Bytes, bool)>), TrustError> {
    let listed = metadata::target_files(verified.targets())?;
    let bytes = targets_gather(source, folder, &listed).await?;
    let directory = VerifiedDirectory::build(verified, listed, |path| {
        bytes
            .get(&path)
            .map(|(bytes, _)| bytes.clone())
            .ok_or_else(|| TrustError::Missing { file: path.to_string() })
    })?;
    Ok((directory, bytes))
}

/// Nothing newer is to be had; a source that only has an expired state is no success all the same.
fn unchanged(held: &VerifiedDirectory, now: UnixTime) -> Result<RefreshOutcome, TrustError> {
    if held.expires() <= now {
        return Err(TrustError::Expired { role: held.expires_first(), since: held.expires() });
    }
    Ok(RefreshOutcome::Unchanged)
}

/// Roots with their versions, in order.
type Roots = Vec<(u64, Bytes)>;

/// The roots on disk that hold, from the fingerprint on and each under the one before, with the newest of them taken apart.
fn roots_whole(folder: &Folder, pinned: RootFingerprint) -> Result<(Signed<Root>, Roots), TrustError> {
    let roots = roots_read(folder)?;
    let first = roots.first().ok_or(TrustError::NotJoined)?;
    fingerprint_check(pinned, first)?;
    let mut newest = first_root_check(first)?;
    let mut whole = vec![(1, first.clone())];
    for (version, bytes) in (2..).zip(roots.iter().skip(1)) {
        let Ok(next) = root_step(&newest, version, bytes) else { break };
        newest = next;
        whole.push((version, bytes.clone()));
    }
    Ok((newest, whole))
}

/// The roots on disk from version 1 without a gap.
pub(crate) fn roots_read(folder: &Folder) -> Result<Vec<Bytes>, TrustError> {
    let mut roots = Vec::new();
    for version in 1..=ROOT_VERSIONS_LIMIT {
        match folder.read(FileName::Root(version), Role::Root.limit())? {
            Some(bytes) => roots.push(Bytes::from(bytes)),
            None => break,
        }
    }
    Ok(roots)
}
