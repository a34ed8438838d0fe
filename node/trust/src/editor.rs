//! The coordinator's hand on the directory: admits, updates and removes members, publishes contents, and signs again
//! what would expire.
//!
//! Every change is one commit of `folder.rs`: it is in force when the function returns and not before. After a write that
//! failed, what is on disk is uncertain, so the editor refuses further work until it is opened again. Two changes never
//! sign the same version with different content and show both: a version becomes visible only through the committed
//! timestamp, and a lock file keeps a second editor away.
//!
//! A signature carries the time of this machine's clock, and every later one must not be before it. One run with a clock
//! that is years ahead would therefore stop all changes for years, so a time far after the last signature is refused
//! like one before it, until a person who compared the clock says that it is right ([`DirectoryEditor::clock_confirm`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use bytes::Bytes;
use chengxin_schemas::agency::AgencyCode;
use chengxin_schemas::directory::DirectoryEntry;
use chengxin_schemas::key::SigningKey;
use chengxin_schemas::time::UnixTime;
use tough::schema::{RoleType, Root, Signed};

use crate::directory::{Members, entry_bytes, entry_path};
use crate::error::TrustError;
use crate::fingerprint::RootFingerprint;
use crate::folder::Folder;
use crate::found::contents_check;
use crate::generation::{Generation, GenerationVersions, SignedFile};
use crate::limits::{CLOCK_LEAP_SECONDS, CLOCK_TOLERANCE_SECONDS, MEMBERS_LIMIT};
use crate::metadata::{self, TargetFile, target_file_name};
use crate::name::{ContentName, FileName, Role, TargetPath};
use crate::repository::{repository_load, targets_read};
use crate::root_change::RootDraft;
use crate::store::root_step;

/// Keys of the roles that a coordinator's node signs with, each its own.
pub struct OnlineKeys {
    /// Signs the list of members and contents.
    pub targets: SigningKey,
    /// Signs which versions belong together.
    pub snapshot: SigningKey,
    /// Signs what is current.
    pub timestamp: SigningKey,
}

/// For how long signatures hold, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// The root.
    pub root: i64,
    /// The list of members and contents.
    pub targets: i64,
    /// The snapshot.
    pub snapshot: i64,
    /// The timestamp.
    pub timestamp: i64,
}

impl Default for Lifetimes {
    /// Root 400 days (holders meet once a year), targets 90 days, snapshot 14 days, timestamp 2 days: a stolen timestamp
    /// can hold a node back that long, and a coordinator's node may be down that long before anybody notices.
    fn default() -> Self {
        const DAY: i64 = 24 * 3600;
        Self { root: 400 * DAY, targets: 90 * DAY, snapshot: 14 * DAY, timestamp: 2 * DAY }
    }
}

impl Lifetimes {
    /// Refuses lifetimes that would let something expire before what depends on it, or overflow the calendar.
    pub(crate) fn check(&self) -> Result<(), TrustError> {
        const TEN_YEARS: i64 = 10 * 366 * 24 * 3600;
        let ordered = self.timestamp >= 60
            && self.snapshot >= self.timestamp
            && self.targets >= self.snapshot
            && self.root >= self.targets
            && self.root <= TEN_YEARS;
        if ordered {
            return Ok(());
        }
        Err(TrustError::Parameter {
            field: "lifetimes",
            reason: "they must grow from timestamp (at least a minute) over snapshot and targets to root (at most ten years)"
                .to_owned(),
        })
    }
}

/// A change of the list of members.
#[derive(Clone, Debug)]
pub enum MemberChange {
    /// Adds a member.
    Admit(Box<DirectoryEntry>),
    /// Replaces a member's entry: keys, addresses, name, region.
    Update(Box<DirectoryEntry>),
    /// Takes a member out.
    Remove(AgencyCode),
}

/// Versions after a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublishedVersions {
    /// The list of members and contents.
    pub directory: u64,
    /// The timestamp.
    pub timestamp: u64,
    /// When the timestamp has to be signed again at the latest.
    pub expires: UnixTime,
}

/// A change of the list of members that keeps all rules, signed and not written.
struct MembersPlan {
    members: Members,
    files: BTreeMap<TargetPath, TargetFile>,
    new_files: Vec<(TargetPath, Vec<u8>)>,
    generation: Generation,
}

/// The federation's repository, opened for changes.
pub struct DirectoryEditor {
    folder: Folder,
    keys: OnlineKeys,
    lifetimes: Lifetimes,
    fingerprint: RootFingerprint,
    root: Signed<Root>,
    files: BTreeMap<TargetPath, TargetFile>,
    members: Members,
    generation: Generation,
    signed_at: UnixTime,
    /// A change of the root was cut short before the new keys signed, and could not be finished yet.
    is_signed_by_former_keys: bool,
    /// Set when a write failed: what is on disk is uncertain.
    is_uncertain: bool,
    /// Holds the lock for the editor's life.
    _lock: File,
}

impl DirectoryEditor {
    /// Opens the repository in `folder` and verifies all of it, so that a file changed on disk is found and not signed.
    /// If a change of the root was cut short before the new keys signed, that is made up for at the time `now`, or, where
    /// the clock is not to be trusted, with the first signature after it is.
    pub fn open(
        folder: &Path,
        keys: OnlineKeys,
        lifetimes: Lifetimes,
        now: UnixTime,
    ) -> Result<Self, TrustError> {
        lifetimes.check()?;
        let lock = lock_take(folder)?;
        let folder = Folder::new(folder);
        let held = repository_load(&folder)?;
        keys_check(&held.root.signed, &keys)?;
        let mut editor = Self {
            folder,
            keys,
            lifetimes,
            fingerprint: held.fingerprint,
            root: held.root,
            files: held.files,
            members: held.members,
            generation: held.generation,
            signed_at: held.signed_at,
            is_signed_by_former_keys: held.is_signed_by_former_keys,
            is_uncertain: false,
            _lock: lock,
        };
        if editor.is_signed_by_former_keys && editor.check_clock(now).is_ok() {
            editor.publish(Vec::new(), editor.files.clone(), now)?;
        }
        Ok(editor)
    }

    /// The fingerprint to give to those who join.
    pub fn fingerprint(&self) -> RootFingerprint {
        self.fingerprint
    }

    /// The members.
    pub fn entries(&self) -> impl Iterator<Item = &DirectoryEntry> {
        self.members.iter()
    }

    /// The versions in force.
    pub fn versions(&self) -> PublishedVersions {
        PublishedVersions {
            directory: self.generation.targets.version,
            timestamp: self.generation.timestamp.version,
            expires: self.generation.timestamp.expires,
        }
    }

    /// The root in force, as its file stands: the start of a [`RootDraft`].
    pub fn root_bytes(&self) -> Result<Vec<u8>, TrustError> {
        metadata::file_bytes(&self.root)
    }

    /// Adds a member.
    pub fn member_admit(
        &mut self,
        entry: DirectoryEntry,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        self.members_change(vec![MemberChange::Admit(Box::new(entry))], now)
    }

    /// Replaces a member's entry, for example to rotate its keys: both keys are listed while they overlap.
    pub fn member_update(
        &mut self,
        entry: DirectoryEntry,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        self.members_change(vec![MemberChange::Update(Box::new(entry))], now)
    }

    /// Takes a member out. Nodes refuse it as soon as they see the new version.
    pub fn member_remove(
        &mut self,
        agency: &AgencyCode,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        self.members_change(vec![MemberChange::Remove(*agency)], now)
    }

    /// Makes several changes as one version: all or none.
    pub fn members_change(
        &mut self,
        changes: Vec<MemberChange>,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        let plan = self.members_plan(changes, now)?;
        self.commit(&plan.new_files, None, plan.generation, now)?;
        self.files = plan.files;
        self.members = plan.members;
        self.prune();
        Ok(self.versions())
    }

    /// Whether [`DirectoryEditor::member_admit`] would be refused, without writing anything: for what must not be used up
    /// by an admission that cannot be. Only the disk can still fail it.
    pub fn admit_check(&self, entry: DirectoryEntry, now: UnixTime) -> Result<(), TrustError> {
        self.members_plan(vec![MemberChange::Admit(Box::new(entry))], now).map(|_| ())
    }

    /// Whether [`DirectoryEditor::member_remove`] would be refused, without writing anything.
    pub fn remove_check(&self, agency: &AgencyCode, now: UnixTime) -> Result<(), TrustError> {
        self.members_plan(vec![MemberChange::Remove(*agency)], now).map(|_| ())
    }

    fn members_plan(&self, changes: Vec<MemberChange>, now: UnixTime) -> Result<MembersPlan, TrustError> {
        self.check_ready(now)?;
        let mut members = self.members.clone();
        let mut files = self.files.clone();
        let mut new_files = Vec::new();
        for change in changes {
            match change {
                MemberChange::Remove(agency) => {
                    files.remove(&entry_path(&member_take(&mut members, &agency)?));
                }
                MemberChange::Update(entry) => {
                    files.remove(&entry_path(&member_take(&mut members, &entry.agency)?));
                    new_files.push(member_add(&mut members, &mut files, *entry)?);
                }
                MemberChange::Admit(entry) => {
                    new_files.push(member_add(&mut members, &mut files, *entry)?);
                }
            }
        }
        if !members.iter().any(|entry| entry.coordinator) {
            let reason =
                "no coordinator would be left to sign the directory; admit another coordinator first";
            return Err(TrustError::Conflict { reason: reason.to_owned() });
        }
        let count = members.iter().count();
        if count > MEMBERS_LIMIT {
            return Err(TrustError::TooMany { what: "members", actual: count, limit: MEMBERS_LIMIT });
        }
        let generation =
            Generation::sign_all(&files, self.next_versions(), &self.keys, &self.lifetimes, now)?;
        Ok(MembersPlan { members, files, new_files, generation })
    }

    /// Publishes contents, or takes them back where there is none given, as one version: all or none. What they say is
    /// the caller's to check: that a policy bundle passed its tests and was approved.
    pub fn contents_publish(
        &mut self,
        contents: &BTreeMap<ContentName, Option<Bytes>>,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        contents_check(contents.iter().filter_map(|(name, content)| Some((name, content.as_ref()?))))?;
        let mut files = self.files.clone();
        let mut new_files = Vec::new();
        for (name, content) in contents {
            let path = TargetPath::Content(*name);
            match content {
                Some(content) => {
                    files.insert(path, TargetFile::of(content));
                    new_files.push((path, content.to_vec()));
                }
                None => {
                    files.remove(&path);
                }
            }
        }
        self.publish(new_files, files, now)
    }

    /// Signs the timestamp again, and with it whatever of the other two is in the second half of its life. A
    /// coordinator's node calls this a few times within the timestamp's lifetime.
    pub fn timestamp_refresh(&mut self, now: UnixTime) -> Result<PublishedVersions, TrustError> {
        self.check_ready(now)?;
        let is_old = |file: &SignedFile, lifetime: i64| file.expires.since(now) < lifetime / 2;
        if self.is_signed_by_former_keys || is_old(&self.generation.targets, self.lifetimes.targets) {
            return self.publish(Vec::new(), self.files.clone(), now);
        }
        let versions = self.next_versions();
        let generation = if is_old(&self.generation.snapshot, self.lifetimes.snapshot) {
            let targets = self.generation.targets.clone();
            Generation::sign_over(targets, versions, &self.keys, &self.lifetimes, now)?
        } else {
            self.generation.sign_timestamp(versions.timestamp, &self.keys, &self.lifetimes, now)?
        };
        self.commit(&[], None, generation, now)?;
        Ok(self.versions())
    }

    /// Signs everything again at `now`, whatever the time of the last signature: a person vouches that this machine's clock
    /// is right. Members follow, since they compare versions; no file keeps an expiry that a wrong clock gave it.
    pub fn clock_confirm(&mut self, now: UnixTime) -> Result<PublishedVersions, TrustError> {
        self.check_certain()?;
        let generation =
            Generation::sign_all(&self.files, self.next_versions(), &self.keys, &self.lifetimes, now)?;
        self.commit(&[], None, generation, now)?;
        self.prune();
        Ok(self.versions())
    }

    /// Puts a new root in force that enough holders of the old and of the new root have signed. `keys` are the online
    /// keys from now on; those that the new root names anew must be given.
    pub fn root_publish(
        &mut self,
        draft: &RootDraft,
        keys: Option<OnlineKeys>,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        self.check_ready(now)?;
        let version = self.root.signed.version.get().saturating_add(1);
        let root = root_step(&self.root, version, draft.bytes())?;
        let expires = metadata::expires(&root.signed);
        if expires <= now {
            return Err(TrustError::Expired { role: Role::Root, since: expires });
        }
        let keys_after = keys.as_ref().unwrap_or(&self.keys);
        keys_check(&root.signed, keys_after)?;
        let generation =
            Generation::sign_all(&self.files, self.next_versions(), keys_after, &self.lifetimes, now)?;
        self.commit(&[], Some((FileName::Root(version), draft.bytes())), generation, now)?;
        self.root = root;
        if let Some(keys) = keys {
            self.keys = keys;
        }
        Ok(self.versions())
    }

    fn next_versions(&self) -> GenerationVersions {
        let GenerationVersions { targets, snapshot, timestamp } = self.generation.versions();
        GenerationVersions {
            targets: targets.saturating_add(1),
            snapshot: snapshot.saturating_add(1),
            timestamp: timestamp.saturating_add(1),
        }
    }

    fn check_ready(&self, now: UnixTime) -> Result<(), TrustError> {
        self.check_certain()?;
        self.check_clock(now)
    }

    fn check_certain(&self) -> Result<(), TrustError> {
        if self.is_uncertain {
            let reason = "an earlier change could not be written to the end; open the repository again";
            return Err(TrustError::Conflict { reason: reason.to_owned() });
        }
        Ok(())
    }

    fn check_clock(&self, now: UnixTime) -> Result<(), TrustError> {
        let passed = now.since(self.signed_at);
        if !(-CLOCK_TOLERANCE_SECONDS..=CLOCK_LEAP_SECONDS).contains(&passed) {
            return Err(TrustError::Clock { now, signed_at: self.signed_at });
        }
        Ok(())
    }

    fn publish(
        &mut self,
        new_files: Vec<(TargetPath, Vec<u8>)>,
        files: BTreeMap<TargetPath, TargetFile>,
        now: UnixTime,
    ) -> Result<PublishedVersions, TrustError> {
        self.check_ready(now)?;
        let generation =
            Generation::sign_all(&files, self.next_versions(), &self.keys, &self.lifetimes, now)?;
        self.commit(&new_files, None, generation, now)?;
        self.files = files;
        self.prune();
        Ok(self.versions())
    }

    fn commit(
        &mut self,
        new_files: &[(TargetPath, Vec<u8>)],
        root: Option<(FileName, &[u8])>,
        generation: Generation,
        now: UnixTime,
    ) -> Result<(), TrustError> {
        self.is_uncertain = true;
        self.folder.write_all(
            new_files
                .iter()
                .map(|(path, bytes)| (target_file_name(*path, TargetFile::of(bytes)), &bytes[..])),
        )?;
        self.folder.write_all(generation.numbered_files())?;
        // The new root comes late: from here to the timestamp readers see signatures of the former keys under it.
        self.folder.write_all(root)?;
        self.folder.commit(generation.timestamp_bytes())?;
        self.generation = generation;
        self.signed_at = now;
        self.is_signed_by_former_keys = false;
        self.is_uncertain = false;
        Ok(())
    }

    /// Old generations go, with the entries that only they name.
    fn prune(&self) {
        let versions = self.generation.versions();
        let mut kept: BTreeSet<FileName> =
            self.files.iter().map(|(path, file)| target_file_name(*path, *file)).collect();
        for version in self.folder.targets_versions() {
            let files = targets_read(&self.folder, version).ok().flatten();
            kept.extend(files.iter().flatten().map(|(path, file)| target_file_name(*path, *file)));
        }
        self.folder.prune(versions.snapshot, versions.targets, &kept);
    }
}

fn member_take(members: &mut Members, agency: &AgencyCode) -> Result<DirectoryEntry, TrustError> {
    members.remove(agency).ok_or_else(|| TrustError::NotMember { agency: agency.to_string() })
}

fn member_add(
    members: &mut Members,
    files: &mut BTreeMap<TargetPath, TargetFile>,
    entry: DirectoryEntry,
) -> Result<(TargetPath, Vec<u8>), TrustError> {
    let (path, bytes) = (entry_path(&entry), entry_bytes(&entry)?);
    // Nothing could be sealed to a member whose recipients do not parse. Readers do not repeat this check: an entry
    // must not become unreadable because a later version knows more kinds of recipients.
    entry.seal_recipients()?;
    if members.get(&entry.agency).is_some() {
        let reason = format!("agency {} is a member already; update its entry instead", entry.agency);
        return Err(TrustError::Conflict { reason });
    }
    members
        .add(entry)
        .map_err(|rule| TrustError::Entry { path: path.to_string(), reason: rule.to_string() })?;
    files.insert(path, TargetFile::of(&bytes));
    Ok((path, bytes))
}

/// Only one editor at a time; the lock ends with the process.
fn lock_take(folder: &Path) -> Result<File, TrustError> {
    let path = folder.join("lock");
    if !folder.join("metadata").is_dir() {
        let reason = "there is no federation here; found one first";
        return Err(TrustError::malformed(folder.display().to_string(), reason));
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(TrustError::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let reason = "another process is changing this directory; use that one, or stop it";
            Err(TrustError::Conflict { reason: reason.to_owned() })
        }
        Err(TryLockError::Error(error)) => Err(TrustError::file("lock", path)(error)),
    }
}

fn keys_check(root: &Root, keys: &OnlineKeys) -> Result<(), TrustError> {
    let held = [
        (Role::Targets, RoleType::Targets, &keys.targets),
        (Role::Snapshot, RoleType::Snapshot, &keys.snapshot),
        (Role::Timestamp, RoleType::Timestamp, &keys.timestamp),
    ];
    match held.into_iter().find(|(_, tuf_role, key)| !metadata::role_has_key(root, *tuf_role, key.public())) {
        Some((role, ..)) => Err(TrustError::OnlineKey { role }),
        None => Ok(()),
    }
}
